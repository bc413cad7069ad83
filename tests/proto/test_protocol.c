/* SPDX-License-Identifier: BSD-3-Clause */
/* What front ends do when they behave: the orders and habits of QEMU and User-Mode Linux. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/atomics.h"
#include "harness.h"

#define STATE_LEN sizeof(struct vufe_vring_state)

/* The config space as the device sends it. */
struct fs_config {
	char tag[VUFE_TAG_LEN];
	uint32_t nr_queues;
};

static void test_features(void **state)
{
	const uint64_t must = VUFE_F_VERSION_1 | VUFE_F_PROTOCOL | VUFE_F_INDIRECT |
			      VUFE_F_EVENT_IDX;
	const uint64_t proto = VUFE_PF_MQ | VUFE_PF_REPLY_ACK | VUFE_PF_CONFIG | VUFE_PF_INFLIGHT |
			       VUFE_PF_RESET_DEVICE | VUFE_PF_MEM_SLOTS | VUFE_PF_STATUS |
			       VUFE_PF_BACKEND_REQ;
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;

	connect_good(&dev, &o);
	assert_return_code(vufe_negotiate(&dev), 0);
	assert_int_equal(dev.offered & must, must);
	assert_int_equal(dev.offered & 1ull << 33, 0); /* ACCESS_PLATFORM: there is no IOTLB */
	assert_int_equal(dev.proto_offered & proto, proto);
	assert_int_equal(dev.proto_offered & VUFE_PF_INBAND, 0);
	assert_true(dev.max_queues >= 2);
	vufe_close(&dev);
}

/* Ways to set a device up that all must end in a working one. */
struct setup_row {
	const char *name;
	struct vufe_opts change;
	enum { BOTH, VHOST, VFIO } only;
};

static const struct setup_row setups[] = {
	{"plain", {0}, BOTH},
	{"ring of 2", {.queue_size = 2}, BOTH},
	{"ring of 1024", {.queue_size = 1024}, VHOST},
	{"ring of 256", {.queue_size = 256}, BOTH},
	{"eight queues", {.nr_queues = 8}, BOTH},
	{"eight regions in a table", {.nr_regions = 8, .mem_size = 24u << 20,
				      .no_proto = VUFE_PF_MEM_SLOTS}, VHOST},
	{"thirty-two slots", {.nr_regions = 32, .mem_size = 64u << 20}, BOTH},
	{"no acknowledgements", {.no_proto = VUFE_PF_REPLY_ACK}, VHOST},
	{"no direct interrupts index", {.no_features = VUFE_F_EVENT_IDX}, BOTH},
	{"no indirect tables", {.no_features = VUFE_F_INDIRECT}, BOTH},
	{"neither", {.no_features = VUFE_F_INDIRECT | VUFE_F_EVENT_IDX}, BOTH},
	{"no protocol features at all", {.no_features = VUFE_F_PROTOCOL}, VHOST},
	{"kicks by message", {.kick = VUFE_KICK_MESSAGE}, VFIO},
	{"kicks by eventfd", {.kick = VUFE_KICK_EVENTFD}, VFIO},
	{"memory by message", {.private_mem = true}, VFIO},
	{"memory by message, in pieces", {.private_mem = true, .nr_regions = 5,
					  .kick = VUFE_KICK_MESSAGE}, VFIO},
	{"inflight area", {.inflight = true}, VHOST},
	{"call descriptors are sockets", {.uml = true}, VHOST},
};

static void run_setup(void **state)
{
	const struct setup_row *row = *state;
	struct vufe_opts o = harness_opts(), c = row->change;
	struct vufe_dev dev;
	unsigned q;

	if (row->only != BOTH && (row->only == VFIO) != harness_is_vfio())
		skip();
	c.path = o.path;
	c.transport = o.transport;
	c.timeout_ms = o.timeout_ms;
	c.queue_size = c.queue_size ? c.queue_size : o.queue_size;
	c.mem_size = c.mem_size ? c.mem_size : o.mem_size;
	/* A chain of the smallest ring has to be indirect; its parts are more than two. */
	open_good(&dev, &c);
	for (q = 1; q < dev.nr_vqs; q++)
		assert_pings(&dev, q);
	vufe_close(&dev);
	assert_alive();
}

