/* SPDX-License-Identifier: BSD-3-Clause */
/* Locks that are granted or refused at once: fcntl, open file description, flock. */
#include <sys/file.h>

#include "posix.h"

static struct flock range(short type, off_t start, off_t len)
{
	return (struct flock){
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len
	};
}

static long lock(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock fl = range(type, start, len);

	return fcntl(fd, cmd, &fl);
}

static const char *type_name(short type)
{
	return type == F_RDLCK ? "read" : type == F_WRLCK ? "write" : "no";
}

static const struct {
	const char *name;
	off_t start, len;
	bool hits;	/* bytes 100 to 199 */
} ranges[] = {
	{ "the same bytes", 100, 100, true },
	{ "bytes inside", 150, 10, true },
	{ "bytes around", 50, 200, true },
	{ "bytes over the start", 50, 51, true },
	{ "bytes over the end", 199, 50, true },
	{ "the byte before", 99, 1, false },
	{ "the byte after", 200, 1, false },
	{ "everything", 0, 0, true },
	{ "everything behind", 200, 0, false },
	{ "everything from inside", 199, 0, true },
	{ "a range given backwards", 200, -100, true },
	{ "a range backwards before", 100, -50, false },
};

struct conflict {
	int set, get;		/* commands of the other side */
	short held, wanted;
	pid_t owner;		/* whom F_GETLK must name */
};

static void conflict_body(void *arg)
{
	const struct conflict *c = arg;
	int fd = (int)NEED(open("f", O_RDWR));

	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		bool refused = ranges[i].hits && (c->held == F_WRLCK || c->wanted == F_WRLCK);
		const char *what = px_law("%s lock on %s, held a %s lock", type_name(c->wanted),
					  ranges[i].name, type_name(c->held));
		struct flock fl = range(c->wanted, ranges[i].start, ranges[i].len);

		CALL(px_law("fcntl(2) F_GETLK: %s", what), 0, fcntl(fd, c->get, &fl));
		SAME(px_law("fcntl(2) F_GETLK: l_type is F_UNLCK or the lock that hinders: %s",
			    what),
		     fl.l_type, refused ? c->held : F_UNLCK);
		if (refused) {
			SAME("fcntl(2) F_GETLK: l_start of that lock", fl.l_start, 100);
			SAME("fcntl(2) F_GETLK: l_len of that lock", fl.l_len, 100);
			SAME("fcntl(2) F_GETLK: l_pid of its owner", fl.l_pid, c->owner);
		}
		CALL(px_law("fcntl(2) F_SETLK EAGAIN: %s", what), refused ? EAGAIN : 0,
		     lock(fd, c->set, c->wanted, ranges[i].start, ranges[i].len));
		NEED(lock(fd, c->set, F_UNLCK, 0, 0));
	}
	close(fd);
}

/* Every combination of kinds: owner of the held lock, and who wants one. */
static void conflicts(int held_set, int set, int get)
{
	static const short types[] = { F_RDLCK, F_WRLCK };
	int fd;

	px_put("f", "x");
	for (size_t h = 0; h < 2; h++) {
		for (size_t w = 0; w < 2; w++) {
			struct conflict c = { set, get, types[h], types[w],
					      held_set == F_SETLK ? getpid() : -1 };

			fd = (int)NEED(open("f", O_RDWR));
			NEED(lock(fd, held_set, types[h], 100, 100));
			px_in_child(conflict_body, &c);
			close(fd);
		}
	}
}

static void locks_fcntl(void) { conflicts(F_SETLK, F_SETLK, F_GETLK); }
static void locks_description(void) { conflicts(F_OFD_SETLK, F_OFD_SETLK, F_OFD_GETLK); }
static void locks_mixed(void) { conflicts(F_OFD_SETLK, F_SETLK, F_GETLK); }
static void locks_mixed_back(void) { conflicts(F_SETLK, F_OFD_SETLK, F_OFD_GETLK); }

/* What another process finds locked: the first lock against a write lock from start on. */
struct probe {
	off_t start, found, len;
	short type;
};

static void probe_body(void *arg)
{
	struct probe *p = arg;
	struct flock fl = range(F_WRLCK, p->start, 0);
	int fd = (int)NEED(open("f", O_RDWR));

	NEED(fcntl(fd, F_GETLK, &fl));
	SAME(px_law("fcntl(2): the type of the first lock from %ld on", (long)p->start), fl.l_type,
	     p->type);
	if (p->type != F_UNLCK) {
		SAME("fcntl(2): where it starts", fl.l_start, p->found);
		SAME("fcntl(2): how long it is", fl.l_len, p->len);
	}
}

