/* SPDX-License-Identifier: BSD-3-Clause */
/* rename and renameat2. */
#include "fsops.h"

static void rename_basic(void)
{
	struct stat a, b;

	fs_put("a", "A");
	a = fs_stat("a");
	OK(rename("a", "b"));
	b = fs_stat("b");
	EQ(a.st_ino, b.st_ino);
	ERR(access("a", F_OK), ENOENT);
	fs_expect("b", "A");
	OK(mkdir("d", 0755));
	OK(rename("b", "d/c"));
	fs_expect("d/c", "A");
	OK(rename("d", "e"));
	fs_expect("e/c", "A");
	OK(symlink("t", "l"));
	OK(rename("l", "m"));
	EQ(S_ISLNK(fs_lstat("m").st_mode), 1);
}

static void rename_over(void)
{
	fs_put("a", "A");
	fs_put("b", "B");
	OK(rename("a", "b"));
	fs_expect("b", "A");
	ERR(access("a", F_OK), ENOENT);
	OK(mkdir("d", 0755));
	OK(mkdir("e", 0755));
	OK(rename("d", "e"));
	ERR(access("d", F_OK), ENOENT);
	OK(symlink("x", "l"));
	OK(rename("b", "l"));
	EQ(S_ISREG(fs_lstat("l").st_mode), 1);
}

static void rename_over_open(void)
{
	int fd;
	char c;

	fs_put("a", "A");
	fs_put("b", "B");
	fd = fs_open("b", O_RDWR, 0);
	OK(rename("a", "b"));
	EQ(pread(fd, &c, 1, 0), 1);
	EQ(c, 'B');
	EQ(pwrite(fd, "C", 1, 0), 1);
	EQ(pread(fd, &c, 1, 0), 1);
	EQ(c, 'C');
	OK(close(fd));
	fs_expect("b", "A");
}

/* The descriptor of a renamed file goes with it. */
static void rename_keeps_open(void)
{
	int fd;

	fs_put("a", "A");
	OK(mkdir("d", 0755));
	fd = fs_open("a", O_WRONLY | O_APPEND, 0);
	OK(rename("a", "d/b"));
	EQ(write(fd, "more", 4), 4);
	OK(close(fd));
	fs_expect("d/b", "Amore");
}

static void rename_errors(void)
{
	fs_put("f", "x");
	OK(mkdir("d", 0755));
	OK(mkdir("d/e", 0755));
	OK(mkdir("empty", 0755));
	ERR(rename("none", "x"), ENOENT);
	ERR(rename("f", "none/x"), ENOENT);
	ERR(rename("f", "d"), EISDIR);
	ERR(rename("d", "f"), ENOTDIR);
	ERR2(rename("empty", "d"), ENOTEMPTY, EEXIST);
	ERR(rename("d", "d/e/x"), EINVAL);
	ERR2(rename("d/e", "d"), ENOTEMPTY, EINVAL);
	ERR(rename("f/x", "y"), ENOTDIR);
	ERR2(rename("d/.", "y"), EBUSY, EINVAL);
	OK(rename("f", "f"));
	fs_expect("f", "x");
}

static void rename_hard_links(void)
{
	fs_put("a", "A");
	OK(link("a", "b"));
	OK(rename("a", "b"));
	EQ(fs_stat("a").st_ino, fs_stat("b").st_ino);
	EQ(fs_stat("a").st_nlink, 2);
}

static void rename_dir_parent(void)
{
	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	OK(mkdir("a/d", 0755));
	fs_put("a/d/f", "x");
	fs_put("b/mark", "b");
	OK(rename("a/d", "b/d"));
	fs_expect("b/d/f", "x");
	fs_expect("b/d/../mark", "b");
	OK(rmdir("a"));
}

static void rename_noreplace(void)
{
	fs_put("a", "A");
	fs_put("b", "B");
	if (!fs_profile->rename_flags) {
		ERR2(renameat2(AT_FDCWD, "a", AT_FDCWD, "c", RENAME_NOREPLACE), EINVAL, EOPNOTSUPP);
		fs_expect("a", "A");
		return;
	}
	ERR(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE), EEXIST);
	fs_expect("b", "B");
	OK(renameat2(AT_FDCWD, "a", AT_FDCWD, "c", RENAME_NOREPLACE));
	fs_expect("c", "A");
	ERR(access("a", F_OK), ENOENT);
}

static void rename_exchange(void)
{
	fs_put("a", "A");
	OK(mkdir("d", 0755));
	fs_put("d/f", "F");
	if (!fs_profile->rename_flags) {
		ERR2(renameat2(AT_FDCWD, "a", AT_FDCWD, "d", RENAME_EXCHANGE), EINVAL, EOPNOTSUPP);
		return;
	}
	OK(renameat2(AT_FDCWD, "a", AT_FDCWD, "d", RENAME_EXCHANGE));
	fs_expect("d", "A");
	fs_expect("a/f", "F");
	ERR(renameat2(AT_FDCWD, "a", AT_FDCWD, "none", RENAME_EXCHANGE), ENOENT);
	ERR(renameat2(AT_FDCWD, "a", AT_FDCWD, "d", RENAME_EXCHANGE | RENAME_NOREPLACE), EINVAL);
	ERR(renameat2(AT_FDCWD, "a", AT_FDCWD, "d", 1u << 30), EINVAL);
}

static bool stale(long ret)
{
	return ret == -1 && errno == ESTALE && !fs_profile->never_stale;
}

static void read_target(void)
{
	char buf[8];
	ssize_t n;
	int fd;

	for (unsigned int i = 0; i < 150; i++) {
		fd = open("target", O_RDONLY);
		if (stale(fd))
			continue;
		OK(fd);
		n = read(fd, buf, sizeof(buf));
		if (!stale(n))
			EQ(n, 3);
		OK(close(fd));
	}
}

static void swap_or_read(unsigned int who)
{
	char own[16];

	if (who == 2) {
		read_target();
		return;
	}
	snprintf(own, sizeof(own), "new%u", who);
	for (unsigned int i = 0; i < 50; i++) {
		fs_put(own, who ? "one" : "two");
		OK(rename(own, "target"));
	}
}

/* Replacing by rename is atomic: a reader never misses the name. */
static void rename_atomic(void)
{
	fs_put("target", "one");
	fs_together(3, swap_or_read);
}

const struct fs_case fs_cases_rename[] = {
	{ "rename_basic", rename_basic },
	{ "rename_over", rename_over },
	{ "rename_over_open", rename_over_open },
	{ "rename_keeps_open", rename_keeps_open },
	{ "rename_errors", rename_errors },
	{ "rename_hard_links", rename_hard_links },
	{ "rename_dir_parent", rename_dir_parent },
	{ "rename_noreplace", rename_noreplace },
	{ "rename_exchange", rename_exchange },
	{ "rename_atomic", rename_atomic },
	{ NULL, NULL },
};
