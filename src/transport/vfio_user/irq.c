/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts: how many there are, and the eventfds they arrive at. Only INTx can be masked, because
 * only it is a level; MSI-X vectors are masked in their table, which is the function's.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "transport/eventfd.h"
#include "transport/vfio_user/vfu.h"

static const uint32_t irq_flags[PCI_FUNC_NR_IRQS] = {
	[PCI_FUNC_IRQ_INTX] = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE |
			      VFIO_IRQ_INFO_AUTOMASKED,
	[PCI_FUNC_IRQ_MSI] = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE,
	[PCI_FUNC_IRQ_MSIX] = VFIO_IRQ_INFO_EVENTFD,
	[PCI_FUNC_IRQ_ERR] = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE,
	[PCI_FUNC_IRQ_REQ] = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE,
};

int vfu_irq_info(struct vfu_session *s, const struct vfu_msg *m)
{
	struct vfu_irq_info info;

	memcpy(&info, m->payload, sizeof(info));
	if (info.argsz < sizeof(info) || info.index >= PCI_FUNC_NR_IRQS)
		return vfu_fail(s, -EINVAL, "interrupt %u, argsz %u", info.index, info.argsz);
	info.argsz = sizeof(info);
	info.count = pci_func_nr_irqs(vfu_func(s), info.index);
	info.flags = info.count ? irq_flags[info.index] : 0;
	vfu_tx_add(&s->reply, &info, sizeof(info));
	return 0;
}

/* ---- eventfds ---- */

static int irq_take_fd(struct vfu_session *s, const struct vfu_msg *m, unsigned int i, int *ret_fd)
{
	int fd = s->rx.fd[i], rc;

	if (!eventfd_check(fd))
		return vfu_fail(s, -EBADF, "descriptor %u is not an eventfd", i);
	rc = eventfd_make_nonblocking(fd);
	if (rc)
		return rc;
	*ret_fd = vfu_rx_take_fd(&s->rx, m, i);
	return 0;
}

/* One descriptor per interrupt, or none at all: they lose theirs. */
static int irq_assign(struct vfu_session *s, const struct vfu_irq_set *w, const struct vfu_msg *m)
{
	int fd = -1, rc = 0;

	if (m->nr_fds && m->nr_fds != w->count)
		return vfu_fail(s, -EINVAL, "%u descriptors for %u interrupts", m->nr_fds,
				w->count);
	for (uint32_t i = 0; i < w->count && !rc; i++) {
		if (m->nr_fds)
			rc = irq_take_fd(s, m, i, &fd);
		if (!rc)
			rc = pci_func_set_irq(vfu_func(s), w->index, w->start + i, fd);
	}
	/* asked to let go before it could hear that */
	if (!rc && w->index == PCI_FUNC_IRQ_REQ && vfu_port_of(s)->unplugged)
		rc = pci_func_trigger(vfu_func(s), PCI_FUNC_IRQ_REQ, 0);
	return rc;
}

static enum ctx_progress irq_unmask_ready(struct pe_source *src, uint32_t revents)
{
	struct vfu_session *s = container_of(src, struct vfu_session, unmask);

	pci_func_mask_intx(vfu_func(s), false);
	return CTX_HOUSEKEEPING;
}

void vfu_irq_release(struct vfu_session *s)
{
	if (s->unmask.fd < 0)
		return;
	pe_source_remove(vfu_port_of(s)->pe, &s->unmask);
	close(s->unmask.fd);
	s->unmask.fd = -1;
}

/* The client (KVM, at the end of an interrupt) unmasks without a message. */
static int irq_unmask_fd(struct vfu_session *s, const struct vfu_irq_set *w,
			 const struct vfu_msg *m)
{
	int fd, rc;

	if (m->nr_fds > 1)
		return vfu_fail(s, -EINVAL, "%u descriptors", m->nr_fds);
	vfu_irq_release(s);
	if (!m->nr_fds)
		return 0;
	rc = irq_take_fd(s, m, 0, &fd);
	if (rc)
		return rc;
	s->unmask = (struct pe_source){.fd = fd, .events = EPOLLIN | EPOLLET,
				       .ready = irq_unmask_ready};
	rc = pe_source_add(vfu_port_of(s)->pe, &s->unmask);
	if (rc)
		vfu_irq_release(s);
	return rc;
}