static void expect_lock(off_t start, short type, off_t found, off_t len)
{
	struct probe p = { start, found, len, type };

	px_in_child(probe_body, &p);
}

static void locks_ranges(void)
{
	int fd;

	px_put("f", "x");
	fd = (int)NEED(open("f", O_RDWR));
	NEED(lock(fd, F_SETLK, F_WRLCK, 0, 300));
	CALL("fcntl(2): unlocking the middle splits a lock", 0,
	     lock(fd, F_SETLK, F_UNLCK, 100, 100));
	expect_lock(0, F_WRLCK, 0, 100);
	expect_lock(100, F_WRLCK, 200, 100);
	CALL("fcntl(2): locking the gap joins the three", 0, lock(fd, F_SETLK, F_WRLCK, 100, 100));
	expect_lock(0, F_WRLCK, 0, 300);
	CALL("fcntl(2): a new type replaces the old one", 0, lock(fd, F_SETLK, F_RDLCK, 100, 100));
	expect_lock(0, F_WRLCK, 0, 100);
	expect_lock(100, F_RDLCK, 100, 100);
	expect_lock(200, F_WRLCK, 200, 100);
	CALL("fcntl(2): to the end of file, however large", 0, lock(fd, F_SETLK, F_WRLCK, 1000, 0));
	expect_lock(300, F_WRLCK, 1000, 0);
	CALL("fcntl(2): unlocking all", 0, lock(fd, F_SETLK, F_UNLCK, 0, 0));
	expect_lock(0, F_UNLCK, 0, 0);
	NEED(ftruncate(fd, 500));
	NEED(lseek(fd, 50, SEEK_SET));
	CALL("fcntl(2): SEEK_CUR", 0,
	     fcntl(fd, F_SETLK,
		   &(struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_len = 5 }));
	expect_lock(0, F_WRLCK, 50, 5);
	CALL("fcntl(2): SEEK_END", 0, fcntl(fd, F_SETLK, &(struct flock){ .l_type = F_WRLCK,
		.l_whence = SEEK_END, .l_start = -10, .l_len = 5 }));
	expect_lock(55, F_WRLCK, 490, 5);
	CALL("fcntl(2): at the largest offset", 0, lock(fd, F_SETLK, F_WRLCK, INT64_MAX, 1));
	expect_lock(495, F_WRLCK, INT64_MAX, 0);
}

static void locks_errors(void)
{
	int fd, ro, wo;

	px_put("f", "x");
	fd = (int)NEED(open("f", O_RDWR));
	ro = (int)NEED(open("f", O_RDONLY));
	wo = (int)NEED(open("f", O_WRONLY));
	CALL("fcntl(2) EBADF: a write lock on a descriptor for reading", EBADF,
	     lock(ro, F_SETLK, F_WRLCK, 0, 1));
	CALL("fcntl(2) EBADF: a read lock on a descriptor for writing", EBADF,
	     lock(wo, F_SETLK, F_RDLCK, 0, 1));
	CALL("fcntl(2) EBADF: the same for open file descriptions", EBADF,
	     lock(ro, F_OFD_SETLK, F_WRLCK, 0, 1));
	CALL("fcntl(2): unlocking with any descriptor", 0, lock(ro, F_SETLK, F_UNLCK, 0, 1));
	CALL("fcntl(2) EINVAL: not a type of lock", EINVAL, lock(fd, F_SETLK, 77, 0, 1));
	CALL("fcntl(2) EINVAL: before the start of the file", EINVAL,
	     lock(fd, F_SETLK, F_WRLCK, -1, 1));
	CALL("fcntl(2) EINVAL: a length that leads before the start", EINVAL,
	     lock(fd, F_SETLK, F_WRLCK, 5, -6));
	CALL("fcntl(2) EOVERFLOW: beyond the largest offset", EOVERFLOW,
	     lock(fd, F_SETLK, F_WRLCK, INT64_MAX, 2));
	CALL("fcntl(2) EINVAL: F_GETLK for no lock", EINVAL, lock(fd, F_GETLK, F_UNLCK, 0, 1));
	CALL("fcntl(2) EINVAL: l_pid of an open file description lock is not 0", EINVAL,
	     fcntl(fd, F_OFD_SETLK, &(struct flock){ .l_type = F_WRLCK, .l_pid = 1 }));
	CALL("fcntl(2) EFAULT: lock is outside the address space", EFAULT,
	     fcntl(fd, F_SETLK, (void *)1));
	CALL("flock(2) EINVAL: operation is invalid", EINVAL, flock(fd, 0));
	CALL("flock(2) EBADF: fd is not a descriptor", EBADF, flock(9999, LOCK_SH));
	CALL("lockf(3): F_TLOCK", 0, lockf(fd, F_TLOCK, 10));
	CALL("lockf(3): F_TEST of one's own lock", 0, lockf(fd, F_TEST, 10));
	CALL("lockf(3): F_ULOCK", 0, lockf(fd, F_ULOCK, 10));
}

