/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: a file system has one thread that asks the user database, which may take as long as it
 * likes (NSS, a directory service). Each I/O thread remembers the answers for itself, so that finding one takes
 * no lock: a table of MAX_ENTRIES users, an answer being good for AGE_NS. The first call of a user waits for
 * the answer; later an old one is used until the new one comes, so a dead directory service is not noticed.
 *
 * AUTH_SYS carries 16 groups. Of more, those that the call is about come first (the groups of the nodes, of
 * which attributes tell), then the first of the database.
 *
 * The thread that asks cannot be interrupted, so nobody waits for its end: who closes the file system and it
 * share the pool by a count of two.
 */
#include "nfs_groups.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "nfs.h"
#include "nfs_worker.h"

#define AGE_NS 300000000000ull
#define MAX_ENTRIES 1024 /* users of a thread */
#define MAX_GROUPS 4096 /* of a user that are looked at */
#define MAX_RECORD (1u << 20) /* bytes of a user's entry in the database */

struct groups_job {
	STAILQ_ENTRY(groups_job) link;
	struct nfs_groups *whose; /* under lock; NULL: nobody's any more */
	uint32_t uid;
	uint32_t nr;
	gid_t *gid; /* the answer */
};

struct groups_pool {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	unsigned int refs; /* under lock, as all of this */
	bool stop;
	STAILQ_HEAD(, groups_job) jobs;
	struct groups_job *running;
};

struct groups_entry {
	LIST_ENTRY(groups_entry) in_bucket;
	TAILQ_ENTRY(groups_entry) link;
	uint32_t uid;
	bool known, asked;
	uint64_t until_ns;
	uint32_t nr;
	gid_t *gid;
	struct nreq_list waiting; /* by group_link */
};

/* ---- the thread that asks ---- */

/* The user's name is in *buf, which the caller frees; NULL: there is no such user, or no memory. */
static const char *name_of(uint32_t uid, char **buf, gid_t *gid)
{
	struct passwd pw, *found = NULL;
	int rc = ERANGE;

	*buf = NULL;
	for (size_t room = 1024; rc == ERANGE && room <= MAX_RECORD; room *= 4) {
		char *more = realloc(*buf, room);

		if (!more)
			return NULL;
		*buf = more;
		rc = getpwuid_r(uid, &pw, more, room, &found);
	}
	if (rc || !found)
		return NULL;
	*gid = found->pw_gid;
	return found->pw_name;
}

/* Without an answer it has no groups. */
static void ask_database(struct groups_job *job)
{
	char *buf;
	gid_t gid;
	const char *name = name_of(job->uid, &buf, &gid);
	int room = 64, nr = 0;

	while (name && room <= MAX_GROUPS) {
		gid_t *more = realloc(job->gid, (size_t)room * sizeof(*more));

		if (!more)
			break;
		job->gid = more;
		nr = room;
		if (getgrouplist(name, gid, more, &nr) >= 0) {
			job->nr = (uint32_t)nr;
			break;
		}
		job->nr = (uint32_t)room; /* it has filled what there was */
		room *= 4;
	}
	free(buf);
}

static void job_free(struct groups_job *job)
{
	free(job->gid);
	free(job);
}

/* Under lock. */
static void deliver(struct groups_job *job)
{
	struct nfs_groups *g = job->whose;

	if (!g) {
		job_free(job);
		return;
	}
	STAILQ_INSERT_TAIL(&g->answers, job, link);
	__atomic_store_n(&g->has_answers, true, __ATOMIC_RELEASE); /* pairs with nfs_groups_poll() */
	(void)eventfd_write(g->wake_fd, 1);
}

