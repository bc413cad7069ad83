/* SPDX-License-Identifier: BSD-3-Clause */
/* What the NFS back end promises, one promise a test, against the file system in memory. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "rig.h"

static int fsync_it(uint64_t fh)
{
	return t_handle_op(&d, FUSE_FSYNC, fh);
}

/* ---- what the guest may believe ---- */

static uint32_t open_flags(struct drive *drive, uint64_t node)
{
	static struct call c;

	call_init(&c, drive, FUSE_OPEN, node);
	c.arg.open.flags = O_RDWR;
	assert_int_equal(call_run(&c), 0);
	assert_int_equal(op_release(drive, c.out.opened.fh), 0);
	return c.out.opened.open_flags;
}

static void test_close_to_open(void **state)
{
	struct fuse_entry_out e;
	uint64_t fh;

	begin("");
	drive_with(&other, "", FS_CACHE_AUTO, NULL);
	fh = make(&other, "a", NULL);
	assert_int_equal(op_write(&other, fh, "one", 3, 0, 0), 3);
	assert_int_equal(t_handle_op(&other, FUSE_FLUSH, fh), 0);
	assert_int_equal(op_lookup(&d, ROOT, "a", &e), 0);
	assert_int_equal(e.entry_valid, 0); /* the next open() asks again */
	assert_int_equal(e.attr_valid, 3);
	assert_int_equal(e.attr.size, 3);
	assert_true(open_flags(&d, e.nodeid) & FOPEN_KEEP_CACHE);
	/* Changed elsewhere: the cache goes with the next open(), and the name's look shows the size. */
	assert_int_equal(op_write(&other, fh, "three", 5, 0, 0), 5);
	assert_int_equal(t_handle_op(&other, FUSE_FLUSH, fh), 0);
	assert_false(open_flags(&d, e.nodeid) & FOPEN_KEEP_CACHE);
	assert_int_equal(op_lookup(&d, ROOT, "a", &e), 0);
	assert_int_equal(e.attr.size, 5);
	assert_true(open_flags(&d, e.nodeid) & FOPEN_KEEP_CACHE);
	assert_int_equal(op_release(&other, fh), 0);
	drive_close(&other);
	end();
}

/* What this guest writes itself costs it no cache. */
static void test_own_writes_keep_cache(void **state)
{
	uint64_t fh, node;

	if (!NFS_OWN_ENGINE)
		skip(); /* no wcc data */
	begin("");
	fh = make(&d, "a", &node);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(op_write(&d, fh, "one", 3, 3 * (uint64_t)i, 0), 3);
		assert_true(open_flags(&d, node) & FOPEN_KEEP_CACHE);
	}
	memfs_put(m, "a", "other", 5);
	assert_false(open_flags(&d, node) & FOPEN_KEEP_CACHE);
	assert_int_equal(op_release(&d, fh), 0);
	end();
}

static uint64_t attr_valid(uint64_t node)
{
	static struct call c;

	call_init(&c, &d, FUSE_GETATTR, node);
	assert_int_equal(call_run(&c), 0);
	return c.out.attr.attr_valid;
}

static void test_ages(void **state)
{
	struct fuse_entry_out e;

	begin(",acregmin=1,acregmax=3,acdirmin=7");
	memfs_put(m, "a", "x", 1);
	assert_int_equal(op_lookup(&d, ROOT, "a", &e), 0);
	assert_int_equal(e.attr_valid, 1);
	usleep(2100000);
	assert_int_equal(attr_valid(e.nodeid), 2); /* nothing changed: believed for longer */
	usleep(3100000);
	assert_int_equal(attr_valid(e.nodeid), 3); /* to a limit */
	memfs_put(m, "a", "y", 1);
	assert_int_equal(attr_valid(e.nodeid), 1);
	assert_int_equal(op_mkdir(&d, ROOT, "d", 0755, &e), 0);
	assert_int_equal(e.entry_valid, 7);
	assert_int_equal(e.attr_valid, 7);
	end();
}

