/* SPDX-License-Identifier: BSD-3-Clause */
/* Hard links, directories and their entries. */
#include <dirent.h>
#include <sys/syscall.h>

#include "posix.h"

static void links_counts(void)
{
	static const char *const kinds[] = { "file", "link", "dangling", "fifo", "socket" };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const char *k = kinds[i];

		px_make(k, "f");
		SAME(px_law("stat(2) st_nlink: one name (%s)", k), px_stat("f").st_nlink, 1);
		CALL(px_law("link(2): a second name (%s)", k), 0, link("f", "g"));
		SAME(px_law("link(2): both are the same file (%s)", k), px_ino("f"), px_ino("g"));
		SAME(px_law("link(2): the link count is incremented (%s)", k),
		     px_stat("f").st_nlink, 2);
		CALL(px_law("link(2): a third name (%s)", k), 0, link("g", "h"));
		SAME(px_law("link(2): seen through each (%s)", k),
		     px_stat("f").st_nlink + px_stat("g").st_nlink + px_stat("h").st_nlink, 9);
		CALL(px_law("unlink(2): the first name (%s)", k), 0, unlink("f"));
		SAME(px_law("unlink(2): the link count is decremented (%s)", k),
		     px_stat("g").st_nlink, 2);
		CALL(px_law("rename(2): one of the names (%s)", k), 0, rename("g", "f"));
		SAME(px_law("rename(2): does not change the count (%s)", k), px_stat("h").st_nlink,
		     2);
		NEED(unlink("f"));
		SAME(px_law("unlink(2): the last name is left (%s)", k), px_stat("h").st_nlink, 1);
		NEED(unlink("h"));
	}
}

static void links_many(void)
{
	px_put("f", "x");
	for (unsigned int i = 0; i < 100; i++)
		NEED(link("f", px_law("l%u", i)));
	SAME("link(2): a hundred more names", px_stat("f").st_nlink, 101);
	NEED(unlink("f"));
	for (unsigned int i = 0; i < 99; i++)
		NEED(unlink(px_law("l%u", i)));
	SAME("unlink(2): the count comes down again", px_stat("l99").st_nlink, 1);
	HOLDS("unlink(2): the file is unharmed", px_holds("l99", "x"));
}

static void links_follow(void)
{
	px_put("f", "x");
	NEED(symlink("f", "s"));
	CALL("link(2): oldpath is a symbolic link, which is not followed on Linux", 0,
	     link("s", "a"));
	SAME("link(2): the new name is the link", px_stat("a").st_mode & S_IFMT, S_IFLNK);
	CALL("linkat(2) AT_SYMLINK_FOLLOW: it is followed", 0,
	     linkat(AT_FDCWD, "s", AT_FDCWD, "b", AT_SYMLINK_FOLLOW));
	SAME("linkat(2) AT_SYMLINK_FOLLOW: the new name is the file", px_ino("b"), px_ino("f"));
	CALL("linkat(2) EINVAL: an unknown flag", EINVAL, linkat(AT_FDCWD, "s", AT_FDCWD, "c", 1));
	CALL("linkat(2) AT_EMPTY_PATH: an open file", 0,
	     linkat(open("f", O_RDONLY), "", AT_FDCWD, "d", AT_EMPTY_PATH));
	SAME("linkat(2) AT_EMPTY_PATH: is the same file", px_ino("d"), px_ino("f"));
}

static void links_shared(void)
{
	px_put("f", "one");
	NEED(mkdir("d", 0755));
	NEED(link("f", "d/g"));
	px_put("d/g", "two");
	HOLDS("link(2): what is written through one name is read through the other",
	      px_holds("f", "two"));
	NEED(chmod("f", 0601));
	SAME("link(2): the names share the mode", px_stat("d/g").st_mode & 07777, 0601);
	NEED(chown("d/g", 5, 6));
	SAME("link(2): the names share the owner", px_stat("f").st_uid, 5);
	NEED(truncate("f", 1));
	SAME("link(2): the names share the size", px_stat("d/g").st_size, 1);
}

static void links_directories(void)
{
	unsigned long base;

	NEED(mkdir("d", 0755));
	base = px_stat("d").st_nlink;
	HOLDS("mkdir(2): a new directory has two links, or does not count", base == 2 || base == 1);
	for (unsigned int i = 0; i < 5; i++)
		NEED(mkdir(px_law("d/s%u", i), 0755));
	SAME("mkdir(2): each directory adds the link of its ..", px_stat("d").st_nlink,
	     base == 2 ? 7 : 1);
	px_put("d/f", "x");
	SAME("open(2): a file adds none", px_stat("d").st_nlink, base == 2 ? 7 : 1);
	for (unsigned int i = 0; i < 5; i++)
		NEED(rmdir(px_law("d/s%u", i)));
	SAME("rmdir(2): each takes it away again", px_stat("d").st_nlink, base);
	CALL("rmdir(2) ENOTEMPTY: while the file is there", ENOTEMPTY, rmdir("d"));
	NEED(unlink("d/f"));
	CALL("rmdir(2): the directory is empty", 0, rmdir("d"));
}

/* Reads the whole directory; how often the name was seen. */
static int times_listed(const char *path, const char *name, unsigned char *type, long long *ino)
{
	DIR *dir = opendir(path);
	struct dirent *de;
	int n = 0;

	while (dir != NULL && (de = readdir(dir)) != NULL) {
		if (strcmp(de->d_name, name) != 0)
			continue;
		n++;
		*type = de->d_type;
		*ino = (long long)de->d_ino;
	}
	if (dir != NULL)
		closedir(dir);
	return n;
}

