/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: the modern virtio-pci driver of virtio 1.2, 3.1 and 4.1, in the order Linux
 * does it: reset, features, interrupts, queues, DRIVER_OK. Registers are read and written by
 * messages; a new request is told of by a mapped doorbell, an eventfd the device gave, or a posted
 * write, in that order of cost. What takes time in the device (reset, queue reset) is polled for
 * without a hurry, bounded by the device's time-out.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "vufe.h"

#define F_RING_RESET (1ull << 40)
#define FEATURES_KNOWN (VUFE_F_INDIRECT | VUFE_F_EVENT_IDX | VUFE_F_VERSION_1 | F_RING_RESET)
#define IO_FDS_MAX 64

uint32_t vfuc_get(struct vufe_dev *dev, enum vfuc_cap_type cap, uint32_t off, unsigned bytes,
		  int *err)
{
	const struct vfuc_cap *c = &dev->vfu.cap[cap];
	uint32_t v = 0;
	int r = vfuc_read(dev, c->bar, c->offset + off, &v, bytes);

	if (r && !*err)
		*err = r;
	return v;
}

void vfuc_set(struct vufe_dev *dev, enum vfuc_cap_type cap, uint32_t off, uint32_t v,
	      unsigned bytes, int *err)
{
	const struct vfuc_cap *c = &dev->vfu.cap[cap];
	int r = *err ? 0 : vfuc_write(dev, c->bar, c->offset + off, &v, bytes);

	if (r)
		*err = r;
}

static uint32_t common(struct vufe_dev *dev, enum vfuc_common reg, unsigned bytes, int *err)
{
	return vfuc_get(dev, VFUC_CAP_COMMON, reg, bytes, err);
}

static void set_common(struct vufe_dev *dev, enum vfuc_common reg, uint32_t v, unsigned bytes,
		       int *err)
{
	vfuc_set(dev, VFUC_CAP_COMMON, reg, v, bytes, err);
}

/* Until a register of the common structure reads v. */
static int wait_common(struct vufe_dev *dev, enum vfuc_common reg, uint32_t v, unsigned bytes)
{
	uint64_t end = clock_ns() + dev->opts.timeout_ms * 1000000ull;
	int err = 0;

	for (;;) {
		if (common(dev, reg, bytes, &err) == v && !err)
			return 0;
		if (err)
			return err;
		if (clock_ns() > end)
			return vufe_fail(dev, -ETIMEDOUT, "register %d does not become %u in "
					 "%u ms", reg, v, dev->opts.timeout_ms);
		nanosleep(&(struct timespec){0, 1000000}, NULL);
	}
}

int vfuc_get_status(struct vufe_dev *dev, uint8_t *ret)
{
	int err = 0;

	*ret = (uint8_t)common(dev, VFUC_STATUS, 1, &err);
	return err;
}

int vfuc_add_status(struct vufe_dev *dev, uint8_t bits)
{
	int err = 0;
	uint32_t v = common(dev, VFUC_STATUS, 1, &err) | bits;

	set_common(dev, VFUC_STATUS, v, 1, &err);
	return err;
}

int vfuc_virtio_reset(struct vufe_dev *dev)
{
	int err = 0;

	set_common(dev, VFUC_STATUS, 0, 1, &err);
	return err ? err : wait_common(dev, VFUC_STATUS, 0, 1);
}

static int negotiate_features(struct vufe_dev *dev)
{
	int err = 0;
	unsigned i;

	dev->offered = 0;
	for (i = 0; i < 2; i++) {
		set_common(dev, VFUC_DEVICE_FEATURE_SELECT, i, 4, &err);
		dev->offered |= (uint64_t)common(dev, VFUC_DEVICE_FEATURE, 4, &err) << (32 * i);
	}
	if (err)
		return err;
	if (!(dev->offered & VUFE_F_VERSION_1))
		return vufe_fail(dev, -EPROTO, "features 0x%llx: VERSION_1 is missing",
				 (unsigned long long)dev->offered);
	dev->features = dev->offered & FEATURES_KNOWN & ~dev->opts.no_features;
	for (i = 0; i < 2; i++) {
		set_common(dev, VFUC_DRIVER_FEATURE_SELECT, i, 4, &err);
		set_common(dev, VFUC_DRIVER_FEATURE, (uint32_t)(dev->features >> (32 * i)), 4,
			   &err);
	}
	return err;
}

