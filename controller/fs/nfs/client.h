/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An NFSv3 client for one I/O thread, as the file system needs it: asynchronous calls by file
 * handle (RFC 1813), credentials per call, and nothing about connections. The engine below it can
 * be replaced.
 *
 * A lost connection or silent server is not an error of a call: calls are kept, sent again with
 * their transaction id after reconnecting, and complete when the server is back.
 *
 * Thread: everything but nfsc_*() on the client's I/O thread. done() runs from nfs_client_poll()
 * only.
 */
#ifndef FS_NFS_CLIENT_H
#define FS_NFS_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>
#include <time.h>

#define NFS_FH_MAX 64 /* NFS3_FHSIZE */
#define NFS_VERF_SIZE 8
#define NFS_MAX_GROUPS 16 /* AUTH_SYS, RFC 5531 */

struct thr;

struct nfs_fh {
	uint32_t len;
	uint8_t data[NFS_FH_MAX];
};

/* fattr3 with host types; type as S_IFMT bits in mode. */
struct nfs_attr {
	uint32_t mode, nlink, uid, gid, rdev_major, rdev_minor;
	uint64_t size, used, fsid, fileid;
	struct timespec atime, mtime, ctime;
};

/* What SETATTR and the creating calls set; bits say which. */
#define NFS_SET_MODE 0x01
#define NFS_SET_UID 0x02
#define NFS_SET_GID 0x04
#define NFS_SET_SIZE 0x08
#define NFS_SET_ATIME 0x10 /* to the given time */
#define NFS_SET_MTIME 0x20
#define NFS_SET_ATIME_NOW 0x40 /* to the server's time */
#define NFS_SET_MTIME_NOW 0x80
struct nfs_sattr {
	uint32_t set;
	uint32_t mode, uid, gid;
	uint64_t size;
	struct timespec atime, mtime;
};

struct nfs_cred {
	uint32_t uid, gid, ngroups;
	uint32_t groups[NFS_MAX_GROUPS];
};

/*
 * Procedure numbers of RFC 1813; then those of its companions, which go out under their own
 * numbers.
 */
enum nfs_proc {
	NFS_GETATTR = 1, NFS_SETATTR, NFS_LOOKUP, NFS_ACCESS, NFS_READLINK, NFS_READ, NFS_WRITE,
	NFS_CREATE, NFS_MKDIR, NFS_SYMLINK, NFS_MKNOD, NFS_REMOVE, NFS_RMDIR, NFS_RENAME, NFS_LINK,
	NFS_READDIR, NFS_READDIRPLUS, NFS_FSSTAT, NFS_FSINFO, NFS_PATHCONF, NFS_COMMIT,
	NFS_NR_PROCS,
	NFSACL_GETACL = NFS_NR_PROCS, NFSACL_SETACL, /* NFSACL v3, the server's NFS port */
	NLM_TEST, NLM_LOCK, NLM_CANCEL, NLM_UNLOCK, /* NLM v4, a connection of its own */
	NLM_GRANTED_RES, NLM_FREE_ALL,
	NFS_NR_CALLS
};
/* "GETATTR", ...: for statistics and messages. */
const char *nfs_proc_name(enum nfs_proc proc);

enum nfs_create_mode { NFS_UNCHECKED, NFS_GUARDED, NFS_EXCLUSIVE };

struct nfs_dirent {
	uint64_t fileid;
	uint64_t cookie;
	const char *name;
	bool has_attr, has_fh;
	struct nfs_attr attr;
	struct nfs_fh fh;
};

/* A POSIX ACL as NFSACL carries it, in the order of the wire; ids are numbers. */
#define NFS_ACL_MAX 1024 /* entries of an ACL, Linux' and Solaris' limit */
#define NFS_ACE_USER_OBJ 0x01
#define NFS_ACE_USER 0x02
#define NFS_ACE_GROUP_OBJ 0x04
#define NFS_ACE_GROUP 0x08
#define NFS_ACE_MASK 0x10
#define NFS_ACE_OTHER 0x20
#define NFS_ACE_DEFAULT 0x1000 /* or-ed in by the engine for those of a default ACL */
struct nfs_ace {
	uint32_t tag, id, perm;
};
/* Bits of nfs_call.acl_mask: what is asked for, or what is set. */
#define NFS_ACL_ACCESS 0x1
#define NFS_ACL_ACCESS_CNT 0x2
#define NFS_ACL_DEFAULT 0x4
#define NFS_ACL_DEFAULT_CNT 0x8
struct nfs_acl {
	uint32_t nr_access, nr_default;
	const struct nfs_ace *access, *dflt; /* nr_* entries */
};

