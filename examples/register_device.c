/* SPDX-License-Identifier: BSD-3-Clause */
#include "register_device.h"

#include <stdio.h>
#ifdef __has_include
#if __has_include(<softdpu_ext.h>)
#include <softdpu_ext.h>
#endif
#endif

#define VENDOR_ID 0x1234 /* nobody's: for examples only */
#define DEVICE_ID 0x0d0c
#define CLASS_CODE 0xff0000 /* fits no class */
#define BAR_LOG_SIZE 14
#define MSIX_TABLE 0x1000
#define MSIX_PBA 0x2000
#define NUM_MSIX 2

static void create_type(struct register_device *d, const char *name)
{
	struct doca_devemu_pci_type *type;

	MUST(doca_devemu_pci_type_create(name, &type));
	MUST(doca_devemu_pci_type_set_dev(type, d->dev));
	MUST(doca_devemu_pci_type_set_vendor_id(type, VENDOR_ID));
	MUST(doca_devemu_pci_type_set_device_id(type, DEVICE_ID));
	MUST(doca_devemu_pci_type_set_class_code(type, CLASS_CODE));
	MUST(doca_devemu_pci_type_set_num_msix(type, NUM_MSIX));
	MUST(doca_devemu_pci_type_set_memory_bar_conf(
		type, REGISTER_DEVICE_BAR, BAR_LOG_SIZE, DOCA_DEVEMU_PCI_BAR_MEM_TYPE_64_BIT, 0));
	/* The upper half of the wide BAR. */
	MUST(doca_devemu_pci_type_set_memory_bar_conf(type, REGISTER_DEVICE_BAR + 1, 0,
						      DOCA_DEVEMU_PCI_BAR_MEM_TYPE_32_BIT, 0));
	MUST(doca_devemu_pci_type_set_bar_stateful_region_conf(
		type, REGISTER_DEVICE_BAR, REGISTER_DEVICE_START, REGISTER_DEVICE_SIZE));
	MUST(doca_devemu_pci_type_set_bar_msix_table_region_conf(type, REGISTER_DEVICE_BAR,
								 MSIX_TABLE, 0x1000));
	MUST(doca_devemu_pci_type_set_bar_msix_pba_region_conf(type, REGISTER_DEVICE_BAR, MSIX_PBA,
							       0x1000));
	MUST(doca_devemu_pci_type_start(type));
	d->type = type;
}

/* The event says where, not what: the registers are read back. */
static void on_write(struct doca_devemu_pci_dev_event_bar_stateful_region_driver_write *event,
		     union doca_data user_data)
{
	struct register_device *d = user_data.ptr;

	MUST(doca_devemu_pci_dev_query_bar_stateful_region_values(
		doca_devemu_pci_dev_event_bar_stateful_region_driver_write_get_pci_dev(event),
		REGISTER_DEVICE_BAR, REGISTER_DEVICE_START, d->reg, sizeof(d->reg)));
	d->written(d);
}

static void print_socket(const struct doca_dev_rep *rep)
{
#ifdef SOFTDPU_EXT
	char path[128];

	if (softdpu_rep_get_socket_path(rep, path, sizeof(path)) == DOCA_SUCCESS)
		printf("socket %s\n", path);
#endif
	printf("serving; Ctrl-C ends\n");
	fflush(stdout);
}

void register_device_open(struct register_device *d, const char *type_name)
{
	union doca_data data = {.ptr = d};
	struct doca_ctx *ctx;

	begin();
	d->dev = open_manager(NULL);
	MUST(doca_pe_create(&d->pe));
	create_type(d, type_name);
	MUST(doca_devemu_pci_type_create_rep(d->type, &d->rep));
	MUST(doca_devemu_pci_dev_create(d->type, d->rep, d->pe, &d->pci));
	MUST(doca_devemu_pci_dev_event_bar_stateful_region_driver_write_register(
		d->pci, on_write, REGISTER_DEVICE_BAR, REGISTER_DEVICE_START, data));
	ctx = doca_devemu_pci_dev_as_ctx(d->pci);
	MUST(doca_ctx_start(ctx));
	progress_until_state(d->pe, ctx, DOCA_CTX_STATE_RUNNING);
	MUST(doca_devemu_pci_dev_hotplug(d->pci));
	print_socket(d->rep);
}

void register_device_serve(struct register_device *d)
{
	while (!stopping)
		progress_or_sleep(d->pe);
}

void register_device_set(struct register_device *d, unsigned int index, uint64_t value)
{
	MUST(doca_devemu_pci_dev_modify_bar_stateful_region_values(
		d->pci, REGISTER_DEVICE_BAR, REGISTER_DEVICE_START + index * sizeof(value), &value,
		sizeof(value)));
}

void register_device_close(struct register_device *d)
{
	struct doca_ctx *ctx = doca_devemu_pci_dev_as_ctx(d->pci);
	enum doca_devemu_pci_hotplug_state state;

	MUST(doca_devemu_pci_dev_get_hotplug_state(d->pci, &state));
	if (state != DOCA_DEVEMU_PCI_HP_STATE_POWER_OFF)
		MUST(doca_devemu_pci_dev_hotunplug(d->pci));
	while (state != DOCA_DEVEMU_PCI_HP_STATE_POWER_OFF) {
		progress_or_sleep(d->pe);
		MUST(doca_devemu_pci_dev_get_hotplug_state(d->pci, &state));
	}
	MUST(doca_ctx_stop(ctx));
	progress_until_state(d->pe, ctx, DOCA_CTX_STATE_IDLE);
	MUST(doca_devemu_pci_dev_destroy(d->pci));
	MUST(doca_devemu_pci_type_destroy_rep(d->rep));
	MUST(doca_devemu_pci_type_stop(d->type));
	MUST(doca_devemu_pci_type_destroy(d->type));
	MUST(doca_dev_close(d->dev));
	MUST(doca_pe_destroy(d->pe));
}
