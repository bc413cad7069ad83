/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole file system in memory behind the NFS server of the tests (../fs/nfs_fake.h): real semantics of
 * NFSv3, a duplicate request cache, data that is volatile until COMMIT, restarts that forget it, and faults by
 * chance, from a seed.
 *
 * Theory of operation: memfs_handle() is a handler of the fake. Each file has its data twice: as the server
 * shows it, and as a restart would find it. An UNSTABLE WRITE changes the first, COMMIT copies it to the
 * second, everything else changes both. Before a call is served the dice are rolled for an error; behind it,
 * for what happens to the reply.
 *
 * Thread: the fake's; the functions here may be called from any other, one lock covers all.
 */
#ifndef TESTS_NFS_MEMFS_H
#define TESTS_NFS_MEMFS_H

#include "../fs/nfs_fake.h"

#define MEMFS_INODES 4096
#define MEMFS_HUGE "huge" /* a directory in the root that has memfs_huge() names and nothing behind them */

/* What may go wrong, each in so many of 1000 calls. */
enum memfs_fault {
	FAULT_DROP_CALL, /* not executed, not answered */
	FAULT_DROP_REPLY, /* executed, not answered */
	FAULT_CLOSE, /* executed, then the connection is closed */
	FAULT_CLOSE_BEFORE,
	FAULT_DELAY, /* the reply comes up to 20 ms later, behind others */
	FAULT_TWICE, /* the reply comes twice */
	FAULT_RESTART, /* new write verifier, volatile data and duplicate request cache gone, connections closed */
	FAULT_JUKEBOX,
	FAULT_SHORT_READ,
	FAULT_SHORT_WRITE,
	FAULT_SYNC_WRITE, /* an UNSTABLE WRITE goes to stable storage */
	FAULT_NEW_VERF, /* READDIR: the directory's cookie verifier changes */
	FAULT_BARE, /* no attributes, no handles in the reply */
	/* Faults that the guest sees. */
	FAULT_NOSPC, /* WRITE */
	FAULT_DQUOT, /* WRITE */
	FAULT_IO, /* COMMIT */
	FAULT_STALE, /* whatever uses a handle, but the root's */
	/* Nonsense on the wire. */
	FAULT_TRUNCATE, /* the record says less than there is */
	FAULT_CORRUPT, /* bits flipped behind the RPC header */
	FAULT_OVERSIZE, /* a record of 2 GiB is announced */
	FAULT_GARBAGE, /* a record of random bytes */
	NR_FAULTS
};

#define MEMFS_ACES 32
struct memfs_acl {
	uint32_t nr, ace[MEMFS_ACES][3]; /* tag, id, permissions */
};

struct memfs_inode {
	uint32_t mode; /* 0: free */
	uint32_t gen, nlink, uid, gid, rdev[2];
	uint64_t size, room; /* of data */
	uint8_t *data;
	uint64_t stable_size; /* what a restart finds */
	uint8_t *stable;
	char *target;
	uint64_t mtime, ctime, atime; /* ns */
	uint64_t excl; /* verifier of an exclusive CREATE; 0: none */
	struct memfs_entry *entries;
	uint32_t nr_entries, max_entries, parent;
	uint64_t next_cookie, verf, fsid;
	struct memfs_acl acl[2]; /* access, default */
};

#define MEMFS_LOCKS 256
struct memfs_lock {
	uint32_t ino, svid, exclusive; /* ino 0: none */
	uint64_t start, end; /* end not included */
};

/* How it tells who waits that a lock is free; NEVER: it does not let anybody wait. */
enum memfs_grant { GRANT_NEVER, GRANT_CALL, GRANT_MSG, GRANT_UDP, GRANT_LOST };

/* A lock somebody waits for, as it was asked for. */
struct memfs_waiter {
	struct memfs_lock lock; /* ino 0: none */
	uint8_t fh[64], oh[64];
	uint32_t fh_len, oh_len;
};

