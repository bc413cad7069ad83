/* SPDX-License-Identifier: BSD-3-Clause */
/* See nfs_wb.h. */
#include "nfs_wb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "doca_log.h"
#include "nfs.h"

DOCA_LOG_REGISTER(VIRTIOFS::NFS::WB);

#define OLD_NS 5000000000ull /* what is kept that long is committed unasked */
#define MAX_ROUNDS 64 /* a server that changes verifiers with every answer keeps nothing */

/* ---- references ---- */

struct nfs_wb *nfs_wb_get(struct nfs_fs *nfs, struct nfs_node *node, bool make)
{
	struct nfs_wb *wb;

	pthread_mutex_lock(&nfs->lock);
	wb = node->wb;
	if (!wb && make)
		wb = calloc(1, sizeof(*wb));
	if (wb && !node->wb) {
		wb->nfs = nfs;
		wb->node = node;
		pthread_mutex_init(&wb->lock, NULL);
		STAILQ_INIT(&wb->kept);
		STAILQ_INIT(&wb->waiting);
		STAILQ_INIT(&wb->gated);
		wb->err = node->lost;
		wb->err_seq = node->lost != 0;
		__atomic_store_n(&node->wb, wb, __ATOMIC_RELAXED);
	}
	if (wb)
		wb->refs++;
	pthread_mutex_unlock(&nfs->lock);
	return wb;
}

/* Under fs.lock. True: the caller frees it, unlocked. */
static bool drop_ref(struct nfs_wb *wb)
{
	if (--wb->refs)
		return false;
	/* Nobody was told of a loss: the next who opens the file is. */
	wb->node->lost = wb->err_seen ? 0 : (int16_t)wb->err;
	__atomic_store_n(&wb->node->wb, NULL, __ATOMIC_RELAXED);
	return true;
}

static void wb_free(struct nfs_wb *wb)
{
	pthread_mutex_destroy(&wb->lock);
	free(wb);
}

void nfs_wb_put(struct nfs_wb *wb)
{
	struct nfs_fs *nfs;
	bool last;

	if (!wb)
		return;
	nfs = wb->nfs;
	pthread_mutex_lock(&nfs->lock);
	last = drop_ref(wb);
	pthread_mutex_unlock(&nfs->lock);
	if (last)
		wb_free(wb);
}

/* As above, with the pin of the node that was taken with it. */
static void put_pinned(struct nfs_wb *wb)
{
	struct nfs_fs *nfs = wb->nfs;
	struct nfs_node *node = wb->node;

	nfs_wb_put(wb);
	nodetab_put(nfs->nodes, &node->node);
}

uint64_t nfs_wb_last_dirty(struct nfs_fs *nfs)
{
	uint64_t last;

	pthread_mutex_lock(&nfs->lock);
	last = nfs->dirtied;
	pthread_mutex_unlock(&nfs->lock);
	return last;
}

struct nfs_wb *nfs_wb_next_dirty(struct nfs_fs *nfs, struct nfs_wb *from, uint64_t *pos, uint64_t last)
{
	struct nfs_wb *wb;

	pthread_mutex_lock(&nfs->lock);
	wb = from && from->dirtied == *pos ? TAILQ_NEXT(from, link) : TAILQ_FIRST(&nfs->dirty);
	while (wb && wb->dirtied <= *pos)
		wb = TAILQ_NEXT(wb, link);
	if (wb && wb->dirtied > last)
		wb = NULL;
	if (wb) {
		*pos = wb->dirtied;
		wb->refs++;
		nodetab_get(nfs->nodes, nodetab_id(&wb->node->node)); /* pinned by the list */
	}
	pthread_mutex_unlock(&nfs->lock);
	if (from)
		put_pinned(from);
	return wb;
}

/* ---- dirty and clean; under wb.lock ---- */

