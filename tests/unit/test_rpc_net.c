/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The RPC engine over TCP: connecting, losing, coming back from where it was known, several
 * connections.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "nfs_rig.h"

#define LIMIT_NS 20000000000ull /* a busy machine may take its time */

struct one {
	struct nfs_call call;
	int done, err;
	struct nfs_result res;
};

static struct nfs_mount mnt;
static struct nfs_client *client;
static int listener;
static struct sockaddr_storage where;
static const struct nfs_cred cred;
static const struct nfs_fh fh = { .len = 4, .data = "root" };

static void on_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct one *o = container_of(call, struct one, call);

	o->done++;
	o->err = err;
	o->res = *res;
}

static void go(struct one *o, enum nfs_proc proc)
{
	memset(o, 0, sizeof(*o));
	o->call = (struct nfs_call){ .proc = proc, .cred = &cred, .fh = &fh, .done = on_done };
	nfs_client_call(client, &o->call);
}

static void run_for(int ms)
{
	uint64_t until = clock_ns() + (uint64_t)ms * 1000000;

	do {
		client->ready = true;
		nfs_client_poll(client);
		usleep(1000);
	} while (clock_ns() < until);
}

/* Rounds until fd has something. */
static void await(int fd)
{
	uint64_t until = clock_ns() + LIMIT_NS;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (poll(&p, 1, 0) <= 0) {
		assert_true(clock_ns() < until);
		run_for(1);
	}
}

static void listen_at(struct sockaddr_storage *a)
{
	const int on = 1;
	socklen_t len = rpc_addr_len(a);

	listener = socket(a->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(listener >= 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(listener, (struct sockaddr *)a, len), 0);
	assert_int_equal(listen(listener, 16), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)a, &len), 0);
}

static void start(const char *address, int family, unsigned int nconnect)
{
	memset(&where, 0, sizeof(where));
	where.ss_family = (sa_family_t)family;
	if (family == AF_INET6)
		((struct sockaddr_in6 *)&where)->sin6_addr = in6addr_loopback;
	else
		((struct sockaddr_in *)&where)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listen_at(&where);
	memset(&mnt, 0, sizeof(mnt));
	mnt.opts.server = address;
	mnt.opts.timeo_ms = 60000;
	mnt.opts.retrans = 2;
	mnt.opts.nconnect = nconnect;
	mnt.opts.nfs_port = mnt.nfs_port = rpc_addr_port(&where);
	snprintf(mnt.address, sizeof(mnt.address), "%s", address);
	assert_int_equal(nfs_client_create(&mnt, NULL, &client), 0);
}

static int stop(void **state)
{
	nfs_client_destroy(client);
	if (listener >= 0)
		close(listener);
	return 0;
}

static int take_connection(uint16_t *ret_port)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);
	int fd;

	await(listener);
	fd = accept(listener, (struct sockaddr *)&a, &len);
	assert_true(fd >= 0);
	*ret_port = rpc_addr_port(&a);
	return fd;
}

/* A call, of which only its id matters. */
static uint32_t take_call(int fd)
{
	uint8_t buf[512];
	uint32_t word[2];
	size_t len;

	await(fd);
	assert_int_equal(recv(fd, word, 8, MSG_WAITALL), 8);
	len = (be32toh(word[0]) & ~RPC_LAST) - 4;
	assert_in_range(len, 36, sizeof(buf));
	assert_int_equal(recv(fd, buf, len, MSG_WAITALL), len);
	return be32toh(word[1]);
}

static void answer_access(int fd, uint32_t xid)
{
	uint8_t buf[64];
	struct xdr_out x = { buf, buf + sizeof(buf), false };

	xdr_put32(&x, RPC_LAST | 36);
	xdr_put32(&x, xid);
	xdr_put32(&x, 1);
	for (int i = 0; i < 6; i++)
		xdr_put32(&x, 0);
	xdr_put32(&x, 0x1f);
	assert_int_equal(send(fd, buf, (size_t)(x.p - buf), MSG_NOSIGNAL), 40);
}

static void expect_done(struct one *o)
{
	uint64_t until = clock_ns() + LIMIT_NS;

	while (!o->done) {
		assert_true(clock_ns() < until);
		run_for(1);
	}
	assert_int_equal(o->err, 0);
	assert_int_equal(o->res.access, 0x1f);
}

static void one_call(void)
{
	struct one o;
	uint16_t port;
	int fd;

	go(&o, NFS_ACCESS);
	fd = take_connection(&port);
	if (port > 1023)
		assert_false(rig_reserved_left());
	answer_access(fd, take_call(fd));
	expect_done(&o);
	assert_int_equal(nfs_client_epoch(client, false), 1);
	assert_int_equal(client->stats.connects, 1);
	close(fd);
}

