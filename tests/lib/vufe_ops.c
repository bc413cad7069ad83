/* SPDX-License-Identifier: BSD-3-Clause */
/* One function an operation: the arguments of vufe_call() and nothing else. */
#include <errno.h>
#include <string.h>

#include "vufe_fuse.h"

#define STR(s) {(void *)(s), strlen(s) + 1}
#define IN(v) {&(v), sizeof(v)}

/* The call with its arguments; the answer must be exactly what ret_p points to. */
#define CALL(fs, op, node, ret_p, ...)                                                             \
	({                                                                                         \
		struct iovec v_[] = {__VA_ARGS__};                                                 \
		simple_call(fs, op, node, v_, sizeof(v_) / sizeof(v_[0]), ret_p,                   \
			    sizeof(*(ret_p)));                                                     \
	})
#define CALL_VOID(fs, op, node, ...)                                                               \
	({                                                                                         \
		struct iovec v_[] = {__VA_ARGS__};                                                 \
		simple_call(fs, op, node, v_, sizeof(v_) / sizeof(v_[0]), NULL, 0);                \
	})

static int simple_call(struct vufe_fs *fs, uint32_t op, uint64_t node, const struct iovec *arg,
		       unsigned n, void *out, size_t out_len)
{
	struct vufe_call c = {.opcode = op, .nodeid = node, .nr_args = n, .out = out,
			      .out_cap = out_len, .exact = true};

	memcpy(c.arg, arg, n * sizeof(*arg));
	return vufe_call(fs, &c);
}

/* For answers of any length. */
static int data_call(struct vufe_fs *fs, uint32_t op, uint64_t node, const struct iovec *arg,
		     unsigned n, void *buf, size_t cap, size_t *ret_len)
{
	struct vufe_call c = {.opcode = op, .nodeid = node, .nr_args = n, .out = buf,
			      .out_cap = cap};
	int r;

	if (n)
		memcpy(c.arg, arg, n * sizeof(*arg));
	r = vufe_call(fs, &c);
	if (!r && ret_len)
		*ret_len = c.out_len;
	return r;
}

int vufe_fs_destroy(struct vufe_fs *fs)
{
	return data_call(fs, FUSE_DESTROY, 0, NULL, 0, NULL, 0, NULL);
}

int vufe_lookup(struct vufe_fs *fs, uint64_t dir, const char *name, struct fuse_entry_out *ret)
{
	return CALL(fs, FUSE_LOOKUP, dir, ret, STR(name));
}

int vufe_forget(struct vufe_fs *fs, uint64_t node, uint64_t nlookup)
{
	struct fuse_forget_in in = {.nlookup = nlookup};

	return CALL_VOID(fs, FUSE_FORGET, node, IN(in));
}

int vufe_getattr(struct vufe_fs *fs, uint64_t node, struct fuse_attr_out *ret)
{
	struct fuse_getattr_in in = {0};

	return CALL(fs, FUSE_GETATTR, node, ret, IN(in));
}

int vufe_setattr(struct vufe_fs *fs, uint64_t node, const struct fuse_setattr_in *in,
		 struct fuse_attr_out *ret)
{
	return CALL(fs, FUSE_SETATTR, node, ret, {(void *)in, sizeof(*in)});
}

int vufe_mknod(struct vufe_fs *fs, uint64_t dir, const char *name, mode_t mode, uint32_t rdev,
	       struct fuse_entry_out *ret)
{
	struct fuse_mknod_in in = {.mode = mode, .rdev = rdev};

	return CALL(fs, FUSE_MKNOD, dir, ret, IN(in), STR(name));
}

int vufe_mkdir(struct vufe_fs *fs, uint64_t dir, const char *name, mode_t mode,
	       struct fuse_entry_out *ret)
{
	struct fuse_mkdir_in in = {.mode = mode};

	return CALL(fs, FUSE_MKDIR, dir, ret, IN(in), STR(name));
}

int vufe_symlink(struct vufe_fs *fs, uint64_t dir, const char *name, const char *target,
		 struct fuse_entry_out *ret)
{
	return CALL(fs, FUSE_SYMLINK, dir, ret, STR(name), STR(target));
}

int vufe_link(struct vufe_fs *fs, uint64_t node, uint64_t dir, const char *name,
	      struct fuse_entry_out *ret)
{
	struct fuse_link_in in = {.oldnodeid = node};

	return CALL(fs, FUSE_LINK, dir, ret, IN(in), STR(name));
}

