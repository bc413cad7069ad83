/* SPDX-License-Identifier: BSD-3-Clause */
#include "thread.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "doca_log.h"
#include "request.h"

DOCA_LOG_REGISTER(VIRTIOFS::THREAD);

/* Units taken from the engine before the file systems get to submit what came in: bounds both
 * the batch and the delay of the first request in it. */
#define PROGRESS_BATCH 64
/* Rounds without work after which others may run: whoever makes our next work may need this very core. */
#define YIELD_ROUNDS 8
/* Blocks of REQ_MAX_IOV segments (17 KB each) a thread may own: what guests can make one keep.
 * Requests of more than REQ_INLINE_IOV segments in flight beyond that get ENOMEM. */
#define MAX_IOV_BLOCKS 4096

/* ---- messages ---- */

/*
 * No wake-up is lost: has_msgs is 1 whenever the list is not empty and nobody holds the lock, the
 * descriptor is written after that and stays readable until the thread has slept, and the thread
 * looks at has_msgs in each round, so also after each sleep.
 */
static void msg_queue(struct thr *thr, struct thr_msg *msg)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&thr->msg_lock);
	STAILQ_INSERT_TAIL(&thr->msgs, msg, link);
	__atomic_store_n(&thr->has_msgs, 1, __ATOMIC_RELEASE); /* pairs with run_msgs() */
	pthread_mutex_unlock(&thr->msg_lock);
	if (write(thr->msg_fd, &one, sizeof(one)) < 0)
		DOCA_LOG_ERR("thread %u: cannot be woken: %s", thr->index, strerror(errno));
}

int thr_call(struct thr *thr, int (*fn)(void *arg), void *arg)
{
	sem_t done;
	struct thr_msg msg = { .fn = fn, .arg = arg, .done = &done };

	sem_init(&done, 0, 0);
	msg_queue(thr, &msg);
	while (sem_wait(&done) && errno == EINTR)
		;
	sem_destroy(&done);
	return msg.result;
}

void thr_post(struct thr *thr, struct thr_msg *msg, int (*fn)(void *arg), void *arg)
{
	*msg = (struct thr_msg){ .fn = fn, .arg = arg };
	msg_queue(thr, msg);
}

static struct thr_msg *msg_take(struct thr *thr)
{
	struct thr_msg *msg;

	pthread_mutex_lock(&thr->msg_lock);
	msg = STAILQ_FIRST(&thr->msgs);
	if (msg)
		STAILQ_REMOVE_HEAD(&thr->msgs, link);
	else
		__atomic_store_n(&thr->has_msgs, 0, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&thr->msg_lock);
	return msg;
}

static int run_msgs(struct thr *thr)
{
	struct thr_msg *msg;
	int n = 0;

	if (!__atomic_load_n(&thr->has_msgs, __ATOMIC_ACQUIRE)) /* pairs with msg_queue() */
		return 0;
	while ((msg = msg_take(thr))) {
		sem_t *done = msg->done;
		int result = msg->fn(msg->arg);

		n++;
		if (!done)
			continue; /* msg may have gone with what fn() freed */
		msg->result = result;
		sem_post(done); /* msg is the caller's stack: gone from here on */
	}
	return n;
}

/* ---- descriptors ---- */

int thr_watch_add(struct thr *thr, struct thr_watch *w)
{
	struct epoll_event ev = { .events = w->events, .data.ptr = w };

	return epoll_ctl(thr->epfd, EPOLL_CTL_ADD, w->fd, &ev) ? -errno : 0;
}

int thr_watch_modify(struct thr *thr, struct thr_watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	w->events = events;
	return epoll_ctl(thr->epfd, EPOLL_CTL_MOD, w->fd, &ev) ? -errno : 0;
}

void thr_watch_remove(struct thr *thr, struct thr_watch *w)
{
	epoll_ctl(thr->epfd, EPOLL_CTL_DEL, w->fd, NULL);
}

