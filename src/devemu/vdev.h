/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The emulated device and its I/O contexts inside the library. A virtio-fs device embeds a virtio
 * device, which embeds a PCI device, which embeds the context: the views of the API are pointers
 * into one object. The same holds for types and for I/O contexts.
 *
 * Threads. A device lives on the thread of its engine, an I/O context on the thread of its own.
 * What passes between them lies under one lock per device, dev->lock, taken on control paths only:
 * which contexts run, who owns the I/O side of a queue, and what the device asks of a queue in
 * service. After a change under the lock the other side's mailbox is posted; it looks at
 * everything again.
 *
 * Members are grouped by owner: const, control (thread of the device), lock (dev->lock), io
 * (thread of the I/O context).
 */
#ifndef DEVEMU_VDEV_H
#define DEVEMU_VDEV_H

#include <pthread.h>
#include <time.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/ctx.h"
#include "core/dev.h"
#include "core/pe.h"
#include "devemu/mailbox.h"
#include "devemu/pci_limits.h"
#include "devemu/transport.h"
#include "doca_devemu_pci.h"
#include "doca_devemu_vfs.h"
#include "doca_devemu_vfs_dev.h"
#include "doca_devemu_vfs_io.h"
#include "doca_devemu_vfs_type.h"
#include "doca_devemu_virtio.h"
#include "doca_devemu_virtio_io.h"
#include "doca_devemu_virtio_type.h"
#include "fuse/fuse_msg.h"
#include "virtio/vq.h"

#define VDEV_MAX_QUEUES 255 /* the API's limit: 254 request queues and hiprio */
#define VDEV_DRAIN_NS (10ull * 1000000000ull) /* patience with requests of a queue being stopped */
#define PCI_UNPLUG_NS (30ull * 1000000000ull) /* with a host: one waits 5 s for its button alone */
#define VFS_MAX_USER_DATA 65536u

struct vfs_req;

/* ---- types ---- */

struct pci_ids {
	uint16_t vendor_id, device_id, subsystem_vendor_id, subsystem_id;
	uint8_t revision_id;
	uint32_t class_code;
	uint16_t num_msix;
};

enum pci_region_kind {
	PCI_REGION_DB_BY_OFFSET,
	PCI_REGION_DB_BY_DATA,
	PCI_REGION_MSIX_TABLE,
	PCI_REGION_MSIX_PBA,
	PCI_REGION_STATEFUL,
	/* of virtio devices, not for types of the application */
	PCI_REGION_VIRTIO_COMMON,
	PCI_REGION_VIRTIO_ISR,
	PCI_REGION_VIRTIO_DEVICE,
	PCI_REGION_VIRTIO_NOTIFY,
};

struct pci_region {
	enum pci_region_kind kind;
	uint64_t start, size;
	uint64_t how; /* doorbells: sizes and what tells them apart; only compared */
	uint8_t *defaults; /* stateful: what it holds at first; NULL: zeros */
};

struct pci_bar {
	bool configured, is_io, prefetchable;
	uint8_t log_size;
	enum doca_devemu_pci_bar_mem_type mem_type;
	unsigned int nr_regions;
	struct pci_region region[PCI_BAR_MAX_REGIONS];
};

struct doca_devemu_pci_type {
	char name[DOCA_DEVEMU_PCI_TYPE_NAME_LEN];
	bool is_default; /* owned by the library, always started */
	bool started;
	struct doca_dev *dev;
	struct pci_ids ids;
	uint16_t num_db;
	struct pci_bar bar[PCI_NUM_BARS];
	/* under the board lock */
	unsigned int nr_devs; /* device objects of it */
	LIST_ENTRY(doca_devemu_pci_type) started_link; /* not of default types */
	int shared_fd; /* started: what other processes see of it; -1: nothing */
};

struct doca_devemu_virtio_type {
	struct doca_devemu_pci_type pci;
	uint16_t num_queues, queue_size;
	uint64_t features, configurable;
};

struct doca_devemu_vfs_type {
	struct doca_devemu_virtio_type virtio;
	uint32_t num_request_queues;
};

/* ---- devices ---- */

struct pci_func;
struct pci_host;
struct pci_window;

struct doca_devemu_pci_ep { /* a view */
	struct doca_devemu_pci_dev *pci;
};

