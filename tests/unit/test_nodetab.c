/* SPDX-License-Identifier: BSD-3-Clause */
/* Node ids: references, clamping, stale and forged ids, limits; then four threads at once. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/util.h"
#include "fs/nodetab.h"

struct num {
	struct node node;
	uint64_t key;
	uint64_t filled;
};

struct owner {
	uint64_t inits, finis; /* atomic */
	int fail;
};

static bool num_equal(const struct node *node, const void *key)
{
	return container_of(node, struct num, node)->key == *(const uint64_t *)key;
}

static int num_init(void *fs, struct node *node, const void *key)
{
	struct num *num = container_of(node, struct num, node);
	struct owner *o = fs;

	assert_int_equal(num->filled, 0); /* fresh slots are zeroed */
	if (o->fail)
		return o->fail;
	num->key = *(const uint64_t *)key;
	num->filled = ~num->key;
	__atomic_add_fetch(&o->inits, 1, __ATOMIC_RELAXED);
	return 0;
}

static void num_fini(void *fs, struct node *node)
{
	struct owner *o = fs;

	container_of(node, struct num, node)->filled = 1;
	__atomic_add_fetch(&o->finis, 1, __ATOMIC_RELAXED);
}

static const struct nodetab_ops num_ops = {
	.node_size = sizeof(struct num),
	.equal = num_equal,
	.init = num_init,
	.fini = num_fini,
};

static uint64_t hash_of(uint64_t key)
{
	return key * 0x9e3779b97f4a7c15ull >> 8;
}

static struct nodetab *make(struct owner *o, uint32_t max_nodes)
{
	struct nodetab *tab;
	uint64_t root = 0;

	memset(o, 0, sizeof(*o));
	assert_int_equal(nodetab_create(&num_ops, o, max_nodes, &tab), 0);
	assert_int_equal(nodetab_set_root(tab, hash_of(root), &root), 0);
	assert_int_equal(nodetab_set_root(tab, hash_of(root), &root), -EEXIST);
	return tab;
}

/* A node the guest knows once. */
static uint64_t lookup(struct nodetab *tab, uint64_t key)
{
	struct node *node;
	uint64_t id;

	assert_int_equal(nodetab_intern(tab, hash_of(key), &key, &node), 0);
	nodetab_grant(tab, node);
	id = nodetab_id(node);
	nodetab_put(tab, node);
	return id;
}

static bool known(struct nodetab *tab, uint64_t id)
{
	struct node *node = nodetab_get(tab, id);

	if (node)
		nodetab_put(tab, node);
	return node != NULL;
}

static void test_life(void **state)
{
	struct owner o;
	struct nodetab *tab = make(&o, 0);
	uint64_t id, again;

	assert_true(known(tab, NODETAB_ROOT));
	id = lookup(tab, 7);
	assert_int_equal(lookup(tab, 7), id);
	assert_int_equal(nodetab_count(tab), 2);
	nodetab_forget(tab, id, 1);
	assert_true(known(tab, id));
	nodetab_forget(tab, id, UINT64_MAX); /* clamped */
	assert_false(known(tab, id));
	assert_int_equal(o.finis, 1);
	nodetab_forget(tab, id, 1); /* stale: nothing happens */
	again = lookup(tab, 8); /* takes the slot */
	assert_int_equal((uint32_t)again, (uint32_t)id);
	assert_int_not_equal(again, id);
	assert_false(known(tab, id));
	nodetab_forget(tab, NODETAB_ROOT, UINT64_MAX);
	assert_true(known(tab, NODETAB_ROOT));
	nodetab_destroy(tab);
	assert_int_equal(o.inits, o.finis);
}

static void test_pins(void **state)
{
	struct owner o;
	struct nodetab *tab = make(&o, 0);
	uint64_t key = 7, id = lookup(tab, key);
	struct node *node = nodetab_get(tab, id);

	/* An operation under way keeps the node over a forget. */
	nodetab_forget(tab, id, 1);
	assert_int_equal(o.finis, 0);
	assert_true(known(tab, id));
	assert_ptr_equal(nodetab_find(tab, hash_of(key), &key), node);
	nodetab_put(tab, node);
	nodetab_put(tab, node);
	assert_int_equal(o.finis, 1);
	assert_null(nodetab_find(tab, hash_of(key), &key));
	/* Interned, never granted: gone with the pin. */
	assert_int_equal(nodetab_intern(tab, hash_of(key), &key, &node), 0);
	nodetab_put(tab, node);
	assert_int_equal(o.finis, 2);
	nodetab_destroy(tab);
}

static void test_forged(void **state)
{
	static const uint64_t bad[] = { 0, 2, 1000, UINT32_MAX, UINT64_MAX, 1ull << 32 | 1,
					1ull << 63 };
	struct owner o;
	struct nodetab *tab = make(&o, 0);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_false(known(tab, bad[i]));
		nodetab_forget(tab, bad[i], 1);
	}
	nodetab_destroy(tab);
}

