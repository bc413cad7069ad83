/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtio layer of a device type: the defaults a device starts out with, and what may be
 * changed. Read only.
 */
#ifndef DOCA_DEVEMU_VIRTIO_TYPE_H
#define DOCA_DEVEMU_VIRTIO_TYPE_H

#include <stdint.h>

#include "doca_dev.h"
#include "doca_devemu_pci.h"
#include "doca_devemu_virtio.h"
#include "doca_error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct doca_devemu_pci_type;

/* View as a PCI type, valid as long as the type. NULL for NULL. */
DOCA_STABLE struct doca_devemu_pci_type *doca_devemu_virtio_type_as_pci_type(
		struct doca_devemu_virtio_type *virtio_type);

/* What a device has that sets nothing. */
DOCA_STABLE doca_error_t doca_devemu_virtio_type_get_num_queues(
		const struct doca_devemu_virtio_type *virtio_type, uint16_t *num_queues);
DOCA_STABLE doca_error_t doca_devemu_virtio_type_get_queue_size(
		const struct doca_devemu_virtio_type *virtio_type, uint16_t *queue_size);
DOCA_STABLE doca_error_t doca_devemu_virtio_type_get_device_features_63_0(
		const struct doca_devemu_virtio_type *virtio_type, uint64_t *features);
DOCA_STABLE doca_error_t doca_devemu_virtio_type_get_config_generation(
		const struct doca_devemu_virtio_type *virtio_type, uint8_t *config_generation);

/* Features a device may switch on and off; most queues it may have. */
DOCA_STABLE doca_error_t doca_devemu_virtio_cap_default_type_get_configurable_device_features_63_0(
		const struct doca_devemu_virtio_type *virtio_type, uint64_t *features);
DOCA_STABLE doca_error_t doca_devemu_virtio_cap_default_type_get_max_num_queues(
		const struct doca_devemu_virtio_type *virtio_type, uint16_t *num_queues);

#ifdef __cplusplus
}
#endif

#endif
