/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vfio-user message layer against a function that only records. The client's half is spoken
 * with tests/lib's own definitions, so that a number wrong on one side does not agree with itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "transport/vfio_user/vfu.h"
#include "vfio_cl.h"

/* ---- version ---- */

static void test_version(void **state)
{
	struct cl *c = *state;
	struct vfuc_version v = {.minor = 7, .json = "{\"capabilities\":{\"max_msg_fds\":8,"
				 "\"max_data_xfer_size\":4096,\"pgsizes\":4096,"
				 "\"max_dma_maps\":65535,"
				 "\"migration\":{\"pgsize\":4096,\"max_bitmap_size\":99},"
				 "\"write_multiple\":true}}"};

	cl_connect(c);
	assert_int_equal(c->pci.arrivals, 0);
	assert_int_equal(cl_version(c, &v, strlen(v.json) + 1), 0);
	assert_int_equal(c->pci.arrivals, 1);
	assert_int_equal(v.major, 0);
	assert_in_range(v.minor, 0, 7);
	assert_non_null(strstr(v.json, "\"max_msg_fds\":8"));
	assert_non_null(strstr(v.json, "\"max_data_xfer_size\":4096"));
	assert_non_null(strstr(v.json, "\"pgsizes\":4096"));
	assert_non_null(strstr(v.json, "\"max_dma_maps\":512"));
	assert_non_null(strstr(v.json, "\"write_multiple\":true"));
	assert_null(strstr(v.json, "migration"));
	/* once is enough, but no reason to part */
	assert_int_equal(cl_version(c, &v, 0), EINVAL);
	assert_int_equal(cl_irqs(c, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 2, 0, 0,
				 NULL, 0), 0);
	close(c->sock);
	cl_run(c);
	assert_int_equal(c->pci.departures, 1);
	/* nothing said at all */
	memset(&v, 0, sizeof(v));
	cl_connect(c);
	assert_int_equal(cl_version(c, &v, 0), 0);
	assert_int_equal(v.minor, 0);
	assert_non_null(strstr(v.json, "\"write_multiple\":false"));
}

static void test_version_refused(void **state)
{
	static const struct {
		uint16_t major;
		const char *json;
		size_t len; /* 0: with the NUL */
	} bad[] = {
		{1, "{}", 0},
		{0, "{}", 2},
		{0, "", 0},
		{0, "[1]", 0},
		{0, "{\"capabilities\":7}", 0},
		{0, "{\"capabilities\":{\"max_msg_fds\":\"x\"}}", 0},
		{0, "{\"capabilities\":{\"max_msg_fds\":-1}}", 0},
		{0, "{\"capabilities\":{\"max_data_xfer_size\":0}}", 0},
		{0, "{\"capabilities\":{\"pgsizes\":512}}", 0},
		{0, "{\"capabilities\":{\"max_dma_maps\":0}}", 0},
		{0, "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}", 0},
		{0, "{\"capabilities\":", 0},
	};
	struct cl *c = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vfuc_version v = {.major = bad[i].major};

		strcpy(v.json, bad[i].json);
		cl_connect(c);
		if (cl_version(c, &v, bad[i].len ? bad[i].len : strlen(v.json) + 1) != EINVAL)
			fail_msg("version %zu was accepted", i);
		assert_true(cl_closed(c));
		close(c->sock);
	}
	cl_connect(c);
	assert_int_equal(cl_do(c, VFUC_RESET, NOTHING), EINVAL);
	assert_true(cl_closed(c));
	close(c->sock);
	assert_int_equal(c->pci.arrivals, 0);
	assert_int_equal(c->pci.departures, 0);
	cl_start(c);
}

/* ---- information ---- */

static void test_info(void **state)
{
	struct cl *c = *state;
	struct vfuc_info info = {.argsz = sizeof(info)};

	cl_start(c);
	assert_int_equal(cl_ask(c, VFUC_GET_INFO, &info, sizeof(info), sizeof(info)), 0);
	assert_int_equal(info.argsz, 16);
	assert_int_equal(info.flags, VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI);
	assert_int_equal(info.a, VFIO_PCI_NUM_REGIONS);
	assert_int_equal(info.b, VFIO_PCI_NUM_IRQS);
	for (uint32_t i = 0; i < VFIO_PCI_NUM_IRQS; i++) {
		const uint32_t count[] = {1, 0, FAKE_VECTORS, 1, 1};

		info = (struct vfuc_info){.argsz = sizeof(info), .a = i};
		assert_int_equal(cl_ask(c, VFUC_GET_IRQ_INFO, &info, sizeof(info), sizeof(info)),
				 0);
		assert_int_equal(info.b, count[i]);
		assert_int_equal(info.flags & VFIO_IRQ_INFO_EVENTFD, count[i] ? 1 : 0);
		assert_int_equal(info.flags & VFIO_IRQ_INFO_MASKABLE, i ? 0 : 2);
	}
	info = (struct vfuc_info){.argsz = sizeof(info), .a = VFIO_PCI_NUM_IRQS};
	assert_int_equal(cl_ask(c, VFUC_GET_IRQ_INFO, &info, sizeof(info), 0), EINVAL);
	info = (struct vfuc_info){.argsz = 15};
	assert_int_equal(cl_ask(c, VFUC_GET_INFO, &info, sizeof(info), 0), EINVAL);
}

