/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vhost-user back end inside: one port per device, which has at most one session (a connected
 * front end) at a time. Everything here runs on the thread of the device's engine. Errors: 0 or
 * -errno.
 */
#ifndef VHOST_USER_VHU_H
#define VHOST_USER_VHU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "core/pe.h"
#include "devemu/transport.h"
#include "transport/listen.h"
#include "transport/vhost_user/msg.h"
#include "virtio/gmem.h"

/*
 * state      | the connection's source   | may happen
 * -----------+---------------------------+--------------------------------------------------------
 * ----
 * FREE       | none; the listener is on  | a front end connects -> READING
 * READING    | readable                  | a message is complete -> WORKING; hang-up -> CLOSING
 * WORKING    | none                      | an op is done: next step, or reply -> READING
 * WRITING    | writable                  | the reply is out -> READING
 * CLOSING    | none, the socket is closed| the device let go -> FREE
 */
enum vhu_state {
	VHU_FREE,
	VHU_READING,
	VHU_WORKING,
	VHU_WRITING,
	VHU_CLOSING,
};

/* What the front end said about one queue. The device gets copies of the descriptors. */
struct vhu_vring {
	uint16_t num; /* 0: not set */
	uint16_t base; /* next avail index when it does not run */
	bool has_addr;
	uint64_t desc, avail, used; /* front-end addresses */
	bool has_kick; /* kick_fd may be -1 even so: the device polls */
	int kick_fd;
	int call_fd;
	bool call_is_socket;
	int err_fd;
	bool err_is_socket;
	enum { VHU_ENABLE_UNSET, VHU_ENABLE_OFF, VHU_ENABLE_ON } enable;
	/* what the device has to be told */
	bool running; /* started at the device, its base not collected since */
	bool restart; /* runs with a set-up that is out of date */
	bool base_given; /* SET_VRING_BASE since the last start: beats the device's own idea */
	bool kick_changed, call_changed;
};

struct vhu_port;

struct vhu_session {
	enum vhu_state state;
	int fd;
	struct pe_source src;
	struct vhu_msg msg;
	struct vhu_reply reply;
	uint64_t features; /* of the driver, as given to the device */
	uint64_t proto_features;
	bool proto_acked; /* VHU_F_PROTOCOL_FEATURES came with SET_FEATURES */
	int backend_fd; /* our channel to the front end or -1 */
	char why[200]; /* reason of the latest failure, for the log */

	unsigned int nr_regions;
	struct gm_budget *budget; /* of all front ends, one after the other */
	struct gm_region region[GM_MAX_REGIONS]; /* maps: one count each */
	struct gmem *gm; /* as the device has it, or NULL */
	struct vhu_vring vring[VHU_MAX_QUEUES];
	struct vqueue_rings rings[VHU_MAX_QUEUES]; /* for the op that changes the memory */

	struct gm_map *inflight; /* or NULL */
	uint16_t inflight_queues;
	uint16_t inflight_queue_size;

	/* The message being carried out: what is left to do, in this order. */
	bool want_reset;
	struct gmem *next_gm;
	unsigned int settle_next, settle_end; /* queues to bring in line */
	bool settle_strict; /* a queue that cannot start fails the message */
	int step_error;

	struct vdev_op op;
	bool op_busy;
	bool op_inside; /* session_advance(), or a handler, is on the stack */
	void (*op_finish)(struct vhu_session *s);
	bool disconnect_told;
	bool spoke; /* bytes came: before that there is nobody who could leave */
	bool arrived; /* pci_host_arrived() was called, pci_host_left() not yet */
};

struct vhu_port {
	struct doca_devemu_pci_dev *pci;
	struct doca_devemu_virtio_dev *dev;
	struct doca_pe *pe;
	struct listener listener;
	bool unplugged; /* pci_host_left() is owed, even if no host was there */
	struct vhu_session session;
};

static inline struct vhu_port *vhu_port_of(struct vhu_session *s)
{
	return container_of(s, struct vhu_port, session);
}

