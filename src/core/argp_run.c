/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * init -> register ... -> start -> destroy. Start collects all values as items first, command line
 * before JSON, and calls nobody while something may still be wrong with the input: conversion,
 * multiplicity and mandatory parameters are checked before the first callback runs. Then come the
 * callbacks of the built-in flags (so that the log level holds for the rest), of the parameters in
 * the order given, of the commands from the outermost in, and the validation.
 *
 * Any callback may destroy the parser, usually in order to exit. So items hold copies of all they
 * need, start() takes the list of items for itself, and looks after each callback whether the
 * parser is still there.
 */
#include "core/argp.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "core/log.h"

SD_LOG_REGISTER(ARGP);

struct argp argp;

void argp_complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (argp.logger_cb) {
		argp.logger_cb(DOCA_LOG_LEVEL_ERROR, fmt, ap);
	} else {
		fprintf(stderr, "%s: ", argp.program_name ? argp.program_name : "argp");
		vfprintf(stderr, fmt, ap);
		fputc('\n', stderr);
	}
	va_end(ap);
}

const char *argp_param_label(const struct doca_argp_param *param, char *buf, size_t size)
{
	const char *s = param->short_name, *l = param->long_name;

	snprintf(buf, size, "%s%s%s%s%s", s ? "-" : "", s ? s : "", s && l ? "/" : "",
		 l ? "--" : "", l ? l : "");
	return buf;
}

/* --- built-in flags --- */

static doca_error_t apply_log_level(void *value, void *config)
{
	doca_error_t result = doca_log_level_set_global_lower_limit((uint32_t)*(int *)value);

	if (result != DOCA_SUCCESS)
		argp_complain("-l/--log-level: %d is not one of 10, 20, .. 70", *(int *)value);
	else
		argp.log_level = *(int *)value;
	return result;
}

static doca_error_t apply_sdk_log_level(void *value, void *config)
{
	doca_error_t result = doca_log_level_set_global_sdk_limit((uint32_t)*(int *)value);

	if (result != DOCA_SUCCESS)
		argp_complain("--sdk-log-level: %d is not one of 10, 20, .. 70", *(int *)value);
	else
		argp.sdk_log_level = *(int *)value;
	return result;
}

static const struct {
	enum argp_builtin builtin;
	const char *short_name, *long_name, *arguments, *description;
	enum doca_argp_type type;
	doca_argp_param_cb_t callback; /* NULL: acted upon by the command line parser */
} builtins[] = {
	{ARGP_BUILTIN_HELP, "h", "help", NULL, "Print this text", DOCA_ARGP_TYPE_BOOLEAN, NULL},
	{ARGP_BUILTIN_VERSION, "v", "version", NULL, "Print the version", DOCA_ARGP_TYPE_BOOLEAN,
	 NULL},
	{ARGP_BUILTIN_LOG_LEVEL, "l", "log-level", "<level>",
	 "Log level of the program: 10=DISABLE, 20=CRITICAL, 30=ERROR, 40=WARNING, 50=INFO, "
	 "60=DEBUG, 70=TRACE", DOCA_ARGP_TYPE_INT, apply_log_level},
	{ARGP_BUILTIN_SDK_LOG_LEVEL, NULL, "sdk-log-level", "<level>",
	 "Log level of the library, on the same scale", DOCA_ARGP_TYPE_INT, apply_sdk_log_level},
	{ARGP_BUILTIN_JSON, "j", "json", "<file>", "Read flags from a JSON file",
	 DOCA_ARGP_TYPE_STRING, NULL},
};

static doca_error_t builtins_add(void)
{
	for (size_t i = ARRAY_SIZE(builtins); i-- > 0;) {
		struct doca_argp_param *param;

		if (doca_argp_param_create(&param) != DOCA_SUCCESS)
			return DOCA_ERROR_NO_MEMORY;
		doca_argp_param_set_short_name(param, builtins[i].short_name);
		doca_argp_param_set_long_name(param, builtins[i].long_name);
		doca_argp_param_set_arguments(param, builtins[i].arguments);
		doca_argp_param_set_description(param, builtins[i].description);
		param->type = builtins[i].type;
		param->callback = builtins[i].callback;
		param->builtin = builtins[i].builtin;
		param->registered = true;
		param->next = argp.builtins;
		argp.builtins = param;
		if (param->broken)
			return DOCA_ERROR_NO_MEMORY;
	}
	return DOCA_SUCCESS;
}

