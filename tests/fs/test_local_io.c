/* SPDX-License-Identifier: BSD-3-Clause */
/* The local back end: open files, their data and everything that waits. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/local/local.h"
#include "local_fixture.h"

static struct call big; /* for the operations without a helper */

static void test_data(void **state)
{
	struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = 04755 };
	static char wr[CALL_ROOM], rd[CALL_ROOM];
	uint64_t node = make_file("data", 0755);
	struct fuse_attr attr;
	uint64_t fh, app;

	for (size_t i = 0; i < sizeof(wr); i++)
		wr[i] = (char)(i * 7 + (i >> 8));
	assert_int_equal(op_open(&d, node, O_RDWR, &fh), 0);
	assert_int_equal(op_write(&d, fh, wr, sizeof(wr), 0, 0), sizeof(wr));
	assert_int_equal(op_read(&d, fh, rd, sizeof(rd), 0), sizeof(rd));
	assert_memory_equal(wr, rd, sizeof(rd));
	/* Up to and behind the end. */
	assert_int_equal(op_read(&d, fh, rd, 4096, sizeof(wr) - 100), 100);
	assert_memory_equal(rd, wr + sizeof(wr) - 100, 100);
	assert_int_equal(op_read(&d, fh, rd, 4096, 1u << 20), 0);
	/* O_APPEND: the guest's offset counts. */
	assert_int_equal(op_open(&d, node, O_WRONLY | O_APPEND, &app), 0);
	assert_int_equal(op_write(&d, app, "XY", 2, 10, 0), 2);
	assert_int_equal(op_getattr(&d, node, &attr), 0);
	assert_int_equal(attr.size, sizeof(wr));
	assert_int_equal(op_read(&d, app, rd, 10, 0), -EBADF);
	/* Setuid goes exactly when the guest says so. */
	assert_int_equal(op_setattr(&d, node, &in, &attr), 0);
	assert_int_equal(op_write(&d, fh, "a", 1, 0, 0), 1);
	assert_int_equal(op_getattr(&d, node, &attr), 0);
	assert_int_equal(attr.mode & 07777, 04755);
	assert_int_equal(op_write(&d, fh, "a", 1, 0, FUSE_WRITE_KILL_SUIDGID), 1);
	assert_int_equal(op_getattr(&d, node, &attr), 0);
	assert_int_equal(attr.mode & 07777, 0755);
	assert_int_equal(op_release(&d, app), 0);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_open(&d, node, O_RDONLY | O_TRUNC, &fh), 0);
	assert_int_equal(op_getattr(&d, node, &attr), 0);
	assert_int_equal(attr.size, 0);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_unlink(&d, ROOT, "data"), 0);
}

/* Files opened O_SYNC write through the ring, with the personality where setuid must go. */
static void test_data_ring(void **state)
{
	struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = 06755 };
	uint64_t node = make_file("sync", 0755);
	struct fuse_attr attr;
	char buf[16];
	uint64_t fh;

	assert_int_equal(op_open(&d, node, O_RDWR | O_SYNC, &fh), 0);
	assert_int_equal(op_setattr(&d, node, &in, &attr), 0);
	assert_int_equal(op_write(&d, fh, "one", 3, 0, 0), 3);
	assert_int_equal(op_getattr(&d, node, &attr), 0);
	assert_int_equal(attr.mode & 07777, 06755);
	assert_int_equal(op_write(&d, fh, "two", 3, 3, FUSE_WRITE_KILL_SUIDGID), 3);
	assert_int_equal(op_getattr(&d, node, &attr), 0);
	assert_int_equal(attr.mode & 07777, 0755);
	assert_int_equal(op_read(&d, fh, buf, sizeof(buf), 0), 6);
	assert_memory_equal(buf, "onetwo", 6);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_unlink(&d, ROOT, "sync"), 0);
}

