/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The register file of an emulated PCIe function: configuration space, BARs, MSI-X, interrupts. It
 * is what a host sees that owns the whole function (vfio-user); transports whose host brings its
 * own PCIe (vhost-user) have none.
 *
 * Down: a transport carries accesses and interrupts to and fro. Up: for a virtio device the
 * registers of virtio 1.2 section 4.1 become vdev_*() calls (transport.h); for a device of the
 * application's own PCI type, stateful regions and doorbells.
 *
 * Registers keep *wanted* state. What must wait for I/O threads (queue reset, memory, interrupts,
 * status 0, function level reset) is begun at once and goes on by itself; the registers show how
 * far it is, as the specification has it. Who must know the end looks at pci_func_is_settled().
 *
 * Threads: that of the device's engine. Errors: 0 or -errno.
 */
#ifndef DEVEMU_PCI_FUNC_H
#define DEVEMU_PCI_FUNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devemu/transport.h"

struct pci_func;

/* Regions by the numbers of VFIO: 0..5 BARs, then expansion ROM (none) and configuration space. */
enum { PCI_FUNC_REGION_BAR0 = 0, PCI_FUNC_REGION_ROM = 6, PCI_FUNC_REGION_CONFIG = 7,
       PCI_FUNC_NR_REGIONS = 9 };

/* Interrupt indices of VFIO. */
enum { PCI_FUNC_IRQ_INTX, PCI_FUNC_IRQ_MSI, PCI_FUNC_IRQ_MSIX, PCI_FUNC_IRQ_ERR,
       PCI_FUNC_IRQ_REQ, PCI_FUNC_NR_IRQS };

#define PCI_FUNC_MAX_AREAS 8

struct pci_func_area {
	uint64_t offset, size;
};

struct pci_func_region {
	uint64_t size; /* 0: there is no such region */
	bool readable, writable;
	int fd; /* the function's; areas of it may be mapped by the host. -1: none */
	uint64_t fd_offset; /* of the region's first byte in fd */
	unsigned int nr_areas; /* page aligned */
	struct pci_func_area area[PCI_FUNC_MAX_AREAS];
};

/* What the function tells its transport. Called outside of the transport's own calls or inside. */
struct pci_func_ops {
	/* Everything asked for is in effect now (only after pci_func_is_settled() said no). */
	void (*settled)(void *port);
};

/* Power-on state, from the device's type, ids and class. -ENOMEM, -EINVAL: BARs do not fit. */
int pci_func_create(struct doca_devemu_pci_dev *pci, const struct pci_func_ops *ops, void *port,
		    struct pci_func **ret_func);
/* No operation is outstanding; forgets descriptors and memory. NULL is fine. */
void pci_func_destroy(struct pci_func *func);

void pci_func_region_info(const struct pci_func *func, unsigned int index,
			  struct pci_func_region *ret);

/*
 * Any offset and length inside the region; the host's bytes are little endian as on the bus.
 * -EINVAL: no such region, or beyond its end. A register that does not like the value ignores it,
 * as hardware does; a write to a read-only place is not an error.
 */
int pci_func_read(struct pci_func *func, unsigned int index, uint64_t offset, void *dst,
		  size_t len);
int pci_func_write(struct pci_func *func, unsigned int index, uint64_t offset, const void *src,
		   size_t len);

/*
 * The doorbell at this place, to be written by the host as an eventfd (8 bytes, value 1): the
 * function's descriptor, valid until pci_func_disconnected() or pci_func_destroy(). *ret_size:
 * bytes of the doorbell. -ENOENT: there is none.
 */
int pci_func_doorbell(struct pci_func *func, unsigned int index, uint64_t offset, int *ret_fd,
		      uint32_t *ret_size);

/* Where the n-th doorbell of a region is, counted from 0 by offset. -ENOENT: there are fewer. */
int pci_func_nth_doorbell(const struct pci_func *func, unsigned int index, unsigned int n,
			  uint64_t *ret_offset);

/* How many interrupts there are of an index: vectors of MSI-X, 1 or 0 of the others. */
unsigned int pci_func_nr_irqs(const struct pci_func *func, unsigned int index);
/* fd: eventfd, consumed in every case; -1: none any more. -EINVAL: no such interrupt. */
int pci_func_set_irq(struct pci_func *func, unsigned int index, unsigned int vector, int fd);
/* The host is interrupted as if the function had done it. -EINVAL; not set up: nothing happens. */
int pci_func_trigger(struct pci_func *func, unsigned int index, unsigned int vector);
/* INTx is level: masked after each interrupt until the host unmasks it. */
void pci_func_mask_intx(struct pci_func *func, bool masked);

/*
 * Memory the function may reach, empty at the start. Takes a count on gm; the caller keeps none on
 * what was set before. Settled when nobody uses any more what is not in it, or after two seconds:
 * requests that take longer go on with the memory they began with.
 */
void pci_func_set_memory(struct pci_func *func, struct gmem *gm);

/*
 * A transport that cannot map the memory of its host keeps a copy, and relays what device and driver
 * write to the rings. It stands between them: the device's doorbell and interrupt are the relay's,
 * those of the host stay in pci_func_doorbell() and pci_func_interrupt().
 */
struct pci_func_queue { /* as the driver has set it up */
	uint16_t size;
	uint64_t desc, avail, used; /* bus addresses, in memory as it was set last */
};

struct pci_func_relay {
	/*
	 * The device gets this queue when the call returns, at the first entry of its rings. Gives
	 * the descriptor the device is to read for kicks, and the one it is to write for
	 * interrupts; they become the function's. -errno: the queue cannot be served.
	 */
	int (*start)(void *port, unsigned int index, const struct pci_func_queue *q,
		     int *ret_kick_fd, int *ret_call_fd);
};

/* For queues that start from now on; NULL: the device is on its own. Const while it is set. */
void pci_func_set_relay(struct pci_func *func, const struct pci_func_relay *relay);
bool pci_func_queue_runs(const struct pci_func *func, unsigned int index);
/* The driver is interrupted for this queue, by whatever way it has chosen. */
void pci_func_interrupt(struct pci_func *func, unsigned int index);

/* Function level reset (configuration space does it by itself); host and memory stay. */
void pci_func_reset(struct pci_func *func);
/* The host is gone: power-on state, memory and interrupts forgotten, the device told. */
void pci_func_disconnected(struct pci_func *func);

/* false: ops->settled() will be called. */
bool pci_func_is_settled(struct pci_func *func);

/* From the device, by way of its transport: NEEDS_RESET is set; the configuration changed. */
void pci_func_needs_reset(struct pci_func *func);
void pci_func_config_changed(struct pci_func *func);
/* The register of a virtio device, VIRTIO_MSI_NO_VECTOR included. */
uint16_t pci_func_config_vector(const struct pci_func *func);

#endif
