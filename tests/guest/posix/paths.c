/* SPDX-License-Identifier: BSD-3-Clause */
/* Every call that takes a path, with every way a path can be wrong. */
#include <limits.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "posix.h"

enum {
	FOLLOWS = 1,	/* a symbolic link at the end is followed */
	MAKES = 2,	/* the last component may be missing */
	CHANGES = 4,	/* not on a read-only file system */
	WANTS_DIR = 8,	/* a file at the end is the wrong type */
};

static const struct timespec long_ago[2] = { { 1000, 0 }, { 1000, 0 } };

static long closed(int fd)
{
	int err = errno;

	if (fd >= 0)
		close(fd);
	errno = err;
	return fd < 0 ? -1 : 0;
}

static long c_open(const char *p) { return closed(open(p, O_RDONLY)); }
static long c_open_w(const char *p) { return closed(open(p, O_WRONLY)); }
static long c_open_rw(const char *p) { return closed(open(p, O_RDWR | O_TRUNC)); }
static long c_open_creat(const char *p) { return closed(open(p, O_RDWR | O_CREAT, 0644)); }
static long c_open_excl(const char *p) { return closed(open(p, O_RDWR | O_CREAT | O_EXCL, 0644)); }
static long c_open_path(const char *p) { return closed(open(p, O_PATH)); }
static long c_open_dir(const char *p) { return closed(open(p, O_RDONLY | O_DIRECTORY)); }
static long c_creat(const char *p) { return closed(creat(p, 0644)); }
static long c_mkdir(const char *p) { return mkdir(p, 0755); }
static long c_rmdir(const char *p) { return rmdir(p); }
static long c_unlink(const char *p) { return unlink(p); }
static long c_link_old(const char *p) { return link(p, "made"); }
static long c_link_new(const char *p) { return link("file", p); }
static long c_symlink(const char *p) { return symlink("x", p); }
static long c_rename_old(const char *p) { return rename(p, "made"); }
static long c_rename_new(const char *p) { return rename("spare", p); }
static long c_mknod(const char *p) { return mknod(p, S_IFREG | 0644, 0); }
static long c_mkfifo(const char *p) { return mkfifo(p, 0644); }
static long c_access(const char *p) { return access(p, F_OK); }
static long c_chmod(const char *p) { return chmod(p, 0644); }
static long c_chown(const char *p) { return chown(p, 0, 0); }
static long c_lchown(const char *p) { return lchown(p, 0, 0); }
static long c_fchmodat(const char *p) { return fchmodat(AT_FDCWD, p, 0644, 0); }
static long c_fchownat(const char *p) { return fchownat(AT_FDCWD, p, 0, 0, 0); }
static long c_eaccess(const char *p) { return faccessat(AT_FDCWD, p, F_OK, AT_EACCESS); }
static long c_chroot(const char *p) { return chroot(p); }
static long c_truncate(const char *p) { return truncate(p, 4); }
static long c_utimens(const char *p) { return utimensat(AT_FDCWD, p, long_ago, 0); }
static long c_getx(const char *p) { return getxattr(p, "trusted.px", NULL, 0); }
static long c_setx(const char *p) { return setxattr(p, "trusted.px", "v", 1, 0); }
static long c_removex(const char *p) { return removexattr(p, "trusted.none"); }
static long c_listx(const char *p) { return listxattr(p, NULL, 0); }
static long c_lgetx(const char *p) { return lgetxattr(p, "trusted.px", NULL, 0); }

static long c_lsetx(const char *p) { return lsetxattr(p, "trusted.px", "v", 1, 0); }
static long c_lremovex(const char *p) { return lremovexattr(p, "trusted.none"); }
static long c_llistx(const char *p) { return llistxattr(p, NULL, 0); }

static long c_lutimens(const char *p)
{
	return utimensat(AT_FDCWD, p, long_ago, AT_SYMLINK_NOFOLLOW);
}

static long c_stat(const char *p)
{
	struct stat st;

	return stat(p, &st);
}

static long c_lstat(const char *p)
{
	struct stat st;

	return lstat(p, &st);
}

