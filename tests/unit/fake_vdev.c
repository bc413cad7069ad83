/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_vdev.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* ---- engine ---- */

int pe_source_add(struct doca_pe *pe, struct pe_source *src)
{
	int err = pe->fail_add;

	pe->fail_add = 0;
	if (err)
		return err;
	for (int i = 0; i < FAKE_SOURCES; i++) {
		if (pe->src[i])
			continue;
		pe->src[i] = src;
		src->added = true;
		return 0;
	}
	return -ENOSPC;
}

int pe_source_modify(struct doca_pe *pe, struct pe_source *src, uint32_t events)
{
	if (!src->added)
		return -ENOENT;
	src->events = events;
	return 0;
}

void pe_source_remove(struct doca_pe *pe, struct pe_source *src)
{
	for (int i = 0; i < FAKE_SOURCES; i++)
		if (pe->src[i] == src)
			pe->src[i] = NULL;
	src->added = false;
}

/* EPOLLIN and its kind have the values of POLLIN and its kind. */
static bool pe_run_once(struct doca_pe *pe)
{
	bool any = false;

	for (int i = 0; i < FAKE_SOURCES; i++) {
		struct pe_source *src = pe->src[i];
		struct pollfd pfd;
		uint64_t cnt;

		if (!src)
			continue;
		pfd = (struct pollfd){.fd = src->fd, .events = (short)src->events};
		if (poll(&pfd, 1, 0) <= 0)
			continue;
		/* The real engine reports each write once. */
		if (src->events & EPOLLET && read(src->fd, &cnt, sizeof(cnt)) < 0)
			continue;
		src->ready(src, (uint32_t)pfd.revents);
		any = true;
	}
	return any;
}

bool fake_pe_run(struct doca_pe *pe)
{
	for (int i = 0; i < 1000; i++)
		if (!pe_run_once(pe))
			return true;
	return false;
}

int irq_raise(struct doca_pe *pe, const struct irq *irq)
{
	static const uint64_t one = 1;

	if (irq->fd < 0 || write(irq->fd, &one, sizeof(one)) == sizeof(one) || errno == EAGAIN)
		return 0;
	return -errno;
}

/* ---- device ---- */

static void fake_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void queue_close(struct fake_queue *q)
{
	fake_close(&q->setup.kick_fd);
	fake_close(&q->setup.call.fd);
	q->started = false;
}

void fake_vdev_init(struct doca_devemu_virtio_dev *dev)
{
	memset(dev, 0, sizeof(*dev));
	dev->features = 1ull << 32 | 1ull << 29 | 1ull << 28;
	dev->queue_size = 256;
	for (unsigned int i = 0; i < sizeof(dev->config); i++)
		dev->config[i] = (uint8_t)(i + 1);
	for (int q = 0; q < FAKE_QUEUES; q++) {
		dev->queue[q].setup.kick_fd = -1;
		dev->queue[q].setup.call.fd = -1;
	}
}

void fake_vdev_fini(struct doca_devemu_virtio_dev *dev)
{
	for (int q = 0; q < FAKE_QUEUES; q++)
		queue_close(&dev->queue[q]);
	gm_put(dev->gm);
	dev->gm = NULL;
}

static void op_end(struct doca_devemu_virtio_dev *dev, struct vdev_op *op)
{
	if (dev->defer)
		dev->pending = op;
	else
		op->done(op);
}

void fake_vdev_complete(struct doca_devemu_virtio_dev *dev)
{
	struct vdev_op *op = dev->pending;

	dev->pending = NULL;
	if (op)
		op->done(op);
}

struct doca_devemu_virtio_dev *pci_dev_virtio(struct doca_devemu_pci_dev *pci)
{
	return pci->virtio;
}

void pci_host_arrived(struct doca_devemu_pci_dev *pci)
{
	pci->arrivals++;
}

void pci_host_left(struct doca_devemu_pci_dev *pci)
{
	pci->departures++;
}

