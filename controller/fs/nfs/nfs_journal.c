/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: names come and go in two lists, which a thread of the journal's own takes as often as
 * it gets to it: lines for all of them, one write() and one fdatasync(), then those who wait for their name to
 * be on the disk are told. So no I/O thread waits for a disk, and many at a time cost one synchronisation.
 * Lines about what is gone need none: a name that is not there any more is no harm.
 *
 * All names that are live are in a list of that thread. When the file has become more than twice as long as
 * their lines a new one is made of them and renamed over it: at any time there is a file with every live name
 * in it, and each line is written three times at most, if that many come and go. The same is done after a
 * write that failed half-way.
 *
 * The lock of a file is of the inode, so who opens one looks whether it is still that of its name.
 */
#include "nfs_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "doca_log.h"
#include "fs/fs.h"
#include "nfs_silly.h"
#include "nfs_worker.h"

DOCA_LOG_REGISTER(VIRTIOFS::NFS::JOURNAL);

#define MAX_FILES 256 /* devices of one export */
#define MAX_BYTES (256 << 20) /* of a file that is read */
#define LINE_MAX_LEN 512
#define SLACK_BYTES 65536 /* a file shorter than that is not worth making anew */

struct journal_name {
	STAILQ_ENTRY(journal_name) coming, going; /* under lock; then in a batch */
	TAILQ_ENTRY(journal_name) link; /* live */
	struct journal_name *next; /* while a file is read: names of one hash */
	void (*done)(void *arg);
	void *arg;
	uint32_t len; /* of the line */
	char name[NFS_SILLY_LEN];
	char line[]; /* "+ ...\n" */
};

STAILQ_HEAD(name_list, journal_name);

struct nfs_journal {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	struct name_list coming, going; /* under lock, as is: */
	bool stop, started;
	/* the thread's; before it starts and after it ends, its creator's */
	TAILQ_HEAD(, journal_name) live;
	uint64_t live_bytes, bytes; /* of their lines; of the file */
	int fd, dir_fd;
	bool broken; /* the file ends with half a line */
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

/* The parts of "+ ..."; false: it is none. */
static bool parse_line(const char *line, struct nfs_fh *fh, struct nfs_cred *cred, char name[64])
{
	char fh_text[2 * NFS_FH_MAX + 1], groups[256];

	if (sscanf(line, "+ %128s %" SCNu32 " %255s %63s", fh_text, &cred->uid, groups, name) != 4)
		return false;
	if (!get_hex(fh_text, fh) || !is_silly(name))
		return false;
	get_groups(groups, cred);
	return true;
}

static struct journal_name *name_new(const struct nfs_fh *dir, const struct nfs_cred *cred, const char *name)
{
	char line[LINE_MAX_LEN] = "+ ";
	struct journal_name *jn;
	size_t len = 2;

	len += put_hex(line + len, dir);
	len += (size_t)snprintf(line + len, sizeof(line) - len, " %u %u", cred->uid, cred->gid);
	for (uint32_t i = 0; i < cred->ngroups; i++)
		len += (size_t)snprintf(line + len, sizeof(line) - len, ",%u", cred->groups[i]);
	len += (size_t)snprintf(line + len, sizeof(line) - len, " %s\n", name);
	jn = calloc(1, sizeof(*jn) + len);
	if (!jn)
		return NULL;
	jn->len = (uint32_t)len;
	memcpy(jn->line, line, len);
	snprintf(jn->name, sizeof(jn->name), "%s", name);
	return jn;
}
_Static_assert(2 + 2 * NFS_FH_MAX + 2 * 11 + 11 * NFS_MAX_GROUPS + NFS_SILLY_LEN + 2 < LINE_MAX_LEN,
	       "a line fits");

static void live_add(struct nfs_journal *j, struct journal_name *jn)
{
	TAILQ_INSERT_TAIL(&j->live, jn, link);
	j->live_bytes += jn->len;
}

static void live_remove(struct nfs_journal *j, struct journal_name *jn)
{
	TAILQ_REMOVE(&j->live, jn, link);
	j->live_bytes -= jn->len;
}

/* ---- writing ---- */

/* Bytes on their way to a file. */
struct writer {
	int fd, err;
	size_t used;
	uint64_t total;
	char buf[32768];
};

static void flush(struct writer *w)
{
	for (size_t at = 0; at < w->used && !w->err;) {
		ssize_t n = write(w->fd, w->buf + at, w->used - at);

		if (n > 0)
			at += (size_t)n;
		else if (n == 0 || errno != EINTR)
			w->err = n ? -errno : -EIO;
	}
	w->total += w->used;
	w->used = 0;
}

static void put(struct writer *w, const char *text, size_t len)
{
	if (len > sizeof(w->buf) - w->used)
		flush(w);
	memcpy(w->buf + w->used, text, len);
	w->used += len;
}

static int finish(struct writer *w, bool sync)
{
	flush(w);
	if (!w->err && sync && fdatasync(w->fd))
		w->err = -errno;
	return w->err;
}

static void complain(struct nfs_journal *j, int err)
{
	if (err && !j->complained)
		DOCA_LOG_WARN("%s: %s: names of unlinked files may stay on the server after a crash",
			      j->path, strerror(-err));
	j->complained = err;
}

/* All live names to a new file, locked. Its descriptor or -errno. */
static int write_new(struct nfs_journal *j, const char *path, struct writer *w)
{
	struct journal_name *jn;

	w->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->fd < 0)
		return -errno;
	if (flock(w->fd, LOCK_EX | LOCK_NB))
		w->err = -errno;
	TAILQ_FOREACH(jn, &j->live, link)
		put(w, jn->line, jn->len);
	return finish(w, true);
}

