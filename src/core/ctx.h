/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doca_ctx inside the library: the state machine every context embeds.
 *
 * A context type (dma, vfs device, vfs I/O) embeds a struct doca_ctx and supplies a struct ctx_ops.
 * ctx.c owns the state variable; the type asks for transitions through ctx_set_state(). Everything
 * here runs on the thread that currently drives the context's engine (or, before RUNNING, on the
 * thread that configures it): nothing is thread-safe except pe_post().
 */
#ifndef CORE_CTX_H
#define CORE_CTX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "doca_ctx.h"
#include "doca_error.h"
#include "doca_types.h"

struct doca_pe;

/* What one call of ctx_ops.progress() did. */
enum ctx_progress {
	CTX_NOTHING = 0, /* no work was waiting */
	CTX_EVENT = 1, /* a user-visible unit: a handler, completion or state callback ran */
	CTX_HOUSEKEEPING = 2, /* internal work only: must not make doca_pe_progress() return 1 */
};

struct ctx_ops {
	const char *name;
	/*
	 * start: DOCA_SUCCESS (RUNNING now), DOCA_ERROR_IN_PROGRESS (STARTING; the type calls
	 * ctx_set_state(RUNNING) later from progress), or an error (stays IDLE).
	 * stop: DOCA_SUCCESS (IDLE now) or DOCA_ERROR_IN_PROGRESS (STOPPING; IDLE later from
	 * progress); also called in STARTING.
	 */
	doca_error_t (*start)(struct doca_ctx *ctx);
	doca_error_t (*stop)(struct doca_ctx *ctx);
	/* Does at most one user-visible unit. Called in every state except IDLE. */
	enum ctx_progress (*progress)(struct doca_ctx *ctx);
	/*
	 * The engine is about to sleep: publish what is pending, ask the sources of work to signal
	 * (ring notifications on, ...) and look once more. true = work is waiting already. NULL =
	 * nothing to do.
	 */
	bool (*arm)(struct doca_ctx *ctx);
	/* The engine is awake again: notifications may go off. NULL = nothing to do. */
	void (*disarm)(struct doca_ctx *ctx);
	/* Tasks submitted and not yet reported. NULL = always 0. */
	size_t (*num_inflight)(const struct doca_ctx *ctx);
	/* doca_ctx_flush_tasks(). NULL = nothing to do. */
	void (*flush)(struct doca_ctx *ctx);
	/* Connected at creation: doca_pe_connect_ctx() answers NOT_PERMITTED. */
	bool pe_fixed;
};

struct doca_ctx {
	const struct ctx_ops *ops;
	struct doca_pe *pe; /* NULL until connected; for life afterwards */
	enum doca_ctx_states state;
	doca_ctx_state_changed_callback_t state_cb;
	union doca_data user_data;
	const bool *busy; /* NULL, or the type's word whether progress() has anything to do */
	TAILQ_ENTRY(doca_ctx) pe_link;
};

void ctx_init(struct doca_ctx *ctx, const struct ctx_ops *ops);
/* Disconnects from the engine. DOCA_ERROR_BAD_STATE unless IDLE; the memory is the caller's. */
doca_error_t ctx_fini(struct doca_ctx *ctx);

/*
 * Changes the state, then runs the user's callback. The callback may start, stop or destroy the
 * very context: callers must not touch *ctx afterwards unless they know better.
 */
void ctx_set_state(struct doca_ctx *ctx, enum doca_ctx_states next);

static inline bool ctx_is_idle(const struct doca_ctx *ctx)
{
	return ctx->state == DOCA_CTX_STATE_IDLE;
}

#endif
