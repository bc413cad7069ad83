/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of the register file of a PCIe function (pci_func.h). Each file owns a part of struct
 * pci_func: pci_cfg.c configuration space, pci_bar.c which region of a BAR an access belongs to,
 * pci_msix.c vectors, pci_irq.c where interrupts go, pci_virtio.c the virtio registers,
 * pci_queue.c what is asked of the device on their behalf, pci_window.c registers of devices of
 * the application's own types. All on the thread of the device's engine.
 */
#ifndef DEVEMU_PCI_INT_H
#define DEVEMU_PCI_INT_H

#include <linux/pci_regs.h>

#include "devemu/pci_func.h"
#include "devemu/pci_host.h"
#include "devemu/pci_window.h"
#include "devemu/vdev.h"

#define PCI_CFG_SIZE 4096 /* of the region; registers are in the first 256 bytes */
#define PCI_MSIX_ENTRY 16
#define PCI_COMMON_SIZE 64 /* of the common registers, with room behind the last one */
#define PCI_NOTIFY_STRIDE 4 /* from doorbell to doorbell */

/* A part of a BAR with a meaning. */
struct func_region {
	enum pci_region_kind kind;
	uint64_t start, size;
	struct pci_window *window; /* doorbells, stateful */
};

struct func_bar {
	uint64_t size; /* 0: none, or the upper half of the one before */
	uint32_t flags; /* low bits of its register */
	unsigned int nr_regions;
	struct func_region region[PCI_BAR_MAX_REGIONS];
};

struct func_vector {
	struct pci_func *func;
	uint8_t entry[PCI_MSIX_ENTRY]; /* of the table */
	bool ruled; /* the host has written the entry since reset: its mask bit counts */
	bool pending;
	int fd; /* the host's; -1: none */
	unsigned int gen; /* of fd */
	struct pe_source latch; /* ours, where interrupts go that must wait; fd -1 until needed */
};

/* Where the interrupts of a queue go. */
enum route_kind { ROUTE_NONE, ROUTE_INTX, ROUTE_LATCH, ROUTE_HOST };

struct func_route {
	enum route_kind kind;
	uint16_t vector;
	unsigned int gen;
};

struct func_queue { /* registers, and what has become of them */
	uint16_t size, vector;
	bool enabled, resetting;
	uint64_t addr[3]; /* enum queue_part */
	bool running; /* the device has it */
	uint16_t base; /* where the device goes on in the avail ring when it gets it */
	bool relayed; /* by pci_func_relay */
	bool refused; /* it could not be started: nothing helps but a reset */
	struct func_route route; /* as the device has it */
	int kick_fd; /* doorbell; -1 until needed */
};

enum queue_part { QUEUE_DESC, QUEUE_DRIVER, QUEUE_DEVICE };

enum reset_kind { RESET_VIRTIO, RESET_FLR, RESET_GONE, NR_RESETS };

struct func_reset {
	struct vdev_op op;
	struct pci_func *func;
	bool busy;
};

/* A snapshot that was replaced and may still be in use. */
struct func_old_memory {
	struct gmem *gm;
	uint64_t deadline; /* clock_ns() */
	LIST_ENTRY(func_old_memory) link;
};

struct pci_func {
	/* const */
	struct doca_devemu_pci_dev *pci;
	struct doca_devemu_virtio_dev *vdev; /* NULL: of the application's own type */
	struct doca_pe *pe;
	const struct pci_func_ops *ops;
	void *port;
	const struct pci_func_relay *relay; /* or NULL */
	struct func_bar bar[PCI_NUM_BARS];
	int notify_fd; /* memory with the doorbell page the host may map; -1: doorbells are messages */
	uint8_t *notify_mem; /* the page */

	/* configuration space */
	uint8_t cfg[256], writable[256], write_clear[256], initial[256];
	uint8_t cap_exp, cap_msix, cap_window; /* 0: none */

	/* interrupts */
	unsigned int nr_vectors;
	struct func_vector *vector;
	unsigned int nr_host_vectors; /* with a descriptor */
	int irq_fd[PCI_FUNC_NR_IRQS]; /* of those that are single */
	bool intx_masked;
	uint8_t isr;
	struct pe_source queue_intx; /* ours: an I/O thread wants INTx */

	/* virtio registers */
	bool touched; /* a register was written since the last reset */
	uint32_t device_select, driver_select;
	uint64_t driver_features;
	uint16_t config_vector, queue_select;
	struct func_queue queue[VDEV_MAX_QUEUES];

	/* what is asked of the device */
	bool awaited; /* somebody wants to be told when all is settled */
	bool in_sync;
	bool dma_off; /* the driver has taken the bus away from the function */
	struct vdev_op op;
	enum func_op { OP_NONE, OP_MEMORY, OP_STOP, OP_PAUSE, OP_CALL, OP_FORGOTTEN } op_kind;
	uint16_t op_queue;
	struct func_route op_route;
	struct func_reset reset[NR_RESETS];
	struct gmem *gm; /* as the device has it */
	struct gmem *gm_next; /* to be given to it; NULL: gm is what is wanted */
	LIST_HEAD(, func_old_memory) old_memory;
	struct pe_source old_timer;
};

