/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several I/O threads write to the same two files, each its own blocks, sync and read them back, while the
 * server restarts and forgets. What a thread's fsync acknowledged is on stable storage; nobody waits for ever.
 * Meant for the thread sanitizer, too.
 *
 *   test_nfs_threads_wb [SEED [SECONDS [OPTIONS EXPORT]]]
 *
 * With an export it is a real server on 127.0.0.1 that somebody else kills and starts again; its files are
 * then looked at where they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fs/nfs_fixture.h"
#include "base/clock.h"
#include "memfs.h"

#define NR_THREADS 3
#define NR_FILES 2
#define NR_BLOCKS 24 /* of a thread in a file */
#define BLOCK 4096
#define BATCH 8

struct worker {
	struct drive d;
	struct fs *fs;
	pthread_t tid;
	unsigned int seed, index, writes, syncs;
	uint64_t fh[NR_FILES], until;
	uint32_t stamp[NR_FILES][NR_BLOCKS]; /* what is in each block; 0: nothing yet */
	struct call calls[BATCH];
	uint8_t data[BATCH][BLOCK], got[BLOCK];
};

static struct fake f;
static struct memfs *m; /* NULL: a real server */
static const char *export_path = "/x";
static const char *const names[NR_FILES] = { "one", "two" };

static void fail(const struct worker *w, const char *what, int err)
{
	printf("not ok: thread %u, after %u writes: %s: %s\n", w->index, w->writes, what, strerror(-err));
	exit(1);
}

static void fail_data(const struct worker *w, const char *what, unsigned int file, unsigned int block,
		      int64_t len, const void *data)
{
	uint32_t got = 0;

	memcpy(&got, data, sizeof(got));
	printf("not ok: thread %u, after %u writes: %s: file %u, block %u: %lld bytes, of write %u instead of %u\n",
	       w->index, w->writes, what, file, block, (long long)len, got, w->stamp[file][block]);
	exit(1);
}

static uint64_t offset_of(const struct worker *w, unsigned int block)
{
	return ((uint64_t)block * NR_THREADS + w->index) * BLOCK;
}

static void fill(uint8_t *data, uint32_t stamp)
{
	for (size_t i = 0; i < BLOCK; i += sizeof(stamp))
		memcpy(data + i, &stamp, sizeof(stamp));
}

static void do_writes(struct worker *w, unsigned int file)
{
	unsigned int nr = 1 + (unsigned int)rand_r(&w->seed) % BATCH;
	unsigned int first = (unsigned int)rand_r(&w->seed) % (NR_BLOCKS - BATCH);

	for (unsigned int i = 0; i < nr; i++) {
		struct call *c = &w->calls[i];

		w->stamp[file][first + i] = ++w->writes;
		fill(w->data[i], w->writes);
		call_init(c, &w->d, FUSE_WRITE, ROOT);
		c->arg.write = (struct fuse_write_in){ .fh = w->fh[file], .size = BLOCK,
						       .offset = offset_of(w, first + i) };
		call_data(c, w->data[i], BLOCK);
		call_start(c);
	}
	for (unsigned int i = 0; i < nr; i++)
		if (call_wait(&w->calls[i]) || w->calls[i].out.written.size != BLOCK)
			fail(w, "write", w->calls[i].err);
}

static void do_read(struct worker *w, unsigned int file)
{
	unsigned int block = (unsigned int)rand_r(&w->seed) % NR_BLOCKS;
	uint8_t want[BLOCK];
	int rc = op_read(&w->d, w->fh[file], w->got, BLOCK, offset_of(w, block));

	if (rc < 0)
		fail(w, "read", rc);
	fill(want, w->stamp[file][block]);
	if (w->stamp[file][block] && (rc != BLOCK || memcmp(want, w->got, BLOCK)))
		fail_data(w, "read", file, block, rc, w->got);
}

