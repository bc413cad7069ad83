/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of the cursor that meet the end of a segment. */
#include "virtio/chain.h"

void chain_init(struct chain *c, const struct iovec *seg, unsigned int nr)
{
	size_t len = 0;

	for (unsigned int i = 0; i < nr; i++)
		len += seg[i].iov_len;
	chain_init_len(c, seg, nr, len);
}

/* Checks that len bytes are there, once for the whole operation. */
static bool chain_take(struct chain *c, size_t len)
{
	if (c->overrun || len > c->left)
		c->overrun = true;
	return !c->overrun;
}

/*
 * The next piece of at most len bytes in one segment. Only called while bytes are left, which
 * guarantees another segment.
 */
static char *chain_piece(struct chain *c, size_t len, size_t *ret_len)
{
	char *p;

	while (c->off == c->seg->iov_len) {
		c->seg++;
		c->nr--;
		c->off = 0;
	}
	p = (char *)c->seg->iov_base + c->off;
	*ret_len = min(len, c->seg->iov_len - c->off);
	chain_advance(c, *ret_len);
	return p;
}

void chain_read_across(struct chain *c, void *dst, size_t len)
{
	size_t n;

	if (!chain_take(c, len))
		return;
	for (char *d = dst; len; d += n, len -= n) {
		const char *p = chain_piece(c, len, &n);

		memcpy(d, p, n);
	}
}

void chain_write_across(struct chain *c, const void *src, size_t len)
{
	size_t n;

	if (!chain_take(c, len))
		return;
	for (const char *s = src; len; s += n, len -= n) {
		char *p = chain_piece(c, len, &n);

		memcpy(p, s, n);
	}
}

void chain_skip_across(struct chain *c, size_t len)
{
	size_t n;

	if (!chain_take(c, len))
		return;
	for (; len; len -= n)
		chain_piece(c, len, &n);
}
