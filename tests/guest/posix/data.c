/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading, writing, appending, mapping: who sees what. */
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "posix.h"

static void data_basic(void)
{
	int fd = (int)NEED(open("f", O_RDWR | O_CREAT, 0600));
	char buf[16];

	SAME("read(2): at the end of file returns 0", read(fd, buf, 16), 0);
	SAME("write(2): the number of bytes written", write(fd, "0123456789", 10), 10);
	SAME("write(2): the offset is incremented", lseek(fd, 0, SEEK_CUR), 10);
	SAME("read(2): after the last byte returns 0", read(fd, buf, 16), 0);
	SAME("lseek(2): SEEK_SET", lseek(fd, 3, SEEK_SET), 3);
	SAME("lseek(2): SEEK_CUR", lseek(fd, 2, SEEK_CUR), 5);
	SAME("lseek(2): SEEK_END", lseek(fd, -1, SEEK_END), 9);
	SAME("lseek(2): beyond the end is allowed", lseek(fd, 100, SEEK_END), 110);
	SAME("lseek(2): and does not change the size", px_stat("f").st_size, 10);
	SAME("write(2): there makes the file that long", write(fd, "x", 1), 1);
	SAME("write(2): the size", px_stat("f").st_size, 111);
	SAME("read(2): the gap", pread(fd, buf, 16, 50), 16);
	SAME("lseek(2): reads in the gap return null bytes", memcmp(buf, (char[16]){ 0 }, 16), 0);
	SAME("read(2): fewer bytes near the end of file", pread(fd, buf, 16, 105), 6);
	SAME("write(2): of no bytes has no other results", pwrite(fd, buf, 0, 1000), 0);
	SAME("write(2): of no bytes beyond the end does not grow", px_stat("f").st_size, 111);
	SAME("lseek(2): files beyond 4 GiB", lseek(fd, 5LL << 30, SEEK_SET), 5LL << 30);
	SAME("write(2): at 5 GiB", write(fd, "y", 1), 1);
	SAME("read(2): at 5 GiB", (pread(fd, buf, 2, 5LL << 30) == 1 && buf[0] == 'y'), 1);
	SAME("stat(2): the size in 64 bits", px_stat("f").st_size, (5LL << 30) + 1);
	HOLDS("stat(2): a sparse file has few blocks", px_stat("f").st_blocks < 1024);
}

static void data_truncate(void)
{
	static const off_t sizes[] = { 0, 1, 4095, 4096, 4097, 8192, 100000, 65536, 3, 1000000 };
	int fd = (int)NEED(open("f", O_RDWR | O_CREAT, 0600));
	char *buf = px_alloc(1 << 20), *zero = px_alloc(1 << 20);
	off_t kept = 12000;

	memset(buf, 0xff, 12000);
	NEED(write(fd, buf, 12000));
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		off_t size = sizes[i];

		CALL(px_law("ftruncate(2): to %ld", (long)size), 0, ftruncate(fd, size));
		kept = size < kept ? size : kept;
		SAME(px_law("ftruncate(2): the size is %ld", (long)size), px_stat("f").st_size,
		     size);
		SAME(px_law("ftruncate(2): all %ld bytes can be read", (long)size),
		     pread(fd, buf, 1 << 20, 0), size);
		SAME(px_law("ftruncate(2): the extended part reads as null bytes (%ld)",
			    (long)size),
		     memcmp(buf + kept, zero, (size_t)(size - kept)), 0);
		HOLDS("ftruncate(2): the part before is kept",
		      kept == 0 || buf[kept - 1] == (char)0xff);
	}
	NEED(lseek(fd, 500, SEEK_SET));
	NEED(ftruncate(fd, 0));
	SAME("ftruncate(2): the file offset is not changed", lseek(fd, 0, SEEK_CUR), 500);
	CALL("truncate(2): to 8 GiB", 0, truncate("f", 8LL << 30));
	SAME("truncate(2): the size is 8 GiB", px_stat("f").st_size, 8LL << 30);
	HOLDS("truncate(2): without blocks", px_stat("f").st_blocks < 64);
}

