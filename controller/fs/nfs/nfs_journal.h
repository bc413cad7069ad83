/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The names silly rename has made, kept in a file, so that what a controller that was killed left behind is
 * removed by the next one, also after a crash of the machine.
 *
 * The file is <state_dir>/nfs-<hash of server and export>-<number>.silly, locked by who uses it: several
 * devices of one export each have a number. Lines:
 *
 *   + <directory's handle, hexadecimal> <uid> <gid>[,<group>...] <name>    about to be made
 *   - <name>                                                               gone
 */
#ifndef FS_NFS_JOURNAL_H
#define FS_NFS_JOURNAL_H

#include "fs/nfs/client.h"

struct nfs_journal;
/* A name in it; the journal's. */
struct journal_name;

typedef void journal_found(void *arg, const struct nfs_fh *fh, const struct nfs_cred *cred, const char *name,
			   struct journal_name *jn);
/*
 * Opens one, and calls found() for each name in it and in those that nobody uses any more; these are taken
 * over, and stay in it until they are removed. dir NULL: *ret is NULL, which all other functions take for "no
 * journal". Main thread, blocks. 0 or -errno with a sentence in err (FS_ERR_LEN).
 */
int journal_open(const char *dir, const char *server, const char *export_path, journal_found *found,
		 void *arg, struct nfs_journal **ret, char *err);
void journal_close(struct nfs_journal *j); /* removes the file if nothing is left in it */

/*
 * Any thread; neither blocks. A name that is about to be made: done(arg) comes once, on the journal's thread,
 * when it is on the disk, or could not be put there (that is said in the log, and stops nothing). NULL: there
 * is no journal, or no memory; done() does not come.
 */
struct journal_name *journal_add(struct nfs_journal *j, const struct nfs_fh *dir, const struct nfs_cred *cred,
				 const char *name, void (*done)(void *arg), void *arg);
/* After done(): it is gone, and so is jn. NULL is fine. */
void journal_remove(struct nfs_journal *j, struct journal_name *jn);

#endif
