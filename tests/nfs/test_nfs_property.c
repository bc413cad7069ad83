/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random operations through the NFS back end, random faults in the server, and a model of what the guest
 * must see: every reply is compared with it, and what fsync or syncfs acknowledged with what a restart of
 * the server would find.
 *
 *   test_nfs_property [SEED [STEPS]]
 *
 * Three rounds: faults the guest must not notice; errors it must be told of; nonsense on the wire, which it
 * must survive. The seed is printed: the same one makes the same operations (not the same timing).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../fs/nfs_fixture.h"
#include "base/clock.h"
#include "memfs.h"

#define NR_NAMES 8
#define NR_HANDLES 6
#define NR_FILES 64
#define MAX_SIZE (192u << 10)
#define MAX_BATCH 6

/* A file of the model. */
struct file {
	unsigned int refs; /* names and handles */
	unsigned int names;
	bool unknown; /* after an error: anything until it is truncated */
	size_t size;
	uint8_t data[MAX_SIZE];
};

struct handle {
	struct file *file; /* NULL: none */
	uint64_t fh;
};

static struct fake f;
static struct memfs *m;
static struct drive d;
static struct file files[NR_FILES];
static struct file *name_of[NR_NAMES];
static struct handle handles[NR_HANDLES];
static struct call batch[MAX_BATCH];
static unsigned int seed, step, nr_errors;
static bool may_fail; /* errors are part of the round */
static bool anything; /* so is wrong data */
static const char *what = "start";
static uint8_t scratch[MAX_SIZE * 2], payload[MAX_BATCH][MAX_SIZE / 4];

static unsigned int rnd(unsigned int below)
{
	return (unsigned int)rand_r(&seed) % below;
}

