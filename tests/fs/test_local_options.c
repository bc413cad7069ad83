/* SPDX-License-Identifier: BSD-3-Clause */
/* What the local back end's options change, and which of them are refused. */
#include <errno.h>
#include <fcntl.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <cmocka.h>

#include "local_fixture.h"

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

static struct call big; /* for the operations without a helper */

/* The back end again, with other options, on the same directory. */
static void again(struct fs_config cfg, uint64_t session_flags)
{
	cfg.type = "local";
	cfg.dir = dir;
	drive_close(&d);
	drive_open_cfg(&d, &fs_local, &cfg);
	assert_int_equal(d.fs->init_flags & session_flags, session_flags);
	d.fs->session_flags = session_flags;
}

static int plain(void **state)
{
	again((struct fs_config){ 0 }, 0);
	return 0;
}

static void refused(struct fs_config cfg, const char *option)
{
	char err[FS_ERR_LEN] = "";
	struct fs *fs;

	cfg.type = "local";
	cfg.dir = dir;
	assert_int_equal(fs_local.open(&cfg, &fs, err), -EINVAL);
	assert_non_null(strstr(err, option));
}

static void test_flags_follow(void **state)
{
	static const struct {
		struct fs_config cfg;
		uint64_t on, off;
	} want[] = {
		{ { 0 }, FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT | FUSE_PARALLEL_DIROPS |
			 FUSE_READDIRPLUS_AUTO | FUSE_DIRECT_IO_ALLOW_MMAP | FUSE_CREATE_SUPP_GROUP,
		  FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_WRITEBACK_CACHE | FUSE_SECURITY_CTX },
		{ { .posix_acl = true }, FUSE_POSIX_ACL | FUSE_DONT_MASK, 0 },
		{ { .writeback = true, .cache = FS_CACHE_AUTO }, FUSE_WRITEBACK_CACHE, 0 },
		{ { .security_label = true }, FUSE_SECURITY_CTX, 0 },
		{ { .no_killpriv_v2 = true }, 0, FUSE_HANDLE_KILLPRIV_V2 },
		{ { .no_submounts = true }, FUSE_READDIRPLUS_AUTO, FUSE_SUBMOUNTS },
		{ { .no_readdirplus = true }, FUSE_SUBMOUNTS,
		  FUSE_READDIRPLUS_AUTO | FUSE_DO_READDIRPLUS },
	};

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		again(want[i].cfg, want[i].on);
		assert_int_equal(d.fs->init_flags & want[i].off, 0);
		assert_true(d.fs->max_io >= 1 << 20);
	}
	again((struct fs_config){ .bounced = true }, 0);
	assert_true(d.fs->max_io <= 1 << 20);
}

static int xattr_call(uint32_t op, uint64_t node, const char *name, const void *value,
		      uint32_t size)
{
	call_init(&big, &d, op, node);
	big.req.name[0] = name;
	big.arg.getxattr.size = size; /* same place as setxattr.size */
	if (op == FUSE_SETXATTR)
		call_data(&big, value, size);
	else
		call_room(&big, size);
	return call_run(&big);
}

struct acl {
	struct posix_acl_xattr_header head;
	struct posix_acl_xattr_entry e[5];
};

/* rwx for the user beside the owner, group and others nothing, mask rwx. */
static struct acl acl_with_user(uint32_t uid)
{
	return (struct acl){
		{ POSIX_ACL_XATTR_VERSION },
		{ { ACL_USER_OBJ, 7, ACL_UNDEFINED_ID }, { ACL_USER, 7, uid },
		  { ACL_GROUP_OBJ, 0, ACL_UNDEFINED_ID }, { ACL_MASK, 7, ACL_UNDEFINED_ID },
		  { ACL_OTHER, 0, ACL_UNDEFINED_ID } },
	};
}