static void data_vectors(void)
{
	struct iovec v[3] = { { (void *)"ab", 2 }, { (void *)"", 0 }, { (void *)"cde", 3 } };
	char a[2], b[3], c[9];
	struct iovec r[3] = { { a, 2 }, { b, 3 }, { c, 9 } };
	int fd = (int)NEED(open("f", O_RDWR | O_CREAT, 0600));

	SAME("writev(2): all vectors in order", writev(fd, v, 3), 5);
	HOLDS("writev(2): as one sequence of bytes", px_holds("f", "abcde"));
	SAME("pwritev(2): at an offset", pwritev(fd, v, 3, 3), 5);
	HOLDS("pwritev(2): the bytes", px_holds("f", "abcabcde"));
	SAME("preadv(2): stops at the end of file", preadv(fd, r, 3, 0), 8);
	SAME("preadv(2): fills one vector after the other",
	     memcmp(a, "ab", 2) | memcmp(b, "cab", 3) | memcmp(c, "cde", 3), 0);
	SAME("pwritev2(2) RWF_APPEND: to the end, whatever the offset",
	     pwritev2(fd, v, 1, 0, RWF_APPEND), 2);
	HOLDS("pwritev2(2) RWF_APPEND: the bytes", px_holds("f", "abcabcdeab"));
	SAME("pwritev2(2) RWF_DSYNC: works", pwritev2(fd, v, 1, 0, RWF_DSYNC), 2);
	CALL("preadv2(2) EOPNOTSUPP: an unknown flag", EOPNOTSUPP, preadv2(fd, r, 1, 0, 0x4000000));
}

#define WRITERS 4
#define RECORDS 60
#define RECORD 200

static void append_records(void *arg)
{
	int fd = (int)NEED(open("log", O_WRONLY | O_APPEND));
	char rec[RECORD];

	memset(rec, *(char *)arg, sizeof(rec));
	for (int i = 0; i < RECORDS; i++)
		SAME("write(2) O_APPEND: in whole", write(fd, rec, sizeof(rec)), RECORD);
	close(fd);
}

static void data_append(void)
{
	char names[WRITERS] = { 'a', 'b', 'c', 'd' }, rec[RECORD], want[RECORD];
	unsigned int seen[256] = { 0 };
	pid_t pid[WRITERS];
	int fd, whole = 0;

	px_put("log", "");
	for (int i = 0; i < WRITERS; i++)
		pid[i] = px_fork(append_records, &names[i]);
	for (int i = 0; i < WRITERS; i++)
		px_join(pid[i]);
	SAME("open(2) O_APPEND: offset and write are one atomic step: nothing is lost",
	     px_stat("log").st_size, WRITERS * RECORDS * RECORD);
	fd = (int)NEED(open("log", O_RDWR | O_APPEND));
	while (read(fd, rec, RECORD) == RECORD) {
		memset(want, rec[0], RECORD);
		whole += memcmp(rec, want, RECORD) == 0;
		seen[(unsigned char)rec[0]]++;
	}
	SAME("open(2) O_APPEND: no record is torn", whole, WRITERS * RECORDS);
	for (int i = 0; i < WRITERS; i++)
		SAME("open(2) O_APPEND: all records of each writer", seen[(unsigned char)names[i]],
		     RECORDS);
	NEED(lseek(fd, 0, SEEK_SET));
	NEED(write(fd, "end", 3));
	SAME("open(2) O_APPEND: before each write the offset is set to the end",
	     lseek(fd, 0, SEEK_CUR), WRITERS * RECORDS * RECORD + 3);
	NEED(pwrite(fd, "end", 3, 0));
	SAME("pwrite(2) BUGS: on Linux O_APPEND appends whatever the offset",
	     px_stat("log").st_size, WRITERS * RECORDS * RECORD + 6);
}