int vfuc_virtio_begin(struct vufe_dev *dev)
{
	uint8_t status = 0;
	int r = vfuc_virtio_reset(dev), err = 0;

	if (!r)
		r = vfuc_add_status(dev, VFUC_S_ACKNOWLEDGE);
	if (!r)
		r = vfuc_add_status(dev, VFUC_S_DRIVER);
	if (!r)
		r = negotiate_features(dev);
	if (!r)
		r = vfuc_add_status(dev, VFUC_S_FEATURES_OK);
	if (!r)
		r = vfuc_get_status(dev, &status);
	if (r)
		return r;
	if (!(status & VFUC_S_FEATURES_OK))
		return vufe_fail(dev, -EPROTO, "features 0x%llx are refused",
				 (unsigned long long)dev->features);
	dev->max_queues = common(dev, VFUC_NUM_QUEUES, 2, &err);
	return err;
}

static int vfu_negotiate(struct vufe_dev *dev)
{
	int r = vfuc_version(dev);

	if (!r)
		r = vfuc_info(dev);
	if (!r)
		r = vfuc_find_caps(dev);
	if (!r)
		r = vfuc_assign_bars(dev);
	if (!r)
		r = vfuc_pci_enable(dev);
	return r ? r : vfuc_virtio_begin(dev);
}

static int vfu_mem_add(struct vufe_dev *dev, unsigned region)
{
	const struct vufe_region *r = &dev->region[region];
	bool shared = !dev->opts.private_mem;

	return vfuc_dma_map(dev, r->gpa, r->size, shared ? r->fd : -1, shared ? r->mmap_off : 0,
			    VFUC_DMA_READABLE | VFUC_DMA_WRITABLE);
}

static int vfu_mem_remove(struct vufe_dev *dev, unsigned region)
{
	return vfuc_dma_unmap(dev, dev->region[region].gpa, dev->region[region].size);
}

static int vfu_mem_send(struct vufe_dev *dev)
{
	unsigned i;
	int r = 0;

	for (i = 0; !r && i < dev->nr_regions; i++)
		r = vfu_mem_add(dev, i);
	return r;
}

static unsigned nr_vectors(const struct vufe_dev *dev)
{
	unsigned have = dev->vfu.irq[VFIO_PCI_MSIX_IRQ_INDEX].b, want = dev->nr_vqs + 1;

	return have < want ? have : want;
}

/* Queues that have none of their own share the last one. */
static unsigned vector_of(const struct vufe_dev *dev, unsigned q)
{
	unsigned n = nr_vectors(dev);

	return q + 1 < n ? q + 1 : n - 1;
}

int vfuc_irqs_setup(struct vufe_dev *dev)
{
	unsigned i, n = nr_vectors(dev);
	int fds[VUFE_FDS_MAX * 2];

	if (!n || n > sizeof(fds) / sizeof(fds[0]))
		return vufe_fail(dev, -EOPNOTSUPP, "%u interrupts of MSI-X", n);
	if (dev->vfu.config_fd < 0)
		dev->vfu.config_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fds[0] = dev->vfu.config_fd;
	for (i = 0; i < dev->nr_vqs; i++) {
		unsigned v = vector_of(dev, i);

		if (v == i + 1)
			fds[v] = dev->vq[i].call_peer;
		else if (dup3(fds[v], dev->vq[i].call_fd, O_CLOEXEC) < 0)
			return -errno;
	}
	return vfuc_set_irqs(dev, VFIO_PCI_MSIX_IRQ_INDEX,
			     VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 0, n, fds, n);
}

