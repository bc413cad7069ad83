/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NFS client engine on libnfs' raw asynchronous calls, one connection per client.
 *
 * Theory of operation
 *
 * A call is in one of two lists: queue (to be sent) or flight (libnfs has it). A libnfs context serves one
 * TCP connection and is thrown away with it: whatever libnfs then says about a call (error, cancel) only
 * moves it back to the head of the queue, with its transaction id, so that the server's duplicate request
 * cache recognises it. So nothing but the server's answer ends a call.
 *
 *   DOWN --retry_ns reached--> CONNECTING --connected--> UP
 *    ^                              |                     |
 *    +---- back-off ----------------+-- error, silence ---+
 *
 * libnfs 4.0 is not trusted further than needed: no automatic reconnect, no timeouts of its own, sizes of
 * what it decoded are judged again in libnfs_codec.c.
 */
#include <errno.h>
#include <nfsc/libnfs.h> /* first: the raw headers need its macros */
#include <nfsc/libnfs-raw.h>
#include <nfsc/libnfs-raw-nfs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
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
#define BACKOFF_MAX_NS 10000000000ull
#define CONNECT_LIMIT_NS 10000000000ull
/* JUKEBOX: the server is busy with this file; Linux waits 5 s, we start lower. */
#define JUKEBOX_NS 500000000ull
#define TICK_MS 100

enum state { DOWN, CONNECTING, UP };

struct nfs_client {
	const struct nfs_mount *mnt;
	struct thr *thr;
	enum state state;
	struct rpc_context *rpc; /* NULL when DOWN */
	bool lost; /* the connection is finished; seen in a callback, acted on outside */
	struct thr_watch watch; /* fd -1: not watched */
	TAILQ_HEAD(call_list, nfs_call) queue, flight, later;
	unsigned int nr_flight, completed;
	uint64_t retry_ns, backoff_ns, connect_ns;
	bool complained; /* "not responding" was said */
	uint32_t next_xid;
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
	/* Waking up is all: the thread's next round polls the client. */
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

/* Everything libnfs has comes back through on_reply() with an error and so returns to the queue. */
static void go_down(struct nfs_client *c, const char *why)
{
	struct rpc_context *rpc = c->rpc;

	DOCA_LOG_DBG("connection to %s: %s", c->mnt->opts.server, why);
	watch_off(c);
	c->state = DOWN;
	c->rpc = NULL;
	c->lost = false;
	c->cred_valid = false;
	if (rpc)
		rpc_destroy_context(rpc);
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
	if (c->complained)
		DOCA_LOG_WARN("nfs: server %s OK", c->mnt->opts.server);
	c->complained = false;
}

static void on_connected(struct rpc_context *rpc, int status, void *data, void *private_data)
{
	struct nfs_client *c = private_data;

	if (rpc != c->rpc)
		return; /* a context being thrown away */
	if (status != RPC_STATUS_SUCCESS) {
		c->lost = true;
		return;
	}
	c->state = UP;
	c->backoff_ns = 0;
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
	if (rpc_connect_port_async(c->rpc, c->mnt->address, c->mnt->nfs_port, NFS_PROGRAM, NFS_V3,
				   on_connected, c))
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

static void back_to_queue(struct nfs_call *call)
{
	struct nfs_client *c = call->client;

	TAILQ_REMOVE(&c->flight, call, link);
	c->nr_flight--;
	call->resent = true;
	TAILQ_INSERT_HEAD(&c->queue, call, link);
}

static void finish(struct nfs_call *call, int err, struct nfs_result *res)
{
	struct nfs_client *c = call->client;

	TAILQ_REMOVE(&c->flight, call, link);
	c->nr_flight--;
	if (err == -EAGAIN) { /* JUKEBOX: a new call, later */
		call->xid = 0;
		call->sent_ns = clock_ns() + JUKEBOX_NS;
		TAILQ_INSERT_TAIL(&c->later, call, link);
		return;
	}
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

	if (status != RPC_STATUS_SUCCESS || !data) {
		/* Lost with the connection, or a reply libnfs could not read: ask again. */
		if (rpc == c->rpc)
			c->lost = true;
		back_to_queue(call);
		return;
	}
	recovered(c);
	err = codec_result(call, data, &res);
	finish(call, err, &res);
}

static void send_queued(struct nfs_client *c)
{
	struct nfs_call *call;

	while (!c->lost && c->nr_flight < MAX_FLIGHT && (call = TAILQ_FIRST(&c->queue))) {
		if (!call->xid)
			call->xid = ++c->next_xid ? c->next_xid : ++c->next_xid;
		rpc_set_next_xid(c->rpc, call->xid);
		TAILQ_REMOVE(&c->queue, call, link);
		TAILQ_INSERT_TAIL(&c->flight, call, link);
		c->nr_flight++;
		call->sent_ns = clock_ns();
		if (use_cred(c, call->cred) || codec_send(c->rpc, call, &c->scratch, on_reply)) {
			back_to_queue(call); /* out of memory: the next round tries again */
			return;
		}
	}
}

void nfs_client_call(struct nfs_client *c, struct nfs_call *call)
{
	call->client = c;
	call->xid = 0;
	call->resent = false;
	TAILQ_INSERT_TAIL(&c->queue, call, link);
}

/* ---- the engine's round ---- */

static void service(struct nfs_client *c)
{
	struct pollfd pfd = { .fd = rpc_get_fd(c->rpc),
			      .events = (short)rpc_which_events(c->rpc) };

	if (pfd.fd < 0 || poll(&pfd, 1, 0) <= 0)
		return;
	if (rpc_service(c->rpc, pfd.revents))
		c->lost = true;
}

static void wake_later(struct nfs_client *c)
{
	struct nfs_call *call = TAILQ_FIRST(&c->later);

	if (!call || call->sent_ns > clock_ns())
		return;
	TAILQ_REMOVE(&c->later, call, link);
	TAILQ_INSERT_TAIL(&c->queue, call, link);
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

int nfs_client_poll(struct nfs_client *c)
{
	bool wanted = !TAILQ_EMPTY(&c->queue) || c->nr_flight;

	c->completed = 0;
	if (!TAILQ_EMPTY(&c->later))
		wake_later(c);
	if (c->state == DOWN && wanted && clock_ns() >= c->retry_ns)
		go_up(c);
	if (c->state == DOWN)
		return 0;
	if (c->state == UP && !TAILQ_EMPTY(&c->queue))
		send_queued(c);
	service(c);
	if (c->lost || silent(c)) {
		if (wanted)
			complain(c);
		go_down(c, c->lost ? rpc_get_error(c->rpc) : "no answer");
	} else {
		watch_update(c);
	}
	return (int)c->completed;
}

int nfs_client_timeout_ms(const struct nfs_client *c)
{
	bool busy = c->nr_flight || !TAILQ_EMPTY(&c->queue) || !TAILQ_EMPTY(&c->later);

	return busy || c->state == CONNECTING ? TICK_MS : -1;
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
	TAILQ_INIT(&c->later);
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
