/* SPDX-License-Identifier: BSD-3-Clause */
#include "regs.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/util.h"
#include "devemu/vdev.h"

static void on_settled(void *port)
{
	((struct regs *)port)->settled++;
}

static const struct pci_func_ops ops = {
	.settled = on_settled,
};

void regs_start(struct regs *r)
{
	struct doca_devemu_pci_dev *pci;
	unsigned int i;

	r->rig.nr_pes = max(r->rig.nr_pes, 1u);
	r->rig.required = r->rig.nr_pes;
	r->rig.nr_request_queues = REGS_QUEUES - 1;
	rig_start(&r->rig);
	pci = doca_devemu_vfs_dev_as_pci_dev(r->rig.dev);
	pci->fn->doorbell_mapped = r->mapped;
	assert_int_equal(pci_func_create(pci, &ops, r, &r->func), 0);
	for (i = 0; i < REGS_VECTORS; i++)
		r->fd[i] = -1;
	r->intx = -1;
	regs_find_caps(r);
}

void regs_stop(struct regs *r)
{
	unsigned int i;

	pci_func_disconnected(r->func);
	regs_wait_settled(r);
	pci_func_destroy(r->func);
	for (i = 0; i < REGS_VECTORS; i++)
		if (r->fd[i] >= 0)
			close(r->fd[i]);
	if (r->intx >= 0)
		close(r->intx);
	rig_stop(&r->rig);
	gm_put(r->gm);
	for (i = 0; i < REGS_QUEUES; i++)
		if (r->q[i].mem)
			vdrv_fini(&r->q[i]);
}

uint64_t regs_read(struct regs *r, unsigned int region, uint64_t offset, size_t len)
{
	uint64_t value = 0;

	assert_int_equal(pci_func_read(r->func, region, offset, &value, len), 0);
	return value;
}

void regs_write(struct regs *r, unsigned int region, uint64_t offset, uint64_t value, size_t len)
{
	assert_int_equal(pci_func_write(r->func, region, offset, &value, len), 0);
}

uint64_t regs_get(struct regs *r, unsigned int offset, size_t len)
{
	return regs_read(r, r->common.bar, r->common.offset + offset, len);
}

void regs_set(struct regs *r, unsigned int offset, uint64_t value, size_t len)
{
	regs_write(r, r->common.bar, r->common.offset + offset, value, len);
}

uint8_t regs_status(struct regs *r)
{
	return (uint8_t)regs_get(r, VIRTIO_PCI_COMMON_STATUS, 1);
}

void regs_wait_settled(struct regs *r)
{
	unsigned int before = r->settled;

	if (pci_func_is_settled(r->func))
		return;
	rig_until(&r->rig, r->settled != before);
	assert_true(pci_func_is_settled(r->func));
}

static void note_virtio_cap(struct regs *r, uint8_t at)
{
	struct regs_cap cap = {
		.at = at,
		.bar = (uint8_t)regs_read(r, PCI_FUNC_REGION_CONFIG, at + 4, 1),
		.offset = (uint32_t)regs_read(r, PCI_FUNC_REGION_CONFIG, at + 8, 4),
		.length = (uint32_t)regs_read(r, PCI_FUNC_REGION_CONFIG, at + 12, 4),
	};
	struct regs_cap *to[] = {NULL, &r->common, &r->notify, &r->isr, &r->device, &r->window};
	uint64_t type = regs_read(r, PCI_FUNC_REGION_CONFIG, at + 3, 1);

	assert_in_range(type, 1, ARRAY_SIZE(to) - 1);
	assert_int_equal(to[type]->at, 0); /* one of a kind */
	*to[type] = cap;
}

void regs_find_caps(struct regs *r)
{
	uint8_t at = (uint8_t)regs_read(r, PCI_FUNC_REGION_CONFIG, PCI_CAPABILITY_LIST, 1);
	unsigned int cnt = 0;

	for (; at; at = (uint8_t)regs_read(r, PCI_FUNC_REGION_CONFIG, at + 1u, 1)) {
		uint64_t id = regs_read(r, PCI_FUNC_REGION_CONFIG, at, 1);

		assert_true(at >= 0x40 && at % 4 == 0 && cnt++ < 48);
		if (id == PCI_CAP_ID_PM)
			r->pm = at;
		else if (id == PCI_CAP_ID_MSIX)
			r->msix = at;
		else if (id == PCI_CAP_ID_EXP)
			r->exp = at;
		else if (id == PCI_CAP_ID_VNDR)
			note_virtio_cap(r, at);
		else
			fail();
	}
}

/* ---- driver ---- */

