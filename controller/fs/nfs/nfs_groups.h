/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * groups=host: the groups of a caller as this host's user database has them, since FUSE says only the first.
 */
#ifndef FS_NFS_GROUPS_H
#define FS_NFS_GROUPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct nfs_thread;
struct nreq;
struct groups_pool; /* of a file system: who asks the database */

#define NFS_GROUPS_BUCKETS 256

/* What an I/O thread knows. */
struct nfs_groups {
	struct groups_pool *pool; /* NULL: the option is not set */
	int wake_fd;
	LIST_HEAD(, groups_entry) bucket[NFS_GROUPS_BUCKETS];
	TAILQ_HEAD(, groups_entry) all; /* the oldest first */
	unsigned int nr;
	STAILQ_HEAD(, groups_job) answers; /* under the pool's lock */
	bool has_answers; /* atomic */
};

/* Main thread. 0 or -errno. */
int nfs_groups_open(struct groups_pool **ret);
/* Does not wait for a database that does not answer. NULL is fine. */
void nfs_groups_close(struct groups_pool *pool);

/* The thread begins and ends; no request is out at its end. */
void nfs_groups_attach(struct nfs_thread *t, struct groups_pool *pool);
void nfs_groups_detach(struct nfs_thread *t);
/*
 * Completes the request's credential for its next call: true. False: the database is being asked, and the call
 * goes out from nfs_groups_poll().
 */
bool nfs_groups_complete(struct nreq *n);
void nfs_groups_poll(struct nfs_thread *t);
/* Nobody waits for the thread's requests (t->aborted): calls that wait here end with EINTR. */
void nfs_groups_abort(struct nfs_thread *t);

#endif
