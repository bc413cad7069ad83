/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The local back end: a directory of this machine. See fs_local.md for the design and its limits.
 *
 *   local.c    open/close, attach/detach, poll, the operations table
 *   node.c     what an inode is (mount, ino, kernel file handle) and how a descriptor of it is
 *              obtained
 *   fdcache.c  the bounded cache of descriptors, one per thread
 *   fh.c       file handles the guest holds (open files and directories)
 *   cred.c     whose rights a system call runs with
 *   ring.c     io_uring
 *   worker.c   threads for calls that block and that it does not offer
 *   cold.c     when operations on metadata go there
 *   lock.c     locks, and the requests that wait for one; locktab.c remembers them
 *   idmap.c xattrmap.c   other ids, other names of attributes than in the guest
 *   map.c      small transfers together, through a mapping
 *   meta.c create.c file.c rw.c dir.c xattr.c   the operations
 */
#ifndef FS_LOCAL_H
#define FS_LOCAL_H

#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <sys/stat.h>

#include "fs/fs.h"
#include "fs/nodetab.h"
#include "fs/idmap.h"
#include "lock.h"
#include "xattrmap.h"

#define LOCAL_HANDLE_MAX 64 /* of the kernel's 128; what is longer keeps a descriptor instead */
#define LOCAL_MOUNTS_MAX 64 /* file systems below the directory that are reached by handle */
#define LOCAL_RING_ENTRIES 256
#define LOCAL_SCRATCH 65536 /* XATTR_SIZE_MAX, the largest thing copied through it */
#define LOCAL_IOV_MAX 1024 /* the kernel's limit for one call */
#define LOCAL_FDCACHE_WAYS 4
#define LOCAL_FDCACHE_SETS_MAX 256
#define LOCAL_DIRS_MAX 8192 /* open directories: each may hold LOCAL_DIRBUF bytes */
#define LOCAL_DIRBUF 16384
#define LOCAL_BATCH 64 /* what the thread takes in one round */
#define LOCAL_MAP_WANT (16u << 10) /* bytes; beyond that a system call is not what costs */
#define LOCAL_WORKERS 16 /* of an I/O thread */
#define LOCAL_SLOW_TRUNCATE (64u << 20) /* bytes; freeing more than this goes to a worker */
#define LOCAL_SLOW_COPY (256u << 10) /* bytes; likewise copying */

/* What an inode is known by. Copied into its node. */
struct lkey {
	uint64_t dev;
	uint64_t ino;
	int64_t btime; /* time of birth in ns; INT64_MIN: the file system does not say */
	int32_t handle_type;
	uint16_t mount; /* index into local_fs.mounts */
	uint16_t fmt; /* S_IFMT bits; never change for a handle */
	uint8_t handle_len; /* 0: none, the node keeps fd */
	/* Atomic in nodes: btime alone tells this inode from all that had or will have its number.
	 * In a key to look for: find it by that. */
	bool by_btime;
	unsigned char handle[LOCAL_HANDLE_MAX];
};

struct lnode {
	struct node node;
	struct lkey key;
	int fd; /* O_PATH; -1 unless the root or without a handle */
};
_Static_assert(sizeof(struct lnode) < 200, "a guest may make us hold millions of nodes");

/* What is known of a file system and of use. */
enum lfskind {
	LFS_OTHER,
	LFS_TMPFS,
	LFS_EXT4,
	LFS_PLAIN, /* of the others, one that has nothing to say when a file is closed */
	LFS_REMOTE, /* a server answers, or another program: any call may take long */
};

struct lmount {
	int id; /* kernel's mount id */
	enum lfskind kind;
	int fd; /* open for reading, as open_by_handle_at() wants; -1: its nodes keep theirs */
};

/* An open file or directory of the guest. */
struct lfh {
	uint64_t ref; /* atomic: generation << 32 | users; the guest's open counts as one */
	uint32_t closed; /* atomic: the guest's user is gone */
	uint32_t next_free; /* under lfh_table.lock */
	uint32_t slot;
	int fd;
	bool may_be_large; /* atomic; false: certainly not */
	struct ldir *dir; /* NULL: a file */
	bool sync; /* O_SYNC or O_DSYNC: every write waits for the disk */
	bool direct; /* O_DIRECT, on a disk: so does every transfer */
	bool rdwr;
	/* map.c; NULL: no mapping. Any thread, atomic. */
	struct lmap *map;
	uint32_t map_hits;
	enum lfskind kind;
	bool no_map; /* atomic: it failed once */
	/* Reads without waiting: any thread finds out, all find the same. */
	enum { LFH_NOWAIT_UNKNOWN, LFH_NOWAIT_YES, LFH_NOWAIT_NO } nowait;
};

