/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PCI types. The default type of virtio-fs is the library's own: always started, unchangeable.
 * Types made by the application are configured, started, and then functions of them can be hot
 * plugged.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "core/board.h"
#include "core/log.h"
#include "core/state.h"
#include "devemu/vdev.h"

SD_LOG_REGISTER(PCI_TYPE);

/* Board lock. */
static LIST_HEAD(, doca_devemu_pci_type) started_types = LIST_HEAD_INITIALIZER(started_types);

/* ---- life ---- */

doca_error_t doca_devemu_pci_type_create(const char *name, struct doca_devemu_pci_type **pci_type)
{
	struct doca_devemu_pci_type *type;

	if (!name || !pci_type || strlen(name) >= DOCA_DEVEMU_PCI_TYPE_NAME_LEN)
		return DOCA_ERROR_INVALID_VALUE;
	type = calloc(1, sizeof(*type));
	if (!type)
		return DOCA_ERROR_NO_MEMORY;
	strcpy(type->name, name);
	type->shared_fd = -1;
	*pci_type = type;
	return DOCA_SUCCESS;
}

static void pci_type_free_defaults(struct doca_devemu_pci_type *type)
{
	unsigned int i, r;

	for (i = 0; i < PCI_NUM_BARS; i++)
		for (r = 0; r < type->bar[i].nr_regions; r++)
			free(type->bar[i].region[r].defaults);
}

doca_error_t doca_devemu_pci_type_destroy(struct doca_devemu_pci_type *type)
{
	if (!type)
		return DOCA_ERROR_INVALID_VALUE;
	if (type->is_default)
		return DOCA_ERROR_NOT_PERMITTED;
	if (type->started)
		return DOCA_ERROR_BAD_STATE;
	pci_type_free_defaults(type);
	free(type);
	return DOCA_SUCCESS;
}

/* Regions of one BAR must lie in it and apart from each other. */
static bool pci_bar_valid(const struct pci_bar *bar)
{
	uint64_t size = bar->configured ? 1ull << bar->log_size : 0;
	unsigned int i, j;

	for (i = 0; i < bar->nr_regions; i++) {
		const struct pci_region *a = &bar->region[i];

		if (a->size > size || a->start > size - a->size)
			return false;
		for (j = 0; j < i; j++) {
			const struct pci_region *b = &bar->region[j];

			if (a->start < b->start + b->size && b->start < a->start + a->size)
				return false;
		}
	}
	return true;
}

static bool pci_bars_valid(const struct doca_devemu_pci_type *type)
{
	unsigned int i;

	for (i = 0; i < PCI_NUM_BARS; i++) {
		const struct pci_bar *bar = &type->bar[i];
		bool wide = bar->configured && !bar->is_io && bar->log_size &&
			    bar->mem_type == DOCA_DEVEMU_PCI_BAR_MEM_TYPE_64_BIT;

		if (!pci_bar_valid(bar))
			return false;
		/* The upper half takes the next slot, declared with size 0. */
		if (wide && (i + 1 == PCI_NUM_BARS || !type->bar[i + 1].configured ||
			     type->bar[i + 1].log_size))
			return false;
	}
	return true;
}

static const struct pci_region *pci_type_find_region(const struct doca_devemu_pci_type *type,
						     enum pci_region_kind kind, unsigned int *ret_nr)
{
	const struct pci_region *found = NULL;
	unsigned int i, r, nr = 0;

	for (i = 0; i < PCI_NUM_BARS; i++) {
		for (r = 0; r < type->bar[i].nr_regions; r++) {
			if (type->bar[i].region[r].kind != kind)
				continue;
			found = &type->bar[i].region[r];
			nr++;
		}
	}
	*ret_nr = nr;
	return found;
}

/* Vectors need one table and one set of pending bits, large enough. */
static bool pci_msix_valid(const struct doca_devemu_pci_type *type)
{
	unsigned int nr_tables, nr_pbas, cnt = type->ids.num_msix;
	const struct pci_region *table, *pba;

	table = pci_type_find_region(type, PCI_REGION_MSIX_TABLE, &nr_tables);
	pba = pci_type_find_region(type, PCI_REGION_MSIX_PBA, &nr_pbas);
	if (nr_tables > 1 || nr_pbas > 1)
		return false;
	if (!cnt)
		return true;
	return table && pba && table->size >= cnt * 16u && pba->size >= ALIGN_UP(cnt, 64u) / 8;
}

