/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a file system is to the controller: one const table of asynchronous operations that take the
 * kernel's own FUSE structs, already copied out of guest memory and checked for length.
 *
 * Theory of operation
 *
 *   struct fs          one per device; opened on the main thread or for it (may block), closed there
 *   struct fs_thread   one per (fs, I/O thread); attached and detached on that thread
 *   struct fs_req      one per request; lives in the request object of the library, never allocated
 *
 * fs_submit() is the choke point in: it calls ops->op[opcode], or answers for a missing
 * one. fs_req_done() is the choke point out: exactly once per request, from the thread it was
 * submitted on, from inside the operation or any time later. Operations run on I/O threads and must
 * not block for longer than the kernel's page cache does; what may block goes through io_uring or a
 * socket, and completes from ops->poll().
 *
 * Several I/O threads serve one fs at the same time: everything reached from struct fs is shared.
 *
 * Wrappers (readonly, nullio, log, delay, error) are file systems that have another below them:
 * they set fs->lower and pass requests on with fs_submit_lower().
 */
#ifndef FS_FS_H
#define FS_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/util.h"
#include "doca_devemu_vfs_fuse_kernel.h"

#define FS_MAX_LAYERS 4 /* wrappers of fs_config.wrap: the others do not wait for results */
#define FS_OP_LIMIT 64 /* opcodes 1..63 */
#define FS_NGROUPS_MAX 32 /* supplementary groups carried per request */

struct fs;
struct fs_thread;
struct fs_req;
struct thr;

enum fs_cache_mode { FS_CACHE_NONE, FS_CACHE_AUTO, FS_CACHE_METADATA, FS_CACHE_ALWAYS };

/* From the command line or one "filesystem" object of the JSON config; strings live as long as
 * the fs. */
struct fs_config {
	const char *type; /* "local", "nfs", "null" */
	const char *dir; /* local: exported directory */
	const char *server; /* nfs */
	const char *export_path; /* nfs */
	const char *options; /* nfs(5)-style "key=value,key,..." or NULL */
	bool readonly;
	bool null_io; /* DOCA_VIRTIOFS_USE_NULL_NFS_FSDEV: READ and WRITE touch nothing */
	enum fs_cache_mode cache;
	/* local, as the options of these names; see conf_local.def */
	bool no_posix_lock, no_flock;
	bool posix_acl, security_label, no_killpriv_v2, writeback, allow_direct_io, no_mapped_io;
	bool no_submounts, no_readdirplus, no_file_handles;
	const char *translate_uid, *translate_gid; /* rules of virtiofsd, with commas; or NULL */
	const char *xattrmap; /* rules of virtiofsd; or NULL */
	bool bounced; /* requests go through buffers of at most FS_MAX_IO bytes */
	unsigned int sharers; /* devices of the process, for its limits; 0: this one */
	unsigned int queue_size; /* of the device; 0: unknown. What waits keeps a place in one. */
	const char *state_dir; /* where a back end may keep journals, or NULL */
	const char *wrap; /* instruments, "log,delay=2ms,error=1%", outermost first, or NULL */
	const char *arg; /* given to a wrapper: what follows its name and "=", or NULL */
};

/* Validity times and open flags that follow from the cache mode (fs.c). */
struct fs_cache {
	uint64_t entry_ns; /* dentry validity */
	uint64_t attr_ns; /* attribute validity */
	uint64_t negative_ns; /* validity of "no such name" */
	uint32_t open_flags; /* FOPEN_DIRECT_IO / FOPEN_KEEP_CACHE for regular files */
};

struct fs {
	const struct fs_ops *ops;
	struct fs *lower; /* wrappers only */
	struct fs_cache cache;
	uint64_t init_flags; /* FUSE_* INIT flags (flags2 << 32) the fs can honour; set by open() */
	uint64_t session_flags; /* agreed with the guest in INIT; written before the reply */
	uint32_t max_io; /* largest READ/WRITE payload in bytes, a multiple of 4096 */
};

struct fs_thread {
	struct fs *fs;
	struct fs_thread *lower; /* wrappers only */
	struct thr *thr;
	unsigned int index; /* of the thread, 0.. */
};

