/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * Configuration space is three arrays: what the registers hold, which bits a write changes, which
 * bits writing a one clears. They are filled once from tables of registers; after that a write
 * is a masked copy, and the few registers with a side effect are looked at behind it. The
 * capabilities form one list in the order of cap_add() calls.
 */
#include <errno.h>
#include <linux/virtio_pci.h>
#include <string.h>

#include "devemu/pci_int.h"

#define CAP_FIRST 0x40
#define CAP_WINDOW_DATA 16 /* of virtio's access to BARs: pci_cfg_data */
#define MSIX_CONTROL_WRITABLE (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL)
#define LINK_2_5GT_X1 0x11 /* speed 1, width 1: a link that always was up */

struct cfg_reg {
	uint8_t offset, size;
	uint32_t value, writable, write_clear;
};

static const struct cfg_reg cfg_header[] = {
	{PCI_COMMAND, 2, 0,
	 PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
		 PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE, 0},
	{PCI_STATUS, 2, PCI_STATUS_CAP_LIST, 0,
	 PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT | PCI_STATUS_REC_TARGET_ABORT |
		 PCI_STATUS_REC_MASTER_ABORT | PCI_STATUS_SIG_SYSTEM_ERROR |
		 PCI_STATUS_DETECTED_PARITY},
	{PCI_CACHE_LINE_SIZE, 1, 0, 0xff, 0},
	{PCI_INTERRUPT_LINE, 1, 0, 0xff, 0},
	{PCI_INTERRUPT_PIN, 1, 1, 0, 0},
};

static const struct cfg_reg cfg_pm[] = {
	{PCI_PM_PMC, 2, 3, 0, 0}, /* version 1.2; D0 and D3 only, no wake-up */
	{PCI_PM_CTRL, 2, PCI_PM_CTRL_NO_SOFT_RESET, PCI_PM_CTRL_STATE_MASK, 0},
};

static const struct cfg_reg cfg_msix[] = {
	{PCI_MSIX_FLAGS, 2, 0, MSIX_CONTROL_WRITABLE, 0},
};

static const struct cfg_reg cfg_exp[] = {
	{PCI_EXP_FLAGS, 2, 2 | PCI_EXP_TYPE_ENDPOINT << 4, 0, 0},
	{PCI_EXP_DEVCAP, 4, PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_EXT_TAG | PCI_EXP_DEVCAP_FLR, 0, 0},
	{PCI_EXP_DEVCTL, 2,
	 PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN | PCI_EXP_DEVCTL_READRQ_512B,
	 0x7fff & ~(PCI_EXP_DEVCTL_PHANTOM | PCI_EXP_DEVCTL_AUX_PME), 0},
	{PCI_EXP_DEVSTA, 2, 0, 0,
	 PCI_EXP_DEVSTA_CED | PCI_EXP_DEVSTA_NFED | PCI_EXP_DEVSTA_FED | PCI_EXP_DEVSTA_URD},
	{PCI_EXP_LNKCAP, 4, LINK_2_5GT_X1, 0, 0},
	{PCI_EXP_LNKCTL, 2, 0,
	 PCI_EXP_LNKCTL_RCB | PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES, 0},
	{PCI_EXP_LNKSTA, 2, LINK_2_5GT_X1, 0, 0},
	{PCI_EXP_LNKCAP2, 4, 2, 0, 0}, /* 2.5 GT/s */
	{PCI_EXP_LNKCTL2, 2, 1, 0, 0},
};
#define CAP_EXP_SIZE 60

static void cfg_add(struct pci_func *func, unsigned int base, const struct cfg_reg *reg,
		    unsigned int nr)
{
	for (; nr--; reg++) {
		unsigned int at = base + reg->offset;

		put_le(func->initial + at, reg->value, reg->size);
		put_le(func->writable + at, reg->writable, reg->size);
		put_le(func->write_clear + at, reg->write_clear, reg->size);
	}
}

static void cfg_set(struct pci_func *func, unsigned int at, unsigned int size, uint32_t value)
{
	put_le(func->initial + at, value, size);
}

