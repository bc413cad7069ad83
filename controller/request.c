/* SPDX-License-Identifier: BSD-3-Clause */
#include "request.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/fuse_ext.h"
#include "bounce.h"
#include "device.h"
#include "platform.h"
#include "thread.h"

/* One handler's arguments, whatever its signature. */
struct handler_args {
	const struct fuse_in_header *in;
	const void *arg;
	size_t arg_size;
	struct doca_buf *datain, *dataout;
	struct fuse_out_header *out;
	void *reply, *reply2;
	size_t reply_size;
};

static void req_start(struct doca_devemu_vfs_fuse_req *dreq, void *user, unsigned int nr_names,
		      const struct handler_args *a);

#define P_ARG(t) , struct fuse_##t *arg
#define P_DI , struct doca_buf *datain
#define P_OUT , struct fuse_out_header *out
#define P_REP(t) , struct fuse_##t *rep
#define P_REP2(t) , struct fuse_##t *rep2
#define P_DO , struct doca_buf *dataout
#define A_ARG .arg = arg, .arg_size = sizeof(*arg),
#define A_DI .datain = datain,
#define A_OUT .out = out,
#define A_REP .reply = rep, .reply_size = sizeof(*rep),
#define A_REP2 .reply2 = rep2,
#define A_DO .dataout = dataout,
#define HANDLER(NAME, name, names, params, args) \
	static void on_##name(struct doca_devemu_vfs_fuse_req *dreq, void *user, \
			      struct fuse_in_header *in params) \
	{ \
		req_start(dreq, user, names, &(const struct handler_args){ .in = in, args }); \
	}
#include "handlers.def"
#undef HANDLER

doca_error_t req_register_handlers(struct doca_devemu_vfs_io *io)
{
	doca_error_t rc;

#define HANDLER(NAME, name, names, params, args) \
	rc = doca_devemu_vfs_io_event_vfs_fuse_##name##_req_handler_register(io, on_##name); \
	if (rc != DOCA_SUCCESS) \
		return rc;
#include "handlers.def"
#undef HANDLER
	return DOCA_SUCCESS;
}

size_t creq_size(void)
{
	return ALIGN_UP(sizeof(struct creq) + fs_req_ctx_size(), 64);
}

/* ---- segments ---- */

/* Into the request's block, behind what is there already: an IOCTL may have long data and long
 * room. */
static int req_take_block(struct creq *r, const struct doca_buf *list, const struct iovec **ret_iov)
{
	int n;

	if (!r->block)
		r->block = thr_iov_block_get(r->dio->thr);
	if (!r->block)
		return -ENOMEM;
	*ret_iov = r->block->iov + r->block_used;
	n = platform_buf_to_iov(list, r->block->iov + r->block_used, REQ_MAX_IOV - r->block_used);
	if (n < 0)
		return -E2BIG;
	r->block_used += (uint16_t)n;
	return n;
}

/* Guest segments of a buf list as iovecs: inline, or in a block of the thread's when they do not
 * fit. */
static int req_take_iov(struct creq *r, const struct doca_buf *list, const struct iovec **ret_iov)
{
	struct iovec *dst = r->inline_iov + r->iov_used;
	int n = platform_buf_to_iov(list, dst, REQ_INLINE_IOV - r->iov_used);

	if (unlikely(n < 0))
		return req_take_block(r, list, ret_iov);
	r->iov_used += (uint16_t)n;
	*ret_iov = dst;
	return n;
}

static size_t iov_len(const struct iovec *iov, int cnt)
{
	size_t len = 0;

	if (likely(cnt == 1))
		return iov->iov_len;
	for (int i = 0; i < cnt; i++)
		len += iov[i].iov_len;
	return len;
}

static int req_map_direct(struct creq *r)
{
	if (r->datain) {
		int n = req_take_iov(r, r->datain, &r->fs.data);

		if (n < 0)
			return n;
		r->fs.data_cnt = n;
		r->fs.data_len = iov_len(r->fs.data, n);
	}
	if (r->dataout) {
		int n = req_take_iov(r, r->dataout, &r->fs.room);

		if (n < 0)
			return n;
		r->fs.room_cnt = n;
		r->fs.room_len = iov_len(r->fs.room, n);
	}
	return 0;
}

/* ---- names ---- */

