/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vfio-user messages a broken or hostile host could send, at a fresh connection and at a running
 * one. REFUSED: an error reply or a closed connection. Whatever the server does, it must keep no
 * descriptor of it, and the next host must find it at work.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

enum fd_kind { FD_NONE, FD_EVENT, FD_NULL, FD_DIR, FD_MEM, FD_EMPTY_MEM, FD_READ_MEM, FD_SOCKET };
enum verdict { ANY, REFUSED, ACCEPTED };
/* FRESH: in place of VERSION. */
enum when { RUNNING, FRESH };

#define FAR (1ull << 60)
#define MEM_BYTES 65536u
#define MAPPED 0x40000000ull /* where a running host of the harness has memory */
#define RW (VFUC_DMA_READABLE | VFUC_DMA_WRITABLE)

struct msg_row {
	const char *name;
	uint16_t cmd;
	uint32_t len; /* of the payload sent */
	uint64_t payload[6];
	enum verdict verdict;
	enum fd_kind fd;
	unsigned nr_fds;
	uint32_t claim; /* size in the header; 0: the true one */
	uint32_t flags;
	enum when when;
};

/* Two halves of a word of payload. */
#define W(lo, hi) ((uint64_t)(lo) | (uint64_t)(hi) << 32)

static const struct msg_row rows[] = {
	{"command 0", 0, 0, .payload = {0}, REFUSED},
	{"command 14", 14, 0, .payload = {0}, REFUSED},
	{"command 99", 99, 8, .payload = {0}, REFUSED},
	{"command 65535", 65535, 8, .payload = {0}, REFUSED},
	{"a command of the other direction", VFUC_DMA_READ, 16, .payload = {MAPPED, 16}, REFUSED},
	{"a reply nobody asked for", VFUC_DMA_READ, 16, .payload = {MAPPED, 16},
	 .flags = VFUC_REPLY},
	{"type 7", VFUC_GET_INFO, 16, .payload = {W(16, 0)}, .flags = 7},
	{"flags nobody knows", VFUC_GET_INFO, 16, .payload = {W(16, 0)}, .flags = 0xffffff00},
	{"size 0", VFUC_GET_INFO, 16, .payload = {W(16, 0)}, REFUSED, .claim = UINT32_MAX},
	{"size 15", VFUC_GET_INFO, 16, .payload = {W(16, 0)}, REFUSED, .claim = 15},
	{"size 2^31", VFUC_REGION_WRITE, 16, .payload = {0}, REFUSED, .claim = 1u << 31},
	{"size beyond the largest transfer", VFUC_REGION_WRITE, 16, .payload = {0}, REFUSED,
	 .claim = 64u << 20},

	{"info of 15 bytes", VFUC_GET_INFO, 15, .payload = {W(16, 0)}, REFUSED},
	{"info without a payload", VFUC_GET_INFO, 0, .payload = {0}, REFUSED},
	{"info with argsz 0", VFUC_GET_INFO, 16, .payload = {0}},
	{"info with descriptors", VFUC_GET_INFO, 16, .payload = {W(16, 0)}, ANY, FD_EVENT, 8},
	{"info with more descriptors than may be", VFUC_GET_INFO, 16, .payload = {W(16, 0)}, ANY,
	 FD_EVENT, 60},
	{"region 9", VFUC_GET_REGION_INFO, 32, .payload = {W(32, 0), W(9, 0)}, REFUSED},
	{"region 2^32-1", VFUC_GET_REGION_INFO, 32, .payload = {W(32, 0), W(UINT32_MAX, 0)},
	 REFUSED},
	{"region info of 31 bytes", VFUC_GET_REGION_INFO, 31, .payload = {W(32, 0), 0}, REFUSED},
	{"region info with argsz 1", VFUC_GET_REGION_INFO, 32, .payload = {W(1, 0), 0}},
	{"region info with argsz 2^32-1", VFUC_GET_REGION_INFO, 32, .payload = {W(UINT32_MAX, 0),
	 0}, ACCEPTED},
	{"io fds of region 9", VFUC_GET_REGION_IO_FDS, 16, .payload = {W(1024, 0), W(9, 0)},
	 REFUSED},
	{"io fds of 15 bytes", VFUC_GET_REGION_IO_FDS, 15, .payload = {W(1024, 0), W(0, 0)},
	 REFUSED},
	{"io fds with argsz 0", VFUC_GET_REGION_IO_FDS, 16, .payload = {0}},
	{"irq 5", VFUC_GET_IRQ_INFO, 16, .payload = {W(16, 0), W(5, 0)}, REFUSED},
	{"irq 2^32-1", VFUC_GET_IRQ_INFO, 16, .payload = {W(16, 0), W(UINT32_MAX, 0)}, REFUSED},
	{"irq info of 15 bytes", VFUC_GET_IRQ_INFO, 15, .payload = {W(16, 0), 0}, REFUSED},

	{"read of 15 bytes", VFUC_REGION_READ, 15, .payload = {0}, REFUSED},
	{"read of region 9", VFUC_REGION_READ, 16, .payload = {0, W(9, 4)}, REFUSED},
	{"read of region 2^31", VFUC_REGION_READ, 16, .payload = {0, W(1u << 31, 4)}, REFUSED},
	{"read of the ROM there is not", VFUC_REGION_READ, 16, .payload = {0, W(6, 4)}, REFUSED},
	{"read beyond configuration space", VFUC_REGION_READ, 16, .payload = {4096, W(7, 4)},
	 REFUSED},
	{"read across its end", VFUC_REGION_READ, 16, .payload = {4094, W(7, 4)}, REFUSED},
	{"read at 2^64-1", VFUC_REGION_READ, 16, .payload = {UINT64_MAX, W(7, 4)}, REFUSED},
	{"read at 2^64-4 of 2^32-1", VFUC_REGION_READ, 16, .payload = {-4ull, W(7, UINT32_MAX)},
	 REFUSED},
	{"read of 2^32-1 bytes", VFUC_REGION_READ, 16, .payload = {0, W(7, UINT32_MAX)}, REFUSED},
	{"read of 0 bytes", VFUC_REGION_READ, 16, .payload = {0, W(7, 0)}},
	{"write of 15 bytes", VFUC_REGION_WRITE, 15, .payload = {0}, REFUSED},
	{"write of more than is there", VFUC_REGION_WRITE, 20, .payload = {0, W(7, 8), 0}, REFUSED},
	{"write of less than is there", VFUC_REGION_WRITE, 32, .payload = {0, W(7, 4), 0, 0}},
	{"write of 2^32-1 bytes", VFUC_REGION_WRITE, 24, .payload = {0, W(7, UINT32_MAX), 0},
	 REFUSED},
	{"write beyond configuration space", VFUC_REGION_WRITE, 20, .payload = {4096, W(7, 4), 0},
	 REFUSED},
	{"write at 2^64-2", VFUC_REGION_WRITE, 20, .payload = {-2ull, W(7, 4), 0}, REFUSED},
	{"write of region 9", VFUC_REGION_WRITE, 20, .payload = {0, W(9, 4), 0}, REFUSED},
	{"write of 0 bytes", VFUC_REGION_WRITE, 16, .payload = {0, W(7, 0)}},
	{"posted write nowhere", VFUC_REGION_WRITE, 20, .payload = {FAR, W(99, 4), 0},
	 .flags = VFUC_NO_REPLY},
	{"several writes, none", VFUC_REGION_WRITE_MULTI, 8, .payload = {0}},
	{"several writes, more than there are", VFUC_REGION_WRITE_MULTI, 32,
	 .payload = {2, 0, W(7, 4), 0}, REFUSED},
	{"several writes, 2^64-1", VFUC_REGION_WRITE_MULTI, 32, .payload = {UINT64_MAX, 0, W(7,
	 4), 0},
	 REFUSED},
	{"several writes, of 9 bytes", VFUC_REGION_WRITE_MULTI, 32, .payload = {1, 0, W(7, 9), 0},
	 REFUSED},

	{"map of 31 bytes", VFUC_DMA_MAP, 31, .payload = {W(32, RW), 0, FAR, 4096}, REFUSED},
	{"map with argsz 0", VFUC_DMA_MAP, 32, .payload = {W(0, RW), 0, FAR, 4096}, ANY, FD_MEM, 1},
	{"map of no bytes", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 0, FAR, 0}, REFUSED, FD_MEM,
	 1},
	{"map of half a page", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 0, FAR, 2048}, ANY,
	 FD_MEM, 1},
	{"map at an odd address", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 0, FAR + 1, 4096}, ANY,
	 FD_MEM, 1},
	{"map that wraps", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 0, -4096ull, 8192}, REFUSED,
	 FD_MEM, 1},
	{"map of 2^63 bytes", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 0, 0, 1ull << 63}, REFUSED,
	 FD_MEM, 1},
	{"map of 2^63 bytes without memory", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 0,
	 1ull << 62, 1ull << 63}},
	{"map of no right", VFUC_DMA_MAP, 32, .payload = {W(32, 0), 0, FAR, 4096}, ANY, FD_MEM, 1},
	{"map of rights nobody knows", VFUC_DMA_MAP, 32, .payload = {W(32, 0xff), 0, FAR, 4096},
	 ANY, FD_MEM, 1},
	{"map at an odd offset", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 1, FAR, 4096}, ANY,
	 FD_MEM, 1},
	{"map behind the file's end", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 1ull << 40, FAR,
	 4096}, REFUSED,
	 FD_MEM, 1},
	{"map across the file's end", VFUC_DMA_MAP, 32, .payload = {W(32, RW), MEM_BYTES - 4096,
	 FAR, 8192},
	 REFUSED, FD_MEM, 1},
	{"map at offset 2^64-4096", VFUC_DMA_MAP, 32, .payload = {W(32, RW), -4096ull, FAR, 8192},
	 REFUSED,
	 FD_MEM, 1},
	{"map of an empty file", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 0, FAR, 4096}, REFUSED,
	 FD_EMPTY_MEM, 1},
	{"map of a directory", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 0, FAR, 4096}, REFUSED,
	 FD_DIR, 1},
	{"map of /dev/null", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 0, FAR, 4096}, REFUSED,
	 FD_NULL, 1},
	{"map of a socket", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 0, FAR, 4096}, REFUSED,
	 FD_SOCKET, 1},
	{"map of an eventfd", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 0, FAR, 4096}, REFUSED,
	 FD_EVENT, 1},
	{"map to write of what is read-only", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 0, FAR,
	 4096}, REFUSED,
	 FD_READ_MEM, 1},
	{"map of two descriptors", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 0, FAR, 4096}, ANY,
	 FD_MEM, 2},
	{"map of eight descriptors", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 0, FAR, 4096}, ANY,
	 FD_MEM, 8},
	{"map over a mapping", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 0, MAPPED, 4096}, REFUSED,
	 FD_MEM, 1},
	{"map into a mapping", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 0, MAPPED + 8192, 4096},
	 REFUSED, FD_MEM,
	 1},
	{"map across a mapping's start", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 0,
	 MAPPED - 4096, 8192},
	 REFUSED, FD_MEM, 1},
	{"good map", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 0, FAR, MEM_BYTES}, ACCEPTED,
	 FD_MEM, 1},
	{"good map without memory", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 0, FAR, MEM_BYTES},
	 ACCEPTED},
	{"unmap of 23 bytes", VFUC_DMA_UNMAP, 23, .payload = {W(24, 0), MAPPED, 4096}, REFUSED},
	{"unmap of what is not mapped", VFUC_DMA_UNMAP, 24, .payload = {W(24, 0), FAR, 4096},
	 REFUSED},
	{"unmap of a part", VFUC_DMA_UNMAP, 24, .payload = {W(24, 0), MAPPED, 4096}, REFUSED},
	{"unmap of more", VFUC_DMA_UNMAP, 24, .payload = {W(24, 0), MAPPED, 1ull << 40}, REFUSED},
	{"unmap of no bytes", VFUC_DMA_UNMAP, 24, .payload = {W(24, 0), MAPPED, 0}, REFUSED},
	{"unmap that wraps", VFUC_DMA_UNMAP, 24, .payload = {W(24, 0), MAPPED, UINT64_MAX},
	 REFUSED},

	{"irqs of 19 bytes", VFUC_SET_IRQS, 19, .payload = {W(20, 0x21), W(2, 0), W(0, 0)},
	 REFUSED},
	{"irqs of index 5", VFUC_SET_IRQS, 20, .payload = {W(20, 0x21), W(5, 0), W(1, 0)}, REFUSED},
	{"irqs of index 2^32-1", VFUC_SET_IRQS, 20, .payload = {W(20, 0x21), W(UINT32_MAX, 0),
	 W(1, 0)}, REFUSED},
	{"irqs from 2^32-1", VFUC_SET_IRQS, 20, .payload = {W(20, 0x21), W(2, UINT32_MAX), W(2,
	 0)}, REFUSED},
	{"2^32-1 irqs", VFUC_SET_IRQS, 20, .payload = {W(20, 0x21), W(2, 1), W(UINT32_MAX, 0)},
	 REFUSED},
	{"irqs beyond the table", VFUC_SET_IRQS, 20, .payload = {W(20, 0x24), W(2, 4096), W(1,
	 0)}, REFUSED,
	 FD_EVENT, 1},
	{"four irqs, one eventfd", VFUC_SET_IRQS, 20, .payload = {W(20, 0x24), W(2, 0), W(4, 0)},
	 REFUSED,
	 FD_EVENT, 1},
	{"one irq, four eventfds", VFUC_SET_IRQS, 20, .payload = {W(20, 0x24), W(2, 0), W(1, 0)},
	 ANY, FD_EVENT,
	 4},
	{"irqs without data or action", VFUC_SET_IRQS, 20, .payload = {W(20, 0), W(2, 0), W(1,
	 0)}, REFUSED},
	{"irqs with every data", VFUC_SET_IRQS, 20, .payload = {W(20, 0x27), W(2, 0), W(1, 0)},
	 REFUSED},
	{"irqs with every action", VFUC_SET_IRQS, 20, .payload = {W(20, 0x39), W(2, 0), W(1, 0)},
	 REFUSED},
	{"irqs with flags nobody knows", VFUC_SET_IRQS, 20, .payload = {W(20, 0xffffff21), W(2,
	 0), W(1, 0)},
	 REFUSED},
	{"irqs by too few booleans", VFUC_SET_IRQS, 21, .payload = {W(21, 0x22), W(2, 0), W(4,
	 0)}, REFUSED},
	{"irq that is a directory", VFUC_SET_IRQS, 20, .payload = {W(20, 0x24), W(2, 1), W(1, 0)},
	 ANY, FD_DIR,
	 1},
	{"irq that is memory", VFUC_SET_IRQS, 20, .payload = {W(20, 0x24), W(2, 1), W(1, 0)}, ANY,
	 FD_MEM, 1},
	{"irq that is a socket", VFUC_SET_IRQS, 20, .payload = {W(20, 0x24), W(2, 1), W(1, 0)},
	 ANY, FD_SOCKET,
	 1},
	{"error irq", VFUC_SET_IRQS, 20, .payload = {W(20, 0x24), W(3, 0), W(1, 0)}, ACCEPTED,
	 FD_EVENT, 1},
	{"all irqs off", VFUC_SET_IRQS, 20, .payload = {W(20, 0x21), W(2, 0), W(0, 0)}, ACCEPTED},
	{"reset with a payload", VFUC_RESET, 16, .payload = {0}},
	{"reset with descriptors", VFUC_RESET, 0, .payload = {0}, ANY, FD_EVENT, 8},
	{"version again", VFUC_VERSION, 4, .payload = {0}},

	{"info first", VFUC_GET_INFO, 16, .payload = {W(16, 0)}, REFUSED, .when = FRESH},
	{"map first", VFUC_DMA_MAP, 32, .payload = {W(32, RW), 0, FAR, 4096}, REFUSED, FD_MEM, 1,
	 .when = FRESH},
	{"reset first", VFUC_RESET, 0, .payload = {0}, REFUSED, .when = FRESH},
	{"version of 3 bytes", VFUC_VERSION, 3, .payload = {0}, REFUSED, .when = FRESH},
	{"version 99.0", VFUC_VERSION, 4, .payload = {99}, REFUSED, .when = FRESH},
	{"version 0.99", VFUC_VERSION, 4, .payload = {W(99u << 16, 0)}, ACCEPTED, .when = FRESH},
	{"version without JSON", VFUC_VERSION, 4, .payload = {0}, ACCEPTED, .when = FRESH},
	{"version of 512 MiB", VFUC_VERSION, 4, .payload = {0}, REFUSED, .claim = 512u << 20,
	 .when = FRESH},
	{"version posted", VFUC_VERSION, 4, .payload = {0}, .flags = VFUC_NO_REPLY, .when = FRESH},
};

