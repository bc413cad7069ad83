/* SPDX-License-Identifier: BSD-3-Clause */
#include "local.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fs/types.h"

/*
 * Promised to every guest. Others come with options; EXPORT_SUPPORT needs LOOKUP of ".." which
 * nobody gets here, and with ALLOW_IDMAP most requests would not say whose they are.
 */
#define LOCAL_INIT_FLAGS                                                                           \
	(FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_AUTO_INVAL_DATA |          \
	 FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES |     \
	 FUSE_ASYNC_DIO | FUSE_SUBMOUNTS | FUSE_INIT_EXT | FUSE_SETXATTR_EXT |                     \
	 FUSE_CREATE_SUPP_GROUP | FUSE_DIRECT_IO_ALLOW_MMAP)

/* As much as fits into one of the guest's queue of 1024: Linux sends that if its administrator
 * raises fs.fuse.max_pages_limit. */
#define LOCAL_MAX_IO (1020u * 4096)

#define LOCAL_NOFILE_MIN 64u
#define LOCAL_NOFILE_SHARE 1024u

/* Requests that may wait for locks when nobody tells the size of a queue: half of the usual one. */
#define LOCAL_WAITING 128

/* The most the system lets us have; returns it. */
static uint32_t local_raise_nofile(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim))
		return 1024;
	if (lim.rlim_cur < lim.rlim_max) {
		lim.rlim_cur = lim.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &lim))
			getrlimit(RLIMIT_NOFILE, &lim);
	}
	return lim.rlim_cur > 1u << 22 ? 1u << 22 : (uint32_t)lim.rlim_cur;
}

/* The limit is the process's: no guest may take what others need, where there is enough to divide. */
static uint32_t local_share(uint32_t nofile, unsigned int sharers)
{
	uint32_t least = min(nofile, LOCAL_NOFILE_SHARE);

	return sharers ? max(nofile / sharers, least) : nofile;
}

/*
 * Who may hold how many descriptors: half for what the guest opens, a quarter for nodes that must
 * keep one (the other way round where all of them must), an eighth for lock owners, a thirty-second
 * for the cache of each thread, the rest for us.
 */
static int local_budget(struct local_fs *lfs, uint32_t nofile)
{
	bool handles = lfs->mounts[0].fd >= 0;
	unsigned int sets = 1;

	while (sets < LOCAL_FDCACHE_SETS_MAX && sets * 2 * LOCAL_FDCACHE_WAYS <= nofile / 32)
		sets *= 2;
	lfs->cache_sets = sets;
	lfs->fd_nodes_max = handles ? nofile / 4 : nofile / 2;
	lfs->locks.max_owners = nofile / 8;
	return lfh_table_init(&lfs->fhs, handles ? nofile / 2 : nofile / 4);
}

/* What it takes to begin with; without them it is no use to blame one call or another. */
static int local_check_system(uint32_t nofile, char *err)
{
	struct io_uring ring;
	int ret;

	if (nofile < LOCAL_NOFILE_MIN) {
		snprintf(err, FS_ERR_LEN, "RLIMIT_NOFILE is %u: the local file system needs at least %u "
			 "(ulimit -Hn, LimitNOFILE=)", nofile, LOCAL_NOFILE_MIN);
		return -EMFILE;
	}
	ret = io_uring_queue_init(2, &ring, 0);
	if (ret) {
		snprintf(err, FS_ERR_LEN,
			 "io_uring is not available (%s): allow it (sysctl "
			 "kernel.io_uring_disabled=0, or the seccomp profile of the container)",
			 strerror(-ret));
		return ret;
	}
	io_uring_queue_exit(&ring);
	return 0;
}

