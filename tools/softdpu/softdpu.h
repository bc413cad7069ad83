/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * softdpu(1): one file per sub-command, their table is main.c, what they share is util.c and
 * rpc_client.c.
 */
#ifndef SOFTDPU_SOFTDPU_H
#define SOFTDPU_SOFTDPU_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXIT_USAGE 2

/* argv[0] is the sub-command's name; the result is the exit status. */
struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage; /* what follows the name, a line each */
	const char *what;
};

int cmd_config(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_hotplug(int argc, char **argv);
int cmd_rpc(int argc, char **argv);

/* ---- util.c ---- */

/* "softdpu: ..." on standard error. Returns EXIT_FAILURE. */
int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same with a hint at the help. Returns EXIT_USAGE. */
int fail_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A line on standard output; control characters become question marks, here and everywhere. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What the library says about boards and state goes to standard error in the same form. */
void util_hear_library(void);
void util_print_json(struct json_object *obj); /* consumes it */

/* NULL is fine for obj; "" and 0 for what is not there. */
const char *jtext(struct json_object *obj, const char *key);
int64_t jint(struct json_object *obj, const char *key);
struct json_object *jarray(struct json_object *obj, const char *key); /* NULL: none */
size_t jlength(struct json_object *list); /* 0 for what is not an array */
void jadd(struct json_object *obj, const char *key, const char *text);

/* Rows of text in columns; the first row is the heading. */
struct table {
	unsigned int columns, nr_rows;
	char **cell; /* columns * nr_rows */
};
/* Exactly t->columns texts. */
void table_row(struct table *t, ...);
void table_print(struct table *t); /* and forgets the rows */

/* ---- rpc_client.c ---- */

struct rpc_client;

#define RPC_MOST_CLIENTS 64

/*
 * Connects to the sockets of running controllers: the one that is named, $SOFTDPU_RPC, or all in
 * the run directory. Returns how many; -1 with a message: the one named does not answer.
 */
int rpc_clients_open(const char *path, struct rpc_client *client[RPC_MOST_CLIENTS]);
/* Exactly one; NULL with a message. */
struct rpc_client *rpc_client_open(const char *path);
void rpc_client_close(struct rpc_client *c);
const char *rpc_client_path(const struct rpc_client *c);

/*
 * The result of a method, counted; NULL with *error (to be freed) what went wrong. params:
 * consumed, NULL for none.
 */
struct json_object *rpc_call(struct rpc_client *c, const char *method, struct json_object *params,
			     char **error);

#endif
