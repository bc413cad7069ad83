/* SPDX-License-Identifier: BSD-3-Clause */
/* rename(2) and renameat2(2): every kind of file onto every kind of file. */
#include <linux/fs.h>
#include <sys/syscall.h>

#include "posix.h"

static const char *const kinds[] = { "file",	 "dir",	 "full",   "link",
				     "dangling", "fifo", "socket", "none" };
#define KINDS ARRAY_LEN(kinds)
#define NONE (KINDS - 1)

static bool is_dir(size_t kind)
{
	return !strcmp(kinds[kind], "dir") || !strcmp(kinds[kind], "full");
}

static long rename2(const char *from, const char *to, unsigned int flags)
{
	return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static int plain_result(size_t from, size_t to)
{
	if (from == NONE)
		return ENOENT;
	if (to == NONE)
		return 0;
	if (is_dir(from) && !is_dir(to))
		return ENOTDIR;
	if (!is_dir(from) && is_dir(to))
		return EISDIR;
	return !strcmp(kinds[to], "full") ? ENOTEMPTY : 0;
}

static int noreplace_result(size_t from, size_t to)
{
	return from == NONE ? ENOENT : to == NONE ? 0 : EEXIST;
}

static int exchange_result(size_t from, size_t to)
{
	return from == NONE || to == NONE ? ENOENT : 0;
}

/* One pair: the result, and both names before and after. */
static void check_pair(const char *what, const char *from, const char *to, size_t kf, size_t kt,
		       unsigned int flags, int want)
{
	const char *pair = px_law("%s onto %s", kinds[kf], kinds[kt]);
	long long a, b;

	px_make(kinds[kf], from);
	px_make(kinds[kt], to);
	a = px_ino(from);
	b = px_ino(to);
	CALL(px_law("%s: %s", what, pair), want, rename2(from, to, flags));
	if (want != 0) {
		SAME(px_law("%s: a refused one leaves oldpath (%s)", what, pair), px_ino(from), a);
		SAME(px_law("%s: a refused one leaves newpath (%s)", what, pair), px_ino(to), b);
	} else {
		SAME(px_law("%s: newpath is the old file (%s)", what, pair), px_ino(to), a);
		SAME(px_law("%s: oldpath is gone or exchanged (%s)", what, pair), px_ino(from),
		     flags & RENAME_EXCHANGE ? b : 0);
	}
	px_remove(from);
	px_remove(to);
}

static void all_pairs(const char *what, unsigned int flags, int (*result)(size_t from, size_t to))
{
	for (size_t f = 0; f < KINDS; f++) {
		for (size_t t = 0; t < KINDS; t++) {
			check_pair(what, "a", "b", f, t, flags, result(f, t));
			check_pair(px_law("%s between directories", what), "one/a", "two/b", f, t,
				   flags, result(f, t));
		}
	}
}

static void rename_pairs(void)
{
	NEED(mkdir("one", 0755));
	NEED(mkdir("two", 0755));
	all_pairs("rename(2)", 0, plain_result);
}

static void rename_noreplace(void)
{
	NEED(mkdir("one", 0755));
	NEED(mkdir("two", 0755));
	all_pairs("renameat2(2) RENAME_NOREPLACE", RENAME_NOREPLACE, noreplace_result);
}

static void rename_exchange(void)
{
	NEED(mkdir("one", 0755));
	NEED(mkdir("two", 0755));
	all_pairs("renameat2(2) RENAME_EXCHANGE", RENAME_EXCHANGE, exchange_result);
	px_put("a", "text of a");
	px_put("b", "text of b");
	NEED(rename2("a", "b", RENAME_EXCHANGE));
	HOLDS("renameat2(2) RENAME_EXCHANGE: the contents follow", px_holds("a", "text of b") &&
	      px_holds("b", "text of a"));
	px_make("full", "one/d");
	NEED(rename2("a", "one/d", RENAME_EXCHANGE));
	HOLDS("renameat2(2) RENAME_EXCHANGE: a directory takes its entries along",
	      px_holds("a/inner", "x") && px_holds("one/d", "text of b"));
	SAME("renameat2(2) RENAME_EXCHANGE: and its .. is the new parent", px_ino("a/.."),
	     px_ino("."));
	NEED(mkdir("a/sub", 0755));
	CALL("renameat2(2) EINVAL: exchange with a directory below", EINVAL,
	     rename2("a", "a/sub", RENAME_EXCHANGE));
}

static void rename_flags(void)
{
	px_put("a", "x");
	px_put("b", "x");
	CALL("renameat2(2) EINVAL: NOREPLACE together with EXCHANGE", EINVAL,
	     rename2("a", "b", RENAME_NOREPLACE | RENAME_EXCHANGE));
	CALL("renameat2(2) EINVAL: WHITEOUT together with EXCHANGE", EINVAL,
	     rename2("a", "b", RENAME_WHITEOUT | RENAME_EXCHANGE));
	CALL("renameat2(2) EINVAL: an unknown flag", EINVAL, rename2("a", "b", 0x80));
	HOLDS("renameat2(2): nothing happened", px_holds("a", "x") && px_holds("b", "x"));
}

static void rename_whiteout(void)
{
	long ret;

	px_put("a", "x");
	ret = rename2("a", "b", RENAME_WHITEOUT);
	if (ret < 0 && errno == EINVAL)
		px_skip("no RENAME_WHITEOUT on this file system");
	CALL("renameat2(2) RENAME_WHITEOUT: the file moves", 0, ret);
	HOLDS("renameat2(2) RENAME_WHITEOUT: to newpath", px_holds("b", "x"));
	SAME("renameat2(2) RENAME_WHITEOUT: oldpath is a character device",
	     px_stat("a").st_mode & S_IFMT, S_IFCHR);
	SAME("renameat2(2) RENAME_WHITEOUT: of number 0, 0", px_stat("a").st_rdev, 0);
}

static void rename_same_file(void)
{
	px_put("a", "x");
	NEED(link("a", "b"));
	CALL("rename(2): two names of one file", 0, rename("a", "b"));
	HOLDS("rename(2): does nothing and reports success",
	      px_ino("a") != 0 && px_ino("a") == px_ino("b"));
	SAME("rename(2): both links are still there", px_stat("a").st_nlink, 2);
	CALL("rename(2): onto itself", 0, rename("a", "a"));
	HOLDS("rename(2): onto itself does nothing", px_holds("a", "x"));
	NEED(mkdir("d", 0755));
	CALL("rename(2): a directory onto itself", 0, rename("d", "d"));
	CALL("rename(2): a directory with a slash at the end", 0, rename("d/", "e/"));
	CALL("rename(2) ENOTDIR: a file to a name with a slash at the end", ENOTDIR,
	     rename("a", "f/"));
	CALL("renameat2(2) RENAME_NOREPLACE EEXIST: two names of one file", EEXIST,
	     rename2("a", "b", RENAME_NOREPLACE));
	CALL("renameat2(2) RENAME_EXCHANGE: two names of one file", 0,
	     rename2("a", "b", RENAME_EXCHANGE));
	SAME("renameat2(2): both links are still there", px_stat("b").st_nlink, 2);
}

static void rename_links(void)
{
	struct stat before, after;

	px_put("a", "text");
	NEED(symlink("a", "l"));
	NEED(symlink("l", "m"));
	before = px_stat("l");
	CALL("rename(2): a symbolic link is renamed itself", 0, rename("l", "n"));
	after = px_stat("n");
	SAME("rename(2): the same link", after.st_ino, before.st_ino);
	HOLDS("rename(2): the target is where it was",
	      px_holds("a", "text") && px_holds("n", "text"));
	CALL("rename(2): onto a symbolic link replaces the link", 0, rename("a", "n"));
	HOLDS("rename(2): the link is overwritten, not its target", S_ISREG(px_stat("n").st_mode));
	CALL("stat(2) ENOENT: a link to what was renamed", ENOENT, access("m", F_OK));
}

static void rename_counts(void)
{
	unsigned long base;

	NEED(mkdir("p", 0755));
	NEED(mkdir("q", 0755));
	base = px_stat("p").st_nlink;
	NEED(mkdir("p/d", 0755));
	SAME("mkdir(2): the parent has one link more, or does not count", px_stat("p").st_nlink,
	     base == 2 ? 3 : 1);
	NEED(rename("p/d", "q/d"));
	SAME("rename(2): the old parent has one link less", px_stat("p").st_nlink, base);
	SAME("rename(2): the new parent has one link more", px_stat("q").st_nlink,
	     base == 2 ? 3 : 1);
	SAME("rename(2): .. of the directory is the new parent", px_ino("q/d/.."), px_ino("q"));
	NEED(mkdir("p/d", 0755));
	NEED(rename("p/d", "q/d"));
	SAME("rename(2): over an empty directory the new parent's links stay",
	     px_stat("q").st_nlink, base == 2 ? 3 : 1);
	NEED(rmdir("q/d"));
	SAME("rmdir(2): the parent has one link less", px_stat("q").st_nlink, base);
	px_put("f", "x");
	px_put("g", "y");
	NEED(link("g", "h"));
	NEED(rename("f", "g"));
	SAME("rename(2): the replaced file has one link less", px_stat("h").st_nlink, 1);
	SAME("rename(2): the file that moved still has one", px_stat("g").st_nlink, 1);
}

static void rename_deep(void)
{
	NEED(mkdir("a", 0755));
	NEED(mkdir("a/b", 0755));
	NEED(mkdir("a/b/c", 0755));
	px_put("a/b/c/f", "deep");
	NEED(chdir("a/b/c"));
	CALL("rename(2): a directory above the current one", 0, rename("../../../a", "../../../z"));
	HOLDS("rename(2): the current directory moves along", px_holds("f", "deep"));
	CALL("open(2): relative names go on working", 0, open("f", O_RDWR));
	NEED(chdir("../../.."));
	HOLDS("rename(2): the whole tree is below the new name", px_holds("z/b/c/f", "deep"));
	CALL("open(2) ENOENT: and none of it below the old one", ENOENT, open("a/b/c/f", O_RDONLY));
	CALL("rename(2): a directory to a place higher up", 0, rename("z/b/c", "c"));
	HOLDS("rename(2): takes its files along", px_holds("c/f", "deep"));
	CALL("rename(2): back below", 0, rename("c", "z/b/c"));
	CALL("rename(2) EINVAL: an ancestor below it", EINVAL, rename("z", "z/b/c/z"));
}

const struct px_topic px_topics_rename[] = {
	{ "rename_pairs", rename_pairs },
	{ "rename_noreplace", rename_noreplace },
	{ "rename_exchange", rename_exchange },
	{ "rename_flags", rename_flags },
	{ "rename_whiteout", rename_whiteout },
	{ "rename_same_file", rename_same_file },
	{ "rename_links", rename_links },
	{ "rename_counts", rename_counts },
	{ "rename_deep", rename_deep },
	{ NULL, NULL },
};
