/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The emulation managers that support virtio-fs, and the functions they show: discovery, opening,
 * and functions that come and go. Main thread.
 */
#ifndef CONTROLLER_MANAGER_H
#define CONTROLLER_MANAGER_H

#include <stdbool.h>
#include <stdint.h>

#include "doca_dev.h"
#include "doca_devemu_pci.h"
#include "doca_devemu_vfs.h"
#include "doca_devemu_vfs_type.h"

/*
 * Opens the managers and initialises the library with requests that carry user_data_size bytes for
 * us. 0 or -errno, reason logged.
 */
int manager_open(uint32_t user_data_size);
void manager_close(void);

struct doca_dev *manager_dev(void); /* the first one */

struct manager_function {
	const char *manager; /* its name */
	struct doca_devemu_vfs_type *type;
	struct doca_dev_rep *rep; /* open; NULL in manager_visit() */
	char vuid[DOCA_DEVINFO_REP_VUID_SIZE];
	char pci_addr[DOCA_DEVINFO_REP_PCI_ADDR_SIZE];
	bool is_hotplug;
	enum doca_devemu_pci_hotplug_state state; /* as of now */
	char transport[16];
	char socket[108]; /* "": none */
};

/*
 * Opens a function: by its VUID, or, without one, the index-th static one. manager: NULL for any.
 * -ENODEV, logged, when there is none.
 */
int manager_open_function(const char *manager, const char *vuid, unsigned int index,
			  struct manager_function *ret);

/* Calls fn for every virtio-fs function of all managers. 0 or -errno, logged. */
int manager_visit(void (*fn)(void *arg, const struct manager_function *function), void *arg);
/* Their names, one by one; NULL at the end. */
const char *manager_name(unsigned int i);

/*
 * A new hot-plug function, powered off; removing one. manager: NULL for the first. 0 or -errno:
 * -ENOSPC no port is free, -EBUSY it is plugged or served, -ENODEV there is no such function or
 * manager.
 */
int manager_create_function(const char *manager, char vuid[DOCA_DEVINFO_REP_VUID_SIZE]);
int manager_destroy_function(const char *manager, const char *vuid);

#endif
