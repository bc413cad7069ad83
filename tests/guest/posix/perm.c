/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may do what: mode bits by class, sticky directories, capabilities of root. */
#include <dirent.h>
#include <sys/xattr.h>

#include "posix.h"

/* File of user 1000, group 2000. */
static const struct who {
	const char *name;
	uid_t uid;
	gid_t gid, more[1];
	size_t nmore;
	unsigned int shift;	/* of its class in the mode */
} whos[] = {
	{ "the owner", 1000, 9000, { 0 }, 0, 6 },
	{ "the owner, also in the group", 1000, 2000, { 0 }, 0, 6 },
	{ "the group", 1001, 2000, { 0 }, 0, 3 },
	{ "a supplementary group", 1001, 9000, { 2000 }, 1, 3 },
	{ "everybody else", 1001, 9000, { 0 }, 0, 0 },
	{ "everybody else, with a group too many", 1001, 9000, { 9001 }, 1, 0 },
};

/* Bits for one class, the opposite for the others: only the one class may count. */
static mode_t mode_for(const struct who *w, mode_t bits)
{
	mode_t others = 0777 & ~(7U << w->shift);

	return bits << w->shift | (others & (~bits & 7) * 0111U);
}

static long opens(const char *path, int flags)
{
	int fd = open(path, flags);

	return fd < 0 ? -1 : close(fd);
}

static void check_file(const struct who *w, mode_t bits)
{
	static const struct {
		const char *name;
		int flags;
		mode_t needs;
	} how[] = { { "open(2) O_RDONLY", O_RDONLY, 4 },
		    { "open(2) O_WRONLY", O_WRONLY, 2 },
		    { "open(2) O_RDWR", O_RDWR, 6 },
		    { "open(2) O_RDONLY O_TRUNC", O_RDONLY | O_TRUNC, 6 } };

	for (size_t i = 0; i < ARRAY_LEN(how); i++)
		CALL(px_law("%s EACCES: the mode gives %s %o", how[i].name, w->name, bits),
		     (bits & how[i].needs) == how[i].needs ? 0 : EACCES, opens("f", how[i].flags));
	for (int m = 1; m < 8; m++)
		CALL(px_law("access(2) EACCES: asked for %o, the mode gives %s %o", m, w->name,
			    bits),
		     (bits & (mode_t)m) == (mode_t)m ? 0 : EACCES, access("f", m));
	CALL(px_law("truncate(2) EACCES: the mode gives %s %o", w->name, bits),
	     bits & 2 ? 0 : EACCES, truncate("f", 3));
}

static void perm_file(void)
{
	px_put("f", "abc");
	for (size_t i = 0; i < ARRAY_LEN(whos); i++) {
		for (mode_t bits = 0; bits < 8; bits++) {
			NEED(chown("f", 1000, 2000));
			NEED(chmod("f", mode_for(&whos[i], bits)));
			px_become(whos[i].uid, whos[i].gid, whos[i].more, whos[i].nmore);
			check_file(&whos[i], bits);
			px_root();
		}
	}
}

static void check_directory(const struct who *w, mode_t bits)
{
	int change = (bits & 3) == 3 ? 0 : EACCES, search = bits & 1 ? 0 : EACCES;
	struct stat st;

	CALL(px_law("opendir(3) EACCES: read permission of %s is %o", w->name, bits),
	     bits & 4 ? 0 : EACCES, opens("d", O_RDONLY | O_DIRECTORY));
	CALL(px_law("stat(2) EACCES: search permission of %s is %o", w->name, bits), search,
	     lstat("d/f", &st));
	CALL(px_law("chdir(2) EACCES: search permission of %s is %o", w->name, bits), search,
	     chdir("d"));
	if (search == 0)
		NEED(chdir(".."));
	CALL(px_law("mkdir(2) EACCES: write and search permission of %s are %o", w->name, bits),
	     change, mkdir("d/new", 0777));
	CALL(px_law("rmdir(2) EACCES: write and search permission of %s are %o", w->name, bits),
	     change, rmdir(change ? "d/sub" : "d/new"));
	CALL(px_law("symlink(2) EACCES: write and search permission of %s are %o", w->name, bits),
	     change, symlink("x", "d/l"));
	CALL(px_law("rename(2) EACCES: write and search permission of %s are %o", w->name, bits),
	     change, rename("d/f", "d/g"));
	if (change == 0)
		NEED(rename("d/g", "d/f"));
	CALL(px_law("mkfifo(3) EACCES: write and search permission of %s are %o", w->name, bits),
	     change, mkfifo("d/p", 0666));
	CALL(px_law("open(2) O_CREAT EACCES: write and search permission of %s are %o", w->name,
		    bits),
	     change, open("d/o", O_CREAT | O_WRONLY, 0666));
	CALL(px_law("unlink(2) EACCES: write and search permission of %s are %o", w->name, bits),
	     change, unlink(change ? "d/f" : "d/l"));
	CALL(px_law("link(2) EACCES: write and search permission of %s are %o", w->name, bits),
	     change, link("mine", "d/h"));
}

