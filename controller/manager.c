/* SPDX-License-Identifier: BSD-3-Clause */
#include "manager.h"

#include <errno.h>
#include <stdbool.h>

#include "doca_devemu_pci_type.h"
#include "doca_log.h"

DOCA_LOG_REGISTER(VIRTIOFS::MANAGER);

/* The library's initialisation is process-wide, and so is this. */
static struct {
	struct doca_dev *dev;
	struct doca_devemu_vfs_type *type;
	bool initialised;
} manager;

static struct doca_dev *open_first_supported(void)
{
	struct doca_devinfo **list;
	struct doca_dev *dev = NULL;
	uint32_t nr;

	if (doca_devinfo_create_list(&list, &nr) != DOCA_SUCCESS)
		return NULL;
	for (uint32_t i = 0; i < nr && !dev; i++) {
		uint8_t supported = 0;

		if (doca_devemu_vfs_is_default_vfs_type_supported(list[i], &supported) !=
			    DOCA_SUCCESS || !supported)
			continue;
		if (doca_dev_open(list[i], &dev) != DOCA_SUCCESS)
			dev = NULL;
	}
	doca_devinfo_destroy_list(list);
	return dev;
}

static doca_error_t init_library(struct doca_dev *dev, uint32_t user_data_size)
{
	struct doca_devemu_vfs_cfg *cfg;
	doca_error_t rc = doca_devemu_vfs_cfg_create(&cfg);

	if (rc != DOCA_SUCCESS)
		return rc;
	rc = doca_devemu_vfs_cfg_add_dev(cfg, dev);
	if (rc == DOCA_SUCCESS)
		rc = doca_devemu_vfs_cfg_set_vfs_fuse_req_user_data_size(cfg, user_data_size);
	if (rc == DOCA_SUCCESS)
		rc = doca_devemu_vfs_init(cfg);
	doca_devemu_vfs_cfg_destroy(cfg);
	return rc;
}

int manager_open(uint32_t user_data_size)
{
	doca_error_t rc;

	manager.dev = open_first_supported();
	if (!manager.dev) {
		DOCA_LOG_ERR("no emulation manager supports virtio-fs: "
			     "is VIRTIO_FS_EMULATION_ENABLE 1 on the board?");
		return -ENODEV;
	}
	rc = init_library(manager.dev, user_data_size);
	manager.initialised = rc == DOCA_SUCCESS;
	if (rc == DOCA_SUCCESS)
		rc = doca_devemu_vfs_find_default_vfs_type_by_dev(manager.dev, &manager.type);
	if (rc == DOCA_SUCCESS)
		return 0;
	DOCA_LOG_ERR("virtio-fs emulation cannot be initialised: %s", doca_error_get_descr(rc));
	manager_close();
	return -EIO;
}

void manager_close(void)
{
	if (manager.initialised)
		doca_devemu_vfs_teardown();
	manager.initialised = false;
	if (manager.dev)
		doca_dev_close(manager.dev);
	manager.dev = NULL;
}

struct doca_dev *manager_dev(void)
{
	return manager.dev;
}

struct doca_devemu_vfs_type *manager_vfs_type(void)
{
	return manager.type;
}

/* The index-th one that is not hot-plugged, or NULL. */
static struct doca_devinfo_rep *pick_static(struct doca_devinfo_rep **list, uint32_t nr,
					    unsigned int index)
{
	for (uint32_t i = 0; i < nr; i++) {
		uint8_t hotplug = 1;

		if (doca_devinfo_rep_get_is_hotplug(list[i], &hotplug) != DOCA_SUCCESS || hotplug)
			continue;
		if (!index--)
			return list[i];
	}
	return NULL;
}

int manager_open_function(unsigned int index, struct doca_dev_rep **ret_rep)
{
	struct doca_devemu_pci_type *pci = doca_devemu_vfs_type_as_pci_type(manager.type);
	struct doca_devinfo_rep **list, *info;
	doca_error_t rc;
	uint32_t nr;

	rc = doca_devemu_pci_type_create_rep_list(pci, &list, &nr);
	if (rc != DOCA_SUCCESS) {
		DOCA_LOG_ERR("functions cannot be listed: %s", doca_error_get_descr(rc));
		return -EIO;
	}
	info = pick_static(list, nr, index);
	rc = info ? doca_dev_rep_open(info, ret_rep) : DOCA_ERROR_NOT_FOUND;
	doca_devinfo_rep_destroy_list(list);
	if (rc == DOCA_SUCCESS)
		return 0;
	DOCA_LOG_ERR("static function %u of %u cannot be opened: %s", index, nr,
		     doca_error_get_descr(rc));
	return -ENODEV;
}
