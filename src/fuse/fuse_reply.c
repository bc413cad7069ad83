/* SPDX-License-Identifier: BSD-3-Clause */
/* From a handler's result to the writable part of the chain. */
#include <errno.h>

#include "fuse/fuse_msg.h"

/* Linux refuses replies with an error beyond these bounds, and hangs the caller's errno on it. */
#define FUSE_ERRNO_MAX 4095

uint32_t fuse_reply_error(struct chain *c, uint64_t unique, int error)
{
	struct fuse_out_header out = {
		.len = sizeof(out),
		.error = error < 0 && error >= -FUSE_ERRNO_MAX ? error : -EIO,
		.unique = unique,
	};

	if (chain_left(c) < sizeof(out))
		return 0;
	chain_write(c, &out, sizeof(out));
	return sizeof(out);
}

/*
 * The handler counted the structs it knows; the guest expects dec->reply_size bytes. (A reply
 * without any fixed part is not a shortened one: GETXATTR with a size.)
 */
static uint32_t fuse_wire_len(const struct fuse_decoded *dec, uint32_t len, uint32_t len_out)
{
	uint32_t room = fuse_reply_room(dec);
	uint32_t cut = dec->reply_size ? dec->op->reply_size - dec->reply_size : 0;

	if (!len)
		return room;
	if (len >= room + cut)
		len -= cut;
	len = min(len, len_out);
	return max(len, (uint32_t)sizeof(struct fuse_out_header));
}

/* The fixed part, in the first len bytes behind the header. */
static void fuse_reply_fixed(struct chain *c, const struct fuse_decoded *dec,
			     const struct fuse_stage *stage, uint32_t len)
{
	const struct fuse_op_info *op = dec->op;
	uint32_t first, second = op->reply2_size;

	/* older guests know a shorter first struct; the second one follows where theirs ends */
	first = min(dec->reply_size - second, len);
	second = min(second, len - first);
	if (first)
		chain_write(c, stage->reply, first);
	if (second)
		chain_write(c, stage->reply + op->reply_size - op->reply2_size, second);
}

uint32_t fuse_reply(struct chain *c, uint32_t len_out, const struct fuse_decoded *dec,
		    struct fuse_stage *stage)
{
	uint32_t len;

	if (unlikely(!fuse_has_reply(dec->op)))
		return 0;
	if (stage->out.error)
		return fuse_reply_error(c, stage->in.unique, stage->out.error);
	len = fuse_wire_len(dec, stage->out.len, len_out);
	stage->out.len = len;
	stage->out.unique = stage->in.unique;
	chain_write(c, &stage->out, sizeof(stage->out));
	if (dec->reply_size)
		fuse_reply_fixed(c, dec, stage, len - (uint32_t)sizeof(stage->out));
	return len;
}
