/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doca_virtiofs: a virtio-fs controller. Reads the configuration, starts threads and devices,
 * waits for a signal (or for the captive command to end) while it answers on the control socket,
 * and takes everything down in order.
 *
 * Called softdpu-virtiofsd, it takes virtiofsd's options and goes into its sandbox first.
 *
 * Signals: blocked everywhere but in this thread. While it serves, a signalfd takes them and the
 * first one asks for the ordered end. While it opens file systems or stops, which may wait for
 * servers and requests, they are let in and end the process at once; only the sockets are removed.
 * Those that come within ECHO_MS of the first mean the same: a terminal and systemd signal both processes
 * of a sandbox, and the outer one passes on what it gets.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "captive.h"
#include "compat_virtiofsd.h"
#include "conf.h"
#include "devtab.h"
#include "doca_log.h"
#include "filter.h"
#include "manager.h"
#include "platform.h"
#include "privileges.h"
#include "request.h"
#include "rpc.h"
#include "thread.h"

DOCA_LOG_REGISTER(VIRTIOFS);

/* How long requests in flight may keep the end waiting: then a server or disk does not answer. */
#define STOP_TIMEOUT_MS 5000
#define ECHO_MS 250

static struct app {
	struct compat compat;
	struct conf conf;
	struct captive captive;
	struct thr_set threads;
	struct devtab devices;
	struct rpc *rpc; /* NULL: no control socket */
	sigset_t quit; /* SIGINT, SIGTERM, SIGHUP unless it was ignored */
	uint64_t asked_ns; /* the ordered end; 0: not yet */
} app; /* static for end_now() */

static int setup_syslog(void)
{
	struct doca_log_backend *own, *sdk;

	/* Connects now: in the sandbox there is no /dev/log. */
	openlog(NULL, LOG_PID | LOG_NDELAY, LOG_DAEMON);
	if (doca_log_backend_create_with_syslog("softdpu-virtiofsd", &own) != DOCA_SUCCESS ||
	    doca_log_backend_create_with_syslog_sdk("softdpu-virtiofsd", &sdk) != DOCA_SUCCESS)
		return -ENOMEM;
	doca_log_backend_set_sdk_level(sdk, DOCA_LOG_LEVEL_WARNING);
	return 0;
}

static int setup_logging(void)
{
	struct doca_log_backend *sdk;

	if (app.compat.syslog)
		return setup_syslog();
	if (doca_log_backend_create_standard() != DOCA_SUCCESS ||
	    doca_log_backend_create_with_file_sdk(stderr, &sdk) != DOCA_SUCCESS)
		return -ENOMEM;
	doca_log_backend_set_sdk_level(sdk, DOCA_LOG_LEVEL_WARNING);
	return 0;
}

/* ---- signals ---- */

static void end_now(int sig)
{
	if (app.asked_ns && clock_ns() - app.asked_ns < ECHO_MS * 1000000ull)
		return;
	captive_kill(&app.captive);
	devtab_abandon(&app.devices);
	rpc_abandon(app.rpc);
	if (app.captive.dir)
		rmdir(app.captive.dir);
	_exit(128 + sig);
}

static void handle_signal(int sig)
{
	struct sigaction now = { .sa_handler = end_now };

	sigaddset(&app.quit, sig);
	sigaction(sig, &now, NULL);
}

/* Before any thread exists, so that all of them inherit the mask. */
static void setup_signals(void)
{
	struct sigaction hup;
	sigset_t blocked;

	sigemptyset(&app.quit);
	handle_signal(SIGINT);
	handle_signal(SIGTERM);
	/* nohup(1) means it. */
	if (sigaction(SIGHUP, NULL, &hup) || hup.sa_handler != SIG_IGN)
		handle_signal(SIGHUP);
	blocked = app.quit;
	sigaddset(&blocked, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &blocked, NULL);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a guest that writes beyond our limit gets EFBIG */
}

static void let_signals(bool in)
{
	pthread_sigmask(in ? SIG_UNBLOCK : SIG_BLOCK, &app.quit, NULL);
}

/* ---- what the process may do ---- */

/* While there is one thread, and nobody to talk to yet. */
static int confine(void)
{
	unsigned int needs = PRIV_START | (app.captive.pid ? PRIV_RUN : 0);
	int rc;

	if (app.conf.serves & CONF_SERVES_LOCAL)
		needs |= PRIV_LOCAL;
	if (app.conf.serves & CONF_SERVES_NFS)
		needs |= PRIV_NFS;
	if (app.conf.serves & CONF_SERVES_LABELS)
		needs |= PRIV_LABEL;
	rc = privileges_drop(needs, &app.conf.modcaps);
	if (rc)
		return rc;
	rc = filter_install(app.conf.seccomp, app.conf.serves, app.captive.pid);
	if (rc)
		DOCA_LOG_ERR("system calls cannot be filtered: %s (--seccomp=none goes without)",
			     strerror(-rc));
	return rc;
}

static int started(void *arg)
{
	return privileges_started();
}

static int report_started(int rc)
{
	if (rc)
		DOCA_LOG_ERR("capabilities cannot be given up: %s", strerror(-rc));
	return rc;
}

