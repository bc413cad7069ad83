/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * File-system operations of user space, each with the result POSIX and Linux promise.
 *
 * Theory of Operation: a list of named cases. Every case runs in a child process inside an empty
 * directory of its own below the directory given, so a case can neither see nor break another, and
 * one that hangs is killed and reported. A failed check writes its reason to memory shared with the
 * parent and ends the child. One TAP line per case goes to stdout: "ok - NAME",
 * "not ok - NAME: reason" or "ok - NAME # SKIP reason"; the plan is the caller's. The same binary
 * runs on the host over a plain directory: that is the oracle which tells whether a case is right.
 */
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "fsops.h"

#define EXIT_SKIP 77

static const struct fs_profile profiles[] = {
	{ .name = "host", .xattr = true, .rename_flags = true, .fallocate = true, .holes = true,
	  .wide_times = true, .link_times = true, .truncate_kills = true, .never_stale = true,
	  .supp_groups = true },
	{ .name = "local", .xattr = true, .rename_flags = true, .fallocate = true, .holes = true,
	  .wide_times = true, .link_times = true, .truncate_kills = true, .never_stale = true,
	  .supp_groups = true },
	/*
	 * NFSv3: what the protocol does not carry; the server checks the one group it is told, and a
	 * file another name has replaced is gone for it. The server of the tests (nfs-ganesha 4.3)
	 * leaves the times of symbolic links alone, and set-user-id at a truncation.
	 */
	{ .name = "nfs" },
};

static const struct fs_case *const suites[] = {
	fs_cases_open, fs_cases_data, fs_cases_map, fs_cases_space, fs_cases_attr,
	fs_cases_name, fs_cases_rename, fs_cases_dir, fs_cases_xattr, fs_cases_cred,
};

struct totals {
	unsigned int passed;
	unsigned int failed;
	unsigned int skipped;
};

const struct fs_profile *fs_profile = &profiles[0];
const char *fs_big_dir;
unsigned int fs_big_count;

static char *reason;	/* shared with the children, REASON_MAX bytes */
#define REASON_MAX 4096

static unsigned int case_seconds = 120;

void fs_fail(const char *file, int line, const char *fmt, ...)
{
	const char *base = strrchr(file, '/');
	va_list ap;
	int n;

	n = snprintf(reason, REASON_MAX, "%s:%d: ", base ? base + 1 : file, line);
	va_start(ap, fmt);
	vsnprintf(reason + n, REASON_MAX - (size_t)n, fmt, ap);
	va_end(ap);
	_exit(1);
}

void fs_skip(const char *why)
{
	snprintf(reason, REASON_MAX, "%s", why);
	_exit(EXIT_SKIP);
}

long fs_ok(long ret, const char *what, const char *file, int line)
{
	if (ret == -1)
		fs_fail(file, line, "%s: %s", what, strerror(errno));
	return ret;
}

void fs_err(long ret, int want, int or_want, const char *what, const char *file, int line)
{
	if (ret != -1)
		fs_fail(file, line, "%s: returned %ld, expected %s", what, ret, strerror(want));
	if (errno != want && errno != or_want)
		fs_fail(file, line, "%s: %s, expected %s", what, strerror(errno), strerror(want));
}

void fs_eq(long long got, long long want, const char *what, const char *file, int line)
{
	if (got != want)
		fs_fail(file, line, "%s: is %lld (%#llo), expected %lld (%#llo)", what, got,
			(unsigned long long)got, want, (unsigned long long)want);
}

int fs_open(const char *name, int flags, mode_t mode)
{
	int fd = open(name, flags, mode);

	if (fd < 0)
		fs_fail(__FILE__, __LINE__, "open %s: %s", name, strerror(errno));
	return fd;
}

void fs_put(const char *name, const char *text)
{
	int fd = fs_open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	EQ(write(fd, text, strlen(text)), strlen(text));
	OK(close(fd));
}

void fs_expect(const char *name, const char *text)
{
	int fd = fs_open(name, O_RDONLY, 0);
	char buf[512];
	ssize_t n;

	n = OK(read(fd, buf, sizeof(buf) - 1));
	buf[n] = 0;
	if (strcmp(buf, text) != 0)
		fs_fail(__FILE__, __LINE__, "%s holds \"%.80s\", expected \"%.80s\"", name, buf, text);
	OK(close(fd));
}

struct stat fs_stat(const char *name)
{
	struct stat st;

	if (stat(name, &st) < 0)
		fs_fail(__FILE__, __LINE__, "stat %s: %s", name, strerror(errno));
	return st;
}

struct stat fs_lstat(const char *name)
{
	struct stat st;

	if (lstat(name, &st) < 0)
		fs_fail(__FILE__, __LINE__, "lstat %s: %s", name, strerror(errno));
	return st;
}

mode_t fs_mode(const char *name)
{
	return fs_lstat(name).st_mode & 07777;
}

static unsigned char pattern(uint64_t pos, unsigned int seed)
{
	uint64_t x = (pos >> 3) * 0x9e3779b97f4a7c15ULL + seed * 0x2545f491ULL;

	return (unsigned char)(x >> (8 * (pos & 7)));
}

void fs_fill(unsigned char *buf, size_t len, uint64_t pos, unsigned int seed)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = pattern(pos + i, seed);
}

