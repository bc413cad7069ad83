/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * The guest's segments are the buffers: nothing is copied here. Three ways lead to the file: a
 * system call in place, an entry in the ring that poll() hands over together with others, or a
 * batch that poll() runs through a mapping (map.c):
 *
 *   READ   one alone is tried in place with RWF_NOWAIT and goes to the ring if it would wait. When
 *          the last round of the thread brought several, they go to the ring at once: one system
 *          call for all. Where the file system does not know NOWAIT, the ring would hand each to a
 *          kernel thread; reads then run in place like writes, or in a batch.
 *   WRITE  buffered writes are handed to kernel threads by the ring on most file systems, at more
 *          than twice the cost of a write in place. They run in place, or several in a batch; if
 *          one took longer than SLOW_NS (dirty limit, a page to be read first) the next SLOW_RUN go
 *          through the ring. Files opened O_SYNC always do.
 *
 * Files opened O_DIRECT (--allow-direct-io) go through the ring both ways: each call would wait.
 *
 * The measurements behind this are in fs_local.md. A count shorter than asked is not taken for the
 * end of the file: Linux guests would fill the rest with zeros.
 */
#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/atomics.h"
#include "base/clock.h"
#include "local.h"

#define SLOW_NS 500000
#define SLOW_RUN 256
#define BATCH_MIN 2

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

/*
 * The guest's file is open with O_APPEND: the end may be another one than the guest thinks, when
 * others append, too. Not on the descriptor, through which mapped pages are written back as well.
 * The guest sends appending writes one after another.
 */
static bool rw_appends(const struct fs_req *req)
{
	return req->in->opcode == FUSE_WRITE && unlikely(req->write->flags & O_APPEND) &&
	       !(req->write->write_flags & FUSE_WRITE_CACHE) &&
	       !local_thread_of(req)->lfs->writeback;
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
		n = rw_call(req, fd, t->iov, cnt, off + done, rw_appends(req) ? RWF_APPEND : 0);
		if (n < 0)
			return done ? (ssize_t)done : n;
		if (!n)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

void local_rw_done(struct fs_req *req, struct lfh *f, ssize_t n)
{
	lfh_put(&local_thread_of(req)->lfs->fhs, f);
	if (n >= 0 && req->in->opcode == FUSE_READ)
		req->out_len = (size_t)n;
	else if (n >= 0)
		req->written->size = (uint32_t)n;
	fs_req_done(req, n < 0 ? (int)n : 0);
}

static bool rw_kills(const struct fs_req *req)
{
	return req->in->opcode == FUSE_WRITE &&
	       unlikely(req->write->write_flags & FUSE_WRITE_KILL_SUIDGID);
}

/* Whose rights the transfer has, made in place. 0 or -errno. */
static int rw_cred(const struct fs_req *req)
{
	if (rw_kills(req))
		return cred_root_kill();
	cred_root();
	return 0;
}

static void rw_ring_done(struct fs_req *req, int res)
{
	struct lreq *job = local_lreq(req);
	ssize_t n = res;
	int err;

	if (res == -EAGAIN || res == -EINTR)
		n = 0;
	if ((res > 0 && (size_t)res < job->want) || n != res) {
		err = rw_cred(req);
		n = err ? err : rw_rest(req, job->fh->fd, (size_t)n, job->want);
	}
	local_rw_done(req, job->fh, n);
}

/*
 * The segments that hold exactly want bytes, in memory that outlives this call; 0 if there is none
 * for them (a count beyond the kernel's limit, or many segments with room to spare: not from
 * Linux).
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
	if (cnt == 1) { /* the kernel need not fetch the vector */
		sqe = local_ring_prep(local_thread_of(req), req, rw_ring_done,
				      read ? IORING_OP_READ : IORING_OP_WRITE, f->fd);
		sqe->addr = (uint64_t)(uintptr_t)iov->iov_base;
		sqe->len = (uint32_t)iov->iov_len;
	} else {
		sqe = local_ring_prep(local_thread_of(req), req, rw_ring_done,
				      read ? IORING_OP_READV : IORING_OP_WRITEV, f->fd);
		sqe->addr = (uint64_t)(uintptr_t)iov;
		sqe->len = (uint32_t)cnt;
	}
	sqe->off = read ? req->read->offset : req->write->offset;
	if (rw_appends(req))
		sqe->rw_flags = RWF_APPEND;
	return sqe;
}

/* In place and waiting; remembers when that was slow. */
ssize_t local_rw_here(struct fs_req *req, struct lfh *f)
{
	struct local_thread *t = local_thread_of(req);
	uint64_t start = clock_ns();
	ssize_t n = rw_rest(req, f->fd, 0, local_lreq(req)->want);

	if (clock_ns() - start > SLOW_NS)
		t->slow_run = SLOW_RUN;
	local_rw_done(req, f, n);
	return n;
}

