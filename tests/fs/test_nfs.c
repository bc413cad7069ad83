/* SPDX-License-Identifier: BSD-3-Clause */
/* The NFS back end, operation by operation, against a real server whose directory the test sees too. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "nfs_fixture.h"

static struct nfs_server server;
static struct drive d, other; /* two clients */

static const char *on_host(const char *name)
{
	return nfs_on_host(&server, name);
}

static struct stat host_stat(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(on_host(name), &st), 0);
	return st;
}

static void put_file(const char *name, const char *text, mode_t mode)
{
	assert_int_equal(nfs_put_file(on_host(name), text, mode), 0);
}

static uint64_t find(const char *name)
{
	struct fuse_entry_out e;

	assert_int_equal(op_lookup(&d, ROOT, name, &e), 0);
	return e.nodeid;
}

static uint64_t open_it(const char *name, uint32_t flags)
{
	uint64_t fh;

	assert_int_equal(op_open(&d, find(name), flags, &fh), 0);
	return fh;
}

static void as(uid_t uid, gid_t gid)
{
	d.uid = uid;
	d.gid = gid;
}

/* Names in the exported directory that begin so. */
static int count_names(const char *prefix)
{
	DIR *dir = opendir(server.dir);
	struct dirent *ent;
	int n = 0;

	assert_non_null(dir);
	while ((ent = readdir(dir)))
		n += !strncmp(ent->d_name, prefix, strlen(prefix));
	closedir(dir);
	return n;
}

/* Removals of silly names go out with the calls after a close. */
static void expect_no_silly(void)
{
	struct fuse_attr a;

	for (int i = 0; i < 100 && count_names(".nfs"); i++) {
		assert_int_equal(op_getattr(&d, ROOT, &a), 0);
		usleep(10000);
	}
	assert_int_equal(count_names(".nfs"), 0);
}

static int setup(void **state)
{
	nfs_drive(&d, server.dir, server.options);
	nfs_drive(&other, server.dir, server.options);
	return 0;
}

static int teardown(void **state)
{
	drive_close(&d);
	drive_close(&other);
	return 0;
}

/* ---- mounting ---- */

static void test_mount_errors(void **state)
{
	char err[FS_ERR_LEN], opts[160];

	assert_true(nfs_try("127.0.0.1", "/none", server.options, err) < 0);
	assert_non_null(strstr(err, "/none"));
	assert_int_equal(nfs_try("127.0.0.1", server.dir, "nfsport=1,mountport=1", err),
			 -EHOSTUNREACH);
	assert_non_null(strstr(err, "mountport=1"));
	assert_int_equal(nfs_try("no such host", server.dir, server.options, err), -EHOSTUNREACH);
	assert_non_null(strstr(err, "no such host"));
	/* A name with several addresses, of which the server has one. */
	assert_int_equal(nfs_try("localhost", server.dir, server.options, err), 0);
	snprintf(opts, sizeof(opts), "%s,rsize=4096,wsize=4096,timeo=100,sync", server.options);
	assert_int_equal(nfs_try("127.0.0.1", server.dir, opts, err), 0);
}

static void test_options(void **state)
{
	static const char *const bad[] = { "rsize", "rsize=", "rsize=1", "rsize=99999999", "wsize=-1",
					   "nfsport=65536", "nfsport= 1", "timeo=1x",
					   "sync=1", "nosuch", "=", "port=1,,x" };
	char err[FS_ERR_LEN];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(nfs_try("127.0.0.1", server.dir, bad[i], err), -EINVAL);
		assert_true(strlen(err) > 10);
	}
}

/* ---- names ---- */