int vufe_readlink(struct vufe_fs *fs, uint64_t node, char *buf, size_t cap, size_t *ret_len)
{
	return data_call(fs, FUSE_READLINK, node, NULL, 0, buf, cap, ret_len);
}

int vufe_unlink(struct vufe_fs *fs, uint64_t dir, const char *name)
{
	return CALL_VOID(fs, FUSE_UNLINK, dir, STR(name));
}

int vufe_rmdir(struct vufe_fs *fs, uint64_t dir, const char *name)
{
	return CALL_VOID(fs, FUSE_RMDIR, dir, STR(name));
}

int vufe_rename(struct vufe_fs *fs, uint64_t dir, const char *name, uint64_t to_dir,
		const char *to_name, uint32_t flags)
{
	struct fuse_rename2_in in2 = {.newdir = to_dir, .flags = flags};
	struct fuse_rename_in in = {.newdir = to_dir};

	if (flags)
		return CALL_VOID(fs, FUSE_RENAME2, dir, IN(in2), STR(name), STR(to_name));
	return CALL_VOID(fs, FUSE_RENAME, dir, IN(in), STR(name), STR(to_name));
}

int vufe_create(struct vufe_fs *fs, uint64_t dir, const char *name, mode_t mode, uint32_t flags,
		struct fuse_entry_out *ret, uint64_t *ret_fh)
{
	struct fuse_create_in in = {.flags = flags, .mode = mode};
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out;
	int r = CALL(fs, FUSE_CREATE, dir, &out, IN(in), STR(name));

	if (!r) {
		*ret = out.entry;
		*ret_fh = out.open.fh;
	}
	return r;
}

static int open_call(struct vufe_fs *fs, uint32_t op, uint64_t node, uint32_t flags,
		     uint64_t *ret_fh)
{
	struct fuse_open_in in = {.flags = flags};
	struct fuse_open_out out;
	int r = CALL(fs, op, node, &out, IN(in));

	if (!r)
		*ret_fh = out.fh;
	return r;
}

int vufe_fopen(struct vufe_fs *fs, uint64_t node, uint32_t flags, uint64_t *ret_fh)
{
	return open_call(fs, FUSE_OPEN, node, flags, ret_fh);
}

int vufe_opendir(struct vufe_fs *fs, uint64_t node, uint64_t *ret_fh)
{
	return open_call(fs, FUSE_OPENDIR, node, 0, ret_fh);
}

static int release_call(struct vufe_fs *fs, uint32_t op, uint64_t node, uint64_t fh)
{
	struct fuse_release_in in = {.fh = fh};

	return CALL_VOID(fs, op, node, IN(in));
}

int vufe_release(struct vufe_fs *fs, uint64_t node, uint64_t fh)
{
	return release_call(fs, FUSE_RELEASE, node, fh);
}

int vufe_releasedir(struct vufe_fs *fs, uint64_t node, uint64_t fh)
{
	return release_call(fs, FUSE_RELEASEDIR, node, fh);
}

int vufe_flush(struct vufe_fs *fs, uint64_t node, uint64_t fh)
{
	struct fuse_flush_in in = {.fh = fh};

	return CALL_VOID(fs, FUSE_FLUSH, node, IN(in));
}

int vufe_fsync(struct vufe_fs *fs, uint64_t node, uint64_t fh, bool data_only)
{
	struct fuse_fsync_in in = {.fh = fh, .fsync_flags = data_only ? FUSE_FSYNC_FDATASYNC : 0};

	return CALL_VOID(fs, FUSE_FSYNC, node, IN(in));
}

static int read_call(struct vufe_fs *fs, uint32_t op, uint64_t node, uint64_t fh, uint64_t off,
		     void *buf, size_t len, size_t *ret_len)
{
	struct fuse_read_in in = {.fh = fh, .offset = off, .size = (uint32_t)len};
	struct iovec arg = IN(in);

	return data_call(fs, op, node, &arg, 1, buf, len, ret_len);
}

int vufe_read(struct vufe_fs *fs, uint64_t node, uint64_t fh, uint64_t off, void *buf, size_t len,
	      size_t *ret_len)
{
	return read_call(fs, FUSE_READ, node, fh, off, buf, len, ret_len);
}

int vufe_readdir(struct vufe_fs *fs, uint64_t node, uint64_t fh, uint64_t off, bool plus, void *buf,
		 size_t cap, size_t *ret_len)
{
	return read_call(fs, plus ? FUSE_READDIRPLUS : FUSE_READDIR, node, fh, off, buf, cap,
			 ret_len);
}

