/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * Where interrupts go. With MSI-X in use each queue and the configuration have a vector, without it
 * they share INTx and tell each other apart by the ISR register. A queue is interrupted by its I/O
 * thread, which only writes to one descriptor, so the route of a queue is a descriptor: a copy of
 * the host's own for the vector, the vector's latch while it may not fire, or, for INTx, an eventfd
 * of ours; its reader sets ISR. A route that is out of date is replaced by pci_queue.c.
 *
 * INTx is a level. It is asserted while ISR is not 0, and the host is told once; then it is masked
 * until the host, having run its driver, unmasks it and is told again if it is still asserted.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_pci.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/log.h"
#include "devemu/pci_int.h"

SD_LOG_REGISTER(PCI_IRQ);

#define ISR_QUEUE 0x1u

void pci_irq_signal(struct pci_func *func, int fd)
{
	int rc = fd >= 0 ? pe_signal(func->pe, fd) : 0;

	if (rc)
		sd_log_ratelimited_warn("interrupting the host failed: errno %d", -rc);
}

/* ---- INTx ---- */

bool pci_irq_intx_asserted(const struct pci_func *func)
{
	return func->isr != 0;
}

void pci_irq_update_intx(struct pci_func *func)
{
	if (!func->isr || func->intx_masked || pci_cfg_intx_disabled(func) ||
	    func->irq_fd[PCI_FUNC_IRQ_INTX] < 0)
		return;
	func->intx_masked = true;
	pci_irq_signal(func, func->irq_fd[PCI_FUNC_IRQ_INTX]);
}

static void irq_set_isr(struct pci_func *func, uint8_t bits)
{
	func->isr |= bits;
	pci_irq_update_intx(func);
}

static enum ctx_progress irq_queue_ready(struct pe_source *src, uint32_t revents)
{
	struct pci_func *func = container_of(src, struct pci_func, queue_intx);
	uint64_t cnt;

	if (read(src->fd, &cnt, sizeof(cnt)) < 0)
		return CTX_NOTHING;
	irq_set_isr(func, ISR_QUEUE);
	return CTX_HOUSEKEEPING;
}

void pci_func_mask_intx(struct pci_func *func, bool masked)
{
	func->intx_masked = masked;
	pci_irq_update_intx(func);
}

/* ---- routes ---- */

void pci_irq_raise_config(struct pci_func *func)
{
	if (!pci_msix_is_active(func))
		irq_set_isr(func, VIRTIO_PCI_ISR_CONFIG);
	else if (func->config_vector < func->nr_vectors)
		pci_msix_fire(func, func->config_vector);
}

struct func_route pci_irq_route(const struct pci_func *func, uint16_t vector)
{
	struct func_route route = {.kind = ROUTE_NONE};

	if (!pci_msix_is_active(func)) {
		route.kind = ROUTE_INTX;
	} else if (vector < func->nr_vectors) {
		route.vector = vector;
		route.kind = ROUTE_LATCH;
		if (pci_msix_may_fire(func, vector)) {
			route.kind = ROUTE_HOST;
			route.gen = func->vector[vector].gen;
		}
	}
	return route;
}

int pci_irq_route_fd(struct pci_func *func, const struct func_route *route)
{
	int fd = -1;

	switch (route->kind) {
	case ROUTE_NONE:
		return -1;
	case ROUTE_INTX:
		fd = func->queue_intx.fd;
		break;
	case ROUTE_LATCH:
		fd = pci_msix_latch(func, route->vector);
		break;
	case ROUTE_HOST:
		fd = func->vector[route->vector].fd;
		break;
	}
	if (fd < 0)
		return fd;
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

/* ---- the host's side ---- */

void pci_func_interrupt(struct pci_func *func, unsigned int index)
{
	uint16_t vector = func->queue[index].vector;

	if (!pci_msix_is_active(func))
		irq_set_isr(func, ISR_QUEUE);
	else if (vector < func->nr_vectors)
		pci_msix_fire(func, vector);
}

unsigned int pci_func_nr_irqs(const struct pci_func *func, unsigned int index)
{
	switch (index) {
	case PCI_FUNC_IRQ_MSIX:
		return func->nr_vectors;
	case PCI_FUNC_IRQ_INTX:
	case PCI_FUNC_IRQ_ERR:
	case PCI_FUNC_IRQ_REQ:
		return 1;
	default:
		return 0;
	}
}

int pci_func_set_irq(struct pci_func *func, unsigned int index, unsigned int vector, int fd)
{
	if (vector >= pci_func_nr_irqs(func, index)) {
		if (fd >= 0)
			close(fd);
		return -EINVAL;
	}
	/* The host must not be able to make an I/O thread wait. */
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	if (index == PCI_FUNC_IRQ_MSIX) {
		pci_msix_set_fd(func, vector, fd);
		pci_queue_sync(func);
		return 0;
	}
	if (func->irq_fd[index] >= 0)
		close(func->irq_fd[index]);
	func->irq_fd[index] = fd;
	if (index == PCI_FUNC_IRQ_INTX)
		pci_func_mask_intx(func, false);
	return 0;
}

int pci_func_trigger(struct pci_func *func, unsigned int index, unsigned int vector)
{
	if (vector >= pci_func_nr_irqs(func, index))
		return -EINVAL;
	if (index == PCI_FUNC_IRQ_MSIX)
		pci_irq_signal(func, func->vector[vector].fd);
	else
		pci_irq_signal(func, func->irq_fd[index]);
	return 0;
}

/* ---- life ---- */

void pci_irq_reset(struct pci_func *func)
{
	pci_msix_reset(func);
	func->isr = 0;
	func->intx_masked = false;
}

void pci_irq_forget(struct pci_func *func)
{
	unsigned int i;

	pci_irq_reset(func);
	pci_msix_forget(func);
	for (i = 0; i < PCI_FUNC_NR_IRQS; i++) {
		if (func->irq_fd[i] >= 0)
			close(func->irq_fd[i]);
		func->irq_fd[i] = -1;
	}
}

int pci_irq_init(struct pci_func *func)
{
	struct pe_source *src = &func->queue_intx;
	unsigned int i;

	for (i = 0; i < PCI_FUNC_NR_IRQS; i++)
		func->irq_fd[i] = -1;
	src->fd = -1;
	if (!func->vdev)
		return 0;
	src->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (src->fd < 0)
		return -errno;
	src->events = EPOLLIN;
	src->ready = irq_queue_ready;
	return pe_source_add(func->pe, src);
}

void pci_irq_fini(struct pci_func *func)
{
	pci_irq_forget(func);
	pe_source_remove(func->pe, &func->queue_intx);
	if (func->queue_intx.fd >= 0)
		close(func->queue_intx.fd);
}
