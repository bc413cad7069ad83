/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * An open directory holds a piece of the kernel's listing (getdents64) and the cookie of the first
 * record in it that the guest does not have yet. Every record carries the cookie behind it (d_off),
 * which is what the guest sends to go on; any other offset (rewinddir, seekdir, telldir of long
 * ago) drops the piece and seeks the descriptor. Nothing else remembers a position, so a listing is
 * as right as the file system's own cookies are.
 *
 * A record that does not fit is left for the next call, and only then looked up: no reference is
 * granted that the guest does not learn of. An entry that cannot be looked up is given without one,
 * never dropped, unless it is gone.
 *
 * The lock is for guests that list one handle from two queues; Linux does not.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "local.h"

struct ldir {
	pthread_mutex_t lock;
	uint64_t pos; /* cookie of the record at off, or of the next piece */
	size_t off; /* first record not given */
	size_t len;
	char buf[LOCAL_DIRBUF] __attribute__((aligned(8)));
};

void ldir_free(struct ldir *dir)
{
	if (!dir)
		return;
	pthread_mutex_destroy(&dir->lock);
	free(dir);
}

static struct ldir *ldir_new(void)
{
	struct ldir *dir = malloc(sizeof(*dir)); /* not calloc: the buffer stays untouched */

	if (!dir)
		return NULL;
	pthread_mutex_init(&dir->lock, NULL);
	dir->pos = 0;
	dir->off = 0;
	dir->len = 0;
	return dir;
}

void local_op_opendir(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	struct lnode *ln = local_node_get(req, req->in->nodeid);
	struct ldir *dir = NULL;
	int err = 0, fd = -ESTALE;

	if (ln)
		fd = ln->key.fmt == S_IFDIR ? local_node_open(t, ln, O_RDONLY | O_DIRECTORY) :
					      -ENOTDIR;
	local_node_put(req, ln);
	if (fd >= 0) {
		dir = ldir_new();
		err = dir ? lfh_open(&t->lfs->fhs, fd, 0, LFS_OTHER, dir, &req->opened->fh) :
			    -ENOMEM;
	}
	if (err) {
		close(fd);
		ldir_free(dir);
	}
	local_done(req, fd < 0 ? fd : err);
}

void local_op_releasedir(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	bool was_open, large;
	int fd;

	was_open = lfh_close(&t->lfs->fhs, req->release->fh, true, &fd, &large);
	if (fd >= 0)
		local_close_later(t, fd);
	fs_req_done(req, was_open ? 0 : -EBADF);
}

/* The record to give next; NULL with *err 0 at the end. */
static struct dirent64 *ldir_next(struct ldir *dir, int fd, int *err)
{
	ssize_t n;

	*err = 0;
	if (dir->off < dir->len)
		return (struct dirent64 *)(dir->buf + dir->off);
	n = getdents64(fd, dir->buf, sizeof(dir->buf));
	dir->off = 0;
	dir->len = n > 0 ? (size_t)n : 0;
	if (n < 0)
		*err = -errno;
	return n > 0 ? (struct dirent64 *)dir->buf : NULL;
}

static int ldir_seek(struct ldir *dir, int fd, uint64_t pos)
{
	/* The start again means: what is there now, not what was read before. */
	if (pos == dir->pos && (pos || !dir->len))
		return 0;
	if (lseek(fd, (off_t)pos, SEEK_SET) < 0)
		return -errno;
	dir->pos = pos;
	dir->off = 0;
	dir->len = 0;
	return 0;
}

static bool is_dot(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* Looks the entry up; on failure it has no node. -ENOENT: gone. */
static int plus_entry(struct fs_req *req, struct lnode *parent, int fd, const struct dirent64 *d,
		      struct fuse_entry_out *entry, struct lnode **ret_node)
{
	struct local_thread *t = local_thread_of(req);
	int err = 0;

	*ret_node = NULL;
	memset(entry, 0, sizeof(*entry));
	if (!is_dot(d->d_name))
		err = local_node_of_name(t, parent, fd, d->d_name, entry, ret_node);
	if (*ret_node) {
		fs_entry_set_valid(req->ft->fs, entry);
	} else {
		memset(entry, 0, sizeof(*entry));
		entry->attr.ino = d->d_ino;
		entry->attr.mode = DTTOIF(d->d_type);
	}
	return err;
}

/* Adds one record. False when it does not fit. */
static bool add_record(struct fs_req *req, struct lnode *parent, int fd, const struct dirent64 *d,
		       bool plus)
{
	struct nodetab *nodes = local_thread_of(req)->lfs->nodes;
	size_t len = strlen(d->d_name);
	uint64_t ino = d->d_ino;
	struct fuse_entry_out entry;
	struct lnode *ln = NULL;
	bool added;

	/* What is above the directory is nobody's business. */
	if (is_dot(d->d_name) && nodetab_id(&parent->node) == NODETAB_ROOT)
		ino = parent->key.ino;
	if (!fs_dirent_fits(req, len, plus))
		return false;
	if (plus && plus_entry(req, parent, fd, d, &entry, &ln) == -ENOENT)
		return true;
	added = fs_dirent_add(req, d->d_name, len, ino, d->d_type, (uint64_t)d->d_off,
			      plus ? &entry : NULL);
	if (ln) {
		if (added)
			nodetab_grant(nodes, &ln->node);
		nodetab_put(nodes, &ln->node);
	}
	return added;
}

static int list(struct fs_req *req, struct lnode *parent, struct lfh *f, bool plus)
{
	struct ldir *dir = f->dir;
	const struct dirent64 *d;
	int err;

	err = ldir_seek(dir, f->fd, req->read->offset);
	if (err)
		return err;
	while ((d = ldir_next(dir, f->fd, &err))) {
		if (!add_record(req, parent, f->fd, d, plus))
			return req->out_len ? 0 : -EINVAL; /* room for not even one */
		dir->off += d->d_reclen;
		dir->pos = (uint64_t)d->d_off;
	}
	return req->out_len ? 0 : err;
}

static void readdir_start(struct fs_req *req, bool plus)
{
	struct local_thread *t = local_thread_of(req);
	struct lnode *parent = local_node_get(req, req->in->nodeid);
	struct lfh *f;
	int err = -ESTALE;

	if (parent) {
		cred_root();
		f = lfh_get(&t->lfs->fhs, req->read->fh, true);
		err = -EBADF;
		if (f) {
			pthread_mutex_lock(&f->dir->lock);
			err = list(req, parent, f, plus);
			pthread_mutex_unlock(&f->dir->lock);
			lfh_put(&t->lfs->fhs, f);
		}
		local_node_put(req, parent);
	}
	local_done(req, err);
}

void local_op_readdir(struct fs_req *req)
{
	readdir_start(req, false);
}

void local_op_readdirplus(struct fs_req *req)
{
	readdir_start(req, true);
}
