/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * Locks of the guest are locks of the host, so that its processes and other guests meet them.
 *
 *   flock()     of the descriptor the guest's open has here: same life, same conflicts.
 *   fcntl()     an open file description for each (node, lock owner), with F_OFD_SETLK: owners
 *               are the guest's processes, which may share one open file, or lock through two.
 *
 * Beside the kernel's, lktab remembers the ranges each owner holds: who is in whose way inside this
 * server (the kernel reports "somebody" for such locks), which is what EDEADLK, the pid of GETLK and
 * waking need.
 *
 * Waiting: a SETLKW that cannot be granted is put on lktab.waiting and nothing waits but the
 * request. It is tried again by its own I/O thread in poll(): at once when an owner of this server
 * lets something of the node go; while somebody outside holds the lock, of whom nobody tells us,
 * after 1 ms, then twice that, up to DELAY_MAX_NS. Waiters keep places in the guest's queues, and the
 * unlock has to get through as well: no more than max_waiting, ENOLCK beyond.
 *
 * Let go: POSIX locks by FLUSH of their owner; all locks taken through a file by its RELEASE, which
 * is how Linux ends open-file-description locks; everything by reset(). Waiters end with EINTR by
 * INTERRUPT, cancel() and reset().
 */
#include <errno.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "local.h"

#define DELAY_MIN_NS 1000000ull
#define DELAY_MAX_NS 32000000ull
#define DELAY_PER_WAITER_NS 60000ull /* bounds what all of them together cost */

/* Wakes the thread's poll(). */
static void lk_kick(struct local_thread *t)
{
	const uint64_t one = 1;

	__atomic_store_n(&t->lock_kick, true, __ATOMIC_RELEASE); /* pairs with local_lock_poll() */
	/* Only a counter at its limit refuses, and that wakes as well. */
	while (write(t->worker.watch.fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* Somebody let go of something on the node. Under the lock. */
static void lk_wake(struct lktab *tab, uint64_t nodeid)
{
	struct lreq *w;

	TAILQ_FOREACH(w, &tab->waiting, wait.link) {
		if (w->wait.nodeid != nodeid)
			continue;
		w->wait.due_ns = 0;
		lk_kick(w->wait.t);
	}
}

static bool lk_is_flock(const struct fs_req *req)
{
	return req->lk->lk_flags & FUSE_LK_FLOCK;
}

static struct flock lk_flock(const struct fs_req *req, short type)
{
	const struct fuse_file_lock *lk = &req->lk->lk;
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)lk->start };

	if (lk->end != LK_EOF)
		fl.l_len = (off_t)(lk->end - lk->start + 1);
	return fl;
}

static int lk_check(const struct fs_req *req)
{
	const struct fuse_file_lock *lk = &req->lk->lk;

	if (lk->type != F_RDLCK && lk->type != F_WRLCK && lk->type != F_UNLCK)
		return -EINVAL;
	return lk->start > lk->end || lk->end > LK_EOF ? -EINVAL : 0;
}

/* Another description of the guest's file, for locks of both kinds where it can be had. */
static int lk_open(struct local_thread *t, int file_fd)
{
	char path[LOCAL_PROC_LEN];
	int fd, tries = 0;

	local_proc_path(path, file_fd);
	do {
		/* Without O_APPEND, append-only files refuse. */
		fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOCTTY);
		/*
		 * A program that runs, a read-only mount, an immutable file: then nobody has it
		 * open for writing.
		 */
		if (fd < 0 && (errno == ETXTBSY || errno == EROFS || errno == EACCES ||
			       errno == EPERM))
			fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	} while (fd < 0 && local_again(t, &tries));
	return fd < 0 ? local_errno() : fd;
}

