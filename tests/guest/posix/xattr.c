/* SPDX-License-Identifier: BSD-3-Clause */
/* Extended attributes: name spaces, limits, flags, permissions. */
#include <sys/xattr.h>

#include "posix.h"

/* The whole topic once for each name space root may use. */
static void xattr_space(const char *space)
{
	char a[32], b[32], c[32], buf[64], *list;

	snprintf(a, sizeof(a), "%s.a", space);
	snprintf(b, sizeof(b), "%s.b", space);
	snprintf(c, sizeof(c), "%s.none", space);
	px_put("f", "x");
	CALL(px_law("setxattr(2) %s: a new attribute", space), 0, setxattr("f", a, "value", 5, 0));
	SAME(px_law("getxattr(2) %s: its size", space), getxattr("f", a, NULL, 0), 5);
	SAME(px_law("getxattr(2) %s: its value", space),
	     getxattr("f", a, buf, sizeof(buf)) == 5 && memcmp(buf, "value", 5) == 0, 1);
	CALL(px_law("getxattr(2) ERANGE %s: the buffer is too small", space), ERANGE,
	     getxattr("f", a, buf, 4));
	CALL(px_law("getxattr(2) ENODATA %s: no such attribute", space), ENODATA,
	     getxattr("f", c, buf, 64));
	CALL(px_law("setxattr(2) EEXIST %s: XATTR_CREATE and it exists", space), EEXIST,
	     setxattr("f", a, "v", 1, XATTR_CREATE));
	CALL(px_law("setxattr(2) ENODATA %s: XATTR_REPLACE and it does not", space), ENODATA,
	     setxattr("f", c, "v", 1, XATTR_REPLACE));
	CALL(px_law("setxattr(2) %s: XATTR_REPLACE", space), 0,
	     setxattr("f", a, "new", 3, XATTR_REPLACE));
	SAME(px_law("setxattr(2) %s: the value is replaced", space), getxattr("f", a, buf, 64), 3);
	CALL(px_law("setxattr(2) %s: XATTR_CREATE", space), 0,
	     setxattr("f", b, "", 0, XATTR_CREATE));
	SAME(px_law("getxattr(2) %s: a value of zero length", space), getxattr("f", b, buf, 64), 0);
	CALL(px_law("setxattr(2) EINVAL %s: unknown flags", space), EINVAL,
	     setxattr("f", a, "v", 1, 0x10));
	list = px_alloc(65536);
	SAME(px_law("listxattr(2) %s: the size alone is the size", space), listxattr("f", NULL, 0),
	     listxattr("f", list, 65536));
	HOLDS(px_law("listxattr(2) %s: the names are listed", space),
	      memmem(list, 65536, a, strlen(a) + 1) != NULL &&
		      memmem(list, 65536, b, strlen(b) + 1) != NULL);
	CALL(px_law("listxattr(2) ERANGE %s: the list does not fit", space), ERANGE,
	     listxattr("f", list, 2));
	CALL(px_law("removexattr(2) %s: an attribute", space), 0, removexattr("f", a));
	CALL(px_law("getxattr(2) ENODATA %s: it is gone", space), ENODATA,
	     getxattr("f", a, buf, 64));
	CALL(px_law("removexattr(2) ENODATA %s: it is gone", space), ENODATA, removexattr("f", a));
	SAME(px_law("setxattr(2) %s: every byte of a value is kept", space),
	     setxattr("f", a, "\0\xff\n\0", 4, 0) == 0 && getxattr("f", a, buf, 64) == 4 &&
		     memcmp(buf, "\0\xff\n\0", 4) == 0, 1);
	free(list);
}

