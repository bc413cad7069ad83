/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: what a front end asks of a vhost-user back end, one message a step, each
 * acknowledged where that was negotiated. Nothing is remembered about what the back end promised on
 * an earlier connection except the inflight area, which exists to be handed back.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vufe.h"

#define FEATURES_KNOWN (VUFE_F_INDIRECT | VUFE_F_EVENT_IDX | VUFE_F_PROTOCOL | VUFE_F_VERSION_1)
#define PROTO_KNOWN                                                                                \
	(VUFE_PF_MQ | VUFE_PF_REPLY_ACK | VUFE_PF_BACKEND_REQ | VUFE_PF_CONFIG |                   \
	 VUFE_PF_RESET_DEVICE | VUFE_PF_MEM_SLOTS | VUFE_PF_STATUS)
/* ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK */
#define STATUS_RUNNING 0xf

static int set_backend_req(struct vufe_dev *dev)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return vufe_fail(dev, -errno, "socketpair: %s", strerror(errno));
	r = vufe_do(dev, VUFE_SET_BACKEND_REQ_FD, NULL, 0, &pair[1], 1);
	close(pair[1]);
	dev->backend_fd = pair[0];
	return r;
}

static int negotiate_proto(struct vufe_dev *dev)
{
	uint64_t want = PROTO_KNOWN | (dev->opts.inflight ? VUFE_PF_INFLIGHT : 0);
	int r = vufe_ask_u64(dev, VUFE_GET_PROTOCOL_FEATURES, &dev->proto_offered);

	if (r)
		return r;
	want &= dev->proto_offered & ~dev->opts.no_proto;
	r = vufe_do_u64(dev, VUFE_SET_PROTOCOL_FEATURES, want, -1);
	dev->proto = want;
	if (!r && want & VUFE_PF_MQ)
		r = vufe_ask_u64(dev, VUFE_GET_QUEUE_NUM, &dev->max_queues);
	if (!r && want & VUFE_PF_BACKEND_REQ)
		r = set_backend_req(dev);
	return r;
}

static int vhost_negotiate(struct vufe_dev *dev)
{
	int r;

	dev->proto = 0;
	r = vufe_ask_u64(dev, VUFE_GET_FEATURES, &dev->offered);
	if (!r)
		r = vufe_do(dev, VUFE_SET_OWNER, NULL, 0, NULL, 0);
	if (r)
		return r;
	if (!(dev->offered & VUFE_F_VERSION_1))
		return vufe_fail(dev, -EPROTO, "features 0x%llx: VERSION_1 is missing",
				 (unsigned long long)dev->offered);
	dev->features = dev->offered & FEATURES_KNOWN & ~dev->opts.no_features;
	if (dev->features & VUFE_F_PROTOCOL)
		r = negotiate_proto(dev);
	return r ? r : vufe_do_u64(dev, VUFE_SET_FEATURES, dev->features, -1);
}

static struct vufe_mem_region region_msg(const struct vufe_region *r)
{
	return (struct vufe_mem_region){r->gpa, r->size, r->uaddr, r->mmap_off};
}

static int vhost_mem_add(struct vufe_dev *dev, unsigned region)
{
	struct vufe_mem_slot slot = {.region = region_msg(&dev->region[region])};

	return vufe_do(dev, VUFE_ADD_MEM_REG, &slot, sizeof(slot), &dev->region[region].fd, 1);
}

static int vhost_mem_remove(struct vufe_dev *dev, unsigned region)
{
	struct vufe_mem_slot slot = {.region = region_msg(&dev->region[region])};

	return vufe_do(dev, VUFE_REM_MEM_REG, &slot, sizeof(slot), NULL, 0);
}

static int send_table(struct vufe_dev *dev)
{
	struct vufe_mem_table t = {.num = dev->nr_regions};
	int fds[VUFE_TABLE_REGIONS];
	unsigned i;

	if (dev->nr_regions > VUFE_TABLE_REGIONS)
		return vufe_fail(dev, -EINVAL, "%u regions and no memory slots", dev->nr_regions);
	for (i = 0; i < dev->nr_regions; i++) {
		t.region[i] = region_msg(&dev->region[i]);
		fds[i] = dev->region[i].fd;
	}
	return vufe_do(dev, VUFE_SET_MEM_TABLE, &t,
		       offsetof(struct vufe_mem_table, region) + i * sizeof(t.region[0]), fds, i);
}

static int vhost_mem_send(struct vufe_dev *dev)
{
	unsigned i;
	int r = 0;

	if (!(dev->proto & VUFE_PF_MEM_SLOTS))
		return send_table(dev);
	for (i = 0; !r && i < dev->nr_regions; i++)
		r = vhost_mem_add(dev, i);
	return r;
}

int vufe_inflight_setup(struct vufe_dev *dev)
{
	struct vufe_inflight ask = {.nr_queues = (uint16_t)(dev->opts.nr_queues + 1),
				    .queue_size = (uint16_t)dev->opts.queue_size};
	struct vufe_hdr hdr;
	unsigned nr_fds = 1;
	int r;

	if (!(dev->proto & VUFE_PF_INFLIGHT))
		return vufe_fail(dev, -EOPNOTSUPP, "the back end offers no inflight area");
	if (dev->inflight_fd < 0) {
		r = vufe_send(dev, VUFE_GET_INFLIGHT_FD, 0, &ask, sizeof(ask), NULL, 0);
		if (!r)
			r = vufe_recv(dev->sock, dev->opts.timeout_ms, &hdr, &dev->inflight,
				      sizeof(dev->inflight), &dev->inflight_fd, &nr_fds);
		if (r || nr_fds != 1 || hdr.req != VUFE_GET_INFLIGHT_FD)
			return vufe_fail(dev, r ? r : -EPROTO, "GET_INFLIGHT_FD: no usable answer");
	}
	return vufe_do(dev, VUFE_SET_INFLIGHT_FD, &dev->inflight, sizeof(dev->inflight),
		       &dev->inflight_fd, 1);
}

