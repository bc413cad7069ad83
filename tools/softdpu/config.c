/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * softdpu config: the settings of a board file, in the calling form of mlxconfig. The file's
 * other keys stay as they are. What is written has been read by the board's own reader before,
 * and replaces the file in one step. Who changes it holds a lock from reading to writing; on the
 * directory, since the file is another one afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/board.h"
#include "core/board_settings.h"
#include "softdpu.h"

#define LOCK_TRIES 1000 /* of 10 ms: who holds it writes one file */

struct config {
	const char *manager; /* NULL: the first */
	const char *file;
	bool json;
	struct json_object *top; /* the board's text */
	struct json_object *entry; /* of the manager, in it */
	struct board *board; /* as it is read */
	const struct doca_devinfo *info; /* of the manager, in it */
};

/* ---- the file ---- */

/* Until the end of the process. */
static int lock_file(const char *file)
{
	CLEANUP_FREE char *copy = strdup(file);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	for (int i = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (i == LOCK_TRIES || (errno != EWOULDBLOCK && errno != EINTR))
			return fail("%s: its directory cannot be locked: %s", file, strerror(errno));
		usleep(10000);
	}
	return fd < 0 ? fail("%s: %s", file, strerror(errno)) : EXIT_SUCCESS;
}

/* A file that is not there is the built-in board, which has no manager described. */
static int load_text(struct config *c)
{
	CLEANUP_FREE char *text = board_read_file(c->file);

	if (!text && errno != ENOENT)
		return fail("%s: %s", c->file, strerror(errno));
	if (board_parse(text, c->file, &c->board) != DOCA_SUCCESS)
		return EXIT_FAILURE; /* said by the library */
	c->top = json_tokener_parse(text ? text : "{\"managers\": [{}]}");
	return c->top ? EXIT_SUCCESS : fail("%s: cannot be read", c->file);
}

/* By name, by PCI address, or as the device file of a card: then the first. */
static bool is_manager(const struct doca_devinfo *info, const char *text)
{
	uint8_t equal = 0;

	if (!text || !strcmp(info->ibdev_name, text) || !strncmp(text, "/dev/mst/", 9))
		return true;
	return doca_devinfo_is_equal_pci_addr(info, text, &equal) == DOCA_SUCCESS && equal;
}

static int find_manager(struct config *c)
{
	for (unsigned int i = 0; i < c->board->nr_managers; i++) {
		if (!is_manager(&c->board->managers[i], c->manager))
			continue;
		c->info = &c->board->managers[i];
		c->entry = json_object_array_get_idx(jarray(c->top, "managers"), i);
		return EXIT_SUCCESS;
	}
	return fail("%s: there is no manager %s", c->file, c->manager);
}

/* Beside the file and renamed over it, so that a reader finds the old one or the new one. */
static int write_text(const char *file, const char *text)
{
	CLEANUP_FREE char *temp = NULL;
	CLEANUP_FD int fd = -1;
	size_t len = strlen(text);
	struct stat st;
	int rc = 0;

	if (asprintf(&temp, "%s.XXXXXX", file) < 0) {
		temp = NULL;
		return fail("out of memory");
	}
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return fail("%s: %s", temp, strerror(errno));
	if (fchmod(fd, stat(file, &st) ? 0644 : st.st_mode & 07777) ||
	    write(fd, text, len) != (ssize_t)len || write(fd, "\n", 1) != 1 || fsync(fd) ||
	    rename(temp, file)) {
		rc = fail("%s: %s", file, strerror(errno));
		unlink(temp);
	}
	return rc;
}

/* ---- query ---- */

static int64_t setting_now(const struct config *c, const struct board_setting *key)
{
	struct json_object *value;

	if (json_object_object_get_ex(c->entry, key->name, &value))
		return json_object_get_int64(value);
	/* As many functions as are described. */
	if (!strcmp(key->name, "VIRTIO_FS_EMULATION_NUM_PF") &&
	    jlength(jarray(c->entry, "functions")))
		return (int64_t)jlength(jarray(c->entry, "functions"));
	return key->value;
}

static void query_json(const struct config *c, struct json_object *settings,
		       const struct board_setting *key)
{
	struct json_object *one = json_object_new_object();
	char range[BOARD_RANGE_LEN];

	board_setting_range(key, range);
	json_object_object_add(one, "value", json_object_new_int64(setting_now(c, key)));
	json_object_object_add(one, "default", json_object_new_int(key->value));
	jadd(one, "accepts", range);
	json_object_object_add(settings, key->name, one);
}

static void query_row(const struct config *c, struct table *t, const struct board_setting *key)
{
	char now[32], usual[32], range[BOARD_RANGE_LEN];

	snprintf(now, sizeof(now), "%lld", (long long)setting_now(c, key));
	snprintf(usual, sizeof(usual), "%d", key->value);
	board_setting_range(key, range);
	table_row(t, key->name, now, usual, range, key->what);
}

static bool is_asked(const struct board_setting *key, char **names, int nr)
{
	for (int i = 0; i < nr; i++)
		if (!strcmp(names[i], key->name))
			return true;
	return !nr;
}

