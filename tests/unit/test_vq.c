/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring engine against a driver: honest, careless and hostile. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/util.h"
#include "vdrv.h"

#define SPACE (256 * 1024)
#define F_BOTH (VDRV_F_INDIRECT | VDRV_F_EVENT_IDX)
#define W VRING_DESC_F_WRITE
#define N VRING_DESC_F_NEXT
#define I VRING_DESC_F_INDIRECT

struct rig {
	struct vdrv d;
	struct vq vq;
	struct iovec seg[VQ_MAX_SEGS];
	struct vq_chain ch;
};

static void rig_init(struct rig *r, uint16_t size, uint64_t features, uint16_t start)
{
	struct vq_config cfg;

	assert_int_equal(vdrv_init(&r->d, size, features, SPACE, start), 0);
	cfg = vdrv_config(&r->d);
	assert_int_equal(vq_init(&r->vq, &cfg, 1), 0);
}

static void rig_fini(struct rig *r)
{
	vq_fini(&r->vq);
	vq_fini(&r->vq);
	vdrv_fini(&r->d);
}

static int rig_pop(struct rig *r)
{
	vq_prefetch(&r->vq); /* as the device does; must not change anything */
	return vq_pop(&r->vq, r->seg, VQ_MAX_SEGS, &r->ch);
}

/* ---- set-up ---- */

static void test_init_refuses(void **state)
{
	struct vdrv d;
	struct vq vq;

	assert_int_equal(vdrv_init(&d, 8, 0, SPACE, 0), 0);
	for (unsigned int i = 0; i < 10; i++) {
		struct vq_config cfg = vdrv_config(&d);
		int want = -EINVAL;

		switch (i) {
		case 0: cfg.size = 0; break;
		case 1: cfg.size = 6; break;
		case 2: cfg.size = 2048; break;
		case 3: cfg.desc = (char *)cfg.desc + 8; break;
		case 4: cfg.avail = (char *)cfg.avail + 1; break;
		case 5: cfg.used = (char *)cfg.used + 2; break;
		case 6: cfg.desc = NULL; break;
		case 7: cfg.gm = NULL; break;
		case 8: cfg.features = 1ull << 34; want = -EOPNOTSUPP; break;
		case 9: want = 0; break;
		}
		assert_int_equal(vq_init(&vq, &cfg, 0), want);
		vq_fini(&vq);
	}
	assert_int_equal(d.gm->refs, 1);
	vdrv_fini(&d);
}

static void test_holds_memory(void **state)
{
	struct rig r;

	rig_init(&r, 8, 0, 0);
	assert_int_equal(r.d.gm->refs, 2);
	vq_fini(&r.vq);
	assert_int_equal(r.d.gm->refs, 1);
	rig_fini(&r);
}

/* ---- an honest driver ---- */

static void test_one_chain(void **state)
{
	struct vdrv_buf buf[4];
	uint32_t len = 0;
	struct rig r;

	rig_init(&r, 8, 0, 65534); /* wraps on the way */
	for (unsigned int i = 0; i < 4; i++)
		buf[i] = (struct vdrv_buf){ r.d.space + 1000 * i, 10 + i };
	for (unsigned int round = 0; round < 5; round++) {
		int head = vdrv_add(&r.d, buf, 2, 2);

		assert_true(vq_avail(&r.vq));
		assert_int_equal(rig_pop(&r), 1);
		assert_int_equal(r.ch.head, head);
		assert_int_equal(r.ch.nr_in, 2);
		assert_int_equal(r.ch.nr_out, 2);
		assert_int_equal(r.ch.len_in, 21);
		assert_int_equal(r.ch.len_out, 25);
		assert_int_equal(r.ch.counter, 1 + round);
		for (unsigned int i = 0; i < 4; i++) {
			assert_ptr_equal(r.seg[i].iov_base, buf[i].p);
			assert_int_equal(r.seg[i].iov_len, buf[i].len);
		}
		assert_int_equal(rig_pop(&r), 0);
		assert_false(vq_avail(&r.vq));
		vq_push(&r.vq, r.ch.head, 7 + round);
		assert_true(vq_has_pushed(&r.vq));
		assert_int_equal(vdrv_take(&r.d, &len), -1); /* not before publish */
		assert_true(vq_publish(&r.vq));
		assert_int_equal(vdrv_take(&r.d, &len), head);
		assert_int_equal(len, 7 + round);
		assert_false(vq_publish(&r.vq)); /* nothing new, nothing to say */
	}
	assert_int_equal(vq_base(&r.vq), (uint16_t)(65534 + 5));
	rig_fini(&r);
}

