/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading and writing: sizes, offsets, vectors, O_DIRECT, several writers, syncing. */
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "fsops.h"

#define KIB 1024UL
#define MIB (1024UL * KIB)

static void rw_basic(void)
{
	int fd = fs_open("f", O_RDWR | O_CREAT, 0600);
	char buf[16];

	EQ(read(fd, buf, sizeof(buf)), 0);
	EQ(write(fd, "0123456789", 10), 10);
	EQ(read(fd, buf, sizeof(buf)), 0);
	EQ(lseek(fd, 2, SEEK_SET), 2);
	EQ(read(fd, buf, 3), 3);
	EQ(memcmp(buf, "234", 3), 0);
	EQ(lseek(fd, 0, SEEK_CUR), 5);
	EQ(pread(fd, buf, 16, 8), 2);
	EQ(pwrite(fd, "X", 1, 9), 1);
	EQ(lseek(fd, -1, SEEK_END), 9);
	EQ(read(fd, buf, 1), 1);
	EQ(buf[0], 'X');
	EQ(pread(fd, buf, 1, 100), 0);
	ERR(pread(fd, buf, 1, -1), EINVAL);
	ERR(lseek(fd, -1, SEEK_SET), EINVAL);
	EQ(write(fd, buf, 0), 0);
	OK(close(fd));
}

static void rw_sizes(void)
{
	static const size_t sizes[] = { 1, 511, 4095, 4096, 4097, 65535, 65537, 131072, 1048577 };
	unsigned char *buf = fs_alloc(2 * MIB);
	int fd;

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		fd = fs_open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);
		fs_fill(buf, sizes[i], 0, i);
		EQ(write(fd, buf, sizes[i]), sizes[i]);
		OK(close(fd));
		EQ(fs_stat("f").st_size, sizes[i]);
		memset(buf, 0, sizes[i]);
		fd = fs_open("f", O_RDONLY, 0);
		EQ(read(fd, buf, 2 * MIB), sizes[i]);
		fs_check(buf, sizes[i], 0, i);
		OK(close(fd));
	}
}

static void rw_big(void)
{
	unsigned char *buf = fs_alloc(8 * MIB);
	int fd = fs_open("f", O_WRONLY | O_CREAT, 0600);
	uint64_t pos = 0;
	ssize_t n;

	fs_fill(buf, 8 * MIB, 0, 7);
	EQ(write(fd, buf, 8 * MIB), 8 * MIB);
	OK(close(fd));
	fd = fs_open("f", O_RDONLY, 0);
	while ((n = OK(read(fd, buf, 300007))) > 0) {
		fs_check(buf, (size_t)n, pos, 7);
		pos += (uint64_t)n;
	}
	EQ(pos, 8 * MIB);
	OK(close(fd));
}

static void rw_vector(void)
{
	static unsigned char buf[700 * 13], back[700 * 13];
	static struct iovec iov[700];
	int fd = fs_open("f", O_RDWR | O_CREAT, 0600);

	fs_fill(buf, sizeof(buf), 0, 3);
	for (int i = 0; i < 700; i++)
		iov[i] = (struct iovec){ buf + i * 13, 13 };
	EQ(writev(fd, iov, 700), sizeof(buf));
	for (int i = 0; i < 700; i++)
		iov[i] = (struct iovec){ back + i * 13, 13 };
	EQ(lseek(fd, 0, SEEK_SET), 0);
	EQ(readv(fd, iov, 700), sizeof(back));
	fs_check(back, sizeof(back), 0, 3);
	EQ(pwritev(fd, iov, 3, 5), 39);
	EQ(preadv(fd, iov, 2, 5), 26);
	fs_check(back, 26, 0, 3);
	OK(close(fd));
}

