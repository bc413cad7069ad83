/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The NFS back end: NFSv3 semantics above client.h. See fs_nfs.md for the operations table.
 *
 *   nfs.c         open/close, attach/detach, poll, the operations table
 *   nfs_opts.c    mount options, URLs
 *   nfs_attr.c    how long the guest may believe what it is told
 *   nfs_node.c    nodes (file handles), open files, conversions to FUSE
 *   nfs_meta.c nfs_create.c nfs_file.c nfs_dir.c   the operations
 *   nfs_again.c   calls that were sent twice
 *   nfs_groups.c  groups=host
 *   nfs_acl.c     ACLs as extended attributes
 *   nfs_lock*.c nlm_*.c nsm.c rpcbind.c   locks on the server; nfs_lock.h tells how
 *   nfs_commit.c  FLUSH FSYNC SYNCFS
 *   nfs_wb.c nfs_copy.c nfs_keep.c   what the server has but may still forget
 *   nfs_silly.c nfs_journal.c   files that are open and have lost their name
 *   client.h      the client interface; rpc.h names the files of its engine, *libnfs* are another one
 *
 * Node ids and file handles given to the guest are nodetab ids. A request pins what it uses in its struct
 * nreq until nfs_done().
 */
#ifndef FS_NFS_H
#define FS_NFS_H

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "fs/fs.h"
#include "fs/idmap.h"
#include "fs/nodetab.h"
#include "fs/nfs/client.h"
#include "fs/nfs/nfs_groups.h"
#include "fs/nfs/nfs_journal.h"
#include "fs/nfs/nfs_lock.h"
#include "fs/nfs/nfs_opts.h"
#include "fs/nfs/nfs_silly.h"
#include "fs/nfs/nfs_wb.h"

struct nfs_fs;

/* An unlinked file that was open: its name on the server, removed at the last close. */
struct nfs_silly {
	STAILQ_ENTRY(nfs_silly) link;
	struct nfs_fh dir;
	struct nfs_cred cred; /* of who unlinked it */
	char name[NFS_SILLY_LEN];
	struct journal_name *journal; /* NULL: not in one */
	bool linked; /* made with LINK: the file had its first name as well */
	struct nfs_call call; /* for the REMOVE */
	struct nfs_thread *thread;
};

#define NFS_NO_GID UINT32_MAX

struct nfs_node {
	struct node node;
	struct nfs_fh fh; /* const */
	uint32_t nr_open; /* atomic; OPENs under way count */
	struct nfs_silly *silly; /* written under fs.lock, atomic; NULL: has its name still */
	struct nfs_wb *wb; /* under fs.lock, atomic; NULL: not open for writing, all committed */
	bool dirty; /* atomic: something is not committed */
	int16_t lost; /* under fs.lock: an error nobody was told of, left by a struct nfs_wb */
	uint32_t wb_epoch; /* atomic: fs.epoch when the server was known to have what is not committed; 0: it may not */
	/* nfs_attr.c, atomic */
	uint64_t told; /* hash of what the guest knows; 0: nothing */
	uint32_t told_at, age; /* s */
	uint64_t fsid; /* atomic; of the server's file system, as seen last */
	uint32_t gid; /* atomic; as seen last, or NFS_NO_GID */
};
_Static_assert(sizeof(struct nfs_node) < 200, "a guest may make us hold millions of nodes");

/* An open file or directory of the guest. */
struct nfs_open {
	struct node node;
	struct nfs_node *file; /* pinned */
	struct nfs_cred cred; /* who opened it: I/O runs with these rights */
	struct nfs_wb *wb; /* NULL: not for writing */
	uint32_t err_seq; /* under wb.lock: losses told */
	bool dir; /* not counted in nr_open: directories get no silly names */
	uint64_t cookieverf; /* directories: 8 opaque bytes, atomic */
	uint64_t lock_owner; /* of its latest fcntl() lock, under nfs_locks.lock; valid with has_locked */
	bool has_locked; /* atomic */
};

