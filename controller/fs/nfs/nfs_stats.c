/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counters of a mount, as nfsstat and mountstats have them: those of the clients of all threads,
 * and of the threads that have ended. fs.lock keeps a client alive while it is asked.
 */
#include "nfs.h"

void nfs_stats_begin(struct nfs_thread *t)
{
	pthread_mutex_lock(&t->nfs->lock);
	LIST_INSERT_HEAD(&t->nfs->threads, t, link);
	pthread_mutex_unlock(&t->nfs->lock);
}

void nfs_stats_end(struct nfs_thread *t)
{
	pthread_mutex_lock(&t->nfs->lock);
	LIST_REMOVE(t, link);
	nfs_client_stats(t->client, &t->nfs->ended);
	pthread_mutex_unlock(&t->nfs->lock);
}

typedef void (*counter_fn)(void *arg, const char *object, const char *counter, uint64_t value);

struct counter {
	const char *name;
	size_t off;
};

static const struct counter op_counters[] = {
	{ "ops", offsetof(struct nfs_op_stats, ops) },
	{ "transmissions", offsetof(struct nfs_op_stats, trans) },
	{ "timeouts", offsetof(struct nfs_op_stats, timeouts) },
	{ "errors", offsetof(struct nfs_op_stats, errors) },
	{ "bytes_sent", offsetof(struct nfs_op_stats, bytes_sent) },
	{ "bytes_received", offsetof(struct nfs_op_stats, bytes_recv) },
	{ "queue_ns", offsetof(struct nfs_op_stats, queue_ns) },
	{ "rtt_ns", offsetof(struct nfs_op_stats, rtt_ns) },
	{ "execute_ns", offsetof(struct nfs_op_stats, exec_ns) },
};

static const struct counter transport_counters[] = {
	{ "connects", offsetof(struct nfs_stats, connects) },
	{ "connections_lost", offsetof(struct nfs_stats, drops) },
	{ "unknown_xids", offsetof(struct nfs_stats, bad_xids) },
	{ "jukebox", offsetof(struct nfs_stats, jukebox) },
	{ "cancelled", offsetof(struct nfs_stats, cancels) },
	{ "send_calls", offsetof(struct nfs_stats, sends) },
	{ "receive_calls", offsetof(struct nfs_stats, recvs) },
};

static void emit_counters(const void *base, const struct counter *counters, size_t nr,
			  const char *object, counter_fn emit, void *arg)
{
	for (size_t i = 0; i < nr; i++)
		emit(arg, object, counters[i].name,
		     *(const uint64_t *)((const char *)base + counters[i].off));
}

void nfs_stats(struct fs *fs, counter_fn emit, void *arg)
{
	struct nfs_fs *nfs = container_of(fs, struct nfs_fs, fs);
	struct nfs_stats sum;
	struct nfs_thread *t;

	pthread_mutex_lock(&nfs->lock);
	sum = nfs->ended;
	LIST_FOREACH(t, &nfs->threads, link)
		nfs_client_stats(t->client, &sum);
	pthread_mutex_unlock(&nfs->lock);
	emit_counters(&sum, transport_counters, ARRAY_SIZE(transport_counters), "transport", emit,
		      arg);
	for (int i = 1; i < NFS_NR_CALLS; i++)
		if (sum.op[i].ops || sum.op[i].trans)
			emit_counters(&sum.op[i], op_counters, ARRAY_SIZE(op_counters),
				      nfs_proc_name((enum nfs_proc)i), emit, arg);
}
