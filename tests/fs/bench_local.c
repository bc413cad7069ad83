/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the choices of the local back end rest on: the same work done in place and through io_uring,
 * on data and metadata that is cached, and the operations of the back end themselves. Prints ns per
 * operation, the best of several runs.
 *
 *	bench_local [DIR]
 */
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "fs/types.h"
#include "fsdrive.h"

#define FILE_SIZE (64u << 20)
#define BLOCK 4096u
#define DEPTH 64
#define RUNS 60
#define RUN_OPS (DEPTH * 8)
#define ROOT 1

static struct io_uring ring;
static struct iovec iov[DEPTH];
static struct statx stx[DEPTH];
static int file_fd, dir_fd;
static int nowait = RWF_NOWAIT; /* 0 where the file system does not know it */
static struct drive d;
static uint64_t fh, node, dir_node;
static struct call calls[DEPTH];
static unsigned int seed = 1;

static uint64_t any_offset(void)
{
	return (uint64_t)rand_r(&seed) % (FILE_SIZE / BLOCK) * BLOCK;
}

static void read_here(unsigned int depth)
{
	for (unsigned int i = 0; i < depth; i++)
		if (preadv2(file_fd, &iov[i], 1, (off_t)any_offset(), nowait) != BLOCK)
			abort();
}

static void write_here(unsigned int depth)
{
	for (unsigned int i = 0; i < depth; i++)
		if (pwritev2(file_fd, &iov[i], 1, (off_t)any_offset(), 0) != BLOCK)
			abort();
}

static void statx_here(unsigned int depth)
{
	for (unsigned int i = 0; i < depth; i++)
		if (statx(dir_fd, "file", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx[i]))
			abort();
}

/* One system call for all, as poll() does. */
static void ring_finish(unsigned int depth, int want)
{
	struct io_uring_cqe *cqe;

	io_uring_submit_and_wait(&ring, depth);
	for (unsigned int i = 0; i < depth; i++) {
		if (io_uring_wait_cqe(&ring, &cqe) || cqe->res != want)
			abort();
		io_uring_cqe_seen(&ring, cqe);
	}
}

static void read_ring(unsigned int depth)
{
	for (unsigned int i = 0; i < depth; i++)
		io_uring_prep_readv(io_uring_get_sqe(&ring), file_fd, &iov[i], 1, any_offset());
	ring_finish(depth, BLOCK);
}

static void write_ring(unsigned int depth)
{
	for (unsigned int i = 0; i < depth; i++)
		io_uring_prep_writev(io_uring_get_sqe(&ring), file_fd, &iov[i], 1, any_offset());
	ring_finish(depth, BLOCK);
}

static void statx_ring(unsigned int depth)
{
	for (unsigned int i = 0; i < depth; i++)
		io_uring_prep_statx(io_uring_get_sqe(&ring), dir_fd, "file", AT_SYMLINK_NOFOLLOW,
				    STATX_BASIC_STATS, &stx[i]);
	ring_finish(depth, 0);
}

static void op_finish(unsigned int depth)
{
	d.fs->ops->poll(d.ft);
	for (unsigned int i = 0; i < depth; i++)
		if (call_wait(&calls[i]))
			abort();
}

static void call_begin(struct call *c, uint32_t opcode, uint64_t nodeid)
{
	call_init(c, &d, opcode, nodeid);
	c->arg.read.fh = fh; /* likewise write.fh */
	c->arg.read.offset = any_offset();
	c->arg.read.size = BLOCK;
}

static void fs_read(unsigned int depth)
{
	for (unsigned int i = 0; i < depth; i++) {
		call_begin(&calls[i], FUSE_READ, node);
		call_room(&calls[i], BLOCK);
		call_start(&calls[i]);
	}
	op_finish(depth);
}

static void fs_write(unsigned int depth)
{
	for (unsigned int i = 0; i < depth; i++) {
		call_begin(&calls[i], FUSE_WRITE, node);
		call_data(&calls[i], iov[i].iov_base, BLOCK);
		call_start(&calls[i]);
	}
	op_finish(depth);
}

