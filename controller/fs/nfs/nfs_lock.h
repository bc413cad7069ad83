/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fcntl() and flock() locks on the server, over NLM (lock=remote), or refused (lock=none).
 *
 * Theory of operation: a guest's lock owner (a process, or an open file for flock) in a file is a struct
 * nfs_owner, with a number of its own for the server and the ranges it holds. The server is always asked not
 * to block: who must wait is asked for again, after 50 ms at first, up to 1 s, until it is granted, interrupted
 * or aborted. (A server's callback would need a lock manager of ours that it can reach, which a controller
 * behind a firewall or in a name space has not.)
 *
 * What is held is remembered so that FLUSH, RELEASE, a reset and the end of the file system let go of it, and
 * so that it is taken again when the server restarts: when fs.epoch changes, each range is reclaimed, and if
 * the server is in no grace period, asked for anew; calls about an owner wait for that, and it for those under
 * way, or a range let go meanwhile would be taken again. While anything is held a GETATTR every 10 s notices
 * restarts of a server that nobody talks to.
 *
 * Threads: everything under fs.lock_lock, never over a call.
 */
#ifndef FS_NFS_LOCK_H
#define FS_NFS_LOCK_H

#include "fs/nfs/client.h"
#include "fs/nfs/nfs_wb.h"

struct fs_req;
struct nfs_fs;
struct nfs_thread;
struct nreq;

#define NFS_LOCK_BUCKETS 64

/* One range of an owner. */
struct nfs_range {
	SLIST_ENTRY(nfs_range) link;
	uint64_t start, end; /* end included */
	bool exclusive;
	uint32_t pid;
};

struct nfs_owner {
	LIST_ENTRY(nfs_owner) link;
	struct nfs_node *node; /* pinned */
	uint64_t id; /* the guest's */
	bool flock;
	const struct nfs_open *open; /* whose lock was its latest; compared only */
	uint32_t svid; /* ours, at the server */
	uint32_t users; /* requests and jobs about it */
	uint32_t active; /* requests with a call under way */
	uint32_t jobs; /* ranges being reclaimed */
	bool reclaim; /* wanted or under way: requests are parked */
	bool again; /* the server restarted once more meanwhile */
	bool drop; /* let go of everything afterwards */
	struct nreq_list parked;
	struct nfs_cred cred;
	SLIST_HEAD(, nfs_range) ranges;
};

/* A call about an owner that no request waits for: unlocking everything, reclaiming a range. */
struct nfs_lock_job {
	STAILQ_ENTRY(nfs_lock_job) link;
	struct nfs_owner *owner; /* used */
	struct nfs_thread *thread;
	bool reclaim; /* or unlock everything */
	struct nfs_lock lock;
	struct nfs_cred cred;
	struct nfs_call call;
};
STAILQ_HEAD(nfs_lock_jobs, nfs_lock_job);

struct nfs_locks {
	pthread_mutex_t lock;
	LIST_HEAD(, nfs_owner) bucket[NFS_LOCK_BUCKETS];
	uint32_t nr_owners, nr_ranges; /* atomic */
	uint32_t next_svid;
	uint64_t host; /* random: part of all owner handles of this controller */
	uint32_t epoch; /* atomic: fs.epoch of the last reclaim */
	struct nfs_lock_jobs todo; /* for whichever thread polls next */
	bool has_todo; /* atomic */
};

void nfs_locks_init(struct nfs_locks *l, uint64_t host);
void nfs_locks_free(struct nfs_fs *nfs); /* what is held stays on the server */
/* Lets go of everything: the guest is gone. The calls go out with the next polls. */
void nfs_locks_drop_all(struct nfs_fs *nfs);

void nfs_getlk(struct fs_req *req);
void nfs_setlk(struct fs_req *req); /* and SETLKW */
/* then(n) once the owner, if it is one, has let go of the file of n. */
void nfs_lock_release(struct nreq *n, uint64_t owner, bool flock, void (*then)(struct nreq *n));
/* RELEASE: the locks of F_OFD_SETLK, which no FLUSH names. */
void nfs_lock_closed(struct nreq *n, void (*then)(struct nreq *n));

void nfs_lock_poll(struct nfs_thread *t);
int nfs_lock_timeout_ms(const struct nfs_thread *t); /* -1: none */
bool nfs_lock_busy(const struct nfs_thread *t); /* with jobs */
/* The thread ends: gives its jobs up. */
void nfs_lock_abandon(struct nfs_thread *t);
/* Who waits for a lock on this thread ends with EINTR. */
void nfs_lock_abort(struct nfs_thread *t);

#endif
