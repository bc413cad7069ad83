/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The listening Unix socket of a port, one peer at a time. Thread: the device's engine. Errors: 0
 * or -errno; the reason of a failure is logged once, naming the socket.
 */
#ifndef TRANSPORT_LISTEN_H
#define TRANSPORT_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/dev.h"
#include "core/pe.h"

struct listener;

/* What the port's session tells the listener. */
struct listener_ops {
	const char *peer; /* what comes here, for the log: "front end" */
	bool (*is_free)(const struct listener *l);
	/* The peer's socket; -1 while the device lets go of it. Only asked when not free. */
	int (*peer_fd)(const struct listener *l);
	/* Somebody has come, and the session is free. Takes fd over in every case. */
	int (*start)(struct listener *l, int fd);
};

struct listener {
	const struct listener_ops *ops;
	struct doca_pe *pe;
	char path[FUNCTION_SOCKET_LEN];
	int lock_fd;
	int fd;
	int spare_fd; /* given up to turn a peer away when descriptors run out */
	dev_t dev; /* identity of the socket file, to remove only our own */
	ino_t ino;
	struct pe_source src;
};

void listener_init(struct listener *l, const struct listener_ops *ops, struct doca_pe *pe,
		   const char *path);
/* The right to the path, held until listener_fini(): -EADDRINUSE, ... Creates nothing to see. */
int listener_lock(struct listener *l);
/* Locked: makes the socket and lets peers in. */
int listener_open(struct listener *l);
/* Nobody else gets in; the socket is gone, the lock stays. Idempotent. */
void listener_close(struct listener *l);
void listener_fini(struct listener *l);
/* Off while a connection waits in the backlog for the session to end; on again. */
void listener_pause(struct listener *l);
void listener_resume(struct listener *l);

#endif
