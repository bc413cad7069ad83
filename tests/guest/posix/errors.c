/* SPDX-License-Identifier: BSD-3-Clause */
/* Error codes that are not about the path: names that are taken, wrong types, wrong arguments. */
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "posix.h"

static const char *const kinds[] = { "file", "dir", "full", "link", "dangling", "fifo", "socket" };

static void make_all_kinds(void)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		px_make(kinds[i], kinds[i]);
	px_put("spare", "x");
}

static void errors_exists(void)
{
	make_all_kinds();
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const char *k = kinds[i];
		long long ino = px_ino(k);

		CALL(px_law("mkdir(2) EEXIST: pathname exists (%s)", k), EEXIST, mkdir(k, 0755));
		CALL(px_law("mknod(2) EEXIST: pathname exists (%s)", k), EEXIST,
		     mknod(k, S_IFREG | 0644, 0));
		CALL(px_law("mkfifo(3) EEXIST: pathname exists (%s)", k), EEXIST, mkfifo(k, 0644));
		CALL(px_law("symlink(2) EEXIST: linkpath exists (%s)", k), EEXIST, symlink("x", k));
		CALL(px_law("link(2) EEXIST: newpath exists (%s)", k), EEXIST, link("spare", k));
		CALL(px_law("open(2) EEXIST: O_CREAT and O_EXCL on a name that exists (%s)", k),
		     EEXIST, open(k, O_CREAT | O_EXCL | O_RDWR, 0644));
		SAME(px_law("a refused call leaves the name alone (%s)", k), px_ino(k), ino);
	}
	SAME("open(2): O_EXCL does not follow a dangling link", px_ino("nowhere"), 0);
	SAME("link(2): a refused link does not count", px_stat("spare").st_nlink, 1);
}

static void errors_types(void)
{
	static const struct {
		const char *kind;
		int rmdir, unlink, opendir, readlink, truncate;
	} rows[] = {
		{ "file", ENOTDIR, 0, ENOTDIR, EINVAL, 0 },
		{ "dir", 0, EISDIR, 0, EINVAL, EISDIR },
		{ "full", ENOTEMPTY, EISDIR, 0, EINVAL, EISDIR },
		{ "link", ENOTDIR, 0, 0, 0, EISDIR },
		{ "dangling", ENOTDIR, 0, ENOENT, 0, ENOENT },
		{ "fifo", ENOTDIR, 0, ENOTDIR, EINVAL, EINVAL },
		{ "socket", ENOTDIR, 0, ENOTDIR, EINVAL, EINVAL },
	};
	char buf[16];

	make_all_kinds();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *k = rows[i].kind;

		CALL(px_law("readlink(2) EINVAL: not a symbolic link (%s)", k), rows[i].readlink,
		     readlink(k, buf, sizeof(buf)));
		CALL(px_law("open(2) ENOTDIR: O_DIRECTORY and no directory (%s)", k),
		     rows[i].opendir, open(k, O_RDONLY | O_DIRECTORY | O_NONBLOCK));
		CALL(px_law("truncate(2) EISDIR, EINVAL: not a regular file (%s)", k),
		     rows[i].truncate, truncate(k, 0));
		CALL(px_law("rmdir(2) ENOTDIR, ENOTEMPTY: not an empty directory (%s)", k),
		     rows[i].rmdir, rmdir(k));
		px_remove(k);
		px_make(k, k);
		CALL(px_law("unlink(2) EISDIR: pathname refers to a directory (%s)", k),
		     rows[i].unlink, unlink(k));
		SAME(px_law("unlink(2): the name is gone exactly if it says so (%s)", k),
		     px_ino(k) == 0, rows[i].unlink == 0);
	}
}

static void errors_dots(void)
{
	px_make("full", "d");
	CALL("rmdir(2) EINVAL: . is the last component", EINVAL, rmdir("d/."));
	CALL("rmdir(2) ENOTEMPTY: .. is the last component", ENOTEMPTY, rmdir("d/.."));
	CALL("rename(2) EBUSY: oldpath ends in .", EBUSY, rename("d/.", "e"));
	CALL("rename(2) EBUSY: oldpath ends in ..", EBUSY, rename("d/..", "e"));
	CALL("rename(2) EBUSY: newpath ends in .", EBUSY, rename("d", "d/."));
	CALL("unlink(2) EISDIR: . is a directory", EISDIR, unlink("d/."));
	CALL("mkdir(2) EEXIST: . exists", EEXIST, mkdir("d/.", 0755));
	CALL("mkdir(2) EEXIST: .. exists", EEXIST, mkdir("d/..", 0755));
	CALL("link(2) EEXIST: . exists", EEXIST, link("d/inner", "d/."));
	CALL("symlink(2) EEXIST: .. exists", EEXIST, symlink("x", "d/.."));
	CALL("rename(2) EINVAL: a directory below itself", EINVAL, rename("d", "d/sub"));
	NEED(mkdir("d/e", 0755));
	NEED(mkdir("d/e/f", 0755));
	CALL("rename(2) EINVAL: a directory far below itself", EINVAL, rename("d", "d/e/f/g"));
	CALL("rename(2) ENOTEMPTY: newpath is an ancestor of oldpath", ENOTEMPTY,
	     rename("d/e/f", "d"));
	SAME("a directory's .. is its parent", px_ino("d/e/.."), px_ino("d"));
	SAME("a directory's . is itself", px_ino("d/e/."), px_ino("d/e"));
}

