/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An NFSv3 client for one I/O thread, as the file system needs it: asynchronous calls by file handle
 * (RFC 1813), credentials per call, and nothing about connections. The engine below it can be replaced.
 *
 * A lost connection or silent server is not an error of a call: calls are kept, sent again with their
 * transaction id after reconnecting, and complete when the server is back.
 *
 * Thread: everything but nfsc_mount() on the client's I/O thread. done() runs from nfs_client_poll() only.
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

/* Procedure numbers of RFC 1813. */
enum nfs_proc {
	NFS_GETATTR = 1, NFS_SETATTR, NFS_LOOKUP, NFS_ACCESS, NFS_READLINK, NFS_READ, NFS_WRITE,
	NFS_CREATE, NFS_MKDIR, NFS_SYMLINK, NFS_MKNOD, NFS_REMOVE, NFS_RMDIR, NFS_RENAME, NFS_LINK,
	NFS_READDIR, NFS_READDIRPLUS, NFS_FSSTAT, NFS_FSINFO, NFS_PATHCONF, NFS_COMMIT,
	NFS_NR_PROCS
};

enum nfs_create_mode { NFS_UNCHECKED, NFS_GUARDED, NFS_EXCLUSIVE };

struct nfs_dirent {
	uint64_t fileid;
	uint64_t cookie;
	const char *name;
	bool has_attr, has_fh;
	struct nfs_attr attr;
	struct nfs_fh fh;
};

/*
 * A call; embedded in the request that makes it. Arguments are read again when it is re-sent: what they
 * point to must live until done().
 */
struct nfs_call;
struct nfs_result {
	bool has_attr, has_fh; /* of the object (LOOKUP, CREATE: the new one) */
	bool has_dir_attr;
	struct nfs_attr attr, dir_attr;
	struct nfs_fh fh;
	uint32_t count; /* READ, WRITE */
	bool eof; /* READ, READDIR(PLUS) */
	bool file_sync; /* WRITE: on stable storage already */
	uint8_t verf[NFS_VERF_SIZE]; /* WRITE, COMMIT: write verifier; READDIR(PLUS): cookie verifier */
	uint32_t access;
	const char *target; /* READLINK; during done() only */
	uint64_t tbytes, fbytes, abytes, tfiles, ffiles, afiles; /* FSSTAT */
	uint32_t rtmax, wtmax, dtpref; /* FSINFO */
	uint32_t name_max; /* PATHCONF */
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
	const struct iovec *iov; /* READ: filled; WRITE: sent */
	int iovcnt;
	size_t iov_off; /* bytes of iov to leave out at its start */
	bool stable; /* WRITE: to stable storage before the reply */
	uint32_t access; /* ACCESS */
	struct nfs_sattr sattr;
	enum nfs_create_mode create_mode;
	uint32_t mode; /* MKNOD: S_IFMT bits */
	uint32_t rdev_major, rdev_minor;
	uint8_t verf[NFS_VERF_SIZE]; /* EXCLUSIVE CREATE; READDIR(PLUS) */

	/* One per entry, before done(); false: leave the rest. READDIR(PLUS) only. */
	bool (*entry)(struct nfs_call *call, const struct nfs_dirent *ent);
	/* err: 0 or -errno of the server's status; res is valid during the call. */
	void (*done)(struct nfs_call *call, int err, const struct nfs_result *res);

	/* the engine's */
	TAILQ_ENTRY(nfs_call) link;
	struct nfs_client *client;
	uint64_t sent_ns;
	uint32_t xid;
	bool resent;
	uint8_t refused; /* times the RPC layer said no */
};

struct nfs_mount_opts {
	const char *server; /* name or address, for messages and lookup */
	const char *export_path;
	uint16_t nfs_port; /* 0: ask the portmapper */
	uint16_t mount_port; /* 0: ask the portmapper */
	uint32_t rsize, wsize; /* 0: the server's maximum */
	bool sync; /* every WRITE to stable storage */
	unsigned int timeo_ms; /* silence after which a server is "not responding" */
};

/* What nfsc_mount() found out; const afterwards, shared by all clients of it. */
struct nfs_mount {
	struct nfs_mount_opts opts;
	char address[64]; /* numeric: later connections look nothing up */
	uint16_t nfs_port;
	struct nfs_fh root;
	struct nfs_attr root_attr;
	uint32_t rtmax, wtmax, dtpref, name_max;
};

/*
 * Resolves, mounts (MOUNT v3), asks FSINFO and PATHCONF. Blocks for at most 10 s. 0 or -errno with a
 * sentence for the operator in err[0..err_len).
 */
int nfsc_mount(const struct nfs_mount_opts *opts, struct nfs_mount *ret_mnt, char *err,
	      size_t err_len);

struct nfs_client;
int nfs_client_create(const struct nfs_mount *mnt, struct thr *thr, struct nfs_client **ret_client);
/* No call is outstanding. NULL is fine. */
void nfs_client_destroy(struct nfs_client *client);
/* Queues a call; done() comes exactly once, from nfs_client_poll(). */
void nfs_client_call(struct nfs_client *client, struct nfs_call *call);
/* Sends, receives, reconnects. Number of calls completed. */
int nfs_client_poll(struct nfs_client *client);
/* When nfs_client_poll() must run again, ms; -1: when its descriptor says so. */
int nfs_client_timeout_ms(const struct nfs_client *client);

#endif
