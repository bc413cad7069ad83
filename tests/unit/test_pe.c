/* SPDX-License-Identifier: BSD-3-Clause */
/* The progress engine: units, fairness, removal in callbacks, sleeping and waking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "core/pe.h"
#include "fake_ctx.h"

#define assert_doca(call, expected) assert_int_equal((call), (expected))
#define assert_ok(call) assert_doca(call, DOCA_SUCCESS)

static struct doca_pe *new_pe(void)
{
	struct doca_pe *pe;

	assert_ok(doca_pe_create(&pe));
	return pe;
}

static struct fake_ctx *new_running(struct doca_pe *pe, unsigned int events)
{
	struct fake_ctx *fake = malloc(sizeof(*fake));

	assert_non_null(fake);
	fake_ctx_init(fake);
	assert_ok(doca_pe_connect_ctx(pe, &fake->ctx));
	assert_ok(doca_ctx_start(&fake->ctx));
	fake->events = events;
	return fake;
}

static void drop(struct fake_ctx *fake)
{
	if (!ctx_is_idle(&fake->ctx))
		assert_ok(doca_ctx_stop(&fake->ctx));
	assert_ok(ctx_fini(&fake->ctx));
	free(fake);
}

static bool is_readable(struct doca_pe *pe)
{
	struct pollfd pfd = { .events = POLLIN };

	assert_ok(doca_pe_get_notification_handle(pe, &pfd.fd));
	return poll(&pfd, 1, 0) == 1;
}

static void test_bad_arguments(void **state)
{
	struct doca_pe *pe = new_pe();
	doca_notification_handle_t handle;
	size_t cnt;

	assert_doca(doca_pe_create(NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_pe_destroy(NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_pe_get_notification_handle(NULL, &handle), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_pe_get_notification_handle(pe, NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_pe_request_notification(NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_pe_clear_notification(NULL, 0), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_pe_get_num_inflight_tasks(NULL, &cnt), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_pe_get_num_inflight_tasks(pe, NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_pe_connect_ctx(pe, NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_pe_set_event_mode(NULL, DOCA_PE_EVENT_MODE_PROGRESS_ALL),
		    DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_pe_set_event_mode(pe, (enum doca_pe_event_mode)2),
		    DOCA_ERROR_INVALID_VALUE);
	assert_ok(doca_pe_set_event_mode(pe, DOCA_PE_EVENT_MODE_PROGRESS_ALL));
	assert_int_equal(doca_pe_progress(NULL), 0);
	assert_ok(doca_pe_destroy(pe));
}

static void test_connect_is_for_life(void **state)
{
	struct doca_pe *pe = new_pe(), *other = new_pe();
	struct fake_ctx *fake = new_running(pe, 0);

	assert_doca(doca_pe_connect_ctx(other, &fake->ctx), DOCA_ERROR_BAD_STATE);
	assert_ok(doca_ctx_stop(&fake->ctx));
	assert_doca(doca_pe_connect_ctx(pe, &fake->ctx), DOCA_ERROR_NOT_PERMITTED);
	assert_doca(doca_pe_connect_ctx(other, &fake->ctx), DOCA_ERROR_NOT_PERMITTED);
	assert_doca(doca_pe_destroy(pe), DOCA_ERROR_IN_USE);
	drop(fake);
	assert_ok(doca_pe_destroy(pe));
	assert_ok(doca_pe_destroy(other));
}

static void test_one_unit_round_robin(void **state)
{
	struct doca_pe *pe = new_pe();
	struct fake_ctx *a = new_running(pe, 100), *b = new_running(pe, 100),
			*c = new_running(pe, 1);
	int i;

	for (i = 0; i < 7; i++)
		assert_int_equal(doca_pe_progress(pe), 1);
	assert_int_equal(a->nr_events + b->nr_events + c->nr_events, 7);
	assert_int_equal(a->nr_events, 3); /* c had its one turn although a and b are busy */
	assert_int_equal(b->nr_events, 3);
	assert_int_equal(c->nr_events, 1);
	a->events = b->events = 0;
	assert_int_equal(doca_pe_progress(pe), 0);
	drop(a);
	drop(b);
	drop(c);
	assert_ok(doca_pe_destroy(pe));
}

