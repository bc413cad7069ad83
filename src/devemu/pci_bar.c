/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which region of a BAR an access belongs to. A virtio function has its registers in the first BAR
 * and MSI-X in one of its own; one of the application's type has what the type says.
 */
#include <string.h>

#include "devemu/pci_int.h"

#define PAGE 4096u
#define MSIX_BAR 2
#define VIRTIO_BAR_FLAGS (PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH)

static const struct {
	void (*read)(struct pci_func *func, uint64_t offset, uint8_t *dst, size_t len);
	void (*write)(struct pci_func *func, uint64_t offset, const uint8_t *src, size_t len);
} region_ops[] = {
	[PCI_REGION_MSIX_TABLE] = {pci_msix_table_read, pci_msix_table_write},
	[PCI_REGION_MSIX_PBA] = {pci_msix_pba_read, NULL},
	[PCI_REGION_VIRTIO_COMMON] = {pci_common_read, pci_common_write},
	[PCI_REGION_VIRTIO_ISR] = {pci_isr_read, NULL},
	[PCI_REGION_VIRTIO_DEVICE] = {pci_device_read, NULL},
	[PCI_REGION_VIRTIO_NOTIFY] = {pci_notify_read, pci_notify_write},
};

/* ---- layout ---- */

static void bar_add(struct func_bar *bar, enum pci_region_kind kind, uint64_t start, uint64_t size)
{
	bar->region[bar->nr_regions++] =
		(struct func_region){.kind = kind, .start = start, .size = size};
}

static void bar_lay_out_virtio(struct pci_func *func)
{
	struct func_bar *bar = &func->bar[0], *msix = &func->bar[MSIX_BAR];
	uint64_t table = func->nr_vectors * (uint64_t)PCI_MSIX_ENTRY;
	uint64_t pba = ALIGN_UP(table, (uint64_t)PAGE);

	bar->size = 4 * PAGE;
	bar->flags = VIRTIO_BAR_FLAGS;
	bar_add(bar, PCI_REGION_VIRTIO_COMMON, 0, PCI_COMMON_SIZE);
	bar_add(bar, PCI_REGION_VIRTIO_ISR, PAGE, PAGE);
	bar_add(bar, PCI_REGION_VIRTIO_DEVICE, 2 * PAGE, PAGE);
	bar_add(bar, PCI_REGION_VIRTIO_NOTIFY, 3 * PAGE, PAGE);
	if (!func->nr_vectors)
		return;
	for (msix->size = 2 * PAGE; msix->size < pba + PAGE; msix->size *= 2)
		;
	msix->flags = VIRTIO_BAR_FLAGS;
	bar_add(msix, PCI_REGION_MSIX_TABLE, 0, table);
	bar_add(msix, PCI_REGION_MSIX_PBA, pba, ALIGN_UP(func->nr_vectors, 64u) / 8);
}

static void bar_lay_out_type(struct pci_func *func, unsigned int i)
{
	const struct pci_bar *from = &func->pci->type->bar[i];
	struct func_bar *bar = &func->bar[i];
	unsigned int r;

	if (from->configured && from->log_size)
		bar->size = 1ull << from->log_size;
	bar->flags = from->is_io ? PCI_BASE_ADDRESS_SPACE_IO : (uint32_t)from->mem_type << 1;
	if (from->prefetchable && !from->is_io)
		bar->flags |= PCI_BASE_ADDRESS_MEM_PREFETCH;
	for (r = 0; r < from->nr_regions; r++) {
		const struct pci_region *region = &from->region[r];

		bar_add(bar, region->kind, region->start, region->size);
		bar->region[r].window = pci_window_find(func->pci, i, region->start);
	}
}

void pci_bar_init(struct pci_func *func)
{
	unsigned int i;

	if (func->vdev)
		bar_lay_out_virtio(func);
	for (i = 0; i < PCI_NUM_BARS && !func->vdev; i++)
		bar_lay_out_type(func, i);
}

const struct func_region *pci_bar_find(const struct pci_func *func, enum pci_region_kind kind,
				       unsigned int *ret_bar)
{
	unsigned int i, r;

	for (i = 0; i < PCI_NUM_BARS; i++) {
		for (r = 0; r < func->bar[i].nr_regions; r++) {
			if (func->bar[i].region[r].kind != kind)
				continue;
			*ret_bar = i;
			return &func->bar[i].region[r];
		}
	}
	return NULL;
}

/* ---- accesses ---- */

/* The part of [offset, offset+len) that lies in the region: its length, 0 if there is none. */
static size_t region_clip(const struct func_region *r, uint64_t offset, size_t len,
			  uint64_t *ret_at, size_t *ret_skip)
{
	uint64_t start = max(offset, r->start), end = min(offset + len, r->start + r->size);

	if (start >= end)
		return 0;
	*ret_at = start - r->start;
	*ret_skip = (size_t)(start - offset);
	return (size_t)(end - start);
}

void pci_bar_read(struct pci_func *func, unsigned int index, uint64_t offset, uint8_t *dst,
		  size_t len)
{
	const struct func_bar *bar = &func->bar[index];
	unsigned int i;

	memset(dst, 0, len);
	for (i = 0; i < bar->nr_regions; i++) {
		const struct func_region *r = &bar->region[i];
		size_t skip, now;
		uint64_t at;

		now = region_clip(r, offset, len, &at, &skip);
		if (!now)
			continue;
		if (r->window)
			pci_window_host_read(r->window, at, dst + skip, now);
		else
			region_ops[r->kind].read(func, at, dst + skip, now);
	}
}

void pci_bar_write(struct pci_func *func, unsigned int index, uint64_t offset, const uint8_t *src,
		   size_t len)
{
	const struct func_bar *bar = &func->bar[index];
	unsigned int i;

	func->touched = true;
	for (i = 0; i < bar->nr_regions; i++) {
		const struct func_region *r = &bar->region[i];
		size_t skip, now;
		uint64_t at;

		now = region_clip(r, offset, len, &at, &skip);
		if (!now)
			continue;
		if (r->window)
			pci_window_host_write(func->pci, r->window, at, src + skip, now);
		else if (region_ops[r->kind].write)
			region_ops[r->kind].write(func, at, src + skip, now);
	}
}
