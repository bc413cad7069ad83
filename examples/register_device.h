/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PCI device of our own type, hot plugged: one BAR with a block of registers the host can read
 * and write. BAR 0 is 64 bits wide and has 16 KiB: registers at 0, MSI-X table and its pending bits
 * further up.
 */
#ifndef EXAMPLES_REGISTER_DEVICE_H
#define EXAMPLES_REGISTER_DEVICE_H

#include "common.h"

#define REGISTER_DEVICE_BAR 0
#define REGISTER_DEVICE_START 0
#define REGISTER_DEVICE_SIZE 64 /* bytes */

struct register_device {
	struct doca_dev *dev;
	struct doca_pe *pe;
	struct doca_devemu_pci_type *type;
	struct doca_dev_rep *rep;
	struct doca_devemu_pci_dev *pci;
	/* The host has written one of the registers. */
	void (*written)(struct register_device *d);
	uint64_t reg[REGISTER_DEVICE_SIZE / 8]; /* as they were then */
};

/* Makes the type, a function of it and its device, and plugs it in. */
void register_device_open(struct register_device *d, const char *type_name);
/* Until SIGINT or SIGTERM. */
void register_device_serve(struct register_device *d);
/* What the host reads from register `index` from now on. */
void register_device_set(struct register_device *d, unsigned int index, uint64_t value);
/* Takes the function away, removes all of it. */
void register_device_close(struct register_device *d);

#endif
