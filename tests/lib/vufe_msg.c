/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: the only state is the socket. A message is one sendmsg with its header,
 * payload and descriptors; an answer is read header first, then as many bytes as the header says,
 * never more than the caller has room for. A time-out guards every read, so that a back end which
 * forgets an answer fails a test instead of hanging it.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vufe.h"

int vufe_fail(struct vufe_dev *dev, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(dev->err, sizeof(dev->err), fmt, ap);
	va_end(ap);
	return err;
}

int vufe_send_raw(int sock, const void *buf, size_t len, const int *fds, unsigned nr_fds)
{
	char ctl[CMSG_SPACE(VUFE_FDS_MAX * sizeof(int))] __attribute__((aligned(8))) = {0};
	struct iovec iov = {(void *)buf, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (nr_fds > VUFE_FDS_MAX)
		return -EINVAL;
	if (nr_fds) {
		struct cmsghdr *c = (struct cmsghdr *)ctl;

		msg.msg_control = ctl;
		msg.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nr_fds * sizeof(int));
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int vufe_send(struct vufe_dev *dev, uint32_t req, uint32_t flags, const void *payload, size_t len,
	      const int *fds, unsigned nr_fds)
{
	struct {
		struct vufe_hdr hdr;
		uint8_t payload[4096];
	} msg;
	int r;

	if (len > sizeof(msg.payload))
		return vufe_fail(dev, -EMSGSIZE, "message %u: payload of %zu bytes", req, len);
	msg.hdr = (struct vufe_hdr){req, VUFE_VERSION | flags, (uint32_t)len};
	if (len)
		memcpy(msg.payload, payload, len);
	r = vufe_send_raw(dev->sock, &msg, sizeof(msg.hdr) + len, fds, nr_fds);
	if (r)
		vufe_fail(dev, r, "message %u: cannot send: %s", req, strerror(-r));
	return r;
}

static void recv_fds(struct msghdr *msg, int *fds, unsigned *nr_fds, unsigned cap)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int), i;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (*nr_fds < cap)
				fds[(*nr_fds)++] = fd;
			else
				close(fd);
		}
	}
}

int vufe_recv_exact(int sock, unsigned timeout_ms, void *buf, size_t len, int *fds,
		    unsigned *nr_fds, unsigned cap)
{
	size_t got = 0;

	while (got < len) {
		char ctl[CMSG_SPACE(VUFE_FDS_MAX * sizeof(int))] __attribute__((aligned(8)));
		struct iovec iov = {(char *)buf + got, len - got};
		struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
				     .msg_controllen = sizeof(ctl)};
		struct pollfd p = {.fd = sock, .events = POLLIN};
		ssize_t n = poll(&p, 1, (int)timeout_ms);

		if (n == 0)
			return -ETIMEDOUT;
		n = n < 0 ? n : recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		recv_fds(&msg, fds, nr_fds, cap);
		got += (size_t)n;
	}
	return 0;
}

int vufe_recv(int sock, unsigned timeout_ms, struct vufe_hdr *hdr, void *payload, size_t cap,
	      int *fds, unsigned *nr_fds)
{
	unsigned none = 0, room = nr_fds ? *nr_fds : 0;
	int r;

	if (nr_fds)
		*nr_fds = 0;
	else
		nr_fds = &none;
	r = vufe_recv_exact(sock, timeout_ms, hdr, sizeof(*hdr), fds, nr_fds, room);
	if (r)
		return r;
	if (hdr->size > cap)
		return -EMSGSIZE;
	return vufe_recv_exact(sock, timeout_ms, payload, hdr->size, fds, nr_fds, room);
}

static int recv_answer(struct vufe_dev *dev, uint32_t req, void *reply, size_t len)
{
	struct vufe_hdr hdr;
	int r = vufe_recv(dev->sock, dev->opts.timeout_ms, &hdr, reply, len, NULL, NULL);

	if (r == -ENODATA || r == -ECONNRESET)
		return vufe_fail(dev, r, "message %u: the back end hung up", req);
	if (r)
		return vufe_fail(dev, r, "message %u: no answer: %s", req, strerror(-r));
	if (hdr.req != req || hdr.flags != (VUFE_VERSION | VUFE_REPLY) || hdr.size != len)
		return vufe_fail(dev, -EPROTO, "message %u: answer %u, flags 0x%x, %u bytes", req,
				 hdr.req, hdr.flags, hdr.size);
	return 0;
}

int vufe_do(struct vufe_dev *dev, uint32_t req, const void *payload, size_t len, const int *fds,
	    unsigned nr_fds)
{
	bool ack = dev->proto & VUFE_PF_REPLY_ACK;
	uint64_t result;
	int r = vufe_send(dev, req, ack ? VUFE_NEED_REPLY : 0, payload, len, fds, nr_fds);

	if (r || !ack)
		return r;
	r = recv_answer(dev, req, &result, sizeof(result));
	if (r)
		return r;
	return result ? vufe_fail(dev, -EREMOTEIO, "message %u: refused by the back end", req) : 0;
}

int vufe_do_u64(struct vufe_dev *dev, uint32_t req, uint64_t v, int fd)
{
	return vufe_do(dev, req, &v, sizeof(v), &fd, fd >= 0);
}

int vufe_ask(struct vufe_dev *dev, uint32_t req, const void *payload, size_t len, void *reply,
	     size_t reply_len)
{
	int r = vufe_send(dev, req, 0, payload, len, NULL, 0);

	return r ? r : recv_answer(dev, req, reply, reply_len);
}

int vufe_ask_u64(struct vufe_dev *dev, uint32_t req, uint64_t *ret_v)
{
	return vufe_ask(dev, req, NULL, 0, ret_v, sizeof(*ret_v));
}
