/* SPDX-License-Identifier: BSD-3-Clause */
#include "hist.h"

void hist_merge(struct hist *to, const struct hist *from)
{
	unsigned i;

	for (i = 0; i < HIST_BUCKETS; i++)
		to->n[i] += from->n[i];
	to->sum += from->sum;
	if (from->max > to->max)
		to->max = from->max;
}

static uint64_t bucket_top(unsigned i)
{
	unsigned octave = i / HIST_SUB;
	uint64_t sub = i % HIST_SUB;

	if (!octave)
		return sub;
	return ((sub + HIST_SUB + 1) << (octave - 1)) - 1;
}

uint64_t hist_percentile(const struct hist *h, double p)
{
	uint64_t total = 0, seen = 0, want;
	unsigned i;

	for (i = 0; i < HIST_BUCKETS; i++)
		total += h->n[i];
	if (!total)
		return 0;
	want = (uint64_t)((double)total * p / 100.0);
	if (want >= total)
		want = total - 1;
	for (i = 0; i < HIST_BUCKETS; i++) {
		seen += h->n[i];
		if (seen > want)
			break;
	}
	return bucket_top(i) < h->max ? bucket_top(i) : h->max;
}
