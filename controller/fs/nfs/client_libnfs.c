/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NFS client engine on libnfs' raw asynchronous calls, one connection per client.
 *
 * Theory of operation
 *
 * A call is in one of four lists: queue (to be sent), flight (libnfs has it), failed (libnfs gave it back,
 * to be judged when its function has returned) or later (the server asked for patience). A libnfs context
 * serves one TCP connection and is thrown away with it: the calls it had go back to the head of the queue
 * with their transaction ids, so that the server's duplicate request cache recognises them. So nothing but
 * the server's answer ends a call.
 *
 *   DOWN --retry_ns reached--> CONNECTING --connected--> UP
 *    ^                              |                     |
 *    +---- back-off ----------------+-- error, silence ---+
 *
 * The back-off grows until a reply comes, not until a connection does: something may accept connections for
 * a server that is dead. A call that fails while its connection stays good was refused by the RPC layer
 * (credential, program, arguments) or its reply was unreadable. A restarting server does that for a while,
 * so it is tried REFUSED_MAX times, then EIO: one such call must not hold up all the others.
 *
 * libnfs 4.0 is not trusted further than needed: no automatic reconnect, no timeouts of its own, sizes of
 * what it decoded are judged again in libnfs_codec.c.
 */
#include <errno.h>
#include <nfsc/libnfs.h> /* first: the raw headers need its macros */
#include <nfsc/libnfs-raw.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nfsc/libnfs-raw-nfs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "client.h"
#include "doca_log.h"
#include "fs/fs.h"
#include "libnfs_codec.h"

DOCA_LOG_REGISTER(VIRTIOFS::NFS);

/* More outstanding than this gains nothing: libnfs walks its table of calls at every look. */
#define MAX_FLIGHT 256
#define BACKOFF_FIRST_NS 100000000ull
#define BACKOFF_MAX_NS 3000000000ull
#define CONNECT_LIMIT_NS 10000000000ull
/* JUKEBOX: the server is busy with this file; Linux waits 5 s, we start lower. */
#define JUKEBOX_NS 500000000ull
#define REFUSED_MAX 5
/* libnfs builds a request in 4096 bytes: a target that leaves no room for the rest is never sent. */
#define TARGET_MAX 3072
#define TICK_MS 100

enum state { DOWN, CONNECTING, UP };

struct nfs_client {
	const struct nfs_mount *mnt;
	struct thr *thr;
	enum state state;
	struct rpc_context *rpc; /* NULL when DOWN */
	bool lost; /* the connection is finished; seen in a callback, acted on outside */
	bool ready; /* the descriptor was reported: look even when nothing is expected */
	struct thr_watch watch; /* fd -1: not watched */
	TAILQ_HEAD(call_list, nfs_call) queue, flight, failed, later, cancelled;
	unsigned int nr_flight, completed;
	uint64_t retry_ns, backoff_ns, connect_ns;
	bool complained; /* "not responding" was said */
	uint32_t next_xid;
	uint32_t epoch; /* atomic */
	struct nfs_cred cred; /* of the context's current AUTH */
	bool cred_valid;
	struct codec_scratch scratch;
};

/* ---- connection ---- */

static void watch_off(struct nfs_client *c)
{
	if (c->watch.fd >= 0)
		thr_watch_remove(c->thr, &c->watch);
	c->watch.fd = -1;
}

static void on_ready(struct thr_watch *w, uint32_t revents)
{
	container_of(w, struct nfs_client, watch)->ready = true; /* for the thread's next round */
}

/* Follows libnfs' descriptor and wishes; a system call only when they changed. */
static void watch_update(struct nfs_client *c)
{
	int fd = rpc_get_fd(c->rpc);
	uint32_t events = (uint32_t)rpc_which_events(c->rpc); /* POLLIN, POLLOUT == EPOLLIN, EPOLLOUT */

	if (fd != c->watch.fd) {
		watch_off(c);
		c->watch = (struct thr_watch){ .fd = fd, .events = events, .ready = on_ready };
		if (fd >= 0 && thr_watch_add(c->thr, &c->watch))
			c->watch.fd = -1;
	} else if (fd >= 0 && events != c->watch.events) {
		thr_watch_modify(c->thr, &c->watch, events);
	}
}