/* A file of nothing but live names in place of the one there is. 0 or -errno, which changes nothing. */
static int renew(struct nfs_journal *j)
{
	char path[sizeof(j->path) + 8];
	struct writer w = { .fd = -1 };
	int rc;

	snprintf(path, sizeof(path), "%s.new", j->path);
	rc = write_new(j, path, &w);
	if (!rc && rename(path, j->path))
		rc = -errno;
	if (rc) {
		if (w.fd >= 0)
			close(w.fd);
		unlink(path);
		return rc;
	}
	if (fsync(j->dir_fd))
		rc = -errno; /* after a crash of the machine the old one may be there again */
	close(j->fd);
	j->fd = w.fd;
	j->bytes = w.total;
	j->broken = false;
	return rc;
}

static void write_gone(struct writer *w, const struct journal_name *jn)
{
	char line[NFS_SILLY_LEN + 8];

	put(w, line, (size_t)snprintf(line, sizeof(line), "- %s\n", jn->name));
}

static int append(struct nfs_journal *j, const struct name_list *coming, const struct name_list *going)
{
	struct writer w = { .fd = j->fd };
	struct journal_name *jn;
	int rc;

	STAILQ_FOREACH(jn, coming, coming)
		put(&w, jn->line, jn->len);
	STAILQ_FOREACH(jn, going, going)
		write_gone(&w, jn);
	rc = finish(&w, !STAILQ_EMPTY(coming));
	j->bytes += w.total;
	j->broken = rc;
	return rc;
}

static void take_batch(struct nfs_journal *j, struct name_list *coming, struct name_list *going)
{
	struct journal_name *jn, *next;
	int rc = -EAGAIN;

	STAILQ_FOREACH(jn, coming, coming)
		live_add(j, jn);
	STAILQ_FOREACH(jn, going, going)
		live_remove(j, jn);
	if (j->broken || j->bytes > 2 * j->live_bytes + SLACK_BYTES)
		rc = renew(j);
	if (rc && !j->broken)
		rc = append(j, coming, going);
	complain(j, rc);
	STAILQ_FOREACH(jn, coming, coming)
		jn->done(jn->arg);
	for (jn = STAILQ_FIRST(going); jn; jn = next) {
		next = STAILQ_NEXT(jn, going);
		free(jn);
	}
}

