/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rings a hostile guest could write. A row writes descriptors and available entries as it likes, in
 * guest memory, and kicks. BREAKS: the device must stop the queue and say so (on the err descriptor;
 * over PCI by NEEDS_RESET and an interrupt) and must not complete anything. ANSWERS: odd, but to be served.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/atomics.h"
#include "harness.h"

enum outcome { BREAKS, ANSWERS, EITHER };

/* A good GETATTR in guest memory for rows to twist. */
struct guest {
	struct vufe_dev dev;
	struct vufe_vq *vq;
	struct vring_desc *table; /* a page for indirect tables */
	uint64_t table_gpa, req_gpa, out_gpa;
};

struct ring_row {
	const char *name;
	void (*write)(struct guest *g);
	enum outcome outcome;
};

static void desc(struct vring_desc *d, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	*d = (struct vring_desc){addr, len, flags, next};
}

/* Header and argument in one readable segment, the answer in one writable. */
static void good_chain(struct guest *g, struct vring_desc *d)
{
	desc(&d[0], g->req_gpa, 56, VRING_DESC_F_NEXT, 1);
	desc(&d[1], g->out_gpa, 256, VRING_DESC_F_WRITE, 0);
}

/* Makes n entries available, all naming head. */
static void offer(struct guest *g, uint16_t head, uint16_t n)
{
	struct vufe_vq *vq = g->vq;
	uint16_t i;

	for (i = 0; i < n; i++)
		vq->avail->ring[vq->avail_idx++ & (vq->size - 1)] = head;
	store_release(&vq->avail->idx, vq->avail_idx);
}

static void w_good(struct guest *g)
{
	good_chain(g, g->vq->desc);
	offer(g, 0, 1);
}

static void w_jump(struct guest *g)
{
	good_chain(g, g->vq->desc);
	store_release(&g->vq->avail->idx, (uint16_t)(g->vq->avail_idx + g->vq->size + 1));
}

static void w_jump_back(struct guest *g)
{
	good_chain(g, g->vq->desc);
	store_release(&g->vq->avail->idx, (uint16_t)(g->vq->avail_idx - 1));
}

static void w_head(struct guest *g)
{
	offer(g, g->vq->size, 1);
}

static void w_head_max(struct guest *g)
{
	offer(g, UINT16_MAX, 1);
}

static void w_next(struct guest *g)
{
	good_chain(g, g->vq->desc);
	g->vq->desc[0].next = g->vq->size;
	offer(g, 0, 1);
}

static void w_loop(struct guest *g)
{
	desc(&g->vq->desc[0], g->req_gpa, 56, VRING_DESC_F_NEXT, 0);
	offer(g, 0, 1);
}

static void w_loop_of_two(struct guest *g)
{
	desc(&g->vq->desc[0], g->req_gpa, 56, VRING_DESC_F_NEXT, 1);
	desc(&g->vq->desc[1], g->out_gpa, 1, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 0);
	offer(g, 0, 1);
}

