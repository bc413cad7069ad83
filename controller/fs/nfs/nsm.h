/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our side of the status monitor protocol (NSM): a note of our state number and of whether a server has locks of
 * ours, so that a controller whose predecessor was killed lets go of what that one held; and telling the server.
 *
 * The note is <state_dir>/nsm-<hash of server>-<number>, one line, replaced by renaming:
 *
 *   state <odd number> locks <0 or 1> <server>
 *
 * with a file of that name and ".lock" locked by who uses it: several devices of one server each have a number.
 * What releases the locks of a host at its server does so for all who run on the host. So while another controller
 * that has locks there is alive, or another lock manager, what a dead one left behind stays where it is.
 *
 * Written and never synced: it is there for the death of a process. After that of the machine the server frees
 * its locks only for the name and number of a status monitor that is there again.
 */
#ifndef FS_NFS_NSM_H
#define FS_NFS_NSM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nsm;

/* dir NULL: *ret is NULL, which the others take for "no note". Main thread, blocks. 0 or -errno with a sentence. */
int nsm_open(const char *dir, const char *server, struct nsm **ret, char *err);
void nsm_close(struct nsm *nsm);
uint32_t nsm_state(const struct nsm *nsm);
/* An earlier controller was killed with locks at the server, and nobody else would lose any. */
bool nsm_must_free(const struct nsm *nsm);
/* The server has locks of ours from now on, or none any more. One thread at a time. */
void nsm_note(struct nsm *nsm, bool locks);

/* ---- telling the server's status monitor, on a thread that lives for it ---- */

struct nsm_notify;

/* Looks for it and sends SM_NOTIFY over TCP, within seconds. address is numeric. NULL: out of memory. */
struct nsm_notify *nsm_notify_start(const char *address, uint32_t state);
/* True: it is done, whether anybody was there or not, and *n is freed. */
bool nsm_notify_take(struct nsm_notify **n);
void nsm_notify_drop(struct nsm_notify *n); /* NULL is fine */

#endif
