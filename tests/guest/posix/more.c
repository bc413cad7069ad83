/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that few programs make: handles, splice, advice, sockets by name, restricted lookups. */
#include <linux/openat2.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "posix.h"

struct handle {
	struct file_handle h;
	char room[MAX_HANDLE_SZ];
};

/* Opens what the handle is of, which holds an "x". */
static long opens(struct handle *h)
{
	int fd = open_by_handle_at(AT_FDCWD, &h->h, O_RDONLY);
	char c = 0;

	if (fd < 0)
		return -1;
	SAME("open_by_handle_at(2): and it is the file", pread(fd, &c, 1, 0) == 1 ? c : -1, 'x');
	return close(fd);
}

static void handle_as_user(void *arg)
{
	struct handle *h = arg;

	px_become(1000, 1000, NULL, 0);
	CALL("open_by_handle_at(2) EPERM: the caller lacks CAP_DAC_READ_SEARCH", EPERM,
	     open_by_handle_at(AT_FDCWD, &h->h, O_RDONLY));
}

static void more_handles(void)
{
	struct handle h = { .h.handle_bytes = MAX_HANDLE_SZ }, again = h, small = { .h = { 0 } };
	int mount;

	px_put("f", "x");
	CALL("name_to_handle_at(2) EOVERFLOW: the handle does not fit", EOVERFLOW,
	     name_to_handle_at(AT_FDCWD, "f", &small.h, &mount, 0));
	HOLDS("name_to_handle_at(2): handle_bytes is the size required", small.h.handle_bytes > 0);
	CALL("name_to_handle_at(2): a file", 0, name_to_handle_at(AT_FDCWD, "f", &h.h, &mount, 0));
	CALL("name_to_handle_at(2) EINVAL: an unknown flag", EINVAL,
	     name_to_handle_at(AT_FDCWD, "f", &again.h, &mount, 0x40000000));
	CALL("name_to_handle_at(2): again", 0,
	     name_to_handle_at(AT_FDCWD, "f", &again.h, &mount, 0));
	HOLDS("name_to_handle_at(2): the same file has the same handle",
	      h.h.handle_bytes == again.h.handle_bytes &&
		      !memcmp(h.h.f_handle, again.h.f_handle, h.h.handle_bytes));
	CALL("open_by_handle_at(2): opens the file", 0, opens(&h));
	NEED(rename("f", "g"));
	CALL("open_by_handle_at(2): a rename does not matter", 0, opens(&h));
	px_in_child(handle_as_user, &h);
	NEED(unlink("g"));
	CALL("open_by_handle_at(2) ESTALE: the file no longer exists", ESTALE,
	     open_by_handle_at(AT_FDCWD, &h.h, O_RDONLY));
}

static void more_splice(void)
{
	char buf[16] = "";
	loff_t off = 2;
	int in, out, p[2];

	px_put("in", "0123456789");
	px_put("out", "abcdef");
	in = (int)NEED(open("in", O_RDONLY));
	out = (int)NEED(open("out", O_RDWR));
	NEED(pipe(p));
	SAME("splice(2): from a file at an offset into a pipe", splice(in, &off, p[1], NULL, 5, 0),
	     5);
	SAME("splice(2): the offset is adjusted", off, 7);
	SAME("splice(2): the file offset is not changed", lseek(in, 0, SEEK_CUR), 0);
	off = 3;
	SAME("splice(2): from a pipe into a file", splice(p[0], NULL, out, &off, 5, 0), 5);
	SAME("splice(2): the file grows", px_stat("out").st_size, 8);
	SAME("splice(2): it has the bytes", pread(out, buf, 16, 0), 8);
	HOLDS("splice(2): the same ones", !memcmp(buf, "abc23456", 8));
	SAME("splice(2): 0 at the end of file",
	     (off = 10, splice(in, &off, p[1], NULL, 5, SPLICE_F_NONBLOCK)), 0);
	CALL("splice(2) EINVAL: neither is a pipe", EINVAL, splice(in, NULL, out, NULL, 5, 0));
	CALL("splice(2) ESPIPE: an offset for a pipe", ESPIPE, splice(p[0], &off, out, NULL, 5, 0));
	NEED(fcntl(out, F_SETFL, O_APPEND));
	NEED(write(p[1], "x", 1));
	CALL("splice(2) EINVAL: the target is open for appending", EINVAL,
	     splice(p[0], NULL, out, NULL, 1, 0));
}

