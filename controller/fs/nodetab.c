/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * A node id is generation << 32 | slot. Slots live in chunks whose addresses stay while the table
 * lives, so the word node->ref of any slot may be read at any time:
 *
 *   node->ref = generation << 32 | pins
 *
 * The memory of a chunk without a living node goes back to the system (one such chunk is kept): it
 * reads as zeros from then on, which is a dead slot. The chunk remembers the highest generation it
 * had, and its slots start from there.
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
#include <sys/mman.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/util.h"

#define NT_SHARDS 64
#define NT_CHUNK_SHIFT 10
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

struct nt_chunk {
	TAILQ_ENTRY(nt_chunk) link; /* nodetab.roomy, unless full */
	char *mem; /* atomic, set once */
	/* under free_lock */
	struct node *free; /* through hash_next */
	uint32_t used;
	uint32_t fresh; /* slots from here on are zeros */
	uint32_t gen; /* what those start with */
};

struct nodetab {
	const struct nodetab_ops *ops;
	void *fs;
	uint32_t max_nodes;
	uint32_t max_chunks;
	size_t chunk_bytes;
	struct nt_chunk *chunks;
	uint64_t count; /* atomic */
	struct nt_shard shards[NT_SHARDS];
	pthread_mutex_t free_lock;
	/* under free_lock */
	TAILQ_HEAD(, nt_chunk) roomy; /* those without memory last */
	struct nt_chunk *spare; /* the last one that became empty, and kept its memory */
	uint32_t nr_chunks; /* that have an address */
	uint32_t nr_slots; /* handed out */
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
	uint32_t chunk = slot >> NT_CHUNK_SHIFT;
	char *mem;

	if (!slot || chunk >= tab->max_chunks)
		return NULL;
	/* Pairs with the release in nt_chunk_add(). */
	mem = __atomic_load_n(&tab->chunks[chunk].mem, __ATOMIC_ACQUIRE);
	if (!mem)
		return NULL;
	return (struct node *)(mem + (size_t)(slot & (NT_CHUNK - 1)) * tab->ops->node_size);
}

/* Under free_lock. */
static struct nt_chunk *nt_chunk_add(struct nodetab *tab)
{
	struct nt_chunk *c = &tab->chunks[tab->nr_chunks];
	char *mem;

	if (tab->nr_chunks == tab->max_chunks)
		return NULL;
	mem = mmap(NULL, tab->chunk_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
	if (mem == MAP_FAILED)
		return NULL;
	c->fresh = !tab->nr_chunks; /* there is no slot 0 */
	/* But for the first, whose memory stays: what reads as zeros is no generation in use. */
	c->gen = tab->nr_chunks > 0;
	tab->nr_chunks++;
	TAILQ_INSERT_HEAD(&tab->roomy, c, link);
	/* Pairs with the acquire in nt_slot(). */
	__atomic_store_n(&c->mem, mem, __ATOMIC_RELEASE);
	return c;
}

static uint32_t nt_chunk_size(const struct nodetab *tab, const struct nt_chunk *c)
{
	return c == tab->chunks ? NT_CHUNK - 1 : NT_CHUNK;
}

/* Under free_lock. */
static struct node *nt_slot_take(struct nodetab *tab, struct nt_chunk *c)
{
	struct node *node = c->free;
	uint32_t slot;

