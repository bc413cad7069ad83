/* SPDX-License-Identifier: BSD-3-Clause */
/* What every example needs before it comes to its point. Failures end the program with a message. */
#ifndef EXAMPLES_COMMON_H
#define EXAMPLES_COMMON_H

#include <signal.h>

#include <doca_ctx.h>
#include <doca_dev.h>
#include <doca_devemu_pci.h>
#include <doca_devemu_pci_type.h>
#include <doca_error.h>
#include <doca_pe.h>

/* The call succeeds, or is in progress, or the program ends. */
#define MUST(call) must((call), #call)
void must(doca_error_t result, const char *call);

/* The emulation manager of this name; NULL: the first there is that emulates virtio-fs. */
struct doca_dev *open_manager(const char *name);
/* The function with this VUID; NULL: the first static one of the type. */
struct doca_dev_rep *open_function(struct doca_devemu_pci_type *type, const char *vuid);

/* Messages of the library go to standard error; SIGINT and SIGTERM set `stopping` from now on. */
extern volatile sig_atomic_t stopping;
void begin(void);

/* Progress, and sleep when there is nothing to do, until something happens or 100 ms are over. */
void progress_or_sleep(struct doca_pe *pe);
void progress_until_state(struct doca_pe *pe, struct doca_ctx *ctx, enum doca_ctx_states state);

#endif