static int lk_owner_get(struct fs_req *req, struct lktab *tab, struct lkowner **ret_owner)
{
	struct local_thread *t = local_thread_of(req);
	int fd;

	*ret_owner = lktab_find(tab, req->in->nodeid, req->lk->owner);
	if (!*ret_owner) {
		if (tab->nr_owners >= tab->max_owners)
			return -ENOLCK;
		fd = lk_open(t, local_lreq(req)->fh->fd);
		if (fd < 0)
			return fd;
		*ret_owner = lktab_add(tab, req->in->nodeid, req->lk->owner, fd);
		if (!*ret_owner)
			return -ENOLCK;
	}
	(*ret_owner)->fh = req->lk->fh;
	return 0;
}

/* The kernel's lock first, then the table. */
static int lk_change(struct fs_req *req, struct lktab *tab, struct lkowner *o)
{
	const struct fuse_file_lock *lk = &req->lk->lk;
	struct flock fl = lk_flock(req, (short)lk->type);
	const struct lkrange set = { .start = lk->start, .end = lk->end, .pid = lk->pid,
				     .write = lk->type == F_WRLCK };
	struct lkrange *spare[2];
	int err = lktab_reserve(tab, spare);

	if (err)
		return err;
	if (fcntl(o->fd, F_OFD_SETLK, &fl)) {
		err = errno == EACCES ? -EAGAIN : -errno;
		lktab_unreserve(tab, spare);
		return err;
	}
	if (lktab_set(tab, o, lk->start, lk->end, lk->type == F_UNLCK ? NULL : &set, spare))
		lk_wake(tab, o->nodeid);
	return 0;
}

/* -EAGAIN: somebody is in the way; *inside: of this server. Under the lock. */
static int lk_try_posix(struct fs_req *req, struct lktab *tab, bool *inside)
{
	const struct fuse_file_lock *lk = &req->lk->lk;
	struct lkowner *o;
	int err;

	*inside = false;
	if (lk->type == F_UNLCK && !lktab_find(tab, req->in->nodeid, req->lk->owner))
		return 0;
	if (lk->type != F_UNLCK &&
	    lktab_conflict(tab, req->in->nodeid, req->lk->owner, lk->start, lk->end,
			   lk->type == F_WRLCK)) {
		*inside = true;
		return -EAGAIN;
	}
	err = lk_owner_get(req, tab, &o);
	if (err)
		return err;
	err = lk_change(req, tab, o);
	lktab_reap(tab, o);
	return err;
}

/* Under the lock. A conversion gives up what there was before it fails, as on Linux. */
static int lk_try_flock(struct fs_req *req, struct lktab *tab)
{
	static const int op[] = { [F_RDLCK] = LOCK_SH, [F_WRLCK] = LOCK_EX, [F_UNLCK] = LOCK_UN };
	int err = 0;

	if (flock(local_lreq(req)->fh->fd, op[req->lk->lk.type] | LOCK_NB))
		err = errno == EINTR ? -EAGAIN : -errno;
	if (req->lk->lk.type != F_WRLCK && tab->nr_waiting)
		lk_wake(tab, req->in->nodeid);
	return err;
}

static int lk_try(struct fs_req *req, struct lktab *tab, bool *inside)
{
	*inside = false;
	return lk_is_flock(req) ? lk_try_flock(req, tab) : lk_try_posix(req, tab, inside);
}

/* ---- waiting ---- */

/* Puts those on the list *todo that wait for a lock on behalf of that owner. */
static void deadlock_add(struct lktab *tab, uint64_t owner, struct lreq **todo)
{
	struct lreq *w;

	TAILQ_FOREACH(w, &tab->waiting, wait.link) {
		if (!w->wait.owner || w->wait.owner->owner != owner || w->wait.mark == tab->mark)
			continue;
		w->wait.mark = tab->mark;
		w->next = *todo;
		*todo = w;
	}
}

/* Is one of those in the way of w the owner itself? The others' own waits go to *todo. */
static bool deadlock_step(struct lktab *tab, const struct lreq *w, uint64_t owner,
			  struct lreq **todo)
{
	const struct fuse_lk_in *in = w->req->lk;
	const struct lkowner *o;

