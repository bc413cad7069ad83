/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers and lists of them.
 *
 * Theory of Operation: a list is singly linked. Its head alone knows the tail, the number of
 * elements and the reference count that matters; an inner element has tail NULL and count 1, so "am
 * I a head" is one test and chaining is O(1). Elements may come from different owners; when the
 * head's count reaches zero each goes back to its own. A buf that is free (in its owner's hands)
 * has count 0.
 */
#include "core/api.h"
#include "core/buf.h"
#include "core/mmap.h"
#include "softdpu_ext.h"

static bool is_head(const struct doca_buf *buf)
{
	return buf->tail;
}

void buf_list_init_fixed(struct doca_buf *buf, const struct iovec *seg, unsigned int cnt,
			 bool writable)
{
	unsigned int i;

	for (i = 0; i < cnt; i++) {
		buf[i] = (struct doca_buf){
			.head = seg[i].iov_base,
			.data = seg[i].iov_base,
			.len = seg[i].iov_len,
			.data_len = seg[i].iov_len,
			.next = i + 1 < cnt ? &buf[i + 1] : NULL,
			.refcount = 1,
			.writable = writable,
		};
	}
	if (cnt) {
		buf->tail = &buf[cnt - 1];
		buf->list_len = cnt;
	}
}

void buf_init(struct doca_buf *buf, struct buf_owner *owner, struct doca_mmap *mmap)
{
	buf->next = NULL;
	buf->tail = buf;
	buf->list_len = 1;
	buf->refcount = 1;
	buf->owner = owner;
	buf->mmap = mmap;
	buf->host = mmap ? mmap_host_of(mmap) : NULL;
	if (mmap) {
		buf->writable = mmap_is_writable(mmap);
		mmap_buf_added(mmap, 1);
	}
}

static void release_list(struct doca_buf *buf)
{
	struct doca_buf *next;

	for (; buf; buf = next) {
		next = buf->next;
		buf->refcount = 0;
		buf->next = NULL;
		buf->tail = buf;
		buf->list_len = 1;
		if (buf->mmap)
			mmap_buf_removed(buf->mmap, 1);
		if (buf->owner)
			buf->owner->release(buf->owner, buf);
	}
}

doca_error_t doca_buf_inc_refcount(struct doca_buf *buf, uint16_t *refcount)
{
	if (!buf)
		return DOCA_ERROR_INVALID_VALUE;
	if (!is_head(buf) || !buf->owner)
		return DOCA_ERROR_NOT_PERMITTED;
	if (!buf->refcount)
		return DOCA_ERROR_BAD_STATE;
	if (buf->refcount == UINT16_MAX)
		return DOCA_ERROR_TOO_BIG;
	if (refcount)
		*refcount = buf->refcount;
	buf->refcount++;
	return DOCA_SUCCESS;
}

doca_error_t doca_buf_dec_refcount(struct doca_buf *buf, uint16_t *refcount)
{
	if (!buf)
		return DOCA_ERROR_INVALID_VALUE;
	if (!is_head(buf) || !buf->owner)
		return DOCA_ERROR_NOT_PERMITTED;
	if (!buf->refcount)
		return DOCA_ERROR_BAD_STATE;
	if (refcount)
		*refcount = buf->refcount;
	if (!--buf->refcount)
		release_list(buf);
	return DOCA_SUCCESS;
}

API_GETTER(doca_buf_get_refcount, const struct doca_buf, uint16_t, o->refcount)
API_GETTER(doca_buf_get_len, const struct doca_buf, size_t, o->len)
API_GETTER(doca_buf_get_head, const struct doca_buf, void *, o->head)
API_GETTER(doca_buf_get_data_len, const struct doca_buf, size_t, o->data_len)
API_GETTER(doca_buf_get_data, const struct doca_buf, void *, o->data)

