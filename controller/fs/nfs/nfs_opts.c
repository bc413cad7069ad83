/* SPDX-License-Identifier: BSD-3-Clause */
#include "nfs_opts.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "fs/fs.h"

#define FIELD(field) offsetof(struct nfs_opts, field), sizeof(((struct nfs_opts *)0)->field)

static const struct option {
	const char *name;
	size_t offset, size;
	unsigned long least, most; /* most 0: a word, meaning least */
	unsigned long unit;
} table[] = {
#define NFS_NUMBER(name, field, least, most, unit, text) { name, FIELD(field), least, most, unit },
#define NFS_WORD(name, field, value, text) { name, FIELD(field), value, 0, 1 },
#include "nfs_options.def"
#undef NFS_NUMBER
#undef NFS_WORD
};

static void store(struct nfs_opts *opts, const struct option *o, unsigned long v)
{
	char *field = (char *)opts + o->offset;

	v *= o->unit;
	switch (o->size) {
	case 1:
		*(bool *)field = v;
		break;
	case 2:
		memcpy(field, &(uint16_t){ (uint16_t)v }, 2);
		break;
	default: /* int, unsigned int, an enum */
		memcpy(field, &(uint32_t){ (uint32_t)v }, 4);
	}
}

/* Digits only: strtoul() would take spaces and signs. */
static bool parse_number(const char *text, const struct option *o, unsigned long *ret)
{
	size_t len = strlen(text);

	if (!len || len > 9 || strspn(text, "0123456789") != len)
		return false;
	*ret = strtoul(text, NULL, 10);
	return *ret >= o->least && *ret <= o->most;
}

/* Words are matched whole, those with a "=" in them, too. */
static bool parse_word(const char *item, struct nfs_opts *opts)
{
	bool found = false;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (table[i].most || strcmp(table[i].name, item))
			continue;
		store(opts, &table[i], table[i].least);
		found = true;
	}
	return found;
}

/* Every row of that name; 0, -EINVAL, or -ENOENT: there is none. */
static int store_number(const char *name, const char *value, struct nfs_opts *opts, char *err)
{
	int rc = -ENOENT;
	unsigned long v;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (!table[i].most || strcmp(table[i].name, name))
			continue;
		if (!parse_number(value, &table[i], &v)) {
			snprintf(err, FS_ERR_LEN, "NFS option %s=%.64s: use a number from %lu to %lu", name,
				 value, table[i].least, table[i].most);
			return -EINVAL;
		}
		store(opts, &table[i], v);
		rc = 0;
	}
	return rc;
}

/* The words that begin with "name=", as a sentence about a wrong value. */
static bool say_words(const char *name, const char *value, char *err)
{
	size_t name_len = strlen(name);
	int len = snprintf(err, FS_ERR_LEN, "NFS option %s=%.64s: use", name, value), start = len;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (!table[i].most && !strncmp(table[i].name, name, name_len) &&
		    table[i].name[name_len] == '=')
			len += snprintf(err + len, FS_ERR_LEN - (size_t)len, "%s %s",
					len > start ? "," : "", table[i].name + name_len + 1);
	return len > start;
}

static bool is_word(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (!table[i].most && !strcmp(table[i].name, name))
			return true;
	return false;
}

static int parse_one(char *item, struct nfs_opts *opts, char *err)
{
	char *value = strchr(item, '=');
	int rc;

	if (parse_word(item, opts))
		return 0;
	if (value)
		*value++ = '\0';
	rc = store_number(item, value ? value : "", opts, err);
	if (rc != -ENOENT)
		return rc;
	if (value && say_words(item, value, err))
		return -EINVAL;
	if (value && is_word(item))
		snprintf(err, FS_ERR_LEN, "NFS option %s takes no value", item);
	else
		snprintf(err, FS_ERR_LEN,
			 "NFS option '%.64s' is not known, or means what NFSv3 over TCP cannot do: see the list in doca_virtiofs(8)",
			 item);
	return -EINVAL;
}

static int check(const struct nfs_opts *o, char *err)
{
	const struct {
		const char *name;
		uint32_t least, most;
	} ages[] = {
		{ "acreg", o->acregmin, o->acregmax },
		{ "acdir", o->acdirmin, o->acdirmax },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ages); i++)
		if (ages[i].least > ages[i].most) {
			snprintf(err, FS_ERR_LEN, "NFS option %smin=%u is more than %smax=%u", ages[i].name,
				 ages[i].least, ages[i].name, ages[i].most);
			return -EINVAL;
		}
	return 0;
}

