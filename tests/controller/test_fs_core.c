/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The choke point of the file systems and the wrappers: directory records, slices, INIT, missing
 * operations, readonly, and the instruments. A file system of the test's own lies at the bottom;
 * req_finish() below counts answers, of which each request gets exactly one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "fs/fs_init.h"
#include "fs/types.h"
#include "fs/wrap/wrap.h"

static struct {
	unsigned int answers, passed; /* by the data path; by the bottom */
	int err;
} seen;

void req_finish(struct fs_req *req, int err)
{
	seen.answers++;
	seen.err = err;
}

/* The thread's part that file systems call. */
int thr_watch_add(struct thr *thr, struct thr_watch *w)
{
	return 0;
}

int thr_watch_modify(struct thr *thr, struct thr_watch *w, uint32_t events)
{
	return 0;
}

void thr_watch_remove(struct thr *thr, struct thr_watch *w)
{
}

/* ---- one request on one stack ---- */

/* Arguments large enough for any opcode. */
static struct {
	struct fs *fs;
	struct fs_thread *ft;
	struct fs_req req;
	struct fuse_in_header in;
	union {
		uint64_t words[16];
		struct fuse_open_in open;
		struct fuse_access_in access;
		struct fuse_ioctl_in ioctl;
		struct fuse_read_in read;
		struct fuse_init_in init;
	} arg;
	uint64_t reply[64];
	char ctx[4096] __attribute__((aligned(64)));
} t;

static int bottom_open(const struct fs_config *cfg, struct fs **ret_fs, char *err);

static void bottom_op(struct fs_req *req)
{
	seen.passed++;
	fs_req_done(req, 0);
}

static struct fs_ops bottom = {
	.name = "bottom",
	.open = bottom_open,
	.close = wrap_close_plain,
	.attach = wrap_attach_plain,
	.detach = wrap_detach_plain,
	.op = { [1 ... FS_OP_LIMIT - 1] = bottom_op },
};

static int bottom_open(const struct fs_config *cfg, struct fs **ret_fs, char *err)
{
	return wrap_open_plain(&bottom, ret_fs);
}

static void stack_up(const struct fs_ops *wrapper, const char *list)
{
	struct fs_config cfg = { .wrap = list };
	char err[FS_ERR_LEN];

	memset(&t, 0, sizeof(t));
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(bottom_open(&cfg, &t.fs, err), 0);
	t.fs->max_io = FS_MAX_IO;
	if (wrapper)
		assert_int_equal(wrap_stack(&t.fs, wrapper, &cfg, err), 0);
	if (list)
		assert_int_equal(wrap_stack_list(&t.fs, &cfg, err), 0);
	assert_int_equal(fs_attach(t.fs, NULL, 0, &t.ft), 0);
}

static void stack_down(void)
{
	fs_detach(t.ft);
	fs_close(t.fs);
}

static void prepare(uint32_t opcode)
{
	memset(&t.req, 0, sizeof(t.req));
	t.in.opcode = opcode;
	t.req.ft = t.ft;
	t.req.in = &t.in;
	t.req.arg = &t.arg;
	t.req.reply = t.reply;
	t.req.create_open = (void *)(t.reply + 32);
	t.req.ctx = t.ctx;
}

/* What the request is answered, if it is at once. */
static int ask(uint32_t opcode)
{
	unsigned int answers = seen.answers;

	prepare(opcode);
	fs_submit(&t.req);
	assert_int_equal(seen.answers, answers + 1);
	return seen.err;
}

/* ---- bytes ---- */

static void dirents_stop_at_the_bound(void **state)
{
	uint64_t space[32]; /* 256 bytes */
	struct iovec room[2] = { { space, 41 }, { (char *)space + 41, 64 - 41 } };
	struct fs_req req = { .read = &t.arg.read, .room = room, .room_cnt = 2, .room_len = 64 };
	struct fuse_dirent *first = (void *)space;

	memset(space, 0xee, sizeof(space));
	t.arg.read.size = 64;
	/* 24 + 8 name bytes: two fit exactly */
	assert_true(fs_dirent_add(&req, "12345678", 8, 77, 4, 1, NULL));
	assert_true(fs_dirent_add(&req, "abcde", 5, 78, 8, 2, NULL));
	assert_int_equal(req.out_len, 64);
	assert_false(fs_dirent_add(&req, "x", 1, 79, 8, 3, NULL));
	assert_int_equal(req.out_len, 64);
	assert_int_equal(((uint8_t *)space)[64], 0xee);
	assert_int_equal(first->ino, 77);
	assert_int_equal(first->off, 1);
	assert_int_equal(first->namelen, 8);
	assert_memory_equal((char *)space + 32 + 24, "abcde\0\0\0", 8);
}

