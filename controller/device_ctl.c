/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A running device as the control socket sees it: state, hot plug, queues. All by calls on its
 * thread.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "device.h"
#include "doca_ctx.h"
#include "doca_devemu_pci.h"
#include "doca_devemu_vfs_dev.h"
#include "doca_devemu_virtio.h"
#include "doca_log.h"

DOCA_LOG_REGISTER(VIRTIOFS::DEVICE_CTL);

/* For the I/O threads to say how their queues are: they look between two requests. */
#define QUEUES_PATIENCE_S 2

struct call {
	struct device *dev;
	doca_error_t (*plug)(struct doca_devemu_pci_dev *pci);
	struct device_state *state;
	struct device_queue *queue;
	unsigned int nr;
};

/* ---- state ---- */

static int read_state(void *arg)
{
	struct call *c = arg;
	struct device_state *st = c->state;
	enum doca_ctx_states ctx;

	if (doca_ctx_get_state(doca_devemu_vfs_dev_as_ctx(c->dev->vfs), &ctx) == DOCA_SUCCESS)
		st->is_running = ctx == DOCA_CTX_STATE_RUNNING;
	doca_devemu_virtio_dev_get_device_status(doca_devemu_vfs_dev_as_virtio_dev(c->dev->vfs),
						 &st->driver_status);
	doca_devemu_pci_dev_get_hotplug_state(doca_devemu_vfs_dev_as_pci_dev(c->dev->vfs),
					      &st->plug);
	return 0;
}

void device_get_state(struct device *dev, struct device_state *ret)
{
	struct call c = { .dev = dev, .state = ret };

	memset(ret, 0, sizeof(*ret));
	thr_call(&dev->threads->thr[0], read_state, &c);
}

/* ---- hot plug ---- */

static int errno_of(doca_error_t rc)
{
	switch (rc) {
	case DOCA_SUCCESS:
		return 0;
	case DOCA_ERROR_BAD_STATE:
		return -EBUSY;
	case DOCA_ERROR_IN_USE:
		return -EADDRINUSE;
	case DOCA_ERROR_NOT_SUPPORTED:
		return -EOPNOTSUPP;
	default:
		return -EIO;
	}
}

static int run_plug(void *arg)
{
	struct call *c = arg;

	return errno_of(c->plug(doca_devemu_vfs_dev_as_pci_dev(c->dev->vfs)));
}

static int plug(struct device *dev, doca_error_t (*fn)(struct doca_devemu_pci_dev *pci),
		const char *what)
{
	struct call c = { .dev = dev, .plug = fn };
	int rc = thr_call(&dev->threads->thr[0], run_plug, &c);

	if (rc)
		DOCA_LOG_ERR("function %s cannot be %s: %s", dev->fn.vuid, what,
			     rc == -EOPNOTSUPP ? "it is static" :
			     rc == -EBUSY ? "its plug state, or that of the device, is another" :
			     strerror(-rc));
	return rc;
}

int device_hotplug(struct device *dev)
{
	return plug(dev, doca_devemu_pci_dev_hotplug, "plugged");
}

int device_hotunplug(struct device *dev)
{
	return plug(dev, doca_devemu_pci_dev_hotunplug, "unplugged");
}

/* ---- queues ---- */

static void queues_ready(struct doca_devemu_virtio_queue_stats **list, union doca_data user,
			 doca_error_t status)
{
	struct device *dev = user.ptr;

	sem_post(&dev->queues_ready);
}

static int ask_queues(void *arg)
{
	struct device *dev = ((struct call *)arg)->dev;
	union doca_data self = { .ptr = dev };
	doca_error_t rc = DOCA_SUCCESS;

	if (!dev->queue_list)
		rc = doca_devemu_virtio_queue_stats_create_list(
			doca_devemu_vfs_dev_as_virtio_dev(dev->vfs), &dev->queue_list,
			&dev->nr_queues);
	if (rc == DOCA_SUCCESS)
		rc = doca_devemu_virtio_queue_stats_populate_list(dev->queue_list, queues_ready,
								  self);
	return errno_of(rc);
}

static void copy_queue(struct doca_devemu_virtio_queue_stats *from, struct device_queue *q)
{
	uint8_t enabled = 0;

	memset(q, 0, sizeof(*q));
	doca_devemu_virtio_queue_stats_get_id(from, &q->id);
	doca_devemu_virtio_queue_stats_get_size(from, &q->size);
	doca_devemu_virtio_queue_stats_get_inflights(from, &q->inflights);
	doca_devemu_virtio_queue_stats_get_hw_avail_idx(from, &q->avail);
	doca_devemu_virtio_queue_stats_get_hw_used_idx(from, &q->used);
	doca_devemu_virtio_queue_stats_get_enabled(from, &enabled);
	q->enabled = enabled;
}

static int copy_queues(void *arg)
{
	struct call *c = arg;

	c->nr = c->nr < c->dev->nr_queues ? c->nr : c->dev->nr_queues;
	for (unsigned int i = 0; i < c->nr; i++)
		copy_queue(c->dev->queue_list[i], &c->queue[i]);
	return 0;
}

/* An answer that came too late for its question serves the next one. */
static int wait_queues(struct device *dev)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += QUEUES_PATIENCE_S;
	while (sem_clockwait(&dev->queues_ready, CLOCK_MONOTONIC, &until))
		if (errno != EINTR)
			return -EAGAIN;
	dev->queues_asked = false;
	return 0;
}

int device_get_queues(struct device *dev, struct device_queue *queue, unsigned int max,
		      unsigned int *ret_nr)
{
	struct call c = { .dev = dev, .queue = queue, .nr = max };
	int rc = dev->queues_asked ? 0 : thr_call(&dev->threads->thr[0], ask_queues, &c);

	if (rc)
		return rc;
	dev->queues_asked = true;
	rc = wait_queues(dev);
	if (rc)
		return rc;
	thr_call(&dev->threads->thr[0], copy_queues, &c);
	*ret_nr = c.nr;
	return 0;
}
