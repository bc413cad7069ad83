/* SPDX-License-Identifier: BSD-3-Clause */
/* One server with a file system in memory (memfs.h), and the drives a test has on it. */
#ifndef TESTS_NFS_RIG_H
#define TESTS_NFS_RIG_H

#include "../fs/nfs_fixture.h"
#include "memfs.h"

extern struct fake f;
extern struct memfs *m;
extern struct drive d, other; /* other: the test's own to open and close */
extern char opts[256]; /* of the drive opened last */

/* more: options behind those that name the server, ",lock=remote". state_dir may be NULL. */
void drive_with(struct drive *drive, const char *more, enum fs_cache_mode cache,
		const char *state_dir);
/* Starts the server and opens d; the other way round. */
void begin(const char *more);
void end(void);
/* Creates a file in the root and returns its handle; its node too, unless NULL. */
uint64_t make(struct drive *drive, const char *name, uint64_t *node);
/*
 * SETXATTR, GETXATTR, LISTXATTR or REMOVEXATTR on d; size 0: asks how long. -errno, or the length of
 * what was got.
 */
int xattr_op(uint32_t opcode, uint64_t node, const char *name, void *value, size_t size);

#endif