/* A request. Input is const for the fs; "reply" is the fs's to fill before fs_req_done(req, 0). */
struct fs_req {
	struct fs_thread *ft; /* the current layer's */
	const struct fuse_in_header *in; /* uid, gid, pid, nodeid, unique, opcode */
	union { /* fixed argument by opcode; NULL for opcodes without one */
		const void *arg;
		const struct fuse_forget_in *forget;
		const struct fuse_batch_forget_in *batch_forget;
		const struct fuse_getattr_in *getattr;
		const struct fuse_setattr_in *setattr;
		const struct fuse_mknod_in *mknod;
		const struct fuse_mkdir_in *mkdir;
		const struct fuse_rename_in *rename;
		const struct fuse_rename2_in *rename2; /* also given for RENAME, flags 0 */
		const struct fuse_link_in *link;
		const struct fuse_open_in *open;
		const struct fuse_create_in *create;
		const struct fuse_release_in *release;
		const struct fuse_flush_in *flush;
		const struct fuse_read_in *read;
		const struct fuse_write_in *write;
		const struct fuse_fsync_in *fsync;
		const struct fuse_setxattr_in *setxattr;
		const struct fuse_getxattr_in *getxattr;
		const struct fuse_access_in *access;
		const struct fuse_init_in *init;
		const struct fuse_interrupt_in *interrupt;
		const struct fuse_ioctl_in *ioctl;
		const struct fuse_fallocate_in *fallocate;
		const struct fuse_lseek_in *lseek;
		const struct fuse_copy_file_range_in *copy_file_range;
		const struct fuse_syncfs_in *syncfs;
		const struct fuse_lk_in *lk;
		const struct fuse_statx_in *statx;
	};
	const char *name[2]; /* NULL, or checked: entries 1..NAME_MAX, not "." nor ".." */
	/* Bytes from the guest that follow: WRITE payload, SETXATTR value, IOCTL input,
	 * forget_one[]. The memory is the guest's and may change under you: copy before you
	 * judge. */
	const struct iovec *data;
	int data_cnt;
	size_t data_len;
	/* Room for bytes to the guest: READ, READDIR(PLUS), GET-, LISTXATTR, READLINK, IOCTL. */
	const struct iovec *room;
	int room_cnt;
	size_t room_len;
	uint32_t ngroups; /* supplementary groups the guest sent (create operations) */
	gid_t groups[FS_NGROUPS_MAX];
	/* Security label of what is created: name of the attribute (NULL: none) and its value. */
	const char *label_name;
	const void *label;
	size_t label_len;

	/* reply */
	union { /* zeroed; adjacent to the reply header */
		void *reply;
		struct fuse_entry_out *entry; /* LOOKUP MKNOD MKDIR SYMLINK LINK CREATE */
		struct fuse_attr_out *attr;
		struct fuse_open_out *opened; /* OPEN OPENDIR */
		struct fuse_write_out *written; /* WRITE COPY_FILE_RANGE */
		struct fuse_statfs_out *statfs;
		struct fuse_getxattr_out *xattr_size; /* GETXATTR LISTXATTR with size == 0 */
		struct fuse_init_out *inited;
		struct fuse_ioctl_out *ioctl_out;
		struct fuse_lseek_out *sought;
		struct fuse_lk_out *lk_out;
		struct fuse_statx_out *statx_out;
		struct fuse_copy_file_range_out *copied; /* COPY_FILE_RANGE_64 */
	};
	struct fuse_open_out *create_open; /* CREATE's second half */
	size_t out_len; /* bytes put into room; 0 at start */
	bool direct; /* data and room are the guest's own memory, not a bounce buffer */

	/* ops->req_ctx_size bytes, uninitialised, 64-aligned: the wrappers' on the way down, in
	 * turn, and the file system's from its operation on. */
	void *ctx;

	/* fs.c's own */
	struct {
		void (*fn)(struct fs_req *req, int err);
		struct fs_thread *ft;
		uint64_t data;
	} layer[FS_MAX_LAYERS]; /* wrappers waiting for the result */
	uint8_t nr_layers;
	uint64_t layer_data; /* of the one that runs */
};

struct fs_ops {
	const char *name;
	size_t req_ctx_size;

	/*
	 * Main thread. 0 or -errno; on error *err (FS_ERR_LEN bytes) says what failed and what to
	 * do about it, in one sentence naming the thing and the value.
	 */
	int (*open)(const struct fs_config *cfg, struct fs **ret_fs, char *err);
	/* Main thread, after every thread was detached. */
	void (*close)(struct fs *fs);

	/* On the I/O thread. ft->fs, thr and index are set by the caller; the fs allocates its
	 * own struct around it. attach may block. */
	int (*attach)(struct fs *fs, struct thr *thr, unsigned int index,
		      struct fs_thread **ret_ft);
	/* No request is outstanding. */
	void (*detach)(struct fs_thread *ft);
	/*
	 * Submits what is queued (one system call for a batch) and completes what is done. Called
	 * once per round of the thread's loop and before it sleeps: must be cheap when nothing is
	 * in flight. Returns the number of completions handled. NULL: nothing asynchronous.
	 */
	int (*poll)(struct fs_thread *ft);
	/* Longest the thread may sleep before poll() must run, in ms; -1: no limit. NULL: -1. */
	int (*timeout_ms)(struct fs_thread *ft);
	/* What it waits for usually comes within FS_SOON_NS: better polled for than slept. NULL: no. */
	bool (*soon)(struct fs_thread *ft);

