/* SPDX-License-Identifier: BSD-3-Clause */
/* chmod(2) and chown(2): who may change what, and which bits disappear. */
#include <sys/mman.h>

#include "posix.h"

static void owner_chmod(void)
{
	static const mode_t modes[] = { 0, 0777, 01777, 02777, 04777, 07777, 0421, 0644 };
	static const char *const kinds[] = { "file", "dir", "fifo", "socket" };
	struct stat before, after;

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		px_make(kinds[k], "f");
		for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
			before = px_stat("f");
			CALL(px_law("chmod(2): a %s to %04o", kinds[k], modes[i]), 0,
			     chmod("f", modes[i]));
			after = px_stat("f");
			SAME(px_law("chmod(2): all twelve bits of a %s (%04o)", kinds[k], modes[i]),
			     after.st_mode & 07777, modes[i]);
			SAME("chmod(2): the type stays", after.st_mode & S_IFMT,
			     before.st_mode & S_IFMT);
			SAME("chmod(2): owner and group stay",
			     after.st_uid == before.st_uid && after.st_gid == before.st_gid, 1);
			SAME("chmod(2): mtime stays",
			     after.st_mtim.tv_sec == before.st_mtim.tv_sec &&
				     after.st_mtim.tv_nsec == before.st_mtim.tv_nsec,
			     1);
		}
		px_remove("f");
	}
}

static void owner_chmod_permission(void)
{
	const gid_t more[] = { 3000 };

	px_put_mode("mine", "x", 0644, 1000, 1000);
	px_put_mode("shared", "x", 0644, 1000, 3000);
	px_put_mode("strange", "x", 0644, 1000, 4000);
	px_put_mode("other", "x", 0666, 1001, 1000);
	px_dir("dir", 0755, 1000, 4000);
	px_become(1000, 1000, more, 1);
	CALL("chmod(2): the owner may", 0, chmod("mine", 0600));
	CALL("chmod(2) EPERM: not the owner, even with the group", EPERM, chmod("other", 0644));
	CALL("chmod(2): set-group-ID of the own group", 0, chmod("mine", 02755));
	SAME("chmod(2): the bit is set", px_stat("mine").st_mode & 07777, 02755);
	CALL("chmod(2): set-group-ID of a supplementary group", 0, chmod("shared", 02755));
	SAME("chmod(2): the bit is set", px_stat("shared").st_mode & 07777, 02755);
	CALL("chmod(2): set-group-ID of a strange group is no error", 0, chmod("strange", 02755));
	SAME("chmod(2): but the bit is turned off", px_stat("strange").st_mode & 07777, 0755);
	CALL("chmod(2): set-group-ID of a directory of a strange group", 0, chmod("dir", 02755));
	SAME("chmod(2): the bit is turned off as well", px_stat("dir").st_mode & 07777, 0755);
	CALL("chmod(2): set-user-ID of one's own file", 0, chmod("mine", 04755));
	SAME("chmod(2): the bit is set", px_stat("mine").st_mode & 07777, 04755);
	CALL("chmod(2): the sticky bit of one's own file", 0, chmod("mine", 01755));
	SAME("chmod(2): Linux lets an ordinary user set it", px_stat("mine").st_mode & 07777,
	     01755);
	px_root();
	CALL("chmod(2): root sets set-group-ID of any group", 0, chmod("strange", 02755));
	SAME("chmod(2): the bit is set", px_stat("strange").st_mode & 07777, 02755);
}

static void owner_chmod_links(void)
{
	px_put("f", "x");
	NEED(symlink("f", "l"));
	CALL("chmod(2): follows a link", 0, chmod("l", 0600));
	SAME("chmod(2): the target is changed", px_stat("f").st_mode & 07777, 0600);
	SAME("chmod(2): the link is not", px_stat("l").st_mode & 07777, 0777);
	CALL("chown(2): follows a link", 0, chown("l", 5, 6));
	SAME("chown(2): the target is changed", px_stat("f").st_uid, 5);
	SAME("chown(2): the link is not", px_stat("l").st_uid, 0);
	CALL("lchown(2): does not follow a link", 0, lchown("l", 7, 8));
	SAME("lchown(2): the link is changed", px_stat("l").st_uid * 100 + px_stat("l").st_gid,
	     708);
	SAME("lchown(2): the target is not", px_stat("f").st_uid, 5);
	CALL("fchownat(2) AT_SYMLINK_NOFOLLOW: the link itself", 0,
	     fchownat(AT_FDCWD, "l", 9, 9, AT_SYMLINK_NOFOLLOW));
	SAME("fchownat(2): the link is changed", px_stat("l").st_uid, 9);
}

