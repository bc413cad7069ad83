/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Resets: by the driver, by function level reset, by a host that goes away; answered by
 * reset_complete(), by stop and start, or by the library alone. And stopping single queues.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include "devemu/vdev.h"
#include "rig.h"

#define MAX_HELD 64
#define ROOM (16 + (uint32_t)sizeof(struct fuse_statfs_out))

static struct {
	unsigned int events, nr;
	struct doca_devemu_vfs_req *req[MAX_HELD];
	uint64_t id[MAX_HELD];
	void *user[MAX_HELD];
} held;
static unsigned int resets, flrs;
static bool complete_in_handler;

static void on_req(struct doca_devemu_vfs_req *req, void *user, union doca_data data)
{
	held.events++;
	held.id[held.nr] = doca_devemu_vfs_req_get_id(req);
	held.user[held.nr] = user;
	held.req[held.nr++] = req;
}

static void handlers(struct doca_devemu_vfs_io *io)
{
	const union doca_data none = { 0 };

	OK(doca_devemu_vfs_io_event_vfs_req_notice_register(io, on_req, none));
}

static struct doca_devemu_virtio_dev *virtio(struct rig *rig)
{
	return doca_devemu_vfs_dev_as_virtio_dev(rig->dev);
}

static void give_all_back(void)
{
	while (held.nr)
		doca_devemu_vfs_req_complete(held.req[--held.nr], 16);
}

static void on_reset(struct rig *rig)
{
	resets++;
	if (complete_in_handler)
		OK(doca_devemu_virtio_dev_reset_complete(virtio(rig)));
}

/*
 * As the reference application does it: never reset_complete, but everything stopped and started.
 */
static void stop_all(struct rig *rig)
{
	unsigned int i;

	ERR(IN_PROGRESS, doca_ctx_stop(rig->dev_ctx));
	for (i = 0; i < rig->nr_pes; i++)
		ERR(IN_PROGRESS, doca_ctx_stop(rig->io[i].ctx));
	give_all_back();
}

static void on_reset_stop(struct rig *rig)
{
	resets++;
	stop_all(rig);
}

static void on_flr_stop(struct rig *rig)
{
	uint8_t flr = 0;

	flrs++;
	OK(doca_devemu_pci_dev_is_flr(doca_devemu_vfs_dev_as_pci_dev(rig->dev), &flr));
	assert_int_equal(flr, 1);
	ERR(BAD_STATE, doca_devemu_virtio_dev_reset_complete(virtio(rig)));
	stop_all(rig);
}

/* Restarts the device inside its own IDLE notification. */
static void restart_when_idle(const union doca_data data, struct doca_ctx *ctx,
			      enum doca_ctx_states prev, enum doca_ctx_states next)
{
	if (prev == DOCA_CTX_STATE_STOPPING && next == DOCA_CTX_STATE_IDLE)
		ERR(IN_PROGRESS, doca_ctx_start(ctx));
}

static void start(struct rig *rig)
{
	rig->nr_pes = rig->required = 2;
	rig->nr_request_queues = 2;
	rig->user_size = 16;
	rig->register_handlers = handlers;
	memset(&held, 0, sizeof(held));
	resets = flrs = 0;
	complete_in_handler = false;
	rig_start(rig);
	rig_guest(rig);
}

static void regain_guest(struct rig *rig)
{
	unsigned int i;

	assert_int_equal(loop_negotiate(&rig->drv, ~0ull), 0);
	for (i = 0; i <= rig->nr_request_queues; i++)
		assert_int_equal(loop_queue_start(&rig->drv, (uint16_t)i, 128, false), 0);
}

static struct rig_msg *send(struct rig *rig, uint16_t q)
{
	return rig_send(rig, q, FUSE_STATFS, NULL, 0, NULL, 0, ROOM, 0);
}

static void check_service(struct rig *rig)
{
	struct rig_msg *a = send(rig, 1), *b = send(rig, 2);

	rig_until(rig, held.nr == 2);
	give_all_back();
	rig_wait(rig, a);
	rig_wait(rig, b);
}