/*
 * A byte range lock: the whole of it is read when the call is sent, so it must live until done(). GRANTED_RES: oh
 * is the cookie it answers, svid the enum nlm_stat; FREE_ALL: state alone.
 */
#define NFS_OH_MAX 64
struct nfs_lock {
	bool exclusive, block, reclaim;
	uint32_t svid; /* the owner's number among those of this host */
	uint32_t state; /* NSM state of this host */
	uint64_t offset, len; /* len 0: to the end, however far */
	uint32_t oh_len;
	uint8_t oh[NFS_OH_MAX]; /* owner handle: opaque to the server */
};

/* Status of NLM v4. */
enum nlm_stat { NLM_GRANTED, NLM_DENIED, NLM_DENIED_NOLOCKS, NLM_BLOCKED, NLM_DENIED_GRACE,
		NLM_DEADLCK, NLM_ROFS, NLM_STALE_FH, NLM_FBIG, NLM_FAILED };

/* wcc_attr: what the object was before the operation, as far as a cache can compare it. */
struct nfs_wcc {
	uint64_t size;
	struct timespec mtime, ctime;
};

/*
 * A call; embedded in the request that makes it. Arguments are read again when it is re-sent: what
 * they point to must live until done().
 */
struct nfs_call;
struct nfs_result {
	bool has_attr, has_fh; /* of the object (LOOKUP, CREATE: the new one) */
	bool has_dir_attr; /* LOOKUP, and all that change a directory: the directory, afterwards */
	bool has_dir2_attr; /* RENAME: the target directory; LINK: has_dir_attr is the directory's */
	bool has_wcc, has_dir_wcc, has_dir2_wcc; /* of the same three, before; also when err is set */
	struct nfs_attr attr, dir_attr, dir2_attr; /* attributes may come with an error, too */
	struct nfs_wcc wcc, dir_wcc, dir2_wcc;
	struct nfs_fh fh;
	uint32_t count; /* READ, WRITE */
	bool eof; /* READ, READDIR(PLUS) */
	bool file_sync; /* WRITE: on stable storage already */
	uint8_t verf[NFS_VERF_SIZE]; /* WRITE, COMMIT: write verifier; READDIR(PLUS): cookie verifier */
	uint32_t access;
	const char *target; /* READLINK; during done() only */
	uint64_t tbytes, fbytes, abytes, tfiles, ffiles, afiles; /* FSSTAT */
	uint32_t rtmax, rtpref, rtmult, wtmax, wtpref, wtmult, dtpref; /* FSINFO */
	uint64_t max_file_size; /* FSINFO */
	struct timespec time_delta; /* FSINFO: granularity of the server's times */
	uint32_t properties; /* FSINFO: FSF3_* of RFC 1813 */
	uint32_t name_max, link_max; /* PATHCONF */
	bool no_trunc, chown_restricted, case_insensitive, case_preserving; /* PATHCONF */
	struct nfs_acl acl; /* GETACL: during done() only */
	uint32_t acl_mask; /* GETACL: NFS_ACL_* that came */
	/*
	 * NLM: err is 0 for GRANTED, -EAGAIN DENIED, -EINPROGRESS BLOCKED, -ENOLCK no locks to be
	 * had,
	 * -EDEADLK, -EROFS, -ESTALE, -EFBIG; -EBUSY a grace period (only for a reclaiming call when there
	 * is none, otherwise the engine waits for its end). TEST: err 0 and who holds it if locked.
	 */
	enum nlm_stat nlm_stat;
	bool locked; /* TEST: by holder */
	struct nfs_lock holder; /* exclusive, svid, offset, len, oh */
	bool resent; /* the call went out more than once: it may have been executed before */
};

