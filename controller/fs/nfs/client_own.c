/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The NFS client of our own: calls, their transaction ids and their patience, above the connections
 * of rpc_conn.c.
 *
 * Theory of operation
 *
 * A call is in one of the lists of enum rpc_list: the queue of its connection (to be sent), that
 * connection's flight (sent), later (the server asked for patience), or ended (given up; done() is
 * due). WRITEs and what goes with them stay on one connection per file, in their order; the rest
 * takes turns.
 *
 * Hard calls end with the server's answer only. What timeo does: a connection on which nothing was
 * heard since is made anew, and on one that is alive just the call is sent again, with its id. Soft
 * calls end after timeo * (retrans + 1). NFS3ERR_JUKEBOX and a lock manager's grace period are
 * waited out, as new calls, with growing pauses. A call refused by the RPC layer (credential,
 * program, arguments) while its connection is good is tried again, since a restarting server refuses
 * for a while: for ever if that is what it looks like, and in any case what writes data (hard); else
 * REFUSED_MAX times, or retrans (soft). It holds up no others meanwhile.
 *
 * Timers are looked at every TICK_MS, and only while calls are out. Nothing is allocated for a
 * call.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "doca_log.h"
#include "rpc.h"

DOCA_LOG_REGISTER(VIRTIOFS::NFS);

#define LOOK_NS 10000ull /* between looks at a socket that had nothing */
#define TICK_MS 100
#define CONNECT_LIMIT_NS 10000000000ull
#define IDLE_NS 300000000000ull /* a connection without work is closed, as Linux does */
#define DELAY_FIRST_NS 500000000ull /* JUKEBOX: Linux waits 5 s, we start lower */
#define DELAY_MAX_NS 5000000000ull
#define TIMEO_MAX_NS 600000000000ull
#define ABORT_NS 1000000000ull /* for a server that is there to answer */
#define INTR_NS 5000000000ull /* a short outage is nothing a signal should be noticed by */
#define REFUSED_MAX 5
#define ABSENT_MAX 5 /* times the port mapper does not know the lock manager, a second apart */
#define MESSAGE_NS 1000000000ull /* for an answer to what need not be answered */
#define RTT_SHARE 8 /* of one answer in the smoothed time: one of */
#define TRYING "still trying"

uint32_t rpc_random(struct nfs_client *c)
{
	c->seed ^= c->seed << 13;
	c->seed ^= c->seed >> 17;
	c->seed ^= c->seed << 5;
	return c->seed;
}

/* ---- lists and ids ---- */

static struct nfs_op_stats *stats_of(struct nfs_client *c, const struct nfs_call *call)
{
	return &c->stats.op[(unsigned int)call->proc < NFS_NR_CALLS ? call->proc : 0];
}

static bool is_large(const struct nfs_call *call)
{
	return call->proc == NFS_READ && call->count >= RPC_DIRECT_MIN;
}

static struct rpc_calls *list_of(struct nfs_client *c, struct nfs_call *call)
{
	switch (call->where) {
	case RPC_QUEUE:
		return &call->conn->queue;
	case RPC_FLIGHT:
		return &call->conn->flight;
	case RPC_LATER:
		return &c->later;
	default:
		return &c->ended;
	}
}

static void move(struct nfs_client *c, struct nfs_call *call, enum rpc_list to)
{
	if (call->where != RPC_NOWHERE)
		TAILQ_REMOVE(list_of(c, call), call, link);
	if (call->where == RPC_FLIGHT) {
		call->conn->nr_flight--;
		call->conn->nr_large -= is_large(call);
	}
	call->where = to;
	if (to != RPC_NOWHERE)
		TAILQ_INSERT_TAIL(list_of(c, call), call, link);
}

void rpc_register(struct nfs_client *c, struct nfs_call *call)
{
	if (call->xid)
		return;
	while (!call->xid)
		call->xid = ++c->next_xid;
	LIST_INSERT_HEAD(&c->by_xid[call->xid % RPC_XID_BUCKETS], call, xid_link);
}

