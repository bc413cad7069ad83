/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests: their memory, taking them from the ring, giving them back. Theory of operation:
 * vfs_req.h.
 *
 * The slab is reserved address space: a record costs memory from its first use on, and since the
 * free list is LIFO only as many are ever touched as were in flight at once. Records lie at a
 * fixed stride:
 *
 *   struct vfs_req | fuse_stage (FUSE-typed contexts) | user area
 *
 * Records never used come by number (slab->fresh), so that starting does not touch them either.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/log.h"
#include "devemu/vfs.h"

SD_LOG_REGISTER(VFS_REQ);

/* Kept for hiprio: an INTERRUPT may be what the requests holding all the others wait for. */
#define VFS_HIPRIO_RESERVE 64

/* A block holds any chain; this many long chains (more than 19 segments) may be out per context. */
#define VFS_NR_BLOCKS 256
#define VFS_BLOCK_BYTES ((VQ_MAX_SEGS + 1) * sizeof(struct doca_buf))

struct vfs_block {
	struct vfs_block *next;
};

/* ---- memory ---- */

static void *reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static struct vfs_slab *vfs_slab_create(uint32_t cnt, bool staged, uint32_t user_size)
{
	struct vfs_slab *slab = calloc(1, sizeof(*slab));
	size_t stride = ALIGN_UP(sizeof(struct vfs_req), (size_t)64);

	if (!slab)
		return NULL;
	slab->cnt = cnt;
	if (staged) {
		slab->stage_offset = (uint32_t)stride;
		stride = ALIGN_UP(stride + sizeof(struct fuse_stage), (size_t)64);
	}
	slab->user_size = user_size;
	if (user_size) {
		slab->user_offset = (uint32_t)stride;
		stride = ALIGN_UP(stride + user_size, (size_t)64);
	}
	slab->stride = stride;
	slab->bytes = stride * cnt;
	slab->base = reserve(slab->bytes);
	if (!slab->base) {
		free(slab);
		return NULL;
	}
	return slab;
}

static bool vfs_slab_fits(const struct vfs_slab *slab, uint32_t cnt, bool staged,
			  uint32_t user_size)
{
	return slab && slab->cnt >= cnt && !slab->stage_offset == !staged &&
	       slab->user_size == user_size;
}

doca_error_t vfs_pool_start(struct doca_devemu_vfs_io *io, uint32_t cnt, uint32_t user_size)
{
	struct vfs_slab *slab;

	if (!io->blocks)
		io->blocks = reserve(VFS_NR_BLOCKS * VFS_BLOCK_BYTES);
	if (!io->blocks)
		return DOCA_ERROR_NO_MEMORY;
	cnt += VFS_HIPRIO_RESERVE;
	if (vfs_slab_fits(io->slab, cnt, io->is_typed, user_size))
		return DOCA_SUCCESS;
	slab = vfs_slab_create(cnt, io->is_typed, user_size);
	if (!slab)
		return DOCA_ERROR_NO_MEMORY;
	slab->older = io->slab;
	io->slab = slab;
	SLIST_INIT(&io->free_reqs);
	io->nr_free = cnt;
	return DOCA_SUCCESS;
}

void vfs_pool_fini(struct doca_devemu_vfs_io *io)
{
	while (io->slab) {
		struct vfs_slab *slab = io->slab;

		io->slab = slab->older;
		munmap(slab->base, slab->bytes);
		free(slab);
	}
	if (io->blocks)
		munmap(io->blocks, VFS_NR_BLOCKS * VFS_BLOCK_BYTES);
	io->blocks = NULL;
}

static struct vfs_req *vfs_req_fresh(struct doca_devemu_vfs_io *io)
{
	struct vfs_slab *slab = io->slab;
	uint8_t *base = slab->base + slab->fresh++ * slab->stride;
	struct vfs_req *r = (void *)base;

	r->io = io;
	r->stage = slab->stage_offset ? (void *)(base + slab->stage_offset) : NULL;
	r->user = slab->user_offset ? base + slab->user_offset : NULL;
	return r;
}

static struct vfs_req *vfs_req_get(struct doca_devemu_vfs_io *io)
{
	struct vfs_req *r = SLIST_FIRST(&io->free_reqs);