static void test_reset_complete(void **state)
{
	struct rig rig = { .on_reset = on_reset };
	struct rig_msg *a, *b;
	uint64_t last_id;
	int done;

	start(&rig);
	a = send(&rig, 1);
	b = send(&rig, 2);
	rig_until(&rig, held.nr == 2);
	last_id = held.id[0] > held.id[1] ? held.id[0] : held.id[1];
	memset(held.user[0], 'u', 16);
	loop_reset_begin(&rig.drv, false, &done);
	rig_until(&rig, resets == 1);
	rig_settle(&rig);
	assert_int_equal(done, 0);
	assert_true(loop_status(&rig.drv) & VIRTIO_CONFIG_S_DRIVER_OK);
	ERR(IN_USE, doca_devemu_virtio_dev_reset_complete(virtio(&rig)));
	doca_devemu_vfs_req_complete(held.req[1], 16);
	ERR(IN_USE, doca_devemu_virtio_dev_reset_complete(virtio(&rig)));
	doca_devemu_vfs_req_complete(held.req[0], 16);
	/* the user area stays accessible */
	assert_memory_equal(held.user[0], "uuuuuuuuuuuuuuuu", 16);
	OK(doca_devemu_virtio_dev_reset_complete(virtio(&rig)));
	assert_int_equal(done, 1);
	ERR(BAD_STATE, doca_devemu_virtio_dev_reset_complete(virtio(&rig)));
	assert_int_equal(loop_status(&rig.drv), 0);
	held.nr = 0;
	rig_settle(&rig);
	rig_poll(&rig);
	assert_false(a->done); /* results after a reset are dropped */
	assert_false(b->done);
	regain_guest(&rig);
	check_service(&rig);
	assert_true(held.id[0] > last_id);
	complete_in_handler = true; /* the guest leaves, which is a reset too */
	rig_stop(&rig);
}

static void test_stop_and_start(void **state)
{
	struct rig rig = { .on_reset = on_reset_stop };
	int done;
	unsigned int i, round;

	start(&rig);
	OK(doca_ctx_set_state_changed_cb(rig.dev_ctx, restart_when_idle));
	for (round = 1; round <= 3; round++) {
		send(&rig, 1);
		send(&rig, 2);
		rig_until(&rig, held.nr == 2);
		loop_reset_begin(&rig.drv, false, &done);
		rig_until(&rig, resets == round);
		rig_until(&rig, done);
		assert_int_equal(loop_status(&rig.drv), 0);
		for (i = 0; i < 2; i++)
			rig_until(&rig, rig_state(rig.io[i].ctx) == DOCA_CTX_STATE_IDLE);
		/* the driver goes on while nobody serves */
		regain_guest(&rig);
		for (i = 0; i < 2; i++)
			OK(doca_ctx_start(rig.io[i].ctx));
		rig_until(&rig, rig_state(rig.dev_ctx) == DOCA_CTX_STATE_RUNNING);
		check_service(&rig);
	}
	OK(doca_ctx_set_state_changed_cb(rig.dev_ctx, NULL));
	rig.on_reset = on_reset;
	complete_in_handler = true;
	rig_stop(&rig);
}

static void test_no_handler(void **state)
{
	struct rig rig = { 0 };
	int done;

	start(&rig);
	send(&rig, 1);
	rig_until(&rig, held.nr == 1);
	loop_reset_begin(&rig.drv, false, &done);
	rig_settle(&rig);
	assert_int_equal(done, 0); /* a request is still in the application's hands */
	give_all_back();
	rig_until(&rig, done);
	regain_guest(&rig);
	check_service(&rig);
	rig_stop(&rig);
}

static void test_merged(void **state)
{
	struct rig rig = { .on_reset = on_reset };
	int first, second;

	start(&rig);
	send(&rig, 1);
	rig_until(&rig, held.nr == 1);
	loop_reset_begin(&rig.drv, false, &first);
	rig_until(&rig, resets == 1);
	loop_reset_begin(&rig.drv, false, &second);
	rig_settle(&rig);
	assert_int_equal(resets, 1);
	give_all_back();
	OK(doca_devemu_virtio_dev_reset_complete(virtio(&rig)));
	assert_int_equal(first, 1);
	assert_int_equal(second, 1);
	/* a reset of a device that was not used since is no news */
	loop_reset(&rig.drv);
	assert_int_equal(resets, 1);
	regain_guest(&rig);
	check_service(&rig);
	complete_in_handler = true;
	rig_stop(&rig);
}

static void test_while_starting(void **state)
{
	struct rig rig = { .on_reset = on_reset };
	unsigned int i;
	int done;

	start(&rig);
	complete_in_handler = true;
	ERR(IN_PROGRESS, doca_ctx_stop(rig.dev_ctx));
	for (i = 0; i < 2; i++)
		ERR(IN_PROGRESS, doca_ctx_stop(rig.io[i].ctx));
	rig_until(&rig, rig_state(rig.dev_ctx) == DOCA_CTX_STATE_IDLE);
	ERR(IN_PROGRESS, doca_ctx_start(rig.dev_ctx));
	loop_reset_begin(&rig.drv, false, &done);
	OK(doca_ctx_start(rig.io[0].ctx));
	rig_settle(&rig);
	assert_int_equal(resets, 0);
	assert_int_equal(done, 0);
	OK(doca_ctx_start(rig.io[1].ctx));
	rig_until(&rig, resets == 1);
	assert_int_equal(rig_state(rig.dev_ctx), DOCA_CTX_STATE_RUNNING);
	rig_until(&rig, done);
	rig_stop(&rig);
}

