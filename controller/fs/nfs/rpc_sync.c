/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One call at a time, waiting for its answer up to a deadline: for mounting and for port mappers,
 * where nothing else could go on anyway. Every wait is a poll() that ends with the deadline.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "rpc.h"

#define PMAP_PORT 111
#define PMAP_PROGRAM 100000
#define PMAP_TCP 6
#define UADDR_MAX 64 /* "ip.hi.lo" */

void rpc_addr_set_port(struct sockaddr_storage *a, uint16_t port)
{
	if (a->ss_family == AF_INET6)
		((struct sockaddr_in6 *)a)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)a)->sin_port = htons(port);
}

uint16_t rpc_addr_port(const struct sockaddr_storage *a)
{
	return ntohs(a->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)a)->sin6_port :
						((const struct sockaddr_in *)a)->sin_port);
}

int rpc_sync_addrs(const char *server, int family, struct rpc_addrs *ret)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = family }, *list, *ai;
	int rc = getaddrinfo(server, NULL, &hints, &list);

	ret->nr = 0;
	if (rc)
		return rc;
	for (ai = list; ai && ret->nr < RPC_MAX_ADDRS; ai = ai->ai_next) {
		if (ai->ai_family != AF_INET && ai->ai_family != AF_INET6)
			continue;
		memset(&ret->addr[ret->nr], 0, sizeof(ret->addr[0]));
		memcpy(&ret->addr[ret->nr++], ai->ai_addr, ai->ai_addrlen);
	}
	freeaddrinfo(list);
	return ret->nr ? 0 : EAI_FAMILY;
}

/* ---- waiting ---- */

static int wait_for(const struct rpc_sync *s, short events)
{
	struct pollfd pfd = { .fd = s->fd, .events = events };
	uint64_t now = clock_ns();
	int rc;

	if (now >= s->until_ns)
		return -ETIMEDOUT;
	rc = poll(&pfd, 1, (int)min((s->until_ns - now) / 1000000 + 1, (uint64_t)60000));
	return rc < 0 && errno != EINTR ? -errno : 0;
}

static int send_all(struct rpc_sync *s, const uint8_t *p, size_t len)
{
	while (len) {
		ssize_t n = send(s->fd, p, len, MSG_NOSIGNAL);
		int rc = 0;

		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN || errno == EINTR) {
			rc = wait_for(s, POLLOUT);
		} else {
			rc = -errno;
		}
		if (rc)
			return rc;
	}
	return 0;
}

static int recv_all(struct rpc_sync *s, uint8_t *p, size_t len)
{
	while (len) {
		ssize_t n = recv(s->fd, p, len, 0);
		int rc = 0;

		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else if (n == 0) {
			rc = -ECONNRESET;
		} else if (errno == EAGAIN || errno == EINTR) {
			rc = wait_for(s, POLLIN);
		} else {
			rc = -errno;
		}
		if (rc)
			return rc;
	}
	return 0;
}

