/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * One ring per I/O thread. Operations put entries into the submission queue; poll() hands a whole
 * round's worth to the kernel with one system call and finishes what has completed. While the
 * thread sleeps, the ring's descriptor wakes it. The ring is created by the thread that uses it
 * (SINGLE_ISSUER) and completions wait for that thread to enter the kernel anyway (COOP_TASKRUN):
 * no interrupts between processors.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "local.h"

#define RING_BATCH 32

struct lcqe {
	struct fs_req *req;
	int res;
};

static void ring_ready(struct thr_watch *w, uint32_t revents)
{
	local_ring_poll(container_of(w, struct local_thread, ring_watch));
}

/* From what a new kernel has to what io_uring began with. */
static int ring_create(struct io_uring *ring)
{
	static const unsigned int flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		0,
	};
	unsigned int i;
	int err = -EINVAL;

	for (i = 0; i < ARRAY_SIZE(flags) && err == -EINVAL; i++)
		err = io_uring_queue_init(LOCAL_RING_ENTRIES, ring, flags[i]);
	return err;
}

/* Credentials for writes that must clear setuid bits; the kernel applies them per entry. */
static int ring_kill_personality(struct local_thread *t)
{
	int id;

	if (!t->lfs->switch_creds || cred_root_kill())
		return 0;
	id = io_uring_register_personality(&t->ring);
	cred_root();
	return id < 0 ? 0 : id;
}

int local_ring_init(struct local_thread *t)
{
	int err = ring_create(&t->ring);

	if (err)
		return err;
	t->kill_personality = ring_kill_personality(t);
	t->ring_watch.fd = t->ring.ring_fd;
	t->ring_watch.events = EPOLLIN;
	t->ring_watch.ready = ring_ready;
	err = thr_watch_add(t->ft.thr, &t->ring_watch);
	if (err)
		io_uring_queue_exit(&t->ring);
	return err;
}

void local_ring_fini(struct local_thread *t)
{
	thr_watch_remove(t->ft.thr, &t->ring_watch);
	io_uring_queue_exit(&t->ring);
}

/*
 * What the kernel did not take (it is out of memory for a moment) stays queued for the next round.
 */
static void ring_submit(struct local_thread *t)
{
	int n;

	cred_root();
	do {
		n = io_uring_submit(&t->ring);
	} while (n == -EINTR);
	t->queued = io_uring_sq_ready(&t->ring);
}

static struct io_uring_sqe *ring_sqe(struct local_thread *t, uint8_t opcode, int fd)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&t->ring))) {
		ring_submit(t);
		if (io_uring_sq_space_left(&t->ring))
			continue;
		/* Full and not accepted: completions first make room in the kernel. */
		local_ring_poll(t);
	}
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = opcode;
	sqe->fd = fd;
	t->queued++;
	t->inflight++;
	return sqe;
}

struct io_uring_sqe *local_ring_prep(struct local_thread *t, struct fs_req *req,
				     void (*complete)(struct fs_req *req, int res),
				     uint8_t opcode, int fd)
{
	struct io_uring_sqe *sqe = ring_sqe(t, opcode, fd);

	sqe->user_data = (uint64_t)(uintptr_t)req;
	local_lreq(req)->complete = complete;
	return sqe;
}

void local_close_all(struct local_thread *t)
{
	while (t->nr_closing)
		close(t->closing[--t->nr_closing]);
}

void local_close_later(struct local_thread *t, int fd)
{
	if (t->nr_closing == LOCAL_BATCH)
		local_close_all(t);
	t->closing[t->nr_closing++] = fd;
}

/*
 * Several, or one beside other entries, cost no system call of their own. And there nobody waits for a
 * server that is told.
 */
void local_close_round(struct local_thread *t)
{
	if (t->nr_closing == 1 && !t->queued && !local_is_remote(t->lfs))
		local_close_all(t);
	while (t->nr_closing)
		ring_sqe(t, IORING_OP_CLOSE, t->closing[--t->nr_closing]);
}

/* Takes up to RING_BATCH completions off the queue. */
static unsigned int ring_take(struct local_thread *t, struct lcqe *done)
{
	struct io_uring_cqe *cqe[RING_BATCH];
	unsigned int i, n;

	n = io_uring_peek_batch_cqe(&t->ring, cqe, RING_BATCH);
	for (i = 0; i < n; i++) { /* without a request: a descriptor was closed */
		done[i].req = (struct fs_req *)(uintptr_t)cqe[i]->user_data;
		done[i].res = cqe[i]->res;
	}
	io_uring_cq_advance(&t->ring, n);
	t->inflight -= n;
	return n;
}

int local_ring_poll(struct local_thread *t)
{
	struct lcqe done[RING_BATCH]; /* a copy: a completion may come here again */
	unsigned int i, n;
	int total = 0;

	if (t->queued)
		ring_submit(t);
	while (t->inflight > t->queued) {
		n = ring_take(t, done);
		for (i = 0; i < n; i++)
			if (done[i].req)
				local_lreq(done[i].req)->complete(done[i].req, done[i].res);
		total += (int)n;
		if (n < RING_BATCH)
			break;
	}
	return total;
}
