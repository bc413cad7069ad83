/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vfio-user server inside: one port per function, which has at most one session (a connected
 * client) at a time. Everything here runs on the thread of the device's engine. Errors: 0 or
 * -errno.
 */
#ifndef VFIO_USER_VFU_H
#define VFIO_USER_VFU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "core/pe.h"
#include "devemu/pci_func.h"
#include "devemu/transport.h"
#include "transport/listen.h"
#include "transport/vfio_user/msg.h"
#include "transport/vfio_user/relay.h"
#include "virtio/gmem.h"

/*
 * state   | may happen
 * --------+---------------------------------------------------------------------------------------
 * FREE    | a client connects -> READING
 * READING | a message is complete: answered at once -> READING, must wait -> WORKING; hang-up ->
 *         | CLOSING
 * WORKING | what was waited for has come, or patience is at its end: reply -> READING
 * WRITING | the reply is out -> READING
 * CLOSING | the socket is closed; the function let go -> FREE
 */
enum vfu_state {
	VFU_FREE,
	VFU_READING,
	VFU_WORKING,
	VFU_WRITING,
	VFU_CLOSING,
};

/*
 * How long a reply waits for the function to settle. QEMU gives up after five seconds, for a change
 * of memory on several messages together.
 */
#define VFU_PATIENCE_NS 4000000000ull
#define VFU_PATIENCE_MEMORY_NS 1500000000ull

/* What client and server agreed on. */
struct vfu_limits {
	uint32_t max_fds; /* the client takes in one message */
	uint32_t max_xfer; /* bytes of data in one message, either way */
	uint32_t max_maps;
	bool write_multi;
};

/* What the client lets us reach. */
struct vfu_region {
	struct gm_region r; /* map: one count, or NULL when it is left out */
	bool by_message; /* no descriptor came along; map is a shadow */
};

struct vfu_session {
	enum vfu_state state;
	int fd;
	struct pe_source src;
	struct vfu_rx rx;
	struct vfu_tx reply;
	struct vfu_msg msg; /* in WORKING: the one being carried out */
	bool negotiated;
	bool busy; /* a handler is on the stack: settled() and drop are looked at afterwards */
	char why[160]; /* reason of the latest failure, for the log */
	struct vfu_limits limits;

	unsigned int nr_regions;
	struct gm_budget *budget; /* of all clients, one after the other */
	struct vfu_region region[GM_MAX_REGIONS];
	struct gmem *gm; /* as the function has it, or NULL */

	uint64_t patience; /* set by handlers: the reply waits until the function has settled, ns */
	struct pe_source timer;
	uint64_t deadline; /* of the wait, ns */
	bool stuck; /* a wait has timed out: the next ones are short */

	struct vfu_relay relay;

	struct pe_source unmask; /* the client unmasks INTx by an eventfd; fd -1: not */
};

struct vfu_port {
	struct doca_devemu_pci_dev *pci;
	struct doca_pe *pe;
	struct listener listener;
	struct pci_func *func;
	bool unplugged; /* pci_host_left() is owed, even if no host was there */
	struct vfu_session session;
};

static inline struct vfu_port *vfu_port_of(struct vfu_session *s)
{
	return container_of(s, struct vfu_port, session);
}

static inline struct pci_func *vfu_func(struct vfu_session *s)
{
	return vfu_port_of(s)->func;
}

/* Notes why something failed; returns err. */
int vfu_fail(struct vfu_session *s, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- session.c ---- */
int vfu_session_init(struct vfu_session *s);
/* Takes fd over in every case. Legal in FREE only. */
int vfu_session_start(struct vfu_session *s, int fd);
/* Closes the socket; the function is told, and FREE is reached when it let go. Not in FREE. */
void vfu_session_drop(struct vfu_session *s);
/* Drops the connection of a client that took back memory it had shared. Any state. */
void vfu_session_check_memory(struct vfu_session *s);
/* Something happened outside: the function has settled, the relay has work. */
void vfu_session_go_on(struct vfu_session *s);
/* At the end of the port: frees everything without telling the function. */
void vfu_session_fini(struct vfu_session *s);

/* ---- request.c ---- */
/*
 * Carries the message out. The payload of the reply is added to s->reply. 0; -errno for the reply;
 * s->patience says whether it must wait.
 */
struct vfu_request {
	const char *name; /* NULL: no such command */
	uint32_t min, max; /* payload bytes */
	unsigned int max_fds;
	int (*handle)(struct vfu_session *s, const struct vfu_msg *m);
};
/* NULL: unknown. */
const struct vfu_request *vfu_request_find(uint16_t cmd);

/* ---- version.c ---- */
int vfu_version(struct vfu_session *s, const struct vfu_msg *m);

/* ---- mem.c ---- */
int vfu_dma_map(struct vfu_session *s, const struct vfu_msg *m);
int vfu_dma_unmap(struct vfu_session *s, const struct vfu_msg *m);
/* Gives the function a fresh shadow, in which only rings are as they were. 0 or -errno. */
int vfu_mem_renew(struct vfu_session *s);
void vfu_mem_release(struct vfu_session *s);

/* ---- region.c ---- */
int vfu_region_info(struct vfu_session *s, const struct vfu_msg *m);
int vfu_region_io_fds(struct vfu_session *s, const struct vfu_msg *m);
int vfu_region_read(struct vfu_session *s, const struct vfu_msg *m);
int vfu_region_write(struct vfu_session *s, const struct vfu_msg *m);
int vfu_region_write_multi(struct vfu_session *s, const struct vfu_msg *m);

/* ---- irq.c ---- */
int vfu_irq_info(struct vfu_session *s, const struct vfu_msg *m);
int vfu_irq_set(struct vfu_session *s, const struct vfu_msg *m);
void vfu_irq_release(struct vfu_session *s);

#endif
