/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The in-flight log: a back end dies at every possible point, the next one must finish each chain
 * exactly once. Dying is dropping struct vq without vq_fini(), and where that is not fine enough,
 * putting back the log as it was before a step.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "vdrv.h"

#define SIZE 16
#define START 65530

struct rig {
	struct vdrv d;
	struct vq vq;
	struct vq_inflight *log;
	struct iovec seg[8];
	struct vq_chain ch;
};

static int rig_restart(struct rig *r, uint64_t counter_base)
{
	struct vq_config cfg = vdrv_config(&r->d); /* the front end's base is used.idx */

	cfg.inflight = r->log;
	return vq_init(&r->vq, &cfg, counter_base);
}

static void rig_init(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	assert_int_equal(vdrv_init(&r->d, SIZE, 0, 4096, START), 0);
	r->log = aligned_alloc(64, vq_inflight_size(SIZE));
	memset(r->log, 0, vq_inflight_size(SIZE));
	assert_int_equal(rig_restart(r, 100), 0);
}

/* Forgets the engine as a crash would, except for the memory it holds. */
static void rig_crash(struct rig *r)
{
	free(r->vq.resubmit);
	gm_put(r->vq.cfg.gm);
	memset(&r->vq, 0, sizeof(r->vq));
}

static void rig_fini(struct rig *r)
{
	vq_fini(&r->vq);
	free(r->log);
	vdrv_fini(&r->d);
}

static void rig_add(struct rig *r, unsigned int n)
{
	struct vdrv_buf buf = { r->d.space, 1 };

	while (n--)
		assert_true(vdrv_add(&r->d, &buf, 1, 0) >= 0);
}

static uint16_t rig_pop(struct rig *r, uint64_t want_counter)
{
	assert_int_equal(vq_pop(&r->vq, r->seg, 8, &r->ch), 1);
	assert_int_equal(r->ch.counter, want_counter);
	return r->ch.head;
}

static unsigned int rig_done(struct rig *r)
{
	unsigned int n = 0;
	uint32_t len;

	while (vdrv_take(&r->d, &len) >= 0)
		n++;
	return n;
}

static unsigned int log_inflight(const struct rig *r)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < SIZE; i++)
		n += r->log->desc[i].inflight;
	return n;
}

static void test_layout(void **state)
{
	assert_int_equal(sizeof(struct vq_inflight_desc), 16);
	assert_int_equal(offsetof(struct vq_inflight, desc), 16);
	assert_int_equal(offsetof(struct vq_inflight, used_idx), 14);
	for (uint16_t size = 1; size <= VQ_MAX_SIZE; size = (uint16_t)(size * 2)) {
		assert_int_equal(vq_inflight_size(size) % 64, 0);
		assert_true(vq_inflight_size(size) >= 16 + 16u * size);
	}
}

static void test_fresh(void **state)
{
	struct rig r;

	rig_init(&r);
	assert_int_equal(r.log->version, 1);
	assert_int_equal(r.log->desc_num, SIZE);
	assert_int_equal(r.log->used_idx, START);
	assert_int_equal(r.vq.resubmit_cnt, 0);
	assert_false(vq_avail(&r.vq));
	rig_fini(&r);
}

static void test_log_follows(void **state)
{
	uint16_t h[3];
	struct rig r;

	rig_init(&r);
	rig_add(&r, 3);
	for (unsigned int i = 0; i < 3; i++) {
		h[i] = rig_pop(&r, 100 + i);
		assert_int_equal(r.log->desc[h[i]].inflight, 1);
		assert_int_equal(r.log->desc[h[i]].counter, 100 + i);
	}
	vq_unpop(&r.vq, &r.ch);
	assert_int_equal(log_inflight(&r), 2);
	vq_push(&r.vq, h[1], 0);
	assert_int_equal(r.log->last_batch_head, h[1]);
	vq_push(&r.vq, h[0], 0);
	assert_int_equal(r.log->last_batch_head, h[0]);
	assert_int_equal(r.log->desc[h[0]].next, h[1]);
	assert_int_equal(log_inflight(&r), 2);
	assert_int_equal(r.log->used_idx, START);
	vq_publish(&r.vq);
	assert_int_equal(log_inflight(&r), 0);
	assert_int_equal(r.log->used_idx, START + 2);
	rig_fini(&r);
}

