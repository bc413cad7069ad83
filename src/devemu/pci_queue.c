/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * Between the registers, which say what the driver wants, and the device, which does one thing at a
 * time. Nothing here is a queue of commands: pci_queue_sync() compares what is wanted with what the
 * device has, begins the first thing that differs, and is called again when that is done and after
 * every change of a register. In this order:
 *
 *   memory       the next snapshot, with the rings of running queues translated anew
 *   queue reset  stop, registers back to what they were
 *   pause        while the driver keeps the function from the bus, to go on where it was
 *   start        enabled queues once the driver is ready (DRIVER_OK)
 *   interrupts   queues whose route is another one now (pci_irq.c)
 *
 * While the device is being reset only memory is passed on, and that not when the reset makes it
 * forget memory anyway. The device merges resets of one kind and others; each kind has an operation
 * of its own here.
 *
 * A snapshot that has lost a region may still be in use by requests. Replacing it counts as settled
 * when nobody else holds it, which a timer looks at, or when patience ends. Requests that take
 * longer go on with their own snapshot: what was unmapped is not pulled from under them, and a host
 * that gives memory away with requests on it does that to its own driver.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/log.h"
#include "devemu/pci_int.h"

SD_LOG_REGISTER(PCI_QUEUE);

/* Hosts give up on an answer after a few seconds. */
#define MEMORY_PATIENCE_NS 2000000000ull
#define MEMORY_LOOK_NS 1000000

/* ---- rings ---- */

static void *translate(const struct gmem *gm, uint64_t gpa, size_t len, bool write)
{
	unsigned int hint = 0;
	uint64_t have;
	void *p = gm ? gm_translate(gm, gpa, len, write, &hint, &have) : NULL;

	return p && have == len ? p : NULL;
}

/* false: they are not in memory, not all of them, or not where rings may be. */
static bool rings_of(const struct func_queue *q, const struct gmem *gm, struct vqueue_rings *ret)
{
	struct vqueue_rings r = {
		.desc = translate(gm, q->addr[QUEUE_DESC], vq_desc_bytes(q->size), false),
		.avail = translate(gm, q->addr[QUEUE_DRIVER], vq_avail_bytes(q->size), false),
		.used = translate(gm, q->addr[QUEUE_DEVICE], vq_used_bytes(q->size), true),
	};

	if (!r.desc || !r.avail || !r.used || !vq_rings_aligned(r.desc, r.avail, r.used))
		return false;
	*ret = r;
	return true;
}

/* The device can do nothing for this queue, and says so. */
static void queue_refuse(struct pci_func *func, unsigned int index, const char *why)
{
	sd_log_ratelimited_warn("function %s: queue %u %s", func->pci->fn->vuid, index, why);
	func->queue[index].running = false;
	func->queue[index].refused = true;
	vdev_set_status(func->vdev, vdev_status(func->vdev) | VIRTIO_CONFIG_S_NEEDS_RESET);
	pci_func_needs_reset(func);
}

/* ---- operations ---- */

static void op_done(struct vdev_op *op)
{
	struct pci_func *func = container_of(op, struct pci_func, op);
	enum func_op kind = func->op_kind;
	struct func_queue *q = &func->queue[func->op_queue];

	func->op_kind = OP_NONE;
	if (kind == OP_STOP) {
		q->running = false;
		pci_virtio_reset_queue(func, q);
	}
	if (kind == OP_PAUSE) {
		q->running = false;
		q->base = op->base;
	}
	if (kind == OP_CALL)
		q->route = func->op_route;
	pci_queue_sync(func);
}

static void op_begin(struct pci_func *func, enum func_op kind, unsigned int index)
{
	func->op = (struct vdev_op){.done = op_done};
	func->op_kind = kind;
	func->op_queue = (uint16_t)index;
}

/* ---- memory ---- */

static bool region_is_in(const struct gm_region *r, const struct gmem *gm)
{
	unsigned int i;

	for (i = 0; i < gm->nr; i++)
		if (gm->region[i].gpa == r->gpa && gm->region[i].size == r->size &&
		    gm->region[i].base == r->base)
			return true;
	return false;
}

