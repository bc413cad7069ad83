/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * Metadata is answered in place: what is in the caches of the kernel costs less than telling another
 * thread of it. What is not, on a disk or a network, keeps the thread, and all other requests with it.
 * So operations are timed. After one that took longer than SLOW_NS the next COLD_TRY go to workers
 * (worker.c). Those tell whether they had to wait; when one had, it is COLD_RUN again. A thread that
 * was only preempted, and caches that are warm again, so come back soon. On a file system whose server
 * is elsewhere they go to workers from the start, and come back after COLD_REMOTE that did not wait.
 *
 * All of these operations come from a guest's kernel that has ordered those which depend on each
 * other, and ran on several I/O threads at once before: node and handle tables, mounts and open
 * directories are made for that. What belongs to the I/O thread (descriptor cache, buffers,
 * credentials) each worker has for itself: req->ft is the worker's while an operation runs there, and
 * local_done() leaves the answer for the I/O thread to give. What RENAME replaced (create.c) comes with
 * the answer, for the I/O thread's cache.
 */
#include <sys/resource.h>

#include "base/clock.h"
#include "local.h"

/* Longer than any call takes that finds everything in memory, shorter than a disk's arm or a network's server. */
#define SLOW_NS 1000000
#define COLD_TRY 8
#define COLD_RUN 32
#define COLD_REMOTE 256

static void (*const cold_op[FS_OP_LIMIT])(struct fs_req *req) = {
	[FUSE_LOOKUP] = local_op_lookup,
	[FUSE_GETATTR] = local_op_getattr,
	[FUSE_SETATTR] = local_op_setattr,
	[FUSE_READLINK] = local_op_readlink,
	[FUSE_SYMLINK] = local_op_symlink,
	[FUSE_MKNOD] = local_op_mknod,
	[FUSE_MKDIR] = local_op_mkdir,
	[FUSE_UNLINK] = local_op_remove,
	[FUSE_RMDIR] = local_op_remove,
	[FUSE_RENAME] = local_op_rename,
	[FUSE_LINK] = local_op_link,
	[FUSE_OPEN] = local_op_open,
	[FUSE_STATFS] = local_op_statfs,
	[FUSE_SETXATTR] = local_op_setxattr,
	[FUSE_GETXATTR] = local_op_getxattr,
	[FUSE_LISTXATTR] = local_op_listxattr,
	[FUSE_REMOVEXATTR] = local_op_removexattr,
	[FUSE_OPENDIR] = local_op_opendir,
	[FUSE_READDIR] = local_op_readdir,
	[FUSE_ACCESS] = local_op_access,
	[FUSE_CREATE] = local_op_create,
	[FUSE_IOCTL] = local_op_ioctl,
	[FUSE_READDIRPLUS] = local_op_readdirplus,
	[FUSE_RENAME2] = local_op_rename,
	[FUSE_LSEEK] = local_op_lseek,
	[FUSE_SYNCFS] = local_op_syncfs,
	[FUSE_TMPFILE] = local_op_tmpfile,
	[FUSE_STATX] = local_op_statx,
};

static uint64_t cpu_us(const struct rusage *use)
{
	return (uint64_t)(use->ru_utime.tv_sec + use->ru_stime.tv_sec) * 1000000u +
	       (uint64_t)(use->ru_utime.tv_usec + use->ru_stime.tv_usec);
}

/* Slow by itself: it slept, or had that much to do. */
static bool was_slow(uint64_t took_ns, const struct rusage *a, const struct rusage *b)
{
	return took_ns > SLOW_NS &&
	       (a->ru_nvcsw != b->ru_nvcsw || cpu_us(b) - cpu_us(a) > SLOW_NS / 1000);
}

static int cold_work(struct fs_req *req)
{
	struct lreq *job = local_lreq(req);
	struct fs_thread *home = req->ft;
	struct rusage before, after;
	uint64_t start = clock_ns();

	getrusage(RUSAGE_THREAD, &before);
	req->ft = &local_worker_self()->ft;
	cold_op[req->in->opcode](req);
	req->ft = home;
	getrusage(RUSAGE_THREAD, &after);
	job->slow = was_slow(clock_ns() - start, &before, &after);
	return job->err;
}

static unsigned int cold_run(const struct local_fs *lfs, unsigned int of_a_disk)
{
	return local_is_remote(lfs) ? COLD_REMOTE : of_a_disk;
}

unsigned int local_cold_start(const struct local_fs *lfs)
{
	return cold_run(lfs, 0);
}

static void cold_worked(struct fs_req *req, int err)
{
	struct local_thread *t = local_thread_of(req);
	struct lreq *job = local_lreq(req);

	if (job->slow)
		t->cold = max(t->cold, cold_run(t->lfs, COLD_RUN));
	else
		t->cold -= t->cold > 0;
	if (job->kept_fd >= 0)
		fdcache_keep(t, job->kept_id, job->kept_fd);
	fs_req_done(req, err);
}

void local_op_cold(struct fs_req *req)
{
	struct local_thread *t = local_thread_of(req);
	uint64_t start;

	if (unlikely(t->cold) && local_worker_ready(t)) {
		local_lreq(req)->kept_fd = -1;
		local_work(t, req, cold_work, cold_worked);
		return;
	}
	/* In a row of them, one begins where the last ended: that saves looking at the clock. */
	start = t->cold_clock ? t->cold_clock : clock_ns();
	cold_op[req->in->opcode](req);
	/* The request may be gone. */
	t->cold_clock = clock_ns();
	if (unlikely(t->cold_clock - start > SLOW_NS))
		t->cold = cold_run(t->lfs, COLD_TRY);
}

void local_done(struct fs_req *req, int err)
{
	if (unlikely(local_thread_of(req)->is_worker))
		local_lreq(req)->err = err;
	else
		fs_req_done(req, err);
}
