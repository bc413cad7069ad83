/* SPDX-License-Identifier: BSD-3-Clause */
#include "libnfs_codec.h"

#include <errno.h>
#include <nfsc/libnfs.h> /* first: the raw headers need its macros */
#include <nfsc/libnfs-raw.h>
#include <nfsc/libnfs-raw-nfs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/util.h"
#include "nfs_errno.h"

/* ---- arguments ---- */

static nfs_fh3 fh_arg(const struct nfs_fh *fh)
{
	nfs_fh3 out = { { fh->len, (char *)fh->data } };

	return out;
}

static diropargs3 where_arg(const struct nfs_fh *dir, const char *name)
{
	diropargs3 out = { fh_arg(dir), (char *)name };

	return out;
}

static nfstime3 time_arg(const struct timespec *ts)
{
	nfstime3 out = { (u_int)ts->tv_sec, (u_int)ts->tv_nsec };

	return out;
}

static sattr3 sattr_arg(const struct nfs_sattr *s)
{
	sattr3 out;

	memset(&out, 0, sizeof(out));
	out.mode.set_it = !!(s->set & NFS_SET_MODE);
	out.mode.set_mode3_u.mode = s->mode;
	out.uid.set_it = !!(s->set & NFS_SET_UID);
	out.uid.set_uid3_u.uid = s->uid;
	out.gid.set_it = !!(s->set & NFS_SET_GID);
	out.gid.set_gid3_u.gid = s->gid;
	out.size.set_it = !!(s->set & NFS_SET_SIZE);
	out.size.set_size3_u.size = s->size;
	if (s->set & (NFS_SET_ATIME | NFS_SET_ATIME_NOW))
		out.atime.set_it = s->set & NFS_SET_ATIME ? SET_TO_CLIENT_TIME : SET_TO_SERVER_TIME;
	out.atime.set_atime_u.atime = time_arg(&s->atime);
	if (s->set & (NFS_SET_MTIME | NFS_SET_MTIME_NOW))
		out.mtime.set_it = s->set & NFS_SET_MTIME ? SET_TO_CLIENT_TIME : SET_TO_SERVER_TIME;
	out.mtime.set_mtime_u.mtime = time_arg(&s->mtime);
	return out;
}

static ftype3 ftype_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return NF3DIR;
	case S_IFBLK:
		return NF3BLK;
	case S_IFCHR:
		return NF3CHR;
	case S_IFLNK:
		return NF3LNK;
	case S_IFSOCK:
		return NF3SOCK;
	case S_IFIFO:
		return NF3FIFO;
	default:
		return NF3REG;
	}
}

static mknoddata3 mknod_arg(const struct nfs_call *c)
{
	mknoddata3 out;

	memset(&out, 0, sizeof(out));
	out.type = ftype_of(c->mode);
	if (out.type == NF3SOCK || out.type == NF3FIFO) {
		out.mknoddata3_u.pipe_attributes = sattr_arg(&c->sattr);
		return out;
	}
	out.mknoddata3_u.chr_device.dev_attributes = sattr_arg(&c->sattr);
	out.mknoddata3_u.chr_device.spec.specdata1 = c->rdev_major;
	out.mknoddata3_u.chr_device.spec.specdata2 = c->rdev_minor;
	return out;
}

static createhow3 how_arg(const struct nfs_call *c)
{
	createhow3 out;

	memset(&out, 0, sizeof(out));
	out.mode = c->create_mode == NFS_EXCLUSIVE ? EXCLUSIVE :
		   c->create_mode == NFS_GUARDED ? GUARDED : UNCHECKED;
	if (c->create_mode == NFS_EXCLUSIVE)
		memcpy(out.createhow3_u.verf, c->verf, NFS_VERF_SIZE);
	else
		out.createhow3_u.obj_attributes = sattr_arg(&c->sattr);
	return out;
}

/* Between a flat buffer and the call's segments, from iov_off on. Returns bytes moved. */
static uint32_t move_bytes(const struct nfs_call *c, char *flat, uint32_t len, bool gather)
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
		if (gather)
			memcpy(flat + done, (char *)c->iov[i].iov_base + skip, n);
		else
			memcpy((char *)c->iov[i].iov_base + skip, flat + done, n);
		done += n;
		skip = 0;
	}
	return done;
}