	io->nr_free--;
	if (unlikely(!r))
		return vfs_req_fresh(io);
	SLIST_REMOVE_HEAD(&io->free_reqs, free_link);
	return r;
}

static bool vfs_block_get(struct doca_devemu_vfs_io *io, struct vfs_req *r)
{
	struct vfs_block *block = io->free_blocks;

	if (block)
		io->free_blocks = block->next;
	else if (io->blocks_fresh < VFS_NR_BLOCKS)
		block = (void *)(io->blocks + io->blocks_fresh++ * VFS_BLOCK_BYTES);
	r->buf = (void *)block;
	return block;
}

static void vfs_req_put(struct vfs_req *r)
{
	struct doca_devemu_vfs_io *io = r->io;

	r->state = VFS_REQ_FREE;
	if (unlikely(r->buf != r->inline_buf)) {
		struct vfs_block *block = (void *)r->buf;

		block->next = io->free_blocks;
		io->free_blocks = block;
	}
	SLIST_INSERT_HEAD(&io->free_reqs, r, free_link);
	io->nr_free++;
}

/* ---- from the ring ---- */

static enum vio_taken vfs_deliver_generic(struct doca_devemu_vfs_io *io, struct vfs_req *r,
					  const struct vq_chain *ch)
{
	r->nr_reply = 0;
	r->nr_datain = ch->nr_in;
	r->nr_dataout = ch->nr_out;
	r->len_datain = ch->len_in;
	r->len_dataout = ch->len_out;
	buf_list_init_fixed(r->buf, io->seg, ch->nr_in, false);
	buf_list_init_fixed(r->buf + ch->nr_in, io->seg + ch->nr_in, ch->nr_out, true);
	r->datain = ch->nr_in ? r->buf : NULL;
	r->dataout = ch->nr_out ? r->buf + ch->nr_in : NULL;
	io->req_cb((struct doca_devemu_vfs_req *)r, r->user, io->req_data);
	return VIO_DELIVERED;
}

/* Room in the request for this chain, or back into the ring with it. */
static bool vfs_find_room(struct doca_devemu_vfs_io *io, struct vfs_req *r,
			  const struct vq_chain *ch)
{
	r->buf = r->inline_buf;
	if (likely((unsigned int)ch->nr_in + ch->nr_out < VFS_REQ_INLINE_BUFS))
		return true;
	if (vfs_block_get(io, r))
		return true;
	vq_unpop(&r->q->vq, ch);
	r->buf = r->inline_buf;
	vfs_req_put(r);
	return false;
}

static void vfs_req_own(struct vfs_req *r, const struct vq_chain *ch)
{
	struct vqueue *q = r->q;

	r->state = VFS_REQ_OWNED;
	r->head = ch->head;
	r->id = ch->counter;
	r->len_out = ch->len_out;
	r->src_domain = q->src_domain;
	r->gm = q->gm;
	q->gm->inflight++;
	LIST_INSERT_HEAD(&q->owned, r, out_link);
	r->io->vio.nr_out++;
}

enum vio_taken vfs_take(struct doca_devemu_virtio_io *vio, struct vqueue *q)
{
	struct doca_devemu_vfs_io *io = vfs_io_of(vio);
	struct vfs_req *r;
	struct vq_chain ch;
	int rc;

	if (unlikely(io->nr_free <= (q->index ? VFS_HIPRIO_RESERVE : 0)))
		return VIO_STARVED;
	vq_prefetch(&q->vq);
	rc = vq_pop(&q->vq, io->seg, VQ_MAX_SEGS, &ch);
	if (rc <= 0) {
		if (unlikely(rc))
			vqueue_set_broken(q);
		return VIO_EMPTY;
	}
	r = vfs_req_get(io);
	r->q = q;
	if (unlikely(!vfs_find_room(io, r, &ch)))
		return VIO_STARVED;
	vfs_req_own(r, &ch);
	return io->is_typed ? vfs_fuse_accept(io, r, &ch) : vfs_deliver_generic(io, r, &ch);
}

/* ---- back to the ring ---- */

/* The last orphan may be what a reset waits for. */
static void vfs_orphan_gone(struct vqueue *q)
{
	if (__atomic_sub_fetch(&q->dev->nr_orphans, 1, __ATOMIC_ACQ_REL) == 0)
		mailbox_post(q->dev->box);
}

