/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * The registers of a virtio device on PCI (virtio 1.2, 4.1.4) as one table: where each one lies,
 * how it is read, and what writing it does. An access of another width than the register's is legal
 * here: a read cuts out its part, a write changes its part of what the register reads now. That
 * gives 32-bit halves of 64-bit addresses for free and leaves no access undefined.
 *
 * A write the rules do not allow is ignored. While a reset is under way nothing else is accepted:
 * a driver that waits for the status to read 0, as it must, cannot notice, and one that does not
 * cannot mix into the next life of the device what belongs to this one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/log.h"
#include "devemu/pci_int.h"

SD_LOG_REGISTER(PCI_VIRTIO);

#define BIT(n) (1ull << (n))
/* What the transport offers besides the device's own. */
#define TRANSPORT_FEATURES (BIT(VIRTIO_F_RING_RESET) | BIT(VIRTIO_F_ACCESS_PLATFORM))
#define DOORBELL_SIZE 2

static uint64_t offered(const struct pci_func *func)
{
	return vdev_features(func->vdev) | TRANSPORT_FEATURES;
}

/* ---- reset ---- */

void pci_virtio_reset_queue(struct pci_func *func, struct func_queue *q)
{
	q->size = vdev_queue_size(func->vdev);
	q->vector = VIRTIO_MSI_NO_VECTOR;
	q->enabled = false;
	q->resetting = false;
	q->refused = false;
	q->base = 0;
	memset(q->addr, 0, sizeof(q->addr));
}

void pci_virtio_reset_regs(struct pci_func *func)
{
	unsigned int i;

	func->touched = false;
	func->device_select = 0;
	func->driver_select = 0;
	func->driver_features = 0;
	func->config_vector = VIRTIO_MSI_NO_VECTOR;
	func->queue_select = 0;
	for (i = 0; i < VDEV_MAX_QUEUES; i++)
		pci_virtio_reset_queue(func, &func->queue[i]);
}

/* ---- features ---- */

/* Words beyond 63 read 0. */
static uint32_t word_of(uint64_t value, uint32_t select)
{
	return select < 2 ? (uint32_t)(value >> 32 * select) : 0;
}

static uint64_t read_device_select(const struct pci_func *func, unsigned int arg)
{
	return func->device_select;
}

static void write_device_select(struct pci_func *func, unsigned int arg, uint64_t value)
{
	func->device_select = (uint32_t)value;
}

static uint64_t read_device_feature(const struct pci_func *func, unsigned int arg)
{
	return word_of(offered(func), func->device_select);
}

static uint64_t read_driver_select(const struct pci_func *func, unsigned int arg)
{
	return func->driver_select;
}

static void write_driver_select(struct pci_func *func, unsigned int arg, uint64_t value)
{
	func->driver_select = (uint32_t)value;
}

static uint64_t read_driver_feature(const struct pci_func *func, unsigned int arg)
{
	return word_of(func->driver_features, func->driver_select);
}