/* ---- actions ---- */

/* Is interrupt i of those named meant? */
static bool irq_chosen(const struct vfu_irq_set *w, const struct vfu_msg *m, uint32_t i)
{
	return !(w->flags & VFIO_IRQ_SET_DATA_BOOL) || m->payload[sizeof(*w) + i];
}

static int irq_mask(struct vfu_session *s, const struct vfu_irq_set *w, const struct vfu_msg *m)
{
	bool mask = w->flags & VFIO_IRQ_SET_ACTION_MASK;

	if (w->index != PCI_FUNC_IRQ_INTX)
		return vfu_fail(s, -ENOTSUP, "interrupt %u cannot be masked", w->index);
	if (w->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return mask ? vfu_fail(s, -ENOTSUP, "nothing is told of masking") :
			      irq_unmask_fd(s, w, m);
	if (w->count && irq_chosen(w, m, 0))
		pci_func_mask_intx(vfu_func(s), mask);
	return 0;
}

static int irq_trigger(struct vfu_session *s, const struct vfu_irq_set *w, const struct vfu_msg *m)
{
	unsigned int nr = pci_func_nr_irqs(vfu_func(s), w->index);
	int rc = 0;

	if (w->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return irq_assign(s, w, m);
	if ((w->flags & VFIO_IRQ_SET_DATA_NONE) && !w->count && !w->start) {
		if (w->index == PCI_FUNC_IRQ_INTX)
			vfu_irq_release(s);
		for (unsigned int i = 0; i < nr && !rc; i++)
			rc = pci_func_set_irq(vfu_func(s), w->index, i, -1);
		return rc;
	}
	for (uint32_t i = 0; i < w->count && !rc; i++)
		if (irq_chosen(w, m, i))
			rc = pci_func_trigger(vfu_func(s), w->index, w->start + i);
	return rc;
}

static bool irq_one_of(uint32_t flags, uint32_t mask)
{
	return is_pow2(flags & mask);
}

static int irq_check(struct vfu_session *s, const struct vfu_irq_set *w, const struct vfu_msg *m)
{
	unsigned int nr;

	if ((w->flags & ~(VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK)) ||
	    !irq_one_of(w->flags, VFIO_IRQ_SET_DATA_TYPE_MASK) ||
	    !irq_one_of(w->flags, VFIO_IRQ_SET_ACTION_TYPE_MASK))
		return vfu_fail(s, -EINVAL, "flags 0x%x", w->flags);
	if (w->argsz < sizeof(*w) || w->index >= PCI_FUNC_NR_IRQS)
		return vfu_fail(s, -EINVAL, "interrupt %u, argsz %u", w->index, w->argsz);
	nr = pci_func_nr_irqs(vfu_func(s), w->index);
	if (w->start > nr || w->count > nr - w->start)
		return vfu_fail(s, -EINVAL, "interrupts %u to %" PRIu64 " of %u", w->start,
				(uint64_t)w->start + w->count, nr);
	if (!w->count && !(w->flags & VFIO_IRQ_SET_DATA_NONE))
		return vfu_fail(s, -EINVAL, "no interrupt named");
	if ((w->flags & VFIO_IRQ_SET_DATA_BOOL) && w->count > m->len - sizeof(*w))
		return vfu_fail(s, -EINVAL, "%u booleans in %zu bytes", w->count, m->len);
	if (m->nr_fds && !(w->flags & VFIO_IRQ_SET_DATA_EVENTFD))
		return vfu_fail(s, -EINVAL, "descriptors that nobody wanted");
	return 0;
}

int vfu_irq_set(struct vfu_session *s, const struct vfu_msg *m)
{
	struct vfu_irq_set w;
	int rc;

	memcpy(&w, m->payload, sizeof(w));
	rc = irq_check(s, &w, m);
	if (!rc && (w.flags & VFIO_IRQ_SET_ACTION_TRIGGER))
		rc = irq_trigger(s, &w, m);
	else if (!rc)
		rc = irq_mask(s, &w, m);
	s->patience = VFU_PATIENCE_NS;
	return rc;
}
