/* SPDX-License-Identifier: BSD-3-Clause */
/* The NFS back end against a server of the test's own: what real servers do rarely, or never should. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "fs/nfs/nfs_errno.h"
#include "nfs_fake_rig.h"

/* ---- names and attributes ---- */

static enum fake_verdict bare_replies(struct fake *fk, struct fake_call *c)
{
	if (c->proc == LOOKUP) { /* no attributes */
		put32(c, 0);
		put_bytes(c, "abc", 3);
		put32(c, 0);
		put32(c, 0);
		return FAKE_REPLY;
	}
	if (c->proc == CREATE || c->proc == MKDIR) { /* nothing at all */
		put32(c, 0);
		put32(c, 0);
		put32(c, 0);
		put_no_wcc(c);
		return FAKE_REPLY;
	}
	return FAKE_DEFAULT;
}

static void test_missing_attributes(void **state)
{
	struct fuse_entry_out e;
	struct fuse_attr a;
	uint64_t fh;

	begin(bare_replies);
	assert_int_equal(op_lookup(&d, ROOT, "abc", &e), 0);
	assert_int_equal(e.attr.size, 5);
	assert_int_equal(e.attr.mode, S_IFREG | 04640);
	assert_int_equal(e.attr.blocks, 1);
	assert_int_equal(e.attr.mtime, 200);
	assert_int_equal(e.attr.mtimensec, 2);
	assert_int_equal(e.attr.ino, 1005);
	assert_int_equal(calls(GETATTR), 2); /* mount, LOOKUP */
	assert_int_equal(op_create(&d, ROOT, "abc", O_RDWR, 0600, &e, &fh), 0);
	assert_int_equal(op_getattr(&d, e.nodeid, &a), 0);
	assert_int_equal(op_mkdir(&d, ROOT, "abc", 0700, &e), 0);
	end();
}

static enum fake_verdict all_errors(struct fake *fk, struct fake_call *c)
{
	static const uint32_t status[] = { 1, 2, 5, 6, 13, 17, 18, 19, 20, 21, 22, 27, 28, 30, 31, 63,
					   66, 69, 70, 71, 10001, 10002, 10004, 10006, 10007, 4711 };

	if (c->proc != SETATTR)
		return FAKE_DEFAULT;
	put_error(c, status[c->nth % ARRAY_SIZE(status)]);
	return FAKE_REPLY;
}

/* The server takes all names: what no server can take does not get there. */
static void test_long_names(void **state)
{
	struct fuse_entry_out e;
	char name[257];

	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	begin(NULL);
	assert_int_equal(op_lookup(&d, ROOT, name, &e), -ENAMETOOLONG);
	assert_int_equal(op_rename(&d, ROOT, "a", ROOT, name, 0), -ENAMETOOLONG);
	assert_int_equal(calls(LOOKUP) + calls(RENAME), 0);
	name[255] = '\0';
	op_lookup(&d, ROOT, name, &e); /* this one has no handles that long */
	assert_int_equal(calls(LOOKUP), 1);
	end();
}

static void test_errors(void **state)
{
	static const int want[] = { EPERM, ESTALE, EIO, ENXIO, EACCES, EEXIST, EXDEV, ENODEV, ENOTDIR,
				    EISDIR, EINVAL, EFBIG, ENOSPC, EROFS, EMLINK, ENAMETOOLONG,
				    ENOTEMPTY, EDQUOT, ESTALE, EREMOTE, ESTALE, EREMOTEIO,
				    EOPNOTSUPP, EREMOTEIO, EOPNOTSUPP, EIO };
	const struct fuse_setattr_in chmod = { .valid = FATTR_MODE, .mode = 0600 };

	begin(all_errors);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(op_setattr(&d, ROOT, &chmod, NULL), -want[i]);
	assert_int_equal(nfs_errno(2), -ENOENT);
	assert_int_equal(nfs_errno(10008), -EAGAIN);
	assert_int_equal(nfs_errno(0xffffffff), -EIO);
	end();
}

static enum fake_verdict check_sattr(struct fake *fk, struct fake_call *c)
{
	uint32_t len;
	size_t end;

	if (c->proc == SETATTR) {
		get_bytes(c, 0, &len, &end);
		memcpy(fk->seen, c->arg + end, c->arg_len - end < 64 ? c->arg_len - end : 64);
	}
	return FAKE_DEFAULT;
}

