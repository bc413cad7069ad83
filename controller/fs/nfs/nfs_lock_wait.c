/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for somebody else's lock: see nfs_lock.h. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "doca_log.h"
#include "nfs_lock_int.h"

DOCA_LOG_REGISTER(VIRTIOFS::NFS::LOCK);

/* Of a thread. Each keeps a place in the guest's queues, and unlocks have to get through as well. */
#define MAX_WAITING 64
#define LOST_MAX 3
#define LISTEN_NS 1000000ull /* between looks for a call while a thread has no time to sleep */

/* Between asking again. */
static const struct pauses {
	uint64_t min_ns, max_ns;
} asking = { 50000000ull, 1000000000ull }, called = { 1000000000ull, 30000000000ull };

static bool calls_come(const struct nfs_locks *l)
{
	return l->listening && __atomic_load_n(&l->lost, __ATOMIC_RELAXED) < LOST_MAX;
}

/* ---- waking ---- */

static void wake(struct nfs_thread *t)
{
	__atomic_store_n(&t->lock_due, true, __ATOMIC_RELEASE); /* pairs with nfs_wait_poll() */
	if (!pthread_equal(t->self, pthread_self()))
		(void)eventfd_write(t->wake.fd, 1);
}

void nfs_wait_wake(struct nfs_fs *nfs)
{
	struct nfs_thread *t;

	pthread_mutex_lock(&nfs->lock);
	LIST_FOREACH(t, &nfs->threads, link)
		wake(t);
	pthread_mutex_unlock(&nfs->lock);
}

void nfs_wait_kick(struct nfs_fs *nfs)
{
	__atomic_add_fetch(&nfs->locks.kick, 1, __ATOMIC_RELAXED);
	nfs_locks_interrupted(nfs);
}

void nfs_locks_interrupted(struct nfs_fs *nfs)
{
	if (__atomic_load_n(&nfs->locks.nr_owners, __ATOMIC_RELAXED)) /* who waits has one */
		nfs_wait_wake(nfs);
}

/* ---- who may be called about ---- */

bool nfs_wait_begin(struct nreq *n)
{
	struct nfs_locks *l = &nfs_of(n->req)->locks;

	n->kick = __atomic_load_n(&l->kick, __ATOMIC_RELAXED);
	if (!calls_come(l))
		return false;
	if (n->waits)
		return true;
	pthread_mutex_lock(&l->lock);
	n->waits = true;
	LIST_INSERT_HEAD(&l->waiters, n, waiter);
	pthread_mutex_unlock(&l->lock);
	return true;
}

/* Asking has found what a call should have told. */
static void count_lost(struct nfs_locks *l, const char *server)
{
	if (__atomic_add_fetch(&l->lost, 1, __ATOMIC_RELAXED) == LOST_MAX)
		DOCA_LOG_WARN("nfs: calls of server %s do not reach us (a firewall?): waiting locks are asked for again and again",
			      server);
}

bool nfs_wait_end(struct nreq *n, bool won)
{
	struct nfs_fs *nfs = nfs_of(n->req);
	struct nfs_locks *l = &nfs->locks;
	bool granted;

	if (!n->waits)
		return false;
	pthread_mutex_lock(&l->lock);
	LIST_REMOVE(n, waiter);
	n->waits = false;
	granted = n->granted;
	pthread_mutex_unlock(&l->lock);
	if (won && !granted && n->asked_again)
		count_lost(l, nfs->place.server);
	/*
	 * The answer goes before anything the guest may do with the lock: nfs-ganesha, which waits for it,
	 * does not know it any more behind an UNLOCK.
	 */
	if (granted)
		nfs_job_run(nfs_lock_thread(n));
	return granted;
}

/* ---- the calls ---- */

static bool same_lock(const struct nreq *n, const struct nlm_grant *g)
{
	const struct nfs_lock *a = &n->lock, *b = &g->lock;
	const struct nfs_fh *fh = &n->owner->node->fh;

	return a->svid == b->svid && a->offset == b->offset && a->len == b->len &&
	       a->exclusive == b->exclusive && fh->len == g->fh.len && !memcmp(fh->data, g->fh.data, fh->len);
}

/* From here on it is held, also if the request that waits is being given up just now. */
static void take_grant(struct nfs_locks *l, struct nreq *n)
{
	nfs_range_note(l, n->owner, &n->req->lk->lk);
	__atomic_store_n(&n->granted, true, __ATOMIC_RELEASE); /* pairs with nfs_wait_granted() */
	__atomic_store_n(&l->lost, 0, __ATOMIC_RELAXED);
	wake(nfs_lock_thread(n));
}

