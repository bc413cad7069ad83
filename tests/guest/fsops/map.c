/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory maps of files. */
#include <sys/mman.h>
#include <sys/wait.h>

#include "fsops.h"

#define LEN 65536UL

static unsigned char *map(int fd, int prot, int flags)
{
	void *p = mmap(NULL, LEN, prot, flags, fd, 0);

	/* A file system mounted without page cache has no shared maps on the guest's kernel. */
	if (p == MAP_FAILED && errno == ENODEV)
		fs_skip("no shared maps on this mount");
	TRUE(p != MAP_FAILED);
	return p;
}

static int pattern_file(unsigned int seed)
{
	unsigned char *buf = fs_alloc(LEN);
	int fd = fs_open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);

	fs_fill(buf, LEN, 0, seed);
	EQ(write(fd, buf, LEN), LEN);
	free(buf);
	return fd;
}

static void map_read(void)
{
	int fd = pattern_file(1);
	unsigned char *p = map(fd, PROT_READ, MAP_PRIVATE);

	OK(close(fd));
	fs_check(p, LEN, 0, 1);
	OK(munmap(p, LEN));
}

static void map_shared_write(void)
{
	unsigned char *buf = fs_alloc(LEN);
	int fd = pattern_file(1);
	unsigned char *p = map(fd, PROT_READ | PROT_WRITE, MAP_SHARED);

	fs_fill(p, LEN, 0, 2);
	OK(msync(p, LEN, MS_SYNC));
	EQ(pread(fd, buf, LEN, 0), LEN);
	fs_check(buf, LEN, 0, 2);
	fs_fill(p, 4096, 0, 3);
	OK(munmap(p, LEN));
	OK(close(fd));
	fd = fs_open("f", O_RDONLY, 0);
	EQ(read(fd, buf, LEN), LEN);
	fs_check(buf, 4096, 0, 3);
	fs_check(buf + 4096, LEN - 4096, 4096, 2);
	OK(close(fd));
}

/* A shared map outlives the descriptor and the name. */
static void map_unlinked(void)
{
	int fd = pattern_file(1);
	unsigned char *p = map(fd, PROT_READ | PROT_WRITE, MAP_SHARED);

	OK(unlink("f"));
	OK(close(fd));
	fs_fill(p, LEN, 0, 4);
	OK(msync(p, LEN, MS_SYNC));
	fs_check(p, LEN, 0, 4);
	OK(munmap(p, LEN));
}

static void map_sees_write(void)
{
	int fd = pattern_file(1);
	unsigned char *p = map(fd, PROT_READ, MAP_SHARED);

	EQ(p[100], p[100]);
	EQ(pwrite(fd, "Z", 1, 100), 1);
	EQ(p[100], 'Z');
	OK(munmap(p, LEN));
}

static void map_private_is_private(void)
{
	unsigned char c;
	int fd = pattern_file(1);
	unsigned char *p = map(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	unsigned char before = p[0];

	p[0] = (unsigned char)~before;
	EQ(pread(fd, &c, 1, 0), 1);
	EQ(c, before);
	OK(munmap(p, LEN));
}

/* Beyond the last page of the file a map faults with SIGBUS. */
static void map_past_end(void)
{
	int fd = pattern_file(1), status;
	volatile unsigned char *p = map(fd, PROT_READ, MAP_SHARED);
	pid_t pid;

	OK(ftruncate(fd, 4096));
	pid = (pid_t)OK(fork());
	if (pid == 0)
		_exit(p[8192] + 1);
	OK(waitpid(pid, &status, 0));
	TRUE(WIFSIGNALED(status) && WTERMSIG(status) == 7);
}

static void write_page(unsigned int who)
{
	int fd = fs_open("f", O_RDWR, 0);
	unsigned char *p = map(fd, PROT_READ | PROT_WRITE, MAP_SHARED);

	for (unsigned int i = who * 4096; i < LEN; i += 4 * 4096)
		fs_fill(p + i, 4096, i, who);
	OK(munmap(p, LEN));
	OK(close(fd));
}

static void map_writers(void)
{
	unsigned char *buf = fs_alloc(LEN);
	int fd = pattern_file(9);

	fs_together(4, write_page);
	EQ(pread(fd, buf, LEN, 0), LEN);
	for (unsigned int i = 0; i < LEN; i += 4096)
		fs_check(buf + i, 4096, i, i / 4096 % 4);
}

const struct fs_case fs_cases_map[] = {
	{ "map_read", map_read },
	{ "map_shared_write", map_shared_write },
	{ "map_unlinked", map_unlinked },
	{ "map_sees_write", map_sees_write },
	{ "map_private_is_private", map_private_is_private },
	{ "map_past_end", map_past_end },
	{ "map_writers", map_writers },
	{ NULL, NULL },
};
