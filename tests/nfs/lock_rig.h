/* SPDX-License-Identifier: BSD-3-Clause */
/* Two guests, d and other, that lock the same file on one server (rig.h). */
#ifndef TESTS_NFS_LOCK_RIG_H
#define TESTS_NFS_LOCK_RIG_H

#include "rig.h"

/* Both have "a" open, with these handles. */
void begin_locks(uint64_t *a, uint64_t *b);
void end_locks(void);
/* A round of both, and of what listens for the server. */
void pump(void);

void lock_init(struct call *c, struct drive *drive, uint32_t opcode, uint64_t fh, uint64_t owner, uint32_t type,
	       uint64_t start, uint64_t end);
int set_lock(struct drive *drive, uint64_t fh, uint64_t owner, uint32_t type, uint64_t start, uint64_t end);
int flush_owner(struct drive *drive, uint64_t fh, uint64_t owner);
void interrupt(struct drive *drive, uint64_t unique);

#endif