/* The guest's own size field bounds the reply even where the room is larger, and a name never
 * splits. */
static void dirents_keep_to_the_size_asked(void **state)
{
	uint64_t space[64];
	struct iovec room = { space, sizeof(space) };
	struct fs_req req = { .read = &t.arg.read, .room = &room, .room_cnt = 1,
			      .room_len = sizeof(space) };
	struct fuse_entry_out plus = { .nodeid = 9 };
	char name[255];

	memset(name, 'n', sizeof(name));
	t.arg.read.size = 31;
	assert_false(fs_dirent_add(&req, "a", 1, 1, 1, 1, NULL));
	t.arg.read.size = 32;
	assert_true(fs_dirent_fits(&req, 8, false));
	assert_false(fs_dirent_fits(&req, 9, false));
	t.arg.read.size = 159;
	assert_false(fs_dirent_add(&req, "a", 1, 1, 1, 1, &plus));
	assert_int_equal(req.out_len, 0);
	t.arg.read.size = UINT32_MAX;
	assert_true(fs_dirent_add(&req, name, 255, 1, 1, 1, &plus));
	assert_int_equal(req.out_len, 128 + 24 + 256);
	assert_false(fs_dirent_add(&req, name, 255, 1, 1, 1, &plus));
}

static void slices(void **state)
{
	char a[10], b[20], c[5];
	const struct iovec iov[] = { { a, 10 }, { NULL, 0 }, { b, 20 }, { c, 5 } };
	struct iovec out[4];

	assert_int_equal(fs_iov_slice(iov, 4, 0, 35, out, 4), 3);
	assert_ptr_equal(out[2].iov_base, c);
	assert_int_equal(fs_iov_slice(iov, 4, 10, 1, out, 4), 1);
	assert_ptr_equal(out[0].iov_base, b);
	assert_int_equal(out[0].iov_len, 1);
	assert_int_equal(fs_iov_slice(iov, 4, 5, 10, out, 4), 2);
	assert_int_equal(out[0].iov_len, 5);
	assert_int_equal(out[1].iov_len, 5);
	assert_int_equal(fs_iov_slice(iov, 4, 5, 30, out, 2), 2); /* as many as there is room for */
	assert_int_equal(fs_iov_slice(iov, 4, 35, 1, out, 4), 0);
	assert_int_equal(fs_iov_slice(iov, 4, 34, 100, out, 4), 1);
	assert_int_equal(fs_iov_slice(iov, 4, 0, 0, out, 4), 0);
}

/* ---- INIT ---- */

static struct fuse_init_out *init_out(void)
{
	return (void *)t.reply;
}

static void init_agrees_on_what_both_can(void **state)
{
	const uint64_t upper = 1ull << 33;

	stack_up(NULL, NULL);
	t.fs->init_flags = FUSE_ASYNC_READ | FUSE_PARALLEL_DIROPS | upper;
	t.arg.init = (struct fuse_init_in){ .major = FUSE_KERNEL_VERSION, .minor = 38,
					    .max_readahead = 1 << 17 };
	assert_int_equal(ask(FUSE_INIT), 0); /* nothing offered, nothing claimed */
	assert_int_equal(init_out()->flags, 0);
	assert_int_equal(init_out()->flags2, 0);
	assert_int_equal(t.fs->session_flags, 0);
	assert_int_equal(init_out()->major, FUSE_KERNEL_VERSION);
	assert_int_equal(init_out()->max_readahead, 1 << 17);
	assert_int_equal(init_out()->max_write, FS_MAX_IO);

	t.arg.init.flags = FUSE_ASYNC_READ | FUSE_POSIX_LOCKS | FUSE_MAX_PAGES;
	t.arg.init.flags2 = UINT32_MAX; /* not valid without INIT_EXT */
	assert_int_equal(ask(FUSE_INIT), 0);
	assert_int_equal(init_out()->flags, FUSE_ASYNC_READ | FUSE_MAX_PAGES);
	assert_int_equal(init_out()->flags2, 0);
	assert_int_equal(init_out()->max_pages, 256);

	t.arg.init.flags |= FUSE_INIT_EXT;
	assert_int_equal(ask(FUSE_INIT), 0);
	assert_true(init_out()->flags & FUSE_INIT_EXT);
	assert_int_equal(init_out()->flags2, upper >> 32);
	assert_int_equal(t.fs->session_flags & upper, upper);
	stack_down();
}

