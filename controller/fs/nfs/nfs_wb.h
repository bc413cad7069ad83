/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Write-back state of a file: what the server has been given and may still forget.
 *
 * Theory of operation: there is one struct nfs_wb for a file that is open for writing or has data not yet
 * committed. What a WRITE left unstable is on its list "kept" (nfs_keep.h), oldest first. One COMMIT at a
 * time is under way; who needs more than it covers waits for the next one, so any number of fsyncs at a time
 * costs two COMMITs. When the server's write verifier changes, all that is kept is written again:
 *
 *   IDLE -> COMMITTING -> IDLE                      verifier as before: what was covered is let go
 *   COMMITTING -> DRAINING -> RESENDING -> COMMITTING   it differs
 *
 * DRAINING and RESENDING hold back new WRITEs and changes of size of the file (the gate), for the order of
 * what is written again and what is new matters where they overlap; they start when those under way are
 * over. A connection made anew may mean a restarted server, too: until a COMMIT has shown that it still has
 * everything, READ and GETATTR of such a file are not believed (nfs_wb_unsure()). Nor are answers that were
 * under way while something was written again: the server may have given them before, though all is well by
 * the time a thread looks at them. An answer to a WRITE may be as late, and of a server that is no more: its
 * data counts as of the time it was sent, and what is kept with different verifiers is all written again.
 *
 * Errors that no WRITE could report are kept for the fsync, flush or syncfs of each who had the file open.
 *
 * Threads: everything under wb.lock, which nobody holds over a call; lock order wb.lock, fs.lock. The calls
 * of one round (COMMIT or resending) are made by one thread; requests that wait go on on their own.
 */
#ifndef FS_NFS_WB_H
#define FS_NFS_WB_H

#include <pthread.h>

#include "fs/nfs/nfs_keep.h"

struct nfs_fs;
struct nfs_node;
struct nfs_open;
struct nfs_thread;
struct nreq;

enum nfs_wb_state { WB_IDLE, WB_COMMITTING, WB_DRAINING, WB_RESENDING };

STAILQ_HEAD(nreq_list, nreq);

struct nfs_wb {
	struct nfs_fs *nfs; /* const */
	struct nfs_node *node; /* const; pinned by who has a reference */
	/* under fs.lock */
	uint32_t refs;
	TAILQ_ENTRY(nfs_wb) link; /* fs.dirty, with a reference and a pin of the node */
	uint64_t dirtied; /* its place in that list, which is in this order; 0: it is not there */
	/* under lock */
	pthread_mutex_t lock;
	enum nfs_wb_state state;
	bool dirty; /* on fs.dirty */
	bool restarted; /* what is kept has different verifiers */
	bool again; /* one more COMMIT when this one is over */
	uint32_t in_flight; /* requests that passed the gate and are not over */
	uint64_t seq; /* of the last that was kept */
	uint64_t covered; /* seq the COMMIT under way covers */
	uint32_t epoch; /* fs.epoch when it was sent */
	uint32_t rounds; /* of resending, without success */
	STAILQ_HEAD(, nfs_kept) kept;
	uint8_t verf[NFS_VERF_SIZE]; /* of all of them */
	struct nreq_list waiting, gated;
	int err; /* -errno of the last loss */
	uint32_t err_seq; /* counts them */
	bool err_seen; /* somebody was told of it */
	/* the round */
	struct nfs_thread *thread; /* written under fs.lock, too */
	LIST_ENTRY(nfs_wb) round_link; /* thread.rounds, under fs.lock */
	bool calling; /* call is the client's now */
	struct nfs_kept *resend; /* RESENDING: this one */
	uint32_t resent; /* bytes of it */
	struct iovec iov;
	struct nfs_cred cred;
	struct nfs_call call;
};

/* ---- references ---- */

/* The file's, made if need be (make) or NULL. Takes a reference; the caller pins the node. */
struct nfs_wb *nfs_wb_get(struct nfs_fs *nfs, struct nfs_node *node, bool make);
void nfs_wb_put(struct nfs_wb *wb); /* NULL is fine */
/*
 * One after the other of fs.dirty, up to the last that is there at the start: each exactly once, whoever
 * else goes through them. pos starts with 0; with a reference and a pin of its node. from: the one before, which
 * loses the caller's, or NULL.
 */
uint64_t nfs_wb_last_dirty(struct nfs_fs *nfs);
struct nfs_wb *nfs_wb_next_dirty(struct nfs_fs *nfs, struct nfs_wb *from, uint64_t *pos, uint64_t last);

/* ---- requests; n->wb is set ---- */

/* Passes the gate: true. False: then(n) runs when it opens. nfs_wb_leave() with the end of the request. */
bool nfs_wb_enter(struct nreq *n, void (*then)(struct nreq *n));
void nfs_wb_leave(struct nreq *n);
/* A WRITE of len bytes at n->moved is about to go out: takes room for it. False: let it be a stable one. */
bool nfs_wb_reserve(struct nreq *n, uint32_t len); /* nfs_copy.c */
/* Copies what went out in this round. */
void nfs_wb_copy(struct nfs_thread *t);
/* It was answered: without an error the copy is there afterwards, made anew if it was resent. */
void nfs_wb_end_copy(struct nreq *n, int err, bool resent);
/* It was answered: err, or what res says. */
void nfs_wb_written(struct nreq *n, int err, const struct nfs_result *res);
/* then(n) once all that was written before is committed, or could not be. At once if there is nothing. */
void nfs_wb_commit(struct nreq *n, void (*then)(struct nreq *n));
/* The file has this size now: what is kept of beyond it goes. */
void nfs_wb_trim(struct nfs_wb *wb, uint64_t size);
/* 0, or the loss that who has the file open has not been told of; it has now. */
int nfs_wb_error(struct nfs_wb *wb, struct nfs_open *open);
/* Where an open file starts to listen for losses. */
uint32_t nfs_wb_err_seq(struct nfs_wb *wb);
/* The same for one that is open for reading, and is asked to commit what others wrote. */
void nfs_wb_listen(struct nfs_wb *wb, struct nfs_open *open);

/* A changed number of connections of the thread: the server may have restarted. */
void nfs_look_at_epoch(struct nfs_thread *t);
/* n's call is about to be sent: what is known now is what its answer will be judged by. */
void nfs_wb_ask(struct nreq *n);
/* Was anything written again since? */
bool nfs_wb_overtaken(const struct nreq *n);
/* May the answer to a READ or GETATTR of this node lack data that we keep? Then ask again after a COMMIT. */
bool nfs_wb_unsure(const struct nreq *n, const struct nfs_node *node);

/* ---- the thread ---- */

/* Starts the COMMITs that old data and a filling ring ask for. */
void nfs_wb_poll(struct nfs_thread *t);
/* COMMITs for everything there is. */
void nfs_wb_commit_all(struct nfs_thread *t);
/* Nobody waits for the thread's requests: those that wait here end with EINTR, the rounds go on. */
void nfs_wb_abort(struct nfs_thread *t);
/* Forgets everything: the file system is closed. */
void nfs_wb_drop_all(struct nfs_fs *nfs);
/* Gives the thread's rounds up: it ends. */
void nfs_wb_abandon(struct nfs_thread *t);

#endif
