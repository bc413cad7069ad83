/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: what is the most a device could do? One that pops chains and pushes them
 * back without looking inside; or, closer to what an answer takes, one that also reads the
 * request's headers and writes an answer's. A child of this process runs exactly that on the
 * project's own ring engine, on the same guest memory (inherited over fork, so no messages are
 * needed), with as many polled queues as the measured load uses; the parent drives the same chains
 * at it with the same worker code.
 *
 * The server and the echoes take turns in short slices. A child sleeps in read() on a stream socket
 * between its turns; a turn begins with the number of the CPU it is to run on, the one the server's
 * busiest thread used, and ends with the next message. The parent's workers see by the socket when
 * the child died, and the child by its end when the parent did.
 */
#include <errno.h>
#include <limits.h>
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
#define ROUNDS SLICES_MAX /* turns of each device */
#define WARMUP 0.05 /* seconds, of each turn */
#define TURN_ENDS INT_MIN /* in place of a CPU */

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

	for (n = 0; n < BATCH; n++) {
		r = vq_pop(vq, seg, VQ_MAX_SEGS, &chain);
		if (r <= 0)
			break;
		if (kind == ECHO_TOUCH)
			touch(seg, &chain);
		vq_push(vq, chain.head, chain.len_out);
	}
	if (n && vq_publish(vq) && write(call_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		return -errno;
	return r < 0 ? r : n;
}

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		perror("vfsload: echo: sched_setaffinity");
}

/* One turn: until there is something on the socket and nothing in the rings. */
static int child_turn(const struct vufe_dev *dev, struct vq *vq, enum echo_kind kind, int sock)
{
	struct pollfd p = {.fd = sock, .events = POLLIN | POLLRDHUP};
	unsigned i, idle = 0;
	int r, got;

	for (;;) {
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
	}
}

static int child(const struct vufe_dev *dev, enum echo_kind kind, int sock)
{
	static struct vq vq[QUEUES_MAX];
	struct gmem *gm;
	int cpu, r = child_memory(dev, &gm);

	if (!r)
		r = child_queues(dev, gm, vq);
	while (!r && read(sock, &cpu, sizeof(cpu)) == sizeof(cpu)) {
		if (cpu == TURN_ENDS)
			continue;
		pin(cpu);
		r = child_turn(dev, vq, kind, sock);
	}
	return r;
}

struct echo {
	struct load l;
	struct load_opts opts;
	pid_t pid; /* 0: none */
};

static int start_child(struct echo *e, enum echo_kind kind)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	fflush(NULL);
	e->pid = fork();
	if (e->pid == 0) {
		close(pair[0]);
		_exit(child(&e->l.dev, kind, pair[1]) ? 1 : 0);
	}
	close(pair[1]);
	e->l.dev.sock = pair[0];
	return e->pid < 0 ? -errno : 0;
}

static int echo_open(struct echo *e, const struct load *server, enum echo_kind kind,
		     struct result *res)
{
	struct vufe_opts vo = run_vufe_opts(server->opts);
	int r;

	/* Its device never connects: the child has the memory, and is not kicked. */
	vo.path = NULL;
	vo.transport = VUFE_VHOST_USER;
	e->opts = *server->opts;
	e->opts.verify = false;
	e->l.opts = &e->opts;
	e->l.echo = true;
	vufe_prepare(&e->l.dev, &vo);
	e->l.dev.features = server->dev.features;
	r = vufe_mem_create(&e->l.dev);
	if (!r)
		r = vufe_vqs_create(&e->l.dev);
	if (!r)
		r = start_child(e, kind);
	if (!r)
		return run_prepare(&e->l, res);
	res->status = r;
	return r;
}

static int echo_slice(struct echo *e, struct result *res, double seconds, int cpu)
{
	const struct slice sl = {WARMUP, seconds, (uint64_t)e->pid};
	const int ends = TURN_ENDS;
	int r;

	if (write(e->l.dev.sock, &cpu, sizeof(cpu)) < 0)
		return res->status = -errno;
	r = run_slice(&e->l, res, &sl);
	if (write(e->l.dev.sock, &ends, sizeof(ends)) < 0 && !r)
		r = res->status = -errno;
	return r;
}

static int echo_rounds(struct load *l, struct result *res, struct echo *e, struct result *echo)
{
	const struct load_opts *o = l->opts;
	const struct slice sl = {WARMUP, o->runtime / ROUNDS, o->server_pid};
	unsigned i, k;
	int r = 0;

	for (i = 0; !r && i < ROUNDS && !load_interrupted; i++) {
		int cpu;

		r = run_slice(l, res, &sl);
		cpu = o->server_pid ? cpu_of(o->server_pid) : -1;
		for (k = 0; !r && k < ECHO_KINDS; k++)
			r = echo_slice(&e[k], &echo[k], sl.seconds, cpu);
	}
	return r;
}

int echo_compare(struct load *l, struct result *res, struct result *echo)
{
	static struct echo e[ECHO_KINDS];
	unsigned k, n;
	int r = run_prepare(l, res);

	for (n = 0; !r && n < ECHO_KINDS; n++)
		r = echo_open(&e[n], l, n, &echo[n]);
	if (!r)
		r = echo_rounds(l, res, e, echo);
	run_finish(l, res);
	for (k = 0; k < n; k++) {
		if (run_finish(&e[k].l, &echo[k]))
			fprintf(stderr, "vfsload: echo: %s\n", echo[k].err);
		vufe_close(&e[k].l.dev);
	}
	/* Each child holds the sockets of those before it: they all see the end now. */
	for (k = 0; k < n; k++)
		if (e[k].pid > 0)
			waitpid(e[k].pid, NULL, 0);
	return r;
}
