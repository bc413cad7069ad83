/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies a manual page from standard input to standard output; the line @OPTIONS@ becomes the list of
 * doca_virtiofs' options, from the table its parser is made of.
 */
#include <stdio.h>
#include <string.h>

static const struct {
	const char *short_name, *long_name, *argument, *text;
} option[] = {
#define OPTION(field, kind, short_name, long_name, arg, text) { short_name, long_name, arg, text },
#include "conf_options.def"
#undef OPTION
};

/* "<mask>" -> the mdoc argument "mask". */
static void print_argument(const char *arg)
{
	if (arg)
		printf(" Ar %.*s", (int)strlen(arg) - 2, arg + 1);
}

/* One sentence a line, as mdoc wants it. */
static void print_text(const char *text)
{
	const char *end;

	for (; (end = strstr(text, ". ")); text = end + 2)
		printf("%.*s\n", (int)(end + 1 - text), text);
	printf("%s.\n", text);
}

static void print_options(void)
{
	for (size_t i = 0; i < sizeof(option) / sizeof(option[0]); i++) {
		printf(".It");
		if (option[i].short_name)
			printf(" Fl %s ,", option[i].short_name);
		printf(" Fl Fl %s", option[i].long_name);
		print_argument(option[i].argument);
		putchar('\n');
		print_text(option[i].text);
	}
}

int main(void)
{
	char line[1024];

	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "@OPTIONS@\n"))
			print_options();
		else
			fputs(line, stdout);
	}
	return 0;
}