/* --- items --- */

/* Frees the list; values of string items go with it. */
static void items_free(struct argp_item *items)
{
	while (items) {
		struct argp_item *next = items->next;

		if (items->type == DOCA_ARGP_TYPE_STRING)
			free(items->value.string);
		free(items);
		items = next;
	}
}

static struct argp_item *item_add(const struct doca_argp_param *param)
{
	struct argp_item *item = calloc(1, sizeof(*item));

	if (!item)
		return NULL;
	item->callback = param->callback;
	item->type = param->type;
	item->builtin = param->builtin != ARGP_BUILTIN_NONE;
	*argp.items_tail = item;
	argp.items_tail = &item->next;
	return item;
}

static doca_error_t complain_type(const struct doca_argp_param *param, const char *text,
				  const char *wanted)
{
	char label[128];

	argp_complain("%s: \"%s\" is not %s", argp_param_label(param, label, sizeof(label)), text,
		      wanted);
	return DOCA_ERROR_INVALID_VALUE;
}

doca_error_t argp_item_add_number(struct doca_argp_param *param, long long number)
{
	struct argp_item *item;
	char text[24];

	if (param->type == DOCA_ARGP_TYPE_DOUBLE)
		return argp_item_add_real(param, (double)number);
	snprintf(text, sizeof(text), "%lld", number);
	if (param->type != DOCA_ARGP_TYPE_INT)
		return complain_type(param, text, param->type == DOCA_ARGP_TYPE_STRING ?
				     "a string" : "true or false");
	if (number < INT_MIN || number > INT_MAX)
		return complain_type(param, text, "a number in the range of an int");
	item = item_add(param);
	if (!item)
		return DOCA_ERROR_NO_MEMORY;
	item->value.number = (int)number;
	return DOCA_SUCCESS;
}

doca_error_t argp_item_add_real(struct doca_argp_param *param, double real)
{
	struct argp_item *item;
	char text[32];

	snprintf(text, sizeof(text), "%g", real);
	if (param->type != DOCA_ARGP_TYPE_DOUBLE)
		return complain_type(param, text, param->type == DOCA_ARGP_TYPE_INT ?
				     "an integer" : "of the type wanted");
	if (!isfinite(real))
		return complain_type(param, text, "a finite number");
	item = item_add(param);
	if (!item)
		return DOCA_ERROR_NO_MEMORY;
	item->value.real = real;
	return DOCA_SUCCESS;
}

doca_error_t argp_item_add_flag(struct doca_argp_param *param, bool flag)
{
	struct argp_item *item;

	if (param->type != DOCA_ARGP_TYPE_BOOLEAN)
		return complain_type(param, flag ? "true" : "false", "of the type wanted");
	item = item_add(param);
	if (!item)
		return DOCA_ERROR_NO_MEMORY;
	item->value.flag = flag;
	return DOCA_SUCCESS;
}

static doca_error_t item_add_string(struct doca_argp_param *param, const char *text)
{
	char *copy = strdup(text);
	struct argp_item *item;

	if (!copy)
		return DOCA_ERROR_NO_MEMORY;
	item = item_add(param);
	if (!item) {
		free(copy);
		return DOCA_ERROR_NO_MEMORY;
	}
	item->value.string = copy;
	return DOCA_SUCCESS;
}

doca_error_t argp_item_add_text(struct doca_argp_param *param, const char *text)
{
	char *end;
	long long number;
	double real;

	errno = 0;
	switch (param->type) {
	case DOCA_ARGP_TYPE_STRING:
		return item_add_string(param, text);
	case DOCA_ARGP_TYPE_INT:
		number = strtoll(text, &end, 0);
		if (errno || end == text || *end)
			return complain_type(param, text, "an integer");
		return argp_item_add_number(param, number);
	case DOCA_ARGP_TYPE_DOUBLE:
		real = strtod(text, &end);
		if (errno || end == text || *end)
			return complain_type(param, text, "a number");
		return argp_item_add_real(param, real);
	default:
		return complain_type(param, text, "true or false");
	}
}

/* --- looking up --- */

