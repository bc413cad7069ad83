/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: what a VMM and a PCI bus driver do with a function they do not know: agree on
 * a version, ask what there is, walk the capability list, size the BARs by writing ones, give each an
 * address, switch decoding on. Whatever the device says is checked against what the specifications
 * promise, since this is where a test of the device begins; nothing of it is trusted with memory.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vufe.h"

#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX
#define BAR_START 0xe0000000ull /* BARs of 64 bits go there from the test's fantasy of a bus */
#define CAPS_MAX 48 /* as many as fit */

/* The number after "name": in JSON, of which nothing more is understood. */
static uint64_t json_number(const char *json, const char *name, uint64_t otherwise)
{
	const char *at = strstr(json, name);

	at = at ? strchr(at, ':') : NULL;
	return at ? strtoull(at + 1, NULL, 10) : otherwise;
}

int vfuc_version(struct vufe_dev *dev)
{
	static const char caps[] = "{\"capabilities\":{\"max_msg_fds\":64,\"max_data_xfer_size\":"
				   "1048576,\"max_dma_maps\":65535,\"pgsizes\":4096,"
				   "\"write_multiple\":true}}";
	struct vfuc_version v = {0};
	const char *multi;
	size_t len;
	int r;

	memcpy(v.json, caps, sizeof(caps));
	r = vfuc_ask(dev, VFUC_VERSION, &v, offsetof(struct vfuc_version, json) + sizeof(caps),
		     NULL, 0, &v, sizeof(v) - 1, &len);
	if (r)
		return r;
	if (len < offsetof(struct vfuc_version, json) || v.major != 0 || v.minor != 0)
		return vufe_fail(dev, -EPROTO, "VERSION: answer %u.%u of %zu bytes", v.major,
				 v.minor, len);
	if (len > offsetof(struct vfuc_version, json) && ((char *)&v)[len - 1])
		return vufe_fail(dev, -EPROTO, "VERSION: the JSON does not end with NUL");
	((char *)&v)[len] = 0;
	dev->vfu.max_fds = (unsigned)json_number(v.json, "\"max_msg_fds\"", 1);
	if (!dev->vfu.max_fds || dev->vfu.max_fds > VUFE_FDS_MAX)
		dev->vfu.max_fds = dev->vfu.max_fds ? VUFE_FDS_MAX : 1;
	multi = strstr(v.json, "\"write_multiple\"");
	multi = multi ? strchr(multi, ':') : NULL;
	dev->vfu.write_multi = multi && strspn(multi + 1, " ") < 4 && strstr(multi, "true");
	return 0;
}

static int irq_info(struct vufe_dev *dev, unsigned index)
{
	struct vfuc_info ask = {.argsz = sizeof(ask), .a = index}, *irq = &dev->vfu.irq[index];
	int r = vfuc_ask(dev, VFUC_GET_IRQ_INFO, &ask, sizeof(ask), NULL, 0, irq, sizeof(*irq),
			 NULL);

	if (!r && irq->a != index)
		return vufe_fail(dev, -EPROTO, "GET_IRQ_INFO: another index");
	return r;
}

int vfuc_info(struct vufe_dev *dev)
{
	struct vfuc_info i = {.argsz = sizeof(i)};
	unsigned k;
	int r = vfuc_ask(dev, VFUC_GET_INFO, &i, sizeof(i), NULL, 0, &i, sizeof(i), NULL);

	if (r)
		return r;
	dev->vfu.flags = i.flags;
	dev->vfu.nr_regions = i.a;
	dev->vfu.nr_irqs = i.b;
	if (!(i.flags & VFIO_DEVICE_FLAGS_PCI) || i.a < VFUC_NR_REGIONS || i.b < VFUC_NR_IRQS)
		return vufe_fail(dev, -EPROTO, "GET_INFO: flags 0x%x, %u regions, %u interrupts",
				 i.flags, i.a, i.b);
	for (k = 0; !r && k < VFUC_NR_REGIONS; k++)
		r = vfuc_region_info(dev, k);
	for (k = 0; !r && k < VFUC_NR_IRQS; k++)
		r = irq_info(dev, k);
	return r;
}

static int read_areas(struct vufe_dev *dev, struct vfuc_region *reg, const uint8_t *re, size_t len,
		      uint32_t at)
{
	struct vfio_region_info_cap_sparse_mmap cap;
	unsigned hops;

	for (hops = 0; at && hops < CAPS_MAX; hops++, at = cap.header.next) {
		if (at > len || len - at < sizeof(cap))
			return vufe_fail(dev, -EPROTO, "GET_REGION_INFO: capability at %u", at);
		memcpy(&cap, re + at, sizeof(cap));
		if (cap.header.id != VFIO_REGION_INFO_CAP_SPARSE_MMAP)
			continue;
		if (cap.nr_areas > VFUC_AREAS_MAX ||
		    len - at < sizeof(cap) + cap.nr_areas * sizeof(reg->area[0]))
			return vufe_fail(dev, -EPROTO, "GET_REGION_INFO: %u areas", cap.nr_areas);
		reg->nr_areas = cap.nr_areas;
		memcpy(reg->area, re + at + sizeof(cap), cap.nr_areas * sizeof(reg->area[0]));
	}
	return 0;
}

