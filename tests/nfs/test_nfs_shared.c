/* SPDX-License-Identifier: BSD-3-Clause */
/* Errors a guest must not miss: against the file system in memory. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "rig.h"

/* Linux takes any success of a WRITE of its page cache for all of it. */
static void test_half_a_page(void **state)
{
	static const char data[8192];
	uint64_t fh;

	m = memfs_start(&f, 1);
	m->wtmax = 4096;
	m->limit = 6000;
	drive_with(&d, "", FS_CACHE_AUTO, NULL);
	fh = make(&d, "x", NULL);
	assert_int_equal(op_write(&d, fh, data, sizeof(data), 0, 0), 4096);
	assert_int_equal(op_write(&d, fh, data, sizeof(data), 0, FUSE_WRITE_CACHE), -ENOSPC);
	assert_int_equal(op_release(&d, fh), 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_half_a_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
