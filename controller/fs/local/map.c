/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * Many small transfers of one file, where io_uring has no way to do them without handing each to a
 * kernel thread (buffered writes of ext4, everything on tmpfs), cost a system call each, and on ext4
 * a walk over a large folio each. Those that come together are done together instead:
 * process_vm_readv() and process_vm_writev() copy between the guest's segments and a shared mapping
 * of the file, any number of them in one call. A page that cannot be had (cut off, no space, I/O
 * error) ends the call early and never is a signal; what is left goes the usual way, which finds out
 * what is wrong.
 *
 * What a mapping does not do by itself is seen to:
 *
 *   size       asked for in each batch; only what lies below it is done here
 *   times, privileges, frozen file systems
 *              one of the batch goes the usual way: the last of writes, the first of reads
 *   cold pages a mapping would read a page from disk before it is overwritten, and wait: only pages
 *              that were written the usual way within KNOWN_NS are written here
 *   holes      reading one through a mapping fills it: tmpfs files with holes are left alone
 *
 * A batch is what one round of the thread brings. Below MAP_MIN of a file it is no gain, and so is a
 * mapping for less than MAP_HITS transfers. Mappings end with the guest's open file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/atomics.h"
#include "base/clock.h"
#include "local.h"

#define MAP_MIN 4
#define MAP_HITS 64
#define MAPS_MAX 1024 /* of a file system */
#define MAP_BYTES_MAX (16ull << 30)
#define MAP_LARGE (128u << 20)
#define PAGE 4096u
#define KNOWN_NS 10000000000ull

struct lmap {
	struct lmap *older; /* smaller; in use until the file is closed */
	char *addr;
	size_t len;
	uint64_t known_since; /* atomic */
	uint8_t *known; /* atomic bits, one a page; NULL: none are cold */
};

/* One file's part of a batch, of one direction. */
struct lgroup {
	struct local_thread *t;
	struct lfh *f;
	bool read;
	unsigned int nr;
	struct fs_req *req[LOCAL_BATCH];
};

static uint64_t req_off(const struct fs_req *req)
{
	return req->in->opcode == FUSE_READ ? req->read->offset : req->write->offset;
}

static size_t req_want(const struct fs_req *req)
{
	return local_lreq(req)->want;
}

/* ---- mappings ---- */

bool local_map_wanted(struct local_thread *t, struct lfh *f, bool read, size_t want)
{
	if (want > LOCAL_MAP_WANT || !want || f->sync || f->direct || READ_ONCE(f->no_map) ||
	    READ_ONCE(t->lfs->no_maps))
		return false;
	return f->kind == LFS_TMPFS ? read || f->rdwr : f->kind == LFS_EXT4 && !read && f->rdwr;
}

static void *map_unmap(void *arg)
{
	struct lmap *m = arg;

	if (m->addr)
		munmap(m->addr, m->len);
	free(m->known);
	free(m);
	return NULL;
}

/* The page tables of a large one take a while: not on the I/O thread. */
static void map_free(struct local_fs *lfs, struct lmap *m)
{
	pthread_t thread;

	__atomic_sub_fetch(&lfs->nr_maps, 1, __ATOMIC_RELAXED);
	if (m->len > MAP_LARGE && !pthread_create(&thread, NULL, map_unmap, m))
		pthread_detach(thread);
	else
		map_unmap(m);
}

void local_map_close(struct local_fs *lfs, struct lmap *m)
{
	struct lmap *older;

	for (; m; m = older) {
		older = m->older;
		map_free(lfs, m);
	}
}

static struct lmap *map_new(struct local_fs *lfs, struct lfh *f, uint64_t size)
{
	struct lmap *m = NULL;

	if (__atomic_add_fetch(&lfs->nr_maps, 1, __ATOMIC_RELAXED) <= MAPS_MAX)
		m = calloc(1, sizeof(*m));
	if (!m) {
		__atomic_sub_fetch(&lfs->nr_maps, 1, __ATOMIC_RELAXED);
		return NULL;
	}
	m->len = ALIGN_UP((size_t)size, (size_t)PAGE);
	m->addr = mmap(NULL, m->len, PROT_READ | (f->rdwr ? PROT_WRITE : 0), MAP_SHARED, f->fd, 0);
	if (m->addr == MAP_FAILED)
		m->addr = NULL;
	if (f->kind == LFS_EXT4)
		m->known = calloc(m->len / PAGE / 8 + 1, 1);
	if (m->addr && (m->known || f->kind != LFS_EXT4))
		return m;
	map_free(lfs, m);
	return NULL;
}

