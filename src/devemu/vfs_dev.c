/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtio-fs device: its configuration, and what it supplies to the virtio layer.
 *
 * Source domains: a request's domain is the number of its queue. Devices of one process that share
 * a tag get ranges of their own, each the lowest one free when somebody asks or the device starts;
 * that is why all devices are on a list.
 */
#include <endian.h>
#include <linux/virtio_fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "devemu/vfs.h"

SD_LOG_REGISTER(VFS_DEV);

static pthread_mutex_t vfs_dev_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, doca_devemu_vfs_dev) vfs_dev_all = LIST_HEAD_INITIALIZER(vfs_dev_all);

/* ---- what the virtio layer asks ---- */

/* hiprio and those request queues that the configured number of queues leaves room for. */
static uint16_t vfs_dev_num_queues(const struct doca_devemu_virtio_dev *dev)
{
	uint32_t requests =
		container_of(dev, struct doca_devemu_vfs_dev, virtio)->num_request_queues;

	if (dev->num_queues)
		requests = min(requests, dev->num_queues - 1u);
	return (uint16_t)(requests + 1);
}

static void vfs_dev_config(const struct doca_devemu_virtio_dev *vdev, void *config, uint32_t len)
{
	const struct doca_devemu_vfs_dev *dev =
		container_of(vdev, struct doca_devemu_vfs_dev, virtio);
	struct virtio_fs_config fs = {
		.num_request_queues = htole32(vfs_dev_num_queues(vdev) - 1u),
	};

	memcpy(fs.tag, dev->tag, strlen(dev->tag));
	memcpy(config, &fs, min(len, (uint32_t)sizeof(fs)));
}

/* The end of a range that [base, base + cnt) would share with another device, 0: there is none. */
static uint32_t vfs_dev_domain_conflict(const struct doca_devemu_vfs_dev *dev, uint32_t base,
					uint32_t cnt)
{
	const struct doca_devemu_vfs_dev *other;

	LIST_FOREACH(other, &vfs_dev_all, all_link) {
		uint32_t start = other->virtio.domain_base, end = start + other->nr_domains;

		if (other != dev && !strcmp(other->tag, dev->tag) && base < end &&
		    start < base + cnt)
			return end;
	}
	return 0;
}

/* Keeps what was chosen before as long as it fits. False: all numbers are taken. */
static bool vfs_dev_choose_domains(struct doca_devemu_vfs_dev *dev)
{
	uint32_t cnt = vfs_dev_num_queues(&dev->virtio), base = dev->virtio.domain_base, end;
	bool fits;

	pthread_mutex_lock(&vfs_dev_lock);
	if (!dev->nr_domains || vfs_dev_domain_conflict(dev, base, cnt))
		base = 0;
	while ((end = vfs_dev_domain_conflict(dev, base, cnt)))
		base = end;
	fits = base + cnt <= UINT16_MAX + 1u;
	if (fits) {
		dev->virtio.domain_base = (uint16_t)base;
		dev->nr_domains = cnt;
	}
	pthread_mutex_unlock(&vfs_dev_lock);
	return fits;
}

static doca_error_t vfs_dev_check(struct doca_devemu_virtio_dev *vdev)
{
	struct doca_devemu_vfs_dev *dev = vfs_dev_of(vdev);

	if (!dev->tag[0]) {
		sd_log_err("a virtio-fs device needs a tag before it can start");
		return DOCA_ERROR_BAD_CONFIG;
	}
	return vfs_dev_choose_domains(dev) ? DOCA_SUCCESS : DOCA_ERROR_FULL;
}

static void vfs_dev_reset(struct doca_devemu_virtio_dev *vdev)
{
	vfs_session_reset(vfs_dev_of(vdev));
}

/* ---- life ---- */

