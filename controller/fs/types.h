/* SPDX-License-Identifier: BSD-3-Clause */
/* Every file system and wrapper: a new one is a directory, a line here and one in types.c. */
#ifndef FS_TYPES_H
#define FS_TYPES_H

#include "fs/fs.h"

extern const struct fs_ops fs_null;
extern const struct fs_ops fs_local;
extern const struct fs_ops fs_nfs;

extern const struct fs_ops fs_wrap_readonly;
extern const struct fs_ops fs_wrap_nullio;
extern const struct fs_ops fs_wrap_log;
extern const struct fs_ops fs_wrap_delay;
extern const struct fs_ops fs_wrap_error;

/* The instruments: wrappers that fs_config.wrap may name. NULL for an unknown name. */
const struct fs_ops *fs_find_wrapper(const char *name);

/* 1 MiB: what Linux sends at most with its default limit of 256 pages per request. */
#define FS_MAX_IO (1u << 20)

#endif