int rpc_sync_open(struct rpc_sync *s, const struct sockaddr_storage *addr, bool reserved,
		  uint64_t until_ns)
{
	int err = 0, rc = 0;
	socklen_t len = sizeof(err);

	s->until_ns = until_ns;
	s->fd = socket(addr->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return -errno;
	if (getrandom(&s->xid, sizeof(s->xid), 0) < 0)
		s->xid = (uint32_t)clock_ns();
	if (reserved)
		rpc_bind_reserved(s->fd, addr->ss_family);
	if (connect(s->fd, (const struct sockaddr *)addr, rpc_addr_len(addr)) &&
	    errno != EINPROGRESS)
		rc = -errno;
	if (!rc)
		rc = wait_for(s, POLLOUT);
	if (!rc && getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0)
		rc = -err;
	if (rc)
		rpc_sync_close(s);
	return rc;
}

void rpc_sync_close(struct rpc_sync *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* ---- calls ---- */

struct xdr_out rpc_sync_begin(struct rpc_sync *s, struct nfs3_number number,
			      const struct nfs_cred *cred)
{
	struct xdr_out x = { s->buf + 4, s->buf + sizeof(s->buf), false };

	rpc_put_call(&x, ++s->xid, number, cred);
	return x;
}

/* One record, which may come in fragments. Its length or -errno. */
static int recv_record(struct rpc_sync *s)
{
	size_t len = 0;
	uint32_t mark;

	do {
		int rc = recv_all(s, (uint8_t *)&mark, sizeof(mark));

		/* Somebody may send for ever without saying anything. */
		if (!rc && clock_ns() >= s->until_ns)
			rc = -ETIMEDOUT;
		if (rc)
			return rc;
		mark = be32toh(mark);
		if ((mark & ~RPC_LAST) > sizeof(s->buf) - len)
			return -EMSGSIZE;
		rc = recv_all(s, s->buf + len, mark & ~RPC_LAST);
		if (rc)
			return rc;
		len += mark & ~RPC_LAST;
	} while (!(mark & RPC_LAST));
	return (int)len;
}

int rpc_sync_end(struct rpc_sync *s, struct xdr_out *args, struct xdr_in *x)
{
	struct xdr_out head = { s->buf, s->buf + 4, false };
	int rc;

	if (args->bad)
		return -ENAMETOOLONG;
	xdr_put32(&head, RPC_LAST | (uint32_t)(args->p - s->buf - 4));
	rc = send_all(s, s->buf, (size_t)(args->p - s->buf));
	if (rc)
		return rc;
	do {
		rc = recv_record(s);
		if (rc < 0)
			return rc;
		*x = (struct xdr_in){ s->buf, s->buf + rc, false };
	} while (xdr_get32(x) != s->xid); /* an answer to nobody */
	rc = rpc_get_reply(x);
	return rc == -ENODATA ? -EBADMSG : rc;
}

/* ---- port mappers ---- */

/* "h1.h2.h3.h4.p1.p2": only the port counts. */
static int port_of_uaddr(const uint8_t *p, uint32_t len)
{
	char text[UADDR_MAX + 1], *lo, *hi;
	int port;

	memcpy(text, p, len);
	text[len] = '\0';
	lo = strrchr(text, '.');
	if (!lo)
		return -ENOENT;
	*lo++ = '\0';
	hi = strrchr(text, '.');
	if (!hi)
		return -ENOENT;
	port = (atoi(hi + 1) & 255) << 8 | (atoi(lo) & 255);
	return port ? port : -ENOENT;
}

static int ask_rpcbind(struct rpc_sync *s, uint32_t prog, uint32_t vers)
{
	const struct nfs3_number getaddr = { PMAP_PROGRAM, 4, 3 };
	struct xdr_out a = rpc_sync_begin(s, getaddr, NULL);
	struct xdr_in x;
	const uint8_t *p;
	uint32_t len;
	int rc;

	xdr_put32(&a, prog);
	xdr_put32(&a, vers);
	xdr_put_string(&a, "tcp6");
	xdr_put_string(&a, "");
	xdr_put_string(&a, "");
	rc = rpc_sync_end(s, &a, &x);
	if (rc)
		return rc;
	p = xdr_get_opaque(&x, UADDR_MAX, &len);
	return p ? port_of_uaddr(p, len) : -EBADMSG;
}

static int ask_portmap(struct rpc_sync *s, uint32_t prog, uint32_t vers)
{
	const struct nfs3_number getport = { PMAP_PROGRAM, 2, 3 };
	struct xdr_out a = rpc_sync_begin(s, getport, NULL);
	struct xdr_in x;
	uint32_t port;
	int rc;

	xdr_put32(&a, prog);
	xdr_put32(&a, vers);
	xdr_put32(&a, PMAP_TCP);
	xdr_put32(&a, 0);
	rc = rpc_sync_end(s, &a, &x);
	if (rc)
		return rc;
	port = xdr_get32(&x);
	if (x.bad)
		return -EBADMSG;
	return port && port <= UINT16_MAX ? (int)port : -ENOENT;
}

int rpc_sync_port(struct sockaddr_storage *addr, uint32_t prog, uint32_t vers, uint64_t until_ns)
{
	struct rpc_sync *s = malloc(sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	rpc_addr_set_port(addr, PMAP_PORT);
	rc = rpc_sync_open(s, addr, false, until_ns);
	if (!rc) {
		rc = addr->ss_family == AF_INET6 ? ask_rpcbind(s, prog, vers) :
						   ask_portmap(s, prog, vers);
		rpc_sync_close(s);
	}
	free(s);
	if (rc < 0)
		return rc;
	rpc_addr_set_port(addr, (uint16_t)rc);
	return 0;
}
