/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Extended attributes. The system calls take paths or open files; /proc/self/fd/N of an O_PATH
 * descriptor leads to the inode itself, also of a symbolic link, and opens nothing. As root: the
 * guest's kernel has checked the caller.
 */
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include "local.h"

/* ACLs are not served (no FUSE_POSIX_ACL): the guest must not see half of them. */
static bool xattr_hidden(const char *name)
{
	return !strcmp(name, "system.posix_acl_access") ||
	       !strcmp(name, "system.posix_acl_default");
}

/* Runs call(req, path of the node) and completes. */
static void xattr_run(struct fs_req *req, int (*call)(struct fs_req *, const char *path))
{
	struct local_thread *t = local_thread_of(req);
	struct lnode *ln = local_node_get(req, req->in->nodeid);
	char path[LOCAL_PROC_LEN];
	struct lfd lfd;
	int err = -ESTALE;

	cred_root();
	if (ln)
		err = local_node_fd(t, ln, &lfd);
	if (!err) {
		err = call(req, local_proc_path(path, lfd.fd));
		local_fd_put(&lfd);
	}
	local_node_put(req, ln);
	fs_req_done(req, err);
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

static int do_getxattr(struct fs_req *req, const char *path)
{
	size_t size = min(req->getxattr->size, (uint32_t)LOCAL_SCRATCH);

	return xattr_reply(req, getxattr(path, req->name[0], local_thread_of(req)->scratch, size));
}

void local_op_getxattr(struct fs_req *req)
{
	if (xattr_hidden(req->name[0]))
		fs_req_done(req, -EOPNOTSUPP);
	else
		xattr_run(req, do_getxattr);
}

/* Takes hidden names out of a list; its new length. */
static ssize_t list_filter(char *list, ssize_t len)
{
	char *from = list, *to = list;
	size_t n;

	while (from < list + len) {
		n = strlen(from) + 1;
		if (!xattr_hidden(from)) {
			memmove(to, from, n);
			to += n;
		}
		from += n;
	}
	return to - list;
}

static int do_listxattr(struct fs_req *req, const char *path)
{
	char *scratch = local_thread_of(req)->scratch;
	ssize_t n = listxattr(path, scratch, LOCAL_SCRATCH);

	if (n > 0)
		n = list_filter(scratch, n);
	if (n >= 0 && req->getxattr->size && (size_t)n > req->getxattr->size)
		return -ERANGE;
	return xattr_reply(req, n);
}

void local_op_listxattr(struct fs_req *req)
{
	xattr_run(req, do_listxattr);
}

static int do_setxattr(struct fs_req *req, const char *path)
{
	char *scratch = local_thread_of(req)->scratch;
	size_t size = req->setxattr->size;

	if (size > LOCAL_SCRATCH)
		return -E2BIG;
	if (fs_req_get(req, 0, scratch, size) != size)
		return -EINVAL;
	return setxattr(path, req->name[0], scratch, size, (int)req->setxattr->flags) ? -errno : 0;
}

void local_op_setxattr(struct fs_req *req)
{
	if (xattr_hidden(req->name[0]))
		fs_req_done(req, -EOPNOTSUPP);
	else
		xattr_run(req, do_setxattr);
}

static int do_removexattr(struct fs_req *req, const char *path)
{
	return removexattr(path, req->name[0]) ? -errno : 0;
}

void local_op_removexattr(struct fs_req *req)
{
	if (xattr_hidden(req->name[0]))
		fs_req_done(req, -EOPNOTSUPP);
	else
		xattr_run(req, do_removexattr);
}