/* How times go out: 1 server's, 2 client's; all 12 mode bits; seconds bent into 32 bits. */
static void test_setattr_encoding(void **state)
{
	struct fuse_setattr_in in = { .valid = FATTR_MODE | FATTR_ATIME | FATTR_ATIME_NOW | FATTR_MTIME,
				      .mode = S_IFREG | 07751, .mtime = 77, .mtimensec = 5 };

	begin(check_sattr);
	assert_int_equal(op_setattr(&d, ROOT, &in, NULL), 0);
	assert_int_equal(seen32(0), 1);
	assert_int_equal(seen32(4), 07751);
	assert_int_equal(seen32(8), 0); /* uid */
	assert_int_equal(seen32(12), 0); /* gid */
	assert_int_equal(seen32(16), 0); /* size */
	assert_int_equal(seen32(20), 1); /* atime: server's */
	assert_int_equal(seen32(24), 2); /* mtime: this */
	assert_int_equal(seen32(28), 77);
	assert_int_equal(seen32(32), 5);
	in = (struct fuse_setattr_in){ .valid = FATTR_MTIME, .mtime = (uint64_t)-5, .mtimensec = 9 };
	assert_int_equal(op_setattr(&d, ROOT, &in, NULL), 0);
	assert_int_equal(seen32(24), 0);
	in.mtime = 1ull << 33;
	assert_int_equal(op_setattr(&d, ROOT, &in, NULL), 0);
	assert_int_equal(seen32(24), UINT32_MAX);
	in.mtimensec = 1000000000;
	assert_int_equal(op_setattr(&d, ROOT, &in, NULL), -EINVAL);
	in = (struct fuse_setattr_in){ .valid = FATTR_CTIME };
	assert_int_equal(op_setattr(&d, ROOT, &in, NULL), 0); /* nothing NFSv3 could set */
	assert_int_equal(calls(SETATTR), 3);
	end();
}

static enum fake_verdict note_cred(struct fake *fk, struct fake_call *c)
{
	memcpy(fk->seen, &c->uid, 4);
	memcpy(fk->seen + 4, &c->gid, 4);
	memcpy(fk->seen + 8, &c->ngroups, 4);
	memcpy(fk->seen + 12, c->groups, 8);
	return FAKE_DEFAULT;
}

static void expect_cred(uint32_t uid, uint32_t gid)
{
	assert_memory_equal(f.seen, &uid, 4);
	assert_memory_equal(f.seen + 4, &gid, 4);
}

static void test_credentials(void **state)
{
	static struct call c;
	struct fuse_attr a;
	const uint32_t two = 2;
	uint64_t fh;

	begin(note_cred);
	d.uid = 1000;
	d.gid = 100;
	fh = open_file("abc", O_RDWR);
	expect_cred(1000, 100);
	d.uid = 0;
	d.gid = 0;
	assert_int_equal(op_getattr(&d, ROOT, &a), 0);
	expect_cred(0, 0);
	/* I/O has the rights of who opened the file, whoever does it. */
	assert_int_equal(op_write(&d, fh, "x", 1, 0, 0), 1);
	expect_cred(1000, 100);
	call_init(&c, &d, FUSE_MKDIR, ROOT);
	c.in.uid = 5;
	c.req.name[0] = "d";
	c.req.ngroups = 2;
	c.req.groups[0] = 77;
	c.req.groups[1] = 78;
	assert_int_equal(call_run(&c), 0);
	expect_cred(5, 0);
	assert_memory_equal(f.seen + 8, &two, 4);
	assert_memory_equal(f.seen + 12, c.req.groups, 8);
	/* More groups than AUTH_SYS carries: the first 16, not an error. */
	call_init(&c, &d, FUSE_MKDIR, ROOT);
	c.req.name[0] = "e";
	c.req.ngroups = FS_NGROUPS_MAX;
	assert_int_equal(call_run(&c), 0);
	end();
}

/* ---- data ---- */

static enum fake_verdict odd_reads(struct fake *fk, struct fake_call *c)
{
	static const char bytes[300] = "hello";

