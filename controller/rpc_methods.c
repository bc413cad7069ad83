/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of methods, and those that are about the process. */
#include "rpc_methods.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "doca_log.h"
#include "doca_version.h"

/* ---- values ---- */

const char *rpc_text(struct rpc_call *call, unsigned int param, const char *otherwise)
{
	return call->value[param] ? json_object_get_string(call->value[param]) : otherwise;
}

bool rpc_bool(struct rpc_call *call, unsigned int param, bool otherwise)
{
	return call->value[param] ? json_object_get_boolean(call->value[param]) : otherwise;
}

void rpc_add_text(struct json_object *obj, const char *key, const char *text)
{
	json_object_object_add(obj, key, json_object_new_string(text ? text : ""));
}

void rpc_add_int(struct json_object *obj, const char *key, int64_t value)
{
	json_object_object_add(obj, key, json_object_new_int64(value));
}

void rpc_add_bool(struct json_object *obj, const char *key, bool value)
{
	json_object_object_add(obj, key, json_object_new_boolean(value));
}

/* ---- the process ---- */

static struct json_object *describe_params(const struct rpc_method *m)
{
	struct json_object *list = json_object_new_array(), *one;

	for (unsigned int i = 0; i < RPC_MAX_PARAMS && m->param[i].name; i++) {
		one = json_object_new_object();
		rpc_add_text(one, "name", m->param[i].name);
		rpc_add_text(one, "type", json_type_to_name(m->param[i].type));
		rpc_add_bool(one, "required", !m->param[i].optional);
		json_object_array_add(list, one);
	}
	return list;
}

static void rpc_get_methods(struct rpc_call *call)
{
	bool verbose = rpc_bool(call, 0, false);

	call->result = json_object_new_array();
	for (const struct rpc_method *m = rpc_methods; m->name; m++) {
		struct json_object *one;

		if (!verbose) {
			json_object_array_add(call->result, json_object_new_string(m->name));
			continue;
		}
		one = json_object_new_object();
		rpc_add_text(one, "name", m->name);
		rpc_add_text(one, "description", m->what);
		json_object_object_add(one, "params", describe_params(m));
		json_object_array_add(call->result, one);
	}
}

static void rpc_get_version(struct rpc_call *call)
{
	call->result = json_object_new_object();
	rpc_add_text(call->result, "version", "softdpu " SOFTDPU_VERSION);
	rpc_add_text(call->result, "doca", doca_version_runtime());
}

static const struct {
	const char *name;
	uint32_t level;
} levels[] = {
	{ "CRITICAL", DOCA_LOG_LEVEL_CRIT },  { "ERROR", DOCA_LOG_LEVEL_ERROR },
	{ "WARNING", DOCA_LOG_LEVEL_WARNING }, { "INFO", DOCA_LOG_LEVEL_INFO },
	{ "DEBUG", DOCA_LOG_LEVEL_DEBUG },    { "TRACE", DOCA_LOG_LEVEL_TRACE },
};

static void rpc_log_get_level(struct rpc_call *call)
{
	uint32_t level = doca_log_level_get_global_lower_limit();

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (levels[i].level == level)
			call->result = json_object_new_string(levels[i].name);
}

/* The library's own lines come from WARNING on at first; from here on both are the same. */
static void rpc_log_set_level(struct rpc_call *call)
{
	const char *name = rpc_text(call, 0, "");

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		if (strcasecmp(levels[i].name, name))
			continue;
		doca_log_level_set_global_lower_limit(levels[i].level);
		doca_log_level_set_global_sdk_limit(levels[i].level);
		return;
	}
	rpc_fail(call, RPC_INVALID_PARAMS,
		 "level %s is unknown: use CRITICAL, ERROR, WARNING, INFO, DEBUG or TRACE", name);
}

/* ---- the table ---- */

#define STRING(name) { name, json_type_string, false }
#define INT_OPT(name) { name, json_type_int, true }
#define BOOL_OPT(name) { name, json_type_boolean, true }
#define STRING_OPT(name) { name, json_type_string, true }
#define OBJECT_OPT(name) { name, json_type_object, true }

