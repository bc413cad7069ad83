/* SPDX-License-Identifier: BSD-3-Clause */
/* The virtio-fs type of an emulation manager: made on first use, as long-lived as the manager. */
#include <stdlib.h>
#include <string.h>

#include "core/board.h"
#include "devemu/vfs.h"

doca_error_t doca_devemu_vfs_is_default_vfs_type_supported(const struct doca_devinfo *devinfo,
							   uint8_t *supported)
{
	if (!devinfo || !supported)
		return DOCA_ERROR_INVALID_VALUE;
	*supported = devinfo->vfs_enabled;
	return DOCA_SUCCESS;
}

static struct doca_devemu_vfs_type *vfs_type_create(struct doca_dev *dev)
{
	struct doca_devemu_vfs_type *type = calloc(1, sizeof(*type));

	if (!type)
		return NULL;
	virtio_type_init(&type->virtio, dev);
	strcpy(type->virtio.pci.name, "virtio-fs");
	type->num_request_queues = type->virtio.num_queues - 1u;
	return type;
}

doca_error_t doca_devemu_vfs_find_default_vfs_type_by_dev(struct doca_dev *dev,
							  struct doca_devemu_vfs_type **vfs_type)
{
	struct doca_devemu_vfs_type *type;

	if (!dev || !vfs_type)
		return DOCA_ERROR_INVALID_VALUE;
	if (!dev->info->vfs_enabled)
		return DOCA_ERROR_NOT_SUPPORTED;
	board_lock();
	if (!dev->info->vfs_type)
		dev->info->vfs_type = vfs_type_create(dev);
	type = dev->info->vfs_type;
	if (type)
		type->virtio.pci.dev = dev; /* the manager may have been closed and opened again */
	board_unlock();
	if (!type)
		return DOCA_ERROR_NO_MEMORY;
	*vfs_type = type;
	return DOCA_SUCCESS;
}

struct doca_devemu_virtio_type *
doca_devemu_vfs_type_as_virtio_type(struct doca_devemu_vfs_type *vfs_type)
{
	return vfs_type ? &vfs_type->virtio : NULL;
}

struct doca_devemu_pci_type *
doca_devemu_vfs_type_as_pci_type(struct doca_devemu_vfs_type *vfs_type)
{
	return vfs_type ? &vfs_type->virtio.pci : NULL;
}

doca_error_t
doca_devemu_vfs_type_get_num_request_queues(const struct doca_devemu_vfs_type *vfs_type,
					    uint32_t *num_request_queues)
{
	if (!vfs_type || !num_request_queues)
		return DOCA_ERROR_INVALID_VALUE;
	*num_request_queues = vfs_type->num_request_queues;
	return DOCA_SUCCESS;
}
