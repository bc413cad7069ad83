/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The endpoint view of a device, and the objects of the accelerator's data path: doorbells,
 * completion queues for them, vectors raised from there, the accelerator itself. There is none, so
 * no such object ever exists, and calls that would make or use one are refused.
 */
#include "core/api.h"
#include "devemu/pci_limits.h"
#include "devemu/vdev.h"
#include "doca_dpa.h"

struct doca_devemu_pci_ep *doca_devemu_pci_dev_as_ep(struct doca_devemu_pci_dev *pci_dev)
{
	return pci_dev ? &pci_dev->ep : NULL;
}

static struct doca_devemu_pci_dev *pci_of_ep(const struct doca_devemu_pci_ep *ep)
{
	return ep ? ep->pci : NULL;
}

doca_error_t doca_devemu_pci_ep_mmap_create(struct doca_devemu_pci_ep *ep, struct doca_mmap **mmap)
{
	return doca_devemu_pci_mmap_create(pci_of_ep(ep), mmap);
}

doca_error_t doca_devemu_pci_ep_get_num_msix(const struct doca_devemu_pci_ep *ep,
					     uint16_t *num_msix)
{
	return doca_devemu_pci_dev_get_num_msix(pci_of_ep(ep), num_msix);
}

doca_error_t doca_devemu_pci_ep_set_num_msix(struct doca_devemu_pci_ep *ep, uint16_t num_msix)
{
	return doca_devemu_pci_dev_set_num_msix(pci_of_ep(ep), num_msix);
}

API_GETTER(doca_devemu_pci_ep_get_num_db, const struct doca_devemu_pci_ep, uint16_t,
	   o->pci->num_db)

doca_error_t doca_devemu_pci_ep_set_num_db(struct doca_devemu_pci_ep *ep, uint16_t num_db)
{
	if (!ep || num_db > PCI_NUM_DB_MAX)
		return DOCA_ERROR_INVALID_VALUE;
	if (!ctx_is_idle(&ep->pci->ctx))
		return DOCA_ERROR_BAD_STATE;
	if (ep->pci->virtio)
		return DOCA_ERROR_NOT_PERMITTED;
	ep->pci->num_db = num_db;
	return DOCA_SUCCESS;
}

/* ---- what belongs to the accelerator ---- */

/* A call whose pointers p... must not be NULL, and that is refused otherwise. */
#define REFUSED(fn, pointers, ...) \
	doca_error_t fn(__VA_ARGS__) \
	{ \
		return (pointers) ? DOCA_ERROR_NOT_SUPPORTED : DOCA_ERROR_INVALID_VALUE; \
	}

REFUSED(doca_devemu_pci_ep_set_datapath_on_dpa, ep && dpa_dev, struct doca_devemu_pci_ep *ep,
	struct doca_dpa *dpa_dev)
REFUSED(doca_devemu_pci_ep_create_db_on_dpa, ep && db_comp && db, struct doca_devemu_pci_ep *ep,
	struct doca_devemu_pci_db_completion *db_comp, uint8_t bar_id, uint64_t bar_start_addr,
	uint32_t db_id, uint64_t user_data_on_dpa, struct doca_devemu_pci_db **db)
REFUSED(doca_devemu_pci_ep_create_msix_on_dpa, ep && msix, struct doca_devemu_pci_ep *ep,
	uint8_t bar_id, uint64_t bar_start_addr, uint16_t msix_idx, uint64_t user_data_on_dpa,
	struct doca_devemu_pci_msix **msix)

REFUSED(doca_devemu_pci_db_completion_create, th && db_comp, struct doca_dpa_thread *th,
	struct doca_devemu_pci_db_completion **db_comp)
REFUSED(doca_devemu_pci_db_completion_destroy, db_comp,
	struct doca_devemu_pci_db_completion *db_comp)
