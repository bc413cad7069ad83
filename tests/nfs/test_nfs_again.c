/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What makes names or tells of losses, when the server dies between its work and its answer: it has forgotten
 * then that it did it.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "rig.h"

/* The next call of these dies: executed, or, with before set, not even that. */
static int dying, before; /* atomic */

static bool makes(uint32_t proc)
{
	return proc == CREATE || proc == MKDIR || proc == SYMLINK || proc == MKNOD;
}

static enum fake_verdict dies(struct fake *fk, struct fake_call *c)
{
	bool now = c->prog == FAKE_NFS && makes(c->proc) &&
		   __atomic_exchange_n(&dying, 0, __ATOMIC_ACQ_REL);

	if (!now)
		return memfs_handle(fk, c);
	if (!__atomic_load_n(&before, __ATOMIC_ACQUIRE))
		memfs_handle(fk, c);
	memfs_restart(fk, m);
	return FAKE_CLOSE;
}

static void die(bool unexecuted)
{
	__atomic_store_n(&before, unexecuted, __ATOMIC_RELEASE);
	__atomic_store_n(&dying, 1, __ATOMIC_RELEASE);
}

/* Something has been made, so the server's time is known. */
static void begin_dying(void)
{
	struct fuse_entry_out e;

	dying = 0;
	begin("");
	f.handle = dies;
	d.uid = 500;
	assert_int_equal(op_mkdir(&d, ROOT, "first", 0755, &e), 0);
}

/* As if it had been made some time ago. */
static void age(const char *name, unsigned int seconds)
{
	uint32_t ino = memfs_find(m, name);

	pthread_mutex_lock(&m->lock);
	m->ino[ino].ctime -= seconds * 1000000000ull;
	pthread_mutex_unlock(&m->lock);
}

static void test_made_twice(void **state)
{
	struct fuse_entry_out e;
	char target[64];

	if (!NFS_OWN_ENGINE)
		skip(); /* it decodes no wcc data, which tells the time */
	begin_dying();
	die(false);
	assert_int_equal(op_mkdir(&d, ROOT, "dir", 0750, &e), 0);
	assert_int_equal(e.attr.mode, S_IFDIR | 0750);
	assert_int_equal(e.attr.ino, memfs_find(m, "dir"));
	die(false);
	assert_int_equal(t_symlink(&d, "link", "to/there", &e), 0);
	assert_int_equal(t_readlink(&d, e.nodeid, target, 63), 8);
	die(false);
	assert_int_equal(t_mknod(&d, "fifo", S_IFIFO | 0640, 0, &e), 0);
	assert_int_equal(e.attr.mode, S_IFIFO | 0640);
	die(false);
	assert_int_equal(t_mknod(&d, "dev", S_IFCHR | 0600, 0x12345, &e), 0);
	assert_int_equal(e.attr.rdev, 0x12345);
	die(false);
	assert_int_equal(t_mknod(&d, "file", S_IFREG | 0600, 0, &e), 0);
	/* And it works. */
	assert_int_equal(op_rmdir(&d, ROOT, "dir"), 0);
	end();
}

/* What was there before, or is another's, is not ours. */
static void test_not_ours(void **state)
{
	struct fuse_entry_out e;

	begin_dying();
	assert_int_equal(op_mkdir(&d, ROOT, "old", 0755, &e), 0);
	age("old", 10);
	assert_int_equal(op_mkdir(&d, ROOT, "old", 0755, &e), -EEXIST); /* sent once */
	die(true);
	assert_int_equal(op_mkdir(&d, ROOT, "old", 0755, &e), -EEXIST);
	assert_int_equal(op_mkdir(&d, ROOT, "new", 0755, &e), 0);
	die(true);
	assert_int_equal(op_mkdir(&d, ROOT, "new", 0700, &e), -EEXIST); /* another mode */
	d.uid = 501;
	die(true);
	assert_int_equal(op_mkdir(&d, ROOT, "new", 0755, &e), -EEXIST);
	die(true);
	assert_int_equal(t_symlink(&d, "new", "x", &e), -EEXIST);
	assert_int_equal(t_symlink(&d, "link", "x", &e), 0);
	die(true);
	assert_int_equal(t_symlink(&d, "link", "y", &e), -EEXIST);
	assert_int_equal(t_mknod(&d, "dev", S_IFCHR | 0600, 0x105, &e), 0);
	die(true);
	assert_int_equal(t_mknod(&d, "dev", S_IFCHR | 0600, 0x106, &e), -EEXIST);
	memfs_put(m, "data", "x", 1);
	d.uid = 0;
	die(true);
	assert_int_equal(t_mknod(&d, "data", S_IFREG | 0644, 0, &e), -EEXIST);
	end();
}