static void drop_xid(struct nfs_call *call)
{
	if (call->xid)
		LIST_REMOVE(call, xid_link);
	call->xid = 0;
}

struct nfs_call *rpc_find(struct rpc_conn *conn, uint32_t xid)
{
	struct nfs_call *call;

	LIST_FOREACH(call, &conn->client->by_xid[xid % RPC_XID_BUCKETS], xid_link)
		if (call->xid == xid)
			break;
	/* Waiting to be sent again is as good as sent, if it was, on this very connection. */
	if (!call || call->conn != conn || !call->sent_end || call->where > RPC_FLIGHT)
		return NULL;
	if (!rpc_sending(conn, call))
		return call;
	/*
	 * The answer to an earlier sending, the next being stuck in a full socket: as good as any. But the
	 * data of a WRITE is still to leave from where it is, so that call waits for its last answer.
	 */
	if (call->went_out == RPC_OUT_HERE)
		return call->proc == NFS_WRITE ? NULL : call;
	rpc_conn_lose(conn, "an answer came before its question");
	return NULL;
}

void rpc_depart(struct rpc_conn *conn, struct nfs_call *call)
{
	struct nfs_client *c = conn->client;
	struct nfs_op_stats *s = stats_of(c, call);

	move(c, call, RPC_FLIGHT);
	call->resent |= call->went_out != RPC_NOT_OUT;
	conn->nr_flight++;
	conn->nr_large += is_large(call);
	if (!call->sent_ns)
		rpc_count(s->queue_ns, c->now_ns - min(c->now_ns, call->start_ns));
	call->sent_ns = c->now_ns;
	rpc_count(s->trans, 1);
	rpc_count(s->bytes_sent, call->sent_len);
}

/* ---- the ends of a call ---- */

void rpc_finish(struct nfs_client *c, struct nfs_call *call, int err, struct nfs_result *res)
{
	struct nfs_op_stats *s = stats_of(c, call);

	move(c, call, RPC_NOWHERE);
	drop_xid(call);
	c->work++;
	c->nr_calls--;
	c->nr_awaited -= !call->background;
	rpc_count(s->ops, 1);
	if (err)
		rpc_count(s->errors, 1);
	rpc_count(s->exec_ns, c->now_ns - min(c->now_ns, call->start_ns));
	res->resent = call->resent;
	call->done(call, err, res);
	if (unlikely(c->abort_ns) && !c->nr_awaited)
		c->abort_ns = 0; /* done() has made no other of it: that was the last */
}

/* Takes it out of everything; done() comes with the next round. */
static void give_up(struct nfs_client *c, struct nfs_call *call, int err)
{
	struct rpc_conn *conn = call->conn;

	/*
	 * Part of it has left, or its data is still pointed to: the stream cannot go on without it.
	 */
	if (call->where <= RPC_FLIGHT && call->sent_end && rpc_sending(conn, call))
		rpc_conn_lose(conn, "a call was given up while it was sent");
	rpc_recv_forget(conn, call);
	drop_xid(call);
	call->err = err;
	move(c, call, RPC_ENDED);
}

void nfs_client_cancel(struct nfs_client *c, struct nfs_call *call)
{
	if (call->where == RPC_NOWHERE || call->where == RPC_ENDED)
		return;
	rpc_count(c->stats.cancels, 1);
	give_up(c, call, -EINTR);
}

void nfs_client_abort(struct nfs_client *c)
{
	if (c->nr_awaited && !c->abort_ns)
		c->abort_ns = clock_ns() + ABORT_NS;
}

static void abort_list(struct nfs_client *c, struct rpc_calls *list)
{
	struct nfs_call *call, *next;

	for (call = TAILQ_FIRST(list); call; call = next) {
		next = TAILQ_NEXT(call, link);
		if (!call->background)
			nfs_client_cancel(c, call);
	}
}

static void abort_calls(struct nfs_client *c)
{
	abort_list(c, &c->later);
	for (unsigned int i = 0; i <= c->nr_conns; i++) {
		abort_list(c, &c->conn[i].queue);
		abort_list(c, &c->conn[i].flight);
	}
}

