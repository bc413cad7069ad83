/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <linux/virtio_config.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/atomics.h"
#include "base/util.h"

static const char board[] =
	"{\"managers\": [{\"name\": \"mlx5_0\", \"pci_addr\": \"0000:03:00.0\","
	"\"VIRTIO_FS_EMULATION_ENABLE\": 1, \"VIRTIO_FS_EMULATION_NUM_PF\": 2,"
	"\"VIRTIO_FS_EMULATION_NUM_MSIX\": 34,"
	"\"functions\": [{\"transport\": \"loop\"}, {\"transport\": \"loop\"}]}]}";

uint64_t rig_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

enum doca_ctx_states rig_state(struct doca_ctx *ctx)
{
	enum doca_ctx_states state;

	OK(doca_ctx_get_state(ctx, &state));
	return state;
}

void rig_idle(void *arg)
{
	struct rig *rig = arg;
	unsigned int i;

	if (rig->threads) {
		sched_yield();
		return;
	}
	for (i = 0; i < rig->nr_pes; i++)
		if (rig->pe[i])
			doca_pe_progress(rig->pe[i]);
}

void rig_settle(struct rig *rig)
{
	uint64_t end = rig_now() + 2000000;
	int i;

	for (i = 0; i < 1000 || rig_now() < end; i++)
		rig_idle(rig);
}

/* ---- device ---- */

static void rig_dev_changed(const union doca_data user_data, struct doca_ctx *ctx,
			    enum doca_ctx_states prev, enum doca_ctx_states next)
{
	struct rig *rig = user_data.ptr;

	rig->change[rig->nr_changes % ARRAY_SIZE(rig->change)] = (struct rig_change){ prev, next };
	rig->nr_changes++;
}

static void rig_io_changed(const union doca_data user_data, struct doca_ctx *ctx,
			   enum doca_ctx_states prev, enum doca_ctx_states next)
{
	struct rig_io *io = user_data.ptr;

	io->change[io->nr_changes % ARRAY_SIZE(io->change)] = (struct rig_change){ prev, next };
	io->nr_changes++;
}

static void rig_reset_event(struct doca_devemu_virtio_dev *dev, union doca_data data)
{
	struct rig *rig = data.ptr;

	rig->on_reset(rig);
}

static void rig_flr_event(struct doca_devemu_pci_dev *dev, union doca_data data)
{
	struct rig *rig = data.ptr;

	rig->on_flr(rig);
}

static void rig_open_rep(struct rig *rig)
{
	struct doca_devinfo **list;
	struct doca_devinfo_rep **reps;
	struct doca_devemu_vfs_type *type;
	uint32_t cnt;

	softdpu_board_set(board); /* refused from the second test on: it is in use */
	OK(doca_devinfo_create_list(&list, &cnt));
	OK(doca_dev_open(list[0], &rig->mgr));
	OK(doca_devinfo_destroy_list(list));
	OK(doca_devemu_vfs_find_default_vfs_type_by_dev(rig->mgr, &type));
	OK(doca_devemu_pci_type_create_rep_list(doca_devemu_vfs_type_as_pci_type(type), &reps,
						&cnt));
	assert_true(cnt >= 1);
	OK(doca_devinfo_rep_get_vuid(reps[0], rig->vuid, sizeof(rig->vuid)));
	OK(doca_dev_rep_open(reps[0], &rig->rep));
	OK(doca_devinfo_rep_destroy_list(reps));
	OK(doca_devemu_vfs_dev_create(type, rig->rep, rig->pe[0], &rig->dev));
}

void rig_open_device(struct rig *rig)
{
	struct doca_devemu_virtio_dev *virtio;
	const union doca_data self = { .ptr = rig };
	const char tag[DOCA_VFS_TAG_SIZE] = "docavirtiofs";
	unsigned int i;

	for (i = 0; i < rig->nr_pes; i++)
		OK(doca_pe_create(&rig->pe[i]));
	rig_open_rep(rig);
	virtio = doca_devemu_vfs_dev_as_virtio_dev(rig->dev);
	rig->dev_ctx = doca_devemu_vfs_dev_as_ctx(rig->dev);
	OK(doca_ctx_set_user_data(rig->dev_ctx, self));
	OK(doca_ctx_set_state_changed_cb(rig->dev_ctx, rig_dev_changed));
	OK(doca_devemu_vfs_dev_set_tag(rig->dev, tag));
	OK(doca_devemu_vfs_dev_set_num_request_queues(rig->dev, rig->nr_request_queues));
	OK(doca_devemu_virtio_dev_set_num_queues(virtio, (uint16_t)(rig->nr_request_queues + 1)));
	OK(doca_devemu_virtio_dev_set_num_required_running_virtio_io_ctxs(virtio, rig->required));
	OK(doca_devemu_vfs_dev_set_vfs_req_user_data_size(rig->dev, rig->user_size));
	if (rig->on_reset)
		OK(doca_devemu_virtio_dev_event_reset_register(virtio, rig_reset_event, self));
	if (rig->on_flr)
		OK(doca_devemu_pci_dev_event_flr_register(
			doca_devemu_vfs_dev_as_pci_dev(rig->dev), rig_flr_event, self));
}

