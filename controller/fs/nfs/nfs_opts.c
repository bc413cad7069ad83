/* SPDX-License-Identifier: BSD-3-Clause */
/* Mount options, spelled as in nfs(5) where nfs(5) has them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "nfs.h"

#define DEFAULT_RETRANS 2 /* as Linux has it for TCP */

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

static void set_retrans(struct nfs_mount_opts *o, unsigned long v)
{
	o->retrans = (unsigned int)v;
}

static void set_nconnect(struct nfs_mount_opts *o, unsigned long v)
{
	o->nconnect = (unsigned int)v;
}

static void set_soft(struct nfs_mount_opts *o, unsigned long v)
{
	o->soft = (enum nfs_softness)v;
}

static void set_noresvport(struct nfs_mount_opts *o, unsigned long v)
{
	o->noresvport = v;
}

static void set_nlmport(struct nfs_mount_opts *o, unsigned long v)
{
	o->nlm_port = (uint16_t)v;
}

static void set_family(struct nfs_mount_opts *o, unsigned long v)
{
	o->family = (int)v;
}

/* What nfs(5) can say and is always so here. */
static void set_nothing(struct nfs_mount_opts *o, unsigned long v)
{
}

static const struct {
	const char *name;
	unsigned long least, most; /* most 0: a word of its own, without a value, meaning least */
	void (*set)(struct nfs_mount_opts *o, unsigned long v);
} table[] = {
	{ "nfsport", 1, 65535, set_port },
	{ "port", 1, 65535, set_port },
	{ "mountport", 1, 65535, set_mountport },
	{ "rsize", 1024, 1048576, set_rsize },
	{ "wsize", 1024, 1048576, set_wsize },
	{ "timeo", 1, 6000, set_timeo },
	{ "retrans", 0, 100, set_retrans },
	{ "nconnect", 1, NFS_MAX_NCONNECT, set_nconnect },
	{ "nlmport", 1, 65535, set_nlmport },
	{ "nfsvers", 3, 3, set_nothing },
	{ "vers", 3, 3, set_nothing },
	{ "mountvers", 3, 3, set_nothing },
	{ "sync", 1, 0, set_sync },
	{ "async", 0, 0, set_sync },
	{ "hard", NFS_HARD, 0, set_soft },
	{ "soft", NFS_SOFT, 0, set_soft },
	{ "softerr", NFS_SOFTERR, 0, set_soft },
	{ "resvport", 0, 0, set_noresvport },
	{ "noresvport", 1, 0, set_noresvport },
	{ "tcp", AF_INET, 0, set_family },
	/* Values that are words are matched with them. */
	{ "proto=tcp", AF_INET, 0, set_family },
	{ "proto=tcp6", AF_INET6, 0, set_family },
	{ "mountproto=tcp", 0, 0, set_nothing },
	{ "mountproto=tcp6", 0, 0, set_nothing },
	{ "sec=sys", 0, 0, set_nothing },
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

static bool parse_word(const char *item, struct nfs_mount_opts *opts)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (table[i].most || strcmp(table[i].name, item))
			continue;
		table[i].set(opts, table[i].least);
		return true;
	}
	return false;
}

static int parse_one(char *item, struct nfs_mount_opts *opts, char *err)
{
	char *value = strchr(item, '=');
	unsigned long v;

	if (parse_word(item, opts))
		return 0;
	if (value)
		*value++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (strcmp(table[i].name, item))
			continue;
		if (!table[i].most) {
			snprintf(err, FS_ERR_LEN, "NFS option %s takes no value", item);
			return -EINVAL;
		}
		if (!value || !parse_number(value, table[i].least, table[i].most, &v)) {
			snprintf(err, FS_ERR_LEN, "NFS option %s=%s: use a number from %lu to %lu",
				 item, value ? value : "", table[i].least, table[i].most);
			return -EINVAL;
		}
		table[i].set(opts, v);
		return 0;
	}
	if (value)
		value[-1] = '=';
	snprintf(err, FS_ERR_LEN, "NFS option '%.64s' is not known, or means what NFSv3 over TCP cannot do",
		 item);
	return -EINVAL;
}

int nfs_parse_options(const char *text, struct nfs_mount_opts *opts, char *err)
{
	CLEANUP_FREE char *copy = strdup(text ? text : "");
	char *save, *item;

	if (!copy)
		return -ENOMEM;
	opts->retrans = DEFAULT_RETRANS;
	for (item = strtok_r(copy, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
		int rc = parse_one(item, opts, err);

		if (rc)
			return rc;
	}
	return 0;
}
