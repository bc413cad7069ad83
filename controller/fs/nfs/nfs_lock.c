/* SPDX-License-Identifier: BSD-3-Clause */
/* See nfs_lock.h. */
#include "nfs_lock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "doca_log.h"
#include "nfs.h"

DOCA_LOG_REGISTER(VIRTIOFS::NFS::LOCK);

#define MAX_RANGES 65536u /* of a guest; ENOLCK beyond */
#define WAIT_MIN_NS 50000000ull
#define WAIT_MAX_NS 1000000000ull
/* Of a thread. Each keeps a place in the guest's queues, and unlocks have to get through as well. */
#define MAX_WAITING 64
#define PING_NS 10000000000ull
#define RANGE_END INT64_MAX /* as FUSE says "to the end of the file" */

static struct nfs_thread *thread_of(const struct nreq *n)
{
	return container_of(n->req->ft, struct nfs_thread, ft);
}

/* ---- owners; under lock ---- */

static unsigned int bucket_of(const struct nfs_node *node, uint64_t id)
{
	return (unsigned int)((id * 0x9e3779b97f4a7c15ull ^ nodetab_id(&node->node)) >> 7) %
	       NFS_LOCK_BUCKETS;
}

static struct nfs_owner *find_owner(struct nfs_locks *l, const struct nfs_node *node, uint64_t id,
				    bool flock)
{
	struct nfs_owner *o;

	LIST_FOREACH(o, &l->bucket[bucket_of(node, id)], link)
		if (o->node == node && o->id == id && o->flock == flock)
			return o;
	return NULL;
}

