/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * A node id is generation << 32 | slot. Slots live in chunks that are never given back while the
 * table lives, so the word node->ref of any slot may be read at any time:
 *
 *   node->ref = generation << 32 | pins
 *
 * A slot is alive while pins > 0. The references of the guest (nlookup) count as one pin together,
 * taken by the grant that raises nlookup from 0 and dropped by the forget that lowers it to 0.
 *
 *   get     compare-and-swap pins -> pins + 1, only if pins > 0 and the generation is the id's
 *   put     pins - 1; whoever reaches 0 takes the shard's lock and looks again: intern() may have
 *           revived the node (0 -> 1, under that lock) and somebody else may have buried it since
 *           (the generation differs). Otherwise the node leaves the hash, its generation goes up,
 *           fini() runs.
 *
 * Locks, in this order: shard, then free list.
 */
#include "fs/nodetab.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define NT_SHARDS 64
#define NT_CHUNK_SHIFT 9
#define NT_CHUNK (1u << NT_CHUNK_SHIFT)
#define NT_MAX_NODES (1u << 24)
#define NT_BUCKETS_MIN 16
#define NT_PINS(ref) ((uint32_t)(ref))
#define NT_GEN(ref) ((uint32_t)((ref) >> 32))

struct nt_shard {
	pthread_mutex_t lock;
	struct node **buckets;
	uint32_t nr_buckets; /* power of two */
	uint32_t count;
} __attribute__((aligned(64)));

struct nodetab {
	const struct nodetab_ops *ops;
	void *fs;
	uint32_t max_slots; /* slot numbers are below this; slot 0 is never used */
	uint32_t nr_chunks; /* of the array */
	char **chunks; /* atomic pointers, set once each */
	uint64_t count; /* atomic */
	struct nt_shard shards[NT_SHARDS];
	pthread_mutex_t free_lock;
	struct node *free; /* through hash_next; under free_lock */
	uint32_t next_slot; /* never used so far; under free_lock */
};

static struct nt_shard *nt_shard_of(struct nodetab *tab, uint64_t hash)
{
	return &tab->shards[hash % NT_SHARDS];
}

static struct node **nt_bucket_of(struct nt_shard *shard, uint64_t hash)
{
	return &shard->buckets[(hash / NT_SHARDS) & (shard->nr_buckets - 1)];
}

/* NULL for a slot that was never handed out. */
static struct node *nt_slot(const struct nodetab *tab, uint32_t slot)
{
	char *chunk;

	if (!slot || slot >= tab->max_slots)
		return NULL;
	/* Pairs with the release in nt_slot_grow(). */
	chunk = __atomic_load_n(&tab->chunks[slot >> NT_CHUNK_SHIFT], __ATOMIC_ACQUIRE);
	if (!chunk)
		return NULL;
	return (struct node *)(chunk + (size_t)(slot & (NT_CHUNK - 1)) * tab->ops->node_size);
}

/* Under free_lock. */
static struct node *nt_slot_grow(struct nodetab *tab)
{
	uint32_t slot = tab->next_slot;
	struct node *node;
	char *chunk;

	if (slot >= tab->max_slots) {
		errno = ENFILE;
		return NULL;
	}
	if (!nt_slot(tab, slot)) {
		chunk = calloc(NT_CHUNK, tab->ops->node_size);
		if (!chunk) {
			errno = ENOMEM;
			return NULL;
		}
		/* Pairs with the acquire in nt_slot(). */
		__atomic_store_n(&tab->chunks[slot >> NT_CHUNK_SHIFT], chunk, __ATOMIC_RELEASE);
	}
	node = nt_slot(tab, slot);
	node->slot = slot;
	tab->next_slot++;
	return node;
}

static int nt_slot_alloc(struct nodetab *tab, struct node **ret_node)
{
	struct node *node;
	int err = 0;

	pthread_mutex_lock(&tab->free_lock);
	node = tab->free;
	if (node)
		tab->free = node->hash_next;
	else
		node = nt_slot_grow(tab);
	if (!node)
		err = -errno;
	pthread_mutex_unlock(&tab->free_lock);
	*ret_node = node;
	return err;
}

static void nt_slot_free(struct nodetab *tab, struct node *node)
{
	pthread_mutex_lock(&tab->free_lock);
	node->hash_next = tab->free;
	tab->free = node;
	pthread_mutex_unlock(&tab->free_lock);
}

int nodetab_create(const struct nodetab_ops *ops, void *fs, uint32_t max_nodes,
		   struct nodetab **ret_tab)
{
	struct nodetab *tab;
	unsigned int i;

