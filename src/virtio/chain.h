/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cursor over segments of guest memory. Errors stick: after the first overrun every further call is
 * harmless, so that a decoder checks once at the end.
 */
#ifndef VIRTIO_CHAIN_H
#define VIRTIO_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>

#include "base/util.h"

struct chain {
	const struct iovec *seg; /* current */
	unsigned int nr; /* segments left, the current one included */
	size_t off; /* into the current one */
	size_t left; /* bytes left in all */
	bool overrun;
};

void chain_init(struct chain *c, const struct iovec *seg, unsigned int nr);
/* The same when the caller knows the sum of the lengths already, as vq_pop() does. */
static inline void chain_init_len(struct chain *c, const struct iovec *seg, unsigned int nr,
				  size_t len)
{
	c->seg = seg;
	c->nr = nr;
	c->off = 0;
	c->left = len;
	c->overrun = false;
}

/* Copies len bytes out (read) or in (write) and advances. Overrun copies nothing. */
void chain_read_across(struct chain *c, void *dst, size_t len);
void chain_write_across(struct chain *c, const void *src, size_t len);
void chain_skip_across(struct chain *c, size_t len);

/*
 * Do the next len bytes lie in one segment? The cursor then stands in it. (len 0 needs no segment
 * at all)
 */
static inline bool chain_fits(struct chain *c, size_t len)
{
	if (c->nr > 1 && c->off == c->seg->iov_len) {
		c->seg++;
		c->nr--;
		c->off = 0;
	}
	return c->nr && !c->overrun && len <= c->seg->iov_len - c->off;
}

static inline void chain_advance(struct chain *c, size_t len)
{
	c->off += len;
	c->left -= len;
}

/* In the three below only a copy is given away, so that the cursor itself can stay in registers. */
static inline void chain_read(struct chain *c, void *dst, size_t len)
{
	struct chain copy;

	if (likely(chain_fits(c, len))) {
		memcpy(dst, (const char *)c->seg->iov_base + c->off, len);
		chain_advance(c, len);
	} else {
		copy = *c;
		chain_read_across(&copy, dst, len);
		*c = copy;
	}
}

static inline void chain_write(struct chain *c, const void *src, size_t len)
{
	struct chain copy;

	if (likely(chain_fits(c, len))) {
		memcpy((char *)c->seg->iov_base + c->off, src, len);
		chain_advance(c, len);
	} else {
		copy = *c;
		chain_write_across(&copy, src, len);
		*c = copy;
	}
}

static inline void chain_skip(struct chain *c, size_t len)
{
	struct chain copy;

	if (likely(chain_fits(c, len))) {
		chain_advance(c, len);
	} else {
		copy = *c;
		chain_skip_across(&copy, len);
		*c = copy;
	}
}

static inline size_t chain_left(const struct chain *c)
{
	return c->left;
}

/* Position of the cursor, to turn "the rest" into a view: segment index and offset in it. */
struct chain_pos {
	unsigned int index; /* relative to the seg given to chain_init() */
	size_t off;
};

/* Where the rest begins: never at the end of a segment that has a successor. first is the seg given
 * to chain_init(). */
static inline struct chain_pos chain_tell(const struct chain *c, const struct iovec *first)
{
	struct chain_pos pos = { .index = (unsigned int)(c->seg - first), .off = c->off };

	if (c->nr && c->off == c->seg->iov_len) {
		pos.index++;
		pos.off = 0;
	}
	return pos;
}

#endif
