/* SPDX-License-Identifier: BSD-3-Clause */
/* FLUSH, FSYNC, RELEASE and SYNCFS: getting what was written on stable storage, and telling who lost some. */
#include <errno.h>

#include "nfs.h"

static void commit_over(struct nreq *n)
{
	/* RELEASE reports to nobody: a loss is kept for who asks next. */
	nfs_done(n, n->req->in->opcode == FUSE_RELEASE ? 0 : nfs_wb_error(n->wb, n->open));
}

void nfs_commit(struct nreq *n)
{
	if (n->wb)
		nfs_wb_commit(n, commit_over);
	else
		nfs_done(n, 0); /* not open for writing */
}

/* close(): what a process had locked in the file is free with it. */
void nfs_flush(struct fs_req *req)
{
	struct nreq *n = nfs_begin_open(req, req->flush->fh);

	if (n)
		nfs_lock_release(n, req->flush->lock_owner, false, nfs_commit);
}

int nfs_commit_other(struct nreq *n)
{
	int rc;

	if (n->wb || !__atomic_load_n(&n->node->dirty, __ATOMIC_ACQUIRE)) /* make_dirty() */
		return 0;
	rc = nfs_take_wb(n, n->node);
	if (!rc)
		nfs_wb_listen(n->wb, n->open);
	return rc;
}

/* Also of one that is open for reading: fsync() is about the file, whoever wrote it. */
void nfs_fsync(struct fs_req *req)
{
	struct nreq *n = nfs_begin_open(req, req->fsync->fh);
	int rc;

	if (!n)
		return;
	rc = nfs_commit_other(n);
	if (rc)
		nfs_done(n, rc);
	else
		nfs_commit(n);
}

/* NFSv3 directory operations are synchronous on the server. */
void nfs_fsyncdir(struct fs_req *req)
{
	fs_req_done(req, 0);
}

/*
 * ---- SYNCFS: one dirty file after the other, as many as there are now ----
 *
 * A loss is told to each SYNCFS that began before one of them has ended with it: to all that were under way,
 * or, if there were none, to the next and those beside it. (The guest's kernel does not say who calls, so
 * there is no position of each open file as in Linux' errseq.)
 */

/* Also of files that were closed since. */
static int syncfs_error(struct nreq *n)
{
	struct nfs_fs *nfs = nfs_of(n->req);
	int err = 0;

	pthread_mutex_lock(&nfs->lock);
	if (n->sync_told != nfs->sync_losses) {
		err = nfs->sync_err;
		nfs->sync_told = nfs->sync_losses;
	}
	pthread_mutex_unlock(&nfs->lock);
	return err;
}

static void syncfs_next(struct nreq *n)
{
	struct nfs_fs *nfs = nfs_of(n->req);

	n->wb = nfs_wb_next_dirty(nfs, n->wb, &n->dirty_pos, n->dirty_last);
	n->wb_ref = n->wb;
	n->node2 = n->wb ? n->wb->node : NULL;
	if (!n->wb) {
		nfs_done(n, syncfs_error(n));
		return;
	}
	nfs_wb_commit(n, syncfs_next);
}

void nfs_syncfs(struct fs_req *req)
{
	struct nreq *n = nfs_begin(req);
	struct nfs_fs *nfs;

	if (!n)
		return;
	nfs = nfs_of(req);
	pthread_mutex_lock(&nfs->lock);
	n->sync_told = nfs->sync_told;
	pthread_mutex_unlock(&nfs->lock);
	n->dirty_pos = 0;
	n->dirty_last = nfs_wb_last_dirty(nfs);
	syncfs_next(n);
}