/* Random writes, truncations and reads against a copy in memory. */
static void rw_random(void)
{
	enum { ROUNDS = 300, MAX = 200000 };
	unsigned char *copy = fs_alloc(MAX), *buf = fs_alloc(MAX);
	int fd = fs_open("f", O_RDWR | O_CREAT, 0600);
	size_t size = 0, at, len;
	unsigned int rnd = 12345;

	memset(copy, 0, MAX);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		at = (size_t)rand_r(&rnd) % (MAX - 1);
		len = 1 + (size_t)rand_r(&rnd) % (MAX - at) % 20000;
		if (i % 8 == 7) {
			OK(ftruncate(fd, (off_t)at));
			memset(copy + at, 0, MAX - at);
			size = at;
		} else {
			fs_fill(copy + at, len, at, i);
			EQ(pwrite(fd, copy + at, len, (off_t)at), len);
			size = at + len > size ? at + len : size;
		}
		if (i % 10 == 0) {
			EQ(pread(fd, buf, MAX, 0), size);
			TRUE(memcmp(buf, copy, size) == 0);
		}
	}
	OK(close(fd));
	EQ(fs_stat("f").st_size, size);
	fd = fs_open("f", O_RDONLY, 0);
	EQ(read(fd, buf, MAX), size);
	TRUE(memcmp(buf, copy, size) == 0);
}

static void rw_direct(void)
{
	unsigned char *buf = fs_alloc(MIB);
	int fd = open("f", O_RDWR | O_CREAT | O_DIRECT, 0600);

	if (fd < 0 && errno == EINVAL)
		fs_skip("O_DIRECT is not supported here");
	OK(fd);
	for (uint64_t pos = 0; pos < 4 * MIB; pos += MIB) {
		fs_fill(buf, MIB, pos, 11);
		EQ(pwrite(fd, buf, MIB, (off_t)pos), MIB);
	}
	for (uint64_t pos = 0; pos < 4 * MIB; pos += 256 * KIB) {
		EQ(pread(fd, buf, 256 * KIB, (off_t)pos), 256 * KIB);
		fs_check(buf, 256 * KIB, pos, 11);
	}
	EQ(pread(fd, buf, 4096, 4 * MIB), 0);
	OK(close(fd));
}

/* What one descriptor writes past the cache, another one reads. */
static void rw_direct_and_cached(void)
{
	unsigned char *buf = fs_alloc(64 * KIB);
	int direct = open("f", O_RDWR | O_CREAT | O_DIRECT, 0600);
	int cached;

	if (direct < 0 && errno == EINVAL)
		fs_skip("O_DIRECT is not supported here");
	OK(direct);
	cached = fs_open("f", O_RDWR, 0);
	for (unsigned int i = 0; i < 8; i++) {
		fs_fill(buf, 64 * KIB, 0, i);
		EQ(pwrite(i & 1 ? cached : direct, buf, 64 * KIB, 0), 64 * KIB);
		memset(buf, 0, 64 * KIB);
		EQ(pread(i & 1 ? direct : cached, buf, 64 * KIB, 0), 64 * KIB);
		fs_check(buf, 64 * KIB, 0, i);
	}
}

static void rw_sparse_4g(void)
{
	const off_t edge = (off_t)4 << 30;
	int fd = fs_open("f", O_RDWR | O_CREAT, 0600);
	unsigned char buf[8] = { 1 };
	struct stat st;

	EQ(pwrite(fd, "ABCDEFGH", 8, edge - 4), 8);
	OK(fsync(fd));
	OK(fstat(fd, &st));
	EQ(st.st_size, edge + 4);
	TRUE(st.st_blocks < 4096);
	EQ(pread(fd, buf, 8, edge - 4), 8);
	EQ(memcmp(buf, "ABCDEFGH", 8), 0);
	EQ(pread(fd, buf, 8, edge - 8), 8);
	EQ(memcmp(buf, "\0\0\0\0ABCD", 8), 0);
	EQ(pread(fd, buf, 8, 1 << 30), 8);
	EQ(memcmp(buf, "\0\0\0\0\0\0\0\0", 8), 0);
	OK(ftruncate(fd, edge * 2));
	EQ(pread(fd, buf, 8, edge * 2 - 4), 4);
	EQ(lseek(fd, 0, SEEK_END), edge * 2);
	OK(close(fd));
}

static void rw_truncate_zeroes(void)
{
	unsigned char *buf = fs_alloc(12000);
	int fd = fs_open("f", O_RDWR | O_CREAT, 0600);

	memset(buf, 0xff, 12000);
	EQ(write(fd, buf, 12000), 12000);
	OK(ftruncate(fd, 10));
	OK(ftruncate(fd, 12000));
	EQ(pread(fd, buf, 12000, 0), 12000);
	for (size_t i = 0; i < 12000; i++)
		EQ(buf[i], i < 10 ? 0xff : 0);
	OK(close(fd));
}

#define WRITERS 4
#define BLOCKS 40
#define BLOCK 8192UL