REFUSED(doca_devemu_pci_db_completion_start, db_comp, struct doca_devemu_pci_db_completion *db_comp)
REFUSED(doca_devemu_pci_db_completion_stop, db_comp, struct doca_devemu_pci_db_completion *db_comp)
REFUSED(doca_devemu_pci_db_completion_get_dpa_handle, db_comp && db_comp_handle,
	struct doca_devemu_pci_db_completion *db_comp,
	doca_dpa_dev_devemu_pci_db_completion_t *db_comp_handle)
REFUSED(doca_devemu_pci_db_completion_set_max_num_dbs, db_comp,
	struct doca_devemu_pci_db_completion *db_comp, uint32_t num_dbs)
REFUSED(doca_devemu_pci_db_completion_get_max_num_dbs, db_comp && num_dbs,
	struct doca_devemu_pci_db_completion *db_comp, uint32_t *num_dbs)
REFUSED(doca_devemu_pci_db_completion_get_curr_num_dbs, db_comp && num_dbs,
	struct doca_devemu_pci_db_completion *db_comp, uint32_t *num_dbs)

REFUSED(doca_devemu_pci_db_create_on_dpa, pci_dev && db_comp && db,
	struct doca_devemu_pci_dev *pci_dev, struct doca_devemu_pci_db_completion *db_comp,
	uint8_t bar_id, uint64_t bar_start_addr, uint32_t db_id, uint64_t user_data_on_dpa,
	struct doca_devemu_pci_db **db)
REFUSED(doca_devemu_pci_db_destroy, db, struct doca_devemu_pci_db *db)
REFUSED(doca_devemu_pci_db_start, db, struct doca_devemu_pci_db *db)
REFUSED(doca_devemu_pci_db_stop, db, struct doca_devemu_pci_db *db)
REFUSED(doca_devemu_pci_db_get_dpa_handle, db && db_handle, struct doca_devemu_pci_db *db,
	doca_dpa_dev_devemu_pci_db_t *db_handle)
REFUSED(doca_devemu_pci_db_modify_value, db, struct doca_devemu_pci_db *db, uint32_t db_value)
REFUSED(doca_devemu_pci_db_query_value, db && db_value, struct doca_devemu_pci_db *db,
	uint32_t *db_value)

REFUSED(doca_devemu_pci_msix_create_on_dpa, pci_dev && msix, struct doca_devemu_pci_dev *pci_dev,
	uint8_t bar_id, uint64_t bar_start_addr, uint16_t msix_idx, uint64_t user_data_on_dpa,
	struct doca_devemu_pci_msix **msix)
REFUSED(doca_devemu_pci_msix_destroy, msix, struct doca_devemu_pci_msix *msix)
REFUSED(doca_devemu_pci_msix_get_dpa_handle, msix && msix_handle, struct doca_devemu_pci_msix *msix,
	doca_dpa_dev_devemu_pci_msix_t *msix_handle)

REFUSED(doca_dpa_create, dev && dpa, struct doca_dev *dev, struct doca_dpa **dpa)
REFUSED(doca_dpa_destroy, dpa, struct doca_dpa *dpa)
REFUSED(doca_dpa_start, dpa, struct doca_dpa *dpa)
REFUSED(doca_dpa_stop, dpa, struct doca_dpa *dpa)
REFUSED(doca_dpa_set_app, dpa && app, struct doca_dpa *dpa, struct doca_dpa_app *app)
REFUSED(doca_dpa_rpc, dpa && func && retval, struct doca_dpa *dpa, doca_dpa_func_t *func,
	uint64_t *retval, ...)
REFUSED(doca_dpa_thread_create, dpa && dpa_thread, struct doca_dpa *dpa,
	struct doca_dpa_thread **dpa_thread)
REFUSED(doca_dpa_thread_set_func_arg, thread && func, struct doca_dpa_thread *thread,
	doca_dpa_func_t *func, uint64_t arg)
REFUSED(doca_dpa_thread_start, thread, struct doca_dpa_thread *thread)
REFUSED(doca_dpa_thread_run, thread, struct doca_dpa_thread *thread)
REFUSED(doca_dpa_thread_destroy, dpa_thread, struct doca_dpa_thread *dpa_thread)
