/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the transfers of scripts/bench-peer cost as system calls of this machine, without any server: nanoseconds of
 * processor time each, a line "ns NAME". The buffers are as a guest's: shared memory in segments of 4 KiB.
 *
 *	bench_bare DIR [MILLISECONDS]    of each, 300
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define MIB (1u << 20)
#define FILE_SIZE (64u * MIB)
#define SEGMENT 4096u
#define BUFFERS 4 /* in turns, as requests in flight have them */

static struct iovec iov[BUFFERS][MIB / SEGMENT];

struct test {
	const char *name;
	size_t size;
	bool write, random;
};

static const struct test tests[] = {
	{ "4 KiB random read", SEGMENT, false, true },
	{ "4 KiB random write", SEGMENT, true, true },
	{ "1 MiB sequential read", MIB, false, false },
	{ "1 MiB sequential write", MIB, true, false },
};

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static void make_buffers(void)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);
	char *mem;

	check(fd >= 0 && !ftruncate(fd, BUFFERS * MIB), "memfd");
	mem = mmap(NULL, BUFFERS * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(mem != MAP_FAILED, "mmap");
	memset(mem, 1, BUFFERS * MIB);
	for (size_t i = 0; i < BUFFERS * MIB / SEGMENT; i++)
		iov[i / (MIB / SEGMENT)][i % (MIB / SEGMENT)] = (struct iovec){ mem + i * SEGMENT, SEGMENT };
	close(fd);
}

static uint64_t run(int fd, const struct test *t, uint64_t ns)
{
	uint64_t start = cpu_ns(), end = clock_ns() + ns, nr = 0, blocks = FILE_SIZE / t->size;

	for (; clock_ns() < end; nr++) {
		off_t off = (off_t)((t->random ? (uint64_t)random() : nr) % blocks * t->size);
		const struct iovec *v = iov[nr % BUFFERS];
		int cnt = (int)(t->size / SEGMENT);
		ssize_t n = t->write ? pwritev(fd, v, cnt, off) : preadv(fd, v, cnt, off);

		check(n == (ssize_t)t->size, t->name);
	}
	return (cpu_ns() - start) / nr;
}

int main(int argc, char **argv)
{
	const uint64_t ns = (argc > 2 ? strtoull(argv[2], NULL, 10) : 300) * 1000000u;
	char path[512];
	int fd;

	if (argc < 2)
		return 2;
	snprintf(path, sizeof(path), "%s/bench_bare.XXXXXX", argv[1]);
	fd = mkstemp(path);
	check(fd >= 0 && !unlink(path), path);
	make_buffers();
	for (off_t off = 0; off < FILE_SIZE; off += MIB)
		check(pwritev(fd, iov[0], MIB / SEGMENT, off) == MIB, "writing");
	for (int direct = 0; direct < 2; direct++) {
		if (direct && fcntl(fd, F_SETFL, O_DIRECT))
			break; /* this file system has none */
		for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
			printf("%llu %s, %s\n", (unsigned long long)run(fd, &tests[i], ns),
			       direct ? "O_DIRECT" : "cached", tests[i].name);
	}
	return 0;
}