static void test_lookup(void **state)
{
	char longer[300];
	struct fuse_entry_out e, again;

	put_file("a", "text", 0640);
	assert_int_equal(op_lookup(&d, ROOT, "a", &e), 0);
	assert_int_equal(e.attr.mode, S_IFREG | 0640);
	assert_int_equal(e.attr.size, 4);
	assert_int_equal(e.attr.ino, host_stat("a").st_ino);
	assert_int_equal(e.attr.mtime, host_stat("a").st_mtim.tv_sec);
	assert_int_equal(e.attr.mtimensec, host_stat("a").st_mtim.tv_nsec);
	assert_int_equal(e.attr.blocks, host_stat("a").st_blocks);
	assert_int_equal(op_lookup(&d, ROOT, "a", &again), 0);
	assert_int_equal(again.nodeid, e.nodeid);
	assert_int_equal(op_lookup(&d, ROOT, "none", &again), -ENOENT);
	assert_int_equal(op_lookup(&d, e.nodeid, "x", &again), -ENOTDIR);
	memset(longer, 'n', sizeof(longer));
	longer[256] = '\0';
	assert_int_equal(op_lookup(&d, ROOT, longer, &again), -ENAMETOOLONG);
	d.fs->cache.negative_ns = 5000000000u;
	assert_int_equal(op_lookup(&d, ROOT, "none", &again), 0);
	assert_int_equal(again.nodeid, 0);
	d.fs->cache.negative_ns = 0;
	/* Two references; a forget of too many is clamped, the root is never forgotten. */
	op_forget(&d, e.nodeid, 1);
	assert_int_equal(op_getattr(&d, e.nodeid, &e.attr), 0);
	op_forget(&d, e.nodeid, 1u << 30);
	assert_int_equal(op_getattr(&d, e.nodeid, &e.attr), -ESTALE);
	op_forget(&d, ROOT, 1000);
	assert_int_equal(op_getattr(&d, ROOT, &e.attr), 0);
}

/* Forged and stale ids, and names that are none, for every operation that takes them. */
static void test_forged(void **state)
{
	static const uint64_t ids[] = { 0, 2, 999999, 1ull << 32 | 1, UINT64_MAX };
	static const char *const names[] = { ".", "..", "a/b", "../x", "" };
	struct fuse_entry_out e;
	struct fuse_attr a;
	char buf[64];
	uint64_t fh;

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		assert_int_equal(op_getattr(&d, ids[i], &a), -ESTALE);
		assert_int_equal(op_lookup(&d, ids[i], "a", &e), -ESTALE);
		assert_int_equal(op_open(&d, ids[i], O_RDWR, &fh), -ESTALE);
		assert_int_equal(op_opendir(&d, ids[i], &fh), -ESTALE);
		assert_int_equal(op_unlink(&d, ids[i], "a"), -ESTALE);
		assert_int_equal(op_rename(&d, ROOT, "a", ids[i], "b", 0), -ESTALE);
		assert_int_equal(t_link(&d, ids[i], ROOT, "x", &e), -ESTALE);
		assert_int_equal(t_readlink(&d, ids[i], buf, 60), -ESTALE);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ids) + 1; i++) {
		fh = i < ARRAY_SIZE(ids) ? ids[i] : 1; /* 1 is nobody's among the open files */
		assert_int_equal(op_read(&d, fh, buf, 10, 0), -EBADF);
		assert_int_equal(op_write(&d, fh, buf, 10, 0, 0), -EBADF);
		assert_int_equal(t_handle_op(&d, FUSE_FSYNC, fh), -EBADF);
		assert_int_equal(t_handle_op(&d, FUSE_FLUSH, fh), -EBADF);
		assert_int_equal(t_readdir(&d, false, fh, 0, buf, 64), -EBADF);
		assert_int_equal(op_release(&d, fh), -EBADF);
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(op_lookup(&d, ROOT, names[i], &e), -EINVAL);
		assert_int_equal(op_create(&d, ROOT, names[i], O_RDWR, 0600, &e, &fh), -EINVAL);
		assert_int_equal(op_mkdir(&d, ROOT, names[i], 0700, &e), -EINVAL);
		assert_int_equal(op_unlink(&d, ROOT, names[i]), -EINVAL);
		assert_int_equal(op_rmdir(&d, ROOT, names[i]), -EINVAL);
		assert_int_equal(op_rename(&d, ROOT, names[i], ROOT, "b", 0), -EINVAL);
		assert_int_equal(op_rename(&d, ROOT, "a", ROOT, names[i], 0), -EINVAL);
		assert_int_equal(t_symlink(&d, names[i], "t", &e), -EINVAL);
		assert_int_equal(t_mknod(&d, names[i], S_IFIFO, 0, &e), -EINVAL);
	}
}

