/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Doorbell, MSI-X and endpoint objects of an emulated PCI function. They belong to the accelerator
 * data path, so those calls that exist answer DOCA_ERROR_NOT_SUPPORTED.
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

DOCA_STABLE doca_error_t doca_devemu_pci_db_completion_destroy(
		struct doca_devemu_pci_db_completion *db_comp);
DOCA_STABLE doca_error_t doca_devemu_pci_db_completion_stop(
		struct doca_devemu_pci_db_completion *db_comp);
DOCA_STABLE doca_error_t doca_devemu_pci_db_destroy(struct doca_devemu_pci_db *db);
DOCA_STABLE doca_error_t doca_devemu_pci_db_stop(struct doca_devemu_pci_db *db);
DOCA_STABLE doca_error_t doca_devemu_pci_msix_destroy(struct doca_devemu_pci_msix *msix);

#ifdef __cplusplus
}
#endif

#endif