	LIST_FOREACH(o, lktab_bucket(tab, w->req->in->nodeid), link) {
		if (o->nodeid != w->req->in->nodeid || o->owner == in->owner ||
		    !lkowner_conflict(o, in->lk.start, in->lk.end, in->lk.type == F_WRLCK))
			continue;
		if (o->owner == owner)
			return true;
		deadlock_add(tab, o->owner, todo);
	}
	return false;
}

/* Would the request wait for somebody who waits, step by step, for its own owner? */
static bool lk_deadlock(struct fs_req *req, struct lktab *tab)
{
	struct lreq *todo = local_lreq(req), *w;

	tab->mark++;
	todo->next = NULL;
	while ((w = todo)) {
		todo = w->next;
		if (deadlock_step(tab, w, req->lk->owner, &todo))
			return true;
	}
	return false;
}

/* When to try again, after a try that failed. */
static void wait_schedule(struct lktab *tab, struct lkwait *w, bool inside)
{
	uint64_t most = max(DELAY_MAX_NS, tab->nr_waiting * DELAY_PER_WAITER_NS);

	w->due_ns = UINT64_MAX;
	if (inside)
		return;
	w->due_ns = clock_ns() + w->delay_ns;
	w->delay_ns = min(w->delay_ns * 2, most);
	w->t->lock_due_ns = min(w->t->lock_due_ns, w->due_ns);
}

static int wait_start(struct fs_req *req, struct lktab *tab, bool inside)
{
	struct lreq *job = local_lreq(req);
	struct lkowner *o = NULL;
	int err = 0;

	if (tab->nr_waiting >= tab->max_waiting)
		return -ENOLCK;
	if (!lk_is_flock(req))
		err = lk_owner_get(req, tab, &o);
	if (err)
		return err;
	if (o)
		o->waiting++;
	job->wait = (struct lkwait){ .t = local_thread_of(req), .owner = o,
				     .nodeid = req->in->nodeid, .delay_ns = DELAY_MIN_NS };
	TAILQ_INSERT_TAIL(&tab->waiting, job, wait.link);
	__atomic_add_fetch(&tab->nr_waiting, 1, __ATOMIC_RELAXED);
	job->wait.t->waiting++;
	wait_schedule(tab, &job->wait, inside);
	return 0;
}

static void wait_end(struct lktab *tab, struct lreq *job)
{
	TAILQ_REMOVE(&tab->waiting, job, wait.link);
	__atomic_sub_fetch(&tab->nr_waiting, 1, __ATOMIC_RELAXED);
	job->wait.t->waiting--;
	if (!job->wait.owner)
		return;
	job->wait.owner->waiting--;
	lktab_reap(tab, job->wait.owner);
}

/* One more try; -EAGAIN: it goes on waiting. */
static int wait_again(struct lktab *tab, struct lreq *job)
{
	bool inside;
	int err = lk_try(job->req, tab, &inside);

	if (err == -EAGAIN && !lk_is_flock(job->req) && lk_deadlock(job->req, tab))
		return -EDEADLK;
	if (err == -EAGAIN)
		wait_schedule(tab, &job->wait, inside);
	return err;
}

static void lk_done(struct fs_req *req, int err)
{
	lfh_put(&local_thread_of(req)->lfs->fhs, local_lreq(req)->fh);
	fs_req_done(req, err);
}

/* Tries what is due, and takes what is over off the list. Under the lock. */
static struct lreq *wait_collect(struct local_thread *t, struct lktab *tab, uint64_t now)
{
	struct lreq *job, *next, *over = NULL, **tail = &over;

	t->lock_due_ns = UINT64_MAX;
	for (job = TAILQ_FIRST(&tab->waiting); job; job = next) {
		next = TAILQ_NEXT(job, wait.link);
		if (job->wait.t != t)
			continue;
		job->err = -EAGAIN;
		if (job->wait.cancelled)
			job->err = -EINTR;
		else if (job->wait.due_ns <= now)
			job->err = wait_again(tab, job);
		t->lock_due_ns = min(t->lock_due_ns, job->wait.due_ns);
		if (job->err == -EAGAIN)
			continue;
		wait_end(tab, job);
		job->next = NULL;
		*tail = job;
		tail = &job->next;
	}
	return over;
}

