/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What differs between ring layouts; private to src/virtio. vq.c owns everything else: checking the
 * configuration, the memory snapshot, the list of chains to resubmit. A packed ring is one more
 * file with one more table, chosen in vq_init() by VIRTIO_F_RING_PACKED.
 *
 * Meaning of each entry: the function of the same name in vq.h.
 */
#ifndef VIRTIO_VQ_OPS_H
#define VIRTIO_VQ_OPS_H

#include "virtio/vq.h"

struct vq_ops {
	/* Reads the ring's own state and the in-flight log; fills vq->resubmit. 0 or -errno. */
	int (*start)(struct vq *vq, uint64_t counter_base);
	int (*pop)(struct vq *vq, struct iovec *seg, unsigned int max_seg,
		   struct vq_chain *ret_chain);
	void (*prefetch)(struct vq *vq);
	void (*unpop)(struct vq *vq, const struct vq_chain *chain);
	void (*push)(struct vq *vq, uint16_t head, uint32_t len);
	bool (*publish)(struct vq *vq);
	bool (*avail)(struct vq *vq);
	bool (*set_kicks)(struct vq *vq, bool on);
};

extern const struct vq_ops vq_split_ops;

/* Those that run once per request are also called directly, see vq.c. */
int vq_split_pop(struct vq *vq, struct iovec *seg, unsigned int max_seg,
		 struct vq_chain *ret_chain);
void vq_split_push(struct vq *vq, uint16_t head, uint32_t len);
void vq_split_prefetch(struct vq *vq);
bool vq_split_avail(struct vq *vq);

#endif
