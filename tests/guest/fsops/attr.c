/* SPDX-License-Identifier: BSD-3-Clause */
/* Attributes: modes, owners, times, sizes, links; what changes them and what must not. */
#include <sys/ioctl.h>
#include <time.h>

#include "fsops.h"

static void set_times(const char *name, struct timespec atime, struct timespec mtime)
{
	struct timespec ts[2] = { atime, mtime };

	OK(utimensat(AT_FDCWD, name, ts, AT_SYMLINK_NOFOLLOW));
}

/* Long ago, so that any update of now is seen. */
static void age(const char *name)
{
	set_times(name, (struct timespec){ 1000, 0 }, (struct timespec){ 1000, 0 });
}

static void attr_basic(void)
{
	int fd = fs_open("f", O_RDWR | O_CREAT, 0640);
	struct stat a, b = fs_stat("f");

	OK(fstat(fd, &a));
	EQ(a.st_ino, b.st_ino);
	EQ(a.st_dev, b.st_dev);
	EQ(a.st_dev, fs_stat(".").st_dev);
	TRUE(a.st_ino != 0 && a.st_ino != fs_stat(".").st_ino);
	EQ(a.st_nlink, 1);
	EQ(a.st_size, 0);
	EQ(a.st_blocks, 0);
	EQ(a.st_uid, 0);
	EQ(a.st_gid, 0);
	EQ(a.st_mode, S_IFREG | 0640);
	TRUE(labs((long)(a.st_mtime - time(NULL))) < 3600);
	OK(close(fd));
}

static void attr_chmod(void)
{
	static const mode_t modes[] = { 0, 0777, 01777, 02755, 04711, 07777, 0644 };
	int fd;

	fs_put("f", "x");
	OK(mkdir("d", 0755));
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		OK(chmod("f", modes[i]));
		EQ(fs_stat("f").st_mode, S_IFREG | modes[i]);
		OK(chmod("d", modes[i]));
		EQ(fs_stat("d").st_mode, S_IFDIR | modes[i]);
	}
	fd = fs_open("f", O_RDONLY, 0);
	OK(fchmod(fd, 0604));
	EQ(fs_mode("f"), 0604);
	ERR(chmod("none", 0644), ENOENT);
	ERR(chmod("f/x", 0644), ENOTDIR);
}

static void attr_chown(void)
{
	fs_put("f", "x");
	OK(chown("f", 1234, 5678));
	EQ(fs_stat("f").st_uid, 1234);
	EQ(fs_stat("f").st_gid, 5678);
	OK(chown("f", 4000000000U, (gid_t)-1));
	EQ(fs_stat("f").st_uid, 4000000000U);
	EQ(fs_stat("f").st_gid, 5678);
	OK(chown("f", (uid_t)-1, 77));
	EQ(fs_stat("f").st_uid, 4000000000U);
	EQ(fs_stat("f").st_gid, 77);
	OK(symlink("f", "l"));
	OK(lchown("l", 9, 9));
	EQ(fs_lstat("l").st_uid, 9);
	EQ(fs_stat("f").st_gid, 77);
}

static void attr_chown_clears_suid(void)
{
	fs_put("f", "x");
	OK(chmod("f", 06755));
	OK(chown("f", 1000, 1000));
	EQ(fs_mode("f"), 0755);
}

static void grow_file(void)
{
	int fd = fs_open("f", O_WRONLY | O_APPEND, 0);

	EQ(write(fd, "more", 4), 4);
	OK(close(fd));
}

static void attr_write_clears_suid(void)
{
	fs_put("f", "x");
	OK(chown("f", 1000, 1000));
	OK(chmod("f", 06777));
	fs_as(1001, 1001, NULL, 0, grow_file);
	EQ(fs_mode("f"), 0777);
	OK(chmod("f", 06777));
	fs_as(1000, 1000, NULL, 0, grow_file);
	EQ(fs_mode("f"), 0777);
}

static void cut_file(void)
{
	OK(truncate("f", 1));
}

static void attr_truncate_clears_suid(void)
{
	fs_put("f", "xyz");
	OK(chown("f", 1000, 1000));
	OK(chmod("f", 06777));
	fs_as(1001, 1001, NULL, 0, cut_file);
	if (fs_profile->truncate_kills)
		EQ(fs_mode("f"), 0777);
	EQ(fs_stat("f").st_size, 1);
}

