/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ring engine on memory a hostile driver (and a hostile in-flight log) rewrites at any moment.
 * The input is a program: bytes to scribble, half-sane descriptors, and calls of the engine in any
 * legal order. Promised: every segment lies in guest memory with the right access, the sums are
 * right, and no more chains are out than the ring has heads.
 */
#include <linux/virtio_ring.h>

#include "input.h"
#include "virtio/vq.h"

#define GUEST_LEN 8192
#define RO_LEN 512
#define GPA 0x10000ull
#define RO_GPA (GPA + GUEST_LEN) /* touches the writable region */
#define MAX_OUT 64

struct fuzz {
	struct input in;
	struct vq vq;
	struct vq_config cfg;
	struct vq_inflight *log;
	uint8_t *guest, *ro;
	struct gmem *gm;
	uint16_t out[MAX_OUT];
	unsigned int nr_out;
};

static void fuzz_memory(struct fuzz *f)
{
	struct gm_region r[2] = {
		{ .gpa = RO_GPA, .size = RO_LEN, .writable = false },
		{ .gpa = GPA, .size = GUEST_LEN, .writable = true },
	};

	f->guest = aligned_alloc(4096, GUEST_LEN);
	f->ro = malloc(RO_LEN);
	memset(f->guest, 0, GUEST_LEN);
	memset(f->ro, 0, RO_LEN);
	MUST(!gm_map_static(f->ro, RO_LEN, &r[0].map));
	MUST(!gm_map_static(f->guest, GUEST_LEN, &r[1].map));
	MUST(!gm_create(r, 2, &f->gm));
	gm_map_put(r[0].map);
	gm_map_put(r[1].map);
}

static void fuzz_setup(struct fuzz *f)
{
	uint8_t how = input_u8(&f->in);
	uint16_t size = (uint16_t)(1u << (how & 3) << (how >> 1 & 2)); /* 1..32 */
	size_t avail = vq_desc_bytes(size);
	size_t used = (avail + vq_avail_bytes(size) + 3) / 4 * 4;

	fuzz_memory(f);
	f->cfg = (struct vq_config){
		.size = size,
		.desc = f->guest,
		.avail = f->guest + avail,
		.used = f->guest + used,
		.features = (uint64_t)(how >> 3 & 3) << VIRTIO_RING_F_INDIRECT_DESC,
		.last_avail = input_u16(&f->in),
		.gm = f->gm,
	};
	((struct vring_avail *)f->cfg.avail)->idx = f->cfg.last_avail;
	((struct vring_used *)f->cfg.used)->idx = f->cfg.last_avail;
	if (how & 0x20) {
		f->log = aligned_alloc(64, vq_inflight_size(size));
		memset(f->log, 0, vq_inflight_size(size));
		f->cfg.inflight = f->log;
	}
	MUST(!vq_init(&f->vq, &f->cfg, 1));
}

static void fuzz_touch(const struct fuzz *f, const struct iovec *seg, bool write)
{
	const uint8_t *p = seg->iov_base;
	size_t len = seg->iov_len;
	bool ro = p >= f->ro && p < f->ro + RO_LEN;

	MUST(len);
	MUST(ro ? len <= (size_t)(f->ro + RO_LEN - p) :
		  p >= f->guest && len <= (size_t)(f->guest + GUEST_LEN - p));
	MUST(!(ro && write));
}

