/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * The process of the command is made early and waits at a pipe: when the sockets listen, this process
 * cannot make others any more, and what it gave up (privileges.c, filter.c) is not for the command
 * to lack. Our end, however it comes, closes the pipe, and ends one that still waits.
 *
 * The command leads a process group of its own, so that captive_stop() reaches all it started. When
 * we have the terminal the group gets it for as long as it runs: it may read from it, and Ctrl-C
 * interrupts the command, whose end is ours.
 */
#include "captive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "doca_log.h"

DOCA_LOG_REGISTER(VIRTIOFS::CAPTIVE);

/* For the command to clean up after SIGTERM. */
#define STOP_NS 2000000000ull
/* The word to the waiting process: take the terminal. Any other: do not. */
#define TERMINAL 't'

static int make_dir(struct captive *c)
{
	char dir[] = "/tmp/doca_virtiofs.XXXXXX";

	if (c->dir)
		return 0;
	if (!mkdtemp(dir)) {
		DOCA_LOG_ERR("no directory %s for the socket: %s", dir, strerror(errno));
		return -errno;
	}
	c->dir = strdup(dir);
	if (c->dir)
		return 0;
	rmdir(dir);
	return -ENOMEM;
}

static int set_environment(const struct conf *conf)
{
	int rc = setenv("SOCKET", conf->device[0].socket, 1);

	for (unsigned int i = 0; !rc && i < conf->nr_devices; i++) {
		char name[sizeof("SOCKET_") + 10];

		snprintf(name, sizeof(name), "SOCKET_%u", i);
		rc = setenv(name, conf->device[i].socket, 1);
	}
	return rc;
}

/* Moves the terminal on standard input to a group; also from the background, where SIGTTOU would
 * stop us. */
static void give_terminal(pid_t group)
{
	sigset_t ttou, old;

	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &ttou, &old);
	tcsetpgrp(STDIN_FILENO, group);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void run_command(const struct conf *conf, bool terminal)
{
	sigset_t none;

	if (terminal)
		give_terminal(getpid());
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (!set_environment(conf))
		execl("/bin/sh", "sh", "-c", conf->run, (char *)NULL);
	_exit(127);
}

static int set_sockets(struct captive *c, struct conf *conf)
{
	for (unsigned int i = 0; conf->run && i < conf->nr_devices; i++) {
		struct conf_device *d = &conf->device[i];
		int rc = d->socket ? 0 : make_dir(c);

		if (!rc && !d->socket && asprintf(&d->socket, "%s/sock%u", c->dir, i) < 0) {
			d->socket = NULL;
			rc = -ENOMEM;
		}
		if (rc)
			return rc;
	}
	return 0;
}

/* Runs in the child: waits for the word, which says whether there is a terminal to take. */
static _Noreturn void wait_and_run(int fd, const struct conf *conf)
{
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction act;
	char word;

	setpgid(0, 0);
	/* What came while we waited is the command's to die of, without our handlers. */
	for (size_t i = 0; i < ARRAY_SIZE(sigs); i++)
		if (!sigaction(sigs[i], NULL, &act) && act.sa_handler != SIG_IGN)
			signal(sigs[i], SIG_DFL);
	if (read(fd, &word, 1) != 1)
		_exit(127); /* it has ended */
	close(fd);
	run_command(conf, word == TERMINAL);
	_exit(127);
}

static int make_process(struct captive *c, const struct conf *conf)
{
	int fd[2] = { -1, -1 }, rc = 0;
	pid_t pid = pipe2(fd, O_CLOEXEC) ? -1 : fork();

	if (!pid) {
		close(fd[1]);
		wait_and_run(fd[0], conf);
	}
	if (pid < 0) {
		rc = -errno;
		DOCA_LOG_ERR("cannot run '%s': %s", conf->run, strerror(-rc));
	}
	if (fd[0] >= 0)
		close(fd[0]);
	if (rc && fd[1] >= 0)
		close(fd[1]);
	if (rc)
		return rc;
	setpgid(pid, pid); /* here as well: whichever process comes first */
	c->go = fd[1];
	c->pid = pid;
	return 0;
}

int captive_prepare(struct captive *c, struct conf *conf)
{
	int rc = set_sockets(c, conf);

	return rc || !conf->run ? rc : make_process(c, conf);
}

int captive_start(struct captive *c, const struct conf *conf)
{
	bool terminal = isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
	const char word = terminal ? TERMINAL : '-';
	int rc;

	c->terminal_group = terminal ? getpgrp() : 0;
	rc = write(c->go, &word, 1) == 1 ? 0 : -errno;
	close(c->go);
	c->go = -1;
	if (rc)
		DOCA_LOG_ERR("cannot run '%s': %s", conf->run, strerror(-rc));
	return rc;
}

static void ended(struct captive *c)
{
	c->pid = 0;
	if (c->terminal_group)
		give_terminal(c->terminal_group);
	c->terminal_group = 0;
}

bool captive_ended(struct captive *c, int *ret_status)
{
	int status;

	if (!c->pid || waitpid(c->pid, &status, WNOHANG) != c->pid)
		return false;
	ended(c);
	*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return true;
}

/* SIGCHLD stays blocked in this thread, so that the wait for it cannot miss it. */
void captive_stop(struct captive *c)
{
	const struct timespec look = { .tv_nsec = 50000000 };
	const uint64_t deadline = clock_ns() + STOP_NS;
	sigset_t chld;
	int status;

	if (!c->pid)
		return;
	if (c->go >= 0)
		close(c->go); /* it never ran: the end for the process that waits */
	c->go = -1;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	kill(-c->pid, SIGTERM);
	kill(-c->pid, SIGCONT);
	while (!captive_ended(c, &status) && clock_ns() < deadline)
		sigtimedwait(&chld, NULL, &look);
	if (!c->pid)
		return;
	kill(-c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	ended(c);
}

void captive_kill(const struct captive *c)
{
	if (c->pid)
		kill(-c->pid, SIGKILL);
}

void captive_cleanup(struct captive *c)
{
	if (c->dir && rmdir(c->dir))
		DOCA_LOG_WARN("%s cannot be removed: %s", c->dir, strerror(errno));
	free(c->dir);
	c->dir = NULL;
}
