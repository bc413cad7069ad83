/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The choke point between the data path and the file systems, and what all of them share: stacking,
 * answers for missing operations, INIT, validity times.
 *
 * Theory of operation: a request enters at the top of a stack of layers (wrappers, then a back
 * end). fs_submit_lower() pushes the wrapper on req->layer[] when it wants the result;
 * fs_req_done() pops one and calls it, or, when none is left, ends the request in req_finish(). No
 * lock, no allocation.
 */
#include "fs/fs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/fs_init.h"
#include "fs/types.h"
#include "fs/wrap/wrap.h"

/*
 * What an operation that a file system does not have answers. ENOSYS makes Linux stop asking, which
 * is right for most; where it means something else or nobody would notice the loss, the answer is
 * here.
 */
static int missing_op(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
	case FUSE_DESTROY:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return 0;
	case FUSE_SYMLINK:
	case FUSE_LINK:
	case FUSE_MKNOD:
		return -EPERM; /* as a file system without such objects */
	case FUSE_FALLOCATE:
		return -EOPNOTSUPP;
	case FUSE_IOCTL:
		return -ENOTTY;
	default:
		return -ENOSYS;
	}
}

static inline void submit_here(struct fs_req *req)
{
	const struct fs_ops *ops = req->ft->fs->ops;
	uint32_t opcode = req->in->opcode;

	if (opcode < FS_OP_LIMIT && ops->op[opcode])
		ops->op[opcode](req);
	else if (req->ft->lower)
		fs_submit_lower(req, NULL, 0);
	else
		fs_req_done(req, missing_op(opcode));
}

void fs_submit(struct fs_req *req)
{
	req->nr_layers = 0;
	req->out_len = 0;
	switch (req->in->opcode) {
	case FUSE_INIT:
		fs_req_done(req, fs_init_session(req));
		return;
	case FUSE_DESTROY:
		fs_reset(req->ft->fs);
		fs_req_done(req, 0);
		return;
	default:
		submit_here(req);
	}
}

void fs_submit_lower(struct fs_req *req, void (*fn)(struct fs_req *req, int err), uint64_t data)
{
	if (fn) {
		req->layer[req->nr_layers].fn = fn;
		req->layer[req->nr_layers].ft = req->ft;
		req->layer[req->nr_layers].data = data;
		req->nr_layers++;
	}
	req->ft = req->ft->lower;
	submit_here(req);
}

void fs_req_done(struct fs_req *req, int err)
{
	if (req->nr_layers) {
		req->nr_layers--;
		req->ft = req->layer[req->nr_layers].ft;
		req->layer_data = req->layer[req->nr_layers].data;
		req->layer[req->nr_layers].fn(req, err);
		return;
	}
	req_finish(req, err);
}

void fs_cancel(struct fs_thread *ft)
{
	for (; ft; ft = ft->lower)
		if (ft->fs->ops->cancel)
			ft->fs->ops->cancel(ft);
}

void fs_reset(struct fs *fs)
{
	for (; fs; fs = fs->lower)
		if (fs->ops->reset)
			fs->ops->reset(fs);
}

/*
 * Validity by cache mode: none asks every time, auto trusts for a second, always until told otherwise; metadata
 * is always for names and attributes and none for data.
 */
static struct fs_cache cache_of(enum fs_cache_mode mode)
{
	const uint64_t second = 1000000000ull, day = 86400 * second;

	switch (mode) {
	case FS_CACHE_NONE:
		return (struct fs_cache){ .open_flags = FOPEN_DIRECT_IO };
	case FS_CACHE_METADATA:
		return (struct fs_cache){ .entry_ns = day, .attr_ns = day, .negative_ns = day,
					  .open_flags = FOPEN_DIRECT_IO };
	case FS_CACHE_ALWAYS:
		return (struct fs_cache){ .entry_ns = day, .attr_ns = day, .negative_ns = day,
					  .open_flags = FOPEN_KEEP_CACHE };
	case FS_CACHE_AUTO:
	default:
		return (struct fs_cache){ .entry_ns = second, .attr_ns = second };
	}
}

