/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls onto the wire.
 *
 * Theory of operation: queued calls are encoded one behind the other into a buffer until that is
 * full, the data of WRITEs staying where the guest has it: a list of segments names both in the
 * order of the stream. One sendmsg() takes all of it. If the socket does not, the rest stays in the
 * list, nothing more is encoded, and a call of which something is still there may not end: its
 * segments are needed. When all is sent the buffer is empty again.
 */
#include <errno.h>
#include <limits.h>

#include "rpc.h"

static const uint8_t zeros[4];

void rpc_send_reset(struct rpc_conn *conn)
{
	conn->out.used = 0;
	conn->out.first = conn->out.nr = 0;
	conn->out.queued = conn->out.sent = 0;
}

static void add_seg(struct rpc_conn *conn, const void *base, size_t len)
{
	struct iovec *last = conn->out.nr ? &conn->out.iov[conn->out.nr - 1] : NULL;

	if (!len)
		return;
	if (last && (const uint8_t *)last->iov_base + last->iov_len == base)
		last->iov_len += len;
	else
		conn->out.iov[conn->out.nr++] = (struct iovec){ (void *)base, len };
}

/* The call's segments from iov_off on, count bytes. False: there are not as many. */
static bool add_data(struct rpc_conn *conn, const struct nfs_call *call)
{
	size_t skip = call->iov_off, left = call->count;

	for (int i = 0; i < call->iovcnt && left; i++) {
		const struct iovec *v = &call->iov[i];
		size_t n;

		if (skip >= v->iov_len) {
			skip -= v->iov_len;
			continue;
		}
		n = min(v->iov_len - skip, left);
		add_seg(conn, (uint8_t *)v->iov_base + skip, n);
		left -= n;
		skip = 0;
	}
	add_seg(conn, zeros, xdr_pad(call->count));
	return !left;
}

static bool has_room(const struct rpc_conn *conn, const struct nfs_call *call)
{
	unsigned int segs = call->proc == NFS_WRITE ? (unsigned int)call->iovcnt + 2 : 1;

	return conn->out.used + RPC_CALL_MAX + nfs3_args_max(call) <= RPC_OUT_SIZE &&
	       conn->out.nr + segs <= RPC_OUT_IOV;
}

/* 0, or the error that ends the call: it cannot be said on the wire. */
static int encode(struct rpc_conn *conn, struct nfs_call *call)
{
	uint8_t *start = conn->out.buf + conn->out.used;
	struct xdr_out x = { start + 4, conn->out.buf + RPC_OUT_SIZE, false };
	struct xdr_out mark = { start, start + 4, false };
	unsigned int nr = conn->out.nr;
	size_t last_len = nr ? conn->out.iov[nr - 1].iov_len : 0;
	uint32_t len;

	rpc_register(conn->client, call);
	rpc_put_call(&x, call->xid, nfs3_number(call->proc), call->cred);
	nfs3_put_args(&x, call);
	if (x.bad)
		return -ENAMETOOLONG;
	len = (uint32_t)(x.p - start);
	add_seg(conn, start, len);
	if (call->proc == NFS_WRITE) {
		if (!add_data(conn, call)) {
			conn->out.nr = nr;
			if (nr)
				conn->out.iov[nr - 1].iov_len = last_len;
			return -EINVAL;
		}
		len += call->count + xdr_pad(call->count);
	}
	xdr_put32(&mark, RPC_LAST | (len - 4));
	conn->out.used = (size_t)(x.p - conn->out.buf);
	conn->out.queued += len;
	call->sent_end = conn->out.queued;
	call->sent_len = len;
	return 0;
}

/* Returns whether there is anything to send. */
static bool gather(struct rpc_conn *conn)
{
	struct nfs_call *call;

	while ((call = TAILQ_FIRST(&conn->queue)) && conn->nr_flight < RPC_MAX_FLIGHT) {
		int rc;

		if (call->iovcnt + 2 > RPC_OUT_IOV) {
			rc = -EINVAL;
		} else {
			if (!has_room(conn, call))
				break;
			rc = encode(conn, call);
		}
		if (rc) {
			struct nfs_result none = { 0 };

			rpc_finish(conn->client, call, rc, &none);
		} else {
			rpc_depart(conn, call);
		}
	}
	return conn->out.nr > 0;
}

/* Takes n sent bytes off the list. */
static void advance(struct rpc_conn *conn, size_t n)
{
	conn->out.sent += n;
	while (n) {
		struct iovec *v = &conn->out.iov[conn->out.first];

		if (n < v->iov_len) {
			v->iov_base = (uint8_t *)v->iov_base + n;
			v->iov_len -= n;
			return;
		}
		n -= v->iov_len;
		conn->out.first++;
	}
	if (conn->out.first == conn->out.nr) {
		conn->out.first = conn->out.nr = 0;
		conn->out.used = 0;
	}
}

/* False: the socket is full, or the connection lost. */
static bool flush(struct rpc_conn *conn)
{
	while (rpc_send_blocked(conn) && !conn->lost) {
		struct msghdr mh = { .msg_iov = conn->out.iov + conn->out.first,
				     .msg_iovlen = min(conn->out.nr - conn->out.first,
						       (unsigned int)IOV_MAX) };
		ssize_t n = sendmsg(conn->fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);

		rpc_count(conn->client->stats.sends, 1);
		if (n > 0) {
			conn->client->work++;
			conn->out.moved_ns = conn->client->now_ns;
			advance(conn, (size_t)n);
		} else if (errno != EINTR) {
			if (errno != EAGAIN)
				rpc_conn_lose(conn, strerror(errno));
			return false;
		}
	}
	return !conn->lost;
}

void rpc_send(struct rpc_conn *conn)
{
	while (flush(conn) && !TAILQ_EMPTY(&conn->queue))
		if (!gather(conn))
			return;
}
