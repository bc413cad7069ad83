/* SPDX-License-Identifier: BSD-3-Clause */
/* Capabilities: what the process keeps of those it was started with. */
#ifndef CONTROLLER_PRIVILEGES_H
#define CONTROLLER_PRIVILEGES_H

#include <stdint.h>

/* What a process has to be able to do; the table in privileges.c says what each takes. */
enum priv_need {
	PRIV_LOCAL = 1, /* a directory, for all users of a guest */
	PRIV_LABEL = 2, /* security labels of new files there */
	PRIV_NFS = 4,
	PRIV_RUN = 8, /* a command that may change its user, and has to be ended */
	PRIV_START = 16, /* sockets in directories of others: until privileges_started() */
	PRIV_UNLINK = 32, /* the same at the end */
};

/* Changes to what the table says; bits by the numbers of capabilities. */
struct priv_mods {
	uint64_t add, drop;
};

/*
 * "+name:-name", also with commas, in any case, with or without cap_; the last of two about the
 * same name counts. 0, or -EINVAL and *ret_bad (borrowed from text) is where it cannot be read.
 */
int privileges_parse(const char *text, struct priv_mods *ret, const char **ret_bad);
/*
 * Keeps what the needs (bits of enum priv_need) and the changes take, in all sets of this thread
 * and so of those to come, and rules out new ones. What the process does not have it does not get;
 * what is to be added must be there: else -EPERM. 0 or -errno, logged.
 */
int privileges_drop(unsigned int needs, const struct priv_mods *mods);
/* Gives up what was for the start only, in this thread. 0 or -errno, silently. */
int privileges_started(void);

#endif
