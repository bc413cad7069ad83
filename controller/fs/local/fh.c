/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * A file handle is generation << 32 | slot, judged like a node id (nodetab.c): slots are
 * type-stable, ref holds generation and users, get() is a compare-and-swap that only succeeds while
 * users > 0. The guest's open is one user; RELEASE sets "closed" once and drops it. The last user
 * closes the descriptor, so I/O in flight on another thread survives a RELEASE.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomics.h"
#include "local.h"

#define LFH_USERS(ref) ((uint32_t)(ref))
#define LFH_GEN(ref) ((uint32_t)((ref) >> 32))

int lfh_table_init(struct lfh_table *tab, uint32_t max)
{
	memset(tab, 0, sizeof(*tab));
	tab->max = min(max, LFH_CHUNK * LFH_CHUNKS_MAX - 1);
	tab->next = 1;
	return -pthread_mutex_init(&tab->lock, NULL);
}

static struct lfh *lfh_slot(struct lfh_table *tab, uint32_t slot)
{
	struct lfh *chunk;

	if (!slot || slot > tab->max)
		return NULL;
	/* Pairs with the release in lfh_grow(). */
	chunk = __atomic_load_n(&tab->chunks[slot >> LFH_CHUNK_SHIFT], __ATOMIC_ACQUIRE);
	return chunk ? &chunk[slot & (LFH_CHUNK - 1)] : NULL;
}

/* Under the lock. */
static int lfh_grow(struct lfh_table *tab, struct lfh **ret_f)
{
	struct lfh *chunk;

	if (tab->next > tab->max)
		return -ENFILE;
	if (!lfh_slot(tab, tab->next)) {
		chunk = calloc(LFH_CHUNK, sizeof(*chunk));
		if (!chunk)
			return -ENOMEM;
		/* Pairs with the acquire in lfh_slot(). */
		__atomic_store_n(&tab->chunks[tab->next >> LFH_CHUNK_SHIFT], chunk,
				 __ATOMIC_RELEASE);
	}
	*ret_f = lfh_slot(tab, tab->next);
	(*ret_f)->slot = tab->next++;
	return 0;
}

static int lfh_alloc(struct lfh_table *tab, struct lfh **ret_f)
{
	int err = 0;

	pthread_mutex_lock(&tab->lock);
	if (tab->free) {
		*ret_f = lfh_slot(tab, tab->free);
		tab->free = (*ret_f)->next_free;
	} else {
		err = lfh_grow(tab, ret_f);
	}
	pthread_mutex_unlock(&tab->lock);
	return err;
}

int lfh_open(struct lfh_table *tab, int fd, int flags, enum lfskind kind, struct ldir *dir,
	     uint64_t *ret_fh)
{
	struct lfh *f;
	int err;

	if (dir &&
	    __atomic_add_fetch(&tab->nr_dirs, 1, __ATOMIC_RELAXED) > LOCAL_DIRS_MAX) {
		__atomic_sub_fetch(&tab->nr_dirs, 1, __ATOMIC_RELAXED);
		return -ENFILE;
	}
	err = lfh_alloc(tab, &f);
	if (err) {
		if (dir)
			__atomic_sub_fetch(&tab->nr_dirs, 1, __ATOMIC_RELAXED);
		return err;
	}
	f->fd = fd;
	f->dir = dir;
	f->sync = flags & (O_SYNC | O_DSYNC);
	f->direct = (flags & O_DIRECT) && kind != LFS_TMPFS; /* that has no disk to wait for */
	f->may_be_large = !dir && !(flags & O_CREAT);
	f->rdwr = (flags & O_ACCMODE) == O_RDWR;
	f->map = NULL;
	f->map_hits = 0;
	f->kind = kind;
	f->no_map = false;
	f->nowait = LFH_NOWAIT_UNKNOWN;
	__atomic_store_n(&f->closed, 0, __ATOMIC_RELAXED);
	*ret_fh = (uint64_t)LFH_GEN(__atomic_load_n(&f->ref, __ATOMIC_RELAXED)) << 32 | f->slot;
	/* Release pairs with the acquire in lfh_get(). */
	__atomic_add_fetch(&f->ref, 1, __ATOMIC_RELEASE);
	return 0;
}

