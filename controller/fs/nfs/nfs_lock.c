/* SPDX-License-Identifier: BSD-3-Clause */
/* Owners, what they hold, and the requests about it: see nfs_lock.h. */
#include "nfs_lock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nfs_lock_int.h"
#include "nsm.h"

#define MAX_RANGES 65536u /* of a guest; ENOLCK beyond */

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
		nfs_look_at_epoch(nfs_lock_thread(n));
		__atomic_store_n(&l->epoch, __atomic_load_n(&nfs->epoch, __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
	}
	nsm_note(l->nsm, true); /* before any call goes out */
	nodetab_get(nfs->nodes, nodetab_id(&n->node->node)); /* pinned by the request */
	o->node = n->node;
	o->id = id;
	o->flock = flock;
	o->svid = ++l->next_svid;
	o->cred = n->cred;
	nfs_owner_set_reclaim(l, o, l->free.step != NFS_FREE_NOT); /* until that is done */
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
void nfs_owner_unuse(struct nfs_fs *nfs, struct nfs_owner *o)
{
	bool gone;

	pthread_mutex_lock(&nfs->locks.lock);
	gone = !--o->users && SLIST_EMPTY(&o->ranges);
	if (gone) {
		LIST_REMOVE(o, link);
		nfs_owner_set_reclaim(&nfs->locks, o, false);
		__atomic_sub_fetch(&nfs->locks.nr_owners, 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&nfs->locks.lock);
	if (!gone)
		return;
	nodetab_put(nfs->nodes, &o->node->node);
	free(o);
}

/*
 * A call about the owner may go out: true. False: then(n) when it may. takes: it asks for a lock, which what is
 * being undone would undo as well.
 */
static bool enter(struct nreq *n, void (*then)(struct nreq *n), bool takes)
{
	struct nfs_locks *l = &nfs_of(n->req)->locks;
	struct nfs_owner *o = n->owner;
	bool may, later;

	pthread_mutex_lock(&l->lock);
	later = takes && o->undoing && !o->reclaim;
	may = !o->reclaim && !later;
	if (may) {
		n->recalled = false;
		LIST_INSERT_HEAD(&o->active, n, active);
	} else if (!later) {
		n->then = then;
		STAILQ_INSERT_TAIL(&o->parked, n, link);
		__atomic_store_n(&nfs_lock_thread(n)->lock_due, true, __ATOMIC_RELAXED); /* interrupted already? */
	}
	pthread_mutex_unlock(&l->lock);
	if (later)
		nfs_wait_undo(n);
	return may;
}

/* It has been answered. */
static void leave(struct nreq *n)
{
	struct nfs_fs *nfs = nfs_of(n->req);
	struct nfs_owner *o = n->owner;

	pthread_mutex_lock(&nfs->locks.lock);
	LIST_REMOVE(n, active);
	if (LIST_EMPTY(&o->active) && o->reclaim)
		nfs_reclaim_start(nfs, o);
	pthread_mutex_unlock(&nfs->locks.lock);
}

/* Its call was taken back, and is to be made again behind the reclaim? Not if nobody waits for it any more. */
static bool is_recalled(const struct nreq *n, int err)
{
	return n->recalled && err == -EINTR && !nfs_lock_thread(n)->aborted;
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

void nfs_range_cut_all(struct nfs_locks *l, struct nfs_owner *o)
{
	cut_ranges(l, o, 0, NFS_RANGE_END);
}

void nfs_range_note(struct nfs_locks *l, struct nfs_owner *o, const struct fuse_file_lock *lk)
{
	cut_ranges(l, o, lk->start, lk->end);
	if (lk->type != F_UNLCK)
		add_range(l, o, lk->start, lk->end, lk->type == F_WRLCK, lk->pid);
}

bool nfs_range_overlaps(const struct nfs_owner *o, uint64_t start, uint64_t end)
{
	const struct nfs_range *r;

	SLIST_FOREACH(r, &o->ranges, link)
		if (r->start <= end && r->end >= start)
			return true;
	return false;
}

/* ---- calls ---- */

void nfs_lock_fill(const struct nfs_fs *nfs, struct nfs_lock *lock, uint32_t svid, const struct nfs_range *r)
{
	*lock = (struct nfs_lock){ .exclusive = r->exclusive, .svid = svid, .offset = r->start,
				   .state = nsm_state(nfs->locks.nsm), .oh_len = 12,
				   .len = r->end >= NFS_RANGE_END ? 0 : r->end - r->start + 1 };
	memcpy(lock->oh, &nfs->locks.host, 8);
	memcpy(lock->oh + 8, &svid, 4);
}

/* n->call about what the request says. */
static void prepare_lock(struct nreq *n, enum nfs_proc proc)
{
	const struct fuse_file_lock *lk = &n->req->lk->lk;
	const struct nfs_range r = { .start = lk->start, .end = lk->end, .exclusive = lk->type == F_WRLCK };

	nfs_prepare(n, proc);
	if (!n->waits) /* otherwise it is the same as before, and looked at when the server calls */
		nfs_lock_fill(nfs_of(n->req), &n->lock, n->owner->svid, &r);
	n->call.lock = &n->lock;
}

void nfs_lock_end(struct nreq *n, int err)
{
	struct nfs_fs *nfs = nfs_of(n->req);

	if (n->owner)
		nfs_owner_unuse(nfs, n->owner);
	n->owner = NULL;
	nfs_done(n, err);
}

static void lock_done(struct nfs_call *call, int err, const struct nfs_result *res);

void nfs_lock_send(struct nreq *n)
{
	bool takes = n->req->lk->lk.type != F_UNLCK;

	if (!enter(n, nfs_lock_send, takes))
		return;
	prepare_lock(n, takes ? NLM_LOCK : NLM_UNLOCK);
	n->lock.block = takes && n->req->in->opcode == FUSE_SETLKW && nfs_wait_begin(n);
	nfs_go(n, lock_done);
}

static void note_answer(struct nreq *n)
{
	struct nfs_locks *l = &nfs_of(n->req)->locks;

	pthread_mutex_lock(&l->lock);
	nfs_range_note(l, n->owner, &n->req->lk->lk);
	pthread_mutex_unlock(&l->lock);
}

/*
 * Given up: if the server granted it all the same, or will, nobody else would ever get it. What the owner has
 * there already is not to go with it; that ends with the close. blocks: the server was asked to let it wait.
 */
static void undo_lock(struct nreq *n, bool blocks)
{
	const struct fuse_file_lock *lk = &n->req->lk->lk;
	const struct nfs_range range = { .start = lk->start, .end = lk->end, .exclusive = lk->type == F_WRLCK };
	struct nfs_fs *nfs = nfs_of(n->req);

	pthread_mutex_lock(&nfs->locks.lock);
	if (blocks)
		nfs_job_queue(nfs, n->owner, &range, NLM_CANCEL);
	else if (!nfs_range_overlaps(n->owner, lk->start, lk->end))
		nfs_job_queue(nfs, n->owner, &range, NLM_UNLOCK);
	pthread_mutex_unlock(&nfs->locks.lock);
}

static void lock_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);
	bool held = err == -EAGAIN || err == -EINPROGRESS, blocks = n->waits, again = is_recalled(n, err);

	if (!err || (again && call->proc == NLM_UNLOCK)) /* what is let go of is not reclaimed */
		note_answer(n);
	leave(n);
	if (again) {
		nfs_lock_send(n);
		return;
	}
	n->blocked = err == -EINPROGRESS;
	if (held && n->req->in->opcode == FUSE_SETLKW) {
		nfs_wait_park(n);
		return;
	}
	/* It called before it answered, or instead. */
	if (nfs_wait_end(n, !err))
		err = 0;
	else if (nfs_lock_unknown(err) && call->proc == NLM_LOCK)
		undo_lock(n, blocks);
	if (err == -EOPNOTSUPP || err == -EBUSY)
		err = -ENOLCK; /* no lock manager, or one that never leaves its grace period */
	nfs_lock_end(n, held ? -EAGAIN : err);
}

/* Is it a lock at all, and one that is wanted on the server? 0 or the answer. */
static int check_lock(const struct fs_req *req)
{
	const struct fuse_file_lock *lk = &req->lk->lk;

	if (nfs_of(req)->opts.lock == NFS_LOCK_NONE)
		return -ENOLCK;
	if (lk->start > lk->end || lk->end > NFS_RANGE_END || lk->type > F_UNLCK)
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
		n->waits = n->blocked = n->granted = n->asked_again = false;
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

/*
 * Who gets the lock next may write where we wrote: what is there of ours is safe before, or it would be written
 * again, over his, when the server restarts. A loss is told by fsync() and close(), as ever.
 */
static void when_safe(struct nreq *n, void (*then)(struct nreq *n))
{
	if (!nfs_commit_other(n) && n->wb)
		nfs_wb_commit(n, then);
	else
		then(n);
}

static void setlk_now(struct nreq *n)
{
	const struct fuse_lk_in *in = n->req->lk;
	bool unlock = in->lk.type == F_UNLCK;

	n->owner = use_owner(n, in->owner, in->lk_flags & FUSE_LK_FLOCK, !unlock);
	if (n->owner && !unlock)
		note_open(n);
	if (n->owner)
		nfs_lock_send(n);
	else
		nfs_done(n, unlock ? 0 : -ENOMEM); /* nothing to unlock */
}

void nfs_setlk(struct fs_req *req)
{
	struct nreq *n = begin_lock(req);

	if (!n)
		return;
	if (req->lk->lk.type == F_UNLCK)
		when_safe(n, setlk_now);
	else if (__atomic_load_n(&nfs_of(req)->locks.nr_ranges, __ATOMIC_RELAXED) < MAX_RANGES)
		setlk_now(n);
	else
		nfs_done(n, -ENOLCK);
}

static void tested(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);
	struct fuse_file_lock *out = &n->req->lk_out->lk;

	if (!err && res->locked) {
		const struct nfs_lock *h = &res->holder;

		out->type = h->exclusive ? F_WRLCK : F_RDLCK;
		out->start = h->offset;
		out->end = h->len ? h->offset + h->len - 1 : NFS_RANGE_END;
		out->pid = h->svid;
	} else if (!err) {
		out->type = F_UNLCK;
	}
	nfs_lock_end(n, err == -EOPNOTSUPP || err == -EBUSY ? -ENOLCK : err);
}

void nfs_getlk(struct fs_req *req)
{
	struct nreq *n = begin_lock(req);

	if (!n)
		return;
	n->owner = use_owner(n, req->lk->owner, req->lk->lk_flags & FUSE_LK_FLOCK, true);
	if (!n->owner) {
		nfs_done(n, -ENOMEM);
		return;
	}
	prepare_lock(n, NLM_TEST);
	nfs_go(n, tested);
}

/* ---- letting go with FLUSH and RELEASE ---- */

static void send_release(struct nreq *n);

static void released(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);
	struct nfs_locks *l = &nfs_of(n->req)->locks;
	bool again = is_recalled(n, err);

	pthread_mutex_lock(&l->lock);
	nfs_range_cut_all(l, n->owner);
	if (nfs_lock_unknown(err) && !again) /* the server has to be told all the same */
		nfs_job_unlock_all(nfs_of(n->req), n->owner);
	pthread_mutex_unlock(&l->lock);
	leave(n);
	if (again) {
		send_release(n);
		return;
	}
	nfs_owner_unuse(nfs_of(n->req), n->owner);
	n->owner = NULL;
	n->released(n);
}

static void send_release(struct nreq *n)
{
	static const struct nfs_range all = { .end = NFS_RANGE_END };

	if (!enter(n, send_release, false))
		return;
	nfs_prepare(n, NLM_UNLOCK);
	nfs_lock_fill(nfs_of(n->req), &n->lock, n->owner->svid, &all);
	n->call.lock = &n->lock;
	nfs_go(n, released);
}

static void release_now(struct nreq *n)
{
	n->owner = use_owner(n, n->releasing, n->releasing_flock, false);
	if (n->owner)
		send_release(n);
	else
		n->released(n);
}

void nfs_lock_release(struct nreq *n, uint64_t owner, bool flock, void (*then)(struct nreq *n))
{
	n->owner = NULL;
	n->waits = false;
	n->released = then;
	n->releasing = owner;
	n->releasing_flock = flock;
	if (__atomic_load_n(&nfs_of(n->req)->locks.nr_owners, __ATOMIC_RELAXED))
		when_safe(n, release_now);
	else
		then(n);
}