static long c_statx(const char *p)
{
	struct statx sx;

	return statx(AT_FDCWD, p, 0, STATX_BASIC_STATS, &sx);
}

static long c_statfs(const char *p)
{
	struct statfs sfs;

	return statfs(p, &sfs);
}

static long c_readlink(const char *p)
{
	char buf[16];

	return readlink(p, buf, sizeof(buf));
}

static long c_chdir(const char *p)
{
	int here = open(".", O_RDONLY), ret, err;

	ret = chdir(p);
	err = errno;
	NEED(fchdir(here));
	close(here);
	errno = err;
	return ret;
}

static long c_inotify(const char *p)
{
	int fd = (int)NEED(inotify_init1(0)), ret, err;

	ret = inotify_add_watch(fd, p, IN_MODIFY);
	err = errno;
	close(fd);
	errno = err;
	return ret < 0 ? -1 : 0;
}

static long c_handle(const char *p)
{
	struct {
		struct file_handle h;
		char room[MAX_HANDLE_SZ];
	} buf = { .h.handle_bytes = MAX_HANDLE_SZ };
	int mount;

	return name_to_handle_at(AT_FDCWD, p, &buf.h, &mount, AT_SYMLINK_FOLLOW);
}

static long c_execve(const char *p)
{
	char *argv[] = { (char *)"x", NULL }, *envp[] = { NULL };

	return execve(p, argv, envp);
}

static const struct path_call {
	const char *name;
	long (*call)(const char *path);
	unsigned int how;
} calls[] = {
	{ "open(2) O_RDONLY", c_open, FOLLOWS },
	{ "open(2) O_WRONLY", c_open_w, FOLLOWS | CHANGES },
	{ "open(2) O_RDWR O_TRUNC", c_open_rw, FOLLOWS | CHANGES },
	{ "open(2) O_CREAT", c_open_creat, FOLLOWS | MAKES | CHANGES },
	{ "open(2) O_CREAT O_EXCL", c_open_excl, MAKES | CHANGES },
	{ "creat(2)", c_creat, FOLLOWS | MAKES | CHANGES },
	{ "open(2) O_PATH", c_open_path, FOLLOWS },
	{ "open(2) O_DIRECTORY", c_open_dir, FOLLOWS | WANTS_DIR },
	{ "mkdir(2)", c_mkdir, MAKES | CHANGES },
	{ "rmdir(2)", c_rmdir, CHANGES | WANTS_DIR },
	{ "unlink(2)", c_unlink, CHANGES },
	{ "link(2) oldpath", c_link_old, CHANGES },
	{ "link(2) newpath", c_link_new, MAKES | CHANGES },
	{ "symlink(2)", c_symlink, MAKES | CHANGES },
	{ "rename(2) oldpath", c_rename_old, CHANGES },
	{ "rename(2) newpath", c_rename_new, MAKES | CHANGES },
	{ "mknod(2)", c_mknod, MAKES | CHANGES },
	{ "mkfifo(3)", c_mkfifo, MAKES | CHANGES },
	{ "stat(2)", c_stat, FOLLOWS },
	{ "lstat(2)", c_lstat, 0 },
	{ "statx(2)", c_statx, FOLLOWS },
	{ "access(2)", c_access, FOLLOWS },
	{ "chmod(2)", c_chmod, FOLLOWS | CHANGES },
	{ "chown(2)", c_chown, FOLLOWS | CHANGES },
	{ "lchown(2)", c_lchown, CHANGES },
	{ "fchmodat(2)", c_fchmodat, FOLLOWS | CHANGES },
	{ "fchownat(2)", c_fchownat, FOLLOWS | CHANGES },
	{ "faccessat(2) AT_EACCESS", c_eaccess, FOLLOWS },
	{ "truncate(2)", c_truncate, FOLLOWS | CHANGES },
	{ "utimensat(2)", c_utimens, FOLLOWS | CHANGES },
	{ "utimensat(2) AT_SYMLINK_NOFOLLOW", c_lutimens, CHANGES },
	{ "readlink(2)", c_readlink, 0 },
	{ "getxattr(2)", c_getx, FOLLOWS },
	{ "lgetxattr(2)", c_lgetx, 0 },
	{ "setxattr(2)", c_setx, FOLLOWS | CHANGES },
	{ "removexattr(2)", c_removex, FOLLOWS | CHANGES },
	{ "listxattr(2)", c_listx, FOLLOWS },
	{ "lsetxattr(2)", c_lsetx, CHANGES },
	{ "lremovexattr(2)", c_lremovex, CHANGES },
	{ "llistxattr(2)", c_llistx, 0 },
	{ "statfs(2)", c_statfs, FOLLOWS },
	{ "chdir(2)", c_chdir, FOLLOWS | WANTS_DIR },
	{ "chroot(2)", c_chroot, FOLLOWS | WANTS_DIR },
	{ "inotify_add_watch(2)", c_inotify, FOLLOWS },
	{ "name_to_handle_at(2)", c_handle, FOLLOWS },
	{ "execve(2)", c_execve, FOLLOWS },
};