static void map_child(void *arg)
{
	char *map = arg, buf[8];
	int fd = (int)NEED(open("m", O_RDWR));
	char *own = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	SAME("mmap(2) MAP_SHARED: another process sees the store", own[100], 'S');
	SAME("read(2): sees the store of a mapping", (NEED(pread(fd, buf, 1, 100)), buf[0]), 'S');
	own[200] = 'T';
	NEED(pwrite(fd, "W", 1, 300));
	SAME("mmap(2): an inherited mapping is the same memory", map[200], 'T');
}

static void data_map_shared(void)
{
	int fd = (int)NEED(open("m", O_RDWR | O_CREAT, 0600)), other;
	char buf[8], *map;

	NEED(ftruncate(fd, 8192));
	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	HOLDS("mmap(2): MAP_SHARED", map != MAP_FAILED);
	map[100] = 'S';
	px_in_child(map_child, map);
	SAME("mmap(2) MAP_SHARED: sees the store of another process", map[200], 'T');
	SAME("mmap(2) MAP_SHARED: sees the write(2) of another process", map[300], 'W');
	other = (int)NEED(open("m", O_RDWR));
	NEED(pwrite(other, "now", 3, 4094));
	SAME("mmap(2): a write over a page border is seen at once", memcmp(map + 4094, "now", 3),
	     0);
	memcpy(map + 5000, "store", 5);
	SAME("mmap(2): a store is read at once through any descriptor",
	     (NEED(pread(other, buf, 5, 5000)), memcmp(buf, "store", 5)), 0);
	CALL("msync(2): MS_SYNC", 0, msync(map, 8192, MS_SYNC));
	CALL("msync(2): MS_ASYNC", 0, msync(map, 8192, MS_ASYNC));
	CALL("close(2): does not unmap", 0, close(fd));
	map[0] = 'Z';
	CALL("munmap(2): the mapping ends", 0, munmap(map, 8192));
	SAME("munmap(2): what was stored is in the file", (NEED(pread(other, buf, 1, 0)), buf[0]),
	     'Z');
}

static void touch_beyond(void *arg)
{
	volatile char *p = arg;

	signal(SIGBUS, SIG_DFL);
	p[0] = 1;
}

