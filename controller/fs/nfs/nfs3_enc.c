/* SPDX-License-Identifier: BSD-3-Clause */
/* Arguments of NFS v3, RFC 1813. */
#include <sys/stat.h>

#include "nfs3.h"

#define NFS_PROGRAM 100003
#define NFSACL_PROGRAM 100227
#define NLM_PROGRAM 100021

/* Handle, verifier, cookies, attributes: more than any procedure has besides its strings. */
#define FIXED_MAX 320
/*
 * Strings come NUL-terminated and short from FUSE; longer ones make the cursor bad, which fails the
 * call.
 */
#define STRING_MAX (NFS3_PATH_MAX + 8)

enum time_how { DONT_CHANGE, SET_TO_SERVER_TIME, SET_TO_CLIENT_TIME };

struct nfs3_number nfs3_number(enum nfs_proc proc)
{
	/* Numbers of the companions' procedures, in the order of the enumeration. */
	static const uint8_t acl[] = { 1, 2 }, nlm[] = { 1, 2, 3, 4, 15, 23 };

	if (proc < NFS_NR_PROCS)
		return (struct nfs3_number){ NFS_PROGRAM, 3, proc };
	if (proc < NLM_TEST)
		return (struct nfs3_number){ NFSACL_PROGRAM, 3, acl[proc - NFSACL_GETACL] };
	return (struct nfs3_number){ NLM_PROGRAM, 4, nlm[proc - NLM_TEST] };
}

/* ---- pieces ---- */

void nfs3_put_fh(struct xdr_out *x, const struct nfs_fh *fh)
{
	xdr_put_opaque(x, fh->data, fh->len);
}

static void put_time(struct xdr_out *x, const struct timespec *ts)
{
	xdr_put32(x, (uint32_t)ts->tv_sec);
	xdr_put32(x, (uint32_t)ts->tv_nsec);
}

static void put_set32(struct xdr_out *x, bool set, uint32_t v)
{
	xdr_put32(x, set);
	if (set)
		xdr_put32(x, v);
}

static void put_set_time(struct xdr_out *x, bool given, bool now, const struct timespec *ts)
{
	xdr_put32(x, given ? SET_TO_CLIENT_TIME : now ? SET_TO_SERVER_TIME : DONT_CHANGE);
	if (given)
		put_time(x, ts);
}

static void put_sattr(struct xdr_out *x, const struct nfs_sattr *s)
{
	put_set32(x, s->set & NFS_SET_MODE, s->mode);
	put_set32(x, s->set & NFS_SET_UID, s->uid);
	put_set32(x, s->set & NFS_SET_GID, s->gid);
	xdr_put32(x, !!(s->set & NFS_SET_SIZE));
	if (s->set & NFS_SET_SIZE)
		xdr_put64(x, s->size);
	put_set_time(x, s->set & NFS_SET_ATIME, s->set & NFS_SET_ATIME_NOW, &s->atime);
	put_set_time(x, s->set & NFS_SET_MTIME, s->set & NFS_SET_MTIME_NOW, &s->mtime);
}

static void put_where(struct xdr_out *x, const struct nfs_fh *dir, const char *name)
{
	nfs3_put_fh(x, dir);
	xdr_put_string(x, name);
}

static uint32_t type_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return 2;
	case S_IFBLK:
		return 3;
	case S_IFCHR:
		return 4;
	case S_IFLNK:
		return 5;
	case S_IFSOCK:
		return 6;
	case S_IFIFO:
		return 7;
	default:
		return 1;
	}
}

/* ---- procedures ---- */

static void put_handle(struct xdr_out *x, const struct nfs_call *c)
{
	nfs3_put_fh(x, c->fh);
}

static void put_name(struct xdr_out *x, const struct nfs_call *c)
{
	put_where(x, c->fh, c->name);
}

static void put_setattr(struct xdr_out *x, const struct nfs_call *c)
{
	nfs3_put_fh(x, c->fh);
	put_sattr(x, &c->sattr);
	xdr_put32(x, !!c->guard);
	if (c->guard)
		put_time(x, c->guard);
}

static void put_access(struct xdr_out *x, const struct nfs_call *c)
{
	nfs3_put_fh(x, c->fh);
	xdr_put32(x, c->access);
}

/* READ and COMMIT. */
static void put_range(struct xdr_out *x, const struct nfs_call *c)
{
	nfs3_put_fh(x, c->fh);
	xdr_put64(x, c->offset);
	xdr_put32(x, c->count);
}