static void test_make_and_remove(void **state)
{
	struct fuse_entry_out e;
	uint64_t fh, file;

	assert_int_equal(op_mkdir(&d, ROOT, "d", 01777, &e), 0);
	assert_int_equal(e.attr.mode, S_IFDIR | 01777);
	assert_int_equal(op_mkdir(&d, ROOT, "d", 0700, &e), -EEXIST);
	assert_int_equal(op_create(&d, ROOT, "f", O_RDWR, 04751, &e, &fh), 0);
	file = e.nodeid;
	assert_int_equal(host_stat("f").st_mode, S_IFREG | 04751);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_mkdir(&d, file, "x", 0700, &e), -ENOTDIR);
	assert_int_equal(op_create(&d, file, "x", O_RDWR, 0700, &e, &fh), -ENOTDIR);
	assert_int_equal(op_unlink(&d, ROOT, "none"), -ENOENT);
	assert_int_equal(op_unlink(&d, ROOT, "d"), -EISDIR);
	assert_int_equal(op_rmdir(&d, ROOT, "f"), -ENOTDIR);
	assert_int_equal(op_rmdir(&d, ROOT, "none"), -ENOENT);
	put_file("d/in", "", 0600);
	assert_int_equal(op_rmdir(&d, ROOT, "d"), -ENOTEMPTY);
	assert_int_equal(op_unlink(&d, find("d"), "in"), 0);
	assert_int_equal(op_rmdir(&d, ROOT, "d"), 0);
	assert_int_equal(op_unlink(&d, ROOT, "f"), 0);
	assert_int_equal(access(on_host("f"), F_OK), -1);
	assert_int_equal(op_getattr(&d, file, &e.attr), -ESTALE);
}

static void test_special_files(void **state)
{
	struct fuse_entry_out e;

	assert_int_equal(t_mknod(&d, "fifo", S_IFIFO | 0640, 0, &e), 0);
	assert_int_equal(host_stat("fifo").st_mode, S_IFIFO | 0640);
	assert_int_equal(t_mknod(&d, "sock", S_IFSOCK | 0600, 0, &e), 0);
	assert_int_equal(host_stat("sock").st_mode, S_IFSOCK | 0600);
	assert_int_equal(t_mknod(&d, "reg", S_IFREG | 0600, 0, &e), 0);
	assert_int_equal(host_stat("reg").st_mode, S_IFREG | 0600);
	assert_int_equal(t_mknod(&d, "reg", S_IFREG | 0600, 0, &e), -EEXIST);
	assert_int_equal(t_mknod(&d, "fifo", S_IFIFO | 0600, 0, &e), -EEXIST);
	assert_int_equal(t_mknod(&d, "dir", S_IFDIR | 0600, 0, &e), -EOPNOTSUPP);
	/* The kernel's encoding: 12 bits of major between 8 and 12 of minor. */
	assert_int_equal(t_mknod(&d, "dev", S_IFBLK | 0600, 0x12303445, &e), 0);
	assert_int_equal(major(host_stat("dev").st_rdev), 0x34);
	assert_int_equal(minor(host_stat("dev").st_rdev), 0x12345);
	assert_int_equal(e.attr.rdev, 0x12303445);
	unlink(on_host("dev"));
	unlink(on_host("fifo"));
	unlink(on_host("sock"));
	unlink(on_host("reg"));
}

static void test_links(void **state)
{
	char target[1024], buf[4200];
	struct fuse_entry_out e;
	uint64_t file;

	put_file("f", "x", 0600);
	file = find("f");
	assert_int_equal(t_link(&d, file, ROOT, "g", &e), 0);
	assert_int_equal(e.nodeid, file);
	assert_int_equal(e.attr.nlink, 2);
	assert_int_equal(t_link(&d, file, ROOT, "g", &e), -EEXIST);
	assert_true(t_link(&d, ROOT, ROOT, "h", &e) < 0);
	assert_int_equal(t_link(&d, file, file, "h", &e), -ENOTDIR);
	assert_int_equal(op_unlink(&d, ROOT, "f"), 0);
	assert_int_equal(op_getattr(&d, file, &e.attr), 0);
	assert_int_equal(e.attr.nlink, 1);
	assert_int_equal(op_unlink(&d, ROOT, "g"), 0);

	memset(target, 't', sizeof(target));
	target[1000] = '\0';
	assert_int_equal(t_symlink(&d, "s", target, &e), 0);
	assert_int_equal(e.attr.mode & S_IFMT, S_IFLNK);
	assert_int_equal(t_readlink(&d, e.nodeid, buf, 4095), 1000);
	assert_string_equal(buf, target);
	assert_int_equal(t_readlink(&d, e.nodeid, buf, 999), -ENAMETOOLONG);
	assert_int_equal(t_symlink(&d, "s", "again", &e), -EEXIST);
	/* The server's choice; no kernel asks for it. */
	assert_in_range(-t_readlink(&d, ROOT, buf, 4095), EISDIR, EINVAL);
	assert_int_equal(op_unlink(&d, ROOT, "s"), 0);
}