struct nfs_call {
	enum nfs_proc proc;
	const struct nfs_cred *cred;
	const struct nfs_fh *fh; /* object or directory */
	const char *name;
	const struct nfs_fh *fh2; /* RENAME target directory, LINK directory */
	const char *name2; /* RENAME, LINK */
	const char *target; /* SYMLINK */
	uint64_t offset; /* READ WRITE COMMIT; READDIR(PLUS): cookie */
	uint32_t count; /* READ WRITE COMMIT; READDIR(PLUS): maxcount */
	uint32_t dircount; /* READDIRPLUS: bytes of names and cookies; 0: count */
	const struct iovec *iov; /* READ: filled; WRITE: sent */
	int iovcnt;
	size_t iov_off; /* bytes of iov to leave out at its start */
	bool stable; /* WRITE: to stable storage before the reply */
	uint32_t access; /* ACCESS */
	struct nfs_sattr sattr;
	const struct timespec *guard; /* SETATTR: only if this is its ctime; NULL: always */
	enum nfs_create_mode create_mode;
	uint32_t mode; /* MKNOD: S_IFMT bits */
	uint32_t rdev_major, rdev_minor;
	uint8_t verf[NFS_VERF_SIZE]; /* EXCLUSIVE CREATE; READDIR(PLUS) */
	uint32_t acl_mask; /* GETACL, SETACL */
	const struct nfs_acl *acl; /* SETACL */
	const struct nfs_lock *lock; /* NLM_* */
	/*
	 * Not kept over a server's failure: ends with -ETIMEDOUT after timeo * (retrans + 1), as
	 * with soft.
	 */
	bool soft;
	uint64_t tag; /* whose it is, for struct nfs_intr; 0: nobody's */
	bool background; /* nobody waits for it: nfs_client_abort() leaves it alone */

	/* One per entry, before done(); false: leave the rest. READDIR(PLUS) only. */
	bool (*entry)(struct nfs_call *call, const struct nfs_dirent *ent);
	/* err: 0 or -errno of the server's status; res is valid during the call. */
	void (*done)(struct nfs_call *call, int err, const struct nfs_result *res);

	/* the engine's */
	TAILQ_ENTRY(nfs_call) link;
	LIST_ENTRY(nfs_call) xid_link;
	struct nfs_client *client;
	struct rpc_conn *conn;
	uint64_t start_ns, sent_ns; /* given to the engine; sent last, or to be sent again */
	uint64_t lost_ns; /* since when the whole of it that was sent last is given up; 0: never */
	uint64_t patient_ns; /* soft: since when there is no answer, "later" being one */
	uint64_t sent_end; /* where it ends in its connection's stream */
	uint32_t sent_len; /* bytes of it on the wire */
	uint32_t xid;
	int err; /* given up with it */
	uint8_t where; /* which list it is in */
	uint8_t went_out; /* enum rpc_went: whole, without an answer */
	bool resent; /* more than once, and at least one of them before now was whole */
	uint8_t refused; /* times the RPC layer said no */
	uint8_t retries, delays; /* timeouts, JUKEBOX answers so far */
};

struct nfs_mount_opts {
	const char *server; /* name or address, for messages and lookup */
	const char *export_path;
	uint16_t nfs_port; /* 0: ask the portmapper */
	uint16_t mount_port; /* 0: ask the portmapper */
	uint32_t rsize, wsize; /* 0: the server's maximum */
	bool sync; /* every WRITE to stable storage */
	unsigned int timeo_ms; /* silence after which a call is sent again */
	unsigned int retrans; /* times that is done before a soft call fails */
	enum nfs_softness { NFS_HARD, NFS_SOFT, NFS_SOFTERR } soft; /* for ever; then EIO; ETIMEDOUT */
	unsigned int nconnect; /* TCP connections a thread; 0: 1 */
	int family; /* proto=tcp6: AF_INET6, proto=tcp: AF_INET; 0: what the name resolves to */
	bool noresvport; /* do not even try to use a port below 1024 */
	uint16_t nlm_port; /* 0: ask the portmapper when the first lock is wanted */
	uint16_t callback_port; /* where the server calls us, TCP and UDP; 0: any */
};
#define NFS_MAX_NCONNECT 16

