/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Replies off the wire.
 *
 * Theory of operation: one receive fills a buffer that may hold many replies, whole ones are
 * answered from it. Three states: RECORD puts a record together (its fragments, if it has several,
 * are moved next to each other); DATA is within the bytes of a READ, which go from the socket to
 * the call's segments, with room for the head of the next reply behind them; SKIP leaves out what
 * nobody wants. While large READs are out only as much is asked for as a reply's head may have,
 * since what is in the buffer has to be copied once more.
 *
 * Bytes are the server's: lengths are judged before anything is done with them, a record has at
 * most RPC_RECORD_MAX bytes and MAX_FRAGS fragments. What breaks the stream loses the connection,
 * what breaks one reply fails one call.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "rpc.h"

#define MAX_FRAGS 512
/* Mark, header, status, attributes, count, end of file, length: 132 bytes if nothing is unusual. */
#define HEAD_LEN 160
#define HEAD_MAX 640 /* with the longest verifier; what has more of it is put together whole */
#define DATA_SEGS 96
/* Data of a READ worth waking up for. */
#define LOW_MIN 65536u
/*
 * But what is there is taken by any round after so long, of which there is one each TICK_MS: a slow line must
 * not look like a dead one, so it is not done where so little time is enough to be dead.
 */
#define LOW_WAIT_NS 1000000ull
#define LOW_TIMEO_MS 1000
/* Receives before others get their turn; bytes come as fast as the server likes. */
#define MAX_ROUNDS 16

void rpc_recv_reset(struct rpc_conn *conn)
{
	conn->in.pos = conn->in.end = conn->in.record = 0;
	conn->in.state = RPC_RX_RECORD;
	conn->in.in_frag = false;
	conn->in.frag_left = conn->in.nr_frags = 0;
	conn->in.call = NULL;
	conn->in.data_left = conn->in.skip = 0;
	conn->in.low = 1;
}

void rpc_recv_forget(struct rpc_conn *conn, const struct nfs_call *call)
{
	if (conn->in.call != call || conn->in.state != RPC_RX_DATA)
		return;
	conn->in.call = NULL;
	conn->in.skip += conn->in.data_left;
	conn->in.data_left = 0;
	conn->in.state = RPC_RX_SKIP;
}

/* ---- data of a READ ---- */

static uint32_t capacity(const struct nfs_call *call)
{
	size_t sum = 0;

	for (int i = 0; i < call->iovcnt && sum < call->iov_off + call->count; i++)
		sum += call->iov[i].iov_len;
	return sum > call->iov_off ? (uint32_t)min(sum - call->iov_off, (size_t)call->count) : 0;
}

/* Moves the place for data by n bytes that are there; with from they are copied. */
static void place(struct rpc_conn *conn, const uint8_t *from, size_t n)
{
	const struct iovec *v = conn->in.call->iov;

	conn->in.data_left -= (uint32_t)n;
	while (n) {
		size_t part = min(v[conn->in.seg].iov_len - conn->in.seg_off, n);

		if (from) {
			memcpy((uint8_t *)v[conn->in.seg].iov_base + conn->in.seg_off, from, part);
			from += part;
		}
		conn->in.seg_off += part;
		n -= part;
		if (conn->in.seg_off == v[conn->in.seg].iov_len) {
			conn->in.seg++;
			conn->in.seg_off = 0;
		}
	}
}

static void data_ended(struct rpc_conn *conn)
{
	struct nfs_call *call = conn->in.call;

	if (conn->in.data_left)
		return;
	conn->in.call = NULL;
	conn->in.state = RPC_RX_SKIP;
	rpc_answered(conn, call, 0, &conn->in.res, conn->in.res.count);
}

static void find_place(struct rpc_conn *conn)
{
	const struct nfs_call *call = conn->in.call;

	conn->in.seg = 0;
	conn->in.seg_off = call->iov_off;
	while (conn->in.seg < call->iovcnt && conn->in.seg_off >= call->iov[conn->in.seg].iov_len)
		conn->in.seg_off -= call->iov[conn->in.seg++].iov_len;
}

/*
 * The beginning of a record that is not all there yet. If it is the answer to a READ and tells
 * where its bytes are, the rest of them is received in place. False: go on putting it together.
 */