static void test_flr(void **state)
{
	struct rig rig = { .on_reset = on_reset, .on_flr = on_flr_stop };
	unsigned int i;
	uint8_t flr;
	int done;

	start(&rig);
	OK(doca_ctx_set_state_changed_cb(rig.dev_ctx, restart_when_idle));
	send(&rig, 1);
	rig_until(&rig, held.nr == 1);
	loop_reset_begin(&rig.drv, true, &done);
	rig_until(&rig, flrs == 1);
	for (i = 0; i < 2; i++)
		rig_until(&rig, rig_state(rig.io[i].ctx) == DOCA_CTX_STATE_IDLE);
	rig_until(&rig, rig_state(rig.dev_ctx) == DOCA_CTX_STATE_STARTING);
	rig_settle(&rig);
	assert_int_equal(done, 0); /* ready again only when the device runs again */
	for (i = 0; i < 2; i++)
		OK(doca_ctx_start(rig.io[i].ctx));
	rig_until(&rig, done);
	OK(doca_devemu_pci_dev_is_flr(doca_devemu_vfs_dev_as_pci_dev(rig.dev), &flr));
	assert_int_equal(flr, 0);
	assert_int_equal(resets, 0);
	regain_guest(&rig);
	check_service(&rig);
	OK(doca_ctx_set_state_changed_cb(rig.dev_ctx, NULL));
	complete_in_handler = true;
	rig_stop(&rig);
}

static void test_disconnect(void **state)
{
	struct rig rig = { .on_reset = on_reset };
	struct rig_msg *msg;

	start(&rig);
	complete_in_handler = true;
	msg = send(&rig, 1);
	rig_until(&rig, held.nr == 1);
	give_all_back();
	rig_wait(&rig, msg);
	loop_close(&rig.drv);
	assert_int_equal(resets, 1);
	rig_guest(&rig);
	check_service(&rig);
	rig_stop(&rig);
}

/* A stopped queue is drained: what the application has is answered first. */
static void test_queue_stop(void **state)
{
	struct rig rig = { 0 };
	struct rig_msg *a, *b;
	uint64_t id;
	int done;

	start(&rig);
	a = send(&rig, 1);
	rig_until(&rig, held.nr == 1);
	id = held.id[0];
	loop_queue_stop_begin(&rig.drv, 1, &done);
	rig_settle(&rig);
	assert_int_equal(done, 0);
	b = send(&rig, 1);
	rig_settle(&rig);
	assert_int_equal(held.events, 1);
	give_all_back();
	rig_until(&rig, done);
	rig_poll(&rig);
	assert_true(a->done);
	assert_int_equal(loop_queue_stop(&rig.drv, 1), 1); /* it is stopped: base as it was */
	assert_int_equal(loop_queue_restart(&rig.drv, 1, 1), 0);
	assert_int_equal(loop_queue_restart(&rig.drv, 1, 1), -EALREADY);
	rig_until(&rig, held.nr == 1);
	assert_true(held.id[0] > id);
	give_all_back();
	rig_wait(&rig, b);
	rig_stop(&rig);
}

/* An application that does not answer holds a stopped queue up for a bounded time only. */
static void test_queue_stop_bound(void **state)
{
	struct rig rig = { 0 };
	struct rig_msg *a;

	start(&rig);
	virtio(&rig)->drain_ns = 20000000;
	a = send(&rig, 1);
	rig_until(&rig, held.nr == 1);
	assert_int_equal(loop_queue_stop(&rig.drv, 1), 1);
	give_all_back(); /* an orphan: dropped */
	rig_settle(&rig);
	rig_poll(&rig);
	assert_false(a->done);
	assert_int_equal(loop_queue_start(&rig.drv, 1, 128, false), 0);
	check_service(&rig);
	rig_stop(&rig);
}

/* New memory and new descriptors under a queue in service, with a request out. */
static void test_renewal(void **state)
{
	struct rig rig = { 0 };
	struct rig_msg *a, *b;

	start(&rig);
	a = send(&rig, 1);
	rig_until(&rig, held.nr == 1);
	assert_int_equal(loop_renew_memory(&rig.drv), 0);
	loop_queue_renew_fds(&rig.drv, 1);
	b = send(&rig, 1);
	rig_until(&rig, held.nr == 2);
	give_all_back();
	rig_wait(&rig, a);
	rig_wait(&rig, b);
	assert_true(loop_interrupts(&rig.drv.queue[1]) > 0);
	rig_stop(&rig);
}

