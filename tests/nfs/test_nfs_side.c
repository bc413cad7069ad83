/* SPDX-License-Identifier: BSD-3-Clause */
/* ACLs and locks: the companion programs of NFS, against the file system in memory. */
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

static int xattr_op(uint32_t opcode, uint64_t node, const char *name, void *value, size_t size)
{
	static struct call c;
	int rc;

	call_init(&c, &d, opcode, node);
	c.req.name[0] = name;
	c.arg.getxattr.size = (uint32_t)size; /* SETXATTR has it at the same place */
	if (opcode == FUSE_SETXATTR)
		call_data(&c, value, size);
	else
		call_room(&c, size);
	rc = call_run(&c);
	if (rc || opcode == FUSE_SETXATTR || opcode == FUSE_REMOVEXATTR)
		return rc;
	if (!size)
		return (int)c.out.xattr_size.size;
	memcpy(value, c.buf, c.req.out_len);
	return (int)c.req.out_len;
}

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

/* ---- locks ---- */

static void lock_init(struct call *c, struct drive *drive, uint32_t opcode, uint64_t fh, uint64_t owner,
		      uint32_t type, uint64_t start, uint64_t end)
{
	call_init(c, drive, opcode, ROOT);
	c->arg.lk = (struct fuse_lk_in){ .fh = fh, .owner = owner,
					 .lk = { .type = type, .start = start, .end = end, .pid = 7 } };
}

static int set_lock(struct drive *drive, uint64_t fh, uint64_t owner, uint32_t type, uint64_t start,
		    uint64_t end)
{
	static struct call c;

	lock_init(&c, drive, FUSE_SETLK, fh, owner, type, start, end);
	return call_run(&c);
}

static int get_lock(struct drive *drive, uint64_t fh, uint32_t type, uint64_t start, uint64_t end)
{
	static struct call c;
	int rc;

	lock_init(&c, drive, FUSE_GETLK, fh, 99, type, start, end);
	rc = call_run(&c);
	return rc ? rc : (int)c.out.lk.lk.type;
}

static int flush_owner(struct drive *drive, uint64_t fh, uint64_t owner)
{
	static struct call c;

	call_init(&c, drive, FUSE_FLUSH, ROOT);
	c.arg.flush.fh = fh;
	c.arg.flush.lock_owner = owner;
	return call_run(&c);
}

static void begin_locks(uint64_t *a, uint64_t *b)
{
	char more[64];

	m = memfs_start(&f, 1);
	snprintf(more, sizeof(more), ",lock=remote,nlmport=%u", f.port);
	drive_with(&d, more, FS_CACHE_AUTO, NULL);
	drive_with(&other, more, FS_CACHE_AUTO, NULL);
	*a = make(&d, "a", NULL);
	*b = make(&other, "a", NULL);
}

static void end_locks(void)
{
	drive_close(&other);
	drive_close(&d);
	assert_int_equal(memfs_nr_locks(m), 0); /* the server has none of ours left */
	memfs_stop(&f);
}

static void test_locks(void **state)
{
	const uint64_t whole = INT64_MAX;
	uint64_t a, b;

	begin_locks(&a, &b);
	assert_true(d.fs->init_flags & FUSE_POSIX_LOCKS);
	assert_int_equal(set_lock(&d, a, 1, F_WRLCK, 0, 99), 0);
	assert_int_equal(set_lock(&d, a, 2, F_WRLCK, 50, 60), -EAGAIN); /* another process */
	assert_int_equal(set_lock(&other, b, 1, F_RDLCK, 99, whole), -EAGAIN); /* another guest */
	assert_int_equal(set_lock(&other, b, 1, F_RDLCK, 100, whole), 0);
	assert_int_equal(get_lock(&d, a, F_RDLCK, 100, 200), F_UNLCK);
	assert_int_equal(get_lock(&d, a, F_WRLCK, 100, 200), F_RDLCK);
	assert_int_equal(get_lock(&other, b, F_RDLCK, 0, 10), F_WRLCK);
	/* A part let go. */
	assert_int_equal(set_lock(&d, a, 1, F_UNLCK, 40, 59), 0);
	assert_int_equal(set_lock(&other, b, 2, F_WRLCK, 40, 59), 0);
	assert_int_equal(set_lock(&other, b, 2, F_WRLCK, 39, 39), -EAGAIN);
	assert_int_equal(set_lock(&other, b, 2, F_WRLCK, 60, 60), -EAGAIN);
	/* close() of a process lets go of what it had, whoever else has the file open. */
	assert_int_equal(flush_owner(&d, a, 1), 0);
	assert_int_equal(set_lock(&other, b, 2, F_WRLCK, 0, 99), 0);
	assert_int_equal(flush_owner(&d, a, 77), 0); /* who has none */
	assert_int_equal(set_lock(&d, a, 5, F_UNLCK, 0, whole), 0);
	assert_int_equal(set_lock(&d, a, 5, F_RDLCK, 10, 9), -EINVAL);
	end_locks();
}