static void test_names(void **state)
{
	static const struct {
		const char *options;
		int none; /* LOOKUP of a name that is not there */
		unsigned int none_valid, file_valid, dir_valid;
	} t[] = {
		{ "", -ENOENT, 0, 0, 30 },
		{ ",lookupcache=all", 0, 30, 0, 30 },
		{ ",lookupcache=none", -ENOENT, 0, 0, 0 },
		{ ",nocto", -ENOENT, 0, 30, 30 },
		{ ",noac", -ENOENT, 0, 0, 0 },
		{ ",actimeo=9,nocto,lookupcache=all", 0, 9, 9, 9 },
	};
	struct fuse_entry_out e;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		begin(t[i].options);
		memfs_put(m, "a", "x", 1);
		memset(&e, 0, sizeof(e));
		assert_int_equal(op_lookup(&d, ROOT, "none", &e), t[i].none);
		assert_int_equal(e.nodeid, 0);
		assert_int_equal(e.entry_valid, t[i].none_valid);
		assert_int_equal(op_lookup(&d, ROOT, "a", &e), 0);
		assert_int_equal(e.entry_valid, t[i].file_valid);
		assert_int_equal(op_mkdir(&d, ROOT, "d", 0755, &e), 0);
		assert_int_equal(e.entry_valid, t[i].dir_valid);
		end();
	}
}

/* ---- data, and a server that restarts ---- */

static void expect_stable(const char *name, const void *want, size_t len)
{
	char *got = malloc(len);

	assert_int_equal(memfs_stable(m, name, got, len), len);
	assert_memory_equal(got, want, len);
	free(got);
}

/* More than the ring holds, no fsync in between: some of it is stable with the answer, the rest kept. */
static void write_much(const char *options)
{
	const size_t len = 3 << 20, piece = 65536;
	uint8_t *data = malloc(len);
	uint64_t fh;

	begin(options);
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 7 + i / 4096);
	fh = make(&d, "a", NULL);
	for (size_t off = 0; off < len; off += piece) {
		assert_int_equal(op_write(&d, fh, data + off, piece, off, 0), piece);
		if (off == len / 2)
			memfs_restart(&f, m);
	}
	memfs_restart(&f, m);
	assert_int_equal(fsync_it(fh), 0);
	expect_stable("a", data, len);
	assert_int_equal(op_release(&d, fh), 0);
	end();
	free(data);
}

static void test_restart(void **state)
{
	write_much("");
	write_much(",retain=1");
	write_much(",retain=0");
	write_much(",sync");
}

/* The server forgot; nobody has synced yet. What the guest reads and sees is what it wrote. */
static void test_read_after_restart(void **state)
{
	struct fuse_entry_out e;
	struct fuse_attr a;
	uint64_t fh, node, dir;
	char buf[4096];

	begin("");
	fh = make(&d, "a", &node);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(op_write(&d, fh, "written", 7, 0, 0), 7);
		memfs_restart(&f, m);
		assert_int_equal(memfs_content(m, "a", NULL, 0), i ? 7 : 0);
		if (i == 0) {
			assert_int_equal(op_getattr(&d, node, &a), 0);
			assert_int_equal(a.size, 7);
		} else if (i == 1) {
			assert_int_equal(op_lookup(&d, ROOT, "a", &e), 0);
			assert_int_equal(e.attr.size, 7);
		}
		assert_int_equal(op_read(&d, fh, buf, 10, 0), 7);
		assert_memory_equal(buf, "written", 7);
	}
	assert_int_equal(op_opendir(&d, ROOT, &dir), 0);
	assert_true(t_readdir(&d, true, dir, 0, buf, sizeof(buf)) > 0);
	assert_int_equal(op_releasedir(&d, dir), 0);
	assert_int_equal(op_release(&d, fh), 0);
	end();
}

