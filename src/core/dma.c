/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies between bufs.
 *
 * Theory of Operation: submit puts a task at the end of one queue; progress takes the first one,
 * copies on the spot and runs its completion callback, one task per unit. So completions come in
 * submission order always, never from within submit, and the setting for ordered completions has
 * nothing to change. The flush flag neither: nothing is held back.
 *
 * Tasks live in chunks that are allocated when the free list runs dry and kept until the context is
 * destroyed. A pool may be configured for a million tasks and costs only what was once in use.
 *
 * A stop with nothing in flight is done at once, except inside a completion callback of this very
 * context: the callback still has a context to return to, so IDLE is reported by a later progress.
 */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "core/buf.h"
#include "core/dev.h"
#include "core/mmap.h"
#include "core/pe.h"
#include "core/task.h"
#include "doca_dma.h"

#define DMA_MAX_TASKS (1u << 20)
#define DMA_MAX_LEN 0x7fffffffu
#define DMA_CHUNK_TASKS 256

struct doca_dma_task_memcpy {
	struct doca_task task;
	const struct doca_buf *src;
	struct doca_buf *dst;
	struct doca_dma_task_memcpy *next; /* free list or queue */
};

struct dma_chunk {
	struct dma_chunk *next;
	struct doca_dma_task_memcpy tasks[DMA_CHUNK_TASKS];
};

struct doca_dma {
	struct doca_ctx ctx;
	struct doca_dev *dev;
	doca_dma_task_memcpy_completion_cb_t done_cb;
	doca_dma_task_memcpy_completion_cb_t error_cb;
	uint32_t max_tasks; /* 0: not configured */
	uint32_t nr_taken; /* allocated by the user, in flight or not */
	uint32_t nr_inflight;
	bool in_callback;
	struct doca_dma_task_memcpy *free;
	struct dma_chunk *chunks;
	struct doca_dma_task_memcpy *queue;
	struct doca_dma_task_memcpy **queue_tail;
};

static struct doca_dma *to_dma(const struct doca_ctx *ctx)
{
	return container_of(ctx, struct doca_dma, ctx);
}

static struct doca_dma_task_memcpy *to_memcpy(const struct doca_task *task)
{
	return container_of(task, struct doca_dma_task_memcpy, task);
}

/* Copying */

static bool segment_is_valid(const struct doca_buf *buf)
{
	uintptr_t head = (uintptr_t)buf->head, data = (uintptr_t)buf->data;

	return data >= head && buf->data_len <= buf->len && data - head <= buf->len - buf->data_len;
}

static size_t free_room(const struct doca_buf *buf)
{
	return buf->len - (size_t)(buf->data - buf->head) - buf->data_len;
}

static doca_error_t check_src(const struct doca_buf *src, size_t *ret_len)
{
	uint32_t cnt = 0;
	size_t len = 0;

	for (; src; src = src->next) {
		if (++cnt > BUF_MAX_LIST_LEN || !segment_is_valid(src))
			return DOCA_ERROR_INVALID_VALUE;
		if (src->data_len > DMA_MAX_LEN - len)
			return DOCA_ERROR_INVALID_VALUE;
		len += src->data_len;
	}
	*ret_len = len;
	return DOCA_SUCCESS;
}

/* Elements behind the last one that takes bytes are not looked at. */
static doca_error_t check_dst(const struct doca_buf *dst, size_t len)
{
	uint32_t cnt = 0;

	do {
		if (!dst || ++cnt > BUF_MAX_LIST_LEN || !segment_is_valid(dst))
			return DOCA_ERROR_INVALID_VALUE;
		if (!dst->writable)
			return DOCA_ERROR_NOT_PERMITTED;
		len -= min(len, free_room(dst));
		dst = dst->next;
	} while (len);
	return DOCA_SUCCESS;
}

static doca_error_t check_task(const struct doca_dma_task_memcpy *task, size_t *ret_len)
{
	doca_error_t ret;

	if (!task->src || !task->dst)
		return DOCA_ERROR_INVALID_VALUE;
	ret = check_src(task->src, ret_len);
	return ret == DOCA_SUCCESS ? check_dst(task->dst, *ret_len) : ret;
}

