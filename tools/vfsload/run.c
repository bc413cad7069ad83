/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: main makes files with synchronous requests, then builds every slot's
 * chains, lets the workers run and watches the clock: warm-up, measurement, stop. CPU clocks are
 * read at the two edges of the measurement. After the join the chains are given back and main
 * cleans up. An interrupt only shortens the measurement; what was counted so far is reported.
 *
 * With --echo-limit there are several devices, all prepared before the first measurement, which
 * then take turns in short slices: what else the machine does hits all of them. A slice is a
 * measurement of its own, workers included; a device that is not in its turn has nothing to do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/atomics.h"
#include "base/clock.h"
#include "base/util.h"
#include "load.h"

/* Rings, bounce memory, forget messages and rounding, on top of what is counted. */
#define MEM_SPARE (8u << 20)
#define TICK_NS 5000000
#define PROGRESS_NS 500000000ull

volatile int load_interrupted;

struct vufe_opts run_vufe_opts(const struct load_opts *o)
{
	uint64_t slots = o->queues * o->depth, segs = max(step_segs(o), 8u);

	return (struct vufe_opts){
		.path = o->socket,
		.transport = o->transport,
		.kick = o->kick,
		.nr_queues = (unsigned)o->queues,
		.queue_size = (unsigned)o->queue_size,
		.max_segs = (unsigned)segs,
		.nr_regions = (unsigned)o->regions,
		.mem_size = slots * (ALIGN_UP(o->bs, 4096ull) + STEPS_MAX * 512) +
			    (o->queues + 1) * o->queue_size * (segs + 4) * 16 +
			    o->regions * MEM_SPARE,
	};
}

static int make_queue(struct load *l, unsigned i)
{
	struct queue *q = &l->queues[i];
	const struct load_opts *o = l->opts;
	unsigned k;

	q->vq = &l->dev.vq[i + 1];
	q->w = &l->workers[i % o->threads];
	q->w->queue[q->w->nr_queues++] = q;
	q->rng = 0x9e3779b97f4a7c15ull * (i + 1);
	q->nr_files = o->pattern->data ? 1 : (unsigned)o->files;
	q->slots = calloc(o->depth, sizeof(*q->slots));
	q->by_head = calloc(o->queue_size, sizeof(struct load_req *));
	q->file = calloc(q->nr_files, sizeof(*q->file));
	if (!q->slots || !q->by_head || !q->file)
		return -ENOMEM;
	for (k = 0; k < q->nr_files; k++)
		snprintf(q->file[k].name, sizeof(q->file[k].name), "f%03x%08x", i & 0xfff, k);
	for (k = 0; k < o->depth; k++) {
		q->slots[k].q = q;
		q->slots[k].index = k;
	}
	return 0;
}

static int make_workers(struct load *l)
{
	const struct load_opts *o = l->opts;
	unsigned i;
	int r = 0;

	l->workers = calloc(o->threads, sizeof(*l->workers));
	l->queues = calloc(o->queues, sizeof(*l->queues));
	if (!l->workers || !l->queues)
		return -ENOMEM;
	for (i = 0; i < o->threads; i++) {
		struct worker *w = &l->workers[i];

		w->load = l;
		w->ops_left = o->ops ? o->ops / o->threads + (i < o->ops % o->threads) : UINT64_MAX;
		w->queue = calloc(o->queues, sizeof(struct queue *));
		if (!w->queue)
			return -ENOMEM;
	}
	for (i = 0; !r && i < o->queues; i++)
		r = make_queue(l, i);
	return r;
}

static void free_workers(struct load *l)
{
	unsigned i;

	for (i = 0; l->queues && i < l->opts->queues; i++) {
		free(l->queues[i].slots);
		free(l->queues[i].by_head);
		free(l->queues[i].file);
		free(l->queues[i].gen);
		free(l->queues[i].block_busy);
	}
	forget_free(l);
	for (i = 0; l->workers && i < l->opts->threads; i++)
		free(l->workers[i].queue);
	free(l->queues);
	free(l->workers);
}