static int quicker; /* atomic: 2 the call dies, 1 it comes again, behind another client's */

static enum fake_verdict outrun(struct fake *fk, struct fake_call *c)
{
	struct fake_call theirs = *c;

	if (c->prog != FAKE_NFS || c->proc != MKDIR || !__atomic_load_n(&quicker, __ATOMIC_ACQUIRE))
		return memfs_handle(fk, c);
	if (__atomic_fetch_sub(&quicker, 1, __ATOMIC_ACQ_REL) == 2)
		return FAKE_CLOSE;
	usleep(600000); /* the server was away for a while */
	theirs.xid++;
	memfs_handle(fk, &theirs);
	return memfs_handle(fk, c);
}

/* Two clients had their mkdir() under way when the server died: only one has the lock that this makes. */
static void test_not_first(void **state)
{
	struct fuse_entry_out e;

	begin_dying();
	f.handle = outrun;
	__atomic_store_n(&quicker, 2, __ATOMIC_RELEASE);
	assert_int_equal(op_mkdir(&d, ROOT, "lock", 0755, &e), -EEXIST);
	assert_int_not_equal(memfs_find(m, "lock"), 0);
	end();
}

/* Nothing has told the server's time: no guessing. */
static void test_time_unknown(void **state)
{
	struct fuse_entry_out e;

	begin("");
	f.handle = dies;
	die(false);
	assert_int_equal(op_mkdir(&d, ROOT, "dir", 0755, &e), -EEXIST);
	end();
}

static void test_long_target(void **state)
{
	static char target[4097], buf[4200];
	struct fuse_entry_out e;

	if (!NFS_OWN_ENGINE)
		skip(); /* 3072 bytes */
	begin("");
	memset(target, 't', 4095);
	assert_int_equal(t_symlink(&d, "long", target, &e), 0);
	assert_int_equal(t_readlink(&d, e.nodeid, buf, 4095), 4095);
	assert_memory_equal(buf, target, 4095);
	target[4095] = 't';
	assert_int_equal(t_symlink(&d, "longer", target, &e), -ENAMETOOLONG);
	end();
}

/* ---- syncfs ---- */

static void start_syncfs(struct call *c)
{
	call_init(c, &d, FUSE_SYNCFS, ROOT);
	call_start(c);
}

/* All who wait hear of a loss; then, nobody. If nobody waited, the next. */
static void test_syncfs_errors(void **state)
{
	struct call *c = calloc(3, sizeof(*c));
	uint64_t a, b;

	begin("");
	a = make(&d, "a", NULL);
	b = make(&d, "b", NULL);
	assert_int_equal(op_write(&d, a, "data", 4, 0, 0), 4);
	assert_int_equal(op_write(&d, b, "data", 4, 0, 0), 4);
	memfs_set_fault(m, FAULT_IO, 1000);
	for (int i = 0; i < 3; i++)
		start_syncfs(&c[i]);
	for (int i = 0; i < 3; i++)
		assert_int_equal(call_wait(&c[i]), -EIO);
	memfs_no_faults(m);
	assert_int_equal(t_simple(&d, FUSE_SYNCFS, ROOT, NULL, NULL), 0);
	/* Lost while nobody was syncing, and told to the file's own: still to the next one who syncs all. */
	assert_int_equal(op_write(&d, a, "data", 4, 0, 0), 4);
	memfs_set_fault(m, FAULT_IO, 1000);
	assert_int_equal(t_handle_op(&d, FUSE_FSYNC, a), -EIO);
	memfs_no_faults(m);
	for (int i = 0; i < 2; i++)
		start_syncfs(&c[i]);
	/* Nothing is dirty, so the first ends at once, and the second began when it was told. */
	assert_int_equal(call_wait(&c[0]), -EIO);
	assert_int_equal(call_wait(&c[1]), 0);
	assert_int_equal(op_release(&d, a), 0);
	assert_int_equal(op_release(&d, b), 0);
	end();
	free(c);
}