int vfuc_region_info(struct vufe_dev *dev, unsigned index)
{
	struct vfio_region_info ask = {.argsz = 1024, .index = index}, info;
	struct vfuc_region *reg = &dev->vfu.region[index];
	uint8_t re[1024];
	unsigned nr_fds = 1;
	size_t len;
	int r;

	*reg = (struct vfuc_region){.fd = -1};
	r = vfuc_send(dev, VFUC_GET_REGION_INFO, 0, &ask, sizeof(ask), NULL, 0);
	if (!r)
		r = vfuc_reply(dev, VFUC_GET_REGION_INFO, re, sizeof(re), &len, &reg->fd, &nr_fds);
	if (r)
		return r;
	if (len < sizeof(info))
		return vufe_fail(dev, -EPROTO, "GET_REGION_INFO: %zu bytes", len);
	memcpy(&info, re, sizeof(info));
	reg->size = info.size;
	reg->fd_offset = info.offset;
	reg->flags = info.flags;
	if (info.index != index || info.argsz != len ||
	    !(info.flags & VFIO_REGION_INFO_FLAG_MMAP) != (reg->fd < 0))
		return vufe_fail(dev, -EPROTO, "GET_REGION_INFO %u: index %u, argsz %u, flags 0x%x",
				 index, info.index, info.argsz, info.flags);
	return info.flags & VFIO_REGION_INFO_FLAG_CAPS ?
	       read_areas(dev, reg, re, len, info.cap_offset) : 0;
}

uint32_t vfuc_config(struct vufe_dev *dev, uint64_t off, unsigned bytes, int *ret_err)
{
	uint32_t v = 0;
	int r = vfuc_read(dev, CONFIG, off, &v, bytes);

	if (r && !*ret_err)
		*ret_err = r;
	return v;
}

static void config_write(struct vufe_dev *dev, uint64_t off, uint32_t v, unsigned bytes, int *err)
{
	int r = vfuc_write(dev, CONFIG, off, &v, bytes);

	if (r && !*err)
		*err = r;
}

/* A vendor capability of virtio: virtio 1.2, 4.1.4. */
static void virtio_cap(struct vufe_dev *dev, uint8_t pos, int *err)
{
	uint32_t type = vfuc_config(dev, pos + 3u, 1, err);
	struct vfuc_cap c = {.present = true, .pos = pos};

	c.bar = (uint8_t)vfuc_config(dev, pos + 4u, 1, err);
	c.offset = vfuc_config(dev, pos + 8u, 4, err);
	c.length = vfuc_config(dev, pos + 12u, 4, err);
	/* Of several of a type the first is preferred; types nobody knows are to be passed over. */
	if (type >= VFUC_NR_CAPS || dev->vfu.cap[type].present)
		return;
	if (type != VFUC_CAP_PCI && (c.bar > 5 || c.offset > dev->vfu.region[c.bar].size ||
				     c.length > dev->vfu.region[c.bar].size - c.offset)) {
		*err = vufe_fail(dev, -EPROTO, "virtio capability %u leaves BAR %u", type, c.bar);
		return;
	}
	dev->vfu.cap[type] = c;
	if (type == VFUC_CAP_NOTIFY)
		dev->vfu.notify_multiplier = vfuc_config(dev, pos + 16u, 4, err);
}

int vfuc_find_caps(struct vufe_dev *dev)
{
	struct vfuc *v = &dev->vfu;
	unsigned hops;
	int err = 0;
	uint32_t pos;

	memset(v->cap, 0, sizeof(v->cap));
	v->pos_pcie = v->pos_msix = v->pos_pm = 0;
	if (vfuc_config(dev, PCI_VENDOR_ID, 2, &err) != VFUC_VENDOR)
		return err ? err : vufe_fail(dev, -ENODEV, "not a virtio device");
	if (!(vfuc_config(dev, PCI_STATUS, 2, &err) & PCI_STATUS_CAP_LIST))
		return err ? err : vufe_fail(dev, -EPROTO, "no capability list");
	pos = vfuc_config(dev, PCI_CAPABILITY_LIST, 1, &err);
	for (hops = 0; !err && pos && hops < CAPS_MAX; hops++) {
		switch (vfuc_config(dev, pos, 1, &err)) {
		case PCI_CAP_ID_VNDR: virtio_cap(dev, (uint8_t)pos, &err); break;
		case PCI_CAP_ID_MSIX: v->pos_msix = (uint8_t)pos; break;
		case PCI_CAP_ID_EXP: v->pos_pcie = (uint8_t)pos; break;
		case PCI_CAP_ID_PM: v->pos_pm = (uint8_t)pos; break;
		}
		pos = vfuc_config(dev, pos + 1, 1, &err) & ~3u;
	}
	if (err)
		return err;
	if (pos || !v->cap[VFUC_CAP_COMMON].present || !v->cap[VFUC_CAP_NOTIFY].present ||
	    !v->cap[VFUC_CAP_ISR].present || !v->cap[VFUC_CAP_DEVICE].present)
		return vufe_fail(dev, -EPROTO, "the capability list lacks parts or an end");
	return 0;
}

