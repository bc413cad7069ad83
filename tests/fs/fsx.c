/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fsx: random operations on one file, each checked against a model of it in memory.
 *
 * Theory of Operation: the model is an array of bytes and a size. An operation is drawn from a
 * generator that depends on the seed alone, done to the file in one of several ways (read and
 * write, O_DIRECT, a shared mapping, through another descriptor), and done to the model. What is
 * read must be what the model says; the size is compared after every operation, the whole file now
 * and then and at the end. Each operation is logged, and the last ones are printed with the seed
 * when something is wrong: the same seed does the same again. What a file system does not have is
 * left out from its first refusal on.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOG_OPS 24
#define ALIGN 4096UL

/* One operation: where, how much. */
struct span {
	size_t at, len;
};

static struct {
	const char *path;
	uint64_t seed, random;
	size_t most;	/* bytes of the file at most, a multiple of ALIGN */
	bool direct, mapped, sync_first;	/* sync_first: before looking for holes */
	unsigned char *model, *buf;
	size_t size;
	int fd, other,
		direct_fd; /* other: a second plain descriptor; direct_fd: -1 without O_DIRECT */
	unsigned long op;
	char log[LOG_OPS][96];
	unsigned int stamp;
} fsx;

static void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static _Noreturn void wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void note(const char *fmt, ...)
{
	char *line = fsx.log[fsx.op % LOG_OPS];
	va_list ap;
	int n;

	n = snprintf(line, sizeof(fsx.log[0]), "%lu: ", fsx.op);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(fsx.log[0]) - (size_t)n, fmt, ap);
	va_end(ap);
}

static void wrong(const char *fmt, ...)
{
	va_list ap;

	for (unsigned long i = fsx.op < LOG_OPS ? 0 : fsx.op - LOG_OPS + 1; i <= fsx.op; i++)
		printf("# %s\n", fsx.log[i % LOG_OPS]);
	printf("fsx: seed %llu, operation %lu: ", (unsigned long long)fsx.seed, fsx.op);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	exit(1);
}

static long must(long ret, const char *what)
{
	if (ret < 0)
		wrong("%s: %s", what, strerror(errno));
	return ret;
}

static uint64_t draw(uint64_t below)
{
	fsx.random ^= fsx.random << 13;
	fsx.random ^= fsx.random >> 7;
	fsx.random ^= fsx.random << 17;
	return fsx.random % below;
}

static struct span draw_span(size_t end)
{
	struct span s;

	s.at = draw(end);
	s.len = 1 + draw(draw(4) == 0 ? end - s.at : end - s.at < 20000 ? end - s.at : 20000);
	return s;
}

static struct span aligned(struct span s)
{
	s.len = (s.len + s.at % ALIGN + ALIGN - 1) / ALIGN * ALIGN;
	s.at = s.at / ALIGN * ALIGN;
	return s;
}

/* ---- the model ---- */

static void model_grow(size_t size)
{
	if (size > fsx.size)
		fsx.size = size;
}

static void model_resize(size_t size)
{
	if (size < fsx.size)
		memset(fsx.model + size, 0, fsx.size - size);
	fsx.size = size;
}

/* New bytes, different each time, into buf; and into the model. */
static void model_write(struct span s)
{
	fsx.stamp++;
	for (size_t i = 0; i < s.len; i++)
		fsx.buf[i] = (unsigned char)(fsx.stamp * 31 + (s.at + i) * 7 + ((s.at + i) >> 8));
	memcpy(fsx.model + s.at, fsx.buf, s.len);
	model_grow(s.at + s.len);
}

static void compare(const unsigned char *got, struct span s, const char *how)
{
	if (memcmp(got, fsx.model + s.at, s.len) == 0)
		return;
	for (size_t i = 0; i < s.len; i++)
		if (got[i] != fsx.model[s.at + i])
			wrong("%s: byte %zu is %#x, expected %#x (size %zu)", how, s.at + i, got[i],
			      fsx.model[s.at + i], fsx.size);
}

