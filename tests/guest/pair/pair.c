/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two machines on one directory: what one does, the other sees.
 *
 * Theory of Operation: the same program runs on both, as "a" and as "b". A scene is a list of
 * turns; before and after each both meet: each makes a file named after the turn and itself, and
 * waits for the other's. In a turn one of them acts, or both at the same time. A failed check is
 * printed as "not ok" by the side that made it, and both go on, so that they stay together. On an NFS export
 * some scenes are not played: NFSv3 has neither attributes of users nor open files that the server
 * knows of, and appends where its client believes the end to be.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 120

static char me;
static int failed, kept = -1;
static unsigned int turn;

static void check_at(bool good, const char *what, int line)
{
	if (good)
		return;
	printf("not ok - %c, turn %u: %s (errno %d, line %d)\n", me, turn, what, errno, line);
	fflush(stdout);
	failed = 1;
}

#define CHECK(cond) check_at(cond, #cond, __LINE__)

static void msleep(unsigned int ms)
{
	nanosleep(&(struct timespec){ ms / 1000, (long)(ms % 1000) * 1000000 }, NULL);
}

static void meet(void)
{
	time_t end = time(NULL) + PATIENCE_S;
	char mine[32], other[32];

	snprintf(mine, sizeof(mine), "meet/%u.%c", turn, me);
	snprintf(other, sizeof(other), "meet/%u.%c", turn, me == 'a' ? 'b' : 'a');
	turn++;
	close(open(mine, O_CREAT | O_WRONLY, 0644));
	while (access(other, F_OK) != 0) {
		if (time(NULL) > end) {
			printf("not ok - %c: the other one does not come to turn %u\n", me, turn);
			exit(1);
		}
		msleep(5);
	}
}

static void put(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

static bool holds(const char *name, const char *text)
{
	char buf[256] = "";
	int fd = open(name, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(text) && memcmp(buf, text, (size_t)n) == 0;
}

static bool missing(const char *name)
{
	struct stat st;

	return lstat(name, &st) < 0 && errno == ENOENT;
}

static off_t size_of(const char *name)
{
	struct stat st;

	return stat(name, &st) < 0 ? -1 : st.st_size;
}

/* ---- scenes ---- */

static void write_hello(void) { put("f", "hello"); }
static void read_hello(void) { CHECK(holds("f", "hello")); }
static void write_longer(void) { put("f", "HELLO WORLD"); }
static void read_longer(void) { CHECK(holds("f", "HELLO WORLD")); CHECK(size_of("f") == 11); }
static void cut(void) { CHECK(truncate("f", 3) == 0); }
static void read_cut(void) { CHECK(holds("f", "HEL")); CHECK(size_of("f") == 3); }
static void rename_f(void) { CHECK(rename("f", "g") == 0); }
static void see_rename(void) { CHECK(missing("f")); CHECK(holds("g", "HEL")); }
static void change_mode(void) { CHECK(chmod("g", 0600) == 0 && chown("g", 5, 6) == 0); }
static void set_attribute(void) { CHECK(setxattr("g", "user.a", "v", 1, 0) == 0); }
static void remove_g(void) { CHECK(unlink("g") == 0); }

static void see_mode(void)
{
	struct stat st;

	CHECK(stat("g", &st) == 0 && st.st_mode == (S_IFREG | 0600) && st.st_uid == 5 &&
	      st.st_gid == 6);
}

static void see_attribute(void)
{
	char c;

	CHECK(getxattr("g", "user.a", &c, 1) == 1 && c == 'v');
}

static void keep_g(void)
{
	kept = open("g", O_RDWR);
	CHECK(kept >= 0);
}

static void read_kept(void)
{
	char buf[8];

	CHECK(missing("g"));
	CHECK(pread(kept, buf, 8, 0) == 3 && memcmp(buf, "HEL", 3) == 0);
	CHECK(pwrite(kept, "X", 1, 3) == 1);
	CHECK(close(kept) == 0);
}

static void keep_old(void)
{
	put("new", "new");
	put("old", "old");
	kept = open("old", O_RDONLY);
}

static void replace_old(void) { CHECK(rename("new", "old") == 0); }

static void see_replaced(void)
{
	char buf[8];

	CHECK(pread(kept, buf, 8, 0) == 3 && memcmp(buf, "old", 3) == 0);
	CHECK(holds("old", "new"));
	CHECK(close(kept) == 0);
}

static void make_dir(void)
{
	CHECK(mkdir("d", 0755) == 0);
	put("d/x", "x");
}

static void empty_dir(void)
{
	CHECK(rmdir("d") < 0 && errno == ENOTEMPTY);
	CHECK(unlink("d/x") == 0);
}

static void remove_dir(void) { CHECK(missing("d/x")); CHECK(rmdir("d") == 0); }
static void miss_dir(void) { CHECK(missing("d")); CHECK(mkdir("d", 0755) == 0); }
static void have_dir(void) { CHECK(mkdir("d", 0755) < 0 && errno == EEXIST); }

/* Locks of all three kinds: held here, refused there. */
static int lock_fd = -1, flock_fd = -1, ofd_fd = -1;

static long set_lock(int fd, int cmd, short type, off_t start)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = 10 };

	return fcntl(fd, cmd, &fl);
}