void fs_check(const unsigned char *buf, size_t len, uint64_t pos, unsigned int seed)
{
	for (size_t i = 0; i < len; i++) {
		if (buf[i] != pattern(pos + i, seed))
			fs_fail(__FILE__, __LINE__, "wrong byte %#x at %llu", buf[i],
				(unsigned long long)(pos + i));
	}
}

void *fs_alloc(size_t len)
{
	void *p = NULL;

	if (posix_memalign(&p, 4096, len) != 0)
		fs_fail(__FILE__, __LINE__, "out of memory");
	return p;
}

static void reap_ok(pid_t pid)
{
	int status;

	OK(waitpid(pid, &status, 0));
	if (!WIFEXITED(status))
		fs_fail(__FILE__, __LINE__, "child killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		_exit(WEXITSTATUS(status));
}

void fs_as(uid_t uid, gid_t gid, const gid_t *groups, size_t ngroups, void (*fn)(void))
{
	pid_t pid = (pid_t)OK(fork());

	if (pid == 0) {
		OK(setgroups(ngroups, groups));
		OK(setresgid(gid, gid, gid));
		OK(setresuid(uid, uid, uid));
		fn();
		_exit(0);
	}
	reap_ok(pid);
}

void fs_together(unsigned int n, void (*fn)(unsigned int who))
{
	pid_t pids[16];

	TRUE(n <= 16);
	for (unsigned int i = 0; i < n; i++) {
		pids[i] = (pid_t)OK(fork());
		if (pids[i] == 0) {
			fn(i);
			_exit(0);
		}
	}
	for (unsigned int i = 0; i < n; i++)
		reap_ok(pids[i]);
}

static void child_main(const struct fs_case *c)
{
	setpgid(0, 0);
	umask(022);
	OK(mkdir(c->name, 0755));
	OK(chdir(c->name));
	c->run();
	_exit(0);
}

/* Waits for the child; kills it and its children when its time is over. Returns its wait status. */
static int wait_child(pid_t pid)
{
	struct timespec nap = { .tv_nsec = 2000000 };
	time_t end = time(NULL) + (time_t)case_seconds;
	int status;
	pid_t ret;

	while ((ret = waitpid(pid, &status, WNOHANG)) == 0) {
		if (time(NULL) > end) {
			kill(-pid, SIGKILL);
			snprintf(reason, REASON_MAX, "hung for more than %u s", case_seconds);
			/* A task the kernel cannot kill must not stop the other cases. */
			sleep(1);
			waitpid(pid, &status, WNOHANG);
			return -1;
		}
		nanosleep(&nap, NULL);
	}
	return ret == pid ? status : -1;
}

static void run_case(const struct fs_case *c, struct totals *t)
{
	int status;
	pid_t pid;

	reason[0] = 0;
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		child_main(c);
	status = pid < 0 ? -1 : wait_child(pid);
	if (status != -1 && WIFSIGNALED(status))
		snprintf(reason, REASON_MAX, "killed by signal %d", WTERMSIG(status));
	if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		t->passed++;
		printf("ok - %s\n", c->name);
	} else if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP) {
		t->skipped++;
		printf("ok - %s # SKIP %s\n", c->name, reason);
	} else {
		t->failed++;
		printf("not ok - %s: %s\n", c->name, reason);
	}
}

static bool wanted(const char *name, char **filters, int nfilters)
{
	for (int i = 0; i < nfilters; i++) {
		if (strstr(name, filters[i]) != NULL)
			return true;
	}
	return nfilters == 0;
}

static void run_all(char **filters, int nfilters, struct totals *t)
{
	for (size_t s = 0; s < sizeof(suites) / sizeof(suites[0]); s++) {
		for (const struct fs_case *c = suites[s]; c->name != NULL; c++) {
			if (wanted(c->name, filters, nfilters))
				run_case(c, t);
		}
	}
}

static int usage(void)
{
	fprintf(stderr, "usage: fsops [-p host|local|nfs] [-b BIGDIR -n COUNT] [-t SECONDS] DIR [NAME...]\n"
		"Runs the cases whose name contains one of NAME (all without) in new directories below DIR.\n");
	return 2;
}

static bool set_profile(const char *name)
{
	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
		if (strcmp(profiles[i].name, name) == 0) {
			fs_profile = &profiles[i];
			return true;
		}
	}
	return false;
}

static bool parse(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "p:b:n:t:")) != -1) {
		if (opt == 'p' && !set_profile(optarg))
			return false;
		if (opt == 'b')
			fs_big_dir = realpath(optarg, NULL);
		if (opt == 'n')
			fs_big_count = (unsigned int)strtoul(optarg, NULL, 10);
		if (opt == 't')
			case_seconds = (unsigned int)strtoul(optarg, NULL, 10);
		if (opt == '?')
			return false;
	}
	return optind < argc;
}

int main(int argc, char **argv)
{
	struct totals t = { 0 };

	if (!parse(argc, argv))
		return usage();
	reason = mmap(NULL, REASON_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (reason == MAP_FAILED || chdir(argv[optind]) < 0) {
		perror(argv[optind]);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	run_all(argv + optind + 1, argc - optind - 1, &t);
	printf("# fsops %s: %u passed, %u failed, %u skipped\n", fs_profile->name, t.passed, t.failed,
	       t.skipped);
	return t.failed != 0 || t.passed == 0;
}
