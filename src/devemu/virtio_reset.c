/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * A reset goes through three waits: for the queues to come back from the I/O contexts (requests
 * out become orphans), for the application to be told, and for it to be done. The application is
 * told from progress, once the device is RUNNING: a reset that arrives while it starts is held. It
 * is done when it calls reset_complete(), or when the device becomes idle (stop and start is the
 * other way to handle a reset, and the only one for a function level reset, which ends when the
 * device runs again). Without a handler the library is done when no orphan is left. A second reset
 * merges with the one under way: its op ends with it.
 *
 * The status register keeps its value until the end; a driver waits for it to read 0.
 */
#include "core/log.h"
#include "devemu/pci_host.h"
#include "devemu/vdev.h"
#include "softdpu_ext.h"

SD_LOG_REGISTER(VIRTIO_RESET);

/* Written before the first device is started. */
static struct {
	softdpu_host_gone_cb_t cb;
	void *arg;
} host_gone;

static void vdev_stop_all_queues(struct doca_devemu_virtio_dev *dev)
{
	unsigned int i;

	pthread_mutex_lock(&dev->lock);
	for (i = 0; i < VDEV_MAX_QUEUES; i++) {
		dev->queue[i].started = false;
		if (dev->queue[i].io)
			vqueue_ask(&dev->queue[i], VQUEUE_ORPHAN);
	}
	pthread_mutex_unlock(&dev->lock);
}

static void vdev_reset_begin(struct doca_devemu_virtio_dev *dev, struct vdev_op *op)
{
	struct vdev_reset *reset = &dev->reset;

	op->next = reset->ops;
	reset->ops = op;
	reset->pending = true;
	reset->tell |= dev->used;
	vdev_stop_all_queues(dev);
	dev->dirty = true;
	/* A device that nobody runs, or that nobody used, is reset on the spot. */
	if (ctx_is_idle(&dev->pci.ctx) || !reset->tell)
		vdev_reset_step(dev);
}

void vdev_reset(struct doca_devemu_virtio_dev *dev, struct vdev_op *op)
{
	vdev_reset_begin(dev, op);
}

void vdev_disconnected(struct doca_devemu_virtio_dev *dev, struct vdev_op *op)
{
	dev->reset.forget = true;
	vdev_reset_begin(dev, op);
}

void vdev_flr(struct doca_devemu_virtio_dev *dev, struct vdev_op *op)
{
	/* The handler of a reset by the driver has run: this is news. */
	if (!dev->pci.flr)
		dev->reset.told = false;
	dev->pci.flr = true;
	dev->reset.tell = true;
	vdev_reset_begin(dev, op);
}

doca_error_t softdpu_host_gone_register(softdpu_host_gone_cb_t cb, void *arg)
{
	host_gone.cb = cb;
	host_gone.arg = arg;
	return DOCA_SUCCESS;
}

void vdev_reset_finish(struct doca_devemu_virtio_dev *dev)
{
	bool gone = dev->reset.forget;
	struct vdev_op *ops = dev->reset.ops;
	unsigned int i;

	/* a queue that broke while it was taken out of service is no news of the next host */
	for (i = 0; i < VDEV_MAX_QUEUES; i++)
		__atomic_store_n(&dev->queue[i].broken_news, false, __ATOMIC_RELAXED);
	if (dev->reset.forget) {
		gm_put(dev->gm);
		dev->gm = NULL;
		pci_host_set_memory(&dev->pci, NULL);
	}
	dev->class_reset(dev);
	dev->reset = (struct vdev_reset){ 0 };
	dev->pci.flr = false;
	dev->status = 0;
	dev->driver_features = 0;
	dev->used = false;
	while (ops) {
		struct vdev_op *op = ops;

		ops = op->next;
		op->result = 0;
		op->done(op);
	}
	if (gone && host_gone.cb)
		host_gone.cb(host_gone.arg);
}

void vdev_reset_idle(struct doca_devemu_virtio_dev *dev)
{
	if (!dev->reset.pending)
		return;
	if (dev->pci.flr && dev->reset.told)
		dev->reset.returned = true;
	else
		vdev_reset_finish(dev);
}

static bool vdev_has_reset_handler(const struct doca_devemu_virtio_dev *dev)
{
	return dev->reset_cb || (dev->pci.flr && dev->pci.flr_cb);
}

/* Tells the application; it may stop the device meanwhile. */
static void vdev_reset_tell(struct doca_devemu_virtio_dev *dev)
{
	dev->reset.told = true;
	dev->dirty = true;
	if (dev->pci.flr && dev->pci.flr_cb)
		dev->pci.flr_cb(&dev->pci, dev->pci.flr_data);
	else
		dev->reset_cb(dev, dev->reset_data);
}

static bool vdev_any_queue_out(const struct doca_devemu_virtio_dev *dev)
{
	unsigned int i;

	for (i = 0; i < VDEV_MAX_QUEUES; i++)
		if (vqueue_is_out(&dev->queue[i]))
			return true;
	return false;
}

enum ctx_progress vdev_reset_step(struct doca_devemu_virtio_dev *dev)
{
	struct vdev_reset *reset = &dev->reset;
	enum doca_ctx_states state = dev->pci.ctx.state;

	if (!reset->pending || vdev_any_queue_out(dev))
		return CTX_NOTHING;
	vdev_reap_queues(dev);
	if (reset->told) {
		if (reset->returned && state == DOCA_CTX_STATE_RUNNING)
			vdev_reset_finish(dev);
		return CTX_NOTHING;
	}
	if (!reset->tell || !vdev_has_reset_handler(dev) || state == DOCA_CTX_STATE_IDLE) {
		/* pairs with the release in vfs_req.c: the last orphan is really gone */
		if (__atomic_load_n(&dev->nr_orphans, __ATOMIC_ACQUIRE) == 0)
			vdev_reset_finish(dev);
		return CTX_NOTHING;
	}
	if (state != DOCA_CTX_STATE_RUNNING)
		return CTX_NOTHING;
	vdev_reset_tell(dev);
	return CTX_EVENT;
}

doca_error_t doca_devemu_virtio_dev_reset_complete(struct doca_devemu_virtio_dev *dev)
{
	if (!dev)
		return DOCA_ERROR_INVALID_VALUE;
	/* Who has no handler for function level resets takes them for those of the driver. */
	if (!dev->reset.told || (dev->pci.flr && dev->pci.flr_cb))
		return DOCA_ERROR_BAD_STATE;
	if (__atomic_load_n(&dev->nr_orphans, __ATOMIC_ACQUIRE))
		return DOCA_ERROR_IN_USE;
	vdev_reset_finish(dev);
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_virtio_dev_event_reset_register(
	struct doca_devemu_virtio_dev *dev,
	doca_devemu_virtio_dev_event_reset_handler_cb_t handler, union doca_data user_data)
{
	if (!dev || !handler)
		return DOCA_ERROR_INVALID_VALUE;
	if (!ctx_is_idle(&dev->pci.ctx))
		return DOCA_ERROR_BAD_STATE;
	dev->reset_cb = handler;
	dev->reset_data = user_data;
	return DOCA_SUCCESS;
}
