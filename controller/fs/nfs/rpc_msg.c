/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "rpc.h"

#define RPC_CALL 0
#define RPC_REPLY 1
#define RPC_VERSION 2
#define AUTH_NONE 0
#define AUTH_SYS 1
#define AUTH_MAX 400 /* bytes of a credential or verifier, RFC 5531 */

enum { MSG_ACCEPTED, MSG_DENIED };
enum { SUCCESS, PROG_UNAVAIL, PROG_MISMATCH, PROC_UNAVAIL, GARBAGE_ARGS };
enum { RPC_MISMATCH, AUTH_ERROR };

static void put_cred(struct xdr_out *x, const struct nfs_cred *cred)
{
	static const char machine[] = "softdpu";
	uint32_t nr = cred ? min(cred->ngroups, (uint32_t)NFS_MAX_GROUPS) : 0;

	if (!cred) {
		xdr_put32(x, AUTH_NONE);
		xdr_put32(x, 0);
		return;
	}
	xdr_put32(x, AUTH_SYS);
	xdr_put32(x, 4 + 4 + ALIGN_UP(sizeof(machine) - 1, 4u) + 4 + 4 + 4 + 4 * nr);
	xdr_put32(x, 0); /* stamp: any number */
	xdr_put_opaque(x, machine, sizeof(machine) - 1);
	xdr_put32(x, cred->uid);
	xdr_put32(x, cred->gid);
	xdr_put32(x, nr);
	for (uint32_t i = 0; i < nr; i++)
		xdr_put32(x, cred->groups[i]);
}

void rpc_put_call(struct xdr_out *x, uint32_t xid, struct nfs3_number number,
		  const struct nfs_cred *cred)
{
	xdr_put32(x, xid);
	xdr_put32(x, RPC_CALL);
	xdr_put32(x, RPC_VERSION);
	xdr_put32(x, number.prog);
	xdr_put32(x, number.vers);
	xdr_put32(x, number.proc);
	put_cred(x, cred);
	xdr_put32(x, AUTH_NONE); /* verifier */
	xdr_put32(x, 0);
}

static int denied(struct xdr_in *x)
{
	uint32_t why = xdr_get32(x);

	if (x->bad)
		return -ENODATA;
	return why == AUTH_ERROR ? -EACCES : -EIO;
}

int rpc_get_reply(struct xdr_in *x)
{
	uint32_t type = xdr_get32(x), stat = xdr_get32(x), len;

	if (x->bad)
		return -ENODATA;
	if (type != RPC_REPLY || stat > MSG_DENIED)
		return -EBADMSG;
	if (stat == MSG_DENIED)
		return denied(x);
	xdr_get32(x); /* the verifier: AUTH_SYS needs none */
	len = xdr_get32(x);
	if (len > AUTH_MAX)
		return -EBADMSG;
	xdr_get_fixed(x, len);
	stat = xdr_get32(x);
	if (x->bad)
		return -ENODATA;
	switch (stat) {
	case SUCCESS:
		return 0;
	case PROG_UNAVAIL:
	case PROG_MISMATCH:
		return -EPROTONOSUPPORT;
	case PROC_UNAVAIL:
		return -EOPNOTSUPP;
	case GARBAGE_ARGS:
		return -EINVAL;
	default:
		return -EIO;
	}
}
