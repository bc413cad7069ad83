/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small transfers that come together and go through a mapping: the same bytes, sizes, times, privileges
 * and errors as without. On ext4 where /tmp is that, and on a small tmpfs of the test's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "local_fixture.h"

#define BATCH 32
#define BLOCK 4096
#define BLOCKS 256

static struct call batch[BATCH];
static unsigned char model[BLOCKS * BLOCK], got[BLOCKS * BLOCK];
static unsigned int seed = 3;

/* Starts a request that poll() ends together with others. */
static void start(unsigned int i, uint32_t op, uint64_t fh, void *data, uint32_t len, uint64_t off)
{
	struct call *c = &batch[i];

	call_init(c, &d, op, ROOT);
	if (op == FUSE_READ) {
		c->arg.read = (struct fuse_read_in){ .fh = fh, .offset = off, .size = len };
		call_room(c, len);
	} else {
		c->arg.write = (struct fuse_write_in){ .fh = fh, .offset = off, .size = len };
		call_data(c, data, len);
	}
	call_start(c);
}

static void finish(void)
{
	for (unsigned int i = 0; i < BATCH; i++)
		call_wait(&batch[i]);
}

static uint64_t open_full(const char *name, uint64_t *ret_node)
{
	uint64_t fh, node = make_file(name, 0644);

	assert_int_equal(op_open(&d, node, O_RDWR, &fh), 0);
	for (unsigned int i = 0; i < BLOCKS; i++) {
		memset(model + i * BLOCK, (int)i, BLOCK);
		assert_int_equal(op_write(&d, fh, model + i * BLOCK, BLOCK, i * BLOCK, 0), BLOCK);
	}
	if (ret_node)
		*ret_node = node;
	return fh;
}

static void close_file(const char *name, uint64_t fh)
{
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(op_unlink(&d, ROOT, name), 0);
}

static void assert_file(const char *name)
{
	int fd = open(in_dir(name), O_RDONLY);

	assert_int_equal(pread(fd, got, sizeof(got), 0), sizeof(got));
	assert_memory_equal(got, model, sizeof(got));
	close(fd);
}

/* A batch of writes to blocks of their own, at any byte, of any length up to a block. */
static void write_batch(uint64_t fh)
{
	unsigned int first = (unsigned int)rand_r(&seed) % (BLOCKS - 2 * BATCH);

	for (unsigned int i = 0; i < BATCH; i++) {
		uint32_t skip = i % 2 ? 0 : (uint32_t)rand_r(&seed) % BLOCK;
		unsigned char *p = model + (first + i * 2) * BLOCK + skip;

		memset(p, rand_r(&seed), BLOCK - skip);
		start(i, FUSE_WRITE, fh, p, BLOCK - skip, (uint64_t)(p - model));
	}
	finish();
	for (unsigned int i = 0; i < BATCH; i++) {
		assert_int_equal(batch[i].err, 0);
		assert_int_equal(batch[i].out.written.size, batch[i].arg.write.size);
	}
}

static void read_batch(uint64_t fh)
{
	for (unsigned int i = 0; i < BATCH; i++)
		start(i, FUSE_READ, fh, NULL, 3000, (uint64_t)rand_r(&seed) % (sizeof(model) - 3000));
	finish();
	for (unsigned int i = 0; i < BATCH; i++) {
		assert_int_equal(batch[i].err, 0);
		assert_int_equal(batch[i].req.out_len, 3000);
		assert_memory_equal(batch[i].buf, model + batch[i].arg.read.offset, 3000);
	}
}

static bool is_mapped(const char *name)
{
	char line[1024];
	FILE *maps = fopen("/proc/self/maps", "r");
	bool found = false;

	while (fgets(line, sizeof(line), maps))
		found |= strstr(line, name) != NULL;
	fclose(maps);
	return found;
}

static void test_bytes(void **state)
{
	uint64_t fh = open_full("map-bytes", NULL);

	for (int round = 0; round < 200; round++) {
		write_batch(fh);
		read_batch(fh);
	}
	assert_true(is_mapped("map-bytes"));
	assert_file("map-bytes");
	close_file("map-bytes", fh);
	assert_false(is_mapped("map-bytes"));
}

