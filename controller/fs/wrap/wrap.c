/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/wrap/wrap.h"

#include <errno.h>
#include <stdlib.h>

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
