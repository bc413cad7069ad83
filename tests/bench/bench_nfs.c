/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The NFS client alone, against a real server: what one thread gets through it and what that costs.
 * Built with -Dnfs_engine=libnfs it measures libnfs in the same place.
 *
 * usage: bench_nfs NFSPORT MNTPORT EXPORT [seconds [nconnect [spin_us [pattern]]]]
 *
 * For each pattern (or the named one): operations and megabytes a second, mean latency, CPU of this
 * thread and system calls to send and receive per operation, CPU per KiB where bytes move. spin_us
 * is how long the thread polls before it sleeps: 50 as in the controller, 0 to see what the work
 * alone costs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "fs/fs.h"
#include "fs/nfs/client.h"

#define FILE_SIZE (64u << 20)
#define MAX_DEPTH 64
#define LARGE (1u << 20)
#define SMALL 4096u
#define DIR_ENTRIES 500

/* The client's thread. */
struct thr {
	int epfd;
};

struct slot {
	struct nfs_call call;
	struct bench *b;
	struct iovec iov[256]; /* pages, as a guest has them */
	uint8_t *data;
	char name[32];
	bool removes;
};

struct bench {
	struct nfs_mount mnt;
	struct nfs_client *client;
	struct thr thr;
	struct nfs_fh file, dir;
	struct nfs_cred cred;
	struct slot slot[MAX_DEPTH];
	enum nfs_proc proc;
	uint32_t size;
	uint64_t next, ops, entries;
	uint32_t seed;
	uint64_t spin_ns;
	unsigned int out;
	bool stop;
};

int thr_watch_add(struct thr *thr, struct thr_watch *w)
{
	struct epoll_event ev = { .events = w->events, .data.ptr = w };

	return epoll_ctl(thr->epfd, EPOLL_CTL_ADD, w->fd, &ev);
}

int thr_watch_modify(struct thr *thr, struct thr_watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	w->events = events;
	return epoll_ctl(thr->epfd, EPOLL_CTL_MOD, w->fd, &ev);
}

void thr_watch_remove(struct thr *thr, struct thr_watch *w)
{
	epoll_ctl(thr->epfd, EPOLL_CTL_DEL, w->fd, NULL);
}

static void die(const char *what, int err)
{
	fprintf(stderr, "bench_nfs: %s: %s\n", what, strerror(-err));
	exit(1);
}

/* Polls for a while, then sleeps, as the controller's threads do. */
static void run_until_idle(struct bench *b)
{
	uint64_t idle_since = 0;

	while (b->out) {
		struct epoll_event ev;

		if (nfs_client_poll(b->client)) {
			idle_since = 0;
			continue;
		}
		if (!idle_since)
			idle_since = clock_ns();
		if (clock_ns() - idle_since < b->spin_ns)
			continue;
		if (epoll_wait(b->thr.epfd, &ev, 1, nfs_client_timeout_ms(b->client)) == 1) {
			struct thr_watch *w = ev.data.ptr;

			w->ready(w, ev.events);
		}
		idle_since = 0;
	}
}

static uint32_t next_random(struct bench *b)
{
	b->seed = b->seed * 1664525u + 1013904223u;
	return b->seed >> 8;
}

static bool on_entry(struct nfs_call *call, const struct nfs_dirent *ent)
{
	container_of(call, struct slot, call)->b->entries++;
	return true;
}

static void on_done(struct nfs_call *call, int err, const struct nfs_result *res);

static void set_data(struct bench *b, struct slot *s)
{
	uint32_t left = b->size, n = 0;

	for (; left; left -= min(left, SMALL))
		s->iov[n++] = (struct iovec){ s->data + (size_t)n * SMALL, min(left, SMALL) };
	s->call.iov = s->iov;
	s->call.iovcnt = (int)n;
	s->call.count = b->size;
	s->call.offset = b->size == LARGE ? b->next++ * LARGE % FILE_SIZE :
					    (uint64_t)(next_random(b) % (FILE_SIZE / SMALL)) * SMALL;
}

