/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device and a progress engine as a transport sees them, recording instead of doing. Linked in
 * place of src/devemu and src/core/pe.c. One thread, no time: fake_pe_run() serves what is ready
 * and returns.
 */
#ifndef FAKE_VDEV_H
#define FAKE_VDEV_H

#include <stdbool.h>
#include <stdint.h>

#include "devemu/transport.h"

#define FAKE_QUEUES 4
#define FAKE_SOURCES 16

struct doca_pe {
	struct pe_source *src[FAKE_SOURCES];
	int fail_add; /* next pe_source_add() answers this */
};

struct doca_devemu_pci_dev {
	struct doca_devemu_virtio_dev *virtio;
	unsigned int arrivals, departures; /* of the host */
};

struct fake_queue {
	bool started;
	unsigned int starts, stops;
	struct vqueue_setup setup; /* as of the last start; descriptors owned */
	uint16_t base; /* what a stop reports */
};

struct doca_devemu_virtio_dev {
	uint64_t features, driver_features;
	uint16_t queue_size;
	uint8_t status;
	uint8_t config[64];
	bool defer; /* ops wait for fake_vdev_complete() */
	int start_error, memory_error;
	struct vdev_op *pending;
	struct gmem *gm;
	unsigned int memory_changes, resets, disconnects;
	struct fake_queue queue[FAKE_QUEUES];
};

void fake_vdev_init(struct doca_devemu_virtio_dev *dev);
/* Closes what the device was given and forgets the memory. */
void fake_vdev_fini(struct doca_devemu_virtio_dev *dev);
/* Completes the op that waits. */
void fake_vdev_complete(struct doca_devemu_virtio_dev *dev);

/* Serves ready sources until none is; returns false when that did not end (a source spins). */
bool fake_pe_run(struct doca_pe *pe);

#endif
