/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * I/O threads: one per core in the mask, each with a progress engine; the first one's engine also
 * runs the devices (admin).
 *
 * Theory of operation: a thread polls while there is work - engine, then the file systems attached
 * to it - and after looking for more in vain for as long as that seems worth it (spin.h; longer if a
 * file system expects an answer soon) it arms the engine's notification and sleeps in epoll on that,
 * on its message descriptor and on what file systems watch. So an idle thread costs no CPU, nor one
 * that waits for a disk, and a busy one no system call. Other threads reach it by thr_call() and
 * thr_post() only.
 */
#ifndef CONTROLLER_THREAD_H
#define CONTROLLER_THREAD_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "doca_pe.h"
#include "fs/fs.h"
#include "spin.h"
#include "stats.h"

struct iov_block;

/* One call on its way to a thread; the fields are thread.c's. */
struct thr_msg {
	STAILQ_ENTRY(thr_msg) link;
	int (*fn)(void *arg);
	void *arg;
	sem_t *done; /* NULL: posted, nobody waits */
	int result;
};

struct thr {
	/* const after start */
	unsigned int index;
	int cpu;
	struct doca_pe *pe;
	int epfd;
	int msg_fd; /* eventfd */
	pthread_t tid;

	/* the thread's own */
	TAILQ_HEAD(, thr_fs) fses;
	SLIST_HEAD(, iov_block) iov_blocks;
	unsigned int nr_iov_blocks; /* allocated in all */
	struct thr_watch pe_watch, msg_watch;
	unsigned int outstanding; /* requests accepted and not yet answered */
	struct spin spin;

	/* any thread, under msg_lock */
	pthread_mutex_t msg_lock;
	STAILQ_HEAD(, thr_msg) msgs;
	bool stop;
	bool exact; /* atomic: every request is timed */
	int has_msgs; /* atomic: looked at before the lock is taken */
};

/* A file system the thread polls; embedded in its user's struct. */
struct thr_fs {
	struct fs_thread *ft;
	TAILQ_ENTRY(thr_fs) link;
};

struct thr_set {
	unsigned int nr;
	struct thr *thr; /* array */
};

/* Starts one thread per CPU number. 0 or -errno, reason logged. */
int thr_set_start(struct thr_set *set, const int *cpus, unsigned int nr);
/* Ends and joins them; everything on their engines must be gone. */
void thr_set_stop(struct thr_set *set);

/* Runs fn(arg) on the thread and waits for its result. Never from an I/O thread. */
int thr_call(struct thr *thr, int (*fn)(void *arg), void *arg);
/*
 * Runs fn(arg) on the thread some time, in the order of posts and calls. Any thread. *msg is the
 * caller's memory and must stay, and not be posted again, until fn runs; not touched any more when
 * it returns.
 */
void thr_post(struct thr *thr, struct thr_msg *msg, int (*fn)(void *arg), void *arg);

/* Which requests are timed: those whose number has none of these bits. */
static inline unsigned int thr_time_mask(const struct thr *thr)
{
	return __atomic_load_n(&thr->exact, __ATOMIC_RELAXED) ? 0 : STATS_SAMPLE - 1;
}
/* Any thread: from now on. */
static inline void thr_set_exact(struct thr *thr, bool exact)
{
	__atomic_store_n(&thr->exact, exact, __ATOMIC_RELAXED);
}

/* On the thread. */
void thr_fs_add(struct thr *thr, struct thr_fs *tf);
void thr_fs_remove(struct thr *thr, struct thr_fs *tf);
struct iov_block *thr_iov_block_get(struct thr *thr);
void thr_iov_block_put(struct thr *thr, struct iov_block *block);

#endif