static void test_region_info(void **state)
{
	struct cl *c = *state;
	struct {
		struct vfio_region_info info;
		struct { /* vfio_region_info_cap_sparse_mmap, with its one area */
			struct vfio_info_cap_header header;
			uint32_t nr_areas, reserved;
		} cap;
		struct vfio_region_sparse_mmap_area area;
	} r;

	cl_start(c);
	/* BAR 0: first without room for the areas, as clients do */
	for (int round = 0; round < 2; round++) {
		memset(&r, 0, sizeof(r));
		r.info.argsz = round ? sizeof(r) : sizeof(r.info);
		assert_int_equal(cl_ask(c, VFUC_GET_REGION_INFO, &r, 32, r.info.argsz), 0);
		assert_int_equal(r.info.argsz, sizeof(r));
		assert_int_equal(r.info.flags,
				 VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
				 VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS);
		assert_int_equal(r.info.cap_offset, sizeof(r.info));
		assert_int_equal(r.info.size, FAKE_BAR_SIZE);
		assert_int_equal(r.info.offset, 0x10000);
		assert_int_equal(c->nr_got, 1);
	}
	assert_int_equal(r.cap.header.id, VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	assert_int_equal(r.cap.header.version, 1);
	assert_int_equal(r.cap.header.next, 0);
	assert_int_equal(r.cap.nr_areas, 1);
	assert_int_equal(r.area.offset, FAKE_DOORBELLS);
	assert_int_equal(r.area.size, 0x1000);
	cl_close_got(c);
	for (uint32_t i = 1; i < VFIO_PCI_NUM_REGIONS; i++) {
		memset(&r, 0, sizeof(r));
		r.info.argsz = sizeof(r.info);
		r.info.index = i;
		assert_int_equal(cl_ask(c, VFUC_GET_REGION_INFO, &r, 32, 32), 0);
		assert_int_equal(r.info.size, i == VFIO_PCI_CONFIG_REGION_INDEX ? 256 : 0);
		assert_int_equal(r.info.flags, r.info.size ? 3 : 0);
	}
	assert_int_equal(c->nr_got, 0);
	r.info.index = VFIO_PCI_NUM_REGIONS;
	assert_int_equal(cl_ask(c, VFUC_GET_REGION_INFO, &r, 32, 0), EINVAL);
	r.info.index = 0;
	r.info.argsz = 31;
	assert_int_equal(cl_ask(c, VFUC_GET_REGION_INFO, &r, 32, 0), EINVAL);
}

static void test_io_fds(void **state)
{
	struct cl *c = *state;
	struct {
		struct vfuc_io_fds head;
		struct vfuc_io_fd fd[2];
	} r = {.head = {.argsz = sizeof(r.head)}};
	uint64_t v = 1;

	cl_start(c);
	assert_int_equal(cl_ask(c, VFUC_GET_REGION_IO_FDS, &r, 16, 16), 0);
	assert_int_equal(r.head.argsz, sizeof(r));
	assert_int_equal(c->nr_got, 0);
	r.head = (struct vfuc_io_fds){.argsz = sizeof(r)};
	assert_int_equal(cl_ask(c, VFUC_GET_REGION_IO_FDS, &r, 16, sizeof(r)), 0);
	assert_int_equal(r.head.count, 2);
	assert_int_equal(c->nr_got, 2);
	assert_int_equal(r.fd[1].offset, FAKE_DOORBELLS + 4);
	assert_int_equal(r.fd[1].size, 2);
	assert_int_equal(r.fd[1].fd_index, 1);
	assert_int_equal(r.fd[1].type, VFUC_IO_FD_EVENTFD);
	assert_int_equal(write(c->got_fd[1], &v, sizeof(v)), sizeof(v));
	assert_int_equal(read(fake_func->doorbell[1], &v, sizeof(v)), sizeof(v));
	cl_close_got(c);
	r.head = (struct vfuc_io_fds){.argsz = sizeof(r), .index = 7};
	assert_int_equal(cl_ask(c, VFUC_GET_REGION_IO_FDS, &r, 16, 16), 0);
	assert_int_equal(r.head.count, 0);
	r.head = (struct vfuc_io_fds){.argsz = sizeof(r), .index = 99};
	assert_int_equal(cl_ask(c, VFUC_GET_REGION_IO_FDS, &r, 16, 0), EINVAL);
	r.head = (struct vfuc_io_fds){.argsz = 4};
	assert_int_equal(cl_ask(c, VFUC_GET_REGION_IO_FDS, &r, 16, 0), EINVAL);
}

/* ---- access ---- */

static int cl_write(struct cl *c, uint32_t flags, uint32_t region, uint64_t off, const void *src,
		    uint32_t count, size_t really)
{
	struct {
		struct vfuc_rw rw;
		uint8_t data[256];
	} w = {.rw = {off, region, count}};

	memcpy(w.data, src, really);
	cl_post(c, VFUC_REGION_WRITE, flags, &w, sizeof(w.rw) + really, NULL, 0);
	return flags ? 0 : cl_reply(c, VFUC_REGION_WRITE, &w, sizeof(w.rw));
}

static void test_access(void **state)
{
	struct cl *c = *state;
	struct {
		struct vfuc_rw rw;
		uint8_t data[256];
	} r;

	cl_start(c);
	assert_int_equal(cl_write(c, 0, 0, 0x20, "hello", 5, 5), 0);
	assert_memory_equal(fake_func->bar + 0x20, "hello", 5);
	r.rw = (struct vfuc_rw){0x1f, 0, 7};
	assert_int_equal(cl_ask(c, VFUC_REGION_READ, &r, 16, 16 + 7), 0);
	assert_memory_equal(r.data, "\0hello\0", 7);
	assert_int_equal(r.rw.count, 7);
	r.rw = (struct vfuc_rw){0, 7, 256};
	assert_int_equal(cl_ask(c, VFUC_REGION_READ, &r, 16, 16 + 256), 0);
	/* silence, and in order */
	assert_int_equal(cl_write(c, VFUC_NO_REPLY, 0, 0x3000, "\1\0", 2, 2), 0);
	assert_int_equal(cl_write(c, VFUC_NO_REPLY, 0, 99999, "\1\0", 2, 2), 0);
	assert_true(cl_silent(c));
	assert_int_equal(fake_func->bar[0x3000], 1);
	/* out of bounds in every way */
	assert_int_equal(cl_write(c, 0, 0, FAKE_BAR_SIZE - 1, "ab", 2, 2), EINVAL);
	assert_int_equal(cl_write(c, 0, 0, UINT64_MAX, "ab", 2, 2), EINVAL);
	assert_int_equal(cl_write(c, 0, 3, 0, "ab", 2, 2), EINVAL);
	assert_int_equal(cl_write(c, 0, 99, 0, "ab", 2, 2), EINVAL);
	assert_int_equal(cl_write(c, 0, 0, 0, "ab", 3, 2), EINVAL);
	r.rw = (struct vfuc_rw){0, 0, UINT32_MAX};
	assert_int_equal(cl_ask(c, VFUC_REGION_READ, &r, 16, 0), EINVAL);
	r.rw = (struct vfuc_rw){0, 5, 4};
	assert_int_equal(cl_ask(c, VFUC_REGION_READ, &r, 16, 0), EINVAL);
	assert_int_equal(fake_func->writes, 2);
}

static void test_write_multi(void **state)
{
	struct cl *c = *state;
	struct {
		uint64_t cnt;
		struct vfuc_one_write w[3];
	} m = {3, {{0x10, 0, 4, 0x11223344}, {0x20, 0, 8, 0x55}, {0x9999, 0, 1, 0}}};

	cl_start(c);
	assert_int_equal(cl_ask(c, VFUC_REGION_WRITE_MULTI, &m, sizeof(m), 8), 0);
	assert_int_equal(m.cnt, 2);
	assert_int_equal(fake_func->bar[0x11], 0x33);
	assert_int_equal(fake_func->bar[0x20], 0x55);
	m.cnt = 4;
	assert_int_equal(cl_ask(c, VFUC_REGION_WRITE_MULTI, &m, sizeof(m), 0), EINVAL);
	m.cnt = UINT64_MAX / 24 + 2;
	assert_int_equal(cl_ask(c, VFUC_REGION_WRITE_MULTI, &m, sizeof(m), 0), EINVAL);
	m.cnt = 1;
	m.w[0].count = 9;
	assert_int_equal(cl_ask(c, VFUC_REGION_WRITE_MULTI, &m, sizeof(m), 0), EINVAL);
}

/* ---- memory ---- */

static void test_memory(void **state)
{
	struct cl *c = *state;

	cl_start(c);
	assert_int_equal(cl_map(c, 0, 0x10000, 0, 3, c->mem_fd), 0);
	assert_int_equal(cl_map(c, 0x100000000, 0x10000, 0x10000, 1, c->mem_fd), 0);
	assert_int_equal(fake_func->gm->nr, 2);
	assert_true(fake_func->gm->region[0].writable);
	assert_false(fake_func->gm->region[1].writable);
	*(uint8_t *)gm_translate_gpa(fake_func->gm, 5, 1) = 77;
	assert_int_equal(pread(c->mem_fd, &(uint8_t){0}, 1, 5), 1);
	/* not to be mapped, next to what is: accepted, but not there */
	assert_int_equal(cl_map(c, 0xc0000, 0x20000, 0, 1, -1), 0);
	assert_int_equal(fake_func->memory_changes, 2);
	assert_int_equal(cl_unmap(c, 0xc0000, 0x20000, 0), 0);
	/* refused */
	assert_int_equal(cl_map(c, 0xf000, 0x2000, 0, 3, c->mem_fd), EEXIST);
	assert_int_equal(cl_map(c, 0xf000, 0x1000, 0, 3, -1), EEXIST);
	assert_int_equal(cl_map(c, 0x20000, 0, 0, 3, c->mem_fd), EINVAL);
	assert_int_equal(cl_map(c, 0x20000, 0x1000, 0, 0, c->mem_fd), EINVAL);
	assert_int_equal(cl_map(c, 0x20000, 0x1000, 0, 4, c->mem_fd), EINVAL);
	assert_int_equal(cl_map(c, 0x20800, 0x1000, 0, 3, c->mem_fd), EINVAL);
	assert_int_equal(cl_map(c, UINT64_MAX - 0xfff, 0x2000, 0, 3, c->mem_fd), EINVAL);
	assert_int_equal(cl_map(c, 0x20000, MEM_SIZE, 0x1000, 3, c->mem_fd), EINVAL);
	assert_int_equal(cl_map(c, 0x20000, 0x1000, INT64_MAX - 0xfff, 3, c->mem_fd), EINVAL);
	assert_int_equal(cl_map(c, 0x200000000, 1ull << 60, 0, 3, c->mem_fd), E2BIG);
	assert_int_equal(cl_map(c, 0x20000, 0x1000, 0, 3, fake_func->doorbell[0]), EBADF);
	assert_int_equal(cl_unmap(c, 0, 0x8000, 0), ENOENT);
	assert_int_equal(cl_unmap(c, 0, 0x10000, VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP), ENOTSUP);
	assert_int_equal(cl_unmap(c, 0, 0x10000, 8), EINVAL);
	assert_int_equal(cl_unmap(c, 0, 0x10000, VFIO_DMA_UNMAP_FLAG_ALL), EINVAL);
	assert_int_equal(fake_func->gm->nr, 2);
	assert_int_equal(cl_unmap(c, 0, 0x10000, 0), 0);
	assert_int_equal(fake_func->gm->nr, 1);
	assert_int_equal(cl_unmap(c, 0, 0, VFIO_DMA_UNMAP_FLAG_ALL), 0);
	assert_int_equal(fake_func->gm->nr, 0);
	/* as many as there may be */
	for (unsigned int i = 0; i < GM_MAX_REGIONS; i++)
		assert_int_equal(cl_map(c, i * 0x2000, 0x1000, 0, 3, c->mem_fd), 0);
	assert_int_equal(cl_map(c, 0x40000000, 0x1000, 0, 3, c->mem_fd), ENOSPC);
}

/* Requests in flight keep what was mapped when they came: a client cannot pile that up. */
static void test_dma_piled_up(void **state)
{
	struct cl *c = *state;
	struct gmem *kept[2];

	cl_start(c);
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < GM_MAX_REGIONS; i++)
			assert_int_equal(cl_map(c, i * 0x2000, 0x1000, 0, 3, c->mem_fd), 0);
		kept[round] = gm_get(fake_func->gm);
		assert_int_equal(cl_unmap(c, 0, 0, VFIO_DMA_UNMAP_FLAG_ALL), 0);
	}
	assert_int_equal(cl_map(c, 0, 0x1000, 0, 3, c->mem_fd), ENOSPC);
	gm_put(kept[0]);
	assert_int_equal(cl_map(c, 0, 0x1000, 0, 3, c->mem_fd), 0);
	gm_put(kept[1]);
}