/* ---- RENAME over a file that is open, with a server that loses calls and answers ---- */

static uint64_t make_with(const char *name, const char *text)
{
	uint64_t fh = make(&d, name, NULL);

	assert_int_equal(op_write(&d, fh, text, strlen(text), 0, 0), strlen(text));
	return fh;
}

static void expect_text(uint64_t fh, const char *text)
{
	char buf[32];

	assert_int_equal(op_read(&d, fh, buf, sizeof(buf), 0), strlen(text));
	assert_memory_equal(buf, text, strlen(text));
}

static void rename_over(unsigned int round)
{
	char old_text[32], new_text[32];
	struct fuse_entry_out e;
	uint64_t old, new, again;

	snprintf(old_text, sizeof(old_text), "old %u", round);
	snprintf(new_text, sizeof(new_text), "newer %u", round);
	old = make_with("target", old_text);
	new = make_with("source", new_text);
	assert_int_equal(op_rename(&d, ROOT, "source", ROOT, "target", 0), 0);
	assert_int_equal(op_lookup(&d, ROOT, "source", &e), -ENOENT);
	assert_int_equal(op_lookup(&d, ROOT, "target", &e), 0);
	assert_int_equal(op_open(&d, e.nodeid, O_RDONLY, &again), 0);
	expect_text(again, new_text);
	expect_text(new, new_text);
	expect_text(old, old_text); /* without a name, but there */
	assert_int_equal(op_release(&d, again), 0);
	assert_int_equal(op_release(&d, new), 0);
	assert_int_equal(op_release(&d, old), 0);
	assert_int_equal(op_unlink(&d, ROOT, "target"), 0);
}

static void test_rename_over_open(void **state)
{
	struct fuse_attr a;

	begin("");
	memfs_set_fault(m, FAULT_CLOSE, 30);
	memfs_set_fault(m, FAULT_CLOSE_BEFORE, 30);
	memfs_set_fault(m, FAULT_RESTART, 20);
	memfs_set_fault(m, FAULT_TWICE, 50);
	memfs_set_fault(m, FAULT_DELAY, 50);
	for (unsigned int i = 0; i < 40; i++)
		rename_over(i);
	memfs_no_faults(m);
	for (int i = 0; i < 1000 && memfs_count(m, "", ".nfs"); i++) {
		assert_int_equal(op_getattr(&d, ROOT, &a), 0);
		usleep(1000);
	}
	assert_int_equal(memfs_count(m, "", ""), 1); /* but for the huge directory nothing is left */
	assert_true(memfs_hits(m, FAULT_CLOSE) && memfs_hits(m, FAULT_RESTART));
	end();
}

/* ---- UNLINK of a file that is open, as far as one can know ---- */

static int nonsense, opening; /* atomic: the next LOOKUP is answered with that; ACCESS is answered late */

static enum fake_verdict mumbles(struct fake *fk, struct fake_call *c)
{
	enum fake_verdict v = memfs_handle(fk, c);

	if (c->prog == FAKE_NFS && c->proc == LOOKUP && __atomic_exchange_n(&nonsense, 0, __ATOMIC_ACQ_REL))
		c->out_len -= 4;
	if (c->prog == FAKE_NFS && c->proc == ACCESS && __atomic_load_n(&opening, __ATOMIC_ACQUIRE) == 1) {
		__atomic_store_n(&opening, 2, __ATOMIC_RELEASE);
		c->delay_ms = 200;
	}
	return v;
}

