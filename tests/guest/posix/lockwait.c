/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks that are waited for. Who waits tells so by a byte in a pipe just before; that it really
 * waits then is seen by nothing coming for a while, which a slow machine can only prolong.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "posix.h"

#define A_WHILE_MS 200
#define LONG_MS 20000

enum kind { FCNTL, OFD, FLOCK };

static const char *const kind_name[] = { "fcntl(2) F_SETLKW", "fcntl(2) F_OFD_SETLKW", "flock(2)" };

struct waiter {
	enum kind kind;
	short type;
	int out; /* 's' before it waits, then 'g' granted, 'i' interrupted, 'd' deadlock, '?' else
		  */
	bool signals;
	off_t start;
};

static long take(int fd, enum kind kind, short type, bool wait, off_t start)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = 10 };
	int op = type == F_UNLCK ? LOCK_UN : type == F_RDLCK ? LOCK_SH : LOCK_EX;

	if (kind == FLOCK)
		return flock(fd, wait ? op : op | LOCK_NB);
	if (kind == OFD)
		return fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &fl);
	return fcntl(fd, wait ? F_SETLKW : F_SETLK, &fl);
}

static void on_signal(int sig)
{
}

static void say(int out, char c)
{
	NEED(write(out, &c, 1));
}

static void waiter_body(void *arg)
{
	const struct waiter *w = arg;
	struct sigaction sa = { .sa_handler = on_signal };
	int fd = (int)NEED(open("f", O_RDWR));

	if (w->signals)
		NEED(sigaction(SIGUSR1, &sa, NULL));
	say(w->out, 's');
	if (take(fd, w->kind, w->type, true, w->start) == 0)
		say(w->out, 'g');
	else
		say(w->out, errno == EINTR ? 'i' : errno == EDEADLK ? 'd' : '?');
	px_msleep(50);
}

/* The next byte, 0 when none came in that time. */
static int heard(int in, int ms)
{
	struct pollfd p = { .fd = in, .events = POLLIN };
	char c;

	if (poll(&p, 1, ms) != 1 || read(in, &c, 1) != 1)
		return 0;
	return c;
}

static void wait_granted(enum kind kind, short held, short wanted)
{
	int p[2], fd = (int)NEED(open("f", O_RDWR));
	struct waiter w = { .kind = kind, .type = wanted };
	const char *name = kind_name[kind];
	pid_t pid;

	NEED(pipe(p));
	w.out = p[1];
	NEED(take(fd, kind, held, false, 0));
	pid = px_fork(waiter_body, &w);
	SAME("setting the stage", heard(p[0], LONG_MS), 's');
	SAME(px_law("%s: waits until the lock is released", name), heard(p[0], A_WHILE_MS), 0);
	NEED(take(fd, kind, F_UNLCK, false, 0));
	SAME(px_law("%s: then gets it", name), heard(p[0], LONG_MS), 'g');
	px_join(pid);
	CALL(px_law("%s: and releases it at its end", name), 0, take(fd, kind, F_WRLCK, false, 0));
	close(fd);
	close(p[0]);
	close(p[1]);
}

static void lockwait_granted(void)
{
	px_put("f", "x");
	for (int k = FCNTL; k <= FLOCK; k++) {
		wait_granted((enum kind)k, F_WRLCK, F_WRLCK);
		wait_granted((enum kind)k, F_WRLCK, F_RDLCK);
		wait_granted((enum kind)k, F_RDLCK, F_WRLCK);
	}
}

/* What else ends the wait: the holder closes, ends or is killed. */
static void holder_body(void *arg)
{
	const struct waiter *w = arg;
	int fd = (int)NEED(open("f", O_RDWR));

	NEED(take(fd, w->kind, F_WRLCK, false, 0));
	say(w->out, 'h');
	px_msleep(60000);
}

