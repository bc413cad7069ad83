/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log-linear histogram of nanoseconds: 32 steps an octave, so a percentile is at most about 3% off,
 * over the whole range of 64 bits in a fixed array that one thread writes without locks.
 */
#ifndef VFSLOAD_HIST_H
#define VFSLOAD_HIST_H

#include <stdint.h>

#define HIST_SUB_BITS 5
#define HIST_SUB (1u << HIST_SUB_BITS)
#define HIST_BUCKETS ((64 - HIST_SUB_BITS + 1) * HIST_SUB)

struct hist {
	uint64_t max;
	uint64_t sum;
	uint64_t n[HIST_BUCKETS];
};

static inline void hist_add(struct hist *h, uint64_t v)
{
	unsigned shift = v < HIST_SUB ? 0 : 63 - HIST_SUB_BITS - (unsigned)__builtin_clzll(v);
	unsigned octave = v < HIST_SUB ? 0 : shift + 1;

	h->n[octave * HIST_SUB + ((v >> shift) & (HIST_SUB - 1))]++;
	h->sum += v;
	if (v > h->max)
		h->max = v;
}

void hist_merge(struct hist *to, const struct hist *from);
/* Upper bound of the bucket that holds the p-th of 100 percent; 0 of nothing. */
uint64_t hist_percentile(const struct hist *h, double p);

#endif
