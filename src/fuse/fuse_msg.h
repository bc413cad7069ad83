/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FUSE messages on the wire: decoding a request from a chain into staging memory, and writing a
 * reply.
 *
 * The header and the fixed argument are copied once; what is judged is the copy. Older, shorter
 * forms of an argument (MKNOD and CREATE before 7.12, WRITE and READ before 7.9, GETATTR before 7.9,
 * SETXATTR without SETXATTR_EXT, both INIT layouts) are widened with zeros to the current struct,
 * so nobody above knows about them; on the way back replies are cut to the size the guest's minor
 * version expects.
 */
#ifndef FUSE_FUSE_MSG_H
#define FUSE_FUSE_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "fuse/fuse_ops.h"
#include "virtio/chain.h"
#include "virtio/vq.h"

/* What the library must know of the session; snooped from INIT and its reply. One per device. */
struct fuse_session {
	uint32_t minor; /* 0: no INIT yet; the decoder then assumes the current minor */
	uint64_t flags; /* what both sides agreed on (FUSE_* INIT flags, flags2 << 32) */
};

/*
 * A decoded request. Two orders are part of the API's contract: the fixed argument lies directly
 * behind the header and names directly behind the argument; the reply structs lie directly behind
 * out. What every request touches comes first, so that it shares a page.
 */
struct fuse_stage {
	struct fuse_out_header out;
	uint8_t reply[FUSE_MAX_REPLY]; /* the first reply_size bytes are zeroed before delivery */
	struct fuse_in_header in;
	/* argument at 0, names (and the extensions behind them) at op->in_size */
	uint8_t arg_and_names[FUSE_MAX_ARG + FUSE_STAGED_LEN];
};

struct fuse_decoded {
	const struct fuse_op_info *op; /* NULL: unknown opcode */
	uint32_t names_len; /* the strings with their NULs */
	uint32_t staged_len; /* bytes of datain staged behind the argument: 0 without names */
	struct chain_pos datain; /* what follows the fixed argument, in the readable segments */
	uint32_t datain_len;
	struct chain_pos dataout; /* what follows header and fixed reply, in the writable ones */
	uint32_t dataout_len;
	uint16_t reply_size; /* fixed reply bytes the guest expects: by version and contents */
};

/*
 * Decodes the chain seg[] (readable first). Returns
 *   0        deliver it: *stage and *ret filled;
 *   -errno   do not deliver: reply with this error (unknown opcode -ENOSYS, lengths or names wrong
 *            -EINVAL, room for the reply missing -EINVAL); stage->in is valid, ret->op as well;
 *   -EBADMSG too short even for a header, no room for an error reply, or a malformed message of a
 *            kind that gets none: complete with used.len 0.
 * Bytes behind what an opcode needs are tolerated, header.len other than the readable length is
 * not.
 */
int fuse_decode(const struct iovec *seg, const struct vq_chain *ch, const struct fuse_session *ss,
		struct fuse_stage *stage, struct fuse_decoded *ret);

/* Does this opcode get a reply? (FORGET, BATCH_FORGET, INTERRUPT, NOTIFY_REPLY do not.) */
static inline bool fuse_has_reply(const struct fuse_op_info *op)
{
	return !op || !(op->flags & FUSE_F_NOREPLY);
}

/* Size rules of a guest's minor version; 0 stands for the current one. */
uint16_t fuse_reply_size(const struct fuse_op_info *op, uint32_t minor);

/*
 * Writes the reply in stage (out, and the fixed part on success) at the cursor, which stands at the
 * start of the writable segments and need not reach beyond fuse_reply_room(dec) bytes; data behind
 * it is in place already. out.len counts the current structs as handlers know them, 0 means "just
 * the fixed part"; len and error are brought into the range the guest accepts, unique is taken from
 * the request. len_out: all writable bytes. Returns used.len; 0, and nothing is written, for ops
 * without a reply.
 */
uint32_t fuse_reply(struct chain *c, uint32_t len_out, const struct fuse_decoded *dec,
		    struct fuse_stage *stage);
static inline uint32_t fuse_reply_room(const struct fuse_decoded *dec)
{
	return (uint32_t)sizeof(struct fuse_out_header) + dec->reply_size;
}

/*
 * The same for a success without a fixed part (reply_size 0) whose header has its place in one
 * piece, at out.
 */
static inline uint32_t fuse_reply_header(void *out, uint32_t len_out, const struct fuse_stage *stage)
{
	struct fuse_out_header hdr = { .len = min(stage->out.len, len_out),
				       .unique = stage->in.unique };

	hdr.len = max(hdr.len, (uint32_t)sizeof(hdr));
	memcpy(out, &hdr, sizeof(hdr));
	return hdr.len;
}

/* A header-only reply; error is -errno. Returns used.len, 0 if not even that fits. */
uint32_t fuse_reply_error(struct chain *c, uint64_t unique, int error);

/* Remembers what INIT agreed on, from the request's and the reply's copies. */
void fuse_session_init(struct fuse_session *ss, const struct fuse_init_in *in,
		       const struct fuse_init_out *out);

#endif
