/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of the NFS back end share. */
#ifndef TESTS_FS_NFS_FIXTURE_H
#define TESTS_FS_NFS_FIXTURE_H

#include "fs/types.h"
#include "fsdrive.h"

#define ROOT 1

/* Opens the export with these options; ends the program when that fails. */
void nfs_drive(struct drive *d, const char *export_path, const char *options);
void nfs_drive_as(struct drive *d, const struct fs_config *cfg);
/* 0 or the error, and what it says. */
int nfs_try(const char *server, const char *export_path, const char *options, char *err);

/*
 * A real server (tests/guest/nfs-server, whose path is "tool") for a private directory. False, with the
 * reason printed: it cannot run here. At the end the directory goes with all that is in it.
 */
struct nfs_server {
	char dir[128], state[128], options[96];
	const char *tool;
	bool mounted;
};
bool nfs_server_start(struct nfs_server *s, const char *tool);
/* The directory is a tmpfs of that size, "4m" for example. */
bool nfs_server_start_sized(struct nfs_server *s, const char *tool, const char *size);
void nfs_server_stop(struct nfs_server *s);

/* Operations fsdrive.h has no helper for. */
int t_simple(struct drive *d, uint32_t opcode, uint64_t node, const char *name,
	       struct fuse_entry_out *e); /* UNLINK RMDIR STATFS READLINK ...: argument zero */
int t_mknod(struct drive *d, const char *name, uint32_t mode, uint32_t rdev,
	      struct fuse_entry_out *e);
int t_symlink(struct drive *d, const char *name, const char *target, struct fuse_entry_out *e);
int t_link(struct drive *d, uint64_t file, uint64_t dir, const char *name,
	     struct fuse_entry_out *e);
int t_access(struct drive *d, uint64_t node, uint32_t mask);
int t_handle_op(struct drive *d, uint32_t opcode, uint64_t fh); /* FLUSH FSYNC FSYNCDIR */
/* Bytes of the link's target, put into buf with a NUL, or the error. */
int t_readlink(struct drive *d, uint64_t node, char *buf, size_t room);
/* One READDIR(PLUS) into buf; bytes or the error. */
int t_readdir(struct drive *d, bool plus, uint64_t fh, uint64_t off, void *buf, size_t size);

/*
 * What the server sees: the path of a name in its directory (two results stay valid), and a file made
 * there; 0 or -errno.
 */
const char *nfs_on_host(const struct nfs_server *server, const char *name);
int nfs_put_file(const char *path, const char *text, mode_t mode);

#endif
