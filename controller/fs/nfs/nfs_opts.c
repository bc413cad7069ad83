/* SPDX-License-Identifier: BSD-3-Clause */
/* Mount options, spelled as in nfs(5) where nfs(5) has them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "nfs.h"

static void set_port(struct nfs_mount_opts *o, unsigned long v)
{
	o->nfs_port = (uint16_t)v;
}

static void set_mountport(struct nfs_mount_opts *o, unsigned long v)
{
	o->mount_port = (uint16_t)v;
}

static void set_rsize(struct nfs_mount_opts *o, unsigned long v)
{
	o->rsize = (uint32_t)v;
}

static void set_wsize(struct nfs_mount_opts *o, unsigned long v)
{
	o->wsize = (uint32_t)v;
}

static void set_timeo(struct nfs_mount_opts *o, unsigned long v)
{
	o->timeo_ms = (unsigned int)v * 100; /* given in tenths of a second */
}

static void set_sync(struct nfs_mount_opts *o, unsigned long v)
{
	o->sync = v;
}

static const struct {
	const char *name;
	unsigned long least, most; /* most 0: a word of its own, without a value */
	void (*set)(struct nfs_mount_opts *o, unsigned long v);
} table[] = {
	{ "nfsport", 1, 65535, set_port },
	{ "port", 1, 65535, set_port },
	{ "mountport", 1, 65535, set_mountport },
	{ "rsize", 1024, 1048576, set_rsize },
	{ "wsize", 1024, 1048576, set_wsize },
	{ "timeo", 1, 6000, set_timeo },
	{ "sync", 1, 0, set_sync },
	{ "async", 0, 0, set_sync },
};

/* Digits only: strtoul() would take spaces and signs. */
static bool parse_number(const char *text, unsigned long least, unsigned long most, unsigned long *ret)
{
	size_t len = strlen(text);

	if (!len || len > 9 || strspn(text, "0123456789") != len)
		return false;
	*ret = strtoul(text, NULL, 10);
	return *ret >= least && *ret <= most;
}

static int parse_one(char *item, struct nfs_mount_opts *opts, char *err)
{
	char *value = strchr(item, '=');
	unsigned long v;

	if (value)
		*value++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		v = table[i].least;
		if (strcmp(table[i].name, item))
			continue;
		if (!table[i].most && value) {
			snprintf(err, FS_ERR_LEN, "NFS option %s takes no value", item);
			return -EINVAL;
		}
		if (table[i].most &&
		    (!value || !parse_number(value, table[i].least, table[i].most, &v))) {
			snprintf(err, FS_ERR_LEN, "NFS option %s=%s: use a number from %lu to %lu",
				 item, value ? value : "", table[i].least, table[i].most);
			return -EINVAL;
		}
		table[i].set(opts, v);
		return 0;
	}
	snprintf(err, FS_ERR_LEN,
		 "NFS option '%.64s' is not known: use nfsport, mountport, rsize, wsize, timeo, sync, async",
		 item);
	return -EINVAL;
}

int nfs_parse_options(const char *text, struct nfs_mount_opts *opts, char *err)
{
	CLEANUP_FREE char *copy = strdup(text ? text : "");
	char *save, *item;

	if (!copy)
		return -ENOMEM;
	for (item = strtok_r(copy, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
		int rc = parse_one(item, opts, err);

		if (rc)
			return rc;
	}
	return 0;
}
