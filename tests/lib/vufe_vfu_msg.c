/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: one socket carries both directions. Every message is read into the
 * connection's buffer; a command of the device (DMA_READ, DMA_WRITE) is answered at once, also while
 * a reply is awaited, and a reply must carry the id of the command last sent. Replies to posted
 * writes do not exist, so a stray one fails the test that meets it.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vufe.h"

/* A header, at most one more structure, and data. */
static int send_parts(struct vufe_dev *dev, const struct vfuc_hdr *hdr, const struct iovec *part,
		      unsigned nr_parts, const int *fds, unsigned nr_fds)
{
	size_t len = sizeof(*hdr);
	uint8_t *msg;
	unsigned i;
	int r;

	for (i = 0; i < nr_parts; i++)
		len += part[i].iov_len;
	msg = malloc(len);
	if (!msg)
		return -ENOMEM;
	memcpy(msg, hdr, sizeof(*hdr));
	len = sizeof(*hdr);
	for (i = 0; i < nr_parts; i++) {
		if (part[i].iov_len)
			memcpy(msg + len, part[i].iov_base, part[i].iov_len);
		len += part[i].iov_len;
	}
	((struct vfuc_hdr *)(void *)msg)->size = (uint32_t)len;
	r = vufe_send_raw(dev->sock, msg, len, fds, nr_fds);
	free(msg);
	return r ? vufe_fail(dev, r, "command %u: cannot send: %s", hdr->cmd, strerror(-r)) : 0;
}

int vfuc_send(struct vufe_dev *dev, uint16_t cmd, uint32_t flags, const void *payload, size_t len,
	      const int *fds, unsigned nr_fds)
{
	struct vfuc_hdr hdr = {.id = ++dev->vfu.next_id, .cmd = cmd, .flags = flags};
	struct iovec part = {(void *)payload, len};

	return send_parts(dev, &hdr, &part, 1, fds, nr_fds);
}

int vfuc_recv(struct vufe_dev *dev, struct vfuc_hdr *hdr, void *payload, size_t cap, int *fds,
	      unsigned *nr_fds)
{
	unsigned none = 0, room = nr_fds ? *nr_fds : 0;
	int r;

	if (nr_fds)
		*nr_fds = 0;
	else
		nr_fds = &none;
	r = vufe_recv_exact(dev->sock, dev->opts.timeout_ms, hdr, sizeof(*hdr), fds, nr_fds, room);
	if (r)
		return r;
	if (hdr->size < sizeof(*hdr) || hdr->size - sizeof(*hdr) > cap)
		return -EMSGSIZE;
	return vufe_recv_exact(dev->sock, dev->opts.timeout_ms, payload, hdr->size - sizeof(*hdr),
			       fds, nr_fds, room);
}

static uint8_t *memory_at(struct vufe_dev *dev, uint64_t gpa, uint64_t len)
{
	unsigned i;

	for (i = 0; i < dev->nr_regions; i++) {
		const struct vufe_region *r = &dev->region[i];

		if (gpa >= r->gpa && gpa - r->gpa < r->size && len <= r->size - (gpa - r->gpa))
			return r->va + (gpa - r->gpa);
	}
	return NULL;
}

/* A command of the device, with its payload in the connection's buffer. */
static int answer(struct vufe_dev *dev, const struct vfuc_hdr *hdr)
{
	size_t len = hdr->size - sizeof(*hdr);
	struct vfuc_hdr re = {.id = hdr->id, .cmd = hdr->cmd, .flags = VFUC_REPLY};
	struct vfuc_dma_rw rw = {0};
	struct iovec part[2] = {{&rw, sizeof(rw)}, {NULL, 0}};
	uint8_t *mem;

	if ((hdr->cmd != VFUC_DMA_READ && hdr->cmd != VFUC_DMA_WRITE) || len < sizeof(rw))
		return vufe_fail(dev, -EPROTO, "the device sent command %u of %zu bytes", hdr->cmd,
				 len);
	memcpy(&rw, dev->vfu.buf, sizeof(rw));
	mem = memory_at(dev, rw.addr, rw.count);
	if (!mem || rw.count > VFUC_MSG_MAX - sizeof(rw) ||
	    (hdr->cmd == VFUC_DMA_WRITE && rw.count != len - sizeof(rw))) {
		re.flags |= VFUC_ERROR;
		re.error = EFAULT;
		return send_parts(dev, &re, NULL, 0, NULL, 0);
	}
	if (hdr->cmd == VFUC_DMA_WRITE) {
		dev->vfu.nr_dma_writes++;
		memcpy(mem, dev->vfu.buf + sizeof(rw), rw.count);
	} else {
		dev->vfu.nr_dma_reads++;
		part[1] = (struct iovec){mem, rw.count};
	}
	return hdr->flags & VFUC_NO_REPLY ? 0 : send_parts(dev, &re, part, 2, NULL, 0);
}

