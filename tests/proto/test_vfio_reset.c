/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Resets of every kind, unmaps and hang-ups while the application holds requests. The server delays
 * every answer, so that the requests are really out when it happens, however slow the machine is.
 * Whatever was asked for twice is done once and nothing asked for is lost: in the end a driver that
 * begins anew is served by the same process.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomics.h"
#include "harness.h"

#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX
/* Longer than a reset takes, shorter than a test may. */
#define DELAY "--wrap delay=100ms"
#define LOAD 30u

static struct vufe_fs fs;

/* Requests that are out: the application has them, or will when it looks. */
static void load(struct vufe_dev *dev)
{
	unsigned i, q;

	for (q = 1; q < dev->nr_vqs; q++) {
		for (i = 0; i < LOAD; i++) {
			fs.queue = q;
			post_getattr(&fs, &dev->vq[q]);
		}
		assert_return_code(vufe_vq_publish(&dev->vq[q]), 0);
		vufe_vq_kick(&dev->vq[q]);
	}
}

static void open_loaded(struct vufe_dev *dev)
{
	struct vufe_opts o = harness_opts();

	o.nr_queues = 2;
	o.timeout_ms = 20000;
	open_good(dev, &o);
	assert_return_code(vufe_fs_init(&fs, dev), 0);
	/* One answer shows that the rest is on its way, too. */
	load(dev);
}

/* A driver from the beginning; the function's registers are there. */
static void start_over(struct vufe_dev *dev)
{
	unsigned q;

	assert_alive();
	for (q = 0; q < dev->nr_vqs; q++)
		vufe_vq_clear(&dev->vq[q]);
	if (vfuc_virtio_begin(dev) || vufe_vqs_start(dev))
		fail_msg("start: %s", dev->err);
	dev->region[0].used = dev->region[0].used > dev->region[0].size / 2 ?
			      dev->region[0].size / 2 : dev->region[0].used;
	assert_return_code(vufe_fs_init(&fs, dev), 0);
	harness_new_mount();
	assert_pings(dev, 1);
}

static void by_status(struct vufe_dev *dev)
{
	assert_return_code(vfuc_virtio_reset(dev), 0);
}

static void by_message(struct vufe_dev *dev)
{
	assert_return_code(vfuc_reset(dev), 0);
	assert_return_code(vfuc_assign_bars(dev), 0);
	assert_return_code(vfuc_pci_enable(dev), 0);
}

static void by_flr(struct vufe_dev *dev)
{
	if (vfuc_flr(dev))
		fail_msg("FLR: %s", dev->err);
}

static void by_queue_reset(struct vufe_dev *dev)
{
	unsigned q;

	for (q = 1; q < dev->nr_vqs; q++)
		assert_return_code(vfuc_queue_reset(&dev->vq[q]), 0);
}

static void by_unmap(struct vufe_dev *dev)
{
	assert_return_code(vufe_mem_remove(dev, 0), 0);
	assert_return_code(vufe_mem_add(dev, 0), 0);
}

static void post_config(struct vufe_dev *dev, uint64_t off, uint32_t v, uint32_t len)
{
	assert_return_code(vfuc_post(dev, CONFIG, off, &v, len), 0);
}

static void post_status(struct vufe_dev *dev, uint8_t v)
{
	const struct vfuc_cap *c = &dev->vfu.cap[VFUC_CAP_COMMON];

	assert_return_code(vfuc_post(dev, c->bar, c->offset + VFUC_STATUS, &v, 1), 0);
}