/* A segment outside the window is found when a task uses it. */
doca_error_t doca_buf_set_data(struct doca_buf *buf, void *data, size_t data_len)
{
	if (!buf)
		return DOCA_ERROR_INVALID_VALUE;
	buf->data = data;
	buf->data_len = data_len;
	return DOCA_SUCCESS;
}

doca_error_t doca_buf_set_data_len(struct doca_buf *buf, size_t data_len)
{
	return buf ? doca_buf_set_data(buf, buf->data, data_len) : DOCA_ERROR_INVALID_VALUE;
}

doca_error_t doca_buf_reset_data_len(struct doca_buf *buf)
{
	return doca_buf_set_data_len(buf, 0);
}

API_GETTER(doca_buf_get_next_in_list, struct doca_buf, struct doca_buf *, o->next)

doca_error_t doca_buf_get_last_in_list(struct doca_buf *buf, struct doca_buf **last_buf)
{
	if (!buf || !last_buf)
		return DOCA_ERROR_INVALID_VALUE;
	if (is_head(buf))
		buf = buf->tail;
	while (buf->next)
		buf = buf->next;
	*last_buf = buf;
	return DOCA_SUCCESS;
}

API_GETTER(doca_buf_is_last_in_list, const struct doca_buf, uint8_t, !o->next)
API_GETTER(doca_buf_is_first_in_list, const struct doca_buf, uint8_t, is_head(o))
API_GETTER(doca_buf_is_in_list, const struct doca_buf, uint8_t, o->next || !is_head(o))

doca_error_t doca_buf_get_list_len(const struct doca_buf *buf, uint32_t *num_elements)
{
	if (!buf || !num_elements)
		return DOCA_ERROR_INVALID_VALUE;
	if (!is_head(buf))
		return DOCA_ERROR_NOT_PERMITTED;
	*num_elements = buf->list_len;
	return DOCA_SUCCESS;
}

doca_error_t doca_buf_chain_list(struct doca_buf *list1, struct doca_buf *list2)
{
	if (!list1 || !list2 || list1 == list2)
		return DOCA_ERROR_INVALID_VALUE;
	if (!is_head(list1) || !list1->refcount || !is_head(list2) || list2->refcount != 1)
		return DOCA_ERROR_NOT_PERMITTED;
	list1->tail->next = list2;
	list1->tail = list2->tail;
	list1->list_len += list2->list_len;
	list2->tail = NULL;
	list2->list_len = 0;
	return DOCA_SUCCESS;
}

doca_error_t doca_buf_chain_list_tail(struct doca_buf *list1_head, struct doca_buf *list1_tail,
				      struct doca_buf *list2)
{
	if (!list1_head || !list1_tail)
		return DOCA_ERROR_INVALID_VALUE;
	if (is_head(list1_head) && list1_head->tail != list1_tail)
		return DOCA_ERROR_INVALID_VALUE;
	return doca_buf_chain_list(list1_head, list2);
}

doca_error_t doca_buf_unchain_list(struct doca_buf *list1, struct doca_buf *list2)
{
	struct doca_buf *before = list1;
	uint32_t cnt = 1;

	if (!list1 || !list2)
		return DOCA_ERROR_INVALID_VALUE;
	if (!is_head(list1))
		return DOCA_ERROR_NOT_PERMITTED;
	while (before && before->next != list2) {
		before = before->next;
		cnt++;
	}
	if (!before)
		return DOCA_ERROR_INVALID_VALUE;

	list2->tail = list1->tail;
	list2->list_len = list1->list_len - cnt;
	list1->tail = before;
	list1->list_len = cnt;
	before->next = NULL;
	return DOCA_SUCCESS;
}

uint8_t softdpu_cap_is_host_memory_addressable(void)
{
	return 1;
}

int softdpu_buf_list_to_iov(const struct doca_buf *buf, struct iovec *iov, int max)
{
	int cnt = 0;

	for (; buf; buf = buf->next) {
		if (cnt == max)
			return -1;
		iov[cnt++] = (struct iovec){ .iov_base = buf->data, .iov_len = buf->data_len };
	}
	return cnt;
}
