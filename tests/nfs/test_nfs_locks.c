/* SPDX-License-Identifier: BSD-3-Clause */
/* Locks on the server, NLM and NSM in both directions, against the file system in memory. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "fake_rpcbind.h"
#include "fs/nfs/nfs.h"
#include "fs/nfs/nlm_listen.h"
#include "fs/nfs/rpcbind.h"
#include "lock_rig.h"

/* ---- locks ---- */

static int get_lock(struct drive *drive, uint64_t fh, uint32_t type, uint64_t start, uint64_t end)
{
	static struct call c;
	int rc;

	lock_init(&c, drive, FUSE_GETLK, fh, 99, type, start, end);
	rc = call_run(&c);
	return rc ? rc : (int)c.out.lk.lk.type;
}

static void test_locks(void **state)
{
	const uint64_t whole = INT64_MAX;
	uint64_t a, b;

	begin_locks(&a, &b);
	assert_true(d.fs->init_flags & FUSE_POSIX_LOCKS);
	assert_int_equal(set_lock(&d, a, 1, F_WRLCK, 0, 99), 0);
	assert_int_equal(set_lock(&d, a, 2, F_WRLCK, 50, 60), -EAGAIN); /* another process */
	assert_int_equal(set_lock(&other, b, 1, F_RDLCK, 99, whole), -EAGAIN); /* another guest */
	assert_int_equal(set_lock(&other, b, 1, F_RDLCK, 100, whole), 0);
	assert_int_equal(get_lock(&d, a, F_RDLCK, 100, 200), F_UNLCK);
	assert_int_equal(get_lock(&d, a, F_WRLCK, 100, 200), F_RDLCK);
	assert_int_equal(get_lock(&other, b, F_RDLCK, 0, 10), F_WRLCK);
	/* A part let go. */
	assert_int_equal(set_lock(&d, a, 1, F_UNLCK, 40, 59), 0);
	assert_int_equal(set_lock(&other, b, 2, F_WRLCK, 40, 59), 0);
	assert_int_equal(set_lock(&other, b, 2, F_WRLCK, 39, 39), -EAGAIN);
	assert_int_equal(set_lock(&other, b, 2, F_WRLCK, 60, 60), -EAGAIN);
	/* close() of a process lets go of what it had, whoever else has the file open. */
	assert_int_equal(flush_owner(&d, a, 1), 0);
	assert_int_equal(set_lock(&other, b, 2, F_WRLCK, 0, 99), 0);
	assert_int_equal(flush_owner(&d, a, 77), 0); /* who has none */
	assert_int_equal(set_lock(&d, a, 5, F_UNLCK, 0, whole), 0);
	assert_int_equal(set_lock(&d, a, 5, F_RDLCK, 10, 9), -EINVAL);
	end_locks();
}

static void test_lock_waits(void **state)
{
	struct call *wait = calloc(1, sizeof(*wait)), *second = calloc(1, sizeof(*second));
	uint64_t a, b;

	begin_locks(&a, &b);
	assert_int_equal(set_lock(&d, a, 1, F_WRLCK, 0, 9), 0);
	lock_init(wait, &other, FUSE_SETLKW, b, 1, F_WRLCK, 5, 6);
	call_start(wait);
	lock_init(second, &other, FUSE_SETLKW, b, 2, F_WRLCK, 7, 8);
	call_start(second);
	for (int i = 0; i < 20; i++) {
		other.fs->ops->poll(other.ft);
		usleep(10000);
	}
	assert_false(wait->done);
	assert_int_equal(set_lock(&d, a, 1, F_UNLCK, 0, 6), 0);
	assert_int_equal(call_wait(wait), 0);
	assert_false(second->done);
	other.fs->ops->cancel(other.ft);
	assert_int_equal(call_wait(second), -EINTR);
	end_locks();
	free(wait);
	free(second);
}

