/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a server says of itself with FSINFO and PATHCONF is kept to, and mount options that change what the
 * guest is offered do so.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "../fs/nfs_fake_rig.h"
#include "base/clock.h"

#define RTMAX 8192u
#define WTMAX 4096u
#define DTPREF 6000u
#define FILE_SIZE 20000u

static struct {
	uint32_t rtmax, wtmax, dtpref, time_sec, time_nsec, name_max;
	bool no_pathconf;
} said;
static uint32_t most_read, most_written, dir_asked; /* by the client, bytes in one call */

static void put_fsinfo(struct fake_call *c)
{
	const uint32_t words[] = { 0, 0, said.rtmax, said.rtmax, 1, said.wtmax, said.wtmax, 1, said.dtpref };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) /* status, no attributes, sizes */
		put32(c, words[i]);
	put64(c, UINT64_MAX);
	put32(c, said.time_sec);
	put32(c, said.time_nsec);
	put32(c, 0x1b);
}

static void put_pathconf(struct fake_call *c)
{
	if (said.no_pathconf) {
		put_error(c, 10004);
		return;
	}
	put32(c, 0);
	put32(c, 0);
	put32(c, 32000);
	put32(c, said.name_max);
	for (int i = 0; i < 4; i++)
		put32(c, 1);
}

/* What follows the file's handle. */
static size_t behind_handle(const struct fake_call *c)
{
	uint32_t len;
	size_t end;

	get_bytes(c, 0, &len, &end);
	return end;
}

static void put_read(struct fake_call *c)
{
	static const uint8_t bytes[65536];
	size_t at = behind_handle(c);
	uint64_t off = get64(c, at);
	uint32_t count = get32(c, at + 8);

	most_read = max(most_read, count);
	count = off >= FILE_SIZE ? 0 : min(count, FILE_SIZE - (uint32_t)off);
	put32(c, 0);
	put_attr(c, false, FILE_SIZE);
	put32(c, count);
	put32(c, off + count >= FILE_SIZE);
	put_bytes(c, bytes, count);
}

static void put_written(struct fake_call *c)
{
	uint32_t count = get32(c, behind_handle(c) + 8);

	most_written = max(most_written, count);
	put32(c, 0);
	put_no_wcc(c);
	put32(c, count);
	put32(c, 2);
	put_verf(c, 1);
}

static void put_dir(struct fake_call *c)
{
	size_t at = behind_handle(c) + 16;

	dir_asked = get32(c, c->proc == READDIR ? at : at + 4);
	put32(c, 0);
	put_attr(c, true, 4096);
	put_verf(c, 1);
	put32(c, 0);
	put32(c, 1);
}

static void put_space(struct fake_call *c)
{
	put32(c, 0);
	put32(c, 0);
	for (int i = 0; i < 6; i++)
		put64(c, 1 << 20);
	put32(c, 0);
}

static void put_access(struct fake_call *c)
{
	put32(c, 0);
	put_attr(c, false, 5); /* the file has not changed */
	put32(c, 0x3f);
}

static enum fake_verdict small_server(struct fake *fk, struct fake_call *c)
{
	static void (*const put[22])(struct fake_call *) = {
		[FSINFO] = put_fsinfo, [PATHCONF] = put_pathconf, [READ] = put_read,
		[WRITE] = put_written, [READDIR] = put_dir, [READDIRPLUS] = put_dir,
		[FSSTAT] = put_space, [ACCESS] = put_access,
	};

	if (c->proc >= ARRAY_SIZE(put) || !put[c->proc])
		return FAKE_DEFAULT;
	put[c->proc](c);
	return FAKE_REPLY;
}

static void begin_small(void)
{
	said.rtmax = RTMAX;
	said.wtmax = WTMAX;
	said.dtpref = DTPREF;
	said.time_sec = 0;
	said.time_nsec = 1;
	said.name_max = 100;
	most_read = most_written = dir_asked = 0;
}

