/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one virtqueue engine (device side). Pure: no sockets, no logs, no DOCA types. Split rings
 * now; the layout-specific half is behind struct vq_ops so that a packed ring is one more file.
 *
 * Trust: everything in guest memory is hostile and may change at any time. Descriptors are copied
 * once and judged on the copy. A violation marks the queue broken (vq->broken names the reason); a
 * broken queue pops nothing more, and the device above sets NEEDS_RESET.
 *
 * Thread: a queue belongs to the I/O thread it is attached to. Set-up and tear-down happen while no
 * other thread uses it.
 */
#ifndef VIRTIO_VQ_H
#define VIRTIO_VQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "virtio/gm_guard.h"
#include "virtio/gmem.h"

#define VQ_MAX_SIZE 1024
/*
 * Longest chain accepted, readable and writable together: a 1 MiB FUSE request has 256 pages and up
 * to 5 headers, 4 MiB has 1029. The specification's bound is the queue size, but Linux before 5.14
 * exceeds it with indirect tables (256 pages on a queue of 128 or 256), so those get this bound.
 */
#define VQ_MAX_SEGS 1040

enum vq_broken {
	VQ_OK = 0,
	VQ_AVAIL_JUMP, /* avail.idx moved by more than the ring size; more chains out than heads */
	VQ_BAD_HEAD, /* head index beyond the table */
	VQ_BAD_NEXT, /* next index beyond the table */
	VQ_LOOP, /* more descriptors than the table holds */
	/* nested, empty, oversized, unmapped, continued or not negotiated */
	VQ_BAD_INDIRECT,
	VQ_BAD_ADDRESS, /* a segment is not in guest memory, or wraps */
	VQ_BAD_ORDER, /* readable after writable */
	VQ_TOO_LONG, /* more than VQ_MAX_SEGS segments or 4 GiB - 1 bytes */
	VQ_EMPTY_CHAIN, /* no segment with a length */
	VQ_MEMORY_LOST, /* the front end took guest memory away, see gm_guard.h */
	VQ_NR_BROKEN
};
const char *vq_broken_str(enum vq_broken reason);

/* Where the rings are, as host addresses checked by the caller through gmem. */
struct vq_config {
	uint16_t size; /* power of two, 1..VQ_MAX_SIZE */
	void *desc; /* 16-aligned */
	void *avail; /* 2-aligned */
	void *used; /* 4-aligned */
	uint64_t features; /* negotiated virtio features */
	uint16_t last_avail; /* where to go on (vring base) */
	struct gmem *gm; /* the engine takes its own count */
	struct vq_inflight *inflight; /* NULL, or this queue's part of the shared region */
};

/*
 * In-flight log of one split queue as laid out in the vhost-user document ("Inflight I/O
 * tracking"); shared with the front end and therefore hostile after a restart.
 */
struct vq_inflight_desc {
	uint8_t inflight;
	uint8_t padding[5];
	uint16_t next;
	uint64_t counter;
};
struct vq_inflight {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t last_batch_head;
	uint16_t used_idx;
	struct vq_inflight_desc desc[];
};

/* One popped chain. Segments lie in the caller's array: readable first, then writable. */
struct vq_chain {
	uint16_t head; /* to give back to vq_push() */
	uint16_t nr_in; /* device-readable segments, seg[0..nr_in) */
	uint16_t nr_out; /* device-writable segments, seg[nr_in..nr_in+nr_out) */
	uint32_t len_in; /* bytes */
	uint32_t len_out;
	uint64_t counter; /* running number of this chain since the counter base of the queue */
};

/* A chain to run again; copied out of the in-flight log, whose contents may change. */
struct vq_resubmit {
	uint64_t counter;
	uint16_t head;
};

struct vq_ops; /* vq_ops.h: one per ring layout */

struct vq {
	const struct vq_ops *ops; /* NULL: not initialised */
	struct vq_config cfg;
	enum vq_broken broken;
	bool event_idx;
	bool indirect;
	bool kicks_wanted; /* last state given to vq_set_kicks() */
	uint16_t last_avail; /* next avail slot to take */
	uint16_t avail_shadow; /* last avail.idx read */
	uint16_t prefetched; /* avail slots before this one have been shown to the caches */
	uint16_t used_next; /* next used slot to fill */
	uint16_t used_published; /* used.idx as the guest sees it */
	uint16_t signalled; /* used.idx at the last interrupt */
	bool signalled_valid;
	unsigned int inflight; /* popped, not pushed */
	unsigned int gm_hint;
	unsigned int faults_seen; /* of the process, when all memory here was last known to be good */
	uint64_t counter; /* number of the next chain */
	uint64_t counter_first; /* smaller numbers belong to resubmitted chains */
	/* chains to run again after a reconnect, oldest first; see vq_pop() */
	uint16_t resubmit_cnt, resubmit_pos;
	struct vq_resubmit *resubmit; /* allocated by vq_init() only when there are any */
};

