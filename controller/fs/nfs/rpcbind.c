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
#define LIMIT_NS 1000000000ull
#define UADDR_MAX 64 /* "ip.hi.lo" */

enum { RPCB_SET = 1, RPCB_UNSET, RPCB_GETADDR };

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

/* One call about a program; an answer of words in *x. */
static int ask(uint32_t proc, uint32_t prog, uint32_t vers, const char *netid, const char *uaddr,
	       struct rpc_sync *s, struct xdr_in *x)
{
	struct xdr_out a;
	int rc = open_local(s);

	if (rc)
		return rc;
	a = rpc_sync_begin(s, (struct nfs3_number){ RPCB_PROGRAM, RPCB_VERSION, proc }, NULL);
	xdr_put32(&a, prog);
	xdr_put32(&a, vers);
	xdr_put_string(&a, netid);
	xdr_put_string(&a, uaddr);
	xdr_put_string(&a, ""); /* the owner: it knows who we are */
	rc = rpc_sync_end(s, &a, x);
	rpc_sync_close(s);
	return rc;
}

static int set(uint32_t proc, uint32_t prog, uint32_t vers, const char *netid, const char *uaddr)
{
	struct rpc_sync *s = malloc(sizeof(*s));
	struct xdr_in x;
	int rc;

	if (!s)
		return -ENOMEM;
	rc = ask(proc, prog, vers, netid, uaddr, s, &x);
	if (!rc && !xdr_get32(&x))
		rc = x.bad ? -EBADMSG : -EPERM;
	free(s);
	return rc;
}

/* ---- who else is there ---- */

/* The port of "h1.h2.h3.h4.p1.p2"; 0: none. */
static uint16_t port_of(const uint8_t *p, uint32_t len)
{
	char text[UADDR_MAX + 1];
	unsigned int hi, lo;
	const char *dot;

	memcpy(text, p, len);
	text[len] = '\0';
	for (dot = text + strlen(text); dot > text && *dot != '.'; dot--)
		;
	for (dot -= dot > text; dot > text && *dot != '.'; dot--)
		;
	if (sscanf(dot, ".%u.%u", &hi, &lo) != 2 || hi > 255 || lo > 255)
		return 0;
	return (uint16_t)(hi << 8 | lo);
}

/* Does somebody answer there, at once? */
static bool is_alive(struct rpc_sync *s, uint32_t prog, uint32_t vers, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(port) };
	struct sockaddr_storage addr = { 0 };
	struct xdr_out args;
	struct xdr_in x;
	int rc;

	memcpy(&addr, &a, sizeof(a));
	if (rpc_sync_open(s, &addr, false, clock_ns() + LIMIT_NS))
		return false;
	args = rpc_sync_begin(s, (struct nfs3_number){ prog, vers, 0 }, NULL);
	rc = rpc_sync_end(s, &args, &x);
	rpc_sync_close(s);
	return rc != -ECONNRESET && rc != -EPIPE && rc != -EPROTONOSUPPORT;
}

/* The port somebody has registered; 0: none. */
static int registered(struct rpc_sync *s, uint32_t prog, uint32_t vers, const char *netid, uint16_t *port)
{
	const uint8_t *p;
	struct xdr_in x;
	uint32_t len;
	int rc = ask(RPCB_GETADDR, prog, vers, netid, "", s, &x);

	*port = 0;
	if (rc)
		return rc;
	p = xdr_get_opaque(&x, UADDR_MAX, &len);
	if (p)
		*port = port_of(p, len);
	return 0;
}

/* 0: nobody, or somebody who is not there any more. */
static int look(uint32_t prog, uint32_t vers)
{
	struct rpc_sync *s = malloc(sizeof(*s));
	uint16_t tcp, udp;
	int rc;

	if (!s)
		return -ENOMEM;
	rc = registered(s, prog, vers, "tcp", &tcp);
	if (!rc)
		rc = registered(s, prog, vers, "udp", &udp);
	/* We always have both. */
	if (!rc && (tcp || udp) && (!tcp || !udp || is_alive(s, prog, vers, tcp)))
		rc = -EEXIST;
	free(s);
	return rc;
}

/* ---- registering ---- */

void rpcbind_unregister(uint32_t prog, uint32_t vers, bool v6)
{
	for (size_t i = 0; i < ARRAY_SIZE(nets); i++)
		if (v6 || !nets[i].v6)
			(void)set(RPCB_UNSET, prog, vers, nets[i].id, "");
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
