/* SPDX-License-Identifier: BSD-3-Clause */
/* Ids that are others at the server than in the guest: callers, owners, ACLs. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "rig.h"

#define UIDS "map:1000:500000:100,squash-guest:0:65534:1,host:70000:7:1,forbid-guest:3000:10"
#define GIDS "map:2000:600000:100"

static const char access_acl[] = "system.posix_acl_access";

static void begin_mapped(void)
{
	struct fs_config cfg = { .type = "nfs", .server = "127.0.0.1", .export_path = "/x",
				 .options = opts, .cache = FS_CACHE_AUTO, .translate_uid = UIDS,
				 .translate_gid = GIDS };

	m = memfs_start(&f, 1);
	snprintf(opts, sizeof(opts), "nfsport=%u,mountport=%u,timeo=20", f.port, f.port);
	nfs_drive_as(&d, &cfg);
}

static void be(uint32_t uid, uint32_t gid)
{
	d.uid = uid;
	d.gid = gid;
}

static void test_callers_and_owners(void **state)
{
	struct fuse_entry_out e;
	struct fuse_attr a;
	uint32_t ino;

	begin_mapped();
	be(1005, 2006);
	assert_int_equal(op_mkdir(&d, ROOT, "d", 0755, &e), 0);
	assert_int_equal(m->last_uid, 500005);
	assert_int_equal(m->last_gid, 600006);
	assert_int_equal(e.attr.uid, 1005); /* as made there, seen here */
	assert_int_equal(e.attr.gid, 2006);
	ino = memfs_find(m, "d");
	assert_int_equal(m->ino[ino].uid, 500005);
	/* Root is nobody, others stay as they are. */
	be(0, 0);
	assert_int_equal(op_getattr(&d, e.nodeid, &a), 0);
	assert_int_equal(m->last_uid, 65534);
	assert_int_equal(m->last_gid, 0);
	be(42, 43);
	assert_int_equal(op_getattr(&d, e.nodeid, &a), 0);
	assert_int_equal(m->last_uid, 42);
	/* One way only. */
	m->ino[ino].uid = 70000;
	assert_int_equal(op_getattr(&d, e.nodeid, &a), 0);
	assert_int_equal(a.uid, 7);
	be(0, 0);
	end();
}

static void test_chown(void **state)
{
	struct fuse_setattr_in in = { .valid = FATTR_UID | FATTR_GID, .uid = 1099, .gid = 2000 };
	struct fuse_entry_out e;
	uint32_t ino;

	begin_mapped();
	assert_int_equal(op_mkdir(&d, ROOT, "d", 0755, &e), 0);
	ino = memfs_find(m, "d");
	assert_int_equal(op_setattr(&d, e.nodeid, &in, NULL), 0);
	assert_int_equal(m->ino[ino].uid, 500099);
	assert_int_equal(m->ino[ino].gid, 600000);
	in.uid = 3005;
	assert_int_equal(op_setattr(&d, e.nodeid, &in, NULL), -EPERM);
	assert_int_equal(m->ino[ino].uid, 500099);
	end();
}

/* The server does not even hear of them. */
static void test_forbidden(void **state)
{
	struct fuse_entry_out e;
	unsigned int before;

	begin_mapped();
	before = m->calls;
	be(3009, 0);
	assert_int_equal(op_mkdir(&d, ROOT, "d", 0755, &e), -EPERM);
	assert_int_equal(op_lookup(&d, ROOT, "d", &e), -EPERM);
	assert_int_equal(m->calls, before);
	be(3010, 0);
	assert_int_equal(op_lookup(&d, ROOT, "d", &e), -ENOENT);
	be(0, 0);
	end();
}

static void test_acls(void **state)
{
	struct {
		uint32_t version;
		struct {
			uint16_t tag, perm;
			uint32_t id;
		} ace[6];
	} acl = { 2, { { 1, 7, ~0u }, { 2, 5, 1001 }, { 4, 5, ~0u }, { 8, 4, 2002 }, { 0x10, 5, ~0u },
		       { 0x20, 4, ~0u } } }, got;
	const struct memfs_acl *there;
	struct fuse_entry_out e;

	begin_mapped();
	assert_int_equal(op_mkdir(&d, ROOT, "d", 0755, &e), 0);
	assert_int_equal(xattr_op(FUSE_SETXATTR, e.nodeid, access_acl, &acl, sizeof(acl)), 0);
	there = &m->ino[memfs_find(m, "d")].acl[0];
	assert_int_equal(there->ace[1][1], 500001);
	assert_int_equal(there->ace[3][1], 600002);
	assert_int_equal(xattr_op(FUSE_GETXATTR, e.nodeid, access_acl, &got, sizeof(got)),
			 sizeof(acl));
	assert_memory_equal(&got, &acl, sizeof(acl));
	acl.ace[1].id = 3000;
	assert_int_equal(xattr_op(FUSE_SETXATTR, e.nodeid, access_acl, &acl, sizeof(acl)), -EPERM);
	end();
}

static void test_bad_rules(void **state)
{
	struct fs_config cfg = { .type = "nfs", .server = "127.0.0.1", .export_path = "/x",
				 .options = "nfsport=1,mountport=1", .translate_gid = "map:1" };
	char err[FS_ERR_LEN] = "";
	struct fs *fs;

	assert_int_equal(fs_nfs.open(&cfg, &fs, err), -EINVAL); /* before the server is asked */
	assert_non_null(strstr(err, "translate-gid: 'map:1'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_callers_and_owners),
		cmocka_unit_test(test_chown),
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_acls),
		cmocka_unit_test(test_bad_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
