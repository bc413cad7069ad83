/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file system of the example controllers: a directory with one file, "hello", that can be read.
 * Only what is in the file system, nothing of how requests come and go. 0 or -errno.
 */
#ifndef EXAMPLES_HELLO_H
#define EXAMPLES_HELLO_H

#include <stddef.h>

#include <doca_devemu_vfs_fuse_kernel.h>

#define HELLO_ROOT 1 /* node ids */
#define HELLO_FILE 2

int hello_init(const struct fuse_init_in *in, struct fuse_init_out *out);
int hello_lookup(uint64_t nodeid, const char *name, struct fuse_entry_out *entry);
int hello_getattr(uint64_t nodeid, struct fuse_attr_out *attr_out);
/* Bytes put into buf, or -errno. */
int hello_read(uint64_t nodeid, const struct fuse_read_in *in, char *buf, size_t room);
int hello_readdir(uint64_t nodeid, const struct fuse_read_in *in, char *buf, size_t room);

#endif