static void check_size(void)
{
	struct stat st;

	must(fstat(fsx.fd, &st), "fstat");
	if ((size_t)st.st_size != fsx.size)
		wrong("the size is %lld, expected %zu", (long long)st.st_size, fsx.size);
}

/* ---- operations ---- */

/* All of the span that is inside the file, with one call or what a short one leaves. */
static void read_by(int fd, struct span s, const char *how)
{
	size_t end = s.at + s.len < fsx.size ? s.at + s.len : fsx.size, done = 0;
	ssize_t n;

	while ((n = must(pread(fd, fsx.buf + done, s.len - done, (off_t)(s.at + done)), how)) > 0)
		done += (size_t)n;
	if (s.at + done != (end > s.at ? end : s.at))
		wrong("%s: %zu bytes from %zu, expected up to %zu", how, done, s.at, end);
	s.len = done;
	compare(fsx.buf, s, how);
}

static void write_by(int fd, struct span s, const char *how)
{
	model_write(s);
	if (must(pwrite(fd, fsx.buf, s.len, (off_t)s.at), how) != (ssize_t)s.len)
		wrong("%s: short", how);
}

static void op_read(void)
{
	struct span s = draw_span(fsx.most);

	note("read %zu +%zu", s.at, s.len);
	read_by(draw(2) ? fsx.fd : fsx.other, s, "read");
}

static void op_write(void)
{
	struct span s = draw_span(fsx.most);

	note("write %zu +%zu", s.at, s.len);
	write_by(draw(2) ? fsx.fd : fsx.other, s, "write");
}

static void op_direct_read(void)
{
	struct span s = aligned(draw_span(fsx.most));

	note("direct read %zu +%zu", s.at, s.len);
	if (fsx.direct_fd >= 0)
		read_by(fsx.direct_fd, s, "direct read");
}

static void op_direct_write(void)
{
	struct span s = aligned(draw_span(fsx.most));

	note("direct write %zu +%zu", s.at, s.len);
	if (fsx.direct_fd >= 0)
		write_by(fsx.direct_fd, s, "direct write");
}

static unsigned char *map(struct span s, struct span *ret_pages)
{
	struct span pages = aligned(s);
	void *p =
		mmap(NULL, pages.len, PROT_READ | PROT_WRITE, MAP_SHARED, fsx.fd, (off_t)pages.at);

	must(p == MAP_FAILED ? -1 : 0, "mmap");
	*ret_pages = pages;
	return p;
}

static void op_map_read(void)
{
	struct span s, pages;
	unsigned char *p;

	if (!fsx.mapped || !fsx.size)
		return;
	s = draw_span(fsx.size);
	note("map read %zu +%zu", s.at, s.len);
	p = map(s, &pages);
	compare(p + (s.at - pages.at), s, "map read");
	must(munmap(p, pages.len), "munmap");
}

static void op_map_write(void)
{
	struct span s, pages;
	unsigned char *p;

	if (!fsx.mapped || !fsx.size)
		return;
	s = draw_span(fsx.size);
	note("map write %zu +%zu", s.at, s.len);
	p = map(s, &pages);
	model_write(s);
	memcpy(p + (s.at - pages.at), fsx.buf, s.len);
	if (draw(3) == 0)
		must(msync(p, pages.len, MS_SYNC), "msync");
	must(munmap(p, pages.len), "munmap");
}

static void op_truncate(void)
{
	size_t size = draw(fsx.most + 1);

	note("truncate %zu, was %zu", size, fsx.size);
	must(draw(2) ? ftruncate(fsx.fd, (off_t)size) : truncate(fsx.path, (off_t)size),
	     "truncate");
	model_resize(size);
}

static bool space(int mode, struct span s, const char *what)
{
	if (fallocate(fsx.fd, mode, (off_t)s.at, (off_t)s.len) == 0)
		return true;
	if (errno != EOPNOTSUPP)
		wrong("%s: %s", what, strerror(errno));
	return false;
}

