/* SPDX-License-Identifier: BSD-3-Clause */
/* Between struct nfs_call and libnfs' argument and result structs; one row per procedure. */
#ifndef FS_NFS_LIBNFS_CODEC_H
#define FS_NFS_LIBNFS_CODEC_H

#include "client.h"

struct rpc_context;

/* libnfs' rpc_cb. */
typedef void codec_cb(struct rpc_context *rpc, int status, void *data, void *call);

/* Room for the payload of a WRITE whose segments are not contiguous: libnfs takes one buffer. */
struct codec_scratch {
	char *buf;
	size_t size;
};

/* Queues the call in libnfs. 0, or -errno: not queued. */
int codec_send(struct rpc_context *rpc, struct nfs_call *call, struct codec_scratch *scratch,
	       codec_cb *cb);
/*
 * Reads a successful RPC's result: the NFS status as a negative errno, or -EAGAIN (JUKEBOX). Copies READ data
 * into call->iov and runs call->entry. Everything is judged for size: the server is not trusted.
 */
int codec_result(struct nfs_call *call, void *data, struct nfs_result *ret_res);

#endif
