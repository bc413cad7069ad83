/* SPDX-License-Identifier: BSD-3-Clause */
#include "memfs.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "memfs_int.h"

#define DRC_SLOTS 512
#define DRC_BYTES 512
#define MAX_DELAY_MS 20

struct memfs_drc {
	uint32_t xid, proc;
	size_t len;
	uint8_t reply[DRC_BYTES];
};

static struct memfs *the_memfs; /* of the one fake that runs */

uint64_t memfs_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- arguments ---- */

uint32_t cur32(struct cursor *cur)
{
	cur->off += 4;
	return get32(cur->c, cur->off - 4);
}

uint64_t cur64(struct cursor *cur)
{
	cur->off += 8;
	return get64(cur->c, cur->off - 8);
}

const uint8_t *cur_bytes(struct cursor *cur, uint32_t *len)
{
	const uint8_t *p = get_bytes(cur->c, cur->off, len, &cur->off);

	if (cur->off > cur->c->arg_len) /* more than there is */
		*len = 0;
	return p;
}

bool cur_name(struct cursor *cur, char *buf)
{
	uint32_t len;
	const uint8_t *p = cur_bytes(cur, &len);

	buf[0] = '\0';
	if (len > 255)
		return false;
	memcpy(buf, p, len);
	buf[len] = '\0';
	return true;
}

struct memfs_inode *cur_fh(struct memfs *m, struct cursor *cur)
{
	uint32_t len, ino, gen;
	const uint8_t *p = cur_bytes(cur, &len);

	if (len == 4 && !memcmp(p, "root", 4))
		return &m->ino[ROOT_INO];
	if (len != 8)
		return NULL;
	memcpy(&ino, p, 4);
	memcpy(&gen, p + 4, 4);
	if (ino >= MEMFS_INODES || !m->ino[ino].mode || m->ino[ino].gen != gen)
		return NULL;
	return &m->ino[ino];
}

/* ---- inodes ---- */

uint32_t ino_of(const struct memfs *m, const struct memfs_inode *i)
{
	return (uint32_t)(i - m->ino);
}

struct memfs_inode *inode_new(struct memfs *m, uint32_t mode, uint32_t uid, uint32_t gid)
{
	for (uint32_t n = ROOT_INO; n < MEMFS_INODES; n++) {
		struct memfs_inode *i = &m->ino[n];

		if (i->mode)
			continue;
		*i = (struct memfs_inode){ .mode = mode, .gen = ++m->next_gen, .uid = uid, .gid = gid,
					   .fsid = 7, .verf = 1, .next_cookie = m->cookie_base + 3 };
		i->atime = i->mtime = i->ctime = memfs_now();
		return i;
	}
	return NULL;
}

void inode_put(struct memfs *m, struct memfs_inode *i)
{
	if (i->nlink)
		return;
	m->used -= i->size;
	free(i->data);
	free(i->stable);
	free(i->target);
	free(i->entries);
	memset(i, 0, sizeof(*i));
}

/* Room for size bytes, in both copies. */
static void inode_reserve(struct memfs_inode *i, uint64_t size)
{
	uint64_t room = size + size / 2 + 4096;

	if (size <= i->room)
		return;
	i->data = realloc(i->data, room);
	i->stable = realloc(i->stable, room);
	memset(i->data + i->room, 0, room - i->room);
	memset(i->stable + i->room, 0, room - i->room);
	i->room = room;
}

bool inode_resize(struct memfs *m, struct memfs_inode *i, uint64_t size)
{
	if (size > i->size && m->limit && m->used + size - i->size > m->limit)
		return false;
	inode_reserve(i, size);
	m->used = m->used - i->size + size;
	/* What was cut off must read as zeros if the file grows again; in the stable copy, too. */
	if (size < i->size)
		memset(i->data + size, 0, i->size - size);
	if (size < i->stable_size)
		memset(i->stable + size, 0, i->stable_size - size);
	i->size = i->stable_size = size;
	i->mtime = i->ctime = memfs_now();
	return true;
}