static void local_close(struct fs *fs)
{
	struct local_fs *lfs = container_of(fs, struct local_fs, fs);
	uint32_t i;

	lktab_fini(&lfs->locks);
	lfh_table_fini(&lfs->fhs);
	nodetab_destroy(lfs->nodes);
	for (i = 0; i < lfs->nr_mounts; i++)
		if (lfs->mounts[i].fd >= 0)
			close(lfs->mounts[i].fd);
	if (lfs->root_fd >= 0)
		close(lfs->root_fd);
	xattrmap_fini(&lfs->xattrs);
	pthread_mutex_destroy(&lfs->mount_lock);
	free(lfs);
}

static int local_open_root(struct local_fs *lfs, const struct fs_config *cfg, uint32_t nofile,
			   char *err)
{
	char path[LOCAL_PROC_LEN];
	const char *what = "open";
	int ret = 0;

	lfs->fd_nodes_max = 1; /* the root's; the rest follows from what the root can do */
	lfs->root_fd = open(cfg->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lfs->root_fd < 0)
		ret = -errno;
	if (!ret) {
		what = "its link in /proc/self/fd (is /proc mounted?)";
		ret = access(local_proc_path(path, lfs->root_fd), F_OK) ? -errno : 0;
	}
	if (!ret) {
		what = "node table";
		ret = nodetab_create(&local_node_ops, lfs, 0, &lfs->nodes);
	}
	if (!ret)
		ret = local_node_open_root(lfs, &what);
	if (!ret) {
		what = "handle table";
		ret = local_budget(lfs, local_share(nofile, cfg->sharers));
	}
	if (ret)
		snprintf(err, FS_ERR_LEN, "cannot serve the directory '%s': %s: %s", cfg->dir, what,
			 strerror(-ret));
	return ret;
}

/* Of ACLs, the default one replaces the umask: the guest leaves both to us then. */
static uint64_t local_init_flags(const struct fs_config *cfg)
{
	uint64_t flags = LOCAL_INIT_FLAGS;

	flags |= cfg->no_posix_lock ? 0 : FUSE_POSIX_LOCKS;
	flags |= cfg->no_flock ? 0 : FUSE_FLOCK_LOCKS;
	flags |= cfg->no_killpriv_v2 ? 0 : FUSE_HANDLE_KILLPRIV_V2;
	flags |= cfg->posix_acl ? FUSE_POSIX_ACL | FUSE_DONT_MASK : 0;
	flags |= cfg->security_label ? FUSE_SECURITY_CTX : 0;
	flags |= cfg->writeback ? FUSE_WRITEBACK_CACHE : 0;
	flags &= cfg->no_submounts ? ~(uint64_t)FUSE_SUBMOUNTS : ~0ull;
	flags &= cfg->no_readdirplus ? ~(uint64_t)(FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO) : ~0ull;
	/* Nobody asks again where a link leads to. */
	flags |= cfg->cache == FS_CACHE_ALWAYS ? FUSE_CACHE_SYMLINKS : 0;
	return flags;
}

static int local_options(struct local_fs *lfs, const struct fs_config *cfg, char *err)
{
	int ret;

	lfs->posix_lock = !cfg->no_posix_lock;
	lfs->flock = !cfg->no_flock;
	lfs->posix_acl = cfg->posix_acl;
	lfs->writeback = cfg->writeback;
	lfs->direct_io = cfg->allow_direct_io;
	lfs->no_maps = cfg->no_mapped_io;
	lfs->no_handles = cfg->no_file_handles;
	lfs->fs.init_flags = local_init_flags(cfg);
	lfs->fs.max_io = cfg->bounced ? 0 : LOCAL_MAX_IO;
	if (cfg->writeback && (cfg->cache == FS_CACHE_NONE || cfg->cache == FS_CACHE_METADATA)) {
		snprintf(err, FS_ERR_LEN, "writeback: with this cache mode there is nothing to write "
			 "back: use auto or always");
		return -EINVAL;
	}
	ret = idmap_parse(&lfs->uids, cfg->translate_uid, "translate-uid", err);
	if (!ret)
		ret = idmap_parse(&lfs->gids, cfg->translate_gid, "translate-gid", err);
	return ret ? ret : local_xattr_open(lfs, cfg, err);
}

