/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * softdpu_ext.h - what this library can say beyond the DOCA API.
 *
 * A program that must also run on a DPU does without these calls or guards them with
 * `#ifdef SOFTDPU_EXT`; nothing here is needed for correctness.
 */
#ifndef SOFTDPU_EXT_H
#define SOFTDPU_EXT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "doca_buf.h"
#include "doca_compat.h"
#include "doca_error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SOFTDPU_EXT 1

/*
 * Names and other leading datain bytes of a FUSE-typed request that the library has copied directly
 * behind the fixed argument (behind fuse_in_header for opcodes without one), at most this many.
 */
#define SOFTDPU_STAGED_LEN 8192

/*
 * Describes the board of this process as JSON text (format: docs/man/softdpu-board.5), before anything is listed.
 * Takes precedence over $SOFTDPU_BOARD. The text is copied.
 * DOCA_ERROR_BAD_STATE: the board is in use already. DOCA_ERROR_INVALID_VALUE: refused, reason logged.
 */
DOCA_STABLE doca_error_t softdpu_board_set(const char *json);

/*
 * The socket on which the host reaches this function, into path[0..size). DOCA_ERROR_INVALID_VALUE: size
 * is too small, or the function has no socket.
 */
struct doca_dev_rep;
DOCA_STABLE doca_error_t softdpu_rep_get_socket_path(const struct doca_dev_rep *rep, char *path,
						     size_t size);

/* The same for the transport: "vhost-user", "vfio-user" or "loop". */
DOCA_STABLE doca_error_t softdpu_rep_get_transport(const struct doca_dev_rep *rep, char *name,
						   size_t size);

/*
 * The directory of default sockets, $XDG_RUNTIME_DIR/softdpu or /run/softdpu; it need not exist.
 * DOCA_ERROR_INVALID_VALUE: size is too small.
 */
DOCA_STABLE doca_error_t softdpu_get_run_dir(char *path, size_t size);

/*
 * Is guest memory behind doca_bufs of vfs requests directly addressable by this CPU? Always 1 in this
 * library; a program may then read and write request buffers in place instead of using doca_dma.
 */
DOCA_STABLE uint8_t softdpu_cap_is_host_memory_addressable(void);

/*
 * Guest memory belongs to the host, which may take it away again: a front end that truncates the file
 * behind it makes the next access to it raise SIGBUS. After this call such an access finds zeros, and
 * costs the front end its connection instead of the process its life. Installs a handler of SIGBUS for
 * the whole process, for good; every SIGBUS that is not about guest memory goes on to the handler, or
 * the default action, that was there before. Call it once, after handlers of the program's own are in
 * place and before a device is started. Any thread; more calls do nothing.
 * DOCA_ERROR_OPERATING_SYSTEM: the handler could not be installed.
 */
DOCA_STABLE doca_error_t softdpu_guard_guest_memory(void);

/*
 * Fills iov[0..max) with the data segments of the list that starts at buf (any element), in order.
 * Returns the number of segments, or -1 when there are more than max. NULL is an empty list.
 * The memory is the guest's: it may change at any time, and stays mapped until the request is
 * completed.
 */
DOCA_STABLE int softdpu_buf_list_to_iov(const struct doca_buf *buf, struct iovec *iov, int max);

/*
 * Number of leading datain bytes of this FUSE-typed request staged behind its fixed argument.
 * Valid while the request is owned by the user.
 */
struct doca_devemu_vfs_fuse_req;
DOCA_STABLE size_t softdpu_fuse_req_staged_len(const struct doca_devemu_vfs_fuse_req *req);

/*
 * Calls cb(arg) whenever the host of a device has disconnected and the device is reset, on the thread
 * that progresses the device. One for the process; register before a device is started. NULL: none.
 */
typedef void (*softdpu_host_gone_cb_t)(void *arg);
DOCA_STABLE doca_error_t softdpu_host_gone_register(softdpu_host_gone_cb_t cb, void *arg);

/*
 * FUSE_COPY_FILE_RANGE_64, which protocol 7.45 brought and the API has no event for. As the API's own
 * events: register before the context is started.
 */
struct doca_devemu_vfs_io;
struct fuse_in_header;
struct fuse_copy_file_range_in;
struct fuse_out_header;
struct fuse_copy_file_range_out;
typedef void (*doca_devemu_vfs_io_event_vfs_fuse_copy_file_range_64_req_notice_handler_cb_t)(
		struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		struct fuse_in_header *in, struct fuse_copy_file_range_in *copy_in,
		struct fuse_out_header *out, struct fuse_copy_file_range_out *copy_out);
DOCA_STABLE doca_error_t doca_devemu_vfs_io_event_vfs_fuse_copy_file_range_64_req_handler_register(
		struct doca_devemu_vfs_io *io,
		doca_devemu_vfs_io_event_vfs_fuse_copy_file_range_64_req_notice_handler_cb_t handler);

#ifdef __cplusplus
}
#endif

#endif
