/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PCI type is the template of emulated functions: ids, BAR layout, MSI-X. A library-owned
 * default type (such as that of virtio-fs) is always started and cannot be changed; types made by
 * the user are configured, started, and then used to create functions.
 */
#ifndef DOCA_DEVEMU_PCI_TYPE_H
#define DOCA_DEVEMU_PCI_TYPE_H

#include <stdint.h>
#include <sys/uio.h>

#include "doca_ctx.h"
#include "doca_dev.h"
#include "doca_error.h"
#include "doca_pe.h"

#ifdef __cplusplus
extern "C" {
#endif

struct doca_devemu_pci_type;

#define DOCA_DEVEMU_PCI_TYPE_NAME_LEN 32 /* of a name, with its NUL */

enum doca_devemu_pci_bar_mem_type {
	DOCA_DEVEMU_PCI_BAR_MEM_TYPE_32_BIT = 0,
	DOCA_DEVEMU_PCI_BAR_MEM_TYPE_1_MB = 1,		/* below 1 MiB */
	/* takes two BARs, of which the second gets size 0 */
	DOCA_DEVEMU_PCI_BAR_MEM_TYPE_64_BIT = 2,
};

/* What a device can do with a type, 0 or 1: create functions of it, manage those there are. */
DOCA_STABLE doca_error_t doca_devemu_pci_cap_type_is_hotplug_supported(
		const struct doca_devinfo *devinfo, const struct doca_devemu_pci_type *pci_type,
		uint8_t *supported);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_type_is_mgmt_supported(
		const struct doca_devinfo *devinfo, const struct doca_devemu_pci_type *pci_type,
		uint8_t *supported);

DOCA_STABLE doca_error_t doca_devemu_pci_cap_type_is_bar_mem_type_supported(
		const struct doca_devinfo *devinfo, enum doca_devemu_pci_bar_mem_type memory_type,
		uint8_t *supported);

/* Types of the user's own that can be started on one device. */
DOCA_STABLE doca_error_t doca_devemu_pci_cap_get_max_types(const struct doca_devinfo *devinfo,
		uint16_t *max_pci_types);

/* Sizes of BARs and doorbells, as powers of two; how many of everything. */
DOCA_STABLE doca_error_t doca_devemu_pci_cap_type_get_log_min_bar_size(
		const struct doca_devinfo *devinfo, uint8_t *log_bar_size);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_type_get_log_max_bar_size(
		const struct doca_devinfo *devinfo, uint8_t *log_bar_size);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_type_get_max_bars(const struct doca_devinfo *devinfo,
		uint8_t *max_bars);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_type_get_max_num_msix(
		const struct doca_devinfo *devinfo, uint16_t *num_msix);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_type_get_max_num_db(const struct doca_devinfo *devinfo,
		uint16_t *num_db);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_type_get_log_min_db_size(
		const struct doca_devinfo *devinfo, uint8_t *log_db_size);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_type_get_log_max_db_size(
		const struct doca_devinfo *devinfo, uint8_t *log_db_size);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_type_get_log_min_db_stride_size(
		const struct doca_devinfo *devinfo, uint8_t *log_stride_size);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_type_get_log_max_db_stride_size(
		const struct doca_devinfo *devinfo, uint8_t *log_stride_size);

/* Regions of all kinds in a BAR, and in all BARs. */
DOCA_STABLE doca_error_t doca_devemu_pci_cap_bar_get_max_bar_regions(
		const struct doca_devinfo *devinfo, uint32_t *max_bar_regions);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_type_get_max_bar_regions(
		const struct doca_devinfo *devinfo, uint32_t *max_bar_regions);

/* How doorbells may be told apart, 0 or 1. */
DOCA_STABLE doca_error_t doca_devemu_pci_cap_bar_db_region_is_identify_by_offset_supported(
		const struct doca_devinfo *devinfo, uint8_t *supported);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_bar_db_region_is_identify_by_data_supported(
		const struct doca_devinfo *devinfo, uint8_t *supported);

/*
 * Regions of one kind: what their size is a multiple of, how many of these they may have, what
 * their start is a multiple of, and how many there may be in a BAR, and in all BARs.
 */
DOCA_STABLE doca_error_t doca_devemu_pci_cap_bar_db_region_get_region_block_size(
		const struct doca_devinfo *devinfo, uint32_t *block_size);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_bar_db_region_get_max_num_region_blocks(
		const struct doca_devinfo *devinfo, uint32_t *max_blocks);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_bar_db_region_get_start_addr_alignment(
		const struct doca_devinfo *devinfo, uint32_t *alignment);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_bar_get_max_bar_db_regions(
		const struct doca_devinfo *devinfo, uint32_t *max_regions);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_type_get_max_bar_db_regions(
		const struct doca_devinfo *devinfo, uint32_t *max_regions);

DOCA_STABLE doca_error_t doca_devemu_pci_cap_bar_stateful_region_get_region_block_size(
		const struct doca_devinfo *devinfo, uint32_t *block_size);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_bar_stateful_region_get_max_num_region_blocks(
		const struct doca_devinfo *devinfo, uint32_t *max_blocks);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_bar_stateful_region_get_start_addr_alignment(
		const struct doca_devinfo *devinfo, uint32_t *alignment);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_bar_get_max_bar_stateful_regions(
		const struct doca_devinfo *devinfo, uint32_t *max_regions);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_type_get_max_bar_stateful_regions(
		const struct doca_devinfo *devinfo, uint32_t *max_regions);

DOCA_STABLE doca_error_t doca_devemu_pci_cap_bar_msix_table_region_get_region_block_size(
		const struct doca_devinfo *devinfo, uint32_t *block_size);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_bar_msix_table_region_get_max_num_region_blocks(
		const struct doca_devinfo *devinfo, uint32_t *max_blocks);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_bar_msix_table_region_get_start_addr_alignment(
		const struct doca_devinfo *devinfo, uint32_t *alignment);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_bar_get_max_bar_msix_table_regions(
		const struct doca_devinfo *devinfo, uint32_t *max_regions);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_type_get_max_bar_msix_table_regions(
		const struct doca_devinfo *devinfo, uint32_t *max_regions);

DOCA_STABLE doca_error_t doca_devemu_pci_cap_bar_msix_pba_region_get_region_block_size(
		const struct doca_devinfo *devinfo, uint32_t *block_size);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_bar_msix_pba_region_get_max_num_region_blocks(
		const struct doca_devinfo *devinfo, uint32_t *max_blocks);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_bar_msix_pba_region_get_start_addr_alignment(
		const struct doca_devinfo *devinfo, uint32_t *alignment);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_bar_get_max_bar_msix_pba_regions(
		const struct doca_devinfo *devinfo, uint32_t *max_regions);
DOCA_STABLE doca_error_t doca_devemu_pci_cap_type_get_max_bar_msix_pba_regions(
		const struct doca_devinfo *devinfo, uint32_t *max_regions);

/*
 * A type of the user's own: stopped, without a device. The same name in two processes means the
 * same configuration. Destroying: BAD_STATE when started, NOT_PERMITTED for a default type.
 */
DOCA_STABLE doca_error_t doca_devemu_pci_type_create(const char *name,
		struct doca_devemu_pci_type **pci_type);
DOCA_STABLE doca_error_t doca_devemu_pci_type_destroy(struct doca_devemu_pci_type *pci_type);

/*
 * Start freezes and registers the configuration: needs a device, and BARs and regions that fit
 * together (BAD_CONFIG). FULL: too many types. ALREADY_EXIST: one of that name is started,
 * or another process has started a different one.
 * IN_USE: stopping while device objects of the type exist.
 */
DOCA_STABLE doca_error_t doca_devemu_pci_type_start(struct doca_devemu_pci_type *pci_type);
DOCA_STABLE doca_error_t doca_devemu_pci_type_stop(struct doca_devemu_pci_type *pci_type);

/* 1 for a default type. */
DOCA_STABLE doca_error_t doca_devemu_pci_type_is_started(
		const struct doca_devemu_pci_type *pci_type, uint8_t *started);

/*
 * The device that manages the functions; it outlives the type. BAD_STATE: started.
 * NOT_PERMITTED: a default type.
 */
DOCA_STABLE doca_error_t doca_devemu_pci_type_set_dev(struct doca_devemu_pci_type *pci_type,
		struct doca_dev *dev);
DOCA_STABLE doca_error_t doca_devemu_pci_type_get_dev(const struct doca_devemu_pci_type *pci_type,
		struct doca_dev **dev);

/* --- functions of a type --- */

/*
 * Representors of all functions of the type, static and hot-plug ones. To be freed with
 * doca_devinfo_rep_destroy_list(). Two names for the same call.
 */
DOCA_STABLE doca_error_t doca_devemu_pci_type_create_rep_list(struct doca_devemu_pci_type *pci_type,
		struct doca_devinfo_rep ***dev_list_rep, uint32_t *nb_devs_rep);
DOCA_STABLE doca_error_t doca_devemu_pci_type_rep_list_create(struct doca_devemu_pci_type *pci_type,
		struct doca_devinfo_rep ***dev_list_rep, uint32_t *nb_devs_rep);

/*
 * Makes a new function, powered off and unknown to the host, and opens its representor. It outlives
 * the process. BAD_STATE: type not started. FULL: no free port.
 */
DOCA_STABLE doca_error_t doca_devemu_pci_type_create_rep(
		const struct doca_devemu_pci_type *pci_type, struct doca_dev_rep **dev_rep);

/*
 * Removes such a function and closes the representor. BAD_STATE: not powered off.
 * NOT_PERMITTED: static, or a device object uses it.
 */
DOCA_STABLE doca_error_t doca_devemu_pci_type_destroy_rep(struct doca_dev_rep *rep_dev);

/* The names of these two up to 3.0. */
DOCA_STABLE doca_error_t doca_devemu_pci_dev_create_rep(const struct doca_devemu_pci_type *pci_type,
		struct doca_dev_rep **dev_rep);
DOCA_STABLE doca_error_t doca_devemu_pci_dev_destroy_rep(struct doca_dev_rep *rep_dev);

/* --- configuration --- */

DOCA_STABLE doca_error_t doca_devemu_pci_type_get_name(const struct doca_devemu_pci_type *pci_type,
		char (*name)[DOCA_DEVEMU_PCI_TYPE_NAME_LEN]);

/*
 * Registers of the configuration space. Setters: BAD_STATE when started, so always for a default
 * type; INVALID_VALUE beyond what the device can do.
 */
DOCA_STABLE doca_error_t doca_devemu_pci_type_get_device_id(
		const struct doca_devemu_pci_type *pci_type, uint16_t *device_id);
DOCA_STABLE doca_error_t doca_devemu_pci_type_set_device_id(struct doca_devemu_pci_type *pci_type,
		uint16_t device_id);
DOCA_STABLE doca_error_t doca_devemu_pci_type_get_vendor_id(
		const struct doca_devemu_pci_type *pci_type, uint16_t *vendor_id);
DOCA_STABLE doca_error_t doca_devemu_pci_type_set_vendor_id(struct doca_devemu_pci_type *pci_type,
		uint16_t vendor_id);
DOCA_STABLE doca_error_t doca_devemu_pci_type_get_subsystem_id(
		const struct doca_devemu_pci_type *pci_type, uint16_t *subsystem_id);
DOCA_STABLE doca_error_t doca_devemu_pci_type_set_subsystem_id(
		struct doca_devemu_pci_type *pci_type, uint16_t subsystem_id);
DOCA_STABLE doca_error_t doca_devemu_pci_type_get_subsystem_vendor_id(
		const struct doca_devemu_pci_type *pci_type, uint16_t *subsystem_vid);
DOCA_STABLE doca_error_t doca_devemu_pci_type_set_subsystem_vendor_id(
		struct doca_devemu_pci_type *pci_type, uint16_t subsystem_vid);
DOCA_STABLE doca_error_t doca_devemu_pci_type_get_revision_id(
		const struct doca_devemu_pci_type *pci_type, uint8_t *revision_id);
DOCA_STABLE doca_error_t doca_devemu_pci_type_set_revision_id(struct doca_devemu_pci_type *pci_type,
		uint8_t revision_id);
DOCA_STABLE doca_error_t doca_devemu_pci_type_get_class_code(
		const struct doca_devemu_pci_type *pci_type, uint32_t *class_code);
DOCA_STABLE doca_error_t doca_devemu_pci_type_set_class_code(struct doca_devemu_pci_type *pci_type,
		uint32_t class_code);
DOCA_STABLE doca_error_t doca_devemu_pci_type_get_num_msix(
		const struct doca_devemu_pci_type *pci_type, uint16_t *num_msix);
DOCA_STABLE doca_error_t doca_devemu_pci_type_set_num_msix(struct doca_devemu_pci_type *pci_type,
		uint16_t num_msix);

/* Doorbells of a function. NOT_PERMITTED for a default type. Setter otherwise as above. */
DOCA_STABLE doca_error_t doca_devemu_pci_type_get_num_db(
		const struct doca_devemu_pci_type *pci_type, uint16_t *num_db);
DOCA_STABLE doca_error_t doca_devemu_pci_type_set_num_db(struct doca_devemu_pci_type *pci_type,
		uint16_t num_db);

/*
 * BARs, of 2^log_sz bytes. While stopped (BAD_STATE); sizes and places are checked at start. The
 * upper half of a 64-bit BAR is declared with size 0. NOT_SUPPORTED: a kind of memory that is not.
 */
DOCA_STABLE doca_error_t doca_devemu_pci_type_set_memory_bar_conf(
		struct doca_devemu_pci_type *pci_type, uint8_t id, uint8_t log_sz,
		enum doca_devemu_pci_bar_mem_type memory_type, uint8_t prefetchable);
DOCA_STABLE doca_error_t doca_devemu_pci_type_set_io_bar_conf(struct doca_devemu_pci_type *pci_type,
		uint8_t id, uint8_t log_sz);

/*
 * Regions of the BAR with this id: doorbells told apart by offset or by data (in bytes msbyte to
 * lsbyte, little endian when msbyte is the greater), MSI-X table, its pending bits, and registers
 * that hold what the host wrote last. Doorbells only hold it as well: there is no accelerator to be
 * told. INVALID_VALUE: not aligned, or larger than the capabilities say. FULL: too many of a kind.
 */
DOCA_STABLE doca_error_t doca_devemu_pci_type_set_bar_db_region_by_offset_conf(
		struct doca_devemu_pci_type *pci_type, uint8_t id, uint64_t start_addr,
		uint64_t size, uint8_t log_db_size, uint8_t log_stride_size);
DOCA_STABLE doca_error_t doca_devemu_pci_type_set_bar_db_region_by_data_conf(
		struct doca_devemu_pci_type *pci_type, uint8_t id, uint64_t start_addr,
		uint64_t size, uint8_t log_db_size, uint16_t db_id_msbyte, uint16_t db_id_lsbyte);
DOCA_STABLE doca_error_t doca_devemu_pci_type_set_bar_msix_table_region_conf(
		struct doca_devemu_pci_type *pci_type, uint8_t id, uint64_t start_addr,
		uint64_t size);
DOCA_STABLE doca_error_t doca_devemu_pci_type_set_bar_msix_pba_region_conf(
		struct doca_devemu_pci_type *pci_type, uint8_t id, uint64_t start_addr,
		uint64_t size);
DOCA_STABLE doca_error_t doca_devemu_pci_type_set_bar_stateful_region_conf(
		struct doca_devemu_pci_type *pci_type, uint8_t id, uint64_t start_addr,
		uint64_t size);

/*
 * What a stateful region holds after plug and reset, zeros otherwise.
 * BAD_STATE: type not started, or functions of it exist.
 */
DOCA_STABLE doca_error_t doca_devemu_pci_type_modify_bar_stateful_region_default_values(
		struct doca_devemu_pci_type *pci_type, uint8_t id, uint64_t start_addr,
		void *default_values, uint64_t size);

#ifdef __cplusplus
}
#endif

#endif