void rig_create_io(struct rig *rig, unsigned int i)
{
	struct rig_io *io = &rig->io[i];
	const union doca_data self = { .ptr = io };

	io->rig = rig;
	io->index = i;
	OK(doca_devemu_vfs_io_create(rig->dev, rig->pe[i], &io->io));
	io->ctx = doca_devemu_vfs_io_as_ctx(io->io);
	OK(doca_ctx_set_user_data(io->ctx, self));
	OK(doca_ctx_set_state_changed_cb(io->ctx, rig_io_changed));
	rig->register_handlers(io->io);
}

struct rig_job {
	void (*fn)(void *arg);
	void *arg;
};

static void rig_run_job(struct rig_job **at)
{
	struct rig_job *job = load_acquire(at); /* pairs with the release in rig_run_on() */

	if (!job)
		return;
	job->fn(job->arg);
	store_release(at, NULL); /* pairs with the acquire in rig_run_on() */
}

static void *rig_thread(void *arg)
{
	struct rig_io *io = arg;
	struct rig *rig = io->rig;

	while (!load_acquire(&rig->stop_threads)) {
		rig_run_job(&rig->job[io->index]);
		if (!doca_pe_progress(rig->pe[io->index]))
			sched_yield();
	}
	return NULL;
}

void rig_run_on(struct rig *rig, unsigned int i, void (*fn)(void *arg), void *arg)
{
	struct rig_job job = { fn, arg };

	store_release(&rig->job[i], &job);
	while (load_acquire(&rig->job[i]))
		sched_yield();
}

void rig_start(struct rig *rig)
{
	unsigned int i;
	int rc;

	rig_open_device(rig);
	rc = doca_ctx_start(rig->dev_ctx);
	assert_int_equal(rc, rig->required ? DOCA_ERROR_IN_PROGRESS : DOCA_SUCCESS);
	for (i = 0; i < rig->nr_pes; i++) {
		rig_create_io(rig, i);
		OK(doca_ctx_start(rig->io[i].ctx));
	}
	for (i = 0; rig->threads && i < rig->nr_pes; i++)
		assert_int_equal(pthread_create(&rig->thread[i], NULL, rig_thread, &rig->io[i]), 0);
	if (!rig->threads)
		rig_until(rig, rig_state(rig->dev_ctx) == DOCA_CTX_STATE_RUNNING);
}