void inode_make_stable(struct memfs_inode *i)
{
	inode_reserve(i, i->size);
	memcpy(i->stable, i->data, i->size);
	i->stable_size = i->size;
}

bool inode_write(struct memfs *m, struct memfs_inode *i, uint64_t off, const uint8_t *data, uint32_t len,
		 bool stable)
{
	uint64_t end = off + len;

	if (end > i->size && m->limit && m->used + end - i->size > m->limit)
		return false;
	inode_reserve(i, end);
	memcpy(i->data + off, data, len);
	if (end > i->size) {
		m->used += end - i->size;
		i->size = end;
	}
	if (stable) {
		memcpy(i->stable + off, data, len);
		if (end > i->stable_size)
			i->stable_size = end;
	}
	i->mtime = i->ctime = memfs_now();
	return true;
}

struct memfs_entry *dir_find(struct memfs_inode *dir, const char *name)
{
	for (uint32_t n = 0; n < dir->nr_entries; n++)
		if (!strcmp(dir->entries[n].name, name))
			return &dir->entries[n];
	return NULL;
}

void dir_add(struct memfs *m, struct memfs_inode *dir, const char *name, uint32_t ino)
{
	if (dir->nr_entries == dir->max_entries) {
		dir->max_entries = dir->max_entries * 2 + 16;
		dir->entries = realloc(dir->entries, dir->max_entries * sizeof(*dir->entries));
	}
	dir->entries[dir->nr_entries++] = (struct memfs_entry){ strdup(name), ino,
								 dir->next_cookie++ };
	m->ino[ino].nlink++;
	dir->mtime = dir->ctime = m->ino[ino].ctime = memfs_now();
}

void dir_del(struct memfs_inode *dir, struct memfs_entry *ent)
{
	uint32_t n = (uint32_t)(ent - dir->entries);

	free(ent->name);
	memmove(ent, ent + 1, (dir->nr_entries - n - 1) * sizeof(*ent));
	dir->nr_entries--;
	dir->mtime = dir->ctime = memfs_now();
}

/* ---- faults ---- */

static const char *const fault_name[NR_FAULTS] = {
	"drop call", "drop reply", "close", "close before", "delay", "twice", "restart", "jukebox",
	"short read", "short write", "sync write", "new cookie verifier", "bare", "no space", "quota", "I/O",
	"stale", "truncate", "corrupt", "oversize", "garbage",
};

const char *memfs_fault_name(enum memfs_fault fault)
{
	return fault_name[fault];
}

bool roll(struct memfs *m, enum memfs_fault fault)
{
	bool hit = m->fault[fault] && (unsigned int)rand_r(&m->seed) % 1000 < m->fault[fault];

	m->hits[fault] += hit;
	return hit;
}

static void restart(struct fake *f, struct memfs *m)
{
	m->restarts++;
	m->verf++;
	for (unsigned int n = 0; n < DRC_SLOTS; n++)
		m->drc[n].xid = 0;
	for (uint32_t n = 0; n < MEMFS_INODES; n++) {
		struct memfs_inode *i = &m->ino[n];

		if (!S_ISREG(i->mode) || !i->room)
			continue;
		m->used = m->used - i->size + i->stable_size;
		memset(i->data, 0, i->room);
		memcpy(i->data, i->stable, i->stable_size);
		i->size = i->stable_size;
	}
	memset(m->locks, 0, sizeof(m->locks));
	memset(m->nlm.wait, 0, sizeof(m->nlm.wait));
	__atomic_store_n(&f->kick, 1, __ATOMIC_RELEASE);
}

static bool idempotent(uint32_t proc)
{
	return proc < CREATE && proc != SETATTR ? true : proc >= READDIR;
}

static bool drc_answers(struct memfs *m, struct fake_call *c)
{
	for (unsigned int n = 0; n < DRC_SLOTS && !idempotent(c->proc); n++)
		if (m->drc[n].xid == c->xid && m->drc[n].proc == c->proc) {
			memcpy(c->out, m->drc[n].reply, m->drc[n].len);
			c->out_len = m->drc[n].len;
			m->drc_hits++;
			return true;
		}
	return false;
}

