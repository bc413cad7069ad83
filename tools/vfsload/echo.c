/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: what is the most a device could do? One that pops chains and pushes them
 * back without looking inside; or, closer to what an answer takes, one that also reads the
 * request's headers and writes an answer's. A child of this process runs exactly that on the
 * project's own ring engine, on the same guest memory (inherited over fork, so no messages are
 * needed), with as many polled queues as the measured load used; the parent drives the same chains
 * at it. A stream socket between the two tells the child to go, and the parent's workers when the
 * child died.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"
#include "virtio/vq.h"

#define BATCH 32
#define HEADERS 128 /* the header and the longest argument; data is left alone */
#define QUEUES_MAX 64
#define YIELD 256 /* idle rounds after which others may run: the driver may want this core */
#define LOOK_UP 4096 /* idle rounds between looks at the socket */

static int child_memory(const struct vufe_dev *dev, struct gmem **ret_gm)
{
	struct gm_region reg[VUFE_REGIONS_MAX];
	unsigned i;
	int r = 0;

	for (i = 0; !r && i < dev->nr_regions; i++) {
		const struct vufe_region *v = &dev->region[i];

		reg[i] = (struct gm_region){.gpa = v->gpa, .uva = v->uaddr, .size = v->size,
					    .writable = true};
		r = gm_map_static(v->va, v->size, &reg[i].map);
	}
	return r ? r : gm_create(reg, dev->nr_regions, ret_gm);
}

static int child_queues(const struct vufe_dev *dev, struct gmem *gm, struct vq *vq)
{
	unsigned i;
	int r = 0;

	for (i = 1; !r && i < dev->nr_vqs; i++) {
		const struct vufe_vq *v = &dev->vq[i];
		struct vq_config cfg = {.size = v->size, .desc = v->desc, .avail = v->avail,
					.used = v->used, .features = dev->features, .gm = gm};

		r = vq_init(&vq[i - 1], &cfg, 0);
		if (!r)
			vq_set_kicks(&vq[i - 1], false);
	}
	return r;
}

/* The least any device does with a request: its headers are read, an answer's header is written. */
static void touch(const struct iovec *seg, const struct vq_chain *chain)
{
	uint8_t copy[HEADERS];
	struct fuse_out_header out = {.len = chain->len_out};
	size_t at = 0;
	unsigned i;

	for (i = 0; i < chain->nr_in && at + seg[i].iov_len <= sizeof(copy); i++) {
		memcpy(copy + at, seg[i].iov_base, seg[i].iov_len);
		at += seg[i].iov_len;
	}
	memcpy(&out.unique, copy + offsetof(struct fuse_in_header, unique), sizeof(out.unique));
	memcpy(seg[chain->nr_in].iov_base, &out, sizeof(out));
}

/* One batch; what was popped goes straight back. Returns how many or -EPROTO. */
static int echo_batch(struct vq *vq, int call_fd, enum echo_kind kind)
{
	static struct iovec seg[VQ_MAX_SEGS];
	struct vq_chain chain;
	uint64_t one = 1;
	int n, r = 0;

	for (n = 0; n < BATCH && (r = vq_pop(vq, seg, VQ_MAX_SEGS, &chain)) > 0; n++) {
		if (kind == ECHO_TOUCH)
			touch(seg, &chain);
		vq_push(vq, chain.head, chain.len_out);
	}
	if (n && vq_publish(vq) && write(call_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		return -errno;
	return r < 0 ? r : n;
}

static int child(const struct vufe_dev *dev, enum echo_kind kind, int sock)
{
	static struct vq vq[QUEUES_MAX];
	struct pollfd p = {.fd = sock, .events = POLLRDHUP};
	struct gmem *gm;
	unsigned i, idle = 0;
	int r = child_memory(dev, &gm), got;

	if (!r)
		r = child_queues(dev, gm, vq);
	while (!r) {
		for (i = 0, got = 0; i < dev->nr_vqs - 1; i++) {
			r = echo_batch(&vq[i], dev->vq[i + 1].call_fd, kind);
			if (r < 0)
				return r;
			got += r;
		}
		idle = got ? 0 : idle + 1;
		if (idle && idle % YIELD == 0)
			sched_yield();
		if (idle && idle % LOOK_UP == 0 && poll(&p, 1, 0) > 0)
			return 0;
		r = 0;
	}
	return r;
}

static int start_child(struct load *l, enum echo_kind kind, pid_t *ret_pid)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	fflush(NULL);
	*ret_pid = fork();
	if (*ret_pid == 0) {
		close(pair[0]);
		_exit(child(&l->dev, kind, pair[1]) ? 1 : 0);
	}
	close(pair[1]);
	l->dev.sock = pair[0];
	return *ret_pid < 0 ? -errno : 0;
}

int echo_run(const struct load_opts *o, uint64_t features, enum echo_kind kind, struct result *res)
{
	struct vufe_opts vo = run_vufe_opts(o);
	struct load_opts eo = *o;
	struct load l = {.opts = &eo, .echo = true};
	pid_t pid = -1;
	int r;

	eo.verify = false;
	vufe_prepare(&l.dev, &vo);
	l.dev.features = features;
	r = vufe_mem_create(&l.dev);
	if (!r)
		r = vufe_vqs_create(&l.dev);
	if (!r)
		r = start_child(&l, kind, &pid);
	if (!r)
		r = run_device(&l, res, (uint64_t)pid);
	else
		snprintf(res->err, sizeof(res->err), "%s", strerror(-r));
	res->status = r;
	vufe_close(&l.dev);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return r;
}
