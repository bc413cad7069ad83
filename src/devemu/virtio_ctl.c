/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a transport may ask of a device (transport.h): the host's view of it, and operations that
 * must wait for I/O threads.
 *
 * Theory of operation
 *
 * An operation asks queues for something (vqueue_ask) and is over when none of them still has the
 * bits asked for; vdev_op_check() looks whenever an I/O context reports. One operation at a time,
 * as the contract says; resets are separate (virtio_reset.c) and may overtake one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/log.h"
#include "devemu/pci_host.h"
#include "devemu/vdev.h"

SD_LOG_REGISTER(VIRTIO_CTL);

/* ---- registers ---- */

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
	return dev->class_num_queues(dev);
}

uint16_t vdev_queue_size(const struct doca_devemu_virtio_dev *dev)
{
	return dev->queue_size;
}

void vdev_config_read(const struct doca_devemu_virtio_dev *dev, uint32_t off, void *dst,
		      uint32_t len)
{
	uint8_t config[64] = { 0 };

	memset(dst, 0, len);
	if (off >= sizeof(config))
		return;
	dev->class_config(dev, config, sizeof(config));
	memcpy(dst, config + off, min(len, (uint32_t)sizeof(config) - off));
}

uint8_t vdev_status(const struct doca_devemu_virtio_dev *dev)
{
	return dev->status;
}

void vdev_set_status(struct doca_devemu_virtio_dev *dev, uint8_t status)
{
	/* The driver cannot take back what the device said. */
	dev->status = status | (dev->status & VIRTIO_CONFIG_S_NEEDS_RESET);
	if (status & VIRTIO_CONFIG_S_DRIVER_OK)
		dev->used = true;
}

/* ---- operations ---- */

void vdev_reap_queues(struct doca_devemu_virtio_dev *dev)
{
	unsigned int i;

	for (i = 0; i < VDEV_MAX_QUEUES; i++) {
		struct vqueue *q = &dev->queue[i];

		if (!q->started && !vqueue_is_out(q))
			vqueue_fini(q);
	}
}

static bool vdev_op_waits_for(const struct doca_devemu_virtio_dev *dev, const struct vqueue *q)
{
	return (!dev->op_queue || dev->op_queue == q) && q->io && (q->cmds & dev->op_cmds);
}

static bool vdev_op_waits(struct doca_devemu_virtio_dev *dev)
{
	bool waits = false;
	unsigned int i;

	pthread_mutex_lock(&dev->lock);
	for (i = 0; i < VDEV_MAX_QUEUES && !waits; i++)
		waits = vdev_op_waits_for(dev, &dev->queue[i]);
	pthread_mutex_unlock(&dev->lock);
	return waits;
}

static void vdev_drain_timer_set(struct doca_devemu_virtio_dev *dev, uint64_t ns)
{
	struct itimerspec when = {
		.it_value.tv_sec = (time_t)(ns / 1000000000),
		.it_value.tv_nsec = (long)(ns % 1000000000),
	};

	timerfd_settime(dev->drain_timer.fd, 0, &when, NULL);
}

void vdev_op_check(struct doca_devemu_virtio_dev *dev)
{
	struct vdev_op *op = dev->op;

	if (!op || vdev_op_waits(dev))
		return;
	if (dev->op_cmds & VQUEUE_DRAIN)
		vdev_drain_timer_set(dev, 0);
	vdev_reap_queues(dev);
	dev->op = NULL;
	op->result = 0;
	op->base = dev->op_queue ? dev->op_queue->base : 0;
	op->done(op);
}

static void vdev_op_begin(struct doca_devemu_virtio_dev *dev, struct vdev_op *op,
			  struct vqueue *q, unsigned int cmds)
{
	dev->op = op;
	dev->op_queue = q;
	dev->op_cmds = cmds;
	vdev_op_check(dev);
}

/* ---- drain time-out ---- */

static enum ctx_progress vdev_drain_expired(struct pe_source *src, uint32_t revents)
{
	struct doca_devemu_virtio_dev *dev =
		container_of(src, struct doca_devemu_virtio_dev, drain_timer);
	uint64_t cnt;

	if (read(src->fd, &cnt, sizeof(cnt)) < 0 || !dev->op || !dev->op_queue)
		return CTX_NOTHING;
	sd_log_ratelimited_warn("queue %u is stopped with requests unanswered: they are dropped",
				dev->op_queue->index);
	pthread_mutex_lock(&dev->lock);
	vqueue_ask(dev->op_queue, VQUEUE_ORPHAN);
	pthread_mutex_unlock(&dev->lock);
	return CTX_HOUSEKEEPING;
}

int vdev_drain_timer_init(struct doca_devemu_virtio_dev *dev)
{
	struct pe_source *src = &dev->drain_timer;

	src->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (src->fd < 0)
		return -errno;
	src->events = EPOLLIN;
	src->ready = vdev_drain_expired;
	return pe_source_add(dev->pci.ctx.pe, src);
}

void vdev_drain_timer_fini(struct doca_devemu_virtio_dev *dev)
{
	if (dev->drain_timer.fd < 0)
		return;
	pe_source_remove(dev->pci.ctx.pe, &dev->drain_timer);
	close(dev->drain_timer.fd);
	dev->drain_timer.fd = -1;
}

