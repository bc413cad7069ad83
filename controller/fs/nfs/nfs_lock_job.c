/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that no request waits for, restarts of either side, and the thread's round: see nfs_lock.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "doca_log.h"
#include "nfs_lock_int.h"
#include "nsm.h"

DOCA_LOG_REGISTER(VIRTIOFS::NFS::LOCK);

#define MAX_ANSWERS 256 /* to GRANTED_MSGs; who gets none says it again */
#define PING_NS 10000000000ull
#define SETTLE_NS 1000000000ull
#define FREE_TICK_MS 20

static const struct nfs_cred nobody;

/* ---- queueing; under lock ---- */

static void queue(struct nfs_locks *l, struct nfs_lock_job *job, enum nfs_proc proc, const struct nfs_fh *fh)
{
	job->call = (struct nfs_call){ .proc = proc, .cred = &job->cred, .fh = fh, .lock = &job->lock,
				       .background = true };
	STAILQ_INSERT_TAIL(&l->todo, job, link);
	__atomic_store_n(&l->has_todo, true, __ATOMIC_RELAXED);
}

bool nfs_job_queue(struct nfs_fs *nfs, struct nfs_owner *o, const struct nfs_range *r, enum nfs_proc proc)
{
	struct nfs_lock_job *job = calloc(1, sizeof(*job));

	if (!job)
		return false;
	job->owner = o;
	job->cred = o->cred;
	job->range = *r;
	job->reclaim = proc == NLM_LOCK;
	o->undoing += !job->reclaim;
	o->users++;
	nfs_lock_fill(nfs, &job->lock, o->svid, r);
	job->lock.reclaim = job->reclaim;
	job->lock.block = proc == NLM_CANCEL; /* as it was asked for */
	queue(&nfs->locks, job, proc, &o->node->fh);
	return true;
}

bool nfs_job_answer(struct nfs_fs *nfs, const struct nlm_grant *g, enum nlm_stat stat)
{
	struct nfs_lock_job *job = NULL;

	if (nfs->locks.nr_answers < MAX_ANSWERS)
		job = calloc(1, sizeof(*job));
	if (!job)
		return false;
	nfs->locks.nr_answers++;
	job->lock.svid = stat;
	job->lock.oh_len = g->cookie_len;
	memcpy(job->lock.oh, g->cookie, g->cookie_len);
	queue(&nfs->locks, job, NLM_GRANTED_RES, NULL);
	return true;
}

void nfs_job_unlock_all(struct nfs_fs *nfs, struct nfs_owner *o)
{
	static const struct nfs_range all = { .end = NFS_RANGE_END };

	if (!nfs_job_queue(nfs, o, &all, NLM_UNLOCK))
		nfs->locks.left = true;
}

/* ---- reclaiming; under lock ---- */

/* All ranges are the server's again: what waited goes on. */
static void end_reclaim(struct nfs_fs *nfs, struct nfs_owner *o)
{
	struct nreq *n;

	nfs_owner_set_reclaim(&nfs->locks, o, false);
	if (o->drop)
		nfs_job_unlock_all(nfs, o);
	o->drop = false;
	while ((n = STAILQ_FIRST(&o->parked))) {
		STAILQ_REMOVE_HEAD(&o->parked, link);
		nfs_post(n);
	}
}

void nfs_reclaim_start(struct nfs_fs *nfs, struct nfs_owner *o)
{
	struct nfs_range *r;

	o->again = false;
	SLIST_FOREACH(r, &o->ranges, link)
		o->jobs += nfs_job_queue(nfs, o, r, NLM_LOCK);
	if (!o->jobs)
		end_reclaim(nfs, o);
}

static void reclaim_owner(struct nfs_fs *nfs, struct nfs_owner *o)
{
	o->again = o->reclaim;
	/* What is being asked for may be answered by the server as it was before. */
	if (o->reclaim || (SLIST_EMPTY(&o->ranges) && LIST_EMPTY(&o->active)))
		return;
	nfs_owner_set_reclaim(&nfs->locks, o, true);
	if (LIST_EMPTY(&o->active)) /* otherwise each thread recalls its own */
		nfs_reclaim_start(nfs, o);
}

static void drop_owner(struct nfs_fs *nfs, struct nfs_owner *o)
{
	if (SLIST_EMPTY(&o->ranges))
		return;
	nfs_range_cut_all(&nfs->locks, o);
	if (o->reclaim)
		o->drop = true;
	else
		nfs_job_unlock_all(nfs, o);
}

/* It had to wait for what a dead controller left behind. */
static void release_owner(struct nfs_fs *nfs, struct nfs_owner *o)
{
	if (o->reclaim && !o->jobs && LIST_EMPTY(&o->active))
		nfs_reclaim_start(nfs, o);
}