static bool start_data(struct rpc_conn *conn)
{
	const uint8_t *rec = conn->in.buf + conn->in.pos;
	size_t total = conn->in.record + conn->in.frag_left, body, have;
	struct xdr_in x = { rec, rec + conn->in.record, false };
	struct nfs_call *call;
	uint32_t len;

	if (total < RPC_DIRECT_MIN || !conn->in.last || conn->in.nr_frags != 1)
		return false;
	call = rpc_find(conn, xdr_get32(&x));
	if (!call || call->proc != NFS_READ || rpc_get_reply(&x) ||
	    nfs3_get_read_head(&x, call, &conn->in.res, &len))
		return false;
	body = total - (size_t)(x.p - rec);
	if (len > body)
		return false;
	len = min(len, conn->in.res.count);
	len = min(len, capacity(call));
	conn->in.res.count = len;
	conn->in.call = call;
	conn->in.data_left = len;
	conn->in.skip = (uint32_t)(body - len);
	conn->in.state = RPC_RX_DATA;
	conn->in.record = 0;
	conn->in.in_frag = false;
	conn->in.frag_left = conn->in.nr_frags = 0;
	conn->in.pos = (size_t)(x.p - conn->in.buf);
	find_place(conn);
	have = min(conn->in.end - conn->in.pos, (size_t)len);
	place(conn, conn->in.buf + conn->in.pos, have);
	conn->in.pos += have;
	data_ended(conn);
	return true;
}

/* ---- records ---- */

static void take_record(struct rpc_conn *conn, const uint8_t *rec, size_t len)
{
	struct xdr_in x = { rec, rec + len, false };
	struct nfs_call *call = rpc_find(conn, xdr_get32(&x));
	struct nfs_result res;
	int err;

	if (x.bad) {
		rpc_conn_lose(conn, "a record too short for any reply");
		return;
	}
	if (!call) {
		rpc_count(conn->client->stats.bad_xids, 1);
		return;
	}
	err = rpc_get_reply(&x);
	if (err) {
		rpc_refused(conn, call, err);
		return;
	}
	err = nfs3_get_result(&x, call, &conn->client->scratch, &res);
	rpc_answered(conn, call, err, &res, len);
}

static bool make_room(struct rpc_conn *conn, size_t size)
{
	uint8_t *buf;

	if (size <= conn->in.size)
		return true;
	buf = realloc(conn->in.buf, RPC_RECORD_MAX);
	if (!buf) {
		rpc_conn_lose(conn, "out of memory");
		return false;
	}
	conn->in.buf = buf;
	conn->in.size = RPC_RECORD_MAX;
	return true;
}

static bool start_frag(struct rpc_conn *conn)
{
	uint8_t *at = conn->in.buf + conn->in.pos + conn->in.record;
	size_t have = conn->in.end - conn->in.pos - conn->in.record;
	uint32_t mark;

	if (have < sizeof(mark))
		return false;
	memcpy(&mark, at, sizeof(mark));
	mark = be32toh(mark);
	if (!conn->in.record) {
		conn->in.pos += sizeof(mark);
	} else {
		memmove(at, at + sizeof(mark), have - sizeof(mark));
		conn->in.end -= sizeof(mark);
	}
	conn->in.in_frag = true;
	conn->in.last = mark & RPC_LAST;
	conn->in.frag_left = mark & ~RPC_LAST;
	if (conn->in.frag_left > RPC_RECORD_MAX - conn->in.record ||
	    ++conn->in.nr_frags > MAX_FRAGS) {
		rpc_conn_lose(conn, "a record larger than any reply");
		return false;
	}
	return true;
}

/* Goes on with a record as far as there are bytes. False: more are needed. */
static bool step_record(struct rpc_conn *conn)
{
	size_t n;

	if (!conn->in.in_frag)
		return start_frag(conn);
	n = min(conn->in.end - conn->in.pos - conn->in.record, (size_t)conn->in.frag_left);
	conn->in.record += n;
	conn->in.frag_left -= (uint32_t)n;
	if (conn->in.frag_left)
		return start_data(conn);
	conn->in.in_frag = false;
	if (!conn->in.last)
		return true;
	take_record(conn, conn->in.buf + conn->in.pos, conn->in.record);
	conn->in.pos += conn->in.record;
	conn->in.record = 0;
	conn->in.nr_frags = 0;
	return true;
}

static bool step(struct rpc_conn *conn)
{
	size_t n;

	switch (conn->in.state) {
	case RPC_RX_RECORD:
		return step_record(conn);
	case RPC_RX_SKIP:
		n = min(conn->in.end - conn->in.pos, (size_t)conn->in.skip);
		conn->in.pos += n;
		conn->in.skip -= (uint32_t)n;
		if (conn->in.skip)
			return false;
		conn->in.state = RPC_RX_RECORD;
		return true;
	default:
		return false;
	}
}

/* ---- the socket ---- */

