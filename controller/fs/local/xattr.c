/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Extended attributes. The system calls take paths or open files; /proc/self/fd/N of an O_PATH
 * descriptor leads to the inode itself, also of a symbolic link, and opens nothing. As root: the
 * guest's kernel has checked the caller.
 *
 * Names go through the map, and ids within access control lists as all ids do.
 */
#include <endian.h>
#include <errno.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/xattr.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "local.h"

#define SECURITY_CAPABILITY "security.capability"

static bool xattr_is_acl(const char *name)
{
	return !strcmp(name, "system.posix_acl_access") ||
	       !strcmp(name, "system.posix_acl_default");
}

/* Without FUSE_POSIX_ACL the guest must not see half of them. */
static bool xattr_hidden(const struct local_fs *lfs, const char *name)
{
	return !lfs->posix_acl && xattr_is_acl(name);
}

/* Runs call(req, path of the node, name here) for the name the guest gave, and completes. */
static void xattr_run(struct fs_req *req,
		      int (*call)(struct fs_req *, const char *path, const char *name))
{
	struct local_thread *t = local_thread_of(req);
	struct lnode *ln = local_node_get(req, req->in->nodeid);
	char path[LOCAL_PROC_LEN], buf[XATTRMAP_NAME];
	const char *name = NULL;
	struct lfd lfd;
	int err = ln ? 0 : -ESTALE;

	cred_root();
	if (!err && req->name[0])
		err = xattr_hidden(t->lfs, req->name[0]) ?
			      -EOPNOTSUPP :
			      xattrmap_to_host(&t->lfs->xattrs, req->name[0], buf, &name);
	/* What is not for the guest to see is not there. */
	if (err == -EPERM && req->in->opcode == FUSE_GETXATTR)
		err = -ENODATA;
	if (!err)
		err = local_node_fd(t, ln, &lfd);
	if (!err) {
		err = call(req, local_proc_path(path, lfd.fd), name);
		local_fd_put(&lfd);
	}
	local_node_put(req, ln);
	local_done(req, err);
}

/*
 * Ids in an access control list, which has the same form in an attribute and on the wire. What does
 * not look like one is left for the kernel to refuse. 0 or -EPERM.
 */
static int acl_translate(const struct local_fs *lfs, char *buf, size_t len, bool to_host)
{
	struct posix_acl_xattr_entry e;
	const struct idmap *map;
	uint32_t id;
	int err = 0;

	for (size_t at = sizeof(struct posix_acl_xattr_header); !err && at + sizeof(e) <= len;
	     at += sizeof(e)) {
		memcpy(&e, buf + at, sizeof(e));
		if (le16toh(e.e_tag) != ACL_USER && le16toh(e.e_tag) != ACL_GROUP)
			continue;
		map = le16toh(e.e_tag) == ACL_USER ? &lfs->uids : &lfs->gids;
		id = le32toh(e.e_id);
		if (to_host)
			err = idmap_to_host(map, id, &id);
		else
			id = idmap_to_guest(map, id);
		e.e_id = htole32(id);
		memcpy(buf + at, &e, sizeof(e));
	}
	return err;
}

/* n: result of a call that wrote to scratch, or only told a size. */
static int xattr_reply(struct fs_req *req, ssize_t n)
{
	if (n < 0)
		return -errno;
	if (!req->getxattr->size)
		req->xattr_size->size = (uint32_t)n;
	else if (fs_req_put(req, local_thread_of(req)->scratch, (size_t)n) != (size_t)n)
		return -ERANGE;
	return 0;
}

static int do_getxattr(struct fs_req *req, const char *path, const char *name)
{
	struct local_thread *t = local_thread_of(req);
	size_t size = min(req->getxattr->size, (uint32_t)LOCAL_SCRATCH);
	ssize_t n = getxattr(path, name, t->scratch, size);

	if (n > 0 && size && xattr_is_acl(req->name[0]))
		acl_translate(t->lfs, t->scratch, (size_t)n, false);
	return xattr_reply(req, n);
}

void local_op_getxattr(struct fs_req *req)
{
	xattr_run(req, do_getxattr);
}

/*
 * Takes hidden names out of a list, gives the others their names in the guest; its new length. Only
 * root sees trusted attributes, which the guest's kernel leaves to us.
 */