/* libnfs copies the payload while it encodes: bytes in one segment need no copy of ours. */
static char *payload(const struct nfs_call *c, struct codec_scratch *scratch)
{
	size_t skip = c->iov_off;
	int i = 0;

	while (i < c->iovcnt && skip >= c->iov[i].iov_len)
		skip -= c->iov[i++].iov_len;
	if (i < c->iovcnt && c->iov[i].iov_len - skip >= c->count)
		return (char *)c->iov[i].iov_base + skip;
	if (scratch->size < c->count) {
		char *buf = realloc(scratch->buf, c->count);

		if (!buf)
			return NULL;
		scratch->buf = buf;
		scratch->size = c->count;
	}
	move_bytes(c, scratch->buf, c->count, true);
	return scratch->buf;
}

static int send_write(struct rpc_context *rpc, struct nfs_call *c, struct codec_scratch *scratch,
		      codec_cb *cb)
{
	char *buf = payload(c, scratch);
	WRITE3args a = { .file = fh_arg(c->fh), .offset = c->offset, .count = c->count,
			 .stable = c->stable ? FILE_SYNC : UNSTABLE, .data = { c->count, buf } };

	return buf ? rpc_nfs3_write_async(rpc, cb, &a, c) : -1;
}

/* One macro row per procedure: libnfs' name in both spellings and the arguments' initialiser. */
#define SEND(NAME, name, ...) \
	case NFS_##NAME: { \
		NAME##3args a = { __VA_ARGS__ }; \
		rc = rpc_nfs3_##name##_async(rpc, cb, &a, c); \
		break; \
	}

int codec_send(struct rpc_context *rpc, struct nfs_call *c, struct codec_scratch *scratch, codec_cb *cb)
{
	int rc = -1;

	switch (c->proc) {
	SEND(GETATTR, getattr, .object = fh_arg(c->fh))
	SEND(SETATTR, setattr, .object = fh_arg(c->fh), .new_attributes = sattr_arg(&c->sattr))
	SEND(LOOKUP, lookup, .what = where_arg(c->fh, c->name))
	SEND(ACCESS, access, .object = fh_arg(c->fh), .access = c->access)
	SEND(READLINK, readlink, .symlink = fh_arg(c->fh))
	SEND(READ, read, .file = fh_arg(c->fh), .offset = c->offset, .count = c->count)
	SEND(CREATE, create, .where = where_arg(c->fh, c->name), .how = how_arg(c))
	SEND(MKDIR, mkdir, .where = where_arg(c->fh, c->name),
	     .attributes = sattr_arg(&c->sattr))
	SEND(SYMLINK, symlink, .where = where_arg(c->fh, c->name),
	     .symlink = { sattr_arg(&c->sattr), (char *)c->target })
	SEND(MKNOD, mknod, .where = where_arg(c->fh, c->name), .what = mknod_arg(c))
	SEND(REMOVE, remove, .object = where_arg(c->fh, c->name))
	SEND(RMDIR, rmdir, .object = where_arg(c->fh, c->name))
	SEND(RENAME, rename, .from = where_arg(c->fh, c->name),
	     .to = where_arg(c->fh2, c->name2))
	SEND(LINK, link, .file = fh_arg(c->fh), .link = where_arg(c->fh2, c->name2))
	SEND(FSSTAT, fsstat, .fsroot = fh_arg(c->fh))
	SEND(FSINFO, fsinfo, .fsroot = fh_arg(c->fh))
	SEND(PATHCONF, pathconf, .object = fh_arg(c->fh))
	SEND(COMMIT, commit, .file = fh_arg(c->fh), .offset = c->offset, .count = c->count)
	case NFS_WRITE:
		rc = send_write(rpc, c, scratch, cb);
		break;
	case NFS_READDIR: {
		READDIR3args a = { .dir = fh_arg(c->fh), .cookie = c->offset, .count = c->count };

		memcpy(a.cookieverf, c->verf, NFS_VERF_SIZE);
		rc = rpc_nfs3_readdir_async(rpc, cb, &a, c);
		break;
	}
	case NFS_READDIRPLUS: {
		READDIRPLUS3args a = { .dir = fh_arg(c->fh), .cookie = c->offset,
				       .dircount = c->count, .maxcount = c->count };

		memcpy(a.cookieverf, c->verf, NFS_VERF_SIZE);
		rc = rpc_nfs3_readdirplus_async(rpc, cb, &a, c);
		break;
	}
	default:
		return -EOPNOTSUPP; /* only the engine of our own has the companions of NFS */
	}
	return rc ? -ENOMEM : 0;
}

