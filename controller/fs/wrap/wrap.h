/* SPDX-License-Identifier: BSD-3-Clause */
/* What wrappers share: a struct fs without state of its own, and stacking. */
#ifndef FS_WRAP_WRAP_H
#define FS_WRAP_WRAP_H

#include "fs/fs.h"

int wrap_open_plain(const struct fs_ops *ops, struct fs **ret_fs);
void wrap_close_plain(struct fs *fs);
int wrap_attach_plain(struct fs *fs, struct thr *thr, unsigned int index,
		      struct fs_thread **ret_ft);
void wrap_detach_plain(struct fs_thread *ft);

/* Puts one wrapper, or those of cfg->wrap, on *fs, which becomes the outermost of them. 0, or
 * -errno with *err filled and *fs still the whole of what was opened. */
int wrap_stack(struct fs **fs, const struct fs_ops *ops, const struct fs_config *cfg, char *err);
int wrap_stack_list(struct fs **fs, const struct fs_config *cfg, char *err);

/* FORGET, RELEASE and the like: what they give back would be lost if they failed. */
bool wrap_op_gives_back(uint32_t opcode);

#endif
