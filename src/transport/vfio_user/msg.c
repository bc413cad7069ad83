/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * A stream socket keeps no message borders. The receiver reads what is there, a few messages ahead,
 * so that a small message costs one system call, and hands them out one by one; only the rest of a
 * long one is asked for exactly. It reads again only when no complete message is left.
 *
 * Descriptors ride on bytes, and the kernel ends a read after the bytes they came with. Peers send
 * a message with one call, so descriptors belong to the message that holds the last byte of their
 * read: always the last one in the buffer. They are collected up to VFU_FDS_MAX per message.
 */
#include "transport/vfio_user/msg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"

#define RX_AHEAD 4096u

/* ---- in ---- */

int vfu_rx_init(struct vfu_rx *rx)
{
	memset(rx, 0, sizeof(*rx));
	rx->buf = malloc(VFU_MSG_MAX);
	return rx->buf ? 0 : -ENOMEM;
}

static void rx_close_fds(struct vfu_rx *rx)
{
	for (unsigned int i = 0; i < rx->nr_fds; i++)
		if (rx->fd[i] >= 0)
			close(rx->fd[i]);
	rx->nr_fds = 0;
}

void vfu_rx_reset(struct vfu_rx *rx)
{
	rx_close_fds(rx);
	rx->pos = 0;
	rx->have = 0;
}

void vfu_rx_fini(struct vfu_rx *rx)
{
	rx_close_fds(rx);
	free(rx->buf);
	rx->buf = NULL;
}

/* 0 or -EMFILE: more than one message may have. */
static int rx_collect_fds(struct vfu_rx *rx, struct msghdr *mh)
{
	bool lost = mh->msg_flags & MSG_CTRUNC;
	struct cmsghdr *c;
	size_t cnt;
	int fd;

	for (c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		cnt = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < cnt; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (rx->nr_fds < VFU_FDS_MAX) {
				rx->fd[rx->nr_fds++] = fd;
				continue;
			}
			close(fd);
			lost = true;
		}
	}
	rx->fd_mark = rx->have;
	return lost ? -EMFILE : 0;
}