/* What was cut off does not come back, a time that was set stays. */
static void test_order_after_restart(void **state)
{
	struct fuse_setattr_in in = { .valid = FATTR_SIZE, .size = 2 };
	uint64_t fh, fh2, node;
	struct fuse_entry_out e;

	begin("");
	fh = make(&d, "a", &node);
	assert_int_equal(op_write(&d, fh, "written", 7, 0, 0), 7);
	assert_int_equal(op_setattr(&d, node, &in, NULL), 0);
	memfs_restart(&f, m);
	assert_int_equal(fsync_it(fh), 0);
	expect_stable("a", "wr", 2);
	assert_int_equal(op_write(&d, fh, "again", 5, 0, 0), 5);
	assert_int_equal(op_create(&d, ROOT, "a", O_RDWR | O_TRUNC, 0644, &e, &fh2), 0);
	memfs_restart(&f, m);
	assert_int_equal(fsync_it(fh), 0);
	assert_int_equal(memfs_stable(m, "a", NULL, 0), 0);
	assert_int_equal(op_release(&d, fh2), 0);
	assert_int_equal(op_write(&d, fh, "more", 4, 0, 0), 4);
	in = (struct fuse_setattr_in){ .valid = FATTR_MTIME, .mtime = 12345 };
	assert_int_equal(op_setattr(&d, node, &in, NULL), 0);
	memfs_restart(&f, m);
	assert_int_equal(fsync_it(fh), 0);
	expect_stable("a", "more", 4);
	assert_int_equal(memfs_mtime(m, "a"), 12345ull * 1000000000u);
	assert_int_equal(op_release(&d, fh), 0);
	end();
}

/* What one wrote, another who has the file open for reading makes safe, and hears of its loss. */
static void test_fsync_by_reader(void **state)
{
	uint64_t fh, reader, node;

	begin("");
	fh = make(&d, "a", &node);
	assert_int_equal(op_open(&d, node, O_RDONLY, &reader), 0);
	assert_int_equal(op_write(&d, fh, "data", 4, 0, 0), 4);
	assert_int_equal(fsync_it(reader), 0);
	expect_stable("a", "data", 4);
	assert_int_equal(op_write(&d, fh, "lost", 4, 0, 0), 4);
	memfs_set_fault(m, FAULT_IO, 1000);
	assert_int_equal(fsync_it(reader), -EIO);
	memfs_no_faults(m);
	assert_int_equal(fsync_it(reader), 0);
	assert_int_equal(op_release(&d, reader), 0);
	assert_int_equal(op_release(&d, fh), 0);
	end();
}

static void test_lost_for_good(void **state)
{
	uint64_t a, b, late;
	struct fuse_entry_out e;

	begin("");
	a = make(&d, "a", NULL);
	b = make(&d, "a", NULL);
	assert_int_equal(op_write(&d, a, "data", 4, 0, 0), 4);
	memfs_set_fault(m, FAULT_IO, 1000);
	assert_int_equal(fsync_it(a), -EIO);
	memfs_no_faults(m);
	/* Everybody who had it open is told, once; who opens it later is not. */
	late = make(&d, "a", NULL);
	assert_int_equal(fsync_it(a), 0);
	assert_int_equal(fsync_it(b), -EIO);
	assert_int_equal(fsync_it(b), 0);
	assert_int_equal(fsync_it(late), 0);
	/* Nobody asked before the last close: who opens it next is told. */
	assert_int_equal(op_write(&d, a, "data", 4, 0, 0), 4);
	memfs_set_fault(m, FAULT_IO, 1000);
	assert_int_equal(op_release(&d, a), 0);
	assert_int_equal(op_release(&d, b), 0);
	assert_int_equal(op_release(&d, late), 0);
	memfs_no_faults(m);
	assert_int_equal(op_lookup(&d, ROOT, "a", &e), 0);
	assert_int_equal(op_open(&d, e.nodeid, O_RDWR, &a), 0);
	assert_int_equal(fsync_it(a), -EIO);
	assert_int_equal(t_simple(&d, FUSE_SYNCFS, ROOT, NULL, NULL), -EIO);
	assert_int_equal(t_simple(&d, FUSE_SYNCFS, ROOT, NULL, NULL), 0);
	assert_int_equal(op_release(&d, a), 0);
	end();
}