static void for_all_owners(struct nfs_fs *nfs, void (*fn)(struct nfs_fs *nfs, struct nfs_owner *o))
{
	struct nfs_owner *o;

	pthread_mutex_lock(&nfs->locks.lock);
	for (int i = 0; i < NFS_LOCK_BUCKETS; i++)
		LIST_FOREACH(o, &nfs->locks.bucket[i], link)
			fn(nfs, o);
	pthread_mutex_unlock(&nfs->locks.lock);
}

void nfs_locks_drop_all(struct nfs_fs *nfs)
{
	for_all_owners(nfs, drop_owner);
}

/* ---- running them ---- */

static void end_job(struct nfs_lock_job *job, int err)
{
	struct nfs_thread *t = job->thread;
	struct nfs_locks *l = &t->nfs->locks;
	struct nfs_owner *o = job->owner;

	STAILQ_REMOVE(&t->lock_jobs, job, nfs_lock_job, link);
	pthread_mutex_lock(&l->lock);
	if (!o)
		l->nr_answers--;
	else if (!job->reclaim)
		l->left |= nfs_lock_unknown(err);
	else if (!--o->jobs && o->again)
		nfs_reclaim_start(t->nfs, o);
	else if (!o->jobs)
		end_reclaim(t->nfs, o);
	/* The server may have granted it before it heard of that. */
	if (job->call.proc == NLM_CANCEL && !nfs_range_overlaps(o, job->range.start, job->range.end))
		nfs_job_queue(t->nfs, o, &job->range, NLM_UNLOCK);
	if (o && !job->reclaim)
		o->undoing--;
	pthread_mutex_unlock(&l->lock);
	if (o)
		nfs_owner_unuse(t->nfs, o);
	free(job);
}

static void job_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nfs_lock_job *job = container_of(call, struct nfs_lock_job, call);

	if (job->reclaim && err && err != -EINTR) {
		if (job->lock.reclaim) {
			/* In no grace period: it may never have forgotten the lock, or nobody took it. */
			job->lock.reclaim = false;
			nfs_client_call(job->thread->client, &job->call);
			return;
		}
		DOCA_LOG_WARN("nfs: server %s gave a lock of the guest to somebody else",
			      job->thread->nfs->place.server);
	}
	end_job(job, err);
}

void nfs_job_run(struct nfs_thread *t)
{
	struct nfs_lock_jobs list = STAILQ_HEAD_INITIALIZER(list);
	struct nfs_locks *l = &t->nfs->locks;
	struct nfs_lock_job *job;

	if (!__atomic_load_n(&l->has_todo, __ATOMIC_RELAXED))
		return;
	pthread_mutex_lock(&l->lock);
	STAILQ_CONCAT(&list, &l->todo);
	__atomic_store_n(&l->has_todo, false, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&l->lock);
	while ((job = STAILQ_FIRST(&list))) {
		STAILQ_REMOVE_HEAD(&list, link);
		job->thread = t;
		job->call.done = job_done;
		STAILQ_INSERT_TAIL(&t->lock_jobs, job, link);
		nfs_client_call(t->client, &job->call);
	}
}

/* ---- what a killed controller left behind ---- */

static void set_step(struct nfs_locks *l, int step)
{
	pthread_mutex_lock(&l->lock);
	l->free.step = step;
	if (step == NFS_FREE_WANTED)
		l->free.thread = NULL;
	__atomic_store_n(&l->freeing, step != NFS_FREE_NOT, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&l->lock);
}

static void freed(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nfs_lock_free *f = container_of(call, struct nfs_lock_free, call);
	struct nfs_thread *t = f->thread;
	struct nfs_locks *l = &t->nfs->locks;

	f->until_ns = clock_ns() + SETTLE_NS;
	pthread_mutex_lock(&l->lock);
	l->left |= err == -ETIMEDOUT || err == -EIO; /* the next controller tries again */
	pthread_mutex_unlock(&l->lock);
	set_step(l, err == -EINTR ? NFS_FREE_WANTED : NFS_FREE_SETTLING);
	if (err)
		DOCA_LOG_WARN("nfs: server %s does not free the locks of a controller that was killed: %s",
			      t->nfs->place.server, strerror(-err));
	else
		DOCA_LOG_INFO("nfs: server %s has freed the locks of a controller that was killed",
			      t->nfs->place.server);
}