/* The specification does not ask for an alignment of indirect tables. */
static void test_odd_tables(void **state)
{
	for (unsigned int off = 0; off < 17; off++) {
		struct vring_desc t[2];
		struct rig r;

		rig_init(&r, 8, F_BOTH, 0);
		vdrv_set(&t[0], vdrv_gpa(&r.d, r.d.space + 101), 7, N, 1);
		vdrv_set(&t[1], vdrv_gpa(&r.d, r.d.space + 203), 9, W, 0);
		memcpy(r.d.space + off, t, sizeof(t));
		vdrv_set(&r.d.desc[0], vdrv_gpa(&r.d, r.d.space + off), sizeof(t), I, 0);
		vdrv_offer(&r.d, 0);
		assert_int_equal(rig_pop(&r), 1);
		assert_int_equal(r.ch.nr_in, 1);
		assert_int_equal(r.ch.nr_out, 1);
		assert_ptr_equal(r.seg[0].iov_base, r.d.space + 101);
		assert_int_equal(r.ch.len_in, 7);
		assert_ptr_equal(r.seg[1].iov_base, r.d.space + 203);
		assert_int_equal(r.ch.len_out, 9);
		rig_fini(&r);
	}
}

static void test_direct_then_indirect(void **state)
{
	struct vring_desc *table;
	struct rig r;

	/* plain descriptors followed by one indirect descriptor are one chain */
	rig_init(&r, 8, VDRV_F_INDIRECT, 0);
	table = (void *)r.d.space;
	vdrv_set(&r.d.desc[0], vdrv_gpa(&r.d, r.d.space + 4096), 5, N, 3);
	vdrv_set(&r.d.desc[3], vdrv_gpa(&r.d, table), 32, I | W, 99); /* W and next are ignored */
	vdrv_set(&table[0], vdrv_gpa(&r.d, r.d.space + 5000), 6, N, 1);
	vdrv_set(&table[1], vdrv_gpa(&r.d, r.d.space + 6000), 7, W, 55);
	vdrv_offer(&r.d, 0);
	assert_int_equal(rig_pop(&r), 1);
	assert_int_equal(r.ch.nr_in, 2);
	assert_int_equal(r.ch.nr_out, 1);
	assert_int_equal(r.ch.len_in, 11);
	rig_fini(&r);
}

static void test_zero_length_dropped(void **state)
{
	struct vdrv_buf buf[4];
	struct rig r;

	rig_init(&r, 8, 0, 0);
	for (unsigned int i = 0; i < 4; i++)
		buf[i] = (struct vdrv_buf){ r.d.space + i, i % 2 };
	vdrv_add(&r.d, buf, 2, 2);
	assert_int_equal(rig_pop(&r), 1);
	assert_int_equal(r.ch.nr_in, 1);
	assert_int_equal(r.ch.nr_out, 1);
	assert_ptr_equal(r.seg[1].iov_base, r.d.space + 3);
	rig_fini(&r);
}

