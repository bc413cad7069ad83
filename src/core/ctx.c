/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state machine every context embeds.
 *
 * Theory of Operation: doca_ctx_start() and doca_ctx_stop() ask the context's type what the
 * transition needs. "Done" moves straight to the final state, "in progress" to the transitional
 * one, and the type finishes from its progress() by calling ctx_set_state(). The variable changes
 * before the user hears of it, and nothing here touches a context after its callback ran: the
 * callback may have restarted or destroyed it.
 *
 * Whatever changes outside doca_pe_progress() also wakes an engine that was armed before, since the
 * context was not asked to arm its own sources of work at that time.
 */
#include <unistd.h>

#include "core/api.h"
#include "core/ctx.h"
#include "core/pe.h"

void ctx_init(struct doca_ctx *ctx, const struct ctx_ops *ops)
{
	*ctx = (struct doca_ctx){ .ops = ops, .state = DOCA_CTX_STATE_IDLE };
}

doca_error_t ctx_fini(struct doca_ctx *ctx)
{
	if (!ctx_is_idle(ctx))
		return DOCA_ERROR_BAD_STATE;
	if (ctx->pe)
		pe_detach_ctx(ctx->pe, ctx);
	return DOCA_SUCCESS;
}

void ctx_set_state(struct doca_ctx *ctx, enum doca_ctx_states next)
{
	enum doca_ctx_states prev = ctx->state;

	ctx->state = next;
	if (ctx->state_cb)
		ctx->state_cb(ctx->user_data, ctx, prev, next);
}

doca_error_t doca_ctx_start(struct doca_ctx *ctx)
{
	doca_error_t ret;

	if (!ctx)
		return DOCA_ERROR_INVALID_VALUE;
	if (!ctx->pe)
		return DOCA_ERROR_NOT_CONNECTED;
	if (!ctx_is_idle(ctx))
		return DOCA_ERROR_BAD_STATE;

	ret = ctx->ops->start(ctx);
	if (ret != DOCA_SUCCESS && ret != DOCA_ERROR_IN_PROGRESS)
		return ret;
	pe_wake(ctx->pe);
	ctx_set_state(ctx, ret == DOCA_SUCCESS ? DOCA_CTX_STATE_RUNNING : DOCA_CTX_STATE_STARTING);
	return ret;
}

doca_error_t doca_ctx_stop(struct doca_ctx *ctx)
{
	doca_error_t ret;

	if (!ctx)
		return DOCA_ERROR_INVALID_VALUE;
	if (ctx_is_idle(ctx) || ctx->state == DOCA_CTX_STATE_STOPPING)
		return DOCA_ERROR_BAD_STATE;

	ret = ctx->ops->stop(ctx);
	if (ret != DOCA_SUCCESS && ret != DOCA_ERROR_IN_PROGRESS)
		return ret;
	pe_wake(ctx->pe);
	ctx_set_state(ctx, ret == DOCA_SUCCESS ? DOCA_CTX_STATE_IDLE : DOCA_CTX_STATE_STOPPING);
	return ret;
}

API_GETTER(doca_ctx_get_num_inflight_tasks, const struct doca_ctx, size_t,
	   o->ops->num_inflight ? o->ops->num_inflight(o) : 0)

doca_error_t doca_ctx_set_user_data(struct doca_ctx *ctx, union doca_data user_data)
{
	if (!ctx)
		return DOCA_ERROR_INVALID_VALUE;
	ctx->user_data = user_data;
	return DOCA_SUCCESS;
}

API_GETTER(doca_ctx_get_user_data, const struct doca_ctx, union doca_data, o->user_data)

doca_error_t doca_ctx_set_state_changed_cb(struct doca_ctx *ctx,
					   doca_ctx_state_changed_callback_t cb)
{
	if (!ctx)
		return DOCA_ERROR_INVALID_VALUE;
	ctx->state_cb = cb;
	return DOCA_SUCCESS;
}

API_GETTER(doca_ctx_get_state, const struct doca_ctx, enum doca_ctx_states, o->state)

void doca_ctx_flush_tasks(struct doca_ctx *ctx)
{
	if (ctx && ctx->ops->flush)
		ctx->ops->flush(ctx);
}

doca_error_t doca_ctx_set_datapath_on_gpu(struct doca_ctx *ctx, struct doca_gpu *gpu_dev)
{
	return ctx && gpu_dev ? DOCA_ERROR_NOT_SUPPORTED : DOCA_ERROR_INVALID_VALUE;
}

doca_error_t doca_ctx_set_datapath_on_dpa(struct doca_ctx *ctx, struct doca_dpa *dpa_dev)
{
	return ctx && dpa_dev ? DOCA_ERROR_NOT_SUPPORTED : DOCA_ERROR_INVALID_VALUE;
}

/* There are no interrupts to steer: every vector that exists is as good as another. */
doca_error_t doca_ctx_set_completion_vector(struct doca_ctx *ctx, uint32_t comp_vector)
{
	if (!ctx || comp_vector >= (uint32_t)sysconf(_SC_NPROCESSORS_ONLN))
		return DOCA_ERROR_INVALID_VALUE;
	return ctx_is_idle(ctx) ? DOCA_SUCCESS : DOCA_ERROR_BAD_STATE;
}

API_GETTER(doca_ctx_cap_get_num_completion_vectors, const struct doca_devinfo, uint32_t,
	   (uint32_t)sysconf(_SC_NPROCESSORS_ONLN))
