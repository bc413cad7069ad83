/* SPDX-License-Identifier: BSD-3-Clause */
/* Create extensions: what a kernel sends, and what a hostile guest may send instead. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fuse_ext.h"
#include "base/util.h"
#include "doca_devemu_vfs_fuse_kernel.h"

#define W(n) (n) & 0xff, (n) >> 8 & 0xff, (n) >> 16 & 0xff, (n) >> 24 & 0xff
#define NAME 'f', 0 /* one name comes first; the area does not start on a boundary */
#define SECCTX W(24), W(1), W(2), W(0), 'a', 0, 'x', 'y', 0, 0, 0, 0
#define GROUPS(size, nr) W(size), W(FUSE_EXT_GROUPS), W(nr), W(1000), W(1001), W(0)

static const struct {
	const char *what;
	uint16_t units;
	int want;
	size_t len;
	uint8_t bytes[80];
} cases[] = {
	{ "none", 0, 0, 2, { NAME } },
	{ "groups", 3, 2, 26, { NAME, GROUPS(20, 2) } },
	{ "behind secctx", 6, 2, 50, { NAME, SECCTX, GROUPS(20, 2) } },
	{ "before secctx", 6, 1, 50, { NAME, GROUPS(20, 1), SECCTX } },
	{ "secctx only", 3, 0, 26, { NAME, SECCTX } },
	{ "empty list", 3, 0, 26, { NAME, GROUPS(20, 0) } },
	{ "units too many", 4, -EINVAL, 26, { NAME, GROUPS(20, 2) } },
	{ "size 0", 3, -EINVAL, 26, { NAME, GROUPS(0, 2) } },
	{ "size 7", 3, -EINVAL, 26, { NAME, GROUPS(7, 2) } },
	{ "no count", 3, -EINVAL, 26, { NAME, GROUPS(8, 2) } },
	{ "size beyond", 3, -EINVAL, 26, { NAME, GROUPS(25, 2) } },
	{ "size max", 3, -EINVAL, 26, { NAME, GROUPS(0xffffffffu, 2) } },
	{ "count beyond", 3, -EINVAL, 26, { NAME, GROUPS(20, 3) } },
	{ "count max", 3, -EINVAL, 26, { NAME, GROUPS(20, 0xffffffffu) } },
	{ "too many", 4, -E2BIG, 34, { NAME, W(28), W(32), W(4), W(1), W(2), W(3), W(4), W(0) } },
};

static void test_cases(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t *exact = malloc(cases[i].len);
		uint32_t groups[3] = { 0 };
		int rc;

		memcpy(exact, cases[i].bytes, cases[i].len);
		rc = fuse_ext_groups(exact, cases[i].len, cases[i].units, groups, 3);
		if (rc != cases[i].want)
			fail_msg("%s: %d", cases[i].what, rc);
		if (rc > 0)
			assert_int_equal(groups[0], 1000);
		if (rc > 1)
			assert_int_equal(groups[1], 1001);
		free(exact);
	}
}

static void test_iterate(void **state)
{
	static const uint8_t bytes[] = { NAME, SECCTX, GROUPS(20, 2) };
	struct fuse_ext_iter it;
	struct fuse_ext ext;

	fuse_ext_init(&it, bytes, sizeof(bytes), 6);
	assert_true(fuse_ext_next(&it, &ext));
	assert_int_equal(ext.type, 1);
	assert_int_equal(ext.len, 16);
	assert_true(fuse_ext_next(&it, &ext));
	assert_int_equal(ext.type, FUSE_EXT_GROUPS);
	assert_false(fuse_ext_next(&it, &ext));
	assert_int_equal(it.left, 0);
	fuse_ext_init(&it, bytes, sizeof(bytes), 100);
	assert_false(fuse_ext_next(&it, &ext));
}

static void test_label(void **state)
{
	static const struct {
		bool found;
		uint16_t units;
		uint8_t bytes[64];
	} label[] = {
		{ true, 6, { NAME, SECCTX, GROUPS(20, 2) } },
		{ true, 6, { NAME, GROUPS(20, 2), SECCTX } },
		{ false, 3, { NAME, GROUPS(20, 2) } },
		{ false, 1, { NAME, W(8), W(0) } }, /* a kernel without a label to give */
		{ false, 3, { NAME, W(24), W(1), W(7), W(0), 'a', 0, 'x', 'y' } }, /* value beyond */
		{ false, 3, { NAME, W(24), W(1), W(0), W(0), 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h' } },
		{ false, 2, { NAME, W(12), W(1), W(0) } },
	};
	const char *name;
	const void *value;
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(label); i++) {
		size_t size = 2 + 8u * label[i].units;
		uint8_t *exact = malloc(size);

		memcpy(exact, label[i].bytes, size);
		assert_int_equal(fuse_ext_label(exact, size, label[i].units, &name, &value, &len),
				 label[i].found);
		if (label[i].found) {
			assert_string_equal(name, "a");
			assert_int_equal(len, 2);
			assert_memory_equal(value, "xy", 2);
		}
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_iterate),
		cmocka_unit_test(test_label),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
