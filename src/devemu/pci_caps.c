/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What devices can do with PCI types: the same for every emulation manager. pci_type.c holds types
 * to the same numbers (devemu/pci_limits.h).
 */
#include <stdlib.h>

#include "core/api.h"
#include "core/dev.h"
#include "devemu/pci_limits.h"
#include "doca_devemu_pci.h"

/* doca_devemu_pci_cap_NAME() */
#define CAP(name, type, value) \
	API_GETTER(doca_devemu_pci_cap_##name, const struct doca_devinfo, type, value)

CAP(get_max_types, uint16_t, PCI_MAX_TYPES)
CAP(is_mmap_add_dev_supported, uint8_t, 1)

CAP(type_get_log_min_bar_size, uint8_t, PCI_BAR_LOG_MIN)
CAP(type_get_log_max_bar_size, uint8_t, PCI_BAR_LOG_MAX)
CAP(type_get_max_num_msix, uint16_t, PCI_NUM_MSIX_MAX)
CAP(type_get_max_num_db, uint16_t, PCI_NUM_DB_MAX)
CAP(type_get_log_min_db_size, uint8_t, PCI_DB_LOG_SIZE_MIN)
CAP(type_get_log_max_db_size, uint8_t, PCI_DB_LOG_SIZE_MAX)
CAP(type_get_log_min_db_stride_size, uint8_t, PCI_DB_LOG_STRIDE_MIN)
CAP(type_get_log_max_db_stride_size, uint8_t, PCI_DB_LOG_STRIDE_MAX)
CAP(type_get_max_bars, uint8_t, PCI_NUM_BARS)
CAP(bar_get_max_bar_regions, uint32_t, PCI_BAR_MAX_REGIONS)
CAP(type_get_max_bar_regions, uint32_t, PCI_NUM_BARS * PCI_BAR_MAX_REGIONS)

CAP(bar_db_region_is_identify_by_offset_supported, uint8_t, 1)
CAP(bar_db_region_is_identify_by_data_supported, uint8_t, 1)

/* What is the same for every kind of region, but for the numbers. */
#define REGION_CAPS(kind, max_blocks, per_bar, per_type) \
	CAP(bar_##kind##_region_get_region_block_size, uint32_t, PCI_REGION_BLOCK) \
	CAP(bar_##kind##_region_get_start_addr_alignment, uint32_t, PCI_REGION_BLOCK) \
	CAP(bar_##kind##_region_get_max_num_region_blocks, uint32_t, max_blocks) \
	CAP(bar_get_max_bar_##kind##_regions, uint32_t, per_bar) \
	CAP(type_get_max_bar_##kind##_regions, uint32_t, per_type)

REGION_CAPS(db, PCI_DB_MAX_BLOCKS, PCI_BAR_MAX_OF_KIND, PCI_NUM_BARS * PCI_BAR_MAX_OF_KIND)
REGION_CAPS(stateful, PCI_STATEFUL_MAX_BLOCKS, PCI_BAR_MAX_OF_KIND,
	    PCI_NUM_BARS * PCI_BAR_MAX_OF_KIND)
REGION_CAPS(msix_table, PCI_MSIX_MAX_BLOCKS, 1, 1)
REGION_CAPS(msix_pba, PCI_MSIX_MAX_BLOCKS, 1, 1)

/* ---- resources: functions do not share any, so each may have the most there can be ---- */

struct doca_devemu_pci_resources {
	uint32_t num_msix, num_db;
};

doca_error_t doca_devemu_pci_get_available_resources(const struct doca_devinfo *devinfo,
						     struct doca_devemu_pci_resources **ret)
{
	struct doca_devemu_pci_resources *res;

	if (!devinfo || !ret)
		return DOCA_ERROR_INVALID_VALUE;
	res = malloc(sizeof(*res));
	if (!res)
		return DOCA_ERROR_NO_MEMORY;
	res->num_msix = PCI_NUM_MSIX_MAX;
	res->num_db = PCI_NUM_DB_MAX;
	*ret = res;
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_pci_release_resources(struct doca_devemu_pci_resources *res)
{
	if (!res)
		return DOCA_ERROR_INVALID_VALUE;
	free(res);
	return DOCA_SUCCESS;
}

API_GETTER(doca_devemu_pci_resources_get_num_msix, const struct doca_devemu_pci_resources,
	   uint32_t, o->num_msix)
API_GETTER(doca_devemu_pci_resources_get_num_db, const struct doca_devemu_pci_resources, uint32_t,
	   o->num_db)
