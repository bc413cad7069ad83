/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One emulated virtio-fs device. It is a context, a virtio device and a PCI device; the views
 * share one state machine. Its queues are served by I/O contexts (doca_devemu_vfs_io.h); with a
 * number of required I/O contexts configured, start completes when that many are running, and stop
 * when all of them are idle.
 */
#ifndef DOCA_DEVEMU_VFS_DEV_H
#define DOCA_DEVEMU_VFS_DEV_H

#include <stdint.h>

#include "doca_ctx.h"
#include "doca_dev.h"
#include "doca_devemu_pci.h"
#include "doca_devemu_virtio.h"
#include "doca_error.h"
#include "doca_pe.h"

#ifdef __cplusplus
extern "C" {
#endif

struct doca_devemu_vfs_dev;
struct doca_devemu_vfs_type;

#define DOCA_VFS_TAG_SIZE 21 /* a tag has 1 to 20 bytes, and a NUL */

/* The processor of the guest: open flags differ between them. */
enum doca_devemu_vfs_fuse_client_arch {
	DOCA_DEVEMU_VFS_FUSE_CLIENT_ARCH_UNKNOWN = 0,	/* flags are passed on as they come */
	DOCA_DEVEMU_VFS_FUSE_CLIENT_ARCH_X86 = 1,
	DOCA_DEVEMU_VFS_FUSE_CLIENT_ARCH_X86_64 = 2,
	DOCA_DEVEMU_VFS_FUSE_CLIENT_ARCH_AARCH = 3,	/* 32-bit Arm */
	DOCA_DEVEMU_VFS_FUSE_CLIENT_ARCH_AARCH_64 = 4,	/* 64-bit Arm */
};

/*
 * Takes a function over; the context is connected to the engine for life. INVALID_VALUE:
 * representor of another type. IN_USE: it has a device object. Destroying: BAD_STATE unless IDLE.
 */
DOCA_STABLE doca_error_t doca_devemu_vfs_dev_create(struct doca_devemu_vfs_type *vfs_type,
		struct doca_dev_rep *dev_rep, struct doca_pe *progress_engine,
		struct doca_devemu_vfs_dev **vfs_dev);
DOCA_STABLE doca_error_t doca_devemu_vfs_dev_destroy(struct doca_devemu_vfs_dev *vfs_dev);

/* Views, valid as long as the device. NULL for NULL. */
DOCA_STABLE struct doca_ctx *doca_devemu_vfs_dev_as_ctx(struct doca_devemu_vfs_dev *vfs_dev);
DOCA_STABLE struct doca_devemu_virtio_dev *doca_devemu_vfs_dev_as_virtio_dev(
		struct doca_devemu_vfs_dev *vfs_dev);
DOCA_STABLE struct doca_devemu_pci_dev *doca_devemu_vfs_dev_as_pci_dev(
		struct doca_devemu_vfs_dev *vfs_dev);

/* All setters: BAD_STATE unless IDLE. */

/*
 * The name the guest mounts. Mandatory: start is BAD_CONFIG without. Read up to its NUL.
 * INVALID_VALUE: empty. TOO_BIG: more than 20 bytes.
 */
DOCA_STABLE doca_error_t doca_devemu_vfs_dev_set_tag(struct doca_devemu_vfs_dev *vfs_dev,
		const char tag[DOCA_VFS_TAG_SIZE]);
DOCA_STABLE doca_error_t doca_devemu_vfs_dev_get_tag(const struct doca_devemu_vfs_dev *vfs_dev,
		char tag[DOCA_VFS_TAG_SIZE]);

/*
 * Request queues offered to the guest, from the type if not set. The virtio device needs one queue
 * more; with fewer, that number less one is offered.
 */
DOCA_STABLE doca_error_t doca_devemu_vfs_dev_set_num_request_queues(
		struct doca_devemu_vfs_dev *vfs_dev, uint32_t num_request_queues);
DOCA_STABLE doca_error_t doca_devemu_vfs_dev_get_num_request_queues(
		const struct doca_devemu_vfs_dev *vfs_dev, uint32_t *num_request_queues);

/* Size of notification buffers. 0 while notifications can not be offered. */
DOCA_STABLE doca_error_t doca_devemu_vfs_dev_set_notify_buf_size(
		struct doca_devemu_vfs_dev *vfs_dev, uint32_t notify_buf_size);
DOCA_STABLE doca_error_t doca_devemu_vfs_dev_get_notify_buf_size(
		const struct doca_devemu_vfs_dev *vfs_dev, uint32_t *notify_buf_size);

/*
 * Source domain ids that requests of this device carry, both ends included. Devices that share a
 * tag share no id. The range may move when tag or number of queues change. DOCA_ERROR_FULL: devices
 * of this tag have all ids already.
 */
DOCA_STABLE doca_error_t doca_devemu_vfs_dev_get_req_src_domain_id_range(
		const struct doca_devemu_vfs_dev *vfs_dev, uint16_t *min_src_domain_id,
		uint16_t *max_src_domain_id);

/* NOT_PERMITTED: not an architecture the library can translate for. */
DOCA_STABLE doca_error_t doca_devemu_vfs_dev_set_fuse_client_arch(
		struct doca_devemu_vfs_dev *vfs_dev, enum doca_devemu_vfs_fuse_client_arch arch);
DOCA_STABLE doca_error_t doca_devemu_vfs_dev_get_fuse_client_arch(
		const struct doca_devemu_vfs_dev *vfs_dev,
		enum doca_devemu_vfs_fuse_client_arch *arch);

/*
 * Bytes of user data that come with each generic request or notification of this device, from
 * doca_devemu_vfs_init() if not set. Release 2.7.
 */
DOCA_STABLE doca_error_t doca_devemu_vfs_dev_set_vfs_req_user_data_size(
		struct doca_devemu_vfs_dev *vfs_dev, uint32_t req_user_data_size);
DOCA_STABLE doca_error_t doca_devemu_vfs_dev_get_vfs_req_user_data_size(
		const struct doca_devemu_vfs_dev *vfs_dev, uint32_t *req_user_data_size);
DOCA_STABLE doca_error_t doca_devemu_vfs_dev_set_vfs_notification_req_user_data_size(
		struct doca_devemu_vfs_dev *vfs_dev, uint32_t notification_req_user_data_size);
DOCA_STABLE doca_error_t doca_devemu_vfs_dev_get_vfs_notification_req_user_data_size(
		const struct doca_devemu_vfs_dev *vfs_dev,
		uint32_t *notification_req_user_data_size);

#ifdef __cplusplus
}
#endif

#endif
