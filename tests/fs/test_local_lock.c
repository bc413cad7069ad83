/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks of the local back end: between owners of one guest, with processes of the host, with a
 * second thread, waiting and its ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "local_fixture.h"

#define A 0xaaaa
#define B 0xbbbb
#define C 0xcccc
#define END INT64_MAX

static struct call c1, c2, c3;
static uint64_t node, fh, node2, fh2;

static struct call *lk(struct call *c, uint32_t op, uint64_t n, uint64_t f, uint64_t owner,
		       uint32_t type, uint64_t start, uint64_t end)
{
	call_init(c, &d, op, n);
	c->in.unique = (uint64_t)(uintptr_t)c;
	c->arg.lk = (struct fuse_lk_in){ .fh = f, .owner = owner,
					 .lk = { .start = start, .end = end, .type = type,
						 .pid = (uint32_t)owner & 0xff } };
	return c;
}

static int set(uint64_t owner, uint32_t type, uint64_t start, uint64_t end)
{
	return call_run(lk(&c3, FUSE_SETLK, node, fh, owner, type, start, end));
}

static void start_wait(struct call *c, uint64_t owner, uint32_t type, uint64_t start, uint64_t end)
{
	call_start(lk(c, FUSE_SETLKW, node, fh, owner, type, start, end));
}

static struct fuse_file_lock get(uint64_t owner, uint32_t type, uint64_t start, uint64_t end)
{
	assert_int_equal(call_run(lk(&c3, FUSE_GETLK, node, fh, owner, type, start, end)), 0);
	return c3.out.lk.lk;
}

static void flush_of(uint64_t owner)
{
	call_init(&c3, &d, FUSE_FLUSH, node);
	c3.arg.flush = (struct fuse_flush_in){ .fh = fh, .lock_owner = owner };
	assert_int_equal(call_run(&c3), 0);
}

static void poll_rounds(unsigned int n)
{
	while (n--)
		d.fs->ops->poll(d.ft);
}

static void open_files(void)
{
	node = make_file("l", 0644);
	node2 = make_file("m", 0644);
	assert_int_equal(op_open(&d, node, O_RDWR, &fh), 0);
	assert_int_equal(op_open(&d, node2, O_RDWR, &fh2), 0);
}

static void close_files(void)
{
	op_release(&d, fh);
	op_release(&d, fh2);
	assert_int_equal(op_unlink(&d, ROOT, "l"), 0);
	assert_int_equal(op_unlink(&d, ROOT, "m"), 0);
}

static int with_files(void **state)
{
	open_files();
	return 0;
}

static int without_files(void **state)
{
	close_files();
	return 0;
}

static void test_ranges(void **state)
{
	struct fuse_file_lock l;
	int fds = open_fds();

	assert_int_equal(set(A, F_WRLCK, 0, 99), 0);
	assert_int_equal(set(B, F_RDLCK, 50, 50), -EAGAIN);
	assert_int_equal(set(B, F_RDLCK, 100, END), 0);
	/* A hole in the middle, what is left on both sides. */
	assert_int_equal(set(A, F_UNLCK, 40, 59), 0);
	assert_int_equal(set(B, F_WRLCK, 40, 59), 0);
	assert_int_equal(set(B, F_WRLCK, 39, 39), -EAGAIN);
	assert_int_equal(set(B, F_WRLCK, 60, 60), -EAGAIN);
	l = get(B, F_RDLCK, 0, END);
	assert_int_equal(l.type, F_WRLCK);
	assert_int_equal(l.start, 0);
	assert_int_equal(l.end, 39);
	assert_int_equal(l.pid, A & 0xff);
	/* Downgrade a part, join the rest again: as one lock. */
	assert_int_equal(set(A, F_RDLCK, 10, 19), 0);
	assert_int_equal(set(C, F_RDLCK, 10, 19), 0);
	assert_int_equal(set(A, F_WRLCK, 10, 19), -EAGAIN);
	assert_int_equal(set(C, F_UNLCK, 0, END), 0);
	assert_int_equal(set(A, F_WRLCK, 10, 19), 0);
	l = get(B, F_RDLCK, 15, 15);
	assert_int_equal(l.start, 0);
	assert_int_equal(l.end, 39);
	assert_int_equal(get(A, F_WRLCK, 0, 39).type, F_UNLCK);
	assert_int_equal(get(C, F_WRLCK, 200, 200).end, (uint64_t)END);
	assert_int_equal(set(A, F_UNLCK, 0, END), 0);
	assert_int_equal(set(B, F_UNLCK, 0, END), 0);
	assert_int_equal(get(C, F_WRLCK, 0, END).type, F_UNLCK);
	assert_int_equal(open_fds(), fds);
}

