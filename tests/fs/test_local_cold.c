/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file system that makes one wait. Calls of the system that look names up are ours here: one for a
 * name that begins with "slow" sleeps, one for "gate" until it is opened, and a completion of the ring
 * can be made to fail.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/local/local.h"
#include "local_fixture.h"

#define GATE_S 5 /* and then the test has failed, but ends */
#define LARGE (65 << 20)

static sem_t gate;
static int at_gate, timed_out; /* atomic */
static pthread_t main_thread;
static int watched_fd = -1, closed_here; /* atomic */
static long pretend; /* that what is opened now is on such a file system */
static int fail_write; /* descriptor, when the next completion is to say EAGAIN */

static void wait_here(const char *name)
{
	struct timespec until;

	if (!strncmp(name, "slow", 4))
		usleep(2000);
	if (strcmp(name, "gate"))
		return;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += GATE_S;
	__atomic_store_n(&at_gate, 1, __ATOMIC_RELEASE);
	while (sem_timedwait(&gate, &until))
		if (errno != EINTR) {
			__atomic_store_n(&timed_out, 1, __ATOMIC_RELEASE);
			break;
		}
	__atomic_store_n(&at_gate, 0, __ATOMIC_RELEASE);
}

/* In place of libc's. */
int name_to_handle_at(int dfd, const char *name, struct file_handle *handle, int *mount, int flags)
{
	wait_here(name);
	return (int)syscall(SYS_name_to_handle_at, dfd, name, handle, mount, flags);
}

int close(int fd)
{
	if (fd == __atomic_load_n(&watched_fd, __ATOMIC_RELAXED))
		__atomic_store_n(&closed_here, pthread_equal(pthread_self(), main_thread),
				 __ATOMIC_RELAXED);
	return (int)syscall(SYS_close, fd);
}

/* In place of the ring's: as if the write had not been done. */
unsigned int io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqes,
				     unsigned int count)
{
	unsigned int (*real)(struct io_uring *, struct io_uring_cqe **, unsigned int) =
		(unsigned int (*)(struct io_uring *, struct io_uring_cqe **, unsigned int))dlsym(
			RTLD_NEXT, "io_uring_peek_batch_cqe");
	unsigned int n = real(ring, cqes, count);

	if (n && fail_write) {
		assert_int_equal(fchmod(fail_write, 04755), 0);
		fail_write = 0;
		cqes[0]->res = -EAGAIN;
	}
	return n;
}

/* In place of libc's: the file system may be a server's. */
int fstatfs(int fd, struct statfs *st)
{
	int err = (int)syscall(SYS_fstatfs, fd, st);

	if (pretend)
		st->f_type = pretend;
	return err;
}

static struct local_thread *thread(void)
{
	return container_of(d.ft, struct local_thread, ft);
}

/* Until it waits for the gate. */
static void start_at_gate(struct call *c)
{
	call_start(c);
	while (!__atomic_load_n(&at_gate, __ATOMIC_ACQUIRE) &&
	       !__atomic_load_n(&timed_out, __ATOMIC_ACQUIRE))
		;
}

static void let_through(struct call *c)
{
	assert_false(c->done);
	assert_int_equal(__atomic_load_n(&timed_out, __ATOMIC_ACQUIRE), 0);
	sem_post(&gate);
	assert_int_equal(call_wait(c), 0);
}

/* Slow once: from then on elsewhere, and back when it is fast again. */
static void test_slow_lookup(void **state)
{
	static struct call slow;
	struct fuse_entry_out e;
	struct fuse_attr attr;
	uint64_t fh, node = make_file("fast", 0644);
	char buf[8];

	make_file("slow", 0644);
	make_file("gate0", 0644);
	assert_int_equal(rename(in_dir("gate0"), in_dir("gate")), 0);
	assert_int_equal(op_open(&d, node, O_RDWR, &fh), 0);
	assert_int_equal(op_write(&d, fh, "cached", 6, 0, 0), 6);
	thread()->expect_known = false;
	assert_int_equal(op_lookup(&d, ROOT, "slow", &e), 0);
	assert_true(thread()->cold);

	call_init(&slow, &d, FUSE_LOOKUP, ROOT);
	slow.req.name[0] = "gate";
	start_at_gate(&slow);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(op_read(&d, fh, buf, sizeof(buf), 0), 6);
		assert_int_equal(op_getattr(&d, node, &attr), 0);
		assert_int_equal(op_lookup(&d, ROOT, "fast", &e), 0);
		assert_true(e.nodeid == node);
	}
	let_through(&slow);
	assert_true(slow.out.entry.nodeid);

	for (int i = 0; thread()->cold && i < 10000; i++)
		assert_int_equal(op_getattr(&d, node, &attr), 0);
	assert_int_equal(thread()->cold, 0);
	assert_int_equal(op_release(&d, fh), 0);
}

