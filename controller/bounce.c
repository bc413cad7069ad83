/* SPDX-License-Identifier: BSD-3-Clause */
#include "bounce.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "device.h"
#include "doca_buf.h"
#include "doca_buf_pool.h"
#include "doca_dma.h"
#include "doca_log.h"
#include "doca_mmap.h"
#include "manager.h"
#include "request.h"

DOCA_LOG_REGISTER(VIRTIOFS::BOUNCE);

/* Most requests fit 8 KiB; 128 KiB is Linux' read-ahead; the largest class takes max_write and
 * what a guest may put around it. */
static const struct {
	size_t size;
	size_t count;
} class_def[] = {
	{ 8u << 10, 512 },
	{ 128u << 10, 128 },
	{ (1u << 20) + (64u << 10), 32 },
};

/* In flight per thread at once: at most two copies for each pool buffer. */
#define MAX_DMA_TASKS 2048

struct bounce_class {
	void *memory;
	size_t memory_len;
	struct doca_mmap *mmap;
	struct doca_buf_pool *pool;
};

struct bounce {
	struct bounce_class cls[ARRAY_SIZE(class_def)];
	struct doca_dma *dma;
	STAILQ_HEAD(, creq) waiting;
	bool resuming;
};

/* ---- pools ---- */

static doca_error_t class_start(struct bounce_class *c, size_t count, size_t size)
{
	doca_error_t rc = doca_mmap_create(&c->mmap);

	if (rc == DOCA_SUCCESS)
		rc = doca_mmap_set_memrange(c->mmap, c->memory, c->memory_len);
	if (rc == DOCA_SUCCESS)
		rc = doca_mmap_set_permissions(c->mmap, DOCA_ACCESS_FLAG_LOCAL_READ_WRITE);
	if (rc == DOCA_SUCCESS)
		rc = doca_mmap_add_dev(c->mmap, manager_dev());
	if (rc == DOCA_SUCCESS)
		rc = doca_mmap_start(c->mmap);
	if (rc == DOCA_SUCCESS)
		rc = doca_buf_pool_create(count, size, c->mmap, &c->pool);
	return rc == DOCA_SUCCESS ? doca_buf_pool_start(c->pool) : rc;
}

