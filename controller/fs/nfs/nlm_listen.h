/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where servers call us back: "the lock you wait for is yours", "I have restarted".
 *
 * Theory of operation: a host has one place where its lock manager is reached, which rpcbind tells. So all NFS file
 * systems of this process share one listener, a TCP and a UDP socket (dual stack if the machine has IPv6), made with
 * the first of them and gone with the last. It is registered as the lock manager and, if there is none yet, as the
 * status monitor. When another program is registered already (the kernel's own lock manager, another controller) or
 * there is no rpcbind, there is no listener, which is said once, and everybody has to ask again and again.
 *
 * Sockets hang in one epoll instance that every I/O thread watches and any of them may serve: calls are rare. Who
 * finds another one serving leaves it to that one.
 *
 * A caller is heard only if it has the address of a server. It has so many connections at most, a call so many
 * bytes; the connection unheard for longest makes place for a new one, and one that does not take its answers is
 * closed. Over UDP addresses are easily forged: what keeps a stranger from giving away locks is the owner's handle,
 * which has 64 random bits.
 *
 * Threads: any; one lock, which is held while struct nlm_peer's functions run.
 */
#ifndef FS_NFS_NLM_LISTEN_H
#define FS_NFS_NLM_LISTEN_H

#include <sys/queue.h>

#include "client.h"
#include "nlm_serve.h"

/* A file system that waits for calls of its server. */
struct nlm_peer {
	LIST_ENTRY(nlm_peer) link;
	const struct nfs_mount *mnt;
	const uint64_t *host; /* its owner handles begin so */
	enum nlm_stat (*granted)(struct nlm_peer *peer, const struct nlm_grant *grant);
	void (*restarted)(struct nlm_peer *peer);
	uint8_t addr[16]; /* of the server, IPv4 mapped; the listener's own */
	uint32_t state; /* the last the server sent */
	uint64_t told_ns;
	bool heard; /* it is in the list */
};

/*
 * Main thread; blocks for as long as the port mapper of this machine needs. 0; -errno: nobody will call, with -EEXIST
 * because this machine has another lock manager. It is in the list in either case.
 */
int nlm_listen_add(struct nlm_peer *peer);
void nlm_listen_remove(struct nlm_peer *peer); /* of one that was not added: nothing */

/* A descriptor to be watched for EPOLLIN, the caller's to close; -1: there is no listener. */
int nlm_listen_fd(void);
/* Serves what has come. */
void nlm_listen_poll(void);
/* All file systems of this server are to take their locks again. */
void nlm_listen_restarted(const struct nlm_peer *peer);
/* Its TCP and UDP port, 0: none. The first file system's callbackport, if it has one. */
void nlm_listen_ports(uint16_t *tcp, uint16_t *udp);

#endif
