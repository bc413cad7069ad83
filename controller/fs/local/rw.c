/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * The guest's segments are the buffers: nothing is copied here. What is in the page cache is cheapest in
 * place, what has to wait belongs in the ring. Which is which is not known before:
 *
 *   READ   is tried with RWF_NOWAIT; what that refuses goes to the ring.
 *   WRITE  has no such question on file systems whose buffered writes refuse NOWAIT (the ring hands those
 *          to a kernel thread each, many times the cost). It runs in place; if one took longer than
 *          WRITE_SLOW_NS (dirty limit, a page to be read first) the next WRITE_SLOW_RUN go through the
 *          ring. Files opened O_SYNC always do.
 *
 * The measurements behind this are in fs_local.md. A count shorter than asked is not taken for the end of
 * the file: Linux guests would fill the rest with zeros.
 */
#include <errno.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "local.h"

#define WRITE_SLOW_NS 500000
#define WRITE_SLOW_RUN 256

static size_t iov_len(const struct iovec *iov, int cnt)
{
	size_t len = 0;

	while (cnt-- > 0)
		len += iov[cnt].iov_len;
	return len;
}

static ssize_t rw_call(struct fs_req *req, int fd, const struct iovec *iov, int cnt, uint64_t off,
		       int flags)
{
	ssize_t n;

	do {
		n = req->in->opcode == FUSE_READ ? preadv2(fd, iov, cnt, (off_t)off, flags) :
						   pwritev2(fd, iov, cnt, (off_t)off, flags);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* From done bytes to the end, waiting where needed. Bytes in all, or -errno if there are none. */
static ssize_t rw_rest(struct fs_req *req, int fd, size_t done, size_t want)
{
	struct local_thread *t = local_thread_of(req);
	bool read = req->in->opcode == FUSE_READ;
	const struct iovec *iov = read ? req->room : req->data;
	uint64_t off = read ? req->read->offset : req->write->offset;
	ssize_t n;
	int cnt;

	while (done < want) {
		cnt = fs_iov_slice(iov, read ? req->room_cnt : req->data_cnt, done, want - done,
				   t->iov, LOCAL_IOV_MAX);
		n = rw_call(req, fd, t->iov, cnt, off + done, 0);
		if (n < 0)
			return done ? (ssize_t)done : n;
		if (!n)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static void rw_done(struct fs_req *req, struct lfh *f, ssize_t n)
{
	lfh_put(&local_thread_of(req)->lfs->fhs, f);
	if (n >= 0 && req->in->opcode == FUSE_READ)
		req->out_len = (size_t)n;
	else if (n >= 0)
		req->written->size = (uint32_t)n;
	fs_req_done(req, n < 0 ? (int)n : 0);
}

static void rw_ring_done(struct fs_req *req, int res)
{
	struct lreq *job = local_lreq(req);
	ssize_t n = res;

	if (res == -EAGAIN || res == -EINTR)
		n = 0;
	if ((res > 0 && (size_t)res < job->want) || n != res) {
		cred_root();
		n = rw_rest(req, job->fh->fd, (size_t)n, job->want);
	}
	rw_done(req, job->fh, n);
}

/*
 * The segments that hold exactly want bytes, in memory that outlives this call; 0 if there is none for
 * them (a count beyond the kernel's limit, or many segments with room to spare: not from Linux).
 */
static int rw_segments(struct fs_req *req, size_t want, const struct iovec **ret_iov)
{
	bool read = req->in->opcode == FUSE_READ;
	const struct iovec *iov = read ? req->room : req->data;
	int cnt = read ? req->room_cnt : req->data_cnt;

	*ret_iov = iov;
	if ((read ? req->room_len : req->data_len) == want)
		return cnt <= LOCAL_IOV_MAX ? cnt : 0;
	*ret_iov = local_lreq(req)->iov;
	cnt = fs_iov_slice(iov, cnt, 0, want, local_lreq(req)->iov, LREQ_IOV);
	return cnt <= LREQ_IOV && iov_len(local_lreq(req)->iov, cnt) == want ? cnt : 0;
}

static struct io_uring_sqe *rw_to_ring(struct fs_req *req, struct lfh *f, const struct iovec *iov,
				       int cnt)
{
	bool read = req->in->opcode == FUSE_READ;
	struct io_uring_sqe *sqe;

	local_lreq(req)->fh = f;
	sqe = local_ring_prep(local_thread_of(req), req, rw_ring_done,
			      read ? IORING_OP_READV : IORING_OP_WRITEV, f->fd);
	sqe->addr = (uint64_t)(uintptr_t)iov;
	sqe->len = (uint32_t)cnt;
	sqe->off = read ? req->read->offset : req->write->offset;
	return sqe;
}

void local_op_read(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	struct lfh *f = lfh_get(&t->lfs->fhs, req->read->fh, false);
	size_t want = min((size_t)req->read->size, req->room_len);
	const struct iovec *iov;
	ssize_t n = -EAGAIN;
	int cnt;

	if (!f) {
		fs_req_done(req, -EBADF);
		return;
	}
	local_lreq(req)->want = want;
	cnt = want ? rw_segments(req, want, &iov) : 0;
	if (cnt)
		n = rw_call(req, f->fd, iov, cnt, req->read->offset, RWF_NOWAIT);
	else
		n = rw_rest(req, f->fd, 0, want);
	/* A part: the rest is not cached, or there is none. The ring finds out, from the start. */
	if (cnt && (n == -EAGAIN || n == -EOPNOTSUPP || (n > 0 && (size_t)n < want)))
		rw_to_ring(req, f, iov, cnt);
	else
		rw_done(req, f, n);
}

/* In place; remembers when that was slow. */
static void write_here(struct fs_req *req, struct lfh *f, size_t want, bool kill)
{
	struct local_thread *t = local_thread_of(req);
	uint64_t start = clock_ns();
	ssize_t n = kill ? cred_root_kill() : 0;

	if (!n)
		n = rw_rest(req, f->fd, 0, want);
	if (clock_ns() - start > WRITE_SLOW_NS)
		t->slow_writes = WRITE_SLOW_RUN;
	rw_done(req, f, n);
}

void local_op_write(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	bool kill = req->write->write_flags & FUSE_WRITE_KILL_SUIDGID;
	struct lfh *f = lfh_get(&t->lfs->fhs, req->write->fh, false);
	size_t want = min((size_t)req->write->size, req->data_len);
	bool ring;
	const struct iovec *iov;
	struct io_uring_sqe *sqe;
	int cnt = 0;

	if (!f) {
		fs_req_done(req, -EBADF);
		return;
	}
	local_lreq(req)->want = want;
	ring = (f->sync || t->slow_writes) && (!kill || t->kill_personality);
	if (t->slow_writes)
		t->slow_writes--;
	if (ring && want)
		cnt = rw_segments(req, want, &iov);
	if (!kill)
		cred_root();
	if (!cnt) {
		write_here(req, f, want, kill);
		return;
	}
	sqe = rw_to_ring(req, f, iov, cnt);
	if (kill)
		sqe->personality = (uint16_t)t->kill_personality;
}
