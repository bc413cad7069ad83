/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest on a controller that behaves as the reference application does (app_like.h). */
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>

#include "app_like.h"
#include "base/util.h"
#include "rig.h"

#define HDR ((uint32_t)sizeof(struct fuse_out_header))

static const char board[] =
	"{\"managers\": [{\"name\": \"mlx5_0\", \"pci_addr\": \"0000:03:00.0\","
	"\"VIRTIO_FS_EMULATION_ENABLE\": 1, \"VIRTIO_FS_EMULATION_NUM_PF\": 1,"
	"\"VIRTIO_FS_EMULATION_NUM_MSIX\": 34, \"functions\": [{\"transport\": \"loop\"}]}]}";

/* Only the guest's half of a rig: the device belongs to the application. */
static void start_guest(struct rig *rig, const struct app *app)
{
	rig->threads = true;
	rig->nr_request_queues = APP_REQUEST_QUEUES;
	strcpy(rig->vuid, app_vuid(app));
	rig_until(rig, app_is_running(app));
	rig_guest(rig);
	rig_init(rig, 38, 0);
}

/* What a guest does after a reset. */
static void start_again(struct rig *rig, const struct app *app)
{
	unsigned int i;

	rig_until(rig, app_is_running(app));
	assert_int_equal(loop_status(&rig->drv), 0);
	assert_int_equal(loop_negotiate(&rig->drv, ~0ull), 0);
	for (i = 0; i <= APP_REQUEST_QUEUES; i++)
		assert_int_equal(loop_queue_start(&rig->drv, (uint16_t)i, 64, false), 0);
	loop_set_status(&rig->drv, VIRTIO_CONFIG_S_DRIVER_OK);
	rig_init(rig, 38, 0);
}

static struct rig_msg *lookup(struct rig *rig, uint16_t q, const char *name)
{
	return rig_send(rig, q, FUSE_LOOKUP, NULL, 0, name, (uint32_t)strlen(name) + 1,
			HDR + sizeof(struct fuse_entry_out), 0);
}

static void check_lookup(struct rig *rig, uint16_t q)
{
	struct rig_msg *msg = lookup(rig, q, "some name");

	rig_wait(rig, msg);
	assert_int_equal(msg->out->error, 0);
	assert_int_equal(msg->out->unique, msg->in->unique);
	assert_int_equal(msg->len, HDR + sizeof(struct fuse_entry_out));
	assert_int_equal(((struct fuse_entry_out *)(msg->out + 1))->nodeid, 9);

	msg = lookup(rig, q, APP_NAME_MISSING);
	rig_wait(rig, msg);
	assert_int_equal(msg->out->error, -ENOENT);
	assert_int_equal(msg->out->unique, msg->in->unique);
	assert_int_equal(msg->len, HDR);
}

static void check_mkdir(struct rig *rig, uint16_t q)
{
	const struct fuse_mkdir_in arg = { .mode = 0755 };
	char name[256];
	struct rig_msg *msg;

	memset(name, 'd', 255);
	name[255] = '\0';
	msg = rig_call(rig, q, FUSE_MKDIR, &arg, sizeof(arg), name, sizeof(name),
		       HDR + sizeof(struct fuse_entry_out));
	assert_int_equal(msg->out->error, 0);
	assert_int_equal(((struct fuse_entry_out *)(msg->out + 1))->nodeid, 1255);
}

static void check_write(struct rig *rig, uint16_t q, const uint8_t *data, uint32_t len,
			uint64_t offset)
{
	const struct fuse_write_in arg = { .offset = offset, .size = len };
	struct rig_msg *msg = rig_call(rig, q, FUSE_WRITE, &arg, sizeof(arg), data, len,
				       HDR + sizeof(struct fuse_write_out));

	assert_int_equal(msg->out->error, 0);
	assert_int_equal(((struct fuse_write_out *)(msg->out + 1))->size, len);
}