void rig_guest(struct rig *rig)
{
	unsigned int i;

	assert_int_equal(loop_open(&rig->drv, rig->vuid, 64u << 20, rig_idle, rig), 0);
	rig->guest = true;
	assert_int_equal(loop_negotiate(&rig->drv, ~0ull), 0);
	for (i = 0; i <= rig->nr_request_queues; i++)
		assert_int_equal(loop_queue_start(&rig->drv, (uint16_t)i, 128, false), 0);
	loop_set_status(&rig->drv, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
					   VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

static void rig_join(struct rig *rig)
{
	unsigned int i;

	if (!rig->threads)
		return;
	store_release(&rig->stop_threads, 1);
	for (i = 0; i < rig->nr_pes; i++)
		pthread_join(rig->thread[i], NULL);
	rig->threads = false;
}

void rig_stop(struct rig *rig)
{
	unsigned int i;

	if (rig->guest)
		loop_close(&rig->drv);
	rig_join(rig);
	if (rig_state(rig->dev_ctx) != DOCA_CTX_STATE_IDLE)
		doca_ctx_stop(rig->dev_ctx);
	for (i = 0; i < rig->nr_pes; i++) {
		if (!rig->io[i].io)
			continue;
		if (rig_state(rig->io[i].ctx) == DOCA_CTX_STATE_RUNNING)
			ERR(IN_PROGRESS, doca_ctx_stop(rig->io[i].ctx));
		rig_until(rig, rig_state(rig->io[i].ctx) == DOCA_CTX_STATE_IDLE);
		OK(doca_devemu_vfs_io_destroy(rig->io[i].io));
	}
	rig_until(rig, rig_state(rig->dev_ctx) == DOCA_CTX_STATE_IDLE);
	OK(doca_devemu_vfs_dev_destroy(rig->dev));
	OK(doca_dev_rep_close(rig->rep));
	OK(doca_dev_close(rig->mgr));
	for (i = 0; i < rig->nr_pes; i++)
		OK(doca_pe_destroy(rig->pe[i]));
}

/* ---- guest ---- */

struct rig_msg *rig_send(struct rig *rig, uint16_t q, uint32_t opcode, const void *arg,
			 uint32_t arg_len, const void *data, uint32_t data_len, uint32_t out_len,
			 uint32_t out_split)
{
	struct loop_driver *drv = &rig->drv;
	uint32_t in_len = (uint32_t)sizeof(struct fuse_in_header) + arg_len + data_len;
	struct rig_msg *msg = loop_alloc(drv, sizeof(*msg), 64);
	uint8_t *in = loop_alloc(drv, in_len, 64);
	uint8_t *out = loop_alloc(drv, out_len + 1, 64);
	struct iovec seg[5];
	unsigned int nr_in = 1, nr_out = 0;

	assert_non_null(msg);
	assert_non_null(in);
	assert_non_null(out);
	memset(msg, 0, sizeof(*msg));
	msg->in = (void *)in;
	msg->out = (void *)out;
	msg->out_cap = out_len;
	memset(out, 0xaa, out_len);
	*msg->in = (struct fuse_in_header){
		.len = in_len, .opcode = opcode, .unique = ++rig->unique, .nodeid = 1,
	};
	if (arg_len)
		memcpy(in + sizeof(*msg->in), arg, arg_len);
	if (data_len)
		memcpy(in + sizeof(*msg->in) + arg_len, data, data_len);
	seg[0] = (struct iovec){ in, sizeof(*msg->in) };
	if (arg_len)
		seg[nr_in++] = (struct iovec){ in + sizeof(*msg->in), arg_len };
	if (data_len)
		seg[nr_in++] = (struct iovec){ in + sizeof(*msg->in) + arg_len, data_len };
	if (out_split && out_split < out_len) {
		seg[nr_in + nr_out++] = (struct iovec){ out, out_split };
		seg[nr_in + nr_out++] = (struct iovec){ out + out_split, out_len - out_split };
	} else if (out_len) {
		seg[nr_in + nr_out++] = (struct iovec){ out, out_len };
	}
	assert_true(loop_add(drv, &drv->queue[q], seg, nr_in, nr_out, msg));
	loop_publish(&drv->queue[q]);
	return msg;
}

void rig_poll(struct rig *rig)
{
	unsigned int i;

	for (i = 0; i <= rig->nr_request_queues; i++) {
		struct rig_msg *msg;
		uint32_t len;

		if (!rig->drv.queue[i].size)
			continue;
		while ((msg = loop_get_used(&rig->drv.queue[i], &len))) {
			assert_false(msg->done);
			msg->done = true;
			msg->len = len;
		}
	}
}

void rig_wait(struct rig *rig, struct rig_msg *msg)
{
	rig_until(rig, (rig_poll(rig), msg->done));
}

struct rig_msg *rig_call(struct rig *rig, uint16_t q, uint32_t opcode, const void *arg,
			 uint32_t arg_len, const void *data, uint32_t data_len, uint32_t out_len)
{
	struct rig_msg *msg = rig_send(rig, q, opcode, arg, arg_len, data, data_len, out_len, 0);

	rig_wait(rig, msg);
	return msg;
}

struct rig_msg *rig_init(struct rig *rig, uint32_t minor, uint32_t flags)
{
	const struct fuse_init_in init = {
		.major = 7, .minor = minor, .max_readahead = 131072, .flags = flags,
	};

	return rig_call(rig, 1, FUSE_INIT, &init, sizeof(init), NULL, 0,
			sizeof(struct fuse_out_header) + sizeof(struct fuse_init_out));
}
