/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The help text: what can follow the current command, as tables whose columns are aligned over all
 * of them. Descriptions wrap; a row with a long name gets its description on the next line.
 */
#include "core/argp.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"

#define USAGE_WIDTH 100	   /* columns of the whole text */
#define USAGE_LEFT_MAX 38  /* a longer name does not move the descriptions of all others */

/* One table column layout for the whole text. */
struct layout {
	int short_width; /* "-ns, " */
	int left;	 /* where descriptions start */
};

/* What stands for the value: the program's word, in angle brackets, or one after the type. */
static const char *value_name(const struct doca_argp_param *p, char *buf, size_t size)
{
	static const char *const by_type[] = {
		[DOCA_ARGP_TYPE_STRING] = "string",
		[DOCA_ARGP_TYPE_INT] = "number",
		[DOCA_ARGP_TYPE_DOUBLE] = "number",
	};
	const char *word = p->arguments;

	buf[0] = '\0';
	if (p->type == DOCA_ARGP_TYPE_BOOLEAN)
		return buf;
	if (!word || !*word)
		word = by_type[p->type];
	snprintf(buf, size, strchr("<[{'\"", word[0]) ? " %s" : " <%s>", word);
	return buf;
}

/* "-s, --long <value>" with the long name aligned; returns the width. */
static int format_left(const struct doca_argp_param *p, const struct layout *at, char *buf,
		       size_t size)
{
	char first[64] = "", value[96];

	if (p->short_name)
		snprintf(first, sizeof(first), "-%s%s", p->short_name, p->long_name ? ", " : "");
	value_name(p, value, sizeof(value));
	if (p->long_name)
		return snprintf(buf, size, "  %-*s--%s%s", at->short_width, first, p->long_name,
				value);
	return snprintf(buf, size, "  %s%s", first, value);
}

/* Prints text in the column of descriptions, starting a new line where a word does not fit. */
static void print_wrapped(FILE *out, const char *text, int left)
{
	int column = left;

	while (*text) {
		int len = (int)strcspn(text, " \n");

		if (column > left && column + 1 + len > USAGE_WIDTH) {
			fprintf(out, "\n%*s", left, "");
			column = left;
		}
		column += fprintf(out, "%s%.*s", column > left ? " " : "", len, text);
		text += len;
		text += strspn(text, " \n");
	}
}

static void print_row(FILE *out, const char *left_text, int width, const char *description,
		      const char *note, const struct layout *at)
{
	char text[1024];

	snprintf(text, sizeof(text), "%s%s", description, note);
	if (width + 2 > at->left)
		fprintf(out, "%s\n%*s", left_text, at->left, "");
	else
		fprintf(out, "%-*s", at->left, left_text);
	print_wrapped(out, text, at->left);
	fputc('\n', out);
}

static void print_param(FILE *out, const struct doca_argp_param *p, const struct layout *at)
{
	char left[256];
	int width = format_left(p, at, left, sizeof(left));
	const char *note = p->mandatory && p->multiplicity ? " (mandatory, can be repeated)" :
			   p->mandatory	   ? " (mandatory)" :
			   p->multiplicity ? " (can be repeated)" :
					     "";

	print_row(out, left, width, p->description, note, at);
}

/* Parameters of a list that belong into the text, counted. */
static int count_shown(const struct doca_argp_param *p, bool inherited_only)
{
	int n = 0;

	for (; p; p = p->next)
		n += !p->hidden && (p->inherited || !inherited_only);
	return n;
}

static void print_params(FILE *out, const char *title, const struct doca_argp_param *p,
			 bool inherited_only, const struct layout *at)
{
	if (!count_shown(p, inherited_only))
		return;
	fprintf(out, "\n%s:\n", title);
	for (; p; p = p->next)
		if (!p->hidden && (p->inherited || !inherited_only))
			print_param(out, p, at);
}

static int count_cmds(const struct doca_argp_cmd *c)
{
	int n = 0;

	for (; c; c = c->next)
		n += !c->hidden;
	return n;
}

static void print_cmds(FILE *out, const struct doca_argp_cmd *c, const struct layout *at)
{
	char left[256];

	if (!count_cmds(c))
		return;
	fputs("\nCommands:\n", out);
	for (; c; c = c->next)
		if (!c->hidden)
			print_row(out, left, snprintf(left, sizeof(left), "  %s", c->name),
				  c->description, "", at);
}

static void widen_short(struct layout *at, const struct doca_argp_param *p)
{
	for (; p; p = p->next)
		if (!p->hidden && p->short_name)
			at->short_width = max(at->short_width, (int)strlen(p->short_name) + 3);
}

static void widen_left(struct layout *at, const struct doca_argp_param *p)
{
	char left[256];

	for (; p; p = p->next) {
		int width = p->hidden ? 0 : format_left(p, at, left, sizeof(left)) + 2;

		if (width <= USAGE_LEFT_MAX)
			at->left = max(at->left, width);
	}
}

/* The names of the commands from the outermost to this one. */
static void print_path(FILE *out, const struct doca_argp_cmd *cmd)
{
	if (cmd->parent)
		print_path(out, cmd->parent);
	if (cmd->name)
		fprintf(out, " %s", cmd->name);
}

void argp_usage_print(FILE *out)
{
	struct layout at = {.short_width = 4, .left = 16};
	const struct doca_argp_cmd *cmd;

	widen_short(&at, argp.builtins);
	for (cmd = argp.current; cmd; cmd = cmd->parent)
		widen_short(&at, cmd->params);
	widen_left(&at, argp.builtins);
	for (cmd = argp.current; cmd; cmd = cmd->parent)
		widen_left(&at, cmd->params);

	fprintf(out, "Usage: %s", argp.program_name ? argp.program_name : "PROGRAM");
	print_path(out, argp.current);
	fprintf(out, " [flags]%s%s\n", count_cmds(argp.current->cmds) ? " <command> [flags]" : "",
		argp.dpdk_cb ? " [-- DPDK flags]" : "");
	print_cmds(out, argp.current->cmds, &at);
	print_params(out, argp.current->parent ? "Command flags" : "Program flags",
		     argp.current->params, false, &at);
	for (cmd = argp.current->parent; cmd; cmd = cmd->parent)
		print_params(out, "Inherited flags", cmd->params, true, &at);
	print_params(out, "General flags", argp.builtins, false, &at);
}