	if (c->proc != READ)
		return FAKE_DEFAULT;
	put32(c, 0);
	put32(c, 0);
	put32(c, c->nth == 0 ? 2 : c->nth == 1 ? 0xffffffff : 0); /* short; more than was asked for; nothing */
	put32(c, 0);
	put_bytes(c, bytes, c->nth == 0 ? 2 : c->nth == 1 ? 300 : 0);
	return FAKE_REPLY;
}

static void test_odd_reads(void **state)
{
	char buf[20], guard[10];
	uint64_t fh;

	begin(odd_reads);
	fh = open_file("abc", O_RDONLY);
	memset(buf, 'x', sizeof(buf));
	memset(guard, 'x', sizeof(guard));
	assert_int_equal(op_read(&d, fh, buf, 10, 0), 10);
	assert_memory_equal(buf, "hehello", 7);
	assert_memory_equal(buf + 10, guard, 10);
	assert_int_equal(op_read(&d, fh, buf, 10, 0), -EIO); /* nor the end */
	end();
}

/* 3 bytes a time; then nothing; then more than there was; then an error behind some. */
static enum fake_verdict odd_writes(struct fake *fk, struct fake_call *c)
{
	uint64_t off;
	uint32_t len, count;
	size_t end;

	if (c->proc != WRITE)
		return FAKE_DEFAULT;
	get_bytes(c, 0, &len, &end);
	off = get64(c, end);
	count = get32(c, end + 8);
	if (off >= 1000 && off % 1000 >= 3) {
		put_error(c, 28);
		return FAKE_REPLY;
	}
	put32(c, 0);
	put_no_wcc(c);
	if (off < 100)
		put32(c, count < 3 ? count : 3);
	else if (off < 1000)
		put32(c, off == 100 ? 0 : 0xffffffff);
	else
		put32(c, 3);
	put32(c, 2);
	put_verf(c, 1);
	return FAKE_REPLY;
}

static void test_odd_writes(void **state)
{
	uint64_t fh;

	begin(odd_writes);
	fh = open_file("abc", O_RDWR);
	assert_int_equal(op_write(&d, fh, "0123456789", 10, 0, 0), 10);
	assert_int_equal(calls(WRITE), 4);
	assert_int_equal(op_write(&d, fh, "0123456789", 10, 100, 0), -EIO);
	assert_int_equal(op_write(&d, fh, "0123456789", 10, 200, 0), 10);
	assert_int_equal(op_write(&d, fh, "0123456789", 10, 1000, 0), 3);
	assert_int_equal(op_write(&d, fh, "0123456789", 10, 1003, 0), -ENOSPC);
	/* All of it was FILE_SYNC: nothing to commit. */
	assert_int_equal(t_handle_op(&d, FUSE_FSYNC, fh), 0);
	assert_int_equal(calls(COMMIT), 0);
	end();
}

static enum fake_verdict restarting(struct fake *fk, struct fake_call *c)
{
	if (c->proc == COMMIT && c->nth == 0) { /* restarted since the WRITE */
		put32(c, 0);
		put_no_wcc(c);
		put_verf(c, 99);
		return FAKE_REPLY;
	}
	if (c->proc == COMMIT && c->nth == 2) {
		put_error(c, 28);
		return FAKE_REPLY;
	}
	return FAKE_DEFAULT;
}