/* The calls of a dead connection are sent again, in their order, before all others. */
static void requeue_failed(struct nfs_client *c)
{
	struct nfs_call *call;

	TAILQ_FOREACH(call, &c->failed, link)
		call->resent = true;
	TAILQ_CONCAT(&c->failed, &c->queue, link);
	TAILQ_CONCAT(&c->queue, &c->failed, link);
}

/* Everything libnfs has comes back through on_reply() with an error and so returns to the queue. */
static void go_down(struct nfs_client *c, const char *why)
{
	struct rpc_context *rpc = c->rpc;

	DOCA_LOG_DBG("connection to %s: %s", c->mnt->opts.server, why ? why : "closed");
	watch_off(c);
	c->state = DOWN;
	c->rpc = NULL;
	c->lost = false;
	c->cred_valid = false;
	if (rpc)
		rpc_destroy_context(rpc);
	requeue_failed(c);
	c->retry_ns = clock_ns() + c->backoff_ns;
	c->backoff_ns = max(c->backoff_ns * 2, BACKOFF_FIRST_NS);
	c->backoff_ns = min(c->backoff_ns, BACKOFF_MAX_NS);
}

static void complain(struct nfs_client *c)
{
	if (!c->complained)
		DOCA_LOG_WARN("nfs: server %s not responding, still trying", c->mnt->opts.server);
	c->complained = true;
}

static void recovered(struct nfs_client *c)
{
	c->backoff_ns = 0;
	if (c->complained)
		DOCA_LOG_WARN("nfs: server %s OK", c->mnt->opts.server);
	c->complained = false;
}

