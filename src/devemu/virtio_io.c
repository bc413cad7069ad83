/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * One call of progress takes one request from one queue. Queues known to have work are on the
 * active list and take turns; each call also looks at one of the others, and at all of them when
 * the list is empty, so that an idle context costs one load per queue and a busy one does not
 * scan. The hiprio queue is looked at every call, but never gets two turns in a row while others
 * wait.
 *
 * Guests are asked not to kick while we poll: kicks go off when a queue becomes active and on
 * again in arm(), before the engine sleeps, which looks into each ring once more.
 *
 * Completed chains are published in batches: when a pass finds nothing to take, after
 * VIO_FLUSH_BATCH of them, and before the engine sleeps. The first of a batch wakes an engine that
 * is armed already, since requests may be completed from anywhere on its thread.
 */
#include <errno.h>
#include <sys/socket.h>

#include "core/log.h"
#include "devemu/vdev.h"

SD_LOG_REGISTER(VIRTIO_IO);

/*
 * Completions the guest may have to wait for: few enough not to be felt, enough to share a flush.
 */
#define VIO_FLUSH_BATCH 16
/* Requests the library answers itself before others get their turn. */
#define VIO_MAX_ANSWERS 16

struct doca_ctx *doca_devemu_virtio_io_as_ctx(struct doca_devemu_virtio_io *io)
{
	return io ? &io->ctx : NULL;
}

/* ---- queues with work ---- */

void vio_activate(struct doca_devemu_virtio_io *io, struct vqueue *q)
{
	if (q->draining || q->is_broken || !q->in_service)
		return;
	if (q->vq.kicks_wanted)
		vq_set_kicks(&q->vq, false);
	if (q->active || q == io->hiprio)
		return;
	q->active = true;
	TAILQ_INSERT_TAIL(&io->active, q, active_link);
}

void vio_deactivate(struct doca_devemu_virtio_io *io, struct vqueue *q)
{
	if (q->active)
		TAILQ_REMOVE(&io->active, q, active_link);
	q->active = false;
}

static bool vio_has_work(struct vqueue *q)
{
	return !q->draining && !q->is_broken && vq_avail(&q->vq);
}

/* Nothing has come back since this queue found no room. */
static bool vio_is_starved(const struct doca_devemu_virtio_io *io, const struct vqueue *q)
{
	return q->starved && q->starved_at == io->nr_finished;
}

/* Looks at the next cnt queues that nobody expects work on. */
static void vio_probe(struct doca_devemu_virtio_io *io, unsigned int cnt)
{
	while (cnt--) {
		struct vqueue *q;

		if (++io->probe >= io->nr_queues)
			io->probe = 0;
		q = io->queue[io->probe];
		if (!q->active && vio_has_work(q))
			vio_activate(io, q);
	}
}

static struct vqueue *vio_next(struct doca_devemu_virtio_io *io)
{
	struct vqueue *q;

	if (!io->nr_queues)
		return NULL;
	vio_probe(io, TAILQ_EMPTY(&io->active) ? io->nr_queues : 1);
	q = TAILQ_FIRST(&io->active);
	io->hiprio_turn = io->hiprio && (!io->hiprio_turn || !q) && vio_has_work(io->hiprio);
	if (io->hiprio_turn)
		return io->hiprio;
	if (q && TAILQ_NEXT(q, active_link)) {
		TAILQ_REMOVE(&io->active, q, active_link);
		TAILQ_INSERT_TAIL(&io->active, q, active_link);
	}
	return q;
}

/* ---- publishing ---- */

/* What is waiting wakes the host anyway when the socket is full. */
static int irq_send(int fd)
{
	static const uint64_t one = 1;
	ssize_t rc = send(fd, &one, sizeof(one), MSG_DONTWAIT | MSG_NOSIGNAL);

	return rc < 0 && errno != EAGAIN ? -errno : 0;
}

int irq_raise(struct doca_pe *pe, const struct irq *irq)
{
	if (irq->fd < 0)
		return 0;
	return irq->is_socket ? irq_send(irq->fd) : pe_signal(pe, irq->fd);
}

static void vio_publish(struct vqueue *q)
{
	int rc = 0;

	q->dirty = false;
	if (vq_publish(&q->vq))
		rc = irq_raise(q->io->ctx.pe, &q->call);
	if (unlikely(rc))
		sd_log_ratelimited_warn("interrupting the host failed: errno %d", -rc);
	/* Answers went nowhere: the queue breaks when something is taken from it. */
	if (unlikely(vq_memory_lost(&q->vq)))
		vio_activate(q->io, q);
}

void vio_flush_queue(struct doca_devemu_virtio_io *io, struct vqueue *q)
{
	if (!q->dirty)
		return;
	SLIST_REMOVE(&io->dirty, q, vqueue, dirty_link);
	vio_publish(q);
}

static void vio_flush(struct doca_devemu_virtio_io *io)
{
	struct vqueue *q;

	io->nr_pushed = 0;
	while ((q = SLIST_FIRST(&io->dirty))) {
		SLIST_REMOVE_HEAD(&io->dirty, dirty_link);
		vio_publish(q);
	}
}

/* ---- state ---- */

/* Tells the device which state this context is in now. */
static void vio_show_state(struct doca_devemu_virtio_io *io, enum doca_ctx_states state)
{
	pthread_mutex_lock(&io->dev->lock);
	io->shown = state;
	mailbox_post(io->dev->box);
	pthread_mutex_unlock(&io->dev->lock);
}

