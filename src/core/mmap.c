/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory ranges. An mmap is configured while stopped and describes one range for life; it does not
 * map anything itself, since devices of this library are the same process.
 *
 * The number of bufs on the range is atomic, so that bufs on one mmap may be used by several
 * threads; doca_mmap_enable_thread_safety() drops the counting, and with it the check at stop.
 */
#include <stdlib.h>

#include "core/api.h"
#include "core/mmap.h"
#include "doca_dev.h"

#define MMAP_MAX_DEVICES_DEFAULT 64
#define MMAP_PERMISSIONS                                                                        \
	(DOCA_ACCESS_FLAG_LOCAL_READ_WRITE | DOCA_ACCESS_FLAG_RDMA_READ |                        \
	 DOCA_ACCESS_FLAG_RDMA_WRITE | DOCA_ACCESS_FLAG_RDMA_ATOMIC |                            \
	 DOCA_ACCESS_FLAG_PCI_READ_ONLY | DOCA_ACCESS_FLAG_PCI_READ_WRITE |                      \
	 DOCA_ACCESS_FLAG_PCI_RELAXED_ORDERING)

struct doca_mmap {
	/* configuration, const while started */
	char *addr; /* NULL: not set */
	size_t len;
	uint32_t permissions;
	uint32_t max_devs;
	uint32_t nr_devs;
	struct doca_dev **devs;
	doca_mmap_memrange_free_cb_t *free_cb;
	void *free_cookie;
	union doca_data user_data;
	bool uncounted;
	struct mmap_host *host; /* const; NULL: addresses are this process's */
	/* state, configuring thread */
	bool started;
	bool ever_started;
	/* any thread, atomic */
	uint32_t nr_bufs;
};

static uint32_t buf_count(const struct doca_mmap *mmap)
{
	return __atomic_load_n(&mmap->nr_bufs, __ATOMIC_ACQUIRE);
}

bool mmap_is_started(const struct doca_mmap *mmap)
{
	return mmap->started;
}

bool mmap_contains(const struct doca_mmap *mmap, const void *addr, size_t len)
{
	uintptr_t base = (uintptr_t)mmap->addr, start = (uintptr_t)addr;

	return start >= base && len <= mmap->len && start - base <= mmap->len - len;
}

bool mmap_is_writable(const struct doca_mmap *mmap)
{
	return mmap->permissions & DOCA_ACCESS_FLAG_LOCAL_READ_WRITE;
}

void mmap_buf_added(struct doca_mmap *mmap, unsigned int cnt)
{
	if (!mmap->uncounted)
		__atomic_fetch_add(&mmap->nr_bufs, cnt, __ATOMIC_RELAXED);
}

void mmap_buf_removed(struct doca_mmap *mmap, unsigned int cnt)
{
	/* Release: the last use of the memory precedes a stop that sees the count at zero. */
	if (!mmap->uncounted)
		__atomic_fetch_sub(&mmap->nr_bufs, cnt, __ATOMIC_RELEASE);
}

doca_error_t doca_mmap_create(struct doca_mmap **ret_mmap)
{
	struct doca_mmap *mmap;

	if (!ret_mmap)
		return DOCA_ERROR_INVALID_VALUE;
	mmap = calloc(1, sizeof(*mmap));
	if (!mmap)
		return DOCA_ERROR_NO_MEMORY;
	mmap->permissions = DOCA_ACCESS_FLAG_LOCAL_READ_WRITE;
	mmap->max_devs = MMAP_MAX_DEVICES_DEFAULT;
	*ret_mmap = mmap;
	return DOCA_SUCCESS;
}

doca_error_t mmap_create_host(struct mmap_host *host, struct doca_mmap **ret_mmap)
{
	doca_error_t err = doca_mmap_create(ret_mmap);

	if (err == DOCA_SUCCESS)
		(*ret_mmap)->host = host;
	return err;
}

struct mmap_host *mmap_host_of(const struct doca_mmap *mmap)
{
	return mmap->host;
}

doca_error_t doca_mmap_destroy(struct doca_mmap *mmap)
{
	if (!mmap)
		return DOCA_ERROR_INVALID_VALUE;
	if (buf_count(mmap))
		return DOCA_ERROR_NOT_PERMITTED;
	if (mmap->ever_started && mmap->free_cb)
		mmap->free_cb(mmap->addr, mmap->len, mmap->free_cookie);
	if (mmap->host)
		mmap->host->ops->put(mmap->host);
	free(mmap->devs);
	free(mmap);
	return DOCA_SUCCESS;
}

