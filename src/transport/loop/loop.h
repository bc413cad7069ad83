/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The in-process transport: no socket, no VM. A test, fuzzer or bench is the host and drives the
 * device through struct loop_driver: memory, queues, kicks and used entries like a virtio driver
 * would.
 *
 * Threads: a driver belongs to one thread, its queues may be used from different ones. Calls that
 * configure are executed on the thread of the device's engine; the caller waits for them in its
 * idle function, which must let that engine progress (by calling doca_pe_progress() when it is the
 * same thread, by yielding when it is another).
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include "devemu/transport.h"

extern const struct transport_ops loop_transport;

#define LOOP_MAX_QUEUES 64
#define LOOP_GPA 0x100000ull /* where the guest's memory begins */

struct loop_port; /* device side */

/* One queue as a driver sees it. */
struct loop_queue {
	uint16_t size;
	uint16_t index;
	bool event_idx;
	bool polled; /* set by the user: no interrupts wanted */
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t avail_idx; /* next to fill, published by loop_publish() */
	uint16_t published;
	uint16_t last_used;
	uint16_t nr_free;
	uint16_t free_head;
	void **cookie; /* by head */
	uint8_t *indirect; /* a table of LOOP_INDIRECT entries per head */
	int kick_fd, call_fd;
	struct vq_inflight *inflight;
};
#define LOOP_INDIRECT 48

struct loop_driver {
	struct loop_port *port;
	void (*idle)(void *arg);
	void *idle_arg;
	/* guest memory */
	uint8_t *mem;
	size_t mem_len, mem_used;
	struct gm_map *map;
	uint64_t features;
	struct loop_queue queue[LOOP_MAX_QUEUES];
	unsigned int needs_reset; /* atomic: times the device asked for a reset */
	unsigned int config_changes; /* atomic */
};

/*
 * Connects to the function with this VUID, whose device must have been started. mem_len bytes of
 * guest memory. 0, -ENOENT, -EBUSY (has a driver), -ENOMEM.
 */
int loop_open(struct loop_driver *drv, const char *vuid, size_t mem_len, void (*idle)(void *arg),
	      void *arg);
/* The host goes away: waits until the device is done with it. Frees the memory. */
void loop_close(struct loop_driver *drv);

/* ---- memory: bump allocation, forgotten by loop_close() ---- */

void *loop_alloc(struct loop_driver *drv, size_t len, size_t align); /* NULL: full */
static inline uint64_t loop_gpa(const struct loop_driver *drv, const void *p)
{
	return LOOP_GPA + (uint64_t)((const uint8_t *)p - drv->mem);
}

/* ---- control ---- */

/* Negotiates features (those offered, cut by mask) and gives the device its memory. */
int loop_negotiate(struct loop_driver *drv, uint64_t mask);
void loop_set_status(struct loop_driver *drv, uint8_t status);
uint8_t loop_status(struct loop_driver *drv);
void loop_config(struct loop_driver *drv, void *dst, uint32_t len);
/* Sets up rings and starts the queue. with_log: with an in-flight log. 0 or -errno. */
int loop_queue_start(struct loop_driver *drv, uint16_t q, uint16_t size, bool with_log);
/* Starts it again where it was stopped; same rings. */
int loop_queue_restart(struct loop_driver *drv, uint16_t q, uint16_t base);
/* Returns the base. */
uint16_t loop_queue_stop(struct loop_driver *drv, uint16_t q);
/* Gives the device the same memory as a new snapshot. */
int loop_renew_memory(struct loop_driver *drv);
void loop_queue_renew_fds(struct loop_driver *drv, uint16_t q);
void loop_reset(struct loop_driver *drv);
void loop_flr(struct loop_driver *drv);

/* Begun, not waited for: *done becomes 1 (atomic) when the device is through. */
void loop_reset_begin(struct loop_driver *drv, bool flr, int *done);
void loop_queue_stop_begin(struct loop_driver *drv, uint16_t q, int *done);

/* ---- data path ---- */

/*
 * Puts a chain of nr_in readable and nr_out writable segments of guest memory in the avail ring;
 * indirect when there are more than one and the feature is on. false: the ring is full.
 */
bool loop_add(struct loop_driver *drv, struct loop_queue *q, const struct iovec *seg,
	      unsigned int nr_in, unsigned int nr_out, void *cookie);
/* Shows added chains to the device; kicks if it asked for that. */
void loop_publish(struct loop_queue *q);
/* Takes the next used entry: cookie of its chain, NULL if there is none. */
void *loop_get_used(struct loop_queue *q, uint32_t *ret_len);
/* Interrupts raised since the last call. */
uint64_t loop_interrupts(struct loop_queue *q);

#endif