/* The part of the notify structure's BAR that covers it, if one may be mapped. */
static int map_doorbells(struct vufe_dev *dev)
{
	const struct vfuc_cap *c = &dev->vfu.cap[VFUC_CAP_NOTIFY];
	const struct vfuc_region *reg = &dev->vfu.region[c->bar];
	unsigned i;

	for (i = 0; i < reg->nr_areas; i++) {
		uint64_t off = reg->area[i].offset, size = reg->area[i].size;

		if (c->offset < off || c->offset + (uint64_t)c->length > off + size)
			continue;
		dev->vfu.map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, reg->fd,
				    (off_t)(reg->fd_offset + off));
		if (dev->vfu.map == MAP_FAILED) {
			dev->vfu.map = NULL;
			return vufe_fail(dev, -errno, "mapping the doorbells: %s", strerror(errno));
		}
		dev->vfu.map_len = size;
		dev->vfu.doorbells = (uint8_t *)dev->vfu.map + (c->offset - off);
		return 0;
	}
	return vufe_fail(dev, -EOPNOTSUPP, "the doorbells cannot be mapped");
}

static uint64_t doorbell_off(const struct vufe_vq *vq)
{
	return (uint64_t)vq->notify_index * vq->dev->vfu.notify_multiplier;
}

/* One reply's worth of eventfds: queues without one keep sending messages. */
static int take_eventfds(struct vufe_dev *dev, const struct vfuc_io_fd *io, unsigned count,
			 const int *fds, unsigned nr_fds)
{
	unsigned q, i, found = 0;

	for (q = 0; q < dev->nr_vqs; q++) {
		uint64_t at = dev->vfu.cap[VFUC_CAP_NOTIFY].offset + doorbell_off(&dev->vq[q]);

		for (i = 0; i < count; i++) {
			if (io[i].type != VFUC_IO_FD_EVENTFD || io[i].offset != at ||
			    io[i].fd_index >= nr_fds || io[i].flags)
				continue;
			if (dup3(fds[io[i].fd_index], dev->vq[q].kick_fd, O_CLOEXEC) < 0)
				return -errno;
			dev->vq[q].how = VUFE_KICK_EVENTFD;
			found++;
			break;
		}
	}
	return found ? 0 : vufe_fail(dev, -EOPNOTSUPP, "no eventfd is for a queue in use");
}

static int ask_eventfds(struct vufe_dev *dev)
{
	struct {
		struct vfuc_io_fds head;
		struct vfuc_io_fd io[IO_FDS_MAX];
	} re;
	struct vfuc_io_fds ask = {.argsz = sizeof(re),
				  .index = dev->vfu.cap[VFUC_CAP_NOTIFY].bar};
	int fds[VUFE_FDS_MAX], r;
	unsigned nr_fds = VUFE_FDS_MAX, i;
	size_t len;

	r = vfuc_send(dev, VFUC_GET_REGION_IO_FDS, 0, &ask, sizeof(ask), NULL, 0);
	if (!r)
		r = vfuc_reply(dev, VFUC_GET_REGION_IO_FDS, &re, sizeof(re), &len, fds, &nr_fds);
	if (r)
		return r;
	if (len < sizeof(re.head) || re.head.count > IO_FDS_MAX ||
	    len != sizeof(re.head) + re.head.count * sizeof(re.io[0]))
		r = vufe_fail(dev, -EPROTO, "GET_REGION_IO_FDS: a reply of %zu bytes", len);
	if (!r)
		r = take_eventfds(dev, re.io, re.head.count, fds, nr_fds);
	for (i = 0; i < nr_fds; i++)
		close(fds[i]);
	return r;
}

