/* SPDX-License-Identifier: BSD-3-Clause */
/* Several file systems below the directory: each has its own numbers, its own space, and its own node ids. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "local_fixture.h"

#define MIB (1u << 20)

static struct call big;
static struct fuse_entry_out mnt[2];
static const char *const name[2] = { "one", "two" };
static const char *const size[2] = { "size=2m,nr_inodes=50", "size=6m,nr_inodes=70" };
static const uint64_t mib[2] = { 2, 6 }, inodes[2] = { 50, 70 };

/* False: it may not mount here. */
static bool mount_both(void)
{
	d.fs->session_flags = FUSE_SUBMOUNTS;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(op_mkdir(&d, ROOT, name[i], 0755, &mnt[i]), 0);
		if (mount("none", in_dir(name[i]), "tmpfs", 0, size[i]))
			return false;
		assert_int_equal(op_lookup(&d, ROOT, name[i], &mnt[i]), 0);
		assert_true(mnt[i].attr.flags & FUSE_ATTR_SUBMOUNT);
	}
	return true;
}

static int umount_both(void **state)
{
	for (int i = 0; i < 2; i++) {
		umount2(in_dir(name[i]), MNT_DETACH);
		op_rmdir(&d, ROOT, name[i]);
	}
	return 0;
}

static struct fuse_kstatfs statfs_of(uint64_t node)
{
	call_init(&big, &d, FUSE_STATFS, node);
	assert_int_equal(call_run(&big), 0);
	return big.out.statfs.st;
}

static void test_space(void **state)
{
	struct fuse_entry_out e;
	struct fuse_kstatfs st;
	uint64_t fh;

	if (!mount_both())
		skip();
	for (int i = 0; i < 2; i++) {
		st = statfs_of(mnt[i].nodeid);
		assert_int_equal(st.blocks * st.frsize, mib[i] * MIB);
		assert_int_equal(st.files, inodes[i]);
	}
	st = statfs_of(ROOT);
	assert_int_not_equal(st.files, inodes[0]);
	assert_int_not_equal(st.files, inodes[1]);
	/* Also of a file deep in it, and what is taken from one is not taken from the other. */
	assert_int_equal(op_create(&d, mnt[1].nodeid, "f", O_RDWR, 0600, &e, &fh), 0);
	st = statfs_of(e.nodeid);
	assert_int_equal(st.files, inodes[1]);
	assert_int_equal(st.ffree, inodes[1] - 2);
	assert_int_equal(statfs_of(mnt[0].nodeid).ffree, inodes[0] - 1);
	assert_int_equal(op_release(&d, fh), 0);
}

/* New file systems number their files alike: two nodes all the same. */
static void test_equal_numbers(void **state)
{
	struct fuse_entry_out e[2], found;
	uint64_t fh;
	char buf[4];

	if (!mount_both())
		skip();
	assert_int_equal(mnt[0].attr.ino, mnt[1].attr.ino);
	assert_int_not_equal(mnt[0].nodeid, mnt[1].nodeid);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(op_create(&d, mnt[i].nodeid, "f", O_RDWR, 0600, &e[i], &fh), 0);
		assert_int_equal(op_write(&d, fh, name[i], 3, 0, 0), 3);
		assert_int_equal(op_release(&d, fh), 0);
	}
	assert_int_equal(e[0].attr.ino, e[1].attr.ino);
	assert_int_not_equal(e[0].nodeid, e[1].nodeid);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(op_lookup(&d, mnt[i].nodeid, "f", &found), 0);
		assert_int_equal(found.nodeid, e[i].nodeid);
		assert_int_equal(op_open(&d, found.nodeid, O_RDONLY, &fh), 0);
		assert_int_equal(op_read(&d, fh, buf, 4, 0), 3);
		assert_memory_equal(buf, name[i], 3);
		assert_int_equal(op_release(&d, fh), 0);
	}
	/* One of them removed is not the other's. */
	assert_int_equal(op_unlink(&d, mnt[0].nodeid, "f"), 0);
	assert_int_equal(op_getattr(&d, e[1].nodeid, &found.attr), 0);
	assert_int_equal(found.attr.nlink, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_space, umount_both),
		cmocka_unit_test_teardown(test_equal_numbers, umount_both),
	};

	if (geteuid())
		return 77; /* mounting is root's */
	return cmocka_run_group_tests(tests, local_setup, local_teardown);
}