static int recv_to_buf(struct vufe_dev *dev, struct vfuc_hdr *hdr, int *fds, unsigned *nr_fds)
{
	if (!dev->vfu.buf)
		dev->vfu.buf = malloc(VFUC_MSG_MAX);
	if (!dev->vfu.buf)
		return -ENOMEM;
	return vfuc_recv(dev, hdr, dev->vfu.buf, VFUC_MSG_MAX, fds, nr_fds);
}

int vfuc_serve(struct vufe_dev *dev)
{
	struct pollfd p = {.fd = dev->sock, .events = POLLIN};
	struct vfuc_hdr hdr;
	int r = 0;

	while (!r && poll(&p, 1, 0) > 0 && p.revents & POLLIN) {
		r = recv_to_buf(dev, &hdr, NULL, NULL);
		if (r == -ENODATA)
			return vufe_fail(dev, -ECONNRESET, "the device hung up");
		if (!r && hdr.flags & VFUC_TYPE)
			return vufe_fail(dev, -EPROTO, "a reply nobody waits for, command %u",
					 hdr.cmd);
		if (!r)
			r = answer(dev, &hdr);
	}
	return r;
}

static int check_reply(struct vufe_dev *dev, const struct vfuc_hdr *hdr, uint16_t cmd)
{
	if (hdr->cmd != cmd || hdr->id != dev->vfu.next_id || (hdr->flags & VFUC_TYPE) != VFUC_REPLY)
		return vufe_fail(dev, -EPROTO, "command %u: answer %u, id %u, flags 0x%x", cmd,
				 hdr->cmd, hdr->id, hdr->flags);
	if (!(hdr->flags & VFUC_ERROR))
		return 0;
	if (hdr->size != sizeof(*hdr))
		return vufe_fail(dev, -EPROTO, "command %u: an error with a payload", cmd);
	if (!hdr->error || hdr->error > 4095)
		return vufe_fail(dev, -EREMOTEIO, "command %u: error %u", cmd, hdr->error);
	return vufe_fail(dev, -(int)hdr->error, "command %u: %s", cmd, strerror((int)hdr->error));
}

int vfuc_reply(struct vufe_dev *dev, uint16_t cmd, void *reply, size_t cap, size_t *ret_len,
	       int *fds, unsigned *nr_fds)
{
	unsigned room = nr_fds ? *nr_fds : 0;
	struct vfuc_hdr hdr;
	size_t len;
	int r;

	for (;;) {
		if (nr_fds)
			*nr_fds = room;
		r = recv_to_buf(dev, &hdr, fds, nr_fds);
		if (r == -ENODATA || r == -ECONNRESET)
			return vufe_fail(dev, r, "command %u: the device hung up", cmd);
		if (r)
			return vufe_fail(dev, r, "command %u: no reply: %s", cmd, strerror(-r));
		if (hdr.flags & VFUC_TYPE)
			break;
		r = answer(dev, &hdr);
		if (r)
			return r;
	}
	r = check_reply(dev, &hdr, cmd);
	if (r)
		return r;
	len = hdr.size - sizeof(hdr);
	if (len > cap || (!ret_len && len != cap))
		return vufe_fail(dev, -EPROTO, "command %u: a reply of %zu bytes", cmd, len);
	if (len)
		memcpy(reply, dev->vfu.buf, len);
	if (ret_len)
		*ret_len = len;
	return 0;
}

