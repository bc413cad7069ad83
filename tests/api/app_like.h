/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A controller that makes the same calls in the same order, from the same places, as the reference
 * application for this API: threads with an engine each for I/O and for DMA, the first one with the
 * device's engine too, requests that go through pool buffers and complete in DMA callbacks, resets
 * handled by stopping and starting everything. Public headers only; what must hold is checked here
 * and ends the process when it does not.
 */
#ifndef TESTS_API_APP_LIKE_H
#define TESTS_API_APP_LIKE_H

#include <stdbool.h>
#include <stdint.h>

#define APP_THREADS 2
#define APP_REQUEST_QUEUES 32
#define APP_QUEUE_SIZE 256
#define APP_NAME_MISSING "missing" /* LOOKUP: no such entry */
#define APP_NAME_HELD "held" /* LOOKUP: answered when the I/O context stops */
#define APP_FILE_BYTES (1u << 20) /* READ and WRITE beyond it are refused */

struct app;

/* Everything up to a device that is starting; the threads run. */
struct app *app_start(void);
/* For the guest: identity of the function that is served. */
const char *app_vuid(const struct app *app);
bool app_is_running(const struct app *app);
unsigned int app_resets(const struct app *app); /* reset and FLR events so far */
unsigned int app_held(const struct app *app); /* requests answered late */
unsigned int app_forgets(const struct app *app);
/* Stops and releases everything; the guest may still be there. */
void app_stop(struct app *app);

#endif
