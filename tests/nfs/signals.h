/* SPDX-License-Identifier: BSD-3-Clause */
/* Do the threads that something started leave SIGTERM to the main thread? */
#ifndef TESTS_NFS_SIGNALS_H
#define TESTS_NFS_SIGNALS_H

#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A thread of /proc/self/task. */
static inline bool signals_blocked(const char *tid)
{
	unsigned long long mask = 0;
	char path[64], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/status", tid);
	file = fopen(path, "r");
	if (!file)
		return true; /* it has ended */
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "SigBlk: %llx", &mask) == 1)
			break;
	fclose(file);
	return mask & (1ull << (SIGTERM - 1));
}

/* All but so many: the test has threads of its own. */
static inline bool signals_are_left(unsigned int allowed)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned int open_ones = 0;
	struct dirent *ent;

	while (dir && (ent = readdir(dir)))
		if (ent->d_name[0] != '.' && atol(ent->d_name) != syscall(SYS_gettid))
			open_ones += !signals_blocked(ent->d_name);
	if (dir)
		closedir(dir);
	return dir && open_ones <= allowed;
}

#endif
