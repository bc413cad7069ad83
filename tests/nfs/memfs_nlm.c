/* SPDX-License-Identifier: BSD-3-Clause */
/* NLM v4: TEST, LOCK, CANCEL and UNLOCK, locks that a restart forgets, a grace period the test ends. */
#include <string.h>

#include "memfs_int.h"

enum { TEST = 1, LOCK, CANCEL, UNLOCK };
enum { GRANTED, DENIED, DENIED_NOLOCKS, BLOCKED, DENIED_GRACE };

struct request {
	uint32_t ino, svid, exclusive, reclaim;
	uint64_t start, end; /* end not included */
};

static bool read_request(struct memfs *m, const struct fake_call *c, struct cursor *cur, struct request *r)
{
	struct memfs_inode *i;
	uint32_t len;

	memset(r, 0, sizeof(*r));
	if (c->proc == LOCK || c->proc == CANCEL)
		cur32(cur); /* block */
	if (c->proc != UNLOCK)
		r->exclusive = cur32(cur);
	cur_bytes(cur, &len); /* caller */
	i = cur_fh(m, cur);
	cur_bytes(cur, &len); /* owner handle */
	r->svid = cur32(cur);
	r->start = cur64(cur);
	r->end = cur64(cur);
	r->end = r->end ? r->start + r->end : UINT64_MAX;
	if (c->proc == LOCK)
		r->reclaim = cur32(cur);
	r->ino = i ? ino_of(m, i) : 0;
	return i;
}

static struct memfs_lock *conflict(struct memfs *m, const struct request *r)
{
	for (int n = 0; n < MEMFS_LOCKS; n++) {
		struct memfs_lock *l = &m->locks[n];

		if (l->ino == r->ino && l->svid != r->svid && l->start < r->end && r->start < l->end &&
		    (l->exclusive || r->exclusive))
			return l;
	}
	return NULL;
}

static void add(struct memfs *m, uint32_t ino, uint32_t svid, uint32_t exclusive, uint64_t start, uint64_t end)
{
	for (int n = 0; n < MEMFS_LOCKS && start < end; n++)
		if (!m->locks[n].ino) {
			m->locks[n] = (struct memfs_lock){ ino, svid, exclusive, start, end };
			return;
		}
}

static void cut(struct memfs *m, const struct request *r)
{
	for (int n = 0; n < MEMFS_LOCKS; n++) {
		struct memfs_lock l = m->locks[n];

		if (l.ino != r->ino || l.svid != r->svid || l.start >= r->end || r->start >= l.end)
			continue;
		m->locks[n].ino = 0;
		add(m, l.ino, l.svid, l.exclusive, l.start, r->start);
		add(m, l.ino, l.svid, l.exclusive, r->end, l.end);
	}
}

static uint32_t serve(struct memfs *m, const struct fake_call *c, const struct request *r)
{
	if (c->proc == UNLOCK) {
		cut(m, r);
		return GRANTED;
	}
	if (m->grace != r->reclaim)
		return DENIED_GRACE;
	if (conflict(m, r))
		return DENIED;
	if (c->proc == LOCK) {
		cut(m, r);
		add(m, r->ino, r->svid, r->exclusive, r->start, r->end);
	}
	return GRANTED;
}

void memfs_nlm_execute(struct memfs *m, struct fake_call *c)
{
	struct cursor cur = { c, 0 };
	const struct memfs_lock *l;
	const uint8_t *cookie;
	struct request r;
	uint32_t len, stat;

	cookie = cur_bytes(&cur, &len);
	put_bytes(c, cookie, len);
	stat = read_request(m, c, &cur, &r) ? serve(m, c, &r) : 7 /* STALE_FH */;
	put32(c, stat);
	if (c->proc != TEST || stat != DENIED)
		return;
	l = conflict(m, &r);
	put32(c, l->exclusive);
	put32(c, l->svid);
	put_bytes(c, "oh", 2);
	put64(c, l->start);
	put64(c, l->end == UINT64_MAX ? 0 : l->end - l->start);
}
