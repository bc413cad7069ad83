/* SPDX-License-Identifier: BSD-3-Clause */
#include "fsdrive.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what)
{
	fprintf(stderr, "fsdrive: %s\n", what);
	abort();
}

int thr_watch_add(struct thr *thr, struct thr_watch *w)
{
	for (size_t i = 0; i < DRIVE_WATCHES; i++) {
		if (!thr->watches[i]) {
			thr->watches[i] = w;
			return 0;
		}
	}
	return -ENOSPC;
}

int thr_watch_modify(struct thr *thr, struct thr_watch *w, uint32_t events)
{
	w->events = events;
	return 0;
}

void thr_watch_remove(struct thr *thr, struct thr_watch *w)
{
	for (size_t i = 0; i < DRIVE_WATCHES; i++)
		if (thr->watches[i] == w)
			thr->watches[i] = NULL;
}

void fs_req_done(struct fs_req *req, int err)
{
	struct call *c = container_of(req, struct call, req);

	if (c->done++)
		die("a request completed twice");
	if (err > 0)
		die("a positive error");
	c->err = err;
}

void fs_entry_set_valid(const struct fs *fs, struct fuse_entry_out *entry)
{
	entry->entry_valid = fs->cache.entry_ns / 1000000000u;
	entry->attr_valid = fs->cache.attr_ns / 1000000000u;
}

void fs_attr_set_valid(const struct fs *fs, struct fuse_attr_out *attr)
{
	attr->attr_valid = fs->cache.attr_ns / 1000000000u;
}

void drive_attach(struct drive *d, struct fs *fs, unsigned int index)
{
	memset(d, 0, sizeof(*d));
	d->fs = fs;
	if (fs->ops->attach(fs, &d->thr, index, &d->ft))
		die("attach failed");
	d->ft->fs = fs;
	d->ft->thr = &d->thr;
	d->ft->index = index;
}

void drive_open_cfg(struct drive *d, const struct fs_ops *ops, const struct fs_config *cfg)
{
	char err[FS_ERR_LEN] = "";
	struct fs *fs;

	if (ops->req_ctx_size > sizeof(((struct call *)0)->ctx))
		die("request context too small");
	if (ops->open(cfg, &fs, err))
		die(err);
	fs->cache.entry_ns = fs->cache.attr_ns = 1000000000u;
	drive_attach(d, fs, 0);
}

void drive_open(struct drive *d, const struct fs_ops *ops, const char *dir)
{
	const struct fs_config cfg = { .type = ops->name, .dir = dir };

	drive_open_cfg(d, ops, &cfg);
}

void drive_detach(struct drive *d)
{
	d->fs->ops->detach(d->ft);
}

void drive_close(struct drive *d)
{
	struct fs *fs = d->fs;

	drive_detach(d);
	fs->ops->close(fs);
}

void call_init(struct call *c, struct drive *d, uint32_t opcode, uint64_t nodeid)
{
	memset(c, 0, offsetof(struct call, buf));
	c->d = d;
	c->in.opcode = opcode;
	c->in.nodeid = nodeid;
	c->in.uid = d->uid;
	c->in.gid = d->gid;
	c->req.in = &c->in;
	c->req.ft = d->ft;
	c->req.arg = &c->arg;
	c->req.reply = &c->out;
	c->req.create_open = &c->create_open;
	c->req.ctx = c->ctx;
}

void call_room(struct call *c, size_t size)
{
	c->room = (struct iovec){ c->buf, size };
	c->req.room = &c->room;
	c->req.room_cnt = 1;
	c->req.room_len = size;
}

void call_data(struct call *c, const void *data, size_t len)
{
	c->data = (struct iovec){ (void *)data, len };
	c->req.data = &c->data;
	c->req.data_cnt = 1;
	c->req.data_len = len;
}

void call_start(struct call *c)
{
	c->d->fs->ops->op[c->in.opcode](&c->req);
}

/* One sleep of the thread: until a watched descriptor is ready. */
static void drive_sleep(struct drive *d)
{
	struct pollfd fds[DRIVE_WATCHES];
	struct thr_watch *w[DRIVE_WATCHES];
	int limit = d->fs->ops->timeout_ms ? d->fs->ops->timeout_ms(d->ft) : -1;
	nfds_t n = 0;

	for (size_t i = 0; i < DRIVE_WATCHES; i++) {
		if (!d->thr.watches[i])
			continue;
		w[n] = d->thr.watches[i];
		fds[n] = (struct pollfd){ .fd = w[n]->fd, .events = (short)w[n]->events };
		n++;
	}
	if (poll(fds, n, limit < 0 ? 10000 : limit) == 0 && limit < 0)
		die("a request does not come back");
	for (nfds_t i = 0; i < n; i++)
		if (fds[i].revents)
			w[i]->ready(w[i], (uint32_t)fds[i].revents);
}

int call_wait(struct call *c)
{
	while (!c->done) {
		if (!c->d->fs->ops->poll(c->d->ft) && !c->done)
			drive_sleep(c->d);
	}
	return c->err;
}