static void errors_mount_point(void)
{
	px_dir("d", 0755, 0, 0);
	px_dir("d/m", 0755, 0, 0);
	px_put("d/f", "x");
	px_put("d/g", "x");
	if (!px_own_mounts() || mount("none", "d/m", "tmpfs", 0, NULL) < 0 ||
	    mount("d/g", "d/f", NULL, MS_BIND, NULL) < 0)
		px_skip("cannot mount");
	CALL("rmdir(2) EBUSY: pathname is a mount point", EBUSY, rmdir("d/m"));
	CALL("rename(2) EBUSY: oldpath is a mount point", EBUSY, rename("d/m", "d/n"));
	CALL("rename(2) EBUSY: newpath is a mount point", EBUSY, rename("d/g", "d/f"));
	CALL("unlink(2) EBUSY: pathname is a mount point", EBUSY, unlink("d/f"));
	CALL("rename(2) EXDEV: the paths are on different mounts", EXDEV, rename("d/g", "d/m/g"));
	CALL("link(2) EXDEV: the paths are on different mounts", EXDEV, link("d/g", "d/m/g"));
	CALL("umount(2): a mount point can be unmounted", 0, umount("d/m"));
	CALL("rmdir(2): it is a directory like any other then", 0, rmdir("d/m"));
}

/* One of the calls below on each kind of descriptor. */
enum { RO, WO, PATHONLY, DIRFD, BAD, FDS };

static long d_read(int fd) { char c; return read(fd, &c, 1); }
static long d_write(int fd) { return write(fd, "y", 1); }
static long d_pread(int fd) { char c; return pread(fd, &c, 1, 0); }
static long d_pwrite(int fd) { return pwrite(fd, "y", 1, 0); }
static long d_lseek(int fd) { return lseek(fd, 0, SEEK_SET); }
static long d_fstat(int fd) { struct stat st; return fstat(fd, &st); }
static long d_fstatvfs(int fd) { struct statvfs st; return fstatvfs(fd, &st); }
static long d_fsync(int fd) { return fsync(fd); }
static long d_fdatasync(int fd) { return fdatasync(fd); }
static long d_ftruncate(int fd) { return ftruncate(fd, 1); }
static long d_fchmod(int fd) { return fchmod(fd, 0755); }
static long d_fchown(int fd) { return fchown(fd, 0, 0); }
static long d_futimens(int fd) { return futimens(fd, NULL); }
static long d_fgetx(int fd) { return flistxattr(fd, NULL, 0); }
static long d_fsetx(int fd) { return fsetxattr(fd, "trusted.px", "v", 1, 0); }
static long d_fallocate(int fd) { return fallocate(fd, 0, 0, 1); }
static long d_dup(int fd) { return fcntl(fd, F_DUPFD, 100); }
static long d_getfl(int fd) { return fcntl(fd, F_GETFL); }
static long d_syncfs(int fd) { return syncfs(fd); }
static long d_openat(int fd) { return openat(fd, "none", O_RDONLY); }
static long d_fchdir(int fd) { return fchdir(fd); }

static long d_writev(int fd)
{
	struct iovec v = { (void *)"y", 1 };

	return writev(fd, &v, 1);
}

static long d_mmap(int fd)
{
	void *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? -1 : munmap(p, 4096);
}

static long d_mmap_w(int fd)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? -1 : munmap(p, 4096);
}

static long d_lock(int fd)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_SETLK, &fl);
}

static long d_rlock(int fd)
{
	struct flock fl = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_SETLK, &fl);
}

