/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations on names: CREATE TMPFILE MKNOD MKDIR SYMLINK with the caller's rights; LINK UNLINK
 * RMDIR RENAME as root, the guest's kernel has checked those.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "local.h"

/* The parent, pinned, and its descriptor; name: to be checked, or NULL. On error holds nothing. */
static int parent_get(struct fs_req *req, uint64_t nodeid, const char *name,
		      struct lnode **ret_parent, struct lfd *dir)
{
	struct lnode *parent;
	int err;

	parent = local_node_get(req, nodeid);
	if (!parent)
		return -ESTALE;
	err = name ? local_check_name(name) : 0;
	if (!err)
		err = local_node_fd(local_thread_of(req), parent, dir);
	if (err)
		local_node_put(req, parent);
	*ret_parent = parent;
	return err;
}

/*
 * The caller's rights; mask: its umask. A guest that tells the group that matters for setgid is
 * held to what it sends, unless other groups may count (ACLs) or ids are others here: it has checked.
 */
static int caller(struct fs_req *req, uint32_t mask)
{
	const struct local_fs *lfs = local_thread_of(req)->lfs;
	uint64_t session = req->ft->fs->session_flags;
	bool strict = (session & FUSE_CREATE_SUPP_GROUP) && !lfs->posix_acl &&
		      idmap_is_empty(&lfs->uids) && idmap_is_empty(&lfs->gids);

	cred_umask(session & FUSE_DONT_MASK ? mask & 0777 : 0);
	return cred_caller(req, strict);
}

static int do_mknod(struct fs_req *req, int dirfd)
{
	uint32_t r = req->mknod->rdev;
	dev_t dev = makedev((r & 0xfff00) >> 8, (r & 0xff) | ((r >> 12) & 0xfff00));

	return mknodat(dirfd, req->name[0], req->mknod->mode, dev);
}

static int do_mkdir(struct fs_req *req, int dirfd)
{
	return mkdirat(dirfd, req->name[0], req->mkdir->mode & 07777);
}

static int do_symlink(struct fs_req *req, int dirfd)
{
	return symlinkat(req->name[1], dirfd, req->name[0]);
}

/* The new name's node, its entry in the reply, its label. What cannot have them goes again. */
static int entry_of_new(struct fs_req *req, const struct lnode *parent, int dirfd,
			struct lnode **ret_child)
{
	struct local_thread *t = local_thread_of(req);
	struct lfd lfd;
	int err = local_node_of_name(t, parent, dirfd, req->name[0], req->entry, ret_child);

	if (!err && req->label_name) {
		err = local_node_fd(t, *ret_child, &lfd);
		if (!err) {
			err = local_set_label(req, lfd.fd);
			local_fd_put(&lfd);
		}
		if (err)
			local_node_put(req, *ret_child);
	}
	if (err)
		unlinkat(dirfd, req->name[0], req->in->opcode == FUSE_MKDIR ? AT_REMOVEDIR : 0);
	return err;
}

/* make() puts a new name into dirfd; the reply is its entry. mask: the caller's umask. */
static void make_entry(struct fs_req *req, uint32_t mask,
		       int (*make)(struct fs_req *, int dirfd))
{
	struct lnode *parent, *child;
	struct lfd dir;
	int err;

	err = parent_get(req, req->in->nodeid, req->name[0], &parent, &dir);
	if (err) {
		local_done(req, err);
		return;
	}
	err = caller(req, mask);
	if (!err && make(req, dir.fd))
		err = local_errno();
	/* The caller may not be allowed to search where it may write. */
	cred_root();
	if (!err)
		err = entry_of_new(req, parent, dir.fd, &child);
	local_fd_put(&dir);
	local_node_put(req, parent);
	if (err)
		local_done(req, err);
	else
		local_entry_done(req, child);
}

void local_op_mknod(struct fs_req *req)
{
	make_entry(req, req->mknod->umask, do_mknod);
}

void local_op_mkdir(struct fs_req *req)
{
	make_entry(req, req->mkdir->umask, do_mkdir);
}

