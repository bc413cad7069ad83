/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening, creating and closing: flags, modes, unlinked files, many files at a time. */
#include <dirent.h>
#include <sys/resource.h>

#include "fsops.h"

#define MANY 1500

static void open_excl(void)
{
	int fd = fs_open("f", O_RDWR | O_CREAT | O_EXCL, 0600);

	OK(close(fd));
	ERR(open("f", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	OK(symlink("nowhere", "dangling"));
	ERR(open("dangling", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	fd = fs_open("dangling", O_RDWR | O_CREAT, 0600);
	OK(close(fd));
	EQ(S_ISREG(fs_lstat("nowhere").st_mode), 1);
}

static void open_trunc(void)
{
	int fd;

	fs_put("f", "something");
	fd = fs_open("f", O_WRONLY | O_TRUNC, 0);
	EQ(fs_stat("f").st_size, 0);
	EQ(write(fd, "new", 3), 3);
	OK(close(fd));
	fs_expect("f", "new");
	fd = fs_open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);
	EQ(fs_stat("f").st_size, 0);
	OK(close(fd));
	EQ(fs_mode("f"), 0644);
}

static void open_append(void)
{
	int a = fs_open("f", O_WRONLY | O_CREAT | O_APPEND, 0600);
	int b = fs_open("f", O_WRONLY | O_APPEND, 0);

	EQ(write(a, "one,", 4), 4);
	EQ(write(b, "two,", 4), 4);
	EQ(write(a, "three,", 6), 6);
	EQ(lseek(b, 0, SEEK_SET), 0);
	EQ(write(b, "four", 4), 4);
	fs_expect("f", "one,two,three,four");
	OK(close(a));
	OK(close(b));
}

static void open_directory(void)
{
	int fd;

	OK(mkdir("d", 0755));
	fs_put("f", "");
	fd = fs_open("d", O_RDONLY | O_DIRECTORY, 0);
	ERR(read(fd, &(char){ 0 }, 1), EISDIR);
	OK(close(fd));
	ERR(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	ERR(open("d", O_WRONLY), EISDIR);
	ERR(open("d", O_RDWR | O_CREAT, 0600), EISDIR);
	ERR(open("d/", O_RDWR | O_CREAT, 0600), EISDIR);
}

static void open_nofollow(void)
{
	struct stat st;
	int fd;

	fs_put("f", "x");
	OK(symlink("f", "l"));
	ERR(open("l", O_RDONLY | O_NOFOLLOW), ELOOP);
	fd = fs_open("l", O_PATH | O_NOFOLLOW, 0);
	OK(fstat(fd, &st));
	EQ(S_ISLNK(st.st_mode), 1);
	OK(close(fd));
	fd = fs_open("l", O_RDONLY, 0);
	OK(close(fd));
}

static void open_missing(void)
{
	fs_put("f", "x");
	ERR(open("none", O_RDONLY), ENOENT);
	ERR(open("", O_RDONLY), ENOENT);
	ERR(open("none/f", O_RDONLY), ENOENT);
	ERR(open("none/f", O_RDWR | O_CREAT, 0600), ENOENT);
	ERR(open("f/x", O_RDONLY), ENOTDIR);
	ERR(open("f/", O_RDONLY), ENOTDIR);
	ERR(open("new/", O_RDWR | O_CREAT, 0600), EISDIR);
}

static void open_access_mode(void)
{
	char c = 'x';
	int fd;

	fs_put("f", "abc");
	fd = fs_open("f", O_RDONLY, 0);
	ERR(write(fd, &c, 1), EBADF);
	ERR2(ftruncate(fd, 0), EINVAL, EBADF);
	OK(close(fd));
	fd = fs_open("f", O_WRONLY, 0);
	ERR(read(fd, &c, 1), EBADF);
	OK(close(fd));
	ERR(close(fd), EBADF);
}

/* A new file is open as asked even when its mode would forbid that to everybody. */
static void create_readonly_body(void)
{
	int fd = fs_open("sub/f", O_RDWR | O_CREAT, 0);
	char c;

	EQ(write(fd, "x", 1), 1);
	EQ(pread(fd, &c, 1, 0), 1);
	EQ(c, 'x');
	EQ(fs_mode("sub/f"), 0);
	ERR(open("sub/f", O_RDONLY), EACCES);
	OK(close(fd));
}

static void open_mode_zero(void)
{
	OK(mkdir("sub", 0777));
	OK(chmod("sub", 0777));
	fs_as(1000, 1000, NULL, 0, create_readonly_body);
}

static void open_umask(void)
{
	umask(027);
	OK(close(fs_open("f", O_RDWR | O_CREAT, 0777)));
	EQ(fs_mode("f"), 0750);
	OK(mkdir("d", 0777));
	EQ(fs_mode("d"), 0750);
	OK(mknod("p", S_IFIFO | 0666, 0));
	EQ(fs_mode("p"), 0640);
	umask(0);
	OK(close(fs_open("g", O_RDWR | O_CREAT, 0666)));
	EQ(fs_mode("g"), 0666);
	OK(mkdir("e", 01777));
	EQ(fs_mode("e"), 01777);
}

static void open_unlinked(void)
{
	int fd = fs_open("f", O_RDWR | O_CREAT, 0600);
	struct stat st;
	char buf[8];

	EQ(write(fd, "before", 6), 6);
	OK(unlink("f"));
	ERR(open("f", O_RDONLY), ENOENT);
	EQ(pread(fd, buf, 6, 0), 6);
	EQ(memcmp(buf, "before", 6), 0);
	EQ(pwrite(fd, "after!", 6, 0), 6);
	OK(fsync(fd));
	OK(fchmod(fd, 0640));
	OK(ftruncate(fd, 3));
	OK(fstat(fd, &st));
	EQ(st.st_size, 3);
	EQ(st.st_mode & 07777, 0640);
	EQ(pread(fd, buf, 8, 0), 3);
	EQ(memcmp(buf, "aft", 3), 0);
	OK(close(fd));
	ERR(stat("f", &st), ENOENT);
}

/* A new file under the name of one that is still open is another file. */
static void open_unlinked_again(void)
{
	int old = fs_open("f", O_RDWR | O_CREAT, 0600);
	int new;
	char c;

	EQ(write(old, "o", 1), 1);
	OK(unlink("f"));
	new = fs_open("f", O_RDWR | O_CREAT | O_EXCL, 0600);
	EQ(write(new, "n", 1), 1);
	EQ(pread(old, &c, 1, 0), 1);
	EQ(c, 'o');
	fs_expect("f", "n");
	OK(close(old));
	fs_expect("f", "n");
	OK(close(new));
}

/* Silly renames of a network file system must be gone with the last close. */
static void open_unlinked_leaves_nothing(void)
{
	int fd;

	OK(mkdir("d", 0755));
	fd = fs_open("d/f", O_RDWR | O_CREAT, 0600);
	OK(unlink("d/f"));
	OK(close(fd));
	for (int i = 0; i < 50 && rmdir("d") < 0; i++)
		usleep(100000);
	ERR(rmdir("d"), ENOENT);
}

static void open_removed_dir(void)
{
	int fd;

	OK(mkdir("d", 0755));
	fd = fs_open("d", O_RDONLY | O_DIRECTORY, 0);
	OK(rmdir("d"));
	ERR2(openat(fd, "f", O_RDWR | O_CREAT, 0600), ENOENT, ESTALE);
	ERR2(mkdirat(fd, "e", 0755), ENOENT, ESTALE);
	OK(close(fd));
}

static void open_many(void)
{
	struct rlimit lim = { MANY + 64, MANY + 64 };
	static int fds[MANY];
	char name[16];
	uint32_t v;

	OK(setrlimit(RLIMIT_NOFILE, &lim));
	for (uint32_t i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		fds[i] = fs_open(name, O_RDWR | O_CREAT, 0600);
		EQ(write(fds[i], &i, sizeof(i)), sizeof(i));
	}
	for (uint32_t i = 0; i < MANY; i++) {
		EQ(pread(fds[i], &v, sizeof(v), 0), sizeof(v));
		EQ(v, i);
		OK(close(fds[i]));
	}
}

static void open_tmpfile(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);

	if (fd < 0) {
		ERR2(fd, EOPNOTSUPP, EISDIR);
		return;
	}
	EQ(write(fd, "x", 1), 1);
	OK(close(fd));
}

static void open_sync(void)
{
	int fd = fs_open("f", O_WRONLY | O_CREAT | O_SYNC, 0600);

	EQ(write(fd, "sync ", 5), 5);
	OK(close(fd));
	fd = fs_open("f", O_WRONLY | O_APPEND | O_DSYNC, 0600);
	EQ(write(fd, "dsync", 5), 5);
	OK(close(fd));
	fs_expect("f", "sync dsync");
}

static void open_fifo(void)
{
	OK(mkfifo("p", 0600));
	ERR(open("p", O_WRONLY | O_NONBLOCK), ENXIO);
	OK(close(fs_open("p", O_RDONLY | O_NONBLOCK, 0)));
}

static void open_dup_shares_offset(void)
{
	int a = fs_open("f", O_RDWR | O_CREAT, 0600);
	int b = (int)OK(dup(a));

	EQ(write(a, "abc", 3), 3);
	EQ(write(b, "def", 3), 3);
	fs_expect("f", "abcdef");
	OK(close(a));
	EQ(write(b, "ghi", 3), 3);
	OK(close(b));
	fs_expect("f", "abcdefghi");
}

const struct fs_case fs_cases_open[] = {
	{ "open_excl", open_excl },
	{ "open_trunc", open_trunc },
	{ "open_append", open_append },
	{ "open_directory", open_directory },
	{ "open_nofollow", open_nofollow },
	{ "open_missing", open_missing },
	{ "open_access_mode", open_access_mode },
	{ "open_mode_zero", open_mode_zero },
	{ "open_umask", open_umask },
	{ "open_unlinked", open_unlinked },
	{ "open_unlinked_again", open_unlinked_again },
	{ "open_unlinked_leaves_nothing", open_unlinked_leaves_nothing },
	{ "open_removed_dir", open_removed_dir },
	{ "open_many", open_many },
	{ "open_tmpfile", open_tmpfile },
	{ "open_sync", open_sync },
	{ "open_fifo", open_fifo },
	{ "open_dup_shares_offset", open_dup_shares_offset },
	{ NULL, NULL },
};