int vufe_write(struct vufe_fs *fs, uint64_t node, uint64_t fh, uint64_t off, const void *buf,
	       size_t len, size_t *ret_len)
{
	struct fuse_write_in in = {.fh = fh, .offset = off, .size = (uint32_t)len};
	struct fuse_write_out out;
	int r = CALL(fs, FUSE_WRITE, node, &out, IN(in), {(void *)buf, len});

	if (!r && ret_len)
		*ret_len = out.size;
	return r;
}

int vufe_fallocate(struct vufe_fs *fs, uint64_t node, uint64_t fh, uint32_t mode, uint64_t off,
		   uint64_t len)
{
	struct fuse_fallocate_in in = {.fh = fh, .offset = off, .length = len, .mode = mode};

	return CALL_VOID(fs, FUSE_FALLOCATE, node, IN(in));
}

int vufe_lseek(struct vufe_fs *fs, uint64_t node, uint64_t fh, uint64_t off, uint32_t whence,
	       uint64_t *ret_off)
{
	struct fuse_lseek_in in = {.fh = fh, .offset = off, .whence = whence};
	struct fuse_lseek_out out;
	int r = CALL(fs, FUSE_LSEEK, node, &out, IN(in));

	if (!r)
		*ret_off = out.offset;
	return r;
}

int vufe_copy_file_range(struct vufe_fs *fs, const struct fuse_copy_file_range_in *in,
			 uint64_t node_in, size_t *ret_len)
{
	struct fuse_write_out out;
	int r = CALL(fs, FUSE_COPY_FILE_RANGE, node_in, &out, {(void *)in, sizeof(*in)});

	if (!r)
		*ret_len = out.size;
	return r;
}

int vufe_access(struct vufe_fs *fs, uint64_t node, uint32_t mask)
{
	struct fuse_access_in in = {.mask = mask};

	return CALL_VOID(fs, FUSE_ACCESS, node, IN(in));
}

int vufe_statfs(struct vufe_fs *fs, uint64_t node, struct fuse_kstatfs *ret)
{
	struct fuse_statfs_out out;
	int r = simple_call(fs, FUSE_STATFS, node, &(struct iovec){NULL, 0}, 0, &out, sizeof(out));

	if (!r)
		*ret = out.st;
	return r;
}

int vufe_syncfs(struct vufe_fs *fs, uint64_t node)
{
	struct fuse_syncfs_in in = {0};

	return CALL_VOID(fs, FUSE_SYNCFS, node, IN(in));
}

int vufe_setxattr(struct vufe_fs *fs, uint64_t node, const char *name, const void *val, size_t len,
		  uint32_t flags)
{
	struct fuse_setxattr_in in = {.size = (uint32_t)len, .flags = flags};

	/* FUSE_SETXATTR_EXT is not asked for at INIT: the short form of the argument. */
	return CALL_VOID(fs, FUSE_SETXATTR, node, {&in, FUSE_COMPAT_SETXATTR_IN_SIZE}, STR(name),
			 {(void *)val, len});
}

/* A capacity of 0 asks for the size. */
static int xattr_call(struct vufe_fs *fs, uint32_t op, uint64_t node, const char *name, void *buf,
		      size_t cap, size_t *ret_len)
{
	struct fuse_getxattr_in in = {.size = (uint32_t)cap};
	struct iovec arg[2] = {IN(in)};
	struct fuse_getxattr_out out;
	int r;

	if (name)
		arg[1] = (struct iovec)STR(name);
	if (cap)
		return data_call(fs, op, node, arg, name ? 2 : 1, buf, cap, ret_len);
	r = simple_call(fs, op, node, arg, name ? 2 : 1, &out, sizeof(out));
	if (!r)
		*ret_len = out.size;
	return r;
}

int vufe_getxattr(struct vufe_fs *fs, uint64_t node, const char *name, void *buf, size_t cap,
		  size_t *ret_len)
{
	return xattr_call(fs, FUSE_GETXATTR, node, name, buf, cap, ret_len);
}

int vufe_listxattr(struct vufe_fs *fs, uint64_t node, void *buf, size_t cap, size_t *ret_len)
{
	return xattr_call(fs, FUSE_LISTXATTR, node, NULL, buf, cap, ret_len);
}

int vufe_removexattr(struct vufe_fs *fs, uint64_t node, const char *name)
{
	return CALL_VOID(fs, FUSE_REMOVEXATTR, node, STR(name));
}