static int setup_kicks(struct vufe_dev *dev)
{
	unsigned q;
	int r;

	for (q = 0; q < dev->nr_vqs; q++)
		dev->vq[q].how = VUFE_KICK_MESSAGE;
	switch (dev->opts.kick) {
	case VUFE_KICK_AUTO:
		r = ask_eventfds(dev);
		return r == -ENODATA || r == -ECONNRESET || r == -ETIMEDOUT ? r : 0;
	case VUFE_KICK_MESSAGE:
		return 0;
	case VUFE_KICK_EVENTFD:
		return ask_eventfds(dev);
	case VUFE_KICK_MAPPED:
		r = dev->vfu.map ? 0 : map_doorbells(dev);
		for (q = 0; !r && q < dev->nr_vqs; q++) {
			uint64_t off = doorbell_off(&dev->vq[q]);

			if (off + 2 > dev->vfu.cap[VFUC_CAP_NOTIFY].length)
				return vufe_fail(dev, -EPROTO, "doorbell %u is outside", q);
			dev->vq[q].doorbell = dev->vfu.doorbells + off;
			dev->vq[q].how = VUFE_KICK_MAPPED;
		}
		return r;
	}
	return -EINVAL;
}

static void set_address(struct vufe_dev *dev, enum vfuc_common reg, uint64_t gpa, int *err)
{
	set_common(dev, reg, (uint32_t)gpa, 4, err);
	set_common(dev, reg + 4, (uint32_t)(gpa >> 32), 4, err);
}

static int vfu_vq_start(struct vufe_vq *vq)
{
	struct vufe_dev *dev = vq->dev;
	uint32_t max, v;
	int err = 0;

	set_common(dev, VFUC_QUEUE_SELECT, vq->index, 2, &err);
	max = common(dev, VFUC_QUEUE_SIZE, 2, &err);
	if (!err && vq->size > max)
		return vufe_fail(dev, -EINVAL, "queue %u of %u descriptors: the device has %u",
				 vq->index, vq->size, max);
	set_common(dev, VFUC_QUEUE_SIZE, vq->size, 2, &err);
	v = vector_of(dev, vq->index);
	set_common(dev, VFUC_QUEUE_VECTOR, v, 2, &err);
	if (common(dev, VFUC_QUEUE_VECTOR, 2, &err) != v && !err)
		return vufe_fail(dev, -EBUSY, "queue %u: vector %u is refused", vq->index, v);
	set_address(dev, VFUC_QUEUE_DESC, vq->desc_gpa, &err);
	set_address(dev, VFUC_QUEUE_DRIVER, vq->avail_gpa, &err);
	set_address(dev, VFUC_QUEUE_DEVICE, vq->used_gpa, &err);
	vq->notify_index = (uint16_t)common(dev, VFUC_QUEUE_NOTIFY_OFF, 2, &err);
	set_common(dev, VFUC_QUEUE_ENABLE, 1, 2, &err);
	if (common(dev, VFUC_QUEUE_ENABLE, 2, &err) != 1 && !err)
		return vufe_fail(dev, -EIO, "queue %u does not become enabled", vq->index);
	return err;
}

static int vfu_vqs_begin(struct vufe_dev *dev)
{
	int err = 0, r = vfuc_irqs_setup(dev);

	if (r)
		return r;
	set_common(dev, VFUC_CONFIG_VECTOR, 0, 2, &err);
	if (common(dev, VFUC_CONFIG_VECTOR, 2, &err) != 0 && !err)
		return vufe_fail(dev, -EBUSY, "vector 0 is refused");
	return err;
}

static int vfu_vqs_end(struct vufe_dev *dev)
{
	int r = setup_kicks(dev);

	return r ? r : vfuc_add_status(dev, VFUC_S_DRIVER_OK);
}

