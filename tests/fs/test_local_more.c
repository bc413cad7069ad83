/* SPDX-License-Identifier: BSD-3-Clause */
/* The local back end: what newer kernels ask for beyond the classic operations. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "local_fixture.h"

#define OWN_GROUP 4321
#define LINKS_MOST 66000 /* ext4 has 65000 */

static struct call big; /* for the operations without a helper */

static void assert_time(const struct fuse_sx_time *t, const struct statx_timestamp *want)
{
	assert_int_equal(t->tv_sec, want->tv_sec);
	assert_int_equal(t->tv_nsec, want->tv_nsec);
}

static void test_statx(void **state)
{
	uint64_t node = make_file("sx", 0640), fh;
	struct fuse_statx *got = &big.out.statx.stat;
	struct statx stx;

	assert_int_equal(op_open(&d, node, O_RDWR, &fh), 0);
	assert_int_equal(op_write(&d, fh, "12345", 5, 0, 0), 5);
	assert_int_equal(statx(AT_FDCWD, in_dir("sx"), 0, STATX_BASIC_STATS | STATX_BTIME, &stx), 0);
	for (uint32_t flags = 0; flags <= FUSE_GETATTR_FH; flags += FUSE_GETATTR_FH) {
		call_init(&big, &d, FUSE_STATX, node);
		big.arg.statx = (struct fuse_statx_in){ .getattr_flags = flags, .fh = fh,
							.sx_mask = STATX_BASIC_STATS | STATX_BTIME };
		assert_int_equal(call_run(&big), 0);
		assert_int_equal(got->mask, stx.stx_mask & ~(uint32_t)STATX_MNT_ID);
		assert_int_equal(got->mode, S_IFREG | 0640);
		assert_int_equal(got->size, 5);
		assert_int_equal(got->ino, stx.stx_ino);
		assert_int_equal(got->nlink, 1);
		assert_int_equal(got->blksize, stx.stx_blksize);
		assert_int_equal(makedev(got->dev_major, got->dev_minor),
				 makedev(stx.stx_dev_major, stx.stx_dev_minor));
		assert_int_equal(got->attributes, stx.stx_attributes);
		assert_time(&got->btime, &stx.stx_btime);
		assert_time(&got->mtime, &stx.stx_mtime);
		assert_time(&got->ctime, &stx.stx_ctime);
		assert_time(&got->atime, &stx.stx_atime);
		assert_int_equal(big.out.statx.attr_valid, 1);
	}
	call_init(&big, &d, FUSE_STATX, node);
	big.arg.statx.sx_flags = AT_SYMLINK_FOLLOW;
	assert_int_equal(call_run(&big), -EINVAL);
	call_init(&big, &d, FUSE_STATX, 99999);
	assert_int_equal(call_run(&big), -ESTALE);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_unlink(&d, ROOT, "sx"), 0);
}

static int tmpfile_run(uint32_t flags, uid_t uid)
{
	d.uid = d.gid = uid;
	call_init(&big, &d, FUSE_TMPFILE, ROOT);
	big.req.name[0] = "/";
	big.arg.create = (struct fuse_create_in){ .flags = O_RDWR | flags, .mode = S_IFREG | 0640 };
	d.uid = d.gid = 0;
	return call_run(&big);
}

static int link_run(uint64_t old, const char *name)
{
	call_init(&big, &d, FUSE_LINK, ROOT);
	big.req.name[0] = name;
	big.arg.link.oldnodeid = old;
	return call_run(&big);
}

static void test_tmpfile(void **state)
{
	uint64_t node, fh;
	char buf[8];
	int err = tmpfile_run(0, 1234);

	if (err == -EOPNOTSUPP)
		skip();
	assert_int_equal(err, 0);
	node = big.out.entry.nodeid;
	fh = big.create_open.fh;
	assert_int_equal(big.out.entry.attr.nlink, 0);
	assert_int_equal(big.out.entry.attr.uid, 1234);
	assert_int_equal(big.out.entry.attr.mode, S_IFREG | 0640);
	assert_int_equal(op_write(&d, fh, "named", 5, 0, 0), 5);
	assert_int_equal(link_run(node, "later"), 0);
	assert_int_equal(big.out.entry.nodeid, node);
	assert_int_equal(big.out.entry.attr.nlink, 1);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_open(&d, node, O_RDONLY, &fh), 0);
	assert_int_equal(op_read(&d, fh, buf, 8, 0), 5);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_unlink(&d, ROOT, "later"), 0);
	/* O_EXCL: it shall never have a name. */
	assert_int_equal(tmpfile_run(O_EXCL, 0), 0);
	node = big.out.entry.nodeid;
	fh = big.create_open.fh;
	assert_int_equal(link_run(node, "never"), -ENOENT);
	assert_int_equal(op_release(&d, fh), 0);
	op_forget(&d, node, 1);
}