static void end_calls(struct nfs_client *c)
{
	struct nfs_call *call;

	while ((call = TAILQ_FIRST(&c->ended))) {
		struct nfs_result none = { 0 };

		rpc_finish(c, call, call->err, &none);
	}
}

/* Makes a new call of it, after a pause. */
static void postpone(struct nfs_client *c, struct nfs_call *call, uint64_t pause)
{
	drop_xid(call);
	call->sent_end = 0;
	call->retries = 0;
	call->went_out = RPC_NOT_OUT; /* answered, if only with "later"; call->resent stays what it is */
	call->sent_ns = clock_ns() + pause;
	call->patient_ns = call->sent_ns;
	move(c, call, RPC_LATER);
	c->tick_ns = min(c->tick_ns, call->sent_ns);
}

/* ---- answers ---- */

/* What a server says to what it has no time for now. */
static bool asks_patience(const struct nfs_call *call, int err)
{
	if (nfs3_is_nlm(call->proc))
		return err == -EBUSY && !call->lock->reclaim;
	return err == -EAGAIN;
}

/* Data that the guest believes to be written: no refusal may cost it while there is hope. */
static bool must_not_fail(const struct nfs_call *call)
{
	return call->proc == NFS_WRITE || call->proc == NFS_COMMIT;
}

static const char *name_of(const struct rpc_conn *conn)
{
	return conn->dest == &conn->client->nlm ? "lockd" : "nfs";
}

static void complain(const struct rpc_conn *conn, const char *then)
{
	if (!conn->dest->complained)
		DOCA_LOG_WARN("%s: server %s not responding, %s", name_of(conn),
			      conn->client->mnt->opts.server, then);
	conn->dest->complained = true;
}

static void recovered(struct rpc_conn *conn)
{
	conn->backoff_ns = 0;
	if (conn->dest->complained)
		DOCA_LOG_WARN("%s: server %s OK", name_of(conn), conn->client->mnt->opts.server);
	conn->dest->complained = false;
}

void rpc_answered(struct rpc_conn *conn, struct nfs_call *call, int err, struct nfs_result *res,
		  size_t bytes)
{
	struct nfs_client *c = conn->client;
	struct nfs_op_stats *s = stats_of(c, call);
	uint64_t rtt = c->now_ns - min(c->now_ns, call->sent_ns);

	recovered(conn);
	c->rtt_ns += rtt / RTT_SHARE - c->rtt_ns / RTT_SHARE;
	rpc_count(s->rtt_ns, rtt);
	rpc_count(s->bytes_recv, bytes);
	if (err == -EBADMSG && must_not_fail(call)) { /* what it said of the data is not known */
		rpc_refused(conn, call, -EIO);
		return;
	}
	if (asks_patience(call, err)) {
		rpc_count(c->stats.jukebox, 1);
		c->work++;
		postpone(c, call, min(DELAY_FIRST_NS << call->delays, DELAY_MAX_NS));
		call->delays = min(call->delays + 1, 8);
		return;
	}
	rpc_finish(c, call, err == -EBADMSG ? -EIO : err, res);
}

/*
 * NFS itself comes back, its companions may not exist at all. A server that starts refuses everything for a
 * while; what does not look like that is the call's own fault, and is not tried for ever.
 */
static bool is_final(const struct nfs_client *c, const struct nfs_call *call, int err)
{
	enum nfs_softness soft = call->soft ? NFS_SOFTERR : c->mnt->opts.soft;

	if (call->proc >= NFSACL_GETACL)
		return err == -EOPNOTSUPP || err == -EPROTONOSUPPORT ||
		       call->refused >= REFUSED_MAX;
	if (err == -EOPNOTSUPP && !must_not_fail(call))
		return true;
	if (soft != NFS_HARD)
		return call->refused > c->mnt->opts.retrans;
	return !must_not_fail(call) && (err == -EACCES || err == -EINVAL) &&
	       call->refused >= REFUSED_MAX;
}

