/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks on a server that restarts, does not answer, or has no lock manager: what is lost, who gets them then, and
 * who waits for ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "fake_rpcbind.h"
#include "fs/nfs/nfs.h"
#include "fs/nfs/nlm_serve.h"
#include "fs/nfs/rpcbind.h"
#include "lock_rig.h"

enum { NLM_PROC_LOCK = 2, NLM_PROC_UNLOCK = 4, NLM_PROC_FREE_ALL = 23 };

static uint64_t a, b;
static struct call call;

/* What every port mapper says. */
static int port_answer = -ECONNREFUSED; /* atomic */
static unsigned int port_asked; /* atomic */

int __wrap_rpc_sync_port(struct sockaddr_storage *addr, uint32_t prog, uint32_t vers, uint64_t until_ns);
int __wrap_rpc_sync_port(struct sockaddr_storage *addr, uint32_t prog, uint32_t vers, uint64_t until_ns)
{
	__atomic_add_fetch(&port_asked, 1, __ATOMIC_RELAXED);
	return __atomic_load_n(&port_answer, __ATOMIC_RELAXED);
}

/* ---- a lock manager that is silent, or late ---- */

static uint32_t mute; /* atomic: calls of this procedure are lost */
static uint32_t late; /* atomic: executed now, answered later */

static enum fake_verdict faulty(struct fake *fk, struct fake_call *c)
{
	enum fake_verdict verdict;

	if (c->prog == FAKE_NLM && c->proc == __atomic_load_n(&mute, __ATOMIC_RELAXED))
		return FAKE_DROP;
	verdict = memfs_handle(fk, c);
	if (c->prog == FAKE_NLM && c->proc == __atomic_load_n(&late, __ATOMIC_RELAXED)) {
		__atomic_store_n(&late, 0, __ATOMIC_RELAXED);
		c->delay_ms = 500;
	}
	return verdict;
}

static void be_faulty(uint32_t *what, uint32_t proc)
{
	__atomic_store_n(what, proc, __ATOMIC_RELAXED);
	__atomic_store_n(&f.handle, faulty, __ATOMIC_RELEASE);
}

static void pump_until_locks(unsigned int nr)
{
	for (int i = 0; i < 5000 && memfs_nr_locks(m) != nr; i++)
		pump();
	assert_int_equal(memfs_nr_locks(m), nr);
}

/* Somebody is there to notice that the server has new connections. */
static void restart(bool grace)
{
	struct fuse_attr attr;

	memfs_set_grace(m, grace);
	memfs_restart(&f, m);
	assert_int_equal(op_getattr(&d, ROOT, &attr), 0);
}

/* ---- what is written under a lock ---- */

