/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What POSIX and the Linux manual pages say about files, sentence by sentence.
 *
 * Theory of Operation: topics, each in a child process inside a directory of its own, so that one
 * can neither see nor break another, and one that hangs is killed and reported. Assertions do not
 * end a topic: each is counted in memory shared with the parent, and a failed one prints "not ok"
 * with the sentence it stands for. The same binary runs on tmpfs and ext4: that is the oracle which
 * tells whether an assertion is right. A file system that is known to differ has a row in known.c;
 * a row nothing needs any more fails the topic, so the table cannot rot.
 */
#include "posix.h"

#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <time.h>

#define EXIT_SKIP 77
#define MAX_KNOWN 256

static const struct px_topic *const suites[] = {
	px_topics_paths, px_topics_errors, px_topics_open, px_topics_create, px_topics_perm,
	px_topics_owner, px_topics_links, px_topics_rename, px_topics_times, px_topics_data,
	px_topics_space, px_topics_xattr, px_topics_acl, px_topics_locks, px_topics_lockwait,
	px_topics_caps, px_topics_more,
};

/* Shared with the children. */
static struct shared {
	unsigned int passed;
	unsigned int failed;
	unsigned int known;
	bool used[MAX_KNOWN];
	char skip[256];
} *shared;

static const struct px_topic *current;
static unsigned int topic_seconds = 60;
static bool verbose;
const char *px_fs = "other";

const char *px_law(const char *fmt, ...)
{
	static char buf[8][512];
	static unsigned int next;
	char *p = buf[next++ % 8];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p, sizeof(buf[0]), fmt, ap);
	va_end(ap);
	return p;
}

static bool applies(const struct px_known *k)
{
	return (!strcmp(k->fs, px_fs) || !strcmp(k->fs, "*")) && !strcmp(k->topic, current->name);
}

/* Whether the difference has its row; marks the row as needed. */
static bool is_known(const char *law)
{
	for (size_t i = 0; px_known[i].topic != NULL && i < MAX_KNOWN; i++) {
		if (!applies(&px_known[i]) || px_known[i].law == NULL ||
		    strstr(law, px_known[i].law) == NULL)
			continue;
		shared->used[i] = true;
		return true;
	}
	return false;
}

static void pass(const char *law)
{
	__atomic_add_fetch(&shared->passed, 1, __ATOMIC_RELAXED);
	if (verbose)
		dprintf(1, "# pass %s: %s\n", current->name, law);
}

static void fail(const char *law, const char *file, int line, const char *what, const char *got,
		 const char *want)
{
	const char *base = strrchr(file, '/');

	if (is_known(law)) {
		__atomic_add_fetch(&shared->known, 1, __ATOMIC_RELAXED);
		return;
	}
	__atomic_add_fetch(&shared->failed, 1, __ATOMIC_RELAXED);
	dprintf(1, "not ok - %s: %s: got %s, expected %s (%s, %s:%d)\n", current->name, law, got,
		want, what, base ? base + 1 : file, line);
}

void px_call(const char *law, long ret, int want, const char *what, const char *file, int line)
{
	int got = ret == -1 ? errno : 0;

	if (got == want)
		pass(law);
	else
		fail(law, file, line, what, strerror(got), strerror(want));
}

void px_same(const char *law, long long got, long long want, const char *what, const char *file,
	     int line)
{
	if (got == want)
		pass(law);
	else
		fail(law, file, line, what, px_law("%lld (%#llo)", got, got),
		     px_law("%lld (%#llo)", want, want));
}

long px_need(long ret, const char *what, const char *file, int line)
{
	if (ret == -1) {
		fail("setting the stage", file, line, what, strerror(errno), strerror(0));
		_exit(1);
	}
	return ret;
}

void px_skip(const char *why)
{
	snprintf(shared->skip, sizeof(shared->skip), "%s", why);
	_exit(EXIT_SKIP);
}

/* ---- running topics ---- */

static void child_main(const struct px_topic *t)
{
	setpgid(0, 0);
	umask(0);
	NEED(mkdir(t->name, 0755));
	NEED(chdir(t->name));
	t->run();
	_exit(0);
}