static struct lfh *lfh_pin(struct lfh_table *tab, uint32_t slot, uint32_t gen, bool any_gen)
{
	struct lfh *f = lfh_slot(tab, slot);
	uint64_t ref;

	if (!f)
		return NULL;
	ref = __atomic_load_n(&f->ref, __ATOMIC_RELAXED);
	do {
		if (!LFH_USERS(ref) || (!any_gen && LFH_GEN(ref) != gen))
			return NULL;
	} while (!__atomic_compare_exchange_n(&f->ref, &ref, ref + 1, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_RELAXED));
	return f;
}

struct lfh *lfh_get(struct lfh_table *tab, uint64_t fh, bool is_dir)
{
	struct lfh *f = lfh_pin(tab, (uint32_t)fh, (uint32_t)(fh >> 32), false);

	if (!f)
		return NULL;
	if (!f->dir == !is_dir && !__atomic_load_n(&f->closed, __ATOMIC_RELAXED))
		return f;
	lfh_put(tab, f);
	return NULL;
}

void lfh_pin_more(struct lfh *f)
{
	__atomic_add_fetch(&f->ref, 1, __ATOMIC_RELAXED);
}

/* The descriptor if it is nobody's any more, else -1. */
static int lfh_drop(struct lfh_table *tab, struct lfh *f)
{
	int fd = f->fd; /* while we are a user: after that the slot may be another file's */
	uint64_t ref = __atomic_sub_fetch(&f->ref, 1, __ATOMIC_ACQ_REL);

	if (LFH_USERS(ref))
		return -1;
	local_map_close(container_of(tab, struct local_fs, fhs), f->map);
	if (f->dir) {
		ldir_free(f->dir);
		__atomic_sub_fetch(&tab->nr_dirs, 1, __ATOMIC_RELAXED);
	}
	/* Users are 0: only this thread may touch the slot until it is in the free list. */
	__atomic_store_n(&f->ref, (uint64_t)(LFH_GEN(ref) + 1) << 32, __ATOMIC_RELEASE);
	pthread_mutex_lock(&tab->lock);
	f->next_free = tab->free;
	tab->free = f->slot;
	pthread_mutex_unlock(&tab->lock);
	return fd;
}

void lfh_put(struct lfh_table *tab, struct lfh *f)
{
	int fd = lfh_drop(tab, f);

	if (fd >= 0)
		close(fd);
}

/* f is pinned; drops the guest's user exactly once. */
static bool lfh_close_pinned(struct lfh_table *tab, struct lfh *f, int *ret_fd)
{
	bool first = !__atomic_exchange_n(&f->closed, 1, __ATOMIC_ACQ_REL);

	if (first)
		lfh_put(tab, f); /* not the last: we are one */
	*ret_fd = lfh_drop(tab, f);
	return first;
}

bool lfh_close(struct lfh_table *tab, uint64_t fh, bool is_dir, int *ret_fd, bool *ret_large)
{
	struct lfh *f = lfh_get(tab, fh, is_dir);

	*ret_fd = -1;
	*ret_large = f && READ_ONCE(f->may_be_large);
	return f && lfh_close_pinned(tab, f, ret_fd);
}

void lfh_close_all(struct lfh_table *tab)
{
	struct lfh *f;
	uint32_t slot, end;
	int fd;

	pthread_mutex_lock(&tab->lock);
	end = tab->next;
	pthread_mutex_unlock(&tab->lock);
	for (slot = 1; slot < end; slot++) {
		f = lfh_pin(tab, slot, 0, true);
		if (!f)
			continue;
		lfh_close_pinned(tab, f, &fd);
		if (fd >= 0)
			close(fd);
	}
}

void lfh_table_fini(struct lfh_table *tab)
{
	unsigned int i;

	lfh_close_all(tab);
	for (i = 0; i < LFH_CHUNKS_MAX; i++)
		free(tab->chunks[i]);
	pthread_mutex_destroy(&tab->lock);
}
