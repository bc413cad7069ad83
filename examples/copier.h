/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies between guest memory and the example's own. On a DPU guest memory is out of the CPU's
 * reach: only DMA gets there. A copier has blocks of registered memory, each with a doca_buf, and a
 * DMA context on the engine of the requests.
 */
#ifndef EXAMPLES_COPIER_H
#define EXAMPLES_COPIER_H

#include <stddef.h>
#include <stdint.h>

#include <doca_buf.h>
#include <doca_dev.h>
#include <doca_pe.h>

#define COPIER_BLOCK 8192 /* bytes */
#define COPIER_BLOCKS 256

struct copier;

/* Called when a copy is over, on the engine's thread. */
typedef void (*copier_done)(void *arg, int failed);

struct copier *copier_create(struct doca_dev *dev, struct doca_pe *pe);
void copier_destroy(struct copier *copier, struct doca_pe *pe);

/* A free block's number, or -1. */
int copier_get_block(struct copier *copier);
void copier_put_block(struct copier *copier, int block);
void *copier_memory(struct copier *copier, int block);

/* The list's data to the block. */
void copier_read(struct copier *copier, int block, struct doca_buf *src, copier_done done,
		 void *arg);
/* len bytes of the block to the list, whose elements are filled in turn. */
void copier_write(struct copier *copier, int block, size_t len, struct doca_buf *dst,
		  copier_done done, void *arg);

#endif
