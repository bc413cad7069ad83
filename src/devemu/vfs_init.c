/* SPDX-License-Identifier: BSD-3-Clause */
/* Process-wide settings. Without init the defaults hold: no user areas, any device. */
#include <stdlib.h>

#include "base/util.h"
#include "devemu/vfs.h"

/* Written by init and teardown, which by contract run alone. */
static struct {
	bool done;
	uint32_t req_user_size, notification_user_size, fuse_user_size;
	unsigned int nr_devices; /* atomic */
} vfs_init_state;

uint32_t vfs_cfg_req_user_size(void)
{
	return vfs_init_state.req_user_size;
}

uint32_t vfs_cfg_notification_user_size(void)
{
	return vfs_init_state.notification_user_size;
}

uint32_t vfs_cfg_fuse_user_size(void)
{
	return vfs_init_state.fuse_user_size;
}

void vfs_count_device(int change)
{
	__atomic_fetch_add(&vfs_init_state.nr_devices, (unsigned int)change, __ATOMIC_RELAXED);
}

doca_error_t doca_devemu_vfs_init(struct doca_devemu_vfs_cfg *cfg)
{
	if (!cfg)
		return DOCA_ERROR_INVALID_VALUE;
	if (vfs_init_state.done)
		return DOCA_ERROR_ALREADY_EXIST;
	if (cfg->fuse_user_size && (cfg->req_user_size || cfg->notification_user_size))
		return DOCA_ERROR_BAD_CONFIG;
	vfs_init_state.req_user_size = cfg->req_user_size;
	vfs_init_state.notification_user_size = cfg->notification_user_size;
	vfs_init_state.fuse_user_size = cfg->fuse_user_size;
	vfs_init_state.done = true;
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_vfs_teardown(void)
{
	if (!vfs_init_state.done)
		return DOCA_ERROR_BAD_STATE;
	if (__atomic_load_n(&vfs_init_state.nr_devices, __ATOMIC_RELAXED))
		return DOCA_ERROR_IN_USE;
	vfs_init_state.req_user_size = 0;
	vfs_init_state.notification_user_size = 0;
	vfs_init_state.fuse_user_size = 0;
	vfs_init_state.done = false;
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_vfs_get_minimal_fuse_version_supported(uint32_t *major, uint32_t *minor)
{
	if (!major || !minor)
		return DOCA_ERROR_INVALID_VALUE;
	*major = FUSE_KERNEL_VERSION;
	*minor = VFS_MIN_MINOR;
	return DOCA_SUCCESS;
}

/* ---- settings ---- */

doca_error_t doca_devemu_vfs_cfg_create(struct doca_devemu_vfs_cfg **cfg)
{
	struct doca_devemu_vfs_cfg *c;

	if (!cfg)
		return DOCA_ERROR_INVALID_VALUE;
	c = calloc(1, sizeof(*c));
	if (!c)
		return DOCA_ERROR_NO_MEMORY;
	*cfg = c;
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_vfs_cfg_destroy(struct doca_devemu_vfs_cfg *cfg)
{
	if (!cfg)
		return DOCA_ERROR_INVALID_VALUE;
	free(cfg->devs);
	free(cfg);
	return DOCA_SUCCESS;
}

#define CFG_SIZE(name, field) \
	doca_error_t doca_devemu_vfs_cfg_get_##name##_user_data_size( \
		const struct doca_devemu_vfs_cfg *cfg, uint32_t *size) \
	{ \
		if (!cfg || !size) \
			return DOCA_ERROR_INVALID_VALUE; \
		*size = cfg->field; \
		return DOCA_SUCCESS; \
	} \
	doca_error_t doca_devemu_vfs_cfg_set_##name##_user_data_size( \
		struct doca_devemu_vfs_cfg *cfg, uint32_t size) \
	{ \
		if (!cfg || size > VFS_MAX_USER_DATA) \
			return DOCA_ERROR_INVALID_VALUE; \
		cfg->field = size; \
		return DOCA_SUCCESS; \
	}

CFG_SIZE(vfs_req, req_user_size)
CFG_SIZE(notification_req, notification_user_size)
CFG_SIZE(vfs_fuse_req, fuse_user_size)

static struct doca_dev **cfg_find_dev(struct doca_devemu_vfs_cfg *cfg, const struct doca_dev *dev)
{
	unsigned int i;

	for (i = 0; i < cfg->nr_devs; i++)
		if (cfg->devs[i] == dev)
			return &cfg->devs[i];
	return NULL;
}

doca_error_t doca_devemu_vfs_cfg_add_dev(struct doca_devemu_vfs_cfg *cfg, struct doca_dev *dev)
{
	struct doca_dev **devs;

	if (!cfg || !dev)
		return DOCA_ERROR_INVALID_VALUE;
	if (cfg_find_dev(cfg, dev))
		return DOCA_ERROR_ALREADY_EXIST;
	devs = realloc(cfg->devs, (cfg->nr_devs + 1) * sizeof(struct doca_dev *));
	if (!devs)
		return DOCA_ERROR_NO_MEMORY;
	cfg->devs = devs;
	cfg->devs[cfg->nr_devs++] = dev;
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_vfs_cfg_rm_dev(struct doca_devemu_vfs_cfg *cfg, struct doca_dev *dev)
{
	struct doca_dev **at;

	if (!cfg || !dev)
		return DOCA_ERROR_INVALID_VALUE;
	at = cfg_find_dev(cfg, dev);
	if (!at)
		return DOCA_ERROR_NOT_FOUND;
	*at = cfg->devs[--cfg->nr_devs];
	return DOCA_SUCCESS;
}
