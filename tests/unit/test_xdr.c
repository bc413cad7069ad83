/* SPDX-License-Identifier: BSD-3-Clause */
/* XDR cursors: what fits, what does not, and that nothing is touched behind the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fs/nfs/xdr.h"

static void test_numbers(void **state)
{
	uint8_t buf[12];
	struct xdr_out o = { buf, buf + sizeof(buf), false };
	struct xdr_in i = { buf, buf + sizeof(buf), false };

	xdr_put32(&o, 0x01020304);
	xdr_put64(&o, 0x05060708090a0b0cull);
	for (uint8_t n = 0; n < 12; n++)
		assert_int_equal(buf[n], n + 1);
	assert_false(o.bad);
	xdr_put32(&o, 1);
	assert_true(o.bad);
	assert_int_equal(xdr_get32(&i), 0x01020304);
	assert_true(xdr_get64(&i) == 0x05060708090a0b0cull);
	assert_false(i.bad);
	assert_int_equal(xdr_get32(&i), 0);
	assert_true(i.bad);
}

/* Each length, with exactly the room it needs, then with one byte less: memory checkers watch the ends. */
static void test_opaque(void **state)
{
	static const uint8_t data[9] = "abcdefghi";

	for (uint32_t len = 0; len <= 9; len++) {
		size_t whole = 4 + ((len + 3) & ~3u);
		uint8_t *buf = malloc(whole);
		struct xdr_out o = { buf, buf + whole, false };
		struct xdr_in i = { buf, buf + whole, false };
		uint32_t got;
		const uint8_t *p;

		memset(buf, 0xff, whole);
		xdr_put_opaque(&o, data, len);
		assert_false(o.bad);
		assert_ptr_equal(o.p, o.end);
		for (size_t n = 4 + len; n < whole; n++)
			assert_int_equal(buf[n], 0);
		p = xdr_get_opaque(&i, 9, &got);
		assert_non_null(p);
		assert_int_equal(got, len);
		assert_memory_equal(p, data, len);
		assert_ptr_equal(i.p, i.end);
		o = (struct xdr_out){ buf, buf + whole - 1, false };
		xdr_put_opaque(&o, data, len);
		assert_true(o.bad);
		i = (struct xdr_in){ buf, buf + whole - 1, false };
		assert_null(xdr_get_opaque(&i, 9, &got));
		assert_int_equal(got, 0);
		assert_true(i.bad);
		free(buf);
	}
}

static void test_hostile_lengths(void **state)
{
	static const uint32_t bad[] = { 5, 0x7fffffff, 0x80000000, 0xfffffffc, 0xfffffffd, 0xffffffff };
	uint8_t buf[8] = { 0 };

	for (size_t n = 0; n < ARRAY_SIZE(bad); n++) {
		struct xdr_out o = { buf, buf + 8, false };
		struct xdr_in i = { buf, buf + 8, false };
		uint32_t len;

		xdr_put32(&o, bad[n]);
		assert_null(xdr_get_opaque(&i, UINT32_MAX, &len));
		assert_true(i.bad);
		assert_int_equal(xdr_get64(&i), 0);
		i = (struct xdr_in){ buf, buf + 8, false };
		assert_null(xdr_get_fixed(&i, bad[n] < 8 ? 9 : bad[n]));
		o = (struct xdr_out){ buf, buf + 8, false };
		xdr_put_fixed(&o, buf, bad[n] < 8 ? 9 : bad[n]);
		assert_true(o.bad);
		assert_ptr_equal(o.p, buf);
	}
	/* Longer than the caller allows, though it is all there. */
	struct xdr_in i = { buf, buf + 8, false };
	uint32_t len;

	buf[3] = 4;
	assert_null(xdr_get_opaque(&i, 3, &len));
	assert_true(i.bad);
}

static void test_string(void **state)
{
	uint8_t buf[8];
	struct xdr_out o = { buf, buf + 8, false };

	xdr_put_string(&o, "abc");
	assert_memory_equal(buf, "\0\0\0\3abc", 8);
	o = (struct xdr_out){ buf, buf + 8, false };
	xdr_put_string(&o, "abcde");
	assert_true(o.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_opaque),
		cmocka_unit_test(test_hostile_lengths),
		cmocka_unit_test(test_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