static struct nfs_owner *make_owner(struct nfs_fs *nfs, struct nreq *n, uint64_t id, bool flock)
{
	struct nfs_locks *l = &nfs->locks;
	struct nfs_owner *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	/* The first: nothing to be reclaimed because of what was before it. */
	if (!__atomic_load_n(&l->nr_owners, __ATOMIC_RELAXED)) {
		nfs_look_at_epoch(thread_of(n));
		__atomic_store_n(&l->epoch, __atomic_load_n(&nfs->epoch, __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
	}
	nodetab_get(nfs->nodes, nodetab_id(&n->node->node)); /* pinned by the request */
	o->node = n->node;
	o->id = id;
	o->flock = flock;
	o->svid = ++l->next_svid;
	o->cred = n->cred;
	STAILQ_INIT(&o->parked);
	LIST_INSERT_HEAD(&l->bucket[bucket_of(n->node, id)], o, link);
	__atomic_add_fetch(&l->nr_owners, 1, __ATOMIC_RELAXED);
	return o;
}

static struct nfs_owner *use_owner(struct nreq *n, uint64_t id, bool flock, bool make)
{
	struct nfs_fs *nfs = nfs_of(n->req);
	struct nfs_owner *o;

	pthread_mutex_lock(&nfs->locks.lock);
	o = find_owner(&nfs->locks, n->node, id, flock);
	if (!o && make)
		o = make_owner(nfs, n, id, flock);
	if (o)
		o->users++;
	pthread_mutex_unlock(&nfs->locks.lock);
	return o;
}

/* Gone with its last range and user. */
static void unuse_owner(struct nfs_fs *nfs, struct nfs_owner *o)
{
	bool gone;

	pthread_mutex_lock(&nfs->locks.lock);
	gone = !--o->users && SLIST_EMPTY(&o->ranges);
	if (gone) {
		LIST_REMOVE(o, link);
		__atomic_sub_fetch(&nfs->locks.nr_owners, 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&nfs->locks.lock);
	if (!gone)
		return;
	nodetab_put(nfs->nodes, &o->node->node);
	free(o);
}

/* A call about the owner may go out: true. False: then(n) when it may. */
static bool enter(struct nreq *n, void (*then)(struct nreq *n))
{
	struct nfs_locks *l = &nfs_of(n->req)->locks;
	struct nfs_owner *o = n->owner;
	bool may;

	pthread_mutex_lock(&l->lock);
	may = !o->reclaim;
	if (may) {
		o->active++;
	} else {
		n->then = then;
		STAILQ_INSERT_TAIL(&o->parked, n, link);
	}
	pthread_mutex_unlock(&l->lock);
	return may;
}

static void start_reclaim(struct nfs_fs *nfs, struct nfs_owner *o);

/* It has been answered. */
static void leave(struct nreq *n)
{
	struct nfs_fs *nfs = nfs_of(n->req);
	struct nfs_owner *o = n->owner;

	pthread_mutex_lock(&nfs->locks.lock);
	if (!--o->active && o->reclaim)
		start_reclaim(nfs, o);
	pthread_mutex_unlock(&nfs->locks.lock);
}

/* ---- ranges; under lock ---- */

static int add_range(struct nfs_locks *l, struct nfs_owner *o, uint64_t start, uint64_t end,
		     bool exclusive, uint32_t pid)
{
	struct nfs_range *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	*r = (struct nfs_range){ .start = start, .end = end, .exclusive = exclusive, .pid = pid };
	SLIST_INSERT_HEAD(&o->ranges, r, link);
	__atomic_add_fetch(&l->nr_ranges, 1, __ATOMIC_RELAXED);
	return 0;
}

/* Cuts [start, end] out of what the owner holds. */
static void cut_ranges(struct nfs_locks *l, struct nfs_owner *o, uint64_t start, uint64_t end)
{
	SLIST_HEAD(, nfs_range) old = { SLIST_FIRST(&o->ranges) };
	struct nfs_range *r;

	SLIST_INIT(&o->ranges);
	while ((r = SLIST_FIRST(&old))) {
		SLIST_REMOVE_HEAD(&old, link);
		/* Without memory for a rest it is not reclaimed after a restart: no more than that. */
		if (r->start < start)
			add_range(l, o, r->start, min(r->end, start - 1), r->exclusive, r->pid);
		if (r->end > end)
			add_range(l, o, max(r->start, end + 1), r->end, r->exclusive, r->pid);
		__atomic_sub_fetch(&l->nr_ranges, 1, __ATOMIC_RELAXED);
		free(r);
	}
}

static void note_range(struct nreq *n)
{
	const struct fuse_file_lock *lk = &n->req->lk->lk;
	struct nfs_locks *l = &nfs_of(n->req)->locks;
	struct nfs_owner *o = n->owner;

	pthread_mutex_lock(&l->lock);
	cut_ranges(l, o, lk->start, lk->end);
	if (lk->type != F_UNLCK)
		add_range(l, o, lk->start, lk->end, lk->type == F_WRLCK, lk->pid);
	pthread_mutex_unlock(&l->lock);
}

/* ---- calls ---- */

static void fill_lock(const struct nfs_fs *nfs, struct nfs_lock *lock, uint32_t svid, uint64_t start,
		      uint64_t end, bool exclusive)
{
	*lock = (struct nfs_lock){ .exclusive = exclusive, .svid = svid, .offset = start,
				   .len = end >= RANGE_END ? 0 : end - start + 1,
				   .oh_len = 12 };
	memcpy(lock->oh, &nfs->locks.host, 8);
	memcpy(lock->oh + 8, &svid, 4);
}

static void lock_end(struct nreq *n, int err)
{
	struct nfs_fs *nfs = nfs_of(n->req);

	if (n->owner)
		unuse_owner(nfs, n->owner);
	n->owner = NULL;
	nfs_done(n, err);
}

static void lock_done(struct nfs_call *call, int err, const struct nfs_result *res);

static void send_lock(struct nreq *n)
{
	const struct fuse_file_lock *lk = &n->req->lk->lk;

	if (!enter(n, send_lock))
		return;
	nfs_prepare(n, lk->type == F_UNLCK ? NLM_UNLOCK : NLM_LOCK);
	fill_lock(nfs_of(n->req), &n->lock, n->owner->svid, lk->start, lk->end, lk->type == F_WRLCK);
	n->call.lock = &n->lock;
	nfs_go(n, lock_done);
}

static bool queue_job(struct nfs_fs *nfs, struct nfs_owner *o, const struct nfs_range *r, bool reclaim);

/*
 * Given up: if the server granted it all the same, nobody else would ever get it. What the owner has there
 * already is not to go with it; that ends with the close.
 */
static void undo_lock(struct nreq *n)
{
	const struct fuse_file_lock *lk = &n->req->lk->lk;
	const struct nfs_range range = { .start = lk->start, .end = lk->end };
	struct nfs_fs *nfs = nfs_of(n->req);
	struct nfs_range *r;

	pthread_mutex_lock(&nfs->locks.lock);
	SLIST_FOREACH(r, &n->owner->ranges, link)
		if (r->start <= lk->end && r->end >= lk->start)
			break;
	if (!r)
		queue_job(nfs, n->owner, &range, false);
	pthread_mutex_unlock(&nfs->locks.lock);
}

/* Somebody else holds it: asked for again later, longer and longer. */
static void wait_for_lock(struct nreq *n)
{
	struct nfs_thread *t = thread_of(n);

	if (t->aborted || t->nr_lock_waiting >= MAX_WAITING) {
		lock_end(n, t->aborted ? -EINTR : -ENOLCK);
		return;
	}
	t->nr_lock_waiting++;
	n->wait_ns = n->wait_ns ? min(n->wait_ns * 2, WAIT_MAX_NS) : WAIT_MIN_NS;
	n->retry_ns = clock_ns() + n->wait_ns;
	STAILQ_INSERT_TAIL(&t->lock_waiting, n, link);
}

static void lock_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);
	bool held = err == -EAGAIN || err == -EINPROGRESS;

	if (!err)
		note_range(n);
	else if ((err == -EINTR || err == -ETIMEDOUT) && call->proc == NLM_LOCK)
		undo_lock(n);
	leave(n);
	if (held && n->req->in->opcode == FUSE_SETLKW) {
		wait_for_lock(n);
		return;
	}
	if (err == -EOPNOTSUPP || err == -EBUSY)
		err = -ENOLCK; /* no lock manager, or one that never leaves its grace period */
	lock_end(n, held ? -EAGAIN : err);
}

/* Is it a lock at all, and one that is wanted on the server? 0 or the answer. */
static int check_lock(const struct fs_req *req)
{
	const struct fuse_file_lock *lk = &req->lk->lk;

	if (nfs_of(req)->opts.lock == NFS_LOCK_NONE)
		return -ENOLCK;
	if (lk->start > lk->end || lk->end > RANGE_END || lk->type > F_UNLCK)
		return -EINVAL;
	return 0;
}

static struct nreq *begin_lock(struct fs_req *req)
{
	int rc = check_lock(req);
	struct nreq *n;