/* Where bytes of a buf are for as long as memory is held. */
static void *locate(const struct doca_buf *buf, void *memory, uint8_t *p, size_t *len, bool write)
{
	if (!buf->host)
		return p;
	return buf->host->ops->translate(memory, (uintptr_t)p, *len, write, len);
}

static doca_error_t move_held(const struct doca_buf *dst, void *dst_memory, uint8_t *to,
			      const struct doca_buf *src, void *src_memory, uint8_t *from,
			      size_t len)
{
	while (len) {
		size_t now = len;
		void *d = locate(dst, dst_memory, to, &now, true);
		void *s = d ? locate(src, src_memory, from, &now, false) : NULL;

		if (!s)
			return DOCA_ERROR_IO_FAILED;
		memmove(d, s, now);
		to += now;
		from += now;
		len -= now;
	}
	return DOCA_SUCCESS;
}

/* One or both of them are memory of a host. */
static doca_error_t move_host(const struct doca_buf *dst, uint8_t *to, const struct doca_buf *src,
			      uint8_t *from, size_t len)
{
	void *dst_memory = dst->host ? dst->host->ops->take(dst->host) : NULL;
	void *src_memory = src->host ? src->host->ops->take(src->host) : NULL;
	doca_error_t ret = move_held(dst, dst_memory, to, src, src_memory, from, len);

	if (dst->host)
		dst->host->ops->give_back(dst_memory);
	if (src->host)
		src->host->ops->give_back(src_memory);
	return ret;
}

/* Copies src's segments behind dst's. Both were checked; len > 0 means both have elements left. */
static doca_error_t copy(const struct doca_buf *src, const struct doca_buf *dst, size_t len)
{
	size_t src_off = 0, dst_off = 0;
	doca_error_t ret = DOCA_SUCCESS;

	while (len && ret == DOCA_SUCCESS) {
		size_t room = free_room(dst) - dst_off, left = src->data_len - src_off;
		size_t most = min(room, left), now = min(len, most);
		uint8_t *to = dst->data + dst->data_len + dst_off, *from = src->data + src_off;

		/* Not memcpy: nothing keeps a caller from naming overlapping segments. */
		if (likely(!src->host && !dst->host))
			memmove(to, from, now);
		else
			ret = move_host(dst, to, src, from, now);
		dst_off += now;
		src_off += now;
		len -= now;
		if (now == left) {
			src = src->next;
			src_off = 0;
		}
		if (now == room) {
			dst = dst->next;
			dst_off = 0;
		}
	}
	return ret;
}

/* The bytes are there: dst's segments grow. */
static void append(struct doca_buf *dst, size_t len)
{
	while (len) {
		size_t now = min(len, free_room(dst));

		dst->data_len += now;
		len -= now;
		dst = dst->next;
	}
}

