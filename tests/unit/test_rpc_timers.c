/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the RPC engine does after seconds, minutes and hours: timeo, retrans, hard, soft, softerr, pauses between
 * connections, idle connections, keepalive. The clock is the test's: clock_gettime() is wrapped by the linker.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "nfs_rig.h"

#define SECOND 1000000000ull

static struct rig r;
static uint64_t now_ns;
static const struct nfs_cred cred;
static const struct nfs_fh fh = { .len = 4, .data = "root" };

int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	ts->tv_sec = (time_t)(now_ns / SECOND);
	ts->tv_nsec = (long)(now_ns % SECOND);
	return 0;
}

struct one {
	struct nfs_call call;
	int done, err;
};

static void on_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct one *o = container_of(call, struct one, call);

	o->done++;
	o->err = err;
}

static void go(struct one *o)
{
	memset(o, 0, sizeof(*o));
	o->call = (struct nfs_call){ .proc = NFS_ACCESS, .cred = &cred, .fh = &fh, .done = on_done };
	nfs_client_call(r.client, &o->call);
	rig_run(&r);
}

/* Time goes by, as a thread sees it that is woken when the client wants to be. */
static void pass(double seconds)
{
	uint64_t until = now_ns + (uint64_t)(seconds * 1e9);

	while (now_ns < until) {
		now_ns = min(now_ns + SECOND / 2, until);
		rig_run(&r);
	}
}

/* The transaction id of the next call the server has, 0: there is none. */
static uint32_t get_xid(void)
{
	uint32_t word[2];
	uint8_t rest[512];

	if (read(r.peer, word, 8) != 8)
		return 0;
	assert_int_equal(read(r.peer, rest, (be32toh(word[0]) & ~RPC_LAST) - 4),
			 (be32toh(word[0]) & ~RPC_LAST) - 4);
	return be32toh(word[1]);
}

/* Answer of ACCESS: a status, no attributes, and what may be done. */
static void answer(uint32_t xid, uint32_t status)
{
	uint8_t buf[64];
	struct xdr_out x = { buf, buf + sizeof(buf), false };
	uint32_t len = status ? 32 : 36;

	xdr_put32(&x, RPC_LAST | len);
	xdr_put32(&x, xid);
	xdr_put32(&x, 1);
	for (int i = 0; i < 4; i++)
		xdr_put32(&x, 0);
	xdr_put32(&x, status);
	xdr_put32(&x, 0);
	if (!status)
		xdr_put32(&x, 1);
	assert_int_equal(write(r.peer, buf, len + 4), len + 4);
	rig_run(&r);
}

/* Something is heard from the server, so that it is not the connection that is dead. */
static void chat(void)
{
	struct one o;
	uint32_t xid;

	go(&o);
	while (!o.done) {
		xid = get_xid();
		assert_int_not_equal(xid, 0);
		if (xid == o.call.xid)
			answer(xid, 0);
	}
	assert_int_equal(o.err, 0);
}

/* timeo, then twice that, and so on up to ten minutes: as nfs(5) has it for TCP. */
static void test_linear_backoff(void **state)
{
	static const unsigned int waits[] = { 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 600, 600 };
	struct one lost;
	uint32_t xid;

	go(&lost);
	xid = get_xid();
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		uint64_t sent_ns = lost.call.sent_ns;

		pass(waits[i] - 3 - (double)(now_ns - sent_ns) / 1e9);
		chat();
		assert_int_equal(lost.call.retries, i);
		while (lost.call.retries == i)
			pass(0.5);
		assert_in_range(now_ns - sent_ns, waits[i] * SECOND, (waits[i] + 1) * SECOND);
		assert_int_equal(get_xid(), xid); /* the same: a server may know that it did it */
		assert_int_equal(rig_conn(&r)->state, RPC_UP);
	}
	assert_int_equal(lost.done, 0); /* hard: for ever */
	answer(xid, 0);
	assert_int_equal(lost.done, 1);
	assert_int_equal(lost.err, 0);
}

/* A server that says nothing at all: the connection is made anew, the admin is told, nobody gets an error. */
static void test_hard(void **state)
{
	struct one o;
	uint32_t xid;

	go(&o);
	xid = get_xid();
	pass(58);
	assert_int_equal(rig_conn(&r)->state, RPC_UP);
	assert_false(r.client->nfs.complained);
	pass(4);
	assert_int_equal(rig_conn(&r)->state, RPC_DOWN);
	assert_true(r.client->nfs.complained);
	pass(24 * 3600);
	assert_int_equal(o.done, 0);
	rig_connect(&r);
	rig_run(&r);
	assert_int_equal(get_xid(), xid);
	answer(xid, 0);
	assert_int_equal(o.done, 1);
	assert_false(r.client->nfs.complained);
}

/* After timeo * (retrans + 1). */
static void soft_ends(enum nfs_softness soft, int err)
{
	struct one o;

	r.mnt.opts.soft = soft;
	go(&o);
	pass(178);
	assert_int_equal(o.done, 0);
	pass(4);
	assert_int_equal(o.done, 1);
	assert_int_equal(o.err, err);
}

static void test_soft(void **state)
{
	soft_ends(NFS_SOFT, -EIO);
}

static void test_softerr(void **state)
{
	soft_ends(NFS_SOFTERR, -ETIMEDOUT);
}

