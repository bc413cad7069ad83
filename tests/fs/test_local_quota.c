/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The local back end on a file system with project quotas: the quota shows in STATFS, stops the guest
 * and is handed down to what it makes. TEST_LOCAL_BASE is a directory of such a file system; without it
 * the test makes an ext4 image and mounts it, and is skipped where the kernel cannot.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/quota.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "local_fixture.h"

#define EXIT_SKIP 77
#define PROJECT 1234
#define QUOTA_KIB 4096
#define QUOTA_INODES 20
#define CHUNK 65536

#ifndef PRJQUOTA
#define PRJQUOTA 2
#endif

static struct call big;
static char image_dir[64];
static uint64_t project; /* node of the directory with the quota */

static int ioctl_dir(uint64_t fh, uint32_t flags, uint32_t cmd, struct fsxattr *fx)
{
	call_init(&big, &d, FUSE_IOCTL, ROOT);
	big.arg.ioctl = (struct fuse_ioctl_in){ .fh = fh, .cmd = cmd, .flags = flags,
						.in_size = sizeof(*fx), .out_size = sizeof(*fx) };
	call_data(&big, fx, sizeof(*fx));
	call_room(&big, sizeof(*fx));
	if (call_run(&big))
		return big.err;
	if (cmd == FS_IOC_FSGETXATTR)
		memcpy(fx, big.buf, sizeof(*fx));
	return 0;
}

static int ioctl_flags(uint64_t fh, uint32_t cmd, unsigned int *flags)
{
	call_init(&big, &d, FUSE_IOCTL, ROOT);
	big.arg.ioctl = (struct fuse_ioctl_in){ .fh = fh, .cmd = cmd, .flags = FUSE_IOCTL_DIR,
						.in_size = sizeof(*flags), .out_size = sizeof(*flags) };
	call_data(&big, flags, sizeof(*flags));
	call_room(&big, sizeof(*flags));
	if (!call_run(&big) && cmd == FS_IOC_GETFLAGS)
		memcpy(flags, big.buf, sizeof(*flags));
	return big.err;
}

static int set_quota(uint64_t kib, uint64_t inodes)
{
	struct dqblk dq = { .dqb_bhardlimit = kib, .dqb_ihardlimit = inodes,
			    .dqb_valid = QIF_LIMITS };
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	int ret = (int)syscall(SYS_quotactl_fd, fd, QCMD(Q_SETQUOTA, PRJQUOTA), PROJECT, &dq);

	close(fd);
	return ret;
}

static const struct fuse_kstatfs *statfs_of(uint64_t node)
{
	call_init(&big, &d, FUSE_STATFS, node);
	assert_int_equal(call_run(&big), 0);
	return &big.out.statfs.st;
}

/* What the guest is told of a node is what the host says of the name. */
static void assert_like_host(uint64_t node, const char *name)
{
	const struct fuse_kstatfs *st = statfs_of(node);
	struct statfs want;

	assert_int_equal(statfs(in_dir(name), &want), 0);
	assert_int_equal(st->blocks, want.f_blocks);
	assert_int_equal(st->bfree, want.f_bfree);
	assert_int_equal(st->bavail, want.f_bavail);
	assert_int_equal(st->files, want.f_files);
	assert_int_equal(st->ffree, want.f_ffree);
}

/* The guest gives a directory its project; the host its quota. */
static void test_project_id(void **state)
{
	struct fuse_entry_out e;
	struct fsxattr fx;
	uint64_t fh;
	int fd;

	assert_int_equal(op_mkdir(&d, ROOT, "p", 0777, &e), 0);
	project = e.nodeid;
	assert_int_equal(op_opendir(&d, project, &fh), 0);
	assert_int_equal(ioctl_dir(fh, FUSE_IOCTL_DIR, FS_IOC_FSGETXATTR, &fx), 0);
	assert_int_equal(fx.fsx_projid, 0);
	fx.fsx_projid = PROJECT;
	fx.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	assert_int_equal(ioctl_dir(fh, FUSE_IOCTL_DIR, FS_IOC_FSSETXATTR, &fx), 0);
	assert_int_equal(op_releasedir(&d, fh), 0);
	fd = open(in_dir("p"), O_RDONLY | O_DIRECTORY);
	assert_int_equal(ioctl(fd, FS_IOC_FSGETXATTR, &fx), 0);
	assert_int_equal(fx.fsx_projid, PROJECT);
	close(fd);
	assert_int_equal(set_quota(QUOTA_KIB, QUOTA_INODES), 0);
}

