/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What anybody who reaches our port may say in the name of a server's lock manager or status monitor: the bytes
 * are one call. With its first bit set a good header goes before them, whose procedure the rest of that byte is.
 */
#include "fs/nfs/nlm_serve.h"
#include "fs/nfs/xdr.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define XID 77
#define GUARD 0xa5

static unsigned int told;

static enum nlm_stat on_granted(const struct nlm_user *user, const struct nlm_grant *g)
{
	MUST(g->cookie_len <= NLM_COOKIE_MAX && g->fh.len <= NFS_FH_MAX && g->lock.oh_len <= NFS_OH_MAX);
	told++;
	return NLM_GRANTED;
}

static void on_restarted(const struct nlm_user *user, uint32_t state)
{
	told++;
}

/* A call without credentials. */
static size_t put_head(uint8_t *to, uint8_t how)
{
	bool nsm = how & 0x80;
	const uint32_t words[] = { XID, 0, 2, nsm ? NSM_PROGRAM : NLM_PROGRAM, nsm ? NSM_VERSION : NLM_VERSION,
				   how >> 1 & 31, 0, 0, 0, 0 };
	struct xdr_out x = { to, to + sizeof(words), false };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		xdr_put32(&x, words[i]);
	return sizeof(words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct nlm_user user = { on_granted, on_restarted };
	uint8_t reply[NLM_REPLY_MAX + 16], *call;
	struct input in = { data, size };
	uint8_t how = input_u8(&in);
	size_t head = 0, len, n;

	if (in.left > NLM_CALL_MAX - 64)
		return 0;
	/* Of its own size, so that a look beyond its end is seen. */
	call = malloc(64 + in.left);
	head = how & 1 ? put_head(call, how) : 0;
	len = head + in.left;
	input_bytes(&in, call + head, in.left);
	call = realloc(call, len ? len : 1);
	memset(reply, GUARD, sizeof(reply));
	told = 0;
	n = nlm_serve(call, len, &user, reply);
	MUST(n <= NLM_REPLY_MAX && n % 4 == 0);
	MUST(!head || (n >= 24 && reply[3] == XID));
	MUST(told <= 1);
	for (size_t i = NLM_REPLY_MAX; i < sizeof(reply); i++)
		MUST(reply[i] == GUARD);
	free(call);
	return 0;
}