static void data_map_edges(void)
{
	int fd = (int)NEED(open("m", O_RDWR | O_CREAT, 0600)), status;
	char buf[16], *map, *priv;
	pid_t pid;

	NEED(pwrite(fd, "hello", 5, 0));
	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	SAME("mmap(2): the rest of the last page is zero", map[5] | map[4095], 0);
	map[6] = 'x';
	NEED(msync(map, 4096, MS_SYNC));
	SAME("mmap(2): stores there do not make the file longer", px_stat("m").st_size, 5);
	map[6] = 0;
	pid = (pid_t)NEED(fork());
	if (pid == 0) {
		touch_beyond(map + 4096);
		_exit(0);
	}
	NEED(waitpid(pid, &status, 0));
	SAME("mmap(2) SIGBUS: a page that lies beyond the end of the file",
	     WIFSIGNALED(status) ? WTERMSIG(status) : 0, SIGBUS);
	NEED(ftruncate(fd, 8192));
	map[4096] = 'y';
	SAME("ftruncate(2): the mapping grows with the file",
	     (NEED(pread(fd, buf, 1, 4096)), buf[0]), 'y');
	priv = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	priv[0] = 'P';
	SAME("mmap(2) MAP_PRIVATE: stores are not in the file",
	     (NEED(pread(fd, buf, 1, 0)), buf[0]), 'h');
	SAME("mmap(2) MAP_PRIVATE: nor in another mapping", map[0], 'h');
	NEED(ftruncate(fd, 100));
	NEED(ftruncate(fd, 4096));
	SAME("ftruncate(2): cutting and growing leaves zeros in the mapping", map[100] | map[4095],
	     0);
	CALL("mmap(2) EINVAL: length 0", EINVAL,
	     mmap(NULL, 0, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	CALL("mmap(2) EINVAL: the offset is no multiple of the page size", EINVAL,
	     mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 100) == MAP_FAILED ? -1 : 0);
	NEED(unlink("m"));
	SAME("unlink(2): a mapping keeps the file", map[0], 'h');
	CALL("mprotect(2): to read only", 0, mprotect(map, 4096, PROT_READ));
}

static void data_direct(void)
{
	int fd = open("f", O_RDWR | O_CREAT | O_DIRECT, 0600), plain;
	char *buf = px_alloc(65536), *back = px_alloc(65536), *map;

	if (fd < 0 && errno == EINVAL)
		px_skip("no O_DIRECT on this file system");
	NEED(fd);
	plain = (int)NEED(open("f", O_RDWR));
	for (int i = 0; i < 65536; i++)
		buf[i] = (char)(i * 7 + (i >> 8));
	SAME("open(2) O_DIRECT: write", pwrite(fd, buf, 65536, 0), 65536);
	SAME("open(2) O_DIRECT: read back", pread(fd, back, 65536, 0), 65536);
	SAME("open(2) O_DIRECT: the same bytes", memcmp(buf, back, 65536), 0);
	SAME("read(2): a plain descriptor sees them", pread(plain, back, 65536, 0), 65536);
	SAME("read(2): the same bytes", memcmp(buf, back, 65536), 0);
	memset(back, 'p', 4096);
	SAME("write(2): through the plain descriptor", pwrite(plain, back, 4096, 8192), 4096);
	SAME("open(2) O_DIRECT: sees what was written plainly", pread(fd, buf, 4096, 8192), 4096);
	SAME("open(2) O_DIRECT: the same bytes", memcmp(buf, back, 4096), 0);
	map = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, plain, 0);
	map[16384] = 'm';
	SAME("open(2) O_DIRECT: sees what a mapping stored", pread(fd, buf, 4096, 16384), 4096);
	SAME("open(2) O_DIRECT: the byte", buf[0], 'm');
	memset(buf, 'd', 4096);
	SAME("open(2) O_DIRECT: write under a mapping", pwrite(fd, buf, 4096, 20480), 4096);
	SAME("mmap(2): sees what was written directly", map[20480], 'd');
	SAME("open(2) O_DIRECT: at the end of file", pread(fd, buf, 4096, 65536), 0);
	NEED(ftruncate(plain, 65536 + 100));
	SAME("open(2) O_DIRECT: a short read at the end of file", pread(fd, buf, 4096, 65536), 100);
}

static void data_copy_range(void)
{
	int in = (int)NEED(open("in", O_RDWR | O_CREAT, 0600));
	int out = (int)NEED(open("out", O_RDWR | O_CREAT, 0600));
	char *buf = px_alloc(300000), *back = px_alloc(300000);
	off64_t from = 1000, to = 500;
	size_t done = 0;
	ssize_t n;

	for (int i = 0; i < 300000; i++)
		buf[i] = (char)(i * 13 + (i >> 9));
	NEED(write(in, buf, 300000));
	while (done < 200000 && (n = copy_file_range(in, &from, out, &to, 200000 - done, 0)) > 0)
		done += (size_t)n;
	SAME("copy_file_range(2): all bytes asked for", done, 200000);
	SAME("copy_file_range(2): off_in is updated", from, 201000);
	SAME("copy_file_range(2): off_out is updated", to, 200500);
	SAME("copy_file_range(2): the file offset of fd_in is not changed", lseek(in, 0, SEEK_CUR),
	     300000);
	NEED(pread(out, back, 200000, 500));
	SAME("copy_file_range(2): the same bytes", memcmp(buf + 1000, back, 200000), 0);
	SAME("copy_file_range(2): the size of the destination", px_stat("out").st_size, 200500);
	from = 299990;
	SAME("copy_file_range(2): up to the end of the source",
	     copy_file_range(in, &from, out, &to, 100, 0), 10);
	SAME("copy_file_range(2): 0 at the end of the source",
	     copy_file_range(in, &from, out, &to, 100, 0), 0);
	SAME("copy_file_range(2): of no bytes", copy_file_range(in, NULL, out, NULL, 0, 0), 0);
	NEED(lseek(in, 5, SEEK_SET));
	NEED(lseek(out, 0, SEEK_SET));
	SAME("copy_file_range(2): at the file offsets", copy_file_range(in, NULL, out, NULL, 10, 0),
	     10);
	SAME("copy_file_range(2): which are adjusted",
	     lseek(in, 0, SEEK_CUR) * 100 + lseek(out, 0, SEEK_CUR), 1510);
	from = 0;
	to = 150000;
	SAME("copy_file_range(2): within one file", copy_file_range(in, &from, in, &to, 1000, 0),
	     1000);
	NEED(pread(in, back, 1000, 150000));
	SAME("copy_file_range(2): within one file, the bytes", memcmp(buf, back, 1000), 0);
	SAME("sendfile(2): from file to file", sendfile(out, in, &(off_t){ 0 }, 5000), 5000);
}

