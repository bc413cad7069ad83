/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The null file system: everything succeeds at once and touches no storage. It measures all the
 * rest.
 *
 * There is one file (node 2) that every name leads to and every CREATE makes, the root (node 1),
 * and one more directory (node 3) for MKDIR; all directories are empty. WRITE takes everything;
 * READ says everything was read and leaves the guest's own buffer as it is.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/types.h"

#define NULL_FILE 2
#define NULL_DIR 3
#define NULL_FILE_SIZE (1ull << 40)

static int null_open(const struct fs_config *cfg, struct fs **ret_fs, char *err)
{
	struct fs *fs = calloc(1, sizeof(*fs));

	if (!fs)
		return -ENOMEM;
	fs->ops = &fs_null;
	fs->init_flags = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_PARALLEL_DIROPS |
			 FUSE_ASYNC_DIO;
	*ret_fs = fs;
	return 0;
}

static void null_close(struct fs *fs)
{
	free(fs);
}

static int null_attach(struct fs *fs, struct thr *thr, unsigned int index,
		       struct fs_thread **ret_ft)
{
	*ret_ft = calloc(1, sizeof(**ret_ft));
	return *ret_ft ? 0 : -ENOMEM;
}

static void null_detach(struct fs_thread *ft)
{
	free(ft);
}

static void fill_attr(struct fuse_attr *attr, uint64_t ino)
{
	bool dir = ino != NULL_FILE;

	attr->ino = ino;
	attr->mode = dir ? S_IFDIR | 0777 : S_IFREG | 0666;
	attr->size = dir ? 0 : NULL_FILE_SIZE;
	attr->nlink = dir ? 2 : 1;
	attr->blksize = 4096;
}

static void fill_entry(struct fs_req *req, uint64_t ino)
{
	req->entry->nodeid = ino;
	fill_attr(&req->entry->attr, ino);
	fs_entry_set_valid(req->ft->fs, req->entry);
}

static void null_entry(struct fs_req *req)
{
	fill_entry(req, NULL_FILE);
	fs_req_done(req, 0);
}

static void null_mkdir(struct fs_req *req)
{
	fill_entry(req, NULL_DIR);
	fs_req_done(req, 0);
}

static void null_attr(struct fs_req *req)
{
	uint64_t ino = req->in->nodeid;

	fill_attr(&req->attr->attr, ino == FUSE_ROOT_ID || ino == NULL_DIR ? ino : NULL_FILE);
	fs_attr_set_valid(req->ft->fs, req->attr);
	fs_req_done(req, 0);
}

static void null_open_file(struct fs_req *req)
{
	req->opened->open_flags = req->ft->fs->cache.open_flags;
	fs_req_done(req, 0);
}

static void null_create(struct fs_req *req)
{
	fill_entry(req, NULL_FILE);
	req->create_open->open_flags = req->ft->fs->cache.open_flags;
	fs_req_done(req, 0);
}

static void null_read(struct fs_req *req)
{
	static const char zero[4096];
	size_t len = min(req->room_len, (size_t)req->read->size);

	/* A bounce buffer holds somebody else's bytes: what is sent is written first. */
	while (!req->direct && req->out_len < len)
		fs_req_put(req, zero, min(sizeof(zero), len - req->out_len));
	req->out_len = len;
	fs_req_done(req, 0);
}

static void null_write(struct fs_req *req)
{
	req->written->size = (uint32_t)min(req->data_len, (size_t)req->write->size);
	fs_req_done(req, 0);
}

static void null_statfs(struct fs_req *req)
{
	req->statfs->st.bsize = req->statfs->st.frsize = 4096;
	req->statfs->st.blocks = req->statfs->st.bfree = req->statfs->st.bavail = 1u << 28;
	req->statfs->st.namelen = 255;
	fs_req_done(req, 0);
}

static void null_ok(struct fs_req *req)
{
	fs_req_done(req, 0);
}

const struct fs_ops fs_null = {
	.name = "null",
	.open = null_open,
	.close = null_close,
	.attach = null_attach,
	.detach = null_detach,
	.op = {
		[FUSE_LOOKUP] = null_entry,
		[FUSE_MKNOD] = null_entry,
		[FUSE_LINK] = null_entry,
		[FUSE_MKDIR] = null_mkdir,
		[FUSE_RMDIR] = null_ok,
		[FUSE_CREATE] = null_create,
		[FUSE_GETATTR] = null_attr,
		[FUSE_SETATTR] = null_attr,
		[FUSE_OPEN] = null_open_file,
		[FUSE_OPENDIR] = null_open_file,
		[FUSE_READ] = null_read,
		[FUSE_WRITE] = null_write,
		[FUSE_READDIR] = null_ok,
		[FUSE_READDIRPLUS] = null_ok,
		[FUSE_STATFS] = null_statfs,
		[FUSE_UNLINK] = null_ok,
		[FUSE_RENAME] = null_ok,
		[FUSE_RENAME2] = null_ok,
		[FUSE_FLUSH] = null_ok,
		[FUSE_FSYNC] = null_ok,
		[FUSE_FSYNCDIR] = null_ok,
		[FUSE_FALLOCATE] = null_ok,
		[FUSE_SYNCFS] = null_ok,
	},
};