static void test_sizes(void **state)
{
	static uint8_t data[FILE_SIZE + 100];
	uint64_t fh;

	begin_small();
	begin(small_server);
	fh = open_file("abc", O_RDWR);
	assert_int_equal(op_read(&d, fh, data, sizeof(data), 0), FILE_SIZE);
	assert_int_equal(most_read, RTMAX);
	assert_int_equal(op_write(&d, fh, data, FILE_SIZE, 0, 0), FILE_SIZE);
	assert_int_equal(most_written, WTMAX);
	assert_int_equal(calls(WRITE), 5);
	assert_int_equal(op_release(&d, fh), 0);
	end();
}

static uint32_t asked_of(uint32_t dtpref, uint32_t guest)
{
	static char buf[1 << 20] __attribute__((aligned(8)));
	uint64_t fh;

	begin_small();
	said.dtpref = dtpref;
	begin(small_server);
	assert_int_equal(op_opendir(&d, ROOT, &fh), 0);
	assert_int_equal(t_readdir(&d, false, fh, 0, buf, guest), 0);
	assert_int_equal(op_releasedir(&d, fh), 0);
	end();
	return dir_asked;
}

static void test_directories(void **state)
{
	assert_int_equal(asked_of(DTPREF, 32768), DTPREF);
	assert_int_equal(asked_of(1 << 20, 16384), 16384); /* no more than the guest takes */
	assert_int_equal(asked_of(1 << 20, 1 << 20), 65536);
	assert_int_equal(asked_of(100, 32768), 4096); /* the longest name must fit */
	assert_int_equal(asked_of(0, 65536), 32768);
}

static uint32_t namelen(void)
{
	static struct call c;

	begin(small_server);
	call_init(&c, &d, FUSE_STATFS, ROOT);
	assert_int_equal(call_run(&c), 0);
	end();
	return c.out.statfs.st.namelen;
}

static void test_names(void **state)
{
	begin_small();
	assert_int_equal(namelen(), 100);
	said.name_max = 70000; /* more than Linux has names for */
	assert_int_equal(namelen(), 255);
	said.no_pathconf = true;
	assert_int_equal(namelen(), 255);
	said.no_pathconf = false;
}

/* What a clock that coarse calls unchanged may have changed twice: the guest's cache goes with each open(). */
static bool keeps_cache(uint32_t sec, uint32_t nsec)
{
	struct fs_config cfg = { .type = "nfs", .server = "127.0.0.1", .export_path = "/x",
				 .cache = FS_CACHE_AUTO };
	static struct call c;
	struct fuse_entry_out e;
	char text[64];

	begin_small();
	said.time_sec = sec;
	said.time_nsec = nsec;
	fake_start(&f, small_server);
	snprintf(text, sizeof(text), "nfsport=%u,mountport=%u", f.port, f.port);
	cfg.options = text;
	nfs_drive_as(&d, &cfg);
	assert_int_equal(op_lookup(&d, ROOT, "abc", &e), 0);
	call_init(&c, &d, FUSE_OPEN, e.nodeid);
	c.arg.open.flags = O_RDONLY;
	assert_int_equal(call_run(&c), 0);
	assert_int_equal(op_release(&d, c.out.opened.fh), 0);
	end();
	return c.out.opened.open_flags & FOPEN_KEEP_CACHE;
}

static void test_coarse_times(void **state)
{
	assert_true(keeps_cache(0, 1));
	assert_true(keeps_cache(0, 4000000));
	assert_false(keeps_cache(1, 0));
	assert_false(keeps_cache(0, 999999999));
}

/* ---- what the guest is offered ---- */

static uint64_t offered(const char *more)
{
	uint64_t flags;
	char text[128];

	fake_start(&f, NULL);
	snprintf(text, sizeof(text), "nfsport=%u,mountport=%u,%s", f.port, f.port, more);
	nfs_drive(&d, "/x", text);
	flags = d.fs->init_flags;
	end();
	return flags;
}

