/* SPDX-License-Identifier: BSD-3-Clause */
/* The procedures of RFC 1813 on the tree of memfs.c. */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "memfs_int.h"

#define SET_TO_SERVER_TIME 1
#define SET_TO_CLIENT_TIME 2
#define FILE_SYNC 2

/* ---- results ---- */

static uint32_t nfs_type(uint32_t mode)
{
	static const uint32_t type[16] = { [S_IFREG >> 12] = 1, [S_IFDIR >> 12] = 2, [S_IFBLK >> 12] = 3,
					   [S_IFCHR >> 12] = 4, [S_IFLNK >> 12] = 5, [S_IFSOCK >> 12] = 6,
					   [S_IFIFO >> 12] = 7 };

	return type[mode >> 12 & 15];
}

static void put_time(struct fake_call *c, uint64_t ns)
{
	put32(c, (uint32_t)(ns / 1000000000u));
	put32(c, (uint32_t)(ns % 1000000000u));
}

static void put_inode(struct memfs *m, struct fake_call *c, const struct memfs_inode *i)
{
	put32(c, nfs_type(i->mode));
	put32(c, i->mode & 07777);
	put32(c, i->nlink);
	put32(c, i->uid);
	put32(c, i->gid);
	put64(c, S_ISDIR(i->mode) ? 4096 : i->size);
	put64(c, S_ISDIR(i->mode) ? 4096 : i->size);
	put32(c, i->rdev[0]);
	put32(c, i->rdev[1]);
	put64(c, i->fsid);
	put64(c, ino_of(m, i));
	put_time(c, i->atime);
	put_time(c, i->mtime);
	put_time(c, i->ctime);
}

static void put_post(struct memfs *m, struct fake_call *c, const struct memfs_inode *i, bool bare)
{
	put32(c, !bare);
	if (!bare)
		put_inode(m, c, i);
}

void memfs_put_post(struct memfs *m, struct fake_call *c, const struct memfs_inode *i)
{
	put_post(m, c, i, false);
}

/* What an object was before. */
struct before {
	uint64_t size, mtime, ctime;
};

static struct before before(const struct memfs_inode *i)
{
	return (struct before){ S_ISDIR(i->mode) ? 4096 : i->size, i->mtime, i->ctime };
}

static void put_wcc(struct memfs *m, struct fake_call *c, struct before b, const struct memfs_inode *i)
{
	put32(c, 1);
	put64(c, b.size);
	put_time(c, b.mtime);
	put_time(c, b.ctime);
	put_post(m, c, i, false);
}

static void put_fh(struct memfs *m, struct fake_call *c, const struct memfs_inode *i)
{
	uint32_t fh[2] = { ino_of(m, i), i->gen };

	put_bytes(c, fh, sizeof(fh));
}

static void put_cookieverf(struct fake_call *c, uint64_t verf)
{
	put_verf(c, htobe64(verf));
}

/* ---- attributes ---- */

static uint64_t cur_time(struct cursor *cur)
{
	uint64_t sec = cur32(cur);

	return sec * 1000000000u + cur32(cur);
}

/* Reads a sattr3 and applies it; false: no space for the size. */
static bool apply_sattr(struct memfs *m, struct memfs_inode *i, struct cursor *cur)
{
	uint64_t *when[2] = { &i->atime, &i->mtime };
	bool ok = true;

	if (cur32(cur))
		i->mode = (i->mode & S_IFMT) | (cur32(cur) & 07777);
	if (cur32(cur))
		i->uid = cur32(cur);
	if (cur32(cur))
		i->gid = cur32(cur);
	if (cur32(cur))
		ok = inode_resize(m, i, cur64(cur));
	for (int n = 0; n < 2; n++) {
		uint32_t how = cur32(cur);

		if (how == SET_TO_SERVER_TIME)
			*when[n] = memfs_now();
		else if (how == SET_TO_CLIENT_TIME)
			*when[n] = cur_time(cur);
	}
	i->ctime = memfs_now();
	return ok;
}

static void proc_getattr(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *i)
{
	put32(c, OK);
	put_inode(m, c, i);
}