static int make_fd(enum fd_kind kind)
{
	int fd = -1, pair[2];
	char path[32];

	switch (kind) {
	case FD_NONE: return -1;
	case FD_EVENT: return eventfd(0, EFD_CLOEXEC);
	case FD_NULL: return open("/dev/null", O_RDWR | O_CLOEXEC);
	case FD_DIR: return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	case FD_EMPTY_MEM: return memfd_create("t", MFD_CLOEXEC);
	case FD_MEM:
	case FD_READ_MEM:
		fd = memfd_create("t", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		assert_return_code(ftruncate(fd, MEM_BYTES), errno);
		if (kind == FD_MEM)
			return fd;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		pair[0] = open(path, O_RDONLY | O_CLOEXEC);
		close(fd);
		return pair[0];
	case FD_SOCKET:
		assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), errno);
		close(pair[1]);
		return pair[0];
	}
	return fd;
}

/* Header and payload as the row has them; its descriptors are closed on our side. */
static void send_row(struct vufe_dev *dev, const struct msg_row *row)
{
	struct {
		struct vfuc_hdr hdr;
		uint8_t payload[sizeof(row->payload)];
	} m = {.hdr = {.id = ++dev->vfu.next_id, .cmd = row->cmd, .flags = row->flags}};
	unsigned i, nr = row->fd == FD_NONE ? 0 : row->nr_fds;
	int fds[VUFE_FDS_MAX] = {0};

	m.hdr.size = row->claim == UINT32_MAX ? 0 : row->claim ? row->claim :
		     (uint32_t)sizeof(m.hdr) + row->len;
	memcpy(m.payload, row->payload, sizeof(m.payload));
	for (i = 0; i < nr; i++)
		fds[i] = make_fd(row->fd);
	vufe_send_raw(dev->sock, &m, sizeof(m.hdr) + row->len, fds, nr);
	for (i = 0; i < nr; i++)
		close(fds[i]);
}