static void *journal_main(void *arg)
{
	struct nfs_journal *j = arg;

	pthread_mutex_lock(&j->lock);
	for (;;) {
		struct name_list coming = STAILQ_HEAD_INITIALIZER(coming);
		struct name_list going = STAILQ_HEAD_INITIALIZER(going);

		STAILQ_CONCAT(&coming, &j->coming);
		STAILQ_CONCAT(&going, &j->going);
		if (!STAILQ_EMPTY(&coming) || !STAILQ_EMPTY(&going)) {
			pthread_mutex_unlock(&j->lock);
			take_batch(j, &coming, &going);
			pthread_mutex_lock(&j->lock);
		} else if (j->stop) {
			break;
		} else {
			pthread_cond_wait(&j->wake, &j->lock);
		}
	}
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

struct journal_name *journal_add(struct nfs_journal *j, const struct nfs_fh *dir, const struct nfs_cred *cred,
				 const char *name, void (*done)(void *arg), void *arg)
{
	struct journal_name *jn = j ? name_new(dir, cred, name) : NULL;

	if (!jn)
		return NULL;
	jn->done = done;
	jn->arg = arg;
	pthread_mutex_lock(&j->lock);
	STAILQ_INSERT_TAIL(&j->coming, jn, coming);
	pthread_cond_signal(&j->wake);
	pthread_mutex_unlock(&j->lock);
	return jn;
}

void journal_remove(struct nfs_journal *j, struct journal_name *jn)
{
	if (!j || !jn)
		return;
	pthread_mutex_lock(&j->lock);
	STAILQ_INSERT_TAIL(&j->going, jn, going);
	pthread_cond_signal(&j->wake);
	pthread_mutex_unlock(&j->lock);
}

/* ---- reading ---- */

/* Names of a file by hash, to find those that "-" lines are about. */
struct names {
	struct journal_name **bucket;
	size_t nr; /* a power of two */
};

static struct journal_name **place_of(const struct names *names, const char *name)
{
	struct journal_name **at = &names->bucket[hash_text(14695981039346656037ull, name) &
						  (names->nr - 1)];

	while (*at && strcmp((*at)->name, name))
		at = &(*at)->next;
	return at;
}

static int read_line(struct nfs_journal *j, const struct names *names, const char *line)
{
	struct journal_name *jn, **at;
	struct nfs_cred cred = { 0 };
	struct nfs_fh fh;
	char name[64];

	if (!strncmp(line, "- ", 2)) {
		at = place_of(names, line + 2);
		jn = *at;
		if (!jn)
			return 0;
		*at = jn->next;
		live_remove(j, jn);
		free(jn);
		return 0;
	}
	if (!parse_line(line, &fh, &cred, name) || *(at = place_of(names, name)))
		return 0;
	*at = jn = name_new(&fh, &cred, name);
	if (!jn)
		return -ENOMEM;
	live_add(j, jn);
	return 0;
}

static int read_lines(struct nfs_journal *j, char *text)
{
	struct names names = { .nr = 16 };
	char *end;
	int rc = 0;

	for (const char *p = text; (p = strchr(p, '\n')); p++)
		names.nr++;
	while (names.nr & (names.nr - 1))
		names.nr += names.nr & -names.nr;
	names.bucket = calloc(names.nr, sizeof(*names.bucket));
	if (!names.bucket)
		return -ENOMEM;
	/* A last line without an end was being written: its name was not made yet. */
	for (char *line = text; (end = strchr(line, '\n')) && !rc; line = end + 1) {
		*end = '\0';
		rc = read_line(j, &names, line);
	}
	free(names.bucket);
	return rc;
}

static int read_file(struct nfs_journal *j, int fd)
{
	CLEANUP_FREE char *text = NULL;
	struct stat st;
	ssize_t len;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size > MAX_BYTES)
		return -EFBIG;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	len = pread(fd, text, (size_t)st.st_size, 0);
	if (len < 0)
		return -errno;
	text[len] = '\0';
	return read_lines(j, text);
}

/* ---- files ---- */

static bool is_same_file(int fd, const char *path)
{
	struct stat a, b;

	return !fstat(fd, &a) && !stat(path, &b) && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/* Opens and locks a file; -EBUSY: it is in use, or just being replaced; other errors. */
static int open_locked(const char *path, bool make)
{
	int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | (make ? O_CREAT : 0), 0600);

	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB) && is_same_file(fd, path))
		return fd;
	close(fd);
	return -EBUSY;
}

struct taken {
	char base[480]; /* what all paths begin with */
	int fd[MAX_FILES]; /* locked; -1: not */
};

static void path_of(const struct taken *taken, unsigned int i, char path[512])
{
	snprintf(path, 512, "%s-%u.silly", taken->base, i);
}

