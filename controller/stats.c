/* SPDX-License-Identifier: BSD-3-Clause */
#include "stats.h"

#include "base/util.h"
#include "doca_devemu_vfs_fuse_kernel.h"

void stats_merge(struct stats *to, const struct stats *from)
{
	const uint64_t *src = (const uint64_t *)from;
	uint64_t *dst = (uint64_t *)to;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*dst); i++)
		dst[i] += __atomic_load_n(&src[i], __ATOMIC_RELAXED);
}

static uint64_t bucket_top(unsigned int i)
{
	const unsigned int sub = 1u << STATS_SUB_BITS;
	unsigned int octave = i / sub;

	return octave ? ((uint64_t)(i % sub + sub + 1) << (octave - 1)) - 1 : i;
}

uint64_t stats_percentile(const struct stats_op *op, double p)
{
	uint64_t total = 0, seen = 0, want;
	unsigned int i;

	for (i = 0; i < STATS_BUCKETS; i++)
		total += op->bucket[i];
	if (!total)
		return 0;
	want = min((uint64_t)((double)total * p / 100.0), total - 1);
	for (i = 0; i < STATS_BUCKETS - 1; i++) {
		seen += op->bucket[i];
		if (seen > want)
			break;
	}
	return bucket_top(i);
}

const char *stats_op_name(uint32_t opcode)
{
	static const char *const name[STATS_OPS] = {
#define HANDLER(NAME, name, names, params, args) [FUSE_##NAME] = #NAME,
#include "handlers.def"
#undef HANDLER
	};

	return opcode < STATS_OPS ? name[opcode] : NULL;
}