/* The mapping to use for a file of that size; NULL: none (yet). */
static struct lmap *map_get(struct local_fs *lfs, struct lfh *f, uint64_t size)
{
	/* Acquire pairs with the exchange below. */
	struct lmap *have = __atomic_load_n(&f->map, __ATOMIC_ACQUIRE), *m;

	if (have && (size <= have->len || size < 2 * (uint64_t)have->len))
		return have;
	if (!size || size > MAP_BYTES_MAX ||
	    __atomic_add_fetch(&f->map_hits, MAP_MIN, __ATOMIC_RELAXED) < MAP_HITS)
		return have;
	m = map_new(lfs, f, size);
	if (!m) {
		WRITE_ONCE(f->no_map, true);
		return have;
	}
	m->older = have;
	if (__atomic_compare_exchange_n(&f->map, &have, m, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return m;
	map_free(lfs, m); /* another thread was first */
	return have;
}

/* ---- pages that are in memory ---- */

static bool map_knows(struct lmap *m, uint64_t off, size_t len)
{
	for (uint64_t page = off / PAGE; page <= (off + len - 1) / PAGE; page++)
		if (!(READ_ONCE(m->known[page / 8]) & 1u << page % 8))
			return false;
	return true;
}

/* Whole pages were written the usual way. */
static void map_learn(struct lmap *m, uint64_t off, size_t len)
{
	uint64_t page = off / PAGE + (off % PAGE != 0), end = (off + len) / PAGE;

	for (; m->known && page < end && page < m->len / PAGE; page++)
		__atomic_fetch_or(&m->known[page / 8], (uint8_t)(1u << page % 8), __ATOMIC_RELAXED);
}

/* From time to time all is forgotten: the kernel may have needed the memory. */
static void map_age(struct lmap *m)
{
	uint64_t now = clock_ns();

	if (!m->known || now - READ_ONCE(m->known_since) < KNOWN_NS)
		return;
	for (size_t i = 0; i <= m->len / PAGE / 8; i++)
		WRITE_ONCE(m->known[i], 0);
	WRITE_ONCE(m->known_since, now);
}

/* ---- batches ---- */

static void run_usual(struct fs_req *req, struct lmap *m)
{
	/* The request may be gone afterwards. */
	uint64_t off = req_off(req);
	bool write = req->in->opcode == FUSE_WRITE;
	ssize_t n = local_rw_here(req, local_lreq(req)->fh);

	if (m && write && n > 0)
		map_learn(m, off, (size_t)n);
}

/*
 * Copies what req[0..nr) want; how many of them were done. Their segments fit into t->iov:
 * local_batch_add() counted.
 */
static unsigned int map_copy(struct lgroup *g, const struct lmap *m, struct fs_req **req,
			     unsigned int nr)
{
	struct iovec file[LOCAL_BATCH];
	unsigned int n = 0, done = 0;
	ssize_t bytes;

	for (unsigned int i = 0; i < nr; i++) {
		n += (unsigned int)fs_iov_slice(g->read ? req[i]->room : req[i]->data,
						g->read ? req[i]->room_cnt : req[i]->data_cnt, 0,
						req_want(req[i]), g->t->iov + n,
						LOCAL_IOV_MAX - (int)n);
		file[i] = (struct iovec){ m->addr + req_off(req[i]), req_want(req[i]) };
	}
	bytes = g->read ? process_vm_readv(getpid(), g->t->iov, n, file, nr, 0) :
			  process_vm_writev(getpid(), g->t->iov, n, file, nr, 0);
	if (bytes < 0 && (errno == EPERM || errno == ENOSYS))
		WRITE_ONCE(g->t->lfs->no_maps, true); /* a container's rule */
	while (done < nr && bytes >= (ssize_t)req_want(req[done]))
		bytes -= (ssize_t)req_want(req[done++]);
	return done;
}

/* May this one be done through the mapping of a file of that size? */
static bool map_can(struct lmap *m, const struct fs_req *req, uint64_t size)
{
	uint64_t off = req_off(req), end = off + req_want(req);

	return end >= off && end <= size && end <= m->len &&
	       (!m->known || map_knows(m, off, req_want(req)));
}

/* Puts those that can be mapped first; how many. */
static unsigned int group_split(struct lgroup *g, struct lmap *m, uint64_t size)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < g->nr; i++) {
		struct fs_req *req = g->req[i];

		if (!map_can(m, req, size))
			continue;
		g->req[i] = g->req[nr];
		g->req[nr++] = req;
	}
	return nr;
}

