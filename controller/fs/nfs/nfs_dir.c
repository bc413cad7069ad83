/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Directories: the server's cookies are the guest's offsets, the cookie verifier lives in the open
 * directory. An entry that does not fit ends the reply; the next call starts behind the last one that did.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "nfs.h"

/*
 * Bytes asked of the server. The least fits the longest entry with all its attributes; the most keeps the
 * engine's decoder, which recurses once per entry, to a part of a thread's stack.
 */
#define LIST_MIN 4096
#define LIST_MAX 65536
#define MAX_RENEWALS 32 /* of a verifier that changes faster than it can be used */

void nfs_opendir(struct fs_req *req)
{
	struct nreq *n = nfs_begin(req);

	if (n)
		nfs_done(n, nfs_open_create(n, n->node, NFS_OPEN_DIR, &req->opened->fh));
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

/* A size that is not to be believed: the guest asks by itself. */
static bool is_unsure(struct nreq *n, const struct nfs_fh *fh)
{
	struct nfs_node *node = nfs_unsure_node(n, fh);

	if (node)
		nodetab_put(nfs_of(n->req)->nodes, &node->node);
	return node;
}

static bool add_plus(struct nreq *n, const struct nfs_dirent *ent, size_t len)
{
	struct fuse_entry_out entry = { 0 };

	if (!fs_dirent_fits(n->req, len, true))
		return false;
	/* Also the root of another file system: a guest makes its mount when it looks it up. */
	if (is_unsure(n, &ent->fh) || nfs_is_submount(n, &ent->attr))
		return add_plain(n, ent, len, true);
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

/* ---- cookie verifiers: 8 bytes, kept as a number since several READDIRs may run at a time ---- */

static void keep_verf(struct nfs_open *dir, const uint8_t *verf)
{
	uint64_t v;

	memcpy(&v, verf, sizeof(v));
	__atomic_store_n(&dir->cookieverf, v, __ATOMIC_RELAXED);
}

static void use_verf(struct nfs_open *dir, uint8_t *verf)
{
	uint64_t v = __atomic_load_n(&dir->cookieverf, __ATOMIC_RELAXED);

	memcpy(verf, &v, sizeof(v));
}

static bool ignore_entry(struct nfs_call *call, const struct nfs_dirent *ent)
{
	return false;
}

static void verf_renewed(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	if (err) {
		nfs_done(n, err);
		return;
	}
	keep_verf(n->open, res->verf);
	list(n, n->plus ? NFS_READDIRPLUS : NFS_READDIR);
}

/*
 * The directory changed and its server changes verifiers with it, though cookies of one that can change
 * under its readers must stay good: the start of the list tells the new verifier, then it is tried again.
 */
static void renew_verf(struct nreq *n)
{
	n->renewals++;
	nfs_prepare(n, NFS_READDIR);
	n->call.count = LIST_MIN;
	n->call.entry = ignore_entry;
	nfs_go(n, verf_renewed);
}

static void list_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	/* A server without READDIRPLUS. */
	if (err == -EOPNOTSUPP && call->proc == NFS_READDIRPLUS) {
		list(n, NFS_READDIR);
		return;
	}
	if (err == -EBADE && call->offset && n->renewals < MAX_RENEWALS) {
		renew_verf(n);
		return;
	}
	/* An empty reply would mean the end of the directory. */
	if (!err && !n->req->out_len && !res->eof)
		err = n->req->read->size < LIST_MIN ? -EINVAL : -EIO;
	if (!err)
		keep_verf(n->open, res->verf);
	nfs_done(n, err == -EBADE ? -EIO : err);
}

static void list(struct nreq *n, enum nfs_proc proc)
{
	const struct fuse_read_in *in = n->req->read;
	uint32_t want = min(in->size, nfs_of(n->req)->mnt.dtpref);

	nfs_prepare(n, proc);
	n->call.offset = in->offset;
	want = min(want, (uint32_t)LIST_MAX);
	n->call.count = max(want, (uint32_t)LIST_MIN);
	n->call.entry = on_entry;
	if (in->offset) /* the start of a directory takes no verifier */
		use_verf(n->open, n->call.verf);
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
