/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * FUSE-typed requests: a chain is decoded into the request's stage, what follows header and fixed
 * parts becomes the datain and dataout lists, and the handler of the opcode is called. On
 * completion the reply goes from the stage through the leading writable segments, which are kept
 * in buf[0..nr_reply).
 *
 * The library answers by itself what it cannot hand out: malformed messages, opcodes without a
 * handler, and clients that speak an older protocol than VFS_MIN_MINOR.
 *
 * INIT is snooped, since what it agrees on decides sizes of later messages. The device keeps the
 * result under its lock and counts changes; a context compares the count for each request and
 * copies when it moved. A client sends nothing that depends on INIT before it has seen the reply,
 * and the copy is made public before that is pushed.
 */
#include <errno.h>

#include "base/atomics.h"
#include "core/log.h"
#include "devemu/vfs.h"
#include "softdpu_ext.h"

SD_LOG_REGISTER(VFS_FUSE);

/* FUSE_INIT flags by which a client agrees that there is no open at all. */
#define NO_OPEN_OK ((uint64_t)FUSE_NO_OPEN_SUPPORT)
#define NO_OPENDIR_OK ((uint64_t)FUSE_NO_OPENDIR_SUPPORT)

/* ---- session ---- */

static void vfs_session_set(struct doca_devemu_vfs_dev *dev, const struct fuse_session *session)
{
	pthread_mutex_lock(&dev->virtio.lock);
	dev->session = *session;
	/* pairs with the acquire in vfs_session_refresh() */
	__atomic_fetch_add(&dev->session_gen, 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&dev->virtio.lock);
}

void vfs_session_reset(struct doca_devemu_vfs_dev *dev)
{
	const struct fuse_session none = { 0 };

	vfs_session_set(dev, &none);
}

static void vfs_session_refresh(struct doca_devemu_vfs_io *io, struct doca_devemu_vfs_dev *dev)
{
	pthread_mutex_lock(&dev->virtio.lock);
	io->session = dev->session;
	io->session_gen = dev->session_gen;
	pthread_mutex_unlock(&dev->virtio.lock);
}

/* ---- reply ---- */

static const struct {
	doca_error_t status;
	int error;
} vfs_status_errors[] = {
	{ DOCA_ERROR_NO_MEMORY, -ENOMEM },    { DOCA_ERROR_NOT_SUPPORTED, -EOPNOTSUPP },
	{ DOCA_ERROR_NOT_FOUND, -ENOENT },    { DOCA_ERROR_NOT_PERMITTED, -EPERM },
	{ DOCA_ERROR_INVALID_VALUE, -EINVAL }, { DOCA_ERROR_AGAIN, -EAGAIN },
	{ DOCA_ERROR_TOO_BIG, -E2BIG },
};

/*
 * What the client gets for a failed request: the application's own error, else one for its status.
 */
static int vfs_status_error(doca_error_t status, int32_t error)
{
	unsigned int i;

	if (error < 0 && error >= -4095)
		return error;
	for (i = 0; i < ARRAY_SIZE(vfs_status_errors); i++)
		if (vfs_status_errors[i].status == status)
			return vfs_status_errors[i].error;
	return -EIO;
}

static void vfs_fuse_snoop_init(struct vfs_req *r)
{
	struct fuse_session session = { 0 };

	fuse_session_init(&session, (const void *)r->stage->arg_and_names,
			  (const void *)r->stage->reply);
	vfs_session_set(vfs_dev_of(r->q->dev), &session);
}

static void vfs_fuse_reply(struct vfs_req *r)
{
	struct iovec *seg = r->io->seg;
	struct chain c;
	size_t len = 0;
	unsigned int i;

	if (likely(r->nr_reply == 1 && !r->dec.reply_size && !r->stage->out.error)) {
		vfs_req_finish(r, fuse_reply_header(r->buf->head, r->len_out, r->stage));
		return;
	}
	for (i = 0; i < r->nr_reply; i++) {
		seg[i].iov_base = r->buf[i].head;
		seg[i].iov_len = r->buf[i].len;
		len += r->buf[i].len;
	}
	chain_init_len(&c, seg, r->nr_reply, len);
	if (unlikely(r->stage->in.opcode == FUSE_INIT) && !r->stage->out.error)
		vfs_fuse_snoop_init(r);
	vfs_req_finish(r, fuse_reply(&c, r->len_out, &r->dec, r->stage));
}

void doca_devemu_vfs_fuse_req_complete(struct doca_devemu_vfs_fuse_req *req, doca_error_t status)
{
	struct vfs_req *r = (struct vfs_req *)req;

	if (!vfs_req_is_out(r))
		return;
	if (unlikely(r->state == VFS_REQ_ORPHANED)) {
		vfs_req_finish(r, 0);
		return;
	}
	if (status != DOCA_SUCCESS)
		r->stage->out.error = vfs_status_error(status, r->stage->out.error);
	vfs_fuse_reply(r);
}

size_t softdpu_fuse_req_staged_len(const struct doca_devemu_vfs_fuse_req *req)
{
	const struct vfs_req *r = (const struct vfs_req *)req;

	return vfs_req_is_out(r) ? r->dec.staged_len : 0;
}

/* ---- request ---- */

