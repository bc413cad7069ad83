/* SPDX-License-Identifier: BSD-3-Clause */
/* Generic requests: what the handler is given, what completing does, settings of user areas. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "doca_buf.h"
#include "rig.h"

#define ROOM (16 + (uint32_t)sizeof(struct fuse_statfs_out))

static struct {
	unsigned int nr;
	struct doca_devemu_vfs_req *req[512];
	void *user[512];
} held;

static void on_req(struct doca_devemu_vfs_req *req, void *user, union doca_data data)
{
	assert_int_equal(data.u64, 4711);
	held.user[held.nr] = user;
	held.req[held.nr++] = req;
}

static void handlers(struct doca_devemu_vfs_io *io)
{
	const union doca_data data = { .u64 = 4711 };

	OK(doca_devemu_vfs_io_event_vfs_req_notice_register(io, on_req, data));
}

static void start(struct rig *rig, uint32_t user_size)
{
	*rig = (struct rig){ .nr_pes = 1, .required = 1, .nr_request_queues = 2,
			     .user_size = user_size, .register_handlers = handlers };
	memset(&held, 0, sizeof(held));
	rig_start(rig);
	rig_guest(rig);
}

static void test_buffers(void **state)
{
	struct fuse_write_in wr = { .size = 5 };
	struct doca_buf *datain, *dataout, *next;
	struct rig_msg *msg;
	struct rig rig;
	void *data;
	size_t len;

	start(&rig, 0);
	msg = rig_send(&rig, 2, FUSE_WRITE, &wr, sizeof(wr), "hello", 5, 16 + 8, 16);
	rig_until(&rig, held.nr == 1);
	assert_null(held.user[0]);
	assert_int_equal(doca_devemu_vfs_req_get_src_domain_id(held.req[0]), 2);
	assert_int_equal(doca_devemu_vfs_req_get_datain_list_len(held.req[0]), 3);
	assert_int_equal(doca_devemu_vfs_req_get_datain_data_len(held.req[0]), 40 + 40 + 5);
	assert_int_equal(doca_devemu_vfs_req_get_dataout_list_len(held.req[0]), 2);
	assert_int_equal(doca_devemu_vfs_req_get_dataout_data_len(held.req[0]), 24);
	datain = doca_devemu_vfs_req_get_datain(held.req[0]);
	dataout = doca_devemu_vfs_req_get_dataout(held.req[0]);
	OK(doca_buf_get_data(datain, &data));
	assert_ptr_equal(data, msg->in); /* zero copy: the guest's own memory */
	OK(doca_buf_get_data_len(datain, &len));
	assert_int_equal(len, 40);
	OK(doca_buf_get_next_in_list(datain, &next));
	OK(doca_buf_get_next_in_list(next, &next));
	OK(doca_buf_get_data(next, &data));
	assert_memory_equal(data, "hello", 5);
	OK(doca_buf_get_data_len(dataout, &len));
	assert_int_equal(len, 16); /* capacity */
	/* moving the data segments changes nothing for the library */
	OK(doca_buf_set_data(dataout, msg->out, 0));
	assert_int_equal(doca_devemu_vfs_req_get_dataout_data_len(held.req[0]), 24);
	*msg->out = (struct fuse_out_header){ .len = 24, .unique = msg->in->unique };
	doca_devemu_vfs_req_complete(held.req[0], 24);
	rig_wait(&rig, msg);
	assert_int_equal(msg->len, 24);
	rig_stop(&rig);
}

static void test_lengths(void **state)
{
	struct rig_msg *msg;
	struct rig rig;

	start(&rig, 0);
	msg = rig_send(&rig, 1, FUSE_FORGET, "12345678", 8, NULL, 0, 0, 0);
	rig_until(&rig, held.nr == 1);
	assert_null(doca_devemu_vfs_req_get_dataout(held.req[0]));
	assert_int_equal(doca_devemu_vfs_req_get_dataout_list_len(held.req[0]), 0);
	doca_devemu_vfs_req_complete(held.req[0], 0);
	rig_wait(&rig, msg);
	assert_int_equal(msg->len, 0);
	msg = rig_send(&rig, 1, FUSE_STATFS, NULL, 0, NULL, 0, ROOM, 0);
	rig_until(&rig, held.nr == 2);
	doca_devemu_vfs_req_complete(held.req[1], 100000); /* more than there is room */
	rig_wait(&rig, msg);
	assert_int_equal(msg->len, ROOM);
	rig_stop(&rig);
}

