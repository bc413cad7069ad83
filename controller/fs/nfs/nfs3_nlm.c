/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NLM v4 (The Open Group, XNFS): the calls a client makes. The cookie of a call is its transaction
 * id: nobody needs it in a synchronous reply, but a server returns it.
 */
#include <errno.h>
#include <unistd.h>

#include "nfs3.h"

#define COOKIE_MAX 1024

/* The host's name as its status monitor has it. */
void nfs3_nlm_caller(char name[NLM_CALLER_MAX])
{
	memset(name, 0, NLM_CALLER_MAX);
	if (gethostname(name, NLM_CALLER_MAX - 1) || !*name)
		strcpy(name, "softdpu");
}

static void put_caller(struct xdr_out *x)
{
	char name[NLM_CALLER_MAX];

	nfs3_nlm_caller(name);
	xdr_put_string(x, name);
}

static void put_alock(struct xdr_out *x, const struct nfs_call *c)
{
	const struct nfs_lock *l = c->lock;

	put_caller(x);
	nfs3_put_fh(x, c->fh);
	xdr_put_opaque(x, l->oh, min(l->oh_len, (uint32_t)NFS_OH_MAX));
	xdr_put32(x, l->svid);
	xdr_put64(x, l->offset);
	xdr_put64(x, l->len);
}

static void put_granted_res(struct xdr_out *x, const struct nfs_lock *l)
{
	xdr_put_opaque(x, l->oh, min(l->oh_len, (uint32_t)NFS_OH_MAX));
	xdr_put32(x, l->svid);
}

static void put_free_all(struct xdr_out *x, const struct nfs_lock *l)
{
	put_caller(x);
	xdr_put32(x, l->state);
}

static void put_request(struct xdr_out *x, const struct nfs_call *c)
{
	const struct nfs_lock *l = c->lock;

	xdr_put_opaque(x, &c->xid, sizeof(c->xid));
	if (c->proc == NLM_LOCK || c->proc == NLM_CANCEL)
		xdr_put32(x, l->block);
	if (c->proc != NLM_UNLOCK)
		xdr_put32(x, l->exclusive);
	put_alock(x, c);
	if (c->proc == NLM_LOCK) {
		xdr_put32(x, l->reclaim);
		xdr_put32(x, l->state);
	}
}

void nfs3_put_nlm(struct xdr_out *x, const struct nfs_call *c)
{
	if (c->proc == NLM_GRANTED_RES)
		put_granted_res(x, c->lock);
	else if (c->proc == NLM_FREE_ALL)
		put_free_all(x, c->lock);
	else
		put_request(x, c);
}

static void get_holder(struct xdr_in *x, struct nfs_lock *l)
{
	const uint8_t *p;

	l->exclusive = xdr_get32(x);
	l->svid = xdr_get32(x);
	p = xdr_get_opaque(x, NFS_OH_MAX, &l->oh_len);
	if (p)
		memcpy(l->oh, p, l->oh_len);
	l->offset = xdr_get64(x);
	l->len = xdr_get64(x);
}

int nfs3_get_nlm(struct xdr_in *x, struct nfs_call *c, struct nfs_result *r)
{
	static const int err[] = { 0, -EAGAIN, -ENOLCK, -EINPROGRESS, -EBUSY, -EDEADLK, -EROFS, -ESTALE,
				   -EFBIG, -ENOLCK };
	uint32_t len, stat;

	if (c->proc >= NLM_GRANTED_RES)
		return 0; /* no results */
	xdr_get_opaque(x, COOKIE_MAX, &len);
	stat = xdr_get32(x);
	if (x->bad)
		return -EBADMSG;
	if (stat >= ARRAY_SIZE(err))
		stat = NLM_FAILED;
	r->nlm_stat = stat;
	if (c->proc != NLM_TEST || stat != NLM_DENIED)
		return err[stat];
	get_holder(x, &r->holder);
	r->locked = true;
	return x->bad ? -EBADMSG : 0;
}
