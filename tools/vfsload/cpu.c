/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "load.h"

/* The kernel's CPU clock of a process counts its threads, those that ended too, in nanoseconds. */
int cpu_time(uint64_t pid, uint64_t *ret_ns)
{
	struct timespec ts;
	clockid_t clk = CLOCK_PROCESS_CPUTIME_ID;
	int r = pid ? clock_getcpuclockid((pid_t)pid, &clk) : 0;

	if (r)
		return -r;
	if (clock_gettime(clk, &ts))
		return -errno;
	*ret_ns = (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
	return 0;
}

/* Fields 14 (ticks in user space) and 39 (CPU) of a thread's stat, see proc(5). */
static int read_stat(uint64_t pid, const char *tid, unsigned long long *ret_ticks, int *ret_cpu)
{
	char path[300], line[1024], *p;
	unsigned field = 2;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%llu/task/%s/stat", (unsigned long long)pid, tid);
	f = fopen(path, "r");
	if (!f)
		return -errno;
	p = fgets(line, sizeof(line), f);
	fclose(f);
	p = p ? strrchr(line, ')') : NULL;
	for (; p && field < 39; field++) {
		p = strchr(p + 1, ' ');
		if (p && field == 13)
			sscanf(p, "%llu", ret_ticks);
	}
	return p && sscanf(p, "%d", ret_cpu) == 1 ? 0 : -EPROTO;
}

int cpu_of(uint64_t pid)
{
	unsigned long long most = 0, ticks = 0;
	struct dirent *d;
	char path[64];
	int best = -1, cpu;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%llu/task", (unsigned long long)pid);
	dir = opendir(path);
	if (!dir)
		return -1;
	while ((d = readdir(dir)))
		if (d->d_name[0] != '.' && !read_stat(pid, d->d_name, &ticks, &cpu) && ticks >= most) {
			most = ticks;
			best = cpu;
		}
	closedir(dir);
	return best;
}