/*
 * All that the ring holds may be out at once, in any order of completion; areas are distinct,
 * aligned, zero.
 */
static void test_many(void **state)
{
	struct rig_msg *msg[128];
	struct rig rig;
	unsigned int i, k;

	start(&rig, 100);
	for (i = 0; i < 128; i++)
		msg[i] = rig_send(&rig, 1, FUSE_STATFS, NULL, 0, NULL, 0, ROOM, 0);
	rig_until(&rig, held.nr == 128);
	for (i = 0; i < 128; i++) {
		assert_int_equal((uintptr_t)held.user[i] % 64, 0);
		for (k = 0; k < 100; k++)
			assert_int_equal(((uint8_t *)held.user[i])[k], 0);
		memset(held.user[i], (int)i + 1, 100);
		if (i)
			assert_true(doca_devemu_vfs_req_get_id(held.req[i]) >
				    doca_devemu_vfs_req_get_id(held.req[i - 1]));
	}
	for (i = 0; i < 128; i++)
		for (k = 0; k < 100; k++)
			assert_int_equal(((uint8_t *)held.user[i])[k], i + 1);
	for (i = 0; i < 128; i += 2)
		doca_devemu_vfs_req_complete(held.req[i], 16);
	for (i = 1; i < 128; i += 2)
		doca_devemu_vfs_req_complete(held.req[i], 16);
	for (i = 0; i < 128; i++)
		rig_wait(&rig, msg[i]);
	/* still accessible after completion */
	for (i = 0; i < 128; i++)
		assert_int_equal(((uint8_t *)held.user[i])[99], i + 1);
	rig_stop(&rig);
}

/* hiprio gets its turn while a request queue is busy, and the other way round. */
static void test_hiprio_is_fair(void **state)
{
	unsigned int i, hiprio = 0, request = 0;
	struct rig rig;

	start(&rig, 0);
	rig_settle(&rig);
	for (i = 0; i < 50; i++) {
		rig_send(&rig, 0, FUSE_FORGET, "12345678", 8, NULL, 0, 0, 0);
		rig_send(&rig, 1, FUSE_STATFS, NULL, 0, NULL, 0, ROOM, 0);
	}
	rig_until(&rig, held.nr >= 40);
	for (i = 0; i < 40; i++) {
		if (doca_devemu_vfs_req_get_src_domain_id(held.req[i]))
			request++;
		else
			hiprio++;
	}
	assert_in_range(hiprio, 15, 25);
	assert_in_range(request, 15, 25);
	rig_until(&rig, held.nr == 100);
	while (held.nr)
		doca_devemu_vfs_req_complete(held.req[--held.nr], 0);
	rig_stop(&rig);
}

/* One unit per progress call. */
static void test_one_per_progress(void **state)
{
	unsigned int i, before, calls;
	struct rig rig;

	start(&rig, 0);
	rig_settle(&rig);
	for (i = 0; i < 20; i++)
		rig_send(&rig, 1, FUSE_STATFS, NULL, 0, NULL, 0, ROOM, 0);
	for (calls = 0; held.nr < 20 && calls < 1000; calls++) {
		uint8_t ret;

		before = held.nr;
		ret = doca_pe_progress(rig.pe[0]);
		assert_int_equal(ret, held.nr - before);
	}
	assert_int_equal(held.nr, 20);
	assert_int_equal(doca_pe_progress(rig.pe[0]), 0);
	for (i = 0; i < 20; i++)
		doca_devemu_vfs_req_complete(held.req[i], 16);
	rig_stop(&rig);
}

