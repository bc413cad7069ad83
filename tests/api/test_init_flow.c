/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The initialization flow: a device that waits for four I/O contexts on four engines, and the
 * promise that nothing is delivered before it is RUNNING. Both request generations.
 */
#include <stdlib.h>
#include <string.h>

#include "rig.h"

static unsigned int events, resets;

static void on_req(struct doca_devemu_vfs_req *req, void *user, union doca_data data)
{
	events++;
	doca_devemu_vfs_req_complete(req, 0);
}

static void generic(struct doca_devemu_vfs_io *io)
{
	const union doca_data none = { 0 };

	OK(doca_devemu_vfs_io_event_vfs_req_notice_register(io, on_req, none));
}

static void on_init(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		    struct fuse_init_in *arg, struct fuse_out_header *out,
		    struct fuse_init_out *reply)
{
	events++;
	reply->major = 7;
	reply->minor = 38;
	doca_devemu_vfs_fuse_req_complete(req, DOCA_SUCCESS);
}

static void typed(struct doca_devemu_vfs_io *io)
{
	OK(doca_devemu_vfs_io_event_vfs_fuse_init_req_handler_register(io, on_init));
}

static void on_reset(struct rig *rig)
{
	resets++;
	OK(doca_devemu_virtio_dev_reset_complete(doca_devemu_vfs_dev_as_virtio_dev(rig->dev)));
}

static struct rig new_rig(void (*handlers)(struct doca_devemu_vfs_io *io))
{
	events = resets = 0;
	return (struct rig){
		.nr_pes = 4,
		.required = 4,
		.nr_request_queues = 8,
		.register_handlers = handlers,
		.on_reset = on_reset,
	};
}

static void four_contexts(void (*handlers)(struct doca_devemu_vfs_io *io))
{
	struct rig rig = new_rig(handlers);
	struct rig_msg *msg;
	unsigned int i;
	int done = 0;

	rig_open_device(&rig);
	ERR(IN_PROGRESS, doca_ctx_start(rig.dev_ctx));
	assert_int_equal(rig_state(rig.dev_ctx), DOCA_CTX_STATE_STARTING);
	ERR(BAD_STATE, doca_ctx_start(rig.dev_ctx));
	/* a guest that is there already: its request and its reset must wait */
	rig_guest(&rig);
	loop_reset_begin(&rig.drv, false, &done);
	rig_settle(&rig);
	assert_int_equal(loop_negotiate(&rig.drv, ~0ull), 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(rig_state(rig.dev_ctx), DOCA_CTX_STATE_STARTING);
		rig_create_io(&rig, i);
		OK(doca_ctx_start(rig.io[i].ctx));
		assert_int_equal(rig_state(rig.io[i].ctx), DOCA_CTX_STATE_RUNNING);
		if (i < 3)
			rig_settle(&rig);
		assert_int_equal(events, 0);
		assert_int_equal(resets, 0);
	}
	/* starting a context tells nothing by itself: the device's engine reports */
	assert_int_equal(rig.nr_changes, 1);
	rig_until(&rig, rig_state(rig.dev_ctx) == DOCA_CTX_STATE_RUNNING);
	assert_int_equal(rig.nr_changes, 2);
	assert_int_equal(rig.change[1].prev, DOCA_CTX_STATE_STARTING);
	assert_int_equal(rig.change[1].next, DOCA_CTX_STATE_RUNNING);
	rig_until(&rig, done);
	assert_int_equal(resets, 1);
	assert_int_equal(loop_negotiate(&rig.drv, ~0ull), 0);
	for (i = 0; i <= rig.nr_request_queues; i++)
		assert_int_equal(loop_queue_start(&rig.drv, (uint16_t)i, 64, false), 0);
	for (i = 1; i <= rig.nr_request_queues; i++) {
		const struct fuse_init_in init = { .major = 7, .minor = 38 };

		msg = rig_call(&rig, (uint16_t)i, FUSE_INIT, &init, sizeof(init), NULL, 0, 80);
		assert_true(msg->done);
		assert_int_equal(events, i);
	}
	rig_stop(&rig);
}

