/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device side of the loop transport, and the driver's way to it.
 *
 * Theory of operation: ports are on a list, found by VUID. A driver's request is a struct
 * loop_call on its stack (or, begun and not waited for, on the heap), posted to the device's
 * engine, which executes it and sets done; vdev_op based ones set done when the op is over.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/atomics.h"
#include "base/util.h"
#include "transport/loop/loop.h"
#include "transport/loop/ring.h"

struct loop_port {
	struct doca_devemu_pci_dev *pci;
	struct doca_devemu_virtio_dev *dev;
	struct doca_pe *pe;
	const struct function *fn;
	struct loop_driver *drv; /* written under ports_lock */
	bool is_plugged; /* under ports_lock */
	LIST_ENTRY(loop_port) link;
};

static pthread_mutex_t ports_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, loop_port) ports = LIST_HEAD_INITIALIZER(ports);

/* ---- device side ---- */

static int loop_port_open(struct doca_devemu_pci_dev *pci, const struct function *fn,
			  struct doca_pe *pe, void **ret_port)
{
	struct loop_port *port;

	if (!pci_dev_virtio(pci))
		return -EOPNOTSUPP;
	port = calloc(1, sizeof(*port));
	if (!port)
		return -ENOMEM;
	port->pci = pci;
	port->dev = pci_dev_virtio(pci);
	port->pe = pe;
	port->fn = fn;
	pthread_mutex_lock(&ports_lock);
	LIST_INSERT_HEAD(&ports, port, link);
	pthread_mutex_unlock(&ports_lock);
	*ret_port = port;
	return 0;
}

static int loop_port_plug(void *arg)
{
	struct loop_port *port = arg;

	pthread_mutex_lock(&ports_lock);
	port->is_plugged = true;
	pthread_mutex_unlock(&ports_lock);
	return 0;
}

/* A driver cannot be cut off: it is this process's own, and leaves by loop_close(). */
static void loop_port_unplug(void *arg, bool force)
{
	struct loop_port *port = arg;
	bool is_free;

	pthread_mutex_lock(&ports_lock);
	port->is_plugged = false;
	is_free = !port->drv;
	pthread_mutex_unlock(&ports_lock);
	if (is_free)
		pci_host_left(port->pci);
}

static void loop_port_close(void *arg)
{
	struct loop_port *port = arg;

	pthread_mutex_lock(&ports_lock);
	LIST_REMOVE(port, link);
	if (port->drv)
		port->drv->port = NULL;
	pthread_mutex_unlock(&ports_lock);
	free(port);
}

static void loop_port_needs_reset(void *arg, uint16_t q)
{
	struct loop_port *port = arg;

	if (port->drv)
		__atomic_fetch_add(&port->drv->needs_reset, 1, __ATOMIC_RELAXED);
}

static void loop_port_config_changed(void *arg)
{
	struct loop_port *port = arg;

	if (port->drv)
		__atomic_fetch_add(&port->drv->config_changes, 1, __ATOMIC_RELAXED);
}

const struct transport_ops loop_transport = {
	.name = "loop",
	.open = loop_port_open,
	.close = loop_port_close,
	.plug = loop_port_plug,
	.unplug = loop_port_unplug,
	.needs_reset = loop_port_needs_reset,
	.config_changed = loop_port_config_changed,
};

/* ---- calls ---- */

struct loop_call {
	struct pe_msg msg;
	struct vdev_op op;
	struct loop_driver *drv;
	void (*run)(struct loop_call *call); /* sets *done itself */
	uint16_t q;
	int result;
	uint64_t value;
	void *ptr;
	int *done; /* atomic */
	bool on_heap;
};

static void loop_done(struct loop_call *call)
{
	int *done = call->done;

	if (call->on_heap)
		free(call);
	store_release(done, 1); /* pairs with loop_call() and the caller's own look */
}

static void loop_op_done(struct vdev_op *op)
{
	struct loop_call *call = container_of(op, struct loop_call, op);

	call->result = op->result;
	call->value = op->base;
	loop_done(call);
}

static enum ctx_progress loop_execute(struct pe_msg *msg)
{
	struct loop_call *call = container_of(msg, struct loop_call, msg);

	call->run(call);
	return CTX_HOUSEKEEPING;
}

static void loop_post(struct loop_driver *drv, struct loop_call *call)
{
	call->drv = drv;
	call->msg.fn = loop_execute;
	call->op.done = loop_op_done;
	pe_post(drv->port->pe, &call->msg);
}

