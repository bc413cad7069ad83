/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages a broken or hostile front end could send, at a fresh connection and at a running one. A
 * server may hang up, refuse or ignore; where ignoring would mean that it took over something
 * impossible the row says REFUSED. Whatever it does, the next front end must find it at work.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

enum fd_kind { FD_NONE, FD_EVENT, FD_NULL, FD_DIR, FD_MEM, FD_EMPTY_MEM, FD_SOCKET };
enum verdict { ANY, REFUSED };

#define U64(v) {(v), 0, 0, 0, 0, 0}
#define STATE(index, num) {(uint64_t)(index) | (uint64_t)(num) << 32, 0, 0, 0, 0, 0}
#define FAR (1ull << 60)
#define MEM_BYTES 65536

struct msg_row {
	const char *name;
	uint32_t req;
	uint32_t len;
	uint64_t payload[6];
	enum fd_kind fd;
	unsigned nr_fds;
	enum verdict verdict;
};

/* The payload of a table is num, then gpa, size, uaddr, offset of the one region given. */
static const struct msg_row rows[] = {
	{"request 0", 0, 0, .verdict = ANY},
	{"request 99", 99, 8, U64(0), .verdict = ANY},
	{"request 2^32-1", UINT32_MAX, 8, U64(0), .verdict = ANY},
	{"features nobody offered", VUFE_SET_FEATURES, 8, U64(UINT64_MAX), .verdict = REFUSED},
	{"protocol features nobody offered", VUFE_SET_PROTOCOL_FEATURES, 8, U64(UINT64_MAX),
	 .verdict = REFUSED},
	{"ring of 0", VUFE_SET_VRING_NUM, 8, STATE(1, 0), .verdict = REFUSED},
	{"ring of 3", VUFE_SET_VRING_NUM, 8, STATE(1, 3), .verdict = REFUSED},
	{"ring of 65536", VUFE_SET_VRING_NUM, 8, STATE(1, 65536), .verdict = REFUSED},
	{"ring of 2^31", VUFE_SET_VRING_NUM, 8, STATE(1, 1u << 31), .verdict = REFUSED},
	{"size of ring 1000", VUFE_SET_VRING_NUM, 8, STATE(1000, 64), .verdict = REFUSED},
	{"size of ring 2^32-1", VUFE_SET_VRING_NUM, 8, STATE(UINT32_MAX, 64), .verdict = REFUSED},
	{"base beyond 16 bits", VUFE_SET_VRING_BASE, 8, STATE(1, 1u << 20), .verdict = ANY},
	{"base of ring 1000", VUFE_SET_VRING_BASE, 8, STATE(1000, 0), .verdict = REFUSED},
	{"address of ring 1000", VUFE_SET_VRING_ADDR, 40, {1000, 0, 0, 0, 0}, .verdict = REFUSED},
	{"address 0", VUFE_SET_VRING_ADDR, 40, {1, 0, 0, 0, 0}, .verdict = ANY},
	{"address outside memory", VUFE_SET_VRING_ADDR, 40, {1, FAR, FAR, FAR, 0}, .verdict = ANY},
	{"address that wraps", VUFE_SET_VRING_ADDR, 40, {1, -16ull, -16ull, -16ull, 0},
	 .verdict = ANY},
	{"address that is odd", VUFE_SET_VRING_ADDR, 40,
	 {1, 0x40000001, 0x40000001, 0x40000001, 0}, .verdict = ANY},
	{"enable ring 1000", VUFE_SET_VRING_ENABLE, 8, STATE(1000, 1), .verdict = REFUSED},
	{"enable by 2", VUFE_SET_VRING_ENABLE, 8, STATE(1, 2), .verdict = ANY},
	{"stop ring 1000", VUFE_GET_VRING_BASE, 8, STATE(1000, 0), .verdict = ANY},
	{"stop ring 2^32-1", VUFE_GET_VRING_BASE, 8, STATE(UINT32_MAX, 0), .verdict = ANY},
	{"kick of ring 200", VUFE_SET_VRING_KICK, 8, U64(200), FD_EVENT, 1, REFUSED},
	{"kick without its fd", VUFE_SET_VRING_KICK, 8, U64(1), .verdict = ANY},
	{"kick that says no fd", VUFE_SET_VRING_KICK, 8, U64(1 | VUFE_VRING_NOFD), .verdict = ANY},
	{"kick that says no fd and has one", VUFE_SET_VRING_KICK, 8, U64(1 | VUFE_VRING_NOFD),
	 FD_EVENT, 1, ANY},
	{"kick that is /dev/null", VUFE_SET_VRING_KICK, 8, U64(1), FD_NULL, 1, ANY},
	{"kick that is a directory", VUFE_SET_VRING_KICK, 8, U64(1), FD_DIR, 1, ANY},
	{"kick that is memory", VUFE_SET_VRING_KICK, 8, U64(1), FD_MEM, 1, ANY},
	{"call of ring 200", VUFE_SET_VRING_CALL, 8, U64(200), FD_EVENT, 1, REFUSED},
	{"call that is a directory", VUFE_SET_VRING_CALL, 8, U64(1), FD_DIR, 1, ANY},
	{"call whose peer is closed", VUFE_SET_VRING_CALL, 8, U64(1), FD_SOCKET, 1, ANY},
	{"err of ring 200", VUFE_SET_VRING_ERR, 8, U64(200), FD_EVENT, 1, REFUSED},
	{"err that is a directory", VUFE_SET_VRING_ERR, 8, U64(1), FD_DIR, 1, ANY},
	{"sixteen kick fds", VUFE_SET_VRING_KICK, 8, U64(1), FD_EVENT, 16, ANY},
	{"memory table of 2^32-1", VUFE_SET_MEM_TABLE, 40, {UINT32_MAX, 0, 4096, 0, 0}, FD_MEM, 1,
	 REFUSED},
	{"memory table of 9", VUFE_SET_MEM_TABLE, 40, {9, 0, 4096, 0, 0}, FD_MEM, 9, REFUSED},
	{"memory table shorter than it says", VUFE_SET_MEM_TABLE, 40, {2, 0, 4096, 0, 0}, FD_MEM,
	 2, REFUSED},
	{"memory without an fd", VUFE_SET_MEM_TABLE, 40, {1, 0, 4096, 0, 0}, .verdict = REFUSED},
	{"memory with fds to spare", VUFE_SET_MEM_TABLE, 40, {1, 0, 4096, 0, 0}, FD_MEM, 8, ANY},
	{"memory of 0 bytes", VUFE_SET_MEM_TABLE, 40, {1, 0, 0, 0, 0}, FD_MEM, 1, REFUSED},
	{"memory that wraps", VUFE_SET_MEM_TABLE, 40, {1, -4096ull, 8192, 0, 0}, FD_MEM, 1,
	 REFUSED},
	{"memory of 2^64-1", VUFE_SET_MEM_TABLE, 40, {1, 0, UINT64_MAX, 0, 0}, FD_MEM, 1, REFUSED},
	{"memory larger than its file", VUFE_SET_MEM_TABLE, 40, {1, 0, 1u << 30, 0, 0}, FD_MEM, 1,
	 REFUSED},
	{"memory behind its file's end", VUFE_SET_MEM_TABLE, 40, {1, 0, 4096, 0, 1u << 30}, FD_MEM,
	 1, REFUSED},
	{"memory of an empty file", VUFE_SET_MEM_TABLE, 40, {1, 0, 4096, 0, 0}, FD_EMPTY_MEM, 1,
	 REFUSED},
	{"memory at an offset that wraps", VUFE_SET_MEM_TABLE, 40, {1, 0, 8192, 0, -4096ull},
	 FD_MEM, 1, REFUSED},
	{"memory that is an eventfd", VUFE_SET_MEM_TABLE, 40, {1, 0, 4096, 0, 0}, FD_EVENT, 1,
	 REFUSED},
	{"memory that is a directory", VUFE_SET_MEM_TABLE, 40, {1, 0, 4096, 0, 0}, FD_DIR, 1,
	 REFUSED},
	{"slot of 0 bytes", VUFE_ADD_MEM_REG, 40, {0, 0, 0, 0, 0}, FD_MEM, 1, REFUSED},
	{"slot larger than its file", VUFE_ADD_MEM_REG, 40, {0, 0, 1u << 30, 0, 0}, FD_MEM, 1,
	 REFUSED},
	{"slot without an fd", VUFE_ADD_MEM_REG, 40, {0, 0, 4096, 0, 0}, .verdict = REFUSED},
	{"slot that was never added", VUFE_REM_MEM_REG, 40, {0, FAR, 4096, FAR, 0},
	 .verdict = REFUSED},
	{"config that wraps", VUFE_GET_CONFIG, 12 + 16, {(uint64_t)16 << 32 | 0xfffffff8u},
	 .verdict = ANY},
	{"config of 4 GiB", VUFE_GET_CONFIG, 12, {(uint64_t)UINT32_MAX << 32}, .verdict = ANY},
	{"config shorter than it says", VUFE_GET_CONFIG, 12 + 4, {(uint64_t)200 << 32},
	 .verdict = ANY},
	{"config written", VUFE_SET_CONFIG, 12 + 8, {(uint64_t)8 << 32, 0x4141414100000000ull},
	 .verdict = ANY},
	{"inflight area for 65535 x 65535", VUFE_GET_INFLIGHT_FD, 24, {0, 0, UINT32_MAX},
	 .verdict = ANY},
	{"inflight area for nothing", VUFE_GET_INFLIGHT_FD, 24, {0, 0, 0}, .verdict = ANY},
	{"inflight area without an fd", VUFE_SET_INFLIGHT_FD, 24, {4096, 0, 1 | 64 << 16},
	 .verdict = REFUSED},
	{"inflight area larger than its file", VUFE_SET_INFLIGHT_FD, 24,
	 {1u << 30, 0, 2 | 64 << 16}, FD_MEM, 1, REFUSED},
	{"inflight area too small", VUFE_SET_INFLIGHT_FD, 24, {16, 0, 2 | 64 << 16}, FD_MEM, 1,
	 REFUSED},
	{"inflight area of 65535 queues", VUFE_SET_INFLIGHT_FD, 24,
	 {MEM_BYTES, 0, UINT32_MAX}, FD_MEM, 1, REFUSED},
	{"inflight area that is a directory", VUFE_SET_INFLIGHT_FD, 24, {4096, 0, 2 | 64 << 16},
	 FD_DIR, 1, REFUSED},
	{"request channel without an fd", VUFE_SET_BACKEND_REQ_FD, 0, .verdict = ANY},
	{"request channel that is a directory", VUFE_SET_BACKEND_REQ_FD, 0, {0}, FD_DIR, 1, ANY},
	{"request channel whose peer is closed", VUFE_SET_BACKEND_REQ_FD, 0, {0}, FD_SOCKET, 1,
	 ANY},
	{"owner twice", VUFE_SET_OWNER, 0, .verdict = ANY},
	{"owner with a payload", VUFE_SET_OWNER, 40, .verdict = ANY},
	{"reset of the owner", VUFE_RESET_OWNER, 0, .verdict = ANY},
	{"log base", VUFE_SET_LOG_BASE, 16, {4096, 0}, FD_MEM, 1, ANY},
	{"status of all ones", VUFE_SET_STATUS, 8, U64(UINT64_MAX), .verdict = ANY},
	{"in-band kick of ring 1000", VUFE_VRING_KICK, 8, STATE(1000, 0), .verdict = ANY},
};

