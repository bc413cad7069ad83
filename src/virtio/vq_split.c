/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: the split ring, device side
 *
 * The driver owns the descriptor table and the avail ring, the device the used ring; all of it is
 * shared memory that the driver may rewrite at any moment. Hence: our indices live in struct vq and
 * are never read back, each foreign word is read exactly once (volatile), and only the copy is
 * judged.
 *
 *   last_avail ... avail_shadow     heads we know of and have not taken
 *   used_published ... used_next    used elements written, not yet shown by used.idx
 *
 * Ordering against the driver (virtio 1.2, 2.7.13 ff.):
 *   driver: descriptors, avail.ring[]; wmb; avail.idx      device: acquire avail.idx; the rest
 *   device: used.ring[]; store-release used.idx            driver: used.idx; rmb; used.ring[]
 *   device: used.idx; full; read used_event/avail.flags    driver: write those; full; read used.idx
 *   device: write avail_event/used.flags; full; avail.idx  driver: avail.idx; full; read those
 *
 * In-flight log (vhost-user document, "Inflight I/O tracking"). Taking a chain writes its number
 * and inflight = 1; giving it back links it into the list of the current batch; publishing clears
 * the flags of the batch after used.idx moved and copies used.idx last. A crash between those steps
 * shows as used_idx != used.idx, and the last batch is then known to be done. What is still in
 * flight after that is resubmitted, oldest first, before anything new. The log is also writable by
 * the front end, so links and numbers out of it are bounded; it can only hurt its own guest.
 */
#include "virtio/vq.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomics.h"
#include "base/util.h"
#include "virtio/vq_ops.h"

/* A descriptor's second word: len, flags, next in little-endian order. */
struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

/* A table of descriptors: the ring's own or an indirect one. */
struct table {
	const uint8_t *desc; /* an indirect one may lie anywhere */
	unsigned int size;
	unsigned int left; /* descriptors a chain may still take from it */
	bool is_indirect;
};

/* What vq_pop() collects. */
struct walk {
	struct iovec *seg;
	unsigned int nr, max;
	uint64_t len; /* readable and writable */
	bool writing; /* saw a writable descriptor: then these are what came before it */
	unsigned int nr_in;
	uint64_t len_in;
	const struct gm_region *region; /* hit last */
};

/* Stands in for the region hit last when there is no memory at all. */
static const struct gm_region split_no_region;

/* Numbers in a log beyond this are not ours: they would soon wrap. */
#define SPLIT_COUNTER_MAX (UINT64_MAX / 2)

static struct vring_avail *split_avail_ring(const struct vq *vq)
{
	return vq->cfg.avail;
}

static struct vring_used *split_used_ring(const struct vq *vq)
{
	return vq->cfg.used;
}

/* The driver's wish for interrupts, behind the avail ring. */
static uint16_t *split_used_event(const struct vq *vq)
{
	return &split_avail_ring(vq)->ring[vq->cfg.size];
}

/* Our wish for kicks, behind the used ring. */
static uint16_t *split_avail_event(const struct vq *vq)
{
	return (uint16_t *)&split_used_ring(vq)->ring[vq->cfg.size];
}

static int split_break(struct vq *vq, enum vq_broken reason)
{
	vq->broken = reason;
	return -EPROTO;
}

/* A copy that is not looked up again; of any alignment, and one load where that is allowed. */
static inline uint64_t split_load_word(const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	/* the compiler must not read p once more instead of keeping w */
	__asm__ volatile("" : "+r"(w));
	return le64toh(w);
}

static inline struct desc split_load_desc(const struct table *t, unsigned int i)
{
	const uint8_t *p = t->desc + i * sizeof(struct vring_desc);
	uint64_t w0 = split_load_word(p);
	uint64_t w1 = split_load_word(p + 8);

	return (struct desc){
		.addr = w0,
		.len = (uint32_t)w1,
		.flags = (uint16_t)(w1 >> 32),
		.next = (uint16_t)(w1 >> 48),
	};
}