/* Written in that epoch, or later. */
static void make_dirty(struct nfs_wb *wb, uint32_t epoch)
{
	struct nfs_fs *nfs = wb->nfs;

	wb->dirty = true;
	nodetab_get(nfs->nodes, nodetab_id(&wb->node->node)); /* the caller pins it */
	pthread_mutex_lock(&nfs->lock);
	wb->refs++;
	wb->dirtied = ++nfs->dirtied;
	TAILQ_INSERT_TAIL(&nfs->dirty, wb, link);
	__atomic_add_fetch(&nfs->nr_dirty, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&nfs->lock);
	__atomic_store_n(&wb->node->wb_epoch, epoch, __ATOMIC_RELAXED);
	__atomic_store_n(&wb->node->dirty, true, __ATOMIC_RELEASE); /* nfs_wb_unsure() */
}

/* Off the list if nothing is kept and no round under way. The reference stays the caller's: true, put_pinned() it, unlocked. */
static bool make_clean(struct nfs_wb *wb)
{
	struct nfs_fs *nfs = wb->nfs;

	if (!wb->dirty || wb->state != WB_IDLE || !STAILQ_EMPTY(&wb->kept))
		return false;
	wb->dirty = false;
	__atomic_store_n(&wb->node->dirty, false, __ATOMIC_RELEASE); /* nfs_wb_unsure() */
	pthread_mutex_lock(&nfs->lock);
	TAILQ_REMOVE(&nfs->dirty, wb, link);
	wb->dirtied = 0;
	__atomic_sub_fetch(&nfs->nr_dirty, 1, __ATOMIC_RELEASE); /* nfs_unsure_node() */
	pthread_mutex_unlock(&nfs->lock);
	return true;
}

static void note_error(struct nfs_wb *wb, int err)
{
	wb->err = err;
	wb->err_seq++;
	wb->err_seen = false;
	pthread_mutex_lock(&wb->nfs->lock);
	wb->nfs->sync_err = err;
	wb->nfs->sync_losses++;
	pthread_mutex_unlock(&wb->nfs->lock);
}

/* Lets go of what is kept up to seq. */
static void let_go(struct nfs_wb *wb, uint64_t seq)
{
	struct nfs_kept *k;

	while ((k = STAILQ_FIRST(&wb->kept)) && k->seq <= seq) {
		STAILQ_REMOVE_HEAD(&wb->kept, link);
		kept_done(k);
	}
}

/* ---- a round; under wb.lock ---- */

static void committed(struct nfs_call *call, int err, const struct nfs_result *res);
static void resent(struct nfs_call *call, int err, const struct nfs_result *res);

static void send_commit(struct nfs_wb *wb)
{
	wb->state = WB_COMMITTING;
	wb->covered = wb->seq;
	wb->epoch = __atomic_load_n(&wb->nfs->epoch, __ATOMIC_RELAXED);
	wb->again = false;
	wb->cred = STAILQ_FIRST(&wb->kept)->cred;
	memset(&wb->call, 0, sizeof(wb->call));
	wb->call.proc = NFS_COMMIT;
	wb->call.cred = &wb->cred;
	wb->call.fh = &wb->node->fh;
	wb->call.background = true; /* a guest that goes away does not end it */
	wb->call.done = committed;
	wb->calling = true;
	nfs_client_call(wb->thread->client, &wb->call);
}

/* Whose round it is; NULL: nobody's. Only between calls. */
static void set_thread(struct nfs_wb *wb, struct nfs_thread *t)
{
	if (wb->thread == t)
		return;
	pthread_mutex_lock(&wb->nfs->lock);
	if (wb->thread)
		LIST_REMOVE(wb, round_link);
	if (t)
		LIST_INSERT_HEAD(&t->rounds, wb, round_link);
	wb->thread = t;
	pthread_mutex_unlock(&wb->nfs->lock);
}

/* Something is kept and no round is under way. */
static void start_round(struct nfs_wb *wb, struct nfs_thread *t)
{
	set_thread(wb, t);
	wb->rounds = 0;
	send_commit(wb);
}

