/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The FUSE opcode table (fuse_ops.def), one row per opcode:
 *
 *   FUSE_OP(NAME, name, IN, NAMES, REPLY, REPLY2, FLAGS)
 *
 * NAME    suffix of the FUSE_<NAME> opcode constant name    as in
 * doca_devemu_vfs_io_event_vfs_fuse_<name>_req_handler_register IN      fixed argument: struct
 * fuse_<IN>, or `none` NAMES   NUL-terminated strings that follow it REPLY   fixed reply: struct
 * fuse_<REPLY>, or `none` REPLY2  second fixed reply struct (CREATE, TMPFILE: open_out), or `none`
 * FLAGS   FUSE_F_*
 *
 * The arguments of a typed handler follow from a row: in; arg_in unless IN is none; datain if there
 * are NAMES or FUSE_F_DATAIN; out unless FUSE_F_NOREPLY; reply and reply2 unless none; dataout if
 * FUSE_F_DATAOUT.
 *
 * Also generated from it: decoder, reply sizing, names for logs, the register functions of the API,
 * the controller's registration loop, and a test.
 */
#ifndef FUSE_FUSE_OPS_H
#define FUSE_FUSE_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "doca_devemu_vfs_fuse_kernel.h"

#define FUSE_F_DATAIN 0x01 /* bytes follow argument and names, as many as the argument says */
#define FUSE_F_DATAOUT 0x02 /* bytes may follow header and fixed reply */
#define FUSE_F_NOREPLY 0x04 /* FORGET and friends: no reply at all */
#define FUSE_F_EXT 0x08 /* create extensions (secctx, groups) may follow the names */
#define FUSE_F_SIZED 0x10 /* size of argument or reply depends on contents or on INIT's flags */

/* Opcodes above this are unknown (CUSE_INIT = 4096 is not ours). */
#define FUSE_OP_LIMIT 64

#define FUSE_MAX_REPLY 512 /* >= sum of fixed reply structs of any opcode, asserted */
#define FUSE_MAX_ARG 128 /* >= any fixed argument, asserted */
#define FUSE_STAGED_LEN 8192 /* names staged behind the argument: >= 2 x (FUSE name max 1024) and a
				PATH_MAX target with its link name */

struct fuse_op_info {
	const char *name; /* "LOOKUP"; NULL marks an unused slot */
	uint16_t opcode;
	uint16_t in_size;
	uint8_t nr_names;
	uint16_t reply_size; /* REPLY and REPLY2 together */
	uint16_t reply2_size; /* REPLY2 alone */
	uint8_t flags;
};

extern const struct fuse_op_info fuse_op_table[FUSE_OP_LIMIT];

/* NULL for opcodes not in the table. */
static inline const struct fuse_op_info *fuse_op(uint32_t opcode)
{
	const struct fuse_op_info *op = &fuse_op_table[opcode % FUSE_OP_LIMIT];

	return opcode < FUSE_OP_LIMIT && op->name ? op : NULL;
}

#endif
