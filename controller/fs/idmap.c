/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/idmap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "fs/fs.h"

#define RULE_LEN 80

static const struct {
	const char *name;
	unsigned int fields;
	enum { TO_HOST = 1, TO_GUEST = 2 } directions;
	int how;
} rule_type[] = {
	{ "map", 3, TO_HOST | TO_GUEST, ID_SHIFT }, { "guest", 3, TO_HOST, ID_SHIFT },
	{ "host", 3, TO_GUEST, ID_SHIFT },	     { "squash-guest", 3, TO_HOST, ID_SQUASH },
	{ "squash-host", 3, TO_GUEST, ID_SQUASH },   { "forbid-guest", 2, TO_HOST, ID_FORBID },
};

/* ":"-separated decimal numbers of 32 bits, exactly nr of them. */
static bool parse_numbers(const char *text, uint32_t *num, unsigned int nr)
{
	unsigned long long value;
	char *end;

	for (unsigned int i = 0; i < nr; i++) {
		if (*text++ != ':' || *text < '0' || *text > '9')
			return false;
		value = strtoull(text, &end, 10);
		if (value > UINT32_MAX)
			return false;
		num[i] = (uint32_t)value;
		text = end;
	}
	return !*text;
}

static const char *dir_add(struct iddir *dir, struct idrange add)
{
	for (unsigned int i = 0; i < dir->nr; i++)
		if (add.from <= dir->range[i].last && dir->range[i].from <= add.last)
			return "has ids that a rule before has, too";
	if (dir->nr == IDMAP_RANGES_MAX)
		return "is one rule too many";
	dir->range[dir->nr++] = add;
	return NULL;
}

/* NULL, or what is wrong with it. */
static const char *add_rule(struct idmap *map, size_t type, const uint32_t *num)
{
	uint32_t count = num[rule_type[type].fields - 1];
	bool shift = rule_type[type].how == ID_SHIFT, forbid = rule_type[type].how == ID_FORBID;
	struct idrange r = { .from = num[0], .last = num[0] + count - 1,
			     .to = forbid ? 0 : num[1], .how = rule_type[type].how };
	struct idrange back = { .from = r.to, .last = r.to + count - 1, .to = r.from };
	const char *wrong = NULL;

	if (!count)
		return "has no ids";
	/* 0 to 4294967295 is one more than a count can say: the last id never is anybody's. */
	if (r.last < r.from || (shift && back.last < back.from))
		return "goes beyond the last id";
	if (rule_type[type].directions & TO_HOST)
		wrong = dir_add(&map->to_host, r);
	else
		wrong = dir_add(&map->to_guest, r);
	if (!wrong && rule_type[type].directions == (TO_HOST | TO_GUEST))
		wrong = dir_add(&map->to_guest, back);
	return wrong;
}

static const char *parse_rule(struct idmap *map, const char *rule)
{
	size_t len = strcspn(rule, ":");
	uint32_t num[3];

	for (size_t i = 0; i < ARRAY_SIZE(rule_type); i++) {
		if (strlen(rule_type[i].name) != len || memcmp(rule_type[i].name, rule, len))
			continue;
		if (!parse_numbers(rule + len, num, rule_type[i].fields))
			return rule_type[i].fields == 2 ? "needs two numbers: first id, count" :
							  "needs three numbers: first ids, count";
		return add_rule(map, i, num);
	}
	return "is none of map, guest, host, squash-guest, squash-host, forbid-guest";
}

int idmap_parse(struct idmap *map, const char *text, const char *option, char *err)
{
	char rule[RULE_LEN];
	const char *wrong;
	size_t len;

	*map = (struct idmap){ 0 };
	while (text) {
		len = strcspn(text, ",");
		snprintf(rule, sizeof(rule), "%.*s", (int)min(len, sizeof(rule)), text);
		wrong = len >= sizeof(rule) ? "is too long" : parse_rule(map, rule);
		if (wrong) {
			snprintf(err, FS_ERR_LEN, "%s: '%s' %s", option, rule, wrong);
			return -EINVAL;
		}
		text = text[len] ? text + len + 1 : NULL;
	}
	return 0;
}

static const struct idrange *dir_find(const struct iddir *dir, uint32_t id)
{
	for (unsigned int i = 0; i < dir->nr; i++)
		if (id >= dir->range[i].from && id <= dir->range[i].last)
			return &dir->range[i];
	return NULL;
}

static uint32_t range_apply(const struct idrange *r, uint32_t id)
{
	return !r ? id : r->how == ID_SQUASH ? r->to : r->to + (id - r->from);
}

int idmap_to_host(const struct idmap *map, uint32_t id, uint32_t *ret_id)
{
	const struct idrange *r = dir_find(&map->to_host, id);

	if (r && r->how == ID_FORBID)
		return -EPERM;
	*ret_id = range_apply(r, id);
	return 0;
}

uint32_t idmap_to_guest(const struct idmap *map, uint32_t id)
{
	return range_apply(dir_find(&map->to_guest, id), id);
}
