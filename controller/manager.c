/* SPDX-License-Identifier: BSD-3-Clause */
#include "manager.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "doca_devemu_pci_type.h"
#include "doca_log.h"
#include "platform.h"

DOCA_LOG_REGISTER(VIRTIOFS::MANAGER);

#define MANAGERS_MAX 16 /* as many as a board has */

struct manager {
	struct doca_dev *dev;
	struct doca_devemu_vfs_type *type;
	char name[DOCA_DEVINFO_IBDEV_NAME_SIZE];
};

/* The library's initialisation is process-wide, and so is this. */
static struct {
	struct manager list[MANAGERS_MAX];
	unsigned int nr;
	bool initialised;
} managers;

/* ---- life ---- */

static void open_if_supported(struct doca_devinfo *info)
{
	struct manager *m = &managers.list[managers.nr];
	uint8_t supported = 0;

	if (managers.nr == MANAGERS_MAX ||
	    doca_devemu_vfs_is_default_vfs_type_supported(info, &supported) != DOCA_SUCCESS ||
	    !supported)
		return;
	if (doca_devinfo_get_ibdev_name(info, m->name, sizeof(m->name)) != DOCA_SUCCESS ||
	    doca_dev_open(info, &m->dev) != DOCA_SUCCESS)
		return;
	managers.nr++;
}

static void open_supported(void)
{
	struct doca_devinfo **list;
	uint32_t nr;

	if (doca_devinfo_create_list(&list, &nr) != DOCA_SUCCESS)
		return;
	for (uint32_t i = 0; i < nr; i++)
		open_if_supported(list[i]);
	doca_devinfo_destroy_list(list);
}

static doca_error_t init_library(uint32_t user_data_size)
{
	struct doca_devemu_vfs_cfg *cfg;
	doca_error_t rc = doca_devemu_vfs_cfg_create(&cfg);

	if (rc != DOCA_SUCCESS)
		return rc;
	for (unsigned int i = 0; rc == DOCA_SUCCESS && i < managers.nr; i++)
		rc = doca_devemu_vfs_cfg_add_dev(cfg, managers.list[i].dev);
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

	open_supported();
	if (!managers.nr) {
		DOCA_LOG_ERR("no emulation manager supports virtio-fs: "
			     "is VIRTIO_FS_EMULATION_ENABLE 1 on the board?");
		return -ENODEV;
	}
	rc = init_library(user_data_size);
	managers.initialised = rc == DOCA_SUCCESS;
	for (unsigned int i = 0; rc == DOCA_SUCCESS && i < managers.nr; i++)
		rc = doca_devemu_vfs_find_default_vfs_type_by_dev(managers.list[i].dev,
								  &managers.list[i].type);
	if (rc == DOCA_SUCCESS)
		return 0;
	DOCA_LOG_ERR("virtio-fs emulation cannot be initialised: %s", doca_error_get_descr(rc));
	manager_close();
	return -EIO;
}

void manager_close(void)
{
	if (managers.initialised)
		doca_devemu_vfs_teardown();
	managers.initialised = false;
	while (managers.nr)
		doca_dev_close(managers.list[--managers.nr].dev);
}

struct doca_dev *manager_dev(void)
{
	return managers.nr ? managers.list[0].dev : NULL;
}

const char *manager_name(unsigned int i)
{
	return i < managers.nr ? managers.list[i].name : NULL;
}

static struct manager *find_manager(const char *name)
{
	for (unsigned int i = 0; i < managers.nr; i++)
		if (!name || !strcmp(managers.list[i].name, name))
			return &managers.list[i];
	DOCA_LOG_ERR("there is no emulation manager %s that supports virtio-fs", name);
	return NULL;
}

/* ---- functions ---- */

static doca_error_t describe(struct manager *m, struct doca_dev_rep *rep,
			     struct manager_function *f)
{
	struct doca_devinfo_rep *info = doca_dev_rep_as_devinfo(rep);
	doca_error_t rc;
	uint8_t hotplug = 0;

	memset(f, 0, sizeof(*f));
	f->manager = m->name;
	f->type = m->type;
	f->rep = rep;
	f->state = DOCA_DEVEMU_PCI_HP_STATE_POWER_ON;
	rc = doca_devinfo_rep_get_vuid(info, f->vuid, sizeof(f->vuid));
	if (rc == DOCA_SUCCESS)
		rc = doca_devinfo_rep_get_pci_addr_str(info, f->pci_addr);
	if (rc == DOCA_SUCCESS)
		rc = doca_devinfo_rep_get_is_hotplug(info, &hotplug);
	f->is_hotplug = hotplug;
	if (rc == DOCA_SUCCESS && hotplug)
		rc = doca_devemu_pci_rep_get_hotplug_state(rep, &f->state);
	platform_socket_of(rep, f->socket, sizeof(f->socket));
	platform_transport_of(rep, f->transport, sizeof(f->transport));
	return rc;
}

