/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many inodes known to the guest at once, with RLIMIT_NOFILE at 1024: bounded memory for each,
 * no descriptor, all of it back after FORGET. On a tmpfs of the test's own. 200 000 of them unless
 * NR=<thousands> says otherwise; NR=1000 takes half a minute.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include <cmocka.h>

#include "local_fixture.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1 /* which has memory of its own for each byte */
#else
#define SANITIZED 0
#endif

#define PER_DIR 10000
#define BYTES_EACH 200
#define NODE_COSTS 1100 /* of a tmpfs inode with its name, in the kernel */

static unsigned int nr_dirs = 20;
static uint64_t *ids;
static size_t nr_ids;
static struct call big;

static long resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long size, pages = 0;

	assert_int_equal(fscanf(f, "%ld %ld", &size, &pages), 2);
	fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

static void make_files(void)
{
	char name[32];
	int fd;

	for (unsigned int i = 0; i < nr_dirs; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		assert_int_equal(mkdir(in_dir(name), 0755), 0);
		fd = open(in_dir(name), O_RDONLY | O_DIRECTORY);
		for (unsigned int k = 0; k < PER_DIR; k++) {
			snprintf(name, sizeof(name), "f%u", k);
			assert_int_equal(mknodat(fd, name, S_IFREG | 0644, 0), 0);
		}
		close(fd);
	}
}

static void list_dir(uint64_t node)
{
	const struct fuse_direntplus *p;
	uint64_t fh, off = 0;

	assert_int_equal(op_opendir(&d, node, &fh), 0);
	do {
		call_init(&big, &d, FUSE_READDIRPLUS, node);
		big.arg.read = (struct fuse_read_in){ .fh = fh, .offset = off, .size = CALL_ROOM };
		call_room(&big, CALL_ROOM);
		assert_int_equal(call_run(&big), 0);
		for (size_t at = 0; at < big.req.out_len; at += FUSE_DIRENTPLUS_SIZE(p)) {
			p = (const struct fuse_direntplus *)(big.buf + at);
			off = p->dirent.off;
			if (p->entry_out.nodeid)
				ids[nr_ids++] = p->entry_out.nodeid;
		}
	} while (big.req.out_len);
	assert_int_equal(op_releasedir(&d, fh), 0);
}

static void forget_files(void)
{
	static struct fuse_forget_one one[1024];
	size_t n;

	for (size_t at = 0; at < nr_ids; at += n) {
		n = min(nr_ids - at, ARRAY_SIZE(one));
		for (size_t i = 0; i < n; i++)
			one[i] = (struct fuse_forget_one){ ids[at + i], 1 };
		call_init(&big, &d, FUSE_BATCH_FORGET, 0);
		big.arg.batch_forget.count = (uint32_t)n;
		call_data(&big, one, n * sizeof(one[0]));
		assert_int_equal(call_run(&big), 0);
	}
}

static void test_million(void **state)
{
	size_t nr = (size_t)nr_dirs * PER_DIR;
	struct fuse_entry_out e;
	struct fuse_attr attr;
	long before, full;
	uint64_t fh;
	char name[32];

	make_files();
	ids = malloc(nr * sizeof(*ids));
	memset(ids, 1, nr * sizeof(*ids));
	before = resident_bytes();
	for (unsigned int i = 0; i < nr_dirs; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		assert_int_equal(op_lookup(&d, ROOT, name, &e), 0);
		list_dir(e.nodeid);
	}
	full = resident_bytes();
	print_message("%zu inodes, %.1f bytes each, %d descriptors\n", nr_ids,
		      (double)(full - before) / (double)nr, open_fds());
	assert_int_equal(nr_ids, nr);
	if (!SANITIZED)
		assert_true((full - before) / (long)nr <= BYTES_EACH);
	assert_true(open_fds() < 1024);
	/* All are there, and everything goes on. */
	for (size_t i = 0; i < nr; i += 997)
		assert_int_equal(op_getattr(&d, ids[i], &attr), 0);
	assert_int_equal(op_open(&d, ids[nr / 2], O_RDWR, &fh), 0);
	assert_int_equal(op_release(&d, fh), 0);
	forget_files();
	assert_int_equal(op_getattr(&d, ids[nr / 2], &attr), -ESTALE);
	if (!SANITIZED)
		assert_true(resident_bytes() - before < (full - before) / 4);
	/* Nor does another mount touch what is empty. */
	d.fs->ops->reset(d.fs);
	if (!SANITIZED)
		assert_true(resident_bytes() - before < (full - before) / 4);
	free(ids);
}

static int setup(void **state)
{
	struct rlimit few = { 1024, 1024 };
	char options[64];

	if (setrlimit(RLIMIT_NOFILE, &few) || local_setup(state))
		return -1;
	drive_close(&d);
	snprintf(options, sizeof(options), "size=16m,nr_inodes=%u", nr_dirs * (PER_DIR + 2) + 100);
	if (mount("none", dir, "tmpfs", 0, options))
		return -1;
	drive_open_cfg(&d, &fs_local, &local_cfg);
	return 0;
}

static int teardown(void **state)
{
	drive_close(&d);
	umount2(dir, MNT_DETACH);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_million) };
	const char *thousands = getenv("NR");
	struct sysinfo info;

	if (thousands)
		nr_dirs = (unsigned int)max(atoi(thousands) / (PER_DIR / 1000), 1);
	sysinfo(&info);
	/* A mount of our own, which ends with us, and memory for what is in it. */
	if (geteuid() || unshare(CLONE_NEWNS) ||
	    (uint64_t)info.freeram * info.mem_unit / 2 < (uint64_t)nr_dirs * PER_DIR * NODE_COSTS)
		return 77;
	mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	return cmocka_run_group_tests(tests, setup, teardown);
}
