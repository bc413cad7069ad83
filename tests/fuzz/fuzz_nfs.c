/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hostile NFS server: whatever it answers to whatever it was asked, nothing is touched that is
 * not the call's, every call ends once, and a stream it broke is followed by a good connection.
 *
 * The first byte: bit 0 raw bytes instead of replies, bit 1 sends byte by byte. Then records of
 *   procedure u8, flags u8, length u8 (of units of 1 or 64 bytes), bytes
 * A call is made and these bytes are its answer: with flag bit 0 a good RPC header goes before
 * them, bit 1 breaks them into fragments, bit 2 cancels it in between, bit 3 sends the answer
 * twice, bit 4 counts the length in 64 bytes, bit 5 makes a large READ of it, bit 6 a status of 0
 * before them, bit 7 cuts the connection.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "input.h"
#include "nfs_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_CALLS 24
#define ROOM (64 * 1024)
#define GUARD 0xa5

struct fuzz_call {
	struct nfs_call call;
	bool used;
	int done;
};

static struct rig r;
static struct fuzz_call calls[MAX_CALLS];
static uint8_t room[ROOM + 64];
static struct iovec iov[3];
static unsigned int entries;

static const struct nfs_cred cred = { .uid = 1 };
static const struct nfs_fh fh = { .len = 8, .data = "12345678" };
static const struct nfs_lock lock = { .exclusive = true, .len = 10 };
static const struct nfs_ace ace = { NFS_ACE_OTHER, 0, 7 };
static const struct nfs_acl acl = { 1, 0, &ace, NULL };

static void check_attr(const struct nfs_attr *a)
{
	MUST(a->atime.tv_nsec < 1000000000 && a->mtime.tv_nsec < 1000000000);
	MUST(a->mode & 0170000);
}

static void on_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct fuzz_call *f = container_of(call, struct fuzz_call, call);

	MUST(f->used && !f->done);
	MUST(err <= 0 && err != -EBADMSG && err != -ENODATA);
	f->done = 1;
	if (res->has_attr)
		check_attr(&res->attr);
	if (res->has_dir_attr)
		check_attr(&res->dir_attr);
	if (res->has_fh)
		MUST(res->fh.len && res->fh.len <= NFS_FH_MAX);
	if (err)
		return;
	if (call->proc == NFS_READ || call->proc == NFS_WRITE)
		MUST(res->count <= call->count);
	if (call->proc == NFS_READLINK)
		MUST(strlen(res->target) && strlen(res->target) <= NFS3_PATH_MAX);
	if (call->proc == NFSACL_GETACL)
		MUST(res->acl.nr_access <= NFS_ACL_MAX && res->acl.nr_default <= NFS_ACL_MAX);
	MUST(res->holder.oh_len <= NFS_OH_MAX);
}

static bool on_entry(struct nfs_call *call, const struct nfs_dirent *ent)
{
	MUST(strlen(ent->name) && strlen(ent->name) <= NFS3_NAME_MAX);
	return ++entries % 64;
}

static struct fuzz_call *make_call(enum nfs_proc proc, bool large)
{
	struct fuzz_call *f = calls;

	while (f < calls + MAX_CALLS && f->used)
		f++;
	if (f == calls + MAX_CALLS)
		return NULL;
	memset(f, 0, sizeof(*f));
	f->used = true;
	iov[0] = (struct iovec){ room, 100 };
	iov[1] = (struct iovec){ room + 100, 0 };
	iov[2] = (struct iovec){ room + 100, ROOM - 100 };
	f->call = (struct nfs_call){ .proc = proc, .cred = &cred, .fh = &fh, .fh2 = &fh, .name = "name",
				     .name2 = "other", .target = "target", .iov = iov, .iovcnt = 3,
				     .count = large ? ROOM : 1000, .lock = &lock, .acl = &acl,
				     .acl_mask = 0xf, .entry = on_entry, .done = on_done };
	nfs_client_call(r.client, &f->call);
	/* The lock manager's answers come over this connection too. */
	if (nfs3_is_nlm(proc)) {
		TAILQ_REMOVE(&f->call.conn->queue, &f->call, link);
		f->call.conn = rig_conn(&r);
		TAILQ_INSERT_TAIL(&f->call.conn->queue, &f->call, link);
	}
	return f;
}

