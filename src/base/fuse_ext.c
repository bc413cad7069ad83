/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/fuse_ext.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "doca_devemu_vfs_fuse_kernel.h"

void fuse_ext_init(struct fuse_ext_iter *it, const void *datain, size_t len, uint16_t total_extlen)
{
	size_t area = (size_t)total_extlen * 8;

	it->left = area <= len ? area : 0;
	it->p = it->left ? (const uint8_t *)datain + (len - area) : NULL;
}

bool fuse_ext_next(struct fuse_ext_iter *it, struct fuse_ext *ret)
{
	struct fuse_ext_header h;
	size_t step;

	if (it->left < sizeof(h))
		return false;
	memcpy(&h, it->p, sizeof(h));
	if (h.size < sizeof(h) || h.size > it->left)
		return false;
	ret->type = h.type;
	ret->data = it->p + sizeof(h);
	ret->len = h.size - sizeof(h);
	step = ALIGN_UP((size_t)h.size, (size_t)8); /* the area is a multiple of 8: fits as well */
	it->p += step;
	it->left -= step;
	return true;
}

static int fuse_ext_copy_groups(const struct fuse_ext *ext, uint32_t *groups, unsigned int max)
{
	uint32_t nr;

	if (ext->len < sizeof(nr))
		return -EINVAL;
	memcpy(&nr, ext->data, sizeof(nr));
	if (nr > (ext->len - sizeof(nr)) / sizeof(*groups))
		return -EINVAL;
	if (nr > max)
		return -E2BIG;
	memcpy(groups, ext->data + sizeof(nr), nr * sizeof(*groups));
	return (int)nr;
}

int fuse_ext_groups(const void *datain, size_t len, uint16_t total_extlen, uint32_t *groups,
		    unsigned int max)
{
	struct fuse_ext_iter it;
	struct fuse_ext ext;

	if ((size_t)total_extlen * 8 > len)
		return -EINVAL;
	fuse_ext_init(&it, datain, len, total_extlen);
	while (fuse_ext_next(&it, &ext))
		if (ext.type == FUSE_EXT_GROUPS)
			return fuse_ext_copy_groups(&ext, groups, max);
	return it.left ? -EINVAL : 0;
}

bool fuse_ext_label(const void *datain, size_t len, uint16_t total_extlen, const char **ret_name,
		    const void **ret_value, size_t *ret_len)
{
	struct fuse_secctx ctx;
	struct fuse_ext_iter it;
	struct fuse_ext ext;
	const uint8_t *nul;

	fuse_ext_init(&it, datain, len, total_extlen);
	do {
		if (!fuse_ext_next(&it, &ext))
			return false;
	} while (!ext.type || ext.type > FUSE_MAX_NR_SECCTX);
	if (ext.len < sizeof(ctx))
		return false;
	memcpy(&ctx, ext.data, sizeof(ctx));
	nul = memchr(ext.data + sizeof(ctx), 0, ext.len - sizeof(ctx));
	if (!nul || ctx.size > ext.len - (size_t)(nul + 1 - ext.data))
		return false;
	*ret_name = (const char *)ext.data + sizeof(ctx);
	*ret_value = nul + 1;
	*ret_len = ctx.size;
	return true;
}
