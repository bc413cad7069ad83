/* SPDX-License-Identifier: BSD-3-Clause */
/* The emulation managers and the functions they show: discovery, once, on the main thread. */
#ifndef CONTROLLER_MANAGER_H
#define CONTROLLER_MANAGER_H

#include <stdint.h>

#include "doca_dev.h"
#include "doca_devemu_vfs.h"
#include "doca_devemu_vfs_type.h"

/*
 * Opens the first manager that supports virtio-fs and initialises the library with requests that
 * carry user_data_size bytes for us. 0 or -errno, reason logged.
 */
int manager_open(uint32_t user_data_size);
void manager_close(void);

struct doca_dev *manager_dev(void);
struct doca_devemu_vfs_type *manager_vfs_type(void);

/* Opens the index-th static function. -ENODEV, logged, when there are fewer. */
int manager_open_function(unsigned int index, struct doca_dev_rep **ret_rep);

#endif
