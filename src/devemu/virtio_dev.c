/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * The device's engine looks (vdev_look) after every change: a call of its transport, a report of
 * an I/O context, a start or stop. One look does what is due, at most one user-visible thing:
 *
 *   STARTING   enough I/O contexts run -> RUNNING
 *   RUNNING    the I/O contexts that run get slots, queue q goes to slot q % N, and stays there until
 *              the device stops; a context that comes back, or replaces one that is gone, takes over
 *   STOPPING   all I/O contexts idle -> IDLE; queues have come back with them
 *
 * Queues are handed out one look after RUNNING was reported, so that no request can overtake it.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "core/log.h"
#include "devemu/vdev.h"

SD_LOG_REGISTER(VIRTIO_DEV);

/* ---- I/O contexts ---- */

struct io_census {
	unsigned int running, busy; /* busy: anything but idle */
};

static struct io_census vdev_count_ios(struct doca_devemu_virtio_dev *dev)
{
	struct doca_devemu_virtio_io *io;
	struct io_census cnt = { 0 };

	pthread_mutex_lock(&dev->lock);
	TAILQ_FOREACH(io, &dev->ios, dev_link) {
		cnt.running += io->shown == DOCA_CTX_STATE_RUNNING;
		cnt.busy += io->shown != DOCA_CTX_STATE_IDLE;
	}
	pthread_mutex_unlock(&dev->lock);
	return cnt;
}

/* ---- lock held ---- */

static struct doca_devemu_virtio_io *vdev_io_at(struct doca_devemu_virtio_dev *dev,
						unsigned int slot)
{
	struct doca_devemu_virtio_io *io;

	TAILQ_FOREACH(io, &dev->ios, dev_link)
		if (io->slot == (int)slot)
			return io;
	return NULL;
}

static void vdev_assign_slots(struct doca_devemu_virtio_dev *dev)
{
	bool first = dev->nr_slots == 0;
	struct doca_devemu_virtio_io *io;
	unsigned int slot;

	TAILQ_FOREACH(io, &dev->ios, dev_link) {
		if (io->slot >= 0 || io->shown != DOCA_CTX_STATE_RUNNING)
			continue;
		if (first) {
			io->slot = (int)dev->nr_slots++;
			continue;
		}
		for (slot = 0; slot < dev->nr_slots && vdev_io_at(dev, slot); slot++)
			;
		if (slot < dev->nr_slots)
			io->slot = (int)slot;
	}
}

static void vdev_attach_queues(struct doca_devemu_virtio_dev *dev)
{
	unsigned int i;

	if (!dev->nr_slots)
		return;
	for (i = 0; i < VDEV_MAX_QUEUES; i++) {
		struct vqueue *q = &dev->queue[i];
		struct doca_devemu_virtio_io *io;

		if (!q->started || q->io)
			continue;
		io = vdev_io_at(dev, i % dev->nr_slots);
		if (io && io->shown == DOCA_CTX_STATE_RUNNING)
			vqueue_attach(q, io);
	}
}

/* ---- looking ---- */

static void vdev_serve(struct doca_devemu_virtio_dev *dev)
{
	if (dev->reset.pending)
		return;
	pthread_mutex_lock(&dev->lock);
	vdev_assign_slots(dev);
	vdev_attach_queues(dev);
	pthread_mutex_unlock(&dev->lock);
}

static void vdev_report_broken(struct doca_devemu_virtio_dev *dev)
{
	unsigned int i;

	for (i = 0; i < VDEV_MAX_QUEUES; i++) {
		/* pairs with the release in vqueue_set_broken() */
		if (!__atomic_load_n(&dev->queue[i].broken_news, __ATOMIC_ACQUIRE))
			continue;
		__atomic_store_n(&dev->queue[i].broken_news, false, __ATOMIC_RELAXED);
		dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
		if (dev->pci.port)
			dev->pci.transport->needs_reset(dev->pci.port, (uint16_t)i);
	}
}

/* All I/O contexts are idle: what the device had lent them is back. */
static void vdev_quiet(struct doca_devemu_virtio_dev *dev)
{
	struct doca_devemu_virtio_io *io;

	pthread_mutex_lock(&dev->lock);
	dev->nr_slots = 0;
	TAILQ_FOREACH(io, &dev->ios, dev_link)
		io->slot = -1;
	pthread_mutex_unlock(&dev->lock);
	vdev_op_check(dev);
	vdev_reset_idle(dev);
}

static enum ctx_progress vdev_step(struct doca_devemu_virtio_dev *dev)
{
	struct io_census cnt = vdev_count_ios(dev);

	switch (dev->pci.ctx.state) {
	case DOCA_CTX_STATE_STARTING:
		if (cnt.running < dev->required_ios)
			break;
		dev->dirty = true;
		ctx_set_state(&dev->pci.ctx, DOCA_CTX_STATE_RUNNING);
		return CTX_EVENT;
	case DOCA_CTX_STATE_RUNNING:
		vdev_serve(dev);
		break;
	case DOCA_CTX_STATE_STOPPING:
		if (cnt.busy)
			break;
		vdev_quiet(dev);
		ctx_set_state(&dev->pci.ctx, DOCA_CTX_STATE_IDLE);
		return CTX_EVENT;
	case DOCA_CTX_STATE_IDLE:
		break;
	}
	return CTX_NOTHING;
}

enum ctx_progress vdev_look(struct doca_devemu_virtio_dev *dev)
{
	enum ctx_progress ret;

