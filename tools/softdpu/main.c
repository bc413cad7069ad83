/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "softdpu.h"

static const struct command commands[] = {
	{ "config", cmd_config,
	  "query|q [-d MANAGER] [-f FILE] [--json] [NAME ...]\n"
	  "set|s [-d MANAGER] [-f FILE] NAME=VALUE ...",
	  "Firmware settings of a board: shown, or changed for the next start." },
	{ "list", cmd_list, "[-f FILE] [--rpc-socket PATH] [--json]",
	  "Emulation managers, their functions, and who serves them." },
	{ "stats", cmd_stats, "[--rpc-socket PATH] [--exact on|off] [--json] [DEVICE]",
	  "Requests by opcode with their latency, and the queues." },
	{ "hotplug", cmd_hotplug,
	  "add --tag TAG --local DIRECTORY|--null|--nfs-server NAME --nfs-export PATH\n"
	  "    [--name NAME] [--manager MANAGER] [--vuid VUID] [--num-request-queues N]\n"
	  "    [--queue-size N] [--readonly] [--bus ID] [--wait] [--rpc-socket PATH] [--json]\n"
	  "remove [--rpc-socket PATH] [--json] NAME|VUID",
	  "Plugs a new function with a device on it; takes one away." },
	{ "rpc", cmd_rpc, "[--rpc-socket PATH] METHOD [PARAMETERS]",
	  "Any method of a controller's control socket; rpc_get_methods lists them." },
};

/* A line of usage for each line of the table. */
static void print_usage(const struct command *c)
{
	const char *line = c->usage;

	printf("  softdpu %s ", c->name);
	for (; *line; line++) {
		if (*line != '\n')
			putchar(*line);
		else if (line[1] == ' ')
			printf("\n          ");
		else
			printf("\n  softdpu %s ", c->name);
	}
	printf("\n      %s\n", c->what);
}

static int help(void)
{
	puts("usage:");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		print_usage(&commands[i]);
	puts("  softdpu --help | --version");
	return EXIT_SUCCESS;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const struct command *c;

	if (argc < 2)
		return fail_usage("which sub-command?");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help();
	if (!strcmp(argv[1], "--version")) {
		puts("softdpu " SOFTDPU_VERSION);
		return EXIT_SUCCESS;
	}
	c = find_command(argv[1]);
	if (!c)
		return fail_usage("there is no sub-command '%s'", argv[1]);
	if (argc == 3 && !strcmp(argv[2], "--help")) {
		puts("usage:");
		print_usage(c);
		return EXIT_SUCCESS;
	}
	util_hear_library();
	return c->run(argc - 1, argv + 1);
}
