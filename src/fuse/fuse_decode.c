/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a chain to a request. Every byte that decides something is copied into the stage first and
 * judged there; nothing is read twice. What follows the argument stays where it is, except for the
 * leading bytes of messages with names.
 */
#include <errno.h>
#include <string.h>

#include "fuse/fuse_compat.h"
#include "fuse/fuse_msg.h"

/* Bytes the argument has on the wire; left: what the message has for it and all that follows. */
static uint32_t fuse_arg_size(const struct fuse_op_info *op, const struct fuse_session *ss,
			      size_t left)
{
	switch (op->opcode) {
	case FUSE_INIT:
		return left < op->in_size ? FUSE_COMPAT_INIT_IN_SIZE : op->in_size;
	case FUSE_SETXATTR:
		return ss->flags & FUSE_SETXATTR_EXT ? op->in_size : FUSE_COMPAT_SETXATTR_IN_SIZE;
	default:
		return fuse_compat_arg_size(op, ss->minor);
	}
}

static inline int fuse_read_arg(struct chain *c, const struct fuse_op_info *op,
			 const struct fuse_session *ss, uint8_t *arg)
{
	uint32_t size = op->in_size;

	if (unlikely((op->flags & FUSE_F_SIZED) || fuse_is_old(ss->minor)))
		size = fuse_arg_size(op, ss, chain_left(c));
	if (unlikely(chain_left(c) < size))
		return -EINVAL;
	if (size)
		chain_read(c, arg, size);
	if (unlikely(size < op->in_size))
		memset(arg + size, 0, op->in_size - size);
	return 0;
}

/* All names end within len bytes. Returns their length with NULs, 0 if they do not. */
static uint32_t fuse_names_len(const uint8_t *names, uint32_t len, unsigned int nr)
{
	const uint8_t *p = names, *nul;

	for (; nr; nr--) {
		nul = memchr(p, 0, len - (size_t)(p - names));
		if (!nul)
			return 0;
		p = nul + 1;
	}
	return (uint32_t)(p - names);
}

static __attribute__((noinline)) int fuse_read_names(struct chain *c, const struct fuse_op_info *op,
						     uint8_t *names, struct fuse_decoded *ret)
{
	ret->staged_len = min(ret->datain_len, (uint32_t)FUSE_STAGED_LEN);
	chain_read(c, names, ret->staged_len);
	ret->names_len = fuse_names_len(names, ret->staged_len, op->nr_names);
	return ret->names_len ? 0 : -EINVAL;
}

/* Data bytes that the argument announces. */
static uint64_t fuse_data_announced(const struct fuse_op_info *op, const void *arg)
{
	switch (op->opcode) {
	case FUSE_WRITE:
		return ((const struct fuse_write_in *)arg)->size;
	case FUSE_SETXATTR:
		return ((const struct fuse_setxattr_in *)arg)->size;
	case FUSE_IOCTL:
		return ((const struct fuse_ioctl_in *)arg)->in_size;
	case FUSE_NOTIFY_REPLY:
		return ((const struct fuse_notify_retrieve_in *)arg)->size;
	case FUSE_BATCH_FORGET:
		return sizeof(struct fuse_forget_one) *
		       (uint64_t)((const struct fuse_batch_forget_in *)arg)->count;
	case FUSE_REMOVEMAPPING:
		return sizeof(struct fuse_removemapping_one) *
		       (uint64_t)((const struct fuse_removemapping_in *)arg)->count;
	default:
		return 0;
	}
}

/* An INIT that says it is the long one must be; called with what was read of it. */
static bool fuse_init_is_whole(const struct fuse_in_header *in, const struct fuse_init_in *arg)
{
	return !(arg->flags & FUSE_INIT_EXT) || in->len >= sizeof(*in) + sizeof(*arg);
}

static inline int fuse_decode_in(struct chain *c, const struct iovec *seg,
				 const struct fuse_session *ss, struct fuse_stage *stage,
				 struct fuse_decoded *ret)
{
	const struct fuse_op_info *op = ret->op;
	uint8_t *arg = stage->arg_and_names;
	struct chain copy;
	int rc;

	rc = fuse_read_arg(c, op, ss, arg);
	if (unlikely(rc))
		return rc;
	if (unlikely(op->opcode == FUSE_INIT) && !fuse_init_is_whole(&stage->in, (void *)arg))
		return -EINVAL;
	if (!op->nr_names && !(op->flags & FUSE_F_DATAIN))
		return 0;
	ret->datain = chain_tell(c, seg);
	ret->datain_len = (uint32_t)chain_left(c);
	if (op->nr_names) {
		copy = *c; /* nobody needs the cursor afterwards */
		rc = fuse_read_names(&copy, op, arg + op->in_size, ret);
		if (rc)
			return rc;
	}
	if ((op->flags & FUSE_F_DATAIN) &&
	    fuse_data_announced(op, arg) > ret->datain_len - ret->names_len)
		return -EINVAL;
	return 0;
}

/* The fixed reply this very request gets. */
static uint16_t fuse_expected_reply(const struct fuse_op_info *op, const struct fuse_session *ss,
				    const void *arg)
{
	switch (op->opcode) {
	case FUSE_INIT: /* the session does not exist yet, or is an old one */
		return fuse_reply_size(op, max(((const struct fuse_init_in *)arg)->minor, 1u));
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR: /* asked for the size, or for the bytes */
		return ((const struct fuse_getxattr_in *)arg)->size ? 0 : op->reply_size;
	default:
		return fuse_reply_size(op, ss->minor);
	}
}

