/* SPDX-License-Identifier: BSD-3-Clause */
/* Bufs and lists of them, inventories and pools. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/util.h"
#include "core/buf.h"
#include "doca_buf_inventory.h"
#include "doca_buf_pool.h"
#include "doca_mmap.h"
#include "softdpu_ext.h"

#define assert_doca(call, expected) assert_int_equal((call), (expected))
#define assert_ok(call) assert_doca(call, DOCA_SUCCESS)

#define NR_BUFS 8

static _Alignas(4096) char memory[8192];

struct world {
	struct doca_mmap *mmap;
	struct doca_buf_inventory *inv;
};

static int setup(void **state)
{
	static struct world w;

	assert_ok(doca_mmap_create(&w.mmap));
	assert_ok(doca_mmap_set_memrange(w.mmap, memory, sizeof(memory)));
	assert_ok(doca_mmap_start(w.mmap));
	assert_ok(doca_buf_inventory_create(NR_BUFS, &w.inv));
	assert_ok(doca_buf_inventory_start(w.inv));
	*state = &w;
	return 0;
}

/* Every test gives back all it took: otherwise this fails. */
static int teardown(void **state)
{
	struct world *w = *state;

	assert_ok(doca_buf_inventory_destroy(w->inv));
	assert_ok(doca_mmap_destroy(w->mmap));
	return 0;
}

static struct doca_buf *take(struct world *w, size_t off, size_t len)
{
	struct doca_buf *buf;

	assert_ok(doca_buf_inventory_buf_get_by_data(w->inv, w->mmap, memory + off, len, &buf));
	return buf;
}

static void put(struct doca_buf *buf)
{
	assert_ok(doca_buf_dec_refcount(buf, NULL));
}

static uint32_t nr_free(struct world *w)
{
	uint32_t cnt;

	assert_ok(doca_buf_inventory_get_num_free_elements(w->inv, &cnt));
	return cnt;
}

