/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: descriptors are handed out from a private free list; a chain is written
 * once by vufe_vq_build() and may be posted many times, so that posting costs one store into the
 * available ring. Publishing moves the shared index and decides about the kick. What the device
 * returns is checked against private state (busy[]), never against the shared table.
 *
 * While nobody sleeps interrupts are off (flag, or a used_event that is not kept up to date); a
 * sleeper turns them on, looks again and only then polls the call descriptor, so no wake-up is
 * lost.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/atomics.h"
#include "vufe.h"

static uint16_t *used_event(struct vufe_vq *vq)
{
	return &vq->avail->ring[vq->size];
}

static const uint16_t *avail_event(const struct vufe_vq *vq)
{
	return (const uint16_t *)&vq->used->ring[vq->size];
}

void vufe_vq_clear(struct vufe_vq *vq)
{
	unsigned i;

	for (i = 0; i < vq->size; i++)
		vq->next[i] = (uint16_t)(i + 1);
	memset(vq->count, 0, vq->size * sizeof(*vq->count));
	memset(vq->busy, 0, vq->size);
	memset(vq->avail, 0, sizeof(*vq->avail) + (vq->size + 1) * sizeof(uint16_t));
	memset(vq->used, 0, sizeof(*vq->used) + vq->size * sizeof(struct vring_used_elem) + 2);
	vq->free_head = 0;
	vq->nr_free = vq->size;
	vq->avail_idx = vq->pub_idx = vq->used_idx = vq->used_seen = vq->base = 0;
	vq->avail->flags = vq->event_idx ? 0 : VRING_AVAIL_F_NO_INTERRUPT;
}

static int vq_rings(struct vufe_vq *vq)
{
	struct vufe_dev *dev = vq->dev;
	size_t n = vq->size, ind = dev->opts.max_segs;

	vq->desc = vufe_alloc(dev, n * sizeof(*vq->desc), 4096, &vq->desc_gpa);
	vq->avail = vufe_alloc(dev, sizeof(*vq->avail) + 2 * (n + 1), 64, &vq->avail_gpa);
	vq->used = vufe_alloc(dev, sizeof(*vq->used) + n * sizeof(struct vring_used_elem) + 2, 64,
			      &vq->used_gpa);
	if (dev->features & VUFE_F_INDIRECT)
		vq->ind = vufe_alloc(dev, n * ind * sizeof(*vq->ind), 64, &vq->ind_gpa);
	vq->next = calloc(n, sizeof(*vq->next));
	vq->count = calloc(n, sizeof(*vq->count));
	vq->busy = calloc(n, sizeof(*vq->busy));
	if (!vq->desc || !vq->avail || !vq->used || !vq->next || !vq->count || !vq->busy)
		return -ENOMEM;
	return dev->features & VUFE_F_INDIRECT && !vq->ind ? -ENOMEM : 0;
}

static int vq_fds(struct vufe_vq *vq)
{
	int pair[2];

	vq->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vq->err_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vq->dev->opts.uml) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
			return -errno;
		vq->call_fd = pair[0];
		vq->call_peer = pair[1];
	} else {
		vq->call_fd = vq->call_peer = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	return vq->kick_fd < 0 || vq->err_fd < 0 || vq->call_fd < 0 ? -EMFILE : 0;
}

int vufe_vq_create(struct vufe_dev *dev, unsigned index)
{
	struct vufe_vq *vq = &dev->vq[index];
	int r;

	memset(vq, 0, sizeof(*vq));
	vq->kick_fd = vq->call_fd = vq->call_peer = vq->err_fd = -1;
	vq->dev = dev;
	vq->index = (uint16_t)index;
	vq->size = (uint16_t)dev->opts.queue_size;
	vq->event_idx = dev->features & VUFE_F_EVENT_IDX;
	if (!vq->size || vq->size & (vq->size - 1))
		return vufe_fail(dev, -EINVAL, "queue size %u is not a power of two up to 32768",
				 dev->opts.queue_size);
	r = vq_rings(vq);
	if (!r)
		r = vq_fds(vq);
	if (r)
		return vufe_fail(dev, r, "queue %u: %s", index, strerror(-r));
	vufe_vq_clear(vq);
	return 0;
}

void vufe_vq_destroy(struct vufe_vq *vq)
{
	if (vq->call_peer >= 0 && vq->call_peer != vq->call_fd)
		close(vq->call_peer);
	if (vq->call_fd >= 0)
		close(vq->call_fd);
	if (vq->kick_fd >= 0)
		close(vq->kick_fd);
	if (vq->err_fd >= 0)
		close(vq->err_fd);
	free(vq->next);
	free(vq->count);
	free(vq->busy);
}

int vufe_vq_start(struct vufe_vq *vq)
{
	int r = vq->dev->ops->vq_start(vq);

	vq->running = !r;
	return r;
}

int vufe_vq_stop(struct vufe_vq *vq, uint16_t *ret_base)
{
	int r = vq->dev->ops->vq_stop(vq);

	if (r)
		return r;
	vq->running = false;
	if (ret_base)
		*ret_base = vq->base;
	return 0;
}

int vufe_vq_is_broken(struct vufe_vq *vq, int timeout_ms)
{
	return vq->dev->ops->is_broken(vq, timeout_ms);
}

static void fill(struct vring_desc *d, const struct vufe_seg *seg, unsigned i, unsigned nr_out,
		 unsigned n, uint16_t next)
{
	d->addr = seg[i].gpa;
	d->len = seg[i].len;
	d->flags = (uint16_t)((i >= nr_out ? VRING_DESC_F_WRITE : 0) |
			      (i + 1 < n ? VRING_DESC_F_NEXT : 0));
	d->next = i + 1 < n ? next : 0;
}