/* Opens the functions of a manager in turn, until fn says that it keeps one. */
static int walk_functions(struct manager *m,
			  bool (*fn)(void *arg, const struct manager_function *f), void *arg,
			  bool *ret_kept)
{
	struct doca_devinfo_rep **list;
	struct manager_function f;
	struct doca_dev_rep *rep;
	uint32_t nr;
	doca_error_t rc = doca_devemu_pci_type_create_rep_list(
		doca_devemu_vfs_type_as_pci_type(m->type), &list, &nr);

	*ret_kept = false;
	if (rc != DOCA_SUCCESS) {
		DOCA_LOG_ERR("functions of %s cannot be listed: %s", m->name,
			     doca_error_get_descr(rc));
		return -EIO;
	}
	for (uint32_t i = 0; i < nr && !*ret_kept; i++) {
		if (doca_dev_rep_open(list[i], &rep) != DOCA_SUCCESS)
			continue; /* gone meanwhile */
		*ret_kept = describe(m, rep, &f) == DOCA_SUCCESS && fn(arg, &f);
		if (!*ret_kept)
			doca_dev_rep_close(rep);
	}
	doca_devinfo_rep_destroy_list(list);
	return 0;
}

struct wanted {
	const char *vuid;
	unsigned int index;
	struct manager_function *ret;
};

static bool is_wanted(void *arg, const struct manager_function *f)
{
	struct wanted *w = arg;

	if (w->vuid ? strcmp(w->vuid, f->vuid) : f->is_hotplug || w->index--)
		return false;
	*w->ret = *f;
	return true;
}

int manager_open_function(const char *manager, const char *vuid, unsigned int index,
			  struct manager_function *ret)
{
	struct wanted w = { .vuid = vuid, .index = index, .ret = ret };
	bool found = false;
	int rc = 0;

	for (unsigned int i = 0; !rc && !found && i < managers.nr; i++)
		if (!manager || !strcmp(manager, managers.list[i].name))
			rc = walk_functions(&managers.list[i], is_wanted, &w, &found);
	if (rc || found)
		return rc;
	if (vuid)
		DOCA_LOG_ERR("there is no virtio-fs function %s", vuid);
	else
		DOCA_LOG_ERR("there is no static function %u: VIRTIO_FS_EMULATION_NUM_PF is "
			     "smaller on the board", index);
	return -ENODEV;
}

struct visit {
	void (*fn)(void *arg, const struct manager_function *f);
	void *arg;
};

static bool visit_one(void *arg, const struct manager_function *f)
{
	struct visit *v = arg;
	struct manager_function shown = *f;

	shown.rep = NULL;
	v->fn(v->arg, &shown);
	return false;
}

int manager_visit(void (*fn)(void *arg, const struct manager_function *function), void *arg)
{
	struct visit v = { .fn = fn, .arg = arg };
	bool kept;
	int rc = 0;

	for (unsigned int i = 0; !rc && i < managers.nr; i++)
		rc = walk_functions(&managers.list[i], visit_one, &v, &kept);
	return rc;
}

static int errno_of(doca_error_t rc)
{
	switch (rc) {
	case DOCA_SUCCESS:
		return 0;
	case DOCA_ERROR_FULL:
		return -ENOSPC;
	case DOCA_ERROR_BAD_STATE:
	case DOCA_ERROR_NOT_PERMITTED:
	case DOCA_ERROR_IN_USE:
		return -EBUSY;
	case DOCA_ERROR_NOT_SUPPORTED:
		return -EOPNOTSUPP;
	case DOCA_ERROR_NOT_FOUND:
		return -ENODEV;
	default:
		return -EIO;
	}
}

int manager_create_function(const char *manager, char vuid[DOCA_DEVINFO_REP_VUID_SIZE])
{
	struct manager *m = find_manager(manager);
	struct doca_dev_rep *rep;
	doca_error_t rc;

	if (!m)
		return -ENODEV;
	rc = doca_devemu_pci_type_create_rep(doca_devemu_vfs_type_as_pci_type(m->type), &rep);
	if (rc != DOCA_SUCCESS) {
		DOCA_LOG_ERR("%s: no function can be made: %s", m->name, doca_error_get_descr(rc));
		return errno_of(rc);
	}
	rc = doca_devinfo_rep_get_vuid(doca_dev_rep_as_devinfo(rep), vuid,
				       DOCA_DEVINFO_REP_VUID_SIZE);
	doca_dev_rep_close(rep); /* the function stays */
	return errno_of(rc);
}

int manager_destroy_function(const char *manager, const char *vuid)
{
	struct manager_function f;
	int rc = manager_open_function(manager, vuid, 0, &f);
	doca_error_t err;

	if (rc)
		return rc;
	err = doca_devemu_pci_type_destroy_rep(f.rep);
	if (err == DOCA_SUCCESS)
		return 0;
	DOCA_LOG_ERR("function %s cannot be removed: %s", vuid,
		     err == DOCA_ERROR_BAD_STATE ? "it is not powered off" :
		     !f.is_hotplug ? "it is static" : doca_error_get_descr(err));
	doca_dev_rep_close(f.rep);
	return errno_of(err);
}
