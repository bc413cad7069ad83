/* SPDX-License-Identifier: BSD-3-Clause */
/* The journal of silly renames: what is in its file, and when. */
#include <errno.h>
#include <glob.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/fs.h"
#include "fs/nfs/nfs_journal.h"
#include "signals.h"

static const struct nfs_fh fh = { .len = 4, .data = "root" };
static const struct nfs_cred cred = { .uid = 1, .gid = 2, .ngroups = 1, .groups = { 3 } };
static char dir[32], found_names[4][64];
static unsigned int nr_found, syncs, renames, fail_sync, fail_rename; /* atomic from syncs on */
static bool no_disk; /* what is synchronised would take its time */
static const char *must_stay; /* a name that is in every file that has the journal's name */

static char *slurp(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t room = 0;

	if (!file || getdelim(&text, &room, 0, file) < 0) {
		free(text);
		text = strdup("");
	}
	if (file)
		fclose(file);
	return text;
}

static bool in_file(const char *path, const char *what)
{
	char *text = slurp(path);
	bool there = strstr(text, what);

	free(text);
	return there;
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	__atomic_add_fetch(&syncs, 1, __ATOMIC_SEQ_CST);
	if (__atomic_exchange_n(&fail_sync, 0, __ATOMIC_SEQ_CST)) {
		errno = EIO;
		return -1;
	}
	return no_disk ? 0 : __real_fdatasync(fd);
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
	__atomic_add_fetch(&renames, 1, __ATOMIC_SEQ_CST);
	if (must_stay && (!in_file(from, must_stay) || !in_file(to, must_stay)))
		abort();
	if (__atomic_exchange_n(&fail_rename, 0, __ATOMIC_SEQ_CST)) {
		errno = EIO;
		return -1;
	}
	return __real_rename(from, to);
}

static void found(void *arg, const struct nfs_fh *f, const struct nfs_cred *c, const char *name,
		  struct journal_name *jn)
{
	assert_int_equal(f->len, 4);
	assert_memory_equal(f->data, "root", 4);
	assert_int_equal(c->uid, 1);
	assert_int_equal(c->groups[0], 3);
	if (nr_found < 4)
		snprintf(found_names[nr_found], sizeof(found_names[0]), "%s", name);
	nr_found++;
	if (arg)
		*(struct journal_name **)arg = jn;
}

static struct nfs_journal *open_it(struct journal_name **last)
{
	struct nfs_journal *j;
	char err[FS_ERR_LEN];

	nr_found = 0;
	assert_int_equal(journal_open(dir, "server", "/x", found, last, &j, err), 0);
	return j;
}

static const char *name_of(unsigned int i)
{
	static char name[64];

	snprintf(name, sizeof(name), ".nfs%016x%08x", i, i);
	return name;
}

/* The path of the number-th of the files there are, or NULL. */
static const char *file(unsigned int number)
{
	static char path[128];
	char pattern[64];
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s/*-%u.silly", dir, number);
	path[0] = '\0';
	if (!glob(pattern, 0, NULL, &g))
		snprintf(path, sizeof(path), "%s", g.gl_pathv[0]);
	globfree(&g);
	return *path ? path : NULL;
}

static off_t size_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/* ---- waiting for a name to be on the disk ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static unsigned int nr_done, synced_then;

static void done(void *arg)
{
	pthread_mutex_lock(&lock);
	nr_done++;
	synced_then = __atomic_load_n(&syncs, __ATOMIC_SEQ_CST);
	if (!in_file(file(0), arg))
		synced_then = 0;
	pthread_cond_signal(&wake);
	pthread_mutex_unlock(&lock);
}

static struct journal_name *add(struct nfs_journal *j, const char *name)
{
	struct journal_name *jn;

	pthread_mutex_lock(&lock);
	nr_done = 0;
	jn = journal_add(j, &fh, &cred, name, done, (void *)name);
	assert_non_null(jn);
	while (!nr_done)
		pthread_cond_wait(&wake, &lock);
	pthread_mutex_unlock(&lock);
	return jn;
}

static int setup(void **state)
{
	strcpy(dir, "/tmp/softdpu-jtest.XXXXXX");
	must_stay = NULL;
	syncs = renames = fail_sync = fail_rename = 0;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	return rmdir(dir); /* nothing is left in it */
}

/* ---- tests ---- */

