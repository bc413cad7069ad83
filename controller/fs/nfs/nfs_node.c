/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nodes, open files, and the frame of every request.
 *
 * Theory of operation: a node's key is its NFS file handle; the server's generation in the handle keeps
 * a reused inode apart. Open files live in a second nodetab with a serial number as key and the guest's one
 * reference, so a forged or stale fh is judged like a node id. nfs_begin() pins, nfs_done() unpins; between
 * them a request makes one call after another, each done() either starting the next or ending the request.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "doca_log.h"
#include "nfs.h"

DOCA_LOG_REGISTER(VIRTIOFS::NFS::NODE);

/* ---- tables ---- */

/* FNV-1a: handles are opaque and short. */
static uint64_t hash_fh(const struct nfs_fh *fh)
{
	uint64_t h = 14695981039346656037ull;

	for (uint32_t i = 0; i < fh->len; i++)
		h = (h ^ fh->data[i]) * 1099511628211ull;
	return h;
}

static bool node_equal(const struct node *node, const void *key)
{
	const struct nfs_fh *a = &container_of(node, struct nfs_node, node)->fh, *b = key;

	return a->len == b->len && !memcmp(a->data, b->data, a->len);
}

static int node_init(void *fs, struct node *node, const void *key)
{
	container_of(node, struct nfs_node, node)->fh = *(const struct nfs_fh *)key;
	container_of(node, struct nfs_node, node)->gid = NFS_NO_GID;
	return 0;
}

/* Nothing to release: who has a reference to its write-back state pins the node. */
static void node_fini(void *fs, struct node *node)
{
}

const struct nodetab_ops nfs_node_ops = {
	.node_size = sizeof(struct nfs_node),
	.equal = node_equal,
	.init = node_init,
	.fini = node_fini,
};

static bool open_equal(const struct node *node, const void *key)
{
	return false; /* each open is one of its own */
}

/* key: a struct nfs_open to copy from, with file pinned and wb referred to for it. */
static int open_init(void *fs, struct node *node, const void *key)
{
	struct nfs_open *o = container_of(node, struct nfs_open, node);
	const struct nfs_open *from = key;

	o->file = from->file;
	o->cred = from->cred;
	o->dir = from->dir;
	o->wb = from->wb;
	o->err_seq = from->err_seq;
	return 0;
}

static void count_open(struct nfs_fs *nfs, struct nfs_node *file)
{
	__atomic_add_fetch(&nfs->nr_open, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&file->nr_open, 1, __ATOMIC_RELAXED);
}

static void count_close(struct nfs_fs *nfs, struct nfs_node *file)
{
	__atomic_sub_fetch(&nfs->nr_open, 1, __ATOMIC_RELAXED);
	if (__atomic_sub_fetch(&file->nr_open, 1, __ATOMIC_ACQ_REL) == 0)
		nfs_silly_closed(nfs, file);
}

static void open_fini(void *fs, struct node *node)
{
	struct nfs_fs *nfs = fs;
	struct nfs_open *o = container_of(node, struct nfs_open, node);

	if (!o->file)
		return; /* the place holder of id 1 */
	if (!o->dir)
		count_close(nfs, o->file);
	nfs_wb_put(o->wb);
	nodetab_put(nfs->nodes, &o->file->node);
}

const struct nodetab_ops nfs_open_ops = {
	.node_size = sizeof(struct nfs_open),
	.equal = open_equal,
	.init = open_init,
	.fini = open_fini,
};

/* Id 1 of a nodetab is never forgotten: among the open files it belongs to nobody. */
int nfs_root(struct nfs_fs *nfs)
{
	static const struct nfs_open nobody;
	struct node *root;
	int rc = nodetab_set_root(nfs->opens, 0, &nobody);

	if (!rc)
		rc = nodetab_set_root(nfs->nodes, hash_fh(&nfs->mnt.root), &nfs->mnt.root);
	if (rc)
		return rc;
	root = nodetab_get(nfs->nodes, NODETAB_ROOT);
	container_of(root, struct nfs_node, node)->fsid = nfs->mnt.root_attr.fsid;
	container_of(root, struct nfs_node, node)->gid = nfs->mnt.root_attr.gid;
	nodetab_put(nfs->nodes, root);
	return 0;
}

