/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies a manual page from standard input to standard output; the lines @OPTIONS@ and @NFS_OPTIONS@ become
 * the lists of doca_virtiofs' options and of those of an NFS mount, from the tables their parsers are made of.
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

static const struct {
	const char *name, *text;
	unsigned long least, most; /* most 0: it has no number */
} nfs_option[] = {
#define NFS_NUMBER(name, field, least, most, unit, text) { name, text, least, most },
#define NFS_WORD(name, field, value, text) { name, text, 0, 0 },
#define NFS_MAX_NCONNECT 16
#include "fs/nfs/nfs_options.def"
#undef NFS_NUMBER
#undef NFS_WORD
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

/* Numbers with their range; rows without a text are in nfs(5). */
static void print_nfs_options(void)
{
	for (size_t i = 0; i < sizeof(nfs_option) / sizeof(nfs_option[0]); i++) {
		const char *name = nfs_option[i].name;

		if (!nfs_option[i].text)
			continue;
		if (nfs_option[i].most)
			printf(".It Cm %s Ns = Ns Ar %lu Ns - Ns Ar %lu\n", name, nfs_option[i].least,
			       nfs_option[i].most);
		else
			printf(".It Cm %s\n", name);
		print_text(nfs_option[i].text);
	}
}

int main(void)
{
	char line[1024];

	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "@OPTIONS@\n"))
			print_options();
		else if (!strcmp(line, "@NFS_OPTIONS@\n"))
			print_nfs_options();
		else
			fputs(line, stdout);
	}
	return 0;
}