static void assert_acl(uint64_t node, const char *name, struct acl want)
{
	assert_int_equal(xattr_call(FUSE_GETXATTR, node, name, NULL, 1000), 0);
	assert_int_equal(big.req.out_len, sizeof(want));
	assert_memory_equal(big.buf, &want, sizeof(want));
}

static int create_masked(uint64_t parent, const char *name, uint32_t mode, uint32_t umask)
{
	call_init(&big, &d, FUSE_CREATE, parent);
	big.req.name[0] = name;
	big.arg.create = (struct fuse_create_in){ .flags = O_RDWR, .mode = mode, .umask = umask };
	return call_run(&big) ? -1 : (int)(big.out.entry.attr.mode & 07777);
}

static int mkdir_masked(uint64_t parent, const char *name, uint32_t mode, uint32_t umask)
{
	call_init(&big, &d, FUSE_MKDIR, parent);
	big.req.name[0] = name;
	big.arg.mkdir = (struct fuse_mkdir_in){ .mode = mode, .umask = umask };
	return call_run(&big) ? -1 : (int)(big.out.entry.attr.mode & 07777);
}

static void test_umask(void **state)
{
	/* Not agreed on: the guest has applied it. */
	again((struct fs_config){ .posix_acl = true }, 0);
	assert_int_equal(create_masked(ROOT, "u0", 0666, 077), 0666);
	again((struct fs_config){ .posix_acl = true }, FUSE_DONT_MASK);
	assert_int_equal(create_masked(ROOT, "u1", 0666, 022), 0644);
	assert_int_equal(create_masked(ROOT, "u2", 0666, 077), 0600);
	assert_int_equal(mkdir_masked(ROOT, "u3", 01777, 027), 01750);
	assert_int_equal(create_masked(ROOT, "u4", 0666, 0), 0666);
}

static void test_acl(void **state)
{
	struct acl acl = acl_with_user(1234);
	struct fuse_entry_out e;
	uint64_t node, sub;

	again((struct fs_config){ .posix_acl = true }, FUSE_POSIX_ACL | FUSE_DONT_MASK);
	assert_int_equal(op_mkdir(&d, ROOT, "acl", 0777, &e), 0);
	sub = e.nodeid;
	if (xattr_call(FUSE_SETXATTR, sub, ACL_DEFAULT, &acl, sizeof(acl)) == -EOPNOTSUPP)
		skip();
	assert_acl(sub, ACL_DEFAULT, acl);
	/* The default list counts instead of the umask. */
	assert_int_equal(create_masked(sub, "f", 0666, 0777), 0660);
	node = big.out.entry.nodeid;
	assert_int_equal(xattr_call(FUSE_GETXATTR, node, ACL_ACCESS, NULL, 1000), 0);
	assert_int_equal(xattr_call(FUSE_LISTXATTR, node, NULL, NULL, 1000), 0);
	assert_string_equal(big.buf, ACL_ACCESS);
	/* Setgid goes when the guest says that the caller may not keep it. */
	assert_int_equal(chmod(in_dir("acl/f"), 02770), 0);
	call_init(&big, &d, FUSE_SETXATTR, node);
	big.req.name[0] = ACL_ACCESS;
	big.arg.setxattr = (struct fuse_setxattr_in){
		.size = sizeof(acl), .setxattr_flags = FUSE_SETXATTR_ACL_KILL_SGID };
	call_data(&big, &acl, sizeof(acl));
	assert_int_equal(call_run(&big), 0);
	assert_int_equal(op_getattr(&d, node, &e.attr), 0);
	assert_int_equal(e.attr.mode & 07777, 0770);
	/* Hidden without the option, and yet they act. */
	again((struct fs_config){ 0 }, 0);
	assert_int_equal(op_lookup(&d, ROOT, "acl", &e), 0);
	assert_int_equal(xattr_call(FUSE_GETXATTR, e.nodeid, ACL_DEFAULT, NULL, 1000), -EOPNOTSUPP);
	assert_int_equal(xattr_call(FUSE_LISTXATTR, e.nodeid, NULL, NULL, 1000), 0);
	assert_int_equal(big.req.out_len, 0);
}

