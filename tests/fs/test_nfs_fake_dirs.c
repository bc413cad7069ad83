/* SPDX-License-Identifier: BSD-3-Clause */
/* Directories of a server of the test's own: cookies, verifiers and lists that real ones rarely have. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "nfs_fake_rig.h"

#define BIG_COOKIE 0xfedcba9876543210ull

static void put_entry(struct fake_call *c, const char *name, uint64_t cookie)
{
	put32(c, 1);
	put64(c, 77);
	put_bytes(c, name, (uint32_t)strlen(name));
	put64(c, cookie);
}

static enum fake_verdict big_cookies(struct fake *fk, struct fake_call *c)
{
	uint64_t verf = htobe64(0x1122334455667788ull);
	uint32_t len;
	size_t end;

	if (c->proc != READDIR)
		return FAKE_DEFAULT;
	get_bytes(c, 0, &len, &end);
	/* The second part only to who has the cookie and the verifier. */
	if (get64(c, end) && (get64(c, end) != BIG_COOKIE || get64(c, end + 8) != be64toh(verf))) {
		put_error(c, 22);
		return FAKE_REPLY;
	}
	put32(c, 0);
	put_attr(c, true, 0);
	put_verf(c, verf);
	put_entry(c, get64(c, end) ? "second" : "first", get64(c, end) ? 1 : BIG_COOKIE);
	put_entry(c, "no/name", 2);
	put32(c, 0);
	put32(c, get64(c, end) ? 1 : 0);
	return FAKE_REPLY;
}

static const struct fuse_dirent *only_entry(const char *buf, int len, const char *name)
{
	const struct fuse_dirent *ent = (const struct fuse_dirent *)buf;

	assert_int_equal(ent->namelen, strlen(name));
	assert_int_equal(len, FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + ent->namelen));
	assert_memory_equal(ent->name, name, ent->namelen);
	return ent;
}

static void test_big_cookies(void **state)
{
	static char buf[4096] __attribute__((aligned(8)));
	uint64_t fh;
	int len;

	begin(big_cookies);
	assert_int_equal(op_opendir(&d, ROOT, &fh), 0);
	len = t_readdir(&d, false, fh, 0, buf, sizeof(buf));
	assert_true(len > 0);
	assert_true(only_entry(buf, len, "first")->off == BIG_COOKIE);
	len = t_readdir(&d, false, fh, BIG_COOKIE, buf, sizeof(buf));
	assert_true(len > 0);
	only_entry(buf, len, "second");
	assert_int_equal(t_readdir(&d, false, fh, 5, buf, sizeof(buf)), -EINVAL);
	end();
}

/* A verifier for each state of the directory: every look changes it. */
static enum fake_verdict changing_verf(struct fake *fk, struct fake_call *c)
{
	uint32_t len;
	size_t end;

	if (c->proc == READDIRPLUS) {
		put_error(c, 10004);
		return FAKE_REPLY;
	}
	if (c->proc != READDIR)
		return FAKE_DEFAULT;
	get_bytes(c, 0, &len, &end);
	if (get64(c, end) == 9 || (get64(c, end) && get64(c, end + 8) != be64toh(2))) {
		put_error(c, 10003);
		return FAKE_REPLY;
	}
	put32(c, 0);
	put_attr(c, true, 0);
	put_verf(c, c->nth ? 2 : 1);
	put_entry(c, get64(c, end) ? "b" : "a", get64(c, end) + 3);
	put32(c, 0);
	put32(c, 0);
	return FAKE_REPLY;
}

static void test_cookie_verifier(void **state)
{
	static char buf[4096] __attribute__((aligned(8)));
	uint64_t fh;
	int len;

	begin(changing_verf);
	assert_int_equal(op_opendir(&d, ROOT, &fh), 0);
	len = t_readdir(&d, true, fh, 0, buf, sizeof(buf)); /* falls back to READDIR */
	assert_true(len > 0);
	assert_int_equal(((struct fuse_direntplus *)buf)->entry_out.nodeid, 0);
	len = t_readdir(&d, false, fh, 3, buf, sizeof(buf));
	assert_true(len > 0);
	only_entry(buf, len, "b");
	assert_int_equal(calls(READDIR), 4); /* a; refused; verifier; b */
	assert_int_equal(t_readdir(&d, false, fh, 9, buf, sizeof(buf)), -EIO);
	end();
}

/* More than a client asked for, as deep as one record goes: the decoder recurses. */
static enum fake_verdict endless_dir(struct fake *fk, struct fake_call *c)
{
	uint32_t len;
	size_t end;

	if (c->proc != READDIR)
		return FAKE_DEFAULT;
	get_bytes(c, 0, &len, &end);
	memcpy(fk->seen, c->arg + end + 16, 4);
	put32(c, 0);
	put_attr(c, true, 0);
	put_verf(c, 1);
	for (uint64_t i = 1; i <= 36000; i++)
		put_entry(c, "n", i);
	put32(c, 0);
	put32(c, 1);
	return FAKE_REPLY;
}

static void test_endless_directory(void **state)
{
	static char buf[65536] __attribute__((aligned(8)));
	struct fuse_attr a;
	uint64_t fh;

	begin(endless_dir);
	assert_int_equal(op_opendir(&d, ROOT, &fh), 0);
	assert_in_range(t_readdir(&d, false, fh, 0, buf, sizeof(buf)), 32000, sizeof(buf));
	assert_in_range(seen32(0), 4096, 65536);
	assert_int_equal(t_readdir(&d, false, fh, 0, buf, 16), -EINVAL);
	assert_in_range(t_readdir(&d, false, fh, 0, buf, 4096), 4000, 4096);
	assert_int_equal(seen32(0), 4096);
	assert_int_equal(op_getattr(&d, ROOT, &a), 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_big_cookies),
		cmocka_unit_test(test_cookie_verifier),
		cmocka_unit_test(test_endless_directory),
	};

	return cmocka_run_group_tests_name("nfs_fake_dirs", tests, NULL, NULL);
}