/* So does a RENAME, and what it replaced stays within reach all the same. */
static void test_slow_rename(void **state)
{
	static struct call c;
	struct fuse_attr attr;
	struct fuse_entry_out e;
	uint64_t fh, old;
	int fds;

	assert_int_equal(op_unlink(&d, ROOT, "gate"), 0);
	old = make_file("replaced", 0644);
	make_file("new", 0644);
	assert_int_equal(rename(in_dir("replaced"), in_dir("gate")), 0);
	fdcache_drop(thread());
	fds = open_fds();
	thread()->cold = 8;
	call_init(&c, &d, FUSE_RENAME2, ROOT);
	c.req.name[0] = "new";
	c.req.name[1] = "gate";
	c.arg.rename2.newdir = ROOT;
	start_at_gate(&c);
	thread()->cold = 0;
	assert_int_equal(op_getattr(&d, ROOT, &attr), 0);
	let_through(&c);
	assert_int_equal(open_fds(), fds + (thread()->lfs->mounts[0].fd >= 0));
	assert_int_equal(op_lookup(&d, ROOT, "new", &e), -ENOENT);
	thread()->cold = 0;
	assert_int_equal(op_open(&d, old, O_RDONLY, &fh), 0);
	assert_int_equal(op_release(&d, fh), 0);
}

static uint64_t make_large(const char *name, uint64_t *fh)
{
	struct fuse_entry_out e;
	static struct call call, *c = &call;

	assert_int_equal(op_create(&d, ROOT, name, O_RDWR | O_EXCL, S_IFREG | 0644, &e, fh), 0);
	call_init(c, &d, FUSE_FALLOCATE, e.nodeid);
	c->arg.fallocate = (struct fuse_fallocate_in){ .fh = *fh, .length = LARGE };
	assert_int_equal(call_run(c), 0);
	return e.nodeid;
}

static void watch_fd(int fd)
{
	assert_true(fd >= 0);
	__atomic_store_n(&closed_here, -1, __ATOMIC_RELAXED);
	__atomic_store_n(&watched_fd, fd, __ATOMIC_RELAXED);
}

static void expect_closed_away(void)
{
	while (thread()->working)
		d.fs->ops->poll(d.ft);
	assert_int_equal(__atomic_load_n(&closed_here, __ATOMIC_RELAXED), 0);
	__atomic_store_n(&watched_fd, -1, __ATOMIC_RELAXED);
}

/* What frees many blocks is closed by a worker, by RELEASE and by FORGET. */
static void test_large_files_are_closed_away(void **state)
{
	struct lfh_table *fhs = &thread()->lfs->fhs;
	struct fuse_attr attr;
	struct lfh *f;
	uint64_t fh, node;

	thread()->cold = 0;
	node = make_large("released", &fh);
	f = lfh_get(fhs, fh, false);
	watch_fd(f->fd);
	lfh_put(fhs, f);
	assert_int_equal(op_unlink(&d, ROOT, "released"), 0);
	assert_int_equal(op_release(&d, fh), 0);
	expect_closed_away();
	op_forget(&d, node, 1);

	if (thread()->lfs->mounts[0].fd < 0)
		return; /* the node has a descriptor */
	node = make_large("forgotten", &fh);
	thread()->cold = 0;
	assert_int_equal(op_getattr(&d, node, &attr), 0);
	watch_fd(fdcache_get(thread(), node));
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_unlink(&d, ROOT, "forgotten"), 0);
	op_forget(&d, node, 1);
	expect_closed_away();
}

