/* SPDX-License-Identifier: BSD-3-Clause */
/* open(2): each flag on each kind of file, and what the flags do afterwards. */
#include <dirent.h>
#include <sys/mman.h>
#include <sys/xattr.h>

#include "posix.h"

static const char *const kinds[] = {
	"none", "file", "dir", "to-file", "to-dir", "dangling", "fifo"
};
#define KINDS ARRAY_LEN(kinds)

static void stage(void)
{
	px_put("file", "0123456789");
	NEED(mkdir("dir", 0755));
	NEED(symlink("file", "to-file"));
	NEED(symlink("dir", "to-dir"));
	NEED(symlink("target", "dangling"));
	NEED(mkfifo("fifo", 0644));
}

static void clear(void)
{
	for (size_t i = 0; i < KINDS; i++)
		px_remove(kinds[i]);
	px_remove("target");
}

static void open_matrix(void)
{
	static const struct {
		const char *name;
		int flags, want[KINDS];
	} rows[] = {
		/*			none	file	dir	to-file	to-dir	dangling fifo */
		{ "O_RDONLY", O_RDONLY, { ENOENT, 0, 0, 0, 0, ENOENT, 0 } },
		{ "O_WRONLY", O_WRONLY, { ENOENT, 0, EISDIR, 0, EISDIR, ENOENT, ENXIO } },
		{ "O_RDWR", O_RDWR, { ENOENT, 0, EISDIR, 0, EISDIR, ENOENT, 0 } },
		{ "O_RDONLY O_APPEND", O_RDONLY | O_APPEND, { ENOENT, 0, 0, 0, 0, ENOENT, 0 } },
		{ "O_RDWR O_TRUNC", O_RDWR | O_TRUNC, { ENOENT, 0, EISDIR, 0, EISDIR, ENOENT, 0 } },
		{ "O_RDONLY O_CREAT", O_RDONLY | O_CREAT, { 0, 0, EISDIR, 0, EISDIR, 0, 0 } },
		{ "O_RDWR O_CREAT", O_RDWR | O_CREAT, { 0, 0, EISDIR, 0, EISDIR, 0, 0 } },
		{ "O_RDWR O_CREAT O_EXCL", O_RDWR | O_CREAT | O_EXCL,
		  { 0, EEXIST, EEXIST, EEXIST, EEXIST, EEXIST, EEXIST } },
		{ "O_RDWR O_CREAT O_TRUNC", O_RDWR | O_CREAT | O_TRUNC,
		  { 0, 0, EISDIR, 0, EISDIR, 0, 0 } },
		{ "O_DIRECTORY", O_RDONLY | O_DIRECTORY,
		  { ENOENT, ENOTDIR, 0, ENOTDIR, 0, ENOENT, ENOTDIR } },
		{ "O_DIRECTORY O_WRONLY", O_WRONLY | O_DIRECTORY,
		  { ENOENT, ENOTDIR, EISDIR, ENOTDIR, EISDIR, ENOENT, ENOTDIR } },
		{ "O_NOFOLLOW", O_RDONLY | O_NOFOLLOW, { ENOENT, 0, 0, ELOOP, ELOOP, ELOOP, 0 } },
		{ "O_NOFOLLOW O_DIRECTORY", O_RDONLY | O_NOFOLLOW | O_DIRECTORY,
		  { ENOENT, ENOTDIR, 0, ENOTDIR, ENOTDIR, ENOTDIR, ENOTDIR } },
		{ "O_NOFOLLOW O_CREAT", O_RDWR | O_NOFOLLOW | O_CREAT,
		  { 0, 0, EISDIR, ELOOP, ELOOP, ELOOP, 0 } },
		{ "O_PATH", O_PATH, { ENOENT, 0, 0, 0, 0, ENOENT, 0 } },
		{ "O_PATH O_NOFOLLOW", O_PATH | O_NOFOLLOW, { ENOENT, 0, 0, 0, 0, 0, 0 } },
		{ "O_PATH O_DIRECTORY", O_PATH | O_DIRECTORY,
		  { ENOENT, ENOTDIR, 0, ENOTDIR, 0, ENOENT, ENOTDIR } },
		{ "O_SYNC O_RDWR", O_RDWR | O_SYNC, { ENOENT, 0, EISDIR, 0, EISDIR, ENOENT, 0 } },
		{ "O_DSYNC O_RDWR", O_RDWR | O_DSYNC, { ENOENT, 0, EISDIR, 0, EISDIR, ENOENT, 0 } },
		{ "O_NOATIME", O_RDONLY | O_NOATIME, { ENOENT, 0, 0, 0, 0, ENOENT, 0 } },
		{ "O_CLOEXEC", O_RDONLY | O_CLOEXEC, { ENOENT, 0, 0, 0, 0, ENOENT, 0 } },
		{ "O_NOCTTY", O_RDONLY | O_NOCTTY, { ENOENT, 0, 0, 0, 0, ENOENT, 0 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t k = 0; k < KINDS; k++) {
			stage();
			CALL(px_law("open(2) %s: on %s", rows[i].name, kinds[k]), rows[i].want[k],
			     open(kinds[k], rows[i].flags | O_NONBLOCK, 0600));
			if (!strcmp(kinds[k], "file") || !strcmp(kinds[k], "to-file"))
				SAME(px_law("open(2) %s: O_TRUNC alone empties the file (%s)",
					    rows[i].name, kinds[k]),
				     px_stat("file").st_size,
				     rows[i].want[k] == 0 && rows[i].flags & O_TRUNC ? 0 : 10);
			clear();
		}
	}
}

static void open_flags_kept(void)
{
	static const struct {
		const char *name;
		int flag;
	} rows[] = {
		{ "O_RDONLY", O_RDONLY }, { "O_WRONLY", O_WRONLY }, { "O_RDWR", O_RDWR },
		{ "O_APPEND", O_RDWR | O_APPEND }, { "O_NONBLOCK", O_RDWR | O_NONBLOCK },
		{ "O_SYNC", O_RDWR | O_SYNC }, { "O_DSYNC", O_RDWR | O_DSYNC },
		{ "O_NOATIME", O_RDWR | O_NOATIME },
	};
	int fd;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fd = (int)NEED(open("f", O_CREAT | O_TRUNC | rows[i].flag, 0600));
		SAME(px_law("fcntl(2) F_GETFL: %s is kept, creation flags are not", rows[i].name),
		     fcntl(fd, F_GETFL) & ~O_LARGEFILE & ~0100000, rows[i].flag);
		CALL(px_law("close(2): a descriptor with %s", rows[i].name), 0, close(fd));
	}
	fd = (int)NEED(open("f", O_RDWR));
	CALL("fcntl(2) F_SETFL: O_APPEND can be set", 0, fcntl(fd, F_SETFL, O_APPEND));
	NEED(ftruncate(fd, 5));
	NEED(lseek(fd, 0, SEEK_SET));
	NEED(write(fd, "x", 1));
	SAME("fcntl(2) F_SETFL O_APPEND: the next write goes to the end", px_stat("f").st_size, 6);
	CALL("fcntl(2) F_SETFL: O_APPEND can be cleared", 0, fcntl(fd, F_SETFL, 0));
	NEED(lseek(fd, 0, SEEK_SET));
	NEED(write(fd, "y", 1));
	SAME("fcntl(2) F_SETFL: without it at the offset", px_stat("f").st_size, 6);
}