static void put_write(struct xdr_out *x, const struct nfs_call *c)
{
	put_range(x, c);
	xdr_put32(x, c->stable ? 2 : 0); /* FILE_SYNC, UNSTABLE */
	xdr_put32(x, c->count);
}

static void put_create(struct xdr_out *x, const struct nfs_call *c)
{
	put_name(x, c);
	xdr_put32(x, c->create_mode);
	if (c->create_mode == NFS_EXCLUSIVE)
		xdr_put_fixed(x, c->verf, NFS_VERF_SIZE);
	else
		put_sattr(x, &c->sattr);
}

static void put_mkdir(struct xdr_out *x, const struct nfs_call *c)
{
	put_name(x, c);
	put_sattr(x, &c->sattr);
}

static void put_symlink(struct xdr_out *x, const struct nfs_call *c)
{
	put_mkdir(x, c);
	xdr_put_string(x, c->target);
}

static void put_mknod(struct xdr_out *x, const struct nfs_call *c)
{
	put_name(x, c);
	xdr_put32(x, type_of(c->mode));
	if (S_ISCHR(c->mode) || S_ISBLK(c->mode)) {
		put_sattr(x, &c->sattr);
		xdr_put32(x, c->rdev_major);
		xdr_put32(x, c->rdev_minor);
	} else if (S_ISFIFO(c->mode) || S_ISSOCK(c->mode)) {
		put_sattr(x, &c->sattr);
	}
}

static void put_rename(struct xdr_out *x, const struct nfs_call *c)
{
	put_name(x, c);
	put_where(x, c->fh2, c->name2);
}

static void put_link(struct xdr_out *x, const struct nfs_call *c)
{
	nfs3_put_fh(x, c->fh);
	put_where(x, c->fh2, c->name2);
}

static void put_readdir(struct xdr_out *x, const struct nfs_call *c)
{
	nfs3_put_fh(x, c->fh);
	xdr_put64(x, c->offset);
	xdr_put_fixed(x, c->verf, NFS_VERF_SIZE);
	if (c->proc == NFS_READDIRPLUS)
		xdr_put32(x, c->dircount ? c->dircount : c->count);
	xdr_put32(x, c->count);
}

static void (*const put[NFS_NR_CALLS])(struct xdr_out *, const struct nfs_call *) = {
	[NFS_GETATTR] = put_handle,
	[NFS_SETATTR] = put_setattr,
	[NFS_LOOKUP] = put_name,
	[NFS_ACCESS] = put_access,
	[NFS_READLINK] = put_handle,
	[NFS_READ] = put_range,
	[NFS_WRITE] = put_write,
	[NFS_CREATE] = put_create,
	[NFS_MKDIR] = put_mkdir,
	[NFS_SYMLINK] = put_symlink,
	[NFS_MKNOD] = put_mknod,
	[NFS_REMOVE] = put_name,
	[NFS_RMDIR] = put_name,
	[NFS_RENAME] = put_rename,
	[NFS_LINK] = put_link,
	[NFS_READDIR] = put_readdir,
	[NFS_READDIRPLUS] = put_readdir,
	[NFS_FSSTAT] = put_handle,
	[NFS_FSINFO] = put_handle,
	[NFS_PATHCONF] = put_handle,
	[NFS_COMMIT] = put_range,
	[NFSACL_GETACL] = nfs3_put_acl,
	[NFSACL_SETACL] = nfs3_put_acl,
	[NLM_TEST] = nfs3_put_nlm,
	[NLM_LOCK] = nfs3_put_nlm,
	[NLM_CANCEL] = nfs3_put_nlm,
	[NLM_UNLOCK] = nfs3_put_nlm,
	[NLM_GRANTED_RES] = nfs3_put_nlm,
	[NLM_FREE_ALL] = nfs3_put_nlm,
};

size_t nfs3_args_max(const struct nfs_call *c)
{
	if (c->proc == NFSACL_SETACL)
		return nfs3_acl_args_max(c);
	if (c->proc == NFS_SYMLINK || c->proc == NFS_RENAME)
		return FIXED_MAX + 2 * STRING_MAX;
	return c->name || c->name2 ? FIXED_MAX + STRING_MAX : FIXED_MAX;
}

void nfs3_put_args(struct xdr_out *x, const struct nfs_call *c)
{
	if ((unsigned int)c->proc < NFS_NR_CALLS && put[c->proc])
		put[c->proc](x, c);
	else
		x->bad = true;
}