static int local_open(const struct fs_config *cfg, struct fs **ret_fs, char *err)
{
	uint32_t nofile = local_raise_nofile();
	struct local_fs *lfs;
	int ret;

	if (!cfg->dir || !cfg->dir[0]) {
		snprintf(err, FS_ERR_LEN, "the local file system needs a directory: --local DIR");
		return -EINVAL;
	}
	ret = local_check_system(nofile, err);
	if (ret)
		return ret;
	lfs = calloc(1, sizeof(*lfs));
	if (!lfs)
		return -ENOMEM;
	pthread_mutex_init(&lfs->mount_lock, NULL);
	lfh_table_init(&lfs->fhs, 0);
	lktab_init(&lfs->locks, 0, cfg->queue_size ? cfg->queue_size / 2 : LOCAL_WAITING);
	lfs->switch_creds = cred_can_switch();
	lfs->root_fd = -1;
	ret = local_options(lfs, cfg, err);
	if (!ret)
		ret = local_open_root(lfs, cfg, nofile, err);
	if (ret) {
		local_close(&lfs->fs);
		return ret;
	}
	lfs->fs.ops = &fs_local;
	*ret_fs = &lfs->fs;
	return 0;
}

static int local_attach(struct fs *fs, struct thr *thr, unsigned int index,
			struct fs_thread **ret_ft)
{
	struct local_fs *lfs = container_of(fs, struct local_fs, fs);
	struct local_thread *t;
	int err;

	/*
	 * The guest has applied its umask, or tells it with each request: ours must not be added. A
	 * thread gets one of its own where it may (containers can forbid that); otherwise this is
	 * the process's, and always 0.
	 */
	if (unshare(CLONE_FS) && lfs->posix_acl)
		return -errno;
	umask(0);
	cred_umask(0);
	if (lfs->switch_creds)
		cred_start();
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->lfs = lfs;
	t->ft.thr = thr; /* the ring is watched from the start */
	t->lock_due_ns = UINT64_MAX;
	t->cold = local_cold_start(lfs);
	err = fdcache_init(&t->cache, lfs->cache_sets);
	if (err)
		goto free_thread;
	err = local_ring_init(t);
	if (err)
		goto free_cache;
	err = local_worker_init(t);
	if (err)
		goto free_ring;
	*ret_ft = &t->ft;
	return 0;
free_ring:
	local_ring_fini(t);
free_cache:
	fdcache_fini(&t->cache);
free_thread:
	free(t);
	return err;
}

static void local_detach(struct fs_thread *ft)
{
	struct local_thread *t = container_of(ft, struct local_thread, ft);

	cred_root();
	local_close_all(t);
	local_worker_fini(t);
	local_ring_fini(t);
	fdcache_fini(&t->cache);
	free(t);
}

static int local_poll(struct fs_thread *ft)
{
	struct local_thread *t = container_of(ft, struct local_thread, ft);
	uint32_t reclaim = __atomic_load_n(&t->lfs->reclaim, __ATOMIC_RELAXED);
	int n = 0;

	cred_root();
	t->cold_clock = 0;
	local_rw_round(t);
	if (t->gathered.nr)
		n += local_batch_run(t);
	if (t->nr_closing)
		local_close_round(t);
	if (t->inflight)
		n += local_ring_poll(t);
	if (t->working && __atomic_load_n(&t->worker.done, __ATOMIC_RELAXED))
		n += local_worker_reap(t);
	if (t->waiting)
		n += local_lock_poll(t);
	if (t->cache.nr_files)
		fdcache_sweep(t);
	if (unlikely(reclaim != t->cache.seen_reclaim)) {
		t->cache.seen_reclaim = reclaim;
		t->op_seq++;
		fdcache_drop(t);
	}
	return n;
}