static void owner_chown_ids(void)
{
	static const uid_t ids[] = { 0, 1, 65534, 65535, 65536, 1000000, 0x7fffffff, 0x80000000,
				     0xfffffffe };
	struct stat st;

	px_put("f", "x");
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		CALL(px_law("chown(2): owner %u", ids[i]), 0, chown("f", ids[i], (gid_t)-1));
		CALL(px_law("chown(2): group %u", ids[i]), 0, chown("f", (uid_t)-1, ids[i]));
		st = px_stat("f");
		SAME(px_law("chown(2): all 32 bits of the owner (%u)", ids[i]), st.st_uid, ids[i]);
		SAME(px_law("chown(2): all 32 bits of the group (%u)", ids[i]), st.st_gid, ids[i]);
	}
	CALL("chown(2): -1 and -1 change nothing", 0, chown("f", (uid_t)-1, (gid_t)-1));
	st = px_stat("f");
	SAME("chown(2): -1 leaves the owner", st.st_uid, 0xfffffffe);
	SAME("chown(2): -1 leaves the group", st.st_gid, 0xfffffffe);
}

static void owner_chown_permission(void)
{
	const gid_t more[] = { 3000 };

	px_put_mode("f", "x", 0666, 1000, 2000);
	px_put_mode("other", "x", 0666, 1001, 2000);
	px_become(1000, 2000, more, 1);
	CALL("chown(2) EPERM: giving a file away", EPERM, chown("f", 1001, (gid_t)-1));
	CALL("chown(2): to the owner it has", 0, chown("f", 1000, (gid_t)-1));
	CALL("chown(2): the owner may choose a group of his: supplementary", 0,
	     chown("f", (uid_t)-1, 3000));
	SAME("chown(2): the group is changed", px_stat("f").st_gid, 3000);
	CALL("chown(2): the owner may choose a group of his: effective", 0,
	     chown("f", (uid_t)-1, 2000));
	SAME("chown(2): the group is changed back", px_stat("f").st_gid, 2000);
	CALL("chown(2) EPERM: the owner may not choose a strange group", EPERM,
	     chown("f", (uid_t)-1, 4000));
	CALL("chown(2) EPERM: both at once, one not allowed", EPERM, chown("f", 1000, 4000));
	SAME("chown(2): a refused call changes nothing", px_stat("f").st_gid, 2000);
	CALL("chown(2) EPERM: the group of a file of somebody else", EPERM,
	     chown("other", (uid_t)-1, 2000));
	CALL("chown(2) EPERM: taking a file", EPERM, chown("other", 1000, (gid_t)-1));
	CALL("chown(2): -1 and -1 on a file of somebody else", 0,
	     chown("other", (uid_t)-1, (gid_t)-1));
	px_root();
	CALL("chown(2): root may give away", 0, chown("f", 1001, 4000));
	SAME("chown(2): and it is done", px_stat("f").st_uid * 10000 + px_stat("f").st_gid,
	     10014000);
}

/* What takes set-user-ID and set-group-ID away, and from which modes. */
static long kill_write(const char *p)
{
	int fd = open(p, O_WRONLY);
	ssize_t n = write(fd, "x", 1);

	close(fd);
	return n < 0 ? -1 : 0;
}

static long kill_ftruncate(const char *p)
{
	int fd = open(p, O_WRONLY), ret = ftruncate(fd, 0);

	close(fd);
	return ret;
}

static long kill_trunc(const char *p)
{
	int fd = open(p, O_WRONLY | O_TRUNC);

	return fd < 0 ? -1 : close(fd);
}

static long kill_fallocate(const char *p)
{
	int fd = open(p, O_WRONLY), ret = fallocate(fd, 0, 0, 4096);

	close(fd);
	return ret;
}

static long kill_copy(const char *p)
{
	int in = open("source", O_RDONLY), fd = open(p, O_WRONLY);
	ssize_t n = copy_file_range(in, NULL, fd, NULL, 4, 0);

	close(in);
	close(fd);
	return n < 0 ? -1 : 0;
}

