/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Four I/O contexts on four engines and threads, the device on the first, the guest on a fifth:
 * traffic under changes of memory, stopped queues, resets and a complete teardown. To be run with
 * a thread sanitizer.
 */
#include <stdlib.h>
#include <string.h>

#include "base/atomics.h"
#include "rig.h"

#define HDR ((uint32_t)sizeof(struct fuse_out_header))
#define QUEUES 8
#define RINGS_ROOM (8u << 20) /* of guest memory: each reset sets up all rings anew */

/* Per I/O thread: requests held back for a while, so that some are out at any moment. */
struct holder {
	unsigned int nr, events;
	struct doca_devemu_vfs_fuse_req *req[32];
};
static __thread struct holder held;
static int stopping; /* atomic: give back at once */
static int resets; /* atomic */

static void give_back(unsigned int keep)
{
	while (held.nr > keep)
		doca_devemu_vfs_fuse_req_complete(held.req[--held.nr], DOCA_SUCCESS);
}

static void on_init(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		    struct fuse_init_in *arg, struct fuse_out_header *out,
		    struct fuse_init_out *reply)
{
	reply->major = 7;
	reply->minor = 38;
	doca_devemu_vfs_fuse_req_complete(req, DOCA_SUCCESS);
}

static void on_statfs(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		      struct fuse_out_header *out, struct fuse_statfs_out *reply)
{
	reply->st.blocks = in->unique;
	held.req[held.nr++] = req;
	held.events++;
	give_back(load_acquire(&stopping) ? 0 : held.events % 4 ? 3 : 0);
}

static void typed(struct doca_devemu_vfs_io *io)
{
	OK(doca_devemu_vfs_io_event_vfs_fuse_init_req_handler_register(io, on_init));
	OK(doca_devemu_vfs_io_event_vfs_fuse_statfs_req_handler_register(io, on_statfs));
}

static void on_reset(struct rig *rig)
{
	__atomic_fetch_add(&resets, 1, __ATOMIC_RELEASE);
}

/* ---- jobs on the engines' threads ---- */

static void job_give_back(void *arg)
{
	give_back(0);
}

static void job_reset_complete(void *arg)
{
	struct rig *rig = arg;

	OK(doca_devemu_virtio_dev_reset_complete(doca_devemu_vfs_dev_as_virtio_dev(rig->dev)));
}

static void job_stop(void *arg)
{
	ERR(IN_PROGRESS, doca_ctx_stop(arg));
	give_back(0);
}

static void job_stop_dev(void *arg)
{
	ERR(IN_PROGRESS, doca_ctx_stop(arg));
}

static void job_start(void *arg)
{
	OK(doca_ctx_start(arg));
}

static void job_start_dev(void *arg)
{
	ERR(IN_PROGRESS, doca_ctx_start(arg));
}

static void job_state(void *arg)
{
	struct {
		struct doca_ctx *ctx;
		enum doca_ctx_states state;
	} *want = arg;

	want->state = rig_state(want->ctx);
}

static void wait_state(struct rig *rig, unsigned int engine, struct doca_ctx *ctx,
		       enum doca_ctx_states state)
{
	struct {
		struct doca_ctx *ctx;
		enum doca_ctx_states state;
	} is = { .ctx = ctx };
	uint64_t end = rig_now() + 10000000000ull;

	do {
		rig_run_on(rig, engine, job_state, &is);
		assert_true(rig_now() < end);
	} while (is.state != state);
}

/* ---- guest ---- */

static struct rig_msg *slot[QUEUES + 1][8];