static void drc_keep(struct memfs *m, const struct fake_call *c)
{
	struct memfs_drc *d = &m->drc[m->drc_next];

	if (idempotent(c->proc) || c->out_len > DRC_BYTES)
		return;
	m->drc_next = (m->drc_next + 1) % DRC_SLOTS;
	*d = (struct memfs_drc){ .xid = c->xid, .proc = c->proc, .len = c->out_len };
	memcpy(d->reply, c->out, c->out_len);
}

/* An error instead of the work; 0: none. */
static uint32_t refuse(struct memfs *m, const struct fake_call *c)
{
	uint32_t len;
	size_t end;

	if (roll(m, FAULT_JUKEBOX))
		return JUKEBOX;
	get_bytes(c, 0, &len, &end);
	if (len != 4 && roll(m, FAULT_STALE))
		return STALE;
	if (c->proc == WRITE && roll(m, FAULT_NOSPC))
		return NOSPC;
	if (c->proc == WRITE && roll(m, FAULT_DQUOT))
		return DQUOT;
	if (c->proc == COMMIT && roll(m, FAULT_IO))
		return IO;
	return 0;
}

/* What happens to the reply. */
static enum fake_verdict spoil(struct memfs *m, struct fake_call *c)
{
	if (roll(m, FAULT_DROP_REPLY))
		return FAKE_DROP;
	if (roll(m, FAULT_CLOSE))
		return FAKE_CLOSE;
	if (roll(m, FAULT_TWICE))
		return FAKE_TWICE;
	if (roll(m, FAULT_DELAY)) {
		c->delay_ms = 1 + (unsigned int)rand_r(&m->seed) % MAX_DELAY_MS;
		return FAKE_REPLY;
	}
	if (roll(m, FAULT_TRUNCATE)) {
		c->out_len = (size_t)rand_r(&m->seed) % (c->out_len + 1) & ~3ul;
		return FAKE_REPLY;
	}
	if (roll(m, FAULT_CORRUPT)) {
		for (int n = 0; n < 4 && c->out_len; n++)
			c->out[(size_t)rand_r(&m->seed) % c->out_len] ^= (uint8_t)(1 << rand_r(&m->seed) % 8);
		return FAKE_REPLY;
	}
	return FAKE_REPLY;
}

/* Nonsense in place of a reply, which is lost. */
static bool nonsense(struct memfs *m, struct fake_call *c)
{
	bool over = roll(m, FAULT_OVERSIZE);

	if (!over && !roll(m, FAULT_GARBAGE))
		return false;
	c->out_len = 0;
	put32(c, over ? 0xffffffff : 0x80000000 | 64);
	for (int n = 0; n < 16; n++)
		put32(c, (uint32_t)rand_r(&m->seed) * 3u);
	return true;
}

static enum fake_verdict serve_nfs(struct fake *f, struct memfs *m, struct fake_call *c)
{
	uint32_t status;

	m->calls++;
	m->last_uid = c->uid;
	m->last_gid = c->gid;
	m->last_ngroups = c->ngroups;
	if (roll(m, FAULT_RESTART)) {
		restart(f, m);
		return FAKE_CLOSE;
	}
	if (roll(m, FAULT_DROP_CALL))
		return FAKE_DROP;
	if (roll(m, FAULT_CLOSE_BEFORE))
		return FAKE_CLOSE;
	c->out_len = 0;
	if (drc_answers(m, c))
		return FAKE_REPLY;
	status = refuse(m, c);
	if (status)
		put_error(c, status);
	else
		memfs_execute(m, c);
	if (status != JUKEBOX)
		drc_keep(m, c);
	return nonsense(m, c) ? FAKE_RAW : spoil(m, c);
}

static enum fake_verdict serve_side(struct memfs *m, struct fake_call *c)
{
	if (c->prog == FAKE_NFSACL && m->no_acl)
		return FAKE_NO_PROGRAM;
	pthread_mutex_lock(&m->lock);
	c->out_len = 0;
	if (c->prog == FAKE_NFSACL)
		memfs_acl_execute(m, c);
	else
		memfs_nlm_execute(m, c);
	pthread_mutex_unlock(&m->lock);
	return FAKE_REPLY;
}

