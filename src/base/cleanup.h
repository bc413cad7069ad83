/* SPDX-License-Identifier: BSD-3-Clause */
/* Scope cleanup for control paths; the data path does without. */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_fn(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_fd_fn(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define CLEANUP_FREE __attribute__((cleanup(cleanup_free_fn)))
#define CLEANUP_FD __attribute__((cleanup(cleanup_fd_fn)))

/* Hands the value out of a CLEANUP_* variable: the scope no longer owns it. */
#define take_ptr(p) ({ __typeof__(p) _p = (p); (p) = NULL; _p; })
#define take_fd(fd) ({ int _f = (fd); (fd) = -1; _f; })

#endif
