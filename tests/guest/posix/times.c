/* SPDX-License-Identifier: BSD-3-Clause */
/* Which operation marks which time for update, of the file and of its directories. */
#include <sys/mman.h>
#include <sys/xattr.h>

#include "posix.h"

/* Of each object of the table's stage. */
enum { A = 1, M = 2, C = 4, MC = M | C, ANY = 8 };

static int fd; /* of d/f, read and write */
static char page[4096];

static long t_read(void) { return read(fd, page, 3); }
static long t_pread(void) { return pread(fd, page, 3, 0); }
static long t_read_none(void) { return read(fd, page, 0); }
static long t_write(void) { return pwrite(fd, "x", 1, 0); }
static long t_write_none(void) { return pwrite(fd, "x", 0, 0); }
static long t_append(void) { return pwrite(fd, "x", 1, 100); }
static long t_truncate(void) { return truncate("d/f", 2); }
static long t_truncate_same(void) { return truncate("d/f", 5); }
static long t_ftruncate(void) { return ftruncate(fd, 2); }
static long t_ftruncate_same(void) { return ftruncate(fd, 5); }
static long t_trunc(void) { return close(open("d/f", O_WRONLY | O_TRUNC)); }
static long t_open(void) { return close(open("d/f", O_RDWR)); }
static long t_open_creat(void) { return close(open("d/f", O_RDWR | O_CREAT, 0600)); }
static long t_create(void) { return close(open("d/new", O_RDWR | O_CREAT, 0600)); }
static long t_chmod(void) { return chmod("d/f", 0600); }
static long t_fchmod(void) { return fchmod(fd, 0601); }
static long t_chown(void) { return chown("d/f", 5, 5); }
static long t_link(void) { return link("d/f", "e/l"); }
static long t_unlink(void) { return unlink("d/f"); }
static long t_unlink_second(void) { return unlink("d/second"); }
static long t_rename(void) { return rename("d/f", "d/g"); }
static long t_rename_away(void) { return rename("d/f", "e/f"); }
static long t_rename_over(void) { return rename("d/other", "d/f"); }
static long t_mkdir(void) { return mkdir("d/sub", 0755); }
static long t_rmdir(void) { return rmdir("d/empty"); }
static long t_symlink(void) { return symlink("x", "d/sym"); }
static long t_mkfifo(void) { return mkfifo("d/fifo", 0600); }
static long t_mknod(void) { return mknod("d/node", S_IFREG | 0600, 0); }
static long t_setxattr(void) { return setxattr("d/f", "trusted.px", "v", 1, 0); }
static long t_getxattr(void) { return getxattr("d/f", "trusted.old", page, 10); }
static long t_removexattr(void) { return removexattr("d/f", "trusted.old"); }
static long t_fallocate(void) { return fallocate(fd, 0, 0, 8192); }
static long t_punch(void)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2);
}
static long t_stat(void) { return access("d/f", F_OK) + (long)px_stat("d/f").st_size; }
static long t_fsync(void) { return fsync(fd); }
static long t_lseek(void) { return lseek(fd, 3, SEEK_SET); }
static long t_noatime(void) { return read(open("d/f", O_RDONLY | O_NOATIME), page, 3); }
static long t_utimens_now(void) { return utimensat(AT_FDCWD, "d/f", NULL, 0); }
static long t_readlink(void) { return readlink("d/sym0", page, sizeof(page)); }
static long t_failed_mkdir(void) { return mkdir("d/f", 0755) == -1 ? 0 : -1; }
static long t_failed_unlink(void) { return unlink("d/none") == -1 ? 0 : -1; }
static long t_failed_rmdir(void) { return rmdir("d") == -1 ? 0 : -1; }
static long t_failed_link(void) { return link("d/f", "d/other") == -1 ? 0 : -1; }
static long t_failed_trunc(void) { return truncate("d/f", -1) == -1 ? 0 : -1; }

static long t_utimens_omit(void)
{
	struct timespec omit[2] = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } };

	return utimensat(AT_FDCWD, "d/f", omit, 0);
}

static long t_utimens_atime(void)
{
	struct timespec ts[2] = { { 0, UTIME_NOW }, { 0, UTIME_OMIT } };

	return utimensat(AT_FDCWD, "d/f", ts, 0);
}