/* Rights that only an access list gives: the guest has checked, we must not know better. */
static void test_acl_rights(void **state)
{
	struct acl acl = acl_with_user(1234);
	struct fuse_entry_out e;

	again((struct fs_config){ .posix_acl = true },
	      FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_CREATE_SUPP_GROUP);
	assert_int_equal(op_mkdir(&d, ROOT, "aclr", 0700, &e), 0);
	acl.e[1] = (struct posix_acl_xattr_entry){ ACL_USER, 7, 1234 };
	if (xattr_call(FUSE_SETXATTR, e.nodeid, ACL_ACCESS, &acl, sizeof(acl)) == -EOPNOTSUPP)
		skip();
	d.uid = d.gid = 1234;
	assert_int_equal(create_masked(e.nodeid, "f", 0600, 0), 0600);
	d.uid = d.gid = 0;
}

static void test_label(void **state)
{
	struct fuse_entry_out e;
	char value[16];

	again((struct fs_config){ .security_label = true,
				  .xattrmap = ":map:security.:user.guest.:" }, FUSE_SECURITY_CTX);
	static const uint32_t ops[] = { FUSE_CREATE, FUSE_MKDIR, FUSE_MKNOD };

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		call_init(&big, &d, ops[i], ROOT);
		big.req.name[0] = i == 0 ? "lb0" : i == 1 ? "lb1" : "lb2";
		if (ops[i] == FUSE_CREATE)
			big.arg.create = (struct fuse_create_in){ .flags = O_RDWR, .mode = 0600 };
		else
			big.arg.mknod.mode = S_IFREG | 0700; /* same place as mkdir's */
		big.req.label_name = "security.test";
		big.req.label = "label";
		big.req.label_len = 5;
		assert_int_equal(call_run(&big), 0);
		assert_int_equal(getxattr(in_dir(big.req.name[0]), "user.guest.security.test",
					  value, sizeof(value)), 5);
		assert_memory_equal(value, "label", 5);
	}
	/* Without its label it shall not exist. */
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		call_init(&big, &d, ops[i], ROOT);
		big.req.name[0] = "lb3";
		if (ops[i] == FUSE_CREATE)
			big.arg.create = (struct fuse_create_in){ .flags = O_RDWR, .mode = 0600 };
		else
			big.arg.mknod.mode = S_IFREG | 0700;
		big.req.label_name = i ? "user.no" : "security.capability";
		big.req.label = "label";
		big.req.label_len = 5;
		assert_int_equal(call_run(&big), -EINVAL);
		assert_int_equal(op_lookup(&d, ROOT, "lb3", &e), -ENOENT);
	}
}

/* The guest's cache reads what it was only asked to write. */
static void test_writeback(void **state)
{
	struct fuse_entry_out e;
	uint64_t fh;
	char buf[8];

	again((struct fs_config){ .writeback = true, .cache = FS_CACHE_AUTO }, FUSE_WRITEBACK_CACHE);
	assert_int_equal(op_create(&d, ROOT, "wb", O_WRONLY | O_APPEND, 0200, &e, &fh), 0);
	assert_int_equal(op_write(&d, fh, "abc", 3, 0, 0), 3);
	assert_int_equal(op_write(&d, fh, "x", 1, 1, FUSE_WRITE_CACHE), 1);
	assert_int_equal(op_read(&d, fh, buf, 8, 0), 3);
	assert_memory_equal(buf, "axc", 3);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_open(&d, e.nodeid, O_WRONLY, &fh), 0);
	assert_int_equal(op_read(&d, fh, buf, 8, 0), 3);
	assert_int_equal(op_release(&d, fh), 0);
	refused((struct fs_config){ .writeback = true, .cache = FS_CACHE_NONE }, "writeback");
}

