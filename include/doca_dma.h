/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies between buffers, as tasks. The source is the data segments of a list in order; bytes are
 * appended behind the data segment of the destination, whose length grows by what was copied.
 * Completions never arrive from within submit.
 */
#ifndef DOCA_DMA_H
#define DOCA_DMA_H

#include <inttypes.h>

#include "doca_compat.h"
#include "doca_error.h"
#include "doca_types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct doca_buf;
struct doca_ctx;
struct doca_dev;
struct doca_devinfo;
struct doca_dma;
struct doca_dma_task_memcpy;
struct doca_gpu_dma; /* never created by this library */
struct doca_task;

/* Completion of a copy, successful or not. The user owns the task again. */
typedef void (*doca_dma_task_memcpy_completion_cb_t)(struct doca_dma_task_memcpy *task,
		union doca_data task_user_data, union doca_data ctx_user_data);

/*
 * Connect an engine and set the task configuration before start.
 * Destroying: BAD_STATE unless IDLE.
 */
DOCA_STABLE doca_error_t doca_dma_create(struct doca_dev *dev, struct doca_dma **dma);
DOCA_STABLE doca_error_t doca_dma_destroy(struct doca_dma *dma);

/* View as a context, valid as long as the object. NULL for NULL. */
DOCA_STABLE struct doca_ctx *doca_dma_as_ctx(struct doca_dma *dma);

/* SUCCESS: the device can copy. */
DOCA_STABLE doca_error_t doca_dma_cap_task_memcpy_is_supported(const struct doca_devinfo *devinfo);

/* Most tasks of one context, most elements of a list and most bytes of a task. */
DOCA_STABLE doca_error_t doca_dma_cap_get_max_num_tasks(struct doca_dma *dma,
		uint32_t *max_num_tasks);
DOCA_STABLE doca_error_t doca_dma_cap_task_memcpy_get_max_buf_list_len(
		const struct doca_devinfo *devinfo, uint32_t *max_buf_list_len);
DOCA_STABLE doca_error_t doca_dma_cap_task_memcpy_get_max_buf_size(
		const struct doca_devinfo *devinfo, uint64_t *buf_size);

/*
 * Callbacks for success and error, and the number of tasks. Mandatory; while IDLE (BAD_STATE).
 * INVALID_VALUE: a callback is missing, or the number is not 1 to the maximum.
 */
DOCA_STABLE doca_error_t doca_dma_task_memcpy_set_conf(struct doca_dma *dma,
		doca_dma_task_memcpy_completion_cb_t task_completion_cb,
		doca_dma_task_memcpy_completion_cb_t task_error_cb, uint32_t num_memcpy_tasks);

/*
 * Non-zero: completions come in the order of submission.
 * BAD_STATE: tasks are in flight.
 */
DOCA_STABLE doca_error_t doca_dma_set_ordered_completions(struct doca_dma *dma, uint8_t ordered);

/*
 * Takes a task from the pool and fills it. Source and destination may be inner elements of lists;
 * they must not be touched between submit and completion. NO_MEMORY: all tasks are out.
 * BAD_STATE: not RUNNING.
 *
 * A copy that does not fit behind the data of the destination completes with INVALID_VALUE and
 * writes nothing; one from or to memory that has gone, with IO_FAILED.
 */
DOCA_STABLE doca_error_t doca_dma_task_memcpy_alloc_init(struct doca_dma *dma,
		const struct doca_buf *src, struct doca_buf *dst, union doca_data user_data,
		struct doca_dma_task_memcpy **task);

/* View as a task, for doca_task_submit() and the like. */
DOCA_STABLE struct doca_task *doca_dma_task_memcpy_as_task(struct doca_dma_task_memcpy *task);

/* While the user owns the task. */
DOCA_STABLE void doca_dma_task_memcpy_set_src(struct doca_dma_task_memcpy *task,
		const struct doca_buf *src);
DOCA_STABLE const struct doca_buf *doca_dma_task_memcpy_get_src(
		const struct doca_dma_task_memcpy *task);
DOCA_STABLE void doca_dma_task_memcpy_set_dst(struct doca_dma_task_memcpy *task,
		struct doca_buf *dst);
DOCA_STABLE struct doca_buf *doca_dma_task_memcpy_get_dst(const struct doca_dma_task_memcpy *task);

/* NOT_SUPPORTED. */
DOCA_STABLE doca_error_t doca_dma_get_gpu_handle(struct doca_dma *dma,
		struct doca_gpu_dma **gpu_dma);

#ifdef __cplusplus
}
#endif

#endif
