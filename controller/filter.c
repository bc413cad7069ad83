/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * Three tables say everything: calls that are allowed whatever their arguments, calls that are
 * allowed with some value of one argument, and calls that glibc tries first and that are answered
 * with "not there", so that it does without. The kernel answers for those of the first table from
 * a bitmap, without running the filter's program: everything of the data path has to be in that
 * one, however tempting a condition would be.
 *
 * The lists have the calls that glibc makes for what we ask of it in the versions there are, old
 * and new, not only in that of today. A name that libseccomp does not know yet is left out.
 *
 * What rings of io_uring do never passes here. It can open files and sockets, which the lists allow
 * as well (the sockets: only of kinds we need); it cannot start programs, or processes, trace or
 * mount.
 */
#include "filter.h"

#include <asm/termbits.h>
#include <errno.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "conf.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif

#define LOCAL CONF_SERVES_LOCAL
#define NFS CONF_SERVES_NFS
#define CORE 0x80000000u /* whatever is served */

/* ---- the tables ---- */

static const struct {
	unsigned int serves;
	const char *calls;
} allowed[] = {
	/* memory of our own, of guests, and what allocators do */
	{ CORE, "brk mmap munmap mremap mprotect madvise mincore memfd_create ftruncate fallocate" },
	/* threads, locks, the end */
	{ CORE, "futex futex_wait futex_wake futex_waitv set_robust_list get_robust_list rseq gettid "
	       "sched_yield sched_setaffinity sched_getaffinity sched_getparam sched_getscheduler "
	       "sched_get_priority_max sched_get_priority_min getcpu membarrier exit exit_group "
	       "restart_syscall set_tid_address arch_prctl" },
	{ CORE, "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigtimedwait rt_sigpending rt_sigsuspend "
	       "sigaltstack signalfd4 pause" },
	{ CORE, "clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time "
	       "timerfd_create timerfd_settime timerfd_gettime" },
	/* who and where we are; giving up capabilities */
	{ CORE, "getpid getppid getpgrp getpgid getsid getuid geteuid getgid getegid getgroups capget "
	       "capset umask getcwd uname sysinfo getrandom getrusage getrlimit setrlimit "
	       "times" },
	/* waiting for descriptors, and using them */
	{ CORE, "epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 poll ppoll "
	       "select pselect6 eventfd2 pipe2" },
	/* interrupts */
	{ CORE, "io_setup io_submit io_getevents io_destroy" },
	{ CORE, "read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek close "
	       "close_range dup dup2 dup3 fcntl flock" },
	/* files: sockets and their locks, the board and its state, /proc, names of hosts */
	{ CORE, "open openat openat2 creat stat fstat lstat newfstatat statx statfs fstatfs access "
	       "faccessat faccessat2 readlink readlinkat getdents64 mkdir mkdirat rmdir unlink "
	       "unlinkat rename renameat renameat2 chmod fchmod fchmodat fchmodat2 fsync fdatasync" },
	/* sockets: hosts, the control socket, QMP, syslog */
	{ CORE, "bind listen accept accept4 connect getsockname getpeername getsockopt setsockopt "
	       "shutdown sendto recvfrom sendmsg recvmsg" },
	/* the command of --run */
	{ CORE, "wait4 waitid setpgid" },

	{ LOCAL, "io_uring_setup io_uring_enter io_uring_register" },
	{ LOCAL, "process_vm_readv process_vm_writev splice copy_file_range sendfile fadvise64 "
		 "sync_file_range syncfs truncate msync" },
	{ LOCAL, "link linkat symlink symlinkat mknod mknodat chown fchown lchown fchownat utime "
		 "utimes futimesat utimensat" },
	{ LOCAL, "getxattr lgetxattr fgetxattr setxattr lsetxattr fsetxattr listxattr llistxattr "
		 "flistxattr removexattr lremovexattr fremovexattr" },
	{ LOCAL, "name_to_handle_at open_by_handle_at" },
	/* ids of the callers */
	{ LOCAL, "setfsuid setfsgid setgroups" },

	/* what resolvers of names do */
	{ NFS, "sendmmsg recvmmsg socketpair" },
#ifdef UNDER_SANITIZER
	/* the search for leaks stops all threads from a process of its own; symbols are another's */
	{ CORE, "clone clone3 fork vfork execve ptrace kill tgkill wait4 prctl personality "
	       "process_vm_readv getdents pipe socketpair link" },
#endif
};

