/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
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
