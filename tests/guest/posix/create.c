/* SPDX-License-Identifier: BSD-3-Clause */
/* New files: mode, umask, owner, group, and O_TMPFILE. */
#include <sys/xattr.h>

#include "posix.h"

static long make_open(const char *p, mode_t m)
{
	int fd = open(p, O_RDWR | O_CREAT | O_EXCL, m);

	return fd < 0 ? -1 : close(fd);
}

static long make_reg(const char *p, mode_t m) { return mknod(p, S_IFREG | m, 0); }
static long make_dir(const char *p, mode_t m) { return mkdir(p, m); }
static long make_fifo(const char *p, mode_t m) { return mkfifo(p, m); }
static long make_sock(const char *p, mode_t m) { return mknod(p, S_IFSOCK | m, 0); }
static long make_chr(const char *p, mode_t m) { return mknod(p, S_IFCHR | m, 0x0103); }
static long make_link(const char *p, mode_t m) { return symlink("x", p); }

static const struct maker {
	const char *name;
	long (*make)(const char *path, mode_t mode);
	mode_t type;
} makers[] = {
	{ "open(2)", make_open, S_IFREG },	{ "mknod(2) S_IFREG", make_reg, S_IFREG },
	{ "mkdir(2)", make_dir, S_IFDIR },	{ "mkfifo(3)", make_fifo, S_IFIFO },
	{ "mknod(2) S_IFSOCK", make_sock, S_IFSOCK }, { "mknod(2) S_IFCHR", make_chr, S_IFCHR },
};

static void create_umask(void)
{
	static const mode_t masks[] = { 0, 022, 027, 077, 0777 };
	static const mode_t modes[] = { 0, 0644, 0777, 01777, 0421 };

	for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
		for (size_t k = 0; k < ARRAY_LEN(masks); k++) {
			umask(masks[k]);
			NEED(makers[i].make("f", modes[k]));
			SAME(px_law("%s: the mode of a new file is mode & ~umask (%o, %o)",
				    makers[i].name, modes[k], masks[k]),
			     px_stat("f").st_mode, makers[i].type | (modes[k] & ~masks[k]));
			px_remove("f");
			umask(0);
			NEED(makers[i].make("f", modes[k]));
			SAME(px_law("%s: without a umask the mode is the argument (%o)",
				    makers[i].name, modes[k]),
			     px_stat("f").st_mode, makers[i].type | modes[k]);
			px_remove("f");
		}
	}
}

static void check_new(const struct maker *m, const char *path, uid_t uid, gid_t gid,
		      const char *why)
{
	struct stat st;

	CALL(px_law("%s: %s", m->name, why), 0, m->make(path, 0755));
	st = px_stat(path);
	SAME(px_law("%s: a new file belongs to the effective user id", m->name), st.st_uid, uid);
	SAME(px_law("%s: and to the group: %s", m->name, why), st.st_gid, gid);
	HOLDS(px_law("%s: the three times are set", m->name),
	      st.st_atim.tv_sec > 1000000000 && st.st_mtim.tv_sec > 1000000000 &&
		      st.st_ctim.tv_sec > 1000000000);
	SAME(px_law("%s: a new file has one link, a directory two or one", m->name),
	     st.st_nlink - (S_ISDIR(st.st_mode) && st.st_nlink == 2), 1);
	SAME(px_law("%s: a new file is empty", m->name), S_ISDIR(st.st_mode) ? 0 : st.st_size, 0);
}

