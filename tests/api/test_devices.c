/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices beside each other and what is special of a static function: source domains of devices
 * that share a tag, the client's architecture, hot plug calls, states that refuse.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "doca_devemu_pci.h"
#include "doca_devemu_virtio.h"
#include "rig.h"

/* ---- devices that share a tag ---- */

#define NR_TWINS 2

struct twins {
	struct doca_pe *pe;
	struct doca_dev *mgr;
	struct doca_dev_rep *rep[NR_TWINS];
	struct doca_devemu_vfs_dev *dev[NR_TWINS];
};

static const char board[] =
	"{\"managers\": [{\"name\": \"mlx5_0\", \"pci_addr\": \"0000:03:00.0\","
	"\"VIRTIO_FS_EMULATION_ENABLE\": 1, \"VIRTIO_FS_EMULATION_NUM_PF\": 2,"
	"\"VIRTIO_FS_EMULATION_NUM_MSIX\": 34, \"PCI_SWITCH_EMULATION_ENABLE\": 0,"
	"\"functions\": [{\"transport\": \"loop\"}, {\"transport\": \"loop\"}]}]}";

static void twins_start(struct twins *t)
{
	struct doca_devemu_vfs_type *type;
	struct doca_devinfo_rep **reps;
	struct doca_devinfo **list;
	uint32_t i, cnt;

	OK(doca_pe_create(&t->pe));
	OK(doca_devinfo_create_list(&list, &cnt));
	OK(doca_dev_open(list[0], &t->mgr));
	OK(doca_devinfo_destroy_list(list));
	OK(doca_devemu_vfs_find_default_vfs_type_by_dev(t->mgr, &type));
	OK(doca_devinfo_rep_create_list(t->mgr, DOCA_DEVINFO_REP_FILTER_EMULATED, &reps, &cnt));
	assert_int_equal(cnt, NR_TWINS);
	for (i = 0; i < NR_TWINS; i++) {
		OK(doca_dev_rep_open(reps[i], &t->rep[i]));
		OK(doca_devemu_vfs_dev_create(type, t->rep[i], t->pe, &t->dev[i]));
	}
	OK(doca_devinfo_rep_destroy_list(reps));
}

static void twins_stop(struct twins *t)
{
	unsigned int i;

	for (i = 0; i < NR_TWINS; i++) {
		OK(doca_devemu_vfs_dev_destroy(t->dev[i]));
		OK(doca_dev_rep_close(t->rep[i]));
	}
	OK(doca_dev_close(t->mgr));
	OK(doca_pe_destroy(t->pe));
}

static void set_tag(struct doca_devemu_vfs_dev *dev, const char *text)
{
	char tag[DOCA_VFS_TAG_SIZE] = "";

	strcpy(tag, text);
	OK(doca_devemu_vfs_dev_set_tag(dev, tag));
}

static void set_queues(struct doca_devemu_vfs_dev *dev, uint16_t cnt)
{
	struct doca_devemu_virtio_dev *virtio = doca_devemu_vfs_dev_as_virtio_dev(dev);

	OK(doca_devemu_vfs_dev_set_num_request_queues(dev, cnt));
	OK(doca_devemu_virtio_dev_set_num_queues(virtio, (uint16_t)(cnt + 1)));
}

static void assert_domains(struct doca_devemu_vfs_dev *dev, uint16_t want_min, uint16_t want_max)
{
	uint16_t min_id, max_id;

	OK(doca_devemu_vfs_dev_get_req_src_domain_id_range(dev, &min_id, &max_id));
	assert_int_equal(min_id, want_min);
	assert_int_equal(max_id, want_max);
}