static void test_rename(void **state)
{
	uint64_t dir;

	put_file("f", "f", 0600);
	put_file("g", "g", 0600);
	assert_int_equal(mkdir(on_host("d"), 0755), 0);
	assert_int_equal(mkdir(on_host("e"), 0755), 0);
	put_file("e/in", "", 0600);
	dir = find("d");
	assert_int_equal(op_rename(&d, ROOT, "f", ROOT, "g", RENAME_NOREPLACE), -EINVAL);
	assert_int_equal(op_rename(&d, ROOT, "f", ROOT, "g", RENAME_EXCHANGE), -EINVAL);
	assert_int_equal(op_rename(&d, ROOT, "none", ROOT, "g", 0), -ENOENT);
	assert_int_equal(op_rename(&d, ROOT, "f", ROOT, "d", 0), -EISDIR);
	assert_int_equal(op_rename(&d, ROOT, "d", ROOT, "f", 0), -ENOTDIR);
	assert_int_equal(op_rename(&d, ROOT, "d", ROOT, "e", 0), -ENOTEMPTY);
	assert_int_equal(op_rename(&d, ROOT, "d", dir, "in", 0), -EINVAL);
	assert_int_equal(op_rename(&d, ROOT, "f", ROOT, "g", 0), 0);
	assert_int_equal(access(on_host("f"), F_OK), -1);
	assert_int_equal(op_rename(&d, ROOT, "g", dir, "h", 0), 0);
	assert_int_equal(host_stat("d/h").st_size, 1);
	assert_int_equal(op_unlink(&d, dir, "h"), 0);
	assert_int_equal(op_unlink(&d, find("e"), "in"), 0);
	assert_int_equal(op_rename(&d, ROOT, "d", ROOT, "e", 0), 0);
	assert_int_equal(op_rmdir(&d, ROOT, "e"), 0);
}

/* ---- open files that lose their name ---- */

static void test_unlinked_open(void **state)
{
	const struct fuse_setattr_in cut = { .valid = FATTR_SIZE | FATTR_FH, .size = 3 };
	struct fuse_setattr_in in = cut;
	struct fuse_entry_out e;
	struct fuse_attr a;
	uint64_t fh, fh2;
	char buf[16];

	assert_int_equal(op_create(&d, ROOT, "u", O_RDWR, 0600, &e, &fh), 0);
	assert_int_equal(op_write(&d, fh, "before", 6, 0, 0), 6);
	assert_int_equal(op_unlink(&d, ROOT, "u"), 0);
	assert_int_equal(access(on_host("u"), F_OK), -1);
	assert_int_equal(count_names(".nfs"), 1);
	assert_int_equal(op_lookup(&d, ROOT, "u", &e), -ENOENT);
	/* The name is free for another file at once. */
	assert_int_equal(op_create(&d, ROOT, "u", O_RDWR | O_EXCL, 0600, &e, &fh2), 0);
	assert_int_equal(op_write(&d, fh2, "second", 6, 0, 0), 6);
	assert_int_equal(op_read(&d, fh, buf, 16, 0), 6);
	assert_memory_equal(buf, "before", 6);
	assert_int_equal(op_write(&d, fh, "AFTER", 5, 1, 0), 5);
	in.fh = fh;
	assert_int_equal(op_setattr(&d, ROOT, &in, &a), 0);
	assert_int_equal(a.size, 3);
	assert_int_equal(a.nlink, 0);
	assert_int_equal(t_handle_op(&d, FUSE_FSYNC, fh), 0);
	assert_int_equal(op_release(&d, fh), 0);
	expect_no_silly();
	assert_int_equal(op_unlink(&d, ROOT, "u"), 0);
	assert_int_equal(op_release(&d, fh2), 0);
	expect_no_silly();
	assert_int_equal(op_release(&d, fh2), -EBADF);
}

static void test_unlinked_open_twice(void **state)
{
	struct fuse_entry_out e;
	char name[300] = "";
	struct dirent *ent;
	uint64_t fh, fh2;
	DIR *dir;

	put_file("u", "u", 0600);
	fh = open_it("u", O_RDWR);
	fh2 = open_it("u", O_RDONLY);
	assert_int_equal(t_link(&d, find("u"), ROOT, "v", &e), 0);
	assert_int_equal(op_unlink(&d, ROOT, "u"), 0);
	assert_int_equal(op_unlink(&d, ROOT, "v"), 0);
	assert_int_equal(count_names(".nfs"), 1);
	dir = opendir(server.dir);
	while ((ent = readdir(dir)))
		if (!strncmp(ent->d_name, ".nfs", 4))
			snprintf(name, sizeof(name), "%s", ent->d_name);
	closedir(dir);
	assert_int_equal(op_unlink(&d, ROOT, name), -EBUSY);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_getattr(&d, ROOT, &e.attr), 0);
	assert_int_equal(op_read(&d, fh2, name, 1, 0), 1);
	assert_int_equal(op_release(&d, fh2), 0);
	expect_no_silly();
}

