/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data-path accelerator. There is none here: types and calls exist so that programs naming them
 * compile and link. No object can be made, so a program learns of it at doca_dpa_create(). Every
 * call answers NOT_SUPPORTED, or INVALID_VALUE for a NULL pointer.
 */
#ifndef DOCA_DPA_H
#define DOCA_DPA_H

#include <stddef.h>
#include <stdint.h>

#include "doca_dev.h"
#include "doca_error.h"
#include "doca_types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct doca_dpa;
struct doca_dpa_app;
struct doca_dpa_thread;

/* A function of the accelerator; only named, never called. */
typedef void doca_dpa_func_t(void);

typedef uint64_t doca_dpa_dev_uintptr_t;

/* Life of an accelerator with an application on it. */
DOCA_STABLE doca_error_t doca_dpa_create(struct doca_dev *dev, struct doca_dpa **dpa);
DOCA_STABLE doca_error_t doca_dpa_destroy(struct doca_dpa *dpa);
DOCA_STABLE doca_error_t doca_dpa_set_app(struct doca_dpa *dpa, struct doca_dpa_app *app);
DOCA_STABLE doca_error_t doca_dpa_start(struct doca_dpa *dpa);
DOCA_STABLE doca_error_t doca_dpa_stop(struct doca_dpa *dpa);

/* Calls a function there and waits for its value. */
DOCA_STABLE doca_error_t doca_dpa_rpc(struct doca_dpa *dpa, doca_dpa_func_t *func, uint64_t *retval,
		...);

/* Threads of the accelerator. */
DOCA_STABLE doca_error_t doca_dpa_thread_create(struct doca_dpa *dpa,
		struct doca_dpa_thread **dpa_thread);
DOCA_STABLE doca_error_t doca_dpa_thread_destroy(struct doca_dpa_thread *dpa_thread);
DOCA_STABLE doca_error_t doca_dpa_thread_set_func_arg(struct doca_dpa_thread *thread,
		doca_dpa_func_t *func, uint64_t arg);
DOCA_STABLE doca_error_t doca_dpa_thread_start(struct doca_dpa_thread *thread);
DOCA_STABLE doca_error_t doca_dpa_thread_run(struct doca_dpa_thread *thread);

#ifdef __cplusplus
}
#endif

#endif
