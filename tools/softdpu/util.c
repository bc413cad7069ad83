/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doca_log.h"
#include "softdpu.h"

/* Texts come from other processes too: nothing of them may steer a terminal. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

static void __attribute__((format(printf, 3, 0)))
print_line(FILE *file, const char *prefix, const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) < 0)
		return;
	make_printable(text);
	fprintf(file, "%s%s\n", prefix, text);
	free(text);
}

static void __attribute__((format(printf, 1, 0))) complain(const char *fmt, va_list ap)
{
	print_line(stderr, "softdpu: ", fmt, ap);
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_line(stdout, "", fmt, ap);
	va_end(ap);
}

int fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
	return EXIT_FAILURE;
}

int fail_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
	fputs("softdpu --help tells more\n", stderr);
	return EXIT_USAGE;
}

/* ---- the library's messages ---- */

static char library_line[2048];

/* Without the fields in brackets that a line begins with. */
static void print_heard(char *line)
{
	while (*line == '[' && strchr(line, ']'))
		line = strchr(line, ']') + 1;
	line += strspn(line, " ");
	line[strcspn(line, "\n")] = '\0';
	fail("%s", line);
}

void util_hear_library(void)
{
	struct doca_log_backend *backend;

	if (doca_log_backend_create_with_buf_sdk(library_line, sizeof(library_line), print_heard,
						 &backend) == DOCA_SUCCESS)
		doca_log_backend_set_sdk_level(backend, DOCA_LOG_LEVEL_WARNING);
}

/* ---- JSON ---- */

void util_print_json(struct json_object *obj)
{
	puts(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PRETTY |
						 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(obj);
}

static struct json_object *jget(struct json_object *obj, const char *key, enum json_type type)
{
	struct json_object *value;

	return json_object_is_type(obj, json_type_object) &&
			       json_object_object_get_ex(obj, key, &value) &&
			       json_object_is_type(value, type) ?
		       value : NULL;
}

const char *jtext(struct json_object *obj, const char *key)
{
	struct json_object *value = jget(obj, key, json_type_string);

	return value ? json_object_get_string(value) : "";
}

int64_t jint(struct json_object *obj, const char *key)
{
	struct json_object *value = jget(obj, key, json_type_int);

	return value ? json_object_get_int64(value) : 0;
}

struct json_object *jarray(struct json_object *obj, const char *key)
{
	return jget(obj, key, json_type_array);
}

size_t jlength(struct json_object *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

void jadd(struct json_object *obj, const char *key, const char *text)
{
	json_object_object_add(obj, key, json_object_new_string(text));
}

/* ---- tables ---- */

static char *printable(const char *text)
{
	char *copy = strdup(text[0] ? text : "-");

	if (copy)
		make_printable(copy);
	return copy;
}

void table_row(struct table *t, ...)
{
	char **cell = realloc(t->cell, (size_t)(t->nr_rows + 1) * t->columns * sizeof(*cell));
	va_list ap;

	if (!cell)
		return;
	t->cell = cell;
	va_start(ap, t);
	for (unsigned int i = 0; i < t->columns; i++)
		cell[t->nr_rows * t->columns + i] = printable(va_arg(ap, const char *));
	va_end(ap);
	t->nr_rows++;
}

static int column_width(const struct table *t, unsigned int column)
{
	size_t most = 0;

	for (unsigned int r = 0; r < t->nr_rows; r++) {
		const char *text = t->cell[r * t->columns + column];
		size_t len = text ? strlen(text) : 0;

		most = len > most ? len : most;
	}
	return (int)most;
}

void table_print(struct table *t)
{
	for (unsigned int r = 0; r < t->nr_rows; r++)
		for (unsigned int c = 0; c < t->columns; c++) {
			char *text = t->cell[r * t->columns + c];

			if (c + 1 < t->columns)
				printf("%-*s  ", column_width(t, c), text ? text : "");
			else
				printf("%s\n", text ? text : "");
		}
	for (unsigned int i = 0; i < t->nr_rows * t->columns; i++)
		free(t->cell[i]);
	free(t->cell);
	t->cell = NULL;
	t->nr_rows = 0;
}