/* The guest is reset while the server is away: nobody waits, and nothing is lost. */
static void test_abort(void **state)
{
	struct call *sync = calloc(1, sizeof(*sync)), *read = calloc(1, sizeof(*read));
	uint64_t fh;

	if (!NFS_OWN_ENGINE)
		skip(); /* it cannot give up a call */
	begin("");
	fh = make(&d, "a", NULL);
	assert_int_equal(op_write(&d, fh, "data", 4, 0, 0), 4);
	memfs_set_fault(m, FAULT_DROP_CALL, 1000);
	memfs_restart(&f, m);
	call_init(sync, &d, FUSE_FSYNC, ROOT);
	sync->arg.fsync.fh = fh;
	call_start(sync);
	call_init(read, &d, FUSE_READ, ROOT);
	read->arg.read = (struct fuse_read_in){ .fh = fh, .size = 4 };
	call_room(read, 4);
	call_start(read);
	d.fs->ops->cancel(d.ft);
	assert_true(call_wait(sync) < 0);
	assert_true(call_wait(read) < 0);
	memfs_no_faults(m);
	assert_int_equal(fsync_it(fh), 0);
	expect_stable("a", "data", 4);
	assert_int_equal(op_release(&d, fh), 0);
	end();
	free(sync);
	free(read);
}

static enum fake_verdict no_commit(struct fake *fk, struct fake_call *c)
{
	return c->prog == FAKE_NFS && c->proc == COMMIT ? FAKE_DROP : memfs_handle(fk, c);
}

/* An I/O thread ends while its COMMIT has no answer: another one goes on with what it left. */
static void test_thread_ends(void **state)
{
	static uint8_t data[65536];
	static struct call sync;
	uint64_t fh;

	begin(",retain=1");
	drive_attach(&other, d.fs, 1);
	fh = make(&other, "a", NULL);
	__atomic_store_n(&f.handle, no_commit, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < 9; i++) /* more than half of what is kept: the oldest is to be committed */
		assert_int_equal(op_write(&other, fh, data, sizeof(data), i * sizeof(data), 0), sizeof(data));
	while (!__atomic_load_n(&f.count[COMMIT], __ATOMIC_RELAXED)) {
		other.fs->ops->poll(other.ft);
		usleep(1000);
	}
	drive_detach(&other);
	__atomic_store_n(&f.handle, memfs_handle, __ATOMIC_RELEASE);
	call_init(&sync, &d, FUSE_FSYNC, ROOT);
	sync.arg.fsync.fh = fh;
	call_start(&sync);
	for (int i = 0; i < 20000 && !sync.done; i++) {
		d.fs->ops->poll(d.ft);
		usleep(1000);
	}
	assert_true(sync.done);
	assert_int_equal(sync.err, 0);
	assert_int_equal(memfs_stable(m, "a", data, sizeof(data)), 9 * sizeof(data));
	assert_int_equal(op_release(&d, fh), 0);
	end();
}

static void test_full_disk(void **state)
{
	static uint8_t data[65536];
	struct call *c;
	uint64_t fh, off;
	int rc = 0;

	begin("");
	m->limit = 1 << 20;
	fh = make(&d, "a", NULL);
	for (off = 0; rc >= 0 && off < 4u << 20; off += sizeof(data))
		rc = op_write(&d, fh, data, sizeof(data), off, 0);
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(fsync_it(fh), 0); /* what was taken is safe */
	assert_int_equal(memfs_stable(m, "a", NULL, 0), 1 << 20);
	c = calloc(1, sizeof(*c));
	call_init(c, &d, FUSE_STATFS, ROOT);
	assert_int_equal(call_run(c), 0);
	assert_int_equal(c->out.statfs.st.bavail, 0);
	assert_int_equal(c->out.statfs.st.blocks, 256);
	free(c);
	assert_int_equal(op_release(&d, fh), 0);
	end();
}

