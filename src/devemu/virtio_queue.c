/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * A queue has a control side (is it started, where are its rings) and an I/O side (the ring
 * engine, the kick source, the requests out). The I/O side has one owner at a time: q->io under
 * dev->lock names it, NULL means the control side. Control hands a queue over with VQUEUE_ATTACH
 * and then only asks: it sets bits in q->cmds and posts the context's mailbox. The context does
 * what is asked under the lock, clears the bits and posts the device's mailbox; for DRAIN and
 * ORPHAN it gives the queue back (q->io = NULL). A context that stops gives all its queues back by
 * itself, so neither side ever waits for the other while holding anything.
 *
 *   not in service --ATTACH--> in service --DRAIN--> draining --last completion--> not in service
 *                                  |                     |
 *                                  +------ORPHAN---------+----------------------> not in service
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/atomics.h"
#include "base/util.h"
#include "core/log.h"
#include "devemu/vdev.h"
#include "devemu/vfs_req.h"

SD_LOG_REGISTER(VIRTIO_QUEUE);

static struct gm_ref *gm_ref_create(struct gmem *gm)
{
	struct gm_ref *ref = calloc(1, sizeof(*ref));

	if (ref)
		ref->gm = gm_get(gm);
	return ref;
}

void gm_ref_free(struct gm_ref *ref)
{
	gm_put(ref->gm);
	free(ref);
}

/* A request popped under ref is over. */
/* The queue lets go of its snapshot; requests in flight may still hold it. */
static void vqueue_retire_gm(struct vqueue *q)
{
	struct gm_ref *ref = q->gm;

	q->gm = NULL;
	if (!ref)
		return;
	ref->retired = true;
	if (!ref->inflight)
		gm_ref_free(ref);
}

static void fd_replace(int *fd, int next)
{
	if (*fd >= 0)
		close(*fd);
	*fd = next;
}

void vqueue_init(struct vqueue *q, struct doca_devemu_virtio_dev *dev, uint16_t index)
{
	q->dev = dev;
	q->index = index;
	q->kick.fd = -1;
	q->call.fd = -1;
	q->new_kick = -1;
	q->new_call.fd = -1;
	LIST_INIT(&q->owned);
}

void vqueue_fini(struct vqueue *q)
{
	q->counter = max(q->counter, q->vq.counter);
	if (q->vq.ops)
		q->base = vq_base(&q->vq);
	vq_fini(&q->vq);
	q->is_broken = false;
	fd_replace(&q->kick.fd, -1);
	fd_replace(&q->call.fd, -1);
}

bool vqueue_is_out(const struct vqueue *q)
{
	bool out;

	pthread_mutex_lock(&q->dev->lock);
	out = q->io != NULL;
	pthread_mutex_unlock(&q->dev->lock);
	return out;
}

/* ---- I/O side, or control side while the queue is not in service; dev->lock held ---- */

/* What there is to do is read from the ring. */
static enum ctx_progress vqueue_kicked(struct pe_source *src, uint32_t revents)
{
	struct vqueue *q = container_of(src, struct vqueue, kick);

	vio_activate(q->io, q);
	return CTX_HOUSEKEEPING;
}

static void vqueue_watch_kick(struct vqueue *q)
{
	int rc;

	if (q->kick.fd < 0)
		return;
	q->kick.events = EPOLLIN | EPOLLET;
	q->kick.ready = vqueue_kicked;
	rc = pe_source_add(q->io->ctx.pe, &q->kick);
	if (rc)
		sd_log_ratelimited_warn("queue %u: cannot watch its kick descriptor: errno %d",
					q->index, -rc);
}

static void vqueue_enter_service(struct vqueue *q)
{
	struct doca_devemu_virtio_io *io = q->io;

	q->gm = gm_ref_create(q->vq.cfg.gm);
	q->in_service = true;
	io->queue[io->nr_queues++] = q;
	if (q->index == 0)
		io->hiprio = q;
	if (!q->gm) {
		vqueue_set_broken(q);
		return;
	}
	vqueue_watch_kick(q);
	vio_activate(io, q);
}

static void vqueue_apply_memory(struct vqueue *q)
{
	struct vqueue_rings *r = &q->new_rings;

	vq_set_memory(&q->vq, q->new_gm, r->desc, r->avail, r->used);
	if (q->in_service) {
		vqueue_retire_gm(q);
		q->gm = gm_ref_create(q->new_gm);
		if (!q->gm)
			vqueue_set_broken(q);
	}
	gm_put(q->new_gm);
	q->new_gm = NULL;
}

static void vqueue_apply_kick(struct vqueue *q)
{
	if (q->in_service)
		pe_source_remove(q->io->ctx.pe, &q->kick);
	fd_replace(&q->kick.fd, q->new_kick);
	q->new_kick = -1;
	if (q->in_service) {
		vqueue_watch_kick(q);
		vio_activate(q->io, q); /* a kick may have gone to the old descriptor */
	}
}

static void vqueue_apply_call(struct vqueue *q)
{
	fd_replace(&q->call.fd, q->new_call.fd);
	q->call.is_socket = q->new_call.is_socket;
	q->new_call.fd = -1;
}

static void vqueue_apply_state(struct vqueue *q)
{
	const struct vq *vq = &q->vq;

	q->state = (struct vqueue_state){
		.size = vq->cfg.size,
		.inflights = (uint16_t)vq->inflight,
		.hw_avail = vq->last_avail,
		.hw_used = vq->used_next,
		.driver_used = vq->used_published,
		.driver_avail = vq->last_avail,
		.enabled = vq->ops != NULL,
	};
	/* Split ring: the index follows the flags word; pairs with the driver's release of it. */
	if (vq->cfg.avail)
		q->state.driver_avail = load_acquire((uint16_t *)vq->cfg.avail + 1);
}