static long t_utimens_mtime(void)
{
	struct timespec ts[2] = { { 0, UTIME_OMIT }, { 0, UTIME_NOW } };

	return utimensat(AT_FDCWD, "d/f", ts, 0);
}

static long t_copy_out(void)
{
	int out = open("e/out", O_WRONLY | O_CREAT, 0600);
	ssize_t n = copy_file_range(fd, &(off64_t){ 0 }, out, NULL, 3, 0);

	close(out);
	return n;
}

static long t_copy_in(void)
{
	int in = open("d/other", O_RDONLY);
	ssize_t n = copy_file_range(in, NULL, fd, &(off64_t){ 0 }, 3, 0);

	close(in);
	return n;
}

static long t_map_write(void)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	p[0] = 'm';
	msync(p, 4096, MS_SYNC);
	return munmap(p, 4096);
}

static const struct row {
	const char *name;
	long (*act)(void);
	unsigned int file, dir, other_dir; /* what must change; everything else must not */
} rows[] = {
	{ "read(2)", t_read, A, 0, 0 },
	{ "pread(2)", t_pread, A, 0, 0 },
	{ "read(2) of no bytes", t_read_none, ANY, 0, 0 },
	{ "write(2)", t_write, MC, 0, 0 },
	{ "write(2) of no bytes", t_write_none, 0, 0, 0 },
	{ "write(2) beyond the end", t_append, MC, 0, 0 },
	{ "truncate(2)", t_truncate, MC, 0, 0 },
	{ "truncate(2) to the size it has", t_truncate_same, MC, 0, 0 },
	{ "ftruncate(2)", t_ftruncate, MC, 0, 0 },
	{ "ftruncate(2) to the size it has", t_ftruncate_same, MC, 0, 0 },
	{ "open(2) O_TRUNC", t_trunc, MC, 0, 0 },
	{ "open(2)", t_open, 0, 0, 0 },
	{ "open(2) O_CREAT of a file that exists", t_open_creat, 0, 0, 0 },
	{ "open(2) O_CREAT", t_create, 0, MC, 0 },
	{ "chmod(2)", t_chmod, C, 0, 0 },
	{ "fchmod(2)", t_fchmod, C, 0, 0 },
	{ "chown(2)", t_chown, C, 0, 0 },
	{ "link(2)", t_link, C, 0, MC },
	{ "unlink(2)", t_unlink, C, MC, 0 },
	{ "unlink(2) of another name", t_unlink_second, C, MC, 0 },
	{ "rename(2)", t_rename, ANY, MC, 0 },
	{ "rename(2) elsewhere", t_rename_away, ANY, MC, MC },
	{ "rename(2) over the file", t_rename_over, C, MC, 0 },
	{ "mkdir(2)", t_mkdir, 0, MC, 0 },
	{ "rmdir(2)", t_rmdir, 0, MC, 0 },
	{ "symlink(2)", t_symlink, 0, MC, 0 },
	{ "mkfifo(3)", t_mkfifo, 0, MC, 0 },
	{ "mknod(2)", t_mknod, 0, MC, 0 },
	{ "setxattr(2)", t_setxattr, C, 0, 0 },
	{ "getxattr(2)", t_getxattr, 0, 0, 0 },
	{ "removexattr(2)", t_removexattr, C, 0, 0 },
	{ "fallocate(2)", t_fallocate, MC, 0, 0 },
	{ "fallocate(2) PUNCH_HOLE", t_punch, MC, 0, 0 },
	{ "stat(2)", t_stat, 0, 0, 0 },
	{ "fsync(2)", t_fsync, 0, 0, 0 },
	{ "lseek(2)", t_lseek, 0, 0, 0 },
	{ "read(2) through O_NOATIME", t_noatime, 0, 0, 0 },
	{ "utimensat(2) with no times", t_utimens_now, A | MC, 0, 0 },
	{ "utimensat(2) UTIME_OMIT twice", t_utimens_omit, 0, 0, 0 },
	{ "utimensat(2) atime UTIME_NOW", t_utimens_atime, A | C, 0, 0 },
	{ "utimensat(2) mtime UTIME_NOW", t_utimens_mtime, MC, 0, 0 },
	{ "readlink(2)", t_readlink, 0, 0, 0 },
	{ "mkdir(2) that fails", t_failed_mkdir, 0, 0, 0 },
	{ "unlink(2) that fails", t_failed_unlink, 0, 0, 0 },
	{ "rmdir(2) that fails", t_failed_rmdir, 0, 0, 0 },
	{ "link(2) that fails", t_failed_link, 0, 0, 0 },
	{ "truncate(2) that fails", t_failed_trunc, 0, 0, 0 },
	{ "copy_file_range(2), the source", t_copy_out, A, 0, MC },
	{ "copy_file_range(2), the destination", t_copy_in, MC, 0, 0 },
	{ "a store to a shared mapping, with msync(2)", t_map_write, ANY, 0, 0 },
};