static void test_no_room(void **state)
{
	struct vdrv_buf buf[6];
	struct rig r;

	rig_init(&r, 8, 0, 0);
	for (unsigned int i = 0; i < 6; i++)
		buf[i] = (struct vdrv_buf){ r.d.space + i, 1 };
	vdrv_add(&r.d, buf, 3, 3);
	for (unsigned int max = 0; max < 6; max++) {
		assert_int_equal(vq_pop(&r.vq, r.seg, max, &r.ch), -ENOBUFS);
		assert_true(vq_avail(&r.vq));
	}
	assert_int_equal(vq_pop(&r.vq, r.seg, 6, &r.ch), 1);
	assert_int_equal(r.ch.counter, 1);
	rig_fini(&r);
}

static void test_unpop(void **state)
{
	struct vdrv_buf buf = { NULL, 1 };
	struct rig r;

	rig_init(&r, 8, 0, 65535);
	for (unsigned int i = 0; i < 3; i++) {
		buf.p = r.d.space + i;
		vdrv_add(&r.d, &buf, 1, 0);
	}
	for (unsigned int i = 0; i < 3; i++) {
		for (unsigned int again = 0; again < 2; again++) {
			assert_int_equal(rig_pop(&r), 1);
			assert_ptr_equal(r.seg[0].iov_base, r.d.space + i);
			assert_int_equal(r.ch.counter, 1 + i);
			if (!again)
				vq_unpop(&r.vq, &r.ch);
		}
		assert_int_equal(r.vq.inflight, 1 + i);
	}
	assert_int_equal(rig_pop(&r), 0);
	rig_fini(&r);
}

/* A buffer across two regions that touch in guest addresses but not in ours. */
static void test_split_regions(void **state)
{
	struct rig r;
	struct gm_region reg[2];
	static uint8_t other[4096];
	struct gmem *gm;

	rig_init(&r, 8, 0, 0);
	memcpy(&reg[0], &r.d.gm->region[0], sizeof(reg[0]));
	reg[1] = (struct gm_region){ .gpa = reg[0].gpa + reg[0].size, .size = 4096,
				     .writable = true };
	assert_int_equal(gm_map_static(other, sizeof(other), &reg[1].map), 0);
	assert_int_equal(gm_create(reg, 2, &gm), 0);
	gm_map_put(reg[1].map);
	vq_set_memory(&r.vq, gm, r.d.desc, r.d.avail, r.d.used);
	gm_put(gm);
	assert_int_equal(r.d.gm->refs, 1);
	vdrv_set(&r.d.desc[0], reg[1].gpa - 100, 4196, W, 0);
	vdrv_offer(&r.d, 0);
	assert_int_equal(rig_pop(&r), 1);
	assert_int_equal(r.ch.nr_out, 2);
	assert_int_equal(r.ch.len_out, 4196);
	assert_int_equal(r.seg[0].iov_len, 100);
	assert_ptr_equal(r.seg[1].iov_base, other);
	rig_fini(&r);
}

/* ---- interrupts and kicks ---- */

static bool model_need_event(uint16_t event, uint16_t now, uint16_t old)
{
	for (uint16_t i = old; i != now; i++) /* passing is stepping from event to event + 1 */
		if (i == event)
			return true;
	return false;
}

static void test_interrupt_event_idx(void **state)
{
	uint16_t used = 65400, old = 65400;
	unsigned int wanted = 0;
	struct rig r;

	srand(1);
	rig_init(&r, 64, F_BOTH, used);
	for (unsigned int round = 0; round < 3000; round++) {
		uint16_t event = (uint16_t)(used - 20 + rand() % 40);
		unsigned int batch = 1 + (unsigned int)rand() % 16;
		struct vdrv_buf buf = { r.d.space, 1 };
		bool want;
		uint32_t len;

		r.d.avail->ring[64] = event;
		for (unsigned int i = 0; i < batch; i++) {
			vdrv_add(&r.d, &buf, 1, 0);
			assert_int_equal(rig_pop(&r), 1);
			vq_push(&r.vq, r.ch.head, 0);
		}
		used = (uint16_t)(used + batch);
		want = !round || model_need_event(event, used, old); /* the first one always */
		assert_int_equal(vq_publish(&r.vq), want);
		wanted += want;
		old = used;
		while (vdrv_take(&r.d, &len) >= 0)
			continue;
	}
	assert_true(wanted > 100 && wanted < 2900);
	rig_fini(&r);
}

