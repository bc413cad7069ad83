/* SPDX-License-Identifier: BSD-3-Clause */
/* The methods by file; the table is rpc_methods.c. */
#ifndef CONTROLLER_RPC_METHODS_H
#define CONTROLLER_RPC_METHODS_H

#include "rpc.h"

/* rpc_device.c */
void rpc_get_transports(struct rpc_call *call);
void rpc_get_managers(struct rpc_call *call);
void rpc_get_functions(struct rpc_call *call);
void rpc_get_devices(struct rpc_call *call);
void rpc_device_create(struct rpc_call *call);
void rpc_device_modify(struct rpc_call *call);
void rpc_device_start(struct rpc_call *call);
void rpc_device_stop(struct rpc_call *call);
void rpc_device_destroy(struct rpc_call *call);

/* rpc_hotplug.c */
void rpc_function_create(struct rpc_call *call);
void rpc_function_destroy(struct rpc_call *call);
void rpc_hotplug(struct rpc_call *call);
void rpc_hotunplug(struct rpc_call *call);

/* rpc_stat.c */
void rpc_get_stat(struct rpc_call *call);
void rpc_set_latency(struct rpc_call *call);

/* ---- shared ---- */

const char *rpc_text(struct rpc_call *call, unsigned int param, const char *otherwise);
bool rpc_bool(struct rpc_call *call, unsigned int param, bool otherwise);
void rpc_add_text(struct json_object *obj, const char *key, const char *text);
void rpc_add_int(struct json_object *obj, const char *key, int64_t value);
void rpc_add_bool(struct json_object *obj, const char *key, bool value);

/*
 * The device that parameter 0 (dev_name) names; NULL with the error set. running: it has to be,
 * and not be stopping; or it must not be.
 */
enum rpc_device_state { RPC_DEVICE_ANY, RPC_DEVICE_RUNNING, RPC_DEVICE_STOPPED };
struct conf_device *rpc_find_device(struct rpc_call *call, enum rpc_device_state wanted,
				    unsigned int *ret_slot);

/* "POWER_ON" */
const char *rpc_plug_name(enum doca_devemu_pci_hotplug_state state);

#endif