static void test_domains(void **state)
{
	struct twins t;

	twins_start(&t);
	set_tag(t.dev[0], "same");
	set_tag(t.dev[1], "same");
	set_queues(t.dev[0], 8);
	set_queues(t.dev[1], 4);
	assert_domains(t.dev[0], 0, 8);
	assert_domains(t.dev[1], 9, 13);
	/* starting and stopping changes nothing */
	OK(doca_ctx_start(doca_devemu_vfs_dev_as_ctx(t.dev[1])));
	OK(doca_ctx_start(doca_devemu_vfs_dev_as_ctx(t.dev[0])));
	assert_domains(t.dev[0], 0, 8);
	assert_domains(t.dev[1], 9, 13);
	OK(doca_ctx_stop(doca_devemu_vfs_dev_as_ctx(t.dev[0])));
	OK(doca_ctx_stop(doca_devemu_vfs_dev_as_ctx(t.dev[1])));
	/* a range that outgrows its place moves, the other one stays */
	set_queues(t.dev[0], 16);
	assert_domains(t.dev[1], 9, 13);
	assert_domains(t.dev[0], 14, 30);
	/* of another tag: nobody in the way */
	set_tag(t.dev[0], "other");
	assert_domains(t.dev[0], 0, 16);
	assert_domains(t.dev[1], 9, 13);
	twins_stop(&t);
}

/* Nobody asks before the start. */
static void test_domains_at_start(void **state)
{
	struct twins t;

	twins_start(&t);
	set_tag(t.dev[0], "same");
	set_tag(t.dev[1], "same");
	OK(doca_ctx_start(doca_devemu_vfs_dev_as_ctx(t.dev[1])));
	OK(doca_ctx_start(doca_devemu_vfs_dev_as_ctx(t.dev[0])));
	assert_domains(t.dev[1], 0, 1);
	assert_domains(t.dev[0], 2, 3);
	OK(doca_ctx_stop(doca_devemu_vfs_dev_as_ctx(t.dev[0])));
	OK(doca_ctx_stop(doca_devemu_vfs_dev_as_ctx(t.dev[1])));
	twins_stop(&t);
}

/* ---- settings ---- */

static void test_library_settings(void **state)
{
	struct doca_devemu_vfs_cfg *cfg;
	struct twins t;

	twins_start(&t);
	OK(doca_devemu_vfs_cfg_create(&cfg));
	ERR(INVALID_VALUE, doca_devemu_vfs_cfg_add_dev(cfg, NULL));
	ERR(NOT_FOUND, doca_devemu_vfs_cfg_rm_dev(cfg, t.mgr));
	OK(doca_devemu_vfs_cfg_add_dev(cfg, t.mgr));
	ERR(ALREADY_EXIST, doca_devemu_vfs_cfg_add_dev(cfg, t.mgr));
	OK(doca_devemu_vfs_cfg_rm_dev(cfg, t.mgr));
	ERR(NOT_FOUND, doca_devemu_vfs_cfg_rm_dev(cfg, t.mgr));
	OK(doca_devemu_vfs_cfg_destroy(cfg));
	twins_stop(&t);
}

static void test_device_settings(void **state)
{
	struct doca_devemu_virtio_dev *virtio;
	const uint64_t notify = DOCA_DEVEMU_VIRTIOFS_NOTIFICATION_QUEUE_BIT_IN_DEVICE_FEATURES;
	static const char longer[22] = "tag"; /* programs have arrays of their own size */
	char tag[DOCA_VFS_TAG_SIZE];
	uint64_t features;
	struct twins t;
	uint16_t cnt;

	twins_start(&t);
	virtio = doca_devemu_vfs_dev_as_virtio_dev(t.dev[0]);
	OK(doca_devemu_vfs_dev_set_tag(t.dev[0], longer));
	OK(doca_devemu_vfs_dev_get_tag(t.dev[0], tag));
	assert_string_equal(tag, "tag");
	ERR(INVALID_VALUE, doca_devemu_vfs_dev_set_num_request_queues(t.dev[0], 0));
	ERR(INVALID_VALUE, doca_devemu_vfs_dev_set_num_request_queues(t.dev[0], 255));
	ERR(INVALID_VALUE, doca_devemu_virtio_dev_set_num_queues(virtio, 256));
	ERR(INVALID_VALUE, doca_devemu_virtio_dev_set_num_queues(virtio, 1));
	/* the same number for both: hiprio is one of them */
	OK(doca_devemu_vfs_dev_set_num_request_queues(t.dev[0], 16));
	OK(doca_devemu_virtio_dev_set_num_queues(virtio, 16));
	assert_domains(t.dev[0], 0, 15);
	OK(doca_devemu_virtio_dev_get_num_queues(virtio, &cnt));
	assert_int_equal(cnt, 16);
	OK(doca_devemu_virtio_dev_get_device_features_63_0(virtio, &features));
	ERR(NOT_SUPPORTED,
	    doca_devemu_virtio_dev_set_device_features_63_0(virtio, features | notify));
	ERR(INVALID_VALUE, doca_devemu_virtio_dev_set_device_features_63_0(virtio, 0));
	ERR(INVALID_VALUE, doca_devemu_virtio_dev_set_device_features_63_0(virtio, ~notify));
	OK(doca_devemu_virtio_dev_set_device_features_63_0(virtio, features));
	twins_stop(&t);
}