enum fake_verdict memfs_handle(struct fake *f, struct fake_call *c)
{
	struct memfs *m = the_memfs;
	enum fake_verdict verdict;

	if (c->proc == 0)
		return FAKE_DEFAULT;
	if (c->prog != FAKE_NFS)
		return serve_side(m, c);
	pthread_mutex_lock(&m->lock);
	/* Restarted: no connection of the old server is served by the new one. */
	if (__atomic_load_n(&f->kick, __ATOMIC_ACQUIRE))
		verdict = FAKE_CLOSE;
	else
		verdict = serve_nfs(f, m, c);
	pthread_mutex_unlock(&m->lock);
	return verdict;
}

/* ---- for the test ---- */

struct memfs *memfs_start(struct fake *f, unsigned int seed)
{
	struct memfs *m = calloc(1, sizeof(*m));
	struct memfs_inode *root, *huge;

	pthread_mutex_init(&m->lock, NULL);
	m->seed = seed;
	m->verf = 0x1000 + seed;
	m->rtmax = m->wtmax = 1 << 20;
	m->nlm.fd = -1;
	m->drc = calloc(DRC_SLOTS, sizeof(*m->drc));
	root = inode_new(m, S_IFDIR | 0777, 0, 0);
	root->nlink = 2;
	root->parent = ROOT_INO;
	huge = inode_new(m, S_IFDIR | 0755, 0, 0);
	huge->parent = ROOT_INO;
	dir_add(m, root, MEMFS_HUGE, HUGE_INO);
	the_memfs = m;
	fake_start(f, memfs_handle);
	__atomic_store_n(&f->has_side, true, __ATOMIC_RELAXED);
	return m;
}

void memfs_stop(struct fake *f)
{
	struct memfs *m = the_memfs;

	fake_stop(f);
	for (uint32_t n = ROOT_INO; n < MEMFS_INODES; n++) {
		struct memfs_inode *i = &m->ino[n];

		for (uint32_t e = 0; e < i->nr_entries; e++)
			free(i->entries[e].name);
		i->nlink = 0;
		inode_put(m, i);
	}
	free(m->drc);
	if (m->nlm.fd >= 0)
		close(m->nlm.fd);
	pthread_mutex_destroy(&m->lock);
	free(m);
	the_memfs = NULL;
}

void memfs_set_fault(struct memfs *m, enum memfs_fault fault, unsigned int per_mille)
{
	pthread_mutex_lock(&m->lock);
	m->fault[fault] = per_mille;
	pthread_mutex_unlock(&m->lock);
}

void memfs_no_faults(struct memfs *m)
{
	pthread_mutex_lock(&m->lock);
	memset(m->fault, 0, sizeof(m->fault));
	pthread_mutex_unlock(&m->lock);
}

unsigned int memfs_hits(struct memfs *m, enum memfs_fault fault)
{
	unsigned int n;

	pthread_mutex_lock(&m->lock);
	n = m->hits[fault];
	pthread_mutex_unlock(&m->lock);
	return n;
}

void memfs_restart(struct fake *f, struct memfs *m)
{
	pthread_mutex_lock(&m->lock);
	restart(f, m);
	pthread_mutex_unlock(&m->lock);
}

/* dir/name of a path: the inode of dir, and the name. */
static struct memfs_inode *walk(struct memfs *m, const char *path, const char **name)
{
	struct memfs_inode *dir = &m->ino[ROOT_INO];
	const char *slash;
	char part[256];

	while ((slash = strchr(path, '/'))) {
		struct memfs_entry *ent;

		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		ent = dir_find(dir, part);
		if (!ent)
			return NULL;
		dir = &m->ino[ent->ino];
		path = slash + 1;
	}
	*name = path;
	return dir;
}

static struct memfs_inode *find(struct memfs *m, const char *path)
{
	struct memfs_entry *ent;
	const char *name;
	struct memfs_inode *dir = walk(m, path, &name);

