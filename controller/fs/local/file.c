/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open files: OPEN RELEASE FLUSH IOCTL in place; FSYNC FALLOCATE through the ring; COPY_FILE_RANGE,
 * SYNCFS and the cutting off of large files through the worker.
 */
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/atomics.h"
#include "local.h"

/*
 * Left out on purpose: O_DIRECT unless it was asked for (the host's page cache is what the guest
 * bypasses its own for, and its buffers need not be aligned for the host's disk), O_APPEND (each
 * WRITE says so, see rw.c) and O_NONBLOCK.
 */
int local_open_flags(const struct local_fs *lfs, uint32_t guest_flags)
{
	int flags = (int)(guest_flags & (O_ACCMODE | O_SYNC | O_DSYNC)) | O_LARGEFILE;

	if (lfs->direct_io)
		flags |= (int)(guest_flags & O_DIRECT);
	if (lfs->switch_creds) /* others may only for their own files; the guest has checked */
		flags |= (int)(guest_flags & O_NOATIME);
	/* Its cache fills up a page that is only written in part. */
	if (lfs->writeback && (flags & O_ACCMODE) == O_WRONLY)
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	/* O_TRUNC is done with the descriptor, which has to be writable then. */
	if ((guest_flags & O_TRUNC) && (flags & O_ACCMODE) == O_RDONLY)
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	return flags;
}

static void open_done(struct fs_req *req, int err)
{
	if (!err)
		req->opened->open_flags = req->ft->fs->cache.open_flags;
	local_done(req, err);
}

static void open_truncated(struct fs_req *req, int err)
{
	struct lfh_table *fhs = &local_thread_of(req)->lfs->fhs;
	bool large;
	int fd;

	if (err) /* we use it still: nothing to close yet */
		lfh_close(fhs, req->opened->fh, false, &fd, &large);
	lfh_put(fhs, local_lreq(req)->fh);
	open_done(req, err);
}

static int open_truncate(struct fs_req *req)
{
	int err = 0;

	if (req->open->open_flags & FUSE_OPEN_KILL_SUIDGID)
		err = cred_root_kill();
	if (!err && ftruncate(local_lreq(req)->fh->fd, 0))
		err = -errno;
	cred_root();
	if (!err)
		local_drop_caps(local_thread_of(req)->lfs, local_lreq(req)->fh->fd);
	return err;
}

int local_open_file(struct local_thread *t, struct lnode *ln, int *flags)
{
	int fd = local_node_open(t, ln, *flags);

	/* A file system without O_DIRECT: what it promises is no guarantee anyway. */
	if (fd == -EINVAL && (*flags & O_DIRECT)) {
		*flags &= ~O_DIRECT;
		fd = local_node_open(t, ln, *flags);
	}
	return fd;
}

void local_op_open(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	struct lreq *job = local_lreq(req);
	struct lnode *ln = local_node_get(req, req->in->nodeid);
	enum lfskind kind = LFS_OTHER;
	int err, fd = -ESTALE;

	job->open_flags = local_open_flags(t->lfs, req->open->flags);
	if (ln) {
		kind = local_node_kind(t->lfs, ln);
		fd = ln->key.fmt == S_IFDIR ? -EISDIR : local_open_file(t, ln, &job->open_flags);
		/* An append-only file (chattr +a). */
		if (fd == -EPERM && (req->open->flags & O_APPEND)) {
			job->open_flags |= O_APPEND;
			fd = local_open_file(t, ln, &job->open_flags);
		}
	}
	local_node_put(req, ln);
	if (fd < 0) {
		local_done(req, fd);
		return;
	}
	/* Before its data goes it has to be certain that it will be open. */
	err = lfh_open(&t->lfs->fhs, fd, job->open_flags, kind, NULL, &req->opened->fh);
	if (err)
		close(fd);
	if (err || !(req->open->flags & O_TRUNC)) {
		open_done(req, err);
		return;
	}
	job->fh = lfh_get(&t->lfs->fhs, req->opened->fh, false);
	if (!job->fh) /* closed by a guest that guesses */
		open_done(req, -EBADF);
	else if (local_truncate_is_slow(job->fh->fd, 0))
		local_work(t, req, open_truncate, open_truncated);
	else
		open_truncated(req, open_truncate(req));
}

