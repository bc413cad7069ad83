/* SPDX-License-Identifier: BSD-3-Clause */
/* The context state machine: every transition, every documented error, callbacks that act. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/util.h"
#include "doca_pe.h"
#include "fake_ctx.h"

#define assert_doca(call, expected) assert_int_equal((call), (expected))
#define assert_ok(call) assert_doca(call, DOCA_SUCCESS)

static struct record {
	unsigned int cnt;
	struct {
		enum doca_ctx_states prev, next, seen;
		uint64_t cookie;
	} at[16];
	void (*act)(struct doca_ctx *ctx, enum doca_ctx_states prev, enum doca_ctx_states next);
} record;

static void on_state(const union doca_data user_data, struct doca_ctx *ctx,
		     enum doca_ctx_states prev, enum doca_ctx_states next)
{
	assert_true(record.cnt < ARRAY_SIZE(record.at));
	record.at[record.cnt].prev = prev;
	record.at[record.cnt].next = next;
	record.at[record.cnt].cookie = user_data.u64;
	assert_ok(doca_ctx_get_state(ctx, &record.at[record.cnt].seen));
	record.cnt++;
	if (record.act)
		record.act(ctx, prev, next);
}

static void assert_moved(unsigned int i, enum doca_ctx_states prev, enum doca_ctx_states next)
{
	assert_true(i < record.cnt);
	assert_int_equal(record.at[i].prev, prev);
	assert_int_equal(record.at[i].next, next);
	assert_int_equal(record.at[i].seen, next);
}

static struct fake_ctx *setup(struct doca_pe **pe)
{
	struct fake_ctx *fake = malloc(sizeof(*fake));

	assert_non_null(fake);
	record = (struct record){ 0 };
	fake_ctx_init(fake);
	assert_ok(doca_pe_create(pe));
	assert_ok(doca_pe_connect_ctx(*pe, &fake->ctx));
	assert_ok(doca_ctx_set_state_changed_cb(&fake->ctx, on_state));
	return fake;
}

static void teardown(struct doca_pe *pe, struct fake_ctx *fake)
{
	if (fake)
		assert_ok(ctx_fini(&fake->ctx));
	free(fake);
	assert_ok(doca_pe_destroy(pe));
}

static void test_bad_arguments(void **state)
{
	union doca_data data = { .u64 = 1 };
	enum doca_ctx_states now;
	struct fake_ctx fake;
	size_t cnt;

	fake_ctx_init(&fake);
	assert_doca(doca_ctx_start(NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_ctx_stop(NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_ctx_get_state(NULL, &now), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_ctx_get_state(&fake.ctx, NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_ctx_set_user_data(NULL, data), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_ctx_get_user_data(&fake.ctx, NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_ctx_set_state_changed_cb(NULL, on_state), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_ctx_get_num_inflight_tasks(&fake.ctx, NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_ctx_get_num_inflight_tasks(NULL, &cnt), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_ctx_set_datapath_on_gpu(&fake.ctx, (struct doca_gpu *)&fake),
		    DOCA_ERROR_NOT_SUPPORTED);
	assert_doca(doca_ctx_set_datapath_on_dpa(&fake.ctx, (struct doca_dpa *)&fake),
		    DOCA_ERROR_NOT_SUPPORTED);
	assert_doca(doca_ctx_set_completion_vector(&fake.ctx, UINT32_MAX),
		    DOCA_ERROR_INVALID_VALUE);
	assert_ok(doca_ctx_set_completion_vector(&fake.ctx, 0));
	doca_ctx_flush_tasks(NULL);
}

static void test_start_needs_an_engine(void **state)
{
	struct fake_ctx fake;

	fake_ctx_init(&fake);
	assert_doca(doca_ctx_start(&fake.ctx), DOCA_ERROR_NOT_CONNECTED);
	assert_doca(doca_ctx_stop(&fake.ctx), DOCA_ERROR_BAD_STATE);
}

static void test_synchronous(void **state)
{
	union doca_data data = { .u64 = 42 }, got;
	struct doca_pe *pe;
	struct fake_ctx *fake = setup(&pe);

	assert_ok(doca_ctx_set_user_data(&fake->ctx, data));
	assert_ok(doca_ctx_start(&fake->ctx));
	assert_moved(0, DOCA_CTX_STATE_IDLE, DOCA_CTX_STATE_RUNNING);
	assert_int_equal(record.at[0].cookie, 42);
	assert_doca(doca_ctx_start(&fake->ctx), DOCA_ERROR_BAD_STATE);
	assert_doca(ctx_fini(&fake->ctx), DOCA_ERROR_BAD_STATE);
	assert_doca(doca_ctx_set_completion_vector(&fake->ctx, 0), DOCA_ERROR_BAD_STATE);

	data.u64 = 43; /* the cookie may change at any time; callbacks get the current one */
	assert_ok(doca_ctx_set_user_data(&fake->ctx, data));
	assert_ok(doca_ctx_get_user_data(&fake->ctx, &got));
	assert_int_equal(got.u64, 43);
	assert_ok(doca_ctx_stop(&fake->ctx));
	assert_moved(1, DOCA_CTX_STATE_RUNNING, DOCA_CTX_STATE_IDLE);
	assert_int_equal(record.at[1].cookie, 43);
	assert_doca(doca_ctx_stop(&fake->ctx), DOCA_ERROR_BAD_STATE);

	assert_ok(doca_ctx_start(&fake->ctx)); /* a stopped context may be started again */
	assert_ok(doca_ctx_stop(&fake->ctx));
	assert_int_equal(record.cnt, 4);
	teardown(pe, fake);
}

