/* SPDX-License-Identifier: BSD-3-Clause */
/* A local back end on a private directory, for the tests of it. */
#ifndef TESTS_FS_LOCAL_FIXTURE_H
#define TESTS_FS_LOCAL_FIXTURE_H

#include "fs/types.h"
#include "fsdrive.h"

#define ROOT 1

extern struct drive d;
extern char dir[256];
extern struct fs_config local_cfg; /* for local_setup(), which sets type and dir */

/*
 * Group fixtures of cmocka. TEST_LOCAL_BASE: where to make the directory, /tmp otherwise.
 * TEST_LOCAL_COLD: operations on metadata go to workers from the start.
 */
int local_setup(void **state);
int local_teardown(void **state);
/* Path of a name in the directory; good until the call after next. */
const char *in_dir(const char *name);
/* A new file, closed; its node, of which the guest has one reference. */
uint64_t make_file(const char *name, uint32_t mode);
int open_fds(void);
/* Whatever was slow: the next operation runs in place. */
void local_warm(void);

#endif