/*
 * A page cache miss goes to the ring; several segments, and room that is larger than the size asked
 * for.
 */
static void test_data_cold(void **state)
{
	static char wr[CALL_ROOM];
	char a[5000], b[100], c3[60000];
	struct iovec iov[3] = { { a, sizeof(a) }, { b, sizeof(b) }, { c3, sizeof(c3) } };
	uint64_t node = make_file("cold", 0644);
	struct call *c = &big;
	uint64_t fh;
	int fd;

	memset(wr, 0x5a, sizeof(wr));
	wr[5050] = 1;
	assert_int_equal(op_open(&d, node, O_RDWR, &fh), 0);
	assert_int_equal(op_write(&d, fh, wr, sizeof(wr), 0, 0), sizeof(wr));
	fd = open(in_dir("cold"), O_RDONLY);
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	call_init(c, &d, FUSE_READ, node);
	c->arg.read = (struct fuse_read_in){ .fh = fh, .size = 20000 };
	c->req.room = iov;
	c->req.room_cnt = 3;
	c->req.room_len = sizeof(a) + sizeof(b) + sizeof(c3);
	memset(c3, 0, sizeof(c3));
	assert_int_equal(call_run(c), 0);
	assert_int_equal(c->req.out_len, 20000);
	assert_memory_equal(a, wr, sizeof(a));
	assert_memory_equal(b, wr + 5000, sizeof(b));
	assert_memory_equal(c3, wr + 5100, 20000 - 5100);
	assert_int_equal(c3[20000 - 5100], 0);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_unlink(&d, ROOT, "cold"), 0);
}

static void test_bad_handles(void **state)
{
	uint64_t fh, stale, dfh, node = make_file("h", 0644);
	char buf[8];

	assert_int_equal(op_open(&d, node, O_RDWR, &stale), 0);
	assert_int_equal(op_release(&d, stale), 0);
	assert_int_equal(op_open(&d, node, O_RDWR, &fh), 0);
	assert_int_not_equal(fh, stale);
	assert_int_equal(op_read(&d, stale, buf, 8, 0), -EBADF);
	assert_int_equal(op_read(&d, 0, buf, 8, 0), -EBADF);
	assert_int_equal(op_read(&d, UINT64_MAX, buf, 8, 0), -EBADF);
	assert_int_equal(op_read(&d, fh + (1ull << 32), buf, 8, 0), -EBADF);
	assert_int_equal(op_opendir(&d, ROOT, &dfh), 0);
	assert_int_equal(op_read(&d, dfh, buf, 8, 0), -EBADF);
	assert_int_equal(op_releasedir(&d, fh), -EBADF);
	assert_int_equal(op_release(&d, dfh), -EBADF);
	assert_int_equal(op_releasedir(&d, dfh), 0);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_unlink(&d, ROOT, "h"), 0);
}

static int fh_call(uint32_t op, uint64_t fh)
{
	struct call *c = &big;

	call_init(c, &d, op, ROOT);
	c->arg.flush.fh = fh; /* first member of all these */
	return call_run(c);
}

