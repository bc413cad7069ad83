/* SPDX-License-Identifier: BSD-3-Clause */
#include "device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bounce.h"
#include "doca_ctx.h"
#include "doca_devemu_vfs_dev.h"
#include "doca_devemu_virtio.h"
#include "doca_log.h"
#include "manager.h"
#include "request.h"

DOCA_LOG_REGISTER(VIRTIOFS::DEVICE);

static int errno_of(doca_error_t rc)
{
	switch (rc) {
	case DOCA_SUCCESS:
	case DOCA_ERROR_IN_PROGRESS:
		return 0;
	case DOCA_ERROR_NO_MEMORY:
		return -ENOMEM;
	case DOCA_ERROR_IN_USE:
		return -EBUSY;
	case DOCA_ERROR_INVALID_VALUE:
		return -EINVAL;
	default:
		return -EIO;
	}
}

struct dio *dio_of(struct doca_devemu_vfs_io *io)
{
	union doca_data data = { 0 };

	doca_ctx_get_user_data(doca_devemu_vfs_io_as_ctx(io), &data);
	return data.ptr;
}

/* ---- reset: drain, forget, tell ---- */

/* First thread: every thread has returned what it owned. */
static int reset_finish(void *arg)
{
	struct device *dev = arg;
	doca_error_t rc;

	fs_reset(dev->fs);
	rc = doca_devemu_virtio_dev_reset_complete(doca_devemu_vfs_dev_as_virtio_dev(dev->vfs));
	if (rc != DOCA_SUCCESS && rc != DOCA_ERROR_BAD_STATE) /* BAD_STATE: stopped meanwhile */
		DOCA_LOG_ERR("%s: reset not completed: %s", dev->conf->tag,
			     doca_error_get_descr(rc));
	return 0;
}

void dio_drained(struct dio *dio)
{
	struct device *dev = dio->dev;

	dio->draining = false;
	/* Pairs with the store in on_reset(): the last one sees what all the others did. */
	if (__atomic_sub_fetch(&dev->draining, 1, __ATOMIC_ACQ_REL) == 0)
		thr_post(&dev->threads->thr[0], &dev->reset_msg, reset_finish, dev);
}

static int dio_drain(void *arg)
{
	struct dio *dio = arg;

	dio->draining = true;
	if (dio->outstanding)
		fs_cancel(dio->ft); /* nor a lock nor a server that is away keeps a guest from booting */
	else
		dio_drained(dio);
	return 0;
}

/* Not called again before reset_complete(), so the messages are free; nor once the device is
 * stopping. */
static void on_reset(struct doca_devemu_virtio_dev *virtio, union doca_data user)
{
	struct device *dev = user.ptr;

	DOCA_LOG_INFO("%s: reset by the host", dev->conf->tag);
	__atomic_store_n(&dev->draining, dev->threads->nr, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < dev->threads->nr; i++)
		thr_post(&dev->threads->thr[i], &dev->dio[i].drain_msg, dio_drain, &dev->dio[i]);
}

/* ---- the device context: first thread ---- */

static void on_plug(struct doca_devemu_pci_dev *pci, union doca_data user)
{
	static const char *const name[] = { "powered off", "being unplugged", "being plugged",
					    "powered on" };
	enum doca_devemu_pci_hotplug_state state;
	struct device *dev = user.ptr;

	if (doca_devemu_pci_dev_get_hotplug_state(pci, &state) == DOCA_SUCCESS)
		DOCA_LOG_INFO("%s: function %s is %s", dev->conf->tag, dev->fn.vuid, name[state]);
}

static void on_dev_state(const union doca_data user, struct doca_ctx *ctx,
			 enum doca_ctx_states prev, enum doca_ctx_states next)
{
	struct device *dev = user.ptr;