	tab = aligned_alloc(64, ALIGN_UP(sizeof(*tab), 64));
	if (!tab)
		return -ENOMEM;
	memset(tab, 0, sizeof(*tab));
	tab->ops = ops;
	tab->fs = fs;
	if (!max_nodes || max_nodes > NT_MAX_NODES)
		max_nodes = NT_MAX_NODES;
	tab->max_slots = max_nodes + 1;
	tab->next_slot = 1;
	tab->nr_chunks = (max_nodes >> NT_CHUNK_SHIFT) + 1;
	pthread_mutex_init(&tab->free_lock, NULL);
	for (i = 0; i < NT_SHARDS; i++)
		pthread_mutex_init(&tab->shards[i].lock, NULL);
	tab->chunks = calloc(tab->nr_chunks, sizeof(*tab->chunks));
	if (!tab->chunks)
		goto fail;
	for (i = 0; i < NT_SHARDS; i++) {
		tab->shards[i].buckets = calloc(NT_BUCKETS_MIN, sizeof(struct node *));
		tab->shards[i].nr_buckets = NT_BUCKETS_MIN;
		if (!tab->shards[i].buckets)
			goto fail;
	}
	*ret_tab = tab;
	return 0;
fail:
	nodetab_destroy(tab);
	return -ENOMEM;
}

void nodetab_destroy(struct nodetab *tab)
{
	struct node *node;
	uint32_t slot;
	unsigned int i;

	if (!tab)
		return;
	for (slot = 1; slot < tab->next_slot; slot++) {
		node = nt_slot(tab, slot);
		if (NT_PINS(__atomic_load_n(&node->ref, __ATOMIC_ACQUIRE)))
			tab->ops->fini(tab->fs, node);
	}
	for (i = 0; tab->chunks && i < tab->nr_chunks; i++)
		free(tab->chunks[i]);
	for (i = 0; i < NT_SHARDS; i++) {
		free(tab->shards[i].buckets);
		pthread_mutex_destroy(&tab->shards[i].lock);
	}
	pthread_mutex_destroy(&tab->free_lock);
	free(tab->chunks);
	free(tab);
}

uint64_t nodetab_id(const struct node *node)
{
	return (uint64_t)NT_GEN(__atomic_load_n(&node->ref, __ATOMIC_RELAXED)) << 32 | node->slot;
}

uint64_t nodetab_count(const struct nodetab *tab)
{
	return __atomic_load_n(&tab->count, __ATOMIC_RELAXED);
}

/* Pins a living node, of that generation unless any will do. */
static bool nt_pin(struct node *node, uint32_t gen, bool any_gen)
{
	uint64_t ref = __atomic_load_n(&node->ref, __ATOMIC_RELAXED);

	do {
		if (!NT_PINS(ref) || (!any_gen && NT_GEN(ref) != gen))
			return false;
		/* Acquire pairs with the release that published the node in nt_make(). */
	} while (!__atomic_compare_exchange_n(&node->ref, &ref, ref + 1, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_RELAXED));
	return true;
}

struct node *nodetab_get(struct nodetab *tab, uint64_t nodeid)
{
	struct node *node = nt_slot(tab, (uint32_t)nodeid);

	if (!node || !nt_pin(node, (uint32_t)(nodeid >> 32), false))
		return NULL;
	return node;
}

static void nt_unhash(struct nt_shard *shard, struct node *node, uint64_t hash)
{
	struct node **link = nt_bucket_of(shard, hash);

	while (*link != node)
		link = &(*link)->hash_next;
	*link = node->hash_next;
	shard->count--;
}

