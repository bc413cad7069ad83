/* SPDX-License-Identifier: BSD-3-Clause */
/* A port mapper on a private socket, which rpcbind.c talks to while it runs. One at a time. */
#ifndef TESTS_NFS_FAKE_RPCBIND_H
#define TESTS_NFS_FAKE_RPCBIND_H

#include <stdint.h>

void fake_rpcbind_start(void);
void fake_rpcbind_stop(void);
/* As if a program had registered itself; for "tcp" and "udp". */
void fake_rpcbind_set(uint32_t prog, uint16_t port);
void fake_rpcbind_clear(void);
/* Its port; 0: it is not registered. */
uint16_t fake_rpcbind_port(uint32_t prog, const char *netid);

#endif