	if (next == DOCA_CTX_STATE_RUNNING)
		DOCA_LOG_INFO("%s: serving %s on %s, %d request queues of %d on %u thread%s",
			      dev->conf->tag, dev->conf->fs.type,
			      dev->fn.socket[0] ? dev->fn.socket : "PCIe",
			      dev->conf->num_request_queues, dev->conf->queue_size,
			      dev->threads->nr, dev->threads->nr > 1 ? "s" : "");
	if (next == DOCA_CTX_STATE_IDLE)
		sem_post(&dev->idle);
}

/* What the host has not seen yet gets a vector for each queue and one for the configuration. */
static doca_error_t set_vectors(struct device *dev)
{
	if (!dev->fn.is_hotplug || dev->fn.state != DOCA_DEVEMU_PCI_HP_STATE_POWER_OFF)
		return DOCA_SUCCESS;
	return doca_devemu_pci_dev_set_num_msix(doca_devemu_vfs_dev_as_pci_dev(dev->vfs),
						(uint16_t)(dev->conf->num_request_queues + 2));
}

static doca_error_t configure(struct device *dev)
{
	struct doca_devemu_virtio_dev *virtio = doca_devemu_vfs_dev_as_virtio_dev(dev->vfs);
	struct doca_ctx *ctx = doca_devemu_vfs_dev_as_ctx(dev->vfs);
	const struct conf_device *c = dev->conf;
	union doca_data self = { .ptr = dev };
	char tag[DOCA_VFS_TAG_SIZE] = { 0 };
	doca_error_t rc;

	strncpy(tag, c->tag, sizeof(tag) - 1);
	rc = doca_devemu_vfs_dev_set_tag(dev->vfs, tag);
	if (rc == DOCA_SUCCESS)
		rc = doca_devemu_vfs_dev_set_num_request_queues(
			dev->vfs, (uint16_t)c->num_request_queues);
	if (rc == DOCA_SUCCESS)
		rc = doca_devemu_virtio_dev_set_num_queues(
			virtio, (uint16_t)(c->num_request_queues + 1));
	if (rc == DOCA_SUCCESS)
		rc = doca_devemu_virtio_dev_set_queue_size(virtio,
							   (uint16_t)c->queue_size);
	if (rc == DOCA_SUCCESS)
		rc = set_vectors(dev);
	if (rc == DOCA_SUCCESS)
		rc = doca_devemu_virtio_dev_set_num_required_running_virtio_io_ctxs(
			virtio, dev->threads->nr);
	if (rc == DOCA_SUCCESS)
		rc = doca_devemu_virtio_dev_event_reset_register(virtio, on_reset, self);
	if (rc == DOCA_SUCCESS)
		rc = doca_devemu_pci_dev_event_hotplug_state_change_register(
			doca_devemu_vfs_dev_as_pci_dev(dev->vfs), on_plug, self);
	if (rc == DOCA_SUCCESS)
		rc = doca_ctx_set_user_data(ctx, self);
	return rc == DOCA_SUCCESS ? doca_ctx_set_state_changed_cb(ctx, on_dev_state) : rc;
}

static int create_vfs(void *arg)
{
	struct device *dev = arg;
	doca_error_t rc;

	rc = doca_devemu_vfs_dev_create(dev->fn.type, dev->fn.rep, dev->threads->thr[0].pe,
					&dev->vfs);
	if (rc == DOCA_SUCCESS)
		rc = configure(dev);
	if (rc == DOCA_SUCCESS)
		rc = doca_ctx_start(doca_devemu_vfs_dev_as_ctx(dev->vfs));
	if (rc == DOCA_SUCCESS || rc == DOCA_ERROR_IN_PROGRESS)
		return 0;
	DOCA_LOG_ERR("%s: device cannot be started%s%s: %s", dev->conf->tag,
		     dev->fn.socket[0] ? " on " : "", dev->fn.socket, doca_error_get_descr(rc));
	if (dev->vfs)
		doca_devemu_vfs_dev_destroy(dev->vfs);
	dev->vfs = NULL;
	return errno_of(rc);
}

