/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio_cl.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int cnt = 0;

	while (d && readdir(d))
		cnt++;
	if (d)
		closedir(d);
	return cnt;
}

void cl_run(struct cl *c)
{
	assert_true(fake_pe_run(&c->pe));
}

int cl_dial(struct cl *c)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", c->fn.socket_path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

void cl_connect(struct cl *c)
{
	c->sock = cl_dial(c);
	assert_true(c->sock >= 0);
	cl_run(c);
}

void cl_bytes(struct cl *c, const void *buf, size_t len, const int *fds, unsigned int nr)
{
	char control[CMSG_SPACE(sizeof(int) * 253)];
	struct iovec iov = {(void *)buf, len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *m;

	if (nr) {
		mh.msg_control = control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nr);
		m = CMSG_FIRSTHDR(&mh);
		m->cmsg_level = SOL_SOCKET;
		m->cmsg_type = SCM_RIGHTS;
		m->cmsg_len = CMSG_LEN(sizeof(int) * nr);
		memcpy(CMSG_DATA(m), fds, sizeof(int) * nr);
	}
	assert_int_equal(sendmsg(c->sock, &mh, MSG_NOSIGNAL), (ssize_t)len);
}

size_t cl_format(struct cl *c, uint8_t *buf, uint16_t cmd, uint32_t flags,
			const void *payload, size_t len)
{
	struct vfuc_hdr hdr = {++c->id, cmd, (uint32_t)(sizeof(hdr) + len), flags, 0};

	memcpy(buf, &hdr, sizeof(hdr));
	memcpy(buf + sizeof(hdr), payload, len);
	return sizeof(hdr) + len;
}

void cl_post(struct cl *c, uint16_t cmd, uint32_t flags, const void *payload, size_t len,
		    const int *fds, unsigned int nr)
{
	uint8_t buf[8192];

	cl_bytes(c, buf, cl_format(c, buf, cmd, flags, payload, len), fds, nr);
}

void cl_close_got(struct cl *c)
{
	while (c->nr_got)
		close(c->got_fd[--c->nr_got]);
}