static void proc_setattr(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *i)
{
	struct before b = before(i);

	if (!apply_sattr(m, i, cur)) {
		put_error(c, NOSPC);
		return;
	}
	put32(c, OK);
	put_wcc(m, c, b, i);
}

static void proc_access(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *i)
{
	put32(c, OK);
	put_post(m, c, i, false);
	put32(c, cur32(cur));
}

static void proc_readlink(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *i)
{
	if (!S_ISLNK(i->mode)) {
		put_error(c, INVAL);
		return;
	}
	put32(c, OK);
	put_post(m, c, i, false);
	put_bytes(c, i->target, (uint32_t)strlen(i->target));
}

/* ---- data ---- */

static void proc_read(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *i)
{
	uint64_t off = cur64(cur);
	uint64_t count = cur32(cur);

	if (!S_ISREG(i->mode)) {
		put_error(c, S_ISDIR(i->mode) ? ISDIR : INVAL);
		return;
	}
	count = off >= i->size ? 0 : count < i->size - off ? count : i->size - off;
	if (count > 1 && roll(m, FAULT_SHORT_READ))
		count = 1 + (uint64_t)rand_r(&m->seed) % (count - 1);
	put32(c, OK);
	put_post(m, c, i, false);
	put32(c, (uint32_t)count);
	put32(c, off + count >= i->size);
	put_bytes(c, i->data ? i->data + (count ? off : 0) : (const uint8_t *)"", (uint32_t)count);
}

static void proc_write(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *i)
{
	uint64_t off = cur64(cur);
	uint32_t count = cur32(cur), how = cur32(cur), len;
	const uint8_t *data = cur_bytes(cur, &len);
	struct before b = before(i);

	if (count > len || !S_ISREG(i->mode) || off > 1ull << 40) {
		put_error(c, INVAL);
		return;
	}
	if (count > 1 && roll(m, FAULT_SHORT_WRITE))
		count = 1 + (uint32_t)rand_r(&m->seed) % (count - 1);
	if (roll(m, FAULT_SYNC_WRITE))
		how = FILE_SYNC;
	if (!inode_write(m, i, off, data, count, how)) {
		put_error(c, NOSPC);
		return;
	}
	put32(c, OK);
	put_wcc(m, c, b, i);
	put32(c, count);
	put32(c, how ? FILE_SYNC : 0);
	put_cookieverf(c, m->verf);
}

static void proc_commit(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *i)
{
	inode_make_stable(i);
	put32(c, OK);
	put_wcc(m, c, before(i), i);
	put_cookieverf(c, m->verf);
}

/* ---- names ---- */

/* The second half of the calls that begin with a directory and a name. */
typedef void named(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *dir,
		   const char *name, struct memfs_entry *ent);

static void with_name(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *dir,
		      named *then)
{
	char name[256];

	if (!S_ISDIR(dir->mode))
		put_error(c, NOTDIR);
	else if (!cur_name(cur, name))
		put_error(c, NAMETOOLONG);
	else
		then(m, c, cur, dir, name, dir_find(dir, name));
}

static void do_lookup(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *dir,
		      const char *name, struct memfs_entry *ent)
{
	if (!ent) {
		put_error(c, NOENT);
		return;
	}
	put32(c, OK);
	put_fh(m, c, &m->ino[ent->ino]);
	put_post(m, c, &m->ino[ent->ino], roll(m, FAULT_BARE));
	put_post(m, c, dir, false);
}

/* Answers a call that made an object. */
static void put_made(struct memfs *m, struct fake_call *c, struct memfs_inode *dir, struct before b,
		     const struct memfs_inode *i)
{
	bool bare = roll(m, FAULT_BARE);

	put32(c, OK);
	put32(c, !bare);
	if (!bare)
		put_fh(m, c, i);
	put_post(m, c, i, bare);
	put_wcc(m, c, b, dir);
}

static struct memfs_inode *make(struct memfs *m, struct fake_call *c, struct memfs_inode *dir,
				const char *name, uint32_t mode)
{
	struct memfs_inode *i = inode_new(m, mode, c->uid, c->gid);

	if (!i) {
		put_error(c, NOSPC);
		return NULL;
	}
	dir_add(m, dir, name, ino_of(m, i));
	i->parent = ino_of(m, dir);
	if (S_ISDIR(mode))
		i->nlink++;
	return i;
}