static void test_rename_over_open(void **state)
{
	char buf[8];
	uint64_t fh;

	put_file("old", "old", 0600);
	put_file("new", "new!", 0600);
	fh = open_it("old", O_RDWR);
	assert_int_equal(op_rename(&d, ROOT, "none", ROOT, "old", 0), -ENOENT);
	assert_int_equal(host_stat("old").st_size, 3); /* still there */
	expect_no_silly();
	assert_int_equal(op_rename(&d, ROOT, "new", ROOT, "old", 0), 0);
	assert_int_equal(host_stat("old").st_size, 4);
	assert_int_equal(op_read(&d, fh, buf, 8, 0), 3);
	assert_memory_equal(buf, "old", 3);
	assert_int_equal(op_release(&d, fh), 0);
	expect_no_silly();
	assert_int_equal(op_unlink(&d, ROOT, "old"), 0);
}

/* A guest that dies or restarts leaves nothing behind. */
static void test_reset(void **state)
{
	struct fuse_attr a;
	uint64_t fh, node;
	char c;

	put_file("u", "u", 0600);
	node = find("u");
	fh = open_it("u", O_RDWR);
	assert_int_equal(op_unlink(&d, ROOT, "u"), 0);
	assert_int_equal(count_names(".nfs"), 1);
	d.fs->ops->reset(d.fs);
	expect_no_silly();
	assert_int_equal(op_read(&d, fh, &c, 1, 0), -EBADF);
	assert_int_equal(op_getattr(&d, node, &a), -ESTALE);
	assert_int_equal(op_getattr(&d, ROOT, &a), 0);
}

/* ---- rights ---- */

static void test_rights(void **state)
{
	struct fuse_setattr_in in = { .valid = FATTR_UID, .uid = 1000 };
	struct fuse_entry_out e;
	uint64_t fh, secret, dir;

	put_file("secret", "s", 0600);
	assert_int_equal(mkdir(on_host("closed"), 0700), 0);
	assert_int_equal(mkdir(on_host("open"), 0777), 0);
	assert_int_equal(chmod(on_host("open"), 02777), 0);
	assert_int_equal(chown(on_host("open"), 0, 555), 0);
	assert_int_equal(chmod(on_host("open"), 02777), 0);
	secret = find("secret");
	dir = find("open");
	as(1000, 100);
	assert_int_equal(op_open(&d, secret, O_RDONLY, &fh), -EACCES);
	assert_int_equal(op_open(&d, secret, O_WRONLY, &fh), -EACCES);
	assert_int_equal(t_access(&d, secret, R_OK), -EACCES);
	assert_int_equal(t_access(&d, dir, R_OK | W_OK | X_OK), 0);
	assert_int_equal(op_setattr(&d, secret, &in, NULL), -EPERM);
	assert_int_equal(op_mkdir(&d, ROOT, "mine", 0700, &e), -EACCES);
	assert_int_equal(op_unlink(&d, ROOT, "secret"), -EACCES);
	assert_int_equal(op_rename(&d, ROOT, "secret", dir, "x", 0), -EACCES);
	assert_int_equal(op_create(&d, dir, "mine", O_RDWR | O_EXCL, 0444, &e, &fh), 0);
	assert_int_equal(e.attr.uid, 1000);
	assert_int_equal(e.attr.gid, 555); /* of the set-group-id directory */
	assert_int_equal(e.attr.mode, S_IFREG | 0444);
	/* Written by who made it, though the mode forbids, and when somebody else's page cache does it. */
	assert_int_equal(op_write(&d, fh, "x", 1, 0, 0), 1);
	as(2000, 2000);
	assert_int_equal(op_write(&d, fh, "y", 1, 1, 0), 1);
	assert_int_equal(op_unlink(&d, dir, "mine"), 0);
	as(0, 0);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(t_access(&d, secret, R_OK | W_OK), 0);
	assert_int_equal(op_open(&d, secret, O_RDWR, &fh), 0);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_unlink(&d, ROOT, "secret"), 0);
	for (int i = 0; i < 50 && rmdir(on_host("open")); i++) {
		op_getattr(&d, ROOT, &e.attr);
		usleep(10000);
	}
	assert_int_equal(access(on_host("open"), F_OK), -1);
	rmdir(on_host("closed"));
}