/* The reply waits, the next message waits; a hang-up meanwhile is noticed afterwards. */
static void test_settled(void **state)
{
	struct cl *c = *state;
	struct vfuc_dma_map w = {sizeof(w), 3, 0, 0, 0x1000};
	uint16_t id;

	cl_start(c);
	fake_func->defer = true;
	cl_post(c, VFUC_DMA_MAP, 0, &w, sizeof(w), &c->mem_fd, 1);
	id = c->id;
	cl_post(c, VFUC_RESET, 0, NOTHING);
	assert_true(cl_silent(c));
	fake_func_settle();
	assert_int_equal(cl_reply_to(c, id, VFUC_DMA_MAP, NULL, 0), 0);
	assert_int_equal(fake_func->resets, 1);
	assert_true(cl_silent(c));
	fake_func_settle();
	assert_int_equal(cl_reply(c, VFUC_RESET, NULL, 0), 0);
	/* patience */
	((struct vfu_port *)c->port)->session.stuck = true;
	cl_post(c, VFUC_RESET, 0, NOTHING);
	assert_true(cl_silent(c));
	usleep(60000);
	assert_int_equal(cl_reply(c, VFUC_RESET, NULL, 0), 0);
	assert_true(((struct vfu_port *)c->port)->session.stuck);
	/* hang-up */
	fake_func_settle();
	cl_post(c, VFUC_RESET, 0, NOTHING);
	cl_run(c);
	close(c->sock);
	cl_run(c);
	assert_int_equal(fake_func->disconnects, 0);
	fake_func_settle();
	cl_run(c);
	assert_int_equal(fake_func->disconnects, 1);
	assert_int_equal(c->pci.departures, 0);
	/* and the next client waits until the function has let go */
	c->sock = cl_dial(c);
	cl_post(c, VFUC_VERSION, 0, "\0\0\0\0", 4, NULL, 0);
	assert_true(cl_silent(c));
	fake_func->defer = false;
	fake_func_settle();
	assert_int_equal(c->pci.departures, 1);
	assert_false(cl_silent(c));
}

