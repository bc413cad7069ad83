/* SPDX-License-Identifier: BSD-3-Clause */
#include "nfs_keep.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/util.h"

#define ROOM_ALIGN 64u
_Static_assert(sizeof(struct nfs_kept) % ROOM_ALIGN == 0, "rooms start aligned");

int keep_create(size_t size, struct nfs_keep **ret_keep)
{
	struct nfs_keep *keep = calloc(1, sizeof(*keep));

	if (!keep)
		return -ENOMEM;
	for (keep->size = size ? 4096 : 0; keep->size < size;)
		keep->size *= 2;
	if (keep->size) {
		keep->ring = mmap(NULL, keep->size, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (keep->ring == MAP_FAILED) {
			free(keep);
			return -ENOMEM;
		}
		/* A fault for each page costs as much as the copy. */
		madvise(keep->ring, keep->size, MADV_HUGEPAGE);
	}
	*ret_keep = keep;
	return 0;
}

void keep_destroy(struct nfs_keep *keep)
{
	if (!keep)
		return;
	if (keep->size)
		munmap(keep->ring, keep->size);
	free(keep);
}

static struct nfs_kept *room_at(const struct nfs_keep *keep, uint64_t pos)
{
	return (struct nfs_kept *)(keep->ring + (pos & (keep->size - 1)));
}

struct nfs_kept *keep_oldest(struct nfs_keep *keep)
{
	while (keep->tail != keep->head) {
		struct nfs_kept *k = room_at(keep, keep->tail);

		if (__atomic_load_n(&k->state, __ATOMIC_ACQUIRE) != KEPT_DONE) /* kept_done() */
			return k;
		keep->tail += k->room;
	}
	return NULL;
}

/* Nothing crosses the end of the ring: a room of no use fills what is left of it. */
static void fill_end(struct nfs_keep *keep, size_t left)
{
	struct nfs_kept *k = room_at(keep, keep->head);

	/* Both are multiples of 64, and the fields used here are among the first 64 bytes. */
	k->room = (uint32_t)left;
	__atomic_store_n(&k->state, KEPT_DONE, __ATOMIC_RELAXED);
	keep->head += left;
}
_Static_assert(offsetof(struct nfs_kept, state) + 4 <= ROOM_ALIGN, "fill_end() writes 64 bytes at most");

struct nfs_kept *keep_reserve(struct nfs_keep *keep, uint32_t len)
{
	size_t room = (sizeof(struct nfs_kept) + len + ROOM_ALIGN - 1) & ~(size_t)(ROOM_ALIGN - 1);
	size_t left = keep->size - (keep->head & (keep->size - 1));
	struct nfs_kept *k;

	if (room > keep->size / 2)
		return NULL;
	if (room > left) {
		if (keep_used(keep) + left > keep->size)
			return NULL;
		fill_end(keep, left);
	}
	if (keep_used(keep) + room > keep->size)
		return NULL;
	k = room_at(keep, keep->head);
	k->room = (uint32_t)room;
	k->len = 0;
	__atomic_store_n(&k->state, KEPT_RESERVED, __ATOMIC_RELAXED);
	keep->head += room;
	return k;
}
