/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Host memory as an application's mmap of it sees it (doca_devemu_pci_mmap_create()): the snapshot
 * the function has now. Counted, since mmaps may outlive the device; the mmaps of a device that is
 * gone reach nothing. Any thread.
 */
#ifndef DEVEMU_PCI_HOST_H
#define DEVEMU_PCI_HOST_H

struct pci_host;
struct gmem;
struct doca_devemu_pci_dev;

/* Device's thread. gm may be NULL. Before the first mmap there is nobody to tell. */
void pci_host_set_memory(struct doca_devemu_pci_dev *pci, struct gmem *gm);
/* The device goes away. */
void pci_host_drop(struct doca_devemu_pci_dev *pci);

#endif