/* ---- results ---- */

static struct timespec time_res(const nfstime3 *t)
{
	return (struct timespec){ .tv_sec = t->seconds,
				  .tv_nsec = min(t->nseconds, 999999999u) };
}

static uint32_t mode_of(ftype3 type)
{
	static const uint32_t fmt[] = { [NF3REG] = S_IFREG, [NF3DIR] = S_IFDIR, [NF3BLK] = S_IFBLK,
					[NF3CHR] = S_IFCHR, [NF3LNK] = S_IFLNK,
					[NF3SOCK] = S_IFSOCK, [NF3FIFO] = S_IFIFO };

	return (unsigned int)type < ARRAY_SIZE(fmt) && fmt[type] ? fmt[type] : S_IFREG;
}

static void attr_res(const fattr3 *f, struct nfs_attr *a)
{
	a->mode = mode_of(f->type) | (f->mode & 07777);
	a->nlink = f->nlink;
	a->uid = f->uid;
	a->gid = f->gid;
	a->rdev_major = f->rdev.specdata1;
	a->rdev_minor = f->rdev.specdata2;
	a->size = f->size;
	a->used = f->used;
	a->fsid = f->fsid;
	a->fileid = f->fileid;
	a->atime = time_res(&f->atime);
	a->mtime = time_res(&f->mtime);
	a->ctime = time_res(&f->ctime);
}

static bool post_attr(const post_op_attr *p, struct nfs_attr *a)
{
	if (!p->attributes_follow)
		return false;
	attr_res(&p->post_op_attr_u.attributes, a);
	return true;
}

static bool fh_res(const nfs_fh3 *f, struct nfs_fh *fh)
{
	if (f->data.data_len == 0 || f->data.data_len > NFS_FH_MAX)
		return false;
	fh->len = f->data.data_len;
	memcpy(fh->data, f->data.data_val, fh->len);
	return true;
}

static bool post_fh(const post_op_fh3 *p, struct nfs_fh *fh)
{
	return p->handle_follows && fh_res(&p->post_op_fh3_u.handle, fh);
}

static int read_res(struct nfs_call *c, const READ3resok *ok, struct nfs_result *r)
{
	uint32_t sent = min(ok->count, ok->data.data_len), len = min(sent, c->count);

	r->has_attr = post_attr(&ok->file_attributes, &r->attr);
	r->count = move_bytes(c, ok->data.data_val, len, false);
	r->eof = ok->eof;
	return 0;
}

/*
 * The list is the server's: entries without a name end it. libnfs allocates entries without regard to
 * alignment, so each is copied out first.
 */
static int readdir_res(struct nfs_call *c, const READDIR3resok *ok, struct nfs_result *r)
{
	entry3 e;

	r->has_attr = post_attr(&ok->dir_attributes, &r->attr);
	r->eof = ok->reply.eof;
	memcpy(r->verf, ok->cookieverf, NFS_VERF_SIZE);
	for (const void *next = ok->reply.entries; next; next = e.nextentry) {
		struct nfs_dirent ent = { 0 };

		memcpy(&e, next, sizeof(e));
		ent.fileid = e.fileid;
		ent.cookie = e.cookie;
		ent.name = e.name;
		if (!e.name || !c->entry(c, &ent)) {
			r->eof = false;
			break;
		}
	}
	return 0;
}

static int readdirplus_res(struct nfs_call *c, const READDIRPLUS3resok *ok, struct nfs_result *r)
{
	entryplus3 e;

	r->has_attr = post_attr(&ok->dir_attributes, &r->attr);
	r->eof = ok->reply.eof;
	memcpy(r->verf, ok->cookieverf, NFS_VERF_SIZE);
	for (const void *next = ok->reply.entries; next; next = e.nextentry) {
		struct nfs_dirent ent = { 0 };

		memcpy(&e, next, sizeof(e));
		ent.fileid = e.fileid;
		ent.cookie = e.cookie;
		ent.name = e.name;
		ent.has_attr = post_attr(&e.name_attributes, &ent.attr);
		ent.has_fh = post_fh(&e.name_handle, &ent.fh);
		if (!e.name || !c->entry(c, &ent)) {
			r->eof = false;
			break;
		}
	}
	return 0;
}