static int class_create(struct bounce_class *c, size_t count, size_t size)
{
	c->memory_len = count * size;
	c->memory = mmap(NULL, c->memory_len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (c->memory == MAP_FAILED) {
		c->memory = NULL;
		return -ENOMEM;
	}
	return class_start(c, count, size) == DOCA_SUCCESS ? 0 : -EIO;
}

static void class_destroy(struct bounce_class *c)
{
	if (c->pool) {
		doca_buf_pool_stop(c->pool);
		doca_buf_pool_destroy(c->pool);
	}
	if (c->mmap)
		doca_mmap_destroy(c->mmap);
	if (c->memory)
		munmap(c->memory, c->memory_len);
}

/* The smallest class that holds len bytes. NULL: none free. *ret_err tells apart "wait" from
 * "never". */
static struct doca_buf *buf_take(struct bounce *b, size_t len, int *ret_err)
{
	*ret_err = -E2BIG;
	for (size_t i = 0; i < ARRAY_SIZE(class_def); i++) {
		struct doca_buf *buf;

		if (len > class_def[i].size)
			continue;
		*ret_err = -EAGAIN;
		if (doca_buf_pool_buf_alloc(b->cls[i].pool, &buf) == DOCA_SUCCESS)
			return buf;
	}
	return NULL;
}

/* ---- DMA ---- */

static void copied_in(struct creq *r, bool ok)
{
	if (ok)
		req_submit(r);
	else
		req_complete(r, -EIO);
}

static void on_copied(struct doca_dma_task_memcpy *task, union doca_data task_data,
		      union doca_data ctx_data)
{
	struct doca_task *base = doca_dma_task_memcpy_as_task(task);
	bool ok = doca_task_get_status(base) == DOCA_SUCCESS;
	struct creq *r = task_data.ptr;
	bool inbound = doca_dma_task_memcpy_get_dst(task) == r->bounce_in;

	doca_task_free(base);
	if (inbound)
		copied_in(r, ok);
	else
		req_complete(r, ok ? 0 : -EIO);
}

static int copy(struct creq *r, struct doca_buf *src, struct doca_buf *dst)
{
	struct doca_dma *dma = r->dio->bounce->dma;
	union doca_data self = { .ptr = r };
	struct doca_dma_task_memcpy *task;

	if (doca_dma_task_memcpy_alloc_init(dma, src, dst, self, &task) != DOCA_SUCCESS)
		return -ENOMEM;
	if (doca_task_submit(doca_dma_task_memcpy_as_task(task)) == DOCA_SUCCESS)
		return 0;
	doca_task_free(doca_dma_task_memcpy_as_task(task));
	return -EIO;
}

/* DMA appends behind a destination's data: the guest's descriptors start empty. */
static void empty_list(struct doca_buf *buf)
{
	for (; buf; ) {
		doca_buf_reset_data_len(buf);
		if (doca_buf_get_next_in_list(buf, &buf) != DOCA_SUCCESS)
			break;
	}
}

/* ---- requests ---- */

static struct iovec buf_as_iov(struct doca_buf *buf, size_t len)
{
	struct iovec iov = { .iov_len = len };

	doca_buf_get_head(buf, &iov.iov_base);
	return iov;
}

static int take_buffers(struct creq *r, size_t in_len, size_t out_len)
{
	struct bounce *b = r->dio->bounce;
	int err;

	if (in_len && !r->bounce_in) {
		r->bounce_in = buf_take(b, in_len, &err);
		if (!r->bounce_in)
			return err;
	}
	if (out_len && !r->bounce_out) {
		r->bounce_out = buf_take(b, out_len, &err);
		if (!r->bounce_out)
			return err;
	}
	return 0;
}

static void drop_buffers(struct creq *r)
{
	if (r->bounce_in)
		doca_buf_dec_refcount(r->bounce_in, NULL);
	if (r->bounce_out)
		doca_buf_dec_refcount(r->bounce_out, NULL);
	r->bounce_in = r->bounce_out = NULL;
}

/* Room bigger than the largest buffer is filled partly, which every operation with room allows. */
static size_t room_wanted(struct creq *r)
{
	size_t most = class_def[ARRAY_SIZE(class_def) - 1].size;

	if (!r->dataout)
		return 0;
	return min((size_t)doca_devemu_vfs_fuse_req_get_dataout_data_len(r->dreq), most);
}

/* -EAGAIN: wait; other errors: the request's result. */
static int start_now(struct creq *r)
{
	size_t in_len = r->datain ? doca_devemu_vfs_fuse_req_get_datain_data_len(r->dreq) : 0;
	size_t out_len = room_wanted(r);
	int rc = take_buffers(r, in_len, out_len);

	if (rc) {
		drop_buffers(r); /* held while waiting they could lock up the other waiters */
		return rc;
	}
	if (out_len) {
		r->inline_iov[1] = buf_as_iov(r->bounce_out, out_len);
		r->fs.room = &r->inline_iov[1];
		r->fs.room_cnt = 1;
		r->fs.room_len = out_len;
	}
	if (!in_len) {
		req_submit(r);
		return 0;
	}
	r->inline_iov[0] = buf_as_iov(r->bounce_in, in_len);
	r->fs.data = &r->inline_iov[0];
	r->fs.data_cnt = 1;
	r->fs.data_len = in_len;
	return copy(r, r->datain, r->bounce_in);
}

void bounce_start(struct creq *r)
{
	struct bounce *b = r->dio->bounce;
	int rc = STAILQ_EMPTY(&b->waiting) ? start_now(r) : -EAGAIN;

	if (rc == -EAGAIN)
		STAILQ_INSERT_TAIL(&b->waiting, r, wait_link);
	else if (rc)
		req_complete(r, rc);
}

void bounce_copy_out(struct creq *r)
{
	void *head;

	doca_buf_get_head(r->bounce_out, &head);
	doca_buf_set_data(r->bounce_out, head, r->fs.out_len);
	empty_list(r->dataout);
	if (copy(r, r->bounce_out, r->dataout))
		req_complete(r, -EIO);
}

/* Completing one of them may release more buffers: only the outermost call walks the list. */
static void resume_waiting(struct bounce *b)
{
	struct creq *r;

	if (b->resuming)
		return;
	b->resuming = true;
	while ((r = STAILQ_FIRST(&b->waiting))) {
		int rc;

		STAILQ_REMOVE_HEAD(&b->waiting, wait_link);
		rc = start_now(r);
		if (rc == -EAGAIN) {
			STAILQ_INSERT_HEAD(&b->waiting, r, wait_link);
			break;
		}
		if (rc)
			req_complete(r, rc);
	}
	b->resuming = false;
}

void bounce_release(struct creq *r)
{
	struct bounce *b = r->dio->bounce;

	drop_buffers(r);
	if (!STAILQ_EMPTY(&b->waiting))
		resume_waiting(b);
}

/* ---- the set ---- */

static doca_error_t dma_start(struct bounce *b, struct doca_pe *pe)
{
	doca_error_t rc = doca_dma_create(manager_dev(), &b->dma);

	if (rc == DOCA_SUCCESS)
		rc = doca_pe_connect_ctx(pe, doca_dma_as_ctx(b->dma));
	if (rc == DOCA_SUCCESS)
		rc = doca_dma_task_memcpy_set_conf(b->dma, on_copied, on_copied, MAX_DMA_TASKS);
	return rc == DOCA_SUCCESS ? doca_ctx_start(doca_dma_as_ctx(b->dma)) : rc;
}

int bounce_create(struct doca_pe *pe, struct bounce **ret_bounce)
{
	struct bounce *b = calloc(1, sizeof(*b));
	int rc = 0;

	if (!b)
		return -ENOMEM;
	STAILQ_INIT(&b->waiting);
	for (size_t i = 0; !rc && i < ARRAY_SIZE(class_def); i++)
		rc = class_create(&b->cls[i], class_def[i].count, class_def[i].size);
	if (!rc && dma_start(b, pe) != DOCA_SUCCESS)
		rc = -EIO;
	if (rc) {
		DOCA_LOG_ERR("bounce buffers cannot be set up");
		bounce_destroy(b);
		return rc;
	}
	*ret_bounce = b;
	return 0;
}

void bounce_destroy(struct bounce *b)
{
	if (!b)
		return;
	if (b->dma) {
		doca_ctx_stop(doca_dma_as_ctx(b->dma));
		doca_dma_destroy(b->dma);
	}
	for (size_t i = 0; i < ARRAY_SIZE(class_def); i++)
		class_destroy(&b->cls[i]);
	free(b);
}