static void attr_times_exact(void)
{
	struct timespec now = { .tv_nsec = UTIME_NOW }, omit = { .tv_nsec = UTIME_OMIT };
	struct stat st;

	fs_put("f", "x");
	set_times("f", (struct timespec){ 1, 1 }, (struct timespec){ 1234567890, 987654321 });
	st = fs_stat("f");
	EQ(st.st_atim.tv_sec, 1);
	EQ(st.st_atim.tv_nsec, 1);
	EQ(st.st_mtim.tv_sec, 1234567890);
	EQ(st.st_mtim.tv_nsec, 987654321);
	set_times("f", omit, (struct timespec){ 55, 0 });
	EQ(fs_stat("f").st_atim.tv_sec, 1);
	EQ(fs_stat("f").st_mtim.tv_sec, 55);
	set_times("f", (struct timespec){ 66, 0 }, omit);
	EQ(fs_stat("f").st_atim.tv_sec, 66);
	EQ(fs_stat("f").st_mtim.tv_sec, 55);
	set_times("f", omit, now);
	EQ(fs_stat("f").st_atim.tv_sec, 66);
	TRUE(labs((long)(fs_stat("f").st_mtime - time(NULL))) < 3600);
	ERR(utimensat(AT_FDCWD, "f", (struct timespec[]){ { 0, 1000000000 }, { 0, 0 } }, 0), EINVAL);
}

static void attr_times_wide(void)
{
	if (!fs_profile->wide_times)
		fs_skip("times are 32 bits without sign here");
	fs_put("f", "x");
	set_times("f", (struct timespec){ -86400, 5 }, (struct timespec){ 5000000000, 7 });
	EQ(fs_stat("f").st_atim.tv_sec, -86400);
	EQ(fs_stat("f").st_atim.tv_nsec, 5);
	EQ(fs_stat("f").st_mtim.tv_sec, 5000000000);
	EQ(fs_stat("f").st_mtim.tv_nsec, 7);
}

static void attr_times_link(void)
{
	if (!fs_profile->link_times)
		fs_skip("the server does not set the times of symbolic links");
	fs_put("f", "x");
	age("f");
	OK(symlink("f", "l"));
	set_times("l", (struct timespec){ 10, 0 }, (struct timespec){ 20, 0 });
	EQ(fs_lstat("l").st_mtim.tv_sec, 20);
	EQ(fs_stat("f").st_mtim.tv_sec, 1000);
}

static void touch_by_other(void)
{
	ERR(utimensat(AT_FDCWD, "f", (struct timespec[]){ { 5, 0 }, { 5, 0 } }, 0), EPERM);
	OK(utimensat(AT_FDCWD, "f", NULL, 0));
	ERR(utimensat(AT_FDCWD, "g", NULL, 0), EACCES);
}

static void attr_times_permission(void)
{
	fs_put("f", "x");
	OK(chmod("f", 0666));
	age("f");
	fs_put("g", "x");
	fs_as(1001, 1001, NULL, 0, touch_by_other);
	TRUE(fs_stat("f").st_mtim.tv_sec > 1000);
}

static void attr_times_follow_changes(void)
{
	int fd = fs_open("f", O_RDWR | O_CREAT, 0600);

	age("f");
	EQ(write(fd, "x", 1), 1);
	OK(close(fd));
	TRUE(fs_stat("f").st_mtim.tv_sec > 1000);
	age("f");
	OK(truncate("f", 5));
	TRUE(fs_stat("f").st_mtim.tv_sec > 1000);
	age("f");
	OK(chmod("f", 0644));
	EQ(fs_stat("f").st_mtim.tv_sec, 1000);
	OK(mkdir("d", 0755));
	age("d");
	fs_put("d/f", "");
	TRUE(fs_stat("d").st_mtim.tv_sec > 1000);
	age("d");
	OK(rename("d/f", "d/g"));
	TRUE(fs_stat("d").st_mtim.tv_sec > 1000);
	age("d");
	OK(unlink("d/g"));
	TRUE(fs_stat("d").st_mtim.tv_sec > 1000);
}