static void test_idle_contexts_are_not_visited(void **state)
{
	struct doca_pe *pe = new_pe();
	struct fake_ctx *fake = new_running(pe, 1);

	assert_ok(doca_ctx_stop(&fake->ctx));
	assert_int_equal(doca_pe_progress(pe), 0);
	assert_int_equal(fake->nr_visits, 0);
	drop(fake);
	assert_ok(doca_pe_destroy(pe));
}

static void test_housekeeping_is_no_unit(void **state)
{
	struct doca_pe *pe = new_pe();
	struct fake_ctx *fake = new_running(pe, 0);

	fake->chores = 100;
	while (fake->chores)
		assert_int_equal(doca_pe_progress(pe), 0);
	fake->chores = 1;
	fake->events = 1; /* what a chore brings up is found by the same call */
	assert_int_equal(doca_pe_progress(pe), 1);
	drop(fake);
	assert_ok(doca_pe_destroy(pe));
}

static struct fake_ctx *victims[3];

static void drop_victims(struct fake_ctx *fake)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(victims); i++)
		if (victims[i])
			drop(victims[i]);
}

static void destroy_in_callback(unsigned int mask)
{
	struct doca_pe *pe = new_pe();
	struct fake_ctx *all[3];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		all[i] = new_running(pe, i == 1 ? 1 : 0);
		victims[i] = mask & 1u << i ? all[i] : NULL;
	}
	all[1]->on_event = drop_victims;
	assert_int_equal(doca_pe_progress(pe), 1);
	for (i = 0; i < 3; i++)
		if (!victims[i])
			all[i]->events = 1;
	if (!victims[1])
		all[1]->on_event = NULL;
	for (i = 0; i < (unsigned int)(3 - __builtin_popcount(mask)); i++)
		assert_int_equal(doca_pe_progress(pe), 1);
	assert_int_equal(doca_pe_progress(pe), 0);
	for (i = 0; i < 3; i++)
		if (!victims[i])
			drop(all[i]);
	assert_ok(doca_pe_destroy(pe));
}

static void test_destroy_in_callback(void **state)
{
	unsigned int mask;

	for (mask = 0; mask < 8; mask++)
		destroy_in_callback(mask);
}

static struct doca_pe *nested_pe;

static void call_back_into_engine(struct fake_ctx *fake)
{
	assert_int_equal(doca_pe_progress(nested_pe), 0);
	assert_doca(doca_pe_destroy(nested_pe), DOCA_ERROR_IN_USE);
	assert_doca(doca_pe_set_event_mode(nested_pe, DOCA_PE_EVENT_MODE_PROGRESS_ALL),
		    DOCA_ERROR_BAD_STATE);
}

static void test_reentry_is_refused(void **state)
{
	struct doca_pe *pe = nested_pe = new_pe();
	struct fake_ctx *fake = new_running(pe, 2);

	fake->on_event = call_back_into_engine;
	assert_int_equal(doca_pe_progress(pe), 1);
	assert_int_equal(fake->nr_events, 1);
	drop(fake);
	assert_ok(doca_pe_destroy(pe));
}

/* Messages */

struct test_msg {
	struct pe_msg msg;
	struct doca_pe *pe;
	enum ctx_progress answer;
	unsigned int reposts; /* left */
	unsigned int nr_runs;
	unsigned int ran_at; /* global order of the last run */
};

static unsigned int run_clock;

static enum ctx_progress run_msg(struct pe_msg *msg)
{
	struct test_msg *m = container_of(msg, struct test_msg, msg);

	m->nr_runs++;
	m->ran_at = ++run_clock;
	if (m->reposts) {
		m->reposts--;
		assert_true(pe_post(m->pe, &m->msg));
	}
	return m->answer;
}

static struct test_msg msg_of(struct doca_pe *pe, enum ctx_progress answer)
{
	return (struct test_msg){ .msg.fn = run_msg, .pe = pe, .answer = answer };
}

