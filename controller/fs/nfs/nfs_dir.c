/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Directories: the server's cookies are the guest's offsets, the cookie verifier lives in the open
 * directory. An entry that does not fit ends the reply; the next call starts behind the last one that did.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "nfs.h"

void nfs_opendir(struct fs_req *req)
{
	struct nreq *n = nfs_begin(req);

	if (n)
		nfs_done(n, nfs_open_create(n, n->node, 0, &req->opened->fh));
}

static bool is_dot(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* A name the kernel would call EIO for spoils one entry, not the listing. */
static bool usable(const char *name, size_t len)
{
	return len && len <= 255 && !memchr(name, '/', len);
}

static bool add_plain(struct nreq *n, const struct nfs_dirent *ent, size_t len, bool plus)
{
	static const struct fuse_entry_out unknown; /* nodeid 0: the guest looks it up if it cares */
	uint32_t type = ent->has_attr ? (ent->attr.mode & S_IFMT) >> 12 : 0;

	return fs_dirent_add(n->req, ent->name, len, ent->fileid, type, ent->cookie,
			     plus ? &unknown : NULL);
}

static bool add_plus(struct nreq *n, const struct nfs_dirent *ent, size_t len)
{
	struct fuse_entry_out entry = { 0 };

	if (!fs_dirent_fits(n->req, len, true))
		return false;
	/* Out of nodes: still an entry, just one the guest has to look up itself. */
	if (nfs_fill_entry(n, &ent->fh, &ent->attr, &entry, true))
		return add_plain(n, ent, len, true);
	return fs_dirent_add(n->req, ent->name, len, ent->fileid, (ent->attr.mode & S_IFMT) >> 12,
			     ent->cookie, &entry);
}

static bool on_entry(struct nfs_call *call, const struct nfs_dirent *ent)
{
	struct nreq *n = nreq_of(call);
	size_t len = strlen(ent->name);

	if (!usable(ent->name, len))
		return true;
	if (n->plus && ent->has_attr && ent->has_fh && !is_dot(ent->name))
		return add_plus(n, ent, len);
	return add_plain(n, ent, len, n->plus);
}

static void list(struct nreq *n, enum nfs_proc proc);

static void list_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	/* A server without READDIRPLUS. */
	if (err == -EOPNOTSUPP && call->proc == NFS_READDIRPLUS) {
		list(n, NFS_READDIR);
		return;
	}
	/* An empty reply would mean the end of the directory. */
	if (!err && !n->req->out_len && !res->eof)
		err = -EIO;
	if (!err)
		memcpy(n->open->cookieverf, res->verf, NFS_VERF_SIZE);
	nfs_done(n, err);
}

static void list(struct nreq *n, enum nfs_proc proc)
{
	const struct fuse_read_in *in = n->req->read;
	uint32_t most = nfs_of(n->req)->mnt.dtpref, want = max(in->size, 4096u);

	nfs_prepare(n, proc);
	n->call.offset = in->offset;
	most = max(most, 4096u);
	n->call.count = min(want, most);
	n->call.entry = on_entry;
	if (in->offset) /* the start of a directory takes no verifier */
		memcpy(n->call.verf, n->open->cookieverf, NFS_VERF_SIZE);
	nfs_go(n, list_done);
}

static void start_list(struct fs_req *req, bool plus)
{
	struct nreq *n = nfs_begin_open(req, req->read->fh);

	if (!n)
		return;
	n->plus = plus;
	list(n, plus ? NFS_READDIRPLUS : NFS_READDIR);
}

void nfs_readdir(struct fs_req *req)
{
	start_list(req, false);
}

void nfs_readdirplus(struct fs_req *req)
{
	start_list(req, true);
}