static void test_interrupt_flag(void **state)
{
	struct vdrv_buf buf;
	uint32_t len;
	struct rig r;

	rig_init(&r, 8, 0, 0);
	buf = (struct vdrv_buf){ r.d.space, 1 };
	for (unsigned int i = 0; i < 4; i++) {
		r.d.avail->flags = i % 2 ? VRING_AVAIL_F_NO_INTERRUPT : 0;
		vdrv_add(&r.d, &buf, 1, 0);
		assert_int_equal(rig_pop(&r), 1);
		vq_push(&r.vq, r.ch.head, 0);
		assert_int_equal(vq_publish(&r.vq), i % 2 == 0);
		vdrv_take(&r.d, &len);
	}
	rig_fini(&r);
}

static void test_kicks(void **state)
{
	for (unsigned int ev = 0; ev < 2; ev++) {
		struct vdrv_buf buf;
		struct rig r;

		rig_init(&r, 8, ev ? VDRV_F_EVENT_IDX : 0, 65535);
		buf = (struct vdrv_buf){ r.d.space, 1 };
		assert_false(vq_set_kicks(&r.vq, false));
		if (!ev)
			assert_int_equal(r.d.used->flags, VRING_USED_F_NO_NOTIFY);
		assert_false(vq_set_kicks(&r.vq, true)); /* empty: sleep */
		if (ev)
			assert_int_equal(vdrv_avail_event(&r.d), 65535);
		assert_int_equal(r.d.used->flags, 0);
		vdrv_add(&r.d, &buf, 1, 0); /* the driver wins the race */
		assert_true(vq_set_kicks(&r.vq, true));
		assert_int_equal(rig_pop(&r), 1);
		assert_false(vq_set_kicks(&r.vq, true));
		if (ev)
			assert_int_equal(vdrv_avail_event(&r.d), 0);
		rig_fini(&r);
	}
}

/* ---- a hostile driver ---- */

static struct vring_desc *hostile_table(struct vdrv *d, size_t off, uint32_t len, uint16_t flags)
{
	vdrv_set(&d->desc[0], vdrv_gpa(d, d->space + off), len, (uint16_t)(I | flags), 1);
	return (struct vring_desc *)(d->space + off);
}

static void h_jump(struct vdrv *d)
{
	d->avail->idx = (uint16_t)(d->avail->idx + d->size); /* one more is to come */
}

static void h_back(struct vdrv *d)
{
	d->avail->idx = (uint16_t)(d->avail->idx - 2);
}

static void h_next(struct vdrv *d)
{
	vdrv_set(&d->desc[0], vdrv_gpa(d, d->space), 1, N, d->size);
}

static void h_next_indirect(struct vdrv *d)
{
	vdrv_set(hostile_table(d, 0, 16, 0), vdrv_gpa(d, d->space), 1, N, 1);
}

static void h_loop(struct vdrv *d)
{
	vdrv_set(&d->desc[0], vdrv_gpa(d, d->space), 1, N, 1);
	vdrv_set(&d->desc[1], vdrv_gpa(d, d->space), 1, N, 0);
}

static void h_loop_of_nothing(struct vdrv *d)
{
	vdrv_set(&d->desc[0], 0, 0, N, 0);
}

static void h_loop_indirect(struct vdrv *d)
{
	vdrv_set(hostile_table(d, 0, 32, 0), vdrv_gpa(d, d->space), 1, N, 0);
}