static void test_segments(void **state)
{
	struct doca_buf *buf = take(*state, 16, 100);
	size_t len;
	void *at;

	assert_ok(doca_buf_get_head(buf, &at));
	assert_ptr_equal(at, memory + 16);
	assert_ok(doca_buf_get_len(buf, &len));
	assert_int_equal(len, 100);
	assert_ok(doca_buf_set_data(buf, memory + 20, 30));
	assert_ok(doca_buf_get_data(buf, &at));
	assert_ptr_equal(at, memory + 20);
	assert_ok(doca_buf_set_data_len(buf, 1000)); /* outside: found by the task that uses it */
	assert_ok(doca_buf_reset_data_len(buf));
	assert_ok(doca_buf_get_data_len(buf, &len));
	assert_int_equal(len, 0);
	assert_ok(doca_buf_get_data(buf, &at));
	assert_ptr_equal(at, memory + 20);

	assert_doca(doca_buf_get_head(NULL, &at), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_buf_get_head(buf, NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_buf_get_len(NULL, &len), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_buf_get_data(buf, NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_buf_set_data_len(NULL, 0), DOCA_ERROR_INVALID_VALUE);
	put(buf);
}

static void test_refcount(void **state)
{
	struct doca_buf *buf = take(*state, 0, 1);
	uint16_t before;
	int i;

	assert_ok(doca_buf_inc_refcount(buf, &before));
	assert_int_equal(before, 1);
	assert_ok(doca_buf_get_refcount(buf, &before));
	assert_int_equal(before, 2);
	for (i = 2; i < 65535; i++)
		assert_ok(doca_buf_inc_refcount(buf, NULL));
	assert_doca(doca_buf_inc_refcount(buf, NULL), DOCA_ERROR_TOO_BIG);
	for (i = 65535; i > 1; i--)
		put(buf);
	assert_int_equal(nr_free(*state), NR_BUFS - 1);
	assert_ok(doca_buf_dec_refcount(buf, &before));
	assert_int_equal(before, 1);
	assert_int_equal(nr_free(*state), NR_BUFS);
	assert_doca(doca_buf_dec_refcount(buf, NULL), DOCA_ERROR_BAD_STATE);
	assert_doca(doca_buf_inc_refcount(buf, NULL), DOCA_ERROR_BAD_STATE);
	assert_doca(doca_buf_dec_refcount(NULL, NULL), DOCA_ERROR_INVALID_VALUE);
}

static void check_list(struct doca_buf *head, struct doca_buf **expected, uint32_t cnt)
{
	struct doca_buf *at = head, *last;
	uint32_t i, len;
	uint8_t flag;

	assert_ok(doca_buf_get_list_len(head, &len));
	assert_int_equal(len, cnt);
	for (i = 0; i < cnt; i++) {
		assert_ptr_equal(at, expected[i]);
		assert_ok(doca_buf_is_first_in_list(at, &flag));
		assert_int_equal(flag, i == 0);
		assert_ok(doca_buf_is_last_in_list(at, &flag));
		assert_int_equal(flag, i == cnt - 1);
		assert_ok(doca_buf_is_in_list(at, &flag));
		assert_int_equal(flag, cnt > 1);
		assert_ok(doca_buf_get_last_in_list(at, &last));
		assert_ptr_equal(last, expected[cnt - 1]);
		assert_ok(doca_buf_get_next_in_list(at, &at));
	}
	assert_null(at);
}

static void test_chain(void **state)
{
	struct world *w = *state;
	struct doca_buf *b[5];
	uint32_t len;
	uint16_t count;
	int i;

	for (i = 0; i < 5; i++)
		b[i] = take(w, (size_t)i * 10, 10);
	check_list(b[0], b, 1);
	assert_ok(doca_buf_chain_list(b[0], b[1]));
	check_list(b[0], b, 2);
	assert_ok(doca_buf_chain_list(b[2], b[3]));
	assert_ok(doca_buf_chain_list(b[2], b[4]));
	assert_ok(doca_buf_chain_list_tail(b[0], b[1], b[2]));
	check_list(b[0], b, 5);

	assert_doca(doca_buf_get_list_len(b[1], &len), DOCA_ERROR_NOT_PERMITTED);
	assert_doca(doca_buf_inc_refcount(b[1], NULL), DOCA_ERROR_NOT_PERMITTED);
	assert_doca(doca_buf_dec_refcount(b[1], NULL), DOCA_ERROR_NOT_PERMITTED);
	assert_ok(doca_buf_get_refcount(b[4], &count));
	assert_int_equal(count, 1);
	put(b[0]);
	assert_int_equal(nr_free(w), NR_BUFS);
}

static void test_chain_errors(void **state)
{
	struct doca_buf *a = take(*state, 0, 1), *b = take(*state, 1, 1), *c = take(*state, 2, 1);

	assert_doca(doca_buf_chain_list(a, NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_buf_chain_list(a, a), DOCA_ERROR_INVALID_VALUE);
	assert_ok(doca_buf_inc_refcount(b, NULL));
	assert_doca(doca_buf_chain_list(a, b), DOCA_ERROR_NOT_PERMITTED); /* count 2 */
	assert_ok(doca_buf_chain_list(b, a)); /* list1 may be shared */
	assert_doca(doca_buf_chain_list(c, a), DOCA_ERROR_NOT_PERMITTED); /* inner element */
	assert_doca(doca_buf_chain_list(a, c), DOCA_ERROR_NOT_PERMITTED);
	assert_doca(doca_buf_chain_list_tail(b, b, c), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_buf_chain_list_tail(b, NULL, c), DOCA_ERROR_INVALID_VALUE);
	put(b);
	put(b);
	assert_doca(doca_buf_chain_list(b, c), DOCA_ERROR_NOT_PERMITTED); /* free already */
	put(c);
}

static void test_unchain(void **state)
{
	struct doca_buf *b[4];
	uint16_t count;
	int i;

	for (i = 0; i < 4; i++) {
		b[i] = take(*state, (size_t)i, 1);
		if (i)
			assert_ok(doca_buf_chain_list(b[0], b[i]));
	}
	assert_doca(doca_buf_unchain_list(b[0], NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_buf_unchain_list(b[0], b[0]), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_buf_unchain_list(b[1], b[2]), DOCA_ERROR_NOT_PERMITTED);
	assert_ok(doca_buf_unchain_list(b[0], b[2]));
	check_list(b[0], b, 2);
	check_list(b[2], b + 2, 2);
	assert_ok(doca_buf_get_refcount(b[2], &count));
	assert_int_equal(count, 1);
	assert_doca(doca_buf_unchain_list(b[0], b[3]), DOCA_ERROR_INVALID_VALUE);
	assert_ok(doca_buf_unchain_list(b[2], b[3]));
	check_list(b[3], b + 3, 1);
	put(b[0]);
	put(b[2]);
	put(b[3]);
}

static void test_fixed_list(void **state)
{
	struct iovec seg[3] = { { memory, 10 }, { memory + 100, 20 }, { memory + 200, 30 } };
	struct doca_buf b[3], *p[3] = { &b[0], &b[1], &b[2] };
	struct iovec got[3];

	buf_list_init_fixed(b, seg, 3, false);
	check_list(b, p, 3);
	assert_false(b[2].writable);
	assert_doca(doca_buf_inc_refcount(b, NULL), DOCA_ERROR_NOT_PERMITTED);
	assert_doca(doca_buf_dec_refcount(b, NULL), DOCA_ERROR_NOT_PERMITTED);
	/* Cut and joined again, as programs do for a while. */
	assert_ok(doca_buf_unchain_list(&b[0], &b[1]));
	assert_ok(doca_buf_chain_list(&b[0], &b[1]));
	check_list(b, p, 3);

	assert_ok(doca_buf_set_data_len(&b[1], 5));
	assert_int_equal(softdpu_buf_list_to_iov(b, got, 3), 3);
	assert_ptr_equal(got[1].iov_base, memory + 100);
	assert_int_equal(got[1].iov_len, 5);
	assert_int_equal(softdpu_buf_list_to_iov(&b[2], got, 1), 1);
	assert_ptr_equal(got[0].iov_base, memory + 200);
	assert_int_equal(softdpu_buf_list_to_iov(b, got, 2), -1);
	assert_int_equal(softdpu_buf_list_to_iov(NULL, got, 0), 0);
	assert_int_equal(softdpu_cap_is_host_memory_addressable(), 1);
}

static void test_inventory_errors(void **state)
{
	struct world *w = *state;
	struct doca_buf_inventory *inv;
	union doca_data data = { .u64 = 5 }, got;
	struct doca_buf *buf;

	assert_doca(doca_buf_inventory_create(0, &inv), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_buf_inventory_create(1, NULL), DOCA_ERROR_INVALID_VALUE);
	assert_ok(doca_buf_inventory_create(1, &inv));
	assert_doca(doca_buf_inventory_buf_get_by_addr(inv, w->mmap, memory, 1, &buf),
		    DOCA_ERROR_BAD_STATE);
	assert_doca(doca_buf_inventory_set_user_data(inv, data), DOCA_ERROR_BAD_STATE);
	assert_doca(doca_buf_inventory_stop(inv), DOCA_ERROR_BAD_STATE);
	assert_ok(doca_buf_inventory_start(inv));
	assert_doca(doca_buf_inventory_start(inv), DOCA_ERROR_BAD_STATE);
	assert_ok(doca_buf_inventory_set_user_data(inv, data));
	assert_ok(doca_buf_inventory_get_user_data(inv, &got));
	assert_int_equal(got.u64, 5);

	assert_doca(doca_buf_inventory_buf_get_by_addr(inv, w->mmap, memory + 1, sizeof(memory),
						       &buf),
		    DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_buf_inventory_buf_get_by_args(inv, w->mmap, memory, 10, memory + 5, 6,
						       &buf),
		    DOCA_ERROR_INVALID_VALUE); /* segment leaves the window */
	assert_ok(doca_buf_inventory_buf_get_by_args(inv, w->mmap, memory, 10, memory + 5, 5,
						     &buf));
	assert_doca(doca_buf_inventory_destroy(inv), DOCA_ERROR_IN_USE);
	assert_ok(doca_buf_inventory_stop(inv)); /* what is out stays valid */
	put(buf);
	assert_ok(doca_buf_inventory_destroy(inv));
}

static void test_inventory_exhaustion(void **state)
{
	struct world *w = *state;
	struct doca_buf *b[NR_BUFS + 3], *extra;
	uint32_t cnt;
	int i;

	for (i = 0; i < NR_BUFS; i++)
		b[i] = take(w, 0, 1);
	assert_ok(doca_mmap_get_num_bufs(w->mmap, &cnt));
	assert_int_equal(cnt, NR_BUFS);
	assert_doca(doca_buf_inventory_buf_get_by_addr(w->inv, w->mmap, memory, 1, &extra),
		    DOCA_ERROR_NO_MEMORY);
	assert_doca(doca_buf_inventory_expand(w->inv, 0), DOCA_ERROR_INVALID_VALUE);
	assert_ok(doca_buf_inventory_expand(w->inv, 3));
	assert_ok(doca_buf_inventory_get_num_elements(w->inv, &cnt));
	assert_int_equal(cnt, NR_BUFS + 3);
	for (; i < NR_BUFS + 3; i++)
		b[i] = take(w, 0, 1);
	assert_int_equal(nr_free(w), 0);
	while (i)
		put(b[--i]);
	assert_ok(doca_mmap_get_num_bufs(w->mmap, &cnt));
	assert_int_equal(cnt, 0);
}

static void test_inventory_dup(void **state)
{
	struct world *w = *state;
	struct doca_buf *b[3], *dup, *at;
	uint32_t len;
	void *data;
	int i;

	for (i = 0; i < 3; i++) {
		b[i] = take(w, (size_t)i * 10, 10);
		if (i)
			assert_ok(doca_buf_chain_list(b[0], b[i]));
	}
	assert_doca(doca_buf_inventory_buf_dup(w->inv, b[1], &dup), DOCA_ERROR_NOT_PERMITTED);
	assert_ok(doca_buf_inventory_buf_dup(w->inv, b[0], &dup));
	assert_ok(doca_buf_get_list_len(dup, &len));
	assert_int_equal(len, 3);
	for (i = 0, at = dup; i < 3; i++, at = at->next) {
		assert_ok(doca_buf_get_data(at, &data));
		assert_ptr_equal(data, memory + i * 10);
	}
	assert_doca(doca_buf_inventory_buf_dup(w->inv, b[0], &at), DOCA_ERROR_NO_MEMORY);
	assert_int_equal(nr_free(w), NR_BUFS - 6); /* and nothing was taken */
	put(dup);
	put(b[0]);
}

static void test_pool(void **state)
{
	struct world *w = *state;
	struct doca_buf *b[3], *extra;
	struct doca_buf_pool *pool;
	uint32_t cnt;
	size_t len;
	void *head;
	int i;

	assert_ok(doca_buf_pool_create(3, 100, w->mmap, &pool));
	assert_doca(doca_buf_pool_set_element_alignment(pool, 3), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_buf_pool_set_element_alignment(pool, 0), DOCA_ERROR_INVALID_VALUE);
	assert_ok(doca_buf_pool_set_element_alignment(pool, 64));
	assert_ok(doca_buf_pool_get_element_alignment(pool, &len));
	assert_int_equal(len, 64);
	assert_doca(doca_buf_pool_buf_alloc(pool, &b[0]), DOCA_ERROR_BAD_STATE);
	assert_doca(doca_buf_pool_stop(pool), DOCA_ERROR_BAD_STATE);
	assert_ok(doca_buf_pool_start(pool));
	assert_doca(doca_buf_pool_start(pool), DOCA_ERROR_BAD_STATE);
	assert_doca(doca_buf_pool_set_element_alignment(pool, 1), DOCA_ERROR_BAD_STATE);

	for (i = 0; i < 3; i++) {
		assert_ok(doca_buf_pool_buf_alloc(pool, &b[i]));
		assert_ok(doca_buf_get_head(b[i], &head));
		assert_ptr_equal(head, memory + i * 128);
		assert_ok(doca_buf_get_len(b[i], &len));
		assert_int_equal(len, 100);
		assert_ok(doca_buf_get_data_len(b[i], &len));
		assert_int_equal(len, 0);
	}
	assert_doca(doca_buf_pool_buf_alloc(pool, &extra), DOCA_ERROR_EMPTY);
	assert_doca(doca_buf_pool_stop(pool), DOCA_ERROR_IN_USE);
	assert_doca(doca_buf_pool_destroy(pool), DOCA_ERROR_IN_USE);
	assert_doca(doca_mmap_stop(w->mmap), DOCA_ERROR_NOT_PERMITTED);

	assert_ok(doca_buf_set_data(b[1], memory + 130, 60));
	put(b[1]);
	assert_ok(doca_buf_pool_get_num_free_elements(pool, &cnt));
	assert_int_equal(cnt, 1);
	assert_ok(doca_buf_pool_buf_alloc(pool, &b[1])); /* as new */
	assert_ok(doca_buf_get_data(b[1], &head));
	assert_ptr_equal(head, memory + 128);
	assert_ok(doca_buf_get_data_len(b[1], &len));
	assert_int_equal(len, 0);
	for (i = 0; i < 3; i++)
		put(b[i]);
	assert_ok(doca_buf_pool_stop(pool));
	assert_ok(doca_buf_pool_destroy(pool));
}

static void test_pool_layout(void **state)
{
	struct world *w = *state;
	struct doca_buf_pool *pool;
	struct doca_mmap *odd;

	assert_doca(doca_buf_pool_create(0, 1, w->mmap, &pool), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_buf_pool_create(1, 0, w->mmap, &pool), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_buf_pool_create(1, 1, NULL, &pool), DOCA_ERROR_INVALID_VALUE);
	assert_ok(doca_buf_pool_create(2, 4096, w->mmap, &pool)); /* fits exactly */
	assert_ok(doca_buf_pool_set_element_alignment(pool, 4096));
	assert_ok(doca_buf_pool_start(pool));
	assert_ok(doca_buf_pool_destroy(pool));
	assert_ok(doca_buf_pool_create(2, 4097, w->mmap, &pool));
	assert_doca(doca_buf_pool_start(pool), DOCA_ERROR_INITIALIZATION);
	assert_ok(doca_buf_pool_destroy(pool));
	assert_ok(doca_buf_pool_create(2, SIZE_MAX, w->mmap, &pool));
	assert_doca(doca_buf_pool_start(pool), DOCA_ERROR_INITIALIZATION);
	assert_ok(doca_buf_pool_destroy(pool));

	assert_ok(doca_mmap_create(&odd));
	assert_ok(doca_mmap_set_memrange(odd, memory + 1, sizeof(memory) - 1));
	assert_ok(doca_buf_pool_create(2, 4096, odd, &pool));
	assert_doca(doca_buf_pool_start(pool), DOCA_ERROR_BAD_STATE); /* mmap is stopped */
	assert_ok(doca_mmap_start(odd));
	assert_doca(doca_buf_pool_start(pool), DOCA_ERROR_INITIALIZATION);
	assert_ok(doca_buf_pool_destroy(pool));
	assert_ok(doca_mmap_destroy(odd));
}

static void test_mixed_list_goes_back_to_its_owners(void **state)
{
	struct world *w = *state;
	struct doca_buf_pool *pool;
	struct doca_buf *a, *b = take(w, 0, 1);
	uint32_t cnt;

	assert_ok(doca_buf_pool_create(1, 16, w->mmap, &pool));
	assert_ok(doca_buf_pool_start(pool));
	assert_ok(doca_buf_pool_buf_alloc(pool, &a));
	assert_ok(doca_buf_chain_list(b, a));
	put(b);
	assert_ok(doca_buf_pool_get_num_free_elements(pool, &cnt));
	assert_int_equal(cnt, 1);
	assert_int_equal(nr_free(w), NR_BUFS);
	assert_ok(doca_buf_pool_destroy(pool));
}

int main(void)
{
#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_WORLD(test_segments),
		WITH_WORLD(test_refcount),
		WITH_WORLD(test_chain),
		WITH_WORLD(test_chain_errors),
		WITH_WORLD(test_unchain),
		cmocka_unit_test(test_fixed_list),
		WITH_WORLD(test_inventory_errors),
		WITH_WORLD(test_inventory_exhaustion),
		WITH_WORLD(test_inventory_dup),
		WITH_WORLD(test_pool),
		WITH_WORLD(test_pool_layout),
		WITH_WORLD(test_mixed_list_goes_back_to_its_owners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
