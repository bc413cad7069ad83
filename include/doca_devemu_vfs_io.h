/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The I/O side of a virtio-fs device. Each I/O context serves some queues of its device on the
 * thread of its own progress engine, and hands requests to handlers in one of two forms:
 *
 * generic: one handler gets each request as two buffer lists over guest memory, the
 * device-readable part (datain, starting with the FUSE request header) and the device-writable
 * part (dataout, starting with the reply header); the user does all protocol work.
 *
 * FUSE-typed: one handler per opcode gets header and argument as structures, and buffers only for
 * what follows them (names, data). The user fills the reply structures and completes.
 *
 * The two cannot be mixed on one I/O context. The call of a handler passes the request, its
 * buffers and its user data area to the user; completing passes them back. Completion may happen
 * at once or later, in any order, on the thread of the I/O context.
 */
#ifndef DOCA_DEVEMU_VFS_IO_H
#define DOCA_DEVEMU_VFS_IO_H

#include <stdint.h>

#include "doca_buf.h"
#include "doca_dev.h"
#include "doca_devemu_pci.h"
#include "doca_devemu_vfs.h"
#include "doca_devemu_vfs_fuse_kernel.h"
#include "doca_devemu_virtio.h"
#include "doca_devemu_virtio_io.h"
#include "doca_error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- handlers of the generic form --- */

/*
 * Delivers a request, or a buffer for a notification, with its user data area. The area is zero at
 * first and afterwards as the user left it when that request object was used last.
 */
typedef void (*doca_devemu_vfs_io_event_vfs_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_req *req, void *req_user_data,
		union doca_data event_user_data);

typedef void (*doca_devemu_vfs_io_event_vfs_notification_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_notification_req *req, void *req_user_data,
		union doca_data event_user_data);

/* --- handlers of the FUSE-typed form --- */

/*
 * in and the argument after it are copies the guest can not change any more. datain holds what
 * follows them: names, each ended by NUL, or data. out and the reply structure are zero, adjacent
 * in memory, and the user's to fill; dataout is room for what follows them. An absent part is
 * NULL. Operations without out have no reply, and are completed all the same.
 */

/* FUSE_LOOKUP; datain: name */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_lookup_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct doca_buf *datain, struct fuse_out_header *out,
		struct fuse_entry_out *entry);

/* FUSE_FORGET */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_forget_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_forget_in *forget_in);

/* FUSE_GETATTR */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_getattr_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_getattr_in *getattr_in,
		struct fuse_out_header *out, struct fuse_attr_out *attr_out);

/* FUSE_SETATTR */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_setattr_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_setattr_in *setattr_in,
		struct fuse_out_header *out, struct fuse_attr_out *attr_out);

/* FUSE_READLINK; dataout: target */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_readlink_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_out_header *out, struct doca_buf *dataout);

/* FUSE_SYMLINK; datain: name of the link, target */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_symlink_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct doca_buf *datain, struct fuse_out_header *out,
		struct fuse_entry_out *entry);

/* FUSE_MKNOD; datain: name */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_mknod_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_mknod_in *mknod_in, struct doca_buf *datain,
		struct fuse_out_header *out, struct fuse_entry_out *entry);

/* FUSE_MKDIR; datain: name */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_mkdir_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_mkdir_in *mkdir_in, struct doca_buf *datain,
		struct fuse_out_header *out, struct fuse_entry_out *entry);

/* FUSE_UNLINK; datain: name */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_unlink_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct doca_buf *datain, struct fuse_out_header *out);

/* FUSE_RMDIR; datain: name */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_rmdir_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct doca_buf *datain, struct fuse_out_header *out);

/* FUSE_RENAME; datain: old name, new name */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_rename_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_rename_in *rename_in,
		struct doca_buf *datain, struct fuse_out_header *out);

/* FUSE_LINK; datain: name */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_link_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_link_in *link_in, struct doca_buf *datain,
		struct fuse_out_header *out, struct fuse_entry_out *entry);

/* FUSE_OPEN */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_open_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_open_in *open_in,
		struct fuse_out_header *out, struct fuse_open_out *open_out);

/* FUSE_READ; dataout: data */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_read_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_read_in *read_in,
		struct fuse_out_header *out, struct doca_buf *dataout);

/* FUSE_WRITE; datain: data */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_write_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_write_in *write_in, struct doca_buf *datain,
		struct fuse_out_header *out, struct fuse_write_out *write_out);

