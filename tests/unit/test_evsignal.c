/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals of eventfds: each one arrives, also from a thread that moves between processors. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/evsignal.h"

#define SIGNALS 20000u

static int own, theirs;

static int set_up(void **state)
{
	own = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	theirs = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return own < 0 || theirs < 0;
}

static int tear_down(void **state)
{
	close(own);
	close(theirs);
	return 0;
}

static uint64_t counted(void)
{
	uint64_t count = 0;

	return read(theirs, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static void none_is_lost(void **state)
{
	struct evsignal es = { 0 };

	for (unsigned int i = 0; i < SIGNALS; i++)
		assert_int_equal(evsignal(&es, own, theirs), 0);
	assert_int_equal(counted(), SIGNALS);
	evsignal_fini(&es);
}

static void none_is_lost_on_the_move(void **state)
{
	struct evsignal es = { 0 };
	cpu_set_t all, one;

	sched_getaffinity(0, sizeof(all), &all);
	for (unsigned int i = 0; i < SIGNALS; i++) {
		if (i % 7 == 0) {
			CPU_ZERO(&one);
			CPU_SET(i / 7 % 2, &one);
			sched_setaffinity(0, sizeof(one), &one); /* a machine with one has no moves */
		}
		assert_int_equal(evsignal(&es, own, theirs), 0);
	}
	sched_setaffinity(0, sizeof(all), &all);
	assert_int_equal(counted(), SIGNALS);
	evsignal_fini(&es);
}

static void a_full_counter_stays_full(void **state)
{
	const uint64_t full = UINT64_MAX - 1;
	struct evsignal es = { 0 };

	assert_int_equal(write(theirs, &full, sizeof(full)), sizeof(full));
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(evsignal(&es, own, theirs), 0);
	assert_true(counted() >= full);
	evsignal_fini(&es);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(none_is_lost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(none_is_lost_on_the_move, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_counter_stays_full, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