static int build_slot(struct load *l, struct slot *s)
{
	uint64_t gpa;
	unsigned i;
	int r = 0;

	s->data = vufe_alloc(&l->dev, l->opts->bs, 4096, &gpa);
	if (!s->data)
		return -ENOMEM;
	for (i = 0; !r && i < l->opts->pattern->nr_steps; i++)
		r = step_build(l, s, i, l->opts->pattern->step[i], gpa);
	return r;
}

static int build_slots(struct load *l)
{
	unsigned i, d;
	int r = 0;

	for (i = 0; !r && i < l->opts->queues; i++)
		for (d = 0; !r && d < l->opts->depth; d++)
			r = build_slot(l, &l->queues[i].slots[d]);
	if (r == -ENOSPC)
		load_fail(l, "depth %llu with %u prepared requests each does not fit a ring of "
			  "%llu: raise --queue-size or lower --depth",
			  (unsigned long long)l->opts->depth, l->opts->pattern->nr_steps,
			  (unsigned long long)l->opts->queue_size);
	else if (r)
		load_fail(l, "%s", l->dev.err[0] ? l->dev.err : strerror(-r));
	return r;
}

static void release_slots(struct load *l)
{
	unsigned i, head;

	for (i = 0; i < l->opts->queues; i++)
		for (head = 0; head < l->opts->queue_size; head++)
			if (l->queues[i].by_head[head])
				vufe_vq_release(l->queues[i].vq, (uint16_t)head);
}

static uint64_t sum_ops(const struct load *l, uint64_t *ret_bytes)
{
	uint64_t ops = 0;
	unsigned i;

	*ret_bytes = 0;
	for (i = 0; i < l->opts->threads; i++) {
		ops += counter_get(&l->workers[i].ops);
		*ret_bytes += counter_get(&l->workers[i].bytes);
	}
	return ops;
}

struct shown {
	uint64_t next_ns, ops, bytes;
};

static void show_progress(struct load *l, struct shown *s, double at)
{
	uint64_t bytes, ops = sum_ops(l, &bytes), per_s = 1000000000ull / PROGRESS_NS;

	report_progress(l, at, per_s * (ops > s->ops ? ops - s->ops : 0),
			per_s * (bytes > s->bytes ? bytes - s->bytes : 0));
	s->ops = ops;
	s->bytes = bytes;
	s->next_ns += PROGRESS_NS;
}

/* Until the time is over, the workers are done or the user has enough. */
static void watch(struct load *l, double seconds, double shown_from)
{
	uint64_t start = clock_ns();
	const uint64_t end = start + (uint64_t)(seconds * 1e9);
	struct shown shown = {.next_ns = start + PROGRESS_NS};

	shown.ops = sum_ops(l, &shown.bytes);
	while (!load_interrupted && clock_ns() < end &&
	       load_acquire(&l->workers_done) < l->opts->threads) {
		nanosleep(&(struct timespec){0, TICK_NS}, NULL);
		if (clock_ns() >= shown.next_ns)
			show_progress(l, &shown, shown_from + (double)(clock_ns() - start) / 1e9);
	}
}

