/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a server's lock manager and status monitor say to their clients, and the answers: NLM v4 GRANTED,
 * GRANTED_MSG, and SM_NOTIFY. Pure functions over bytes that anybody may have sent.
 */
#ifndef FS_NFS_NLM_SERVE_H
#define FS_NFS_NLM_SERVE_H

#include "client.h"

#define NLM_PROGRAM 100021u
#define NLM_VERSION 4u
#define NSM_PROGRAM 100024u
#define NSM_VERSION 1u
#define NLM_CALL_MAX 4096u /* bytes of a call to us, more than any of these has */
#define NLM_REPLY_MAX 128u /* bytes of an answer */
#define NLM_COOKIE_MAX NFS_OH_MAX /* Linux has 32 */

/* "That lock is yours now." */
struct nlm_grant {
	bool msg; /* the answer is to be a call of ours, GRANTED_RES, with this cookie */
	uint32_t cookie_len;
	uint8_t cookie[NLM_COOKIE_MAX];
	struct nfs_fh fh;
	struct nfs_lock lock; /* exclusive, svid, offset, len, oh */
};

/* Who acts on it. */
struct nlm_user {
	enum nlm_stat (*granted)(const struct nlm_user *user, const struct nlm_grant *grant);
	/* The server has restarted; state is its status monitor's number. */
	void (*restarted)(const struct nlm_user *user, uint32_t state);
};

/*
 * Serves one call: the answer in reply (NLM_REPLY_MAX bytes, no record mark) and its length. 0: these bytes are
 * no call, there is nothing to be said.
 */
size_t nlm_serve(const uint8_t *call, size_t len, const struct nlm_user *user, uint8_t *reply);

#endif