static void set_old(const char *name)
{
	struct timespec ts[2] = { { 1000, 0 }, { 1000, 0 } };

	NEED(utimensat(AT_FDCWD, name, ts, AT_SYMLINK_NOFOLLOW));
}

static void stage(void)
{
	px_dir("d", 0755, 0, 0);
	px_dir("e", 0755, 0, 0);
	px_dir("d/empty", 0755, 0, 0);
	px_put("d/f", "12345");
	NEED(link("d/f", "d/second"));
	px_put("d/other", "other");
	NEED(symlink("x", "d/sym0"));
	NEED(setxattr("d/f", "trusted.old", "v", 1, 0));
	fd = (int)NEED(open("d/f", O_RDWR));
	set_old("d/f");
	set_old("d");
	set_old("e");
	/* Longer than a tick of any kernel's file time. */
	px_msleep(25);
}

static bool moved(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec || a.tv_nsec != b.tv_nsec;
}

static void check_times(const char *name, const char *whose, const struct stat *a,
			const struct stat *b, unsigned int want)
{
	if (want & ANY)
		return;
	if (want & A || !S_ISDIR(a->st_mode))
		SAME(px_law("%s: %s last access %s", name, whose, want & A ? "is marked" : "stays"),
		     moved(a->st_atim, b->st_atim), !!(want & A));
	SAME(px_law("%s: %s last data modification %s", name, whose,
		    want & M ? "is marked" : "stays"),
	     moved(a->st_mtim, b->st_mtim), !!(want & M));
	SAME(px_law("%s: %s last status change %s", name, whose, want & C ? "is marked" : "stays"),
	     moved(a->st_ctim, b->st_ctim), !!(want & C));
}

static void times_marks(void)
{
	struct stat file, dir, other, now;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		stage();
		NEED(fstat(fd, &file));
		dir = px_stat("d");
		other = px_stat("e");
		CALL(px_law("%s: works", rows[i].name), 0, rows[i].act() < 0 ? -1 : 0);
		NEED(fstat(fd, &now));
		check_times(rows[i].name, "the file's", &file, &now, rows[i].file);
		now = px_stat("d");
		check_times(rows[i].name, "the directory's", &dir, &now, rows[i].dir);
		now = px_stat("e");
		check_times(rows[i].name, "the other directory's", &other, &now, rows[i].other_dir);
		close(fd);
		px_remove("d");
		px_remove("e");
	}
}

static void times_exact(void)
{
	static const struct timespec values[] = {
		{ 0, 0 }, { 1, 1 }, { 1234567890, 987654321 }, { 0x7fffffff, 999999999 },
		{ 0x80000000LL, 1 }, { 5000000000, 7 }, { -1, 0 }, { -86400, 5 },
	};
	static const char *const kinds[] = { "file", "dir", "link", "fifo" };

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		px_make(kinds[k], "f");
		for (size_t i = 0; i < ARRAY_LEN(values); i++) {
			struct timespec ts[2] = { values[i], values[(i + 1) % ARRAY_LEN(values)] };
			struct stat st;

			CALL(px_law("utimensat(2): a %s, value %zu", kinds[k], i), 0,
			     utimensat(AT_FDCWD, "f", ts, AT_SYMLINK_NOFOLLOW));
			st = px_stat("f");
			SAME(px_law("utimensat(2): the last access as given (%s, %zu)", kinds[k],
				    i),
			     moved(st.st_atim, ts[0]), 0);
			SAME(px_law("utimensat(2): the last modification as given (%s, %zu)",
				    kinds[k], i),
			     moved(st.st_mtim, ts[1]), 0);
		}
		px_remove("f");
	}
}