/* memfs_nlm.c */
struct memfs_nlm {
	enum memfs_grant how;
	uint16_t tcp, udp; /* of the client's lock manager */
	struct memfs_waiter wait[16], last; /* last: granted */
	int fd; /* of the last GRANTED, whose answer comes there; -1: none */
	unsigned int asked, blocked, cancels, free_alls, answers; /* calls so far; answers: GRANTED_RES */
	uint32_t answer; /* status of the last */
};

struct memfs {
	pthread_mutex_t lock;
	struct memfs_inode ino[MEMFS_INODES];
	uint32_t next_gen;
	uint64_t verf, cookie_base;
	uint64_t huge; /* names in MEMFS_HUGE */
	uint32_t rtmax, wtmax;
	bool no_plus; /* READDIRPLUS is not supported */
	bool no_acl; /* nor is NFSACL */
	bool grace; /* only locks that are reclaimed are given */
	struct memfs_lock locks[MEMFS_LOCKS];
	struct memfs_nlm nlm;
	unsigned int fault[NR_FAULTS], hits[NR_FAULTS];
	unsigned int restarts, seed, drc_hits, calls;
	uint64_t limit; /* bytes all files may have; 0: no limit */
	uint64_t used;
	struct memfs_drc *drc; /* duplicate request cache, a ring */
	unsigned int drc_next;
	uint32_t last_uid, last_gid, last_ngroups; /* of the last call */
};

/* One at a time in a process: the fake's handlers take no argument of ours. */
struct memfs *memfs_start(struct fake *f, unsigned int seed);
void memfs_stop(struct fake *f);
enum fake_verdict memfs_handle(struct fake *f, struct fake_call *c);

/* From the test's thread. */
void memfs_set_fault(struct memfs *m, enum memfs_fault fault, unsigned int per_mille);
void memfs_no_faults(struct memfs *m);
unsigned int memfs_hits(struct memfs *m, enum memfs_fault fault);
/* Restart now: forget what is not stable, close the connections. */
void memfs_restart(struct fake *f, struct memfs *m);
/* Inode of "a/b/c"; 0: none. */
uint32_t memfs_find(struct memfs *m, const char *path);
/* What a restart would find of a file: copies up to len bytes; its size, or -1 if there is no such file. */
int64_t memfs_stable(struct memfs *m, const char *path, void *buf, size_t len);
int64_t memfs_content(struct memfs *m, const char *path, void *buf, size_t len);
/* As another client of the server would do it: writes a whole file, stable. */
void memfs_put(struct memfs *m, const char *path, const void *data, size_t len);
/* The object goes behind the client's back, its handle is stale from then on. */
void memfs_remove(struct memfs *m, const char *path);
/* It is of another file system from now on. */
void memfs_set_fsid(struct memfs *m, const char *path, uint64_t fsid);
/* mtime in ns; 0: there is no such file. */
uint64_t memfs_mtime(struct memfs *m, const char *path);
unsigned int memfs_nr_locks(struct memfs *m);
void memfs_set_grace(struct memfs *m, bool grace);
/* Locks are gone, as with a restart, but its connections stay. */
void memfs_forget_locks(struct memfs *m);
/* From now on who waits is called back, on these ports. */
void memfs_set_grant(struct memfs *m, enum memfs_grant how, uint16_t tcp, uint16_t udp);
/* What it counted, and who waits. */
struct memfs_nlm memfs_nlm(struct memfs *m);
/*
 * Grants the lock it granted last once more, over TCP, from this address (NULL: its own), after adding that to the
 * last byte of the owner handle. The socket, the caller's to close, on which the answer comes, or -1.
 */
int memfs_grant_again(struct memfs *m, const char *from, uint8_t forge);
/* The status in an answer to a GRANTED; -EAGAIN: none yet, -ECONNRESET: there will be none. */
int memfs_grant_answer(int fd);
/* Its status monitor says that it has restarted. */
void memfs_notify(struct memfs *m, uint32_t state);
/* Names in a directory that begin so. */
unsigned int memfs_count(struct memfs *m, const char *dir, const char *prefix);
const char *memfs_fault_name(enum memfs_fault fault);

#endif
