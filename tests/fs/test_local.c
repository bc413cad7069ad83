/* SPDX-License-Identifier: BSD-3-Clause */
/* The local back end, operation by operation, against a private temporary directory. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "local_fixture.h"

static struct call big; /* for the operations without a helper */

static void test_lookup(void **state)
{
	struct fuse_entry_out e, again;
	uint64_t node = make_file("a", 0640);

	assert_int_equal(op_lookup(&d, ROOT, "a", &e), 0);
	assert_int_equal(e.nodeid, node);
	assert_int_equal(e.attr.mode, S_IFREG | 0640);
	assert_int_equal(op_lookup(&d, ROOT, "a", &again), 0);
	assert_int_equal(again.nodeid, node);
	assert_int_equal(op_lookup(&d, ROOT, "none", &e), -ENOENT);
	assert_int_equal(op_lookup(&d, node, "x", &e), -ENOTDIR);
	d.fs->cache.negative_ns = 5000000000u;
	assert_int_equal(op_lookup(&d, ROOT, "none", &e), 0);
	assert_int_equal(e.nodeid, 0);
	assert_int_equal(e.entry_valid, 5);
	d.fs->cache.negative_ns = 0;
	/* Three references: create and two lookups; a forget of too many is clamped. */
	op_forget(&d, node, 2);
	assert_int_equal(op_getattr(&d, node, &e.attr), 0);
	op_forget(&d, node, 1u << 30);
	assert_int_equal(op_getattr(&d, node, &e.attr), -ESTALE);
	op_forget(&d, ROOT, 1000);
	assert_int_equal(op_getattr(&d, ROOT, &e.attr), 0);
	assert_int_equal(op_unlink(&d, ROOT, "a"), 0);
}

static void test_escape(void **state)
{
	static const char *const bad[] = { ".", "..", "a/b", "../x", "/etc", "" };
	char longer[300];
	struct fuse_entry_out e;
	uint64_t fh;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(op_lookup(&d, ROOT, bad[i], &e), -EINVAL);
		assert_int_equal(op_mkdir(&d, ROOT, bad[i], 0755, &e), -EINVAL);
		assert_int_equal(op_create(&d, ROOT, bad[i], O_RDWR, 0644, &e, &fh), -EINVAL);
		assert_int_equal(op_unlink(&d, ROOT, bad[i]), -EINVAL);
		assert_int_equal(op_rmdir(&d, ROOT, bad[i]), -EINVAL);
		assert_int_equal(op_rename(&d, ROOT, "x", ROOT, bad[i], 0), -EINVAL);
	}
	memset(longer, 'n', 299);
	longer[299] = 0;
	assert_int_equal(op_lookup(&d, ROOT, longer, &e), -ENAMETOOLONG);
	/* Links are objects here, never ways. */
	assert_int_equal(symlink("/", in_dir("slash")), 0);
	assert_int_equal(symlink("/etc/passwd", in_dir("pw")), 0);
	assert_int_equal(op_lookup(&d, ROOT, "slash", &e), 0);
	assert_int_equal(e.attr.mode & S_IFMT, S_IFLNK);
	assert_int_equal(op_lookup(&d, e.nodeid, "etc", &e), -ENOTDIR);
	assert_int_equal(op_lookup(&d, ROOT, "pw", &e), 0);
	assert_int_equal(op_open(&d, e.nodeid, O_RDONLY, &fh), -ELOOP);
	assert_int_equal(op_create(&d, ROOT, "pw", O_RDWR | O_TRUNC, 0644, &e, &fh), -ESTALE);
	assert_int_equal(op_lookup(&d, ROOT, "pw", &e), 0);
	assert_int_equal(op_opendir(&d, e.nodeid, &fh), -ENOTDIR);
	assert_int_equal(op_unlink(&d, ROOT, "pw"), 0);
	assert_int_equal(op_unlink(&d, ROOT, "slash"), 0);
	assert_int_equal(access("/etc/passwd", F_OK), 0);
}

static void test_special_files_stay_closed(void **state)
{
	struct fuse_entry_out e;
	struct call *c = &big;
	uint64_t fh;

	call_init(c, &d, FUSE_MKNOD, ROOT);
	c->req.name[0] = "pipe";
	c->arg.mknod.mode = S_IFIFO | 0600;
	assert_int_equal(call_run(c), 0);
	assert_int_equal(c->out.entry.attr.mode, S_IFIFO | 0600);
	assert_int_equal(op_open(&d, c->out.entry.nodeid, O_RDONLY, &fh), -ENXIO);
	/* Opening this one for writing would wait for a reader for ever. */
	assert_int_equal(op_create(&d, ROOT, "pipe", O_WRONLY, 0600, &e, &fh), -ESTALE);
	assert_int_equal(op_unlink(&d, ROOT, "pipe"), 0);

	call_init(c, &d, FUSE_MKNOD, ROOT);
	c->req.name[0] = "null";
	c->arg.mknod.mode = S_IFCHR | 0600;
	c->arg.mknod.rdev = 1 << 8 | 3;
	if (call_run(c))
		return; /* no CAP_MKNOD */
	assert_int_equal(c->out.entry.attr.rdev, 1 << 8 | 3);
	assert_int_equal(op_open(&d, c->out.entry.nodeid, O_RDONLY, &fh), -ENXIO);
	assert_int_equal(op_unlink(&d, ROOT, "null"), 0);
}