static void xattr_limits(const char *space)
{
	char name[300], big[32], *value = px_alloc(65537);
	long ret;

	px_put("g", "x");
	snprintf(big, sizeof(big), "%s.big", space);
	snprintf(name, sizeof(name), "%s.", space);
	memset(name + strlen(name), 'n', 255 - strlen(name));
	name[255] = 0;
	CALL(px_law("setxattr(2) %s: a name of 255 bytes", space), 0,
	     setxattr("g", name, "v", 1, 0));
	SAME(px_law("getxattr(2) %s: a name of 255 bytes", space), getxattr("g", name, value, 10),
	     1);
	strcpy(name + 255, "n");
	CALL(px_law("setxattr(2) ERANGE %s: a name of 256 bytes", space), ERANGE,
	     setxattr("g", name, "v", 1, 0));
	CALL(px_law("getxattr(2) ERANGE %s: a name of 256 bytes", space), ERANGE,
	     getxattr("g", name, value, 1));
	CALL(px_law("setxattr(2) ERANGE %s: the name is empty", space), ERANGE,
	     setxattr("g", "", "v", 1, 0));
	CALL(px_law("setxattr(2) EINVAL %s: only the prefix", space), EINVAL,
	     setxattr("g", px_law("%s.", space), "v", 1, 0));
	memset(value, 'v', 65537);
	CALL(px_law("setxattr(2) E2BIG %s: a value of more than XATTR_SIZE_MAX", space), E2BIG,
	     setxattr("g", big, value, 65537, 0));
	CALL(px_law("setxattr(2) %s: a value of 2000 bytes", space), 0,
	     setxattr("g", big, value, 2000, 0));
	SAME(px_law("getxattr(2) %s: a value of 2000 bytes", space),
	     getxattr("g", big, value, 65536), 2000);
	ret = setxattr("g", big, value, 65536, 0);
	HOLDS(px_law("setxattr(2) ENOSPC %s: 64 KiB, or there is no space for it", space),
	      ret == 0 || errno == ENOSPC);
	if (ret == 0)
		SAME(px_law("getxattr(2) %s: 64 KiB", space), getxattr("g", big, value, 65536),
		     65536);
	free(value);
}

static void xattr_trusted(void)
{
	char buf[8], *list = px_alloc(4096);

	xattr_space("trusted");
	xattr_limits("trusted");
	px_put_mode("f", "x", 0666, 1000, 1000);
	NEED(chmod(".", 0777));
	NEED(setxattr("f", "trusted.a", "v", 1, 0));
	px_become(1000, 1000, NULL, 0);
	CALL("xattr(7) EPERM: trusted attributes need CAP_SYS_ADMIN", EPERM,
	     setxattr("f", "trusted.x", "v", 1, 0));
	CALL("xattr(7) ENODATA: and are not there for others", ENODATA,
	     getxattr("f", "trusted.a", buf, 8));
	CALL("xattr(7) EPERM: nor removed", EPERM, removexattr("f", "trusted.a"));
	NEED(listxattr("f", list, 4096));
	HOLDS("xattr(7): nor listed", memmem(list, 4096, "trusted.a", 10) == NULL);
	px_root();
}

static void xattr_user(void)
{
	char buf[8];

	px_put("f", "x");
	if (setxattr("f", "user.a", "v", 1, 0) < 0 && errno == EOPNOTSUPP)
		px_skip("no user attributes on this file system");
	NEED(removexattr("f", "user.a"));
	xattr_space("user");
	xattr_limits("user");
	NEED(symlink("f", "l"));
	NEED(mkfifo("p", 0666));
	px_socket("s");
	CALL("xattr(7) EPERM: user attributes of a symbolic link", EPERM,
	     lsetxattr("l", "user.a", "v", 1, 0));
	CALL("xattr(7) EPERM: user attributes of a FIFO", EPERM,
	     setxattr("p", "user.a", "v", 1, 0));
	CALL("xattr(7) EPERM: user attributes of a socket", EPERM,
	     setxattr("s", "user.a", "v", 1, 0));
	CALL("getxattr(2) ENODATA: user attributes of a FIFO", ENODATA,
	     getxattr("p", "user.a", buf, 8));
	px_put_mode("r", "x", 0644, 1001, 1001);
	px_put_mode("w", "x", 0622, 1001, 1001);
	px_dir("sticky", 01777, 1001, 1001);
	NEED(setxattr("w", "user.a", "v", 1, 0));
	NEED(setxattr("r", "user.a", "v", 1, 0));
	px_become(1000, 1000, NULL, 0);
	CALL("xattr(7) EACCES: setting needs write permission", EACCES,
	     setxattr("r", "user.b", "v", 1, 0));
	CALL("xattr(7) EACCES: removing needs write permission", EACCES,
	     removexattr("r", "user.a"));
	CALL("xattr(7): reading with read permission", 0, getxattr("r", "user.a", buf, 8));
	CALL("xattr(7) EACCES: reading needs read permission", EACCES,
	     getxattr("w", "user.a", buf, 8));
	CALL("xattr(7): setting with write permission", 0, setxattr("w", "user.b", "v", 1, 0));
	CALL("xattr(7) EPERM: a sticky directory of somebody else", EPERM,
	     setxattr("sticky", "user.a", "v", 1, 0));
	px_root();
}

