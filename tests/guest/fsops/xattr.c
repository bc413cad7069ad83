/* SPDX-License-Identifier: BSD-3-Clause */
/* Extended attributes. */
#include <sys/xattr.h>

#include "fsops.h"

#define VALUE_MAX 65536

/* Checks the refusal of a file system without attributes; false when the case is over with that. */
static bool has_xattr(const char *name)
{
	char buf[8];

	if (fs_profile->xattr)
		return true;
	ERR(setxattr(name, "user.a", "1", 1, 0), EOPNOTSUPP);
	ERR(getxattr(name, "user.a", buf, sizeof(buf)), EOPNOTSUPP);
	ERR(removexattr(name, "user.a"), EOPNOTSUPP);
	return false;
}

static void xattr_basic(void)
{
	char buf[64];

	fs_put("f", "x");
	if (!has_xattr("f"))
		return;
	ERR(getxattr("f", "user.a", buf, sizeof(buf)), ENODATA);
	OK(setxattr("f", "user.a", "value", 5, 0));
	EQ(getxattr("f", "user.a", buf, sizeof(buf)), 5);
	EQ(memcmp(buf, "value", 5), 0);
	EQ(getxattr("f", "user.a", NULL, 0), 5);
	ERR(getxattr("f", "user.a", buf, 3), ERANGE);
	OK(setxattr("f", "user.a", "", 0, 0));
	EQ(getxattr("f", "user.a", buf, sizeof(buf)), 0);
	OK(removexattr("f", "user.a"));
	ERR(removexattr("f", "user.a"), ENODATA);
	ERR(getxattr("f", "user.a", buf, sizeof(buf)), ENODATA);
}

static void xattr_flags(void)
{
	fs_put("f", "x");
	if (!has_xattr("f"))
		return;
	ERR(setxattr("f", "user.a", "1", 1, XATTR_REPLACE), ENODATA);
	OK(setxattr("f", "user.a", "1", 1, XATTR_CREATE));
	ERR(setxattr("f", "user.a", "2", 1, XATTR_CREATE), EEXIST);
	OK(setxattr("f", "user.a", "3", 1, XATTR_REPLACE));
	ERR(setxattr("f", "user.a", "4", 1, 0x100), EINVAL);
}

static void xattr_list(void)
{
	char buf[1024], name[32];
	unsigned int n = 0;
	ssize_t len;

	fs_put("f", "x");
	if (!has_xattr("f"))
		return;
	EQ(listxattr("f", buf, sizeof(buf)), 0);
	for (unsigned int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "user.attr%u", i);
		OK(setxattr("f", name, "v", 1, 0));
	}
	len = OK(listxattr("f", buf, sizeof(buf)));
	EQ(listxattr("f", NULL, 0), len);
	ERR(listxattr("f", buf, 10), ERANGE);
	for (const char *p = buf; p < buf + len; p += strlen(p) + 1) {
		EQ(strncmp(p, "user.attr", 9), 0);
		n++;
	}
	EQ(n, 20);
}

static void xattr_limits(void)
{
	static char value[VALUE_MAX + 1], back[VALUE_MAX];
	char name[300] = "user.";

	fs_put("f", "x");
	if (!has_xattr("f"))
		return;
	memset(value, 'v', sizeof(value));
	OK(setxattr("f", "user.two", value, 2000, 0));
	EQ(getxattr("f", "user.two", back, sizeof(back)), 2000);
	EQ(memcmp(value, back, 2000), 0);
	ERR(setxattr("f", "user.big", value, VALUE_MAX + 1, 0), E2BIG);
	memset(name + 5, 'n', 250);
	OK(setxattr("f", name, "1", 1, 0));
	EQ(getxattr("f", name, back, sizeof(back)), 1);
	name[255] = 'n';
	ERR(setxattr("f", name, "1", 1, 0), ERANGE);
	ERR(setxattr("f", "", "1", 1, 0), ERANGE);
	ERR2(setxattr("f", "nonsense.a", "1", 1, 0), EOPNOTSUPP, EPERM);
}

static void xattr_objects(void)
{
	char buf[8];
	int fd;

	OK(mkdir("d", 0755));
	if (!has_xattr("d"))
		return;
	OK(setxattr("d", "user.dir", "d", 1, 0));
	EQ(getxattr("d", "user.dir", buf, sizeof(buf)), 1);
	OK(symlink("d", "l"));
	ERR2(lsetxattr("l", "user.link", "l", 1, 0), EPERM, EOPNOTSUPP);
	EQ(getxattr("l", "user.dir", buf, sizeof(buf)), 1);
	fd = fs_open("f", O_RDWR | O_CREAT, 0600);
	OK(fsetxattr(fd, "user.fd", "f", 1, 0));
	OK(unlink("f"));
	EQ(fgetxattr(fd, "user.fd", buf, sizeof(buf)), 1);
	OK(mkfifo("p", 0600));
	ERR2(setxattr("p", "user.p", "1", 1, 0), EPERM, EOPNOTSUPP);
}

static void xattr_by_other(void)
{
	char buf[8];

	ERR(setxattr("f", "user.a", "2", 1, 0), EACCES);
	EQ(getxattr("f", "user.a", buf, sizeof(buf)), 1);
	ERR(getxattr("g", "user.a", buf, sizeof(buf)), EACCES);
}

static void xattr_permission(void)
{
	fs_put("f", "x");
	fs_put("g", "x");
	if (!has_xattr("f"))
		return;
	OK(setxattr("f", "user.a", "1", 1, 0));
	OK(setxattr("g", "user.a", "1", 1, 0));
	OK(chmod("g", 0600));
	fs_as(1001, 1001, NULL, 0, xattr_by_other);
}

const struct fs_case fs_cases_xattr[] = {
	{ "xattr_basic", xattr_basic },
	{ "xattr_flags", xattr_flags },
	{ "xattr_list", xattr_list },
	{ "xattr_limits", xattr_limits },
	{ "xattr_objects", xattr_objects },
	{ "xattr_permission", xattr_permission },
	{ NULL, NULL },
};