static void test_on_disk_first(void **state)
{
	struct nfs_journal *j = open_it(NULL);
	struct journal_name *a;
	unsigned int before = syncs;

	a = add(j, name_of(1));
	assert_true(synced_then > before);
	assert_true(signals_are_left(0));
	journal_remove(j, a);
	journal_close(j);
	/* Without a directory there is none, which is all right. */
	assert_null(journal_add(NULL, &fh, &cred, "x", done, NULL));
	journal_remove(NULL, NULL);
}

/* It does not grow for ever while a name stays, which is in it at any time. */
static void test_stays_short(void **state)
{
	struct nfs_journal *j = open_it(NULL);
	char first[64], path[128];
	struct journal_name *a;

	snprintf(first, sizeof(first), "%s", name_of(99999));
	a = add(j, first);
	snprintf(path, sizeof(path), "%s", file(0));
	must_stay = first;
	no_disk = true;
	renames = 0;
	for (unsigned int i = 0; i < 3000; i++) { /* 300 KiB of lines */
		journal_remove(j, add(j, name_of(i)));
		assert_true(size_of(path) < 70000);
	}
	assert_in_range(renames, 1, 10);
	assert_true(in_file(path, first));
	must_stay = NULL;
	no_disk = false;
	journal_remove(j, a);
	journal_close(j);
}

static void test_many_lines(void **state)
{
	struct nfs_journal *j = open_it(NULL);
	struct journal_name *last;
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s", file(0));
	journal_close(j);
	out = fopen(path, "w");
	assert_non_null(out);
	for (unsigned int i = 0; i < 200000; i++)
		fprintf(out, "+ 726f6f74 1 2,3 %s\n", name_of(i));
	for (unsigned int i = 0; i < 200000; i++)
		if (i != 777)
			fprintf(out, "- %s\n", name_of(i));
	fprintf(out, "+ 726f6f74 1 2,3 %s", name_of(300000)); /* no end */
	fclose(out);
	j = open_it(&last);
	assert_int_equal(nr_found, 1);
	assert_string_equal(found_names[0], name_of(777));
	assert_true(size_of(path) < 100);
	/* It stays there until it is removed, over another crash as well. */
	journal_close(j);
	j = open_it(&last);
	assert_int_equal(nr_found, 1);
	journal_remove(j, last);
	journal_close(j);
}

static void test_disk_fails(void **state)
{
	struct nfs_journal *j = open_it(NULL);
	struct journal_name *a, *b, *c;
	char first[64], second[64];

	snprintf(first, sizeof(first), "%s", name_of(1));
	snprintf(second, sizeof(second), "%s", name_of(2));
	fail_sync = 1;
	a = add(j, first); /* nobody is held up */
	renames = 0;
	b = add(j, second);
	assert_int_equal(renames, 1); /* what the disk has is not known: all of it once more */
	assert_true(in_file(file(0), first));
	assert_true(in_file(file(0), second));
	c = add(j, name_of(3));
	assert_int_equal(renames, 1);
	journal_remove(j, a);
	journal_remove(j, b);
	journal_remove(j, c);
	journal_close(j);
}

/* Two that died left files; taking them over loses no name, whenever it fails. */
static void test_take_over(void **state)
{
	struct nfs_journal *j[2] = { open_it(NULL), open_it(NULL) }, *again;
	char err[FS_ERR_LEN], names[2][64];
	struct journal_name *jn[2];

	for (int i = 0; i < 2; i++) {
		snprintf(names[i], sizeof(names[i]), "%s", name_of((unsigned int)i));
		pthread_mutex_lock(&lock);
		nr_done = 0;
		jn[i] = journal_add(j[i], &fh, &cred, names[i], done, names[0]);
		assert_non_null(jn[i]);
		while (!nr_done)
			pthread_cond_wait(&wake, &lock);
		pthread_mutex_unlock(&lock);
	}
	journal_close(j[0]);
	journal_close(j[1]);
	fail_rename = 1;
	assert_int_equal(journal_open(dir, "server", "/x", found, NULL, &again, err), -EIO);
	assert_true(in_file(file(0), names[0]));
	assert_true(in_file(file(1), names[1]));
	again = open_it(NULL);
	assert_int_equal(nr_found, 2);
	assert_null(file(1));
	assert_true(in_file(file(0), names[0]) && in_file(file(0), names[1]));
	/* One in use is another's. */
	j[0] = open_it(NULL);
	assert_int_equal(nr_found, 0);
	journal_close(j[0]);
	journal_close(again);
	assert_int_equal(unlink(file(0)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_on_disk_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stays_short, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_disk_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_take_over, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
