/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors from the other side of a socket are read or written by us. A write to any file would
 * be done with our privileges, to a pipe it may raise SIGPIPE, and what cannot be read must not be
 * waited for: so they are looked at before they are used.
 */
#ifndef TRANSPORT_EVENTFD_H
#define TRANSPORT_EVENTFD_H

#include <stdbool.h>

/* fd can be nothing else than an eventfd. */
bool eventfd_check(int fd);
/*
 * O_NONBLOCK belongs to the open file, which both sides share: of use only where evsignal.h has nothing
 * better. 0 or -errno.
 */
int eventfd_make_nonblocking(int fd);

#endif