static void test_write_verifier(void **state)
{
	struct call *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));
	uint64_t fh;

	begin(restarting);
	fh = open_file("abc", O_RDWR);
	assert_int_equal(t_handle_op(&d, FUSE_FSYNC, fh), 0);
	assert_int_equal(calls(COMMIT), 0);
	assert_int_equal(op_write(&d, fh, "a", 1, 0, 0), 1);
	assert_int_equal(t_handle_op(&d, FUSE_FSYNC, fh), 0); /* lost: written again, committed again */
	assert_int_equal(calls(WRITE), 2);
	assert_int_equal(calls(COMMIT), 2);
	assert_int_equal(op_write(&d, fh, "a", 1, 0, 0), 1);
	assert_int_equal(t_handle_op(&d, FUSE_FLUSH, fh), -ENOSPC);
	assert_int_equal(t_handle_op(&d, FUSE_FLUSH, fh), 0); /* told once; and once to who syncs all */
	assert_int_equal(t_simple(&d, FUSE_SYNCFS, ROOT, NULL, NULL), -ENOSPC);
	assert_int_equal(op_write(&d, fh, "a", 1, 0, 0), 1);
	assert_int_equal(t_handle_op(&d, FUSE_FLUSH, fh), 0);
	assert_int_equal(calls(COMMIT), 4);
	/* One COMMIT does for two at a time. */
	assert_int_equal(op_write(&d, fh, "a", 1, 0, 0), 1);
	call_init(a, &d, FUSE_FSYNC, ROOT);
	a->arg.fsync.fh = fh;
	call_init(b, &d, FUSE_FSYNC, ROOT);
	b->arg.fsync.fh = fh;
	call_start(a);
	call_start(b);
	assert_int_equal(call_wait(a), 0);
	assert_int_equal(call_wait(b), 0);
	assert_int_equal(calls(COMMIT), 5);
	/* What nobody synced is committed with the last close, and by SYNCFS. */
	assert_int_equal(op_write(&d, fh, "a", 1, 0, 0), 1);
	assert_int_equal(t_simple(&d, FUSE_SYNCFS, ROOT, NULL, NULL), 0);
	assert_int_equal(calls(COMMIT), 6);
	assert_int_equal(op_write(&d, fh, "a", 1, 0, 0), 1);
	assert_int_equal(op_release(&d, fh), 0);
	assert_int_equal(calls(COMMIT), 7);
	end();
	free(a);
	free(b);
}

/* ---- the connection ---- */

static enum fake_verdict jukebox_twice(struct fake *fk, struct fake_call *c)
{
	if (c->proc != READ || c->nth >= 2)
		return FAKE_DEFAULT;
	put_error(c, 10008);
	return FAKE_REPLY;
}

static void test_jukebox(void **state)
{
	uint64_t fh, start;
	char buf[10];

	begin(jukebox_twice);
	fh = open_file("abc", O_RDONLY);
	start = clock_ns();
	assert_int_equal(op_read(&d, fh, buf, 10, 0), 5);
	assert_int_equal(calls(READ), 3);
	assert_true(clock_ns() - start >= 900000000);
	end();
}

/* Every second call of these does its work and dies before the answer; the id must be the same. */
static enum fake_verdict dying(struct fake *fk, struct fake_call *c)
{
	static const int proc[] = { REMOVE, RMDIR, RENAME, LINK, CREATE };
	uint32_t name_len;
	size_t end;

	for (size_t i = 0; i < ARRAY_SIZE(proc); i++) {
		if ((int)c->proc != proc[i])
			continue;
		get_bytes(c, 0, &name_len, &end);
		get_bytes(c, end, &name_len, &end);
		if (c->nth % 2 == 0) {
			memcpy(fk->seen, &c->xid, 4);
			if (c->proc == CREATE)
				memcpy(fk->seen + 4, c->arg + end, 12);
			return FAKE_CLOSE;
		}
		if (memcmp(fk->seen, &c->xid, 4)) /* another call: not ours to recognise */
			put_error(c, 5);
		else if (c->proc == CREATE && !memcmp(fk->seen + 4, c->arg + end, 12))
			return FAKE_DEFAULT; /* its verifier: our own file */
		else
			put_error(c, c->proc == LINK || c->proc == CREATE ? 17 : 2);
		return FAKE_REPLY;
	}
	return FAKE_DEFAULT;
}

static void test_sent_twice(void **state)
{
	struct fuse_entry_out e;
	uint64_t fh;

	begin(dying);
	assert_int_equal(op_unlink(&d, ROOT, "a"), 0);
	assert_int_equal(op_rmdir(&d, ROOT, "b"), 0);
	assert_int_equal(op_rename(&d, ROOT, "c", ROOT, "d", 0), 0);
	assert_int_equal(op_lookup(&d, ROOT, "name", &e), 0);
	assert_int_equal(t_link(&d, e.nodeid, ROOT, "name", &e), 0); /* leads to the same file */
	assert_int_equal(t_link(&d, e.nodeid, ROOT, "other", &e), -EEXIST);
	assert_int_equal(op_create(&d, ROOT, "n", O_RDWR | O_EXCL, 0640, &e, &fh), 0);
	assert_int_equal(calls(CREATE), 2);
	end();
}

/* A call the RPC layer refuses must not hold up others, nor end the connection. */
static enum fake_verdict denies_uid(struct fake *fk, struct fake_call *c)
{
	if (c->proc == 0)
		return FAKE_DEFAULT;
	return c->uid == 666 ? FAKE_DENY : FAKE_DEFAULT;
}

