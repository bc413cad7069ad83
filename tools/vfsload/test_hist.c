/* SPDX-License-Identifier: BSD-3-Clause */
/* The two things a wrong figure or a missed corruption would come from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "load.h"

static void test_percentiles(void **state)
{
	static struct hist h, more;
	const double p[] = {1, 50, 90, 99, 99.9};
	uint64_t v;
	size_t i;

	assert_int_equal(hist_percentile(&h, 50), 0);
	for (v = 1; v <= 100000; v++)
		hist_add(v % 2 ? &h : &more, v * 10);
	hist_merge(&h, &more);
	for (i = 0; i < sizeof(p) / sizeof(p[0]); i++) {
		double got = (double)hist_percentile(&h, p[i]), want = p[i] * 10000;

		assert_true(got >= want && got <= want * 1.04);
	}
	assert_int_equal(hist_percentile(&h, 100), 1000000);
	assert_int_equal(h.max, 1000000);
}

/* Every value falls into a bucket of the array, and into one that holds it. */
static void test_range(void **state)
{
	static struct hist h;
	int bit;

	for (bit = 0; bit < 64; bit++) {
		memset(&h, 0, sizeof(h));
		hist_add(&h, 1ull << bit);
		assert_int_equal(hist_percentile(&h, 50), 1ull << bit);
		hist_add(&h, UINT64_MAX);
		assert_true(hist_percentile(&h, 10) >= 1ull << bit);
		assert_int_equal(hist_percentile(&h, 100), UINT64_MAX);
	}
}

static void test_stamps(void **state)
{
	static uint64_t block[512];
	uint8_t *b = (uint8_t *)block;
	uint64_t at;
	size_t i;

	stamp_write(b, sizeof(block), 7, 4096, 3);
	assert_true(stamp_check(b, sizeof(block), 7, 4096, 3, &at));
	assert_false(stamp_check(b, sizeof(block), 8, 4096, 3, &at));
	assert_false(stamp_check(b, sizeof(block), 7, 8192, 3, &at));
	assert_false(stamp_check(b, sizeof(block), 7, 4096, 2, &at));
	for (i = 0; i < sizeof(block); i += 61) {
		b[i] ^= 1;
		assert_false(stamp_check(b, sizeof(block), 7, 4096, 3, &at));
		assert_int_equal(at, i / 8 * 8);
		b[i] ^= 1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_stamps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