static void init_versions(void **state)
{
	stack_up(NULL, NULL);
	t.arg.init.major = FUSE_KERNEL_VERSION - 1;
	assert_int_equal(ask(FUSE_INIT), -EPROTO);
	t.arg.init = (struct fuse_init_in){ .major = FUSE_KERNEL_VERSION + 1,
					    .flags = FUSE_ASYNC_READ };
	assert_int_equal(ask(FUSE_INIT), 0); /* "speak mine", and nothing else */
	assert_int_equal(init_out()->major, FUSE_KERNEL_VERSION);
	assert_int_equal(init_out()->flags, 0);
	stack_down();
}

/* ---- missing operations ---- */

static void missing_operations(void **state)
{
	static const struct {
		uint32_t opcode;
		int err;
	} want[] = {
		{ FUSE_FORGET, 0 },	   { FUSE_BATCH_FORGET, 0 },  { FUSE_INTERRUPT, 0 },
		{ FUSE_RELEASE, 0 },	   { FUSE_RELEASEDIR, 0 },    { FUSE_DESTROY, 0 },
		{ FUSE_SYMLINK, -EPERM },  { FUSE_LINK, -EPERM },     { FUSE_MKNOD, -EPERM },
		{ FUSE_IOCTL, -ENOTTY },   { FUSE_FALLOCATE, -EOPNOTSUPP },
		{ FUSE_GETXATTR, -ENOSYS }, { FUSE_SETLK, -ENOSYS },  { 63, -ENOSYS },
		{ FS_OP_LIMIT, -ENOSYS },  { UINT32_MAX, -ENOSYS },
	};
	struct fs_ops none = bottom;

	stack_up(NULL, NULL);
	memset(none.op, 0, sizeof(none.op));
	t.fs->ops = &none;
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(ask(want[i].opcode), want[i].err);
	stack_down();
}

/* ---- readonly ---- */

static void readonly_refuses_every_change(void **state)
{
	static const uint32_t changing[] = {
		FUSE_SETATTR, FUSE_SYMLINK, FUSE_MKNOD, FUSE_MKDIR, FUSE_UNLINK, FUSE_RMDIR,
		FUSE_RENAME, FUSE_LINK, FUSE_WRITE, FUSE_SETXATTR, FUSE_REMOVEXATTR, FUSE_CREATE,
		FUSE_FALLOCATE, FUSE_RENAME2, FUSE_COPY_FILE_RANGE, FUSE_TMPFILE,
		FUSE_COPY_FILE_RANGE_64,
	};

	stack_up(&fs_wrap_readonly, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(changing); i++)
		assert_int_equal(ask(changing[i]), -EROFS);
	assert_int_equal(seen.passed, 0);
	/* Every other opcode goes through: a new one has to be put into one of the two sets. */
	for (uint32_t op = 1; op < FS_OP_LIMIT; op++) {
		bool changes = op == FUSE_INIT || op == FUSE_DESTROY || op == FUSE_IOCTL;

		for (size_t i = 0; i < ARRAY_SIZE(changing); i++)
			changes |= op == changing[i];
		if (!changes)
			assert_int_equal(ask(op), 0);
	}
	stack_down();
}

static void readonly_looks_at_flags(void **state)
{
	static const struct {
		uint32_t flags;
		int err;
	} open[] = { { O_RDONLY, 0 }, { O_WRONLY, -EROFS }, { O_RDWR, -EROFS },
		     { O_RDONLY | O_TRUNC, -EROFS }, { O_RDONLY | O_APPEND, 0 } };

	stack_up(&fs_wrap_readonly, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(open); i++) {
		t.arg.open.flags = open[i].flags;
		assert_int_equal(ask(FUSE_OPEN), open[i].err);
	}
	t.arg.access.mask = R_OK | X_OK;
	assert_int_equal(ask(FUSE_ACCESS), 0);
	t.arg.access.mask = W_OK;
	assert_int_equal(ask(FUSE_ACCESS), -EROFS);
	t.arg.ioctl.cmd = FS_IOC_GETFLAGS;
	assert_int_equal(ask(FUSE_IOCTL), 0);
	t.arg.ioctl.cmd = FS_IOC_SETFLAGS;
	assert_int_equal(ask(FUSE_IOCTL), -EROFS);
	stack_down();
}

/* ---- instruments ---- */

