/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How an object on one engine is woken from another thread: "look at your state, it changed".
 *
 * The state itself lies elsewhere, under a lock both sides know; a mailbox carries no content, so a
 * wake-up that is pending already serves the next one too. A mailbox is counted and outlives its
 * object: a message may still sit in the engine when the object is destroyed.
 */
#ifndef DEVEMU_MAILBOX_H
#define DEVEMU_MAILBOX_H

#include "core/pe.h"

struct mailbox;

/* fn(obj) will run in progress of pe. Count 1, the object's. 0 or -ENOMEM. */
int mailbox_create(struct doca_pe *pe, enum ctx_progress (*fn)(void *obj), void *obj,
		   struct mailbox **ret_box);
/* The object goes away: fn does not run any more. Owner's thread. Drops the object's count. */
void mailbox_close(struct mailbox *box);

/* Any thread that holds a count, or is otherwise sure that the object lives. */
void mailbox_post(struct mailbox *box);
struct mailbox *mailbox_get(struct mailbox *box);
void mailbox_put(struct mailbox *box);

#endif