/* The descriptor's bytes in general: several segments where they cross memory regions. */
static __attribute__((noinline)) int split_add_pieces(struct vq *vq, struct walk *w,
						       const struct desc *d)
{
	uint64_t addr = d->addr, left = d->len, n;

	for (; left; left -= n, addr += n) {
		void *p = gm_translate(vq->cfg.gm, addr, left, w->writing, &vq->gm_hint, &n);

		if (!p)
			return split_break(vq, VQ_BAD_ADDRESS);
		if (w->nr == w->max)
			return w->max < VQ_MAX_SEGS ? -ENOBUFS : split_break(vq, VQ_TOO_LONG);
		w->seg[w->nr++] = (struct iovec){ p, n };
	}
	w->region = &vq->cfg.gm->region[vq->gm_hint];
	return 0;
}

/* The usual case inline: all of it in the region that was hit last. */
static inline int split_add_segs(struct vq *vq, struct walk *w, const struct desc *d)
{
	const struct gm_region *r = w->region;
	uint64_t off = d->addr - r->gpa; /* huge when it lies below the region */

	if (unlikely(off >= r->size || d->len > r->size - off || (w->writing && !r->writable) ||
		     w->nr == w->max))
		return split_add_pieces(vq, w, d);
	w->seg[w->nr++] = (struct iovec){ r->base + off, d->len };
	return 0;
}

static inline int split_add(struct vq *vq, struct walk *w, const struct desc *d)
{
	if (d->flags & VRING_DESC_F_WRITE) {
		if (!w->writing) {
			w->writing = true;
			w->nr_in = w->nr;
			w->len_in = w->len;
		}
	} else if (unlikely(w->writing)) {
		return split_break(vq, VQ_BAD_ORDER);
	}
	if (unlikely(!d->len))
		return 0;
	w->len += d->len;
	if (unlikely(w->len > UINT32_MAX))
		return split_break(vq, VQ_TOO_LONG);
	return split_add_segs(vq, w, d);
}

/* Steps into the table of an indirect descriptor. */
static int split_enter(struct vq *vq, struct table *t, const struct desc *d)
{
	uint64_t n;
	void *p;

	if (!vq->indirect || t->is_indirect || (d->flags & VRING_DESC_F_NEXT) || !d->len ||
	    d->len % sizeof(struct vring_desc) ||
	    d->len / sizeof(struct vring_desc) > VQ_MAX_SEGS)
		return split_break(vq, VQ_BAD_INDIRECT);
	p = gm_translate(vq->cfg.gm, d->addr, d->len, false, &vq->gm_hint, &n);
	if (!p || n < d->len)
		return split_break(vq, VQ_BAD_INDIRECT);
	t->desc = p;
	t->size = t->left = d->len / sizeof(struct vring_desc);
	t->is_indirect = true;
	return 0;
}

/*
 * The usual chain at the cost of a few instructions per segment: one indirect table, filled in
 * order as drivers do, every segment in the region hit last. With anything else false, and nothing
 * has happened: split_walk() looks from the start and judges.
 */
struct quick {
	const uint8_t *desc, *end;
	struct iovec *seg;
	uint64_t len;
	uint32_t next; /* flags and next of a descriptor that has a successor */
};

/* false: not wholly in the region, or empty. */
static inline bool split_quick_add(struct quick *k, const struct gm_region *r, uint64_t addr,
				   uint32_t len)
{
	uint64_t off = addr - r->gpa; /* huge when it lies below the region */

	/* a length of 0 is huge here as well */
	if (unlikely(off >= r->size || (uint64_t)len - 1 >= r->size - off))
		return false;
	k->seg->iov_base = r->base + off;
	k->seg->iov_len = len;
	k->seg++;
	k->len += len;
	return true;
}

/*
 * Takes descriptors as long as they are of direction dir; *ret_end: the chain ended there. false:
 * not the usual chain.
 */
static inline bool split_quick_run(struct quick *k, const struct gm_region *r, uint32_t dir,
				   bool *ret_end)
{
	for (; k->desc < k->end; k->desc += sizeof(struct vring_desc), k->next += 1u << 16) {
		uint64_t addr = split_load_word(k->desc), w = split_load_word(k->desc + 8);
		uint32_t flags = (uint32_t)(w >> 32);

		if (flags != (k->next | dir)) {
			if ((uint16_t)flags != dir)
				return !dir; /* another direction, or something odd */
			*ret_end = true;
			return split_quick_add(k, r, addr, (uint32_t)w);
		}
		if (unlikely(!split_quick_add(k, r, addr, (uint32_t)w)))
			return false;
	}
	return false;
}