/* Pins of that generation reached 0 once: bury the node if that is still so. */
static void nt_bury(struct nodetab *tab, struct node *node, uint64_t hash, uint32_t gen)
{
	struct nt_shard *shard = nt_shard_of(tab, hash);
	uint64_t dead = (uint64_t)gen << 32;
	bool mine;

	pthread_mutex_lock(&shard->lock);
	mine = __atomic_compare_exchange_n(&node->ref, &dead, (uint64_t)(gen + 1) << 32, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	if (mine)
		nt_unhash(shard, node, hash);
	pthread_mutex_unlock(&shard->lock);
	if (!mine)
		return;
	tab->ops->fini(tab->fs, node);
	__atomic_fetch_sub(&tab->count, 1, __ATOMIC_RELAXED);
	nt_slot_free(tab, node);
}

void nodetab_put(struct nodetab *tab, struct node *node)
{
	uint64_t hash = node->hash; /* ours to read only while the pin is held */
	uint64_t ref;

	/* Release: what was done under the pin comes before fini(), which runs after an acquire. */
	ref = __atomic_sub_fetch(&node->ref, 1, __ATOMIC_ACQ_REL);
	if (unlikely(!NT_PINS(ref)))
		nt_bury(tab, node, hash, NT_GEN(ref));
}

static struct node *nt_lookup(struct nodetab *tab, struct nt_shard *shard, uint64_t hash,
			      const void *key)
{
	struct node *node;

	for (node = *nt_bucket_of(shard, hash); node; node = node->hash_next) {
		if (node->hash != hash || !tab->ops->equal(node, key))
			continue;
		/* In the hash means not buried; 0 -> 1 revives, which only this lock allows. */
		__atomic_add_fetch(&node->ref, 1, __ATOMIC_ACQUIRE);
		return node;
	}
	return NULL;
}

/* A failed allocation leaves longer chains, nothing worse. */
static void nt_shard_grow(struct nt_shard *shard)
{
	uint32_t i, nr_old = shard->nr_buckets;
	struct node **old = shard->buckets;
	struct node *node, *next, **bucket;

	shard->buckets = calloc((size_t)nr_old * 2, sizeof(*old));
	if (!shard->buckets) {
		shard->buckets = old;
		return;
	}
	shard->nr_buckets = nr_old * 2;
	for (i = 0; i < nr_old; i++) {
		for (node = old[i]; node; node = next) {
			next = node->hash_next;
			bucket = nt_bucket_of(shard, node->hash);
			node->hash_next = *bucket;
			*bucket = node;
		}
	}
	free(old);
}

/* Under the shard lock. */
static int nt_make(struct nodetab *tab, struct nt_shard *shard, uint64_t hash, const void *key,
		   struct node **ret_node)
{
	struct node *node, **bucket;
	int err;

	err = nt_slot_alloc(tab, &node);
	if (err)
		return err;
	memset(node + 1, 0, tab->ops->node_size - sizeof(*node));
	__atomic_store_n(&node->nlookup, 0, __ATOMIC_RELAXED);
	node->hash = hash;
	err = tab->ops->init(tab->fs, node, key);
	if (err) {
		nt_slot_free(tab, node);
		return err;
	}
	if (shard->count >= shard->nr_buckets * 2)
		nt_shard_grow(shard);
	bucket = nt_bucket_of(shard, hash);
	node->hash_next = *bucket;
	*bucket = node;
	shard->count++;
	__atomic_fetch_add(&tab->count, 1, __ATOMIC_RELAXED);
	/* Release pairs with the acquire in nt_pin(): a guessed id sees a complete node or none. */
	__atomic_add_fetch(&node->ref, 1, __ATOMIC_RELEASE);
	*ret_node = node;
	return 0;
}

int nodetab_intern(struct nodetab *tab, uint64_t hash, const void *key, struct node **ret_node)
{
	struct nt_shard *shard = nt_shard_of(tab, hash);
	int err = 0;

	pthread_mutex_lock(&shard->lock);
	*ret_node = nt_lookup(tab, shard, hash, key);
	if (!*ret_node)
		err = nt_make(tab, shard, hash, key, ret_node);
	pthread_mutex_unlock(&shard->lock);
	return err;
}

struct node *nodetab_find(struct nodetab *tab, uint64_t hash, const void *key)
{
	struct nt_shard *shard = nt_shard_of(tab, hash);
	struct node *node;

	pthread_mutex_lock(&shard->lock);
	node = nt_lookup(tab, shard, hash, key);
	pthread_mutex_unlock(&shard->lock);
	return node;
}

int nodetab_set_root(struct nodetab *tab, uint64_t hash, const void *key)
{
	struct node *root;

	if (tab->next_slot != NODETAB_ROOT)
		return -EEXIST;
	/* The first slot of generation 0 has id 1; its pin is never dropped. */
	return nodetab_intern(tab, hash, key, &root);
}

void nodetab_grant(struct nodetab *tab, struct node *node)
{
	/* The guest's pin first: a forget of this very reference may run before we return. */
	__atomic_add_fetch(&node->ref, 1, __ATOMIC_RELAXED);
	if (__atomic_fetch_add(&node->nlookup, 1, __ATOMIC_ACQ_REL))
		nodetab_put(tab, node);
}

/* node is pinned by the caller. */
static void nt_forget(struct nodetab *tab, struct node *node, uint64_t n)
{
	uint64_t have = __atomic_load_n(&node->nlookup, __ATOMIC_RELAXED);
	uint64_t drop;

	do {
		drop = min(have, n);
		if (!drop)
			return;
	} while (!__atomic_compare_exchange_n(&node->nlookup, &have, have - drop, true,
					      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	if (have == drop)
		nodetab_put(tab, node); /* the guest's pin; the caller's keeps the node */
}

void nodetab_forget(struct nodetab *tab, uint64_t nodeid, uint64_t n)
{
	struct node *node;

	if (nodeid == NODETAB_ROOT)
		return;
	node = nodetab_get(tab, nodeid);
	if (!node)
		return;
	nt_forget(tab, node, n);
	nodetab_put(tab, node);
}

void nodetab_forget_all(struct nodetab *tab)
{
	struct node *node;
	uint32_t slot, end;

	pthread_mutex_lock(&tab->free_lock);
	end = tab->next_slot;
	pthread_mutex_unlock(&tab->free_lock);
	for (slot = NODETAB_ROOT + 1; slot < end; slot++) {
		node = nt_slot(tab, slot);
		if (!nt_pin(node, 0, true))
			continue;
		nt_forget(tab, node, UINT64_MAX);
		nodetab_put(tab, node);
	}
}
