/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * The workers are for calls that block and have no io_uring operation of use: syncfs,
 * copy_file_range, cutting off or closing what has many blocks to free, and metadata while that is
 * slow (cold.c). Up to LOCAL_WORKERS threads per I/O thread, each started when there is a job and
 * none is idle. Results come back over a lock-free stack and an eventfd.
 *
 * Each worker has a struct local_thread of its own, without a ring, so that operations which were
 * written for the I/O thread run there as they are: descriptors, buffers, credentials and umask are
 * the worker's, and what it opened for one job is closed before the next.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "local.h"

struct wthread {
	struct local_thread t;
	struct lworker *boss;
};

static _Thread_local struct local_thread *worker_self;

static void worker_wake(struct lworker *w)
{
	uint64_t one = 1;

	/* Only a counter at its limit refuses, and that wakes as well. */
	while (write(w->watch.fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void worker_finish(struct lworker *w, struct lreq *job)
{
	struct lreq *head = __atomic_load_n(&w->done, __ATOMIC_RELAXED);

	/*
	 * The job belongs to the I/O thread as soon as it is in the stack: do not touch it after.
	 */
	do {
		job->next = head;
		/* Release pairs with the acquire in local_worker_reap(). */
	} while (!__atomic_compare_exchange_n(&w->done, &head, job, true, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
	/* Whoever put the first one there wakes, for all. */
	if (!head)
		worker_wake(w);
}

static void worker_run(struct local_thread *self, struct lreq *job)
{
	job->err = job->work(job->req);
	cred_root();
	self->op_seq++;
	fdcache_drop(self);
}

static void *worker_main(void *arg)
{
	struct wthread *wt = arg;
	struct lworker *w = wt->boss;
	struct lreq *job;

	worker_self = &wt->t;
	/* A umask of its own, as local_attach() has; where that cannot be, nobody's is changed. */
	if (!unshare(CLONE_FS))
		umask(0);
	pthread_mutex_lock(&w->lock);
	while (true) {
		while (!w->todo && !w->stop) {
			w->idle++;
			pthread_cond_wait(&w->more, &w->lock);
			w->idle--;
		}
		job = w->todo;
		if (!job)
			break;
		w->todo = job->next;
		w->nr_todo--;
		if (!w->todo)
			w->todo_tail = &w->todo;
		pthread_mutex_unlock(&w->lock);
		worker_run(&wt->t, job);
		worker_finish(w, job);
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	fdcache_fini(&wt->t.cache);
	free(wt);
	return NULL;
}

struct local_thread *local_worker_self(void)
{
	return worker_self;
}

void local_worker_await_poll(void)
{
	worker_wake(container_of(worker_self, struct wthread, t)->boss);
	usleep(1000);
}

static void worker_ready(struct thr_watch *watch, uint32_t revents)
{
	struct lworker *w = container_of(watch, struct lworker, watch);

	local_worker_reap(container_of(w, struct local_thread, worker));
}

int local_worker_init(struct local_thread *t)
{
	struct lworker *w = &t->worker;
	int err;

	w->todo_tail = &w->todo;
	w->watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->watch.fd < 0)
		return -errno;
	w->watch.events = EPOLLIN;
	w->watch.ready = worker_ready;
	err = thr_watch_add(t->ft.thr, &w->watch);
	if (err) {
		close(w->watch.fd);
		return err;
	}
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->more, NULL);
	return 0;
}

void local_worker_fini(struct local_thread *t)
{
	struct lworker *w = &t->worker;

	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_broadcast(&w->more);
	pthread_mutex_unlock(&w->lock);
	while (w->nr)
		pthread_join(w->thread[--w->nr], NULL);
	local_worker_reap(t); /* files were closed */
	thr_watch_remove(t->ft.thr, &w->watch);
	close(w->watch.fd);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->more);
}

static void worker_start(struct local_thread *t)
{
	struct lworker *w = &t->worker;
	struct wthread *wt = calloc(1, sizeof(*wt));

	if (!wt)
		return;
	cred_root(); /* it inherits */
	wt->boss = w;
	wt->t.ft = t->ft;
	wt->t.ft.thr = NULL;
	wt->t.lfs = t->lfs;
	wt->t.is_worker = true;
	if (!fdcache_init(&wt->t.cache, 1) &&
	    !pthread_create(&w->thread[w->nr], NULL, worker_main, wt)) {
		w->nr++;
		return;
	}
	fdcache_fini(&wt->t.cache);
	free(wt);
}

bool local_worker_ready(struct local_thread *t)
{
	struct lworker *w = &t->worker;
	bool busy;

	pthread_mutex_lock(&w->lock);
	busy = w->idle <= w->nr_todo; /* those that sleep still, for jobs that are theirs */
	pthread_mutex_unlock(&w->lock);
	if (busy && w->nr < LOCAL_WORKERS)
		worker_start(t);
	return w->nr;
}

void local_work(struct local_thread *t, struct fs_req *req, int (*work)(struct fs_req *),
		void (*worked)(struct fs_req *, int err))
{
	struct lworker *w = &t->worker;
	struct lreq *job = local_lreq(req);

	cred_root();
	if (t->is_worker || !local_worker_ready(t)) {
		worked(req, work(req));
		return;
	}
	job->req = req;
	job->work = work;
	job->worked = worked;
	job->next = NULL;
	t->working++;
	pthread_mutex_lock(&w->lock);
	*w->todo_tail = job;
	w->todo_tail = &job->next;
	w->nr_todo++;
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
}

int local_worker_reap(struct local_thread *t)
{
	struct lworker *w = &t->worker;
	struct lreq *job, *next;
	uint64_t count;
	int total = 0;

	/* Before looking: a job finished after the look makes it readable again. */
	while (read(w->watch.fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	for (job = __atomic_exchange_n(&w->done, NULL, __ATOMIC_ACQUIRE); job; job = next) {
		next = job->next;
		t->working--;
		job->worked(job->req, job->err);
		total++;
	}
	return total;
}

/* Closing */

struct lclose {
	struct fs_req req;
	struct lreq job;
};

static int close_work(struct fs_req *req)
{
	close(local_lreq(req)->lfd.fd);
	return 0;
}

static void close_worked(struct fs_req *req, int err)
{
	free(container_of(req, struct lclose, req));
}

static bool close_is_slow(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && !st.st_nlink && (uint64_t)st.st_blocks * 512 > LOCAL_SLOW_TRUNCATE;
}

bool local_close_away(struct local_thread *t, int fd)
{
	struct lclose *c;

	if (t->is_worker || !close_is_slow(fd))
		return false;
	c = calloc(1, sizeof(*c));
	if (!c)
		return false;
	c->req.ft = &t->ft;
	c->req.ctx = &c->job;
	c->job.lfd.fd = fd;
	local_work(t, &c->req, close_work, close_worked);
	return true;
}
