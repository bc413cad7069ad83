/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost_fe.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int cnt = 0;

	while (d && readdir(d))
		cnt++;
	if (d)
		closedir(d);
	return cnt;
}

/* ---- a front end ---- */

int fe_dial(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

void fe_connect(struct fe *e)
{
	e->sock = fe_dial(e->fn.socket_path);
	assert_true(e->sock >= 0);
	assert_true(fake_pe_run(&e->pe));
}

void fe_bytes(struct fe *e, const void *buf, size_t len, const int *fds, unsigned int nr)
{
	char control[CMSG_SPACE(sizeof(int) * 64)];
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
	assert_int_equal(sendmsg(e->sock, &mh, MSG_NOSIGNAL), (ssize_t)len);
}

void fe_post(struct fe *e, uint32_t req, uint32_t flags, const void *payload, size_t len,
		    const int *fds, unsigned int nr)
{
	uint8_t buf[2048];
	struct vufe_hdr hdr = {req, VUFE_VERSION | flags, (uint32_t)len};

	memcpy(buf, &hdr, sizeof(hdr));
	memcpy(buf + sizeof(hdr), payload, len);
	fe_bytes(e, buf, sizeof(hdr) + len, fds, nr);
}

/* Reads len bytes if they are there; the number of bytes, 0: nothing, -1: closed. */
static ssize_t fe_read(struct fe *e, void *buf, size_t len, int *ret_fd)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {buf, len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(e->sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	if (!n)
		return -1;
	if (ret_fd && CMSG_FIRSTHDR(&mh))
		memcpy(ret_fd, CMSG_DATA(CMSG_FIRSTHDR(&mh)), sizeof(int));
	return n;
}

bool fe_closed(struct fe *e)
{
	char c;

	assert_true(fake_pe_run(&e->pe));
	return fe_read(e, &c, 1, NULL) < 0;
}

bool fe_silent(struct fe *e)
{
	char c;

	assert_true(fake_pe_run(&e->pe));
	return fe_read(e, &c, 1, NULL) == 0;
}

/* The reply to req: exactly len bytes of payload. */
void fe_reply(struct fe *e, uint32_t req, void *payload, size_t len, int *ret_fd)
{
	struct vufe_hdr hdr;

	assert_true(fake_pe_run(&e->pe));
	assert_int_equal(fe_read(e, &hdr, sizeof(hdr), ret_fd), sizeof(hdr));
	assert_int_equal(hdr.req, req);
	assert_int_equal(hdr.flags, VUFE_VERSION | VUFE_REPLY);
	assert_int_equal(hdr.size, len);
	if (len)
		assert_int_equal(fe_read(e, payload, len, NULL), len);
}

/* Sends with NEED_REPLY and returns the acknowledgement. */
uint64_t fe_do(struct fe *e, uint32_t req, const void *payload, size_t len, const int *fds,
		      unsigned int nr)
{
	uint64_t ack = UINT64_MAX;

	fe_post(e, req, VUFE_NEED_REPLY, payload, len, fds, nr);
	fe_reply(e, req, &ack, sizeof(ack), NULL);
	return ack;
}

uint64_t fe_u64(struct fe *e, uint32_t req, uint64_t v, int fd)
{
	return fe_do(e, req, &v, sizeof(v), &fd, fd >= 0);
}

uint64_t fe_state(struct fe *e, uint32_t req, uint32_t index, uint32_t num)
{
	struct vufe_vring_state st = {index, num};

	return fe_do(e, req, &st, sizeof(st), NULL, 0);
}

uint64_t fe_ask(struct fe *e, uint32_t req)
{
	uint64_t v = 0;

	fe_post(e, req, 0, "", 0, NULL, 0);
	fe_reply(e, req, &v, sizeof(v), NULL);
	return v;
}

uint32_t fe_get_base(struct fe *e, uint32_t q)
{
	struct vufe_vring_state st = {q, 0};

	fe_post(e, VUFE_GET_VRING_BASE, 0, &st, sizeof(st), NULL, 0);
	fe_reply(e, VUFE_GET_VRING_BASE, &st, sizeof(st), NULL);
	assert_int_equal(st.index, q);
	return st.num;
}

struct vufe_mem_slot fe_slot(uint64_t gpa, uint64_t size, uint64_t off)
{
	return (struct vufe_mem_slot){.region = {gpa, size, MEM_UVA + gpa, off}};
}

uint64_t fe_add(struct fe *e, uint64_t gpa, uint64_t size, uint64_t off, int fd)
{
	struct vufe_mem_slot slot = fe_slot(gpa, size, off);

	return fe_do(e, VUFE_ADD_MEM_REG, &slot, sizeof(slot), &fd, fd >= 0);
}

uint64_t fe_remove(struct fe *e, uint64_t gpa, uint64_t size)
{
	struct vufe_mem_slot slot = fe_slot(gpa, size, 0);

	return fe_do(e, VUFE_REM_MEM_REG, &slot, sizeof(slot), NULL, 0);
}

struct vufe_vring_addr fe_addr_of(uint32_t q, uint64_t gpa)
{
	return (struct vufe_vring_addr){.index = q, .desc = MEM_UVA + gpa,
					.avail = MEM_UVA + gpa + 0x1000,
					.used = MEM_UVA + gpa + 0x2000,
					.log = UINT64_MAX};
}

uint64_t fe_addr(struct fe *e, uint32_t q, uint64_t gpa)
{
	struct vufe_vring_addr a = fe_addr_of(q, gpa);

	return fe_do(e, VUFE_SET_VRING_ADDR, &a, sizeof(a), NULL, 0);
}

uint64_t fe_fd(struct fe *e, uint32_t req, uint32_t q)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	uint64_t ack = fe_u64(e, req, q, fd);

	close(fd);
	return ack;
}

void fe_negotiate(struct fe *e)
{
	assert_int_equal(fe_ask(e, VUFE_GET_FEATURES),
			 VUFE_F_VERSION_1 | VUFE_F_EVENT_IDX | VUFE_F_INDIRECT | VUFE_F_PROTOCOL);
	assert_int_equal(fe_ask(e, VUFE_GET_PROTOCOL_FEATURES), ALL_PROTO);
	assert_int_equal(fe_u64(e, VUFE_SET_PROTOCOL_FEATURES, ALL_PROTO, -1), 0);
	assert_int_equal(fe_do(e, VUFE_SET_OWNER, "", 0, NULL, 0), 0);
	assert_int_equal(fe_u64(e, VUFE_SET_FEATURES, VUFE_F_VERSION_1 | VUFE_F_PROTOCOL, -1), 0);
	assert_int_equal(e->dev.driver_features, VUFE_F_VERSION_1);
}

/* Everything of queue q but ENABLE, in the order of QEMU. */
void fe_setup_queue(struct fe *e, uint32_t q, uint64_t gpa)
{
	assert_int_equal(fe_state(e, VUFE_SET_VRING_NUM, q, 128), 0);
	assert_int_equal(fe_state(e, VUFE_SET_VRING_BASE, q, 7), 0);
	assert_int_equal(fe_addr(e, q, gpa), 0);
	assert_int_equal(fe_fd(e, VUFE_SET_VRING_KICK, q), 0);
	assert_int_equal(fe_fd(e, VUFE_SET_VRING_CALL, q), 0);
}

void fe_start(struct fe *e)
{
	fe_connect(e);
	fe_negotiate(e);
	assert_int_equal(fe_add(e, 0, MEM_SIZE, 0, e->mem_fd), 0);
	fe_setup_queue(e, 1, 0x10000);
	assert_false(e->dev.queue[1].started);
	assert_int_equal(fe_state(e, VUFE_SET_VRING_ENABLE, 1, 1), 0);
	assert_true(e->dev.queue[1].started);
}

uint8_t *fe_host(struct fe *e, uint64_t gpa)
{
	return gm_translate_uva(e->dev.gm, MEM_UVA + gpa, 1);
}

/* ---- environment ---- */

int fe_setup(void **state)
{
	struct fe *e = calloc(1, sizeof(*e));

	e->fds_before = count_fds();
	snprintf(e->dir, sizeof(e->dir), "/tmp/vhost-msg-XXXXXX");
	if (!mkdtemp(e->dir))
		return -1;
	snprintf(e->fn.socket_path, sizeof(e->fn.socket_path), "%s/s", e->dir);
	e->sock = -1;
	e->mem_fd = memfd_create("guest", MFD_CLOEXEC);
	if (e->mem_fd < 0 || ftruncate(e->mem_fd, MEM_SIZE) < 0)
		return -1;
	fake_vdev_init(&e->dev);
	e->pci.virtio = &e->dev;
	if (vhost_user_transport.open(&e->pci, &e->fn, &e->pe, &e->port) ||
	    vhost_user_transport.plug(e->port))
		return -1;
	*state = e;
	return 0;
}

/* The socket and its lock are gone and no descriptor leaked. */
int fe_teardown(void **state)
{
	struct fe *e = *state;
	int fds;

	if (e->port)
		vhost_user_transport.close(e->port);
	if (e->sock >= 0)
		close(e->sock);
	close(e->mem_fd);
	fake_vdev_fini(&e->dev);
	fds = count_fds();
	if (fds != e->fds_before) {
		fprintf(stderr, "%d descriptors leaked\n", fds - e->fds_before);
		return -1;
	}
	if (rmdir(e->dir))
		return -1;
	free(e);
	return 0;
}
