/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the files of nfs_lock.h. */
#ifndef FS_NFS_LOCK_INT_H
#define FS_NFS_LOCK_INT_H

#include <errno.h>

#include "nfs.h"

#define NFS_RANGE_END INT64_MAX /* as FUSE says "to the end of the file" */

static inline struct nfs_thread *nfs_lock_thread(const struct nreq *n)
{
	return container_of(n->req->ft, struct nfs_thread, ft);
}

/* Given up: whether the server did it is not known. */
static inline bool nfs_lock_unknown(int err)
{
	return err == -EINTR || err == -ETIMEDOUT || err == -EIO;
}

/* Under lock. */
static inline void nfs_owner_set_reclaim(struct nfs_locks *l, struct nfs_owner *o, bool reclaim)
{
	__atomic_add_fetch(&l->nr_reclaims, (uint32_t)reclaim - o->reclaim, __ATOMIC_RELAXED);
	o->reclaim = reclaim;
}

/* ---- nfs_lock.c ---- */
void nfs_owner_unuse(struct nfs_fs *nfs, struct nfs_owner *o);
void nfs_lock_fill(const struct nfs_fs *nfs, struct nfs_lock *lock, uint32_t svid, const struct nfs_range *r);
/* Under lock: the owner has [start, end] of lk, or has not any more. */
void nfs_range_note(struct nfs_locks *l, struct nfs_owner *o, const struct fuse_file_lock *lk);
void nfs_range_cut_all(struct nfs_locks *l, struct nfs_owner *o);
/* Under lock: has it anything there? */
bool nfs_range_overlaps(const struct nfs_owner *o, uint64_t start, uint64_t end);
void nfs_lock_send(struct nreq *n);
void nfs_lock_end(struct nreq *n, int err);

/* ---- nfs_lock_wait.c ---- */
/* The request is about to ask: should the server call back? */
bool nfs_wait_begin(struct nreq *n);
/* It is over, won by asking perhaps: true if the server has called. */
bool nfs_wait_end(struct nreq *n, bool won);
static inline bool nfs_wait_granted(const struct nreq *n)
{
	return n->waits && __atomic_load_n(&n->granted, __ATOMIC_ACQUIRE); /* pairs with take_grant() */
}
/* Somebody else holds it: the request will be asked for again, or has ended. */
void nfs_wait_park(struct nreq *n);
/* The same while a lock its owner gave up is being undone at the server. */
void nfs_wait_undo(struct nreq *n);
void nfs_wait_poll(struct nfs_thread *t);
int nfs_wait_timeout_ms(const struct nfs_thread *t);
void nfs_wait_abort(struct nfs_thread *t);
/* All who wait ask again: the server may have forgotten them. */
void nfs_wait_kick(struct nfs_fs *nfs);
enum nlm_stat nfs_wait_granted_by(struct nlm_peer *peer, const struct nlm_grant *grant);
/* All threads look at those who wait. */
void nfs_wait_wake(struct nfs_fs *nfs);

/* ---- nfs_lock_job.c ---- */
/* Under lock; for whichever thread polls next. reclaim: of LOCK. False: no memory. */
bool nfs_job_queue(struct nfs_fs *nfs, struct nfs_owner *o, const struct nfs_range *r, enum nfs_proc proc);
void nfs_job_unlock_all(struct nfs_fs *nfs, struct nfs_owner *o); /* under lock */
bool nfs_job_answer(struct nfs_fs *nfs, const struct nlm_grant *grant, enum nlm_stat stat);
/* Sends what is queued. */
void nfs_job_run(struct nfs_thread *t);
/* Under lock: no call about it is under way. */
void nfs_reclaim_start(struct nfs_fs *nfs, struct nfs_owner *o);

#endif