	if (node) {
		c->free = node->hash_next;
	} else {
		slot = (uint32_t)(c - tab->chunks) * NT_CHUNK + c->fresh++;
		node = nt_slot(tab, slot);
		node->slot = slot;
		__atomic_store_n(&node->ref, (uint64_t)c->gen << 32, __ATOMIC_RELAXED);
	}
	c->used++;
	if (c->used == nt_chunk_size(tab, c))
		TAILQ_REMOVE(&tab->roomy, c, link);
	tab->nr_slots++;
	return node;
}

static int nt_slot_alloc(struct nodetab *tab, struct node **ret_node)
{
	struct nt_chunk *c;
	int err = 0;

	pthread_mutex_lock(&tab->free_lock);
	c = TAILQ_FIRST(&tab->roomy);
	if (tab->nr_slots >= tab->max_nodes)
		err = -ENFILE;
	else if (!c && !(c = nt_chunk_add(tab)))
		err = -ENOMEM;
	else
		*ret_node = nt_slot_take(tab, c);
	pthread_mutex_unlock(&tab->free_lock);
	return err;
}

/* Nobody uses a slot of it: its memory goes, unless there is no other like it. Under free_lock. */
static void nt_chunk_empty(struct nodetab *tab, struct nt_chunk *c)
{
	if (!tab->spare || tab->spare->used || tab->spare == c) {
		tab->spare = c;
		return;
	}
	if (madvise(c->mem, tab->chunk_bytes, MADV_DONTNEED))
		return;
	c->free = NULL;
	c->fresh = 0;
	TAILQ_REMOVE(&tab->roomy, c, link);
	TAILQ_INSERT_TAIL(&tab->roomy, c, link);
}

static void nt_slot_free(struct nodetab *tab, struct node *node)
{
	struct nt_chunk *c = &tab->chunks[node->slot >> NT_CHUNK_SHIFT];

	pthread_mutex_lock(&tab->free_lock);
	node->hash_next = c->free;
	c->free = node;
	c->gen = max(c->gen, NT_GEN(__atomic_load_n(&node->ref, __ATOMIC_RELAXED)));
	if (c->used == nt_chunk_size(tab, c))
		TAILQ_INSERT_HEAD(&tab->roomy, c, link);
	c->used--;
	tab->nr_slots--;
	/* The first one has the root. */
	if (!c->used && c != tab->chunks)
		nt_chunk_empty(tab, c);
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
	tab->max_nodes = max_nodes;
	tab->max_chunks = (max_nodes >> NT_CHUNK_SHIFT) + 1;
	tab->chunk_bytes = ALIGN_UP(NT_CHUNK * ops->node_size, (size_t)sysconf(_SC_PAGESIZE));
	TAILQ_INIT(&tab->roomy);
	pthread_mutex_init(&tab->free_lock, NULL);
	for (i = 0; i < NT_SHARDS; i++)
		pthread_mutex_init(&tab->shards[i].lock, NULL);
	tab->chunks = calloc(tab->max_chunks, sizeof(*tab->chunks));
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
	for (slot = 1; slot < tab->nr_chunks << NT_CHUNK_SHIFT; slot++) {
		node = nt_slot(tab, slot);
		if (NT_PINS(__atomic_load_n(&node->ref, __ATOMIC_ACQUIRE)))
			tab->ops->fini(tab->fs, node);
	}
	for (i = 0; i < tab->nr_chunks; i++)
		munmap(tab->chunks[i].mem, tab->chunk_bytes);
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

	if (tab->nr_slots)
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

/* Slots of the chunk, up to before the result; none where none is in use: that has no memory. */
static uint32_t nt_chunk_range(struct nodetab *tab, uint32_t chunk, uint32_t *ret_from)
{
	bool used;

	pthread_mutex_lock(&tab->free_lock);
	used = tab->chunks[chunk].used;
	pthread_mutex_unlock(&tab->free_lock);
	*ret_from = max(chunk << NT_CHUNK_SHIFT, (uint32_t)NODETAB_ROOT + 1);
	return used ? (chunk + 1) << NT_CHUNK_SHIFT : 0;
}

void nodetab_forget_all(struct nodetab *tab)
{
	struct node *node;
	uint32_t chunk, slot, end, nr;

	pthread_mutex_lock(&tab->free_lock);
	nr = tab->nr_chunks;
	pthread_mutex_unlock(&tab->free_lock);
	for (chunk = 0; chunk < nr; chunk++) {
		end = nt_chunk_range(tab, chunk, &slot);
		for (; slot < end; slot++) {
			node = nt_slot(tab, slot);
			if (!nt_pin(node, 0, true))
				continue;
			nt_forget(tab, node, UINT64_MAX);
			nodetab_put(tab, node);
		}
	}
}