/* What begins or ends behind the end of the file, as ever. */
static void test_size(void **state)
{
	uint64_t node, fh = open_full("map-size", &node);
	struct fuse_attr attr;

	for (int round = 0; round < 20; round++) {
		write_batch(fh);
		read_batch(fh);
	}
	for (unsigned int i = 0; i < BATCH; i++)
		start(i, FUSE_READ, fh, NULL, BLOCK, sizeof(model) - 100 * (BATCH - i));
	finish();
	for (unsigned int i = 0; i < BATCH; i++)
		assert_int_equal(batch[i].req.out_len, min(100u * (BATCH - i), (unsigned int)BLOCK));
	/* The host cuts it: no signal, no bytes from nowhere. */
	assert_int_equal(truncate(in_dir("map-size"), BLOCK + 7), 0);
	for (unsigned int i = 0; i < BATCH; i++)
		start(i, FUSE_READ, fh, NULL, BLOCK, i * (BLOCK / 2));
	finish();
	for (unsigned int i = 0; i < BATCH; i++)
		assert_int_equal(batch[i].req.out_len,
				 i == 0 ? BLOCK : i == 1 ? BLOCK / 2 + 7 : i == 2 ? 7 : 0);
	for (unsigned int i = 0; i < BATCH; i++)
		start(i, FUSE_WRITE, fh, model, BLOCK, (uint64_t)(i + 1) * BLOCK);
	finish();
	assert_int_equal(op_getattr(&d, node, &attr), 0);
	assert_int_equal(attr.size, (BATCH + 1) * BLOCK);
	close_file("map-size", fh);
}