struct nfs_fs {
	struct fs fs;
	struct nfs_mount mnt; /* const */
	struct nfs_intr intr; /* uniques of interrupted requests */
	LIST_HEAD(, nfs_thread) threads; /* attached, under lock */
	struct nfs_stats ended; /* of those that are not any more, under lock */
	struct nfs_opts opts; /* const */
	struct idmap uids, gids; /* const: ids of the guest are others at the server */
	struct nfs_place place; /* const */
	bool export_gone; /* atomic: the log says so */
	bool no_acl; /* atomic: by option, or the server has none */
	bool aging; /* const: validity follows the options, not a fixed cache mode */
	struct nodetab *nodes, *opens;
	uint64_t nr_open; /* atomic: files open now; 0 spares UNLINK and RENAME a LOOKUP */
	uint64_t serial; /* atomic: makes keys and silly names unique; from a random start */
	uint32_t nr_threads; /* atomic: attached */
	pthread_mutex_t lock; /* held for list and flag changes only, never over a call */
	TAILQ_HEAD(, nfs_wb) dirty;
	uint64_t dirtied; /* under lock: files that ever became it */
	uint32_t nr_dirty; /* atomic */
	/* for SYNCFS, under lock: -errno of the last loss, how many there were, how many were told of */
	int sync_err;
	uint32_t sync_losses, sync_told;
	uint32_t epoch; /* atomic: counts times the server may have restarted; never 0 */
	uint32_t resends; /* atomic: counts beginnings and ends of writing a file's data again */
	size_t keep_size; /* const: bytes of a thread's */
	SLIST_HEAD(, nfs_keep) keeps; /* of all threads, also those that ended */
	STAILQ_HEAD(, nfs_silly) silly_todo; /* to be removed by whichever thread polls next */
	int has_silly; /* atomic: silly_todo is not empty */
	int64_t clock_offset, clock_error, clock_stamp; /* atomic, ns: nfs_again.c */
	struct nfs_journal *journal; /* NULL: none */
	struct groups_pool *groups; /* NULL: those the guest sends */
	struct nfs_locks locks;
};

struct nfs_thread {
	struct fs_thread ft;
	LIST_ENTRY(nfs_thread) link; /* under fs.lock */
	struct nfs_fs *nfs;
	struct thr *thr;
	pthread_t self;
	struct nfs_client *client;
	STAILQ_HEAD(, nfs_silly) removing; /* REMOVEs of silly names on their way */
	struct nfs_keep *keep;
	struct nreq_list to_copy; /* WRITEs that were not copied into keep yet */
	bool aborted; /* since the last request began: nobody waits */
	uint64_t kicked; /* position in keep whose file was asked to commit */
	uint32_t epoch; /* connections of client, seen last */
	LIST_HEAD(, nfs_wb) rounds; /* COMMITs under way; under fs.lock */
	/* requests that go on here, put by any thread */
	pthread_mutex_t inbox_lock;
	struct nreq_list inbox;
	struct nreq_list lock_waiting; /* SETLKWs that somebody else's lock stops */
	uint32_t nr_lock_waiting;
	bool lock_ended; /* no more calls about locks */
	bool lock_due; /* atomic: look at all of them */
	uint64_t lock_next_ns; /* when the first of them is asked for again */
	uint64_t lock_heard_ns; /* the last look for calls of servers */
	struct thr_watch calls; /* of the listener for them; fd -1: none */
	struct nfs_lock_jobs lock_jobs; /* under way */
	struct nfs_call ping;
	bool pinging;
	uint64_t ping_ns;
	bool has_mail; /* atomic */
	struct thr_watch wake; /* eventfd */
	struct nfs_groups groups;
};

