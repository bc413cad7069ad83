/* SPDX-License-Identifier: BSD-3-Clause */
#include "captive.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doca_log.h"

DOCA_LOG_REGISTER(VIRTIOFS::CAPTIVE);

int captive_prepare(struct captive *c, struct conf *conf)
{
	char dir[] = "/tmp/doca_virtiofs.XXXXXX";

	if (!conf->run || conf->device[0].socket)
		return 0;
	if (!mkdtemp(dir)) {
		DOCA_LOG_ERR("no directory for the socket: %s", strerror(errno));
		return -errno;
	}
	c->dir = strdup(dir);
	if (!c->dir || asprintf(&conf->device[0].socket, "%s/sock", dir) < 0) {
		conf->device[0].socket = NULL;
		return -ENOMEM;
	}
	return 0;
}

int captive_start(struct captive *c, const char *command, const char *socket)
{
	pid_t pid = fork();
	sigset_t none;

	if (pid < 0) {
		DOCA_LOG_ERR("cannot run '%s': %s", command, strerror(errno));
		return -errno;
	}
	if (pid) {
		c->pid = pid;
		return 0;
	}
	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setenv("SOCKET", socket, 1);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

bool captive_ended(struct captive *c, int *ret_status)
{
	int status;

	if (!c->pid || waitpid(c->pid, &status, WNOHANG) != c->pid)
		return false;
	c->pid = 0;
	*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return true;
}

void captive_stop(struct captive *c)
{
	if (!c->pid)
		return;
	kill(-c->pid, SIGTERM);
	waitpid(c->pid, NULL, 0);
	c->pid = 0;
}

void captive_cleanup(struct captive *c)
{
	if (c->dir)
		rmdir(c->dir);
	free(c->dir);
	c->dir = NULL;
}
