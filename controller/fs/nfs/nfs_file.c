/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open files: OPEN RELEASE READ WRITE FLUSH FSYNC SYNCFS FALLOCATE.
 *
 * Theory of operation of writing: WRITEs go out UNSTABLE and mark the node dirty with the server's write
 * verifier. FSYNC, FLUSH (close) and SYNCFS send COMMIT. When a verifier differs from the one remembered,
 * the server restarted and may have forgotten data that we no longer have: the node is marked lost, and
 * the next FSYNC or FLUSH says EIO, once, as Linux does for lost pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "nfs.h"

#define ACCESS_READ 0x01
#define ACCESS_MODIFY 0x04
#define ACCESS_EXTEND 0x08
#define ACCESS_EXECUTE 0x20

/* ---- dirty state ---- */

static void note_write(struct nfs_fs *nfs, struct nreq *n, const struct nfs_result *res)
{
	struct nfs_node *node = n->node;

	if (res->file_sync)
		return;
	pthread_mutex_lock(&nfs->lock);
	if (!node->dirty) {
		TAILQ_INSERT_TAIL(&nfs->dirty, node, dirty_link);
		memcpy(node->verf, res->verf, NFS_VERF_SIZE);
		node->dirty = true;
	} else if (memcmp(node->verf, res->verf, NFS_VERF_SIZE)) {
		node->lost = true;
		memcpy(node->verf, res->verf, NFS_VERF_SIZE);
	}
	node->uid = n->cred.uid;
	node->gid = n->cred.gid;
	pthread_mutex_unlock(&nfs->lock);
}

/* Before COMMIT: what is written from now on needs another one. */
static void begin_commit(struct nfs_fs *nfs, struct nfs_node *node)
{
	pthread_mutex_lock(&nfs->lock);
	if (node->dirty)
		TAILQ_REMOVE(&nfs->dirty, node, dirty_link);
	node->dirty = false;
	pthread_mutex_unlock(&nfs->lock);
}

/* After it: 0 or the error fsync must report. */
static int end_commit(struct nfs_fs *nfs, struct nfs_node *node, const uint8_t *verf, int err)
{
	pthread_mutex_lock(&nfs->lock);
	if (!err && memcmp(node->verf, verf, NFS_VERF_SIZE))
		node->lost = true;
	if (!err && node->lost)
		err = -EIO;
	node->lost = false;
	pthread_mutex_unlock(&nfs->lock);
	return err;
}

/* Also true when data was lost: somebody has to be told. */
bool nfs_is_dirty(struct nfs_fs *nfs, struct nfs_node *node)
{
	bool dirty;

	pthread_mutex_lock(&nfs->lock);
	dirty = node->dirty || node->lost;
	pthread_mutex_unlock(&nfs->lock);
	return dirty;
}

static void commit_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	nfs_done(n, end_commit(nfs_of(n->req), n->node, res->verf, err));
}

static void commit(struct nreq *n)
{
	struct nfs_fs *nfs = nfs_of(n->req);

	if (!nfs_is_dirty(nfs, n->node)) {
		nfs_done(n, 0);
		return;
	}
	begin_commit(nfs, n->node);
	nfs_prepare(n, NFS_COMMIT);
	nfs_go(n, commit_done);
}

void nfs_flush(struct fs_req *req)
{
	struct nreq *n = nfs_begin_open(req, req->flush->fh);

	if (n)
		commit(n);
}

void nfs_fsync(struct fs_req *req)
{
	struct nreq *n = nfs_begin_open(req, req->fsync->fh);

	if (n)
		commit(n);
}

/* NFSv3 directory operations are synchronous on the server. */
void nfs_fsyncdir(struct fs_req *req)
{
	fs_req_done(req, 0);
}

/* ---- SYNCFS: one dirty file after the other ---- */

static void syncfs_next(struct nreq *n);

static void syncfs_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	err = end_commit(nfs_of(n->req), n->node2, res->verf, err);
	nodetab_put(nfs_of(n->req)->nodes, &n->node2->node);
	n->node2 = NULL;
	if (err)
		nfs_done(n, err);
	else
		syncfs_next(n);
}

/* The first dirty node, pinned, with its last writer's ids as credentials. */
static struct nfs_node *first_dirty(struct nfs_fs *nfs, struct nreq *n)
{
	struct nfs_node *node;

	pthread_mutex_lock(&nfs->lock);
	node = TAILQ_FIRST(&nfs->dirty);
	if (node && !nodetab_get(nfs->nodes, nodetab_id(&node->node)))
		node = NULL; /* dying: its fini() waits for the lock */
	if (node) {
		n->cred.uid = node->uid;
		n->cred.gid = node->gid;
		n->cred.ngroups = 0;
	}
	pthread_mutex_unlock(&nfs->lock);
	return node;
}

static void syncfs_next(struct nreq *n)
{
	struct nfs_fs *nfs = nfs_of(n->req);

	n->node2 = first_dirty(nfs, n);
	if (!n->node2) {
		nfs_done(n, 0);
		return;
	}
	begin_commit(nfs, n->node2);
	nfs_prepare(n, NFS_COMMIT);
	n->call.fh = &n->node2->fh;
	nfs_go(n, syncfs_done);
}

void nfs_syncfs(struct fs_req *req)
{
	struct nreq *n = nfs_begin(req);

	if (n)
		syncfs_next(n);
}