/* The file may be executed, not read: opened for the one, refused for the other. */
static void test_execute_only(void **state)
{
	uint64_t fh, node;

	put_file("x", "#!", 0711);
	node = find("x");
	as(1000, 100);
	assert_int_equal(op_open(&d, node, O_RDONLY | 0x20, &fh), 0);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_open(&d, node, O_RDONLY, &fh), -EACCES);
	assert_int_equal(t_access(&d, node, X_OK), 0);
	assert_int_equal(t_access(&d, node, X_OK | R_OK), -EACCES);
	as(0, 0);
	unlink(on_host("x"));
}

static void test_setattr(void **state)
{
	struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = S_IFREG | 07755 };
	struct fuse_attr a;
	struct stat st;
	uint64_t node;

	put_file("f", "12345", 0600);
	node = find("f");
	assert_int_equal(op_setattr(&d, node, &in, &a), 0);
	assert_int_equal(a.mode, S_IFREG | 07755);
	assert_int_equal(host_stat("f").st_mode, S_IFREG | 07755);
	in = (struct fuse_setattr_in){ .valid = FATTR_ATIME | FATTR_MTIME, .atime = 1000000001,
				       .atimensec = 5, .mtime = 1000000002, .mtimensec = 999999999 };
	assert_int_equal(op_setattr(&d, node, &in, &a), 0);
	st = host_stat("f");
	assert_int_equal(st.st_atim.tv_sec, 1000000001);
	assert_int_equal(st.st_mtim.tv_sec, 1000000002);
	assert_int_equal(st.st_mtim.tv_nsec, 999999999);
	in.valid = FATTR_MTIME | FATTR_MTIME_NOW;
	assert_int_equal(op_setattr(&d, node, &in, &a), 0);
	assert_true(llabs((long long)a.mtime - time(NULL)) < 5);
	assert_int_equal(host_stat("f").st_atim.tv_sec, 1000000001);
	in = (struct fuse_setattr_in){ .valid = FATTR_SIZE, .size = 3 };
	assert_int_equal(op_setattr(&d, node, &in, &a), 0);
	assert_int_equal(a.size, 3);
	in.size = 1 << 20;
	assert_int_equal(op_setattr(&d, node, &in, &a), 0);
	assert_int_equal(host_stat("f").st_size, 1 << 20);
	in = (struct fuse_setattr_in){ .valid = FATTR_UID | FATTR_GID, .uid = 7, .gid = 8 };
	assert_int_equal(op_setattr(&d, node, &in, &a), 0);
	assert_int_equal(a.uid, 7);
	assert_int_equal(host_stat("f").st_gid, 8);
	in.valid = FATTR_SIZE | FATTR_FH;
	in.fh = 12345;
	assert_int_equal(op_setattr(&d, node, &in, &a), -EBADF);
	assert_int_equal(op_unlink(&other, ROOT, "f"), 0);
	in.valid = FATTR_MODE;
	assert_int_equal(op_setattr(&d, node, &in, &a), -ESTALE);
}

static void test_statfs(void **state)
{
	static struct call c;
	struct statvfs st;

	call_init(&c, &d, FUSE_STATFS, ROOT);
	assert_int_equal(call_run(&c), 0);
	assert_int_equal(statvfs(server.dir, &st), 0);
	assert_int_equal(c.out.statfs.st.blocks, st.f_blocks * st.f_frsize / 4096);
	assert_int_equal(c.out.statfs.st.frsize, 4096);
	assert_int_equal(c.out.statfs.st.files, st.f_files);
	assert_int_equal(c.out.statfs.st.namelen, 255);
}

/* ---- creating and truncating ---- */

static void test_exclusive(void **state)
{
	struct fuse_entry_out e;
	uint64_t fh;

	assert_int_equal(op_create(&d, ROOT, "lock", O_RDWR | O_EXCL, 0640, &e, &fh), 0);
	assert_int_equal(e.attr.mode, S_IFREG | 0640);
	assert_true(llabs((long long)host_stat("lock").st_mtim.tv_sec - time(NULL)) < 5);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_create(&other, ROOT, "lock", O_RDWR | O_EXCL, 0640, &e, &fh), -EEXIST);
	assert_int_equal(op_create(&d, ROOT, "lock", O_RDWR | O_EXCL, 0640, &e, &fh), -EEXIST);
	assert_int_equal(op_create(&other, ROOT, "lock", O_RDWR, 0600, &e, &fh), 0);
	assert_int_equal(op_release(&other, fh), 0);
	assert_int_equal(op_unlink(&other, ROOT, "lock"), 0);
	assert_int_equal(op_unlink(&d, ROOT, "lock"), -ENOENT);
}