/* Sizes one BAR by the book and compares; returns how many registers it takes. */
static unsigned assign_bar(struct vufe_dev *dev, unsigned i, uint64_t *at, int *err)
{
	uint64_t reg = PCI_BASE_ADDRESS_0 + i * 4, size, mask;
	uint32_t low = vfuc_config(dev, reg, 4, err);
	bool wide = (low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;

	config_write(dev, reg, UINT32_MAX, 4, err);
	if (wide)
		config_write(dev, reg + 4, UINT32_MAX, 4, err);
	mask = vfuc_config(dev, reg, 4, err) & PCI_BASE_ADDRESS_MEM_MASK;
	mask |= wide ? (uint64_t)vfuc_config(dev, reg + 4, 4, err) << 32 :
		mask ? UINT64_MAX << 32 : 0;
	size = mask ? ~mask + 1 : 0;
	if (!*err && size != dev->vfu.region[i].size)
		*err = vufe_fail(dev, -EPROTO, "BAR %u: sized 0x%" PRIx64 ", region 0x%" PRIx64, i,
				 size, dev->vfu.region[i].size);
	if (!*err && size) {
		*at = (*at + size - 1) & mask;
		config_write(dev, reg, (uint32_t)*at, 4, err);
		if (wide)
			config_write(dev, reg + 4, (uint32_t)(*at >> 32), 4, err);
		dev->vfu.bar_addr[i] = *at;
		*at += size;
	}
	return wide ? 2 : 1;
}

int vfuc_assign_bars(struct vufe_dev *dev)
{
	uint64_t at = BAR_START;
	unsigned i;
	int err = 0;

	config_write(dev, PCI_COMMAND, 0, 2, &err);
	for (i = 0; !err && i < 6;)
		i += assign_bar(dev, i, &at, &err);
	return err;
}

int vfuc_pci_enable(struct vufe_dev *dev)
{
	int err = 0;

	config_write(dev, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2, &err);
	if (dev->vfu.pos_msix)
		config_write(dev, dev->vfu.pos_msix + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 2,
			     &err);
	return err;
}

int vfuc_flr(struct vufe_dev *dev)
{
	uint64_t ctl = dev->vfu.pos_pcie + PCI_EXP_DEVCTL;
	uint32_t v;
	int err = 0, i;

	if (!dev->vfu.pos_pcie ||
	    !(vfuc_config(dev, dev->vfu.pos_pcie + PCI_EXP_DEVCAP, 4, &err) & PCI_EXP_DEVCAP_FLR))
		return err ? err : vufe_fail(dev, -EOPNOTSUPP, "the function has no FLR");
	v = vfuc_config(dev, ctl, 2, &err);
	config_write(dev, ctl, v | PCI_EXP_DEVCTL_BCR_FLR, 2, &err);
	/* A driver gives it 100 ms and looks at the command register; here, until it is done. */
	for (i = 0; !err && i < 1000; i++) {
		if (!(vfuc_config(dev, PCI_COMMAND, 2, &err) & PCI_COMMAND_MEMORY))
			break;
		nanosleep(&(struct timespec){0, 5000000}, NULL);
	}
	if (!err)
		err = vfuc_assign_bars(dev);
	return err ? err : vfuc_pci_enable(dev);
}

void vfuc_hang_up(struct vufe_dev *dev)
{
	struct vfuc *v = &dev->vfu;
	unsigned i;

	for (i = 0; i < VFUC_NR_REGIONS; i++) {
		if (v->region[i].fd >= 0)
			close(v->region[i].fd);
		v->region[i] = (struct vfuc_region){.fd = -1};
	}
	for (i = 0; i < dev->nr_vqs; i++)
		dev->vq[i].doorbell = NULL;
	if (v->map)
		munmap(v->map, v->map_len);
	v->map = NULL;
	v->doorbells = NULL;
	if (v->config_fd >= 0)
		close(v->config_fd);
	v->config_fd = -1;
	free(v->buf);
	v->buf = NULL;
}