static inline bool split_walk_quick(const struct vq *vq, uint16_t head, struct walk *w)
{
	const struct gm_region *r = w->region;
	struct desc d = split_load_desc(&(struct table){ .desc = vq->cfg.desc }, head);
	uint64_t off = d.addr - r->gpa;
	struct quick k = { .seg = w->seg, .next = VRING_DESC_F_NEXT | 1u << 16 };
	bool end = false;

	if (unlikely(d.flags != VRING_DESC_F_INDIRECT || !vq->indirect || !r->writable ||
		     d.len % sizeof(struct vring_desc) ||
		     d.len / sizeof(struct vring_desc) > w->max || off >= r->size ||
		     d.len > r->size - off))
		return false;
	k.desc = r->base + off;
	k.end = k.desc + d.len;
	if (!split_quick_run(&k, r, 0, &end))
		return false;
	w->nr_in = (unsigned int)(k.seg - w->seg);
	w->len_in = k.len;
	if (!end && (!split_quick_run(&k, r, VRING_DESC_F_WRITE, &end) || !end))
		return false;
	w->nr = (unsigned int)(k.seg - w->seg);
	w->len = k.len;
	return k.len <= UINT32_MAX;
}

/* Follows the chain from head. Each table bounds the steps taken in it, so this ends. */
static __attribute__((noinline)) int split_walk(struct vq *vq, uint16_t head, struct walk *w)
{
	struct table t = { .desc = vq->cfg.desc, .size = vq->cfg.size, .left = vq->cfg.size };
	unsigned int i = head;
	struct desc d;
	int rc;

	w->nr = w->nr_in = 0;
	w->len = w->len_in = 0;
	w->writing = false;
	for (;;) {
		if (unlikely(!t.left--))
			return split_break(vq, VQ_LOOP);
		d = split_load_desc(&t, i);
		if (unlikely(d.flags & VRING_DESC_F_INDIRECT)) {
			rc = split_enter(vq, &t, &d);
			i = 0;
			if (rc)
				return rc;
			continue;
		}
		rc = split_add(vq, w, &d);
		if (unlikely(rc))
			return rc;
		if (!(d.flags & VRING_DESC_F_NEXT))
			break;
		i = d.next;
		if (unlikely(i >= t.size))
			return split_break(vq, VQ_BAD_NEXT);
	}
	if (!w->writing) {
		w->nr_in = w->nr;
		w->len_in = w->len;
	}
	return w->nr ? 0 : split_break(vq, VQ_EMPTY_CHAIN);
}

/* Looks at avail.idx once. 1: there are new heads, 0: none, -EPROTO. */
static int split_refill(struct vq *vq)
{
	/* pairs with the driver's barrier between filling the ring and moving avail.idx */
	uint16_t idx = le16toh(load_acquire(&split_avail_ring(vq)->idx));

	if (unlikely(vq_memory_lost(vq)))
		return split_break(vq, VQ_MEMORY_LOST);
	if ((uint16_t)(idx - vq->last_avail) > vq->cfg.size)
		return split_break(vq, VQ_AVAIL_JUMP);
	vq->avail_shadow = idx;
	return idx != vq->last_avail;
}

/* Chains looked at ahead, and descriptors of each: a header, an argument, the answer's header. */
#define SPLIT_AHEAD 8
#define SPLIT_AHEAD_SEGS 4

/*
 * For writing in any case: drivers put the answer's header next to the request's (Linux does), and
 * will want to write to either again.
 */
static inline void split_prefetch_seg(const struct gm_region *r, const struct desc *d)
{
	uint64_t off = d->addr - r->gpa;

	if (likely(off < r->size))
		prefetch_write(r->base + off);
}

/* Drivers fill indirect tables in order. */
static inline void split_prefetch_table(const struct gm_region *r, const uint8_t *p, uint32_t len)
{
	const uint8_t *end = p + min(len, SPLIT_AHEAD_SEGS * (uint32_t)sizeof(struct vring_desc));
	uint64_t off;

	for (; p < end; p += sizeof(struct vring_desc)) {
		off = split_load_word(p) - r->gpa;
		if (likely(off < r->size))
			prefetch_write(r->base + off);
		if (split_load_word(p + 8) & (uint64_t)VRING_DESC_F_WRITE << 32)
			return;
	}
}