static void test_bad(void **state)
{
	assert_int_equal(set(A, 77, 0, 1), -EINVAL);
	assert_int_equal(set(A, F_WRLCK, 2, 1), -EINVAL);
	assert_int_equal(set(A, F_WRLCK, 0, UINT64_MAX), -EINVAL);
	assert_int_equal(call_run(lk(&c1, FUSE_SETLK, node, 999, A, F_WRLCK, 0, 1)), -EBADF);
	assert_int_equal(call_run(lk(&c1, FUSE_GETLK, node, fh, A, F_UNLCK, 0, 1)), -EINVAL);
}

static void test_host(void **state)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10 };
	int fd = open(in_dir("l"), O_RDWR);
	struct fuse_file_lock l;

	assert_int_equal(fcntl(fd, F_OFD_SETLK, &fl), 0);
	assert_int_equal(set(A, F_RDLCK, 0, 10), -EAGAIN);
	l = get(A, F_RDLCK, 0, END);
	assert_int_equal(l.type, F_WRLCK);
	assert_int_equal(l.start, 10);
	assert_int_equal(l.end, 19);
	assert_int_equal(l.pid, 0);
	assert_int_equal(set(A, F_WRLCK, 0, 9), 0);
	fl.l_start = 0;
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &fl), -1);
	/* Waiting for the host: nobody tells us, and yet it comes. */
	start_wait(&c1, A, F_WRLCK, 10, 19);
	poll_rounds(3);
	assert_int_equal(c1.done, 0);
	assert_in_range(d.fs->ops->timeout_ms(d.ft), 0, 100);
	fl = (struct flock){ .l_type = F_UNLCK, .l_whence = SEEK_SET };
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &fl), 0);
	assert_int_equal(call_wait(&c1), 0);
	/* The other way round: a file closed by the guest frees the host. */
	flush_of(A);
	fl.l_type = F_WRLCK;
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &fl), 0);
	close(fd);
}

static void test_wait(void **state)
{
	assert_int_equal(set(A, F_WRLCK, 0, END), 0);
	start_wait(&c1, B, F_WRLCK, 0, 9);
	start_wait(&c2, C, F_RDLCK, 10, 19);
	poll_rounds(3);
	assert_int_equal(c1.done + c2.done, 0);
	/* Nothing to try until somebody lets go. */
	assert_int_equal(d.fs->ops->timeout_ms(d.ft), -1);
	assert_int_equal(set(A, F_UNLCK, 10, END), 0);
	assert_int_equal(call_wait(&c2), 0);
	assert_int_equal(c1.done, 0);
	/* Downgrade helps readers only. */
	assert_int_equal(set(A, F_RDLCK, 0, 9), 0);
	poll_rounds(3);
	assert_int_equal(c1.done, 0);
	flush_of(A);
	assert_int_equal(call_wait(&c1), 0);
	flush_of(B);
	flush_of(C);
}

static void test_deadlock(void **state)
{
	assert_int_equal(set(A, F_WRLCK, 0, 0), 0);
	assert_int_equal(set(B, F_WRLCK, 1, 1), 0);
	assert_int_equal(set(C, F_WRLCK, 2, 2), 0);
	start_wait(&c1, A, F_WRLCK, 1, 1);
	start_wait(&c2, B, F_RDLCK, 2, 2);
	poll_rounds(2);
	/* C for A for B for C. */
	assert_int_equal(call_run(lk(&c3, FUSE_SETLKW, node, fh, C, F_WRLCK, 0, 0)), -EDEADLK);
	/* Without waiting it is no deadlock. */
	assert_int_equal(set(C, F_WRLCK, 0, 0), -EAGAIN);
	flush_of(C);
	assert_int_equal(call_wait(&c2), 0);
	flush_of(B);
	assert_int_equal(call_wait(&c1), 0);
	flush_of(A);
	/* Over two files. */
	assert_int_equal(set(A, F_WRLCK, 0, 0), 0);
	assert_int_equal(call_run(lk(&c3, FUSE_SETLK, node2, fh2, B, F_WRLCK, 0, 0)), 0);
	start_wait(&c1, B, F_WRLCK, 0, 0);
	assert_int_equal(call_run(lk(&c3, FUSE_SETLKW, node2, fh2, A, F_WRLCK, 0, 0)), -EDEADLK);
	flush_of(A);
	assert_int_equal(call_wait(&c1), 0);
	flush_of(B);
}

