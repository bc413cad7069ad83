/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FUSE requests over a vufe device: one call, one answer. Every function returns 0 or the server's
 * answer as -errno; a broken transport gives the transport's -errno and leaves a sentence in
 * dev->err. One thread at a time.
 */
#ifndef VUFE_FUSE_H
#define VUFE_FUSE_H

#include <linux/fuse.h>
#include <sys/types.h>

#include "vufe.h"

struct vufe_fs {
	struct vufe_dev *dev;	/* borrowed */
	unsigned queue;		/* requests go here; FORGET goes to queue 0 */
	uint64_t unique;	/* of the last request */
	uint32_t uid, gid, pid;
	struct fuse_init_out init;
};

#define VUFE_ARGS_MAX 5

/* One request: header fields, readable arguments in order, one buffer for the answer's body. */
struct vufe_call {
	uint32_t opcode;
	uint64_t nodeid;
	struct iovec arg[VUFE_ARGS_MAX];
	unsigned nr_args;
	void *out;
	size_t out_cap;
	size_t out_len;		/* set by the call */
	bool exact;		/* an answer shorter than out_cap is -EPROTO */
};

/* INIT with everything this kernel header knows to be harmless; fs->init is the answer. */
int vufe_fs_init(struct vufe_fs *fs, struct vufe_dev *dev);
int vufe_fs_destroy(struct vufe_fs *fs);
int vufe_call(struct vufe_fs *fs, struct vufe_call *c);
void vufe_fill_header(struct vufe_fs *fs, struct fuse_in_header *h, uint32_t opcode,
		      uint64_t nodeid, size_t args_len);

/* Is the server there and sane: GETATTR of the root answers with a directory. */
int vufe_ping(struct vufe_fs *fs);
/* Follows a path of plain names from the root; the node's lookup count goes up by one a step. */
int vufe_walk(struct vufe_fs *fs, const char *path, struct fuse_entry_out *ret_entry);

int vufe_lookup(struct vufe_fs *fs, uint64_t dir, const char *name, struct fuse_entry_out *ret);
int vufe_forget(struct vufe_fs *fs, uint64_t node, uint64_t nlookup);
int vufe_getattr(struct vufe_fs *fs, uint64_t node, struct fuse_attr_out *ret);
int vufe_setattr(struct vufe_fs *fs, uint64_t node, const struct fuse_setattr_in *in,
		 struct fuse_attr_out *ret);
int vufe_mknod(struct vufe_fs *fs, uint64_t dir, const char *name, mode_t mode, uint32_t rdev,
	       struct fuse_entry_out *ret);
int vufe_mkdir(struct vufe_fs *fs, uint64_t dir, const char *name, mode_t mode,
	       struct fuse_entry_out *ret);
int vufe_symlink(struct vufe_fs *fs, uint64_t dir, const char *name, const char *target,
		 struct fuse_entry_out *ret);
int vufe_link(struct vufe_fs *fs, uint64_t node, uint64_t dir, const char *name,
	      struct fuse_entry_out *ret);
int vufe_readlink(struct vufe_fs *fs, uint64_t node, char *buf, size_t cap, size_t *ret_len);
int vufe_unlink(struct vufe_fs *fs, uint64_t dir, const char *name);
int vufe_rmdir(struct vufe_fs *fs, uint64_t dir, const char *name);
int vufe_rename(struct vufe_fs *fs, uint64_t dir, const char *name, uint64_t to_dir,
		const char *to_name, uint32_t flags);
int vufe_create(struct vufe_fs *fs, uint64_t dir, const char *name, mode_t mode, uint32_t flags,
		struct fuse_entry_out *ret, uint64_t *ret_fh);
int vufe_fopen(struct vufe_fs *fs, uint64_t node, uint32_t flags, uint64_t *ret_fh);
int vufe_release(struct vufe_fs *fs, uint64_t node, uint64_t fh);
int vufe_flush(struct vufe_fs *fs, uint64_t node, uint64_t fh);
int vufe_fsync(struct vufe_fs *fs, uint64_t node, uint64_t fh, bool data_only);
int vufe_read(struct vufe_fs *fs, uint64_t node, uint64_t fh, uint64_t off, void *buf, size_t len,
	      size_t *ret_len);
int vufe_write(struct vufe_fs *fs, uint64_t node, uint64_t fh, uint64_t off, const void *buf,
	       size_t len, size_t *ret_len);
int vufe_fallocate(struct vufe_fs *fs, uint64_t node, uint64_t fh, uint32_t mode, uint64_t off,
		   uint64_t len);
int vufe_lseek(struct vufe_fs *fs, uint64_t node, uint64_t fh, uint64_t off, uint32_t whence,
	       uint64_t *ret_off);
int vufe_copy_file_range(struct vufe_fs *fs, const struct fuse_copy_file_range_in *in,
			 uint64_t node_in, size_t *ret_len);
int vufe_access(struct vufe_fs *fs, uint64_t node, uint32_t mask);
int vufe_statfs(struct vufe_fs *fs, uint64_t node, struct fuse_kstatfs *ret);
int vufe_syncfs(struct vufe_fs *fs, uint64_t node);
int vufe_opendir(struct vufe_fs *fs, uint64_t node, uint64_t *ret_fh);
/* plus: entries are fuse_direntplus; the caller walks the packed bytes. */
int vufe_readdir(struct vufe_fs *fs, uint64_t node, uint64_t fh, uint64_t off, bool plus, void *buf,
		 size_t cap, size_t *ret_len);
int vufe_releasedir(struct vufe_fs *fs, uint64_t node, uint64_t fh);
int vufe_setxattr(struct vufe_fs *fs, uint64_t node, const char *name, const void *val, size_t len,
		  uint32_t flags);
int vufe_getxattr(struct vufe_fs *fs, uint64_t node, const char *name, void *buf, size_t cap,
		  size_t *ret_len);
int vufe_listxattr(struct vufe_fs *fs, uint64_t node, void *buf, size_t cap, size_t *ret_len);
int vufe_removexattr(struct vufe_fs *fs, uint64_t node, const char *name);

#endif
