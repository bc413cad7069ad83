/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CORE_MMAP_H
#define CORE_MMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "doca_mmap.h"

/* Range checks and buf accounting for inventories and pools. Counting is atomic. */
bool mmap_is_started(const struct doca_mmap *mmap);
bool mmap_contains(const struct doca_mmap *mmap, const void *addr, size_t len);
bool mmap_is_writable(const struct doca_mmap *mmap);
void mmap_buf_added(struct doca_mmap *mmap, unsigned int cnt);
void mmap_buf_removed(struct doca_mmap *mmap, unsigned int cnt);

/*
 * Memory that is not this process's own: addresses of the mmap are those of a host, and mean
 * something only while a copy holds its memory. Calls come from any thread.
 */
struct mmap_host;
struct mmap_host_ops {
	/* What the addresses mean now; until give_back(). NULL: nothing. */
	void *(*take)(struct mmap_host *host);
	void (*give_back)(void *memory);
	/* The piece of [addr, addr+len) at addr: where it is, and how long. NULL: not there. */
	void *(*translate)(void *memory, uint64_t addr, size_t len, bool write, size_t *ret_len);
	void (*put)(struct mmap_host *host); /* the mmap is gone */
};
struct mmap_host {
	const struct mmap_host_ops *ops;
};
/* As doca_mmap_create(); host is put with the mmap. */
doca_error_t mmap_create_host(struct mmap_host *host, struct doca_mmap **ret_mmap);
/* NULL: the addresses are this process's. */
struct mmap_host *mmap_host_of(const struct doca_mmap *mmap);

#endif