static void expect_stable(const char *text)
{
	char got[16] = "";

	assert_int_equal(memfs_stable(m, "a", got, sizeof(got)), strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

/* Whoever has the lock next wrote the same place, safely. What we had there does not come back. */
static void next_writes(const char *text)
{
	memfs_put(m, "a", text, strlen(text));
	restart(false);
	assert_int_equal(t_handle_op(&d, FUSE_FSYNC, a), 0);
	expect_stable(text);
}

static void test_safe_before_others(void **state)
{
	struct fuse_entry_out e;
	uint64_t reading;

	begin_locks(&a, &b);
	assert_int_equal(set_lock(&d, a, 1, F_WRLCK, 0, 9), 0);
	assert_int_equal(op_write(&d, a, "ours", 4, 0, 0), 4);
	assert_int_equal(set_lock(&d, a, 1, F_UNLCK, 0, 9), 0);
	expect_stable("ours");
	next_writes("his");
	/* close() of another descriptor of the process lets go of it, too. */
	assert_int_equal(op_lookup(&d, ROOT, "a", &e), 0);
	assert_int_equal(op_open(&d, e.nodeid, O_RDONLY, &reading), 0);
	assert_int_equal(set_lock(&d, a, 1, F_WRLCK, 0, 9), 0);
	assert_int_equal(op_write(&d, a, "more", 4, 0, 0), 4);
	be_faulty(&mute, NLM_PROC_UNLOCK);
	call_init(&call, &d, FUSE_FLUSH, ROOT);
	call.arg.flush = (struct fuse_flush_in){ .fh = reading, .lock_owner = 1 };
	call_start(&call);
	for (int i = 0; i < 100; i++)
		pump();
	assert_false(call.done);
	expect_stable("more");
	be_faulty(&mute, 0);
	assert_int_equal(call_wait(&call), 0);
	assert_int_equal(memfs_nr_locks(m), 0);
	next_writes("hers");
	end_locks();
}

/* ---- the guest goes while the server does not answer ---- */

static void test_unheard_close(void **state)
{
	begin_locks(&a, &b);
	assert_int_equal(set_lock(&d, a, 1, F_WRLCK, 0, 9), 0);
	be_faulty(&mute, NLM_PROC_UNLOCK);
	call_init(&call, &d, FUSE_FLUSH, ROOT);
	call.arg.flush = (struct fuse_flush_in){ .fh = a, .lock_owner = 1 };
	call_start(&call);
	for (int i = 0; i < 20; i++)
		pump();
	assert_false(call.done);
	d.fs->ops->cancel(d.ft);
	call_wait(&call);
	d.fs->ops->reset(d.fs);
	assert_int_equal(memfs_nr_locks(m), 1);
	be_faulty(&mute, 0);
	pump_until_locks(0);
	assert_int_equal(set_lock(&other, b, 1, F_WRLCK, 0, 9), 0);
	end_locks();
}

/* ---- calls under way when the server restarts ---- */

/* Its grace period is for what it gave before: not to be spent waiting for the end of it. */
static void test_reclaim_in_time(void **state)
{
	unsigned int asked;

	begin_locks(&a, &b);
	assert_int_equal(set_lock(&d, a, 1, F_WRLCK, 0, 9), 0);
	asked = memfs_nlm(m).asked;
	memfs_set_grace(m, true);
	lock_init(&call, &d, FUSE_SETLK, a, 1, F_WRLCK, 20, 29);
	call_start(&call);
	for (int i = 0; i < 5000 && memfs_nlm(m).asked == asked; i++)
		pump();
	restart(true);
	pump_until_locks(1);
	assert_false(call.done);
	memfs_set_grace(m, false);
	assert_int_equal(call_wait(&call), 0);
	assert_int_equal(memfs_nr_locks(m), 2);
	assert_int_equal(flush_owner(&d, a, 1), 0);
	/* What is being let go of is not taken again. */
	assert_int_equal(set_lock(&d, a, 1, F_WRLCK, 0, 9), 0);
	be_faulty(&mute, NLM_PROC_UNLOCK);
	lock_init(&call, &d, FUSE_SETLK, a, 1, F_UNLCK, 0, 4);
	call_start(&call);
	for (int i = 0; i < 20; i++)
		pump();
	restart(true);
	pump_until_locks(1);
	memfs_set_grace(m, false);
	assert_int_equal(set_lock(&other, b, 1, F_WRLCK, 0, 4), 0);
	assert_int_equal(set_lock(&other, b, 1, F_WRLCK, 5, 5), -EAGAIN);
	be_faulty(&mute, 0);
	assert_int_equal(call_wait(&call), 0);
	end_locks();
}

/* The answer is that of a lock manager which has forgotten what it says by the time we read it. */
static void test_answer_of_before(void **state)
{
	fake_rpcbind_start();
	begin_locks(&a, &b);
	memfs_set_grant(m, GRANT_CALL, fake_rpcbind_port(NLM_PROGRAM, "tcp"),
			fake_rpcbind_port(NLM_PROGRAM, "udp"));
	be_faulty(&late, NLM_PROC_LOCK);
	lock_init(&call, &d, FUSE_SETLK, a, 1, F_WRLCK, 0, 9);
	call_start(&call);
	pump_until_locks(1);
	memfs_forget_locks(m);
	memfs_notify(m, 3);
	while (!call.done)
		pump();
	assert_int_equal(call.err, 0);
	assert_int_equal(set_lock(&other, b, 1, F_WRLCK, 0, 9), -EAGAIN);
	end_locks();
	fake_rpcbind_stop();
}

/* ---- what a killed controller left behind ---- */

static bool note_says(const char *path, const char *what)
{
	char line[128] = "";
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	return strstr(line, what);
}

/* A server that does not say whether it has freed that: new locks do not wait for ever, nor for those that went. */
static void test_never_freed(void **state)
{
	char dir[] = "/tmp/softdpu-test-nsm.XXXXXX", more[64], line[128];
	glob_t notes;
	FILE *file;

	assert_non_null(mkdtemp(dir));
	m = memfs_start(&f, 1);
	snprintf(more, sizeof(more), ",lock=remote,retrans=0,nlmport=%u", f.port);
	drive_with(&d, more, FS_CACHE_AUTO, dir);
	drive_close(&d);
	snprintf(line, sizeof(line), "%s/nsm-*-0", dir);
	assert_int_equal(glob(line, 0, NULL, &notes), 0);
	file = fopen(notes.gl_pathv[0], "w");
	fputs("state 1 locks 1 127.0.0.1\n", file);
	fclose(file);
	be_faulty(&mute, NLM_PROC_FREE_ALL);
	drive_with(&d, more, FS_CACHE_AUTO, dir);
	a = make(&d, "a", NULL);
	lock_init(&call, &d, FUSE_SETLKW, a, 1, F_WRLCK, 0, 9);
	call.in.unique = 77;
	call_start(&call);
	for (int i = 0; i < 20; i++)
		d.fs->ops->poll(d.ft);
	assert_false(call.done);
	interrupt(&d, 77);
	assert_int_equal(call_wait(&call), -EINTR);
	assert_true(container_of(d.fs, struct nfs_fs, fs)->locks.freeing);
	assert_int_equal(set_lock(&d, a, 1, F_WRLCK, 0, 9), 0);
	drive_close(&d);
	assert_int_equal(memfs_nr_locks(m), 0);
	assert_true(note_says(notes.gl_pathv[0], "locks 1")); /* for the next one to try */
	be_faulty(&mute, 0);
	drive_with(&d, more, FS_CACHE_AUTO, dir);
	assert_int_equal(set_lock(&d, make(&d, "a", NULL), 1, F_WRLCK, 0, 9), 0);
	drive_close(&d);
	assert_int_equal(memfs_nlm(m).free_alls, 1);
	assert_true(note_says(notes.gl_pathv[0], "locks 0"));
	globfree(&notes);
	memfs_stop(&f);
	snprintf(line, sizeof(line), "rm -rf %s", dir);
	assert_int_equal(system(line), 0);
}

/* ---- nobody there ---- */

static void test_no_manager(void **state)
{
	struct call *deaf = calloc(1, sizeof(*deaf));
	struct fuse_attr attr;

	m = memfs_start(&f, 1);
	drive_with(&d, ",lock=remote", FS_CACHE_AUTO, NULL);
	drive_with(&other, ",lock=remote", FS_CACHE_AUTO, NULL);
	a = make(&d, "a", NULL);
	b = make(&other, "a", NULL);
	/* The port mapper does not answer, so it has to be waited for; but not by who is to die. */
	lock_init(deaf, &other, FUSE_SETLK, b, 1, F_WRLCK, 0, 9);
	deaf->in.unique = 78;
	call_start(deaf);
	interrupt(&other, 78);
	while (!__atomic_load_n(&port_asked, __ATOMIC_RELAXED))
		pump();
	for (int i = 0; i < 50; i++)
		pump();
	/* It knows of none: there are no locks to be had. */
	__atomic_store_n(&port_answer, -ENOENT, __ATOMIC_RELAXED);
	lock_init(&call, &d, FUSE_SETLK, a, 1, F_WRLCK, 0, 9);
	call_start(&call);
	for (int i = 0; i < 20000 && !(call.done && deaf->done); i++) {
		pump();
		if (i % 50 == 0)
			assert_int_equal(op_getattr(&other, ROOT, &attr), 0);
	}
	assert_true(call.done && deaf->done);
	assert_int_equal(call.err, -ENOLCK);
	assert_int_equal(deaf->err, -EINTR);
	__atomic_store_n(&port_answer, -ECONNREFUSED, __ATOMIC_RELAXED);
	drive_close(&other);
	drive_close(&d);
	memfs_stop(&f);
	free(deaf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_safe_before_others),
		cmocka_unit_test(test_unheard_close),
		cmocka_unit_test(test_reclaim_in_time),
		cmocka_unit_test(test_answer_of_before),
		cmocka_unit_test(test_never_freed),
		cmocka_unit_test(test_no_manager),
	};

	rpcbind_path = "/nonexistent"; /* this machine's is none of our business */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