static doca_error_t vio_start(struct doca_ctx *ctx)
{
	struct doca_devemu_virtio_io *io = vio_of_ctx(ctx);
	doca_error_t err = io->class_start(io);

	if (err == DOCA_SUCCESS)
		vio_show_state(io, DOCA_CTX_STATE_RUNNING);
	return err;
}

/* IDLE always comes from progress: the application frees this very object when it is told. */
static doca_error_t vio_stop(struct doca_ctx *ctx)
{
	vio_show_state(vio_of_ctx(ctx), DOCA_CTX_STATE_STOPPING);
	return DOCA_ERROR_IN_PROGRESS;
}

/*
 * Nothing is taken any more; when the application has returned everything, the queues go back and
 * the context is idle. The device learns of it after the application's notification, so that it
 * cannot be destroyed while that runs.
 */
static enum ctx_progress vio_stopping(struct doca_devemu_virtio_io *io)
{
	bool destroyed = false;

	vio_flush(io);
	if (io->nr_out)
		return CTX_NOTHING;
	vqueue_release_all(io);
	io->destroyed = &destroyed;
	ctx_set_state(&io->ctx, DOCA_CTX_STATE_IDLE);
	if (!destroyed) {
		io->destroyed = NULL;
		vio_show_state(io, io->ctx.state);
	}
	return CTX_EVENT;
}

/* Returns true when turn is over. */
static bool vio_take(struct doca_devemu_virtio_io *io, struct vqueue *q, enum ctx_progress *ret)
{
	switch (io->take(io, q)) {
	case VIO_DELIVERED:
		*ret = CTX_EVENT;
		return true;
	case VIO_ANSWERED:
		*ret = CTX_HOUSEKEEPING;
		return false;
	case VIO_STARVED:
		q->starved = true;
		q->starved_at = io->nr_finished;
		return false;
	case VIO_EMPTY:
		vio_deactivate(io, q);
		break;
	}
	return false;
}

static enum ctx_progress vio_progress(struct doca_ctx *ctx)
{
	struct doca_devemu_virtio_io *io = vio_of_ctx(ctx);
	enum ctx_progress ret = CTX_NOTHING;
	unsigned int i;

	if (unlikely(ctx->state != DOCA_CTX_STATE_RUNNING))
		return vio_stopping(io);
	if (unlikely(io->nr_draining))
		vqueue_release_drained(io);
	if (io->nr_pushed >= VIO_FLUSH_BATCH)
		vio_flush(io);
	for (i = 0; i < VIO_MAX_ANSWERS; i++) {
		struct vqueue *q = vio_next(io);

		if (!q)
			break;
		/*
		 * A handler may do anything but destroy a running context: io is good afterwards.
		 */
		if (vio_take(io, q, &ret))
			break;
	}
	if (ret != CTX_EVENT && io->nr_pushed)
		vio_flush(io);
	return ret;
}

static enum ctx_progress vio_mail(void *obj)
{
	vqueue_run_cmds(obj);
	return CTX_HOUSEKEEPING;
}

static bool vio_arm(struct doca_ctx *ctx)
{
	struct doca_devemu_virtio_io *io = vio_of_ctx(ctx);
	bool work = false;
	unsigned int i;

	vio_flush(io);
	if (ctx->state != DOCA_CTX_STATE_RUNNING)
		return !io->nr_out;
	if (io->nr_draining)
		vqueue_release_drained(io);
	for (i = 0; i < io->nr_queues; i++) {
		struct vqueue *q = io->queue[i];

		if (q->draining || q->is_broken)
			continue;
		/*
		 * Also where kicks are on already: chains taken without a kick since then leave the
		 * event index behind, and the guest would not kick for the next one.
		 */
		if (q->kick.fd < 0)
			work = true;
		else if (vq_set_kicks(&q->vq, true))
			work |= !vio_is_starved(io, q);
	}
	return work;
}

static const struct ctx_ops vio_ops = {
	.name = "vfs_io",
	.start = vio_start,
	.stop = vio_stop,
	.progress = vio_progress,
	.arm = vio_arm,
	.pe_fixed = true,
};

doca_error_t vio_init(struct doca_devemu_virtio_io *io, struct doca_devemu_virtio_dev *dev,
		      struct doca_pe *pe)
{
	if (mailbox_create(pe, vio_mail, io, &io->box))
		return DOCA_ERROR_NO_MEMORY;
	ctx_init(&io->ctx, &vio_ops);
	io->dev = dev;
	io->slot = -1;
	TAILQ_INIT(&io->active);
	SLIST_INIT(&io->dirty);
	pe_attach_ctx(pe, &io->ctx);
	pthread_mutex_lock(&dev->lock);
	TAILQ_INSERT_TAIL(&dev->ios, io, dev_link);
	pthread_mutex_unlock(&dev->lock);
	return DOCA_SUCCESS;
}

doca_error_t vio_fini(struct doca_devemu_virtio_io *io)
{
	struct doca_devemu_virtio_dev *dev = io->dev;
	struct mailbox *box;
	doca_error_t err = ctx_fini(&io->ctx);

	if (err != DOCA_SUCCESS)
		return err;
	if (io->destroyed)
		*io->destroyed = true;
	pthread_mutex_lock(&dev->lock);
	TAILQ_REMOVE(&dev->ios, io, dev_link);
	box = mailbox_get(dev->box);
	pthread_mutex_unlock(&dev->lock);
	mailbox_close(io->box);
	/* From here on the device may go away. */
	mailbox_post(box);
	mailbox_put(box);
	return DOCA_SUCCESS;
}