/* A server that answers "later" is one that answers: nothing times out, whatever soft says. */
static void test_soft_jukebox(void **state)
{
	struct one o;

	r.mnt.opts.soft = NFS_SOFT;
	go(&o);
	for (int i = 0; i < 200; i++) {
		uint32_t xid = get_xid();

		if (xid)
			answer(xid, 10008);
		assert_int_equal(o.done, 0);
		pass(5);
	}
	assert_true(r.client->stats.jukebox > 100);
	assert_false(r.client->nfs.complained);
	/* Then it does not answer any more. */
	get_xid();
	pass(185);
	assert_int_equal(o.done, 1);
	assert_int_equal(o.err, -EIO);
}

/* Nothing to do for five minutes: the connection goes, and nobody calls that a failure. */
static void test_idle(void **state)
{
	char byte;

	chat();
	assert_in_range(nfs_client_timeout_ms(r.client), 1, 300000);
	pass(299);
	assert_int_equal(rig_conn(&r)->state, RPC_UP);
	pass(2);
	assert_int_equal(rig_conn(&r)->state, RPC_DOWN);
	assert_int_equal(read(r.peer, &byte, 1), 0);
	assert_int_equal(nfs_client_timeout_ms(r.client), -1); /* nothing to wake up for */
	assert_int_equal(r.client->stats.drops, 0);
	assert_false(r.client->nfs.complained);
	/* The next call has one again at once. */
	rig_connect(&r);
	chat();
}

/* A call that waits keeps its connection. */
static void test_not_idle(void **state)
{
	struct one o;

	r.mnt.opts.timeo_ms = 600000;
	go(&o);
	pass(400);
	assert_int_equal(rig_conn(&r)->state, RPC_UP);
}

/* At once, then 0.1 to 3 s, never the same for all. */
static void test_reconnect_pauses(void **state)
{
	struct rpc_conn *conn = rig_conn(&r);
	uint64_t want = 0, least = UINT64_MAX, most = 0;

	chat();
	for (int i = 0; i < 100; i++) {
		uint64_t pause;

		rpc_conn_down(conn, true);
		pause = conn->retry_ns - now_ns;
		assert_in_range(pause, want - want / 4, want + want / 4);
		if (i > 10) {
			least = min(least, pause);
			most = max(most, pause);
		}
		want = want ? min(want * 2, 3 * SECOND) : SECOND / 10;
	}
	assert_true(most - least > SECOND / 2);
	rig_connect(&r);
	chat(); /* an answer: from the beginning again */
	rpc_conn_down(conn, true);
	assert_int_equal(conn->retry_ns, now_ns);
}

/* ---- over TCP ---- */

static int tcp_option(int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(rig_conn(&r)->fd, level, name, &value, &len), 0);
	return value;
}

static void connect_tcp(int listener)
{
	struct rpc_conn *conn = rig_conn(&r);
	struct sockaddr_in *a = (struct sockaddr_in *)&conn->dest->addrs.addr[0];
	socklen_t len = sizeof(*a);

	rpc_conn_down(conn, true);
	assert_int_equal(getsockname(listener, (struct sockaddr *)a, &len), 0);
	conn->dest->addrs.nr = 1;
	conn->same_port = false;
	now_ns = conn->retry_ns;
	rpc_conn_start(conn);
	for (int i = 0; i < 1000 && conn->state != RPC_UP; i++) {
		assert_null(conn->lost);
		rpc_conn_check(conn);
		usleep(1000);
	}
	assert_int_equal(conn->state, RPC_UP);
}

static void test_socket(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 4), 0);
	r.mnt.opts.timeo_ms = 20000;
	r.mnt.opts.retrans = 4;
	connect_tcp(listener);
	assert_int_not_equal(tcp_option(SOL_SOCKET, SO_KEEPALIVE), 0);
	assert_int_equal(tcp_option(IPPROTO_TCP, TCP_KEEPIDLE), 20);
	assert_int_equal(tcp_option(IPPROTO_TCP, TCP_KEEPINTVL), 20);
	assert_int_equal(tcp_option(IPPROTO_TCP, TCP_KEEPCNT), 5);
	assert_int_not_equal(tcp_option(IPPROTO_TCP, TCP_NODELAY), 0);
	assert_true(fcntl(rig_conn(&r)->fd, F_GETFL) & O_NONBLOCK);
	for (int i = 0; i < 10 && rig_reserved_left() && rig_conn(&r)->local_port > 1023; i++)
		connect_tcp(listener);
	if (rig_reserved_left())
		assert_in_range(rig_conn(&r)->local_port, 1, 1023);
	r.mnt.opts.noresvport = true;
	connect_tcp(listener);
	assert_in_range(rig_conn(&r)->local_port, 1024, 65535);
	close(listener);
}

static int setup(void **state)
{
	now_ns = 1000000 * SECOND;
	rig_open(&r);
	return 0;
}

static int teardown(void **state)
{
	rig_close(&r);
	return 0;
}

int main(void)
{
#define TIMER_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TIMER_TEST(test_linear_backoff),
		TIMER_TEST(test_hard),
		TIMER_TEST(test_soft),
		TIMER_TEST(test_softerr),
		TIMER_TEST(test_soft_jukebox),
		TIMER_TEST(test_idle),
		TIMER_TEST(test_not_idle),
		TIMER_TEST(test_reconnect_pauses),
		TIMER_TEST(test_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
