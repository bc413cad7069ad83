/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commands, one row each: how long, how many descriptors, what to do. Memory, regions and
 * interrupts live in their own files. What is not in the table is answered with ENOTSUP, and so are
 * migration and dirty page tracking.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <string.h>

#include "transport/vfio_user/vfu.h"

#define VERSION_TEXT_MAX 4096

static int device_info(struct vfu_session *s, const struct vfu_msg *m)
{
	struct vfu_device_info info;

	memcpy(&info, m->payload, sizeof(info));
	if (info.argsz < sizeof(info))
		return vfu_fail(s, -EINVAL, "argsz %u", info.argsz);
	info = (struct vfu_device_info){
		.argsz = sizeof(info),
		.flags = VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI,
		.num_regions = PCI_FUNC_NR_REGIONS,
		.num_irqs = PCI_FUNC_NR_IRQS,
	};
	vfu_tx_add(&s->reply, &info, sizeof(info));
	return 0;
}

static int device_reset(struct vfu_session *s, const struct vfu_msg *m)
{
	pci_func_reset(vfu_func(s));
	s->patience = VFU_PATIENCE_NS;
	return 0;
}

static int refuse(struct vfu_session *s, const struct vfu_msg *m)
{
	return vfu_fail(s, -ENOTSUP, "there is no migration");
}

#define ACCESS sizeof(struct vfu_region_access)

static const struct vfu_request requests[] = {
	[VFU_VERSION] = {"VERSION", sizeof(struct vfu_version),
			 sizeof(struct vfu_version) + VERSION_TEXT_MAX, 0, vfu_version},
	[VFU_DMA_MAP] = {"DMA_MAP", sizeof(struct vfu_dma_map), sizeof(struct vfu_dma_map), 1,
			 vfu_dma_map},
	/* with room for the bitmap that drafts had */
	[VFU_DMA_UNMAP] = {"DMA_UNMAP", sizeof(struct vfu_dma_unmap),
			   sizeof(struct vfu_dma_unmap) + 16, 0, vfu_dma_unmap},
	[VFU_DEVICE_GET_INFO] = {"DEVICE_GET_INFO", sizeof(struct vfu_device_info),
				 sizeof(struct vfu_device_info), 0, device_info},
	[VFU_DEVICE_GET_REGION_INFO] = {"DEVICE_GET_REGION_INFO", sizeof(struct vfu_region_info),
					sizeof(struct vfu_region_info), 0, vfu_region_info},
	[VFU_DEVICE_GET_REGION_IO_FDS] = {"DEVICE_GET_REGION_IO_FDS", sizeof(struct vfu_io_fds),
					  sizeof(struct vfu_io_fds), 0, vfu_region_io_fds},
	[VFU_DEVICE_GET_IRQ_INFO] = {"DEVICE_GET_IRQ_INFO", sizeof(struct vfu_irq_info),
				     sizeof(struct vfu_irq_info), 0, vfu_irq_info},
	[VFU_DEVICE_SET_IRQS] = {"DEVICE_SET_IRQS", sizeof(struct vfu_irq_set), VFU_XFER_MAX,
				 VFU_FDS_MAX, vfu_irq_set},
	[VFU_REGION_READ] = {"REGION_READ", ACCESS, ACCESS, 0, vfu_region_read},
	[VFU_REGION_WRITE] = {"REGION_WRITE", ACCESS, ACCESS + VFU_XFER_MAX, 0, vfu_region_write},
	[VFU_DEVICE_RESET] = {"DEVICE_RESET", 0, 0, 0, device_reset},
	[VFU_DIRTY_PAGES] = {"DIRTY_PAGES", 0, VFU_XFER_MAX, 0, refuse},
	[VFU_REGION_WRITE_MULTI] = {"REGION_WRITE_MULTI", sizeof(struct vfu_multi), VFU_XFER_MAX,
				    0, vfu_region_write_multi},
	[VFU_DEVICE_FEATURE] = {"DEVICE_FEATURE", 0, VFU_XFER_MAX, 0, refuse},
	[VFU_MIG_DATA_READ] = {"MIG_DATA_READ", 0, VFU_XFER_MAX, 0, refuse},
	[VFU_MIG_DATA_WRITE] = {"MIG_DATA_WRITE", 0, VFU_XFER_MAX, 0, refuse},
};

const struct vfu_request *vfu_request_find(uint16_t cmd)
{
	return cmd < ARRAY_SIZE(requests) && requests[cmd].name ? &requests[cmd] : NULL;
}