static int data_segs(const struct rpc_conn *conn, struct iovec *v, size_t *ret_len)
{
	const struct nfs_call *call = conn->in.call;
	size_t left = conn->in.data_left, off = conn->in.seg_off;
	int n = 0;

	for (int i = conn->in.seg; n < DATA_SEGS && left; i++) {
		size_t len = min(call->iov[i].iov_len - off, left);

		if (len)
			v[n++] = (struct iovec){ (uint8_t *)call->iov[i].iov_base + off, len };
		left -= len;
		off = 0;
	}
	*ret_len = conn->in.data_left - left;
	return n;
}

/* What the current record still lacks; while it may be the answer to a READ, its head only. */
static size_t lacking(const struct rpc_conn *conn)
{
	if (conn->in.state != RPC_RX_RECORD)
		return 0;
	if (!conn->in.in_frag) /* the next fragment's mark: what came before it may fill the buffer */
		return conn->in.record ? sizeof(uint32_t) : 0;
	if (conn->in.record < HEAD_MAX && conn->in.nr_frags == 1)
		return min((size_t)conn->in.frag_left, (size_t)HEAD_LEN);
	return conn->in.frag_left;
}

/* Bytes wanted into the buffer, which are made to fit. 0: no memory. */
static size_t want(struct rpc_conn *conn)
{
	size_t missing = lacking(conn);
	bool large = conn->nr_large > (conn->in.state == RPC_RX_DATA);
	size_t least = max(missing, (size_t)HEAD_LEN);

	if (missing && !make_room(conn, conn->in.record + missing))
		return 0;
	if (conn->in.pos == conn->in.end) {
		conn->in.pos = conn->in.end = 0;
	} else if (conn->in.size - conn->in.end < least) {
		memmove(conn->in.buf, conn->in.buf + conn->in.pos, conn->in.end - conn->in.pos);
		conn->in.end -= conn->in.pos;
		conn->in.pos = 0;
	}
	return large ? min(least, conn->in.size - conn->in.end) : conn->in.size - conn->in.end;
}

/* One receive. Bytes asked for in *ret_asked; bytes that came, 0: none. */
static size_t receive(struct rpc_conn *conn, size_t *ret_asked)
{
	struct iovec v[DATA_SEGS + 1];
	struct msghdr mh = { .msg_iov = v };
	size_t data = 0, room;
	ssize_t n;

	if (conn->in.state == RPC_RX_DATA)
		mh.msg_iovlen = (size_t)data_segs(conn, v, &data);
	room = data == conn->in.data_left ? want(conn) : 0;
	if (room)
		v[mh.msg_iovlen++] = (struct iovec){ conn->in.buf + conn->in.end, room };
	*ret_asked = data + room;
	if (conn->lost)
		return 0;
	n = recvmsg(conn->fd, &mh, MSG_DONTWAIT);
	rpc_count(conn->client->stats.recvs, 1);
	if (n > 0)
		return (size_t)n;
	if (n == 0)
		rpc_conn_lose(conn, "closed by the server");
	else if (errno != EAGAIN && errno != EINTR)
		rpc_conn_lose(conn, strerror(errno));
	return 0;
}

static void take(struct rpc_conn *conn, size_t n)
{
	size_t data = min(n, (size_t)conn->in.data_left);

	conn->in.end += n - data;
	if (conn->in.state == RPC_RX_DATA) {
		place(conn, NULL, data);
		data_ended(conn);
	}
	while (!conn->lost && step(conn))
		;
}

bool rpc_recv_too_little(const struct rpc_conn *conn)
{
	struct pollfd pfd = { .fd = conn->fd, .events = POLLIN };
	uint64_t now = conn->client->now_ns;

	return conn->in.low > 1 && now - min(now, conn->since_ns) < LOW_WAIT_NS &&
	       poll(&pfd, 1, 0) == 0;
}

void rpc_recv_watch(struct rpc_conn *conn)
{
	/* Of the only one half, to be copied while the server sends the other; it has more to do else. */
	uint32_t part = conn->nr_large > 1 ? 1 : 2;
	uint32_t low = conn->in.state == RPC_RX_DATA ? conn->in.data_left / part : 1;

	if (low < LOW_MIN || conn->client->mnt->opts.timeo_ms < LOW_TIMEO_MS)
		low = 1;
	if (low == conn->in.low)
		return;
	conn->in.low = low;
	setsockopt(conn->fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)); /* without it, it works still */
}

bool rpc_recv(struct rpc_conn *conn)
{
	bool any = false;

	for (int i = 0; i < MAX_ROUNDS && !conn->lost; i++) {
		size_t asked, n = receive(conn, &asked);

		if (!n)
			break;
		any = true;
		conn->client->now_ns = conn->since_ns = clock_ns();
		take(conn, n);
		if (n < asked)
			break;
	}
	return any;
}
