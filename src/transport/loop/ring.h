/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOOP_RING_H
#define LOOP_RING_H

#include "transport/loop/loop.h"

/* Lays out fresh rings in the driver's memory. 0 or -errno. */
int loop_ring_init(struct loop_driver *drv, struct loop_queue *q, uint16_t index, uint16_t size,
		   bool with_log);
void loop_ring_fini(struct loop_queue *q); /* safe on a zeroed queue */

#endif