static struct doca_argp_param *find_in(struct doca_argp_param *list, const char *name, bool is_long,
				       bool inherited_only)
{
	for (; list; list = list->next) {
		const char *have = is_long ? list->long_name : list->short_name;

		if (have && !strcmp(have, name) && (list->inherited || !inherited_only))
			return list;
	}
	return NULL;
}

static struct doca_argp_param *find(const char *name, bool is_long)
{
	for (struct doca_argp_cmd *cmd = argp.current; cmd; cmd = cmd->parent) {
		struct doca_argp_param *p = find_in(cmd->params, name, is_long,
						    cmd != argp.current);

		if (p)
			return p;
	}
	return find_in(argp.builtins, name, is_long, false);
}

struct doca_argp_param *argp_find_short(const char *name)
{
	return find(name, false);
}

struct doca_argp_param *argp_find_long(const char *name)
{
	return find(name, true);
}

/* --- init, start, destroy --- */

static void set_program_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	free(argp.program_name);
	argp.program_name = strdup(slash ? slash + 1 : path);
}

doca_error_t doca_argp_init(const char *program_name, void *program_config)
{
	doca_error_t result;

	if (argp.up)
		return DOCA_ERROR_BAD_STATE;
	argp = (struct argp){.up = true, .config = program_config};
	argp.current = &argp.root;
	argp.items_tail = &argp.items;
	if (program_name)
		set_program_name(program_name);
	result = builtins_add();
	if (result != DOCA_SUCCESS)
		doca_argp_destroy();
	return result;
}

doca_error_t doca_argp_destroy(void)
{
	if (!argp.up)
		return DOCA_ERROR_BAD_STATE;
	argp_cmd_clear(&argp.root);
	argp_params_free(argp.builtins);
	items_free(argp.items);
	free(argp.program_name);
	free(argp.json_path);
	argp = (struct argp){.up = false};
	return DOCA_SUCCESS;
}

/* Hands what follows "--" to the DPDK callback and returns how much of argv is ours. */
static doca_error_t split_dpdk(int *argc, char **argv)
{
	for (int i = 1; argp.dpdk_cb && i < *argc; i++) {
		char *separator = argv[i];
		doca_error_t result;
		int rest = *argc - i;

		if (strcmp(separator, "--"))
			continue;
		/* The callback gets an argv of its own, with the program's name in front. */
		argv[i] = argv[0];
		result = argp.dpdk_cb(rest, argv + i);
		argv[i] = separator;
		*argc = i;
		return result;
	}
	return DOCA_SUCCESS;
}

/* Is anything missing that must be there, for the command given and those around it? */
static doca_error_t check_mandatory(void)
{
	char label[128];

	for (struct doca_argp_cmd *cmd = argp.current; cmd; cmd = cmd->parent)
		for (struct doca_argp_param *p = cmd->params; p; p = p->next)
			if (p->mandatory && !p->on_cli && !p->in_json) {
				argp_complain("%s is mandatory",
					      argp_param_label(p, label, sizeof(label)));
				return DOCA_ERROR_INVALID_VALUE;
			}
	return DOCA_SUCCESS;
}

/* Was a parameter given that wants to be alone? */
static struct doca_argp_param *singular_given(void)
{
	for (struct doca_argp_cmd *cmd = argp.current; cmd; cmd = cmd->parent)
		for (struct doca_argp_param *p = cmd->params; p; p = p->next)
			if (p->singular && p->on_cli)
				return p;
	return NULL;
}

static doca_error_t collect(int argc, char **argv)
{
	struct doca_argp_param *alone;
	doca_error_t result;
	char label[128];

	result = argp_cli_parse(argc, argv);
	if (result == DOCA_SUCCESS && argp.json_path)
		result = argp_json_parse(argp.json_path);
	if (result != DOCA_SUCCESS)
		return result;
	alone = singular_given();
	if (!alone)
		return check_mandatory();
	if (argp.nr_on_cli > 1) {
		argp_complain("%s can not be used together with other flags",
			      argp_param_label(alone, label, sizeof(label)));
		return DOCA_ERROR_INVALID_VALUE;
	}
	return DOCA_SUCCESS;
}

/* Runs the callbacks of built-in or of other items. Stops when one fails or destroys the parser. */
static doca_error_t run_items(struct argp_item *items, bool builtin, void *config)
{
	doca_error_t result = DOCA_SUCCESS;

	for (; items && result == DOCA_SUCCESS && argp.up; items = items->next) {
		void *value = items->type == DOCA_ARGP_TYPE_STRING ? (void *)items->value.string :
								     (void *)&items->value;

		if (items->builtin == builtin)
			result = items->callback(value, config);
	}
	return result;
}

