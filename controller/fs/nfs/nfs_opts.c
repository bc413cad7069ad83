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

static const struct {
	const char *name;
	unsigned long least, most;
	void (*set)(struct nfs_mount_opts *o, unsigned long v);
} table[] = {
	{ "nfsport", 1, 65535, set_port },
	{ "port", 1, 65535, set_port },
	{ "mountport", 1, 65535, set_mountport },
	{ "rsize", 1024, 1048576, set_rsize },
	{ "wsize", 1024, 1048576, set_wsize },
	{ "timeo", 1, 6000, set_timeo },
};

static int parse_one(char *item, struct nfs_mount_opts *opts, char *err)
{
	char *value = strchr(item, '='), *end;
	unsigned long v;

	if (value)
		*value++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (strcmp(table[i].name, item))
			continue;
		v = value ? strtoul(value, &end, 10) : 0;
		if (!value || !*value || *end || v < table[i].least || v > table[i].most) {
			snprintf(err, FS_ERR_LEN, "NFS option %s=%s: use a number from %lu to %lu",
				 item, value ? value : "", table[i].least, table[i].most);
			return -EINVAL;
		}
		table[i].set(opts, v);
		return 0;
	}
	snprintf(err, FS_ERR_LEN,
		 "NFS option '%s' is not known: use nfsport, mountport, rsize, wsize, timeo", item);
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
