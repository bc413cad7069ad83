/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory ranges: configuration rules, start and stop, counting of bufs, the free callback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <pthread.h>

#include "core/mmap.h"
#include "doca_dev.h"

#define assert_doca(call, expected) assert_int_equal((call), (expected))
#define assert_ok(call) assert_doca(call, DOCA_SUCCESS)

static char memory[4096];

static struct doca_mmap *new_mmap(bool started)
{
	struct doca_mmap *mmap;

	assert_ok(doca_mmap_create(&mmap));
	if (started) {
		assert_ok(doca_mmap_set_memrange(mmap, memory, sizeof(memory)));
		assert_ok(doca_mmap_start(mmap));
	}
	return mmap;
}

static void test_bad_arguments(void **state)
{
	struct doca_mmap *mmap = new_mmap(false);
	size_t len;
	void *addr;

	assert_doca(doca_mmap_create(NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_mmap_destroy(NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_mmap_start(NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_mmap_stop(NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_mmap_add_dev(mmap, NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_mmap_rm_dev(mmap, NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_mmap_set_memrange(mmap, NULL, 1), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_mmap_set_memrange(mmap, memory, 0), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_mmap_set_memrange(mmap, memory, SIZE_MAX), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_mmap_get_memrange(mmap, NULL, &len), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_mmap_get_memrange(mmap, &addr, &len), DOCA_ERROR_BAD_STATE);
	assert_doca(doca_mmap_get_num_bufs(mmap, NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_mmap_set_permissions(mmap, 1u << 7), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_mmap_set_permissions(mmap, DOCA_ACCESS_FLAG_PCI_READ_ONLY |
						    DOCA_ACCESS_FLAG_PCI_READ_WRITE),
		    DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_mmap_set_max_num_devices(mmap, 0), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_mmap_start(mmap), DOCA_ERROR_INVALID_VALUE); /* no range */
	assert_doca(doca_mmap_stop(mmap), DOCA_ERROR_BAD_STATE);
	assert_ok(doca_mmap_destroy(mmap));
}

static void test_range_is_set_once(void **state)
{
	struct doca_mmap *mmap = new_mmap(true);
	size_t len;
	void *addr;

	assert_ok(doca_mmap_get_memrange(mmap, &addr, &len));
	assert_ptr_equal(addr, memory);
	assert_int_equal(len, sizeof(memory));
	assert_doca(doca_mmap_set_memrange(mmap, memory, 1), DOCA_ERROR_NOT_PERMITTED);
	assert_ok(doca_mmap_stop(mmap));
	assert_doca(doca_mmap_set_memrange(mmap, memory, 1), DOCA_ERROR_NOT_PERMITTED);
	assert_ok(doca_mmap_destroy(mmap));
}

static void test_configuration_needs_stopped(void **state)
{
	struct doca_mmap *mmap = new_mmap(true);
	struct doca_dev *dev = (struct doca_dev *)memory; /* compared, never used */
	union doca_data data = { .u64 = 9 }, got;
	uint32_t max;

	assert_doca(doca_mmap_start(mmap), DOCA_ERROR_BAD_STATE);
	assert_doca(doca_mmap_add_dev(mmap, dev), DOCA_ERROR_NOT_PERMITTED);
	assert_doca(doca_mmap_rm_dev(mmap, dev), DOCA_ERROR_NOT_PERMITTED);
	assert_doca(doca_mmap_set_free_cb(mmap, NULL, NULL), DOCA_ERROR_BAD_STATE);
	assert_doca(doca_mmap_set_permissions(mmap, 0), DOCA_ERROR_BAD_STATE);
	assert_doca(doca_mmap_set_user_data(mmap, data), DOCA_ERROR_BAD_STATE);
	assert_doca(doca_mmap_enable_thread_safety(mmap), DOCA_ERROR_NOT_PERMITTED);
	assert_doca(doca_mmap_set_max_num_devices(mmap, 2), DOCA_ERROR_NOT_PERMITTED);
	assert_ok(doca_mmap_stop(mmap));
	assert_doca(doca_mmap_set_max_num_devices(mmap, 2), DOCA_ERROR_NOT_PERMITTED);
	assert_ok(doca_mmap_get_max_num_devices(mmap, &max));
	assert_int_equal(max, 64);
	assert_ok(doca_mmap_set_user_data(mmap, data));
	assert_ok(doca_mmap_get_user_data(mmap, &got));
	assert_int_equal(got.u64, 9);
	assert_ok(doca_mmap_destroy(mmap));
}

static void test_devices(void **state)
{
	struct doca_mmap *mmap = new_mmap(false);
	struct doca_dev *a = (struct doca_dev *)memory, *b = (struct doca_dev *)(memory + 1),
			*c = (struct doca_dev *)(memory + 2);

	assert_ok(doca_mmap_set_max_num_devices(mmap, 2));
	assert_doca(doca_mmap_rm_dev(mmap, a), DOCA_ERROR_NOT_FOUND);
	assert_ok(doca_mmap_add_dev(mmap, a));
	assert_doca(doca_mmap_add_dev(mmap, a), DOCA_ERROR_ALREADY_EXIST);
	assert_ok(doca_mmap_add_dev(mmap, b));
	assert_doca(doca_mmap_add_dev(mmap, c), DOCA_ERROR_NO_MEMORY);
	assert_doca(doca_mmap_set_max_num_devices(mmap, 1), DOCA_ERROR_INVALID_VALUE);
	assert_ok(doca_mmap_rm_dev(mmap, a));
	assert_ok(doca_mmap_add_dev(mmap, c));
	assert_ok(doca_mmap_rm_dev(mmap, b));
	assert_ok(doca_mmap_destroy(mmap));
}

static void test_permissions(void **state)
{
	struct doca_mmap *mmap = new_mmap(false);

	assert_true(mmap_is_writable(mmap)); /* programs copy into mmaps without setting any */
	assert_ok(doca_mmap_set_permissions(mmap, DOCA_ACCESS_FLAG_LOCAL_READ_ONLY));
	assert_false(mmap_is_writable(mmap));
	assert_ok(doca_mmap_set_permissions(mmap, DOCA_ACCESS_FLAG_LOCAL_READ_WRITE |
						  DOCA_ACCESS_FLAG_RDMA_READ |
						  DOCA_ACCESS_FLAG_RDMA_WRITE |
						  DOCA_ACCESS_FLAG_PCI_RELAXED_ORDERING));
	assert_true(mmap_is_writable(mmap));
	assert_ok(doca_mmap_destroy(mmap));
}

static void test_bufs_hold_it(void **state)
{
	struct doca_mmap *mmap = new_mmap(true);
	uint32_t cnt;

	mmap_buf_added(mmap, 3);
	assert_ok(doca_mmap_get_num_bufs(mmap, &cnt));
	assert_int_equal(cnt, 3);
	assert_doca(doca_mmap_stop(mmap), DOCA_ERROR_NOT_PERMITTED);
	assert_doca(doca_mmap_destroy(mmap), DOCA_ERROR_NOT_PERMITTED);
	mmap_buf_removed(mmap, 3);
	assert_ok(doca_mmap_stop(mmap));
	assert_ok(doca_mmap_destroy(mmap));
}

static void test_thread_safety_drops_the_count(void **state)
{
	struct doca_mmap *mmap = new_mmap(false);
	uint32_t cnt;

	assert_ok(doca_mmap_enable_thread_safety(mmap));
	assert_ok(doca_mmap_set_memrange(mmap, memory, sizeof(memory)));
	assert_ok(doca_mmap_start(mmap));
	mmap_buf_added(mmap, 1);
	assert_ok(doca_mmap_get_num_bufs(mmap, &cnt));
	assert_int_equal(cnt, 0);
	assert_ok(doca_mmap_stop(mmap));
	assert_ok(doca_mmap_destroy(mmap));
}

static void test_contains(void **state)
{
	struct doca_mmap *mmap = new_mmap(true);

	assert_true(mmap_contains(mmap, memory, sizeof(memory)));
	assert_true(mmap_contains(mmap, memory + 4095, 1));
	assert_true(mmap_contains(mmap, memory + 4096, 0));
	assert_false(mmap_contains(mmap, memory + 4095, 2));
	assert_false(mmap_contains(mmap, memory + 1, SIZE_MAX));
	assert_false(mmap_contains(mmap, (void *)((uintptr_t)memory - 1), 2));
	assert_ok(doca_mmap_destroy(mmap));
}

static int nr_freed;

static void on_free(void *addr, size_t len, void *cookie)
{
	assert_ptr_equal(addr, memory);
	assert_int_equal(len, sizeof(memory));
	assert_ptr_equal(cookie, &nr_freed);
	nr_freed++;
}

static void test_free_callback(void **state)
{
	struct doca_mmap *mmap = new_mmap(false);

	nr_freed = 0;
	assert_ok(doca_mmap_set_memrange(mmap, memory, sizeof(memory)));
	assert_ok(doca_mmap_set_free_cb(mmap, on_free, &nr_freed));
	assert_ok(doca_mmap_destroy(mmap));
	assert_int_equal(nr_freed, 0); /* never started */

	mmap = new_mmap(false);
	assert_ok(doca_mmap_set_memrange(mmap, memory, sizeof(memory)));
	assert_ok(doca_mmap_set_free_cb(mmap, on_free, &nr_freed));
	assert_ok(doca_mmap_start(mmap));
	assert_ok(doca_mmap_stop(mmap));
	assert_int_equal(nr_freed, 0);
	assert_ok(doca_mmap_destroy(mmap));
	assert_int_equal(nr_freed, 1);
}

static void test_sharing_is_not_offered(void **state)
{
	struct doca_mmap *mmap = new_mmap(true), *other;
	struct doca_devinfo *info = (struct doca_devinfo *)memory;
	struct doca_dev *dev = (struct doca_dev *)memory;
	const void *desc = memory;
	uint8_t flag = 1;
	size_t len = 1;

	assert_doca(doca_mmap_export_pci(mmap, dev, &desc, &len), DOCA_ERROR_NOT_SUPPORTED);
	assert_doca(doca_mmap_export_rdma(mmap, dev, &desc, &len), DOCA_ERROR_NOT_SUPPORTED);
	assert_doca(doca_mmap_create_from_export(NULL, desc, len, dev, &other),
		    DOCA_ERROR_NOT_SUPPORTED);
	assert_doca(doca_mmap_set_dmabuf_memrange(mmap, 0, memory, 0, 1),
		    DOCA_ERROR_NOT_SUPPORTED);
	assert_doca(doca_mmap_set_dpa_memrange(mmap, NULL, 0, 1), DOCA_ERROR_NOT_SUPPORTED);
	assert_ok(doca_mmap_cap_is_export_pci_supported(info, &flag));
	assert_int_equal(flag, 0);
	flag = 1;
	assert_ok(doca_mmap_get_from_export(mmap, &flag));
	assert_int_equal(flag, 0);
	assert_ok(doca_mmap_destroy(mmap));
}

static void *count_many(void *arg)
{
	int i;

	for (i = 0; i < 20000; i++) {
		mmap_buf_added(arg, 2);
		mmap_buf_removed(arg, 1);
		mmap_buf_removed(arg, 1);
	}
	return NULL;
}

static void test_count_over_threads(void **state)
{
	struct doca_mmap *mmap = new_mmap(true);
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, count_many, mmap), 0);
	count_many(mmap);
	pthread_join(thread, NULL);
	assert_ok(doca_mmap_stop(mmap));
	assert_ok(doca_mmap_destroy(mmap));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(test_range_is_set_once),
		cmocka_unit_test(test_configuration_needs_stopped),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_permissions),
		cmocka_unit_test(test_bufs_hold_it),
		cmocka_unit_test(test_thread_safety_drops_the_count),
		cmocka_unit_test(test_contains),
		cmocka_unit_test(test_free_callback),
		cmocka_unit_test(test_sharing_is_not_offered),
		cmocka_unit_test(test_count_over_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