static void test_messages(void **state)
{
	struct doca_pe *pe = new_pe();
	struct test_msg a = msg_of(pe, CTX_HOUSEKEEPING), b = msg_of(pe, CTX_EVENT),
			c = msg_of(pe, CTX_HOUSEKEEPING);

	assert_true(pe_post(pe, &a.msg));
	assert_false(pe_post(pe, &a.msg)); /* queued already */
	assert_true(pe_post(pe, &b.msg));
	assert_true(pe_post(pe, &c.msg));
	assert_int_equal(doca_pe_progress(pe), 1); /* a, then b ends the call */
	assert_int_equal(a.nr_runs + b.nr_runs, 2);
	assert_true(a.ran_at < b.ran_at);
	assert_int_equal(c.nr_runs, 0);
	assert_true(pe_post(pe, &a.msg)); /* behind c, which is still waiting */
	assert_int_equal(doca_pe_progress(pe), 0);
	assert_int_equal(c.nr_runs, 1);
	assert_int_equal(a.nr_runs, 2);
	assert_true(c.ran_at < a.ran_at);

	a.reposts = 3; /* from its own function: one run per call */
	assert_true(pe_post(pe, &a.msg));
	assert_int_equal(doca_pe_progress(pe), 0);
	assert_int_equal(a.nr_runs, 3);
	doca_pe_progress(pe);
	doca_pe_progress(pe);
	doca_pe_progress(pe);
	assert_int_equal(a.nr_runs, 6);

	assert_true(pe_post(pe, &a.msg));
	assert_true(pe_post(pe, &b.msg));
	assert_ok(doca_pe_destroy(pe)); /* runs what is left */
	assert_int_equal(a.nr_runs, 7);
	assert_int_equal(b.nr_runs, 2);
}

static void test_messages_do_not_starve_contexts(void **state)
{
	struct doca_pe *pe = new_pe();
	struct fake_ctx *fake = new_running(pe, 50);
	struct test_msg m = msg_of(pe, CTX_EVENT);
	int i;

	m.reposts = 1000;
	pe_post(pe, &m.msg);
	for (i = 0; i < 100; i++)
		assert_int_equal(doca_pe_progress(pe), 1);
	assert_in_range(fake->nr_events, 49, 50);
	assert_in_range(m.nr_runs, 50, 51);
	drop(fake);
	assert_ok(doca_pe_destroy(pe));
}

/* Sources */

struct test_source {
	struct pe_source src;
	struct doca_pe *pe;
	enum ctx_progress answer;
	unsigned int nr_ready;
	struct test_source *remove; /* at the next ready() */
};

static enum ctx_progress source_ready(struct pe_source *src, uint32_t revents)
{
	struct test_source *s = container_of(src, struct test_source, src);
	uint64_t count;

	s->nr_ready++;
	assert_true(revents & EPOLLIN);
	assert_int_equal(read(src->fd, &count, sizeof(count)), sizeof(count));
	if (s->remove) {
		pe_source_remove(s->pe, &s->remove->src);
		close(s->remove->src.fd);
		free(s->remove);
		s->remove = NULL;
	}
	return s->answer;
}

static struct test_source *new_source(struct doca_pe *pe, enum ctx_progress answer)
{
	struct test_source *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->src.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->src.events = EPOLLIN;
	s->src.ready = source_ready;
	s->pe = pe;
	s->answer = answer;
	assert_int_equal(pe_source_add(pe, &s->src), 0);
	return s;
}

static void signal_source(struct test_source *s)
{
	uint64_t one = 1;

	assert_int_equal(write(s->src.fd, &one, sizeof(one)), sizeof(one));
}

static void drop_source(struct test_source *s)
{
	pe_source_remove(s->pe, &s->src);
	pe_source_remove(s->pe, &s->src); /* idempotent */
	close(s->src.fd);
	free(s);
}

