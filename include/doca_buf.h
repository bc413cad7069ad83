/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A buffer describes a piece of memory: a window [head, head + len) and inside it a data segment
 * [data, data + data_len). Buffers can be chained to lists; the head of a list carries the
 * reference count, and the last reference returns all elements to where they came from.
 * Single-threaded.
 */
#ifndef DOCA_BUF_H
#define DOCA_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "doca_compat.h"
#include "doca_error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct doca_buf;

/*
 * References to a list, on its head. Both report the count before the change; refcount may be NULL.
 * Dropping the last one returns all elements. NOT_PERMITTED: not the head. TOO_BIG: beyond 65535.
 * BAD_STATE: no reference left.
 */
DOCA_STABLE doca_error_t doca_buf_inc_refcount(struct doca_buf *buf, uint16_t *refcount);
DOCA_STABLE doca_error_t doca_buf_dec_refcount(struct doca_buf *buf, uint16_t *refcount);
DOCA_STABLE doca_error_t doca_buf_get_refcount(const struct doca_buf *buf, uint16_t *refcount);

/* The window: where the memory starts, and its size. */
DOCA_STABLE doca_error_t doca_buf_get_head(const struct doca_buf *buf, void **head);
DOCA_STABLE doca_error_t doca_buf_get_len(const struct doca_buf *buf, size_t *len);

/* The data segment inside the window. */
DOCA_STABLE doca_error_t doca_buf_get_data(const struct doca_buf *buf, void **data);
DOCA_STABLE doca_error_t doca_buf_get_data_len(const struct doca_buf *buf, size_t *data_len);

/*
 * Change the data segment. Not checked: a segment outside the window makes the task fail that uses
 * it. Reset sets the length to 0 and keeps the start.
 */
DOCA_STABLE doca_error_t doca_buf_set_data(struct doca_buf *buf, void *data, size_t data_len);
DOCA_STABLE doca_error_t doca_buf_set_data_len(struct doca_buf *buf, size_t data_len);
DOCA_STABLE doca_error_t doca_buf_reset_data_len(struct doca_buf *buf);

/* Walking a list, from any element. The next of the last element is NULL. */
DOCA_STABLE doca_error_t doca_buf_get_next_in_list(struct doca_buf *buf,
		struct doca_buf **next_buf);
DOCA_STABLE doca_error_t doca_buf_get_last_in_list(struct doca_buf *buf,
		struct doca_buf **last_buf);
DOCA_STABLE doca_error_t doca_buf_is_last_in_list(const struct doca_buf *buf, uint8_t *is_last);
DOCA_STABLE doca_error_t doca_buf_is_first_in_list(const struct doca_buf *buf, uint8_t *is_first);
DOCA_STABLE doca_error_t doca_buf_is_in_list(const struct doca_buf *buf, uint8_t *is_in_list);

/* Number of elements, asked of the head; NOT_PERMITTED otherwise. */
DOCA_STABLE doca_error_t doca_buf_get_list_len(const struct doca_buf *buf, uint32_t *num_elements);

/*
 * Appends list2 to list1; its head becomes an inner element and loses its count. With the tail of
 * list1 known, in constant time. NOT_PERMITTED: list2 is not a head with one reference.
 */
DOCA_STABLE doca_error_t doca_buf_chain_list(struct doca_buf *list1, struct doca_buf *list2);
DOCA_STABLE doca_error_t doca_buf_chain_list_tail(struct doca_buf *list1_head,
		struct doca_buf *list1_tail, struct doca_buf *list2);

/*
 * Cuts list1 before list2, which becomes a head with one reference.
 * INVALID_VALUE: list2 is not in list1, or is its head.
 */
DOCA_STABLE doca_error_t doca_buf_unchain_list(struct doca_buf *list1, struct doca_buf *list2);

#ifdef __cplusplus
}
#endif

#endif