/* Popped and lost: the oldest comes first, with its number; then what is new in the ring. */
static void test_resubmit_order(void **state)
{
	uint16_t h[6], first;
	struct rig r;

	rig_init(&r);
	rig_add(&r, 6);
	for (unsigned int i = 0; i < 5; i++)
		h[i] = rig_pop(&r, 100 + i);
	vq_push(&r.vq, h[2], 0);
	vq_publish(&r.vq);
	rig_crash(&r);

	assert_int_equal(rig_restart(&r, 50), 0);
	assert_true(vq_avail(&r.vq));
	assert_true(vq_set_kicks(&r.vq, true));
	first = rig_pop(&r, 100);
	assert_int_equal(first, h[0]);
	vq_unpop(&r.vq, &r.ch); /* no room after all */
	assert_int_equal(log_inflight(&r), 4);
	assert_int_equal(rig_pop(&r, 100), h[0]);
	assert_int_equal(rig_pop(&r, 101), h[1]);
	assert_int_equal(rig_pop(&r, 103), h[3]);
	assert_int_equal(rig_pop(&r, 104), h[4]);
	h[5] = rig_pop(&r, 105);
	assert_int_equal(vq_pop(&r.vq, r.seg, 8, &r.ch), 0);
	for (unsigned int i = 0; i < 6; i++)
		if (i != 2)
			vq_push(&r.vq, h[i], 0);
	vq_publish(&r.vq);
	assert_int_equal(rig_done(&r), 6);
	assert_int_equal(log_inflight(&r), 0);
	rig_fini(&r);
}

static void test_counter_base(void **state)
{
	struct rig r;

	rig_init(&r);
	rig_add(&r, 2);
	rig_pop(&r, 100);
	rig_crash(&r);
	assert_int_equal(rig_restart(&r, 7000), 0);
	rig_pop(&r, 100);
	rig_pop(&r, 7000);
	rig_fini(&r);
}

/* Pushed but not published: the guest never heard of it, so it runs again. */
static void test_pushed_not_published(void **state)
{
	struct rig r;

	rig_init(&r);
	rig_add(&r, 2);
	vq_push(&r.vq, rig_pop(&r, 100), 0);
	rig_pop(&r, 101);
	rig_crash(&r);
	assert_int_equal(rig_restart(&r, 0), 0);
	assert_int_equal(r.vq.resubmit_cnt, 2);
	vq_push(&r.vq, rig_pop(&r, 100), 0);
	vq_push(&r.vq, rig_pop(&r, 101), 0);
	vq_publish(&r.vq);
	assert_int_equal(rig_done(&r), 2);
	rig_fini(&r);
}

/* used.idx moved, the log does not know yet, or only in part: what the guest saw is done. */
static void test_published_halfway(void **state)
{
	for (unsigned int cleared = 0; cleared <= 3; cleared++) {
		size_t len = vq_inflight_size(SIZE);
		struct vq_inflight *before = malloc(len);
		uint16_t h[4];
		struct rig r;

		rig_init(&r);
		rig_add(&r, 4);
		for (unsigned int i = 0; i < 4; i++)
			h[i] = rig_pop(&r, 100 + i);
		for (unsigned int i = 0; i < 3; i++)
			vq_push(&r.vq, h[i], 0);
		memcpy(before, r.log, len);
		vq_publish(&r.vq);
		memcpy(r.log, before, len);
		for (unsigned int i = 0; i < cleared; i++) /* as far as it had come */
			r.log->desc[h[2 - i]].inflight = 0;
		rig_crash(&r);

		assert_int_equal(rig_restart(&r, 0), 0);
		assert_int_equal(r.vq.resubmit_cnt, 1);
		assert_int_equal(r.log->used_idx, (uint16_t)(START + 3));
		assert_int_equal(rig_pop(&r, 103), h[3]);
		vq_push(&r.vq, h[3], 0);
		vq_publish(&r.vq);
		assert_int_equal(rig_done(&r), 4);
		rig_fini(&r);
		free(before);
	}
}

/* An orderly end keeps the same promises. */
static void test_fini_publishes(void **state)
{
	struct rig r;

	rig_init(&r);
	rig_add(&r, 2);
	vq_push(&r.vq, rig_pop(&r, 100), 0);
	rig_pop(&r, 101);
	assert_int_equal(vq_base(&r.vq), (uint16_t)(START + 2));
	vq_fini(&r.vq);
	assert_int_equal(rig_done(&r), 1);
	assert_int_equal(rig_restart(&r, 0), 0);
	rig_pop(&r, 101);
	rig_fini(&r);
}

static void l_version(struct vq_inflight *log)
{
	log->version = 2;
}