static void test_sources(void **state)
{
	struct doca_pe *pe = new_pe();
	struct test_source *s = new_source(pe, CTX_EVENT);

	assert_int_equal(pe_source_add(pe, &s->src), -EEXIST);
	usleep(50);
	assert_int_equal(doca_pe_progress(pe), 0);
	signal_source(s);
	usleep(50); /* longer than the interval between two looks */
	assert_int_equal(doca_pe_progress(pe), 1);
	assert_int_equal(s->nr_ready, 1);

	assert_int_equal(pe_source_modify(pe, &s->src, 0), 0); /* paused */
	signal_source(s);
	usleep(50);
	assert_int_equal(doca_pe_progress(pe), 0);
	assert_int_equal(pe_source_modify(pe, &s->src, EPOLLIN), 0);
	s->answer = CTX_HOUSEKEEPING;
	usleep(50);
	assert_int_equal(doca_pe_progress(pe), 0);
	assert_int_equal(s->nr_ready, 2);
	pe_source_remove(pe, &s->src);
	assert_int_equal(pe_source_modify(pe, &s->src, EPOLLIN), -ENOENT);
	drop_source(s);
	assert_ok(doca_pe_destroy(pe));
}

static void test_engine_lets_sources_go(void **state)
{
	struct doca_pe *pe = new_pe();
	struct test_source *s = new_source(pe, CTX_EVENT);

	assert_ok(doca_pe_destroy(pe));
	assert_false(s->src.added);
	drop_source(s);
}

static enum ctx_progress count_ready(struct pe_source *src, uint32_t revents)
{
	container_of(src, struct test_source, src)->nr_ready++;
	return CTX_EVENT;
}

static void test_paused_source_is_quiet(void **state)
{
	struct doca_pe *pe = new_pe();
	struct test_source s = { .src = { .ready = count_ready } };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	s.src.fd = pair[0];
	assert_int_equal(pe_source_add(pe, &s.src), 0); /* paused from the start */
	close(pair[1]);
	assert_ok(doca_pe_request_notification(pe));
	assert_false(is_readable(pe)); /* although the peer has hung up */
	assert_ok(doca_pe_clear_notification(pe, 0));
	assert_int_equal(doca_pe_progress(pe), 0);
	assert_int_equal(pe_source_modify(pe, &s.src, EPOLLIN), 0);
	assert_true(is_readable(pe));
	assert_ok(doca_pe_clear_notification(pe, 0));
	assert_int_equal(doca_pe_progress(pe), 1);
	assert_int_equal(pe_source_modify(pe, &s.src, 0), 0);
	assert_int_equal(pe_source_modify(pe, &s.src, 0), 0);
	assert_ok(doca_pe_request_notification(pe));
	assert_false(is_readable(pe));
	assert_int_equal(s.nr_ready, 1);
	pe_source_remove(pe, &s.src);
	close(pair[0]);
	assert_ok(doca_pe_destroy(pe));
}

static void test_source_feeds_context(void **state)
{
	struct doca_pe *pe = new_pe();
	struct fake_ctx *fake = new_running(pe, 0);
	struct test_source *s = new_source(pe, CTX_HOUSEKEEPING);

	signal_source(s);
	usleep(50);
	fake->chores = 0;
	fake->events = 0;
	assert_int_equal(doca_pe_progress(pe), 0);
	assert_int_equal(fake->nr_visits, 2); /* once more after the source did something */
	drop_source(s);
	drop(fake);
	assert_ok(doca_pe_destroy(pe));
}

static void test_source_removed_while_batch_is_pending(void **state)
{
	struct doca_pe *pe = new_pe();
	struct test_source *s[3];
	int i;

	for (i = 0; i < 3; i++) {
		s[i] = new_source(pe, CTX_EVENT);
		signal_source(s[i]);
	}
	usleep(50);
	/* Ready ones are reported in the order of their signals: all three are one batch. */
	s[0]->remove = s[1];
	assert_int_equal(doca_pe_progress(pe), 1);
	assert_int_equal(s[0]->nr_ready, 1);
	assert_null(s[0]->remove); /* s[1] is gone, closed and freed */
	assert_int_equal(doca_pe_progress(pe), 1);
	assert_int_equal(s[2]->nr_ready, 1);
	usleep(50);
	assert_int_equal(doca_pe_progress(pe), 0);
	drop_source(s[0]);
	drop_source(s[2]);
	assert_ok(doca_pe_destroy(pe));
}

