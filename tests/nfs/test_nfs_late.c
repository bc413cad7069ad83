/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers that are looked at late: the server has restarted since, or other threads have found out that it has
 * and have given it again what it had lost. Two I/O threads of one file system, in turns on one thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "rig.h"

#define LATE_MS 20

static int late, executed; /* atomic: this procedure is answered late, and was done so often */
static struct call held, other_call;
static uint64_t fh, node;

static enum fake_verdict answer_late(struct fake *fk, struct fake_call *c)
{
	enum fake_verdict verdict = memfs_handle(fk, c);

	if (verdict != FAKE_REPLY || (int)c->proc != __atomic_load_n(&late, __ATOMIC_ACQUIRE))
		return verdict;
	c->delay_ms = LATE_MS;
	__atomic_add_fetch(&executed, 1, __ATOMIC_RELEASE);
	return verdict;
}

/* d and other: two threads of a guest that has a file open, "old" being safe in it. */
static void begin_two(void)
{
	late = 0;
	begin("");
	f.handle = answer_late;
	drive_attach(&other, d.fs, 1);
	fh = make(&d, "a", &node);
	assert_int_equal(op_write(&d, fh, "old", 3, 0, 0), 3);
	assert_int_equal(t_handle_op(&d, FUSE_FSYNC, fh), 0);
}

static void end_two(void)
{
	assert_int_equal(op_release(&d, fh), 0);
	drive_detach(&other);
	end();
}

/* Both threads go on until the request is over. */
static void finish(struct call *c)
{
	while (!c->done) {
		d.fs->ops->poll(d.ft);
		other.fs->ops->poll(other.ft);
		usleep(100);
	}
	assert_int_equal(c->err, 0);
}

/* Until the server has done it; the answer comes, but nobody looks at it. */
static void start_held(struct drive *drive, uint32_t proc)
{
	int before = __atomic_load_n(&executed, __ATOMIC_ACQUIRE);

	__atomic_store_n(&late, (int)proc, __ATOMIC_RELEASE);
	call_start(&held);
	while (__atomic_load_n(&executed, __ATOMIC_ACQUIRE) == before) {
		drive->fs->ops->poll(drive->ft);
		usleep(500);
	}
	usleep(5 * LATE_MS * 1000);
	__atomic_store_n(&late, 0, __ATOMIC_RELEASE);
}

static void hold_write(const char *text)
{
	call_init(&held, &d, FUSE_WRITE, ROOT);
	held.arg.write = (struct fuse_write_in){ .fh = fh, .size = (uint32_t)strlen(text) };
	call_data(&held, text, strlen(text));
	start_held(&d, WRITE);
}

static void sync_file(void)
{
	call_init(&other_call, &d, FUSE_FSYNC, ROOT);
	other_call.arg.fsync.fh = fh;
	call_start(&other_call);
	finish(&other_call);
}

static void expect_read(struct call *c, const char *text)
{
	finish(c);
	assert_int_equal(c->req.out_len, strlen(text));
	assert_memory_equal(c->buf, text, strlen(text));
}

static void read_by_other(struct call *c)
{
	call_init(c, &other, FUSE_READ, ROOT);
	c->arg.read = (struct fuse_read_in){ .fh = fh, .size = 4096 };
	call_room(c, 4096);
}

static void lose(const char *text)
{
	assert_int_equal(op_write(&d, fh, text, strlen(text), 0, 0), strlen(text));
	memfs_restart(&f, m);
}

/*
 * The server had lost what was to be read, and has it again, safely, before the answer is looked at.
 */
static void test_late_read(void **state)
{
	begin_two();
	lose("newer");
	read_by_other(&held);
	start_held(&other, READ);
	assert_int_equal(t_handle_op(&d, FUSE_FSYNC, fh), 0); /* other does not look */
	expect_read(&held, "newer");
	end_two();
}

static void test_late_size(void **state)
{
	begin_two();
	lose("newer");
	call_init(&held, &other, FUSE_GETATTR, node);
	start_held(&other, GETATTR);
	assert_int_equal(t_handle_op(&d, FUSE_FSYNC, fh), 0);
	finish(&held);
	assert_int_equal(held.out.attr.attr.size, 5);
	lose("newest");
	call_init(&held, &other, FUSE_LOOKUP, ROOT);
	held.req.name[0] = "a";
	start_held(&other, LOOKUP);
	assert_int_equal(t_handle_op(&d, FUSE_FSYNC, fh), 0);
	finish(&held);
	assert_int_equal(held.out.entry.attr.size, 6);
	end_two();
}

/* The answer is of the old server, the verifier that is known is the new one's. */
static void test_late_write(void **state)
{
	char got[16];

	begin_two();
	hold_write("newer");
	memfs_restart(&f, m);
	assert_int_equal(op_write(&other, fh, "more", 4, 5, 0), 4);
	finish(&held);
	read_by_other(&other_call);
	call_start(&other_call);
	expect_read(&other_call, "newermore");
	sync_file();
	assert_int_equal(memfs_stable(m, "a", got, sizeof(got)), 9);
	assert_memory_equal(got, "newermore", 9);
	end_two();
}

/* As above, but it is the first that is not safe, and all know that there are new connections. */
static void test_late_first(void **state)
{
	uint64_t fh2;

	begin_two();
	hold_write("newer");
	memfs_restart(&f, m);
	fh2 = make(&other, "b", NULL);
	assert_int_equal(op_write(&other, fh2, "more", 4, 0, 0), 4);
	finish(&held);
	read_by_other(&other_call);
	call_start(&other_call);
	expect_read(&other_call, "newer");
	assert_int_equal(op_release(&other, fh2), 0);
	end_two();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_read),
		cmocka_unit_test(test_late_size),
		cmocka_unit_test(test_late_write),
		cmocka_unit_test(test_late_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