static void test_create(void **state)
{
	struct fuse_entry_out e;
	struct fuse_attr attr;
	uint64_t fh, fh2;

	assert_int_equal(op_create(&d, ROOT, "c", O_RDWR | O_EXCL, S_IFREG | 0644, &e, &fh), 0);
	assert_int_equal(op_create(&d, ROOT, "c", O_RDWR | O_EXCL, 0644, &e, &fh2), -EEXIST);
	assert_int_equal(op_write(&d, fh, "hello", 5, 0, 0), 5);
	/* The name was free when the guest's kernel looked: it is to look again, and to check. */
	assert_int_equal(op_create(&d, ROOT, "c", O_RDWR, 0600, &e, &fh2), -ESTALE);
	assert_int_equal(op_create(&d, ROOT, "c", O_RDWR | O_TRUNC, 0600, &e, &fh2), -ESTALE);
	assert_int_equal(op_lookup(&d, ROOT, "c", &e), 0);
	assert_int_equal(e.attr.size, 5);
	assert_int_equal(op_open(&d, e.nodeid, O_RDWR | O_TRUNC, &fh2), 0);
	assert_int_equal(op_getattr(&d, e.nodeid, &attr), 0);
	assert_int_equal(attr.size, 0);
	assert_int_equal(op_release(&d, fh2), 0);
	assert_int_equal(op_mkdir(&d, ROOT, "cd", 01777, &e), 0);
	assert_int_equal(e.attr.mode, S_IFDIR | 01777);
	assert_int_equal(op_mkdir(&d, ROOT, "cd", 0755, &e), -EEXIST);
	assert_int_equal(op_create(&d, ROOT, "cd", O_RDWR, 0600, &e, &fh2), -ESTALE);
	assert_int_equal(op_rmdir(&d, ROOT, "c"), -ENOTDIR);
	assert_int_equal(op_unlink(&d, ROOT, "cd"), -EISDIR);
	/* Unlinked but open. */
	assert_int_equal(op_lookup(&d, ROOT, "c", &e), 0);
	assert_int_equal(op_unlink(&d, ROOT, "c"), 0);
	assert_int_equal(op_write(&d, fh, "still", 5, 0, 0), 5);
	assert_int_equal(op_getattr(&d, e.nodeid, &attr), 0);
	assert_int_equal(attr.nlink, 0);
	assert_int_equal(attr.size, 5);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_release(&d, fh), -EBADF);
	op_forget(&d, e.nodeid, 1000);
	assert_int_equal(op_getattr(&d, e.nodeid, &attr), -ESTALE);
	assert_int_equal(op_rmdir(&d, ROOT, "cd"), 0);
}

/* The guest has applied its umask; setup() left one of ours, which must not be added. */
static void test_umask(void **state)
{
	struct fuse_entry_out e;
	uint64_t fh;

	assert_int_equal(op_mkdir(&d, ROOT, "um", 0777, &e), 0);
	assert_int_equal(e.attr.mode & 07777, 0777);
	assert_int_equal(op_create(&d, ROOT, "uf", O_RDWR, 0666, &e, &fh), 0);
	assert_int_equal(e.attr.mode & 07777, 0666);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_rmdir(&d, ROOT, "um"), 0);
	assert_int_equal(op_unlink(&d, ROOT, "uf"), 0);
}