static void test_statfs(void **state)
{
	const struct fuse_kstatfs *st = statfs_of(project);
	struct fuse_entry_out e;

	assert_int_equal(st->blocks * st->bsize, (uint64_t)QUOTA_KIB << 10);
	assert_int_equal(st->files, QUOTA_INODES);
	assert_like_host(project, "p");
	assert_int_equal(op_mkdir(&d, project, "sub", 0777, &e), 0);
	assert_like_host(e.nodeid, "p/sub");
	assert_int_equal(statfs_of(e.nodeid)->blocks, statfs_of(project)->blocks);
	assert_true(statfs_of(ROOT)->blocks > statfs_of(project)->blocks);
	assert_like_host(ROOT, ".");
}

static void test_inherited(void **state)
{
	struct fuse_entry_out e;
	struct fsxattr fx;
	uint64_t fh;

	assert_int_equal(op_create(&d, project, "f", O_RDWR, S_IFREG | 0666, &e, &fh), 0);
	assert_int_equal(ioctl_dir(fh, 0, FS_IOC_FSGETXATTR, &fx), 0);
	assert_int_equal(fx.fsx_projid, PROJECT);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_mkdir(&d, project, "dir", 0777, &e), 0);
	assert_int_equal(op_opendir(&d, e.nodeid, &fh), 0);
	assert_int_equal(ioctl_dir(fh, FUSE_IOCTL_DIR, FS_IOC_FSGETXATTR, &fx), 0);
	assert_int_equal(fx.fsx_projid, PROJECT);
	assert_true(fx.fsx_xflags & FS_XFLAG_PROJINHERIT);
	assert_int_equal(op_releasedir(&d, fh), 0);
	/* What belongs to another project does not come in. */
	make_file("stranger", 0600);
	assert_int_equal(op_rename(&d, ROOT, "stranger", project, "stranger", 0), -EXDEV);
	assert_int_equal(op_unlink(&d, ROOT, "stranger"), 0);
}

/* Bytes that went into a new file before error. */
static uint64_t fill(const char *name, uint32_t flags, int *error)
{
	static const char chunk[CHUNK] = { 1 };
	struct fuse_entry_out e;
	uint64_t off = 0, fh;
	int n;

	assert_int_equal(op_create(&d, project, name, O_RDWR | flags, S_IFREG | 0666, &e, &fh), 0);
	while ((n = op_write(&d, fh, chunk, sizeof(chunk), off, 0)) > 0)
		off += (uint64_t)n;
	*error = n;
	assert_int_equal(op_release(&d, fh), 0);
	return off;
}

/* The server is root, which may write beyond any quota; the guest's root may not. */
static void test_blocks(void **state)
{
	uint64_t bytes;
	int error;

	for (int i = 0; i < 2; i++) {
		d.uid = d.gid = i ? 1000 : 0;
		bytes = fill("large", 0, &error);
		assert_int_equal(error, -EDQUOT);
		assert_true(bytes > QUOTA_KIB * 512 && bytes <= (uint64_t)QUOTA_KIB << 10);
		assert_true(statfs_of(project)->bfree * statfs_of(project)->bsize < 2 * CHUNK);
		assert_true(statfs_of(ROOT)->bfree * statfs_of(ROOT)->bsize > CHUNK);
		assert_int_equal(op_unlink(&d, project, "large"), 0);
	}
	d.uid = d.gid = 0;
}

