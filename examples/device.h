/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio-fs device with one I/O context, both on one engine: what the example controllers share.
 */
#ifndef EXAMPLES_DEVICE_H
#define EXAMPLES_DEVICE_H

#include <doca_devemu_vfs.h>
#include <doca_devemu_vfs_dev.h>
#include <doca_devemu_vfs_io.h>
#include <doca_devemu_vfs_type.h>

#include "common.h"

struct device {
	struct doca_pe *pe;
	struct doca_dev *dev;
	struct doca_devemu_vfs_type *type;
	struct doca_dev_rep *rep;
	struct doca_devemu_vfs_dev *vfs;
	struct doca_devemu_vfs_io *io;
};

/* Opens manager and first static function, makes device and I/O context, both not started. */
void device_open(struct device *d, const char *tag);
/* Starts both and serves until SIGINT or SIGTERM; then stops both. */
void device_serve(struct device *d);
void device_close(struct device *d);

#endif
