/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The RPC engine against a server made of bytes: records, data in place, ids, cancelling, patience.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "nfs_rig.h"

#define BIG (100 * 1024 + 3)

static struct rig r;
static const struct nfs_cred cred = { .uid = 1, .gid = 2, .ngroups = 2, .groups = { 3, 4 } };
static const struct nfs_fh fh = { .len = 5, .data = "handl" };

/* A call, what became of it, and its buffers. */
struct one {
	struct nfs_call call;
	struct iovec iov[3];
	int done, err;
	struct nfs_result res;
	char target[16];
};

static void on_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct one *o = container_of(call, struct one, call);

	o->done++;
	o->err = err;
	o->res = *res;
	if (res->target)
		snprintf(o->target, sizeof(o->target), "%s", res->target);
}

static struct one *begin(struct one *o, enum nfs_proc proc)
{
	memset(o, 0, sizeof(*o));
	o->call.proc = proc;
	o->call.cred = &cred;
	o->call.fh = &fh;
	o->call.done = on_done;
	o->call.iov = o->iov;
	return o;
}

static void go(struct one *o)
{
	nfs_client_call(r.client, &o->call);
	rig_run(&r);
}

/* ---- the server's side ---- */

static uint8_t wire[2 << 20];

/* One whole call, without its mark; its length, 0: nothing there. */
static size_t get_call(struct xdr_in *x)
{
	uint32_t mark;
	size_t have = 0, len;

	if (read(r.peer, &mark, 4) != 4)
		return 0;
	mark = be32toh(mark);
	assert_true(mark & RPC_LAST);
	len = mark & ~RPC_LAST;
	assert_in_range(len, 40, sizeof(wire));
	while (have < len) {
		ssize_t n = read(r.peer, wire + have, len - have);

		if (n > 0)
			have += (size_t)n;
		else
			rig_run(&r); /* the rest was waiting for room */
	}
	*x = (struct xdr_in){ wire, wire + len, false };
	return len;
}

static uint32_t get_xid(void)
{
	struct xdr_in x;

	assert_true(get_call(&x) > 0);
	return xdr_get32(&x);
}

static uint8_t out_buf[2 << 20];
static struct xdr_out out;

static void start_reply(uint32_t xid)
{
	out = (struct xdr_out){ out_buf + 4, out_buf + sizeof(out_buf), false };
	xdr_put32(&out, xid);
	xdr_put32(&out, 1);
	for (int i = 0; i < 4; i++) /* accepted, no verifier, success */
		xdr_put32(&out, 0);
}

static void push(const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		ssize_t n = write(r.peer, p, len);

		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
		rig_run(&r);
	}
}

/* Marks it, and returns its length. */
static size_t finish_reply(void)
{
	size_t len = (size_t)(out.p - out_buf);
	uint32_t mark = htobe32(RPC_LAST | (uint32_t)(len - 4));

	assert_false(out.bad);
	memcpy(out_buf, &mark, 4);
	return len;
}

static void reply(void)
{
	push(out_buf, finish_reply());
}

static void access_reply(uint32_t xid, uint32_t bits)
{
	start_reply(xid);
	xdr_put32(&out, 0);
	xdr_put32(&out, 0);
	xdr_put32(&out, bits);
}

static void read_reply(uint32_t xid, const uint8_t *data, uint32_t count, uint32_t len)
{
	start_reply(xid);
	xdr_put32(&out, 0);
	xdr_put32(&out, 0);
	xdr_put32(&out, count);
	xdr_put32(&out, 1);
	xdr_put_opaque(&out, data, len);
}

static int setup(void **state)
{
	rig_open(&r);
	return 0;
}

static int teardown(void **state)
{
	rig_close(&r);
	return 0;
}

/* ---- records ---- */