static void l_short(struct vq_inflight *log)
{
	log->desc_num = SIZE - 1;
}

static void l_head(struct vq_inflight *log)
{
	log->used_idx = START - 1;
	log->last_batch_head = SIZE;
}

static void l_link(struct vq_inflight *log)
{
	log->used_idx = START - 2;
	log->last_batch_head = 3;
	log->desc[3].next = 65535;
}

static void l_twice(struct vq_inflight *log)
{
	log->desc[3].inflight = log->desc[4].inflight = 1;
}

static void l_number(struct vq_inflight *log)
{
	log->desc[3].inflight = 1;
	log->desc[3].counter = UINT64_MAX;
}

static void l_cycle(struct vq_inflight *log)
{
	log->used_idx = START - 1000; /* bounded by the size, and nothing is in flight anyway */
	log->last_batch_head = 3;
	log->desc[3].next = 3;
}

static void l_flag(struct vq_inflight *log)
{
	log->desc[3].inflight = 77; /* is not 1 */
}

static void test_hostile_log(void **state)
{
	static const struct {
		void (*bend)(struct vq_inflight *log);
		int want;
	} t[] = {
		{ l_version, -EINVAL }, { l_short, -EINVAL },  { l_head, -EINVAL },
		{ l_link, -EINVAL },	{ l_twice, -EINVAL },  { l_number, -EINVAL },
		{ l_cycle, 0 },		{ l_flag, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct rig r;

		rig_init(&r);
		rig_crash(&r);
		t[i].bend(r.log);
		assert_int_equal(rig_restart(&r, 0), t[i].want);
		if (!t[i].want)
			assert_int_equal(r.vq.resubmit_cnt, 0);
		rig_fini(&r);
	}
}

/* Bending the log while the queue runs: nothing outside of it is touched. */
static void test_hostile_while_running(void **state)
{
	uint16_t h;
	struct rig r;

	rig_init(&r);
	rig_add(&r, 2);
	h = rig_pop(&r, 100);
	rig_pop(&r, 101);
	vq_push(&r.vq, r.ch.head, 0);
	r.log->last_batch_head = 60000;
	vq_push(&r.vq, h, 0);
	assert_int_equal(r.log->desc[h].next, 60000);
	vq_publish(&r.vq);
	assert_int_equal(rig_done(&r), 2);
	rig_fini(&r);
}

static unsigned int pick(unsigned int n)
{
	return (unsigned int)rand() % n;
}

/* Random life with random deaths between any two steps. Every chain is finished, in the end. */
static void test_random_deaths(void **state)
{
	unsigned int added = 0, done = 0, nr_out = 0, k;
	uint16_t out[SIZE];
	struct rig r;

	srand(3);
	rig_init(&r);
	for (unsigned int i = 0; i < 30000; i++) {
		switch (pick(6)) {
		case 0:
		case 1:
			if (r.d.nr_free) {
				rig_add(&r, 1);
				added++;
			}
			break;
		case 2:
			if (vq_pop(&r.vq, r.seg, 8, &r.ch) == 1)
				out[nr_out++] = r.ch.head;
			break;
		case 3:
			if (nr_out) {
				k = pick(nr_out);
				vq_push(&r.vq, out[k], 0);
				out[k] = out[--nr_out];
			}
			break;
		case 4:
			vq_publish(&r.vq);
			done += rig_done(&r);
			break;
		case 5:
			if (pick(10))
				break;
			rig_crash(&r);
			nr_out = 0;
			assert_int_equal(rig_restart(&r, 0), 0);
			break;
		}
	}
	while (nr_out)
		vq_push(&r.vq, out[--nr_out], 0);
	while (vq_pop(&r.vq, r.seg, 8, &r.ch) == 1)
		vq_push(&r.vq, r.ch.head, 0);
	vq_publish(&r.vq);
	assert_int_equal(r.vq.broken, VQ_OK);
	assert_int_equal(done + rig_done(&r), added);
	assert_int_equal(r.d.nr_free, SIZE);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_fresh),
		cmocka_unit_test(test_log_follows),
		cmocka_unit_test(test_resubmit_order),
		cmocka_unit_test(test_counter_base),
		cmocka_unit_test(test_pushed_not_published),
		cmocka_unit_test(test_published_halfway),
		cmocka_unit_test(test_fini_publishes),
		cmocka_unit_test(test_hostile_log),
		cmocka_unit_test(test_hostile_while_running),
		cmocka_unit_test(test_random_deaths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