#define LFH_CHUNK_SHIFT 8
#define LFH_CHUNK (1u << LFH_CHUNK_SHIFT)
#define LFH_CHUNKS_MAX 4096

struct lfh_table {
	pthread_mutex_t lock; /* alloc and free only */
	struct lfh *chunks[LFH_CHUNKS_MAX]; /* atomic pointers, set once each */
	uint32_t max; /* slots are 1..max */
	uint32_t next; /* never used so far; under lock */
	uint32_t free; /* slot, 0: none; under lock */
	uint32_t nr_dirs; /* atomic */
};

struct local_fs {
	struct fs fs;
	/* const after open */
	int root_fd;
	bool switch_creds; /* started as root: callers' ids apply */
	unsigned int cache_sets; /* of each thread's descriptor cache */
	uint32_t fd_nodes_max;
	struct nodetab *nodes;
	/* mount_lock for adding; entries below nr_mounts (acquire) are const */
	pthread_mutex_t mount_lock;
	struct lmount mounts[LOCAL_MOUNTS_MAX];
	uint32_t nr_mounts;
	/* atomic */
	uint32_t fd_nodes; /* nodes that keep a descriptor */
	uint32_t reclaim; /* goes up when descriptors ran out: every thread empties its cache */
	struct lfh_table fhs;
	struct lktab locks;
	uint32_t nr_maps; /* atomic */
	bool no_maps; /* atomic: the system does not let us copy that way */
	/* options, const */
	bool posix_lock, flock; /* served */
	bool posix_acl; /* shown and set; the umask is applied here, or the default ACL instead */
	bool writeback; /* the guest reads what it opened for writing only, to fill pages */
	bool direct_io; /* O_DIRECT is passed on */
	bool no_handles; /* nodes keep descriptors */
	struct idmap uids, gids;
	struct xattrmap xattrs;
	char caps[XATTRMAP_NAME]; /* here security.capability has this name; "" where it is itself */
};

struct lfdcache {
	struct lfdslot {
		uint64_t nodeid; /* 0: empty */
		uint64_t used; /* local_thread.op_seq of the last use */
		int fd;
		bool is_file; /* not to be kept for long */
	} *slots;
	unsigned int nr_sets; /* power of two */
	unsigned int nr_files;
	uint32_t seen_reclaim;
	uint64_t swept_seq; /* op_seq and time of the last fdcache_sweep() */
	uint64_t swept_ms;
};

/* Transfers that wait for the end of the round. */
struct lbatch {
	unsigned int nr, nr_iov;
	struct fs_req *req[LOCAL_BATCH];
};

/* The workers of one I/O thread: run what blocks and has no io_uring operation. */
struct lworker {
	pthread_t thread[LOCAL_WORKERS];
	unsigned int nr; /* started; I/O thread */
	pthread_mutex_t lock;
	pthread_cond_t more;
	unsigned int idle; /* under lock */
	unsigned int nr_todo; /* under lock */
	struct lreq *todo, **todo_tail; /* under lock */
	bool stop; /* under lock */
	struct lreq *done; /* atomic stack */
	struct thr_watch watch; /* eventfd */
};

struct local_thread {
	struct fs_thread ft;
	struct local_fs *lfs;
	struct io_uring ring;
	struct thr_watch ring_watch;
	unsigned int queued; /* SQEs not submitted yet */
	unsigned int inflight; /* in the ring, or queued */
	unsigned int working; /* given to the worker */
	unsigned int waiting; /* for a lock */
	bool lock_kick; /* atomic: one of those may be over */
	uint64_t lock_due_ns; /* when to try again, unless kicked */
	int kill_personality; /* root without CAP_FSETID, for writes that clear setuid; 0: none */
	struct lbatch gathered;
	unsigned int nr_closing;
	int closing[LOCAL_BATCH];
	unsigned int round_rws; /* READs and WRITEs since poll(); this and the next two: see rw.c */
	bool batch; /* the last round brought several */
	unsigned int cold; /* that many more operations on metadata go to workers: cold.c */
	uint64_t cold_clock; /* when the last of those ended; 0: something else came between */
	bool is_worker; /* its own: without ring, watches and workers */
	bool expect_known; /* the last name looked up was of a node we had */
	unsigned int slow_run; /* that many more transfers avoid waiting in place */
	uint64_t op_seq;
	struct lfdcache cache;
	struct lworker worker;
	struct iovec iov[LOCAL_IOV_MAX];
	char scratch[LOCAL_SCRATCH];
};

