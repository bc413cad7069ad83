/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client for unit tests of the vfio-user server: same thread, never waits, and asserts what it is
 * told. Speaks with the definitions of tests/lib, so that a number wrong on one side does not agree
 * with itself.
 */
#ifndef VFIO_CL_H
#define VFIO_CL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fake_func.h"
#include "fake_vdev.h"
#include "transport/vfio_user/vfio_user.h"
#include "vufe_vfu_proto.h"

#define MEM_SIZE 0x100000u
#define NOTHING "", 0, NULL, 0

struct cl { /* one test */
	char dir[64];
	struct function fn;
	struct doca_pe pe;
	struct doca_devemu_virtio_dev dev;
	struct doca_devemu_pci_dev pci;
	void *port;
	int sock, mem_fd, fds_before;
	uint16_t id;
	int got_fd[8]; /* of the latest reply; closed by the next */
	unsigned int nr_got;
};

/* A new connection, or -1. */
int cl_dial(struct cl *c);
/* Connects and lets the server accept. */
void cl_connect(struct cl *c);
/* Until the server has nothing to do. */
void cl_run(struct cl *c);
/* Raw bytes with descriptors. */
void cl_bytes(struct cl *c, const void *buf, size_t len, const int *fds, unsigned int nr);
/* The bytes of the next message; returns their number. */
size_t cl_format(struct cl *c, uint8_t *buf, uint16_t cmd, uint32_t flags, const void *payload,
		 size_t len);
/* One message, not waiting for anything. */
void cl_post(struct cl *c, uint16_t cmd, uint32_t flags, const void *payload, size_t len,
	     const int *fds, unsigned int nr);
void cl_close_got(struct cl *c);
/* Reads what is there, at most len bytes; 0: nothing, -1: closed. */
ssize_t cl_read(struct cl *c, void *buf, size_t len);
/* After all work is done: has the server hung up, did it say nothing? */
bool cl_closed(struct cl *c);
bool cl_silent(struct cl *c);
/* The reply to message id, or the latest: its errno, or exactly len bytes of payload. */
int cl_reply_to(struct cl *c, uint16_t id, uint16_t cmd, void *payload, size_t len);
int cl_reply(struct cl *c, uint16_t cmd, void *payload, size_t len);
/* Sends, and takes a reply without payload: 0 or an errno. */
int cl_do(struct cl *c, uint16_t cmd, const void *payload, size_t len, const int *fds,
	  unsigned int nr);
/* Sends, and takes a reply that replaces the payload. */
int cl_ask(struct cl *c, uint16_t cmd, void *payload, size_t len, size_t reply_len);
/* The errno, or 0 and the reply's text in v. */
int cl_version(struct cl *c, struct vfuc_version *v, size_t text_len);
/* Connects and negotiates: 8 descriptors, multiple writes. */
void cl_start(struct cl *c);
int cl_map(struct cl *c, uint64_t addr, uint64_t size, uint64_t off, uint32_t flags, int fd);
int cl_unmap(struct cl *c, uint64_t addr, uint64_t size, uint32_t flags);
int cl_irqs(struct cl *c, uint32_t flags, uint32_t index, uint32_t start, uint32_t count,
	    const int *fds, unsigned int nr);
/* cmocka fixtures; the tear-down fails when a descriptor or a file is left. */
int cl_setup(void **state);
int cl_teardown(void **state);

#endif