struct doca_devemu_pci_dev {
	struct doca_ctx ctx;
	struct doca_devemu_pci_ep ep;
	/* const */
	struct doca_devemu_pci_type *type;
	struct doca_dev_rep *rep;
	struct function *fn;
	const struct transport_ops *transport; /* NULL: the board names one there is not */
	struct doca_devemu_virtio_dev *virtio; /* NULL: of the application's own type */
	/* control */
	struct pci_ids ids;
	void *port; /* transport's, NULL until the first start */
	struct pci_func *func; /* its registers; NULL: the host brings its own */
	doca_devemu_pci_dev_event_flr_handler_cb_t flr_cb;
	union doca_data flr_data;
	doca_devemu_pci_dev_event_hotplug_state_change_handler_cb_t hotplug_cb;
	union doca_data hotplug_data;
	unsigned int hotplug_events; /* not delivered yet */
	bool *attention; /* the context's word that it has something to do; ctx.busy */
	bool shut_slot; /* the host has left by itself: no other is let in */
	struct pe_source unplug_timer; /* fd -1: not running */
	uint64_t unplug_ns; /* PCI_UNPLUG_NS; tests have less patience */
	bool flr; /* a function level reset waits for stop and start */
	struct gmem *host_gm; /* memory of the host; NULL: none */
	struct pci_host *host; /* what mmaps of it look at; NULL: there never was one */
	/* control: of the application's own type */
	bool due; /* progress() has something to do */
	bool flr_told; /* its handler has run */
	struct vdev_op *flr_op;
	uint16_t num_db;
	unsigned int nr_windows;
	struct pci_window *window;
};

/* What the device asks of the I/O side of a queue; bits of vqueue.cmds. */
enum vqueue_cmd {
	VQUEUE_ATTACH = 0x01, /* take it into service */
	VQUEUE_DRAIN = 0x02, /* give it back when its requests are completed */
	VQUEUE_ORPHAN = 0x04, /* give it back now */
	VQUEUE_MEMORY = 0x08, /* new snapshot and rings */
	VQUEUE_CALL = 0x10, /* new interrupt */
	VQUEUE_KICK = 0x20, /* new kick descriptor */
	VQUEUE_STATE = 0x40, /* copy the indices into state */
};

/* Indices of one queue at one moment, for statistics. */
struct vqueue_state {
	uint16_t size, inflights;
	uint16_t hw_avail, driver_avail, hw_used, driver_used;
	bool enabled;
};

struct vqueue {
	/* const */
	struct doca_devemu_virtio_dev *dev;
	uint16_t index;
	/* control */
	bool started; /* the host has started it */
	uint64_t counter; /* smallest chain number never handed out, while not started */
	uint16_t base; /* where to go on in the avail ring, while not started */
	uint16_t src_domain; /* of its requests; set before it goes into service */
	/* lock */
	struct doca_devemu_virtio_io *io; /* owner of the I/O side; NULL: the control side */
	unsigned int cmds; /* enum vqueue_cmd */
	struct gmem *new_gm; /* VQUEUE_MEMORY; a count of its own */
	struct vqueue_rings new_rings;
	struct irq new_call;
	int new_kick;
	struct vqueue_state state;
	/* atomic */
	bool broken_news; /* set by I/O, cleared by control */
	/* I/O side: io thread while in service, else control */
	bool in_service, draining, active, dirty, is_broken;
	bool starved; /* a chain waits for room, at least until a request is completed: */
	uint64_t starved_at; /* io->nr_finished of that moment */
	struct vq vq;
	struct gm_ref *gm; /* only while in service */
	struct pe_source kick;
	struct irq call;
	LIST_HEAD(, vfs_req) owned;
	TAILQ_ENTRY(vqueue) active_link;
	SLIST_ENTRY(vqueue) dirty_link;
};

/*
 * A reset of the virtio device: by the driver, by function level reset, or because the host is
 * gone.
 */
struct vdev_reset {
	bool pending;
	bool tell; /* the application is to be told */
	bool told; /* its handler has run */
	bool returned; /* function level reset: it has stopped the device */
	bool forget; /* memory and features too: the host is gone */
	struct vdev_op *ops; /* to be done when it is over */
};