static bool memory_shrinks(const struct gmem *old, const struct gmem *next)
{
	unsigned int i;

	for (i = 0; i < old->nr; i++)
		if (!region_is_in(&old->region[i], next))
			return true;
	return false;
}

static void old_memory_drop(struct func_old_memory *old)
{
	LIST_REMOVE(old, link);
	gm_put(old->gm);
	free(old);
}

static void old_timer_set(struct pci_func *func, bool on)
{
	const struct itimerspec when = {
		.it_value.tv_nsec = on ? MEMORY_LOOK_NS : 0,
		.it_interval.tv_nsec = on ? MEMORY_LOOK_NS : 0,
	};

	timerfd_settime(func->old_timer.fd, 0, &when, NULL);
}

static enum ctx_progress old_timer_ready(struct pe_source *src, uint32_t revents)
{
	struct pci_func *func = container_of(src, struct pci_func, old_timer);
	struct func_old_memory *old, *next;
	uint64_t cnt;

	if (read(src->fd, &cnt, sizeof(cnt)) < 0)
		return CTX_NOTHING;
	for (old = LIST_FIRST(&func->old_memory); old; old = next) {
		bool late = clock_ns() > old->deadline;

		next = LIST_NEXT(old, link);
		/* pairs with the release in gm_put(): nobody looks at that memory any more */
		if (__atomic_load_n(&old->gm->refs, __ATOMIC_ACQUIRE) > 1 && !late)
			continue;
		if (late)
			sd_log_ratelimited_warn("function %s: requests still use memory the host "
						"has taken back", func->pci->fn->vuid);
		old_memory_drop(old);
	}
	if (LIST_EMPTY(&func->old_memory))
		old_timer_set(func, false);
	pci_queue_sync(func);
	return CTX_HOUSEKEEPING;
}

/* Consumes the count on gm. */
static void old_memory_watch(struct pci_func *func, struct gmem *gm)
{
	struct func_old_memory *old = calloc(1, sizeof(*old));

	if (!old) {
		gm_put(gm);
		return;
	}
	old->gm = gm;
	old->deadline = clock_ns() + MEMORY_PATIENCE_NS;
	LIST_INSERT_HEAD(&func->old_memory, old, link);
	old_timer_set(func, true);
}

static bool step_memory(struct pci_func *func)
{
	struct vqueue_rings rings[VDEV_MAX_QUEUES] = {{NULL, NULL, NULL}};
	struct gmem *old = func->gm;
	unsigned int i;

	if (!func->gm_next || func->reset[RESET_GONE].busy)
		return false;
	func->gm = func->gm_next;
	func->gm_next = NULL;
	if (old && memory_shrinks(old, func->gm))
		old_memory_watch(func, gm_get(old));
	if (!func->vdev) {
		pci_host_set_memory(func->pci, func->gm);
	} else {
		for (i = 0; i < VDEV_MAX_QUEUES; i++)
			if (func->queue[i].running &&
			    !rings_of(&func->queue[i], func->gm, &rings[i]))
				queue_refuse(func, i, "has lost the memory of its rings");
		op_begin(func, OP_MEMORY, 0);
		vdev_set_memory(func->vdev, func->gm, rings, &func->op);
	}
	gm_put(old);
	return true;
}

void pci_queue_set_memory(struct pci_func *func, struct gmem *gm)
{
	gm_put(func->gm_next);
	func->gm_next = gm_get(gm);
	pci_queue_sync(func);
}

/* ---- queues ---- */

static bool step_reset(struct pci_func *func, unsigned int index)
{
	struct func_queue *q = &func->queue[index];

	if (!q->resetting)
		return false;
	if (!q->running) {
		pci_virtio_reset_queue(func, q);
		return true;
	}
	op_begin(func, OP_STOP, index);
	vdev_queue_stop(func->vdev, (uint16_t)index, &func->op);
	return true;
}

/*
 * A driver that clears bus mastering and goes away, as one does before it boots another kernel, must
 * not find its memory written to. What never had it set is served all the same: not every host
 * bothers. A relay cannot go on in the middle.
 */
