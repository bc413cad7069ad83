/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PCI layer of an emulated device. A static function of the board is always plugged, and its PCI
 * identity fixed because the host has enumerated it; that of a hot-plug function is open until it is
 * plugged. No function of a type made by the application can be managed yet, so a PCI device exists
 * only as the view of a virtio-fs device.
 */
#include <stdlib.h>
#include <string.h>

#include "core/board.h"
#include "core/plug.h"
#include "devemu/vdev.h"

static doca_error_t pci_dev_take(struct doca_devemu_pci_dev *pci, struct function *fn)
{
	doca_error_t err = DOCA_SUCCESS;

	board_lock();
	if (fn->devemu_dev)
		err = DOCA_ERROR_IN_USE;
	else
		fn->devemu_dev = pci;
	board_unlock();
	if (err != DOCA_SUCCESS)
		return err;
	err = plug_own(fn);
	if (err != DOCA_SUCCESS) {
		board_lock();
		fn->devemu_dev = NULL;
		board_unlock();
	}
	return err;
}

/* Static functions are as the board says; the others as their type. */
static void pci_dev_set_ids(struct doca_devemu_pci_dev *pci)
{
	const struct doca_devinfo *info = pci->fn->manager;

	pci->ids = pci->type->ids;
	if (pci->fn->is_hotplug)
		return;
	pci->ids.subsystem_vendor_id = info->subsystem_vendor_id;
	pci->ids.subsystem_id = info->subsystem_id;
	pci->ids.num_msix = info->num_msix;
}

doca_error_t pci_dev_init(struct doca_devemu_pci_dev *pci, struct doca_devemu_pci_type *type,
			  struct doca_dev_rep *rep)
{
	struct function *fn = dev_rep_function(rep);
	char key[FUNCTION_TYPE_LEN];
	doca_error_t err;

	pci_type_key(type, key);
	if (!type->started || type->dev->info != fn->manager || strcmp(fn->type, key))
		return DOCA_ERROR_INVALID_VALUE;
	err = pci_dev_take(pci, fn);
	if (err != DOCA_SUCCESS)
		return err;
	dev_rep_get(rep);
	pci->type = type;
	pci->rep = rep;
	pci->fn = fn;
	pci->transport = transport_find(fn->transport);
	pci->unplug_timer.fd = -1;
	pci->unplug_ns = PCI_UNPLUG_NS;
	pci_dev_set_ids(pci);
	return DOCA_SUCCESS;
}

void pci_dev_fini(struct doca_devemu_pci_dev *pci)
{
	plug_disown(pci->fn);
	board_lock();
	pci->fn->devemu_dev = NULL;
	board_unlock();
	dev_rep_put(pci->rep);
}

doca_error_t doca_devemu_pci_dev_create(struct doca_devemu_pci_type *pci_type,
					struct doca_dev_rep *dev_rep,
					struct doca_pe *progress_engine,
					struct doca_devemu_pci_dev **pci_dev)
{
	if (!pci_type || !dev_rep || !progress_engine || !pci_dev)
		return DOCA_ERROR_INVALID_VALUE;
	/* Virtio-fs functions are managed as such; there are no functions of other types. */
	return pci_type->is_default ? DOCA_ERROR_NOT_SUPPORTED : DOCA_ERROR_INVALID_VALUE;
}

doca_error_t doca_devemu_pci_dev_destroy(struct doca_devemu_pci_dev *pci_dev)
{
	return pci_dev ? DOCA_ERROR_NOT_PERMITTED : DOCA_ERROR_INVALID_VALUE;
}

struct doca_ctx *doca_devemu_pci_dev_as_ctx(struct doca_devemu_pci_dev *pci_dev)
{
	return pci_dev ? &pci_dev->ctx : NULL;
}

/* ---- identity ---- */

static doca_error_t pci_dev_may_set(const struct doca_devemu_pci_dev *pci)
{
	if (!pci)
		return DOCA_ERROR_INVALID_VALUE;
	if (!ctx_is_idle(&pci->ctx))
		return DOCA_ERROR_BAD_STATE;
	return pci_dev_is_visible(pci) ? DOCA_ERROR_NOT_PERMITTED : DOCA_SUCCESS;
}

#define PCI_DEV_ID(name, type, field, valid) \
	doca_error_t doca_devemu_pci_dev_get_##name(const struct doca_devemu_pci_dev *pci, \
						    type *value) \
	{ \
		if (!pci || !value) \
			return DOCA_ERROR_INVALID_VALUE; \
		*value = pci->ids.field; \
		return DOCA_SUCCESS; \
	} \
	doca_error_t doca_devemu_pci_dev_set_##name(struct doca_devemu_pci_dev *pci, type value) \
	{ \
		doca_error_t err = pci_dev_may_set(pci); \
\
		if (err != DOCA_SUCCESS) \
			return err; \
		if (!(valid)) \
			return DOCA_ERROR_INVALID_VALUE; \
		pci->ids.field = value; \
		return DOCA_SUCCESS; \
	}