/* A read whose room lies in several pieces, the last longer than needed. */
static void check_read(struct rig *rig, uint16_t q, const uint8_t *data, uint32_t len,
		       uint64_t offset)
{
	const uint32_t room = len + 100;
	struct loop_driver *drv = &rig->drv;
	struct rig_msg *msg = loop_alloc(drv, sizeof(*msg), 64);
	uint8_t *in = loop_alloc(drv, 80, 64), *out = loop_alloc(drv, HDR + room, 64);
	struct fuse_in_header *hdr = (void *)in;
	struct iovec seg[] = {
		{ in, 80 },
		{ out, HDR },
		{ out + HDR, 1 },
		{ out + HDR + 1, len / 3 },
		{ out + HDR + 1 + len / 3, room - 1 - len / 3 },
	};

	*hdr = (struct fuse_in_header){
		.len = 80, .opcode = FUSE_READ, .unique = ++rig->unique, .nodeid = 1,
	};
	*(struct fuse_read_in *)(hdr + 1) = (struct fuse_read_in){ .offset = offset, .size = len };
	memset(msg, 0, sizeof(*msg));
	memset(out, 0xaa, HDR + room);
	assert_true(loop_add(drv, &drv->queue[q], seg, 1, ARRAY_SIZE(seg) - 1, msg));
	loop_publish(&drv->queue[q]);
	rig_wait(rig, msg);
	assert_int_equal(msg->len, HDR + len);
	assert_memory_equal(out + HDR, data, len);
	assert_int_equal(out[HDR + len], 0xaa); /* nothing behind what was read */
}

static void check_data(struct rig *rig, uint16_t q)
{
	static const uint32_t size[] = { 1, 4096, 8193, 65536, 131072 };
	static uint8_t data[131072];
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(size); i++) {
		for (j = 0; j < size[i]; j++)
			data[j] = (uint8_t)(j * 7 + i + q);
		check_write(rig, q, data, size[i], i * 1000);
		check_read(rig, q, data, size[i], i * 1000);
	}
}

/* More requests at once than a thread of the application takes. */
static void check_crowd(struct rig *rig)
{
	struct rig_msg *msg[320];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(msg); i++)
		msg[i] = lookup(rig, (uint16_t)(1 + i % 8), "crowd");
	for (i = 0; i < ARRAY_SIZE(msg); i++) {
		rig_wait(rig, msg[i]);
		assert_int_equal(((struct fuse_entry_out *)(msg[i]->out + 1))->nodeid, 5);
	}
}

static void check_service(struct rig *rig, const struct app *app)
{
	const struct fuse_forget_in forget = { .nlookup = 1 };
	unsigned int forgets = app_forgets(app);
	struct rig_msg *msg;
	uint16_t q;

	for (q = 1; q <= 4; q++) {
		check_lookup(rig, q);
		check_mkdir(rig, q);
	}
	check_data(rig, 1);
	check_data(rig, 2);
	check_crowd(rig);
	msg = rig_call(rig, 0, FUSE_FORGET, &forget, sizeof(forget), NULL, 0, 0);
	assert_int_equal(msg->len, 0);
	rig_until(rig, app_forgets(app) == forgets + 1);
	/* left to the library */
	msg = rig_call(rig, 3, FUSE_ACCESS, &(struct fuse_access_in){ 0 },
		       sizeof(struct fuse_access_in), NULL, 0, HDR);
	assert_int_equal(msg->out->error, -ENOSYS);
}

/* A reset finds a request unanswered on each thread. */
static void check_reset(struct rig *rig, struct app *app, bool flr)
{
	unsigned int resets = app_resets(app), held = app_held(app);
	struct rig_msg *msg[2];
	int done = 0;

	msg[0] = lookup(rig, 1, APP_NAME_HELD);
	msg[1] = lookup(rig, 2, APP_NAME_HELD);
	check_lookup(rig, 3);
	check_lookup(rig, 4);
	loop_reset_begin(&rig->drv, flr, &done);
	rig_until(rig, __atomic_load_n(&done, __ATOMIC_ACQUIRE));
	assert_int_equal(app_resets(app), resets + 1);
	rig_until(rig, app_held(app) == held + 2);
	rig_poll(rig);
	assert_false(msg[0]->done || msg[1]->done);
	start_again(rig, app);
	check_service(rig, app);
}

static void test_life(void **state)
{
	struct rig rig = { 0 };
	struct app *app = app_start();

	start_guest(&rig, app);
	check_service(&rig, app);
	check_reset(&rig, app, false);
	check_reset(&rig, app, true);
	loop_close(&rig.drv);
	rig_until(&rig, app_resets(app) == 3); /* the host left: a reset like any other */
	rig_until(&rig, app_is_running(app));
	app_stop(app);
}

/* The whole application again in the same process, ended under the guest's eyes. */
static void test_again_with_guest(void **state)
{
	struct rig rig = { 0 };
	struct app *app = app_start();

	start_guest(&rig, app);
	check_lookup(&rig, 1);
	app_stop(app);
	loop_close(&rig.drv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_again_with_guest),
	};

	if (softdpu_board_set(board) != DOCA_SUCCESS)
		return 1;
	return cmocka_run_group_tests_name("flow_app", tests, NULL, NULL);
}
