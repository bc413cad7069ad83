/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line of virtiofsd, for those who start it: libvirt, Kata Containers, Proxmox VE. Under
 * the name softdpu-virtiofsd the program takes these options instead of its own.
 */
#ifndef CONTROLLER_COMPAT_VIRTIOFSD_H
#define CONTROLLER_COMPAT_VIRTIOFSD_H

#include <stdbool.h>

#include "filter.h"

struct conf;

#define COMPAT_MAX_ARGS 64

struct compat {
	char *argv[COMPAT_MAX_ARGS + 1]; /* the options of doca_virtiofs that mean the same */
	int argc;
	bool syslog;
	/* not for others */
	const char *dir, *socket, *group, *sandbox, *xattrmap;
	int fd; /* -1: none */
	unsigned int threads;
	long nofile; /* 0: as it is */
	bool xattr, need_handles, no_handles;
	enum filter_action seccomp;
	bool bound; /* the socket file is there, and ours to remove */
};

/* Is this our name? */
bool compat_wanted(const char *argv0);
/*
 * Reads the options. 0; 1: all is said and done, as with --help; -EINVAL: refused, reason on stderr.
 * What it returns borrows from argv.
 */
int compat_parse(struct compat *c, int argc, char **argv);
/*
 * Limits, socket, sandbox: main thread, before there is another. What follows may run in a child;
 * then the parent ends with its status. 0 or -errno, reason on stderr.
 */
int compat_enter(struct compat *c);
/* What no option of ours says, into what was loaded from c->argv. */
void compat_adjust(const struct compat *c, struct conf *conf);
void compat_fini(struct compat *c);

#endif