/* The same open file, held again by itself: as for processes that share it. */
static void test_flock(void **state)
{
	int fd = open(in_dir("l"), O_RDWR);
	uint64_t other;

	assert_int_equal(op_open(&d, node, O_RDONLY, &other), 0);
	lk(&c1, FUSE_SETLK, node, fh, A, F_WRLCK, 0, END)->arg.lk.lk_flags = FUSE_LK_FLOCK;
	assert_int_equal(call_run(&c1), 0);
	assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), -1);
	/* POSIX locks are another world. */
	assert_int_equal(set(B, F_WRLCK, 0, END), 0);
	flush_of(B);
	lk(&c1, FUSE_SETLK, node, other, B, F_RDLCK, 0, END)->arg.lk.lk_flags = FUSE_LK_FLOCK;
	assert_int_equal(call_run(&c1), -EAGAIN);
	lk(&c1, FUSE_SETLKW, node, other, B, F_RDLCK, 0, END)->arg.lk.lk_flags = FUSE_LK_FLOCK;
	call_start(&c1);
	poll_rounds(2);
	assert_int_equal(c1.done, 0);
	/* The holder's file is closed. */
	call_init(&c2, &d, FUSE_RELEASE, node);
	c2.arg.release = (struct fuse_release_in){ .fh = fh, .lock_owner = A,
						   .release_flags = FUSE_RELEASE_FLOCK_UNLOCK };
	assert_int_equal(call_run(&c2), 0);
	assert_int_equal(call_wait(&c1), 0);
	assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	lk(&c1, FUSE_SETLK, node, other, B, F_UNLCK, 0, END)->arg.lk.lk_flags = FUSE_LK_FLOCK;
	assert_int_equal(call_run(&c1), 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
	op_release(&d, other);
	assert_int_equal(op_open(&d, node, O_RDWR, &fh), 0);
}

/* Open-file-description locks of the guest have the file as owner, and no FLUSH names that. */
static void test_release(void **state)
{
	int fds = open_fds();

	assert_int_equal(set(A, F_WRLCK, 0, 9), 0);
	start_wait(&c1, B, F_WRLCK, 5, 5);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(c1.done, 0);
	call_init(&c2, &d, FUSE_RELEASE, node);
	c2.arg.release.fh = fh;
	assert_int_equal(call_run(&c2), -EBADF);
	assert_int_equal(call_wait(&c1), 0);
	assert_int_equal(op_open(&d, node, O_RDWR, &fh), 0);
	flush_of(B);
	assert_int_equal(open_fds(), fds);
}

static void test_interrupt_and_cancel(void **state)
{
	assert_int_equal(set(A, F_WRLCK, 0, 9), 0);
	start_wait(&c1, B, F_WRLCK, 0, 0);
	start_wait(&c2, C, F_WRLCK, 1, 1);
	call_init(&c3, &d, FUSE_INTERRUPT, 0);
	c3.arg.interrupt.unique = c1.in.unique;
	assert_int_equal(call_run(&c3), 0);
	assert_int_equal(call_wait(&c1), -EINTR);
	assert_int_equal(c2.done, 0);
	d.fs->ops->cancel(d.ft);
	assert_int_equal(c2.done, 1);
	assert_int_equal(c2.err, -EINTR);
	assert_int_equal(set(B, F_WRLCK, 0, 0), -EAGAIN);
	flush_of(A);
}

static void test_reset(void **state)
{
	int fds, fd = open(in_dir("l"), O_RDWR);
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	fds = open_fds();
	assert_int_equal(set(A, F_WRLCK, 0, 9), 0);
	start_wait(&c1, B, F_WRLCK, 0, 0);
	d.fs->ops->reset(d.fs);
	assert_int_equal(call_wait(&c1), -EINTR);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &fl), 0);
	close(fd);
	assert_true(open_fds() < fds);
	assert_int_equal(op_lookup(&d, ROOT, "l", NULL), 0);
	assert_int_equal(op_unlink(&d, ROOT, "l"), 0);
	assert_int_equal(op_unlink(&d, ROOT, "m"), 0);
	open_files();
}

