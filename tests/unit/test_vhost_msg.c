/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vhost-user message layer against a device that only records. The front end's half is spoken
 * with tests/lib's own definitions, so that a number wrong on one side does not agree with itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "transport/vhost_user/vhost_user.h"
#include "vhost_fe.h"

/* ---- what front ends send ---- */

static void test_queue_life(void **state)
{
	struct fe *e = *state;
	struct fake_queue *q = &e->dev.queue[1];

	fe_start(e);
	assert_int_equal(fe_ask(e, VUFE_GET_QUEUE_NUM), FAKE_QUEUES);
	assert_int_equal(fe_ask(e, VUFE_GET_MAX_MEM_SLOTS), GM_MAX_REGIONS);
	assert_int_equal(q->setup.size, 128);
	assert_int_equal(q->setup.last_avail, 7);
	assert_ptr_equal(q->setup.desc, fe_host(e, 0x10000));
	assert_ptr_equal(q->setup.avail, fe_host(e, 0x11000));
	assert_ptr_equal(q->setup.used, fe_host(e, 0x12000));
	assert_true(q->setup.kick_fd >= 0 && q->setup.call.fd >= 0 && !q->setup.call.is_socket);
	/* an interrupt may have got lost before: one for nothing, as the base is not 0 */
	assert_int_equal(read(q->setup.call.fd, &(uint64_t){0}, 8), 8);
	/* a new interrupt does not restart the queue */
	assert_int_equal(fe_fd(e, VUFE_SET_VRING_CALL, 1), 0);
	assert_int_equal(read(q->setup.call.fd, &(uint64_t){0}, 8), 8);
	assert_int_equal(fe_u64(e, VUFE_SET_VRING_CALL, 1 | VUFE_VRING_NOFD, -1), 0);
	assert_int_equal(q->setup.call.fd, -1);
	assert_int_equal(q->starts, 1);
	/* the same addresses again are no change, others are */
	assert_int_equal(fe_addr(e, 1, 0x10000), 0);
	assert_int_equal(q->starts, 1);
	q->base = 99;
	assert_int_equal(fe_addr(e, 1, 0x20000), 0);
	assert_int_equal(q->starts, 2);
	assert_int_equal(q->setup.last_avail, 99);
	assert_ptr_equal(q->setup.desc, fe_host(e, 0x20000));
	q->base = 100;
	assert_int_equal(fe_get_base(e, 1), 100);
	assert_false(q->started);
	/* stopped: not even ENABLE starts it, only a new kick */
	assert_int_equal(fe_state(e, VUFE_SET_VRING_ENABLE, 1, 1), 0);
	assert_false(q->started);
	assert_int_equal(fe_fd(e, VUFE_SET_VRING_KICK, 1), 0);
	assert_true(q->started);
	assert_int_equal(q->setup.last_avail, 100);
	assert_int_equal(fe_state(e, VUFE_SET_VRING_ENABLE, 1, 0), 0);
	assert_false(q->started);
}