void local_op_release(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	bool was_open, large;
	int fd;

	local_lock_release(t, req->in->nodeid, req->release);
	was_open = lfh_close(&t->lfs->fhs, req->release->fh, false, &fd, &large);
	if (fd >= 0 && !(large && local_close_away(t, fd)))
		local_close_later(t, fd);
	fs_req_done(req, was_open ? 0 : -EBADF);
}

/* The file of the request, or an answer given. */
static struct lfh *file_get(struct fs_req *req, uint64_t fh, bool is_dir)
{
	struct lfh *f = lfh_get(&local_thread_of(req)->lfs->fhs, fh, is_dir);

	if (!f)
		local_done(req, -EBADF);
	return f;
}

static void file_done(struct fs_req *req, struct lfh *f, int err)
{
	lfh_put(&local_thread_of(req)->lfs->fhs, f);
	local_done(req, err);
}

static void ring_file_done(struct fs_req *req, int res)
{
	file_done(req, local_lreq(req)->fh, res < 0 ? res : 0);
}

/* Closing a duplicate makes network file systems below write, and tell about what failed. */
static int flush_work(struct fs_req *req)
{
	struct local_thread *self = local_worker_self();
	int fd, tries = 0;

	do {
		fd = fcntl(local_lreq(req)->fh->fd, F_DUPFD_CLOEXEC, 0);
	} while (fd < 0 && local_again(self ? self : local_thread_of(req), &tries));
	if (fd < 0)
		return local_errno();
	return close(fd) && errno != EINTR ? -errno : 0;
}

void local_op_flush(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	struct lfh *f = file_get(req, req->flush->fh, false);

	if (!f)
		return;
	t->op_seq++;
	local_lock_flush(t, req->in->nodeid, req->flush->lock_owner);
	local_lreq(req)->fh = f;
	if (f->kind == LFS_REMOTE)
		local_work(t, req, flush_work, ring_file_done);
	else
		file_done(req, f, f->kind == LFS_OTHER ? flush_work(req) : 0);
}

static void fsync_start(struct fs_req *req, bool is_dir)
{
	struct local_thread *t = local_thread_of(req);
	struct lfh *f = file_get(req, req->fsync->fh, is_dir);
	unsigned int flags = 0;

	if (!f)
		return;
	if (req->fsync->fsync_flags & FUSE_FSYNC_FDATASYNC)
		flags = IORING_FSYNC_DATASYNC;
	local_lreq(req)->fh = f;
	local_ring_prep(t, req, ring_file_done, IORING_OP_FSYNC, f->fd)->fsync_flags = flags;
}

void local_op_fsync(struct fs_req *req)
{
	fsync_start(req, false);
}

void local_op_fsyncdir(struct fs_req *req)
{
	fsync_start(req, true);
}

/*
 * These requests have no flag for it: with HANDLE_KILLPRIV_V2 the guest leaves it to us to clear
 * setuid and setgid of what an ordinary user changes.
 */
static bool file_kills(const struct fs_req *req)
{
	const struct local_fs *lfs = local_thread_of(req)->lfs;

	return req->in->uid && (lfs->fs.session_flags & FUSE_HANDLE_KILLPRIV_V2);
}

/* On a worker: without a personality for the ring. */
static int fallocate_work(struct fs_req *req)
{
	const struct fuse_fallocate_in *in = req->fallocate;
	int fd = local_lreq(req)->fh->fd, err = cred_root_kill();

	if (!err && fallocate(fd, (int)in->mode, (off_t)in->offset, (off_t)in->length))
		err = -errno;
	cred_root();
	return err;
}

void local_op_fallocate(struct fs_req *req)
{
	const struct fuse_fallocate_in *in = req->fallocate;
	struct local_thread *t = local_thread_of(req);
	struct lfh *f = file_get(req, in->fh, false);
	struct io_uring_sqe *sqe;

	if (!f)
		return;
	local_lreq(req)->fh = f;
	WRITE_ONCE(f->may_be_large, true);
	if (file_kills(req) && !t->kill_personality) {
		local_work(t, req, fallocate_work, ring_file_done);
		return;
	}
	sqe = local_ring_prep(t, req, ring_file_done, IORING_OP_FALLOCATE, f->fd);
	if (file_kills(req))
		sqe->personality = (uint16_t)t->kill_personality;
	sqe->off = in->offset;
	sqe->addr = in->length;
	sqe->len = in->mode;
}

