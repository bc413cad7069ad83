/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The names silly rename has made, kept in a file, so that what a controller that was killed left behind is
 * removed by the next one.
 *
 * The file is <state_dir>/nfs-<hash of server and export>-<number>.silly, locked by who uses it: several
 * devices of one export each have a number. Lines:
 *
 *   + <directory's handle, hexadecimal> <uid> <gid>[,<group>...] <name>    about to be made
 *   - <name>                                                               gone
 *
 * Written with one write() each and never synced: it is there for the death of a process, not of a machine.
 */
#ifndef FS_NFS_JOURNAL_H
#define FS_NFS_JOURNAL_H

#include "fs/nfs/client.h"

struct nfs_journal;
struct nfs_silly;

/*
 * Opens one, and calls found() for each name in it and in those that nobody uses any more; these are taken
 * over. dir NULL: *ret is NULL, which all other functions take for "no journal". Main thread, blocks. 0 or
 * -errno with a sentence in err (FS_ERR_LEN).
 */
int journal_open(const char *dir, const char *server, const char *export_path,
		 void (*found)(void *arg, const struct nfs_fh *fh, const struct nfs_cred *cred,
			       const char *name),
		 void *arg, struct nfs_journal **ret, char *err);
void journal_close(struct nfs_journal *j); /* removes the file if nothing is left in it */

/* Any thread. A journal that cannot be written (full disk) is said once and does not stop anything. */
void journal_add(struct nfs_journal *j, const struct nfs_fh *dir, const struct nfs_cred *cred,
		 const char *name);
void journal_remove(struct nfs_journal *j, const char *name);

#endif
