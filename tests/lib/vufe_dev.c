/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: a device goes prepared -> connected -> negotiated -> memory created and
 * sent -> queues created and started. Memory and rings belong to the "guest" and outlive the
 * connection: vufe_disconnect() hangs up and stops, vufe_reconnect() runs the same steps again on
 * what is there. How a step is done is the transport's: vufe_vhost.c, vufe_vfu_virtio.c.
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

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void vufe_prepare(struct vufe_dev *dev, const struct vufe_opts *opts)
{
	unsigned i;

	memset(dev, 0, sizeof(*dev));
	dev->opts = *opts;
	if (opts->path && !strncmp(opts->path, VUFE_VFIO_PREFIX, strlen(VUFE_VFIO_PREFIX))) {
		dev->opts.path += strlen(VUFE_VFIO_PREFIX);
		dev->opts.transport = VUFE_VFIO_USER;
	}
	dev->ops = dev->opts.transport == VUFE_VFIO_USER ? &vfuc_ops : &vufe_vhost_ops;
	dev->opts.nr_queues = opts->nr_queues ? opts->nr_queues : 1;
	dev->opts.queue_size = opts->queue_size ? opts->queue_size : 256;
	dev->opts.max_segs = opts->max_segs ? opts->max_segs : 8;
	dev->opts.nr_regions = opts->nr_regions ? opts->nr_regions : 1;
	dev->opts.timeout_ms = opts->timeout_ms ? opts->timeout_ms : 5000;
	dev->opts.mem_size = opts->mem_size ? opts->mem_size : 16u << 20;
	dev->sock = dev->backend_fd = dev->inflight_fd = dev->vfu.config_fd = -1;
	for (i = 0; i < VFUC_NR_REGIONS; i++)
		dev->vfu.region[i].fd = -1;
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
				 " (is the server running?)" : "");
	}
	return 0;
}

int vufe_negotiate(struct vufe_dev *dev)
{
	int r = dev->ops->negotiate(dev);

	if (!r && dev->max_queues && dev->opts.nr_queues + 1 > dev->max_queues)
		return vufe_fail(dev, -EINVAL, "%u request queues asked for, the device has %llu",
				 dev->opts.nr_queues, (unsigned long long)dev->max_queues - 1);
	return r;
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

int vufe_vqs_start(struct vufe_dev *dev)
{
	unsigned i;
	int r = dev->ops->vqs_begin(dev);

	for (i = 0; !r && i < dev->nr_vqs; i++)
		r = vufe_vq_start(&dev->vq[i]);
	return r ? r : dev->ops->vqs_end(dev);
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
	dev->ops->hang_up(dev);
	for (i = 0; i < dev->nr_vqs; i++) {
		dev->vq[i].running = false;
		/* Nobody is left to ask for the ring's position: what was completed is certain. */
		dev->vq[i].base = dev->vq[i].used->idx;
	}
}

static void clear_rings(struct vufe_dev *dev)
{
	unsigned i;

	for (i = 0; i < dev->nr_vqs; i++)
		vufe_vq_clear(&dev->vq[i]);
}

int vufe_reset(struct vufe_dev *dev)
{
	int r = dev->ops->reset(dev);

	clear_rings(dev);
	return r;
}

int vufe_reconnect(struct vufe_dev *dev)
{
	int r = vufe_connect(dev);

	if (!dev->ops->keeps_rings)
		clear_rings(dev);
	if (!r)
		r = vufe_negotiate(dev);
	if (!r)
		r = vufe_mem_send(dev);
	return r ? r : vufe_vqs_start(dev);
}

void vufe_close(struct vufe_dev *dev)
{
	unsigned i;

	if (!dev->ops)
		return;
	close_fd(&dev->sock);
	dev->ops->hang_up(dev);
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
	return dev->ops->get_config(dev, offset, size, ret_data);
}

bool vufe_alive(const struct vufe_dev *dev)
{
	struct pollfd p = {.fd = dev->sock, .events = POLLRDHUP};

	return dev->sock >= 0 && (poll(&p, 1, 0) == 0 || !(p.revents & ~POLLIN));
}