static void test_header(void **state)
{
	struct one o;
	struct xdr_in x;
	uint32_t len;

	begin(&o, NFS_ACCESS)->call.access = 0x3f;
	go(&o);
	assert_true(get_call(&x) > 0);
	assert_int_equal(xdr_get32(&x), o.call.xid);
	for (uint32_t i = 0; i < 6; i++) /* call, version 2, NFS 3, ACCESS, AUTH_SYS */
		assert_int_equal(xdr_get32(&x), ((uint32_t[]){ 0, 2, 100003, 3, 4, 1 })[i]);
	assert_int_equal(xdr_get32(&x), 4 + 12 + 12 + 8);
	xdr_get32(&x);
	assert_memory_equal(xdr_get_opaque(&x, 100, &len), "softdpu", 7);
	for (uint32_t i = 0; i < 7; i++) /* uid, gid, two groups, no verifier */
		assert_int_equal(xdr_get32(&x), ((uint32_t[]){ 1, 2, 2, 3, 4, 0, 0 })[i]);
	assert_memory_equal(xdr_get_opaque(&x, 64, &len), "handl", 5);
	assert_int_equal(xdr_get32(&x), 0x3f);
	assert_int_equal(xdr_left(&x), 0);
	assert_false(x.bad);
	access_reply(o.call.xid, 5);
	reply();
	assert_int_equal(o.done, 1);
	assert_int_equal(o.err, 0);
	assert_int_equal(o.res.access, 5);
}

static void test_byte_by_byte(void **state)
{
	struct one o;
	size_t len;

	go(begin(&o, NFS_ACCESS));
	access_reply(get_xid(), 7);
	len = finish_reply();
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(o.done, 0);
		push(out_buf + i, 1);
	}
	assert_int_equal(o.res.access, 7);
}

static void test_batch(void **state)
{
	struct one o[50];
	uint32_t xid[50];
	uint8_t all[50 * 64];
	size_t len = 0;

	for (uint32_t i = 0; i < 50; i++)
		nfs_client_call(r.client, &begin(&o[i], NFS_ACCESS)->call);
	rig_run(&r);
	assert_int_equal(r.client->stats.sends, 1);
	for (uint32_t i = 0; i < 50; i++)
		xid[i] = get_xid();
	/* Answers in another order, in one piece. */
	for (uint32_t i = 50; i-- > 0;) {
		access_reply(xid[i], i);
		memcpy(all + len, out_buf, finish_reply());
		len += (size_t)(out.p - out_buf);
	}
	push(all, len);
	for (uint32_t i = 0; i < 50; i++) {
		assert_int_equal(o[i].done, 1);
		assert_int_equal(o[i].res.access, i);
	}
	assert_in_range(r.client->stats.recvs, 1, 3);
	assert_int_equal(r.client->nr_calls, 0);
}

/* The same reply in fragments of each size, the last of which may be empty. */
static void test_fragments(void **state)
{
	for (size_t size = 1; size < 48; size++) {
		uint8_t buf[512];
		struct one o;
		size_t len, n = 0;

		go(begin(&o, NFS_ACCESS));
		access_reply(get_xid(), 9);
		len = finish_reply();
		for (size_t at = 4;; at += size) {
			size_t part = min(size, len - at);
			uint32_t mark = htobe32((part < size ? RPC_LAST : 0) | (uint32_t)part);

			memcpy(buf + n, &mark, 4);
			memcpy(buf + n + 4, out_buf + at, part);
			n += 4 + part;
			if (part < size)
				break;
		}
		push(buf, n / 2);
		push(buf + n / 2, n - n / 2);
		assert_int_equal(o.done, 1);
		assert_int_equal(o.res.access, 9);
	}
	assert_int_equal(rig_conn(&r)->state, RPC_UP);
}

static void expect_lost(const void *data, size_t len)
{
	struct one o;
	uint32_t xid;

	go(begin(&o, NFS_ACCESS));
	xid = get_xid();
	assert_int_equal(write(r.peer, data, len), len);
	rig_run(&r);
	assert_int_equal(rig_conn(&r)->state, RPC_DOWN);
	assert_int_equal(o.done, 0);
	/* Sent once more on the next connection, under its id, and known as such. */
	rig_connect(&r);
	rig_run(&r);
	assert_int_equal(get_xid(), xid);
	access_reply(xid, 1);
	reply();
	assert_int_equal(o.err, 0);
	assert_true(o.res.resent);
}