/* Reads up to len bytes more: their number, 0 nothing now, -errno (-ENODATA: end of stream). */
static int rx_read(struct vfu_rx *rx, int sock, size_t len)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * VFU_FDS_MAX)];
	} control;
	struct iovec iov = {.iov_base = rx->buf + rx->have, .iov_len = len};
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n;
	int rc = 0;

	do {
		n = recvmsg(sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	rx->have += (size_t)n;
	if (mh.msg_controllen || (mh.msg_flags & MSG_CTRUNC))
		rc = rx_collect_fds(rx, &mh);
	if (rc)
		return rc;
	return n ? (int)n : -ENODATA;
}

/* Bytes that the message at pos has as far as is known; 0: it is complete. */
static int rx_missing(const struct vfu_rx *rx, size_t *ret_missing)
{
	size_t have = rx->have - rx->pos;
	struct vfu_hdr hdr;

	*ret_missing = sizeof(hdr) - min(have, sizeof(hdr));
	if (*ret_missing)
		return 0;
	memcpy(&hdr, rx->buf + rx->pos, sizeof(hdr));
	if (hdr.size < sizeof(hdr) || hdr.size > VFU_MSG_MAX ||
	    (hdr.flags & VFU_F_TYPE) > VFU_F_REPLY)
		return -EPROTO;
	*ret_missing = hdr.size - min(have, (size_t)hdr.size);
	return 0;
}

/* The message that is not complete moves to the beginning of the buffer. */
static void rx_compact(struct vfu_rx *rx)
{
	if (!rx->pos)
		return;
	memmove(rx->buf, rx->buf + rx->pos, rx->have - rx->pos);
	rx->fd_mark -= min(rx->fd_mark, rx->pos);
	rx->have -= rx->pos;
	rx->pos = 0;
}

/*
 * How much to read when missing bytes are needed. What comes beyond belongs to other messages; then
 * descriptors already here could no longer be told from theirs.
 */
static size_t rx_ask(const struct vfu_rx *rx, size_t missing)
{
	size_t room = min((size_t)RX_AHEAD, VFU_MSG_MAX - rx->have);

	return rx->nr_fds ? missing : max(missing, room);
}

int vfu_rx_next(struct vfu_rx *rx, int sock, struct vfu_msg *ret_msg)
{
	size_t missing;
	int n;

	for (;;) {
		n = rx_missing(rx, &missing);
		if (n)
			return n;
		if (!missing)
			break;
		if (sock < 0)
			return 0;
		rx_compact(rx);
		n = rx_read(rx, sock, rx_ask(rx, missing));
		if (n == -ENODATA && rx->have)
			return -ECONNRESET;
		if (n <= 0)
			return n;
	}
	memcpy(&ret_msg->hdr, rx->buf + rx->pos, sizeof(ret_msg->hdr));
	ret_msg->payload = rx->buf + rx->pos + sizeof(ret_msg->hdr);
	ret_msg->len = ret_msg->hdr.size - sizeof(ret_msg->hdr);
	ret_msg->nr_fds = rx->fd_mark <= rx->pos + ret_msg->hdr.size ? rx->nr_fds : 0;
	return 1;
}

int vfu_rx_take_fd(struct vfu_rx *rx, const struct vfu_msg *m, unsigned int i)
{
	int fd;

	if (i >= m->nr_fds)
		return -1;
	fd = rx->fd[i];
	rx->fd[i] = -1;
	return fd;
}

void vfu_rx_consume(struct vfu_rx *rx, const struct vfu_msg *m)
{
	if (m->nr_fds)
		rx_close_fds(rx);
	rx->pos += m->hdr.size;
	if (rx->pos == rx->have)
		rx->pos = rx->have = 0;
}

/* ---- out ---- */

int vfu_tx_init(struct vfu_tx *tx)
{
	memset(tx, 0, sizeof(*tx));
	tx->buf = malloc(VFU_MSG_MAX);
	return tx->buf ? 0 : -ENOMEM;
}

void vfu_tx_fini(struct vfu_tx *tx)
{
	free(tx->buf);
	tx->buf = NULL;
}

void vfu_tx_begin(struct vfu_tx *tx, uint16_t id, uint16_t cmd, uint32_t flags)
{
	const struct vfu_hdr hdr = {.id = id, .cmd = cmd, .flags = flags};

	memcpy(tx->buf, &hdr, sizeof(hdr));
	tx->len = sizeof(hdr);
	tx->sent = 0;
	tx->nr_fds = 0;
}

void *vfu_tx_room(struct vfu_tx *tx, size_t len)
{
	uint8_t *room = tx->buf + tx->len;

	if (len > VFU_MSG_MAX - tx->len)
		return NULL;
	memset(room, 0, len);
	tx->len += len;
	return room;
}

void vfu_tx_add(struct vfu_tx *tx, const void *data, size_t len)
{
	void *room = vfu_tx_room(tx, len);

	if (room)
		memcpy(room, data, len);
}

static void tx_attach_fds(const struct vfu_tx *tx, struct msghdr *mh, char *control)
{
	struct cmsghdr *c;

	mh->msg_control = control;
	mh->msg_controllen = CMSG_SPACE(sizeof(int) * tx->nr_fds);
	memset(control, 0, mh->msg_controllen);
	c = CMSG_FIRSTHDR(mh);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * tx->nr_fds);
	memcpy(CMSG_DATA(c), tx->fd, sizeof(int) * tx->nr_fds);
}

int vfu_tx_send(struct vfu_tx *tx, int sock)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * VFU_FDS_MAX)];
	} control;
	struct iovec iov = {tx->buf + tx->sent, tx->len - tx->sent};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (!tx->len)
		return 0;
	if (!tx->sent) {
		uint32_t size = (uint32_t)tx->len;

		memcpy(tx->buf + offsetof(struct vfu_hdr, size), &size, sizeof(size));
		if (tx->nr_fds)
			tx_attach_fds(tx, &mh, control.buf);
	}
	do {
		n = sendmsg(sock, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	tx->sent += (size_t)n;
	if (tx->sent < tx->len)
		return -EAGAIN;
	tx->len = tx->sent = 0;
	return 0;
}