/* The server forgets all locks with a restart; ours are taken again before anybody else's are. */
static void test_lock_reclaim(void **state)
{
	uint64_t a, b;

	begin_locks(&a, &b);
	assert_int_equal(set_lock(&d, a, 1, F_WRLCK, 0, 9), 0);
	assert_int_equal(set_lock(&d, a, 1, F_RDLCK, 4, 5), 0);
	memfs_set_grace(m, true);
	memfs_restart(&f, m);
	for (int i = 0; i < 200 && memfs_nr_locks(m) < 3; i++) {
		struct fuse_attr attr;

		assert_int_equal(op_getattr(&d, ROOT, &attr), 0);
		usleep(1000);
	}
	assert_int_equal(memfs_nr_locks(m), 3);
	memfs_set_grace(m, false);
	assert_int_equal(set_lock(&other, b, 1, F_RDLCK, 4, 5), 0);
	assert_int_equal(set_lock(&other, b, 1, F_WRLCK, 9, 9), -EAGAIN);
	/* The guest goes: so do its locks. */
	d.fs->ops->reset(d.fs);
	for (int i = 0; i < 200 && memfs_nr_locks(m) > 1; i++) {
		d.fs->ops->poll(d.ft);
		usleep(1000);
	}
	assert_int_equal(memfs_nr_locks(m), 1);
	end_locks();
}

static void test_no_locks(void **state)
{
	uint64_t fh;

	begin(",lock=none");
	fh = make(&d, "a", NULL);
	assert_int_equal(set_lock(&d, fh, 1, F_WRLCK, 0, 9), -ENOLCK);
	assert_int_equal(op_release(&d, fh), 0);
	end();
	begin("");
	assert_false(d.fs->init_flags & FUSE_POSIX_LOCKS); /* the guest's own */
	end();
}

/* ---- the server calls back ---- */

static struct call *waiting;
static uint64_t held_by, wanted_by; /* handles of d and other */

static void set_grant(enum memfs_grant how)
{
	memfs_set_grant(m, how, fake_rpcbind_port(NLM_PROGRAM, "tcp"), fake_rpcbind_port(NLM_PROGRAM, "udp"));
}

/* d has a lock that other waits for, with the server's promise to call. */
static void begin_waiting(enum memfs_grant how)
{
	fake_rpcbind_start();
	begin_locks(&held_by, &wanted_by);
	set_grant(how);
	assert_int_equal(set_lock(&d, held_by, 1, F_WRLCK, 0, 9), 0);
	waiting = calloc(1, sizeof(*waiting));
	lock_init(waiting, &other, FUSE_SETLKW, wanted_by, 1, F_WRLCK, 5, 6);
	waiting->in.unique = 77;
	call_start(waiting);
	for (int i = 0; i < 2000 && !memfs_nlm(m).blocked; i++)
		pump();
	assert_int_equal(memfs_nlm(m).blocked, 1);
	pump();
	assert_false(waiting->done);
}

static void end_waiting(void)
{
	end_locks();
	assert_int_equal(fake_rpcbind_port(NLM_PROGRAM, "tcp"), 0);
	assert_int_equal(fake_rpcbind_port(NSM_PROGRAM, "udp"), 0);
	fake_rpcbind_stop();
	free(waiting);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The owner's handle is what proves that a call is the server's; so nobody but it may have heard it. */
static int grant_again(const char *from, uint8_t forge)
{
	int rc = -EAGAIN, fd = memfs_grant_again(m, from, forge);

	assert_true(fd >= 0);
	for (int i = 0; i < 2000 && rc == -EAGAIN; i++) {
		pump();
		rc = memfs_grant_answer(fd);
	}
	close(fd);
	return rc;
}

static void test_called_back(void **state)
{
	static const enum memfs_grant ways[] = { GRANT_CALL, GRANT_MSG, GRANT_UDP };

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		unsigned int asked;
		uint64_t start;

		begin_waiting(ways[i]);
		asked = memfs_nlm(m).asked;
		start = now_ms();
		assert_int_equal(set_lock(&d, held_by, 1, F_UNLCK, 0, 9), 0);
		assert_int_equal(call_wait(waiting), 0);
		printf("%u ms from the unlock to the lock\n", (unsigned int)(now_ms() - start));
		assert_true(now_ms() - start < 20 * 10); /* on a machine that is ten times slower, too */
		assert_int_equal(memfs_nlm(m).asked, asked);
		for (int n = 0; ways[i] == GRANT_MSG && n < 2000 && !memfs_nlm(m).answers; n++)
			pump();
		if (ways[i] == GRANT_MSG)
			assert_int_equal(memfs_nlm(m).answers, 1);
		assert_int_equal(memfs_nlm(m).answer, NLM_GRANTED);
		assert_int_equal(set_lock(&d, held_by, 1, F_RDLCK, 0, 9), -EAGAIN);
		assert_int_equal(flush_owner(&other, wanted_by, 1), 0);
		assert_int_equal(set_lock(&d, held_by, 1, F_RDLCK, 0, 9), 0);
		end_waiting();
	}
}

