/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All devices of the process: the configured ones, and those that come and go by the control
 * socket. One entry per slot of conf->device. Main thread only, but for devtab_abandon().
 *
 * A device is configured (no struct device), being opened, running, or stopping: requests are out, and nothing
 * but waiting for them can be done.
 */
#ifndef CONTROLLER_DEVTAB_H
#define CONTROLLER_DEVTAB_H

#include <stdbool.h>
#include <stdint.h>

#include "conf.h"
#include "device.h"
#include "opening.h"

struct devtab_entry {
	struct device *dev; /* NULL: only configured */
	struct opening *opening; /* NULL: its file system is not on its way */
	unsigned int index; /* opening: the static function it will have */
	bool stopping;
};

struct devtab {
	struct conf *conf;
	struct thr_set *threads;
	struct devtab_entry entry[CONF_MAX_DEVICES];
};

static inline unsigned int devtab_slot(const struct devtab *tab, const struct conf_device *conf)
{
	return (unsigned int)(conf - tab->conf->device);
}

/*
 * 0 or -errno, reason logged. let_signals: lets signals that end the process in, and keeps them out
 * again, around the opening of the file system, which may wait for a server.
 */
int devtab_start(struct devtab *tab, unsigned int slot, void (*let_signals)(bool in));
/*
 * The same in two steps, of which none waits for a server: devtab_begun() returns false if the file system is not
 * open at deadline_ns (0: now); otherwise *ret_rc is what devtab_start() returns. Meanwhile the device's
 * configuration stays as it is.
 */
int devtab_begin(struct devtab *tab, unsigned int slot);
bool devtab_begun(struct devtab *tab, unsigned int slot, uint64_t deadline_ns, int *ret_rc);
void devtab_stop(struct devtab *tab, unsigned int slot);
/* Waits until deadline_ns for the last request and destroys the device. -ETIMEDOUT. */
int devtab_finish(struct devtab *tab, unsigned int slot, uint64_t deadline_ns);

/* The process is about to end: removes the sockets. Signal handlers too. */
void devtab_abandon(const struct devtab *tab);

#endif