struct doca_devemu_virtio_dev {
	struct doca_devemu_pci_dev pci;
	/* const */
	struct mailbox *box;
	uint64_t counter_base; /* chain numbers start here: beyond any predecessor's */
	/* control: configuration */
	uint16_t num_queues; /* 0: follow the device type's own count */
	uint16_t queue_size;
	uint64_t features;
	uint32_t required_ios;
	uint16_t domain_base; /* source domain of queue 0; the class chooses it in class_check() */
	doca_devemu_virtio_dev_event_reset_handler_cb_t reset_cb;
	union doca_data reset_data;
	/* control: what the class above supplies */
	uint16_t (*class_num_queues)(const struct doca_devemu_virtio_dev *dev);
	void (*class_config)(const struct doca_devemu_virtio_dev *dev, void *config,
			     uint32_t len);
	doca_error_t (*class_check)(struct doca_devemu_virtio_dev *dev);
	void (*class_reset)(struct doca_devemu_virtio_dev *dev); /* session state goes */
	/* control: as the host sees it */
	uint8_t status;
	uint64_t driver_features;
	bool used; /* DRIVER_OK, or a queue started, since the last reset */
	uint8_t config_shown[64]; /* at the last start, to notice changes */
	uint8_t config_generation;
	struct gmem *gm;
	/* control */
	bool dirty; /* look again before sleeping */
	struct vdev_reset reset;
	struct vdev_op *op; /* other than resets */
	struct vqueue *op_queue; /* NULL: all */
	unsigned int op_cmds;
	struct pe_source drain_timer;
	uint64_t drain_ns; /* VDEV_DRAIN_NS; tests have less patience */
	struct queue_list *populating; /* statistics being collected */
	/* lock */
	pthread_mutex_t lock;
	TAILQ_HEAD(, doca_devemu_virtio_io) ios; /* in order of creation */
	unsigned int nr_slots; /* queue q belongs to slot q % nr_slots; 0: none yet */
	/* atomic */
	unsigned int nr_orphans; /* requests the application holds of queues that were reset */
	struct vqueue queue[VDEV_MAX_QUEUES];
};

/* ---- I/O contexts ---- */

/* What one attempt to take a request did. */
enum vio_taken {
	VIO_EMPTY, /* nothing in the ring, or it is broken */
	VIO_DELIVERED, /* the application's handler ran */
	VIO_ANSWERED, /* answered by the library */
	VIO_STARVED, /* no room: the chain stays in the ring until requests are completed */
};

struct doca_devemu_virtio_io {
	struct doca_ctx ctx;
	/* const */
	struct doca_devemu_virtio_dev *dev;
	struct mailbox *box;
	enum vio_taken (*take)(struct doca_devemu_virtio_io *io, struct vqueue *q);
	doca_error_t (*class_start)(struct doca_devemu_virtio_io *io);
	/* lock */
	TAILQ_ENTRY(doca_devemu_virtio_io) dev_link;
	enum doca_ctx_states shown; /* state as the device may know it */
	int slot; /* -1: none */
	/* io */
	bool *destroyed; /* set by destroy while the IDLE notification runs */
	unsigned int nr_queues, probe;
	struct vqueue *queue[VDEV_MAX_QUEUES];
	struct vqueue *hiprio; /* queue 0, when it is here */
	bool hiprio_turn;
	unsigned int nr_draining;
	unsigned int nr_out; /* requests the application holds, orphans included */
	uint64_t nr_finished;
	unsigned int nr_pushed; /* since the last flush */
	TAILQ_HEAD(, vqueue) active; /* known to have work; hiprio excepted */
	SLIST_HEAD(, vqueue) dirty; /* pushed to, not published */
};

static inline struct doca_devemu_virtio_dev *vdev_of_ctx(struct doca_ctx *ctx)
{
	return container_of(ctx, struct doca_devemu_virtio_dev, pci.ctx);
}

static inline struct doca_devemu_virtio_io *vio_of_ctx(struct doca_ctx *ctx)
{
	return container_of(ctx, struct doca_devemu_virtio_io, ctx);
}

/* ---- pci_type.c, pci_dev.c, virtio_type.c ---- */

void virtio_type_init(struct doca_devemu_virtio_type *type, struct doca_dev *dev);
/* INVALID_VALUE: wrong type; IN_USE: the function has a device object. */
doca_error_t pci_dev_init(struct doca_devemu_pci_dev *pci, struct doca_devemu_pci_type *type,
			  struct doca_dev_rep *rep);
void pci_dev_fini(struct doca_devemu_pci_dev *pci);

/*
 * Resets of a device of the application's own type: as vdev_flr() and vdev_disconnected()
 * (transport.h).
 */
void pci_dev_flr(struct doca_devemu_pci_dev *pci, struct vdev_op *op);
void pci_dev_disconnected(struct doca_devemu_pci_dev *pci, struct vdev_op *op);

