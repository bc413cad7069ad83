/* SPDX-License-Identifier: BSD-3-Clause */
/* Open files: OPEN RELEASE READ WRITE. No FALLOCATE: NFSv3 cannot promise space. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "nfs.h"

#define ACCESS_READ 0x01
#define ACCESS_MODIFY 0x04
#define ACCESS_EXECUTE 0x20

/* The kernel's own open flag for execve(); FUSE passes it on, no public header has it. */
#define OPEN_FOR_EXEC 0x20

/* ---- OPEN, RELEASE ---- */

static void open_finish(struct nreq *n)
{
	int rc = nfs_open_create(n, n->node, nfs_open_kind(n->req->open->flags),
				 &n->req->opened->fh);

	nfs_done(n, rc);
}

static void truncated(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	if (err) {
		nfs_done(n, err);
		return;
	}
	nfs_wb_trim(n->wb, 0);
	open_finish(n);
}

static void truncate_now(struct nreq *n)
{
	if (!nfs_wb_enter(n, truncate_now))
		return;
	nfs_prepare(n, NFS_SETATTR);
	n->call.sattr.set = NFS_SET_SIZE;
	nfs_go(n, truncated);
}

static void open_allowed(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	if (!err && (call->access & ~res->access))
		err = -EACCES;
	if (err) {
		nfs_done(n, err);
		return;
	}
	n->req->opened->open_flags = nfs_attr_open_flags(nfs_of(n->req), n->node, res);
	if (!(n->req->open->flags & O_TRUNC)) {
		open_finish(n);
		return;
	}
	err = nfs_take_wb(n, n->node);
	if (err)
		nfs_done(n, err);
	else
		truncate_now(n);
}

/* A server lets those read a file who may execute it, so the one right is enough for the other's need. */
static uint32_t open_access(uint32_t flags)
{
	if (flags & OPEN_FOR_EXEC)
		return ACCESS_EXECUTE;
	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		return flags & O_TRUNC ? ACCESS_READ | ACCESS_MODIFY : ACCESS_READ;
	case O_WRONLY:
		return ACCESS_MODIFY;
	default:
		return ACCESS_READ | ACCESS_MODIFY;
	}
}

/* Asking the server: mode bits do not tell about root squashing, ACLs or a read-only export. */
void nfs_open(struct fs_req *req)
{
	struct nreq *n = nfs_begin(req);

	if (!n)
		return;
	nfs_open_begin(n);
	nfs_prepare(n, NFS_ACCESS);
	n->call.access = open_access(req->open->flags);
	nfs_go(n, open_allowed);
}

static void release_locks(struct nreq *n)
{
	nfs_lock_closed(n, nfs_commit);
}

/*
 * The last FLUSH may be long ago: pages of a shared mapping are written any time before RELEASE. They are
 * committed now, while somebody still knows of them.
 */
void nfs_release(struct fs_req *req)
{
	struct nreq *n = nfs_begin_open(req, req->release->fh);

	if (!n)
		return;
	nodetab_forget(nfs_of(req)->opens, req->release->fh, 1);
	if (req->release->release_flags & FUSE_RELEASE_FLOCK_UNLOCK)
		nfs_lock_release(n, req->release->lock_owner, true, release_locks);
	else
		release_locks(n);
}

/* ---- READ, WRITE: in pieces of the server's limits ---- */

static void read_next(struct nreq *n);
static void read_after_commit(struct nreq *n);

static size_t read_want(const struct fs_req *req)
{
	return min((size_t)req->read->size, req->room_len);
}

static void read_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	/* Nothing, but not the end either: the guest would take what there is for all there is. */
	if (!err && !res->count && !res->eof)
		err = -EIO;
	if (err) {
		nfs_done(n, err);
		return;
	}
	n->moved += res->count;
	n->req->out_len = n->moved;
	if (!res->eof && n->moved < read_want(n->req))
		read_next(n);
	else if (nfs_wb_unsure(n, n->node))
		read_after_commit(n);
	else
		nfs_done(n, 0);
}

static void read_again(struct nreq *n)
{
	n->moved = 0;
	n->req->out_len = 0;
	read_next(n);
}

/* The server may have restarted and lost what this should have read. */
static void read_after_commit(struct nreq *n)
{
	if (!n->wb && nfs_take_wb(n, n->node))
		nfs_done(n, -ENOMEM);
	else
		nfs_wb_commit(n, read_again);
}

static void read_next(struct nreq *n)
{
	struct fs_req *req = n->req;
	size_t want = read_want(req);

	if (!want) {
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
	nfs_wb_written(n, err, res);
	if (!err) {
		nfs_attr_note(n, res);
		n->moved += res->count;
		n->req->written->size = (uint32_t)n->moved;
	}
	/*
	 * What was written before an error counts: the guest comes back for the rest and meets it. But of its
	 * page cache it takes any success for the whole, and the rest would be lost without a word.
	 */
	if (err)
		nfs_done(n, n->moved && !(n->req->write->write_flags & FUSE_WRITE_CACHE) ? 0 : err);
	else
		write_next(n);
}

static void write_next(struct nreq *n)
{
	struct fs_req *req = n->req;
	size_t want = min((size_t)req->write->size, req->data_len);
	uint32_t count;

	if (n->moved >= want) {
		nfs_done(n, 0);
		return;
	}
	count = (uint32_t)min(want - n->moved, (size_t)nfs_of(req)->mnt.wtmax);
	nfs_prepare(n, NFS_WRITE);
	n->call.offset = n->write_at + n->moved;
	n->call.count = count;
	/* What cannot be kept until a COMMIT must be safe with the answer. */
	n->call.stable = nfs_of(req)->mnt.opts.sync || !nfs_wb_reserve(n, count);
	n->call.iov = req->data;
	n->call.iovcnt = req->data_cnt;
	n->call.iov_off = n->moved;
	nfs_go(n, write_done);
}

static void write_start(struct nreq *n)
{
	if (nfs_wb_enter(n, write_start))
		write_next(n);
}

/* ---- O_APPEND: with locks on the server its end is where the holder before left it ---- */

static void find_end(struct nreq *n);

static void end_found(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	if (err || !res->has_attr) {
		nfs_done(n, err ? err : -EIO);
	} else if (nfs_wb_unsure(n, n->node)) {
		nfs_wb_commit(n, find_end);
	} else {
		n->write_at = res->attr.size;
		write_start(n);
	}
}

static void find_end(struct nreq *n)
{
	nfs_prepare(n, NFS_GETATTR);
	nfs_go(n, end_found);
}

static bool appends(const struct fs_req *req)
{
	return nfs_of(req)->opts.lock == NFS_LOCK_REMOTE && req->write->flags & O_APPEND &&
	       !(req->write->write_flags & FUSE_WRITE_CACHE);
}

void nfs_write(struct fs_req *req)
{
	struct nreq *n = nfs_begin_open(req, req->write->fh);

	if (!n)
		return;
	n->write_at = req->write->offset;
	if (!n->wb)
		nfs_done(n, -EBADF); /* not open for writing */
	else if (appends(req))
		find_end(n);
	else
		write_start(n);
}
