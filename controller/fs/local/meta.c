/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * LOOKUP, FORGET, GETATTR, STATX, SETATTR, READLINK, STATFS, ACCESS: cached metadata, answered in
 * place.
 */
#include <errno.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/atomics.h"
#include "local.h"

#define FORGET_BATCH 64

void local_entry_done(struct fs_req *req, struct lnode *ln)
{
	fs_entry_set_valid(req->ft->fs, req->entry);
	nodetab_grant(local_thread_of(req)->lfs->nodes, &ln->node);
	local_node_put(req, ln);
	local_done(req, 0);
}

/* "No such name", which the guest may remember. */
static void lookup_negative(struct fs_req *req)
{
	uint64_t ns = req->ft->fs->cache.negative_ns;

	if (!ns) {
		local_done(req, -ENOENT);
		return;
	}
	memset(req->entry, 0, sizeof(*req->entry));
	req->entry->entry_valid = ns / 1000000000u;
	req->entry->entry_valid_nsec = (uint32_t)(ns % 1000000000u);
	local_done(req, 0);
}

void local_op_lookup(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	struct lnode *child, *parent = local_node_get(req, req->in->nodeid);
	struct lfd dir;
	int err;

	if (!parent) {
		local_done(req, -ESTALE);
		return;
	}
	cred_root();
	err = local_check_name(req->name[0]);
	if (!err)
		err = local_node_fd(t, parent, &dir);
	if (!err) {
		err = local_node_of_name(t, parent, dir.fd, req->name[0], req->entry, &child);
		local_fd_put(&dir);
	}
	local_node_put(req, parent);
	if (!err)
		local_entry_done(req, child);
	else if (err == -ENOENT)
		lookup_negative(req);
	else
		local_done(req, err);
}

static void forget_one(struct local_thread *t, uint64_t nodeid, uint64_t nlookup)
{
	fdcache_evict(t, nodeid);
	nodetab_forget(t->lfs->nodes, nodeid, nlookup);
}

void local_op_forget(struct fs_req *req)
{
	forget_one(local_thread_of(req), req->in->nodeid, req->forget->nlookup);
	local_done(req, 0);
}

void local_op_batch_forget(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	struct fuse_forget_one one[FORGET_BATCH];
	uint64_t left = req->batch_forget->count;
	size_t i, n, off = 0;

	do {
		n = min(left, (uint64_t)FORGET_BATCH);
		n = fs_req_get(req, off, one, n * sizeof(one[0])) / sizeof(one[0]);
		for (i = 0; i < n; i++)
			forget_one(t, one[i].nodeid, one[i].nlookup);
		off += n * sizeof(one[0]);
		left -= n;
	} while (n && left);
	local_done(req, 0);
}

static int getattr_from_fd(struct fs_req *req, int fd)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, LOCAL_STATX_MASK, &stx))
		return local_errno();
	local_attr_from_statx(local_thread_of(req)->lfs, &req->attr->attr, &stx);
	fs_attr_set_valid(req->ft->fs, req->attr);
	return 0;
}

/* Runs fill(req, a descriptor of the node: the guest's open file if it has that) and completes. */
static void attr_run(struct fs_req *req, bool has_fh, uint64_t fh,
		     int (*fill)(struct fs_req *req, int fd))
{
	struct local_thread *t = local_thread_of(req);
	struct lnode *ln = local_node_get(req, req->in->nodeid);
	struct lfh *f = NULL;
	struct lfd lfd;
	int err;

	if (!ln) {
		local_done(req, -ESTALE);
		return;
	}
	cred_root();
	if (has_fh)
		f = lfh_get(&t->lfs->fhs, fh, false);
	if (f) {
		err = fill(req, f->fd);
		lfh_put(&t->lfs->fhs, f);
	} else {
		err = local_node_fd(t, ln, &lfd);
		if (!err) {
			err = fill(req, lfd.fd);
			local_fd_put(&lfd);
		}
	}
	local_node_put(req, ln);
	local_done(req, err);
}

void local_op_getattr(struct fs_req *req)
{
	attr_run(req, req->getattr->getattr_flags & FUSE_GETATTR_FH, req->getattr->fh,
		 getattr_from_fd);
}

static struct fuse_sx_time sx_time(struct statx_timestamp t)
{
	return (struct fuse_sx_time){ .tv_sec = t.tv_sec, .tv_nsec = t.tv_nsec };
}