/* Allowed when the bits of mask in argument arg are value. */
static const struct {
	unsigned int serves;
	const char *call;
	unsigned int arg;
	uint64_t mask, value;
} allowed_if[] = {
#define INT 0xffffffffu /* the upper half of what is an int to the kernel is anything */
	/* threads, and nothing else: no processes, no name spaces */
	{ CORE, "clone", 0, CLONE_THREAD | CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET,
	  CLONE_THREAD },
	{ CORE, "prlimit64", 0, INT, 0 }, /* our own; others of the same user have theirs */
	{ CORE, "prctl", 0, INT, PR_SET_NAME },
	{ CORE, "prctl", 0, INT, PR_GET_NAME },
	{ CORE, "prctl", 0, INT, 0x53564d41 /* PR_SET_VMA: names for memory */ },
	{ CORE, "socket", 0, INT, AF_UNIX },
	{ NFS, "socket", 0, INT, AF_INET },
	{ NFS, "socket", 0, INT, AF_INET6 },
	{ NFS, "socket", 0, INT, AF_NETLINK },
	{ LOCAL, "unshare", 0, INT, CLONE_FS }, /* an umask for each thread */
	/* isatty() and whose terminal it is: before and after the command of --run */
	{ CORE, "ioctl", 1, INT, TCGETS },
	{ CORE, "ioctl", 1, INT, TCGETS2 },
	{ CORE, "ioctl", 1, INT, TIOCGPGRP },
	{ CORE, "ioctl", 1, INT, TIOCSPGRP },
	{ CORE, "ioctl", 1, INT, FIONREAD },
	{ CORE, "ioctl", 1, INT, FIONBIO },
	{ LOCAL, "ioctl", 1, INT, FS_IOC_GETFLAGS },
	{ LOCAL, "ioctl", 1, INT, FS_IOC_SETFLAGS },
	{ LOCAL, "ioctl", 1, INT, FS_IOC_FSGETXATTR },
	{ LOCAL, "ioctl", 1, INT, FS_IOC_FSSETXATTR },
};

/* Answered with ENOSYS, for glibc then does the same by a call whose arguments can be seen. */
static const char *const absent[] = {
#ifndef UNDER_SANITIZER
	"clone3",
#endif
	NULL
};

/* ---- building ---- */

static int allow_when(scmp_filter_ctx ctx, const char *name, unsigned int arg, uint64_t mask,
		      uint64_t value)
{
	const struct scmp_arg_cmp cmp = SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, mask, value);
	int nr = seccomp_syscall_resolve_name(name);

	return nr == __NR_SCMP_ERROR ? 0 : seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, nr, 1, &cmp);
}

static int allow_call(scmp_filter_ctx ctx, const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);

	return nr == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
}

static int allow_calls(scmp_filter_ctx ctx, const char *calls)
{
	char *list = strdup(calls), *save = NULL, *name;
	int rc = list ? 0 : -ENOMEM;

	for (name = list ? strtok_r(list, " ", &save) : NULL; !rc && name;
	     name = strtok_r(NULL, " ", &save))
		rc = allow_call(ctx, name);
	free(list);
	return rc;
}

/* To ourselves: the end of the host, abort(). To the child, which leads a group. */
static int allow_signals(scmp_filter_ctx ctx, pid_t child)
{
	int rc = allow_when(ctx, "tgkill", 0, INT, (uint32_t)getpid());

	if (!rc)
		rc = allow_when(ctx, "kill", 0, INT, (uint32_t)getpid());
	if (!rc && child)
		rc = allow_when(ctx, "kill", 0, INT, (uint32_t)child);
	return rc || !child ? rc : allow_when(ctx, "kill", 0, INT, (uint32_t)-child);
}

