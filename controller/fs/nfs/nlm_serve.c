/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlm_serve.h"

#include "xdr.h"

#define RPC_VERSION 2
#define AUTH_MAX 400 /* bytes of a credential or verifier, RFC 5531 */
#define NAME_BYTES 1024 /* of a host, as both protocols have it */

enum { CALL, REPLY };
enum { MSG_ACCEPTED, MSG_DENIED };
enum { SUCCESS, PROG_UNAVAIL, PROG_MISMATCH, PROC_UNAVAIL, GARBAGE_ARGS };
enum { NLM_NULL = 0, NLM_GRANTED_PROC = 5, NLM_GRANTED_MSG = 10, NSM_NOTIFY = 6 };

/* ---- NLM ---- */

static bool get_grant(struct xdr_in *x, struct nlm_grant *g)
{
	const uint8_t *p;
	uint32_t len;

	p = xdr_get_opaque(x, NLM_COOKIE_MAX, &g->cookie_len);
	if (p)
		memcpy(g->cookie, p, g->cookie_len);
	g->lock.exclusive = xdr_get32(x);
	xdr_get_opaque(x, NAME_BYTES, &len); /* our name */
	p = xdr_get_opaque(x, NFS_FH_MAX, &g->fh.len);
	if (p)
		memcpy(g->fh.data, p, g->fh.len);
	p = xdr_get_opaque(x, NFS_OH_MAX, &g->lock.oh_len);
	if (p)
		memcpy(g->lock.oh, p, g->lock.oh_len);
	g->lock.svid = xdr_get32(x);
	g->lock.offset = xdr_get64(x);
	g->lock.len = xdr_get64(x);
	return !x->bad;
}

static uint32_t serve_nlm(struct xdr_in *x, uint32_t proc, const struct nlm_user *user, struct xdr_out *out)
{
	struct nlm_grant g = { .msg = proc == NLM_GRANTED_MSG };
	enum nlm_stat stat;

	if (proc == NLM_NULL)
		return SUCCESS;
	if (proc != NLM_GRANTED_PROC && proc != NLM_GRANTED_MSG)
		return PROC_UNAVAIL;
	if (!get_grant(x, &g))
		return GARBAGE_ARGS;
	stat = user->granted(user, &g);
	if (g.msg)
		return SUCCESS;
	xdr_put_opaque(out, g.cookie, g.cookie_len);
	xdr_put32(out, stat);
	return SUCCESS;
}

/* ---- NSM ---- */

static uint32_t serve_nsm(struct xdr_in *x, uint32_t proc, const struct nlm_user *user, struct xdr_out *out)
{
	uint32_t len, state;

	if (proc == NLM_NULL)
		return SUCCESS;
	if (proc != NSM_NOTIFY)
		return PROC_UNAVAIL;
	xdr_get_opaque(x, NAME_BYTES, &len); /* whoever it says it is, the address counts */
	state = xdr_get32(x);
	if (x->bad)
		return GARBAGE_ARGS;
	user->restarted(user, state);
	return SUCCESS;
}

/* ---- RPC ---- */

static const struct program {
	uint32_t prog, vers;
	uint32_t (*serve)(struct xdr_in *x, uint32_t proc, const struct nlm_user *user, struct xdr_out *out);
} programs[] = {
	{ NLM_PROGRAM, NLM_VERSION, serve_nlm },
	{ NSM_PROGRAM, NSM_VERSION, serve_nsm },
};

static void skip_auth(struct xdr_in *x)
{
	uint32_t len;

	xdr_get32(x); /* of any kind: the address and the owner handle are what counts */
	xdr_get_opaque(x, AUTH_MAX, &len);
}

static size_t refuse_version(struct xdr_out *out, const uint8_t *begin)
{
	xdr_put32(out, MSG_DENIED);
	xdr_put32(out, 0); /* RPC_MISMATCH */
	xdr_put32(out, RPC_VERSION);
	xdr_put32(out, RPC_VERSION);
	return (size_t)(out->p - begin);
}

/* The status of the accepted call; its results, or the versions there are, go into out. */
static uint32_t serve_program(struct xdr_in *x, const struct nlm_user *user, struct xdr_out *out)
{
	uint32_t prog = xdr_get32(x), vers = xdr_get32(x), proc = xdr_get32(x);

	skip_auth(x);
	skip_auth(x);
	if (x->bad)
		return GARBAGE_ARGS;
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		const struct program *p = &programs[i];

		if (p->prog != prog)
			continue;
		if (p->vers == vers)
			return p->serve(x, proc, user, out);
		xdr_put32(out, p->vers);
		xdr_put32(out, p->vers);
		return PROG_MISMATCH;
	}
	return PROG_UNAVAIL;
}

size_t nlm_serve(const uint8_t *call, size_t len, const struct nlm_user *user, uint8_t *reply)
{
	struct xdr_in x = { call, call + len, false };
	struct xdr_out head = { reply, reply + NLM_REPLY_MAX, false }, out;
	uint32_t xid = xdr_get32(&x), type = xdr_get32(&x), version = xdr_get32(&x);

	if (x.bad || type != CALL)
		return 0;
	xdr_put32(&head, xid);
	xdr_put32(&head, REPLY);
	if (version != RPC_VERSION)
		return refuse_version(&head, reply);
	xdr_put32(&head, MSG_ACCEPTED);
	xdr_put32(&head, 0); /* verifier: none */
	xdr_put32(&head, 0);
	out = head;
	out.p += 4;
	xdr_put32(&head, serve_program(&x, user, &out));
	return (size_t)(out.p - reply);
}