static void test_sync_and_space(void **state)
{
	uint64_t fh, fh2, node = make_file("sp", 0644);
	struct fuse_attr attr;
	struct call *c = &big;
	char buf[4];

	assert_int_equal(op_open(&d, node, O_RDWR, &fh), 0);
	assert_int_equal(fh_call(FUSE_FLUSH, fh), 0);
	assert_int_equal(fh_call(FUSE_FSYNC, fh), 0);
	assert_int_equal(fh_call(FUSE_FSYNC, 77), -EBADF);
	assert_int_equal(fh_call(FUSE_SYNCFS, 0), 0);
	assert_int_equal(op_opendir(&d, ROOT, &fh2), 0);
	assert_int_equal(fh_call(FUSE_FSYNCDIR, fh2), 0);
	assert_int_equal(fh_call(FUSE_FSYNC, fh2), -EBADF);
	assert_int_equal(op_releasedir(&d, fh2), 0);
	call_init(c, &d, FUSE_FALLOCATE, node);
	c->arg.fallocate = (struct fuse_fallocate_in){ .fh = fh, .length = 1 << 20 };
	assert_int_equal(call_run(c), 0);
	assert_int_equal(op_getattr(&d, node, &attr), 0);
	assert_int_equal(attr.size, 1 << 20);
	assert_true(attr.blocks >= 2048);
	call_init(c, &d, FUSE_FALLOCATE, node);
	c->arg.fallocate = (struct fuse_fallocate_in){ .fh = fh, .length = 1 << 20,
		.mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE };
	assert_int_equal(call_run(c), 0);
	assert_int_equal(op_write(&d, fh, "data", 4, 512 << 10, 0), 4);
	call_init(c, &d, FUSE_LSEEK, node);
	c->arg.lseek = (struct fuse_lseek_in){ .fh = fh, .whence = SEEK_DATA };
	assert_int_equal(call_run(c), 0);
	assert_int_equal(c->out.sought.offset, 512 << 10);
	call_init(c, &d, FUSE_LSEEK, node);
	c->arg.lseek = (struct fuse_lseek_in){ .fh = fh, .offset = 1 << 20, .whence = SEEK_DATA };
	assert_int_equal(call_run(c), -ENXIO);
	/* Large enough for the worker. */
	assert_int_equal(op_create(&d, ROOT, "cp", O_RDWR, 0644, NULL, &fh2), 0);
	call_init(c, &d, FUSE_COPY_FILE_RANGE, node);
	c->arg.copy = (struct fuse_copy_file_range_in){ .fh_in = fh, .fh_out = fh2,
							.len = 1 << 20 };
	assert_int_equal(call_run(c), 0);
	assert_int_equal(c->out.written.size, 1 << 20);
	assert_int_equal(op_read(&d, fh2, buf, 4, 512 << 10), 4);
	assert_memory_equal(buf, "data", 4);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_release(&d, fh2), 0);
	call_init(c, &d, FUSE_STATFS, ROOT);
	assert_int_equal(call_run(c), 0);
	assert_true(c->out.statfs.st.blocks > 0 && c->out.statfs.st.namelen >= 255);
}

static void test_ioctl(void **state)
{
	uint64_t fh, node = make_file("io", 0644);
	struct call *c = &big;
	int flags, err;

	assert_int_equal(op_open(&d, node, O_RDWR, &fh), 0);
	call_init(c, &d, FUSE_IOCTL, node);
	c->arg.ioctl = (struct fuse_ioctl_in){ .fh = fh, .cmd = FS_IOC_GETFLAGS, .out_size = 8 };
	call_room(c, 8);
	err = call_run(c);
	if (!err) {
		assert_int_equal(c->req.out_len, sizeof(flags));
		memcpy(&flags, c->buf, sizeof(flags));
		assert_int_equal(flags & FS_IMMUTABLE_FL, 0);
	} else {
		assert_int_equal(err, -ENOTTY); /* a file system without flags */
	}
	call_init(c, &d, FUSE_IOCTL, node);
	c->arg.ioctl = (struct fuse_ioctl_in){ .fh = fh, .cmd = FIFREEZE };
	assert_int_equal(call_run(c), -ENOTTY);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_unlink(&d, ROOT, "io"), 0);
}