/* With the lock, which it lets go of. */
static void put_pool(struct groups_pool *pool)
{
	bool last = --pool->refs == 0;

	pthread_mutex_unlock(&pool->lock);
	if (!last)
		return;
	pthread_cond_destroy(&pool->wake);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

static void *groups_main(void *arg)
{
	struct groups_pool *pool = arg;
	struct groups_job *job;

	pthread_mutex_lock(&pool->lock);
	while (!pool->stop) {
		job = STAILQ_FIRST(&pool->jobs);
		if (!job) {
			pthread_cond_wait(&pool->wake, &pool->lock);
			continue;
		}
		STAILQ_REMOVE_HEAD(&pool->jobs, link);
		pool->running = job;
		pthread_mutex_unlock(&pool->lock);
		ask_database(job);
		pthread_mutex_lock(&pool->lock);
		pool->running = NULL;
		deliver(job);
	}
	put_pool(pool);
	return NULL;
}

int nfs_groups_open(struct groups_pool **ret)
{
	struct groups_pool *pool = calloc(1, sizeof(*pool));
	int rc;

	if (!pool)
		return -ENOMEM;
	pool->refs = 2;
	STAILQ_INIT(&pool->jobs);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->wake, NULL);
	rc = nfs_worker_start(NULL, groups_main, pool);
	if (rc) {
		free(pool);
		return rc;
	}
	*ret = pool;
	return 0;
}

void nfs_groups_close(struct groups_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stop = true;
	pthread_cond_signal(&pool->wake);
	put_pool(pool);
}

/* ---- what a thread knows ---- */

static struct nfs_thread *thread_of(const struct nreq *n)
{
	return container_of(n->req->ft, struct nfs_thread, ft);
}

static struct groups_entry *find(struct nfs_groups *g, uint32_t uid)
{
	struct groups_entry *e;

	LIST_FOREACH(e, &g->bucket[uid % NFS_GROUPS_BUCKETS], in_bucket)
		if (e->uid == uid)
			break;
	return e;
}

static void forget(struct nfs_groups *g, struct groups_entry *e)
{
	LIST_REMOVE(e, in_bucket);
	TAILQ_REMOVE(&g->all, e, link);
	g->nr--;
	free(e->gid);
	free(e);
}

/* NULL: no memory, or all there is room for are being asked for. */
static struct groups_entry *entry_new(struct nfs_groups *g, uint32_t uid)
{
	struct groups_entry *e;