static void measure(struct load *l, struct result *res, const struct slice *sl)
{
	uint64_t start, self[2] = {0}, server[2] = {0}, bytes, ops;
	double seconds;

	if (sl->warmup > 0)
		watch(l, sl->warmup, -sl->warmup);
	start = clock_ns();
	cpu_time(0, &self[0]);
	if (sl->server_pid)
		cpu_time(sl->server_pid, &server[0]);
	/* Pairs with the acquire in work(); one that met too many errors has already said STOP. */
	__atomic_compare_exchange_n(&l->phase, &(enum load_phase){PHASE_WARMUP}, PHASE_MEASURE,
				    false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
	watch(l, sl->seconds, 0);
	cpu_time(0, &self[1]);
	if (sl->server_pid && cpu_time(sl->server_pid, &server[1]))
		server[1] = server[0];
	seconds = (double)(clock_ns() - start) / 1e9;
	ops = sum_ops(l, &bytes);
	store_release(&l->phase, PHASE_STOP);
	res->seconds += seconds;
	res->ops += ops;
	res->bytes += bytes;
	res->self_ns += self[1] - self[0];
	res->server_ns += server[1] - server[0];
	res->rate[res->nr_slices++] = (double)ops / seconds;
}

static void collect(struct load *l, struct result *res)
{
	unsigned i;

	for (i = 0; i < l->opts->threads; i++) {
		struct worker *w = &l->workers[i];

		hist_merge(&res->hist, &w->hist);
		res->errors += w->errors;
		if (w->result && !res->status)
			res->status = w->result;
	}
	for (i = 0, res->kicks = 0; i < l->opts->queues; i++)
		res->kicks += l->queues[i].vq->nr_kicks;
	if (res->errors && !res->status)
		res->status = -EIO;
}

int run_slice(struct load *l, struct result *res, const struct slice *sl)
{
	unsigned i, n;
	int r = 0;

	l->phase = sl->warmup > 0 ? PHASE_WARMUP : PHASE_MEASURE;
	l->workers_done = 0;
	for (n = 0; !r && n < l->opts->threads; n++) {
		l->workers[n].measuring = false;
		r = -pthread_create(&l->workers[n].thread, NULL, work_thread, &l->workers[n]);
	}
	if (r) {
		n--;
		store_release(&l->phase, PHASE_STOP);
		load_fail(l, "thread %u: %s", n, strerror(-r));
	} else {
		measure(l, res, sl);
	}
	for (i = 0; i < n; i++)
		pthread_join(l->workers[i].thread, NULL);
	if (!r)
		collect(l, res);
	else
		res->status = r;
	return res->status;
}

int run_prepare(struct load *l, struct result *res)
{
	int r = make_workers(l);

	if (!r && !l->echo)
		r = forget_setup(l);
	if (!r && !l->echo)
		r = prepare_files(l);
	res->status = r ? r : build_slots(l);
	return res->status;
}

int run_finish(struct load *l, struct result *res)
{
	if (l->queues && l->workers)
		release_slots(l);
	if (!l->echo && l->queues && l->forget_box && vufe_alive(&l->dev) &&
	    res->status != -ETIMEDOUT) {
		forget_drain(l);
		remove_files(l);
	}
	if (res->status)
		snprintf(res->err, sizeof(res->err), "%s",
			 l->err[0] ? l->err : strerror(-res->status));
	free_workers(l);
	return res->status;
}

static bool writes(const struct pattern *p)
{
	unsigned i;

	for (i = 0; i < p->nr_steps; i++)
		if (p->step[i] == STEP_WRITE)
			return true;
	return false;
}

static int check_sizes(const struct load *l)
{
	const struct load_opts *o = l->opts;

	if (!writes(o->pattern) || o->bs <= l->fs.init.max_write)
		return 0;
	fprintf(stderr, "vfsload: --bs %llu: the server takes writes of at most %u\n",
		(unsigned long long)o->bs, l->fs.init.max_write);
	return -EINVAL;
}

static int run_alone(struct load *l, struct result *res)
{
	const struct load_opts *o = l->opts;
	const struct slice sl = {o->warmup, o->runtime, o->server_pid};

	if (!run_prepare(l, res) && !load_interrupted)
		run_slice(l, res, &sl);
	return run_finish(l, res);
}

int run_load(const struct load_opts *o)
{
	struct vufe_opts vo = run_vufe_opts(o);
	static struct result res, echo[ECHO_KINDS];
	struct load l = {.opts = o};
	int r = vufe_open(&l.dev, &vo);

	if (!r)
		r = vufe_fs_init(&l.fs, &l.dev);
	if (r) {
		fprintf(stderr, "vfsload: %s\n", l.dev.err);
		vufe_close(&l.dev);
		return 1;
	}
	if (check_sizes(&l)) {
		vufe_close(&l.dev);
		return 2;
	}
	r = o->echo_limit ? echo_compare(&l, &res, echo) : run_alone(&l, &res);
	if (!r)
		vufe_fs_destroy(&l.fs);
	vufe_close(&l.dev);
	report(o, &res, echo);
	return r ? 1 : 0;
}