static void open_noatime_permission(void)
{
	px_put_mode("mine", "x", 0644, 1000, 1000);
	px_put_mode("other", "x", 0644, 1001, 1001);
	px_become(1000, 1000, NULL, 0);
	CALL("open(2) O_NOATIME: the caller owns the file", 0, open("mine", O_RDONLY | O_NOATIME));
	CALL("open(2) EPERM: O_NOATIME on a file of somebody else", EPERM,
	     open("other", O_RDONLY | O_NOATIME));
	CALL("fcntl(2) EPERM: F_SETFL O_NOATIME on a file of somebody else", EPERM,
	     fcntl(open("other", O_RDONLY), F_SETFL, O_NOATIME));
}

/* open() with a mode that forbids what it opens for. */
static void open_create_mode(void)
{
	static const mode_t modes[] = { 0, 0100, 0200, 0400, 0444, 0666, 0777 };
	int fd;

	NEED(chmod(".", 0777));
	px_become(1000, 1000, NULL, 0);
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		px_remove("f");
		fd = (int)NEED(open("f", O_RDWR | O_CREAT | O_EXCL, modes[i]));
		SAME(px_law("open(2): the mode applies to future accesses of a file made %o",
			    modes[i]),
		     write(fd, "abc", 3), 3);
		SAME(px_law("open(2): and the descriptor reads a file made %o", modes[i]),
		     pread(fd, (char[4]){ 0 }, 4, 0), 3);
		SAME(px_law("open(2): the file has mode %o", modes[i]),
		     px_stat("f").st_mode & 07777, modes[i]);
		CALL(px_law("open(2) EACCES: opened again with mode %o", modes[i]),
		     (modes[i] & 0600) == 0600 ? 0 : EACCES, open("f", O_RDWR));
		CALL(px_law("fchmod(2): through the descriptor of a file made %o", modes[i]), 0,
		     fchmod(fd, 0600));
		NEED(close(fd));
	}
}

