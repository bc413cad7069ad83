/* SPDX-License-Identifier: BSD-3-Clause */
/* The opcode table as data. */
#include "fuse/fuse_ops.h"

#include <assert.h>

#include "fuse/fuse_msg.h"

/* `none` in a row is a struct without a byte (GNU C) */
struct fuse_none {
};

#define SIZE_OF(x) (sizeof(struct fuse_##x))

#define FUSE_OP(NAME, lname, IN, NAMES, REPLY, REPLY2, FLAGS)                                      \
	static_assert(FUSE_##NAME < FUSE_OP_LIMIT, "opcode limit");                                \
	static_assert(SIZE_OF(IN) <= FUSE_MAX_ARG, "argument of " #NAME);                          \
	static_assert(SIZE_OF(REPLY) + SIZE_OF(REPLY2) <= FUSE_MAX_REPLY, "reply of " #NAME);
#include "fuse/fuse_ops.def"
#undef FUSE_OP

/* Promised to handlers: the argument behind the header, names behind it, replies behind out. */
#define AT(field) offsetof(struct fuse_stage, field)
static_assert(AT(arg_and_names) == AT(in) + sizeof(struct fuse_in_header), "argument behind in");
static_assert(AT(reply) == AT(out) + sizeof(struct fuse_out_header), "reply behind out");
static_assert(AT(arg_and_names) % 8 == 0, "argument aligned");

#define FUSE_OP(NAME, lname, IN, NAMES, REPLY, REPLY2, FLAGS)                                      \
	[FUSE_##NAME] = {                                                                          \
		.name = #NAME,                                                                     \
		.opcode = FUSE_##NAME,                                                             \
		.in_size = SIZE_OF(IN),                                                            \
		.nr_names = NAMES,                                                                 \
		.reply_size = SIZE_OF(REPLY) + SIZE_OF(REPLY2),                                    \
		.reply2_size = SIZE_OF(REPLY2),                                                    \
		.flags = FLAGS,                                                                    \
	},
const struct fuse_op_info fuse_op_table[FUSE_OP_LIMIT] = {
#include "fuse/fuse_ops.def"
};
#undef FUSE_OP
