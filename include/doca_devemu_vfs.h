/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtio-fs device emulation, process-wide part: settings applied once by doca_devemu_vfs_init().
 * Calling it is optional: without it, the defaults hold (no user data, any device). Not
 * thread-safe: no other virtio-fs call may run at the same time.
 */
#ifndef DOCA_DEVEMU_VFS_H
#define DOCA_DEVEMU_VFS_H

#include <stdint.h>

#include "doca_buf.h"
#include "doca_dev.h"
#include "doca_devemu_pci.h"
#include "doca_devemu_vfs_dev.h"
#include "doca_devemu_vfs_fuse_kernel.h"
#include "doca_devemu_virtio.h"
#include "doca_error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct doca_devemu_vfs_cfg;
struct doca_devemu_vfs_type;
struct doca_devemu_vfs_io;
struct doca_devemu_vfs_req;		 /* generic form */
struct doca_devemu_vfs_notification_req; /* generic form */
struct doca_devemu_vfs_fuse_req;	 /* FUSE-typed form */

/* Settings with default values. They can go once they have been applied. */
DOCA_STABLE doca_error_t doca_devemu_vfs_cfg_create(struct doca_devemu_vfs_cfg **cfg);
DOCA_STABLE doca_error_t doca_devemu_vfs_cfg_destroy(struct doca_devemu_vfs_cfg *cfg);

/*
 * Managers the library will be used with; others work as well.
 * ALREADY_EXIST; NOT_FOUND: removing one that was not added.
 */
DOCA_STABLE doca_error_t doca_devemu_vfs_cfg_add_dev(struct doca_devemu_vfs_cfg *cfg,
		struct doca_dev *dev);
DOCA_STABLE doca_error_t doca_devemu_vfs_cfg_rm_dev(struct doca_devemu_vfs_cfg *cfg,
		struct doca_dev *dev);

/*
 * Bytes of user data that come with each request, 0 if not set: of generic requests, of
 * notifications, and of FUSE-typed requests. The third excludes the two others.
 */
DOCA_STABLE doca_error_t doca_devemu_vfs_cfg_set_vfs_req_user_data_size(
		struct doca_devemu_vfs_cfg *cfg, uint32_t req_user_data_size);
DOCA_STABLE doca_error_t doca_devemu_vfs_cfg_get_vfs_req_user_data_size(
		const struct doca_devemu_vfs_cfg *cfg, uint32_t *req_user_data_size);
DOCA_STABLE doca_error_t doca_devemu_vfs_cfg_set_notification_req_user_data_size(
		struct doca_devemu_vfs_cfg *cfg, uint32_t req_user_data_size);
DOCA_STABLE doca_error_t doca_devemu_vfs_cfg_get_notification_req_user_data_size(
		const struct doca_devemu_vfs_cfg *cfg, uint32_t *req_user_data_size);
DOCA_STABLE doca_error_t doca_devemu_vfs_cfg_set_vfs_fuse_req_user_data_size(
		struct doca_devemu_vfs_cfg *cfg, uint32_t req_user_data_size);
DOCA_STABLE doca_error_t doca_devemu_vfs_cfg_get_vfs_fuse_req_user_data_size(
		const struct doca_devemu_vfs_cfg *cfg, uint32_t *req_user_data_size);

/*
 * Applies settings to the process, before any virtio-fs object exists. BAD_CONFIG: sizes of both
 * forms. ALREADY_EXIST: applied before.
 */
DOCA_STABLE doca_error_t doca_devemu_vfs_init(struct doca_devemu_vfs_cfg *cfg);

/* Back to the defaults. IN_USE: virtio-fs devices exist. BAD_STATE: nothing was applied. */
DOCA_STABLE doca_error_t doca_devemu_vfs_teardown(void);

/* The oldest FUSE protocol spoken; an older guest gets no session. */
DOCA_STABLE doca_error_t doca_devemu_vfs_get_minimal_fuse_version_supported(
		uint32_t *major, uint32_t *minor);

#ifdef __cplusplus
}
#endif

#endif