static long kill_truncate(const char *p) { return truncate(p, 1); }
static long kill_chown(const char *p) { return chown(p, (uid_t)-1, 1000); }
static long kill_nothing(const char *p) { return access(p, F_OK); }

static void owner_kill_bits(void)
{
	static const struct {
		const char *name;
		long (*act)(const char *path);
		bool by_owner;		/* only the owner may */
		bool spares;		/* takes nothing away */
	} acts[] = {
		{ "write(2)", kill_write, false, false },
		{ "truncate(2)", kill_truncate, false, false },
		{ "ftruncate(2)", kill_ftruncate, false, false },
		{ "open(2) O_TRUNC", kill_trunc, false, false },
		{ "fallocate(2)", kill_fallocate, false, false },
		{ "copy_file_range(2)", kill_copy, false, false },
		{ "chown(2)", kill_chown, true, false },
		{ "access(2)", kill_nothing, false, true },
	};
	static const struct {
		mode_t mode, left;
	} modes[] = { { 04777, 0777 }, { 02777, 0777 }, { 06777, 0777 }, { 0777, 0777 },
		      { 01777, 01777 }, { 04666, 0666 } };

	px_put("source", "text");
	NEED(chmod(".", 0777));
	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		for (size_t k = 0; k < ARRAY_LEN(modes); k++) {
			mode_t want = acts[i].spares ? modes[k].mode : modes[k].left;

			px_put_mode("f", "text", modes[k].mode, 1000, 1000);
			px_become(acts[i].by_owner ? 1000 : 1001, 1000, NULL, 0);
			CALL(px_law("%s: on a file of mode %04o", acts[i].name, modes[k].mode), 0,
			     acts[i].act("f"));
			px_root();
			SAME(px_law("%s: an ordinary user's takes set-user-ID and set-group-ID "
				    "(%04o)",
				    acts[i].name, modes[k].mode),
			     px_stat("f").st_mode & 07777, want);
			NEED(unlink("f"));
		}
	}
}

static void owner_kill_by_root(void)
{
	px_put_mode("f", "text", 06777, 1000, 1000);
	NEED(kill_write("f"));
	SAME("write(2): root's keeps set-user-ID and set-group-ID (CAP_FSETID)",
	     px_stat("f").st_mode & 07777, 06777);
	NEED(truncate("f", 0));
	SAME("truncate(2): root's keeps them", px_stat("f").st_mode & 07777, 06777);
	NEED(chown("f", 1000, 1000));
	SAME("chown(2): on Linux root's clears them, too", px_stat("f").st_mode & 07777, 0777);
	NEED(chmod("f", 02766));
	NEED(chown("f", 1000, 1000));
	SAME("chown(2): set-group-ID without group execution is kept", px_stat("f").st_mode & 07777,
	     02766);
	px_dir("d", 06777, 1000, 1000);
	NEED(chown("d", 1001, 1001));
	SAME("chown(2): the bits of a directory stay", px_stat("d").st_mode & 07777, 06777);
}

/* By a mapping, which sends no write of its own. */
static void owner_kill_by_map(void)
{
	char *map;
	int fd;

	px_put_mode("f", "text", 06777, 1000, 1000);
	px_become(1001, 1001, NULL, 0);
	fd = (int)NEED(open("f", O_RDWR));
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	HOLDS("mmap(2): shared and writable", map != MAP_FAILED);
	map[0] = 'T';
	CALL("msync(2): flushed", 0, msync(map, 4096, MS_SYNC));
	px_root();
	HOLDS("mmap(2): the change is in the file", px_holds("f", "Text"));
}

const struct px_topic px_topics_owner[] = {
	{ "owner_chmod", owner_chmod },
	{ "owner_chmod_permission", owner_chmod_permission },
	{ "owner_chmod_links", owner_chmod_links },
	{ "owner_chown_ids", owner_chown_ids },
	{ "owner_chown_permission", owner_chown_permission },
	{ "owner_kill_bits", owner_kill_bits },
	{ "owner_kill_by_root", owner_kill_by_root },
	{ "owner_kill_by_map", owner_kill_by_map },
	{ NULL, NULL },
};