/* Turns seg[index..nr) from off on into a list. */
static struct doca_buf *vfs_fuse_list(struct doca_buf *buf, struct iovec *seg, struct chain_pos pos,
				      unsigned int nr, bool writable)
{
	seg += pos.index;
	nr -= pos.index;
	seg->iov_base = (uint8_t *)seg->iov_base + pos.off;
	seg->iov_len -= pos.off;
	if (likely(nr == 1))
		buf_init_fixed(buf, seg->iov_base, seg->iov_len, writable);
	else
		buf_list_init_fixed(buf, seg, nr, writable);
	return buf;
}

/*
 * Keeps the segments that header and fixed reply lie in; never handed out: the place is all there
 * is. Returns the buf behind them.
 */
static inline struct doca_buf *vfs_fuse_keep_reply(struct vfs_req *r, const struct iovec *seg)
{
	struct doca_buf *buf = r->buf;
	size_t room = fuse_reply_room(&r->dec), len = 0;

	r->nr_reply = 0;
	if (unlikely(!fuse_has_reply(r->dec.op)))
		return buf;
	do {
		buf->head = seg->iov_base;
		buf->len = seg->iov_len;
		len += seg->iov_len;
		r->nr_reply++;
		seg++;
		buf++;
	} while (unlikely(len < room));
	return buf;
}

static void vfs_fuse_build(struct doca_devemu_vfs_io *io, struct vfs_req *r,
			   const struct vq_chain *ch)
{
	struct iovec *out = io->seg + ch->nr_in;
	const struct fuse_decoded *dec = &r->dec;
	struct doca_buf *buf = vfs_fuse_keep_reply(r, out);

	r->len_datain = dec->datain_len;
	r->nr_datain = dec->datain_len ? (uint16_t)(ch->nr_in - dec->datain.index) : 0;
	r->datain = NULL;
	if (r->nr_datain)
		r->datain = vfs_fuse_list(buf, io->seg, dec->datain, ch->nr_in, false);
	buf += r->nr_datain;
	r->len_dataout = dec->dataout_len;
	r->nr_dataout = dec->dataout_len ? (uint16_t)(ch->nr_out - dec->dataout.index) : 0;
	r->dataout = NULL;
	if (r->nr_dataout)
		r->dataout = vfs_fuse_list(buf, out, dec->dataout, ch->nr_out, true);
}

/* The message never became a request: -errno as an error reply, -EBADMSG without one. */
static enum vio_taken vfs_fuse_refuse(struct doca_devemu_vfs_io *io, struct vfs_req *r,
				      const struct vq_chain *ch, int error)
{
	struct chain c;
	uint32_t len = 0;

	sd_log_dbg("queue %u: request refused, errno %d", r->q->index, -error);
	if (error != -EBADMSG) {
		chain_init(&c, io->seg + ch->nr_in, ch->nr_out);
		len = fuse_reply_error(&c, r->stage->in.unique, error);
	}
	vfs_req_finish(r, len);
	return VIO_ANSWERED;
}

/*
 * What an opcode without a handler is answered. ENOSYS makes Linux stop asking, which is right for
 * nearly all; for OPEN and OPENDIR it means "files need no open", which the client must have
 * agreed to.
 */
static int vfs_fuse_default_error(const struct doca_devemu_vfs_io *io, uint32_t opcode)
{
	switch (opcode) {
	case FUSE_DESTROY:
		return 0;
	case FUSE_OPEN:
		return io->session.flags & NO_OPEN_OK ? -ENOSYS : 0;
	case FUSE_OPENDIR:
		return io->session.flags & NO_OPENDIR_OK ? -ENOSYS : 0;
	default:
		return -ENOSYS;
	}
}

static enum vio_taken vfs_fuse_answer(struct vfs_req *r, int error)
{
	r->stage->out.error = error;
	vfs_fuse_reply(r);
	return VIO_ANSWERED;
}

static bool vfs_fuse_too_old(const struct vfs_req *r)
{
	const struct fuse_init_in *init = (const void *)r->stage->arg_and_names;

	return init->major < FUSE_KERNEL_VERSION ||
	       (init->major == FUSE_KERNEL_VERSION && init->minor < VFS_MIN_MINOR);
}

enum vio_taken vfs_fuse_accept(struct doca_devemu_vfs_io *io, struct vfs_req *r,
			       const struct vq_chain *ch)
{
	struct doca_devemu_vfs_dev *dev = vfs_dev_of(r->q->dev);
	vfs_fuse_handler handler;
	uint32_t opcode;
	int rc;

	/* pairs with the release in vfs_session_set() */
	if (unlikely(load_acquire(&dev->session_gen) != io->session_gen))
		vfs_session_refresh(io, dev);
	rc = fuse_decode(io->seg, ch, &io->session, r->stage, &r->dec);
	if (unlikely(rc))
		return vfs_fuse_refuse(io, r, ch, rc);
	vfs_fuse_build(io, r, ch);
	opcode = r->dec.op->opcode;
	handler = io->fuse_cb[opcode];
	if (unlikely(!handler))
		return vfs_fuse_answer(r, vfs_fuse_default_error(io, opcode));
	if (unlikely(opcode == FUSE_INIT) && vfs_fuse_too_old(r))
		return vfs_fuse_answer(r, -EPROTO);
	if (unlikely(io->flag_map))
		vfs_arch_translate(io->flag_map, opcode, r->stage->arg_and_names);
	vfs_fuse_call(r, handler);
	return VIO_DELIVERED;
}
