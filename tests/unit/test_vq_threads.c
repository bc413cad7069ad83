/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Driver and device on two threads, both of which go to sleep whenever they may: a check forgotten
 * after arming is a lost kick or a lost interrupt, and somebody sleeps for ever. (So is a missing
 * barrier, but its window is a few nanoseconds: do not rely on this test to find one.)
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/atomics.h"
#include "vdrv.h"

#define SIZE 8
#define CHAINS 60000
#define PATIENCE_MS 5000 /* nothing here takes a millisecond */

struct pair {
	struct vdrv d;
	struct vq vq;
	int kick, call;
	bool lost; /* somebody waited in vain */
};

static bool wait_for(struct pair *p, int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t n;

	if (poll(&pfd, 1, PATIENCE_MS) == 1 && read(fd, &n, sizeof(n)) == sizeof(n))
		return true;
	p->lost = true;
	return false;
}

static void wake(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		abort();
}

/* Shifts the two threads against each other. */
static void jitter(unsigned int *seed)
{
	for (volatile int i = rand_r(seed) % 128; i > 0; i--)
		continue;
}

static void *device_main(void *arg)
{
	unsigned int done = 0, seed = 6;
	struct pair *p = arg;
	struct iovec seg[4];
	struct vq_chain ch;

	while (done < CHAINS) {
		unsigned int n = 0;

		while (vq_pop(&p->vq, seg, 4, &ch) == 1) {
			vq_push(&p->vq, ch.head, *(uint32_t *)seg[0].iov_base);
			n++;
		}
		done += n;
		if (vq_publish(&p->vq))
			wake(p->call);
		jitter(&seed);
		if (n || vq_set_kicks(&p->vq, true))
			continue;
		if (!wait_for(p, p->kick))
			break;
		vq_set_kicks(&p->vq, false);
	}
	return NULL;
}

/* Virtio 1.2, 2.7.7 and 2.7.10, the driver's half. */
static bool driver_must_kick(const struct vdrv *d, uint16_t old)
{
	uint16_t now = d->avail->idx;

	full_barrier(); /* avail.idx before the device's wish */
	if (!(d->features & VDRV_F_EVENT_IDX))
		return !(READ_ONCE(d->used->flags) & VRING_USED_F_NO_NOTIFY);
	return (uint16_t)(now - vdrv_avail_event(d) - 1) < (uint16_t)(now - old);
}

static bool driver_may_sleep(struct vdrv *d)
{
	if (d->features & VDRV_F_EVENT_IDX)
		WRITE_ONCE(d->avail->ring[SIZE], d->last_used);
	full_barrier(); /* our wish before used.idx */
	return READ_ONCE(d->used->idx) == d->last_used;
}

static void driver_main(struct pair *p)
{
	uint32_t *cell = (uint32_t *)p->d.space, len;
	unsigned int sent = 0, got = 0, seed = 5;
	int head;

	while (got < CHAINS && !p->lost) {
		unsigned int burst = 1 + (unsigned int)rand_r(&seed) % SIZE;
		uint16_t old = p->d.avail->idx;

		jitter(&seed);
		for (; burst && sent < CHAINS && p->d.nr_free; burst--, sent++) {
			struct vdrv_buf buf = { cell + 16 * p->d.free_head, 4 };

			cell[16 * p->d.free_head] = (uint32_t)p->d.free_head + 1000;
			vdrv_add(&p->d, &buf, 1, 0);
		}
		if (old != p->d.avail->idx && driver_must_kick(&p->d, old))
			wake(p->kick);
		if (driver_may_sleep(&p->d) && got < sent)
			wait_for(p, p->call);
		for (; (head = vdrv_take(&p->d, &len)) >= 0; got++)
			assert_int_equal(len, head + 1000);
	}
	assert_int_equal(got, CHAINS);
}

static void run(uint64_t features)
{
	struct vq_config cfg;
	struct pair p = { 0 };
	pthread_t device;

	assert_int_equal(vdrv_init(&p.d, SIZE, features, 4096, 60000), 0);
	cfg = vdrv_config(&p.d);
	assert_int_equal(vq_init(&p.vq, &cfg, 0), 0);
	p.kick = eventfd(0, EFD_CLOEXEC);
	p.call = eventfd(0, EFD_CLOEXEC);
	assert_true(p.kick >= 0 && p.call >= 0);
	assert_int_equal(pthread_create(&device, NULL, device_main, &p), 0);
	driver_main(&p);
	pthread_join(device, NULL);
	assert_false(p.lost);
	close(p.kick);
	close(p.call);
	vq_fini(&p.vq);
	vdrv_fini(&p.d);
}

static void test_flags(void **state)
{
	run(0);
}

static void test_event_idx(void **state)
{
	run(VDRV_F_EVENT_IDX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_event_idx),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
