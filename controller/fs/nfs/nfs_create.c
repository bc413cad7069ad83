/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making, linking, renaming and removing names. The owner of a new object is whoever the call's AUTH_SYS
 * credential names; the mode comes with the guest's umask applied already.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "nfs.h"

/* Begins a call that makes name[0] in the request's directory. */
static struct nreq *begin_new(struct fs_req *req, enum nfs_proc proc, uint32_t mode)
{
	struct nreq *n = nfs_begin_name(req);

	if (!n)
		return NULL;
	nfs_prepare(n, proc);
	n->call.name = req->name[0];
	n->call.sattr.set = NFS_SET_MODE;
	n->call.sattr.mode = mode & 07777;
	n->made_ns = clock_ns();
	return n;
}

void nfs_mknod(struct fs_req *req)
{
	uint32_t mode = req->mknod->mode, rdev = req->mknod->rdev;
	bool regular = (mode & S_IFMT) == S_IFREG || !(mode & S_IFMT);
	struct nreq *n = begin_new(req, regular ? NFS_CREATE : NFS_MKNOD, mode);

	if (!n)
		return;
	n->call.create_mode = NFS_GUARDED;
	n->call.mode = mode;
	n->call.rdev_major = (rdev >> 8) & 0xfff;
	n->call.rdev_minor = (rdev & 0xff) | ((rdev >> 12) & 0xfff00);
	nfs_go(n, nfs_made);
}

void nfs_mkdir(struct fs_req *req)
{
	struct nreq *n = begin_new(req, NFS_MKDIR, req->mkdir->mode);

	if (n)
		nfs_go(n, nfs_made);
}

#define SYMLINK_TARGET_MAX 4095 /* PATH_MAX without its NUL */

void nfs_symlink(struct fs_req *req)
{
	struct nreq *n;

	if (strlen(req->name[1]) > SYMLINK_TARGET_MAX) {
		fs_req_done(req, -ENAMETOOLONG);
		return;
	}
	n = begin_new(req, NFS_SYMLINK, 0777);
	if (!n)
		return;
	n->call.target = req->name[1];
	nfs_go(n, nfs_made);
}

static void excl_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	if (err != -EOPNOTSUPP) {
		nfs_entry_done(call, err, res);
		return;
	}
	n->exclusive = false;
	n->call.create_mode = NFS_GUARDED;
	nfs_go(n, nfs_made);
}

/*
 * O_EXCL goes with a verifier, by which a server that restarted knows its own file again: a lock file made
 * by the first sending must not be "somebody else's" to the second.
 */
void nfs_create(struct fs_req *req)
{
	struct nreq *n = begin_new(req, NFS_CREATE, req->create->mode);
	uint64_t verf;

	if (!n)
		return;
	if (req->create->flags & O_EXCL) {
		n->exclusive = true;
		n->call.create_mode = NFS_EXCLUSIVE;
		/* Servers keep it as two times in seconds: not all of them go beyond 31 bits. */
		verf = __atomic_add_fetch(&nfs_of(req)->serial, 1, __ATOMIC_RELAXED);
		verf = htobe64(verf & 0x7fffffff7fffffffull);
		memcpy(n->call.verf, &verf, sizeof(verf));
		nfs_go(n, excl_done);
		return;
	}
	n->call.create_mode = NFS_UNCHECKED; /* O_TRUNC comes behind it */
	nfs_go(n, nfs_entry_done);
}

/* ---- LINK: the new name's object is known, its attributes come back or are asked for ---- */

static void link_attr_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	if (!err && !res->has_attr) {
		nfs_prepare(n, NFS_GETATTR);
		n->call.fh = &n->node2->fh;
		nfs_go(n, link_attr_done);
		return;
	}
	if (!err)
		err = nfs_fill_entry(n, &n->node2->fh, &res->attr, n->req->entry, true);
	nfs_done(n, err);
}

