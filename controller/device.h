/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One emulated device: its vfs device context on the first thread, one I/O context and one
 * attachment of its file system per thread.
 *
 * Start: (main) open the file system, discover and open the function; (first thread) create and
 * start the device, which waits for its I/O contexts; (each thread) attach the file system, create
 * and start the I/O context. Stop is the reverse: requests are drained before anything is
 * destroyed. A message posted to a thread cannot outlive the device: those of a reset are posted
 * before the device context is stopped, or by a request whose return the stop waits for, and a
 * thread runs its messages in order.
 *
 * Reset (guest reboot, front end gone): every thread drains the requests it owns, then the file
 * system forgets the session, then doca_devemu_virtio_dev_reset_complete().
 */
#ifndef CONTROLLER_DEVICE_H
#define CONTROLLER_DEVICE_H

#include <semaphore.h>
#include <stdbool.h>

#include "conf.h"
#include "doca_dev.h"
#include "doca_devemu_vfs.h"
#include "doca_devemu_vfs_io.h"
#include "manager.h"
#include "platform.h"
#include "stats.h"
#include "thread.h"

struct bounce;
struct device;

/* Device x thread. The thread's own, except where device.c posts to it. */
struct dio {
	struct device *dev;
	struct thr *thr;
	struct fs_thread *ft;
	struct bounce *bounce; /* NULL: direct data path */
	struct doca_devemu_vfs_io *io;
	unsigned int outstanding; /* requests owned by the controller */
	bool draining; /* tell dio_drained() when it reaches zero */
	bool attached;
	struct thr_fs thr_fs;
	struct thr_msg drain_msg;
	struct stats stats; /* written by the thread only */
};

struct device {
	const struct conf_device *conf;
	struct thr_set *threads;
	struct fs *fs;
	struct manager_function fn;
	struct doca_devemu_vfs_dev *vfs;
	struct thr_msg reset_msg;
	struct doca_devemu_virtio_queue_stats **queue_list; /* first thread; NULL: not asked for */
	uint32_t nr_queues;
	sem_t queues_ready; /* queue_list is refreshed */
	bool queues_asked; /* and not ready yet */
	sem_t idle; /* posted when the device context reached IDLE */
	unsigned int draining; /* atomic: threads that have not reported yet */
	struct dio *dio; /* one per thread */
};

/*
 * Main thread. Opens the file system, which may wait for a server, unless fs is given, which it
 * consumes; and the function (of the configuration, or the index-th static one). Nothing can be seen
 * from outside yet. 0 or -errno, the reason is logged.
 */
int device_open(const struct conf_device *conf, unsigned int index, struct fs *fs,
		struct thr_set *threads, struct device **ret_dev);
/* Logs that a file system cannot be opened; why may be empty. */
void device_say_not_open(const struct conf_device *conf, int err, const char *why);
/*
 * Main thread, consumes dev. 0 or -errno; the reason is logged. *ret_dev is left alone by a device
 * that never came to be; any other, also one that could not be started on all threads, has to be
 * stopped and destroyed.
 */
int device_start(struct device *dev, struct device **ret_dev);
/* Main thread, once: no more requests are taken. Does not wait for those it has. */
void device_stop(struct device *dev);
/* Main thread, after device_stop(): waits until the last request is back, at most until
 * deadline_ns (of clock_ns()). -ETIMEDOUT: something below does not answer. */
int device_wait(struct device *dev, uint64_t deadline_ns);
/* Main thread, after device_wait() returned 0. NULL is fine. */
void device_destroy(struct device *dev);
/* The process is about to end without destroying it: removes its socket. Any thread, signal
 * handlers too. */
void device_abandon(const struct device *dev);

/* What the device is at this moment. */
struct device_state {
	bool is_running;
	uint8_t driver_status; /* of virtio */
	enum doca_devemu_pci_hotplug_state plug;
};

/* Main thread, started device. */
void device_get_state(struct device *dev, struct device_state *ret);
/* 0 or -errno, reason logged; what the host does about it shows in the state. */
int device_hotplug(struct device *dev);
int device_hotunplug(struct device *dev);

/* One queue, as the library counts. */
struct device_queue {
	uint16_t id, size, inflights, avail, used;
	bool enabled;
};

/*
 * Main thread, started device. At most max queues; *ret_nr: how many. 0 or -errno: -EAGAIN, an
 * answer of an I/O thread is missing (the device is resetting).
 */
int device_get_queues(struct device *dev, struct device_queue *queue, unsigned int max,
		      unsigned int *ret_nr);

struct dio *dio_of(struct doca_devemu_vfs_io *io);
/* On the dio's thread: its last request went back while draining. */
void dio_drained(struct dio *dio);

#endif
