/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file system that is being opened by a thread of its own, since that may wait for a server: a device that is
 * started through the control socket keeps nobody else waiting.
 */
#ifndef CONTROLLER_OPENING_H
#define CONTROLLER_OPENING_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/fs.h"

struct opening;

/* cfg is read until opening_take() returned true. 0 or -errno. */
int opening_start(const struct fs_config *cfg, struct opening **ret);
/*
 * False: not before deadline_ns (of clock_ns(); 0: now). True: o is gone; *ret_rc is 0 and *ret_fs the caller's,
 * or -errno and err (FS_ERR_LEN) says why.
 */
bool opening_take(struct opening *o, uint64_t deadline_ns, int *ret_rc, struct fs **ret_fs, char *err);

#endif