static void test_bad_records(void **state)
{
	uint8_t tiny[4 * 600];
	struct one o;

	expect_lost("\x7f\xff\xff\xff", 4); /* 2 GiB */
	expect_lost("\x80\0\0\0", 4); /* nothing */
	expect_lost("\x80\0\0\3abc", 7);
	memset(tiny, 0, sizeof(tiny)); /* fragments of nothing, for ever */
	expect_lost(tiny, sizeof(tiny));
	/* An answer to nobody is none of ours. */
	go(begin(&o, NFS_ACCESS));
	access_reply(get_xid() + 1, 3);
	reply();
	assert_int_equal(o.done, 0);
	assert_int_equal(r.client->stats.bad_xids, 1);
	access_reply(o.call.xid, 3);
	reply();
	assert_int_equal(o.done, 1);
	/* Nor is a second one, which wakes an idle client. */
	r.client->ready = true;
	reply();
	assert_int_equal(o.done, 1);
	assert_int_equal(r.client->stats.bad_xids, 2);
}

/* A reply cut anywhere fails the call, and only that; what writes data is sent again. */
static void test_truncated(void **state)
{
	static const enum nfs_proc procs[] = { NFS_GETATTR, NFS_LOOKUP, NFS_FSSTAT, NFS_FSINFO, NFS_PATHCONF,
					       NFS_READ, NFS_READLINK, NFSACL_GETACL,
					       NFS_COMMIT, NFS_WRITE };

	for (size_t p = 0; p < ARRAY_SIZE(procs); p++) {
		int want = -EIO;
		struct one o;

		begin(&o, procs[p])->call.name = "x";
		o.call.acl_mask = 0xf;
		go(&o);
		start_reply(get_xid());
		xdr_put32(&out, 0);
		reply();
		if (procs[p] == NFS_COMMIT || procs[p] == NFS_WRITE) {
			assert_int_equal(o.call.where, RPC_LATER);
			nfs_client_cancel(r.client, &o.call);
			nfs_client_poll(r.client);
			want = -EINTR;
		}
		assert_int_equal(o.done, 1);
		assert_int_equal(o.err, want);
		assert_int_equal(rig_conn(&r)->state, RPC_UP);
	}
}

/* ---- data ---- */

static uint8_t data[BIG], got[BIG + 64];

