/* SPDX-License-Identifier: BSD-3-Clause */
/* See nlm_listen.h. */
#include "nlm_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "doca_log.h"
#include "rpc.h"
#include "rpcbind.h"

DOCA_LOG_REGISTER(VIRTIOFS::NFS::CALLBACK);

#define MAX_CONNS 16
#define ROUND 64 /* datagrams, or reads, in a row */
#define RESTART_NS 1000000000ull /* between two restarts of a server that are believed */

struct conn {
	int fd; /* -1: free */
	uint64_t heard_ns;
	uint8_t addr[16];
	size_t have; /* of buf: the record's mark and so much of its fragments, joined */
	uint32_t frag_left;
	bool last;
	uint8_t mark_have, mark[4];
	uint8_t buf[NLM_CALL_MAX];
};

static struct listener {
	pthread_mutex_t lock;
	LIST_HEAD(, nlm_peer) peers; /* not empty: the rest is there, unless epfd is -1 */
	int epfd, tcp, udp;
	int spare; /* given up to take a connection when there are no more descriptors */
	uint16_t tcp_port, udp_port;
	bool v6, monitor; /* registered as status monitor, too */
	int rc; /* why there is none */
	const uint8_t *from; /* of the call being served */
	struct conn *conn; /* MAX_CONNS */
} lis = { .lock = PTHREAD_MUTEX_INITIALIZER, .epfd = -1, .tcp = -1, .udp = -1, .spare = -1 };

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- who calls ---- */

static void map_addr(const struct sockaddr_storage *a, uint8_t *ret)
{
	static const uint8_t v4_mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (a->ss_family == AF_INET6) {
		memcpy(ret, &((const struct sockaddr_in6 *)a)->sin6_addr, 16);
		return;
	}
	memcpy(ret, v4_mapped, 12);
	memcpy(ret + 12, &((const struct sockaddr_in *)a)->sin_addr, 4);
}

static bool is_server(const uint8_t *addr)
{
	struct nlm_peer *peer;

	LIST_FOREACH(peer, &lis.peers, link)
		if (!memcmp(peer->addr, addr, 16))
			return true;
	return false;
}

/* ---- what it says ---- */

/* Owner handles tell whose it is. */
static enum nlm_stat on_granted(const struct nlm_user *user, const struct nlm_grant *g)
{
	struct nlm_peer *peer;

	if (g->lock.oh_len < sizeof(*peer->host))
		return NLM_DENIED;
	LIST_FOREACH(peer, &lis.peers, link)
		if (!memcmp(g->lock.oh, peer->host, sizeof(*peer->host)) && !memcmp(peer->addr, lis.from, 16))
			return peer->granted(peer, g);
	return NLM_DENIED;
}

static void on_restarted(const struct nlm_user *user, uint32_t state)
{
	uint64_t now = clock_ns();
	struct nlm_peer *peer;

	LIST_FOREACH(peer, &lis.peers, link) {
		/* Status monitors repeat what was not answered; and a stranger may say it all the time. */
		if (memcmp(peer->addr, lis.from, 16) || (peer->told_ns && (peer->state == state ||
		    now - peer->told_ns < RESTART_NS)))
			continue;
		peer->state = state;
		peer->told_ns = now;
		DOCA_LOG_INFO("nfs: server %s says that it has restarted", peer->mnt->opts.server);
		peer->restarted(peer);
	}
}

static const struct nlm_user user = { on_granted, on_restarted };

void nlm_listen_restarted(const struct nlm_peer *which)
{
	struct nlm_peer *peer;

	pthread_mutex_lock(&lis.lock);
	LIST_FOREACH(peer, &lis.peers, link)
		if (!memcmp(peer->addr, which->addr, 16))
			peer->restarted(peer);
	pthread_mutex_unlock(&lis.lock);
}

/* ---- UDP ---- */

static void serve_datagrams(void)
{
	uint8_t buf[NLM_CALL_MAX], reply[NLM_REPLY_MAX], addr[16];

	for (int i = 0; i < ROUND; i++) {
		struct sockaddr_storage from = { 0 };
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(lis.udp, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from, &len);
		size_t answer;

		if (n < 0)
			return;
		map_addr(&from, addr);
		if (!is_server(addr))
			continue;
		lis.from = addr;
		answer = nlm_serve(buf, (size_t)n, &user, reply);
		if (answer)
			(void)sendto(lis.udp, reply, answer, MSG_DONTWAIT, (struct sockaddr *)&from, len);
	}
}

/* ---- TCP ---- */

static struct conn *place_for_one(void)
{
	struct conn *oldest = lis.conn;

	for (int i = 0; i < MAX_CONNS; i++) {
		struct conn *c = &lis.conn[i];

		if (c->fd < 0)
			return c;
		if (c->heard_ns < oldest->heard_ns)
			oldest = c;
	}
	close_fd(&oldest->fd);
	return oldest;
}

