/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data path of the controller: from a FUSE-typed request of the library to a file system
 * request, and back.
 *
 * Everything runs on the I/O thread of the request's context. A struct creq is the user area of the
 * library's request object: nothing is allocated per request. States of a creq:
 *
 *   handler -> [COPY_IN: datain on its way to a bounce buffer] -> SUBMITTED (the file system's) ->
 *   [COPY_OUT: reply bytes on their way to the guest] -> completed
 *
 * The bracketed ones exist with --data-path=dma only. In direct mode data and room are the guest's
 * own segments.
 */
#ifndef CONTROLLER_REQUEST_H
#define CONTROLLER_REQUEST_H

#include <stddef.h>
#include <sys/queue.h>

#include "doca_devemu_vfs.h"
#include "doca_devemu_vfs_io.h"
#include "fs/fs.h"

#define REQ_INLINE_IOV 20

/* Segments of data and room together: the library's own bound on a chain (1040), rounded up. */
#define REQ_MAX_IOV 1056

/* An array for requests with more segments; a free list per thread, grown when first needed. */
struct iov_block {
	SLIST_ENTRY(iov_block) link;
	struct iovec iov[REQ_MAX_IOV];
};

struct creq {
	struct fs_req fs;
	struct doca_devemu_vfs_fuse_req *dreq;
	struct dio *dio;
	struct fuse_out_header *out; /* NULL: no reply */
	struct doca_buf *datain, *dataout;
	struct doca_buf *bounce_in, *bounce_out; /* dma mode */
	STAILQ_ENTRY(creq) wait_link; /* dma mode: waiting for a bounce buffer */
	const char *names; /* staged behind the argument, direct mode */
	uint64_t begin_ns; /* 0: not timed */
	struct fuse_rename2_in rename_arg; /* RENAME as RENAME2 */
	uint32_t reply_size; /* fixed reply structs */
	uint16_t iov_used, block_used;
	uint8_t nr_names;
	struct iov_block *block; /* NULL: inline_iov */
	struct iovec inline_iov[REQ_INLINE_IOV];
	char fs_ctx[] __attribute__((aligned(64)));
};

/* Size of the user area to ask the library for. */
size_t creq_size(void);

/* Registers every handler of handlers.def. */
doca_error_t req_register_handlers(struct doca_devemu_vfs_io *io);

/* The file system's half: parses names, then fs_submit(). data/room as given by the data path. */
void req_submit(struct creq *r);
/* Ends the request towards the library. err: 0 or -errno. */
void req_complete(struct creq *r, int err);

#endif
