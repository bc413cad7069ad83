/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The portable data path (--data-path=dma): requests' bytes go through pool buffers of ours, moved
 * by doca_dma, as a DPU must. One set per device and thread, so that one whose file system does not
 * answer keeps nobody else's; requests wait in arrival order when a buffer class is empty. A set
 * costs memory from its use on.
 */
#ifndef CONTROLLER_BOUNCE_H
#define CONTROLLER_BOUNCE_H

struct bounce;
struct creq;
struct doca_pe;

/* Pools, mmap and DMA context on the thread's engine. 0 or -errno. */
int bounce_create(struct doca_pe *pe, struct bounce **ret_bounce);
void bounce_destroy(struct bounce *b); /* NULL is fine */

/* Takes the buffers the request needs and copies datain; ends in req_submit() or req_complete(). */
void bounce_start(struct creq *r);
/* Copies fs.out_len bytes of room to the guest, then req_complete(). */
void bounce_copy_out(struct creq *r);
/* Gives the buffers back, and starts who waited for them. */
void bounce_release(struct creq *r);

#endif
