/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * $VUFE_TRANSPORT=vfio-user makes server and front ends speak that; else it is vhost-user. With
 * $VUFE_PRIVATE, too, the front ends keep their memory to themselves.
 *
 * One server process for a whole program of protocol tests. Every hostile case ends with
 * assert_serves(): the same process must go on serving good front ends.
 */
#ifndef PROTO_HARNESS_H
#define PROTO_HARNESS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

#include "vufe_fuse.h"

/*
 * The server: $VUFE_SOCKET names one that runs already; else the program in $DOCA_VIRTIOFS is
 * started with --null on a socket of our own, in a private directory, with the words
 * of $DOCA_VIRTIOFS_ARGS added to its arguments. Neither set: the program exits with 77.
 */
int harness_setup(void **state);
/* Ends the server it started: SIGTERM must bring exit status 0 within seconds. */
int harness_teardown(void **state);
void harness_need_server(void);
const char *harness_socket(void);
bool harness_is_vfio(void);
/* Before setup: more arguments of the server, borrowed. NULL: none. */
void harness_use_args(const char *args);
/* Before setup: the doorbells of the one function are memory the host maps (vfio-user). */
void harness_use_mapped_doorbells(void);
/* The process started by setup; 0: there is none of ours. */
pid_t harness_pid(void);
/* Descriptors the server has open; 0: not known. */
unsigned harness_server_fds(void);
/* Before setup: serve an empty private directory instead of the null file system. */
void harness_use_local(void);

/* Before setup: two devices in one server. The second one's socket. */
void harness_use_two(void);
const char *harness_second_socket(void);

/* Small rings and memory; fields may be changed before use. */
struct vufe_opts harness_opts(void);
/* Opens with a grace period for the server to notice that the last front end left. */
void open_good(struct vufe_dev *dev, const struct vufe_opts *opts);
void connect_good(struct vufe_dev *dev, const struct vufe_opts *opts);
/* A fresh connection gets INIT and GETATTR of the root answered, by the same process as ever. */
void assert_serves(void);
void assert_alive(void);
/* The next assert_pings() sends INIT again: after a reset or a re-probe on the same connection. */
void harness_new_mount(void);
/* On an open device, request queue q: INIT the first time, GETATTR of the root. */
void assert_pings(struct vufe_dev *dev, unsigned q);

/* Makes a GETATTR of the root available in new memory; its head. */
uint16_t post_getattr(struct vufe_fs *fs, struct vufe_vq *vq);
/* Waits for the next completion; false: none within the time of a slow machine. */
bool completes(struct vufe_vq *vq, uint16_t *ret_head);

/* Runs one test a row; row_size apart, the row's first member is its name (const char *). */
int run_rows(const char *group, const void *rows, size_t nr, size_t row_size,
	     CMUnitTestFunction run);

#define RUN_ROWS(group, rows, run) \
	run_rows(group, rows, sizeof(rows) / sizeof((rows)[0]), sizeof((rows)[0]), run)

#endif