	if (rc) {
		fs_req_done(req, rc);
		return NULL;
	}
	n = nfs_begin_open(req, req->lk->fh);
	if (n) {
		n->owner = NULL;
		n->wait_ns = 0;
	}
	return n;
}

/* A lock of F_OFD_SETLK ends with the open file, and only this tells whose it was. */
static void note_open(struct nreq *n)
{
	struct nfs_locks *l = &nfs_of(n->req)->locks;

	if (n->owner->flock)
		return;
	pthread_mutex_lock(&l->lock);
	n->owner->open = n->open;
	n->open->lock_owner = n->owner->id;
	__atomic_store_n(&n->open->has_locked, true, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&l->lock);
}

/* An owner that has since locked through another open file is a process: FLUSH has told of that. */
void nfs_lock_closed(struct nreq *n, void (*then)(struct nreq *n))
{
	struct nfs_locks *l = &nfs_of(n->req)->locks;
	const struct nfs_owner *o = NULL;
	uint64_t id = 0;

	if (__atomic_load_n(&n->open->has_locked, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&l->lock);
		id = n->open->lock_owner;
		o = find_owner(l, n->node, id, false);
		if (o && o->open != n->open)
			o = NULL;
		pthread_mutex_unlock(&l->lock);
	}
	if (o)
		nfs_lock_release(n, id, false, then);
	else
		then(n);
}

void nfs_setlk(struct fs_req *req)
{
	struct nreq *n = begin_lock(req);
	bool unlock = n && req->lk->lk.type == F_UNLCK;
	struct nfs_locks *l = &nfs_of(req)->locks;

	if (!n)
		return;
	if (!unlock && __atomic_load_n(&l->nr_ranges, __ATOMIC_RELAXED) >= MAX_RANGES) {
		nfs_done(n, -ENOLCK);
		return;
	}
	n->owner = use_owner(n, req->lk->owner, req->lk->lk_flags & FUSE_LK_FLOCK, !unlock);
	if (n->owner && !unlock)
		note_open(n);
	if (n->owner)
		send_lock(n);
	else
		nfs_done(n, unlock ? 0 : -ENOMEM); /* nothing to unlock */
}

static void tested(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);
	struct fuse_file_lock *out = &n->req->lk_out->lk;

