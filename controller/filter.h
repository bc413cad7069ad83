/* SPDX-License-Identifier: BSD-3-Clause */
/* The filter of system calls: what is not on its lists ends the process. */
#ifndef CONTROLLER_FILTER_H
#define CONTROLLER_FILTER_H

#include <sys/types.h>

/* What becomes of a call that is on no list. */
enum filter_action {
	FILTER_KILL, /* the process ends; the kernel's log has the number of the call */
	FILTER_TRAP, /* the same, and a line on standard error names the call */
	FILTER_LOG, /* it is carried out, and the kernel's log has its number */
	FILTER_NONE, /* there is no filter */
};

/* "kill", "trap", "log", "none". 0 or -EINVAL, silently. */
int filter_parse(const char *text, enum filter_action *ret_action);
/*
 * Installs the filter for this thread, all others and those to come; it cannot be taken away.
 * serves: bits of enum conf_serves (conf.h), whose calls are allowed. child: the one process that
 * may be sent signals, with its group, beside ourselves; 0: none. no_new_privs has to be set.
 * 0 or -errno, silently.
 */
int filter_install(enum filter_action action, unsigned int serves, pid_t child);

#endif
