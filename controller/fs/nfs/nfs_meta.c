/* SPDX-License-Identifier: BSD-3-Clause */
/* Names and attributes: LOOKUP GETATTR SETATTR ACCESS READLINK STATFS FORGET. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "nfs.h"

/* ACCESS3 bits, RFC 1813 section 3.3.4. */
#define ACCESS_READ 0x01
#define ACCESS_LOOKUP 0x02
#define ACCESS_MODIFY 0x04
#define ACCESS_EXTEND 0x08
#define ACCESS_EXECUTE 0x20

static void lookup_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);
	struct nfs_fs *nfs = nfs_of(n->req);

	if (res->has_dir_attr)
		nfs_attr_see(nfs, n->node, &res->dir_attr);
	if (err == -ENOENT && nfs_set_negative_valid(nfs, n->req->entry)) {
		nfs_done(n, 0);
		return;
	}
	nfs_entry_done(call, err, res);
}

void nfs_lookup(struct fs_req *req)
{
	struct nreq *n = nfs_begin_name(req);

	if (!n)
		return;
	nfs_prepare(n, NFS_LOOKUP);
	n->call.name = req->name[0];
	nfs_go(n, lookup_done);
}

static void getattr_now(struct nreq *n);

/* The server may have restarted and lost bytes at the end of the file: asked once more when they are back. */
static void attr_after_commit(struct nreq *n)
{
	if (!n->wb && nfs_take_wb(n, n->node))
		nfs_done(n, -ENOMEM);
	else
		nfs_wb_commit(n, getattr_now);
}

static void attr_finish(struct nreq *n, const struct nfs_attr *attr)
{
	nfs_fill_attr(&n->req->attr->attr, attr);
	nfs_map_owner(nfs_of(n->req), &n->req->attr->attr);
	/* The name it has on the server until it is closed does not count. */
	if (__atomic_load_n(&n->node->silly, __ATOMIC_RELAXED) && attr->nlink)
		n->req->attr->attr.nlink--;
	nfs_set_attr_valid(nfs_of(n->req), n->node, attr, n->req->attr);
	nfs_done(n, 0);
}

static void attr_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	if (!err && call->proc == NFS_SETATTR && (call->sattr.set & NFS_SET_SIZE))
		nfs_wb_trim(n->wb, call->sattr.size);
	if (err)
		nfs_done(n, err);
	else if (!res->has_attr)
		getattr_now(n);
	else if (nfs_wb_unsure(n, n->node) && !n->inside)
		attr_after_commit(n);
	else
		attr_finish(n, &res->attr);
}

static void getattr_now(struct nreq *n)
{
	nfs_prepare(n, NFS_GETATTR);
	nfs_go(n, attr_done);
}

void nfs_getattr(struct fs_req *req)
{
	struct nreq *n = nfs_begin(req);

	if (n)
		getattr_now(n);
}

/* NFSv3 has seconds from 1970 to 2106; Linux' own client bends what is outside in the same way. */
static struct timespec wire_time(uint64_t sec, uint32_t nsec)
{
	if ((int64_t)sec < 0)
		return (struct timespec){ 0 };
	if (sec > UINT32_MAX)
		return (struct timespec){ .tv_sec = UINT32_MAX };
	return (struct timespec){ .tv_sec = (time_t)sec, .tv_nsec = nsec };
}

static struct nfs_sattr sattr_of(const struct fuse_setattr_in *in)
{
	static const struct {
		uint32_t fattr, set;
	} bits[] = {
		{ FATTR_MODE, NFS_SET_MODE }, { FATTR_UID, NFS_SET_UID },
		{ FATTR_GID, NFS_SET_GID }, { FATTR_SIZE, NFS_SET_SIZE },
	};
	struct nfs_sattr s = {
		.mode = in->mode & 07777, .uid = in->uid, .gid = in->gid, .size = in->size,
		.atime = wire_time(in->atime, in->atimensec),
		.mtime = wire_time(in->mtime, in->mtimensec),
	};

	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		if (in->valid & bits[i].fattr)
			s.set |= bits[i].set;
	if (in->valid & FATTR_ATIME)
		s.set |= in->valid & FATTR_ATIME_NOW ? NFS_SET_ATIME_NOW : NFS_SET_ATIME;
	if (in->valid & FATTR_MTIME)
		s.set |= in->valid & FATTR_MTIME_NOW ? NFS_SET_MTIME_NOW : NFS_SET_MTIME;
	return s;
}

/* The owner as the server knows it. 0 or -EPERM. */
static int map_owner(const struct nfs_fs *nfs, struct nfs_sattr *s)
{
	int rc = s->set & NFS_SET_UID ? idmap_to_host(&nfs->uids, s->uid, &s->uid) : 0;

	if (!rc && (s->set & NFS_SET_GID))
		rc = idmap_to_host(&nfs->gids, s->gid, &s->gid);
	return rc;
}