/* A descriptor of a node for the length of one operation. */
struct lfd {
	int fd;
	bool owned;
};

#define LREQ_IOV 8

/* fs_req->ctx */
struct lreq {
	struct fs_req *req;
	void (*complete)(struct fs_req *req, int res); /* ring */
	int (*work)(struct fs_req *req); /* worker: 0 or -errno */
	void (*worked)(struct fs_req *req, int err); /* I/O thread, after work */
	struct lreq *next;
	struct lfh *fh, *fh2;
	struct lnode *node;
	struct lfd lfd;
	int err; /* of work */
	bool slow; /* cold.c */
	int kept_fd; /* of RENAME on a worker: what it replaced, for the I/O thread; -1: nothing */
	uint64_t kept_id;
	int open_flags;
	struct lkwait wait;
	size_t want;
	struct iovec iov[LREQ_IOV];
};

static inline struct local_thread *local_thread_of(const struct fs_req *req)
{
	return container_of(req->ft, struct local_thread, ft);
}

static inline struct lreq *local_lreq(const struct fs_req *req)
{
	return req->ctx;
}

static inline bool local_is_remote(const struct local_fs *lfs)
{
	return lfs->mounts[0].kind == LFS_REMOTE;
}

/* -errno, where "out of descriptors" is the table's fault, not the guest process's. */
int local_errno(void);
/*
 * After a failed call that makes a descriptor: true to try once more (EINTR, or descriptors ran out
 * and caches were emptied). tries starts at 0.
 */
bool local_again(struct local_thread *t, int *tries);

/* fdcache.c: I/O thread only */
int fdcache_init(struct lfdcache *cache, unsigned int nr_sets);
void fdcache_fini(struct lfdcache *cache);
/* -1: not there. The descriptor stays valid until the operation ends. */
int fdcache_get(struct local_thread *t, uint64_t nodeid);
/* Consumes fd; false (fd not consumed) when every way is in use by this operation. */
bool fdcache_put(struct local_thread *t, uint64_t nodeid, int fd, bool is_file);
void fdcache_evict(struct local_thread *t, uint64_t nodeid);
/* Closes all that the current operation does not use. */
void fdcache_drop(struct local_thread *t);
/* Consumes fd, of a file: kept as one that was used just now. */
void fdcache_keep(struct local_thread *t, uint64_t nodeid, int fd);
/* Closes files not used since the sweep before last; cheap when it is not time yet. */
void fdcache_sweep(struct local_thread *t);
/* When the next sweep is due; -1: nothing to sweep. */
int fdcache_timeout_ms(const struct local_thread *t);

/* node.c */
extern const struct nodetab_ops local_node_ops;
/* Main thread; sets root_fd's node and mount 0. 0 or -errno, what: the call that failed. */
int local_node_open_root(struct local_fs *lfs, const char **ret_what);
/* Pinned, or NULL (-ESTALE). Put it with local_node_put(). */
struct lnode *local_node_get(struct fs_req *req, uint64_t nodeid);
void local_node_put(struct fs_req *req, struct lnode *ln);
/* O_PATH descriptor of any node. 0 or -errno. Must run as root. */
int local_node_fd(struct local_thread *t, struct lnode *ln, struct lfd *ret_fd);
void local_fd_put(struct lfd *lfd);
/* A real open with flags, regular files and directories only. Descriptor or -errno. Root. */
int local_node_open(struct local_thread *t, struct lnode *ln, int flags);
enum lfskind local_node_kind(const struct local_fs *lfs, const struct lnode *ln);
/* One component, never through a link; a descriptor or -errno. */
int local_open_name(struct local_thread *t, int dirfd, const char *name, int flags, mode_t mode);
/* Finds or makes the node of fd (O_PATH or not), pinned, and fills entry without validity. */
int local_node_of_fd(struct local_thread *t, const struct lnode *parent, int fd,
		     struct fuse_entry_out *entry, struct lnode **ret_node);
/* Looks name (checked: one component) up below parent; as above. */
int local_node_of_name(struct local_thread *t, const struct lnode *parent, int dirfd,
		       const char *name, struct fuse_entry_out *entry, struct lnode **ret_node);
/* The node of name, pinned, if the guest may know it by its handle; else NULL. Never makes one. */
struct lnode *local_node_known(struct local_thread *t, int dirfd, const char *name);
/* Fills *req's entry reply's validity, grants the guest its reference, unpins, completes. */
void local_entry_done(struct fs_req *req, struct lnode *ln);
void local_attr_from_statx(const struct local_fs *lfs, struct fuse_attr *attr,
			   const struct statx *stx);