/* Reads all that nobody uses, the first of which becomes ours. They stay locked. */
static int take_files(struct nfs_journal *j, struct taken *taken)
{
	int rc = 0, last = 0;
	char path[512];

	for (unsigned int i = 0; i < MAX_FILES && !rc; i++) {
		int fd;

		path_of(taken, i, path);
		fd = open_locked(path, j->fd < 0);
		if (fd < 0) {
			last = fd;
			continue;
		}
		rc = read_file(j, fd);
		if (rc == -EFBIG) { /* names nobody removes are no reason not to start */
			DOCA_LOG_WARN("%s is too large: names of unlinked files may stay on the server", path);
			rc = 0;
		}
		if (j->fd < 0) {
			j->fd = fd;
			memcpy(j->path, path, sizeof(path));
		} else {
			taken->fd[i] = fd;
		}
	}
	return j->fd < 0 && !rc ? last : rc;
}

/* What was taken over is in our own file now. */
static void drop_files(const struct taken *taken, bool remove)
{
	char path[512];

	for (unsigned int i = 0; i < MAX_FILES; i++) {
		if (taken->fd[i] < 0)
			continue;
		path_of(taken, i, path);
		if (remove)
			unlink(path);
		close(taken->fd[i]);
	}
}

static int open_files(struct nfs_journal *j, const char *dir, uint64_t hash)
{
	struct taken taken;
	int rc;

	if ((size_t)snprintf(taken.base, sizeof(taken.base), "%s/nfs-%016" PRIx64, dir, hash) >=
	    sizeof(taken.base))
		return -ENAMETOOLONG;
	for (unsigned int i = 0; i < MAX_FILES; i++)
		taken.fd[i] = -1;
	j->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->dir_fd < 0)
		return -errno;
	rc = take_files(j, &taken);
	if (!rc)
		rc = renew(j);
	drop_files(&taken, !rc);
	return rc;
}

static int start_thread(struct nfs_journal *j)
{
	int rc = nfs_worker_start(&j->thread, journal_main, j);

	j->started = !rc;
	return rc;
}

/* All names are live until their finder removes them. */
static void tell(struct nfs_journal *j, journal_found *found, void *arg)
{
	struct nfs_cred cred = { 0 };
	struct journal_name *jn;
	struct nfs_fh fh;
	char name[64];

	TAILQ_FOREACH(jn, &j->live, link)
		if (parse_line(jn->line, &fh, &cred, name))
			found(arg, &fh, &cred, name, jn);
}

int journal_open(const char *dir, const char *server, const char *export_path, journal_found *found,
		 void *arg, struct nfs_journal **ret, char *err)
{
	struct nfs_journal *j;
	int rc;

	*ret = NULL;
	if (!dir)
		return 0;
	j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	j->fd = j->dir_fd = -1;
	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->wake, NULL);
	STAILQ_INIT(&j->coming);
	STAILQ_INIT(&j->going);
	TAILQ_INIT(&j->live);
	rc = open_files(j, dir, hash_text(hash_text(14695981039346656037ull, server), export_path));
	if (!rc) {
		tell(j, found, arg);
		rc = start_thread(j);
	}
	if (rc) {
		snprintf(err, FS_ERR_LEN, "state directory %s: cannot keep a journal there (%s)", dir,
			 strerror(-rc));
		journal_close(j);
		return rc;
	}
	*ret = j;
	return 0;
}

static void stop_thread(struct nfs_journal *j)
{
	if (!j->started)
		return;
	pthread_mutex_lock(&j->lock);
	j->stop = true;
	pthread_cond_signal(&j->wake);
	pthread_mutex_unlock(&j->lock);
	pthread_join(j->thread, NULL);
}

void journal_close(struct nfs_journal *j)
{
	struct journal_name *jn;

	if (!j)
		return;
	stop_thread(j);
	if (j->fd >= 0 && TAILQ_EMPTY(&j->live))
		unlink(j->path);
	while ((jn = TAILQ_FIRST(&j->live))) {
		TAILQ_REMOVE(&j->live, jn, link);
		free(jn);
	}
	if (j->fd >= 0)
		close(j->fd);
	if (j->dir_fd >= 0)
		close(j->dir_fd);
	pthread_cond_destroy(&j->wake);
	pthread_mutex_destroy(&j->lock);
	free(j);
}
