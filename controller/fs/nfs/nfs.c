/* SPDX-License-Identifier: BSD-3-Clause */
/* The NFS file system as the controller sees it: opening, threads, and the table of operations. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "fs/types.h"
#include "nfs.h"

/* Of one guest; a node each would be hundreds of megabytes. */
#define MAX_OPENS (1u << 20)
/* How often the age of what is not committed is looked at. */
#define KEEP_TICK_MS 1000
/* How long an ending thread waits for its last removals of silly names. */
#define DETACH_NS 1000000000ull

static void nfs_close(struct fs *fs)
{
	struct nfs_fs *nfs = container_of(fs, struct nfs_fs, fs);
	struct nfs_keep *keep;
	struct nfs_silly *s;

	if (nfs->opens)
		nodetab_destroy(nfs->opens); /* before the nodes they pin */
	nfs_wb_drop_all(nfs);
	nfs_locks_free(nfs);
	if (nfs->nodes)
		nodetab_destroy(nfs->nodes);
	if (nfs->mnt.root.len)
		nfsc_umount(&nfs->mnt);
	while ((s = STAILQ_FIRST(&nfs->silly_todo))) {
		STAILQ_REMOVE_HEAD(&nfs->silly_todo, link);
		free(s);
	}
	while ((keep = SLIST_FIRST(&nfs->keeps))) {
		SLIST_REMOVE_HEAD(&nfs->keeps, link);
		keep_destroy(keep);
	}
	journal_close(nfs->journal);
	nfs_groups_close(nfs->groups);
	pthread_mutex_destroy(&nfs->lock);
	free(nfs->place.server);
	free(nfs->place.export_path);
	free(nfs->place.options);
	free(nfs);
}

static int make_tables(struct nfs_fs *nfs)
{
	int rc = nodetab_create(&nfs_node_ops, nfs, 0, &nfs->nodes);

	if (!rc)
		rc = nodetab_create(&nfs_open_ops, nfs, MAX_OPENS, &nfs->opens);
	return rc ? rc : nfs_root(nfs);
}

static int mount_export(struct nfs_fs *nfs, const struct fs_config *cfg, char *err)
{
	int rc = nfs_parse_place(cfg->server, cfg->export_path, cfg->options, &nfs->place, err);

	if (!rc)
		rc = nfs_parse_options(nfs->place.options, &nfs->opts, err);
	if (!rc)
		rc = idmap_parse(&nfs->uids, cfg->translate_uid, "translate-uid", err);
	if (!rc)
		rc = idmap_parse(&nfs->gids, cfg->translate_gid, "translate-gid", err);
	if (rc)
		return rc;
	nfs->opts.mnt.server = nfs->place.server;
	nfs->opts.mnt.export_path = nfs->place.export_path;
	nfs->keep_size = (size_t)nfs->opts.keep_mib << 20;
	nfs->aging = cfg->cache == FS_CACHE_AUTO;
	nfs->no_acl = nfs->opts.noacl;
	if (nfs->opts.lock != NFS_LOCK_LOCAL)
		nfs->fs.init_flags |= FUSE_POSIX_LOCKS | (nfs->opts.flock_local ? 0 : FUSE_FLOCK_LOCKS);
	if (nfs->opts.acl)
		nfs->fs.init_flags |= FUSE_POSIX_ACL;
	if (!nfs->opts.nordirplus)
		nfs->fs.init_flags |= FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO;
	return nfsc_mount(&nfs->opts.mnt, &nfs->mnt, err, FS_ERR_LEN);
}