/* ---- capabilities ---- */

struct cap_list {
	unsigned int link; /* where the offset of the next one goes */
	unsigned int next;
};

/* Offset of the new one; 0: no room. */
static unsigned int cap_add(struct pci_func *func, struct cap_list *list, uint8_t id,
			    unsigned int size, const struct cfg_reg *reg, unsigned int nr)
{
	unsigned int at = list->next;

	if (at + size > sizeof(func->cfg))
		return 0;
	func->initial[list->link] = (uint8_t)at;
	func->initial[at] = id;
	list->link = at + PCI_CAP_LIST_NEXT;
	list->next = ALIGN_UP(at + size, 4u);
	cfg_add(func, at, reg, nr);
	return at;
}

static int cap_add_msix(struct pci_func *func, struct cap_list *list)
{
	const struct func_region *table, *pba;
	unsigned int at, table_bar, pba_bar;

	table = pci_bar_find(func, PCI_REGION_MSIX_TABLE, &table_bar);
	pba = pci_bar_find(func, PCI_REGION_MSIX_PBA, &pba_bar);
	if (!func->nr_vectors || !table || !pba)
		return 0;
	at = cap_add(func, list, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF, cfg_msix,
		     ARRAY_SIZE(cfg_msix));
	if (!at)
		return -ENOSPC;
	cfg_set(func, at + PCI_MSIX_FLAGS, 2, func->nr_vectors - 1);
	cfg_set(func, at + PCI_MSIX_TABLE, 4, (uint32_t)table->start | table_bar);
	cfg_set(func, at + PCI_MSIX_PBA, 4, (uint32_t)pba->start | pba_bar);
	func->cap_msix = (uint8_t)at;
	return 0;
}

static const struct {
	uint8_t type, size;
	enum pci_region_kind kind;
} virtio_caps[] = {
	{VIRTIO_PCI_CAP_COMMON_CFG, 16, PCI_REGION_VIRTIO_COMMON},
	{VIRTIO_PCI_CAP_ISR_CFG, 16, PCI_REGION_VIRTIO_ISR},
	{VIRTIO_PCI_CAP_DEVICE_CFG, 16, PCI_REGION_VIRTIO_DEVICE},
	{VIRTIO_PCI_CAP_NOTIFY_CFG, 20, PCI_REGION_VIRTIO_NOTIFY},
};

/* Which BAR and what of it, and the data that is read or written there. */
static const struct cfg_reg cfg_window[] = {
	{VIRTIO_PCI_CAP_BAR, 1, 0, 0xff, 0},
	{VIRTIO_PCI_CAP_OFFSET, 4, 0, 0xffffffff, 0},
	{VIRTIO_PCI_CAP_LENGTH, 4, 0, 0xffffffff, 0},
	{CAP_WINDOW_DATA, 4, 0, 0xffffffff, 0},
};

static int cap_add_virtio(struct pci_func *func, struct cap_list *list)
{
	unsigned int i, at, bar;

	for (i = 0; i < ARRAY_SIZE(virtio_caps); i++) {
		const struct func_region *r = pci_bar_find(func, virtio_caps[i].kind, &bar);

		at = r ? cap_add(func, list, PCI_CAP_ID_VNDR, virtio_caps[i].size, NULL, 0) : 0;
		if (!at)
			return -ENOSPC;
		cfg_set(func, at + VIRTIO_PCI_CAP_LEN, 1, virtio_caps[i].size);
		cfg_set(func, at + VIRTIO_PCI_CAP_CFG_TYPE, 1, virtio_caps[i].type);
		cfg_set(func, at + VIRTIO_PCI_CAP_BAR, 1, bar);
		cfg_set(func, at + VIRTIO_PCI_CAP_OFFSET, 4, (uint32_t)r->start);
		cfg_set(func, at + VIRTIO_PCI_CAP_LENGTH, 4, (uint32_t)r->size);
		if (virtio_caps[i].type == VIRTIO_PCI_CAP_NOTIFY_CFG)
			cfg_set(func, at + VIRTIO_PCI_NOTIFY_CAP_MULT, 4, PCI_NOTIFY_STRIDE);
	}
	at = cap_add(func, list, PCI_CAP_ID_VNDR, CAP_WINDOW_DATA + 4, cfg_window,
		     ARRAY_SIZE(cfg_window));
	if (!at)
		return -ENOSPC;
	cfg_set(func, at + VIRTIO_PCI_CAP_LEN, 1, CAP_WINDOW_DATA + 4);
	cfg_set(func, at + VIRTIO_PCI_CAP_CFG_TYPE, 1, VIRTIO_PCI_CAP_PCI_CFG);
	func->cap_window = (uint8_t)at;
	return 0;
}