static void call_free(struct nfs_thread *t, struct nfs_lock_free *f)
{
	set_step(&t->nfs->locks, NFS_FREE_CALLING);
	f->lock = (struct nfs_lock){ .state = nsm_state(t->nfs->locks.nsm) };
	/* New locks wait for it: not for ever, should the server just not answer this one. */
	f->call = (struct nfs_call){ .proc = NLM_FREE_ALL, .cred = &nobody, .fh = &t->nfs->mnt.root,
				     .lock = &f->lock, .background = true, .soft = true, .done = freed };
	nfs_client_call(t->client, &f->call);
}

/* Others of this process may have lost theirs, too. */
static void end_free(struct nfs_thread *t)
{
	struct nfs_locks *l = &t->nfs->locks;

	set_step(l, NFS_FREE_NOT);
	for_all_owners(t->nfs, release_owner);
	nlm_listen_restarted(&l->peer);
}

/* One thread does it. */
static bool take_free(struct nfs_thread *t, struct nfs_lock_free *f)
{
	bool ours;

	pthread_mutex_lock(&t->nfs->locks.lock);
	if (f->step == NFS_FREE_WANTED && !f->thread)
		f->thread = t;
	ours = f->step != NFS_FREE_NOT && f->thread == t;
	pthread_mutex_unlock(&t->nfs->locks.lock);
	return ours;
}

static void free_poll(struct nfs_thread *t)
{
	struct nfs_lock_free *f = &t->nfs->locks.free;

	if (!take_free(t, f))
		return;
	switch (f->step) {
	case NFS_FREE_WANTED:
		f->notify = nsm_notify_start(t->nfs->mnt.address, nsm_state(t->nfs->locks.nsm));
		set_step(&t->nfs->locks, NFS_FREE_TELLING);
		break;
	case NFS_FREE_TELLING:
		if (!f->notify || nsm_notify_take(&f->notify))
			call_free(t, f);
		break;
	case NFS_FREE_SETTLING:
		if (clock_ns() >= f->until_ns)
			end_free(t);
		break;
	default:
		break;
	}
}

/* ---- the thread ---- */

static void pinged(struct nfs_call *call, int err, const struct nfs_result *res)
{
	container_of(call, struct nfs_thread, ping)->pinging = false;
}

/* A server that nobody talks to might restart and end its grace period unnoticed. */
static void ping(struct nfs_thread *t)
{
	uint64_t now = clock_ns();

	if (t->pinging || now - t->ping_ns < PING_NS)
		return;
	t->ping_ns = now;
	t->pinging = true;
	t->ping = (struct nfs_call){ .proc = NFS_GETATTR, .cred = &nobody, .fh = &t->nfs->mnt.root,
				     .background = true, .done = pinged };
	nfs_client_call(t->client, &t->ping);
}

static void look_for_restart(struct nfs_thread *t)
{
	struct nfs_locks *l = &t->nfs->locks;
	uint32_t epoch, seen = __atomic_load_n(&l->epoch, __ATOMIC_RELAXED);

	nfs_look_at_epoch(t);
	epoch = __atomic_load_n(&t->nfs->epoch, __ATOMIC_RELAXED);
	/* One thread does it for all. */
	if (epoch == seen || !__atomic_compare_exchange_n(&l->epoch, &seen, epoch, false, __ATOMIC_RELAXED,
							  __ATOMIC_RELAXED))
		return;
	for_all_owners(t->nfs, reclaim_owner);
	nfs_wait_kick(t->nfs);
}

void nfs_lock_poll(struct nfs_thread *t)
{
	struct nfs_locks *l = &t->nfs->locks;

	if (unlikely(t->lock_ended))
		return;
	if (unlikely(__atomic_load_n(&l->freeing, __ATOMIC_ACQUIRE))) /* pairs with set_step() */
		free_poll(t);
	nfs_job_run(t);
	if (!__atomic_load_n(&l->nr_owners, __ATOMIC_RELAXED))
		return;
	nfs_wait_poll(t);
	ping(t);
	look_for_restart(t);
}

int nfs_lock_timeout_ms(const struct nfs_thread *t)
{
	int ms = nfs_wait_timeout_ms(t);

	if (__atomic_load_n(&t->nfs->locks.freeing, __ATOMIC_RELAXED))
		return FREE_TICK_MS;
	if (!__atomic_load_n(&t->nfs->locks.nr_owners, __ATOMIC_RELAXED))
		return -1;
	return ms < 0 ? (int)(PING_NS / 1000000) : min(ms, (int)(PING_NS / 1000000));
}

bool nfs_lock_busy(const struct nfs_thread *t)
{
	return !STAILQ_EMPTY(&t->lock_jobs) ||
	       __atomic_load_n(&t->nfs->locks.has_todo, __ATOMIC_RELAXED);
}

