/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the opcode table to typed handlers: one register function and one calling function per
 * opcode, generated from fuse_ops.def.
 *
 * A handler takes the request, its user area and the header, then those of the following that its
 * opcode has, in this order: argument, datain, out header, reply, second reply, dataout. Which
 * ones is the "shape" of an opcode, computed from its row. SHAPES lists the shapes that exist with
 * the types and values they add; per opcode the compiler keeps the one that fits, and asserts that
 * it is the type the public header declares.
 */
#include <assert.h>

#include "devemu/vfs.h"
#include "softdpu_ext.h"

#define ARG 0x01u
#define DATAIN 0x02u
#define OUT 0x04u
#define REPLY 0x08u
#define REPLY2 0x10u
#define DATAOUT 0x20u

struct fuse_none; /* `none` of the table: never a value */

/* No struct name of the table is as short as `none`. */
#define IS(x) (sizeof(#x) != sizeof("none"))
#define HAS(flags, f) (((flags) & (f)) != 0)

#define SHAPE(IN, NAMES, R1, R2, FLAGS) \
	((IS(IN) ? ARG : 0) | ((NAMES) || HAS(FLAGS, FUSE_F_DATAIN) ? DATAIN : 0) | \
	 (HAS(FLAGS, FUSE_F_NOREPLY) ? 0 : OUT) | (IS(R1) ? REPLY : 0) | \
	 (IS(R2) ? REPLY2 : 0) | (HAS(FLAGS, FUSE_F_DATAOUT) ? DATAOUT : 0))

#define BUF struct doca_buf *
#define HDR struct fuse_out_header *
#define LIST(...) __VA_ARGS__

/* I, R, S: types of argument, reply and second reply. */
#define SHAPES(X, I, R, S) \
	X(ARG, LIST(I), LIST(arg)) \
	X(ARG | DATAIN, LIST(I, BUF), LIST(arg, datain)) \
	X(OUT, LIST(HDR), LIST(out)) \
	X(OUT | REPLY, LIST(HDR, R), LIST(out, reply)) \
	X(OUT | DATAOUT, LIST(HDR, BUF), LIST(out, dataout)) \
	X(ARG | OUT, LIST(I, HDR), LIST(arg, out)) \
	X(ARG | OUT | REPLY, LIST(I, HDR, R), LIST(arg, out, reply)) \
	X(ARG | OUT | DATAOUT, LIST(I, HDR, BUF), LIST(arg, out, dataout)) \
	X(ARG | OUT | REPLY | DATAOUT, LIST(I, HDR, R, BUF), LIST(arg, out, reply, dataout)) \
	X(DATAIN | OUT, LIST(BUF, HDR), LIST(datain, out)) \
	X(DATAIN | OUT | REPLY, LIST(BUF, HDR, R), LIST(datain, out, reply)) \
	X(ARG | DATAIN | OUT, LIST(I, BUF, HDR), LIST(arg, datain, out)) \
	X(ARG | DATAIN | OUT | REPLY, LIST(I, BUF, HDR, R), LIST(arg, datain, out, reply)) \
	X(ARG | DATAIN | OUT | REPLY | REPLY2, LIST(I, BUF, HDR, R, S), \
	  LIST(arg, datain, out, reply, reply2)) \
	X(ARG | DATAIN | OUT | REPLY | DATAOUT, LIST(I, BUF, HDR, R, BUF), \
	  LIST(arg, datain, out, reply, dataout))

#define HANDLER(...) \
	void (*)(struct doca_devemu_vfs_fuse_req *, void *, struct fuse_in_header *, __VA_ARGS__)
#define SHAPE_FITS(bits, types, values) \
	(shape == (bits) && __builtin_types_compatible_p(public_type, HANDLER(types))) ||
#define SHAPE_CALL(bits, types, values) \
	if (shape == (bits)) \
		((HANDLER(types))handler)(req, r->user, &st->in, values);

#define FUSE_OP(NAME, lname, IN, NAMES, R1, R2, FLAGS) \
	static void vfs_call_##lname(struct vfs_req *r, vfs_fuse_handler handler) \
	{ \
		typedef doca_devemu_vfs_io_event_vfs_fuse_##lname##_req_notice_handler_cb_t \
			public_type; \
		enum { shape = SHAPE(IN, NAMES, R1, R2, FLAGS) }; \
		struct doca_devemu_vfs_fuse_req *req = (struct doca_devemu_vfs_fuse_req *)r; \
		struct fuse_stage *st = r->stage; \
		struct doca_buf *datain = r->datain, *dataout = r->dataout; \
		struct fuse_out_header *out = &st->out; \
		void *arg = st->arg_and_names; \
		void *reply = st->reply; \
		void *reply2 = st->reply + r->dec.op->reply_size - r->dec.op->reply2_size; \
\
		static_assert(SHAPES(SHAPE_FITS, struct fuse_##IN *, struct fuse_##R1 *, \
				     struct fuse_##R2 *) 0, "handler type of " #NAME); \
		(void)datain, (void)dataout, (void)out, (void)arg, (void)reply, (void)reply2; \
		SHAPES(SHAPE_CALL, struct fuse_##IN *, struct fuse_##R1 *, struct fuse_##R2 *) \
	}
#include "fuse/fuse_ops.def"
#undef FUSE_OP

#define FUSE_OP(NAME, lname, IN, NAMES, R1, R2, FLAGS) [FUSE_##NAME] = vfs_call_##lname,
static void (*const vfs_call[FUSE_OP_LIMIT])(struct vfs_req *r, vfs_fuse_handler handler) = {
#include "fuse/fuse_ops.def"
};
#undef FUSE_OP

void vfs_fuse_call(struct vfs_req *r, vfs_fuse_handler handler)
{
	vfs_call[r->dec.op->opcode](r, handler);
}

#define FUSE_OP(NAME, lname, IN, NAMES, R1, R2, FLAGS) \
	doca_error_t doca_devemu_vfs_io_event_vfs_fuse_##lname##_req_handler_register( \
		struct doca_devemu_vfs_io *io, \
		doca_devemu_vfs_io_event_vfs_fuse_##lname##_req_notice_handler_cb_t handler) \
	{ \
		return vfs_io_set_fuse_handler(io, FUSE_##NAME, (vfs_fuse_handler)handler); \
	}
#include "fuse/fuse_ops.def"
#undef FUSE_OP