static void fuzz_pop(struct fuzz *f)
{
	static struct iovec seg[VQ_MAX_SEGS];
	unsigned int max = input_u8(&f->in) & 1 ? VQ_MAX_SEGS : input_u8(&f->in) & 7;
	uint64_t in = 0, out = 0;
	struct vq_chain ch;

	vq_prefetch(&f->vq);
	if (f->nr_out == MAX_OUT || vq_pop(&f->vq, seg, max, &ch) != 1)
		return;
	MUST(ch.head < f->cfg.size && ch.nr_in + ch.nr_out <= (int)max && ch.nr_in + ch.nr_out);
	for (unsigned int i = 0; i < ch.nr_in; i++) {
		fuzz_touch(f, &seg[i], false);
		in += seg[i].iov_len;
	}
	for (unsigned int i = ch.nr_in; i < (unsigned int)ch.nr_in + ch.nr_out; i++) {
		fuzz_touch(f, &seg[i], true);
		out += seg[i].iov_len;
	}
	MUST(in == ch.len_in && out == ch.len_out);
	if (input_u8(&f->in) & 1)
		vq_unpop(&f->vq, &ch);
	else
		f->out[f->nr_out++] = ch.head;
	MUST(f->vq.inflight == f->nr_out && f->nr_out <= f->cfg.size);
}

static void fuzz_push(struct fuzz *f)
{
	unsigned int k;

	if (!f->nr_out)
		return;
	k = input_u8(&f->in) % f->nr_out;
	vq_push(&f->vq, f->out[k], input_u32(&f->in));
	f->out[k] = f->out[--f->nr_out];
}

static void fuzz_scribble(struct fuzz *f)
{
	size_t at = input_u16(&f->in) % (GUEST_LEN - 64);

	input_bytes(&f->in, f->guest + at, input_u8(&f->in) % 64);
}

/* A descriptor that has a chance: the address is near the regions, the flags are known ones. */
static void fuzz_descriptor(struct fuzz *f)
{
	struct vring_desc *table = (void *)f->guest;
	unsigned int slot = input_u8(&f->in) % (GUEST_LEN / sizeof(*table));

	uint8_t near = input_u8(&f->in);

	table[slot].addr = GPA + input_u16(&f->in) % (GUEST_LEN + RO_LEN + 16);
	if (near & 0x80) /* at an end, where a table or a buffer may cross */
		table[slot].addr = (near & 0x40 ? RO_GPA + RO_LEN : RO_GPA) - (near & 0x3f) * 16u;
	table[slot].len = input_u8(&f->in) * (input_u8(&f->in) & 1 ? 16u : 1u);
	table[slot].flags = input_u8(&f->in) & 7;
	table[slot].next = input_u8(&f->in) % (2 * f->cfg.size);
}

static void fuzz_offer(struct fuzz *f)
{
	struct vring_avail *avail = f->cfg.avail;

	avail->ring[avail->idx % f->cfg.size] = input_u8(&f->in) % (f->cfg.size + 1);
	avail->idx++;
}

/* A crash, and a log that may have been bent before the next back end starts. */
static bool fuzz_restart(struct fuzz *f)
{
	vq_fini(&f->vq);
	f->nr_out = 0;
	if (f->log && input_u8(&f->in) & 1)
		input_bytes(&f->in, (uint8_t *)f->log + input_u8(&f->in) % 16, 16);
	f->cfg.last_avail = input_u16(&f->in);
	return vq_init(&f->vq, &f->cfg, input_u16(&f->in)) == 0;
}

static bool fuzz_step(struct fuzz *f)
{
	switch (input_u8(&f->in) % 10) {
	case 0: fuzz_scribble(f); break;
	case 1:
	case 2: fuzz_descriptor(f); break;
	case 3: fuzz_offer(f); break;
	case 4:
	case 5: fuzz_pop(f); break;
	case 6: fuzz_push(f); break;
	case 7: vq_publish(&f->vq); break;
	case 8: vq_set_kicks(&f->vq, input_u8(&f->in) & 1); vq_avail(&f->vq); break;
	case 9:
		if (input_u8(&f->in) & 3)
			vq_set_memory(&f->vq, f->gm, f->cfg.desc, f->cfg.avail, f->cfg.used);
		else
			return fuzz_restart(f);
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz f = { .in = { data, len } };

	fuzz_setup(&f);
	while (f.in.left && fuzz_step(&f))
		continue;
	vq_fini(&f.vq);
	gm_put(f.gm);
	free(f.guest);
	free(f.ro);
	free(f.log);
	return 0;
}