struct nfs_node *nfs_node_find(struct nfs_fs *nfs, const struct nfs_fh *fh)
{
	struct node *node = nodetab_find(nfs->nodes, hash_fh(fh), fh);

	return node ? container_of(node, struct nfs_node, node) : NULL;
}

/* What the open file keeps: a pin of its own, and the write-back state if it is for writing. */
static int open_prepare(struct nfs_fs *nfs, struct nfs_open *o, enum nfs_open_kind kind)
{
	if (!nodetab_get(nfs->nodes, nodetab_id(&o->file->node)))
		return -ESTALE;
	if (kind != NFS_OPEN_WRITE)
		return 0;
	o->wb = nfs_wb_get(nfs, o->file, true);
	if (o->wb) {
		o->err_seq = nfs_wb_err_seq(o->wb);
		return 0;
	}
	nodetab_put(nfs->nodes, &o->file->node);
	return -ENOMEM;
}

int nfs_open_create(struct nreq *n, struct nfs_node *file, enum nfs_open_kind kind, uint64_t *ret_fh)
{
	struct nfs_fs *nfs = nfs_of(n->req);
	struct nfs_open proto = { .file = file, .cred = n->cred, .dir = kind == NFS_OPEN_DIR };
	struct node *node;
	int rc = open_prepare(nfs, &proto, kind);

	if (rc)
		return rc;
	rc = nodetab_intern(nfs->opens, __atomic_add_fetch(&nfs->serial, 1, __ATOMIC_RELAXED),
			    &proto, &node);
	if (rc) {
		nfs_wb_put(proto.wb);
		nodetab_put(nfs->nodes, &file->node);
		return rc;
	}
	if (!proto.dir)
		count_open(nfs, file);
	nodetab_grant(nfs->opens, node);
	*ret_fh = nodetab_id(node);
	nodetab_put(nfs->opens, node);
	return 0;
}

void nfs_open_begin(struct nreq *n)
{
	n->opening = true;
	count_open(nfs_of(n->req), n->node);
}

/* ---- ids of the guest, ids of the server ---- */

/* 0, or -EPERM: one of them is not to be used. */
static int map_cred(const struct nfs_fs *nfs, struct nfs_cred *cred)
{
	int rc = idmap_to_host(&nfs->uids, cred->uid, &cred->uid);

	if (!rc)
		rc = idmap_to_host(&nfs->gids, cred->gid, &cred->gid);
	for (uint32_t i = 0; i < cred->ngroups && !rc; i++)
		rc = idmap_to_host(&nfs->gids, cred->groups[i], &cred->groups[i]);
	return rc;
}

void nfs_map_owner(const struct nfs_fs *nfs, struct fuse_attr *attr)
{
	attr->uid = idmap_to_guest(&nfs->uids, attr->uid);
	attr->gid = idmap_to_guest(&nfs->gids, attr->gid);
}

/* ---- the frame of a request ---- */

static void take_cred(struct nreq *n)
{
	const struct fs_req *req = n->req;

	n->cred.uid = req->in->uid;
	n->cred.gid = req->in->gid;
	n->cred.ngroups = min(req->ngroups, (uint32_t)NFS_MAX_GROUPS);
	for (uint32_t i = 0; i < n->cred.ngroups; i++)
		n->cred.groups[i] = req->groups[i];
	n->sent_groups = n->cred.ngroups;
}

/* Everything but the node, which is pinned. */
static struct nreq *begin(struct fs_req *req, struct nfs_node *node)
{
	struct nreq *n = req->ctx;

	container_of(req->ft, struct nfs_thread, ft)->aborted = false;
	n->req = req;
	n->node = node;
	n->node2 = NULL;
	n->open = NULL;
	n->silly = NULL;
	n->victim = NULL;
	n->moved = 0;
	n->wb = NULL;
	n->wb_ref = false;
	n->inside = false;
	n->opening = false;
	n->kept = NULL;
	n->copy_due = false;
	n->plus = false;
	n->exclusive = false;
	n->truncated = false;
	n->renewals = 0;
	return n;
}

struct nreq *nfs_begin(struct fs_req *req)
{
	struct node *node = nodetab_get(nfs_of(req)->nodes, req->in->nodeid);
	struct nreq *n;
	int rc;

	if (!node) {
		fs_req_done(req, -ESTALE);
		return NULL;
	}
	n = begin(req, container_of(node, struct nfs_node, node));
	take_cred(n);
	rc = map_cred(nfs_of(req), &n->cred);
	if (rc)
		nfs_done(n, rc);
	return rc ? NULL : n;
}

