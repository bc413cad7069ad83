/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Driver side of the split ring. Memory is ours, so bytes are not hostile here; ordering still
 * matters.
 */
#include "transport/loop/ring.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/atomics.h"
#include "base/util.h"

void *loop_alloc(struct loop_driver *drv, size_t len, size_t align)
{
	size_t at = ALIGN_UP(drv->mem_used, align);

	if (at > drv->mem_len || len > drv->mem_len - at)
		return NULL;
	drv->mem_used = at + len;
	return drv->mem + at;
}

void loop_ring_fini(struct loop_queue *q)
{
	if (!q->size)
		return;
	free(q->cookie);
	free(q->inflight);
	close(q->kick_fd);
	close(q->call_fd);
	memset(q, 0, sizeof(*q));
}

static int loop_ring_alloc(struct loop_driver *drv, struct loop_queue *q, bool with_log)
{
	q->desc = loop_alloc(drv, vq_desc_bytes(q->size), 16);
	q->avail = loop_alloc(drv, vq_avail_bytes(q->size), 2);
	q->used = loop_alloc(drv, vq_used_bytes(q->size), 4);
	q->indirect = loop_alloc(drv, (size_t)q->size * LOOP_INDIRECT * sizeof(struct vring_desc), 16);
	q->cookie = calloc(q->size, sizeof(*q->cookie));
	if (with_log)
		q->inflight = aligned_alloc(64, vq_inflight_size(q->size));
	if (!q->desc || !q->avail || !q->used || !q->indirect || !q->cookie ||
	    (with_log && !q->inflight))
		return -ENOMEM;
	if (with_log)
		memset(q->inflight, 0, vq_inflight_size(q->size));
	memset(q->avail, 0, vq_avail_bytes(q->size));
	memset(q->used, 0, vq_used_bytes(q->size));
	return 0;
}

int loop_ring_init(struct loop_driver *drv, struct loop_queue *q, uint16_t index, uint16_t size,
		   bool with_log)
{
	uint16_t i;
	int rc;

	loop_ring_fini(q);
	q->size = size;
	q->index = index;
	q->event_idx = drv->features & (1ull << VIRTIO_RING_F_EVENT_IDX);
	q->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = loop_ring_alloc(drv, q, with_log);
	if (rc) {
		loop_ring_fini(q);
		return rc;
	}
	for (i = 0; i < size; i++)
		q->desc[i].next = (uint16_t)(i + 1);
	q->nr_free = size;
	return 0;
}

static struct vring_desc loop_desc(const struct loop_driver *drv, const struct iovec *seg, bool write,
				   bool more, uint16_t next)
{
	return (struct vring_desc){
		.addr = loop_gpa(drv, seg->iov_base),
		.len = (uint32_t)seg->iov_len,
		.flags = (uint16_t)((write ? VRING_DESC_F_WRITE : 0) | (more ? VRING_DESC_F_NEXT : 0)),
		.next = next,
	};
}

static void loop_add_indirect(struct loop_driver *drv, struct loop_queue *q, uint16_t head,
			      const struct iovec *seg, unsigned int nr_in, unsigned int nr)
{
	struct vring_desc *table = (void *)(q->indirect +
					    (size_t)head * LOOP_INDIRECT * sizeof(*table));
	unsigned int i;

	for (i = 0; i < nr; i++)
		table[i] = loop_desc(drv, &seg[i], i >= nr_in, i + 1 < nr, (uint16_t)(i + 1));
	q->free_head = q->desc[head].next;
	q->desc[head].addr = loop_gpa(drv, table);
	q->desc[head].len = (uint32_t)(nr * sizeof(*table));
	q->desc[head].flags = VRING_DESC_F_INDIRECT;
	q->nr_free--;
}

static void loop_add_direct(struct loop_driver *drv, struct loop_queue *q, uint16_t head,
			    const struct iovec *seg, unsigned int nr_in, unsigned int nr)
{
	uint16_t at = head;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		uint16_t next = q->desc[at].next;

		q->desc[at] = loop_desc(drv, &seg[i], i >= nr_in, i + 1 < nr, next);
		at = next;
	}
	q->free_head = at;
	q->nr_free = (uint16_t)(q->nr_free - nr);
}

bool loop_add(struct loop_driver *drv, struct loop_queue *q, const struct iovec *seg,
	      unsigned int nr_in, unsigned int nr_out, void *cookie)
{
	unsigned int nr = nr_in + nr_out;
	bool indirect = nr > 1 && nr <= LOOP_INDIRECT &&
			(drv->features & (1ull << VIRTIO_RING_F_INDIRECT_DESC));
	uint16_t head = q->free_head;

	if (q->nr_free < (indirect ? 1 : nr))
		return false;
	if (indirect)
		loop_add_indirect(drv, q, head, seg, nr_in, nr);
	else
		loop_add_direct(drv, q, head, seg, nr_in, nr);
	q->cookie[head] = cookie;
	q->avail->ring[q->avail_idx++ & (q->size - 1)] = head;
	return true;
}

void loop_publish(struct loop_queue *q)
{
	uint16_t old = q->published, new = q->avail_idx;
	uint64_t one = 1;
	bool kick;

	/* pairs with the device's acquire of avail.idx */
	store_release(&q->avail->idx, new);
	q->published = new;
	/* pairs with the device's barrier between asking for kicks and looking at avail.idx */
	full_barrier();
	if (q->event_idx) {
		const uint16_t *avail_event = (const void *)&q->used->ring[q->size];
		uint16_t event = READ_ONCE(*avail_event);

		kick = (uint16_t)(new - event - 1) < (uint16_t)(new - old);
	} else {
		kick = !(READ_ONCE(q->used->flags) & VRING_USED_F_NO_NOTIFY);
	}
	if (kick && write(q->kick_fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: the device is awake */
}

static void loop_free_chain(struct loop_queue *q, uint16_t head)
{
	uint16_t at = head, cnt = 1;

	while (q->desc[at].flags & VRING_DESC_F_NEXT) {
		at = q->desc[at].next;
		cnt++;
	}
	q->desc[at].next = q->free_head;
	q->free_head = head;
	q->nr_free = (uint16_t)(q->nr_free + cnt);
}

void *loop_get_used(struct loop_queue *q, uint32_t *ret_len)
{
	const struct vring_used_elem *e;

	/* pairs with the device's release of used.idx */
	if (load_acquire(&q->used->idx) == q->last_used)
		return NULL;
	e = &q->used->ring[q->last_used++ & (q->size - 1)];
	if (q->event_idx && !q->polled) /* interrupt us for the next one */
		WRITE_ONCE(q->avail->ring[q->size], q->last_used);
	*ret_len = e->len;
	loop_free_chain(q, (uint16_t)e->id);
	return q->cookie[e->id];
}

uint64_t loop_interrupts(struct loop_queue *q)
{
	uint64_t cnt = 0;

	return read(q->call_fd, &cnt, sizeof(cnt)) == sizeof(cnt) ? cnt : 0;
}
