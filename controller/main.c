/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doca_virtiofs: a virtio-fs controller. Reads the configuration, starts threads and devices, waits for a
 * signal (or for the captive command to end), and takes everything down in order.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "captive.h"
#include "conf.h"
#include "device.h"
#include "doca_log.h"
#include "manager.h"
#include "platform.h"
#include "request.h"
#include "thread.h"

DOCA_LOG_REGISTER(VIRTIOFS);

/* How long requests in flight may keep the end waiting: beyond it a server or disk does not answer. */
#define STOP_TIMEOUT_MS 5000

struct app {
	struct conf conf;
	struct captive captive;
	struct thr_set threads;
	struct device *device[CONF_MAX_DEVICES];
};

static int setup_logging(void)
{
	struct doca_log_backend *sdk;

	if (doca_log_backend_create_standard() != DOCA_SUCCESS ||
	    doca_log_backend_create_with_file_sdk(stderr, &sdk) != DOCA_SUCCESS)
		return -ENOMEM;
	doca_log_backend_set_sdk_level(sdk, DOCA_LOG_LEVEL_WARNING);
	return 0;
}

/* Before any thread exists, so that all of them inherit it and only main takes signals. */
static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int start_devices(struct app *app)
{
	for (unsigned int i = 0; i < app->conf.nr_devices; i++) {
		int rc = device_start(&app->conf.device[i], i, &app->threads, &app->device[i]);

		if (rc)
			return rc;
	}
	return 0;
}

/* Waits for a reason to end. Returns the exit status. */
static int serve(struct app *app, const sigset_t *set)
{
	int status = 0, sig;

	if (app->conf.run && captive_start(&app->captive, app->conf.run,
					   app->conf.device[0].socket))
		return EXIT_FAILURE;
	for (;;) {
		sigwait(set, &sig);
		if (sig != SIGCHLD) {
			DOCA_LOG_INFO("%s: stopping", sig == SIGINT ? "interrupted" : "terminated");
			return EXIT_SUCCESS;
		}
		if (app->conf.run && captive_ended(&app->captive, &status))
			return status;
	}
}

static int stop_devices(struct app *app)
{
	int worst = 0;

	for (unsigned int i = app->conf.nr_devices; i-- > 0;) {
		int rc = device_stop(app->device[i], STOP_TIMEOUT_MS);

		if (rc) {
			DOCA_LOG_WARN("%s: requests are still out after %d ms, leaving them",
				      app->conf.device[i].tag, STOP_TIMEOUT_MS);
			worst = rc;
		}
	}
	return worst;
}

static int run(struct app *app, const sigset_t *set)
{
	int status = EXIT_FAILURE;

	if (thr_set_start(&app->threads, app->conf.cpu, app->conf.nr_cpus, app->conf.dma))
		return status;
	if (!start_devices(app))
		status = serve(app, set);
	captive_stop(&app->captive);
	/* Threads that wait for a dead server cannot be joined; the process ends without them. */
	if (stop_devices(app)) {
		captive_cleanup(&app->captive);
		platform_remove_sockets(&app->conf);
		_exit(status);
	}
	thr_set_stop(&app->threads);
	return status;
}

int main(int argc, char **argv)
{
	static struct app app;
	int status = EXIT_FAILURE;
	sigset_t set;

	if (setup_logging())
		return EXIT_FAILURE;
	block_signals(&set);
	if (!conf_load(&app.conf, argc, argv) &&
	    !captive_prepare(&app.captive, &app.conf) && !platform_set_board(&app.conf) &&
	    !manager_open((uint32_t)creq_size())) {
		status = run(&app, &set);
		manager_close();
	}
	captive_cleanup(&app.captive);
	conf_fini(&app.conf);
	return status;
}