/*
 * The kernel resolves "." and ".." itself; a server would lead out of the export by the second. Linux' server
 * takes what is too long for a call that cannot be read.
 */
static int name_error(const char *name)
{
	if (!*name || !strcmp(name, ".") || !strcmp(name, "..") || strchr(name, '/'))
		return -EINVAL;
	return strlen(name) > NAME_MAX ? -ENAMETOOLONG : 0;
}

struct nreq *nfs_begin_name(struct fs_req *req)
{
	bool two = req->in->opcode == FUSE_RENAME || req->in->opcode == FUSE_RENAME2;
	int rc = name_error(req->name[0]);

	if (!rc && two)
		rc = name_error(req->name[1]);
	if (!rc)
		return nfs_begin(req);
	fs_req_done(req, rc);
	return NULL;
}

struct nreq *nfs_begin_open(struct fs_req *req, uint64_t fh)
{
	struct nfs_fs *nfs = nfs_of(req);
	struct node *node = nodetab_get(nfs->opens, fh);
	struct nfs_open *open;
	struct nreq *n;

	open = node ? container_of(node, struct nfs_open, node) : NULL;
	if (!open || !open->file) { /* forged, released, or the place holder */
		if (open)
			nodetab_put(nfs->opens, node);
		fs_req_done(req, -EBADF);
		return NULL;
	}
	n = begin(req, open->file); /* the open file's pin on it is as good as one of ours */
	n->open = open;
	n->wb = open->wb;
	n->cred = open->cred;
	return n;
}

int nfs_take_wb(struct nreq *n, struct nfs_node *node)
{
	n->wb = nfs_wb_get(nfs_of(n->req), node, true);
	n->wb_ref = n->wb;
	return n->wb ? 0 : -ENOMEM;
}

void nfs_prepare(struct nreq *n, enum nfs_proc proc)
{
	memset(&n->call, 0, sizeof(n->call));
	n->call.proc = proc;
	n->call.tag = n->req->in->unique;
	n->call.cred = &n->cred;
	n->call.fh = &n->node->fh;
	if (!n->moved)
		nfs_wb_ask(n);
}

void nfs_go(struct nreq *n, void (*done)(struct nfs_call *, int, const struct nfs_result *))
{
	struct nfs_thread *t = container_of(n->req->ft, struct nfs_thread, ft);

	n->call.done = done;
	if (!t->aborted && !nfs_groups_complete(n))
		return; /* it goes out when they are known */
	nfs_client_call(t->client, &n->call);
	/* It was between two calls, waiting for something else, when they were aborted. */
	if (unlikely(t->aborted))
		nfs_client_abort(t->client);
}

/*
 * A directory that is stale has been removed, which is nothing to talk about; but the one that was mounted is
 * the export. The server is believed to have it again when it answers a question about it.
 */
static void watch_export(struct nfs_fs *nfs, const struct nreq *n, int err)
{
	uint32_t opcode = n->req->in->opcode;
	bool gone = err == -ESTALE;

	if (nodetab_id(&n->node->node) != NODETAB_ROOT ||
	    !(gone || ((!err || err == -ENOENT) && (opcode == FUSE_LOOKUP || opcode == FUSE_GETATTR))) ||
	    __atomic_exchange_n(&nfs->export_gone, gone, __ATOMIC_RELAXED) == gone)
		return;
	if (gone)
		DOCA_LOG_WARN("nfs: server %s does not export %s any more: the guest gets ESTALE",
			      nfs->place.server, nfs->place.export_path);
	else
		DOCA_LOG_INFO("nfs: server %s exports %s again", nfs->place.server,
			      nfs->place.export_path);
}

void nfs_done(struct nreq *n, int err)
{
	struct nfs_fs *nfs = nfs_of(n->req);

	if (unlikely(err == -ESTALE || __atomic_load_n(&nfs->export_gone, __ATOMIC_RELAXED)))
		watch_export(nfs, n, err);
	if (n->inside)
		nfs_wb_leave(n);
	if (n->opening)
		count_close(nfs, n->node);
	if (n->wb_ref)
		nfs_wb_put(n->wb);
	if (n->node2)
		nodetab_put(nfs->nodes, &n->node2->node);
	if (n->victim)
		nodetab_put(nfs->nodes, &n->victim->node);
	if (n->open)
		nodetab_put(nfs->opens, &n->open->node);
	else
		nodetab_put(nfs->nodes, &n->node->node);
	fs_req_done(n->req, err);
}

