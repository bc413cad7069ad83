/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which byte ranges of which node this server's guest has locked, and who waits. The locks
 * themselves are the host kernel's: see lock.c. Everything here is under lktab.lock except where
 * said otherwise.
 */
#ifndef FS_LOCAL_LOCK_H
#define FS_LOCAL_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define LK_BUCKETS 64 /* power of two */
#define LK_RANGES_MAX 65536 /* ENOLCK beyond */
#define LK_EOF INT64_MAX /* last byte of a range without end */

struct local_thread;
struct lreq;

/* First and last byte. */
struct lkrange {
	struct lkrange *next;
	uint64_t start, end;
	uint32_t pid; /* in the guest */
	bool write;
};

/* A guest's lock owner on one node: one open file description of the host. */
struct lkowner {
	LIST_ENTRY(lkowner) link;
	uint64_t nodeid, owner;
	uint64_t fh; /* the guest's file it last locked through; gone with that */
	int fd;
	unsigned int waiting; /* requests */
	struct lkrange *ranges; /* by start; apart, or next to each other and different */
};

/* A request that waits for a lock, in lreq. */
struct lkwait {
	TAILQ_ENTRY(lreq) link; /* lktab.waiting */
	struct local_thread *t;
	struct lkowner *owner; /* NULL: flock() */
	uint64_t nodeid;
	uint64_t due_ns; /* next try; UINT64_MAX: not before it is woken */
	uint64_t delay_ns;
	uint32_t mark; /* of the last search for a deadlock that came here */
	bool cancelled;
};

LIST_HEAD(lkowners, lkowner);

struct lktab {
	pthread_mutex_t lock;
	struct lkowners owners[LK_BUCKETS];
	TAILQ_HEAD(, lreq) waiting; /* oldest first */
	uint32_t nr_owners; /* atomic: looked at without the lock */
	uint32_t nr_waiting; /* atomic: likewise */
	uint32_t nr_ranges;
	uint32_t mark;
	/* const */
	uint32_t max_owners; /* each has a descriptor */
	uint32_t max_waiting; /* each has a place in a queue of the guest */
};

void lktab_init(struct lktab *tab, uint32_t max_owners, uint32_t max_waiting);
void lktab_fini(struct lktab *tab);

struct lkowner *lktab_find(struct lktab *tab, uint64_t nodeid, uint64_t owner);
/* Consumes fd. NULL: out of memory, or of owners. */
struct lkowner *lktab_add(struct lktab *tab, uint64_t nodeid, uint64_t owner, int fd);
/* Frees it, and closes its descriptor, when it holds nothing and nobody waits for it. */
void lktab_reap(struct lktab *tab, struct lkowner *o);
/* Where the owners on this node are, among others. */
struct lkowners *lktab_bucket(struct lktab *tab, uint64_t nodeid);
/* All its ranges go; not the kernel's locks. */
void lktab_drop_ranges(struct lktab *tab, struct lkowner *o);
/* A range of o in the way of somebody else's; NULL: none. */
const struct lkrange *lkowner_conflict(const struct lkowner *o, uint64_t start, uint64_t end,
				       bool write);
/* The same of any other owner on the node. */
const struct lkrange *lktab_conflict(struct lktab *tab, uint64_t nodeid, uint64_t owner,
				     uint64_t start, uint64_t end, bool write);
/* Room for what lktab_set() may need. 0, -ENOMEM, -ENOLCK. */
int lktab_reserve(struct lktab *tab, struct lkrange *spare[2]);
void lktab_unreserve(struct lktab *tab, struct lkrange *spare[2]);
/*
 * The range is now held so (set NULL: not held), whatever it was before. Uses spare[], frees the
 * rest of it. True: something was given up that others may wait for.
 */
bool lktab_set(struct lktab *tab, struct lkowner *o, uint64_t start, uint64_t end,
	       const struct lkrange *set, struct lkrange *spare[2]);

#endif