/*
 * Tags of calls whose callers were interrupted, by any thread. That says little: FUSE tells of
 * every signal, fatal or not, and system calls on files do not end with EINTR because of an alarm.
 * So it counts only when the server is not responding: then such calls end with -EINTR, and a
 * process can be killed. The oldest are forgotten. Zeroed is empty.
 */
#define NFS_MAX_INTR 64
struct nfs_intr {
	uint64_t tag[NFS_MAX_INTR]; /* atomic */
	uint32_t next; /* atomic */
};
void nfs_intr_note(struct nfs_intr *intr, uint64_t tag);
bool nfs_intr_has(const struct nfs_intr *intr, uint64_t tag);
/* A new session counts from the beginning. */
void nfs_intr_clear(struct nfs_intr *intr);

/* What nfsc_mount() found out; const afterwards, shared by all clients of it. */
struct nfs_mount {
	struct nfs_mount_opts opts;
	char address[64]; /* numeric: later connections look nothing up */
	uint16_t nfs_port;
	struct nfs_fh root;
	struct nfs_attr root_attr;
	uint32_t rtmax, wtmax, dtpref, name_max;
	uint32_t link_max, properties;
	uint64_t max_file_size; /* 0: not known */
	struct timespec time_delta;
	bool no_trunc, chown_restricted, case_insensitive, case_preserving;
	struct nfs_intr *intr; /* the user's, before clients are created; NULL: none */
};

/*
 * Resolves, mounts (MOUNT v3), asks FSINFO and PATHCONF. Blocks for at most 10 s. 0 or -errno with
 * a sentence for the operator in err[0..err_len).
 */
int nfsc_mount(const struct nfs_mount_opts *opts, struct nfs_mount *ret_mnt, char *err,
	      size_t err_len);

/* Tells the server, which takes the mount off its list: best effort, blocks for at most 1 s. */
void nfsc_umount(const struct nfs_mount *mnt);

/* Counters as in /proc/self/mountstats: written by the client's thread, read by any (relaxed). */
struct nfs_op_stats {
	uint64_t ops, trans, timeouts, errors; /* trans - ops: retransmissions */
	uint64_t bytes_sent, bytes_recv;
	uint64_t queue_ns, rtt_ns, exec_ns; /* waiting to be sent; sent to answer; all in all */
};
struct nfs_stats {
	struct nfs_op_stats op[NFS_NR_CALLS]; /* by enum nfs_proc; 0: unused */
	uint64_t connects, drops, bad_xids, jukebox, cancels;
	uint64_t sends, recvs; /* system calls */
};

struct nfs_client;
int nfs_client_create(const struct nfs_mount *mnt, struct thr *thr, struct nfs_client **ret_client);
/* No call is outstanding. NULL is fine. */
void nfs_client_destroy(struct nfs_client *client);
/* Queues a call; done() comes exactly once, from nfs_client_poll(). */
void nfs_client_call(struct nfs_client *client, struct nfs_call *call);
/*
 * Gives a call up: done() comes with -EINTR from the next nfs_client_poll(), or with its result if
 * that was there already; its buffers are not touched after done(). Whether the server did it is
 * not known.
 */
void nfs_client_cancel(struct nfs_client *client, struct nfs_call *call);
/*
 * Nobody waits for the calls that are out any more: those in the background go on, the others end
 * with -EINTR if they are not answered within a second, and so do those that are made before all of
 * them have ended.
 */
void nfs_client_abort(struct nfs_client *client);
/* Sends, receives, reconnects. 0: there was nothing to do. */
int nfs_client_poll(struct nfs_client *client);
/* When nfs_client_poll() must run again, ms; -1: when its descriptor says so. */
int nfs_client_timeout_ms(const struct nfs_client *client);
/* Calls are out, and the last ones were answered within that time. */
bool nfs_client_soon(const struct nfs_client *client, uint64_t ns);
/* Adds the client's counters to *sum. Any thread. */
void nfs_client_stats(const struct nfs_client *client, struct nfs_stats *sum);
/*
 * Counts the connections made to the server's program (NFS, or with nlm its lock manager): a
 * changed number says that the server may have restarted. Any thread.
 */
uint32_t nfs_client_epoch(const struct nfs_client *client, bool nlm);

#endif