static void fill(void)
{
	for (size_t i = 0; i < BIG; i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	memset(got, 0xee, sizeof(got));
}

static struct one *begin_read(struct one *o, uint32_t count)
{
	begin(o, NFS_READ)->call.count = count;
	o->iov[0] = (struct iovec){ got, 1001 };
	o->iov[1] = (struct iovec){ got + 1001, 0 };
	o->iov[2] = (struct iovec){ got + 1001, BIG - 1001 };
	o->call.iovcnt = 3;
	return o;
}

static void test_read_in_place(void **state)
{
	static const size_t pieces[] = { 1 << 20, 50000, 4097, 131, 60 };

	for (size_t k = 0; k < ARRAY_SIZE(pieces); k++) {
		struct one o, next;
		size_t len;

		fill();
		go(begin_read(&o, BIG));
		go(begin(&next, NFS_ACCESS));
		read_reply(get_xid(), data, BIG, BIG);
		len = finish_reply();
		for (size_t at = 0; at < len; at += pieces[k])
			push(out_buf + at, min(pieces[k], len - at));
		assert_int_equal(o.done, 1);
		assert_int_equal(o.err, 0);
		assert_int_equal(o.res.count, BIG);
		assert_true(o.res.eof);
		assert_memory_equal(got, data, BIG);
		assert_int_equal(got[BIG], 0xee);
		/* The stream is where it should be. */
		access_reply(get_xid(), 2);
		reply();
		assert_int_equal(next.done, 1);
	}
}

/* A first fragment that fills the buffer to its end: there must be room for the mark behind it. */
static void test_full_fragment(void **state)
{
	uint32_t mark = htobe32(RPC_IN_SIZE);
	struct one o;
	size_t len;

	fill();
	go(begin_read(&o, BIG));
	read_reply(get_xid(), data, BIG, BIG);
	len = finish_reply() - 4 - RPC_IN_SIZE;
	push(&mark, 4);
	push(out_buf + 4, RPC_IN_SIZE);
	assert_int_equal(rig_conn(&r)->state, RPC_UP);
	mark = htobe32(RPC_LAST | (uint32_t)len);
	push(&mark, 4);
	push(out_buf + 4 + RPC_IN_SIZE, len);
	assert_int_equal(o.done, 1);
	assert_int_equal(o.err, 0);
	assert_int_equal(o.res.count, BIG);
	assert_memory_equal(got, data, BIG);
}

/* More than was asked for, less than was promised, more than there is room. */
static void test_read_lies(void **state)
{
	struct one o;

	fill();
	go(begin_read(&o, 20000));
	o.call.iov_off = 5;
	read_reply(get_xid(), data, 0xffffffff, BIG);
	reply();
	assert_int_equal(o.res.count, 20000);
	assert_int_equal(got[4], 0xee);
	assert_memory_equal(got + 5, data, 20000);
	assert_int_equal(got[20005], 0xee);
	go(begin_read(&o, 20000));
	read_reply(get_xid(), data, 17000, 18000);
	reply();
	assert_int_equal(o.res.count, 17000);
	/* A length that ends behind the record. */
	go(begin_read(&o, 20000));
	read_reply(get_xid(), data, 20000, 20000);
	out_buf[4 + 24 + 16 + 1] = 0x7f;
	reply();
	assert_int_equal(o.done, 1);
	assert_int_equal(o.err, -EIO);
	assert_int_equal(rig_conn(&r)->state, RPC_UP);
}

static void test_read_cancelled(void **state)
{
	struct one o, next;
	size_t len;

	fill();
	go(begin_read(&o, BIG));
	go(begin(&next, NFS_ACCESS));
	read_reply(get_xid(), data, BIG, BIG);
	len = finish_reply();
	push(out_buf, 50000);
	nfs_client_cancel(r.client, &o.call);
	rig_run(&r);
	assert_int_equal(o.done, 1);
	assert_int_equal(o.err, -EINTR);
	memset(got, 0xee, sizeof(got)); /* somebody else's by now */
	push(out_buf + 50000, len - 50000);
	for (size_t i = 0; i < BIG; i++)
		assert_int_equal(got[i], 0xee);
	access_reply(get_xid(), 2);
	reply();
	assert_int_equal(next.done, 1);
	assert_int_equal(o.done, 1);
}

static struct one *begin_write(struct one *o, uint32_t count)
{
	begin(o, NFS_WRITE)->call.count = count;
	o->iov[0] = (struct iovec){ data, 7 };
	o->iov[1] = (struct iovec){ data + 7, 5000 };
	o->iov[2] = (struct iovec){ data + 5007, BIG - 5007 };
	o->call.iovcnt = 3;
	return o;
}

static void check_write(uint32_t skip, uint32_t count)
{
	const uint8_t *p;
	struct xdr_in x;
	uint32_t len;

	assert_true(get_call(&x) > 0);
	x.p += 24 + 4 + 4 + 36 + 8; /* header, credential, verifier */
	xdr_get_opaque(&x, 64, &len);
	assert_int_equal(len, 5);
	xdr_get64(&x);
	assert_int_equal(xdr_get32(&x), count);
	assert_int_equal(xdr_get32(&x), 0);
	p = xdr_get_opaque(&x, UINT32_MAX, &len);
	assert_int_equal(len, count);
	assert_memory_equal(p, data + skip, count);
	assert_int_equal(xdr_left(&x), 0);
}

/* Larger than the socket takes at once, with others behind it. */
static void test_write(void **state)
{
	struct one o, many[4];

	fill();
	begin_write(&o, BIG)->call.offset = 1;
	go(&o);
	check_write(0, BIG);
	begin_write(&o, 4000)->call.iov_off = 6;
	go(&o);
	check_write(6, 4000);
	for (size_t i = 0; i < 4; i++)
		nfs_client_call(r.client, &begin_write(&many[i], BIG)->call);
	rig_run(&r);
	for (size_t i = 0; i < 4; i++)
		check_write(0, BIG);
	/* Fewer bytes than it says: not sent, an error. */
	begin_write(&o, 4)->call.iovcnt = 0;
	go(&o);
	assert_int_equal(o.err, -EINVAL);
}

/*
 * Given up while some of it is in the socket and some is not: the stream cannot go on, but others
 * can.
 */
static void test_write_cancelled(void **state)
{
	struct one o[8], last;
	struct xdr_in x;
	int done = 0;

	fill();
	for (size_t i = 0; i < 8; i++)
		nfs_client_call(r.client, &begin_write(&o[i], BIG)->call);
	rig_run(&r);
	assert_true(rpc_send_blocked(rig_conn(&r)));
	go(begin(&last, NFS_ACCESS));
	nfs_client_cancel(r.client, &o[7].call);
	rig_run(&r);
	assert_int_equal(o[7].done, 1);
	assert_int_equal(o[7].err, -EINTR);
	assert_int_equal(rig_conn(&r)->state, RPC_DOWN);
	rig_connect(&r);
	rig_run(&r);
	while (get_call(&x))
		done++;
	assert_int_equal(done, 8); /* seven WRITEs and the last */
}

/* ---- ends ---- */

static void test_cancel(void **state)
{
	struct one queued, out_there;
	uint32_t xid;

	go(begin(&out_there, NFS_ACCESS));
	xid = get_xid();
	nfs_client_call(r.client, &begin(&queued, NFS_ACCESS)->call);
	nfs_client_cancel(r.client, &queued.call);
	nfs_client_cancel(r.client, &out_there.call);
	nfs_client_cancel(r.client, &out_there.call);
	assert_int_equal(queued.done + out_there.done, 0);
	rig_run(&r);
	assert_int_equal(queued.done, 1);
	assert_int_equal(queued.err, -EINTR);
	assert_int_equal(out_there.done, 1);
	assert_int_equal(out_there.err, -EINTR);
	access_reply(xid, 1); /* too late */
	reply();
	assert_int_equal(out_there.done, 1);
	assert_int_equal(r.client->nr_calls, 0);
	nfs_client_cancel(r.client, &queued.call);
	rig_run(&r);
	assert_int_equal(queued.done, 1);
}

static void sleep_ms(unsigned int ms)
{
	uint64_t until = clock_ns() + ms * 1000000ull;

	while (clock_ns() < until) {
		usleep(5000);
		rig_run(&r);
	}
}

static void test_jukebox(void **state)
{
	struct one o;
	uint32_t xid;

	go(begin(&o, NFS_ACCESS));
	xid = get_xid();
	start_reply(xid);
	xdr_put32(&out, 10008);
	xdr_put32(&out, 0);
	reply();
	sleep_ms(400);
	assert_int_equal(o.done, 0);
	while (o.call.where != RPC_FLIGHT)
		sleep_ms(20);
	assert_int_not_equal(get_xid(), xid); /* a new call: the old one's answer is in the server's cache */
	access_reply(o.call.xid, 6);
	reply();
	assert_int_equal(o.res.access, 6);
	assert_false(o.res.resent);
	assert_int_equal(r.client->stats.jukebox, 1);
}

static void test_soft(void **state)
{
	struct one o, hard;

	r.mnt.opts.timeo_ms = 100;
	r.mnt.opts.retrans = 1;
	begin(&o, NFS_ACCESS)->call.soft = true;
	go(&o);
	go(begin(&hard, NFS_ACCESS));
	while (!o.done)
		sleep_ms(10);
	assert_int_equal(o.err, -ETIMEDOUT);
	assert_int_equal(hard.done, 0);
	assert_true(r.client->nfs.complained);
}

/* A guest is reset while the server is away: its calls end, also the one made of an ended one. */
static struct one follow_up;

static void on_first_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	on_done(call, err, res);
	nfs_client_call(r.client, &begin(&follow_up, NFS_ACCESS)->call);
}