/* ---- conversions ---- */

void nfs_fill_attr(struct fuse_attr *out, const struct nfs_attr *a)
{
	out->ino = a->fileid;
	out->size = a->size;
	out->blocks = (a->used + 511) / 512;
	out->atime = (uint64_t)a->atime.tv_sec;
	out->mtime = (uint64_t)a->mtime.tv_sec;
	out->ctime = (uint64_t)a->ctime.tv_sec;
	out->atimensec = (uint32_t)a->atime.tv_nsec;
	out->mtimensec = (uint32_t)a->mtime.tv_nsec;
	out->ctimensec = (uint32_t)a->ctime.tv_nsec;
	out->mode = a->mode;
	out->nlink = a->nlink;
	out->uid = a->uid;
	out->gid = a->gid;
	out->rdev = nfs_encode_dev(a->rdev_major, a->rdev_minor);
	out->blksize = 4096;
}

bool nfs_is_submount(const struct nreq *n, const struct nfs_attr *attr)
{
	return S_ISDIR(attr->mode) && (nfs_of(n->req)->fs.session_flags & FUSE_SUBMOUNTS) &&
	       __atomic_load_n(&n->node->fsid, __ATOMIC_RELAXED) != attr->fsid;
}

int nfs_fill_entry(struct nreq *n, const struct nfs_fh *fh, const struct nfs_attr *attr,
		   struct fuse_entry_out *entry, bool grant)
{
	struct nfs_fs *nfs = nfs_of(n->req);
	struct node *node;
	int rc = nodetab_intern(nfs->nodes, hash_fh(fh), fh, &node);

	if (rc)
		return rc;
	entry->nodeid = nodetab_id(node);
	nfs_fill_attr(&entry->attr, attr);
	nfs_map_owner(nfs, &entry->attr);
	if (nfs_is_submount(n, attr))
		entry->attr.flags |= FUSE_ATTR_SUBMOUNT;
	__atomic_store_n(&container_of(node, struct nfs_node, node)->fsid, attr->fsid,
			 __ATOMIC_RELAXED);
	nfs_set_entry_valid(nfs, n->node, container_of(node, struct nfs_node, node), attr, entry);
	if (grant)
		nodetab_grant(nfs->nodes, node);
	nodetab_put(nfs->nodes, node);
	return 0;
}

static void entry_attr_done(struct nfs_call *call, int err, const struct nfs_result *res);

int nfs_keep_node2(struct nreq *n, const struct nfs_fh *fh)
{
	struct nfs_fs *nfs = nfs_of(n->req);
	struct node *node;
	int rc = nodetab_intern(nfs->nodes, hash_fh(fh), fh, &node);

	if (rc)
		return rc;
	if (n->node2)
		nodetab_put(nfs->nodes, &n->node2->node);
	n->node2 = container_of(node, struct nfs_node, node);
	return 0;
}

/* A call about the new object: GETATTR, or SETATTR for what CREATE could not. */
static void ask_about(struct nreq *n, const struct nfs_fh *fh, enum nfs_proc proc)
{
	int rc = nfs_keep_node2(n, fh);

	if (rc) {
		nfs_done(n, rc);
		return;
	}
	nfs_prepare(n, proc);
	n->call.fh = &n->node2->fh;
	/* An exclusive CREATE left its verifier in the times and says nothing of the mode. */
	n->call.sattr.set = NFS_SET_MODE | NFS_SET_ATIME_NOW | NFS_SET_MTIME_NOW;
	n->call.sattr.mode = proc == NFS_SETATTR ? n->req->create->mode & 07777 : 0;
	nfs_go(n, entry_attr_done);
}

static int finish_create(struct nreq *n)
{
	struct nfs_fs *nfs = nfs_of(n->req);
	struct node *node = nodetab_get(nfs->nodes, n->req->entry->nodeid);
	int rc;

	if (!node)
		return -ESTALE;
	rc = nfs_open_create(n, container_of(node, struct nfs_node, node),
			     nfs_open_kind(n->req->create->flags), &n->req->create_open->fh);
	nodetab_put(nfs->nodes, node);
	n->req->create_open->open_flags = nfs->fs.cache.open_flags;
	return rc;
}

