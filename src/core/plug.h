/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hot-plug functions inside the library: made, found again, removed. What happens on the bus is
 * devemu's (pci_hotplug.c), which reports the state here.
 *
 * Any thread; internally locked. Not under the board lock.
 */
#ifndef CORE_PLUG_H
#define CORE_PLUG_H

#include "core/dev.h"
#include "doca_error.h"

/* Brings the manager's table up to date with what other processes did. */
void plug_refresh(struct doca_devinfo *info);

/*
 * A new function of this type (FUNCTION_TYPE_VFS or "pci:NAME"), powered off, counted for the
 * caller. FULL, NOT_SUPPORTED: no port, no switch; the setting is logged.
 */
doca_error_t plug_create(struct doca_devinfo *info, const char *type, struct function **ret_fn);
/*
 * BAD_STATE: not powered off. NOT_PERMITTED: static, or a device object is on it, here or
 * elsewhere.
 */
doca_error_t plug_destroy(struct function *fn);

/*
 * The right to serve the function, for a device object; takes over the state it was left in.
 * IN_USE: another process serves it. NOT_FOUND: it is gone. Nothing to it for static functions.
 */
doca_error_t plug_own(struct function *fn);
void plug_disown(struct function *fn);

/* The state now, also when another process serves it. */
enum function_state plug_state(struct function *fn);
/* By the owner. What cannot be written is logged and true in this process only. */
void plug_set_state(struct function *fn, enum function_state state);

/* Counted references, of hot-plug functions; any other is left alone. Under the board lock. */
void function_get(struct function *fn);
void function_put(struct function *fn);

#endif
