/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/types.h"

#include <string.h>

static const struct fs_ops *const types[] = { &fs_local, &fs_nfs, &fs_null };
static const struct fs_ops *const wrappers[] = { &fs_wrap_log, &fs_wrap_delay, &fs_wrap_error };

static const struct fs_ops *find(const struct fs_ops *const *table, size_t nr, const char *name)
{
	for (size_t i = 0; name && i < nr; i++)
		if (!strcmp(table[i]->name, name))
			return table[i];
	return NULL;
}

const struct fs_ops *fs_find(const char *type)
{
	return find(types, ARRAY_SIZE(types), type);
}

const struct fs_ops *fs_find_wrapper(const char *name)
{
	return find(wrappers, ARRAY_SIZE(wrappers), name);
}

size_t fs_req_ctx_size(void)
{
	size_t most = 0;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		most = max(most, types[i]->req_ctx_size);
	for (size_t i = 0; i < ARRAY_SIZE(wrappers); i++)
		most = max(most, wrappers[i]->req_ctx_size);
	return most;
}