static void submit(struct bench *b, struct slot *s)
{
	s->b = b;
	s->call = (struct nfs_call){ .proc = b->proc, .cred = &b->cred, .fh = &b->file,
				     .done = on_done };
	switch (b->proc) {
	case NFS_READ:
	case NFS_WRITE:
		set_data(b, s);
		break;
	case NFS_LOOKUP:
	case NFS_CREATE:
		s->call.fh = &b->mnt.root;
		s->call.name = b->proc == NFS_LOOKUP ? "bench.dat" : s->name;
		s->call.proc = s->removes ? NFS_REMOVE : b->proc;
		s->call.sattr = (struct nfs_sattr){ .set = NFS_SET_MODE, .mode = 0600 };
		break;
	case NFS_READDIRPLUS:
		s->call.fh = &b->dir;
		s->call.count = 65536;
		s->call.entry = on_entry;
		break;
	default:
		break;
	}
	b->out++;
	nfs_client_call(b->client, &s->call);
}

static void on_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct slot *s = container_of(call, struct slot, call);
	struct bench *b = s->b;

	if (err)
		die(nfs_proc_name(call->proc), err);
	if ((call->proc == NFS_READ || call->proc == NFS_WRITE) && res->count != call->count)
		die("a short transfer", -EIO);
	b->out--;
	b->ops++;
	if (b->proc == NFS_CREATE)
		s->removes = !s->removes;
	if (!b->stop || (b->proc == NFS_CREATE && s->removes))
		submit(b, s);
}

/* ---- one call, for preparing ---- */

static struct nfs_fh made;

static void made_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct slot *s = container_of(call, struct slot, call);

	if (err)
		die(nfs_proc_name(call->proc), err);
	s->b->out--;
	if (res->has_fh)
		made = res->fh;
}

static void make(struct bench *b, enum nfs_proc proc, const struct nfs_fh *dir, const char *name)
{
	struct slot *s = &b->slot[0];

	s->b = b;
	s->call = (struct nfs_call){ .proc = proc, .cred = &b->cred, .fh = dir, .name = name,
				     .done = made_done,
				     .sattr = { .set = NFS_SET_MODE, .mode = 0700 } };
	b->out++;
	nfs_client_call(b->client, &s->call);
	run_until_idle(b);
}

static void prepare(struct bench *b)
{
	char name[32];

	make(b, NFS_CREATE, &b->mnt.root, "bench.dat");
	b->file = made;
	make(b, NFS_MKDIR, &b->mnt.root, "bench.dir");
	b->dir = made;
	for (int i = 0; i < DIR_ENTRIES; i++) {
		snprintf(name, sizeof(name), "a-file-of-some-length.%d", i);
		make(b, NFS_CREATE, &b->dir, name);
	}
	b->proc = NFS_WRITE;
	b->size = LARGE;
	b->stop = true;
	for (uint32_t i = 0; i < FILE_SIZE / LARGE; i++) {
		submit(b, &b->slot[0]);
		run_until_idle(b);
	}
	make(b, NFS_COMMIT, &b->file, NULL);
}

/* ---- measuring ---- */

static uint64_t cpu_ns(void)
{
	struct rusage ru;

	getrusage(RUSAGE_THREAD, &ru);
	return ((uint64_t)ru.ru_utime.tv_sec + (uint64_t)ru.ru_stime.tv_sec) * 1000000000ull +
	       ((uint64_t)ru.ru_utime.tv_usec + (uint64_t)ru.ru_stime.tv_usec) * 1000ull;
}

static void measure(struct bench *b, const char *name, enum nfs_proc proc, uint32_t size,
		    unsigned int depth, double seconds)
{
	struct nfs_stats before = { 0 }, after = { 0 };
	uint64_t start = clock_ns(), cpu = cpu_ns(), until = start + (uint64_t)(seconds * 1e9);
	double wall, used;

	nfs_client_stats(b->client, &before);
	b->proc = proc;
	b->size = size;
	b->ops = 0;
	b->stop = false;
	for (unsigned int i = 0; i < depth; i++)
		submit(b, &b->slot[i]);
	while (clock_ns() < until) {
		struct epoll_event ev;
		uint64_t spin = clock_ns() + b->spin_ns;

		while (nfs_client_poll(b->client) || clock_ns() < spin)
			if (clock_ns() > until)
				break;
		if (epoll_wait(b->thr.epfd, &ev, 1, 1) == 1) {
			struct thr_watch *w = ev.data.ptr;

			w->ready(w, ev.events);
		}
	}
	b->stop = true;
	run_until_idle(b);
	wall = (double)(clock_ns() - start);
	used = (double)(cpu_ns() - cpu);
	nfs_client_stats(b->client, &after);
	printf("%-14s %5u %9.0f %8.1f %9.1f %8.2f %7.2f %7.2f", name, depth, (double)b->ops * 1e9 / wall,
	       (double)b->ops * size / wall * 1e3, wall / 1e3 * depth / (double)b->ops,
	       used / 1e3 / (double)b->ops, (double)(after.sends - before.sends) / (double)b->ops,
	       (double)(after.recvs - before.recvs) / (double)b->ops);
	if (size)
		printf(" %8.1f", used / ((double)b->ops * size / 1024));
	printf("\n");
}

