/* SPDX-License-Identifier: BSD-3-Clause */
/* The board reader: any text is a board with every promise of softdpu-board(5) kept, or refused. */
#include <stdlib.h>
#include <string.h>

#include "core/board.h"

static void check(int is_true)
{
	if (!is_true)
		abort();
}

static void check_manager(const struct doca_devinfo *info)
{
	unsigned int i;
	uint64_t addr;

	check(dev_parse_pci_addr(info->pci_addr, &addr) == 0);
	check(info->ibdev_name[0] && info->num_msix >= 1 && info->num_hotplug_ports <= 31);
	check(info->nr_functions <= (info->vfs_enabled ? 128 : 0));
	for (i = 0; i < info->nr_functions; i++) {
		const struct function *fn = &info->functions[i];

		check(fn->manager == info && fn->index == i);
		check(dev_parse_pci_addr(fn->pci_addr, &addr) == 0);
		check(!strcmp(fn->transport, "loop") == !fn->socket_path[0]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct board *board;
	unsigned int i;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (board_parse(text, "fuzz", &board) == DOCA_SUCCESS) {
		check(board->nr_managers >= 1 && board->nr_managers <= 16);
		for (i = 0; i < board->nr_managers; i++)
			check_manager(&board->managers[i]);
		board_free(board);
	}
	free(text);
	return 0;
}