static const struct {
	const char *name;
	long (*call)(int fd);
	int want[FDS];
} descriptor_calls[] = {
	/*                   RO      WO      O_PATH  directory bad */
	{ "read(2)",	d_read,	{ 0, EBADF, EBADF, EISDIR, EBADF } },
	{ "pread(2)",	d_pread, { 0, EBADF, EBADF, EISDIR, EBADF } },
	{ "write(2)",	d_write, { EBADF, 0, EBADF, EBADF, EBADF } },
	{ "pwrite(2)",	d_pwrite, { EBADF, 0, EBADF, EBADF, EBADF } },
	{ "writev(2)",	d_writev, { EBADF, 0, EBADF, EBADF, EBADF } },
	{ "lseek(2)",	d_lseek, { 0, 0, EBADF, 0, EBADF } },
	{ "fstat(2)",	d_fstat, { 0, 0, 0, 0, EBADF } },
	{ "fstatvfs(3)", d_fstatvfs, { 0, 0, 0, 0, EBADF } },
	{ "fsync(2)",	d_fsync, { 0, 0, EBADF, 0, EBADF } },
	{ "fdatasync(2)", d_fdatasync, { 0, 0, EBADF, 0, EBADF } },
	{ "ftruncate(2)", d_ftruncate, { EINVAL, 0, EBADF, EINVAL, EBADF } },
	{ "fchmod(2)",	d_fchmod, { 0, 0, EBADF, 0, EBADF } },
	{ "fchown(2)",	d_fchown, { 0, 0, EBADF, 0, EBADF } },
	{ "futimens(3)", d_futimens, { 0, 0, EBADF, 0, EBADF } },
	{ "flistxattr(2)", d_fgetx, { 0, 0, EBADF, 0, EBADF } },
	{ "fsetxattr(2)", d_fsetx, { 0, 0, EBADF, 0, EBADF } },
	{ "fallocate(2)", d_fallocate, { EBADF, 0, EBADF, EBADF, EBADF } },
	{ "fcntl(2) F_DUPFD", d_dup, { 0, 0, 0, 0, EBADF } },
	{ "fcntl(2) F_GETFL", d_getfl, { 0, 0, 0, 0, EBADF } },
	{ "fcntl(2) F_SETLK F_WRLCK", d_lock, { EBADF, 0, EBADF, EBADF, EBADF } },
	{ "fcntl(2) F_SETLK F_RDLCK", d_rlock, { 0, EBADF, EBADF, 0, EBADF } },
	{ "mmap(2) PROT_READ", d_mmap, { 0, EACCES, EBADF, ENODEV, EBADF } },
	{ "mmap(2) PROT_WRITE MAP_SHARED", d_mmap_w, { EACCES, EACCES, EBADF, EACCES, EBADF } },
	{ "syncfs(2)",	d_syncfs, { 0, 0, EBADF, 0, EBADF } },
	{ "openat(2)",	d_openat, { ENOTDIR, ENOTDIR, ENOTDIR, ENOENT, EBADF } },
	{ "fchdir(2)",	d_fchdir, { ENOTDIR, ENOTDIR, ENOTDIR, 0, EBADF } },
};

static void errors_descriptor(void)
{
	static const char *const what[FDS] = { "open for reading only", "open for writing only",
					       "O_PATH", "a directory", "not a descriptor" };
	int fd[FDS];

	px_put("f", "xyz");
	fd[RO] = (int)NEED(open("f", O_RDONLY));
	fd[WO] = (int)NEED(open("f", O_WRONLY));
	fd[PATHONLY] = (int)NEED(open("f", O_PATH));
	fd[DIRFD] = (int)NEED(open(".", O_RDONLY));
	fd[BAD] = 9999;
	for (size_t i = 0; i < ARRAY_LEN(descriptor_calls); i++) {
		for (int k = 0; k < FDS; k++) {
			int want = descriptor_calls[i].want[k];

			CALL(px_law("%s: on a descriptor that is %s", descriptor_calls[i].name,
				    what[k]),
			     want, descriptor_calls[i].call(fd[k]));
		}
	}
}

