/* SPDX-License-Identifier: BSD-3-Clause */
/* NFSACL v3: GETACL and SETACL, as Solaris and Linux serve them: both lists or none, with a mask always. */
#include <string.h>
#include <sys/stat.h>

#include "memfs_int.h"

#define GETACL 1
#define SETACL 2
#define MASK 0x10

static void put_ace(struct fake_call *c, uint32_t tag, uint32_t id, uint32_t perm)
{
	put32(c, tag);
	put32(c, id);
	put32(c, perm);
}

static void put_list(struct fake_call *c, const struct memfs_inode *i, int which)
{
	const struct memfs_acl *acl = &i->acl[which];
	uint32_t tag = which ? 0x1000 : 0;

	if (!acl->nr && !which) { /* what the mode says */
		put32(c, 4);
		put32(c, 4);
		put_ace(c, 1, i->uid, i->mode >> 6 & 7);
		put_ace(c, 4, i->gid, i->mode >> 3 & 7);
		put_ace(c, MASK, 0, i->mode >> 3 & 7);
		put_ace(c, 0x20, 0, i->mode & 7);
		return;
	}
	put32(c, acl->nr);
	put32(c, acl->nr);
	for (uint32_t n = 0; n < acl->nr; n++)
		put_ace(c, acl->ace[n][0] | tag, acl->ace[n][1], acl->ace[n][2]);
}

static void get_list(struct cursor *cur, struct memfs_acl *acl)
{
	uint32_t nr;

	cur32(cur);
	nr = cur32(cur);
	acl->nr = 0;
	for (uint32_t n = 0; n < nr; n++) {
		uint32_t ace[3] = { cur32(cur) & ~0x1000u, cur32(cur), cur32(cur) };

		if (acl->nr < MEMFS_ACES)
			memcpy(acl->ace[acl->nr++], ace, sizeof(ace));
	}
}

void memfs_acl_execute(struct memfs *m, struct fake_call *c)
{
	struct cursor cur = { c, 0 };
	struct memfs_inode *i = cur_fh(m, &cur);

	if (!i) {
		put_error(c, STALE);
		return;
	}
	cur32(&cur); /* mask */
	if (c->proc == SETACL) {
		get_list(&cur, &i->acl[0]);
		get_list(&cur, &i->acl[1]);
	}
	put32(c, OK);
	memfs_put_post(m, c, i);
	if (c->proc != GETACL)
		return;
	put32(c, 0xf);
	put_list(c, i, 0);
	put_list(c, i, 1);
}
