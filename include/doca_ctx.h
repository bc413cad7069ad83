/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A context is an object with a state machine, tasks and events, driven by one progress engine.
 * Concrete objects (DMA, emulated devices, I/O contexts) offer an as_ctx view, which lives as long
 * as the object.
 *
 *    IDLE -> STARTING -> RUNNING -> STOPPING -> IDLE
 *
 * start and stop either finish at once (DOCA_SUCCESS) or continue in doca_pe_progress()
 * (DOCA_ERROR_IN_PROGRESS, which is no failure); every transition is reported to the state
 * callback. Configuration is possible while IDLE only. A context belongs to the thread that drives
 * its engine.
 */
#ifndef DOCA_CTX_H
#define DOCA_CTX_H

#include <stddef.h>
#include <stdint.h>

#include "doca_error.h"
#include "doca_types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct doca_ctx;
struct doca_gpu; /* never created by this library */
struct doca_dpa; /* see doca_dpa.h */
struct doca_devinfo;

enum doca_ctx_states {
	DOCA_CTX_STATE_IDLE = 0,	/* to be configured */
	DOCA_CTX_STATE_STARTING = 1,	/* doca_pe_progress() finishes the start */
	DOCA_CTX_STATE_RUNNING = 2,	/* tasks and events flow */
	DOCA_CTX_STATE_STOPPING = 3, /* doca_pe_progress() finishes or flushes what is in flight */
};

/*
 * Told of every transition, after it took place, from within start, stop or progress. May start,
 * stop and, in IDLE, destroy the context.
 */
typedef void (*doca_ctx_state_changed_callback_t)(const union doca_data user_data,
		struct doca_ctx *ctx, enum doca_ctx_states prev_state,
		enum doca_ctx_states next_state);

/*
 * Leaves IDLE. SUCCESS: now RUNNING. IN_PROGRESS: now STARTING, progress does the rest. Any other
 * result leaves the context IDLE. NOT_CONNECTED: no progress engine. BAD_STATE: not IDLE.
 */
DOCA_STABLE doca_error_t doca_ctx_start(struct doca_ctx *ctx);

/*
 * Goes towards IDLE, from STARTING as well. SUCCESS: now IDLE. IN_PROGRESS: now STOPPING; the
 * caller gives back what it owns and calls progress until the callback reports IDLE. Configuration
 * and engine are kept, and the context can be started again. BAD_STATE: IDLE or STOPPING.
 */
DOCA_STABLE doca_error_t doca_ctx_stop(struct doca_ctx *ctx);

DOCA_STABLE doca_error_t doca_ctx_get_state(const struct doca_ctx *ctx,
		enum doca_ctx_states *state);

/* The cookie that callbacks of this context get: the one set when they are called. Any state. */
DOCA_STABLE doca_error_t doca_ctx_set_user_data(struct doca_ctx *ctx, union doca_data user_data);
DOCA_STABLE doca_error_t doca_ctx_get_user_data(const struct doca_ctx *ctx,
		union doca_data *user_data);

/* One callback; the last one set is called, NULL sets none. Any state. */
DOCA_STABLE doca_error_t doca_ctx_set_state_changed_cb(struct doca_ctx *ctx,
		doca_ctx_state_changed_callback_t cb);

/* Tasks submitted whose completion callback has not run yet. */
DOCA_STABLE doca_error_t doca_ctx_get_num_inflight_tasks(const struct doca_ctx *ctx,
		size_t *num_inflight_tasks);

/* Pushes out tasks submitted without DOCA_TASK_SUBMIT_FLAG_FLUSH. */
DOCA_STABLE void doca_ctx_flush_tasks(struct doca_ctx *ctx);

/* Interrupt affinity: accepted while IDLE, without effect. */
DOCA_STABLE doca_error_t doca_ctx_set_completion_vector(struct doca_ctx *ctx, uint32_t comp_vector);
DOCA_STABLE doca_error_t doca_ctx_cap_get_num_completion_vectors(const struct doca_devinfo *devinfo,
		uint32_t *num_comp_vectors);

/* NOT_SUPPORTED: there are no such data paths here. */
DOCA_STABLE doca_error_t doca_ctx_set_datapath_on_gpu(struct doca_ctx *ctx,
		struct doca_gpu *gpu_dev);
DOCA_STABLE doca_error_t doca_ctx_set_datapath_on_dpa(struct doca_ctx *ctx,
		struct doca_dpa *dpa_dev);

#ifdef __cplusplus
}
#endif

#endif
