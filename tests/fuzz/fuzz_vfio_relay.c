/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hostile driver behind a client whose memory is reached by message. The first half of the input
 * is mixed into the driver's rings and tables; then come steps of two bytes: what happens, and a
 * value. The device is the fuzzer, too: it completes what the relay shows to it. Checked besides the
 * sanitizers: the engine never spins, a request of the relay lies in the memory it was given, and
 * every descriptor is closed at the end.
 */
#include <fcntl.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "fake_func.h"
#include "fake_vdev.h"
#include "transport/vfio_user/vfio_user.h"
#include "transport/vfio_user/vfu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY 0x8000u
#define RING 16
#define DESC 0x0u
#define AVAIL 0x1000u
#define USED 0x2000u
#define TABLE 0x3000u
#define MAX_STEPS 400

struct fuzz {
	struct doca_pe pe;
	struct doca_devemu_virtio_dev dev;
	struct doca_devemu_pci_dev pci;
	struct vfu_port *port;
	int sock, kick_fd, call_fd;
	uint8_t memory[MEMORY];
	bool asked; /* the latest request of the relay waits for an answer: */
	struct vfu_hdr hdr;
	struct vfu_dma_access access;
	uint8_t buf[sizeof(struct vfu_hdr) + sizeof(struct vfu_dma_access) + MEMORY];
	size_t got;
};

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/* ---- the client ---- */