static void h_nested(struct vdrv *d)
{
	vdrv_set(hostile_table(d, 0, 16, 0), vdrv_gpa(d, d->space), 16, I, 0);
}

static void h_continued(struct vdrv *d)
{
	vdrv_set(hostile_table(d, 0, 16, N), vdrv_gpa(d, d->space), 1, 0, 0);
	vdrv_set(&d->desc[1], vdrv_gpa(d, d->space), 1, 0, 0);
}

static void h_odd_table(struct vdrv *d)
{
	vdrv_set(hostile_table(d, 0, 24, 0), vdrv_gpa(d, d->space), 1, 0, 0);
}

static void h_empty_table(struct vdrv *d)
{
	hostile_table(d, 0, 0, 0);
}

static void h_huge_table(struct vdrv *d)
{
	hostile_table(d, 0, (VQ_MAX_SEGS + 1) * 16, 0);
}

static void h_table_beyond(struct vdrv *d)
{
	vdrv_set(&d->desc[0], VDRV_GPA + d->mem_len - 16, 32, I, 0);
}

static void h_table_unmapped(struct vdrv *d)
{
	vdrv_set(&d->desc[0], 0, 16, I, 0);
}

static void h_unmapped(struct vdrv *d)
{
	vdrv_set(&d->desc[0], VDRV_GPA - 1, 1, 0, 0);
}

static void h_beyond(struct vdrv *d)
{
	vdrv_set(&d->desc[0], VDRV_GPA + d->mem_len - 1, 2, 0, 0);
}

static void h_wraps(struct vdrv *d)
{
	vdrv_set(&d->desc[0], UINT64_MAX - 1, 100, W, 0);
}

static void h_max_len(struct vdrv *d)
{
	vdrv_set(&d->desc[0], vdrv_gpa(d, d->space), UINT32_MAX, W, 0);
}

static void h_order(struct vdrv *d)
{
	vdrv_set(&d->desc[0], vdrv_gpa(d, d->space), 1, W | N, 1);
	vdrv_set(&d->desc[1], vdrv_gpa(d, d->space), 1, 0, 0);
}

static void h_order_empty(struct vdrv *d)
{
	vdrv_set(&d->desc[0], vdrv_gpa(d, d->space), 0, W | N, 1);
	vdrv_set(&d->desc[1], vdrv_gpa(d, d->space), 1, 0, 0);
}

static void h_empty(struct vdrv *d)
{
	vdrv_set(&d->desc[0], vdrv_gpa(d, d->space), 0, N, 1);
	vdrv_set(&d->desc[1], vdrv_gpa(d, d->space), 0, W, 0);
}

static const struct {
	const char *what;
	void (*prepare)(struct vdrv *d); /* then head is offered */
	uint16_t head;
	uint64_t features;
	enum vq_broken want;
} hostile[] = {
	{ "avail jump", h_jump, 0, F_BOTH, VQ_AVAIL_JUMP },
	{ "avail back", h_back, 0, F_BOTH, VQ_AVAIL_JUMP },
	{ "head", NULL, 8, F_BOTH, VQ_BAD_HEAD },
	{ "head max", NULL, 65535, F_BOTH, VQ_BAD_HEAD },
	{ "next", h_next, 0, F_BOTH, VQ_BAD_NEXT },
	{ "next in table", h_next_indirect, 0, F_BOTH, VQ_BAD_NEXT },
	{ "loop", h_loop, 0, F_BOTH, VQ_LOOP },
	{ "loop of empty", h_loop_of_nothing, 0, F_BOTH, VQ_LOOP },
	{ "loop in table", h_loop_indirect, 0, F_BOTH, VQ_LOOP },
	{ "nested", h_nested, 0, F_BOTH, VQ_BAD_INDIRECT },
	{ "continued", h_continued, 0, F_BOTH, VQ_BAD_INDIRECT },
	{ "odd table", h_odd_table, 0, F_BOTH, VQ_BAD_INDIRECT },
	{ "empty table", h_empty_table, 0, F_BOTH, VQ_BAD_INDIRECT },
	{ "huge table", h_huge_table, 0, F_BOTH, VQ_BAD_INDIRECT },
	{ "table beyond", h_table_beyond, 0, F_BOTH, VQ_BAD_INDIRECT },
	{ "table unmapped", h_table_unmapped, 0, F_BOTH, VQ_BAD_INDIRECT },
	{ "not negotiated", h_next_indirect, 0, 0, VQ_BAD_INDIRECT },
	{ "unmapped", h_unmapped, 0, F_BOTH, VQ_BAD_ADDRESS },
	{ "beyond", h_beyond, 0, F_BOTH, VQ_BAD_ADDRESS },
	{ "wraps", h_wraps, 0, F_BOTH, VQ_BAD_ADDRESS },
	{ "max length", h_max_len, 0, F_BOTH, VQ_BAD_ADDRESS },
	{ "order", h_order, 0, F_BOTH, VQ_BAD_ORDER },
	{ "order, empty", h_order_empty, 0, F_BOTH, VQ_BAD_ORDER },
	{ "empty", h_empty, 0, F_BOTH, VQ_EMPTY_CHAIN },
};

