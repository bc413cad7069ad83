/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hostile front end against the message layer, with a device that only records. The first byte
 * says how much of a regular set-up to send before. Then come records of
 *   request u8, flags u8, descriptor kind u8, payload length u8, payload
 * where flags bit 0 sends a wrong version, bit 1 asks for a reply, bit 2 lies about the length,
 * bit 3 lets the device finish ops late, bit 4 finishes one, bit 5 sends byte by byte, bit 6 hangs
 * up. Checked besides the sanitizers: the engine never spins, and every descriptor is closed at
 * the end.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "fake_vdev.h"
#include "transport/vhost_user/vhost_user.h"
#include "transport/vhost_user/vhu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_RECORDS 64
#define MEMORY_SIZE 0x100000u
#define INFLIGHT_SIZE 0x10000u

enum fd_kind {
	FD_NONE,
	FD_MEMORY,
	FD_EVENT,
	FD_SOCKET,
	FD_INFLIGHT,
	FD_TWO,
	FD_NR_KINDS
};

struct fuzz {
	struct doca_pe pe;
	struct doca_devemu_virtio_dev dev;
	struct doca_devemu_pci_dev pci;
	struct vhu_port *port;
	int sock, memory, event, inflight;
	int channel[2]; /* given away as interrupt or request channel */
};

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static int sealed_memfd(off_t size, int seals)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	check(fd >= 0 && ftruncate(fd, size) == 0, "memfd");
	fcntl(fd, F_ADD_SEALS, seals);
	return fd;
}

static void fuzz_connect(struct fuzz *f)
{
	int pair[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0,
	      "socketpair");
	f->sock = pair[0];
	check(vhu_session_start(&f->port->session, pair[1]) == 0, "session");
}

static void drain(struct fuzz *f)
{
	char control[CMSG_SPACE(sizeof(int))], buf[512];
	int fd;

	for (;;) {
		struct iovec iov = {buf, sizeof(buf)};
		struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				    .msg_controllen = sizeof(control)};

		if (recvmsg(f->sock, &mh, MSG_DONTWAIT) <= 0)
			return;
		if (!CMSG_FIRSTHDR(&mh))
			continue;
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&mh)), sizeof(fd));
		close(fd);
	}
}

static unsigned int pick_fds(struct fuzz *f, uint8_t kind, int fds[2])
{
	const int by_kind[FD_NR_KINDS] = {-1, f->memory, f->event, f->channel[0],
					   f->inflight, f->memory};

	fds[0] = by_kind[kind % FD_NR_KINDS];
	fds[1] = f->event;
	return kind % FD_NR_KINDS == FD_NONE ? 0 : kind % FD_NR_KINDS == FD_TWO ? 2 : 1;
}

