/* SPDX-License-Identifier: BSD-3-Clause */
/* What "-o" can say, and where the export is. */
#ifndef FS_NFS_OPTS_H
#define FS_NFS_OPTS_H

#include "fs/nfs/client.h"

enum nfs_lookupcache { NFS_LOOKUPCACHE_POS, NFS_LOOKUPCACHE_ALL, NFS_LOOKUPCACHE_NONE };
enum nfs_lock_mode { NFS_LOCK_LOCAL, NFS_LOCK_REMOTE, NFS_LOCK_NONE };

struct nfs_opts {
	struct nfs_mount_opts mnt;
	uint32_t acregmin, acregmax, acdirmin, acdirmax; /* s */
	uint32_t keep_mib; /* of each thread */
	enum nfs_lookupcache lookupcache;
	enum nfs_lock_mode lock;
	bool flock_local; /* whatever lock says */
	bool nocto, acl, noacl, nordirplus;
	bool host_groups; /* a caller's groups are looked up here */
	uint32_t ignored; /* what always is as said, or means nothing here */
};

/* "key=value,word,..." on top of the defaults; 0, or -errno with a sentence in err (FS_ERR_LEN). */
int nfs_parse_options(const char *text, struct nfs_opts *opts, char *err);

/*
 * Where to find the export. server may be a name or address, "name:/path", or a URL
 * "nfs://name[:port]/path[?option&option...]", whose path goes before export_path and whose options go before
 * text. All new strings, the caller's to free, also after an error. 0 or -errno with a sentence in err.
 */
struct nfs_place {
	char *server, *export_path, *options;
};
int nfs_parse_place(const char *server, const char *export_path, const char *text, struct nfs_place *place,
		    char *err);

#endif
