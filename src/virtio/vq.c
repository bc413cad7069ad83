/* SPDX-License-Identifier: BSD-3-Clause */
/* The layout-independent half of the virtqueue engine; see vq.h and vq_ops.h. */
#include "virtio/vq.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "virtio/vq_ops.h"

static const char *const vq_broken_names[VQ_NR_BROKEN] = {
	[VQ_OK] = "not broken",
	[VQ_AVAIL_JUMP] = "avail index moved by more than the ring size",
	[VQ_BAD_HEAD] = "head index beyond the descriptor table",
	[VQ_BAD_NEXT] = "next index beyond the descriptor table",
	[VQ_LOOP] = "descriptor loop",
	[VQ_BAD_INDIRECT] = "bad indirect descriptor",
	[VQ_BAD_ADDRESS] = "buffer outside of guest memory",
	[VQ_BAD_ORDER] = "readable buffer behind a writable one",
	[VQ_TOO_LONG] = "descriptor chain too long",
	[VQ_EMPTY_CHAIN] = "descriptor chain without a byte",
	[VQ_MEMORY_LOST] = "guest memory was taken away",
};

const char *vq_broken_str(enum vq_broken reason)
{
	return (unsigned int)reason < VQ_NR_BROKEN ? vq_broken_names[reason] : "unknown";
}

size_t vq_desc_bytes(uint16_t size)
{
	return size * sizeof(struct vring_desc);
}

/* flags, idx and the event index are one element each */
size_t vq_avail_bytes(uint16_t size)
{
	return (3 + (size_t)size) * sizeof(uint16_t);
}

size_t vq_used_bytes(uint16_t size)
{
	return 3 * sizeof(uint16_t) + size * sizeof(struct vring_used_elem);
}

size_t vq_inflight_size(uint16_t queue_size)
{
	size_t len = sizeof(struct vq_inflight) + queue_size * sizeof(struct vq_inflight_desc);

	return ALIGN_UP(len, (size_t)64);
}

void vq_inflight_init(struct vq_inflight *log, uint16_t queue_size)
{
	memset(log, 0, vq_inflight_size(queue_size));
	log->version = 1;
	log->desc_num = queue_size;
}

static bool vq_aligned(const void *p, uintptr_t to)
{
	return p && !((uintptr_t)p & (to - 1));
}

bool vq_rings_aligned(const void *desc, const void *avail, const void *used)
{
	return vq_aligned(desc, 16) && vq_aligned(avail, 2) && vq_aligned(used, 4);
}

static bool vq_config_valid(const struct vq_config *cfg)
{
	return is_pow2(cfg->size) && cfg->size <= VQ_MAX_SIZE && cfg->gm &&
	       vq_rings_aligned(cfg->desc, cfg->avail, cfg->used) &&
	       (!cfg->inflight || vq_aligned(cfg->inflight, 8));
}

int vq_init(struct vq *vq, const struct vq_config *cfg, uint64_t counter_base)
{
	int rc;

	memset(vq, 0, sizeof(*vq));
	if (!vq_config_valid(cfg))
		return -EINVAL;
	if (cfg->features & (1ull << VIRTIO_F_RING_PACKED))
		return -EOPNOTSUPP;
	vq->ops = &vq_split_ops;
	vq->cfg = *cfg;
	vq->event_idx = cfg->features & (1ull << VIRTIO_RING_F_EVENT_IDX);
	vq->indirect = cfg->features & (1ull << VIRTIO_RING_F_INDIRECT_DESC);
	rc = vq->ops->start(vq, counter_base);
	if (rc) {
		free(vq->resubmit);
		memset(vq, 0, sizeof(*vq));
		return rc;
	}
	gm_get(cfg->gm);
	return 0;
}

void vq_fini(struct vq *vq)
{
	if (!vq->ops)
		return;
	vq_publish(vq);
	gm_put(vq->cfg.gm);
	free(vq->resubmit);
	memset(vq, 0, sizeof(*vq));
}

/* Once per request: a predicted branch and a direct call instead of an indirect one. */
int vq_pop(struct vq *vq, struct iovec *seg, unsigned int max_seg, struct vq_chain *ret_chain)
{
	if (likely(vq->ops == &vq_split_ops))
		return vq_split_pop(vq, seg, max_seg, ret_chain);
	return vq->ops->pop(vq, seg, max_seg, ret_chain);
}

void vq_push(struct vq *vq, uint16_t head, uint32_t len)
{
	if (likely(vq->ops == &vq_split_ops))
		vq_split_push(vq, head, len);
	else
		vq->ops->push(vq, head, len);
}

void vq_prefetch(struct vq *vq)
{
	if (likely(vq->ops == &vq_split_ops))
		vq_split_prefetch(vq);
	else
		vq->ops->prefetch(vq);
}

void vq_unpop(struct vq *vq, const struct vq_chain *chain)
{
	vq->ops->unpop(vq, chain);
}

bool vq_publish(struct vq *vq)
{
	return vq_has_pushed(vq) && vq->ops->publish(vq);
}

bool vq_avail(struct vq *vq)
{
	if (unlikely(vq->broken))
		return false;
	return likely(vq->ops == &vq_split_ops) ? vq_split_avail(vq) : vq->ops->avail(vq);
}

bool vq_set_kicks(struct vq *vq, bool on)
{
	return vq->ops->set_kicks(vq, on) && !vq->broken;
}

/* A loss stays news until the queue breaks of it; that of other memory is looked into once. */
bool vq_check_memory(struct vq *vq)
{
	unsigned int faults = gm_guard_nr_faults();

	if (gm_is_lost(vq->cfg.gm))
		return true;
	vq->faults_seen = faults;
	return false;
}

void vq_set_memory(struct vq *vq, struct gmem *gm, void *desc, void *avail, void *used)
{
	struct gmem *old = vq->cfg.gm;

	vq->cfg.gm = gm_get(gm);
	vq->cfg.desc = desc;
	vq->cfg.avail = avail;
	vq->cfg.used = used;
	vq->gm_hint = 0;
	vq->faults_seen = 0;
	gm_put(old);
}