static void more_advice(void)
{
	size_t len = 16384;
	char *map, c = 0;
	int fd;

	fd = (int)NEED(open("f", O_RDWR | O_CREAT, 0644));
	NEED(ftruncate(fd, (off_t)len));
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	HOLDS("mmap(2): shared", map != MAP_FAILED);
	if (map == MAP_FAILED)
		return;
	memset(map, 'm', len);
	CALL("madvise(2) MADV_DONTNEED: accepted", 0, madvise(map, len, MADV_DONTNEED));
	SAME("madvise(2) MADV_DONTNEED: a shared mapping keeps what was stored", map[5000], 'm');
	CALL("madvise(2) MADV_REMOVE: pages in the middle", 0,
	     madvise(map + 4096, 4096, MADV_REMOVE));
	SAME("madvise(2) MADV_REMOVE: subsequent accesses see zeros", map[5000], 0);
	SAME("madvise(2) MADV_REMOVE: the page before", map[4095], 'm');
	SAME("madvise(2) MADV_REMOVE: the page behind", map[8192], 'm');
	SAME("madvise(2) MADV_REMOVE: the size stays", px_stat("f").st_size, (long long)len);
	CALL("madvise(2) MADV_WILLNEED: accepted", 0, madvise(map, len, MADV_WILLNEED));
	map = mremap(map, len, 2 * len, MREMAP_MAYMOVE);
	HOLDS("mremap(2): a longer mapping", map != MAP_FAILED);
	if (map == MAP_FAILED)
		return;
	NEED(ftruncate(fd, (off_t)(2 * len)));
	map[len] = 'n';
	NEED(pread(fd, &c, 1, (off_t)len));
	SAME("mremap(2): what is stored behind is in the file", c, 'n');
	NEED(munmap(map, 2 * len));
	CALL("msync(2) ENOMEM: the memory is not mapped", ENOMEM, msync(map, len, MS_SYNC));
}

static struct sockaddr_un *address(const char *name)
{
	static struct sockaddr_un a;

	memset(&a, 0, sizeof(a));
	a.sun_family = AF_UNIX;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", name);
	return &a;
}

static long binds(const char *name, int *ret)
{
	int fd = (int)NEED(socket(AF_UNIX, SOCK_STREAM, 0));

	if (ret)
		*ret = fd;
	return bind(fd, (struct sockaddr *)address(name), sizeof(struct sockaddr_un));
}

static long connects(const char *name)
{
	int fd = (int)NEED(socket(AF_UNIX, SOCK_STREAM, 0)), err;
	long ret = connect(fd, (struct sockaddr *)address(name), sizeof(struct sockaddr_un));

	err = errno;
	close(fd);
	errno = err;
	return ret;
}

static void socket_as_user(void *arg)
{
	px_become(1000, 1000, NULL, 0);
	CALL("connect(2) EACCES: write permission is denied on the socket file", EACCES,
	     connects("t"));
	CALL("bind(2) EACCES: no write permission on the directory", EACCES, binds("mine", NULL));
}

static void more_sockets(void)
{
	int fd;

	NEED(chmod(".", 0755));
	px_put("f", "x");
	umask(022);
	CALL("bind(2): makes a socket file", 0, binds("s", &fd));
	SAME("unix(7): its mode is 0777 without the umask", px_stat("s").st_mode, S_IFSOCK | 0755);
	CALL("bind(2) EADDRINUSE: the name is taken", EADDRINUSE, binds("s", NULL));
	CALL("bind(2) EADDRINUSE: by a file", EADDRINUSE, binds("f", NULL));
	CALL("bind(2) ENOENT: in a missing directory", ENOENT, binds("none/s", NULL));
	CALL("bind(2) ENOTDIR: in a file", ENOTDIR, binds("f/s", NULL));
	CALL("connect(2) ECONNREFUSED: nobody listens", ECONNREFUSED, connects("s"));
	CALL("connect(2) ECONNREFUSED: a file", ECONNREFUSED, connects("f"));
	CALL("connect(2) ENOENT: no such name", ENOENT, connects("none"));
	NEED(listen(fd, 4));
	CALL("connect(2): somebody listens", 0, connects("s"));
	NEED(rename("s", "t"));
	CALL("connect(2): under its new name", 0, connects("t"));
	NEED(link("t", "u"));
	CALL("connect(2): under its other name", 0, connects("u"));
	px_in_child(socket_as_user, NULL);
	close(fd);
	CALL("connect(2) ECONNREFUSED: it was closed", ECONNREFUSED, connects("t"));
}

