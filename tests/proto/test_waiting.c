/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A request that waits for a lock nobody will give back: the front end that left it behind is gone,
 * and the server serves the next one; the last is still waiting when the server is told to end.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "harness.h"

#define A 1
#define B 2

static int setlk(struct vufe_fs *fs, uint32_t opcode, uint64_t node, uint64_t fh, uint64_t owner)
{
	struct fuse_lk_in in = {.fh = fh, .owner = owner,
				.lk = {.end = INT64_MAX, .type = F_WRLCK, .pid = 1}};
	struct vufe_call c = {.opcode = opcode, .nodeid = node, .arg = {{&in, sizeof(in)}},
			      .nr_args = 1};

	return vufe_call(fs, &c);
}

/* As Linux does: what exists is looked up and opened. */
static int open_or_create(struct vufe_fs *fs, const char *name, struct fuse_entry_out *e, uint64_t *fh)
{
	int rc = vufe_walk(fs, name, e);

	return rc == -ENOENT ? vufe_create(fs, 1, name, S_IFREG | 0600, O_RDWR, e, fh) :
	       rc ? rc : vufe_fopen(fs, e->nodeid, O_RDWR, fh);
}

/* Connects, locks, and has another owner wait for that. */
static void leave_waiting(struct vufe_dev *dev, const char *name)
{
	struct vufe_opts opts = harness_opts();
	struct fuse_entry_out e;
	struct vufe_fs fs;
	uint64_t fh;

	opts.timeout_ms = 1000;
	open_good(dev, &opts);
	assert_int_equal(vufe_fs_init(&fs, dev), 0);
	assert_int_equal(open_or_create(&fs, name, &e, &fh), 0);
	assert_int_equal(setlk(&fs, FUSE_SETLK, e.nodeid, fh, A), 0);
	assert_int_equal(setlk(&fs, FUSE_SETLK, e.nodeid, fh, B), -EAGAIN);
	assert_int_equal(setlk(&fs, FUSE_SETLKW, e.nodeid, fh, B), -ETIMEDOUT);
	/* The thread is there for others. */
	assert_int_equal(vufe_ping(&fs), 0);
}

static void test_front_end_goes(void **state)
{
	struct vufe_dev dev;

	for (int i = 0; i < 3; i++) {
		leave_waiting(&dev, "lock"); /* and the lock itself is gone with its owner */
		vufe_close(&dev);
		assert_serves();
	}
}

static void test_server_ends(void **state)
{
	static struct vufe_dev dev; /* stays open */

	leave_waiting(&dev, "last");
	assert_alive();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_front_end_goes),
		cmocka_unit_test(test_server_ends),
	};

	harness_need_server();
	harness_use_local();
	return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