	if (!dir || !*name)
		return dir;
	ent = dir_find(dir, name);
	return ent ? &m->ino[ent->ino] : NULL;
}

uint32_t memfs_find(struct memfs *m, const char *path)
{
	struct memfs_inode *i;
	uint32_t ino;

	pthread_mutex_lock(&m->lock);
	i = find(m, path);
	ino = i ? ino_of(m, i) : 0;
	pthread_mutex_unlock(&m->lock);
	return ino;
}

static int64_t copy_out(struct memfs *m, const char *path, void *buf, size_t len, bool stable)
{
	struct memfs_inode *i;
	int64_t size = -1;

	pthread_mutex_lock(&m->lock);
	i = find(m, path);
	if (i) {
		size = (int64_t)(stable ? i->stable_size : i->size);
		if (len && size)
			memcpy(buf, stable ? i->stable : i->data, len < (size_t)size ? len : (size_t)size);
	}
	pthread_mutex_unlock(&m->lock);
	return size;
}

int64_t memfs_stable(struct memfs *m, const char *path, void *buf, size_t len)
{
	return copy_out(m, path, buf, len, true);
}

int64_t memfs_content(struct memfs *m, const char *path, void *buf, size_t len)
{
	return copy_out(m, path, buf, len, false);
}

void memfs_put(struct memfs *m, const char *path, const void *data, size_t len)
{
	struct memfs_inode *i, *dir;
	const char *name;

	pthread_mutex_lock(&m->lock);
	i = find(m, path);
	if (!i) {
		dir = walk(m, path, &name);
		i = inode_new(m, S_IFREG | 0644, 0, 0);
		dir_add(m, dir, name, ino_of(m, i));
	}
	inode_resize(m, i, 0);
	inode_write(m, i, 0, data, (uint32_t)len, true);
	pthread_mutex_unlock(&m->lock);
}

void memfs_remove(struct memfs *m, const char *path)
{
	struct memfs_inode *dir, *i;
	struct memfs_entry *ent;
	const char *name;

	pthread_mutex_lock(&m->lock);
	dir = walk(m, path, &name);
	ent = dir ? dir_find(dir, name) : NULL;
	if (ent) {
		i = &m->ino[ent->ino];
		dir_del(dir, ent);
		i->nlink--;
		inode_put(m, i);
	}
	pthread_mutex_unlock(&m->lock);
}

unsigned int memfs_count(struct memfs *m, const char *path, const char *prefix)
{
	struct memfs_inode *dir;
	unsigned int count = 0;

	pthread_mutex_lock(&m->lock);
	dir = *path ? find(m, path) : &m->ino[ROOT_INO];
	for (uint32_t n = 0; dir && n < dir->nr_entries; n++)
		count += !strncmp(dir->entries[n].name, prefix, strlen(prefix));
	pthread_mutex_unlock(&m->lock);
	return count;
}

void memfs_set_fsid(struct memfs *m, const char *path, uint64_t fsid)
{
	struct memfs_inode *i;

	pthread_mutex_lock(&m->lock);
	i = find(m, path);
	if (i)
		i->fsid = fsid;
	pthread_mutex_unlock(&m->lock);
}

uint64_t memfs_mtime(struct memfs *m, const char *path)
{
	struct memfs_inode *i;
	uint64_t mtime;

	pthread_mutex_lock(&m->lock);
	i = find(m, path);
	mtime = i ? i->mtime : 0;
	pthread_mutex_unlock(&m->lock);
	return mtime;
}

unsigned int memfs_nr_locks(struct memfs *m)
{
	unsigned int count = 0;

	pthread_mutex_lock(&m->lock);
	for (int n = 0; n < MEMFS_LOCKS; n++)
		count += m->locks[n].ino != 0;
	pthread_mutex_unlock(&m->lock);
	return count;
}

void memfs_set_grace(struct memfs *m, bool grace)
{
	pthread_mutex_lock(&m->lock);
	m->grace = grace;
	pthread_mutex_unlock(&m->lock);
}