static void test_unlink_in_doubt(void **state)
{
	static struct call open;
	struct fuse_entry_out e;
	uint64_t fh;

	begin("");
	__atomic_store_n(&f.handle, mumbles, __ATOMIC_RELEASE);
	fh = make_with("a", "text");
	__atomic_store_n(&nonsense, 1, __ATOMIC_RELEASE);
	assert_int_equal(op_unlink(&d, ROOT, "a"), -EIO);
	expect_text(fh, "text");
	assert_int_equal(op_lookup(&d, ROOT, "a", &e), 0);
	assert_int_equal(op_release(&d, fh), 0);
	/* Being opened: the server has said yes, and it is gone before that is heard. */
	__atomic_store_n(&opening, 1, __ATOMIC_RELEASE);
	call_init(&open, &d, FUSE_OPEN, e.nodeid);
	call_start(&open);
	while (__atomic_load_n(&opening, __ATOMIC_ACQUIRE) == 1)
		d.fs->ops->poll(d.ft);
	assert_int_equal(op_unlink(&d, ROOT, "a"), 0);
	assert_int_equal(call_wait(&open), 0);
	expect_text(open.out.opened.fh, "text");
	assert_int_equal(op_release(&d, open.out.opened.fh), 0);
	for (int i = 0; i < 1000 && memfs_count(m, "", ".nfs"); i++) {
		d.fs->ops->poll(d.ft);
		usleep(1000);
	}
	assert_int_equal(memfs_count(m, "", ""), 1);
	end();
}

/* ---- aborted while nothing is asked of the server ---- */

static int asked; /* atomic */

/* The server is gone after a LOOKUP of this. */
static enum fake_verdict leaves(struct fake *fk, struct fake_call *c)
{
	if (c->prog != FAKE_NFS || __atomic_load_n(&asked, __ATOMIC_ACQUIRE))
		return FAKE_DROP;
	if (c->proc == LOOKUP)
		__atomic_store_n(&asked, 1, __ATOMIC_RELEASE);
	return memfs_handle(fk, c);
}

/* A guest that is reset gets its requests back, also one that waits for the journal just then. */
static void test_abort_between(void **state)
{
	char dir[] = "/tmp/softdpu-test-abort.XXXXXX", line[64];
	struct call *c = calloc(1, sizeof(*c));
	uint64_t fh, until;

	assert_non_null(mkdtemp(dir));
	m = memfs_start(&f, 1);
	drive_with(&d, "", FS_CACHE_AUTO, dir);
	fh = make(&d, "open", NULL);
	asked = 0;
	__atomic_store_n(&f.handle, leaves, __ATOMIC_RELEASE);
	call_init(c, &d, FUSE_UNLINK, ROOT);
	c->req.name[0] = "open";
	call_start(c);
	d.fs->ops->cancel(d.ft); /* which ends with the answer to the LOOKUP */
	until = clock_ns() + 20 * 1000000000ull;
	while (!c->done && clock_ns() < until) {
		d.fs->ops->poll(d.ft);
		usleep(1000);
	}
	assert_true(c->done);
	assert_int_equal(c->err, -EINTR);
	__atomic_store_n(&f.handle, memfs_handle, __ATOMIC_RELEASE);
	assert_int_equal(op_release(&d, fh), 0);
	drive_close(&d);
	memfs_stop(&f);
	snprintf(line, sizeof(line), "rm -rf %s", dir);
	assert_int_equal(system(line), 0);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_twice),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_not_first),
		cmocka_unit_test(test_time_unknown),
		cmocka_unit_test(test_long_target),
		cmocka_unit_test(test_syncfs_errors),
		cmocka_unit_test(test_rename_over_open),
		cmocka_unit_test(test_unlink_in_doubt),
		cmocka_unit_test(test_abort_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
