/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver's side of a split ring, for tests, fuzzers and benchmarks of the engine: one block of
 * memory that is "the guest", laid out as descriptor table, avail ring, used ring, free space.
 * Written from the specification and independent of the engine's code.
 */
#ifndef TESTS_VDRV_H
#define TESTS_VDRV_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/gmem.h"
#include "virtio/vq.h"

#define VDRV_GPA 0x40000000ull
#define VDRV_F_INDIRECT (1ull << VIRTIO_RING_F_INDIRECT_DESC)
#define VDRV_F_EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)

struct vdrv_buf {
	void *p; /* in guest memory */
	uint32_t len;
};

struct vdrv {
	uint8_t *mem;
	size_t mem_len;
	uint64_t features;
	uint16_t size;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint8_t *space; /* for tables and buffers */
	size_t space_len;
	struct gmem *gm;
	uint16_t last_used;
	uint16_t nr_free, free_head;
	uint16_t chain_len[VQ_MAX_SIZE]; /* by head: descriptors of the table it holds */
};

static inline uint64_t vdrv_gpa(const struct vdrv *d, const void *p)
{
	return VDRV_GPA + (uint64_t)((const uint8_t *)p - d->mem);
}

static inline void vdrv_set(struct vring_desc *desc, uint64_t addr, uint32_t len, uint16_t flags,
			    uint16_t next)
{
	*desc = (struct vring_desc){ .addr = addr, .len = len, .flags = flags, .next = next };
}

/* Rings at index start, as after that many chains. */
static inline int vdrv_init(struct vdrv *d, uint16_t size, uint64_t features, size_t space,
			    uint16_t start)
{
	size_t used_off = (vq_desc_bytes(size) + vq_avail_bytes(size) + 15) / 16 * 16;
	size_t space_off = (used_off + vq_used_bytes(size) + 4095) / 4096 * 4096;
	struct gm_region r = { .gpa = VDRV_GPA, .uva = 0x1000, .writable = true };
	int rc;

	memset(d, 0, sizeof(*d));
	d->mem_len = space_off + space;
	d->mem = aligned_alloc(4096, (d->mem_len + 4095) / 4096 * 4096);
	memset(d->mem, 0, d->mem_len);
	d->size = size;
	d->features = features;
	d->desc = (void *)d->mem;
	d->avail = (void *)(d->mem + vq_desc_bytes(size));
	d->used = (void *)(d->mem + used_off);
	d->space = d->mem + space_off;
	d->space_len = space;
	d->avail->idx = d->used->idx = d->last_used = start;
	d->nr_free = size;
	for (uint16_t i = 0; i < size; i++)
		d->desc[i].next = (uint16_t)(i + 1);
	r.size = d->mem_len;
	rc = gm_map_static(d->mem, d->mem_len, &r.map);
	if (!rc) {
		rc = gm_create(&r, 1, &d->gm);
		gm_map_put(r.map);
	}
	return rc;
}

static inline void vdrv_fini(struct vdrv *d)
{
	gm_put(d->gm);
	free(d->mem);
}

static inline struct vq_config vdrv_config(const struct vdrv *d)
{
	return (struct vq_config){
		.size = d->size,
		.desc = d->desc,
		.avail = d->avail,
		.used = d->used,
		.features = d->features,
		.last_avail = d->used->idx,
		.gm = d->gm,
	};
}

/* The device's wish for kicks (EVENT_IDX). */
static inline uint16_t vdrv_avail_event(const struct vdrv *d)
{
	const void *event = &d->used->ring[d->size];

	return __atomic_load_n((const uint16_t *)event, __ATOMIC_RELAXED); /* the device writes it */
}

static inline void vdrv_offer(struct vdrv *d, uint16_t head)
{
	d->avail->ring[d->avail->idx & (d->size - 1)] = head;
	__atomic_store_n(&d->avail->idx, (uint16_t)(d->avail->idx + 1), __ATOMIC_RELEASE);
}

/* A chain from free descriptors, the first nr_in readable. -1: too few of them; else the head. */
static inline int vdrv_add(struct vdrv *d, const struct vdrv_buf *buf, unsigned int nr_in,
			   unsigned int nr_out)
{
	unsigned int n = nr_in + nr_out;
	uint16_t head = d->free_head, i = head;

	if (n > d->nr_free)
		return -1;
	for (unsigned int k = 0; k < n; k++, i = d->desc[i].next) {
		d->desc[i].addr = vdrv_gpa(d, buf[k].p);
		d->desc[i].len = buf[k].len;
		d->desc[i].flags = (uint16_t)((k >= nr_in ? VRING_DESC_F_WRITE : 0) |
					      (k + 1 < n ? VRING_DESC_F_NEXT : 0));
	}
	d->free_head = i;
	d->nr_free = (uint16_t)(d->nr_free - n);
	d->chain_len[head] = (uint16_t)n;
	vdrv_offer(d, head);
	return head;
}

/* The same through an indirect table at table (guest memory, nr_in + nr_out entries). */
static inline int vdrv_add_indirect(struct vdrv *d, struct vring_desc *table,
				    const struct vdrv_buf *buf, unsigned int nr_in,
				    unsigned int nr_out)
{
	unsigned int n = nr_in + nr_out;
	uint16_t head = d->free_head;

	if (!d->nr_free)
		return -1;
	for (unsigned int k = 0; k < n; k++)
		vdrv_set(&table[k], vdrv_gpa(d, buf[k].p), buf[k].len,
			 (uint16_t)((k >= nr_in ? VRING_DESC_F_WRITE : 0) |
				    (k + 1 < n ? VRING_DESC_F_NEXT : 0)),
			 (uint16_t)(k + 1));
	d->free_head = d->desc[head].next;
	d->nr_free--;
	d->desc[head].addr = vdrv_gpa(d, table);
	d->desc[head].len = (uint32_t)(n * sizeof(*table));
	d->desc[head].flags = VRING_DESC_F_INDIRECT;
	d->chain_len[head] = 1;
	vdrv_offer(d, head);
	return head;
}

/* Takes one used element and frees its descriptors. -1: none; else the head. */
static inline int vdrv_take(struct vdrv *d, uint32_t *ret_len)
{
	const struct vring_used_elem *e = &d->used->ring[d->last_used & (d->size - 1)];
	uint16_t last, n;

	if (__atomic_load_n(&d->used->idx, __ATOMIC_ACQUIRE) == d->last_used)
		return -1;
	d->last_used++;
	*ret_len = e->len;
	last = (uint16_t)e->id;
	n = d->chain_len[e->id];
	d->nr_free = (uint16_t)(d->nr_free + n);
	while (--n)
		last = d->desc[last].next;
	d->desc[last].next = d->free_head;
	d->free_head = (uint16_t)e->id;
	return (int)e->id;
}

#endif
