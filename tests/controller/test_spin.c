/* SPDX-License-Identifier: BSD-3-Clause */
/* How long a thread looks for work before it sleeps, from the waits it has had. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "spin.h"

#define SOON 5000u
#define LATE 140000u

static void learn(struct spin *spin, enum spin_kind kind, uint64_t waited_ns, int times)
{
	while (times--)
		spin_learn(spin, kind, waited_ns);
}

/* A disk at depth 1: asleep while it turns, awake for the guest's next request. */
static void test_kinds_are_apart(void **state)
{
	struct spin spin;

	spin_init(&spin);
	for (int i = 0; i < 8; i++) {
		spin_learn(&spin, SPIN_BACKEND, LATE);
		spin_learn(&spin, SPIN_GUEST, SOON);
	}
	assert_int_equal(spin_window(&spin, SPIN_BACKEND), 0);
	assert_int_equal(spin_window(&spin, SPIN_GUEST), SPIN_MAX_NS);
}

/* One long wait among short ones does not end the looking. */
static void test_one_long_wait(void **state)
{
	struct spin spin;

	spin_init(&spin);
	spin_learn(&spin, SPIN_GUEST, LATE);
	assert_in_range(spin_window(&spin, SPIN_GUEST), SOON + 1, SPIN_MAX_NS - 1);
	learn(&spin, SPIN_GUEST, SOON, 1);
	assert_int_equal(spin_window(&spin, SPIN_GUEST), SPIN_MAX_NS);
}

/* From asleep to looking as long as ever in a few short waits, and never longer. */
static void test_grows_again(void **state)
{
	struct spin spin;

	spin_init(&spin);
	learn(&spin, SPIN_GUEST, LATE, 100);
	assert_int_equal(spin_window(&spin, SPIN_GUEST), 0);
	learn(&spin, SPIN_GUEST, SPIN_MAX_NS, 1);
	assert_int_equal(spin_window(&spin, SPIN_GUEST), SPIN_LEAST_NS);
	learn(&spin, SPIN_GUEST, SOON, 3);
	assert_int_equal(spin_window(&spin, SPIN_GUEST), SPIN_MAX_NS);
	learn(&spin, SPIN_GUEST, SOON, 100);
	assert_int_equal(spin_window(&spin, SPIN_GUEST), SPIN_MAX_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds_are_apart),
		cmocka_unit_test(test_one_long_wait),
		cmocka_unit_test(test_grows_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