static void error_refuses_its_share(void **state)
{
	unsigned int failed = 0;

	stack_up(NULL, "error=25%");
	for (int i = 0; i < 1000; i++)
		failed += ask(FUSE_GETATTR) == -EIO;
	assert_int_equal(failed, 250);
	assert_int_equal(seen.passed, 750);
	for (int i = 0; i < 100; i++)
		assert_int_equal(ask(FUSE_FORGET) | ask(FUSE_RELEASE), 0);
	stack_down();

	stack_up(NULL, "error=3");
	assert_int_equal(ask(FUSE_READ), 0);
	assert_int_equal(ask(FUSE_READ), 0);
	assert_int_equal(ask(FUSE_READ), -EIO);
	stack_down();
}

static void delay_holds_and_keeps_order(void **state)
{
	uint64_t begin = clock_ns();

	stack_up(NULL, "delay=3ms");
	prepare(FUSE_GETATTR);
	fs_submit(&t.req);
	assert_int_equal(fs_poll(t.ft), 0);
	assert_int_equal(seen.answers, 0);
	assert_in_range(fs_timeout_ms(t.ft), 1, 3);
	while (!seen.answers)
		fs_poll(t.ft);
	assert_true(clock_ns() - begin >= 3000000);
	assert_int_equal(fs_timeout_ms(t.ft), -1);
	assert_int_equal(seen.passed, 1);
	stack_down();
}

/* Results find their way up through every layer, and req->ft with them. */
static void instruments_stack(void **state)
{
	stack_up(&fs_wrap_readonly, "log,error=2,log,delay=0");
	prepare(FUSE_GETATTR);
	fs_submit(&t.req);
	fs_poll(t.ft);
	assert_int_equal(seen.answers, 1);
	assert_int_equal(seen.err, 0);
	assert_ptr_equal(t.req.ft, t.ft);
	prepare(FUSE_GETATTR);
	fs_submit(&t.req);
	assert_int_equal(seen.answers, 2);
	assert_int_equal(seen.err, -EIO);
	stack_down();
}

static void bad_instruments_are_refused(void **state)
{
	static const char *const bad[] = {
		"stats", "log,", ",log", "delay", "delay=", "delay=x", "delay=-1", "delay=1h",
		"delay=61s", "delay=99999999999999999999", "error", "error=0", "error=101%",
		"error=-1", "error=x", "error=nan", "error=0.5", "log,log,log,log,log",
	};
	char err[FS_ERR_LEN];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct fs_config cfg = { .type = "null", .wrap = bad[i] };
		struct fs *fs = NULL;

		err[0] = '\0';
		if (!fs_open(&cfg, &fs, err))
			fail_msg("accepted: %s", bad[i]);
		assert_string_not_equal(err, "");
		assert_null(fs);
	}
}

static void cache_modes(void **state)
{
	static const struct {
		enum fs_cache_mode mode;
		uint64_t names, attrs, none; /* s */
		uint32_t open_flags;
	} modes[] = {
		{ FS_CACHE_NONE, 0, 0, 0, FOPEN_DIRECT_IO },
		{ FS_CACHE_AUTO, 1, 1, 0, 0 },
		{ FS_CACHE_METADATA, 86400, 86400, 86400, FOPEN_DIRECT_IO },
		{ FS_CACHE_ALWAYS, 86400, 86400, 86400, FOPEN_KEEP_CACHE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct fs_config cfg = { .type = "null", .cache = modes[i].mode };
		struct fuse_entry_out found = { .nodeid = 2 }, none = { 0 };
		struct fuse_attr_out attr = { 0 };
		char err[FS_ERR_LEN];
		struct fs *fs;

		assert_int_equal(fs_open(&cfg, &fs, err), 0);
		fs_entry_set_valid(fs, &found);
		fs_entry_set_valid(fs, &none);
		fs_attr_set_valid(fs, &attr);
		assert_int_equal(found.entry_valid, modes[i].names);
		assert_int_equal(found.attr_valid, modes[i].attrs);
		assert_int_equal(attr.attr_valid, modes[i].attrs);
		assert_int_equal(none.entry_valid, modes[i].none);
		assert_int_equal(fs->cache.open_flags, modes[i].open_flags);
		fs_close(fs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dirents_stop_at_the_bound),
		cmocka_unit_test(dirents_keep_to_the_size_asked),
		cmocka_unit_test(slices),
		cmocka_unit_test(init_agrees_on_what_both_can),
		cmocka_unit_test(init_versions),
		cmocka_unit_test(missing_operations),
		cmocka_unit_test(readonly_refuses_every_change),
		cmocka_unit_test(readonly_looks_at_flags),
		cmocka_unit_test(error_refuses_its_share),
		cmocka_unit_test(delay_holds_and_keeps_order),
		cmocka_unit_test(instruments_stack),
		cmocka_unit_test(bad_instruments_are_refused),
		cmocka_unit_test(cache_modes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