static int refusal_error(const struct nfs_call *call, int err)
{
	if (err == -EOPNOTSUPP || (err == -EPROTONOSUPPORT && call->proc >= NFSACL_GETACL))
		return -EOPNOTSUPP;
	return err == -EACCES ? -EACCES : -EIO;
}

/* Once a call, when it has become plain that this takes longer. */
static void complain_refused(struct nfs_client *c, const struct nfs_call *call, int err)
{
	if (call->refused != REFUSED_MAX)
		return;
	if (err == -EACCES)
		DOCA_LOG_WARN("nfs: server %s refuses the credentials of user %u for %s, still trying",
			      c->mnt->opts.server, call->cred ? call->cred->uid : 0,
			      nfs_proc_name(call->proc));
	else
		complain(call->conn, TRYING);
}

void rpc_refused(struct rpc_conn *conn, struct nfs_call *call, int err)
{
	struct nfs_client *c = conn->client;
	struct nfs_result none = { 0 };
	unsigned int late;

	DOCA_LOG_DBG("procedure %s refused: %s", nfs_proc_name(call->proc), strerror(-err));
	conn->backoff_ns = 0; /* somebody is there */
	call->refused = (uint8_t)min(call->refused + 1, UINT8_MAX);
	if (is_final(c, call, err)) {
		rpc_finish(c, call, refusal_error(call, err), &none);
		return;
	}
	complain_refused(c, call, err);
	late = call->refused > REFUSED_MAX ? min(call->refused - REFUSED_MAX, 8) : 0;
	c->work++;
	postpone(c, call, min(DELAY_FIRST_NS << late, DELAY_MAX_NS));
}

/* ---- giving calls to connections ---- */

static uint32_t hash_fh(const struct nfs_fh *fh)
{
	uint32_t h = 2166136261u;

	for (uint32_t i = 0; i < fh->len; i++)
		h = (h ^ fh->data[i]) * 16777619u;
	return h ^ h >> 16;
}

static struct rpc_conn *choose_conn(struct nfs_client *c, const struct nfs_call *call)
{
	if (nfs3_is_nlm(call->proc))
		return &c->conn[c->nr_conns];
	if (c->nr_conns == 1)
		return &c->conn[0];
	/* Two of a file must not overtake each other. */
	if (call->proc == NFS_WRITE || call->proc == NFS_COMMIT || call->proc == NFS_SETATTR)
		return &c->conn[hash_fh(call->fh) % c->nr_conns];
	return &c->conn[c->turn++ % c->nr_conns];
}

void nfs_client_call(struct nfs_client *c, struct nfs_call *call)
{
	call->client = c;
	call->conn = choose_conn(c, call);
	call->where = RPC_NOWHERE;
	call->xid = 0;
	call->resent = false;
	call->went_out = RPC_NOT_OUT;
	call->refused = call->retries = call->delays = 0;
	call->start_ns = call->patient_ns = clock_ns();
	call->sent_ns = call->sent_end = call->lost_ns = 0;
	c->nr_calls++;
	c->nr_awaited += !call->background;
	move(c, call, RPC_QUEUE);
}

/* ---- timers ---- */

static uint64_t timeo_ns(const struct nfs_client *c)
{
	return c->mnt->opts.timeo_ms * 1000000ull;
}

static bool wants(const struct rpc_conn *conn)
{
	return conn->nr_flight || !TAILQ_EMPTY(&conn->queue);
}

/* Some servers answer it, to others it is an answer itself. */
static bool is_message(const struct nfs_call *call)
{
	return call->proc == NLM_GRANTED_RES;
}

/* A call without an answer for too long: once more, or the connection is made anew. */
static void overdue(struct rpc_conn *conn, struct nfs_call *call)
{
	struct nfs_client *c = conn->client;

	rpc_count(stats_of(c, call)->timeouts, 1);
	if (call->retries < UINT8_MAX)
		call->retries++;
	if (conn->since_ns <= call->sent_ns || rpc_sending(conn, call)) {
		rpc_conn_lose(conn, "no answer");
		return;
	}
	call->went_out = RPC_OUT_HERE;
	call->lost_ns = c->now_ns;
	move(c, call, RPC_QUEUE);
}