/* What the server made of it. A row that leaves the server waiting for more may get no answer. */
static enum verdict verdict_of(struct vufe_dev *dev, const struct msg_row *row)
{
	struct pollfd p = {.fd = dev->sock, .events = POLLIN};
	static uint8_t buf[8192];
	struct vfuc_hdr hdr;

	if (poll(&p, 1, row->verdict == ANY ? 20 : 5000) <= 0)
		return ANY;
	if (vfuc_recv(dev, &hdr, buf, sizeof(buf), NULL, NULL) || hdr.flags & VFUC_ERROR)
		return REFUSED;
	return ACCEPTED;
}

static void run_row(void **state)
{
	const struct msg_row *row = *state;
	static const char *const words[] = {"neither answered nor refused", "refused", "accepted"};
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;
	enum verdict got;

	if (row->when == FRESH)
		connect_good(&dev, &o);
	else
		open_good(&dev, &o);
	send_row(&dev, row);
	got = verdict_of(&dev, row);
	assert_alive();
	if (row->verdict != ANY && got != row->verdict)
		fail_msg("%s: was %s", row->name, words[got]);
	vufe_close(&dev);
	assert_serves();
}

/* JSON of the version message, with and without its NUL. */
static void test_version_json(void **state)
{
	static const char *const json[] = {
		"", "{", "}", "null", "7", "[]", "\"x\"", "{}", "{\"capabilities\":7}",
		"{\"capabilities\":{}}", "{\"capabilities\":{\"max_msg_fds\":-1}}",
		"{\"capabilities\":{\"max_msg_fds\":0}}",
		"{\"capabilities\":{\"max_msg_fds\":99999999999999999999}}",
		"{\"capabilities\":{\"max_msg_fds\":\"8\"}}",
		"{\"capabilities\":{\"max_data_xfer_size\":0}}",
		"{\"capabilities\":{\"max_data_xfer_size\":-5}}",
		"{\"capabilities\":{\"pgsizes\":3}}", "{\"capabilities\":{\"max_dma_maps\":0}}",
		"{\"capabilities\":{\"write_multiple\":7}}",
		"{\"capabilities\":{\"twin_socket\":{\"supported\":true}}}",
		"\xff\xfe\x00", "{\"capabilities\":{\"max_msg_fds\":1e308}}",
	};
	struct vufe_opts o = harness_opts();
	struct vfuc_version v;
	struct vufe_dev dev;
	size_t i;
	int nul;

	for (i = 0; i < 2 * sizeof(json) / sizeof(json[0]); i++) {
		nul = i % 2;
		connect_good(&dev, &o);
		v = (struct vfuc_version){0};
		strcpy(v.json, json[i / 2]);
		vfuc_send(&dev, VFUC_VERSION, 0, &v, 4 + strlen(v.json) + nul, NULL, 0);
		poll(&(struct pollfd){.fd = dev.sock, .events = POLLIN}, 1, 5000);
		vufe_close(&dev);
		assert_alive();
	}
	assert_serves();
}