static void post_all(struct nreq_list *list)
{
	struct nreq *n;

	while ((n = STAILQ_FIRST(list))) {
		STAILQ_REMOVE_HEAD(list, link);
		nfs_post(n);
	}
}

/* Those who waited for what the last COMMIT covered go on. */
static void wake_waiting(struct nfs_wb *wb)
{
	struct nreq_list still = STAILQ_HEAD_INITIALIZER(still);
	struct nreq *n;

	while ((n = STAILQ_FIRST(&wb->waiting))) {
		STAILQ_REMOVE_HEAD(&wb->waiting, link);
		if (n->target <= wb->covered)
			nfs_post(n);
		else
			STAILQ_INSERT_TAIL(&still, n, link);
	}
	STAILQ_CONCAT(&wb->waiting, &still);
}

static void end_round(struct nfs_wb *wb)
{
	wake_waiting(wb);
	wb->state = WB_IDLE;
	if (!wb->restarted)
		__atomic_store_n(&wb->node->wb_epoch, wb->epoch, __ATOMIC_RELEASE); /* nfs_wb_unsure() */
	if (STAILQ_EMPTY(&wb->kept))
		post_all(&wb->waiting); /* what they wait for was trimmed */
	else if (wb->again || !STAILQ_EMPTY(&wb->waiting)) {
		send_commit(wb);
		return;
	}
	set_thread(wb, NULL);
}

/* ---- writing again ---- */

static void count_resend(struct nfs_fs *nfs)
{
	__atomic_add_fetch(&nfs->resends, 1, __ATOMIC_RELEASE); /* nfs_wb_overtaken() */
}

static void resend_next(struct nfs_wb *wb)
{
	struct nfs_kept *k = wb->resend;
	uint32_t most = wb->nfs->mnt.wtmax;

	wb->cred = k->cred;
	wb->iov = (struct iovec){ k->data + wb->resent, min(k->len - wb->resent, most) };
	memset(&wb->call, 0, sizeof(wb->call));
	wb->call.proc = NFS_WRITE;
	wb->call.cred = &wb->cred;
	wb->call.fh = &wb->node->fh;
	wb->call.offset = k->offset + wb->resent;
	wb->call.count = (uint32_t)wb->iov.iov_len;
	wb->call.iov = &wb->iov;
	wb->call.iovcnt = 1;
	wb->call.background = true;
	wb->call.done = resent;
	wb->calling = true;
	nfs_client_call(wb->thread->client, &wb->call);
}

/* All that is kept is on the server once more: one COMMIT for it, and the gate is open again. */
static void resend_over(struct nfs_wb *wb)
{
	count_resend(wb->nfs);
	post_all(&wb->gated);
	if (!STAILQ_EMPTY(&wb->kept)) {
		send_commit(wb);
		return;
	}
	wb->covered = wb->seq; /* none of it could be written: errors say so */
	end_round(wb);
}

static void resend_from_start(struct nfs_wb *wb)
{
	wb->state = WB_RESENDING;
	wb->resend = STAILQ_FIRST(&wb->kept);
	wb->resent = 0;
	wb->restarted = false;
	if (++wb->rounds > MAX_ROUNDS) {
		note_error(wb, -EIO);
		let_go(wb, wb->seq);
		wb->resend = NULL;
	}
	if (wb->resend)
		resend_next(wb);
	else
		resend_over(wb);
}

/* The verifier changed. */
static void start_resending(struct nfs_wb *wb)
{
	DOCA_LOG_INFO("server %s restarted: writing again what it may have forgotten of file %llu",
		      wb->nfs->place.server, (unsigned long long)nodetab_id(&wb->node->node));
	wb->state = WB_DRAINING;
	__atomic_store_n(&wb->node->wb_epoch, 0, __ATOMIC_RELAXED); /* nobody believes a READ now */
	count_resend(wb->nfs);
	if (!wb->in_flight)
		resend_from_start(wb);
}

