/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CORE_MMAP_H
#define CORE_MMAP_H

#include <stdbool.h>
#include <stddef.h>

#include "doca_mmap.h"

/* Range checks and buf accounting for inventories and pools. Counting is atomic. */
bool mmap_is_started(const struct doca_mmap *mmap);
bool mmap_contains(const struct doca_mmap *mmap, const void *addr, size_t len);
bool mmap_is_writable(const struct doca_mmap *mmap);
void mmap_buf_added(struct doca_mmap *mmap, unsigned int cnt);
void mmap_buf_removed(struct doca_mmap *mmap, unsigned int cnt);

#endif