/* FUSE_STATFS */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_statfs_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_out_header *out,
		struct fuse_statfs_out *statfs_out);

/* FUSE_RELEASE */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_release_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_release_in *release_in,
		struct fuse_out_header *out);

/* FUSE_FSYNC */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_fsync_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_fsync_in *fsync_in,
		struct fuse_out_header *out);

/* FUSE_SETXATTR; datain: name, value */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_setxattr_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_setxattr_in *xattr_in,
		struct doca_buf *datain, struct fuse_out_header *out);

/* FUSE_GETXATTR; datain: name; dataout: the value, when a size is asked for */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_getxattr_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_getxattr_in *xattr_in,
		struct doca_buf *datain, struct fuse_out_header *out,
		struct fuse_getxattr_out *xattr_out, struct doca_buf *dataout);

/* FUSE_LISTXATTR; dataout: names, when a size is asked for */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_listxattr_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_getxattr_in *xattr_in,
		struct fuse_out_header *out, struct fuse_getxattr_out *xattr_out,
		struct doca_buf *dataout);

/* FUSE_REMOVEXATTR; datain: name */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_removexattr_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct doca_buf *datain, struct fuse_out_header *out);

/* FUSE_FLUSH */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_flush_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_flush_in *flush_in,
		struct fuse_out_header *out);

/* FUSE_INIT */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_init_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_init_in *init_in,
		struct fuse_out_header *out, struct fuse_init_out *init_out);

/* FUSE_OPENDIR */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_opendir_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_open_in *opendir_in,
		struct fuse_out_header *out, struct fuse_open_out *opendir_out);

/* FUSE_READDIR; dataout: struct fuse_dirent records */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_readdir_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_read_in *readdir_in,
		struct fuse_out_header *out, struct doca_buf *dataout);

/* FUSE_RELEASEDIR */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_releasedir_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_release_in *releasedir_in,
		struct fuse_out_header *out);

/* FUSE_FSYNCDIR */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_fsyncdir_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_fsync_in *fsyncdir_in,
		struct fuse_out_header *out);

/* FUSE_GETLK */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_getlk_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_lk_in *lk_in, struct fuse_out_header *out,
		struct fuse_lk_out *lk_out);

/* FUSE_SETLK */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_setlk_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_lk_in *lk_in, struct fuse_out_header *out);

/* FUSE_SETLKW */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_setlkw_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_lk_in *lk_in, struct fuse_out_header *out);

/* FUSE_ACCESS */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_access_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_access_in *access_in,
		struct fuse_out_header *out);

/* FUSE_CREATE; datain: name */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_create_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_create_in *create_in,
		struct doca_buf *datain, struct fuse_out_header *out,
		struct fuse_entry_out *entry_out, struct fuse_open_out *open_out);

/* FUSE_INTERRUPT */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_interrupt_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_interrupt_in *interrupt_in);

/* FUSE_IOCTL; datain: data in; dataout: data out */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_ioctl_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_ioctl_in *ioctl_in, struct doca_buf *datain,
		struct fuse_out_header *out, struct fuse_ioctl_out *ioctl_out,
		struct doca_buf *dataout);

/* FUSE_POLL */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_poll_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_poll_in *poll_in,
		struct fuse_out_header *out, struct fuse_poll_out *poll_out);

/* FUSE_FALLOCATE */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_fallocate_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_fallocate_in *fallocate_in,
		struct fuse_out_header *out);

/* FUSE_DESTROY */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_destroy_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_out_header *out);

/* FUSE_NOTIFY_REPLY; datain: data */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_notify_reply_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_notify_retrieve_in *notify_retrieve_in,
		struct doca_buf *datain);

/* FUSE_BATCH_FORGET; datain: array of struct fuse_forget_one */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_batch_forget_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_batch_forget_in *batch_forget_in,
		struct doca_buf *datain);

/* FUSE_READDIRPLUS; dataout: struct fuse_direntplus records */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_readdirplus_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_read_in *read_in,
		struct fuse_out_header *out, struct doca_buf *dataout);

/* FUSE_RENAME2; datain: old name, new name */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_rename2_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_rename2_in *rename2_in,
		struct doca_buf *datain, struct fuse_out_header *out);

/* FUSE_COPY_FILE_RANGE */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_copy_file_range_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_copy_file_range_in *copy_in,
		struct fuse_out_header *out, struct fuse_write_out *write_out);

/* FUSE_SYNCFS */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_syncfs_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_syncfs_in *syncfs_in,
		struct fuse_out_header *out);

