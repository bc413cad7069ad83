/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/types.h"

#include <string.h>

static const struct fs_ops *const types[] = { &fs_local, &fs_nfs, &fs_null };

const struct fs_ops *fs_find(const char *type)
{
	for (size_t i = 0; type && i < ARRAY_SIZE(types); i++)
		if (!strcmp(types[i]->name, type))
			return types[i];
	return NULL;
}

size_t fs_req_ctx_size(void)
{
	size_t most = 0;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		most = max(most, types[i]->req_ctx_size);
	return most;
}
