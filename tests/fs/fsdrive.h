/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Drives a back end's operation table without a controller: one call is one request, run to its end
 * on the calling thread. Wrong completions (twice, of a stranger) end the test program.
 */
#ifndef TESTS_FS_FSDRIVE_H
#define TESTS_FS_FSDRIVE_H

#include "fs/fs.h"

#define DRIVE_WATCHES 4
#define CALL_ROOM 65536

/* The fake of the controller's I/O thread. */
struct thr {
	struct thr_watch *watches[DRIVE_WATCHES];
};

struct drive {
	struct fs *fs;
	struct fs_thread *ft;
	struct thr thr;
	uid_t uid;
	gid_t gid;
};

struct call {
	struct fs_req req; /* first: fs_req_done() finds the call by it */
	struct drive *d;
	struct fuse_in_header in;
	union {
		struct fuse_forget_in forget;
		struct fuse_batch_forget_in batch_forget;
		struct fuse_getattr_in getattr;
		struct fuse_setattr_in setattr;
		struct fuse_mknod_in mknod;
		struct fuse_mkdir_in mkdir;
		struct fuse_rename2_in rename2;
		struct fuse_link_in link;
		struct fuse_open_in open;
		struct fuse_create_in create;
		struct fuse_release_in release;
		struct fuse_flush_in flush;
		struct fuse_read_in read;
		struct fuse_write_in write;
		struct fuse_fsync_in fsync;
		struct fuse_setxattr_in setxattr;
		struct fuse_getxattr_in getxattr;
		struct fuse_access_in access;
		struct fuse_ioctl_in ioctl;
		struct fuse_fallocate_in fallocate;
		struct fuse_lseek_in lseek;
		struct fuse_copy_file_range_in copy;
		struct fuse_syncfs_in syncfs;
		struct fuse_lk_in lk;
		struct fuse_statx_in statx;
		struct fuse_interrupt_in interrupt;
	} arg;
	union {
		struct fuse_entry_out entry;
		struct fuse_attr_out attr;
		struct fuse_open_out opened;
		struct fuse_write_out written;
		struct fuse_statfs_out statfs;
		struct fuse_getxattr_out xattr_size;
		struct fuse_ioctl_out ioctl;
		struct fuse_lseek_out sought;
		struct fuse_lk_out lk;
		struct fuse_statx_out statx;
		struct fuse_copy_file_range_out copied;
	} out;
	struct fuse_open_out create_open;
	struct iovec data, room;
	int done;
	int err;
	char ctx[1024] __attribute__((aligned(16)));
	char buf[CALL_ROOM];
};

/* Ends the program when opening fails. */
void drive_open(struct drive *d, const struct fs_ops *ops, const char *dir);
void drive_open_cfg(struct drive *d, const struct fs_ops *ops, const struct fs_config *cfg);
void drive_close(struct drive *d);
/* Another thread of the same fs; call on that thread. */
void drive_attach(struct drive *d, struct fs *fs, unsigned int index);
void drive_detach(struct drive *d);

/* A request without arguments; the caller fills c->arg. Room is c->buf (size bytes). */
void call_init(struct call *c, struct drive *d, uint32_t opcode, uint64_t nodeid);
void call_room(struct call *c, size_t size);
void call_data(struct call *c, const void *data, size_t len);
void call_start(struct call *c);
/* Polls and sleeps like the controller until c is done; its error. */
int call_wait(struct call *c);
int call_run(struct call *c);

/* The common operations; 0 or -errno. */
int op_lookup(struct drive *d, uint64_t parent, const char *name, struct fuse_entry_out *e);
int op_create(struct drive *d, uint64_t parent, const char *name, uint32_t flags, uint32_t mode,
	      struct fuse_entry_out *e, uint64_t *fh);
int op_mkdir(struct drive *d, uint64_t parent, const char *name, uint32_t mode,
	     struct fuse_entry_out *e);
int op_open(struct drive *d, uint64_t node, uint32_t flags, uint64_t *fh);
int op_opendir(struct drive *d, uint64_t node, uint64_t *fh);
int op_release(struct drive *d, uint64_t fh);
int op_releasedir(struct drive *d, uint64_t fh);
int op_write(struct drive *d, uint64_t fh, const void *data, size_t len, uint64_t off,
	     uint32_t flags);
/* Bytes read or -errno. */
int op_read(struct drive *d, uint64_t fh, void *data, size_t len, uint64_t off);
int op_getattr(struct drive *d, uint64_t node, struct fuse_attr *attr);
int op_setattr(struct drive *d, uint64_t node, const struct fuse_setattr_in *in,
	       struct fuse_attr *attr);
int op_unlink(struct drive *d, uint64_t parent, const char *name);
int op_rmdir(struct drive *d, uint64_t parent, const char *name);
int op_rename(struct drive *d, uint64_t from, const char *old, uint64_t to, const char *new,
	      uint32_t flags);
void op_forget(struct drive *d, uint64_t node, uint64_t n);

#endif