static int fill(scmp_filter_ctx ctx, unsigned int serves, pid_t child)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < ARRAY_SIZE(allowed); i++)
		if (allowed[i].serves & serves)
			rc = allow_calls(ctx, allowed[i].calls);
	for (size_t i = 0; !rc && i < ARRAY_SIZE(allowed_if); i++)
		if (allowed_if[i].serves & serves)
			rc = allow_when(ctx, allowed_if[i].call, allowed_if[i].arg,
					allowed_if[i].mask, allowed_if[i].value);
	if (!rc)
		rc = allow_signals(ctx, child);
	for (size_t i = 0; !rc && absent[i]; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS),
				      seccomp_syscall_resolve_name(absent[i]), 0);
	return rc;
}

/* ---- the line before the end ---- */

#define CALLS_MAX 1024

static char *call_name[CALLS_MAX]; /* made beforehand: the handler cannot */

static void say_and_end(int sig, siginfo_t *info, void *context)
{
	unsigned int nr = (unsigned int)info->si_syscall;
	const char *name = nr < CALLS_MAX && call_name[nr] ? call_name[nr] : "unknown";
	const char *const part[] = { "doca_virtiofs: system call ", name,
				     " is not allowed by the filter (--seccomp)\n" };
	char line[256];
	size_t len = 0;
	sigset_t set;

	for (size_t i = 0; i < ARRAY_SIZE(part); i++) {
		size_t n = min(strlen(part[i]), sizeof(line) - len);

		memcpy(line + len, part[i], n);
		len += n;
	}
	while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
		;
	signal(SIGSYS, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	raise(SIGSYS);
	_exit(128 + SIGSYS); /* the first process of a name space does not die of its own signals */
}

static int prepare_trap(void)
{
	const struct sigaction act = { .sa_sigaction = say_and_end, .sa_flags = SA_SIGINFO };

	for (int i = 0; i < CALLS_MAX; i++)
		if (!call_name[i])
			call_name[i] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);
	return sigaction(SIGSYS, &act, NULL) ? -errno : 0;
}

/* ---- from outside ---- */

int filter_parse(const char *text, enum filter_action *ret_action)
{
	static const char *const name[] = { [FILTER_KILL] = "kill", [FILTER_TRAP] = "trap",
					    [FILTER_LOG] = "log", [FILTER_NONE] = "none" };

	for (size_t i = 0; i < ARRAY_SIZE(name); i++)
		if (!strcmp(text, name[i])) {
			*ret_action = (enum filter_action)i;
			return 0;
		}
	return -EINVAL;
}

int filter_install(enum filter_action action, unsigned int serves, pid_t child)
{
	static const uint32_t act[] = { [FILTER_KILL] = SCMP_ACT_KILL_PROCESS,
					[FILTER_TRAP] = SCMP_ACT_TRAP, [FILTER_LOG] = SCMP_ACT_LOG };
	const struct {
		enum scmp_filter_attr attr;
		uint32_t value;
	} attr[] = {
		{ SCMP_FLTATR_CTL_NNP, 0 }, /* it is set, by who gave up capabilities */
		{ SCMP_FLTATR_CTL_TSYNC, 1 },
		/* No foreign code runs in here: without it, old kernels make every branch slow. */
		{ SCMP_FLTATR_CTL_SSB, 1 },
		{ SCMP_FLTATR_CTL_OPTIMIZE, 2 }, /* a search tree, for what has conditions */
		{ SCMP_FLTATR_ACT_BADARCH, action == FILTER_NONE ? 0 : act[action] },
	};
	scmp_filter_ctx ctx;
	int rc = 0;

	if (action == FILTER_NONE)
		return 0;
	if (action == FILTER_TRAP)
		rc = prepare_trap();
	ctx = rc ? NULL : seccomp_init(act[action]);
	if (!ctx)
		return rc ? rc : -ENOMEM;
	for (size_t i = 0; !rc && i < ARRAY_SIZE(attr); i++)
		rc = seccomp_attr_set(ctx, attr[i].attr, attr[i].value);
	if (!rc)
		rc = fill(ctx, serves | CORE, child);
	if (!rc)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}
