/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registers of a virtio-fs function, driven without a transport: the device is that of the
 * rig, whose own transport stays without a host. One thread: rig_idle() moves everything.
 */
#ifndef TESTS_LOOP_REGS_H
#define TESTS_LOOP_REGS_H

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "devemu/pci_func.h"
#include "rig.h"
#include "../unit/vdrv.h"

/* Where the device puts its structures; found by regs_find_caps(). */
struct regs_cap {
	uint8_t at, bar;
	uint32_t offset, length;
};

#define REGS_QUEUES 3
#define REGS_VECTORS 34 /* of the rig's board */
#define REGS_QUEUE_SIZE 16
#define REGS_OFFERED (1ull << 28 | 1ull << 29 | 1ull << 32 | 1ull << 33 | 1ull << 40)

struct regs {
	struct rig rig;
	bool mapped; /* setting: the host may map the doorbells */
	struct pci_func *func;
	unsigned int settled; /* times ops->settled() was called */
	struct regs_cap common, notify, isr, device, window;
	uint8_t pm, msix, exp;
	struct vdrv q[REGS_QUEUES]; /* of a driver that is set up */
	struct gmem *gm; /* memory of all of them */
	int fd[REGS_VECTORS]; /* eventfds given to the function, -1 */
	int intx;
};

/* Device RUNNING, function in power-on state. Settings of r->rig first. */
void regs_start(struct regs *r);
void regs_stop(struct regs *r);

uint64_t regs_read(struct regs *r, unsigned int region, uint64_t offset, size_t len);
void regs_write(struct regs *r, unsigned int region, uint64_t offset, uint64_t value, size_t len);
/* Common configuration. */
uint64_t regs_get(struct regs *r, unsigned int offset, size_t len);
void regs_set(struct regs *r, unsigned int offset, uint64_t value, size_t len);
uint8_t regs_status(struct regs *r);
void regs_wait_settled(struct regs *r);
void regs_find_caps(struct regs *r);

/* The steps of a driver. */
void regs_features(struct regs *r, uint64_t features);
void regs_memory(struct regs *r); /* of r->q[]: all of them mapped */
void regs_vector(struct regs *r, unsigned int vector); /* an eventfd for it */
void regs_queue(struct regs *r, unsigned int q, uint16_t vector); /* up to queue_enable */
/* All of it, MSI-X with vector 0 for the configuration and 1.. for queues, or INTx. */
void regs_driver(struct regs *r, bool msix);
/* Interrupts since the last call. */
uint64_t regs_interrupts(int fd);
void regs_kick(struct regs *r, unsigned int q);
/* FUSE_INIT over queue q, answered. false: no answer came. */
bool regs_roundtrip(struct regs *r, unsigned int q);
/* The same in two halves. */
void regs_send(struct regs *r, unsigned int q);
bool regs_answered(struct regs *r, unsigned int q);

#endif