/*
 * A directory entry's name: one component, neither "." nor "..". The guest's kernel resolves those
 * itself; only one that was offered EXPORT_SUPPORT, which no file system here does, looks them up.
 */
static int check_entry_name(const char *name, size_t len)
{
	if (len == 0 || memchr(name, '/', len))
		return -EINVAL;
	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return -EINVAL;
	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	return 0;
}

static bool names_are_entries(uint32_t opcode)
{
	/* Linux names the file of a TMPFILE "/". */
	return opcode != FUSE_SETXATTR && opcode != FUSE_GETXATTR && opcode != FUSE_REMOVEXATTR &&
	       opcode != FUSE_TMPFILE;
}

/* Second string of SYMLINK: the target, any bytes but NUL. */
static int check_name(uint32_t opcode, unsigned int i, const char *name, size_t len)
{
	if (opcode == FUSE_SYMLINK && i == 1)
		return len == 0 ? -ENOENT : len >= PATH_MAX ? -ENAMETOOLONG : 0;
	if (!names_are_entries(opcode))
		return len == 0 ? -EINVAL : len > XATTR_NAME_MAX ? -ERANGE : 0;
	return check_entry_name(name, len);
}

/* Drops the first n bytes of data: what was names. */
static void data_advance(struct fs_req *fs, size_t n)
{
	fs->data_len -= n;
	while (fs->data_cnt && n >= fs->data[0].iov_len) {
		n -= fs->data[0].iov_len;
		fs->data++;
		fs->data_cnt--;
	}
	if (n) { /* the array is the request's own */
		struct iovec *first = (struct iovec *)fs->data;

		first->iov_base = (char *)first->iov_base + n;
		first->iov_len -= n;
	}
}

static bool is_create(uint32_t opcode)
{
	return opcode == FUSE_CREATE || opcode == FUSE_MKNOD || opcode == FUSE_MKDIR ||
	       opcode == FUSE_SYMLINK || opcode == FUSE_TMPFILE;
}

/* Units of 8 bytes. Protocols 7.36 and 7.37 send a label without saying how long it is. */
static uint16_t extensions_len(const struct creq *r, size_t len)
{
	if (r->fs.in->total_extlen || len < 8 ||
	    !(r->fs.ft->fs->session_flags & FUSE_SECURITY_CTX))
		return r->fs.in->total_extlen;
	return (uint16_t)min(len / 8, (size_t)UINT16_MAX);
}

/* The extensions of a creating operation end the message: bytes must hold all that follows the
 * names. */
static int req_parse_extensions(struct creq *r, const char *bytes, size_t len, bool is_whole)
{
	uint16_t extlen;
	int n;

	if (!is_create(r->fs.in->opcode))
		return 0;
	extlen = extensions_len(r, len);
	if (!extlen)
		return 0;
	if (!is_whole)
		return -E2BIG;
	n = fuse_ext_groups(bytes, len, extlen, r->fs.groups, FS_NGROUPS_MAX);
	if (n < 0)
		return n;
	r->fs.ngroups = (uint32_t)n;
	if (!fuse_ext_label(bytes, len, extlen, &r->fs.label_name, &r->fs.label, &r->fs.label_len))
		r->fs.label_name = NULL;
	return 0;
}

/*
 * Points fs->name[] into bytes, a copy no longer in reach of the guest, and takes them off data.
 * len may be less than data_len: what was staged of it.
 */
static int req_parse_names(struct creq *r, const char *bytes, size_t len)
{
	uint32_t opcode = r->fs.in->opcode;
	size_t pos = 0;
	int rc;

	for (unsigned int i = 0; i < r->nr_names; i++) {
		const char *end = len > pos ? memchr(bytes + pos, '\0', len - pos) : NULL;

		if (!end)
			return -EINVAL;
		rc = check_name(opcode, i, bytes + pos, (size_t)(end - (bytes + pos)));
		if (rc)
			return rc;
		r->fs.name[i] = bytes + pos;
		pos = (size_t)(end - bytes) + 1;
	}
	rc = req_parse_extensions(r, bytes + pos, len - pos, len == r->fs.data_len);
	if (!rc)
		data_advance(&r->fs, min(pos, r->fs.data_len));
	return rc;
}

/* Old RENAME as RENAME2 without flags, so that file systems know one of them. */
static const struct fuse_rename2_in *rename_as_rename2(struct creq *r)
{
	struct fuse_rename2_in *arg = &r->rename_arg;

	arg->newdir = r->fs.rename->newdir;
	arg->flags = 0;
	return arg;
}