PCI_DEV_ID(device_id, uint16_t, device_id, true)
PCI_DEV_ID(vendor_id, uint16_t, vendor_id, true)
PCI_DEV_ID(subsystem_id, uint16_t, subsystem_id, true)
PCI_DEV_ID(subsystem_vendor_id, uint16_t, subsystem_vendor_id, true)
PCI_DEV_ID(revision_id, uint8_t, revision_id, true)
PCI_DEV_ID(class_code, uint32_t, class_code, value <= 0xffffff)
PCI_DEV_ID(num_msix, uint16_t, num_msix, value <= PCI_NUM_MSIX_MAX)

/* ---- stateful regions: a virtio-fs function has none ---- */

static doca_error_t pci_dev_no_region(const struct doca_devemu_pci_dev *pci, const void *values)
{
	if (!pci || !values)
		return DOCA_ERROR_INVALID_VALUE;
	return ctx_is_idle(&pci->ctx) ? DOCA_ERROR_BAD_STATE : DOCA_ERROR_INVALID_VALUE;
}

doca_error_t doca_devemu_pci_dev_modify_bar_stateful_region_default_values(
	struct doca_devemu_pci_dev *pci_dev, uint8_t id, uint64_t start_addr, void *default_values,
	uint64_t size)
{
	return pci_dev_no_region(pci_dev, default_values);
}

doca_error_t doca_devemu_pci_dev_modify_bar_stateful_region_values(
	struct doca_devemu_pci_dev *pci_dev, uint8_t id, uint64_t offset, void *values,
	uint64_t size)
{
	return pci_dev_no_region(pci_dev, values);
}

doca_error_t doca_devemu_pci_dev_query_bar_stateful_region_values(
	struct doca_devemu_pci_dev *pci_dev, uint8_t id, uint64_t offset, void *out_values,
	uint64_t size)
{
	return pci_dev_no_region(pci_dev, out_values);
}

doca_error_t doca_devemu_pci_dev_event_bar_stateful_region_driver_write_register(
	struct doca_devemu_pci_dev *pci_dev,
	doca_devemu_pci_dev_event_bar_stateful_region_driver_write_handler_cb_t handler,
	uint8_t bar_id, uint64_t bar_region_start_addr, union doca_data user_data)
{
	if (!pci_dev || !handler)
		return DOCA_ERROR_INVALID_VALUE;
	return ctx_is_idle(&pci_dev->ctx) ? DOCA_ERROR_INVALID_VALUE : DOCA_ERROR_BAD_STATE;
}

struct doca_devemu_pci_dev *doca_devemu_pci_dev_event_bar_stateful_region_driver_write_get_pci_dev(
	struct doca_devemu_pci_dev_event_bar_stateful_region_driver_write *event)
{
	return NULL; /* there is no such event */
}

uint8_t doca_devemu_pci_dev_event_bar_stateful_region_driver_write_get_bar_id(
	struct doca_devemu_pci_dev_event_bar_stateful_region_driver_write *event)
{
	return 0;
}

uint64_t doca_devemu_pci_dev_event_bar_stateful_region_driver_write_get_bar_region_start_addr(
	struct doca_devemu_pci_dev_event_bar_stateful_region_driver_write *event)
{
	return 0;
}

/* ---- function level reset ---- */

doca_error_t doca_devemu_pci_dev_is_flr(const struct doca_devemu_pci_dev *pci_dev, uint8_t *flr)
{
	if (!pci_dev || !flr)
		return DOCA_ERROR_INVALID_VALUE;
	if (ctx_is_idle(&pci_dev->ctx))
		return DOCA_ERROR_BAD_STATE;
	*flr = pci_dev->flr;
	return DOCA_SUCCESS;
}

doca_error_t
doca_devemu_pci_dev_event_flr_register(struct doca_devemu_pci_dev *pci_dev,
				       doca_devemu_pci_dev_event_flr_handler_cb_t handler,
				       union doca_data user_data)
{
	if (!pci_dev || !handler)
		return DOCA_ERROR_INVALID_VALUE;
	if (!ctx_is_idle(&pci_dev->ctx))
		return DOCA_ERROR_BAD_STATE;
	pci_dev->flr_cb = handler;
	pci_dev->flr_data = user_data;
	return DOCA_SUCCESS;
}

/* ---- what belongs to the accelerator ---- */

doca_error_t doca_devemu_pci_mmap_create(struct doca_devemu_pci_dev *pci_dev,
					 struct doca_mmap **mmap)
{
	if (!pci_dev || !mmap)
		return DOCA_ERROR_INVALID_VALUE;
	return ctx_is_idle(&pci_dev->ctx) ? DOCA_ERROR_BAD_STATE : DOCA_ERROR_NOT_SUPPORTED;
}

#define ACCELERATOR_CALL(object, call) \
	doca_error_t doca_devemu_pci_##object##_##call(struct doca_devemu_pci_##object *obj) \
	{ \
		return obj ? DOCA_ERROR_NOT_SUPPORTED : DOCA_ERROR_INVALID_VALUE; \
	}

ACCELERATOR_CALL(db_completion, destroy)
ACCELERATOR_CALL(db_completion, stop)
ACCELERATOR_CALL(db, destroy)
ACCELERATOR_CALL(db, stop)
ACCELERATOR_CALL(msix, destroy)
