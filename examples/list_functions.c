/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which emulation managers are there, and which functions does each of them emulate?
 *
 * usage: list_functions
 */
#include <inttypes.h>
#include <stdio.h>

#include <doca_devemu_vfs_type.h>

#include "common.h"

static const char *plug_state(struct doca_devinfo_rep *info)
{
	static const char *const name[] = {"powered off", "unplug in progress", "plug in progress",
					   "powered on"};
	enum doca_devemu_pci_hotplug_state state;
	struct doca_dev_rep *rep;
	uint8_t is_hotplug;

	MUST(doca_devinfo_rep_get_is_hotplug(info, &is_hotplug));
	if (!is_hotplug)
		return "static";
	MUST(doca_dev_rep_open(info, &rep));
	MUST(doca_devemu_pci_rep_get_hotplug_state(rep, &state));
	MUST(doca_dev_rep_close(rep));
	return name[state];
}

static void print_function(struct doca_devinfo_rep *info)
{
	char vuid[DOCA_DEVINFO_REP_VUID_SIZE], addr[DOCA_DEVINFO_REP_PCI_ADDR_SIZE];

	MUST(doca_devinfo_rep_get_vuid(info, vuid, sizeof(vuid)));
	MUST(doca_devinfo_rep_get_pci_addr_str(info, addr));
	printf("  %s  %-40s  %s\n", addr, vuid, plug_state(info));
}

static void print_functions(struct doca_dev *dev)
{
	struct doca_devinfo_rep **list;
	uint32_t i, count;

	MUST(doca_devinfo_rep_create_list(dev, DOCA_DEVINFO_REP_FILTER_EMULATED, &list, &count));
	for (i = 0; i < count; i++)
		print_function(list[i]);
	MUST(doca_devinfo_rep_destroy_list(list));
}

static void print_manager(struct doca_devinfo *info)
{
	char name[DOCA_DEVINFO_IBDEV_NAME_SIZE], addr[DOCA_DEVINFO_PCI_ADDR_SIZE];
	uint32_t hotplug = 0;
	struct doca_dev *dev;
	uint8_t vfs = 0;

	MUST(doca_devinfo_get_ibdev_name(info, name, sizeof(name)));
	MUST(doca_devinfo_get_pci_addr_str(info, addr));
	MUST(doca_devemu_vfs_is_default_vfs_type_supported(info, &vfs));
	MUST(doca_devemu_pci_cap_get_max_hotplug_devices(info, &hotplug));
	printf("%s %s  virtio-fs: %s  hot plug: %" PRIu32 "\n", name, addr, vfs ? "yes" : "no",
	       hotplug);
	MUST(doca_dev_open(info, &dev));
	print_functions(dev);
	MUST(doca_dev_close(dev));
}

int main(void)
{
	struct doca_devinfo **list;
	uint32_t i, count;

	begin();
	MUST(doca_devinfo_create_list(&list, &count));
	for (i = 0; i < count; i++)
		print_manager(list[i]);
	MUST(doca_devinfo_destroy_list(list));
	return 0;
}
