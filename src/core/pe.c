/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The progress engine: what one thread drives.
 *
 * Theory of Operation: a call of doca_pe_progress() performs at most one user-visible unit. Two
 * kinds of work take turns at going first, so neither starves the other:
 *
 *   control   messages from other threads, then sources (descriptors) that the last look reported
 *   contexts  one visit each, round robin from the cursor, until one reports a unit
 *
 * Housekeeping does not count as a unit, but it may have given work to a context, so the contexts
 * are visited once more after it. Looking at the sources is a system call (epoll_wait with no
 * timeout): it happens when nothing else was found, at most once per 20 us, and in a row of units
 * once per 200 us, for which the clock is read with every 64th. A batch of reported sources is kept over calls when one of them was a unit.
 *
 * Sleeping: the notification handle is the epoll descriptor itself. Sources make it readable on
 * their own; everything else does so through the eventfd, of which `wake` keeps the state:
 *
 *   WAKE_OFF   nobody is going to sleep, a message is found by the next progress
 *   WAKE_ARMED request_notification ran: the first one with work writes the eventfd -> WAKE_FIRED
 *   WAKE_FIRED the eventfd was written
 *
 * A sender pushes its message and then reads `wake`; the engine sets WAKE_ARMED and then looks for
 * messages. Both are sequentially consistent, so at least one of them sees the other: no wake-up is
 * lost. The engine returns to WAKE_OFF in clear_notification or when a unit is found.
 *
 * Removal: contexts and sources may vanish in any callback. Detaching a context moves the cursor
 * on, removing a source erases it from the batch; nothing else keeps a pointer.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "core/evsignal.h"
#include "core/pe.h"

#define PE_BATCH 16
#define PE_LOOK_INTERVAL_NS 20000
#define PE_BUSY_LOOK_INTERVAL_NS 200000
#define PE_CLOCK_UNITS 64

enum pe_wake_state {
	WAKE_OFF,
	WAKE_ARMED,
	WAKE_FIRED,
};

struct doca_pe {
	/* engine's thread */
	TAILQ_HEAD(, doca_ctx) ctxs;
	struct doca_ctx *cursor; /* next to visit; NULL: the first one */
	unsigned int nr_ctxs;
	unsigned int busy_units; /* since the clock was read last */
	uint64_t last_look_ns;
	bool look_now;
	bool control_turn;
	bool in_progress;
	struct pe_msg *msgs; /* taken from posted, oldest first */
	struct pe_msg **msgs_tail;
	unsigned int next_event;
	unsigned int nr_events;
	struct pe_source *events[PE_BATCH]; /* NULL: removed meanwhile */
	uint32_t revents[PE_BATCH];
	LIST_HEAD(, pe_source) sources;
	struct evsignal signal;
	/* const */
	int epoll_fd;
	int event_fd;
	/* any thread, atomic */
	int wake; /* enum pe_wake_state */
	struct pe_msg *posted; /* newest first */
};

static bool is_armed(const struct doca_pe *pe)
{
	return __atomic_load_n(&pe->wake, __ATOMIC_RELAXED) != WAKE_OFF;
}

