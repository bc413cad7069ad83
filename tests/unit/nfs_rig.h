/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An NFS client whose one connection is a socket pair: the test is the server, byte by byte. When
 * the client loses the connection it stays down until rig_connect() gives it another.
 */
#ifndef TESTS_UNIT_NFS_RIG_H
#define TESTS_UNIT_NFS_RIG_H

#include "fs/nfs/rpc.h"

struct rig {
	struct nfs_mount mnt;
	struct nfs_client *client;
	int peer; /* the server's end */
};

void rig_open(struct rig *r);
void rig_close(struct rig *r);
void rig_connect(struct rig *r);
/* Rounds of the client until one has nothing to do. */
void rig_run(struct rig *r);
/*
 * Whether there is a port below 1024 to be had: those of closed connections are not for a minute, so that on a
 * busy machine there may be none.
 */
bool rig_reserved_left(void);
static inline struct rpc_conn *rig_conn(struct rig *r)
{
	return &r->client->conn[0];
}

#endif
