/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Silly rename: an NFSv3 server forgets a file when its last name goes, open or not. So a file that loses
 * its name while it is open here gets another one, .nfs<fileid><serial>, which is removed when the guest
 * closes the file for the last time.
 *
 * Theory of operation: whether the name is an open file costs a LOOKUP, done only while a file is open.
 * UNLINK then is a RENAME to the other name, which the journal has on the disk by then. RENAME over a file makes the other name with LINK and then
 * replaces the first in one step: nobody finds it missing, and it survives if the RENAME fails. (Servers
 * without LINK get a RENAME for it, as Linux does.) nfs_silly_settle() decides at the end whether the other
 * name stays until the last close or goes at once.
 *
 * The REMOVE runs without a request: struct nfs_silly carries its call. It is queued on fs.silly_todo by
 * whoever drops the last open (any thread) and sent by the next thread that polls.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	__atomic_store_n(&node->silly, NULL, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&nfs->lock);
}

void nfs_silly_found(void *arg, const struct nfs_fh *dir, const struct nfs_cred *cred, const char *name,
		     struct journal_name *jn)
{
	struct nfs_silly *s = calloc(1, sizeof(*s));
	struct nfs_fs *nfs = arg;

	if (!s)
		return;
	s->dir = *dir;
	s->cred = *cred;
	s->journal = jn;
	snprintf(s->name, sizeof(s->name), "%s", name);
	queue_removal(nfs, s);
}

static void removed(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nfs_silly *s = container_of(call, struct nfs_silly, call);

	/* What could not be removed is tried again by the next controller. */
	if (!err || err == -ENOENT || err == -ESTALE)
		journal_remove(s->thread->nfs->journal, s->journal);
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
		s->call.background = true;
		s->call.cred = &s->cred;
		s->call.fh = &s->dir;
		s->call.name = s->name;
		s->call.done = removed;
		nfs_client_call(t->client, &s->call);
	}
}

/* ---- another name, before an UNLINK or a RENAME over ---- */

void nfs_silly_settle(struct nreq *n, int err)
{
	struct nfs_fs *nfs = nfs_of(n->req);
	struct nfs_node *victim = n->victim;
	/* A name made with LINK is one too many when the RENAME failed; else it is the only one. */
	bool keep = n->silly && (!err || !n->silly->linked);

	if (!n->silly)
		return;
	pthread_mutex_lock(&nfs->lock);
	if (keep && !victim->silly && __atomic_load_n(&victim->nr_open, __ATOMIC_ACQUIRE))
		__atomic_store_n(&victim->silly, n->silly, __ATOMIC_RELAXED);
	else
		queue_removal(nfs, n->silly); /* not needed, or closed meanwhile */
	pthread_mutex_unlock(&nfs->lock);
	n->silly = NULL;
}

static void give_name(struct nreq *n, enum nfs_proc proc);

static void name_given(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);
	bool link = call->proc == NFS_LINK;

	/* Sent twice, done the first time. */
	if (res->resent && err == (link ? -EEXIST : -ENOENT))
		err = 0;
	if (err && link) {
		give_name(n, NFS_RENAME);
		return;
	}
	if (err) {
		/* Given up on, its outcome not known: the next controller looks for the name. */
		if (err != -EIO && err != -ETIMEDOUT && err != -EINTR)
			journal_remove(nfs_of(n->req)->journal, n->silly->journal);
		free(n->silly);
		n->silly = NULL;
		nfs_done(n, err);
		return;
	}
	n->silly->linked = link;
	n->named(n);
}

static void give_name(struct nreq *n, enum nfs_proc proc)
{
	nfs_prepare(n, proc);
	n->call.fh = proc == NFS_LINK ? &n->victim->fh : &n->silly->dir;
	n->call.name = n->lost_name; /* not for LINK */
	n->call.fh2 = &n->silly->dir;
	n->call.name2 = n->silly->name;
	nfs_go(n, name_given);
}

/* The open file behind this handle, pinned, or NULL. */
static struct nfs_node *open_node(struct nfs_fs *nfs, const struct nfs_result *res)
{
	struct nfs_node *victim;

	if (!res->has_fh)
		return NULL;
	victim = nfs_node_find(nfs, &res->fh);
	if (!victim || __atomic_load_n(&victim->nr_open, __ATOMIC_ACQUIRE))
		return victim;
	nodetab_put(nfs->nodes, &victim->node);
	return NULL;
}

/*
 * -EBUSY: it is the victim's other name that is to go, which would leave it none. -EEXIST: it has another
 * name, so this one may go. 0: it needs one.
 */
static int has_other_name(struct nfs_fs *nfs, const struct nfs_node *victim,
			  const struct nfs_fh *dir, const char *name)
{
	const struct nfs_silly *s;
	int rc = 0;

	pthread_mutex_lock(&nfs->lock);
	s = victim->silly;
	if (s)
		rc = !strcmp(s->name, name) && s->dir.len == dir->len &&
				     !memcmp(s->dir.data, dir->data, dir->len) ?
			     -EBUSY : -EEXIST;
	pthread_mutex_unlock(&nfs->lock);
	return rc;
}

static void noted(void *arg)
{
	nfs_post(arg);
}

static void give_first_name(struct nreq *n)
{
	give_name(n, n->req->in->opcode == FUSE_UNLINK ? NFS_RENAME : NFS_LINK);
}

/* Another name for the victim, first in the journal, then on the server. */
static void silly_new(struct nreq *n, const struct nfs_fh *dir, uint64_t fileid)
{
	struct nfs_fs *nfs = nfs_of(n->req);
	struct nfs_silly *s = calloc(1, sizeof(*s));

	if (!s) {
		nfs_done(n, -ENOMEM);
		return;
	}
	s->dir = *dir;
	s->cred = n->cred;
	snprintf(s->name, sizeof(s->name), NFS_SILLY_PREFIX "%016" PRIx64 "%08x", fileid,
		 (unsigned int)__atomic_add_fetch(&nfs->serial, 1, __ATOMIC_RELAXED));
	n->silly = s;
	n->then = give_first_name;
	/* Its answer comes by this thread's inbox: not before we return. */
	s->journal = journal_add(nfs->journal, dir, &s->cred, s->name, noted, n);
	if (!s->journal)
		give_first_name(n);
}

static void looked_up(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);
	struct nfs_fs *nfs = nfs_of(n->req);
	int rc;

	/* Whether it is open is not known: a file that is must not lose its last name. */
	if (err && err != -ENOENT) {
		nfs_done(n, err);
		return;
	}
	n->victim = err ? NULL : open_node(nfs, res);
	/* Not there, or not open: the plain way is right, also to the error. */
	if (!n->victim) {
		n->named(n);
		return;
	}
	n->lost_name = call->name;
	rc = has_other_name(nfs, n->victim, call->fh, call->name);
	if (!rc)
		silly_new(n, call->fh, res->has_attr ? res->attr.fileid : 0);
	else if (rc == -EEXIST)
		n->named(n);
	else
		nfs_done(n, rc);
}

void nfs_silly_check(struct nreq *n, const struct nfs_fh *dir, const char *name,
		     void (*then)(struct nreq *n))
{
	if (!__atomic_load_n(&nfs_of(n->req)->nr_open, __ATOMIC_ACQUIRE)) {
		then(n);
		return;
	}
	n->named = then;
	nfs_prepare(n, NFS_LOOKUP);
	n->call.fh = dir;
	n->call.name = name;
	nfs_go(n, looked_up);
}
