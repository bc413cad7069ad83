/* SPDX-License-Identifier: BSD-3-Clause */
/* The virtio layer of a type, and the configuration of the virtio layer of a device. */
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "core/api.h"
#include "devemu/pci_func.h"
#include "devemu/vdev.h"

#define BIT(n) (1ull << (n))

#define VIRTIO_PCI_VENDOR 0x1af4
#define VIRTIO_PCI_DEVICE_BASE 0x1040 /* plus the virtio device id */
#define PCI_CLASS_STORAGE_OTHER 0x018000

void virtio_type_init(struct doca_devemu_virtio_type *type, struct doca_dev *dev)
{
	type->num_queues = 2;
	type->queue_size = 256;
	type->configurable = BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX);
	type->features = BIT(VIRTIO_F_VERSION_1) | type->configurable;
	type->pci.is_default = true;
	type->pci.started = true;
	type->pci.dev = dev;
	type->pci.ids = (struct pci_ids){
		.vendor_id = VIRTIO_PCI_VENDOR,
		.device_id = VIRTIO_PCI_DEVICE_BASE + VIRTIO_ID_FS,
		.subsystem_vendor_id = VIRTIO_PCI_VENDOR,
		.subsystem_id = VIRTIO_PCI_DEVICE_BASE + VIRTIO_ID_FS,
		.revision_id = 1,
		.class_code = PCI_CLASS_STORAGE_OTHER,
		.num_msix = dev->info->num_msix,
	};
}

struct doca_devemu_pci_type *
doca_devemu_virtio_type_as_pci_type(struct doca_devemu_virtio_type *virtio_type)
{
	return virtio_type ? &virtio_type->pci : NULL;
}

#define GETTER(fn, object, rettype, value) API_GETTER(fn, const struct object, rettype, value)

GETTER(doca_devemu_virtio_type_get_num_queues, doca_devemu_virtio_type, uint16_t, o->num_queues)
GETTER(doca_devemu_virtio_type_get_queue_size, doca_devemu_virtio_type, uint16_t, o->queue_size)
GETTER(doca_devemu_virtio_type_get_device_features_63_0, doca_devemu_virtio_type, uint64_t,
       o->features)
GETTER(doca_devemu_virtio_type_get_config_generation, doca_devemu_virtio_type, uint8_t, 0)
GETTER(doca_devemu_virtio_cap_default_type_get_configurable_device_features_63_0,
       doca_devemu_virtio_type, uint64_t, o->configurable)
GETTER(doca_devemu_virtio_cap_default_type_get_max_num_queues, doca_devemu_virtio_type, uint16_t,
       VDEV_MAX_QUEUES)

/* ---- device ---- */

struct doca_ctx *doca_devemu_virtio_dev_as_ctx(struct doca_devemu_virtio_dev *dev)
{
	return dev ? &dev->pci.ctx : NULL;
}

struct doca_devemu_pci_dev *doca_devemu_virtio_dev_as_pci_dev(struct doca_devemu_virtio_dev *dev)
{
	return dev ? &dev->pci : NULL;
}

static uint16_t vdev_enabled_queues(const struct doca_devemu_virtio_dev *dev)
{
	uint16_t i, cnt = 0;

	for (i = 0; i < VDEV_MAX_QUEUES; i++)
		cnt += dev->queue[i].started;
	return cnt;
}

GETTER(doca_devemu_virtio_dev_get_device_features_63_0, doca_devemu_virtio_dev, uint64_t,
       o->features)
GETTER(doca_devemu_virtio_dev_get_driver_features_63_0, doca_devemu_virtio_dev, uint64_t,
       o->driver_features)
/* A host that brings its own PCIe keeps its vectors to itself. */
GETTER(doca_devemu_virtio_dev_get_config_msix_vector, doca_devemu_virtio_dev, uint16_t,
       o->pci.func ? pci_func_config_vector(o->pci.func) : VIRTIO_MSI_NO_VECTOR)
GETTER(doca_devemu_virtio_dev_get_num_queues, doca_devemu_virtio_dev, uint16_t,
       o->num_queues ? o->num_queues : vdev_num_queues(o))
GETTER(doca_devemu_virtio_dev_get_num_enabled_queues, doca_devemu_virtio_dev, uint16_t,
       vdev_enabled_queues(o))
GETTER(doca_devemu_virtio_dev_get_device_status, doca_devemu_virtio_dev, uint8_t, o->status)
GETTER(doca_devemu_virtio_dev_get_config_generation, doca_devemu_virtio_dev, uint8_t,
       o->config_generation)
GETTER(doca_devemu_virtio_dev_get_queue_size, doca_devemu_virtio_dev, uint16_t, o->queue_size)
GETTER(doca_devemu_virtio_dev_get_num_required_running_virtio_io_ctxs, doca_devemu_virtio_dev,
       uint32_t, o->required_ios)

/* A value into an idle device, if it is valid. */
#define SETTER(fn, type, valid, field) \
	doca_error_t fn(struct doca_devemu_virtio_dev *dev, type value) \
	{ \
		if (!dev || !(valid)) \
			return DOCA_ERROR_INVALID_VALUE; \
		if (!ctx_is_idle(&dev->pci.ctx)) \
			return DOCA_ERROR_BAD_STATE; \
		dev->field = value; \
		return DOCA_SUCCESS; \
	}

SETTER(doca_devemu_virtio_dev_set_num_queues, uint16_t, value >= 2 && value <= VDEV_MAX_QUEUES,
       num_queues)
SETTER(doca_devemu_virtio_dev_set_queue_size, uint16_t, is_pow2(value) && value <= VQ_MAX_SIZE,
       queue_size)
SETTER(doca_devemu_virtio_dev_set_num_required_running_virtio_io_ctxs, uint32_t, true,
       required_ios)

doca_error_t doca_devemu_virtio_dev_set_device_features_63_0(struct doca_devemu_virtio_dev *dev,
							     uint64_t features)
{
	struct doca_devemu_virtio_type *type;
	uint64_t changed;

	if (!dev)
		return DOCA_ERROR_INVALID_VALUE;
	if (!ctx_is_idle(&dev->pci.ctx))
		return DOCA_ERROR_BAD_STATE;
	type = container_of(dev->pci.type, struct doca_devemu_virtio_type, pci);
	changed = features ^ type->features;
	if (changed & DOCA_DEVEMU_VIRTIOFS_NOTIFICATION_QUEUE_BIT_IN_DEVICE_FEATURES)
		return DOCA_ERROR_NOT_SUPPORTED;
	if (changed & ~type->configurable)
		return DOCA_ERROR_INVALID_VALUE;
	dev->features = features;
	return DOCA_SUCCESS;
}