static void measure_all(struct bench *b, double seconds, const char *pattern)
{
	static const struct {
		const char *name;
		enum nfs_proc proc;
		uint32_t size;
		unsigned int depth;
	} runs[] = {
		{ "read 4k", NFS_READ, SMALL, 1 }, { "read 4k", NFS_READ, SMALL, 16 },
		{ "read 4k", NFS_READ, SMALL, 64 }, { "write 4k", NFS_WRITE, SMALL, 1 },
		{ "write 4k", NFS_WRITE, SMALL, 16 }, { "write 4k", NFS_WRITE, SMALL, 64 },
		{ "read 1m", NFS_READ, LARGE, 1 }, { "read 1m", NFS_READ, LARGE, 4 },
		{ "write 1m", NFS_WRITE, LARGE, 1 }, { "write 1m", NFS_WRITE, LARGE, 4 },
		{ "getattr", NFS_GETATTR, 0, 1 }, { "getattr", NFS_GETATTR, 0, 64 },
		{ "lookup", NFS_LOOKUP, 0, 16 }, { "create+remove", NFS_CREATE, 0, 1 },
		{ "create+remove", NFS_CREATE, 0, 16 }, { "readdirplus", NFS_READDIRPLUS, 0, 1 },
	};

	printf("%-14s %5s %9s %8s %9s %8s %7s %7s %8s\n", "pattern", "depth", "ops/s", "MB/s", "us", "cpu us",
	       "sends", "recvs", "ns/KiB");
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++)
		if (!pattern || !strcmp(pattern, runs[i].name))
			measure(b, runs[i].name, runs[i].proc, runs[i].size, runs[i].depth,
				seconds);
}

int main(int argc, char **argv)
{
	static struct bench b;
	struct nfs_mount_opts opts = { .server = "127.0.0.1", .timeo_ms = 60000, .retrans = 2 };
	char err[256];
	int rc;

	if (argc < 4) {
		fprintf(stderr,
			"usage: bench_nfs NFSPORT MNTPORT EXPORT [seconds [nconnect [spin_us [pattern]]]]\n");
		return 2;
	}
	opts.nfs_port = (uint16_t)atoi(argv[1]);
	opts.mount_port = (uint16_t)atoi(argv[2]);
	opts.export_path = argv[3];
	b.spin_ns = argc > 6 ? (uint64_t)atoi(argv[6]) * 1000 : 50000;
	opts.nconnect = argc > 5 ? (unsigned int)atoi(argv[5]) : 1;
	rc = nfsc_mount(&opts, &b.mnt, err, sizeof(err));
	if (rc)
		die(err, rc);
	b.thr.epfd = epoll_create1(EPOLL_CLOEXEC);
	rc = nfs_client_create(&b.mnt, &b.thr, &b.client);
	if (rc)
		die("client", rc);
	for (unsigned int i = 0; i < MAX_DEPTH; i++) {
		b.slot[i].data = aligned_alloc(4096, LARGE);
		if (!b.slot[i].data)
			die("memory", -ENOMEM);
		memset(b.slot[i].data, (int)i, LARGE);
		snprintf(b.slot[i].name, sizeof(b.slot[i].name), "bench.%u", i);
	}
	prepare(&b);
	measure_all(&b, argc > 4 ? atof(argv[4]) : 2, argc > 7 ? argv[7] : NULL);
	nfs_client_destroy(b.client);
	return 0;
}
