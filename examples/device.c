/* SPDX-License-Identifier: BSD-3-Clause */
#include "device.h"

#include <stdio.h>

#include <doca_devemu_virtio.h>

/* A reset by the driver: requests are answered at once or by a copy under way, nothing is kept. */
static void on_reset(struct doca_devemu_virtio_dev *virtio, union doca_data user_data)
{
	struct device *d = user_data.ptr;

	(void)virtio;
	MUST(doca_ctx_stop(doca_devemu_vfs_dev_as_ctx(d->vfs)));
	MUST(doca_ctx_stop(doca_devemu_vfs_io_as_ctx(d->io)));
}

static void on_flr(struct doca_devemu_pci_dev *pci, union doca_data user_data)
{
	(void)pci;
	on_reset(NULL, user_data);
}

/* The device has stopped, and it was not us: the answer to a reset is a fresh start. */
static void on_state(const union doca_data user_data, struct doca_ctx *ctx,
		     enum doca_ctx_states prev_state, enum doca_ctx_states next_state)
{
	struct device *d = user_data.ptr;

	(void)prev_state;
	if (next_state != DOCA_CTX_STATE_IDLE || stopping)
		return;
	MUST(doca_ctx_start(doca_devemu_vfs_io_as_ctx(d->io)));
	MUST(doca_ctx_start(ctx));
}

void device_open(struct device *d, const char *tag)
{
	struct doca_devemu_virtio_dev *virtio;
	union doca_data data = {.ptr = d};
	struct doca_ctx *ctx;

	begin();
	MUST(doca_pe_create(&d->pe));
	d->dev = open_manager(NULL);
	MUST(doca_devemu_vfs_find_default_vfs_type_by_dev(d->dev, &d->type));
	d->rep = open_function(doca_devemu_vfs_type_as_pci_type(d->type), NULL);
	MUST(doca_devemu_vfs_dev_create(d->type, d->rep, d->pe, &d->vfs));
	MUST(doca_devemu_vfs_dev_set_tag(d->vfs, tag));
	MUST(doca_devemu_vfs_dev_set_num_request_queues(d->vfs, 1));
	virtio = doca_devemu_vfs_dev_as_virtio_dev(d->vfs);
	MUST(doca_devemu_virtio_dev_set_num_queues(virtio, 2)); /* and the one for hiprio */
	MUST(doca_devemu_virtio_dev_set_num_required_running_virtio_io_ctxs(virtio, 1));
	MUST(doca_devemu_virtio_dev_event_reset_register(virtio, on_reset, data));
	MUST(doca_devemu_pci_dev_event_flr_register(doca_devemu_vfs_dev_as_pci_dev(d->vfs), on_flr,
						    data));
	ctx = doca_devemu_vfs_dev_as_ctx(d->vfs);
	MUST(doca_ctx_set_user_data(ctx, data));
	MUST(doca_ctx_set_state_changed_cb(ctx, on_state));
	MUST(doca_devemu_vfs_io_create(d->vfs, d->pe, &d->io));
}

void device_serve(struct device *d)
{
	struct doca_ctx *dev = doca_devemu_vfs_dev_as_ctx(d->vfs);
	struct doca_ctx *io = doca_devemu_vfs_io_as_ctx(d->io);
	enum doca_ctx_states state;

	MUST(doca_ctx_start(dev));
	MUST(doca_ctx_start(io));
	progress_until_state(d->pe, dev, DOCA_CTX_STATE_RUNNING);
	printf("serving; Ctrl-C ends\n");
	fflush(stdout);
	while (!stopping)
		progress_or_sleep(d->pe);
	MUST(doca_ctx_get_state(dev, &state));
	if (state != DOCA_CTX_STATE_STOPPING && state != DOCA_CTX_STATE_IDLE)
		MUST(doca_ctx_stop(dev));
	MUST(doca_ctx_get_state(io, &state));
	if (state != DOCA_CTX_STATE_STOPPING && state != DOCA_CTX_STATE_IDLE)
		MUST(doca_ctx_stop(io));
	progress_until_state(d->pe, io, DOCA_CTX_STATE_IDLE);
	progress_until_state(d->pe, dev, DOCA_CTX_STATE_IDLE);
}

void device_close(struct device *d)
{
	MUST(doca_devemu_vfs_io_destroy(d->io));
	MUST(doca_devemu_vfs_dev_destroy(d->vfs));
	MUST(doca_dev_rep_close(d->rep));
	MUST(doca_dev_close(d->dev));
	MUST(doca_pe_destroy(d->pe));
}