static int cfg_add_caps(struct pci_func *func)
{
	struct cap_list list = {PCI_CAPABILITY_LIST, CAP_FIRST};
	unsigned int at;
	int rc;

	if (!cap_add(func, &list, PCI_CAP_ID_PM, PCI_PM_SIZEOF, cfg_pm, ARRAY_SIZE(cfg_pm)))
		return -ENOSPC;
	rc = cap_add_msix(func, &list);
	if (rc)
		return rc;
	at = cap_add(func, &list, PCI_CAP_ID_EXP, CAP_EXP_SIZE, cfg_exp, ARRAY_SIZE(cfg_exp));
	func->cap_exp = (uint8_t)at;
	return at && func->vdev ? cap_add_virtio(func, &list) : at ? 0 : -ENOSPC;
}

/* ---- set-up ---- */

static void cfg_add_ids(struct pci_func *func)
{
	const struct pci_ids *ids = &func->pci->ids;

	cfg_set(func, PCI_VENDOR_ID, 2, ids->vendor_id);
	cfg_set(func, PCI_DEVICE_ID, 2, ids->device_id);
	cfg_set(func, PCI_REVISION_ID, 1, ids->revision_id);
	cfg_set(func, PCI_CLASS_PROG, 3, ids->class_code);
	cfg_set(func, PCI_SUBSYSTEM_VENDOR_ID, 2, ids->subsystem_vendor_id);
	cfg_set(func, PCI_SUBSYSTEM_ID, 2, ids->subsystem_id);
}

static void cfg_add_bar(struct pci_func *func, unsigned int i)
{
	const struct func_bar *bar = &func->bar[i];
	unsigned int at = PCI_BASE_ADDRESS_0 + 4 * i;
	uint64_t mask = ~(bar->size - 1);

	if (!bar->size)
		return;
	cfg_set(func, at, 4, bar->flags);
	put_le(func->writable + at, mask, 4);
	if (bar->flags & PCI_BASE_ADDRESS_MEM_TYPE_64)
		put_le(func->writable + at + 4, mask >> 32, 4);
}

int pci_cfg_init(struct pci_func *func)
{
	unsigned int i;
	int rc;

	cfg_add(func, 0, cfg_header, ARRAY_SIZE(cfg_header));
	cfg_add_ids(func);
	for (i = 0; i < PCI_NUM_BARS; i++)
		cfg_add_bar(func, i);
	rc = cfg_add_caps(func);
	pci_cfg_reset(func);
	return rc;
}

void pci_cfg_reset(struct pci_func *func)
{
	func->dma_off = false;
	memcpy(func->cfg, func->initial, sizeof(func->cfg));
}

uint16_t pci_cfg_msix_control(const struct pci_func *func)
{
	return func->cap_msix ? get_le16(func->cfg + func->cap_msix + PCI_MSIX_FLAGS) : 0;
}