int vfuc_ask(struct vufe_dev *dev, uint16_t cmd, const void *payload, size_t len, const int *fds,
	     unsigned nr_fds, void *reply, size_t cap, size_t *ret_len)
{
	int r = vfuc_send(dev, cmd, 0, payload, len, fds, nr_fds);

	return r ? r : vfuc_reply(dev, cmd, reply, cap, ret_len, NULL, NULL);
}

int vfuc_read(struct vufe_dev *dev, uint32_t region, uint64_t off, void *buf, uint32_t len)
{
	struct vfuc_rw rw = {off, region, len};
	struct {
		struct vfuc_rw rw;
		uint8_t data[4096];
	} re;
	int r;

	if (len > sizeof(re.data))
		return -EINVAL;
	r = vfuc_ask(dev, VFUC_REGION_READ, &rw, sizeof(rw), NULL, 0, &re, sizeof(rw) + len, NULL);
	if (r)
		return r;
	if (memcmp(&re.rw, &rw, sizeof(rw)))
		return vufe_fail(dev, -EPROTO, "region %u: another place was read", region);
	memcpy(buf, re.data, len);
	return 0;
}

static int send_write(struct vufe_dev *dev, uint32_t flags, uint32_t region, uint64_t off,
		      const void *buf, uint32_t len)
{
	struct vfuc_hdr hdr = {.id = ++dev->vfu.next_id, .cmd = VFUC_REGION_WRITE, .flags = flags};
	struct vfuc_rw rw = {off, region, len};
	struct iovec part[2] = {{&rw, sizeof(rw)}, {(void *)buf, len}};

	return send_parts(dev, &hdr, part, 2, NULL, 0);
}

int vfuc_write(struct vufe_dev *dev, uint32_t region, uint64_t off, const void *buf, uint32_t len)
{
	struct vfuc_rw re;
	int r = send_write(dev, 0, region, off, buf, len);

	return r ? r : vfuc_reply(dev, VFUC_REGION_WRITE, &re, sizeof(re), NULL, NULL, NULL);
}

int vfuc_post(struct vufe_dev *dev, uint32_t region, uint64_t off, const void *buf, uint32_t len)
{
	return send_write(dev, VFUC_NO_REPLY, region, off, buf, len);
}

int vfuc_dma_map(struct vufe_dev *dev, uint64_t gpa, uint64_t size, int fd, uint64_t fd_offset,
		 uint32_t flags)
{
	struct vfuc_dma_map m = {.argsz = sizeof(m), .flags = flags, .offset = fd_offset,
				 .addr = gpa, .size = size};

	return vfuc_ask(dev, VFUC_DMA_MAP, &m, sizeof(m), &fd, fd >= 0, NULL, 0, NULL);
}

int vfuc_dma_unmap(struct vufe_dev *dev, uint64_t gpa, uint64_t size)
{
	struct vfuc_dma_unmap m = {.argsz = sizeof(m), .addr = gpa, .size = size}, re;
	int r = vfuc_ask(dev, VFUC_DMA_UNMAP, &m, sizeof(m), NULL, 0, &re, sizeof(re), NULL);

	if (!r && (re.addr != gpa || re.size != size))
		return vufe_fail(dev, -EPROTO, "DMA_UNMAP: another mapping is answered");
	return r;
}

int vfuc_set_irqs(struct vufe_dev *dev, uint32_t index, uint32_t flags, uint32_t start,
		  uint32_t count, const int *fds, unsigned nr_fds)
{
	struct vfuc_irq_set s = {sizeof(s), flags, index, start, count};
	unsigned n, at = 0;
	int r = 0;

	if (!nr_fds)
		return vfuc_ask(dev, VFUC_SET_IRQS, &s, sizeof(s), NULL, 0, NULL, 0, NULL);
	while (!r && at < nr_fds) {
		n = nr_fds - at < dev->vfu.max_fds ? nr_fds - at : dev->vfu.max_fds;
		s.start = start + at;
		s.count = n;
		r = vfuc_ask(dev, VFUC_SET_IRQS, &s, sizeof(s), fds + at, n, NULL, 0, NULL);
		at += n;
	}
	return r;
}

int vfuc_reset(struct vufe_dev *dev)
{
	return vfuc_ask(dev, VFUC_RESET, NULL, 0, NULL, 0, NULL, 0, NULL);
}
