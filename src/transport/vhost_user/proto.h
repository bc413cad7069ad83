/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What travels on a vhost-user socket. Names and numbers follow the vhost-user document of QEMU
 * (docs/interop/vhost-user.rst); everything is in the byte order of the machine.
 */
#ifndef VHOST_USER_PROTO_H
#define VHOST_USER_PROTO_H

#include <assert.h>
#include <stdint.h>

struct vhu_hdr {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload that follows, bytes */
};

#define VHU_VERSION_MASK 0x3u
#define VHU_VERSION 0x1u
#define VHU_REPLY 0x4u
#define VHU_NEED_REPLY 0x8u

enum vhu_request_nr {
	VHU_GET_FEATURES = 1,
	VHU_SET_FEATURES = 2,
	VHU_SET_OWNER = 3,
	VHU_RESET_OWNER = 4,
	VHU_SET_MEM_TABLE = 5,
	VHU_SET_LOG_BASE = 6,
	VHU_SET_LOG_FD = 7,
	VHU_SET_VRING_NUM = 8,
	VHU_SET_VRING_ADDR = 9,
	VHU_SET_VRING_BASE = 10,
	VHU_GET_VRING_BASE = 11,
	VHU_SET_VRING_KICK = 12,
	VHU_SET_VRING_CALL = 13,
	VHU_SET_VRING_ERR = 14,
	VHU_GET_PROTOCOL_FEATURES = 15,
	VHU_SET_PROTOCOL_FEATURES = 16,
	VHU_GET_QUEUE_NUM = 17,
	VHU_SET_VRING_ENABLE = 18,
	VHU_SET_BACKEND_REQ_FD = 21,
	VHU_GET_CONFIG = 24,
	VHU_SET_CONFIG = 25,
	VHU_GET_INFLIGHT_FD = 31,
	VHU_SET_INFLIGHT_FD = 32,
	VHU_RESET_DEVICE = 34,
	VHU_GET_MAX_MEM_SLOTS = 36,
	VHU_ADD_MEM_REG = 37,
	VHU_REM_MEM_REG = 38,
	VHU_SET_STATUS = 39,
	VHU_GET_STATUS = 40,
};

/* Messages of ours, on the channel given by SET_BACKEND_REQ_FD. */
enum vhu_backend_request_nr {
	VHU_BACKEND_CONFIG_CHANGE = 2,
};

/* A virtio feature bit that never reaches the driver: "I speak protocol features". */
#define VHU_F_PROTOCOL_FEATURES (1ull << 30)

#define VHU_PF_MQ (1ull << 0)
#define VHU_PF_REPLY_ACK (1ull << 3)
#define VHU_PF_BACKEND_REQ (1ull << 5)
#define VHU_PF_CONFIG (1ull << 9)
#define VHU_PF_INFLIGHT_SHMFD (1ull << 12)
#define VHU_PF_RESET_DEVICE (1ull << 13)
#define VHU_PF_CONFIGURE_MEM_SLOTS (1ull << 15)
#define VHU_PF_STATUS (1ull << 16)

struct vhu_vring_state {
	uint32_t index;
	uint32_t num;
};

#define VHU_VRING_F_LOG 0x1u

struct vhu_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc; /* these three are addresses of the front end */
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};

/* The u64 of SET_VRING_KICK, SET_VRING_CALL and SET_VRING_ERR. */
#define VHU_VRING_INDEX_MASK 0xffull
#define VHU_VRING_NOFD 0x100ull
#define VHU_MAX_QUEUES 256

struct vhu_mem_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t uva;
	uint64_t mmap_offset;
};

/* QEMU sends up to 8 regions in one table, the Rust vhost crate up to 32. */
#define VHU_TABLE_REGIONS 32

struct vhu_mem_table {
	uint32_t nr;
	uint32_t padding;
	struct vhu_mem_region region[VHU_TABLE_REGIONS];
};

struct vhu_mem_slot {
	uint64_t padding;
	struct vhu_mem_region region;
};

#define VHU_CONFIG_MAX 256

struct vhu_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t data[VHU_CONFIG_MAX];
};
#define VHU_CONFIG_HDR 12

struct vhu_inflight {
	uint64_t mmap_size;
	uint64_t mmap_offset;
	uint16_t nr_queues;
	uint16_t queue_size;
	uint32_t padding; /* sent by most front ends, as their compiler pads the struct */
};
#define VHU_INFLIGHT_MIN 20

union vhu_payload {
	uint64_t u64;
	struct vhu_vring_state state;
	struct vhu_vring_addr addr;
	struct vhu_mem_table table;
	struct vhu_mem_slot slot;
	struct vhu_config config;
	struct vhu_inflight inflight;
};

static_assert(sizeof(struct vhu_hdr) == 12, "header");
static_assert(sizeof(struct vhu_vring_state) == 8, "vring state");
static_assert(sizeof(struct vhu_vring_addr) == 40, "vring address");
static_assert(sizeof(struct vhu_mem_region) == 32, "memory region");
static_assert(sizeof(struct vhu_mem_table) == 8 + 32 * VHU_TABLE_REGIONS, "memory table");
static_assert(sizeof(struct vhu_mem_slot) == 40, "memory slot");
static_assert(sizeof(struct vhu_config) == VHU_CONFIG_HDR + VHU_CONFIG_MAX, "config");
static_assert(sizeof(struct vhu_inflight) == 24, "in-flight description");

#endif