static void links_entries(void)
{
	static const struct {
		const char *kind;
		unsigned char type;
	} rows[] = { { "file", DT_REG }, { "dir", DT_DIR }, { "link", DT_LNK }, { "fifo", DT_FIFO },
		     { "socket", DT_SOCK }, { "dangling", DT_LNK } };
	unsigned char type = 0;
	long long ino = 0;

	NEED(mkdir("d", 0755));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *k = rows[i].kind, *path = px_law("d/%s", k);

		px_make(k, path);
		SAME(px_law("readdir(3): a %s is listed once", k),
		     times_listed("d", k, &type, &ino), 1);
		HOLDS(px_law("readdir(3): its type (%s)", k),
		      type == rows[i].type || type == DT_UNKNOWN);
		SAME(px_law("readdir(3): its d_ino is st_ino (%s)", k), ino,
		     px_ino(px_law("d/%s", k)));
		px_remove(px_law("d/%s", k));
		SAME(px_law("readdir(3): a removed %s is not listed", k),
		     times_listed("d", k, &type, &ino), 0);
	}
	SAME("readdir(3): . is listed", times_listed("d", ".", &type, &ino), 1);
	SAME("readdir(3): and is the directory", ino, px_ino("d"));
	SAME("readdir(3): .. is listed", times_listed("d", "..", &type, &ino), 1);
	SAME("readdir(3): and is its parent", ino, px_ino("."));
}

static int count_seen(DIR *dir, unsigned char *seen, int most)
{
	struct dirent *de;
	int n = 0;

	while (most-- > 0 && (de = readdir(dir)) != NULL) {
		if (de->d_name[0] != 'f')
			continue;
		seen[atoi(de->d_name + 1)]++;
		n++;
	}
	return n;
}

static void links_listing(void)
{
	enum { FILES = 500 };
	unsigned char seen[FILES] = { 0 };
	int once = 0, got;
	DIR *dir;
	long pos;

	NEED(mkdir("d", 0755));
	for (int i = 0; i < FILES; i++)
		px_put(px_law("d/f%d", i), "");
	dir = opendir("d");
	HOLDS("opendir(3): a directory", dir != NULL);
	SAME("readdir(3): every entry", count_seen(dir, seen, 100000), FILES);
	for (int i = 0; i < FILES; i++)
		once += seen[i] == 1;
	SAME("readdir(3): each exactly once", once, FILES);
	rewinddir(dir);
	SAME("rewinddir(3): from the start again", count_seen(dir, seen, 100000), FILES);
	rewinddir(dir);
	count_seen(dir, seen, 200);
	pos = telldir(dir);
	got = count_seen(dir, seen, 100000);
	seekdir(dir, pos);
	SAME("seekdir(3): to where telldir(3) was", count_seen(dir, seen, 100000), got);
	rewinddir(dir);
	memset(seen, 0, sizeof(seen));
	got = count_seen(dir, seen, 100);
	for (int i = 0; i < FILES; i++)
		if (seen[i] == 0)
			NEED(unlink(px_law("d/f%d", i)));
	rewinddir(dir);
	SAME("rewinddir(3): refers to the directory as it is now", count_seen(dir, seen, 100000),
	     got);
	closedir(dir);
	for (int i = 0; i < FILES; i++)
		px_remove(px_law("d/f%d", i));
	CALL("rmdir(2): after all of it was removed", 0, rmdir("d"));
}

/* Removing what was read while reading on must neither skip nor repeat the rest. */
static void links_remove_while_reading(void)
{
	enum { FILES = 300 };
	unsigned char seen[FILES] = { 0 };
	struct dirent *de;
	int once = 0;
	DIR *dir;

	NEED(mkdir("d", 0755));
	for (int i = 0; i < FILES; i++)
		px_put(px_law("d/f%d", i), "");
	dir = opendir("d");
	while (dir != NULL && (de = readdir(dir)) != NULL) {
		if (de->d_name[0] != 'f')
			continue;
		seen[atoi(de->d_name + 1)]++;
		NEED(unlink(px_law("d/%s", de->d_name)));
	}
	for (int i = 0; i < FILES; i++)
		once += seen[i] == 1;
	SAME("readdir(3): entries neither added nor removed are returned exactly once", once,
	     FILES);
	closedir(dir);
	CALL("rmdir(2): nothing was left behind", 0, rmdir("d"));
}

static void links_small_buffer(void)
{
	char buf[64];
	int fd;

	NEED(mkdir("d", 0755));
	px_put("d/a-name-which-does-not-fit-in-that-much-room", "");
	fd = (int)NEED(open("d", O_RDONLY));
	CALL("getdents64(2) EINVAL: the result buffer is too small", EINVAL,
	     syscall(SYS_getdents64, fd, buf, 8));
	CALL("getdents64(2) ENOTDIR: fd is not a directory", ENOTDIR,
	     syscall(SYS_getdents64,
		     open("d/a-name-which-does-not-fit-in-that-much-room", O_RDONLY), buf, 64));
	CALL("getdents64(2) EBADF: fd is not a descriptor", EBADF,
	     syscall(SYS_getdents64, 9999, buf, 64));
}

const struct px_topic px_topics_links[] = {
	{ "links_counts", links_counts },
	{ "links_many", links_many },
	{ "links_follow", links_follow },
	{ "links_shared", links_shared },
	{ "links_directories", links_directories },
	{ "links_entries", links_entries },
	{ "links_listing", links_listing },
	{ "links_remove_while_reading", links_remove_while_reading },
	{ "links_small_buffer", links_small_buffer },
	{ NULL, NULL },
};