static int local_timeout_ms(struct fs_thread *ft)
{
	const struct local_thread *t = container_of(ft, struct local_thread, ft);
	int cache = fdcache_timeout_ms(t), lock = local_lock_timeout_ms(t);

	if (cache < 0 || lock < 0)
		return max(cache, lock);
	return min(cache, lock);
}

static void local_cancel(struct fs_thread *ft)
{
	local_lock_cancel(container_of(ft, struct local_thread, ft));
}

/* Every thread empties its descriptor cache, too: the directories may be gone for good. */
static void local_reset(struct fs *fs)
{
	struct local_fs *lfs = container_of(fs, struct local_fs, fs);

	local_lock_reset(lfs);
	lfh_close_all(&lfs->fhs);
	nodetab_forget_all(lfs->nodes);
	__atomic_add_fetch(&lfs->reclaim, 1, __ATOMIC_RELAXED);
}

const struct fs_ops fs_local = {
	.name = "local",
	.req_ctx_size = sizeof(struct lreq),
	.open = local_open,
	.close = local_close,
	.attach = local_attach,
	.detach = local_detach,
	.poll = local_poll,
	.timeout_ms = local_timeout_ms,
	.cancel = local_cancel,
	.reset = local_reset,
	.op = {
		[FUSE_LOOKUP] = local_op_cold,
		[FUSE_FORGET] = local_op_forget,
		[FUSE_GETATTR] = local_op_cold,
		[FUSE_SETATTR] = local_op_cold,
		[FUSE_READLINK] = local_op_cold,
		[FUSE_SYMLINK] = local_op_cold,
		[FUSE_MKNOD] = local_op_cold,
		[FUSE_MKDIR] = local_op_cold,
		[FUSE_UNLINK] = local_op_cold,
		[FUSE_RMDIR] = local_op_cold,
		[FUSE_RENAME] = local_op_cold,
		[FUSE_LINK] = local_op_cold,
		[FUSE_OPEN] = local_op_cold,
		[FUSE_READ] = local_op_read,
		[FUSE_WRITE] = local_op_write,
		[FUSE_STATFS] = local_op_cold,
		[FUSE_RELEASE] = local_op_release,
		[FUSE_FSYNC] = local_op_fsync,
		[FUSE_SETXATTR] = local_op_cold,
		[FUSE_GETXATTR] = local_op_cold,
		[FUSE_LISTXATTR] = local_op_cold,
		[FUSE_REMOVEXATTR] = local_op_cold,
		[FUSE_FLUSH] = local_op_flush,
		[FUSE_OPENDIR] = local_op_cold,
		[FUSE_READDIR] = local_op_cold,
		[FUSE_RELEASEDIR] = local_op_releasedir,
		[FUSE_FSYNCDIR] = local_op_fsyncdir,
		[FUSE_GETLK] = local_op_getlk,
		[FUSE_SETLK] = local_op_setlk,
		[FUSE_SETLKW] = local_op_setlkw,
		[FUSE_ACCESS] = local_op_cold,
		[FUSE_CREATE] = local_op_cold,
		[FUSE_INTERRUPT] = local_op_interrupt,
		[FUSE_IOCTL] = local_op_cold,
		[FUSE_BATCH_FORGET] = local_op_batch_forget,
		[FUSE_FALLOCATE] = local_op_fallocate,
		[FUSE_READDIRPLUS] = local_op_cold,
		[FUSE_RENAME2] = local_op_cold,
		[FUSE_LSEEK] = local_op_cold,
		[FUSE_COPY_FILE_RANGE] = local_op_copy_file_range,
		[FUSE_SYNCFS] = local_op_cold,
		[FUSE_TMPFILE] = local_op_cold,
		[FUSE_STATX] = local_op_cold,
		[FUSE_COPY_FILE_RANGE_64] = local_op_copy_file_range,
	},
};
