/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Read-only view: every operation that changes something answers EROFS, as a read-only mount does.
 * Operations not named here go to the file system below.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fs/types.h"
#include "fs/wrap/wrap.h"

static int ro_open_fs(const struct fs_config *cfg, struct fs **ret_fs, char *err)
{
	return wrap_open_plain(&fs_wrap_readonly, ret_fs);
}

static void ro_refuse(struct fs_req *req)
{
	fs_req_done(req, -EROFS);
}

static void ro_open(struct fs_req *req)
{
	if ((req->open->flags & O_ACCMODE) != O_RDONLY || (req->open->flags & O_TRUNC))
		fs_req_done(req, -EROFS);
	else
		fs_submit_lower(req, NULL, 0);
}

static void ro_access(struct fs_req *req)
{
	if (req->access->mask & W_OK)
		fs_req_done(req, -EROFS);
	else
		fs_submit_lower(req, NULL, 0);
}

/* Those that only fetch something say so in their number. */
static void ro_ioctl(struct fs_req *req)
{
	if (_IOC_DIR(req->ioctl->cmd) == _IOC_READ)
		fs_submit_lower(req, NULL, 0);
	else
		fs_req_done(req, -EROFS);
}

const struct fs_ops fs_wrap_readonly = {
	.name = "readonly",
	.open = ro_open_fs,
	.close = wrap_close_plain,
	.attach = wrap_attach_plain,
	.detach = wrap_detach_plain,
	.op = {
		[FUSE_OPEN] = ro_open,
		[FUSE_ACCESS] = ro_access,
		[FUSE_SETATTR] = ro_refuse,
		[FUSE_SYMLINK] = ro_refuse,
		[FUSE_MKNOD] = ro_refuse,
		[FUSE_MKDIR] = ro_refuse,
		[FUSE_UNLINK] = ro_refuse,
		[FUSE_RMDIR] = ro_refuse,
		[FUSE_RENAME] = ro_refuse,
		[FUSE_RENAME2] = ro_refuse,
		[FUSE_LINK] = ro_refuse,
		[FUSE_WRITE] = ro_refuse,
		[FUSE_SETXATTR] = ro_refuse,
		[FUSE_REMOVEXATTR] = ro_refuse,
		[FUSE_CREATE] = ro_refuse,
		[FUSE_FALLOCATE] = ro_refuse,
		[FUSE_COPY_FILE_RANGE] = ro_refuse,
		[FUSE_COPY_FILE_RANGE_64] = ro_refuse,
		[FUSE_TMPFILE] = ro_refuse,
		[FUSE_IOCTL] = ro_ioctl,
	},
};