static bool step_pause(struct pci_func *func, unsigned int index)
{
	struct func_queue *q = &func->queue[index];

	if (!func->dma_off || !q->running || q->relayed)
		return false;
	op_begin(func, OP_PAUSE, index);
	vdev_queue_stop(func->vdev, (uint16_t)index, &func->op);
	return true;
}

/* Descriptors of the host's own: doorbell and interrupt. */
static int queue_take_fds(struct pci_func *func, unsigned int index, struct vqueue_setup *setup)
{
	struct func_queue *q = &func->queue[index];
	struct func_route route = pci_irq_route(func, q->vector);
	int fd;

	if (!func->notify_mem) {
		fd = pci_notify_fd(func, (uint16_t)index);
		if (fd >= 0)
			fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return -EMFILE;
		setup->kick_fd = fd;
	}
	setup->call.fd = pci_irq_route_fd(func, &route);
	if (setup->call.fd < 0 && route.kind != ROUTE_NONE) {
		if (setup->kick_fd >= 0)
			close(setup->kick_fd);
		return -EMFILE;
	}
	q->route = route;
	return 0;
}

static int queue_relay(struct pci_func *func, unsigned int index, struct vqueue_setup *setup)
{
	const struct func_queue *q = &func->queue[index];
	const struct pci_func_queue info = {
		.size = q->size,
		.desc = q->addr[QUEUE_DESC],
		.avail = q->addr[QUEUE_DRIVER],
		.used = q->addr[QUEUE_DEVICE],
	};

	return func->relay->start(func->port, index, &info, &setup->kick_fd, &setup->call.fd);
}

/* -EINVAL, -EMFILE, ...: nothing was started. */
static int queue_start(struct pci_func *func, unsigned int index)
{
	struct func_queue *q = &func->queue[index];
	struct vqueue_setup setup = {.size = q->size, .last_avail = q->base, .kick_fd = -1};
	struct vqueue_rings rings;
	int rc;

	if (!rings_of(q, func->gm, &rings))
		return -EFAULT;
	setup.desc = rings.desc;
	setup.avail = rings.avail;
	setup.used = rings.used;
	q->relayed = func->relay;
	rc = q->relayed ? queue_relay(func, index, &setup) : queue_take_fds(func, index, &setup);
	return rc ? rc : vdev_queue_start(func->vdev, (uint16_t)index, &setup);
}

void pci_func_set_relay(struct pci_func *func, const struct pci_func_relay *relay)
{
	func->relay = relay;
}

bool pci_func_queue_runs(const struct pci_func *func, unsigned int index)
{
	return func->queue[index].running;
}

static bool step_start(struct pci_func *func, unsigned int index)
{
	const uint8_t ready = VIRTIO_CONFIG_S_DRIVER_OK;
	struct func_queue *q = &func->queue[index];
	int rc;

	if (!q->enabled || q->running || q->refused || func->dma_off ||
	    !(vdev_status(func->vdev) & ready))
		return false;
	rc = queue_start(func, index);
	q->running = !rc;
	if (rc == -EFAULT)
		queue_refuse(func, index, "has rings that are not in memory");
	else if (rc)
		queue_refuse(func, index, "cannot be started");
	return true;
}

static bool route_differs(const struct func_route *a, const struct func_route *b)
{
	return a->kind != b->kind || a->vector != b->vector || a->gen != b->gen;
}

static bool step_route(struct pci_func *func, unsigned int index)
{
	struct func_queue *q = &func->queue[index];
	struct func_route route = pci_irq_route(func, q->vector);
	struct irq call = {.fd = -1};

	if (!q->running || q->relayed || !route_differs(&route, &q->route))
		return false;
	call.fd = pci_irq_route_fd(func, &route);
	if (call.fd < 0 && route.kind != ROUTE_NONE)
		sd_log_ratelimited_warn("function %s: queue %u goes without interrupts: errno %d",
					func->pci->fn->vuid, index, -call.fd);
	call.fd = max(call.fd, -1);
	op_begin(func, OP_CALL, index);
	func->op_route = route;
	vdev_queue_set_call(func->vdev, (uint16_t)index, call, &func->op);
	return true;
}

