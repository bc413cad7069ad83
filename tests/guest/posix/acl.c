/* SPDX-License-Identifier: BSD-3-Clause */
/* POSIX access control lists, acl(5), through the attributes they are kept in. */
#include <endian.h>
#include <sys/xattr.h>

#include "posix.h"

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32 };
#define NOBODY 0xffffffffU

struct entry {
	uint16_t tag, perm;
	uint32_t id;
};

struct acl {
	uint32_t version;
	struct entry entry[8];
};

static size_t pack(struct acl *acl, const struct entry *e, size_t n)
{
	acl->version = htole32(2);
	for (size_t i = 0; i < n; i++)
		acl->entry[i] =
			(struct entry){ htole16(e[i].tag), htole16(e[i].perm), htole32(e[i].id) };
	return 4 + n * sizeof(struct entry);
}

static long set_acl(const char *path, const char *which, const struct entry *e, size_t n)
{
	struct acl acl;
	size_t len = pack(&acl, e, n);

	return setxattr(path, which, &acl, len, 0);
}

/* Whether path has exactly these entries. */
static bool has_acl(const char *path, const char *which, const struct entry *e, size_t n)
{
	struct acl want, got;
	size_t len = pack(&want, e, n);

	return getxattr(path, which, &got, sizeof(got)) == (ssize_t)len &&
	       memcmp(&want, &got, len) == 0;
}

static void need_acls(void)
{
	static const struct entry e[] = { { USER_OBJ, 6, NOBODY }, { GROUP_OBJ, 4, NOBODY },
					  { OTHER, 4, NOBODY } };

	px_put("probe", "x");
	if (set_acl("probe", ACCESS, e, ARRAY_LEN(e)) < 0 && errno == EOPNOTSUPP)
		px_skip("no access control lists on this file system");
}

static const struct entry full[] = {
	{ USER_OBJ, 7, NOBODY }, { USER, 6, 1001 }, { USER, 0, 1002 }, { GROUP_OBJ, 4, NOBODY },
	{ GROUP, 2, 3000 }, { MASK, 6, NOBODY }, { OTHER, 1, NOBODY },
};

static void acl_mode(void)
{
	static const struct entry minimal[] = { { USER_OBJ, 5, NOBODY }, { GROUP_OBJ, 2, NOBODY },
						{ OTHER, 1, NOBODY } };
	struct entry after[ARRAY_LEN(full)];

	need_acls();
	px_put_mode("f", "x", 0640, 1000, 2000);
	CALL("getxattr(2) ENODATA: a file without a list", ENODATA, getxattr("f", ACCESS, NULL, 0));
	CALL("acl(5): a list of three entries", 0,
	     set_acl("f", ACCESS, minimal, ARRAY_LEN(minimal)));
	SAME("acl(5): is the file permission bits", px_stat("f").st_mode & 07777, 0521);
	CALL("acl(5): and is not kept as a list", ENODATA, getxattr("f", ACCESS, NULL, 0));
	CALL("acl(5): an extended list", 0, set_acl("f", ACCESS, full, ARRAY_LEN(full)));
	HOLDS("acl(5): is read back", has_acl("f", ACCESS, full, ARRAY_LEN(full)));
	SAME("acl(5): the group permissions of stat are the mask", px_stat("f").st_mode & 07777,
	     0761);
	NEED(chmod("f", 0514));
	memcpy(after, full, sizeof(full));
	after[0].perm = 5;
	after[5].perm = 1;
	after[6].perm = 4;
	HOLDS("acl(5): chmod changes owner, mask and other of the list",
	      has_acl("f", ACCESS, after, ARRAY_LEN(after)));
	CALL("removexattr(2): the list is removed", 0, removexattr("f", ACCESS));
	CALL("getxattr(2) ENODATA: it is gone", ENODATA, getxattr("f", ACCESS, NULL, 0));
	SAME("removexattr(2): the mode keeps what it showed", px_stat("f").st_mode & 07777, 0514);
	CALL("removexattr(2): removing it again is no error", 0, removexattr("f", ACCESS));
}