	if (!err && res->locked) {
		const struct nfs_lock *h = &res->holder;

		out->type = h->exclusive ? F_WRLCK : F_RDLCK;
		out->start = h->offset;
		out->end = h->len ? h->offset + h->len - 1 : RANGE_END;
		out->pid = h->svid;
	} else if (!err) {
		out->type = F_UNLCK;
	}
	lock_end(n, err == -EOPNOTSUPP || err == -EBUSY ? -ENOLCK : err);
}

void nfs_getlk(struct fs_req *req)
{
	struct nreq *n = begin_lock(req);
	const struct fuse_file_lock *lk;

	if (!n)
		return;
	lk = &req->lk->lk;
	n->owner = use_owner(n, req->lk->owner, req->lk->lk_flags & FUSE_LK_FLOCK, true);
	if (!n->owner) {
		nfs_done(n, -ENOMEM);
		return;
	}
	nfs_prepare(n, NLM_TEST);
	fill_lock(nfs_of(req), &n->lock, n->owner->svid, lk->start, lk->end, lk->type == F_WRLCK);
	n->call.lock = &n->lock;
	nfs_go(n, tested);
}

/* ---- letting go with FLUSH and RELEASE ---- */

static void forget_ranges(struct nfs_locks *l, struct nfs_owner *o)
{
	pthread_mutex_lock(&l->lock);
	cut_ranges(l, o, 0, RANGE_END);
	pthread_mutex_unlock(&l->lock);
}

static void released(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	forget_ranges(&nfs_of(n->req)->locks, n->owner);
	leave(n);
	unuse_owner(nfs_of(n->req), n->owner);
	n->owner = NULL;
	n->released(n);
}

static void send_release(struct nreq *n)
{
	if (!enter(n, send_release))
		return;
	nfs_prepare(n, NLM_UNLOCK);
	fill_lock(nfs_of(n->req), &n->lock, n->owner->svid, 0, RANGE_END, false);
	n->call.lock = &n->lock;
	nfs_go(n, released);
}

void nfs_lock_release(struct nreq *n, uint64_t owner, bool flock, void (*then)(struct nreq *n))
{
	n->owner = NULL;
	if (__atomic_load_n(&nfs_of(n->req)->locks.nr_owners, __ATOMIC_RELAXED))
		n->owner = use_owner(n, owner, flock, false);
	if (!n->owner) {
		then(n);
		return;
	}
	n->released = then;
	send_release(n);
}

/* ---- jobs: unlocking after a reset, reclaiming after a restart ---- */

/* Under lock; for whichever thread polls next. False: no memory. */
static bool queue_job(struct nfs_fs *nfs, struct nfs_owner *o, const struct nfs_range *r, bool reclaim)
{
	struct nfs_lock_job *job = calloc(1, sizeof(*job));

	if (!job)
		return false;
	job->owner = o;
	job->cred = o->cred;
	job->reclaim = reclaim;
	o->users++;
	fill_lock(nfs, &job->lock, o->svid, r->start, r->end, r->exclusive);
	job->lock.reclaim = reclaim;
	job->call = (struct nfs_call){ .proc = reclaim ? NLM_LOCK : NLM_UNLOCK, .cred = &job->cred,
				       .fh = &o->node->fh, .lock = &job->lock, .background = true };
	STAILQ_INSERT_TAIL(&nfs->locks.todo, job, link);
	__atomic_store_n(&nfs->locks.has_todo, true, __ATOMIC_RELAXED);
	return true;
}

static void queue_unlock(struct nfs_fs *nfs, struct nfs_owner *o)
{
	static const struct nfs_range all = { .end = RANGE_END };

	queue_job(nfs, o, &all, false);
}