int nfs_parse_options(const char *text, struct nfs_opts *opts, char *err)
{
	CLEANUP_FREE char *copy = strdup(text ? text : "");
	char *save, *item;

	if (!copy)
		return -ENOMEM;
	/* Linux' defaults, but for names that are not there: nobody can tell the guest when they appear. */
	*opts = (struct nfs_opts){ .mnt = { .timeo_ms = 60000, .retrans = 2 }, .acregmin = 3,
				   .acregmax = 60, .acdirmin = 30, .acdirmax = 60, .keep_mib = 32 };
	for (item = strtok_r(copy, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
		int rc = parse_one(item, opts, err);

		if (rc)
			return rc;
	}
	return check(opts, err);
}

/* ---- where the export is ---- */

/* "%2F" and so on in place; false: not two hexadecimal digits, or a NUL. */
static bool unescape(char *text)
{
	char *to = text, hex[3] = "", *end;

	for (const char *p = text; *p; p++) {
		if (*p != '%') {
			*to++ = *p;
			continue;
		}
		memcpy(hex, p + 1, strnlen(p + 1, 2) == 2 ? 2 : 0);
		*to = (char)strtoul(hex, &end, 16);
		if (end != hex + 2 || hex[0] == '+' || hex[0] == '-' || !*to++)
			return false;
		p += 2;
	}
	*to = '\0';
	return true;
}

/* name[:port] or [address][:port] in place; returns where the port is, NULL without one. */
static char *split_port(char **host)
{
	char *end = **host == '[' ? strchr(*host, ']') : NULL, *colon;

	colon = strchr(end ? end : *host, ':');
	if (colon)
		*colon = '\0';
	if (end) {
		*end = '\0';
		++*host;
	}
	return colon ? colon + 1 : NULL;
}

/* The URL behind "nfs://", taken apart in place. */
static int parse_url(char *url, const char *export_path, const char *text, struct nfs_place *place)
{
	char *query = strchr(url, '?'), *path, *port;
	CLEANUP_FREE char *decoded = NULL;
	int n;

	if (query)
		*query++ = '\0';
	for (char *p = query; p && *p; p++)
		*p = *p == '&' ? ',' : *p;
	path = strchr(url, '/');
	decoded = strdup(path && path[1] ? path : export_path);
	if (path)
		*path = '\0';
	port = split_port(&url);
	/* The name, too: "%25" goes before the interface of an address of one link. */
	if (!decoded || !*url || !unescape(url) || !unescape(decoded) || (query && !unescape(query)))
		return -EINVAL;
	n = asprintf(&place->options, "%s%s%s%s%s%s", port ? "nfsport=" : "", port ? port : "",
		     port && query ? "," : "", query ? query : "", (port || query) && text ? "," : "",
		     text ? text : "");
	if (n < 0)
		place->options = NULL;
	place->server = strdup(url);
	place->export_path = strdup(decoded);
	return 0;
}

/* "name:/path", "[address]:/path"; or only a name. */
static void parse_name(char *name, const char *export_path, const char *text, struct nfs_place *place)
{
	char *path = strstr(name, ":/");

	if (path)
		*path++ = '\0';
	if (name[0] == '[')
		split_port(&name);
	place->server = strdup(name);
	place->export_path = strdup(path ? path : export_path);
	place->options = strdup(text ? text : "");
}

int nfs_parse_place(const char *server, const char *export_path, const char *text, struct nfs_place *place,
		    char *err)
{
	CLEANUP_FREE char *copy = strdup(server ? server : "");
	int rc = 0;

	*place = (struct nfs_place){ 0 };
	if (!copy)
		return -ENOMEM;
	if (!strncmp(copy, "nfs://", 6))
		rc = parse_url(copy + 6, export_path ? export_path : "/", text, place);
	else
		parse_name(copy, export_path ? export_path : "", text, place);
	if (rc)
		snprintf(err, FS_ERR_LEN, "NFS server '%.200s': use nfs://name[:port]/path[?option&option]",
			 server);
	else if (!place->server || !place->export_path || !place->options)
		rc = -ENOMEM;
	return rc;
}
