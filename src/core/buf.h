/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doca_buf inside the library. A buf is a window [head, head+len) with a data segment [data,
 * data+data_len); it comes from an inventory, a pool, or is embedded in a vfs request ("fixed":
 * refcount and list structure belong to the library).
 */
#ifndef CORE_BUF_H
#define CORE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "doca_buf.h"

/* Elements of a list that a task accepts: no fewer than a request may have (devemu/vfs_io.c). */
#define BUF_MAX_LIST_LEN 1040u

struct doca_mmap;
struct mmap_host;

/* Who takes a buf back when its count drops to zero. */
struct buf_owner {
	void (*release)(struct buf_owner *owner, struct doca_buf *buf);
};

struct doca_buf {
	uint8_t *head;
	uint8_t *data;
	size_t len;
	size_t data_len;
	struct doca_buf *next; /* NULL at the tail */
	struct doca_buf *tail; /* heads: last element; inner elements: NULL */
	struct doca_mmap *mmap; /* NULL: guest memory of a vfs request */
	struct buf_owner *owner; /* NULL: fixed */
	uint32_t list_len; /* heads: number of elements; inner elements: 0 */
	uint16_t refcount;
	bool writable; /* permission snapshot of the mmap at creation */
	struct mmap_host *host; /* whose addresses these are (mmap.h); NULL: this process's */
};

/*
 * Turns seg[0..cnt) into a list in buf[0..cnt): windows and full data segments, fixed owner. Used
 * for guest memory; does not touch the memory itself.
 */
void buf_list_init_fixed(struct doca_buf *buf, const struct iovec *seg, unsigned int cnt,
			 bool writable);
/* The same for one segment. */
static inline void buf_init_fixed(struct doca_buf *buf, void *mem, size_t len, bool writable)
{
	*buf = (struct doca_buf){
		.head = mem,
		.data = mem,
		.len = len,
		.data_len = len,
		.tail = buf,
		.list_len = 1,
		.refcount = 1,
		.writable = writable,
	};
}

/*
 * For owners: makes a free buf a list of one with count 1 and counts it on the mmap (NULL: none).
 * The window and the data segment are the owner's to set.
 */
void buf_init(struct doca_buf *buf, struct buf_owner *owner, struct doca_mmap *mmap);

#endif
