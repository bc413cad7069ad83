/* SPDX-License-Identifier: BSD-3-Clause */
#include "nfs_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "doca_log.h"
#include "fs/fs.h"
#include "nfs_silly.h"

DOCA_LOG_REGISTER(VIRTIOFS::NFS::JOURNAL);

#define MAX_FILES 256 /* devices of one export */
#define MAX_BYTES (16u << 20) /* of a file that is read */
#define LINE_MAX_LEN 512

struct nfs_journal {
	pthread_mutex_t lock;
	int fd;
	unsigned int live; /* names in it that are not gone */
	bool complained;
	char path[512];
};

static uint64_t hash_text(uint64_t h, const char *text)
{
	do
		h = (h ^ (uint8_t)*text) * 1099511628211ull;
	while (*text++);
	return h;
}

/* ---- lines ---- */

static size_t put_hex(char *to, const struct nfs_fh *fh)
{
	for (uint32_t i = 0; i < fh->len; i++)
		snprintf(to + 2 * i, 3, "%02x", fh->data[i]);
	return 2 * fh->len;
}

static bool get_hex(const char *text, struct nfs_fh *fh)
{
	size_t len = strlen(text);

	if (!len || len % 2 || len / 2 > NFS_FH_MAX || strspn(text, "0123456789abcdef") != len)
		return false;
	fh->len = (uint32_t)(len / 2);
	for (uint32_t i = 0; i < fh->len; i++) {
		const char byte[3] = { text[2 * i], text[2 * i + 1], '\0' };

		fh->data[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
	return true;
}

/* "gid,group,...". */
static void get_groups(char *text, struct nfs_cred *cred)
{
	char *save, *item = strtok_r(text, ",", &save);

	cred->gid = item ? (uint32_t)strtoul(item, NULL, 10) : 0;
	cred->ngroups = 0;
	while ((item = strtok_r(NULL, ",", &save)) && cred->ngroups < NFS_MAX_GROUPS)
		cred->groups[cred->ngroups++] = (uint32_t)strtoul(item, NULL, 10);
}

/* A name as silly rename makes it: a journal that was tampered with must not remove others. */
static bool is_silly(const char *name)
{
	size_t len = strlen(name);

	return len == NFS_SILLY_PREFIX_LEN + NFS_SILLY_DIGITS &&
	       !strncmp(name, NFS_SILLY_PREFIX, NFS_SILLY_PREFIX_LEN) &&
	       strspn(name + NFS_SILLY_PREFIX_LEN, "0123456789abcdef") == NFS_SILLY_DIGITS;
}

/* ---- writing ---- */

static void append(struct nfs_journal *j, const char *line, size_t len)
{
	if (write(j->fd, line, len) == (ssize_t)len)
		return;
	if (!j->complained)
		DOCA_LOG_WARN("%s: %s: names of unlinked files may stay on the server after a crash",
			      j->path, strerror(errno));
	j->complained = true;
}

void journal_add(struct nfs_journal *j, const struct nfs_fh *dir, const struct nfs_cred *cred,
		 const char *name)
{
	char line[LINE_MAX_LEN] = "+ ";
	size_t len = 2;

	if (!j)
		return;
	len += put_hex(line + len, dir);
	len += (size_t)snprintf(line + len, sizeof(line) - len, " %u %u", cred->uid, cred->gid);
	for (uint32_t i = 0; i < cred->ngroups; i++)
		len += (size_t)snprintf(line + len, sizeof(line) - len, ",%u", cred->groups[i]);
	len += (size_t)snprintf(line + len, sizeof(line) - len, " %s\n", name);
	pthread_mutex_lock(&j->lock);
	j->live++;
	append(j, line, len);
	pthread_mutex_unlock(&j->lock);
}
_Static_assert(2 + 2 * NFS_FH_MAX + 2 * 11 + 11 * NFS_MAX_GROUPS + NFS_SILLY_LEN + 2 < LINE_MAX_LEN,
	       "a line fits");

void journal_remove(struct nfs_journal *j, const char *name)
{
	char line[LINE_MAX_LEN];
	int len;

	if (!j)
		return;
	len = snprintf(line, sizeof(line), "- %s\n", name);
	pthread_mutex_lock(&j->lock);
	if (--j->live)
		append(j, line, (size_t)len);
	else if (ftruncate(j->fd, 0)) /* nothing left: short again */
		append(j, line, (size_t)len);
	pthread_mutex_unlock(&j->lock);
}

/* ---- reading ---- */

struct reader {
	void (*found)(void *arg, const struct nfs_fh *fh, const struct nfs_cred *cred, const char *name);
	void *arg;
};

/* Is there a "- name" line behind this? */
static bool gone_later(const char *rest, const char *name)
{
	char line[NFS_SILLY_LEN + 8];

	snprintf(line, sizeof(line), "\n- %s\n", name);
	return strstr(rest, line);
}

/* rest begins with the line's end. */
static void read_line(const struct reader *r, const char *line, const char *rest)
{
	char fh_text[2 * NFS_FH_MAX + 1], groups[256], name[64];
	struct nfs_cred cred = { 0 };
	struct nfs_fh fh;

	if (sscanf(line, "+ %128s %" SCNu32 " %255s %63s", fh_text, &cred.uid, groups, name) != 4)
		return;
	if (!get_hex(fh_text, &fh) || !is_silly(name) || gone_later(rest, name))
		return;
	get_groups(groups, &cred);
	r->found(r->arg, &fh, &cred, name);
}

static int read_names(int fd, const struct reader *r)
{
	CLEANUP_FREE char *text = NULL;
	struct stat st;
	ssize_t len;
	char *end;

	if (fstat(fd, &st) || st.st_size > MAX_BYTES)
		return -EFBIG;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	len = pread(fd, text, (size_t)st.st_size, 0);
	if (len < 0)
		return -errno;
	text[len] = '\0';
	/* A last line without an end was being written: its name was not made yet. */
	for (char *line = text; (end = strchr(line, '\n')); line = end + 1)
		if (*line == '+')
			read_line(r, line, end);
	return 0;
}

/* ---- files ---- */

/* Opens number i; -1: it is in use, or not there and not to be made. */
static int open_locked(const char *path, bool make)
{
	int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | (make ? O_CREAT : 0), 0600);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int take_files(struct nfs_journal *j, const char *dir, uint64_t hash, const struct reader *r)
{
	char path[sizeof(j->path)];
	int rc = 0;

	for (unsigned int i = 0; i < MAX_FILES && !rc; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/nfs-%016" PRIx64 "-%u.silly", dir, hash, i);
		fd = open_locked(path, j->fd < 0);
		if (fd < 0)
			continue;
		rc = read_names(fd, r);
		if (rc == -EFBIG) { /* names nobody removes are no reason not to start */
			DOCA_LOG_WARN("%s is too large: names of unlinked files may stay on the server", path);
			rc = 0;
		}
		if (j->fd < 0) {
			j->fd = fd;
			memcpy(j->path, path, sizeof(path));
			continue;
		}
		unlink(path);
		close(fd);
	}
	return rc;
}

int journal_open(const char *dir, const char *server, const char *export_path,
		 void (*found)(void *arg, const struct nfs_fh *fh, const struct nfs_cred *cred,
			       const char *name),
		 void *arg, struct nfs_journal **ret, char *err)
{
	const struct reader r = { found, arg };
	struct nfs_journal *j;
	int rc;

	*ret = NULL;
	if (!dir)
		return 0;
	j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	j->fd = -1;
	pthread_mutex_init(&j->lock, NULL);
	rc = take_files(j, dir, hash_text(hash_text(14695981039346656037ull, server), export_path), &r);
	if (!rc && j->fd < 0)
		rc = -EIO;
	if (!rc && ftruncate(j->fd, 0))
		rc = -errno;
	if (rc) {
		snprintf(err, FS_ERR_LEN, "state directory %s: cannot keep a journal there (%s)", dir,
			 strerror(-rc));
		journal_close(j);
		return rc;
	}
	*ret = j;
	return 0;
}

void journal_close(struct nfs_journal *j)
{
	if (!j)
		return;
	if (j->fd >= 0) {
		if (!j->live)
			unlink(j->path);
		close(j->fd);
	}
	pthread_mutex_destroy(&j->lock);
	free(j);
}