static enum fake_verdict mute(struct fake *fk, struct fake_call *c)
{
	enum fake_verdict v = memfs_handle(fk, c);

	return c->prog == FAKE_NLM && c->proc == 15 /* GRANTED_RES */ ? FAKE_DROP : v;
}

/* What answers a GRANTED_MSG is a message, too: some servers do not answer that, and are well. */
static void test_message(void **state)
{
	struct nfs_locks *l;

	begin_waiting(GRANT_MSG);
	f.handle = mute;
	l = &container_of(other.fs, struct nfs_fs, fs)->locks;
	assert_int_equal(set_lock(&d, held_by, 1, F_UNLCK, 0, 9), 0);
	assert_int_equal(call_wait(waiting), 0);
	for (int i = 0; i < 10000 && (l->nr_answers || !memfs_nlm(m).answers); i++)
		pump();
	assert_int_equal(l->nr_answers, 0);
	assert_int_equal(memfs_nlm(m).answers, 1);
	end_waiting();
}

static void test_call_lost(void **state)
{
	begin_waiting(GRANT_LOST);
	assert_int_equal(set_lock(&d, held_by, 1, F_UNLCK, 0, 9), 0);
	assert_int_equal(memfs_nr_locks(m), 1); /* it is the other's, who does not know */
	assert_int_equal(call_wait(waiting), 0);
	assert_int_equal(memfs_nlm(m).asked, 3);
	end_waiting();
}

static void test_strange_calls(void **state)
{
	begin_waiting(GRANT_CALL);
	assert_int_equal(set_lock(&d, held_by, 1, F_UNLCK, 0, 9), 0);
	assert_int_equal(call_wait(waiting), 0);
	/* The server did not get the answer. */
	assert_int_equal(grant_again(NULL, 0), NLM_GRANTED);
	/* An owner that is not there; not the server. */
	assert_int_equal(grant_again(NULL, 1), NLM_DENIED);
	assert_int_equal(grant_again("127.0.0.2", 0), -ECONNRESET);
	/* Nobody has or wants it any more. */
	assert_int_equal(flush_owner(&other, wanted_by, 1), 0);
	assert_int_equal(grant_again(NULL, 0), NLM_DENIED);
	end_waiting();
}

/* Whoever may not have it must not get it from a stranger. */
static void test_forged_call(void **state)
{
	struct memfs_nlm nlm;

	begin_waiting(GRANT_CALL);
	pthread_mutex_lock(&m->lock);
	for (int i = 0; i < 16; i++)
		if (m->nlm.wait[i].lock.ino)
			m->nlm.last = m->nlm.wait[i];
	pthread_mutex_unlock(&m->lock);
	assert_int_equal(grant_again("127.0.0.2", 0), -ECONNRESET);
	assert_int_equal(grant_again(NULL, 1), NLM_DENIED);
	assert_false(waiting->done);
	/* Interrupted: the server is told. */
	interrupt(&other, 77);
	assert_int_equal(call_wait(waiting), -EINTR);
	for (int i = 0; i < 2000 && !memfs_nlm(m).cancels; i++)
		pump();
	nlm = memfs_nlm(m);
	assert_int_equal(nlm.cancels, 1);
	assert_int_equal(grant_again(NULL, 0), NLM_DENIED);
	assert_int_equal(set_lock(&d, held_by, 1, F_UNLCK, 0, 9), 0);
	end_waiting();
}

static unsigned int nr_waiting_there(void)
{
	struct memfs_nlm nlm = memfs_nlm(m);
	unsigned int nr = 0;

	for (size_t i = 0; i < ARRAY_SIZE(nlm.wait); i++)
		nr += nlm.wait[i].lock.ino != 0;
	return nr;
}

