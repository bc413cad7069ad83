/* SPDX-License-Identifier: BSD-3-Clause */
/* The teardown flow and what it guarantees, step by step; both request generations. */
#include <stdlib.h>
#include <string.h>

#include "rig.h"

#define MAX_HELD 64

static struct {
	unsigned int events, nr;
	bool is_typed;
	void *req[MAX_HELD];
	struct doca_devemu_vfs_io *io[MAX_HELD]; /* typed only */
} held;
static unsigned int resets;

static void on_req(struct doca_devemu_vfs_req *req, void *user, union doca_data data)
{
	held.events++;
	held.req[held.nr++] = req;
}

static void generic(struct doca_devemu_vfs_io *io)
{
	const union doca_data none = { 0 };

	OK(doca_devemu_vfs_io_event_vfs_req_notice_register(io, on_req, none));
}

static void on_statfs(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		      struct fuse_out_header *out, struct fuse_statfs_out *reply)
{
	held.events++;
	held.io[held.nr] = doca_devemu_vfs_fuse_req_get_vfs_io(req);
	held.req[held.nr++] = req;
}

static void on_init(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		    struct fuse_init_in *arg, struct fuse_out_header *out,
		    struct fuse_init_out *reply)
{
	doca_devemu_vfs_fuse_req_complete(req, DOCA_SUCCESS);
}

static void typed(struct doca_devemu_vfs_io *io)
{
	OK(doca_devemu_vfs_io_event_vfs_fuse_init_req_handler_register(io, on_init));
	OK(doca_devemu_vfs_io_event_vfs_fuse_statfs_req_handler_register(io, on_statfs));
}

static void give_back(unsigned int i)
{
	if (held.is_typed)
		doca_devemu_vfs_fuse_req_complete(held.req[i], DOCA_ERROR_UNKNOWN);
	else
		doca_devemu_vfs_req_complete(held.req[i], 16);
}

static void on_reset(struct rig *rig)
{
	resets++;
}

static void teardown_flow(bool is_typed)
{
	struct rig rig = {
		.nr_pes = 4, .required = 4, .nr_request_queues = 8,
		.register_handlers = is_typed ? typed : generic, .on_reset = on_reset,
	};
	struct rig_msg *msg[9], *late;
	unsigned int i, events;
	int done = 0;

	memset(&held, 0, sizeof(held));
	held.is_typed = is_typed;
	resets = 0;
	rig_start(&rig);
	rig_guest(&rig);
	for (i = 1; i <= 8; i++)
		msg[i] = rig_send(&rig, (uint16_t)i, FUSE_STATFS, NULL, 0, NULL, 0,
				  16 + sizeof(struct fuse_statfs_out), 0);
	rig_until(&rig, held.nr == 8);

	/* 1: the device stops: STOPPING, and no control event from now on */
	ERR(IN_PROGRESS, doca_ctx_stop(rig.dev_ctx));
	assert_int_equal(rig_state(rig.dev_ctx), DOCA_CTX_STATE_STOPPING);
	ERR(BAD_STATE, doca_ctx_stop(rig.dev_ctx));
	/* 2: the contexts stop: no I/O event from now on */
	for (i = 0; i < 4; i++) {
		ERR(IN_PROGRESS, doca_ctx_stop(rig.io[i].ctx));
		assert_int_equal(rig_state(rig.io[i].ctx), DOCA_CTX_STATE_STOPPING);
		ERR(BAD_STATE, doca_devemu_vfs_io_destroy(rig.io[i].io));
	}
	events = held.events;
	late = rig_send(&rig, 1, FUSE_STATFS, NULL, 0, NULL, 0, 96, 0);
	rig_settle(&rig);
	assert_int_equal(held.events, events);
	for (i = 0; i < 4; i++)
		assert_int_equal(rig_state(rig.io[i].ctx), DOCA_CTX_STATE_STOPPING);
	/* 3: requests are given back, and reach the guest; a context without any is idle */
	for (i = 0; i < 8; i++) {
		give_back(i);
		rig_settle(&rig);
		assert_int_equal(rig_state(rig.dev_ctx),
				 i < 7 ? DOCA_CTX_STATE_STOPPING : DOCA_CTX_STATE_IDLE);
	}
	rig_poll(&rig);
	for (i = 1; i <= 8; i++)
		assert_true(msg[i]->done);
	assert_false(late->done);
	for (i = 0; i < 4; i++) {
		assert_int_equal(rig_state(rig.io[i].ctx), DOCA_CTX_STATE_IDLE);
		assert_int_equal(rig.io[i].nr_changes, 3);
		assert_int_equal(rig.io[i].change[2].prev, DOCA_CTX_STATE_STOPPING);
	}
	/* a reset while nobody serves: no event, done at once */
	loop_reset_begin(&rig.drv, false, &done);
	rig_settle(&rig);
	assert_true(done);
	assert_int_equal(resets, 0);
	assert_int_equal(held.events, events);
	/* 4, 5: destroy */
	rig_stop(&rig);
}