static void locks_release(void)
{
	int a, b, c;

	px_put("f", "x");
	a = (int)NEED(open("f", O_RDWR));
	b = (int)NEED(open("f", O_RDWR));
	NEED(lock(a, F_SETLK, F_WRLCK, 0, 10));
	CALL("fcntl(2): a process does not hinder itself", 0, lock(b, F_SETLK, F_WRLCK, 0, 10));
	expect_lock(0, F_WRLCK, 0, 10);
	NEED(close(b));
	expect_lock(0, F_UNLCK, 0, 0); /* closing any descriptor of the file releases them all */
	NEED(lock(a, F_SETLK, F_WRLCK, 0, 10));
	c = (int)NEED(dup(a));
	NEED(close(c));
	expect_lock(0, F_UNLCK, 0, 0);
	b = (int)NEED(open("f", O_RDWR));
	NEED(lock(a, F_OFD_SETLK, F_WRLCK, 0, 10));
	CALL("fcntl(2) F_OFD_SETLK EAGAIN: another open file description of one process", EAGAIN,
	     lock(b, F_OFD_SETLK, F_WRLCK, 0, 10));
	c = (int)NEED(dup(a));
	CALL("fcntl(2) F_OFD_SETLK: a duplicate is the same description", 0,
	     lock(c, F_OFD_SETLK, F_WRLCK, 0, 20));
	NEED(close(b));
	expect_lock(0, F_WRLCK, 0, 20); /* closing another description releases nothing */
	NEED(close(a));
	expect_lock(0, F_WRLCK, 0, 20);
	NEED(close(c));
	expect_lock(0, F_UNLCK, 0, 0); /* the last close releases it */
}

static void hold_and_exit(void *arg)
{
	int fd = (int)NEED(open("f", O_RDWR));

	NEED(lock(fd, F_SETLK, F_WRLCK, 0, 10));
	NEED(flock(fd, LOCK_EX));
}

static void inherited_body(void *arg)
{
	int fd = *(int *)arg, own = (int)NEED(open("f", O_RDWR));

	CALL("fcntl(2) EAGAIN: record locks are not inherited by fork", EAGAIN,
	     lock(fd, F_SETLK, F_WRLCK, 0, 10));
	CALL("flock(2): a lock is inherited by fork", 0, flock(fd, LOCK_EX | LOCK_NB));
	CALL("flock(2) EWOULDBLOCK: another description of the child", EWOULDBLOCK,
	     flock(own, LOCK_EX | LOCK_NB));
	CALL("flock(2): the child unlocks what it inherited", 0, flock(fd, LOCK_UN));
}

static void locks_processes(void)
{
	int fd;

	px_put("f", "x");
	px_in_child(hold_and_exit, NULL);
	expect_lock(0, F_UNLCK, 0, 0); /* the end of a process releases its locks */
	fd = (int)NEED(open("f", O_RDWR));
	CALL("flock(2): the end of a process releases its lock", 0, flock(fd, LOCK_EX | LOCK_NB));
	NEED(lock(fd, F_SETLK, F_WRLCK, 0, 10));
	px_in_child(inherited_body, &fd);
	CALL("flock(2): the lock is gone for the parent, too", 0,
	     flock((int)NEED(open("f", O_RDWR)), LOCK_EX | LOCK_NB));
}