/* Ends the test, unless wrong answers are part of the round. */
static void broken(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void broken(const char *fmt, ...)
{
	va_list ap;

	if (anything)
		return;
	printf("not ok: step %u, %s: ", step, what);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	exit(1);
}

/* True if it worked. An error ends the test unless this round has errors. */
static bool worked(int rc)
{
	if (rc >= 0)
		return true;
	if (!may_fail)
		broken("%s", strerror(-rc));
	nr_errors++;
	return false;
}

/* ---- the model ---- */

static const char *name(unsigned int n)
{
	static char text[2][16];
	static int turn;

	turn = !turn;
	snprintf(text[turn], sizeof(text[0]), "f%u", n);
	return text[turn];
}

static struct file *file_new(void)
{
	for (unsigned int i = 0; i < NR_FILES; i++)
		if (!files[i].refs) {
			memset(&files[i], 0, sizeof(files[i]));
			return &files[i];
		}
	abort(); /* more names and handles than there can be */
}

static void set_name(unsigned int n, struct file *file)
{
	if (file == name_of[n])
		return;
	if (file) {
		file->refs++;
		file->names++;
	}
	if (name_of[n]) {
		name_of[n]->refs--;
		name_of[n]->names--;
	}
	name_of[n] = file;
}

/* After an operation on a name that failed: as the server has it. */
static void resync(unsigned int n)
{
	bool there = memfs_find(m, name(n)) != 0;

	if (there == !!name_of[n])
		return;
	set_name(n, there ? file_new() : NULL);
	if (there)
		name_of[n]->unknown = true;
}

static struct handle *some_handle(void)
{
	struct handle *h = &handles[rnd(NR_HANDLES)];

	return h->file ? h : NULL;
}

static struct handle *free_handle(void)
{
	for (unsigned int i = 0; i < NR_HANDLES; i++)
		if (!handles[i].file)
			return &handles[i];
	return NULL;
}

static void take_handle(struct handle *h, struct file *file, uint64_t fh)
{
	h->file = file;
	h->fh = fh;
	file->refs++;
}

/*
 * Data is not what was written. Where errors are allowed that is one whose error is still to be told, unless
 * an fsync has just said that all is well.
 */
static void check_bytes(struct file *file, const uint8_t *got, size_t len, size_t off)
{
	size_t i;

	if (file->unknown || !len)
		return;
	for (i = 0; i < len && got[i] == file->data[off + i]; i++)
		;
	if (i == len)
		return;
	if (may_fail && !strcmp(what, "read"))
		file->unknown = true;
	else
		broken("file %zu differs at %zu (of %zu): %02x, should be %02x", (size_t)(file - files), off + i,
		       file->size, got[i], file->data[off + i]);
}

/* What an fsync acknowledged: a restart of the server finds it. */
static void check_stable(struct file *file)
{
	int64_t size = -1;

	for (unsigned int n = 0; n < NR_NAMES && size < 0; n++)
		if (name_of[n] == file)
			size = memfs_stable(m, name(n), scratch, sizeof(scratch));
	if (size < 0 || file->unknown)
		return; /* no name left to find it by */
	if ((size_t)size != file->size)
		broken("stable size %lld, should be %zu", (long long)size, file->size);
	check_bytes(file, scratch, file->size, 0);
}

/* ---- operations ---- */

static void op_make(void)
{
	unsigned int n = rnd(NR_NAMES);
	bool excl = rnd(3) == 0;
	struct handle *h = free_handle();
	struct fuse_entry_out e;
	uint64_t fh;
	int rc;

	if (!h)
		return;
	what = excl ? "create exclusive" : "create";
	rc = op_create(&d, ROOT, name(n), O_RDWR | (excl ? O_EXCL : 0), 0644, &e, &fh);
	if (excl && name_of[n] && rc == -EEXIST)
		return;
	if (!worked(rc)) {
		resync(n);
		return;
	}
	if (excl && name_of[n])
		broken("it was there");
	if (!name_of[n])
		set_name(n, file_new());
	take_handle(h, name_of[n], fh);
}

static void do_open(void)
{
	unsigned int n = rnd(NR_NAMES);
	struct handle *h = free_handle();
	struct fuse_entry_out e;
	bool trunc = rnd(4) == 0;
	uint64_t fh;
	int rc;

	if (!h)
		return;
	what = trunc ? "open O_TRUNC" : "open";
	rc = op_lookup(&d, ROOT, name(n), &e);
	if (rc == -ENOENT && !name_of[n])
		return;
	if (!worked(rc))
		return;
	if (!name_of[n]) {
		broken("%s should not be there", name(n));
		return;
	}
	rc = op_open(&d, e.nodeid, O_RDWR | (trunc ? O_TRUNC : 0), &fh);
	if (trunc)
		name_of[n]->unknown |= rc != 0;
	if (!worked(rc))
		return;
	take_handle(h, name_of[n], fh);
	if (trunc) {
		name_of[n]->size = 0;
		name_of[n]->unknown = false;
	}
}

static void do_release(void)
{
	struct handle *h = some_handle();

	if (!h)
		return;
	what = "release";
	worked(op_release(&d, h->fh));
	h->file->refs--;
	h->file = NULL;
}

/* Several writes at a time, of ranges that do not overlap, to one file. */
static void do_writes(void)
{
	unsigned int nr = 1 + rnd(MAX_BATCH), slice = MAX_SIZE / MAX_BATCH;
	struct handle *h = some_handle();

	if (!h)
		return;
	what = "write";
	for (unsigned int i = 0; i < nr; i++) {
		size_t len = 1 + rnd(rnd(2) ? 5000 : slice / 2), off = i * slice + rnd(slice / 2);

		memset(payload[i], 1 + (int)rnd(255), len);
		call_init(&batch[i], &d, FUSE_WRITE, ROOT);
		batch[i].arg.write = (struct fuse_write_in){ .fh = h->fh, .offset = off,
							     .size = (uint32_t)len };
		call_data(&batch[i], payload[i], len);
		call_start(&batch[i]);
	}
	for (unsigned int i = 0; i < nr; i++) {
		size_t off = batch[i].arg.write.offset, len;

		if (!worked(call_wait(&batch[i]))) {
			h->file->unknown = true;
			continue;
		}
		len = batch[i].out.written.size;
		if (len != batch[i].req.data_len) {
			if (!may_fail)
				broken("short");
			h->file->unknown = true;
		}
		if (off > h->file->size)
			memset(h->file->data + h->file->size, 0, off - h->file->size);
		memcpy(h->file->data + off, payload[i], len);
		h->file->size = max(h->file->size, off + len);
	}
}

static void do_read(void)
{
	struct handle *h = some_handle();
	size_t off = rnd(MAX_SIZE), len = 1 + rnd(65536), want;
	int rc;

	if (!h)
		return;
	what = "read";
	rc = op_read(&d, h->fh, scratch, len, off);
	if (!worked(rc) || h->file->unknown)
		return;
	want = off >= h->file->size ? 0 : min(len, h->file->size - off);
	if ((size_t)rc != want && may_fail)
		h->file->unknown = true;
	else if ((size_t)rc != want)
		broken("%d bytes at %zu of %zu, should be %zu", rc, off, h->file->size, want);
	check_bytes(h->file, scratch, want, off);
}

static void do_fsync(void)
{
	struct handle *h = some_handle();
	bool flush = rnd(2);

	if (!h)
		return;
	what = flush ? "flush" : "fsync";
	if (worked(t_handle_op(&d, flush ? FUSE_FLUSH : FUSE_FSYNC, h->fh)))
		check_stable(h->file);
	else
		h->file->unknown = true;
}

static void do_syncfs(void)
{
	what = "syncfs";
	if (!worked(t_simple(&d, FUSE_SYNCFS, ROOT, NULL, NULL))) {
		for (unsigned int i = 0; i < NR_FILES; i++)
			files[i].unknown = true;
		return;
	}
	for (unsigned int i = 0; i < NR_FILES; i++)
		if (files[i].names)
			check_stable(&files[i]);
}

static void do_truncate(void)
{
	struct handle *h = some_handle();
	struct fuse_setattr_in in = { .valid = FATTR_SIZE | FATTR_FH };
	struct file *file;
	int rc;

	if (!h)
		return;
	what = "truncate";
	file = h->file;
	in.fh = h->fh;
	in.size = rnd(3) ? rnd(MAX_SIZE) : 0;
	if (file->unknown)
		in.size = 0;
	rc = op_setattr(&d, ROOT, &in, NULL);
	if (!worked(rc)) {
		file->unknown = true;
		return;
	}
	if (in.size > file->size)
		memset(file->data + file->size, 0, in.size - file->size);
	file->size = in.size;
	file->unknown &= in.size != 0;
}

static void do_stat(void)
{
	unsigned int n = rnd(NR_NAMES);
	struct fuse_entry_out e;
	struct fuse_attr a;
	int rc;

	what = "stat";
	rc = op_lookup(&d, ROOT, name(n), &e);
	if (rc == -ENOENT && !name_of[n])
		return;
	if (!worked(rc) || !worked(op_getattr(&d, e.nodeid, &a)))
		return;
	if (!name_of[n]) {
		broken("%s should not be there", name(n));
		return;
	}
	if (name_of[n]->unknown)
		return;
	if (a.size != name_of[n]->size && may_fail)
		name_of[n]->unknown = true;
	else if (a.size != name_of[n]->size)
		broken("%s: size %llu, should be %zu", name(n), (unsigned long long)a.size, name_of[n]->size);
	if (!may_fail && a.nlink != name_of[n]->names)
		broken("%s: %u links, should be %u", name(n), a.nlink, name_of[n]->names);
	op_forget(&d, e.nodeid, 1);
}

static void do_unlink(void)
{
	unsigned int n = rnd(NR_NAMES);
	int rc;

	if (!name_of[n]) /* nor would a guest: ENOENT of a call sent twice means that it was done */
		return;
	what = "unlink";
	rc = op_unlink(&d, ROOT, name(n));
	if (!worked(rc)) {
		resync(n);
		return;
	}
	set_name(n, NULL);
}

static void do_rename(void)
{
	unsigned int from = rnd(NR_NAMES), to = rnd(NR_NAMES);
	int rc;

	if (from == to || !name_of[from])
		return;
	what = "rename";
	rc = op_rename(&d, ROOT, name(from), ROOT, name(to), 0);
	if (!worked(rc)) {
		resync(from);
		resync(to);
		return;
	}
	if (name_of[from] == name_of[to]) /* two names of one file: both stay */
		return;
	set_name(to, name_of[from]);
	set_name(from, NULL);
}

static void do_link(void)
{
	unsigned int from = rnd(NR_NAMES), to = rnd(NR_NAMES);
	struct fuse_entry_out e;
	int rc;

	if (!name_of[from])
		return;
	what = "link";
	if (!worked(op_lookup(&d, ROOT, name(from), &e)))
		return;
	rc = t_link(&d, e.nodeid, ROOT, name(to), &e);
	if (rc == -EEXIST && name_of[to])
		return;
	if (!worked(rc)) {
		resync(to);
		return;
	}
	/* EEXIST of a call sent twice means that it was done, if it is that file. */
	if (name_of[to] && name_of[to] != name_of[from])
		broken("%s was there", name(to));
	set_name(to, name_of[from]);
}

static void do_list(void)
{
	static char buf[8192] __attribute__((aligned(8)));
	bool plus = rnd(2), found[NR_NAMES] = { false };
	uint64_t fh, off = 0;
	int len;

	what = "list";
	if (!worked(op_opendir(&d, ROOT, &fh)))
		return;
	while ((len = t_readdir(&d, plus, fh, off, buf, 4096)) > 0) {
		for (char *p = buf; p < buf + len;) {
			const struct fuse_direntplus *ep = (void *)p;
			const struct fuse_dirent *ent = plus ? &ep->dirent : (void *)p;
			size_t head = plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;

			if (ent->namelen == 2 && ent->name[0] == 'f')
				found[ent->name[1] - '0'] = true;
			off = ent->off;
			p += FUSE_DIRENT_ALIGN(head + ent->namelen);
		}
	}
	worked(op_releasedir(&d, fh));
	if (!worked(len))
		return;
	for (unsigned int n = 0; n < NR_NAMES; n++)
		if (found[n] != !!name_of[n])
			broken("%s is%s listed", name(n), found[n] ? "" : " not");
}

static const struct {
	void (*op)(void);
	unsigned int weight;
} ops[] = {
	{ op_make, 4 }, { do_open, 4 }, { do_release, 4 }, { do_writes, 14 }, { do_read, 10 },
	{ do_fsync, 6 }, { do_syncfs, 1 }, { do_truncate, 3 }, { do_stat, 4 }, { do_unlink, 3 },
	{ do_rename, 3 }, { do_link, 2 }, { do_list, 1 },
};

static void one_step(void)
{
	unsigned int total = 0, pick;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		total += ops[i].weight;
	pick = rnd(total);
	for (i = 0; pick >= ops[i].weight; i++)
		pick -= ops[i].weight;
	ops[i].op();
}

/* ---- rounds ---- */

struct round {
	const char *name;
	bool may_fail, anything;
	unsigned int share; /* of the steps, in percent */
	struct {
		enum memfs_fault fault;
		unsigned int per_mille;
	} faults[NR_FAULTS];
};

#define TRANSPARENT \
	{ FAULT_DROP_CALL, 2 }, { FAULT_DROP_REPLY, 3 }, { FAULT_CLOSE, 5 }, { FAULT_CLOSE_BEFORE, 3 }, \
	{ FAULT_DELAY, 20 }, { FAULT_TWICE, 5 }, { FAULT_RESTART, 5 }, { FAULT_JUKEBOX, 1 }, \
	{ FAULT_SHORT_READ, 50 }, { FAULT_SHORT_WRITE, 50 }, { FAULT_SYNC_WRITE, 50 }, \
	{ FAULT_NEW_VERF, 20 }, { FAULT_BARE, 50 }

static const struct round rounds[] = {
	{ "no faults", false, false, 10, { { 0, 0 } } },
	{ "faults nobody may notice", false, false, 60, { TRANSPARENT } },
	{ "errors", true, false, 20, { TRANSPARENT, { FAULT_NOSPC, 20 }, { FAULT_DQUOT, 10 }, { FAULT_IO, 50 },
				{ FAULT_STALE, 3 } } },
	{ "nonsense", true, true, 10, { { FAULT_TRUNCATE, 20 }, { FAULT_CORRUPT, 20 }, { FAULT_OVERSIZE, 5 },
				  { FAULT_GARBAGE, 5 }, { FAULT_RESTART, 5 } } },
};

static void start_over(void)
{
	for (unsigned int i = 0; i < NR_HANDLES; i++)
		if (handles[i].file)
			worked(op_release(&d, handles[i].fh));
	memset(handles, 0, sizeof(handles));
	for (unsigned int n = 0; n < NR_NAMES; n++) {
		memfs_remove(m, name(n));
		name_of[n] = NULL;
	}
	memset(files, 0, sizeof(files));
}

static void run_round(const struct round *r, unsigned int steps)
{
	uint64_t start = clock_ns();
	unsigned int hits = 0, end = step + steps;

	may_fail = r->may_fail;
	anything = r->anything;
	nr_errors = 0;
	for (unsigned int i = 0; i < NR_FAULTS; i++) {
		hits -= memfs_hits(m, i);
		if (r->faults[i].per_mille)
			memfs_set_fault(m, r->faults[i].fault, r->faults[i].per_mille);
	}
	for (; step < end; step++)
		one_step();
	for (unsigned int i = 0; i < NR_FAULTS; i++)
		hits += memfs_hits(m, i);
	memfs_no_faults(m);
	/* Errors may be left over; what was written without one is on the server now. */
	do_syncfs();
	may_fail = true;
	start_over();
	may_fail = anything = false;
	printf("ok: %s: %u steps, %u faults, %u errors, %.1f s\n", r->name, steps, hits, nr_errors,
	       (double)(clock_ns() - start) / 1e9);
}

/* Works again, and nothing is left behind. */
static void check_end(void)
{
	struct fuse_entry_out e;
	uint64_t fh;

	what = "end";
	worked(op_create(&d, ROOT, "last", O_RDWR, 0600, &e, &fh));
	worked(op_write(&d, fh, "last", 4, 0, 0));
	worked(t_handle_op(&d, FUSE_FSYNC, fh));
	if (memfs_stable(m, "last", scratch, sizeof(scratch)) != 4 || memcmp(scratch, "last", 4))
		broken("the last file is not there");
	worked(op_release(&d, fh));
}

int main(int argc, char **argv)
{
	unsigned int first = argc > 1 ? (unsigned int)strtoul(argv[1], NULL, 0) : (unsigned int)clock_ns();
	unsigned int steps = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 0) : 800;
	char opts[96];

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("seed %u, %u steps\n", first, steps);
	seed = first;
	m = memfs_start(&f, first);
	m->wtmax = m->rtmax = 16384;
	snprintf(opts, sizeof(opts), "nfsport=%u,mountport=%u,timeo=2", f.port, f.port);
	nfs_drive(&d, "/x", opts);
	for (size_t i = 0; i < ARRAY_SIZE(rounds); i++)
		run_round(&rounds[i], steps * rounds[i].share / 100);
	check_end();
	drive_close(&d);
	printf("restarts %u, duplicate requests %u, calls %u\n", m->restarts, m->drc_hits, m->calls);
	memfs_stop(&f);
	return 0;
}