static void test_removed_elsewhere(void **state)
{
	struct fuse_attr a;
	uint64_t fh, node;
	char buf[8];

	begin("");
	fh = make(&d, "a", &node);
	assert_int_equal(op_write(&d, fh, "data", 4, 0, 0), 4);
	memfs_remove(m, "a");
	assert_int_equal(op_getattr(&d, node, &a), -ESTALE);
	assert_int_equal(op_read(&d, fh, buf, 4, 0), -ESTALE);
	assert_int_equal(op_write(&d, fh, "data", 4, 0, 0), -ESTALE);
	assert_int_equal(fsync_it(fh), -ESTALE);
	assert_int_equal(fsync_it(fh), 0);
	assert_int_equal(op_release(&d, fh), 0);
	end();
}

/* ---- directories ---- */

static void list_huge(bool plus, uint64_t names)
{
	static char buf[65536] __attribute__((aligned(8)));
	uint64_t fh, off = 0, seen = 0, node;
	struct fuse_entry_out e;
	char want[32];
	int len;

	assert_int_equal(op_lookup(&d, ROOT, MEMFS_HUGE, &e), 0);
	node = e.nodeid;
	assert_int_equal(op_opendir(&d, node, &fh), 0);
	while ((len = t_readdir(&d, plus, fh, off, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + len;) {
			size_t head = plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;
			const struct fuse_dirent *ent = (void *)(p + head - FUSE_NAME_OFFSET);

			snprintf(want, sizeof(want), "name%08u", (unsigned int)(seen - 2));
			if (seen >= 2)
				assert_memory_equal(ent->name, want, ent->namelen);
			seen++;
			off = ent->off;
			p += FUSE_DIRENT_ALIGN(head + ent->namelen);
		}
	}
	assert_int_equal(len, 0);
	assert_int_equal(seen, names + 2);
	assert_int_equal(op_releasedir(&d, fh), 0);
}

static void test_million_names(void **state)
{
	begin("");
	m->huge = 1000000;
	list_huge(false, m->huge);
	m->huge = 20000;
	list_huge(true, m->huge);
	/* Cookies with the highest bit set, verifiers that change all the time, no READDIRPLUS. */
	m->cookie_base = 0xfff0000000000000ull;
	memfs_set_fault(m, FAULT_NEW_VERF, 100);
	list_huge(true, m->huge);
	m->no_plus = true;
	list_huge(true, m->huge);
	end();
}

static void test_submount(void **state)
{
	struct fuse_entry_out e;

	begin("");
	assert_int_equal(op_mkdir(&d, ROOT, "d", 0755, &e), 0);
	assert_int_equal(e.attr.flags, 0);
	memfs_set_fsid(m, "d", 99);
	assert_int_equal(op_lookup(&d, ROOT, "d", &e), 0);
	assert_int_equal(e.attr.flags, 0); /* the guest cannot */
	d.fs->session_flags = FUSE_SUBMOUNTS;
	assert_int_equal(op_lookup(&d, ROOT, "d", &e), 0);
	assert_int_equal(e.attr.flags, FUSE_ATTR_SUBMOUNT);
	assert_int_equal(op_mkdir(&d, ROOT, "e", 0755, &e), 0);
	assert_int_equal(e.attr.flags, 0);
	end();
}

/* ---- names of unlinked open files after a crash ---- */

static unsigned int silly_left(void)
{
	struct fuse_attr a;

	for (int i = 0; i < 100 && memfs_count(m, "", ".nfs"); i++) {
		assert_int_equal(op_getattr(&d, ROOT, &a), 0);
		usleep(1000);
	}
	return memfs_count(m, "", ".nfs");
}

/* The journal has a thread, in a child of a process with threads as well. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}

/* A controller that opens a file, unlinks it and dies. */
static void crash_with_unlinked(const char *dir)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		drive_with(&other, "", FS_CACHE_AUTO, dir);
		make(&other, "gone", NULL);
		_exit(op_unlink(&other, ROOT, "gone") ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_journal(void **state)
{
	char dir[] = "/tmp/softdpu-journal.XXXXXX", line[128];
	struct drive second;

	assert_non_null(mkdtemp(dir));
	m = memfs_start(&f, 1);
	crash_with_unlinked(dir);
	assert_int_equal(memfs_count(m, "", ".nfs"), 1);
	/* One that has it open now must not lose it to another controller of the same export. */
	drive_with(&d, "", FS_CACHE_AUTO, dir);
	assert_int_equal(silly_left(), 0);
	make(&d, "open", NULL);
	assert_int_equal(op_unlink(&d, ROOT, "open"), 0);
	drive_with(&second, "", FS_CACHE_AUTO, dir);
	make(&second, "open2", NULL);
	assert_int_equal(op_unlink(&second, ROOT, "open2"), 0);
	assert_int_equal(memfs_count(m, "", ".nfs"), 2);
	drive_close(&second);
	assert_int_equal(memfs_count(m, "", ".nfs"), 1);
	drive_close(&d);
	assert_int_equal(memfs_count(m, "", ".nfs"), 0);
	assert_int_equal(rmdir(dir), 0); /* the files are gone, too */
	drive_with(&d, "", FS_CACHE_AUTO, NULL);
	drive_close(&d);
	/* Where there is no such directory there is no journal, and no controller. */
	assert_true(nfs_try("127.0.0.1", "/x", opts, line) == 0);
	memfs_stop(&f);
}

/* Nonsense in a journal removes nothing. */
static void test_journal_tampered(void **state)
{
	static const char *const lines[] = {
		"+ 726f6f74 0 0 victim\n", "+ 726f6f74 0 0 .nfs\n", "+ 72 0 0\n", "- x\n", "+\n",
		"+ zz 0 0 .nfs00000000000000010000000a\n", "+ 726f6f74 0 0 .nfs00000000000000010000000b",
	};
	char dir[] = "/tmp/softdpu-journal.XXXXXX", cmd[600], path[256] = "";
	FILE *p;

	assert_non_null(mkdtemp(dir));
	m = memfs_start(&f, 1);
	crash_with_unlinked(dir);
	memfs_put(m, "victim", "x", 1);
	memfs_put(m, ".nfs", "x", 1);
	memfs_put(m, ".nfs00000000000000010000000b", "x", 1);
	snprintf(cmd, sizeof(cmd), "echo %s/*.silly", dir);
	p = popen(cmd, "r");
	assert_non_null(fgets(path, sizeof(path), p));
	pclose(p);
	path[strcspn(path, "\n")] = '\0';
	p = fopen(path, "a");
	assert_non_null(p);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		fputs(lines[i], p);
	fclose(p);
	drive_with(&d, "", FS_CACHE_AUTO, dir);
	for (int i = 0; i < 20; i++) {
		struct fuse_attr a;

		assert_int_equal(op_getattr(&d, ROOT, &a), 0);
	}
	assert_int_equal(memfs_count(m, "", ".nfs"), 2); /* only what the crashed one made is gone */
	assert_int_equal(memfs_count(m, "", "victim"), 1);
	end();
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_close_to_open),
		cmocka_unit_test(test_own_writes_keep_cache),
		cmocka_unit_test(test_ages),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_read_after_restart),
		cmocka_unit_test(test_order_after_restart),
		cmocka_unit_test(test_fsync_by_reader),
		cmocka_unit_test(test_lost_for_good),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_thread_ends),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_removed_elsewhere),
		cmocka_unit_test(test_million_names),
		cmocka_unit_test(test_submount),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_journal_tampered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