static struct lmap *group_map(struct lgroup *g, uint64_t *ret_size)
{
	struct statx stx;

	/* Not its times: who has seen those makes the kernel give the next write others. */
	if (g->nr < MAP_MIN ||
	    statx(g->f->fd, "", AT_EMPTY_PATH, STATX_SIZE | STATX_BLOCKS, &stx))
		return NULL;
	*ret_size = stx.stx_size;
	if (g->f->kind == LFS_TMPFS &&
	    stx.stx_blocks * 512 < ALIGN_UP((uint64_t)stx.stx_size, (uint64_t)PAGE))
		return NULL;
	return map_get(g->t->lfs, g->f, *ret_size);
}

static void group_run(struct lgroup *g)
{
	uint64_t size = 0;
	struct lmap *m = group_map(g, &size);
	unsigned int mapped = 0, done = 0, i;

	if (m) {
		map_age(m);
		mapped = group_split(g, m, size);
	}
	/* req[0] is the one that goes the usual way, and tells the kernel. */
	if (mapped >= MAP_MIN && g->read)
		run_usual(g->req[0], NULL);
	if (mapped >= MAP_MIN)
		done = map_copy(g, m, g->req + 1, mapped - 1);
	if (mapped < MAP_MIN || !g->read)
		run_usual(g->req[0], m);
	for (i = 1; i <= done; i++)
		local_rw_done(g->req[i], g->f, (ssize_t)req_want(g->req[i]));
	for (; i < g->nr; i++)
		run_usual(g->req[i], m);
}

bool local_batch_add(struct local_thread *t, struct fs_req *req, struct lfh *f)
{
	struct lbatch *b = &t->gathered;
	int cnt = req->in->opcode == FUSE_READ ? req->room_cnt : req->data_cnt;

	if (b->nr == LOCAL_BATCH || b->nr_iov + (unsigned int)cnt > LOCAL_IOV_MAX)
		local_batch_run(t);
	if (cnt > LOCAL_IOV_MAX)
		return false;
	local_lreq(req)->fh = f;
	b->req[b->nr++] = req;
	b->nr_iov += (unsigned int)cnt;
	return true;
}

/* The first request's file and direction, with all others of that; they leave the batch. */
static void group_take(struct lbatch *b, struct lgroup *g)
{
	unsigned int kept = 0;

	g->f = local_lreq(b->req[0])->fh;
	g->read = b->req[0]->in->opcode == FUSE_READ;
	g->nr = 0;
	for (unsigned int i = 0; i < b->nr; i++) {
		struct fs_req *req = b->req[i];

		if (local_lreq(req)->fh == g->f && (req->in->opcode == FUSE_READ) == g->read)
			g->req[g->nr++] = req;
		else
			b->req[kept++] = req;
	}
	b->nr = kept;
}

int local_batch_run(struct local_thread *t)
{
	struct lgroup g = { .t = t };
	struct lfh_table *fhs = &t->lfs->fhs;
	struct lbatch b = t->gathered; /* a completion may bring more */
	int n = (int)b.nr;

	t->gathered.nr = t->gathered.nr_iov = 0;
	cred_root();
	while (b.nr) {
		group_take(&b, &g);
		/* Each request has its pin, and is gone with the last of them. */
		lfh_pin_more(g.f);
		group_run(&g);
		lfh_put(fhs, g.f);
	}
	return n;
}