/* As much as INIT allows, in the pages of a guest. */
static void test_largest(void **state)
{
	uint64_t fh, node = make_file("large", 0644);
	size_t len = d.fs->max_io, nr = len / 4096;
	struct iovec *iov = calloc(nr, sizeof(*iov));
	char *bytes = malloc(2 * len);
	struct call *c = &big;

	assert_true(nr <= LOCAL_IOV_MAX);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)(i * 31 + (i >> 12));
	assert_int_equal(op_open(&d, node, O_RDWR, &fh), 0);
	for (int read = 0; read < 2; read++) {
		for (size_t i = 0; i < nr; i++)
			iov[i] = (struct iovec){ bytes + read * len + i * 4096, 4096 };
		call_init(c, &d, read ? FUSE_READ : FUSE_WRITE, node);
		if (read)
			c->arg.read = (struct fuse_read_in){ .fh = fh, .size = (uint32_t)len };
		else
			c->arg.write = (struct fuse_write_in){ .fh = fh, .size = (uint32_t)len };
		c->req.data = c->req.room = iov;
		c->req.data_cnt = c->req.room_cnt = (int)nr;
		c->req.data_len = c->req.room_len = len;
		assert_int_equal(call_run(c), 0);
	}
	assert_int_equal(c->req.out_len, len);
	assert_memory_equal(bytes, bytes + len, len);
	free(bytes);
	free(iov);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_unlink(&d, ROOT, "large"), 0);
}

/* After a slow removal others are the workers' business; the same answers. */
static void test_removals_in_workers(void **state)
{
	struct local_thread *t = container_of(d.ft, struct local_thread, ft);
	struct fuse_entry_out e;
	static struct call many[8];
	char name[8][8];

	assert_int_equal(op_mkdir(&d, ROOT, "rw", 0755, &e), 0);
	for (int i = 0; i < 8; i++) {
		snprintf(name[i], sizeof(name[i]), "f%d", i);
		assert_int_equal(op_create(&d, e.nodeid, name[i], O_RDWR, 0600, NULL, NULL), 0);
	}
	t->cold = 12;
	assert_int_equal(op_rmdir(&d, ROOT, "rw"), -ENOTEMPTY);
	assert_int_equal(op_unlink(&d, e.nodeid, "none"), -ENOENT);
	assert_int_equal(op_unlink(&d, e.nodeid, "."), -EINVAL);
	for (int i = 0; i < 8; i++) {
		call_init(&many[i], &d, FUSE_UNLINK, e.nodeid);
		many[i].req.name[0] = name[i];
		call_start(&many[i]);
	}
	for (int i = 0; i < 8; i++)
		assert_int_equal(call_wait(&many[i]), 0);
	assert_in_range(t->worker.nr, 1, LOCAL_WORKERS);
	assert_int_equal(op_rmdir(&d, ROOT, "rw"), 0);
	assert_true(t->cold <= 1 || t->cold > 20); /* one may have been slow */
	t->cold = 0;
}

static void test_requests_pass_a_slow_one(void **state)
{
	static char block[1 << 16];
	uint64_t fh, node = make_file("slow", 0644);
	struct call *c = &big;
	struct fuse_attr attr;

	memset(block, 1, sizeof(block));
	assert_int_equal(op_open(&d, node, O_RDWR, &fh), 0);
	for (uint64_t i = 0; i < 64; i++)
		assert_int_equal(op_write(&d, fh, block, sizeof(block), i * sizeof(block), 0),
				 sizeof(block));
	call_init(c, &d, FUSE_FSYNC, node);
	c->arg.fsync.fh = fh;
	call_start(c);
	assert_int_equal(c->done, 0);
	assert_int_equal(op_getattr(&d, node, &attr), 0);
	/* RELEASE while it runs: the descriptor stays until it is done. */
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(call_wait(c), 0);
	assert_int_equal(op_unlink(&d, ROOT, "slow"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_data_ring),
		cmocka_unit_test(test_data_cold),
		cmocka_unit_test(test_bad_handles),
		cmocka_unit_test(test_sync_and_space),
		cmocka_unit_test(test_ioctl),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_removals_in_workers),
		cmocka_unit_test(test_requests_pass_a_slow_one),
	};

	if (geteuid())
		return 77; /* setuid bits survive a write only of root */
	return cmocka_run_group_tests(tests, local_setup, local_teardown);
}
