/* SPDX-License-Identifier: BSD-3-Clause */
/* Captive mode (--run): serve exactly as long as a command runs. Main thread only. */
#ifndef CONTROLLER_CAPTIVE_H
#define CONTROLLER_CAPTIVE_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "conf.h"

struct captive {
	volatile sig_atomic_t pid; /* 0: not running; leads a process group of its own */
	int go; /* the process waits for a word here before it runs the command; -1: it has it */
	char *dir; /* temporary directory of sockets, ours to remove */
	pid_t terminal_group; /* who has the terminal back when the command ended; 0: not taken */
};

/*
 * Gives devices without a socket one in a temporary directory, and makes the process of the
 * command: with our capabilities, and before this process gives up its own and the right to make
 * others. 0 or -errno, logged.
 */
int captive_prepare(struct captive *c, struct conf *conf);
/*
 * Runs the command by sh -c, in the foreground of the terminal if we are, with SOCKET (the first
 * device's) and SOCKET_0, SOCKET_1, ... in its environment.
 */
int captive_start(struct captive *c, const struct conf *conf);
/* After SIGCHLD: has it ended? *ret_status is what a shell would report. */
bool captive_ended(struct captive *c, int *ret_status);
/* Ends it, and what it started, if it still runs: first politely, soon by force. */
void captive_stop(struct captive *c);
/* The process is about to end: no waiting. Safe in a signal handler. */
void captive_kill(const struct captive *c);
/* After the devices are gone. */
void captive_cleanup(struct captive *c);

#endif
