/* SPDX-License-Identifier: BSD-3-Clause */
/* Sizes that structs had in older minor versions; private to src/fuse. */
#ifndef FUSE_FUSE_COMPAT_H
#define FUSE_FUSE_COMPAT_H

#include <stdbool.h>
#include <stdint.h>

#include "fuse/fuse_ops.h"

#define FUSE_COMPAT_INIT_IN_SIZE 16

/* Since 7.23 no size depends on the minor version any more. */
static inline bool fuse_is_old(uint32_t minor)
{
	return minor - 1 < 22; /* 0, "not known", is not old */
}

/* Argument size on the wire. */
uint32_t fuse_compat_arg_size(const struct fuse_op_info *op, uint32_t minor);

#endif
