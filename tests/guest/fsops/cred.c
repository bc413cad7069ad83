/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may do what, and to whom new files belong. */
#include "fsops.h"

static void expect_owner(const char *name, uid_t uid, gid_t gid)
{
	struct stat st = fs_lstat(name);

	if (st.st_uid != uid || st.st_gid != gid)
		fs_fail(__FILE__, __LINE__, "%s belongs to %u:%u, expected %u:%u", name, st.st_uid,
			st.st_gid, uid, gid);
}

static void open_dir_for_all(const char *name, mode_t mode)
{
	OK(mkdir(name, 0755));
	OK(chmod(name, mode));
}

static void create_everything(void)
{
	OK(close(fs_open("d/f", O_RDWR | O_CREAT, 0644)));
	OK(mkdir("d/d", 0755));
	OK(symlink("x", "d/l"));
	OK(mkfifo("d/p", 0644));
	OK(mknod("d/s", S_IFSOCK | 0644, 0));
	OK(link("d/f", "d/h"));
}

static void cred_new_files(void)
{
	static const char *const names[] = { "d/f", "d/d", "d/l", "d/p", "d/s", "d/h" };

	open_dir_for_all("d", 0777);
	fs_as(1000, 2000, NULL, 0, create_everything);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		expect_owner(names[i], 1000, 2000);
}

static void cred_high_ids(void)
{
	open_dir_for_all("d", 0777);
	fs_as(3000000001U, 4000000001U, NULL, 0, create_everything);
	expect_owner("d/f", 3000000001U, 4000000001U);
	expect_owner("d/d", 3000000001U, 4000000001U);
}

static void cred_setgid_dir(void)
{
	open_dir_for_all("d", 0777);
	OK(chown("d", 0, 5000));
	OK(chmod("d", 02777));
	fs_as(1000, 2000, NULL, 0, create_everything);
	expect_owner("d/f", 1000, 5000);
	expect_owner("d/d", 1000, 5000);
	expect_owner("d/p", 1000, 5000);
	EQ(fs_mode("d/d") & 02000, 02000);
	EQ(fs_mode("d/f") & 02000, 0);
}

static void create_setgid(void)
{
	umask(0);
	OK(close(fs_open("d/x", O_RDWR | O_CREAT, 02775)));
}

/* One who is not in the directory's group does not get a set-group-id file of that group. */
static void cred_setgid_file_stripped(void)
{
	open_dir_for_all("d", 0777);
	OK(chown("d", 0, 5000));
	OK(chmod("d", 02777));
	fs_as(1000, 2000, NULL, 0, create_setgid);
	expect_owner("d/x", 1000, 5000);
	EQ(fs_mode("d/x"), 0775);
}

static void create_by_group(void)
{
	if (fs_profile->supp_groups)
		create_everything();
	else
		ERR(open("d/f", O_RDWR | O_CREAT, 0644), EACCES);
}

static void cred_supplementary_group(void)
{
	const gid_t groups[] = { 7000, 5000 };

	OK(mkdir("d", 0775));
	OK(chown("d", 0, 5000));
	OK(chmod("d", 0775));
	fs_as(1000, 2000, groups, 2, create_by_group);
	if (fs_profile->supp_groups)
		expect_owner("d/f", 1000, 2000);
}

static void denied_everything(void)
{
	char buf[8];

	ERR(open("d/new", O_RDWR | O_CREAT, 0600), EACCES);
	ERR(mkdir("d/new", 0755), EACCES);
	ERR(symlink("x", "d/new"), EACCES);
	ERR(mkfifo("d/new", 0600), EACCES);
	ERR2(link("d/f", "d/new"), EACCES, EPERM);
	ERR(unlink("d/f"), EACCES);
	ERR(rename("d/f", "d/new"), EACCES);
	ERR(rmdir("d/sub"), EACCES);
	ERR(open("d/f", O_WRONLY), EACCES);
	ERR(open("d/f", O_WRONLY | O_TRUNC), EACCES);
	ERR(open("d/secret", O_RDONLY), EACCES);
	ERR(truncate("d/f", 0), EACCES);
	ERR(chmod("d/f", 0777), EPERM);
	ERR(chown("d/f", 1000, 1000), EPERM);
	ERR(open("closed/f", O_RDONLY), EACCES);
	ERR(open("closed", O_RDONLY | O_DIRECTORY), EACCES);
	ERR(readlink("closed/l", buf, sizeof(buf)), EACCES);
	ERR(access("d/f", W_OK), EACCES);
	ERR(access("d/f", X_OK), EACCES);
	OK(access("d/f", R_OK));
	OK(access("d", R_OK | X_OK));
	fs_expect("d/f", "x");
}