static void test_owner(void **state)
{
	struct fuse_entry_out e;
	uint64_t fh;

	d.uid = 1234;
	d.gid = 2345;
	assert_int_equal(op_create(&d, ROOT, "mine", O_RDWR | O_EXCL, 0600, &e, &fh), 0);
	assert_int_equal(e.attr.uid, 1234);
	assert_int_equal(e.attr.gid, 2345);
	op_release(&d, fh);
	assert_int_equal(op_mkdir(&d, ROOT, "minedir", 0700, &e), 0);
	assert_int_equal(e.attr.uid, 1234);
	d.uid = d.gid = 0;
	assert_int_equal(op_mkdir(&d, ROOT, "rootdir", 0755, &e), 0);
	assert_int_equal(e.attr.uid, 0);
	assert_int_equal(e.attr.gid, 0);
	/* The guest decides without FUSE_CREATE_SUPP_GROUP, the host with it. */
	d.uid = 1234;
	assert_int_equal(op_mkdir(&d, e.nodeid, "sub", 0755, NULL), 0);
	d.fs->session_flags |= FUSE_CREATE_SUPP_GROUP;
	assert_int_equal(op_mkdir(&d, e.nodeid, "sub2", 0755, NULL), -EACCES);
	d.uid = (uid_t)-1;
	assert_int_equal(op_mkdir(&d, ROOT, "nobody", 0755, NULL), -EINVAL);
	d.fs->session_flags = 0;
	d.uid = 0;
	/* And nothing sticks. */
	assert_int_equal(op_mkdir(&d, e.nodeid, "sub3", 0755, &e), 0);
	assert_int_equal(e.attr.uid, 0);
}

static void test_supplementary_group(void **state)
{
	struct fuse_entry_out e;
	struct call *c = &big;

	assert_int_equal(mkdir(in_dir("team"), 0770), 0);
	assert_int_equal(chown(in_dir("team"), 0, 4000), 0);
	assert_int_equal(chmod(in_dir("team"), 02770), 0);
	assert_int_equal(op_lookup(&d, ROOT, "team", &e), 0);
	d.fs->session_flags = FUSE_CREATE_SUPP_GROUP;
	d.uid = d.gid = 1234;
	assert_int_equal(op_mkdir(&d, e.nodeid, "x", 0755, NULL), -EACCES);
	call_init(c, &d, FUSE_MKDIR, e.nodeid);
	c->req.name[0] = "x";
	c->arg.mkdir.mode = 0755;
	c->req.ngroups = 1;
	c->req.groups[0] = 4000;
	assert_int_equal(call_run(c), 0);
	assert_int_equal(c->out.entry.attr.gid, 4000);
	assert_int_equal(c->out.entry.attr.mode, S_IFDIR | 02755);
	d.uid = d.gid = 0;
	d.fs->session_flags = 0;
}

static void test_access(void **state)
{
	struct call *c = &big;
	uint64_t node = make_file("acc", 0640);

	for (int uid = 0; uid <= 1234; uid += 1234) {
		d.uid = d.gid = (uid_t)uid;
		call_init(c, &d, FUSE_ACCESS, node);
		c->arg.access.mask = R_OK;
		assert_int_equal(call_run(c), uid ? -EACCES : 0);
	}
	d.uid = d.gid = 0;
	call_init(c, &d, FUSE_ACCESS, node);
	c->arg.access.mask = X_OK;
	assert_int_equal(call_run(c), -EACCES);
	assert_int_equal(op_unlink(&d, ROOT, "acc"), 0);
}

static void test_setattr(void **state)
{
	struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = S_IFREG | 04755 };
	uint64_t node = make_file("s", 0644);
	struct fuse_attr attr;

	assert_int_equal(op_setattr(&d, node, &in, &attr), 0);
	assert_int_equal(attr.mode, S_IFREG | 04755);
	in = (struct fuse_setattr_in){ .valid = FATTR_SIZE, .size = 1ull << 32 };
	assert_int_equal(op_setattr(&d, node, &in, &attr), 0);
	assert_int_equal(attr.size, 1ull << 32);
	assert_int_equal(attr.blocks, 0);
	assert_int_equal(attr.mode, S_IFREG | 04755);
	in = (struct fuse_setattr_in){ .valid = FATTR_SIZE | FATTR_KILL_SUIDGID, .size = 3 };
	assert_int_equal(op_setattr(&d, node, &in, &attr), 0);
	assert_int_equal(attr.size, 3);
	assert_int_equal(attr.mode, S_IFREG | 0755);
	in = (struct fuse_setattr_in){ .valid = FATTR_ATIME | FATTR_MTIME, .atime = 1000,
				       .atimensec = 7, .mtime = 2000, .mtimensec = 999999999 };
	assert_int_equal(op_setattr(&d, node, &in, &attr), 0);
	assert_int_equal(attr.atime, 1000);
	assert_int_equal(attr.atimensec, 7);
	assert_int_equal(attr.mtime, 2000);
	assert_int_equal(attr.mtimensec, 999999999);
	in = (struct fuse_setattr_in){ .valid = FATTR_MTIME | FATTR_MTIME_NOW, .mtime = 5 };
	assert_int_equal(op_setattr(&d, node, &in, &attr), 0);
	assert_int_equal(attr.atime, 1000);
	assert_true(attr.mtime > 1500000000);
	in = (struct fuse_setattr_in){ .valid = FATTR_MTIME, .mtimensec = UTIME_OMIT };
	assert_int_equal(op_setattr(&d, node, &in, &attr), -EINVAL);
	in = (struct fuse_setattr_in){ .valid = FATTR_UID | FATTR_GID, .uid = 7, .gid = 8 };
	assert_int_equal(op_setattr(&d, node, &in, &attr), 0);
	assert_int_equal(attr.uid, 7);
	assert_int_equal(attr.gid, 8);
	in = (struct fuse_setattr_in){ .valid = FATTR_SIZE };
	assert_int_equal(op_setattr(&d, ROOT, &in, &attr), -EISDIR);
	assert_int_equal(op_setattr(&d, 12345678, &in, &attr), -ESTALE);
	assert_int_equal(op_unlink(&d, ROOT, "s"), 0);
}

