/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/util.h"
#include "fake_ctx.h"

struct fake_ctx *fake_of(struct doca_ctx *ctx)
{
	return container_of(ctx, struct fake_ctx, ctx);
}

static doca_error_t fake_start(struct doca_ctx *ctx)
{
	return fake_of(ctx)->start_ret;
}

static doca_error_t fake_stop(struct doca_ctx *ctx)
{
	return fake_of(ctx)->stop_ret;
}

static enum ctx_progress fake_progress(struct doca_ctx *ctx)
{
	struct fake_ctx *fake = fake_of(ctx);

	fake->nr_visits++;
	if (fake->chores) {
		fake->chores--;
		return CTX_HOUSEKEEPING;
	}
	if (!fake->events)
		return CTX_NOTHING;
	fake->events--;
	fake->nr_events++;
	if (fake->on_event)
		fake->on_event(fake);
	return CTX_EVENT;
}

static bool fake_arm(struct doca_ctx *ctx)
{
	fake_of(ctx)->nr_arms++;
	return fake_of(ctx)->work_at_arm || fake_of(ctx)->events;
}

static void fake_disarm(struct doca_ctx *ctx)
{
	fake_of(ctx)->nr_disarms++;
}

static size_t fake_num_inflight(const struct doca_ctx *ctx)
{
	return container_of(ctx, const struct fake_ctx, ctx)->inflight;
}

static void fake_flush(struct doca_ctx *ctx)
{
	fake_of(ctx)->nr_flushes++;
}

static const struct ctx_ops fake_ops = {
	.name = "fake",
	.start = fake_start,
	.stop = fake_stop,
	.progress = fake_progress,
	.arm = fake_arm,
	.disarm = fake_disarm,
	.num_inflight = fake_num_inflight,
	.flush = fake_flush,
};

void fake_ctx_init(struct fake_ctx *fake)
{
	*fake = (struct fake_ctx){ .start_ret = DOCA_SUCCESS, .stop_ret = DOCA_SUCCESS };
	ctx_init(&fake->ctx, &fake_ops);
}