/* One law over all calls that have all of with and none of without. */
static void for_all(const char *law, const char *path, int want, unsigned int with,
		    unsigned int without)
{
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		const struct path_call *c = &calls[i];

		if ((c->how & with) == with && !(c->how & without))
			CALL(px_law("%s %s", c->name, law), want, c->call(path));
	}
}

static char *long_path(size_t len, const char *last)
{
	size_t tail = strlen(last);
	char *p = px_alloc(len + 2);

	memset(p, '/', len);
	for (size_t i = 0; i < len - tail; i += 2)
		p[i] = '.';
	memcpy(p + len - tail, last, tail + 1);
	return p;
}

static void paths_missing(void)
{
	px_put("file", "x");
	px_put("spare", "x");
	NEED(symlink("none", "dangling"));
	NEED(symlink("none/x", "astray"));
	for_all("ENOENT: a component of the path prefix does not exist", "none/x", ENOENT, 0, 0);
	for_all("ENOENT: a directory component is a dangling symbolic link", "dangling/x", ENOENT,
		0, 0);
	for_all("ENOENT: the path is an empty string", "", ENOENT, 0, 0);
	for_all("ENOENT: the file does not exist", "none", ENOENT, 0, MAKES);
	for_all("ENOENT: the path is a dangling symbolic link", "dangling", ENOENT, FOLLOWS, MAKES);
	for_all("ENOENT: the link leads below a missing directory", "astray", ENOENT, FOLLOWS, 0);
	SAME("nothing was made on the way", px_ino("none") + px_ino("made"), 0);
}

static void paths_not_directory(void)
{
	px_put("file", "x");
	px_put("spare", "x");
	NEED(mkfifo("fifo", 0644));
	NEED(symlink("file", "link"));
	for_all("ENOTDIR: a component of the path prefix is not a directory", "file/x", ENOTDIR, 0,
		0);
	for_all("ENOTDIR: a component used as a directory is a FIFO", "fifo/x", ENOTDIR, 0, 0);
	for_all("ENOTDIR: a component is a link to a file", "link/x", ENOTDIR, 0, 0);
	for_all("ENOTDIR: the path refers to something that is not a directory", "file", ENOTDIR,
		WANTS_DIR, 0);
	for_all("ENOTDIR: a trailing slash after a name that is no directory", "file/", ENOTDIR, 0,
		MAKES);
}

static void paths_too_long(void)
{
	char name[NAME_MAX + 2], below[NAME_MAX + 4], longest[NAME_MAX + 1];
	char *path;

	px_put("file", "x");
	px_put("spare", "x");
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	snprintf(below, sizeof(below), "%s/x", name);
	for_all("ENAMETOOLONG: a component is longer than NAME_MAX", name, ENAMETOOLONG, 0, 0);
	for_all("ENAMETOOLONG: a component of the prefix is longer than NAME_MAX", below,
		ENAMETOOLONG, 0, 0);
	path = long_path(PATH_MAX, "x");
	for_all("ENAMETOOLONG: the path has PATH_MAX bytes before its null byte", path,
		ENAMETOOLONG, 0, 0);
	free(path);
	path = long_path(PATH_MAX - 1, "none");
	for_all("ENOENT: a path of PATH_MAX - 1 bytes is still resolved", path, ENOENT, 0, MAKES);
	free(path);
	memset(longest, 'm', NAME_MAX);
	longest[NAME_MAX] = 0;
	for_all("ENOENT: a name of NAME_MAX bytes is a name", longest, ENOENT, 0, MAKES);
}