static void test_config(void **state)
{
	struct vufe_opts o = harness_opts();
	struct fs_config whole, part;
	struct vufe_dev dev;
	uint32_t n;

	connect_good(&dev, &o);
	assert_return_code(vufe_negotiate(&dev), 0);
	assert_return_code(vufe_get_config(&dev, 0, sizeof(whole), &whole), 0);
	assert_true(whole.tag[0] != 0);
	assert_int_equal(whole.nr_queues + 1, dev.max_queues);
	for (n = 1; n <= sizeof(whole); n++) {
		assert_return_code(vufe_get_config(&dev, 0, n, &part), 0);
		assert_memory_equal(&part, &whole, n);
	}
	assert_return_code(vufe_get_config(&dev, VUFE_TAG_LEN, 4, &n), 0);
	assert_int_equal(n, whole.nr_queues);
	vufe_close(&dev);
}

static void uml_mem(struct vufe_dev *dev)
{
	const struct vufe_region *r = &dev->region[0];
	struct vufe_mem_table t = {.num = 1, .region = {{r->gpa, r->size, r->uaddr, r->mmap_off}}};

	/* Kernels before 6.13 send room for two regions whatever num says. */
	assert_return_code(vufe_do(dev, VUFE_SET_MEM_TABLE, &t, 72, &r->fd, 1), 0);
}

static void uml_queues(struct vufe_dev *dev)
{
	unsigned i;

	for (i = 0; i < dev->nr_vqs; i++) {
		struct vufe_vq *vq = &dev->vq[i];
		struct vufe_vring_state num = {i, vq->size}, base = {i, 0};

		assert_return_code(vufe_do_u64(dev, VUFE_SET_VRING_CALL, i, vq->call_peer), 0);
		assert_return_code(vufe_do(dev, VUFE_SET_VRING_NUM, &num, STATE_LEN, NULL, 0), 0);
		assert_return_code(vufe_do(dev, VUFE_SET_VRING_BASE, &base, STATE_LEN, NULL, 0), 0);
		assert_return_code(vufe_vq_send_addr(vq), 0);
	}
	for (i = 0; i < dev->nr_vqs; i++) {
		assert_return_code(vufe_do_u64(dev, VUFE_SET_VRING_KICK, i, dev->vq[i].kick_fd), 0);
		assert_return_code(vufe_vq_enable(&dev->vq[i], true), 0);
	}
}

/* The whole life of a device under User-Mode Linux, with a second probe on the same connection. */
static void test_uml(void **state)
{
	struct vufe_opts o = harness_opts();
	struct fs_config cfg;
	struct vufe_dev dev;
	uint64_t v;
	uint32_t n;
	int i;

	o.uml = true;
	o.nr_queues = 4;
	o.no_proto = ~(VUFE_PF_MQ | VUFE_PF_REPLY_ACK | VUFE_PF_BACKEND_REQ | VUFE_PF_CONFIG);
	connect_good(&dev, &o);
	assert_return_code(vufe_do(&dev, VUFE_SET_OWNER, NULL, 0, NULL, 0), 0);
	assert_return_code(vufe_negotiate(&dev), 0);
	for (n = 1; n <= VUFE_TAG_LEN; n++)
		assert_return_code(vufe_get_config(&dev, 0, n, &cfg), 0);
	assert_return_code(vufe_get_config(&dev, 0, sizeof(cfg), &cfg), 0);
	assert_return_code(vufe_mem_create(&dev), 0);
	assert_return_code(vufe_vqs_create(&dev), 0);
	for (i = 0; i < 3; i++) {
		unsigned q;

		assert_return_code(vufe_do_u64(&dev, VUFE_SET_FEATURES, dev.features, -1), 0);
		uml_mem(&dev);
		uml_queues(&dev);
		harness_new_mount();
		for (q = 1; q < dev.nr_vqs; q++)
			assert_pings(&dev, q);
		for (q = dev.nr_vqs; q-- > 0;)
			assert_return_code(vufe_vq_enable(&dev.vq[q], false), 0);
		assert_return_code(vufe_ask_u64(&dev, VUFE_GET_FEATURES, &v), 0);
		for (q = 0; q < dev.nr_vqs; q++)
			vufe_vq_clear(&dev.vq[q]);
	}
	vufe_close(&dev);
	assert_serves();
}

