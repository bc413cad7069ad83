/* SPDX-License-Identifier: BSD-3-Clause */
/* A few tags, written by one thread and looked at by all when nothing moves: see client.h. */
#include "client.h"

void nfs_intr_note(struct nfs_intr *intr, uint64_t tag)
{
	uint32_t slot = __atomic_fetch_add(&intr->next, 1, __ATOMIC_RELAXED);

	__atomic_store_n(&intr->tag[slot % NFS_MAX_INTR], tag, __ATOMIC_RELAXED);
}

bool nfs_intr_has(const struct nfs_intr *intr, uint64_t tag)
{
	for (int i = 0; i < NFS_MAX_INTR; i++)
		if (__atomic_load_n(&intr->tag[i], __ATOMIC_RELAXED) == tag)
			return true;
	return false;
}

void nfs_intr_clear(struct nfs_intr *intr)
{
	for (int i = 0; i < NFS_MAX_INTR; i++)
		__atomic_store_n(&intr->tag[i], 0, __ATOMIC_RELAXED);
}