int vufe_vq_send_addr(struct vufe_vq *vq)
{
	struct vufe_vring_addr a = {
		.index = vq->index,
		.desc = vufe_uaddr(vq->dev, vq->desc_gpa),
		.avail = vufe_uaddr(vq->dev, vq->avail_gpa),
		.used = vufe_uaddr(vq->dev, vq->used_gpa),
		.log = UINT64_MAX,
	};

	return vufe_do(vq->dev, VUFE_SET_VRING_ADDR, &a, sizeof(a), NULL, 0);
}

static int vhost_vq_start(struct vufe_vq *vq)
{
	struct vufe_vring_state num = {vq->index, vq->size}, base = {vq->index, vq->base};
	int r = vufe_do(vq->dev, VUFE_SET_VRING_NUM, &num, sizeof(num), NULL, 0);

	if (!r)
		r = vufe_do(vq->dev, VUFE_SET_VRING_BASE, &base, sizeof(base), NULL, 0);
	if (!r)
		r = vufe_vq_send_addr(vq);
	if (!r)
		r = vufe_do_u64(vq->dev, VUFE_SET_VRING_CALL, vq->index, vq->call_peer);
	if (!r)
		r = vufe_do_u64(vq->dev, VUFE_SET_VRING_ERR, vq->index, vq->err_fd);
	if (!r)
		r = vufe_do_u64(vq->dev, VUFE_SET_VRING_KICK, vq->index, vq->kick_fd);
	return r;
}

int vufe_vq_enable(struct vufe_vq *vq, bool on)
{
	struct vufe_vring_state s = {vq->index, on};

	return vufe_do(vq->dev, VUFE_SET_VRING_ENABLE, &s, sizeof(s), NULL, 0);
}

static int vhost_vq_stop(struct vufe_vq *vq)
{
	struct vufe_vring_state s = {vq->index, 0};
	int r = vufe_ask(vq->dev, VUFE_GET_VRING_BASE, &s, sizeof(s), &s, sizeof(s));

	if (!r)
		vq->base = (uint16_t)s.num;
	return r;
}

static int vhost_vqs_begin(struct vufe_dev *dev)
{
	return dev->proto & VUFE_PF_INFLIGHT ? vufe_inflight_setup(dev) : 0;
}

static int vhost_vqs_end(struct vufe_dev *dev)
{
	unsigned i;
	int r = 0;

	for (i = 0; !r && dev->features & VUFE_F_PROTOCOL && i < dev->nr_vqs; i++)
		r = vufe_vq_enable(&dev->vq[i], true);
	if (!r && dev->proto & VUFE_PF_STATUS)
		r = vufe_do_u64(dev, VUFE_SET_STATUS, STATUS_RUNNING, -1);
	return r;
}

static int vhost_kick(struct vufe_vq *vq)
{
	uint64_t one = 1;

	return write(vq->kick_fd, &one, sizeof(one)) == sizeof(one) || errno == EAGAIN ? 0 : -errno;
}

static int vhost_is_broken(struct vufe_vq *vq, int timeout_ms)
{
	return poll(&(struct pollfd){.fd = vq->err_fd, .events = POLLIN}, 1, timeout_ms);
}

static int vhost_get_config(struct vufe_dev *dev, uint32_t offset, uint32_t size,
			    void *ret_data)
{
	struct vufe_config c = {.offset = offset, .size = size};
	const size_t head = offsetof(struct vufe_config, data);
	int r;

	if (size > VUFE_CONFIG_MAX)
		return vufe_fail(dev, -EINVAL, "config of %u bytes", size);
	r = vufe_ask(dev, VUFE_GET_CONFIG, &c, head + size, &c, head + size);
	if (r)
		return r;
	if (c.size != size)
		return vufe_fail(dev, -EPROTO, "GET_CONFIG: %u bytes at %u refused", size, offset);
	memcpy(ret_data, c.data, size);
	return 0;
}

static int vhost_reset(struct vufe_dev *dev)
{
	int r = vufe_do(dev, VUFE_RESET_DEVICE, NULL, 0, NULL, 0);

	return r ? r : vufe_do_u64(dev, VUFE_SET_FEATURES, dev->features, -1);
}

static void vhost_hang_up(struct vufe_dev *dev)
{
	if (dev->backend_fd >= 0)
		close(dev->backend_fd);
	dev->backend_fd = -1;
}

const struct vufe_ops vufe_vhost_ops = {
	.name = "vhost-user",
	.keeps_rings = true,
	.negotiate = vhost_negotiate,
	.mem_send = vhost_mem_send,
	.mem_add = vhost_mem_add,
	.mem_remove = vhost_mem_remove,
	.vqs_begin = vhost_vqs_begin,
	.vq_start = vhost_vq_start,
	.vqs_end = vhost_vqs_end,
	.vq_stop = vhost_vq_stop,
	.kick = vhost_kick,
	.is_broken = vhost_is_broken,
	.get_config = vhost_get_config,
	.reset = vhost_reset,
	.hang_up = vhost_hang_up,
};