/* A hint only: nothing here is judged, and what looks odd ends it. */
static inline void split_prefetch_chain(const struct vq *vq, const struct gm_region *r, uint16_t head)
{
	struct table t = { .desc = vq->cfg.desc, .size = vq->cfg.size };
	unsigned int i = head, left = SPLIT_AHEAD_SEGS;
	uint64_t off;
	struct desc d;

	if (unlikely(i >= t.size))
		return;
	d = split_load_desc(&t, i);
	if (d.flags & VRING_DESC_F_INDIRECT) {
		off = d.addr - r->gpa;
		if (likely(off < r->size && d.len <= r->size - off && !(d.len % sizeof(d))))
			split_prefetch_table(r, r->base + off, d.len);
		return;
	}
	for (;;) {
		split_prefetch_seg(r, &d);
		if ((d.flags & (VRING_DESC_F_WRITE | VRING_DESC_F_NEXT)) != VRING_DESC_F_NEXT ||
		    d.next >= t.size || !--left)
			return;
		d = split_load_desc(&t, d.next);
	}
}

void vq_split_prefetch(struct vq *vq)
{
	const struct gmem *gm = vq->cfg.gm;
	const struct gm_region *r = gm->nr ? &gm->region[vq->gm_hint] : &split_no_region;
	uint16_t known = (uint16_t)(vq->avail_shadow - vq->last_avail), ahead;

	ahead = (uint16_t)(vq->prefetched - vq->last_avail);
	if (ahead > known) { /* behind: what was taken meanwhile was not waited for */
		vq->prefetched = vq->last_avail;
		ahead = 0;
	}
	for (; ahead < known && ahead < SPLIT_AHEAD; ahead++, vq->prefetched++)
		split_prefetch_chain(vq, r, le16toh(READ_ONCE(split_avail_ring(vq)->ring[
						    vq->prefetched & (vq->cfg.size - 1)])));
}

static void split_log_pop(const struct vq *vq, const struct vq_chain *chain)
{
	struct vq_inflight_desc *e = &vq->cfg.inflight->desc[chain->head];

	WRITE_ONCE(e->counter, chain->counter);
	/* a crash in between must not leave the flag with an old number */
	store_release(&e->inflight, 1);
}

/* Finds the next head: of the chains to run again first, then of the ring. 1, 0 or -EPROTO. */
static inline int split_next_head(struct vq *vq, bool *ret_again, uint16_t *ret_head)
{
	int rc;

	if (unlikely(vq->broken))
		return -EPROTO;
	if (unlikely(vq->inflight >= vq->cfg.size))
		return vq_split_avail(vq) ? split_break(vq, VQ_AVAIL_JUMP) : 0;
	*ret_again = vq->resubmit_pos < vq->resubmit_cnt;
	if (unlikely(*ret_again)) {
		*ret_head = vq->resubmit[vq->resubmit_pos].head;
		return 1;
	}
	if (vq->last_avail == vq->avail_shadow) {
		rc = split_refill(vq);
		if (rc <= 0)
			return rc;
	}
	*ret_head = le16toh(READ_ONCE(
		split_avail_ring(vq)->ring[vq->last_avail & (vq->cfg.size - 1)]));
	if (unlikely(*ret_head >= vq->cfg.size))
		return split_break(vq, VQ_BAD_HEAD);
	return 1;
}

int vq_split_pop(struct vq *vq, struct iovec *seg, unsigned int max_seg,
		 struct vq_chain *ret_chain)
{
	const struct gmem *gm = vq->cfg.gm;
	struct walk w;
	uint16_t head = 0;
	bool again = false;
	int rc;

	rc = split_next_head(vq, &again, &head);
	if (rc <= 0)
		return rc;
	w.seg = seg;
	w.max = min(max_seg, (unsigned int)VQ_MAX_SEGS);
	w.region = likely(gm->nr) ? &gm->region[vq->gm_hint] : &split_no_region;
	if (unlikely(!split_walk_quick(vq, head, &w))) {
		rc = split_walk(vq, head, &w);
		if (unlikely(rc))
			return rc;
	}
	ret_chain->head = head;
	ret_chain->nr_in = (uint16_t)w.nr_in;
	ret_chain->nr_out = (uint16_t)(w.nr - w.nr_in);
	ret_chain->len_in = (uint32_t)w.len_in;
	ret_chain->len_out = (uint32_t)(w.len - w.len_in);
	vq->inflight++;
	if (unlikely(again)) {
		ret_chain->counter = vq->resubmit[vq->resubmit_pos++].counter;
		return 1;
	}
	ret_chain->counter = vq->counter++;
	vq->last_avail++;
	if (vq->cfg.inflight)
		split_log_pop(vq, ret_chain);
	return 1;
}