static void test_setattr_symlink(void **state)
{
	struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = 0600 };
	struct fuse_entry_out e;
	struct fuse_attr attr;
	struct stat before, after;

	assert_int_equal(op_create(&d, ROOT, "target", O_RDWR, 0644, NULL, NULL), 0);
	assert_int_equal(symlink(in_dir("target"), in_dir("ln")), 0);
	assert_int_equal(stat(in_dir("target"), &before), 0);
	assert_int_equal(op_lookup(&d, ROOT, "ln", &e), 0);
	assert_int_equal(op_setattr(&d, e.nodeid, &in, &attr), -EOPNOTSUPP);
	in = (struct fuse_setattr_in){ .valid = FATTR_MTIME, .mtime = 77 };
	assert_int_equal(op_setattr(&d, e.nodeid, &in, &attr), 0);
	assert_int_equal(attr.mtime, 77);
	in = (struct fuse_setattr_in){ .valid = FATTR_SIZE };
	assert_int_equal(op_setattr(&d, e.nodeid, &in, &attr), -EINVAL);
	assert_int_equal(stat(in_dir("target"), &after), 0);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
	assert_int_equal(before.st_mode, after.st_mode);
}

static void test_rename(void **state)
{
	struct fuse_entry_out sub, e;
	uint64_t a = make_file("ra", 0644), b = make_file("rb", 0644);
	int err;

	assert_int_equal(op_mkdir(&d, ROOT, "rsub", 0755, &sub), 0);
	assert_int_equal(op_rename(&d, ROOT, "ra", ROOT, "rb", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(op_rename(&d, ROOT, "ra", ROOT, "rb", RENAME_EXCHANGE), 0);
	assert_int_equal(op_lookup(&d, ROOT, "ra", &e), 0);
	assert_int_equal(e.nodeid, b);
	assert_int_equal(op_rename(&d, ROOT, "ra", sub.nodeid, "moved", 0), 0);
	assert_int_equal(op_lookup(&d, sub.nodeid, "moved", &e), 0);
	assert_int_equal(e.nodeid, b);
	assert_int_equal(op_rename(&d, ROOT, "rb", sub.nodeid, "moved", 0), 0);
	assert_int_equal(op_lookup(&d, sub.nodeid, "moved", &e), 0);
	assert_int_equal(e.nodeid, a);
	assert_int_equal(op_rename(&d, ROOT, "none", ROOT, "x", 0), -ENOENT);
	assert_int_equal(op_rename(&d, ROOT, "rsub", sub.nodeid, "in", 0), -EINVAL);
	assert_int_equal(op_rename(&d, ROOT, "rsub", ROOT, "x", 0x80), -EINVAL);
	assert_int_equal(op_rename(&d, ROOT, "rsub", 999999, "x", 0), -ESTALE);
	assert_int_equal(op_rmdir(&d, ROOT, "rsub"), -ENOTEMPTY);
	assert_int_equal(op_unlink(&d, sub.nodeid, "moved"), 0);
	assert_int_equal(op_rmdir(&d, ROOT, "rsub"), 0);
	err = op_lookup(&d, sub.nodeid, "moved", &e);
	assert_true(err == -ENOENT || err == -ESTALE); /* is there a descriptor of it still? */
}

static void test_links(void **state)
{
	uint64_t node = make_file("l1", 0644);
	struct call *c = &big;

	call_init(c, &d, FUSE_LINK, ROOT);
	c->req.name[0] = "l2";
	c->arg.link.oldnodeid = node;
	assert_int_equal(call_run(c), 0);
	assert_int_equal(c->out.entry.nodeid, node);
	assert_int_equal(c->out.entry.attr.nlink, 2);
	call_init(c, &d, FUSE_SYMLINK, ROOT);
	c->req.name[0] = "sl";
	c->req.name[1] = "../any/where";
	assert_int_equal(call_run(c), 0);
	node = c->out.entry.nodeid;
	call_init(c, &d, FUSE_READLINK, node);
	call_room(c, 4096);
	assert_int_equal(call_run(c), 0);
	assert_int_equal(c->req.out_len, 12);
	assert_memory_equal(c->buf, "../any/where", 12);
	/* A second name of the link itself. */
	call_init(c, &d, FUSE_LINK, ROOT);
	c->req.name[0] = "sl2";
	c->arg.link.oldnodeid = node;
	assert_int_equal(call_run(c), 0);
	assert_int_equal(c->out.entry.attr.mode & S_IFMT, S_IFLNK);
	call_init(c, &d, FUSE_READLINK, ROOT);
	call_room(c, 4096);
	assert_int_equal(call_run(c), -EINVAL);
	assert_int_equal(op_unlink(&d, ROOT, "l1"), 0);
	assert_int_equal(op_unlink(&d, ROOT, "l2"), 0);
	assert_int_equal(op_unlink(&d, ROOT, "sl"), 0);
	assert_int_equal(op_unlink(&d, ROOT, "sl2"), 0);
}

static int xattr_call(uint32_t op, uint64_t node, const char *name, const void *value,
		      uint32_t size)
{
	struct call *c = &big;

	call_init(c, &d, op, node);
	c->req.name[0] = name;
	c->arg.getxattr.size = size; /* same place as setxattr.size */
	if (op == FUSE_SETXATTR)
		call_data(c, value, size);
	else
		call_room(c, size);
	return call_run(c);
}

static void test_xattr(void **state)
{
	uint64_t node = make_file("x", 0644);
	struct fuse_entry_out e;

	if (xattr_call(FUSE_SETXATTR, node, "user.k", "value", 5) == -EOPNOTSUPP) {
		op_unlink(&d, ROOT, "x");
		skip();
	}
	assert_int_equal(xattr_call(FUSE_GETXATTR, node, "user.k", NULL, 0), 0);
	assert_int_equal(big.out.xattr_size.size, 5);
	assert_int_equal(xattr_call(FUSE_GETXATTR, node, "user.k", NULL, 100), 0);
	assert_int_equal(big.req.out_len, 5);
	assert_memory_equal(big.buf, "value", 5);
	assert_int_equal(xattr_call(FUSE_GETXATTR, node, "user.k", NULL, 2), -ERANGE);
	assert_int_equal(xattr_call(FUSE_GETXATTR, node, "user.no", NULL, 9), -ENODATA);
	assert_int_equal(xattr_call(FUSE_LISTXATTR, node, NULL, NULL, 0), 0);
	assert_int_equal(big.out.xattr_size.size, 7);
	assert_int_equal(xattr_call(FUSE_LISTXATTR, node, NULL, NULL, 3), -ERANGE);
	assert_int_equal(xattr_call(FUSE_LISTXATTR, node, NULL, NULL, 64), 0);
	assert_memory_equal(big.buf, "user.k", 7);
	assert_int_equal(xattr_call(FUSE_SETXATTR, node, "system.posix_acl_access", "", 0),
			 -EOPNOTSUPP);
	assert_int_equal(xattr_call(FUSE_REMOVEXATTR, node, "user.k", NULL, 0), 0);
	assert_int_equal(xattr_call(FUSE_REMOVEXATTR, node, "user.k", NULL, 0), -ENODATA);
	/* On a link: the link's own, as Linux has it, never the target's. */
	assert_int_equal(symlink("x", in_dir("xl")), 0);
	assert_int_equal(op_lookup(&d, ROOT, "xl", &e), 0);
	assert_int_equal(xattr_call(FUSE_SETXATTR, e.nodeid, "user.k", "v", 1), -EPERM);
	assert_int_equal(getxattr(in_dir("x"), "user.k", NULL, 0), -1);
	assert_int_equal(op_unlink(&d, ROOT, "xl"), 0);
	assert_int_equal(op_unlink(&d, ROOT, "x"), 0);
}

/* Lists into seen[]; every name is fNNNNN. room: bytes per call. Returns the number of records. */
static int list_all(uint64_t node, uint64_t fh, bool plus, size_t room, char *seen, size_t nr,
		    uint64_t *last_off)
{
	const struct fuse_direntplus *p;
	const struct fuse_dirent *e;
	struct call *c = &big;
	uint64_t off = 0;
	int n = 0;

	while (true) {
		call_init(c, &d, plus ? FUSE_READDIRPLUS : FUSE_READDIR, node);
		c->arg.read = (struct fuse_read_in){ .fh = fh, .offset = off,
						     .size = (uint32_t)room };
		call_room(c, room);
		assert_int_equal(call_run(c), 0);
		if (!c->req.out_len)
			break;
		for (size_t at = 0; at < c->req.out_len; n++) {
			p = (const struct fuse_direntplus *)(c->buf + at);
			e = plus ? &p->dirent : (const struct fuse_dirent *)p;
			off = e->off;
			if (e->name[0] == 'f') {
				size_t i = (size_t)atoi(e->name + 1);

				assert_true(i < nr);
				seen[i]++;
				if (plus) {
					assert_int_not_equal(p->entry_out.nodeid, 0);
					op_forget(&d, p->entry_out.nodeid, 1);
				}
			} else if (plus) {
				assert_int_equal(p->entry_out.nodeid, 0);
			}
			at += plus ? FUSE_DIRENTPLUS_SIZE(p) : FUSE_DIRENT_SIZE(e);
		}
		if (last_off)
			*last_off = off;
	}
	return n;
}

#define LIST_FILES 10000

static void test_readdir(void **state)
{
	static char seen[LIST_FILES];
	struct fuse_entry_out e;
	char path[600];
	uint64_t fh;
	int fds = open_fds();

	assert_int_equal(op_mkdir(&d, ROOT, "many", 0755, &e), 0);
	for (int i = 0; i < LIST_FILES; i++) {
		snprintf(path, sizeof(path), "%s/many/f%05d", dir, i);
		close(open(path, O_CREAT | O_WRONLY, 0644));
	}
	assert_int_equal(op_opendir(&d, e.nodeid, &fh), 0);
	for (int pass = 0; pass < 3; pass++) {
		memset(seen, 0, sizeof(seen));
		/* Rewinds each time; 300 bytes hold one entry of READDIRPLUS. */
		assert_int_equal(list_all(e.nodeid, fh, pass > 0, pass == 1 ? 300 : 4096, seen,
					  LIST_FILES, NULL),
				 LIST_FILES + 2);
		for (int i = 0; i < LIST_FILES; i++)
			assert_int_equal(seen[i], 1);
	}
	call_init(&big, &d, FUSE_READDIR, e.nodeid);
	big.arg.read = (struct fuse_read_in){ .fh = fh, .size = 16 };
	call_room(&big, 16);
	assert_int_equal(call_run(&big), -EINVAL);
	assert_int_equal(op_releasedir(&d, fh), 0);
	/* No descriptor per inode: what is left is the cache's. */
	assert_true(open_fds() < fds + 10);
}

static void test_forget_many(void **state)
{
	static struct fuse_forget_one one[LIST_FILES];
	struct fuse_entry_out sub, e;
	struct call *c = &big;
	char name[16];

	assert_int_equal(op_lookup(&d, ROOT, "many", &sub), 0);
	for (int i = 0; i < LIST_FILES; i++) {
		snprintf(name, sizeof(name), "f%05d", i);
		assert_int_equal(op_lookup(&d, sub.nodeid, name, &e), 0);
		one[i] = (struct fuse_forget_one){ e.nodeid, 1 };
	}
	call_init(c, &d, FUSE_BATCH_FORGET, 0);
	c->arg.batch_forget.count = UINT32_MAX; /* more than it brings */
	call_data(c, one, sizeof(one));
	assert_int_equal(call_run(c), 0);
	for (int i = 0; i < LIST_FILES; i += 997)
		assert_int_equal(op_getattr(&d, one[i].nodeid, &e.attr), -ESTALE);
	assert_int_equal(op_getattr(&d, sub.nodeid, &e.attr), 0);
	/* A new session knows nothing of the old. */
	d.fs->ops->reset(d.fs);
	assert_int_equal(op_getattr(&d, sub.nodeid, &e.attr), -ESTALE);
	assert_int_equal(op_getattr(&d, ROOT, &e.attr), 0);
}

/* A file system below the directory: its own inodes, marked as a mount, no renames across. */
static void test_submount(void **state)
{
	struct fuse_entry_out before, mnt, e;
	uint64_t fh, node = make_file("outside", 0644);

	assert_int_equal(op_mkdir(&d, ROOT, "mnt", 0755, &before), 0);
	if (mount("none", in_dir("mnt"), "tmpfs", 0, "size=1m")) {
		op_rmdir(&d, ROOT, "mnt");
		op_unlink(&d, ROOT, "outside");
		skip();
	}
	d.fs->session_flags = FUSE_SUBMOUNTS;
	assert_int_equal(op_lookup(&d, ROOT, "mnt", &mnt), 0);
	assert_int_not_equal(mnt.nodeid, before.nodeid);
	assert_int_equal(mnt.attr.flags & FUSE_ATTR_SUBMOUNT, FUSE_ATTR_SUBMOUNT);
	assert_int_equal(op_create(&d, mnt.nodeid, "in", O_RDWR, 0644, &e, &fh), 0);
	assert_int_equal(op_write(&d, fh, "tmpfs", 5, 0, 0), 5);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_getattr(&d, e.nodeid, &e.attr), 0);
	assert_int_equal(e.attr.size, 5);
	assert_int_equal(e.attr.flags & FUSE_ATTR_SUBMOUNT, 0);
	assert_int_equal(op_rename(&d, ROOT, "outside", mnt.nodeid, "x", 0), -EXDEV);
	assert_int_equal(op_lookup(&d, ROOT, "outside", &e), 0);
	assert_int_equal(e.nodeid, node);
	d.fs->session_flags = 0;
	assert_int_equal(umount2(in_dir("mnt"), MNT_DETACH), 0);
	assert_int_equal(op_rmdir(&d, ROOT, "mnt"), 0);
	assert_int_equal(op_unlink(&d, ROOT, "outside"), 0);
}

/* Ids that never were, among them the one that empty places have, close nobody's descriptors. */
static void test_forged_forget(void **state)
{
	static const uint64_t bad[] = { 0, 2, 77, UINT32_MAX, UINT64_MAX, 5ull << 32 };
	struct fuse_attr attr;
	int fds;

	assert_int_equal(op_getattr(&d, ROOT, &attr), 0);
	fds = open_fds();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		op_forget(&d, bad[i], 1);
	assert_int_equal(open_fds(), fds);
	assert_int_equal(op_getattr(&d, ROOT, &attr), 0);
}

/* A deleted file's blocks come back when the guest forgets it, or soon after it was last used. */
static void test_deleted_files_are_let_go(void **state)
{
	struct timespec pause = { .tv_nsec = 700000000 };
	struct fuse_attr attr;
	uint64_t node;
	int fds;

	if (getenv("TEST_LOCAL_COLD"))
		skip(); /* workers keep none */
	d.fs->ops->reset(d.fs);
	d.fs->ops->poll(d.ft);
	node = make_file("let", 0644);
	fds = open_fds();
	assert_int_equal(d.fs->ops->timeout_ms(d.ft), -1);
	local_warm();
	assert_int_equal(op_getattr(&d, node, &attr), 0);
	assert_int_equal(open_fds(), fds + 1);
	assert_true(d.fs->ops->timeout_ms(d.ft) > 0);
	op_forget(&d, node, 1);
	assert_int_equal(open_fds(), fds);
	assert_int_equal(op_lookup(&d, ROOT, "let", NULL), 0);
	assert_int_equal(op_unlink(&d, ROOT, "let"), 0);
	node = make_file("let", 0644);
	local_warm();
	assert_int_equal(op_getattr(&d, node, &attr), 0);
	d.fs->ops->poll(d.ft);
	for (int i = 0; i < 2; i++) {
		nanosleep(&pause, NULL);
		d.fs->ops->poll(d.ft);
	}
	assert_int_equal(open_fds(), fds);
	assert_int_equal(d.fs->ops->timeout_ms(d.ft), -1);
	assert_int_equal(op_unlink(&d, ROOT, "let"), 0);
}

static void test_stale_after_host_change(void **state)
{
	struct fuse_entry_out e;
	uint64_t node = make_file("gone", 0644), fh;
	struct fuse_attr attr;

	/* Whatever the host makes of the inode number, the old node is not the new file. */
	assert_int_equal(unlink(in_dir("gone")), 0);
	close(open(in_dir("gone"), O_CREAT | O_WRONLY, 0600));
	assert_int_equal(op_getattr(&d, node, &attr), -ESTALE);
	assert_int_equal(op_open(&d, node, O_RDONLY, &fh), -ESTALE);
	assert_int_equal(op_lookup(&d, ROOT, "gone", &e), 0);
	assert_int_not_equal(e.nodeid, node);
	assert_int_equal(op_unlink(&d, ROOT, "gone"), 0);
}

#define FEW_FDS 64

/* Last: the limit stays. */
static void test_few_descriptors(void **state)
{
	struct rlimit few = { FEW_FDS, FEW_FDS };
	struct fuse_entry_out e, sub;
	uint64_t fh[FEW_FDS * 2];
	char name[16];
	int n, err = 0;

	local_teardown(NULL);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	local_setup(NULL);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		assert_int_equal(op_mkdir(&d, ROOT, name, 0755, &sub), 0);
		assert_int_equal(op_mkdir(&d, sub.nodeid, "in", 0755, &e), 0);
	}
	for (n = 0; n < FEW_FDS * 2; n++) {
		snprintf(name, sizeof(name), "f%d", n);
		err = op_create(&d, ROOT, name, O_RDWR, 0644, &e, &fh[n]);
		if (err)
			break;
	}
	assert_int_equal(err, -ENFILE);
	assert_int_equal(op_lookup(&d, ROOT, name, &e), -ENOENT);
	assert_int_equal(op_write(&d, fh[0], "x", 1, 0, 0), 1);
	assert_int_equal(op_lookup(&d, ROOT, "f0", &e), 0);
	assert_int_equal(op_open(&d, e.nodeid, O_RDWR | O_TRUNC, &fh[n]), -ENFILE);
	assert_int_equal(op_getattr(&d, e.nodeid, &e.attr), 0);
	assert_int_equal(e.attr.size, 1);
	assert_true(n >= FEW_FDS / 4);
	/* Full, and yet everything else goes on. */
	assert_int_equal(op_lookup(&d, ROOT, "d77", &sub), 0);
	assert_int_equal(op_lookup(&d, sub.nodeid, "in", &e), 0);
	assert_int_equal(op_write(&d, fh[0], "x", 1, 0, 0), 1);
	while (n--)
		assert_int_equal(op_release(&d, fh[n]), 0);
	assert_int_equal(op_create(&d, ROOT, "after", O_RDWR, 0644, &e, &fh[0]), 0);
	/* The kernel's own refusal, not our budget: the cache gives way. */
	while ((n = dup(0)) >= 0)
		;
	assert_int_equal(errno, EMFILE);
	if (!getenv("TEST_LOCAL_COLD")) { /* workers have none */
		local_warm();
		assert_int_equal(op_lookup(&d, ROOT, "d78", &sub), 0);
		assert_int_equal(op_lookup(&d, sub.nodeid, "in", &e), 0);
	}
	for (n = 3; n < FEW_FDS; n++) {
		char path[64], link[64] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", n);
		if (readlink(path, link, sizeof(link) - 1) > 0 && !strcmp(link, "/dev/null"))
			close(n);
	}
}

