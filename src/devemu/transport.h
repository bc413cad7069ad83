/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The border between an emulated virtio device and the socket its host hangs on.
 *
 * Down: a transport implements struct transport_ops. Up: it calls vdev_*(). Both happen on the
 * thread of the device's engine only; the data path (pop, push, interrupt) runs on the I/O threads
 * and never enters a transport: an interrupt is a write to the queue's struct irq.
 *
 * The device keeps *wanted* state (features, memory, queue set-up) as the front end gave it, and
 * applies it to the I/O contexts whenever device and contexts are RUNNING. So a transport does not
 * care whether a controller is started, stopped, or restarting after a reset: it reports what the
 * host said.
 *
 * Calls that must wait for I/O threads take a struct vdev_op and complete by op->done(), possibly
 * before the call returns. A transport has at most one op outstanding per device, and handles no
 * further message of that host meanwhile.
 */
#ifndef DEVEMU_TRANSPORT_H
#define DEVEMU_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/dev.h"
#include "core/pe.h"
#include "virtio/gmem.h"
#include "virtio/vq.h"

struct doca_devemu_pci_dev;
struct doca_devemu_virtio_dev;

/*
 * How the host is interrupted: 8 bytes written to fd (an eventfd, or a stream socket: User-Mode
 * Linux).
 */
struct irq {
	int fd; /* -1: the host polls */
	bool is_socket;
};
/* On the engine's thread. Never waits. 0 or -errno: the host is not going to notice. */
int irq_raise(struct doca_pe *pe, const struct irq *irq);

/* Set-up of one queue as the host programmed it. Addresses are already translated and checked for
 * their whole length by the transport, under the snapshot last given to vdev_set_memory(). */
struct vqueue_setup {
	uint16_t size;
	uint16_t last_avail;
	void *desc;
	void *avail;
	void *used;
	int kick_fd; /* eventfd; -1: the device must poll */
	struct irq call;
	struct vq_inflight *inflight; /* NULL or this queue's log; mapping outlives the queue run */
};

struct vdev_op {
	void (*done)(struct vdev_op *op);
	int result; /* 0 or -errno */
	uint16_t base; /* vdev_queue_stop(): next avail index */
	/* the device's own, while the op runs */
	struct vdev_op *next;
};

struct transport_ops {
	const char *name; /* as in the board: "vhost-user" */
	/*
	 * The device is started for the first time. Sources go to pe. Called once per device
	 * object; the port stays open over stop/start (reset flows) until close(). 0 or -errno,
	 * which fails the start; the reason is logged once, naming the socket. -EOPNOTSUPP: the
	 * transport cannot carry this kind of device (pci_dev_virtio() says which it is).
	 * The port is in place (lock, socket) but the host is let in only by plug().
	 */
	int (*open)(struct doca_devemu_pci_dev *pci, const struct function *fn,
		    struct doca_pe *pe, void **ret_port);
	/*
	 * The function is on the host's bus: a host may come. For a static function, or one that
	 * is plugged already, right after open(); otherwise when it is hot plugged. When the host
	 * has taken the function, and when it has left, pci_host_arrived() and pci_host_left().
	 */
	int (*plug)(void *port);
	/*
	 * Asks the host to let go of the function and lets no other in; pci_host_left() follows
	 * (before return, if there is no host). force: the host is not asked but cut off.
	 */
	void (*unplug)(void *port, bool force);
	/* Device destroyed: drop the host, remove the socket. No op is outstanding. */
	void (*close)(void *port);
	/* The device set NEEDS_RESET because queue q is broken. */
	void (*needs_reset)(void *port, uint16_t q);
	/* The configuration space changed. */
	void (*config_changed)(void *port);
};

/* By board name, NULL if there is none; the table is src/transport/transports.c. */
const struct transport_ops *transport_find(const char *name);

/* ---- up calls: device's engine thread ---- */

/* The virtio device of which this is the PCI view; NULL: a device of the application's own type. */
struct doca_devemu_virtio_dev *pci_dev_virtio(struct doca_devemu_pci_dev *pci);

/* The host has taken the function; it has let go of it (disconnected), asked to or not. */
void pci_host_arrived(struct doca_devemu_pci_dev *pci);
void pci_host_left(struct doca_devemu_pci_dev *pci);

/* Bits offered to the host: VIRTIO_F_VERSION_1, INDIRECT_DESC, EVENT_IDX, ... */
uint64_t vdev_features(const struct doca_devemu_virtio_dev *dev);
/* -EINVAL: a bit that was not offered. */
int vdev_set_driver_features(struct doca_devemu_virtio_dev *dev, uint64_t features);
uint16_t vdev_num_queues(const struct doca_devemu_virtio_dev *dev);
uint16_t vdev_queue_size(const struct doca_devemu_virtio_dev *dev); /* as configured */
/* Device configuration space (struct virtio_fs_config), zero beyond its end. */
void vdev_config_read(const struct doca_devemu_virtio_dev *dev, uint32_t off, void *dst,
		      uint32_t len);

uint8_t vdev_status(const struct doca_devemu_virtio_dev *dev);
/* not 0: see vdev_reset() */
void vdev_set_status(struct doca_devemu_virtio_dev *dev, uint8_t status);

/*
 * New memory table; takes a count on gm. ring[q] gives the re-translated rings of started queues
 * (desc == NULL: the queue's rings are gone, stop it). Queues switch before op->done(); requests in
 * flight keep the old snapshot.
 */
struct vqueue_rings {
	void *desc, *avail, *used;
};
void vdev_set_memory(struct doca_devemu_virtio_dev *dev, struct gmem *gm,
		     const struct vqueue_rings *ring, struct vdev_op *op);

/*
 * Starts queue q. Consumes setup->kick_fd and setup->call.fd in every case. -EINVAL: vq_init() refused or
 * q is out of range; -EALREADY: it runs already. Service begins when the device runs.
 */
int vdev_queue_start(struct doca_devemu_virtio_dev *dev, uint16_t q,
		     const struct vqueue_setup *setup);
/*
 * Stops queue q: nothing more is popped; chains handed out are completed first (drain), for at
 * most 10 s, then orphaned. op->base is valid at done(). A queue that does not run: done at once,
 * base kept.
 */
void vdev_queue_stop(struct doca_devemu_virtio_dev *dev, uint16_t q, struct vdev_op *op);
bool vdev_queue_is_started(const struct doca_devemu_virtio_dev *dev, uint16_t q);
/* Replaces interrupt or kick of a started queue; consumes the descriptor. */
void vdev_queue_set_call(struct doca_devemu_virtio_dev *dev, uint16_t q, struct irq call,
			 struct vdev_op *op);
void vdev_queue_set_kick(struct doca_devemu_virtio_dev *dev, uint16_t q, int kick_fd,
			 struct vdev_op *op);

/*
 * The driver wrote status 0 (or RESET_DEVICE): all queues stop, chains still out are orphaned, the
 * application's reset handler runs, the application returns its requests. done() when all of that
 * is over. Merged with a reset already under way.
 */
void vdev_reset(struct doca_devemu_virtio_dev *dev, struct vdev_op *op);
/*
 * Function level reset: as vdev_reset(), but the application answers by stopping and starting the
 * device.
 */
void vdev_flr(struct doca_devemu_virtio_dev *dev, struct vdev_op *op);
/*
 * The host is gone: as vdev_reset() for queues (orphaned), memory and features forgotten, but the
 * application sees a reset only if the driver had set DRIVER_OK or a queue was started.
 */
void vdev_disconnected(struct doca_devemu_virtio_dev *dev, struct vdev_op *op);

#endif
