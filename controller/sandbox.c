/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * The child gets a mount name space whose root is an empty file system in memory with three things
 * in it: the directory (with all that is mounted below it, and what the machine will mount there
 * later: its mounts are slaves), /proc for the descriptors of the process, and /dev/null. It is
 * then made read-only. Nothing of the old tree stays mounted, so no path leads there, and none
 * leads to the directory's parents. Without a process name space (chroot), /proc has the links of
 * other processes, that to their root among them: nothing asks for those by name, but it is weaker.
 *
 * The parent cannot follow, since a process never changes its own process name space; it is the one
 * whom the outside knows by its pid. If it is killed, the kernel kills the child. It keeps two
 * capabilities, for the signals and the socket; the child gives up its own when it has read the
 * configuration (main.c).
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "privileges.h"

/* Any directory there is; what it shows is not needed any more once it is covered. */
#define COVER "/proc"
#define NAME "softdpu-virtiofsd"

static int fail(const char *what)
{
	int err = errno;

	fprintf(stderr, NAME ": sandbox: %s: %s\n", what, strerror(err));
	return -err;
}

/* ---- outside ---- */

static void passed_on(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGCHLD);
}

static int confine_outside(pid_t child, const char *socket, enum filter_action action)
{
	static const struct priv_mods none;
	int rc = privileges_drop(PRIV_RUN | (socket ? PRIV_UNLINK : 0), &none);

	return rc ? rc : filter_install(action, 0, child);
}

static _Noreturn void stay_outside(pid_t child, const char *socket, enum filter_action action)
{
	int sig, status, rc = confine_outside(child, socket, action);
	sigset_t set;

	if (rc) {
		fprintf(stderr, NAME ": the process outside the sandbox cannot be confined: %s\n",
			strerror(-rc));
		kill(child, SIGKILL);
	}
	passed_on(&set);
	for (;;) {
		sigwait(&set, &sig);
		if (sig != SIGCHLD)
			kill(child, sig);
		else if (waitpid(child, &status, WNOHANG) == child)
			break;
	}
	if (socket)
		unlink(socket);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		fprintf(stderr, NAME ": ended by its filter of system calls: the kernel's log has "
			"the number of the call, and --seccomp=trap names it\n");
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* ---- inside ---- */

static int make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : close(fd);
}

/* The new tree, on COVER. tree: the directory's mounts. */
static int build_root(int null_tree, int tree)
{
	if (mount("tmpfs", COVER, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k"))
		return fail("a new root");
	if (mkdir(COVER SANDBOX_DIR, 0755) || mkdir(COVER "/proc", 0755) ||
	    mkdir(COVER "/dev", 0755) || make_file(COVER "/dev/null"))
		return fail("directories of the new root");
	if (syscall(SYS_move_mount, tree, "", AT_FDCWD, COVER SANDBOX_DIR,
		    MOVE_MOUNT_F_EMPTY_PATH) ||
	    syscall(SYS_move_mount, null_tree, "", AT_FDCWD, COVER "/dev/null",
		    MOVE_MOUNT_F_EMPTY_PATH))
		return fail("the directory in the new root");
	if (mount("proc", COVER "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return fail("/proc in the new root");
	return 0;
}

static int change_root(void)
{
	if (chdir(COVER) || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) ||
	    chdir("/"))
		return fail("changing to the new root");
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return fail("making the new root read-only");
	return 0;
}

static int move_in(const char *dir)
{
	int tree, null_tree, rc;

	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL))
		return fail("a mount name space");
	tree = (int)syscall(SYS_open_tree, AT_FDCWD, dir,
			    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (tree < 0)
		return fail(dir);
	null_tree = (int)syscall(SYS_open_tree, AT_FDCWD, "/dev/null",
				 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	rc = null_tree < 0 ? fail("/dev/null") : build_root(null_tree, tree);
	if (!rc)
		rc = change_root();
	close(tree);
	if (null_tree >= 0)
		close(null_tree);
	return rc;
}

int sandbox_enter(const char *dir, bool alone, const char *socket, enum filter_action action)
{
	sigset_t set, before;
	pid_t child;

	/* A process name space is for the children; the others the child makes for itself. */
	if (alone && unshare(CLONE_NEWPID))
		return fail("a process name space");
	passed_on(&set);
	sigprocmask(SIG_BLOCK, &set, &before);
	child = fork();
	if (child < 0)
		return fail("fork");
	if (child)
		stay_outside(child, socket, action);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return fail("ending with the parent");
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (unshare(CLONE_NEWNS | (alone ? CLONE_NEWNET : 0)))
		return fail("name spaces");
	return move_in(dir);
}