static void fs_lookup(unsigned int depth)
{
	for (unsigned int i = 0; i < depth; i++)
		if (op_lookup(&d, dir_node, "file", NULL))
			abort();
}

static void fs_getattr(unsigned int depth)
{
	struct fuse_attr attr;

	for (unsigned int i = 0; i < depth; i++)
		if (op_getattr(&d, node, &attr))
			abort();
}

static void fs_create_unlink(unsigned int depth)
{
	struct fuse_entry_out e;
	uint64_t new_fh;

	for (unsigned int i = 0; i < depth; i++) {
		if (op_create(&d, dir_node, "new", O_RDWR | O_EXCL, 0644, &e, &new_fh) ||
		    op_release(&d, new_fh) || op_unlink(&d, dir_node, "new"))
			abort();
		op_forget(&d, e.nodeid, 1);
	}
}

static const struct {
	const char *name;
	void (*run)(unsigned int depth);
} rows[] = {
	{ "preadv2 in place", read_here }, { "READV in the ring", read_ring },
	{ "pwritev2 in place", write_here },	  { "WRITEV in the ring", write_ring },
	{ "statx in place", statx_here },	  { "STATX in the ring", statx_ring },
	{ "op READ", fs_read },			  { "op WRITE", fs_write },
	{ "op LOOKUP", fs_lookup },		  { "op GETATTR", fs_getattr },
	{ "op CREATE+RELEASE+UNLINK+FORGET", fs_create_unlink },
};

/* The best of many short runs: what the machine does besides is not in it. */
static void measure(void (*run)(unsigned int depth), unsigned int depth)
{
	uint64_t best = UINT64_MAX, start;

	for (int r = 0; r < RUNS; r++) {
		start = clock_ns();
		for (unsigned int i = 0; i < RUN_OPS / depth; i++)
			run(depth);
		best = min(best, clock_ns() - start);
	}
	printf(" %8.0f", (double)best / RUN_OPS);
}

static void prepare(const char *dir)
{
	struct fuse_entry_out e;
	char path[512];

	drive_open(&d, &fs_local, dir);
	snprintf(path, sizeof(path), "%s/sub", dir);
	if (mkdir(path, 0755) || (dir_fd = open(path, O_RDONLY | O_DIRECTORY)) < 0)
		abort();
	file_fd = openat(dir_fd, "file", O_CREAT | O_RDWR, 0644);
	for (unsigned int i = 0; i < DEPTH; i++)
		iov[i] = (struct iovec){ calloc(1, BLOCK), BLOCK };
	for (off_t off = 0; off < FILE_SIZE; off += BLOCK)
		if (pwritev2(file_fd, iov, 1, off, 0) != BLOCK)
			abort();
	if (preadv2(file_fd, iov, 1, 0, RWF_NOWAIT) < 0)
		nowait = 0;
	if (op_lookup(&d, ROOT, "sub", &e))
		abort();
	dir_node = e.nodeid;
	if (op_lookup(&d, dir_node, "file", &e))
		abort();
	node = e.nodeid;
	if (op_open(&d, node, O_RDWR, &fh))
		abort();
	if (io_uring_queue_init(DEPTH, &ring,
				IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN) &&
	    io_uring_queue_init(DEPTH, &ring, 0))
		abort();
}

int main(int argc, char **argv)
{
	static const unsigned int depths[] = { 1, 2, 8, DEPTH };
	char dir[256], cmd[300];

	snprintf(dir, sizeof(dir), "%s/bench_local.XXXXXX", argc > 1 ? argv[1] : "/tmp");
	if (!mkdtemp(dir))
		return 1;
	prepare(dir);
	printf("%-34s %8s %8s %8s %8s\n", "4 KiB, cached; ns per operation", "depth 1", "2", "8",
	       "64");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		printf("%-34s", rows[i].name);
		for (size_t k = 0; k < ARRAY_SIZE(depths); k++)
			measure(rows[i].run, depths[k]);
		printf("\n");
	}
	drive_close(&d);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd);
}