static void test_memory_lost(void **state)
{
	struct cl *c = *state;

	assert_int_equal(gm_guard_install(), 0);
	cl_start(c);
	assert_int_equal(cl_map(c, 0, 0x10000, 0, 3, c->mem_fd), 0);
	vfio_user_transport.needs_reset(c->port, 1);
	assert_true(cl_silent(c));
	assert_int_equal(ftruncate(c->mem_fd, 0), 0);
	assert_int_equal(*(volatile uint8_t *)gm_translate_gpa(fake_func->gm, 0, 1), 0);
	vfio_user_transport.needs_reset(c->port, 1);
	assert_true(cl_closed(c));
	close(c->sock);
	cl_start(c);
}

/* The request for the avail ring of a queue of 16 entries; answered with an empty one. */
static void answer_avail(struct cl *c, uint64_t addr)
{
	struct {
		struct vfuc_hdr hdr;
		struct vfuc_dma_rw rw;
		uint8_t data[36];
	} m = {0};

	cl_run(c);
	assert_int_equal(cl_read(c, &m, sizeof(m)), 32);
	assert_int_equal(m.hdr.cmd, VFUC_DMA_READ);
	assert_int_equal(m.hdr.flags, 0);
	assert_int_equal(m.rw.addr, addr);
	assert_int_equal(m.rw.count, sizeof(m.data));
	m.hdr.flags = VFUC_REPLY;
	m.hdr.size = 32 + sizeof(m.data);
	cl_bytes(c, &m, m.hdr.size, NULL, 0);
	assert_true(cl_silent(c));
}

