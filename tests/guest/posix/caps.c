/* SPDX-License-Identifier: BSD-3-Clause */
/* Root without one capability, and ordinary users with one: which right is whose. */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/xattr.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "posix.h"

#define USER 1000

static void get_caps(struct __user_cap_data_struct *data)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };

	NEED(syscall(SYS_capget, &head, data));
}

static void set_caps(const struct __user_cap_data_struct *data)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };

	NEED(syscall(SYS_capset, &head, data));
}

static void drop(unsigned int cap)
{
	struct __user_cap_data_struct data[2];

	get_caps(data);
	data[cap / 32].effective &= ~(1U << cap % 32);
	set_caps(data);
}

/* An ordinary user with this capability and no other. */
static void user_with(unsigned int cap)
{
	struct __user_cap_data_struct data[2] = { { 0 } };

	NEED(prctl(PR_SET_KEEPCAPS, 1));
	NEED(setresgid(USER, USER, USER));
	NEED(setresuid(USER, USER, USER));
	data[cap / 32].permitted = data[cap / 32].effective = 1U << cap % 32;
	set_caps(data);
}

static long opens(const char *path, int flags)
{
	int fd = open(path, flags, 0644);

	return fd < 0 ? -1 : close(fd);
}

static long writes(const char *path)
{
	int fd = open(path, O_WRONLY);

	return fd < 0 || write(fd, "y", 1) != 1 ? -1 : close(fd);
}

/* What is somebody else's, for root and for USER. */
static void stage(void)
{
	NEED(chmod(".", 0755));
	px_put_mode("f", "x", 0600, 7, 7);
	px_put_mode("free", "x", 0666, 7, 7);
	px_put_mode("suid", "x", 06777, 7, 7);
	px_dir("d", 0700, 7, 7);
	px_put_mode("d/f", "x", 0666, 7, 7);
	px_dir("sticky", 01777, 7, 7);
	px_put_mode("sticky/f", "x", 0666, 7, 7);
	px_dir("open", 0777, 7, 7);
}

static void no_override(void *arg)
{
	struct stat st;

	drop(CAP_DAC_OVERRIDE);
	CALL("capabilities(7) CAP_DAC_READ_SEARCH: read a file of mode 0600", 0,
	     opens("f", O_RDONLY));
	CALL("capabilities(7) CAP_DAC_READ_SEARCH: list a directory of mode 0700", 0,
	     opens("d", O_RDONLY));
	CALL("capabilities(7) CAP_DAC_READ_SEARCH: search it", 0, lstat("d/f", &st));
	CALL("capabilities(7) CAP_DAC_OVERRIDE: without it no writing", EACCES,
	     opens("f", O_WRONLY));
	CALL("capabilities(7) CAP_DAC_OVERRIDE: without it no truncate", EACCES, truncate("f", 0));
	CALL("capabilities(7) CAP_DAC_OVERRIDE: without it no new file", EACCES,
	     opens("d/n", O_WRONLY | O_CREAT));
	CALL("capabilities(7) CAP_DAC_OVERRIDE: without it no new directory", EACCES,
	     mkdir("d/n", 0755));
	CALL("capabilities(7) CAP_DAC_OVERRIDE: without it no new link", EACCES,
	     symlink("x", "d/n"));
	CALL("capabilities(7) CAP_DAC_OVERRIDE: without it no new name", EACCES,
	     link("free", "d/n"));
	CALL("capabilities(7) CAP_DAC_OVERRIDE: without it no unlink", EACCES, unlink("d/f"));
	CALL("capabilities(7) CAP_DAC_OVERRIDE: without it no rename", EACCES,
	     rename("d/f", "d/g"));
	drop(CAP_DAC_READ_SEARCH);
	CALL("capabilities(7) CAP_DAC_READ_SEARCH: without both no reading", EACCES,
	     opens("f", O_RDONLY));
	CALL("capabilities(7) CAP_DAC_READ_SEARCH: without both no listing", EACCES,
	     opens("d", O_RDONLY));
	CALL("capabilities(7) CAP_DAC_READ_SEARCH: without both no search", EACCES,
	     lstat("d/f", &st));
	CALL("access(2): asks for what root would get with what it has given up", 0,
	     access("d/f", F_OK));
	CALL("capabilities(7): the mode is enough where it allows", 0, writes("free"));
}

static void no_fowner(void *arg)
{
	static const struct timespec times[2] = { { 1, 0 }, { 1, 0 } };

	drop(CAP_FOWNER);
	CALL("capabilities(7) CAP_FOWNER: without it no chmod", EPERM, chmod("f", 0644));
	CALL("capabilities(7) CAP_FOWNER: without it no utimensat", EPERM,
	     utimensat(AT_FDCWD, "f", times, 0));
	CALL("capabilities(7) CAP_FOWNER: without it no unlink in a sticky directory", EPERM,
	     unlink("sticky/f"));
	CALL("capabilities(7) CAP_FOWNER: without it no rename in a sticky directory", EPERM,
	     rename("sticky/f", "sticky/g"));
	CALL("capabilities(7) CAP_FOWNER: without it no O_NOATIME", EPERM,
	     opens("f", O_RDONLY | O_NOATIME));
}