#define FD_NODES 100

/*
 * Without handles every node keeps a descriptor: bounded, refused with ENFILE, given back by
 * FORGET.
 */
static void test_nodes_with_descriptors(void **state)
{
	struct rlimit few = { 2 * FD_NODES, 2 * FD_NODES };
	struct fuse_entry_out e;
	uint64_t ids[FD_NODES * 2];
	char name[16];
	int n, err = 0;

	local_teardown(NULL);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	local_setup(NULL);
	for (n = 0; n < FD_NODES * 2 && !err; n++) {
		snprintf(name, sizeof(name), "d%d", n);
		err = op_mkdir(&d, ROOT, name, 0755, &e);
		ids[n] = e.nodeid;
	}
	assert_int_equal(err, -ENFILE);
	assert_int_not_equal(access(in_dir(name), F_OK), 0);
	assert_int_equal(n - 1, FD_NODES - 1); /* the root has one */
	op_forget(&d, ids[0], 1);
	assert_int_equal(op_lookup(&d, ROOT, "d50", &e), 0);
	assert_int_equal(e.nodeid, ids[50]);
	assert_int_equal(op_mkdir(&d, e.nodeid, "more", 0755, &e), 0);
	assert_int_equal(op_getattr(&d, ids[0], &e.attr), -ESTALE);
}