/* He asks again before the server has heard that he gave up: that is not to take his new wish along. */
static void test_again_at_once(void **state)
{
	struct call *again = calloc(1, sizeof(*again));
	unsigned int asked;

	begin_waiting(GRANT_CALL);
	interrupt(&other, 77);
	assert_int_equal(call_wait(waiting), -EINTR);
	lock_init(again, &other, FUSE_SETLKW, wanted_by, 1, F_WRLCK, 5, 6);
	call_start(again);
	for (int i = 0; i < 5000 && (memfs_nlm(m).blocked < 2 || !memfs_nlm(m).cancels); i++)
		pump();
	for (int i = 0; i < 20; i++) /* what follows the CANCEL */
		pump();
	assert_int_equal(nr_waiting_there(), 1);
	asked = memfs_nlm(m).asked;
	assert_int_equal(set_lock(&d, held_by, 1, F_UNLCK, 0, 9), 0);
	assert_int_equal(call_wait(again), 0);
	assert_int_equal(memfs_nlm(m).asked, asked);
	assert_int_equal(set_lock(&d, held_by, 1, F_WRLCK, 0, 9), -EAGAIN);
	end_waiting();
	free(again);
}

/* Calls of the server got lost, so that he was to ask again by himself: it still lets him wait. */
static void test_deaf_gives_up(void **state)
{
	struct nfs_locks *l;
	unsigned int asked;

	begin_waiting(GRANT_CALL);
	l = &container_of(other.fs, struct nfs_fs, fs)->locks;
	__atomic_store_n(&l->lost, 3, __ATOMIC_RELAXED);
	asked = memfs_nlm(m).asked;
	for (int i = 0; i < 5000 && memfs_nlm(m).asked == asked; i++)
		pump();
	assert_int_equal(memfs_nlm(m).blocked, 1); /* that was no wish to wait */
	for (int i = 0; i < 20; i++)
		pump();
	interrupt(&other, 77);
	assert_int_equal(call_wait(waiting), -EINTR);
	for (int i = 0; i < 2000 && nr_waiting_there(); i++)
		pump();
	assert_int_equal(nr_waiting_there(), 0);
	end_waiting();
}

static void test_notified(void **state)
{
	begin_waiting(GRANT_CALL);
	assert_int_equal(fake_rpcbind_port(NSM_PROGRAM, "udp"), fake_rpcbind_port(NLM_PROGRAM, "udp"));
	/* No connection tells of it. */
	memfs_forget_locks(m);
	memfs_set_grace(m, true);
	memfs_notify(m, 3);
	for (int i = 0; i < 2000 && !memfs_nr_locks(m); i++)
		pump();
	assert_int_equal(memfs_nr_locks(m), 1);
	memfs_set_grace(m, false);
	/* He who waits asked again: the server had forgotten him, too. */
	for (int i = 0; i < 5000 && memfs_nlm(m).blocked < 2; i++)
		pump();
	assert_int_equal(memfs_nlm(m).blocked, 2);
	assert_int_equal(set_lock(&d, held_by, 1, F_UNLCK, 0, 9), 0);
	assert_int_equal(call_wait(waiting), 0);
	end_waiting();
}

static enum fake_verdict healthy(struct fake *fake, struct fake_call *c)
{
	return FAKE_DEFAULT;
}

/* The machine's own lock manager is there: nobody calls, and all the same nobody waits in vain. */
static void test_other_manager(void **state)
{
	struct call *wait = calloc(1, sizeof(*wait));
	uint64_t a, b;
	struct fake busy;

	fake_start(&busy, healthy);
	__atomic_store_n(&busy.has_side, true, __ATOMIC_RELAXED);
	fake_rpcbind_start();
	fake_rpcbind_set(NLM_PROGRAM, busy.port);
	begin_locks(&a, &b);
	set_grant(GRANT_CALL);
	assert_int_equal(fake_rpcbind_port(NLM_PROGRAM, "tcp"), busy.port);
	assert_int_equal(fake_rpcbind_port(NSM_PROGRAM, "tcp"), 0);
	assert_int_equal(set_lock(&d, a, 1, F_WRLCK, 0, 9), 0);
	lock_init(wait, &other, FUSE_SETLKW, b, 1, F_WRLCK, 5, 6);
	call_start(wait);
	for (int i = 0; i < 5000 && memfs_nlm(m).asked < 4; i++)
		pump();
	assert_int_equal(memfs_nlm(m).blocked, 0);
	assert_int_equal(set_lock(&d, a, 1, F_UNLCK, 0, 9), 0);
	assert_int_equal(call_wait(wait), 0);
	end_locks();
	fake_rpcbind_stop();
	fake_stop(&busy);
	free(wait);
}