static int nfs_open_fs(const struct fs_config *cfg, struct fs **ret_fs, char *err)
{
	struct nfs_fs *nfs = calloc(1, sizeof(*nfs));
	int rc;

	if (!nfs)
		return -ENOMEM;
	pthread_mutex_init(&nfs->lock, NULL);
	if (getrandom(&nfs->serial, sizeof(nfs->serial), 0) < 0)
		nfs->serial = clock_ns();
	nfs_locks_init(&nfs->locks, nfs->serial);
	TAILQ_INIT(&nfs->dirty);
	STAILQ_INIT(&nfs->silly_todo);
	SLIST_INIT(&nfs->keeps);
	nfs->epoch = 1;
	nfs->fs.ops = &fs_nfs;
	nfs->fs.init_flags = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_AUTO_INVAL_DATA |
			     FUSE_PARALLEL_DIROPS | FUSE_SUBMOUNTS | FUSE_ASYNC_DIO | FUSE_CREATE_SUPP_GROUP |
			     FUSE_DIRECT_IO_ALLOW_MMAP |
			     FUSE_HANDLE_KILLPRIV_V2; /* the server's own doing */
	rc = mount_export(nfs, cfg, err);
	nfs->mnt.intr = &nfs->intr;
	if (!rc)
		rc = make_tables(nfs);
	if (!rc)
		rc = journal_open(cfg->state_dir, nfs->place.server, nfs->place.export_path,
				  nfs_silly_found, nfs, &nfs->journal, err);
	if (!rc)
		rc = nfs_locks_open(nfs, cfg, err);
	if (!rc && nfs->opts.host_groups)
		rc = nfs_groups_open(&nfs->groups);
	if (rc) {
		nfs_close(&nfs->fs);
		return rc;
	}
	*ret_fs = &nfs->fs;
	return 0;
}

/* ---- threads ---- */

static void take_mail(struct thr_watch *w, uint32_t revents)
{
	eventfd_t count;

	/* What it is about is in the inbox, which every poll looks into. */
	(void)eventfd_read(w->fd, &count);
}

void nfs_post(struct nreq *n)
{
	struct nfs_thread *t = container_of(n->req->ft, struct nfs_thread, ft);

	pthread_mutex_lock(&t->inbox_lock);
	STAILQ_INSERT_TAIL(&t->inbox, n, link);
	__atomic_store_n(&t->has_mail, true, __ATOMIC_RELEASE); /* pairs with read_mail() */
	/* Under the lock: once the request is taken out, the thread may end. */
	if (!pthread_equal(t->self, pthread_self()))
		(void)eventfd_write(t->wake.fd, 1);
	pthread_mutex_unlock(&t->inbox_lock);
}

static int read_mail(struct nfs_thread *t)
{
	struct nreq_list list = STAILQ_HEAD_INITIALIZER(list);
	struct nreq *n;
	int count = 0;

	if (!__atomic_load_n(&t->has_mail, __ATOMIC_ACQUIRE)) /* pairs with nfs_post() */
		return 0;
	pthread_mutex_lock(&t->inbox_lock);
	STAILQ_CONCAT(&list, &t->inbox);
	__atomic_store_n(&t->has_mail, false, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&t->inbox_lock);
	for (; (n = STAILQ_FIRST(&list)); count++) {
		STAILQ_REMOVE_HEAD(&list, link);
		n->then(n);
	}
	return count;
}

/* The ring outlives the thread: what is in it may wait for another's COMMIT. */
static int make_keep(struct nfs_thread *t)
{
	struct nfs_fs *nfs = t->nfs;
	int rc = keep_create(nfs->keep_size, &t->keep);

	if (rc)
		return rc;
	pthread_mutex_lock(&nfs->lock);
	SLIST_INSERT_HEAD(&nfs->keeps, t->keep, link);
	pthread_mutex_unlock(&nfs->lock);
	t->kicked = UINT64_MAX;
	return 0;
}

static int make_wake(struct nfs_thread *t, struct thr *thr)
{
	int rc;

	t->wake = (struct thr_watch){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
				      .events = EPOLLIN, .ready = take_mail };
	if (t->wake.fd < 0)
		return -errno;
	rc = thr_watch_add(thr, &t->wake);
	if (rc)
		close(t->wake.fd);
	return rc;
}

static void end_wake(struct nfs_thread *t)
{
	thr_watch_remove(t->thr, &t->wake);
	close(t->wake.fd);
}