static void test_truncate_on_open(void **state)
{
	struct fuse_entry_out e;
	uint64_t fh;

	put_file("t", "a long text", 0600);
	fh = open_it("t", O_WRONLY);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(host_stat("t").st_size, 11);
	fh = open_it("t", O_WRONLY | O_TRUNC);
	assert_int_equal(host_stat("t").st_size, 0);
	assert_int_equal(op_write(&d, fh, "short", 5, 0, 0), 5);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_create(&d, ROOT, "t", O_RDWR, 0600, &e, &fh), 0);
	assert_int_equal(e.attr.size, 5);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_create(&d, ROOT, "t", O_RDWR | O_TRUNC, 0600, &e, &fh), 0);
	assert_int_equal(e.attr.size, 0);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_unlink(&d, ROOT, "t"), 0);
}

/* ---- data ---- */

#define MIB (1u << 20)

/* In segments as guest pages are, the first and last of odd sizes. */
static int paged(struct call *c, uint8_t *data, size_t len, struct iovec *iov)
{
	int n = 0;

	for (size_t off = 0; off < len; n++) {
		size_t part = min(off ? (size_t)4096 : (size_t)1000, len - off);

		iov[n] = (struct iovec){ data + off, part };
		off += part;
	}
	return n;
}

static void big_io(uint32_t opcode, uint64_t fh, uint8_t *data, size_t len, uint64_t off)
{
	static struct call c;
	struct iovec iov[300];

	call_init(&c, &d, opcode, ROOT);
	if (opcode == FUSE_WRITE) {
		c.arg.write = (struct fuse_write_in){ .fh = fh, .offset = off, .size = (uint32_t)len };
		c.req.data = iov;
		c.req.data_cnt = paged(&c, data, len, iov);
		c.req.data_len = len;
	} else {
		c.arg.read = (struct fuse_read_in){ .fh = fh, .offset = off, .size = (uint32_t)len };
		c.req.room = iov;
		c.req.room_cnt = paged(&c, data, len, iov);
		c.req.room_len = len;
	}
	assert_int_equal(call_run(&c), 0);
	assert_int_equal(opcode == FUSE_WRITE ? c.out.written.size : c.req.out_len, len);
}

static void test_big_io(void **state)
{
	static const uint64_t offsets[] = { 0, 1, 4095, 4097, 65537, 1048575, 3333333 };
	uint8_t *data = malloc(MIB), *back = malloc(MIB);
	struct fuse_entry_out e;
	uint64_t fh;
	int fd;

	assert_int_equal(op_create(&d, ROOT, "big", O_RDWR, 0600, &e, &fh), 0);
	fd = open(on_host("big"), O_RDONLY);
	srandom(1);
	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		size_t len = i % 2 ? MIB - 13 * i : MIB;

		for (size_t k = 0; k < len; k++)
			data[k] = (uint8_t)random();
		big_io(FUSE_WRITE, fh, data, len, offsets[i]);
		assert_int_equal(t_handle_op(&d, FUSE_FSYNC, fh), 0);
		assert_int_equal(pread(fd, back, len, (off_t)offsets[i]), len);
		assert_memory_equal(data, back, len);
		memset(back, 0, len);
		big_io(FUSE_READ, fh, back, len, offsets[i]);
		assert_memory_equal(data, back, len);
	}
	assert_int_equal(op_read(&d, fh, back, 100, 3333333 + MIB), 0); /* the end */
	assert_int_equal(op_read(&d, fh, back, 100, 3333333 + MIB - 7), 7);
	close(fd);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_unlink(&d, ROOT, "big"), 0);
	free(data);
	free(back);
}

static void test_sparse(void **state)
{
	const uint64_t far = 3ull << 30;
	struct fuse_entry_out e;
	char buf[4096], zero[4096] = { 0 };
	uint64_t fh;

	assert_int_equal(op_create(&d, ROOT, "sparse", O_RDWR, 0600, &e, &fh), 0);
	assert_int_equal(op_write(&d, fh, "end", 3, far, 0), 3);
	assert_int_equal(op_read(&d, fh, buf, sizeof(buf), far / 2), sizeof(buf));
	assert_memory_equal(buf, zero, sizeof(buf));
	assert_int_equal(op_read(&d, fh, buf, sizeof(buf), far), 3);
	assert_int_equal(op_getattr(&d, e.nodeid, &e.attr), 0);
	assert_true(e.attr.size == far + 3);
	assert_true(e.attr.blocks < 1000);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_unlink(&d, ROOT, "sparse"), 0);
}

