/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FS_FS_INIT_H
#define FS_FS_INIT_H

#include "fs/fs.h"

/* Answers FUSE_INIT for every file system: forgets the old session, agrees on version and flags.
 * 0 or -EPROTO. */
int fs_init_session(struct fs_req *req);

#endif