static void do_create(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *dir,
		      const char *name, struct memfs_entry *ent)
{
	uint32_t how = cur32(cur);
	uint64_t excl = how == 2 ? cur64(cur) : 0;
	struct before b = before(dir);
	struct memfs_inode *i = ent ? &m->ino[ent->ino] : NULL;
	uint32_t mode = i ? i->mode : 0;

	if (i && (how == 1 || (how == 2 && i->excl != excl))) {
		put_error(c, EXIST);
		return;
	}
	if (i && !S_ISREG(i->mode)) {
		put_error(c, S_ISDIR(i->mode) ? ISDIR : EXIST);
		return;
	}
	if (!i)
		i = make(m, c, dir, name, S_IFREG);
	if (!i)
		return;
	if (how == 2)
		i->excl = excl;
	else
		apply_sattr(m, i, cur);
	if (ent) /* of one that is there only the size is changed */
		i->mode = mode;
	put_made(m, c, dir, b, i);
}

static void do_mkdir(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *dir,
		     const char *name, struct memfs_entry *ent)
{
	struct before b = before(dir);
	struct memfs_inode *i;

	if (ent) {
		put_error(c, EXIST);
		return;
	}
	i = make(m, c, dir, name, S_IFDIR);
	if (!i)
		return;
	dir->nlink++;
	apply_sattr(m, i, cur);
	put_made(m, c, dir, b, i);
}

static void do_symlink(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *dir,
		       const char *name, struct memfs_entry *ent)
{
	struct before b = before(dir);
	struct memfs_inode *i;
	const uint8_t *target;
	uint32_t len;

	i = ent ? NULL : make(m, c, dir, name, S_IFLNK);
	if (!i) {
		if (ent)
			put_error(c, EXIST);
		return;
	}
	apply_sattr(m, i, cur);
	target = cur_bytes(cur, &len);
	i->target = strndup((const char *)target, len);
	i->size = i->stable_size = len;
	m->used += len;
	put_made(m, c, dir, b, i);
}

static void do_mknod(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *dir,
		     const char *name, struct memfs_entry *ent)
{
	static const uint32_t types[] = { [3] = S_IFBLK, [4] = S_IFCHR, [6] = S_IFSOCK, [7] = S_IFIFO };
	uint32_t type = cur32(cur);
	struct before b = before(dir);
	struct memfs_inode *i;

	if (ent || type > 7 || !types[type]) {
		put_error(c, ent ? EXIST : 10007);
		return;
	}
	i = make(m, c, dir, name, types[type]);
	if (!i)
		return;
	apply_sattr(m, i, cur);
	if (type < 6) {
		i->rdev[0] = cur32(cur);
		i->rdev[1] = cur32(cur);
	}
	put_made(m, c, dir, b, i);
}

static void drop_name(struct memfs *m, struct memfs_inode *dir, struct memfs_entry *ent)
{
	struct memfs_inode *i = &m->ino[ent->ino];

	dir_del(dir, ent);
	i->ctime = memfs_now();
	if (S_ISDIR(i->mode)) {
		dir->nlink--;
		i->nlink = 1;
	}
	i->nlink--;
	inode_put(m, i);
}

static void do_remove(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *dir,
		      const char *name, struct memfs_entry *ent)
{
	bool is_dir = ent && S_ISDIR(m->ino[ent->ino].mode);
	struct before b = before(dir);

	if (!ent || is_dir != (c->proc == RMDIR)) {
		put_error(c, !ent ? NOENT : is_dir ? ISDIR : NOTDIR);
		return;
	}
	if (is_dir && (m->ino[ent->ino].nr_entries || ent->ino == HUGE_INO)) {
		put_error(c, NOTEMPTY);
		return;
	}
	drop_name(m, dir, ent);
	put32(c, OK);
	put_wcc(m, c, b, dir);
}

/* Is dir inside of i, or i itself? */
static bool inside(struct memfs *m, const struct memfs_inode *dir, const struct memfs_inode *i)
{
	while (dir != i && ino_of(m, dir) != ROOT_INO)
		dir = &m->ino[dir->parent];
	return dir == i;
}