static void copy_call(uint32_t op, uint64_t in, uint64_t out, uint64_t off, uint64_t len)
{
	call_init(&big, &d, op, ROOT);
	big.arg.copy = (struct fuse_copy_file_range_in){ .fh_in = in, .fh_out = out,
							 .off_in = off, .len = len };
}

static void test_copy_file_range_64(void **state)
{
	uint64_t from = make_file("cf", 0600), to = make_file("ct", 0600), in, out;
	struct fuse_attr attr;

	assert_int_equal(op_open(&d, from, O_RDWR, &in), 0);
	assert_int_equal(op_open(&d, to, O_RDWR, &out), 0);
	assert_int_equal(op_write(&d, in, "0123456789", 10, 0, 0), 10);
	/* More than 32 bits asked for, by both requests. */
	copy_call(FUSE_COPY_FILE_RANGE_64, in, out, 2, 1ull << 40);
	assert_int_equal(call_run(&big), 0);
	assert_int_equal(big.out.copied.bytes_copied, 8);
	copy_call(FUSE_COPY_FILE_RANGE, in, out, 4, 1ull << 40);
	assert_int_equal(call_run(&big), 0);
	assert_int_equal(big.out.written.size, 6);
	assert_int_equal(op_getattr(&d, to, &attr), 0);
	assert_int_equal(attr.size, 8);
	copy_call(FUSE_COPY_FILE_RANGE_64, in, 12345, 0, 10);
	assert_int_equal(call_run(&big), -EBADF);
	assert_int_equal(op_release(&d, in), 0);
	assert_int_equal(op_release(&d, out), 0);
	assert_int_equal(op_unlink(&d, ROOT, "cf"), 0);
	assert_int_equal(op_unlink(&d, ROOT, "ct"), 0);
}

static int ioctl_run(uint64_t fh, uint32_t cmd, const void *in, uint32_t in_size, uint32_t out_size)
{
	call_init(&big, &d, FUSE_IOCTL, ROOT);
	big.arg.ioctl = (struct fuse_ioctl_in){ .fh = fh, .cmd = cmd, .in_size = in_size,
						.out_size = out_size };
	call_data(&big, in, in_size);
	call_room(&big, out_size);
	return call_run(&big);
}

/* Linux' own lsattr, chattr and quota tools: an int for the flags, whatever the number says. */
static void test_file_attributes(void **state)
{
	uint64_t node = make_file("fa", 0600), fh;
	struct fsxattr fx;
	int flags, err;

	assert_int_equal(op_open(&d, node, O_RDWR, &fh), 0);
	err = ioctl_run(fh, FS_IOC_GETFLAGS, NULL, 0, sizeof(flags));
	if (err == -ENOTTY || err == -EOPNOTSUPP) {
		op_release(&d, fh);
		op_unlink(&d, ROOT, "fa");
		skip();
	}
	assert_int_equal(err, 0);
	assert_int_equal(big.req.out_len, sizeof(flags));
	memcpy(&flags, big.buf, sizeof(flags));
	flags |= FS_NODUMP_FL;
	assert_int_equal(ioctl_run(fh, FS_IOC_SETFLAGS, &flags, sizeof(flags), 0), 0);
	assert_int_equal(ioctl_run(fh, FS_IOC_FSGETXATTR, NULL, 0, sizeof(fx)), 0);
	memcpy(&fx, big.buf, sizeof(fx));
	assert_true(fx.fsx_xflags & FS_XFLAG_NODUMP);
	fx.fsx_xflags &= ~(uint32_t)FS_XFLAG_NODUMP;
	assert_int_equal(ioctl_run(fh, FS_IOC_FSSETXATTR, &fx, sizeof(fx), 0), 0);
	assert_int_equal(ioctl_run(fh, FS_IOC_GETFLAGS, NULL, 0, sizeof(flags)), 0);
	memcpy(&flags, big.buf, sizeof(flags));
	assert_int_equal(flags & FS_NODUMP_FL, 0);
	assert_int_equal(ioctl_run(fh, FS_IOC_SETFLAGS, &flags, 2, 0), -EINVAL);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_unlink(&d, ROOT, "fa"), 0);
}

