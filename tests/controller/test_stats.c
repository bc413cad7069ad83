/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters of requests and their latency. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>

#include "doca_devemu_vfs_fuse_kernel.h"
#include "stats.h"

/* Every value is in a bucket whose top is at least it and at most a quarter above. */
static void buckets_hold_their_values(void **state)
{
	static struct stats_op op;
	unsigned int last = 0;

	for (uint64_t v = 1; v < 1ull << 33; v += 1 + v / 7) {
		unsigned int i = stats_bucket(v);
		uint64_t top;

		assert_true(i >= last && i < STATS_BUCKETS);
		last = i;
		op = (struct stats_op){ 0 };
		op.bucket[i] = 1;
		top = stats_percentile(&op, 50);
		assert_true(top >= v && top <= v + v / 4);
	}
	assert_int_equal(stats_bucket(UINT64_MAX), STATS_BUCKETS - 1);
	assert_int_equal(stats_bucket(0), 0);
}

static void percentiles_are_in_order(void **state)
{
	static struct stats_op op;

	assert_int_equal(stats_percentile(&op, 99), 0);
	op.bucket[stats_bucket(1000)] = 98;
	op.bucket[stats_bucket(1000000)] = 2;
	assert_true(stats_percentile(&op, 50) < 1300);
	assert_true(stats_percentile(&op, 97.9) < 1300);
	assert_true(stats_percentile(&op, 98.1) >= 1000000);
	assert_true(stats_percentile(&op, 100) >= 1000000);
}

static void one_in_some_is_timed(void **state)
{
	struct stats *s = calloc(1, sizeof(*s)), *sum = calloc(1, sizeof(*sum));
	unsigned int timed = 0;

	for (int i = 0; i < 10 * STATS_SAMPLE; i++) {
		uint64_t begin = stats_begin(s, FUSE_READ, STATS_SAMPLE - 1);

		assert_true(i || begin); /* the first is */
		timed += begin != 0;
		stats_end(s, FUSE_READ, i % 2 ? -EIO : 0, begin, 10);
	}
	assert_int_equal(timed, 10);
	assert_true(stats_begin(s, FUSE_READ, 0) && stats_begin(s, FUSE_READ, 0));
	stats_merge(sum, s);
	stats_merge(sum, s);
	assert_int_equal(sum->op[FUSE_READ].count, 20 * STATS_SAMPLE);
	assert_int_equal(sum->op[FUSE_READ].errors, 10 * STATS_SAMPLE);
	assert_int_equal(sum->op[FUSE_READ].bytes, 100 * STATS_SAMPLE);
	assert_int_equal(sum->op[FUSE_READ].timed, 20);
	free(s);
	free(sum);
}

static void opcodes_have_names(void **state)
{
	assert_string_equal(stats_op_name(FUSE_READ), "READ");
	assert_string_equal(stats_op_name(FUSE_STATX), "STATX");
	assert_null(stats_op_name(0));
	assert_null(stats_op_name(STATS_OPS));
	assert_null(stats_op_name(UINT32_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_hold_their_values),
		cmocka_unit_test(percentiles_are_in_order),
		cmocka_unit_test(one_in_some_is_timed),
		cmocka_unit_test(opcodes_have_names),
	};

	return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
