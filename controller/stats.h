/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device did on one thread, by FUSE opcode: requests, errors, bytes, and how long they were
 * with the file system. One thread writes, without lock or read-modify-write; any other may read
 * at any time and sees each counter whole, not all of one moment.
 *
 * One request of STATS_SAMPLE of each opcode is timed, the first among them, or every one when told
 * to: reading the clock twice for each would show in the rate of the null file system.
 */
#ifndef CONTROLLER_STATS_H
#define CONTROLLER_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/util.h"

#define STATS_OPS 64 /* above all opcodes there are */
#define STATS_SUB_BITS 2 /* 4 steps an octave: a percentile is at most 25% above the truth */
#define STATS_BUCKETS 128 /* up to 2^33 ns; what is longer counts there */
#define STATS_SAMPLE 16 /* a power of two */

struct stats_op {
	uint64_t started, count, errors, bytes;
	uint64_t timed, ns; /* how many, and their sum */
	uint64_t bucket[STATS_BUCKETS]; /* of the timed ones */
};

struct stats {
	struct stats_op op[STATS_OPS];
};

static inline void stats_bump(uint64_t *counter, uint64_t by)
{
	__atomic_store_n(counter, *counter + by, __ATOMIC_RELAXED);
}

static inline unsigned int stats_bucket(uint64_t ns)
{
	unsigned int msb, i;

	if (ns < 1u << STATS_SUB_BITS)
		return (unsigned int)ns;
	msb = 63 - (unsigned int)__builtin_clzll(ns);
	i = ((msb - STATS_SUB_BITS + 1) << STATS_SUB_BITS) +
	    ((unsigned int)(ns >> (msb - STATS_SUB_BITS)) & ((1u << STATS_SUB_BITS) - 1));
	return i < STATS_BUCKETS ? i : STATS_BUCKETS - 1;
}

/* The thread that owns them. When the request began; 0: it is not timed. mask: 0 for all. */
static inline uint64_t stats_begin(struct stats *s, uint32_t opcode, unsigned int mask)
{
	struct stats_op *op = &s->op[opcode % STATS_OPS];
	uint64_t number = op->started;

	stats_bump(&op->started, 1);
	return number & mask ? 0 : clock_ns();
}

static inline void stats_end(struct stats *s, uint32_t opcode, int err, uint64_t begin_ns,
			     size_t bytes)
{
	struct stats_op *op = &s->op[opcode % STATS_OPS];
	uint64_t ns;

	stats_bump(&op->count, 1);
	if (err)
		stats_bump(&op->errors, 1);
	else
		stats_bump(&op->bytes, bytes);
	if (likely(!begin_ns))
		return;
	ns = clock_ns() - begin_ns;
	stats_bump(&op->timed, 1);
	stats_bump(&op->ns, ns);
	stats_bump(&op->bucket[stats_bucket(ns)], 1);
}

/* Any thread: adds what *from shows now. */
void stats_merge(struct stats *to, const struct stats *from);
/* Upper bound of the p-th of 100 percent, in ns; 0 of nothing. */
uint64_t stats_percentile(const struct stats_op *op, double p);
/* "READ"; NULL for an opcode that is not served here. */
const char *stats_op_name(uint32_t opcode);

#endif
