/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FUSE_INIT. Only what both sides can do is agreed on: the guest's offer and fs->init_flags.
 * Nothing is claimed that the file system does not honour.
 */
#include <errno.h>

#include "fs/fs_init.h"

/* A full send queue is the guest's to manage; these are the kernel's own upper bounds. */
#define MAX_BACKGROUND 65535
#define CONGESTION_THRESHOLD (MAX_BACKGROUND * 3 / 4)

static uint64_t offered_flags(const struct fuse_init_in *in)
{
	uint64_t flags = in->flags;

	if (in->flags & FUSE_INIT_EXT)
		flags |= (uint64_t)in->flags2 << 32;
	return flags;
}

int fs_init_session(struct fs_req *req)
{
	const struct fuse_init_in *in = req->init;
	struct fuse_init_out *out = req->inited;
	struct fs *fs = req->ft->fs;
	uint64_t agreed;

	if (in->major < FUSE_KERNEL_VERSION)
		return -EPROTO;
	out->major = FUSE_KERNEL_VERSION;
	out->minor = FUSE_KERNEL_MINOR_VERSION;
	if (in->major > FUSE_KERNEL_VERSION)
		return 0; /* the guest sends INIT again with our version */

	fs_reset(fs);
	agreed = offered_flags(in) & (fs->init_flags | FUSE_INIT_EXT | FUSE_MAX_PAGES |
				      FUSE_BIG_WRITES);
	for (struct fs *f = fs; f; f = f->lower)
		f->session_flags = agreed;
	out->max_readahead = in->max_readahead;
	out->flags = (uint32_t)agreed;
	out->flags2 = (uint32_t)(agreed >> 32);
	out->max_background = MAX_BACKGROUND;
	out->congestion_threshold = CONGESTION_THRESHOLD;
	out->max_write = fs->max_io;
	out->time_gran = 1;
	out->max_pages = (uint16_t)(fs->max_io / 4096);
	return 0;
}