/* fs_req->ctx */
struct nreq {
	struct fs_req *req;
	struct nfs_call call;
	struct nfs_cred cred;
	uint32_t sent_groups; /* of it, the first: the guest's */
	STAILQ_ENTRY(nreq) group_link; /* while they are asked for */
	struct nfs_node *node; /* of in->nodeid, or of open */
	struct nfs_node *node2; /* LINK: the file; RENAME: the other directory */
	struct nfs_open *open;
	struct nfs_silly *silly; /* the other name its victim got */
	struct nfs_node *victim; /* the open file whose name goes; pinned */
	const char *lost_name; /* that name */
	size_t moved; /* READ, WRITE: bytes so far */
	uint32_t epoch, resends; /* of fs, before its call was sent; READ, WRITE: the first */
	uint64_t write_at; /* WRITE: where its first byte goes */
	void (*then)(struct nreq *n); /* what a preparing step leads to; what waits in a list */
	void (*named)(struct nreq *n); /* UNLINK, RENAME: after nfs_silly_check() */
	STAILQ_ENTRY(nreq) link; /* lists of nfs_wb.h, inbox */
	struct nfs_wb *wb; /* WRITE and what changes sizes; SYNCFS: of the file under way */
	uint64_t target; /* waiting: for the COMMIT that covers this */
	uint64_t dirty_pos, dirty_last; /* SYNCFS: of nfs_wb_next_dirty() */
	uint32_t sync_told; /* SYNCFS: fs.sync_told when it began */
	struct nfs_kept *kept; /* WRITE: room for the copy */
	bool copy_due; /* it is in to_copy */
	struct nfs_owner *owner; /* locks: used */
	LIST_ENTRY(nreq) active; /* of it, under nfs_locks.lock */
	bool recalled; /* its call was taken back for a reclaim */
	struct nfs_lock lock;
	uint64_t releasing; /* FLUSH, RELEASE: the guest's owner */
	bool releasing_flock;
	void (*released)(struct nreq *n); /* after that */
	uint64_t wait_ns, retry_ns; /* SETLKW */
	LIST_ENTRY(nreq) waiter; /* of nfs_locks */
	bool waits; /* it is in there: the server may call back */
	bool blocked; /* the server said that it will */
	bool granted; /* atomic: it has; under nfs_locks.lock */
	bool asked_again; /* it was time to */
	uint32_t kick; /* of nfs_locks, when it was asked for last */
	uint64_t made_ns; /* MKDIR and its kin: when that began */
	uint64_t lost_ns; /* and, if it was sent again, call.lost_ns of it */
	struct nfs_acl_work *acl; /* SETXATTR, REMOVEXATTR */
	bool wb_ref; /* the reference is the request's own */
	bool inside; /* it passed the gate of wb */
	bool opening; /* OPEN: the node is counted as open for it */
	bool plus;
	bool truncated; /* CREATE: of one that was there */
	bool exclusive; /* CREATE: done with a verifier, attributes come after it */
	uint8_t renewals; /* READDIR: of the cookie verifier */
};

static inline struct nfs_fs *nfs_of(const struct fs_req *req)
{
	return container_of(req->ft, struct nfs_thread, ft)->nfs;
}

/* ---- nfs_node.c ---- */
extern const struct nodetab_ops nfs_node_ops, nfs_open_ops;
int nfs_root(struct nfs_fs *nfs);

/*
 * Starts a request: pins in->nodeid, takes the caller's credentials. NULL: it has been answered (ESTALE;
 * EPERM: an id that is forbidden).
 */
struct nreq *nfs_begin(struct fs_req *req);
/* As above, for requests about names in the node: EINVAL for what is none. */
struct nreq *nfs_begin_name(struct fs_req *req);
/*
 * For requests with a file handle: pins that, which pins its node, and uses the opener's credentials.
 * NULL: it has been answered (EBADF). The handle decides; in->nodeid is not looked at.
 */