static void check_flight(struct rpc_conn *conn, uint64_t now)
{
	uint64_t timeo = timeo_ns(conn->client);
	struct nfs_call *call, *next;

	for (call = TAILQ_FIRST(&conn->flight); call && !conn->lost; call = next) {
		uint64_t wait = min(timeo * (call->retries + 1u), TIMEO_MAX_NS);
		/* On a slow line it is under way for as long as the socket takes bytes. */
		uint64_t since = rpc_sending(conn, call) ? conn->out.moved_ns : call->sent_ns;

		next = TAILQ_NEXT(call, link);
		if (is_message(call) && !rpc_sending(conn, call)) {
			if (now - min(now, since) > MESSAGE_NS)
				give_up(conn->client, call, 0);
		} else if (call != conn->in.call && now - min(now, since) > wait) {
			overdue(conn, call);
		}
	}
	call = conn->in.call; /* bytes of its answer are coming, or were */
	if (call && now - min(now, conn->since_ns) > timeo)
		rpc_conn_lose(conn, "no answer");
}

static void expire(struct nfs_client *c, struct rpc_calls *list, uint64_t now)
{
	const struct nfs_mount_opts *o = &c->mnt->opts;
	uint64_t limit = timeo_ns(c) * (o->retrans + 1u);
	struct nfs_call *call, *next;

	for (call = TAILQ_FIRST(list); call; call = next) {
		next = TAILQ_NEXT(call, link);
		if ((o->soft == NFS_HARD && !call->soft) || now - min(now, call->patient_ns) <= limit)
			continue;
		rpc_count(stats_of(c, call)->timeouts, 1);
		complain(call->conn, "timed out");
		give_up(c, call, o->soft == NFS_SOFT && !call->soft ? -EIO : -ETIMEDOUT);
	}
}

/* Calls of processes that want to go, when there is no end to waiting. */
static void end_interrupted(struct nfs_client *c, struct rpc_calls *list, uint64_t now)
{
	struct nfs_call *call, *next;

	for (call = TAILQ_FIRST(list); call && c->mnt->intr; call = next) {
		/* It may answer, too, but say "later" for ever; or have nobody there, of whom nothing is heard. */
		bool waits = call->conn->dest->complained || call->conn->state == RPC_DOWN ||
			     list == &c->later;

		next = TAILQ_NEXT(call, link);
		if (waits && call->tag && now - min(now, call->start_ns) > INTR_NS &&
		    nfs_intr_has(c->mnt->intr, call->tag))
			nfs_client_cancel(c, call);
	}
}

static void check_calls(struct nfs_client *c, struct rpc_calls *list, uint64_t now)
{
	expire(c, list, now);
	end_interrupted(c, list, now);
}

/* There is no lock manager, and never was: a server that starts has one soon, others would be waited for in vain. */
static void end_absent(struct rpc_conn *conn)
{
	struct nfs_client *c = conn->client;
	struct nfs_call *call, *next;

	if (conn->dest != &c->nlm || conn->dest->addrs.nr || conn->dest->absent < ABSENT_MAX)
		return;
	for (call = TAILQ_FIRST(&conn->queue); call; call = next) {
		next = TAILQ_NEXT(call, link);
		if (!call->background)
			give_up(c, call, -EOPNOTSUPP);
	}
}

static void check_conn(struct rpc_conn *conn, uint64_t now)
{
	struct nfs_client *c = conn->client;

	check_calls(c, &conn->flight, now);
	check_calls(c, &conn->queue, now);
	end_absent(conn);
	if (conn->state == RPC_CONNECTING && now - conn->since_ns > CONNECT_LIMIT_NS)
		rpc_conn_lose(conn, "no answer");
	if (conn->state != RPC_UP)
		return;
	check_flight(conn, now);
	if (!wants(conn) && now - min(now, conn->since_ns) > IDLE_NS)
		rpc_conn_down(conn, false);
}