static void test_offers(void **state)
{
	static const struct {
		const char *options;
		uint64_t with, without;
	} t[] = {
		{ "hard", FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_PARALLEL_DIROPS | FUSE_SUBMOUNTS |
		  FUSE_CREATE_SUPP_GROUP | FUSE_ATOMIC_O_TRUNC | FUSE_AUTO_INVAL_DATA |
		  FUSE_DIRECT_IO_ALLOW_MMAP,
		  FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS | FUSE_POSIX_ACL | FUSE_WRITEBACK_CACHE },
		{ "nordirplus", 0, FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO },
		{ "lock=remote,nlmport=1", FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS, 0 },
		{ "local_lock=none,nlmport=1", FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS, 0 },
		{ "local_lock=flock,nlmport=1", FUSE_POSIX_LOCKS, FUSE_FLOCK_LOCKS },
		{ "local_lock=all", 0, FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS },
		{ "lock=none", FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS, 0 }, /* to refuse them */
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		uint64_t flags = offered(t[i].options);

		if ((flags & t[i].with) != t[i].with || (flags & t[i].without))
			fail_msg("%s: offers %llx", t[i].options, (unsigned long long)flags);
	}
}

/* ---- a place for the journal that is none: the reason is said ---- */

static void expect_no_journal(const char *state_dir, const char *why)
{
	struct fs_config cfg = { .type = "nfs", .server = "127.0.0.1", .export_path = "/x",
				 .state_dir = state_dir };
	char text[64], err[FS_ERR_LEN] = "";
	struct fs *fs;

	fake_start(&f, NULL);
	snprintf(text, sizeof(text), "nfsport=%u,mountport=%u", f.port, f.port);
	cfg.options = text;
	assert_true(fs_nfs.open(&cfg, &fs, err) < 0);
	fake_stop(&f);
	if (!strstr(err, state_dir) || !strstr(err, why))
		fail_msg("%s: '%s' does not say '%s'", state_dir, err, why);
}

static void test_state_dir(void **state)
{
	char dir[] = "/tmp/softdpu-state.XXXXXX", path[64];

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/none", dir);
	expect_no_journal(path, "No such file or directory");
	expect_no_journal("/etc/passwd", "Not a directory");
	/* No inode left, then read-only. */
	if (!mount("none", dir, "tmpfs", 0, "nr_inodes=1")) {
		expect_no_journal(dir, "No space left on device");
		assert_int_equal(mount("none", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
		expect_no_journal(dir, "Read-only file system");
		assert_int_equal(umount(dir), 0);
	}
	assert_int_equal(rmdir(dir), 0);
}

/* ---- many files ---- */

#define MANY 12000u

static enum fake_verdict no_commit(struct fake *fk, struct fake_call *c)
{
	return c->proc == COMMIT ? FAKE_DROP : FAKE_DEFAULT;
}

static void dirty_files(unsigned int from, unsigned int to)
{
	struct fuse_entry_out e;
	char name[16];
	uint64_t fh;

	for (unsigned int i = from; i < to; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		assert_int_equal(op_create(&d, ROOT, name, O_RDWR, 0644, &e, &fh), 0);
		assert_int_equal(op_write(&d, fh, "x", 1, 0, 0), 1);
	}
}

static uint64_t giving_up_ns(void)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		uint64_t start = clock_ns();

		d.fs->ops->cancel(d.ft);
		best = min(best, clock_ns() - start);
	}
	return best;
}

/* A guest that goes with many files to be committed keeps its threads, which others use, no longer than each needs. */
static void test_many_dirty(void **state)
{
	uint64_t few, many;

	begin(no_commit);
	dirty_files(0, MANY / 8);
	few = giving_up_ns();
	dirty_files(MANY / 8, MANY);
	many = giving_up_ns();
	printf("%u us to give up %u files, %u us for %u\n", (unsigned int)(few / 1000), MANY / 8,
	       (unsigned int)(many / 1000), MANY);
	assert_true(many < 64 * few); /* 8 times as many; one by one from the start it is 200 and more */
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_directories),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_coarse_times),
		cmocka_unit_test(test_offers),
		cmocka_unit_test(test_state_dir),
		cmocka_unit_test(test_many_dirty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
