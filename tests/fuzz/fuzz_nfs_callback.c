/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Somebody who says to be an NFS server calls our lock manager: whatever it sends, nothing is read or written that is
 * not the call's, the answer is a reply to it and fits, and what is acted on is within its bounds.
 *
 * The first byte: bit 0 the input is the whole call, else it follows a good header to program, version and procedure
 * given by the next three bytes (0xff: as they should be).
 */
#include "fs/nfs/nlm_serve.h"
#include "fs/nfs/xdr.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int acted;

static enum nlm_stat granted(const struct nlm_user *user, const struct nlm_grant *g)
{
	MUST(g->cookie_len <= NLM_COOKIE_MAX);
	MUST(g->fh.len <= NFS_FH_MAX);
	MUST(g->lock.oh_len <= NFS_OH_MAX);
	acted++;
	return (enum nlm_stat)(g->lock.svid % (NLM_FAILED + 1));
}

static void restarted(const struct nlm_user *user, uint32_t state)
{
	acted++;
}

static uint32_t choose(uint8_t byte, uint32_t right)
{
	return byte == 0xff ? right : byte;
}

static size_t put_header(struct input *in, uint8_t *buf, size_t room)
{
	static const uint32_t progs[] = { NLM_PROGRAM, NSM_PROGRAM, 100003 };
	static const uint32_t procs[] = { 0, 5, 10, 6, 15 };
	struct xdr_out x = { buf, buf + room, false };
	uint32_t prog = progs[input_u8(in) % 3];
	uint8_t vers = input_u8(in), proc = input_u8(in);

	xdr_put32(&x, 4711);
	xdr_put32(&x, 0);
	xdr_put32(&x, 2);
	xdr_put32(&x, prog);
	xdr_put32(&x, choose(vers, prog == NLM_PROGRAM ? NLM_VERSION : NSM_VERSION));
	xdr_put32(&x, procs[proc % 5]);
	for (int i = 0; i < 4; i++)
		xdr_put32(&x, 0);
	return (size_t)(x.p - buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct nlm_user user = { granted, restarted };
	struct input in = { data, size };
	bool raw = input_u8(&in) & 1;
	uint8_t head[64], *call, reply[NLM_REPLY_MAX + 16];
	size_t len, answer;

	memset(reply, 0xa5, sizeof(reply));
	len = raw ? 0 : put_header(&in, head, sizeof(head));
	/* Of its very size: what is behind it is not to be touched. */
	call = malloc(len + in.left + 1);
	MUST(call != NULL);
	memcpy(call, head, len);
	len += input_bytes(&in, call + len, in.left);
	call = realloc(call, len ? len : 1);
	acted = 0;
	answer = nlm_serve(call, len, &user, reply);
	MUST(acted <= 1 && answer <= NLM_REPLY_MAX && answer % 4 == 0);
	MUST(!answer || (answer >= 24 && !memcmp(reply, call, 4)));
	MUST(!acted || answer);
	for (size_t i = answer; i < sizeof(reply); i++)
		MUST(i < NLM_REPLY_MAX || reply[i] == 0xa5);
	free(call);
	return 0;
}