static void test_direct_io(void **state)
{
	static char page[4096] __attribute__((aligned(4096)));
	struct fuse_entry_out e;
	uint64_t fh;

	again((struct fs_config){ .allow_direct_io = true }, 0);
	memset(page, 'p', sizeof(page));
	assert_int_equal(op_create(&d, ROOT, "dio", O_RDWR | O_DIRECT, 0600, &e, &fh), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(op_write(&d, fh, page, sizeof(page), 0, 0), 4096);
		memset(page, 0, sizeof(page));
		assert_int_equal(op_read(&d, fh, page, sizeof(page), 0), 4096);
		assert_int_equal(page[4095], 'p');
		assert_int_equal(op_release(&d, fh), 0);
		assert_int_equal(op_open(&d, e.nodeid, O_RDWR | O_DIRECT, &fh), 0);
	}
	assert_int_equal(op_release(&d, fh), 0);
}

static void test_idmap(void **state)
{
	struct fuse_setattr_in chown_in = { .valid = FATTR_UID | FATTR_GID, .uid = 5, .gid = 7 };
	struct fuse_entry_out e;
	struct fuse_attr attr;
	struct stat st;
	uint64_t fh;

	again((struct fs_config){ .translate_uid = "map:0:10000:1000,forbid-guest:5000:10,"
						   "squash-guest:6000:77:100,host:300:301:1",
				  .translate_gid = "guest:0:20000:10,squash-host:0:9:100000" }, 0);
	assert_int_equal(chmod(dir, 0777), 0);
	d.uid = 5;
	d.gid = 6;
	assert_int_equal(op_create(&d, ROOT, "id", O_RDWR, 0600, &e, &fh), 0);
	op_release(&d, fh);
	assert_int_equal(stat(in_dir("id"), &st), 0);
	assert_int_equal(st.st_uid, 10005);
	assert_int_equal(st.st_gid, 20006);
	assert_int_equal(e.attr.uid, 5);
	assert_int_equal(e.attr.gid, 9);
	d.uid = 5005;
	assert_int_equal(op_mkdir(&d, ROOT, "idf", 0700, NULL), -EPERM);
	d.uid = 6050;
	assert_int_equal(op_mkdir(&d, ROOT, "ids", 0700, &e), 0);
	assert_int_equal(stat(in_dir("ids"), &st), 0);
	assert_int_equal(st.st_uid, 77);
	assert_int_equal(e.attr.uid, 77); /* one direction only */
	d.uid = d.gid = 0;
	assert_int_equal(op_setattr(&d, e.nodeid, &chown_in, &attr), 0);
	assert_int_equal(attr.uid, 5);
	assert_int_equal(stat(in_dir("ids"), &st), 0);
	assert_int_equal(st.st_uid, 10005);
	assert_int_equal(st.st_gid, 20007);
	chown_in.uid = 5001;
	assert_int_equal(op_setattr(&d, e.nodeid, &chown_in, &attr), -EPERM);
	assert_int_equal(chown(in_dir("ids"), 300, 0), 0);
	assert_int_equal(op_getattr(&d, e.nodeid, &attr), 0);
	assert_int_equal(attr.uid, 301);
	assert_int_equal(rmdir(in_dir("ids")), 0);
	assert_int_equal(unlink(in_dir("id")), 0);
}

/* Ids in lists are ids. */
static void test_idmap_acl(void **state)
{
	struct acl acl = acl_with_user(5), host;
	struct fuse_entry_out e;

	again((struct fs_config){ .posix_acl = true,
				  .translate_uid = "map:0:10000:1000,forbid-guest:5000:1" },
	      FUSE_POSIX_ACL);
	assert_int_equal(mkdir_masked(ROOT, "ida", 0700, 0), 0700);
	e = big.out.entry;
	if (xattr_call(FUSE_SETXATTR, e.nodeid, ACL_ACCESS, &acl, sizeof(acl)) == -EOPNOTSUPP)
		skip();
	assert_acl(e.nodeid, ACL_ACCESS, acl);
	assert_int_equal(getxattr(in_dir("ida"), ACL_ACCESS, &host, sizeof(host)), sizeof(host));
	assert_int_equal(host.e[1].e_id, 10005);
	acl.e[1].e_id = 5000;
	assert_int_equal(xattr_call(FUSE_SETXATTR, e.nodeid, ACL_ACCESS, &acl, sizeof(acl)), -EPERM);
}