/* Another thread may go on with it; if none does, the note stays for the next controller. */
static void abandon_free(struct nfs_thread *t)
{
	struct nfs_lock_free *f = &t->nfs->locks.free;

	if (!take_free(t, f))
		return;
	if (f->step == NFS_FREE_CALLING) {
		nfs_client_cancel(t->client, &f->call);
		return;
	}
	nsm_notify_drop(f->notify);
	f->notify = NULL;
	set_step(&t->nfs->locks, NFS_FREE_WANTED);
}

void nfs_lock_abandon(struct nfs_thread *t)
{
	struct nfs_lock_job *job;

	t->lock_ended = true;
	STAILQ_FOREACH(job, &t->lock_jobs, link)
		nfs_client_cancel(t->client, &job->call);
	if (t->pinging)
		nfs_client_cancel(t->client, &t->ping);
	abandon_free(t);
}

static void on_calls(struct thr_watch *w, uint32_t revents)
{
	nlm_listen_poll();
}

int nfs_lock_attach(struct nfs_thread *t)
{
	int rc;

	t->calls = (struct thr_watch){ .fd = -1, .events = EPOLLIN, .ready = on_calls };
	if (!t->nfs->locks.listening)
		return 0;
	t->calls.fd = nlm_listen_fd();
	if (t->calls.fd < 0)
		return -EMFILE;
	rc = thr_watch_add(t->thr, &t->calls);
	if (!rc)
		return 0;
	close(t->calls.fd);
	t->calls.fd = -1;
	return rc;
}

void nfs_lock_detach(struct nfs_thread *t)
{
	if (t->calls.fd < 0)
		return;
	thr_watch_remove(t->thr, &t->calls);
	close(t->calls.fd);
	t->calls.fd = -1;
}

/* ---- beginning and end ---- */

static void on_restarted(struct nlm_peer *peer)
{
	struct nfs_fs *nfs = container_of(peer, struct nfs_fs, locks.peer);

	__atomic_add_fetch(&nfs->epoch, 1, __ATOMIC_RELAXED);
	nfs_wait_wake(nfs);
}

void nfs_locks_init(struct nfs_locks *l, uint64_t host)
{
	pthread_mutex_init(&l->lock, NULL);
	STAILQ_INIT(&l->todo);
	LIST_INIT(&l->waiters);
	l->host = host;
	/* Servers tell owners apart by this alone, and another controller may run on this host. */
	l->next_svid = (uint32_t)(host * 0x9e3779b97f4a7c15ull >> 32);
	l->epoch = 1;
}

int nfs_locks_open(struct nfs_fs *nfs, const struct fs_config *cfg, char *err)
{
	struct nfs_locks *l = &nfs->locks;
	int rc;

	if (nfs->opts.lock != NFS_LOCK_REMOTE)
		return 0;
	rc = nsm_open(cfg->state_dir, nfs->place.server, &l->nsm, err);
	if (rc)
		return rc;
	l->peer = (struct nlm_peer){ .mnt = &nfs->mnt, .host = &l->host, .granted = nfs_wait_granted_by,
				     .restarted = on_restarted };
	rc = nlm_listen_add(&l->peer);
	l->listening = !rc;
	if (!nsm_must_free(l->nsm))
		return 0;
	/* What frees the locks of this machine would free those of the other one's clients as well. */
	if (rc != -EEXIST) {
		set_step(l, NFS_FREE_WANTED);
		return 0;
	}
	DOCA_LOG_WARN("nfs: locks of a controller that was killed stay on server %s: this machine has another lock manager, whose locks would be freed, too",
		      nfs->place.server);
	l->left = true;
	return 0;
}

void nfs_locks_free(struct nfs_fs *nfs)
{
	struct nfs_locks *l = &nfs->locks;
	struct nfs_lock_job *job;
	struct nfs_owner *o;

	nlm_listen_remove(&l->peer);
	while ((job = STAILQ_FIRST(&l->todo))) {
		STAILQ_REMOVE_HEAD(&l->todo, link);
		l->left |= job->owner != NULL;
		if (job->owner)
			nfs_owner_unuse(nfs, job->owner);
		free(job);
	}
	for (int i = 0; i < NFS_LOCK_BUCKETS; i++)
		while ((o = LIST_FIRST(&l->bucket[i]))) {
			nfs_range_cut_all(l, o);
			l->left = true;
			o->users = 1;
			nfs_owner_unuse(nfs, o);
		}
	if (!l->left && !l->freeing)
		nsm_note(l->nsm, false);
	nsm_close(l->nsm);
	pthread_mutex_destroy(&l->lock);
}
