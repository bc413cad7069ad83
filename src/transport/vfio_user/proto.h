/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vfio-user on the wire. Numbers and layouts are those of the protocol's document and of
 * linux/vfio.h; byte order is the host's, there is no padding.
 */
#ifndef VFIO_USER_PROTO_H
#define VFIO_USER_PROTO_H

#include <stdint.h>

enum vfu_cmd {
	VFU_VERSION = 1,
	VFU_DMA_MAP = 2,
	VFU_DMA_UNMAP = 3,
	VFU_DEVICE_GET_INFO = 4,
	VFU_DEVICE_GET_REGION_INFO = 5,
	VFU_DEVICE_GET_REGION_IO_FDS = 6,
	VFU_DEVICE_GET_IRQ_INFO = 7,
	VFU_DEVICE_SET_IRQS = 8,
	VFU_REGION_READ = 9,
	VFU_REGION_WRITE = 10,
	VFU_DMA_READ = 11, /* ours to send, as the next */
	VFU_DMA_WRITE = 12,
	VFU_DEVICE_RESET = 13,
	VFU_DIRTY_PAGES = 14, /* of drafts */
	VFU_REGION_WRITE_MULTI = 15,
	VFU_DEVICE_FEATURE = 16,
	VFU_MIG_DATA_READ = 17,
	VFU_MIG_DATA_WRITE = 18,
};

#define VFU_F_TYPE 0xfu /* field of the flags: */
#define VFU_F_COMMAND 0x0u
#define VFU_F_REPLY 0x1u
#define VFU_F_NO_REPLY 0x10u
#define VFU_F_ERROR 0x20u

struct vfu_hdr {
	uint16_t id;
	uint16_t cmd;
	uint32_t size; /* of the whole message */
	uint32_t flags;
	uint32_t error; /* of a reply with VFU_F_ERROR: errno */
};

#define VFU_MAJOR 0
#define VFU_MINOR 1

struct vfu_version {
	uint16_t major, minor; /* JSON text with its NUL follows, or nothing */
};

/* What counts when a peer does not say. */
#define VFU_DEFAULT_FDS 1
#define VFU_DEFAULT_XFER 1048576
#define VFU_DEFAULT_PGSIZES 4096

struct vfu_dma_map {
	uint32_t argsz, flags;
	uint64_t offset, address, size;
};

struct vfu_dma_unmap {
	uint32_t argsz, flags;
	uint64_t address, size;
};

struct vfu_device_info {
	uint32_t argsz, flags, num_regions, num_irqs;
};

struct vfu_region_info {
	uint32_t argsz, flags, index, cap_offset;
	uint64_t size, offset;
};

/* The capability that lists what may be mapped; struct vfu_area follow. */
struct vfu_sparse_cap {
	uint16_t id, version;
	uint32_t next, nr_areas, reserved;
};

struct vfu_area {
	uint64_t offset, size;
};

struct vfu_io_fds {
	uint32_t argsz, flags, index, count;
};

#define VFU_IO_FD_IOEVENTFD 0

struct vfu_io_fd {
	uint64_t offset, size;
	uint32_t fd_index, type, flags, padding;
	uint64_t datamatch;
};

struct vfu_irq_info {
	uint32_t argsz, flags, index, count;
};

struct vfu_irq_set {
	uint32_t argsz, flags, index, start, count; /* booleans, one byte each, may follow */
};

struct vfu_region_access {
	uint64_t offset;
	uint32_t region, count; /* data follow */
};

struct vfu_multi {
	uint64_t count; /* struct vfu_multi_write follow */
};

struct vfu_multi_write {
	uint64_t offset;
	uint32_t region, count;
	uint8_t data[8];
};

struct vfu_dma_access {
	uint64_t address, count; /* data follow */
};

_Static_assert(sizeof(struct vfu_hdr) == 16 && sizeof(struct vfu_dma_map) == 32 &&
	       sizeof(struct vfu_dma_unmap) == 24 && sizeof(struct vfu_region_info) == 32 &&
	       sizeof(struct vfu_sparse_cap) == 16 && sizeof(struct vfu_io_fd) == 40 &&
	       sizeof(struct vfu_irq_set) == 20 && sizeof(struct vfu_multi_write) == 24,
	       "layout");

#endif