static int fallocate_run(uint64_t fh, uint32_t mode, uint64_t off, uint64_t len)
{
	call_init(&big, &d, FUSE_FALLOCATE, ROOT);
	big.arg.fallocate = (struct fuse_fallocate_in){ .fh = fh, .mode = mode, .offset = off,
							.length = len };
	return call_run(&big);
}

/* Every mode the host has gets there, and its refusals come back. */
static void test_fallocate_modes(void **state)
{
	static const uint32_t modes[] = {
		0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE,
	};
	uint64_t node = make_file("fal", 0600), fh;
	int host = open(in_dir("hostfal"), O_RDWR | O_CREAT, 0600);
	struct fuse_attr attr;
	struct stat st;

	assert_int_equal(op_open(&d, node, O_RDWR, &fh), 0);
	assert_int_equal(fallocate_run(fh, 0, 0, 1 << 20), 0);
	assert_int_equal(fallocate(host, 0, 0, 1 << 20), 0);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		int want = fallocate(host, (int)modes[i], 65536, 65536) ? -errno : 0;

		assert_int_equal(fallocate_run(fh, modes[i], 65536, 65536), want);
		assert_int_equal(fstat(host, &st), 0);
		assert_int_equal(op_getattr(&d, node, &attr), 0);
		assert_int_equal(attr.size, st.st_size);
		assert_int_equal(attr.blocks, st.st_blocks);
	}
	assert_int_equal(fallocate_run(fh, 0x8000, 0, 4096), -EOPNOTSUPP);
	close(host);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_unlink(&d, ROOT, "fal"), 0);
	assert_int_equal(op_unlink(&d, ROOT, "hostfal"), 0);
}

/* Who looked a name up just before another file took it still opens what it found. */
static void test_replaced(void **state)
{
	uint64_t old = make_file("target", 0644), fh;
	struct fuse_entry_out e;

	make_file("other", 0644);
	assert_int_equal(op_rename(&d, ROOT, "other", ROOT, "target", 0), 0);
	assert_int_equal(op_lookup(&d, ROOT, "target", &e), 0);
	assert_int_not_equal(e.nodeid, old);
	assert_int_equal(op_open(&d, old, O_RDONLY, &fh), 0);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_unlink(&d, ROOT, "target"), 0);
}

/* More names than the file system lets a file have: EMLINK. link(2) on the host makes all but the last. */
static void test_links_most(void **state)
{
	uint64_t node = make_file("l", 0644);
	struct fuse_entry_out e;
	char name[32];
	int n = 0;

	assert_int_equal(op_mkdir(&d, ROOT, "ls", 0755, &e), 0);
	do {
		snprintf(name, sizeof(name), "ls/%d", n);
	} while (!link(in_dir("l"), in_dir(name)) && ++n < LINKS_MOST);
	if (n < LINKS_MOST) {
		assert_int_equal(errno, EMLINK);
		assert_int_equal(link_run(node, "one too many"), -EMLINK);
		assert_int_equal(op_unlink(&d, e.nodeid, "0"), 0);
		assert_int_equal(link_run(node, "the last"), 0);
		assert_int_equal(big.out.entry.attr.nlink, n + 1);
		assert_int_equal(op_unlink(&d, ROOT, "the last"), 0);
	}
	assert_int_equal(op_unlink(&d, ROOT, "l"), 0);
}