/* c1 -> file, c2 -> c1, ... */
static void link_chain(unsigned int n)
{
	char name[16], target[16] = "file";

	for (unsigned int i = 1; i <= n; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		NEED(symlink(target, name));
		strcpy(target, name);
	}
}

static void paths_loop(void)
{
	px_put("file", "x");
	px_put("spare", "x");
	NEED(symlink("loop", "loop"));
	NEED(symlink("ring-b", "ring-a"));
	NEED(symlink("ring-a", "ring-b"));
	link_chain(41);
	for_all("ELOOP: a link of the prefix leads to itself", "loop/x", ELOOP, 0, 0);
	for_all("ELOOP: two links of the prefix lead to each other", "ring-a/x", ELOOP, 0, 0);
	for_all("ELOOP: the last component leads to itself", "loop", ELOOP, FOLLOWS, 0);
	for_all("ELOOP: more than 40 links in a row", "c41", ELOOP, FOLLOWS, 0);
	CALL("path_resolution(7): 40 links in a row are followed", 0, c_stat("c40"));
	CALL("lstat(2): a link to itself is a link like any other", 0, c_lstat("loop"));
	CALL("unlink(2): a link to itself can be removed", 0, unlink("loop"));
}

static void paths_no_search(void)
{
	px_dir("closed", 0700, 0, 0);
	px_dir("closed/d", 0777, 0, 0);
	px_put_mode("closed/x", "x", 0777, 1000, 1000);
	px_put_mode("closed/d/x", "x", 0777, 1000, 1000);
	px_dir("no-x", 0666, 0, 0);
	px_put_mode("no-x/x", "x", 0777, 1000, 1000);
	NEED(symlink("closed/x", "way-in"));
	px_put_mode("file", "x", 0777, 1000, 1000);
	px_put_mode("spare", "x", 0777, 1000, 1000);
	NEED(chmod(".", 0777));
	px_become(1000, 1000, NULL, 0);
	for_all("EACCES: search permission is denied for a component", "closed/x", EACCES, 0, 0);
	for_all("EACCES: search permission is denied further up", "closed/d/x", EACCES, 0, 0);
	for_all("EACCES: search permission is denied, the name missing", "closed/none", EACCES, 0,
		0);
	for_all("EACCES: read and write permission do not grant search", "no-x/x", EACCES, 0, 0);
	for_all("EACCES: a link leads through a closed directory", "way-in", EACCES, FOLLOWS, 0);
	px_root();
	CALL("path_resolution(7): root may search everywhere", 0, c_stat("closed/d/x"));
}

static void paths_bad_address(void)
{
	px_put("file", "x");
	px_put("spare", "x");
	for_all("EFAULT: the path points outside the address space", (const char *)1, EFAULT, 0, 0);
}