static void test_idmap_refusals(void **state)
{
	static const char *const bad[] = {
		"", "map", "map:", "map:1:2", "map:1:2:3:4", "map:1:2:0", "map:a:2:3", "map:1:2:-3",
		"map:1:2:3,", "mapp:1:2:3", "forbid-guest:1:2:3", "map:4294967296:1:1",
		"map:4294967295:1:2", "map:1:4294967295:2", "guest:0:5:10,map:9:100:1",
		"map:0:5:10,host:14:3:1", "map: 1:2:3", "map:0x1:2:3",
	};
	static const char *const good[] = {
		"map:0:100000:65536", "squash-guest:0:501:4294967295,host:501:0:1",
		"forbid-guest:0:1000,map:1000:1000:1,forbid-guest:1001:4294966295",
	};
	struct fs_config cfg = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		refused((struct fs_config){ .translate_uid = bad[i] }, "translate-uid");
		refused((struct fs_config){ .translate_gid = bad[i] }, "translate-gid");
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		cfg.translate_uid = good[i];
		again(cfg, 0);
	}
}

static void assert_list(uint64_t node, const char *names, size_t len)
{
	assert_int_equal(xattr_call(FUSE_LISTXATTR, node, NULL, NULL, 1000), 0);
	assert_int_equal(big.req.out_len, len);
	assert_memory_equal(big.buf, names, len);
}

static uint64_t new_file(const char *name)
{
	unlink(in_dir(name));
	return make_file(name, 0600);
}

static void test_xattrmap(void **state)
{
	uint64_t node;

	/* Everything gets a prefix, nothing else is seen. */
	again((struct fs_config){ .xattrmap = ":map::user.guest.:" }, 0);
	node = new_file("xm");
	if (setxattr(in_dir("xm"), "user.host", "h", 1, 0))
		skip();
	assert_int_equal(xattr_call(FUSE_SETXATTR, node, "trusted.x", "1", 1), 0);
	assert_int_equal(getxattr(in_dir("xm"), "user.guest.trusted.x", NULL, 0), 1);
	assert_int_equal(xattr_call(FUSE_GETXATTR, node, "trusted.x", NULL, 10), 0);
	assert_int_equal(xattr_call(FUSE_GETXATTR, node, "user.host", NULL, 10), -ENODATA);
	assert_list(node, "trusted.x", 10);
	assert_int_equal(xattr_call(FUSE_REMOVEXATTR, node, "trusted.x", NULL, 0), 0);
	/* Only trusted; the guest cannot reach its store directly. */
	again((struct fs_config){ .xattrmap = "/map/trusted./user.guest./" }, 0);
	node = new_file("xm");
	assert_int_equal(xattr_call(FUSE_SETXATTR, node, "trusted.x", "1", 1), 0);
	assert_int_equal(xattr_call(FUSE_SETXATTR, node, "user.y", "1", 1), 0);
	assert_int_equal(xattr_call(FUSE_SETXATTR, node, "user.guest.z", "1", 1), -EPERM);
	assert_int_equal(xattr_call(FUSE_GETXATTR, node, "user.guest.trusted.x", NULL, 9), -ENODATA);
	assert_int_equal(xattr_call(FUSE_LISTXATTR, node, NULL, NULL, 1000), 0);
	assert_int_equal(big.req.out_len, strlen("trusted.x") + strlen("user.y") + 2);
	/* The language itself: order, scopes, separators, white space. */
	again((struct fs_config){
		.xattrmap = " :unsupported:all:user.no:user.no:\n :bad:client:user.ro::"
			    "|ok|server||user.ro|\t /ok/all/user./user./ " }, 0);
	node = new_file("xm");
	assert_int_equal(setxattr(in_dir("xm"), "user.ro", "r", 1, 0), 0);
	assert_int_equal(xattr_call(FUSE_SETXATTR, node, "user.none", "1", 1), -EOPNOTSUPP);
	assert_int_equal(xattr_call(FUSE_GETXATTR, node, "user.none", NULL, 1), -EOPNOTSUPP);
	assert_int_equal(xattr_call(FUSE_SETXATTR, node, "user.ro", "1", 1), -EPERM);
	assert_int_equal(xattr_call(FUSE_REMOVEXATTR, node, "user.ro", NULL, 0), -EPERM);
	assert_int_equal(xattr_call(FUSE_SETXATTR, node, "trusted.x", "1", 1), -EPERM);
	assert_list(node, "user.ro", 8);
}