static void test_contexts_do_not_starve_sources(void **state)
{
	struct doca_pe *pe = new_pe();
	struct fake_ctx *fake = new_running(pe, 1000);
	struct test_source *s = new_source(pe, CTX_EVENT);
	int i;

	signal_source(s);
	for (i = 0; i < 130 && !s->nr_ready; i++)
		assert_int_equal(doca_pe_progress(pe), 1);
	assert_int_equal(s->nr_ready, 1);
	fake->events = 0;
	drop_source(s);
	drop(fake);
	assert_ok(doca_pe_destroy(pe));
}

/* Sleeping */

static void test_notification(void **state)
{
	struct doca_pe *pe = new_pe();
	struct fake_ctx *fake = new_running(pe, 0);
	struct test_msg m = msg_of(pe, CTX_EVENT);

	assert_ok(doca_pe_request_notification(pe));
	assert_int_equal(fake->nr_arms, 1);
	assert_false(is_readable(pe));
	pe_post(pe, &m.msg);
	assert_true(is_readable(pe));
	assert_ok(doca_pe_clear_notification(pe, 0));
	assert_int_equal(fake->nr_disarms, 1);
	assert_false(is_readable(pe));
	assert_int_equal(doca_pe_progress(pe), 1);

	pe_post(pe, &m.msg); /* between the last progress and arming */
	assert_false(is_readable(pe));
	assert_ok(doca_pe_request_notification(pe));
	assert_true(is_readable(pe));
	assert_int_equal(doca_pe_progress(pe), 1); /* without clear: a unit clears as well */
	assert_int_equal(fake->nr_disarms, 2);
	assert_false(is_readable(pe));

	fake->work_at_arm = true;
	assert_ok(doca_pe_request_notification(pe));
	assert_true(is_readable(pe));
	fake->work_at_arm = false;
	assert_ok(doca_pe_request_notification(pe)); /* clears what nobody cleared */
	assert_false(is_readable(pe));
	drop(fake);
	assert_ok(doca_pe_destroy(pe));
}

static void test_start_while_armed_wakes(void **state)
{
	struct doca_pe *pe = new_pe();
	struct fake_ctx *fake;

	assert_ok(doca_pe_request_notification(pe));
	fake = new_running(pe, 0); /* was not asked to arm */
	assert_true(is_readable(pe));
	assert_ok(doca_pe_clear_notification(pe, 0));
	assert_ok(doca_pe_request_notification(pe));
	assert_false(is_readable(pe));
	assert_ok(doca_ctx_stop(&fake->ctx));
	assert_true(is_readable(pe));
	drop(fake);
	assert_ok(doca_pe_destroy(pe));
}

static void test_source_wakes(void **state)
{
	struct doca_pe *pe = new_pe();
	struct test_source *s = new_source(pe, CTX_EVENT);

	assert_ok(doca_pe_request_notification(pe));
	assert_false(is_readable(pe));
	signal_source(s);
	assert_true(is_readable(pe));
	assert_ok(doca_pe_clear_notification(pe, 0));
	assert_int_equal(doca_pe_progress(pe), 1); /* looked at once after a wake-up */
	assert_int_equal(doca_pe_progress(pe), 0);
	assert_ok(doca_pe_request_notification(pe));
	assert_false(is_readable(pe));
	drop_source(s);
	assert_ok(doca_pe_destroy(pe));
}

static void test_chore_while_armed_keeps_awake(void **state)
{
	struct doca_pe *pe = new_pe();
	struct fake_ctx *fake = new_running(pe, 0);

	assert_ok(doca_pe_request_notification(pe));
	fake->chores = 1;
	assert_int_equal(doca_pe_progress(pe), 0);
	assert_true(is_readable(pe)); /* so that whoever sleeps now arms again first */
	drop(fake);
	assert_ok(doca_pe_destroy(pe));
}

/* No lost wake-up: every message arrives although the engine sleeps in between. */

#define STRESS_SENDERS 2
#define STRESS_ROUNDS 10000
#define STRESS_WINDOW 4

struct stress_sender {
	struct doca_pe *pe;
	unsigned int index;
	struct stress_msg {
		struct pe_msg msg;
		struct stress_sender *sender;
		unsigned int seq;
	} msgs[STRESS_WINDOW];
	unsigned int received; /* atomic: messages run */
	bool in_order;
};