/* The name that was in the way of a second sending: ours, if it leads to the same file. */
static void link_looked_up(struct nfs_call *call, int err, const struct nfs_result *res)
{
	const struct nfs_fh *fh = &nreq_of(call)->node2->fh;

	if (err || !res->has_fh || res->fh.len != fh->len ||
	    memcmp(res->fh.data, fh->data, fh->len))
		err = -EEXIST;
	link_attr_done(call, err, res);
}

static void link_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);
	const char *name = n->req->name[0];

	if (err != -EEXIST || !res->resent) {
		link_attr_done(call, err, res);
		return;
	}
	nfs_prepare(n, NFS_LOOKUP);
	n->call.name = name;
	nfs_go(n, link_looked_up);
}

void nfs_link(struct fs_req *req)
{
	struct nreq *n = nfs_begin_name(req);
	struct node *old;

	if (!n)
		return;
	old = nodetab_get(nfs_of(req)->nodes, req->link->oldnodeid);
	if (!old) {
		nfs_done(n, -ESTALE);
		return;
	}
	n->node2 = container_of(old, struct nfs_node, node);
	nfs_prepare(n, NFS_LINK);
	n->call.fh = &n->node2->fh;
	n->call.fh2 = &n->node->fh;
	n->call.name2 = req->name[0];
	nfs_go(n, link_done);
}

/* ---- removing ---- */

/* What went out twice and finds nothing the second time did its work the first time. */
static void remove_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	nfs_attr_note_dirs(n, res);
	if (err == -ENOENT && res->resent)
		err = 0;
	nfs_silly_settle(n, err);
	nfs_done(n, err);
}

static void unlink_now(struct nreq *n)
{
	if (n->silly) { /* the name went away with the silly rename */
		nfs_silly_settle(n, 0);
		nfs_done(n, 0);
		return;
	}
	nfs_prepare(n, NFS_REMOVE);
	n->call.name = n->req->name[0];
	nfs_go(n, remove_done);
}

void nfs_unlink(struct fs_req *req)
{
	struct nreq *n = nfs_begin_name(req);

	if (n)
		nfs_silly_check(n, &n->node->fh, req->name[0], unlink_now);
}

void nfs_rmdir(struct fs_req *req)
{
	struct nreq *n = nfs_begin_name(req);

	if (!n)
		return;
	nfs_prepare(n, NFS_RMDIR);
	n->call.name = req->name[0];
	nfs_go(n, remove_done);
}

/* ---- RENAME ---- */

static void rename_over(struct nreq *n, int err)
{
	nfs_silly_settle(n, err);
	nfs_done(n, err);
}

/* Sent twice, and the old name is not there: it was done the first time if the new one is. */
static void rename_found(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);
	const struct nfs_fh *old = n->victim ? &n->victim->fh : NULL;

	if (!err && old && res->has_fh && res->fh.len == old->len &&
	    !memcmp(res->fh.data, old->data, old->len))
		err = -ENOENT; /* what it should have replaced */
	rename_over(n, err);
}

static void rename_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	nfs_attr_note_dirs(n, res);
	if (err != -ENOENT || !res->resent) {
		rename_over(n, err);
		return;
	}
	nfs_prepare(n, NFS_LOOKUP);
	n->call.fh = &n->node2->fh;
	n->call.name = n->req->name[1];
	nfs_go(n, rename_found);
}

static void rename_now(struct nreq *n)
{
	nfs_prepare(n, NFS_RENAME);
	n->call.name = n->req->name[0];
	n->call.fh2 = &n->node2->fh;
	n->call.name2 = n->req->name[1];
	nfs_go(n, rename_done);
}

void nfs_rename(struct fs_req *req)
{
	struct nreq *n;
	struct node *dir;

	/* RENAME has no flags on the wire; EINVAL is what Linux expects of those who lack them. */
	if (req->rename2->flags) {
		fs_req_done(req, -EINVAL);
		return;
	}
	n = nfs_begin_name(req);
	if (!n)
		return;
	dir = nodetab_get(nfs_of(req)->nodes, req->rename2->newdir);
	if (!dir) {
		nfs_done(n, -ESTALE);
		return;
	}
	n->node2 = container_of(dir, struct nfs_node, node);
	nfs_silly_check(n, &n->node2->fh, req->name[1], rename_now);
}
