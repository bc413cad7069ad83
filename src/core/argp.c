/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parameters and commands: what they are, how they are set up and registered. An object belongs to
 * whoever created it until it is registered, and to the parser afterwards; a registration that
 * fails frees it.
 */
#include "core/argp.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "core/log.h"

SD_LOG_REGISTER(ARGP);

/* --- parameters --- */

static void param_free(struct doca_argp_param *param)
{
	free(param->short_name);
	free(param->long_name);
	free(param->arguments);
	free(param->description);
	free(param);
}

doca_error_t doca_argp_param_create(struct doca_argp_param **param)
{
	struct doca_argp_param *p;

	if (!param)
		return DOCA_ERROR_INVALID_VALUE;
	p = calloc(1, sizeof(*p));
	if (!p)
		return DOCA_ERROR_NO_MEMORY;
	*param = p;
	return DOCA_SUCCESS;
}

doca_error_t doca_argp_param_destroy(struct doca_argp_param *param)
{
	if (!param)
		return DOCA_ERROR_INVALID_VALUE;
	if (param->registered)
		return DOCA_ERROR_BAD_STATE;
	param_free(param);
	return DOCA_SUCCESS;
}

/* Replaces *field by a copy of text; without memory the object can not be registered any more. */
static void set_text(char **field, const char *text, bool *broken)
{
	free(*field);
	*field = text ? strdup(text) : NULL;
	if (text && !*field)
		*broken = true;
}

/* The setters return nothing, so that a NULL object can only be ignored and logged. */
#define PARAM_SETTER(name, args, statement) \
	void doca_argp_param_set_##name args \
	{ \
		if (param) \
			statement; \
		else \
			sd_log_err("no parameter given"); \
	}

PARAM_SETTER(short_name, (struct doca_argp_param *param, const char *name),
	     set_text(&param->short_name, name, &param->broken))
PARAM_SETTER(long_name, (struct doca_argp_param *param, const char *name),
	     set_text(&param->long_name, name, &param->broken))
PARAM_SETTER(arguments, (struct doca_argp_param *param, const char *arguments),
	     set_text(&param->arguments, arguments, &param->broken))
PARAM_SETTER(description, (struct doca_argp_param *param, const char *description),
	     set_text(&param->description, description, &param->broken))
PARAM_SETTER(callback, (struct doca_argp_param *param, doca_argp_param_cb_t callback),
	     param->callback = callback)
PARAM_SETTER(type, (struct doca_argp_param *param, enum doca_argp_type type), param->type = type)
PARAM_SETTER(mandatory, (struct doca_argp_param *param), param->mandatory = true)
PARAM_SETTER(cli_only, (struct doca_argp_param *param), param->cli_only = true)
PARAM_SETTER(multiplicity, (struct doca_argp_param *param), param->multiplicity = true)
PARAM_SETTER(singular, (struct doca_argp_param *param), param->singular = true)
PARAM_SETTER(inherited, (struct doca_argp_param *param), param->inherited = true)
PARAM_SETTER(hidden, (struct doca_argp_param *param), param->hidden = true)

/* --- commands --- */

void argp_params_free(struct doca_argp_param *params)
{
	while (params) {
		struct doca_argp_param *next = params->next;

		param_free(params);
		params = next;
	}
}

/* Recursion is as deep as the program nested its commands. */
void argp_cmd_clear(struct doca_argp_cmd *cmd)
{
	while (cmd->cmds) {
		struct doca_argp_cmd *child = cmd->cmds;

		cmd->cmds = child->next;
		argp_cmd_clear(child);
		free(child);
	}
	argp_params_free(take_ptr(cmd->params));
	free(take_ptr(cmd->name));
	free(take_ptr(cmd->description));
}

doca_error_t doca_argp_cmd_create(struct doca_argp_cmd **cmd)
{
	struct doca_argp_cmd *c;

	if (!cmd)
		return DOCA_ERROR_INVALID_VALUE;
	c = calloc(1, sizeof(*c));
	if (!c)
		return DOCA_ERROR_NO_MEMORY;
	*cmd = c;
	return DOCA_SUCCESS;
}

doca_error_t doca_argp_cmd_destroy(struct doca_argp_cmd *cmd)
{
	if (!cmd)
		return DOCA_ERROR_INVALID_VALUE;
	if (cmd->registered)
		return DOCA_ERROR_BAD_STATE;
	argp_cmd_clear(cmd);
	free(cmd);
	return DOCA_SUCCESS;
}

#define CMD_SETTER(name, args, statement) \
	void doca_argp_cmd_set_##name args \
	{ \
		if (cmd) \
			statement; \
		else \
			sd_log_err("no command given"); \
	}

CMD_SETTER(name, (struct doca_argp_cmd *cmd, const char *name),
	   set_text(&cmd->name, name, &cmd->broken))
