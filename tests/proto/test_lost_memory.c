/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Front ends that truncate the memory they share. Each case must cost the front end its connection
 * and nobody else anything: the same process serves the next one, and a second device in it never
 * notices.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

static struct vufe_dev bystander;

/* The next round of the bystander goes on with the mount it has. */
static struct vufe_fs bystander_fs = {.dev = &bystander, .queue = 1};

static int setup(void **state)
{
	struct vufe_opts o = harness_opts();
	int i, r = harness_setup(state);

	if (r)
		return r;
	o.path = harness_second_socket();
	for (i = 0; i < 500; i++) {
		r = vufe_open(&bystander, &o);
		if (!r)
			return vufe_fs_init(&bystander_fs, &bystander);
		usleep(10000);
	}
	fprintf(stderr, "second device: %s\n", bystander.err);
	harness_teardown(state);
	return r;
}

static int teardown(void **state)
{
	vufe_close(&bystander);
	return harness_teardown(state);
}

/*
 * The file ends at offset len of the guest's memory. This process sees zeros from there on, or it
 * would be the one that dies.
 */
static void truncate_memory(struct vufe_dev *dev, size_t len)
{
	struct vufe_region *r = &dev->region[0];

	assert_return_code(ftruncate(r->fd, (off_t)(r->mmap_off + len)), errno);
	assert_ptr_not_equal(mmap(r->va + len, r->size - len, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			     MAP_FAILED);
}

/* nr GETATTRs at once, in pages of their own. */
static void post_requests(struct vufe_dev *dev, unsigned nr)
{
	struct vufe_fs fs = {.dev = dev, .queue = 1};
	unsigned i;

	for (i = 0; i < nr; i++) {
		struct vufe_seg seg[2] = {{.len = 56}, {.len = 120}};
		struct fuse_in_header *h = vufe_alloc(dev, 4096, 4096, &seg[0].gpa);
		int head;

		assert_non_null(h);
		vufe_fill_header(&fs, h, FUSE_GETATTR, FUSE_ROOT_ID,
				 sizeof(struct fuse_getattr_in));
		seg[1].gpa = seg[0].gpa + 2048;
		head = vufe_vq_build(&dev->vq[1], seg, 1, 1);
		assert_true(head >= 0);
		vufe_vq_post(&dev->vq[1], (uint16_t)head);
	}
}

static void w_idle(struct vufe_dev *dev)
{
	truncate_memory(dev, 0);
	vufe_vq_kick(&dev->vq[1]);
}

/* The hiprio queue is looked at in a way of its own. */
static void w_hiprio(struct vufe_dev *dev)
{
	truncate_memory(dev, 0);
	vufe_vq_kick(&dev->vq[0]);
}

static void w_busy(struct vufe_dev *dev)
{
	post_requests(dev, 30);
	assert_return_code(vufe_vq_publish(&dev->vq[1]), 0);
	truncate_memory(dev, 0);
	vufe_vq_kick(&dev->vq[1]);
}

/* The rings stay, the requests they point to go. */
static void w_buffers(struct vufe_dev *dev)
{
	size_t rings = (dev->region[0].used + 4095) / 4096 * 4096;

	dev->region[0].used = rings;
	post_requests(dev, 4);
	truncate_memory(dev, rings);
	vufe_vq_publish(&dev->vq[1]);
	vufe_vq_kick(&dev->vq[1]);
}

/* Only the last answers go: the request is good. */
static void w_answers(struct vufe_dev *dev)
{
	struct vufe_fs fs = {.dev = dev, .queue = 1};
	struct vufe_seg seg[2] = {{.len = 56}, {.len = 120}};
	struct vufe_region *r = &dev->region[0];
	struct fuse_in_header *h = vufe_alloc(dev, 4096, 4096, &seg[0].gpa);
	int head;

	assert_non_null(h);
	vufe_fill_header(&fs, h, FUSE_GETATTR, FUSE_ROOT_ID, sizeof(struct fuse_getattr_in));
	seg[1].gpa = r->gpa + r->size - 4096;
	head = vufe_vq_build(&dev->vq[1], seg, 1, 1);
	assert_true(head >= 0);
	truncate_memory(dev, r->size - 4096);
	vufe_vq_post(&dev->vq[1], (uint16_t)head);
	vufe_vq_publish(&dev->vq[1]);
	vufe_vq_kick(&dev->vq[1]);
}

static const struct lost_row {
	const char *name;
	void (*lose)(struct vufe_dev *dev);
} rows[] = {
	{"all memory of an idle device", w_idle},
	{"all memory, seen by the hiprio queue", w_hiprio},
	{"all memory with requests waiting", w_busy},
	{"the buffers", w_buffers},
	{"the room for the answer", w_answers},
};

static void assert_hung_up(struct vufe_dev *dev)
{
	struct pollfd p = {.fd = dev->sock, .events = POLLRDHUP};

	if (poll(&p, 1, 5000) != 1)
		fail_msg("the connection is still there");
}

static void assert_unharmed(void)
{
	int r = vufe_ping(&bystander_fs);

	assert_alive();
	if (r)
		fail_msg("the other device: %s: %s", strerror(-r), bystander.err);
}

static void run_row(void **state)
{
	const struct lost_row *row = *state;
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;

	o.unsealed = true;
	open_good(&dev, &o);
	assert_pings(&dev, 1);
	row->lose(&dev);
	assert_hung_up(&dev);
	vufe_close(&dev);
	assert_unharmed();
	assert_serves();
}

/* The device itself meets it: the used index is read when a queue starts. */
static void test_before_start(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;

	o.unsealed = true;
	connect_good(&dev, &o);
	assert_return_code(vufe_negotiate(&dev), 0);
	assert_return_code(vufe_mem_create(&dev), 0);
	assert_return_code(vufe_mem_send(&dev), 0);
	assert_return_code(vufe_vqs_create(&dev), 0);
	truncate_memory(&dev, 0);
	vufe_vqs_start(&dev); /* may be refused or not */
	assert_hung_up(&dev);
	vufe_close(&dev);
	assert_unharmed();
	assert_serves();
}

#define DATA 65536u

/* An open file of DATA bytes without a name. */
static void open_data(struct vufe_fs *fs, struct fuse_read_in *in, uint64_t *ret_node)
{
	static const char data[DATA] = {'d'};
	struct fuse_entry_out entry;
	size_t len = 0;

	*in = (struct fuse_read_in){.size = DATA};
	assert_return_code(vufe_create(fs, FUSE_ROOT_ID, "f", 0644, O_RDWR, &entry, &in->fh), 0);
	*ret_node = entry.nodeid;
	assert_return_code(vufe_write(fs, entry.nodeid, in->fh, 0, data, DATA, &len), 0);
	assert_int_equal(len, DATA);
	assert_return_code(vufe_unlink(fs, FUSE_ROOT_ID, "f"), 0);
}

/*
 * Where the kernel reads file data into guest memory it says EFAULT, and so does the answer. Where
 * we copy, the answer may be good, but it is the last one.
 */
static void test_file_data(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_seg seg[3] = {{.len = 80}, {.len = 16}, {.len = DATA}};
	struct fuse_in_header *h;
	struct fuse_read_in in;
	struct vufe_region *r;
	struct vufe_dev dev;
	struct vufe_fs fs;
	uint64_t node;
	int head;

	o.unsealed = true;
	open_good(&dev, &o);
	assert_return_code(vufe_fs_init(&fs, &dev), 0);
	open_data(&fs, &in, &node);
	r = &dev.region[0];
	h = vufe_alloc(&dev, 4096, 4096, &seg[0].gpa);
	assert_non_null(h);
	vufe_fill_header(&fs, h, FUSE_READ, node, sizeof(in));
	memcpy(h + 1, &in, sizeof(in));
	seg[1].gpa = seg[0].gpa + 2048;
	seg[2].gpa = r->gpa + r->size - DATA;
	truncate_memory(&dev, r->size - DATA);
	head = vufe_vq_build(&dev.vq[1], seg, 1, 2);
	assert_true(head >= 0);
	vufe_vq_post(&dev.vq[1], (uint16_t)head);
	assert_return_code(vufe_vq_publish(&dev.vq[1]), 0);
	if (vufe_vq_wait(&dev.vq[1], 3000) != 1 ||
	    !((struct fuse_out_header *)((char *)h + 2048))->error)
		assert_hung_up(&dev);
	vufe_close(&dev);
	assert_unharmed();
	assert_serves();
}

/* What can be sealed is, and then nothing of this happens. */
static void test_sealed(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;

	open_good(&dev, &o);
	assert_int_equal(ftruncate(dev.region[0].fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_pings(&dev, 1);
	vufe_close(&dev);
	assert_unharmed();
}

int main(void)
{
	const size_t nr = sizeof(rows) / sizeof(rows[0]);
	struct CMUnitTest tests[sizeof(rows) / sizeof(rows[0]) + 2] = {
		[sizeof(rows) / sizeof(rows[0])] = cmocka_unit_test(test_before_start),
		cmocka_unit_test(test_sealed),
	};
	const struct CMUnitTest local[] = {cmocka_unit_test(test_file_data)};
	size_t i;
	int r;

	harness_need_server();
	if (!getenv("DOCA_VIRTIOFS"))
		return 77; /* needs a server with two devices */
	for (i = 0; i < nr; i++)
		tests[i] = (struct CMUnitTest){rows[i].name, run_row, NULL, NULL, (void *)&rows[i]};
	harness_use_two();
	r = cmocka_run_group_tests_name("lost memory", tests, setup, teardown);
	harness_use_local();
	r += cmocka_run_group_tests_name("lost memory, with files", local, setup, teardown);
	return r;
}