static enum ctx_progress run_stress(struct pe_msg *msg)
{
	struct stress_msg *m = container_of(msg, struct stress_msg, msg);
	struct stress_sender *s = m->sender;
	unsigned int received = s->received;

	s->in_order &= m->seq == received;
	/* From here on the sender may use the message again. */
	__atomic_store_n(&s->received, received + 1, __ATOMIC_RELEASE);
	return received % 3 ? CTX_EVENT : CTX_HOUSEKEEPING;
}

static void *stress_thread(void *arg)
{
	struct stress_sender *s = arg;
	unsigned int seq, spin = 0;

	for (seq = 0; seq < STRESS_ROUNDS; seq++) {
		/* Window 1 is a ping-pong, which meets the engine on its way to sleep. */
		unsigned int window = seq & 1024 ? STRESS_WINDOW : 1;
		struct stress_msg *m = &s->msgs[seq % STRESS_WINDOW];

		while (seq - __atomic_load_n(&s->received, __ATOMIC_ACQUIRE) >= window)
			if (++spin % 64 == 0)
				sched_yield();
		m->seq = seq;
		if (!pe_post(s->pe, &m->msg))
			return "a message that had run was still queued";
	}
	return NULL;
}

static bool stress_is_over(const struct stress_sender *s)
{
	unsigned int i;

	for (i = 0; i < STRESS_SENDERS; i++)
		if (s[i].received < STRESS_ROUNDS)
			return false;
	return true;
}

static void stress(enum doca_pe_event_mode mode)
{
	struct stress_sender senders[STRESS_SENDERS] = { 0 };
	struct doca_pe *pe = new_pe();
	struct pollfd pfd = { .events = POLLIN };
	pthread_t threads[STRESS_SENDERS];
	unsigned int i, k;
	void *complaint;

	assert_ok(doca_pe_set_event_mode(pe, mode));
	assert_ok(doca_pe_get_notification_handle(pe, &pfd.fd));
	for (i = 0; i < STRESS_SENDERS; i++) {
		senders[i].pe = pe;
		senders[i].in_order = true;
		for (k = 0; k < STRESS_WINDOW; k++) {
			senders[i].msgs[k].msg.fn = run_stress;
			senders[i].msgs[k].sender = &senders[i];
		}
		assert_int_equal(pthread_create(&threads[i], NULL, stress_thread, &senders[i]), 0);
	}
	while (!stress_is_over(senders)) {
		assert_ok(doca_pe_request_notification(pe));
		assert_int_equal(poll(&pfd, 1, 10000), 1);
		if (mode == DOCA_PE_EVENT_MODE_PROGRESS_SELECTIVE)
			assert_ok(doca_pe_clear_notification(pe, 0));
		while (doca_pe_progress(pe))
			;
	}
	for (i = 0; i < STRESS_SENDERS; i++) {
		assert_int_equal(pthread_join(threads[i], &complaint), 0);
		assert_null(complaint);
		assert_true(senders[i].in_order);
	}
	assert_ok(doca_pe_destroy(pe));
}

static void test_no_lost_wakeup(void **state)
{
	stress(DOCA_PE_EVENT_MODE_PROGRESS_SELECTIVE);
	stress(DOCA_PE_EVENT_MODE_PROGRESS_ALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(test_connect_is_for_life),
		cmocka_unit_test(test_one_unit_round_robin),
		cmocka_unit_test(test_idle_contexts_are_not_visited),
		cmocka_unit_test(test_housekeeping_is_no_unit),
		cmocka_unit_test(test_destroy_in_callback),
		cmocka_unit_test(test_reentry_is_refused),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_messages_do_not_starve_contexts),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_engine_lets_sources_go),
		cmocka_unit_test(test_paused_source_is_quiet),
		cmocka_unit_test(test_source_feeds_context),
		cmocka_unit_test(test_source_removed_while_batch_is_pending),
		cmocka_unit_test(test_contexts_do_not_starve_sources),
		cmocka_unit_test(test_notification),
		cmocka_unit_test(test_start_while_armed_wakes),
		cmocka_unit_test(test_source_wakes),
		cmocka_unit_test(test_chore_while_armed_keeps_awake),
		cmocka_unit_test(test_no_lost_wakeup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