uint64_t vdev_features(const struct doca_devemu_virtio_dev *dev)
{
	return dev->features;
}

int vdev_set_driver_features(struct doca_devemu_virtio_dev *dev, uint64_t features)
{
	if (features & ~dev->features)
		return -EINVAL;
	dev->driver_features = features;
	return 0;
}

uint16_t vdev_num_queues(const struct doca_devemu_virtio_dev *dev)
{
	return FAKE_QUEUES;
}

uint16_t vdev_queue_size(const struct doca_devemu_virtio_dev *dev)
{
	return dev->queue_size;
}

void vdev_config_read(const struct doca_devemu_virtio_dev *dev, uint32_t off, void *dst,
		      uint32_t len)
{
	uint8_t *out = dst;

	for (uint32_t i = 0; i < len; i++)
		out[i] = off + i < sizeof(dev->config) ? dev->config[off + i] : 0;
}

uint8_t vdev_status(const struct doca_devemu_virtio_dev *dev)
{
	return dev->status;
}

void vdev_set_status(struct doca_devemu_virtio_dev *dev, uint8_t status)
{
	dev->status = status;
}

void vdev_set_memory(struct doca_devemu_virtio_dev *dev, struct gmem *gm,
		     const struct vqueue_rings *ring, struct vdev_op *op)
{
	op->result = dev->memory_error;
	if (!op->result) {
		gm_get(gm);
		gm_put(dev->gm);
		dev->gm = gm;
		dev->memory_changes++;
		for (int q = 0; q < FAKE_QUEUES; q++) {
			struct fake_queue *fq = &dev->queue[q];

			if (fq->started && !ring[q].desc)
				queue_close(fq);
			fq->setup.desc = ring[q].desc;
			fq->setup.avail = ring[q].avail;
			fq->setup.used = ring[q].used;
		}
	}
	op_end(dev, op);
}

int vdev_queue_start(struct doca_devemu_virtio_dev *dev, uint16_t q,
		     const struct vqueue_setup *setup)
{
	struct fake_queue *fq = &dev->queue[q];
	struct vqueue_setup mine = *setup;
	int err = fq->started ? -EALREADY : dev->start_error;

	if (err) {
		fake_close(&mine.kick_fd);
		fake_close(&mine.call.fd);
		return err;
	}
	fq->setup = mine;
	fq->base = mine.last_avail;
	fq->started = true;
	fq->starts++;
	return 0;
}

void vdev_queue_stop(struct doca_devemu_virtio_dev *dev, uint16_t q, struct vdev_op *op)
{
	struct fake_queue *fq = &dev->queue[q];

	queue_close(fq);
	fq->stops++;
	op->base = fq->base;
	op_end(dev, op);
}

void vdev_queue_set_call(struct doca_devemu_virtio_dev *dev, uint16_t q, struct irq call,
			 struct vdev_op *op)
{
	fake_close(&dev->queue[q].setup.call.fd);
	dev->queue[q].setup.call = call;
	op_end(dev, op);
}

void vdev_queue_set_kick(struct doca_devemu_virtio_dev *dev, uint16_t q, int kick_fd,
			 struct vdev_op *op)
{
	fake_close(&dev->queue[q].setup.kick_fd);
	dev->queue[q].setup.kick_fd = kick_fd;
	op_end(dev, op);
}

static void queues_stop(struct doca_devemu_virtio_dev *dev)
{
	for (int q = 0; q < FAKE_QUEUES; q++)
		queue_close(&dev->queue[q]);
}

void vdev_reset(struct doca_devemu_virtio_dev *dev, struct vdev_op *op)
{
	queues_stop(dev);
	dev->resets++;
	dev->status = 0;
	op_end(dev, op);
}

void vdev_disconnected(struct doca_devemu_virtio_dev *dev, struct vdev_op *op)
{
	queues_stop(dev);
	gm_put(dev->gm);
	dev->gm = NULL;
	dev->driver_features = 0;
	dev->disconnects++;
	op_end(dev, op);
}
