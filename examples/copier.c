/* SPDX-License-Identifier: BSD-3-Clause */
#include "copier.h"

#include <stdlib.h>

#include <doca_buf_inventory.h>
#include <doca_ctx.h>
#include <doca_dma.h>
#include <doca_mmap.h>

#include "common.h"

struct copier_block {
	struct doca_buf *buf;
	copier_done done;
	void *arg;
	int next_free;
};

struct copier {
	struct doca_dma *dma;
	struct doca_mmap *mmap;
	struct doca_buf_inventory *inventory;
	char *memory;
	int first_free;
	struct copier_block block[COPIER_BLOCKS];
};

static void copier_finish(struct doca_dma_task_memcpy *task, union doca_data task_data, int failed)
{
	struct copier_block *block = task_data.ptr;

	doca_task_free(doca_dma_task_memcpy_as_task(task));
	block->done(block->arg, failed);
}

static void on_copied(struct doca_dma_task_memcpy *task, union doca_data task_data,
		      union doca_data ctx_data)
{
	(void)ctx_data;
	copier_finish(task, task_data, 0);
}

static void on_failed(struct doca_dma_task_memcpy *task, union doca_data task_data,
		      union doca_data ctx_data)
{
	(void)ctx_data;
	copier_finish(task, task_data, 1);
}

static void copier_register(struct copier *copier, struct doca_dev *dev)
{
	const size_t size = (size_t)COPIER_BLOCKS * COPIER_BLOCK;
	int i;

	copier->memory = aligned_alloc(4096, size);
	if (!copier->memory)
		must(DOCA_ERROR_NO_MEMORY, "aligned_alloc");
	MUST(doca_mmap_create(&copier->mmap));
	MUST(doca_mmap_add_dev(copier->mmap, dev));
	MUST(doca_mmap_set_memrange(copier->mmap, copier->memory, size));
	MUST(doca_mmap_set_permissions(copier->mmap, DOCA_ACCESS_FLAG_LOCAL_READ_WRITE));
	MUST(doca_mmap_start(copier->mmap));
	MUST(doca_buf_inventory_create(COPIER_BLOCKS, &copier->inventory));
	MUST(doca_buf_inventory_start(copier->inventory));
	for (i = 0; i < COPIER_BLOCKS; i++) {
		MUST(doca_buf_inventory_buf_get_by_addr(copier->inventory, copier->mmap,
							copier_memory(copier, i), COPIER_BLOCK,
							&copier->block[i].buf));
		copier->block[i].next_free = i + 1 < COPIER_BLOCKS ? i + 1 : -1;
	}
}

struct copier *copier_create(struct doca_dev *dev, struct doca_pe *pe)
{
	struct copier *copier = calloc(1, sizeof(*copier));
	struct doca_ctx *ctx;

	if (!copier)
		must(DOCA_ERROR_NO_MEMORY, "calloc");
	copier_register(copier, dev);
	MUST(doca_dma_create(dev, &copier->dma));
	ctx = doca_dma_as_ctx(copier->dma);
	MUST(doca_pe_connect_ctx(pe, ctx));
	MUST(doca_dma_task_memcpy_set_conf(copier->dma, on_copied, on_failed, COPIER_BLOCKS));
	MUST(doca_ctx_start(ctx));
	return copier;
}

void copier_destroy(struct copier *copier, struct doca_pe *pe)
{
	struct doca_ctx *ctx = doca_dma_as_ctx(copier->dma);
	int i;

	MUST(doca_ctx_stop(ctx));
	progress_until_state(pe, ctx, DOCA_CTX_STATE_IDLE);
	MUST(doca_dma_destroy(copier->dma));
	for (i = 0; i < COPIER_BLOCKS; i++)
		MUST(doca_buf_dec_refcount(copier->block[i].buf, NULL));
	MUST(doca_buf_inventory_destroy(copier->inventory));
	MUST(doca_mmap_destroy(copier->mmap));
	free(copier->memory);
	free(copier);
}

int copier_get_block(struct copier *copier)
{
	int block = copier->first_free;

	if (block >= 0)
		copier->first_free = copier->block[block].next_free;
	return block;
}

void copier_put_block(struct copier *copier, int block)
{
	copier->block[block].next_free = copier->first_free;
	copier->first_free = block;
}

void *copier_memory(struct copier *copier, int block)
{
	return copier->memory + (size_t)block * COPIER_BLOCK;
}

static void copier_submit(struct copier *copier, struct copier_block *block, struct doca_buf *src,
			  struct doca_buf *dst)
{
	union doca_data data = {.ptr = block};
	struct doca_dma_task_memcpy *task;

	MUST(doca_dma_task_memcpy_alloc_init(copier->dma, src, dst, data, &task));
	MUST(doca_task_submit(doca_dma_task_memcpy_as_task(task)));
}

void copier_read(struct copier *copier, int block, struct doca_buf *src, copier_done done,
		 void *arg)
{
	struct copier_block *b = &copier->block[block];

	b->done = done;
	b->arg = arg;
	MUST(doca_buf_reset_data_len(b->buf));
	copier_submit(copier, b, src, b->buf);
}

/* Copies append to the data of their destination: the elements, whose data is all of them, start empty. */
static void make_empty(struct doca_buf *list)
{
	while (list) {
		MUST(doca_buf_reset_data_len(list));
		MUST(doca_buf_get_next_in_list(list, &list));
	}
}

void copier_write(struct copier *copier, int block, size_t len, struct doca_buf *dst,
		  copier_done done, void *arg)
{
	struct copier_block *b = &copier->block[block];

	b->done = done;
	b->arg = arg;
	MUST(doca_buf_set_data(b->buf, copier_memory(copier, block), len));
	make_empty(dst);
	copier_submit(copier, b, b->buf, dst);
}
