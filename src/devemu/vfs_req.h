/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One virtio-fs request, from ring to ring: the struct every file of the data path reads or writes.
 *
 * Theory of operation
 *
 * An I/O context owns a slab of requests, reserved when it starts and never unmapped while it lives
 * (applications keep pointers to their user area after completing). A request goes round:
 *
 *   state      who may touch it                 leaves by
 *   FREE       io: free list (LIFO, so the      vq_pop() found a chain
 *              hottest one is reused)
 *   OWNED      the application, between its     ..._req_complete()
 *              handler and ..._complete();
 *              the library reads q, head only
 *   ORPHANED   the application, which does not  ..._req_complete(): nothing is written to
 *              know: queue was reset, host      the guest, the request is only recycled
 *              gone or memory unmapped
 *
 * Taking, decoding and replying happen inside one call. Everything runs on the I/O context's
 * thread; there is no lock and no allocation here, and the one atomic is the count of orphans.
 *
 * Memory: buf[] are the pieces of the chain as doca_bufs. Chains of up to VFS_REQ_INLINE_BUFS - 1
 * segments live in the request; a longer one borrows a block from the context's pool, and waits in
 * the ring while there is none. In order:
 *
 *   generic       buf[] = datain: readable segments | dataout: writable segments
 *   FUSE-typed    buf[] = reply: header and fixed reply | datain: what follows the argument |
 *                 dataout: what follows the fixed reply; a segment on a border is cut in two
 *
 * Geometry (head, len) is the library's; the application may move the data segments only, so the
 * reply's place is found again from it.
 *
 * in:  virtio_io.c vio_take -> vfs_req.c vfs_take, vq_pop -> vfs_fuse.c vfs_fuse_accept, fuse_decode
 *      -> vfs_fuse_call.c -> handler
 * out: complete -> vfs_fuse.c vfs_fuse_reply -> vfs_req.c vfs_req_finish, vq_push
 *      -> virtio_io.c vio_flush, vq_publish, interrupt
 */
#ifndef DEVEMU_VFS_REQ_H
#define DEVEMU_VFS_REQ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/buf.h"
#include "fuse/fuse_msg.h"
#include "virtio/vq.h"

#define VFS_REQ_INLINE_BUFS 20

struct vqueue;
struct doca_devemu_vfs_io;

enum vfs_req_state { VFS_REQ_FREE, VFS_REQ_OWNED, VFS_REQ_ORPHANED };

/* Memory snapshot with the number of requests popped under it; counted without atomics because one
 * queue lives on one thread. Freed when retired by the queue and the count is zero. */
struct gm_ref {
	struct gmem *gm;
	unsigned int inflight;
	bool retired;
};
void gm_ref_free(struct gm_ref *ref); /* virtio_queue.c */
static inline void gm_ref_put(struct gm_ref *ref)
{
	if (--ref->inflight == 0 && unlikely(ref->retired))
		gm_ref_free(ref);
}

struct vfs_req {
	enum vfs_req_state state;
	uint16_t head;
	uint16_t src_domain;
	uint16_t nr_reply; /* bufs before datain; FUSE-typed only */
	uint16_t nr_datain, nr_dataout;
	uint32_t len_datain, len_dataout; /* as handed out */
	uint32_t len_out; /* all writable bytes of the chain */
	struct vqueue *q;
	struct doca_devemu_vfs_io *io;
	struct gm_ref *gm;
	uint64_t id;
	struct doca_buf *buf; /* inline_buf or a borrowed block */
	struct doca_buf *datain; /* list heads handed to the application; NULL when empty */
	struct doca_buf *dataout;
	struct fuse_decoded dec; /* FUSE-typed delivery only */
	struct fuse_stage *stage; /* FUSE-typed delivery only */
	void *user; /* the application's area, 64-aligned, or NULL */
	SLIST_ENTRY(vfs_req) free_link;
	LIST_ENTRY(vfs_req) out_link; /* the queue's requests that are OWNED */
	struct doca_buf inline_buf[VFS_REQ_INLINE_BUFS];
};

/* The two public names of the same thing; which one an I/O context deals in depends on the handlers
 * registered before it started. */
struct doca_devemu_vfs_req {
	struct vfs_req r;
};
struct doca_devemu_vfs_fuse_req {
	struct vfs_req r;
};

#endif
