/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The local back end from several I/O threads at once, meeting in one directory. Whatever they do
 * to each other's names, only the errors that such meetings allow may come out; the thread
 * sanitizer watches. TEST_LOCAL_COLD: from their workers.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "fs/local/local.h"
#include "fs/types.h"
#include "fsdrive.h"

#define THREADS 3
#define ROUNDS 400
#define NAMES 6
#define ROOT 1

static struct drive owner;

struct racer {
	unsigned int index;
	unsigned int seed;
	uint64_t shared_fh; /* one open file for all */
	int bad; /* first error nobody may see */
};

static bool racer_allows(struct racer *r, int err)
{
	if (err < 0 && err != -ENOENT && err != -EEXIST && err != -ESTALE && err != -ENOTEMPTY &&
	    err != -EBADF && !r->bad)
		r->bad = err;
	return err >= 0;
}

static void race_file(struct racer *r, struct drive *d, const char *name)
{
	struct fuse_entry_out e;
	struct fuse_attr attr;
	char buf[64];
	uint64_t fh;

	if (!racer_allows(r, op_create(d, ROOT, name, O_RDWR, 0644, &e, &fh)))
		return;
	racer_allows(r, op_write(d, fh, "0123456789", 10, 0, 0));
	racer_allows(r, op_read(d, fh, buf, sizeof(buf), 0));
	racer_allows(r, op_getattr(d, e.nodeid, &attr));
	racer_allows(r, op_release(d, fh));
	op_forget(d, e.nodeid, 1);
}

static void race_dir(struct racer *r, struct drive *d, const char *name)
{
	struct fuse_entry_out e;
	char sub[16];

	snprintf(sub, sizeof(sub), "d-%s", name);
	if (!racer_allows(r, op_mkdir(d, ROOT, sub, 0755, &e)) &&
	    !racer_allows(r, op_lookup(d, ROOT, sub, &e)))
		return;
	racer_allows(r, op_rename(d, ROOT, name, e.nodeid, "in", 0));
	racer_allows(r, op_unlink(d, e.nodeid, "in"));
	racer_allows(r, op_rmdir(d, ROOT, sub));
	op_forget(d, e.nodeid, 1);
}

static void race_list(struct racer *r, struct drive *d)
{
	static _Thread_local struct call c;
	const struct fuse_direntplus *p;
	uint64_t fh, off = 0;

	if (!racer_allows(r, op_opendir(d, ROOT, &fh)))
		return;
	do {
		call_init(&c, d, FUSE_READDIRPLUS, ROOT);
		c.arg.read = (struct fuse_read_in){ .fh = fh, .offset = off, .size = 700 };
		call_room(&c, 700);
		racer_allows(r, call_run(&c));
		for (size_t at = 0; at < c.req.out_len; at += FUSE_DIRENTPLUS_SIZE(p)) {
			p = (const struct fuse_direntplus *)(c.buf + at);
			off = p->dirent.off;
			op_forget(d, p->entry_out.nodeid, 1);
		}
	} while (!c.err && c.req.out_len);
	racer_allows(r, op_releasedir(d, fh));
}

static void race_step(struct racer *r, struct drive *d)
{
	struct fuse_entry_out e;
	char name[8], buf[64];

	snprintf(name, sizeof(name), "n%d", rand_r(&r->seed) % NAMES);
	switch (rand_r(&r->seed) % 6) {
	case 0:
		race_dir(r, d, name);
		break;
	case 1:
		race_list(r, d);
		break;
	case 2:
		racer_allows(r, op_unlink(d, ROOT, name));
		break;
	case 3:
		if (racer_allows(r, op_lookup(d, ROOT, name, &e)))
			op_forget(d, e.nodeid, 1);
		break;
	case 4:
		racer_allows(r, op_read(d, r->shared_fh, buf, sizeof(buf), 0));
		break;
	default:
		race_file(r, d, name);
	}
}

static void *race(void *arg)
{
	struct racer *r = arg;
	struct drive d;

	drive_attach(&d, owner.fs, r->index + 1);
	d.uid = r->index * 1000; /* ids of one thread must not show in another */
	if (getenv("TEST_LOCAL_COLD"))
		container_of(d.ft, struct local_thread, ft)->cold = UINT_MAX;
	for (int i = 0; i < ROUNDS && !r->bad; i++) {
		race_step(r, &d);
		d.fs->ops->poll(d.ft);
		if (r->index == 1 && i == ROUNDS / 2)
			op_release(&d, r->shared_fh);
	}
	drive_detach(&d);
	return NULL;
}

static void test_race(void **state)
{
	struct racer racers[THREADS];
	pthread_t threads[THREADS];
	char dir[] = "/tmp/test_local_threads.XXXXXX", cmd[64];
	struct fuse_attr attr;
	uint64_t fh;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0777), 0);
	drive_open(&owner, &fs_local, dir);
	assert_int_equal(op_create(&owner, ROOT, "shared", O_RDWR, 0644, NULL, &fh), 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		racers[i] = (struct racer){ .index = i, .seed = i, .shared_fh = fh };
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(racers[i].bad, 0);
	}
	assert_int_equal(op_getattr(&owner, ROOT, &attr), 0);
	drive_close(&owner);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	assert_int_equal(system(cmd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_race) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
