/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: a device goes prepared -> connected -> negotiated -> memory created and
 * sent -> queues created and started. Memory and rings belong to the "guest" and outlive the
 * connection: vufe_disconnect() hangs up and stops, vufe_reconnect() runs the same steps again on
 * what is there. Nothing is remembered about what the back end promised on an earlier connection
 * except the inflight area, which exists to be handed back.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vufe.h"

#define FEATURES_KNOWN (VUFE_F_INDIRECT | VUFE_F_EVENT_IDX | VUFE_F_PROTOCOL | VUFE_F_VERSION_1)
#define PROTO_KNOWN                                                                                \
	(VUFE_PF_MQ | VUFE_PF_REPLY_ACK | VUFE_PF_BACKEND_REQ | VUFE_PF_CONFIG |                   \
	 VUFE_PF_RESET_DEVICE | VUFE_PF_MEM_SLOTS | VUFE_PF_STATUS)
/* ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK */
#define STATUS_RUNNING 0xf

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void vufe_prepare(struct vufe_dev *dev, const struct vufe_opts *opts)
{
	memset(dev, 0, sizeof(*dev));
	dev->opts = *opts;
	dev->opts.nr_queues = opts->nr_queues ? opts->nr_queues : 1;
	dev->opts.queue_size = opts->queue_size ? opts->queue_size : 256;
	dev->opts.max_segs = opts->max_segs ? opts->max_segs : 8;
	dev->opts.nr_regions = opts->nr_regions ? opts->nr_regions : 1;
	dev->opts.timeout_ms = opts->timeout_ms ? opts->timeout_ms : 5000;
	dev->opts.mem_size = opts->mem_size ? opts->mem_size : 16u << 20;
	dev->sock = dev->backend_fd = dev->inflight_fd = -1;
}

int vufe_connect(struct vufe_dev *dev)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	if (strlen(dev->opts.path) >= sizeof(sa.sun_path))
		return vufe_fail(dev, -ENAMETOOLONG, "%s: path of a socket is at most %zu bytes",
				 dev->opts.path, sizeof(sa.sun_path) - 1);
	strcpy(sa.sun_path, dev->opts.path);
	dev->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (dev->sock < 0)
		return vufe_fail(dev, -errno, "socket: %s", strerror(errno));
	if (connect(dev->sock, (struct sockaddr *)&sa, sizeof(sa))) {
		int e = errno;

		close_fd(&dev->sock);
		return vufe_fail(dev, -e, "%s: %s%s", dev->opts.path, strerror(e),
				 e == ENOENT || e == ECONNREFUSED ?
				 " (is the vhost-user-fs server running?)" : "");
	}
	return 0;
}

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

int vufe_negotiate(struct vufe_dev *dev)
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
	if (!r && dev->max_queues && dev->opts.nr_queues + 1 > dev->max_queues)
		return vufe_fail(dev, -EINVAL, "%u request queues asked for, the device has %llu",
				 dev->opts.nr_queues, (unsigned long long)dev->max_queues - 1);
	return r ? r : vufe_do_u64(dev, VUFE_SET_FEATURES, dev->features, -1);
}

static int bounce_create(struct vufe_dev *dev)
{
	dev->bounce_in = vufe_alloc(dev, VUFE_BOUNCE, 4096, &dev->bounce_in_gpa);
	dev->bounce_out = vufe_alloc(dev, VUFE_BOUNCE, 4096, &dev->bounce_out_gpa);
	return dev->bounce_in && dev->bounce_out ? 0 : -ENOMEM;
}

int vufe_vqs_create(struct vufe_dev *dev)
{
	unsigned i, n = dev->opts.nr_queues + 1;
	int r = bounce_create(dev);

	if (r)
		return r;
	dev->vq = calloc(n, sizeof(*dev->vq));
	if (!dev->vq)
		return vufe_fail(dev, -ENOMEM, "out of memory");
	for (i = 0; i < n; i++) {
		dev->nr_vqs++;
		r = vufe_vq_create(dev, i);
		if (r)
			return r;
	}
	return 0;
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

int vufe_vqs_start(struct vufe_dev *dev)
{
	unsigned i;
	int r = dev->proto & VUFE_PF_INFLIGHT ? vufe_inflight_setup(dev) : 0;

	for (i = 0; !r && i < dev->nr_vqs; i++)
		r = vufe_vq_start(&dev->vq[i]);
	for (i = 0; !r && dev->features & VUFE_F_PROTOCOL && i < dev->nr_vqs; i++)
		r = vufe_vq_enable(&dev->vq[i], true);
	if (!r && dev->proto & VUFE_PF_STATUS)
		r = vufe_do_u64(dev, VUFE_SET_STATUS, STATUS_RUNNING, -1);
	return r;
}

int vufe_open(struct vufe_dev *dev, const struct vufe_opts *opts)
{
	int r;

	vufe_prepare(dev, opts);
	r = vufe_connect(dev);
	if (!r)
		r = vufe_negotiate(dev);
	if (!r)
		r = vufe_mem_create(dev);
	if (!r)
		r = vufe_mem_send(dev);
	if (!r)
		r = vufe_vqs_create(dev);
	if (!r)
		r = vufe_vqs_start(dev);
	if (r)
		vufe_close(dev);
	return r;
}

void vufe_disconnect(struct vufe_dev *dev)
{
	unsigned i;

	close_fd(&dev->sock);
	close_fd(&dev->backend_fd);
	for (i = 0; i < dev->nr_vqs; i++) {
		dev->vq[i].running = false;
		/* Nobody is left to ask for the ring's position: what was completed is certain. */
		dev->vq[i].base = dev->vq[i].used->idx;
	}
}

int vufe_reconnect(struct vufe_dev *dev)
{
	int r = vufe_connect(dev);

	if (!r)
		r = vufe_negotiate(dev);
	if (!r)
		r = vufe_mem_send(dev);
	return r ? r : vufe_vqs_start(dev);
}

void vufe_close(struct vufe_dev *dev)
{
	unsigned i;

	close_fd(&dev->sock);
	close_fd(&dev->backend_fd);
	for (i = 0; i < dev->nr_vqs; i++)
		vufe_vq_destroy(&dev->vq[i]);
	free(dev->vq);
	dev->vq = NULL;
	dev->nr_vqs = 0;
	for (i = 0; i < dev->nr_regions; i++) {
		if (dev->region[i].va)
			munmap(dev->region[i].va, dev->region[i].size);
		close_fd(&dev->region[i].fd);
	}
	dev->nr_regions = 0;
	close_fd(&dev->inflight_fd);
}

int vufe_get_config(struct vufe_dev *dev, uint32_t offset, uint32_t size, void *ret_data)
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

bool vufe_alive(const struct vufe_dev *dev)
{
	struct pollfd p = {.fd = dev->sock, .events = POLLRDHUP};

	return dev->sock >= 0 && (poll(&p, 1, 0) == 0 || !(p.revents & ~POLLIN));
}