static void test_inodes(void **state)
{
	struct fuse_entry_out e;
	char name[16];
	int n, err;

	for (n = 0; n < 2 * QUOTA_INODES; n++) {
		snprintf(name, sizeof(name), "n%d", n);
		d.uid = d.gid = n % 2 ? 1000 : 0;
		err = op_mkdir(&d, project, name, 0755, &e);
		if (err)
			break;
	}
	d.uid = d.gid = 0;
	assert_int_equal(err, -EDQUOT);
	assert_true(n > QUOTA_INODES / 2);
	assert_int_equal(statfs_of(project)->ffree, 0);
	assert_int_equal(op_rmdir(&d, project, "n0"), 0);
	assert_int_equal(statfs_of(project)->ffree, 1);
	assert_int_equal(op_mkdir(&d, project, "n0", 0755, &e), 0);
}

/* A shared directory that the host gave a project keeps its guest in it. */
static void test_own_project_is_kept(void **state)
{
	struct fs_config cfg = { .type = "local", .dir = in_dir("p") };
	struct drive outside = d;
	struct fsxattr fx;
	unsigned int flags;
	uint64_t fh;

	drive_open_cfg(&d, &fs_local, &cfg);
	assert_int_equal(op_opendir(&d, ROOT, &fh), 0);
	assert_int_equal(ioctl_dir(fh, FUSE_IOCTL_DIR, FS_IOC_FSGETXATTR, &fx), 0);
	assert_int_equal(fx.fsx_projid, PROJECT);
	fx.fsx_projid = 0;
	assert_int_equal(ioctl_dir(fh, FUSE_IOCTL_DIR, FS_IOC_FSSETXATTR, &fx), -EPERM);
	fx.fsx_projid = PROJECT;
	fx.fsx_xflags &= ~(unsigned int)FS_XFLAG_PROJINHERIT;
	assert_int_equal(ioctl_dir(fh, FUSE_IOCTL_DIR, FS_IOC_FSSETXATTR, &fx), -EPERM);
	fx.fsx_xflags |= FS_XFLAG_PROJINHERIT | FS_XFLAG_NODUMP;
	assert_int_equal(ioctl_dir(fh, FUSE_IOCTL_DIR, FS_IOC_FSSETXATTR, &fx), 0);
	assert_int_equal(ioctl_flags(fh, FS_IOC_GETFLAGS, &flags), 0);
	assert_true(flags & FS_PROJINHERIT_FL);
	flags &= ~(unsigned int)(FS_PROJINHERIT_FL | FS_NODUMP_FL);
	assert_int_equal(ioctl_flags(fh, FS_IOC_SETFLAGS, &flags), -EPERM);
	flags |= FS_PROJINHERIT_FL;
	assert_int_equal(ioctl_flags(fh, FS_IOC_SETFLAGS, &flags), 0);
	assert_int_equal(op_releasedir(&d, fh), 0);
	drive_close(&d);
	d = outside;
}

/* An ext4 of our own below image_dir; false: not on this machine. */
static bool mount_image(void)
{
	char cmd[512];

	snprintf(image_dir, sizeof(image_dir), "/tmp/test_quota.XXXXXX");
	if (!mkdtemp(image_dir))
		return false;
	snprintf(cmd, sizeof(cmd),
		 "cd %s && truncate -s 32M image && mkdir mnt && "
		 "mkfs.ext4 -q -F -O quota,project -E quotatype=prjquota image >/dev/null 2>&1 && "
		 "mount -o loop,prjquota image mnt 2>/dev/null",
		 image_dir);
	return system(cmd) == 0;
}

static void remove_image(void)
{
	char cmd[256];

	if (!image_dir[0])
		return;
	snprintf(cmd, sizeof(cmd), "umount -l %s/mnt 2>/dev/null; rm -rf %s", image_dir, image_dir);
	if (system(cmd))
		fprintf(stderr, "%s is left\n", image_dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_project_id), cmocka_unit_test(test_statfs),
		cmocka_unit_test(test_inherited),  cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_inodes),	   cmocka_unit_test(test_own_project_is_kept),
	};
	char base[80];
	int ret;

	if (!getenv("TEST_LOCAL_BASE")) {
		if (!mount_image()) {
			remove_image();
			return EXIT_SKIP;
		}
		snprintf(base, sizeof(base), "%s/mnt", image_dir);
		setenv("TEST_LOCAL_BASE", base, 1);
	}
	ret = cmocka_run_group_tests(tests, local_setup, local_teardown);
	remove_image();
	return ret;
}
