/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Silly rename: an NFSv3 server forgets a file when its last name goes, open or not. So a name that is
 * unlinked or renamed over while the file is open here is renamed to .nfs<fileid><serial> first, and that
 * is removed when the guest closes the file for the last time.
 *
 * Theory of operation: whether the name is an open file costs a LOOKUP, done only while anything is open.
 * The REMOVE runs without a request: struct nfs_silly carries its call. It is queued on fs.silly_todo by
 * whoever drops the last open (any thread) and sent by the next thread that polls.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "nfs.h"

/* ---- removing, after the last close ---- */

static void queue_removal(struct nfs_fs *nfs, struct nfs_silly *s)
{
	STAILQ_INSERT_TAIL(&nfs->silly_todo, s, link);
	__atomic_store_n(&nfs->has_silly, 1, __ATOMIC_RELEASE); /* pairs with nfs_silly_poll() */
}

void nfs_silly_closed(struct nfs_fs *nfs, struct nfs_node *node)
{
	pthread_mutex_lock(&nfs->lock);
	if (node->silly)
		queue_removal(nfs, node->silly);
	node->silly = NULL;
	pthread_mutex_unlock(&nfs->lock);
}

static void removed(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nfs_silly *s = container_of(call, struct nfs_silly, call);

	STAILQ_REMOVE(&s->thread->removing, s, nfs_silly, link);
	free(s);
}

static struct nfs_silly *take_todo(struct nfs_fs *nfs)
{
	struct nfs_silly *s;

	pthread_mutex_lock(&nfs->lock);
	s = STAILQ_FIRST(&nfs->silly_todo);
	if (s)
		STAILQ_REMOVE_HEAD(&nfs->silly_todo, link);
	else
		__atomic_store_n(&nfs->has_silly, 0, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&nfs->lock);
	return s;
}

void nfs_silly_poll(struct nfs_thread *t)
{
	struct nfs_silly *s;

	if (!__atomic_load_n(&t->nfs->has_silly, __ATOMIC_ACQUIRE)) /* pairs with queue_removal() */
		return;
	while ((s = take_todo(t->nfs))) {
		s->thread = t;
		STAILQ_INSERT_TAIL(&t->removing, s, link);
		memset(&s->call, 0, sizeof(s->call));
		s->call.proc = NFS_REMOVE;
		s->call.cred = &s->cred;
		s->call.fh = &s->dir;
		s->call.name = s->name;
		s->call.done = removed;
		nfs_client_call(t->client, &s->call);
	}
}

/* ---- renaming away, before an unlink or a rename over ---- */

static void silly_renamed(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);
	struct nfs_fs *nfs = nfs_of(n->req);
	struct nfs_node *victim = n->victim;

	if (err) {
		free(n->silly);
		n->silly = NULL;
	} else {
		pthread_mutex_lock(&nfs->lock);
		if (!victim->silly && __atomic_load_n(&victim->nr_open, __ATOMIC_ACQUIRE))
			victim->silly = n->silly;
		else
			queue_removal(nfs, n->silly); /* closed meanwhile */
		pthread_mutex_unlock(&nfs->lock);
	}
	nodetab_put(nfs->nodes, &victim->node);
	if (err)
		nfs_done(n, err);
	else
		n->then(n);
}

/* The open node behind this handle, pinned, or NULL. */
static struct nfs_node *open_node(struct nreq *n, const struct nfs_result *res)
{
	struct nfs_fs *nfs = nfs_of(n->req);
	struct fuse_entry_out entry = { 0 };
	struct nfs_node *victim;
	struct node *node;

	if (!res->has_fh || (res->has_attr && S_ISDIR(res->attr.mode)))
		return NULL;
	if (nfs_fill_entry(n, &res->fh, &res->attr, &entry, false))
		return NULL;
	node = nodetab_get(nfs->nodes, entry.nodeid);
	if (!node)
		return NULL;
	victim = container_of(node, struct nfs_node, node);
	if (__atomic_load_n(&victim->nr_open, __ATOMIC_ACQUIRE) && !victim->silly)
		return victim;
	nodetab_put(nfs->nodes, node);
	return NULL;
}

static void looked_up(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);
	const struct nfs_fh *dir = call->fh;
	const char *name = call->name;
	struct nfs_node *victim = err ? NULL : open_node(n, res);

	/* Not there, not open, a second name of something renamed already: the plain way is right. */
	if (!victim) {
		n->then(n);
		return;
	}
	n->silly = calloc(1, sizeof(*n->silly));
	if (!n->silly) {
		nodetab_put(nfs_of(n->req)->nodes, &victim->node);
		nfs_done(n, -ENOMEM);
		return;
	}
	n->silly->dir = *dir;
	n->silly->cred = n->cred;
	snprintf(n->silly->name, sizeof(n->silly->name), ".nfs%016" PRIx64 "%08x",
		 res->has_attr ? res->attr.fileid : 0,
		 (unsigned int)__atomic_add_fetch(&nfs_of(n->req)->serial, 1, __ATOMIC_RELAXED));
	n->victim = victim;
	nfs_prepare(n, NFS_RENAME);
	n->call.fh = &n->silly->dir;
	n->call.name = name;
	n->call.fh2 = &n->silly->dir;
	n->call.name2 = n->silly->name;
	nfs_go(n, silly_renamed);
}

void nfs_silly_check(struct nreq *n, const struct nfs_fh *dir, const char *name,
		     void (*then)(struct nreq *n))
{
	if (!__atomic_load_n(&nfs_of(n->req)->nr_open, __ATOMIC_ACQUIRE)) {
		then(n);
		return;
	}
	n->then = then;
	nfs_prepare(n, NFS_LOOKUP);
	n->call.fh = dir;
	n->call.name = name;
	nfs_go(n, looked_up);
}
