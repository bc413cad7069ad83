/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One emulated device: its vfs device context on the first thread, one I/O context and one attachment of
 * its file system per thread.
 *
 * Start: (main) open the file system, discover and open the function; (first thread) create and start the
 * device, which waits for its I/O contexts; (each thread) attach the file system, create and start the I/O
 * context. Stop is the reverse: requests are drained before anything is destroyed.
 *
 * Reset (guest reboot, front end gone): every thread drains the requests it owns, then the file system
 * forgets the session, then doca_devemu_virtio_dev_reset_complete().
 */
#ifndef CONTROLLER_DEVICE_H
#define CONTROLLER_DEVICE_H

#include <semaphore.h>
#include <stdbool.h>

#include "conf.h"
#include "doca_dev.h"
#include "doca_devemu_vfs.h"
#include "doca_devemu_vfs_io.h"
#include "thread.h"

struct device;

/* Device x thread. The thread's own, except where device.c posts to it. */
struct dio {
	struct device *dev;
	struct thr *thr;
	struct fs_thread *ft;
	struct doca_devemu_vfs_io *io;
	unsigned int outstanding; /* requests owned by the controller */
	bool draining; /* tell dio_drained() when it reaches zero */
	bool attached;
	struct thr_fs thr_fs;
};

struct device {
	const struct conf_device *conf;
	struct thr_set *threads;
	struct fs *fs;
	struct doca_dev_rep *rep;
	struct doca_devemu_vfs_dev *vfs;
	sem_t idle; /* posted when the device context reached IDLE */
	unsigned int draining; /* atomic: threads that have not reported yet */
	struct dio *dio; /* one per thread */
};

/* Main thread. 0 or -errno; the reason is logged. */
int device_start(const struct conf_device *conf, unsigned int index, struct thr_set *threads,
		 struct device **ret_dev);
/* Main thread; waits until the last request is back, at most timeout_ms. -ETIMEDOUT: something below does
 * not answer; the device is left as it is. NULL is fine. */
int device_stop(struct device *dev, int timeout_ms);

struct dio *dio_of(struct doca_devemu_vfs_io *io);
/* On the dio's thread: its last request went back while draining. */
void dio_drained(struct dio *dio);

#endif
