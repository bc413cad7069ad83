/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FLUSH, FSYNC and SYNCFS: getting what was written on stable storage.
 *
 * Theory of operation: WRITEs go out UNSTABLE and put the node on the list of dirty ones, with the server's
 * write verifier. COMMIT makes it clean, unless more was written while it ran: until then every FSYNC sends
 * a COMMIT of its own, so that none returns before its data is safe. When a verifier differs from the one
 * remembered, the server restarted and may have forgotten data that we no longer have: the node is marked
 * lost, and the next FSYNC or FLUSH says EIO, once, as Linux does for lost pages.
 */
#include <errno.h>
#include <string.h>

#include "nfs.h"

static void make_clean(struct nfs_fs *nfs, struct nfs_node *node)
{
	if (!node->dirty)
		return;
	TAILQ_REMOVE(&nfs->dirty, node, dirty_link);
	nfs->nr_dirty--;
	node->dirty = false;
}

void nfs_forget_dirty(struct nfs_fs *nfs, struct nfs_node *node)
{
	pthread_mutex_lock(&nfs->lock);
	make_clean(nfs, node);
	pthread_mutex_unlock(&nfs->lock);
}

void nfs_note_write(struct nreq *n, const struct nfs_result *res)
{
	struct nfs_fs *nfs = nfs_of(n->req);
	struct nfs_node *node = n->node;

	if (res->file_sync)
		return;
	pthread_mutex_lock(&nfs->lock);
	if (!node->dirty) {
		TAILQ_INSERT_TAIL(&nfs->dirty, node, dirty_link);
		nfs->nr_dirty++;
		node->dirty = true;
	} else if (memcmp(node->verf, res->verf, NFS_VERF_SIZE)) {
		node->lost = true;
	}
	memcpy(node->verf, res->verf, NFS_VERF_SIZE);
	node->writes++;
	node->uid = n->cred.uid;
	node->gid = n->cred.gid;
	pthread_mutex_unlock(&nfs->lock);
}

/* COMMIT for node, remembering in the request what it covers. */
static void send_commit(struct nreq *n, struct nfs_node *node,
			void (*done)(struct nfs_call *, int, const struct nfs_result *))
{
	struct nfs_fs *nfs = nfs_of(n->req);

	nfs_prepare(n, NFS_COMMIT);
	n->call.fh = &node->fh;
	pthread_mutex_lock(&nfs->lock);
	memcpy(n->call.verf, node->verf, NFS_VERF_SIZE);
	n->writes = node->writes;
	pthread_mutex_unlock(&nfs->lock);
	nfs_go(n, done);
}

/* 0 or the error to report. RELEASE reports to nobody: the loss is kept for who asks next. */
static int end_commit(struct nreq *n, struct nfs_node *node, const uint8_t *verf, int err)
{
	struct nfs_fs *nfs = nfs_of(n->req);

	pthread_mutex_lock(&nfs->lock);
	if (!err && memcmp(n->call.verf, verf, NFS_VERF_SIZE))
		node->lost = true;
	/* After an error, too: what could not be committed once is reported once. */
	if (n->writes == node->writes)
		make_clean(nfs, node);
	if (n->req->in->opcode != FUSE_RELEASE) {
		if (!err && node->lost)
			err = -EIO;
		node->lost = false;
	} else if (err) {
		node->lost = true;
	}
	pthread_mutex_unlock(&nfs->lock);
	return err;
}

static void commit_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	nfs_done(n, end_commit(n, n->node, res->verf, err));
}

/* Also true when data was lost: somebody has to be told. */
static bool needs_commit(struct nfs_fs *nfs, struct nfs_node *node)
{
	bool needed;

	pthread_mutex_lock(&nfs->lock);
	needed = node->dirty || node->lost;
	pthread_mutex_unlock(&nfs->lock);
	return needed;
}

void nfs_commit(struct nreq *n)
{
	if (needs_commit(nfs_of(n->req), n->node))
		send_commit(n, n->node, commit_done);
	else
		nfs_done(n, 0);
}

void nfs_flush(struct fs_req *req)
{
	struct nreq *n = nfs_begin_open(req, req->flush->fh);

	if (n)
		nfs_commit(n);
}

void nfs_fsync(struct fs_req *req)
{
	struct nreq *n = nfs_begin_open(req, req->fsync->fh);

	if (n)
		nfs_commit(n);
}

/* NFSv3 directory operations are synchronous on the server. */
void nfs_fsyncdir(struct fs_req *req)
{
	fs_req_done(req, 0);
}

/* ---- SYNCFS: one dirty file after the other, as many as there are now ---- */

static void syncfs_next(struct nreq *n);

static void syncfs_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	err = end_commit(n, n->node2, res->verf, err);
	nodetab_put(nfs_of(n->req)->nodes, &n->node2->node);
	n->node2 = NULL;
	if (err)
		nfs_done(n, err);
	else
		syncfs_next(n);
}

/*
 * A dirty node, pinned, with its last writer's ids as credentials. It goes to the end of the list: it stays
 * dirty if it is written to meanwhile, and the others come first.
 */
static struct nfs_node *first_dirty(struct nfs_fs *nfs, struct nreq *n)
{
	struct nfs_node *node;

	pthread_mutex_lock(&nfs->lock);
	TAILQ_FOREACH(node, &nfs->dirty, dirty_link)
		/* Fails for one that is dying: its fini() waits for the lock. */
		if (nodetab_get(nfs->nodes, nodetab_id(&node->node)))
			break;
	if (node) {
		TAILQ_REMOVE(&nfs->dirty, node, dirty_link);
		TAILQ_INSERT_TAIL(&nfs->dirty, node, dirty_link);
		n->cred = (struct nfs_cred){ .uid = node->uid, .gid = node->gid };
	}
	pthread_mutex_unlock(&nfs->lock);
	return node;
}

static void syncfs_next(struct nreq *n)
{
	if (n->moved)
		n->node2 = first_dirty(nfs_of(n->req), n);
	if (!n->node2) {
		nfs_done(n, 0);
		return;
	}
	n->moved--;
	send_commit(n, n->node2, syncfs_done);
}

void nfs_syncfs(struct fs_req *req)
{
	struct nreq *n = nfs_begin(req);
	struct nfs_fs *nfs = nfs_of(req);

	if (!n)
		return;
	pthread_mutex_lock(&nfs->lock);
	n->moved = nfs->nr_dirty;
	pthread_mutex_unlock(&nfs->lock);
	syncfs_next(n);
}