/* Board lock held. */
static doca_error_t pci_type_may_register(const struct doca_devemu_pci_type *type)
{
	const struct doca_devemu_pci_type *other;
	unsigned int cnt = 0;

	LIST_FOREACH(other, &started_types, started_link) {
		if (other->dev->info != type->dev->info)
			continue;
		cnt++;
		if (!strcmp(other->name, type->name))
			return DOCA_ERROR_ALREADY_EXIST;
	}
	return cnt < PCI_MAX_TYPES ? DOCA_SUCCESS : DOCA_ERROR_FULL;
}

/* ---- the same in every process ---- */

static void digest_add(uint64_t *digest, uint64_t value)
{
	unsigned int i;

	for (i = 0; i < sizeof(value); i++, value >>= 8)
		*digest = (*digest ^ (value & 0xff)) * 0x100000001b3ull;
}

static void digest_add_bar(uint64_t *digest, const struct pci_bar *bar)
{
	unsigned int i;

	digest_add(digest, bar->configured | bar->is_io << 1 | bar->prefetchable << 2);
	digest_add(digest, bar->log_size);
	digest_add(digest, bar->mem_type);
	digest_add(digest, bar->nr_regions);
	for (i = 0; i < bar->nr_regions; i++) {
		digest_add(digest, bar->region[i].kind);
		digest_add(digest, bar->region[i].start);
		digest_add(digest, bar->region[i].size);
		digest_add(digest, bar->region[i].how);
	}
}

/* What two processes must agree on who use this name. */
static uint64_t pci_type_digest(const struct doca_devemu_pci_type *type)
{
	const struct pci_ids *ids = &type->ids;
	uint64_t digest = 0xcbf29ce484222325ull; /* FNV-1a */
	const uint64_t values[] = {
		ids->vendor_id, ids->device_id, ids->subsystem_vendor_id, ids->subsystem_id,
		ids->revision_id, ids->class_code, ids->num_msix, type->num_db,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(values); i++)
		digest_add(&digest, values[i]);
	for (i = 0; i < PCI_NUM_BARS; i++)
		digest_add_bar(&digest, &type->bar[i]);
	return digest;
}

/* Without a place to write to there are no functions to disagree about either. */
static doca_error_t pci_type_share(struct doca_devemu_pci_type *type)
{
	int rc = state_share_type(type->dev->info, type->name, pci_type_digest(type),
				  &type->shared_fd);

	if (rc != -EEXIST)
		return DOCA_SUCCESS;
	sd_log_err("PCI type \"%s\": another process has one of this name that is different",
		   type->name);
	return DOCA_ERROR_ALREADY_EXIST;
}

static void pci_type_unshare(struct doca_devemu_pci_type *type)
{
	if (type->shared_fd >= 0)
		state_unshare_type(type->dev->info, type->name, type->shared_fd);
	type->shared_fd = -1;
}

/* ---- start and stop ---- */

doca_error_t doca_devemu_pci_type_start(struct doca_devemu_pci_type *type)
{
	doca_error_t err;

	if (!type)
		return DOCA_ERROR_INVALID_VALUE;
	if (type->started)
		return DOCA_ERROR_BAD_STATE;
	if (!type->dev || !pci_bars_valid(type) || !pci_msix_valid(type)) {
		sd_log_err("PCI type \"%s\": no device, or its BARs and vectors do not fit together",
			   type->name);
		return DOCA_ERROR_BAD_CONFIG;
	}
	err = pci_type_share(type);
	if (err != DOCA_SUCCESS)
		return err;
	board_lock();
	err = pci_type_may_register(type);
	if (err == DOCA_SUCCESS)
		LIST_INSERT_HEAD(&started_types, type, started_link);
	board_unlock();
	if (err != DOCA_SUCCESS) {
		pci_type_unshare(type);
		return err;
	}
	type->started = true;
	dev_get(type->dev);
	return DOCA_SUCCESS;
}

/* Device objects of it exist, or open representors. Board lock held. */
static bool pci_type_is_used(const struct doca_devemu_pci_type *type)
{
	char key[FUNCTION_TYPE_LEN];
	unsigned int i;

	pci_type_key(type, key);
	for (i = 0; i < DEV_MAX_PORTS; i++) {
		const struct function *fn = type->dev->info->port[i];

		if (fn && fn->rep_opens && !strcmp(fn->type, key))
			return true;
	}
	return type->nr_devs != 0;
}