/* One piece was answered. */
static void resend_step(struct nfs_wb *wb, int err, const struct nfs_result *res)
{
	struct nfs_kept *k = wb->resend;
	bool first = k == STAILQ_FIRST(&wb->kept) && !wb->resent;

	if (!err && !res->count)
		err = -EIO;
	if (err) {
		note_error(wb, err);
		wb->resent = k->len;
	} else {
		if (first)
			memcpy(wb->verf, res->verf, NFS_VERF_SIZE);
		if (memcmp(wb->verf, res->verf, NFS_VERF_SIZE)) {
			resend_from_start(wb); /* once more */
			return;
		}
		wb->resent += min(res->count, wb->call.count);
	}
	if (wb->resent >= k->len) {
		wb->resend = STAILQ_NEXT(k, link);
		wb->resent = 0;
	}
	if (err) {
		STAILQ_REMOVE(&wb->kept, k, nfs_kept, link);
		kept_done(k);
	}
	if (wb->resend)
		resend_next(wb);
	else
		resend_over(wb);
}

/* The thread ends: what is kept waits for another one, who waits is told the worst. */
static void abandon_round(struct nfs_wb *wb)
{
	/* Only a part was written again: a COMMIT must not find the verifier of that part to be right. */
	for (int i = 0; wb->state == WB_RESENDING && i < NFS_VERF_SIZE; i++)
		wb->verf[i] = (uint8_t)~wb->verf[i];
	wb->state = WB_IDLE;
	if (!STAILQ_EMPTY(&wb->waiting))
		note_error(wb, -EIO);
	post_all(&wb->waiting);
	post_all(&wb->gated);
	set_thread(wb, NULL);
}

static struct nfs_wb *wb_of(struct nfs_call *call)
{
	return container_of(call, struct nfs_wb, call);
}

static void resent(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nfs_wb *wb = wb_of(call);
	bool clean;

	pthread_mutex_lock(&wb->lock);
	wb->calling = false;
	if (err == -EINTR)
		abandon_round(wb);
	else
		resend_step(wb, err, res);
	clean = make_clean(wb);
	pthread_mutex_unlock(&wb->lock);
	if (clean)
		put_pinned(wb);
}

static void commit_over(struct nfs_wb *wb, int err, const struct nfs_result *res)
{
	if (!err && (wb->restarted || memcmp(wb->verf, res->verf, NFS_VERF_SIZE))) {
		start_resending(wb);
		return;
	}
	/* Told once, and not tried for ever: a full disk would keep the guest's memory of it for good. */
	if (err)
		note_error(wb, err);
	wb->rounds = 0;
	let_go(wb, wb->covered);
	end_round(wb);
}

static void committed(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nfs_wb *wb = wb_of(call);
	bool clean;

	pthread_mutex_lock(&wb->lock);
	wb->calling = false;
	if (err == -EINTR)
		abandon_round(wb);
	else
		commit_over(wb, err, res);
	clean = make_clean(wb);
	pthread_mutex_unlock(&wb->lock);
	if (clean)
		put_pinned(wb);
}

/* ---- requests ---- */

static struct nfs_thread *thread_of(const struct nreq *n)
{
	return container_of(n->req->ft, struct nfs_thread, ft);
}

/* In the list until something happens; but not when nobody waits for the request any more. True: it is. */
static bool wait_in(struct nreq_list *list, struct nreq *n, void (*then)(struct nreq *n))
{
	if (thread_of(n)->aborted)
		return false;
	n->then = then;
	STAILQ_INSERT_TAIL(list, n, link);
	return true;
}

bool nfs_wb_enter(struct nreq *n, void (*then)(struct nreq *n))
{
	struct nfs_wb *wb = n->wb;
	bool open, waits = false;

	pthread_mutex_lock(&wb->lock);
	open = wb->state < WB_DRAINING;
	if (open) {
		wb->in_flight++;
		n->inside = true;
	} else {
		waits = wait_in(&wb->gated, n, then);
	}
	pthread_mutex_unlock(&wb->lock);
	if (!open && !waits)
		nfs_done(n, -EINTR);
	return open;
}