static void test_lock_waits(void **state)
{
	struct call *wait = calloc(1, sizeof(*wait)), *second = calloc(1, sizeof(*second));
	uint64_t a, b;

	begin_locks(&a, &b);
	assert_int_equal(set_lock(&d, a, 1, F_WRLCK, 0, 9), 0);
	lock_init(wait, &other, FUSE_SETLKW, b, 1, F_WRLCK, 5, 6);
	call_start(wait);
	lock_init(second, &other, FUSE_SETLKW, b, 2, F_WRLCK, 7, 8);
	call_start(second);
	for (int i = 0; i < 20; i++) {
		other.fs->ops->poll(other.ft);
		usleep(10000);
	}
	assert_false(wait->done);
	assert_int_equal(set_lock(&d, a, 1, F_UNLCK, 0, 6), 0);
	assert_int_equal(call_wait(wait), 0);
	assert_false(second->done);
	other.fs->ops->cancel(other.ft);
	assert_int_equal(call_wait(second), -EINTR);
	end_locks();
	free(wait);
	free(second);
}

/* The server forgets all locks with a restart; ours are taken again before anybody else's are. */
static void test_lock_reclaim(void **state)
{
	uint64_t a, b;

	begin_locks(&a, &b);
	assert_int_equal(set_lock(&d, a, 1, F_WRLCK, 0, 9), 0);
	assert_int_equal(set_lock(&d, a, 1, F_RDLCK, 4, 5), 0);
	memfs_set_grace(m, true);
	memfs_restart(&f, m);
	for (int i = 0; i < 200 && memfs_nr_locks(m) < 3; i++) {
		struct fuse_attr attr;

		assert_int_equal(op_getattr(&d, ROOT, &attr), 0);
		usleep(1000);
	}
	assert_int_equal(memfs_nr_locks(m), 3);
	memfs_set_grace(m, false);
	assert_int_equal(set_lock(&other, b, 1, F_RDLCK, 4, 5), 0);
	assert_int_equal(set_lock(&other, b, 1, F_WRLCK, 9, 9), -EAGAIN);
	/* The guest goes: so do its locks. */
	d.fs->ops->reset(d.fs);
	for (int i = 0; i < 200 && memfs_nr_locks(m) > 1; i++) {
		d.fs->ops->poll(d.ft);
		usleep(1000);
	}
	assert_int_equal(memfs_nr_locks(m), 1);
	end_locks();
}

static void test_no_locks(void **state)
{
	uint64_t fh;

	begin(",lock=none");
	fh = make(&d, "a", NULL);
	assert_int_equal(set_lock(&d, fh, 1, F_WRLCK, 0, 9), -ENOLCK);
	assert_int_equal(op_release(&d, fh), 0);
	end();
	begin("");
	assert_false(d.fs->init_flags & FUSE_POSIX_LOCKS); /* the guest's own */
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_acls),
		cmocka_unit_test(test_locks),
		cmocka_unit_test(test_lock_waits),
		cmocka_unit_test(test_lock_reclaim),
		cmocka_unit_test(test_no_locks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