/* A socket with a port that nobody has, TCP and UDP: the socket is the caller's to close. */
static int take_port(uint16_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int tcp, udp, rc;

	do {
		tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		a.sin_port = 0;
		assert_int_equal(bind(tcp, (struct sockaddr *)&a, sizeof(a)), 0);
		assert_int_equal(getsockname(tcp, (struct sockaddr *)&a, &len), 0);
		rc = bind(udp, (struct sockaddr *)&a, sizeof(a));
		close(udp);
		if (rc)
			close(tcp);
	} while (rc);
	*port = ntohs(a.sin_port);
	return tcp;
}

static void open_at(struct drive *drive, uint16_t port)
{
	char more[96];

	snprintf(more, sizeof(more), ",lock=remote,nlmport=%u,callbackport=%u", f.port, port);
	drive_with(drive, more, FS_CACHE_AUTO, NULL);
}

/* A firewall lets one port through. */
static void test_callback_port(void **state)
{
	uint16_t port, tcp, udp;
	int fd = take_port(&port);

	fake_rpcbind_start();
	m = memfs_start(&f, 1);
	assert_int_equal(listen(fd, 1), 0);
	open_at(&d, port); /* in use: as without calls */
	nlm_listen_ports(&tcp, &udp);
	assert_int_equal(tcp, 0);
	assert_int_equal(fake_rpcbind_port(NLM_PROGRAM, "tcp"), 0);
	assert_int_equal(set_lock(&d, make(&d, "a", NULL), 1, F_WRLCK, 0, 9), 0);
	drive_close(&d);
	close(fd);
	open_at(&d, port);
	open_at(&other, (uint16_t)(port ^ 1)); /* the first decides */
	nlm_listen_ports(&tcp, &udp);
	assert_int_equal(tcp, port);
	assert_int_equal(udp, port);
	for (int i = 0; i < 4; i++)
		assert_int_equal(fake_rpcbind_port(i & 1 ? NLM_PROGRAM : NSM_PROGRAM, i & 2 ? "tcp" : "udp"),
				 port);
	drive_close(&d);
	drive_close(&other);
	memfs_stop(&f);
	fake_rpcbind_stop();
}