/* Memory by message: what the queue needs is asked for, also from a shadow that was renewed. */
static void test_relay(void **state)
{
	const struct pci_func_queue q = {16, 0x1000, 0x2000, 0x3000};
	struct cl *c = *state;
	struct vfu_session *s;
	uint64_t one = 1;
	int kick, call;

	cl_start(c);
	s = &((struct vfu_port *)c->port)->session;
	assert_int_equal(cl_map(c, 0, MEM_SIZE, 0, 3, -1), 0);
	assert_non_null(fake_func->relay);
	assert_int_equal(fake_func->relay->start(c->port, 0, &q, &kick, &call), 0);
	fake_func->queue_runs = true;
	vfu_session_go_on(s);
	answer_avail(c, 0x2000);
	assert_int_equal(write(fake_func->doorbell[0], &one, sizeof(one)), sizeof(one));
	answer_avail(c, 0x2000);
	/* time for a fresh shadow, which takes the device a while */
	s->relay.touched = UINT64_MAX;
	fake_func->defer = true;
	assert_int_equal(write(fake_func->doorbell[0], &one, sizeof(one)), sizeof(one));
	assert_true(cl_silent(c));
	assert_int_equal(fake_func->memory_changes, 2);
	fake_func_settle();
	answer_avail(c, 0x2000);
	/* memory that can be mapped ends it */
	fake_func->defer = false;
	assert_int_equal(cl_map(c, 0x10000000, MEM_SIZE, 0, 3, c->mem_fd), 0);
	assert_null(fake_func->relay);
	assert_int_equal(fake_func->gm->nr, 1);
	close(kick);
	close(call);
}

