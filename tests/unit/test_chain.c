/* SPDX-License-Identifier: BSD-3-Clause */
/* The cursor: every cut of a message into segments must read the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "virtio/chain.h"

static const char msg[] = "0123456789abcdefghijklmnopqrstuvwxyz";
#define MSG_LEN (sizeof(msg) - 1)

/* Cuts buf at a and b (a <= b): three segments, possibly empty ones. */
static void cut3(struct iovec seg[3], char *buf, size_t a, size_t b)
{
	memcpy(buf, msg, MSG_LEN);
	seg[0] = (struct iovec){ buf, a };
	seg[1] = (struct iovec){ buf + a, b - a };
	seg[2] = (struct iovec){ buf + b, MSG_LEN - b };
}

static void check_read(const struct iovec *seg, size_t first)
{
	char out[MSG_LEN];
	struct chain c;

	chain_init(&c, seg, 3);
	assert_int_equal(chain_left(&c), MSG_LEN);
	chain_read(&c, out, first);
	chain_skip(&c, 1);
	chain_read(&c, out + first, MSG_LEN - first - 1);
	assert_false(c.overrun);
	assert_int_equal(chain_left(&c), 0);
	assert_memory_equal(out, msg, first);
	assert_memory_equal(out + first, msg + first + 1, MSG_LEN - first - 1);
	assert_int_equal(chain_tell(&c, seg).off, 0);
}

static void test_every_cut(void **state)
{
	char buf[MSG_LEN];
	struct iovec seg[3];

	for (size_t a = 0; a <= MSG_LEN; a++)
		for (size_t b = a; b <= MSG_LEN; b++)
			for (size_t first = 0; first < MSG_LEN; first += 5) {
				cut3(seg, buf, a, b);
				check_read(seg, first);
			}
}

static void test_write_every_cut(void **state)
{
	char buf[MSG_LEN];
	struct iovec seg[3];
	struct chain c;

	for (size_t a = 0; a <= MSG_LEN; a++)
		for (size_t b = a; b <= MSG_LEN; b++) {
			cut3(seg, buf, a, b);
			memset(buf, '.', sizeof(buf));
			chain_init_len(&c, seg, 3, MSG_LEN);
			chain_write(&c, msg, 10);
			chain_skip(&c, 3);
			chain_write(&c, msg + 13, MSG_LEN - 13);
			assert_false(c.overrun);
			assert_memory_equal(buf, msg, 10);
			assert_memory_equal(buf + 10, "...", 3);
			assert_memory_equal(buf + 13, msg + 13, MSG_LEN - 13);
		}
}

static void test_overrun_sticks(void **state)
{
	char buf[MSG_LEN], out[MSG_LEN + 1];
	struct iovec seg[3];
	struct chain c;

	cut3(seg, buf, 7, 20);
	chain_init(&c, seg, 3);
	memset(out, 'x', sizeof(out));
	chain_read(&c, out, MSG_LEN + 1);
	assert_true(c.overrun);
	assert_int_equal(out[0], 'x'); /* copies nothing */
	chain_read(&c, out, 1); /* would fit */
	assert_int_equal(out[0], 'x');
	chain_write(&c, "yy", 2);
	chain_skip(&c, 1);
	assert_memory_equal(buf, msg, MSG_LEN);
	assert_true(c.overrun);
}

static void test_empty(void **state)
{
	struct chain c;

	chain_init(&c, NULL, 0);
	chain_read(&c, NULL, 0);
	chain_skip(&c, 0);
	assert_false(c.overrun);
	chain_skip(&c, 1);
	assert_true(c.overrun);
}

static void test_tell(void **state)
{
	static const struct {
		size_t skip;
		unsigned int index;
		size_t off;
	} t[] = {
		{ 0, 0, 0 }, { 6, 0, 6 }, { 7, 1, 0 }, { 8, 1, 1 }, { 20, 2, 0 }, { MSG_LEN, 3, 0 },
	};
	char buf[MSG_LEN];
	struct iovec seg[3];
	struct chain c;

	cut3(seg, buf, 7, 20);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		chain_init(&c, seg, 3);
		chain_skip(&c, t[i].skip);
		assert_int_equal(chain_tell(&c, seg).index, t[i].index);
		assert_int_equal(chain_tell(&c, seg).off, t[i].off);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cut),      cmocka_unit_test(test_write_every_cut),
		cmocka_unit_test(test_overrun_sticks), cmocka_unit_test(test_empty),
		cmocka_unit_test(test_tell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