/* The mount is the guest's own matter: no id of ours, and no root of one. */
static void statx_to_fuse(const struct local_fs *lfs, struct fuse_statx *out,
			  const struct statx *stx)
{
	*out = (struct fuse_statx){
		.mask = stx->stx_mask & (STATX_BASIC_STATS | STATX_BTIME),
		.blksize = stx->stx_blksize,
		.attributes = stx->stx_attributes & ~(uint64_t)STATX_ATTR_MOUNT_ROOT,
		.attributes_mask = stx->stx_attributes_mask & ~(uint64_t)STATX_ATTR_MOUNT_ROOT,
		.nlink = stx->stx_nlink,
		.uid = idmap_to_guest(&lfs->uids, stx->stx_uid),
		.gid = idmap_to_guest(&lfs->gids, stx->stx_gid),
		.mode = stx->stx_mode,
		.ino = stx->stx_ino,
		.size = stx->stx_size,
		.blocks = stx->stx_blocks,
		.atime = sx_time(stx->stx_atime),
		.btime = sx_time(stx->stx_btime),
		.ctime = sx_time(stx->stx_ctime),
		.mtime = sx_time(stx->stx_mtime),
		.rdev_major = stx->stx_rdev_major,
		.rdev_minor = stx->stx_rdev_minor,
		.dev_major = stx->stx_dev_major,
		.dev_minor = stx->stx_dev_minor,
	};
}

static int statx_from_fd(struct fs_req *req, int fd)
{
	const struct fuse_statx_in *in = req->statx;
	struct fuse_attr_out valid;
	struct statx stx;

	if (in->sx_flags & ~(uint32_t)AT_STATX_SYNC_TYPE)
		return -EINVAL;
	if (statx(fd, "", (int)(AT_EMPTY_PATH | in->sx_flags),
		  STATX_BASIC_STATS | (in->sx_mask & STATX_BTIME), &stx))
		return local_errno();
	statx_to_fuse(local_thread_of(req)->lfs, &req->statx_out->stat, &stx);
	fs_attr_set_valid(req->ft->fs, &valid);
	req->statx_out->attr_valid = valid.attr_valid;
	req->statx_out->attr_valid_nsec = valid.attr_valid_nsec;
	return 0;
}

void local_op_statx(struct fs_req *req)
{
	attr_run(req, req->statx->getattr_flags & FUSE_GETATTR_FH, req->statx->fh, statx_from_fd);
}

/* SETATTR: owner and mode; size, perhaps in the worker; times and reply. */

static int setattr_owner(const struct local_fs *lfs, const struct fuse_setattr_in *in, int fd)
{
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;
	int err = 0;

	if (in->valid & FATTR_UID)
		err = idmap_to_host(&lfs->uids, in->uid, &uid);
	if (!err && (in->valid & FATTR_GID))
		err = idmap_to_host(&lfs->gids, in->gid, &gid);
	if (!err && fchownat(fd, "", uid, gid, AT_EMPTY_PATH))
		err = -errno;
	if (!err)
		local_drop_caps(lfs, fd);
	return err;
}

static int setattr_owner_mode(const struct local_fs *lfs, const struct fuse_setattr_in *in,
			      const struct lnode *ln, int fd)
{
	char path[LOCAL_PROC_LEN];
	int err;

	/* Owner first: it clears the setuid bits that a mode in the same request may set. */
	if (in->valid & (FATTR_UID | FATTR_GID)) {
		err = setattr_owner(lfs, in, fd);
		if (err)
			return err;
	}
	if (!(in->valid & FATTR_MODE))
		return 0;
	if (ln->key.fmt == S_IFLNK)
		return -EOPNOTSUPP;
	return chmod(local_proc_path(path, fd), in->mode & 07777) ? -errno : 0;
}

static int setattr_truncate(struct fs_req *req)
{
	int err = 0;

	if (req->setattr->valid & FATTR_KILL_SUIDGID)
		err = cred_root_kill();
	while (!err && ftruncate(local_lreq(req)->lfd.fd, (off_t)req->setattr->size))
		if (errno != EINTR)
			err = -errno;
	cred_root();
	if (!err)
		local_drop_caps(local_thread_of(req)->lfs, local_lreq(req)->lfd.fd);
	return err;
}

static int setattr_times(const struct fuse_setattr_in *in, int fd)
{
	struct timespec ts[2] = {
		{ .tv_sec = (time_t)in->atime, .tv_nsec = in->atimensec },
		{ .tv_sec = (time_t)in->mtime, .tv_nsec = in->mtimensec },
	};

	if (in->valid & FATTR_ATIME_NOW)
		ts[0].tv_nsec = UTIME_NOW;
	else if (!(in->valid & FATTR_ATIME))
		ts[0].tv_nsec = UTIME_OMIT;
	else if (in->atimensec > 999999999)
		return -EINVAL;
	if (in->valid & FATTR_MTIME_NOW)
		ts[1].tv_nsec = UTIME_NOW;
	else if (!(in->valid & FATTR_MTIME))
		ts[1].tv_nsec = UTIME_OMIT;
	else if (in->mtimensec > 999999999)
		return -EINVAL;
	return utimensat(fd, "", ts, AT_EMPTY_PATH) ? -errno : 0;
}

