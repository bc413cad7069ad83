/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A front end for unit tests of the vhost-user back end: same thread, never waits, and asserts
 * what it is told. Speaks with the definitions of tests/lib, so that a number wrong on one side
 * does not agree with itself.
 */
#ifndef VHOST_FE_H
#define VHOST_FE_H

#include "fake_vdev.h"
#include "transport/vhost_user/vhost_user.h"
#include "vufe_proto.h"

#define MEM_SIZE 0x100000u
#define MEM_UVA 0x700000000000ull
#define ALL_PROTO                                                                               \
	(VUFE_PF_MQ | VUFE_PF_REPLY_ACK | VUFE_PF_BACKEND_REQ | VUFE_PF_CONFIG |                 \
	 VUFE_PF_INFLIGHT | VUFE_PF_RESET_DEVICE | VUFE_PF_MEM_SLOTS | VUFE_PF_STATUS)

struct fe { /* one test */
	char dir[64];
	struct function fn;
	struct doca_pe pe;
	struct doca_devemu_virtio_dev dev;
	struct doca_devemu_pci_dev pci;
	void *port;
	int sock;
	int mem_fd;
	int fds_before;
};

/* A new connection, or -1. */
int fe_dial(const char *path);
/* Connects and lets the back end accept. */
void fe_connect(struct fe *e);
/* Raw bytes with descriptors. */
void fe_bytes(struct fe *e, const void *buf, size_t len, const int *fds, unsigned int nr);
/* One message, not waiting for anything. */
void fe_post(struct fe *e, uint32_t req, uint32_t flags, const void *payload, size_t len,
	     const int *fds, unsigned int nr);
/* After all work is done: has the back end hung up, did it say nothing? */
bool fe_closed(struct fe *e);
bool fe_silent(struct fe *e);
/* The reply to req: exactly len bytes of payload. */
void fe_reply(struct fe *e, uint32_t req, void *payload, size_t len, int *ret_fd);
/* Sends with NEED_REPLY and returns the acknowledgement: 0 or an errno. */
uint64_t fe_do(struct fe *e, uint32_t req, const void *payload, size_t len, const int *fds,
	       unsigned int nr);
uint64_t fe_u64(struct fe *e, uint32_t req, uint64_t v, int fd);
uint64_t fe_state(struct fe *e, uint32_t req, uint32_t index, uint32_t num);
/* A request that is answered by a number. */
uint64_t fe_ask(struct fe *e, uint32_t req);
uint32_t fe_get_base(struct fe *e, uint32_t q);
/* Memory of mem_fd; the front end has it at MEM_UVA + gpa. */
struct vufe_mem_slot fe_slot(uint64_t gpa, uint64_t size, uint64_t off);
uint64_t fe_add(struct fe *e, uint64_t gpa, uint64_t size, uint64_t off, int fd);
uint64_t fe_remove(struct fe *e, uint64_t gpa, uint64_t size);
struct vufe_vring_addr fe_addr_of(uint32_t q, uint64_t gpa);
uint64_t fe_addr(struct fe *e, uint32_t q, uint64_t gpa);
/* A fresh eventfd for queue q. */
uint64_t fe_fd(struct fe *e, uint32_t req, uint32_t q);
void fe_negotiate(struct fe *e);
/* Everything of queue q but ENABLE, in the order of QEMU. */
void fe_setup_queue(struct fe *e, uint32_t q, uint64_t gpa);
/* Connects, negotiates, adds memory, starts queue 1 with rings at 0x10000. */
void fe_start(struct fe *e);
/* Where the device sees guest memory. */
uint8_t *fe_host(struct fe *e, uint64_t gpa);
/* cmocka fixtures; the tear-down fails when a descriptor or a file is left. */
int fe_setup(void **state);
int fe_teardown(void **state);

#endif
