/* SPDX-License-Identifier: BSD-3-Clause */
/* See nsm.h. */
#include "nsm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "doca_log.h"
#include "nfs_worker.h"
#include "nlm_serve.h"
#include "rpc.h"

DOCA_LOG_REGISTER(VIRTIOFS::NFS::NSM);

#define MAX_NOTES 256 /* devices of one server */
#define LINE_BYTES 400
#define NOTIFY 6
#define NOTIFY_NS 5000000000ull /* for each of finding it and telling it */

struct nsm {
	int lock_fd;
	uint32_t state;
	bool must_free, locks;
	char path[512], server[256];
};

struct note {
	uint32_t state;
	bool locks;
};

/* ---- notes ---- */

static uint64_t hash_text(const char *text)
{
	uint64_t h = 14695981039346656037ull;

	while (*text)
		h = (h ^ (uint8_t)*text++) * 1099511628211ull;
	return h;
}

/* None that leads elsewhere. errno with NULL. */
static FILE *open_note(const char *path, int flags, const char *mode)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600), err;
	FILE *file = fd < 0 ? NULL : fdopen(fd, mode);

	if (file || fd < 0)
		return file;
	err = errno;
	close(fd);
	errno = err;
	return NULL;
}

/* Nobody trusts it with more than two numbers. */
static void read_note(const char *path, struct note *ret)
{
	char line[LINE_BYTES];
	FILE *file = open_note(path, O_RDONLY, "r");
	unsigned int locks = 0;

	*ret = (struct note){ 0 };
	if (!file)
		return;
	if (fgets(line, sizeof(line), file) && sscanf(line, "state %" SCNu32 " locks %u", &ret->state, &locks) == 2)
		ret->locks = locks;
	fclose(file);
}

static int write_note(const struct nsm *nsm)
{
	char temp[sizeof(nsm->path) + 8];
	int rc = 0;
	FILE *file;

	snprintf(temp, sizeof(temp), "%s.new", nsm->path);
	unlink(temp); /* somebody died here, or put a trap */
	file = open_note(temp, O_WRONLY | O_CREAT | O_EXCL, "w");
	if (!file)
		return -errno;
	if (fprintf(file, "state %" PRIu32 " locks %d %s\n", nsm->state, nsm->locks, nsm->server) < 0)
		rc = -EIO;
	if (fclose(file) || (!rc && rename(temp, nsm->path)))
		rc = -errno;
	if (rc)
		unlink(temp);
	return rc;
}

void nsm_note(struct nsm *nsm, bool locks)
{
	int rc;

	if (!nsm || nsm->locks == locks)
		return;
	nsm->locks = locks;
	rc = write_note(nsm);
	if (rc)
		DOCA_LOG_WARN("%s: %s: locks may stay on server %s after a crash", nsm->path, strerror(-rc),
			      nsm->server);
}

/* ---- beginning ---- */

/* What all notes about a server say. */
struct survey {
	uint32_t state;
	bool left, lives, holds; /* locks of the dead, anybody alive, locks of theirs */
};

static int lock_note(const char *path)
{
	char name[520];
	int fd;

	snprintf(name, sizeof(name), "%s.lock", path);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	close(fd);
	return -EBUSY;
}

/* The note is nobody's: its number is ours, or it is of no use any more. */
static void take_note(struct nsm *nsm, const char *path, int fd, struct survey *s, const struct note *note)
{
	s->left |= note->locks;
	if (nsm->lock_fd < 0) {
		nsm->lock_fd = fd;
		snprintf(nsm->path, sizeof(nsm->path), "%s", path);
		return;
	}
	unlink(path);
	close(fd);
}

static int look_at_notes(struct nsm *nsm, const char *dir, struct survey *s)
{
	char path[sizeof(nsm->path)];

	for (unsigned int i = 0; i < MAX_NOTES; i++) {
		struct note note;
		int fd;

		snprintf(path, sizeof(path), "%s/nsm-%016" PRIx64 "-%u", dir, hash_text(nsm->server), i);
		if (nsm->lock_fd >= 0 && access(path, F_OK))
			continue;
		fd = lock_note(path);
		if (fd < 0 && fd != -EBUSY)
			return fd;
		read_note(path, &note);
		s->state = max(s->state, note.state);
		if (fd >= 0) {
			take_note(nsm, path, fd, s, &note);
		} else {
			s->lives = true;
			s->holds |= note.locks;
		}
	}
	return nsm->lock_fd < 0 ? -EUSERS : 0;
}