static inline int fuse_decode_out(const struct iovec *seg, const struct vq_chain *ch,
			   const struct fuse_session *ss, struct fuse_stage *stage,
			   struct fuse_decoded *ret)
{
	const struct fuse_op_info *op = ret->op;
	bool data = op->flags & FUSE_F_DATAOUT;
	struct chain c;
	uint32_t room;

	ret->reply_size = op->reply_size;
	if (unlikely((op->flags & FUSE_F_SIZED) || fuse_is_old(ss->minor))) {
		ret->reply_size = fuse_expected_reply(op, ss, stage->arg_and_names);
		if (op->flags & FUSE_F_SIZED)
			data = data && !ret->reply_size;
	}
	room = fuse_reply_room(ret);
	if (unlikely(ch->len_out < room))
		return -EINVAL;
	stage->out = (struct fuse_out_header){ 0 };
	if (op->reply_size)
		memset(stage->reply, 0, op->reply_size);
	if (!data)
		return 0;
	chain_init_len(&c, seg + ch->nr_in, ch->nr_out, ch->len_out);
	chain_skip(&c, room);
	ret->dataout = chain_tell(&c, seg + ch->nr_in);
	ret->dataout_len = ch->len_out - room;
	return 0;
}

static inline int fuse_decode_body(struct chain *c, const struct iovec *seg,
				   const struct vq_chain *ch, const struct fuse_session *ss,
				   struct fuse_stage *stage, struct fuse_decoded *ret)
{
	int rc;

	if (unlikely(!ret->op))
		return -ENOSYS;
	if (unlikely(stage->in.len != ch->len_in))
		return -EINVAL;
	rc = fuse_decode_in(c, seg, ss, stage, ret);
	if (!rc && !(ret->op->flags & FUSE_F_NOREPLY))
		rc = fuse_decode_out(seg, ch, ss, stage, ret);
	return rc;
}

/*
 * The usual request, without a cursor: no size depends on contents or on an old client, nothing but
 * the argument follows the header, and each lies in one segment, as does what the reply needs before
 * data. With anything else false: the chain is decoded again from the start, on a new copy.
 */
static inline bool fuse_decode_quick(const struct iovec *seg, const struct vq_chain *ch,
				     const struct fuse_session *ss, struct fuse_stage *stage,
				     struct fuse_decoded *ret)
{
	const struct iovec *arg = seg, *out = seg + ch->nr_in;
	size_t at = sizeof(stage->in);
	const struct fuse_op_info *op;
	uint32_t room;

	if (unlikely(!ch->nr_in || seg->iov_len < at))
		return false;
	memcpy(&stage->in, seg->iov_base, sizeof(stage->in));
	op = fuse_op(stage->in.opcode);
	if (unlikely(!op || op->nr_names || fuse_is_old(ss->minor) || stage->in.len != ch->len_in ||
		     op->flags & (FUSE_F_DATAIN | FUSE_F_SIZED | FUSE_F_NOREPLY)))
		return false;
	if (seg->iov_len == at && ch->nr_in > 1) {
		arg++;
		at = 0;
	}
	room = (uint32_t)sizeof(struct fuse_out_header) + op->reply_size;
	if (unlikely(arg->iov_len - at < op->in_size || ch->len_out < room))
		return false;
	*ret = (struct fuse_decoded){ .op = op, .reply_size = op->reply_size };
	if (op->flags & FUSE_F_DATAOUT) {
		if (unlikely(out->iov_len < room))
			return false;
		ret->dataout_len = ch->len_out - room;
		if (out->iov_len == room)
			ret->dataout.index = 1;
		else
			ret->dataout.off = room;
	}
	if (op->in_size)
		memcpy(stage->arg_and_names, (const char *)arg->iov_base + at, op->in_size);
	stage->out = (struct fuse_out_header){ 0 };
	if (op->reply_size)
		memset(stage->reply, 0, op->reply_size);
	return true;
}

static __attribute__((noinline)) int fuse_decode_any(const struct iovec *seg,
						     const struct vq_chain *ch,
						     const struct fuse_session *ss,
						     struct fuse_stage *stage,
						     struct fuse_decoded *ret)
{
	struct chain c;
	int rc;

	*ret = (struct fuse_decoded){ 0 };
	chain_init_len(&c, seg, ch->nr_in, ch->len_in);
	if (unlikely(ch->len_in < sizeof(stage->in)))
		return -EBADMSG;
	chain_read(&c, &stage->in, sizeof(stage->in));
	ret->op = fuse_op(stage->in.opcode);
	rc = fuse_decode_body(&c, seg, ch, ss, stage, ret);
	if (unlikely(rc) &&
	    (!fuse_has_reply(ret->op) || ch->len_out < sizeof(struct fuse_out_header)))
		return -EBADMSG;
	return rc;
}

int fuse_decode(const struct iovec *seg, const struct vq_chain *ch, const struct fuse_session *ss,
		struct fuse_stage *stage, struct fuse_decoded *ret)
{
	if (likely(fuse_decode_quick(seg, ch, ss, stage, ret)))
		return 0;
	return fuse_decode_any(seg, ch, ss, stage, ret);
}

static uint64_t fuse_init_flags(uint32_t flags, uint32_t flags2)
{
	return flags | (flags & FUSE_INIT_EXT ? (uint64_t)flags2 << 32 : 0);
}

void fuse_session_init(struct fuse_session *ss, const struct fuse_init_in *in,
		       const struct fuse_init_out *out)
{
	ss->minor = min(in->minor, out->minor);
	ss->minor = max(ss->minor, 1u);
	ss->flags = fuse_init_flags(in->flags, in->flags2) &
		    fuse_init_flags(out->flags, out->flags2);
}
