/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtio-fs device type. Every manager that supports virtio-fs has one default type, owned by
 * the library.
 */
#ifndef DOCA_DEVEMU_VFS_TYPE_H
#define DOCA_DEVEMU_VFS_TYPE_H

#include <stdint.h>

#include "doca_dev.h"
#include "doca_devemu_pci.h"
#include "doca_devemu_vfs.h"
#include "doca_devemu_virtio.h"
#include "doca_devemu_virtio_type.h"
#include "doca_error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The bit in the device features that offers a notification queue. It can not be offered yet. */
#define DOCA_DEVEMU_VIRTIOFS_NOTIFICATION_QUEUE_BIT_IN_DEVICE_FEATURES (1ULL << 0)

/* 1: the device can manage virtio-fs functions. */
DOCA_STABLE doca_error_t doca_devemu_vfs_is_default_vfs_type_supported(
		const struct doca_devinfo *devinfo, uint8_t *supported);

/* The type of an open device; the same each time, never to be destroyed. NOT_SUPPORTED: none. */
DOCA_STABLE doca_error_t doca_devemu_vfs_find_default_vfs_type_by_dev(struct doca_dev *dev,
		struct doca_devemu_vfs_type **vfs_type);

/* Views, valid as long as the type. NULL for NULL. */
DOCA_STABLE struct doca_devemu_virtio_type *doca_devemu_vfs_type_as_virtio_type(
		struct doca_devemu_vfs_type *vfs_type);
DOCA_STABLE struct doca_devemu_pci_type *doca_devemu_vfs_type_as_pci_type(
		struct doca_devemu_vfs_type *vfs_type);

/* What a device has that sets nothing. */
DOCA_STABLE doca_error_t doca_devemu_vfs_type_get_num_request_queues(
		const struct doca_devemu_vfs_type *vfs_type, uint32_t *num_request_queues);

#ifdef __cplusplus
}
#endif

#endif
