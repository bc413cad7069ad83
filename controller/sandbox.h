/* SPDX-License-Identifier: BSD-3-Clause */
/* A process that sees nothing of the machine but one directory. Main thread, before any other. */
#ifndef CONTROLLER_SANDBOX_H
#define CONTROLLER_SANDBOX_H

#include <stdbool.h>

#include "filter.h"

/* Where the directory is inside. */
#define SANDBOX_DIR "/share"

/*
 * Goes on in a child whose whole tree is dir, below SANDBOX_DIR, and /proc; alone: in process and
 * network name spaces of its own as well. The caller itself stays outside: it passes signals on,
 * removes the socket file (NULL: none) at the end, and ends with the child's status; it does not
 * return. It gives up what it does not need for that, with a filter of system calls that has the
 * given action. In the child 0 or -errno, reason on stderr.
 */
int sandbox_enter(const char *dir, bool alone, const char *socket, enum filter_action action);

#endif