CMD_SETTER(description, (struct doca_argp_cmd *cmd, const char *description),
	   set_text(&cmd->description, description, &cmd->broken))
CMD_SETTER(callback, (struct doca_argp_cmd *cmd, doca_argp_cmd_cb_t callback),
	   cmd->callback = callback)
CMD_SETTER(hidden, (struct doca_argp_cmd *cmd), cmd->hidden = true)

/* --- registration --- */

static bool name_is_usable(const char *name)
{
	return !name || (*name && *name != '-' && !strpbrk(name, "= \t\n"));
}

static bool same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

static bool name_is_taken(const struct doca_argp_param *list, const struct doca_argp_param *param)
{
	for (; list; list = list->next)
		if (same(list->short_name, param->short_name) ||
		    same(list->long_name, param->long_name))
			return true;
	return false;
}

static doca_error_t param_check(const struct doca_argp_param *param,
				const struct doca_argp_cmd *cmd)
{
	if (param->broken)
		return DOCA_ERROR_NO_MEMORY;
	if (!param->description || !param->callback || param->type == DOCA_ARGP_TYPE_UNKNOWN ||
	    (!param->short_name && !param->long_name))
		return DOCA_ERROR_INITIALIZATION;
	if (param->type == DOCA_ARGP_TYPE_DEVICE || param->type == DOCA_ARGP_TYPE_DEVICE_REP)
		return DOCA_ERROR_NOT_SUPPORTED;
	if ((unsigned int)param->type > DOCA_ARGP_TYPE_DOUBLE ||
	    !name_is_usable(param->short_name) || !name_is_usable(param->long_name))
		return DOCA_ERROR_INVALID_VALUE;
	if (name_is_taken(argp.builtins, param) || name_is_taken(cmd->params, param))
		return DOCA_ERROR_ALREADY_EXIST;
	return DOCA_SUCCESS;
}

/* Takes the parameter whatever happens, unless it is registered already: then it has an owner. */
static doca_error_t param_register(struct doca_argp_cmd *cmd, struct doca_argp_param *param)
{
	struct doca_argp_param **tail;
	doca_error_t result;

	if (!param)
		return DOCA_ERROR_INVALID_VALUE;
	if (param->registered)
		return DOCA_ERROR_BAD_STATE;
	result = argp.up && cmd ? param_check(param, cmd) : DOCA_ERROR_BAD_STATE;
	if (result != DOCA_SUCCESS) {
		param_free(param);
		return result;
	}
	param->registered = true;
	for (tail = &cmd->params; *tail; tail = &(*tail)->next)
		;
	*tail = param;
	return DOCA_SUCCESS;
}

static doca_error_t cmd_check(const struct doca_argp_cmd *parent, const struct doca_argp_cmd *cmd)
{
	if (cmd->broken)
		return DOCA_ERROR_NO_MEMORY;
	if (!cmd->name || !cmd->description)
		return DOCA_ERROR_INITIALIZATION;
	if (!name_is_usable(cmd->name))
		return DOCA_ERROR_INVALID_VALUE;
	for (const struct doca_argp_cmd *c = parent->cmds; c; c = c->next)
		if (same(c->name, cmd->name))
			return DOCA_ERROR_ALREADY_EXIST;
	return DOCA_SUCCESS;
}

/* As param_register(), for commands. */
static doca_error_t cmd_register(struct doca_argp_cmd *parent, struct doca_argp_cmd *cmd)
{
	struct doca_argp_cmd **tail;
	doca_error_t result;

	if (!cmd || parent == cmd)
		return DOCA_ERROR_INVALID_VALUE;
	if (cmd->registered)
		return DOCA_ERROR_BAD_STATE;
	result = argp.up && parent ? cmd_check(parent, cmd) : DOCA_ERROR_BAD_STATE;
	if (result != DOCA_SUCCESS) {
		argp_cmd_clear(cmd);
		free(cmd);
		return result;
	}
	cmd->registered = true;
	cmd->parent = parent;
	for (tail = &parent->cmds; *tail; tail = &(*tail)->next)
		;
	*tail = cmd;
	return DOCA_SUCCESS;
}

doca_error_t doca_argp_register_param(struct doca_argp_param *input_param)
{
	return param_register(&argp.root, input_param);
}

doca_error_t doca_argp_register_cmd(struct doca_argp_cmd *input_cmd)
{
	return cmd_register(&argp.root, input_cmd);
}

doca_error_t doca_argp_cmd_register_param(struct doca_argp_cmd *cmd,
					  struct doca_argp_param *input_param)
{
	return param_register(cmd, input_param);
}

doca_error_t doca_argp_cmd_register_cmd(struct doca_argp_cmd *cmd,
					struct doca_argp_cmd *input_cmd)
{
	return cmd_register(cmd, input_cmd);
}