static void wake_later(struct nfs_client *c, uint64_t now)
{
	struct nfs_call *call, *next;

	for (call = TAILQ_FIRST(&c->later); call; call = next) {
		next = TAILQ_NEXT(call, link);
		if (call->sent_ns <= now)
			move(c, call, RPC_QUEUE);
		else
			c->tick_ns = min(c->tick_ns, call->sent_ns);
	}
}

static void tick(struct nfs_client *c, uint64_t now)
{
	c->tick_ns = now + TICK_MS * 1000000ull;
	wake_later(c, now);
	check_calls(c, &c->later, now);
	for (unsigned int i = 0; i <= c->nr_conns; i++)
		check_conn(&c->conn[i], now);
	if (c->abort_ns && now >= c->abort_ns)
		abort_calls(c);
}

/* ---- the engine's round ---- */

static void lose(struct rpc_conn *conn)
{
	struct nfs_client *c = conn->client;
	bool silent = conn->state == RPC_CONNECTING || conn->backoff_ns;

	DOCA_LOG_DBG("connection to %s: %s", c->mnt->opts.server, conn->lost);
	/* Losing a connection once is normal: servers drop idle ones. */
	if (wants(conn) && (silent || !strcmp(conn->lost, "no answer")))
		complain(conn, TRYING);
	rpc_count(c->stats.drops, 1);
	rpc_conn_down(conn, true);
}

/*
 * While its thread spins there is a round each microsecond or less, and a look at an empty socket is a
 * system call that takes the processor from a server on the same machine.
 */
static bool may_look(struct rpc_conn *conn)
{
	uint64_t now = conn->client->now_ns;

	if (!conn->client->ready && now - min(now, conn->in.empty_ns) < LOOK_NS)
		return false;
	conn->in.empty_ns = now;
	return conn->client->ready || !rpc_recv_too_little(conn);
}

static void exchange(struct rpc_conn *conn)
{
	struct nfs_client *c = conn->client;
	/* What goes out now is not answered yet: no need to look. */
	bool expecting = conn->nr_flight || c->ready;

	if (conn->state == RPC_DOWN && !TAILQ_EMPTY(&conn->queue))
		rpc_conn_start(conn);
	if (conn->state == RPC_CONNECTING && !conn->lost)
		rpc_conn_check(conn);
	if (conn->state == RPC_UP && !conn->lost) {
		rpc_send(conn);
		if (expecting && may_look(conn) && rpc_recv(conn)) {
			c->work++;
			conn->in.empty_ns = 0;
		}
		rpc_recv_watch(conn);
	}
	if (conn->lost)
		lose(conn);
	rpc_conn_watch(conn);
}

int nfs_client_poll(struct nfs_client *c)
{
	bool ready = c->ready;

	c->work = 0;
	if (!c->nr_calls && !ready && clock_ns() < c->tick_ns)
		return 0;
	c->now_ns = clock_ns();
	if (c->now_ns >= c->tick_ns)
		tick(c, c->now_ns);
	for (unsigned int i = 0; i <= c->nr_conns; i++)
		exchange(&c->conn[i]);
	if (ready)
		c->ready = false;
	end_calls(c);
	return (int)c->work;
}

static void on_ready(struct thr_watch *w, uint32_t revents)
{
	container_of(w, struct nfs_client, watch)->ready = true; /* for the thread's next round */
}

int nfs_client_timeout_ms(const struct nfs_client *c)
{
	if (!TAILQ_EMPTY(&c->ended))
		return 0;
	if (c->nr_calls)
		return TICK_MS;
	for (unsigned int i = 0; i <= c->nr_conns; i++)
		if (c->conn[i].state != RPC_DOWN)
			return (int)(IDLE_NS / 1000000);
	return -1;
}

bool nfs_client_soon(const struct nfs_client *c, uint64_t ns)
{
	return c->nr_calls && c->rtt_ns < ns;
}