static void msg_ready(struct thr_watch *w, uint32_t revents)
{
	uint64_t count;

	/* Nonblocking: an empty counter means another look already took it. */
	if (read(w->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		DOCA_LOG_ERR("reading a message counter: %s", strerror(errno));
}

static void pe_ready(struct thr_watch *w, uint32_t revents)
{
	/* The end of the sleep is all there is to it: thr_sleep() clears the notification. */
}

/* One event per wait: ready() may remove any other watch. epoll reports those that are ready in
 * turn. Was there one? */
static bool wait_events(struct thr *thr, int timeout_ms)
{
	struct epoll_event ev;
	struct thr_watch *w;

	if (epoll_wait(thr->epfd, &ev, 1, timeout_ms) != 1)
		return false;
	w = ev.data.ptr;
	w->ready(w, ev.events);
	return true;
}

/* ---- the loop ---- */

static int poll_fses(struct thr *thr)
{
	struct thr_fs *tf;
	int n = 0;

	TAILQ_FOREACH(tf, &thr->fses, link)
		n += fs_poll(tf->ft);
	return n;
}

static int one_round(struct thr *thr)
{
	int n = run_msgs(thr);

	for (int i = 0; i < PROGRESS_BATCH && doca_pe_progress(thr->pe); i++)
		n++;
	return n + poll_fses(thr);
}

static int sleep_limit(struct thr *thr)
{
	struct thr_fs *tf;
	int least = -1;

	TAILQ_FOREACH(tf, &thr->fses, link) {
		int t = fs_timeout_ms(tf->ft);

		if (t >= 0 && (least < 0 || t < least))
			least = t;
	}
	return least;
}

/* Did something happen, and not only time pass? */
static bool thr_sleep(struct thr *thr)
{
	bool event;

	if (doca_pe_request_notification(thr->pe) != DOCA_SUCCESS)
		return false;
	event = wait_events(thr, sleep_limit(thr));
	doca_pe_clear_notification(thr->pe, 0);
	return event;
}

/* How long to look: what has been worth it, unless a file system knows better. */
static uint64_t spin_for(struct thr *thr, enum spin_kind kind)
{
	struct thr_fs *tf;

	if (kind == SPIN_BACKEND)
		TAILQ_FOREACH(tf, &thr->fses, link)
			if (fs_soon(tf->ft))
				return FS_SOON_NS;
	return spin_window(&thr->spin, kind);
}

/* From one round with work to the next. */
static void thr_wait(struct thr *thr)
{
	enum spin_kind kind = thr->outstanding ? SPIN_BACKEND : SPIN_GUEST;
	const uint64_t window = spin_for(thr, kind);
	uint64_t begin = clock_ns(), now = begin;
	unsigned int idle = 1;
	bool work;

	while (!__atomic_load_n(&thr->stop, __ATOMIC_ACQUIRE)) {
		if (now - begin < window)
			work = false;
		else
			work = thr_sleep(thr);
		now = clock_ns();
		if (work || one_round(thr))
			break;
		if (++idle % YIELD_ROUNDS == 0)
			sched_yield();
	}
	spin_learn(&thr->spin, kind, now - begin);
}

static void thr_loop(struct thr *thr)
{
	while (!__atomic_load_n(&thr->stop, __ATOMIC_ACQUIRE))
		if (!one_round(thr))
			thr_wait(thr);
}

/* ---- start and stop ---- */

static void thr_pin(struct thr *thr)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(thr->cpu, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set))
		DOCA_LOG_WARN("thread %u: cannot be pinned to CPU %d", thr->index, thr->cpu);
}

static void *thr_main(void *arg)
{
	struct thr *thr = arg;

	if (thr->cpu >= 0)
		thr_pin(thr);
	thr_loop(thr);
	return NULL;
}