static void open_unlinked(void)
{
	char buf[16] = "";
	struct stat st;
	char *map;
	int fd;

	px_put("f", "hello");
	fd = (int)NEED(open("f", O_RDWR));
	CALL("unlink(2): a file that is open", 0, unlink("f"));
	CALL("unlink(2): the name is gone", ENOENT, open("f", O_RDONLY));
	SAME("unlink(2): the file lives until the last descriptor is closed: read",
	     pread(fd, buf, 16, 0), 5);
	SAME("unlink(2): the same bytes", memcmp(buf, "hello", 5), 0);
	SAME("unlink(2): write", pwrite(fd, "HELLO!", 6, 0), 6);
	CALL("unlink(2): fstat", 0, fstat(fd, &st));
	SAME("unlink(2): st_nlink is 0", st.st_nlink, 0);
	SAME("unlink(2): the size grows", st.st_size, 6);
	CALL("unlink(2): ftruncate", 0, ftruncate(fd, 100));
	CALL("unlink(2): fchmod", 0, fchmod(fd, 0600));
	CALL("unlink(2): fchown", 0, fchown(fd, 1, 1));
	CALL("unlink(2): futimens", 0, futimens(fd, NULL));
	CALL("unlink(2): fsync", 0, fsync(fd));
	CALL("unlink(2): fsetxattr", 0, fsetxattr(fd, "trusted.px", "v", 1, 0));
	CALL("unlink(2): fallocate", 0, fallocate(fd, 0, 0, 8192));
	NEED(fstat(fd, &st));
	SAME("unlink(2): mode and owner changed", st.st_mode == (S_IFREG | 0600) && st.st_uid == 1,
	     1);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	HOLDS("mmap(2): of a file without a name", map != MAP_FAILED);
	SAME("mmap(2): shows its bytes", map != MAP_FAILED ? memcmp(map, "HELLO!", 6) : -1, 0);
	px_put("f", "another");
	HOLDS("open(2): a new file of that name is another one",
	      px_ino("f") != (long long)st.st_ino);
	SAME("open(2): the old one keeps its bytes", pread(fd, buf, 1, 0) == 1 && buf[0] == 'H', 1);
	CALL("link(2) ENOENT: a file whose last name is gone", ENOENT,
	     linkat(fd, "", AT_FDCWD, "again", AT_EMPTY_PATH));
	CALL("close(2): of a file without a name", 0, close(fd));
}

/* But . and .. */
static int count_entries(int fd)
{
	DIR *dir = fdopendir(dup(fd));
	struct dirent *de;
	int n = 0;

	while (dir != NULL && (de = readdir(dir)) != NULL)
		n += strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0;
	if (dir != NULL)
		closedir(dir);
	return n;
}

