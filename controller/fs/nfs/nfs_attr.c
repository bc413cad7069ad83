/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long the guest may believe what it is told: acregmin and its kin, close-to-open.
 *
 * Theory of operation: a node remembers a hash of what the guest knows of it (size, mtime, ctime) and for how
 * long it was told to believe that. Asked again after that time and nothing changed: twice as long, up to the
 * maximum; changed: the minimum again. Changes of our own are recognised by the wcc data of their replies
 * (what the object was before them) and do not count.
 *
 * Nothing can be said to a guest unasked. So for close-to-open the names of files are not believed at all:
 * each open() looks the name up, which refreshes size and times in the guest, which drops its page cache if
 * they changed. That is why OPEN may let it keep the cache otherwise.
 *
 * With locks on the server, who gets one has to see what the holder before wrote, though the file was open all
 * the while. A lock cannot make the guest ask; so of regular files it is told nothing to believe, and asks
 * with each read().
 *
 * All fields are atomic and relaxed: the worst that a race does is another age.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "nfs.h"

#define NS 1000000000ull

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 29;
}

/* Never 0, which is "nothing told". */
static uint64_t hash(uint64_t size, const struct timespec *mtime, const struct timespec *ctime)
{
	uint64_t h = mix(size + 1, (uint64_t)mtime->tv_sec);

	h = mix(h, (uint64_t)mtime->tv_nsec);
	h = mix(h, (uint64_t)ctime->tv_sec);
	return mix(h, (uint64_t)ctime->tv_nsec) | 1;
}

static uint64_t hash_attr(const struct nfs_attr *a)
{
	return hash(a->size, &a->mtime, &a->ctime);
}

static void own_change(struct nfs_node *node, const struct nfs_wcc *before, const struct nfs_attr *after)
{
	uint64_t old = __atomic_load_n(&node->told, __ATOMIC_RELAXED);

	if (old && old == hash(before->size, &before->mtime, &before->ctime))
		__atomic_store_n(&node->told, hash_attr(after), __ATOMIC_RELAXED);
}

static bool is_told(const struct nfs_node *node, const struct nfs_attr *attr)
{
	return __atomic_load_n(&node->told, __ATOMIC_RELAXED) == hash_attr(attr);
}

/* The node's age in seconds after the guest is told attr. */
static uint32_t age(const struct nfs_fs *nfs, struct nfs_node *node, const struct nfs_attr *attr)
{
	bool dir = S_ISDIR(attr->mode);
	uint32_t least = dir ? nfs->opts.acdirmin : nfs->opts.acregmin;
	uint32_t most = dir ? nfs->opts.acdirmax : nfs->opts.acregmax;
	uint32_t now = (uint32_t)(clock_ns() / NS), for_s = __atomic_load_n(&node->age, __ATOMIC_RELAXED);
	uint64_t h = hash_attr(attr);

	__atomic_store_n(&node->gid, attr->gid, __ATOMIC_RELAXED);
	if (__atomic_load_n(&node->told, __ATOMIC_RELAXED) != h) {
		for_s = least;
		__atomic_store_n(&node->told, h, __ATOMIC_RELAXED);
	} else if (now - __atomic_load_n(&node->told_at, __ATOMIC_RELAXED) >= for_s) {
		for_s = for_s ? for_s * 2 : least;
	} else {
		return for_s;
	}
	for_s = min(for_s, most);
	for_s = max(for_s, least);
	__atomic_store_n(&node->age, for_s, __ATOMIC_RELAXED);
	__atomic_store_n(&node->told_at, now, __ATOMIC_RELAXED);
	return for_s;
}

void nfs_attr_note(struct nreq *n, const struct nfs_result *res)
{
	if (res->has_wcc && res->has_attr)
		own_change(n->node, &res->wcc, &res->attr);
}

void nfs_attr_note_dirs(struct nreq *n, const struct nfs_result *res)
{
	nfs_clock_note(n, res);
	if (res->has_dir_wcc && res->has_dir_attr)
		own_change(n->node, &res->dir_wcc, &res->dir_attr);
	if (n->node2 && res->has_dir2_wcc && res->has_dir2_attr)
		own_change(n->node2, &res->dir2_wcc, &res->dir2_attr);
}

void nfs_attr_see(struct nfs_fs *nfs, struct nfs_node *node, const struct nfs_attr *attr)
{
	if (nfs->aging)
		age(nfs, node, attr);
}

uint32_t nfs_attr_open_flags(const struct nfs_fs *nfs, const struct nfs_node *node,
			     const struct nfs_result *res)
{
	/* A clock as coarse as that may not show a second change. */
	bool fine = !nfs->mnt.time_delta.tv_sec && nfs->mnt.time_delta.tv_nsec <= 10000000;

	if (nfs->aging && fine && res->has_attr && is_told(node, &res->attr))
		return FOPEN_KEEP_CACHE;
	return nfs->fs.cache.open_flags;
}

static uint32_t believed(const struct nfs_fs *nfs, const struct nfs_attr *attr, uint32_t for_s)
{
	return nfs->opts.lock == NFS_LOCK_REMOTE && S_ISREG(attr->mode) ? 0 : for_s;
}

void nfs_set_attr_valid(struct nfs_fs *nfs, struct nfs_node *node, const struct nfs_attr *attr,
			struct fuse_attr_out *out)
{
	uint32_t for_s = age(nfs, node, attr); /* remembers what is told, also when the mode decides */

	if (nfs->aging)
		out->attr_valid = believed(nfs, attr, for_s);
	else
		fs_attr_set_valid(&nfs->fs, out);
}

void nfs_set_entry_valid(struct nfs_fs *nfs, struct nfs_node *dir, struct nfs_node *node,
			 const struct nfs_attr *attr, struct fuse_entry_out *entry)
{
	uint32_t for_s = age(nfs, node, attr), dir_s = __atomic_load_n(&dir->age, __ATOMIC_RELAXED);

	if (!nfs->aging) {
		fs_entry_set_valid(&nfs->fs, entry);
	} else {
		entry->attr_valid = believed(nfs, attr, for_s);
		entry->entry_valid = max(dir_s, nfs->opts.acdirmin);
	}
	if (nfs->opts.lookupcache == NFS_LOOKUPCACHE_NONE ||
	    (nfs->aging && !nfs->opts.nocto && S_ISREG(attr->mode)))
		entry->entry_valid = entry->entry_valid_nsec = 0;
}

bool nfs_set_negative_valid(const struct nfs_fs *nfs, struct fuse_entry_out *entry)
{
	if (!nfs->aging) {
		entry->nodeid = 0;
		fs_entry_set_valid(&nfs->fs, entry);
		return nfs->fs.cache.negative_ns;
	}
	if (nfs->opts.lookupcache != NFS_LOOKUPCACHE_ALL || !nfs->opts.acdirmin)
		return false;
	entry->nodeid = 0;
	entry->entry_valid = nfs->opts.acdirmin;
	return true;
}