static void thread_free(struct nfs_thread *t)
{
	nfs_client_destroy(t->client);
	pthread_mutex_destroy(&t->inbox_lock);
	free(t);
}

static int nfs_attach(struct fs *fs, struct thr *thr, unsigned int index, struct fs_thread **ret_ft)
{
	struct nfs_thread *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return -ENOMEM;
	t->nfs = container_of(fs, struct nfs_fs, fs);
	t->thr = thr;
	t->self = pthread_self();
	STAILQ_INIT(&t->removing);
	STAILQ_INIT(&t->to_copy);
	STAILQ_INIT(&t->inbox);
	STAILQ_INIT(&t->lock_waiting);
	STAILQ_INIT(&t->lock_jobs);
	LIST_INIT(&t->rounds);
	pthread_mutex_init(&t->inbox_lock, NULL);
	rc = nfs_client_create(&t->nfs->mnt, thr, &t->client);
	if (!rc)
		rc = make_keep(t);
	if (!rc)
		rc = make_wake(t, thr);
	if (rc) {
		thread_free(t);
		return rc;
	}
	rc = nfs_lock_attach(t);
	if (rc) {
		end_wake(t);
		thread_free(t);
		return rc;
	}
	nfs_groups_attach(t, t->nfs->groups);
	__atomic_add_fetch(&t->nfs->nr_threads, 1, __ATOMIC_RELAXED);
	nfs_stats_begin(t);
	*ret_ft = &t->ft;
	return 0;
}

static int nfs_poll(struct fs_thread *ft)
{
	struct nfs_thread *t = container_of(ft, struct nfs_thread, ft);
	int n;

	nfs_groups_poll(t);
	nfs_silly_poll(t);
	nfs_wb_poll(t);
	nfs_lock_poll(t);
	n = nfs_client_poll(t->client);
	nfs_wb_copy(t);
	return n + read_mail(t);
}

static bool busy(struct nfs_thread *t)
{
	bool rounds;

	pthread_mutex_lock(&t->nfs->lock);
	rounds = !LIST_EMPTY(&t->rounds);
	pthread_mutex_unlock(&t->nfs->lock);
	return rounds || !STAILQ_EMPTY(&t->removing) || nfs_lock_busy(t);
}

/* Lets what is under way come to its end, but not for ever. */
static void finish_up(struct nfs_thread *t)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	uint64_t until = clock_ns() + DETACH_NS;

	while (nfs_poll(&t->ft), busy(t) && clock_ns() < until)
		nanosleep(&ms, NULL);
	nfs_wb_abandon(t);
	nfs_lock_abandon(t);
	nfs_poll(&t->ft);
}

static void nfs_detach(struct fs_thread *ft)
{
	struct nfs_thread *t = container_of(ft, struct nfs_thread, ft);
	struct nfs_silly *s;

	/* The last one out: no thread serves the guest any more, so its unlinked files may go too. */
	if (__atomic_sub_fetch(&t->nfs->nr_threads, 1, __ATOMIC_ACQ_REL) == 0) {
		nodetab_forget_all(t->nfs->opens);
		nfs_locks_drop_all(t->nfs);
		nfs_wb_commit_all(t);
	}
	finish_up(t);
	nfs_stats_end(t); /* from here on nobody wakes it */
	nfs_lock_detach(t);
	nfs_groups_detach(t);
	end_wake(t);
	while ((s = STAILQ_FIRST(&t->removing))) {
		STAILQ_REMOVE_HEAD(&t->removing, link);
		free(s);
	}
	thread_free(t);
}

static int sooner(int a, int b)
{
	if (a < 0 || b < 0)
		return max(a, b);
	return min(a, b);
}

static int nfs_timeout_ms(struct fs_thread *ft)
{
	struct nfs_thread *t = container_of(ft, struct nfs_thread, ft);
	int ms = sooner(nfs_client_timeout_ms(t->client), nfs_lock_timeout_ms(t));

	return sooner(ms, keep_is_empty(t->keep) ? -1 : KEEP_TICK_MS); /* old data wants a COMMIT */
}

