/* SPDX-License-Identifier: BSD-3-Clause */
/* Between memfs.c (the tree, faults) and memfs_procs.c (the procedures). */
#ifndef TESTS_NFS_MEMFS_INT_H
#define TESTS_NFS_MEMFS_INT_H

#include "memfs.h"

enum { OK = 0, NOENT = 2, IO = 5, EXIST = 17, NOTDIR = 20, ISDIR = 21, INVAL = 22, NOSPC = 28,
       NAMETOOLONG = 63, NOTEMPTY = 66, DQUOT = 69, STALE = 70, BAD_COOKIE = 10003, NOTSUPP = 10004,
       JUKEBOX = 10008 };

#define ROOT_INO 1u
#define HUGE_INO 2u

struct memfs_entry {
	char *name;
	uint32_t ino;
	uint64_t cookie;
};

/* Arguments, read in order. */
struct cursor {
	const struct fake_call *c;
	size_t off;
};
uint32_t cur32(struct cursor *cur);
uint64_t cur64(struct cursor *cur);
/* A NUL-terminated copy in buf (256 bytes); false: too long. */
bool cur_name(struct cursor *cur, char *buf);
const uint8_t *cur_bytes(struct cursor *cur, uint32_t *len);
/* The inode of the handle there; NULL: stale. */
struct memfs_inode *cur_fh(struct memfs *m, struct cursor *cur);

uint32_t ino_of(const struct memfs *m, const struct memfs_inode *i);
uint64_t memfs_now(void);
struct memfs_inode *inode_new(struct memfs *m, uint32_t mode, uint32_t uid, uint32_t gid);
void inode_put(struct memfs *m, struct memfs_inode *i); /* frees it when it has no name */
bool inode_resize(struct memfs *m, struct memfs_inode *i, uint64_t size); /* false: no space */
void inode_make_stable(struct memfs_inode *i);
bool inode_write(struct memfs *m, struct memfs_inode *i, uint64_t off, const uint8_t *data, uint32_t len,
		 bool stable);
struct memfs_entry *dir_find(struct memfs_inode *dir, const char *name);
void dir_add(struct memfs *m, struct memfs_inode *dir, const char *name, uint32_t ino);
void dir_del(struct memfs_inode *dir, struct memfs_entry *ent);
bool roll(struct memfs *m, enum memfs_fault fault);

/* Executes an NFS call into c->out; a status error writes put_error(). */
void memfs_execute(struct memfs *m, struct fake_call *c);
void memfs_nlm_execute(struct memfs *m, struct fake_call *c);
void memfs_acl_execute(struct memfs *m, struct fake_call *c);
void memfs_put_post(struct memfs *m, struct fake_call *c, const struct memfs_inode *i);

#endif
