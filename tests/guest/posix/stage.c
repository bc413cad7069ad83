/* SPDX-License-Identifier: BSD-3-Clause */
/* Setting the stage: files, users, children. */
#include <dirent.h>
#include <grp.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "posix.h"

void px_put_mode(const char *name, const char *text, mode_t mode, uid_t uid, gid_t gid)
{
	int fd = (int)NEED(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600));

	NEED(write(fd, text, strlen(text)));
	NEED(fchown(fd, uid, gid));
	NEED(fchmod(fd, mode));
	NEED(close(fd));
}

void px_put(const char *name, const char *text)
{
	px_put_mode(name, text, 0644, 0, 0);
}

void px_dir(const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	NEED(mkdir(name, 0700));
	NEED(chown(name, uid, gid));
	NEED(chmod(name, mode));
}

void px_socket(const char *name)
{
	NEED(mknod(name, S_IFSOCK | 0644, 0));
}

static void make_full(const char *name)
{
	char inner[300];

	NEED(mkdir(name, 0755));
	snprintf(inner, sizeof(inner), "%s/inner", name);
	px_put(inner, "x");
}

void px_make(const char *kind, const char *name)
{
	if (!strcmp(kind, "file"))
		px_put(name, name);
	else if (!strcmp(kind, "dir"))
		NEED(mkdir(name, 0755));
	else if (!strcmp(kind, "full"))
		make_full(name);
	else if (!strcmp(kind, "link"))
		NEED(symlink(".", name));
	else if (!strcmp(kind, "dangling"))
		NEED(symlink("nowhere", name));
	else if (!strcmp(kind, "fifo"))
		NEED(mkfifo(name, 0644));
	else if (!strcmp(kind, "socket"))
		px_socket(name);
}

void px_remove(const char *name)
{
	struct dirent *de;
	char inner[600];
	DIR *dir;

	if (unlink(name) == 0 || errno == ENOENT)
		return;
	dir = opendir(name);
	while (dir != NULL && (de = readdir(dir)) != NULL) {
		snprintf(inner, sizeof(inner), "%s/%s", name, de->d_name);
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			px_remove(inner);
	}
	if (dir != NULL)
		closedir(dir);
	rmdir(name);
}

struct stat px_stat(const char *name)
{
	struct stat st;

	NEED(lstat(name, &st));
	return st;
}

long long px_ino(const char *name)
{
	struct stat st;

	return lstat(name, &st) < 0 ? 0 : (long long)st.st_ino;
}

bool px_holds(const char *name, const char *text)
{
	char buf[512] = "";
	int fd = open(name, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(text) && memcmp(buf, text, (size_t)n) == 0;
}

void *px_alloc(size_t len)
{
	void *p = NULL;

	NEED(posix_memalign(&p, 4096, len) == 0 ? 0 : -1);
	memset(p, 0, len);
	return p;
}

/* The saved user id stays 0, which is the way back. */
void px_become(uid_t uid, gid_t gid, const gid_t *groups, size_t ngroups)
{
	NEED(setgroups(ngroups, groups));
	NEED(setresgid(gid, gid, 0));
	NEED(setresuid(uid, uid, 0));
}

void px_root(void)
{
	NEED(setresuid(0, 0, 0));
	NEED(setresgid(0, 0, 0));
	NEED(setgroups(0, NULL));
}

pid_t px_fork(void (*fn)(void *arg), void *arg)
{
	pid_t pid = (pid_t)NEED(fork());

	if (pid == 0) {
		fn(arg);
		_exit(0);
	}
	return pid;
}

void px_join(pid_t pid)
{
	int status;

	NEED(waitpid(pid, &status, 0));
	SAME("the child ends by itself", status, 0);
}

void px_in_child(void (*fn)(void *arg), void *arg)
{
	px_join(px_fork(fn, arg));
}

void px_msleep(unsigned int ms)
{
	struct timespec nap = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&nap, NULL);
}

bool px_own_mounts(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

void px_copy_self(const char *to)
{
	int in = (int)NEED(open("/proc/self/exe", O_RDONLY));
	int out = (int)NEED(open(to, O_WRONLY | O_CREAT, 0755));
	char *buf = px_alloc(65536);
	ssize_t n;

	while ((n = NEED(read(in, buf, 65536))) > 0)
		NEED(write(out, buf, (size_t)n));
	NEED(close(out));
	NEED(close(in));
	free(buf);
}
