/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One range of memory made known to devices. Configured while stopped, then started; buffers
 * describe pieces of it. Configure it from one thread; a started mmap may be read from several.
 */
#ifndef DOCA_MMAP_H
#define DOCA_MMAP_H

#include <stddef.h>
#include <stdint.h>

#include "doca_compat.h"
#include "doca_error.h"
#include "doca_types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct doca_mmap;
struct doca_dev;
struct doca_devinfo;
struct doca_dpa;

typedef uint32_t doca_dpa_dev_mmap_t;

/* Gets the range of a destroyed mmap and the cookie set with the callback. A function type. */
typedef void doca_mmap_memrange_free_cb_t(void *addr, size_t len, void *cookie);

/*
 * Creates an mmap: empty, stopped, read and write allowed. Destroying stops it, and calls the free
 * callback if it was ever started. NOT_PERMITTED: buffers refer to it.
 */
DOCA_STABLE doca_error_t doca_mmap_create(struct doca_mmap **mmap);
DOCA_STABLE doca_error_t doca_mmap_destroy(struct doca_mmap *mmap);

/*
 * Start makes the range usable and freezes the configuration; stop makes it changeable again.
 * INVALID_VALUE: no range. NOT_PERMITTED: imported or exported, or (stop) buffers refer to it.
 */
DOCA_STABLE doca_error_t doca_mmap_start(struct doca_mmap *mmap);
DOCA_STABLE doca_error_t doca_mmap_stop(struct doca_mmap *mmap);

/*
 * The range, set once while stopped; the memory stays the caller's. NOT_PERMITTED: it is set.
 * INVALID_VALUE: it wraps around. Reading: BAD_STATE when there is none.
 */
DOCA_STABLE doca_error_t doca_mmap_set_memrange(struct doca_mmap *mmap, void *addr, size_t len);
DOCA_STABLE doca_error_t doca_mmap_get_memrange(const struct doca_mmap *mmap, void **addr,
		size_t *len);

/* Bits of enum doca_access_flag. INVALID_VALUE: others. BAD_STATE: started. */
DOCA_STABLE doca_error_t doca_mmap_set_permissions(struct doca_mmap *mmap, uint32_t access_mask);

/*
 * Devices that use the range; while stopped, NOT_PERMITTED otherwise. NO_MEMORY: more than the
 * limit. ALREADY_EXIST, NOT_FOUND.
 */
DOCA_STABLE doca_error_t doca_mmap_add_dev(struct doca_mmap *mmap, struct doca_dev *dev);
DOCA_STABLE doca_error_t doca_mmap_rm_dev(struct doca_mmap *mmap, struct doca_dev *dev);

/* That limit. To be set before the first start: NOT_PERMITTED later. */
DOCA_STABLE doca_error_t doca_mmap_set_max_num_devices(struct doca_mmap *mmap,
		uint32_t max_num_devices);
DOCA_STABLE doca_error_t doca_mmap_get_max_num_devices(const struct doca_mmap *mmap,
		uint32_t *max_num_devices);

/* BAD_STATE: started. */
DOCA_STABLE doca_error_t doca_mmap_set_free_cb(struct doca_mmap *mmap,
		doca_mmap_memrange_free_cb_t *free_cb, void *opaque);
DOCA_STABLE doca_error_t doca_mmap_set_user_data(struct doca_mmap *mmap, union doca_data user_data);

DOCA_STABLE doca_error_t doca_mmap_get_user_data(const struct doca_mmap *mmap,
		union doca_data *user_data);

/* Buffers that refer to the range now. */
DOCA_STABLE doca_error_t doca_mmap_get_num_bufs(const struct doca_mmap *mmap, uint32_t *num_bufs);

/*
 * Allows buffers of the range to be taken and released by several threads, and stops counting them.
 * NOT_PERMITTED: started, or buffers refer to it.
 */
DOCA_STABLE doca_error_t doca_mmap_enable_thread_safety(struct doca_mmap *mmap);

/* 1 when the range was exported, or came from an export; both 0 here. */
DOCA_STABLE doca_error_t doca_mmap_get_exported(const struct doca_mmap *mmap, uint8_t *exported);
DOCA_STABLE doca_error_t doca_mmap_get_from_export(const struct doca_mmap *mmap,
		uint8_t *from_export);

/* 0: ranges can not be shared with a PCI peer. */
DOCA_STABLE doca_error_t doca_mmap_cap_is_export_pci_supported(const struct doca_devinfo *devinfo,
		uint8_t *mmap_export);
DOCA_STABLE doca_error_t doca_mmap_cap_is_create_from_export_pci_supported(
		const struct doca_devinfo *devinfo, uint8_t *from_export);

/* NOT_SUPPORTED: export, import, and memory of other kinds. */
DOCA_STABLE doca_error_t doca_mmap_export_pci(struct doca_mmap *mmap, const struct doca_dev *dev,
		const void **export_desc, size_t *export_desc_len);
DOCA_STABLE doca_error_t doca_mmap_export_rdma(struct doca_mmap *mmap, const struct doca_dev *dev,
		const void **export_desc, size_t *export_desc_len);
DOCA_STABLE doca_error_t doca_mmap_create_from_export(const union doca_data *user_data,
		const void *export_desc, size_t export_desc_len, struct doca_dev *dev,
		struct doca_mmap **mmap);
DOCA_STABLE doca_error_t doca_mmap_set_dmabuf_memrange(struct doca_mmap *mmap, int dmabuf_fd,
		void *addr, size_t dmabuf_offset, size_t len);
DOCA_STABLE doca_error_t doca_mmap_set_dpa_memrange(struct doca_mmap *mmap, struct doca_dpa *dpa,
		uint64_t dpa_addr, size_t len);
DOCA_STABLE doca_error_t doca_mmap_dev_get_dpa_handle(struct doca_mmap *mmap,
		const struct doca_dev *dev, doca_dpa_dev_mmap_t *dpa_mmap_handle);

#ifdef __cplusplus
}
#endif

#endif
