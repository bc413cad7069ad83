/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * Counts: one of the object, one per holder, one of a message that sits in the engine. The lock
 * makes "is the engine still there" and "post to it" one step: an engine can be destroyed as soon
 * as its last object has closed its mailbox. It is taken last of all locks.
 */
#include "devemu/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/util.h"

struct mailbox {
	unsigned int refs; /* atomic */
	enum ctx_progress (*fn)(void *obj);
	void *obj; /* owner's thread */
	struct pe_msg msg;
	pthread_mutex_t lock;
	struct doca_pe *pe; /* under lock; NULL once closed */
};

static enum ctx_progress mailbox_deliver(struct pe_msg *msg)
{
	struct mailbox *box = container_of(msg, struct mailbox, msg);
	enum ctx_progress ret = CTX_NOTHING;

	if (box->obj)
		ret = box->fn(box->obj);
	mailbox_put(box);
	return ret;
}

int mailbox_create(struct doca_pe *pe, enum ctx_progress (*fn)(void *obj), void *obj,
		   struct mailbox **ret_box)
{
	struct mailbox *box = calloc(1, sizeof(*box));

	if (!box)
		return -ENOMEM;
	box->refs = 1;
	box->fn = fn;
	box->obj = obj;
	box->msg.fn = mailbox_deliver;
	box->pe = pe;
	pthread_mutex_init(&box->lock, NULL);
	*ret_box = box;
	return 0;
}

void mailbox_close(struct mailbox *box)
{
	if (!box)
		return;
	pthread_mutex_lock(&box->lock);
	box->pe = NULL;
	pthread_mutex_unlock(&box->lock);
	box->obj = NULL;
	mailbox_put(box);
}

void mailbox_post(struct mailbox *box)
{
	bool posted = true;

	pthread_mutex_lock(&box->lock);
	if (box->pe) {
		mailbox_get(box);
		posted = pe_post(box->pe, &box->msg);
	}
	pthread_mutex_unlock(&box->lock);
	if (!posted)
		mailbox_put(box);
}

struct mailbox *mailbox_get(struct mailbox *box)
{
	__atomic_fetch_add(&box->refs, 1, __ATOMIC_RELAXED);
	return box;
}

void mailbox_put(struct mailbox *box)
{
	if (__atomic_fetch_sub(&box->refs, 1, __ATOMIC_ACQ_REL) != 1)
		return;
	pthread_mutex_destroy(&box->lock);
	free(box);
}