static void perm_directory(void)
{
	static const char *const left[] = { "d/new", "d/l", "d/p", "d/o", "d/h" };

	px_dir("d", 0755, 0, 0);
	px_put("d/f", "x");
	px_dir("d/sub", 0755, 0, 0);
	for (size_t i = 0; i < ARRAY_LEN(whos); i++) {
		for (mode_t bits = 0; bits < 8; bits++) {
			px_put_mode("mine", "x", 0666, whos[i].uid, whos[i].gid);
			NEED(chown("d", 1000, 2000));
			NEED(chmod("d", mode_for(&whos[i], bits)));
			px_become(whos[i].uid, whos[i].gid, whos[i].more, whos[i].nmore);
			check_directory(&whos[i], bits);
			px_root();
			for (size_t k = 0; k < ARRAY_LEN(left); k++)
				px_remove(left[k]);
			NEED(unlink("mine"));
		}
	}
}

/*
 * Sticky: an entry is removed or renamed by the owner of the entry, by the owner of the directory,
 * or by root.
 */
static void sticky_row(mode_t mode, uid_t dir_owner, uid_t file_owner, uid_t me)
{
	int want = !(mode & 01000) || me == 0 || me == dir_owner || me == file_owner ? 0 : EPERM;
	const char *who = px_law("directory %04o of %u, entry of %u, caller %u", mode, dir_owner,
				 file_owner, me);

	px_dir("d", mode, dir_owner, 0);
	px_dir("away", 0777, 0, 0);
	px_put_mode("d/f", "x", 0666, file_owner, 0);
	px_put_mode("d/over", "x", 0666, file_owner, 0);
	px_put_mode("d/from", "x", 0666, file_owner, 0);
	px_put_mode("d/own", "x", 0666, me, 0);
	px_dir("d/sub", 0777, file_owner, 0);
	px_become(me, me, NULL, 0);
	CALL(px_law("unlink(2) EPERM: sticky (%s)", who), want, unlink("d/f"));
	CALL(px_law("rmdir(2) EPERM: sticky (%s)", who), want, rmdir("d/sub"));
	CALL(px_law("rename(2) EPERM: sticky, out of it (%s)", who), want,
	     rename("d/from", "away/f"));
	CALL(px_law("rename(2) EPERM: sticky, over an entry (%s)", who), want,
	     rename("d/own", "d/over"));
	px_root();
	px_remove("d");
	px_remove("away");
}

static void perm_sticky(void)
{
	static const uid_t uids[] = { 1000, 1001 }, callers[] = { 0, 1000, 1002 };

	NEED(chmod(".", 0777));
	for (size_t d = 0; d < ARRAY_LEN(uids); d++) {
		for (size_t f = 0; f < ARRAY_LEN(uids); f++) {
			for (size_t c = 0; c < ARRAY_LEN(callers); c++) {
				sticky_row(0777, uids[d], uids[f], callers[c]);
				sticky_row(01777, uids[d], uids[f], callers[c]);
			}
		}
	}
}

/* Moving a directory of somebody else elsewhere changes its .. and needs write permission on it. */
static void perm_move_directory(void)
{
	px_dir("a", 0777, 0, 0);
	px_dir("b", 0777, 0, 0);
	px_dir("a/d", 0755, 0, 0);
	px_dir("a/own", 0755, 1000, 1000);
	px_become(1000, 1000, NULL, 0);
	CALL("rename(2) EACCES: oldpath is a directory without write permission, needed to update "
	     "..",
	     EACCES, rename("a/d", "b/d"));
	CALL("rename(2): within one directory it is not needed", 0, rename("a/d", "a/e"));
	CALL("rename(2): one's own directory moves", 0, rename("a/own", "b/own"));
	px_root();
	CALL("rename(2): root moves it", 0, rename("a/e", "b/e"));
}