void regs_features(struct regs *r, uint64_t features)
{
	const uint8_t seen = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	regs_set(r, VIRTIO_PCI_COMMON_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE, 1);
	regs_set(r, VIRTIO_PCI_COMMON_STATUS, seen, 1);
	regs_set(r, VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	regs_set(r, VIRTIO_PCI_COMMON_GF, features, 4);
	regs_set(r, VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	regs_set(r, VIRTIO_PCI_COMMON_GF, features >> 32, 4);
	regs_set(r, VIRTIO_PCI_COMMON_STATUS, seen | VIRTIO_CONFIG_S_FEATURES_OK, 1);
}

/* Each queue's block of memory at an address of its own. */
static uint64_t queue_gpa(unsigned int q)
{
	return VDRV_GPA + q * 0x1000000ull;
}

void regs_memory(struct regs *r)
{
	struct gm_region region[REGS_QUEUES];
	unsigned int i;

	for (i = 0; i < REGS_QUEUES; i++) {
		struct vdrv *q = &r->q[i];

		if (!q->mem)
			assert_int_equal(vdrv_init(q, REGS_QUEUE_SIZE, 0, 8192, 0), 0);
		region[i] = q->gm->region[0];
		region[i].gpa = queue_gpa(i);
	}
	gm_put(r->gm);
	assert_int_equal(gm_create(region, REGS_QUEUES, &r->gm), 0);
	pci_func_set_memory(r->func, r->gm);
	regs_wait_settled(r);
}

void regs_vector(struct regs *r, unsigned int vector)
{
	if (r->fd[vector] >= 0)
		close(r->fd[vector]);
	r->fd[vector] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(pci_func_set_irq(r->func, PCI_FUNC_IRQ_MSIX, vector, dup(r->fd[vector])),
			 0);
}

void regs_queue(struct regs *r, unsigned int q, uint16_t vector)
{
	struct vdrv *d = &r->q[q];
	uint64_t base = queue_gpa(q) - VDRV_GPA;

	regs_set(r, VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
	regs_set(r, VIRTIO_PCI_COMMON_Q_SIZE, d->size, 2);
	regs_set(r, VIRTIO_PCI_COMMON_Q_MSIX, vector, 2);
	regs_set(r, VIRTIO_PCI_COMMON_Q_DESCLO, base + vdrv_gpa(d, d->desc), 8);
	regs_set(r, VIRTIO_PCI_COMMON_Q_AVAILLO, base + vdrv_gpa(d, d->avail), 4);
	regs_set(r, VIRTIO_PCI_COMMON_Q_AVAILHI, (base + vdrv_gpa(d, d->avail)) >> 32, 4);
	regs_set(r, VIRTIO_PCI_COMMON_Q_USEDLO, base + vdrv_gpa(d, d->used), 8);
	regs_set(r, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
}

void regs_driver(struct regs *r, bool msix)
{
	unsigned int i;

	for (i = 0; i < REGS_QUEUES; i++) {
		if (r->q[i].mem)
			vdrv_fini(&r->q[i]);
		r->q[i].mem = NULL;
	}
	regs_features(r, REGS_OFFERED & ~(3ull << 28));
	regs_memory(r);
	if (msix) {
		for (i = 0; i <= REGS_QUEUES; i++)
			regs_vector(r, i);
		regs_write(r, PCI_FUNC_REGION_CONFIG, r->msix + 2u, PCI_MSIX_FLAGS_ENABLE, 2);
		regs_set(r, VIRTIO_PCI_COMMON_MSIX, 0, 2);
	} else if (r->intx < 0) {
		r->intx = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		assert_int_equal(pci_func_set_irq(r->func, PCI_FUNC_IRQ_INTX, 0, dup(r->intx)), 0);
	}
	for (i = 0; i < REGS_QUEUES; i++)
		regs_queue(r, i, msix ? (uint16_t)(i + 1) : VIRTIO_MSI_NO_VECTOR);
	regs_set(r, VIRTIO_PCI_COMMON_STATUS, regs_status(r) | VIRTIO_CONFIG_S_DRIVER_OK, 1);
	regs_wait_settled(r);
}

uint64_t regs_interrupts(int fd)
{
	uint64_t cnt;

	return read(fd, &cnt, sizeof(cnt)) == sizeof(cnt) ? cnt : 0;
}

void regs_kick(struct regs *r, unsigned int q)
{
	uint32_t mult = (uint32_t)regs_read(r, PCI_FUNC_REGION_CONFIG, r->notify.at + 16u, 4);

	regs_write(r, r->notify.bar, r->notify.offset + q * (uint64_t)mult, q, 2);
}

void regs_send(struct regs *r, unsigned int q)
{
	struct vdrv *d = &r->q[q];
	const uint32_t in_len = sizeof(struct fuse_in_header) + sizeof(struct fuse_init_in);
	struct fuse_in_header in = {.len = in_len, .opcode = FUSE_INIT, .unique = 1, .nodeid = 1};
	struct fuse_init_in init = {.major = 7, .minor = 36};
	struct vdrv_buf buf[2] = {{d->space, in_len}, {d->space + 1024, 256}};
	uint64_t base = queue_gpa(q) - VDRV_GPA;
	int head;

	memcpy(d->space, &in, sizeof(in));
	memcpy(d->space + sizeof(in), &init, sizeof(init));
	head = d->free_head;
	d->desc[d->desc[head].next].addr = 0;
	/* addresses of this queue's block: filled in before the chain is offered */
	for (unsigned int k = 0, i = (unsigned int)head; k < 2; k++, i = d->desc[i].next) {
		uint16_t next = d->desc[i].next;

		vdrv_set(&d->desc[i], base + vdrv_gpa(d, buf[k].p), buf[k].len,
			 k ? VRING_DESC_F_WRITE : VRING_DESC_F_NEXT, next);
	}
	d->free_head = d->desc[d->desc[head].next].next;
	d->nr_free = (uint16_t)(d->nr_free - 2);
	d->chain_len[head] = 2;
	vdrv_offer(d, (uint16_t)head);
	regs_kick(r, q);
}

bool regs_answered(struct regs *r, unsigned int q)
{
	uint32_t len;

	return vdrv_take(&r->q[q], &len) >= 0;
}

bool regs_roundtrip(struct regs *r, unsigned int q)
{
	uint64_t end = rig_now() + 5000000000ull;

	regs_send(r, q);
	while (rig_now() < end) {
		if (regs_answered(r, q))
			return true;
		rig_idle(&r->rig);
	}
	return false;
}