static void attr_ctime_moves(void)
{
	struct stat a, b;

	fs_put("f", "x");
	a = fs_stat("f");
	usleep(20000);
	OK(chmod("f", 0600));
	b = fs_stat("f");
	TRUE(b.st_ctim.tv_sec > a.st_ctim.tv_sec || b.st_ctim.tv_nsec > a.st_ctim.tv_nsec);
	EQ(b.st_mtim.tv_nsec, a.st_mtim.tv_nsec);
}

static void attr_truncate(void)
{
	int fd;

	fs_put("f", "0123456789");
	OK(truncate("f", 4));
	fs_expect("f", "0123");
	OK(truncate("f", 8));
	EQ(fs_stat("f").st_size, 8);
	OK(truncate("f", 0));
	EQ(fs_stat("f").st_size, 0);
	fd = fs_open("f", O_RDWR, 0);
	OK(ftruncate(fd, 123456));
	EQ(fs_stat("f").st_size, 123456);
	ERR(ftruncate(fd, -1), EINVAL);
	OK(mkdir("d", 0755));
	ERR(truncate("d", 0), EISDIR);
	ERR(truncate("none", 0), ENOENT);
}

/* A descriptor opened for writing truncates although the mode forbids it by now. */
static void ftruncate_body(void)
{
	int fd = fs_open("f", O_RDWR, 0);

	OK(fchmod(fd, 0));
	OK(ftruncate(fd, 2));
	EQ(write(fd, "ab", 2), 2);
	ERR(truncate("f", 0), EACCES);
	OK(close(fd));
}

static void attr_ftruncate_by_descriptor(void)
{
	fs_put("f", "0123456789");
	OK(chown("f", 1000, 1000));
	fs_as(1000, 1000, NULL, 0, ftruncate_body);
	EQ(fs_stat("f").st_size, 2);
}

static void attr_nlink(void)
{
	fs_put("f", "x");
	OK(link("f", "g"));
	EQ(fs_stat("f").st_nlink, 2);
	EQ(fs_stat("f").st_ino, fs_stat("g").st_ino);
	OK(link("g", "h"));
	EQ(fs_stat("g").st_nlink, 3);
	OK(unlink("f"));
	EQ(fs_stat("h").st_nlink, 2);
	OK(rename("g", "i"));
	EQ(fs_stat("i").st_nlink, 2);
	fs_put("j", "y");
	OK(rename("j", "i"));
	EQ(fs_stat("h").st_nlink, 1);
	fs_expect("h", "x");
}

static void attr_ioctl(void)
{
	int fd = fs_open("f", O_RDWR | O_CREAT, 0600);
	int arg = 0;

	ERR(ioctl(fd, _IOR('~', 99, int), &arg), ENOTTY);
	EQ(isatty(fd), 0);
	EQ(errno, ENOTTY);
}

static void attr_statx(void)
{
	struct statx sx;

	fs_put("f", "12345");
	OK(statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &sx));
	EQ(sx.stx_size, 5);
	EQ(sx.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
	OK(statx(AT_FDCWD, "f", AT_STATX_DONT_SYNC, STATX_SIZE, &sx));
	EQ(sx.stx_size, 5);
}

const struct fs_case fs_cases_attr[] = {
	{ "attr_basic", attr_basic },
	{ "attr_chmod", attr_chmod },
	{ "attr_chown", attr_chown },
	{ "attr_chown_clears_suid", attr_chown_clears_suid },
	{ "attr_write_clears_suid", attr_write_clears_suid },
	{ "attr_truncate_clears_suid", attr_truncate_clears_suid },
	{ "attr_times_exact", attr_times_exact },
	{ "attr_times_wide", attr_times_wide },
	{ "attr_times_link", attr_times_link },
	{ "attr_times_permission", attr_times_permission },
	{ "attr_times_follow_changes", attr_times_follow_changes },
	{ "attr_ctime_moves", attr_ctime_moves },
	{ "attr_truncate", attr_truncate },
	{ "attr_ftruncate_by_descriptor", attr_ftruncate_by_descriptor },
	{ "attr_nlink", attr_nlink },
	{ "attr_ioctl", attr_ioctl },
	{ "attr_statx", attr_statx },
	{ NULL, NULL },
};