static void zero(struct span s, bool keep_size)
{
	memset(fsx.model + s.at, 0, s.len);
	if (!keep_size)
		model_grow(s.at + s.len);
}

static void op_punch(void)
{
	struct span s = draw_span(fsx.most);

	note("punch %zu +%zu", s.at, s.len);
	if (space(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, s, "punch"))
		zero(s, true);
}

static void op_zero_range(void)
{
	struct span s = draw_span(fsx.most);
	bool keep = draw(2);

	note("zero range %zu +%zu%s", s.at, s.len, keep ? " keep size" : "");
	if (space(FALLOC_FL_ZERO_RANGE | (keep ? FALLOC_FL_KEEP_SIZE : 0), s, "zero range"))
		zero(s, keep);
}

static void op_allocate(void)
{
	struct span s = draw_span(fsx.most);
	bool keep = draw(2);

	note("allocate %zu +%zu%s", s.at, s.len, keep ? " keep size" : "");
	if (space(keep ? FALLOC_FL_KEEP_SIZE : 0, s, "allocate") && !keep)
		model_grow(s.at + s.len);
}

/* From one place of the file to another that does not overlap. */
static void op_copy(void)
{
	struct span s;
	off64_t from, to;
	size_t done = 0;
	ssize_t n;

	if (fsx.size < 2)
		return;
	s = draw_span(fsx.size);
	s.len = s.len < fsx.most / 2 ? s.len : fsx.most / 2;
	from = (off64_t)s.at;
	to = (off64_t)draw(fsx.most - s.len);
	if ((size_t)to < s.at + s.len && s.at < (size_t)to + s.len)
		return;
	note("copy %zu +%zu to %zu", s.at, s.len, (size_t)to);
	memcpy(fsx.model + to, fsx.model + s.at, s.len);
	model_grow((size_t)to + s.len);
	while (done < s.len) {
		n = must(copy_file_range(fsx.fd, &from, fsx.other, &to, s.len - done, 0), "copy");
		if (n == 0)
			wrong("copy: ends after %zu of %zu", done, s.len);
		done += (size_t)n;
	}
}

static void op_append(void)
{
	size_t room = fsx.most - fsx.size;
	struct span s = { fsx.size, 1 + draw(5000) };
	int fd;

	if (s.len > room)
		return;
	note("append +%zu at %zu", s.len, s.at);
	model_write(s);
	fd = (int)must(open(fsx.path, O_WRONLY | O_APPEND), "open to append");
	if (must(write(fd, fsx.buf, s.len), "append") != (ssize_t)s.len)
		wrong("append: short");
	must(close(fd), "close");
}