static void test_generic(void **state)
{
	four_contexts(generic);
}

static void test_typed(void **state)
{
	four_contexts(typed);
}

/* A request that waits in the ring before RUNNING is delivered, once, when the device runs. */
static void test_early_request(void **state)
{
	struct rig rig = new_rig(typed);
	const struct fuse_init_in init = { .major = 7, .minor = 38 };
	struct rig_msg *msg;
	unsigned int i;

	rig_open_device(&rig);
	ERR(IN_PROGRESS, doca_ctx_start(rig.dev_ctx));
	for (i = 0; i < 3; i++) {
		rig_create_io(&rig, i);
		OK(doca_ctx_start(rig.io[i].ctx));
	}
	rig_guest(&rig);
	msg = rig_send(&rig, 1, FUSE_INIT, &init, sizeof(init), NULL, 0, 80, 0);
	rig_settle(&rig);
	assert_int_equal(events, 0);
	rig_create_io(&rig, 3);
	OK(doca_ctx_start(rig.io[3].ctx));
	assert_int_equal(events, 0);
	rig_wait(&rig, msg);
	assert_int_equal(events, 1);
	rig_stop(&rig);
}

/* Nothing required: start and stop finish at once, without a progress call. */
static void test_synchronous(void **state)
{
	struct rig rig = new_rig(typed);

	rig.required = 0;
	rig_open_device(&rig);
	OK(doca_ctx_start(rig.dev_ctx));
	assert_int_equal(rig_state(rig.dev_ctx), DOCA_CTX_STATE_RUNNING);
	OK(doca_ctx_stop(rig.dev_ctx));
	assert_int_equal(rig_state(rig.dev_ctx), DOCA_CTX_STATE_IDLE);
	assert_int_equal(rig.nr_changes, 2);
	rig_stop(&rig);
}

static void test_refusals(void **state)
{
	struct rig rig = new_rig(generic);
	struct doca_devemu_vfs_type *type;
	struct doca_devemu_vfs_dev *second;
	struct doca_devemu_virtio_dev *virtio;
	struct doca_devemu_vfs_io *io;
	struct doca_dev_rep *rep;
	static const char long_tag[DOCA_VFS_TAG_SIZE + 1] = "123456789012345678901";
	static const char max_tag[DOCA_VFS_TAG_SIZE] = "12345678901234567890";
	const union doca_data none = { 0 };
	uint16_t min_id, max_id;

	rig_open_device(&rig);
	virtio = doca_devemu_vfs_dev_as_virtio_dev(rig.dev);
	rep = rig.rep;
	OK(doca_devemu_vfs_find_default_vfs_type_by_dev(rig.mgr, &type));
	ERR(IN_USE, doca_devemu_vfs_dev_create(type, rep, rig.pe[0], &second));
	ERR(TOO_BIG, doca_devemu_vfs_dev_set_tag(rig.dev, long_tag));
	OK(doca_devemu_vfs_dev_set_tag(rig.dev, max_tag));
	ERR(INVALID_VALUE, doca_devemu_virtio_dev_set_queue_size(virtio, 100));
	ERR(NOT_PERMITTED, doca_devemu_pci_dev_set_num_msix(
				   doca_devemu_vfs_dev_as_pci_dev(rig.dev), 4));
	ERR(NOT_PERMITTED,
	    doca_devemu_pci_dev_destroy(doca_devemu_vfs_dev_as_pci_dev(rig.dev)));
	ERR(NOT_PERMITTED, doca_pe_connect_ctx(rig.pe[0], rig.dev_ctx));
	ERR(BAD_STATE, doca_devemu_virtio_dev_reset_complete(virtio));
	OK(doca_devemu_vfs_dev_set_fuse_client_arch(
		rig.dev, DOCA_DEVEMU_VFS_FUSE_CLIENT_ARCH_X86_64));
	OK(doca_devemu_vfs_dev_get_req_src_domain_id_range(rig.dev, &min_id, &max_id));
	assert_int_equal(min_id, 0);
	assert_int_equal(max_id, 8);

	OK(doca_devemu_vfs_io_create(rig.dev, rig.pe[0], &io));
	ERR(BAD_CONFIG, doca_ctx_start(doca_devemu_vfs_io_as_ctx(io)));
	OK(doca_devemu_vfs_io_event_vfs_req_notice_register(io, on_req, none));
	ERR(NOT_PERMITTED, doca_devemu_vfs_io_event_vfs_fuse_init_req_handler_register(io, on_init));
	ERR(IN_USE, doca_devemu_vfs_dev_destroy(rig.dev));
	OK(doca_devemu_vfs_io_destroy(io));

	ERR(IN_PROGRESS, doca_ctx_start(rig.dev_ctx));
	ERR(BAD_STATE, doca_devemu_vfs_dev_set_tag(rig.dev, max_tag));
	ERR(BAD_STATE, doca_devemu_vfs_dev_destroy(rig.dev));
	ERR(IN_USE, doca_dev_rep_close(rep));
	/* stopped while starting */
	ERR(IN_PROGRESS, doca_ctx_stop(rig.dev_ctx));
	rig_until(&rig, rig_state(rig.dev_ctx) == DOCA_CTX_STATE_IDLE);
	rig_stop(&rig);
}

