/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: a block is an array of 64-bit words, each a function of the file, the place
 * of the word in the file and the generation of the block. Data from another file, another place
 * or an older write therefore differs in (nearly) every word, and any altered byte is found.
 */
#include "load.h"

static uint64_t mix(uint64_t v)
{
	v ^= v >> 31;
	v *= 0x9e3779b97f4a7c15ull;
	v ^= v >> 29;
	v *= 0xbf58476d1ce4e5b9ull;
	return v ^ v >> 32;
}

static uint64_t base_of(uint64_t file, uint64_t offset, uint32_t gen)
{
	return mix(file * 0x100000001b3ull ^ mix(offset) ^ mix((uint64_t)gen << 32 | 1));
}

void stamp_write(uint8_t *data, uint64_t len, uint64_t file, uint64_t offset, uint32_t gen)
{
	uint64_t *w = (uint64_t *)data, base = base_of(file, offset, gen), i;

	for (i = 0; i < len / sizeof(*w); i++)
		w[i] = base + i * 0x9e3779b97f4a7c15ull;
}

bool stamp_check(const uint8_t *data, uint64_t len, uint64_t file, uint64_t offset, uint32_t gen,
		 uint64_t *ret_at)
{
	const uint64_t *w = (const uint64_t *)data;
	uint64_t base = base_of(file, offset, gen), i;

	for (i = 0; i < len / sizeof(*w); i++)
		if (w[i] != base + i * 0x9e3779b97f4a7c15ull) {
			*ret_at = i * sizeof(*w);
			return false;
		}
	return true;
}