static void cred_denied(void)
{
	OK(mkdir("d", 0755));
	OK(mkdir("d/sub", 0755));
	fs_put("d/f", "x");
	fs_put("d/secret", "x");
	OK(chmod("d/secret", 0600));
	OK(mkdir("closed", 0755));
	fs_put("closed/f", "x");
	OK(symlink("f", "closed/l"));
	OK(chmod("closed", 0700));
	fs_as(1000, 1000, NULL, 0, denied_everything);
}

static void search_only(void)
{
	fs_expect("d/f", "x");
	ERR(open("d", O_RDONLY | O_DIRECTORY), EACCES);
	ERR(access("e/f", F_OK), EACCES);
	OK(close(fs_open("e", O_RDONLY | O_DIRECTORY, 0)));
}

static void cred_search_and_read(void)
{
	OK(mkdir("d", 0755));
	fs_put("d/f", "x");
	OK(chmod("d", 0711));
	OK(mkdir("e", 0755));
	fs_put("e/f", "x");
	OK(chmod("e", 0744));
	fs_as(1000, 1000, NULL, 0, search_only);
}

static void sticky_own(void)
{
	fs_put("d/mine", "x");
	OK(rename("d/mine", "d/still-mine"));
	ERR2(unlink("d/other"), EPERM, EACCES);
	ERR2(rename("d/other", "d/x"), EPERM, EACCES);
	ERR2(rename("d/still-mine", "d/other"), EPERM, EACCES);
	OK(unlink("d/still-mine"));
}

static void cred_sticky(void)
{
	open_dir_for_all("d", 01777);
	fs_put("d/other", "x");
	OK(chown("d/other", 1001, 1001));
	OK(chmod("d/other", 0666));
	fs_as(1000, 1000, NULL, 0, sticky_own);
	fs_expect("d/other", "x");
}

static void owner_rights(void)
{
	OK(chmod("f", 0600));
	OK(chown("f", (uid_t)-1, 5000));
	ERR(chown("f", (uid_t)-1, 6000), EPERM);
	ERR(chown("f", 1001, (gid_t)-1), EPERM);
	OK(chmod("f", 0));
	ERR(open("f", O_RDONLY), EACCES);
	OK(chmod("f", 0600));
	fs_expect("f", "x");
}

/* The owner changes the mode, and the group to one of the owner's; nothing else. */
static void cred_owner(void)
{
	const gid_t groups[] = { 5000 };

	fs_put("f", "x");
	OK(chown("f", 1000, 1000));
	if (!fs_profile->supp_groups)
		fs_skip("the server does not know the caller's other groups");
	fs_as(1000, 1000, groups, 1, owner_rights);
	EQ(fs_stat("f").st_gid, 5000);
}

static void cred_root_overrides(void)
{
	fs_put("f", "x");
	OK(chown("f", 1000, 1000));
	OK(chmod("f", 0));
	fs_expect("f", "x");
	fs_put("f", "y");
	OK(mkdir("d", 0));
	OK(chown("d", 1000, 1000));
	fs_put("d/f", "z");
	fs_expect("d/f", "z");
	expect_owner("d/f", 0, 0);
	OK(access("f", R_OK | W_OK));
	ERR(access("f", X_OK), EACCES);
}

static int kept_fd;

static void use_kept_fd(void)
{
	char c;

	EQ(pread(kept_fd, &c, 1, 0), 1);
	EQ(pwrite(kept_fd, "y", 1, 0), 1);
	OK(fsync(kept_fd));
	ERR(open("f", O_RDONLY), EACCES);
}

/* An open descriptor works for whoever holds it. */
static void cred_inherited_descriptor(void)
{
	fs_put("f", "x");
	OK(chmod("f", 0600));
	kept_fd = fs_open("f", O_RDWR, 0);
	fs_as(1000, 1000, NULL, 0, use_kept_fd);
	fs_expect("f", "y");
}

const struct fs_case fs_cases_cred[] = {
	{ "cred_new_files", cred_new_files },
	{ "cred_high_ids", cred_high_ids },
	{ "cred_setgid_dir", cred_setgid_dir },
	{ "cred_setgid_file_stripped", cred_setgid_file_stripped },
	{ "cred_supplementary_group", cred_supplementary_group },
	{ "cred_denied", cred_denied },
	{ "cred_search_and_read", cred_search_and_read },
	{ "cred_sticky", cred_sticky },
	{ "cred_owner", cred_owner },
	{ "cred_root_overrides", cred_root_overrides },
	{ "cred_inherited_descriptor", cred_inherited_descriptor },
	{ NULL, NULL },
};
