/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One TCP connection to a program of the server.
 *
 * Theory of operation
 *
 *   DOWN --calls wait, pause over--> CONNECTING --connected--> UP
 *    ^                                   |                     |
 *    +------------- lost ----------------+---------------------+
 *
 * Nothing here waits: sockets do not block, and names and ports are looked up by rpc_resolve.c.
 * Whoever finds the connection bad calls rpc_conn_lose(), at any depth; the client takes it down
 * when the stack is unwound. Calls that were out go back to the head of the queue with their
 * transaction ids, so that the server's duplicate request cache recognises them. It may know its
 * callers by their port, so the next connection tries to have the same one.
 *
 * The pause before an attempt grows until an answer comes, not until a connection does: something
 * may accept connections for a server that is dead. It varies at random, lest all clients of a
 * server come back in step.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "rpc.h"

#define BACKOFF_FIRST_NS 100000000ull
#define BACKOFF_MAX_NS 3000000000ull
/* Between two questions to the name server. */
#define RESOLVE_NS 10000000000ull
#define ABSENT_NS 1000000000ull /* the same where a port mapper has answered */
#define RESERVED_FIRST 665 /* below are well-known services */
#define RESERVED_LAST 1023

/* ---- the socket ---- */

static int bind_port(int fd, int family, uint16_t port)
{
	struct sockaddr_storage a = { .ss_family = (sa_family_t)family };

	rpc_addr_set_port(&a, port);
	return bind(fd, (struct sockaddr *)&a, rpc_addr_len(&a)) ? -errno : 0;
}

void rpc_bind_reserved(int fd, int family)
{
	const unsigned int nr = RESERVED_LAST - RESERVED_FIRST + 1;
	unsigned int start = (unsigned int)(clock_ns() >> 8) % nr;

	for (unsigned int i = 0; i < nr; i++) {
		int rc = bind_port(fd, family, (uint16_t)(RESERVED_FIRST + (start + i) % nr));

		if (rc != -EADDRINUSE)
			return; /* got one, or may not have any */
	}
}

static void set_option(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof(value)); /* without it, it works still */
}

static void set_options(struct rpc_conn *conn, int fd)
{
	const struct nfs_mount_opts *o = &conn->client->mnt->opts;
	unsigned int sec = max(o->timeo_ms / 1000, 1u);

	/*
	 * Each batch is one system call: Nagle would hold it back until the last is acknowledged.
	 */
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	sec = min(sec, 32767u);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)sec);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, (int)sec);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, (int)min(o->retrans + 1, 100u));
}

static void choose_port(struct rpc_conn *conn, int fd, int family)
{
	if (conn->same_port) {
		set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		if (!bind_port(fd, family, conn->local_port))
			return;
		conn->same_port = false;
		set_option(fd, SOL_SOCKET, SO_REUSEADDR, 0);
	}
	if (!conn->client->mnt->opts.noresvport)
		rpc_bind_reserved(fd, family);
}

static int open_socket(struct rpc_conn *conn, const struct sockaddr_storage *addr)
{
	int fd = socket(addr->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;

	if (fd < 0)
		return -errno;
	set_options(conn, fd);
	choose_port(conn, fd, addr->ss_family);
	if (!connect(fd, (const struct sockaddr *)addr, rpc_addr_len(addr)) || errno == EINPROGRESS)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/* ---- where to ---- */

static void refresh(struct rpc_dest *dest, bool ask)
{
	struct rpc_addrs addrs;
	uint64_t now = clock_ns();

	if (dest->resolve && rpc_resolve_take(&dest->resolve, &addrs)) {
		dest->absent = addrs.nr || !addrs.absent ? 0 : dest->absent + 1;
		if (addrs.nr) {
			dest->addrs = addrs;
			dest->next = 0;
		}
	}
	if (!ask || dest->fixed || dest->resolve)
		return;
	if (dest->asked_ns && now - dest->asked_ns < (dest->absent ? ABSENT_NS : RESOLVE_NS))
		return;
	dest->asked_ns = now;
	dest->resolve = rpc_resolve_start(&dest->where);
}

static void watch(struct rpc_conn *conn, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = conn };

	conn->events = events;
	if (epoll_ctl(conn->client->epfd, op, conn->fd, &ev))
		rpc_conn_lose(conn, "cannot be watched");
}

void rpc_conn_start(struct rpc_conn *conn)
{
	struct rpc_dest *dest = conn->dest;
	const struct sockaddr_storage *addr;
	int fd;

	refresh(dest, conn->backoff_ns > BACKOFF_FIRST_NS || !dest->addrs.nr);
	if (!dest->addrs.nr || clock_ns() < conn->retry_ns)
		return;
	addr = &dest->addrs.addr[dest->next % dest->addrs.nr];
	fd = open_socket(conn, addr);
	if ((fd == -EADDRNOTAVAIL || fd == -EADDRINUSE) && conn->same_port) {
		conn->same_port = false;
		fd = open_socket(conn, addr);
	}
	conn->state = RPC_CONNECTING;
	conn->since_ns = clock_ns();
	conn->fd = fd < 0 ? -1 : fd;
	if (fd < 0)
		rpc_conn_lose(conn, strerror(-fd));
	else
		watch(conn, EPOLL_CTL_ADD, EPOLLOUT);
}

/* The kernel may have connected a port of this machine to itself, when nobody listens on it. */
static bool is_itself(int fd, uint16_t *local_port)
{
	struct sockaddr_storage a = { 0 }, b = { 0 };
	socklen_t a_len = sizeof(a), b_len = sizeof(b);

	if (getsockname(fd, (struct sockaddr *)&a, &a_len) ||
	    getpeername(fd, (struct sockaddr *)&b, &b_len))
		return false;
	*local_port = rpc_addr_port(&a);
	return a_len == b_len && !memcmp(&a, &b, a_len);
}

void rpc_conn_check(struct rpc_conn *conn)
{
	struct pollfd pfd = { .fd = conn->fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int err = 0;

	if (poll(&pfd, 1, 0) <= 0)
		return;
	if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &err, &len) || err) {
		rpc_conn_lose(conn, strerror(err ? err : errno));
		return;
	}
	if (is_itself(conn->fd, &conn->local_port)) {
		rpc_conn_lose(conn, "nobody listens");
		return;
	}
	conn->state = RPC_UP;
	conn->since_ns = clock_ns();
	rpc_count(conn->dest->epoch, 1);
	rpc_count(conn->client->stats.connects, 1);
}