void local_op_symlink(struct fs_req *req)
{
	make_entry(req, 0, do_symlink);
}

static int create_handle(struct fs_req *req, struct lnode *ln, int fd)
{
	struct local_fs *lfs = local_thread_of(req)->lfs;

	req->create_open->open_flags = req->ft->fs->cache.open_flags;
	return lfh_open(&lfs->fhs, fd, local_lreq(req)->open_flags | O_CREAT, local_node_kind(lfs, ln),
			NULL, &req->create_open->fh);
}

/* how: the flags of open() that make a new file. Its node and its handle, or no file. */
static int create_new(struct fs_req *req, const struct lnode *parent, int dirfd, const char *name,
		      int how, struct lnode **ret_node)
{
	struct local_thread *t = local_thread_of(req);
	int fd, err;

	err = caller(req, req->create->umask);
	if (err)
		return err;
	/* O_DIRECT where there is none would fail with the file made. */
	fd = local_open_name(t, dirfd, name, (local_lreq(req)->open_flags & ~O_DIRECT) | how,
			     req->create->mode & 07777);
	if (fd < 0)
		return fd;
	if ((local_lreq(req)->open_flags & O_DIRECT) && fcntl(fd, F_SETFL, O_DIRECT))
		local_lreq(req)->open_flags &= ~O_DIRECT;
	err = local_node_of_fd(t, parent, fd, req->entry, ret_node);
	if (!err) {
		err = req->label_name ? local_set_label(req, fd) : 0;
		if (!err)
			err = create_handle(req, *ret_node, fd);
		if (err)
			local_node_put(req, *ret_node);
	}
	if (!err)
		return 0;
	if (how & O_CREAT) {
		cred_root();
		unlinkat(dirfd, name, 0);
	}
	close(fd);
	return err;
}

/*
 * Never an open() of what exists: it may be a pipe or a device that somebody put there, and that is
 * not to be opened; and the guest's kernel, for which the name was free, has not checked whether the
 * caller may. Linux looks a stale name up again, checks, and sends OPEN.
 */
void local_op_create(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	struct lnode *parent, *child = NULL;
	struct lfd dir;
	int err;

	local_lreq(req)->open_flags = local_open_flags(t->lfs, req->create->flags);
	err = parent_get(req, req->in->nodeid, req->name[0], &parent, &dir);
	if (err) {
		local_done(req, err);
		return;
	}
	err = create_new(req, parent, dir.fd, req->name[0], O_CREAT | O_EXCL, &child);
	if (err == -EEXIST && !(req->create->flags & O_EXCL))
		err = -ESTALE;
	local_fd_put(&dir);
	local_node_put(req, parent);
	if (err)
		local_done(req, err);
	else
		local_entry_done(req, child);
}

/* A file without a name; LINK may give it one, unless it is O_EXCL. */
void local_op_tmpfile(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	struct lnode *parent, *child = NULL;
	struct lfd dir;
	int err;

	local_lreq(req)->open_flags = local_open_flags(t->lfs, req->create->flags);
	err = parent_get(req, req->in->nodeid, NULL, &parent, &dir);
	if (err) {
		local_done(req, err);
		return;
	}
	err = create_new(req, parent, dir.fd, ".",
			 O_TMPFILE | (int)(req->create->flags & O_EXCL), &child);
	/* What a file system without them says. */
	if (err == -EISDIR)
		err = -EOPNOTSUPP;
	local_fd_put(&dir);
	local_node_put(req, parent);
	if (err)
		local_done(req, err);
	else
		local_entry_done(req, child);
}

/* linkat() of a descriptor: by itself with the right to, else by its path in /proc. */
static int link_fd(int fd, int dirfd, const char *name)
{
	char path[LOCAL_PROC_LEN];

	if (!linkat(fd, "", dirfd, name, AT_EMPTY_PATH))
		return 0;
	if (errno != ENOENT && errno != EPERM)
		return -errno;
	return linkat(AT_FDCWD, local_proc_path(path, fd), dirfd, name, AT_SYMLINK_FOLLOW) ?
		       -errno :
		       0;
}