static doca_error_t execute(struct doca_dma_task_memcpy *task)
{
	size_t len;
	doca_error_t ret = check_task(task, &len);

	if (ret == DOCA_SUCCESS)
		ret = copy(task->src, task->dst, len);
	if (ret != DOCA_SUCCESS)
		return ret;
	append(task->dst, len);
	/* What was copied is seen by whoever learns of the completion, in this thread or not. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return DOCA_SUCCESS;
}

/* Context */

static doca_error_t dma_start(struct doca_ctx *ctx)
{
	return to_dma(ctx)->max_tasks ? DOCA_SUCCESS : DOCA_ERROR_BAD_CONFIG;
}

static doca_error_t dma_stop(struct doca_ctx *ctx)
{
	struct doca_dma *dma = to_dma(ctx);

	return dma->queue || dma->in_callback ? DOCA_ERROR_IN_PROGRESS : DOCA_SUCCESS;
}

static struct doca_dma_task_memcpy *dequeue(struct doca_dma *dma)
{
	struct doca_dma_task_memcpy *task = dma->queue;

	dma->queue = task->next;
	if (!dma->queue)
		dma->queue_tail = &dma->queue;
	dma->nr_inflight--;
	return task;
}

static enum ctx_progress dma_progress(struct doca_ctx *ctx)
{
	struct doca_dma *dma = to_dma(ctx);
	doca_dma_task_memcpy_completion_cb_t cb;
	struct doca_dma_task_memcpy *task;

	if (!dma->queue) {
		if (ctx->state != DOCA_CTX_STATE_STOPPING)
			return CTX_NOTHING;
		ctx_set_state(ctx, DOCA_CTX_STATE_IDLE);
		return CTX_EVENT;
	}
	task = dequeue(dma);
	task->task.status = execute(task);
	task->task.submitted = false;
	cb = task->task.status == DOCA_SUCCESS ? dma->done_cb : dma->error_cb;
	dma->in_callback = true;
	cb(task, task->task.user_data, ctx->user_data);
	dma->in_callback = false;
	return CTX_EVENT;
}

static bool dma_arm(struct doca_ctx *ctx)
{
	return to_dma(ctx)->queue || ctx->state == DOCA_CTX_STATE_STOPPING;
}

static size_t dma_num_inflight(const struct doca_ctx *ctx)
{
	return to_dma(ctx)->nr_inflight;
}

static const struct ctx_ops dma_ctx_ops = {
	.name = "dma",
	.start = dma_start,
	.stop = dma_stop,
	.progress = dma_progress,
	.arm = dma_arm,
	.num_inflight = dma_num_inflight,
};

/* Tasks */

static doca_error_t memcpy_submit(struct doca_task *base, uint32_t flags)
{
	struct doca_dma_task_memcpy *task = to_memcpy(base);
	struct doca_dma *dma = to_dma(base->ctx);

	task->next = NULL;
	*dma->queue_tail = task;
	dma->queue_tail = &task->next;
	dma->nr_inflight++;
	pe_wake(dma->ctx.pe);
	return DOCA_SUCCESS;
}

static doca_error_t memcpy_validate(const struct doca_task *base)
{
	size_t len;

	return check_task(to_memcpy(base), &len);
}

static void memcpy_free(struct doca_task *base)
{
	struct doca_dma_task_memcpy *task = to_memcpy(base);
	struct doca_dma *dma = to_dma(base->ctx);

	task->next = dma->free;
	dma->free = task;
	dma->nr_taken--;
}

static const struct task_ops memcpy_ops = {
	.submit = memcpy_submit,
	.validate = memcpy_validate,
	.free = memcpy_free,
};

static bool grow(struct doca_dma *dma)
{
	struct dma_chunk *chunk = calloc(1, sizeof(*chunk));
	int i;

	if (!chunk)
		return false;
	chunk->next = dma->chunks;
	dma->chunks = chunk;
	for (i = DMA_CHUNK_TASKS; i--;) {
		struct doca_dma_task_memcpy *task = &chunk->tasks[i];

		task->task.ops = &memcpy_ops;
		task->task.ctx = &dma->ctx;
		task->next = dma->free;
		dma->free = task;
	}
	return true;
}

doca_error_t doca_dma_task_memcpy_alloc_init(struct doca_dma *dma, const struct doca_buf *src,
					     struct doca_buf *dst, union doca_data user_data,
					     struct doca_dma_task_memcpy **ret_task)
{
	struct doca_dma_task_memcpy *task;

	if (!dma || !ret_task)
		return DOCA_ERROR_INVALID_VALUE;
	if (dma->ctx.state != DOCA_CTX_STATE_RUNNING)
		return DOCA_ERROR_BAD_STATE;
	if (dma->nr_taken >= dma->max_tasks || (!dma->free && !grow(dma)))
		return DOCA_ERROR_NO_MEMORY;

	task = dma->free;
	dma->free = task->next;
	dma->nr_taken++;
	task->src = src;
	task->dst = dst;
	task->task.user_data = user_data;
	task->task.status = DOCA_SUCCESS;
	*ret_task = task;
	return DOCA_SUCCESS;
}

struct doca_task *doca_dma_task_memcpy_as_task(struct doca_dma_task_memcpy *task)
{
	return task ? &task->task : NULL;
}

void doca_dma_task_memcpy_set_src(struct doca_dma_task_memcpy *task, const struct doca_buf *src)
{
	if (task)
		task->src = src;
}

const struct doca_buf *doca_dma_task_memcpy_get_src(const struct doca_dma_task_memcpy *task)
{
	return task ? task->src : NULL;
}

void doca_dma_task_memcpy_set_dst(struct doca_dma_task_memcpy *task, struct doca_buf *dst)
{
	if (task)
		task->dst = dst;
}

struct doca_buf *doca_dma_task_memcpy_get_dst(const struct doca_dma_task_memcpy *task)
{
	return task ? task->dst : NULL;
}

/* Life and configuration */

doca_error_t doca_dma_create(struct doca_dev *dev, struct doca_dma **ret_dma)
{
	struct doca_dma *dma;

	if (!dev || !ret_dma)
		return DOCA_ERROR_INVALID_VALUE;
	dma = calloc(1, sizeof(*dma));
	if (!dma)
		return DOCA_ERROR_NO_MEMORY;
	ctx_init(&dma->ctx, &dma_ctx_ops);
	dma->queue_tail = &dma->queue;
	dma->dev = dev;
	dev_get(dev);
	*ret_dma = dma;
	return DOCA_SUCCESS;
}

doca_error_t doca_dma_destroy(struct doca_dma *dma)
{
	struct dma_chunk *chunk, *next;

	if (!dma)
		return DOCA_ERROR_INVALID_VALUE;
	if (ctx_fini(&dma->ctx) != DOCA_SUCCESS)
		return DOCA_ERROR_BAD_STATE;
	for (chunk = dma->chunks; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	dev_put(dma->dev);
	free(dma);
	return DOCA_SUCCESS;
}

struct doca_ctx *doca_dma_as_ctx(struct doca_dma *dma)
{
	return dma ? &dma->ctx : NULL;
}

doca_error_t doca_dma_task_memcpy_set_conf(struct doca_dma *dma,
					   doca_dma_task_memcpy_completion_cb_t task_completion_cb,
					   doca_dma_task_memcpy_completion_cb_t task_error_cb,
					   uint32_t num_memcpy_tasks)
{
	if (!dma || !task_completion_cb || !task_error_cb || !num_memcpy_tasks ||
	    num_memcpy_tasks > DMA_MAX_TASKS)
		return DOCA_ERROR_INVALID_VALUE;
	if (!ctx_is_idle(&dma->ctx))
		return DOCA_ERROR_BAD_STATE;
	dma->done_cb = task_completion_cb;
	dma->error_cb = task_error_cb;
	dma->max_tasks = num_memcpy_tasks;
	return DOCA_SUCCESS;
}

/* Order is kept either way; the call is refused only where a change could not take effect. */
doca_error_t doca_dma_set_ordered_completions(struct doca_dma *dma, uint8_t ordered)
{
	if (!dma)
		return DOCA_ERROR_INVALID_VALUE;
	return dma->nr_inflight ? DOCA_ERROR_BAD_STATE : DOCA_SUCCESS;
}

doca_error_t doca_dma_get_gpu_handle(struct doca_dma *dma, struct doca_gpu_dma **gpu_dma)
{
	return dma && gpu_dma ? DOCA_ERROR_NOT_SUPPORTED : DOCA_ERROR_INVALID_VALUE;
}

doca_error_t doca_dma_cap_task_memcpy_is_supported(const struct doca_devinfo *devinfo)
{
	return devinfo ? DOCA_SUCCESS : DOCA_ERROR_INVALID_VALUE;
}

doca_error_t doca_dma_cap_get_max_num_tasks(struct doca_dma *dma, uint32_t *max_num_tasks)
{
	if (!dma || !max_num_tasks)
		return DOCA_ERROR_INVALID_VALUE;
	*max_num_tasks = DMA_MAX_TASKS;
	return DOCA_SUCCESS;
}

doca_error_t doca_dma_cap_task_memcpy_get_max_buf_list_len(const struct doca_devinfo *devinfo,
							   uint32_t *max_buf_list_len)
{
	if (!devinfo || !max_buf_list_len)
		return DOCA_ERROR_INVALID_VALUE;
	*max_buf_list_len = BUF_MAX_LIST_LEN;
	return DOCA_SUCCESS;
}

doca_error_t doca_dma_cap_task_memcpy_get_max_buf_size(const struct doca_devinfo *devinfo,
						       uint64_t *buf_size)
{
	if (!devinfo || !buf_size)
		return DOCA_ERROR_INVALID_VALUE;
	*buf_size = DMA_MAX_LEN;
	return DOCA_SUCCESS;
}