static uint64_t vary(struct nfs_client *client, uint64_t ns)
{
	return ns - ns / 4 + ns / 2 * (rpc_random(client) & 1023) / 1024;
}

/* Whatever became of it, this connection does not tell any more. */
static void lost_call(struct rpc_conn *conn, struct nfs_call *call)
{
	call->went_out = RPC_OUT_ELSEWHERE;
	call->lost_ns = conn->client->now_ns;
}

static void requeue(struct rpc_conn *conn)
{
	struct nfs_call *call;

	TAILQ_FOREACH(call, &conn->flight, link) {
		call->where = RPC_QUEUE;
		if (!rpc_sending(conn, call)) /* a server executes none of which it has only a part */
			lost_call(conn, call);
		call->sent_end = 0;
	}
	TAILQ_FOREACH(call, &conn->queue, link) { /* also those that were to be sent once more */
		if (call->went_out == RPC_OUT_HERE)
			lost_call(conn, call);
		call->sent_end = 0;
	}
	TAILQ_CONCAT(&conn->flight, &conn->queue, link);
	TAILQ_CONCAT(&conn->queue, &conn->flight, link);
	conn->nr_flight = conn->nr_large = 0;
}

void rpc_conn_down(struct rpc_conn *conn, bool abort)
{
	const struct linger at_once = { .l_onoff = 1 };

	if (conn->state == RPC_CONNECTING)
		conn->dest->next++;
	/* What is still in the socket would only reach the server a second time. */
	if (conn->fd >= 0 && abort)
		setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	if (conn->fd >= 0)
		close(conn->fd);
	conn->same_port = conn->state == RPC_UP;
	conn->fd = -1;
	conn->state = RPC_DOWN;
	conn->lost = NULL;
	requeue(conn);
	rpc_send_reset(conn);
	rpc_recv_reset(conn);
	conn->retry_ns = clock_ns() + vary(conn->client, conn->backoff_ns);
	conn->backoff_ns = max(conn->backoff_ns * 2, BACKOFF_FIRST_NS);
	conn->backoff_ns = min(conn->backoff_ns, BACKOFF_MAX_NS);
}

void rpc_conn_watch(struct rpc_conn *conn)
{
	uint32_t events = EPOLLIN;

	if (conn->state != RPC_UP || conn->lost)
		return;
	if (rpc_send_blocked(conn))
		events |= EPOLLOUT;
	if (events != conn->events)
		watch(conn, EPOLL_CTL_MOD, events);
}

int rpc_conn_init(struct rpc_conn *conn, struct nfs_client *client, struct rpc_dest *dest)
{
	conn->client = client;
	conn->dest = dest;
	conn->fd = -1;
	TAILQ_INIT(&conn->queue);
	TAILQ_INIT(&conn->flight);
	conn->in.size = RPC_IN_SIZE;
	conn->in.buf = malloc(RPC_IN_SIZE);
	conn->out.buf = malloc(RPC_OUT_SIZE);
	conn->out.iov = malloc(RPC_OUT_IOV * sizeof(*conn->out.iov));
	return conn->in.buf && conn->out.buf && conn->out.iov ? 0 : -ENOMEM;
}

void rpc_conn_fini(struct rpc_conn *conn)
{
	if (conn->fd >= 0 && conn->client)
		close(conn->fd);
	free(conn->in.buf);
	free(conn->out.buf);
	free(conn->out.iov);
}