static void acl_malformed(void)
{
	static const struct {
		const char *what;
		struct entry e[4];
		size_t n;
	} rows[] = {
		{ "no owner", { { GROUP_OBJ, 4, NOBODY }, { OTHER, 4, NOBODY } }, 2 },
		{ "no other", { { USER_OBJ, 4, NOBODY }, { GROUP_OBJ, 4, NOBODY } }, 2 },
		{ "a named user without a mask",
		  { { USER_OBJ, 4, NOBODY },
		    { USER, 4, 5 },
		    { GROUP_OBJ, 4, NOBODY },
		    { OTHER, 4, NOBODY } },
		  4 },
		{ "an unknown tag",
		  { { USER_OBJ, 4, NOBODY },
		    { GROUP_OBJ, 4, NOBODY },
		    { 64, 4, 5 },
		    { OTHER, 4, NOBODY } },
		  4 },
		{ "unknown permissions",
		  { { USER_OBJ, 15, NOBODY }, { GROUP_OBJ, 4, NOBODY }, { OTHER, 4, NOBODY } },
		  3 },
		{ "entries out of order",
		  { { OTHER, 4, NOBODY }, { GROUP_OBJ, 4, NOBODY }, { USER_OBJ, 4, NOBODY } },
		  3 },
	};

	need_acls();
	px_put_mode("f", "x", 0640, 1000, 2000);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CALL(px_law("setxattr(2) EINVAL: a list with %s", rows[i].what), EINVAL,
		     set_acl("f", ACCESS, rows[i].e, rows[i].n));
	CALL("setxattr(2) EINVAL: a list cut off", EINVAL,
	     setxattr("f", ACCESS, "\2\0\0\0\1\0", 6, 0));
	CALL("setxattr(2) EOPNOTSUPP: a list of another version", EOPNOTSUPP,
	     setxattr("f", ACCESS, "\3\0\0\0", 4, 0));
	CALL("setxattr(2) EACCES: a default list of a file", EACCES,
	     set_acl("f", DEFAULT, full, ARRAY_LEN(full)));
	SAME("setxattr(2): none of it changed the mode", px_stat("f").st_mode & 07777, 0640);
	NEED(symlink("f", "l"));
	CALL("setxattr(2) EOPNOTSUPP: a list of a symbolic link", EOPNOTSUPP,
	     lsetxattr("l", ACCESS, "\2\0\0\0", 4, 0));
	px_become(1001, 1001, NULL, 0);
	CALL("setxattr(2) EPERM: only the owner sets a list", EPERM,
	     set_acl("f", ACCESS, full, ARRAY_LEN(full)));
	CALL("removexattr(2) EPERM: only the owner removes a list", EPERM,
	     removexattr("f", ACCESS));
	px_root();
}

/* Who gets which permissions from full, on a file of user 1000 and group 2000. */
static void acl_check(void)
{
	static const struct {
		const char *who;
		uid_t uid;
		gid_t gid, more;
		int perm;
	} rows[] = {
		{ "the owner: the owner's entry, without the mask", 1000, 9000, 9000, 7 },
		{ "a named user: his entry and the mask", 1001, 9000, 9000, 6 },
		{ "a named user, also in the group: only his entry", 1001, 2000, 9000, 6 },
		{ "a named user with nothing, in a group with something", 1002, 2000, 3000, 0 },
		{ "the owning group", 1003, 2000, 9000, 4 },
		{ "the owning group as a supplementary one", 1003, 9000, 2000, 4 },
		{ "a named group", 1003, 3000, 9000, 2 },
		{ "a named group as a supplementary one", 1003, 9000, 3000, 2 },
		{ "everybody else", 1003, 9000, 9001, 1 },
	};

	need_acls();
	px_put_mode("f", "x", 0, 1000, 2000);
	NEED(set_acl("f", ACCESS, full, ARRAY_LEN(full)));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		px_become(rows[i].uid, rows[i].gid, &rows[i].more, 1);
		for (int m = 1; m <= 4; m <<= 1)
			CALL(px_law("acl(5) access check: %s (asked for %o)", rows[i].who, m),
			     rows[i].perm & m ? 0 : EACCES, access("f", m));
		CALL(px_law("open(2): %s, reading", rows[i].who), rows[i].perm & 4 ? 0 : EACCES,
		     open("f", O_RDONLY));
		CALL(px_law("open(2): %s, writing", rows[i].who), rows[i].perm & 2 ? 0 : EACCES,
		     open("f", O_WRONLY));
		px_root();
	}
	px_become(1003, 2000, (gid_t[]){ 3000 }, 1);
	CALL("acl(5): no single entry of several groups gives both", EACCES, open("f", O_RDWR));
	CALL("acl(5): one of them gives reading", 0, open("f", O_RDONLY));
	CALL("acl(5): another one writing", 0, open("f", O_WRONLY));
	px_root();
}