const struct rpc_method rpc_methods[] = {
	{ "rpc_get_methods", "Names of all methods, or with verbose what they are and take.",
	  { BOOL_OPT("verbose") }, rpc_get_methods },
	{ "framework_get_version", "Version of the program, and of the DOCA API it has.", { { 0 } },
	  rpc_get_version },
	{ "log_get_level", "The most verbose level that is logged.", { { 0 } }, rpc_log_get_level },
	{ "log_set_level", "Sets it: CRITICAL, ERROR, WARNING, INFO, DEBUG or TRACE.",
	  { STRING("level") }, rpc_log_set_level },
	{ "virtio_fs_get_transports", "The transport, DOCA, and its emulation managers.", { { 0 } },
	  rpc_get_transports },
	{ "virtio_fs_doca_get_managers", "Emulation managers that support virtio-fs.", { { 0 } },
	  rpc_get_managers },
	{ "virtio_fs_doca_get_functions", "All virtio-fs functions, by manager.", { { 0 } },
	  rpc_get_functions },
	{ "virtio_fs_doca_function_create",
	  "Makes a hot-plug function, powered off; its VUID is the result.",
	  { STRING_OPT("manager") }, rpc_function_create },
	{ "virtio_fs_doca_function_destroy",
	  "Removes a hot-plug function that is powered off and not served.",
	  { STRING("vuid"), STRING_OPT("manager") }, rpc_function_destroy },
	{ "virtio_fs_get_devices", "The devices of this process, or one of them.",
	  { STRING_OPT("dev_name") }, rpc_get_devices },
	{ "virtio_fs_device_create",
	  "Configures a device; what is left out is as on the command line. It is not started.",
	  { STRING("dev_name"), STRING_OPT("tag"), OBJECT_OPT("filesystem"),
	    INT_OPT("num_request_queues"), INT_OPT("queue_size"), BOOL_OPT("readonly"),
	    STRING_OPT("cache"), STRING_OPT("manager"), STRING_OPT("vuid"),
	    STRING_OPT("transport_name") },
	  rpc_device_create },
	{ "virtio_fs_device_modify", "Changes the configuration of a device that is stopped.",
	  { STRING("dev_name"), STRING_OPT("tag"), OBJECT_OPT("filesystem"),
	    INT_OPT("num_request_queues"), INT_OPT("queue_size"), BOOL_OPT("readonly"),
	    STRING_OPT("cache") },
	  rpc_device_modify },
	{ "virtio_fs_doca_device_modify", "Gives a device that is stopped the function it serves.",
	  { STRING("dev_name"), STRING_OPT("manager"), STRING("vuid") }, rpc_device_modify },
	{ "virtio_fs_device_start", "Starts a device: opens its file system, serves its function.",
	  { STRING("dev_name") }, rpc_device_start },
	{ "virtio_fs_device_stop",
	  "Stops a device when its last request is answered; a plugged function stays plugged.",
	  { STRING("dev_name") }, rpc_device_stop },
	{ "virtio_fs_device_destroy", "Forgets a device that is stopped.", { STRING("dev_name") },
	  rpc_device_destroy },
	{ "virtio_fs_device_get_stat", "Requests by opcode with their latency, and the queues.",
	  { STRING_OPT("dev_name") }, rpc_get_stat },
	{ "virtio_fs_set_latency",
	  "exact: every request is timed, not one of 16.",
	  { { "exact", json_type_boolean, false } }, rpc_set_latency },
	{ "virtio_fs_doca_device_hotplug",
	  "Plugs the function of a running device; with a QMP socket QEMU attaches it.",
	  { STRING("dev_name"), BOOL_OPT("wait_for_done"), STRING_OPT("bus") }, rpc_hotplug },
	{ "virtio_fs_doca_device_hotunplug",
	  "Unplugs it; with a QMP socket QEMU asks the guest for it.",
	  { STRING("dev_name"), BOOL_OPT("wait_for_done") }, rpc_hotunplug },
	{ .name = NULL }
};