static void test_ipv4(void **state)
{
	start("127.0.0.1", AF_INET, 1);
	one_call();
}

static void test_ipv6(void **state)
{
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	bool works = fd >= 0 && !bind(fd, (struct sockaddr *)&a, sizeof(a));

	close(fd);
	if (!works) {
		client = NULL;
		listener = -1;
		skip();
	}
	start("::1", AF_INET6, 1);
	one_call();
}

/* The server goes away with calls: the same ids, from the same port, known as sent before. */
static void test_reconnect(void **state)
{
	uint32_t xid[2];
	uint16_t port[2];
	struct one o[2];
	int fd;

	start("127.0.0.1", AF_INET, 1);
	go(&o[0], NFS_ACCESS);
	go(&o[1], NFS_ACCESS);
	fd = take_connection(&port[0]);
	xid[0] = take_call(fd);
	xid[1] = take_call(fd);
	close(fd);
	fd = take_connection(&port[1]);
	assert_int_equal(port[1], port[0]);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(take_call(fd), xid[i]);
		answer_access(fd, xid[i]);
		expect_done(&o[i]);
		assert_true(o[i].res.resent);
	}
	assert_int_equal(nfs_client_epoch(client, false), 2);
	close(fd);
}

/* Nobody listens for a while: said, and taken back. */
static void test_outage(void **state)
{
	struct one o, given_up;
	uint16_t port;
	int fd;

	start("127.0.0.1", AF_INET, 1);
	close(listener);
	go(&o, NFS_ACCESS);
	go(&given_up, NFS_ACCESS);
	while (!client->nfs.complained)
		run_for(10);
	nfs_client_cancel(client, &given_up.call);
	run_for(1);
	assert_int_equal(given_up.err, -EINTR);
	assert_int_equal(o.done, 0);
	listen_at(&where);
	fd = take_connection(&port);
	answer_access(fd, take_call(fd));
	expect_done(&o);
	assert_false(client->nfs.complained);
	close(fd);
}

/* One address of the server is dead, another is not. */
static void test_other_address(void **state)
{
	struct rpc_addrs *a;
	uint16_t port;
	struct one o;
	int fd;

	start("127.0.0.1", AF_INET, 1);
	a = &client->nfs.addrs;
	a->addr[1] = a->addr[0];
	a->nr = 2;
	rpc_addr_set_port(&a->addr[0], 1);
	go(&o, NFS_ACCESS);
	fd = take_connection(&port);
	answer_access(fd, take_call(fd));
	expect_done(&o);
	close(fd);
}

/* The name is asked for again when nobody answers, without anyone waiting for it. */
static void test_resolve(void **state)
{
	uint16_t port;
	struct one o;
	int fd;

	start("127.0.0.1", AF_INET, 1);
	snprintf(client->nfs.where.server, sizeof(client->nfs.where.server), "127.0.0.1");
	client->nfs.fixed = false;
	rpc_addr_set_port(&client->nfs.addrs.addr[0], 1); /* where it used to be */
	go(&o, NFS_ACCESS);
	fd = take_connection(&port);
	answer_access(fd, take_call(fd));
	expect_done(&o);
	close(fd);
}

/* Calls take turns, but those on one file that must stay in order. */
static void test_nconnect(void **state)
{
	struct one o[8];
	uint16_t port;
	int fd[4], nr[4] = { 0 };

	start("127.0.0.1", AF_INET, 4);
	for (int i = 0; i < 8; i++)
		go(&o[i], NFS_ACCESS);
	for (int i = 0; i < 4; i++)
		fd[i] = take_connection(&port);
	for (int i = 0; i < 8; i++) /* in turn: two for each */
		answer_access(fd[i % 4], take_call(fd[i % 4]));
	for (int i = 0; i < 8; i++)
		expect_done(&o[i]);
	/* What may not overtake its like stays on one. */
	for (int i = 0; i < 8; i++)
		go(&o[i], NFS_COMMIT);
	run_for(20);
	for (int i = 0; i < 4; i++) {
		uint8_t buf[4096];
		ssize_t n = recv(fd[i], buf, sizeof(buf), MSG_DONTWAIT);

		nr[i] = n > 0;
		close(fd[i]);
	}
	assert_int_equal(nr[0] + nr[1] + nr[2] + nr[3], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_ipv4, stop),
		cmocka_unit_test_teardown(test_ipv6, stop),
		cmocka_unit_test_teardown(test_reconnect, stop),
		cmocka_unit_test_teardown(test_outage, stop),
		cmocka_unit_test_teardown(test_other_address, stop),
		cmocka_unit_test_teardown(test_resolve, stop),
		cmocka_unit_test_teardown(test_nconnect, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
