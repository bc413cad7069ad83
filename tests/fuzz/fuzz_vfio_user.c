/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hostile client against the message layer, with a function that only records. The first byte
 * says how much of a regular set-up to send before. Then come records of
 *   command u8, flags u8, descriptor kind u8, payload length u8, payload
 * where flags bit 0 lets the payload overwrite the header, bit 1 asks for silence, bit 2 lies
 * about the length, bit 3 lets the function settle late, bit 4 settles it, bit 5 sends byte by
 * byte, bit 6 hangs up, bit 7 sends a reply. Checked besides the sanitizers: the engine never
 * spins, and every descriptor is closed at the end.
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
#include "fake_func.h"
#include "fake_vdev.h"
#include "transport/vfio_user/vfio_user.h"
#include "transport/vfio_user/vfu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_RECORDS 64
#define MEMORY_SIZE 0x100000u

enum fd_kind {
	FD_NONE,
	FD_MEMORY,
	FD_EVENT,
	FD_TWO,
	FD_NR_KINDS
};

struct fuzz {
	struct doca_pe pe;
	struct doca_devemu_virtio_dev dev;
	struct doca_devemu_pci_dev pci;
	struct vfu_port *port;
	int sock, memory, event;
};

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void fuzz_connect(struct fuzz *f)
{
	int pair[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0,
	      "socketpair");
	f->sock = pair[0];
	check(vfu_session_start(&f->port->session, pair[1]) == 0, "session");
}

static void close_fds(struct msghdr *mh)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(mh);
	size_t cnt = c ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
	int fd;

	for (size_t i = 0; i < cnt; i++) {
		memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
		close(fd);
	}
}

static void drain(struct fuzz *f)
{
	char control[CMSG_SPACE(sizeof(int) * VFU_FDS_MAX)], buf[4096];

	for (;;) {
		struct iovec iov = {buf, sizeof(buf)};
		struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				    .msg_controllen = sizeof(control)};

		if (recvmsg(f->sock, &mh, MSG_DONTWAIT) <= 0)
			return;
		close_fds(&mh);
	}
}

static void run(struct fuzz *f)
{
	check(fake_pe_run(&f->pe), "the engine spins");
	drain(f);
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

static void send_record(struct fuzz *f, const uint8_t *rec, size_t len)
{
	const int by_kind[FD_NR_KINDS] = {-1, f->memory, f->event, f->memory};
	uint8_t flags = rec[1], kind = rec[2] % FD_NR_KINDS;
	uint8_t msg[sizeof(struct vfu_hdr) + 256];
	struct vfu_hdr hdr = {.id = rec[3], .cmd = rec[0] % 20};
	const int fds[2] = {by_kind[kind], f->event};
	unsigned int nr = kind == FD_NONE ? 0 : kind == FD_TWO ? 2 : 1;
	size_t total = sizeof(hdr) + len;

	hdr.size = (uint32_t)total + (flags & 0x04 ? rec[3] : 0);
	hdr.flags = (flags & 0x02 ? VFU_F_NO_REPLY : 0) | (flags & 0x80 ? VFU_F_REPLY : 0);
	memcpy(msg, &hdr, sizeof(hdr));
	memcpy(msg + sizeof(hdr), rec + 4, len);
	if (flags & 0x01)
		memcpy(msg, rec + 4, min(len, sizeof(hdr)));
	if (!(flags & 0x20)) {
		send_part(f, msg, total, fds, nr);
		return;
	}
	for (size_t i = 0; i < total; i++) {
		send_part(f, msg + i, 1, fds, i ? 0 : nr);
		run(f);
	}
}

static void send_valid(struct fuzz *f, uint16_t cmd, const void *payload, size_t len, int fd)
{
	struct vfu_hdr hdr = {.cmd = cmd, .size = (uint32_t)(sizeof(hdr) + len)};
	uint8_t msg[sizeof(hdr) + 256];

	memcpy(msg, &hdr, sizeof(hdr));
	memcpy(msg + sizeof(hdr), payload, len);
	send_part(f, msg, sizeof(hdr) + len, &fd, fd >= 0);
	run(f);
}

/* Version, memory at address 0, an interrupt: bit 0 to 2 of how say how far. */
static void warm_up(struct fuzz *f, uint8_t how)
{
	static const char version[] = "\0\0\0\0{\"capabilities\":{\"max_msg_fds\":8,"
				      "\"write_multiple\":true}}";
	const struct vfu_dma_map map = {sizeof(map), 3, 0, 0, MEMORY_SIZE};
	const struct vfu_irq_set irq = {sizeof(irq), 0x24, PCI_FUNC_IRQ_MSIX, 0, 1};

	if (how & 1)
		send_valid(f, VFU_VERSION, version, sizeof(version), -1);
	if (how & 2)
		send_valid(f, VFU_DMA_MAP, &map, sizeof(map), f->memory);
	if (how & 4)
		send_valid(f, VFU_DEVICE_SET_IRQS, &irq, sizeof(irq), f->event);
	check((how & 7) != 7 || (fake_func->gm && fake_func->irq[PCI_FUNC_IRQ_MSIX][0] >= 0),
	      "a regular set-up does not work");
}

static void settle(struct fuzz *f)
{
	if (fake_func->unsettled)
		fake_func_settle();
	run(f);
}

static void hang_up(struct fuzz *f)
{
	close(f->sock);
	f->sock = -1;
	fake_func->defer = false;
	for (int i = 0; i < 3; i++) {
		if (fake_func->unsettled)
			fake_func_settle();
		check(fake_pe_run(&f->pe), "the engine spins");
	}
	check(f->port->session.state == VFU_FREE, "the session did not end");
}

static void run_records(struct fuzz *f, const uint8_t *data, size_t size)
{
	for (int i = 0; i < MAX_RECORDS && size >= 4; i++) {
		size_t len = min((size_t)data[3], size - 4);

		if (f->port->session.state == VFU_FREE) {
			close(f->sock);
			fuzz_connect(f);
		}
		fake_func->defer = data[1] & 0x08;
		send_record(f, data, len);
		run(f);
		if (data[1] & 0x10)
			settle(f);
		if (data[1] & 0x40) {
			hang_up(f);
			fuzz_connect(f);
		}
		data += 4 + len;
		size -= 4 + len;
	}
}

/* What a listener does; here connections come from a socket pair. */
static struct vfu_port *fuzz_open(struct fuzz *f)
{
	struct function fn = {0};
	void *port;

	snprintf(fn.socket_path, sizeof(fn.socket_path), "/tmp/fuzz-vfio-%d", (int)getpid());
	check(!vfio_user_transport.open(&f->pci, &fn, &f->pe, &port), "open");
	return port;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz f;
	int probe = dup(0), after;

	memset(&f, 0, sizeof(f));
	close(probe);
	f.pci.virtio = &f.dev;
	f.memory = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	check(f.memory >= 0 && !ftruncate(f.memory, MEMORY_SIZE), "memfd");
	f.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f.port = fuzz_open(&f);
	fuzz_connect(&f);
	if (size) {
		warm_up(&f, data[0]);
		run_records(&f, data + 1, size - 1);
	}
	hang_up(&f);
	vfio_user_transport.close(f.port);
	close(f.memory);
	close(f.event);
	after = dup(0);
	close(after);
	check(after == probe, "a descriptor leaked");
	return 0;
}
