/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * O_PATH descriptors keyed by node id: a set picked by the id, LOCAL_FDCACHE_WAYS ways, least
 * recently used out. An id is never given out twice (it carries a generation), so an entry is never
 * wrong, only useless. One cache per thread: no lock.
 *
 * The descriptor of a file that is deleted meanwhile keeps its blocks allocated. So entries of
 * files leave when the guest forgets the node, and when they were not used for one to two times
 * SWEEP_MS; timeout_ms() sees to it that a sleeping thread wakes for that. A directory costs a
 * block and stays.
 *
 * "In use" means used by the operation that runs now (op_seq): no operation needs more than three
 * descriptors, so a set of four always has a victim.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "local.h"

#define SWEEP_MS 500

int fdcache_init(struct lfdcache *cache, unsigned int nr_sets)
{
	cache->slots = calloc((size_t)nr_sets * LOCAL_FDCACHE_WAYS, sizeof(*cache->slots));
	cache->nr_sets = nr_sets;
	return cache->slots ? 0 : -ENOMEM;
}

void fdcache_fini(struct lfdcache *cache)
{
	unsigned int i;

	for (i = 0; cache->slots && i < cache->nr_sets * LOCAL_FDCACHE_WAYS; i++)
		if (cache->slots[i].nodeid)
			close(cache->slots[i].fd);
	free(cache->slots);
	cache->slots = NULL;
}

static struct lfdslot *fdcache_set(struct lfdcache *cache, uint64_t nodeid)
{
	uint64_t mixed = nodeid * 0x9e3779b97f4a7c15ull;

	return &cache->slots[((mixed >> 40) & (cache->nr_sets - 1)) * LOCAL_FDCACHE_WAYS];
}

int fdcache_get(struct local_thread *t, uint64_t nodeid)
{
	struct lfdslot *set = fdcache_set(&t->cache, nodeid);
	unsigned int i;

	for (i = 0; i < LOCAL_FDCACHE_WAYS; i++) {
		if (set[i].nodeid == nodeid) {
			set[i].used = t->op_seq;
			return set[i].fd;
		}
	}
	return -1;
}

static int fdcache_take_out(struct lfdcache *cache, struct lfdslot *slot)
{
	cache->nr_files -= slot->is_file;
	slot->nodeid = 0;
	return slot->fd;
}

/* As root: it may start a worker. */
static void fdcache_close(struct local_thread *t, struct lfdslot *slot)
{
	bool is_file = slot->is_file;
	int fd = fdcache_take_out(&t->cache, slot);

	if (!is_file || !local_close_away(t, fd))
		close(fd);
}

bool fdcache_put(struct local_thread *t, uint64_t nodeid, int fd, bool is_file)
{
	struct lfdslot *set = fdcache_set(&t->cache, nodeid);
	struct lfdslot *victim = &set[0];
	unsigned int i;

	for (i = 0; i < LOCAL_FDCACHE_WAYS; i++) {
		if (!set[i].nodeid) {
			victim = &set[i];
			break;
		}
		if (set[i].used < victim->used)
			victim = &set[i];
	}
	if (victim->nodeid && victim->used == t->op_seq)
		return false;
	if (victim->nodeid)
		fdcache_close(t, victim);
	*victim = (struct lfdslot){ .nodeid = nodeid, .used = t->op_seq, .fd = fd,
				    .is_file = is_file };
	t->cache.nr_files += is_file;
	return true;
}

void fdcache_keep(struct local_thread *t, uint64_t nodeid, int fd)
{
	t->op_seq++;
	if (fdcache_get(t, nodeid) >= 0 || !fdcache_put(t, nodeid, fd, true))
		close(fd);
}

void fdcache_evict(struct local_thread *t, uint64_t nodeid)
{
	struct lfdslot *set = fdcache_set(&t->cache, nodeid);
	unsigned int i;

	/* 0 is what empty ways have, and any number comes from the guest. */
	for (i = 0; nodeid && i < LOCAL_FDCACHE_WAYS; i++)
		if (set[i].nodeid == nodeid)
			fdcache_close(t, &set[i]);
}

void fdcache_drop(struct local_thread *t)
{
	struct lfdslot *slot;
	unsigned int i;

	for (i = 0; i < t->cache.nr_sets * LOCAL_FDCACHE_WAYS; i++) {
		slot = &t->cache.slots[i];
		if (slot->nodeid && slot->used != t->op_seq)
			close(fdcache_take_out(&t->cache, slot));
	}
}

void fdcache_sweep(struct local_thread *t)
{
	struct lfdcache *cache = &t->cache;
	struct lfdslot *slot;
	struct timespec ts;
	uint64_t now;
	unsigned int i;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	now = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	if (now - cache->swept_ms < SWEEP_MS)
		return;
	for (i = 0; i < cache->nr_sets * LOCAL_FDCACHE_WAYS; i++) {
		slot = &cache->slots[i];
		if (slot->nodeid && slot->is_file && slot->used <= cache->swept_seq)
			fdcache_close(t, slot);
	}
	cache->swept_seq = t->op_seq;
	cache->swept_ms = now;
}

int fdcache_timeout_ms(const struct local_thread *t)
{
	return t->cache.nr_files ? SWEEP_MS : -1;
}
