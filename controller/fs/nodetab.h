/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Node ids: what the guest calls an inode. A node id is a slot number and a generation, never a pointer;
 * id 1 is the root. One discipline for every back end:
 *
 *   nlookup   references the guest holds (LOOKUP, CREATE, READDIRPLUS ... +1, FORGET -n, clamped)
 *   pins      references of operations under way
 *
 * A node dies when both are zero: ops->fini() runs, the slot gets a new generation, and its id is stale
 * from then on. A slot keeps its address while the table lives, and unused memory given back to the
 * system reads as dead slots, so a stale or forged id can be judged without a lock.
 *
 * Threads: get/put/forget are lock-free; intern() takes the lock of one hash shard. The root is never
 * forgotten.
 */
#ifndef FS_NODETAB_H
#define FS_NODETAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NODETAB_ROOT 1ull

/* Head of a back end's node, first member. Owned by nodetab. */
struct node {
	uint64_t ref; /* atomic: generation, pins */
	uint64_t nlookup; /* atomic */
	uint64_t hash;
	struct node *hash_next;
	uint32_t slot;
};

struct nodetab_ops {
	size_t node_size; /* including struct node; keep it under 200 */
	/* Does this node have that key? Under the shard lock. */
	bool (*equal)(const struct node *node, const void *key);
	/* Fills a fresh (zeroed) node from key. 0 or -errno. Under the shard lock. */
	int (*init)(void *fs, struct node *node, const void *key);
	/* Node is dead; release what it holds. Without locks, on the thread that dropped it. */
	void (*fini)(void *fs, struct node *node);
};

struct nodetab;

/* max_nodes: a limit (ENFILE beyond it); 0 = 16 Mi. */
int nodetab_create(const struct nodetab_ops *ops, void *fs, uint32_t max_nodes,
		   struct nodetab **ret_tab);
void nodetab_destroy(struct nodetab *tab); /* runs fini on all that is left */

/* Installs the root; once. */
int nodetab_set_root(struct nodetab *tab, uint64_t hash, const void *key);

/* Pins the node of an id. NULL: unknown or stale (answer -ESTALE). */
struct node *nodetab_get(struct nodetab *tab, uint64_t nodeid);
void nodetab_put(struct nodetab *tab, struct node *node);

/*
 * The node with this key, made if need be; pinned. Give the guest its reference with
 * nodetab_grant() when the reply is certain to go out. -ENFILE, -ENOMEM or what init() said.
 */
int nodetab_intern(struct nodetab *tab, uint64_t hash, const void *key, struct node **ret_node);
/* As above, never makes one: NULL. Pinned. */
struct node *nodetab_find(struct nodetab *tab, uint64_t hash, const void *key);
void nodetab_grant(struct nodetab *tab, struct node *node); /* nlookup + 1 */
void nodetab_forget(struct nodetab *tab, uint64_t nodeid, uint64_t n); /* clamped */
/* All guest references go (reset, INIT, DESTROY). */
void nodetab_forget_all(struct nodetab *tab);
uint64_t nodetab_id(const struct node *node);
uint64_t nodetab_count(const struct nodetab *tab);

#endif
