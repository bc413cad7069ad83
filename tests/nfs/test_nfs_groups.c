/* SPDX-License-Identifier: BSD-3-Clause */
/* groups=host: the credential that the server sees, with a user database of the test's own. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../fs/nfs_fake_rig.h"
#include "base/util.h"
#include "signals.h"

#define FILE_GID 1002 /* of everything the fake has */
#define MANY 2000 /* a user with 40 groups, FILE_GID the last but one */
#define FEW 1000 /* with three */
#define SLOW 3000 /* of whom the database does not know soon */
#define NOBODY 4000 /* it does not know at all */

static unsigned int asked; /* atomic */
static int stuck; /* atomic: the database does not answer for SLOW */

int __wrap_getpwuid_r(uid_t uid, struct passwd *pw, char *buf, size_t len, struct passwd **result);
int __wrap_getpwuid_r(uid_t uid, struct passwd *pw, char *buf, size_t len, struct passwd **result)
{
	__atomic_add_fetch(&asked, 1, __ATOMIC_SEQ_CST);
	while (uid == SLOW && __atomic_load_n(&stuck, __ATOMIC_SEQ_CST))
		usleep(1000);
	*result = NULL;
	if (len < 2000)
		return ERANGE;
	if (uid == NOBODY)
		return 0;
	*pw = (struct passwd){ .pw_name = buf, .pw_uid = uid, .pw_gid = 50 };
	strcpy(buf, uid == MANY ? "many" : "few");
	*result = pw;
	return 0;
}

int __wrap_getgrouplist(const char *user, gid_t group, gid_t *list, int *nr);
int __wrap_getgrouplist(const char *user, gid_t group, gid_t *list, int *nr)
{
	bool many = !strcmp(user, "many");
	int room = *nr, all = many ? 40 : 3;

	for (int i = 0; i < all && i < room; i++)
		list[i] = i == 0 ? group : i == 38 ? FILE_GID : 600 + (gid_t)i;
	*nr = all;
	return all <= room ? all : -1;
}

static uint32_t nr_seen, seen[16]; /* of the last call */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static enum fake_verdict note(struct fake *fk, struct fake_call *c)
{
	pthread_mutex_lock(&lock);
	nr_seen = c->ngroups;
	memcpy(seen, c->groups, sizeof(seen));
	pthread_mutex_unlock(&lock);
	return FAKE_DEFAULT;
}

static void expect(const uint32_t *groups, uint32_t nr)
{
	pthread_mutex_lock(&lock);
	assert_int_equal(nr_seen, nr);
	assert_memory_equal(seen, groups, nr * sizeof(*groups));
	pthread_mutex_unlock(&lock);
}

static void begin_as(const char *options, uid_t uid, gid_t gid)
{
	__atomic_store_n(&asked, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&stuck, 0, __ATOMIC_SEQ_CST);
	begin_with(note, options);
	d.uid = uid;
	d.gid = gid;
}

static const uint32_t few[] = { 50, 601, 602 };

static void test_off(void **state)
{
	struct fuse_attr a;

	begin_as("", FEW, 100);
	assert_int_equal(op_getattr(&d, ROOT, &a), 0);
	expect(NULL, 0);
	assert_int_equal(__atomic_load_n(&asked, __ATOMIC_SEQ_CST), 0);
	end();
}