static int loop_call(struct loop_driver *drv, struct loop_call *call)
{
	int done = 0;

	call->done = &done;
	loop_post(drv, call);
	while (!load_acquire(&done))
		drv->idle(drv->idle_arg);
	return call->result;
}

/* ---- life ---- */

static int loop_attach(struct loop_driver *drv, const char *vuid)
{
	struct loop_port *port;
	int rc = -ENOENT;

	pthread_mutex_lock(&ports_lock);
	LIST_FOREACH(port, &ports, link) {
		if (!port->is_plugged || strcmp(port->fn->vuid, vuid))
			continue;
		rc = port->drv ? -EBUSY : 0;
		if (!rc) {
			port->drv = drv;
			drv->port = port;
		}
		break;
	}
	pthread_mutex_unlock(&ports_lock);
	return rc;
}

static void loop_run_arrive(struct loop_call *call)
{
	pci_host_arrived(call->drv->port->pci);
	loop_done(call);
}

static void loop_run_leave(struct loop_call *call)
{
	struct loop_port *port = call->drv->port;

	pthread_mutex_lock(&ports_lock);
	port->drv = NULL;
	pthread_mutex_unlock(&ports_lock);
	pci_host_left(port->pci);
	loop_done(call);
}

int loop_open(struct loop_driver *drv, const char *vuid, size_t mem_len, void (*idle)(void *arg),
	      void *arg)
{
	struct loop_call call = { .run = loop_run_arrive };
	int rc;

	memset(drv, 0, sizeof(*drv));
	drv->idle = idle;
	drv->idle_arg = arg;
	drv->mem_len = mem_len;
	drv->mem = mmap(NULL, mem_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (drv->mem == MAP_FAILED)
		return -ENOMEM;
	rc = gm_map_static(drv->mem, mem_len, &drv->map);
	if (!rc)
		rc = loop_attach(drv, vuid);
	if (rc) {
		gm_map_put(drv->map);
		munmap(drv->mem, mem_len);
		return rc;
	}
	loop_call(drv, &call);
	return 0;
}

static void loop_run_disconnect(struct loop_call *call)
{
	vdev_disconnected(call->drv->port->dev, &call->op);
}

void loop_close(struct loop_driver *drv)
{
	struct loop_call disconnect = { .run = loop_run_disconnect };
	struct loop_call leave = { .run = loop_run_leave };
	unsigned int i;

	if (drv->port)
		loop_call(drv, &disconnect);
	if (drv->port)
		loop_call(drv, &leave);
	for (i = 0; i < LOOP_MAX_QUEUES; i++)
		loop_ring_fini(&drv->queue[i]);
	gm_map_put(drv->map);
	munmap(drv->mem, drv->mem_len);
}

/* ---- registers ---- */

static void loop_run_negotiate(struct loop_call *call)
{
	struct doca_devemu_virtio_dev *dev = call->drv->port->dev;
	uint64_t features = vdev_features(dev) & call->value;

	call->result = vdev_set_driver_features(dev, features);
	call->value = features;
	loop_done(call);
}

int loop_negotiate(struct loop_driver *drv, uint64_t mask)
{
	struct loop_call call = { .run = loop_run_negotiate, .value = mask };
	int rc = loop_call(drv, &call);

	drv->features = call.value;
	return rc ? rc : loop_renew_memory(drv);
}

static void loop_run_set_status(struct loop_call *call)
{
	vdev_set_status(call->drv->port->dev, (uint8_t)call->value);
	loop_done(call);
}

void loop_set_status(struct loop_driver *drv, uint8_t status)
{
	struct loop_call call = { .run = loop_run_set_status, .value = status };

	loop_call(drv, &call);
}

static void loop_run_status(struct loop_call *call)
{
	call->result = vdev_status(call->drv->port->dev);
	loop_done(call);
}

uint8_t loop_status(struct loop_driver *drv)
{
	struct loop_call call = { .run = loop_run_status };

	return (uint8_t)loop_call(drv, &call);
}

static void loop_run_config(struct loop_call *call)
{
	vdev_config_read(call->drv->port->dev, 0, call->ptr, (uint32_t)call->value);
	loop_done(call);
}

void loop_config(struct loop_driver *drv, void *dst, uint32_t len)
{
	struct loop_call call = { .run = loop_run_config, .ptr = dst, .value = len };

	loop_call(drv, &call);
}

/* ---- memory ---- */

static void loop_run_memory(struct loop_call *call)
{
	struct loop_driver *drv = call->drv;
	static const struct vqueue_rings none;
	struct vqueue_rings rings[256] = { none };
	unsigned int i;

	for (i = 0; i < LOOP_MAX_QUEUES; i++)
		rings[i] = (struct vqueue_rings){ drv->queue[i].desc, drv->queue[i].avail,
						  drv->queue[i].used };
	vdev_set_memory(drv->port->dev, call->ptr, rings, &call->op);
}

int loop_renew_memory(struct loop_driver *drv)
{
	struct gm_region region = {
		.gpa = LOOP_GPA,
		.uva = (uint64_t)(uintptr_t)drv->mem,
		.size = drv->mem_len,
		.writable = true,
		.map = drv->map,
	};
	struct loop_call call = { .run = loop_run_memory };
	struct gmem *gm;
	int rc = gm_create(&region, 1, &gm);

	if (rc)
		return rc;
	call.ptr = gm;
	rc = loop_call(drv, &call);
	gm_put(gm);
	return rc;
}

/* ---- queues ---- */

static void loop_run_start(struct loop_call *call)
{
	struct loop_queue *q = &call->drv->queue[call->q];
	struct vqueue_setup setup = {
		.size = q->size,
		.last_avail = (uint16_t)call->value,
		.desc = q->desc,
		.avail = q->avail,
		.used = q->used,
		.kick_fd = fcntl(q->kick_fd, F_DUPFD_CLOEXEC, 0),
		.call = { .fd = fcntl(q->call_fd, F_DUPFD_CLOEXEC, 0) },
		.inflight = q->inflight,
	};

	call->result = vdev_queue_start(call->drv->port->dev, call->q, &setup);
	loop_done(call);
}

int loop_queue_restart(struct loop_driver *drv, uint16_t q, uint16_t base)
{
	struct loop_call call = { .run = loop_run_start, .q = q, .value = base };

	return loop_call(drv, &call);
}

int loop_queue_start(struct loop_driver *drv, uint16_t q, uint16_t size, bool with_log)
{
	int rc = loop_ring_init(drv, &drv->queue[q], q, size, with_log);

	return rc ? rc : loop_queue_restart(drv, q, 0);
}

static void loop_run_stop(struct loop_call *call)
{
	vdev_queue_stop(call->drv->port->dev, call->q, &call->op);
}

uint16_t loop_queue_stop(struct loop_driver *drv, uint16_t q)
{
	struct loop_call call = { .run = loop_run_stop, .q = q };

	loop_call(drv, &call);
	return (uint16_t)call.value;
}

static void loop_run_kick_fd(struct loop_call *call)
{
	int fd = fcntl(call->drv->queue[call->q].kick_fd, F_DUPFD_CLOEXEC, 0);

	vdev_queue_set_kick(call->drv->port->dev, call->q, fd, &call->op);
}

static void loop_run_call_fd(struct loop_call *call)
{
	struct irq irq = { .fd = fcntl(call->drv->queue[call->q].call_fd, F_DUPFD_CLOEXEC, 0) };

	vdev_queue_set_call(call->drv->port->dev, call->q, irq, &call->op);
}

void loop_queue_renew_fds(struct loop_driver *drv, uint16_t q)
{
	struct loop_call kick = { .run = loop_run_kick_fd, .q = q };
	struct loop_call call = { .run = loop_run_call_fd, .q = q };

	close(drv->queue[q].kick_fd);
	close(drv->queue[q].call_fd);
	drv->queue[q].kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	drv->queue[q].call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop_call(drv, &kick);
	loop_call(drv, &call);
}

/* ---- resets ---- */

static void loop_run_reset(struct loop_call *call)
{
	if (call->value)
		vdev_flr(call->drv->port->dev, &call->op);
	else
		vdev_reset(call->drv->port->dev, &call->op);
}

void loop_reset(struct loop_driver *drv)
{
	struct loop_call call = { .run = loop_run_reset };

	loop_call(drv, &call);
}

void loop_flr(struct loop_driver *drv)
{
	struct loop_call call = { .run = loop_run_reset, .value = 1 };

	loop_call(drv, &call);
}

static void loop_begin(struct loop_driver *drv, const struct loop_call *template, int *done)
{
	struct loop_call *call = malloc(sizeof(*call));

	if (!call)
		return;
	*call = *template;
	call->done = done;
	call->on_heap = true;
	*done = 0;
	loop_post(drv, call);
}

void loop_reset_begin(struct loop_driver *drv, bool flr, int *done)
{
	const struct loop_call call = { .run = loop_run_reset, .value = flr };

	loop_begin(drv, &call, done);
}

void loop_queue_stop_begin(struct loop_driver *drv, uint16_t q, int *done)
{
	const struct loop_call call = { .run = loop_run_stop, .q = q };

	loop_begin(drv, &call, done);
}
