/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The FUSE protocol. The system's <linux/fuse.h> is the source; what a header older than the
 * protocol spoken here lacks is added below. Opcodes and codes that would be enumerators in a
 * newer header are macros here. A structure of the older header keeps its reserved fields where a
 * newer one gives them a name: the bytes on the wire are the same.
 */
#ifndef DOCA_DEVEMU_VFS_FUSE_KERNEL_H
#define DOCA_DEVEMU_VFS_FUSE_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include <linux/fuse.h>

/* 7.38, in a part of the headers that carry this number */
#ifndef FUSE_CREATE_SUPP_GROUP
#define FUSE_CREATE_SUPP_GROUP (1ULL << 34)
#define FUSE_EXT_GROUPS 32

/* Extension of creating requests: the group that decides about setgid, among the caller's. */
struct fuse_supp_groups {
	uint32_t nr_groups;
	uint32_t groups[];
};
#endif

#if FUSE_KERNEL_MINOR_VERSION < 39
#define FUSE_DIRECT_IO_ALLOW_MMAP (1ULL << 36)

#define FUSE_STATX 52

struct fuse_sx_time {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t __reserved;
};

struct fuse_statx {
	uint32_t mask;
	uint32_t blksize;
	uint64_t attributes;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint16_t mode;
	uint16_t __spare0[1];
	uint64_t ino;
	uint64_t size;
	uint64_t blocks;
	uint64_t attributes_mask;
	struct fuse_sx_time atime;
	struct fuse_sx_time btime;
	struct fuse_sx_time ctime;
	struct fuse_sx_time mtime;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint64_t __spare2[14];
};

struct fuse_statx_in {
	uint32_t getattr_flags;
	uint32_t reserved;
	uint64_t fh;
	uint32_t sx_flags;
	uint32_t sx_mask;
};

struct fuse_statx_out {
	uint64_t attr_valid;	  /* validity of the attributes, seconds */
	uint32_t attr_valid_nsec; /* and nanoseconds */
	uint32_t flags;
	uint64_t spare[2];
	struct fuse_statx stat;
};
#endif

#if FUSE_KERNEL_MINOR_VERSION < 40
#define FUSE_PASSTHROUGH (1ULL << 37)
#define FUSE_NO_EXPORT_SUPPORT (1ULL << 38)
#define FUSE_HAS_RESEND (1ULL << 39)
#define FUSE_UNIQUE_RESEND (1ULL << 63) /* in fuse_in_header.unique */
#define FOPEN_PASSTHROUGH (1 << 7)
#define FUSE_NOTIFY_RESEND 7
#endif

#if FUSE_KERNEL_MINOR_VERSION < 41
#define FUSE_ALLOW_IDMAP (1ULL << 40)
#define FUSE_INVALID_UIDGID ((uint32_t)(-1))
#endif

#if FUSE_KERNEL_MINOR_VERSION < 42
#define FUSE_OVER_IO_URING (1ULL << 41)
#endif

#if FUSE_KERNEL_MINOR_VERSION < 43
#define FUSE_REQUEST_TIMEOUT (1ULL << 42)
#endif

#if FUSE_KERNEL_MINOR_VERSION < 44
#define FUSE_NOTIFY_INC_EPOCH 8
#endif

#if FUSE_KERNEL_MINOR_VERSION < 45
#define FUSE_COPY_FILE_RANGE_64 53
#define FUSE_NOTIFY_PRUNE 9

/* Reply of FUSE_COPY_FILE_RANGE_64. */
struct fuse_copy_file_range_out {
	uint64_t bytes_copied;
};

/* Followed by count node ids. */
struct fuse_notify_prune_out {
	uint32_t count;
	uint32_t padding;
	uint64_t spare;
};
#endif

/* Everything up to this protocol is complete now: an older number would hide FUSE_STATX. */
#if FUSE_KERNEL_MINOR_VERSION < 39
#undef FUSE_KERNEL_MINOR_VERSION
#define FUSE_KERNEL_MINOR_VERSION 39
#endif

#endif