static void data_sync(void)
{
	int fd = (int)NEED(open("f", O_RDWR | O_CREAT, 0600));
	int dir = (int)NEED(open(".", O_RDONLY));
	int sync_fd = (int)NEED(open("f", O_RDWR | O_SYNC));
	int fifo;

	NEED(write(fd, "x", 1));
	CALL("fsync(2): a file", 0, fsync(fd));
	CALL("fdatasync(2): a file", 0, fdatasync(fd));
	CALL("fsync(2): a directory", 0, fsync(dir));
	CALL("fdatasync(2): a directory", 0, fdatasync(dir));
	CALL("syncfs(2): the file system", 0, syncfs(fd));
	CALL("fsync(2): a descriptor for reading", 0, fsync(open("f", O_RDONLY)));
	SAME("open(2) O_SYNC: a write", write(sync_fd, "y", 1), 1);
	CALL("sync_file_range(2): a range", 0,
	     sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
	NEED(mkfifo("p", 0600));
	fifo = (int)NEED(open("p", O_RDWR));
	CALL("fsync(2) EINVAL: fd is bound to a FIFO", EINVAL, fsync(fifo));
	CALL("posix_fadvise(2): accepted", 0, -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	CALL("readahead(2): accepted", 0, readahead(fd, 0, 4096));
}

static void data_fifo(void)
{
	char buf[8];
	int r, w;

	NEED(mkfifo("p", 0600));
	CALL("open(2) ENXIO: O_NONBLOCK, O_WRONLY and nobody reads", ENXIO,
	     open("p", O_WRONLY | O_NONBLOCK));
	r = (int)NEED(open("p", O_RDONLY | O_NONBLOCK));
	w = (int)NEED(open("p", O_WRONLY | O_NONBLOCK));
	SAME("write(2): into a FIFO", write(w, "hello", 5), 5);
	SAME("read(2): out of a FIFO", read(r, buf, 8), 5);
	CALL("read(2) EAGAIN: an empty FIFO", EAGAIN, read(r, buf, 8));
	NEED(close(w));
	SAME("read(2): 0 when nobody writes", read(r, buf, 8), 0);
	SAME("stat(2): a FIFO holds nothing", px_stat("p").st_size, 0);
	CALL("ftruncate(2) EINVAL: a FIFO", EINVAL, ftruncate(r, 0));
}

const struct px_topic px_topics_data[] = {
	{ "data_basic", data_basic },
	{ "data_truncate", data_truncate },
	{ "data_vectors", data_vectors },
	{ "data_append", data_append },
	{ "data_map_shared", data_map_shared },
	{ "data_map_edges", data_map_edges },
	{ "data_direct", data_direct },
	{ "data_copy_range", data_copy_range },
	{ "data_sync", data_sync },
	{ "data_fifo", data_fifo },
	{ NULL, NULL },
};