/* FUSE_LSEEK */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_lseek_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_lseek_in *lseek_in,
		struct fuse_out_header *out, struct fuse_lseek_out *lseek_out);

/* FUSE_STATX */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_statx_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_statx_in *statx_in,
		struct fuse_out_header *out, struct fuse_statx_out *statx_out);

/* FUSE_TMPFILE; datain: name */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_tmpfile_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_create_in *create_in,
		struct doca_buf *datain, struct fuse_out_header *out,
		struct fuse_entry_out *entry_out, struct fuse_open_out *open_out);

/* FUSE_BMAP */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_bmap_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_bmap_in *bmap_in,
		struct fuse_out_header *out, struct fuse_bmap_out *bmap_out);

/* FUSE_SETUPMAPPING */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_setupmapping_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_setupmapping_in *setupmapping_in,
		struct fuse_out_header *out);

/* FUSE_REMOVEMAPPING; datain: array of struct fuse_removemapping_one */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_removemapping_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_removemapping_in *removemapping_in,
		struct doca_buf *datain, struct fuse_out_header *out);

/* A buffer for a notification to the guest. Never called while notifications can not be offered. */
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_notification_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_out_header *out, struct doca_buf *dataout);

/* --- the context --- */

/*
 * Creates an I/O context of the device, on the thread that will drive the engine, to which it is
 * connected for life. Destroying: BAD_STATE unless IDLE; allowed when IDLE is being reported.
 */
DOCA_STABLE doca_error_t doca_devemu_vfs_io_create(struct doca_devemu_vfs_dev *vfs_dev,
		struct doca_pe *progress_engine, struct doca_devemu_vfs_io **io);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_destroy(struct doca_devemu_vfs_io *io);

/* Views, valid as long as the I/O context. NULL for NULL. */
DOCA_STABLE struct doca_ctx *doca_devemu_vfs_io_as_ctx(struct doca_devemu_vfs_io *io);
DOCA_STABLE struct doca_devemu_virtio_io *doca_devemu_vfs_io_as_virtio_io(
		struct doca_devemu_vfs_io *io);

/* --- generic form --- */

/*
 * The handler, required for start (BAD_CONFIG). BAD_STATE: not IDLE. NOT_PERMITTED: there are
 * handlers of the other form.
 */
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_req_notice_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_req_notice_handler_cb_t handler,
		union doca_data user_data);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_notification_req_notice_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_notification_req_notice_handler_cb_t handler,
		union doca_data user_data);

/*
 * Gives a request back. len is the number of bytes written to its device-writable part; what the
 * guest reads there is all the user's work. The user data area stays accessible.
 */
DOCA_STABLE void doca_devemu_vfs_req_complete(struct doca_devemu_vfs_req *req, uint32_t len);

/*
 * Buffer lists over guest memory, owned by the library: the device-readable part, and the
 * device-writable part with the room of each buffer as its data length. NULL: no such part.
 */
DOCA_STABLE struct doca_buf *doca_devemu_vfs_req_get_datain(struct doca_devemu_vfs_req *req);
DOCA_STABLE struct doca_buf *doca_devemu_vfs_req_get_dataout(struct doca_devemu_vfs_req *req);

/* Elements and bytes of these lists as they were delivered. */
DOCA_STABLE uint32_t doca_devemu_vfs_req_get_datain_list_len(struct doca_devemu_vfs_req *req);
DOCA_STABLE uint32_t doca_devemu_vfs_req_get_datain_data_len(struct doca_devemu_vfs_req *req);
DOCA_STABLE uint32_t doca_devemu_vfs_req_get_dataout_list_len(struct doca_devemu_vfs_req *req);
DOCA_STABLE uint32_t doca_devemu_vfs_req_get_dataout_data_len(struct doca_devemu_vfs_req *req);

/*
 * Where a request comes from and which one it is: ids grow within a source domain. A request that
 * was in flight when its process died comes again with the same id and domain.
 */
DOCA_STABLE uint64_t doca_devemu_vfs_req_get_id(struct doca_devemu_vfs_req *req);
DOCA_STABLE uint16_t doca_devemu_vfs_req_get_src_domain_id(struct doca_devemu_vfs_req *req);

/* The same for buffers of notifications, of which len bytes are published. */
DOCA_STABLE void doca_devemu_vfs_notification_req_complete(
		struct doca_devemu_vfs_notification_req *req, uint32_t len);
