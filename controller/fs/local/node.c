/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * A node is (mount, ino, kernel file handle). No descriptor is kept: open_by_handle_at() makes one
 * when an operation needs it, O_PATH for everything by name or path, with the real flags for OPEN.
 * The handle holds the inode's generation on disk, so a number used again by the file system is
 * -ESTALE, not another file. Handles are made by us from inodes found below the directory and never
 * leave the process: a guest cannot forge one.
 *
 * What has no handle (file systems without export support, or with handles that end when the kernel
 * forgets the inode, handles too long, no CAP_DAC_READ_SEARCH) keeps an O_PATH descriptor in its node instead, at most fd_nodes_max of
 * them: -ENFILE beyond.
 *
 * Finding a name's node takes as few system calls as may be, for those are what a lookup costs:
 *
 *   1  attributes, if there is a node with that inode number and time of birth, and when we took
 *      its handle that birth was more than TICK_NS ago: whoever gets the number after that is
 *      born later.
 *   2  handle, then attributes. They belong together if there is a node with that handle and that
 *      ino; or if the handle contains the ino, and the inode with that ino was born more than
 *      TICK_NS before we asked for the handle.
 *   3  and otherwise, if the handle asked for once more is still the same.
 *
 * The first way is tried first if it would have worked the last time. When the handle is another
 * (the name was replaced in between), or there are no handles, the name is opened O_PATH |
 * O_NOFOLLOW and everything asked of the descriptor. All of this looks at one component and follows
 * nothing.
 */
#include <errno.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/atomics.h"
#include "local.h"

#define MOUNT_NONE UINT16_MAX /* not in the table */
#define LUSTRE_MAGIC 0x0bd00bd0
#define EXFAT_MAGIC 0x2011bab0
#define NO_BTIME INT64_MIN
#define WORKER_TRIES 8 /* a worker has no descriptors to give back: its I/O thread does, soon */
/* Times of birth are read from a clock that moves once a tick: 10 ms at most. */
#define TICK_NS 20000000

union lhandle {
	struct file_handle head;
	unsigned char room[sizeof(struct file_handle) + LOCAL_HANDLE_MAX];
};

int local_errno(void)
{
	return errno == EMFILE ? -ENFILE : -errno;
}

bool local_again(struct local_thread *t, int *tries)
{
	if (errno == EINTR)
		return true;
	if ((errno != EMFILE && errno != ENFILE) || (*tries)++ >= (t->is_worker ? WORKER_TRIES : 1))
		return false;
	local_close_all(t);
	fdcache_drop(t);
	/* The other threads empty theirs in poll(). */
	__atomic_add_fetch(&t->lfs->reclaim, 1, __ATOMIC_RELAXED);
	if (t->is_worker)
		local_worker_await_poll();
	return true;
}

const char *local_proc_path(char *buf, int fd)
{
	snprintf(buf, LOCAL_PROC_LEN, "/proc/self/fd/%d", fd);
	return buf;
}

