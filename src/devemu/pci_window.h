/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Windows: the parts of a BAR of an application's own type that hold what was written to them.
 * Stateful regions report it to the application, doorbells do not. They belong to the device
 * object and outlive stops; values are powered on with the defaults. Device's engine thread.
 */
#ifndef DEVEMU_PCI_WINDOW_H
#define DEVEMU_PCI_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "doca_devemu_pci.h"

/* Also the event of the API: valid while its handler runs, which is when a window is reported. */
struct doca_devemu_pci_dev_event_bar_stateful_region_driver_write {
	struct doca_devemu_pci_dev *pci;
	uint8_t bar;
	uint64_t start;
};

struct pci_window {
	struct doca_devemu_pci_dev_event_bar_stateful_region_driver_write event;
	uint64_t size;
	uint8_t *values;
	uint8_t *own_defaults; /* NULL: those of the type */
	const struct pci_region *region; /* of the type */
	bool written; /* since it was last reported */
	doca_devemu_pci_dev_event_bar_stateful_region_driver_write_handler_cb_t handler;
	union doca_data user_data;
};

/* Windows of a device of this type, with their defaults. -ENOMEM: none. */
int pci_window_create_all(struct doca_devemu_pci_dev *pci);
void pci_window_destroy_all(struct doca_devemu_pci_dev *pci);
void pci_window_reset_all(struct doca_devemu_pci_dev *pci);
struct pci_window *pci_window_find(const struct doca_devemu_pci_dev *pci, unsigned int bar,
				   uint64_t start); /* NULL: there is none */

/* Ranges lie in the window. */
void pci_window_host_read(const struct pci_window *w, uint64_t offset, uint8_t *dst, size_t len);
void pci_window_host_write(struct doca_devemu_pci_dev *pci, struct pci_window *w, uint64_t offset,
			   const uint8_t *src, size_t len);

/* Calls one handler that is due. false: none was. */
bool pci_window_report(struct doca_devemu_pci_dev *pci);

#endif
