/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: every request a slot can send is laid out in guest memory once, as Linux
 * lays it out (header, argument, name or data; answer header, answer body), and its chain is built
 * once. Sending it again only changes the few fields that differ: unique, node, handle, offset.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/util.h"
#include "load.h"

struct step {
	const char *name;
	uint32_t opcode;
	uint16_t arg_len;
	uint16_t body_len;	/* 0 with data_out: the data is the body */
	bool has_name, data_in, data_out;
	void (*fill)(struct worker *w, struct load_req *rq);
	int (*done)(struct worker *w, struct load_req *rq, uint32_t body);
};

/*
 * One request's memory but for data: the two headers next to each other, as in Linux's struct
 * fuse_req, then argument and name, then the answer's body.
 */
#define REQ_OUT sizeof(struct fuse_in_header)
#define REQ_ARG 64
#define REQ_BODY 256
#define REQ_BYTES 512

struct create_body {
	struct fuse_entry_out entry;
	struct fuse_open_out open;
};

static uint64_t rng(struct queue *q)
{
	q->rng ^= q->rng << 13;
	q->rng ^= q->rng >> 7;
	q->rng ^= q->rng << 17;
	return q->rng;
}

/* A block no other slot works on, when that matters. */
static uint64_t pick_block(struct worker *w, struct queue *q)
{
	const struct load_opts *o = w->load->opts;
	uint64_t n = o->file_size / o->bs;
	uint64_t b = o->pattern->random ? rng(q) % n : q->next_block++ % n;

	if (!q->block_busy)
		return b;
	while (q->block_busy[b])
		b = b + 1 == n ? 0 : b + 1;
	q->block_busy[b] = 1;
	return b;
}

static void fill_read(struct worker *w, struct load_req *rq)
{
	struct slot *s = rq->slot;
	struct fuse_read_in *in = rq->arg;

	s->block = pick_block(w, s->q);
	in->fh = s->q->file[0].fh;
	in->offset = s->block * w->load->opts->bs;
	in->size = (uint32_t)w->load->opts->bs;
	rq->in->nodeid = s->q->file[0].node;
}

static int done_read(struct worker *w, struct load_req *rq, uint32_t body)
{
	struct slot *s = rq->slot;
	struct queue *q = s->q;
	uint64_t bs = w->load->opts->bs, off = s->block * bs, at;

	if (body != bs) {
		load_fail(w->load, "READ at %llu: %u bytes instead of %llu",
			  (unsigned long long)off, body, (unsigned long long)bs);
		return -EIO;
	}
	counter_set(&w->bytes, w->bytes + bs);
	if (!q->gen)
		return 0;
	q->block_busy[s->block] = 0;
	if (stamp_check(s->data, bs, q->file[0].node, off, q->gen[s->block], &at))
		return 0;
	load_fail(w->load, "wrong data at offset %llu of %s (block of generation %u)",
		  (unsigned long long)(off + at), q->file[0].name, q->gen[s->block]);
	return -EILSEQ;
}

static void fill_write(struct worker *w, struct load_req *rq)
{
	struct slot *s = rq->slot;
	struct queue *q = s->q;
	struct fuse_write_in *in = rq->arg;
	uint64_t bs = w->load->opts->bs;

	s->block = pick_block(w, q);
	in->fh = q->file[0].fh;
	in->offset = s->block * bs;
	in->size = (uint32_t)bs;
	rq->in->nodeid = q->file[0].node;
	if (q->gen)
		stamp_write(s->data, bs, q->file[0].node, in->offset, ++q->gen[s->block]);
}

static int done_write(struct worker *w, struct load_req *rq, uint32_t body)
{
	const struct fuse_write_out *out = rq->body;
	struct slot *s = rq->slot;
	uint64_t bs = w->load->opts->bs;

	if (s->q->gen)
		s->q->block_busy[s->block] = 0;
	if (out->size != bs) {
		load_fail(w->load, "WRITE: %u bytes instead of %llu", out->size,
			  (unsigned long long)bs);
		return -EIO;
	}
	counter_set(&w->bytes, w->bytes + bs);
	return 0;
}

static void fill_lookup(struct worker *w, struct load_req *rq)
{
	struct slot *s = rq->slot;

	s->file = (uint32_t)(rng(s->q) % s->q->nr_files);
	memcpy(rq->name, s->q->file[s->file].name, NAME_LEN + 1);
	rq->in->nodeid = w->load->dir;
}

static int done_lookup(struct worker *w, struct load_req *rq, uint32_t body)
{
	const struct fuse_entry_out *e = rq->body;
	const struct file *f = &rq->slot->q->file[rq->slot->file];

	forget_add(w, e->nodeid, 1);
	if (w->load->opts->verify && (e->nodeid != f->node || !S_ISREG(e->attr.mode))) {
		load_fail(w->load, "LOOKUP %s: node %llu, mode 0%o", f->name,
			  (unsigned long long)e->nodeid, e->attr.mode);
		return -EILSEQ;
	}
	return 0;
}