static int open_backend(const struct fs_config *cfg, struct fs **ret_fs, char *err)
{
	const struct fs_ops *ops = fs_find(cfg->type);
	int rc;

	if (!ops) {
		snprintf(err, FS_ERR_LEN, "file system type '%s' is unknown: "
			 "use local, nfs or null", cfg->type ? cfg->type : "");
		return -EINVAL;
	}
	rc = ops->open(cfg, ret_fs, err);
	if (rc)
		return rc;
	(*ret_fs)->cache = cache_of(cfg->cache);
	if (!(*ret_fs)->max_io)
		(*ret_fs)->max_io = FS_MAX_IO;
	return 0;
}

int fs_open(const struct fs_config *cfg, struct fs **ret_fs, char *err)
{
	struct fs *fs = NULL;
	int rc = open_backend(cfg, &fs, err);

	if (!rc && cfg->null_io)
		rc = wrap_stack(&fs, &fs_wrap_nullio, cfg, err);
	if (!rc && cfg->readonly)
		rc = wrap_stack(&fs, &fs_wrap_readonly, cfg, err);
	if (!rc && cfg->wrap)
		rc = wrap_stack_list(&fs, cfg, err);
	if (rc)
		fs_close(fs);
	else
		*ret_fs = fs;
	return rc;
}

void fs_close(struct fs *fs)
{
	while (fs) {
		struct fs *lower = fs->lower;

		fs->ops->close(fs);
		fs = lower;
	}
}

int fs_attach(struct fs *fs, struct thr *thr, unsigned int index, struct fs_thread **ret_ft)
{
	struct fs_thread *lower = NULL;
	int rc;

	if (fs->lower) {
		rc = fs_attach(fs->lower, thr, index, &lower);
		if (rc)
			return rc;
	}
	rc = fs->ops->attach(fs, thr, index, ret_ft);
	if (rc) {
		fs_detach(lower);
		return rc;
	}
	(*ret_ft)->fs = fs;
	(*ret_ft)->thr = thr;
	(*ret_ft)->index = index;
	(*ret_ft)->lower = lower;
	return 0;
}

void fs_detach(struct fs_thread *ft)
{
	while (ft) {
		struct fs_thread *lower = ft->lower;

		ft->fs->ops->detach(ft);
		ft = lower;
	}
}

int fs_poll(struct fs_thread *ft)
{
	int n = 0;

	for (; ft; ft = ft->lower)
		if (ft->fs->ops->poll)
			n += ft->fs->ops->poll(ft);
	return n;
}

void fs_stats(struct fs *fs,
	      void (*emit)(void *arg, const char *object, const char *counter, uint64_t value), void *arg)
{
	for (; fs; fs = fs->lower)
		if (fs->ops->stats)
			fs->ops->stats(fs, emit, arg);
}

int fs_timeout_ms(struct fs_thread *ft)
{
	int least = -1;

	for (; ft; ft = ft->lower) {
		int t = ft->fs->ops->timeout_ms ? ft->fs->ops->timeout_ms(ft) : -1;

		if (t >= 0 && (least < 0 || t < least))
			least = t;
	}
	return least;
}

bool fs_soon(struct fs_thread *ft)
{
	for (; ft; ft = ft->lower)
		if (ft->fs->ops->soon && ft->fs->ops->soon(ft))
			return true;
	return false;
}

void fs_entry_set_valid(const struct fs *fs, struct fuse_entry_out *entry)
{
	uint64_t e = entry->nodeid ? fs->cache.entry_ns : fs->cache.negative_ns;

	entry->entry_valid = e / 1000000000u;
	entry->entry_valid_nsec = e % 1000000000u;
	entry->attr_valid = fs->cache.attr_ns / 1000000000u;
	entry->attr_valid_nsec = fs->cache.attr_ns % 1000000000u;
}

void fs_attr_set_valid(const struct fs *fs, struct fuse_attr_out *attr)
{
	attr->attr_valid = fs->cache.attr_ns / 1000000000u;
	attr->attr_valid_nsec = fs->cache.attr_ns % 1000000000u;
}
