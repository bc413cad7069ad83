/* SPDX-License-Identifier: BSD-3-Clause */
/* Names: directories, links, special files, length and bytes of names, depth of trees. */
#include <limits.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "fsops.h"

static void name_mkdir(void)
{
	OK(mkdir("d", 0755));
	EQ(fs_stat("d").st_mode, S_IFDIR | 0755);
	ERR(mkdir("d", 0755), EEXIST);
	fs_put("f", "x");
	ERR(mkdir("f", 0755), EEXIST);
	ERR(mkdir("f/x", 0755), ENOTDIR);
	ERR(mkdir("none/x", 0755), ENOENT);
	OK(symlink("nowhere", "l"));
	ERR(mkdir("l", 0755), EEXIST);
	OK(mkdir("d/e", 0700));
	EQ(fs_mode("d/e"), 0700);
}

static void name_rmdir(void)
{
	OK(mkdir("d", 0755));
	fs_put("d/f", "x");
	ERR2(rmdir("d"), ENOTEMPTY, EEXIST);
	OK(unlink("d/f"));
	ERR(rmdir("d/."), EINVAL);
	ERR2(rmdir("d/.."), ENOTEMPTY, EEXIST);
	OK(rmdir("d"));
	ERR(rmdir("d"), ENOENT);
	fs_put("f", "x");
	ERR(rmdir("f"), ENOTDIR);
	OK(mkdir("e", 0755));
	OK(symlink("e", "l"));
	ERR(rmdir("l"), ENOTDIR);
}

static void name_unlink(void)
{
	fs_put("f", "x");
	OK(unlink("f"));
	ERR(unlink("f"), ENOENT);
	ERR(access("f", F_OK), ENOENT);
	OK(mkdir("d", 0755));
	ERR(unlink("d"), EISDIR);
	fs_put("g", "x");
	ERR(unlink("g/x"), ENOTDIR);
	OK(symlink("g", "l"));
	OK(unlink("l"));
	fs_expect("g", "x");
}

static void name_symlink(void)
{
	char buf[64];

	OK(symlink("target/does/not/exist", "l"));
	EQ(readlink("l", buf, sizeof(buf)), 21);
	EQ(memcmp(buf, "target/does/not/exist", 21), 0);
	EQ(readlink("l", buf, 6), 6);
	EQ(fs_lstat("l").st_size, 21);
	EQ(S_ISLNK(fs_lstat("l").st_mode), 1);
	ERR(symlink("x", "l"), EEXIST);
	ERR(open("l", O_RDONLY), ENOENT);
	fs_put("f", "via");
	ERR(readlink("f", buf, sizeof(buf)), EINVAL);
	OK(symlink("f", "m"));
	OK(symlink("m", "n"));
	fs_expect("n", "via");
	ERR(symlink("", "empty"), ENOENT);
}

static void name_symlink_long(void)
{
	char *target = fs_alloc(8192), *back = fs_alloc(8192);
	static const size_t lengths[] = { 59, 60, 255, 256, 1023, 2000, 4095 };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(target, 'a', lengths[i]);
		target[lengths[i]] = 0;
		OK(symlink(target, "l"));
		EQ(readlink("l", back, 8192), lengths[i]);
		EQ(memcmp(target, back, lengths[i]), 0);
		OK(unlink("l"));
	}
	memset(target, 'a', 4096);
	target[4096] = 0;
	ERR(symlink(target, "l"), ENAMETOOLONG);
}

static void name_symlink_loop(void)
{
	OK(symlink("b", "a"));
	OK(symlink("a", "b"));
	ERR(open("a", O_RDONLY), ELOOP);
	ERR(access("a/x", F_OK), ELOOP);
	OK(symlink(".", "here"));
	fs_put("f", "x");
	fs_expect("here/here/here/f", "x");
}

static void name_link(void)
{
	fs_put("f", "x");
	OK(link("f", "g"));
	fs_put("g", "shared");
	fs_expect("f", "shared");
	ERR(link("f", "g"), EEXIST);
	ERR(link("none", "h"), ENOENT);
	OK(mkdir("d", 0755));
	ERR(link("d", "h"), EPERM);
	OK(link("f", "d/f"));
	ERR(link("f/x", "h"), ENOTDIR);
	OK(symlink("f", "l"));
	OK(linkat(AT_FDCWD, "l", AT_FDCWD, "l2", 0));
	EQ(S_ISLNK(fs_lstat("l2").st_mode), 1);
	OK(linkat(AT_FDCWD, "l", AT_FDCWD, "f2", AT_SYMLINK_FOLLOW));
	EQ(S_ISREG(fs_lstat("f2").st_mode), 1);
}

