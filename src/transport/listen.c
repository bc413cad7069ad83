/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * One peer is served at a time. While it is connected the listener stays on, and whoever else comes
 * is turned away at once instead of waiting for ever. Two exceptions: when the connected one has
 * hung up already (its end of file is behind in the queue of events), and while the device lets go
 * of it, the newcomer waits in the backlog and is taken next; so a peer may reconnect as fast as it
 * likes.
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
#include "transport/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/log.h"

SD_LOG_REGISTER(LISTEN);

#define FD_PREFIX "fd:"
#define LISTEN_BACKLOG 8 /* peers that knock while one is served; more are refused */
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

static int listen_lock(struct listener *l)
{
	char lock_path[sizeof(l->path) + 8];
	int rc = -EAGAIN;

	snprintf(lock_path, sizeof(lock_path), "%s.lock", l->path);
	for (int i = 0; i < LOCK_TRIES && rc == -EAGAIN; i++)
		rc = listen_try_lock(lock_path, &l->lock_fd);
	if (rc == -EADDRINUSE)
		sd_log_err("socket %s: path is in use (%s is locked)", l->path,
			   lock_path);
	else if (rc)
		sd_log_err("socket %s: lock %s: %s", l->path, lock_path, strerror(-rc));
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

static int listen_remove_stale(struct listener *l, const struct sockaddr_un *addr)
{
	struct stat st;
	int rc;

	if (lstat(l->path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		sd_log_err("socket %s: the path exists and is not a socket", l->path);
		return -EEXIST;
	}
	rc = listen_probe(addr);
	if (rc != -ECONNREFUSED) {
		sd_log_err("socket %s: path is in use%s%s", l->path,
			   rc ? ": " : " by another process", rc ? strerror(-rc) : "");
		return -EADDRINUSE;
	}
	sd_log_info("socket %s: removing the socket of a process that is gone", l->path);
	return unlink(l->path) < 0 ? -errno : 0;
}

static int listen_bind(struct listener *l, const struct sockaddr_un *addr)
{
	struct stat st;

	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0 ||
	    bind(l->fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
		return -errno;
	if (lstat(l->path, &st) < 0)
		return -errno;
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	/* Nobody can connect before listen(), so the mode is in force from the first moment. */
	if (chmod(l->path, 0660) < 0 || listen(l->fd, LISTEN_BACKLOG) < 0)
		return -errno;
	return 0;
}

static bool listen_is_inherited(const struct listener *l)
{
	return !strncmp(l->path, FD_PREFIX, strlen(FD_PREFIX));
}

static int listen_option(int fd, int option)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -1 : value;
}

/* "fd:N": who started us listens there already, and keeps the socket file. */
static int listen_inherit(struct listener *l)
{
	char *end;
	long fd = strtol(l->path + strlen(FD_PREFIX), &end, 10);

	if (end == l->path + strlen(FD_PREFIX) || *end || fd < 0 || fd > INT_MAX ||
	    listen_option((int)fd, SO_DOMAIN) != AF_UNIX ||
	    listen_option((int)fd, SO_TYPE) != SOCK_STREAM ||
	    listen_option((int)fd, SO_ACCEPTCONN) != 1) {
		sd_log_err("socket %s: not a UNIX stream socket that listens", l->path);
		return -EINVAL;
	}
	if (fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl((int)fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	l->fd = (int)fd;
	return 0;
}

/* ---- peers ---- */

/* Events 0 on a listening socket reports nothing, so there is no need to remove it. */
static void listen_events(struct listener *l, uint32_t events)
{
	if (l->fd >= 0 && l->src.events != events)
		pe_source_modify(l->pe, &l->src, events);
}

void listener_pause(struct listener *l)
{
	listen_events(l, 0);
}

void listener_resume(struct listener *l)
{
	listen_events(l, EPOLLIN);
}

static bool listen_peer_is_gone(const struct listener *l)
{
	struct pollfd pfd = {.fd = l->ops->peer_fd(l), .events = POLLRDHUP};

	return pfd.fd < 0 || (poll(&pfd, 1, 0) > 0 && (pfd.revents & (POLLRDHUP | POLLHUP)));
}

/*
 * Out of descriptors a connection can neither be taken nor refused, and the listener would report
 * it for ever. The spare one makes room to accept and hang up.
 */
static void listen_refuse(struct listener *l)
{
	int fd;

	if (l->spare_fd >= 0)
		close(l->spare_fd);
	fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		close(fd);
	l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static enum ctx_progress listen_ready(struct pe_source *src, uint32_t revents)
{
	struct listener *l = container_of(src, struct listener, src);
	int fd, rc;

	if (!l->ops->is_free(l) && listen_peer_is_gone(l)) {
		listener_pause(l);
		return CTX_HOUSEKEEPING;
	}
	fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
		sd_log_ratelimited_warn("%s: accept: %s", l->path, strerror(errno));
		listen_refuse(l);
		return CTX_HOUSEKEEPING;
	}
	if (fd < 0)
		return CTX_NOTHING; /* who knocked has left again */
	if (!l->ops->is_free(l)) {
		sd_log_ratelimited_warn("%s: a second %s was turned away", l->path, l->ops->peer);
		close(fd);
		return CTX_HOUSEKEEPING;
	}
	rc = l->ops->start(l, fd);
	if (rc)
		sd_log_ratelimited_warn("%s: %s", l->path, strerror(-rc));
	return CTX_HOUSEKEEPING;
}

/* ---- life ---- */

void listener_init(struct listener *l, const struct listener_ops *ops, struct doca_pe *pe,
		   const char *path)
{
	memset(l, 0, sizeof(*l));
	l->ops = ops;
	l->pe = pe;
	l->lock_fd = -1;
	l->fd = -1;
	l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	snprintf(l->path, sizeof(l->path), "%s", path);
}

int listener_lock(struct listener *l)
{
	int rc;

	if (!l->path[0] || strlen(l->path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		sd_log_err("socket \"%s\": the path is empty or too long", l->path);
		return -EINVAL;
	}
	if (listen_is_inherited(l))
		return 0;
	rc = listen_check_dir(l->path);
	return rc ? rc : listen_lock(l);
}

static int listen_watch(struct listener *l)
{
	l->src.fd = l->fd;
	l->src.events = EPOLLIN;
	l->src.ready = listen_ready;
	return pe_source_add(l->pe, &l->src);
}

static int listen_create(struct listener *l)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int rc;

	memcpy(addr.sun_path, l->path, sizeof(l->path));
	rc = listen_remove_stale(l, &addr);
	return rc ? rc : listen_bind(l, &addr);
}

int listener_open(struct listener *l)
{
	int rc = listen_is_inherited(l) ? listen_inherit(l) : listen_create(l);

	if (!rc)
		rc = listen_watch(l);
	if (rc) {
		sd_log_err("socket %s: %s", l->path, strerror(-rc));
		listener_close(l);
		return rc;
	}
	sd_log_info("listening on %s", l->path);
	return 0;
}

void listener_close(struct listener *l)
{
	struct stat st;

	if (l->fd < 0)
		return;
	pe_source_remove(l->pe, &l->src);
	if (l->ino && !lstat(l->path, &st) && st.st_ino == l->ino && st.st_dev == l->dev)
		unlink(l->path);
	close(l->fd);
	l->fd = -1;
	l->ino = 0;
}

void listener_fini(struct listener *l)
{
	char lock_path[sizeof(l->path) + 8];

	listener_close(l);
	if (l->lock_fd >= 0) {
		snprintf(lock_path, sizeof(lock_path), "%s.lock", l->path);
		unlink(lock_path);
		close(l->lock_fd);
	}
	l->lock_fd = -1;
	if (l->spare_fd >= 0)
		close(l->spare_fd);
	l->spare_fd = -1;
}