static int thr_open(struct thr *thr)
{
	doca_notification_handle_t handle;
	int rc;

	thr->epfd = epoll_create1(EPOLL_CLOEXEC);
	thr->msg_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (thr->epfd < 0 || thr->msg_fd < 0)
		return -errno;
	if (doca_pe_create(&thr->pe) != DOCA_SUCCESS)
		return -ENOMEM;
	/* One look serves all contexts: clear_notification() needs no telling which it was. */
	doca_pe_set_event_mode(thr->pe, DOCA_PE_EVENT_MODE_PROGRESS_ALL);
	if (doca_pe_get_notification_handle(thr->pe, &handle) != DOCA_SUCCESS)
		return -EIO;
	thr->pe_watch = (struct thr_watch){ .fd = handle, .events = EPOLLIN, .ready = pe_ready };
	thr->msg_watch = (struct thr_watch){ .fd = thr->msg_fd, .events = EPOLLIN,
					     .ready = msg_ready };
	rc = thr_watch_add(thr, &thr->pe_watch);
	return rc ? rc : thr_watch_add(thr, &thr->msg_watch);
}

static void thr_close(struct thr *thr)
{
	struct iov_block *block;

	while ((block = SLIST_FIRST(&thr->iov_blocks))) {
		SLIST_REMOVE_HEAD(&thr->iov_blocks, link);
		free(block);
	}
	if (thr->pe && doca_pe_destroy(thr->pe) != DOCA_SUCCESS)
		DOCA_LOG_ERR("thread %u: its engine still has contexts", thr->index);
	if (thr->msg_fd >= 0)
		close(thr->msg_fd);
	if (thr->epfd >= 0)
		close(thr->epfd);
	pthread_mutex_destroy(&thr->msg_lock);
}

static int thr_start(struct thr *thr, unsigned int index, int cpu)
{
	int rc;

	thr->index = index;
	thr->cpu = cpu;
	thr->epfd = thr->msg_fd = -1;
	spin_init(&thr->spin);
	TAILQ_INIT(&thr->fses);
	STAILQ_INIT(&thr->msgs);
	pthread_mutex_init(&thr->msg_lock, NULL);
	rc = thr_open(thr);
	if (!rc)
		rc = -pthread_create(&thr->tid, NULL, thr_main, thr);
	if (rc) {
		DOCA_LOG_ERR("thread %u on CPU %d: %s", index, cpu, strerror(-rc));
		thr_close(thr);
	}
	return rc;
}

int thr_set_start(struct thr_set *set, const int *cpus, unsigned int nr)
{
	set->nr = 0;
	set->thr = calloc(nr, sizeof(*set->thr));
	if (!set->thr)
		return -ENOMEM;
	for (unsigned int i = 0; i < nr; i++) {
		int rc = thr_start(&set->thr[i], i, cpus[i]);

		if (rc) {
			thr_set_stop(set);
			return rc;
		}
		set->nr++;
	}
	return 0;
}

static int end_thread(void *arg)
{
	struct thr *thr = arg;

	__atomic_store_n(&thr->stop, true, __ATOMIC_RELEASE);
	return 0;
}

void thr_set_stop(struct thr_set *set)
{
	for (unsigned int i = 0; i < set->nr; i++) {
		thr_call(&set->thr[i], end_thread, &set->thr[i]);
		pthread_join(set->thr[i].tid, NULL);
	}
	/* A thread may write to another's message descriptor up to its very end. */
	for (unsigned int i = 0; i < set->nr; i++)
		thr_close(&set->thr[i]);
	free(set->thr);
	set->thr = NULL;
	set->nr = 0;
}

/* ---- the thread's own pools ---- */

void thr_fs_add(struct thr *thr, struct thr_fs *tf)
{
	TAILQ_INSERT_TAIL(&thr->fses, tf, link);
}

void thr_fs_remove(struct thr *thr, struct thr_fs *tf)
{
	TAILQ_REMOVE(&thr->fses, tf, link);
}

struct iov_block *thr_iov_block_get(struct thr *thr)
{
	struct iov_block *block = SLIST_FIRST(&thr->iov_blocks);

	if (block) {
		SLIST_REMOVE_HEAD(&thr->iov_blocks, link);
		return block;
	}
	if (thr->nr_iov_blocks == MAX_IOV_BLOCKS)
		return NULL;
	/* The pool grows to the deepest load seen, then never again. */
	block = malloc(sizeof(*block));
	if (block)
		thr->nr_iov_blocks++;
	return block;
}

void thr_iov_block_put(struct thr *thr, struct iov_block *block)
{
	SLIST_INSERT_HEAD(&thr->iov_blocks, block, link);
}