static void open_locks(void)
{
	lock_fd = open("lock", O_RDWR | O_CREAT, 0644);
	ofd_fd = open("ofd", O_RDWR | O_CREAT, 0644);
	flock_fd = open("flock", O_RDWR | O_CREAT, 0644);
	CHECK(lock_fd >= 0 && ofd_fd >= 0 && flock_fd >= 0);
}

static void take_locks(void)
{
	open_locks();
	CHECK(set_lock(lock_fd, F_SETLK, F_WRLCK, 0) == 0);
	CHECK(set_lock(ofd_fd, F_OFD_SETLK, F_WRLCK, 0) == 0);
	CHECK(flock(flock_fd, LOCK_EX | LOCK_NB) == 0);
}

static void refused_locks(void)
{
	struct flock fl = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	open_locks();
	CHECK(set_lock(lock_fd, F_SETLK, F_RDLCK, 5) < 0 && errno == EAGAIN);
	CHECK(set_lock(ofd_fd, F_OFD_SETLK, F_RDLCK, 5) < 0 && errno == EAGAIN);
	CHECK(flock(flock_fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK);
	CHECK(set_lock(lock_fd, F_SETLK, F_WRLCK, 10) == 0);
	CHECK(set_lock(ofd_fd, F_OFD_SETLK, F_WRLCK, 10) == 0);
	CHECK(fcntl(lock_fd, F_GETLK, &fl) == 0 && fl.l_type == F_WRLCK && fl.l_start == 0 &&
	      fl.l_len == 10);
}

/* The other one waits in a blocking call meanwhile, and must come back with the lock. */
static void release_later(void)
{
	msleep(300);
	CHECK(set_lock(lock_fd, F_SETLK, F_UNLCK, 0) == 0);
	msleep(100);
	CHECK(set_lock(ofd_fd, F_OFD_SETLK, F_UNLCK, 0) == 0);
	msleep(100);
	CHECK(close(flock_fd) == 0);
}

static void wait_for_locks(void)
{
	CHECK(set_lock(lock_fd, F_SETLKW, F_WRLCK, 0) == 0);
	CHECK(set_lock(ofd_fd, F_OFD_SETLKW, F_WRLCK, 0) == 0);
	CHECK(flock(flock_fd, LOCK_EX) == 0);
}

static void lost_locks(void)
{
	CHECK(set_lock(lock_fd, F_SETLK, F_WRLCK, 0) < 0 && errno == EAGAIN);
	CHECK(set_lock(ofd_fd, F_OFD_SETLK, F_WRLCK, 0) < 0 && errno == EAGAIN);
	flock_fd = open("flock", O_RDWR);
	CHECK(flock(flock_fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK);
}

static void close_locks(void)
{
	CHECK(close(lock_fd) == 0 && close(ofd_fd) == 0 && close(flock_fd) == 0);
}

static void free_locks(void)
{
	CHECK(set_lock(lock_fd, F_SETLK, F_WRLCK, 0) == 0);
	CHECK(set_lock(ofd_fd, F_OFD_SETLK, F_WRLCK, 0) == 0);
	CHECK(flock(flock_fd, LOCK_EX | LOCK_NB) == 0);
	close_locks();
}

/* Both at the same time. */
static void race_create(void)
{
	char name[32];
	int won = 0, fd;

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "race-%d", i);
		fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
		CHECK(fd >= 0 || errno == EEXIST);
		won += fd >= 0;
		if (fd >= 0)
			close(fd);
	}
	fd = open("won", O_WRONLY | O_CREAT | O_APPEND, 0644);
	CHECK(set_lock(fd, F_SETLKW, F_WRLCK, 0) == 0);
	CHECK(dprintf(fd, "%d\n", won) > 0);
	close(fd);
}

static void sum_won(void)
{
	FILE *f = fopen("won", "r");
	int x = 0, y = 0;

	CHECK(f != NULL && fscanf(f, "%d %d", &x, &y) == 2 && x + y == 200);
	if (f)
		fclose(f);
}