doca_error_t doca_mmap_start(struct doca_mmap *mmap)
{
	if (!mmap || !mmap->addr)
		return DOCA_ERROR_INVALID_VALUE;
	if (mmap->started)
		return DOCA_ERROR_BAD_STATE;
	mmap->started = true;
	mmap->ever_started = true;
	return DOCA_SUCCESS;
}

doca_error_t doca_mmap_stop(struct doca_mmap *mmap)
{
	if (!mmap)
		return DOCA_ERROR_INVALID_VALUE;
	if (!mmap->started)
		return DOCA_ERROR_BAD_STATE;
	if (buf_count(mmap))
		return DOCA_ERROR_NOT_PERMITTED;
	mmap->started = false;
	return DOCA_SUCCESS;
}

static uint32_t find_dev(const struct doca_mmap *mmap, const struct doca_dev *dev)
{
	uint32_t i;

	for (i = 0; i < mmap->nr_devs && mmap->devs[i] != dev; i++)
		;
	return i;
}

doca_error_t doca_mmap_add_dev(struct doca_mmap *mmap, struct doca_dev *dev)
{
	struct doca_dev **devs;

	if (!mmap || !dev)
		return DOCA_ERROR_INVALID_VALUE;
	if (mmap->started)
		return DOCA_ERROR_NOT_PERMITTED;
	if (find_dev(mmap, dev) < mmap->nr_devs)
		return DOCA_ERROR_ALREADY_EXIST;
	if (mmap->nr_devs == mmap->max_devs)
		return DOCA_ERROR_NO_MEMORY;
	devs = reallocarray(mmap->devs, mmap->nr_devs + 1, sizeof(struct doca_dev *));
	if (!devs)
		return DOCA_ERROR_NO_MEMORY;
	mmap->devs = devs;
	mmap->devs[mmap->nr_devs++] = dev;
	return DOCA_SUCCESS;
}

doca_error_t doca_mmap_rm_dev(struct doca_mmap *mmap, struct doca_dev *dev)
{
	uint32_t i;

	if (!mmap || !dev)
		return DOCA_ERROR_INVALID_VALUE;
	if (mmap->started)
		return DOCA_ERROR_NOT_PERMITTED;
	i = find_dev(mmap, dev);
	if (i == mmap->nr_devs)
		return DOCA_ERROR_NOT_FOUND;
	mmap->devs[i] = mmap->devs[--mmap->nr_devs];
	return DOCA_SUCCESS;
}

doca_error_t doca_mmap_set_memrange(struct doca_mmap *mmap, void *addr, size_t len)
{
	if (!mmap || !addr || !len || (uintptr_t)addr + len < (uintptr_t)addr)
		return DOCA_ERROR_INVALID_VALUE;
	if (mmap->addr)
		return DOCA_ERROR_NOT_PERMITTED;
	mmap->addr = addr;
	mmap->len = len;
	return DOCA_SUCCESS;
}

doca_error_t doca_mmap_get_memrange(const struct doca_mmap *mmap, void **addr, size_t *len)
{
	if (!mmap || !addr || !len)
		return DOCA_ERROR_INVALID_VALUE;
	if (!mmap->addr)
		return DOCA_ERROR_BAD_STATE;
	*addr = mmap->addr;
	*len = mmap->len;
	return DOCA_SUCCESS;
}

doca_error_t doca_mmap_set_free_cb(struct doca_mmap *mmap, doca_mmap_memrange_free_cb_t *free_cb,
				   void *opaque)
{
	if (!mmap)
		return DOCA_ERROR_INVALID_VALUE;
	if (mmap->started)
		return DOCA_ERROR_BAD_STATE;
	mmap->free_cb = free_cb;
	mmap->free_cookie = opaque;
	return DOCA_SUCCESS;
}

doca_error_t doca_mmap_set_permissions(struct doca_mmap *mmap, uint32_t access_mask)
{
	uint32_t pci = DOCA_ACCESS_FLAG_PCI_READ_ONLY | DOCA_ACCESS_FLAG_PCI_READ_WRITE;

	if (!mmap || access_mask & ~(uint32_t)MMAP_PERMISSIONS || (access_mask & pci) == pci)
		return DOCA_ERROR_INVALID_VALUE;
	if (mmap->started)
		return DOCA_ERROR_BAD_STATE;
	mmap->permissions = access_mask;
	return DOCA_SUCCESS;
}