static void test_hostile(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		struct rig r;

		rig_init(&r, 8, hostile[i].features, 65533);
		if (hostile[i].prepare)
			hostile[i].prepare(&r.d);
		vdrv_offer(&r.d, hostile[i].head);
		if (rig_pop(&r) != -EPROTO || r.vq.broken != hostile[i].want)
			fail_msg("%s: %s", hostile[i].what, vq_broken_str(r.vq.broken));
		assert_int_equal(rig_pop(&r), -EPROTO);
		assert_false(vq_avail(&r.vq));
		assert_false(vq_set_kicks(&r.vq, true));
		rig_fini(&r);
	}
}

static void test_read_only_region(void **state)
{
	for (uint16_t flags = 0; flags <= W; flags = (uint16_t)(flags + W)) {
		struct gm_region reg;
		struct gmem *gm;
		struct rig r;

		rig_init(&r, 8, 0, 0);
		reg = r.d.gm->region[0];
		reg.writable = false;
		assert_int_equal(gm_create(&reg, 1, &gm), 0);
		vq_set_memory(&r.vq, gm, r.d.desc, r.d.avail, r.d.used);
		gm_put(gm);
		vdrv_set(&r.d.desc[0], vdrv_gpa(&r.d, r.d.space), 1, flags, 0);
		vdrv_offer(&r.d, 0);
		assert_int_equal(rig_pop(&r), flags ? -EPROTO : 1);
		assert_int_equal(r.vq.broken, flags ? VQ_BAD_ADDRESS : VQ_OK);
		rig_fini(&r);
	}
}

/* The same head again and again while it is out: more chains than heads. */
static void test_heads_reused(void **state)
{
	struct rig r;

	rig_init(&r, 8, 0, 0);
	vdrv_set(&r.d.desc[0], vdrv_gpa(&r.d, r.d.space), 1, 0, 0);
	for (unsigned int i = 0; i < 8; i++) {
		vdrv_offer(&r.d, 0);
		assert_int_equal(rig_pop(&r), 1);
	}
	assert_int_equal(rig_pop(&r), 0);
	vdrv_offer(&r.d, 0);
	assert_int_equal(rig_pop(&r), -EPROTO);
	assert_int_equal(r.vq.broken, VQ_AVAIL_JUMP);
	rig_fini(&r);
}

