/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The register file of a function as a transport sees it, recording instead of doing: one BAR of
 * memory with two doorbells and a page to map, a configuration space of memory. Linked in place of
 * src/devemu/pci_*.c.
 */
#ifndef FAKE_FUNC_H
#define FAKE_FUNC_H

#include "devemu/pci_func.h"

#define FAKE_BAR_SIZE 0x4000u
#define FAKE_DOORBELLS 0x3000u /* two, four bytes apart; this page may be mapped */
#define FAKE_VECTORS 4

struct pci_func {
	const struct pci_func_ops *ops;
	void *port;
	uint8_t bar[FAKE_BAR_SIZE], config[256];
	int fd; /* of the page */
	int doorbell[2];
	int irq[PCI_FUNC_NR_IRQS][FAKE_VECTORS];
	struct gmem *gm;
	bool defer; /* what is asked for settles with fake_func_settle() */
	bool unsettled, awaited; /* awaited: pci_func_is_settled() has said no */
	bool masked;
	const struct pci_func_relay *relay;
	bool queue_runs; /* all of them */
	unsigned int writes, memory_changes, resets, disconnects, triggers, unmasks;
	unsigned int interrupts;
};

/* The one there is; NULL before open and after close. */
extern struct pci_func *fake_func;
void fake_func_settle(void);

#endif