static int begin(struct nsm *nsm, const char *dir)
{
	struct survey s = { 0 };
	int rc = look_at_notes(nsm, dir, &s);

	if (rc)
		return rc;
	/* Odd: up. Each start is a new one, but those who run together have the same. */
	nsm->state = s.state | 1;
	if (s.state && !s.lives)
		nsm->state += 2;
	nsm->must_free = s.left && !s.holds;
	nsm->locks = nsm->must_free; /* until it is done */
	if (s.left && s.holds)
		DOCA_LOG_WARN("nfs: locks of a controller that was killed stay on server %s: freeing them would free those of another one that runs",
			      nsm->server);
	return write_note(nsm);
}

int nsm_open(const char *dir, const char *server, struct nsm **ret, char *err)
{
	struct nsm *nsm;
	int rc;

	*ret = NULL;
	if (!dir)
		return 0;
	nsm = calloc(1, sizeof(*nsm));
	if (!nsm)
		return -ENOMEM;
	nsm->lock_fd = -1;
	snprintf(nsm->server, sizeof(nsm->server), "%s", server);
	rc = begin(nsm, dir);
	if (rc) {
		snprintf(err, FS_ERR_LEN, "state directory %s: cannot keep a note of locks there (%s)", dir,
			 strerror(-rc));
		nsm_close(nsm);
		return rc;
	}
	*ret = nsm;
	return 0;
}

void nsm_close(struct nsm *nsm)
{
	if (!nsm)
		return;
	if (nsm->lock_fd >= 0)
		close(nsm->lock_fd);
	free(nsm);
}

uint32_t nsm_state(const struct nsm *nsm)
{
	return nsm ? nsm->state : 1;
}

bool nsm_must_free(const struct nsm *nsm)
{
	return nsm && nsm->must_free;
}

/* ---- telling ---- */

struct nsm_notify {
	int refs; /* atomic: the thread and who asked */
	int done; /* atomic */
	uint32_t state;
	char address[64];
	struct rpc_sync rpc;
};

static void put_ref(struct nsm_notify *n)
{
	if (__atomic_sub_fetch(&n->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(n);
}

static int tell(struct nsm_notify *n)
{
	const struct nfs3_number number = { NSM_PROGRAM, NSM_VERSION, NOTIFY };
	char name[NLM_CALLER_MAX];
	struct rpc_addrs addrs;
	struct xdr_out a;
	struct xdr_in x;
	int rc;

	if (rpc_sync_addrs(n->address, AF_UNSPEC, &addrs))
		return -EINVAL;
	rc = rpc_sync_port(&addrs.addr[0], number.prog, number.vers, clock_ns() + NOTIFY_NS);
	if (!rc)
		rc = rpc_sync_open(&n->rpc, &addrs.addr[0], true, clock_ns() + NOTIFY_NS);
	if (rc)
		return rc;
	a = rpc_sync_begin(&n->rpc, number, NULL);
	nfs3_nlm_caller(name);
	xdr_put_string(&a, name);
	xdr_put32(&a, n->state);
	rc = rpc_sync_end(&n->rpc, &a, &x);
	rpc_sync_close(&n->rpc);
	return rc;
}

static void *notify_main(void *arg)
{
	struct nsm_notify *n = arg;
	int rc = tell(n);

	if (rc) /* its lock manager is told as well */
		DOCA_LOG_DBG("status monitor of %s: %s", n->address, strerror(-rc));
	__atomic_store_n(&n->done, 1, __ATOMIC_RELEASE); /* pairs with nsm_notify_take() */
	put_ref(n);
	return NULL;
}

struct nsm_notify *nsm_notify_start(const char *address, uint32_t state)
{
	struct nsm_notify *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->refs = 2;
	n->state = state;
	snprintf(n->address, sizeof(n->address), "%s", address);
	if (!nfs_worker_start(NULL, notify_main, n))
		return n;
	free(n);
	return NULL;
}

bool nsm_notify_take(struct nsm_notify **pn)
{
	struct nsm_notify *n = *pn;

	if (!__atomic_load_n(&n->done, __ATOMIC_ACQUIRE)) /* pairs with notify_main() */
		return false;
	*pn = NULL;
	put_ref(n);
	return true;
}

void nsm_notify_drop(struct nsm_notify *n)
{
	if (n)
		put_ref(n);
}