/* ---- interrupts ---- */

static void test_irqs(void **state)
{
	struct cl *c = *state;
	const uint32_t trigger = VFIO_IRQ_SET_ACTION_TRIGGER, fdset = VFIO_IRQ_SET_DATA_EVENTFD;
	const uint32_t none = VFIO_IRQ_SET_DATA_NONE;
	struct {
		struct vfuc_irq_set w;
		uint8_t chosen[2];
	} b = {{sizeof(b.w) + 2, VFIO_IRQ_SET_DATA_BOOL | trigger, 2, 0, 2}, {0, 1}};
	int e[3];
	uint64_t v;

	cl_start(c);
	for (int i = 0; i < 3; i++)
		e[i] = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(cl_irqs(c, fdset | trigger, 2, 1, 3, e, 3), 0);
	assert_int_equal(cl_irqs(c, none | trigger, 2, 2, 1, NULL, 0), 0);
	assert_int_equal(read(e[1], &v, 8), 8); /* non-blocking now: both of us have it */
	assert_int_equal(read(e[0], &v, 8), -1);
	cl_post(c, VFUC_SET_IRQS, 0, &b, sizeof(b.w) + 2, NULL, 0);
	assert_int_equal(cl_reply(c, VFUC_SET_IRQS, NULL, 0), 0);
	assert_int_equal(read(e[0], &v, 8), 8);
	/* without descriptors: taken away; index, then all */
	assert_int_equal(cl_irqs(c, fdset | trigger, 2, 1, 1, NULL, 0), 0);
	assert_int_equal(fake_func->irq[2][1], -1);
	assert_true(fake_func->irq[2][2] >= 0);
	assert_int_equal(cl_irqs(c, none | trigger, 2, 0, 0, NULL, 0), 0);
	assert_int_equal(fake_func->irq[2][2], -1);
	/* INTx */
	assert_int_equal(cl_irqs(c, fdset | trigger, 0, 0, 1, e, 1), 0);
	assert_int_equal(cl_irqs(c, none | VFIO_IRQ_SET_ACTION_MASK, 0, 0, 1, NULL, 0), 0);
	assert_true(fake_func->masked);
	assert_int_equal(cl_irqs(c, fdset | VFIO_IRQ_SET_ACTION_UNMASK, 0, 0, 1, e + 2, 1), 0);
	assert_true(fake_func->masked);
	v = 1;
	assert_int_equal(write(e[2], &v, 8), 8);
	cl_run(c);
	assert_false(fake_func->masked);
	assert_int_equal(cl_irqs(c, none | trigger, 0, 0, 0, NULL, 0), 0);
	assert_int_equal(write(e[2], &v, 8), 8);
	cl_run(c);
	assert_int_equal(fake_func->unmasks, 1);
	/* refused */
	assert_int_equal(cl_irqs(c, fdset | trigger, 2, 0, 3, e, 2), EINVAL);
	assert_int_equal(cl_irqs(c, fdset | trigger, 2, 2, 3, e, 3), EINVAL);
	assert_int_equal(cl_irqs(c, fdset | trigger, 2, UINT32_MAX, 2, e, 2), EINVAL);
	assert_int_equal(cl_irqs(c, fdset | trigger, 5, 0, 1, e, 1), EINVAL);
	assert_int_equal(cl_irqs(c, fdset | trigger, 2, 0, 1, &c->mem_fd, 1), EBADF);
	assert_int_equal(cl_irqs(c, none | trigger, 2, 0, 1, e, 1), EINVAL);
	assert_int_equal(cl_irqs(c, none | fdset | trigger, 2, 0, 1, e, 1), EINVAL);
	assert_int_equal(cl_irqs(c, trigger, 2, 0, 1, NULL, 0), EINVAL);
	assert_int_equal(cl_irqs(c, none, 2, 0, 1, NULL, 0), EINVAL);
	assert_int_equal(cl_irqs(c, none | trigger | 64, 2, 0, 1, NULL, 0), EINVAL);
	assert_int_equal(cl_irqs(c, none | VFIO_IRQ_SET_ACTION_MASK, 2, 0, 1, NULL, 0), ENOTSUP);
	b.w.count = 3;
	cl_post(c, VFUC_SET_IRQS, 0, &b, sizeof(b.w) + 2, NULL, 0);
	assert_int_equal(cl_reply(c, VFUC_SET_IRQS, NULL, 0), EINVAL);
	for (int i = 0; i < 3; i++)
		close(e[i]);
}

