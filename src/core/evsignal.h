/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing to eventfds that somebody else holds as well.
 *
 * write() is not for them: O_NONBLOCK belongs to the open file, so the other holder can take it away,
 * fill the counter, and has our thread for as long as it likes.
 */
#ifndef CORE_EVSIGNAL_H
#define CORE_EVSIGNAL_H

#include <linux/aio_abi.h>
#include <stdbool.h>

/* Zeroed is good. One thread at a time. */
struct evsignal {
	aio_context_t ctx; /* 0: none */
	bool tried; /* to get one */
	unsigned int nr_events; /* in it, to be taken out */
};

void evsignal_fini(struct evsignal *es);
/*
 * Adds 1 to the eventfd; a counter that is full stays so and wakes who waits for it. own_fd: an
 * eventfd that nobody else has. Never waits, unless the kernel has no asynchronous I/O for us, which is logged
 * once. 0 or -errno.
 */
int evsignal(struct evsignal *es, int own_fd, int fd);

#endif