static void write_own_blocks(unsigned int who)
{
	unsigned char *buf = fs_alloc(BLOCK);
	int fd = fs_open("f", O_WRONLY, 0);
	uint64_t pos;

	for (unsigned int i = 0; i < BLOCKS; i++) {
		pos = (i * WRITERS + who) * BLOCK;
		fs_fill(buf, BLOCK, pos, who);
		EQ(pwrite(fd, buf, BLOCK, (off_t)pos), BLOCK);
	}
	OK(close(fd));
}

static void rw_writers(void)
{
	unsigned char *buf = fs_alloc(BLOCK);
	int fd = fs_open("f", O_RDWR | O_CREAT, 0600);

	fs_together(WRITERS, write_own_blocks);
	for (unsigned int i = 0; i < BLOCKS * WRITERS; i++) {
		EQ(pread(fd, buf, BLOCK, (off_t)(i * BLOCK)), BLOCK);
		fs_check(buf, BLOCK, i * BLOCK, i % WRITERS);
	}
	OK(close(fd));
}

static void append_records(unsigned int who)
{
	int fd = fs_open("f", O_WRONLY | O_APPEND, 0);
	char rec[64];

	memset(rec, 'a' + (int)who, sizeof(rec));
	for (unsigned int i = 0; i < 100; i++)
		EQ(write(fd, rec, sizeof(rec)), sizeof(rec));
	OK(close(fd));
}

static void rw_appenders(void)
{
	unsigned int seen[WRITERS] = { 0 };
	char rec[64];
	int fd = fs_open("f", O_RDONLY | O_CREAT, 0600);

	fs_together(WRITERS, append_records);
	EQ(fs_stat("f").st_size, WRITERS * 100 * 64);
	for (unsigned int i = 0; i < WRITERS * 100; i++) {
		EQ(read(fd, rec, sizeof(rec)), sizeof(rec));
		TRUE(rec[0] >= 'a' && rec[0] < 'a' + WRITERS);
		for (unsigned int k = 0; k < 64; k++)
			EQ(rec[k], rec[0]);
		seen[rec[0] - 'a']++;
	}
	for (unsigned int w = 0; w < WRITERS; w++)
		EQ(seen[w], 100);
}

static void rw_sync(void)
{
	int fd = fs_open("f", O_RDWR | O_CREAT, 0600);
	int dir = fs_open(".", O_RDONLY | O_DIRECTORY, 0);
	int ro;

	EQ(write(fd, "data", 4), 4);
	OK(fdatasync(fd));
	OK(fsync(fd));
	ro = fs_open("f", O_RDONLY, 0);
	OK(fsync(ro));
	OK(fsync(dir));
	OK(fdatasync(dir));
	OK(syncfs(fd));
	OK(close(fd));
	OK(close(ro));
	OK(close(dir));
}

static void rw_sendfile(void)
{
	unsigned char *buf = fs_alloc(256 * KIB);
	int in = fs_open("in", O_RDWR | O_CREAT, 0600);
	int out = fs_open("out", O_RDWR | O_CREAT, 0600);
	off_t pos = 0;
	size_t done = 0;

	fs_fill(buf, 256 * KIB, 0, 5);
	EQ(write(in, buf, 256 * KIB), 256 * KIB);
	while (done < 256 * KIB) {
		long n = OK(sendfile(out, in, &pos, 256 * KIB - done));

		TRUE(n > 0);
		done += (size_t)n;
	}
	memset(buf, 0, 256 * KIB);
	EQ(pread(out, buf, 256 * KIB, 0), 256 * KIB);
	fs_check(buf, 256 * KIB, 0, 5);
}

const struct fs_case fs_cases_data[] = {
	{ "rw_basic", rw_basic },
	{ "rw_sizes", rw_sizes },
	{ "rw_big", rw_big },
	{ "rw_vector", rw_vector },
	{ "rw_random", rw_random },
	{ "rw_direct", rw_direct },
	{ "rw_direct_and_cached", rw_direct_and_cached },
	{ "rw_sparse_4g", rw_sparse_4g },
	{ "rw_truncate_zeroes", rw_truncate_zeroes },
	{ "rw_writers", rw_writers },
	{ "rw_appenders", rw_appenders },
	{ "rw_sync", rw_sync },
	{ "rw_sendfile", rw_sendfile },
	{ NULL, NULL },
};
