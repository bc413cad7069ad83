/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tasks, independent of their type. A task belongs to the user except between a successful submit
 * and its completion callback; `submitted` tells which, so that misuse is refused instead of
 * corrupting a queue. There is no batch type: nothing can create a doca_task_batch.
 */
#include "core/log.h"
#include "core/task.h"

SD_LOG_REGISTER(TASK);

#define TASK_SUBMIT_FLAGS (DOCA_TASK_SUBMIT_FLAG_FLUSH | DOCA_TASK_SUBMIT_FLAG_OPTIMIZE_REPORTS)

doca_error_t doca_task_submit_ex(struct doca_task *task, uint32_t flags)
{
	doca_error_t ret;

	if (!task || flags & ~(uint32_t)TASK_SUBMIT_FLAGS)
		return DOCA_ERROR_INVALID_VALUE;
	if (task->submitted || task->ctx->state != DOCA_CTX_STATE_RUNNING)
		return DOCA_ERROR_BAD_STATE;
	/* Set first: once the type has the task, it is not ours to write to. */
	task->submitted = true;
	ret = task->ops->submit(task, flags);
	if (ret != DOCA_SUCCESS)
		task->submitted = false;
	return ret;
}

doca_error_t doca_task_submit(struct doca_task *task)
{
	return doca_task_submit_ex(task, DOCA_TASK_SUBMIT_FLAG_FLUSH);
}

doca_error_t doca_task_try_submit(struct doca_task *task)
{
	if (!task)
		return DOCA_ERROR_INVALID_VALUE;
	if (!task->submitted && task->ops->validate(task) != DOCA_SUCCESS)
		return DOCA_ERROR_INVALID_VALUE;
	return doca_task_submit(task);
}

void doca_task_free(struct doca_task *task)
{
	if (!task || task->submitted) {
		sd_log_ratelimited_warn("doca_task_free() of %s task ignored",
					task ? "a submitted" : "no");
		return;
	}
	task->ops->free(task);
}

doca_error_t doca_task_get_status(const struct doca_task *task)
{
	return task ? task->status : DOCA_ERROR_INVALID_VALUE;
}

void doca_task_set_user_data(struct doca_task *task, union doca_data user_data)
{
	if (task)
		task->user_data = user_data;
}

union doca_data doca_task_get_user_data(const struct doca_task *task)
{
	return task ? task->user_data : (union doca_data){ 0 };
}

struct doca_ctx *doca_task_get_ctx(const struct doca_task *task)
{
	return task ? task->ctx : NULL;
}

doca_error_t doca_task_batch_submit(struct doca_task_batch *task_batch)
{
	return DOCA_ERROR_NOT_SUPPORTED;
}

doca_error_t doca_task_batch_try_submit(struct doca_task_batch *task_batch)
{
	return DOCA_ERROR_NOT_SUPPORTED;
}

doca_error_t doca_task_batch_get_status(const struct doca_task_batch *task_batch)
{
	return DOCA_ERROR_NOT_SUPPORTED;
}

void doca_task_batch_free(struct doca_task_batch *task_batch)
{
}

void doca_task_batch_set_user_data(struct doca_task_batch *task_batch, union doca_data user_data)
{
}

union doca_data doca_task_batch_get_user_data(const struct doca_task_batch *task_batch)
{
	return (union doca_data){ 0 };
}

union doca_data doca_task_batch_get_ctx_user_data(const struct doca_task_batch *task_batch)
{
	return (union doca_data){ 0 };
}

struct doca_ctx *doca_task_batch_get_ctx(const struct doca_task_batch *task_batch)
{
	return NULL;
}

uint16_t doca_task_batch_get_tasks_num(struct doca_task_batch *task_batch)
{
	return 0;
}
