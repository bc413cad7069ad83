/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes a virtio-fs function, plugs it into the host's bus, and takes it away again at the end. No
 * I/O context serves it: the host sees the device and its tag. (generic_controller.c serves.)
 *
 * usage: hotplug_function [TAG]
 */
#include <stdio.h>

#include <doca_devemu_vfs_dev.h>
#include <doca_devemu_vfs_type.h>
#ifdef __has_include
#if __has_include(<softdpu_ext.h>)
#include <softdpu_ext.h>
#endif
#endif

#include "common.h"

static void print_socket(const struct doca_dev_rep *rep)
{
#ifdef SOFTDPU_EXT
	char path[128];

	if (softdpu_rep_get_socket_path(rep, path, sizeof(path)) == DOCA_SUCCESS)
		printf("socket %s\n", path);
#endif
}

/* The event says that there is a new state; which one has to be asked for. */
static void on_plug(struct doca_devemu_pci_dev *pci, union doca_data user_data)
{
	static const char *const name[] = {"powered off", "unplug in progress", "plug in progress",
					   "powered on"};
	enum doca_devemu_pci_hotplug_state *state = user_data.ptr;

	MUST(doca_devemu_pci_dev_get_hotplug_state(pci, state));
	printf("%s\n", name[*state]);
	fflush(stdout);
}

static struct doca_devemu_vfs_dev *create_device(struct doca_devemu_vfs_type *type,
						 struct doca_dev_rep *rep, struct doca_pe *pe,
						 const char *tag, union doca_data data)
{
	struct doca_devemu_vfs_dev *vfs;

	MUST(doca_devemu_vfs_dev_create(type, rep, pe, &vfs));
	MUST(doca_devemu_vfs_dev_set_tag(vfs, tag));
	MUST(doca_devemu_vfs_dev_set_num_request_queues(vfs, 1));
	MUST(doca_devemu_pci_dev_event_hotplug_state_change_register(
		doca_devemu_vfs_dev_as_pci_dev(vfs), on_plug, data));
	MUST(doca_ctx_start(doca_devemu_vfs_dev_as_ctx(vfs)));
	progress_until_state(pe, doca_devemu_vfs_dev_as_ctx(vfs), DOCA_CTX_STATE_RUNNING);
	return vfs;
}

int main(int argc, char **argv)
{
	enum doca_devemu_pci_hotplug_state state = DOCA_DEVEMU_PCI_HP_STATE_POWER_OFF;
	struct doca_devemu_vfs_type *type;
	struct doca_devemu_vfs_dev *vfs;
	struct doca_devemu_pci_dev *pci;
	struct doca_dev_rep *rep;
	struct doca_dev *dev;
	struct doca_pe *pe;

	begin();
	dev = open_manager(NULL);
	MUST(doca_pe_create(&pe));
	MUST(doca_devemu_vfs_find_default_vfs_type_by_dev(dev, &type));
	MUST(doca_devemu_pci_type_create_rep(doca_devemu_vfs_type_as_pci_type(type), &rep));
	vfs = create_device(type, rep, pe, argc > 1 ? argv[1] : "hotplugged",
			    (union doca_data){.ptr = &state});
	pci = doca_devemu_vfs_dev_as_pci_dev(vfs);

	MUST(doca_devemu_pci_dev_hotplug(pci));
	print_socket(rep);
	fflush(stdout);
	while (!stopping)
		progress_or_sleep(pe);
	MUST(doca_devemu_pci_dev_get_hotplug_state(pci, &state));
	if (state != DOCA_DEVEMU_PCI_HP_STATE_POWER_OFF)
		MUST(doca_devemu_pci_dev_hotunplug(pci));
	while (state != DOCA_DEVEMU_PCI_HP_STATE_POWER_OFF) {
		progress_or_sleep(pe);
		MUST(doca_devemu_pci_dev_get_hotplug_state(pci, &state));
	}

	MUST(doca_ctx_stop(doca_devemu_vfs_dev_as_ctx(vfs)));
	progress_until_state(pe, doca_devemu_vfs_dev_as_ctx(vfs), DOCA_CTX_STATE_IDLE);
	MUST(doca_devemu_vfs_dev_destroy(vfs));
	MUST(doca_devemu_pci_type_destroy_rep(rep));
	MUST(doca_dev_close(dev));
	MUST(doca_pe_destroy(pe));
	return 0;
}
