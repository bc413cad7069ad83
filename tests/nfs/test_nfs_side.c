/* SPDX-License-Identifier: BSD-3-Clause */
/* ACLs: NFSACL against the file system in memory. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "rig.h"

/* ---- ACLs ---- */

struct ace {
	uint16_t tag, perm;
	uint32_t id;
};

static void test_acls(void **state)
{
	static const char access[] = "system.posix_acl_access", dflt[] = "system.posix_acl_default";
	struct {
		uint32_t version;
		struct ace ace[5];
	} acl = { 2, { { 1, 7, ~0u }, { 2, 5, 1234 }, { 4, 5, ~0u }, { 0x10, 5, ~0u }, { 0x20, 4, ~0u } } },
	  got;
	struct fuse_entry_out e;
	char names[128];

	if (!NFS_OWN_ENGINE)
		skip(); /* libnfs 4.0 has no NFSACL */
	begin("");
	assert_int_equal(op_mkdir(&d, ROOT, "d", 0754, &e), 0);
	assert_int_equal(xattr_op(FUSE_GETXATTR, e.nodeid, access, &got, sizeof(got)), -ENODATA);
	assert_int_equal(xattr_op(FUSE_LISTXATTR, e.nodeid, NULL, names, sizeof(names)), 0);
	assert_int_equal(xattr_op(FUSE_GETXATTR, e.nodeid, "user.x", &got, sizeof(got)), -EOPNOTSUPP);
	assert_int_equal(xattr_op(FUSE_SETXATTR, e.nodeid, access, &acl, sizeof(acl)), 0);
	assert_int_equal(xattr_op(FUSE_GETXATTR, e.nodeid, access, NULL, 0), sizeof(acl));
	assert_int_equal(xattr_op(FUSE_GETXATTR, e.nodeid, access, &got, 8), -ERANGE);
	assert_int_equal(xattr_op(FUSE_GETXATTR, e.nodeid, access, &got, sizeof(got)), sizeof(acl));
	assert_memory_equal(&got, &acl, sizeof(acl));
	/* One list is set, the other stays. */
	acl.ace[1].perm = 7;
	assert_int_equal(xattr_op(FUSE_SETXATTR, e.nodeid, dflt, &acl, sizeof(acl)), 0);
	assert_int_equal(xattr_op(FUSE_GETXATTR, e.nodeid, dflt, &got, sizeof(got)), sizeof(acl));
	assert_int_equal(got.ace[1].perm, 7);
	assert_int_equal(xattr_op(FUSE_GETXATTR, e.nodeid, access, &got, sizeof(got)), sizeof(acl));
	assert_int_equal(got.ace[1].perm, 5);
	assert_int_equal(xattr_op(FUSE_LISTXATTR, e.nodeid, NULL, names, sizeof(names)),
			 sizeof(access) + sizeof(dflt));
	assert_memory_equal(names, access, sizeof(access));
	assert_int_equal(xattr_op(FUSE_REMOVEXATTR, e.nodeid, access, NULL, 0), 0);
	assert_int_equal(xattr_op(FUSE_GETXATTR, e.nodeid, access, &got, sizeof(got)), -ENODATA);
	assert_int_equal(xattr_op(FUSE_REMOVEXATTR, e.nodeid, access, NULL, 0), -ENODATA);
	assert_int_equal(xattr_op(FUSE_REMOVEXATTR, e.nodeid, dflt, NULL, 0), 0);
	/* Nonsense. */
	acl.ace[3].tag = 0x40;
	assert_int_equal(xattr_op(FUSE_SETXATTR, e.nodeid, access, &acl, sizeof(acl)), -EINVAL);
	acl.ace[3].tag = 4;
	assert_int_equal(xattr_op(FUSE_SETXATTR, e.nodeid, access, &acl, sizeof(acl)), -EINVAL);
	assert_int_equal(xattr_op(FUSE_SETXATTR, e.nodeid, access, &acl, 7), -EINVAL);
	acl.version = 1;
	assert_int_equal(xattr_op(FUSE_SETXATTR, e.nodeid, access, &acl, sizeof(acl)), -EOPNOTSUPP);
	/* A server without them: asked once. */
	m->no_acl = true;
	assert_int_equal(xattr_op(FUSE_GETXATTR, e.nodeid, access, &got, sizeof(got)), -ENOSYS);
	m->no_acl = false;
	assert_int_equal(xattr_op(FUSE_LISTXATTR, e.nodeid, NULL, names, sizeof(names)), -ENOSYS);
	end();
}

/* The guest's kernel looks at ACLs only where it is told to, for that costs calls. */
static void test_who_judges(void **state)
{
	begin("");
	assert_false(d.fs->init_flags & FUSE_POSIX_ACL);
	end();
	begin(",acl");
	assert_true(d.fs->init_flags & FUSE_POSIX_ACL);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_acls),
		cmocka_unit_test(test_who_judges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
