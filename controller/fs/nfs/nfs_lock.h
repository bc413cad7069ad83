/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fcntl() and flock() locks on the server, over NLM (lock=remote), or refused (lock=none).
 *
 * Theory of operation: a guest's lock owner (a process, or an open file for flock) in a file is a struct
 * nfs_owner, with a number of its own for the server and the ranges it holds (nfs_lock.c).
 *
 * Waiting (nfs_lock_wait.c): the server is asked to block, says BLOCKED and calls back (nlm_listen.h) when the
 * lock is ours: GRANTED. The call may come before the answer does, so whoever waits is in nfs_locks.waiters before
 * he asks. The range is noted while the server is being answered: from then on it is held. A GRANTED that nobody
 * waits for is denied, upon which the server takes the lock back, unless that owner has the range: then an answer
 * was lost. He who gives up has the server CANCEL, and then UNLOCK what it may have granted before that; until then
 * his owner asks for no other lock in the file, which that would take along. A call can get lost, so the lock is asked for again after 1 s, then later, up to 30 s; if that finds three in a row, calls do
 * not come through. Then, and without a listener, the server is asked not to block, again after 50 ms up to 1 s.
 *
 * Before a lock is let go of, the file's data is committed: written again after a restart of the server, it would
 * undo what the next holder wrote.
 *
 * What is held is remembered so that FLUSH, RELEASE, a reset and the end of the file system let go of it, and
 * so that it is taken again when the server restarts (nfs_lock_job.c): when fs.epoch changes, each range is
 * reclaimed, and if the server is in no grace period, asked for anew. Calls about an owner wait for that, or a range
 * let go meanwhile would be taken again; those under way are taken back and made again behind it, since the server
 * might have them wait for the end of its grace period, when it is too late to reclaim. A restart shows in a
 * connection made anew or a status monitor's SM_NOTIFY; while anything is held a GETATTR every 10 s notices restarts
 * of a server that nobody talks to and that tells nobody.
 *
 * A controller that is killed leaves its locks on the server and a note in its state directory (nsm.h). The next one
 * tells the server's status monitor that it has restarted, and its lock manager to free all locks of this host; its
 * own locks wait for that, and a second longer, since status monitors pass such news on behind their answer.
 *
 * Threads: everything under nfs_locks.lock, never over a call. It may be taken with the listener's lock held, not
 * the other way round.
 */
#ifndef FS_NFS_LOCK_H
#define FS_NFS_LOCK_H

#include "fs/nfs/client.h"
#include "fs/nfs/nfs_wb.h"
#include "fs/nfs/nlm_listen.h"

struct fs_config;
struct fs_req;
struct nfs_fs;
struct nfs_thread;
struct nreq;
struct nsm;
struct nsm_notify;

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
	LIST_HEAD(, nreq) active; /* requests with a call under way */
	uint32_t jobs; /* ranges being reclaimed */
	uint32_t undoing; /* CANCELs and UNLOCKs that no request waits for */
	bool reclaim; /* wanted or under way: requests are parked */
	bool again; /* the server restarted once more meanwhile */
	bool drop; /* let go of everything afterwards */
	struct nreq_list parked;
	struct nfs_cred cred;
	SLIST_HEAD(, nfs_range) ranges;
};

/* A call that no request waits for: unlocking, cancelling, reclaiming a range, answering a GRANTED_MSG. */
struct nfs_lock_job {
	STAILQ_ENTRY(nfs_lock_job) link;
	struct nfs_owner *owner; /* used; NULL: an answer */
	struct nfs_thread *thread;
	bool reclaim;
	struct nfs_range range;
	struct nfs_lock lock;
	struct nfs_cred cred;
	struct nfs_call call;
};
STAILQ_HEAD(nfs_lock_jobs, nfs_lock_job);

/* Freeing what a killed controller left behind. */
struct nfs_lock_free {
	enum { NFS_FREE_NOT, NFS_FREE_WANTED, NFS_FREE_TELLING, NFS_FREE_CALLING, NFS_FREE_SETTLING } step;
	struct nfs_thread *thread; /* who does it */
	struct nsm_notify *notify;
	struct nfs_lock lock;
	struct nfs_call call;
	uint64_t until_ns;
};

struct nfs_locks {
	pthread_mutex_t lock;
	LIST_HEAD(, nfs_owner) bucket[NFS_LOCK_BUCKETS];
	LIST_HEAD(, nreq) waiters;
	uint32_t nr_owners, nr_ranges; /* atomic */
	uint32_t nr_reclaims; /* atomic: owners with .reclaim */
	uint32_t next_svid;
	uint64_t host; /* random: part of all owner handles of this controller */
	uint32_t epoch; /* atomic: fs.epoch of the last reclaim */
	uint32_t kick; /* atomic: counts times all who wait were to ask again */
	struct nfs_lock_jobs todo; /* for whichever thread polls next */
	uint32_t nr_answers; /* of them, and of those under way */
	bool has_todo; /* atomic */
	bool listening; /* const: servers can call */
	uint32_t lost; /* atomic: GRANTEDs in a row that did not come */
	struct nlm_peer peer;
	struct nsm *nsm;
	bool freeing; /* atomic: .step is not NOT */
	struct nfs_lock_free free;
	bool left; /* something may still be locked on the server */
};

void nfs_locks_init(struct nfs_locks *l, uint64_t host);
/* lock=remote, once it is mounted: listens, looks for what was left behind. Main thread. 0 or -errno, as open(). */
int nfs_locks_open(struct nfs_fs *nfs, const struct fs_config *cfg, char *err);
void nfs_locks_free(struct nfs_fs *nfs); /* what is held stays on the server */
/* Lets go of everything: the guest is gone. The calls go out with the next polls. */
void nfs_locks_drop_all(struct nfs_fs *nfs);
/* Somebody was interrupted, perhaps one who waits. Any thread. */
void nfs_locks_interrupted(struct nfs_fs *nfs);

void nfs_getlk(struct fs_req *req);
void nfs_setlk(struct fs_req *req); /* and SETLKW */
/* then(n) once the owner, if it is one, has let go of the file of n. */
void nfs_lock_release(struct nreq *n, uint64_t owner, bool flock, void (*then)(struct nreq *n));
/* RELEASE: the locks of F_OFD_SETLK, which no FLUSH names. */
void nfs_lock_closed(struct nreq *n, void (*then)(struct nreq *n));

/* The thread begins and ends. */
int nfs_lock_attach(struct nfs_thread *t);
void nfs_lock_detach(struct nfs_thread *t);
void nfs_lock_poll(struct nfs_thread *t);
int nfs_lock_timeout_ms(const struct nfs_thread *t); /* -1: none */
bool nfs_lock_busy(const struct nfs_thread *t); /* with jobs */
/* The thread ends: gives its jobs up. */
void nfs_lock_abandon(struct nfs_thread *t);
/* Who waits for a lock on this thread ends with EINTR. */
void nfs_lock_abort(struct nfs_thread *t);

#endif