static bool step_any(struct pci_func *func,
		     bool (*step)(struct pci_func *func, unsigned int index))
{
	unsigned int i;

	for (i = 0; i < VDEV_MAX_QUEUES; i++)
		if (step(func, i))
			return true;
	return false;
}

/* One thing; false: there is nothing to do, or nothing that can be done now. */
static bool sync_step(struct pci_func *func)
{
	if (func->op_kind != OP_NONE)
		return false;
	if (step_memory(func))
		return true;
	if (!func->vdev || pci_queue_resetting(func))
		return false;
	return step_any(func, step_reset) || step_any(func, step_pause) ||
	       step_any(func, step_start) || step_any(func, step_route);
}

void pci_queue_sync(struct pci_func *func)
{
	if (func->in_sync)
		return;
	func->in_sync = true;
	while (sync_step(func))
		;
	func->in_sync = false;
	if (!func->awaited || !pci_queue_is_settled(func))
		return;
	func->awaited = false;
	func->ops->settled(func->port);
}

/* ---- reset ---- */

bool pci_queue_resetting(const struct pci_func *func)
{
	unsigned int i;

	for (i = 0; i < NR_RESETS; i++)
		if (func->reset[i].busy)
			return true;
	return false;
}

bool pci_queue_is_settled(const struct pci_func *func)
{
	return func->op_kind == OP_NONE && !func->gm_next && LIST_EMPTY(&func->old_memory) &&
	       !pci_queue_resetting(func);
}

static void reset_done(struct vdev_op *op)
{
	struct func_reset *reset = container_of(op, struct func_reset, op);

	reset->busy = false;
	pci_queue_sync(reset->func);
}

static void reset_begin(struct pci_func *func, enum reset_kind kind)
{
	struct vdev_op *op = &func->reset[kind].op;

	switch (kind) {
	case RESET_VIRTIO:
		vdev_reset(func->vdev, op);
		break;
	case RESET_FLR:
		if (func->vdev)
			vdev_flr(func->vdev, op);
		else
			pci_dev_flr(func->pci, op);
		break;
	case RESET_GONE:
		if (func->vdev)
			vdev_disconnected(func->vdev, op);
		else
			pci_dev_disconnected(func->pci, op);
		break;
	case NR_RESETS:
		break;
	}
}

void pci_queue_reset_all(struct pci_func *func, enum reset_kind kind)
{
	struct func_reset *reset = &func->reset[kind];
	unsigned int i;

	for (i = 0; i < VDEV_MAX_QUEUES; i++)
		func->queue[i].running = false;
	if (func->vdev)
		pci_virtio_reset_regs(func);
	func->touched = false;
	/* what is under way ends, and says nothing of the queues that come after it */
	if (func->op_kind != OP_NONE)
		func->op_kind = OP_FORGOTTEN;
	if (reset->busy)
		return;
	reset->busy = true;
	reset->func = func;
	reset->op = (struct vdev_op){.done = reset_done};
	if (kind == RESET_GONE) {
		gm_put(func->gm);
		gm_put(func->gm_next);
		func->gm = NULL;
		func->gm_next = NULL;
	}
	reset_begin(func, kind);
}

/* ---- life ---- */

int pci_queue_init(struct pci_func *func)
{
	struct pe_source *src = &func->old_timer;

	LIST_INIT(&func->old_memory);
	src->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (src->fd < 0)
		return -errno;
	src->events = EPOLLIN;
	src->ready = old_timer_ready;
	return pe_source_add(func->pe, src);
}

void pci_queue_fini(struct pci_func *func)
{
	while (!LIST_EMPTY(&func->old_memory))
		old_memory_drop(LIST_FIRST(&func->old_memory));
	gm_put(func->gm);
	gm_put(func->gm_next);
	pe_source_remove(func->pe, &func->old_timer);
	if (func->old_timer.fd >= 0)
		close(func->old_timer.fd);
}