static void on_connected(struct rpc_context *rpc, int status, void *data, void *private_data)
{
	struct nfs_client *c = private_data;
	const int on = 1;

	if (rpc != c->rpc)
		return; /* a context being thrown away */
	if (status != RPC_STATUS_SUCCESS) {
		c->lost = true;
		return;
	}
	/* Each call is one send(): Nagle would hold a second one back until the first is answered. */
	setsockopt(rpc_get_fd(rpc), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->state = UP;
	__atomic_add_fetch(&c->epoch, 1, __ATOMIC_RELAXED);
}

static void go_up(struct nfs_client *c)
{
	c->rpc = rpc_init_context();
	if (!c->rpc) {
		go_down(c, "out of memory");
		return;
	}
	c->state = CONNECTING;
	c->connect_ns = clock_ns();
	if (rpc_connect_async(c->rpc, c->mnt->address, c->mnt->nfs_port, on_connected, c))
		go_down(c, rpc_get_error(c->rpc));
}

/* ---- calls ---- */

static bool cred_equal(const struct nfs_cred *a, const struct nfs_cred *b)
{
	return a->uid == b->uid && a->gid == b->gid && a->ngroups == b->ngroups &&
	       !memcmp(a->groups, b->groups, a->ngroups * sizeof(a->groups[0]));
}

/* libnfs encodes the credential when a call is queued, so it is set before each that differs. */
static int use_cred(struct nfs_client *c, const struct nfs_cred *cred)
{
	struct AUTH *auth;

	if (c->cred_valid && cred_equal(&c->cred, cred))
		return 0;
	auth = libnfs_authunix_create("softdpu", cred->uid, cred->gid, cred->ngroups,
				      (uint32_t *)cred->groups);
	if (!auth)
		return -ENOMEM;
	rpc_set_auth(c->rpc, auth);
	c->cred = *cred;
	c->cred_valid = true;
	return 0;
}

/* Sends it once more as a new call, after a pause. */
static void postpone(struct nfs_client *c, struct nfs_call *call)
{
	call->xid = 0;
	call->sent_ns = clock_ns() + JUKEBOX_NS;
	TAILQ_INSERT_TAIL(&c->later, call, link);
}

static void finish(struct nfs_client *c, struct nfs_call *call, int err, struct nfs_result *res)
{
	c->completed++;
	res->resent = call->resent;
	call->done(call, err, res);
}

static void on_reply(struct rpc_context *rpc, int status, void *data, void *private_data)
{
	struct nfs_call *call = private_data;
	struct nfs_client *c = call->client;
	struct nfs_result res;
	int err;

	TAILQ_REMOVE(&c->flight, call, link);
	c->nr_flight--;
	if (status != RPC_STATUS_SUCCESS || !data) {
		TAILQ_INSERT_TAIL(&c->failed, call, link);
		return;
	}
	recovered(c);
	err = codec_result(call, data, &res);
	if (err == -EAGAIN) /* JUKEBOX */
		postpone(c, call);
	else
		finish(c, call, err, &res);
}

/* After libnfs returned and the connection is still good: what failed was refused. */
static void judge_failed(struct nfs_client *c)
{
	struct nfs_call *call;

	while ((call = TAILQ_FIRST(&c->failed))) {
		struct nfs_result none = { 0 };

		TAILQ_REMOVE(&c->failed, call, link);
		DOCA_LOG_DBG("procedure %u refused: %s", call->proc, rpc_get_error(c->rpc));
		if (++call->refused < REFUSED_MAX)
			postpone(c, call);
		else
			finish(c, call, -EIO, &none);
	}
}

static int send_one(struct nfs_client *c, struct nfs_call *call)
{
	int rc;

	if (call->target && strlen(call->target) > TARGET_MAX)
		return -ENAMETOOLONG;
	while (!call->xid)
		call->xid = ++c->next_xid;
	rpc_set_next_xid(c->rpc, call->xid);
	rc = use_cred(c, call->cred);
	return rc ? rc : codec_send(c->rpc, call, &c->scratch, on_reply);
}

static void send_queued(struct nfs_client *c)
{
	struct nfs_call *call;

	while (c->nr_flight < MAX_FLIGHT && (call = TAILQ_FIRST(&c->queue))) {
		int rc = send_one(c, call);

		TAILQ_REMOVE(&c->queue, call, link);
		if (rc) { /* out of memory: one call's error, not a standstill of all */
			struct nfs_result none = { 0 };

			finish(c, call, rc, &none);
			continue;
		}
		TAILQ_INSERT_TAIL(&c->flight, call, link);
		c->nr_flight++;
		call->sent_ns = clock_ns();
	}
}

void nfs_client_call(struct nfs_client *c, struct nfs_call *call)
{
	call->client = c;
	call->xid = 0;
	call->resent = false;
	call->refused = 0;
	TAILQ_INSERT_TAIL(&c->queue, call, link);
}

static bool is_in(const struct call_list *list, const struct nfs_call *call)
{
	const struct nfs_call *other;

	TAILQ_FOREACH(other, list, link)
		if (other == call)
			return true;
	return false;
}

/*
 * libnfs cannot let go of one call: the connection goes with it, and the others are sent again. It is called when
 * a thread ends, never by libnfs.
 */
void nfs_client_cancel(struct nfs_client *c, struct nfs_call *call)
{
	struct call_list *list;

	if (is_in(&c->flight, call))
		go_down(c, "a call is given up");
	list = is_in(&c->queue, call) ? &c->queue : &c->later;
	if (list == &c->later && !is_in(list, call))
		return;
	TAILQ_REMOVE(list, call, link);
	TAILQ_INSERT_TAIL(&c->cancelled, call, link);
}

/* Waits for the server, as all calls do here. */
void nfs_client_abort(struct nfs_client *c)
{
}

static void end_cancelled(struct nfs_client *c)
{
	struct nfs_result none = { 0 };
	struct nfs_call *call;

	while ((call = TAILQ_FIRST(&c->cancelled))) {
		TAILQ_REMOVE(&c->cancelled, call, link);
		finish(c, call, -EINTR, &none);
	}
}

/* ---- the engine's round ---- */

/*
 * What to tell libnfs about its socket. It reads and writes without blocking, so no system call finds out
 * first: after queueing we write, else we read, and both when the last write did not get everything out.
 */
static int likely_events(const struct nfs_client *c)
{
	if (!(rpc_which_events(c->rpc) & POLLOUT))
		return POLLIN;
	return c->watch.events & POLLOUT ? POLLIN | POLLOUT : POLLOUT;
}

static int connect_events(const struct nfs_client *c)
{
	struct pollfd pfd = { .fd = rpc_get_fd(c->rpc), .events = POLLOUT };

	return poll(&pfd, 1, 0) > 0 ? pfd.revents : 0;
}

static void service(struct nfs_client *c)
{
	int events = c->state == CONNECTING ? connect_events(c) : likely_events(c);

	c->ready = false;
	if (events && rpc_service(c->rpc, events))
		c->lost = true;
	if (!c->lost)
		judge_failed(c);
}

static void wake_later(struct nfs_client *c)
{
	struct nfs_call *call;

	while ((call = TAILQ_FIRST(&c->later)) && call->sent_ns <= clock_ns()) {
		TAILQ_REMOVE(&c->later, call, link);
		TAILQ_INSERT_TAIL(&c->queue, call, link);
	}
}

/* The oldest call has waited too long, or connecting has. */
static bool silent(const struct nfs_client *c)
{
	const struct nfs_call *oldest = TAILQ_FIRST(&c->flight);
	uint64_t limit = c->mnt->opts.timeo_ms * 1000000ull;

	if (c->state == CONNECTING)
		return clock_ns() - c->connect_ns > CONNECT_LIMIT_NS;
	return oldest && clock_ns() - oldest->sent_ns > limit;
}

/* Losing a connection once is normal: servers drop idle ones. */
static void give_up_connection(struct nfs_client *c)
{
	bool wanted = c->nr_flight || !TAILQ_EMPTY(&c->queue) || !TAILQ_EMPTY(&c->failed);

	if (wanted && (c->backoff_ns || !c->lost))
		complain(c);
	go_down(c, c->lost ? rpc_get_error(c->rpc) : "no answer");
}

static void exchange(struct nfs_client *c)
{
	if (c->state == UP && !TAILQ_EMPTY(&c->queue))
		send_queued(c);
	if (c->nr_flight || c->ready || c->state == CONNECTING)
		service(c);
	if (c->lost || silent(c))
		give_up_connection(c);
}

int nfs_client_poll(struct nfs_client *c)
{
	c->completed = 0;
	end_cancelled(c);
	if (!TAILQ_EMPTY(&c->later))
		wake_later(c);
	if (c->state != DOWN)
		exchange(c);
	if (c->state == DOWN && !TAILQ_EMPTY(&c->queue) && clock_ns() >= c->retry_ns)
		go_up(c);
	if (c->state != DOWN)
		watch_update(c);
	return (int)c->completed;
}

bool nfs_client_soon(const struct nfs_client *c, uint64_t ns)
{
	return false; /* it keeps no time */
}

int nfs_client_timeout_ms(const struct nfs_client *c)
{
	bool busy = c->nr_flight || !TAILQ_EMPTY(&c->queue) || !TAILQ_EMPTY(&c->later);

	return busy || c->state == CONNECTING ? TICK_MS : -1;
}

/* libnfs counts nothing. */
void nfs_client_stats(const struct nfs_client *c, struct nfs_stats *sum)
{
	sum->connects += nfs_client_epoch(c, false);
}

uint32_t nfs_client_epoch(const struct nfs_client *c, bool nlm)
{
	return nlm ? 0 : __atomic_load_n(&c->epoch, __ATOMIC_RELAXED);
}

int nfs_client_create(const struct nfs_mount *mnt, struct thr *thr, struct nfs_client **ret_client)
{
	struct nfs_client *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->mnt = mnt;
	c->thr = thr;
	c->watch.fd = -1;
	TAILQ_INIT(&c->queue);
	TAILQ_INIT(&c->flight);
	TAILQ_INIT(&c->failed);
	TAILQ_INIT(&c->later);
	TAILQ_INIT(&c->cancelled);
	/* Two clients of one host must not share ids: the server's cache may key on address and id. */
	c->next_xid = (uint32_t)(clock_ns() * 2654435761u) ^ (uint32_t)(uintptr_t)c ^
		      ((uint32_t)getpid() << 16);
	*ret_client = c;
	return 0;
}

void nfs_client_destroy(struct nfs_client *c)
{
	if (!c)
		return;
	watch_off(c);
	if (c->rpc)
		rpc_destroy_context(c->rpc);
	free(c->scratch.buf);
	free(c);
}