	/*
	 * On the I/O thread: the device is being stopped or reset, and nobody waits for the requests
	 * that are out on this thread. Those that wait for somebody's will (a lock) or for a server
	 * that may be away for long still end, with whatever error, but soon. NULL: they do in any case.
	 */
	void (*cancel)(struct fs_thread *ft);

	/*
	 * The guest is gone, was reset, or started a new session (INIT) or ended it (DESTROY):
	 * every node id and file handle given out is forgotten. On any thread; other threads have
	 * no request of the old session any more except from a hostile guest.
	 */
	void (*reset)(struct fs *fs);

	/* Any thread, while the fs is open: calls emit for each counter it keeps. NULL: none. */
	void (*stats)(struct fs *fs,
		      void (*emit)(void *arg, const char *object, const char *counter, uint64_t value),
		      void *arg);

	void (*op[FS_OP_LIMIT])(struct fs_req *req);
};

#define FS_ERR_LEN 512
/* An answer of a server in the same rack; sleeping and waking up may take half of it. */
#define FS_SOON_NS 200000

/* NULL for an unknown name. */
const struct fs_ops *fs_find(const char *type);

/*
 * Choke points; see above. err: 0 or -errno. fs_submit() starts at req->ft. A wrapper passes on
 * with fs_submit_lower(); with a fn it gets the result first, req->ft being its own again, and ends
 * with fs_req_done(). data is a word the wrapper finds again in req->layer_data when fn runs.
 * Finishing the outermost layer calls req_finish() of the data path (request.h).
 */
void fs_submit(struct fs_req *req);
void fs_submit_lower(struct fs_req *req, void (*fn)(struct fs_req *req, int err), uint64_t data);
void fs_req_done(struct fs_req *req, int err);

/* The data path's end of a request; implemented by request.c (and by test harnesses). */
void req_finish(struct fs_req *req, int err);

/* Opens the type of cfg with the wrappers it asks for (null_io, readonly, wrap) on it. */
int fs_open(const struct fs_config *cfg, struct fs **ret_fs, char *err);
void fs_close(struct fs *fs); /* the whole stack; NULL is fine */
int fs_attach(struct fs *fs, struct thr *thr, unsigned int index, struct fs_thread **ret_ft);
void fs_detach(struct fs_thread *ft); /* the whole stack; NULL is fine */
int fs_poll(struct fs_thread *ft); /* ops->poll() of the whole stack */
int fs_timeout_ms(struct fs_thread *ft);
bool fs_soon(struct fs_thread *ft);
/* Counters of the whole stack, beyond those of requests: of an NFS server's connections, say. */
void fs_stats(struct fs *fs,
	      void (*emit)(void *arg, const char *object, const char *counter, uint64_t value), void *arg);
void fs_cancel(struct fs_thread *ft); /* ops->cancel() of the whole stack; NULL is fine */
void fs_reset(struct fs *fs);
size_t fs_req_ctx_size(void); /* largest of all types: request objects are sized by it */

/* Copies to/from the guest's segments; returns bytes copied (bounded by both). */
/* Appends to room and counts out_len. */
size_t fs_req_put(struct fs_req *req, const void *src, size_t len);
size_t fs_req_get(const struct fs_req *req, size_t off, void *dst, size_t len);
/* The first len bytes of room (from out_len on) or data as a new iovec array; returns its count. */
int fs_iov_slice(const struct iovec *iov, int cnt, size_t off, size_t len, struct iovec *ret,
		 int max);

/*
 * Directory records. fs_dirent_add returns false, and adds nothing, when the record does not fit:
 * the fs then stops and that entry comes with the next call. off is the cookie *behind* this entry.
 * plus: entry of READDIRPLUS, or NULL for READDIR.
 */
bool fs_dirent_add(struct fs_req *req, const char *name, size_t name_len, uint64_t ino,
		   uint32_t type, uint64_t off, const struct fuse_entry_out *plus);
bool fs_dirent_fits(const struct fs_req *req, size_t name_len, bool plus);

/* entry/attr validity from fs->cache. */
void fs_entry_set_valid(const struct fs *fs, struct fuse_entry_out *entry);
void fs_attr_set_valid(const struct fs *fs, struct fuse_attr_out *attr);

/*
 * The I/O thread, for file systems with descriptors of their own: ready() runs on that thread when
 * fd polls for events (EPOLLIN, EPOLLOUT), level triggered, only while the thread sleeps or is
 * idle.
 */
struct thr_watch {
	int fd;
	uint32_t events;
	void (*ready)(struct thr_watch *w, uint32_t revents);
};
int thr_watch_add(struct thr *thr, struct thr_watch *w);
int thr_watch_modify(struct thr *thr, struct thr_watch *w, uint32_t events);
void thr_watch_remove(struct thr *thr, struct thr_watch *w);

#endif