int local_lock_poll(struct local_thread *t)
{
	struct lktab *tab = &t->lfs->locks;
	uint64_t now = clock_ns();
	struct lreq *job, *next;
	int n = 0;

	/* Acquire pairs with the release in lk_kick(). */
	if (!__atomic_exchange_n(&t->lock_kick, false, __ATOMIC_ACQUIRE) && now < t->lock_due_ns)
		return 0;
	pthread_mutex_lock(&tab->lock);
	job = wait_collect(t, tab, now);
	pthread_mutex_unlock(&tab->lock);
	for (; job; job = next) {
		next = job->next;
		lk_done(job->req, job->err);
		n++;
	}
	return n;
}

int local_lock_timeout_ms(const struct local_thread *t)
{
	uint64_t now;

	if (!t->waiting || t->lock_due_ns == UINT64_MAX)
		return -1;
	now = clock_ns();
	return t->lock_due_ns > now ? (int)((t->lock_due_ns - now) / 1000000) + 1 : 0;
}

/* Ends the waits of one thread (NULL: of all) and of one request (0: of all). */
static void lk_cancel(struct lktab *tab, const struct local_thread *t, uint64_t unique)
{
	struct lreq *job;

	TAILQ_FOREACH(job, &tab->waiting, wait.link) {
		if ((t && job->wait.t != t) || (unique && job->req->in->unique != unique))
			continue;
		job->wait.cancelled = true;
		lk_kick(job->wait.t);
	}
}

void local_lock_cancel(struct local_thread *t)
{
	struct lktab *tab = &t->lfs->locks;

	pthread_mutex_lock(&tab->lock);
	lk_cancel(tab, t, 0);
	pthread_mutex_unlock(&tab->lock);
	local_lock_poll(t);
}

/* ---- letting go ---- */

/* Under the lock. */
static void lk_release(struct lktab *tab, struct lkowner *o)
{
	struct flock all = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	/* Closing lets the kernel's go; with somebody waiting it stays open. */
	if (o->waiting)
		fcntl(o->fd, F_OFD_SETLK, &all);
	lktab_drop_ranges(tab, o);
	lktab_reap(tab, o);
}

void local_lock_flush(struct local_thread *t, uint64_t nodeid, uint64_t owner)
{
	struct lktab *tab = &t->lfs->locks;
	struct lkowner *o;

	if (!__atomic_load_n(&tab->nr_owners, __ATOMIC_RELAXED))
		return;
	pthread_mutex_lock(&tab->lock);
	o = lktab_find(tab, nodeid, owner);
	if (o) {
		lk_release(tab, o);
		lk_wake(tab, nodeid);
	}
	pthread_mutex_unlock(&tab->lock);
}

void local_lock_release(struct local_thread *t, uint64_t nodeid, const struct fuse_release_in *in)
{
	struct lktab *tab = &t->lfs->locks;
	struct lkowner *o, *next;
	struct lfh *f;

	/* Closed it is soon, but I/O in flight may keep it open for a while. */
	if (in->release_flags & FUSE_RELEASE_FLOCK_UNLOCK) {
		f = lfh_get(&t->lfs->fhs, in->fh, false);
		if (f) {
			flock(f->fd, LOCK_UN);
			lfh_put(&t->lfs->fhs, f);
		}
	}
	if (!__atomic_load_n(&tab->nr_owners, __ATOMIC_RELAXED) &&
	    !__atomic_load_n(&tab->nr_waiting, __ATOMIC_RELAXED))
		return;
	pthread_mutex_lock(&tab->lock);
	for (o = LIST_FIRST(lktab_bucket(tab, nodeid)); o; o = next) {
		next = LIST_NEXT(o, link);
		if (o->nodeid == nodeid && o->fh == in->fh)
			lk_release(tab, o);
	}
	lk_wake(tab, nodeid);
	pthread_mutex_unlock(&tab->lock);
}