static void test_reconnect(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;
	int i, k;

	o.nr_queues = 2;
	open_good(&dev, &o);
	for (i = 0; i < 5; i++) {
		for (k = 0; k < 10; k++)
			assert_pings(&dev, 1 + k % 2);
		vufe_disconnect(&dev);
		assert_return_code(vufe_reconnect(&dev), 0);
		harness_new_mount();
	}
	assert_pings(&dev, 1);
	vufe_close(&dev);
}

/* A front end may leave after any step. */
static void test_leave_anywhere(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;
	int step;

	for (step = 0; step < 5; step++) {
		connect_good(&dev, &o);
		if (step > 0)
			assert_return_code(vufe_negotiate(&dev), 0);
		if (step > 1)
			assert_return_code(vufe_mem_create(&dev), 0);
		if (step > 1)
			assert_return_code(vufe_mem_send(&dev), 0);
		if (step > 2)
			assert_return_code(vufe_vqs_create(&dev), 0);
		if (step > 3)
			assert_return_code(vufe_vq_start(&dev.vq[1]), 0);
		vufe_close(&dev);
		assert_alive();
	}
	assert_serves();
}

static void test_reset(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;
	unsigned i, q;

	o.nr_queues = 3;
	open_good(&dev, &o);
	for (i = 0; i < 3; i++) {
		for (q = 1; q < dev.nr_vqs; q++)
			assert_pings(&dev, q);
		assert_return_code(vufe_reset(&dev), 0);
		assert_return_code(vufe_vqs_start(&dev), 0);
		harness_new_mount();
	}
	assert_pings(&dev, 1);
	vufe_close(&dev);
}

static void test_status(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;
	uint64_t v;

	open_good(&dev, &o);
	assert_return_code(vufe_ask_u64(&dev, VUFE_GET_STATUS, &v), 0);
	assert_int_equal(v, 0xf);
	vufe_close(&dev);
}

static void test_enable(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;
	struct vufe_fs fs;
	uint16_t head, got;
	uint32_t len;

	open_good(&dev, &o);
	assert_return_code(vufe_fs_init(&fs, &dev), 0);
	assert_return_code(vufe_vq_enable(&dev.vq[1], false), 0);
	head = post_getattr(&fs, &dev.vq[1]);
	assert_return_code(vufe_vq_publish(&dev.vq[1]), 0);
	vufe_vq_kick(&dev.vq[1]);
	nanosleep(&(struct timespec){0, 50000000}, NULL);
	assert_int_equal(vufe_vq_pop(&dev.vq[1], &got, &len), 0);
	/* What waited is served without another kick. */
	assert_return_code(vufe_vq_enable(&dev.vq[1], true), 0);
	assert_true(completes(&dev.vq[1], &got));
	assert_int_equal(got, head);
	vufe_vq_release(&dev.vq[1], head);
	assert_return_code(vufe_ping(&fs), 0);
	vufe_close(&dev);
}

static void test_base(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;
	uint16_t base;
	int i;

	open_good(&dev, &o);
	for (i = 0; i < 70; i++) /* once round the ring */
		assert_pings(&dev, 1);
	assert_return_code(vufe_vq_stop(&dev.vq[1], &base), 0);
	assert_int_equal(base, dev.vq[1].avail_idx);
	assert_return_code(vufe_vq_start(&dev.vq[1]), 0);
	assert_return_code(vufe_vq_enable(&dev.vq[1], true), 0);
	assert_pings(&dev, 1);
	vufe_close(&dev);
}