/* The answer to one that came before was lost: does its owner have the range? */
static bool is_held(const struct nfs_locks *l, const struct nlm_grant *g)
{
	uint64_t end = g->lock.len ? g->lock.offset + g->lock.len - 1 : NFS_RANGE_END;
	const struct nfs_owner *o;
	const struct nfs_range *r;

	for (int i = 0; i < NFS_LOCK_BUCKETS; i++)
		LIST_FOREACH(o, &l->bucket[i], link)
			SLIST_FOREACH(r, &o->ranges, link)
				if (o->svid == g->lock.svid && r->start <= g->lock.offset && r->end >= end &&
				    r->exclusive == g->lock.exclusive && o->node->fh.len == g->fh.len &&
				    !memcmp(o->node->fh.data, g->fh.data, g->fh.len))
					return true;
	return false;
}

/* Under lock. */
static enum nlm_stat judge(struct nfs_locks *l, const struct nlm_grant *g)
{
	struct nreq *n;

	LIST_FOREACH(n, &l->waiters, waiter) {
		if (!same_lock(n, g))
			continue;
		if (n->owner->reclaim)
			return NLM_DENIED_GRACE; /* of a server that forgot it meanwhile, perhaps */
		if (!n->granted)
			take_grant(l, n);
		return NLM_GRANTED;
	}
	return is_held(l, g) ? NLM_GRANTED : NLM_DENIED;
}

enum nlm_stat nfs_wait_granted_by(struct nlm_peer *peer, const struct nlm_grant *g)
{
	struct nfs_fs *nfs = container_of(peer, struct nfs_fs, locks.peer);
	struct nfs_locks *l = &nfs->locks;
	enum nlm_stat stat;
	uint32_t svid;

	memcpy(&svid, g->lock.oh + 8, sizeof(svid)); /* oh has 8 bytes at least, and room for 64 */
	if (g->lock.oh_len != 12 || svid != g->lock.svid)
		return NLM_DENIED;
	pthread_mutex_lock(&l->lock);
	stat = judge(l, g);
	if (g->msg)
		nfs_job_answer(nfs, g, stat);
	pthread_mutex_unlock(&l->lock);
	DOCA_LOG_DBG("server %s grants a lock: answered with %d", nfs->place.server, stat);
	if (g->msg)
		nfs_wait_wake(nfs); /* for whichever thread is first */
	return stat;
}

/* ---- the thread ---- */

static void cancel(struct nreq *n)
{
	const struct fuse_file_lock *lk = &n->req->lk->lk;
	const struct nfs_range range = { .start = lk->start, .end = lk->end, .exclusive = lk->type == F_WRLCK };
	struct nfs_fs *nfs = nfs_of(n->req);

	pthread_mutex_lock(&nfs->locks.lock);
	nfs_job_queue(nfs, n->owner, &range, NLM_CANCEL);
	pthread_mutex_unlock(&nfs->locks.lock);
}

static void give_up(struct nreq *n, int err)
{
	bool blocks = n->waits; /* since the server was first asked to, which it remembers */

	if (nfs_wait_end(n, false))
		err = 0;
	else if (blocks)
		cancel(n);
	nfs_lock_end(n, err);
}

void nfs_wait_park(struct nreq *n)
{
	struct nfs_thread *t = nfs_lock_thread(n);
	const struct pauses *p = n->blocked ? &called : &asking;

	if (t->aborted || t->nr_lock_waiting >= MAX_WAITING) {
		give_up(n, t->aborted ? -EINTR : -ENOLCK);
		return;
	}
	t->nr_lock_waiting++;
	n->wait_ns = n->wait_ns ? min(n->wait_ns * 2, p->max_ns) : p->min_ns;
	n->retry_ns = clock_ns() + n->wait_ns;
	STAILQ_INSERT_TAIL(&t->lock_waiting, n, link);
	__atomic_store_n(&t->lock_due, true, __ATOMIC_RELAXED); /* called, or interrupted, meanwhile? */
}

void nfs_wait_undo(struct nreq *n)
{
	n->kick = __atomic_load_n(&nfs_of(n->req)->locks.kick, __ATOMIC_RELAXED);
	n->blocked = false;
	nfs_wait_park(n);
}

static bool interrupted(const struct nreq *n)
{
	uint64_t unique = n->req->in->unique;

	return unique && nfs_intr_has(&nfs_of(n->req)->intr, unique);
}

/* Goes on with it, or leaves it in the list. */
static bool look_at(struct nfs_thread *t, struct nreq *n, uint64_t now, uint32_t kick)
{
	bool granted = nfs_wait_granted(n), due = n->retry_ns <= now || n->kick != kick, intr = interrupted(n);

	if (!granted && !intr && !due)
		return false;
	t->nr_lock_waiting--;
	if (granted || intr) {
		give_up(n, -EINTR);
	} else {
		n->asked_again = n->blocked && n->kick == kick;
		nfs_lock_send(n);
	}
	return true;
}