static bool nfs_soon(struct fs_thread *ft)
{
	return nfs_client_soon(container_of(ft, struct nfs_thread, ft)->client, FS_SOON_NS);
}

static void nfs_cancel(struct fs_thread *ft)
{
	struct nfs_thread *t = container_of(ft, struct nfs_thread, ft);

	nfs_wb_abort(t);
	nfs_groups_abort(t);
	nfs_lock_abort(t);
	nfs_client_abort(t->client);
}

static void nfs_reset(struct fs *fs)
{
	struct nfs_fs *nfs = container_of(fs, struct nfs_fs, fs);

	nodetab_forget_all(nfs->opens);
	nodetab_forget_all(nfs->nodes);
	nfs_locks_drop_all(nfs);
	nfs_intr_clear(&nfs->intr);
}

/* It comes on whichever thread has the queue; the request may be another's. */
static void nfs_interrupt(struct fs_req *req)
{
	nfs_intr_note(&nfs_of(req)->intr, req->interrupt->unique);
	nfs_locks_interrupted(nfs_of(req));
	fs_req_done(req, 0);
}

const struct fs_ops fs_nfs = {
	.name = "nfs",
	.req_ctx_size = sizeof(struct nreq),
	.open = nfs_open_fs,
	.close = nfs_close,
	.attach = nfs_attach,
	.detach = nfs_detach,
	.poll = nfs_poll,
	.timeout_ms = nfs_timeout_ms,
	.soon = nfs_soon,
	.cancel = nfs_cancel,
	.stats = nfs_stats,
	.reset = nfs_reset,
	.op = {
		[FUSE_INTERRUPT] = nfs_interrupt,
		[FUSE_LOOKUP] = nfs_lookup,
		[FUSE_FORGET] = nfs_forget,
		[FUSE_BATCH_FORGET] = nfs_batch_forget,
		[FUSE_GETATTR] = nfs_getattr,
		[FUSE_SETATTR] = nfs_setattr,
		[FUSE_ACCESS] = nfs_access,
		[FUSE_READLINK] = nfs_readlink,
		[FUSE_STATFS] = nfs_statfs,
		[FUSE_MKNOD] = nfs_mknod,
		[FUSE_MKDIR] = nfs_mkdir,
		[FUSE_SYMLINK] = nfs_symlink,
		[FUSE_LINK] = nfs_link,
		[FUSE_CREATE] = nfs_create,
		[FUSE_UNLINK] = nfs_unlink,
		[FUSE_RMDIR] = nfs_rmdir,
		[FUSE_RENAME] = nfs_rename,
		[FUSE_RENAME2] = nfs_rename,
		[FUSE_OPEN] = nfs_open,
		[FUSE_RELEASE] = nfs_release,
		[FUSE_READ] = nfs_read,
		[FUSE_WRITE] = nfs_write,
		[FUSE_FLUSH] = nfs_flush,
		[FUSE_FSYNC] = nfs_fsync,
		[FUSE_FSYNCDIR] = nfs_fsyncdir,
		[FUSE_SYNCFS] = nfs_syncfs,
		[FUSE_GETLK] = nfs_getlk,
		[FUSE_SETLK] = nfs_setlk,
		[FUSE_SETLKW] = nfs_setlk,
		[FUSE_GETXATTR] = nfs_getxattr,
		[FUSE_SETXATTR] = nfs_setxattr,
		[FUSE_REMOVEXATTR] = nfs_removexattr,
		[FUSE_LISTXATTR] = nfs_listxattr,
		[FUSE_OPENDIR] = nfs_opendir,
		[FUSE_READDIR] = nfs_readdir,
		[FUSE_READDIRPLUS] = nfs_readdirplus,
		[FUSE_RELEASEDIR] = nfs_release,
	},
};
