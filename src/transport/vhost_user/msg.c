/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * A stream socket keeps no message borders: header, payload and even single bytes may arrive
 * apart. The receiver therefore asks for exactly the bytes that the current message still lacks,
 * first up to the end of the header, then up to the end of the payload, and never reads into the
 * next message. Descriptors ride on bytes; those that arrive anywhere in a message belong to that
 * message. They are collected up to VHU_FDS_MAX, the surplus is closed and counted.
 *
 * Sending is the mirror: one reply at a time, resumed where the socket left off. A session reads no
 * further message while a reply is pending, so the output queue is this one reply.
 */
#include "transport/vhost_user/msg.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"

void vhu_msg_init(struct vhu_msg *m)
{
	memset(m, 0, sizeof(*m));
}

void vhu_msg_reset(struct vhu_msg *m)
{
	for (unsigned int i = 0; i < m->nr_fds; i++)
		if (m->fd[i] >= 0)
			close(m->fd[i]);
	m->nr_fds = 0;
	m->got = 0;
	memset(&m->hdr, 0, sizeof(m->hdr));
	memset(&m->payload, 0, sizeof(m->payload));
}

int vhu_msg_take_fd(struct vhu_msg *m, unsigned int i)
{
	int fd;

	if (i >= m->nr_fds)
		return -1;
	fd = m->fd[i];
	m->fd[i] = -1;
	return fd;
}

void vhu_msg_limit_fds(struct vhu_msg *m, unsigned int max)
{
	while (m->nr_fds > max) {
		close(m->fd[--m->nr_fds]);
		m->fds_dropped++;
	}
}

static void msg_collect_fds(struct vhu_msg *m, struct msghdr *mh)
{
	struct cmsghdr *c;
	size_t cnt;
	int fd;

	for (c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		cnt = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < cnt; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (m->nr_fds < VHU_FDS_MAX) {
				m->fd[m->nr_fds++] = fd;
			} else {
				close(fd);
				m->fds_dropped++;
			}
		}
	}
}

/* Reads up to len bytes to dst: their number, 0 nothing now, -errno (-ENODATA: end of stream). */
static int msg_read(int sock, struct vhu_msg *m, void *dst, size_t len)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * VHU_FDS_MAX)];
	} control;
	struct iovec iov = {.iov_base = dst, .iov_len = len};
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n;

	do {
		n = recvmsg(sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	msg_collect_fds(m, &mh);
	if (mh.msg_flags & MSG_CTRUNC)
		return -EMFILE;
	return n ? (int)n : -ENODATA;
}

static int msg_check_hdr(const struct vhu_hdr *hdr)
{
	if ((hdr->flags & VHU_VERSION_MASK) != VHU_VERSION || (hdr->flags & VHU_REPLY))
		return -EPROTO;
	return hdr->size > sizeof(union vhu_payload) ? -EPROTO : 0;
}

int vhu_msg_recv(int sock, struct vhu_msg *m)
{
	size_t want = sizeof(m->hdr);
	uint8_t *dst;
	int n;

	for (;;) {
		if (m->got >= sizeof(m->hdr)) {
			n = msg_check_hdr(&m->hdr);
			if (n)
				return n;
			want = sizeof(m->hdr) + m->hdr.size;
			dst = (uint8_t *)&m->payload + (m->got - sizeof(m->hdr));
		} else {
			dst = (uint8_t *)&m->hdr + m->got;
		}
		if (m->got >= sizeof(m->hdr) && m->got == want)
			return 1;
		n = msg_read(sock, m, dst, want - m->got);
		if (n == -ENODATA && m->got)
			return -ECONNRESET;
		if (n <= 0)
			return n;
		m->got += (size_t)n;
	}
}

void vhu_reply_init(struct vhu_reply *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = -1;
}

void vhu_reply_release(struct vhu_reply *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

static void reply_attach_fd(struct msghdr *mh, char *control, size_t len, int fd)
{
	struct cmsghdr *c;

	mh->msg_control = control;
	mh->msg_controllen = len;
	c = CMSG_FIRSTHDR(mh);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
}

int vhu_reply_send(int sock, struct vhu_reply *r)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = {0};
	size_t done = r->sent, hdr_left = sizeof(r->hdr) - min(done, sizeof(r->hdr));
	size_t off = done - (sizeof(r->hdr) - hdr_left);
	struct iovec iov[2] = {
		{(uint8_t *)&r->hdr + sizeof(r->hdr) - hdr_left, hdr_left},
		{(uint8_t *)&r->payload + off, r->hdr.size - off},
	};
	struct msghdr mh = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t n;

	if (r->fd >= 0 && !done)
		reply_attach_fd(&mh, control.buf, sizeof(control.buf), r->fd);
	do {
		n = sendmsg(sock, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	r->sent += (size_t)n;
	if (r->sent < sizeof(r->hdr) + r->hdr.size)
		return -EAGAIN;
	vhu_reply_release(r);
	return 0;
}