static void acl_default(void)
{
	static const struct entry want_file[] = {
		{ USER_OBJ, 6, NOBODY },  { USER, 6, 1001 },  { USER, 0, 1002 },
		{ GROUP_OBJ, 4, NOBODY }, { GROUP, 2, 3000 }, { MASK, 4, NOBODY },
		{ OTHER, 0, NOBODY },
	};

	need_acls();
	px_dir("d", 0755, 1000, 2000);
	CALL("acl(5): a default list of a directory", 0,
	     set_acl("d", DEFAULT, full, ARRAY_LEN(full)));
	HOLDS("acl(5): is read back", has_acl("d", DEFAULT, full, ARRAY_LEN(full)));
	SAME("acl(5): it does not touch the directory's own permissions",
	     px_stat("d").st_mode & 07777, 0755);
	umask(077);
	px_become(1000, 2000, NULL, 0);
	NEED(close((int)NEED(open("d/f", O_CREAT | O_WRONLY, 0640))));
	HOLDS("acl(5): a new file inherits it, limited by the mode and not by the umask",
	      has_acl("d/f", ACCESS, want_file, ARRAY_LEN(want_file)));
	SAME("acl(5): the mode of the new file", px_stat("d/f").st_mode & 07777, 0640);
	CALL("acl(5): a file has no default list", ENODATA, getxattr("d/f", DEFAULT, NULL, 0));
	NEED(mkdir("d/sub", 0777));
	HOLDS("acl(5): a new directory inherits it as its default",
	      has_acl("d/sub", DEFAULT, full, ARRAY_LEN(full)));
	HOLDS("acl(5): and as its access list", has_acl("d/sub", ACCESS, full, ARRAY_LEN(full)));
	NEED(mkfifo("d/p", 0666));
	SAME("acl(5): a FIFO, too", px_stat("d/p").st_mode & 07777, 0660);
	NEED(mknod("d/n", S_IFREG | 0600, 0));
	SAME("acl(5): a node, too", px_stat("d/n").st_mode & 07777, 0600);
	NEED(symlink("x", "d/l"));
	SAME("acl(5): a symbolic link does not", px_stat("d/l").st_mode & 07777, 0777);
	px_root();
	CALL("acl(5): the default list is removed", 0, removexattr("d", DEFAULT));
	NEED(close((int)NEED(open("d/g", O_CREAT | O_WRONLY, 0666))));
	SAME("acl(5): without it the umask counts again", px_stat("d/g").st_mode & 07777, 0600);
	CALL("acl(5): and there is no list", ENODATA, getxattr("d/g", ACCESS, NULL, 0));
	umask(0);
}

static void acl_setgid(void)
{
	need_acls();
	px_put_mode("f", "x", 02755, 1000, 5000);
	px_become(1000, 2000, NULL, 0);
	CALL("acl(5): the owner, who is not in the group, sets a list", 0,
	     set_acl("f", ACCESS, full, ARRAY_LEN(full)));
	SAME("acl(5): which takes set-group-ID away", px_stat("f").st_mode & 07777, 0761);
	px_root();
}

const struct px_topic px_topics_acl[] = {
	{ "acl_mode", acl_mode },
	{ "acl_malformed", acl_malformed },
	{ "acl_check", acl_check },
	{ "acl_default", acl_default },
	{ "acl_setgid", acl_setgid },
	{ NULL, NULL },
};