static void test_whiteout(void **state)
{
	struct fuse_entry_out e;
	uint64_t node = make_file("wo", 0600);
	int err = op_rename(&d, ROOT, "wo", ROOT, "wn", RENAME_WHITEOUT);

	if (err == -EINVAL) { /* the file system has no such thing */
		op_unlink(&d, ROOT, "wo");
		skip();
	}
	assert_int_equal(err, 0);
	assert_int_equal(op_lookup(&d, ROOT, "wn", &e), 0);
	assert_int_equal(e.nodeid, node);
	assert_int_equal(op_lookup(&d, ROOT, "wo", &e), 0);
	assert_int_equal(e.attr.mode & S_IFMT, S_IFCHR);
	assert_int_equal(e.attr.rdev, 0);
	assert_int_equal(op_rename(&d, ROOT, "wo", ROOT, "x", RENAME_NOREPLACE | RENAME_EXCHANGE),
			 -EINVAL);
	assert_int_equal(op_unlink(&d, ROOT, "wo"), 0);
	assert_int_equal(op_unlink(&d, ROOT, "wn"), 0);
}

/* Nodes found by number and time of birth: another inode with the number is another node. */
static void test_number_used_again(void **state)
{
	const struct timespec pause = { .tv_nsec = 60000000 };
	struct fuse_entry_out e;
	struct fuse_attr attr;
	struct stat old, st;

	for (int round = 0; round < 4; round++) {
		close(open(in_dir("num"), O_CREAT | O_WRONLY | O_EXCL, 0600));
		assert_int_equal(stat(in_dir("num"), &old), 0);
		for (int again = 0; again < 3; again++) {
			nanosleep(&pause, NULL);
			assert_int_equal(op_lookup(&d, ROOT, "num", &e), 0);
			assert_int_equal(e.attr.ino, old.st_ino);
		}
		assert_int_equal(unlink(in_dir("num")), 0);
		/* ext4 gives the number to the next file at once. */
		close(open(in_dir("num"), O_CREAT | O_WRONLY | O_EXCL, 0640));
		assert_int_equal(stat(in_dir("num"), &st), 0);
		assert_int_equal(op_getattr(&d, e.nodeid, &attr), -ESTALE);
		attr.ino = e.nodeid;
		assert_int_equal(op_lookup(&d, ROOT, "num", &e), 0);
		assert_int_not_equal(e.nodeid, attr.ino);
		assert_int_equal(e.attr.mode, S_IFREG | 0640);
		assert_int_equal(op_getattr(&d, e.nodeid, &attr), 0);
		assert_int_equal(unlink(in_dir("num")), 0);
	}
}

/* What the requests do not say, and an ordinary user's system call would do or see. */
static void test_ordinary_users(void **state)
{
	uint64_t from = make_file("of", 0600), to = make_file("ot", 0600), in, out;
	struct stat st;

	assert_int_equal(op_open(&d, from, O_RDWR, &in), 0);
	assert_int_equal(op_open(&d, to, O_RDWR, &out), 0);
	assert_int_equal(op_write(&d, in, "0123456789", 10, 0, 0), 10);
	for (uid_t uid = 0; uid <= 1234; uid += 1234) {
		mode_t want = uid ? 0777 : 06777;

		d.uid = uid;
		d.fs->session_flags = FUSE_HANDLE_KILLPRIV_V2;
		assert_int_equal(chmod(in_dir("ot"), 06777), 0);
		assert_int_equal(fallocate_run(out, 0, 0, 4096), 0);
		assert_int_equal(stat(in_dir("ot"), &st), 0);
		assert_int_equal(st.st_mode & 07777, want);
		assert_int_equal(chmod(in_dir("ot"), 06777), 0);
		copy_call(FUSE_COPY_FILE_RANGE, in, out, 0, 10);
		assert_int_equal(call_run(&big), 0);
		assert_int_equal(stat(in_dir("ot"), &st), 0);
		assert_int_equal(st.st_mode & 07777, want);
		if (setxattr(in_dir("ot"), "trusted.t", "1", 1, 0))
			continue;
		call_init(&big, &d, FUSE_LISTXATTR, to);
		big.arg.getxattr.size = 100;
		call_room(&big, 100);
		assert_int_equal(call_run(&big), 0);
		assert_int_equal(big.req.out_len, uid ? 0 : strlen("trusted.t") + 1);
	}
	d.uid = 0;
	d.fs->session_flags = 0;
	assert_int_equal(op_release(&d, in), 0);
	assert_int_equal(op_release(&d, out), 0);
	assert_int_equal(op_unlink(&d, ROOT, "of"), 0);
	assert_int_equal(op_unlink(&d, ROOT, "ot"), 0);
}

