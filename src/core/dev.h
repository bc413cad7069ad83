/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices and representors inside the library: what the board (board.c) says exists. devinfo.c is
 * the only file where configuration stands in for hardware; everything above believes in it.
 *
 * A "function" is one emulated PCIe function. Static ones live as long as the process (the board
 * is loaded once) and never change but where noted. Hot-plug ones come and go, also by other
 * processes' doing: they are counted, by the manager's table, by lists and by representors
 * (plug.h). Lists, doca_dev and doca_dev_rep are counted views. The list calls and open/close are
 * internally locked.
 */
#ifndef CORE_DEV_H
#define CORE_DEV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#include "doca_dev.h"

#define FUNCTION_TRANSPORT_LEN 16
#define FUNCTION_SOCKET_LEN (sizeof(((struct sockaddr_un *)0)->sun_path))
#define FUNCTION_TYPE_LEN 48
#define FUNCTION_TYPE_VFS "virtio-fs" /* the library's own; others are "pci:" and their name */
#define DEV_MAX_PORTS 31 /* hot-plug functions of a manager */

struct doca_devinfo { /* an emulation manager */
	char ibdev_name[DOCA_DEVINFO_IBDEV_NAME_SIZE];
	char pci_addr[DOCA_DEVINFO_PCI_ADDR_SIZE];
	unsigned int index; /* on the board */
	char serial[32];
	bool vfs_enabled; /* VIRTIO_FS_EMULATION_ENABLE */
	uint16_t num_msix; /* VIRTIO_FS_EMULATION_NUM_MSIX */
	uint16_t subsystem_vendor_id; /* VIRTIO_FS_EMU_SUBSYSTEM_VENDOR_ID */
	uint16_t subsystem_id; /* VIRTIO_FS_EMULATION_SUBSYSTEM_ID */
	uint32_t num_hotplug_ports; /* PCI_SWITCH_EMULATION_NUM_PORT - 1; 0: no switch */
	unsigned int nr_functions; /* static ones */
	struct function *functions; /* array */
	struct { /* how new hot-plug functions reach their host */
		char transport[FUNCTION_TRANSPORT_LEN];
		char dir[FUNCTION_SOCKET_LEN]; /* of their sockets; empty: board_run_dir() */
		bool doorbell_mapped;
	} hotplug;
	struct function *port[DEV_MAX_PORTS]; /* hot-plug functions by port - 1; board lock */
	struct doca_dev *dev; /* the one open object, counted; under the board lock */
	void *vfs_type; /* devemu: the default virtio-fs type, made on first use; board lock */
};

/* Values and meaning of enum doca_devemu_pci_hotplug_state. */
enum function_state {
	FUNCTION_OFF = 0,
	FUNCTION_UNPLUGGING = 1,
	FUNCTION_PLUGGING = 2,
	FUNCTION_ON = 3,
};

struct function {
	struct doca_devinfo *manager;
	unsigned int index; /* static: counts from 0; hot-plug: the port, from 1 */
	char vuid[DOCA_DEVINFO_REP_VUID_SIZE];
	char pci_addr[DOCA_DEVINFO_REP_PCI_ADDR_SIZE]; /* while on the bus */
	char type[FUNCTION_TYPE_LEN];
	char transport[FUNCTION_TRANSPORT_LEN]; /* "vhost-user", "vfio-user", "loop" */
	char socket_path[FUNCTION_SOCKET_LEN]; /* empty for loop */
	bool doorbell_mapped; /* vfio-user: the host may map doorbells and write them in place */
	bool is_hotplug;
	unsigned int rep_opens; /* under the board lock */
	void *devemu_dev; /* devemu: the one device object on this function, or NULL */
	/* hot-plug: under the board lock */
	enum function_state state; /* static: FUNCTION_ON */
	unsigned int refs;
	uint64_t birth; /* tells it from its predecessors at the same port */
	int own_fd; /* lock on the function while a device object serves it here, or -1 */
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
 * Snapshot of the functions of a manager (of one type; NULL: all), static ones first, to be freed
 * with doca_devinfo_rep_destroy_list(). DOCA_ERROR_NO_MEMORY.
 */
doca_error_t dev_rep_list_create(struct doca_devinfo *info, const char *type,
				 struct doca_devinfo_rep ***ret_list, uint32_t *ret_cnt);

/* Reads "dddd:bb:dd.f" or "bb:dd.f" (domain 0), either case, as one number. -1: malformed. */
int dev_parse_pci_addr(const char *text, uint64_t *ret_addr);

#endif