void nfs_client_stats(const struct nfs_client *c, struct nfs_stats *sum)
{
	const uint64_t *from = (const uint64_t *)&c->stats;
	uint64_t *to = (uint64_t *)sum;

	_Static_assert(sizeof(*sum) % sizeof(*to) == 0, "counters only");
	for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

uint32_t nfs_client_epoch(const struct nfs_client *c, bool nlm)
{
	return __atomic_load_n(nlm ? &c->nlm.epoch : &c->nfs.epoch, __ATOMIC_RELAXED);
}

/* ---- beginning and end ---- */

static void init_dest(struct nfs_client *c, struct rpc_dest *dest, enum nfs_proc proc,
		      uint16_t given, uint16_t known)
{
	const struct nfs_mount *mnt = c->mnt;
	struct nfs3_number number = nfs3_number(proc);
	uint8_t ip[16];

	snprintf(dest->where.server, sizeof(dest->where.server), "%s", mnt->opts.server);
	dest->where.family = mnt->opts.family;
	dest->where.prog = number.prog;
	dest->where.vers = number.vers;
	dest->where.port = given;
	dest->fixed = given && (inet_pton(AF_INET, mnt->opts.server, ip) == 1 ||
				inet_pton(AF_INET6, mnt->opts.server, ip) == 1);
	/* What mounting found out is numeric: nothing to wait for. */
	if (!known || rpc_sync_addrs(mnt->address, AF_UNSPEC, &dest->addrs))
		return;
	for (unsigned int i = 0; i < dest->addrs.nr; i++)
		rpc_addr_set_port(&dest->addrs.addr[i], known);
}

static int start(struct nfs_client *c, struct thr *thr)
{
	uint32_t random[2];
	int rc = 0;

	c->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (c->epfd < 0)
		return -errno;
	if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
		random[0] = (uint32_t)(uintptr_t)c ^ (uint32_t)getpid() << 16;
		random[1] = (uint32_t)clock_ns();
	}
	/* Ids of two clients must not meet: the server's cache may take them for one. */
	c->next_xid = random[0];
	c->seed = random[1] | 1;
	init_dest(c, &c->nfs, NFS_READ, c->mnt->opts.nfs_port, c->mnt->nfs_port);
	init_dest(c, &c->nlm, NLM_LOCK, c->mnt->opts.nlm_port, c->mnt->opts.nlm_port);
	for (unsigned int i = 0; i <= c->nr_conns && !rc; i++)
		rc = rpc_conn_init(&c->conn[i], c, i < c->nr_conns ? &c->nfs : &c->nlm);
	c->watch = (struct thr_watch){ .fd = c->epfd, .events = EPOLLIN, .ready = on_ready };
	if (!rc)
		rc = thr_watch_add(thr, &c->watch);
	if (!rc)
		c->thr = thr;
	return rc;
}

int nfs_client_create(const struct nfs_mount *mnt, struct thr *thr, struct nfs_client **ret_client)
{
	struct nfs_client *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	c->mnt = mnt;
	c->epfd = -1;
	TAILQ_INIT(&c->later);
	TAILQ_INIT(&c->ended);
	c->nr_conns = max(mnt->opts.nconnect, 1u);
	c->nr_conns = min(c->nr_conns, (unsigned int)NFS_MAX_NCONNECT);
	c->conn = calloc(c->nr_conns + 1, sizeof(*c->conn));
	rc = c->conn ? start(c, thr) : -ENOMEM;
	if (rc) {
		nfs_client_destroy(c);
		return rc;
	}
	*ret_client = c;
	return 0;
}

void nfs_client_destroy(struct nfs_client *c)
{
	if (!c)
		return;
	if (c->thr)
		thr_watch_remove(c->thr, &c->watch);
	for (unsigned int i = 0; c->conn && i <= c->nr_conns; i++)
		rpc_conn_fini(&c->conn[i]);
	rpc_resolve_drop(c->nfs.resolve);
	rpc_resolve_drop(c->nlm.resolve);
	if (c->epfd >= 0)
		close(c->epfd);
	free(c->conn);
	free(c);
}