static void test_asynchronous(void **state)
{
	struct doca_pe *pe;
	struct fake_ctx *fake = setup(&pe);

	fake->start_ret = fake->stop_ret = DOCA_ERROR_IN_PROGRESS;
	assert_doca(doca_ctx_start(&fake->ctx), DOCA_ERROR_IN_PROGRESS);
	assert_moved(0, DOCA_CTX_STATE_IDLE, DOCA_CTX_STATE_STARTING);
	assert_doca(doca_ctx_start(&fake->ctx), DOCA_ERROR_BAD_STATE);
	ctx_set_state(&fake->ctx, DOCA_CTX_STATE_RUNNING);
	assert_moved(1, DOCA_CTX_STATE_STARTING, DOCA_CTX_STATE_RUNNING);

	assert_doca(doca_ctx_stop(&fake->ctx), DOCA_ERROR_IN_PROGRESS);
	assert_moved(2, DOCA_CTX_STATE_RUNNING, DOCA_CTX_STATE_STOPPING);
	assert_doca(doca_ctx_stop(&fake->ctx), DOCA_ERROR_BAD_STATE);
	assert_doca(doca_ctx_start(&fake->ctx), DOCA_ERROR_BAD_STATE);
	ctx_set_state(&fake->ctx, DOCA_CTX_STATE_IDLE);
	assert_moved(3, DOCA_CTX_STATE_STOPPING, DOCA_CTX_STATE_IDLE);
	teardown(pe, fake);
}

static void test_stop_while_starting(void **state)
{
	struct doca_pe *pe;
	struct fake_ctx *fake = setup(&pe);

	fake->start_ret = DOCA_ERROR_IN_PROGRESS;
	assert_doca(doca_ctx_start(&fake->ctx), DOCA_ERROR_IN_PROGRESS);
	assert_ok(doca_ctx_stop(&fake->ctx));
	assert_moved(1, DOCA_CTX_STATE_STARTING, DOCA_CTX_STATE_IDLE);
	teardown(pe, fake);
}

static void test_failures_leave_the_state(void **state)
{
	struct doca_pe *pe;
	struct fake_ctx *fake = setup(&pe);

	fake->start_ret = DOCA_ERROR_INITIALIZATION;
	assert_doca(doca_ctx_start(&fake->ctx), DOCA_ERROR_INITIALIZATION);
	assert_true(ctx_is_idle(&fake->ctx));
	fake->start_ret = DOCA_SUCCESS;
	assert_ok(doca_ctx_start(&fake->ctx));
	fake->stop_ret = DOCA_ERROR_UNEXPECTED;
	assert_doca(doca_ctx_stop(&fake->ctx), DOCA_ERROR_UNEXPECTED);
	assert_int_equal(fake->ctx.state, DOCA_CTX_STATE_RUNNING);
	assert_int_equal(record.cnt, 1);
	fake->stop_ret = DOCA_SUCCESS;
	assert_ok(doca_ctx_stop(&fake->ctx));
	teardown(pe, fake);
}