/* ---- architecture of the client ---- */

static uint32_t flags_seen;

static void on_init(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		    struct fuse_init_in *arg, struct fuse_out_header *out,
		    struct fuse_init_out *reply)
{
	reply->major = 7;
	reply->minor = 38;
	doca_devemu_vfs_fuse_req_complete(req, DOCA_SUCCESS);
}

static void on_open(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		    struct fuse_open_in *arg, struct fuse_out_header *out,
		    struct fuse_open_out *reply)
{
	flags_seen = arg->flags;
	doca_devemu_vfs_fuse_req_complete(req, DOCA_SUCCESS);
}

static void on_write(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		     struct fuse_write_in *arg, struct doca_buf *datain,
		     struct fuse_out_header *out, struct fuse_write_out *reply)
{
	flags_seen = arg->flags;
	doca_devemu_vfs_fuse_req_complete(req, DOCA_SUCCESS);
}

static void handlers(struct doca_devemu_vfs_io *io)
{
	OK(doca_devemu_vfs_io_event_vfs_fuse_init_req_handler_register(io, on_init));
	OK(doca_devemu_vfs_io_event_vfs_fuse_open_req_handler_register(io, on_open));
	OK(doca_devemu_vfs_io_event_vfs_fuse_write_req_handler_register(io, on_write));
}

static struct rig new_rig(void)
{
	return (struct rig){
		.nr_pes = 1, .nr_request_queues = 2, .register_handlers = handlers,
	};
}

/* Which open flags the application sees when a client of this kind sends `flags`. */
static void check_arch(enum doca_devemu_vfs_fuse_client_arch arch, uint32_t flags, uint32_t want)
{
	struct rig rig = new_rig();
	const struct fuse_open_in open_in = { .flags = flags };
	const struct fuse_write_in write_in = { .flags = flags, .size = 1 };
	enum doca_devemu_vfs_fuse_client_arch shown;

	rig_open_device(&rig);
	OK(doca_devemu_vfs_dev_set_fuse_client_arch(rig.dev, arch));
	OK(doca_ctx_start(rig.dev_ctx));
	ERR(BAD_STATE, doca_devemu_vfs_dev_set_fuse_client_arch(rig.dev, arch));
	OK(doca_devemu_vfs_dev_get_fuse_client_arch(rig.dev, &shown));
	assert_int_equal(shown, arch);
	rig_create_io(&rig, 0);
	OK(doca_ctx_start(rig.io[0].ctx));
	rig_guest(&rig);
	rig_init(&rig, 38, 0);
	rig_call(&rig, 1, FUSE_OPEN, &open_in, sizeof(open_in), NULL, 0, 32);
	assert_int_equal(flags_seen, want);
	rig_call(&rig, 1, FUSE_WRITE, &write_in, sizeof(write_in), "x", 1, 24);
	assert_int_equal(flags_seen, want);
	rig_stop(&rig);
}

static void test_client_arch(void **state)
{
	/* the same four flags as each kind of kernel has them, O_DIRECT first */
	static const uint32_t x86[] = { 040000, 0100000, 0200000, 0400000 };
	static const uint32_t arm[] = { 0200000, 0400000, 040000, 0100000 };
	static const uint32_t own[] = { O_DIRECT, 0, O_DIRECTORY, O_NOFOLLOW };
	const uint32_t others = O_RDWR | O_APPEND | O_TRUNC;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(x86); i++) {
		uint32_t want = own[i];

		if (!want) /* O_LARGEFILE, which 64-bit libraries define as 0 */
			want = own[0] == x86[0] ? x86[i] : arm[i];
		check_arch(DOCA_DEVEMU_VFS_FUSE_CLIENT_ARCH_X86_64, x86[i] | others, want | others);
		check_arch(DOCA_DEVEMU_VFS_FUSE_CLIENT_ARCH_AARCH_64, arm[i] | others,
			   want | others);
		check_arch(DOCA_DEVEMU_VFS_FUSE_CLIENT_ARCH_UNKNOWN, arm[i] | others,
			   arm[i] | others);
	}
}

