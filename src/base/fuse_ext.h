/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Extensions of creating FUSE requests (7.36 security context, 7.38 the rest): records of a header
 * (size with header, type) and a body, each padded to 8 bytes, at the very end of the message.
 * fuse_in_header.total_extlen counts them in units of 8 bytes. All functions are pure and work on
 * copied bytes; hostile contents end the iteration.
 */
#ifndef BASE_FUSE_EXT_H
#define BASE_FUSE_EXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fuse_ext_iter {
	const uint8_t *p;
	size_t left;
};

/* One record; types up to FUSE_MAX_NR_SECCTX are security contexts, the type being their number. */
struct fuse_ext {
	uint32_t type;
	const uint8_t *data;
	size_t len;
};

/*
 * datain[0..len): what follows the fixed argument, whole, up to the end of the message.
 * total_extlen as in the request header. An area that does not fit in is empty.
 */
void fuse_ext_init(struct fuse_ext_iter *it, const void *datain, size_t len, uint16_t total_extlen);
/* The next record, or false: no more, or malformed (then it->left is not 0). */
bool fuse_ext_next(struct fuse_ext_iter *it, struct fuse_ext *ret);

/*
 * Supplementary groups of the request, copied to groups[0..max). Returns how many there are (0: no
 * such record), -EINVAL malformed, -E2BIG more than max.
 */
int fuse_ext_groups(const void *datain, size_t len, uint16_t total_extlen, uint32_t *groups,
		    unsigned int max);

/*
 * The first security label of the request: name of the attribute and value, in place. False: there
 * is none. Malformed ones are none, too.
 */
bool fuse_ext_label(const void *datain, size_t len, uint16_t total_extlen, const char **ret_name,
		    const void **ret_value, size_t *ret_len);

#endif