/* ---- OPEN, RELEASE ---- */

static void open_finish(struct nreq *n)
{
	const struct fuse_open_in *in = n->req->open;
	int rc = nfs_open_create(n, n->node, in->flags, &n->req->opened->fh);

	n->req->opened->open_flags = nfs_of(n->req)->fs.cache.open_flags;
	nfs_done(n, rc);
}

static void truncated(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	if (err)
		nfs_done(n, err);
	else
		open_finish(n);
}

static void open_allowed(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);
	uint32_t wanted = call->access & ~ACCESS_EXECUTE, granted = err ? 0 : res->access;

	/* The guest opens for reading what it executes; the server may grant just that. */
	if (granted & ACCESS_EXECUTE)
		wanted &= ~ACCESS_READ;
	if (!err && (wanted & ~granted))
		err = -EACCES;
	if (err) {
		nfs_done(n, err);
		return;
	}
	if (!(n->req->open->flags & O_TRUNC)) {
		open_finish(n);
		return;
	}
	nfs_prepare(n, NFS_SETATTR);
	n->call.sattr.set = NFS_SET_SIZE;
	nfs_go(n, truncated);
}

/* Asking the server: mode bits do not tell about root squashing, ACLs or a read-only export. */
void nfs_open(struct fs_req *req)
{
	struct nreq *n = nfs_begin(req);
	int mode = (int)req->open->flags & O_ACCMODE;

	if (!n)
		return;
	nfs_prepare(n, NFS_ACCESS);
	n->call.access = ACCESS_EXECUTE;
	if (mode != O_WRONLY)
		n->call.access |= ACCESS_READ;
	if (mode != O_RDONLY)
		n->call.access |= ACCESS_MODIFY;
	nfs_go(n, open_allowed);
}

void nfs_release(struct fs_req *req)
{
	nodetab_forget(nfs_of(req)->opens, req->release->fh, 1);
	fs_req_done(req, 0);
}

/* ---- READ, WRITE: in pieces of the server's limits ---- */

static void read_next(struct nreq *n);

static void read_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	if (err) {
		nfs_done(n, err);
		return;
	}
	n->moved += res->count;
	n->req->out_len = n->moved;
	if (res->eof || !res->count)
		nfs_done(n, 0);
	else
		read_next(n);
}

static void read_next(struct nreq *n)
{
	struct fs_req *req = n->req;
	size_t want = min((size_t)req->read->size, req->room_len);

	if (n->moved >= want) {
		nfs_done(n, 0);
		return;
	}
	nfs_prepare(n, NFS_READ);
	n->call.offset = req->read->offset + n->moved;
	n->call.count = (uint32_t)min(want - n->moved, (size_t)nfs_of(req)->mnt.rtmax);
	n->call.iov = req->room;
	n->call.iovcnt = req->room_cnt;
	n->call.iov_off = n->moved;
	nfs_go(n, read_done);
}

void nfs_read(struct fs_req *req)
{
	struct nreq *n = nfs_begin_open(req, req->read->fh);

	if (n)
		read_next(n);
}

static void write_next(struct nreq *n);

static void write_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	if (!err && !res->count)
		err = -EIO; /* a server that takes nothing would keep us here for ever */
	if (!err) {
		note_write(nfs_of(n->req), n, res);
		n->moved += res->count;
		n->req->written->size = (uint32_t)n->moved;
	}
	/* What was written before an error counts: the guest comes back for the rest and meets it. */
	if (err)
		nfs_done(n, n->moved ? 0 : err);
	else
		write_next(n);
}

static void write_next(struct nreq *n)
{
	struct fs_req *req = n->req;
	size_t want = min((size_t)req->write->size, req->data_len);

	if (n->moved >= want) {
		nfs_done(n, 0);
		return;
	}
	nfs_prepare(n, NFS_WRITE);
	n->call.offset = req->write->offset + n->moved;
	n->call.count = (uint32_t)min(want - n->moved, (size_t)nfs_of(req)->mnt.wtmax);
	n->call.iov = req->data;
	n->call.iovcnt = req->data_cnt;
	n->call.iov_off = n->moved;
	nfs_go(n, write_done);
}

void nfs_write(struct fs_req *req)
{
	struct nreq *n = nfs_begin_open(req, req->write->fh);

	if (n)
		write_next(n);
}

/* ---- FALLOCATE: NFSv3 can only make a file longer ---- */

static void extended(struct nfs_call *call, int err, const struct nfs_result *res)
{
	nfs_done(nreq_of(call), err);
}

static void extend_if_shorter(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);
	uint64_t end = n->req->fallocate->offset + n->req->fallocate->length;

	if (err || res->attr.size >= end) {
		nfs_done(n, err);
		return;
	}
	nfs_prepare(n, NFS_SETATTR);
	n->call.sattr.set = NFS_SET_SIZE;
	n->call.sattr.size = end;
	nfs_go(n, extended);
}

void nfs_fallocate(struct fs_req *req)
{
	const struct fuse_fallocate_in *in = req->fallocate;
	struct nreq *n;

	if (in->mode || in->offset + in->length < in->offset) {
		fs_req_done(req, in->mode ? -EOPNOTSUPP : -EFBIG);
		return;
	}
	n = nfs_begin_open(req, in->fh);
	if (!n)
		return;
	nfs_prepare(n, NFS_GETATTR);
	nfs_go(n, extend_if_shorter);
}