/* ---- a static function ---- */

static void on_hotplug(struct doca_devemu_pci_dev *dev, union doca_data data)
{
	fail();
}

static void test_hotplug(void **state)
{
	struct rig rig = new_rig();
	enum doca_devemu_pci_hotplug_state plug;
	struct doca_devemu_vfs_type *type;
	struct doca_devemu_pci_type *pci_type;
	struct doca_devemu_pci_dev *pci;
	struct doca_dev_rep *rep;
	const union doca_data none = { 0 };
	uint8_t supported = 1;
	uint32_t cnt = 1;

	rig_open_device(&rig);
	pci = doca_devemu_vfs_dev_as_pci_dev(rig.dev);
	OK(doca_devemu_vfs_find_default_vfs_type_by_dev(rig.mgr, &type));
	pci_type = doca_devemu_vfs_type_as_pci_type(type);
	OK(doca_devemu_pci_cap_type_is_hotplug_supported(doca_dev_as_devinfo(rig.mgr), pci_type,
							 &supported));
	OK(doca_devemu_pci_cap_get_max_hotplug_devices(doca_dev_as_devinfo(rig.mgr), &cnt));
	assert_int_equal(supported, 0);
	assert_int_equal(cnt, 0);
	ERR(NOT_SUPPORTED, doca_devemu_pci_dev_create_rep(pci_type, &rep));
	ERR(NOT_PERMITTED, doca_devemu_pci_dev_destroy_rep(rig.rep));
	ERR(NOT_PERMITTED, doca_devemu_pci_rep_get_hotplug_state(rig.rep, &plug));
	ERR(BAD_STATE, doca_devemu_pci_dev_get_hotplug_state(pci, &plug));
	ERR(BAD_STATE, doca_devemu_pci_dev_hotplug(pci));
	OK(doca_ctx_start(rig.dev_ctx));
	OK(doca_devemu_pci_dev_event_hotplug_state_change_register(pci, on_hotplug, none));
	OK(doca_devemu_pci_dev_get_hotplug_state(pci, &plug));
	assert_int_equal(plug, DOCA_DEVEMU_PCI_HP_STATE_POWER_ON);
	ERR(NOT_SUPPORTED, doca_devemu_pci_dev_hotplug(pci));
	ERR(NOT_SUPPORTED, doca_devemu_pci_dev_hotunplug(pci));
	rig_settle(&rig);
	rig_stop(&rig);
}

/* ---- states ---- */