void nfs_wb_leave(struct nreq *n)
{
	struct nfs_wb *wb = n->wb;
	bool clean;

	n->inside = false;
	pthread_mutex_lock(&wb->lock);
	wb->in_flight--;
	if (wb->state == WB_DRAINING && !wb->in_flight) {
		set_thread(wb, thread_of(n)); /* the round goes on here */
		resend_from_start(wb);
	}
	clean = make_clean(wb);
	pthread_mutex_unlock(&wb->lock);
	if (clean)
		put_pinned(wb);
}

void nfs_look_at_epoch(struct nfs_thread *t)
{
	uint32_t epoch = nfs_client_epoch(t->client, false);

	if (epoch == t->epoch)
		return;
	t->epoch = epoch;
	__atomic_add_fetch(&t->nfs->epoch, 1, __ATOMIC_RELAXED);
}

void nfs_wb_ask(struct nreq *n)
{
	struct nfs_thread *t = thread_of(n);

	nfs_look_at_epoch(t);
	n->epoch = __atomic_load_n(&t->nfs->epoch, __ATOMIC_RELAXED);
	n->resends = __atomic_load_n(&t->nfs->resends, __ATOMIC_ACQUIRE); /* count_resend() */
}

/* Under wb.lock: the copy joins those that wait for a COMMIT. */
static void keep_copy(struct nreq *n, struct nfs_kept *k, const struct nfs_result *res)
{
	struct nfs_wb *wb = n->wb;
	bool first = STAILQ_EMPTY(&wb->kept);

	k->seq = ++wb->seq;
	STAILQ_INSERT_TAIL(&wb->kept, k, link);
	__atomic_store_n(&k->state, KEPT_HELD, __ATOMIC_RELAXED);
	if (!wb->dirty)
		make_dirty(wb, n->epoch);
	if (first && wb->state == WB_IDLE) {
		memcpy(wb->verf, res->verf, NFS_VERF_SIZE);
		wb->restarted = false;
		return;
	}
	if (!memcmp(wb->verf, res->verf, NFS_VERF_SIZE))
		return;
	/* Whichever of the two is the newer: looked at when a COMMIT is over. */
	wb->restarted = true;
	__atomic_store_n(&wb->node->wb_epoch, 0, __ATOMIC_RELAXED);
	if (wb->state == WB_IDLE)
		start_round(wb, thread_of(n));
}

/*
 * Safe on the server, and not kept: older copies of the same bytes must not overwrite it when they are
 * written again, so they get its bytes.
 */
static void patch(struct nreq *n, const struct nfs_result *res)
{
	uint64_t start = n->call.offset, end = start + min(res->count, n->call.count);
	struct nfs_wb *wb = n->wb;
	struct nfs_kept *k;

	if (!__atomic_load_n(&n->node->dirty, __ATOMIC_ACQUIRE)) /* make_dirty() */
		return;
	pthread_mutex_lock(&wb->lock);
	STAILQ_FOREACH(k, &wb->kept, link) {
		uint64_t from = max(start, k->offset), to = min(end, k->offset + k->len);

		if (from < to)
			fs_req_get(n->req, n->moved + (from - start), k->data + (from - k->offset),
				   to - from);
	}
	pthread_mutex_unlock(&wb->lock);
}

void nfs_wb_written(struct nreq *n, int err, const struct nfs_result *res)
{
	struct nfs_kept *k = n->kept;
	struct nfs_wb *wb = n->wb;

	nfs_wb_end_copy(n, err, res->resent);
	n->kept = NULL;
	if (err || (k && res->file_sync && !__atomic_load_n(&n->node->dirty, __ATOMIC_ACQUIRE))) {
		if (k)
			kept_done(k);
		return;
	}
	if (!k) {
		patch(n, res);
		return;
	}
	k->offset = n->call.offset;
	k->cred = n->cred;
	k->born_ns = clock_ns();
	k->len = min(k->len, res->count);
	pthread_mutex_lock(&wb->lock);
	keep_copy(n, k, res);
	pthread_mutex_unlock(&wb->lock);
}

