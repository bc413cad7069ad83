/* SPDX-License-Identifier: BSD-3-Clause */
/* Captive mode (--run): serve exactly as long as a command runs. Main thread only. */
#ifndef CONTROLLER_CAPTIVE_H
#define CONTROLLER_CAPTIVE_H

#include <stdbool.h>
#include <sys/types.h>

#include "conf.h"

struct captive {
	pid_t pid; /* 0: not running; its own process group */
	char *dir; /* temporary directory of the socket, ours to remove */
};

/* Gives the first device a socket in a temporary directory if it has none. 0 or -errno, logged. */
int captive_prepare(struct captive *c, struct conf *conf);
/* Runs the command by sh -c with SOCKET in its environment. */
int captive_start(struct captive *c, const char *command, const char *socket);
/* After SIGCHLD: has it ended? *ret_status is what a shell would report. */
bool captive_ended(struct captive *c, int *ret_status);
/* Ends it if it still runs. */
void captive_stop(struct captive *c);
void captive_cleanup(struct captive *c);

#endif