static void test_limits(void **state)
{
	struct owner o;
	struct nodetab *tab = make(&o, 3);
	uint64_t id = lookup(tab, 1), key = 3;
	struct node *node;

	lookup(tab, 2);
	assert_int_equal(nodetab_intern(tab, hash_of(key), &key, &node), -ENFILE);
	nodetab_forget(tab, id, 1);
	o.fail = -EMFILE;
	assert_int_equal(nodetab_intern(tab, hash_of(key), &key, &node), -EMFILE);
	o.fail = 0;
	lookup(tab, key);
	assert_int_equal(nodetab_count(tab), 3);
	nodetab_destroy(tab);
	assert_int_equal(o.inits, o.finis);
}

#define MANY 50000

static void test_many(void **state)
{
	static uint64_t ids[MANY];
	struct owner o;
	struct nodetab *tab = make(&o, 0);

	for (uint64_t i = 0; i < MANY; i++)
		ids[i] = lookup(tab, i + 1);
	for (uint64_t i = 0; i < MANY; i++)
		assert_int_equal(lookup(tab, i + 1), ids[i]);
	assert_int_equal(nodetab_count(tab), MANY + 1);
	nodetab_forget_all(tab);
	assert_int_equal(nodetab_count(tab), 1);
	for (uint64_t i = 0; i < MANY; i++)
		assert_false(known(tab, ids[i]));
	assert_true(known(tab, NODETAB_ROOT));
	nodetab_destroy(tab);
}

#define THREADS 4
#define ROUNDS 20000
#define KEYS 8 /* few, so that threads meet */

struct racer {
	struct nodetab *tab;
	unsigned int seed;
	uint64_t wrong;
};

/* Learns a key, uses somebody's id, forgets; the node must be whole whenever it is pinned. */
static void race_step(struct racer *r, uint64_t *ids)
{
	uint64_t key = 1 + (uint64_t)rand_r(&r->seed) % KEYS;
	struct node *node;
	struct num *num;

	if (nodetab_intern(r->tab, hash_of(key), &key, &node))
		abort();
	num = container_of(node, struct num, node);
	if (num->key != key || num->filled != ~key)
		r->wrong++;
	nodetab_grant(r->tab, node);
	ids[key] = nodetab_id(node);
	nodetab_put(r->tab, node);

	key = 1 + (uint64_t)rand_r(&r->seed) % KEYS;
	node = nodetab_get(r->tab, ids[key]);
	if (node) {
		num = container_of(node, struct num, node);
		if (num->key != key || num->filled != ~key)
			r->wrong++;
		nodetab_put(r->tab, node);
	}
	nodetab_forget(r->tab, ids[key], 1 + (uint64_t)rand_r(&r->seed) % 2);
}

static void *race(void *arg)
{
	uint64_t ids[KEYS + 1] = { 0 };
	struct racer *r = arg;

	for (int i = 0; i < ROUNDS; i++) {
		race_step(r, ids);
		if (i % 5000 == 4999)
			nodetab_forget_all(r->tab);
	}
	return NULL;
}

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1 /* which has memory of its own for each byte */
#else
#define SANITIZED 0
#endif

static long resident_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long size, pages = 0;

	assert_int_equal(fscanf(f, "%ld %ld", &size, &pages), 2);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* What is forgotten costs nothing, and its ids stay stale when the places are used again. */
static void test_memory_comes_back(void **state)
{
	enum { NODES = 300000 };
	static uint64_t ids[NODES];
	struct owner o;
	struct nodetab *tab = make(&o, 0);
	long before, full, after;

	memset(ids, 1, sizeof(ids));
	before = resident_kib();
	for (int i = 0; i < NODES; i++)
		ids[i] = lookup(tab, (uint64_t)i + 1);
	full = resident_kib();
	if (!SANITIZED)
		assert_true((full - before) * 1024 / NODES < (long)sizeof(struct num) + 32);
	for (int i = 0; i < NODES; i++)
		if (i != 5)
			nodetab_forget(tab, ids[i], 1);
	after = resident_kib();
	if (!SANITIZED)
		assert_true(after - before < (full - before) / 3); /* the hash table's own stays */
	assert_int_equal(nodetab_count(tab), 2);
	for (int i = 0; i < NODES; i++)
		assert_int_not_equal(lookup(tab, (uint64_t)i + NODES + 1), ids[i]);
	for (int i = 0; i < NODES; i++) {
		struct node *node = nodetab_get(tab, ids[i]);

		if ((node != NULL) != (i == 5))
			fail_msg("id %d", i);
		if (node)
			nodetab_put(tab, node);
	}
	nodetab_destroy(tab);
	assert_int_equal(o.inits, o.finis);
}

static void test_threads(void **state)
{
	struct racer racers[THREADS];
	pthread_t threads[THREADS];
	struct owner o;
	struct nodetab *tab = make(&o, 0);

	for (unsigned int i = 0; i < THREADS; i++) {
		racers[i] = (struct racer){ .tab = tab, .seed = i };
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(racers[i].wrong, 0);
	}
	nodetab_forget_all(tab);
	assert_int_equal(nodetab_count(tab), 1);
	assert_int_equal(o.inits, o.finis + 1);
	nodetab_destroy(tab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),   cmocka_unit_test(test_pins),
		cmocka_unit_test(test_forged), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_many),   cmocka_unit_test(test_memory_comes_back),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
