/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doca_pe inside the library: contexts, file descriptors and messages that one thread drives.
 *
 * Wake-up protocol: the notification handle is the engine's epoll descriptor. It becomes readable
 * by the engine's own eventfd (messages, "work is already waiting" at arm time) or by any
 * descriptor registered as a pe_source (sockets, kick eventfds). While the engine is being polled,
 * sources are looked at when a pass found nothing (at most once per 20 us) and about once per 200 us
 * of busy passes, so a busy engine pays no system call per unit.
 */
#ifndef CORE_PE_H
#define CORE_PE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/ctx.h"
#include "doca_pe.h"

/*
 * A file descriptor the engine watches for its owner. ready() runs in doca_pe_progress() on the
 * engine's thread, must not block, may remove and free any source, and returns what it did. Level
 * triggered: ready() must consume the cause (read the eventfd, the socket), or pause the source.
 * An eventfd that somebody else holds must not be read, which may wait (evsignal.h): EPOLLET among
 * its events reports every write to it.
 */
struct pe_source {
	int fd; /* owned by the caller */
	uint32_t events; /* EPOLLIN, ...; 0: paused, not even a hang-up is reported */
	enum ctx_progress (*ready)(struct pe_source *src, uint32_t revents);
	bool added;
	LIST_ENTRY(pe_source) link;
};

/*
 * Engine's thread, or before the engine is driven. 0 or -errno. remove() is idempotent and comes
 * before the fd is closed.
 */
int pe_source_add(struct doca_pe *pe, struct pe_source *src);
int pe_source_modify(struct doca_pe *pe, struct pe_source *src, uint32_t events);
void pe_source_remove(struct doca_pe *pe, struct pe_source *src);
/* Added, modified or (events 0) removed, whatever it takes. 0 or -errno. */
static inline int pe_source_want(struct doca_pe *pe, struct pe_source *src, uint32_t events)
{
	if (!events) {
		pe_source_remove(pe, src);
		return 0;
	}
	if (src->added)
		return events == src->events ? 0 : pe_source_modify(pe, src, events);
	src->events = events;
	return pe_source_add(pe, src);
}

/*
 * A message to an engine, embedded in its sender's object. fn() runs once on the engine's thread,
 * in post order for one sender. A message may be posted again from its own fn() or after it ran,
 * not while queued (returns false then and the queued one serves both). What is queued when the
 * engine is destroyed runs there; posting again from there has no effect. Thread-safe.
 */
struct pe_msg {
	struct pe_msg *next;
	enum ctx_progress (*fn)(struct pe_msg *msg);
	int queued; /* atomic */
};
bool pe_post(struct doca_pe *pe, struct pe_msg *msg);

/*
 * Work for a context appeared outside doca_pe_progress() (a task was submitted, a context started):
 * fires the notification handle if it is armed. Any thread; one load when not armed.
 */
void pe_wake(struct doca_pe *pe);

/*
 * Adds 1 to an eventfd that somebody else may hold as well, and do anything to (evsignal.h). Engine's
 * thread. 0 or -errno.
 */
int pe_signal(struct doca_pe *pe, int fd);

void pe_attach_ctx(struct doca_pe *pe, struct doca_ctx *ctx);
void pe_detach_ctx(struct doca_pe *pe, struct doca_ctx *ctx);

#endif
