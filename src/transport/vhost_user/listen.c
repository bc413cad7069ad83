/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * A socket file has no owner the kernel knows of: it stays behind when a process dies, and whoever
 * binds anew must remove it first. Two processes doing that at once could remove each other's
 * socket, so the right to a path is a flock on PATH.lock, taken first and held until the port
 * closes; it vanishes with the process. Under the lock a socket file is either of a program that
 * does not know our lock (connect() is answered: in use) or stale (refused: removed).
 *
 * The lock file is removed at the end, too. Someone may have opened it just before and lock it
 * right after, so whoever gets the lock checks that the path still names the file it locked.
 *
 * A path "fd:N" is no path but a descriptor that listens already: nothing to lock or to remove.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/log.h"
#include "transport/vhost_user/vhu.h"

SD_LOG_REGISTER(VHOST_USER);

#define FD_PREFIX "fd:"
#define LISTEN_BACKLOG 8 /* front ends that knock while one is served; more are refused */
#define LOCK_TRIES 16 /* lost to others that were leaving; not for ever */

/* Where the built-in board has its sockets; only this directory is made when it is missing. */
static bool listen_is_default_dir(const char *dir)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	char path[FUNCTION_SOCKET_LEN];

	if (!strcmp(dir, "/run/softdpu"))
		return true;
	if (!run || !*run)
		return false;
	snprintf(path, sizeof(path), "%s/softdpu", run);
	return !strcmp(dir, path);
}

static int listen_check_dir(const char *path)
{
	char dir[FUNCTION_SOCKET_LEN];
	char *slash;
	struct stat st;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	if (!stat(dir, &st) || (listen_is_default_dir(dir) && !mkdir(dir, 0755)))
		return 0;
	if (errno == EEXIST) /* somebody else made it meanwhile */
		return 0;
	sd_log_err("socket %s: directory %s: %s", path, dir, strerror(errno));
	return -errno;
}

static int listen_try_lock(const char *lock_path, int *ret_fd)
{
	CLEANUP_FD int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat mine, there;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
	if (fstat(fd, &mine) < 0)
		return -errno;
	if (stat(lock_path, &there) < 0 || there.st_ino != mine.st_ino ||
	    there.st_dev != mine.st_dev)
		return -EAGAIN;
	*ret_fd = take_fd(fd);
	return 0;
}

static int listen_lock(struct vhu_port *p)
{
	char lock_path[sizeof(p->path) + 8];
	int rc = -EAGAIN;

	snprintf(lock_path, sizeof(lock_path), "%s.lock", p->path);
	for (int i = 0; i < LOCK_TRIES && rc == -EAGAIN; i++)
		rc = listen_try_lock(lock_path, &p->lock_fd);
	if (rc == -EADDRINUSE)
		sd_log_err("socket %s: path is in use (%s is locked)", p->path,
			   lock_path);
	else if (rc)
		sd_log_err("socket %s: lock %s: %s", p->path, lock_path, strerror(-rc));
	return rc;
}

/* Does anyone answer at the path? -ECONNREFUSED: no. */
static int listen_probe(const struct sockaddr_un *addr)
{
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	return connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? -errno : 0;
}

static int listen_remove_stale(struct vhu_port *p, const struct sockaddr_un *addr)
{
	struct stat st;
	int rc;

	if (lstat(p->path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		sd_log_err("socket %s: the path exists and is not a socket", p->path);
		return -EEXIST;
	}
	rc = listen_probe(addr);
	if (rc != -ECONNREFUSED) {
		sd_log_err("socket %s: path is in use%s%s", p->path,
			   rc ? ": " : " by another process", rc ? strerror(-rc) : "");
		return -EADDRINUSE;
	}
	sd_log_info("socket %s: removing the socket of a process that is gone", p->path);
	return unlink(p->path) < 0 ? -errno : 0;
}

static int listen_bind(struct vhu_port *p, const struct sockaddr_un *addr)
{
	struct stat st;

	p->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->listen_fd < 0 ||
	    bind(p->listen_fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
		return -errno;
	if (lstat(p->path, &st) < 0)
		return -errno;
	p->sock_dev = st.st_dev;
	p->sock_ino = st.st_ino;
	/* Nobody can connect before listen(), so the mode is in force from the first moment. */
	if (chmod(p->path, 0660) < 0 || listen(p->listen_fd, LISTEN_BACKLOG) < 0)
		return -errno;
	return 0;
}

static int listen_option(int fd, int option)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -1 : value;
}

/* "fd:N": who started us listens there already, and keeps the socket file. */
static int listen_inherited(struct vhu_port *p)
{
	char *end;
	long fd = strtol(p->path + strlen(FD_PREFIX), &end, 10);

	if (end == p->path + strlen(FD_PREFIX) || *end || fd < 0 || fd > INT_MAX ||
	    listen_option((int)fd, SO_DOMAIN) != AF_UNIX ||
	    listen_option((int)fd, SO_TYPE) != SOCK_STREAM ||
	    listen_option((int)fd, SO_ACCEPTCONN) != 1) {
		sd_log_err("socket %s: not a UNIX stream socket that listens", p->path);
		return -EINVAL;
	}
	if (fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl((int)fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	p->listen_fd = (int)fd;
	return 0;
}

int vhu_listen(struct vhu_port *p)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int rc;

	if (!strncmp(p->path, FD_PREFIX, strlen(FD_PREFIX)))
		return listen_inherited(p);
	if (!p->path[0] || strlen(p->path) >= sizeof(addr.sun_path)) {
		sd_log_err("socket \"%s\": the path is empty or too long", p->path);
		return -EINVAL;
	}
	strcpy(addr.sun_path, p->path);
	rc = listen_check_dir(p->path);
	if (!rc)
		rc = listen_lock(p);
	if (rc)
		return rc;
	rc = listen_remove_stale(p, &addr);
	if (rc)
		return rc;
	rc = listen_bind(p, &addr);
	if (rc)
		sd_log_err("socket %s: %s", p->path, strerror(-rc));
	return rc;
}

void vhu_unlisten(struct vhu_port *p)
{
	char lock_path[sizeof(p->path) + 8];
	struct stat st;

	if (p->sock_ino && !lstat(p->path, &st) && st.st_ino == p->sock_ino &&
	    st.st_dev == p->sock_dev)
		unlink(p->path);
	if (p->listen_fd >= 0)
		close(p->listen_fd);
	if (p->lock_fd >= 0) {
		snprintf(lock_path, sizeof(lock_path), "%s.lock", p->path);
		unlink(lock_path);
		close(p->lock_fd);
	}
	p->listen_fd = -1;
	p->lock_fd = -1;
	p->sock_ino = 0;
}