static void write_driver_feature(struct pci_func *func, unsigned int arg, uint64_t value)
{
	unsigned int shift = 32 * (func->driver_select & 1);

	if (func->driver_select > 1 || vdev_status(func->vdev) & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	func->driver_features &= ~(0xffffffffull << shift);
	func->driver_features |= (value & 0xffffffff) << shift;
}

/* ---- device ---- */

static uint16_t valid_vector(const struct pci_func *func, uint64_t vector)
{
	return vector < func->nr_vectors ? (uint16_t)vector : VIRTIO_MSI_NO_VECTOR;
}

static uint64_t read_config_vector(const struct pci_func *func, unsigned int arg)
{
	return func->config_vector;
}

static void write_config_vector(struct pci_func *func, unsigned int arg, uint64_t value)
{
	func->config_vector = valid_vector(func, value);
}

static uint64_t read_num_queues(const struct pci_func *func, unsigned int arg)
{
	return vdev_num_queues(func->vdev);
}

/* The status of a device that is being reset does not read 0 before it is ready for more. */
static uint64_t read_status(const struct pci_func *func, unsigned int arg)
{
	uint8_t status = vdev_status(func->vdev);

	return status || !pci_queue_resetting(func) ? status : VIRTIO_CONFIG_S_NEEDS_RESET;
}

static bool features_are_good(struct pci_func *func)
{
	uint64_t features = func->driver_features;

	return !(features & ~offered(func)) && features & BIT(VIRTIO_F_VERSION_1) &&
	       !vdev_set_driver_features(func->vdev, features & vdev_features(func->vdev));
}

static void write_status(struct pci_func *func, unsigned int arg, uint64_t value)
{
	uint8_t old = vdev_status(func->vdev), next = (uint8_t)value;

	if (!next) {
		pci_queue_reset_all(func, RESET_VIRTIO);
		return;
	}
	if (old & VIRTIO_CONFIG_S_FAILED)
		return;
	next &= (uint8_t)~VIRTIO_CONFIG_S_NEEDS_RESET;
	next |= old;
	if (next & ~old & VIRTIO_CONFIG_S_FEATURES_OK && !features_are_good(func))
		next &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	if (!(next & VIRTIO_CONFIG_S_FEATURES_OK))
		next &= (uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK;
	vdev_set_status(func->vdev, next);
}

static uint64_t read_generation(const struct pci_func *func, unsigned int arg)
{
	return func->vdev->config_generation;
}

/* ---- queues ---- */

static uint64_t read_queue_select(const struct pci_func *func, unsigned int arg)
{
	return func->queue_select;
}

static void write_queue_select(struct pci_func *func, unsigned int arg, uint64_t value)
{
	func->queue_select = (uint16_t)value;
}

/* NULL: there is no such queue, its registers read 0. */
static const struct func_queue *selected(const struct pci_func *func)
{
	return func->queue_select < vdev_num_queues(func->vdev) ? &func->queue[func->queue_select] :
								  NULL;
}

/* The selected queue, if its set-up may be changed. */
static struct func_queue *configurable(struct pci_func *func)
{
	const struct func_queue *q = selected(func);

	return q && !q->enabled && !q->resetting ? &func->queue[func->queue_select] : NULL;
}

static uint64_t read_queue_size(const struct pci_func *func, unsigned int arg)
{
	const struct func_queue *q = selected(func);

	return q ? q->size : 0;
}

static void write_queue_size(struct pci_func *func, unsigned int arg, uint64_t value)
{
	struct func_queue *q = configurable(func);

	if (q && is_pow2(value) && value <= vdev_queue_size(func->vdev))
		q->size = (uint16_t)value;
}

static uint64_t read_queue_vector(const struct pci_func *func, unsigned int arg)
{
	const struct func_queue *q = selected(func);

	return q ? q->vector : VIRTIO_MSI_NO_VECTOR;
}

static void write_queue_vector(struct pci_func *func, unsigned int arg, uint64_t value)
{
	if (selected(func))
		func->queue[func->queue_select].vector = valid_vector(func, value);
}

static uint64_t read_queue_enable(const struct pci_func *func, unsigned int arg)
{
	const struct func_queue *q = selected(func);

	return q && q->enabled;
}

static void write_queue_enable(struct pci_func *func, unsigned int arg, uint64_t value)
{
	struct func_queue *q = configurable(func);

	if (q && value == 1 && vdev_status(func->vdev) & VIRTIO_CONFIG_S_FEATURES_OK)
		q->enabled = true;
}

static uint64_t read_queue_index(const struct pci_func *func, unsigned int arg)
{
	return selected(func) ? func->queue_select : 0;
}

static uint64_t read_queue_addr(const struct pci_func *func, unsigned int part)
{
	const struct func_queue *q = selected(func);

	return q ? q->addr[part] : 0;
}

static void write_queue_addr(struct pci_func *func, unsigned int part, uint64_t value)
{
	struct func_queue *q = configurable(func);

	if (q)
		q->addr[part] = value;
}

static uint64_t read_queue_reset(const struct pci_func *func, unsigned int arg)
{
	const struct func_queue *q = selected(func);

	return q && q->resetting;
}

static void write_queue_reset(struct pci_func *func, unsigned int arg, uint64_t value)
{
	const struct func_queue *q = selected(func);

	if (q && q->enabled && value == 1 && func->driver_features & BIT(VIRTIO_F_RING_RESET))
		func->queue[func->queue_select].resetting = true;
}

/* ---- the table ---- */

static const struct common_reg {
	uint8_t offset, size;
	uint64_t (*read)(const struct pci_func *func, unsigned int arg);
	void (*write)(struct pci_func *func, unsigned int arg, uint64_t value); /* NULL: read only */
	unsigned int arg;
} common_regs[] = {
	{VIRTIO_PCI_COMMON_DFSELECT, 4, read_device_select, write_device_select, 0},
	{VIRTIO_PCI_COMMON_DF, 4, read_device_feature, NULL, 0},
	{VIRTIO_PCI_COMMON_GFSELECT, 4, read_driver_select, write_driver_select, 0},
	{VIRTIO_PCI_COMMON_GF, 4, read_driver_feature, write_driver_feature, 0},
	{VIRTIO_PCI_COMMON_MSIX, 2, read_config_vector, write_config_vector, 0},
	{VIRTIO_PCI_COMMON_NUMQ, 2, read_num_queues, NULL, 0},
	{VIRTIO_PCI_COMMON_STATUS, 1, read_status, write_status, 0},
	{VIRTIO_PCI_COMMON_CFGGENERATION, 1, read_generation, NULL, 0},
	{VIRTIO_PCI_COMMON_Q_SELECT, 2, read_queue_select, write_queue_select, 0},
	{VIRTIO_PCI_COMMON_Q_SIZE, 2, read_queue_size, write_queue_size, 0},
	{VIRTIO_PCI_COMMON_Q_MSIX, 2, read_queue_vector, write_queue_vector, 0},
	{VIRTIO_PCI_COMMON_Q_ENABLE, 2, read_queue_enable, write_queue_enable, 0},
	{VIRTIO_PCI_COMMON_Q_NOFF, 2, read_queue_index, NULL, 0},
	{VIRTIO_PCI_COMMON_Q_DESCLO, 8, read_queue_addr, write_queue_addr, QUEUE_DESC},
	{VIRTIO_PCI_COMMON_Q_AVAILLO, 8, read_queue_addr, write_queue_addr, QUEUE_DRIVER},
	{VIRTIO_PCI_COMMON_Q_USEDLO, 8, read_queue_addr, write_queue_addr, QUEUE_DEVICE},
	{VIRTIO_PCI_COMMON_Q_NDATA, 2, read_queue_index, NULL, 0},
	{VIRTIO_PCI_COMMON_Q_RESET, 2, read_queue_reset, write_queue_reset, 0},
};

/* The bytes of an access that belong to a register. */
struct overlap {
	size_t in_access, in_reg, len;
};

static struct overlap overlap_of(const struct common_reg *reg, uint64_t offset, size_t len)
{
	uint64_t start = max(offset, (uint64_t)reg->offset);
	uint64_t end = min(offset + len, (uint64_t)reg->offset + reg->size);

	if (start >= end)
		return (struct overlap){0};
	return (struct overlap){(size_t)(start - offset), (size_t)(start - reg->offset),
				(size_t)(end - start)};
}

void pci_common_read(struct pci_func *func, uint64_t offset, uint8_t *dst, size_t len)
{
	const struct common_reg *reg;
	uint8_t bytes[8];

	for (reg = common_regs; reg < common_regs + ARRAY_SIZE(common_regs); reg++) {
		struct overlap o = overlap_of(reg, offset, len);

		if (!o.len)
			continue;
		put_le(bytes, reg->read(func, reg->arg), sizeof(bytes));
		memcpy(dst + o.in_access, bytes + o.in_reg, o.len);
	}
}

void pci_common_write(struct pci_func *func, uint64_t offset, const uint8_t *src, size_t len)
{
	const struct common_reg *reg;
	uint8_t bytes[8];

	for (reg = common_regs; reg < common_regs + ARRAY_SIZE(common_regs); reg++) {
		struct overlap o = overlap_of(reg, offset, len);

		if (!o.len || !reg->write || pci_queue_resetting(func))
			continue;
		put_le(bytes, reg->read(func, reg->arg), sizeof(bytes));
		memcpy(bytes + o.in_reg, src + o.in_access, o.len);
		reg->write(func, reg->arg, get_le32(bytes) | (uint64_t)get_le32(bytes + 4) << 32);
	}
	pci_queue_sync(func);
}

/* ---- the other structures ---- */

/* Reading the status gives it back. */
void pci_isr_read(struct pci_func *func, uint64_t offset, uint8_t *dst, size_t len)
{
	if (offset)
		return;
	*dst = func->isr;
	func->isr = 0;
}

void pci_device_read(struct pci_func *func, uint64_t offset, uint8_t *dst, size_t len)
{
	vdev_config_read(func->vdev, (uint32_t)offset, dst, (uint32_t)len);
}

/* ---- doorbells ---- */

int pci_notify_fd(struct pci_func *func, uint16_t index)
{
	struct func_queue *q = &func->queue[index];

	if (q->kick_fd < 0)
		q->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return q->kick_fd < 0 ? -errno : q->kick_fd;
}

void pci_notify_forget(struct pci_func *func)
{
	unsigned int i;

	for (i = 0; i < VDEV_MAX_QUEUES; i++) {
		if (func->queue[i].kick_fd >= 0)
			close(func->queue[i].kick_fd);
		func->queue[i].kick_fd = -1;
	}
}

void pci_notify_read(struct pci_func *func, uint64_t offset, uint8_t *dst, size_t len)
{
	if (func->notify_mem)
		memcpy(dst, func->notify_mem + offset, len);
}

/* The value says what the place says already. */
void pci_notify_write(struct pci_func *func, uint64_t offset, const uint8_t *src, size_t len)
{
	uint64_t index = offset / PCI_NOTIFY_STRIDE;

	if (func->notify_mem)
		memcpy(func->notify_mem + offset, src, len);
	else if (index < vdev_num_queues(func->vdev) && func->queue[index].kick_fd >= 0)
		pci_irq_signal(func, func->queue[index].kick_fd);
}

int pci_func_doorbell(struct pci_func *func, unsigned int index, uint64_t offset, int *ret_fd,
		      uint32_t *ret_size)
{
	const struct func_region *r;
	unsigned int bar;
	uint64_t queue;
	int fd;

	if (!func->vdev || func->notify_mem)
		return -ENOENT;
	r = pci_bar_find(func, PCI_REGION_VIRTIO_NOTIFY, &bar);
	if (!r || bar != index || offset < r->start || offset - r->start >= r->size)
		return -ENOENT;
	offset -= r->start;
	queue = offset / PCI_NOTIFY_STRIDE;
	if (offset % PCI_NOTIFY_STRIDE || queue >= vdev_num_queues(func->vdev))
		return -ENOENT;
	fd = pci_notify_fd(func, (uint16_t)queue);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	*ret_size = DOORBELL_SIZE;
	return 0;
}

int pci_func_nth_doorbell(const struct pci_func *func, unsigned int index, unsigned int n,
			  uint64_t *ret_offset)
{
	const struct func_region *r;
	unsigned int bar;

	r = pci_bar_find(func, PCI_REGION_VIRTIO_NOTIFY, &bar);
	if (!r || bar != index || func->notify_mem || n >= vdev_num_queues(func->vdev))
		return -ENOENT;
	*ret_offset = r->start + n * (uint64_t)PCI_NOTIFY_STRIDE;
	return 0;
}

/*
 * Memory the host maps lies where the region has it, so that one descriptor serves the whole BAR;
 * it is sealed, or the host could make our own access to it fail.
 */
int pci_notify_init(struct pci_func *func)
{
	const struct func_region *r;
	unsigned int i, bar;
	void *mem;

	func->notify_fd = -1;
	for (i = 0; i < VDEV_MAX_QUEUES; i++)
		func->queue[i].kick_fd = -1;
	r = pci_bar_find(func, PCI_REGION_VIRTIO_NOTIFY, &bar);
	if (!r || !func->pci->fn->doorbell_mapped)
		return 0;
	func->notify_fd = memfd_create("doorbells", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (func->notify_fd < 0 || ftruncate(func->notify_fd, (off_t)func->bar[bar].size) ||
	    fcntl(func->notify_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	mem = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, func->notify_fd,
		   (off_t)r->start);
	if (mem == MAP_FAILED)
		return -errno;
	func->notify_mem = mem;
	return 0;
}

void pci_notify_fini(struct pci_func *func)
{
	const struct func_region *r;
	unsigned int bar;

	pci_notify_forget(func);
	r = pci_bar_find(func, PCI_REGION_VIRTIO_NOTIFY, &bar);
	if (func->notify_mem)
		munmap(func->notify_mem, r->size);
	if (func->notify_fd >= 0)
		close(func->notify_fd);
}
