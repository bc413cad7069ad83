/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: everything happens in one new directory of the exported tree, named after
 * this process, and is removed at the end. A data pattern has one file a queue, written once in
 * full before the clock starts, so that reads find data and writes find allocated blocks; the
 * others have opts.files small files a queue.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "load.h"

static int fill_chunk(struct load *l, struct queue *q, uint8_t *buf, uint64_t off, uint64_t len)
{
	size_t done;
	uint64_t b;
	int r;

	for (b = 0; q->gen && b < len; b += l->opts->bs) {
		uint64_t block = (off + b) / l->opts->bs;

		q->gen[block] = 1;
		stamp_write(buf + b, l->opts->bs, q->file[0].node, off + b, 1);
	}
	r = vufe_write(&l->fs, q->file[0].node, q->file[0].fh, off, buf, len, &done);
	if (!r && done != len)
		r = -EIO;
	return r;
}

static int fill_file(struct load *l, struct queue *q)
{
	uint64_t size = l->opts->file_size / l->opts->bs * l->opts->bs, off;
	uint64_t chunk = min((uint64_t)l->fs.init.max_write, (uint64_t)1 << 20);
	uint8_t *buf;
	int r = 0;

	chunk = max(chunk / l->opts->bs, 1ull) * l->opts->bs;
	buf = calloc(1, chunk);
	if (!buf)
		return -ENOMEM;
	for (off = 0; !r && !load_interrupted && off < size; off += chunk)
		r = fill_chunk(l, q, buf, off, min(chunk, size - off));
	free(buf);
	return r;
}

/* Only now: the buffer that fills the file is not aligned for it. */
static int open_directly(struct load *l, struct file *f)
{
	int r = vufe_release(&l->fs, f->node, f->fh);

	return r ? r : vufe_fopen(&l->fs, f->node, O_RDWR | O_DIRECT, &f->fh);
}

static int make_data_file(struct load *l, struct queue *q)
{
	uint64_t blocks = l->opts->file_size / l->opts->bs;
	struct fuse_entry_out e;
	int r;

	if (l->opts->verify) {
		q->gen = calloc(blocks, sizeof(*q->gen));
		q->block_busy = calloc(blocks, 1);
		if (!q->gen || !q->block_busy)
			return -ENOMEM;
	}
	r = vufe_create(&l->fs, l->dir, q->file[0].name, 0644, O_RDWR | O_CREAT, &e, &q->file[0].fh);
	if (r)
		return r;
	q->file[0].node = e.nodeid;
	r = fill_file(l, q);
	return !r && l->opts->direct ? open_directly(l, &q->file[0]) : r;
}

static int make_small_files(struct load *l, struct queue *q)
{
	struct fuse_entry_out e;
	unsigned i;
	int r = 0;

	for (i = 0; !r && i < q->nr_files; i++) {
		struct file *f = &q->file[i];

		r = vufe_create(&l->fs, l->dir, f->name, 0644, O_RDWR | O_CREAT, &e, &f->fh);
		if (r)
			break;
		f->node = e.nodeid;
		r = vufe_release(&l->fs, f->node, f->fh);
	}
	return r;
}

static int open_dirs(struct load *l, struct queue *q)
{
	unsigned i;
	int r = 0;

	for (i = 0; !r && i < l->opts->depth; i++)
		r = vufe_opendir(&l->fs, l->dir, &q->slots[i].fh);
	return r;
}

static int prepare_queue(struct load *l, struct queue *q)
{
	const struct pattern *p = l->opts->pattern;
	int r = p->data ? make_data_file(l, q) : make_small_files(l, q);

	return !r && p->step[0] == STEP_READDIRPLUS ? open_dirs(l, q) : r;
}

int prepare_files(struct load *l)
{
	struct fuse_entry_out e;
	unsigned i;
	int r;

	snprintf(l->dir_name, sizeof(l->dir_name), "vfsload-%d", getpid());
	r = vufe_mkdir(&l->fs, FUSE_ROOT_ID, l->dir_name, 0755, &e);
	if (!r)
		l->dir = e.nodeid;
	for (i = 0; !r && !load_interrupted && i < l->opts->queues; i++)
		r = prepare_queue(l, &l->queues[i]);
	if (r)
		load_fail(l, "preparing files: %s%s%s", strerror(-r), l->dev.err[0] ? ": " : "",
			  l->dev.err);
	return r;
}

static void remove_queue_files(struct load *l, struct queue *q)
{
	unsigned i;

	if (l->opts->pattern->step[0] == STEP_READDIRPLUS)
		for (i = 0; i < l->opts->depth; i++)
			vufe_releasedir(&l->fs, l->dir, q->slots[i].fh);
	for (i = 0; i < q->nr_files && q->file[i].node; i++) {
		if (l->opts->pattern->data)
			vufe_release(&l->fs, q->file[i].node, q->file[i].fh);
		vufe_unlink(&l->fs, l->dir, q->file[i].name);
		vufe_forget(&l->fs, q->file[i].node, 1);
	}
}

void remove_files(struct load *l)
{
	unsigned i;

	if (!l->dir)
		return;
	for (i = 0; i < l->opts->queues; i++)
		remove_queue_files(l, &l->queues[i]);
	vufe_rmdir(&l->fs, FUSE_ROOT_ID, l->dir_name);
	vufe_forget(&l->fs, l->dir, 1);
}
