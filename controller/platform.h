/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything the controller knows beyond the DOCA API. Built against another DOCA library
 * (no softdpu_ext.h) these answer for plain hardware: no direct data path, no sockets to name.
 */
#ifndef CONTROLLER_PLATFORM_H
#define CONTROLLER_PLATFORM_H

#include <stdbool.h>
#include <sys/uio.h>

#include "doca_buf.h"
#include "doca_dev.h"
#include "doca_devemu_vfs_io.h"
#include "softdpu_ext.h"

struct conf;

static inline bool platform_has_direct_path(void)
{
	return softdpu_cap_is_host_memory_addressable();
}

static inline int platform_buf_to_iov(const struct doca_buf *buf, struct iovec *iov, int most)
{
	return softdpu_buf_list_to_iov(buf, iov, most);
}

static inline size_t platform_staged_len(const struct doca_devemu_vfs_fuse_req *req)
{
	return softdpu_fuse_req_staged_len(req);
}

/* A front end that truncates its guest's memory shall not end this process. */
static inline bool platform_guard_guest_memory(void)
{
	return softdpu_guard_guest_memory() == DOCA_SUCCESS;
}

/* fn is called on an engine thread whenever a host has disconnected. Before a device is started. */
static inline int platform_when_host_gone(void (*fn)(void *arg))
{
	return softdpu_host_gone_register(fn, NULL) == DOCA_SUCCESS ? 0 : -1;
}

/* One function per configured device, with its socket, when the configuration names sockets. */
int platform_set_board(const struct conf *conf);

/* The longest path a socket address holds, with its NUL. */
#define PLATFORM_SOCKET_LEN 108

/* The socket on which the host reaches this function; "" where there is none. */
void platform_socket_of(const struct doca_dev_rep *rep, char *buf, size_t size);

/* What its host speaks; "" where that is not known. */
void platform_transport_of(const struct doca_dev_rep *rep, char *buf, size_t size);

/* Where the control socket goes when nobody says; false: there is no such place. */
bool platform_run_dir(char *buf, size_t size);

/* Removes a socket of ours, and the lock the library keeps beside it, when its device cannot be
 * destroyed in order. Safe in a signal handler. */
void platform_remove_socket(const char *socket);

#endif
