/* SPDX-License-Identifier: BSD-3-Clause */
/* Doorbell, MSI-X and endpoint objects: what the accelerator would need is refused. */
#include "devemu/vdev.h"

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
