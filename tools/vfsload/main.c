/* SPDX-License-Identifier: BSD-3-Clause */
#include <signal.h>

#include "load.h"

static void on_signal(int sig)
{
	load_interrupted = 1;
}

int main(int argc, char **argv)
{
	/* A second interrupt ends the program at once: the handler is for one. */
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	struct load_opts o;

	if (opts_parse(&o, argc, argv))
		return 2;
	if (o.help) {
		opts_usage();
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	if (o.command != CMD_RUN)
		return files_command(&o);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	return run_load(&o);
}
