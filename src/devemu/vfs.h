/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtio-fs: what its device and its I/O context add to the virtio layer (vdev.h).
 */
#ifndef DEVEMU_VFS_H
#define DEVEMU_VFS_H

#include "devemu/vdev.h"
#include "devemu/vfs_req.h"
#include "fuse/fuse_ops.h"

#define VFS_MIN_MINOR 31 /* oldest client served: FUSE 7.31 */
#define VFS_USER_SIZE_UNSET UINT32_MAX /* as the process-wide settings say */

/* Process-wide settings; user area sizes in bytes. */
struct doca_devemu_vfs_cfg {
	uint32_t req_user_size; /* generic requests */
	uint32_t notification_user_size;
	uint32_t fuse_user_size; /* FUSE-typed requests */
	unsigned int nr_devs;
	struct doca_dev **devs;
};

struct doca_devemu_vfs_dev {
	struct doca_devemu_virtio_dev virtio;
	/* control: configuration */
	char tag[DOCA_VFS_TAG_SIZE];
	uint32_t num_request_queues;
	uint32_t notify_buf_size;
	uint32_t user_size; /* or VFS_USER_SIZE_UNSET */
	uint32_t notification_user_size;
	enum doca_devemu_vfs_fuse_client_arch arch;
	/* vfs_dev.c, under its lock */
	LIST_ENTRY(doca_devemu_vfs_dev) all_link;
	uint32_t nr_domains; /* from virtio.domain_base on; 0: not chosen yet */
	/* virtio.lock; contexts keep a copy and refresh it when the generation changed */
	struct fuse_session session;
	/* atomic */
	unsigned int session_gen;
};

/* Any typed handler; cast back to its own type before it is called. */
typedef void (*vfs_fuse_handler)(void);

/* Memory for requests; see vfs_req.c. */
struct vfs_slab {
	struct vfs_slab *older; /* replaced after a change of configuration, kept for user areas */
	uint8_t *base;
	size_t bytes;
	size_t stride;
	uint32_t cnt, fresh; /* records; the first of them that was never used */
	uint32_t user_size, user_offset, stage_offset; /* offset 0: none */
};

struct doca_devemu_vfs_io {
	struct doca_devemu_virtio_io vio;
	/* const while running */
	doca_devemu_vfs_io_event_vfs_req_notice_handler_cb_t req_cb; /* generic API */
	union doca_data req_data;
	bool is_typed;
	vfs_fuse_handler fuse_cb[FUSE_OP_LIMIT];
	const uint32_t *flag_map; /* the client's values of open flags, NULL: same as ours */
	/* io */
	struct fuse_session session; /* copy of the device's */
	unsigned int session_gen;
	struct vfs_slab *slab;
	SLIST_HEAD(, vfs_req) free_reqs;
	uint32_t nr_free;
	struct vfs_block *free_blocks; /* for long chains */
	uint8_t *blocks;
	uint32_t blocks_fresh;
	struct iovec seg[VQ_MAX_SEGS]; /* scratch of one take or one reply */
};

static inline struct doca_devemu_vfs_io *vfs_io_of(struct doca_devemu_virtio_io *vio)
{
	return container_of(vio, struct doca_devemu_vfs_io, vio);
}

static inline struct doca_devemu_vfs_dev *vfs_dev_of(struct doca_devemu_virtio_dev *dev)
{
	return container_of(dev, struct doca_devemu_vfs_dev, virtio);
}

/* ---- vfs_init.c ---- */

uint32_t vfs_cfg_req_user_size(void);
uint32_t vfs_cfg_notification_user_size(void);
uint32_t vfs_cfg_fuse_user_size(void);
/* A device was created (+1) or destroyed (-1): teardown must wait. */
void vfs_count_device(int change);

/* ---- vfs_io.c ---- */

doca_error_t vfs_io_set_fuse_handler(struct doca_devemu_vfs_io *io, uint32_t opcode,
				     vfs_fuse_handler handler);

/* ---- vfs_req.c: io thread ---- */

/*
 * Prepares the pools for at most cnt requests with user areas of user_size; keeps what fits
 * already.
 */
doca_error_t vfs_pool_start(struct doca_devemu_vfs_io *io, uint32_t cnt, uint32_t user_size);
void vfs_pool_fini(struct doca_devemu_vfs_io *io);
/* vio.take */
enum vio_taken vfs_take(struct doca_devemu_virtio_io *vio, struct vqueue *q);
bool vfs_req_is_not_out(void); /* logs; false */
/* Is this call of a getter or of complete legal? Logs if not. */
static inline bool vfs_req_is_out(const struct vfs_req *r)
{
	return likely(r && r->state != VFS_REQ_FREE) || vfs_req_is_not_out();
}
/* The application gave r back with len bytes written; nothing is pushed for orphans. */
void vfs_req_finish(struct vfs_req *r, uint32_t len);

/* ---- vfs_fuse.c: io thread ---- */

/* A popped chain in io->seg: decodes and delivers, or answers, and then r is free again. */
enum vio_taken vfs_fuse_accept(struct doca_devemu_vfs_io *io, struct vfs_req *r,
			       const struct vq_chain *ch);
void vfs_session_reset(struct doca_devemu_vfs_dev *dev);

/* ---- vfs_fuse_call.c ---- */

/* Calls the handler registered for r's opcode with the arguments of its type. */
void vfs_fuse_call(struct vfs_req *r, vfs_fuse_handler handler);

/* ---- vfs_fuse_arch.c ---- */

/* The architecture's values of the open flags that differ; NULL: as ours, or unknown. */
const uint32_t *vfs_arch_flag_map(enum doca_devemu_vfs_fuse_client_arch arch);
/* Turns the open flags in the argument of opcode, if it has any, into our values. */
void vfs_arch_translate(const uint32_t *map, uint32_t opcode, void *arg);

#endif