static void paths_readonly(void)
{
	px_dir("d", 0755, 0, 0);
	px_dir("d/sub", 0755, 0, 0);
	if (!px_own_mounts() || mount("d", "d", NULL, MS_BIND, NULL) < 0 || chdir("d") < 0)
		px_skip("cannot mount");
	px_put("file", "x");
	px_put("spare", "x");
	NEED(mount("none", ".", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	for_all("EROFS: the file is on a read-only file system", "file", EROFS, CHANGES,
		MAKES | WANTS_DIR);
	for_all("EROFS: the new name would be on a read-only file system", "new", EROFS,
		CHANGES | MAKES, 0);
	CALL("rmdir(2) EROFS: the directory is on a read-only file system", EROFS, rmdir("sub"));
	CALL("access(2) EROFS: write permission on a read-only file system", EROFS,
	     access("file", W_OK));
	CALL("open(2): reading needs no writable file system", 0, c_open("file"));
	HOLDS("nothing was changed", px_holds("file", "x") && px_holds("spare", "x"));
}

/* The same names through a directory descriptor. */
static void paths_at(void)
{
	int dir, file, gone;
	struct stat st;

	px_dir("d", 0755, 0, 0);
	px_put("d/f", "x");
	px_put("file", "x");
	px_dir("gone", 0755, 0, 0);
	dir = (int)NEED(open("d", O_RDONLY));
	file = (int)NEED(open("file", O_RDONLY));
	gone = (int)NEED(open("gone", O_RDONLY));
	NEED(rmdir("gone"));
	CALL("fstatat(2): a relative path starts at dirfd", 0, fstatat(dir, "f", &st, 0));
	CALL("fstatat(2) ENOTDIR: dirfd refers to a file", ENOTDIR, fstatat(file, "f", &st, 0));
	CALL("fstatat(2) EBADF: dirfd is not a descriptor", EBADF, fstatat(9999, "f", &st, 0));
	CALL("fstatat(2) EINVAL: unknown flag", EINVAL, fstatat(dir, "f", &st, 0x40000000));
	CALL("fstatat(2) AT_EMPTY_PATH: dirfd itself", 0, fstatat(file, "", &st, AT_EMPTY_PATH));
	CALL("openat(2) ENOENT: dirfd is a removed directory", ENOENT,
	     closed(openat(gone, "x", O_RDWR | O_CREAT, 0644)));
	CALL("mkdirat(2) ENOENT: dirfd is a removed directory", ENOENT, mkdirat(gone, "x", 0755));
	CALL("symlinkat(2) ENOENT: dirfd is a removed directory", ENOENT,
	     symlinkat("x", gone, "x"));
	CALL("mknodat(2) ENOENT: dirfd is a removed directory", ENOENT,
	     mknodat(gone, "x", S_IFREG | 0644, 0));
	CALL("linkat(2) ENOENT: the new directory is removed", ENOENT,
	     linkat(dir, "f", gone, "x", 0));
	CALL("renameat(2) ENOENT: the new directory is removed", ENOENT,
	     renameat(dir, "f", gone, "x"));
	CALL("unlinkat(2) ENOENT: dirfd is a removed directory", ENOENT, unlinkat(gone, "x", 0));
	CALL("unlinkat(2) EISDIR: a directory without AT_REMOVEDIR", EISDIR,
	     unlinkat(AT_FDCWD, "d", 0));
	CALL("unlinkat(2) ENOTDIR: a file with AT_REMOVEDIR", ENOTDIR,
	     unlinkat(dir, "f", AT_REMOVEDIR));
	CALL("unlinkat(2) EINVAL: unknown flag", EINVAL, unlinkat(dir, "f", 0x1000000));
	CALL("faccessat(2) EINVAL: unknown mode bits", EINVAL, faccessat(dir, "f", 0x100, 0));
	CALL("openat(2): an absolute path ignores dirfd", 0, closed(openat(file, "/", O_RDONLY)));
	CALL("renameat(2): from one descriptor to another", 0,
	     renameat(dir, "f", AT_FDCWD, "moved"));
	HOLDS("renameat(2): the file is there", px_holds("moved", "x") && px_ino("d/f") == 0);
	CALL("fchdir(2) ENOTDIR: fd does not refer to a directory", ENOTDIR, fchdir(file));
	CALL("fchdir(2): fd refers to a directory", 0, fchdir(dir));
	CALL("linkat(2) EXDEV: the paths are on different file systems", EXDEV,
	     linkat(AT_FDCWD, "/proc/self/status", dir, "x", 0));
	CALL("rename(2) EXDEV: the paths are on different file systems", EXDEV,
	     rename("../file", "/proc/x"));
}

const struct px_topic px_topics_paths[] = {
	{ "paths_missing", paths_missing },
	{ "paths_not_directory", paths_not_directory },
	{ "paths_too_long", paths_too_long },
	{ "paths_loop", paths_loop },
	{ "paths_no_search", paths_no_search },
	{ "paths_bad_address", paths_bad_address },
	{ "paths_readonly", paths_readonly },
	{ "paths_at", paths_at },
	{ NULL, NULL },
};
