/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A fixed number of buffer descriptors without memory of their own; each is pointed at a piece of
 * a started mmap when taken. Single-threaded.
 */
#ifndef DOCA_BUF_INVENTORY_H
#define DOCA_BUF_INVENTORY_H

#include <stddef.h>
#include <stdint.h>

#include "doca_compat.h"
#include "doca_error.h"
#include "doca_types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct doca_buf;
struct doca_buf_inventory;
struct doca_mmap;

/* IN_USE: destroying while descriptors are out. */
DOCA_STABLE doca_error_t doca_buf_inventory_create(size_t num_elements,
		struct doca_buf_inventory **inventory);
DOCA_STABLE doca_error_t doca_buf_inventory_destroy(struct doca_buf_inventory *inventory);

/* Descriptors can be taken between start and stop. */
DOCA_STABLE doca_error_t doca_buf_inventory_start(struct doca_buf_inventory *inventory);
DOCA_STABLE doca_error_t doca_buf_inventory_stop(struct doca_buf_inventory *inventory);

/*
 * Takes a descriptor with one reference, window and data segment given. NO_MEMORY: all are out.
 * INVALID_VALUE: the window is not inside the mmap. BAD_STATE: not started.
 */
DOCA_STABLE doca_error_t doca_buf_inventory_buf_get_by_args(struct doca_buf_inventory *inventory,
		struct doca_mmap *mmap, void *addr, size_t len, void *data, size_t data_len,
		struct doca_buf **buf);

/* The same with an empty data segment at the start of the window. */
static inline doca_error_t doca_buf_inventory_buf_get_by_addr(struct doca_buf_inventory *inventory,
		struct doca_mmap *mmap, void *addr, size_t len, struct doca_buf **buf)
{
	return doca_buf_inventory_buf_get_by_args(inventory, mmap, addr, len, addr, 0, buf);
}

/* The same with window and data segment alike. */
static inline doca_error_t doca_buf_inventory_buf_get_by_data(struct doca_buf_inventory *inventory,
		struct doca_mmap *mmap, void *data, size_t data_len, struct doca_buf **buf)
{
	return doca_buf_inventory_buf_get_by_args(inventory, mmap, data, data_len, data, data_len,
						  buf);
}

/*
 * Takes descriptors for all elements of a list: a second list over the same memory.
 * NOT_PERMITTED: src_buf is not the head.
 */
DOCA_STABLE doca_error_t doca_buf_inventory_buf_dup(struct doca_buf_inventory *inventory,
		const struct doca_buf *src_buf, struct doca_buf **dst_buf);

/* More descriptors, while in use. */
DOCA_STABLE doca_error_t doca_buf_inventory_expand(struct doca_buf_inventory *inventory,
		uint32_t num_elements);

/* BAD_STATE: not started. */
DOCA_STABLE doca_error_t doca_buf_inventory_set_user_data(struct doca_buf_inventory *inventory,
		union doca_data user_data);

DOCA_STABLE doca_error_t doca_buf_inventory_get_user_data(
		const struct doca_buf_inventory *inventory, union doca_data *user_data);
DOCA_STABLE doca_error_t doca_buf_inventory_get_num_elements(
		const struct doca_buf_inventory *inventory, uint32_t *num_of_elements);
DOCA_STABLE doca_error_t doca_buf_inventory_get_num_free_elements(
		const struct doca_buf_inventory *inventory, uint32_t *num_of_free_elements);

#ifdef __cplusplus
}
#endif

#endif
