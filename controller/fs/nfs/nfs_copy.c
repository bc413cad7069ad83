/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The copies of WRITEs, up to the answer.
 *
 * Theory of operation: a WRITE that is about to go out gets room in the thread's ring and a place in to_copy.
 * The same round of the thread sends it, and then copies it, while the server works on it. An answer that is
 * there before that takes the copy itself.
 */
#include "nfs.h"

bool nfs_wb_reserve(struct nreq *n, uint32_t len)
{
	struct nfs_thread *t = container_of(n->req->ft, struct nfs_thread, ft);

	keep_oldest(t->keep);
	n->kept = keep_reserve(t->keep, len);
	if (!n->kept)
		return false;
	n->kept->wb = n->wb;
	n->copy_due = true;
	STAILQ_INSERT_TAIL(&t->to_copy, n, link);
	return true;
}

static void take_copy(struct nreq *n)
{
	struct nfs_kept *k = n->kept;

	k->len = (uint32_t)fs_req_get(n->req, n->moved, k->data, n->call.count);
}

void nfs_wb_copy(struct nfs_thread *t)
{
	struct nreq *n;

	while ((n = STAILQ_FIRST(&t->to_copy))) {
		STAILQ_REMOVE_HEAD(&t->to_copy, link);
		n->copy_due = false;
		take_copy(n);
	}
}

void nfs_wb_end_copy(struct nreq *n, int err, bool resent)
{
	bool due = n->copy_due;

	if (due)
		STAILQ_REMOVE(&container_of(n->req->ft, struct nfs_thread, ft)->to_copy, n, nreq, link);
	n->copy_due = false;
	/* What was sent again may not be what was sent first: nobody keeps a guest from changing it. */
	if (n->kept && !err && (due || resent))
		take_copy(n);
}
