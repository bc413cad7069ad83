/* SPDX-License-Identifier: BSD-3-Clause */
/* What wrappers share: a struct fs without state of its own. */
#ifndef FS_WRAP_WRAP_H
#define FS_WRAP_WRAP_H

#include "fs/fs.h"

int wrap_open_plain(const struct fs_ops *ops, struct fs **ret_fs);
void wrap_close_plain(struct fs *fs);
int wrap_attach_plain(struct fs *fs, struct thr *thr, unsigned int index, struct fs_thread **ret_ft);
void wrap_detach_plain(struct fs_thread *ft);

#endif
