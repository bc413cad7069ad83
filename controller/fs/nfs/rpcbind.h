/* SPDX-License-Identifier: BSD-3-Clause */
/* This machine's port mapper (rpcbind, version 4 of the protocol), over its local socket. */
#ifndef FS_NFS_RPCBIND_H
#define FS_NFS_RPCBIND_H

#include <stdbool.h>
#include <stdint.h>

/* Where it listens; tests have one of their own. Written before anything is opened. */
extern const char *rpcbind_path;

/*
 * Registers a program with a TCP and a UDP port, for IPv6 also if v6. Blocks, for seconds at worst: the port mapper
 * is a process of this machine. What a dead process has left behind there is replaced. 0; -EEXIST: another one
 * serves the program; -errno: there is no port mapper, or it refuses.
 */
int rpcbind_register(uint32_t prog, uint32_t vers, uint16_t tcp, uint16_t udp, bool v6);
void rpcbind_unregister(uint32_t prog, uint32_t vers, bool v6);

#endif