static int query(struct config *c, char **names, int nr)
{
	struct json_object *top = json_object_new_object(), *settings = json_object_new_object();
	struct table t = { .columns = 5 };

	for (int i = 0; i < nr; i++)
		if (!board_setting_find(names[i])) {
			json_object_put(top);
			json_object_put(settings);
			return fail("there is no setting %s; softdpu config query shows all",
				    names[i]);
		}
	jadd(top, "file", c->file);
	jadd(top, "manager", c->info->ibdev_name);
	jadd(top, "pci_addr", c->info->pci_addr);
	json_object_object_add(top, "settings", settings);
	for (size_t i = 0; i < BOARD_NR_SETTINGS; i++)
		if (is_asked(&board_setting_table[i], names, nr))
			query_json(c, settings, &board_setting_table[i]);
	if (c->json) {
		util_print_json(top);
		return EXIT_SUCCESS;
	}
	table_row(&t, "SETTING", "NEXT START", "DEFAULT", "ACCEPTS", "WHAT IT IS");
	for (size_t i = 0; i < BOARD_NR_SETTINGS; i++)
		if (is_asked(&board_setting_table[i], names, nr))
			query_row(c, &t, &board_setting_table[i]);
	printf("%s: manager %s at %s\n\n", c->file, c->info->ibdev_name, c->info->pci_addr);
	json_object_put(top);
	table_print(&t);
	return EXIT_SUCCESS;
}

/* ---- set ---- */

/* Numbers as in C, and the words mlxconfig has. */
static bool parse_value(const char *text, int64_t *ret)
{
	char *end;

	if (!strcasecmp(text, "true") || !strcasecmp(text, "false")) {
		*ret = !strcasecmp(text, "true");
		return true;
	}
	errno = 0;
	*ret = strtoll(text, &end, 0);
	return *text && !*end && !errno && strspn(text, " \t+") == 0;
}

static int set_one(struct config *c, const char *assignment)
{
	const char *equals = strchr(assignment, '=');
	CLEANUP_FREE char *name = NULL;
	const struct board_setting *key;
	char range[BOARD_RANGE_LEN];
	int64_t value;

	if (!equals)
		return fail_usage("'%s' is not NAME=VALUE", assignment);
	name = strndup(assignment, (size_t)(equals - assignment));
	key = name ? board_setting_find(name) : NULL;
	if (!key)
		return fail("there is no setting %s; softdpu config query shows all",
			    name ? name : "");
	board_setting_range(key, range);
	if (!parse_value(equals + 1, &value) || !board_setting_accepts(key, value))
		return fail("%s = %s: must be %s", key->name, equals + 1, range);
	json_object_object_add(c->entry, key->name, json_object_new_int64(value));
	return EXIT_SUCCESS;
}

static int set(struct config *c, char **assignments, int nr)
{
	struct board *changed;
	const char *text;
	int rc = nr ? EXIT_SUCCESS : fail_usage("set what? NAME=VALUE");

	for (int i = 0; !rc && i < nr; i++)
		rc = set_one(c, assignments[i]);
	if (rc)
		return rc;
	text = json_object_to_json_string_ext(c->top, JSON_C_TO_STRING_PRETTY |
							      JSON_C_TO_STRING_NOSLASHESCAPE);
	/* Settings have to fit to each other, and to what else is in the file. */
	if (board_parse(text, c->file, &changed) != DOCA_SUCCESS)
		return EXIT_FAILURE;
	board_free(changed);
	rc = write_text(c->file, text);
	for (int i = 0; !rc && i < nr; i++)
		puts(assignments[i]);
	if (!rc)
		printf("%s is written; programs follow at their next start\n", c->file);
	return rc;
}

/* ---- the command ---- */

static int parse_options(struct config *c, int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "file", required_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'j' },
		{ "yes", no_argument, NULL, 'y' },
		{ 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "d:f:y", options, NULL)) >= 0) {
		switch (opt) {
		case 'd':
			c->manager = optarg;
			break;
		case 'f':
			c->file = optarg;
			break;
		case 'j':
			c->json = true;
			break;
		case 'y': /* nothing is asked here */
			break;
		default:
			return EXIT_USAGE;
		}
	}
	return EXIT_SUCCESS;
}

static int run(struct config *c, int argc, char **argv)
{
	const char *verb = optind < argc ? argv[optind] : "query";
	bool is_query = !strcmp(verb, "query") || !strcmp(verb, "q");
	char **rest = argv + optind + (optind < argc);
	int nr = argc - optind - (optind < argc), rc;

	if (!is_query && strcmp(verb, "set") && strcmp(verb, "s"))
		return fail_usage("config %s? It is query or set", verb);
	rc = is_query ? EXIT_SUCCESS : lock_file(c->file);
	if (!rc)
		rc = load_text(c);
	if (!rc)
		rc = find_manager(c);
	if (rc)
		return rc;
	return is_query ? query(c, rest, nr) : set(c, rest, nr);
}

int cmd_config(int argc, char **argv)
{
	struct config c = { .file = board_file_path() };
	int rc = parse_options(&c, argc, argv);

	if (!rc)
		rc = run(&c, argc, argv);
	json_object_put(c.top);
	board_free(c.board);
	return rc;
}