/* Keeps eight requests per queue going for a while; checks every answer. */
static uint64_t traffic(struct rig *rig, uint64_t ns)
{
	uint64_t end = rig_now() + ns, cnt = 0;
	unsigned int q, i;

	while (rig_now() < end) {
		for (q = 1; q <= QUEUES; q++) {
			for (i = 0; i < 8; i++) {
				struct rig_msg *m = slot[q][i];

				if (m && !m->done)
					continue;
				if (m) {
					struct fuse_statfs_out *out = (void *)(m->out + 1);

					assert_int_equal(m->out->error, 0);
					assert_int_equal(out->st.blocks, m->in->unique);
					assert_int_equal(m->out->unique, m->in->unique);
					cnt++;
				}
				if (rig->drv.mem_len - rig->drv.mem_used < RINGS_ROOM)
					return cnt;
				slot[q][i] = rig_send(rig, (uint16_t)q, FUSE_STATFS, NULL, 0, NULL,
						      0, HDR + sizeof(struct fuse_statfs_out), 0);
			}
		}
		rig_poll(rig);
	}
	return cnt;
}

static void start_queues(struct rig *rig)
{
	uint16_t q;

	memset(slot, 0, sizeof(slot));
	assert_int_equal(loop_negotiate(&rig->drv, ~0ull), 0);
	for (q = 0; q <= QUEUES; q++)
		assert_int_equal(loop_queue_start(&rig->drv, q, 64, false), 0);
	rig_init(rig, 38, 0);
}

static void all_give_back(struct rig *rig)
{
	unsigned int i;

	for (i = 0; i < rig->nr_pes; i++)
		rig_run_on(rig, i, job_give_back, NULL);
}

static void reset_round(struct rig *rig)
{
	int before = load_acquire(&resets), done;

	loop_reset_begin(&rig->drv, false, &done);
	while (load_acquire(&resets) == before)
		rig_idle(rig);
	assert_int_equal(load_acquire(&done), 0);
	all_give_back(rig);
	rig_run_on(rig, 0, job_reset_complete, rig);
	while (!load_acquire(&done))
		rig_idle(rig);
	start_queues(rig);
}

static void restart_round(struct rig *rig)
{
	unsigned int i;

	rig_run_on(rig, 0, job_stop_dev, rig->dev_ctx);
	for (i = 0; i < rig->nr_pes; i++)
		rig_run_on(rig, i, job_stop, rig->io[i].ctx);
	wait_state(rig, 0, rig->dev_ctx, DOCA_CTX_STATE_IDLE);
	rig_run_on(rig, 0, job_start_dev, rig->dev_ctx);
	for (i = 0; i < rig->nr_pes; i++)
		rig_run_on(rig, i, job_start, rig->io[i].ctx);
	wait_state(rig, 0, rig->dev_ctx, DOCA_CTX_STATE_RUNNING);
}

static void stop_queue_round(struct rig *rig)
{
	uint16_t base;

	store_release(&stopping, 1);
	all_give_back(rig);
	base = loop_queue_stop(&rig->drv, 3);
	assert_int_equal(loop_queue_restart(&rig->drv, 3, base), 0);
	store_release(&stopping, 0);
}

static void leave(struct rig *rig)
{
	rig->guest = false;
	store_release(&stopping, 1);
	all_give_back(rig);
	loop_close(&rig->drv);
}

static void on_reset_complete(struct rig *rig)
{
	OK(doca_devemu_virtio_dev_reset_complete(doca_devemu_vfs_dev_as_virtio_dev(rig->dev)));
}

static void test_everything(void **state)
{
	struct rig rig = { .nr_pes = 4, .required = 4, .nr_request_queues = QUEUES,
			   .register_handlers = typed, .threads = true, .on_reset = on_reset };
	uint64_t cnt = 0;
	unsigned int i;

	rig_start(&rig);
	rig_guest(&rig);
	rig_init(&rig, 38, 0);
	for (i = 0; i < 4; i++) {
		cnt += traffic(&rig, 50000000);
		assert_int_equal(loop_renew_memory(&rig.drv), 0);
		loop_queue_renew_fds(&rig.drv, (uint16_t)(1 + i));
		cnt += traffic(&rig, 30000000);
		stop_queue_round(&rig);
		cnt += traffic(&rig, 30000000);
		reset_round(&rig);
		cnt += traffic(&rig, 30000000);
		restart_round(&rig);
	}
	assert_true(cnt > 100);
	rig.on_reset = on_reset_complete;
	store_release(&stopping, 1);
	all_give_back(&rig);
	rig_poll(&rig);
	leave(&rig);
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_everything) };

	return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
