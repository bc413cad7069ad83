/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages on a stream socket, without blocking. Pure: no device, no log, no state but its own.
 */
#ifndef VHOST_USER_MSG_H
#define VHOST_USER_MSG_H

#include <stddef.h>
#include <stdint.h>

#include "transport/vhost_user/proto.h"

#define VHU_FDS_MAX VHU_TABLE_REGIONS

/* One incoming message. Descriptors belong to it until taken. */
struct vhu_msg {
	struct vhu_hdr hdr;
	union vhu_payload payload; /* bytes beyond hdr.size are zero */
	size_t got; /* bytes of header and payload received so far */
	unsigned int nr_fds;
	int fd[VHU_FDS_MAX]; /* -1: taken */
	uint64_t fds_dropped; /* surplus ones closed, over the life of the object */
};

void vhu_msg_init(struct vhu_msg *m);
/* Closes what was not taken and makes room for the next message. */
void vhu_msg_reset(struct vhu_msg *m);

/*
 * Continues with the message: 1 it is complete; 0 the socket has no more for now; -ENODATA the
 * peer hung up between messages; -ECONNRESET in the middle of one; -EPROTO bad version, a reply,
 * or more payload than any message has; -EMFILE descriptors were lost (too many of them, or the
 * process is at its limit); other -errno of recvmsg().
 */
int vhu_msg_recv(int sock, struct vhu_msg *m);

/* Descriptor i, now the caller's; -1 if there is none. */
int vhu_msg_take_fd(struct vhu_msg *m, unsigned int i);
/* Closes descriptors beyond the first max. */
void vhu_msg_limit_fds(struct vhu_msg *m, unsigned int max);

/* One outgoing reply, kept until the socket took all of it. */
struct vhu_reply {
	struct vhu_hdr hdr;
	union {
		uint64_t u64;
		struct vhu_vring_state state;
		struct vhu_config config;
		struct vhu_inflight inflight;
	} payload;
	size_t sent;
	int fd; /* travels with the first byte; -1: none. Owned. */
};

void vhu_reply_init(struct vhu_reply *r);
/* 0 all of it is out (the descriptor is closed); -EAGAIN call again when writable; other -errno. */
int vhu_reply_send(int sock, struct vhu_reply *r);
void vhu_reply_release(struct vhu_reply *r);

#endif
