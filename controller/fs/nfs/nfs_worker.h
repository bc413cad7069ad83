/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads beside the I/O threads, for what may block. They take no signals, whoever starts them: while a file
 * system is opened the main thread lets some through, which must find itself and not one of these.
 */
#ifndef FS_NFS_WORKER_H
#define FS_NFS_WORKER_H

#include <pthread.h>
#include <signal.h>

/* tid NULL: detached. 0 or -errno. */
static inline int nfs_worker_start(pthread_t *tid, void *(*run)(void *arg), void *arg)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t unused;
	int rc;

	pthread_attr_init(&attr);
	if (!tid)
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	rc = -pthread_create(tid ? tid : &unused, &attr, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return rc;
}

#endif