static void no_others(void *arg)
{
	struct vfs_cap_data cap = { .magic_etc = VFS_CAP_REVISION_2 };

	drop(CAP_CHOWN);
	CALL("capabilities(7) CAP_CHOWN: without it no new owner", EPERM, chown("f", 8, -1));
	CALL("capabilities(7) CAP_CHOWN: without it no new group", EPERM, chown("f", -1, 8));
	drop(CAP_MKNOD);
	CALL("capabilities(7) CAP_MKNOD: without it no device", EPERM,
	     mknod("dev", S_IFCHR | 0600, makedev(1, 3)));
	CALL("capabilities(7) CAP_MKNOD: a FIFO needs none", 0, mkfifo("fifo", 0600));
	drop(CAP_SETFCAP);
	CALL("capabilities(7) CAP_SETFCAP: without it no capabilities for files", EPERM,
	     setxattr("f", "security.capability", &cap, sizeof(cap), 0));
	drop(CAP_SYS_ADMIN);
	CALL("capabilities(7) CAP_SYS_ADMIN: without it no trusted attributes", EPERM,
	     setxattr("f", "trusted.px", "v", 1, 0));
	drop(CAP_FSETID);
	CALL("capabilities(7) CAP_FSETID: writing without it", 0, writes("suid"));
	SAME("capabilities(7) CAP_FSETID: takes set-user-ID and set-group-ID away",
	     px_stat("suid").st_mode & 07777, 0777);
	CALL("capabilities(7) CAP_FSETID: chmod without it, of a strange group", 0,
	     chmod("f", 02770));
	SAME("capabilities(7) CAP_FSETID: set-group-ID is not set", px_stat("f").st_mode & 07777,
	     0770);
}

static void caps_of_root(void)
{
	stage();
	px_in_child(no_override, NULL);
	px_in_child(no_fowner, NULL);
	px_in_child(no_others, NULL);
}

static void with_override(void *arg)
{
	user_with(CAP_DAC_OVERRIDE);
	CALL("capabilities(7) CAP_DAC_OVERRIDE: a user writes", 0, writes("f"));
	CALL("capabilities(7) CAP_DAC_OVERRIDE: a user makes a file", 0,
	     opens("d/n", O_WRONLY | O_CREAT | O_EXCL));
	SAME("capabilities(7) CAP_DAC_OVERRIDE: which is the user's", px_stat("d/n").st_uid, USER);
	CALL("capabilities(7) CAP_DAC_OVERRIDE: a user makes a directory", 0, mkdir("d/m", 0755));
	CALL("capabilities(7) CAP_DAC_OVERRIDE: a user makes a link", 0, symlink("x", "d/l"));
	CALL("capabilities(7) CAP_DAC_OVERRIDE: a user renames", 0, rename("d/f", "d/g"));
	CALL("capabilities(7) CAP_DAC_OVERRIDE: a user removes", 0, unlink("d/g"));
	CALL("capabilities(7) CAP_DAC_OVERRIDE: does not make an owner", EPERM, chmod("f", 0644));
}

static void with_fowner(void *arg)
{
	user_with(CAP_FOWNER);
	CALL("capabilities(7) CAP_FOWNER: chmod by a user", 0, chmod("free", 0664));
	CALL("capabilities(7) CAP_FOWNER: a user removes from a sticky directory", 0,
	     unlink("sticky/f"));
	CALL("capabilities(7) CAP_FOWNER: O_NOATIME by a user", 0,
	     opens("free", O_RDONLY | O_NOATIME));
	CALL("capabilities(7) CAP_FOWNER: does not open", EACCES, opens("f", O_RDONLY));
}

static void with_chown(void *arg)
{
	user_with(CAP_CHOWN);
	CALL("capabilities(7) CAP_CHOWN: a user gives away what is not his", 0, chown("free", 8, 9));
	SAME("capabilities(7) CAP_CHOWN: the owner", px_stat("free").st_uid, 8);
}

static void with_fsetid(void *arg)
{
	user_with(CAP_FSETID);
	CALL("capabilities(7) CAP_FSETID: a user with it writes", 0, writes("suid"));
	SAME("capabilities(7) CAP_FSETID: set-user-ID and set-group-ID stay",
	     px_stat("suid").st_mode & 07777, 06777);
}

static void with_mknod(void *arg)
{
	user_with(CAP_MKNOD);
	CALL("capabilities(7) CAP_MKNOD: a user makes a device", 0,
	     mknod("open/dev", S_IFCHR | 0600, makedev(1, 3)));
	SAME("capabilities(7) CAP_MKNOD: which is the user's", px_stat("open/dev").st_uid, USER);
}