doca_error_t doca_devemu_vfs_dev_create(struct doca_devemu_vfs_type *vfs_type,
					struct doca_dev_rep *dev_rep,
					struct doca_pe *progress_engine,
					struct doca_devemu_vfs_dev **vfs_dev)
{
	struct doca_devemu_vfs_dev *dev;
	doca_error_t err;

	if (!vfs_type || !dev_rep || !progress_engine || !vfs_dev)
		return DOCA_ERROR_INVALID_VALUE;
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return DOCA_ERROR_NO_MEMORY;
	dev->virtio.class_num_queues = vfs_dev_num_queues;
	dev->virtio.class_config = vfs_dev_config;
	dev->virtio.class_check = vfs_dev_check;
	dev->virtio.class_reset = vfs_dev_reset;
	dev->num_request_queues = vfs_type->num_request_queues;
	dev->user_size = dev->notification_user_size = VFS_USER_SIZE_UNSET;
	err = vdev_init(&dev->virtio, &vfs_type->virtio, dev_rep, progress_engine);
	if (err != DOCA_SUCCESS) {
		free(dev);
		return err;
	}
	pthread_mutex_lock(&vfs_dev_lock);
	LIST_INSERT_HEAD(&vfs_dev_all, dev, all_link);
	pthread_mutex_unlock(&vfs_dev_lock);
	vfs_count_device(1);
	*vfs_dev = dev;
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_vfs_dev_destroy(struct doca_devemu_vfs_dev *vfs_dev)
{
	doca_error_t err;

	if (!vfs_dev)
		return DOCA_ERROR_INVALID_VALUE;
	err = vdev_fini(&vfs_dev->virtio);
	if (err != DOCA_SUCCESS)
		return err;
	pthread_mutex_lock(&vfs_dev_lock);
	LIST_REMOVE(vfs_dev, all_link);
	pthread_mutex_unlock(&vfs_dev_lock);
	vfs_count_device(-1);
	free(vfs_dev);
	return DOCA_SUCCESS;
}

struct doca_ctx *doca_devemu_vfs_dev_as_ctx(struct doca_devemu_vfs_dev *vfs_dev)
{
	return vfs_dev ? &vfs_dev->virtio.pci.ctx : NULL;
}

struct doca_devemu_virtio_dev *
doca_devemu_vfs_dev_as_virtio_dev(struct doca_devemu_vfs_dev *vfs_dev)
{
	return vfs_dev ? &vfs_dev->virtio : NULL;
}

struct doca_devemu_pci_dev *doca_devemu_vfs_dev_as_pci_dev(struct doca_devemu_vfs_dev *vfs_dev)
{
	return vfs_dev ? &vfs_dev->virtio.pci : NULL;
}

/* ---- configuration ---- */

static bool vfs_dev_is_idle(const struct doca_devemu_vfs_dev *dev)
{
	return ctx_is_idle(&dev->virtio.pci.ctx);
}

doca_error_t doca_devemu_vfs_dev_get_tag(const struct doca_devemu_vfs_dev *vfs_dev,
					 char tag[DOCA_VFS_TAG_SIZE])
{
	if (!vfs_dev || !tag)
		return DOCA_ERROR_INVALID_VALUE;
	strcpy(tag, vfs_dev->tag);
	return DOCA_SUCCESS;
}

/* The argument is read up to its NUL only: callers' arrays have various sizes. */
doca_error_t doca_devemu_vfs_dev_set_tag(struct doca_devemu_vfs_dev *vfs_dev,
					 const char tag[DOCA_VFS_TAG_SIZE])
{
	const char *text = tag;
	size_t len;

	if (!vfs_dev || !text)
		return DOCA_ERROR_INVALID_VALUE;
	if (!vfs_dev_is_idle(vfs_dev))
		return DOCA_ERROR_BAD_STATE;
	len = strnlen(text, DOCA_VFS_TAG_SIZE);
	if (len == DOCA_VFS_TAG_SIZE)
		return DOCA_ERROR_TOO_BIG;
	if (!len)
		return DOCA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&vfs_dev_lock);
	if (strcmp(vfs_dev->tag, text))
		vfs_dev->nr_domains = 0; /* of the old tag */
	memcpy(vfs_dev->tag, text, len + 1);
	pthread_mutex_unlock(&vfs_dev_lock);
	return DOCA_SUCCESS;
}