/* The kernel does this for security.capability, and only under that name. */
static void test_xattrmap_capability(void **state)
{
	struct fuse_entry_out e;
	uint64_t node, fh, fh2;

	again((struct fs_config){ .xattrmap = ":map::user.g.:" }, 0);
	node = new_file("xc");
	assert_int_equal(op_open(&d, node, O_RDWR, &fh), 0);
	if (xattr_call(FUSE_SETXATTR, node, "security.capability", "cap", 3))
		skip();
	assert_int_equal(xattr_call(FUSE_GETXATTR, node, "security.capability", NULL, 9), 0);
	/* Not with the rights of who came before. */
	assert_int_equal(chmod(dir, 0777), 0);
	d.uid = d.gid = 1234;
	d.fs->session_flags = FUSE_CREATE_SUPP_GROUP;
	assert_int_equal(op_create(&d, ROOT, "xd", O_RDWR, 0600, &e, &fh2), 0);
	d.uid = d.gid = 0;
	assert_int_equal(op_write(&d, fh, "x", 1, 0, 0), 1);
	assert_int_equal(xattr_call(FUSE_GETXATTR, node, "security.capability", NULL, 9), -ENODATA);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_release(&d, fh2), 0);
}

static void test_xattrmap_refusals(void **state)
{
	static const char *const bad[] = {
		"", " ", ":", ":ok", ":ok:all::", ":ok:none:::", ":okay:all:::", ":map:x:",
		":map::user.:ok:all:::", ":map::a.::map::b.:", "/ok/all///x",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refused((struct fs_config){ .xattrmap = bad[i] }, "xattrmap");
	refused((struct fs_config){ .xattrmap = ":map::user.g.:", .posix_acl = true }, "posix-acl");
	again((struct fs_config){ .xattrmap = ":ok:all:system.posix_acl_:system.posix_acl_:"
					      ":map::user.g.:",
				  .posix_acl = true }, FUSE_POSIX_ACL);
}

int main(void)
{
#define OPTION_TEST(fn) cmocka_unit_test_teardown(fn, plain)
	const struct CMUnitTest tests[] = {
		OPTION_TEST(test_flags_follow),
		OPTION_TEST(test_umask),
		OPTION_TEST(test_acl),
		OPTION_TEST(test_acl_rights),
		OPTION_TEST(test_label),
		OPTION_TEST(test_writeback),
		OPTION_TEST(test_direct_io),
		OPTION_TEST(test_idmap),
		OPTION_TEST(test_idmap_acl),
		OPTION_TEST(test_idmap_refusals),
		OPTION_TEST(test_xattrmap),
		OPTION_TEST(test_xattrmap_capability),
		OPTION_TEST(test_xattrmap_refusals),
	};

	if (geteuid())
		return 77; /* handles and other owners are root's */
	return cmocka_run_group_tests(tests, local_setup, local_teardown);
}