static bool readable(doca_notification_handle_t handle)
{
	struct pollfd pfd = { .fd = handle, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

/* Sleeping: a request wakes the engine, by the guest's kick or because it came before arming. */
static void test_event_driven(void **state)
{
	doca_notification_handle_t handle;
	struct rig_msg *msg;
	struct rig rig;
	unsigned int round;

	start(&rig, 0);
	rig_settle(&rig);
	OK(doca_pe_get_notification_handle(rig.pe[0], &handle));
	for (round = 1; round <= 5; round++) {
		OK(doca_pe_request_notification(rig.pe[0]));
		assert_false(readable(handle));
		msg = rig_send(&rig, 1, FUSE_STATFS, NULL, 0, NULL, 0, ROOM, 0);
		assert_true(readable(handle));
		OK(doca_pe_clear_notification(rig.pe[0], handle));
		rig_until(&rig, held.nr == 1);
		while (doca_pe_progress(rig.pe[0]))
			;
		/* no kick while polled: the ring says it when arming */
		rig_send(&rig, 1, FUSE_STATFS, NULL, 0, NULL, 0, ROOM, 0);
		OK(doca_pe_request_notification(rig.pe[0]));
		assert_true(readable(handle));
		OK(doca_pe_clear_notification(rig.pe[0], handle));
		rig_until(&rig, held.nr == 2);
		/* what is completed is published before sleeping */
		while (held.nr)
			doca_devemu_vfs_req_complete(held.req[--held.nr], 16);
		OK(doca_pe_request_notification(rig.pe[0]));
		rig_poll(&rig);
		assert_true(msg->done);
		OK(doca_pe_clear_notification(rig.pe[0], handle));
		rig_settle(&rig);
	}
	rig_stop(&rig);
}

/*
 * Long chains wait in the ring when all blocks are out, cost nobody sleep, and come when blocks
 * return.
 */
static void test_starved(void **state)
{
	struct rig rig = { .nr_pes = 1, .required = 1, .nr_request_queues = 3,
			   .register_handlers = handlers };
	doca_notification_handle_t handle;
	struct iovec seg[25];
	unsigned int i, q, total = 0;
	static struct rig_msg ignored;

	memset(&held, 0, sizeof(held));
	rig_start(&rig);
	rig_guest(&rig);
	for (i = 0; i < 25; i++)
		seg[i] = (struct iovec){ loop_alloc(&rig.drv, 64, 64), 64 };
	for (q = 1; q <= 3; q++) {
		for (i = 0; i < 100; i++)
			assert_true(loop_add(&rig.drv, &rig.drv.queue[q], seg, 5, 20,
					     &ignored));
		loop_publish(&rig.drv.queue[q]);
	}
	rig_until(&rig, held.nr == 256);
	rig_settle(&rig);
	assert_int_equal(held.nr, 256);
	OK(doca_pe_get_notification_handle(rig.pe[0], &handle));
	OK(doca_pe_request_notification(rig.pe[0]));
	assert_false(readable(handle));
	OK(doca_pe_clear_notification(rig.pe[0], handle));
	/* a short one still gets through */
	rig_send(&rig, 0, FUSE_FORGET, "12345678", 8, NULL, 0, 0, 0);
	rig_until(&rig, held.nr == 257);
	while (total < 301) {
		for (; held.nr; total++)
			doca_devemu_vfs_req_complete(held.req[--held.nr], 16);
		rig_idle(&rig);
	}
	rig_stop(&rig);
}

static void test_settings(void **state)
{
	struct doca_devemu_vfs_cfg *cfg;
	uint32_t size, major, minor;
	struct rig rig;

	OK(doca_devemu_vfs_get_minimal_fuse_version_supported(&major, &minor));
	assert_int_equal(major, 7);
	assert_int_equal(minor, 31);
	ERR(BAD_STATE, doca_devemu_vfs_teardown());
	OK(doca_devemu_vfs_cfg_create(&cfg));
	OK(doca_devemu_vfs_cfg_set_vfs_req_user_data_size(cfg, 32));
	OK(doca_devemu_vfs_cfg_set_vfs_fuse_req_user_data_size(cfg, 64));
	ERR(BAD_CONFIG, doca_devemu_vfs_init(cfg));
	OK(doca_devemu_vfs_cfg_set_vfs_req_user_data_size(cfg, 0));
	ERR(INVALID_VALUE, doca_devemu_vfs_cfg_set_vfs_fuse_req_user_data_size(cfg, 65537));
	OK(doca_devemu_vfs_init(cfg));
	ERR(ALREADY_EXIST, doca_devemu_vfs_init(cfg));
	OK(doca_devemu_vfs_cfg_get_vfs_fuse_req_user_data_size(cfg, &size));
	assert_int_equal(size, 64);
	OK(doca_devemu_vfs_cfg_destroy(cfg));
	start(&rig, 48);
	ERR(IN_USE, doca_devemu_vfs_teardown());
	OK(doca_devemu_vfs_dev_get_vfs_req_user_data_size(rig.dev, &size));
	assert_int_equal(size, 48);
	rig_stop(&rig);
	OK(doca_devemu_vfs_teardown());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buffers),	 cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_many),	 cmocka_unit_test(test_hiprio_is_fair),
		cmocka_unit_test(test_one_per_progress), cmocka_unit_test(test_settings),
		cmocka_unit_test(test_event_driven),	 cmocka_unit_test(test_starved),
	};

	return cmocka_run_group_tests_name("vfs_req", tests, NULL, NULL);
}
