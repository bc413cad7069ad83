/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the argument parser share. Main thread only, like the public calls.
 *
 * argp.c       parameters and commands, registration
 * argp_run.c   the parser from init to destroy
 * argp_cli.c   command line to items
 * argp_json.c  JSON file to items
 * argp_usage.c the help text
 *
 * An item is one value of one parameter, converted to its type and kept until its callback ran. It
 * holds copies, so that a callback may destroy the parser.
 */
#ifndef CORE_ARGP_H
#define CORE_ARGP_H

#include <stdbool.h>
#include <stddef.h>

#include "doca_argp.h"

enum argp_builtin {
	ARGP_BUILTIN_NONE,
	ARGP_BUILTIN_HELP,
	ARGP_BUILTIN_VERSION,
	ARGP_BUILTIN_LOG_LEVEL,
	ARGP_BUILTIN_SDK_LOG_LEVEL,
	ARGP_BUILTIN_JSON,
};

struct doca_argp_param {
	struct doca_argp_param *next;
	char *short_name, *long_name, *arguments, *description; /* ours; NULL is not set */
	doca_argp_param_cb_t callback;
	enum doca_argp_type type;
	enum argp_builtin builtin;
	bool mandatory, cli_only, multiplicity, singular, inherited, hidden;
	bool registered;
	bool broken;  /* a setter had no memory */
	bool on_cli;  /* seen by start */
	bool in_json; /* seen by start */
};

struct doca_argp_cmd {
	struct doca_argp_cmd *next, *parent;
	char *name, *description; /* ours */
	doca_argp_cmd_cb_t callback;
	struct doca_argp_param *params;
	struct doca_argp_cmd *cmds;
	bool hidden, registered, broken;
};

struct argp_item {
	struct argp_item *next;
	doca_argp_param_cb_t callback;
	enum doca_argp_type type;
	bool builtin; /* runs before those of the program */
	union {
		char *string; /* ours */
		int number;
		bool flag;
		double real;
	} value;
};

/* The parser; one per process. */
struct argp {
	bool up, started;
	char *program_name; /* ours; NULL until known */
	void *config;
	struct doca_argp_param *builtins;
	struct doca_argp_cmd root;     /* the program's own parameters and commands */
	struct doca_argp_cmd *current; /* innermost command given; &root without one */
	doca_argp_param_cb_t version_cb;
	doca_argp_validation_cb_t validation_cb;
	doca_argp_logger_cb_t logger_cb;
	doca_argp_dpdk_cb_t dpdk_cb;
	char *json_path; /* ours; NULL without -j */
	int nr_on_cli;	 /* flags of the program given on the command line */
	int log_level, sdk_log_level; /* as given; 0 without */
	struct argp_item *items, **items_tail;
};

extern struct argp argp;

/* Frees a command's parameters and commands, not the command itself. */
void argp_cmd_clear(struct doca_argp_cmd *cmd);
void argp_params_free(struct doca_argp_param *params);

/* Parsers. Append items; a message has been printed when they fail. */
doca_error_t argp_cli_parse(int argc, char **argv);
doca_error_t argp_json_parse(const char *path);

/* The same for text that ends with a NUL at text[len]; path is for messages. */
doca_error_t argp_json_parse_text(const char *path, const char *text, size_t len);

/*
 * Looks for a parameter reachable from the current command: its own, inherited ones of the commands
 * around it, built-in ones. NULL: no such name.
 */
struct doca_argp_param *argp_find_short(const char *name);
struct doca_argp_param *argp_find_long(const char *name);

/* "-s/--long", for messages. Returns buf. */
const char *argp_param_label(const struct doca_argp_param *param, char *buf, size_t size);

/* Converts text to the type of the parameter. INVALID_VALUE with a message: not of that type. */
doca_error_t argp_item_add_text(struct doca_argp_param *param, const char *text);
doca_error_t argp_item_add_number(struct doca_argp_param *param, long long number);
doca_error_t argp_item_add_real(struct doca_argp_param *param, double real);
doca_error_t argp_item_add_flag(struct doca_argp_param *param, bool flag);

/* A message for the user, without newline: to the logger callback, else to stderr. */
void argp_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Prints the help text of the current command. */
void argp_usage_print(FILE *out);

#endif
