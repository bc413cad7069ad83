/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a hostile server can answer while it is mounted: port mapper (version 2 and 4), MNT, EXPORT,
 * GETATTR, FSINFO, PATHCONF. The first byte says which; then come records of
 *   flags u8, length u8, bytes
 * one after the other on the connection: with flag bit 0 as a reply of the expected id with a good
 * header, with bit 1 in two fragments, with bit 2 a status of 0 before them, with none of them as
 * they are.
 */
#include <sys/socket.h>

#include "input.h"

/* The functions in question are not for others to call. */
#include "fs/nfs/mount_own.c"
#include "fs/nfs/rpc_sync.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIRST_XID 100
#define MAX_RECORDS 16

static void put_record(int fd, uint8_t flags, uint32_t xid, const uint8_t *data, size_t len)
{
	uint8_t buf[512], mark[4];
	struct xdr_out x = { buf, buf + sizeof(buf), false }, m;
	size_t total, part;

	if (flags & 0x01) {
		xdr_put32(&x, xid);
		xdr_put32(&x, 1);
		for (int i = 0; i < 4; i++)
			xdr_put32(&x, 0);
	}
	if (flags & 0x04)
		xdr_put32(&x, 0);
	memcpy(x.p, data, len);
	total = (size_t)(x.p - buf) + len;
	part = flags & 0x02 ? total / 2 : total;
	for (size_t at = 0; at < total; at += part) {
		part = min(part ? part : 1, total - at);
		m = (struct xdr_out){ mark, mark + 4, false };
		xdr_put32(&m, (at + part == total ? RPC_LAST : 0) | (uint32_t)part);
		if (flags & 0x07)
			MUST(send(fd, mark, 4, MSG_NOSIGNAL) == 4);
		MUST(send(fd, buf + at, part, MSG_NOSIGNAL) == (ssize_t)part);
	}
}

/* All answers are there before the first question; then the connection ends. */
static void put_answers(int fd, struct input *in)
{
	for (uint32_t i = 0; i < MAX_RECORDS && in->left >= 2; i++) {
		uint8_t flags = input_u8(in), data[255];
		size_t len = min((size_t)input_u8(in), in->left);

		input_bytes(in, data, len);
		put_record(fd, flags, FIRST_XID + 1 + i, data, len);
	}
	shutdown(fd, SHUT_WR);
}

static void check_mount(const struct nfs_mount *mnt, int rc)
{
	if (rc)
		return;
	MUST(mnt->rtmax && mnt->rtmax <= 1u << 20);
	MUST(mnt->wtmax && mnt->wtmax <= 1u << 20);
	MUST(mnt->dtpref && mnt->dtpref <= 1u << 20);
	MUST(mnt->name_max && mnt->name_max <= NAME_MAX);
	MUST(S_ISDIR(mnt->root_attr.mode));
}

static void run_mnt(struct mounting *m)
{
	int rc = call_mnt(m);

	if (rc)
		say_refused(m, rc);
	else
		MUST(m->mnt->root.len && m->mnt->root.len <= NFS_FH_MAX);
	MUST(memchr(m->err, 0, m->len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mounting m;
	static struct nfs_mount mnt;
	struct input in = { data, size };
	uint8_t which = input_u8(&in);
	char err[256] = "";
	int pair[2], rc;

	memset(&m, 0, sizeof(m));
	memset(&mnt, 0, sizeof(mnt));
	MUST(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair));
	mnt.opts.server = "server";
	mnt.opts.export_path = "/export";
	mnt.root = (struct nfs_fh){ .len = 4, .data = "root" };
	m.mnt = &mnt;
	m.err = err;
	m.len = sizeof(err);
	m.until = m.rpc.until_ns = clock_ns() + 1000000000ull;
	m.rpc.fd = pair[0];
	m.rpc.xid = FIRST_XID;
	put_answers(pair[1], &in);
	switch (which % 4) {
	case 0:
		rc = ask_portmap(&m.rpc, 100003, 3);
		MUST(rc < 0 || (rc > 0 && rc <= UINT16_MAX));
		break;
	case 1:
		rc = ask_rpcbind(&m.rpc, 100003, 3);
		MUST(rc < 0 || (rc > 0 && rc <= UINT16_MAX));
		break;
	case 2:
		run_mnt(&m);
		break;
	default:
		check_mount(&mnt, ask_fs(&m));
	}
	rpc_sync_close(&m.rpc);
	close(pair[1]);
	return 0;
}
