/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ONC RPC (RFC 5531) over TCP, as the NFS client needs it.
 *
 *   rpc_msg.c      headers of calls and replies: pure functions over cursors
 *   rpc_conn.c     one connection: finding, connecting, losing and closing it
 *   rpc_send.c     calls onto it, many with one system call
 *   rpc_recv.c     replies off it, READ data straight to where it belongs
 *   rpc_resolve.c  asking for names and ports without waiting
 *   rpc_sync.c     one call and its answer, waiting: for mounting
 *   client_own.c   what client.h promises: lists of calls, transaction ids, timers
 *
 * A connection belongs to one client, a client to one thread.
 */
#ifndef FS_NFS_RPC_H
#define FS_NFS_RPC_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "client.h"
#include "fs/fs.h"
#include "nfs3.h"
#include "xdr.h"

#define RPC_LAST 0x80000000u /* of a fragment's mark: the record ends with it */
#define RPC_CALL_MAX 160 /* bytes of a call's header, mark and all */
/* A record of a server: 1 MiB of data or entries, and what goes with it. */
#define RPC_RECORD_MAX ((1u << 20) + 65536)

/* ---- rpc_msg.c ---- */

/* The header of a call, AUTH_SYS; cred NULL: AUTH_NONE. No record mark. */
void rpc_put_call(struct xdr_out *x, uint32_t xid, struct nfs3_number number,
		  const struct nfs_cred *cred);
/*
 * The header of a reply behind its transaction id; results follow at x->p. 0; -EBADMSG unreadable;
 * -ENODATA it may go on behind x; -EPROTONOSUPPORT no such program or version, -EOPNOTSUPP no such
 * procedure, -EACCES the credential was refused, -EINVAL the arguments were not understood, -EIO other
 * refusals.
 */
int rpc_get_reply(struct xdr_in *x);

/* ---- addresses and ports ---- */

#define RPC_MAX_ADDRS 8

struct rpc_addrs {
	struct sockaddr_storage addr[RPC_MAX_ADDRS]; /* with their ports */
	unsigned int nr;
	bool absent; /* nr is 0: a port mapper says that there is no such program */
};

