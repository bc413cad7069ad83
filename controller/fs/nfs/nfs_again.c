/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MKDIR, SYMLINK, MKNOD and guarded CREATE that were sent twice and found the name taken the second time: is
 * it their own work?
 *
 * Theory of operation: a server that restarted has forgotten what it answered, and whether the answer to the
 * first sending said EEXIST too. So the object is looked at: it is taken for ours if it has the type, owner,
 * mode and content we asked for, nobody has put anything into it, and it came into being after the call was
 * sent first, and before it was given up for lost: who was quicker with the same name when the server was back
 * is somebody else. For that the server's clock must be known. Each change of a directory shows it: the ctime in
 * the reply is the server's time between our sending and receiving. Of these samples the one furthest ahead
 * of our clock counts, being the one that was under way for the shortest time. Clocks drift, so it is trusted
 * for MAX_AGE_NS, the less the older it is; without a sample the answer is EEXIST, as ever.
 *
 * What this cannot tell is another client of the same user that made the same thing in just that time.
 *
 * The sample is three relaxed atomics: the worst a race does is another margin.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "nfs.h"

#define NS 1000000000ll
#define RENEW_NS (600 * NS) /* then the next sample counts, whatever it says */
#define MAX_AGE_NS (3600 * NS)
#define SLACK_NS (NS / 5) /* ticks of a server's clock */
#define DRIFT 5000 /* a part in that many */

static int64_t time_ns(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * NS + ts->tv_nsec;
}

void nfs_clock_note(const struct nreq *n, const struct nfs_result *res)
{
	int64_t now = (int64_t)clock_ns(), stamp, offset, ctime = time_ns(&res->dir_attr.ctime);
	struct nfs_fs *nfs = nfs_of(n->req);

	/* Changed by this very call; what was sent twice may have been done long ago. */
	if (res->resent || !res->has_dir_wcc || !res->has_dir_attr ||
	    ctime == time_ns(&res->dir_wcc.ctime))
		return;
	stamp = __atomic_load_n(&nfs->clock_stamp, __ATOMIC_RELAXED);
	offset = __atomic_load_n(&nfs->clock_offset, __ATOMIC_RELAXED);
	if (stamp && now - stamp < RENEW_NS && ctime - now <= offset)
		return;
	__atomic_store_n(&nfs->clock_offset, ctime - now, __ATOMIC_RELAXED);
	__atomic_store_n(&nfs->clock_error, now - (int64_t)n->call.sent_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&nfs->clock_stamp, now, __ATOMIC_RELAXED);
}

/* The server's time when the request began and when its last sending but one was lost. False: not known. */
static bool server_times(const struct nreq *n, int64_t *ret_since, int64_t *ret_until)
{
	const struct nfs_fs *nfs = nfs_of(n->req);
	int64_t stamp = __atomic_load_n(&nfs->clock_stamp, __ATOMIC_RELAXED);
	int64_t offset = __atomic_load_n(&nfs->clock_offset, __ATOMIC_RELAXED);
	int64_t age = (int64_t)clock_ns() - stamp;
	int64_t margin = SLACK_NS + age / DRIFT + time_ns(&nfs->mnt.time_delta);

	if (!stamp || age > MAX_AGE_NS)
		return false;
	*ret_since = (int64_t)n->made_ns + offset - margin;
	*ret_until = (int64_t)n->lost_ns + offset + __atomic_load_n(&nfs->clock_error, __ATOMIC_RELAXED) + margin;
	return true;
}

/* What was asked for. */
static uint32_t wanted_mode(const struct fs_req *req)
{
	switch (req->in->opcode) {
	case FUSE_MKDIR:
		return S_IFDIR | (req->mkdir->mode & 07777);
	case FUSE_SYMLINK:
		return S_IFLNK;
	case FUSE_CREATE:
		return S_IFREG | (req->create->mode & 07777);
	default:
		return (req->mknod->mode & S_IFMT ? req->mknod->mode & S_IFMT : S_IFREG) |
		       (req->mknod->mode & 07777);
	}
}

static bool is_untouched(const struct fs_req *req, const struct nfs_attr *a)
{
	switch (a->mode & S_IFMT) {
	case S_IFDIR: /* empty, or at least without directories; some do not count them */
		return a->nlink <= 2;
	case S_IFREG:
		return !a->size && a->nlink == 1;
	case S_IFCHR:
	case S_IFBLK:
		return a->nlink == 1 && nfs_encode_dev(a->rdev_major, a->rdev_minor) == req->mknod->rdev;
	default:
		return a->nlink == 1;
	}
}

static bool is_ours(const struct nreq *n, const struct nfs_attr *a)
{
	uint32_t want = wanted_mode(n->req), ignore = 0;
	int64_t since, until;

	if (S_ISLNK(want))
		ignore = 07777; /* it has none that counts */
	else if (S_ISDIR(want))
		ignore = S_ISGID; /* inherited */
	return !((a->mode ^ want) & ~ignore) && a->uid == n->cred.uid &&
	       is_untouched(n->req, a) && server_times(n, &since, &until) && time_ns(&a->ctime) >= since &&
	       time_ns(&a->ctime) <= until && time_ns(&a->mtime) >= since;
}

static void target_read(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	if (err || strcmp(res->target, n->req->name[1]))
		nfs_done(n, -EEXIST);
	else
		nfs_entry_of_node2(n);
}

static void judged(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	if (err || !res->has_attr || !is_ours(n, &res->attr)) {
		nfs_done(n, -EEXIST);
	} else if (S_ISLNK(res->attr.mode)) {
		nfs_prepare(n, NFS_READLINK);
		n->call.fh = &n->node2->fh;
		nfs_go(n, target_read);
	} else {
		nfs_entry_of_node2(n);
	}
}

static void found(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	if (!err && res->has_fh)
		err = nfs_keep_node2(n, &res->fh);
	if (err || !res->has_fh) {
		nfs_done(n, -EEXIST);
		return;
	}
	nfs_prepare(n, NFS_GETATTR);
	n->call.fh = &n->node2->fh;
	nfs_go(n, judged);
}

void nfs_made(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	if (err != -EEXIST || !res->resent) {
		nfs_entry_done(call, err, res);
		return;
	}
	n->lost_ns = call->lost_ns;
	nfs_prepare(n, NFS_LOOKUP);
	n->call.name = n->req->name[0];
	nfs_go(n, found);
}