/* What a running device, and a running or stopping I/O context, do not allow. */
static void test_states(void **state)
{
	struct rig rig = new_rig();
	struct doca_devemu_virtio_dev *virtio;
	struct doca_devemu_pci_dev *pci;
	union doca_data other = { .u64 = 7 }, shown;
	uint8_t flr = 1;

	rig.required = 1;
	rig_open_device(&rig);
	virtio = doca_devemu_vfs_dev_as_virtio_dev(rig.dev);
	pci = doca_devemu_vfs_dev_as_pci_dev(rig.dev);
	ERR(BAD_STATE, doca_ctx_stop(rig.dev_ctx));
	ERR(BAD_STATE, doca_devemu_pci_dev_is_flr(pci, &flr));
	ERR(IN_PROGRESS, doca_ctx_start(rig.dev_ctx));
	rig_create_io(&rig, 0);
	ERR(BAD_STATE, doca_ctx_stop(rig.io[0].ctx));
	OK(doca_ctx_start(rig.io[0].ctx));
	rig_until(&rig, rig_state(rig.dev_ctx) == DOCA_CTX_STATE_RUNNING);

	ERR(BAD_STATE, doca_ctx_start(rig.dev_ctx));
	ERR(BAD_STATE, doca_ctx_start(rig.io[0].ctx));
	ERR(BAD_STATE, doca_devemu_vfs_io_destroy(rig.io[0].io));
	ERR(BAD_STATE, doca_devemu_vfs_dev_destroy(rig.dev));
	ERR(BAD_STATE, doca_devemu_vfs_dev_set_num_request_queues(rig.dev, 1));
	ERR(BAD_STATE, doca_devemu_vfs_dev_set_vfs_req_user_data_size(rig.dev, 8));
	ERR(BAD_STATE, doca_devemu_virtio_dev_set_num_queues(virtio, 2));
	ERR(BAD_STATE, doca_devemu_virtio_dev_set_queue_size(virtio, 128));
	ERR(BAD_STATE, doca_devemu_virtio_dev_set_device_features_63_0(virtio, 0));
	ERR(BAD_STATE,
	    doca_devemu_virtio_dev_set_num_required_running_virtio_io_ctxs(virtio, 2));
	ERR(BAD_STATE, doca_devemu_pci_dev_set_device_id(pci, 1));
	ERR(BAD_STATE,
	    doca_devemu_vfs_io_event_vfs_fuse_open_req_handler_register(rig.io[0].io, on_open));
	ERR(BAD_STATE, doca_devemu_virtio_dev_reset_complete(virtio));
	ERR(IN_USE, doca_pe_destroy(rig.pe[0]));
	OK(doca_devemu_pci_dev_is_flr(pci, &flr));
	assert_int_equal(flr, 0);
	/* not documented as restricted, so not restricted */
	OK(doca_ctx_get_user_data(rig.io[0].ctx, &shown));
	OK(doca_ctx_set_user_data(rig.io[0].ctx, other));
	OK(doca_ctx_set_user_data(rig.io[0].ctx, shown));

	ERR(IN_PROGRESS, doca_ctx_stop(rig.dev_ctx));
	ERR(BAD_STATE, doca_ctx_stop(rig.dev_ctx));
	ERR(BAD_STATE, doca_ctx_start(rig.dev_ctx));
	ERR(IN_PROGRESS, doca_ctx_stop(rig.io[0].ctx));
	ERR(BAD_STATE, doca_ctx_stop(rig.io[0].ctx));
	ERR(BAD_STATE, doca_ctx_start(rig.io[0].ctx));
	ERR(BAD_STATE, doca_devemu_vfs_io_destroy(rig.io[0].io));
	rig_stop(&rig);
}

/* The library cannot answer INIT in the application's name. */
static void test_typed_needs_init(void **state)
{
	struct rig rig = new_rig();
	struct doca_devemu_vfs_io *io;

	rig_open_device(&rig);
	OK(doca_devemu_vfs_io_create(rig.dev, rig.pe[0], &io));
	OK(doca_devemu_vfs_io_event_vfs_fuse_open_req_handler_register(io, on_open));
	ERR(BAD_CONFIG, doca_ctx_start(doca_devemu_vfs_io_as_ctx(io)));
	OK(doca_devemu_vfs_io_event_vfs_fuse_init_req_handler_register(io, on_init));
	OK(doca_ctx_start(doca_devemu_vfs_io_as_ctx(io)));
	ERR(IN_PROGRESS, doca_ctx_stop(doca_devemu_vfs_io_as_ctx(io)));
	/* never from within stop: programs free the context in the notification */
	assert_int_equal(rig_state(doca_devemu_vfs_io_as_ctx(io)), DOCA_CTX_STATE_STOPPING);
	rig_until(&rig, rig_state(doca_devemu_vfs_io_as_ctx(io)) == DOCA_CTX_STATE_IDLE);
	OK(doca_devemu_vfs_io_destroy(io));
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_domains),	    cmocka_unit_test(test_domains_at_start),
		cmocka_unit_test(test_library_settings),
		cmocka_unit_test(test_device_settings),
		cmocka_unit_test(test_client_arch), cmocka_unit_test(test_hotplug),
		cmocka_unit_test(test_states),	    cmocka_unit_test(test_typed_needs_init),
	};

	if (softdpu_board_set(board) != DOCA_SUCCESS)
		return 1;
	return cmocka_run_group_tests_name("devices", tests, NULL, NULL);
}