static void send_part(struct fuzz *f, const void *buf, size_t len, const int *fds, unsigned int nr)
{
	char control[CMSG_SPACE(sizeof(int) * 2)];
	struct iovec iov = {(void *)buf, len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (nr) {
		mh.msg_control = control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nr);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nr);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nr);
	}
	sendmsg(f->sock, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void run(struct fuzz *f)
{
	check(fake_pe_run(&f->pe), "the engine spins");
	drain(f);
}

static void send_record(struct fuzz *f, const uint8_t *rec, size_t len)
{
	uint8_t flags = rec[1], msg[sizeof(struct vhu_hdr) + 256];
	struct vhu_hdr hdr = {rec[0] % 48, flags & 0x01 ? flags : VHU_VERSION, (uint32_t)len};
	size_t total = sizeof(hdr) + len;
	unsigned int nr;
	int fds[2];

	if (flags & 0x02)
		hdr.flags |= VHU_NEED_REPLY;
	if (flags & 0x04)
		hdr.size += rec[3];
	memcpy(msg, &hdr, sizeof(hdr));
	memcpy(msg + sizeof(hdr), rec + 4, len);
	nr = pick_fds(f, rec[2], fds);
	if (!(flags & 0x20)) {
		send_part(f, msg, total, fds, nr);
		return;
	}
	for (size_t i = 0; i < total; i++) {
		send_part(f, msg + i, 1, fds, i ? 0 : nr);
		run(f);
	}
}

static void send_valid(struct fuzz *f, uint32_t request, const void *payload, uint32_t len, int fd)
{
	struct vhu_hdr hdr = {request, VHU_VERSION, len};
	uint8_t msg[sizeof(hdr) + sizeof(union vhu_payload)];

	memcpy(msg, &hdr, sizeof(hdr));
	memcpy(msg + sizeof(hdr), payload, len);
	send_part(f, msg, sizeof(hdr) + len, &fd, fd >= 0);
	run(f);
}

/* Memory at address 0, then two queues: bit 0 to 2 of how say how far. */
static void warm_up(struct fuzz *f, uint8_t how)
{
	const struct vhu_mem_slot slot = {.region = {0, MEMORY_SIZE, 0, 0}};
	const struct vhu_inflight inflight = {INFLIGHT_SIZE, 0, FAKE_QUEUES, 64, 0};

	if (how & 1)
		send_valid(f, VHU_ADD_MEM_REG, &slot, sizeof(slot), f->memory);
	if (how & 2)
		send_valid(f, VHU_SET_INFLIGHT_FD, &inflight, sizeof(inflight), f->inflight);
	for (uint32_t q = 0; q < 2 && (how & 4); q++) {
		const struct vhu_vring_state num = {q, 64};
		const struct vhu_vring_addr addr = {q, 0, 0x1000, 0x3000, 0x2000, 0};
		const uint64_t kick = q;

		send_valid(f, VHU_SET_VRING_NUM, &num, sizeof(num), -1);
		send_valid(f, VHU_SET_VRING_ADDR, &addr, sizeof(addr), -1);
		send_valid(f, VHU_SET_VRING_KICK, &kick, sizeof(kick), f->event);
	}
	check((how & 7) != 7 || f->dev.queue[1].starts == 1, "a regular set-up does not work");
}

static void hang_up(struct fuzz *f)
{
	close(f->sock);
	f->sock = -1;
	f->dev.defer = false;
	fake_vdev_complete(&f->dev);
	check(fake_pe_run(&f->pe), "the engine spins");
	check(f->port->session.state == VHU_FREE, "the session did not end");
}

static void run_records(struct fuzz *f, const uint8_t *data, size_t size)
{
	for (int i = 0; i < MAX_RECORDS && size >= 4; i++) {
		size_t len = min((size_t)data[3], size - 4);

		if (f->port->session.state == VHU_FREE) {
			close(f->sock);
			fuzz_connect(f);
		}
		f->dev.defer = data[1] & 0x08;
		send_record(f, data, len);
		run(f);
		if (data[1] & 0x10) {
			fake_vdev_complete(&f->dev);
			run(f);
		}
		if (data[1] & 0x40) {
			hang_up(f);
			fuzz_connect(f);
		}
		data += 4 + len;
		size -= 4 + len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz f;
	int probe = dup(0), after;

	memset(&f, 0, sizeof(f));
	close(probe);
	fake_vdev_init(&f.dev);
	f.pci.virtio = &f.dev;
	f.memory = sealed_memfd(MEMORY_SIZE, 0);
	f.inflight = sealed_memfd(INFLIGHT_SIZE, F_SEAL_SHRINK);
	f.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	check(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f.channel), "socketpair");
	f.port = vhu_port_new(&f.pci, &f.pe, "fuzz");
	check(f.port, "memory");
	fuzz_connect(&f);
	if (size) {
		warm_up(&f, data[0]);
		run_records(&f, data + 1, size - 1);
	}
	hang_up(&f);
	fake_vdev_fini(&f.dev);
	vhost_user_transport.close(f.port);
	close(f.memory);
	close(f.inflight);
	close(f.event);
	close(f.channel[0]);
	close(f.channel[1]);
	after = dup(0);
	close(after);
	check(after == probe, "a descriptor leaked");
	return 0;
}