void pe_wake(struct doca_pe *pe)
{
	int expected = WAKE_ARMED;
	uint64_t one = 1;

	if (__atomic_load_n(&pe->wake, __ATOMIC_SEQ_CST) != WAKE_ARMED)
		return;
	if (!__atomic_compare_exchange_n(&pe->wake, &expected, WAKE_FIRED, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	/* Fails only if the counter is full, and then it is readable already. */
	while (write(pe->event_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void drain_event_fd(struct doca_pe *pe)
{
	uint64_t count;

	while (read(pe->event_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

int pe_signal(struct doca_pe *pe, int fd)
{
	return evsignal(&pe->signal, pe->event_fd, fd);
}

/* Messages */

bool pe_post(struct doca_pe *pe, struct pe_msg *msg)
{
	struct pe_msg *top;

	/* Pairs with the exchange in take_message(): what was written before is seen by fn(). */
	if (__atomic_exchange_n(&msg->queued, 1, __ATOMIC_ACQ_REL))
		return false;
	top = __atomic_load_n(&pe->posted, __ATOMIC_RELAXED);
	do {
		msg->next = top;
	} while (!__atomic_compare_exchange_n(&pe->posted, &top, msg, true, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	pe_wake(pe);
	return true;
}

static void collect_messages(struct doca_pe *pe)
{
	struct pe_msg *top, *batch = NULL, **tail = NULL;

	if (likely(!__atomic_load_n(&pe->posted, __ATOMIC_RELAXED)))
		return;
	/* Pairs with the compare-exchange in pe_post(). */
	top = __atomic_exchange_n(&pe->posted, NULL, __ATOMIC_ACQUIRE);
	while (top) {
		struct pe_msg *older = top->next;

		if (!batch)
			tail = &top->next;
		top->next = batch;
		batch = top;
		top = older;
	}
	*pe->msgs_tail = batch;
	pe->msgs_tail = tail;
}

static struct pe_msg *take_message(struct doca_pe *pe)
{
	struct pe_msg *msg = pe->msgs;

	pe->msgs = msg->next;
	if (!pe->msgs)
		pe->msgs_tail = &pe->msgs;
	__atomic_exchange_n(&msg->queued, 0, __ATOMIC_ACQ_REL);
	return msg;
}

/* Runs what was posted before the call, up to the first unit. */
static enum ctx_progress run_messages(struct doca_pe *pe)
{
	enum ctx_progress done = CTX_NOTHING;

	collect_messages(pe);
	while (pe->msgs) {
		struct pe_msg *msg = take_message(pe);

		done |= msg->fn(msg);
		if (done & CTX_EVENT)
			return CTX_EVENT;
	}
	return done;
}

/* For destroy: what was posted still runs, since senders wait for it to free the message. */
static void drop_messages(struct doca_pe *pe)
{
	collect_messages(pe);
	while (pe->msgs) {
		struct pe_msg *msg = take_message(pe);

		msg->fn(msg);
	}
}

/* Sources */

/*
 * From one set of events to another. A source without any is not registered at all: errors and
 * hang-ups are reported unasked, and would keep a sleeper from sleeping.
 */
static int watch(struct doca_pe *pe, struct pe_source *src, uint32_t from, uint32_t to)
{
	struct epoll_event ev = { .events = to, .data.ptr = src };
	int op = !to ? EPOLL_CTL_DEL : from ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (!from && !to)
		return 0;
	return epoll_ctl(pe->epoll_fd, op, src->fd, &ev) < 0 ? -errno : 0;
}

int pe_source_add(struct doca_pe *pe, struct pe_source *src)
{
	int rc;

	if (src->added)
		return -EEXIST;
	rc = watch(pe, src, 0, src->events);
	if (rc < 0)
		return rc;
	LIST_INSERT_HEAD(&pe->sources, src, link);
	src->added = true;
	return 0;
}

int pe_source_modify(struct doca_pe *pe, struct pe_source *src, uint32_t events)
{
	int rc;

	if (!src->added)
		return -ENOENT;
	rc = watch(pe, src, src->events, events);
	if (rc == 0)
		src->events = events;
	return rc;
}

void pe_source_remove(struct doca_pe *pe, struct pe_source *src)
{
	unsigned int i;

	if (!src->added)
		return;
	watch(pe, src, src->events, 0);
	LIST_REMOVE(src, link);
	src->added = false;
	for (i = pe->next_event; i < pe->nr_events; i++)
		if (pe->events[i] == src)
			pe->events[i] = NULL;
}

static void look_at_sources(struct doca_pe *pe)
{
	struct epoll_event ev[PE_BATCH];
	int i, cnt;

	pe->look_now = false;
	pe->last_look_ns = clock_ns();
	cnt = epoll_wait(pe->epoll_fd, ev, PE_BATCH, 0);
	pe->next_event = 0;
	pe->nr_events = 0;
	for (i = 0; i < cnt; i++) {
		if (!ev[i].data.ptr) {
			/* A wake-up that came too late for its sleeper; an armed one must stay. */
			if (!is_armed(pe))
				drain_event_fd(pe);
			continue;
		}
		pe->events[pe->nr_events] = ev[i].data.ptr;
		pe->revents[pe->nr_events++] = ev[i].events;
	}
}

/* Serves the rest of the batch, up to the first unit. */
static enum ctx_progress run_sources(struct doca_pe *pe)
{
	enum ctx_progress done = CTX_NOTHING;

	while (pe->next_event < pe->nr_events) {
		unsigned int i = pe->next_event++;
		struct pe_source *src = pe->events[i];

		if (!src || !src->events) /* removed or paused after the look */
			continue;
		done |= src->ready(src, pe->revents[i]);
		if (done & CTX_EVENT)
			return CTX_EVENT;
	}
	return done;
}

/* Contexts */

void pe_attach_ctx(struct doca_pe *pe, struct doca_ctx *ctx)
{
	ctx->pe = pe;
	TAILQ_INSERT_TAIL(&pe->ctxs, ctx, pe_link);
	pe->nr_ctxs++;
}

void pe_detach_ctx(struct doca_pe *pe, struct doca_ctx *ctx)
{
	if (pe->cursor == ctx)
		pe->cursor = TAILQ_NEXT(ctx, pe_link);
	TAILQ_REMOVE(&pe->ctxs, ctx, pe_link);
	pe->nr_ctxs--;
	ctx->pe = NULL;
}

/* Visits every context once, up to the first unit. */
static enum ctx_progress run_contexts(struct doca_pe *pe)
{
	enum ctx_progress done = CTX_NOTHING;
	unsigned int left;

	for (left = pe->nr_ctxs; left; left--) {
		struct doca_ctx *ctx = pe->cursor ? pe->cursor : TAILQ_FIRST(&pe->ctxs);

		if (!ctx) /* all of them were destroyed on the way */
			break;
		pe->cursor = TAILQ_NEXT(ctx, pe_link);
		if (ctx_is_idle(ctx) || (ctx->busy && !*ctx->busy))
			continue;
		done |= ctx->ops->progress(ctx);
		if (done & CTX_EVENT)
			return CTX_EVENT;
	}
	return done;
}

/* Progress */

static enum ctx_progress run_control(struct doca_pe *pe)
{
	enum ctx_progress done = run_messages(pe);

	if (done & CTX_EVENT)
		return CTX_EVENT;
	if (unlikely(pe->look_now) && pe->next_event == pe->nr_events)
		look_at_sources(pe);
	done |= run_sources(pe);
	return done & CTX_EVENT ? CTX_EVENT : done;
}

static bool look_is_due(const struct doca_pe *pe)
{
	return is_armed(pe) || clock_ns() - pe->last_look_ns >= PE_LOOK_INTERVAL_NS;
}

/* When neither side had a unit: a look at the sources, and contexts that housekeeping gave work. */
static enum ctx_progress run_rest(struct doca_pe *pe, enum ctx_progress done)
{
	if (look_is_due(pe)) {
		look_at_sources(pe);
		done |= run_sources(pe);
		if (done & CTX_EVENT)
			return CTX_EVENT;
	}
	if (done == CTX_HOUSEKEEPING)
		done |= run_contexts(pe);
	return done & CTX_EVENT ? CTX_EVENT : done;
}

/* What run_control() would find, for the usual case that there is nothing. */
static bool has_control(const struct doca_pe *pe)
{
	return __atomic_load_n(&pe->posted, __ATOMIC_RELAXED) || pe->msgs || pe->look_now ||
	       pe->next_event < pe->nr_events;
}

static enum ctx_progress run_all(struct doca_pe *pe)
{
	enum ctx_progress done = CTX_NOTHING;
	int turn;

	if (likely(!has_control(pe))) {
		done = run_contexts(pe);
		return done & CTX_EVENT ? CTX_EVENT : run_rest(pe, done);
	}

	for (turn = 0; turn < 2; turn++) {
		pe->control_turn = !pe->control_turn;
		done |= pe->control_turn ? run_control(pe) : run_contexts(pe);
		if (done & CTX_EVENT)
			return CTX_EVENT;
	}
	return run_rest(pe, done);
}

static void disarm_now(struct doca_pe *pe)
{
	struct doca_ctx *ctx;

	/* One that fires at this very moment writes after the read: look_at_sources() finds it. */
	if (__atomic_exchange_n(&pe->wake, WAKE_OFF, __ATOMIC_SEQ_CST) == WAKE_FIRED)
		drain_event_fd(pe);
	TAILQ_FOREACH(ctx, &pe->ctxs, pe_link)
		if (ctx->ops->disarm && !ctx_is_idle(ctx))
			ctx->ops->disarm(ctx);
}

static inline void disarm(struct doca_pe *pe)
{
	if (unlikely(is_armed(pe)))
		disarm_now(pe);
}

uint8_t doca_pe_progress(struct doca_pe *pe)
{
	enum ctx_progress done;

	if (unlikely(!pe || pe->in_progress))
		return 0;
	pe->in_progress = true;
	done = run_all(pe);
	pe->in_progress = false;

	if (done == CTX_HOUSEKEEPING)
		pe_wake(pe); /* what was armed before it may be stale: do not sleep on that */
	if (done != CTX_EVENT)
		return 0;
	if (++pe->busy_units >= PE_CLOCK_UNITS) {
		pe->busy_units = 0;
		if (clock_ns() - pe->last_look_ns >= PE_BUSY_LOOK_INTERVAL_NS)
			pe->look_now = true;
	}
	disarm(pe);
	return 1;
}

/* Notification */

doca_error_t doca_pe_get_notification_handle(const struct doca_pe *pe,
					     doca_notification_handle_t *handle)
{
	if (!pe || !handle)
		return DOCA_ERROR_INVALID_VALUE;
	*handle = pe->epoll_fd;
	return DOCA_SUCCESS;
}

static bool has_work(struct doca_pe *pe)
{
	/* Pairs with the compare-exchange in pe_post(): it, or this load, sees the other side. */
	return __atomic_load_n(&pe->posted, __ATOMIC_SEQ_CST) || pe->msgs ||
	       pe->next_event < pe->nr_events;
}

doca_error_t doca_pe_request_notification(struct doca_pe *pe)
{
	struct doca_ctx *ctx;
	bool waiting = false;

	if (!pe)
		return DOCA_ERROR_INVALID_VALUE;
	if (is_armed(pe))
		drain_event_fd(pe); /* the previous wake-up, if nobody cleared it */
	__atomic_store_n(&pe->wake, WAKE_ARMED, __ATOMIC_SEQ_CST);
	TAILQ_FOREACH(ctx, &pe->ctxs, pe_link)
		if (ctx->ops->arm && !ctx_is_idle(ctx))
			waiting |= ctx->ops->arm(ctx);
	if (waiting || has_work(pe))
		pe_wake(pe);
	return DOCA_SUCCESS;
}

doca_error_t doca_pe_clear_notification(struct doca_pe *pe, doca_notification_handle_t handle)
{
	if (!pe)
		return DOCA_ERROR_INVALID_VALUE;
	disarm(pe);
	pe->look_now = true;
	return DOCA_SUCCESS;
}

doca_error_t doca_pe_set_event_mode(struct doca_pe *pe, enum doca_pe_event_mode event_mode)
{
	if (!pe || (event_mode != DOCA_PE_EVENT_MODE_PROGRESS_SELECTIVE &&
		    event_mode != DOCA_PE_EVENT_MODE_PROGRESS_ALL))
		return DOCA_ERROR_INVALID_VALUE;
	/* Every context is visited in either mode, which serves both. */
	return pe->in_progress ? DOCA_ERROR_BAD_STATE : DOCA_SUCCESS;
}

/* Life */

static int open_fds(struct doca_pe *pe)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };

	pe->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pe->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (pe->event_fd < 0 || pe->epoll_fd < 0)
		return -errno;
	if (epoll_ctl(pe->epoll_fd, EPOLL_CTL_ADD, pe->event_fd, &ev) < 0)
		return -errno;
	return 0;
}

static void pe_free(struct doca_pe *pe)
{
	evsignal_fini(&pe->signal);
	if (pe->epoll_fd >= 0)
		close(pe->epoll_fd);
	if (pe->event_fd >= 0)
		close(pe->event_fd);
	free(pe);
}

doca_error_t doca_pe_create(struct doca_pe **ret_pe)
{
	struct doca_pe *pe;

	if (!ret_pe)
		return DOCA_ERROR_INVALID_VALUE;
	pe = calloc(1, sizeof(*pe));
	if (!pe)
		return DOCA_ERROR_NO_MEMORY;
	pe->msgs_tail = &pe->msgs;
	TAILQ_INIT(&pe->ctxs);
	LIST_INIT(&pe->sources);
	if (open_fds(pe) < 0) {
		pe_free(pe);
		return DOCA_ERROR_OPERATING_SYSTEM;
	}
	*ret_pe = pe;
	return DOCA_SUCCESS;
}

doca_error_t doca_pe_destroy(struct doca_pe *pe)
{
	if (!pe)
		return DOCA_ERROR_INVALID_VALUE;
	if (pe->nr_ctxs || pe->in_progress)
		return DOCA_ERROR_IN_USE;
	while (!LIST_EMPTY(&pe->sources))
		pe_source_remove(pe, LIST_FIRST(&pe->sources));
	drop_messages(pe);
	pe_free(pe);
	return DOCA_SUCCESS;
}

doca_error_t doca_pe_connect_ctx(struct doca_pe *pe, struct doca_ctx *ctx)
{
	if (!pe || !ctx)
		return DOCA_ERROR_INVALID_VALUE;
	if (!ctx_is_idle(ctx))
		return DOCA_ERROR_BAD_STATE;
	if (ctx->pe || ctx->ops->pe_fixed)
		return DOCA_ERROR_NOT_PERMITTED;
	pe_attach_ctx(pe, ctx);
	return DOCA_SUCCESS;
}

doca_error_t doca_pe_get_num_inflight_tasks(const struct doca_pe *pe, size_t *num_inflight_tasks)
{
	const struct doca_ctx *ctx;
	size_t sum = 0;

	if (!pe || !num_inflight_tasks)
		return DOCA_ERROR_INVALID_VALUE;
	TAILQ_FOREACH(ctx, &pe->ctxs, pe_link)
		sum += ctx->ops->num_inflight ? ctx->ops->num_inflight(ctx) : 0;
	*num_inflight_tasks = sum;
	return DOCA_SUCCESS;
}