static void test_broken_queue(void **state)
{
	struct rig rig = { 0 };
	struct loop_queue *q;

	start(&rig);
	q = &rig.drv.queue[1];
	q->avail->ring[0] = 5000;
	q->avail_idx = 1;
	loop_publish(q);
	rig_until(&rig, __atomic_load_n(&rig.drv.needs_reset, __ATOMIC_RELAXED) == 1);
	assert_true(loop_status(&rig.drv) & VIRTIO_CONFIG_S_NEEDS_RESET);
	/* the other queue goes on */
	send(&rig, 2);
	rig_until(&rig, held.nr == 1);
	give_all_back();
	loop_reset(&rig.drv);
	assert_int_equal(loop_status(&rig.drv), 0);
	regain_guest(&rig);
	check_service(&rig);
	rig_stop(&rig);
}

static unsigned int populated;

static void stats_done(struct doca_devemu_virtio_queue_stats **list, union doca_data data,
		       doca_error_t err)
{
	assert_int_equal(err, DOCA_SUCCESS);
	populated++;
}

static void test_statistics(void **state)
{
	struct rig rig = { 0 };
	struct doca_devemu_virtio_queue_stats **list;
	const union doca_data none = { 0 };
	uint16_t value;
	uint8_t enabled;
	uint32_t cnt;

	start(&rig);
	populated = 0;
	send(&rig, 1);
	rig_until(&rig, held.nr == 1);
	OK(doca_devemu_virtio_queue_stats_create_list(virtio(&rig), &list, &cnt));
	assert_int_equal(cnt, 3);
	ERR(BAD_STATE, doca_devemu_virtio_queue_stats_get_id(list[1], &value));
	OK(doca_devemu_virtio_queue_stats_populate_list(list, stats_done, none));
	ERR(IN_USE, doca_devemu_virtio_queue_stats_populate_list(list, stats_done, none));
	rig_until(&rig, populated == 1);
	OK(doca_devemu_virtio_queue_stats_get_inflights(list[1], &value));
	assert_int_equal(value, 1);
	OK(doca_devemu_virtio_queue_stats_get_size(list[1], &value));
	assert_int_equal(value, 128);
	OK(doca_devemu_virtio_queue_stats_get_driver_avail_idx(list[1], &value));
	assert_int_equal(value, 1);
	OK(doca_devemu_virtio_queue_stats_get_enabled(list[2], &enabled));
	assert_int_equal(enabled, 1);
	OK(doca_devemu_virtio_queue_stats_destroy_list(list));
	give_all_back();
	rig_stop(&rig);
}

/* The in-flight log: what was out when the controller went away comes again, with its id. */
static void test_replay(void **state)
{
	struct rig rig = { 0 };
	struct vq_inflight *log;
	struct rig_msg *a;
	uint64_t id;
	int done;

	start(&rig);
	assert_int_equal(loop_queue_stop(&rig.drv, 1), 0);
	assert_int_equal(loop_queue_start(&rig.drv, 1, 128, true), 0);
	a = send(&rig, 1);
	rig_until(&rig, held.nr == 1);
	id = held.id[0];
	log = rig.drv.queue[1].inflight;
	assert_non_null(log);
	/* the rings survive, the device does not */
	loop_reset_begin(&rig.drv, false, &done);
	rig_settle(&rig);
	give_all_back();
	rig_settle(&rig);
	assert_int_equal(loop_negotiate(&rig.drv, ~0ull), 0);
	assert_int_equal(loop_queue_restart(&rig.drv, 1, 0), 0);
	rig_until(&rig, held.nr == 1);
	assert_true(held.id[0] == id);
	give_all_back();
	rig_wait(&rig, a);
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reset_complete), cmocka_unit_test(test_stop_and_start),
		cmocka_unit_test(test_no_handler),     cmocka_unit_test(test_merged),
		cmocka_unit_test(test_while_starting), cmocka_unit_test(test_flr),
		cmocka_unit_test(test_disconnect),     cmocka_unit_test(test_queue_stop),
		cmocka_unit_test(test_renewal),	       cmocka_unit_test(test_broken_queue),
		cmocka_unit_test(test_queue_stop_bound), cmocka_unit_test(test_statistics),     cmocka_unit_test(test_replay),
	};

	return cmocka_run_group_tests_name("reset_flow", tests, NULL, NULL);
}
