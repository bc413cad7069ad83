/* SPDX-License-Identifier: BSD-3-Clause */
#include "xattrmap.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "fs/fs.h"

static const char *const type_name[] = { [XR_PREFIX] = "prefix", [XR_OK] = "ok", [XR_BAD] = "bad",
					 [XR_UNSUPPORTED] = "unsupported" };
static const char *const scope_name[] = { [XR_CLIENT] = "client", [XR_SERVER] = "server",
					  [XR_ALL] = "all" };

static int find_name(const char *const *names, size_t nr, const char *name)
{
	for (size_t i = 0; i < nr; i++)
		if (names[i] && !strcmp(names[i], name))
			return (int)i;
	return -1;
}

static bool add_rule(struct xattrmap *map, int type, int scope, const char *key,
		     const char *prepend)
{
	if (map->nr == XATTRMAP_RULES_MAX)
		return false;
	map->rule[map->nr++] = (struct xattrrule){ .type = type, .scope = scope, .key = key,
						   .prepend = prepend };
	return true;
}

/* What "map" stands for. */
static bool add_map(struct xattrmap *map, const char *key, const char *prepend)
{
	bool ok = add_rule(map, XR_PREFIX, XR_ALL, key, prepend);

	if (!*key)
		return ok && add_rule(map, XR_BAD, XR_ALL, "", "");
	return ok && add_rule(map, XR_BAD, XR_SERVER, "", key) &&
	       add_rule(map, XR_BAD, XR_CLIENT, prepend, "") &&
	       add_rule(map, XR_OK, XR_ALL, "", "");
}

/* The next field of a rule, ended with NUL in place of the separator; NULL: there is none. */
static char *next_field(char **p, char separator)
{
	char *field = *p, *end = strchr(field, separator);

	if (!end)
		return NULL;
	*end = '\0';
	*p = end + 1;
	return field;
}

/* One rule at *p, which moves behind it. NULL, or what is wrong. */
static const char *parse_rule(struct xattrmap *map, char **p, bool *is_map)
{
	char separator = *(*p)++;
	char *type = next_field(p, separator), *field[3];
	unsigned int nr;
	int scope, t;

	if (!type)
		return "a rule has no type";
	*is_map = !strcmp(type, "map");
	nr = *is_map ? 2 : 3;
	for (unsigned int i = 0; i < nr; i++) {
		field[i] = next_field(p, separator);
		if (!field[i])
			return "a rule has too few fields";
	}
	if (*is_map)
		return add_map(map, field[0], field[1]) ? NULL : "too many rules";
	t = find_name(type_name, ARRAY_SIZE(type_name), type);
	scope = find_name(scope_name, ARRAY_SIZE(scope_name), field[0]);
	if (t < 0)
		return "a type is none of prefix, ok, bad, unsupported, map";
	if (scope < 0)
		return "a scope is none of client, server, all";
	return add_rule(map, t, scope, field[1], field[2]) ? NULL : "too many rules";
}

static const char *parse_rules(struct xattrmap *map)
{
	const char *wrong = NULL;
	bool is_map = false;
	char *p = map->text;

	while (!wrong) {
		while (isspace((unsigned char)*p))
			p++;
		if (!*p)
			return map->nr ? NULL : "there is no rule";
		if (is_map)
			return "map has to be the last rule";
		wrong = parse_rule(map, &p, &is_map);
	}
	return wrong;
}

int xattrmap_parse(struct xattrmap *map, const char *text, char *err)
{
	const char *wrong;

	*map = (struct xattrmap){ 0 };
	if (!text)
		return 0;
	map->text = strdup(text);
	if (!map->text)
		return -ENOMEM;
	wrong = parse_rules(map);
	if (!wrong)
		return 0;
	snprintf(err, FS_ERR_LEN, "xattrmap '%.300s': %s", text, wrong);
	xattrmap_fini(map);
	return -EINVAL;
}

void xattrmap_fini(struct xattrmap *map)
{
	free(map->text);
	*map = (struct xattrmap){ 0 };
}

static bool begins_with(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

int xattrmap_to_host(const struct xattrmap *map, const char *name, char buf[XATTRMAP_NAME],
		     const char **ret_name)
{
	const struct xattrrule *r = map->rule, *end = r + map->nr;

	*ret_name = name;
	while (r < end && !((r->scope & XR_CLIENT) && begins_with(name, r->key)))
		r++;
	if (r == end)
		return map->nr ? -EPERM : 0;
	if (r->type == XR_BAD)
		return -EPERM;
	if (r->type == XR_UNSUPPORTED)
		return -EOPNOTSUPP;
	if (r->type == XR_OK)
		return 0;
	*ret_name = buf;
	return snprintf(buf, XATTRMAP_NAME, "%s%s", r->prepend, name) < XATTRMAP_NAME ? 0 : -ERANGE;
}

const char *xattrmap_to_guest(const struct xattrmap *map, const char *name)
{
	const struct xattrrule *r = map->rule, *end = r + map->nr;

	while (r < end && !((r->scope & XR_SERVER) && begins_with(name, r->prepend)))
		r++;
	if (r == end)
		return map->nr ? NULL : name;
	if (r->type == XR_BAD || r->type == XR_UNSUPPORTED)
		return NULL;
	return r->type == XR_PREFIX ? name + strlen(r->prepend) : name;
}
