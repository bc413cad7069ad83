/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inventories: buf descriptors without memory. They are allocated in chunks (one at creation, one
 * per expansion) that live as long as the inventory; free ones are linked through `next`.
 */
#include <stdlib.h>

#include "base/util.h"
#include "core/api.h"
#include "core/buf.h"
#include "core/mmap.h"
#include "doca_buf_inventory.h"

struct inventory_chunk {
	struct inventory_chunk *next;
	struct doca_buf bufs[];
};

struct doca_buf_inventory {
	struct buf_owner owner;
	struct inventory_chunk *chunks;
	struct doca_buf *free;
	uint32_t nr_bufs;
	uint32_t nr_free;
	bool started;
	union doca_data user_data;
};

static void inventory_release(struct buf_owner *owner, struct doca_buf *buf)
{
	struct doca_buf_inventory *inv = container_of(owner, struct doca_buf_inventory, owner);

	buf->next = inv->free;
	inv->free = buf;
	inv->nr_free++;
}

static doca_error_t inventory_grow(struct doca_buf_inventory *inv, size_t cnt)
{
	struct inventory_chunk *chunk;

	if (!cnt || cnt > UINT32_MAX - inv->nr_bufs)
		return DOCA_ERROR_INVALID_VALUE;
	chunk = calloc(1, sizeof(*chunk) + cnt * sizeof(chunk->bufs[0]));
	if (!chunk)
		return DOCA_ERROR_NO_MEMORY;
	chunk->next = inv->chunks;
	inv->chunks = chunk;
	inv->nr_bufs += (uint32_t)cnt;
	/* Backwards, so that the first one is handed out first. */
	while (cnt)
		inventory_release(&inv->owner, &chunk->bufs[--cnt]);
	return DOCA_SUCCESS;
}

doca_error_t doca_buf_inventory_create(size_t num_elements, struct doca_buf_inventory **inventory)
{
	struct doca_buf_inventory *inv;
	doca_error_t ret;

	if (!inventory)
		return DOCA_ERROR_INVALID_VALUE;
	inv = calloc(1, sizeof(*inv));
	if (!inv)
		return DOCA_ERROR_NO_MEMORY;
	inv->owner.release = inventory_release;
	ret = inventory_grow(inv, num_elements);
	if (ret != DOCA_SUCCESS) {
		free(inv);
		return ret;
	}
	*inventory = inv;
	return DOCA_SUCCESS;
}

doca_error_t doca_buf_inventory_destroy(struct doca_buf_inventory *inventory)
{
	struct inventory_chunk *chunk, *next;

	if (!inventory)
		return DOCA_ERROR_INVALID_VALUE;
	if (inventory->nr_free != inventory->nr_bufs)
		return DOCA_ERROR_IN_USE;
	for (chunk = inventory->chunks; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(inventory);
	return DOCA_SUCCESS;
}

static doca_error_t inventory_set_started(struct doca_buf_inventory *inventory, bool started)
{
	if (!inventory)
		return DOCA_ERROR_INVALID_VALUE;
	if (inventory->started == started)
		return DOCA_ERROR_BAD_STATE;
	inventory->started = started;
	return DOCA_SUCCESS;
}

doca_error_t doca_buf_inventory_start(struct doca_buf_inventory *inventory)
{
	return inventory_set_started(inventory, true);
}

doca_error_t doca_buf_inventory_stop(struct doca_buf_inventory *inventory)
{
	return inventory_set_started(inventory, false);
}

static struct doca_buf *inventory_take(struct doca_buf_inventory *inv, struct doca_mmap *mmap)
{
	struct doca_buf *buf = inv->free;

	inv->free = buf->next;
	inv->nr_free--;
	buf_init(buf, &inv->owner, mmap);
	return buf;
}

static bool is_inside(const void *inner, size_t inner_len, const void *outer, size_t outer_len)
{
	uintptr_t start = (uintptr_t)inner, base = (uintptr_t)outer;

	return start >= base && inner_len <= outer_len && start - base <= outer_len - inner_len;
}

doca_error_t doca_buf_inventory_buf_get_by_args(struct doca_buf_inventory *inventory,
						struct doca_mmap *mmap, void *addr, size_t len,
						void *data, size_t data_len, struct doca_buf **buf)
{
	struct doca_buf *b;

	if (!inventory || !mmap || !addr || !buf)
		return DOCA_ERROR_INVALID_VALUE;
	if (!inventory->started || !mmap_is_started(mmap))
		return DOCA_ERROR_BAD_STATE;
	if (!mmap_contains(mmap, addr, len) || !is_inside(data, data_len, addr, len))
		return DOCA_ERROR_INVALID_VALUE;
	if (!inventory->nr_free)
		return DOCA_ERROR_NO_MEMORY;

	b = inventory_take(inventory, mmap);
	b->head = addr;
	b->len = len;
	b->data = data;
	b->data_len = data_len;
	*buf = b;
	return DOCA_SUCCESS;
}

static struct doca_buf *inventory_copy(struct doca_buf_inventory *inv, const struct doca_buf *src)
{
	struct doca_buf *buf = inventory_take(inv, src->mmap);

	buf->head = src->head;
	buf->len = src->len;
	buf->data = src->data;
	buf->data_len = src->data_len;
	buf->writable = src->writable;
	return buf;
}

doca_error_t doca_buf_inventory_buf_dup(struct doca_buf_inventory *inventory,
					const struct doca_buf *src_buf, struct doca_buf **dst_buf)
{
	struct doca_buf *list;

	if (!inventory || !src_buf || !dst_buf)
		return DOCA_ERROR_INVALID_VALUE;
	if (!inventory->started)
		return DOCA_ERROR_BAD_STATE;
	if (!src_buf->tail)
		return DOCA_ERROR_NOT_PERMITTED;
	if (inventory->nr_free < src_buf->list_len)
		return DOCA_ERROR_NO_MEMORY;

	list = inventory_copy(inventory, src_buf);
	for (src_buf = src_buf->next; src_buf; src_buf = src_buf->next)
		doca_buf_chain_list(list, inventory_copy(inventory, src_buf));
	*dst_buf = list;
	return DOCA_SUCCESS;
}

doca_error_t doca_buf_inventory_expand(struct doca_buf_inventory *inventory, uint32_t num_elements)
{
	return inventory ? inventory_grow(inventory, num_elements) : DOCA_ERROR_INVALID_VALUE;
}

doca_error_t doca_buf_inventory_set_user_data(struct doca_buf_inventory *inventory,
					      union doca_data user_data)
{
	if (!inventory)
		return DOCA_ERROR_INVALID_VALUE;
	if (!inventory->started)
		return DOCA_ERROR_BAD_STATE;
	inventory->user_data = user_data;
	return DOCA_SUCCESS;
}

API_GETTER(doca_buf_inventory_get_user_data, const struct doca_buf_inventory, union doca_data,
	   o->user_data)
API_GETTER(doca_buf_inventory_get_num_elements, const struct doca_buf_inventory, uint32_t,
	   o->nr_bufs)
API_GETTER(doca_buf_inventory_get_num_free_elements, const struct doca_buf_inventory, uint32_t,
	   o->nr_free)