int vfuc_queue_reset(struct vufe_vq *vq)
{
	struct vufe_dev *dev = vq->dev;
	int err = 0;

	if (!(dev->features & F_RING_RESET))
		return vufe_fail(dev, -EOPNOTSUPP, "RING_RESET was not negotiated");
	set_common(dev, VFUC_QUEUE_SELECT, vq->index, 2, &err);
	set_common(dev, VFUC_QUEUE_RESET, 1, 2, &err);
	if (!err)
		err = wait_common(dev, VFUC_QUEUE_RESET, 0, 2);
	if (!err && common(dev, VFUC_QUEUE_ENABLE, 2, &err) && !err)
		return vufe_fail(dev, -EPROTO, "queue %u is reset and enabled", vq->index);
	vufe_vq_clear(vq);
	return err;
}

static int vfu_kick(struct vufe_vq *vq)
{
	const struct vfuc_cap *c = &vq->dev->vfu.cap[VFUC_CAP_NOTIFY];
	uint64_t one = 1;

	switch (vq->how) {
	case VUFE_KICK_EVENTFD:
		return write(vq->kick_fd, &one, sizeof(one)) == sizeof(one) || errno == EAGAIN ?
		       0 : -errno;
	case VUFE_KICK_MAPPED:
		*(volatile uint16_t *)(void *)vq->doorbell = vq->index;
		return 0;
	default:
		return vfuc_post(vq->dev, c->bar, c->offset + doorbell_off(vq), &vq->index,
				 sizeof(vq->index));
	}
}

static int vfu_is_broken(struct vufe_vq *vq, int timeout_ms)
{
	struct pollfd p[2] = {{.fd = vq->dev->vfu.config_fd, .events = POLLIN},
			      {.fd = vq->dev->sock, .events = POLLIN}};
	uint64_t drain, end = clock_ns() + (uint64_t)timeout_ms * 1000000;
	uint8_t status;

	/* What the device finds out it may have to read from us first. */
	do {
		if (poll(p, vq->dev->opts.private_mem ? 2 : 1, timeout_ms) <= 0)
			return 0;
		if (p[1].revents && vfuc_serve(vq->dev))
			return 0;
	} while (!(p[0].revents & POLLIN) && clock_ns() < end);
	if (read(p[0].fd, &drain, sizeof(drain)) < 0)
		return 0;
	return !vfuc_get_status(vq->dev, &status) && status & VFUC_S_NEEDS_RESET;
}

static int vfu_get_config(struct vufe_dev *dev, uint32_t offset, uint32_t size, void *ret_data)
{
	const struct vfuc_cap *c = &dev->vfu.cap[VFUC_CAP_DEVICE];
	uint32_t before, after;
	int err = 0, i;

	if (offset > c->length || size > c->length - offset)
		return vufe_fail(dev, -EPROTO, "%u bytes at %u: the device has %u", size, offset,
				 c->length);
	for (i = 0; i < 100; i++) {
		before = common(dev, VFUC_GENERATION, 1, &err);
		if (!err)
			err = vfuc_read(dev, c->bar, c->offset + offset, ret_data, size);
		after = common(dev, VFUC_GENERATION, 1, &err);
		if (err || before == after)
			return err;
	}
	return vufe_fail(dev, -EBUSY, "the configuration changes all the time");
}

const struct vufe_ops vfuc_ops = {
	.name = "vfio-user",
	.negotiate = vfu_negotiate,
	.mem_send = vfu_mem_send,
	.mem_add = vfu_mem_add,
	.mem_remove = vfu_mem_remove,
	.vqs_begin = vfu_vqs_begin,
	.vq_start = vfu_vq_start,
	.vqs_end = vfu_vqs_end,
	.vq_stop = vfuc_queue_reset,
	.kick = vfu_kick,
	.is_broken = vfu_is_broken,
	.get_config = vfu_get_config,
	.reset = vfuc_virtio_begin,
	.serve = vfuc_serve,
	.hang_up = vfuc_hang_up,
};
