/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Front ends that take O_NONBLOCK away from the eventfds they share, and fill or drain them: a thread
 * of the server that wrote or read one of those would stay there. Another device of the same thread is
 * served all the time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

static struct vufe_dev bystander;
static struct vufe_fs bystander_fs = {.dev = &bystander, .queue = 1};

static int setup(void **state)
{
	struct vufe_opts o = harness_opts();
	int i, r = harness_setup(state);

	o.path = harness_second_socket();
	for (i = 0; !r && i < 500; i++) {
		r = vufe_open(&bystander, &o);
		if (!r)
			return vufe_fs_init(&bystander_fs, &bystander);
		usleep(10000);
		r = 0;
	}
	fprintf(stderr, "second device: %s\n", bystander.err);
	harness_teardown(state);
	return -1;
}

static int teardown(void **state)
{
	vufe_close(&bystander);
	return harness_teardown(state);
}

static void assert_unharmed(void)
{
	int r = vufe_ping(&bystander_fs);

	assert_alive();
	if (r)
		fail_msg("the other device: %s: %s", strerror(-r), bystander.err);
}

static void may_block(int fd)
{
	assert_return_code(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), errno);
}

/* The next write() waits for somebody to read. */
static void fill(int fd)
{
	uint64_t cnt, all = UINT64_MAX - 1;

	assert_return_code(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), errno);
	if (read(fd, &cnt, sizeof(cnt)) < 0)
		assert_int_equal(errno, EAGAIN);
	assert_int_equal(write(fd, &all, sizeof(all)), sizeof(all));
	may_block(fd);
}

/* With the interrupt of the next completion asked for. */
static void ask(struct vufe_dev *dev, struct vufe_fs *fs)
{
	struct vufe_vq *vq = &dev->vq[1];

	if (vq->event_idx)
		vq->avail->ring[vq->size] = vq->used_idx;
	vq->avail->flags = 0;
	post_getattr(fs, vq);
	assert_return_code(vufe_vq_publish(vq), 0);
}

static void assert_answered(struct vufe_dev *dev)
{
	uint16_t head;
	uint32_t len;
	int i;

	for (i = 0; i < 500; i++) {
		if (vufe_vq_pop(&dev->vq[1], &head, &len) == 1) {
			vufe_vq_release(&dev->vq[1], head);
			return;
		}
		if (dev->opts.private_mem)
			dev->ops->serve(dev);
		usleep(10000);
	}
	fail_msg("the device itself is not served");
}

static void w_interrupt(struct vufe_dev *dev, struct vufe_fs *fs)
{
	int i;

	fill(dev->vq[1].call_fd);
	for (i = 0; i < 100; i++) { /* more often than completions may pile up in the server */
		ask(dev, fs);
		assert_answered(dev);
	}
}

/*
 * Who reads may find that somebody else has read, and wait. That takes luck to show, but a reader shows
 * by what it takes away.
 */
static void w_kick(struct vufe_dev *dev, struct vufe_fs *fs)
{
	struct vufe_vq *vq = &dev->vq[1];
	uint64_t one = 1, cnt;

	if (harness_is_vfio() && vq->how != VUFE_KICK_EVENTFD)
		return; /* there is no such counter */
	ask(dev, fs);
	assert_answered(dev);
	assert_int_equal(write(vq->kick_fd, &one, sizeof(one)), sizeof(one));
	usleep(100000);
	assert_int_equal(read(vq->kick_fd, &cnt, sizeof(cnt)), sizeof(cnt));
	may_block(vq->kick_fd);
	ask(dev, fs);
	vufe_vq_kick(vq);
	assert_answered(dev);
}

/* What tells of broken rings: the error channel, over vfio-user the interrupt for the configuration. */
static void w_error(struct vufe_dev *dev, struct vufe_fs *fs)
{
	struct vufe_vq *vq = &dev->vq[1];

	fill(harness_is_vfio() ? dev->vfu.config_fd : vq->err_fd);
	vq->avail->idx = (uint16_t)(vq->avail_idx + vq->size + 1);
	vufe_vq_kick(vq);
	usleep(50000);
}

/* Over vfio-user a doorbell can be an eventfd as well as a message. */
static void w_doorbell(struct vufe_dev *dev, struct vufe_fs *fs)
{
	struct vufe_vq *vq = &dev->vq[1];

	if (!harness_is_vfio() || vq->how != VUFE_KICK_EVENTFD)
		return;
	fill(vq->kick_fd);
	vq->how = VUFE_KICK_MESSAGE;
	ask(dev, fs);
	vufe_vq_kick(vq);
	assert_answered(dev);
}

static const struct blocked_row {
	const char *name;
	void (*block)(struct vufe_dev *dev, struct vufe_fs *fs);
} rows[] = {
	{"a kick that somebody else has read", w_kick},
	{"an interrupt that is full", w_interrupt},
	{"an error channel that is full", w_error},
	{"a doorbell that is full", w_doorbell},
};

static void run_row(void **state)
{
	const struct blocked_row *row = *state;
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;
	struct vufe_fs fs;

	open_good(&dev, &o);
	assert_return_code(vufe_fs_init(&fs, &dev), 0);
	row->block(&dev, &fs);
	assert_unharmed();
	vufe_close(&dev);
	assert_unharmed();
	assert_serves();
}

int main(void)
{
	struct CMUnitTest tests[sizeof(rows) / sizeof(rows[0])];
	size_t i;

	harness_need_server();
	if (!getenv("DOCA_VIRTIOFS"))
		return 77; /* needs a server with two devices */
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		tests[i] = (struct CMUnitTest){rows[i].name, run_row, NULL, NULL, (void *)&rows[i]};
	harness_use_two();
	return cmocka_run_group_tests_name("blocked", tests, setup, teardown);
}