static void test_no_tag(void **state)
{
	struct rig rig = new_rig(typed);
	struct doca_devemu_vfs_type *type;
	struct doca_devemu_vfs_dev *dev;

	rig_open_device(&rig);
	OK(doca_devemu_vfs_find_default_vfs_type_by_dev(rig.mgr, &type));
	OK(doca_devemu_vfs_dev_destroy(rig.dev));
	OK(doca_devemu_vfs_dev_create(type, rig.rep, rig.pe[0], &dev));
	ERR(BAD_CONFIG, doca_ctx_start(doca_devemu_vfs_dev_as_ctx(dev)));
	rig.dev = dev;
	rig.dev_ctx = doca_devemu_vfs_dev_as_ctx(dev);
	rig_stop(&rig);
}

static void restart_with_tag(struct rig *rig, const char *tag)
{
	unsigned int i;

	ERR(IN_PROGRESS, doca_ctx_stop(rig->dev_ctx));
	for (i = 0; i < rig->nr_pes; i++)
		ERR(IN_PROGRESS, doca_ctx_stop(rig->io[i].ctx));
	rig_until(rig, rig_state(rig->dev_ctx) == DOCA_CTX_STATE_IDLE);
	for (i = 0; i < rig->nr_pes; i++)
		rig_until(rig, rig_state(rig->io[i].ctx) == DOCA_CTX_STATE_IDLE);
	OK(doca_devemu_vfs_dev_set_tag(rig->dev, tag));
	ERR(IN_PROGRESS, doca_ctx_start(rig->dev_ctx));
	for (i = 0; i < rig->nr_pes; i++)
		OK(doca_ctx_start(rig->io[i].ctx));
	rig_until(rig, rig_state(rig->dev_ctx) == DOCA_CTX_STATE_RUNNING);
}

/* A guest that is there while the configuration changes hears of it, and only then. */
static void test_config_space(void **state)
{
	struct rig rig = new_rig(typed);
	struct {
		char tag[36];
		uint32_t num_request_queues;
	} config;

	rig_start(&rig);
	rig_guest(&rig);
	loop_config(&rig.drv, &config, sizeof(config));
	assert_string_equal(config.tag, "docavirtiofs");
	assert_int_equal(config.num_request_queues, 8);
	restart_with_tag(&rig, "docavirtiofs");
	assert_int_equal(rig.drv.config_changes, 0);
	restart_with_tag(&rig, "another");
	assert_int_equal(rig.drv.config_changes, 1);
	loop_config(&rig.drv, &config, sizeof(config));
	assert_string_equal(config.tag, "another");
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generic),	    cmocka_unit_test(test_typed),
		cmocka_unit_test(test_early_request), cmocka_unit_test(test_synchronous),
		cmocka_unit_test(test_refusals),    cmocka_unit_test(test_no_tag),
		cmocka_unit_test(test_config_space),
	};

	return cmocka_run_group_tests_name("init_flow", tests, NULL, NULL);
}