/* Under lock, all ranges are the server's again: what waited goes on. */
static void end_reclaim(struct nfs_fs *nfs, struct nfs_owner *o)
{
	struct nreq *n;

	o->reclaim = false;
	if (o->drop)
		queue_unlock(nfs, o);
	o->drop = false;
	while ((n = STAILQ_FIRST(&o->parked))) {
		STAILQ_REMOVE_HEAD(&o->parked, link);
		nfs_post(n);
	}
}

/* Under lock, no call is under way. */
static void start_reclaim(struct nfs_fs *nfs, struct nfs_owner *o)
{
	struct nfs_range *r;

	o->again = false;
	SLIST_FOREACH(r, &o->ranges, link)
		o->jobs += queue_job(nfs, o, r, true);
	if (!o->jobs)
		end_reclaim(nfs, o);
}

static void end_job(struct nfs_lock_job *job)
{
	struct nfs_thread *t = job->thread;
	struct nfs_owner *o = job->owner;

	STAILQ_REMOVE(&t->lock_jobs, job, nfs_lock_job, link);
	pthread_mutex_lock(&t->nfs->locks.lock);
	if (job->reclaim && !--o->jobs) {
		if (o->again)
			start_reclaim(t->nfs, o);
		else
			end_reclaim(t->nfs, o);
	}
	pthread_mutex_unlock(&t->nfs->locks.lock);
	unuse_owner(t->nfs, o);
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
	end_job(job);
}