static void watch(int fd, struct conn *c)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	if (epoll_ctl(lis.epfd, EPOLL_CTL_ADD, fd, &ev))
		DOCA_LOG_WARN("nfs: cannot watch a socket: %s", strerror(errno));
}

/* A connection that cannot be taken would keep all threads awake. */
static void refuse_one(void)
{
	close_fd(&lis.spare);
	lis.spare = accept4(lis.tcp, NULL, NULL, SOCK_CLOEXEC);
	close_fd(&lis.spare);
	lis.spare = fcntl(lis.epfd, F_DUPFD_CLOEXEC, 0);
}

static void accept_one(void)
{
	struct sockaddr_storage from = { 0 };
	socklen_t len = sizeof(from);
	int fd = accept4(lis.tcp, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	uint8_t addr[16];
	struct conn *c;

	if (fd < 0 && (errno == EMFILE || errno == ENFILE))
		refuse_one();
	if (fd < 0)
		return;
	map_addr(&from, addr);
	if (!is_server(addr)) {
		close(fd);
		return;
	}
	c = place_for_one();
	memset(c, 0, offsetof(struct conn, buf));
	c->fd = fd;
	c->heard_ns = clock_ns();
	memcpy(c->addr, addr, 16);
	watch(fd, c);
}

/* False: it is not served any more. */
static bool answer(struct conn *c)
{
	uint8_t reply[4 + NLM_REPLY_MAX];
	struct xdr_out mark = { reply, reply + 4, false };
	size_t len;

	lis.from = c->addr;
	len = nlm_serve(c->buf, c->have, &user, reply + 4);
	c->have = 0;
	if (!len)
		return false;
	xdr_put32(&mark, RPC_LAST | (uint32_t)len);
	return send(c->fd, reply, len + 4, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len + 4;
}

/* Bytes of a mark or a fragment; 0: none now, -1: the connection has ended. */
static ssize_t receive(struct conn *c)
{
	bool in_mark = !c->frag_left;
	uint8_t *to = in_mark ? c->mark + c->mark_have : c->buf + c->have;
	size_t room = in_mark ? sizeof(c->mark) - c->mark_have : c->frag_left;
	ssize_t n = recv(c->fd, to, room, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -1;
	if (in_mark) {
		c->mark_have += (uint8_t)n;
	} else {
		c->have += (size_t)n;
		c->frag_left -= (uint32_t)n;
	}
	return n;
}

static bool take_mark(struct conn *c)
{
	struct xdr_in x = { c->mark, c->mark + 4, false };
	uint32_t mark = xdr_get32(&x);

	c->mark_have = 0;
	c->last = mark & RPC_LAST;
	c->frag_left = mark & ~RPC_LAST;
	return c->frag_left && c->frag_left <= sizeof(c->buf) - c->have;
}

static bool serve_conn(struct conn *c)
{
	for (int i = 0; i < ROUND; i++) {
		ssize_t n = receive(c);

		if (n <= 0)
			return n == 0;
		if (c->mark_have == sizeof(c->mark) && !take_mark(c))
			return false;
		if (!c->frag_left && c->have && c->last) {
			c->heard_ns = clock_ns();
			if (!answer(c))
				return false;
			c->last = false;
		}
	}
	return true; /* the rest with the next look */
}

static void serve_one(const struct epoll_event *ev)
{
	struct conn *c = ev->data.ptr;

	if (ev->data.ptr == &lis.tcp)
		accept_one();
	else if (ev->data.ptr == &lis.udp)
		serve_datagrams();
	else if (c->fd >= 0 && !serve_conn(c))
		close_fd(&c->fd);
}

void nlm_listen_poll(void)
{
	struct epoll_event ev;

	if (pthread_mutex_trylock(&lis.lock))
		return;
	/* One at a time: serving one may close another. */
	for (int i = 0; i < ROUND && lis.epfd >= 0 && epoll_wait(lis.epfd, &ev, 1, 0) == 1; i++)
		serve_one(&ev);
	pthread_mutex_unlock(&lis.lock);
}

/* ---- beginning and end ---- */

/* A bound socket, on any address and *port, which is filled in if it is 0. */
static int open_socket(int type, uint16_t *port)
{
	struct sockaddr_storage a = { .ss_family = lis.v6 ? AF_INET6 : AF_INET };
	int fd = socket(a.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), off = 0, on = 1, rc;
	socklen_t len = sizeof(a);

	if (fd < 0)
		return -errno;
	if (lis.v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (type == SOCK_STREAM) /* connections of the controller before are no obstacle */
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	rpc_addr_set_port(&a, *port);
	if (bind(fd, (struct sockaddr *)&a, rpc_addr_len(&a)) || (type == SOCK_STREAM && listen(fd, 8)) ||
	    getsockname(fd, (struct sockaddr *)&a, &len)) {
		rc = -errno;
		close(fd);
		return rc;
	}
	*port = rpc_addr_port(&a);
	return fd;
}

static bool has_v6(void)
{
	uint16_t port = 0;
	int fd;

	lis.v6 = true;
	fd = open_socket(SOCK_DGRAM, &port);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int open_sockets(uint16_t port)
{
	lis.v6 = has_v6();
	lis.tcp_port = lis.udp_port = port;
	lis.conn = calloc(MAX_CONNS, sizeof(*lis.conn));
	if (!lis.conn)
		return -ENOMEM;
	for (int i = 0; i < MAX_CONNS; i++)
		lis.conn[i].fd = -1;
	lis.epfd = epoll_create1(EPOLL_CLOEXEC);
	lis.tcp = open_socket(SOCK_STREAM, &lis.tcp_port);
	lis.udp = open_socket(SOCK_DGRAM, &lis.udp_port);
	lis.spare = fcntl(lis.epfd, F_DUPFD_CLOEXEC, 0);
	if (lis.epfd < 0 || lis.tcp < 0 || lis.udp < 0 || lis.spare < 0)
		return lis.tcp < 0 ? lis.tcp : lis.udp < 0 ? lis.udp : -EMFILE;
	watch(lis.tcp, (struct conn *)&lis.tcp);
	watch(lis.udp, (struct conn *)&lis.udp);
	return 0;
}

static void close_sockets(void)
{
	for (int i = 0; lis.conn && i < MAX_CONNS; i++)
		close_fd(&lis.conn[i].fd);
	close_fd(&lis.tcp);
	close_fd(&lis.udp);
	close_fd(&lis.spare);
	close_fd(&lis.epfd);
	free(lis.conn);
	lis.conn = NULL;
}

static int begin(uint16_t port)
{
	int rc = open_sockets(port);

	if (!rc)
		rc = rpcbind_register(NLM_PROGRAM, NLM_VERSION, lis.tcp_port, lis.udp_port, lis.v6);
	if (rc) {
		DOCA_LOG_WARN("nfs: servers cannot tell when a lock is free, so waiting locks are asked for again and again: %s",
			      rc == -EEXIST ? "this machine has a lock manager already" :
			      rc == -EADDRINUSE ? "callbackport is in use" :
			      rc == -ENOENT || rc == -ECONNREFUSED ? "there is no rpcbind on this machine" :
								     strerror(-rc));
		close_sockets();
		return rc;
	}
	/* Another one there is no harm: restarts are noticed by their connections, too. */
	lis.monitor = !rpcbind_register(NSM_PROGRAM, NSM_VERSION, lis.tcp_port, lis.udp_port, lis.v6);
	DOCA_LOG_INFO("nfs: lock manager on port %u%s", lis.tcp_port,
		      lis.monitor ? ", status monitor, too" : "");
	return 0;
}

static void end(void)
{
	if (lis.epfd < 0)
		return;
	if (lis.monitor)
		rpcbind_unregister(NSM_PROGRAM, NSM_VERSION, lis.v6);
	rpcbind_unregister(NLM_PROGRAM, NLM_VERSION, lis.v6);
	close_sockets();
}

int nlm_listen_add(struct nlm_peer *peer)
{
	uint16_t port = peer->mnt->opts.callback_port;
	struct rpc_addrs addrs;
	int rc;

	if (rpc_sync_addrs(peer->mnt->address, AF_UNSPEC, &addrs)) /* numeric */
		return -EINVAL;
	map_addr(&addrs.addr[0], peer->addr);
	pthread_mutex_lock(&lis.lock);
	if (LIST_EMPTY(&lis.peers))
		lis.rc = begin(port);
	else if (!lis.rc && port && port != lis.tcp_port)
		DOCA_LOG_WARN("nfs: servers call port %u, which another file system chose: callbackport=%u is not used",
			      lis.tcp_port, port);
	LIST_INSERT_HEAD(&lis.peers, peer, link);
	peer->heard = true;
	rc = lis.rc;
	pthread_mutex_unlock(&lis.lock);
	return rc;
}

void nlm_listen_remove(struct nlm_peer *peer)
{
	if (!peer->heard)
		return;
	pthread_mutex_lock(&lis.lock);
	LIST_REMOVE(peer, link);
	peer->heard = false;
	if (LIST_EMPTY(&lis.peers))
		end();
	pthread_mutex_unlock(&lis.lock);
}

int nlm_listen_fd(void)
{
	int fd;

	pthread_mutex_lock(&lis.lock);
	fd = lis.epfd < 0 ? -1 : fcntl(lis.epfd, F_DUPFD_CLOEXEC, 0);
	pthread_mutex_unlock(&lis.lock);
	return fd;
}

void nlm_listen_ports(uint16_t *tcp, uint16_t *udp)
{
	pthread_mutex_lock(&lis.lock);
	*tcp = lis.epfd < 0 ? 0 : lis.tcp_port;
	*udp = lis.epfd < 0 ? 0 : lis.udp_port;
	pthread_mutex_unlock(&lis.lock);
}
