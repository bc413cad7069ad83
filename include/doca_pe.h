/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A progress engine runs the callbacks of the contexts connected to it, on the thread that calls
 * doca_pe_progress(). It can be polled, or slept on through its notification handle. Tasks are
 * units of work given to a context: allocated by the user, owned by the library from submit until
 * their completion callback. An engine, its contexts and its tasks are used by one thread at a
 * time.
 */
#ifndef DOCA_PE_H
#define DOCA_PE_H

#include <stdint.h>
#include <stdlib.h>

#include "doca_compat.h"
#include "doca_error.h"
#include "doca_types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct doca_pe;
struct doca_ctx;
struct doca_task;	/* what every type of task can be seen as */
struct doca_task_batch; /* no type of task comes in batches here */

/* Codes of batch sizes. */
enum doca_task_batch_max_tasks_number {
	DOCA_TASK_BATCH_MAX_TASKS_NUMBER_16 = 0,
	DOCA_TASK_BATCH_MAX_TASKS_NUMBER_32 = 1,
	DOCA_TASK_BATCH_MAX_TASKS_NUMBER_64 = 2,
	DOCA_TASK_BATCH_MAX_TASKS_NUMBER_128 = 3,
};

enum doca_event_batch_events_number {
	DOCA_EVENT_BATCH_EVENTS_NUMBER_1 = 0,
	DOCA_EVENT_BATCH_EVENTS_NUMBER_2 = 1,
	DOCA_EVENT_BATCH_EVENTS_NUMBER_4 = 2,
	DOCA_EVENT_BATCH_EVENTS_NUMBER_8 = 3,
	DOCA_EVENT_BATCH_EVENTS_NUMBER_16 = 4,
	DOCA_EVENT_BATCH_EVENTS_NUMBER_32 = 5,
	DOCA_EVENT_BATCH_EVENTS_NUMBER_64 = 6,
	DOCA_EVENT_BATCH_EVENTS_NUMBER_128 = 7,
};

/* Flags of doca_task_submit_ex(). */
enum doca_task_submit_flag {
	DOCA_TASK_SUBMIT_FLAG_NONE = 0,			/* may wait for a flush */
	/* now, with all that waits; what doca_task_submit() does */
	DOCA_TASK_SUBMIT_FLAG_FLUSH = 1,
	/* its completion may be reported with a later one */
	DOCA_TASK_SUBMIT_FLAG_OPTIMIZE_REPORTS = 2,
};

enum doca_pe_event_mode {
	DOCA_PE_EVENT_MODE_PROGRESS_SELECTIVE = 0,	/* default: a wake-up has to be cleared */
	DOCA_PE_EVENT_MODE_PROGRESS_ALL = 1,		/* the next request clears it */
};

/* Completion of a task; typed tasks have a signature of their own. The user owns the task again. */
typedef void (*doca_task_completion_cb_t)(struct doca_task *task, union doca_data task_user_data,
		union doca_data ctx_user_data);

/* --- engine --- */

/* Creates an engine without contexts. IN_USE: destroying one that has any. */
DOCA_STABLE doca_error_t doca_pe_create(struct doca_pe **pe);
DOCA_STABLE doca_error_t doca_pe_destroy(struct doca_pe *pe);

/*
 * Gives an IDLE context to the engine, until the context is destroyed. Contexts whose create call
 * takes an engine are connected by it. NOT_PERMITTED: connected already. BAD_STATE: not IDLE.
 */
DOCA_STABLE doca_error_t doca_pe_connect_ctx(struct doca_pe *pe, struct doca_ctx *ctx);

/*
 * Does at most one unit of work: runs the callback of one completion, event or state change, and
 * returns 1; 0 when nothing was pending. Contexts take turns. Not from within a callback.
 */
DOCA_STABLE uint8_t doca_pe_progress(struct doca_pe *pe);

/*
 * To sleep: request_notification arms the handle, a descriptor owned by the engine; wait until it
 * is readable; clear_notification; progress until it returns 0; arm again. Work that arrived
 * before arming makes the handle readable at once. The handle argument of clear is not looked at.
 */
DOCA_STABLE doca_error_t doca_pe_get_notification_handle(const struct doca_pe *pe,
		doca_notification_handle_t *handle);
DOCA_STABLE doca_error_t doca_pe_request_notification(struct doca_pe *pe);
DOCA_STABLE doca_error_t doca_pe_clear_notification(struct doca_pe *pe,
		doca_notification_handle_t handle);

/* Any time, but not from within a callback. */
DOCA_STABLE doca_error_t doca_pe_set_event_mode(struct doca_pe *pe,
		enum doca_pe_event_mode event_mode);

/* Sum over the contexts. */
DOCA_STABLE doca_error_t doca_pe_get_num_inflight_tasks(const struct doca_pe *pe,
		size_t *num_inflight_tasks);

/* --- tasks --- */

/*
 * Gives a task to its context. Arguments are not checked: a bad one shows up as error completion.
 * After a failure the task still belongs to the user. AGAIN: no room now. BAD_STATE: the context is
 * not RUNNING.
 */
DOCA_STABLE doca_error_t doca_task_submit(struct doca_task *task);
DOCA_STABLE doca_error_t doca_task_submit_ex(struct doca_task *task, uint32_t flags);

/* The same with a check of the arguments first: INVALID_VALUE. */
DOCA_STABLE doca_error_t doca_task_try_submit(struct doca_task *task);

/*
 * Returns a task to its context, which becomes IDLE only when it has all of them. The user must own
 * it, as in its completion callback.
 */
DOCA_STABLE void doca_task_free(struct doca_task *task);

/* Result of a completed task. */
DOCA_STABLE doca_error_t doca_task_get_status(const struct doca_task *task);

/* The cookie of one task, given to its completion callback. */
DOCA_STABLE void doca_task_set_user_data(struct doca_task *task, union doca_data user_data);
DOCA_STABLE union doca_data doca_task_get_user_data(const struct doca_task *task);

DOCA_STABLE struct doca_ctx *doca_task_get_ctx(const struct doca_task *task);

/* Batches: none can exist, so that submitting is NOT_SUPPORTED and the getters return nothing. */
DOCA_STABLE doca_error_t doca_task_batch_submit(struct doca_task_batch *task_batch);
DOCA_STABLE doca_error_t doca_task_batch_try_submit(struct doca_task_batch *task_batch);
DOCA_STABLE void doca_task_batch_free(struct doca_task_batch *task_batch);
DOCA_STABLE doca_error_t doca_task_batch_get_status(const struct doca_task_batch *task_batch);
DOCA_STABLE void doca_task_batch_set_user_data(struct doca_task_batch *task_batch,
		union doca_data user_data);
DOCA_STABLE union doca_data doca_task_batch_get_user_data(const struct doca_task_batch *task_batch);
DOCA_STABLE struct doca_ctx *doca_task_batch_get_ctx(const struct doca_task_batch *task_batch);
DOCA_STABLE union doca_data doca_task_batch_get_ctx_user_data(
		const struct doca_task_batch *task_batch);
DOCA_STABLE uint16_t doca_task_batch_get_tasks_num(struct doca_task_batch *task_batch);

#ifdef __cplusplus
}
#endif

#endif