static void caps_of_users(void)
{
	stage();
	px_in_child(with_override, NULL);
	px_in_child(with_fowner, NULL);
	px_in_child(with_chown, NULL);
	px_in_child(with_fsetid, NULL);
	px_in_child(with_mknod, NULL);
}

/* Programs of the file system: what their files give to who runs them. */
static const struct exec_row {
	const char *law;
	mode_t mode;
	bool capable;	/* has CAP_NET_BIND_SERVICE in its file */
	long long uid, gid, caps;
} exec_rows[] = {
	{ "execve(2): an ordinary program", 0755, false, 1001, 9000, 0 },
	{ "execve(2): set-user-ID", 04755, false, 1000, 9000, 0 },
	{ "execve(2): set-group-ID", 02755, false, 1001, 2000, 0 },
	{ "execve(2): both", 06755, false, 1000, 2000, 0 },
	{ "execve(2): set-group-ID without group execution", 02745, false, 1001, 9000, 0 },
	{ "capabilities(7): a file's capabilities", 0755, true, 1001, 9000,
	  1 << CAP_NET_BIND_SERVICE },
};

static void exec_row(void *arg)
{
	char *argv[] = { (char *)"prog", (char *)"-i", NULL }, *envp[] = { NULL };
	int *out = arg;

	dup2(out[1], 1);
	px_become(1001, 9000, NULL, 0);
	execve("./prog", argv, envp);
	_exit(99);
}

static void make_program(const struct exec_row *r)
{
	struct vfs_cap_data cap = {
		.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
		.data[0].permitted = 1 << CAP_NET_BIND_SERVICE,
	};

	px_copy_self("prog");
	NEED(chown("prog", 1000, 2000));
	NEED(chmod("prog", r->mode));
	if (r->capable)
		NEED(setxattr("prog", "security.capability", &cap, sizeof(cap), 0));
}

static void caps_of_programs(void)
{
	long long uid, gid, caps;
	char buf[128] = "";
	int out[2];

	NEED(chmod(".", 0755));
	for (size_t i = 0; i < ARRAY_LEN(exec_rows); i++) {
		const struct exec_row *r = &exec_rows[i];

		make_program(r);
		NEED(pipe(out));
		px_in_child(exec_row, out);
		close(out[1]);
		NEED(read(out[0], buf, sizeof(buf) - 1));
		close(out[0]);
		uid = gid = caps = -1;
		sscanf(buf, "%lld %lld %lld", &uid, &gid, &caps);
		SAME(px_law("%s: the effective user", r->law), uid, r->uid);
		SAME(px_law("%s: the effective group", r->law), gid, r->gid);
		SAME(px_law("%s: the capabilities", r->law), caps, r->caps);
		px_remove("prog");
	}
}

int px_print_ids(void)
{
	struct __user_cap_data_struct data[2];

	get_caps(data);
	printf("%u %u %u\n", geteuid(), getegid(), data[0].effective);
	return 0;
}

static long has_capability(void)
{
	return getxattr("f", "security.capability", NULL, 0);
}

static void give_capability(void)
{
	struct vfs_cap_data cap = { .magic_etc = VFS_CAP_REVISION_2 };

	NEED(setxattr("f", "security.capability", &cap, sizeof(cap), 0));
}

static void caps_of_file_go(void)
{
	px_put_mode("f", "x", 0755, 1000, 1000);
	give_capability();
	SAME("capabilities(7): a file has capabilities", has_capability(), XATTR_CAPS_SZ_2);
	CALL("capabilities(7): root writes to it", 0, writes("f"));
	CALL("capabilities(7): a write takes them away, root's, too", ENODATA, has_capability());
	give_capability();
	CALL("capabilities(7): it is truncated", 0, truncate("f", 0));
	CALL("capabilities(7): which takes them away", ENODATA, has_capability());
	give_capability();
	CALL("capabilities(7): it gets another owner", 0, chown("f", 1001, -1));
	CALL("capabilities(7): which takes them away", ENODATA, has_capability());
	give_capability();
	CALL("chmod(2): is no reason", 0, chmod("f", 0700));
	SAME("capabilities(7): they stay", has_capability(), XATTR_CAPS_SZ_2);
	CALL("open(2) O_TRUNC: a way to write", 0, opens("f", O_WRONLY | O_TRUNC));
	CALL("capabilities(7): which takes them away", ENODATA, has_capability());
}

const struct px_topic px_topics_caps[] = {
	{ "caps_of_root", caps_of_root },
	{ "caps_of_users", caps_of_users },
	{ "caps_of_programs", caps_of_programs },
	{ "caps_of_file_go", caps_of_file_go },
	{ NULL, NULL },
};
