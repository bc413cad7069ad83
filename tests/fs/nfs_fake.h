/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An NFSv3 and MOUNT v3 server on 127.0.0.1 in a thread of the test, for what a real one does rarely: each
 * call goes to the test's handler first. It serves a root directory "root" in which every name exists as a
 * file whose handle is the name.
 */
#ifndef TESTS_FS_NFS_FAKE_H
#define TESTS_FS_NFS_FAKE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_BYTES (2u << 20) /* of one record, at most */
#define FAKE_CONNS 8
#define FAKE_DELAYED 64

enum fake_verdict {
	FAKE_DEFAULT, /* what a healthy server would say */
	FAKE_REPLY, /* what the handler wrote */
	FAKE_DROP, /* nothing */
	FAKE_CLOSE, /* close the connection */
	FAKE_TWICE, /* what the handler wrote, two times */
	FAKE_DENY, /* refused by the RPC layer: credential rejected */
	FAKE_NO_PROGRAM, /* refused, too: there is no such program */
	FAKE_SYSTEM_ERR, /* or no memory, or whatever */
	FAKE_RAW, /* out is sent as it is, record mark and all */
};

/* Procedures of RFC 1813; 0 is NULL. */
enum { GETATTR = 1, SETATTR, LOOKUP, ACCESS, READLINK, READ, WRITE, CREATE, MKDIR, SYMLINK, MKNOD,
       REMOVE, RMDIR, RENAME, LINK, READDIR, READDIRPLUS, FSSTAT, FSINFO, PATHCONF, COMMIT };

#define FAKE_NFS 100003u
#define FAKE_NFSACL 100227u
#define FAKE_NLM 100021u

struct fake_call {
	uint32_t xid, prog, proc; /* handlers see NFS calls; memfs' also those of its companions */
	uint32_t uid, gid, ngroups, groups[16];
	const uint8_t *arg; /* the procedure's arguments */
	size_t arg_len;
	unsigned int nth; /* of this procedure, 0.. */
	uint8_t *out; /* the reply behind its RPC header */
	size_t out_len;
	unsigned int delay_ms; /* FAKE_REPLY: others may overtake it meanwhile */
};

struct fake {
	uint16_t port;
	bool has_side; /* atomic: NFSACL and NLM calls go to the handler, too */
	/* On the server's thread. */
	enum fake_verdict (*handle)(struct fake *f, struct fake_call *c); /* atomic */
	uint8_t seen[64]; /* for handlers: what an earlier call had */
	unsigned int count[22]; /* atomic; NFS calls by procedure */
	unsigned int conns; /* atomic; NFS and MOUNT connections so far */
	int kick; /* atomic; set: close all connections once */

	int listen_fd, stop_fd;
	int fd[FAKE_CONNS];
	unsigned int serial[FAKE_CONNS]; /* of the connection in fd[] */
	struct fake_late {
		uint8_t *record; /* NULL: free */
		size_t len;
		uint64_t due_ns;
		unsigned int conn, serial;
	} late[FAKE_DELAYED]; /* more than that are not delayed */
	pthread_t tid;
	uint8_t *in, *reply;
};

void fake_start(struct fake *f, enum fake_verdict (*handle)(struct fake *f, struct fake_call *c));
void fake_stop(struct fake *f);

/* Writing results. */
void put32(struct fake_call *c, uint32_t v);
void put64(struct fake_call *c, uint64_t v);
void put_bytes(struct fake_call *c, const void *data, uint32_t len); /* with its length */
void put_verf(struct fake_call *c, uint64_t verf);
void put_fattr(struct fake_call *c, bool dir, uint64_t size);
void put_attr(struct fake_call *c, bool dir, uint64_t size); /* post_op_attr */
void put_no_wcc(struct fake_call *c);
/* A status alone and the empty attributes that follow it when it is an error. */
void put_error(struct fake_call *c, uint32_t status);

/* Reading arguments. */
uint32_t get32(const struct fake_call *c, size_t off);
uint64_t get64(const struct fake_call *c, size_t off);
/* The opaque at off: its bytes, and in *end the offset behind it. */
const uint8_t *get_bytes(const struct fake_call *c, size_t off, uint32_t *len, size_t *end);

#endif
