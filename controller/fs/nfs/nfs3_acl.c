/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NFSACL v3: the side protocol of Solaris and Linux for POSIX ACLs. An ACL on the wire is a mask of
 * what is there, then for the access and the default list each: a count, and an array of (tag, id,
 * permissions).
 */
#include <errno.h>

#include "nfs3.h"
#include "nfs_errno.h"

#define ACE_LEN 12

size_t nfs3_acl_args_max(const struct nfs_call *c)
{
	uint64_t nr = (uint64_t)c->acl->nr_access + c->acl->nr_default;

	return 128 + ACE_LEN * min(nr, (uint64_t)2 * NFS_ACL_MAX);
}

static void put_list(struct xdr_out *x, const struct nfs_ace *ace, uint32_t nr, uint32_t tag)
{
	if (nr > NFS_ACL_MAX) {
		x->bad = true;
		return;
	}
	xdr_put32(x, nr);
	xdr_put32(x, nr);
	for (uint32_t i = 0; i < nr; i++) {
		xdr_put32(x, ace[i].tag | tag);
		xdr_put32(x, ace[i].id);
		xdr_put32(x, ace[i].perm);
	}
}

void nfs3_put_acl(struct xdr_out *x, const struct nfs_call *c)
{
	nfs3_put_fh(x, c->fh);
	xdr_put32(x, c->acl_mask);
	if (c->proc == NFSACL_GETACL)
		return;
	put_list(x, c->acl->access, c->acl->nr_access, 0);
	put_list(x, c->acl->dflt, c->acl->nr_default, NFS_ACE_DEFAULT);
}

/* The count comes twice: as a number of its own, and with the array, which may be left out. */
static uint32_t get_list(struct xdr_in *x, struct nfs_ace *ace)
{
	uint32_t nr;

	xdr_get32(x);
	nr = xdr_get32(x);
	if (nr > NFS_ACL_MAX || xdr_left(x) < (size_t)nr * ACE_LEN) {
		xdr_in_fail(x);
		return 0;
	}
	for (uint32_t i = 0; i < nr; i++) {
		ace[i].tag = xdr_get32(x) & ~(uint32_t)NFS_ACE_DEFAULT;
		ace[i].id = xdr_get32(x);
		ace[i].perm = xdr_get32(x);
	}
	return nr;
}

int nfs3_get_acl(struct xdr_in *x, struct nfs_call *c, struct nfs3_scratch *scratch,
		 struct nfs_result *r)
{
	uint32_t status = xdr_get32(x);
	int err = nfs_errno(status);

	if (x->bad)
		return -EBADMSG;
	r->has_attr = nfs3_get_post_attr(x, &r->attr);
	if (status)
		return err == -ENOENT ? -ESTALE : err;
	if (c->proc == NFSACL_GETACL) {
		r->acl_mask = xdr_get32(x);
		r->acl.nr_access = get_list(x, scratch->ace[0]);
		r->acl.nr_default = get_list(x, scratch->ace[1]);
		r->acl.access = scratch->ace[0];
		r->acl.dflt = scratch->ace[1];
	}
	return x->bad ? -EBADMSG : 0;
}
