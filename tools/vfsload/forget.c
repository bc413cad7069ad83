/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: references a worker got are counted in a small table of its own, direct-
 * mapped by node, so that looking the same file up again costs one addition. What a new node
 * pushes out gathers in a BATCH_FORGET message on the hiprio queue, which all workers share under
 * a mutex: one lock in BATCH evictions, as rare as the kernel's own. When all messages are out the
 * sender waits for the device.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "load.h"

#define TABLE 256
#define BATCH 64
#define MESSAGES 16
#define WAIT_NS 5000000000ull

struct message {
	struct fuse_in_header in;
	struct fuse_batch_forget_in batch;
	struct fuse_forget_one one[BATCH];
};

struct forget_box {
	pthread_mutex_t lock;
	struct message *msg[MESSAGES];
	uint64_t gpa[MESSAGES];
	int head[MESSAGES];	/* of the chain while the device has it, else -1 */
	struct message *filling; /* or NULL */
	unsigned filling_nr;
};

int forget_setup(struct load *l)
{
	struct forget_box *b = calloc(1, sizeof(*b));
	unsigned i;

	if (!b)
		return -ENOMEM;
	l->forget_box = b;
	pthread_mutex_init(&b->lock, NULL);
	for (i = 0; i < MESSAGES; i++) {
		b->head[i] = -1;
		b->msg[i] = vufe_alloc(&l->dev, sizeof(struct message), 64, &b->gpa[i]);
		if (!b->msg[i])
			return -ENOMEM;
	}
	for (i = 0; i < l->opts->threads; i++) {
		l->workers[i].forget = calloc(TABLE, sizeof(struct fuse_forget_one));
		if (!l->workers[i].forget)
			return -ENOMEM;
	}
	return 0;
}

void forget_free(struct load *l)
{
	unsigned i;

	for (i = 0; l->workers && i < l->opts->threads; i++)
		free(l->workers[i].forget);
	free(l->forget_box);
}

static void reap(struct load *l, struct forget_box *b)
{
	uint16_t head;
	uint32_t len;
	unsigned i;

	while (vufe_vq_pop(&l->dev.vq[0], &head, &len) > 0)
		for (i = 0; i < MESSAGES; i++)
			if (b->head[i] == head) {
				vufe_vq_release(&l->dev.vq[0], head);
				b->head[i] = -1;
			}
}

/* A free message; NULL when the device takes none for seconds. */
static struct message *take(struct load *l, struct forget_box *b)
{
	uint64_t end = clock_ns() + WAIT_NS;
	unsigned i;

	do {
		reap(l, b);
		for (i = 0; i < MESSAGES; i++)
			if (b->head[i] < 0)
				return b->msg[i];
		sched_yield();
	} while (clock_ns() < end);
	load_fail(l, "the device does not take FORGET from the hiprio queue");
	return NULL;
}

static void send_filling(struct load *l, struct forget_box *b)
{
	struct message *m = b->filling;
	size_t len = offsetof(struct message, one) + b->filling_nr * sizeof(m->one[0]);
	struct vufe_seg seg = {.len = (uint32_t)len};
	unsigned i;

	for (i = 0; b->msg[i] != m; i++)
		;
	vufe_fill_header(&l->fs, &m->in, FUSE_BATCH_FORGET, 0, len - sizeof(m->in));
	m->batch = (struct fuse_batch_forget_in){.count = b->filling_nr};
	seg.gpa = b->gpa[i];
	b->filling = NULL;
	b->head[i] = vufe_vq_build(&l->dev.vq[0], &seg, 1, 0);
	if (b->head[i] < 0)
		return;
	vufe_vq_post(&l->dev.vq[0], (uint16_t)b->head[i]);
	vufe_vq_publish(&l->dev.vq[0]);
}

static void evict(struct load *l, const struct fuse_forget_one *f)
{
	struct forget_box *b = l->forget_box;

	pthread_mutex_lock(&b->lock);
	if (!b->filling) {
		b->filling = take(l, b);
		b->filling_nr = 0;
	}
	if (b->filling) {
		b->filling->one[b->filling_nr++] = *f;
		if (b->filling_nr == BATCH)
			send_filling(l, b);
	}
	pthread_mutex_unlock(&b->lock);
}

void forget_add(struct worker *w, uint64_t node, uint64_t n)
{
	struct fuse_forget_one *f = &w->forget[(node * 0x9e3779b97f4a7c15ull) >> 56];

	if (w->load->echo)
		return;
	if (f->nodeid != node) {
		if (f->nlookup)
			evict(w->load, f);
		f->nodeid = node;
		f->nlookup = 0;
	}
	f->nlookup += n;
}

void forget_flush(struct worker *w)
{
	struct forget_box *b = w->load->forget_box;
	unsigned i;

	for (i = 0; i < TABLE; i++)
		if (w->forget[i].nlookup) {
			evict(w->load, &w->forget[i]);
			w->forget[i].nlookup = 0;
		}
	pthread_mutex_lock(&b->lock);
	if (b->filling)
		send_filling(w->load, b);
	pthread_mutex_unlock(&b->lock);
}

void forget_drain(struct load *l)
{
	struct forget_box *b = l->forget_box;
	uint64_t end = clock_ns() + WAIT_NS;
	unsigned i;

	for (i = 0; i < MESSAGES && clock_ns() < end; i++)
		while (b->head[i] >= 0 && clock_ns() < end)
			reap(l, b);
}
