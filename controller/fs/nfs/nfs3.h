/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The procedures of client.h on the wire: NFS v3 and its ACL companion (nfs3_enc.c, nfs3_dec.c,
 * nfs3_acl.c), NLM v4 (nfs3_nlm.c). Pure functions over cursors; nothing here knows of sockets.
 */
#ifndef FS_NFS_NFS3_H
#define FS_NFS_NFS3_H

#include "client.h"
#include "xdr.h"

#define NFS3_PATH_MAX 4095 /* of a link's target; what Linux takes */
#define NFS3_NAME_MAX 255

/* Program, version and procedure number a call goes out under. */
struct nfs3_number {
	uint32_t prog, vers, proc;
};
struct nfs3_number nfs3_number(enum nfs_proc proc);
static inline bool nfs3_is_nlm(enum nfs_proc proc)
{
	return proc >= NLM_TEST;
}

/* Most bytes nfs3_put_args() writes for this call. */
size_t nfs3_args_max(const struct nfs_call *call);
/* The arguments; of a WRITE all but the bytes and their padding, which follow. */
void nfs3_put_args(struct xdr_out *x, const struct nfs_call *call);

/* Where results that are no plain values stay during done(). */
struct nfs3_scratch {
	char name[NFS3_NAME_MAX + 1];
	char target[NFS3_PATH_MAX + 1];
	struct nfs_ace ace[2][NFS_ACL_MAX];
};

/*
 * A reply's results, x being all of them: 0 or -errno of the server's status, -EBADMSG when they
 * cannot be read. *r is filled whatever there is, also with errors. READ copies its bytes into the
 * call's segments; READDIR(PLUS) calls entry().
 */
int nfs3_get_result(struct xdr_in *x, struct nfs_call *call, struct nfs3_scratch *scratch,
		    struct nfs_result *r);
/*
 * READ up to its bytes: as above, with their number in *ret_len and x->p where they begin.
 * -ENODATA: x ends before them.
 */
int nfs3_get_read_head(struct xdr_in *x, struct nfs_call *call, struct nfs_result *r,
		       uint32_t *ret_len);

/* nfs3_acl.c */
size_t nfs3_acl_args_max(const struct nfs_call *call);
void nfs3_put_acl(struct xdr_out *x, const struct nfs_call *call);
int nfs3_get_acl(struct xdr_in *x, struct nfs_call *call, struct nfs3_scratch *scratch,
		 struct nfs_result *r);

/* nfs3_nlm.c */
#define NLM_CALLER_MAX 64
void nfs3_nlm_caller(char name[NLM_CALLER_MAX]); /* what we are called at the server */
void nfs3_put_nlm(struct xdr_out *x, const struct nfs_call *call);
int nfs3_get_nlm(struct xdr_in *x, struct nfs_call *call, struct nfs_result *r);

/* nfs3_enc.c, nfs3_dec.c: pieces the companions share */
void nfs3_put_fh(struct xdr_out *x, const struct nfs_fh *fh);
bool nfs3_get_post_attr(struct xdr_in *x, struct nfs_attr *a);

#endif