static int stop_vfs(void *arg)
{
	struct device *dev = arg;

	return errno_of(doca_ctx_stop(doca_devemu_vfs_dev_as_ctx(dev->vfs)));
}

static int destroy_vfs(void *arg)
{
	struct device *dev = arg;
	doca_error_t rc;

	if (dev->queue_list)
		doca_devemu_virtio_queue_stats_destroy_list(dev->queue_list);
	rc = doca_devemu_vfs_dev_destroy(dev->vfs);
	if (rc != DOCA_SUCCESS)
		DOCA_LOG_ERR("%s: device cannot be destroyed: %s", dev->conf->tag,
			     doca_error_get_descr(rc));
	return errno_of(rc);
}

/* ---- one I/O context per thread: that thread ---- */

static void dio_detach(struct dio *dio)
{
	if (dio->attached) {
		thr_fs_remove(dio->thr, &dio->thr_fs);
		fs_detach(dio->ft);
		bounce_destroy(dio->bounce);
		dio->bounce = NULL;
	}
	dio->attached = false;
}

static void on_io_state(const union doca_data user, struct doca_ctx *ctx,
			enum doca_ctx_states prev, enum doca_ctx_states next)
{
	struct dio *dio = user.ptr;
	struct doca_devemu_vfs_io *io = dio->io;

	if (next != DOCA_CTX_STATE_IDLE)
		return;
	dio_detach(dio);
	dio->io = NULL;
	/* Last: with the last of them the device becomes idle, and the main thread frees dio. */
	doca_devemu_vfs_io_destroy(io);
}

static int dio_attach(struct dio *dio)
{
	int rc = dio->dev->conf->fs.bounced ? bounce_create(dio->thr->pe, &dio->bounce) : 0;

	if (rc)
		return rc; /* said already */
	rc = fs_attach(dio->dev->fs, dio->thr, dio->thr->index, &dio->ft);
	if (rc) {
		bounce_destroy(dio->bounce);
		dio->bounce = NULL;
		DOCA_LOG_ERR("%s: file system on thread %u: %s", dio->dev->conf->tag,
			     dio->thr->index, strerror(-rc));
		return rc;
	}
	dio->thr_fs.ft = dio->ft;
	thr_fs_add(dio->thr, &dio->thr_fs);
	dio->attached = true;
	return 0;
}

static doca_error_t start_io(struct dio *dio)
{
	union doca_data self = { .ptr = dio };
	struct doca_ctx *ctx;
	doca_error_t rc;

	rc = doca_devemu_vfs_io_create(dio->dev->vfs, dio->thr->pe, &dio->io);
	if (rc != DOCA_SUCCESS)
		return rc;
	ctx = doca_devemu_vfs_io_as_ctx(dio->io);
	rc = req_register_handlers(dio->io);
	if (rc == DOCA_SUCCESS)
		rc = doca_ctx_set_user_data(ctx, self);
	if (rc == DOCA_SUCCESS)
		rc = doca_ctx_set_state_changed_cb(ctx, on_io_state);
	if (rc == DOCA_SUCCESS)
		rc = doca_ctx_start(ctx);
	if (rc == DOCA_ERROR_IN_PROGRESS)
		rc = DOCA_SUCCESS;
	if (rc != DOCA_SUCCESS) {
		doca_devemu_vfs_io_destroy(dio->io);
		dio->io = NULL;
	}
	return rc;
}

static int dio_start(void *arg)
{
	struct dio *dio = arg;
	doca_error_t rc;
	int err = dio_attach(dio);

	if (err)
		return err;
	rc = start_io(dio);
	if (rc == DOCA_SUCCESS)
		return 0;
	DOCA_LOG_ERR("%s: I/O context on thread %u: %s", dio->dev->conf->tag, dio->thr->index,
		     doca_error_get_descr(rc));
	dio_detach(dio);
	return errno_of(rc);
}