static void restart_once(struct doca_ctx *ctx, enum doca_ctx_states prev,
			 enum doca_ctx_states next)
{
	if (next == DOCA_CTX_STATE_IDLE && record.cnt < 4)
		assert_ok(doca_ctx_start(ctx));
}

static void test_restart_in_callback(void **state)
{
	struct doca_pe *pe;
	struct fake_ctx *fake = setup(&pe);

	record.act = restart_once;
	assert_ok(doca_ctx_start(&fake->ctx));
	assert_ok(doca_ctx_stop(&fake->ctx)); /* stopped, and started again on the way */
	assert_int_equal(fake->ctx.state, DOCA_CTX_STATE_RUNNING);
	assert_moved(1, DOCA_CTX_STATE_RUNNING, DOCA_CTX_STATE_IDLE);
	assert_moved(2, DOCA_CTX_STATE_IDLE, DOCA_CTX_STATE_RUNNING);
	record.act = NULL;
	assert_ok(doca_ctx_stop(&fake->ctx));
	teardown(pe, fake);
}

static void stop_at_once(struct doca_ctx *ctx, enum doca_ctx_states prev,
			 enum doca_ctx_states next)
{
	if (next == DOCA_CTX_STATE_RUNNING)
		assert_ok(doca_ctx_stop(ctx));
}

static void test_stop_in_callback(void **state)
{
	struct doca_pe *pe;
	struct fake_ctx *fake = setup(&pe);

	record.act = stop_at_once;
	assert_ok(doca_ctx_start(&fake->ctx));
	assert_true(ctx_is_idle(&fake->ctx));
	assert_int_equal(record.cnt, 2);
	teardown(pe, fake);
}

static void destroy_idle(struct doca_ctx *ctx, enum doca_ctx_states prev,
			 enum doca_ctx_states next)
{
	if (next == DOCA_CTX_STATE_IDLE) {
		assert_ok(ctx_fini(ctx));
		free(fake_of(ctx));
	}
}

static void test_destroy_in_callback_of_stop(void **state)
{
	struct doca_pe *pe;
	struct fake_ctx *fake = setup(&pe);

	record.act = destroy_idle;
	assert_ok(doca_ctx_start(&fake->ctx));
	assert_ok(doca_ctx_stop(&fake->ctx));
	assert_int_equal(record.cnt, 2);
	teardown(pe, NULL); /* the engine is free of it */
}

static void become_idle(struct fake_ctx *fake)
{
	ctx_set_state(&fake->ctx, DOCA_CTX_STATE_IDLE);
}

static void test_destroy_in_callback_of_progress(void **state)
{
	struct doca_pe *pe;
	struct fake_ctx *fake = setup(&pe);

	record.act = destroy_idle;
	fake->stop_ret = DOCA_ERROR_IN_PROGRESS;
	assert_ok(doca_ctx_start(&fake->ctx));
	assert_doca(doca_ctx_stop(&fake->ctx), DOCA_ERROR_IN_PROGRESS);
	fake->events = 1;
	fake->on_event = become_idle;
	assert_int_equal(doca_pe_progress(pe), 1);
	assert_int_equal(doca_pe_progress(pe), 0);
	assert_int_equal(record.cnt, 3);
	teardown(pe, NULL);
}

static void test_inflight_and_flush(void **state)
{
	struct doca_pe *pe;
	struct fake_ctx *fake = setup(&pe);
	size_t cnt;

	fake->inflight = 7;
	assert_ok(doca_ctx_get_num_inflight_tasks(&fake->ctx, &cnt));
	assert_int_equal(cnt, 7);
	assert_ok(doca_pe_get_num_inflight_tasks(pe, &cnt));
	assert_int_equal(cnt, 7);
	doca_ctx_flush_tasks(&fake->ctx);
	assert_int_equal(fake->nr_flushes, 1);
	teardown(pe, fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(test_start_needs_an_engine),
		cmocka_unit_test(test_synchronous),
		cmocka_unit_test(test_asynchronous),
		cmocka_unit_test(test_stop_while_starting),
		cmocka_unit_test(test_failures_leave_the_state),
		cmocka_unit_test(test_restart_in_callback),
		cmocka_unit_test(test_stop_in_callback),
		cmocka_unit_test(test_destroy_in_callback_of_stop),
		cmocka_unit_test(test_destroy_in_callback_of_progress),
		cmocka_unit_test(test_inflight_and_flush),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