/* ---- CREATE with O_TRUNC of a file that was there: by the gate of what is written to it ---- */

static void truncated(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	if (!err)
		nfs_wb_trim(n->wb, 0);
	n->truncated = true;
	entry_attr_done(call, err, res);
}

static void truncate_now(struct nreq *n)
{
	if (!nfs_wb_enter(n, truncate_now))
		return;
	nfs_prepare(n, NFS_SETATTR);
	n->call.fh = &n->node2->fh;
	n->call.sattr.set = NFS_SET_SIZE;
	nfs_go(n, truncated);
}

/* True: the request goes on with that. */
static bool needs_truncate(struct nreq *n, const struct nfs_fh *fh, const struct nfs_attr *attr)
{
	int rc;

	if (n->req->in->opcode != FUSE_CREATE || !(n->req->create->flags & O_TRUNC) ||
	    !attr->size || n->truncated)
		return false;
	rc = nfs_keep_node2(n, fh);
	if (!rc)
		rc = nfs_take_wb(n, n->node2);
	if (rc)
		nfs_done(n, rc);
	else
		truncate_now(n);
	return true;
}

/* ---- the size of a file whose last bytes the server may have lost ---- */

struct nfs_node *nfs_unsure_node(const struct nreq *n, const struct nfs_fh *fh)
{
	struct nfs_fs *nfs = nfs_of(n->req);
	struct nfs_node *node;

	if (!__atomic_load_n(&nfs->nr_dirty, __ATOMIC_ACQUIRE) && !nfs_wb_overtaken(n)) /* make_clean() */
		return NULL;
	node = nfs_node_find(nfs, fh);
	if (!node || nfs_wb_unsure(n, node))
		return node;
	nodetab_put(nfs->nodes, &node->node);
	return NULL;
}

void nfs_entry_of_node2(struct nreq *n)
{
	const struct nfs_fh fh = n->node2->fh;

	ask_about(n, &fh, NFS_GETATTR);
}

static void entry_again(struct nreq *n)
{
	nfs_wb_put(n->wb);
	n->wb = NULL;
	n->wb_ref = false;
	nfs_entry_of_node2(n);
}

static bool is_unsure(struct nreq *n, const struct nfs_fh *fh)
{
	struct nfs_node *node = n->wb ? NULL : nfs_unsure_node(n, fh);
	int rc;

	if (!node)
		return false;
	if (n->node2)
		nodetab_put(nfs_of(n->req)->nodes, &n->node2->node);
	n->node2 = node;
	rc = nfs_take_wb(n, node);
	if (rc)
		nfs_done(n, rc);
	else
		nfs_wb_commit(n, entry_again);
	return true;
}

static void entry_finish(struct nreq *n, const struct nfs_fh *fh, const struct nfs_attr *attr)
{
	int rc;

	if (needs_truncate(n, fh, attr) || is_unsure(n, fh))
		return;
	rc = nfs_fill_entry(n, fh, attr, n->req->entry, true);

	if (!rc && n->req->in->opcode == FUSE_CREATE) {
		rc = finish_create(n);
		if (rc)
			nodetab_forget(nfs_of(n->req)->nodes, n->req->entry->nodeid, 1);
	}
	nfs_done(n, rc);
}

static void entry_attr_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	if (err)
		nfs_done(n, err);
	else if (res->has_attr)
		entry_finish(n, &n->node2->fh, &res->attr);
	else
		nfs_entry_of_node2(n);
}

void nfs_entry_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	if (call->proc != NFS_LOOKUP)
		nfs_attr_note_dirs(n, res);
	if (!err && !res->has_fh && call->proc == NFS_LOOKUP)
		err = -EIO;
	if (err) {
		nfs_done(n, err);
		return;
	}
	if (!res->has_fh) { /* new, but the server does not say what it is */
		const char *name = n->req->name[0];

		nfs_prepare(n, NFS_LOOKUP);
		n->call.name = name;
		nfs_go(n, nfs_entry_done);
		return;
	}
	if (n->exclusive)
		ask_about(n, &res->fh, NFS_SETATTR);
	else if (res->has_attr)
		entry_finish(n, &res->fh, &res->attr);
	else
		ask_about(n, &res->fh, NFS_GETATTR);
}
