/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies of what was written UNSTABLE, until a COMMIT makes them superfluous: a server that restarts
 * before that has lost the data, and the guest's memory is long used for something else.
 *
 * Theory of operation: each I/O thread has a ring of bytes. A WRITE reserves room for itself in it before it
 * is sent, and is copied there while the server works on it; the reply makes the copy count. Rooms are taken in order and given back in any order, so
 * the tail waits for the oldest one: keep_oldest() tells whose COMMIT would move it. A full ring is no error:
 * the WRITE then goes to stable storage at once.
 *
 * Threads: a ring's head and tail belong to its thread; kept_done() may be called by any.
 */
#ifndef FS_NFS_KEEP_H
#define FS_NFS_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "fs/nfs/client.h"

struct nfs_wb;

enum kept_state { KEPT_RESERVED, KEPT_HELD, KEPT_DONE };

/* A room of the ring; data follows. */
struct nfs_kept {
	STAILQ_ENTRY(nfs_kept) link; /* nfs_wb.kept */
	struct nfs_wb *wb; /* valid until it is done */
	uint64_t offset, seq;
	uint64_t born_ns;
	uint32_t len;
	uint32_t room; /* bytes of ring, with this */
	uint32_t state; /* atomic */
	struct nfs_cred cred; /* who wrote it */
	_Alignas(64) uint8_t data[];
};

struct nfs_keep {
	SLIST_ENTRY(nfs_keep) link;
	size_t size; /* of the ring, a power of two; 0: nothing is kept */
	uint8_t *ring;
	uint64_t head, tail; /* bytes given out and back since the start */
};

/* size in bytes, rounded up to a power of two; memory is used as it is written to. 0 or -errno. */
int keep_create(size_t size, struct nfs_keep **ret_keep);
void keep_destroy(struct nfs_keep *keep); /* NULL is fine */
/* Room for len bytes, state RESERVED; NULL: none. */
struct nfs_kept *keep_reserve(struct nfs_keep *keep, uint32_t len);
/* The room is free from now on. */
static inline void kept_done(struct nfs_kept *k)
{
	__atomic_store_n(&k->state, KEPT_DONE, __ATOMIC_RELEASE); /* pairs with keep_oldest() */
}
/* Takes back what is done at the tail; the oldest that is not, or NULL. */
struct nfs_kept *keep_oldest(struct nfs_keep *keep);
static inline bool keep_is_empty(const struct nfs_keep *keep)
{
	return keep->head == keep->tail;
}
static inline size_t keep_used(const struct nfs_keep *keep)
{
	return keep->head - keep->tail;
}

#endif
