/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Some open flags have other values on other architectures, and FUSE carries them as the client's
 * kernel has them. A device told what its client runs on hands them out in our own values.
 */
#include <stddef.h>

#include "base/util.h"
#include "devemu/vfs.h"

enum { FLAG_DIRECT, FLAG_LARGEFILE, FLAG_DIRECTORY, FLAG_NOFOLLOW, NR_FLAGS };

static const uint32_t x86_flags[NR_FLAGS] = {
	[FLAG_DIRECT] = 040000,
	[FLAG_LARGEFILE] = 0100000,
	[FLAG_DIRECTORY] = 0200000,
	[FLAG_NOFOLLOW] = 0400000,
};

static const uint32_t arm_flags[NR_FLAGS] = {
	[FLAG_DIRECT] = 0200000,
	[FLAG_LARGEFILE] = 0400000,
	[FLAG_DIRECTORY] = 040000,
	[FLAG_NOFOLLOW] = 0100000,
};

#if defined(__x86_64__) || defined(__i386__)
static const uint32_t *const own_flags = x86_flags;
#elif defined(__aarch64__) || defined(__arm__)
static const uint32_t *const own_flags = arm_flags;
#else
#error "which values do the open flags have on this architecture?"
#endif

static const uint32_t *const arch_flags[] = {
	[DOCA_DEVEMU_VFS_FUSE_CLIENT_ARCH_X86] = x86_flags,
	[DOCA_DEVEMU_VFS_FUSE_CLIENT_ARCH_X86_64] = x86_flags,
	[DOCA_DEVEMU_VFS_FUSE_CLIENT_ARCH_AARCH] = arm_flags,
	[DOCA_DEVEMU_VFS_FUSE_CLIENT_ARCH_AARCH_64] = arm_flags,
};

/* Where the argument of an opcode has open flags, plus one. */
static const uint8_t flags_at[FUSE_OP_LIMIT] = {
	[FUSE_OPEN] = offsetof(struct fuse_open_in, flags) + 1,
	[FUSE_OPENDIR] = offsetof(struct fuse_open_in, flags) + 1,
	[FUSE_CREATE] = offsetof(struct fuse_create_in, flags) + 1,
	[FUSE_TMPFILE] = offsetof(struct fuse_create_in, flags) + 1,
	[FUSE_READ] = offsetof(struct fuse_read_in, flags) + 1,
	[FUSE_READDIR] = offsetof(struct fuse_read_in, flags) + 1,
	[FUSE_READDIRPLUS] = offsetof(struct fuse_read_in, flags) + 1,
	[FUSE_WRITE] = offsetof(struct fuse_write_in, flags) + 1,
	[FUSE_RELEASE] = offsetof(struct fuse_release_in, flags) + 1,
	[FUSE_RELEASEDIR] = offsetof(struct fuse_release_in, flags) + 1,
};

const uint32_t *vfs_arch_flag_map(enum doca_devemu_vfs_fuse_client_arch arch)
{
	const uint32_t *map = NULL;

	if ((unsigned int)arch < ARRAY_SIZE(arch_flags))
		map = arch_flags[arch];
	return map == own_flags ? NULL : map;
}

void vfs_arch_translate(const uint32_t *map, uint32_t opcode, void *arg)
{
	uint32_t *flags, old, i;

	if (!flags_at[opcode])
		return;
	flags = (void *)((uint8_t *)arg + flags_at[opcode] - 1);
	old = *flags;
	for (i = 0; i < NR_FLAGS; i++)
		*flags &= ~map[i];
	for (i = 0; i < NR_FLAGS; i++)
		if (old & map[i])
			*flags |= own_flags[i];
}