static int make_fd(enum fd_kind kind)
{
	int fd = -1, pair[2];

	switch (kind) {
	case FD_NONE:
		return -1;
	case FD_EVENT:
		return eventfd(0, EFD_NONBLOCK);
	case FD_NULL:
		return open("/dev/null", O_RDWR);
	case FD_DIR:
		return open("/", O_RDONLY | O_DIRECTORY);
	case FD_EMPTY_MEM:
		return memfd_create("proto", 0);
	case FD_MEM:
		fd = memfd_create("proto", 0);
		assert_return_code(ftruncate(fd, MEM_BYTES), errno);
		return fd;
	case FD_SOCKET:
		assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
		close(pair[1]);
		return pair[0];
	}
	return fd;
}

static void send_row(struct vufe_dev *dev, const struct msg_row *row)
{
	int fds[VUFE_FDS_MAX];
	unsigned i;

	for (i = 0; i < row->nr_fds; i++)
		fds[i] = make_fd(row->fd);
	vufe_send(dev, row->req, VUFE_NEED_REPLY, row->payload, row->len, fds, row->nr_fds);
	for (i = 0; i < row->nr_fds; i++)
		close(fds[i]);
}

/* true: the server hung up or answered with something else than "done". */
static bool refused(struct vufe_dev *dev)
{
	struct {
		uint64_t v;
		uint8_t rest[512];
	} reply = {0};
	struct vufe_hdr hdr;

	if (vufe_recv(dev->sock, dev->opts.timeout_ms, &hdr, &reply, sizeof(reply), NULL, NULL))
		return true;
	return hdr.size != sizeof(uint64_t) || reply.v;
}

