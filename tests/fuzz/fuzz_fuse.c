/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Decoding and replying: any bytes, cut into any segments. Promised: a delivered request has its
 * names ended inside the staged bytes, its views lie inside the chain, announced data is there, and
 * a reply never leaves the writable part nor claims more than it.
 */
#include <errno.h>

#include "base/fuse_ext.h"
#include "fuse/fuse_msg.h"
#include "input.h"

#define MAX_SEGS 12

struct fuzz {
	struct input in;
	struct iovec seg[2 * MAX_SEGS];
	struct vq_chain ch;
	struct fuse_session ss;
	struct fuse_decoded dec;
};

static struct fuse_stage stage;

static uint32_t fuzz_room(struct fuzz *f, struct iovec *seg, uint16_t nr)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < nr; i++) {
		seg[i].iov_len = 1 + input_u8(&f->in) * (input_u8(&f->in) & 1 ? 20u : 1u);
		seg[i].iov_base = malloc(seg[i].iov_len);
		sum += (uint32_t)seg[i].iov_len;
	}
	return sum;
}

static void fuzz_chain(struct fuzz *f)
{
	f->ch.nr_in = input_u8(&f->in) % MAX_SEGS;
	f->ch.nr_out = input_u8(&f->in) % MAX_SEGS;
	f->ch.len_in = fuzz_room(f, f->seg, f->ch.nr_in);
	f->ch.len_out = fuzz_room(f, f->seg + f->ch.nr_in, f->ch.nr_out);
	f->ss.minor = input_u8(&f->in) % 48;
	f->ss.flags = input_u8(&f->in) & 1 ? FUSE_SETXATTR_EXT : 0;
}

/* Input to the readable segments; mostly with a length and an opcode that get past the door. */
static void fuzz_fill(struct fuzz *f)
{
	struct fuse_in_header h;
	uint8_t how = input_u8(&f->in);
	struct chain c;

	input_bytes(&f->in, &h, sizeof(h));
	if (how & 7)
		h.len = f->ch.len_in;
	if (how & 0x38)
		h.opcode %= FUSE_OP_LIMIT;
	for (unsigned int i = 0; i < f->ch.nr_in; i++)
		input_bytes(&f->in, f->seg[i].iov_base, f->seg[i].iov_len);
	chain_init_len(&c, f->seg, f->ch.nr_in, f->ch.len_in);
	if (f->ch.len_in >= sizeof(h))
		chain_write(&c, &h, sizeof(h));
}

/* A view must start inside the segments and have as many bytes as it says. */
static void fuzz_view(const struct iovec *seg, unsigned int nr, struct chain_pos pos, uint32_t len)
{
	size_t have = 0;

	MUST(pos.index <= nr);
	MUST(pos.index == nr ? !pos.off && !len : pos.off < seg[pos.index].iov_len);
	for (unsigned int i = pos.index; i < nr; i++)
		have += seg[i].iov_len;
	MUST(have - pos.off >= len);
}

/* The two counts a handler would believe first. */
static void fuzz_announced(const struct fuzz *f)
{
	const struct fuse_write_in *write = (const void *)stage.arg_and_names;
	const struct fuse_batch_forget_in *forget = (const void *)stage.arg_and_names;

	if (stage.in.opcode == FUSE_WRITE)
		MUST(write->size <= f->dec.datain_len);
	if (stage.in.opcode == FUSE_BATCH_FORGET)
		MUST(forget->count <= f->dec.datain_len / sizeof(struct fuse_forget_one));
}

static void fuzz_check(struct fuzz *f)
{
	const struct fuse_op_info *op = f->dec.op;
	const uint8_t *p = stage.arg_and_names + op->in_size;
	uint32_t groups[8];

	MUST(op == fuse_op(stage.in.opcode) && stage.in.len == f->ch.len_in);
	MUST(f->dec.names_len <= f->dec.staged_len && f->dec.staged_len <= FUSE_STAGED_LEN);
	MUST(f->dec.staged_len <= f->dec.datain_len);
	for (unsigned int i = 0; i < op->nr_names; i++)
		p += strlen((const char *)p) + 1;
	MUST((uint32_t)(p - stage.arg_and_names - op->in_size) == f->dec.names_len);
	fuzz_announced(f);
	fuzz_view(f->seg, f->ch.nr_in, f->dec.datain, f->dec.datain_len);
	fuzz_view(f->seg + f->ch.nr_in, f->ch.nr_out, f->dec.dataout, f->dec.dataout_len);
	if (fuse_has_reply(op))
		MUST(fuse_reply_room(&f->dec) + f->dec.dataout_len <= f->ch.len_out);
	if (f->dec.staged_len == f->dec.datain_len)
		fuse_ext_groups(stage.arg_and_names + op->in_size, f->dec.staged_len,
				stage.in.total_extlen, groups, 8);
}

static void fuzz_reply(struct fuzz *f)
{
	struct chain c;
	uint32_t used;

	chain_init(&c, f->seg + f->ch.nr_in, f->ch.nr_out);
	stage.out.len = input_u32(&f->in) >> (input_u8(&f->in) & 31);
	stage.out.error = input_u8(&f->in) & 1 ? 0 : (int32_t)input_u32(&f->in);
	used = fuse_reply(&c, f->ch.len_out, &f->dec, &stage);
	MUST(!c.overrun && used <= f->ch.len_out);
	MUST(fuse_has_reply(f->dec.op) ? used == stage.out.len || stage.out.error : !used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz f = { .in = { data, len } };
	int rc;

	fuzz_chain(&f);
	fuzz_fill(&f);
	rc = fuse_decode(f.seg, &f.ch, &f.ss, &stage, &f.dec);
	if (!rc) {
		fuzz_check(&f);
		fuzz_reply(&f);
	} else if (rc != -EBADMSG) {
		struct chain c;

		chain_init(&c, f.seg + f.ch.nr_in, f.ch.nr_out);
		MUST(fuse_reply_error(&c, stage.in.unique, rc) == sizeof(struct fuse_out_header));
	}
	for (unsigned int i = 0; i < (unsigned int)f.ch.nr_in + f.ch.nr_out; i++)
		free(f.seg[i].iov_base);
	return 0;
}