static void setattr_now(struct nreq *n)
{
	int rc;

	nfs_prepare(n, NFS_SETATTR);
	n->call.sattr = sattr_of(n->req->setattr);
	rc = map_owner(nfs_of(n->req), &n->call.sattr);
	if (rc) {
		nfs_done(n, rc);
		return;
	}
	/* Nothing NFSv3 could set (ctime alone, say): the attributes as they are. */
	if (!n->call.sattr.set)
		n->call.proc = NFS_GETATTR;
	nfs_go(n, attr_done);
}

static void resize(struct nreq *n)
{
	if (nfs_wb_enter(n, resize))
		setattr_now(n);
}

/*
 * What is written again after a restart of the server must not change a time or meet a mode that was set
 * after it: such changes wait for a COMMIT. Those of the size go by the gate instead.
 */
void nfs_setattr(struct fs_req *req)
{
	const struct fuse_setattr_in *in = req->setattr;
	bool sized = in->valid & FATTR_SIZE, by_handle = sized && (in->valid & FATTR_FH);
	struct nreq *n;
	int rc = 0;

	if (in->atimensec >= 1000000000 || in->mtimensec >= 1000000000) {
		fs_req_done(req, -EINVAL);
		return;
	}
	n = by_handle ? nfs_begin_open(req, in->fh) : nfs_begin(req);
	if (!n)
		return;
	if (!n->wb && (sized || __atomic_load_n(&n->node->dirty, __ATOMIC_ACQUIRE)))
		rc = nfs_take_wb(n, n->node);
	if (rc)
		nfs_done(n, rc);
	else if (sized)
		resize(n);
	else if (n->wb)
		nfs_wb_commit(n, setattr_now);
	else
		setattr_now(n);
}

static void access_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	if (!err && (call->access & ~res->access))
		err = -EACCES;
	nfs_done(nreq_of(call), err);
}

/* X means search on a directory and execute on a file; the server ignores the other. */
static uint32_t access_bits(uint32_t mask)
{
	return (mask & R_OK ? ACCESS_READ : 0) | (mask & W_OK ? ACCESS_MODIFY : 0);
}

static void access_exec_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	uint32_t granted = err ? 0 : res->access;

	if (!err && !(granted & (ACCESS_LOOKUP | ACCESS_EXECUTE)))
		err = -EACCES;
	if (!err && (access_bits(nreq_of(call)->req->access->mask) & ~granted))
		err = -EACCES;
	nfs_done(nreq_of(call), err);
}

void nfs_access(struct fs_req *req)
{
	uint32_t mask = req->access->mask;
	struct nreq *n = nfs_begin(req);

	if (!n)
		return;
	nfs_prepare(n, NFS_ACCESS);
	n->call.access = access_bits(mask);
	if (mask & X_OK)
		n->call.access |= ACCESS_LOOKUP | ACCESS_EXECUTE;
	nfs_go(n, mask & X_OK ? access_exec_done : access_done);
}

static void readlink_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	size_t len = err ? 0 : strlen(res->target);

	if (!err && (!len || fs_req_put(n->req, res->target, len) < len))
		err = len ? -ENAMETOOLONG : -EIO;
	nfs_done(n, err);
}

void nfs_readlink(struct fs_req *req)
{
	struct nreq *n = nfs_begin(req);

	if (!n)
		return;
	nfs_prepare(n, NFS_READLINK);
	nfs_go(n, readlink_done);
}

static void statfs_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);
	struct fuse_kstatfs *st = &n->req->statfs->st;

	if (!err) {
		st->bsize = st->frsize = 4096;
		st->blocks = res->tbytes / 4096;
		st->bfree = res->fbytes / 4096;
		st->bavail = res->abytes / 4096;
		st->files = res->tfiles;
		st->ffree = res->ffiles;
		st->namelen = nfs_of(n->req)->mnt.name_max;
	}
	nfs_done(n, err);
}

void nfs_statfs(struct fs_req *req)
{
	struct nreq *n = nfs_begin(req);

	if (!n)
		return;
	nfs_prepare(n, NFS_FSSTAT);
	nfs_go(n, statfs_done);
}

void nfs_forget(struct fs_req *req)
{
	nodetab_forget(nfs_of(req)->nodes, req->in->nodeid, req->forget->nlookup);
	fs_req_done(req, 0);
}

void nfs_batch_forget(struct fs_req *req)
{
	struct fuse_forget_one one;

	/* What is there bounds the loop, not the count the guest claims. */
	for (uint32_t i = 0; i < req->batch_forget->count; i++) {
		if (fs_req_get(req, (size_t)i * sizeof(one), &one, sizeof(one)) != sizeof(one))
			break;
		nodetab_forget(nfs_of(req)->nodes, one.nodeid, one.nlookup);
	}
	fs_req_done(req, 0);
}
