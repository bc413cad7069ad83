/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PCI layer of an emulated device. A static function of the board is always plugged, and its
 * PCI identity fixed because the host has enumerated it; that of a hot-plug function is open until
 * it is plugged.
 *
 * Theory of operation: a device is the view of a virtio-fs device, or one of a type of the
 * application's, which is a context of its own. That one has nothing to wait for, so it starts and
 * stops at once, and progress only reports: steps of the host's on the bus, function level resets,
 * writes to stateful regions, one at a time. A function level reset is over when the application
 * has stopped and started the device; without a handler for it, or while the device is stopped, at
 * once.
 */
#include <stdlib.h>
#include <string.h>

#include "core/board.h"
#include "core/plug.h"
#include "devemu/pci_host.h"
#include "devemu/pci_window.h"
#include "devemu/vdev.h"

/* Board lock held. */
static void pci_dev_claim(struct doca_devemu_pci_dev *pci, struct function *fn,
			  struct doca_devemu_pci_dev *owner, int cnt)
{
	fn->devemu_dev = owner;
	pci->type->nr_devs += (unsigned int)cnt;
}

static doca_error_t pci_dev_take(struct doca_devemu_pci_dev *pci, struct function *fn)
{
	doca_error_t err = DOCA_SUCCESS;

	board_lock();
	if (fn->devemu_dev)
		err = DOCA_ERROR_IN_USE;
	else
		pci_dev_claim(pci, fn, pci, 1);
	board_unlock();
	if (err != DOCA_SUCCESS)
		return err;
	err = plug_own(fn);
	if (err != DOCA_SUCCESS) {
		board_lock();
		pci_dev_claim(pci, fn, NULL, -1);
		board_unlock();
	}
	return err;
}

/* Static functions are as the board says; the others as their type. */
static void pci_dev_set_ids(struct doca_devemu_pci_dev *pci)
{
	const struct doca_devinfo *info = pci->fn->manager;

	pci->ids = pci->type->ids;
	pci->num_db = pci->type->num_db;
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
	pci->type = type;
	err = pci_dev_take(pci, fn);
	if (err != DOCA_SUCCESS)
		return err;
	dev_rep_get(rep);
	pci->ep.pci = pci;
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
	pci_host_drop(pci);
	plug_disown(pci->fn);
	board_lock();
	pci_dev_claim(pci, pci->fn, NULL, -1);
	board_unlock();
	dev_rep_put(pci->rep);
}

/* ---- the context of a device of the application's own type ---- */

static struct doca_devemu_pci_dev *pci_of_ctx(struct doca_ctx *ctx)
{
	return container_of(ctx, struct doca_devemu_pci_dev, ctx);
}

static void pci_flr_finish(struct doca_devemu_pci_dev *pci)
{
	struct vdev_op *op = pci->flr_op;

	pci->flr = false;
	pci->flr_told = false;
	pci->flr_op = NULL;
	if (op)
		op->done(op);
}

static doca_error_t pci_dev_start(struct doca_ctx *ctx)
{
	struct doca_devemu_pci_dev *pci = pci_of_ctx(ctx);
	doca_error_t err = pci->port ? DOCA_SUCCESS : pci_port_open(pci);

	if (err != DOCA_SUCCESS)
		return err;
	if (pci->flr)
		pci_flr_finish(pci);
	pci->due = true;
	return DOCA_SUCCESS;
}

static doca_error_t pci_dev_stop(struct doca_ctx *ctx)
{
	return DOCA_SUCCESS;
}

static enum ctx_progress pci_dev_progress(struct doca_ctx *ctx)
{
	struct doca_devemu_pci_dev *pci = pci_of_ctx(ctx);

	pci->due = false;
	if (pci_hotplug_step(pci) == CTX_EVENT)
		return CTX_EVENT;
	/* There may be more behind what is reported now; the handler may destroy nothing but windows. */
	if (pci->flr && !pci->flr_told) {
		pci->due = true;
		pci->flr_told = true;
		pci->flr_cb(pci, pci->flr_data);
		return CTX_EVENT;
	}
	pci->due = true;
	if (pci_window_report(pci))
		return CTX_EVENT;
	pci->due = false;
	return CTX_NOTHING;
}

static bool pci_dev_arm(struct doca_ctx *ctx)
{
	return pci_of_ctx(ctx)->due;
}

static const struct ctx_ops pci_dev_ops = {
	.name = "pci_dev",
	.start = pci_dev_start,
	.stop = pci_dev_stop,
	.progress = pci_dev_progress,
	.arm = pci_dev_arm,
	.pe_fixed = true,
};

void pci_dev_flr(struct doca_devemu_pci_dev *pci, struct vdev_op *op)
{
	pci_window_reset_all(pci);
	pci->flr_op = op;
	if (ctx_is_idle(&pci->ctx) || !pci->flr_cb) {
		pci_flr_finish(pci);
		return;
	}
	pci->flr = true;
	pci->due = true;
	pe_wake(pci->ctx.pe);
}

void pci_dev_disconnected(struct doca_devemu_pci_dev *pci, struct vdev_op *op)
{
	pci_window_reset_all(pci);
	pci_host_set_memory(pci, NULL);
	op->done(op);
}

/* ---- life of such a device ---- */

static doca_error_t pci_dev_create(struct doca_devemu_pci_dev *pci,
				   struct doca_devemu_pci_type *type, struct doca_dev_rep *rep,
				   struct doca_pe *pe)
{
	doca_error_t err;

	ctx_init(&pci->ctx, &pci_dev_ops);
	pci->ctx.busy = pci->attention = &pci->due;
	pe_attach_ctx(pe, &pci->ctx);
	err = pci_dev_init(pci, type, rep);
	if (err == DOCA_SUCCESS && pci_window_create_all(pci)) {
		pci_dev_fini(pci);
		err = DOCA_ERROR_NO_MEMORY;
	}
	if (err != DOCA_SUCCESS)
		ctx_fini(&pci->ctx);
	return err;
}

doca_error_t doca_devemu_pci_dev_create(struct doca_devemu_pci_type *pci_type,
					struct doca_dev_rep *dev_rep,
					struct doca_pe *progress_engine,
					struct doca_devemu_pci_dev **pci_dev)
{
	struct doca_devemu_pci_dev *pci;
	doca_error_t err;

	if (!pci_type || !dev_rep || !progress_engine || !pci_dev)
		return DOCA_ERROR_INVALID_VALUE;
	if (pci_type->is_default)
		return DOCA_ERROR_NOT_SUPPORTED; /* virtio-fs functions are managed as such */
	pci = calloc(1, sizeof(*pci));
	if (!pci)
		return DOCA_ERROR_NO_MEMORY;
	err = pci_dev_create(pci, pci_type, dev_rep, progress_engine);
	if (err == DOCA_SUCCESS)
		*pci_dev = pci;
	else
		free(pci);
	return err;
}

doca_error_t doca_devemu_pci_dev_destroy(struct doca_devemu_pci_dev *pci_dev)
{
	if (!pci_dev)
		return DOCA_ERROR_INVALID_VALUE;
	if (pci_dev->virtio)
		return DOCA_ERROR_NOT_PERMITTED;
	if (!ctx_is_idle(&pci_dev->ctx))
		return DOCA_ERROR_BAD_STATE;
	pci_port_close(pci_dev);
	ctx_fini(&pci_dev->ctx);
	pci_window_destroy_all(pci_dev);
	pci_dev_fini(pci_dev);
	free(pci_dev);
	return DOCA_SUCCESS;
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
		pci_port_close(pci); /* its registers say otherwise */ \
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