static bool drop_cap(unsigned int cap)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data))
		return false;
	data[cap / 32].effective &= ~(1u << (cap % 32));
	data[cap / 32].permitted &= ~(1u << (cap % 32));
	return !syscall(SYS_capset, &head, data);
}

/* What works without CAP_DAC_READ_SEARCH, that is without opening by handle. */
static int run_without_handles(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_special_files_stay_closed),
		cmocka_unit_test(test_setattr),
		cmocka_unit_test(test_setattr_symlink),
		cmocka_unit_test(test_rename),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_xattr),
		cmocka_unit_test(test_nodes_with_descriptors),
	};

	if (!drop_cap(CAP_DAC_READ_SEARCH))
		return 77;
	return cmocka_run_group_tests(tests, local_setup, local_teardown);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_umask),
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_special_files_stay_closed),
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_supplementary_group),
		cmocka_unit_test(test_access),
		cmocka_unit_test(test_setattr),
		cmocka_unit_test(test_setattr_symlink),
		cmocka_unit_test(test_rename),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_xattr),
		cmocka_unit_test(test_readdir),
		cmocka_unit_test(test_forget_many),
		cmocka_unit_test(test_submount),
		cmocka_unit_test(test_forged_forget),
		cmocka_unit_test(test_deleted_files_are_let_go),
		cmocka_unit_test(test_stale_after_host_change),
		cmocka_unit_test(test_few_descriptors),
	};

	if (!freopen("/dev/null", "r", stdin))
		return 99;
	if (geteuid())
		return 77; /* handles and other owners are root's */
	/* For test_submount: mounts of our own, which end with us. */
	if (!unshare(CLONE_NEWNS))
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (argc > 1 && !strcmp(argv[1], "--without-handles"))
		return run_without_handles();
	return cmocka_run_group_tests(tests, local_setup, local_teardown);
}