	dev->dirty = false;
	vdev_report_broken(dev);
	vdev_op_check(dev);
	ret = vdev_reset_step(dev);
	if (ret == CTX_NOTHING)
		ret = queue_list_check(dev);
	if (ret == CTX_NOTHING)
		ret = pci_hotplug_step(&dev->pci);
	if (ret == CTX_NOTHING)
		ret = vdev_step(dev);
	return ret;
}

/* ---- context ---- */

/* A host that connected before the device was configured anew reads the configuration again. */
static void vdev_show_config(struct doca_devemu_virtio_dev *dev, bool is_new)
{
	uint8_t config[sizeof(dev->config_shown)];

	vdev_config_read(dev, 0, config, sizeof(config));
	if (!is_new && memcmp(config, dev->config_shown, sizeof(config))) {
		dev->config_generation++;
		dev->pci.transport->config_changed(dev->pci.port);
	}
	memcpy(dev->config_shown, config, sizeof(config));
}

static doca_error_t vdev_start(struct doca_ctx *ctx)
{
	struct doca_devemu_virtio_dev *dev = vdev_of_ctx(ctx);
	bool is_new = !dev->pci.port;
	doca_error_t err = dev->class_check(dev);

	if (err == DOCA_SUCCESS && is_new)
		err = pci_port_open(&dev->pci);
	if (err != DOCA_SUCCESS)
		return err;
	vdev_show_config(dev, is_new);
	dev->dirty = true;
	return dev->required_ios ? DOCA_ERROR_IN_PROGRESS : DOCA_SUCCESS;
}

static doca_error_t vdev_stop(struct doca_ctx *ctx)
{
	struct doca_devemu_virtio_dev *dev = vdev_of_ctx(ctx);

	dev->dirty = true;
	if (dev->required_ios || vdev_count_ios(dev).busy)
		return DOCA_ERROR_IN_PROGRESS;
	vdev_quiet(dev);
	return DOCA_SUCCESS;
}

static enum ctx_progress vdev_progress(struct doca_ctx *ctx)
{
	struct doca_devemu_virtio_dev *dev = vdev_of_ctx(ctx);

	return vdev_look(dev);
}

static bool vdev_arm(struct doca_ctx *ctx)
{
	return vdev_of_ctx(ctx)->dirty;
}

static const struct ctx_ops vdev_ops = {
	.name = "vfs_dev",
	.start = vdev_start,
	.stop = vdev_stop,
	.progress = vdev_progress,
	.arm = vdev_arm,
	.pe_fixed = true,
};

static enum ctx_progress vdev_mail(void *obj)
{
	enum ctx_progress ret = vdev_look(obj);

	return ret == CTX_NOTHING ? CTX_HOUSEKEEPING : ret;
}

/*
 * Chain numbers, of which request ids are made, never repeat in the life of a function, which may
 * be longer than this process: start at the time of day, in units no guest can outrun.
 */
static uint64_t counter_base_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return ((uint64_t)now.tv_sec << 32) + (((uint64_t)now.tv_nsec << 32) / 1000000000u);
}

doca_error_t vdev_init(struct doca_devemu_virtio_dev *dev, struct doca_devemu_virtio_type *type,
		       struct doca_dev_rep *rep, struct doca_pe *pe)
{
	doca_error_t err;
	unsigned int i;

	if (mailbox_create(pe, vdev_mail, dev, &dev->box))
		return DOCA_ERROR_NO_MEMORY;
	ctx_init(&dev->pci.ctx, &vdev_ops);
	dev->pci.ctx.busy = dev->pci.attention = &dev->dirty;
	pthread_mutex_init(&dev->lock, NULL);
	TAILQ_INIT(&dev->ios);
	for (i = 0; i < VDEV_MAX_QUEUES; i++)
		vqueue_init(&dev->queue[i], dev, (uint16_t)i);
	dev->queue_size = type->queue_size;
	dev->features = type->features;
	dev->counter_base = counter_base_now();
	dev->drain_ns = VDEV_DRAIN_NS;
	pe_attach_ctx(pe, &dev->pci.ctx);
	err = vdev_drain_timer_init(dev) ? DOCA_ERROR_OPERATING_SYSTEM : DOCA_SUCCESS;
	if (err == DOCA_SUCCESS)
		err = pci_dev_init(&dev->pci, &type->pci, rep);
	if (err != DOCA_SUCCESS) {
		vdev_drain_timer_fini(dev);
		ctx_fini(&dev->pci.ctx);
		mailbox_close(dev->box);
		return err;
	}
	dev->pci.virtio = dev;
	return DOCA_SUCCESS;
}

doca_error_t vdev_fini(struct doca_devemu_virtio_dev *dev)
{
	unsigned int i;

	if (!ctx_is_idle(&dev->pci.ctx))
		return DOCA_ERROR_BAD_STATE;
	pthread_mutex_lock(&dev->lock);
	i = !TAILQ_EMPTY(&dev->ios);
	pthread_mutex_unlock(&dev->lock);
	if (i)
		return DOCA_ERROR_IN_USE;
	pci_port_close(&dev->pci);
	vdev_drain_timer_fini(dev);
	ctx_fini(&dev->pci.ctx);
	for (i = 0; i < VDEV_MAX_QUEUES; i++)
		vqueue_fini(&dev->queue[i]);
	gm_put(dev->gm);
	pci_dev_fini(&dev->pci);
	mailbox_close(dev->box);
	pthread_mutex_destroy(&dev->lock);
	return DOCA_SUCCESS;
}