#define LOCAL_STATX_MASK (STATX_BASIC_STATS | STATX_MNT_ID | STATX_BTIME)
/* Path of a descriptor for calls that only take paths. buf: LOCAL_PROC_LEN. */
#define LOCAL_PROC_LEN 32
const char *local_proc_path(char *buf, int fd);
/* 0 or -errno: a name of one component. */
int local_check_name(const char *name);

/* fh.c: any thread */
int lfh_table_init(struct lfh_table *tab, uint32_t max);
void lfh_table_fini(struct lfh_table *tab);
/*
 * dir: NULL for a file, opened with these flags of open(), O_CREAT if it is new. Consumes fd and dir on success. 0 or
 * -ENFILE, -ENOMEM.
 */
int lfh_open(struct lfh_table *tab, int fd, int flags, enum lfskind kind, struct ldir *dir,
	     uint64_t *ret_fh);
/* NULL: unknown, stale or of the other kind (-EBADF). */
struct lfh *lfh_get(struct lfh_table *tab, uint64_t fh, bool is_dir);
/* f is pinned already. */
void lfh_pin_more(struct lfh *f);
void lfh_put(struct lfh_table *tab, struct lfh *f);
/*
 * The guest's reference goes; the descriptor closes when the last user is done. If that is so now,
 * *ret_fd is it, for the caller to close, else -1. *ret_large: of a file that may be large. false: no
 * such handle.
 */
bool lfh_close(struct lfh_table *tab, uint64_t fh, bool is_dir, int *ret_fd, bool *ret_large);
void lfh_close_all(struct lfh_table *tab);

/* dir.c */
void ldir_free(struct ldir *dir);

/* cred.c: state of the calling thread */
bool cred_can_switch(void);
/*
 * Once, before the others. The groups we were started with must not be added to a caller's, nor root's right
 * to exceed quotas.
 */
void cred_start(void);
/* Back to ourselves; one compare when nothing was switched. */
void cred_root(void);
/*
 * The caller's uid, gid and groups. strict: nothing else; otherwise CAP_DAC_OVERRIDE is kept for
 * guests that cannot tell us the caller's groups and have checked themselves. 0 or -errno.
 */
int cred_caller(const struct fs_req *req, bool strict);
/* New files get these bits not; 0 is what attach starts with. */
void cred_umask(mode_t mask);
/* Root that does not keep setuid and setgid bits over a write, truncate or open. 0 or -errno. */
int cred_root_kill(void);

/* ring.c */
int local_ring_init(struct local_thread *t);
void local_ring_fini(struct local_thread *t);
/*
 * A new entry for the call on fd, otherwise zero; never NULL: submits when the queue is full.
 * complete(req, result) runs once, on this thread, later.
 */
struct io_uring_sqe *local_ring_prep(struct local_thread *t, struct fs_req *req,
				     void (*complete)(struct fs_req *req, int res),
				     uint8_t opcode, int fd);
int local_ring_poll(struct local_thread *t);
/* Closes fd some time in this round, together with others. */
void local_close_later(struct local_thread *t, int fd);
/* The round ends. */
void local_close_round(struct local_thread *t);
/* Now. */
void local_close_all(struct local_thread *t);
/* rw.c: a round of the thread ends. */
void local_rw_round(struct local_thread *t);
/* In place, with lreq.want set; drops the pin of f. Root. Bytes or -errno. */
ssize_t local_rw_here(struct fs_req *req, struct lfh *f);
/* n: bytes or -errno; drops the pin of f. */
void local_rw_done(struct fs_req *req, struct lfh *f, ssize_t n);

/* map.c */
/* Is the request one that gains by waiting for others? */
bool local_map_wanted(struct local_thread *t, struct lfh *f, bool read, size_t want);
/* Keeps the request, with lreq.want set, until local_batch_run(). False: it cannot be. */
bool local_batch_add(struct local_thread *t, struct fs_req *req, struct lfh *f);
/* How many there were. */
int local_batch_run(struct local_thread *t);
void local_map_close(struct local_fs *lfs, struct lmap *m);

/* worker.c */
int local_worker_init(struct local_thread *t);
void local_worker_fini(struct local_thread *t);
/* Is there one at least? Starts more when all are busy. */
bool local_worker_ready(struct local_thread *t);
/*
 * work(req) on a worker, then worked(req, its result) here. work touches no per-thread state of t.
 * On a worker, and without one (none could be started), it runs in place.
 */
