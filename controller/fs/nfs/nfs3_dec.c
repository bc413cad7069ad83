/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Results of NFS v3, RFC 1813. Errors carry attributes as well; a server that leaves them out, or
 * cuts them short, has still said what the status is, so an error's remainder is read as far as it
 * goes.
 */
#include <errno.h>
#include <sys/stat.h>

#include "nfs3.h"
#include "nfs_errno.h"

#define FATTR_LEN 84

/* ---- pieces ---- */

static struct timespec get_time(struct xdr_in *x)
{
	uint32_t sec = xdr_get32(x), nsec = xdr_get32(x);

	return (struct timespec){ .tv_sec = sec, .tv_nsec = min(nsec, 999999999u) };
}

static uint32_t format_of(uint32_t type)
{
	static const uint32_t fmt[] = { 0, S_IFREG, S_IFDIR, S_IFBLK, S_IFCHR, S_IFLNK, S_IFSOCK,
					S_IFIFO };

	return type < ARRAY_SIZE(fmt) && fmt[type] ? fmt[type] : S_IFREG;
}

static void get_attr(struct xdr_in *x, struct nfs_attr *a)
{
	a->mode = format_of(xdr_get32(x));
	a->mode |= xdr_get32(x) & 07777;
	a->nlink = xdr_get32(x);
	a->uid = xdr_get32(x);
	a->gid = xdr_get32(x);
	a->size = xdr_get64(x);
	a->used = xdr_get64(x);
	a->rdev_major = xdr_get32(x);
	a->rdev_minor = xdr_get32(x);
	a->fsid = xdr_get64(x);
	a->fileid = xdr_get64(x);
	a->atime = get_time(x);
	a->mtime = get_time(x);
	a->ctime = get_time(x);
}

/* True only for what is there whole: a cache must not be fed with halves. */
bool nfs3_get_post_attr(struct xdr_in *x, struct nfs_attr *a)
{
	if (!xdr_get32(x))
		return false;
	if (xdr_left(x) < FATTR_LEN) {
		xdr_in_fail(x);
		return false;
	}
	get_attr(x, a);
	return true;
}

static bool get_pre_attr(struct xdr_in *x, struct nfs_wcc *w)
{
	if (!xdr_get32(x))
		return false;
	w->size = xdr_get64(x);
	w->mtime = get_time(x);
	w->ctime = get_time(x);
	return !x->bad;
}

static void get_fh(struct xdr_in *x, struct nfs_fh *fh)
{
	uint32_t len;
	const uint8_t *p = xdr_get_opaque(x, NFS_FH_MAX, &len);

	if (!p || !len) {
		xdr_in_fail(x);
		return;
	}
	fh->len = len;
	memcpy(fh->data, p, len);
}

static bool get_post_fh(struct xdr_in *x, struct nfs_fh *fh)
{
	if (!xdr_get32(x))
		return false;
	get_fh(x, fh);
	return !x->bad;
}

static void get_verf(struct xdr_in *x, uint8_t verf[NFS_VERF_SIZE])
{
	const uint8_t *p = xdr_get_fixed(x, NFS_VERF_SIZE);

	if (p)
		memcpy(verf, p, NFS_VERF_SIZE);
}

static void get_obj(struct xdr_in *x, struct nfs_result *r)
{
	r->has_attr = nfs3_get_post_attr(x, &r->attr);
}

static void get_dir(struct xdr_in *x, struct nfs_result *r)
{
	r->has_dir_attr = nfs3_get_post_attr(x, &r->dir_attr);
}

static void get_obj_wcc(struct xdr_in *x, struct nfs_result *r)
{
	r->has_wcc = get_pre_attr(x, &r->wcc);
	get_obj(x, r);
}

static void get_dir_wcc(struct xdr_in *x, struct nfs_result *r)
{
	r->has_dir_wcc = get_pre_attr(x, &r->dir_wcc);
	get_dir(x, r);
}

static void get_dir2_wcc(struct xdr_in *x, struct nfs_result *r)
{
	r->has_dir2_wcc = get_pre_attr(x, &r->dir2_wcc);
	r->has_dir2_attr = nfs3_get_post_attr(x, &r->dir2_attr);
}

/* ---- what comes with each outcome ---- */

struct args {
	struct nfs_call *call;
	struct nfs3_scratch *scratch;
	struct nfs_result *r;
};

typedef int get_fn(struct xdr_in *x, const struct args *a);

static int get_nothing(struct xdr_in *x, const struct args *a)
{
	return 0;
}

static int get_getattr(struct xdr_in *x, const struct args *a)
{
	get_attr(x, &a->r->attr);
	a->r->has_attr = !x->bad;
	return 0;
}

/* Attributes of the object, of the directory; the same with WCC data; of two directories. */
static int get_post(struct xdr_in *x, const struct args *a)
{
	get_obj(x, a->r);
	return 0;
}

static int get_post_dir(struct xdr_in *x, const struct args *a)
{
	get_dir(x, a->r);
	return 0;
}