/* QEMU sends the call descriptor again and again while the guest sets up its interrupts. */
static void test_call_again(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;
	int i;

	open_good(&dev, &o);
	for (i = 0; i < 20; i++) {
		assert_return_code(vufe_do_u64(&dev, VUFE_SET_VRING_CALL,
					       1 | (i % 2 ? 0 : VUFE_VRING_NOFD),
					       i % 2 ? dev.vq[1].call_fd : -1), 0);
		if (i % 2)
			assert_pings(&dev, 1);
	}
	vufe_close(&dev);
}

static void test_memory_changes(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;
	int i;

	open_good(&dev, &o);
	assert_int_equal(dev.nr_regions, 1);
	dev.opts.nr_regions = 2;
	dev.opts.mem_size = 16u << 20;
	assert_return_code(vufe_mem_create(&dev), 0);
	/* The new one must not lie where the first is: vufe_mem_create() starts over. */
	dev.region[1].gpa += 1ull << 36;
	for (i = 0; i < 5; i++) {
		assert_return_code(vufe_mem_add(&dev, 1), 0);
		assert_pings(&dev, 1);
		assert_return_code(vufe_mem_remove(&dev, 1), 0);
		assert_pings(&dev, 1);
	}
	vufe_close(&dev);
}

/* The same table again while requests run: QEMU does so on every change of the memory map. */
static void test_table_again(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;
	int i;

	o.no_proto = VUFE_PF_MEM_SLOTS;
	open_good(&dev, &o);
	for (i = 0; i < 10; i++) {
		assert_return_code(vufe_mem_send(&dev), 0);
		assert_pings(&dev, 1);
	}
	vufe_close(&dev);
}

static void test_full_ring(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;
	struct vufe_fs fs;
	uint16_t head;
	unsigned i, round;

	open_good(&dev, &o);
	assert_return_code(vufe_fs_init(&fs, &dev), 0);
	for (round = 0; round < 20; round++) {
		for (i = 0; i < o.queue_size; i++)
			post_getattr(&fs, &dev.vq[1]);
		assert_return_code(vufe_vq_publish(&dev.vq[1]), 0);
		for (i = 0; i < o.queue_size; i++) {
			assert_true(completes(&dev.vq[1], &head));
			vufe_vq_release(&dev.vq[1], head);
		}
	}
	vufe_close(&dev);
}

static void test_dribble(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_hdr h = {VUFE_GET_FEATURES, VUFE_VERSION, 0}, reply;
	struct vufe_dev dev;
	uint64_t v;
	size_t i;

	connect_good(&dev, &o);
	for (i = 0; i < sizeof(h); i++) {
		assert_return_code(vufe_send_raw(dev.sock, (uint8_t *)&h + i, 1, NULL, 0), 0);
		nanosleep(&(struct timespec){0, 2000000}, NULL);
	}
	assert_return_code(vufe_recv(dev.sock, 3000, &reply, &v, sizeof(v), NULL, NULL), 0);
	assert_int_equal(reply.req, VUFE_GET_FEATURES);
	vufe_close(&dev);
}

/* Says in the area that the device had taken the chain when it went away. */
static void mark_inflight(struct vufe_dev *dev, unsigned q, uint16_t head, uint16_t used_idx)
{
	size_t stride = dev->inflight.mmap_size / dev->inflight.nr_queues;
	uint8_t *area = mmap(NULL, dev->inflight.mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			     dev->inflight_fd, (off_t)dev->inflight.mmap_off);
	struct vufe_inflight_queue *iq = (void *)(area + q * stride);
	struct vufe_inflight_desc *d = (void *)(iq + 1);

	assert_ptr_not_equal(area, MAP_FAILED);
	assert_int_equal(iq->version, 1);
	assert_int_equal(iq->desc_num, dev->vq[q].size);
	iq->used_idx = used_idx;
	d[head].inflight = 1;
	d[head].counter = 1000;
	munmap(area, dev->inflight.mmap_size);
}