static void times_permission(void)
{
	struct timespec old[2] = { { 5, 0 }, { 5, 0 } },
			now[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
	struct timespec omit[2] = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } };
	struct timespec half[2] = { { 0, UTIME_NOW }, { 0, UTIME_OMIT } };

	px_put_mode("mine", "x", 0444, 1000, 1000);
	px_put_mode("open", "x", 0666, 1001, 1001);
	px_put_mode("shut", "x", 0644, 1001, 1001);
	px_become(1000, 1000, NULL, 0);
	CALL("utimensat(2): the owner may set any time", 0, utimensat(AT_FDCWD, "mine", old, 0));
	CALL("utimensat(2): the owner may set now, without write permission", 0,
	     utimensat(AT_FDCWD, "mine", NULL, 0));
	CALL("utimensat(2): with write permission to now (NULL)", 0,
	     utimensat(AT_FDCWD, "open", NULL, 0));
	CALL("utimensat(2): with write permission to now (UTIME_NOW)", 0,
	     utimensat(AT_FDCWD, "open", now, 0));
	CALL("utimensat(2) EPERM: with write permission to another time", EPERM,
	     utimensat(AT_FDCWD, "open", old, 0));
	CALL("utimensat(2) EPERM: UTIME_NOW and UTIME_OMIT need the owner", EPERM,
	     utimensat(AT_FDCWD, "open", half, 0));
	CALL("utimensat(2) EACCES: without write permission to now", EACCES,
	     utimensat(AT_FDCWD, "shut", NULL, 0));
	CALL("utimensat(2) EPERM: without write permission to another time", EPERM,
	     utimensat(AT_FDCWD, "shut", old, 0));
	CALL("utimensat(2): UTIME_OMIT twice checks nothing", 0,
	     utimensat(AT_FDCWD, "shut", omit, 0));
	px_root();
}

static void times_of_links(void)
{
	px_put("f", "x");
	NEED(symlink("f", "l"));
	set_old("f");
	set_old("l");
	SAME("utimensat(2) AT_SYMLINK_NOFOLLOW: the link's own", px_stat("l").st_mtim.tv_sec, 1000);
	NEED(utimensat(AT_FDCWD, "l", (struct timespec[]){ { 7, 0 }, { 7, 0 } }, 0));
	SAME("utimensat(2): a link is followed", px_stat("f").st_mtim.tv_sec, 7);
	SAME("utimensat(2): the link keeps its own", px_stat("l").st_mtim.tv_sec, 1000);
	NEED(utimensat(AT_FDCWD, "l", (struct timespec[]){ { 9, 0 }, { 9, 0 } },
		       AT_SYMLINK_NOFOLLOW));
	SAME("utimensat(2) AT_SYMLINK_NOFOLLOW: the target keeps its own",
	     px_stat("f").st_mtim.tv_sec, 7);
}

/* A new file and its directory are marked with about the same time, from one clock. */
static void times_new(void)
{
	struct stat st, dir;

	px_msleep(25);
	px_put("f", "x");
	st = px_stat("f");
	dir = px_stat(".");
	HOLDS("open(2) O_CREAT: the file's times are not before its directory's",
	      st.st_mtim.tv_sec > dir.st_mtim.tv_sec ||
		      (st.st_mtim.tv_sec == dir.st_mtim.tv_sec &&
		       st.st_mtim.tv_nsec >= dir.st_mtim.tv_nsec));
	px_msleep(25);
	px_put("g", "x");
	HOLDS("open(2) O_CREAT: a later file is later",
	      px_stat("g").st_mtim.tv_sec > st.st_mtim.tv_sec ||
		      px_stat("g").st_mtim.tv_nsec > st.st_mtim.tv_nsec);
}

const struct px_topic px_topics_times[] = {
	{ "times_marks", times_marks },
	{ "times_exact", times_exact },
	{ "times_permission", times_permission },
	{ "times_of_links", times_of_links },
	{ "times_new", times_new },
	{ NULL, NULL },
};
