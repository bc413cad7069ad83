/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pools: equally sized, aligned pieces of one mmap. Windows are laid out at start, since the range
 * may be configured after the pool was created; a buf keeps its window for the life of the pool.
 * The most recently returned element is handed out first: it is the one still in the cache.
 */
#include <stdlib.h>

#include "base/util.h"
#include "core/api.h"
#include "core/buf.h"
#include "core/mmap.h"
#include "doca_buf_pool.h"

struct doca_buf_pool {
	struct buf_owner owner;
	struct doca_buf *free;
	uint32_t nr_free;
	uint32_t nr_bufs;
	size_t element_size;
	size_t alignment;
	struct doca_mmap *mmap;
	bool started;
	union doca_data user_data;
	struct doca_buf bufs[];
};

static void pool_release(struct buf_owner *owner, struct doca_buf *buf)
{
	struct doca_buf_pool *pool = container_of(owner, struct doca_buf_pool, owner);

	buf->next = pool->free;
	pool->free = buf;
	pool->nr_free++;
}

doca_error_t doca_buf_pool_create(size_t num_elements, size_t element_size,
				  const struct doca_mmap *mmap, struct doca_buf_pool **buf_pool)
{
	struct doca_buf_pool *pool;

	if (!num_elements || num_elements > UINT32_MAX || !element_size || !mmap || !buf_pool)
		return DOCA_ERROR_INVALID_VALUE;
	pool = calloc(1, sizeof(*pool) + num_elements * sizeof(pool->bufs[0]));
	if (!pool)
		return DOCA_ERROR_NO_MEMORY;
	pool->owner.release = pool_release;
	pool->nr_bufs = (uint32_t)num_elements;
	pool->nr_free = pool->nr_bufs;
	pool->element_size = element_size;
	pool->alignment = 1;
	pool->mmap = (struct doca_mmap *)mmap; /* only its count of bufs is changed */
	*buf_pool = pool;
	return DOCA_SUCCESS;
}

static bool pool_is_in_use(const struct doca_buf_pool *pool)
{
	return pool->nr_free != pool->nr_bufs;
}

doca_error_t doca_buf_pool_destroy(struct doca_buf_pool *buf_pool)
{
	if (!buf_pool)
		return DOCA_ERROR_INVALID_VALUE;
	if (pool_is_in_use(buf_pool))
		return DOCA_ERROR_IN_USE;
	free(buf_pool);
	return DOCA_SUCCESS;
}

/* Distance of elements, and the first one's address; false when the range is too small. */
static bool pool_layout(const struct doca_buf_pool *pool, uintptr_t *ret_first, size_t *ret_stride)
{
	size_t len, skip, stride, last;
	void *addr;

	if (doca_mmap_get_memrange(pool->mmap, &addr, &len) != DOCA_SUCCESS)
		return false;
	skip = -(uintptr_t)addr & (pool->alignment - 1);
	if (__builtin_add_overflow(pool->element_size, pool->alignment - 1, &stride))
		return false;
	stride &= ~(pool->alignment - 1);
	/* The last element needs no padding behind it. */
	if (__builtin_mul_overflow(stride, (size_t)pool->nr_bufs - 1, &last) ||
	    __builtin_add_overflow(last, pool->element_size, &last) ||
	    __builtin_add_overflow(last, skip, &last) || last > len)
		return false;
	*ret_first = (uintptr_t)addr + skip;
	*ret_stride = stride;
	return true;
}

doca_error_t doca_buf_pool_start(struct doca_buf_pool *buf_pool)
{
	uintptr_t first;
	size_t stride;
	uint32_t i;

	if (!buf_pool)
		return DOCA_ERROR_INVALID_VALUE;
	if (buf_pool->started || !mmap_is_started(buf_pool->mmap))
		return DOCA_ERROR_BAD_STATE;
	if (!pool_layout(buf_pool, &first, &stride))
		return DOCA_ERROR_INITIALIZATION;

	buf_pool->free = NULL;
	buf_pool->nr_free = 0;
	for (i = buf_pool->nr_bufs; i--;) {
		buf_pool->bufs[i].head = (uint8_t *)first + i * stride;
		buf_pool->bufs[i].len = buf_pool->element_size;
		pool_release(&buf_pool->owner, &buf_pool->bufs[i]);
	}
	buf_pool->started = true;
	return DOCA_SUCCESS;
}

doca_error_t doca_buf_pool_stop(struct doca_buf_pool *buf_pool)
{
	if (!buf_pool)
		return DOCA_ERROR_INVALID_VALUE;
	if (!buf_pool->started)
		return DOCA_ERROR_BAD_STATE;
	if (pool_is_in_use(buf_pool))
		return DOCA_ERROR_IN_USE;
	buf_pool->started = false;
	return DOCA_SUCCESS;
}

doca_error_t doca_buf_pool_buf_alloc(struct doca_buf_pool *buf_pool, struct doca_buf **ret_buf)
{
	struct doca_buf *buf;

	if (!buf_pool || !ret_buf)
		return DOCA_ERROR_INVALID_VALUE;
	if (!buf_pool->started || !mmap_is_started(buf_pool->mmap))
		return DOCA_ERROR_BAD_STATE;
	buf = buf_pool->free;
	if (!buf)
		return DOCA_ERROR_EMPTY;

	buf_pool->free = buf->next;
	buf_pool->nr_free--;
	buf_init(buf, &buf_pool->owner, buf_pool->mmap);
	buf->data = buf->head;
	buf->data_len = 0;
	*ret_buf = buf;
	return DOCA_SUCCESS;
}

doca_error_t doca_buf_pool_set_user_data(struct doca_buf_pool *buf_pool, union doca_data user_data)
{
	if (!buf_pool)
		return DOCA_ERROR_INVALID_VALUE;
	if (buf_pool->started)
		return DOCA_ERROR_BAD_STATE;
	buf_pool->user_data = user_data;
	return DOCA_SUCCESS;
}

doca_error_t doca_buf_pool_set_element_alignment(struct doca_buf_pool *buf_pool,
						 size_t element_alignment)
{
	if (!buf_pool || !is_pow2(element_alignment))
		return DOCA_ERROR_INVALID_VALUE;
	if (buf_pool->started)
		return DOCA_ERROR_BAD_STATE;
	buf_pool->alignment = element_alignment;
	return DOCA_SUCCESS;
}

API_GETTER(doca_buf_pool_get_num_elements, const struct doca_buf_pool, uint32_t, o->nr_bufs)
API_GETTER(doca_buf_pool_get_num_free_elements, const struct doca_buf_pool, uint32_t, o->nr_free)
API_GETTER(doca_buf_pool_get_user_data, const struct doca_buf_pool, union doca_data, o->user_data)
API_GETTER(doca_buf_pool_get_element_alignment, const struct doca_buf_pool, size_t, o->alignment)