/* Every kind at once, nobody waiting for any of them. */
static void by_all(struct vufe_dev *dev)
{
	int i;

	for (i = 0; i < 5; i++) {
		post_config(dev, dev->vfu.pos_pcie + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
		post_status(dev, 0);
		assert_return_code(vfuc_send(dev, VFUC_RESET, VFUC_NO_REPLY, NULL, 0, NULL, 0), 0);
		post_config(dev, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
		post_status(dev, 0);
		post_status(dev, VFUC_S_ACKNOWLEDGE);
		post_status(dev, 0);
	}
	by_message(dev);
}

/* Nobody waits for the reset before the next driver begins, as one who has lost patience. */
static void by_impatience(struct vufe_dev *dev)
{
	int i;

	for (i = 0; i < 10; i++) {
		post_status(dev, 0);
		post_status(dev, VFUC_S_ACKNOWLEDGE);
		post_status(dev, VFUC_S_ACKNOWLEDGE | VFUC_S_DRIVER);
		post_status(dev, 0xf);
	}
	by_status(dev);
}

static const struct reset_row {
	const char *name;
	void (*reset)(struct vufe_dev *dev);
} rows[] = {
	{"status 0", by_status},
	{"reset message", by_message},
	{"function level reset", by_flr},
	{"reset of the queues", by_queue_reset},
	{"memory taken and given back", by_unmap},
	{"all of them at once", by_all},
	{"status 0 without patience", by_impatience},
};

static void run_row(void **state)
{
	const struct reset_row *row = *state;
	struct vufe_dev dev;
	int i;

	open_loaded(&dev);
	for (i = 0; i < 3; i++) {
		row->reset(&dev);
		start_over(&dev);
		load(&dev);
	}
	vufe_close(&dev);
	assert_serves();
}

/* After the reply to an unmap the device writes there no more, whatever it still has to finish. */
static void test_unmap_is_final(void **state)
{
	struct vufe_region *r;
	struct vufe_dev dev;
	unsigned i;
	uint8_t *seen;

	open_loaded(&dev);
	r = &dev.region[0];
	assert_return_code(vufe_mem_remove(&dev, 0), 0);
	memset(r->va, 0x77, r->size);
	usleep(400000);
	seen = r->va;
	for (i = 0; i < r->size; i++)
		if (seen[i] != 0x77)
			fail_msg("byte 0x%x was written after the unmap", i);
	assert_alive();
	vufe_close(&dev);
	assert_serves();
}

/* The answers of a reset driver's requests must not show up in the rings of the next one. */
static void test_nothing_late(void **state)
{
	struct vufe_dev dev;
	uint16_t head;
	uint32_t len;
	int i;

	open_loaded(&dev);
	by_status(&dev);
	start_over(&dev);
	for (i = 0; i < 20; i++) {
		usleep(20000);
		assert_int_equal(vufe_vq_pop(&dev.vq[1], &head, &len), 0);
		assert_int_equal(vufe_vq_pop(&dev.vq[2], &head, &len), 0);
	}
	vufe_close(&dev);
}

/* The host goes in the middle of each. */
static void test_leave(void **state)
{
	struct vufe_dev dev;
	unsigned i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		open_loaded(&dev);
		switch (i % 4) {
		case 0: post_status(&dev, 0); break;
		case 1: vfuc_send(&dev, VFUC_RESET, 0, NULL, 0, NULL, 0); break;
		case 2: post_config(&dev, dev.vfu.pos_pcie + PCI_EXP_DEVCTL,
				    PCI_EXP_DEVCTL_BCR_FLR, 2); break;
		case 3: {
			struct vfuc_dma_unmap m = {.argsz = sizeof(m), .addr = dev.region[0].gpa,
						   .size = dev.region[0].size};

			vfuc_send(&dev, VFUC_DMA_UNMAP, 0, &m, sizeof(m), NULL, 0);
			break;
		}
		}
		vufe_close(&dev);
		assert_alive();
	}
	assert_serves();
}

/* ---- the server's own ends; each has a server of its own ---- */

static void reset_and_stop(void **state)
{
	const struct reset_row *row = *state;
	struct vufe_dev dev;
	int pipe_fd[2];
	pid_t child;

	open_loaded(&dev);
	/* The host goes on resetting while the server ends; what it meets is its own business. */
	assert_return_code(pipe(pipe_fd), errno);
	child = fork();
	if (child == 0) {
		uint8_t zero = 0;
		const struct vfuc_cap *c = &dev.vfu.cap[VFUC_CAP_COMMON];
		int i;

		dev.opts.timeout_ms = 2000;
		for (i = 0; i < 1000; i++) {
			if (vfuc_post(&dev, c->bar, c->offset + VFUC_STATUS, &zero, 1))
				break;
			if (row->reset == by_flr && vfuc_flr(&dev))
				break;
			if (row->reset == by_message && vfuc_reset(&dev))
				break;
			if (i == 3 && write(pipe_fd[1], "x", 1) < 0)
				break;
		}
		_exit(0);
	}
	close(pipe_fd[1]);
	assert_int_equal(read(pipe_fd[0], &(char){0}, 1) >= 0, 1);
	close(pipe_fd[0]);
	assert_int_equal(harness_teardown(state), 0);
	waitpid(child, NULL, 0);
	vufe_close(&dev);
}

/* A host that resets from the moment the socket is there. */
static void reset_and_start(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;

	connect_good(&dev, &o);
	assert_return_code(vfuc_version(&dev), 0);
	assert_return_code(vfuc_reset(&dev), 0);
	assert_return_code(vfuc_info(&dev), 0);
	assert_return_code(vfuc_find_caps(&dev), 0);
	by_all(&dev);
	assert_return_code(vufe_mem_create(&dev), 0);
	assert_return_code(vufe_mem_send(&dev), 0);
	assert_return_code(vfuc_virtio_begin(&dev), 0);
	assert_return_code(vufe_vqs_create(&dev), 0);
	start_over(&dev);
	vufe_close(&dev);
	assert_int_equal(harness_teardown(state), 0);
}

int main(void)
{
	const struct CMUnitTest more[] = {
		cmocka_unit_test(test_unmap_is_final),
		cmocka_unit_test(test_nothing_late),
		cmocka_unit_test(test_leave),
	};
	const struct CMUnitTest ends[] = {
		{"stop while status 0 is written", reset_and_stop, harness_setup, NULL,
		 (void *)&rows[0]},
		{"stop while it is reset by message", reset_and_stop, harness_setup, NULL,
		 (void *)&rows[1]},
		{"stop while it is reset as a function", reset_and_stop, harness_setup, NULL,
		 (void *)&rows[2]},
		{"start while it is reset", reset_and_start, harness_setup, NULL, NULL},
	};
	int r;

	harness_need_server();
	harness_use_args(DELAY);
	r = RUN_ROWS("resets under load", rows, run_row);
	r += cmocka_run_group_tests_name("under load", more, harness_setup, harness_teardown);
	if (getenv("DOCA_VIRTIOFS"))
		r += cmocka_run_group_tests_name("stop and start", ends, NULL, NULL);
	return r;
}
