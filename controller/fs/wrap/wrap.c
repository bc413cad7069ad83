/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/wrap/wrap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/types.h"

int wrap_open_plain(const struct fs_ops *ops, struct fs **ret_fs)
{
	struct fs *fs = calloc(1, sizeof(*fs));

	if (!fs)
		return -ENOMEM;
	fs->ops = ops;
	*ret_fs = fs;
	return 0;
}

void wrap_close_plain(struct fs *fs)
{
	free(fs);
}

int wrap_attach_plain(struct fs *fs, struct thr *thr, unsigned int index, struct fs_thread **ret_ft)
{
	*ret_ft = calloc(1, sizeof(**ret_ft));
	return *ret_ft ? 0 : -ENOMEM;
}

void wrap_detach_plain(struct fs_thread *ft)
{
	free(ft);
}

bool wrap_op_gives_back(uint32_t opcode)
{
	return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET || opcode == FUSE_RELEASE ||
	       opcode == FUSE_RELEASEDIR || opcode == FUSE_INTERRUPT;
}

int wrap_stack(struct fs **fs, const struct fs_ops *ops, const struct fs_config *cfg, char *err)
{
	struct fs *upper;
	int rc = ops->open(cfg, &upper, err);

	if (rc)
		return rc;
	upper->lower = *fs;
	upper->cache = (*fs)->cache;
	upper->init_flags = (*fs)->init_flags;
	upper->max_io = (*fs)->max_io;
	*fs = upper;
	return 0;
}

/* One "name" or "name=arg"; cut into its two halves. */
static int stack_item(struct fs **fs, const struct fs_config *cfg, char *item, char *err)
{
	char *arg = strchr(item, '=');
	struct fs_config with = *cfg;
	const struct fs_ops *ops;

	if (arg)
		*arg++ = '\0';
	ops = fs_find_wrapper(item);
	if (!ops) {
		snprintf(err, FS_ERR_LEN, "wrapper '%s' is unknown: use log, delay or error", item);
		return -EINVAL;
	}
	with.arg = arg;
	return wrap_stack(fs, ops, &with, err);
}

int wrap_stack_list(struct fs **fs, const struct fs_config *cfg, char *err)
{
	char *list = strdup(cfg->wrap), *item;
	int rc = list ? 0 : -ENOMEM;

	/* The outermost is named first, so it is put on last. */
	for (int n = 0; !rc; n++) {
		if (n == FS_MAX_LAYERS) {
			snprintf(err, FS_ERR_LEN, "'%s' has more than %d wrappers", cfg->wrap,
				 FS_MAX_LAYERS);
			rc = -E2BIG;
			break;
		}
		item = strrchr(list, ',');
		if (!item) {
			rc = stack_item(fs, cfg, list, err);
			break;
		}
		*item++ = '\0';
		rc = stack_item(fs, cfg, item, err);
	}
	free(list);
	return rc;
}