/* The control socket is there; the threads of file systems, started next, have what this one has. */
static int confine_main(void)
{
	return report_started(privileges_started());
}

/* The devices' sockets are there. */
static int confine_threads(void)
{
	int rc = 0;

	for (unsigned int i = 0; !rc && i < app.threads.nr; i++)
		rc = thr_call(&app.threads.thr[i], started, NULL);
	return report_started(rc);
}

/* ---- the three phases ---- */

static int start_devices(void)
{
	for (unsigned int i = 0; i < app.conf.nr_devices; i++) {
		int rc = devtab_start(&app.devices, i, let_signals);

		if (rc)
			return rc;
	}
	return 0;
}

/* Serves the control socket until a signal comes. */
static int wait_signal(int fd)
{
	struct signalfd_siginfo info;

	do {
		rpc_serve(app.rpc, fd);
	} while (read(fd, &info, sizeof(info)) != sizeof(info));
	return (int)info.ssi_signo;
}

/* Waits for a reason to end. Returns the exit status. */
static int serve_signals(int fd)
{
	int status = 0, sig;

	if (app.conf.run && captive_start(&app.captive, &app.conf))
		return EXIT_FAILURE;
	for (;;) {
		sig = wait_signal(fd);
		if (sig != SIGCHLD) {
			app.asked_ns = clock_ns();
			DOCA_LOG_INFO("signal %d (%s): stopping", sig, strsignal(sig));
			return EXIT_SUCCESS;
		}
		if (captive_ended(&app.captive, &status))
			return status;
	}
}

static int serve(void)
{
	sigset_t set = app.quit;
	int fd, status = EXIT_FAILURE;

	sigaddset(&set, SIGCHLD);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		DOCA_LOG_ERR("signals cannot be waited for: %s", strerror(errno));
	else
		status = serve_signals(fd);
	if (fd >= 0)
		close(fd);
	return status;
}

/* All drain at the same time. -ETIMEDOUT: some did not. */
static int stop_devices(void)
{
	uint64_t deadline;
	int rc, worst = 0;

	for (unsigned int i = 0; i < CONF_MAX_DEVICES; i++)
		devtab_stop(&app.devices, i);
	deadline = clock_ns() + STOP_TIMEOUT_MS * 1000000ull;
	for (unsigned int i = 0; i < CONF_MAX_DEVICES; i++) {
		rc = devtab_finish(&app.devices, i, deadline);
		if (!rc)
			continue;
		DOCA_LOG_WARN("%s: requests are still out after %d ms, leaving them",
			      app.conf.device[i].tag, STOP_TIMEOUT_MS);
		worst = rc;
	}
	return worst;
}

/* end_now() looks at it. */
static void stop_rpc(void)
{
	struct rpc *rpc = app.rpc;

	app.rpc = NULL;
	rpc_close(rpc);
}

static int run(void)
{
	int status = EXIT_FAILURE;

	if (confine() || thr_set_start(&app.threads, app.conf.cpu, app.conf.nr_cpus))
		return status;
	app.devices.conf = &app.conf;
	app.devices.threads = &app.threads;
	if (!rpc_open(app.conf.rpc_socket, &app.devices, &app.rpc) && !confine_main() &&
	    !start_devices() && !confine_threads())
		status = serve();
	stop_rpc();
	let_signals(true);
	captive_stop(&app.captive);
	/* Threads that wait for a dead server cannot be joined; the process ends without them. */
	if (stop_devices()) {
		devtab_abandon(&app.devices);
		captive_cleanup(&app.captive);
		_exit(status);
	}
	thr_set_stop(&app.threads);
	return status;
}

static void end_in_order(void *arg)
{
	kill(getpid(), SIGTERM);
}

/* Under virtiofsd's name: its options, and the end of the connection is the end. */
static int setup_compat(int *argc, char ***argv)
{
	int rc = compat_parse(&app.compat, *argc, *argv);

	*argc = app.compat.argc;
	*argv = app.compat.argv;
	return rc ? rc : platform_when_host_gone(end_in_order);
}

static int load_conf(int argc, char **argv)
{
	int rc = conf_load(&app.conf, argc, argv);

	if (!rc)
		compat_adjust(&app.compat, &app.conf);
	return rc;
}

int main(int argc, char **argv)
{
	int status = EXIT_FAILURE, rc = compat_wanted(argv[0]) ? setup_compat(&argc, &argv) : 0;

	if (rc || setup_logging())
		return rc > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	if (app.compat.argc && compat_enter(&app.compat)) {
		compat_fini(&app.compat);
		return EXIT_FAILURE;
	}
	argc = app.compat.argc ? app.compat.argc : argc;
	setup_signals();
	if (platform_guard_guest_memory() && !load_conf(argc, argv) &&
	    !captive_prepare(&app.captive, &app.conf) && !platform_set_board(&app.conf) &&
	    !manager_open((uint32_t)creq_size())) {
		status = run();
		manager_close();
	}
	captive_cleanup(&app.captive);
	compat_fini(&app.compat);
	conf_fini(&app.conf);
	return status;
}