struct nreq *nfs_begin_open(struct fs_req *req, uint64_t fh);
/* Makes a call about n->node with everything else zero. */
void nfs_prepare(struct nreq *n, enum nfs_proc proc);
void nfs_go(struct nreq *n, void (*done)(struct nfs_call *, int, const struct nfs_result *));
/* Unpins and ends the request. */
void nfs_done(struct nreq *n, int err);
static inline struct nreq *nreq_of(struct nfs_call *call)
{
	return container_of(call, struct nreq, call);
}

/* With the server's ids: nfs_map_owner() makes them the guest's. */
void nfs_fill_attr(struct fuse_attr *out, const struct nfs_attr *a);
void nfs_map_owner(const struct nfs_fs *nfs, struct fuse_attr *attr);
/* Is a directory found in n->node the root of another file system of the server, and may the guest know? */
bool nfs_is_submount(const struct nreq *n, const struct nfs_attr *attr);
/* Fills req->entry from a new or found object: node interned; granted. 0 or -errno. */
int nfs_fill_entry(struct nreq *n, const struct nfs_fh *fh, const struct nfs_attr *attr,
		   struct fuse_entry_out *entry, bool grant);
/* The node of a handle if what the server says of it is not to be believed now; pinned. */
struct nfs_node *nfs_unsure_node(const struct nreq *n, const struct nfs_fh *fh);
/* done() of all calls whose reply is an entry; asks for what the server left out. */
void nfs_entry_done(struct nfs_call *call, int err, const struct nfs_result *res);
/*
 * An open file or directory for the guest, with the request's credentials. Takes its own pin on node.
 */
enum nfs_open_kind { NFS_OPEN_READ, NFS_OPEN_WRITE, NFS_OPEN_DIR };
int nfs_open_create(struct nreq *n, struct nfs_node *node, enum nfs_open_kind kind, uint64_t *ret_fh);
static inline enum nfs_open_kind nfs_open_kind(uint32_t flags)
{
	return (flags & O_ACCMODE) == O_RDONLY ? NFS_OPEN_READ : NFS_OPEN_WRITE;
}
/* From here on the node's file is open, until the request is over: who unlinks it has to know. */
void nfs_open_begin(struct nreq *n);
/* n->wb of a request about a node that is not about an open file: its own reference. -ENOMEM. */
int nfs_take_wb(struct nreq *n, struct nfs_node *node);
/* The node of a handle if there is one; pinned. */
struct nfs_node *nfs_node_find(struct nfs_fs *nfs, const struct nfs_fh *fh);

/* node2 becomes this object's, pinned. 0 or -errno. */
int nfs_keep_node2(struct nreq *n, const struct nfs_fh *fh);
/* Ends a request whose reply is an entry with that of node2, as it is now. */
void nfs_entry_of_node2(struct nreq *n);
/* The kernel's "new" encoding of device numbers, as FUSE carries it. */
static inline uint32_t nfs_encode_dev(uint32_t major, uint32_t minor)
{
	return (minor & 0xff) | (major << 8) | ((minor & ~0xffu) << 12);
}

/* ---- nfs_again.c ---- */
/* done() of calls that make a name which must be new; n->made_ns is set. */
void nfs_made(struct nfs_call *call, int err, const struct nfs_result *res);
/* A reply to a call that changed a directory, for what it says of the server's clock. */
void nfs_clock_note(const struct nreq *n, const struct nfs_result *res);

/* ---- nfs_attr.c ---- */
/* A reply that changed n->node, or its directories: own changes do not make attributes age anew. */
void nfs_attr_note(struct nreq *n, const struct nfs_result *res);
void nfs_attr_note_dirs(struct nreq *n, const struct nfs_result *res);
/* Attributes that the guest is not told of. */
void nfs_attr_see(struct nfs_fs *nfs, struct nfs_node *node, const struct nfs_attr *attr);
/* Of an open file, after the server's answer about it: may the guest keep its page cache? */
uint32_t nfs_attr_open_flags(const struct nfs_fs *nfs, const struct nfs_node *node,
			     const struct nfs_result *res);