/* Linux 6.1 as User-Mode Linux: no slots, a table with room to spare, sockets, its own order. */
static void test_uml(void **state)
{
	struct fe *e = *state;
	uint8_t table[8 + 2 * 32] = {0};
	struct vufe_mem_region r = {0x3000, 0x80000, 0x3000, 0x3000};
	struct vufe_vring_addr a = {0, 0, 0x4000, 0x6000, 0x5000, UINT64_MAX};
	struct vufe_config cfg;
	int pair[2], kick = eventfd(0, EFD_CLOEXEC);

	fe_connect(e);
	assert_int_equal(fe_do(e, VUFE_SET_OWNER, "", 0, NULL, 0), 0);
	fe_ask(e, VUFE_GET_FEATURES);
	assert_int_equal(fe_u64(e, VUFE_SET_PROTOCOL_FEATURES,
				VUFE_PF_CONFIG | VUFE_PF_REPLY_ACK | VUFE_PF_BACKEND_REQ, -1), 0);
	assert_int_equal(fe_u64(e, VUFE_SET_FEATURES, VUFE_F_VERSION_1 | VUFE_F_PROTOCOL, -1), 0);
	for (uint32_t size = 1; size <= 40; size++) {
		cfg = (struct vufe_config){.size = size};
		fe_post(e, VUFE_GET_CONFIG, 0, &cfg, 12 + size, NULL, 0);
		fe_reply(e, VUFE_GET_CONFIG, &cfg, 12 + size, NULL);
		assert_int_equal(cfg.size, size);
		assert_int_equal(cfg.data[size - 1], size);
	}
	table[0] = 1;
	memcpy(table + 8, &r, sizeof(r));
	assert_int_equal(fe_do(e, VUFE_SET_MEM_TABLE, table, sizeof(table), &e->mem_fd, 1), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(fe_u64(e, VUFE_SET_VRING_CALL, 0, pair[1]), 0);
	assert_int_equal(fe_state(e, VUFE_SET_VRING_NUM, 0, 256), 0);
	assert_int_equal(fe_state(e, VUFE_SET_VRING_BASE, 0, 0), 0);
	assert_int_equal(fe_do(e, VUFE_SET_VRING_ADDR, &a, sizeof(a), NULL, 0), 0);
	assert_int_equal(fe_u64(e, VUFE_SET_VRING_KICK, 0, kick), 0);
	for (int probe = 0; probe < 2; probe++) {
		assert_int_equal(fe_state(e, VUFE_SET_VRING_ENABLE, 0, 1), 0);
		assert_true(e->dev.queue[0].started);
		assert_true(e->dev.queue[0].setup.call.is_socket);
		assert_ptr_equal(e->dev.queue[0].setup.desc, e->dev.gm->region[0].base + 0x1000);
		assert_int_equal(fe_state(e, VUFE_SET_VRING_ENABLE, 0, 0), 0);
		assert_false(e->dev.queue[0].started);
	}
	close(pair[0]);
	close(pair[1]);
	close(kick);
}

/* A front end without protocol features: enabled from the start, no acknowledgements. */
static void test_plain(void **state)
{
	struct fe *e = *state;
	struct vufe_mem_table t = {.num = 1, .region[0] = {0, MEM_SIZE, MEM_UVA, 0}};
	struct vufe_vring_state num = {2, 64};
	struct vufe_vring_addr a = fe_addr_of(2, 0);
	uint64_t u = VUFE_F_VERSION_1;

	fe_connect(e);
	fe_post(e, VUFE_SET_FEATURES, 0, &u, sizeof(u), NULL, 0);
	fe_post(e, VUFE_SET_MEM_TABLE, 0, &t, 8 + 32, &e->mem_fd, 1);
	fe_post(e, VUFE_SET_VRING_NUM, 0, &num, sizeof(num), NULL, 0);
	fe_post(e, VUFE_SET_VRING_ADDR, 0, &a, sizeof(a), NULL, 0);
	u = 2 | VUFE_VRING_NOFD;
	fe_post(e, VUFE_SET_VRING_KICK, 0, &u, sizeof(u), NULL, 0);
	assert_true(fe_silent(e));
	assert_true(e->dev.queue[2].started);
	assert_int_equal(e->dev.queue[2].setup.kick_fd, -1);
	assert_int_equal(fe_get_base(e, 2), 0);
}

static void test_pieces(void **state)
{
	struct fe *e = *state;
	struct vufe_hdr hdr = {VUFE_ADD_MEM_REG, VUFE_VERSION | VUFE_NEED_REPLY,
			       sizeof(struct vufe_mem_slot)};
	struct vufe_mem_slot slot = fe_slot(0, MEM_SIZE, 0);
	char m[sizeof(hdr) + sizeof(slot)];
	uint64_t ack;

	memcpy(m, &hdr, sizeof(hdr));
	memcpy(m + sizeof(hdr), &slot, sizeof(slot));
	fe_connect(e);
	fe_negotiate(e);
	for (size_t i = 0; i < sizeof(m); i++) {
		assert_true(fe_silent(e));
		fe_bytes(e, m + i, 1, &e->mem_fd, i == 5);
	}
	fe_reply(e, VUFE_ADD_MEM_REG, &ack, sizeof(ack), NULL);
	assert_int_equal(ack, 0);
	assert_int_equal(e->dev.gm->nr, 1);
}

/* The next message waits for the device; a hang-up meanwhile is noticed afterwards. */
static void test_one_at_a_time(void **state)
{
	struct fe *e = *state;
	struct vufe_vring_state st = {1, 0};

	fe_start(e);
	e->dev.defer = true;
	fe_post(e, VUFE_GET_VRING_BASE, 0, &st, sizeof(st), NULL, 0);
	fe_post(e, VUFE_GET_FEATURES, 0, "", 0, NULL, 0);
	assert_true(fe_silent(e));
	assert_non_null(e->dev.pending);
	e->dev.pending->base = 42;
	fake_vdev_complete(&e->dev);
	fe_reply(e, VUFE_GET_VRING_BASE, &st, sizeof(st), NULL);
	assert_int_equal(st.num, 42);
	fe_reply(e, VUFE_GET_FEATURES, &(uint64_t){0}, 8, NULL);

	fe_post(e, VUFE_RESET_DEVICE, 0, "", 0, NULL, 0);
	assert_true(fake_pe_run(&e->pe));
	close(e->sock);
	assert_true(fake_pe_run(&e->pe));
	assert_int_equal(e->dev.disconnects, 0);
	fake_vdev_complete(&e->dev);
	assert_true(fake_pe_run(&e->pe));
	assert_int_equal(e->dev.disconnects, 1);
	/* and the next front end waits until the device has let go */
	e->sock = fe_dial(e->fn.socket_path);
	fe_post(e, VUFE_GET_FEATURES, 0, "", 0, NULL, 0);
	assert_true(fe_silent(e));
	e->dev.defer = false;
	fake_vdev_complete(&e->dev);
	fe_reply(e, VUFE_GET_FEATURES, &(uint64_t){0}, 8, NULL);
}

static void test_reset(void **state)
{
	struct fe *e = *state;

	fe_start(e);
	assert_int_equal(fe_u64(e, VUFE_SET_STATUS, 15, -1), 0);
	assert_int_equal(fe_ask(e, VUFE_GET_STATUS), 15);
	assert_int_equal(fe_u64(e, VUFE_SET_STATUS, 0, -1), 0);
	assert_int_equal(e->dev.resets, 1);
	assert_int_equal(fe_get_base(e, 1), 0);
	/* the memory is still there, the queue starts from nothing */
	fe_setup_queue(e, 1, 0x10000);
	assert_false(e->dev.queue[1].started);
	assert_int_equal(fe_state(e, VUFE_SET_VRING_ENABLE, 1, 1), 0);
	assert_true(e->dev.queue[1].started);
	assert_int_equal(fe_do(e, VUFE_RESET_OWNER, "", 0, NULL, 0), 0);
	assert_false(e->dev.queue[1].started);
	assert_int_equal(fe_do(e, VUFE_RESET_DEVICE, "", 0, NULL, 0), 0);
	assert_int_equal(e->dev.resets, 2);
}

/* ---- memory ---- */

static void test_memory_change(void **state)
{
	struct fe *e = *state;
	struct fake_queue *q = &e->dev.queue[1];
	struct vufe_mem_table t = {.num = 1, .region[0] = {0, MEM_SIZE, MEM_UVA, 0}};
	int fd;

	fe_start(e);
	/* more memory: rings are the same, the queue keeps running */
	assert_int_equal(fe_add(e, 0x10000000, 0x1000, 0x1000, e->mem_fd), 0);
	assert_int_equal(e->dev.gm->nr, 2);
	assert_ptr_equal(q->setup.desc, fe_host(e, 0x10000));
	assert_int_equal(q->starts, 1);
	/* a table in one go: new mapping, same queue */
	assert_int_equal(fe_do(e, VUFE_SET_MEM_TABLE, &t, 8 + 32, &e->mem_fd, 1), 0);
	assert_int_equal(e->dev.gm->nr, 1);
	assert_ptr_equal(q->setup.desc, fe_host(e, 0x10000));
	assert_int_equal(q->starts, 1);
	/* the rings lose their memory and get it back */
	q->base = 55;
	assert_int_equal(fe_remove(e, 0, MEM_SIZE), 0);
	assert_false(q->started);
	assert_int_equal(fe_fd(e, VUFE_SET_VRING_CALL, 1), 0);
	assert_int_equal(fe_remove(e, 0, MEM_SIZE), ENOENT);
	assert_int_equal(fe_add(e, 0, MEM_SIZE, 0, e->mem_fd), 0);
	assert_true(q->started);
	assert_int_equal(q->setup.last_avail, 55);
	/* where it can be, the file is kept from shrinking under our mapping */
	fd = memfd_create("sealable", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(fd, 0x1000), 0);
	assert_int_equal(fe_add(e, 0x20000000, 0x1000, 0, fd), 0);
	assert_int_equal(ftruncate(fd, 0), -1);
	close(fd);
	/* the device could not: reported */
	e->dev.memory_error = -ENOMEM;
	assert_int_equal(fe_add(e, 0x10000000, 0x1000, 0, e->mem_fd), ENOMEM);
}

/* The same rings at addresses that the ring engine must not be given. */
static void test_memory_odd(void **state)
{
	struct fe *e = *state;
	struct fake_queue *q = &e->dev.queue[1];
	struct vufe_mem_table t = {.num = 1, .region[0] = {0, MEM_SIZE / 2, MEM_UVA, 1}};

	fe_start(e);
	assert_int_equal(fe_do(e, VUFE_SET_MEM_TABLE, &t, 8 + 32, &e->mem_fd, 1), 0);
	assert_int_equal(e->dev.gm->nr, 1);
	assert_false(q->started);
	t.region[0].mmap_off = 8;
	assert_int_equal(fe_do(e, VUFE_SET_MEM_TABLE, &t, 8 + 32, &e->mem_fd, 1), 0);
	assert_false(q->started);
	t.region[0].mmap_off = 16;
	assert_int_equal(fe_do(e, VUFE_SET_MEM_TABLE, &t, 8 + 32, &e->mem_fd, 1), 0);
	assert_true(q->started);
}

/* The file ends, and somebody has touched what was behind. */
static void lose_memory(struct fe *e)
{
	assert_int_equal(ftruncate(e->mem_fd, 0), 0);
	assert_int_equal(*(volatile uint8_t *)fe_host(e, 0x10000), 0);
	assert_int_equal(ftruncate(e->mem_fd, MEM_SIZE), 0);
}

/* A queue that breaks costs no connection, one that broke for want of memory does. */
static void test_memory_lost(void **state)
{
	struct fe *e = *state;
	struct vufe_vring_state st = {1, 0};

	assert_int_equal(gm_guard_install(), 0);
	fe_start(e);
	vhost_user_transport.needs_reset(e->port, 1);
	assert_true(fe_silent(e));
	lose_memory(e);
	assert_true(fe_silent(e));
	vhost_user_transport.needs_reset(e->port, 1);
	assert_int_equal(e->dev.disconnects, 1);
	assert_true(fe_closed(e));
	vhost_user_transport.needs_reset(e->port, 1);
	close(e->sock);
	/* while the device is busy with a message: afterwards */
	fe_start(e);
	e->dev.defer = true;
	fe_post(e, VUFE_GET_VRING_BASE, 0, &st, sizeof(st), NULL, 0);
	assert_true(fake_pe_run(&e->pe));
	assert_non_null(e->dev.pending);
	lose_memory(e);
	vhost_user_transport.needs_reset(e->port, 1);
	vhost_user_transport.needs_reset(e->port, 1);
	assert_int_equal(e->dev.disconnects, 1);
	fake_vdev_complete(&e->dev);
	assert_int_equal(e->dev.disconnects, 2);
	assert_true(fe_closed(e));
	e->dev.defer = false;
	fake_vdev_complete(&e->dev);
	close(e->sock);
	fe_start(e);
}

/* Requests in flight keep what was mapped when they came: a front end cannot pile that up. */
static void test_memory_piled_up(void **state)
{
	struct fe *e = *state;
	struct vufe_mem_table t = {.num = 8};
	struct gmem *kept[200];
	unsigned int nr = 0;
	int fds[8];

	for (unsigned int i = 0; i < 8; i++) {
		t.region[i] = (struct vufe_mem_region){i << 20, 0x1000, i << 20, 0};
		fds[i] = e->mem_fd;
	}
	fe_connect(e);
	fe_negotiate(e);
	for (; nr < ARRAY_SIZE(kept); nr++) {
		if (fe_do(e, VUFE_SET_MEM_TABLE, &t, 8 + 8 * 32, fds, 8))
			break;
		kept[nr] = gm_get(e->dev.gm);
	}
	assert_int_equal(nr, GM_BUDGET_MAPS / 8);
	assert_int_equal(fe_do(e, VUFE_SET_MEM_TABLE, &t, 8 + 8 * 32, fds, 8), ENOSPC);
	while (nr)
		gm_put(kept[--nr]);
	assert_int_equal(fe_do(e, VUFE_SET_MEM_TABLE, &t, 8 + 8 * 32, fds, 8), 0);
}

static void test_memory_refused(void **state)
{
	struct fe *e = *state;
	struct vufe_mem_table t = {.num = 2, .region = {{0, 0x1000, MEM_UVA, 0}}};
	int null = open("/dev/zero", O_RDWR | O_CLOEXEC), two[2] = {e->mem_fd, e->mem_fd};

	fe_connect(e);
	fe_negotiate(e);
	assert_int_equal(fe_add(e, 0, MEM_SIZE, 0, -1), EBADF);
	assert_int_equal(fe_add(e, 0, 0, 0, e->mem_fd), EINVAL);
	assert_int_equal(fe_add(e, UINT64_MAX - 0x100, 0x1000, 0, e->mem_fd), EINVAL);
	assert_int_equal(fe_add(e, 0, MEM_SIZE, 0x1000, e->mem_fd), EINVAL);
	assert_int_equal(fe_add(e, 0, 0x1000, UINT64_MAX - 0x800, e->mem_fd), EINVAL);
	assert_int_equal(fe_add(e, 0, 1ull << 60, 0, e->mem_fd), E2BIG);
	assert_int_equal(fe_add(e, 0, 0x1000, 0, null), EBADF);
	assert_int_equal(fe_add(e, 0x1000, 0x1000, 0, e->mem_fd), 0);
	assert_int_equal(fe_add(e, 0x1fff, 0x1000, 0, e->mem_fd), EINVAL);
	assert_int_equal(fe_remove(e, 0x1000, 0x800), ENOENT);
	/* second region: size 0 */
	assert_int_equal(fe_do(e, VUFE_SET_MEM_TABLE, &t, 72, two, 2), EINVAL);
	t.region[1] = (struct vufe_mem_region){0x4000, 0x1000, 0x4000, 0};
	assert_int_equal(fe_do(e, VUFE_SET_MEM_TABLE, &t, 72, two, 1), EBADF);
	/* none of that changed anything */
	assert_int_equal(e->dev.memory_changes, 1);
	assert_int_equal(e->dev.gm->nr, 1);
	close(null);
	/* fewer bytes than regions */
	fe_post(e, VUFE_SET_MEM_TABLE, VUFE_NEED_REPLY, &t, 40, two, 2);
	assert_true(fe_closed(e));
}

static void test_many_regions(void **state)
{
	struct fe *e = *state;

	fe_connect(e);
	fe_negotiate(e);
	for (unsigned int i = 0; i < GM_MAX_REGIONS; i++)
		assert_int_equal(fe_add(e, i * 0x2000, 0x1000, 0x1000, e->mem_fd), 0);
	assert_int_equal(fe_add(e, 0x40000000, 0x1000, 0, e->mem_fd), ENOSPC);
	for (unsigned int i = 0; i < GM_MAX_REGIONS; i++)
		assert_int_equal(fe_remove(e, i * 0x2000, 0x1000), 0);
	assert_int_equal(e->dev.gm->nr, 0);
}

/* ---- queues refused ---- */

static void test_queue_refused(void **state)
{
	struct fe *e = *state;
	struct vufe_vring_addr a = fe_addr_of(1, 8);
	int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), pair[2];

	fe_connect(e);
	fe_negotiate(e);
	assert_int_equal(fe_state(e, VUFE_SET_VRING_NUM, FAKE_QUEUES, 64), EINVAL);
	assert_int_equal(fe_state(e, VUFE_SET_VRING_NUM, 1, 0), EINVAL);
	assert_int_equal(fe_state(e, VUFE_SET_VRING_NUM, 1, 100), EINVAL);
	assert_int_equal(fe_state(e, VUFE_SET_VRING_NUM, 1, 2048), EINVAL);
	assert_int_equal(fe_state(e, VUFE_SET_VRING_BASE, 1, 65536), EINVAL);
	assert_int_equal(fe_state(e, VUFE_SET_VRING_ENABLE, 1, 2), EINVAL);
	assert_int_equal(fe_state(e, VUFE_SET_VRING_ENABLE, UINT32_MAX, 1), EINVAL);
	assert_int_equal(fe_do(e, VUFE_SET_VRING_ADDR, &a, sizeof(a), NULL, 0), EINVAL);
	a = fe_addr_of(1, 0);
	a.flags = 1;
	assert_int_equal(fe_do(e, VUFE_SET_VRING_ADDR, &a, sizeof(a), NULL, 0), EOPNOTSUPP);
	assert_int_equal(fe_u64(e, VUFE_SET_VRING_KICK, 200, -1), EINVAL);
	assert_int_equal(fe_u64(e, VUFE_SET_VRING_KICK, 1 | 1ull << 40, -1), EINVAL);
	assert_int_equal(fe_u64(e, VUFE_SET_VRING_KICK, 1, -1), EBADF);
	assert_int_equal(fe_u64(e, VUFE_SET_VRING_KICK, 1, file), EBADF);
	assert_int_equal(fe_u64(e, VUFE_SET_VRING_CALL, 1, file), EBADF);
	assert_int_equal(fe_u64(e, VUFE_SET_BACKEND_REQ_FD, 0, file), ENOTSOCK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(fe_u64(e, VUFE_SET_VRING_KICK, 1, pair[0]), EBADF);
	assert_int_equal(fe_u64(e, VUFE_SET_FEATURES, 1ull << 40, -1), EINVAL);
	assert_int_equal(fe_u64(e, VUFE_SET_PROTOCOL_FEATURES, VUFE_PF_INBAND, -1), EINVAL);
	assert_int_equal(fe_u64(e, VUFE_SET_STATUS, 256, -1), EINVAL);
	close(file);
	close(pair[0]);
	close(pair[1]);

	/* the last byte of the used ring is outside: found when the queue would start */
	assert_int_equal(fe_add(e, 0, 0x12000 + 6 + 8 * 128 - 1, 0, e->mem_fd), 0);
	fe_setup_queue(e, 1, 0x10000);
	assert_int_equal(fe_state(e, VUFE_SET_VRING_ENABLE, 1, 1), EFAULT);
	assert_int_equal(fe_state(e, VUFE_SET_VRING_ENABLE, 1, 0), 0);
	e->dev.start_error = -EINVAL;
	fe_setup_queue(e, 2, 0);
	assert_int_equal(fe_state(e, VUFE_SET_VRING_ENABLE, 2, 1), EINVAL);
	assert_false(e->dev.queue[1].started || e->dev.queue[2].started);
}

/* ---- hostile messages ---- */

struct bad {
	uint32_t req, flags, size;
	size_t send; /* bytes of payload really sent */
};

static void test_malformed(void **state)
{
	static const struct bad bad[] = {
		{VUFE_GET_FEATURES, VUFE_VERSION, 8, 8},
		{VUFE_SET_FEATURES, VUFE_VERSION | VUFE_NEED_REPLY, 4, 4},
		{VUFE_SET_FEATURES, VUFE_VERSION, 16, 16},
		{VUFE_SET_FEATURES, 0, 8, 8},
		{VUFE_SET_FEATURES, 2, 8, 8},
		{VUFE_GET_FEATURES, VUFE_VERSION | VUFE_REPLY, 0, 0},
		{VUFE_GET_FEATURES, VUFE_VERSION, 0xffffffff, 0},
		{VUFE_SET_MEM_TABLE, VUFE_VERSION, 4, 4},
		{VUFE_SET_VRING_ADDR, VUFE_VERSION | VUFE_NEED_REPLY, 32, 32},
		{VUFE_GET_CONFIG, VUFE_VERSION, 8, 8},
		{VUFE_SET_CONFIG, VUFE_VERSION | VUFE_NEED_REPLY, 8, 8},
		{VUFE_GET_INFLIGHT_FD, VUFE_VERSION, 8, 8},
		{VUFE_GET_VRING_BASE, VUFE_VERSION | VUFE_NEED_REPLY, 0, 0},
		/* requests we do not know, without a way to say so */
		{0, VUFE_VERSION, 0, 0},
		{VUFE_SET_LOG_BASE, VUFE_VERSION, 16, 16},
		{VUFE_VRING_KICK, VUFE_VERSION, 8, 8},
		{0xffffffff, VUFE_VERSION, 0, 0},
	};
	struct fe *e = *state;
	uint8_t junk[64];

	memset(junk, 0xff, sizeof(junk));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vufe_hdr hdr = {bad[i].req, bad[i].flags, bad[i].size};

		fe_connect(e);
		fe_bytes(e, &hdr, sizeof(hdr), &e->mem_fd, 1);
		if (bad[i].send)
			fe_bytes(e, junk, bad[i].send, NULL, 0);
		if (!fe_closed(e))
			fail_msg("message %zu was accepted", i);
		close(e->sock);
		assert_int_equal(e->dev.disconnects, i + 1);
	}
	/* half a message */
	fe_connect(e);
	fe_bytes(e, junk, 5, NULL, 0);
	assert_true(fe_silent(e));
	close(e->sock);
	fe_start(e);
}