int local_check_name(const char *name)
{
	if (!name[0] || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EINVAL;
	return strlen(name) > NAME_MAX ? -ENAMETOOLONG : 0;
}

/* Keys, for nodetab */

static uint64_t lkey_hash(const struct lkey *key)
{
	uint64_t hash = key->ino * 0x9e3779b97f4a7c15ull ^ key->dev;

	return (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9ull >> 8;
}

static bool lnode_equal(const struct node *node, const void *key)
{
	const struct lkey *a = &container_of(node, struct lnode, node)->key;
	const struct lkey *b = key;

	if (a->ino != b->ino || a->dev != b->dev || a->mount != b->mount || a->fmt != b->fmt)
		return false;
	if (b->by_btime)
		return a->btime == b->btime && READ_ONCE(a->by_btime);
	if (a->handle_len != b->handle_len)
		return false;
	return !a->handle_len || (a->handle_type == b->handle_type &&
				  !memcmp(a->handle, b->handle, a->handle_len));
}

/* The key with the descriptor it was made from. */
struct lkey_fd {
	struct lkey key;
	int fd;
};

static int lnode_init(void *fs, struct node *node, const void *key)
{
	struct lnode *ln = container_of(node, struct lnode, node);
	const struct lkey_fd *from = container_of(key, struct lkey_fd, key);
	struct local_fs *lfs = fs;

	ln->key = from->key;
	ln->fd = -1;
	if (from->key.handle_len)
		return 0;
	if (__atomic_add_fetch(&lfs->fd_nodes, 1, __ATOMIC_RELAXED) > lfs->fd_nodes_max)
		errno = EMFILE;
	else
		ln->fd = fcntl(from->fd, F_DUPFD_CLOEXEC, 0);
	if (ln->fd < 0)
		__atomic_sub_fetch(&lfs->fd_nodes, 1, __ATOMIC_RELAXED);
	return ln->fd < 0 ? local_errno() : 0;
}

static void lnode_fini(void *fs, struct node *node)
{
	struct lnode *ln = container_of(node, struct lnode, node);
	struct local_fs *lfs = fs;

	if (ln->fd < 0)
		return;
	close(ln->fd);
	__atomic_sub_fetch(&lfs->fd_nodes, 1, __ATOMIC_RELAXED);
}

const struct nodetab_ops local_node_ops = {
	.node_size = sizeof(struct lnode),
	.equal = lnode_equal,
	.init = lnode_init,
	.fini = lnode_fini,
};

/* Mounts */

static uint16_t mount_find(struct local_fs *lfs, int id)
{
	/* Pairs with the release in mount_add(). */
	uint32_t i, nr = __atomic_load_n(&lfs->nr_mounts, __ATOMIC_ACQUIRE);

	for (i = 0; i < nr; i++)
		if (lfs->mounts[i].id == id)
			return (uint16_t)i;
	return MOUNT_NONE;
}

static int mount_open_handle(int mount_fd, const struct lkey *key, int flags)
{
	union lhandle h;

	h.head.handle_bytes = key->handle_len;
	h.head.handle_type = key->handle_type;
	memcpy(h.head.f_handle, key->handle, key->handle_len);
	return open_by_handle_at(mount_fd, &h.head, flags | O_CLOEXEC);
}

/* Handles of these name inodes in the kernel's memory: -ESTALE after it needed that for something else. */
static bool mount_forgets(int fd)
{
	struct statfs st;
	uint32_t type = fstatfs(fd, &st) ? 0 : (uint32_t)st.f_type;

	return type == FUSE_SUPER_MAGIC || type == MSDOS_SUPER_MAGIC || type == EXFAT_MAGIC;
}

/* A descriptor of the mount that fd is on, if handles work there; else -1. */
static int mount_probe(int fd, const struct lkey *key)
{
	char path[LOCAL_PROC_LEN];
	int mount_fd, probe;

	if ((key->fmt != S_IFDIR && key->fmt != S_IFREG) || mount_forgets(fd))
		return -1;
	mount_fd = open(local_proc_path(path, fd), O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (mount_fd < 0)
		return -1;
	probe = mount_open_handle(mount_fd, key, O_PATH | O_NOFOLLOW);
	if (probe < 0) {
		close(mount_fd);
		return -1;
	}
	close(probe);
	return mount_fd;
}

static enum lfskind mount_kind(int fd)
{
	struct statfs st;

	if (fstatfs(fd, &st))
		return LFS_OTHER;
	switch ((uint32_t)st.f_type) {
	case TMPFS_MAGIC:
		return LFS_TMPFS;
	case EXT4_SUPER_MAGIC:
		return LFS_EXT4;
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
		return LFS_PLAIN;
	case NFS_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
	case CIFS_SUPER_MAGIC:
	case SMB2_SUPER_MAGIC:
	case CEPH_SUPER_MAGIC:
	case V9FS_MAGIC:
	case AFS_FS_MAGIC:
	case FUSE_SUPER_MAGIC:
	case LUSTRE_MAGIC:
		return LFS_REMOTE;
	default:
		return LFS_OTHER;
	}
}

/* Index of the mount, entered when new; MOUNT_NONE when the table is full. */
static uint16_t mount_add(struct local_fs *lfs, int id, int fd, const struct lkey *key)
{
	uint16_t index;

	cred_root();
	pthread_mutex_lock(&lfs->mount_lock);
	index = mount_find(lfs, id);
	if (index == MOUNT_NONE && lfs->nr_mounts < LOCAL_MOUNTS_MAX) {
		index = (uint16_t)lfs->nr_mounts;
		lfs->mounts[index].id = id;
		lfs->mounts[index].kind = mount_kind(fd);
		lfs->mounts[index].fd =
			key->handle_len && !lfs->no_handles ? mount_probe(fd, key) : -1;
		/* Pairs with the acquire in mount_find(). */
		__atomic_store_n(&lfs->nr_mounts, index + 1u, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&lfs->mount_lock);
	return index;
}

/* From descriptor to key */

/* Handle of name below fd, or of fd itself with AT_EMPTY_PATH. False: there is none that fits. */
static bool key_take_handle(struct lkey *key, int fd, const char *name, int flags)
{
	union lhandle h;
	int mount_id;

	key->handle_len = 0;
	h.head.handle_bytes = LOCAL_HANDLE_MAX;
	if (name_to_handle_at(fd, name, &h.head, &mount_id, flags))
		return false;
	key->handle_len = (uint8_t)h.head.handle_bytes;
	key->handle_type = h.head.handle_type;
	memcpy(key->handle, h.head.f_handle, key->handle_len);
	return true;
}

static void key_take_statx(struct lkey *key, const struct statx *stx)
{
	key->ino = stx->stx_ino;
	key->dev = makedev(stx->stx_dev_major, stx->stx_dev_minor);
	key->fmt = stx->stx_mode & S_IFMT;
	key->btime = NO_BTIME;
	if (stx->stx_mask & STATX_BTIME)
		key->btime = stx->stx_btime.tv_sec * 1000000000ll + stx->stx_btime.tv_nsec;
}

/* The clock of times of birth. */
static int64_t birth_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME_COARSE, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/* Was it born long before that, so that nobody else born since can look the same? */
static bool key_is_older(const struct lkey *key, int64_t asked)
{
	return key->btime != NO_BTIME && key->btime < asked - TICK_NS;
}

/* Most file systems put it there, whole or its lower half. */
static bool handle_has_ino(const struct lkey *key)
{
	uint32_t low = (uint32_t)key->ino;

	for (size_t at = 0; at + sizeof(low) <= key->handle_len; at += sizeof(low))
		if (!memcmp(key->handle + at, &low, sizeof(low)))
			return true;
	return false;
}

/* Fills key and stx from from->fd. */
static int key_from_fd(struct local_fs *lfs, struct lkey_fd *from, struct statx *stx)
{
	struct lkey *key = &from->key;

	if (statx(from->fd, "", AT_EMPTY_PATH, LOCAL_STATX_MASK, stx))
		return local_errno();
	key_take_statx(key, stx);
	key_take_handle(key, from->fd, "", AT_EMPTY_PATH);
	key->mount = mount_find(lfs, (int)stx->stx_mnt_id);
	if (key->mount == MOUNT_NONE)
		key->mount = mount_add(lfs, (int)stx->stx_mnt_id, from->fd, key);
	if (key->mount == MOUNT_NONE || lfs->mounts[key->mount].fd < 0)
		key->handle_len = 0;
	return 0;
}

int local_node_open_root(struct local_fs *lfs, const char **ret_what)
{
	struct lkey_fd from = { .fd = lfs->root_fd };
	struct statx stx;
	int err;

	*ret_what = "statx";
	err = key_from_fd(lfs, &from, &stx);
	if (err)
		return err;
	/*
	 * Without a handle: the root keeps its descriptor, and mount 0 says whether others need to.
	 */
	from.key.handle_len = 0;
	*ret_what = "dup";
	return nodetab_set_root(lfs->nodes, lkey_hash(&from.key), &from.key);
}

/* From node to descriptor */

struct lnode *local_node_get(struct fs_req *req, uint64_t nodeid)
{
	struct local_thread *t = local_thread_of(req);
	struct node *node;

	/* A new operation for the descriptor cache; operations get all their nodes first. */
	t->op_seq++;
	node = nodetab_get(t->lfs->nodes, nodeid);
	return node ? container_of(node, struct lnode, node) : NULL;
}

void local_node_put(struct fs_req *req, struct lnode *ln)
{
	if (ln)
		nodetab_put(local_thread_of(req)->lfs->nodes, &ln->node);
}

/* open_by_handle_at() with another go when descriptors ran out. */
static int node_by_handle(struct local_thread *t, struct lnode *ln, int flags)
{
	int mount_fd = t->lfs->mounts[ln->key.mount].fd;
	int fd, tries = 0;

	cred_root();
	do {
		fd = mount_open_handle(mount_fd, &ln->key, flags);
	} while (fd < 0 && local_again(t, &tries));
	return fd < 0 ? local_errno() : fd;
}

int local_node_fd(struct local_thread *t, struct lnode *ln, struct lfd *ret_fd)
{
	uint64_t id = nodetab_id(&ln->node);
	int fd;

	ret_fd->owned = false;
	ret_fd->fd = ln->fd;
	if (ln->fd >= 0)
		return 0;
	ret_fd->fd = fdcache_get(t, id);
	if (ret_fd->fd >= 0)
		return 0;
	fd = node_by_handle(t, ln, O_PATH | O_NOFOLLOW);
	if (fd < 0)
		return fd;
	ret_fd->fd = fd;
	ret_fd->owned = !fdcache_put(t, id, fd, ln->key.fmt != S_IFDIR);
	return 0;
}

void local_fd_put(struct lfd *lfd)
{
	if (lfd->owned)
		close(lfd->fd);
}

int local_node_open(struct local_thread *t, struct lnode *ln, int flags)
{
	char path[LOCAL_PROC_LEN];
	int fd, tries = 0;

	if (ln->key.fmt == S_IFLNK)
		return -ELOOP;
	if (ln->key.fmt != S_IFREG && ln->key.fmt != S_IFDIR)
		return -ENXIO; /* devices, pipes and sockets are the guest's own to open */
	if (ln->fd < 0)
		return node_by_handle(t, ln, flags | O_NOCTTY);
	cred_root();
	do {
		fd = open(local_proc_path(path, ln->fd), flags | O_CLOEXEC | O_NOCTTY);
	} while (fd < 0 && local_again(t, &tries));
	return fd < 0 ? local_errno() : fd;
}

int local_open_name(struct local_thread *t, int dirfd, const char *name, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC | O_NOFOLLOW),
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd, tries = 0;

	do {
		fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
	} while (fd < 0 && local_again(t, &tries));
	return fd < 0 ? local_errno() : fd;
}

enum lfskind local_node_kind(const struct local_fs *lfs, const struct lnode *ln)
{
	return ln->key.mount == MOUNT_NONE ? LFS_OTHER : lfs->mounts[ln->key.mount].kind;
}

/* Entries */

/* The kernel's 32-bit form: major 12 bits, minor 20. */
static uint32_t attr_rdev(uint32_t maj, uint32_t mnr)
{
	return (mnr & 0xff) | maj << 8 | (mnr & ~0xffu) << 12;
}

void local_attr_from_statx(const struct local_fs *lfs, struct fuse_attr *attr,
			   const struct statx *stx)
{
	attr->ino = stx->stx_ino;
	attr->size = stx->stx_size;
	attr->blocks = stx->stx_blocks;
	attr->atime = (uint64_t)stx->stx_atime.tv_sec;
	attr->mtime = (uint64_t)stx->stx_mtime.tv_sec;
	attr->ctime = (uint64_t)stx->stx_ctime.tv_sec;
	attr->atimensec = stx->stx_atime.tv_nsec;
	attr->mtimensec = stx->stx_mtime.tv_nsec;
	attr->ctimensec = stx->stx_ctime.tv_nsec;
	attr->mode = stx->stx_mode;
	attr->nlink = stx->stx_nlink;
	attr->uid = idmap_to_guest(&lfs->uids, stx->stx_uid);
	attr->gid = idmap_to_guest(&lfs->gids, stx->stx_gid);
	attr->rdev = attr_rdev(stx->stx_rdev_major, stx->stx_rdev_minor);
	attr->blksize = stx->stx_blksize;
	attr->flags = 0;
}

static void entry_fill(const struct local_thread *t, const struct lnode *parent, struct lnode *ln,
		       const struct statx *stx, struct fuse_entry_out *entry)
{
	entry->nodeid = nodetab_id(&ln->node);
	entry->generation = 0; /* part of the node id */
	local_attr_from_statx(t->lfs, &entry->attr, stx);
	if (ln->key.mount != parent->key.mount && ln->key.fmt == S_IFDIR &&
	    (t->lfs->fs.session_flags & FUSE_SUBMOUNTS))
		entry->attr.flags |= FUSE_ATTR_SUBMOUNT;
}

/* Finds or makes the node of a key. */
static int node_intern(struct local_thread *t, const struct lkey_fd *from, struct lnode **ret_node)
{
	struct node *node;
	int err, tries = 0;

	do {
		err = nodetab_intern(t->lfs->nodes, lkey_hash(&from->key), &from->key, &node);
		errno = -err;
	} while (err == -ENFILE && local_again(t, &tries));
	if (!err)
		*ret_node = container_of(node, struct lnode, node);
	return err;
}

int local_node_of_fd(struct local_thread *t, const struct lnode *parent, int fd,
		     struct fuse_entry_out *entry, struct lnode **ret_node)
{
	struct lkey_fd from = { .fd = fd };
	struct statx stx;
	int err;

	err = key_from_fd(t->lfs, &from, &stx);
	if (!err)
		err = node_intern(t, &from, ret_node);
	if (!err)
		entry_fill(t, parent, *ret_node, &stx, entry);
	return err;
}

static int name_statx(struct local_thread *t, int dirfd, const char *name, struct lkey *key,
		      struct statx *stx)
{
	if (statx(dirfd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, LOCAL_STATX_MASK, stx))
		return local_errno();
	key_take_statx(key, stx);
	key->mount = mount_find(t->lfs, (int)stx->stx_mnt_id);
	return key->mount == MOUNT_NONE || t->lfs->mounts[key->mount].fd < 0 ? -EAGAIN : 0;
}

static struct lnode *node_find(struct local_thread *t, const struct lkey *key)
{
	struct node *node = nodetab_find(t->lfs->nodes, lkey_hash(key), key);

	return node ? container_of(node, struct lnode, node) : NULL;
}

/* One call; NULL, or an error, or -EAGAIN: ask for the handle. */
static int node_by_btime(struct local_thread *t, int dirfd, const char *name, struct statx *stx,
			 struct lnode **ret_node)
{
	struct lkey key = { .by_btime = true };
	int err = name_statx(t, dirfd, name, &key, stx);

	*ret_node = NULL;
	if (!err && key.btime != NO_BTIME)
		*ret_node = node_find(t, &key);
	return err;
}

/* Two or three calls. -EAGAIN: not this way. */
static int node_by_name_handle(struct local_thread *t, int dirfd, const char *name,
			       struct statx *stx, struct lnode **ret_node)
{
	struct lkey_fd from = { .fd = -1 };
	int64_t asked = birth_clock();
	struct lkey again;
	bool older;
	int err;

	if (!key_take_handle(&from.key, dirfd, name, 0))
		return errno == ENOENT || errno == ENOTDIR ? -errno : -EAGAIN;
	err = name_statx(t, dirfd, name, &from.key, stx);
	if (err)
		return err;
	*ret_node = node_find(t, &from.key);
	t->expect_known = *ret_node;
	if (*ret_node) {
		if (!READ_ONCE((*ret_node)->key.by_btime) && key_is_older(&(*ret_node)->key, asked))
			WRITE_ONCE((*ret_node)->key.by_btime, true);
		return 0;
	}
	older = key_is_older(&from.key, asked);
	if (!(older && handle_has_ino(&from.key)) &&
	    (!key_take_handle(&again, dirfd, name, 0) ||
	     again.handle_len != from.key.handle_len ||
	     memcmp(again.handle, from.key.handle, again.handle_len)))
		return -EAGAIN;
	err = node_intern(t, &from, ret_node);
	if (!err && older)
		WRITE_ONCE((*ret_node)->key.by_btime, true);
	return err;
}

/* Without opening anything. 0, -errno, or -EAGAIN: not this way. */
static int node_of_name_fast(struct local_thread *t, const struct lnode *parent, int dirfd,
			     const char *name, struct fuse_entry_out *entry,
			     struct lnode **ret_node)
{
	struct lnode *ln = NULL;
	struct statx stx;
	int err = 0;

	if (t->expect_known)
		err = node_by_btime(t, dirfd, name, &stx, &ln);
	if (!err && !ln)
		err = node_by_name_handle(t, dirfd, name, &stx, &ln);
	if (err)
		return err;
	entry_fill(t, parent, ln, &stx, entry);
	*ret_node = ln;
	return 0;
}

int local_node_of_name(struct local_thread *t, const struct lnode *parent, int dirfd,
		       const char *name, struct fuse_entry_out *entry, struct lnode **ret_node)
{
	int fd, err;

	err = node_of_name_fast(t, parent, dirfd, name, entry, ret_node);
	if (err != -EAGAIN)
		return err;
	fd = local_open_name(t, dirfd, name, O_PATH, 0);
	if (fd < 0)
		return fd;
	err = local_node_of_fd(t, parent, fd, entry, ret_node);
	close(fd);
	return err;
}

struct lnode *local_node_known(struct local_thread *t, int dirfd, const char *name)
{
	struct lkey key = { 0 };
	struct statx stx;

	if (!key_take_handle(&key, dirfd, name, 0) || name_statx(t, dirfd, name, &key, &stx))
		return NULL;
	return node_find(t, &key);
}