/* VQ_MAX_SEGS descriptors are fine, even on a shorter queue; one segment more is not. */
static void test_longest(void **state)
{
	for (unsigned int extra = 0; extra < 2; extra++) {
		struct vring_desc *table;
		struct gm_region reg[2];
		static uint8_t other[64];
		struct gmem *gm;
		struct rig r;

		rig_init(&r, 8, VDRV_F_INDIRECT, 0);
		reg[0] = r.d.gm->region[0];
		reg[1] = (struct gm_region){ .gpa = reg[0].gpa + reg[0].size, .size = 64 };
		assert_int_equal(gm_map_static(other, sizeof(other), &reg[1].map), 0);
		assert_int_equal(gm_create(reg, 2, &gm), 0);
		gm_map_put(reg[1].map);
		vq_set_memory(&r.vq, gm, r.d.desc, r.d.avail, r.d.used);
		gm_put(gm);
		table = hostile_table(&r.d, 0, VQ_MAX_SEGS * 16, 0);
		for (uint16_t i = 0; i < VQ_MAX_SEGS; i++)
			vdrv_set(&table[i], VDRV_GPA, 1, i + 1 < VQ_MAX_SEGS ? N : 0,
				 (uint16_t)(i + 1));
		if (extra) /* this one falls into two segments */
			vdrv_set(&table[5], reg[1].gpa - 1, 2, N, 6);
		vdrv_offer(&r.d, 0);
		assert_int_equal(rig_pop(&r), extra ? -EPROTO : 1);
		assert_int_equal(r.vq.broken, extra ? VQ_TOO_LONG : VQ_OK);
		if (!extra)
			assert_int_equal(r.ch.nr_in, VQ_MAX_SEGS);
		rig_fini(&r);
	}
}

static void test_four_gigabytes(void **state)
{
	size_t len = 1ull << 31;
	struct gm_region reg[2] = { { 0 } };
	struct gmem *gm;
	struct rig r;
	void *big;

	big = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (big == MAP_FAILED)
		skip();
	rig_init(&r, 8, 0, 0);
	reg[0] = r.d.gm->region[0];
	reg[1] = (struct gm_region){ .gpa = 1ull << 40, .size = len };
	assert_int_equal(gm_map_static(big, len, &reg[1].map), 0);
	assert_int_equal(gm_create(reg, 2, &gm), 0);
	gm_map_put(reg[1].map);
	vq_set_memory(&r.vq, gm, r.d.desc, r.d.avail, r.d.used);
	gm_put(gm);
	vdrv_set(&r.d.desc[0], reg[1].gpa, (uint32_t)len, N, 1);
	vdrv_set(&r.d.desc[1], reg[1].gpa, (uint32_t)len - 1, 0, 0);
	vdrv_offer(&r.d, 0);
	assert_int_equal(rig_pop(&r), 1);
	assert_int_equal(r.ch.len_in, UINT32_MAX);
	r.d.desc[1].len++;
	vdrv_offer(&r.d, 0);
	assert_int_equal(rig_pop(&r), -EPROTO);
	assert_int_equal(r.vq.broken, VQ_TOO_LONG);
	rig_fini(&r);
	munmap(big, len);
}

/* ---- random traffic against a model ---- */

#define MODEL_SLOT 2048 /* guest bytes per head: table, then buffers */
#define MODEL_SEGS 16

/* What was offered under a head, and what came out of the ring. */
struct model {
	struct vdrv_buf buf[MODEL_SEGS];
	unsigned int nr_in, nr_out;
	uint32_t seq;
	bool popped;
};

static bool model_add(struct rig *r, struct model *m, uint32_t seq, bool indirect)
{
	unsigned int n = 1 + (unsigned int)rand() % 8;
	uint8_t *slot = r->d.space + (size_t)r->d.free_head * MODEL_SLOT;
	uint8_t *p = slot + MODEL_SEGS * sizeof(struct vring_desc);
	struct model *e = &m[r->d.free_head];

	if (!r->d.nr_free || (!indirect && n > r->d.nr_free))
		return false;
	*e = (struct model){ .seq = seq };
	e->nr_in = (unsigned int)rand() % (n + 1);
	e->nr_out = n - e->nr_in;
	for (unsigned int i = 0; i < n; i++) {
		e->buf[i] = (struct vdrv_buf){ p, 4 + (uint32_t)rand() % 100 };
		memcpy(p, &seq, 4);
		p += e->buf[i].len;
	}
	if (indirect)
		return vdrv_add_indirect(&r->d, (void *)slot, e->buf, e->nr_in, e->nr_out) >= 0;
	return vdrv_add(&r->d, e->buf, e->nr_in, e->nr_out) >= 0;
}