static int lock_run(uint64_t node, uint64_t fh, uint32_t type)
{
	call_init(&big, &d, FUSE_SETLK, node);
	big.arg.lk = (struct fuse_lk_in){ .fh = fh, .owner = 1, .lk = { .end = 9, .type = type } };
	return call_run(&big);
}

static void test_append_only_and_noatime(void **state)
{
	const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	uint64_t node = make_file("ao", 0600), fh;
	int flags, fd = open(in_dir("ao"), O_RDONLY);
	struct stat st;
	char buf[4];

	assert_int_equal(op_open(&d, node, O_RDWR | O_NOATIME, &fh), 0);
	assert_int_equal(op_write(&d, fh, "abc", 3, 0, 0), 3);
	assert_int_equal(utimensat(AT_FDCWD, in_dir("ao"), old, 0), 0);
	assert_int_equal(op_read(&d, fh, buf, 3, 0), 3);
	assert_int_equal(stat(in_dir("ao"), &st), 0);
	assert_int_equal(st.st_atim.tv_sec, 1000);
	assert_int_equal(op_release(&d, fh), 0);
	if (!ioctl(fd, FS_IOC_GETFLAGS, &flags) && (flags |= FS_APPEND_FL) &&
	    !ioctl(fd, FS_IOC_SETFLAGS, &flags)) {
		assert_int_equal(op_open(&d, node, O_WRONLY, &fh), -EPERM);
		assert_int_equal(op_open(&d, node, O_WRONLY | O_APPEND, &fh), 0);
		assert_int_equal(op_write(&d, fh, "d", 1, 3, 0), 1);
		assert_int_equal(lock_run(node, fh, F_WRLCK), 0);
		assert_int_equal(lock_run(node, fh, F_UNLCK), 0);
		assert_int_equal(op_release(&d, fh), 0);
		flags ^= FS_APPEND_FL | FS_IMMUTABLE_FL;
		assert_int_equal(ioctl(fd, FS_IOC_SETFLAGS, &flags), 0);
		assert_int_equal(op_open(&d, node, O_RDONLY, &fh), 0);
		assert_int_equal(lock_run(node, fh, F_RDLCK), 0);
		assert_int_equal(lock_run(node, fh, F_UNLCK), 0);
		assert_int_equal(op_release(&d, fh), 0);
		flags &= ~FS_IMMUTABLE_FL;
		assert_int_equal(ioctl(fd, FS_IOC_SETFLAGS, &flags), 0);
		assert_int_equal(stat(in_dir("ao"), &st), 0);
		assert_int_equal(st.st_size, 4);
	}
	close(fd);
	assert_int_equal(op_unlink(&d, ROOT, "ao"), 0);
}

/* Groups this process was started with are nobody's in the guest. */
static void test_own_groups(void **state)
{
	struct fuse_entry_out e;
	uint64_t fh;
	struct stat st;

	assert_int_equal(op_mkdir(&d, ROOT, "og", 0777, &e), 0);
	assert_int_equal(chown(in_dir("og"), 0, OWN_GROUP), 0);
	assert_int_equal(chmod(in_dir("og"), 02777), 0);
	d.uid = d.gid = 1234;
	assert_int_equal(op_create(&d, e.nodeid, "f", O_RDWR, 02755, &e, &fh), 0);
	d.uid = d.gid = 0;
	assert_int_equal(stat(in_dir("og/f"), &st), 0);
	assert_int_equal(st.st_gid, OWN_GROUP);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(unlink(in_dir("og/f")), 0);
	assert_int_equal(rmdir(in_dir("og")), 0);
}

int main(void)
{
	const gid_t own = OWN_GROUP;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_statx),
		cmocka_unit_test(test_links_most),
		cmocka_unit_test(test_tmpfile),
		cmocka_unit_test(test_copy_file_range_64),
		cmocka_unit_test(test_file_attributes),
		cmocka_unit_test(test_fallocate_modes),
		cmocka_unit_test(test_whiteout),
		cmocka_unit_test(test_number_used_again),
		cmocka_unit_test(test_ordinary_users),
		cmocka_unit_test(test_append_only_and_noatime),
		cmocka_unit_test(test_own_groups),
	};

	if (geteuid() || setgroups(1, &own))
		return 77; /* handles and other owners are root's */
	return cmocka_run_group_tests(tests, local_setup, local_teardown);
}