/* A server that stays silent and connected must still answer what comes next. */
static void settle(struct vufe_dev *dev, const struct msg_row *row)
{
	struct pollfd p = {.fd = dev->sock, .events = POLLIN};

	if (row->verdict == REFUSED && !refused(dev))
		fail_msg("%s: the server says it did that", row->name);
	if (row->verdict == ANY)
		poll(&p, 1, 20);
}

static void run_fresh(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;

	connect_good(&dev, &o);
	assert_return_code(vufe_negotiate(&dev), 0);
	send_row(&dev, *state);
	settle(&dev, *state);
	vufe_close(&dev);
	assert_serves();
}

static void run_running(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;

	open_good(&dev, &o);
	assert_pings(&dev, 1);
	send_row(&dev, *state);
	settle(&dev, *state);
	/* Work on the rings it may or may not still serve. */
	vufe_vq_kick(&dev.vq[1]);
	vufe_vq_kick(&dev.vq[0]);
	vufe_close(&dev);
	assert_serves();
}

/* What may be wrong with any message at all. */
enum wrong {
	NO_VERSION, A_REPLY, HALF_HEADER, NO_PAYLOAD, HALF_PAYLOAD, ONE_SHORT, ONE_LONG, HUGE,
	ALL_ONES, WITH_FDS,
};