static int build_indirect(struct vufe_vq *vq, const struct vufe_seg *seg, unsigned nr_out,
			  unsigned n)
{
	uint16_t head = vq->free_head;
	size_t at = (size_t)head * vq->dev->opts.max_segs;
	struct vring_desc *d = &vq->desc[head];
	unsigned i;

	for (i = 0; i < n; i++)
		fill(&vq->ind[at + i], seg, i, nr_out, n, (uint16_t)(i + 1));
	d->addr = vq->ind_gpa + at * sizeof(*d);
	d->len = (uint32_t)(n * sizeof(*d));
	d->flags = VRING_DESC_F_INDIRECT;
	d->next = 0;
	vq->free_head = vq->next[head];
	vq->nr_free--;
	vq->count[head] = 1;
	return head;
}

int vufe_vq_build(struct vufe_vq *vq, const struct vufe_seg *seg, unsigned nr_out, unsigned nr_in)
{
	unsigned i, n = nr_out + nr_in;
	uint16_t head = vq->free_head, at = head;

	if (!n || n > vq->dev->opts.max_segs)
		return -EINVAL;
	if (vq->ind && n > 1)
		return vq->nr_free ? build_indirect(vq, seg, nr_out, n) : -ENOSPC;
	if (n > vq->nr_free)
		return -ENOSPC;
	for (i = 0; i < n; i++) {
		fill(&vq->desc[at], seg, i, nr_out, n, vq->next[at]);
		at = vq->next[at];
	}
	vq->free_head = at;
	vq->nr_free = (uint16_t)(vq->nr_free - n);
	vq->count[head] = (uint16_t)n;
	return head;
}

void vufe_vq_release(struct vufe_vq *vq, uint16_t head)
{
	uint16_t last = head, i;

	if (!vq->count[head])
		return;
	for (i = 1; i < vq->count[head]; i++)
		last = vq->next[last];
	vq->next[last] = vq->free_head;
	vq->free_head = head;
	vq->nr_free = (uint16_t)(vq->nr_free + vq->count[head]);
	vq->count[head] = 0;
	vq->busy[head] = 0;
}

void vufe_vq_post(struct vufe_vq *vq, uint16_t head)
{
	vq->busy[head] = 1;
	vq->avail->ring[vq->avail_idx++ & (vq->size - 1)] = head;
}

int vufe_vq_kick(struct vufe_vq *vq)
{
	vq->nr_kicks++;
	return vq->dev->ops->kick(vq);
}

int vufe_vq_publish(struct vufe_vq *vq)
{
	uint16_t old = vq->pub_idx, new = vq->avail_idx;

	if (old == new)
		return 0;
	/* Pairs with the device's acquire of avail->idx. */
	store_release(&vq->avail->idx, new);
	vq->pub_idx = new;
	/* The device writes its wish, then looks at idx; here it is idx, then the wish. */
	full_barrier();
	if (vq->event_idx ? !vring_need_event(READ_ONCE(*avail_event(vq)), new, old) :
			    READ_ONCE(vq->used->flags) & VRING_USED_F_NO_NOTIFY)
		return 0;
	return vufe_vq_kick(vq);
}

int vufe_vq_pop(struct vufe_vq *vq, uint16_t *ret_head, uint32_t *ret_len)
{
	struct vring_used_elem e;

	if (vq->used_idx == vq->used_seen) {
		/* Pairs with the device's release of used->idx. */
		vq->used_seen = load_acquire(&vq->used->idx);
		if (vq->used_idx == vq->used_seen)
			return 0;
	}
	e = vq->used->ring[vq->used_idx & (vq->size - 1)];
	if (e.id >= vq->size || !vq->busy[e.id])
		return vufe_fail(vq->dev, -EIO, "queue %u: the device completed head %u, which it "
				 "does not have", vq->index, e.id);
	vq->used_idx++;
	vq->busy[e.id] = 0;
	*ret_head = (uint16_t)e.id;
	*ret_len = e.len;
	return 1;
}

static bool have_used(const struct vufe_vq *vq)
{
	return load_acquire(&vq->used->idx) != vq->used_idx;
}

static void interrupts(struct vufe_vq *vq, bool on)
{
	if (vq->event_idx)
		WRITE_ONCE(*used_event(vq), (uint16_t)(vq->used_idx - (on ? 0 : 1)));
	else
		WRITE_ONCE(vq->avail->flags, (uint16_t)(on ? 0 : VRING_AVAIL_F_NO_INTERRUPT));
	/* The device publishes idx, then looks at our wish; here it is the wish, then idx. */
	full_barrier();
}

int vufe_vq_wait(struct vufe_vq *vq, int timeout_ms)
{
	struct pollfd p[2] = {{.fd = vq->call_fd, .events = POLLIN},
			      {.fd = vq->dev->sock, .events = POLLRDHUP}};
	bool serve = vq->dev->opts.private_mem;
	uint64_t drain[8];
	int r;

	interrupts(vq, true);
	if (have_used(vq)) {
		interrupts(vq, false);
		return 1;
	}
	if (serve)
		p[1].events |= POLLIN;
	r = poll(p, 2, timeout_ms);
	if (r > 0 && serve && p[1].revents & POLLIN) {
		int e = vq->dev->ops->serve(vq->dev);

		if (e)
			return e;
	}
	if (r > 0 && p[0].revents & POLLIN && read(vq->call_fd, drain, sizeof(drain)) < 0)
		r = -errno;
	interrupts(vq, false);
	if (have_used(vq))
		return 1;
	if (r > 0 && p[1].revents & ~POLLIN)
		return vufe_fail(vq->dev, -ECONNRESET, "the back end hung up");
	return 0;
}
