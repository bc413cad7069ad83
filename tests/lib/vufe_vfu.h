/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vfio-user half of vufe: a small VMM with a virtio-pci driver in it. The functions here are
 * its steps, for tests which want them apart; vufe_open() and friends take them in order.
 *
 * Errors as in vufe.h; an error reply becomes its errno (-EREMOTEIO when it names none). One
 * thread at a time, kicks excepted: those belong to the queue's owner.
 */
#ifndef VUFE_VFU_H
#define VUFE_VFU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vufe_vfu_proto.h"

#define VFUC_NR_REGIONS 9
#define VFUC_NR_IRQS 5
#define VFUC_AREAS_MAX 16
#define VFUC_MSG_MAX ((1u << 20) + 64) /* payload of the longest message */

struct vufe_dev;
struct vufe_vq;

struct vfuc_region {
	uint64_t size;
	uint64_t fd_offset;
	uint32_t flags;		/* VFIO_REGION_INFO_FLAG_* */
	int fd;			/* owned; -1: nothing to map */
	unsigned nr_areas;
	struct {
		uint64_t offset, size;
	} area[VFUC_AREAS_MAX];
};

/* A structure of registers that a capability pointed to. */
struct vfuc_cap {
	bool present;
	uint8_t pos;		/* in configuration space */
	uint8_t bar;
	uint32_t offset, length;
};

struct vfuc {
	uint16_t next_id;
	unsigned max_fds;	/* the server takes in one message */
	bool write_multi;
	uint32_t flags, nr_regions, nr_irqs;
	struct vfuc_region region[VFUC_NR_REGIONS];
	struct vfuc_info irq[VFUC_NR_IRQS];
	struct vfuc_cap cap[VFUC_NR_CAPS];
	uint32_t notify_multiplier;
	uint8_t pos_pcie, pos_msix, pos_pm;	/* capabilities; 0: none */
	uint64_t bar_addr[6];
	int config_fd;		/* eventfd of vector 0: configuration changes; owned */
	uint8_t *doorbells;	/* mapped notify structure or NULL */
	void *map;
	size_t map_len;
	uint64_t nr_dma_reads, nr_dma_writes;	/* messages the server sent */
	uint8_t *buf;		/* VFUC_MSG_MAX, for messages of the server */
};

/* ---- vufe_vfu_msg.c ---- */

int vfuc_send(struct vufe_dev *dev, uint16_t cmd, uint32_t flags, const void *payload, size_t len,
	      const int *fds, unsigned nr_fds);
/*
 * Reads the next message, whatever it is. fds: room for *nr_fds; NULL: none are wanted.
 * -ENODATA: hung up, -ETIMEDOUT.
 */
int vfuc_recv(struct vufe_dev *dev, struct vfuc_hdr *hdr, void *payload, size_t cap, int *fds,
	      unsigned *nr_fds);
/* A command and its reply, of which at most cap bytes; *ret_len may be NULL if it must be cap. */
int vfuc_ask(struct vufe_dev *dev, uint16_t cmd, const void *payload, size_t len, const int *fds,
	     unsigned nr_fds, void *reply, size_t cap, size_t *ret_len);
/* The reply to the last command, when it was sent apart. Serves what comes before it. */
int vfuc_reply(struct vufe_dev *dev, uint16_t cmd, void *reply, size_t cap, size_t *ret_len,
	       int *fds, unsigned *nr_fds);
/* Answers DMA_READ and DMA_WRITE that wait on the socket; never blocks for more of them. */
int vfuc_serve(struct vufe_dev *dev);

int vfuc_read(struct vufe_dev *dev, uint32_t region, uint64_t off, void *buf, uint32_t len);
int vfuc_write(struct vufe_dev *dev, uint32_t region, uint64_t off, const void *buf, uint32_t len);
/* A write nobody answers. */
int vfuc_post(struct vufe_dev *dev, uint32_t region, uint64_t off, const void *buf, uint32_t len);
int vfuc_dma_map(struct vufe_dev *dev, uint64_t gpa, uint64_t size, int fd, uint64_t fd_offset,
		 uint32_t flags);
int vfuc_dma_unmap(struct vufe_dev *dev, uint64_t gpa, uint64_t size);
/* VFIO_IRQ_SET_* flags; eventfds in messages as large as the server takes. */
int vfuc_set_irqs(struct vufe_dev *dev, uint32_t index, uint32_t flags, uint32_t start,
		  uint32_t count, const int *fds, unsigned nr_fds);
/* DEVICE_RESET. */
int vfuc_reset(struct vufe_dev *dev);

/* ---- vufe_vfu_dev.c: from a socket to a PCI function whose registers can be used ---- */

int vfuc_version(struct vufe_dev *dev);
int vfuc_info(struct vufe_dev *dev);
int vfuc_region_info(struct vufe_dev *dev, unsigned index);
/* Capabilities of the configuration space; BARs get addresses, decoding and bus mastering go on. */
int vfuc_find_caps(struct vufe_dev *dev);
int vfuc_assign_bars(struct vufe_dev *dev);
int vfuc_pci_enable(struct vufe_dev *dev);
/* Function level reset by its bit in the PCIe capability; the function is set up again after it. */
int vfuc_flr(struct vufe_dev *dev);
/* Forgets what the connection gave: regions, mappings. */
void vfuc_hang_up(struct vufe_dev *dev);

uint32_t vfuc_config(struct vufe_dev *dev, uint64_t off, unsigned bytes, int *ret_err);

/* ---- vufe_vfu_virtio.c: the driver ---- */

/* Registers of 1, 2, 4 bytes in a structure. Errors go to *err, unless that has one already. */
uint32_t vfuc_get(struct vufe_dev *dev, enum vfuc_cap_type cap, uint32_t off, unsigned bytes,
		  int *err);
void vfuc_set(struct vufe_dev *dev, enum vfuc_cap_type cap, uint32_t off, uint32_t v,
	      unsigned bytes, int *err);
/* Writes status 0 and waits until it reads so. */
int vfuc_virtio_reset(struct vufe_dev *dev);
/* Reset to FEATURES_OK. */
int vfuc_virtio_begin(struct vufe_dev *dev);
int vfuc_add_status(struct vufe_dev *dev, uint8_t bits);
int vfuc_get_status(struct vufe_dev *dev, uint8_t *ret);
/* MSI-X with vector 0 for the configuration and one a queue, as far as they go. */
int vfuc_irqs_setup(struct vufe_dev *dev);
/* By queue_reset; the driver's side of the ring is empty afterwards. */
int vfuc_queue_reset(struct vufe_vq *vq);

extern const struct vufe_ops vfuc_ops;

#endif