static void again(void)
{
	if (rig_conn(&r)->state == RPC_DOWN)
		rig_connect(&r);
	/* What was asked is of no interest, but must not fill the socket. */
	static uint8_t sink[ROOM];

	rig_run(&r);
	while (read(r.peer, sink, sizeof(sink)) > 0)
		rig_run(&r);
}

static void put(const uint8_t *p, size_t len, bool slow)
{
	while (len) {
		ssize_t n = send(r.peer, p, slow ? 1 : len, MSG_NOSIGNAL | MSG_DONTWAIT);

		r.client->ready = true;
		rig_run(&r);
		if (rig_conn(&r)->state == RPC_DOWN)
			return;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
}

static void answer(struct fuzz_call *f, struct input *in, uint8_t flags, size_t len, bool slow)
{
	static uint8_t buf[64 + 255 * 64];
	struct xdr_out x = { buf + 4, buf + sizeof(buf), false }, mark = { buf, buf + 4, false };
	size_t frag;

	if (flags & 0x01) {
		xdr_put32(&x, f->call.xid);
		xdr_put32(&x, 1);
		for (int i = 0; i < 4; i++)
			xdr_put32(&x, 0);
		if (flags & 0x40)
			xdr_put32(&x, 0);
	}
	x.p += input_bytes(in, x.p, min(len, (size_t)(x.end - x.p)));
	len = (size_t)(x.p - buf);
	frag = flags & 0x02 && len > 20 ? 20 : len;
	for (size_t at = 4; at < len; at += frag) {
		size_t part = min(frag, len - at);
		uint8_t head[4];

		mark = (struct xdr_out){ head, head + 4, false };
		xdr_put32(&mark, (at + part == len ? RPC_LAST : 0) | (uint32_t)part);
		put(head, 4, slow);
		put(buf + at, part, slow);
	}
}

static void run_records(struct input *in, bool slow)
{
	while (in->left >= 3) {
		enum nfs_proc proc = (enum nfs_proc)(1 + input_u8(in) % (NFS_NR_CALLS - 1));
		uint8_t flags = input_u8(in);
		size_t len = (size_t)input_u8(in) * (flags & 0x10 ? 64 : 1);
		struct fuzz_call *f = make_call(flags & 0x20 ? NFS_READ : proc, flags & 0x20);

		if (!f)
			return;
		again();
		if (f->done)
			continue;
		len = min(len, in->left);
		if (flags & 0x04) {
			answer(f, in, flags, len / 2, slow);
			if (!f->done)
				nfs_client_cancel(r.client, &f->call);
			again();
			MUST(f->done);
		} else {
			struct input same = *in;

			answer(f, in, flags, len, slow);
			if (flags & 0x08)
				answer(f, &same, flags, len, slow);
		}
		if (flags & 0x80)
			rpc_conn_lose(rig_conn(&r), "cut");
		again();
	}
}

/* The guard behind the room is whole, and everything ends. */
static void end(void)
{
	for (size_t i = 0; i < MAX_CALLS; i++)
		if (calls[i].used && !calls[i].done)
			nfs_client_cancel(r.client, &calls[i].call);
	again();
	for (size_t i = 0; i < MAX_CALLS; i++)
		MUST(!calls[i].used || calls[i].done);
	MUST(!r.client->nr_calls);
	for (size_t i = ROOM; i < sizeof(room); i++)
		MUST(room[i] == GUARD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t how = input_u8(&in);

	memset(calls, 0, sizeof(calls));
	memset(room, GUARD, sizeof(room));
	entries = 0;
	rig_open(&r);
	if (how & 1) {
		for (int proc = 1; proc < MAX_CALLS; proc++)
			make_call((enum nfs_proc)proc, true);
		/* Ids anybody can guess. */
		r.client->next_xid = 0;
		again();
		put(in.p, in.left, how & 2);
	} else {
		run_records(&in, how & 2);
	}
	end();
	rig_close(&r);
	return 0;
}