/* As deep and as long as a message may be. */
static void test_version_large(void **state)
{
	struct vufe_opts o = harness_opts();
	static char big[1u << 20];
	struct vufe_dev dev;

	memset(big, '[', sizeof(big) - 1);
	memset(big, 0, 4);
	connect_good(&dev, &o);
	vfuc_send(&dev, VFUC_VERSION, 0, big, 60000, NULL, 0);
	poll(&(struct pollfd){.fd = dev.sock, .events = POLLIN}, 1, 5000);
	vufe_close(&dev);
	connect_good(&dev, &o);
	vfuc_send(&dev, VFUC_VERSION, 0, big, sizeof(big), NULL, 0);
	poll(&(struct pollfd){.fd = dev.sock, .events = POLLIN}, 1, 5000);
	vufe_close(&dev);
	assert_serves();
}

/* A message may come in any pieces, and any number of them at once. */
static void test_pieces(void **state)
{
	struct {
		struct vfuc_hdr hdr;
		struct vfuc_info info;
	} m[50];
	struct vufe_opts o = harness_opts();
	struct vfuc_info re;
	struct vfuc_hdr hdr;
	struct vufe_dev dev;
	unsigned i;

	connect_good(&dev, &o);
	assert_return_code(vfuc_version(&dev), 0);
	for (i = 0; i < 50; i++) {
		m[i].hdr = (struct vfuc_hdr){.id = (uint16_t)(1000 + i), .cmd = VFUC_GET_INFO,
					     .size = sizeof(m[0])};
		m[i].info = (struct vfuc_info){.argsz = sizeof(m[0].info)};
	}
	for (i = 0; i < sizeof(m[0]); i++)
		assert_return_code(vufe_send_raw(dev.sock, (uint8_t *)m + i, 1, NULL, 0), 0);
	assert_return_code(vfuc_recv(&dev, &hdr, &re, sizeof(re), NULL, NULL), 0);
	assert_int_equal(hdr.id, 1000);
	assert_return_code(vufe_send_raw(dev.sock, m, sizeof(m), NULL, 0), 0);
	for (i = 0; i < 50; i++) {
		assert_return_code(vfuc_recv(&dev, &hdr, &re, sizeof(re), NULL, NULL), 0);
		assert_int_equal(hdr.id, 1000 + i);
		assert_int_equal(hdr.flags, VFUC_REPLY);
	}
	vufe_close(&dev);
}