static int dio_stop(void *arg)
{
	struct dio *dio = arg;
	int rc;

	if (!dio->io)
		return 0;
	rc = errno_of(doca_ctx_stop(doca_devemu_vfs_io_as_ctx(dio->io)));
	if (dio->attached)
		fs_cancel(dio->ft);
	return rc;
}

/* ---- the whole: main thread ---- */

static void device_free(struct device *dev)
{
	if (dev->fn.rep)
		doca_dev_rep_close(dev->fn.rep);
	fs_close(dev->fs);
	sem_destroy(&dev->idle);
	sem_destroy(&dev->queues_ready);
	free(dev->dio);
	free(dev);
}

void device_say_not_open(const struct conf_device *conf, int err, const char *why)
{
	DOCA_LOG_ERR("%s: %s", conf->tag, why[0] ? why : strerror(-err));
}

static int open_fs(struct device *dev)
{
	char err[FS_ERR_LEN] = "";
	int rc = fs_open(&dev->conf->fs, &dev->fs, err);

	if (rc)
		device_say_not_open(dev->conf, rc, err);
	return rc;
}

static struct device *device_alloc(const struct conf_device *conf, struct thr_set *threads)
{
	struct device *dev = calloc(1, sizeof(*dev));

	if (!dev)
		return NULL;
	dev->conf = conf;
	dev->threads = threads;
	sem_init(&dev->idle, 0, 0);
	sem_init(&dev->queues_ready, 0, 0);
	dev->dio = calloc(threads->nr, sizeof(*dev->dio));
	for (unsigned int i = 0; dev->dio && i < threads->nr; i++) {
		dev->dio[i].dev = dev;
		dev->dio[i].thr = &threads->thr[i];
	}
	return dev;
}

int device_open(const struct conf_device *conf, unsigned int index, struct fs *fs,
		struct thr_set *threads, struct device **ret_dev)
{
	struct device *dev = device_alloc(conf, threads);
	int rc;

	if (!dev) {
		fs_close(fs);
		return -ENOMEM;
	}
	dev->fs = fs;
	rc = !dev->dio ? -ENOMEM : fs ? 0 : open_fs(dev);
	if (!rc)
		rc = manager_open_function(conf->manager, conf->vuid, index, &dev->fn);
	if (rc)
		device_free(dev);
	else
		*ret_dev = dev;
	return rc;
}

int device_start(struct device *dev, struct device **ret_dev)
{
	struct thr_set *threads = dev->threads;
	int rc = thr_call(&threads->thr[0], create_vfs, dev);

	if (rc) {
		device_free(dev);
		return rc;
	}
	*ret_dev = dev;
	for (unsigned int i = 0; !rc && i < threads->nr; i++)
		rc = thr_call(&threads->thr[i], dio_start, &dev->dio[i]);
	return rc;
}

void device_stop(struct device *dev)
{
	thr_call(&dev->threads->thr[0], stop_vfs, dev);
	for (unsigned int i = 0; i < dev->threads->nr; i++)
		thr_call(&dev->threads->thr[i], dio_stop, &dev->dio[i]);
}

int device_wait(struct device *dev, uint64_t deadline_ns)
{
	const struct timespec until = { .tv_sec = (time_t)(deadline_ns / 1000000000u),
					.tv_nsec = (long)(deadline_ns % 1000000000u) };

	while (sem_clockwait(&dev->idle, CLOCK_MONOTONIC, &until))
		if (errno != EINTR)
			return -errno;
	return 0;
}

void device_destroy(struct device *dev)
{
	if (!dev)
		return;
	thr_call(&dev->threads->thr[0], destroy_vfs, dev);
	device_free(dev);
}

void device_abandon(const struct device *dev)
{
	if (dev->fn.socket[0])
		platform_remove_socket(dev->fn.socket);
}
