/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/eventfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * By name, which asks nobody; where there is no /proc, by being an anonymous inode (which has no
 * type).
 */
bool eventfd_check(int fd)
{
	static const char want[] = "anon_inode:[eventfd]";
	char path[32], name[sizeof(want)];
	struct stat st;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof(name));
	if (n < 0)
		return !fstat(fd, &st) && !(st.st_mode & S_IFMT);
	return n == sizeof(want) - 1 && !memcmp(name, want, sizeof(want) - 1);
}

int eventfd_make_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}