static void open_removed_directory(void)
{
	struct stat st;
	char buf[4096];
	int fd;

	NEED(mkdir("d", 0755));
	fd = (int)NEED(open("d", O_RDONLY | O_DIRECTORY));
	CALL("rmdir(2): a directory that is open", 0, rmdir("d"));
	CALL("rmdir(2): fstat of it", 0, fstat(fd, &st));
	SAME("rmdir(2): st_nlink is 0", st.st_nlink, 0);
	CALL("openat(2) ENOENT: no new names in a removed directory", ENOENT,
	     openat(fd, "x", O_CREAT | O_RDWR, 0600));
	CALL("openat(2) ENOENT: nothing is in it", ENOENT, openat(fd, "x", O_RDONLY));
	SAME("readdir(3): a removed directory has no entries", count_entries(fd), 0);
	CALL("fchdir(2): into it", 0, fchdir(fd));
	CALL("mkdir(2) ENOENT: below a removed current directory", ENOENT, mkdir("x", 0755));
	HOLDS("getcwd(3) ENOENT: the current directory is removed",
	      getcwd(buf, sizeof(buf)) == NULL && errno == ENOENT);
	CALL("chdir(2): . of a removed directory still is one", 0, chdir("."));
	CALL("close(2): of a removed directory", 0, close(fd));
}

static void open_renamed(void)
{
	char buf[8];
	int fd, dir;

	NEED(mkdir("d", 0755));
	NEED(mkdir("e", 0755));
	px_put("d/f", "12345");
	fd = (int)NEED(open("d/f", O_RDWR));
	dir = (int)NEED(open("d", O_RDONLY | O_DIRECTORY));
	NEED(rename("d/f", "e/g"));
	SAME("rename(2): open descriptors are not affected: read", pread(fd, buf, 8, 0), 5);
	SAME("rename(2): open descriptors are not affected: write", pwrite(fd, "X", 1, 4), 1);
	HOLDS("rename(2): the write is seen under the new name", px_holds("e/g", "1234X"));
	CALL("rename(2): an open directory", 0, rename("d", "e/h"));
	CALL("openat(2): the descriptor follows the directory", 0,
	     close((int)NEED(openat(dir, "new", O_CREAT | O_RDWR, 0600))));
	HOLDS("openat(2): the file is below the new name", px_ino("e/h/new") != 0);
	px_put("r", "new text");
	CALL("rename(2): over a file that is open", 0, rename("r", "e/g"));
	SAME("rename(2): the replaced file lives on in its descriptor", pread(fd, buf, 8, 0), 5);
	HOLDS("rename(2): the name is the new file", px_holds("e/g", "new text"));
}

static void open_descriptors(void)
{
	char buf[8];
	int a, b, c;

	px_put("f", "0123456789");
	a = (int)NEED(open("f", O_RDWR));
	b = (int)NEED(dup(a));
	c = (int)NEED(open("f", O_RDWR));
	NEED(lseek(a, 4, SEEK_SET));
	SAME("dup(2): the two share the file offset", lseek(b, 0, SEEK_CUR), 4);
	SAME("open(2): a new description has its own offset", lseek(c, 0, SEEK_CUR), 0);
	SAME("pread(2): the offset is not changed",
	     (NEED(pread(a, buf, 2, 8)), lseek(a, 0, SEEK_CUR)), 4);
	SAME("pwrite(2): the offset is not changed",
	     (NEED(pwrite(a, "x", 1, 0)), lseek(a, 0, SEEK_CUR)), 4);
	SAME("read(2): the offset is advanced", (NEED(read(a, buf, 3)), lseek(b, 0, SEEK_CUR)), 7);
	SAME("write(2): what one descriptor wrote the other reads",
	     (NEED(write(b, "W", 1)), NEED(pread(c, buf, 1, 7)), buf[0]), 'W');
	CALL("close(2): one of two", 0, close(a));
	SAME("close(2): the other one works on", read(b, buf, 8), 2);
	CALL("close(2) EBADF: not a descriptor any more", EBADF, close(a));
}

const struct px_topic px_topics_open[] = {
	{ "open_matrix", open_matrix },
	{ "open_flags_kept", open_flags_kept },
	{ "open_noatime_permission", open_noatime_permission },
	{ "open_create_mode", open_create_mode },
	{ "open_unlinked", open_unlinked },
	{ "open_removed_directory", open_removed_directory },
	{ "open_renamed", open_renamed },
	{ "open_descriptors", open_descriptors },
	{ NULL, NULL },
};