/* What is a hole must read as zeros; data and holes must make up the file. */
static void op_seek(void)
{
	off_t data = 0, hole = 0;

	note("walk data and holes");
	if (fsx.sync_first)
		must(fsync(fsx.fd), "fsync");
	while ((size_t)hole < fsx.size) {
		data = lseek(fsx.other, hole, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			data = (off_t)fsx.size;
		must(data, "lseek");
		for (off_t i = hole; i < data; i++)
			if (fsx.model[i])
				wrong("a hole from %lld to %lld has data at %lld", (long long)hole,
				      (long long)data, (long long)i);
		if ((size_t)data >= fsx.size)
			return;
		hole = must(lseek(fsx.other, data, SEEK_HOLE), "lseek");
		if (hole <= data)
			wrong("no end of the data at %lld", (long long)data);
	}
}

static void op_sync(void)
{
	note("sync");
	must(draw(2) ? fsync(fsx.fd) : fdatasync(fsx.fd), "fsync");
}

static void open_all(int flags)
{
	fsx.fd = (int)must(open(fsx.path, O_RDWR | flags, 0644), "open");
	fsx.other = (int)must(open(fsx.path, O_RDWR), "open");
	fsx.direct_fd = fsx.direct ? open(fsx.path, O_RDWR | O_DIRECT) : -1;
}

static void close_all(void)
{
	must(close(fsx.fd), "close");
	must(close(fsx.other), "close");
	if (fsx.direct_fd >= 0)
		must(close(fsx.direct_fd), "close");
}

static void op_reopen(void)
{
	note("close and open");
	close_all();
	open_all(0);
}

static void check_all(void)
{
	read_by(fsx.fd, (struct span){ 0, fsx.most }, "reading it all");
}

/* ---- the run ---- */

static const struct {
	void (*run)(void);
	unsigned int weight;
} ops[] = {
	{ op_read, 12 },   { op_write, 12 },	{ op_direct_read, 6 }, { op_direct_write, 6 },
	{ op_map_read, 8 }, { op_map_write, 8 }, { op_truncate, 5 },    { op_punch, 4 },
	{ op_zero_range, 4 }, { op_allocate, 2 }, { op_copy, 4 },       { op_append, 3 },
	{ op_seek, 1 },	   { op_sync, 1 },	{ op_reopen, 2 },      { check_all, 1 },
};

static void step(void)
{
	unsigned int all = 0, pick, i;

	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		all += ops[i].weight;
	pick = (unsigned int)draw(all);
	for (i = 0; pick >= ops[i].weight; i++)
		pick -= ops[i].weight;
	note("nothing");
	ops[i].run();
	check_size();
}

static int usage(void)
{
	fprintf(stderr,
		"usage: fsx [-s SEED] [-n OPERATIONS] [-t SECONDS] [-l BYTES] [-d] [-m] [-w] FILE\n"
		"-d with O_DIRECT, -m with mappings, -w fsync before lseek; ends after OPERATIONS or SECONDS\n");
	return 2;
}

static bool parse(int argc, char **argv, unsigned long *count, time_t *seconds)
{
	int opt;

	while ((opt = getopt(argc, argv, "s:n:t:l:dmw")) != -1) {
		switch (opt) {
		case 's': fsx.seed = strtoull(optarg, NULL, 10); break;
		case 'n': *count = strtoul(optarg, NULL, 10); break;
		case 't': *seconds = (time_t)strtol(optarg, NULL, 10); break;
		case 'l': fsx.most = strtoul(optarg, NULL, 10) / ALIGN * ALIGN; break;
		case 'd': fsx.direct = true; break;
		case 'm': fsx.mapped = true; break;
		case 'w': fsx.sync_first = true; break;
		default: return false;
		}
	}
	return optind == argc - 1 && fsx.most != 0;
}

int main(int argc, char **argv)
{
	unsigned long count = ~0UL;
	time_t seconds = 5, end;

	fsx.most = 256 * 1024;
	fsx.seed = (uint64_t)time(NULL) * 1000 + (uint64_t)getpid() % 1000;
	if (!parse(argc, argv, &count, &seconds))
		return usage();
	fsx.path = argv[optind];
	fsx.random = fsx.seed * 0x9e3779b97f4a7c15ULL + 1;
	fsx.model = calloc(1, fsx.most + 2 * ALIGN);
	if (!fsx.model || posix_memalign((void **)&fsx.buf, ALIGN, fsx.most + 2 * ALIGN)) {
		perror("fsx");
		return 2;
	}
	open_all(O_CREAT | O_TRUNC);
	printf("fsx: seed %llu%s%s%s\n", (unsigned long long)fsx.seed,
	       fsx.mapped ? ", mappings" : "", fsx.direct ? ", O_DIRECT" : "",
	       fsx.direct && fsx.direct_fd < 0 ? " (which is not possible here)" : "");
	fflush(stdout);
	end = time(NULL) + seconds;
	for (fsx.op = 1; fsx.op <= count && time(NULL) <= end; fsx.op++)
		step();
	note("the end");
	check_all();
	op_reopen();
	check_all();
	close_all();
	unlink(fsx.path);
	printf("fsx: %lu operations\n", fsx.op - 1);
	return 0;
}