static void look_at_all(struct nfs_thread *t, uint64_t now)
{
	uint32_t kick = __atomic_load_n(&t->nfs->locks.kick, __ATOMIC_RELAXED);
	struct nreq_list list = STAILQ_HEAD_INITIALIZER(list);
	struct nreq *n;

	t->lock_next_ns = UINT64_MAX;
	STAILQ_CONCAT(&list, &t->lock_waiting);
	while ((n = STAILQ_FIRST(&list))) {
		STAILQ_REMOVE_HEAD(&list, link);
		if (look_at(t, n, now, kick))
			continue;
		t->lock_next_ns = min(t->lock_next_ns, n->retry_ns);
		STAILQ_INSERT_TAIL(&t->lock_waiting, n, link);
	}
}

/* ---- those that wait for an owner's reclaim ---- */

/* Whoever lets go of locks as part of a close() has to come to that. */
static bool wants_to_go(const struct nreq *n)
{
	uint32_t opcode = n->req->in->opcode;

	return (opcode == FUSE_SETLK || opcode == FUSE_SETLKW) && interrupted(n);
}

/* Takes this thread's requests out: all, or those that were interrupted. */
static void take_parked(struct nfs_thread *t, struct nfs_owner *o, struct nreq_list *own, bool all)
{
	struct nreq_list others = STAILQ_HEAD_INITIALIZER(others);
	struct nreq *n;

	while ((n = STAILQ_FIRST(&o->parked))) {
		STAILQ_REMOVE_HEAD(&o->parked, link);
		STAILQ_INSERT_TAIL(nfs_lock_thread(n) == t && (all || wants_to_go(n)) ? own : &others, n,
				   link);
	}
	STAILQ_CONCAT(&o->parked, &others);
}

/* The reclaim waits for this thread's calls about the owner: see nfs_lock.h. */
static void recall(struct nfs_thread *t, struct nfs_owner *o)
{
	struct nreq *n;

	LIST_FOREACH(n, &o->active, active) {
		if (nfs_lock_thread(n) != t || n->recalled)
			continue;
		n->recalled = true;
		nfs_client_cancel(t->client, &n->call);
	}
}

static void look_at_owners(struct nfs_thread *t, struct nreq_list *own, bool all)
{
	struct nfs_locks *l = &t->nfs->locks;
	struct nfs_owner *o;

	pthread_mutex_lock(&l->lock);
	for (int i = 0; i < NFS_LOCK_BUCKETS; i++)
		LIST_FOREACH(o, &l->bucket[i], link) {
			take_parked(t, o, own, all);
			if (o->reclaim)
				recall(t, o);
		}
	pthread_mutex_unlock(&l->lock);
}

static void give_up_all(struct nreq_list *list)
{
	struct nreq *n;

	while ((n = STAILQ_FIRST(list))) {
		STAILQ_REMOVE_HEAD(list, link);
		give_up(n, -EINTR);
	}
}

void nfs_lock_abort(struct nfs_thread *t)
{
	struct nreq_list own = STAILQ_HEAD_INITIALIZER(own);

	look_at_owners(t, &own, true);
	STAILQ_CONCAT(&own, &t->lock_waiting);
	t->nr_lock_waiting = 0;
	give_up_all(&own);
}

/* ---- the thread's round ---- */

/* Watches are looked at only when the thread is idle. */
static void listen_now(struct nfs_thread *t, uint64_t now)
{
	if (t->calls.fd < 0 || now - t->lock_heard_ns <= LISTEN_NS)
		return;
	t->lock_heard_ns = now;
	nlm_listen_poll();
}

void nfs_wait_poll(struct nfs_thread *t)
{
	struct nreq_list own = STAILQ_HEAD_INITIALIZER(own);
	bool waits = !STAILQ_EMPTY(&t->lock_waiting), due;
	uint64_t now;

	if (!waits && !__atomic_load_n(&t->lock_due, __ATOMIC_RELAXED))
		return;
	now = clock_ns();
	if (waits)
		listen_now(t, now);
	due = __atomic_exchange_n(&t->lock_due, false, __ATOMIC_ACQUIRE); /* pairs with wake() */
	if (due && __atomic_load_n(&t->nfs->locks.nr_reclaims, __ATOMIC_RELAXED)) {
		look_at_owners(t, &own, false);
		give_up_all(&own);
	}
	if (due || now >= t->lock_next_ns)
		look_at_all(t, now);
}

int nfs_wait_timeout_ms(const struct nfs_thread *t)
{
	uint64_t now;

	if (__atomic_load_n(&t->lock_due, __ATOMIC_RELAXED))
		return 0;
	if (STAILQ_EMPTY(&t->lock_waiting))
		return -1;
	now = clock_ns();
	if (now >= t->lock_next_ns)
		return 0;
	return (int)min((t->lock_next_ns - now) / 1000000 + 1, (uint64_t)60000);
}
