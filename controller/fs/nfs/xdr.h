/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * XDR (RFC 4506) by cursors over memory the caller owns. A cursor that runs out turns bad and stays
 * so: writing then does nothing, reading gives zeros, and one look at `bad` at the end judges it
 * all.
 */
#ifndef FS_NFS_XDR_H
#define FS_NFS_XDR_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/util.h"

/* Bytes that pad len to a multiple of four. */
static inline uint32_t xdr_pad(uint32_t len)
{
	return -len & 3;
}

/* ---- writing ---- */

struct xdr_out {
	uint8_t *p, *end;
	bool bad;
};

static inline void xdr_put32(struct xdr_out *x, uint32_t v)
{
	if (unlikely(x->end - x->p < 4)) {
		x->bad = true;
		return;
	}
	v = htobe32(v);
	memcpy(x->p, &v, 4);
	x->p += 4;
}

static inline void xdr_put64(struct xdr_out *x, uint64_t v)
{
	xdr_put32(x, (uint32_t)(v >> 32));
	xdr_put32(x, (uint32_t)v);
}

/* Fixed-length opaque, padded. */
void xdr_put_fixed(struct xdr_out *x, const void *data, uint32_t len);
/* Variable-length opaque: length, bytes, padding. */
void xdr_put_opaque(struct xdr_out *x, const void *data, uint32_t len);
void xdr_put_string(struct xdr_out *x, const char *s);

/* ---- reading ---- */

struct xdr_in {
	const uint8_t *p, *end;
	bool bad;
};

static inline size_t xdr_left(const struct xdr_in *x)
{
	return (size_t)(x->end - x->p);
}

static inline void xdr_in_fail(struct xdr_in *x)
{
	x->bad = true;
	x->p = x->end;
}

static inline uint32_t xdr_get32(struct xdr_in *x)
{
	uint32_t v;

	if (unlikely(xdr_left(x) < 4)) {
		xdr_in_fail(x);
		return 0;
	}
	memcpy(&v, x->p, 4);
	x->p += 4;
	return be32toh(v);
}

static inline uint64_t xdr_get64(struct xdr_in *x)
{
	uint64_t hi = xdr_get32(x);

	return hi << 32 | xdr_get32(x);
}

/* The next len bytes and their padding, where they are, or NULL. */
const uint8_t *xdr_get_fixed(struct xdr_in *x, uint32_t len);
/*
 * A variable-length opaque of at most max bytes: where it is and its length. NULL when it is longer
 * or does not fit into what is there; one of no bytes is not NULL.
 */
const uint8_t *xdr_get_opaque(struct xdr_in *x, uint32_t max, uint32_t *ret_len);

#endif