/* Validity of what the guest is told. */
void nfs_set_attr_valid(struct nfs_fs *nfs, struct nfs_node *node, const struct nfs_attr *attr,
			struct fuse_attr_out *out);
void nfs_set_entry_valid(struct nfs_fs *nfs, struct nfs_node *dir, struct nfs_node *node,
			 const struct nfs_attr *attr, struct fuse_entry_out *entry);
/* Makes it the answer that there is no such name. False: the guest may not remember that. */
bool nfs_set_negative_valid(const struct nfs_fs *nfs, struct fuse_entry_out *entry);

/* ---- nfs.c ---- */
/* n->then(n) from the next poll of the request's thread. Any thread. */
void nfs_post(struct nreq *n);

/* ---- nfs_commit.c ---- */
/* Ends a request about an open file with 0 or what fsync must report, once all is committed. */
void nfs_commit(struct nreq *n);
/* An open file that is not for writing is about to commit what others wrote, if they did: n->wb. 0 or -ENOMEM. */
int nfs_commit_other(struct nreq *n);

/* ---- nfs_silly.c ---- */
/*
 * If dir/name is an open file of ours, gives it another name first: UNLINK renames it away, RENAME links
 * it, so that its name is never missing. Then then(n) in either case, with n->silly set if that happened.
 * Errors end the request.
 */
void nfs_silly_check(struct nreq *n, const struct nfs_fh *dir, const char *name,
		     void (*then)(struct nreq *n));
/* The request's last step has ended with err: keeps the other name for the last close, or removes it. */
void nfs_silly_settle(struct nreq *n, int err);
void nfs_silly_closed(struct nfs_fs *nfs, struct nfs_node *node); /* last close */
void nfs_silly_poll(struct nfs_thread *t);
/* A name an earlier controller left behind; arg is the struct nfs_fs. Before threads are attached. */
void nfs_silly_found(void *arg, const struct nfs_fh *dir, const struct nfs_cred *cred, const char *name,
		     struct journal_name *jn);

/* ---- nfs_stats.c: a thread's client counts from begin to end ---- */
void nfs_stats_begin(struct nfs_thread *t);
void nfs_stats_end(struct nfs_thread *t);
void nfs_stats(struct fs *fs,
	       void (*emit)(void *arg, const char *object, const char *counter, uint64_t value), void *arg);

/* operations */
void nfs_lookup(struct fs_req *req);
void nfs_getattr(struct fs_req *req);
void nfs_setattr(struct fs_req *req);
void nfs_access(struct fs_req *req);
void nfs_readlink(struct fs_req *req);
void nfs_statfs(struct fs_req *req);
void nfs_forget(struct fs_req *req);
void nfs_batch_forget(struct fs_req *req);
void nfs_mknod(struct fs_req *req);
void nfs_mkdir(struct fs_req *req);
void nfs_symlink(struct fs_req *req);
void nfs_link(struct fs_req *req);
void nfs_create(struct fs_req *req);
void nfs_unlink(struct fs_req *req);
void nfs_rmdir(struct fs_req *req);
void nfs_rename(struct fs_req *req);
void nfs_open(struct fs_req *req);
void nfs_release(struct fs_req *req);
void nfs_read(struct fs_req *req);
void nfs_write(struct fs_req *req);
void nfs_flush(struct fs_req *req);
void nfs_fsync(struct fs_req *req);
void nfs_fsyncdir(struct fs_req *req);
void nfs_syncfs(struct fs_req *req);
void nfs_opendir(struct fs_req *req);
void nfs_getxattr(struct fs_req *req);
void nfs_setxattr(struct fs_req *req);
void nfs_removexattr(struct fs_req *req);
void nfs_listxattr(struct fs_req *req);
void nfs_readdir(struct fs_req *req);
void nfs_readdirplus(struct fs_req *req);

#endif