static void test_abort(void **state)
{
	struct one first, answered, spared, later;

	nfs_client_abort(r.client); /* nothing to do */
	assert_int_equal(r.client->abort_ns, 0);
	begin(&first, NFS_ACCESS)->call.done = on_first_done;
	go(&first);
	begin(&spared, NFS_ACCESS)->call.background = true;
	go(&spared);
	go(begin(&answered, NFS_ACCESS));
	nfs_client_abort(r.client);
	get_xid();
	get_xid();
	access_reply(get_xid(), 1);
	reply();
	assert_int_equal(answered.err, 0);
	while (!first.done || !follow_up.done)
		sleep_ms(10);
	assert_int_equal(first.err, -EINTR);
	assert_int_equal(follow_up.err, -EINTR);
	assert_int_equal(spared.done, 0);
	/* What comes after it is another guest's. */
	assert_int_equal(r.client->abort_ns, 0);
	go(begin(&later, NFS_ACCESS));
	sleep_ms(250);
	assert_int_equal(later.done, 0);
}

/* A signal is nothing to a call, unless its server has been away for some time. */
static void test_interrupted(void **state)
{
	static struct nfs_intr intr;
	struct one o, other;

	r.mnt.intr = &intr;
	begin(&o, NFS_ACCESS)->call.tag = 77;
	go(&o);
	begin(&other, NFS_ACCESS)->call.tag = 78;
	go(&other);
	nfs_intr_note(&intr, 5);
	nfs_intr_note(&intr, 77);
	sleep_ms(250);
	r.client->nfs.complained = true;
	sleep_ms(250);
	assert_int_equal(o.done, 0);
	o.call.start_ns -= 5000000000ull;
	other.call.start_ns -= 5000000000ull;
	while (!o.done)
		sleep_ms(10);
	assert_int_equal(o.err, -EINTR);
	assert_int_equal(other.done, 0);
	for (uint64_t i = 0; i < NFS_MAX_INTR; i++)
		nfs_intr_note(&intr, 1000 + i);
	assert_false(nfs_intr_has(&intr, 77));
	assert_true(nfs_intr_has(&intr, 1000));
	nfs_intr_clear(&intr);
	assert_false(nfs_intr_has(&intr, 1000));
}

