/* SPDX-License-Identifier: BSD-3-Clause */
/* Two guests that share files by locks, and errors a guest must not miss: against the file system in memory. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "rig.h"

static void begin_remote(void)
{
	char more[64];

	m = memfs_start(&f, 1);
	snprintf(more, sizeof(more), ",lock=remote,nlmport=%u", f.port);
	drive_with(&d, more, FS_CACHE_AUTO, NULL);
}

static int set_lock(uint64_t fh, uint64_t owner, uint32_t type)
{
	static struct call c;

	call_init(&c, &d, FUSE_SETLK, ROOT);
	c.arg.lk = (struct fuse_lk_in){ .fh = fh, .owner = owner, .lk = { .type = type, .end = 9, .pid = 7 } };
	return call_run(&c);
}

static int flush_owner(uint64_t fh, uint64_t owner)
{
	static struct call c;

	call_init(&c, &d, FUSE_FLUSH, ROOT);
	c.arg.flush = (struct fuse_flush_in){ .fh = fh, .lock_owner = owner };
	return call_run(&c);
}

/* Linux sends no unlocking and no owner for these when the last descriptor is closed. */
static void test_open_file_locks(void **state)
{
	uint64_t a, b, node;

	begin_remote();
	a = make(&d, "x", &node);
	assert_int_equal(set_lock(a, 5, F_WRLCK), 0);
	assert_int_equal(flush_owner(a, 1), 0); /* the process', which has none */
	assert_int_equal(memfs_nr_locks(m), 1);
	assert_int_equal(op_release(&d, a), 0);
	assert_int_equal(memfs_nr_locks(m), 0);

	/* A process lets go with FLUSH, and may lock again through another file while the first goes on in a child. */
	assert_int_equal(op_open(&d, node, O_RDWR, &a), 0);
	assert_int_equal(op_open(&d, node, O_RDWR, &b), 0);
	assert_int_equal(set_lock(a, 6, F_WRLCK), 0);
	assert_int_equal(flush_owner(a, 6), 0);
	assert_int_equal(set_lock(b, 6, F_WRLCK), 0);
	assert_int_equal(op_release(&d, a), 0);
	assert_int_equal(memfs_nr_locks(m), 1);
	assert_int_equal(flush_owner(b, 6), 0);
	assert_int_equal(memfs_nr_locks(m), 0);
	assert_int_equal(op_release(&d, b), 0);
	end();
}

/* Whoever gets the lock reads what the holder before wrote, with a file that was open all the while. */
static void test_nothing_is_believed(void **state)
{
	struct fuse_entry_out e;
	uint64_t fh;

	begin_remote();
	fh = make(&d, "x", NULL);
	assert_int_equal(op_lookup(&d, ROOT, "x", &e), 0);
	assert_int_equal(e.attr_valid, 0);
	assert_int_equal(op_mkdir(&d, ROOT, "dir", 0755, &e), 0);
	assert_true(e.attr_valid > 0);
	assert_int_equal(op_release(&d, fh), 0);
	end();
	begin("");
	fh = make(&d, "x", NULL);
	assert_int_equal(op_lookup(&d, ROOT, "x", &e), 0);
	assert_true(e.attr_valid > 0);
	assert_int_equal(op_release(&d, fh), 0);
	end();
}

static int append(uint64_t fh, const char *text, uint64_t off, uint32_t write_flags)
{
	static struct call c;
	int rc;

	call_init(&c, &d, FUSE_WRITE, ROOT);
	c.arg.write = (struct fuse_write_in){ .fh = fh, .offset = off, .size = (uint32_t)strlen(text),
					      .write_flags = write_flags, .flags = O_APPEND };
	call_data(&c, text, strlen(text));
	rc = call_run(&c);
	return rc ? rc : (int)c.out.written.size;
}

static void expect_content(const char *text)
{
	char buf[64] = "";

	assert_int_equal(memfs_content(m, "x", buf, sizeof(buf) - 1), strlen(text));
	assert_string_equal(buf, text);
}

/* The end is the server's, not where the guest's attributes had it. */
static void test_append(void **state)
{
	uint64_t fh;

	begin_remote();
	fh = make(&d, "x", NULL);
	assert_int_equal(append(fh, "mine", 0, 0), 4);
	memfs_put(m, "x", "mine+theirs", 11);
	assert_int_equal(append(fh, "+mine", 4, 0), 5);
	expect_content("mine+theirs+mine");
	/* What comes from the guest's page cache has its place. */
	assert_int_equal(append(fh, "MINE", 0, FUSE_WRITE_CACHE), 4);
	expect_content("MINE+theirs+mine");
	/* A server that restarted has it again before its end is asked for. */
	memfs_restart(&f, m);
	assert_int_equal(append(fh, ".", 0, 0), 1);
	expect_content("MINE+theirs+mine.");
	assert_int_equal(op_release(&d, fh), 0);
	end();
}

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
		cmocka_unit_test(test_open_file_locks),
		cmocka_unit_test(test_nothing_is_believed),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_half_a_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