static void create_owner(void)
{
	struct maker link = { "symlink(2)", make_link, S_IFLNK };
	const gid_t more[] = { 3000 };
	struct stat st;

	px_dir("d", 0777, 0, 0);
	px_dir("g", 02777, 0, 3000);
	px_become(1000, 2000, more, 1);
	for (size_t i = 0; i < ARRAY_LEN(makers) - 1; i++) {
		check_new(&makers[i], px_law("d/%zu", i), 1000, 2000, "the effective group id");
		check_new(&makers[i], px_law("g/%zu", i), 1000, 3000,
			  "of a set-group-ID directory");
		SAME(px_law("%s: only a directory inherits set-group-ID", makers[i].name),
		     px_stat(px_law("g/%zu", i)).st_mode & 07777,
		     S_ISDIR(makers[i].type) ? 02755 : 0755);
	}
	NEED(link.make("d/l", 0));
	NEED(link.make("g/l", 0));
	st = px_stat("d/l");
	SAME("symlink(2): owner and group of a new link", st.st_uid == 1000 && st.st_gid == 2000,
	     1);
	SAME("symlink(2): the mode of a link is 0777", st.st_mode, S_IFLNK | 0777);
	SAME("symlink(2): its size is the length of the target", st.st_size, 1);
	SAME("symlink(2): the group of a set-group-ID directory", px_stat("g/l").st_gid, 3000);
	CALL("mknod(2) EPERM: a device by an ordinary user", EPERM,
	     mknod("d/c", S_IFCHR | 0600, 0x0103));
	CALL("mknod(2) EPERM: a block device by an ordinary user", EPERM,
	     mknod("d/b", S_IFBLK | 0600, 1));
	px_root();
	NEED(mknod("d/c", S_IFCHR | 0600, 0x0103));
	SAME("mknod(2): st_rdev is the number given", px_stat("d/c").st_rdev, 0x0103);
	NEED(mknod("d/w", S_IFCHR | 0600, 0));
	SAME("mknod(2): the device 0,0 needs no privilege of its own", px_stat("d/w").st_rdev, 0);
	NEED(mknod("d/b", S_IFBLK | 0600, (dev_t)(5 << 8 | 0xff) | (dev_t)0x12300000));
	SAME("mknod(2): big numbers of a block device", px_stat("d/b").st_rdev,
	     (5 << 8 | 0xff) | 0x12300000);
}

static void create_setgid_stripped(void)
{
	static const struct {
		gid_t gid;	/* of the caller */
		mode_t mode, want;
		const char *why;
	} rows[] = {
		{ 2000, 02775, 0775,
		  "a stranger to the directory's group gets no set-group-ID file" },
		{ 2000, 02765, 02765, "without group execution it is not an executable" },
		{ 3000, 02775, 02775, "a member of the group may" },
		{ 2000, 04755, 04755, "set-user-ID of the caller's own file stays" },
	};

	px_dir("g", 02777, 0, 3000);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		px_become(1000, rows[i].gid, NULL, 0);
		NEED(make_open("g/f", rows[i].mode));
		SAME(px_law("open(2): %s", rows[i].why), px_stat("g/f").st_mode & 07777,
		     rows[i].want);
		NEED(unlink("g/f"));
		NEED(make_reg("g/f", rows[i].mode));
		SAME(px_law("mknod(2): %s", rows[i].why), px_stat("g/f").st_mode & 07777,
		     rows[i].want);
		NEED(unlink("g/f"));
		px_root();
	}
	NEED(make_open("g/f", 02775));
	SAME("open(2): root keeps set-group-ID", px_stat("g/f").st_mode & 07777, 02775);
}

/* Whether there is such a thing here at all. */
static int tmpfile_here(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0640);

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
		px_skip("no O_TMPFILE on this file system");
	return (int)NEED(fd);
}

