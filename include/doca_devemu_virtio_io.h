/* SPDX-License-Identifier: BSD-3-Clause */
/* The virtio layer of an I/O context. */
#ifndef DOCA_DEVEMU_VIRTIO_IO_H
#define DOCA_DEVEMU_VIRTIO_IO_H

#include <stdint.h>

#include "doca_dev.h"
#include "doca_devemu_pci.h"
#include "doca_devemu_virtio.h"
#include "doca_error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct doca_ctx;

/* View as a context, valid as long as the I/O context. NULL for NULL. */
DOCA_STABLE struct doca_ctx *doca_devemu_virtio_io_as_ctx(struct doca_devemu_virtio_io *io);

#ifdef __cplusplus
}
#endif

#endif
