/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket: JSON-RPC 2.0 on a UNIX socket, objects one after the other, an answer for
 * each in turn. Methods and parameters have the names of NVIDIA's virtio-fs service where there
 * are any.
 *
 * Everything runs on the main thread, which otherwise waits for signals: what a method waits for
 * keeps other callers waiting, never an I/O thread. Methods that wait for the host, for
 * a server or for requests answer later (struct rpc_call.again).
 */
#ifndef CONTROLLER_RPC_H
#define CONTROLLER_RPC_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "devtab.h"

/* Codes of the standard; methods of ours answer with negative errnos beside them. */
enum rpc_code {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_METHOD_NOT_FOUND = -32601,
	RPC_INVALID_PARAMS = -32602,
};

struct rpc;
struct rpc_call;

#define RPC_MAX_PARAMS 12

struct rpc_param {
	const char *name;
	enum json_type type;
	bool optional;
};

struct rpc_method {
	const char *name;
	const char *what; /* in one sentence, for rpc_get_methods and the manual */
	struct rpc_param param[RPC_MAX_PARAMS]; /* the first without a name ends them */
	void (*run)(struct rpc_call *call);
};

/* The first without a name ends them; rpc_methods.c. */
extern const struct rpc_method rpc_methods[];

/* One request, from its arrival to its answer. */
struct rpc_call {
	struct rpc *rpc;
	const struct rpc_method *method;
	struct json_object *id; /* NULL: a notification, nothing is answered */
	struct json_object *params;
	struct json_object *value[RPC_MAX_PARAMS]; /* of method->param; borrowed, NULL: not given */
	/* the answer: error, or result (NULL: true) */
	int error;
	char message[512];
	struct json_object *result;
	/* not answered yet: called again about every 20 ms until it clears itself */
	void (*again)(struct rpc_call *call);
	unsigned int slot; /* of the device that is waited for */
	uint64_t deadline_ns;
	int step;
};

/* error: negative errno or enum rpc_code; what the log said since the method began is appended. */
void rpc_fail(struct rpc_call *call, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* path: NULL for the usual place, which is done without when it cannot be had; "none" for none. */
int rpc_open(const char *path, struct devtab *tab, struct rpc **ret_rpc);
void rpc_close(struct rpc *rpc); /* NULL is fine */
/* Removes the socket. Signal handlers too. */
void rpc_abandon(const struct rpc *rpc);

struct devtab *rpc_devtab(struct rpc *rpc);

/* Serves until fd is readable. rpc: NULL only waits. */
void rpc_serve(struct rpc *rpc, int fd);

#endif