doca_error_t doca_mmap_set_max_num_devices(struct doca_mmap *mmap, uint32_t max_num_devices)
{
	if (!mmap || !max_num_devices || max_num_devices < mmap->nr_devs)
		return DOCA_ERROR_INVALID_VALUE;
	if (mmap->ever_started)
		return DOCA_ERROR_NOT_PERMITTED;
	mmap->max_devs = max_num_devices;
	return DOCA_SUCCESS;
}

API_GETTER(doca_mmap_get_max_num_devices, const struct doca_mmap, uint32_t, o->max_devs)

doca_error_t doca_mmap_set_user_data(struct doca_mmap *mmap, union doca_data user_data)
{
	if (!mmap)
		return DOCA_ERROR_INVALID_VALUE;
	if (mmap->started)
		return DOCA_ERROR_BAD_STATE;
	mmap->user_data = user_data;
	return DOCA_SUCCESS;
}

API_GETTER(doca_mmap_get_user_data, const struct doca_mmap, union doca_data, o->user_data)
API_GETTER(doca_mmap_get_num_bufs, const struct doca_mmap, uint32_t, buf_count(o))

doca_error_t doca_mmap_enable_thread_safety(struct doca_mmap *mmap)
{
	if (!mmap)
		return DOCA_ERROR_INVALID_VALUE;
	if (mmap->started || buf_count(mmap))
		return DOCA_ERROR_NOT_PERMITTED;
	mmap->uncounted = true;
	return DOCA_SUCCESS;
}

/* Sharing with other processes and accelerators: not offered, and the capabilities say so. */

API_GETTER(doca_mmap_get_exported, const struct doca_mmap, uint8_t, 0)

doca_error_t doca_mmap_get_from_export(const struct doca_mmap *mmap, uint8_t *from_export)
{
	return doca_mmap_get_exported(mmap, from_export);
}

API_GETTER(doca_mmap_cap_is_export_pci_supported, const struct doca_devinfo, uint8_t, 0)

doca_error_t doca_mmap_cap_is_create_from_export_pci_supported(const struct doca_devinfo *devinfo,
							       uint8_t *from_export)
{
	return doca_mmap_cap_is_export_pci_supported(devinfo, from_export);
}

doca_error_t doca_mmap_export_pci(struct doca_mmap *mmap, const struct doca_dev *dev,
				  const void **export_desc, size_t *export_desc_len)
{
	return mmap && dev && export_desc && export_desc_len ? DOCA_ERROR_NOT_SUPPORTED :
							       DOCA_ERROR_INVALID_VALUE;
}

doca_error_t doca_mmap_export_rdma(struct doca_mmap *mmap, const struct doca_dev *dev,
				   const void **export_desc, size_t *export_desc_len)
{
	return doca_mmap_export_pci(mmap, dev, export_desc, export_desc_len);
}

doca_error_t doca_mmap_create_from_export(const union doca_data *user_data, const void *export_desc,
					  size_t export_desc_len, struct doca_dev *dev,
					  struct doca_mmap **mmap)
{
	return export_desc && export_desc_len && dev && mmap ? DOCA_ERROR_NOT_SUPPORTED :
							       DOCA_ERROR_INVALID_VALUE;
}

doca_error_t doca_mmap_dev_get_dpa_handle(struct doca_mmap *mmap, const struct doca_dev *dev,
					  doca_dpa_dev_mmap_t *dpa_mmap_handle)
{
	return mmap && dev && dpa_mmap_handle ? DOCA_ERROR_NOT_SUPPORTED :
						DOCA_ERROR_INVALID_VALUE;
}

doca_error_t doca_mmap_set_dmabuf_memrange(struct doca_mmap *mmap, int dmabuf_fd, void *addr,
					   size_t dmabuf_offset, size_t len)
{
	return mmap ? DOCA_ERROR_NOT_SUPPORTED : DOCA_ERROR_INVALID_VALUE;
}

doca_error_t doca_mmap_set_dpa_memrange(struct doca_mmap *mmap, struct doca_dpa *dpa,
					uint64_t dpa_addr, size_t len)
{
	return mmap ? DOCA_ERROR_NOT_SUPPORTED : DOCA_ERROR_INVALID_VALUE;
}