static void test_times_and_privileges(void **state)
{
	const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	uint64_t fh = open_full("map-time", NULL);
	struct stat st;

	for (int round = 0; round < 20; round++)
		write_batch(fh);
	assert_int_equal(utimensat(AT_FDCWD, in_dir("map-time"), old, 0), 0);
	read_batch(fh);
	assert_int_equal(stat(in_dir("map-time"), &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000);
	write_batch(fh);
	assert_int_equal(stat(in_dir("map-time"), &st), 0);
	assert_true(st.st_mtim.tv_sec > 1000);
	/* Setuid goes with those the guest says it of, mapped or not. */
	assert_int_equal(chmod(in_dir("map-time"), 04755), 0);
	write_batch(fh);
	assert_int_equal(stat(in_dir("map-time"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 04755);
	assert_int_equal(op_write(&d, fh, "x", 1, 0, FUSE_WRITE_KILL_SUIDGID), 1);
	assert_int_equal(stat(in_dir("map-time"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	close_file("map-time", fh);
}

/* Holes are read as zeros and stay holes; writing to them finds the end of the space. */
static void test_holes(void **state)
{
	uint64_t fh = open_full("map-hole", NULL);
	struct stat before, after;
	int fd = open(in_dir("map-hole"), O_RDWR);

	for (int round = 0; round < 20; round++) {
		write_batch(fh);
		read_batch(fh);
	}
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 128 * BLOCK), 0);
	memset(model, 0, 128 * BLOCK);
	assert_int_equal(fstat(fd, &before), 0);
	for (int round = 0; round < 20; round++)
		read_batch(fh);
	assert_int_equal(fstat(fd, &after), 0);
	assert_int_equal(after.st_blocks, before.st_blocks);
	write_batch(fh);
	assert_file("map-hole");
	close(fd);
	close_file("map-hole", fh);
}

static void test_read_only_and_off(void **state)
{
	struct fs_config cfg = { .type = "local", .dir = dir, .no_mapped_io = true };
	uint64_t node, other, fh = open_full("map-ro", &node);
	struct fuse_entry_out e;

	assert_int_equal(op_open(&d, node, O_WRONLY, &other), 0);
	for (int round = 0; round < 20; round++)
		write_batch(other);
	assert_false(is_mapped("map-ro"));
	for (unsigned int i = 0; i < BATCH; i++)
		start(i, FUSE_READ, other, NULL, 100, 0);
	finish();
	assert_int_equal(batch[7].err, -EBADF);
	assert_int_equal(op_release(&d, other), 0);
	assert_int_equal(op_open(&d, node, O_RDONLY, &other), 0);
	for (int round = 0; round < 20; round++)
		read_batch(other);
	for (unsigned int i = 0; i < BATCH; i++)
		start(i, FUSE_WRITE, other, model, 100, 0);
	finish();
	assert_int_equal(batch[7].err, -EBADF);
	assert_int_equal(op_release(&d, other), 0);
	assert_int_equal(op_release(&d, fh), 0);
	drive_close(&d);
	drive_open_cfg(&d, &fs_local, &cfg);
	assert_int_equal(op_lookup(&d, ROOT, "map-ro", &e), 0);
	assert_int_equal(op_open(&d, e.nodeid, O_RDWR, &fh), 0);
	for (int round = 0; round < 20; round++) {
		write_batch(fh);
		read_batch(fh);
	}
	assert_false(is_mapped("map-ro"));
	close_file("map-ro", fh);
}

struct racer {
	struct call batch[BATCH];
	struct drive d;
	uint64_t fh;
	unsigned int seed;
	int wrong;
};

static void race_round(struct racer *r)
{
	static unsigned char ones[BLOCK];
	uint32_t op = rand_r(&r->seed) % 2 ? FUSE_READ : FUSE_WRITE;

	for (unsigned int i = 0; i < BATCH; i++) {
		struct call *c = &r->batch[i];
		uint64_t off = (uint64_t)rand_r(&r->seed) % (BLOCKS * BLOCK);

		call_init(c, &r->d, op, ROOT);
		if (op == FUSE_READ) {
			c->arg.read = (struct fuse_read_in){ .fh = r->fh, .offset = off,
							     .size = BLOCK };
			call_room(c, BLOCK);
		} else {
			c->arg.write = (struct fuse_write_in){ .fh = r->fh, .offset = off,
							       .size = BLOCK };
			call_data(c, ones, BLOCK);
		}
		call_start(c);
	}
	for (unsigned int i = 0; i < BATCH; i++)
		if (call_wait(&r->batch[i]))
			r->wrong = r->batch[i].err;
}

static void *race(void *arg)
{
	struct racer *r = arg;

	drive_attach(&r->d, d.fs, r->seed);
	for (int i = 0; i < 150 && !r->wrong; i++)
		race_round(r);
	drive_detach(&r->d);
	return NULL;
}

/* Three threads in one file, which the host makes short and long meanwhile. */
static void test_race(void **state)
{
	enum { THREADS = 3 };
	struct racer *r = calloc(THREADS, sizeof(*r));
	uint64_t fh = open_full("map-race", NULL);
	pthread_t threads[THREADS];

	for (unsigned int i = 0; i < THREADS; i++) {
		r[i].fh = fh;
		r[i].seed = i + 1;
		assert_int_equal(pthread_create(&threads[i], NULL, race, &r[i]), 0);
	}
	for (int i = 0; i < 200; i++) {
		assert_int_equal(truncate(in_dir("map-race"), i * 7919 % (BLOCKS * BLOCK)), 0);
		assert_int_equal(truncate(in_dir("map-race"), BLOCKS * BLOCK), 0);
		usleep(200);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(r[i].wrong, 0);
	}
	free(r);
	close_file("map-race", fh);
	assert_false(is_mapped("map-race"));
}

/* A tmpfs that is full but for a few pages. */
static void test_no_space(void **state)
{
	uint64_t fh = open_full("map-full", NULL);
	unsigned int failed = 0;
	int fd = open(in_dir("map-full"), O_RDWR), fill;

	for (int round = 0; round < 20; round++)
		write_batch(fh);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				   sizeof(model)), 0);
	fill = open(in_dir("fill"), O_RDWR | O_CREAT, 0600);
	while (write(fill, model, BLOCK) == BLOCK)
		;
	assert_int_equal(ftruncate(fill, lseek(fill, 0, SEEK_CUR) - 8 * BLOCK), 0);
	for (unsigned int i = 0; i < BATCH; i++)
		start(i, FUSE_WRITE, fh, model, BLOCK, (uint64_t)i * BLOCK);
	finish();
	for (unsigned int i = 0; i < BATCH; i++) {
		assert_true(!batch[i].err || batch[i].err == -ENOSPC);
		failed += batch[i].err != 0;
	}
	assert_in_range(failed, BATCH - 9, BATCH - 1);
	close(fill);
	close(fd);
	unlink(in_dir("fill"));
	close_file("map-full", fh);
}

static int tmpfs_setup(void **state)
{
	if (local_setup(state))
		return -1;
	drive_close(&d);
	if (mount("none", dir, "tmpfs", 0, "size=16m"))
		return -1;
	drive_open_cfg(&d, &fs_local, &local_cfg);
	return 0;
}

static int tmpfs_teardown(void **state)
{
	drive_close(&d);
	umount2(dir, MNT_DETACH);
	return rmdir(dir);
}

int main(void)
{
#define EVERYWHERE                                                                                 \
	cmocka_unit_test(test_bytes), cmocka_unit_test(test_size),                                 \
		cmocka_unit_test(test_times_and_privileges), cmocka_unit_test(test_holes),     \
		cmocka_unit_test(test_race)
	const struct CMUnitTest on_tmpfs[] = { EVERYWHERE, cmocka_unit_test(test_no_space),
					       cmocka_unit_test(test_read_only_and_off) };
	const struct CMUnitTest on_disk[] = { EVERYWHERE };

	/* A mount of our own, which ends with us. */
	if (geteuid() || unshare(CLONE_NEWNS))
		return 77;
	mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	return cmocka_run_group_tests_name("tmpfs", on_tmpfs, tmpfs_setup, tmpfs_teardown) +
	       cmocka_run_group_tests_name("disk", on_disk, local_setup, local_teardown);
}