/* ---- the wire ---- */

static void test_pieces(void **state)
{
	struct cl *c = *state;
	struct vfuc_dma_map w = {sizeof(w), 3, 0, 0, 0x1000};
	uint8_t m[3 * 64];
	size_t len;

	cl_start(c);
	/* byte by byte, the descriptor in the middle */
	len = cl_format(c, m, VFUC_DMA_MAP, 0, &w, sizeof(w));
	for (size_t i = 0; i < len; i++) {
		assert_true(cl_silent(c));
		cl_bytes(c, m + i, 1, &c->mem_fd, i == 20);
	}
	assert_int_equal(cl_reply(c, VFUC_DMA_MAP, NULL, 0), 0);
	assert_int_equal(fake_func->gm->nr, 1);
	/* several at once: the descriptor is the last one's */
	w.addr = 0x10000;
	len = cl_format(c, m, VFUC_RESET, VFUC_NO_REPLY, "", 0);
	len += cl_format(c, m + len, VFUC_RESET, VFUC_NO_REPLY, "", 0);
	len += cl_format(c, m + len, VFUC_DMA_MAP, 0, &w, sizeof(w));
	cl_bytes(c, m, len, &c->mem_fd, 1);
	assert_int_equal(cl_reply(c, VFUC_DMA_MAP, NULL, 0), 0);
	assert_int_equal(fake_func->gm->nr, 2);
	assert_int_equal(fake_func->resets, 2);
	/* half a message with a descriptor, its rest, and another one with a descriptor */
	w.addr = 0x20000;
	len = cl_format(c, m, VFUC_DMA_MAP, VFUC_NO_REPLY, &w, sizeof(w));
	cl_bytes(c, m, 16, &c->mem_fd, 1);
	assert_true(cl_silent(c));
	cl_bytes(c, m + 16, len - 16, NULL, 0);
	w.addr = 0x30000;
	cl_post(c, VFUC_DMA_MAP, 0, &w, sizeof(w), &c->mem_fd, 1);
	assert_int_equal(cl_reply(c, VFUC_DMA_MAP, NULL, 0), 0);
	assert_int_equal(fake_func->gm->nr, 4);
}

static void test_malformed(void **state)
{
	static const struct vfuc_hdr bad[] = {
		{1, VFUC_RESET, 15, 0, 0},
		{1, VFUC_RESET, 0, 0, 0},
		{1, VFUC_REGION_WRITE, 0xffffffff, 0, 0},
		{1, VFUC_REGION_WRITE, 0x200000, 0, 0},
		{1, VFUC_RESET, 16, 2, 0},
	};
	struct cl *c = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cl_start(c);
		cl_bytes(c, &bad[i], sizeof(bad[i]), &c->mem_fd, 1);
		if (!cl_closed(c))
			fail_msg("message %zu was accepted", i);
		close(c->sock);
	}
	/* half a message */
	cl_start(c);
	cl_bytes(c, &bad[0], 5, NULL, 0);
	assert_true(cl_silent(c));
	close(c->sock);
	cl_start(c);
}

static void test_refused_politely(void **state)
{
	static const uint16_t no_such[] = {0, VFUC_DMA_READ, VFUC_DMA_WRITE, 14, 16, 17, 18, 19,
					   0xffff};
	struct cl *c = *state;
	struct vfuc_info info = {.argsz = sizeof(info)};
	int fds[200];

	cl_start(c);
	for (size_t i = 0; i < ARRAY_SIZE(no_such); i++)
		assert_int_equal(cl_do(c, no_such[i], "01234567", 8, NULL, 0), ENOTSUP);
	assert_int_equal(cl_do(c, VFUC_GET_INFO, &info, 8, NULL, 0), EINVAL);
	assert_int_equal(cl_do(c, VFUC_RESET, "x", 1, NULL, 0), EINVAL);
	for (int i = 0; i < 200; i++)
		fds[i] = c->mem_fd;
	assert_int_equal(cl_do(c, VFUC_RESET, "", 0, fds, 3), EINVAL);
	/* a reply nobody asked for */
	cl_post(c, VFUC_DMA_READ, VFUC_REPLY, "", 0, NULL, 0);
	assert_true(cl_silent(c));
	assert_int_equal(cl_do(c, VFUC_RESET, NOTHING), 0);
	/* more descriptors than fit into one message: some were lost */
	cl_bytes(c, "\1\0\15\0\20\0\0\0", 8, fds, 200);
	assert_true(cl_silent(c));
	cl_bytes(c, "\0\0\0\0\0\0\0\0", 8, fds, 200);
	assert_true(cl_closed(c));
}