static void count_fds(unsigned *ret)
{
	int i;

	/* Those of the last host go when the server has noticed that it left. */
	*ret = harness_server_fds();
	for (i = 0; i < 100; i++) {
		unsigned n;

		usleep(20000);
		n = harness_server_fds();
		if (n == *ret && i > 2)
			return;
		*ret = n;
	}
}

/* None of all these descriptors may stay with the server. */
static void test_descriptors(void **state)
{
	struct vufe_opts o = harness_opts();
	unsigned before, after, i;
	struct vufe_dev dev;
	size_t k;

	if (!harness_pid())
		skip();
	assert_serves();
	count_fds(&before);
	for (k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		if (!rows[k].nr_fds || rows[k].when == FRESH)
			continue;
		open_good(&dev, &o);
		send_row(&dev, &rows[k]);
		vufe_close(&dev);
	}
	assert_serves();
	for (i = 0; i < 100; i++) {
		count_fds(&after);
		if (after <= before)
			return;
	}
	fail_msg("%u descriptors before, %u after", before, after);
}

/* While it is connected a host can make the server hold only so many. */
static void test_many_maps(void **state)
{
	struct vufe_opts o = harness_opts();
	int i, r = 0, fd = make_fd(FD_MEM);
	struct vufe_dev dev;

	open_good(&dev, &o);
	for (i = 0; !r && i < 70000; i++)
		r = vfuc_dma_map(&dev, FAR + i * 65536ull, 4096, i % 2 ? fd : -1, 0, RW);
	close(fd);
	if (i == 70000)
		fail_msg("no limit to the mappings");
	print_message("the %d. mapping is refused: %s\n", i, strerror(-r));
	assert_alive();
	if (vufe_alive(&dev))
		assert_pings(&dev, 1);
	vufe_close(&dev);
	assert_serves();
}

int main(void)
{
	const struct CMUnitTest more[] = {
		cmocka_unit_test(test_version_json),
		cmocka_unit_test(test_version_large),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_many_maps),
	};
	int r;

	harness_need_server();
	r = RUN_ROWS("vfio-user messages", rows, run_row);
	r += cmocka_run_group_tests_name("vfio-user framing", more, harness_setup,
					 harness_teardown);
	return r;
}