bool pci_cfg_intx_disabled(const struct pci_func *func)
{
	return get_le16(func->cfg + PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE;
}

/* ---- accesses ---- */

static bool cfg_hits(uint64_t offset, size_t len, unsigned int at, unsigned int size)
{
	return at && offset < at + size && at < offset + len;
}

/* What the window of virtio looks at: its length, 0 when it is not set up as the rules want it. */
static unsigned int window_target(const struct pci_func *func, unsigned int *ret_bar,
				  uint32_t *ret_offset)
{
	const uint8_t *cap = func->cfg + func->cap_window;
	uint32_t len = get_le32(cap + VIRTIO_PCI_CAP_LENGTH);

	*ret_bar = cap[VIRTIO_PCI_CAP_BAR];
	*ret_offset = get_le32(cap + VIRTIO_PCI_CAP_OFFSET);
	if (*ret_bar >= PCI_NUM_BARS || (len != 1 && len != 2 && len != 4) || *ret_offset % len ||
	    *ret_offset + (uint64_t)len > func->bar[*ret_bar].size)
		return 0;
	return len;
}

static void window_access(struct pci_func *func, bool write)
{
	uint8_t *data = func->cfg + func->cap_window + CAP_WINDOW_DATA;
	unsigned int bar, len;
	uint32_t offset;

	len = window_target(func, &bar, &offset);
	if (!len)
		return;
	if (write)
		pci_bar_write(func, bar, offset, data, len);
	else
		pci_bar_read(func, bar, offset, data, len);
}

static bool cfg_hits_window(const struct pci_func *func, uint64_t offset, size_t len)
{
	return func->cap_window &&
	       cfg_hits(offset, len, func->cap_window + (unsigned int)CAP_WINDOW_DATA, 4);
}

void pci_cfg_read(struct pci_func *func, uint64_t offset, uint8_t *dst, size_t len)
{
	memset(dst, 0, len);
	/* A dump of everything must not act on the device. */
	if (len <= 4 && cfg_hits_window(func, offset, len))
		window_access(func, false);
	if (offset < sizeof(func->cfg))
		memcpy(dst, func->cfg + offset, min(len, sizeof(func->cfg) - (size_t)offset));
	if (cfg_hits(offset, len, PCI_STATUS, 1) && pci_irq_intx_asserted(func))
		dst[PCI_STATUS - offset] |= PCI_STATUS_INTERRUPT;
}

static void cfg_store(struct pci_func *func, uint64_t offset, const uint8_t *src, size_t len)
{
	size_t i;

	for (i = 0; i < len && offset + i < sizeof(func->cfg); i++) {
		uint8_t *reg = &func->cfg[offset + i];
		uint8_t mask = func->writable[offset + i];

		*reg = (uint8_t)((*reg & ~mask) | (src[i] & mask));
		*reg &= (uint8_t)~(src[i] & func->write_clear[offset + i]);
	}
}

/* There are D0 and D3; who asks for another one stays where it is. It is the first capability. */
static void cfg_fix_power_state(struct pci_func *func, uint8_t before)
{
	uint8_t *reg = &func->cfg[CAP_FIRST + PCI_PM_CTRL];
	uint8_t state = *reg & PCI_PM_CTRL_STATE_MASK;

	if (state == 1 || state == 2)
		*reg = before;
}

static void cfg_command_written(struct pci_func *func, uint16_t before)
{
	uint16_t now = get_le16(func->cfg + PCI_COMMAND);

	if ((before ^ now) & PCI_COMMAND_MASTER)
		func->dma_off = !(now & PCI_COMMAND_MASTER);
	pci_irq_update_intx(func);
	pci_queue_sync(func);
}

void pci_cfg_write(struct pci_func *func, uint64_t offset, const uint8_t *src, size_t len)
{
	unsigned int flr_at = func->cap_exp + (unsigned int)PCI_EXP_DEVCTL + 1;
	uint8_t power = func->cfg[CAP_FIRST + PCI_PM_CTRL];
	uint16_t command = get_le16(func->cfg + PCI_COMMAND);

	cfg_store(func, offset, src, len);
	cfg_fix_power_state(func, power);
	if (cfg_hits_window(func, offset, len))
		window_access(func, true);
	if (func->cap_msix && cfg_hits(offset, len, func->cap_msix + PCI_MSIX_FLAGS, 2))
		pci_msix_update(func);
	if (cfg_hits(offset, len, PCI_COMMAND, 2))
		cfg_command_written(func, command);
	if (cfg_hits(offset, len, flr_at, 1) && src[flr_at - offset] & PCI_EXP_DEVCTL_BCR_FLR >> 8)
		pci_func_flr(func);
}