static int64_t read_stable(unsigned int file, void *buf, size_t len)
{
	char path[512];
	ssize_t n;
	int fd;

	if (m)
		return memfs_stable(m, names[file], buf, len);
	snprintf(path, sizeof(path), "%s/%s", export_path, names[file]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = pread(fd, buf, len, 0);
	close(fd);
	return n;
}

static void do_sync(struct worker *w, unsigned int file)
{
	static _Thread_local uint8_t all[NR_BLOCKS * NR_THREADS * BLOCK];
	struct call *c = &w->calls[0];
	uint8_t want[BLOCK];
	int64_t size;

	call_init(c, &w->d, FUSE_FSYNC, ROOT);
	c->arg.fsync.fh = w->fh[file];
	if (call_run(c))
		fail(w, "fsync", c->err);
	w->syncs++;
	size = read_stable(file, all, sizeof(all));
	for (unsigned int i = 0; i < NR_BLOCKS; i++) {
		fill(want, w->stamp[file][i]);
		if (w->stamp[file][i] && (size < (int64_t)offset_of(w, i) + BLOCK ||
					  memcmp(want, all + offset_of(w, i), BLOCK)))
			fail_data(w, "fsync", file, i, size, all + offset_of(w, i));
	}
}

static void *run(void *arg)
{
	struct worker *w = arg;
	struct fuse_entry_out e;

	drive_attach(&w->d, w->fs, w->index);
	for (unsigned int i = 0; i < NR_FILES; i++)
		if (op_create(&w->d, ROOT, names[i], O_RDWR, 0600, &e, &w->fh[i]))
			fail(w, "create", -EIO);
	while (clock_ns() < w->until) {
		unsigned int file = (unsigned int)rand_r(&w->seed) % NR_FILES;

		switch (rand_r(&w->seed) % 6) {
		case 0:
			do_sync(w, file);
			break;
		case 1:
		case 2:
			do_read(w, file);
			break;
		default:
			do_writes(w, file);
		}
	}
	for (unsigned int i = 0; i < NR_FILES; i++) {
		do_sync(w, i);
		op_release(&w->d, w->fh[i]);
	}
	drive_detach(&w->d);
	return NULL;
}

static void start_memfs(unsigned int seed, char *opts, size_t len)
{
	m = memfs_start(&f, seed);
	snprintf(opts, len, "nfsport=%u,mountport=%u,timeo=10,retain=1", f.port, f.port);
}

static void set_faults(void)
{
	memfs_set_fault(m, FAULT_DELAY, 10);
	memfs_set_fault(m, FAULT_SHORT_WRITE, 20);
	memfs_set_fault(m, FAULT_SYNC_WRITE, 20);
	memfs_set_fault(m, FAULT_CLOSE, 2);
}

static void run_all(struct fs *fs, unsigned int seed, uint64_t until)
{
	static struct worker w[NR_THREADS];

	for (unsigned int i = 0; i < NR_THREADS; i++) {
		w[i] = (struct worker){ .fs = fs, .index = i, .seed = seed + i, .until = until };
		pthread_create(&w[i].tid, NULL, run, &w[i]);
	}
	while (m && clock_ns() < until) {
		usleep(50000 + (useconds_t)rand_r(&seed) % 400000);
		memfs_restart(&f, m);
	}
	for (unsigned int i = 0; i < NR_THREADS; i++) {
		pthread_join(w[i].tid, NULL);
		printf("thread %u: %u writes, %u syncs\n", i, w[i].writes, w[i].syncs);
	}
}

int main(int argc, char **argv)
{
	unsigned int seed = argc > 1 ? (unsigned int)strtoul(argv[1], NULL, 0) : (unsigned int)clock_ns();
	unsigned int seconds = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 0) : 4;
	struct fs_config cfg = { .type = "nfs", .server = "127.0.0.1" };
	char opts[96], err[FS_ERR_LEN];
	struct fs *fs;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("seed %u\n", seed);
	if (argc > 4)
		export_path = argv[4];
	else
		start_memfs(seed, opts, sizeof(opts));
	cfg.export_path = export_path;
	cfg.options = m ? opts : argv[3];
	if (fs_nfs.open(&cfg, &fs, err)) {
		printf("not ok: %s\n", err);
		return 1;
	}
	if (m)
		set_faults();
	run_all(fs, seed, clock_ns() + seconds * 1000000000ull);
	fs_nfs.close(fs);
	if (m) {
		printf("restarts %u, calls %u\n", m->restarts, m->calls);
		memfs_stop(&f);
	}
	return 0;
}