static void model_check_pop(struct rig *r, struct model *m, uint32_t want_seq)
{
	struct model *e = &m[r->ch.head];

	assert_false(e->popped);
	e->popped = true;
	assert_int_equal(e->seq, want_seq);
	assert_int_equal(r->ch.nr_in, e->nr_in);
	assert_int_equal(r->ch.nr_out, e->nr_out);
	for (unsigned int i = 0; i < e->nr_in + e->nr_out; i++) {
		assert_ptr_equal(r->seg[i].iov_base, e->buf[i].p);
		assert_int_equal(r->seg[i].iov_len, e->buf[i].len);
		assert_memory_equal(r->seg[i].iov_base, &want_seq, 4);
	}
}

static void model_drain(struct rig *r, struct model *m)
{
	uint32_t len;
	int head;

	while ((head = vdrv_take(&r->d, &len)) >= 0) {
		assert_true(m[head].popped);
		assert_int_equal(len, m[head].seq);
	}
}

static void model_run(uint16_t size, uint64_t features, unsigned int steps)
{
	struct model *m = calloc(size, sizeof(*m));
	uint16_t *out = calloc(size, sizeof(*out));
	uint32_t added = 0, popped = 0;
	unsigned int nr_out = 0, k;
	struct rig r;

	rig_init(&r, size, features, 65000);
	for (unsigned int i = 0; i < steps; i++) {
		switch (rand() % 4) {
		case 0:
			added += model_add(&r, m, added,
					   (features & VDRV_F_INDIRECT) && rand() % 2);
			break;
		case 1:
			if (rig_pop(&r) == 1) {
				model_check_pop(&r, m, popped++);
				out[nr_out++] = r.ch.head;
			}
			break;
		case 2:
			if (nr_out) { /* any of them: completion order is free */
				k = (unsigned int)rand() % nr_out;
				vq_push(&r.vq, out[k], m[out[k]].seq);
				out[k] = out[--nr_out];
			}
			break;
		case 3:
			vq_publish(&r.vq);
			model_drain(&r, m);
			break;
		}
		assert_int_equal(r.vq.inflight, nr_out);
	}
	assert_true(popped > steps / 100);
	assert_int_equal(r.vq.broken, VQ_OK);
	rig_fini(&r);
	free(m);
	free(out);
}

static void test_random(void **state)
{
	static const uint16_t sizes[] = { 1, 2, 16, 64 };

	srand(7);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		model_run(sizes[i], 0, 20000);
		model_run(sizes[i], F_BOTH, 20000);
	}
}

static void test_names(void **state)
{
	for (int i = 0; i < VQ_NR_BROKEN; i++)
		assert_true(strlen(vq_broken_str((enum vq_broken)i)) > 5);
	assert_string_equal(vq_broken_str((enum vq_broken)99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init_refuses),
		cmocka_unit_test(test_holds_memory),
		cmocka_unit_test(test_one_chain),
		cmocka_unit_test(test_odd_tables),
		cmocka_unit_test(test_direct_then_indirect),
		cmocka_unit_test(test_zero_length_dropped),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_unpop),
		cmocka_unit_test(test_split_regions),
		cmocka_unit_test(test_interrupt_event_idx),
		cmocka_unit_test(test_interrupt_flag),
		cmocka_unit_test(test_kicks),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_read_only_region),
		cmocka_unit_test(test_heads_reused),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_four_gigabytes),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
