/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What travels on a vfio-user socket and what a driver finds behind it, as the client sees it. Kept
 * apart from the server's own definitions on purpose, like vufe_proto.h. Numbers that are the
 * kernel's come from linux/vfio.h and linux/pci_regs.h.
 */
#ifndef VUFE_VFU_PROTO_H
#define VUFE_VFU_PROTO_H

#include <assert.h>
#include <stdint.h>

enum vfuc_cmd {
	VFUC_VERSION = 1,
	VFUC_DMA_MAP = 2,
	VFUC_DMA_UNMAP = 3,
	VFUC_GET_INFO = 4,
	VFUC_GET_REGION_INFO = 5,
	VFUC_GET_REGION_IO_FDS = 6,
	VFUC_GET_IRQ_INFO = 7,
	VFUC_SET_IRQS = 8,
	VFUC_REGION_READ = 9,
	VFUC_REGION_WRITE = 10,
	VFUC_DMA_READ = 11,
	VFUC_DMA_WRITE = 12,
	VFUC_RESET = 13,
	VFUC_REGION_WRITE_MULTI = 15,
};

/* Flags of the header. */
#define VFUC_TYPE 0xfu
#define VFUC_REPLY 0x1u
#define VFUC_NO_REPLY 0x10u
#define VFUC_ERROR 0x20u

struct vfuc_hdr {
	uint16_t id;
	uint16_t cmd;
	uint32_t size; /* of the whole message */
	uint32_t flags;
	uint32_t error;
};

struct vfuc_version {
	uint16_t major, minor;
	char json[1024];
};

#define VFUC_DMA_READABLE 1u
#define VFUC_DMA_WRITABLE 2u

struct vfuc_dma_map {
	uint32_t argsz, flags;
	uint64_t offset, addr, size;
};

struct vfuc_dma_unmap {
	uint32_t argsz, flags;
	uint64_t addr, size;
};

/* Of DEVICE_GET_INFO (a: regions, b: interrupts) and GET_IRQ_INFO (a: index, b: count). */
struct vfuc_info {
	uint32_t argsz, flags, a, b;
};

struct vfuc_io_fds {
	uint32_t argsz, flags, index, count;
};

#define VFUC_IO_FD_EVENTFD 0u

struct vfuc_io_fd {
	uint64_t offset, size;
	uint32_t fd_index, type, flags, pad;
	uint64_t datamatch;
};

struct vfuc_irq_set {
	uint32_t argsz, flags, index, start, count;
};

struct vfuc_rw {
	uint64_t offset;
	uint32_t region, count;
};

struct vfuc_dma_rw {
	uint64_t addr, count;
};

struct vfuc_one_write {
	uint64_t offset;
	uint32_t region, count;
	uint64_t data;
};

/* Types of the vendor capabilities of a virtio device (virtio 1.2, 4.1.4). */
enum vfuc_cap_type {
	VFUC_CAP_COMMON = 1,
	VFUC_CAP_NOTIFY = 2,
	VFUC_CAP_ISR = 3,
	VFUC_CAP_DEVICE = 4,
	VFUC_CAP_PCI = 5,
	VFUC_NR_CAPS = 6
};

/* Offsets in the common configuration structure (4.1.4.3). */
enum vfuc_common {
	VFUC_DEVICE_FEATURE_SELECT = 0,
	VFUC_DEVICE_FEATURE = 4,
	VFUC_DRIVER_FEATURE_SELECT = 8,
	VFUC_DRIVER_FEATURE = 12,
	VFUC_CONFIG_VECTOR = 16,
	VFUC_NUM_QUEUES = 18,
	VFUC_STATUS = 20,
	VFUC_GENERATION = 21,
	VFUC_QUEUE_SELECT = 22,
	VFUC_QUEUE_SIZE = 24,
	VFUC_QUEUE_VECTOR = 26,
	VFUC_QUEUE_ENABLE = 28,
	VFUC_QUEUE_NOTIFY_OFF = 30,
	VFUC_QUEUE_DESC = 32,
	VFUC_QUEUE_DRIVER = 40,
	VFUC_QUEUE_DEVICE = 48,
	VFUC_QUEUE_NOTIFY_DATA = 56,
	VFUC_QUEUE_RESET = 58,
};

#define VFUC_NO_VECTOR 0xffffu

/* Device status. */
#define VFUC_S_ACKNOWLEDGE 1u
#define VFUC_S_DRIVER 2u
#define VFUC_S_DRIVER_OK 4u
#define VFUC_S_FEATURES_OK 8u
#define VFUC_S_NEEDS_RESET 0x40u
#define VFUC_S_FAILED 0x80u

#define VFUC_VENDOR 0x1af4
#define VFUC_DEVICE_FS 0x105a

static_assert(sizeof(struct vfuc_hdr) == 16, "vfio-user header");
static_assert(sizeof(struct vfuc_dma_map) == 32, "DMA_MAP");
static_assert(sizeof(struct vfuc_dma_unmap) == 24, "DMA_UNMAP");
static_assert(sizeof(struct vfuc_io_fd) == 40, "ioeventfd");
static_assert(sizeof(struct vfuc_irq_set) == 20, "SET_IRQS");
static_assert(sizeof(struct vfuc_rw) == 16, "REGION_READ");
static_assert(sizeof(struct vfuc_one_write) == 24, "one of REGION_WRITE_MULTI");

#endif
