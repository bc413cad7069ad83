/* SPDX-License-Identifier: BSD-3-Clause */
/* Arguments and results of NFS v3 and its companions, byte by byte against their specifications. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "fs/nfs/nfs3.h"

static uint8_t wire[65536];
static struct xdr_out out;
static struct nfs3_scratch scratch;
static struct nfs_result res;
static const struct nfs_fh fh = { .len = 5, .data = "handl" };

/* ---- arguments ---- */

static struct xdr_in args_of(const struct nfs_call *call)
{
	out = (struct xdr_out){ wire, wire + sizeof(wire), false };
	nfs3_put_args(&out, call);
	assert_false(out.bad);
	assert_in_range((size_t)(out.p - wire), 4, nfs3_args_max(call));
	return (struct xdr_in){ wire, out.p, false };
}

static void expect_bytes(struct xdr_in *x, const char *bytes, uint32_t want)
{
	uint32_t len;
	const uint8_t *p = xdr_get_opaque(x, UINT32_MAX, &len);

	assert_int_equal(len, want);
	assert_memory_equal(p, bytes, want);
}

static void expect_words(struct xdr_in *x, const uint32_t *word, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		assert_int_equal(xdr_get32(x), word[i]);
}

#define EXPECT(x, ...) \
	expect_words(x, (const uint32_t[]){ __VA_ARGS__ }, \
		     sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static void expect_end(struct xdr_in *x)
{
	assert_false(x->bad);
	assert_int_equal(xdr_left(x), 0);
}

static void test_names(void **state)
{
	const struct nfs_call rename = { .proc = NFS_RENAME, .fh = &fh, .name = "a", .fh2 = &fh,
					 .name2 = "bcde" };
	const struct nfs_call link = { .proc = NFS_LINK, .fh = &fh, .fh2 = &fh, .name2 = "n" };
	struct xdr_in x = args_of(&rename);

	expect_bytes(&x, "handl", 5);
	expect_bytes(&x, "a", 1);
	expect_bytes(&x, "handl", 5);
	expect_bytes(&x, "bcde", 4);
	expect_end(&x);
	x = args_of(&link);
	expect_bytes(&x, "handl", 5);
	expect_bytes(&x, "handl", 5);
	expect_bytes(&x, "n", 1);
	expect_end(&x);
}

static void test_creating(void **state)
{
	struct nfs_call c = { .proc = NFS_CREATE, .fh = &fh, .name = "n", .create_mode = NFS_GUARDED,
			      .sattr = { .set = NFS_SET_MODE | NFS_SET_SIZE, .mode = 0640,
					 .size = 1ull << 32 } };
	struct xdr_in x = args_of(&c);

	x.p += 12 + 8;
	EXPECT(&x, 1, 1, 0640, 0, 0, 1, 1, 0, 0, 0);
	expect_end(&x);
	c.create_mode = NFS_EXCLUSIVE;
	memcpy(c.verf, "verifier", 8);
	x = args_of(&c);
	x.p += 12 + 8;
	EXPECT(&x, 2, 0x76657269, 0x66696572);
	expect_end(&x);
	c = (struct nfs_call){ .proc = NFS_MKNOD, .fh = &fh, .name = "n", .mode = S_IFBLK, .rdev_major = 8,
			       .rdev_minor = 300 };
	x = args_of(&c);
	x.p += 12 + 8;
	EXPECT(&x, 3, 0, 0, 0, 0, 0, 0, 8, 300);
	expect_end(&x);
	c.mode = S_IFIFO;
	x = args_of(&c);
	x.p += 12 + 8;
	EXPECT(&x, 7, 0, 0, 0, 0, 0, 0);
	expect_end(&x);
	c = (struct nfs_call){ .proc = NFS_SYMLINK, .fh = &fh, .name = "n", .target = "../t" };
	x = args_of(&c);
	x.p += 12 + 8 + 24;
	expect_bytes(&x, "../t", 4);
	expect_end(&x);
}

static void test_guard(void **state)
{
	const struct timespec ctime = { 7, 8 };
	struct nfs_call c = { .proc = NFS_SETATTR, .fh = &fh, .guard = &ctime,
			      .sattr = { .set = NFS_SET_UID | NFS_SET_ATIME_NOW | NFS_SET_MTIME, .uid = 9,
					 .mtime = { 3, 4 } } };
	struct xdr_in x = args_of(&c);

	x.p += 12;
	EXPECT(&x, 0, 1, 9, 0, 0, 1, 2, 3, 4, 1, 7, 8);
	expect_end(&x);
}

static void test_ranges(void **state)
{
	struct nfs_call c = { .proc = NFS_WRITE, .fh = &fh, .offset = 5, .count = 6, .stable = true };
	struct xdr_in x = args_of(&c);

	x.p += 12;
	EXPECT(&x, 0, 5, 6, 2, 6); /* the bytes are sent from elsewhere */
	expect_end(&x);
	c.proc = NFS_READDIRPLUS;
	c.dircount = 4;
	memcpy(c.verf, "verifier", 8);
	x = args_of(&c);
	x.p += 12;
	EXPECT(&x, 0, 5, 0x76657269, 0x66696572, 4, 6);
	expect_end(&x);
}

/* What does not fit is an error of the call, nothing is written behind the end. */
static void test_no_room(void **state)
{
	const struct nfs_call c = { .proc = NFS_LOOKUP, .fh = &fh, .name = "name" };

	for (size_t room = 0; room < 20; room++) {
		out = (struct xdr_out){ wire, wire + room, false };
		memset(wire, 0xee, 32);
		nfs3_put_args(&out, &c);
		assert_true(out.bad);
		assert_int_equal(wire[room], 0xee);
	}
}

/* ---- results ---- */

static void start(void)
{
	out = (struct xdr_out){ wire, wire + sizeof(wire), false };
}

static int result_of(struct nfs_call *call)
{
	struct xdr_in x = { wire, out.p, false };

	return nfs3_get_result(&x, call, &scratch, &res);
}

static void put_attr(uint32_t type, uint64_t size)
{
	xdr_put32(&out, 1);
	xdr_put32(&out, type);
	xdr_put32(&out, 0100644);
	for (uint32_t i = 0; i < 3; i++)
		xdr_put32(&out, i + 1);
	xdr_put64(&out, size);
	xdr_put64(&out, size);
	xdr_put32(&out, 8);
	xdr_put32(&out, 9);
	xdr_put64(&out, 10);
	xdr_put64(&out, 11);
	for (uint32_t i = 0; i < 6; i++)
		xdr_put32(&out, i == 5 ? 2000000000 : 20 + i);
}

static void put_wcc(uint64_t before, uint64_t after)
{
	xdr_put32(&out, 1);
	xdr_put64(&out, before);
	for (uint32_t i = 0; i < 4; i++)
		xdr_put32(&out, 30 + i);
	put_attr(1, after);
}

static void test_attributes(void **state)
{
	struct nfs_call c = { .proc = NFS_ACCESS };

	start();
	xdr_put32(&out, 0);
	put_attr(7, 12);
	xdr_put32(&out, 0x15);
	assert_int_equal(result_of(&c), 0);
	assert_true(res.has_attr);
	assert_int_equal(res.attr.mode, S_IFIFO | 0644);
	assert_int_equal(res.attr.nlink, 1);
	assert_int_equal(res.attr.gid, 3);
	assert_int_equal(res.attr.rdev_minor, 9);
	assert_int_equal(res.attr.fileid, 11);
	assert_int_equal(res.attr.mtime.tv_nsec, 23);
	assert_int_equal(res.attr.ctime.tv_nsec, 999999999);
	assert_int_equal(res.access, 0x15);
}

/* Before and after, of one object and of two directories, also with an error. */
static void test_wcc(void **state)
{
	struct nfs_call c = { .proc = NFS_WRITE, .count = 10 };

	start();
	xdr_put32(&out, 0);
	put_wcc(100, 200);
	xdr_put32(&out, 11); /* more than there was */
	xdr_put32(&out, 1);
	xdr_put_fixed(&out, "verifier", 8);
	assert_int_equal(result_of(&c), 0);
	assert_true(res.has_wcc && res.has_attr);
	assert_int_equal(res.wcc.size, 100);
	assert_int_equal(res.wcc.ctime.tv_nsec, 33);
	assert_int_equal(res.attr.size, 200);
	assert_int_equal(res.count, 10);
	assert_true(res.file_sync);
	assert_memory_equal(res.verf, "verifier", 8);
	c.proc = NFS_RENAME;
	start();
	xdr_put32(&out, 13);
	put_wcc(1, 2);
	put_wcc(3, 4);
	assert_int_equal(result_of(&c), -EACCES);
	assert_true(res.has_dir_wcc && res.has_dir_attr && res.has_dir2_wcc && res.has_dir2_attr);
	assert_int_equal(res.dir2_wcc.size, 3);
	assert_int_equal(res.dir2_attr.size, 4);
	/* Cut short: the status counts, halves do not. */
	out.p -= 4;
	assert_int_equal(result_of(&c), -EACCES);
	assert_false(res.has_dir2_attr);
}

static void test_status(void **state)
{
	struct nfs_call c = { .proc = NFS_GETATTR };

	start();
	xdr_put32(&out, 2);
	assert_int_equal(result_of(&c), -ESTALE); /* no name that could be missing */
	c.proc = NFS_LOOKUP;
	assert_int_equal(result_of(&c), -ENOENT);
	out.p -= 1;
	assert_int_equal(result_of(&c), -EBADMSG);
}

static unsigned int entries;

static bool count_entry(struct nfs_call *call, const struct nfs_dirent *ent)
{
	assert_string_equal(ent->name, entries ? "bb" : "a");
	assert_int_equal(ent->has_fh, !entries);
	assert_int_equal(ent->cookie, 7);
	return ++entries < 2;
}

static void put_entry(const char *name, uint32_t len, bool with_fh)
{
	xdr_put32(&out, 1);
	xdr_put64(&out, 6);
	xdr_put_opaque(&out, name, len);
	xdr_put64(&out, 7);
	xdr_put32(&out, 0);
	xdr_put32(&out, with_fh);
	if (with_fh)
		nfs3_put_fh(&out, &fh);
}

static void test_readdirplus(void **state)
{
	static const char endless[300];
	struct nfs_call c = { .proc = NFS_READDIRPLUS, .entry = count_entry };

	start();
	xdr_put32(&out, 0);
	xdr_put32(&out, 0);
	xdr_put_fixed(&out, "verifier", 8);
	put_entry("a", 1, true);
	put_entry("", 0, true); /* names nobody can have are left out */
	put_entry("c\0d", 3, true);
	put_entry(endless, sizeof(endless), false);
	put_entry("bb", 2, false);
	xdr_put32(&out, 0);
	xdr_put32(&out, 1);
	entries = 0;
	assert_int_equal(result_of(&c), 0);
	assert_int_equal(entries, 2);
	assert_false(res.eof); /* it was told to stop */
	/* The list breaks off in the middle of a name. */
	start();
	xdr_put32(&out, 0);
	xdr_put32(&out, 0);
	xdr_put_fixed(&out, "verifier", 8);
	xdr_put32(&out, 1);
	xdr_put64(&out, 6);
	xdr_put32(&out, 0x7fffffff);
	assert_int_equal(result_of(&c), -EBADMSG);
}

static void test_readlink(void **state)
{
	static char target[NFS3_PATH_MAX + 1];
	struct nfs_call c = { .proc = NFS_READLINK };

	memset(target, 'x', sizeof(target));
	for (uint32_t len = NFS3_PATH_MAX - 1; len <= NFS3_PATH_MAX + 1; len++) {
		start();
		xdr_put32(&out, 0);
		xdr_put32(&out, 0);
		xdr_put_opaque(&out, target, len);
		assert_int_equal(result_of(&c), len > NFS3_PATH_MAX ? -ENAMETOOLONG : 0);
		if (len <= NFS3_PATH_MAX)
			assert_int_equal(strlen(res.target), len);
	}
	start();
	xdr_put32(&out, 0);
	xdr_put32(&out, 0);
	xdr_put_opaque(&out, "a\0b", 3);
	assert_int_equal(result_of(&c), -EBADMSG);
}

/* ---- companions ---- */

static void test_acl(void **state)
{
	static const struct nfs_ace access[] = { { NFS_ACE_USER_OBJ, 0, 7 }, { NFS_ACE_USER, 1000, 5 } };
	static const struct nfs_ace dflt[] = { { NFS_ACE_OTHER, 0, 4 } };
	const struct nfs_acl acl = { 2, 1, access, dflt };
	struct nfs_acl large = { NFS_ACL_MAX + 1, 0, access, NULL };
	struct nfs_call c = { .proc = NFSACL_SETACL, .fh = &fh, .acl = &acl, .acl_mask = 0xf };
	struct xdr_in x = args_of(&c);

	assert_int_equal(nfs3_number(NFSACL_SETACL).prog, 100227);
	assert_int_equal(nfs3_number(NFSACL_SETACL).proc, 2);
	x.p += 12;
	EXPECT(&x, 0xf, 2, 2, 1, 0, 7, 2, 1000, 5, 1, 1, 0x1020, 0, 4);
	expect_end(&x);
	c.acl = &large;
	start();
	nfs3_put_args(&out, &c);
	assert_true(out.bad);
	c.proc = NFSACL_GETACL;
	start();
	for (size_t i = 0; i < 13; i++)
		xdr_put32(&out, ((const uint32_t[]){ 0, 0, 0xf, 1, 1, 1, 0, 7, 1, 1, 0x1020, 0, 4 })[i]);
	assert_int_equal(result_of(&c), 0);
	assert_int_equal(res.acl_mask, 0xf);
	assert_int_equal(res.acl.nr_access, 1);
	assert_int_equal(res.acl.access[0].perm, 7);
	assert_int_equal(res.acl.dflt[0].tag, NFS_ACE_OTHER);
	out.p -= 4;
	assert_int_equal(result_of(&c), -EBADMSG);
	start(); /* more entries than any ACL has */
	for (size_t i = 0; i < 5; i++)
		xdr_put32(&out, ((const uint32_t[]){ 0, 0, 1, 9, 0x40000000 })[i]);
	assert_int_equal(result_of(&c), -EBADMSG);
}

static const struct nfs_lock range = { .exclusive = true, .block = true, .svid = 77, .state = 5, .offset = 3,
				       .len = 9, .oh_len = 2, .oh = "ab" };

static void test_lock_arguments(void **state)
{
	struct nfs_call c = { .proc = NLM_LOCK, .fh = &fh, .lock = &range };
	struct xdr_in x = args_of(&c);
	uint32_t len;

	assert_int_equal(nfs3_number(NLM_UNLOCK).prog, 100021);
	assert_int_equal(nfs3_number(NLM_UNLOCK).vers, 4);
	assert_int_equal(nfs3_number(NLM_UNLOCK).proc, 4);
	x.p += 8; /* cookie */
	EXPECT(&x, 1, 1);
	assert_non_null(xdr_get_opaque(&x, 64, &len)); /* this host */
	expect_bytes(&x, "handl", 5);
	expect_bytes(&x, "ab", 2);
	EXPECT(&x, 77, 0, 3, 0, 9, 0, 5);
	expect_end(&x);
	c.proc = NLM_UNLOCK;
	x = args_of(&c);
	x.p += 8;
	assert_non_null(xdr_get_opaque(&x, 64, &len));
	x.p += 12 + 8;
	EXPECT(&x, 77, 0, 3, 0, 9);
	expect_end(&x);
}

static void test_lock_results(void **state)
{
	static const int err[] = { 0, -EAGAIN, -ENOLCK, -EINPROGRESS, -EBUSY, -EDEADLK, -EROFS, -ESTALE,
				   -EFBIG, -ENOLCK, -ENOLCK };
	struct nfs_call c = { .proc = NLM_LOCK, .lock = &range };

	for (uint32_t stat = 0; stat < ARRAY_SIZE(err); stat++) {
		start();
		xdr_put_opaque(&out, "cook", 4);
		xdr_put32(&out, stat == 10 ? 4711 : stat);
		assert_int_equal(result_of(&c), err[stat]);
	}
	c.proc = NLM_TEST;
	start();
	xdr_put_opaque(&out, "cook", 4);
	xdr_put32(&out, NLM_DENIED);
	xdr_put32(&out, 1);
	xdr_put32(&out, 88);
	xdr_put_opaque(&out, "xyz", 3);
	xdr_put64(&out, 100);
	xdr_put64(&out, 200);
	assert_int_equal(result_of(&c), 0);
	assert_true(res.locked && res.holder.exclusive);
	assert_int_equal(res.holder.svid, 88);
	assert_int_equal(res.holder.oh_len, 3);
	assert_int_equal(res.holder.len, 200);
	out.p -= 4;
	assert_int_equal(result_of(&c), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_creating),
		cmocka_unit_test(test_guard),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_wcc),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_readdirplus),
		cmocka_unit_test(test_readlink),
		cmocka_unit_test(test_acl),
		cmocka_unit_test(test_lock_arguments),
		cmocka_unit_test(test_lock_results),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