/* Waits for the child; kills it and its children when its time is over. */
static int wait_child(pid_t pid)
{
	time_t end = time(NULL) + (time_t)topic_seconds;
	int status;
	pid_t ret;

	while ((ret = waitpid(pid, &status, WNOHANG)) == 0) {
		if (time(NULL) > end) {
			kill(-pid, SIGKILL);
			sleep(1);
			waitpid(pid, &status, WNOHANG);
			return -1;
		}
		px_msleep(2);
	}
	kill(-pid, SIGKILL); /* whoever the topic left behind */
	return ret == pid ? status : -1;
}

/*
 * Rows for this topic and file system that no assertion needed. Those for skipping, and for all file
 * systems, are a matter of versions.
 */
static void check_rows(void)
{
	for (size_t i = 0; px_known[i].topic != NULL && i < MAX_KNOWN; i++) {
		if (!applies(&px_known[i]) || px_known[i].law == NULL || shared->used[i] ||
		    !strcmp(px_known[i].fs, "*"))
			continue;
		shared->failed++;
		printf("not ok - %s: the row of known.c \"%s\" is not needed on %s\n",
		       current->name, px_known[i].law, px_fs);
	}
}

/* A topic may skip itself only where a row says so. */
static bool may_skip(void)
{
	for (size_t i = 0; px_known[i].topic != NULL && i < MAX_KNOWN; i++) {
		if (!applies(&px_known[i]) || px_known[i].law != NULL)
			continue;
		shared->used[i] = true;
		return true;
	}
	return false;
}

static void judge(int status)
{
	const char *name = current->name;
	bool skipped = status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP;

	if (status == -1) {
		shared->failed++;
		printf("not ok - %s: hung for more than %u s\n", name, topic_seconds);
	} else if (WIFSIGNALED(status)) {
		shared->failed++;
		printf("not ok - %s: killed by signal %d\n", name, WTERMSIG(status));
	} else if (skipped && !may_skip()) {
		shared->failed++;
		printf("not ok - %s: not possible here: %s\n", name, shared->skip);
	}
	check_rows();
	if (shared->failed != 0)
		return;
	if (skipped)
		printf("ok - %s # SKIP %s\n", name, shared->skip);
	else
		printf("ok - %s (%u assertions, %u known differences)\n", name, shared->passed,
		       shared->known);
}

static void run_topic(const struct px_topic *t, struct shared *total)
{
	pid_t pid;

	current = t;
	memset(shared, 0, sizeof(*shared));
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		child_main(t);
	judge(pid < 0 ? -1 : wait_child(pid));
	total->passed += shared->passed;
	total->failed += shared->failed;
	total->known += shared->known;
}

static bool wanted(const char *name, char **filters, int nfilters)
{
	for (int i = 0; i < nfilters; i++) {
		if (strstr(name, filters[i]) != NULL)
			return true;
	}
	return nfilters == 0;
}

static void run_all(char **filters, int nfilters, struct shared *total)
{
	for (size_t s = 0; s < ARRAY_LEN(suites); s++) {
		for (const struct px_topic *t = suites[s]; t->name != NULL; t++) {
			if (wanted(t->name, filters, nfilters))
				run_topic(t, total);
		}
	}
}

static void find_fs(void)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} known[] = {
		{ 0x01021994, "tmpfs" }, { 0xef53, "ext4" }, { 0x794c7630, "overlay" },
		{ 0x65735546, "fuse" },
	};
	struct statfs sfs;

	if (statfs(".", &sfs) < 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if ((unsigned long)sfs.f_type == known[i].magic)
			px_fs = known[i].name;
	}
}

int main(int argc, char **argv)
{
	struct shared total = { 0 };
	int opt;

	while ((opt = getopt(argc, argv, "it:v")) != -1) {
		if (opt == 'i')
			return px_print_ids();
		if (opt == 't')
			topic_seconds = (unsigned int)strtoul(optarg, NULL, 10);
		verbose = verbose || opt == 'v';
	}
	if (opt == '?' || optind >= argc) {
		fprintf(stderr, "usage: posix [-v] [-t SECONDS] DIR [TOPIC...]\n");
		return 2;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED || chdir(argv[optind]) < 0) {
		perror(argv[optind]);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	find_fs();
	run_all(argv + optind + 1, argc - optind - 1, &total);
	printf("# posix on %s: %u assertions hold, %u do not, %u known differences\n", px_fs,
	       total.passed, total.failed, total.known);
	return total.failed != 0 || total.passed == 0;
}
