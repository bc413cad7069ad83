/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices and representors inside the library: what the board (board.c) says exists. devinfo.c is
 * the only file where configuration stands in for hardware; everything above believes in it.
 *
 * A "function" is one emulated PCIe function. It lives as long as the process (the board is loaded
 * once); lists, doca_dev and doca_dev_rep are counted views of it. The list calls and open/close
 * are internally locked; the fields of a function are const after load except where noted.
 */
#ifndef CORE_DEV_H
#define CORE_DEV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#include "doca_dev.h"

#define FUNCTION_TRANSPORT_LEN 16
#define FUNCTION_SOCKET_LEN (sizeof(((struct sockaddr_un *)0)->sun_path))

struct doca_devinfo { /* an emulation manager */
	char ibdev_name[DOCA_DEVINFO_IBDEV_NAME_SIZE];
	char pci_addr[DOCA_DEVINFO_PCI_ADDR_SIZE];
	unsigned int index; /* on the board */
	char serial[32];
	bool vfs_enabled; /* VIRTIO_FS_EMULATION_ENABLE */
	uint16_t num_msix; /* VIRTIO_FS_EMULATION_NUM_MSIX */
	uint32_t num_hotplug_ports; /* PCI_SWITCH_EMULATION_NUM_PORT - 1, 0 when the switch is off */
	unsigned int nr_functions;
	struct function *functions; /* array */
	struct doca_dev *dev; /* the one open object, counted; under the board lock */
	void *vfs_type; /* devemu: the default virtio-fs type, made on first use; board lock */
};

struct function {
	struct doca_devinfo *manager;
	unsigned int index;
	char vuid[DOCA_DEVINFO_REP_VUID_SIZE];
	char pci_addr[DOCA_DEVINFO_REP_PCI_ADDR_SIZE];
	char transport[FUNCTION_TRANSPORT_LEN]; /* "vhost-user", "loop" */
	char socket_path[FUNCTION_SOCKET_LEN]; /* empty for loop */
	bool is_hotplug;
	unsigned int rep_opens; /* under the board lock */
	void *devemu_dev; /* devemu: the one device object on this function, or NULL */
};

struct doca_dev {
	struct doca_devinfo *info;
	unsigned int refcount; /* opens; under the board lock */
	unsigned int users; /* objects on it: the last close answers IN_USE; under the board lock */
};

struct doca_devinfo_rep {
	struct function *fn;
};

struct doca_dev_rep {
	struct doca_devinfo_rep info; /* doca_dev_rep_as_devinfo() */
	struct doca_dev *dev;
	unsigned int users; /* devices on it: close answers IN_USE; under the board lock */
};

/* The function behind an open representor; for devemu. */
struct function *dev_rep_function(const struct doca_dev_rep *rep);

/* An object was made on, or removed from, this device or representor. Any thread; they lock. */
void dev_get(struct doca_dev *dev);
void dev_put(struct doca_dev *dev);
void dev_rep_get(struct doca_dev_rep *rep);
void dev_rep_put(struct doca_dev_rep *rep);

/*
 * Snapshot of all functions of a manager, one allocation to be freed with
 * doca_devinfo_rep_destroy_list(); DOCA_ERROR_NO_MEMORY.
 */
doca_error_t dev_rep_list_create(struct doca_devinfo *info, struct doca_devinfo_rep ***ret_list,
				 uint32_t *ret_cnt);

/* Reads "dddd:bb:dd.f" or "bb:dd.f" (domain 0), either case, as one number. -1: malformed. */
int dev_parse_pci_addr(const char *text, uint64_t *ret_addr);

#endif