/* A connection that there is no descriptor for is not to keep everybody busy: it is closed. */
static void test_no_descriptors(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct rlimit old, few = { 0 };
	int fds[256], nr = 0, fd;
	ssize_t n = -1;
	char byte;

	begin_waiting(GRANT_CALL);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons(fake_rpcbind_port(NLM_PROGRAM, "tcp"));
	getrlimit(RLIMIT_NOFILE, &old);
	few = (struct rlimit){ 256, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	while (nr < 256 && (fds[nr] = dup(fd)) >= 0)
		nr++;
	for (int i = 0; i < 2000 && n < 0; i++) {
		nlm_listen_poll();
		n = recv(fd, &byte, 1, MSG_DONTWAIT);
		usleep(1000);
	}
	while (nr)
		close(fds[--nr]);
	close(fd);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(n, 0);
	/* Others are taken again. */
	assert_int_equal(set_lock(&d, held_by, 1, F_UNLCK, 0, 9), 0);
	assert_int_equal(call_wait(waiting), 0);
	assert_int_equal(grant_again(NULL, 0), NLM_GRANTED);
	end_waiting();
}

/* ---- a controller that was killed ---- */

/* The program's other main(), see run_and_die(). */
static int take_lock_and_die(char **argv)
{
	f.port = (uint16_t)atoi(argv[1]);
	rpcbind_path = argv[4];
	drive_with(&d, argv[2], FS_CACHE_AUTO, argv[3]);
	return set_lock(&d, make(&d, "a", NULL), 1, F_WRLCK, 0, 3) ? 1 : 0;
}

/* In a process of its own, which takes a lock and is gone. */
static void run_and_die(const char *more, const char *state_dir)
{
	char port[16];
	int status;
	pid_t pid = fork();

	if (!pid) {
		snprintf(port, sizeof(port), "%u", f.port);
		execl("/proc/self/exe", "test_nfs_locks", port, more, state_dir, rpcbind_path, NULL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_killed(void **state)
{
	char dir[] = "/tmp/softdpu-test-nsm.XXXXXX", more[64], line[128];
	struct fake busy;
	uint64_t fh;

	assert_non_null(mkdtemp(dir));
	fake_rpcbind_start();
	m = memfs_start(&f, 1);
	snprintf(more, sizeof(more), ",lock=remote,nlmport=%u", f.port);
	run_and_die(more, dir);
	assert_int_equal(memfs_nr_locks(m), 1);
	/* What it registered is replaced; what it locked is free, and nobody waits for that in vain. */
	drive_with(&d, more, FS_CACHE_AUTO, dir);
	fh = make(&d, "a", NULL);
	assert_int_equal(set_lock(&d, fh, 1, F_WRLCK, 0, 3), 0);
	assert_int_equal(memfs_nlm(m).free_alls, 1);
	assert_int_equal(memfs_nr_locks(m), 1);
	drive_close(&d);
	assert_int_equal(memfs_nr_locks(m), 0);
	/* With another lock manager on the machine its locks would go, too: the next one does it. */
	run_and_die(more, dir);
	fake_start(&busy, healthy);
	__atomic_store_n(&busy.has_side, true, __ATOMIC_RELAXED);
	fake_rpcbind_clear();
	fake_rpcbind_set(NLM_PROGRAM, busy.port);
	drive_with(&d, more, FS_CACHE_AUTO, dir);
	assert_int_equal(set_lock(&d, make(&d, "a", NULL), 1, F_WRLCK, 0, 3), -EAGAIN);
	drive_close(&d);
	fake_rpcbind_clear();
	fake_stop(&busy);
	drive_with(&d, more, FS_CACHE_AUTO, dir);
	assert_int_equal(set_lock(&d, make(&d, "a", NULL), 1, F_WRLCK, 0, 3), 0);
	assert_int_equal(memfs_nlm(m).free_alls, 2);
	drive_close(&d);
	/* That one ended well. */
	drive_with(&d, more, FS_CACHE_AUTO, dir);
	assert_int_equal(set_lock(&d, make(&d, "a", NULL), 1, F_WRLCK, 5, 20), 0);
	assert_int_equal(memfs_nlm(m).free_alls, 2);
	/* Freeing all would take this one's: the dead one's stay. */
	run_and_die(more, dir);
	drive_with(&other, more, FS_CACHE_AUTO, dir);
	for (int i = 0; i < 200; i++)
		pump();
	assert_int_equal(memfs_nlm(m).free_alls, 2);
	drive_close(&other);
	drive_close(&d);
	memfs_stop(&f);
	fake_rpcbind_stop();
	snprintf(line, sizeof(line), "rm -rf %s", dir);
	assert_int_equal(system(line), 0);
}

/* Nothing is written through what lies in the place of a note. */
static void test_note_elsewhere(void **state)
{
	char dir[] = "/tmp/softdpu-test-nsm.XXXXXX", more[64], path[128], target[128];
	struct stat st;
	glob_t notes;

	assert_non_null(mkdtemp(dir));
	m = memfs_start(&f, 1);
	snprintf(more, sizeof(more), ",lock=remote,nlmport=%u", f.port);
	drive_with(&d, more, FS_CACHE_AUTO, dir);
	drive_close(&d);
	snprintf(path, sizeof(path), "%s/nsm-*-0", dir);
	assert_int_equal(glob(path, 0, NULL, &notes), 0);
	snprintf(target, sizeof(target), "%s/target", dir);
	snprintf(path, sizeof(path), "%s.new", notes.gl_pathv[0]);
	assert_int_equal(symlink(target, path), 0);
	drive_with(&d, more, FS_CACHE_AUTO, dir);
	drive_close(&d);
	assert_int_equal(stat(target, &st), -1);
	assert_int_equal(lstat(notes.gl_pathv[0], &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 077, 0);
	globfree(&notes);
	memfs_stop(&f);
	snprintf(path, sizeof(path), "rm -rf %s", dir);
	assert_int_equal(system(path), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_locks),
		cmocka_unit_test(test_lock_waits),
		cmocka_unit_test(test_lock_reclaim),
		cmocka_unit_test(test_no_locks),
		cmocka_unit_test(test_called_back),
		cmocka_unit_test(test_message),
		cmocka_unit_test(test_call_lost),
		cmocka_unit_test(test_strange_calls),
		cmocka_unit_test(test_forged_call),
		cmocka_unit_test(test_again_at_once),
		cmocka_unit_test(test_deaf_gives_up),
		cmocka_unit_test(test_notified),
		cmocka_unit_test(test_other_manager),
		cmocka_unit_test(test_callback_port),
		cmocka_unit_test(test_no_descriptors),
		cmocka_unit_test(test_note_elsewhere),
		cmocka_unit_test(test_killed),
	};

	if (argc == 5)
		_exit(take_lock_and_die(argv));
	rpcbind_path = "/nonexistent"; /* this machine's is none of our business */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