static void w_order(struct guest *g)
{
	desc(&g->vq->desc[0], g->out_gpa, 256, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	desc(&g->vq->desc[1], g->req_gpa, 56, 0, 0);
	offer(g, 0, 1);
}

static void w_address(struct guest *g)
{
	good_chain(g, g->vq->desc);
	g->vq->desc[0].addr = 1ull << 60;
	offer(g, 0, 1);
}

static void w_address_wraps(struct guest *g)
{
	good_chain(g, g->vq->desc);
	g->vq->desc[1].addr = -16ull;
	offer(g, 0, 1);
}

static void w_address_leaves(struct guest *g)
{
	const struct vufe_region *r = &g->dev.region[0];

	good_chain(g, g->vq->desc);
	g->vq->desc[1].addr = r->gpa + r->size - 16;
	offer(g, 0, 1);
}

static void w_length(struct guest *g)
{
	good_chain(g, g->vq->desc);
	g->vq->desc[1].len = UINT32_MAX;
	offer(g, 0, 1);
}

static void w_zero_only(struct guest *g)
{
	desc(&g->vq->desc[0], g->req_gpa, 0, 0, 0);
	offer(g, 0, 1);
}

static void w_zero_between(struct guest *g)
{
	desc(&g->vq->desc[0], g->req_gpa, 56, VRING_DESC_F_NEXT, 1);
	desc(&g->vq->desc[1], g->req_gpa, 0, VRING_DESC_F_NEXT, 2);
	desc(&g->vq->desc[2], g->out_gpa, 256, VRING_DESC_F_WRITE, 0);
	offer(g, 0, 1);
}

static void indirect(struct guest *g, uint64_t addr, uint32_t len)
{
	good_chain(g, g->table);
	desc(&g->vq->desc[0], addr, len, VRING_DESC_F_INDIRECT, 0);
	offer(g, 0, 1);
}

static void w_indirect(struct guest *g)
{
	indirect(g, g->table_gpa, 32);
}

static void w_indirect_nested(struct guest *g)
{
	good_chain(g, g->table);
	desc(&g->table[0], g->table_gpa, 32, VRING_DESC_F_INDIRECT, 0);
	desc(&g->vq->desc[0], g->table_gpa, 32, VRING_DESC_F_INDIRECT, 0);
	offer(g, 0, 1);
}

static void w_indirect_odd_length(struct guest *g)
{
	indirect(g, g->table_gpa, 33);
}

static void w_indirect_empty(struct guest *g)
{
	indirect(g, g->table_gpa, 0);
}

static void w_indirect_huge(struct guest *g)
{
	indirect(g, g->table_gpa, 0xfffffff0u);
}

static void w_indirect_outside(struct guest *g)
{
	indirect(g, 1ull << 60, 32);
}

/* All of it before the offer: the server polls. */
static void w_indirect_misaligned(struct guest *g)
{
	good_chain(g, g->table);
	memmove((char *)g->table + 1, g->table, 32);
	desc(&g->vq->desc[0], g->table_gpa + 1, 32, VRING_DESC_F_INDIRECT, 0);
	offer(g, 0, 1);
}

static void w_indirect_and_next(struct guest *g)
{
	good_chain(g, g->table);
	desc(&g->vq->desc[0], g->table_gpa, 32, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
	desc(&g->vq->desc[1], g->out_gpa, 16, VRING_DESC_F_WRITE, 0);
	offer(g, 0, 1);
}

static void w_indirect_next_outside(struct guest *g)
{
	good_chain(g, g->table);
	g->table[0].next = 2;
	desc(&g->vq->desc[0], g->table_gpa, 32, VRING_DESC_F_INDIRECT, 0);
	offer(g, 0, 1);
}

static void w_indirect_loop(struct guest *g)
{
	good_chain(g, g->table);
	g->table[0].next = 0;
	desc(&g->vq->desc[0], g->table_gpa, 32, VRING_DESC_F_INDIRECT, 0);
	offer(g, 0, 1);
}

static void w_flags(struct guest *g)
{
	good_chain(g, g->vq->desc);
	g->vq->desc[1].flags |= 0xfff0;
	offer(g, 0, 1);
}

/* The answer goes where the rings are: only the guest's own state suffers. */
static void w_answer_over_rings(struct guest *g)
{
	good_chain(g, g->vq->desc);
	g->vq->desc[1].addr = g->vq->avail_gpa;
	g->vq->desc[1].len = 128;
	offer(g, 0, 1);
}

static void w_same_head(struct guest *g)
{
	good_chain(g, g->vq->desc);
	offer(g, 0, g->vq->size);
}

static void w_nothing_writable(struct guest *g)
{
	desc(&g->vq->desc[0], g->req_gpa, 56, 0, 0);
	offer(g, 0, 1);
}

static void w_nothing_readable(struct guest *g)
{
	desc(&g->vq->desc[0], g->out_gpa, 256, VRING_DESC_F_WRITE, 0);
	offer(g, 0, 1);
}

static const struct ring_row rows[] = {
	{"good chain", w_good, ANSWERS},
	{"good indirect table", w_indirect, ANSWERS},
	{"available index jumps", w_jump, BREAKS},
	{"available index goes back", w_jump_back, BREAKS},
	{"head just beyond the table", w_head, BREAKS},
	{"head of 65535", w_head_max, BREAKS},
	{"next beyond the table", w_next, BREAKS},
	{"descriptor that follows itself", w_loop, BREAKS},
	{"loop of two", w_loop_of_two, BREAKS},
	{"readable after writable", w_order, BREAKS},
	{"address outside memory", w_address, BREAKS},
	{"address that wraps", w_address_wraps, BREAKS},
	{"address that runs out of its region", w_address_leaves, BREAKS},
	{"length of 4 GiB", w_length, BREAKS},
	{"chain of no bytes", w_zero_only, BREAKS},
	{"descriptor of no bytes", w_zero_between, ANSWERS},
	{"indirect in indirect", w_indirect_nested, BREAKS},
	{"indirect of 33 bytes", w_indirect_odd_length, BREAKS},
	{"indirect of 0 bytes", w_indirect_empty, BREAKS},
	{"indirect of 4 GiB", w_indirect_huge, BREAKS},
	{"indirect outside memory", w_indirect_outside, BREAKS},
	{"indirect at an odd address", w_indirect_misaligned, ANSWERS},
	{"indirect with a next", w_indirect_and_next, BREAKS},
	{"indirect with a next outside", w_indirect_next_outside, BREAKS},
	{"indirect that loops", w_indirect_loop, BREAKS},
	{"flags nobody knows", w_flags, EITHER},
	{"answer over the rings", w_answer_over_rings, EITHER},
	{"the same head as often as it fits", w_same_head, EITHER},
	{"nothing writable", w_nothing_writable, ANSWERS},
	{"nothing readable", w_nothing_readable, ANSWERS},
};

/* What a hostile front end could hand back as the record of requests in flight. */
struct area_row {
	const char *name;
	void (*spoil)(struct vufe_inflight_queue *q, struct vufe_inflight_desc *d, unsigned nr);
};

static void a_ones(struct vufe_inflight_queue *q, struct vufe_inflight_desc *d, unsigned nr)
{
	memset(q, 0xff, sizeof(*q));
	memset(d, 0xff, nr * sizeof(*d));
}

static void a_version(struct vufe_inflight_queue *q, struct vufe_inflight_desc *d, unsigned nr)
{
	q->version = 77;
}

static void a_size(struct vufe_inflight_queue *q, struct vufe_inflight_desc *d, unsigned nr)
{
	q->desc_num = UINT16_MAX;
}

static void a_all(struct vufe_inflight_queue *q, struct vufe_inflight_desc *d, unsigned nr)
{
	unsigned i;

	for (i = 0; i < nr; i++)
		d[i].inflight = 1;
}

static void a_used(struct vufe_inflight_queue *q, struct vufe_inflight_desc *d, unsigned nr)
{
	q->used_idx = (uint16_t)(q->used_idx + 1000);
}

static void a_batch(struct vufe_inflight_queue *q, struct vufe_inflight_desc *d, unsigned nr)
{
	q->last_batch_head = UINT16_MAX;
	q->used_idx--;
	d[0].next = UINT16_MAX;
}

static const struct area_row areas[] = {
	{"all ones", a_ones},
	{"unknown version", a_version},
	{"more entries than the ring", a_size},
	{"every entry in flight", a_all},
	{"used index far away", a_used},
	{"batch that begins nowhere", a_batch},
};

static void run_area(void **state)
{
	const struct area_row *row = *state;
	struct vufe_opts o = harness_opts();
	struct vufe_inflight_queue *q;
	struct vufe_dev dev;
	uint8_t *area;

	o.inflight = true;
	open_good(&dev, &o);
	assert_pings(&dev, 1);
	vufe_disconnect(&dev);
	area = mmap(NULL, dev.inflight.mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		    dev.inflight_fd, (off_t)dev.inflight.mmap_off);
	assert_ptr_not_equal(area, MAP_FAILED);
	q = (void *)(area + dev.inflight.mmap_size / dev.inflight.nr_queues);
	row->spoil(q, (void *)(q + 1), dev.vq[1].size);
	munmap(area, dev.inflight.mmap_size);
	/* Refusing is as good as starting over. */
	if (!vufe_reconnect(&dev))
		vufe_vq_kick(&dev.vq[1]);
	vufe_close(&dev);
	assert_serves();
}

static void guest_setup(struct guest *g)
{
	struct vufe_opts o = harness_opts();
	struct fuse_getattr_in *in;
	struct fuse_in_header *h;
	struct vufe_fs fs;

	open_good(&g->dev, &o);
	g->vq = &g->dev.vq[1];
	assert_return_code(vufe_fs_init(&fs, &g->dev), 0);
	assert_return_code(vufe_ping(&fs), 0);
	g->table = vufe_alloc(&g->dev, 4096, 4096, &g->table_gpa);
	h = vufe_alloc(&g->dev, 4096, 4096, &g->req_gpa);
	assert_non_null(g->table);
	assert_non_null(h);
	assert_non_null(vufe_alloc(&g->dev, 4096, 4096, &g->out_gpa));
	in = (void *)(h + 1);
	vufe_fill_header(&fs, h, FUSE_GETATTR, FUSE_ROOT_ID, sizeof(*in));
}

/* Waits for the device's complaint or a completion. */
static enum outcome observe(struct guest *g)
{
	uint16_t before = g->vq->used_idx;
	int i;

	for (i = 0; i < 1000; i++) {
		if (load_acquire(&g->vq->used->idx) != before)
			return ANSWERS;
		if (vufe_vq_is_broken(g->vq, 2) > 0)
			return BREAKS;
	}
	return EITHER;
}

static void run_row(void **state)
{
	const struct ring_row *row = *state;
	struct guest g;
	enum outcome got;

	guest_setup(&g);
	row->write(&g);
	vufe_vq_kick(g.vq);
	got = row->outcome == EITHER ? EITHER : observe(&g);
	if (got != row->outcome)
		fail_msg("%s: %s", row->name, got == BREAKS ? "the queue was stopped" :
			 got == ANSWERS ? "it was answered" : "nothing happened");
	vufe_close(&g.dev);
	assert_serves();
}

/* A broken queue is mended by what a driver does: reset, new rings. */
static void test_recovers(void **state)
{
	struct guest g;

	guest_setup(&g);
	w_head(&g);
	vufe_vq_kick(g.vq);
	assert_int_equal(observe(&g), BREAKS);
	assert_return_code(vufe_reset(&g.dev), 0);
	assert_return_code(vufe_vqs_start(&g.dev), 0);
	harness_new_mount();
	assert_pings(&g.dev, 1);
	vufe_close(&g.dev);
}

/* With several queues the err descriptor of the broken one is signalled. */
static void test_neighbour(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;

	o.nr_queues = 2;
	open_good(&dev, &o);
	assert_pings(&dev, 1);
	dev.vq[1].avail->ring[dev.vq[1].avail_idx & 63] = 999;
	store_release(&dev.vq[1].avail->idx, (uint16_t)(dev.vq[1].avail_idx + 1));
	vufe_vq_kick(&dev.vq[1]);
	assert_int_equal(vufe_vq_is_broken(&dev.vq[1], 5000), 1);
	assert_alive();
	vufe_close(&dev);
	assert_serves();
}

int main(void)
{
	const struct CMUnitTest more[] = {
		cmocka_unit_test(test_recovers),
		cmocka_unit_test(test_neighbour),
	};
	int r;

	harness_need_server();
	r = RUN_ROWS("rings", rows, run_row);
	if (!harness_is_vfio())
		r += RUN_ROWS("inflight areas", areas, run_area);
	r += cmocka_run_group_tests_name("after a broken ring", more, harness_setup,
					 harness_teardown);
	return r;
}