static void test_refused(void **state)
{
	struct call *bad = calloc(1, sizeof(*bad));
	unsigned int conns;
	struct fuse_attr a;

	begin(denies_uid);
	call_init(bad, &d, FUSE_GETATTR, ROOT);
	bad->in.uid = 666;
	call_start(bad);
	assert_int_equal(op_getattr(&d, ROOT, &a), 0);
	conns = __atomic_load_n(&f.conns, __ATOMIC_RELAXED);
	assert_int_equal(op_getattr(&d, ROOT, &a), 0);
	assert_int_equal(call_wait(bad), NFS_OWN_ENGINE ? -EACCES : -EIO);
	assert_int_equal(__atomic_load_n(&f.conns, __ATOMIC_RELAXED), conns);
	end();
	free(bad);
}

/* Nonsense of four kinds, then a good answer. */
static enum fake_verdict nonsense(struct fake *fk, struct fake_call *c)
{
	if (c->proc != LOOKUP || c->nth >= 5)
		return FAKE_DEFAULT;
	switch (c->nth) {
	case 0: /* another transaction */
		put32(c, 0x80000008);
		put32(c, c->xid + 1);
		put32(c, 1);
		return FAKE_RAW;
	case 1: /* a record of 2 GiB */
		put32(c, 0xffffffff);
		return FAKE_RAW;
	case 2: /* a record of nothing */
		put32(c, 0x80000000);
		put32(c, 0x80000000);
		return FAKE_RAW;
	case 3: /* a handle longer than any */
		put32(c, 0);
		put32(c, 65);
		c->out_len += 68;
		return FAKE_REPLY;
	default: /* a handle that ends behind the record */
		put32(c, 0);
		put32(c, 64);
		return FAKE_REPLY;
	}
}

static void test_nonsense(void **state)
{
	struct fuse_entry_out e;
	int rc;

	begin_timeo(nonsense, 10);
	for (int i = 0; i < 2; i++) {
		rc = op_lookup(&d, ROOT, "abc", &e);
		assert_true(rc == 0 || rc == -EIO);
	}
	assert_int_equal(op_lookup(&d, ROOT, "abc", &e), 0);
	end();
}

static void test_idle_drop(void **state)
{
	struct fuse_attr a;

	begin(NULL);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(op_getattr(&d, ROOT, &a), 0);
		__atomic_store_n(&f.kick, 1, __ATOMIC_RELEASE);
		while (__atomic_load_n(&f.kick, __ATOMIC_ACQUIRE))
			usleep(1000);
		usleep(30000);
	}
	assert_int_equal(op_getattr(&d, ROOT, &a), 0);
	end();
}

static enum fake_verdict first_silent(struct fake *fk, struct fake_call *c)
{
	return c->proc == READ && c->nth == 0 ? FAKE_DROP : FAKE_DEFAULT;
}

static void test_silence(void **state)
{
	char buf[10];
	uint64_t fh;

	begin_timeo(first_silent, 3);
	fh = open_file("abc", O_RDONLY);
	assert_int_equal(op_read(&d, fh, buf, 10, 0), 5);
	assert_true(calls(READ) >= 2);
	end();
}

/* Closing with calls under way, and with a server that never says anything again. */
static enum fake_verdict mute(struct fake *fk, struct fake_call *c)
{
	return c->proc == REMOVE ? FAKE_DROP : FAKE_DEFAULT;
}

static void test_close_while_dead(void **state)
{
	uint64_t fh, start;

	begin(mute);
	fh = open_file("abc", O_RDWR);
	assert_true(fh != 0);
	assert_int_equal(op_unlink(&d, ROOT, "abc"), 0); /* silly rename; the REMOVE comes at the end */
	start = clock_ns();
	end();
	assert_true(clock_ns() - start < 5000000000ull);
}

/* ---- counters ---- */

static uint64_t seen_ops, seen_sent, seen_errors, seen_connects;

static void note_counter(void *arg, const char *object, const char *counter, uint64_t value)
{
	if (!strcmp(object, "GETATTR") && !strcmp(counter, "ops"))
		seen_ops = value;
	else if (!strcmp(object, "GETATTR") && !strcmp(counter, "bytes_sent"))
		seen_sent = value;
	else if (!strcmp(object, "SETATTR") && !strcmp(counter, "errors"))
		seen_errors = value;
	else if (!strcmp(object, "transport") && !strcmp(counter, "connects"))
		seen_connects = value;
}