static void errors_arguments(void)
{
	struct iovec many[IOV_MAX + 1] = { { 0 } };
	/* Not for the compiler to see through. */
	void *volatile nowhere = (void *)1;
	volatile int minus_one = -1;
	int fd, pipefd[2];
	char buf[8];

	px_put("f", "0123456789");
	fd = (int)NEED(open("f", O_RDWR));
	NEED(pipe(pipefd));
	CALL("lseek(2) EINVAL: whence is not valid", EINVAL, lseek(fd, 0, 99));
	CALL("lseek(2) EINVAL: the offset would be negative", EINVAL, lseek(fd, -1, SEEK_SET));
	CALL("lseek(2) EINVAL: before the start from the end", EINVAL, lseek(fd, -11, SEEK_END));
	CALL("lseek(2) ENXIO: SEEK_DATA beyond the end", ENXIO, lseek(fd, 10, SEEK_DATA));
	CALL("lseek(2) ENXIO: SEEK_HOLE beyond the end", ENXIO, lseek(fd, 11, SEEK_HOLE));
	CALL("lseek(2) ESPIPE: fd is a pipe", ESPIPE, lseek(pipefd[0], 0, SEEK_SET));
	CALL("pread(2) EINVAL: negative offset", EINVAL, pread(fd, buf, 1, -1));
	CALL("pwrite(2) EINVAL: negative offset", EINVAL, pwrite(fd, buf, 1, -1));
	CALL("read(2) EFAULT: buf is outside the address space", EFAULT, read(fd, nowhere, 5));
	CALL("write(2) EFAULT: buf is outside the address space", EFAULT, write(fd, nowhere, 5));
	CALL("writev(2) EINVAL: more than IOV_MAX vectors", EINVAL, writev(fd, many, IOV_MAX + 1));
	CALL("readv(2) EINVAL: a negative number of vectors", EINVAL, readv(fd, many, minus_one));
	SAME("writev(2): no vectors, nothing written", writev(fd, many, 0), 0);
	CALL("ftruncate(2) EINVAL: negative length", EINVAL, ftruncate(fd, -1));
	CALL("truncate(2) EINVAL: negative length", EINVAL, truncate("f", -1));
	CALL("fallocate(2) EINVAL: negative offset", EINVAL, fallocate(fd, 0, -1, 1));
	CALL("fallocate(2) EINVAL: length is 0", EINVAL, fallocate(fd, 0, 0, 0));
	CALL("fallocate(2) EINVAL: negative length", EINVAL, fallocate(fd, 0, 0, -1));
	CALL("fallocate(2) EFBIG: offset and length overflow", EFBIG,
	     fallocate(fd, 0, INT64_MAX - 1, INT64_MAX - 1));
	CALL("fallocate(2) EOPNOTSUPP: punch hole without keep size", EOPNOTSUPP,
	     fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1));
	CALL("fallocate(2) EOPNOTSUPP: unknown mode", EOPNOTSUPP, fallocate(fd, 0x4000, 0, 1));
	CALL("fallocate(2) ESPIPE: fd is a pipe", ESPIPE, fallocate(pipefd[1], 0, 0, 1));
	CALL("mknod(2) EINVAL: not a type mknod makes", EINVAL, mknod("n", S_IFLNK | 0644, 0));
	CALL("mknod(2) EPERM: a directory", EPERM, mknod("n", S_IFDIR | 0755, 0));
	CALL("link(2) EPERM: oldpath is a directory", EPERM, link(".", "hard"));
	CALL("access(2) EINVAL: mode is not valid", EINVAL, access("f", 0x80));
	CALL("utimensat(2) EINVAL: nanoseconds out of range", EINVAL,
	     utimensat(AT_FDCWD, "f", (struct timespec[]){ { 0, 1000000000 }, { 0, 0 } }, 0));
	CALL("readlink(2) EINVAL: bufsiz is not positive", EINVAL, readlink("f", buf, 0));
	CALL("open(2) ENXIO: the file is a socket", ENXIO, (px_socket("s"), open("s", O_RDWR)));
	CALL("ioctl(2) ENOTTY: the request does not apply", ENOTTY, ioctl(fd, TIOCGWINSZ, buf));
	CALL("copy_file_range(2) EBADF: the output is open with O_APPEND", EBADF,
	     copy_file_range(fd, NULL, open("g", O_WRONLY | O_CREAT | O_APPEND, 0644), NULL, 1, 0));
	CALL("copy_file_range(2) EINVAL: flags is not 0", EINVAL,
	     copy_file_range(fd, NULL, open("g", O_WRONLY), NULL, 1, 1));
	CALL("copy_file_range(2) EISDIR: an end is a directory", EISDIR,
	     copy_file_range(open(".", O_RDONLY), NULL, fd, NULL, 1, 0));
	CALL("copy_file_range(2) EINVAL: an end is a pipe", EINVAL,
	     copy_file_range(pipefd[0], NULL, fd, NULL, 1, 0));
	CALL("copy_file_range(2) EINVAL: the ranges of one file overlap", EINVAL,
	     copy_file_range(fd, &(off64_t){ 0 }, fd, &(off64_t){ 1 }, 5, 0));
}

