/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * O_PATH descriptors of directories that operations by name start from, keyed by node id: a set picked by
 * the id, LOCAL_FDCACHE_WAYS ways, least recently used out. An id is never given out twice (it carries a
 * generation), so an entry is never wrong, only useless. One cache per thread: no lock.
 *
 * Only directories are kept. A descriptor of a deleted file would keep its blocks allocated until
 * somebody evicts it; a deleted directory costs one block.
 *
 * "In use" means used by the operation that runs now (op_seq): no operation needs more than two
 * directories, so a set of four always has a victim.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "local.h"

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

bool fdcache_put(struct local_thread *t, uint64_t nodeid, int fd)
{
	struct lfdslot *set = fdcache_set(&t->cache, nodeid);
	struct lfdslot *victim = &set[0];
	unsigned int i;

	for (i = 0; i < LOCAL_FDCACHE_WAYS; i++) {
		if (set[i].nodeid == nodeid)
			return false;
		if (!set[i].nodeid) {
			victim = &set[i];
			victim->used = 0;
		} else if (set[i].used < victim->used) {
			victim = &set[i];
		}
	}
	if (victim->nodeid && victim->used == t->op_seq)
		return false;
	if (victim->nodeid)
		close(victim->fd);
	*victim = (struct lfdslot){ .nodeid = nodeid, .used = t->op_seq, .fd = fd };
	return true;
}

void fdcache_drop(struct local_thread *t)
{
	struct lfdslot *slot;
	unsigned int i;

	for (i = 0; i < t->cache.nr_sets * LOCAL_FDCACHE_WAYS; i++) {
		slot = &t->cache.slots[i];
		if (!slot->nodeid || slot->used == t->op_seq)
			continue;
		close(slot->fd);
		slot->nodeid = 0;
	}
}