static void test_counters(void **state)
{
	const struct fuse_setattr_in chmod = { .valid = FATTR_MODE, .mode = 0600 };
	struct drive other;
	struct fuse_attr a;

	if (!NFS_OWN_ENGINE)
		skip(); /* it counts nothing */
	begin(all_errors);
	drive_attach(&other, d.fs, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(op_getattr(&d, ROOT, &a), 0);
	assert_int_equal(op_getattr(&other, ROOT, &a), 0);
	assert_int_equal(op_setattr(&d, ROOT, &chmod, NULL), -EPERM);
	drive_detach(&other); /* what it counted stays */
	fs_nfs.stats(d.fs, note_counter, NULL);
	assert_int_equal(seen_ops, 4);
	assert_in_range(seen_sent, 4 * 50, 4 * 200);
	assert_int_equal(seen_errors, 1);
	assert_int_equal(seen_connects, 2);
	end();
}

/* ---- open files that lose their names ---- */

/* A removal goes out with the next call, behind it: the one after that finds it done. */
static void settle(void)
{
	struct fuse_attr a;

	for (int i = 0; i < 2; i++)
		assert_int_equal(op_getattr(&d, ROOT, &a), 0);
}

static void test_silly(void **state)
{
	struct fuse_entry_out e;
	struct fuse_attr a;
	uint64_t fh;

	begin(NULL);
	assert_int_equal(op_unlink(&d, ROOT, "x"), 0); /* nothing open: one call */
	assert_int_equal(calls(LOOKUP), 0);
	assert_int_equal(calls(REMOVE), 1);
	fh = open_file("abc", O_RDWR);
	assert_int_equal(op_lookup(&d, ROOT, "abc", &e), 0);
	assert_int_equal(op_unlink(&d, ROOT, "abc"), 0);
	assert_int_equal(calls(RENAME), 1);
	assert_int_equal(calls(REMOVE), 1);
	assert_int_equal(op_getattr(&d, e.nodeid, &a), 0);
	assert_int_equal(a.nlink, 0);
	assert_int_equal(op_release(&d, fh), 0);
	settle();
	assert_int_equal(calls(REMOVE), 2);
	assert_int_equal(op_getattr(&d, e.nodeid, &a), 0);
	assert_int_equal(a.nlink, 1);
	end();
}

static enum fake_verdict no_link_no_rename(struct fake *fk, struct fake_call *c)
{
	if (c->proc == LINK || (c->proc == RENAME && c->nth == 1)) {
		put_error(c, c->proc == LINK ? 10004 : 13);
		return FAKE_REPLY;
	}
	return FAKE_DEFAULT;
}

static void test_rename_over_open(void **state)
{
	uint64_t fh;

	begin(NULL);
	fh = open_file("abc", O_RDWR);
	assert_int_equal(op_rename(&d, ROOT, "new", ROOT, "abc", 0), 0);
	assert_int_equal(calls(LINK), 1);
	assert_int_equal(calls(RENAME), 1); /* the target never lacks its name */
	assert_int_equal(calls(REMOVE), 0);
	assert_int_equal(op_release(&d, fh), 0);
	settle();
	assert_int_equal(calls(REMOVE), 1);
	end();
	/* A server that cannot link: away first, as Linux does; a failing RENAME loses nothing open. */
	begin(no_link_no_rename);
	fh = open_file("abc", O_RDWR);
	assert_int_equal(op_rename(&d, ROOT, "new", ROOT, "abc", 0), -EACCES);
	settle();
	assert_int_equal(calls(RENAME), 2);
	assert_int_equal(calls(REMOVE), 0);
	assert_int_equal(op_release(&d, fh), 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing_attributes),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_setattr_encoding),
		cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_odd_reads),
		cmocka_unit_test(test_odd_writes),
		cmocka_unit_test(test_write_verifier),
		cmocka_unit_test(test_jukebox),
		cmocka_unit_test(test_sent_twice),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_idle_drop),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_close_while_dead),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_silly),
		cmocka_unit_test(test_rename_over_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