static void errors_limits(void)
{
	struct rlimit small = { 8192, RLIM_INFINITY };
	struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
	char *buf = px_alloc(16384);
	int fd = (int)NEED(open("f", O_RDWR | O_CREAT, 0644));

	NEED(setrlimit(RLIMIT_FSIZE, &small));
	SAME("write(2): up to the file size limit it is a short write", pwrite(fd, buf, 16384, 0),
	     8192);
	CALL("write(2) EFBIG: beyond the process's file size limit", EFBIG,
	     pwrite(fd, buf, 1, 8192));
	CALL("ftruncate(2) EFBIG: beyond the process's file size limit", EFBIG,
	     ftruncate(fd, 8193));
	CALL("fallocate(2) EFBIG: beyond the process's file size limit", EFBIG,
	     fallocate(fd, 0, 8192, 1));
	SAME("the refused calls did not change the size", px_stat("f").st_size, 8192);
	NEED(setrlimit(RLIMIT_FSIZE, &none));
	CALL("write(2): without the limit", 0, pwrite(fd, buf, 1, 8192));
	free(buf);
}

/* Starts it so that it waits: it prints its usage into a pipe that is full. */
static pid_t start_program(const char *path, int *full)
{
	char *argv[] = { (char *)path, NULL }, *envp[] = { NULL }, junk[4096];
	int ready[2];
	pid_t pid;

	NEED(pipe2(full, O_CLOEXEC));
	NEED(pipe2(ready, O_CLOEXEC));
	NEED(fcntl(full[1], F_SETFL, O_NONBLOCK));
	memset(junk, 0, sizeof(junk));
	while (write(full[1], junk, sizeof(junk)) > 0)
		continue;
	NEED(fcntl(full[1], F_SETFL, 0));
	pid = (pid_t)NEED(fork());
	if (pid == 0) {
		dup2(full[1], 2);
		execve(path, argv, envp);
		_exit(99);
	}
	/* The end of this pipe is closed by the exec. */
	close(ready[1]);
	NEED(read(ready[0], junk, 1));
	close(ready[0]);
	return pid;
}

static void end_program(pid_t pid, int *full)
{
	char junk[4096];
	int status;

	close(full[1]);
	while (read(full[0], junk, sizeof(junk)) > 0)
		continue;
	close(full[0]);
	NEED(waitpid(pid, &status, 0));
	SAME("execve(2): the program ran from this file system", WEXITSTATUS(status), 2);
}

static void errors_text_busy(void)
{
	char *argv[] = { (char *)"x", NULL }, *envp[] = { NULL };
	int full[2], fd;
	pid_t pid;

	px_copy_self("prog");
	pid = start_program("./prog", full);
	CALL("open(2) ETXTBSY: an executable that runs, for writing", ETXTBSY,
	     open("prog", O_WRONLY));
	CALL("open(2) ETXTBSY: an executable that runs, read and write", ETXTBSY,
	     open("prog", O_RDWR));
	CALL("open(2) ETXTBSY: an executable that runs, O_TRUNC", ETXTBSY,
	     open("prog", O_WRONLY | O_TRUNC));
	CALL("truncate(2) ETXTBSY: an executable that runs", ETXTBSY, truncate("prog", 0));
	CALL("open(2): it can be read while it runs", 0, close((int)NEED(open("prog", O_RDONLY))));
	CALL("unlink(2): it can be removed while it runs", 0, unlink("prog"));
	end_program(pid, full);
	px_copy_self("prog");
	fd = (int)NEED(open("prog", O_WRONLY));
	CALL("execve(2) ETXTBSY: the file is open for writing", ETXTBSY,
	     execve("./prog", argv, envp));
	NEED(close(fd));
	px_put_mode("script", "#!./none\n", 0755, 0, 0);
	px_put_mode("junk", "junk", 0755, 0, 0);
	px_put_mode("plain", "junk", 0644, 0, 0);
	CALL("execve(2) ENOENT: the script's interpreter does not exist", ENOENT,
	     execve("./script", argv, envp));
	CALL("execve(2) ENOEXEC: not a format the kernel knows", ENOEXEC,
	     execve("./junk", argv, envp));
	CALL("execve(2) EACCES: no execute permission, even for root", EACCES,
	     execve("./plain", argv, envp));
	CALL("execve(2) EACCES: not a regular file", EACCES, execve(".", argv, envp));
}

const struct px_topic px_topics_errors[] = {
	{ "errors_exists", errors_exists },
	{ "errors_types", errors_types },
	{ "errors_dots", errors_dots },
	{ "errors_mount_point", errors_mount_point },
	{ "errors_descriptor", errors_descriptor },
	{ "errors_arguments", errors_arguments },
	{ "errors_limits", errors_limits },
	{ "errors_text_busy", errors_text_busy },
	{ NULL, NULL },
};
