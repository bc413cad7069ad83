/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The board: which emulation managers and functions exist. Sources, first that applies:
 * softdpu_board_set() (softdpu_ext.h), $SOFTDPU_BOARD (a JSON file), /etc/softdpu/board.json,
 * built-in default (one manager mlx5_0, two static functions, room for one hot-plug function,
 * sockets pf0.sock and pf1.sock in $XDG_RUNTIME_DIR/softdpu or /run/softdpu). Loaded at the first
 * device listing, never changed after.
 *
 * {"managers": [{"name": "mlx5_0", "pci_addr": "0000:03:00.0",
 *                "VIRTIO_FS_EMULATION_ENABLE": 1, "VIRTIO_FS_EMULATION_NUM_PF": 2,
 *                "VIRTIO_FS_EMULATION_NUM_MSIX": 34, "VIRTIO_FS_EMULATION_NUM_VF": 0,
 *                "PCI_SWITCH_EMULATION_ENABLE": 1, "PCI_SWITCH_EMULATION_NUM_PORT": 2,
 *                "functions": [{"transport": "vhost-user", "socket": "/run/x.sock"}, ...],
 *                "hotplug": {"transport": "vfio-user", "dir": "/run/vm", "doorbell": "mapped"}}]}
 */
#ifndef CORE_BOARD_H
#define CORE_BOARD_H

#include "core/dev.h"
#include "doca_error.h"

#define BOARD_FILE "/etc/softdpu/board.json"
#define BOARD_FILE_MAX (1 << 20) /* several times the largest board; keeps /dev/zero out */

struct board {
	unsigned int nr_managers;
	struct doca_devinfo *managers;
};

/*
 * Loads on first call; same answer afterwards. Errors are logged with file, key and value. Any
 * thread, not under the board lock.
 */
doca_error_t board_get(struct board **ret_board);

/* Protects what dev.h says it does. Not recursive; held for a few instructions only. */
void board_lock(void);
void board_unlock(void);

/*
 * Reads JSON text into a new board (board_free()); NULL text gives the built-in default. `source`
 * names the text in messages. DOCA_ERROR_INVALID_VALUE: refused, the reason was logged.
 */
doca_error_t board_parse(const char *json, const char *source, struct board **ret_board);
void board_free(struct board *board);

/* $SOFTDPU_BOARD, or the machine's. */
const char *board_file_path(void);
/*
 * Whole file as text, to be freed; what exceeds BOARD_FILE_MAX is cut off one byte beyond. NULL:
 * errno.
 */
char *board_read_file(const char *path);

/* Where default sockets are: $XDG_RUNTIME_DIR/softdpu, or /run/softdpu. -1: longer than size. */
int board_run_dir(char *path, size_t size);

#endif