/* ---- pci_hotplug.c: device thread ---- */

/* First start: opens the port, and lets the host in unless the function is powered off. */
doca_error_t pci_port_open(struct doca_devemu_pci_dev *pci);
void pci_port_close(struct doca_devemu_pci_dev *pci); /* not open: nothing */
/* One look of the device's engine: what the host did becomes an event. At most one is delivered. */
enum ctx_progress pci_hotplug_step(struct doca_devemu_pci_dev *pci);
/* May the host have seen the function? Then its identity is fixed. */
bool pci_dev_is_visible(const struct doca_devemu_pci_dev *pci);
/* By which functions of this type are known: struct function.type. */
void pci_type_key(const struct doca_devemu_pci_type *type, char key[FUNCTION_TYPE_LEN]);

/* ---- virtio_dev.c: device thread ---- */

/* Fills a zeroed device and connects it to its engine. On error nothing is left behind. */
doca_error_t vdev_init(struct doca_devemu_virtio_dev *dev, struct doca_devemu_virtio_type *type,
		       struct doca_dev_rep *rep, struct doca_pe *pe);
/* BAD_STATE unless idle, IN_USE while it has I/O contexts. */
doca_error_t vdev_fini(struct doca_devemu_virtio_dev *dev);
/* Something changed: does what is due now. At most one user-visible unit. */
enum ctx_progress vdev_look(struct doca_devemu_virtio_dev *dev);

/* ---- virtio_reset.c: device thread ---- */

enum ctx_progress vdev_reset_step(struct doca_devemu_virtio_dev *dev);
/* The device has become idle, which ends a reset. */
void vdev_reset_idle(struct doca_devemu_virtio_dev *dev);
void vdev_reset_finish(struct doca_devemu_virtio_dev *dev);

/* ---- virtio_ctl.c: device thread ---- */

void vdev_op_check(struct doca_devemu_virtio_dev *dev);
/* Drops the rings of queues that are stopped and out of service. */
void vdev_reap_queues(struct doca_devemu_virtio_dev *dev);
int vdev_drain_timer_init(struct doca_devemu_virtio_dev *dev);
void vdev_drain_timer_fini(struct doca_devemu_virtio_dev *dev);

/* ---- virtio_queue.c ---- */

/* Control side. ask: applied at once when the queue is not in service. */
void vqueue_init(struct vqueue *q, struct doca_devemu_virtio_dev *dev, uint16_t index);
void vqueue_fini(struct vqueue *q); /* not in service: forgets rings and descriptors */
void vqueue_attach(struct vqueue *q, struct doca_devemu_virtio_io *io); /* lock held */
void vqueue_ask(struct vqueue *q, unsigned int cmds); /* lock held; arguments are in q */
bool vqueue_is_out(const struct vqueue *q); /* in service, or about to be */
/* I/O side. */
void vqueue_run_cmds(struct doca_devemu_virtio_io *io); /* what the device asks of this context */
void vqueue_release_drained(struct doca_devemu_virtio_io *io);
void vqueue_release_all(struct doca_devemu_virtio_io *io);
void vqueue_set_broken(struct vqueue *q);

/* ---- virtio_io.c: io thread ---- */

doca_error_t vio_init(struct doca_devemu_virtio_io *io, struct doca_devemu_virtio_dev *dev,
		      struct doca_pe *pe);
doca_error_t vio_fini(struct doca_devemu_virtio_io *io);
void vio_activate(struct doca_devemu_virtio_io *io, struct vqueue *q);
void vio_deactivate(struct doca_devemu_virtio_io *io, struct vqueue *q);
/* q was pushed to */
static inline void vio_pushed(struct doca_devemu_virtio_io *io, struct vqueue *q)
{
	/* Outside of progress nobody may be looking, and the engine may have been put to sleep. */
	if (!io->nr_pushed++)
		pe_wake(io->ctx.pe);
	if (q->dirty)
		return;
	q->dirty = true;
	SLIST_INSERT_HEAD(&io->dirty, q, dirty_link);
}
void vio_flush_queue(struct doca_devemu_virtio_io *io, struct vqueue *q);

/* ---- virtio_stats.c: device thread ---- */

/* Reports statistics that are complete. */
enum ctx_progress queue_list_check(struct doca_devemu_virtio_dev *dev);

/* ---- vfs_req.c: io thread ---- */

/* The queue's owned requests become orphans. Returns their number. */
unsigned int vfs_req_orphan_all(struct vqueue *q);

#endif
