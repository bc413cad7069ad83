/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The firmware settings of an emulation manager, by the names they have on the card: one table for
 * the board's reader and for who edits boards (tools/softdpu). Constant; any thread.
 */
#ifndef CORE_BOARD_SETTINGS_H
#define CORE_BOARD_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOARD_PF_MAX 128 /* bounded by slot 5 bits, function 3 bits of a PCI address */

struct board_settings {
	int enable;
	int num_pf;
	int num_msix;
	int num_vf;
	int subsystem_vendor_id;
	int subsystem_id;
	int switch_enable;
	int num_port;
};

struct board_setting {
	const char *name;
	size_t offset; /* in struct board_settings */
	int value; /* default */
	int min, max;
	int hole; /* inside of the range and refused all the same; -1: none */
	const char *what; /* in a few words */
};

#define BOARD_NR_SETTINGS 8
extern const struct board_setting board_setting_table[BOARD_NR_SETTINGS]
	__attribute__((visibility("hidden")));

#define BOARD_RANGE_LEN 64

/* NULL: there is no setting of this name. */
const struct board_setting *board_setting_find(const char *name);
bool board_setting_accepts(const struct board_setting *key, int64_t value);
/* What it accepts: "a number from 0 to 128". */
void board_setting_range(const struct board_setting *key, char text[BOARD_RANGE_LEN]);
int *board_setting_of(struct board_settings *set, const struct board_setting *key);
void board_settings_default(struct board_settings *set);

#endif