static inline uint16_t get_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t get_le32(const uint8_t *p)
{
	return get_le16(p) | (uint32_t)get_le16(p + 2) << 16;
}

static inline void put_le(uint8_t *p, uint64_t value, unsigned int size)
{
	while (size--) {
		*p++ = (uint8_t)value;
		value >>= 8;
	}
}

/* ---- pci_func.c ---- */

void pci_func_flr(struct pci_func *func); /* the driver asks for it */

/* ---- pci_cfg.c ---- */

/* BARs and the number of vectors are known. -ENOSPC: they do not fit. */
int pci_cfg_init(struct pci_func *func);
void pci_cfg_reset(struct pci_func *func);
void pci_cfg_read(struct pci_func *func, uint64_t offset, uint8_t *dst, size_t len);
void pci_cfg_write(struct pci_func *func, uint64_t offset, const uint8_t *src, size_t len);
uint16_t pci_cfg_msix_control(const struct pci_func *func);
bool pci_cfg_intx_disabled(const struct pci_func *func);

/* ---- pci_bar.c ---- */

void pci_bar_init(struct pci_func *func);
void pci_bar_read(struct pci_func *func, unsigned int index, uint64_t offset, uint8_t *dst,
		  size_t len);
void pci_bar_write(struct pci_func *func, unsigned int index, uint64_t offset, const uint8_t *src,
		   size_t len);
const struct func_region *pci_bar_find(const struct pci_func *func, enum pci_region_kind kind,
				       unsigned int *ret_bar);

/* ---- pci_msix.c: offsets and lengths lie in the region ---- */

int pci_msix_init(struct pci_func *func);
void pci_msix_fini(struct pci_func *func);
void pci_msix_reset(struct pci_func *func); /* table and pending bits; descriptors stay */
void pci_msix_forget(struct pci_func *func); /* descriptors */
void pci_msix_table_read(struct pci_func *func, uint64_t offset, uint8_t *dst, size_t len);
void pci_msix_table_write(struct pci_func *func, uint64_t offset, const uint8_t *src, size_t len);
void pci_msix_pba_read(struct pci_func *func, uint64_t offset, uint8_t *dst, size_t len);
/* Masks have changed: what was pending may go, and queues to other places. */
void pci_msix_update(struct pci_func *func);
bool pci_msix_is_active(const struct pci_func *func);
bool pci_msix_may_fire(const struct pci_func *func, unsigned int vector);
void pci_msix_fire(struct pci_func *func, unsigned int vector);
int pci_msix_set_fd(struct pci_func *func, unsigned int vector, int fd);
/* Descriptor of the latch; -errno. */
int pci_msix_latch(struct pci_func *func, unsigned int vector);

/* ---- pci_irq.c ---- */

int pci_irq_init(struct pci_func *func);
void pci_irq_fini(struct pci_func *func);
void pci_irq_reset(struct pci_func *func);
void pci_irq_forget(struct pci_func *func); /* descriptors too */
void pci_irq_signal(struct pci_func *func, int fd);
/* The device's configuration changed. */
void pci_irq_raise_config(struct pci_func *func);
/* ISR or the command register changed. */
void pci_irq_update_intx(struct pci_func *func);
bool pci_irq_intx_asserted(const struct pci_func *func);
struct func_route pci_irq_route(const struct pci_func *func, uint16_t vector);
/* A descriptor for the device that leads there, -1 for ROUTE_NONE; -errno. */
int pci_irq_route_fd(struct pci_func *func, const struct func_route *route);

/* ---- pci_virtio.c: offsets and lengths lie in the region ---- */

void pci_virtio_reset_regs(struct pci_func *func);
void pci_virtio_reset_queue(struct pci_func *func, struct func_queue *q);
void pci_common_read(struct pci_func *func, uint64_t offset, uint8_t *dst, size_t len);
void pci_common_write(struct pci_func *func, uint64_t offset, const uint8_t *src, size_t len);
void pci_isr_read(struct pci_func *func, uint64_t offset, uint8_t *dst, size_t len);
void pci_device_read(struct pci_func *func, uint64_t offset, uint8_t *dst, size_t len);
void pci_notify_read(struct pci_func *func, uint64_t offset, uint8_t *dst, size_t len);
void pci_notify_write(struct pci_func *func, uint64_t offset, const uint8_t *src, size_t len);
int pci_notify_init(struct pci_func *func);
void pci_notify_fini(struct pci_func *func);
/* The queue's doorbell; -errno. */
int pci_notify_fd(struct pci_func *func, uint16_t index);
/* What one host got of them must not reach the next one's. */
void pci_notify_forget(struct pci_func *func);

/* ---- pci_queue.c ---- */

/* Does what is due and possible now. After every change of a register. */
void pci_queue_sync(struct pci_func *func);
void pci_queue_reset_all(struct pci_func *func, enum reset_kind kind);
bool pci_queue_resetting(const struct pci_func *func);
bool pci_queue_is_settled(const struct pci_func *func);
int pci_queue_init(struct pci_func *func);
void pci_queue_fini(struct pci_func *func);
void pci_queue_set_memory(struct pci_func *func, struct gmem *gm);

#endif
