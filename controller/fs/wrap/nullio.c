/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * READ and WRITE succeed without touching the file system below; everything else goes to it. This
 * is DOCA_VIRTIOFS_USE_NULL_NFS_FSDEV=1. READ hands out zeros, never what a buffer held before.
 */
#include <string.h>

#include "fs/types.h"
#include "fs/wrap/wrap.h"

static int nullio_open(const struct fs_config *cfg, struct fs **ret_fs, char *err)
{
	return wrap_open_plain(&fs_wrap_nullio, ret_fs);
}

static void nullio_read(struct fs_req *req)
{
	size_t left = min(req->room_len, (size_t)req->read->size);

	req->out_len = left;
	for (int i = 0; i < req->room_cnt && left; i++) {
		size_t n = min(req->room[i].iov_len, left);

		memset(req->room[i].iov_base, 0, n);
		left -= n;
	}
	fs_req_done(req, 0);
}

static void nullio_write(struct fs_req *req)
{
	req->written->size = (uint32_t)min(req->data_len, (size_t)req->write->size);
	fs_req_done(req, 0);
}

const struct fs_ops fs_wrap_nullio = {
	.name = "nullio",
	.open = nullio_open,
	.close = wrap_close_plain,
	.attach = wrap_attach_plain,
	.detach = wrap_detach_plain,
	.op = {
		[FUSE_READ] = nullio_read,
		[FUSE_WRITE] = nullio_write,
	},
};
