/* SPDX-License-Identifier: BSD-3-Clause */
/* The filter of system calls and the capabilities, each case in a process of its own. */
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf.h"
#include "filter.h"
#include "privileges.h"

/* ---- what a process does behind the filter ---- */

static int do_nothing(void)
{
	return 0;
}

/* Which need these themselves, in search of leaks. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define WITHOUT_SANITIZER

static int do_execve(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return 1;
}

static int do_fork(void)
{
	return fork() < 0;
}

static int do_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0;
}

static int do_kill_parent(void)
{
	return kill(getppid(), 0) != 0;
}
#endif

static int do_mount(void)
{
	return mount("none", "/proc/nowhere", "tmpfs", 0, NULL) != 0;
}

static int do_unshare(void)
{
	return unshare(CLONE_NEWNS) != 0;
}

static int do_setuid(void)
{
	return setuid(geteuid()) != 0;
}

static int do_kill_self(void)
{
	return kill(getpid(), 0) != 0;
}

static int do_inet(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EACCES;
}

static int do_packet(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) < 0;
}

static int do_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) < 0;
}

static int do_typing(void)
{
	return ioctl(STDIN_FILENO, TIOCSTI, "x") != 0;
}

static int do_isatty(void)
{
	isatty(STDIN_FILENO);
	return 0;
}

static int do_limit_self(void)
{
	struct rlimit lim;

	return getrlimit(RLIMIT_NOFILE, &lim) || setrlimit(RLIMIT_NOFILE, &lim);
}

static int do_limit_parent(void)
{
	struct rlimit lim;

	return prlimit(getppid(), RLIMIT_NOFILE, NULL, &lim) != 0;
}

static int do_setfsuid(void)
{
	return syscall(SYS_setfsuid, -1) < 0;
}

static void *in_thread(void *arg)
{
	do_mount();
	return arg;
}

/* One of the threads to come: made as libraries make them, and filtered. */
static int do_thread_mount(void)
{
	pthread_t tid;

	return pthread_create(&tid, NULL, in_thread, NULL) || pthread_join(tid, NULL);
}

static void *just_return(void *arg)
{
	return arg;
}

static int do_thread(void)
{
	pthread_t tid;

	return pthread_create(&tid, NULL, just_return, NULL) || pthread_join(tid, NULL);
}

/* ---- the harness ---- */

/* Status as wait() has it, with the process's standard error in said. */
static int behind(enum filter_action action, unsigned int serves, int (*fn)(void), char *said,
		  size_t size)
{
	int fd[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	pid = fork();
	if (!pid) {
		dup2(fd[1], STDERR_FILENO);
		close(fd[0]);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(filter_install(action, serves, 0) ? 99 : fn());
	}
	close(fd[1]);
	while ((n = read(fd[0], said + len, size - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	close(fd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 99)
		skip(); /* a machine without seccomp */
	return status;
}

static const struct {
	const char *what;
	int (*fn)(void);
	unsigned int serves;
	bool killed;
} cases[] = {
	{ "nothing", do_nothing, 0, false },
	{ "a thread", do_thread, 0, false },
	{ "a signal to itself", do_kill_self, 0, false },
	{ "a unix socket", do_unix, 0, false },
	{ "isatty", do_isatty, 0, false },
	{ "limits of itself", do_limit_self, CONF_SERVES_LOCAL, false },
	{ "limits of another", do_limit_parent, CONF_SERVES_LOCAL, true },
	{ "setfsuid for local", do_setfsuid, CONF_SERVES_LOCAL, false },
	{ "an inet socket for nfs", do_inet, CONF_SERVES_NFS, false },
	{ "mount", do_mount, CONF_SERVES_LOCAL | CONF_SERVES_NFS, true },
	{ "mount in a thread", do_thread_mount, CONF_SERVES_LOCAL, true },
	{ "unshare", do_unshare, CONF_SERVES_LOCAL, true },
	{ "setuid", do_setuid, CONF_SERVES_LOCAL | CONF_SERVES_NFS, true },
	{ "setfsuid for null", do_setfsuid, CONF_SERVES_NULL, true },
	{ "an inet socket for local", do_inet, CONF_SERVES_LOCAL, true },
	{ "a packet socket", do_packet, CONF_SERVES_LOCAL | CONF_SERVES_NFS, true },
	{ "typing for others", do_typing, CONF_SERVES_LOCAL, true },
#ifdef WITHOUT_SANITIZER
	{ "a signal to another", do_kill_parent, CONF_SERVES_LOCAL, true },
	{ "execve", do_execve, CONF_SERVES_LOCAL | CONF_SERVES_NFS, true },
	{ "fork", do_fork, CONF_SERVES_LOCAL | CONF_SERVES_NFS, true },
	{ "ptrace", do_ptrace, CONF_SERVES_LOCAL | CONF_SERVES_NFS, true },
#endif
};

static void test_kill(void **state)
{
	char said[512];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int status = behind(FILTER_KILL, cases[i].serves, cases[i].fn, said, sizeof(said));
		bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;

		if (killed != cases[i].killed || (!killed && status))
			fail_msg("%s: status %#x: %s", cases[i].what, status, said);
	}
}

static void test_trap_names(void **state)
{
	char said[512];
	int status = behind(FILTER_TRAP, CONF_SERVES_LOCAL, do_mount, said, sizeof(said));

	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
		fail_msg("status %#x: %s", status, said);
	assert_non_null(strstr(said, "system call mount is not allowed"));
}

static void test_log_and_none(void **state)
{
	char said[512];

	assert_int_equal(behind(FILTER_LOG, 0, do_mount, said, sizeof(said)), 1 << 8);
	assert_int_equal(behind(FILTER_NONE, 0, do_mount, said, sizeof(said)), 1 << 8);
}

static void test_actions(void **state)
{
	enum filter_action a;

	assert_int_equal(filter_parse("trap", &a), 0);
	assert_int_equal(a, FILTER_TRAP);
	assert_int_equal(filter_parse("Kill", &a), -EINVAL);
	assert_int_equal(filter_parse("", &a), -EINVAL);
}

/* ---- capabilities ---- */

static void test_modcaps(void **state)
{
	static const char *const bad[] = { "chown", "+", "-", "+chow", ":+chown",
					   "+chown:mknod", "+cap_", "*chown" };
	struct priv_mods mods;
	const char *where = NULL;

	assert_int_equal(privileges_parse("+sys_admin:-CHOWN,+cap_mknod", &mods, &where), 0);
	assert_true(mods.add == (1ull << CAP_SYS_ADMIN | 1ull << CAP_MKNOD));
	assert_true(mods.drop == 1ull << CAP_CHOWN);
	assert_int_equal(privileges_parse("-chown:+chown:-perfmon:+checkpoint_restore", &mods, &where), 0);
	assert_true(mods.add == (1ull << CAP_CHOWN | 1ull << CAP_CHECKPOINT_RESTORE));
	assert_true(mods.drop == 1ull << CAP_PERFMON);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(privileges_parse(bad[i], &mods, &where), -EINVAL);
	assert_int_equal(privileges_parse("+chown:-nope:+mknod", &mods, &where), -EINVAL);
	assert_string_equal(where, "-nope:+mknod");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kill),	  cmocka_unit_test(test_trap_names),
		cmocka_unit_test(test_log_and_none), cmocka_unit_test(test_actions),
		cmocka_unit_test(test_modcaps),
	};

	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
