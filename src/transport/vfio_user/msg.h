/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages on a stream socket, without blocking, both ways. Pure: no device, no log, no state but
 * its own.
 */
#ifndef VFIO_USER_MSG_H
#define VFIO_USER_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/vfio_user/proto.h"

#define VFU_XFER_MAX 1048576u /* data of one access, ours and the protocol's default */
#define VFU_MSG_MAX (sizeof(struct vfu_hdr) + sizeof(struct vfu_region_access) + VFU_XFER_MAX)
#define VFU_FDS_MAX 253 /* what the kernel takes in one message; clients do not always ask */

/* What has come in. Descriptors belong to it until taken. */
struct vfu_rx {
	uint8_t *buf; /* VFU_MSG_MAX bytes */
	size_t pos, have; /* buf[pos..have) is not consumed */
	unsigned int nr_fds;
	int fd[VFU_FDS_MAX]; /* -1: taken */
	size_t fd_mark; /* they came with bytes up to this one, exclusive */
};

/* One complete message; payload and descriptors stay in the vfu_rx until vfu_rx_consume(). */
struct vfu_msg {
	struct vfu_hdr hdr;
	const uint8_t *payload; /* unaligned */
	size_t len; /* of the payload */
	unsigned int nr_fds; /* of vfu_rx */
};

int vfu_rx_init(struct vfu_rx *rx); /* -ENOMEM */
void vfu_rx_fini(struct vfu_rx *rx);
/* Forgets everything: a new connection. */
void vfu_rx_reset(struct vfu_rx *rx);
/*
 * The next message (sock -1: only if it has been read already). 1 it is there; 0 there is no more
 * for now; -ENODATA the peer hung up between messages; -ECONNRESET in the middle of one; -EPROTO
 * size or type are impossible; -EMFILE descriptors were lost (too many of them, or the process is
 * at its limit); other -errno of recvmsg().
 */
int vfu_rx_next(struct vfu_rx *rx, int sock, struct vfu_msg *ret_msg);
/* Descriptor i of the message, now the caller's; -1 if there is none. */
int vfu_rx_take_fd(struct vfu_rx *rx, const struct vfu_msg *m, unsigned int i);
/* Done with the message: closes what was not taken. */
void vfu_rx_consume(struct vfu_rx *rx, const struct vfu_msg *m);

/* One outgoing message, kept until the socket took all of it. Descriptors stay their owner's. */
struct vfu_tx {
	uint8_t *buf; /* VFU_MSG_MAX bytes */
	size_t len, sent; /* len 0: nothing to send */
	unsigned int nr_fds;
	int fd[VFU_FDS_MAX];
};

int vfu_tx_init(struct vfu_tx *tx); /* -ENOMEM */
void vfu_tx_fini(struct vfu_tx *tx);
/* Begins a message that has no payload yet. */
void vfu_tx_begin(struct vfu_tx *tx, uint16_t id, uint16_t cmd, uint32_t flags);
/* Room for len more bytes of payload, zeroed; NULL: too long. */
void *vfu_tx_room(struct vfu_tx *tx, size_t len);
void vfu_tx_add(struct vfu_tx *tx, const void *data, size_t len); /* known to fit */
/* 0 it is out, tx is empty; -EAGAIN call again when writable; other -errno. */
int vfu_tx_send(struct vfu_tx *tx, int sock);

#endif