void local_op_lseek(struct fs_req *req)
{
	const struct fuse_lseek_in *in = req->lseek;
	struct lfh *f = file_get(req, in->fh, false);
	off_t off;
	int err = 0;

	if (!f)
		return;
	/* The guest knows its own position; only the holes are ours. */
	if (in->whence != SEEK_DATA && in->whence != SEEK_HOLE)
		err = -EINVAL;
	if (!err) {
		off = lseek(f->fd, (off_t)in->offset, (int)in->whence);
		if (off < 0)
			err = -errno;
		else
			req->sought->offset = (uint64_t)off;
	}
	file_done(req, f, err);
}

static int copy_range(struct fs_req *req)
{
	const struct fuse_copy_file_range_in *in = req->copy_file_range;
	bool wide = req->in->opcode == FUSE_COPY_FILE_RANGE_64;
	struct lreq *job = local_lreq(req);
	loff_t from = (loff_t)in->off_in, to = (loff_t)in->off_out;
	/* The old reply has 32 bits for what was copied. */
	size_t len = wide ? in->len : min(in->len, (uint64_t)(UINT32_MAX & ~4095u));
	int err = file_kills(req) ? cred_root_kill() : 0;
	ssize_t n;

	if (err)
		return err;
	WRITE_ONCE(job->fh2->may_be_large, true);
	do {
		n = copy_file_range(job->fh->fd, &from, job->fh2->fd, &to, len, 0);
	} while (n < 0 && errno == EINTR);
	err = n < 0 ? -errno : 0;
	cred_root();
	if (err)
		return err;
	if (wide)
		req->copied->bytes_copied = (uint64_t)n;
	else
		req->written->size = (uint32_t)n;
	return 0;
}

static void copy_range_done(struct fs_req *req, int err)
{
	lfh_put(&local_thread_of(req)->lfs->fhs, local_lreq(req)->fh2);
	file_done(req, local_lreq(req)->fh, err);
}

void local_op_copy_file_range(struct fs_req *req)
{
	const struct fuse_copy_file_range_in *in = req->copy_file_range;
	struct local_thread *t = local_thread_of(req);
	struct lreq *job = local_lreq(req);

	cred_root();
	job->fh = file_get(req, in->fh_in, false);
	if (!job->fh)
		return;
	job->fh2 = lfh_get(&t->lfs->fhs, in->fh_out, false);
	if (!job->fh2)
		file_done(req, job->fh, -EBADF);
	else if (in->flags)
		copy_range_done(req, -EINVAL);
	else if (in->len > LOCAL_SLOW_COPY)
		local_work(t, req, copy_range, copy_range_done);
	else
		copy_range_done(req, copy_range(req));
}

/*
 * A guest that sees one file system where there are several means all of them with the root. Those
 * that keep no descriptor have none to be told by.
 */
static int syncfs_work(struct fs_req *req)
{
	struct local_fs *lfs = local_thread_of(req)->lfs;
	bool all = req->in->nodeid == NODETAB_ROOT && !(lfs->fs.session_flags & FUSE_SUBMOUNTS);
	/* Pairs with the release in mount_add(). */
	uint32_t nr = all ? __atomic_load_n(&lfs->nr_mounts, __ATOMIC_ACQUIRE) : 0;
	int err = syncfs(local_lreq(req)->lfd.fd) ? -errno : 0;

	for (uint32_t i = 1; i < nr; i++)
		if (lfs->mounts[i].fd >= 0 && syncfs(lfs->mounts[i].fd) && !err)
			err = -errno;
	return err;
}

static void syncfs_done(struct fs_req *req, int err)
{
	local_fd_put(&local_lreq(req)->lfd);
	local_done(req, err);
}