static inline socklen_t rpc_addr_len(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

void rpc_addr_set_port(struct sockaddr_storage *a, uint16_t port);
uint16_t rpc_addr_port(const struct sockaddr_storage *a);

/*
 * A port below 1024, which servers take for a proof of privilege, or none if there is none to be
 * had.
 */
void rpc_bind_reserved(int fd, int family);

/* What a name and a program are looked up with. */
struct rpc_where {
	char server[256];
	int family; /* 0: any */
	uint32_t prog, vers;
	uint16_t port; /* 0: the port mapper knows */
};

/* ---- rpc_sync.c: any thread that may wait ---- */

struct rpc_sync {
	int fd; /* -1: not connected */
	uint64_t until_ns;
	uint32_t xid;
	uint8_t buf[16384]; /* of call and reply in turn */
};

/* 0 or -errno. */
int rpc_sync_open(struct rpc_sync *s, const struct sockaddr_storage *addr, bool reserved,
		  uint64_t until_ns);
void rpc_sync_close(struct rpc_sync *s);
/* Begins a call: arguments are put to the cursor it returns. */
struct xdr_out rpc_sync_begin(struct rpc_sync *s, struct nfs3_number number,
			      const struct nfs_cred *cred);
/*
 * Sends what was put, waits, and leaves the results in *x. Errors as rpc_get_reply()'s and the
 * socket's.
 */
int rpc_sync_end(struct rpc_sync *s, struct xdr_out *args, struct xdr_in *x);
/* Asks the port mapper of that address (version 2, for IPv6 4). 0 or -errno; a port in addr. */
int rpc_sync_port(struct sockaddr_storage *addr, uint32_t prog, uint32_t vers, uint64_t until_ns);
/*
 * Addresses of a name, without ports. 0, or an EAI_* of getaddrinfo().
 */
int rpc_sync_addrs(const char *server, int family, struct rpc_addrs *ret);

/* ---- rpc_resolve.c ---- */

struct rpc_resolve;
/* Asks, on a thread of its own. NULL: out of memory. */
struct rpc_resolve *rpc_resolve_start(const struct rpc_where *where);
/* True: done, *ret filled (nr 0: nothing found), and *r freed. */
bool rpc_resolve_take(struct rpc_resolve **r, struct rpc_addrs *ret);
/* Forgets about it; NULL is fine. */
void rpc_resolve_drop(struct rpc_resolve *r);

/* Where a program of the server is; shared by the connections to it. */
struct rpc_dest {
	struct rpc_where where;
	struct rpc_addrs addrs;
	unsigned int next; /* the address to try */
	struct rpc_resolve *resolve; /* under way */
	bool fixed; /* a numeric address and a given port: nothing to ask */
	uint64_t asked_ns;
	unsigned int absent; /* answers in a row that there is no such program */
	bool complained; /* "not responding" was said */
	uint32_t epoch; /* atomic: connections made */
};

/* ---- a connection ---- */

#define RPC_OUT_SIZE 65536 /* headers and arguments of one batch */
#define RPC_OUT_IOV 2048
#define RPC_MAX_FLIGHT 512 /* calls a connection waits for; a server serves fewer at a time */
#define RPC_IN_SIZE 65536 /* to start with; one large record makes it RPC_RECORD_MAX */
/* Data of a READ from here on goes from the socket to its place, smaller is cheaper to copy. */
#define RPC_DIRECT_MIN 16384

enum rpc_state { RPC_DOWN, RPC_CONNECTING, RPC_UP };
enum rpc_rx { RPC_RX_RECORD, RPC_RX_DATA, RPC_RX_SKIP };

TAILQ_HEAD(rpc_calls, nfs_call);

struct rpc_conn {
	struct nfs_client *client;
	struct rpc_dest *dest;
	enum rpc_state state;
	int fd; /* -1: none */
	uint32_t events; /* it is watched for */
	const char *lost; /* why it is to be closed at the next opportunity; NULL: it is good */
	bool same_port; /* try the port of last time: servers know their callers by it */
	uint16_t local_port;
	uint64_t retry_ns, backoff_ns; /* the next attempt, and the pause after it */
	uint64_t since_ns; /* connecting since; UP: last bytes */

	struct rpc_calls queue, flight;
	unsigned int nr_flight, nr_large; /* large: READs that want their data received in place */

	struct { /* rpc_send.c */
		uint8_t *buf;
		size_t used;
		struct iovec *iov;
		unsigned int first, nr; /* of iov: still to be sent */
		uint64_t queued, sent; /* bytes of the stream */
		uint64_t moved_ns; /* the socket took some */
	} out;

	struct { /* rpc_recv.c */
		uint8_t *buf;
		size_t size, pos, end; /* of buf: bytes not looked at yet */
		uint64_t empty_ns; /* there was nothing to receive; 0: there was */
		uint32_t low; /* bytes from which on the socket is readable */
		enum rpc_rx state;
		/* a record: what is put together from pos on, and its current fragment */
		size_t record;
		uint32_t frag_left, nr_frags;
		bool in_frag, last;
		/* data of a READ on its way to call's segments */
		struct nfs_call *call; /* NULL: cancelled meanwhile */
		struct nfs_result res;
		uint32_t data_left;
		int seg;
		size_t seg_off;
		uint32_t skip; /* bytes behind the data */
	} in;
};

/* rpc_conn.c */
int rpc_conn_init(struct rpc_conn *conn, struct nfs_client *client, struct rpc_dest *dest);
void rpc_conn_fini(struct rpc_conn *conn);
/* Starts connecting, if its pause is over and it is known where to. */
void rpc_conn_start(struct rpc_conn *conn);
/* CONNECTING: looks whether that has ended. */
void rpc_conn_check(struct rpc_conn *conn);
/*
 * Closes it for now: its calls go back to its queue, in their order. abort: nothing more is sent.
 */
void rpc_conn_down(struct rpc_conn *conn, bool abort);
/* Follows what it waits for. */
void rpc_conn_watch(struct rpc_conn *conn);
static inline void rpc_conn_lose(struct rpc_conn *conn, const char *why)
{
	if (!conn->lost)
		conn->lost = why;
}

/* rpc_send.c */
void rpc_send(struct rpc_conn *conn);
/* Not all of it has left yet: the segments it points to are still needed. */
static inline bool rpc_sending(const struct rpc_conn *conn, const struct nfs_call *call)
{
	return call->sent_end > conn->out.sent;
}
static inline bool rpc_send_blocked(const struct rpc_conn *conn)
{
	return conn->out.first < conn->out.nr;
}
void rpc_send_reset(struct rpc_conn *conn);

/* rpc_recv.c: true if anything came. */
bool rpc_recv(struct rpc_conn *conn);
void rpc_recv_reset(struct rpc_conn *conn);
/* Of what is awaited, so little is there that it is not worth a system call. */
bool rpc_recv_too_little(const struct rpc_conn *conn);
/* Has the socket wake the thread when a good part of the data is there. */
void rpc_recv_watch(struct rpc_conn *conn);
/* The call's segments are not to be touched any more. */
void rpc_recv_forget(struct rpc_conn *conn, const struct nfs_call *call);

/* ---- client_own.c ---- */

/* Has all of a call been sent before, so that it may have been executed, and on which connection? */
enum rpc_went { RPC_NOT_OUT, RPC_OUT_ELSEWHERE, RPC_OUT_HERE };
enum rpc_list { RPC_NOWHERE, RPC_QUEUE, RPC_FLIGHT, RPC_LATER, RPC_ENDED };

#define RPC_XID_BUCKETS 1024

struct nfs_client {
	const struct nfs_mount *mnt;
	struct thr *thr;
	struct thr_watch watch; /* of epfd, in which the connections are */
	int epfd;
	bool ready; /* it was reported: look at all connections */
	unsigned int nr_conns, turn;
	struct rpc_conn *conn; /* nr_conns of NFS, then the lock manager's */
	struct rpc_dest nfs, nlm;
	struct rpc_calls later, ended;
	LIST_HEAD(, nfs_call) by_xid[RPC_XID_BUCKETS];
	uint32_t next_xid, seed;
	uint64_t now_ns; /* about: of the last look at the clock */
	uint64_t rtt_ns; /* of the last calls, smoothed */
	uint64_t tick_ns; /* when timers are looked at again */
	unsigned int nr_calls; /* given and not done() */
	unsigned int nr_awaited; /* of them, not in the background */
	uint64_t abort_ns; /* from then on awaited calls are given up; 0: never */
	unsigned int work; /* done in this round */
	struct nfs_stats stats; /* relaxed */
	struct nfs3_scratch scratch;
};

/* A counter that other threads may read. */
#define rpc_count(field, n) \
	__atomic_store_n(&(field), __atomic_load_n(&(field), __ATOMIC_RELAXED) + (n), \
			 __ATOMIC_RELAXED)

/* The call this connection waits for an answer to, or NULL. */
struct nfs_call *rpc_find(struct rpc_conn *conn, uint32_t xid);
/* Gives it an id and a place in the table, unless it has them. */
void rpc_register(struct nfs_client *client, struct nfs_call *call);
/* It goes out on its connection now. */
void rpc_depart(struct rpc_conn *conn, struct nfs_call *call);
/* Ends it: done() is called. */
void rpc_finish(struct nfs_client *client, struct nfs_call *call, int err, struct nfs_result *res);
/* Its results came: ends it, or has it repeated when the server asks for patience. */
void rpc_answered(struct rpc_conn *conn, struct nfs_call *call, int err, struct nfs_result *res,
		  size_t bytes);
/* The RPC layer of the server said no, err being what rpc_get_reply() made of it. */
void rpc_refused(struct rpc_conn *conn, struct nfs_call *call, int err);
uint32_t rpc_random(struct nfs_client *client);

#endif