/* From the outermost command in, recursing over the way out. */
static doca_error_t run_cmds(struct doca_argp_cmd *cmd, void *config)
{
	doca_argp_cmd_cb_t callback = cmd->callback;
	doca_error_t result = cmd->parent ? run_cmds(cmd->parent, config) : DOCA_SUCCESS;

	if (result == DOCA_SUCCESS && callback && argp.up)
		result = callback(config);
	return result;
}

doca_error_t doca_argp_start(int argc, char **argv)
{
	struct argp_item *items;
	doca_error_t result;
	void *config;

	if (!argp.up || argp.started)
		return DOCA_ERROR_BAD_STATE;
	if (argc < 1 || !argv || !argv[0])
		return DOCA_ERROR_INVALID_VALUE;
	argp.started = true;
	if (!argp.program_name)
		set_program_name(argv[0]);

	result = split_dpdk(&argc, argv);
	if (result == DOCA_SUCCESS && argp.up)
		result = collect(argc, argv);
	config = argp.config;
	items = take_ptr(argp.items);
	argp.items_tail = &argp.items;
	DOCA_ERROR_PROPAGATE(result, run_items(items, true, config));
	DOCA_ERROR_PROPAGATE(result, run_items(items, false, config));
	items_free(items);
	if (result == DOCA_SUCCESS && argp.up)
		result = run_cmds(argp.current, config);
	if (result == DOCA_SUCCESS && argp.up && argp.validation_cb)
		result = argp.validation_cb(config);
	return result;
}

/* --- the rest of the public calls --- */

void doca_argp_usage(void)
{
	if (argp.up)
		argp_usage_print(stdout);
	else
		sd_log_err("usage asked for without a parser");
}

void doca_argp_set_dpdk_program(doca_argp_dpdk_cb_t callback)
{
	if (argp.up)
		argp.dpdk_cb = callback;
	else
		sd_log_err("DPDK flags announced without a parser");
}

doca_error_t doca_argp_register_version_callback(doca_argp_param_cb_t callback)
{
	if (!argp.up)
		return DOCA_ERROR_BAD_STATE;
	if (!callback)
		return DOCA_ERROR_INVALID_VALUE;
	argp.version_cb = callback;
	return DOCA_SUCCESS;
}

doca_error_t doca_argp_register_validation_callback(doca_argp_validation_cb_t callback)
{
	if (!argp.up)
		return DOCA_ERROR_BAD_STATE;
	if (!callback)
		return DOCA_ERROR_INVALID_VALUE;
	argp.validation_cb = callback;
	return DOCA_SUCCESS;
}

doca_error_t doca_argp_register_logger_callback(doca_argp_logger_cb_t callback)
{
	if (!argp.up)
		return DOCA_ERROR_BAD_STATE;
	if (!callback)
		return DOCA_ERROR_INVALID_VALUE;
	if (argp.logger_cb)
		return DOCA_ERROR_ALREADY_EXIST;
	argp.logger_cb = callback;
	return DOCA_SUCCESS;
}

doca_error_t doca_argp_disable_logger_callback(void)
{
	if (!argp.up || !argp.logger_cb)
		return DOCA_ERROR_BAD_STATE;
	argp.logger_cb = NULL;
	return DOCA_SUCCESS;
}

doca_error_t doca_argp_get_log_level(int *log_level)
{
	if (!argp.up)
		return DOCA_ERROR_BAD_STATE;
	if (!log_level)
		return DOCA_ERROR_INVALID_VALUE;
	*log_level = argp.log_level ? argp.log_level : (int)doca_log_level_get_global_lower_limit();
	return DOCA_SUCCESS;
}

doca_error_t doca_argp_get_sdk_log_level(int *log_level)
{
	if (!argp.up)
		return DOCA_ERROR_BAD_STATE;
	if (!log_level)
		return DOCA_ERROR_INVALID_VALUE;
	*log_level = argp.sdk_log_level ? argp.sdk_log_level :
					  (int)doca_log_level_get_global_sdk_limit();
	return DOCA_SUCCESS;
}