struct wrong_row {
	const char *name;
	enum wrong wrong;
};

static const struct wrong_row wrongs[] = {
	{"no version", NO_VERSION},
	{"marked as a reply", A_REPLY},
	{"half a header", HALF_HEADER},
	{"payload never comes", NO_PAYLOAD},
	{"half the payload comes", HALF_PAYLOAD},
	{"payload a byte short", ONE_SHORT},
	{"payload a byte long", ONE_LONG},
	{"size of 4 GiB", HUGE},
	{"payload of all ones", ALL_ONES},
	{"fds it should not have", WITH_FDS},
};

struct kind {
	uint32_t req;
	uint32_t len;
};

static const struct kind kinds[] = {
	{VUFE_GET_FEATURES, 0}, {VUFE_SET_FEATURES, 8}, {VUFE_SET_OWNER, 0},
	{VUFE_SET_MEM_TABLE, 40}, {VUFE_SET_LOG_BASE, 16}, {VUFE_SET_VRING_NUM, 8},
	{VUFE_SET_VRING_ADDR, 40}, {VUFE_SET_VRING_BASE, 8}, {VUFE_GET_VRING_BASE, 8},
	{VUFE_SET_VRING_KICK, 8}, {VUFE_SET_VRING_CALL, 8}, {VUFE_SET_VRING_ERR, 8},
	{VUFE_GET_PROTOCOL_FEATURES, 0}, {VUFE_SET_PROTOCOL_FEATURES, 8},
	{VUFE_GET_QUEUE_NUM, 0}, {VUFE_SET_VRING_ENABLE, 8}, {VUFE_SET_BACKEND_REQ_FD, 0},
	{VUFE_GET_CONFIG, 72}, {VUFE_SET_CONFIG, 72}, {VUFE_GET_INFLIGHT_FD, 24},
	{VUFE_SET_INFLIGHT_FD, 24}, {VUFE_RESET_DEVICE, 0}, {VUFE_GET_MAX_MEM_SLOTS, 0},
	{VUFE_ADD_MEM_REG, 40}, {VUFE_REM_MEM_REG, 40}, {VUFE_SET_STATUS, 8},
	{VUFE_GET_STATUS, 0},
};

static void send_wrong(struct vufe_dev *dev, enum wrong wrong, const struct kind *k)
{
	struct {
		struct vufe_hdr hdr;
		uint8_t payload[128];
	} m = {.hdr = {k->req, VUFE_VERSION | VUFE_NEED_REPLY, k->len}};
	size_t len = sizeof(m.hdr) + k->len;
	int fds[8] = {-1};
	unsigned i, nr_fds = 0;

	switch (wrong) {
	case NO_VERSION:
		m.hdr.flags = 0;
		break;
	case A_REPLY:
		m.hdr.flags |= VUFE_REPLY;
		break;
	case HALF_HEADER:
		len = sizeof(m.hdr) / 2;
		break;
	case NO_PAYLOAD:
		m.hdr.size = k->len ? k->len : 8;
		len = sizeof(m.hdr);
		break;
	case HALF_PAYLOAD:
		len = sizeof(m.hdr) + k->len / 2;
		break;
	case ONE_SHORT:
		if (k->len) {
			m.hdr.size--;
			len--;
		}
		break;
	case ONE_LONG:
		m.hdr.size++;
		len++;
		break;
	case HUGE:
		m.hdr.size = UINT32_MAX;
		break;
	case ALL_ONES:
		memset(m.payload, 0xff, sizeof(m.payload));
		break;
	case WITH_FDS:
		for (nr_fds = 0; nr_fds < 8; nr_fds++)
			fds[nr_fds] = make_fd(FD_NULL);
		break;
	}
	vufe_send_raw(dev->sock, &m, len, fds, nr_fds);
	for (i = 0; i < nr_fds; i++)
		close(fds[i]);
}

static void run_wrong(void **state)
{
	const struct wrong_row *row = *state;
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		connect_good(&dev, &o);
		send_wrong(&dev, row->wrong, &kinds[i]);
		vufe_close(&dev);
		open_good(&dev, &o);
		send_wrong(&dev, row->wrong, &kinds[i]);
		vufe_vq_kick(&dev.vq[1]);
		vufe_close(&dev);
		assert_alive();
	}
	assert_serves();
}

int main(void)
{
	int r;

	harness_need_server();
	r = RUN_ROWS("messages at a fresh connection", rows, run_fresh);
	r += RUN_ROWS("messages at a running device", rows, run_running);
	r += RUN_ROWS("malformed messages of every kind", wrongs, run_wrong);
	return r;
}
