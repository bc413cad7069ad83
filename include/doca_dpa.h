/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Types of the data-path accelerator. There is none here: the types exist so that headers and
 * programs naming them compile.
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

#ifdef __cplusplus
}
#endif

#endif