void nfs_wb_commit(struct nreq *n, void (*then)(struct nreq *n))
{
	struct nfs_wb *wb = n->wb;
	bool waits = false, clean;

	pthread_mutex_lock(&wb->lock);
	clean = STAILQ_EMPTY(&wb->kept);
	n->target = wb->seq;
	if (!clean)
		waits = wait_in(&wb->waiting, n, then);
	if (waits && wb->state == WB_IDLE)
		start_round(wb, thread_of(n));
	pthread_mutex_unlock(&wb->lock);
	if (clean)
		then(n);
	else if (!waits)
		nfs_done(n, -EINTR);
}

void nfs_wb_trim(struct nfs_wb *wb, uint64_t size)
{
	struct nfs_kept *k, *next;
	bool clean;

	pthread_mutex_lock(&wb->lock);
	for (k = STAILQ_FIRST(&wb->kept); k; k = next) {
		next = STAILQ_NEXT(k, link);
		if (k->offset < size) {
			k->len = (uint32_t)min((uint64_t)k->len, size - k->offset);
			continue;
		}
		STAILQ_REMOVE(&wb->kept, k, nfs_kept, link);
		kept_done(k);
	}
	clean = make_clean(wb);
	pthread_mutex_unlock(&wb->lock);
	if (clean)
		put_pinned(wb);
}

int nfs_wb_error(struct nfs_wb *wb, struct nfs_open *open)
{
	int err = 0;

	pthread_mutex_lock(&wb->lock);
	if (open->err_seq != wb->err_seq) {
		err = wb->err;
		open->err_seq = wb->err_seq;
		wb->err_seen = true;
	}
	pthread_mutex_unlock(&wb->lock);
	return err;
}

uint32_t nfs_wb_err_seq(struct nfs_wb *wb)
{
	uint32_t seq;

	pthread_mutex_lock(&wb->lock);
	seq = wb->err_seq - (wb->err_seq && !wb->err_seen);
	pthread_mutex_unlock(&wb->lock);
	return seq;
}

void nfs_wb_listen(struct nfs_wb *wb, struct nfs_open *open)
{
	pthread_mutex_lock(&wb->lock);
	open->err_seq = wb->err_seq - (wb->err_seq && !wb->err_seen);
	pthread_mutex_unlock(&wb->lock);
}

bool nfs_wb_overtaken(const struct nreq *n)
{
	return n->resends != __atomic_load_n(&nfs_of(n->req)->resends, __ATOMIC_ACQUIRE); /* count_resend() */
}

bool nfs_wb_unsure(const struct nreq *n, const struct nfs_node *node)
{
	struct nfs_thread *t = thread_of(n);

	if (__atomic_load_n(&node->dirty, __ATOMIC_ACQUIRE)) { /* make_dirty(), make_clean() */
		nfs_look_at_epoch(t);
		if (__atomic_load_n(&node->wb_epoch, __ATOMIC_ACQUIRE) != /* end_round() */
		    __atomic_load_n(&t->nfs->epoch, __ATOMIC_RELAXED))
			return true;
	}
	return nfs_wb_overtaken(n); /* the last to be looked at: then it was counted */
}

/* ---- the thread ---- */

/* Without a request: starts a round, or has the one under way followed by another. */
static void kick(struct nfs_wb *wb, struct nfs_thread *t)
{
	pthread_mutex_lock(&wb->lock);
	if (wb->state != WB_IDLE)
		wb->again = true;
	else if (!STAILQ_EMPTY(&wb->kept))
		start_round(wb, t);
	pthread_mutex_unlock(&wb->lock);
}

/* The file of the ring's oldest room, with a reference and a pin; NULL: it is being let go just now. */
static struct nfs_wb *owner_of(struct nfs_fs *nfs, const struct nfs_kept *k)
{
	struct nfs_wb *wb = NULL;