unsigned int vfs_req_orphan_all(struct vqueue *q)
{
	unsigned int cnt = 0;

	while (!LIST_EMPTY(&q->owned)) {
		struct vfs_req *r = LIST_FIRST(&q->owned);

		LIST_REMOVE(r, out_link);
		r->state = VFS_REQ_ORPHANED;
		cnt++;
	}
	return cnt;
}

void vfs_req_finish(struct vfs_req *r, uint32_t len)
{
	struct vqueue *q = r->q;

	r->io->vio.nr_out--;
	r->io->vio.nr_finished++;
	gm_ref_put(r->gm);
	if (likely(r->state == VFS_REQ_OWNED)) {
		LIST_REMOVE(r, out_link);
		vq_push(&q->vq, r->head, len);
		vio_pushed(&r->io->vio, q);
		vfs_req_put(r);
	} else {
		pe_wake(r->io->vio.ctx.pe); /* a context that stops may have waited for it */
		vfs_req_put(r);
		vfs_orphan_gone(q);
	}
}

bool vfs_req_is_not_out(void)
{
	sd_log_err("a request was used after its completion");
	return false;
}

/* ---- generic API ---- */

void doca_devemu_vfs_req_complete(struct doca_devemu_vfs_req *req, uint32_t len)
{
	struct vfs_req *r = (struct vfs_req *)req;

	if (!vfs_req_is_out(r))
		return;
	if (unlikely(len > r->len_out)) {
		sd_log_ratelimited_warn("request completed with %u bytes, it has room for %u", len,
					r->len_out);
		len = r->len_out;
	}
	vfs_req_finish(r, len);
}

/* The getters of both request types, and of their buffers. */
#define REQ_GETTER(type, name, ret, field) \
	ret doca_devemu_##type##_get_##name(struct doca_devemu_##type *req) \
	{ \
		const struct vfs_req *r = (const struct vfs_req *)req; \
\
		return vfs_req_is_out(r) ? r->field : 0; \
	}

REQ_GETTER(vfs_req, datain, struct doca_buf *, datain)
REQ_GETTER(vfs_req, dataout, struct doca_buf *, dataout)
REQ_GETTER(vfs_req, datain_list_len, uint32_t, nr_datain)
REQ_GETTER(vfs_req, datain_data_len, uint32_t, len_datain)
REQ_GETTER(vfs_req, dataout_list_len, uint32_t, nr_dataout)
REQ_GETTER(vfs_req, dataout_data_len, uint32_t, len_dataout)
REQ_GETTER(vfs_req, id, uint64_t, id)
REQ_GETTER(vfs_req, src_domain_id, uint16_t, src_domain)

REQ_GETTER(vfs_fuse_req, vfs_io, struct doca_devemu_vfs_io *, io)
REQ_GETTER(vfs_fuse_req, datain_list_len, uint32_t, nr_datain)
REQ_GETTER(vfs_fuse_req, datain_data_len, uint32_t, len_datain)
REQ_GETTER(vfs_fuse_req, dataout_list_len, uint32_t, nr_dataout)
REQ_GETTER(vfs_fuse_req, dataout_data_len, uint32_t, len_dataout)
REQ_GETTER(vfs_fuse_req, id, uint64_t, id)
REQ_GETTER(vfs_fuse_req, src_domain_id, uint16_t, src_domain)

/* ---- notification requests: the feature is never offered, so none is ever delivered ---- */

void doca_devemu_vfs_notification_req_complete(struct doca_devemu_vfs_notification_req *req,
					       uint32_t len)
{
	sd_log_err("there are no notification requests to complete");
}

#define NOTIFICATION_GETTER(name, ret) \
	ret doca_devemu_vfs_notification_req_get_##name( \
		struct doca_devemu_vfs_notification_req *req) \
	{ \
		return 0; \
	}

NOTIFICATION_GETTER(dataout, struct doca_buf *)
NOTIFICATION_GETTER(dataout_list_len, uint32_t)
NOTIFICATION_GETTER(dataout_data_len, uint32_t)
NOTIFICATION_GETTER(id, uint64_t)
NOTIFICATION_GETTER(src_domain_id, uint16_t)