ssize_t cl_read(struct cl *c, void *buf, size_t len)
{
	char control[CMSG_SPACE(sizeof(int) * 8)];
	struct iovec iov = {buf, len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(c->sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *m = CMSG_FIRSTHDR(&mh);

	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	if (!n)
		return -1;
	if (m) {
		cl_close_got(c);
		c->nr_got = (unsigned int)((m->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(c->got_fd, CMSG_DATA(m), c->nr_got * sizeof(int));
	}
	return n;
}

bool cl_closed(struct cl *c)
{
	char b;

	cl_run(c);
	return cl_read(c, &b, 1) < 0;
}

bool cl_silent(struct cl *c)
{
	char b;

	cl_run(c);
	return cl_read(c, &b, 1) == 0;
}

int cl_reply_to(struct cl *c, uint16_t id, uint16_t cmd, void *payload, size_t len)
{
	struct vfuc_hdr hdr;

	cl_run(c);
	assert_int_equal(cl_read(c, &hdr, sizeof(hdr)), sizeof(hdr));
	assert_int_equal(hdr.id, id);
	assert_int_equal(hdr.cmd, cmd);
	assert_int_equal(hdr.flags & VFUC_TYPE, VFUC_REPLY);
	if (hdr.flags & VFUC_ERROR) {
		assert_int_equal(hdr.size, sizeof(hdr));
		assert_int_not_equal(hdr.error, 0);
		return (int)hdr.error;
	}
	assert_int_equal(hdr.error, 0);
	assert_int_equal(hdr.size, sizeof(hdr) + len);
	if (len)
		assert_int_equal(cl_read(c, payload, len), len);
	return 0;
}

int cl_reply(struct cl *c, uint16_t cmd, void *payload, size_t len)
{
	return cl_reply_to(c, c->id, cmd, payload, len);
}

int cl_do(struct cl *c, uint16_t cmd, const void *payload, size_t len, const int *fds,
		 unsigned int nr)
{
	cl_post(c, cmd, 0, payload, len, fds, nr);
	return cl_reply(c, cmd, NULL, 0);
}

int cl_ask(struct cl *c, uint16_t cmd, void *payload, size_t len, size_t reply_len)
{
	cl_post(c, cmd, 0, payload, len, NULL, 0);
	return cl_reply(c, cmd, payload, reply_len);
}

int cl_version(struct cl *c, struct vfuc_version *v, size_t text_len)
{
	struct vfuc_hdr hdr;

	cl_post(c, VFUC_VERSION, 0, v, 4 + text_len, NULL, 0);
	cl_run(c);
	assert_int_equal(cl_read(c, &hdr, sizeof(hdr)), sizeof(hdr));
	if (hdr.flags & VFUC_ERROR)
		return (int)hdr.error;
	assert_in_range(hdr.size, 16 + 4 + 3, 16 + sizeof(*v));
	assert_int_equal(cl_read(c, v, hdr.size - 16), hdr.size - 16);
	assert_int_equal(((char *)v)[hdr.size - 17], 0);
	return 0;
}

void cl_start(struct cl *c)
{
	struct vfuc_version v = {.json = "{\"capabilities\":{\"max_msg_fds\":8,"
					 "\"write_multiple\":true}}"};

	cl_connect(c);
	assert_int_equal(cl_version(c, &v, strlen(v.json) + 1), 0);
}

int cl_map(struct cl *c, uint64_t addr, uint64_t size, uint64_t off, uint32_t flags, int fd)
{
	struct vfuc_dma_map w = {sizeof(w), flags, off, addr, size};

	return cl_do(c, VFUC_DMA_MAP, &w, sizeof(w), &fd, fd >= 0);
}

int cl_unmap(struct cl *c, uint64_t addr, uint64_t size, uint32_t flags)
{
	struct vfuc_dma_unmap w = {sizeof(w), flags, addr, size}, sent = w;
	int rc = cl_ask(c, VFUC_DMA_UNMAP, &w, sizeof(w), sizeof(w));

	assert_memory_equal(&w, &sent, sizeof(w));
	return rc;
}

int cl_irqs(struct cl *c, uint32_t flags, uint32_t index, uint32_t start, uint32_t count,
		   const int *fds, unsigned int nr)
{
	struct vfuc_irq_set w = {sizeof(w), flags, index, start, count};

	return cl_do(c, VFUC_SET_IRQS, &w, sizeof(w), fds, nr);
}

/* ---- environment ---- */

int cl_setup(void **state)
{
	struct cl *c = calloc(1, sizeof(*c));

	c->fds_before = count_fds();
	snprintf(c->dir, sizeof(c->dir), "/tmp/vfio-msg-XXXXXX");
	if (!mkdtemp(c->dir))
		return -1;
	snprintf(c->fn.socket_path, sizeof(c->fn.socket_path), "%s/s", c->dir);
	c->sock = -1;
	c->mem_fd = memfd_create("guest", MFD_CLOEXEC);
	if (c->mem_fd < 0 || ftruncate(c->mem_fd, MEM_SIZE) < 0)
		return -1;
	c->pci.virtio = &c->dev;
	if (vfio_user_transport.open(&c->pci, &c->fn, &c->pe, &c->port) ||
	    vfio_user_transport.plug(c->port))
		return -1;
	*state = c;
	return 0;
}

/* The socket and its lock are gone and no descriptor leaked. */
int cl_teardown(void **state)
{
	struct cl *c = *state;
	int fds;

	vfio_user_transport.close(c->port);
	if (c->sock >= 0)
		close(c->sock);
	close(c->mem_fd);
	cl_close_got(c);
	fds = count_fds();
	if (fds != c->fds_before) {
		fprintf(stderr, "%d descriptors leaked\n", fds - c->fds_before);
		return -1;
	}
	if (rmdir(c->dir))
		return -1;
	free(c);
	return 0;
}