static void locks_flock(void)
{
	int a, b, c;

	px_put("f", "x");
	a = (int)NEED(open("f", O_RDWR));
	b = (int)NEED(open("f", O_RDONLY));
	c = (int)NEED(open("f", O_RDWR));
	CALL("flock(2): shared", 0, flock(a, LOCK_SH | LOCK_NB));
	CALL("flock(2): more than one may hold a shared lock", 0, flock(b, LOCK_SH | LOCK_NB));
	CALL("flock(2) EWOULDBLOCK: exclusive beside shared", EWOULDBLOCK,
	     flock(c, LOCK_EX | LOCK_NB));
	CALL("flock(2): unlock", 0, flock(b, LOCK_UN));
	CALL("flock(2): the only holder converts to exclusive", 0, flock(a, LOCK_EX | LOCK_NB));
	CALL("flock(2) EWOULDBLOCK: shared beside exclusive", EWOULDBLOCK,
	     flock(b, LOCK_SH | LOCK_NB));
	CALL("flock(2): converts back to shared", 0, flock(a, LOCK_SH | LOCK_NB));
	CALL("flock(2): then shared is possible again", 0, flock(b, LOCK_SH | LOCK_NB));
	CALL("flock(2) EWOULDBLOCK: converting beside another holder", EWOULDBLOCK,
	     flock(a, LOCK_EX | LOCK_NB));
	CALL("flock(2): an unlock without a lock", 0, (flock(a, LOCK_UN), flock(a, LOCK_UN)));
	NEED(close(b));
	CALL("flock(2): exclusive with a descriptor for reading", 0,
	     flock((int)NEED(open("f", O_RDONLY)), LOCK_EX | LOCK_NB));
	CALL("flock(2) and fcntl(2): neither knows of the other", 0,
	     lock(c, F_SETLK, F_WRLCK, 0, 0));
	NEED(mkdir("d", 0755));
	a = (int)NEED(open("d", O_RDONLY));
	b = (int)NEED(open("d", O_RDONLY));
	CALL("flock(2): a directory", 0, flock(a, LOCK_EX | LOCK_NB));
	CALL("flock(2) EWOULDBLOCK: a directory locked elsewhere", EWOULDBLOCK,
	     flock(b, LOCK_EX | LOCK_NB));
	CALL("close(2): releases the lock of a directory", 0,
	     (close(a), flock(b, LOCK_EX | LOCK_NB)));
}

/* Locks are of the file, not of the name. */
static void locks_names(void)
{
	int a, b;

	px_put("f", "x");
	NEED(link("f", "g"));
	a = (int)NEED(open("f", O_RDWR));
	b = (int)NEED(open("g", O_RDWR));
	NEED(lock(a, F_OFD_SETLK, F_WRLCK, 0, 10));
	CALL("fcntl(2) EAGAIN: through another name", EAGAIN, lock(b, F_OFD_SETLK, F_WRLCK, 0, 10));
	NEED(flock(a, LOCK_EX));
	CALL("flock(2) EWOULDBLOCK: through another name", EWOULDBLOCK,
	     flock(b, LOCK_EX | LOCK_NB));
	NEED(rename("f", "h"));
	CALL("fcntl(2) EAGAIN: a rename changes nothing", EAGAIN,
	     lock(b, F_OFD_SETLK, F_WRLCK, 0, 10));
	NEED(unlink("h"));
	NEED(unlink("g"));
	CALL("fcntl(2) EAGAIN: nor does the last unlink", EAGAIN,
	     lock(b, F_OFD_SETLK, F_WRLCK, 0, 10));
	CALL("flock(2) EWOULDBLOCK: nor does the last unlink", EWOULDBLOCK,
	     flock(b, LOCK_EX | LOCK_NB));
	px_put("f", "y");
	CALL("fcntl(2): a new file of the name has no locks", 0,
	     lock((int)NEED(open("f", O_RDWR)), F_OFD_SETLK, F_WRLCK, 0, 10));
	SAME("read(2): locks are advisory", read(b, (char[2]){ 0 }, 2), 1);
	SAME("write(2): locks are advisory", write(b, "z", 1), 1);
}

const struct px_topic px_topics_locks[] = {
	{ "locks_fcntl", locks_fcntl },
	{ "locks_description", locks_description },
	{ "locks_mixed", locks_mixed },
	{ "locks_mixed_back", locks_mixed_back },
	{ "locks_ranges", locks_ranges },
	{ "locks_errors", locks_errors },
	{ "locks_release", locks_release },
	{ "locks_processes", locks_processes },
	{ "locks_flock", locks_flock },
	{ "locks_names", locks_names },
	{ NULL, NULL },
};