static ssize_t list_filter(const struct local_fs *lfs, char *list, ssize_t len, bool root)
{
	char *from = list, *to = list;
	const char *name;
	size_t n, left;

	for (; from < list + len; from += n) {
		n = strlen(from) + 1;
		name = xattrmap_to_guest(&lfs->xattrs, from);
		if (!name || !*name || xattr_hidden(lfs, name))
			continue;
		if (!root && !strncmp(name, XATTR_TRUSTED_PREFIX, XATTR_TRUSTED_PREFIX_LEN))
			continue;
		left = strlen(name) + 1;
		memmove(to, name, left);
		to += left;
	}
	return to - list;
}

static int do_listxattr(struct fs_req *req, const char *path, const char *name)
{
	struct local_thread *t = local_thread_of(req);
	ssize_t n = listxattr(path, t->scratch, LOCAL_SCRATCH);

	if (n > 0)
		n = list_filter(t->lfs, t->scratch, n, !req->in->uid);
	if (n >= 0 && req->getxattr->size && (size_t)n > req->getxattr->size)
		return -ERANGE;
	return xattr_reply(req, n);
}

void local_op_listxattr(struct fs_req *req)
{
	xattr_run(req, do_listxattr);
}

/* The list's mode got there with root's rights, which keep setgid; the caller's would not. */
static int acl_kill_sgid(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	if (!(st.st_mode & S_ISGID))
		return 0;
	return chmod(path, st.st_mode & 07777 & ~(mode_t)S_ISGID) ? -errno : 0;
}

static int do_setxattr(struct fs_req *req, const char *path, const char *name)
{
	struct local_thread *t = local_thread_of(req);
	size_t size = req->setxattr->size;
	int err = 0;

	if (size > LOCAL_SCRATCH)
		return -E2BIG;
	if (fs_req_get(req, 0, t->scratch, size) != size)
		return -EINVAL;
	if (xattr_is_acl(req->name[0]))
		err = acl_translate(t->lfs, t->scratch, size, true);
	if (!err && setxattr(path, name, t->scratch, size, (int)req->setxattr->flags))
		err = -errno;
	if (!err && xattr_is_acl(req->name[0]) &&
	    (req->setxattr->setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID))
		err = acl_kill_sgid(path);
	return err;
}

void local_op_setxattr(struct fs_req *req)
{
	xattr_run(req, do_setxattr);
}

static int do_removexattr(struct fs_req *req, const char *path, const char *name)
{
	return removexattr(path, name) ? -errno : 0;
}

void local_op_removexattr(struct fs_req *req)
{
	xattr_run(req, do_removexattr);
}

int local_set_label(struct fs_req *req, int fd)
{
	const struct local_fs *lfs = local_thread_of(req)->lfs;
	char path[LOCAL_PROC_LEN], buf[XATTRMAP_NAME];
	const char *name;
	int err;

	if (strncmp(req->label_name, XATTR_SECURITY_PREFIX, XATTR_SECURITY_PREFIX_LEN) ||
	    !strcmp(req->label_name, SECURITY_CAPABILITY))
		return -EINVAL;
	err = xattrmap_to_host(&lfs->xattrs, req->label_name, buf, &name);
	if (err)
		return err;
	cred_root();
	return setxattr(local_proc_path(path, fd), name, req->label, req->label_len, 0) ? -errno :
											   0;
}

int local_xattr_open(struct local_fs *lfs, const struct fs_config *cfg, char *err)
{
	char buf[XATTRMAP_NAME];
	const char *name;
	int rc = xattrmap_parse(&lfs->xattrs, cfg->xattrmap, err);

	if (rc)
		return rc;
	if (lfs->posix_acl &&
	    (xattrmap_to_host(&lfs->xattrs, "system.posix_acl_access", buf, &name) ||
	     name == buf)) {
		snprintf(err, FS_ERR_LEN, "xattrmap: posix-acl needs system.posix_acl_access and "
			 "system.posix_acl_default to pass: begin with :ok:all:system.posix_acl_:"
			 "system.posix_acl_:");
		return -EINVAL;
	}
	if (!xattrmap_to_host(&lfs->xattrs, SECURITY_CAPABILITY, buf, &name) && name == buf)
		strcpy(lfs->caps, buf);
	return 0;
}

void local_drop_caps(const struct local_fs *lfs, int fd)
{
	char path[LOCAL_PROC_LEN];

	if (likely(!lfs->caps[0]))
		return;
	/* WRITE comes here with the rights of whoever created something before. */
	cred_root();
	/* Nearly always there are none, which is fine. */
	removexattr(local_proc_path(path, fd), lfs->caps);
}