static void create_tmpfile(void)
{
	int fd = tmpfile_here(), excl;
	char path[64], buf[8];
	struct stat st;

	NEED(fstat(fd, &st));
	SAME("open(2) O_TMPFILE: a regular file", st.st_mode, S_IFREG | 0640);
	SAME("open(2) O_TMPFILE: without a name", st.st_nlink, 0);
	SAME("open(2) O_TMPFILE: written", write(fd, "hello", 5), 5);
	SAME("open(2) O_TMPFILE: read", pread(fd, buf, 8, 0), 5);
	CALL("open(2) O_TMPFILE: fsync", 0, fsync(fd));
	CALL("open(2) EINVAL: O_TMPFILE without writing", EINVAL,
	     open(".", O_TMPFILE | O_RDONLY, 0600));
	CALL("open(2) ENOENT: O_TMPFILE in a missing directory", ENOENT,
	     open("none", O_TMPFILE | O_RDWR, 0600));
	px_put("f", "x");
	CALL("open(2) ENOTDIR: O_TMPFILE in a file", ENOTDIR, open("f", O_TMPFILE | O_RDWR, 0600));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CALL("open(2) O_TMPFILE: linkat gives it a name", 0,
	     linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	HOLDS("open(2) O_TMPFILE: the name shows the bytes", px_holds("named", "hello"));
	SAME("open(2) O_TMPFILE: one link now", px_stat("named").st_nlink, 1);
	CALL("linkat(2) EEXIST: the name is taken", EEXIST,
	     linkat(AT_FDCWD, path, AT_FDCWD, "f", AT_SYMLINK_FOLLOW));
	excl = (int)NEED(open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", excl);
	CALL("open(2) O_TMPFILE O_EXCL: it cannot be linked", ENOENT,
	     linkat(AT_FDCWD, path, AT_FDCWD, "never", AT_SYMLINK_FOLLOW));
	umask(027);
	fd = tmpfile_here();
	NEED(fstat(fd, &st));
	SAME("open(2) O_TMPFILE: the umask applies", st.st_mode, S_IFREG | 0640);
	CALL("close(2): nothing is left", 0, close(fd));
}

static void create_symlink_sizes(void)
{
	static const size_t sizes[] = { 1, 59, 60, 255, 1000, 4000 };
	char target[4097], back[4097];

	memset(target, 't', sizeof(target));
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		target[sizes[i]] = 0;
		CALL(px_law("symlink(2): a target of %zu bytes", sizes[i]), 0,
		     symlink(target, "l"));
		SAME(px_law("readlink(2): all %zu bytes", sizes[i]),
		     readlink("l", back, sizeof(back)), sizes[i]);
		SAME("readlink(2): the same bytes", memcmp(target, back, sizes[i]), 0);
		SAME("readlink(2): a small buffer gets a truncated target", readlink("l", back, 1),
		     1);
		SAME("stat(2): the size of a link", px_stat("l").st_size, sizes[i]);
		NEED(unlink("l"));
		target[sizes[i]] = 't';
	}
	target[4096] = 0;
	CALL("symlink(2) ENAMETOOLONG: the target is too long", ENAMETOOLONG, symlink(target, "l"));
	CALL("symlink(2) ENOENT: the target is empty", ENOENT, symlink("", "l"));
}

static void create_names(void)
{
	static const char *const names[] = {
		" ", "-", "...", ".hidden", "a b", "tab\tname", "new\nline", "\xff\xfe", "\xc3\xa4",
		"back\\slash", "quote\"'", "*?[", "a:b", "x,y", "~", "\x01", "UPPER", "upper",
	};
	char longest[256];

	memset(longest, 'n', 255);
	longest[255] = 0;
	CALL("open(2): a name of NAME_MAX bytes", 0, make_open(longest, 0600));
	SAME("stat(2): is there", px_stat(longest).st_size, 0);
	CALL("rename(2): to another one of NAME_MAX bytes", 0,
	     (longest[0] = 'm', rename(px_law("n%s", longest + 1), longest)));
	CALL("unlink(2): and can be removed", 0, unlink(longest));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CALL(px_law("open(2): every byte but / and 0 is allowed in a name (%zu)", i), 0,
		     make_open(names[i], 0600));
		HOLDS(px_law("stat(2): the name is found again (%zu)", i), px_ino(names[i]) != 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		CALL(px_law("unlink(2): each one by itself (%zu)", i), 0, unlink(names[i]));
}

const struct px_topic px_topics_create[] = {
	{ "create_umask", create_umask },
	{ "create_owner", create_owner },
	{ "create_setgid_stripped", create_setgid_stripped },
	{ "create_tmpfile", create_tmpfile },
	{ "create_symlink_sizes", create_symlink_sizes },
	{ "create_names", create_names },
	{ NULL, NULL },
};