static void vqueue_apply(struct vqueue *q, unsigned int cmds)
{
	if (cmds & VQUEUE_ATTACH)
		vqueue_enter_service(q);
	if (cmds & VQUEUE_MEMORY)
		vqueue_apply_memory(q);
	if (cmds & VQUEUE_CALL)
		vqueue_apply_call(q);
	if (cmds & VQUEUE_KICK)
		vqueue_apply_kick(q);
	if (cmds & VQUEUE_STATE)
		vqueue_apply_state(q);
	q->cmds &= ~cmds;
}

static void vio_forget_queue(struct doca_devemu_virtio_io *io, struct vqueue *q)
{
	unsigned int i;

	for (i = 0; i < io->nr_queues; i++) {
		if (io->queue[i] == q) {
			io->queue[i] = io->queue[--io->nr_queues];
			break;
		}
	}
	if (io->hiprio == q)
		io->hiprio = NULL;
	if (q->draining)
		io->nr_draining--;
	q->draining = false;
}

/* Gives the queue back. Requests still out must be orphans. */
static void vqueue_release(struct vqueue *q)
{
	struct doca_devemu_virtio_io *io = q->io;

	if (q->in_service) {
		vio_flush_queue(io, q);
		vio_deactivate(io, q);
		pe_source_remove(io->ctx.pe, &q->kick);
		vqueue_retire_gm(q);
		vio_forget_queue(io, q);
		q->in_service = false;
	}
	q->io = NULL;
	q->cmds = 0;
	mailbox_post(q->dev->box);
}

static void vqueue_orphan(struct vqueue *q)
{
	unsigned int cnt = vfs_req_orphan_all(q);

	if (cnt)
		__atomic_fetch_add(&q->dev->nr_orphans, cnt, __ATOMIC_RELAXED);
	vqueue_release(q);
}

static void vqueue_drain(struct vqueue *q)
{
	if (LIST_EMPTY(&q->owned)) {
		vqueue_release(q);
		return;
	}
	if (!q->draining)
		q->io->nr_draining++;
	q->draining = true;
	vio_deactivate(q->io, q);
}

static void vqueue_run_one(struct vqueue *q)
{
	unsigned int cmds = q->cmds;

	vqueue_apply(q, cmds & ~(unsigned int)(VQUEUE_DRAIN | VQUEUE_ORPHAN));
	if (cmds & VQUEUE_ORPHAN)
		vqueue_orphan(q);
	else if (cmds & VQUEUE_DRAIN)
		vqueue_drain(q);
	else
		mailbox_post(q->dev->box);
}

void vqueue_run_cmds(struct doca_devemu_virtio_io *io)
{
	struct doca_devemu_virtio_dev *dev = io->dev;
	unsigned int i;

	pthread_mutex_lock(&dev->lock);
	for (i = 0; i < VDEV_MAX_QUEUES; i++) {
		struct vqueue *q = &dev->queue[i];

		if (q->io == io && q->cmds)
			vqueue_run_one(q);
	}
	pthread_mutex_unlock(&dev->lock);
}

void vqueue_release_drained(struct doca_devemu_virtio_io *io)
{
	unsigned int i = 0;

	pthread_mutex_lock(&io->dev->lock);
	while (i < io->nr_queues) {
		struct vqueue *q = io->queue[i];

		if (q->draining && LIST_EMPTY(&q->owned))
			vqueue_release(q); /* moves another one to this place */
		else
			i++;
	}
	pthread_mutex_unlock(&io->dev->lock);
}

void vqueue_release_all(struct doca_devemu_virtio_io *io)
{
	struct doca_devemu_virtio_dev *dev = io->dev;
	unsigned int i;

	pthread_mutex_lock(&dev->lock);
	for (i = 0; i < VDEV_MAX_QUEUES; i++) {
		struct vqueue *q = &dev->queue[i];

		if (q->io == io && q->cmds)
			vqueue_run_one(q); /* may give it back already */
		if (q->io == io)
			vqueue_release(q);
	}
	pthread_mutex_unlock(&dev->lock);
}

void vqueue_set_broken(struct vqueue *q)
{
	if (q->is_broken)
		return;
	q->is_broken = true;
	vio_deactivate(q->io, q);
	sd_log_ratelimited_warn("queue %u broken by the driver: %s", q->index,
				vq_broken_str(q->vq.broken));
	__atomic_store_n(&q->broken_news, true, __ATOMIC_RELEASE); /* pairs with vdev_look() */
	mailbox_post(q->dev->box);
}

/* ---- control side, dev->lock held ---- */

void vqueue_attach(struct vqueue *q, struct doca_devemu_virtio_io *io)
{
	q->src_domain = (uint16_t)(q->dev->domain_base + q->index);
	q->io = io;
	q->cmds |= VQUEUE_ATTACH;
	mailbox_post(io->box);
}

void vqueue_ask(struct vqueue *q, unsigned int cmds)
{
	if (!q->io) {
		vqueue_apply(q, cmds & (VQUEUE_MEMORY | VQUEUE_CALL | VQUEUE_KICK | VQUEUE_STATE));
		return;
	}
	q->cmds |= cmds;
	mailbox_post(q->io->box);
}
