/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two I/O threads on one NFS file system, which open, write, sync, unlink and rename the same few files
 * while the server drops its connections. Meant for the thread and address sanitizers.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "nfs_fake.h"
#include "nfs_fixture.h"

#define ROOT 1
#define NR_FILES 4
#define NR_OPEN 8
#define RUN_NS 1500000000ull
#define PROC_REMOVE 12
#define PROC_RENAME 14
#define PROC_LINK 15

struct worker {
	struct drive d;
	struct fs *fs;
	struct call c;
	pthread_t tid;
	unsigned int seed, index, rounds;
	uint64_t fh[NR_OPEN];
	const char *failed;
	int err;
};

static struct fake f;
static const char *const names[NR_FILES] = { "a", "b", "c", "d" };

static void expect(struct worker *w, const char *what, int got, int allowed)
{
	if (got >= 0 || got == allowed || w->failed)
		return;
	w->failed = what;
	w->err = got;
}

static int simple(struct worker *w, uint32_t opcode, uint64_t fh)
{
	call_init(&w->c, &w->d, opcode, ROOT);
	if (opcode == FUSE_FSYNC)
		w->c.arg.fsync.fh = fh;
	else if (opcode == FUSE_FLUSH)
		w->c.arg.flush.fh = fh;
	return call_run(&w->c);
}

static void one_step(struct worker *w)
{
	const char *name = names[(unsigned int)rand_r(&w->seed) % NR_FILES];
	const char *target = names[(unsigned int)rand_r(&w->seed) % NR_FILES];
	uint64_t *fh = &w->fh[(unsigned int)rand_r(&w->seed) % NR_OPEN];
	struct fuse_entry_out e;
	char buf[16];

	switch ((unsigned int)rand_r(&w->seed) % 10) {
	case 0:
		if (*fh)
			expect(w, "release", op_release(&w->d, *fh), 0);
		*fh = 0;
		expect(w, "create", op_create(&w->d, ROOT, name, O_RDWR, 0600, &e, fh), 0);
		break;
	case 1:
		expect(w, "unlink", op_unlink(&w->d, ROOT, name), 0);
		break;
	case 2:
		expect(w, "rename", op_rename(&w->d, ROOT, name, ROOT, target, 0), 0);
		break;
	case 3:
		if (*fh)
			expect(w, "write", op_write(&w->d, *fh, "data", 4, 0, 0), 0);
		break;
	case 4:
		if (*fh)
			expect(w, "read", op_read(&w->d, *fh, buf, sizeof(buf), 0), 0);
		break;
	case 5:
		if (*fh)
			expect(w, "fsync", simple(w, FUSE_FSYNC, *fh), 0);
		break;
	case 6:
		expect(w, "syncfs", simple(w, FUSE_SYNCFS, 0), 0);
		break;
	case 7:
		if (*fh)
			expect(w, "release", op_release(&w->d, *fh), 0);
		*fh = 0;
		break;
	default: /* the other thread may have forgotten what this one looked up */
		expect(w, "lookup", op_lookup(&w->d, ROOT, name, &e), 0);
		expect(w, "getattr", op_getattr(&w->d, e.nodeid, &e.attr), -ESTALE);
		op_forget(&w->d, e.nodeid, 1 + (unsigned int)rand_r(&w->seed) % 2);
	}
}

static void *run(void *arg)
{
	struct worker *w = arg;
	uint64_t until = clock_ns() + RUN_NS;

	drive_attach(&w->d, w->fs, w->index);
	for (w->rounds = 0; clock_ns() < until && !w->failed; w->rounds++)
		one_step(w);
	for (int i = 0; i < NR_OPEN; i++)
		if (w->fh[i])
			expect(w, "release", op_release(&w->d, w->fh[i]), 0);
	drive_detach(&w->d);
	return NULL;
}

/* Every second name given to an open file is taken away again: LINKs and RENAMEs to .nfs by REMOVEs. */
static unsigned int silly_given, silly_removed;

static enum fake_verdict count_silly(struct fake *fk, struct fake_call *c)
{
	const uint8_t *name;
	uint32_t len;
	size_t end;

	if (c->proc != PROC_REMOVE && c->proc != PROC_RENAME && c->proc != PROC_LINK)
		return FAKE_DEFAULT;
	get_bytes(c, 0, &len, &end);
	if (c->proc == PROC_RENAME)
		get_bytes(c, end, &len, &end); /* the old name */
	if (c->proc != PROC_REMOVE)
		get_bytes(c, end, &len, &end); /* the directory */
	name = get_bytes(c, end, &len, &end);
	if (len > 4 && !memcmp(name, ".nfs", 4)) {
		if (c->proc == PROC_REMOVE)
			silly_removed++;
		else
			silly_given++;
	}
	return FAKE_DEFAULT;
}

static void test_two_threads(void **state)
{
	static struct worker w[2];
	char opts[64], err[FS_ERR_LEN];
	struct fs_config cfg = { .type = "nfs", .server = "127.0.0.1", .export_path = "/x",
				 .options = opts };
	struct fs *fs;

	fake_start(&f, count_silly);
	snprintf(opts, sizeof(opts), "nfsport=%u,mountport=%u", f.port, f.port);
	assert_int_equal(fs_nfs.open(&cfg, &fs, err), 0);
	for (unsigned int i = 0; i < 2; i++) {
		w[i].fs = fs;
		w[i].index = w[i].seed = i + 1;
		assert_int_equal(pthread_create(&w[i].tid, NULL, run, &w[i]), 0);
	}
	for (int i = 0; i < 10; i++) {
		usleep(130000);
		__atomic_store_n(&f.kick, 1, __ATOMIC_RELEASE);
	}
	for (unsigned int i = 0; i < 2; i++) {
		pthread_join(w[i].tid, NULL);
		if (w[i].failed)
			fail_msg("thread %u: %s: %s", i, w[i].failed, strerror(-w[i].err));
		assert_true(w[i].rounds > 10);
	}
	fs_nfs.close(fs);
	fake_stop(&f);
	assert_true(silly_given > 0);
	/* A call cut off with its connection is counted twice. */
	assert_in_range(silly_removed + 25, silly_given, silly_given + 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