int call_run(struct call *c)
{
	call_start(c);
	return call_wait(c);
}

/* Calls are too large for every stack frame, and tests run one at a time per thread. */
static _Thread_local struct call shared;

static struct call *call_new(struct drive *d, uint32_t opcode, uint64_t nodeid, const char *name)
{
	call_init(&shared, d, opcode, nodeid);
	shared.req.name[0] = name;
	return &shared;
}

static int entry_run(struct call *c, struct fuse_entry_out *e)
{
	int err = call_run(c);

	if (e)
		*e = c->out.entry;
	return err;
}

int op_lookup(struct drive *d, uint64_t parent, const char *name, struct fuse_entry_out *e)
{
	return entry_run(call_new(d, FUSE_LOOKUP, parent, name), e);
}

int op_create(struct drive *d, uint64_t parent, const char *name, uint32_t flags, uint32_t mode,
	      struct fuse_entry_out *e, uint64_t *fh)
{
	struct call *c = call_new(d, FUSE_CREATE, parent, name);
	int err;

	c->arg.create.flags = flags;
	c->arg.create.mode = mode;
	err = entry_run(c, e);
	if (fh)
		*fh = c->create_open.fh;
	return err;
}

int op_mkdir(struct drive *d, uint64_t parent, const char *name, uint32_t mode,
	     struct fuse_entry_out *e)
{
	struct call *c = call_new(d, FUSE_MKDIR, parent, name);

	c->arg.mkdir.mode = mode;
	return entry_run(c, e);
}

static int open_run(struct call *c, uint32_t flags, uint64_t *fh)
{
	int err;

	c->arg.open.flags = flags;
	err = call_run(c);
	*fh = c->out.opened.fh;
	return err;
}

int op_open(struct drive *d, uint64_t node, uint32_t flags, uint64_t *fh)
{
	return open_run(call_new(d, FUSE_OPEN, node, NULL), flags, fh);
}

int op_opendir(struct drive *d, uint64_t node, uint64_t *fh)
{
	return open_run(call_new(d, FUSE_OPENDIR, node, NULL), 0, fh);
}

/* With the end of the thread's round, which is when descriptors are closed. */
static int release_run(struct call *c, uint64_t fh)
{
	int err;

	c->arg.release.fh = fh;
	err = call_run(c);
	if (c->d->fs->ops->poll)
		c->d->fs->ops->poll(c->d->ft);
	return err;
}

int op_release(struct drive *d, uint64_t fh)
{
	return release_run(call_new(d, FUSE_RELEASE, 1, NULL), fh);
}

int op_releasedir(struct drive *d, uint64_t fh)
{
	return release_run(call_new(d, FUSE_RELEASEDIR, 1, NULL), fh);
}

int op_write(struct drive *d, uint64_t fh, const void *data, size_t len, uint64_t off,
	     uint32_t flags)
{
	struct call *c = call_new(d, FUSE_WRITE, 1, NULL);
	int err;

	c->arg.write = (struct fuse_write_in){ .fh = fh, .offset = off, .size = (uint32_t)len,
					       .write_flags = flags };
	call_data(c, data, len);
	err = call_run(c);
	return err ? err : (int)c->out.written.size;
}

int op_read(struct drive *d, uint64_t fh, void *data, size_t len, uint64_t off)
{
	struct call *c = call_new(d, FUSE_READ, 1, NULL);
	int err;

	c->arg.read = (struct fuse_read_in){ .fh = fh, .offset = off, .size = (uint32_t)len };
	call_room(c, len);
	c->room.iov_base = data;
	err = call_run(c);
	return err ? err : (int)c->req.out_len;
}

int op_getattr(struct drive *d, uint64_t node, struct fuse_attr *attr)
{
	struct call *c = call_new(d, FUSE_GETATTR, node, NULL);
	int err = call_run(c);

	*attr = c->out.attr.attr;
	return err;
}

int op_setattr(struct drive *d, uint64_t node, const struct fuse_setattr_in *in,
	       struct fuse_attr *attr)
{
	struct call *c = call_new(d, FUSE_SETATTR, node, NULL);
	int err;

	c->arg.setattr = *in;
	err = call_run(c);
	if (attr)
		*attr = c->out.attr.attr;
	return err;
}

int op_unlink(struct drive *d, uint64_t parent, const char *name)
{
	return call_run(call_new(d, FUSE_UNLINK, parent, name));
}

int op_rmdir(struct drive *d, uint64_t parent, const char *name)
{
	return call_run(call_new(d, FUSE_RMDIR, parent, name));
}

int op_rename(struct drive *d, uint64_t from, const char *old, uint64_t to, const char *new,
	      uint32_t flags)
{
	struct call *c = call_new(d, FUSE_RENAME2, from, old);

	c->req.name[1] = new;
	c->arg.rename2.newdir = to;
	c->arg.rename2.flags = flags;
	return call_run(c);
}

void op_forget(struct drive *d, uint64_t node, uint64_t n)
{
	struct call *c = call_new(d, FUSE_FORGET, node, NULL);

	c->arg.forget.nlookup = n;
	call_run(c);
}