static void perm_root(void)
{
	px_put_mode("f", "x", 0, 1000, 1000);
	px_put_mode("x", "x", 0010, 1000, 1000);
	px_dir("d", 0, 1000, 1000);
	CALL("capabilities(7) CAP_DAC_OVERRIDE: read a file of mode 0", 0, opens("f", O_RDONLY));
	CALL("capabilities(7) CAP_DAC_OVERRIDE: write a file of mode 0", 0, opens("f", O_RDWR));
	CALL("capabilities(7) CAP_DAC_OVERRIDE: truncate a file of mode 0", 0, truncate("f", 0));
	CALL("capabilities(7) CAP_DAC_OVERRIDE: list a directory of mode 0", 0,
	     opens("d", O_RDONLY));
	CALL("capabilities(7) CAP_DAC_OVERRIDE: create in a directory of mode 0", 0,
	     mkdir("d/x", 0755));
	CALL("capabilities(7) CAP_DAC_OVERRIDE: remove from a directory of mode 0", 0,
	     rmdir("d/x"));
	CALL("capabilities(7) CAP_FOWNER: chmod of a file of somebody else", 0, chmod("f", 0600));
	CALL("capabilities(7) CAP_FOWNER: times of a file of somebody else", 0,
	     utimensat(AT_FDCWD, "f", (struct timespec[]){ { 1, 0 }, { 1, 0 } }, 0));
	CALL("capabilities(7) CAP_CHOWN: a file of somebody else", 0, chown("f", 7, 8));
	CALL("access(2): root may read and write everything", 0, access("f", R_OK | W_OK));
	CALL("access(2) EACCES: X_OK for root needs one execute bit", EACCES, access("f", X_OK));
	CALL("access(2): X_OK for root with one execute bit", 0, access("x", X_OK));
	CALL("access(2): X_OK of a directory without bits for root", 0, access("d", X_OK));
}

/* access(2) asks for the real user, everything else for the effective one. */
static void perm_real_and_effective(void)
{
	px_put_mode("f", "x", 0600, 1000, 1000);
	NEED(setresuid(1001, 1000, 0));
	CALL("access(2) EACCES: the check uses the real user id", EACCES, access("f", R_OK));
	CALL("faccessat(2) AT_EACCESS: the check uses the effective user id", 0,
	     faccessat(AT_FDCWD, "f", R_OK, AT_EACCESS));
	CALL("open(2): uses the effective user id", 0, opens("f", O_RDWR));
	px_root();
	NEED(setresuid(1000, 1001, 0));
	CALL("access(2): the real user id may", 0, access("f", R_OK));
	CALL("faccessat(2) AT_EACCESS EACCES: the effective user id may not", EACCES,
	     faccessat(AT_FDCWD, "f", R_OK, AT_EACCESS));
	CALL("open(2) EACCES: the effective user id may not", EACCES, opens("f", O_RDONLY));
	px_root();
}

static int kept;

static void use_kept(void *arg)
{
	char c;

	px_become(1001, 1001, NULL, 0);
	CALL("read(2): a descriptor works for whoever holds it", 0, pread(kept, &c, 1, 0));
	CALL("write(2): a descriptor works for whoever holds it", 0, pwrite(kept, "y", 1, 0));
	CALL("ftruncate(2): a descriptor works for whoever holds it", 0, ftruncate(kept, 5));
	CALL("fsync(2): a descriptor works for whoever holds it", 0, fsync(kept));
	CALL("fchmod(2) EPERM: the caller is not the owner", EPERM, fchmod(kept, 0777));
	CALL("fchown(2) EPERM: the caller is not the owner", EPERM, fchown(kept, 1001, 1001));
	CALL("futimens(3) EPERM: the caller is not the owner", EPERM,
	     futimens(kept, (struct timespec[]){ { 1, 0 }, { 1, 0 } }));
	CALL("futimens(3) EACCES: now, without write permission", EACCES, futimens(kept, NULL));
	CALL("open(2) EACCES: by name it may not", EACCES, opens("f", O_RDONLY));
}

static void perm_descriptor(void)
{
	px_put_mode("f", "x", 0600, 1000, 1000);
	kept = (int)NEED(open("f", O_RDWR));
	px_in_child(use_kept, NULL);
	NEED(fchmod(kept, 0));
	px_become(1000, 1000, NULL, 0);
	CALL("write(2): the mode is judged at open, not later", 0, pwrite(kept, "z", 1, 0));
	CALL("open(2) EACCES: the owner of a file of mode 0", EACCES, opens("f", O_RDONLY));
	CALL("chmod(2): the owner may change the mode again", 0, chmod("f", 0600));
}

static void perm_exec(void)
{
	char *argv[] = { (char *)"x", NULL }, *envp[] = { NULL };

	for (size_t i = 0; i < ARRAY_LEN(whos); i++) {
		for (mode_t bits = 0; bits < 8; bits++) {
			px_put_mode("f", "not a program", mode_for(&whos[i], bits), 1000, 2000);
			px_become(whos[i].uid, whos[i].gid, whos[i].more, whos[i].nmore);
			CALL(px_law("execve(2) EACCES: execute permission of %s is %o",
				    whos[i].name, bits),
			     bits & 1 ? ENOEXEC : EACCES, execve("./f", argv, envp));
			px_root();
			NEED(unlink("f"));
		}
	}
}

const struct px_topic px_topics_perm[] = {
	{ "perm_file", perm_file },
	{ "perm_directory", perm_directory },
	{ "perm_sticky", perm_sticky },
	{ "perm_move_directory", perm_move_directory },
	{ "perm_root", perm_root },
	{ "perm_real_and_effective", perm_real_and_effective },
	{ "perm_descriptor", perm_descriptor },
	{ "perm_exec", perm_exec },
	{ NULL, NULL },
};
