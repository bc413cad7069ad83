/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Command line to items. Flags are matched as whole words: "-ns" is the flag ns, not n and s. A
 * value is the next word, or follows "=" in "--name=value" and "-n=value". A word that is no flag
 * names a command of the current one.
 */
#include "core/argp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doca_version.h"

/* What is left of the command line. */
struct cursor {
	char **next, **end;
};

/* Ends the process as the user asked for; the parser is freed, exit handlers run. */
static void __attribute__((noreturn)) leave(void)
{
	fflush(stdout);
	doca_argp_destroy();
	exit(EXIT_SUCCESS);
}

static doca_error_t show_version(void)
{
	doca_error_t result = DOCA_SUCCESS;

	if (argp.version_cb)
		result = argp.version_cb(NULL, argp.config);
	else
		printf("%s\nAPI %s, library %s\n", argp.program_name ? argp.program_name : "",
		       doca_version(), doca_version_runtime());
	if (result != DOCA_SUCCESS)
		return result;
	leave();
}

/* The parameter a word such as "--name=value" or "-n" names; *ret_value is what follows "=". */
static struct doca_argp_param *lookup(const char *word, const char **ret_value)
{
	bool is_long = word[1] == '-';
	const char *name = word + (is_long ? 2 : 1);
	const char *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	struct doca_argp_param *param;
	char *copy;

	*ret_value = equals ? equals + 1 : NULL;
	copy = strndup(name, len);
	if (!copy)
		return NULL;
	param = is_long ? argp_find_long(copy) : argp_find_short(copy);
	free(copy);
	return param;
}

static bool is_flag(const char *word)
{
	return word[0] == '-' && word[1];
}

/* The value of a flag that takes one. A known flag in its place means that it was forgotten. */
static const char *take_value(struct cursor *c, const struct doca_argp_param *param,
			      const char *attached)
{
	const char *unused;
	char label[128];

	if (attached)
		return attached;
	if (c->next == c->end || (is_flag(*c->next) && lookup(*c->next, &unused))) {
		argp_complain("%s needs a value", argp_param_label(param, label, sizeof(label)));
		return NULL;
	}
	return *c->next++;
}

static doca_error_t set_json_path(const char *path)
{
	free(argp.json_path);
	argp.json_path = strdup(path);
	return argp.json_path ? DOCA_SUCCESS : DOCA_ERROR_NO_MEMORY;
}

static doca_error_t parse_value(struct cursor *c, struct doca_argp_param *param,
				const char *attached)
{
	const char *value = take_value(c, param, attached);

	if (!value)
		return DOCA_ERROR_INVALID_VALUE;
	if (param->builtin == ARGP_BUILTIN_JSON)
		return set_json_path(value);
	return argp_item_add_text(param, value);
}

static doca_error_t parse_flag(struct cursor *c, const char *word)
{
	const char *attached;
	struct doca_argp_param *param = lookup(word, &attached);

	if (!param) {
		argp_complain("unknown flag %s (--help lists the known ones)", word);
		return DOCA_ERROR_NOT_SUPPORTED;
	}
	if (param->on_cli && !param->multiplicity) {
		argp_complain("%s is given more than once", word);
		return DOCA_ERROR_INVALID_VALUE;
	}
	if (param->type == DOCA_ARGP_TYPE_BOOLEAN && attached) {
		argp_complain("%s: this flag takes no value", word);
		return DOCA_ERROR_INVALID_VALUE;
	}
	if (param->builtin == ARGP_BUILTIN_HELP) {
		argp_usage_print(stdout);
		leave();
	}
	if (param->builtin == ARGP_BUILTIN_VERSION)
		return show_version();
	param->on_cli = true;
	argp.nr_on_cli += param->builtin == ARGP_BUILTIN_NONE;
	if (param->type == DOCA_ARGP_TYPE_BOOLEAN)
		return argp_item_add_flag(param, true);
	return parse_value(c, param, attached);
}

static doca_error_t parse_cmd(const char *word)
{
	for (struct doca_argp_cmd *cmd = argp.current->cmds; cmd; cmd = cmd->next)
		if (!strcmp(cmd->name, word)) {
			argp.current = cmd;
			return DOCA_SUCCESS;
		}
	argp_complain(argp.current->cmds ? "unknown command \"%s\"" : "unexpected argument \"%s\"",
		      word);
	return argp.current->cmds ? DOCA_ERROR_NOT_SUPPORTED : DOCA_ERROR_INVALID_VALUE;
}

doca_error_t argp_cli_parse(int argc, char **argv)
{
	struct cursor c = {.next = argv + 1, .end = argv + argc};
	doca_error_t result = DOCA_SUCCESS;

	while (result == DOCA_SUCCESS && c.next < c.end) {
		const char *word = *c.next++;

		result = is_flag(word) ? parse_flag(&c, word) : parse_cmd(word);
	}
	return result;
}