DOCA_STABLE struct doca_buf *doca_devemu_vfs_notification_req_get_dataout(
		struct doca_devemu_vfs_notification_req *req);
DOCA_STABLE uint32_t doca_devemu_vfs_notification_req_get_dataout_list_len(
		struct doca_devemu_vfs_notification_req *req);
DOCA_STABLE uint32_t doca_devemu_vfs_notification_req_get_dataout_data_len(
		struct doca_devemu_vfs_notification_req *req);
DOCA_STABLE uint64_t doca_devemu_vfs_notification_req_get_id(
		struct doca_devemu_vfs_notification_req *req);
DOCA_STABLE uint16_t doca_devemu_vfs_notification_req_get_src_domain_id(
		struct doca_devemu_vfs_notification_req *req);

/* --- FUSE-typed form --- */

/*
 * Gives a request back. With DOCA_SUCCESS the guest gets out->len bytes: out, the reply structure,
 * and what was written to dataout. With any other status, or with out->error set, it gets a reply
 * with that error and nothing else; without out->error, one that resembles the status.
 */
DOCA_STABLE void doca_devemu_vfs_fuse_req_complete(struct doca_devemu_vfs_fuse_req *req,
		doca_error_t status);

/* NULL for NULL. */
DOCA_STABLE struct doca_devemu_vfs_io *doca_devemu_vfs_fuse_req_get_vfs_io(
		struct doca_devemu_vfs_fuse_req *req);

/* As in the generic form; datain and dataout are what the handler gets. */
DOCA_STABLE uint32_t doca_devemu_vfs_fuse_req_get_datain_list_len(
		struct doca_devemu_vfs_fuse_req *req);
DOCA_STABLE uint32_t doca_devemu_vfs_fuse_req_get_datain_data_len(
		struct doca_devemu_vfs_fuse_req *req);
DOCA_STABLE uint32_t doca_devemu_vfs_fuse_req_get_dataout_list_len(
		struct doca_devemu_vfs_fuse_req *req);
DOCA_STABLE uint32_t doca_devemu_vfs_fuse_req_get_dataout_data_len(
		struct doca_devemu_vfs_fuse_req *req);
DOCA_STABLE uint64_t doca_devemu_vfs_fuse_req_get_id(struct doca_devemu_vfs_fuse_req *req);
DOCA_STABLE uint16_t doca_devemu_vfs_fuse_req_get_src_domain_id(
		struct doca_devemu_vfs_fuse_req *req);

/*
 * One handler per operation; the last one registered is called. Only FUSE_INIT is required, start
 * is BAD_CONFIG without; the library answers what has no handler, with ENOSYS as a rule.
 * BAD_STATE: not IDLE. NOT_PERMITTED: there is a handler of the generic form.
 */
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_lookup_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_lookup_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_forget_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_forget_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_getattr_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_getattr_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_setattr_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_setattr_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_readlink_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_readlink_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_symlink_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_symlink_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_mknod_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_mknod_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_mkdir_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_mkdir_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_unlink_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_unlink_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_rmdir_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_rmdir_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_rename_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_rename_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_link_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_link_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_open_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_open_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_read_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_read_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_write_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_write_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_statfs_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_statfs_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_release_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_release_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_fsync_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_fsync_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_setxattr_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_setxattr_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_getxattr_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_getxattr_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_listxattr_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_listxattr_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_removexattr_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_removexattr_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_flush_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_flush_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_init_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_init_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_opendir_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_opendir_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_readdir_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_readdir_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_releasedir_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_releasedir_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_fsyncdir_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_fsyncdir_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_getlk_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_getlk_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_setlk_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_setlk_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_setlkw_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_setlkw_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_access_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_access_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_create_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_create_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_interrupt_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_interrupt_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_ioctl_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_ioctl_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_poll_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_poll_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_fallocate_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_fallocate_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_destroy_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_destroy_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_notify_reply_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_notify_reply_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_batch_forget_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_batch_forget_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_readdirplus_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_readdirplus_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_rename2_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_rename2_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_copy_file_range_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_copy_file_range_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_syncfs_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_syncfs_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_lseek_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_lseek_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_statx_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_statx_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_tmpfile_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_tmpfile_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_bmap_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_bmap_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_setupmapping_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_setupmapping_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_removemapping_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_removemapping_req_notice_handler_cb_t handler);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_notification_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_notification_req_notice_handler_cb_t handler);

#ifdef __cplusplus
}
#endif

#endif