static void fill_getattr(struct worker *w, struct load_req *rq)
{
	struct slot *s = rq->slot;

	if (w->load->opts->pattern->nr_steps == 1)
		s->file = (uint32_t)(rng(s->q) % s->q->nr_files);
	rq->in->nodeid = s->q->file[s->file].node;
}

static int done_getattr(struct worker *w, struct load_req *rq, uint32_t body)
{
	const struct fuse_attr_out *a = rq->body;

	if (w->load->opts->verify && !S_ISREG(a->attr.mode)) {
		load_fail(w->load, "GETATTR: mode 0%o of a regular file", a->attr.mode);
		return -EILSEQ;
	}
	return 0;
}

static void fill_create(struct worker *w, struct load_req *rq)
{
	rq->in->nodeid = w->load->dir;
}

static int done_create(struct worker *w, struct load_req *rq, uint32_t body)
{
	const struct create_body *b = rq->body;

	rq->slot->node = b->entry.nodeid;
	rq->slot->fh = b->open.fh;
	return 0;
}

static void fill_release(struct worker *w, struct load_req *rq)
{
	struct fuse_release_in *in = rq->arg;

	in->fh = rq->slot->fh;
	rq->in->nodeid = rq->slot->node;
}

static int done_unlink(struct worker *w, struct load_req *rq, uint32_t body)
{
	forget_add(w, rq->slot->node, 1);
	return 0;
}

static void fill_readdirplus(struct worker *w, struct load_req *rq)
{
	struct slot *s = rq->slot;
	struct fuse_read_in *in = rq->arg;

	in->fh = s->fh;
	in->offset = s->dir_off;
	in->size = (uint32_t)w->load->opts->bs;
	rq->in->nodeid = w->load->dir;
}

static int done_readdirplus(struct worker *w, struct load_req *rq, uint32_t body)
{
	struct slot *s = rq->slot;
	uint32_t at = 0;

	s->dir_off = 0;
	/* An echo leaves the buffer as it is: no entries to read. */
	while (at < body && !w->load->echo) {
		const struct fuse_direntplus *d = (const void *)(s->data + at);

		if (body - at < FUSE_NAME_OFFSET_DIRENTPLUS ||
		    d->dirent.namelen > body - at - FUSE_NAME_OFFSET_DIRENTPLUS) {
			load_fail(w->load, "READDIRPLUS: an entry runs over the end");
			return -EIO;
		}
		s->dir_off = d->dirent.off;
		/* Linux counts a reference for all but "." and "..", whose node is 0. */
		if (d->entry_out.nodeid && d->dirent.name[0] != '.')
			forget_add(w, d->entry_out.nodeid, 1);
		at += (uint32_t)FUSE_DIRENTPLUS_SIZE(d);
	}
	counter_set(&w->bytes, w->bytes + body);
	return 0;
}

static const struct step steps[STEP_KINDS] = {
	[STEP_READ] = {"READ", FUSE_READ, sizeof(struct fuse_read_in), 0, .data_out = true,
		       .fill = fill_read, .done = done_read},
	[STEP_WRITE] = {"WRITE", FUSE_WRITE, sizeof(struct fuse_write_in),
			sizeof(struct fuse_write_out), .data_in = true, .fill = fill_write,
			.done = done_write},
	[STEP_LOOKUP] = {"LOOKUP", FUSE_LOOKUP, 0, sizeof(struct fuse_entry_out), .has_name = true,
			 .fill = fill_lookup, .done = done_lookup},
	[STEP_GETATTR] = {"GETATTR", FUSE_GETATTR, sizeof(struct fuse_getattr_in),
			  sizeof(struct fuse_attr_out), .fill = fill_getattr,
			  .done = done_getattr},
	[STEP_CREATE] = {"CREATE", FUSE_CREATE, sizeof(struct fuse_create_in),
			 sizeof(struct create_body), .has_name = true, .fill = fill_create,
			 .done = done_create},
	[STEP_RELEASE] = {"RELEASE", FUSE_RELEASE, sizeof(struct fuse_release_in), 0,
			  .fill = fill_release},
	[STEP_UNLINK] = {"UNLINK", FUSE_UNLINK, 0, 0, .has_name = true, .fill = fill_create,
			 .done = done_unlink},
	[STEP_READDIRPLUS] = {"READDIRPLUS", FUSE_READDIRPLUS, sizeof(struct fuse_read_in), 0,
			      .data_out = true, .fill = fill_readdirplus,
			      .done = done_readdirplus},
};

static unsigned add_data(const struct load_opts *o, struct vufe_seg *seg, uint64_t gpa)
{
	uint64_t left = o->bs;
	unsigned n = 0;

	while (left) {
		uint64_t len = o->seg_size && left > o->seg_size ? o->seg_size : left;

		seg[n++] = (struct vufe_seg){gpa, (uint32_t)len};
		gpa += len;
		left -= len;
	}
	return n;
}

