/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpcbind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "rpc.h"

#define RPCB_PROGRAM 100000
#define RPCB_VERSION 4
#define PMAP_VERSION 2 /* its question for a port is not about the transport it comes over */
#define LIMIT_NS 1000000000ull
#define UADDR_MAX 64 /* "ip.hi.lo" */

enum { RPCB_SET = 1, RPCB_UNSET };
enum { PMAP_GETPORT = 3 };
enum { PMAP_TCP = 6, PMAP_UDP = 17 };

const char *rpcbind_path = "/run/rpcbind.sock";

static const struct net {
	const char *id, *any;
	bool udp, v6;
} nets[] = {
	{ "tcp", "0.0.0.0", false, false },
	{ "udp", "0.0.0.0", true, false },
	{ "tcp6", "::", false, true },
	{ "udp6", "::", true, true },
};

static int open_local(struct rpc_sync *s)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int rc;

	s->until_ns = clock_ns() + LIMIT_NS;
	s->xid = (uint32_t)clock_ns();
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", rpcbind_path);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return -errno;
	rc = connect(s->fd, (struct sockaddr *)&a, sizeof(a)) ? -errno : 0;
	if (rc)
		rpc_sync_close(s);
	return rc;
}

/* A question that is answered with a number. */
struct ask {
	struct nfs3_number number;
	uint32_t prog, vers, proto;
	const char *netid, *uaddr;
};

static void fill(struct xdr_out *a, const struct ask *q)
{
	xdr_put32(a, q->prog);
	xdr_put32(a, q->vers);
	if (q->number.vers == PMAP_VERSION) {
		xdr_put32(a, q->proto);
		xdr_put32(a, 0);
		return;
	}
	xdr_put_string(a, q->netid);
	xdr_put_string(a, q->uaddr);
	xdr_put_string(a, ""); /* the owner: it knows who we are */
}

static int ask(const struct ask *q, uint32_t *ret)
{
	struct rpc_sync *s = malloc(sizeof(*s));
	struct xdr_out a;
	struct xdr_in x;
	int rc = s ? open_local(s) : -ENOMEM;

	if (!rc) {
		a = rpc_sync_begin(s, q->number, NULL);
		fill(&a, q);
		rc = rpc_sync_end(s, &a, &x);
		if (!rc) {
			*ret = xdr_get32(&x);
			rc = x.bad ? -EBADMSG : 0;
		}
		rpc_sync_close(s);
	}
	free(s);
	return rc;
}

static int set(uint32_t proc, uint32_t prog, uint32_t vers, const char *netid, const char *uaddr)
{
	const struct ask q = { .number = { RPCB_PROGRAM, RPCB_VERSION, proc }, .prog = prog, .vers = vers,
			       .netid = netid, .uaddr = uaddr };
	uint32_t ok;
	int rc = ask(&q, &ok);

	return !rc && !ok ? -EPERM : rc;
}

/* The port somebody has registered; 0: none. */
static int registered(uint32_t prog, uint32_t vers, uint32_t proto, uint32_t *port)
{
	const struct ask q = { .number = { RPCB_PROGRAM, PMAP_VERSION, PMAP_GETPORT }, .prog = prog,
			       .vers = vers, .proto = proto };

	return ask(&q, port);
}

/* ---- who else is there ---- */

/* Does somebody serve it there? Only a clear no is one. */
static bool is_alive(uint32_t prog, uint32_t vers, uint16_t port)
{
	struct rpc_sync *s = malloc(sizeof(*s));
	struct sockaddr_storage addr = { .ss_family = AF_INET };
	struct xdr_out args;
	struct xdr_in x;
	int rc;

	if (!s)
		return true;
	((struct sockaddr_in *)&addr)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	rpc_addr_set_port(&addr, port);
	rc = rpc_sync_open(s, &addr, false, clock_ns() + LIMIT_NS);
	if (!rc) {
		args = rpc_sync_begin(s, (struct nfs3_number){ prog, vers, 0 }, NULL);
		rc = rpc_sync_end(s, &args, &x);
		rpc_sync_close(s);
	}
	free(s);
	return rc != -ECONNREFUSED && rc != -ECONNRESET && rc != -EPROTONOSUPPORT;
}

/* 0: nobody, or somebody who is not there any more. */
static int look(uint32_t prog, uint32_t vers)
{
	uint32_t tcp, udp;
	int rc = registered(prog, vers, PMAP_TCP, &tcp);

	if (!rc)
		rc = registered(prog, vers, PMAP_UDP, &udp);
	if (rc || (!tcp && !udp))
		return rc;
	/* We always have both. */
	return !tcp || !udp || is_alive(prog, vers, (uint16_t)tcp) ? -EEXIST : 0;
}

/* ---- registering ---- */

void rpcbind_unregister(uint32_t prog, uint32_t vers, bool v6)
{
	int rc = 0;

	/* One that does not answer is waited for once. */
	for (size_t i = 0; i < ARRAY_SIZE(nets) && (!rc || rc == -EPERM); i++)
		if (v6 || !nets[i].v6)
			rc = set(RPCB_UNSET, prog, vers, nets[i].id, "");
}

int rpcbind_register(uint32_t prog, uint32_t vers, uint16_t tcp, uint16_t udp, bool v6)
{
	int rc = look(prog, vers);

	if (rc)
		return rc;
	rpcbind_unregister(prog, vers, true);
	for (size_t i = 0; i < ARRAY_SIZE(nets) && !rc; i++) {
		uint16_t port = nets[i].udp ? udp : tcp;
		char uaddr[UADDR_MAX];

		if (nets[i].v6 && !v6)
			continue;
		snprintf(uaddr, sizeof(uaddr), "%s.%u.%u", nets[i].any, port >> 8, port & 255u);
		rc = set(RPCB_SET, prog, vers, nets[i].id, uaddr);
	}
	if (rc)
		rpcbind_unregister(prog, vers, v6);
	return rc;
}
