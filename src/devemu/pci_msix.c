/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * The host gives each vector an eventfd; what its driver writes to the table (an address and data)
 * is kept and means nothing here. Hosts differ in who honours the mask bits: some keep the table to
 * themselves and take the eventfd away, others let the driver's writes through. So the mask bit of
 * an entry counts once the host has written to that entry, while the one for the whole function in
 * configuration space, which reads masked in neither case, always counts.
 *
 * An interrupt that may not go now is pending: raised on this thread it sets the bit at once, and
 * from I/O threads it goes to the vector's latch, an eventfd of ours, and sets the bit when the
 * engine gets to it. A latch is emptied whenever it is written to, so nothing is lost when masks
 * change at the same time. MSI-X is in use when the driver has enabled it or the host has set up a
 * vector: some hosts do one before the other.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devemu/pci_int.h"

/* ---- firing ---- */

bool pci_msix_is_active(const struct pci_func *func)
{
	return func->nr_host_vectors || pci_cfg_msix_control(func) & PCI_MSIX_FLAGS_ENABLE;
}

static bool vector_is_masked(const struct func_vector *vec)
{
	return (vec->ruled &&
		vec->entry[PCI_MSIX_ENTRY_VECTOR_CTRL] & PCI_MSIX_ENTRY_CTRL_MASKBIT) ||
	       pci_cfg_msix_control(vec->func) & PCI_MSIX_FLAGS_MASKALL;
}

bool pci_msix_may_fire(const struct pci_func *func, unsigned int vector)
{
	const struct func_vector *vec = &func->vector[vector];

	return vec->fd >= 0 && !vector_is_masked(vec);
}

void pci_msix_fire(struct pci_func *func, unsigned int vector)
{
	struct func_vector *vec = &func->vector[vector];

	vec->pending = !pci_msix_may_fire(func, vector);
	if (!vec->pending)
		pci_irq_signal(func, vec->fd);
}

void pci_msix_update(struct pci_func *func)
{
	unsigned int i;

	for (i = 0; i < func->nr_vectors; i++)
		if (func->vector[i].pending)
			pci_msix_fire(func, i);
	pci_irq_update_intx(func);
	pci_queue_sync(func);
}

static enum ctx_progress latch_ready(struct pe_source *src, uint32_t revents)
{
	struct func_vector *vec = container_of(src, struct func_vector, latch);
	uint64_t cnt;

	if (read(src->fd, &cnt, sizeof(cnt)) < 0)
		return CTX_NOTHING;
	pci_msix_fire(vec->func, (unsigned int)(vec - vec->func->vector));
	return CTX_HOUSEKEEPING;
}

int pci_msix_latch(struct pci_func *func, unsigned int vector)
{
	struct pe_source *latch = &func->vector[vector].latch;
	int rc;

	if (latch->fd >= 0)
		return latch->fd;
	latch->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (latch->fd < 0)
		return -errno;
	latch->events = EPOLLIN;
	latch->ready = latch_ready;
	rc = pe_source_add(func->pe, latch);
	if (!rc)
		return latch->fd;
	close(latch->fd);
	latch->fd = -1;
	return rc;
}

/* ---- descriptors ---- */

int pci_msix_set_fd(struct pci_func *func, unsigned int vector, int fd)
{
	struct func_vector *vec;

	if (vector >= func->nr_vectors)
		return -EINVAL;
	vec = &func->vector[vector];
	func->nr_host_vectors += (fd >= 0) - (vec->fd >= 0);
	if (vec->fd >= 0)
		close(vec->fd);
	vec->fd = fd;
	vec->gen++;
	if (vec->pending)
		pci_msix_fire(func, vector);
	return 0;
}

void pci_msix_forget(struct pci_func *func)
{
	unsigned int i;

	pci_msix_reset(func);
	for (i = 0; i < func->nr_vectors; i++)
		pci_msix_set_fd(func, i, -1);
}

/* ---- life ---- */

void pci_msix_reset(struct pci_func *func)
{
	unsigned int i;

	for (i = 0; i < func->nr_vectors; i++) {
		struct func_vector *vec = &func->vector[i];

		memset(vec->entry, 0, sizeof(vec->entry));
		vec->entry[PCI_MSIX_ENTRY_VECTOR_CTRL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
		vec->ruled = false;
		vec->pending = false;
	}
}

int pci_msix_init(struct pci_func *func)
{
	const struct func_region *table, *pba;
	unsigned int i, bar, nr = func->nr_vectors;

	table = pci_bar_find(func, PCI_REGION_MSIX_TABLE, &bar);
	pba = pci_bar_find(func, PCI_REGION_MSIX_PBA, &bar);
	if (!table || !pba)
		nr = 0;
	func->nr_vectors = 0;
	if (!nr)
		return 0;
	if (table->size < nr * (uint64_t)PCI_MSIX_ENTRY || pba->size < ALIGN_UP(nr, 64u) / 8)
		return -EINVAL;
	func->vector = calloc(nr, sizeof(*func->vector));
	if (!func->vector)
		return -ENOMEM;
	func->nr_vectors = nr;
	for (i = 0; i < nr; i++) {
		func->vector[i].func = func;
		func->vector[i].fd = -1;
		func->vector[i].latch.fd = -1;
	}
	pci_msix_reset(func);
	return 0;
}

void pci_msix_fini(struct pci_func *func)
{
	unsigned int i;

	pci_msix_forget(func);
	for (i = 0; i < func->nr_vectors; i++) {
		struct pe_source *latch = &func->vector[i].latch;

		if (latch->fd < 0)
			continue;
		pe_source_remove(func->pe, latch);
		close(latch->fd);
	}
	free(func->vector);
}

/* ---- table and pending bits ---- */

void pci_msix_table_read(struct pci_func *func, uint64_t offset, uint8_t *dst, size_t len)
{
	for (; len-- && offset / PCI_MSIX_ENTRY < func->nr_vectors; offset++)
		*dst++ = func->vector[offset / PCI_MSIX_ENTRY].entry[offset % PCI_MSIX_ENTRY];
}

void pci_msix_table_write(struct pci_func *func, uint64_t offset, const uint8_t *src, size_t len)
{
	for (; len-- && offset / PCI_MSIX_ENTRY < func->nr_vectors; offset++, src++) {
		struct func_vector *vec = &func->vector[offset / PCI_MSIX_ENTRY];
		unsigned int at = offset % PCI_MSIX_ENTRY;

		vec->ruled = true;
		if (at < PCI_MSIX_ENTRY_VECTOR_CTRL)
			vec->entry[at] = *src;
		else if (at == PCI_MSIX_ENTRY_VECTOR_CTRL)
			vec->entry[at] = *src & PCI_MSIX_ENTRY_CTRL_MASKBIT;
	}
	pci_msix_update(func);
}

void pci_msix_pba_read(struct pci_func *func, uint64_t offset, uint8_t *dst, size_t len)
{
	unsigned int i;

	for (; len--; offset++, dst++)
		for (i = 0; i < 8 && offset * 8 + i < func->nr_vectors; i++)
			*dst |= (uint8_t)(func->vector[offset * 8 + i].pending << i);
}
