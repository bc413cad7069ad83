/* SPDX-License-Identifier: BSD-3-Clause */
/* A scripted context type for tests of the engine and the state machine. */
#ifndef FAKE_CTX_H
#define FAKE_CTX_H

#include "core/ctx.h"

struct fake_ctx {
	struct doca_ctx ctx;
	/* script */
	doca_error_t start_ret;
	doca_error_t stop_ret;
	unsigned int events; /* units left: progress() answers CTX_EVENT */
	unsigned int chores; /* housekeeping left: answered before units */
	void (*on_event)(struct fake_ctx *fake); /* runs inside a unit; may destroy the context */
	bool work_at_arm; /* answer of arm() when nothing else is waiting */
	size_t inflight;
	/* record */
	unsigned int nr_events, nr_visits, nr_arms, nr_disarms, nr_flushes;
};

void fake_ctx_init(struct fake_ctx *fake);
struct fake_ctx *fake_of(struct doca_ctx *ctx);

#endif