void local_rw_round(struct local_thread *t)
{
	if (!t->round_rws)
		return;
	t->batch = t->round_rws >= BATCH_MIN;
	t->round_rws = 0;
}

static bool rw_is_batch(struct local_thread *t)
{
	t->cold_clock = 0;
	return ++t->round_rws >= BATCH_MIN || t->batch;
}

/*
 * -EAGAIN: it would wait, or only a part is there; -EOPNOTSUPP: it cannot be asked. The ring is to find
 * out, from the start.
 */
static ssize_t read_nowait(struct fs_req *req, struct lfh *f, const struct iovec *iov, int cnt,
			   size_t want)
{
	ssize_t n = rw_call(req, f->fd, iov, cnt, req->read->offset, RWF_NOWAIT);

	if (READ_ONCE(f->nowait) == LFH_NOWAIT_UNKNOWN)
		WRITE_ONCE(f->nowait, n == -EOPNOTSUPP ? LFH_NOWAIT_NO : LFH_NOWAIT_YES);
	return n == -EOPNOTSUPP || (n > 0 && (size_t)n < want) ? -EAGAIN : n;
}

void local_op_read(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	struct lfh *f = lfh_get(&t->lfs->fhs, req->read->fh, false);
	size_t want = min((size_t)req->read->size, req->room_len);
	bool batch = rw_is_batch(t);
	const struct iovec *iov;
	ssize_t n = -EAGAIN;
	int cnt;

	if (!f) {
		fs_req_done(req, -EBADF);
		return;
	}
	local_lreq(req)->want = want;
	if (batch && READ_ONCE(f->nowait) == LFH_NOWAIT_NO &&
	    local_map_wanted(t, f, true, want) && local_batch_add(t, req, f))
		return;
	cnt = want ? rw_segments(req, want, &iov) : 0;
	/* The first of a file always runs in place: it tells about NOWAIT. */
	batch = cnt && (f->direct || (batch && READ_ONCE(f->nowait) == LFH_NOWAIT_YES));
	if (cnt && !batch && READ_ONCE(f->nowait) != LFH_NOWAIT_NO)
		n = read_nowait(req, f, iov, cnt, want);
	if (!cnt || (READ_ONCE(f->nowait) == LFH_NOWAIT_NO && !t->slow_run)) {
		local_rw_here(req, f);
	} else if (batch || n == -EAGAIN || n == -EOPNOTSUPP) {
		t->slow_run -= t->slow_run && READ_ONCE(f->nowait) == LFH_NOWAIT_NO;
		rw_to_ring(req, f, iov, cnt);
	} else {
		local_rw_done(req, f, n);
	}
}

/*
 * The guest's kernel writes back pages of a mapping, or of its write-back cache, through any open
 * file it has, and up to the end of the file only: no use for O_DIRECT.
 */
static void write_back(struct fs_req *req, struct lfh *f)
{
	char path[LOCAL_PROC_LEN];
	int fd, err, tries = 0;
	ssize_t n;

	cred_root();
	do {
		fd = open(local_proc_path(path, f->fd), O_WRONLY | O_CLOEXEC | O_NOCTTY);
	} while (fd < 0 && local_again(local_thread_of(req), &tries));
	err = fd < 0 ? local_errno() : rw_cred(req);
	n = err ? err : rw_rest(req, fd, 0, local_lreq(req)->want);
	if (fd >= 0)
		close(fd);
	local_rw_done(req, f, n);
}

void local_op_write(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	bool kill = rw_kills(req);
	struct lfh *f = lfh_get(&t->lfs->fhs, req->write->fh, false);
	size_t want = min((size_t)req->write->size, req->data_len);
	bool batch = rw_is_batch(t);
	struct io_uring_sqe *sqe;
	const struct iovec *iov;
	int err, cnt = 0;

	if (!f) {
		fs_req_done(req, -EBADF);
		return;
	}
	local_lreq(req)->want = want;
	if (unlikely(req->write->offset > LOCAL_SLOW_TRUNCATE))
		WRITE_ONCE(f->may_be_large, true);
	local_drop_caps(t->lfs, f->fd);
	if (unlikely(f->direct && (req->write->write_flags & FUSE_WRITE_CACHE))) {
		write_back(req, f);
		return;
	}
	if (batch && !kill && !rw_appends(req) && !t->slow_run &&
	    local_map_wanted(t, f, false, want) && local_batch_add(t, req, f))
		return;
	if ((f->sync || f->direct || t->slow_run) && want && (!kill || t->kill_personality))
		cnt = rw_segments(req, want, &iov);
	t->slow_run -= t->slow_run > 0;
	if (cnt) {
		sqe = rw_to_ring(req, f, iov, cnt);
		if (kill)
			sqe->personality = (uint16_t)t->kill_personality;
		return;
	}
	err = rw_cred(req);
	if (err)
		local_rw_done(req, f, err);
	else
		local_rw_here(req, f);
}