/* No more than half of a queue: the unlock must get through. */
static void test_bounds(void **state)
{
	static struct call many[5];

	assert_int_equal(set(A, F_WRLCK, 0, END), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(many); i++)
		start_wait(&many[i], B + i, F_WRLCK, i, i);
	assert_int_equal(many[3].done, 0);
	assert_int_equal(many[4].err, -ENOLCK);
	flush_of(A);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(call_wait(&many[i]), 0);
	for (unsigned int i = 0; i < 4; i++)
		flush_of(B + i);
}

static void *unlock_later(void *arg)
{
	struct drive other;
	static struct call c;

	drive_attach(&other, d.fs, 1);
	lk(&c, FUSE_SETLK, node, fh, A, F_UNLCK, 0, END);
	c.req.ft = other.ft;
	c.d = &other;
	usleep(20000);
	assert_int_equal(call_run(&c), 0);
	drive_detach(&other);
	return NULL;
}

/* The holder's requests come on another thread: its unlock wakes the one that sleeps. */
static void test_two_threads(void **state)
{
	pthread_t thread;

	assert_int_equal(set(A, F_WRLCK, 0, END), 0);
	start_wait(&c1, B, F_WRLCK, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, unlock_later, NULL), 0);
	assert_int_equal(call_wait(&c1), 0);
	pthread_join(thread, NULL);
	flush_of(B);
}

/* Against a plain array: random locks of three owners, every byte as it should be. */
static void test_random(void **state)
{
	enum { BYTES = 24, OWNERS = 3 };
	static const uint64_t owner[OWNERS] = { A, B, C };
	char held[OWNERS][BYTES] = { 0 };
	unsigned int seed = 7;

	for (int round = 0; round < 4000; round++) {
		unsigned int o = (unsigned int)rand_r(&seed) % OWNERS;
		unsigned int from = (unsigned int)rand_r(&seed) % BYTES;
		unsigned int to = from + (unsigned int)rand_r(&seed) % (BYTES - from);
		uint32_t type = (uint32_t)rand_r(&seed) % 3;
		bool free_of_others = true;

		for (unsigned int i = from; i <= to; i++)
			for (unsigned int p = 0; p < OWNERS; p++)
				if (p != o && type != F_UNLCK && held[p][i] &&
				    (type == F_WRLCK || held[p][i] == 'w'))
					free_of_others = false;
		assert_int_equal(set(owner[o], type, from, to), free_of_others ? 0 : -EAGAIN);
		if (free_of_others)
			memset(&held[o][from],
			       type == F_WRLCK ? 'w' : type == F_RDLCK ? 'r' : 0, to - from + 1);
	}
	for (unsigned int o = 0; o < OWNERS; o++)
		flush_of(owner[o]);
	assert_int_equal(get(A, F_WRLCK, 0, END).type, F_UNLCK);
}

static void test_off(void **state)
{
	struct fs_config cfg = { .type = "local", .dir = dir, .no_posix_lock = true };
	struct drive off;

	assert_true(d.fs->init_flags & FUSE_POSIX_LOCKS);
	assert_true(d.fs->init_flags & FUSE_FLOCK_LOCKS);
	drive_open_cfg(&off, &fs_local, &cfg);
	assert_false(off.fs->init_flags & FUSE_POSIX_LOCKS);
	assert_true(off.fs->init_flags & FUSE_FLOCK_LOCKS);
	lk(&c1, FUSE_SETLK, ROOT, 1, A, F_WRLCK, 0, 0)->req.ft = off.ft;
	assert_int_equal(call_run(&c1), -ENOSYS);
	drive_close(&off);
}

int main(void)
{
#define LOCK_TEST(fn) cmocka_unit_test_setup_teardown(fn, with_files, without_files)
	const struct CMUnitTest tests[] = {
		LOCK_TEST(test_ranges),
		LOCK_TEST(test_bad),
		LOCK_TEST(test_host),
		LOCK_TEST(test_wait),
		LOCK_TEST(test_deadlock),
		LOCK_TEST(test_flock),
		LOCK_TEST(test_release),
		LOCK_TEST(test_interrupt_and_cancel),
		LOCK_TEST(test_reset),
		LOCK_TEST(test_bounds),
		LOCK_TEST(test_two_threads),
		LOCK_TEST(test_random),
		LOCK_TEST(test_off),
	};

	local_cfg.queue_size = 8;
	return cmocka_run_group_tests(tests, local_setup, local_teardown);
}