static uint32_t check_rename(struct memfs *m, const struct memfs_inode *from, const struct memfs_inode *to,
			     const struct memfs_inode *dir2)
{
	if (S_ISDIR(from->mode) && inside(m, dir2, from))
		return INVAL;
	if (!to)
		return OK;
	if (S_ISDIR(from->mode) != S_ISDIR(to->mode))
		return S_ISDIR(to->mode) ? ISDIR : NOTDIR;
	return S_ISDIR(to->mode) && to->nr_entries ? NOTEMPTY : OK;
}

static void move_name(struct memfs *m, struct memfs_inode *dir, const char *name, struct memfs_inode *dir2,
		      const char *name2)
{
	uint32_t ino = dir_find(dir, name)->ino;
	struct memfs_inode *i = &m->ino[ino];
	struct memfs_entry *old = dir_find(dir2, name2);

	if (old && old->ino == ino)
		return; /* two names of one file: nothing happens */
	if (old)
		drop_name(m, dir2, old);
	dir_del(dir, dir_find(dir, name));
	dir_add(m, dir2, name2, ino);
	i->nlink--; /* dir_add() counted one */
	if (!S_ISDIR(i->mode))
		return;
	i->parent = ino_of(m, dir2);
	dir->nlink--;
	dir2->nlink++;
}

static void do_rename(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *dir,
		      const char *name, struct memfs_entry *ent)
{
	struct memfs_inode *dir2 = cur_fh(m, cur);
	struct before b = before(dir), b2;
	struct memfs_entry *to;
	char name2[256];
	uint32_t status;

	if (!ent || !dir2 || !S_ISDIR(dir2->mode) || !cur_name(cur, name2)) {
		put_error(c, !ent ? NOENT : !dir2 ? STALE : NOTDIR);
		return;
	}
	b2 = before(dir2);
	to = dir_find(dir2, name2);
	status = check_rename(m, &m->ino[ent->ino], to ? &m->ino[to->ino] : NULL, dir2);
	if (status) {
		put_error(c, status);
		return;
	}
	move_name(m, dir, name, dir2, name2);
	put32(c, OK);
	put_wcc(m, c, b, dir);
	put_wcc(m, c, b2, dir2);
}

static void proc_link(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *i)
{
	struct memfs_inode *dir = cur_fh(m, cur);
	struct before b;
	char name[256];

	if (!dir || !S_ISDIR(dir->mode) || !cur_name(cur, name) || S_ISDIR(i->mode)) {
		put_error(c, !dir ? STALE : NOTDIR);
		return;
	}
	if (dir_find(dir, name)) {
		put_error(c, EXIST);
		return;
	}
	b = before(dir);
	dir_add(m, dir, name, ino_of(m, i));
	put32(c, OK);
	put_post(m, c, i, roll(m, FAULT_BARE));
	put_wcc(m, c, b, dir);
}

/* ---- directories ---- */

/* The entry behind a cookie; NULL: the end. "." and ".." have the cookies 1 and 2. */
static const struct memfs_entry *next_entry(struct memfs *m, const struct memfs_inode *dir, uint64_t cookie,
					    struct memfs_entry *made, char *name)
{
	uint64_t base = m->cookie_base, n = cookie ? cookie - base : 0;

	*made = (struct memfs_entry){ name, n ? dir->parent : ino_of(m, dir), base + n + 1 };
	if (n < 2) {
		strcpy(name, n ? ".." : ".");
		return made;
	}
	if (dir == &m->ino[HUGE_INO]) {
		made->ino = 0;
		snprintf(name, 32, "name%08u", (unsigned int)(n - 2));
		return n - 2 < m->huge ? made : NULL;
	}
	for (uint32_t e = 0; e < dir->nr_entries; e++)
		if (dir->entries[e].cookie > cookie)
			return &dir->entries[e];
	return NULL;
}

static void put_entry_plus(struct memfs *m, struct fake_call *c, const struct memfs_entry *ent)
{
	const struct memfs_inode *i = &m->ino[ent->ino];
	bool bare = !ent->ino || roll(m, FAULT_BARE);

	put_post(m, c, i, bare);
	put32(c, !bare);
	if (!bare)
		put_fh(m, c, i);
}