/* Replies nobody reads: the session waits, nothing grows, nothing is lost. */
static void test_deaf_client(void **state)
{
	struct cl *c = *state;
	struct {
		struct vfuc_rw rw;
		uint8_t data[256];
	} r;
	unsigned int sent = 0;
	uint8_t m[64];
	size_t len;

	cl_start(c);
	r.rw = (struct vfuc_rw){0, 7, 256};
	len = cl_format(c, m, VFUC_REGION_READ, 0, &r.rw, sizeof(r.rw));
	while (sent < 100000 && send(c->sock, m, len, MSG_DONTWAIT) == (ssize_t)len) {
		sent++;
		cl_run(c);
	}
	assert_in_range(sent, 10, 99999);
	for (unsigned int i = 0; i < sent; i++)
		assert_int_equal(cl_reply(c, VFUC_REGION_READ, &r, 16 + 256), 0);
	assert_true(cl_silent(c));
}

/* ---- the port ---- */

static void test_unplug(void **state)
{
	struct cl *c = *state;
	int req = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t v;

	vfio_user_transport.unplug(c->port, false);
	assert_int_equal(c->pci.departures, 1);
	assert_int_equal(cl_dial(c), -1);
	/* asked, and leaves */
	assert_int_equal(vfio_user_transport.plug(c->port), 0);
	cl_start(c);
	assert_int_equal(cl_irqs(c, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 4, 0,
				 1, &req, 1), 0);
	vfio_user_transport.unplug(c->port, false);
	assert_int_equal(read(req, &v, 8), 8);
	assert_int_equal(cl_dial(c), -1);
	assert_int_equal(c->pci.departures, 1);
	assert_int_equal(cl_do(c, VFUC_RESET, NOTHING), 0);
	close(c->sock);
	cl_run(c);
	assert_int_equal(c->pci.departures, 2);
	/* cut off, while a reply waits */
	assert_int_equal(vfio_user_transport.plug(c->port), 0);
	cl_start(c);
	fake_func->defer = true;
	cl_post(c, VFUC_RESET, 0, NOTHING);
	cl_run(c);
	vfio_user_transport.unplug(c->port, true);
	assert_true(cl_closed(c));
	assert_int_equal(c->pci.departures, 2);
	fake_func_settle();
	assert_int_equal(c->pci.departures, 3);
	close(c->sock);
	/* never said a word */
	fake_func->defer = false;
	assert_int_equal(vfio_user_transport.plug(c->port), 0);
	cl_connect(c);
	vfio_user_transport.unplug(c->port, false);
	assert_true(cl_closed(c));
	assert_int_equal(c->pci.departures, 4);
	close(req);
}

/* The client is asked to let go before it has said where it hears that. */
static void test_unplug_early(void **state)
{
	struct cl *c = *state;
	int req = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t v;

	cl_start(c);
	vfio_user_transport.unplug(c->port, false);
	assert_int_equal(cl_irqs(c, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 4, 0,
				 1, &req, 1), 0);
	assert_int_equal(read(req, &v, 8), 8);
	close(req);
}

static void test_one_client(void **state)
{
	struct cl *c = *state;
	int other;
	char b;

	cl_start(c);
	other = cl_dial(c);
	cl_run(c);
	assert_int_equal(recv(other, &b, 1, MSG_DONTWAIT), 0);
	close(other);
	assert_int_equal(cl_do(c, VFUC_RESET, NOTHING), 0);
	/* hang up and come back before the engine looked: not turned away */
	other = c->sock;
	close(other);
	cl_start(c);
	assert_int_equal(fake_func->disconnects, 1);
	/* the engine cannot watch it: that one is lost, the next is served */
	close(c->sock);
	cl_run(c);
	c->pe.fail_add = -ENOSPC;
	cl_connect(c);
	assert_true(cl_closed(c));
	close(c->sock);
	cl_start(c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, cl_setup, cl_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_version), T(test_version_refused), T(test_info), T(test_region_info),
		T(test_io_fds), T(test_access), T(test_write_multi), T(test_memory),
		T(test_dma_piled_up), T(test_settled), T(test_memory_lost), T(test_relay), T(test_irqs),
		T(test_pieces),
		T(test_malformed), T(test_refused_politely), T(test_deaf_client), T(test_unplug),
		T(test_unplug_early),
		T(test_one_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
