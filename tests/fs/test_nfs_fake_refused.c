/* SPDX-License-Identifier: BSD-3-Clause */
/* The NFS back end against a server whose RPC layer refuses calls, as one does that is starting. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "nfs_fake_rig.h"

/* As many as would have ended a call in earlier times. */
#define MANY 6

static enum fake_verdict how = FAKE_NO_PROGRAM;

static enum fake_verdict starting(struct fake *fk, struct fake_call *c)
{
	if (c->proc == COMMIT && c->nth == MANY) { /* it has forgotten the data */
		put32(c, 0);
		put_no_wcc(c);
		put_verf(c, 99);
		return FAKE_REPLY;
	}
	if (c->proc == WRITE || c->proc == COMMIT || c->proc == SETATTR)
		return c->nth < MANY ? how : FAKE_DEFAULT;
	return FAKE_DEFAULT;
}

static void start_fsync(struct call *c, uint64_t fh)
{
	call_init(c, &d, FUSE_FSYNC, ROOT);
	c->arg.fsync.fh = fh;
	call_start(c);
}

static void expect_patience(enum fake_verdict verdict, int setattr)
{
	struct call *sync = calloc(1, sizeof(*sync)), *set = calloc(1, sizeof(*set));
	uint64_t fh;

	how = verdict;
	begin(starting);
	fh = open_file("abc", O_RDWR);
	call_init(set, &d, FUSE_SETATTR, ROOT);
	set->arg.setattr.valid = FATTR_MODE;
	call_start(set);
	assert_int_equal(op_write(&d, fh, "data", 4, 0, 0), 4);
	assert_int_equal(calls(WRITE), MANY + 1);
	assert_int_equal(call_wait(set), setattr);
	start_fsync(sync, fh);
	assert_int_equal(call_wait(sync), 0);
	/* The copy was there still: written again to the server that had forgotten it. */
	assert_int_equal(calls(WRITE), MANY + 2);
	assert_int_equal(calls(COMMIT), MANY + 2);
	assert_int_equal(op_release(&d, fh), 0);
	end();
	free(sync);
	free(set);
}

static void test_no_program(void **state)
{
	expect_patience(FAKE_NO_PROGRAM, 0);
}

static void test_system_error(void **state)
{
	expect_patience(FAKE_SYSTEM_ERR, 0);
}

/* Nothing else waits for a credential to become good. */
static void test_denied(void **state)
{
	expect_patience(FAKE_DENY, -EACCES);
}

static void test_soft(void **state)
{
	uint64_t fh;

	how = FAKE_NO_PROGRAM;
	begin_with(starting, ",timeo=600,soft,retrans=1");
	fh = open_file("abc", O_RDWR);
	assert_int_equal(op_write(&d, fh, "data", 4, 0, 0), -EIO);
	assert_int_equal(calls(WRITE), 2);
	assert_int_equal(op_release(&d, fh), 0);
	end();
}

/* Answers that cannot be read say nothing of the data. */
static enum fake_verdict garbled(struct fake *fk, struct fake_call *c)
{
	if ((c->proc != WRITE && c->proc != COMMIT) || c->nth)
		return FAKE_DEFAULT;
	put32(c, 0);
	return FAKE_REPLY;
}

static void test_garbled(void **state)
{
	uint64_t fh;

	begin(garbled);
	fh = open_file("abc", O_RDWR);
	assert_int_equal(op_write(&d, fh, "data", 4, 0, 0), 4);
	assert_int_equal(t_handle_op(&d, FUSE_FSYNC, fh), 0);
	assert_int_equal(calls(WRITE), 2);
	assert_int_equal(calls(COMMIT), 2);
	assert_int_equal(op_release(&d, fh), 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_program),
		cmocka_unit_test(test_system_error),
		cmocka_unit_test(test_denied),
		cmocka_unit_test(test_soft),
		cmocka_unit_test(test_garbled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