static void name_mknod(void)
{
	struct stat st;

	OK(mknod("p", S_IFIFO | 0600, 0));
	EQ(fs_stat("p").st_mode, S_IFIFO | 0600);
	OK(mknod("s", S_IFSOCK | 0644, 0));
	EQ(fs_stat("s").st_mode, S_IFSOCK | 0644);
	OK(mknod("f", S_IFREG | 0604, 0));
	EQ(fs_stat("f").st_mode, S_IFREG | 0604);
	ERR(mknod("f", S_IFIFO | 0600, 0), EEXIST);
	ERR(mknod("none/p", S_IFIFO | 0600, 0), ENOENT);
	if (mknod("c", S_IFCHR | 0600, makedev(1, 3)) < 0) {
		ERR(-1, EPERM);	/* a container without the right */
		return;
	}
	st = fs_stat("c");
	EQ(st.st_mode, S_IFCHR | 0600);
	EQ(major(st.st_rdev), 1);
	EQ(minor(st.st_rdev), 3);
	OK(mknod("b", S_IFBLK | 0600, makedev(250, 70000)));
	EQ(minor(fs_stat("b").st_rdev), 70000);
}

static void name_fifo_works(void)
{
	int r, w;
	char c;

	OK(mkfifo("p", 0600));
	r = fs_open("p", O_RDONLY | O_NONBLOCK, 0);
	w = fs_open("p", O_WRONLY, 0);
	EQ(write(w, "x", 1), 1);
	EQ(read(r, &c, 1), 1);
}

static void name_unix_socket(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "sock" };
	int s = (int)OK(socket(AF_UNIX, SOCK_STREAM, 0));
	int c = (int)OK(socket(AF_UNIX, SOCK_STREAM, 0));

	OK(bind(s, (struct sockaddr *)&addr, sizeof(addr)));
	OK(listen(s, 1));
	EQ(S_ISSOCK(fs_stat("sock").st_mode), 1);
	OK(connect(c, (struct sockaddr *)&addr, sizeof(addr)));
	ERR(open("sock", O_RDONLY), ENXIO);
}

static void name_length(void)
{
	char name[300];

	memset(name, 'n', sizeof(name));
	name[255] = 0;
	fs_put(name, "long");
	fs_expect(name, "long");
	OK(rename(name, "f"));
	OK(link("f", name));
	OK(unlink(name));
	OK(mkdir(name, 0755));
	name[255] = 'n';
	name[256] = 0;
	ERR(open(name, O_RDWR | O_CREAT, 0600), ENAMETOOLONG);
	ERR(mkdir(name, 0755), ENAMETOOLONG);
	ERR(symlink("x", name), ENAMETOOLONG);
	ERR(link("f", name), ENAMETOOLONG);
	ERR(rename("f", name), ENAMETOOLONG);
	ERR(unlink(name), ENAMETOOLONG);
	ERR(access(name, F_OK), ENAMETOOLONG);
}

static void name_bytes(void)
{
	static const char *const names[] = {
		" ", "...", "..x", "-rf", "a b", "new\nline", "\xff\xfe", "\x01", "\xc3\xa4\xc3\xb6",
		"back\\slash", "*?[]", "%s%n", ".hidden", "CASE", "case",
	};
	char text[8];

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(text, sizeof(text), "%u", i);
		fs_put(names[i], text);
	}
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(text, sizeof(text), "%u", i);
		fs_expect(names[i], text);
		OK(unlink(names[i]));
	}
}

static void name_deep(void)
{
	char path[PATH_MAX] = "";
	int depth;

	for (depth = 0; depth < 100; depth++) {
		strcat(path, depth ? "/d" : "d");
		OK(mkdir(path, 0755));
	}
	strcat(path, "/f");
	fs_put(path, "deep");
	fs_expect(path, "deep");
	OK(chdir("d/d/d/d"));
	fs_put("../x", "up");
	OK(chdir("../../../.."));
	fs_expect("d/d/d/x", "up");
	OK(unlink(path));
	for (; depth > 0; depth--) {
		*strrchr(path, '/') = 0;
		OK(rmdir(path));
		if (depth == 4)
			OK(unlink("d/d/d/x"));
	}
}

/* Nothing above the exported directory is reachable, whatever the path. */
static void name_dotdot_of_root(void)
{
	struct stat st, up;
	char path[PATH_MAX] = "/";

	fs_put("f", "x");
	OK(symlink("/", "root"));
	OK(stat("root", &st));
	OK(stat("/", &up));
	EQ(st.st_ino, up.st_ino);
	EQ(st.st_dev, up.st_dev);
	for (int i = 0; i < 200; i++)
		strcat(path, "../");
	OK(stat(path, &st));
	EQ(st.st_ino, up.st_ino);
}

const struct fs_case fs_cases_name[] = {
	{ "name_mkdir", name_mkdir },
	{ "name_rmdir", name_rmdir },
	{ "name_unlink", name_unlink },
	{ "name_symlink", name_symlink },
	{ "name_symlink_long", name_symlink_long },
	{ "name_symlink_loop", name_symlink_loop },
	{ "name_link", name_link },
	{ "name_mknod", name_mknod },
	{ "name_fifo_works", name_fifo_works },
	{ "name_unix_socket", name_unix_socket },
	{ "name_length", name_length },
	{ "name_bytes", name_bytes },
	{ "name_deep", name_deep },
	{ "name_dotdot_of_root", name_dotdot_of_root },
	{ NULL, NULL },
};