/*
 * Starts the engine on cfg. counter_base: smallest chain number this queue may hand out (ids never
 * repeat in the life of a function); with an in-flight log, chains found in it are resubmitted
 * first, with their old numbers. A log of version 0 is fresh and is set up; otherwise it, and not
 * cfg->last_avail, says where to go on. cfg->inflight must have vq_inflight_size(cfg->size) bytes.
 * -EINVAL: bad size, alignment or log; -EOPNOTSUPP: packed ring; -ENOMEM. On error *vq is zeroed.
 */
int vq_init(struct vq *vq, const struct vq_config *cfg, uint64_t counter_base);
/*
 * Publishes what was pushed, drops the memory snapshot. Chains still out are forgotten (or stay in
 * the in-flight log). Safe on a zeroed or finished queue.
 */
void vq_fini(struct vq *vq);

/*
 * Takes the next chain: 1 and *ret_chain and seg[] filled; 0 nothing there; -EPROTO queue is (now)
 * broken; -ENOBUFS the chain has more than max_seg segments (it stays in the ring, seg[] is
 * garbage): call again with VQ_MAX_SEGS. Adjacent segments are not merged; zero-length ones are
 * dropped.
 */
int vq_pop(struct vq *vq, struct iovec *seg, unsigned int max_seg, struct vq_chain *ret_chain);
/*
 * Shows what the next few chains point to to the caches: the first lines of their readable segments,
 * and of the first writable one for writing. For a caller that will look there soon: the driver's
 * CPU wrote those lines last, so each would otherwise be waited for. Changes nothing; call it before
 * each vq_pop().
 */
void vq_prefetch(struct vq *vq);
/* Undoes the latest vq_pop(), when the caller has no room for it. */
void vq_unpop(struct vq *vq, const struct vq_chain *chain);

/* Gives a chain back with len bytes written. Not visible to the guest before vq_publish(). */
void vq_push(struct vq *vq, uint16_t head, uint32_t len);
/* Makes pushed chains visible. true: the guest wants an interrupt now. One call per batch. */
bool vq_publish(struct vq *vq);
static inline bool vq_has_pushed(const struct vq *vq)
{
	return vq->used_next != vq->used_published;
}

/*
 * Is anything waiting in the avail ring (or to be resubmitted)? Also when guest memory was lost:
 * the next vq_pop()s then say so. Cheap; two acquire loads at most.
 */
bool vq_avail(struct vq *vq);
bool vq_check_memory(struct vq *vq); /* the slow half of vq_memory_lost() */
/*
 * Has guest memory of this queue been lost? The device looks after it has written to guest memory
 * outside of vq_pop(). One load as long as nothing ever was.
 */
static inline bool vq_memory_lost(struct vq *vq)
{
	return gm_guard_nr_faults() != vq->faults_seen && vq_check_memory(vq);
}
/*
 * Asks the guest for kicks, or not. on: written and fenced, then looks once more: true = work
 * arrived meanwhile (do not sleep).
 */
bool vq_set_kicks(struct vq *vq, bool on);

/* Next ring position to report as vring base when the queue is stopped. */
static inline uint16_t vq_base(const struct vq *vq)
{
	return vq->last_avail;
}

/* Replaces the memory snapshot and re-translated, aligned ring addresses of a running queue. */
void vq_set_memory(struct vq *vq, struct gmem *gm, void *desc, void *avail, void *used);

/* Bytes of one queue's in-flight log, a multiple of 64. */
size_t vq_inflight_size(uint16_t queue_size);
/* Fresh log for a new connection. */
void vq_inflight_init(struct vq_inflight *log, uint16_t queue_size);

/* Ring sizes in bytes (with event index room), for address checks before vq_init(). */
size_t vq_desc_bytes(uint16_t size);
size_t vq_avail_bytes(uint16_t size);
size_t vq_used_bytes(uint16_t size);
/* As the specification wants them, not NULL. For vq_set_memory(), which cannot refuse. */
bool vq_rings_aligned(const void *desc, const void *avail, const void *used);

#endif