/* Notes why something failed; returns err. */
int vhu_fail(struct vhu_session *s, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- session.c ---- */
void vhu_session_init(struct vhu_session *s);
/* Takes fd over in every case. Legal in FREE only. */
int vhu_session_start(struct vhu_session *s, int fd);
/* Closes the socket; the device is told, and FREE is reached when it let go. Any state but FREE. */
void vhu_session_drop(struct vhu_session *s);
/* Drops the connection of a front end that took back memory it had shared. Any state. */
void vhu_session_check_memory(struct vhu_session *s);
/* At the end of the port: frees everything without telling the device. */
void vhu_session_destroy(struct vhu_session *s);
/* The next op of this session; finish (may be NULL) runs when it is done. */
struct vdev_op *vhu_op_begin(struct vhu_session *s, void (*finish)(struct vhu_session *s));
/* Queue q, or all of them, shall be compared with what the device has when the handler returns. */
void vhu_settle_queue(struct vhu_session *s, unsigned int q);
void vhu_settle_all(struct vhu_session *s);

/* ---- port.c ---- */
/* A port that does not listen yet; NULL: no memory. */
struct vhu_port *vhu_port_new(struct doca_devemu_pci_dev *pci, struct doca_pe *pe,
			      const char *path);

/* ---- request.c ---- */
struct vhu_request {
	const char *name; /* NULL: no such request */
	uint16_t min, max; /* payload bytes; max 0: the same as min */
	uint8_t max_fds;
	bool soft; /* may fail unnoticed: not worth the connection */
	/* Carries the message out or says what is to be settled. May be NULL. */
	int (*handle)(struct vhu_session *s, struct vhu_msg *m);
	/* Fills the payload (and hdr.size) of the request's own reply. NULL: it has none. */
	int (*answer)(struct vhu_session *s, const struct vhu_msg *m, struct vhu_reply *r);
};
/* NULL: unknown. */
const struct vhu_request *vhu_request_find(uint32_t nr);

/* ---- mem.c ---- */
int vhu_mem_set_table(struct vhu_session *s, struct vhu_msg *m);
int vhu_mem_add(struct vhu_session *s, struct vhu_msg *m);
int vhu_mem_remove(struct vhu_session *s, struct vhu_msg *m);
void vhu_mem_release(struct vhu_session *s);

/* ---- vring.c ---- */
void vhu_vring_init(struct vhu_vring *vr);
void vhu_vring_release(struct vhu_vring *vr);
/* Back to the initial state, except for the interrupt and error descriptors. */
void vhu_vring_forget(struct vhu_vring *vr);
bool vhu_vring_any_running(const struct vhu_session *s);
/* Ring addresses under gm: 0, or -EFAULT with the reason noted. */
int vhu_vring_translate(struct vhu_session *s, unsigned int q, const struct gmem *gm,
			struct vqueue_rings *ret_rings);
/* Brings the device one step closer: 1 an op was started, 0 nothing left to do, -errno. */
int vhu_vring_settle(struct vhu_session *s, unsigned int q);

int vhu_vring_num(struct vhu_session *s, struct vhu_msg *m);
int vhu_vring_addr(struct vhu_session *s, struct vhu_msg *m);
int vhu_vring_base(struct vhu_session *s, struct vhu_msg *m);
int vhu_vring_stop(struct vhu_session *s, struct vhu_msg *m);
int vhu_vring_stop_answer(struct vhu_session *s, const struct vhu_msg *m, struct vhu_reply *r);
int vhu_vring_kick(struct vhu_session *s, struct vhu_msg *m);
int vhu_vring_call(struct vhu_session *s, struct vhu_msg *m);
int vhu_vring_err(struct vhu_session *s, struct vhu_msg *m);
int vhu_vring_enable(struct vhu_session *s, struct vhu_msg *m);
/* Tells the front end, through the error descriptor, that queue q is broken. */
void vhu_vring_signal_error(struct vhu_session *s, unsigned int q);

/* ---- inflight.c ---- */
int vhu_inflight_create(struct vhu_session *s, const struct vhu_msg *m, struct vhu_reply *r);
int vhu_inflight_set(struct vhu_session *s, struct vhu_msg *m);
void vhu_inflight_release(struct vhu_session *s);
/* *ret_log: queue q's part or NULL. -EINVAL: the log is too small for the queue. */
int vhu_inflight_log(struct vhu_session *s, unsigned int q, struct vq_inflight **ret_log);

#endif