static void post(struct fuzz *f, uint16_t id, uint16_t cmd, uint32_t flags, const void *payload,
		 size_t len)
{
	struct vfu_hdr hdr = {.id = id, .cmd = cmd, .size = (uint32_t)(sizeof(hdr) + len),
			      .flags = flags};

	send(f->sock, &hdr, sizeof(hdr), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (len)
		send(f->sock, payload, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* One message of the server, if all of it is there; replies are dropped. */
static bool take_message(struct fuzz *f)
{
	if (f->got < sizeof(f->hdr))
		return false;
	memcpy(&f->hdr, f->buf, sizeof(f->hdr));
	check(f->hdr.size >= sizeof(f->hdr) && f->hdr.size <= sizeof(f->buf), "size of a message");
	if (f->got < f->hdr.size)
		return false;
	if ((f->hdr.flags & VFU_F_TYPE) == VFU_F_COMMAND) {
		memcpy(&f->access, f->buf + sizeof(f->hdr), sizeof(f->access));
		check(f->access.count && f->access.address < MEMORY &&
		      f->access.count <= MEMORY - f->access.address, "beyond memory");
		if (f->hdr.cmd == VFU_DMA_WRITE)
			memcpy(f->memory + f->access.address,
			       f->buf + sizeof(f->hdr) + sizeof(f->access), f->access.count);
		f->asked = true;
	}
	f->got -= f->hdr.size;
	memmove(f->buf, f->buf + f->hdr.size, f->got);
	return true;
}

static void run(struct fuzz *f)
{
	ssize_t n;

	check(fake_pe_run(&f->pe), "the engine spins");
	while ((n = recv(f->sock, f->buf + f->got, sizeof(f->buf) - f->got, MSG_DONTWAIT)) > 0) {
		f->got += (size_t)n;
		while (take_message(f))
			;
		check(fake_pe_run(&f->pe), "the engine spins");
	}
}

enum answer { ANSWER_RIGHT, ANSWER_ERROR, ANSWER_SHORT, ANSWER_OTHER };

static void answer(struct fuzz *f, enum answer how)
{
	uint8_t reply[sizeof(f->access) + MEMORY];
	size_t len = sizeof(f->access);

	if (!f->asked)
		return;
	memcpy(reply, &f->access, len);
	if (f->hdr.cmd == VFU_DMA_READ) {
		memcpy(reply + len, f->memory + f->access.address, f->access.count);
		len += f->access.count;
	}
	f->asked = how == ANSWER_OTHER;
	post(f, (uint16_t)(f->hdr.id + (how == ANSWER_OTHER)), f->hdr.cmd,
	     VFU_F_REPLY | (how == ANSWER_ERROR ? VFU_F_ERROR : 0), reply,
	     how == ANSWER_ERROR ? 0 : len - (how == ANSWER_SHORT));
	run(f);
}

static void map(struct fuzz *f, uint64_t address, uint64_t size)
{
	const struct vfu_dma_map w = {sizeof(w), 3, 0, address, size};

	post(f, 1, VFU_DMA_MAP, 0, &w, sizeof(w));
	run(f);
}

static void unmap(struct fuzz *f, uint64_t address, uint64_t size)
{
	const struct vfu_dma_unmap w = {sizeof(w), 0, address, size};

	post(f, 1, VFU_DMA_UNMAP, 0, &w, sizeof(w));
	run(f);
}

/* ---- the device ---- */

static void close_device_fds(struct fuzz *f)
{
	if (f->kick_fd >= 0)
		close(f->kick_fd);
	if (f->call_fd >= 0)
		close(f->call_fd);
	f->kick_fd = f->call_fd = -1;
}

static void start_queue(struct fuzz *f)
{
	const struct pci_func_queue q = {RING, DESC, AVAIL, USED};

	close_device_fds(f);
	if (!fake_func->relay)
		return;
	fake_func->queue_runs =
		!fake_func->relay->start(f->port, 0, &q, &f->kick_fd, &f->call_fd);
	vfu_session_go_on(&f->port->session);
	run(f);
}

/* Gives back the latest entry it was shown, or one it never was. */
static void complete(struct fuzz *f, uint8_t value)
{
	static const uint64_t one = 1;
	struct vring_avail *a = fake_func->gm ? gm_translate_gpa(fake_func->gm, AVAIL, 40) : NULL;
	struct vring_used *u = fake_func->gm ? gm_translate_gpa(fake_func->gm, USED, 140) : NULL;

	if (!a || !u || f->call_fd < 0)
		return;
	u->ring[u->idx % RING].id = a->ring[u->idx % RING];
	u->ring[u->idx % RING].len = (uint32_t)value << (value & 7);
	u->idx++;
	check(write(f->call_fd, &one, sizeof(one)) == sizeof(one), "interrupt");
	run(f);
}

/* ---- a run ---- */

static void fuzz_connect(struct fuzz *f)
{
	static const char version[] = "\0\0\0\0{\"capabilities\":{\"max_data_xfer_size\":700}}";
	int pair[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0,
	      "socketpair");
	f->sock = pair[0];
	f->got = 0;
	f->asked = false;
	check(vfu_session_start(&f->port->session, pair[1]) == 0, "session");
	post(f, 0, VFU_VERSION, 0, version, sizeof(version));
	map(f, 0, MEMORY / 2);
	map(f, MEMORY / 2, MEMORY / 2);
	start_queue(f);
}

static void hang_up(struct fuzz *f)
{
	close(f->sock);
	close_device_fds(f);
	check(fake_pe_run(&f->pe), "the engine spins");
	check(f->port->session.state == VFU_FREE, "the session did not end");
	fake_func->queue_runs = false;
}

static void kick(struct fuzz *f, uint8_t entries)
{
	static const uint64_t one = 1;
	struct vring_avail *a = (struct vring_avail *)(f->memory + AVAIL);

	a->idx += entries;
	check(write(fake_func->doorbell[0], &one, sizeof(one)) == sizeof(one), "doorbell");
	run(f);
}

static void step(struct fuzz *f, uint8_t what, uint8_t value)
{
	switch (what % 16) {
	case 0:
		kick(f, value);
		break;
	case 1:
		complete(f, value);
		break;
	case 2:
		f->memory[TABLE + value] = what;
		break;
	case 3:
		f->memory[DESC + value] = what;
		break;
	case 4:
		answer(f, value % 4);
		break;
	case 5:
		unmap(f, value & 1 ? MEMORY / 2 : 0, MEMORY / 2);
		break;
	case 6:
		map(f, value & 1 ? MEMORY / 2 : 0, MEMORY / 2);
		break;
	case 7:
		start_queue(f);
		break;
	case 8:
		fake_func->queue_runs = value & 1;
		vfu_session_go_on(&f->port->session);
		run(f);
		break;
	case 9:
		hang_up(f);
		fuzz_connect(f);
		break;
	case 10:
		f->port->session.relay.touched += (uint64_t)value << 24;
		break;
	default:
		kick(f, value & 3);
		for (int i = 0; i < 64; i++)
			answer(f, ANSWER_RIGHT);
		break;
	}
}

static void set_desc(struct fuzz *f, size_t at, uint64_t addr, uint32_t len, uint16_t flags,
		     uint16_t next)
{
	const struct vring_desc d = {addr, len, flags, next};

	memcpy(f->memory + at, &d, sizeof(d));
}

/* A chain of two in the ring and one in a table; half of the input is mixed in. */
static size_t fill(struct fuzz *f, const uint8_t *data, size_t size)
{
	static const uint16_t parts[] = {DESC, AVAIL + 4, TABLE, DESC + 32};
	size_t used = 0;

	set_desc(f, DESC, 0x4000, 900, VRING_DESC_F_NEXT, 1);
	set_desc(f, DESC + 16, 0x5000, 600, VRING_DESC_F_WRITE, 0);
	set_desc(f, DESC + 32, TABLE, 32, VRING_DESC_F_INDIRECT, 0);
	set_desc(f, TABLE, 0x3ff0, 40, VRING_DESC_F_NEXT, 1);
	set_desc(f, TABLE + 16, 0x6000, 40, VRING_DESC_F_WRITE, 0);
	memcpy(f->memory + AVAIL + 4, "\0\0\2\0\0\0\2", 8);
	for (; used < size / 2; used++)
		f->memory[parts[used / 16 % ARRAY_SIZE(parts)] + used % 16] ^= data[used];
	return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz f;
	struct function fn = {0};
	int probe = dup(0), after;
	size_t at;
	void *port;

	memset(&f, 0, sizeof(f));
	close(probe);
	f.kick_fd = f.call_fd = -1;
	f.pci.virtio = &f.dev;
	snprintf(fn.socket_path, sizeof(fn.socket_path), "/tmp/fuzz-vfio-%d", (int)getpid());
	check(!vfio_user_transport.open(&f.pci, &fn, &f.pe, &port), "open");
	f.port = port;
	at = fill(&f, data, size);
	fuzz_connect(&f);
	check(fake_func->queue_runs && f.asked, "a regular set-up does not work");
	for (int i = 0; i < MAX_STEPS && at + 2 <= size; i++, at += 2) {
		if (f.port->session.state == VFU_FREE) {
			close(f.sock);
			close_device_fds(&f);
			fuzz_connect(&f);
		}
		step(&f, data[at], data[at + 1]);
	}
	hang_up(&f);
	vfio_user_transport.close(port);
	after = dup(0);
	close(after);
	check(after == probe, "a descriptor leaked");
	return 0;
}