static int link_node(struct fs_req *req, struct lnode *ln, struct lnode *parent,
		     struct lnode **ret_child)
{
	struct local_thread *t = local_thread_of(req);
	struct lfd old, dir;
	int err;

	err = local_node_fd(t, ln, &old);
	if (err)
		return err;
	err = local_node_fd(t, parent, &dir);
	if (!err) {
		err = link_fd(old.fd, dir.fd, req->name[0]);
		/*
		 * From the old descriptor: the entry is of what was linked, whatever has the name
		 * now.
		 */
		if (!err)
			err = local_node_of_fd(t, parent, old.fd, req->entry, ret_child);
		local_fd_put(&dir);
	}
	local_fd_put(&old);
	return err;
}

void local_op_link(struct fs_req *req)
{
	struct lnode *parent = local_node_get(req, req->in->nodeid);
	struct lnode *ln = local_node_get(req, req->link->oldnodeid);
	struct lnode *child;
	int err = -ESTALE;

	cred_root();
	if (parent && ln)
		err = local_check_name(req->name[0]);
	if (!err)
		err = link_node(req, ln, parent, &child);
	local_node_put(req, ln);
	local_node_put(req, parent);
	if (err)
		local_done(req, err);
	else
		local_entry_done(req, child);
}

static int remove_call(struct fs_req *req, int dirfd)
{
	int flags = req->in->opcode == FUSE_RMDIR ? AT_REMOVEDIR : 0;

	return unlinkat(dirfd, req->name[0], flags) ? -errno : 0;
}

/* The last name of a large file takes its blocks along, which may take long: cold.c sees to that. */
void local_op_remove(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	struct lnode *parent = local_node_get(req, req->in->nodeid);
	int err = parent ? local_check_name(req->name[0]) : -ESTALE;
	struct lfd dir;

	cred_root();
	if (!err)
		err = local_node_fd(t, parent, &dir);
	if (!err) {
		err = remove_call(req, dir.fd);
		local_fd_put(&dir);
	}
	local_node_put(req, parent);
	local_done(req, err);
}

/*
 * A file about to be replaced stays within reach, for as long as descriptors are kept: by its handle
 * who looked it up just before could not open it. Linux tries twice, then the program gets ESTALE.
 */
static void keep_replaced(struct fs_req *req, int dirfd)
{
	struct local_thread *t = local_thread_of(req);
	struct lnode *ln = local_node_known(t, dirfd, req->name[1]);
	struct lreq *job = local_lreq(req);
	struct lfd kept;

	if (ln && ln->key.fmt == S_IFREG && !local_node_fd(t, ln, &kept)) {
		if (t->is_worker) {
			job->kept_fd = fcntl(kept.fd, F_DUPFD_CLOEXEC, 0);
			job->kept_id = nodetab_id(&ln->node);
		}
		local_fd_put(&kept);
	}
	local_node_put(req, ln);
}

static int rename_names(struct fs_req *req, struct lnode *from, struct lnode *to)
{
	struct local_thread *t = local_thread_of(req);
	struct lfd old, new;
	int err;

	err = local_check_name(req->name[0]);
	if (!err)
		err = local_check_name(req->name[1]);
	if (!err)
		err = local_node_fd(t, from, &old);
	if (err)
		return err;
	err = local_node_fd(t, to, &new);
	if (!err) {
		if (!(req->rename2->flags & (RENAME_EXCHANGE | RENAME_NOREPLACE)))
			keep_replaced(req, new.fd);
		if (renameat2(old.fd, req->name[0], new.fd, req->name[1], req->rename2->flags))
			err = -errno;
		local_fd_put(&new);
	}
	local_fd_put(&old);
	return err;
}

void local_op_rename(struct fs_req *req)
{
	struct lnode *from = local_node_get(req, req->in->nodeid);
	struct lnode *to = local_node_get(req, req->rename2->newdir);
	int err = -ESTALE;

	cred_root();
	if (from && to)
		err = rename_names(req, from, to);
	local_node_put(req, to);
	local_node_put(req, from);
	local_done(req, err);
}