/* A pair of accessors: the getter gives `shown`, the setter wants an idle device and `valid`. */
#define DEV_VALUE(name, type, field, shown, valid) \
	doca_error_t doca_devemu_vfs_dev_get_##name(const struct doca_devemu_vfs_dev *dev, \
						    type *value) \
	{ \
		if (!dev || !value) \
			return DOCA_ERROR_INVALID_VALUE; \
		*value = (shown); \
		return DOCA_SUCCESS; \
	} \
	doca_error_t doca_devemu_vfs_dev_set_##name(struct doca_devemu_vfs_dev *dev, type value) \
	{ \
		if (!dev || !(valid)) \
			return DOCA_ERROR_INVALID_VALUE; \
		if (!vfs_dev_is_idle(dev)) \
			return DOCA_ERROR_BAD_STATE; \
		dev->field = value; \
		return DOCA_SUCCESS; \
	}

DEV_VALUE(num_request_queues, uint32_t, num_request_queues, dev->num_request_queues,
	  value >= 1 && value < VDEV_MAX_QUEUES)
DEV_VALUE(notify_buf_size, uint32_t, notify_buf_size, dev->notify_buf_size, true)
DEV_VALUE(vfs_req_user_data_size, uint32_t, user_size,
	  dev->user_size == VFS_USER_SIZE_UNSET ? vfs_cfg_req_user_size() : dev->user_size,
	  value <= VFS_MAX_USER_DATA)
DEV_VALUE(vfs_notification_req_user_data_size, uint32_t, notification_user_size,
	  dev->notification_user_size == VFS_USER_SIZE_UNSET ? vfs_cfg_notification_user_size() :
								dev->notification_user_size,
	  value <= VFS_MAX_USER_DATA)

doca_error_t doca_devemu_vfs_dev_get_req_src_domain_id_range(
	const struct doca_devemu_vfs_dev *vfs_dev, uint16_t *min_src_domain_id,
	uint16_t *max_src_domain_id)
{
	if (!vfs_dev || !min_src_domain_id || !max_src_domain_id)
		return DOCA_ERROR_INVALID_VALUE;
	/* Whoever asks first settles it, which changes nothing that could be seen before. */
	if (!vfs_dev_choose_domains((struct doca_devemu_vfs_dev *)vfs_dev))
		return DOCA_ERROR_FULL;
	*min_src_domain_id = vfs_dev->virtio.domain_base;
	*max_src_domain_id = (uint16_t)(vfs_dev->virtio.domain_base + vfs_dev->nr_domains - 1);
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_vfs_dev_get_fuse_client_arch(
	const struct doca_devemu_vfs_dev *vfs_dev, enum doca_devemu_vfs_fuse_client_arch *arch)
{
	if (!vfs_dev || !arch)
		return DOCA_ERROR_INVALID_VALUE;
	*arch = vfs_dev->arch;
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_vfs_dev_set_fuse_client_arch(struct doca_devemu_vfs_dev *vfs_dev,
						      enum doca_devemu_vfs_fuse_client_arch arch)
{
	if (!vfs_dev)
		return DOCA_ERROR_INVALID_VALUE;
	if (!vfs_dev_is_idle(vfs_dev))
		return DOCA_ERROR_BAD_STATE;
	if ((unsigned int)arch > DOCA_DEVEMU_VFS_FUSE_CLIENT_ARCH_AARCH_64)
		return DOCA_ERROR_NOT_PERMITTED;
	vfs_dev->arch = arch;
	return DOCA_SUCCESS;
}
