/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For nfs_rpcbind.sh: two guests on one export with lock=remote and a server that calls back. One waits for a lock,
 * the other lets go of it; then one is killed with a lock, and its successor takes that. Prints what is wrong; the
 * status says whether anything is.
 *
 * usage: nfs_lock_probe SERVER EXPORT [mute|restart]
 *
 * mute: it cannot call. restart: instead, a lock is held, which it says, until the server has been restarted,
 * which the end of the standard input says, and kept.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "fs/nfs/nfs.h"
#include "nfs_fixture.h"

#define ROUNDS 10
#define ROUNDS_MAX 25
#define CALLS_MIN 1 /* rounds in which a server that can call did; a busy one is late, and then asked, in some */
#define REST_MS 2000 /* for one that was late: its calls of before are in the way of the next */
#define LIMIT_MS 60000 /* of a call; a grace period may be in it */
#define RECLAIM_NS 20000000000ull /* longer than that */

static struct drive d, other;
static int failed;

static void check(bool ok, const char *what)
{
	if (!ok)
		printf("not ok - %s\n", what);
	failed |= !ok;
}

static void begin(struct drive *drive, char **argv, const char *state_dir)
{
	const struct fs_config cfg = { .type = "nfs", .server = argv[1], .export_path = argv[2],
				       .options = "lock=remote", .cache = FS_CACHE_AUTO, .state_dir = state_dir };

	nfs_drive_as(drive, &cfg);
}

static uint64_t open_file(struct drive *drive)
{
	struct fuse_entry_out e;
	uint64_t fh = 0;

	check(!op_create(drive, ROOT, "waited", O_RDWR, 0644, &e, &fh), "a file");
	return fh;
}

static void lock_init(struct call *c, struct drive *drive, uint32_t opcode, uint64_t fh, uint32_t type)
{
	call_init(c, drive, opcode, ROOT);
	c->arg.lk = (struct fuse_lk_in){ .fh = fh, .owner = 1, .lk = { .type = type, .end = 9, .pid = 7 } };
}

static int set_lock(struct drive *drive, uint64_t fh, uint32_t type)
{
	static struct call c;
	int rc;

	lock_init(&c, drive, FUSE_SETLK, fh, type);
	rc = call_run(&c);
	if (rc)
		printf("# a lock: %s\n", strerror(-rc));
	return rc;
}

/* Both threads' rounds, for that long or until done. */
static void pump(const int *done, unsigned int ms)
{
	uint64_t until = clock_ns() + ms * 1000000ull;

	while (!*done && clock_ns() < until) {
		d.fs->ops->poll(d.ft);
		other.fs->ops->poll(other.ft);
		nlm_listen_poll();
		usleep(200);
	}
}

/* Milliseconds from the unlock to the lock. */
static unsigned int wait_once(struct call *wait, uint64_t a, uint64_t b)
{
	static const int never;
	uint64_t start;

	check(!set_lock(&d, a, F_WRLCK), "the first lock");
	lock_init(wait, &other, FUSE_SETLKW, b, F_WRLCK);
	call_start(wait);
	pump(&never, 300);
	check(!wait->done, "it is waited for");
	start = clock_ns();
	check(!set_lock(&d, a, F_UNLCK), "letting go");
	pump(&wait->done, LIMIT_MS);
	check(wait->done && !wait->err, "the other's turn");
	start = (clock_ns() - start) / 1000000;
	check(!set_lock(&other, b, F_UNLCK), "letting go, too");
	return (unsigned int)start;
}

static int compare(const void *a, const void *b)
{
	const unsigned int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Until there were enough calls. Each round is on its own: what was late before does not count. */
static void rounds(bool mute, uint64_t a, uint64_t b)
{
	struct call *wait = calloc(1, sizeof(*wait));
	struct nfs_locks *l = &container_of(other.fs, struct nfs_fs, fs)->locks;
	unsigned int ms[ROUNDS_MAX], nr = 0, calls = 0;
	static const int never;

	while (nr < ROUNDS || (!mute && calls < CALLS_MIN && nr < ROUNDS_MAX)) {
		__atomic_store_n(&l->lost, 0, __ATOMIC_RELAXED);
		ms[nr++] = wait_once(wait, a, b);
		if (!__atomic_load_n(&l->lost, __ATOMIC_RELAXED))
			calls++;
		else if (!mute)
			pump(&never, REST_MS);
	}
	qsort(ms, nr, sizeof(ms[0]), compare);
	printf("from the unlock to the lock: %u to %u ms, median %u; %u calls in %u rounds\n", ms[0], ms[nr - 1],
	       ms[nr / 2], calls, nr);
	check(mute ? !calls : calls >= CALLS_MIN, "the server calls");
	free(wait);
}

static void waiting(int argc, char **argv)
{
	uint16_t tcp, udp;
	uint64_t a, b;

	begin(&d, argv, NULL);
	begin(&other, argv, NULL);
	nlm_listen_ports(&tcp, &udp);
	check(tcp && udp, "a listener that the port mapper knows");
	a = open_file(&d);
	b = open_file(&other);
	rounds(argc > 3, a, b);
	drive_close(&other);
	drive_close(&d);
}

static void killed(char **argv)
{
	char dir[] = "/tmp/softdpu-test-nsm.XXXXXX", line[128];
	int status = 0;
	pid_t pid;

	check(mkdtemp(dir), "a directory");
	pid = fork();
	if (!pid) {
		begin(&d, argv, dir);
		if (!set_lock(&d, open_file(&d), F_WRLCK))
			raise(SIGKILL);
		_exit(1);
	}
	check(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status), "a controller that is killed");
	begin(&d, argv, NULL);
	check(set_lock(&d, open_file(&d), F_WRLCK) != 0, "its lock is there still");
	drive_close(&d);
	begin(&d, argv, dir);
	check(!set_lock(&d, open_file(&d), F_WRLCK), "its successor has the lock");
	drive_close(&d);
	snprintf(line, sizeof(line), "rm -rf %s", dir);
	check(!system(line), "cleaning up");
}

/* Asks for it all the while the server lets locks be claimed again, and when that is over. */
static void restarted(char **argv)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	struct call *want = calloc(1, sizeof(*want));
	static const int never;
	uint64_t a, b, until;
	bool got = false;

	begin(&d, argv, NULL);
	begin(&other, argv, NULL);
	a = open_file(&d);
	b = open_file(&other);
	check(!set_lock(&d, a, F_WRLCK), "the first lock");
	printf("held\n");
	while (!poll(&in, 1, 0))
		pump(&never, 100);
	for (until = clock_ns() + RECLAIM_NS; clock_ns() < until && !got; pump(&never, 500)) {
		lock_init(want, &other, FUSE_SETLK, b, F_WRLCK);
		call_start(want);
		pump(&want->done, LIMIT_MS);
		check(want->done, "an answer");
		got = !want->err;
	}
	check(!got, "nobody gets it after the restart");
	check(!set_lock(&d, a, F_UNLCK), "letting go");
	check(!set_lock(&other, b, F_WRLCK), "the other's turn");
	drive_close(&other);
	drive_close(&d);
	free(want);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 3 && !strcmp(argv[3], "restart")) {
		restarted(argv);
		return failed;
	}
	waiting(argc, argv);
	killed(argv);
	return failed;
}
