/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A controller that sleeps, and a guest on another thread that kicks at any moment, most of all
 * between the arming of the engine and the sleep: no wake-up may be lost. A lost one shows as a
 * poll that runs into its time-out, or as a guest that waits for ever.
 */
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/atomics.h"
#include "rig.h"

#define PATIENCE_MS 5000
#define ROOM ((uint32_t)sizeof(struct fuse_out_header))
#define MAX_HELD 64

/* The controller's thread. */
static struct sleeper {
	struct rig *rig;
	pthread_t thread;
	int event_fd; /* its own source of work, beside the engine */
	bool later; /* requests are completed from that, not from the handler */
	int stop; /* atomic */
	unsigned int timeouts, sleeps; /* of the thread; read after it has ended */
	struct doca_devemu_vfs_req *held[MAX_HELD];
	unsigned int nr_held;
} sleeper;

static void signal_sleeper(void)
{
	const uint64_t one = 1;

	assert_int_equal(write(sleeper.event_fd, &one, sizeof(one)), sizeof(one));
}

static void on_req(struct doca_devemu_vfs_req *req, void *user, union doca_data data)
{
	if (!sleeper.later) {
		doca_devemu_vfs_req_complete(req, ROOM);
		return;
	}
	sleeper.held[sleeper.nr_held++] = req;
	signal_sleeper();
}

static void handlers(struct doca_devemu_vfs_io *io)
{
	const union doca_data none = { 0 };

	OK(doca_devemu_vfs_io_event_vfs_req_notice_register(io, on_req, none));
}

/* Outside of the engine, which stays armed. */
static void run_own_work(void)
{
	uint64_t cnt;

	assert_int_equal(read(sleeper.event_fd, &cnt, sizeof(cnt)), sizeof(cnt));
	while (sleeper.nr_held)
		doca_devemu_vfs_req_complete(sleeper.held[--sleeper.nr_held], ROOM);
}

static void sleep_once(struct doca_pe *pe, struct pollfd *pfd)
{
	int rc = poll(pfd, 2, PATIENCE_MS);

	sleeper.sleeps++;
	if (rc <= 0)
		sleeper.timeouts++;
	if (pfd[1].revents)
		run_own_work();
	if (!pfd[0].revents)
		return; /* nothing was said of the engine: it is not looked at */
	doca_pe_clear_notification(pe, pfd[0].fd);
	while (doca_pe_progress(pe))
		;
	doca_pe_request_notification(pe);
}

static void *run_sleeper(void *arg)
{
	struct doca_pe *pe = sleeper.rig->pe[0];
	struct pollfd pfd[2] = { { .events = POLLIN }, { .events = POLLIN } };

	pfd[1].fd = sleeper.event_fd;
	doca_pe_get_notification_handle(pe, &pfd[0].fd);
	doca_pe_request_notification(pe);
	while (!load_acquire(&sleeper.stop) && !sleeper.timeouts)
		sleep_once(pe, pfd);
	return NULL;
}

static void start(struct rig *rig, bool later)
{
	*rig = (struct rig){
		.nr_pes = 1,
		.required = 1,
		.nr_request_queues = 3,
		.register_handlers = handlers,
	};
	rig_start(rig);
	rig_guest(rig);
	rig_settle(rig);
	sleeper = (struct sleeper){ .rig = rig, .later = later };
	sleeper.event_fd = eventfd(0, EFD_CLOEXEC);
	rig->threads = true; /* from now on the guest only yields */
	assert_int_equal(pthread_create(&sleeper.thread, NULL, run_sleeper, NULL), 0);
}

static void stop(struct rig *rig)
{
	store_release(&sleeper.stop, 1);
	signal_sleeper();
	pthread_join(sleeper.thread, NULL);
	close(sleeper.event_fd);
	rig->threads = false;
	assert_int_equal(sleeper.timeouts, 0);
	assert_true(sleeper.sleeps > 0);
	rig_stop(rig);
}

/* A while of no fixed length: it decides where on its way to sleep the controller is met. */
static void dawdle(unsigned int *seed)
{
	unsigned int i, cnt = (unsigned int)rand_r(seed) % 3000;

	for (i = 0; i < cnt; i++)
		__asm__ volatile("" ::: "memory");
}

static void kicks(bool later)
{
	unsigned int round, i, seed = 1;
	struct rig rig;

	start(&rig, later);
	for (round = 0; round < 4000; round++) {
		unsigned int cnt = round % 16 ? 1 : 8;
		size_t used = rig.drv.mem_used;
		struct rig_msg *msg[8];

		for (i = 0; i < cnt; i++) {
			msg[i] = rig_send(&rig, (uint16_t)((round + i) % 4), FUSE_STATFS, NULL, 0,
					  NULL, 0, ROOM, 0);
			dawdle(&seed);
		}
		for (i = 0; i < cnt; i++)
			rig_wait(&rig, msg[i]);
		rig.drv.mem_used = used;
		dawdle(&seed);
	}
	stop(&rig);
}

static void test_kick_meets_sleeper(void **state)
{
	kicks(false);
}

static void test_completion_outside_of_progress(void **state)
{
	kicks(true);
}

/* The last request returned from outside lets a stopping context end. */
static void test_stopping_ends(void **state)
{
	doca_notification_handle_t handle;
	struct pollfd pfd = { .events = POLLIN };
	struct rig rig;

	start(&rig, true);
	store_release(&sleeper.stop, 1);
	signal_sleeper();
	pthread_join(sleeper.thread, NULL);
	rig.threads = false;
	rig_send(&rig, 1, FUSE_STATFS, NULL, 0, NULL, 0, ROOM, 0);
	rig_until(&rig, sleeper.nr_held == 1);
	ERR(IN_PROGRESS, doca_ctx_stop(rig.dev_ctx));
	ERR(IN_PROGRESS, doca_ctx_stop(rig.io[0].ctx));
	rig_settle(&rig);
	OK(doca_pe_get_notification_handle(rig.pe[0], &handle));
	OK(doca_pe_request_notification(rig.pe[0]));
	pfd.fd = handle;
	assert_int_equal(poll(&pfd, 1, 0), 0);
	doca_devemu_vfs_req_complete(sleeper.held[0], ROOM);
	assert_int_equal(poll(&pfd, 1, 0), 1);
	OK(doca_pe_clear_notification(rig.pe[0], handle));
	close(sleeper.event_fd);
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kick_meets_sleeper),
		cmocka_unit_test(test_completion_outside_of_progress),
		cmocka_unit_test(test_stopping_ends),
	};

	return cmocka_run_group_tests_name("wakeup", tests, NULL, NULL);
}