static int fsstat_res(const FSSTAT3resok *ok, struct nfs_result *r)
{
	r->tbytes = ok->tbytes;
	r->fbytes = ok->fbytes;
	r->abytes = ok->abytes;
	r->tfiles = ok->tfiles;
	r->ffiles = ok->ffiles;
	r->afiles = ok->afiles;
	return 0;
}

/* A new object: CREATE, MKDIR, SYMLINK, MKNOD have results of one shape. */
#define NEW_OBJECT(NAME) \
	case NFS_##NAME: { \
		const NAME##3res *res = data; \
\
		if (res->status) \
			return nfs_errno(res->status); \
		r->has_fh = post_fh(&res->NAME##3res_u .resok.obj, &r->fh); \
		r->has_attr = post_attr(&res->NAME##3res_u .resok.obj_attributes, &r->attr); \
		return 0; \
	}

/* Status, then one statement with `ok` pointing to the good arm. */
#define RESULT(NAME, ...) \
	case NFS_##NAME: { \
		const NAME##3res *res = data; \
		const NAME##3resok *ok = &res->NAME##3res_u .resok; \
\
		if (res->status) \
			return nfs_errno(res->status); \
		__VA_ARGS__; \
		return 0; \
	}

/* Nothing but the status matters. */
#define STATUS(NAME) \
	case NFS_##NAME: \
		return nfs_errno(((const NAME##3res *)data)->status);

static int result_of(struct nfs_call *c, void *data, struct nfs_result *r)
{
	switch (c->proc) {
	NEW_OBJECT(CREATE)
	NEW_OBJECT(MKDIR)
	NEW_OBJECT(SYMLINK)
	NEW_OBJECT(MKNOD)
	STATUS(REMOVE)
	STATUS(RMDIR)
	STATUS(RENAME)
	RESULT(GETATTR, attr_res(&ok->obj_attributes, &r->attr); r->has_attr = true)
	RESULT(SETATTR, r->has_attr = post_attr(&ok->obj_wcc.after, &r->attr))
	RESULT(LOOKUP, r->has_fh = fh_res(&ok->object, &r->fh);
	       r->has_attr = post_attr(&ok->obj_attributes, &r->attr);
	       r->has_dir_attr = post_attr(&ok->dir_attributes, &r->dir_attr))
	RESULT(ACCESS, r->access = ok->access; r->has_attr = post_attr(&ok->obj_attributes,
								      &r->attr))
	RESULT(READLINK, r->target = ok->data)
	RESULT(READ, return read_res(c, ok, r))
	RESULT(WRITE, r->count = min(ok->count, c->count);
	       r->file_sync = ok->committed != UNSTABLE;
	       r->has_attr = post_attr(&ok->file_wcc.after, &r->attr);
	       memcpy(r->verf, ok->verf, NFS_VERF_SIZE))
	RESULT(LINK, r->has_attr = post_attr(&ok->file_attributes, &r->attr))
	RESULT(READDIR, return readdir_res(c, ok, r))
	RESULT(READDIRPLUS, return readdirplus_res(c, ok, r))
	RESULT(FSSTAT, return fsstat_res(ok, r))
	RESULT(FSINFO, r->rtmax = ok->rtmax; r->wtmax = ok->wtmax; r->dtpref = ok->dtpref;
	       r->time_delta = time_res(&ok->time_delta))
	RESULT(PATHCONF, r->name_max = ok->name_max)
	RESULT(COMMIT, memcpy(r->verf, ok->verf, NFS_VERF_SIZE);
	       r->has_attr = post_attr(&ok->file_wcc.after, &r->attr))
	default:
		break;
	}
	return -EIO;
}

/* Calls about an object, not a name in it. */
static bool by_handle(enum nfs_proc proc)
{
	switch (proc) {
	case NFS_GETATTR:
	case NFS_SETATTR:
	case NFS_ACCESS:
	case NFS_READLINK:
	case NFS_READ:
	case NFS_WRITE:
	case NFS_READDIR:
	case NFS_READDIRPLUS:
	case NFS_FSSTAT:
	case NFS_COMMIT:
		return true;
	default:
		return false;
	}
}

int codec_result(struct nfs_call *c, void *data, struct nfs_result *r)
{
	int err;

	memset(r, 0, sizeof(*r));
	err = result_of(c, data, r);
	/* There is no name that could be missing: Linux looks up anew on ESTALE only. */
	return err == -ENOENT && by_handle(c->proc) ? -ESTALE : err;
}