static void count_up(void)
{
	char buf[16];
	int fd;

	for (int i = 0; i < 50; i++) {
		fd = open("count", O_RDWR | O_CREAT, 0644);
		CHECK(set_lock(fd, F_SETLKW, F_WRLCK, 0) == 0);
		memset(buf, 0, sizeof(buf));
		CHECK(pread(fd, buf, 10, 0) >= 0);
		snprintf(buf, sizeof(buf), "%9d\n", atoi(buf) + 1);
		CHECK(pwrite(fd, buf, 10, 0) == 10);
		close(fd);
	}
}

static void sum_count(void) { CHECK(holds("count", "      100\n")); }

static void append(void)
{
	char rec[101];
	int fd = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644);

	memset(rec, me, 100);
	for (int i = 0; i < 50; i++)
		CHECK(write(fd, rec, 100) == 100);
	close(fd);
}

static void whole_log(void)
{
	char rec[100], same[100];
	int fd = open("log", O_RDONLY), n = 0;

	while (fd >= 0 && read(fd, rec, 100) == 100) {
		memset(same, rec[0], 100);
		n += memcmp(rec, same, 100) == 0;
	}
	close(fd);
	CHECK(n == 100);
}

/* "a" is killed by the host while it holds the lock. */
static void die_with_lock(void)
{
	lock_fd = open("lock", O_RDWR);
	CHECK(set_lock(lock_fd, F_SETLK, F_WRLCK, 0) == 0);
	put("kill-a", "now");
	printf("# a holds the lock and waits for its end\n");
	fflush(stdout);
	sleep(PATIENCE_S);
}

static void inherit_lock(void)
{
	lock_fd = open("lock", O_RDWR);
	while (missing("kill-a"))
		msleep(10);
	CHECK(set_lock(lock_fd, F_SETLKW, F_WRLCK, 0) == 0);
}

static void nothing(void)
{
}

static const struct scene {
	const char *what;
	void (*a)(void), (*b)(void);
	bool not_nfs;
} scenes[] = {
	{ "a new file", write_hello, nothing, false },
	{ "is read", nothing, read_hello, false },
	{ "longer contents", nothing, write_longer, false },
	{ "are read", read_longer, nothing, false },
	{ "a cut", cut, nothing, false },
	{ "is seen", nothing, read_cut, false },
	{ "a rename", rename_f, nothing, false },
	{ "is seen", nothing, see_rename, false },
	{ "mode and owner", change_mode, nothing, false },
	{ "are seen", nothing, see_mode, false },
	{ "an attribute", nothing, set_attribute, true },
	{ "is seen", see_attribute, nothing, true },
	{ "an open file", keep_g, nothing, true },
	{ "is removed", nothing, remove_g, true },
	{ "and lives on", read_kept, nothing, true },
	{ "an open file", keep_old, nothing, true },
	{ "is replaced", nothing, replace_old, true },
	{ "and lives on", see_replaced, nothing, true },
	{ "a directory", make_dir, nothing, false },
	{ "is emptied", nothing, empty_dir, false },
	{ "is removed", remove_dir, nothing, false },
	{ "and made again", nothing, miss_dir, false },
	{ "once", have_dir, nothing, false },
	{ "locks", take_locks, nothing, false },
	{ "are respected", nothing, refused_locks, false },
	{ "are waited for", release_later, wait_for_locks, false },
	{ "have moved", lost_locks, nothing, false },
	{ "go with the file", nothing, close_locks, false },
	{ "are free", free_locks, nothing, false },
	{ "both create", race_create, race_create, false },
	{ "one wins", sum_won, sum_won, false },
	{ "both count", count_up, count_up, false },
	{ "to a hundred", sum_count, sum_count, false },
	{ "both append", append, append, true },
	{ "and lose nothing", whole_log, whole_log, true },
	{ "one dies", die_with_lock, inherit_lock, false },
};

int main(int argc, char **argv)
{
	unsigned int played = 0;
	bool nfs;

	if (argc != 4 || chdir(argv[2]) < 0) {
		fprintf(stderr, "usage: pair a|b DIR local|nfs\n");
		return 2;
	}
	me = argv[1][0];
	nfs = !strcmp(argv[3], "nfs");
	umask(0);
	mkdir("meet", 0755);
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		if (nfs && scenes[i].not_nfs)
			continue;
		meet();
		played++;
		(me == 'a' ? scenes[i].a : scenes[i].b)();
	}
	if (!failed)
		printf("ok - %c: %u turns of two machines\n", me, played);
	return failed;
}
