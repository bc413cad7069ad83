/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What travels on a vhost-user socket, as the front end sees it. Written for the tests and the load
 * generator and kept apart from the back end's own definitions on purpose: a number that is wrong
 * on one side only is then found by the protocol tests.
 */
#ifndef VUFE_PROTO_H
#define VUFE_PROTO_H

#include <assert.h>
#include <stdint.h>

enum vufe_msg_nr {
	VUFE_GET_FEATURES = 1,
	VUFE_SET_FEATURES = 2,
	VUFE_SET_OWNER = 3,
	VUFE_RESET_OWNER = 4,
	VUFE_SET_MEM_TABLE = 5,
	VUFE_SET_LOG_BASE = 6,
	VUFE_SET_LOG_FD = 7,
	VUFE_SET_VRING_NUM = 8,
	VUFE_SET_VRING_ADDR = 9,
	VUFE_SET_VRING_BASE = 10,
	VUFE_GET_VRING_BASE = 11,
	VUFE_SET_VRING_KICK = 12,
	VUFE_SET_VRING_CALL = 13,
	VUFE_SET_VRING_ERR = 14,
	VUFE_GET_PROTOCOL_FEATURES = 15,
	VUFE_SET_PROTOCOL_FEATURES = 16,
	VUFE_GET_QUEUE_NUM = 17,
	VUFE_SET_VRING_ENABLE = 18,
	VUFE_SET_BACKEND_REQ_FD = 21,
	VUFE_GET_CONFIG = 24,
	VUFE_SET_CONFIG = 25,
	VUFE_GET_INFLIGHT_FD = 31,
	VUFE_SET_INFLIGHT_FD = 32,
	VUFE_RESET_DEVICE = 34,
	VUFE_VRING_KICK = 35,
	VUFE_GET_MAX_MEM_SLOTS = 36,
	VUFE_ADD_MEM_REG = 37,
	VUFE_REM_MEM_REG = 38,
	VUFE_SET_STATUS = 39,
	VUFE_GET_STATUS = 40,
};

/* Messages the back end starts, on the channel of SET_BACKEND_REQ_FD. */
enum vufe_backend_nr {
	VUFE_BACKEND_CONFIG_CHANGE = 2,
};

/* Header flags. */
#define VUFE_VERSION 0x1u
#define VUFE_REPLY 0x4u
#define VUFE_NEED_REPLY 0x8u

/* In the u64 of SET_VRING_KICK/CALL/ERR: the low byte is the queue. */
#define VUFE_VRING_NOFD 0x100u

/* Virtio feature bits (as masks). */
#define VUFE_F_INDIRECT (1ull << 28)
#define VUFE_F_EVENT_IDX (1ull << 29)
#define VUFE_F_PROTOCOL (1ull << 30)
#define VUFE_F_VERSION_1 (1ull << 32)
#define VUFE_F_PACKED (1ull << 34)

/* Protocol feature bits (as masks). */
#define VUFE_PF_MQ (1ull << 0)
#define VUFE_PF_REPLY_ACK (1ull << 3)
#define VUFE_PF_BACKEND_REQ (1ull << 5)
#define VUFE_PF_CONFIG (1ull << 9)
#define VUFE_PF_BACKEND_SEND_FD (1ull << 10)
#define VUFE_PF_INFLIGHT (1ull << 12)
#define VUFE_PF_RESET_DEVICE (1ull << 13)
#define VUFE_PF_INBAND (1ull << 14)
#define VUFE_PF_MEM_SLOTS (1ull << 15)
#define VUFE_PF_STATUS (1ull << 16)

struct vufe_hdr {
	uint32_t req;
	uint32_t flags;
	uint32_t size;
};

struct vufe_vring_state {
	uint32_t index;
	uint32_t num;
};

struct vufe_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc;
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};

struct vufe_mem_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t uaddr;
	uint64_t mmap_off;
};

#define VUFE_TABLE_REGIONS 8

struct vufe_mem_table {
	uint32_t num;
	uint32_t pad;
	struct vufe_mem_region region[VUFE_TABLE_REGIONS];
};

struct vufe_mem_slot {
	uint64_t pad;
	struct vufe_mem_region region;
};

#define VUFE_CONFIG_MAX 256

struct vufe_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t data[VUFE_CONFIG_MAX];
};

struct vufe_inflight {
	uint64_t mmap_size;
	uint64_t mmap_off;
	uint16_t nr_queues;
	uint16_t queue_size;
	uint32_t pad;
};

/* Start of one queue's part of the inflight area (split ring); one entry a descriptor follows. */
struct vufe_inflight_queue {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t last_batch_head;
	uint16_t used_idx;
};

struct vufe_inflight_desc {
	uint8_t inflight;
	uint8_t pad[5];
	uint16_t next;
	uint64_t counter;
};

static_assert(sizeof(struct vufe_hdr) == 12, "vhost-user header");
static_assert(sizeof(struct vufe_vring_addr) == 40, "vring address");
static_assert(sizeof(struct vufe_mem_table) == 264, "memory table");
static_assert(sizeof(struct vufe_mem_slot) == 40, "memory slot");
static_assert(sizeof(struct vufe_inflight_desc) == 16, "inflight entry");

#endif
