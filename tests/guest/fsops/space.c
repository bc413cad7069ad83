/* SPDX-License-Identifier: BSD-3-Clause */
/* Allocation, holes, copies inside the file system, room left. */
#include <linux/falloc.h>
#include <sys/statvfs.h>

#include "fsops.h"

#define PAGE 4096UL

/* A file of that many pages of 0xff. */
static int full_file(unsigned int pages)
{
	unsigned char *buf = fs_alloc(pages * PAGE);
	int fd = fs_open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);

	memset(buf, 0xff, pages * PAGE);
	EQ(write(fd, buf, pages * PAGE), pages * PAGE);
	OK(fsync(fd));
	free(buf);
	return fd;
}

static void expect_bytes(int fd, off_t from, size_t len, int value)
{
	unsigned char *buf = fs_alloc(len);

	EQ(pread(fd, buf, len, from), len);
	for (size_t i = 0; i < len; i++)
		EQ(buf[i], value);
	free(buf);
}

/* True when this file system has fallocate; checks the refusal when it has not. */
static bool has_fallocate(int fd)
{
	if (fs_profile->fallocate)
		return true;
	ERR(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), EOPNOTSUPP);
	return false;
}

static void alloc_extends(void)
{
	int fd = fs_open("f", O_RDWR | O_CREAT, 0600);

	if (!has_fallocate(fd))
		return;
	OK(fallocate(fd, 0, 0, 100000));
	EQ(fs_stat("f").st_size, 100000);
	TRUE(fs_stat("f").st_blocks >= 100000 / 512);
	expect_bytes(fd, 0, 100000, 0);
	OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 200000, 100000));
	EQ(fs_stat("f").st_size, 100000);
}

static void alloc_errors(void)
{
	int fd = fs_open("f", O_RDWR | O_CREAT, 0600);
	int ro;

	if (!has_fallocate(fd))
		return;
	ERR(fallocate(fd, 0, 0, 0), EINVAL);
	ERR(fallocate(fd, 0, -1, 1), EINVAL);
	ERR(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1), EOPNOTSUPP);
	ERR2(fallocate(fd, 0, 0, (off_t)1 << 59), EFBIG, ENOSPC);
	ro = fs_open("f", O_RDONLY, 0);
	ERR(fallocate(ro, 0, 0, 1), EBADF);
}

static void alloc_punch(void)
{
	int fd = full_file(8);

	if (!has_fallocate(fd))
		return;
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * PAGE, 3 * PAGE));
	EQ(fs_stat("f").st_size, 8 * PAGE);
	expect_bytes(fd, 0, 2 * PAGE, 0xff);
	expect_bytes(fd, 2 * PAGE, 3 * PAGE, 0);
	expect_bytes(fd, 5 * PAGE, 3 * PAGE, 0xff);
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 50));
	expect_bytes(fd, 0, 100, 0xff);
	expect_bytes(fd, 100, 50, 0);
	expect_bytes(fd, 150, 50, 0xff);
}

static void alloc_zero(void)
{
	int fd = full_file(4), ret;

	if (!has_fallocate(fd))
		return;
	ret = fallocate(fd, FALLOC_FL_ZERO_RANGE, PAGE, PAGE);
	if (ret < 0 && errno == EOPNOTSUPP)
		fs_skip("the underlying file system has no zero range");
	OK(ret);
	expect_bytes(fd, 0, PAGE, 0xff);
	expect_bytes(fd, PAGE, PAGE, 0);
	expect_bytes(fd, 2 * PAGE, 2 * PAGE, 0xff);
	OK(fallocate(fd, FALLOC_FL_ZERO_RANGE, 3 * PAGE, 3 * PAGE));
	EQ(fs_stat("f").st_size, 6 * PAGE);
	expect_bytes(fd, 3 * PAGE, 3 * PAGE, 0);
}

static void seek_holes(void)
{
	const off_t far = 1 << 20;
	int fd = fs_open("f", O_RDWR | O_CREAT, 0600);

	EQ(pwrite(fd, "x", 1, far), 1);
	OK(fsync(fd));
	ERR(lseek(fd, far + 1, SEEK_DATA), ENXIO);
	ERR(lseek(fd, far + 1, SEEK_HOLE), ENXIO);
	EQ(lseek(fd, far, SEEK_HOLE), far + 1);
	EQ(lseek(fd, far, SEEK_DATA), far);
	if (!fs_profile->holes)
		return;
	EQ(lseek(fd, 0, SEEK_HOLE), 0);
	EQ(lseek(fd, 0, SEEK_DATA), far);
}

static void copy_range(void)
{
	unsigned char *buf = fs_alloc(300000);
	int in = fs_open("in", O_RDWR | O_CREAT, 0600);
	int out = fs_open("out", O_RDWR | O_CREAT, 0600);
	loff_t from = 1000, to = 5000;
	size_t left = 250000;

	fs_fill(buf, 300000, 0, 1);
	EQ(write(in, buf, 300000), 300000);
	while (left > 0) {
		long n = OK(copy_file_range(in, &from, out, &to, left, 0));

		TRUE(n > 0);
		left -= (size_t)n;
	}
	EQ(from, 251000);
	EQ(to, 255000);
	EQ(fs_stat("out").st_size, 255000);
	EQ(pread(out, buf, 250000, 5000), 250000);
	fs_check(buf, 250000, 1000, 1);
	from = 300000;
	EQ(copy_file_range(in, &from, out, &to, 10, 0), 0);
}

static void copy_range_errors(void)
{
	int fd = full_file(2), ro;
	loff_t from = 0, to = 100;

	ERR(copy_file_range(fd, &from, fd, &to, 200, 0), EINVAL);
	ERR(copy_file_range(fd, &from, fd, &to, 10, 1), EINVAL);
	ro = fs_open("f", O_RDONLY, 0);
	ERR(copy_file_range(fd, &from, ro, &to, 10, 0), EBADF);
	to = 4096;
	EQ(copy_file_range(fd, &from, fd, &to, 4096, 0), 4096);
}

static void space_statfs(void)
{
	struct statvfs v, w;
	int fd = fs_open("f", O_RDWR | O_CREAT, 0600);

	OK(statvfs(".", &v));
	TRUE(v.f_bsize >= 512 && v.f_frsize >= 512);
	TRUE(v.f_blocks > 0 && v.f_bfree <= v.f_blocks && v.f_bavail <= v.f_blocks);
	TRUE(v.f_ffree <= v.f_files);
	TRUE(v.f_namemax >= 255);
	OK(fstatvfs(fd, &w));
	EQ(w.f_blocks, v.f_blocks);
}

const struct fs_case fs_cases_space[] = {
	{ "alloc_extends", alloc_extends },
	{ "alloc_errors", alloc_errors },
	{ "alloc_punch", alloc_punch },
	{ "alloc_zero", alloc_zero },
	{ "seek_holes", seek_holes },
	{ "copy_range", copy_range },
	{ "copy_range_errors", copy_range_errors },
	{ "space_statfs", space_statfs },
	{ NULL, NULL },
};