static void split_unpop(struct vq *vq, const struct vq_chain *chain)
{
	vq->inflight--;
	if (chain->counter < vq->counter_first) {
		vq->resubmit_pos--;
		return;
	}
	vq->last_avail--;
	vq->counter--;
	if (vq->cfg.inflight)
		store_release(&vq->cfg.inflight->desc[chain->head].inflight, 0);
}

void vq_split_push(struct vq *vq, uint16_t head, uint32_t len)
{
	struct vring_used_elem *e =
		&split_used_ring(vq)->ring[vq->used_next & (vq->cfg.size - 1)];
	struct vq_inflight *log = vq->cfg.inflight;

	assert(head < vq->cfg.size && vq->inflight);
	WRITE_ONCE(e->id, htole32(head));
	WRITE_ONCE(e->len, htole32(len));
	vq->used_next++;
	vq->inflight--;
	if (log) {
		WRITE_ONCE(log->desc[head].next, READ_ONCE(log->last_batch_head));
		/* after a crash the head of the list must lead to valid links */
		store_release(&log->last_batch_head, head);
	}
}

/* Walks the list of the last batch, n entries at most. false: a link leads out of the log. */
static bool split_log_batch_done(struct vq *vq, unsigned int n)
{
	struct vq_inflight *log = vq->cfg.inflight;
	uint16_t head = READ_ONCE(log->last_batch_head);

	for (; n; n--) {
		if (head >= vq->cfg.size)
			return false;
		WRITE_ONCE(log->desc[head].inflight, 0);
		head = READ_ONCE(log->desc[head].next);
	}
	return true;
}

/*
 * Publishing in the log. A link that the front end has bent in the meantime leaves flags set: its
 * guest may then see chains twice after a crash, which is what it asked for.
 */
static void split_log_publish(struct vq *vq, unsigned int batch)
{
	split_log_batch_done(vq, min(batch, (unsigned int)vq->cfg.size));
	/* all flags of the batch before the mark that says so */
	store_release(&vq->cfg.inflight->used_idx, vq->used_next);
}

