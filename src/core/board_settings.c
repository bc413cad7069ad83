/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/board_settings.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"

const struct board_setting board_setting_table[BOARD_NR_SETTINGS] = {
#define KEY(name, field, value, min, max, hole, what) \
	{ name, offsetof(struct board_settings, field), value, min, max, hole, what }
	KEY("VIRTIO_FS_EMULATION_ENABLE", enable, 1, 0, 1, -1, "virtio-fs functions exist"),
	KEY("VIRTIO_FS_EMULATION_NUM_PF", num_pf, 2, 0, BOARD_PF_MAX, -1, "static functions"),
	KEY("VIRTIO_FS_EMULATION_NUM_MSIX", num_msix, 34, 1, 2048, -1,
	    "interrupt vectors of each static function"),
	KEY("VIRTIO_FS_EMULATION_NUM_VF", num_vf, 0, 0, 0, -1, "virtual functions"),
	KEY("VIRTIO_FS_EMU_SUBSYSTEM_VENDOR_ID", subsystem_vendor_id, 0x1af4, 0, 0xffff, -1,
	    "PCI subsystem vendor id of static functions"),
	KEY("VIRTIO_FS_EMULATION_SUBSYSTEM_ID", subsystem_id, 0x105a, 0, 0xffff, -1,
	    "PCI subsystem id of static functions"),
	KEY("PCI_SWITCH_EMULATION_ENABLE", switch_enable, 1, 0, 1, -1,
	    "functions can be hot-plugged"),
	KEY("PCI_SWITCH_EMULATION_NUM_PORT", num_port, 2, 0, 32, 1,
	    "one more than functions can be hot-plugged"),
#undef KEY
};

const struct board_setting *board_setting_find(const char *name)
{
	size_t i;

	for (i = 0; i < BOARD_NR_SETTINGS; i++)
		if (!strcmp(board_setting_table[i].name, name))
			return &board_setting_table[i];
	return NULL;
}

bool board_setting_accepts(const struct board_setting *key, int64_t value)
{
	return value >= key->min && value <= key->max && value != key->hole;
}

void board_setting_range(const struct board_setting *key, char text[BOARD_RANGE_LEN])
{
	if (key->hole == key->min + 1)
		snprintf(text, BOARD_RANGE_LEN, "%d or a number from %d to %d", key->min,
			 key->hole + 1, key->max);
	else
		snprintf(text, BOARD_RANGE_LEN, "a number from %d to %d", key->min, key->max);
}

int *board_setting_of(struct board_settings *set, const struct board_setting *key)
{
	return (int *)((char *)set + key->offset);
}

void board_settings_default(struct board_settings *set)
{
	size_t i;

	for (i = 0; i < BOARD_NR_SETTINGS; i++)
		*board_setting_of(set, &board_setting_table[i]) = board_setting_table[i].value;
}
