/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queues in memory that cannot be mapped: the rings and buffers are copied to and from a shadow of
 * our own by DMA_READ and DMA_WRITE messages. Thread: the device's engine.
 */
#ifndef VFIO_USER_RELAY_H
#define VFIO_USER_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/pe.h"
#include "devemu/pci_func.h"
#include "transport/vfio_user/msg.h"
#include "virtio/vq.h"

#define RELAY_QUEUES 256
#define RELAY_PLAN_MAX (VQ_MAX_SEGS + 2)

struct vfu_session;

struct relay_queue {
	struct vfu_session *s;
	unsigned int index;
	struct pci_func_queue ring;
	struct pe_source call; /* the device interrupts here */
	struct pe_source bell; /* the client kicks here; the function's descriptor */
	int kick_fd; /* the device is kicked here */
	bool started; /* since then the function says whether it still runs */
	bool kicked, called; /* to be looked at */
	bool dead; /* until it is started again */
	uint16_t avail; /* next entry to take from the driver */
	uint16_t used; /* next entry to give back to it */
	uint16_t event; /* as written to the driver's memory */
};

/* One piece of memory to be copied. */
struct relay_piece {
	uint64_t gpa;
	uint8_t *host;
	uint32_t len;
	bool write; /* to the client */
};

struct vfu_relay {
	struct vfu_tx request; /* buf NULL until there is one */
	struct relay_queue *queue[RELAY_QUEUES]; /* NULL: never started in this session */
	unsigned int turn; /* queue to look at next */

	/* the pass under way; q NULL: none */
	struct relay_queue *q;
	struct gmem *gm; /* shadow it works on, counted */
	/* When the pieces are copied; -errno: the queue is dead. */
	int (*step)(struct vfu_relay *r);
	unsigned int nr_pieces, at;
	uint32_t done; /* bytes of piece[at] */
	struct relay_piece piece[RELAY_PLAN_MAX];
	uint16_t id; /* of the request that is out */
	bool waiting; /* it is */
	uint16_t pos, end; /* entries of the pass */
	uint16_t head; /* chain being copied */
	uint32_t room; /* bytes of it the device has written */
	uint16_t number; /* to be written to the driver's rings */
	uint8_t avail[6 + 2 * VQ_MAX_SIZE]; /* the driver's avail ring as read */

	uint64_t touched; /* bytes of shadow that may be populated */
	bool renewing; /* a fresh shadow is on its way to the device */
};

int vfu_relay_init(struct vfu_session *s); /* -ENOMEM */
/* Everything forgotten: the client is gone. */
void vfu_relay_reset(struct vfu_session *s);
void vfu_relay_fini(struct vfu_session *s);
/* The pass under way lets go of the shadow; it begins anew. Before memory is unmapped. */
void vfu_relay_cancel(struct vfu_session *s);
/* Does what can be done without waiting. */
void vfu_relay_run(struct vfu_session *s);
/* A reply to one of our requests. */
void vfu_relay_reply(struct vfu_session *s, const struct vfu_msg *m);
/* What stays valid of the shadow when it is renewed: copies rings of queues that run. */
void vfu_relay_copy_rings(struct vfu_session *s, const struct gmem *from, const struct gmem *to);

extern const struct pci_func_relay vfu_relay_ops;

#endif