static void setattr_finish(struct fs_req *req, int err)
{
	const uint32_t times = FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW;
	struct local_thread *t = local_thread_of(req);
	struct lreq *job = local_lreq(req);

	cred_root();
	if (!err && (req->setattr->valid & times))
		err = setattr_times(req->setattr, job->lfd.fd);
	if (!err)
		err = getattr_from_fd(req, job->lfd.fd);
	local_fd_put(&job->lfd);
	if (job->fh)
		lfh_put(&t->lfs->fhs, job->fh);
	local_node_put(req, job->node);
	local_done(req, err);
}

/* The descriptor to work on: the guest's open file, or one that can be written, or any. */
static int setattr_fd(struct fs_req *req, struct lreq *job)
{
	struct local_thread *t = local_thread_of(req);
	uint32_t valid = req->setattr->valid;

	job->fh = NULL;
	if (valid & FATTR_FH)
		job->fh = lfh_get(&t->lfs->fhs, req->setattr->fh, false);
	job->lfd.owned = false;
	if (job->fh) {
		WRITE_ONCE(job->fh->may_be_large, true);
		job->lfd.fd = job->fh->fd;
		return 0;
	}
	if (!(valid & FATTR_SIZE))
		return local_node_fd(t, job->node, &job->lfd);
	if (job->node->key.fmt != S_IFREG)
		return job->node->key.fmt == S_IFDIR ? -EISDIR : -EINVAL;
	job->lfd.fd = local_node_open(t, job->node, O_WRONLY);
	job->lfd.owned = true;
	return job->lfd.fd < 0 ? job->lfd.fd : 0;
}

bool local_truncate_is_slow(int fd, uint64_t size)
{
	struct stat st;

	return !fstat(fd, &st) && (uint64_t)st.st_blocks * 512 > LOCAL_SLOW_TRUNCATE &&
	       (uint64_t)st.st_size > size;
}

void local_op_setattr(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	struct lreq *job = local_lreq(req);
	int err;

	job->node = local_node_get(req, req->in->nodeid);
	if (!job->node) {
		local_done(req, -ESTALE);
		return;
	}
	cred_root();
	err = setattr_fd(req, job);
	if (err) {
		local_node_put(req, job->node);
		local_done(req, err);
		return;
	}
	err = setattr_owner_mode(t->lfs, req->setattr, job->node, job->lfd.fd);
	if (!err && (req->setattr->valid & FATTR_SIZE)) {
		if (local_truncate_is_slow(job->lfd.fd, req->setattr->size)) {
			local_work(t, req, setattr_truncate, setattr_finish);
			return;
		}
		err = setattr_truncate(req);
	}
	setattr_finish(req, err);
}

void local_op_readlink(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	struct lnode *ln = local_node_get(req, req->in->nodeid);
	struct lfd lfd;
	ssize_t n = -1;
	int err;

	if (!ln) {
		local_done(req, -ESTALE);
		return;
	}
	cred_root();
	err = ln->key.fmt == S_IFLNK ? local_node_fd(t, ln, &lfd) : -EINVAL;
	if (!err) {
		n = readlinkat(lfd.fd, "", t->scratch, PATH_MAX);
		err = n < 0 ? -errno : 0;
		local_fd_put(&lfd);
	}
	if (!err)
		fs_req_put(req, t->scratch, (size_t)n);
	local_node_put(req, ln);
	local_done(req, err);
}

void local_op_statfs(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	struct lnode *ln = local_node_get(req, req->in->nodeid);
	struct fuse_kstatfs *out = &req->statfs->st;
	struct statfs st;
	struct lfd lfd;
	int err;

	if (!ln) {
		local_done(req, -ESTALE);
		return;
	}
	cred_root();
	err = local_node_fd(t, ln, &lfd);
	if (!err) {
		err = fstatfs(lfd.fd, &st) ? -errno : 0;
		local_fd_put(&lfd);
	}
	local_node_put(req, ln);
	if (!err) {
		out->blocks = st.f_blocks;
		out->bfree = st.f_bfree;
		out->bavail = st.f_bavail;
		out->files = st.f_files;
		out->ffree = st.f_ffree;
		out->bsize = (uint32_t)st.f_bsize;
		out->namelen = (uint32_t)st.f_namelen;
		out->frsize = (uint32_t)st.f_frsize;
	}
	local_done(req, err);
}

void local_op_access(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	struct lnode *ln = local_node_get(req, req->in->nodeid);
	uint32_t mask = req->access->mask;
	struct lfd lfd;
	int err;

	if (!ln) {
		local_done(req, -ESTALE);
		return;
	}
	err = mask & ~(uint32_t)(R_OK | W_OK | X_OK) ? -EINVAL : local_node_fd(t, ln, &lfd);
	if (!err) {
		err = cred_caller(req, true);
		/* AT_EACCESS: the ids just set, not the real ones. */
		if (!err && faccessat(lfd.fd, "", (int)mask,
				      AT_EMPTY_PATH | AT_EACCESS | AT_SYMLINK_NOFOLLOW))
			err = -errno;
		local_fd_put(&lfd);
	}
	local_node_put(req, ln);
	local_done(req, err);
}
