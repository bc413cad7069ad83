/* SPDX-License-Identifier: BSD-3-Clause */
/* Sizes that structs had before the protocol version that extended them. */
#include "fuse/fuse_compat.h"

#include "base/util.h"
#include "fuse/fuse_msg.h"

struct compat_size {
	uint8_t opcode;
	uint8_t below; /* minor version that brought the next size */
	uint16_t size;
};

/* fuse_create_in, fuse_mknod_in got a umask in 7.12; the others grew in 7.9 */
static const struct compat_size compat_args[] = {
	{ FUSE_GETATTR, 9, 0 },
	{ FUSE_READ, 9, 24 },
	{ FUSE_WRITE, 9, FUSE_COMPAT_WRITE_IN_SIZE },
	{ FUSE_MKNOD, 12, FUSE_COMPAT_MKNOD_IN_SIZE },
	{ FUSE_CREATE, 12, 8 },
};

/* the smaller version of an opcode comes first */
static const struct compat_size compat_replies[] = {
	{ FUSE_STATFS, 4, FUSE_COMPAT_STATFS_SIZE },
	{ FUSE_INIT, 5, FUSE_COMPAT_INIT_OUT_SIZE },
	{ FUSE_INIT, 23, FUSE_COMPAT_22_INIT_OUT_SIZE },
	{ FUSE_GETATTR, 9, FUSE_COMPAT_ATTR_OUT_SIZE },
	{ FUSE_SETATTR, 9, FUSE_COMPAT_ATTR_OUT_SIZE },
	{ FUSE_LOOKUP, 9, FUSE_COMPAT_ENTRY_OUT_SIZE },
	{ FUSE_SYMLINK, 9, FUSE_COMPAT_ENTRY_OUT_SIZE },
	{ FUSE_MKNOD, 9, FUSE_COMPAT_ENTRY_OUT_SIZE },
	{ FUSE_MKDIR, 9, FUSE_COMPAT_ENTRY_OUT_SIZE },
	{ FUSE_LINK, 9, FUSE_COMPAT_ENTRY_OUT_SIZE },
	{ FUSE_CREATE, 9, FUSE_COMPAT_ENTRY_OUT_SIZE + sizeof(struct fuse_open_out) },
};

static uint16_t compat_find(const struct compat_size *table, unsigned int nr,
			    const struct fuse_op_info *op, uint32_t minor, uint16_t current)
{
	if (!fuse_is_old(minor))
		return current;
	for (unsigned int i = 0; i < nr; i++)
		if (table[i].opcode == op->opcode && minor < table[i].below)
			return table[i].size;
	return current;
}

uint32_t fuse_compat_arg_size(const struct fuse_op_info *op, uint32_t minor)
{
	return compat_find(compat_args, ARRAY_SIZE(compat_args), op, minor, op->in_size);
}

uint16_t fuse_reply_size(const struct fuse_op_info *op, uint32_t minor)
{
	return compat_find(compat_replies, ARRAY_SIZE(compat_replies), op, minor, op->reply_size);
}
