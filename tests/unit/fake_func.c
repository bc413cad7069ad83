/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_func.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

struct pci_func *fake_func;

static void func_asked(struct pci_func *func)
{
	func->unsettled = func->defer;
}

void fake_func_settle(void)
{
	fake_func->unsettled = false;
	if (!fake_func->awaited)
		return;
	fake_func->awaited = false;
	fake_func->ops->settled(fake_func->port);
}

int pci_func_create(struct doca_devemu_pci_dev *pci, const struct pci_func_ops *ops, void *port,
		    struct pci_func **ret_func)
{
	struct pci_func *func = calloc(1, sizeof(*func));

	if (!func)
		return -ENOMEM;
	func->ops = ops;
	func->port = port;
	func->fd = memfd_create("doorbells", MFD_CLOEXEC);
	for (int i = 0; i < 2; i++)
		func->doorbell[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	memset(func->irq, 0xff, sizeof(func->irq));
	fake_func = func;
	*ret_func = func;
	return 0;
}

static void func_forget(struct pci_func *func)
{
	for (int i = 0; i < PCI_FUNC_NR_IRQS; i++)
		for (int v = 0; v < FAKE_VECTORS; v++)
			pci_func_set_irq(func, (unsigned int)i, (unsigned int)v, -1);
	gm_put(func->gm);
	func->gm = NULL;
}

void pci_func_destroy(struct pci_func *func)
{
	if (!func)
		return;
	func_forget(func);
	close(func->fd);
	close(func->doorbell[0]);
	close(func->doorbell[1]);
	free(func);
	fake_func = NULL;
}

static uint8_t *func_memory(struct pci_func *func, unsigned int index, uint64_t *ret_size)
{
	*ret_size = index ? sizeof(func->config) : sizeof(func->bar);
	if (index == PCI_FUNC_REGION_BAR0)
		return func->bar;
	return index == PCI_FUNC_REGION_CONFIG ? func->config : NULL;
}

void pci_func_region_info(const struct pci_func *func, unsigned int index,
			  struct pci_func_region *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->fd = -1;
	if (index == PCI_FUNC_REGION_CONFIG)
		ret->size = sizeof(func->config);
	if (index == PCI_FUNC_REGION_BAR0) {
		ret->size = sizeof(func->bar);
		ret->fd = func->fd;
		ret->fd_offset = 0x10000;
		ret->nr_areas = 1;
		ret->area[0] = (struct pci_func_area){FAKE_DOORBELLS, 0x1000};
	}
	ret->readable = ret->writable = ret->size;
}

int pci_func_read(struct pci_func *func, unsigned int index, uint64_t offset, void *dst,
		  size_t len)
{
	uint64_t size;
	uint8_t *mem = func_memory(func, index, &size);

	if (!mem || len > size || offset > size - len)
		return -EINVAL;
	memcpy(dst, mem + offset, len);
	return 0;
}

int pci_func_write(struct pci_func *func, unsigned int index, uint64_t offset, const void *src,
		   size_t len)
{
	uint64_t size;
	uint8_t *mem = func_memory(func, index, &size);

	if (!mem || len > size || offset > size - len)
		return -EINVAL;
	memcpy(mem + offset, src, len);
	func->writes++;
	return 0;
}

int pci_func_nth_doorbell(const struct pci_func *func, unsigned int index, unsigned int n,
			  uint64_t *ret_offset)
{
	if (index != PCI_FUNC_REGION_BAR0 || n > 1)
		return -ENOENT;
	*ret_offset = FAKE_DOORBELLS + 4 * n;
	return 0;
}

int pci_func_doorbell(struct pci_func *func, unsigned int index, uint64_t offset, int *ret_fd,
		      uint32_t *ret_size)
{
	if (index != PCI_FUNC_REGION_BAR0 ||
	    (offset != FAKE_DOORBELLS && offset != FAKE_DOORBELLS + 4))
		return -ENOENT;
	*ret_fd = func->doorbell[(offset - FAKE_DOORBELLS) / 4];
	*ret_size = 2;
	return 0;
}

unsigned int pci_func_nr_irqs(const struct pci_func *func, unsigned int index)
{
	return index == PCI_FUNC_IRQ_MSIX ? FAKE_VECTORS : index != PCI_FUNC_IRQ_MSI;
}

int pci_func_set_irq(struct pci_func *func, unsigned int index, unsigned int vector, int fd)
{
	if (func->irq[index][vector] >= 0)
		close(func->irq[index][vector]);
	func->irq[index][vector] = fd;
	func_asked(func);
	return 0;
}

int pci_func_trigger(struct pci_func *func, unsigned int index, unsigned int vector)
{
	const uint64_t one = 1;

	func->triggers++;
	if (func->irq[index][vector] >= 0 &&
	    write(func->irq[index][vector], &one, sizeof(one)) != sizeof(one))
		return -EIO;
	return 0;
}

void pci_func_mask_intx(struct pci_func *func, bool masked)
{
	func->masked = masked;
	func->unmasks += !masked;
}

void pci_func_set_memory(struct pci_func *func, struct gmem *gm)
{
	gm_get(gm);
	gm_put(func->gm);
	func->gm = gm;
	func->memory_changes++;
	func_asked(func);
}

void pci_func_reset(struct pci_func *func)
{
	func->resets++;
	func_asked(func);
}

void pci_func_disconnected(struct pci_func *func)
{
	func_forget(func);
	func->disconnects++;
	func_asked(func);
}

bool pci_func_is_settled(struct pci_func *func)
{
	func->awaited = func->unsettled;
	return !func->unsettled;
}

void pci_func_needs_reset(struct pci_func *func)
{
}

void pci_func_config_changed(struct pci_func *func)
{
}

void pci_func_set_relay(struct pci_func *func, const struct pci_func_relay *relay)
{
	func->relay = relay;
}

bool pci_func_queue_runs(const struct pci_func *func, unsigned int index)
{
	return func->queue_runs;
}

void pci_func_interrupt(struct pci_func *func, unsigned int index)
{
	func->interrupts++;
}