/* What a server answers keeps nobody waiting, not even at first. */
static void test_remote(void **state)
{
	static struct call first;
	struct fuse_entry_out e;
	struct fuse_attr attr;
	struct drive here = d;
	struct lfh *f;
	uint64_t fh;
	int fd;

	pretend = NFS_SUPER_MAGIC;
	drive_open_cfg(&d, &fs_local, &local_cfg);
	pretend = 0;
	call_init(&first, &d, FUSE_LOOKUP, ROOT);
	first.req.name[0] = "gate";
	start_at_gate(&first);
	assert_int_equal(op_getattr(&d, ROOT, &attr), 0);
	sem_post(&gate); /* for the second handle, should it be so young */
	let_through(&first);
	assert_true(thread()->cold > 200);
	thread()->cold = 0; /* as after so many fast ones */

	assert_int_equal(op_lookup(&d, ROOT, "fast", &e), 0);
	assert_int_equal(op_open(&d, e.nodeid, O_RDWR, &fh), 0);
	fd = dup(0);
	close(fd);
	watch_fd(fd); /* will be FLUSH's */
	call_init(&first, &d, FUSE_FLUSH, e.nodeid);
	first.arg.flush.fh = fh;
	assert_int_equal(call_run(&first), 0);
	assert_int_equal(__atomic_load_n(&closed_here, __ATOMIC_RELAXED), 0);
	f = lfh_get(&thread()->lfs->fhs, fh, false);
	watch_fd(f->fd);
	lfh_put(&thread()->lfs->fhs, f);
	assert_int_equal(op_release(&d, fh), 0);
	while (fcntl(watched_fd, F_GETFD) >= 0)
		d.fs->ops->poll(d.ft);
	assert_int_equal(__atomic_load_n(&closed_here, __ATOMIC_RELAXED), -1);
	__atomic_store_n(&watched_fd, -1, __ATOMIC_RELAXED);
	drive_close(&d);
	d = here;
}

/* Where handles do not last, directories stay reachable by descriptors: see mount_forgets(). */
static void test_forgotten_handles(void **state)
{
	struct drive here = d;

	pretend = FUSE_SUPER_MAGIC;
	drive_open_cfg(&d, &fs_local, &local_cfg);
	pretend = 0;
	assert_int_equal(thread()->lfs->mounts[0].fd, -1);
	drive_close(&d);
	local_cfg.no_file_handles = true;
	drive_open_cfg(&d, &fs_local, &local_cfg);
	local_cfg.no_file_handles = false;
	assert_int_equal(thread()->lfs->mounts[0].fd, -1);
	drive_close(&d);
	d = here;
}

/* The guest of one device of several cannot have all descriptors. */
static void test_shared_limit(void **state)
{
	uint32_t alone = thread()->lfs->fhs.max;
	struct drive here = d;

	if (alone < 4 * 1024)
		skip();
	local_cfg.sharers = 4;
	drive_open_cfg(&d, &fs_local, &local_cfg);
	local_cfg.sharers = 0;
	assert_int_equal(thread()->lfs->fhs.max, alone / 4);
	drive_close(&d);
	d = here;
}

/* A write that the ring did not do takes setuid along when it is done in place. */
static void test_kill_again(void **state)
{
	static struct call c;
	struct stat st;
	uint64_t fh, node = make_file("setuid", 0755);
	int fd = open(in_dir("setuid"), O_RDONLY);

	assert_int_equal(op_open(&d, node, O_RDWR | O_SYNC, &fh), 0);
	call_init(&c, &d, FUSE_WRITE, node);
	c.arg.write = (struct fuse_write_in){ .fh = fh, .size = 4,
					      .write_flags = FUSE_WRITE_KILL_SUIDGID };
	call_data(&c, "data", 4);
	fail_write = fd;
	assert_int_equal(call_run(&c), 0);
	assert_int_equal(fail_write, 0);
	assert_int_equal(c.out.written.size, 4);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	close(fd);
	assert_int_equal(op_release(&d, fh), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow_lookup),
		cmocka_unit_test(test_slow_rename),
		cmocka_unit_test(test_remote),
		cmocka_unit_test(test_forgotten_handles),
		cmocka_unit_test(test_shared_limit),
		cmocka_unit_test(test_large_files_are_closed_away),
		cmocka_unit_test(test_kill_again),
	};

	main_thread = pthread_self();
	sem_init(&gate, 0, 0);
	return cmocka_run_group_tests(tests, local_setup, local_teardown);
}