void local_op_syncfs(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	struct lreq *job = local_lreq(req);
	struct lnode *ln = local_node_get(req, req->in->nodeid);
	int err = -ESTALE;

	/*
	 * Its own descriptor: the cache's may go while the worker waits. syncfs() refuses O_PATH.
	 */
	if (ln) {
		job->lfd.fd = local_node_open(t, ln, O_RDONLY);
		job->lfd.owned = true;
		err = job->lfd.fd < 0 ? job->lfd.fd : 0;
	}
	local_node_put(req, ln);
	if (err)
		local_done(req, err);
	else
		local_work(t, req, syncfs_work, syncfs_done);
}

/*
 * The requests that change nothing but inode flags; their numbers carry the size of what they move.
 */
static bool ioctl_allowed(uint32_t cmd)
{
	return cmd == FS_IOC_GETFLAGS || cmd == FS_IOC_SETFLAGS || cmd == FS_IOC32_GETFLAGS ||
	       cmd == FS_IOC32_SETFLAGS || cmd == FS_IOC_FSGETXATTR || cmd == FS_IOC_FSSETXATTR;
}

/*
 * Would it take fd, or what is made below it, out of its project? Where the shared directory has one, the
 * host keeps the guest's account by it.
 */
static bool ioctl_leaves(const struct local_fs *lfs, int fd, uint32_t cmd, const void *arg)
{
	const struct fsxattr *to = arg;
	struct fsxattr root, now;
	unsigned int inherit;

	if ((cmd != FS_IOC_SETFLAGS && cmd != FS_IOC_FSSETXATTR) ||
	    ioctl(lfs->root_fd, FS_IOC_FSGETXATTR, &root) || !root.fsx_projid ||
	    ioctl(fd, FS_IOC_FSGETXATTR, &now))
		return false;
	if (cmd == FS_IOC_SETFLAGS)
		inherit = *(const unsigned int *)arg & FS_PROJINHERIT_FL;
	else
		inherit = to->fsx_xflags & FS_XFLAG_PROJINHERIT;
	return (cmd == FS_IOC_FSSETXATTR && to->fsx_projid != now.fsx_projid) ||
	       (!inherit && (now.fsx_xflags & FS_XFLAG_PROJINHERIT));
}

static int ioctl_run(struct fs_req *req, int fd)
{
	const struct fuse_ioctl_in *in = req->ioctl;
	unsigned char buf[64] __attribute__((aligned(8))) = { 0 };
	size_t size = _IOC_SIZE(in->cmd);
	uint32_t cmd = in->cmd;

	/* The 32-bit and 64-bit numbers of these say int and long, and all move an int. */
	if (cmd == FS_IOC32_GETFLAGS)
		cmd = FS_IOC_GETFLAGS;
	if (cmd == FS_IOC32_SETFLAGS)
		cmd = FS_IOC_SETFLAGS;
	if (cmd == FS_IOC_GETFLAGS || cmd == FS_IOC_SETFLAGS)
		size = sizeof(int);
	if ((_IOC_DIR(in->cmd) & _IOC_WRITE) && fs_req_get(req, 0, buf, size) != size)
		return -EINVAL;
	if ((_IOC_DIR(in->cmd) & _IOC_READ) && (in->out_size < size || req->room_len < size))
		return -EINVAL;
	if (ioctl_leaves(local_thread_of(req)->lfs, fd, cmd, buf))
		return -EPERM;
	if (ioctl(fd, cmd, buf) < 0)
		return -errno;
	req->ioctl_out->result = 0;
	if (_IOC_DIR(in->cmd) & _IOC_READ)
		fs_req_put(req, buf, size);
	return 0;
}

void local_op_ioctl(struct fs_req *req)
{
	const struct fuse_ioctl_in *in = req->ioctl;
	struct lfh *f;

	if ((in->flags & FUSE_IOCTL_UNRESTRICTED) || !ioctl_allowed(in->cmd)) {
		local_done(req, -ENOTTY);
		return;
	}
	cred_root();
	f = file_get(req, in->fh, in->flags & FUSE_IOCTL_DIR);
	if (f)
		file_done(req, f, ioctl_run(req, f->fd));
}