static void proc_readdir(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *dir)
{
	uint64_t cookie = cur64(cur), verf = cur64(cur);
	bool plus = c->proc == READDIRPLUS;
	uint32_t count = cur32(cur), room = plus ? cur32(cur) : count;
	const struct memfs_entry *ent;
	struct memfs_entry made;
	char name[32];

	if (roll(m, FAULT_NEW_VERF))
		dir->verf++;
	if (!S_ISDIR(dir->mode) || (plus && m->no_plus) || (cookie && verf != dir->verf)) {
		put_error(c, !S_ISDIR(dir->mode) ? NOTDIR : plus && m->no_plus ? NOTSUPP : BAD_COOKIE);
		return;
	}
	put32(c, OK);
	put_post(m, c, dir, false);
	put_cookieverf(c, dir->verf);
	while ((ent = next_entry(m, dir, cookie, &made, name))) {
		if (c->out_len + strlen(ent->name) + (plus ? 160 : 40) > room)
			break;
		put32(c, 1);
		put64(c, ent->ino ? ent->ino : 1u << 20 | (uint32_t)ent->cookie);
		put_bytes(c, ent->name, (uint32_t)strlen(ent->name));
		put64(c, ent->cookie);
		if (plus)
			put_entry_plus(m, c, ent);
		cookie = ent->cookie;
	}
	put32(c, 0);
	put32(c, !ent);
}

/* ---- the whole of it ---- */

static void proc_fsstat(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *i)
{
	uint64_t total = m->limit ? m->limit : 1ull << 40;

	put32(c, OK);
	put_post(m, c, i, false);
	put64(c, total);
	put64(c, total - m->used);
	put64(c, total - m->used);
	for (int n = 0; n < 3; n++)
		put64(c, MEMFS_INODES);
	put32(c, 0);
}

static void proc_fsinfo(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *i)
{
	const uint32_t io[] = { m->rtmax, m->rtmax, 1, m->wtmax, m->wtmax, 1, 65536 };

	put32(c, OK);
	put_post(m, c, i, false);
	for (size_t n = 0; n < sizeof(io) / sizeof(io[0]); n++)
		put32(c, io[n]);
	put64(c, 1ull << 40);
	put64(c, 1);
	put32(c, 0x1b);
}

static void proc_pathconf(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *i)
{
	static const uint32_t limits[] = { 32000, 255, 1, 1, 0, 1 };

	put32(c, OK);
	put_post(m, c, i, false);
	for (size_t n = 0; n < sizeof(limits) / sizeof(limits[0]); n++)
		put32(c, limits[n]);
}

static const struct {
	void (*proc)(struct memfs *m, struct fake_call *c, struct cursor *cur, struct memfs_inode *i);
	named *name; /* or this, for those that go on with a name */
} table[] = {
	[GETATTR] = { proc_getattr, NULL }, [SETATTR] = { proc_setattr, NULL },
	[LOOKUP] = { NULL, do_lookup }, [ACCESS] = { proc_access, NULL },
	[READLINK] = { proc_readlink, NULL }, [READ] = { proc_read, NULL },
	[WRITE] = { proc_write, NULL }, [CREATE] = { NULL, do_create },
	[MKDIR] = { NULL, do_mkdir }, [SYMLINK] = { NULL, do_symlink },
	[MKNOD] = { NULL, do_mknod }, [REMOVE] = { NULL, do_remove },
	[RMDIR] = { NULL, do_remove }, [RENAME] = { NULL, do_rename },
	[LINK] = { proc_link, NULL }, [READDIR] = { proc_readdir, NULL },
	[READDIRPLUS] = { proc_readdir, NULL }, [FSSTAT] = { proc_fsstat, NULL },
	[FSINFO] = { proc_fsinfo, NULL }, [PATHCONF] = { proc_pathconf, NULL },
	[COMMIT] = { proc_commit, NULL },
};

void memfs_execute(struct memfs *m, struct fake_call *c)
{
	struct cursor cur = { c, 0 };
	struct memfs_inode *i = cur_fh(m, &cur);

	if (!i)
		put_error(c, STALE);
	else if (table[c->proc].name)
		with_name(m, c, &cur, i, table[c->proc].name);
	else
		table[c->proc].proc(m, c, &cur, i);
}