static void run_todo(struct nfs_thread *t)
{
	struct nfs_lock_jobs list = STAILQ_HEAD_INITIALIZER(list);
	struct nfs_locks *l = &t->nfs->locks;
	struct nfs_lock_job *job;

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

static void drop_owner(struct nfs_fs *nfs, struct nfs_owner *o)
{
	if (SLIST_EMPTY(&o->ranges))
		return;
	cut_ranges(&nfs->locks, o, 0, RANGE_END);
	if (o->reclaim)
		o->drop = true;
	else
		queue_unlock(nfs, o);
}

static void reclaim_owner(struct nfs_fs *nfs, struct nfs_owner *o)
{
	o->again = o->reclaim;
	if (o->reclaim || SLIST_EMPTY(&o->ranges))
		return;
	o->reclaim = true;
	if (!o->active)
		start_reclaim(nfs, o);
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

/* ---- the thread ---- */

static void pinged(struct nfs_call *call, int err, const struct nfs_result *res)
{
	container_of(call, struct nfs_thread, ping)->pinging = false;
}

/* A server that nobody talks to might restart and end its grace period unnoticed. */
static void ping(struct nfs_thread *t)
{
	static const struct nfs_cred nobody;
	uint64_t now = clock_ns();

	if (t->pinging || now - t->ping_ns < PING_NS)
		return;
	t->ping_ns = now;
	t->pinging = true;
	t->ping = (struct nfs_call){ .proc = NFS_GETATTR, .cred = &nobody, .fh = &t->nfs->mnt.root,
				     .background = true, .done = pinged };
	nfs_client_call(t->client, &t->ping);
}

/* Those whose time has come are asked for again; the interrupted ones end. */
static void retry_waiting(struct nfs_thread *t)
{
	struct nreq_list list = STAILQ_HEAD_INITIALIZER(list);
	uint64_t now = clock_ns();
	struct nreq *n;

	STAILQ_CONCAT(&list, &t->lock_waiting);
	while ((n = STAILQ_FIRST(&list))) {
		STAILQ_REMOVE_HEAD(&list, link);
		if (n->req->in->unique && nfs_intr_has(&t->nfs->intr, n->req->in->unique)) {
			t->nr_lock_waiting--;
			lock_end(n, -EINTR);
		} else if (n->retry_ns <= now) {
			t->nr_lock_waiting--;
			send_lock(n);
		} else {
			STAILQ_INSERT_TAIL(&t->lock_waiting, n, link);
		}
	}
}

void nfs_lock_poll(struct nfs_thread *t)
{
	struct nfs_locks *l = &t->nfs->locks;
	uint32_t epoch, seen;

	if (__atomic_load_n(&l->has_todo, __ATOMIC_RELAXED))
		run_todo(t);
	if (!__atomic_load_n(&l->nr_owners, __ATOMIC_RELAXED))
		return;
	if (!STAILQ_EMPTY(&t->lock_waiting))
		retry_waiting(t);
	ping(t);
	nfs_look_at_epoch(t);
	epoch = __atomic_load_n(&t->nfs->epoch, __ATOMIC_RELAXED);
	seen = __atomic_load_n(&l->epoch, __ATOMIC_RELAXED);
	/* One thread does it for all. */
	if (epoch != seen && __atomic_compare_exchange_n(&l->epoch, &seen, epoch, false,
							 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		for_all_owners(t->nfs, reclaim_owner);
}

int nfs_lock_timeout_ms(const struct nfs_thread *t)
{
	if (!STAILQ_EMPTY(&t->lock_waiting))
		return (int)(WAIT_MIN_NS / 1000000);
	return __atomic_load_n(&t->nfs->locks.nr_owners, __ATOMIC_RELAXED) ?
		       (int)(PING_NS / 1000000) : -1;
}

/* Takes this thread's requests from those that wait for an owner's reclaim. */
static void take_parked(struct nfs_thread *t, struct nfs_owner *o, struct nreq_list *own)
{
	struct nreq_list others = STAILQ_HEAD_INITIALIZER(others);
	struct nreq *n;

	while ((n = STAILQ_FIRST(&o->parked))) {
		STAILQ_REMOVE_HEAD(&o->parked, link);
		STAILQ_INSERT_TAIL(thread_of(n) == t ? own : &others, n, link);
	}
	STAILQ_CONCAT(&o->parked, &others);
}

void nfs_lock_abort(struct nfs_thread *t)
{
	struct nfs_locks *l = &t->nfs->locks;
	struct nreq_list own = STAILQ_HEAD_INITIALIZER(own);
	struct nfs_owner *o;
	struct nreq *n;

	pthread_mutex_lock(&l->lock);
	for (int i = 0; i < NFS_LOCK_BUCKETS; i++)
		LIST_FOREACH(o, &l->bucket[i], link)
			take_parked(t, o, &own);
	pthread_mutex_unlock(&l->lock);
	STAILQ_CONCAT(&own, &t->lock_waiting);
	t->nr_lock_waiting = 0;
	while ((n = STAILQ_FIRST(&own))) {
		STAILQ_REMOVE_HEAD(&own, link);
		lock_end(n, -EINTR);
	}
}

bool nfs_lock_busy(const struct nfs_thread *t)
{
	return !STAILQ_EMPTY(&t->lock_jobs) ||
	       __atomic_load_n(&t->nfs->locks.has_todo, __ATOMIC_RELAXED);
}

void nfs_lock_abandon(struct nfs_thread *t)
{
	struct nfs_lock_job *job;

	STAILQ_FOREACH(job, &t->lock_jobs, link)
		nfs_client_cancel(t->client, &job->call);
	if (t->pinging)
		nfs_client_cancel(t->client, &t->ping);
}

void nfs_locks_init(struct nfs_locks *l, uint64_t host)
{
	pthread_mutex_init(&l->lock, NULL);
	STAILQ_INIT(&l->todo);
	l->host = host;
	/* Servers tell owners apart by this alone, and another controller may run on this host. */
	l->next_svid = (uint32_t)(host * 0x9e3779b97f4a7c15ull >> 32);
	l->epoch = 1;
}

void nfs_locks_free(struct nfs_fs *nfs)
{
	struct nfs_locks *l = &nfs->locks;
	struct nfs_lock_job *job;
	struct nfs_owner *o;

	while ((job = STAILQ_FIRST(&l->todo))) {
		STAILQ_REMOVE_HEAD(&l->todo, link);
		unuse_owner(nfs, job->owner);
		free(job);
	}
	for (int i = 0; i < NFS_LOCK_BUCKETS; i++)
		while ((o = LIST_FIRST(&l->bucket[i]))) {
			cut_ranges(l, o, 0, RANGE_END);
			o->users = 1;
			unuse_owner(nfs, o);
		}
	pthread_mutex_destroy(&l->lock);
}