void local_lock_reset(struct local_fs *lfs)
{
	struct lktab *tab = &lfs->locks;
	struct lkowner *o, *next;

	pthread_mutex_lock(&tab->lock);
	for (unsigned int i = 0; i < LK_BUCKETS; i++)
		for (o = LIST_FIRST(&tab->owners[i]); o; o = next) {
			next = LIST_NEXT(o, link);
			lk_release(tab, o);
		}
	lk_cancel(tab, NULL, 0);
	pthread_mutex_unlock(&tab->lock);
}

/* ---- operations ---- */

/* The file, or an answer given. */
static bool lk_start(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	bool served = lk_is_flock(req) ? t->lfs->flock : t->lfs->posix_lock;
	int err = served ? lk_check(req) : -ENOSYS;

	t->op_seq++;
	cred_root();
	local_lreq(req)->req = req;
	local_lreq(req)->fh = err ? NULL : lfh_get(&t->lfs->fhs, req->lk->fh, false);
	if (local_lreq(req)->fh)
		return true;
	fs_req_done(req, err ? err : -EBADF);
	return false;
}

static void lk_run(struct fs_req *req, bool wait)
{
	struct lktab *tab = &local_thread_of(req)->lfs->locks;
	bool inside;
	int err;

	if (!lk_start(req))
		return;
	pthread_mutex_lock(&tab->lock);
	err = lk_try(req, tab, &inside);
	if (err == -EAGAIN && wait) {
		err = !lk_is_flock(req) && lk_deadlock(req, tab) ? -EDEADLK :
								    wait_start(req, tab, inside);
		wait = !err;
	} else {
		wait = false;
	}
	pthread_mutex_unlock(&tab->lock);
	if (!wait)
		lk_done(req, err);
}

void local_op_setlk(struct fs_req *req)
{
	lk_run(req, false);
}

void local_op_setlkw(struct fs_req *req)
{
	lk_run(req, true);
}

/* Who is in the way: of this server with its pid, of another without. Under the lock. */
static int lk_ask(struct fs_req *req, struct lktab *tab)
{
	const struct fuse_lk_in *in = req->lk;
	struct fuse_file_lock *out = &req->lk_out->lk;
	const struct lkrange *r;
	const struct lkowner *o;
	struct flock fl;

	r = lktab_conflict(tab, req->in->nodeid, in->owner, in->lk.start, in->lk.end,
			   in->lk.type == F_WRLCK);
	if (r) {
		*out = (struct fuse_file_lock){ .start = r->start, .end = r->end, .pid = r->pid,
						.type = r->write ? F_WRLCK : F_RDLCK };
		return 0;
	}
	o = lktab_find(tab, req->in->nodeid, in->owner);
	fl = lk_flock(req, (short)in->lk.type);
	if (fcntl(o ? o->fd : local_lreq(req)->fh->fd, F_OFD_GETLK, &fl))
		return -errno;
	*out = (struct fuse_file_lock){ .type = (uint32_t)fl.l_type };
	if (fl.l_type != F_UNLCK) {
		out->start = (uint64_t)fl.l_start;
		out->end = fl.l_len ? (uint64_t)(fl.l_start + fl.l_len - 1) : LK_EOF;
	}
	return 0;
}

void local_op_getlk(struct fs_req *req)
{
	struct lktab *tab = &local_thread_of(req)->lfs->locks;
	int err;

	if (!lk_start(req))
		return;
	err = lk_is_flock(req) || req->lk->lk.type == F_UNLCK ? -EINVAL : 0;
	if (!err) {
		pthread_mutex_lock(&tab->lock);
		err = lk_ask(req, tab);
		pthread_mutex_unlock(&tab->lock);
	}
	lk_done(req, err);
}

/* The request may be another thread's, over already, or not here yet: Linux asks again then. */
void local_op_interrupt(struct fs_req *req)
{
	struct lktab *tab = &local_thread_of(req)->lfs->locks;

	if (req->interrupt->unique && __atomic_load_n(&tab->nr_waiting, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&tab->lock);
		lk_cancel(tab, NULL, req->interrupt->unique);
		pthread_mutex_unlock(&tab->lock);
	}
	fs_req_done(req, 0);
}