/* The server is alive but lost one call: that one again, on the same connection, with its id. */
static void test_retransmission(void **state)
{
	struct one lost, other;
	uint32_t xid;

	r.mnt.opts.timeo_ms = 300;
	go(begin(&lost, NFS_ACCESS));
	xid = get_xid();
	go(begin(&other, NFS_ACCESS));
	access_reply(get_xid(), 1);
	sleep_ms(20);
	reply();
	assert_int_equal(other.done, 1);
	while (!lost.call.resent)
		sleep_ms(10);
	assert_int_equal(rig_conn(&r)->state, RPC_UP);
	assert_int_equal(get_xid(), xid);
	access_reply(xid, 1);
	reply();
	assert_int_equal(lost.done, 1);
	assert_true(lost.res.resent);
	assert_int_equal(r.client->stats.op[NFS_ACCESS].trans, 3);
	assert_int_equal(r.client->stats.op[NFS_ACCESS].ops, 2);
}

static void test_refusals(void **state)
{
	static const struct {
		uint32_t stat;
		enum nfs_proc proc;
		int err;
	} all[] = { { 3, NFS_READDIRPLUS, -EOPNOTSUPP }, { 1, NFSACL_GETACL, -EOPNOTSUPP } };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct one o;

		go(begin(&o, all[i].proc));
		start_reply(get_xid());
		out.p -= 4;
		xdr_put32(&out, all[i].stat);
		reply();
		assert_int_equal(o.done, 1);
		assert_int_equal(o.err, all[i].err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_header, setup, teardown),
		cmocka_unit_test_setup_teardown(test_byte_by_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(test_batch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fragments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_records, setup, teardown),
		cmocka_unit_test_setup_teardown(test_truncated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_in_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_fragment, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_lies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_cancelled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_write, setup, teardown),
		cmocka_unit_test_setup_teardown(test_write_cancelled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_jukebox, setup, teardown),
		cmocka_unit_test_setup_teardown(test_soft, setup, teardown),
		cmocka_unit_test_setup_teardown(test_abort, setup, teardown),
		cmocka_unit_test_setup_teardown(test_interrupted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_retransmission, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