/* ---- memory ---- */

static void vdev_queue_set_rings(struct vqueue *q, struct gmem *gm, const struct vqueue_rings *ring)
{
	if (!ring->desc) {
		q->started = false;
		vqueue_ask(q, VQUEUE_ORPHAN);
		return;
	}
	q->new_gm = gm_get(gm);
	q->new_rings = *ring;
	vqueue_ask(q, VQUEUE_MEMORY);
}

void vdev_set_memory(struct doca_devemu_virtio_dev *dev, struct gmem *gm,
		     const struct vqueue_rings *ring, struct vdev_op *op)
{
	struct gmem *old = dev->gm;
	unsigned int i;

	dev->gm = gm_get(gm);
	gm_put(old);
	pci_host_set_memory(&dev->pci, gm);
	pthread_mutex_lock(&dev->lock);
	for (i = 0; i < VDEV_MAX_QUEUES; i++)
		if (dev->queue[i].started)
			vdev_queue_set_rings(&dev->queue[i], gm, &ring[i]);
	pthread_mutex_unlock(&dev->lock);
	vdev_op_begin(dev, op, NULL, VQUEUE_MEMORY | VQUEUE_ORPHAN);
}

/* ---- queues ---- */

/* A host that takes it away again: evsignal.h. */
static void fd_set_nonblock(int fd)
{
	int flags;

	if (fd < 0)
		return;
	flags = fcntl(fd, F_GETFL);
	if (flags >= 0 && !(flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static void fd_drop(int fd)
{
	if (fd >= 0)
		close(fd);
}

static int vdev_queue_init(struct doca_devemu_virtio_dev *dev, struct vqueue *q,
			   const struct vqueue_setup *setup)
{
	struct vq_config cfg = {
		.size = setup->size,
		.desc = setup->desc,
		.avail = setup->avail,
		.used = setup->used,
		.features = dev->driver_features,
		.last_avail = setup->last_avail,
		.gm = dev->gm,
		.inflight = setup->inflight,
	};

	if (!dev->gm)
		return -EINVAL;
	return vq_init(&q->vq, &cfg, max(q->counter, dev->counter_base));
}

int vdev_queue_start(struct doca_devemu_virtio_dev *dev, uint16_t index,
		     const struct vqueue_setup *setup)
{
	struct vqueue *q = &dev->queue[index % VDEV_MAX_QUEUES];
	int rc = -EINVAL;

	if (index < vdev_num_queues(dev))
		rc = q->started || vqueue_is_out(q) ? -EALREADY : vdev_queue_init(dev, q, setup);
	if (rc) {
		fd_drop(setup->kick_fd);
		fd_drop(setup->call.fd);
		return rc;
	}
	fd_set_nonblock(setup->kick_fd);
	fd_set_nonblock(setup->call.fd);
	q->kick.fd = setup->kick_fd;
	q->call = setup->call;
	q->started = true;
	dev->used = true;
	dev->dirty = true;
	return 0;
}

void vdev_queue_stop(struct doca_devemu_virtio_dev *dev, uint16_t index, struct vdev_op *op)
{
	struct vqueue *q = &dev->queue[index % VDEV_MAX_QUEUES];

	q->started = false;
	pthread_mutex_lock(&dev->lock);
	if (q->io)
		vqueue_ask(q, VQUEUE_DRAIN);
	pthread_mutex_unlock(&dev->lock);
	vdev_drain_timer_set(dev, dev->drain_ns);
	vdev_op_begin(dev, op, q, VQUEUE_DRAIN | VQUEUE_ORPHAN);
}

bool vdev_queue_is_started(const struct doca_devemu_virtio_dev *dev, uint16_t index)
{
	return index < VDEV_MAX_QUEUES && dev->queue[index].started;
}

void vdev_queue_set_call(struct doca_devemu_virtio_dev *dev, uint16_t index, struct irq call,
			 struct vdev_op *op)
{
	struct vqueue *q = &dev->queue[index % VDEV_MAX_QUEUES];

	fd_set_nonblock(call.fd);
	if (q->started) {
		pthread_mutex_lock(&dev->lock);
		q->new_call = call;
		vqueue_ask(q, VQUEUE_CALL);
		pthread_mutex_unlock(&dev->lock);
	} else {
		fd_drop(call.fd);
	}
	vdev_op_begin(dev, op, q, VQUEUE_CALL);
}

void vdev_queue_set_kick(struct doca_devemu_virtio_dev *dev, uint16_t index, int kick_fd,
			 struct vdev_op *op)
{
	struct vqueue *q = &dev->queue[index % VDEV_MAX_QUEUES];

	fd_set_nonblock(kick_fd);
	if (q->started) {
		pthread_mutex_lock(&dev->lock);
		q->new_kick = kick_fd;
		vqueue_ask(q, VQUEUE_KICK);
		pthread_mutex_unlock(&dev->lock);
	} else {
		fd_drop(kick_fd);
	}
	vdev_op_begin(dev, op, q, VQUEUE_KICK);
}