/* A request the lost device had taken, and one it had not seen: each is answered once. */
static void test_inflight(void **state)
{
	struct vufe_opts o = harness_opts();
	uint16_t taken, waiting, got[2];
	struct vufe_dev dev;
	struct vufe_fs fs;
	uint32_t len;

	o.inflight = true;
	open_good(&dev, &o);
	assert_return_code(vufe_fs_init(&fs, &dev), 0);
	vufe_disconnect(&dev);
	taken = post_getattr(&fs, &dev.vq[1]);
	waiting = post_getattr(&fs, &dev.vq[1]);
	/* The ring's position is what the device had taken; what it had finished is in the area. */
	vufe_vq_publish(&dev.vq[1]);
	mark_inflight(&dev, 1, taken, dev.vq[1].used->idx);
	assert_return_code(vufe_reconnect(&dev), 0);
	assert_true(completes(&dev.vq[1], &got[0]));
	assert_true(completes(&dev.vq[1], &got[1]));
	assert_int_equal(got[0] + got[1], taken + waiting);
	assert_int_not_equal(got[0], got[1]);
	nanosleep(&(struct timespec){0, 20000000}, NULL);
	assert_int_equal(vufe_vq_pop(&dev.vq[1], &got[0], &len), 0);
	vufe_vq_release(&dev.vq[1], taken);
	vufe_vq_release(&dev.vq[1], waiting);
	assert_return_code(vufe_ping(&fs), 0);
	vufe_close(&dev);
}

/* Memory that shrank under a server's feet would kill it: what can be sealed must be. */
static void test_memory_is_sealed(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;
	unsigned i;

	if (o.private_mem)
		skip();
	o.nr_regions = 3;
	open_good(&dev, &o);
	for (i = 0; i < dev.nr_regions; i++) {
		assert_int_equal(ftruncate(dev.region[i].fd, 0), -1);
		assert_int_equal(errno, EPERM);
	}
	assert_pings(&dev, 1);
	vufe_close(&dev);
}

/* Leaves while the device works; what it still writes must hit nothing of the next front end. */
static void test_leave_with_requests(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;
	struct vufe_fs fs;
	unsigned i, round;

	for (round = 0; round < 20; round++) {
		open_good(&dev, &o);
		assert_return_code(vufe_fs_init(&fs, &dev), 0);
		for (i = 0; i < o.queue_size; i++)
			post_getattr(&fs, &dev.vq[1]);
		assert_return_code(vufe_vq_publish(&dev.vq[1]), 0);
		vufe_close(&dev);
	}
	assert_serves();
}

/* A second front end on the same socket may wait or be sent away; the first must not notice. */
static void test_second_front_end(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev first, second;
	int i;

	open_good(&first, &o);
	for (i = 0; i < 5; i++) {
		vufe_prepare(&second, &o);
		if (!vufe_connect(&second) && harness_is_vfio())
			vfuc_send(&second, VFUC_GET_INFO, 0, NULL, 0, NULL, 0);
		else if (second.sock >= 0)
			vufe_send(&second, VUFE_GET_FEATURES, 0, NULL, 0, NULL, 0);
		assert_pings(&first, 1);
		vufe_close(&second);
		assert_pings(&first, 1);
	}
	vufe_close(&first);
	assert_serves();
}

static void test_come_and_go(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;
	int i;

	for (i = 0; i < 100; i++) {
		connect_good(&dev, &o);
		vufe_close(&dev);
	}
	assert_serves();
}

int main(void)
{
	const struct CMUnitTest vhost[] = {
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_uml),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_enable),
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_call_again),
		cmocka_unit_test(test_table_again),
		cmocka_unit_test(test_dribble),
		cmocka_unit_test(test_inflight),
	};
	const struct CMUnitTest both[] = {
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_reconnect),
		cmocka_unit_test(test_leave_anywhere),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_memory_changes),
		cmocka_unit_test(test_full_ring),
		cmocka_unit_test(test_leave_with_requests),
		cmocka_unit_test(test_second_front_end),
		cmocka_unit_test(test_come_and_go),
		cmocka_unit_test(test_memory_is_sealed),
	};
	int r;

	harness_need_server();
	r = RUN_ROWS("ways to set up", setups, run_setup);
	if (!harness_is_vfio())
		r += cmocka_run_group_tests_name("vhost-user", vhost, harness_setup,
						 harness_teardown);
	r += cmocka_run_group_tests_name("protocol", both, harness_setup, harness_teardown);
	return r;
}
