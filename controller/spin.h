/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long a thread looks for work before it goes to sleep.
 *
 * Theory of operation: looking costs a processor, sleeping costs a few microseconds at the other end
 * of the wait. What is right depends on how long the wait is going to be, and the last ones tell. A
 * wait that was over within SPIN_MAX_NS was worth looking through: the window doubles. One that
 * was longer was looked through in vain: the window halves, and is soon nothing. Waits of two kinds
 * have nothing to do with each other, so each has a window of its own: for what a guest will ask next,
 * and for what it asked and a disk or server has not answered yet. A guest that has one request at a
 * time keeps the thread looking between two, and asleep while the disk turns.
 *
 * No clock and no thread in here.
 */
#ifndef CONTROLLER_SPIN_H
#define CONTROLLER_SPIN_H

#include <stdint.h>

/* More than a system call and a wake-up cost, less than a tick. */
#define SPIN_MAX_NS 50000u
#define SPIN_LEAST_NS 10000u

enum spin_kind {
	SPIN_GUEST, /* nothing is out: for the next request */
	SPIN_BACKEND, /* for the answer to one that is out */
	SPIN_KINDS,
};

struct spin {
	uint32_t window_ns[SPIN_KINDS];
};

static inline void spin_init(struct spin *spin)
{
	for (unsigned int i = 0; i < SPIN_KINDS; i++)
		spin->window_ns[i] = SPIN_MAX_NS;
}

static inline uint32_t spin_window(const struct spin *spin, enum spin_kind kind)
{
	return spin->window_ns[kind];
}

/* A wait is over; waited_ns with what it was slept through. */
static inline void spin_learn(struct spin *spin, enum spin_kind kind, uint64_t waited_ns)
{
	uint32_t *window = &spin->window_ns[kind];

	if (waited_ns > SPIN_MAX_NS)
		*window = *window <= SPIN_LEAST_NS ? 0 : *window / 2;
	else if (*window < SPIN_MAX_NS)
		*window = *window ? *window * 2 : SPIN_LEAST_NS;
	if (*window > SPIN_MAX_NS)
		*window = SPIN_MAX_NS;
}

#endif
