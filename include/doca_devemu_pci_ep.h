/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The endpoint of an emulated PCI function, the view of a device that data paths use, and the
 * objects of the accelerator's data path. There is no accelerator here (doca_dpa.h): its calls
 * answer NOT_SUPPORTED, or INVALID_VALUE for a NULL pointer.
 */
#ifndef DOCA_DEVEMU_PCI_EP_H
#define DOCA_DEVEMU_PCI_EP_H

#include <stdint.h>

#include "doca_dev.h"
#include "doca_error.h"
#include "doca_mmap.h"

#ifdef __cplusplus
extern "C" {
#endif

struct doca_devemu_pci_db;
struct doca_devemu_pci_db_completion;
struct doca_devemu_pci_ep;
struct doca_devemu_pci_msix;

/* Handles for code on the accelerator. */
typedef uint64_t doca_dpa_dev_devemu_pci_db_t;
typedef uint64_t doca_dpa_dev_devemu_pci_db_completion_t;
typedef uint64_t doca_dpa_dev_devemu_pci_msix_t;

struct doca_devemu_pci_dev;
struct doca_dpa;
struct doca_dpa_thread;

/*
 * An mmap over the memory of the host, empty and stopped: its range is set in bus addresses. Bufs
 * on it are for DMA; ranges the host has not given to the function fail the task with IO_FAILED.
 * Destroy it before the device stops. BAD_STATE: device not started.
 */
DOCA_STABLE doca_error_t doca_devemu_pci_ep_mmap_create(struct doca_devemu_pci_ep *ep,
		struct doca_mmap **mmap);

/*
 * How many vectors and doorbells the function has, from the type if not set. Setters: BAD_STATE
 * unless IDLE; NOT_PERMITTED for a function the host may have seen, and for doorbells of virtio
 * devices, which have their own; INVALID_VALUE beyond the capabilities.
 */
DOCA_STABLE doca_error_t doca_devemu_pci_ep_get_num_msix(const struct doca_devemu_pci_ep *ep,
		uint16_t *num_msix);
DOCA_STABLE doca_error_t doca_devemu_pci_ep_set_num_msix(struct doca_devemu_pci_ep *ep,
		uint16_t num_msix);
DOCA_STABLE doca_error_t doca_devemu_pci_ep_get_num_db(const struct doca_devemu_pci_ep *ep,
		uint16_t *num_db);
DOCA_STABLE doca_error_t doca_devemu_pci_ep_set_num_db(struct doca_devemu_pci_ep *ep,
		uint16_t num_db);

/* --- with an accelerator --- */

DOCA_STABLE doca_error_t doca_devemu_pci_ep_set_datapath_on_dpa(struct doca_devemu_pci_ep *ep,
		struct doca_dpa *dpa_dev);
DOCA_STABLE doca_error_t doca_devemu_pci_ep_create_db_on_dpa(struct doca_devemu_pci_ep *ep,
		struct doca_devemu_pci_db_completion *db_comp, uint8_t bar_id,
		uint64_t bar_start_addr, uint32_t db_id, uint64_t user_data_on_dpa,
		struct doca_devemu_pci_db **db);
DOCA_STABLE doca_error_t doca_devemu_pci_ep_create_msix_on_dpa(struct doca_devemu_pci_ep *ep,
		uint8_t bar_id, uint64_t bar_start_addr, uint16_t msix_idx,
		uint64_t user_data_on_dpa, struct doca_devemu_pci_msix **msix);

/* The names of two of these up to 3.2. */
DOCA_STABLE doca_error_t doca_devemu_pci_db_create_on_dpa(struct doca_devemu_pci_dev *pci_dev,
		struct doca_devemu_pci_db_completion *db_comp, uint8_t bar_id,
		uint64_t bar_start_addr, uint32_t db_id, uint64_t user_data_on_dpa,
		struct doca_devemu_pci_db **db);
DOCA_STABLE doca_error_t doca_devemu_pci_msix_create_on_dpa(struct doca_devemu_pci_dev *pci_dev,
		uint8_t bar_id, uint64_t bar_start_addr, uint16_t msix_idx,
		uint64_t user_data_on_dpa, struct doca_devemu_pci_msix **msix);

/* Where rung doorbells are reported to. */
DOCA_STABLE doca_error_t doca_devemu_pci_db_completion_create(struct doca_dpa_thread *th,
		struct doca_devemu_pci_db_completion **db_comp);
DOCA_STABLE doca_error_t doca_devemu_pci_db_completion_destroy(
		struct doca_devemu_pci_db_completion *db_comp);
DOCA_STABLE doca_error_t doca_devemu_pci_db_completion_set_max_num_dbs(
		struct doca_devemu_pci_db_completion *db_comp, uint32_t num_dbs);
DOCA_STABLE doca_error_t doca_devemu_pci_db_completion_get_max_num_dbs(
		struct doca_devemu_pci_db_completion *db_comp, uint32_t *num_dbs);
DOCA_STABLE doca_error_t doca_devemu_pci_db_completion_get_curr_num_dbs(
		struct doca_devemu_pci_db_completion *db_comp, uint32_t *num_dbs);
DOCA_STABLE doca_error_t doca_devemu_pci_db_completion_start(
		struct doca_devemu_pci_db_completion *db_comp);
DOCA_STABLE doca_error_t doca_devemu_pci_db_completion_stop(
		struct doca_devemu_pci_db_completion *db_comp);
DOCA_STABLE doca_error_t doca_devemu_pci_db_completion_get_dpa_handle(
		struct doca_devemu_pci_db_completion *db_comp,
		doca_dpa_dev_devemu_pci_db_completion_t *db_comp_handle);

DOCA_STABLE doca_error_t doca_devemu_pci_db_destroy(struct doca_devemu_pci_db *db);
DOCA_STABLE doca_error_t doca_devemu_pci_db_start(struct doca_devemu_pci_db *db);
DOCA_STABLE doca_error_t doca_devemu_pci_db_stop(struct doca_devemu_pci_db *db);
DOCA_STABLE doca_error_t doca_devemu_pci_db_modify_value(struct doca_devemu_pci_db *db,
		uint32_t db_value);
DOCA_STABLE doca_error_t doca_devemu_pci_db_query_value(struct doca_devemu_pci_db *db,
		uint32_t *db_value);
DOCA_STABLE doca_error_t doca_devemu_pci_db_get_dpa_handle(struct doca_devemu_pci_db *db,
		doca_dpa_dev_devemu_pci_db_t *db_handle);

DOCA_STABLE doca_error_t doca_devemu_pci_msix_destroy(struct doca_devemu_pci_msix *msix);
DOCA_STABLE doca_error_t doca_devemu_pci_msix_get_dpa_handle(struct doca_devemu_pci_msix *msix,
		doca_dpa_dev_devemu_pci_msix_t *msix_handle);

#ifdef __cplusplus
}
#endif

#endif