void local_work(struct local_thread *t, struct fs_req *req, int (*work)(struct fs_req *),
		void (*worked)(struct fs_req *, int err));
int local_worker_reap(struct local_thread *t);
/* The calling worker's own; NULL on other threads. */
struct local_thread *local_worker_self(void);
/* On a worker: lets the I/O thread poll, for a moment. */
void local_worker_await_poll(void);
/* Lets a worker close fd, if that frees so many blocks that it may take long; else false. */
bool local_close_away(struct local_thread *t, int fd);

/* cold.c */
/* What local_thread.cold begins with. */
unsigned int local_cold_start(const struct local_fs *lfs);
/* The slot in the table of operations that wait for nothing but the file system. */
void local_op_cold(struct fs_req *req);
/* fs_req_done() of those, which may run on a worker: fully done when they return. */
void local_done(struct fs_req *req, int err);

/* lock.c */
/* Waits that are over; completes them. Cheap when nothing is due. */
int local_lock_poll(struct local_thread *t);
int local_lock_timeout_ms(const struct local_thread *t);
/* Every wait of this thread ends with EINTR before this returns. */
void local_lock_cancel(struct local_thread *t);
/* The owner closed a file of the node: its locks go. */
void local_lock_flush(struct local_thread *t, uint64_t nodeid, uint64_t owner);
/* The file is closed for good: locks taken through it go. Before lfh_close(). */
void local_lock_release(struct local_thread *t, uint64_t nodeid, const struct fuse_release_in *in);
/* All go, all waits end. Any thread. */
void local_lock_reset(struct local_fs *lfs);

/* Operations; one function per slot of local.c's table. */
void local_op_lookup(struct fs_req *req);
void local_op_forget(struct fs_req *req);
void local_op_batch_forget(struct fs_req *req);
void local_op_getattr(struct fs_req *req);
void local_op_setattr(struct fs_req *req);
void local_op_statx(struct fs_req *req);
void local_op_readlink(struct fs_req *req);
void local_op_statfs(struct fs_req *req);
void local_op_access(struct fs_req *req);
void local_op_create(struct fs_req *req);
void local_op_tmpfile(struct fs_req *req);
void local_op_mknod(struct fs_req *req);
void local_op_mkdir(struct fs_req *req);
void local_op_symlink(struct fs_req *req);
void local_op_link(struct fs_req *req);
void local_op_remove(struct fs_req *req); /* UNLINK, RMDIR */
void local_op_rename(struct fs_req *req);
void local_op_open(struct fs_req *req);
void local_op_release(struct fs_req *req);
void local_op_flush(struct fs_req *req);
void local_op_fsync(struct fs_req *req);
void local_op_fallocate(struct fs_req *req);
void local_op_lseek(struct fs_req *req);
void local_op_copy_file_range(struct fs_req *req);
void local_op_syncfs(struct fs_req *req);
void local_op_ioctl(struct fs_req *req);
void local_op_getlk(struct fs_req *req);
void local_op_setlk(struct fs_req *req);
void local_op_setlkw(struct fs_req *req);
void local_op_interrupt(struct fs_req *req);
void local_op_read(struct fs_req *req);
void local_op_write(struct fs_req *req);
void local_op_opendir(struct fs_req *req);
void local_op_readdir(struct fs_req *req);
void local_op_readdirplus(struct fs_req *req);
void local_op_releasedir(struct fs_req *req);
void local_op_fsyncdir(struct fs_req *req);
void local_op_getxattr(struct fs_req *req);
void local_op_setxattr(struct fs_req *req);
void local_op_listxattr(struct fs_req *req);
void local_op_removexattr(struct fs_req *req);

/* Shared by OPEN and CREATE: flags of the guest -> flags of open(2). */
int local_open_flags(const struct local_fs *lfs, uint32_t guest_flags);
/* local_node_open(), without O_DIRECT where the file system has none: *flags says. */
int local_open_file(struct local_thread *t, struct lnode *ln, int *flags);
/* xattr.c: its options, at open. 0 or -errno with *err filled. */
int local_xattr_open(struct local_fs *lfs, const struct fs_config *cfg, char *err);
/* What the kernel does by itself where security.capability has its own name. */
void local_drop_caps(const struct local_fs *lfs, int fd);
/* The label the guest's kernel chose for a new object. fd: of any kind. Root. 0 or -errno. */
int local_set_label(struct fs_req *req, int fd);
/* Shared by OPEN and SETATTR: does cutting the file to size belong to the worker? */
bool local_truncate_is_slow(int fd, uint64_t size);

#endif