static void xattr_spaces(void)
{
	char buf[8];

	px_put_mode("f", "x", 0666, 1000, 1000);
	CALL("setxattr(2) EOPNOTSUPP: an unknown name space", EOPNOTSUPP,
	     setxattr("f", "unknown.a", "v", 1, 0));
	CALL("setxattr(2) EOPNOTSUPP: a name without a dot", EOPNOTSUPP,
	     setxattr("f", "plain", "v", 1, 0));
	CALL("getxattr(2) EOPNOTSUPP: an unknown name space", EOPNOTSUPP,
	     getxattr("f", "unknown.a", buf, 8));
	CALL("setxattr(2): a security attribute by root", 0,
	     setxattr("f", "security.px", "v", 1, 0));
	SAME("getxattr(2): a security attribute", getxattr("f", "security.px", buf, 8), 1);
	px_become(1000, 1000, NULL, 0);
	CALL("xattr(7) EPERM: security attributes need CAP_SYS_ADMIN to write", EPERM,
	     setxattr("f", "security.px", "v", 1, 0));
	SAME("xattr(7): everybody may read security attributes",
	     getxattr("f", "security.px", buf, 8), 1);
	px_root();
	CALL("setxattr(2) EINVAL: a malformed capability", EINVAL,
	     setxattr("f", "security.capability", "v", 1, 0));
}

static void xattr_kinds(void)
{
	static const char *const kinds[] = { "file", "dir", "link", "dangling", "fifo", "socket" };
	char buf[8];

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const char *k = kinds[i];

		px_make(k, "f");
		CALL(px_law("lsetxattr(2): a trusted attribute of a %s", k), 0,
		     lsetxattr("f", "trusted.a", "v", 1, 0));
		SAME(px_law("lgetxattr(2): of a %s", k), lgetxattr("f", "trusted.a", buf, 8), 1);
		HOLDS(px_law("llistxattr(2): of a %s", k), llistxattr("f", NULL, 0) >= 10);
		NEED(rename("f", "g"));
		SAME(px_law("rename(2): the attributes of a %s go along", k),
		     lgetxattr("g", "trusted.a", buf, 8), 1);
		CALL(px_law("lremovexattr(2): of a %s", k), 0, lremovexattr("g", "trusted.a"));
		px_remove("g");
	}
	px_put("f", "x");
	NEED(symlink("f", "l"));
	NEED(setxattr("l", "trusted.a", "v", 1, 0));
	SAME("setxattr(2): a link is followed", getxattr("f", "trusted.a", buf, 8), 1);
	CALL("lgetxattr(2) ENODATA: the link has none", ENODATA,
	     lgetxattr("l", "trusted.a", buf, 8));
	NEED(link("f", "h"));
	SAME("link(2): both names have the attributes", getxattr("h", "trusted.a", buf, 8), 1);
}

static void xattr_many(void)
{
	char *list = px_alloc(65536), buf[16];
	int found = 0;
	ssize_t n;

	px_put("f", "x");
	for (int i = 0; i < 60; i++)
		NEED(setxattr("f", px_law("trusted.number-%02d", i), px_law("%d", i), 2, 0));
	n = NEED(listxattr("f", list, 65536));
	for (char *p = list; p < list + n; p += strlen(p) + 1)
		found += strncmp(p, "trusted.number-", 15) == 0;
	SAME("listxattr(2): all of sixty names", found, 60);
	for (int i = 0; i < 60; i++)
		found -= getxattr("f", px_law("trusted.number-%02d", i), buf, 16) == 2 &&
			 atoi(buf) == i;
	SAME("getxattr(2): each with its value", found, 0);
	for (int i = 0; i < 60; i++)
		NEED(removexattr("f", px_law("trusted.number-%02d", i)));
	n = listxattr("f", list, 65536);
	HOLDS("removexattr(2): all of them",
	      n >= 0 && memmem(list, (size_t)n, "trusted.number", 14) == NULL);
	free(list);
}

const struct px_topic px_topics_xattr[] = {
	{ "xattr_trusted", xattr_trusted },
	{ "xattr_user", xattr_user },
	{ "xattr_spaces", xattr_spaces },
	{ "xattr_kinds", xattr_kinds },
	{ "xattr_many", xattr_many },
	{ NULL, NULL },
};