static void lockwait_holder_killed(void)
{
	int p[2], q[2], status;
	pid_t holder, pid;

	px_put("f", "x");
	for (int k = FCNTL; k <= FLOCK; k++) {
		struct waiter h = { .kind = (enum kind)k },
			      w = { .kind = (enum kind)k, .type = F_WRLCK };

		NEED(pipe(p));
		NEED(pipe(q));
		h.out = q[1];
		w.out = p[1];
		holder = px_fork(holder_body, &h);
		SAME("setting the stage", heard(q[0], LONG_MS), 'h');
		pid = px_fork(waiter_body, &w);
		SAME("setting the stage", heard(p[0], LONG_MS), 's');
		SAME(px_law("%s: waits for another process", kind_name[k]), heard(p[0], A_WHILE_MS),
		     0);
		NEED(kill(holder, SIGKILL));
		NEED(waitpid(holder, &status, 0));
		SAME(px_law("%s: the death of the holder grants it", kind_name[k]),
		     heard(p[0], LONG_MS), 'g');
		px_join(pid);
	}
}

static void lockwait_close(void)
{
	int p[2], fd;
	pid_t pid;

	px_put("f", "x");
	for (int k = FCNTL; k <= FLOCK; k++) {
		struct waiter w = { .kind = (enum kind)k, .type = F_WRLCK };

		NEED(pipe(p));
		w.out = p[1];
		fd = (int)NEED(open("f", O_RDWR | O_CLOEXEC));
		NEED(take(fd, w.kind, F_WRLCK, false, 0));
		pid = (pid_t)NEED(fork());
		if (pid == 0) {
			close(fd);
			waiter_body(&w);
			_exit(0);
		}
		SAME("setting the stage", heard(p[0], LONG_MS), 's');
		SAME(px_law("%s: waits", kind_name[k]), heard(p[0], A_WHILE_MS), 0);
		NEED(close(fd));
		SAME(px_law("%s: close(2) of the holder grants it", kind_name[k]),
		     heard(p[0], LONG_MS), 'g');
		px_join(pid);
	}
}

/* Over virtio-fs a signal cannot end a wait: a waiter would stay for good. */
static void need_interrupt(void)
{
	if (!strcmp(px_fs, "fuse"))
		px_skip("no signals while a request is out");
}

static void lockwait_interrupted(void)
{
	int p[2], fd, again;
	pid_t pid;

	need_interrupt();
	px_put("f", "x");
	fd = (int)NEED(open("f", O_RDWR));
	for (int k = FCNTL; k <= FLOCK; k++) {
		struct waiter w = { .kind = (enum kind)k, .type = F_WRLCK, .signals = true };

		NEED(pipe(p));
		w.out = p[1];
		NEED(take(fd, w.kind, F_WRLCK, false, 0));
		pid = px_fork(waiter_body, &w);
		SAME("setting the stage", heard(p[0], LONG_MS), 's');
		SAME(px_law("%s: waits", kind_name[k]), heard(p[0], A_WHILE_MS), 0);
		NEED(kill(pid, SIGUSR1));
		SAME(px_law("%s EINTR: a signal was caught while waiting", kind_name[k]),
		     heard(p[0], LONG_MS), 'i');
		px_join(pid);
		NEED(take(fd, w.kind, F_UNLCK, false, 0));
		again = (int)NEED(open("f", O_RDWR));
		CALL(px_law("%s: the interrupted one got nothing", kind_name[k]), 0,
		     take(again, w.kind, F_WRLCK, false, 0));
		close(again);
	}
}

/* A waiter that is killed leaves no trace. */
static void lockwait_waiter_killed(void)
{
	int p[2], fd, status;
	pid_t pid;

	need_interrupt();
	px_put("f", "x");
	fd = (int)NEED(open("f", O_RDWR));
	for (int k = FCNTL; k <= FLOCK; k++) {
		struct waiter w = { .kind = (enum kind)k, .type = F_WRLCK };
		int other;

		NEED(pipe(p));
		w.out = p[1];
		NEED(take(fd, w.kind, F_WRLCK, false, 0));
		pid = px_fork(waiter_body, &w);
		SAME("setting the stage", heard(p[0], LONG_MS), 's');
		SAME(px_law("%s: waits", kind_name[k]), heard(p[0], A_WHILE_MS), 0);
		NEED(kill(pid, SIGKILL));
		NEED(waitpid(pid, &status, 0));
		SAME("signal(7): a waiter can be killed", WTERMSIG(status), SIGKILL);
		NEED(take(fd, w.kind, F_UNLCK, false, 0));
		other = (int)NEED(open("f", O_RDWR));
		CALL(px_law("%s: the dead one does not get it", kind_name[k]), 0,
		     take(other, w.kind, F_WRLCK, false, 0));
		close(other);
	}
}

