/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PCIe function as its transport sees it: life, accesses by region, resets. What is behind the
 * registers is in the files pci_int.h names.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdlib.h>

#include "devemu/pci_int.h"

/* ---- life ---- */

static int func_init(struct pci_func *func)
{
	int rc;

	pci_bar_init(func);
	rc = pci_msix_init(func);
	if (!rc)
		rc = pci_cfg_init(func);
	return rc;
}

int pci_func_create(struct doca_devemu_pci_dev *pci, const struct pci_func_ops *ops, void *port,
		    struct pci_func **ret_func)
{
	struct pci_func *func = calloc(1, sizeof(*func));
	int rc, rc_irq, rc_queue, rc_notify;

	if (!func)
		return -ENOMEM;
	func->pci = pci;
	func->vdev = pci->virtio;
	func->pe = pci->ctx.pe;
	func->ops = ops;
	func->port = port;
	func->nr_vectors = pci->ids.num_msix;
	rc = func_init(func);
	/* All of them in any case: what is half there is taken down as a whole. */
	rc_irq = pci_irq_init(func);
	rc_queue = pci_queue_init(func);
	rc_notify = pci_notify_init(func);
	rc = rc ? rc : rc_irq ? rc_irq : rc_queue ? rc_queue : rc_notify;
	if (rc) {
		pci_func_destroy(func);
		return rc;
	}
	if (func->vdev)
		pci_virtio_reset_regs(func);
	pci->func = func;
	*ret_func = func;
	return 0;
}

void pci_func_destroy(struct pci_func *func)
{
	if (!func)
		return;
	func->pci->func = NULL;
	pci_notify_fini(func);
	pci_queue_fini(func);
	pci_irq_fini(func);
	pci_msix_fini(func);
	free(func);
}

/* ---- regions ---- */

static uint64_t region_size(const struct pci_func *func, unsigned int index)
{
	if (index < PCI_NUM_BARS)
		return func->bar[index].size;
	return index == PCI_FUNC_REGION_CONFIG ? PCI_CFG_SIZE : 0;
}

void pci_func_region_info(const struct pci_func *func, unsigned int index,
			  struct pci_func_region *ret)
{
	const struct func_region *notify;
	unsigned int bar;

	*ret = (struct pci_func_region){.size = region_size(func, index), .fd = -1};
	ret->readable = ret->writable = ret->size != 0;
	notify = pci_bar_find(func, PCI_REGION_VIRTIO_NOTIFY, &bar);
	if (!func->notify_mem || bar != index)
		return;
	ret->fd = func->notify_fd;
	ret->nr_areas = 1;
	ret->area[0] = (struct pci_func_area){notify->start, notify->size};
}

static bool func_access_ok(const struct pci_func *func, unsigned int index, uint64_t offset,
			   size_t len)
{
	uint64_t size = region_size(func, index);

	return len <= size && offset <= size - len;
}

int pci_func_read(struct pci_func *func, unsigned int index, uint64_t offset, void *dst,
		  size_t len)
{
	if (!func_access_ok(func, index, offset, len))
		return -EINVAL;
	if (!len)
		return 0;
	if (index == PCI_FUNC_REGION_CONFIG)
		pci_cfg_read(func, offset, dst, len);
	else
		pci_bar_read(func, index, offset, dst, len);
	return 0;
}

int pci_func_write(struct pci_func *func, unsigned int index, uint64_t offset, const void *src,
		   size_t len)
{
	if (!func_access_ok(func, index, offset, len))
		return -EINVAL;
	if (!len)
		return 0;
	if (index == PCI_FUNC_REGION_CONFIG)
		pci_cfg_write(func, offset, src, len);
	else
		pci_bar_write(func, index, offset, src, len);
	return 0;
}

/* ---- the host ---- */

void pci_func_set_memory(struct pci_func *func, struct gmem *gm)
{
	pci_queue_set_memory(func, gm);
}

void pci_func_flr(struct pci_func *func)
{
	pci_cfg_reset(func);
	pci_irq_reset(func);
	pci_queue_reset_all(func, RESET_FLR);
}

/* A host resets a device before it uses it: where nothing was written, nobody needs to know. */
void pci_func_reset(struct pci_func *func)
{
	if (func->touched || (func->vdev && vdev_status(func->vdev))) {
		pci_func_flr(func);
		return;
	}
	pci_cfg_reset(func);
	pci_irq_reset(func);
	pci_queue_sync(func);
}

void pci_func_disconnected(struct pci_func *func)
{
	pci_cfg_reset(func);
	pci_irq_forget(func);
	pci_notify_forget(func);
	pci_queue_reset_all(func, RESET_GONE);
}

bool pci_func_is_settled(struct pci_func *func)
{
	func->awaited = !pci_queue_is_settled(func);
	return !func->awaited;
}

/* ---- the device ---- */

uint16_t pci_func_config_vector(const struct pci_func *func)
{
	return func->config_vector;
}

static void func_notify_driver(struct pci_func *func)
{
	if (!pci_queue_resetting(func) && vdev_status(func->vdev) & VIRTIO_CONFIG_S_DRIVER_OK)
		pci_irq_raise_config(func);
}

void pci_func_needs_reset(struct pci_func *func)
{
	func_notify_driver(func);
}

void pci_func_config_changed(struct pci_func *func)
{
	func_notify_driver(func);
}