static int get_wcc(struct xdr_in *x, const struct args *a)
{
	get_obj_wcc(x, a->r);
	return 0;
}

static int get_wcc_dir(struct xdr_in *x, const struct args *a)
{
	get_dir_wcc(x, a->r);
	return 0;
}

static int get_rename(struct xdr_in *x, const struct args *a)
{
	get_dir_wcc(x, a->r);
	get_dir2_wcc(x, a->r);
	return 0;
}

static int get_link(struct xdr_in *x, const struct args *a)
{
	get_obj(x, a->r);
	get_dir_wcc(x, a->r);
	return 0;
}

static int get_lookup(struct xdr_in *x, const struct args *a)
{
	get_fh(x, &a->r->fh);
	a->r->has_fh = !x->bad;
	get_obj(x, a->r);
	get_dir(x, a->r);
	return 0;
}

static int get_access(struct xdr_in *x, const struct args *a)
{
	get_obj(x, a->r);
	a->r->access = xdr_get32(x);
	return 0;
}

static int get_readlink(struct xdr_in *x, const struct args *a)
{
	const uint8_t *p;
	uint32_t len;

	get_obj(x, a->r);
	p = xdr_get_opaque(x, UINT32_MAX, &len);
	if (!p || !len || memchr(p, 0, len))
		return -EBADMSG;
	if (len > NFS3_PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(a->scratch->target, p, len);
	a->scratch->target[len] = '\0';
	a->r->target = a->scratch->target;
	return 0;
}

static void get_read_meta(struct xdr_in *x, struct nfs_result *r)
{
	get_obj(x, r);
	r->count = xdr_get32(x);
	r->eof = xdr_get32(x);
}

/* Into the call's segments, from iov_off on. */
static uint32_t scatter(const struct nfs_call *c, const uint8_t *flat, uint32_t len)
{
	size_t skip = c->iov_off;
	uint32_t done = 0;

	for (int i = 0; i < c->iovcnt && done < len; i++) {
		uint32_t n;

		if (skip >= c->iov[i].iov_len) {
			skip -= c->iov[i].iov_len;
			continue;
		}
		n = (uint32_t)min(c->iov[i].iov_len - skip, (size_t)(len - done));
		memcpy((uint8_t *)c->iov[i].iov_base + skip, flat + done, n);
		done += n;
		skip = 0;
	}
	return done;
}

static int get_read(struct xdr_in *x, const struct args *a)
{
	struct nfs_result *r = a->r;
	const uint8_t *p;
	uint32_t len;

	get_read_meta(x, r);
	p = xdr_get_opaque(x, UINT32_MAX, &len);
	if (!p)
		return -EBADMSG;
	len = min(len, r->count);
	r->count = scatter(a->call, p, min(len, a->call->count));
	return 0;
}

static int get_write(struct xdr_in *x, const struct args *a)
{
	struct nfs_result *r = a->r;

	get_obj_wcc(x, r);
	r->count = min(xdr_get32(x), a->call->count);
	r->file_sync = xdr_get32(x) != 0; /* UNSTABLE */
	get_verf(x, r->verf);
	return 0;
}

/* CREATE, MKDIR, SYMLINK, MKNOD. */
static int get_new(struct xdr_in *x, const struct args *a)
{
	a->r->has_fh = get_post_fh(x, &a->r->fh);
	get_obj(x, a->r);
	get_dir_wcc(x, a->r);
	return 0;
}

/* One entry. False: it has a name no file system here can show, so it is left out. */
static bool get_entry(struct xdr_in *x, const struct args *a, struct nfs_dirent *ent)
{
	const uint8_t *p;
	uint32_t len;

	ent->fileid = xdr_get64(x);
	p = xdr_get_opaque(x, UINT32_MAX, &len);
	ent->cookie = xdr_get64(x);
	if (a->call->proc == NFS_READDIRPLUS) {
		ent->has_attr = nfs3_get_post_attr(x, &ent->attr);
		ent->has_fh = get_post_fh(x, &ent->fh);
	}
	if (x->bad || !p || !len || len > NFS3_NAME_MAX || memchr(p, 0, len))
		return false;
	memcpy(a->scratch->name, p, len);
	a->scratch->name[len] = '\0';
	ent->name = a->scratch->name;
	return true;
}

static int get_readdir(struct xdr_in *x, const struct args *a)
{
	struct nfs_dirent ent;

	get_obj(x, a->r);
	get_verf(x, a->r->verf);
	while (xdr_get32(x)) {
		ent.has_attr = ent.has_fh = false;
		if (get_entry(x, a, &ent) && !a->call->entry(a->call, &ent))
			return 0; /* not the end: eof stays false */
	}
	a->r->eof = xdr_get32(x);
	return 0;
}

static int get_fsstat(struct xdr_in *x, const struct args *a)
{
	struct nfs_result *r = a->r;

	get_obj(x, r);
	r->tbytes = xdr_get64(x);
	r->fbytes = xdr_get64(x);
	r->abytes = xdr_get64(x);
	r->tfiles = xdr_get64(x);
	r->ffiles = xdr_get64(x);
	r->afiles = xdr_get64(x);
	xdr_get32(x); /* invarsec: how long that stays so */
	return 0;
}

static int get_fsinfo(struct xdr_in *x, const struct args *a)
{
	struct nfs_result *r = a->r;

	get_obj(x, r);
	r->rtmax = xdr_get32(x);
	r->rtpref = xdr_get32(x);
	r->rtmult = xdr_get32(x);
	r->wtmax = xdr_get32(x);
	r->wtpref = xdr_get32(x);
	r->wtmult = xdr_get32(x);
	r->dtpref = xdr_get32(x);
	r->max_file_size = xdr_get64(x);
	r->time_delta = get_time(x);
	r->properties = xdr_get32(x);
	return 0;
}

static int get_pathconf(struct xdr_in *x, const struct args *a)
{
	struct nfs_result *r = a->r;

	get_obj(x, r);
	r->link_max = xdr_get32(x);
	r->name_max = xdr_get32(x);
	r->no_trunc = xdr_get32(x);
	r->chown_restricted = xdr_get32(x);
	r->case_insensitive = xdr_get32(x);
	r->case_preserving = xdr_get32(x);
	return 0;
}

static int get_commit(struct xdr_in *x, const struct args *a)
{
	get_obj_wcc(x, a->r);
	get_verf(x, a->r->verf);
	return 0;
}

/*
 * by_handle: the call is about an object, not a name in it. There is no name that could be missing
 * then, and Linux looks up anew on ESTALE only.
 */
static const struct {
	get_fn *ok, *failed;
	bool by_handle;
} table[NFS_NR_PROCS] = {
	[NFS_GETATTR] = { get_getattr, get_nothing, true },
	[NFS_SETATTR] = { get_wcc, get_wcc, true },
	[NFS_LOOKUP] = { get_lookup, get_post_dir, false },
	[NFS_ACCESS] = { get_access, get_post, true },
	[NFS_READLINK] = { get_readlink, get_post, true },
	[NFS_READ] = { get_read, get_post, true },
	[NFS_WRITE] = { get_write, get_wcc, true },
	[NFS_CREATE] = { get_new, get_wcc_dir, false },
	[NFS_MKDIR] = { get_new, get_wcc_dir, false },
	[NFS_SYMLINK] = { get_new, get_wcc_dir, false },
	[NFS_MKNOD] = { get_new, get_wcc_dir, false },
	[NFS_REMOVE] = { get_wcc_dir, get_wcc_dir, false },
	[NFS_RMDIR] = { get_wcc_dir, get_wcc_dir, false },
	[NFS_RENAME] = { get_rename, get_rename, false },
	[NFS_LINK] = { get_link, get_link, false },
	[NFS_READDIR] = { get_readdir, get_post, true },
	[NFS_READDIRPLUS] = { get_readdir, get_post, true },
	[NFS_FSSTAT] = { get_fsstat, get_post, true },
	[NFS_FSINFO] = { get_fsinfo, get_post, true },
	[NFS_PATHCONF] = { get_pathconf, get_post, true },
	[NFS_COMMIT] = { get_commit, get_wcc, true },
};

static int status_error(uint32_t status, enum nfs_proc proc)
{
	int err = nfs_errno(status);

	return err == -ENOENT && table[proc].by_handle ? -ESTALE : err;
}

static int get_nfs(struct xdr_in *x, struct nfs_call *call, struct nfs3_scratch *scratch,
		   struct nfs_result *r)
{
	const struct args a = { call, scratch, r };
	uint32_t status = xdr_get32(x);
	int err;

	if (x->bad)
		return -EBADMSG;
	if (status) {
		table[call->proc].failed(x, &a);
		return status_error(status, call->proc);
	}
	err = table[call->proc].ok(x, &a);
	return x->bad ? -EBADMSG : err;
}

int nfs3_get_result(struct xdr_in *x, struct nfs_call *call, struct nfs3_scratch *scratch,
		    struct nfs_result *r)
{
	memset(r, 0, sizeof(*r));
	if (nfs3_is_nlm(call->proc))
		return nfs3_get_nlm(x, call, r);
	if (call->proc >= NFS_NR_PROCS)
		return nfs3_get_acl(x, call, scratch, r);
	return get_nfs(x, call, scratch, r);
}

int nfs3_get_read_head(struct xdr_in *x, struct nfs_call *call, struct nfs_result *r,
		       uint32_t *ret_len)
{
	uint32_t status = xdr_get32(x);

	memset(r, 0, sizeof(*r));
	*ret_len = 0;
	if (status) {
		get_obj(x, r);
		return status_error(status, NFS_READ);
	}
	get_read_meta(x, r);
	*ret_len = xdr_get32(x);
	return x->bad ? -ENODATA : 0;
}