static long looks_up(int dir, const char *path, uint64_t resolve)
{
	struct open_how how = { .flags = O_PATH, .resolve = resolve };
	long fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));

	return fd < 0 ? -1 : close((int)fd);
}

static void more_resolve(void)
{
	static const struct {
		const char *law, *path;
		uint64_t resolve;
		int want;
	} rows[] = {
		{ "RESOLVE_BENEATH: below it", "e/f", RESOLVE_BENEATH, 0 },
		{ "RESOLVE_BENEATH EXDEV: above it", "../f", RESOLVE_BENEATH, EXDEV },
		{ "RESOLVE_BENEATH: .. within", "e/../e/f", RESOLVE_BENEATH, 0 },
		{ "RESOLVE_BENEATH EXDEV: an absolute link", "abs", RESOLVE_BENEATH, EXDEV },
		{ "RESOLVE_BENEATH EXDEV: a link that leads out", "out", RESOLVE_BENEATH, EXDEV },
		{ "RESOLVE_IN_ROOT: an absolute link starts here", "abs", RESOLVE_IN_ROOT, 0 },
		{ "RESOLVE_IN_ROOT ENOENT: .. of here is here", "../f", RESOLVE_IN_ROOT, ENOENT },
		{ "RESOLVE_NO_SYMLINKS ELOOP: a link on the way", "le/f", RESOLVE_NO_SYMLINKS,
		  ELOOP },
		{ "RESOLVE_NO_SYMLINKS ELOOP: a link at the end", "le", RESOLVE_NO_SYMLINKS,
		  ELOOP },
		{ "RESOLVE_NO_SYMLINKS: none", "e/f", RESOLVE_NO_SYMLINKS, 0 },
		{ "RESOLVE_NO_XDEV: the same mount", "e/f", RESOLVE_NO_XDEV, 0 },
		{ "EINVAL: an unknown flag", "e/f", 1ULL << 60, EINVAL },
	};
	int dir;

	NEED(mkdir("d", 0755));
	NEED(mkdir("d/e", 0755));
	px_put("d/e/f", "x");
	px_put("f", "x");
	NEED(symlink("/e/f", "d/abs"));
	NEED(symlink("../f", "d/out"));
	NEED(symlink("e", "d/le"));
	dir = (int)NEED(open("d", O_PATH));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CALL(px_law("openat2(2) %s", rows[i].law), rows[i].want,
		     looks_up(dir, rows[i].path, rows[i].resolve));
	if (!px_own_mounts() || mount("none", "d/e", "tmpfs", 0, NULL) < 0)
		px_skip("cannot mount");
	dir = (int)NEED(open("d", O_PATH)); /* among the mounts that are ours */
	CALL("openat2(2) RESOLVE_NO_XDEV EXDEV: another mount", EXDEV,
	     looks_up(dir, "e", RESOLVE_NO_XDEV));
}

static void more_poll(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct pollfd p = { .events = POLLIN | POLLOUT };

	px_put("f", "");
	p.fd = (int)NEED(open("f", O_RDWR));
	SAME("poll(2): a regular file", poll(&p, 1, 0), 1);
	SAME("poll(2): is always ready to be read and written", p.revents, POLLIN | POLLOUT);
	CALL("epoll_ctl(2) EPERM: the file does not support epoll", EPERM,
	     epoll_ctl((int)NEED(epoll_create1(0)), EPOLL_CTL_ADD, p.fd, &ev));
}

const struct px_topic px_topics_more[] = {
	{ "more_handles", more_handles },
	{ "more_splice", more_splice },
	{ "more_advice", more_advice },
	{ "more_sockets", more_sockets },
	{ "more_resolve", more_resolve },
	{ "more_poll", more_poll },
	{ NULL, NULL },
};
