/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Command line and JSON file to program settings. A program describes its parameters, registers
 * them and starts the parser, which hands each value to the callback of its parameter. Built in:
 * -h/--help, -v/--version, -l/--log-level, --sdk-log-level and -j/--json.
 *
 * One parser per process, used by the main thread only. A parameter or command belongs to the
 * parser from its registration on, even when that fails. The strings given to setters are copied.
 */
#ifndef DOCA_ARGP_H
#define DOCA_ARGP_H

#include <stdarg.h>

#include "doca_compat.h"
#include "doca_error.h"
#include "doca_log.h"

#ifdef __cplusplus
extern "C" {
#endif

struct doca_argp_param;
struct doca_argp_cmd;

/*
 * Type of a parameter, and what its callback gets. Two generations of the API number the types from
 * 4 on differently; neither DEVICE nor DEVICE_REP can be registered here.
 */
enum doca_argp_type {
	DOCA_ARGP_TYPE_UNKNOWN = 0,	/* not set yet */
	DOCA_ARGP_TYPE_STRING = 1,	/* char * */
	DOCA_ARGP_TYPE_INT = 2,		/* int *, decimal, 0x or 0 notation */
	DOCA_ARGP_TYPE_BOOLEAN = 3,	/* bool *; takes no value on the command line */
	DOCA_ARGP_TYPE_JSON_OBJ = 4,	/* up to 3.0 */
	DOCA_ARGP_TYPE_DEVICE = 4,	/* from 3.1 on */
	DOCA_ARGP_TYPE_DEVICE_REP = 5,	/* from 3.1 on */
	DOCA_ARGP_TYPE_DOUBLE = 6,	/* double * */
};

/*
 * Handles one value of a parameter. The first argument points to it (see the types) and is valid
 * during the call only; the second is the program_config of doca_argp_init(). An error ends the
 * start call, which returns it. The callback may destroy the parser.
 */
typedef doca_error_t (*doca_argp_param_cb_t)(void *, void *);

/* Called when its command was given, after the values, with the program_config. */
typedef doca_error_t (*doca_argp_cmd_cb_t)(void *);

/* Gets the words after "--", with the name of the program in front. */
typedef doca_error_t (*doca_argp_dpdk_cb_t)(int argc, char **argv);

/* Looks at the whole configuration, after everything else; gets the program_config. */
typedef doca_error_t (*doca_argp_validation_cb_t)(void *);

/* Prints a message meant for the user. */
typedef doca_error_t (*doca_argp_logger_cb_t)(enum doca_log_level level, const char *format,
		va_list args);

/*
 * Sets the parser up. program_name is for messages and the help text; NULL takes it from argv[0].
 * BAD_STATE: it is set up already.
 */
DOCA_STABLE doca_error_t doca_argp_init(const char *program_name, void *program_config);

/*
 * Reads the command line and the JSON file it may name, checks them, and runs the callbacks: the
 * log level first, then parameters, commands, validation. Once per doca_argp_init(). -h and -v
 * print, free the parser and end the process with exit(0).
 *
 * What the command line gives is not taken from the file. The file is an object with the members
 * "doca_general_flags" (log-level, sdk-log-level) and "doca_program_flags", whose keys are long
 * names; comments and trailing commas are allowed, other members are the program's business.
 *
 * NOT_SUPPORTED: unknown flag or command. INVALID_VALUE: bad or missing value, missing mandatory
 * parameter. IO_FAILED: unreadable file. A message has been printed. Else what a callback returned.
 */
DOCA_STABLE doca_error_t doca_argp_start(int argc, char **argv);

/* Frees the parser and what is registered with it. BAD_STATE: not set up. */
DOCA_STABLE doca_error_t doca_argp_destroy(void);

/* Prints the help text, as -h does. */
DOCA_STABLE void doca_argp_usage(void);

/*
 * The levels given by -l and --sdk-log-level, or else the global ones of doca_log.h.
 * BAD_STATE: no parser.
 */
DOCA_STABLE doca_error_t doca_argp_get_log_level(int *log_level);
DOCA_STABLE doca_error_t doca_argp_get_sdk_log_level(int *log_level);

/*
 * What -v does instead of printing the version, with NULL and the program_config. After success the
 * process ends as usual; a callback that ends it by itself destroys the parser first.
 */
DOCA_STABLE doca_error_t doca_argp_register_version_callback(doca_argp_param_cb_t callback);

DOCA_STABLE doca_error_t doca_argp_register_validation_callback(doca_argp_validation_cb_t callback);

/*
 * Sends messages for the user to a printer, or to stderr again.
 * ALREADY_EXIST: there is one. BAD_STATE: there is none.
 */
DOCA_STABLE doca_error_t doca_argp_register_logger_callback(doca_argp_logger_cb_t callback);
DOCA_STABLE doca_error_t doca_argp_disable_logger_callback(void);

/* Declares that DPDK flags may follow "--". */
DOCA_STABLE void doca_argp_set_dpdk_program(doca_argp_dpdk_cb_t callback);

/* --- parameters --- */

/*
 * Creates an empty parameter; destroy is for those never registered.
 * BAD_STATE: registered, so the parser frees it.
 */
DOCA_STABLE doca_error_t doca_argp_param_create(struct doca_argp_param **param);
DOCA_STABLE doca_error_t doca_argp_param_destroy(struct doca_argp_param *param);

/*
 * Names, without dashes. One of both is required; the long one is the key in JSON. Short names may
 * be longer than one character and are matched as a whole. All text is copied.
 */
DOCA_STABLE void doca_argp_param_set_short_name(struct doca_argp_param *param, const char *name);
DOCA_STABLE void doca_argp_param_set_long_name(struct doca_argp_param *param, const char *name);

/* What stands for the value in the help text. */
DOCA_STABLE void doca_argp_param_set_arguments(struct doca_argp_param *param,
		const char *arguments);

/* Required. */
DOCA_STABLE void doca_argp_param_set_description(struct doca_argp_param *param,
		const char *description);
DOCA_STABLE void doca_argp_param_set_callback(struct doca_argp_param *param,
		doca_argp_param_cb_t callback);
DOCA_STABLE void doca_argp_param_set_type(struct doca_argp_param *param, enum doca_argp_type type);

/* The start call fails without it. */
DOCA_STABLE void doca_argp_param_set_mandatory(struct doca_argp_param *param);

/* Not to be given in JSON. */
DOCA_STABLE void doca_argp_param_set_cli_only(struct doca_argp_param *param);

/* May be given several times, with one callback each; an array in JSON. */
DOCA_STABLE void doca_argp_param_set_multiplicity(struct doca_argp_param *param);

/* To be the only flag on the command line; nothing is mandatory then. */
DOCA_STABLE void doca_argp_param_set_singular(struct doca_argp_param *param);

/* Accepted after the commands below the place it is registered at, too. */
DOCA_STABLE void doca_argp_param_set_inherited(struct doca_argp_param *param);

/* Left out of the help text. */
DOCA_STABLE void doca_argp_param_set_hidden(struct doca_argp_param *param);

/*
 * Gives the parameter to the parser, which owns it from here on: a failing call frees it, unless
 * it was registered before. INITIALIZATION: a required field is missing. ALREADY_EXIST: a name is
 * taken. INVALID_VALUE: not usable as a name. NOT_SUPPORTED: type. BAD_STATE: registered already,
 * or no parser.
 */
DOCA_STABLE doca_error_t doca_argp_register_param(struct doca_argp_param *input_param);

/* --- commands --- */

/* As for parameters. */
DOCA_STABLE doca_error_t doca_argp_cmd_create(struct doca_argp_cmd **cmd);
DOCA_STABLE doca_error_t doca_argp_cmd_destroy(struct doca_argp_cmd *cmd);

/* Name and description are required, the callback is not. */
DOCA_STABLE void doca_argp_cmd_set_name(struct doca_argp_cmd *cmd, const char *name);
DOCA_STABLE void doca_argp_cmd_set_description(struct doca_argp_cmd *cmd, const char *description);
DOCA_STABLE void doca_argp_cmd_set_callback(struct doca_argp_cmd *cmd, doca_argp_cmd_cb_t callback);
DOCA_STABLE void doca_argp_cmd_set_hidden(struct doca_argp_cmd *cmd);

/* Ownership and errors as doca_argp_register_param(). */
DOCA_STABLE doca_error_t doca_argp_register_cmd(struct doca_argp_cmd *input_cmd);
DOCA_STABLE doca_error_t doca_argp_cmd_register_param(struct doca_argp_cmd *cmd,
		struct doca_argp_param *input_param);
DOCA_STABLE doca_error_t doca_argp_cmd_register_cmd(struct doca_argp_cmd *cmd,
		struct doca_argp_cmd *input_cmd);

#ifdef __cplusplus
}
#endif

#endif