doca_error_t doca_devemu_pci_type_stop(struct doca_devemu_pci_type *type)
{
	bool used;

	if (!type)
		return DOCA_ERROR_INVALID_VALUE;
	if (type->is_default)
		return DOCA_ERROR_NOT_PERMITTED;
	if (!type->started)
		return DOCA_ERROR_BAD_STATE;
	board_lock();
	used = pci_type_is_used(type);
	if (!used)
		LIST_REMOVE(type, started_link);
	board_unlock();
	if (used)
		return DOCA_ERROR_IN_USE;
	pci_type_unshare(type);
	type->started = false;
	dev_put(type->dev);
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_pci_type_is_started(const struct doca_devemu_pci_type *type,
					     uint8_t *started)
{
	if (!type || !started)
		return DOCA_ERROR_INVALID_VALUE;
	*started = type->started;
	return DOCA_SUCCESS;
}

/* ---- device, functions ---- */

doca_error_t doca_devemu_pci_type_get_dev(const struct doca_devemu_pci_type *type,
					  struct doca_dev **dev)
{
	if (!type || !dev)
		return DOCA_ERROR_INVALID_VALUE;
	*dev = type->dev;
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_pci_type_set_dev(struct doca_devemu_pci_type *type, struct doca_dev *dev)
{
	if (!type || !dev)
		return DOCA_ERROR_INVALID_VALUE;
	if (type->is_default)
		return DOCA_ERROR_NOT_PERMITTED;
	if (type->started)
		return DOCA_ERROR_BAD_STATE;
	type->dev = dev;
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_pci_type_create_rep_list(struct doca_devemu_pci_type *type,
						  struct doca_devinfo_rep ***dev_list_rep,
						  uint32_t *nb_devs_rep)
{
	char key[FUNCTION_TYPE_LEN];

	if (!type || !dev_list_rep || !nb_devs_rep)
		return DOCA_ERROR_INVALID_VALUE;
	if (!type->started)
		return DOCA_ERROR_BAD_STATE;
	pci_type_key(type, key);
	return dev_rep_list_create(type->dev->info, key, dev_list_rep, nb_devs_rep);
}

doca_error_t doca_devemu_pci_type_rep_list_create(struct doca_devemu_pci_type *type,
						  struct doca_devinfo_rep ***dev_list_rep,
						  uint32_t *nb_devs_rep)
{
	return doca_devemu_pci_type_create_rep_list(type, dev_list_rep, nb_devs_rep);
}

doca_error_t doca_devemu_pci_cap_type_is_mgmt_supported(const struct doca_devinfo *devinfo,
							const struct doca_devemu_pci_type *type,
							uint8_t *supported)
{
	if (!devinfo || !type || !supported)
		return DOCA_ERROR_INVALID_VALUE;
	*supported = type->dev && type->dev->info == devinfo &&
		     (!type->is_default || devinfo->vfs_enabled);
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_pci_cap_type_is_bar_mem_type_supported(
	const struct doca_devinfo *devinfo, enum doca_devemu_pci_bar_mem_type memory_type,
	uint8_t *supported)
{
	if (!devinfo || !supported ||
	    (unsigned int)memory_type > DOCA_DEVEMU_PCI_BAR_MEM_TYPE_64_BIT)
		return DOCA_ERROR_INVALID_VALUE;
	*supported = memory_type != DOCA_DEVEMU_PCI_BAR_MEM_TYPE_1_MB;
	return DOCA_SUCCESS;
}

/* ---- identity ---- */

doca_error_t doca_devemu_pci_type_get_name(const struct doca_devemu_pci_type *type,
					   char (*name)[DOCA_DEVEMU_PCI_TYPE_NAME_LEN])
{
	if (!type || !name)
		return DOCA_ERROR_INVALID_VALUE;
	memcpy(*name, type->name, sizeof(type->name));
	return DOCA_SUCCESS;
}

#define PCI_TYPE_ID(name, ctype, field, valid) \
	doca_error_t doca_devemu_pci_type_get_##name(const struct doca_devemu_pci_type *type, \
						     ctype *value) \
	{ \
		if (!type || !value) \
			return DOCA_ERROR_INVALID_VALUE; \
		*value = type->ids.field; \
		return DOCA_SUCCESS; \
	} \
	doca_error_t doca_devemu_pci_type_set_##name(struct doca_devemu_pci_type *type, \
						     ctype value) \
	{ \
		if (!type || !(valid)) \
			return DOCA_ERROR_INVALID_VALUE; \
		if (type->started) \
			return DOCA_ERROR_BAD_STATE; \
		type->ids.field = value; \
		return DOCA_SUCCESS; \
	}

PCI_TYPE_ID(device_id, uint16_t, device_id, true)
PCI_TYPE_ID(vendor_id, uint16_t, vendor_id, true)
PCI_TYPE_ID(subsystem_id, uint16_t, subsystem_id, true)
PCI_TYPE_ID(subsystem_vendor_id, uint16_t, subsystem_vendor_id, true)
PCI_TYPE_ID(revision_id, uint8_t, revision_id, true)
PCI_TYPE_ID(class_code, uint32_t, class_code, value <= 0xffffff)
PCI_TYPE_ID(num_msix, uint16_t, num_msix, value <= PCI_NUM_MSIX_MAX)

/* Virtio devices have doorbells of their own, one per queue. */
doca_error_t doca_devemu_pci_type_get_num_db(const struct doca_devemu_pci_type *type,
					     uint16_t *num_db)
{
	if (!type || !num_db)
		return DOCA_ERROR_INVALID_VALUE;
	if (type->is_default)
		return DOCA_ERROR_NOT_PERMITTED;
	*num_db = type->num_db;
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_pci_type_set_num_db(struct doca_devemu_pci_type *type, uint16_t num_db)
{
	if (!type || num_db > PCI_NUM_DB_MAX)
		return DOCA_ERROR_INVALID_VALUE;
	if (type->is_default)
		return DOCA_ERROR_NOT_PERMITTED;
	if (type->started)
		return DOCA_ERROR_BAD_STATE;
	type->num_db = num_db;
	return DOCA_SUCCESS;
}

/* ---- layout ---- */

static doca_error_t pci_type_may_lay_out(const struct doca_devemu_pci_type *type, uint8_t id)
{
	if (!type || id >= PCI_NUM_BARS)
		return DOCA_ERROR_INVALID_VALUE;
	return type->started ? DOCA_ERROR_BAD_STATE : DOCA_SUCCESS;
}

doca_error_t doca_devemu_pci_type_set_memory_bar_conf(
	struct doca_devemu_pci_type *type, uint8_t id, uint8_t log_sz,
	enum doca_devemu_pci_bar_mem_type memory_type, uint8_t prefetchable)
{
	doca_error_t err = pci_type_may_lay_out(type, id);

	if (err != DOCA_SUCCESS)
		return err;
	if ((unsigned int)memory_type > DOCA_DEVEMU_PCI_BAR_MEM_TYPE_64_BIT ||
	    (log_sz && (log_sz < PCI_BAR_LOG_MIN || log_sz > PCI_BAR_LOG_MAX)))
		return DOCA_ERROR_INVALID_VALUE;
	if (log_sz && memory_type == DOCA_DEVEMU_PCI_BAR_MEM_TYPE_1_MB)
		return DOCA_ERROR_NOT_SUPPORTED;
	type->bar[id].configured = true;
	type->bar[id].is_io = false;
	type->bar[id].log_size = log_sz;
	type->bar[id].mem_type = memory_type;
	type->bar[id].prefetchable = prefetchable;
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_pci_type_set_io_bar_conf(struct doca_devemu_pci_type *type, uint8_t id,
						  uint8_t log_sz)
{
	doca_error_t err = pci_type_may_lay_out(type, id);

	if (err != DOCA_SUCCESS)
		return err;
	if (log_sz > PCI_BAR_LOG_MAX || (log_sz && log_sz < PCI_IO_LOG_MIN))
		return DOCA_ERROR_INVALID_VALUE;
	type->bar[id].configured = true;
	type->bar[id].is_io = true;
	type->bar[id].log_size = log_sz;
	return DOCA_SUCCESS;
}

/* By kind: most blocks of a region, most regions of a BAR. Both sorts of doorbells are one kind. */
static const struct {
	enum pci_region_kind counted_with;
	uint32_t max_blocks, max_regions;
} region_limits[] = {
	[PCI_REGION_DB_BY_OFFSET] = {PCI_REGION_DB_BY_DATA, PCI_DB_MAX_BLOCKS, PCI_BAR_MAX_OF_KIND},
	[PCI_REGION_DB_BY_DATA] = {PCI_REGION_DB_BY_DATA, PCI_DB_MAX_BLOCKS, PCI_BAR_MAX_OF_KIND},
	[PCI_REGION_MSIX_TABLE] = {PCI_REGION_MSIX_TABLE, PCI_MSIX_MAX_BLOCKS, 1},
	[PCI_REGION_MSIX_PBA] = {PCI_REGION_MSIX_PBA, PCI_MSIX_MAX_BLOCKS, 1},
	[PCI_REGION_STATEFUL] = {PCI_REGION_STATEFUL, PCI_STATEFUL_MAX_BLOCKS, PCI_BAR_MAX_OF_KIND},
};

static unsigned int pci_bar_count_kind(const struct pci_bar *bar, enum pci_region_kind kind)
{
	unsigned int i, cnt = 0;

	for (i = 0; i < bar->nr_regions; i++)
		cnt += region_limits[bar->region[i].kind].counted_with == kind;
	return cnt;
}

static doca_error_t pci_type_add_region(struct doca_devemu_pci_type *type, uint8_t id,
					enum pci_region_kind kind, uint64_t start, uint64_t size,
					uint64_t how)
{
	doca_error_t err = pci_type_may_lay_out(type, id);
	struct pci_bar *bar;

	if (err != DOCA_SUCCESS)
		return err;
	bar = &type->bar[id];
	if (!size || start + size < start || (start | size) % PCI_REGION_BLOCK ||
	    size / PCI_REGION_BLOCK > region_limits[kind].max_blocks)
		return DOCA_ERROR_INVALID_VALUE;
	if (pci_bar_count_kind(bar, region_limits[kind].counted_with) ==
	    region_limits[kind].max_regions)
		return DOCA_ERROR_FULL;
	bar->region[bar->nr_regions++] =
		(struct pci_region){ .kind = kind, .start = start, .size = size, .how = how };
	return DOCA_SUCCESS;
}

static bool db_size_valid(uint8_t log_size)
{
	return log_size >= PCI_DB_LOG_SIZE_MIN && log_size <= PCI_DB_LOG_SIZE_MAX;
}

doca_error_t doca_devemu_pci_type_set_bar_db_region_by_offset_conf(
	struct doca_devemu_pci_type *type, uint8_t id, uint64_t start_addr, uint64_t size,
	uint8_t log_db_size, uint8_t log_stride_size)
{
	if (!db_size_valid(log_db_size) || log_stride_size < PCI_DB_LOG_STRIDE_MIN ||
	    log_stride_size > PCI_DB_LOG_STRIDE_MAX)
		return DOCA_ERROR_INVALID_VALUE;
	return pci_type_add_region(type, id, PCI_REGION_DB_BY_OFFSET, start_addr, size,
				   log_db_size | (uint64_t)log_stride_size << 8);
}

doca_error_t doca_devemu_pci_type_set_bar_db_region_by_data_conf(
	struct doca_devemu_pci_type *type, uint8_t id, uint64_t start_addr, uint64_t size,
	uint8_t log_db_size, uint16_t db_id_msbyte, uint16_t db_id_lsbyte)
{
	if (!db_size_valid(log_db_size) || db_id_msbyte >= 1u << log_db_size ||
	    db_id_lsbyte >= 1u << log_db_size)
		return DOCA_ERROR_INVALID_VALUE;
	return pci_type_add_region(type, id, PCI_REGION_DB_BY_DATA, start_addr, size,
				   log_db_size | (uint64_t)db_id_msbyte << 16 |
					   (uint64_t)db_id_lsbyte << 32);
}

doca_error_t doca_devemu_pci_type_set_bar_msix_table_region_conf(struct doca_devemu_pci_type *type,
								 uint8_t id, uint64_t start_addr,
								 uint64_t size)
{
	return pci_type_add_region(type, id, PCI_REGION_MSIX_TABLE, start_addr, size, 0);
}

doca_error_t doca_devemu_pci_type_set_bar_msix_pba_region_conf(struct doca_devemu_pci_type *type,
							       uint8_t id, uint64_t start_addr,
							       uint64_t size)
{
	return pci_type_add_region(type, id, PCI_REGION_MSIX_PBA, start_addr, size, 0);
}

doca_error_t doca_devemu_pci_type_set_bar_stateful_region_conf(struct doca_devemu_pci_type *type,
							       uint8_t id, uint64_t start_addr,
							       uint64_t size)
{
	return pci_type_add_region(type, id, PCI_REGION_STATEFUL, start_addr, size, 0);
}