/* Two processes, two ranges, each waits for the other's. */
static void deadlock_body(void *arg)
{
	const struct waiter *w = arg;
	int fd = (int)NEED(open("f", O_RDWR));

	NEED(take(fd, FCNTL, F_WRLCK, false, 100));
	say(w->out, 's');
	say(w->out, take(fd, FCNTL, F_WRLCK, true, 0) == 0 ? 'g' : errno == EDEADLK ? 'd' : '?');
	px_msleep(50);
}

static void lockwait_deadlock(void)
{
	int p[2], fd;
	struct waiter w = { .kind = FCNTL };
	pid_t pid;

	px_put("f", "x");
	fd = (int)NEED(open("f", O_RDWR));
	NEED(pipe(p));
	w.out = p[1];
	NEED(take(fd, FCNTL, F_WRLCK, false, 0));
	pid = px_fork(deadlock_body, &w);
	SAME("setting the stage", heard(p[0], LONG_MS), 's');
	SAME("fcntl(2) F_SETLKW: the child waits", heard(p[0], A_WHILE_MS), 0);
	alarm(40);
	CALL("fcntl(2) EDEADLK: it was detected that waiting would be a deadlock", EDEADLK,
	     take(fd, FCNTL, F_WRLCK, true, 100));
	NEED(take(fd, FCNTL, F_UNLCK, false, 0));
	SAME("fcntl(2) F_SETLKW: the other one goes on", heard(p[0], LONG_MS), 'g');
	px_join(pid);
}

/* While locks are waited for, everything else goes on, and all waiters come to their turn. */
static void lockwait_many(void)
{
	enum { WAITERS = 20 };
	pid_t pid[WAITERS];
	int p[2], fd, granted = 0;
	struct waiter w = { .kind = OFD, .type = F_WRLCK };

	px_put("f", "x");
	fd = (int)NEED(open("f", O_RDWR));
	NEED(pipe(p));
	w.out = p[1];
	NEED(take(fd, OFD, F_WRLCK, false, 0));
	for (int i = 0; i < WAITERS; i++)
		pid[i] = px_fork(waiter_body, &w);
	for (int i = 0; i < WAITERS; i++)
		SAME("setting the stage", heard(p[0], LONG_MS), 's');
	px_put("while", "they wait");
	HOLDS("fcntl(2) F_SETLKW: other operations go on while twenty wait",
	      px_holds("while", "they wait"));
	CALL("fcntl(2) F_SETLKW: and other locks of the file", 0,
	     take(fd, OFD, F_WRLCK, false, 50));
	NEED(take(fd, OFD, F_UNLCK, false, 0));
	for (int i = 0; i < WAITERS; i++)
		granted += heard(p[0], LONG_MS) == 'g';
	SAME("fcntl(2) F_SETLKW: each of twenty gets the lock in turn", granted, WAITERS);
	for (int i = 0; i < WAITERS; i++)
		px_join(pid[i]);
}

const struct px_topic px_topics_lockwait[] = {
	{ "lockwait_granted", lockwait_granted },
	{ "lockwait_holder_killed", lockwait_holder_killed },
	{ "lockwait_close", lockwait_close },
	{ "lockwait_interrupted", lockwait_interrupted },
	{ "lockwait_waiter_killed", lockwait_waiter_killed },
	{ "lockwait_deadlock", lockwait_deadlock },
	{ "lockwait_many", lockwait_many },
	{ NULL, NULL },
};