	/* Rooms are done before their file loses its reference, which takes this lock. */
	pthread_mutex_lock(&nfs->lock);
	if (__atomic_load_n(&k->state, __ATOMIC_ACQUIRE) == KEPT_HELD) {
		wb = k->wb;
		wb->refs++;
		nodetab_get(nfs->nodes, nodetab_id(&wb->node->node));
	}
	pthread_mutex_unlock(&nfs->lock);
	return wb;
}

void nfs_wb_poll(struct nfs_thread *t)
{
	struct nfs_keep *keep = t->keep;
	struct nfs_kept *k;
	struct nfs_wb *wb;

	if (keep_is_empty(keep))
		return;
	k = keep_oldest(keep);
	if (!k || keep->tail == t->kicked ||
	    __atomic_load_n(&k->state, __ATOMIC_RELAXED) != KEPT_HELD)
		return;
	if (keep_used(keep) < keep->size / 2 && clock_ns() - k->born_ns < OLD_NS)
		return;
	t->kicked = keep->tail;
	wb = owner_of(t->nfs, k);
	if (!wb)
		return;
	kick(wb, t);
	put_pinned(wb);
}

void nfs_wb_commit_all(struct nfs_thread *t)
{
	uint64_t pos = 0, last = nfs_wb_last_dirty(t->nfs);
	struct nfs_wb *wb = NULL;

	while ((wb = nfs_wb_next_dirty(t->nfs, wb, &pos, last)))
		kick(wb, t);
}

/* Takes the thread's requests out of a list. */
static void take_own(struct nreq_list *list, struct nfs_thread *t, struct nreq_list *own)
{
	struct nreq_list others = STAILQ_HEAD_INITIALIZER(others);
	struct nreq *n;

	while ((n = STAILQ_FIRST(list))) {
		STAILQ_REMOVE_HEAD(list, link);
		STAILQ_INSERT_TAIL(thread_of(n) == t ? own : &others, n, link);
	}
	STAILQ_CONCAT(list, &others);
}

void nfs_wb_abort(struct nfs_thread *t)
{
	uint64_t pos = 0, last = nfs_wb_last_dirty(t->nfs);
	struct nreq_list own = STAILQ_HEAD_INITIALIZER(own);
	struct nfs_wb *wb = NULL;
	struct nreq *n;

	t->aborted = true;
	while ((wb = nfs_wb_next_dirty(t->nfs, wb, &pos, last))) {
		pthread_mutex_lock(&wb->lock);
		take_own(&wb->waiting, t, &own);
		take_own(&wb->gated, t, &own);
		pthread_mutex_unlock(&wb->lock);
	}
	while ((n = STAILQ_FIRST(&own))) {
		STAILQ_REMOVE_HEAD(&own, link);
		nfs_done(n, -EINTR);
	}
}

void nfs_wb_abandon(struct nfs_thread *t)
{
	struct nfs_wb *wb, *next;

	pthread_mutex_lock(&t->nfs->lock);
	for (wb = LIST_FIRST(&t->rounds); wb; wb = next) {
		next = LIST_NEXT(wb, round_link);
		if (wb->calling) {
			nfs_client_cancel(t->client, &wb->call);
			continue;
		}
		/* DRAINING: who ends that takes the round. */
		LIST_REMOVE(wb, round_link);
		wb->thread = NULL;
	}
	pthread_mutex_unlock(&t->nfs->lock);
}

void nfs_wb_drop_all(struct nfs_fs *nfs)
{
	struct nfs_wb *wb;

	while ((wb = TAILQ_FIRST(&nfs->dirty))) {
		pthread_mutex_lock(&wb->lock);
		if (!STAILQ_EMPTY(&wb->kept))
			DOCA_LOG_WARN("server %s did not confirm what was written last to file %llu",
				      nfs->place.server,
				      (unsigned long long)nodetab_id(&wb->node->node));
		let_go(wb, wb->seq);
		wb->state = WB_IDLE; /* a round nobody ended has lost its thread */
		make_clean(wb);
		pthread_mutex_unlock(&wb->lock);
		put_pinned(wb);
	}
}