	if (g->nr >= MAX_ENTRIES) {
		TAILQ_FOREACH(e, &g->all, link)
			if (!e->asked)
				break;
		if (!e)
			return NULL;
		forget(g, e);
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->uid = uid;
	STAILQ_INIT(&e->waiting);
	LIST_INSERT_HEAD(&g->bucket[uid % NFS_GROUPS_BUCKETS], e, in_bucket);
	TAILQ_INSERT_TAIL(&g->all, e, link);
	g->nr++;
	return e;
}

static void ask(struct nfs_groups *g, struct groups_entry *e)
{
	struct groups_job *job = calloc(1, sizeof(*job));

	if (!job)
		return;
	job->whose = g;
	job->uid = e->uid;
	e->asked = true;
	pthread_mutex_lock(&g->pool->lock);
	STAILQ_INSERT_TAIL(&g->pool->jobs, job, link);
	pthread_cond_signal(&g->pool->wake);
	pthread_mutex_unlock(&g->pool->lock);
}

static void add_group(struct nfs_cred *cred, uint32_t gid)
{
	if (gid == cred->gid || cred->ngroups >= NFS_MAX_GROUPS)
		return;
	for (uint32_t i = 0; i < cred->ngroups; i++)
		if (cred->groups[i] == gid)
			return;
	cred->groups[cred->ngroups++] = gid;
}

/* The node's own group, if the user is in it. */
static void add_node(struct nfs_cred *cred, const struct groups_entry *e, const struct nfs_node *node)
{
	uint32_t gid = node ? __atomic_load_n(&node->gid, __ATOMIC_RELAXED) : NFS_NO_GID;

	for (uint32_t i = 0; i < e->nr && gid != NFS_NO_GID; i++)
		if (e->gid[i] == gid)
			add_group(cred, gid);
}

/* Those the guest sent come first: it knows what it needs them for. */
static void choose(struct nreq *n, const struct groups_entry *e)
{
	n->cred.ngroups = n->sent_groups;
	add_node(&n->cred, e, n->node);
	add_node(&n->cred, e, n->node2);
	for (uint32_t i = 0; i < e->nr && n->cred.ngroups < NFS_MAX_GROUPS; i++)
		add_group(&n->cred, e->gid[i]);
}

bool nfs_groups_complete(struct nreq *n)
{
	struct nfs_groups *g = &thread_of(n)->groups;
	struct groups_entry *e;

	/* I/O on open files has what their opener had. */
	if (!g->pool || n->open)
		return true;
	e = find(g, n->cred.uid);
	if (!e)
		e = entry_new(g, n->cred.uid);
	if (!e)
		return true;
	if (!e->asked && (!e->known || clock_ns() >= e->until_ns))
		ask(g, e);
	if (e->known)
		choose(n, e);
	else if (e->asked)
		STAILQ_INSERT_TAIL(&e->waiting, n, group_link);
	return e->known || !e->asked;
}

static void answered(struct nfs_thread *t, struct groups_job *job)
{
	struct groups_entry *e = find(&t->groups, job->uid);
	struct nreq *n;

	if (!e)
		return;
	free(e->gid);
	e->gid = job->gid;
	e->nr = job->nr;
	job->gid = NULL;
	e->known = true;
	e->asked = false;
	e->until_ns = clock_ns() + AGE_NS;
	while ((n = STAILQ_FIRST(&e->waiting))) {
		STAILQ_REMOVE_HEAD(&e->waiting, group_link);
		choose(n, e);
		nfs_client_call(t->client, &n->call);
	}
}

void nfs_groups_poll(struct nfs_thread *t)
{
	struct nfs_groups *g = &t->groups;
	struct groups_job *job;

	if (!__atomic_load_n(&g->has_answers, __ATOMIC_ACQUIRE)) /* pairs with deliver() */
		return;
	do {
		pthread_mutex_lock(&g->pool->lock);
		job = STAILQ_FIRST(&g->answers);
		if (job)
			STAILQ_REMOVE_HEAD(&g->answers, link);
		else
			__atomic_store_n(&g->has_answers, false, __ATOMIC_RELAXED);
		pthread_mutex_unlock(&g->pool->lock);
		if (job) {
			answered(t, job);
			job_free(job);
		}
	} while (job);
}

void nfs_groups_abort(struct nfs_thread *t)
{
	struct nreq_list waiting = STAILQ_HEAD_INITIALIZER(waiting);
	struct nfs_result none = { 0 };
	struct groups_entry *e;
	struct nreq *n;

	if (!t->groups.pool)
		return;
	TAILQ_FOREACH(e, &t->groups.all, link)
		STAILQ_CONCAT(&waiting, &e->waiting);
	while ((n = STAILQ_FIRST(&waiting))) {
		STAILQ_REMOVE_HEAD(&waiting, group_link);
		n->call.done(&n->call, -EINTR, &none);
	}
}

void nfs_groups_attach(struct nfs_thread *t, struct groups_pool *pool)
{
	struct nfs_groups *g = &t->groups;

	g->pool = pool;
	g->wake_fd = t->wake.fd;
	TAILQ_INIT(&g->all);
	STAILQ_INIT(&g->answers);
}

/* Nothing that is under way comes here any more. */
static void disown(struct nfs_groups *g)
{
	struct groups_pool *pool = g->pool;
	struct groups_job *job, *next;

	pthread_mutex_lock(&pool->lock);
	STAILQ_CONCAT(&pool->jobs, &g->answers);
	for (job = STAILQ_FIRST(&pool->jobs); job; job = next) {
		next = STAILQ_NEXT(job, link);
		if (job->whose != g)
			continue;
		STAILQ_REMOVE(&pool->jobs, job, groups_job, link);
		job_free(job);
	}
	if (pool->running && pool->running->whose == g)
		pool->running->whose = NULL;
	pthread_mutex_unlock(&pool->lock);
}

void nfs_groups_detach(struct nfs_thread *t)
{
	struct groups_entry *e;

	if (!t->groups.pool)
		return;
	disown(&t->groups);
	while ((e = TAILQ_FIRST(&t->groups.all)))
		forget(&t->groups, e);
}
