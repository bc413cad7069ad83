/* SPDX-License-Identifier: BSD-3-Clause */
/* The virtio-fs I/O context: creation, handlers, and what it needs to start. */
#include <assert.h>
#include <stdlib.h>

#include "core/buf.h"
#include "core/log.h"
#include "devemu/vfs.h"

SD_LOG_REGISTER(VFS_IO);

/* What a request consists of can be copied with one task. */
static_assert(BUF_MAX_LIST_LEN >= VQ_MAX_SEGS, "longest list of a request");

/* Requests one context can have out, whatever its queues could hold; more wait in the rings. */
#define VFS_MAX_REQS 16384u

static bool vfs_io_has_typed(const struct doca_devemu_vfs_io *io)
{
	unsigned int i;

	for (i = 0; i < FUSE_OP_LIMIT; i++)
		if (io->fuse_cb[i])
			return true;
	return false;
}

/* Which API this context deals in follows from its handlers. */
static doca_error_t vfs_io_check_handlers(struct doca_devemu_vfs_io *io)
{
	io->is_typed = vfs_io_has_typed(io);
	if (!io->is_typed && !io->req_cb) {
		sd_log_err("an I/O context needs a request handler before it can start");
		return DOCA_ERROR_BAD_CONFIG;
	}
	if (io->is_typed && !io->fuse_cb[FUSE_INIT]) {
		sd_log_err("an I/O context with FUSE handlers needs one for INIT");
		return DOCA_ERROR_BAD_CONFIG;
	}
	return DOCA_SUCCESS;
}

static uint32_t vfs_io_user_size(const struct doca_devemu_vfs_io *io,
				 const struct doca_devemu_vfs_dev *dev)
{
	if (dev->user_size != VFS_USER_SIZE_UNSET)
		return dev->user_size;
	return io->is_typed ? vfs_cfg_fuse_user_size() : vfs_cfg_req_user_size();
}

static doca_error_t vfs_io_start(struct doca_devemu_virtio_io *vio)
{
	struct doca_devemu_vfs_io *io = vfs_io_of(vio);
	struct doca_devemu_vfs_dev *dev = vfs_dev_of(vio->dev);
	uint32_t cnt = (uint32_t)vdev_num_queues(vio->dev) * vdev_queue_size(vio->dev);
	doca_error_t err = vfs_io_check_handlers(io);

	if (err != DOCA_SUCCESS)
		return err;
	io->flag_map = vfs_arch_flag_map(dev->arch);
	return vfs_pool_start(io, min(cnt, VFS_MAX_REQS), vfs_io_user_size(io, dev));
}

doca_error_t doca_devemu_vfs_io_create(struct doca_devemu_vfs_dev *vfs_dev,
				       struct doca_pe *progress_engine,
				       struct doca_devemu_vfs_io **io)
{
	struct doca_devemu_vfs_io *ctx;
	doca_error_t err;

	if (!vfs_dev || !progress_engine || !io)
		return DOCA_ERROR_INVALID_VALUE;
	ctx = calloc(1, sizeof(*ctx));
	if (!ctx)
		return DOCA_ERROR_NO_MEMORY;
	SLIST_INIT(&ctx->free_reqs);
	ctx->vio.take = vfs_take;
	ctx->vio.class_start = vfs_io_start;
	err = vio_init(&ctx->vio, &vfs_dev->virtio, progress_engine);
	if (err != DOCA_SUCCESS) {
		free(ctx);
		return err;
	}
	*io = ctx;
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_vfs_io_destroy(struct doca_devemu_vfs_io *io)
{
	doca_error_t err;

	if (!io)
		return DOCA_ERROR_INVALID_VALUE;
	err = vio_fini(&io->vio);
	if (err != DOCA_SUCCESS)
		return err;
	vfs_pool_fini(io);
	free(io);
	return DOCA_SUCCESS;
}

struct doca_ctx *doca_devemu_vfs_io_as_ctx(struct doca_devemu_vfs_io *io)
{
	return io ? &io->vio.ctx : NULL;
}

struct doca_devemu_virtio_io *doca_devemu_vfs_io_as_virtio_io(struct doca_devemu_vfs_io *io)
{
	return io ? &io->vio : NULL;
}

/* ---- handlers ---- */

doca_error_t vfs_io_set_fuse_handler(struct doca_devemu_vfs_io *io, uint32_t opcode,
				     vfs_fuse_handler handler)
{
	if (!io || !handler)
		return DOCA_ERROR_INVALID_VALUE;
	if (!ctx_is_idle(&io->vio.ctx))
		return DOCA_ERROR_BAD_STATE;
	if (io->req_cb)
		return DOCA_ERROR_NOT_PERMITTED;
	io->fuse_cb[opcode] = handler;
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_vfs_io_event_vfs_req_notice_register(
	struct doca_devemu_vfs_io *io, doca_devemu_vfs_io_event_vfs_req_notice_handler_cb_t handler,
	union doca_data user_data)
{
	if (!io || !handler)
		return DOCA_ERROR_INVALID_VALUE;
	if (!ctx_is_idle(&io->vio.ctx))
		return DOCA_ERROR_BAD_STATE;
	if (vfs_io_has_typed(io))
		return DOCA_ERROR_NOT_PERMITTED;
	io->req_cb = handler;
	io->req_data = user_data;
	return DOCA_SUCCESS;
}

/*
 * Notification requests come on a queue that exists only with VIRTIO_FS_F_NOTIFICATION, which is
 * never offered: these handlers are accepted and never called.
 */
doca_error_t doca_devemu_vfs_io_event_vfs_notification_req_notice_register(
	struct doca_devemu_vfs_io *io,
	doca_devemu_vfs_io_event_vfs_notification_req_notice_handler_cb_t handler,
	union doca_data user_data)
{
	if (!io || !handler)
		return DOCA_ERROR_INVALID_VALUE;
	if (!ctx_is_idle(&io->vio.ctx))
		return DOCA_ERROR_BAD_STATE;
	return vfs_io_has_typed(io) ? DOCA_ERROR_NOT_PERMITTED : DOCA_SUCCESS;
}

doca_error_t doca_devemu_vfs_io_event_vfs_fuse_notification_req_handler_register(
	struct doca_devemu_vfs_io *io,
	doca_devemu_vfs_io_event_vfs_fuse_notification_req_notice_handler_cb_t handler)
{
	if (!io || !handler)
		return DOCA_ERROR_INVALID_VALUE;
	if (!ctx_is_idle(&io->vio.ctx))
		return DOCA_ERROR_BAD_STATE;
	return io->req_cb ? DOCA_ERROR_NOT_PERMITTED : DOCA_SUCCESS;
}