/* ---- directories ---- */

#define MANY 5000

/* Marks what one pass over the directory returns; every name once, in chunks of this size. */
static void list_all(uint64_t node, bool plus, size_t chunk, unsigned char *seen)
{
	static char buf[65536] __attribute__((aligned(8)));
	uint64_t fh, off = 0;
	int len;

	assert_int_equal(op_opendir(&d, node, &fh), 0);
	while ((len = t_readdir(&d, plus, fh, off, buf, chunk)) > 0) {
		for (int pos = 0; pos < len;) {
			struct fuse_direntplus *p = (struct fuse_direntplus *)(buf + pos);
			struct fuse_dirent *ent = plus ? &p->dirent : (void *)p;
			size_t size = (plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET) +
				      ent->namelen;
			unsigned int i;

			assert_true(pos + size <= (size_t)len);
			off = ent->off;
			pos += (int)FUSE_DIRENT_ALIGN(size);
			if (sscanf(ent->name, "file%u", &i) != 1 || ent->namelen != 9)
				continue;
			assert_in_range(i, 0, MANY - 1);
			assert_int_equal(seen[i]++, 0);
			if (plus && p->entry_out.nodeid) {
				assert_int_equal(p->entry_out.attr.mode, S_IFREG | 0644);
				op_forget(&d, p->entry_out.nodeid, 1);
			}
		}
	}
	assert_int_equal(len, 0);
	assert_int_equal(op_releasedir(&d, fh), 0);
}

static void test_readdir(void **state)
{
	static const size_t chunks[] = { 300, 1000, 4096, 32768 };
	static unsigned char seen[MANY];
	char name[32];
	uint64_t node;

	assert_int_equal(mkdir(on_host("many"), 0755), 0);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "many/file%05d", i);
		put_file(name, "", 0644);
	}
	node = find("many");
	for (size_t i = 0; i < ARRAY_SIZE(chunks) * 2; i++) {
		memset(seen, 0, sizeof(seen));
		if (i / 2 == 0 && i % 2)
			continue; /* no entry with attributes fits 300 bytes twice: too slow */
		list_all(node, i % 2, chunks[i / 2], seen);
		for (int k = 0; k < MANY; k++)
			assert_int_equal(seen[k], 1);
	}
	assert_int_equal(op_rmdir(&d, ROOT, "many"), -ENOTEMPTY);
}

/* rm -r: removing what was listed, while listing. */
static void test_remove_while_listing(void **state)
{
	static char buf[4096] __attribute__((aligned(8)));
	uint64_t node = find("many"), fh, off = 0;
	char name[64];
	int len, n = 0;

	assert_int_equal(op_opendir(&d, node, &fh), 0);
	while ((len = t_readdir(&d, false, fh, off, buf, sizeof(buf))) > 0) {
		for (int pos = 0; pos < len;) {
			struct fuse_dirent *ent = (struct fuse_dirent *)(buf + pos);

			off = ent->off;
			pos += (int)FUSE_DIRENT_SIZE(ent);
			snprintf(name, sizeof(name), "%.*s", (int)ent->namelen, ent->name);
			if (name[0] == '.')
				continue;
			assert_int_equal(op_unlink(&d, node, name), 0);
			n++;
		}
	}
	assert_int_equal(len, 0);
	assert_int_equal(n, MANY);
	assert_int_equal(op_releasedir(&d, fh), 0);
	assert_int_equal(op_rmdir(&d, ROOT, "many"), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mount_errors),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_make_and_remove),
		cmocka_unit_test(test_special_files),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_rename),
		cmocka_unit_test(test_unlinked_open),
		cmocka_unit_test(test_unlinked_open_twice),
		cmocka_unit_test(test_rename_over_open),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_execute_only),
		cmocka_unit_test(test_setattr),
		cmocka_unit_test(test_statfs),
		cmocka_unit_test(test_exclusive),
		cmocka_unit_test(test_truncate_on_open),
		cmocka_unit_test(test_big_io),
		cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_readdir),
		cmocka_unit_test(test_remove_while_listing),
	};
	int rc;

	if (argc < 2 || !nfs_server_start(&server, argv[1]))
		return 77;
	rc = cmocka_run_group_tests(tests, setup, teardown);
	nfs_server_stop(&server);
	return rc;
}
