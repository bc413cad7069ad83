/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small types that several objects share: the user-data cookie, access flags, notification
 * handles.
 */
#ifndef DOCA_TYPES_H
#define DOCA_TYPES_H

#include <linux/types.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A file descriptor on Linux. */
typedef int doca_event_handle_t;
/* What a progress engine hands out for poll or epoll. */
typedef doca_event_handle_t doca_notification_handle_t;
#define doca_event_invalid_handle -1

/* What a program attaches to objects: the library stores it and gives it back. */
union doca_data {
	void *ptr;
	uint64_t u64;
};

/* Pieces of memory, chained. */
struct doca_gather_list {
	void *addr;
	uint64_t len;
	struct doca_gather_list *next;
};

/* Who may do what with a memory range (doca_mmap_set_permissions()). Bits, to be combined. */
enum doca_access_flag {
	DOCA_ACCESS_FLAG_LOCAL_READ_ONLY = 0,		/* good as a source only */
	DOCA_ACCESS_FLAG_LOCAL_READ_WRITE = 1,		/* devices here read and write */
	DOCA_ACCESS_FLAG_RDMA_READ = 2,			/* remembered, without effect */
	DOCA_ACCESS_FLAG_RDMA_WRITE = 4,		/* remembered, without effect */
	DOCA_ACCESS_FLAG_RDMA_ATOMIC = 8,		/* remembered, without effect */
	DOCA_ACCESS_FLAG_PCI_READ_ONLY = 16,		/* a PCI peer may read */
	DOCA_ACCESS_FLAG_PCI_READ_WRITE = 32,		/* a PCI peer may read and write */
	DOCA_ACCESS_FLAG_PCI_RELAXED_ORDERING = 64,	/* a hint, without effect */
};

/* Kind of a PCI function. Emulated functions are physical ones, hot-plugged or not. */
enum doca_pci_func_type {
	DOCA_PCI_FUNC_TYPE_PF = 0,
	DOCA_PCI_FUNC_TYPE_VF = 1,
	DOCA_PCI_FUNC_TYPE_SF = 2,
};

/* Values stored in network byte order. */
typedef __be16 doca_be16_t;
typedef __be32 doca_be32_t;
typedef __be64 doca_be64_t;

/* Types of features this library has no part in; programs name them. */
enum doca_gpu_mem_type {
	DOCA_GPU_MEM_TYPE_GPU = 0,
	DOCA_GPU_MEM_TYPE_GPU_CPU = 1,
	DOCA_GPU_MEM_TYPE_CPU_GPU = 2,
};

enum doca_eth_wait_on_time_type {
	DOCA_ETH_WAIT_ON_TIME_TYPE_NONE = 0,
	DOCA_ETH_WAIT_ON_TIME_TYPE_NATIVE = 1,
	DOCA_ETH_WAIT_ON_TIME_TYPE_DPDK = 2,
};

enum doca_mtu_size {
	DOCA_MTU_SIZE_256_BYTES = 0,
	DOCA_MTU_SIZE_512_BYTES = 1,
	DOCA_MTU_SIZE_1K_BYTES = 2,
	DOCA_MTU_SIZE_2K_BYTES = 3,
	DOCA_MTU_SIZE_4K_BYTES = 4,
	DOCA_MTU_SIZE_RAW_ETHERNET = 5,
};

#define DOCA_GID_BYTE_LENGTH 16 /* of an RDMA address */

#ifdef __cplusplus
}
#endif

#endif