/* Virtio 1.2, 2.7.10: with EVENT_IDX an interrupt is due when used.idx passes used_event. */
static bool split_wants_interrupt(struct vq *vq)
{
	uint16_t old = vq->signalled, new = vq->used_next;
	bool valid = vq->signalled_valid;
	uint16_t event;

	if (!vq->event_idx)
		return !(le16toh(READ_ONCE(split_avail_ring(vq)->flags)) &
			 VRING_AVAIL_F_NO_INTERRUPT);
	event = le16toh(READ_ONCE(*split_used_event(vq)));
	vq->signalled = new;
	vq->signalled_valid = true;
	return !valid || (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

static bool split_publish(struct vq *vq)
{
	uint16_t batch = (uint16_t)(vq->used_next - vq->used_published);

	/* pairs with the driver's read barrier between used.idx and used.ring[] */
	store_release(&split_used_ring(vq)->idx, htole16(vq->used_next));
	vq->used_published = vq->used_next;
	if (vq->cfg.inflight)
		split_log_publish(vq, batch);
	/* pairs with the driver's barrier between asking for interrupts and looking at used.idx */
	full_barrier();
	return split_wants_interrupt(vq);
}

bool vq_split_avail(struct vq *vq)
{
	if (vq->resubmit_pos < vq->resubmit_cnt || vq->last_avail != vq->avail_shadow)
		return true;
	/* pairs with the driver's barrier between filling the ring and moving avail.idx */
	return le16toh(load_acquire(&split_avail_ring(vq)->idx)) != vq->last_avail ||
	       vq_memory_lost(vq);
}

/*
 * With EVENT_IDX "no kicks" needs no write: the driver kicks only when avail.idx passes
 * avail_event, which lies behind it until it is armed again (or 65536 chains later, one kick too
 * many).
 */
static bool split_set_kicks(struct vq *vq, bool on)
{
	vq->kicks_wanted = on;
	if (vq->event_idx) {
		if (on)
			WRITE_ONCE(*split_avail_event(vq), htole16(vq->last_avail));
	} else {
		WRITE_ONCE(split_used_ring(vq)->flags, htole16(on ? 0 : VRING_USED_F_NO_NOTIFY));
	}
	if (!on)
		return false;
	/* pairs with the driver's barrier between moving avail.idx and deciding about a kick */
	full_barrier();
	return vq_split_avail(vq);
}

static int split_resubmit_cmp(const void *a, const void *b)
{
	const struct vq_resubmit *x = a, *y = b;

	return x->counter < y->counter ? -1 : x->counter > y->counter;
}

/* Copies the chains in flight out of the log, sorted by number. Returns how many. */
static unsigned int split_log_collect(const struct vq *vq, struct vq_resubmit *list)
{
	const struct vq_inflight *log = vq->cfg.inflight;
	unsigned int n = 0;

	for (uint16_t i = 0; i < vq->cfg.size; i++) {
		if (READ_ONCE(log->desc[i].inflight) != 1)
			continue;
		list[n].counter = READ_ONCE(log->desc[i].counter);
		list[n++].head = i;
	}
	qsort(list, n, sizeof(*list), split_resubmit_cmp);
	return n;
}

/* Numbers must be usable as ids: distinct and far from the end. */
static bool split_resubmit_valid(const struct vq_resubmit *list, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (list[i].counter > SPLIT_COUNTER_MAX ||
		    (i && list[i].counter == list[i - 1].counter))
			return false;
	return true;
}

static int split_log_resubmit(struct vq *vq)
{
	struct vq_resubmit list[VQ_MAX_SIZE];
	unsigned int n = split_log_collect(vq, list);

	if (!n)
		return 0;
	if (!split_resubmit_valid(list, n))
		return -EINVAL;
	vq->resubmit = malloc(n * sizeof(*list));
	if (!vq->resubmit)
		return -ENOMEM;
	memcpy(vq->resubmit, list, n * sizeof(*list));
	vq->resubmit_cnt = (uint16_t)n;
	vq->counter = max(vq->counter, list[n - 1].counter + 1);
	return 0;
}

/*
 * Takes over the log of a predecessor. Its base is not what the front end says: one that lost its
 * back end knows used.idx at best, but what was taken and not finished is counted in the log.
 */
static int split_log_start(struct vq *vq)
{
	struct vq_inflight *log = vq->cfg.inflight;
	uint16_t version = READ_ONCE(log->version);
	uint16_t batch = (uint16_t)(vq->used_next - READ_ONCE(log->used_idx));
	int rc;

	if (!version) {
		vq_inflight_init(log, vq->cfg.size);
		log->used_idx = vq->used_next;
		return 0;
	}
	if (version != 1 || READ_ONCE(log->desc_num) < vq->cfg.size)
		return -EINVAL;
	if (!split_log_batch_done(vq, min((unsigned int)batch, (unsigned int)vq->cfg.size)))
		return -EINVAL;
	store_release(&log->used_idx, vq->used_next);
	rc = split_log_resubmit(vq);
	vq->last_avail = (uint16_t)(vq->used_next + vq->resubmit_cnt);
	return rc;
}

static int split_start(struct vq *vq, uint64_t counter_base)
{
	int rc = 0;

	vq->used_next = le16toh(READ_ONCE(split_used_ring(vq)->idx));
	vq->used_published = vq->used_next;
	vq->last_avail = vq->cfg.last_avail;
	vq->counter = counter_base;
	if (vq->cfg.inflight)
		rc = split_log_start(vq);
	vq->avail_shadow = vq->last_avail;
	vq->counter_first = vq->counter;
	return rc;
}

const struct vq_ops vq_split_ops = {
	.start = split_start,
	.pop = vq_split_pop,
	.unpop = split_unpop,
	.push = vq_split_push,
	.prefetch = vq_split_prefetch,
	.publish = split_publish,
	.avail = vq_split_avail,
	.set_kicks = split_set_kicks,
};