/* ---- start and end ---- */

static void req_start(struct doca_devemu_vfs_fuse_req *dreq, void *user, unsigned int nr_names,
		      const struct handler_args *a)
{
	struct creq *r = user;
	int rc = 0;

	r->dreq = dreq;
	r->dio = dio_of(doca_devemu_vfs_fuse_req_get_vfs_io(dreq));
	r->dio->outstanding++;
	r->dio->thr->outstanding++;
	r->begin_ns = stats_begin(&r->dio->stats, a->in->opcode, thr_time_mask(r->dio->thr));
	r->out = a->out;
	r->datain = a->datain;
	r->dataout = a->dataout;
	r->bounce_in = r->bounce_out = NULL;
	r->block = NULL;
	r->block_used = 0;
	r->iov_used = 0;
	r->nr_names = (uint8_t)nr_names;
	r->reply_size = (uint32_t)(a->reply_size + (a->reply2 ? sizeof(struct fuse_open_out) : 0));
	/* The library stages names directly behind the fixed argument. */
	r->names = a->arg ? (const char *)a->arg + a->arg_size : (const char *)(a->in + 1);
	r->fs.ft = r->dio->ft;
	r->fs.in = a->in;
	r->fs.arg = a->arg;
	r->fs.reply = a->reply;
	r->fs.create_open = a->reply2;
	r->fs.data = r->fs.room = NULL;
	r->fs.data_cnt = r->fs.room_cnt = 0;
	r->fs.data_len = r->fs.room_len = 0;
	r->fs.name[0] = r->fs.name[1] = NULL;
	r->fs.ngroups = 0; /* the previous user's otherwise, and so its rights */
	r->fs.label_name = NULL;
	r->fs.ctx = r->fs_ctx;
	r->fs.direct = r->dio->bounce == NULL;
	if (!r->fs.direct) {
		bounce_start(r);
		return;
	}
	rc = req_map_direct(r);
	if (rc)
		req_complete(r, rc);
	else
		req_submit(r);
}

/* Names: in direct mode from the library's staged copy, else from the bounce buffer's. */
static int req_names(struct creq *r)
{
	if (!r->nr_names)
		return 0;
	if (r->fs.direct)
		return req_parse_names(r, r->names, platform_staged_len(r->dreq));
	return req_parse_names(r, r->fs.data_cnt ? r->fs.data[0].iov_base : NULL, r->fs.data_len);
}

void req_submit(struct creq *r)
{
	int rc = req_names(r);

	if (rc) {
		req_complete(r, rc);
		return;
	}
	if (r->fs.in->opcode == FUSE_RENAME)
		r->fs.rename2 = rename_as_rename2(r);
	fs_submit(&r->fs);
}

void req_finish(struct fs_req *fs, int err)
{
	struct creq *r = container_of(fs, struct creq, fs);

	if (!fs->direct && !err && fs->out_len)
		bounce_copy_out(r);
	else
		req_complete(r, err);
}

/* GETXATTR and LISTXATTR reply with a size or with bytes, never both. */
static uint32_t fixed_reply_size(const struct creq *r)
{
	uint32_t opcode = r->fs.in->opcode;

	if ((opcode == FUSE_GETXATTR || opcode == FUSE_LISTXATTR) && r->fs.getxattr->size)
		return 0;
	return r->reply_size;
}

void req_complete(struct creq *r, int err)
{
	struct dio *dio = r->dio;

	if (r->out) {
		r->out->unique = r->fs.in->unique;
		r->out->error = err;
		r->out->len = sizeof(*r->out);
		if (!err)
			r->out->len += fixed_reply_size(r) + (uint32_t)r->fs.out_len;
	}
	stats_end(&dio->stats, r->fs.in->opcode, err, r->begin_ns, r->fs.data_len + r->fs.out_len);
	if (r->block)
		thr_iov_block_put(dio->thr, r->block);
	if (!r->fs.direct)
		bounce_release(r);
	doca_devemu_vfs_fuse_req_complete(r->dreq, DOCA_SUCCESS);
	dio->outstanding--;
	dio->thr->outstanding--;
	if (unlikely(dio->draining) && !dio->outstanding)
		dio_drained(dio);
}