unsigned step_segs(const struct load_opts *o)
{
	return 4 + (unsigned)(o->seg_size ? (o->bs + o->seg_size - 1) / o->seg_size : 1);
}

/* The parts of the request in its piece of guest memory. */
static void lay_out(struct load *l, struct load_req *rq, uint8_t *mem, const struct step *st)
{
	uint32_t len = (uint32_t)sizeof(*rq->in) + st->arg_len;

	rq->in = (void *)mem;
	rq->out = (void *)(mem + REQ_OUT);
	rq->arg = mem + REQ_ARG;
	rq->name = (char *)rq->arg + st->arg_len;
	rq->body = mem + REQ_BODY;
	if (st->has_name) {
		snprintf(rq->name, NAME_LEN + 1, "c%03x%08x", rq->slot->q->vq->index & 0xfff,
			 rq->slot->index);
		len += NAME_LEN + 1;
	}
	vufe_fill_header(&l->fs, rq->in, st->opcode, 0, 0);
	rq->in->len = len + (st->data_in ? (uint32_t)l->opts->bs : 0);
}

static int build_chain(struct load *l, struct load_req *rq, const struct step *st, uint64_t gpa,
		       uint64_t data_gpa)
{
	struct vufe_seg seg[SEGS_MAX];
	unsigned n = 0, nr_out;

	seg[n++] = (struct vufe_seg){gpa, sizeof(struct fuse_in_header)};
	if (st->arg_len)
		seg[n++] = (struct vufe_seg){gpa + REQ_ARG, st->arg_len};
	if (st->has_name)
		seg[n++] = (struct vufe_seg){gpa + REQ_ARG + st->arg_len, NAME_LEN + 1};
	if (st->data_in)
		n += add_data(l->opts, seg + n, data_gpa);
	nr_out = n;
	seg[n++] = (struct vufe_seg){gpa + REQ_OUT, sizeof(struct fuse_out_header)};
	if (st->body_len)
		seg[n++] = (struct vufe_seg){gpa + REQ_BODY, st->body_len};
	if (st->data_out)
		n += add_data(l->opts, seg + n, data_gpa);
	return vufe_vq_build(rq->slot->q->vq, seg, nr_out, n - nr_out);
}

int step_build(struct load *l, struct slot *s, unsigned i, enum step_kind kind, uint64_t data_gpa)
{
	const struct step *st = &steps[kind];
	struct load_req *rq = &s->req[i];
	uint64_t gpa;
	uint8_t *mem = vufe_alloc(&l->dev, REQ_BYTES, 64, &gpa);
	int head;

	if (!mem)
		return -ENOMEM;
	rq->slot = s;
	rq->kind = (uint8_t)kind;
	lay_out(l, rq, mem, st);
	if (kind == STEP_CREATE) {
		struct fuse_create_in *in = rq->arg;

		in->flags = 0x2 | 0100 | 0200; /* O_RDWR | O_CREAT | O_EXCL as the wire has them */
		in->mode = S_IFREG | 0644;
	}
	head = build_chain(l, rq, st, gpa, data_gpa);
	if (head < 0)
		return head;
	rq->head = (uint16_t)head;
	s->q->by_head[head] = rq;
	return 0;
}

/* The answer an echo device would give if it gave one, so that judging it costs the same. */
static void lay_answer(struct worker *w, struct load_req *rq)
{
	const struct step *st = &steps[rq->kind];
	uint32_t body = st->data_out ? (uint32_t)w->load->opts->bs : st->body_len;

	rq->out->len = (uint32_t)sizeof(*rq->out) + body;
	rq->out->unique = rq->in->unique;
	if (rq->kind == STEP_WRITE)
		((struct fuse_write_out *)rq->body)->size = (uint32_t)w->load->opts->bs;
}

void step_fill(struct worker *w, struct load_req *rq)
{
	rq->in->unique += 2;
	steps[rq->kind].fill(w, rq);
	if (w->load->echo)
		lay_answer(w, rq);
}

int step_done(struct worker *w, struct load_req *rq, uint32_t len)
{
	const struct step *st = &steps[rq->kind];
	const struct fuse_out_header *h = rq->out;
	uint32_t body = len - (uint32_t)sizeof(*h);

	if (len < sizeof(*h) || h->len != len || h->unique != rq->in->unique) {
		load_fail(w->load, "%s: answer of %u bytes says %u, unique %llu, asked %llu",
			  st->name, len, h->len, (unsigned long long)h->unique,
			  (unsigned long long)rq->in->unique);
		return -EPROTO;
	}
	if (h->error) {
		load_fail(w->load, "%s: %s", st->name, strerror(-h->error));
		return h->error;
	}
	if (!st->data_out && body != st->body_len) {
		load_fail(w->load, "%s: body of %u bytes instead of %u", st->name, body,
			  st->body_len);
		return -EPROTO;
	}
	return st->done ? st->done(w, rq, body) : 0;
}
