/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: a worker goes round its queues. On each it takes the completions there are
 * in batches, judges them and posts each slot's next request at once; then one publish shows the
 * device all of them and kicks if the device asked for kicks. Time is read once a batch, not once
 * a request. Polling workers never sleep; with --events an idle worker with one queue sleeps
 * on its call descriptor, one with several looks at each in turn for a millisecond.
 *
 * Phases: main moves load->phase forward. On MEASURE the worker starts its statistics afresh. On
 * STOP each slot still finishes the steps of its operation, so that no file stays behind.
 */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/atomics.h"
#include "base/clock.h"
#include "base/util.h"
#include "load.h"

/* Rounds without work after which a polling worker asks whether the peer still lives. */
#define IDLE_CHECK 100000u
/* Rounds after which it lets others run: the server may be waiting for this very core. */
#define IDLE_YIELD 256u
/* Nothing for this long is a stuck device. */
#define STUCK_NS 10000000000ull
#define ERRORS_MAX 100
/* Completions per reading of the clock and per publish: few enough for honest latencies. */
#define BATCH 16

struct taken {
	uint32_t len;
	uint16_t head;
};

void load_fail(struct load *l, const char *fmt, ...)
{
	va_list ap;

	if (__atomic_exchange_n(&l->err_claimed, 1, __ATOMIC_RELAXED))
		return;
	va_start(ap, fmt);
	vsnprintf(l->err, sizeof(l->err), fmt, ap);
	va_end(ap);
}

static void enter_measure(struct worker *w)
{
	w->measuring = true;
	w->errors = 0;
	counter_set(&w->bytes, 0);
	counter_set(&w->ops, 0);
	memset(&w->hist, 0, sizeof(w->hist));
}

static bool may_start(struct worker *w, const struct slot *s)
{
	if (s->next_step && !w->load->opts->pattern->choose)
		return true;
	if (load_acquire(&w->load->phase) == PHASE_STOP || !w->ops_left)
		return false;
	w->ops_left--;
	return true;
}

static void issue(struct worker *w, struct slot *s, uint64_t now)
{
	const struct pattern *p = w->load->opts->pattern;
	struct load_req *rq = &s->req[s->next_step];

	step_fill(w, rq);
	if (p->choose) {
		s->next_step = (uint32_t)(s->q->rng >> 40) % p->nr_steps;
	} else if (++s->next_step == p->nr_steps) {
		s->next_step = 0;
	}
	s->issued_ns = now;
	s->q->inflight++;
	vufe_vq_post(s->q->vq, rq->head);
}

static void complete(struct worker *w, struct queue *q, uint16_t head, uint32_t len, uint64_t now)
{
	struct load_req *rq = q->by_head[head];
	struct slot *s = rq->slot;

	q->inflight--;
	if (step_done(w, rq, len)) {
		/* A failed operation is not carried on: its next steps would only fail too. */
		if (!w->load->opts->pattern->choose)
			s->next_step = 0;
		/* Enough is enough for all; what is out still comes back, so main can clean up. */
		if (++w->errors >= ERRORS_MAX)
			store_release(&w->load->phase, PHASE_STOP);
	}
	hist_add(&w->hist, now - s->issued_ns);
	counter_set(&w->ops, w->ops + 1);
	if (may_start(w, s))
		issue(w, s, now);
}

/* Takes at most BATCH completions and shows them to the caches: memory the device wrote last. */
static int take_batch(struct queue *q, struct taken *t)
{
	int n, r = 0;

	for (n = 0; n < BATCH; n++) {
		const struct load_req *rq;

		r = vufe_vq_pop(q->vq, &t[n].head, &t[n].len);
		if (r <= 0)
			break;
		rq = q->by_head[t[n].head];
		prefetch_write(rq->in); /* and the answer's header */
		prefetch_write(rq->arg);
	}
	return r < 0 ? r : n;
}

/* Takes what is there. Returns how many, or -errno. */
static int round_of(struct worker *w, struct queue *q)
{
	struct taken t[BATCH];
	int total = 0, i, n, r;

	do {
		uint64_t now;

		n = take_batch(q, t);
		if (n < 0) {
			load_fail(w->load, "%s", w->load->dev.err);
			return n;
		}
		if (!n)
			break;
		now = clock_ns();
		for (i = 0; i < n; i++)
			complete(w, q, t[i].head, t[i].len, now);
		r = vufe_vq_publish(q->vq);
		if (r)
			return r;
		total += n;
	} while (n == BATCH);
	return total;
}

static int start_all(struct worker *w)
{
	uint64_t now = clock_ns(), d;
	unsigned i;
	int r = 0;

	for (i = 0; !r && i < w->nr_queues; i++) {
		for (d = 0; d < w->load->opts->depth; d++)
			if (may_start(w, &w->queue[i]->slots[d]))
				issue(w, &w->queue[i]->slots[d], now);
		r = vufe_vq_publish(w->queue[i]->vq);
	}
	return r;
}

static unsigned inflight(const struct worker *w)
{
	unsigned i, n = 0;

	for (i = 0; i < w->nr_queues; i++)
		n += w->queue[i]->inflight;
	return n;
}

static int idle(struct worker *w, unsigned *rounds, uint64_t *since)
{
	unsigned i;
	int r = 0;

	if (w->load->opts->events)
		for (i = 0; r == 0 && i < w->nr_queues; i++)
			r = vufe_vq_wait(w->queue[i]->vq, w->nr_queues == 1 ? 100 : 1);
	else if (++*rounds % IDLE_CHECK == 0 && !vufe_alive(&w->load->dev))
		r = -ECONNRESET;
	else if (*rounds % IDLE_YIELD == 0)
		sched_yield();
	if (r < 0) {
		load_fail(w->load, "the server hung up");
		return r;
	}
	if (!w->load->opts->events && *rounds % IDLE_CHECK)
		return 0;
	if (!*since)
		*since = clock_ns();
	if (clock_ns() - *since < STUCK_NS)
		return 0;
	load_fail(w->load, "no answer for %llu s", STUCK_NS / 1000000000ull);
	return -ETIMEDOUT;
}

static int work(struct worker *w)
{
	unsigned i, rounds = 0;
	uint64_t since = 0;
	int r = start_all(w), got;

	while (!r && inflight(w)) {
		if (!w->measuring && load_acquire(&w->load->phase) == PHASE_MEASURE)
			enter_measure(w);
		for (i = 0, got = 0; i < w->nr_queues; i++) {
			r = round_of(w, w->queue[i]);
			if (r < 0)
				return r;
			got += r;
		}
		r = 0;
		if (got)
			since = rounds = 0;
		else
			r = idle(w, &rounds, &since);
	}
	return r;
}

void *work_thread(void *arg)
{
	struct worker *w = arg;

	w->result = work(w);
	if (!w->load->echo && !w->result)
		forget_flush(w);
	__atomic_fetch_add(&w->load->workers_done, 1, __ATOMIC_RELEASE); /* main polls it */
	return NULL;
}