static void test_refused_politely(void **state)
{
	struct fe *e = *state;
	struct vufe_config cfg = {.offset = 200, .size = 100};
	int fds[40];

	fe_connect(e);
	fe_negotiate(e);
	assert_int_equal(fe_do(e, VUFE_SET_LOG_BASE, (uint64_t[2]){0}, 16, &e->mem_fd, 1),
			 EOPNOTSUPP);
	assert_int_equal(fe_do(e, 77, "", 0, NULL, 0), EOPNOTSUPP);
	assert_int_equal(fe_do(e, VUFE_SET_CONFIG, &cfg, 12, NULL, 0), EPERM);
	/* a guest can cause this one: not worth the connection */
	fe_post(e, VUFE_SET_CONFIG, 0, &cfg, 12, NULL, 0);
	assert_true(fe_silent(e));
	fe_post(e, VUFE_GET_CONFIG, 0, &cfg, 112, NULL, 0);
	fe_reply(e, VUFE_GET_CONFIG, NULL, 0, NULL);
	cfg.size = 56;
	fe_post(e, VUFE_GET_CONFIG, 0, &cfg, 12 + 56, NULL, 0);
	fe_reply(e, VUFE_GET_CONFIG, &cfg, 12 + 56, NULL);
	/* surplus descriptors are closed (the tear-down counts them) */
	for (int i = 0; i < 40; i++)
		fds[i] = e->mem_fd;
	assert_int_equal(fe_do(e, VUFE_SET_OWNER, "", 0, fds, 32), 0);
	fe_bytes(e, "\x03\0\0\0\x01\0\0\0", 8, fds, 30);
	fe_bytes(e, "\0\0\0\0", 4, fds, 30);
	assert_int_equal(fe_ask(e, VUFE_GET_QUEUE_NUM), FAKE_QUEUES);
	/* more than fit into one read: some were lost */
	fe_post(e, VUFE_SET_OWNER, 0, "", 0, fds, 40);
	assert_true(fe_closed(e));
}

