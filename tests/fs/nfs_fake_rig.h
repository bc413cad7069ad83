/* SPDX-License-Identifier: BSD-3-Clause */
/* One fake server (nfs_fake.h) and the drive a test has on it. */
#ifndef TESTS_FS_NFS_FAKE_RIG_H
#define TESTS_FS_NFS_FAKE_RIG_H

#include "nfs_fake.h"
#include "nfs_fixture.h"

extern struct fake f;
extern struct drive d;

/* timeo: short only where silence is the point; a busy machine must not look like a dead server. */
void begin_timeo(enum fake_verdict (*handle)(struct fake *f, struct fake_call *c), int timeo);
/* more: options behind those that name the server, ",soft". */
void begin_with(enum fake_verdict (*handle)(struct fake *f, struct fake_call *c), const char *more);
void begin(enum fake_verdict (*handle)(struct fake *f, struct fake_call *c));
void end(void);
/* How often the server was called with this procedure. */
unsigned int calls(int proc);
uint64_t open_file(const char *name, uint32_t flags);
/* The word at this place of what a handler noted in f.seen. */
uint32_t seen32(size_t off);

#endif