static void test_generic(void **state)
{
	teardown_flow(false);
}

static void test_typed(void **state)
{
	teardown_flow(true);
}

/* Requests not handed out before a stop are delivered after the next start. */
static void test_restart(void **state)
{
	struct rig rig = {
		.nr_pes = 2, .required = 2, .nr_request_queues = 2, .register_handlers = typed,
	};
	struct rig_msg *late;
	unsigned int i;

	memset(&held, 0, sizeof(held));
	held.is_typed = true;
	rig_start(&rig);
	rig_guest(&rig);
	ERR(IN_PROGRESS, doca_ctx_stop(rig.dev_ctx));
	for (i = 0; i < 2; i++)
		ERR(IN_PROGRESS, doca_ctx_stop(rig.io[i].ctx));
	rig_until(&rig, rig_state(rig.dev_ctx) == DOCA_CTX_STATE_IDLE);
	late = rig_send(&rig, 1, FUSE_STATFS, NULL, 0, NULL, 0, 96, 0);
	rig_settle(&rig);
	assert_int_equal(held.nr, 0);
	ERR(IN_PROGRESS, doca_ctx_start(rig.dev_ctx));
	for (i = 0; i < 2; i++)
		OK(doca_ctx_start(rig.io[i].ctx));
	rig_until(&rig, held.nr == 1);
	give_back(0);
	rig_wait(&rig, late);
	rig_stop(&rig);
}

/*
 * Contexts stop before the device, which goes on RUNNING without service; one of them comes back.
 */
static void test_contexts_first(void **state)
{
	struct rig rig = {
		.nr_pes = 2, .required = 2, .nr_request_queues = 2, .register_handlers = typed,
	};
	struct rig_msg *msg;

	memset(&held, 0, sizeof(held));
	held.is_typed = true;
	rig_start(&rig);
	rig_guest(&rig);
	rig_settle(&rig);
	ERR(IN_PROGRESS, doca_ctx_stop(rig.io[1].ctx));
	rig_until(&rig, rig_state(rig.io[1].ctx) == DOCA_CTX_STATE_IDLE);
	OK(doca_devemu_vfs_io_destroy(rig.io[1].io));
	assert_int_equal(rig_state(rig.dev_ctx), DOCA_CTX_STATE_RUNNING);
	msg = rig_send(&rig, 1, FUSE_STATFS, NULL, 0, NULL, 0, 96, 0);
	rig_settle(&rig);
	assert_int_equal(held.nr, 0);
	rig_create_io(&rig, 1);
	OK(doca_ctx_start(rig.io[1].ctx));
	rig_until(&rig, held.nr == 1);
	assert_ptr_equal(held.io[0], rig.io[1].io);
	give_back(0);
	rig_wait(&rig, msg);
	rig_stop(&rig);
}

/* Everything is destroyed from inside the IDLE notifications. */
static unsigned int destroyed;

static void io_idle(const union doca_data data, struct doca_ctx *ctx, enum doca_ctx_states prev,
		    enum doca_ctx_states next)
{
	struct rig_io *io = data.ptr;

	if (next != DOCA_CTX_STATE_IDLE)
		return;
	OK(doca_devemu_vfs_io_destroy(io->io));
	io->io = NULL;
	destroyed++;
}

static void test_destroy_in_callback(void **state)
{
	struct rig rig = {
		.nr_pes = 3, .required = 3, .nr_request_queues = 3, .register_handlers = typed,
	};
	unsigned int i;

	destroyed = 0;
	rig_start(&rig);
	rig_guest(&rig);
	for (i = 0; i < 3; i++)
		OK(doca_ctx_set_state_changed_cb(rig.io[i].ctx, io_idle));
	ERR(IN_PROGRESS, doca_ctx_stop(rig.dev_ctx));
	for (i = 0; i < 3; i++)
		ERR(IN_PROGRESS, doca_ctx_stop(rig.io[i].ctx));
	assert_int_equal(destroyed, 0);
	rig_until(&rig, rig_state(rig.dev_ctx) == DOCA_CTX_STATE_IDLE);
	assert_int_equal(destroyed, 3);
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generic),	 cmocka_unit_test(test_typed),
		cmocka_unit_test(test_restart),	 cmocka_unit_test(test_contexts_first),
		cmocka_unit_test(test_destroy_in_callback),
	};

	return cmocka_run_group_tests_name("teardown_flow", tests, NULL, NULL);
}