/* Replies nobody reads: the session waits, nothing grows, nothing is lost. */
static void test_deaf_front_end(void **state)
{
	struct fe *e = *state;
	struct vufe_config cfg = {.size = VUFE_CONFIG_MAX};
	struct vufe_hdr hdr = {VUFE_GET_CONFIG, VUFE_VERSION, 12 + VUFE_CONFIG_MAX};
	unsigned int sent = 0, got = 0;
	uint8_t m[sizeof(hdr) + 12 + VUFE_CONFIG_MAX];

	memcpy(m, &hdr, sizeof(hdr));
	memcpy(m + sizeof(hdr), &cfg, sizeof(m) - sizeof(hdr));
	fe_connect(e);
	while (sent < 100000 && send(e->sock, m, sizeof(m), MSG_DONTWAIT) == sizeof(m)) {
		sent++;
		assert_true(fake_pe_run(&e->pe));
	}
	assert_in_range(sent, 10, 99999);
	while (got < sent) {
		fe_reply(e, VUFE_GET_CONFIG, &cfg, 12 + VUFE_CONFIG_MAX, NULL);
		assert_int_equal(cfg.data[63], 64);
		got++;
	}
	assert_true(fe_silent(e));
}

/* ---- in-flight region ---- */

static void test_inflight(void **state)
{
	struct fe *e = *state;
	struct vufe_inflight w = {.nr_queues = 2, .queue_size = 128}, bad;
	struct vq_inflight *log;
	struct stat st;
	int fd = -1;

	fe_connect(e);
	fe_negotiate(e);
	fe_post(e, VUFE_GET_INFLIGHT_FD, 0, &w, sizeof(w), NULL, 0);
	fe_reply(e, VUFE_GET_INFLIGHT_FD, &w, sizeof(w), &fd);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	assert_int_equal(w.mmap_size, 2 * vq_inflight_size(128));
	assert_int_equal(st.st_size, w.mmap_size);
	assert_int_equal(ftruncate(fd, 0), -1);

	bad = w;
	bad.nr_queues = 3;
	assert_int_equal(fe_do(e, VUFE_SET_INFLIGHT_FD, &bad, sizeof(bad), &fd, 1), EINVAL);
	bad = w;
	bad.mmap_off = UINT64_MAX;
	assert_int_equal(fe_do(e, VUFE_SET_INFLIGHT_FD, &bad, sizeof(bad), &fd, 1), EINVAL);
	bad = w;
	bad.queue_size = 3;
	assert_int_equal(fe_do(e, VUFE_SET_INFLIGHT_FD, &bad, sizeof(bad), &fd, 1), EINVAL);
	assert_int_equal(fe_do(e, VUFE_SET_INFLIGHT_FD, &w, sizeof(w), NULL, 0), EBADF);
	assert_int_equal(fe_do(e, VUFE_SET_INFLIGHT_FD, &w, sizeof(w), &e->mem_fd, 1), EPERM);
	assert_int_equal(fe_do(e, VUFE_SET_INFLIGHT_FD, &w, sizeof(w), &fd, 1), 0);

	log = mmap(NULL, w.mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	assert_int_equal(fe_add(e, 0, MEM_SIZE, 0, e->mem_fd), 0);
	for (uint32_t q = 1; q <= 2; q++) {
		fe_setup_queue(e, q, q * 0x10000);
		assert_int_equal(fe_state(e, VUFE_SET_VRING_ENABLE, q, 1), 0);
	}
	/* the same memory, seen twice */
	e->dev.queue[1].setup.inflight->used_idx = 0x1234;
	assert_int_equal(((struct vq_inflight *)((char *)log + vq_inflight_size(128)))->used_idx,
			 0x1234);
	assert_null(e->dev.queue[2].setup.inflight);
	munmap(log, w.mmap_size);
	/* a log too small for the queue */
	assert_int_equal(fe_state(e, VUFE_SET_VRING_NUM, 1, 256), EINVAL);
}

/* ---- notifications to the front end ---- */

static void test_notifications(void **state)
{
	struct fe *e = *state;
	int err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), pair[2];
	struct vufe_hdr hdr;
	uint64_t v = 0;

	fe_start(e);
	vhost_user_transport.config_changed(e->port);
	vhost_user_transport.needs_reset(e->port, 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(fe_do(e, VUFE_SET_BACKEND_REQ_FD, "", 0, &pair[1], 1), 0);
	assert_int_equal(fe_u64(e, VUFE_SET_VRING_ERR, 1, err), 0);
	vhost_user_transport.needs_reset(e->port, 1);
	assert_int_equal(read(err, &v, sizeof(v)), sizeof(v));
	assert_int_equal(v, 1);
	vhost_user_transport.config_changed(e->port);
	assert_int_equal(recv(pair[0], &hdr, sizeof(hdr), MSG_DONTWAIT), sizeof(hdr));
	assert_int_equal(hdr.req, VUFE_BACKEND_CONFIG_CHANGE);
	assert_int_equal(hdr.flags, VUFE_VERSION);
	assert_int_equal(hdr.size, 0);
	/* the other end is gone: no SIGPIPE */
	close(pair[0]);
	close(pair[1]);
	vhost_user_transport.config_changed(e->port);
	vhost_user_transport.config_changed(e->port);
	close(err);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fe_setup, fe_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_queue_life), T(test_uml), T(test_plain), T(test_pieces),
		T(test_one_at_a_time), T(test_reset), T(test_memory_change),
		T(test_memory_odd), T(test_memory_lost), T(test_memory_refused),
		T(test_memory_piled_up),
		T(test_many_regions), T(test_queue_refused),
		T(test_malformed), T(test_refused_politely), T(test_deaf_front_end),
		T(test_inflight), T(test_notifications),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