static void test_few(void **state)
{
	struct fuse_entry_out e;
	struct fuse_attr a;
	uint64_t fh;

	begin_as(",groups=host", FEW, 100);
	assert_int_equal(op_getattr(&d, ROOT, &a), 0);
	expect(few, 3);
	assert_true(signals_are_left(1)); /* the fake server */
	assert_int_equal(op_lookup(&d, ROOT, "abc", &e), 0);
	expect(few, 3);
	d.gid = 601; /* said already */
	assert_int_equal(op_getattr(&d, ROOT, &a), 0);
	expect((const uint32_t[]){ 50, 602 }, 2);
	assert_int_equal(__atomic_load_n(&asked, __ATOMIC_SEQ_CST), 2); /* one question, with too little room at first */
	/* What is done with an open file has its opener's groups. */
	d.gid = 100;
	assert_int_equal(op_open(&d, e.nodeid, O_RDWR, &fh), 0);
	d.uid = NOBODY;
	assert_int_equal(op_write(&d, fh, "x", 1, 0, 0), 1);
	expect(few, 3);
	assert_int_equal(t_handle_op(&d, FUSE_FSYNC, fh), 0);
	expect(few, 3);
	assert_int_equal(op_getattr(&d, ROOT, &a), 0);
	expect(NULL, 0);
	assert_int_equal(op_release(&d, fh), 0);
	end();
}

static void test_many(void **state)
{
	uint32_t want[16] = { FILE_GID, 50 };
	static struct call c;
	struct fuse_attr a;

	for (uint32_t i = 2; i < 16; i++)
		want[i] = 600 + i - 1;
	begin_as(",manage-gids", MANY, 100);
	assert_int_equal(op_getattr(&d, ROOT, &a), 0);
	expect(want, 16); /* the one it is about, though it is among the last */
	/* What the guest sends comes first. */
	call_init(&c, &d, FUSE_MKDIR, ROOT);
	c.req.name[0] = "d";
	c.req.ngroups = 1;
	c.req.groups[0] = 77;
	assert_int_equal(call_run(&c), 0);
	memmove(want + 1, want, 15 * sizeof(*want));
	want[0] = 77;
	expect(want, 16);
	end();
}

/* A database that does not answer holds up its own users only, and no end. */
static void test_slow(void **state)
{
	struct call *c = calloc(2, sizeof(*c));
	struct fuse_attr a;

	begin_as(",groups=host", FEW, 100);
	assert_int_equal(op_getattr(&d, ROOT, &a), 0);
	__atomic_store_n(&stuck, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 2; i++) {
		call_init(&c[i], &d, FUSE_GETATTR, ROOT);
		c[i].in.uid = SLOW;
		call_start(&c[i]);
	}
	assert_int_equal(op_getattr(&d, ROOT, &a), 0);
	assert_false(c[0].done || c[1].done);
	__atomic_store_n(&stuck, 0, __ATOMIC_SEQ_CST);
	assert_int_equal(call_wait(&c[0]), 0);
	assert_int_equal(call_wait(&c[1]), 0);
	expect(few, 3);
	end();
	/* The guest is reset meanwhile, and the device goes. */
	begin_as(",groups=host", SLOW, 100);
	__atomic_store_n(&stuck, 1, __ATOMIC_SEQ_CST);
	call_init(&c[0], &d, FUSE_GETATTR, ROOT);
	call_start(&c[0]);
	d.fs->ops->cancel(d.ft);
	assert_int_equal(call_wait(&c[0]), -EINTR);
	end();
	__atomic_store_n(&stuck, 0, __ATOMIC_SEQ_CST);
	usleep(20000); /* its thread finds out, for the leak checker */
	free(c);
}

/* More users than are remembered. */
static void test_crowd(void **state)
{
	struct fuse_attr a;

	begin_as(",groups=host", 0, 0);
	for (uid_t uid = 10000; uid < 11100; uid++) {
		d.uid = uid;
		assert_int_equal(op_getattr(&d, ROOT, &a), 0);
		expect(few, 3);
	}
	__atomic_store_n(&asked, 0, __ATOMIC_SEQ_CST);
	assert_int_equal(op_getattr(&d, ROOT, &a), 0);
	assert_int_equal(__atomic_load_n(&asked, __ATOMIC_SEQ_CST), 0);
	d.uid = 10000; /* the first is forgotten */
	assert_int_equal(op_getattr(&d, ROOT, &a), 0);
	assert_int_equal(__atomic_load_n(&asked, __ATOMIC_SEQ_CST), 2);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_few),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
