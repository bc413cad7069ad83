/* SPDX-License-Identifier: BSD-3-Clause */
#include "xdr.h"

void xdr_put_fixed(struct xdr_out *x, const void *data, uint32_t len)
{
	uint64_t whole = (uint64_t)len + xdr_pad(len);

	if ((uint64_t)(x->end - x->p) < whole) {
		x->bad = true;
		return;
	}
	if (len)
		memcpy(x->p, data, len);
	memset(x->p + len, 0, whole - len);
	x->p += whole;
}

void xdr_put_opaque(struct xdr_out *x, const void *data, uint32_t len)
{
	xdr_put32(x, len);
	xdr_put_fixed(x, data, len);
}

void xdr_put_string(struct xdr_out *x, const char *s)
{
	size_t len = strlen(s);

	if (len > UINT32_MAX)
		x->bad = true;
	else
		xdr_put_opaque(x, s, (uint32_t)len);
}

const uint8_t *xdr_get_fixed(struct xdr_in *x, uint32_t len)
{
	const uint8_t *p = x->p;
	uint64_t whole = (uint64_t)len + xdr_pad(len);

	if (x->bad || xdr_left(x) < whole) {
		xdr_in_fail(x);
		return NULL;
	}
	x->p += whole;
	return p;
}

const uint8_t *xdr_get_opaque(struct xdr_in *x, uint32_t max, uint32_t *ret_len)
{
	uint32_t len = xdr_get32(x);
	const uint8_t *p = NULL;

	if (len > max)
		xdr_in_fail(x);
	else
		p = xdr_get_fixed(x, len);
	*ret_len = p ? len : 0;
	return p;
}
