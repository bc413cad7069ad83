/* SPDX-License-Identifier: BSD-3-Clause */
/* Methods about managers, functions and devices. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "rpc_methods.h"

/* For the last requests of a device that is being stopped. */
#define STOP_NS (30ull * 1000000000ull)
#define OPEN_NS (10ull * 1000000ull) /* what needs no server is open by then: no round of waiting */
#define START_NS (10ull * 1000000000ull) /* for all threads to take up their part */

const char *rpc_plug_name(enum doca_devemu_pci_hotplug_state state)
{
	static const char *const name[] = {
		[DOCA_DEVEMU_PCI_HP_STATE_POWER_OFF] = "POWER_OFF",
		[DOCA_DEVEMU_PCI_HP_STATE_UNPLUG_IN_PROGRESS] = "UNPLUG_IN_PROGRESS",
		[DOCA_DEVEMU_PCI_HP_STATE_PLUG_IN_PROGRESS] = "PLUG_IN_PROGRESS",
		[DOCA_DEVEMU_PCI_HP_STATE_POWER_ON] = "POWER_ON",
	};

	return (unsigned int)state < ARRAY_SIZE(name) ? name[state] : "unknown";
}

/* ---- managers and functions ---- */

static struct json_object *manager_list(void)
{
	struct json_object *list = json_object_new_array(), *one;
	const char *name;

	for (unsigned int i = 0; (name = manager_name(i)); i++) {
		one = json_object_new_object();
		rpc_add_text(one, "name", name);
		json_object_array_add(list, one);
	}
	return list;
}

void rpc_get_managers(struct rpc_call *call)
{
	call->result = manager_list();
}

void rpc_get_transports(struct rpc_call *call)
{
	struct json_object *one = json_object_new_object();

	rpc_add_text(one, "name", "DOCA");
	rpc_add_text(one, "state", "started");
	json_object_object_add(one, "managers", manager_list());
	call->result = json_object_new_array();
	json_object_array_add(call->result, one);
}

struct function_list {
	struct json_object *managers; /* array of the result */
	struct json_object *functions; /* of the last manager */
	const char *manager;
};

/* Managers come one after the other. */
static void add_function(void *arg, const struct manager_function *f)
{
	struct function_list *l = arg;
	struct json_object *one;

	if (l->manager != f->manager) {
		one = json_object_new_object();
		l->manager = f->manager;
		l->functions = json_object_new_array();
		rpc_add_text(one, "manager", f->manager);
		json_object_object_add(one, "Function List", l->functions);
		json_object_array_add(l->managers, one);
	}
	one = json_object_new_object();
	rpc_add_text(one, "hot pluggable", f->is_hotplug ? "yes" : "no");
	rpc_add_text(one, "pci_address", f->pci_addr);
	rpc_add_text(one, "vuid", f->vuid);
	rpc_add_text(one, "function_type", "PF");
	rpc_add_text(one, "hotplug_state", rpc_plug_name(f->state));
	rpc_add_text(one, "transport", f->transport);
	rpc_add_text(one, "socket", f->socket);
	json_object_array_add(l->functions, one);
}

void rpc_get_functions(struct rpc_call *call)
{
	struct function_list l = { .managers = json_object_new_array() };
	int rc = manager_visit(add_function, &l);

	call->result = l.managers;
	if (rc)
		rpc_fail(call, rc, "functions cannot be listed");
}

/* ---- devices: showing ---- */

static const char *driver_status_name(uint8_t status)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} names[] = {
		{ VIRTIO_CONFIG_S_FAILED, "FAILED" },
		{ VIRTIO_CONFIG_S_NEEDS_RESET, "NEEDS_RESET" },
		{ VIRTIO_CONFIG_S_DRIVER_OK, "DRIVER_OK" },
		{ VIRTIO_CONFIG_S_FEATURES_OK, "FEATURES_OK" },
		{ VIRTIO_CONFIG_S_DRIVER, "DRIVER" },
		{ VIRTIO_CONFIG_S_ACKNOWLEDGE, "ACKNOWLEDGE" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (status & names[i].bit)
			return names[i].name;
	return "RESET";
}

static void show_fs(struct json_object *obj, const struct fs_config *fs)
{
	char text[512];

	if (!strcmp(fs->type, "local"))
		snprintf(text, sizeof(text), "local:%s", fs->dir ? fs->dir : "");
	else if (!strcmp(fs->type, "nfs"))
		snprintf(text, sizeof(text), "nfs:%s:%s", fs->server, fs->export_path);
	else
		snprintf(text, sizeof(text), "%s", fs->type);
	rpc_add_text(obj, "fsdev", text);
}

static void show_running(struct json_object *obj, const struct devtab_entry *e)
{
	struct device_state st;

	device_get_state(e->dev, &st);
	rpc_add_text(obj, "state",
		     e->stopping ? "stopping" : st.is_running ? "running" : "starting");
	rpc_add_text(obj, "manager", e->dev->fn.manager);
	rpc_add_text(obj, "vuid", e->dev->fn.vuid);
	rpc_add_text(obj, "transport", e->dev->fn.transport);
	rpc_add_text(obj, "socket", e->dev->fn.socket);
	rpc_add_bool(obj, "hot_pluggable", e->dev->fn.is_hotplug);
	rpc_add_text(obj, "hotplug_state", rpc_plug_name(st.plug));
	rpc_add_text(obj, "driver_status", driver_status_name(st.driver_status));
	rpc_add_int(obj, "driver_status_bits", st.driver_status);
}

static struct json_object *show_device(struct devtab *tab, unsigned int slot)
{
	const struct conf_device *c = &tab->conf->device[slot];
	struct json_object *obj = json_object_new_object();

	rpc_add_text(obj, "name", c->name);
	rpc_add_text(obj, "transport_name", "DOCA");
	show_fs(obj, &c->fs);
	rpc_add_text(obj, "tag", c->tag);
	rpc_add_int(obj, "queue_size", c->queue_size);
	rpc_add_int(obj, "num_request_queues", c->num_request_queues);
	rpc_add_bool(obj, "readonly", c->fs.readonly);
	if (tab->entry[slot].dev) {
		show_running(obj, &tab->entry[slot]);
		return obj;
	}
	rpc_add_text(obj, "state", tab->entry[slot].opening ? "starting" : "stopped");
	if (c->vuid)
		rpc_add_text(obj, "vuid", c->vuid);
	return obj;
}

struct conf_device *rpc_find_device(struct rpc_call *call, enum rpc_device_state wanted,
				    unsigned int *ret_slot)
{
	struct devtab *tab = rpc_devtab(call->rpc);
	const char *name = rpc_text(call, 0, "");
	struct conf_device *c = conf_find_device(tab->conf, name);
	const struct devtab_entry *e;

	if (!c) {
		rpc_fail(call, -ENODEV, "there is no device %s", name);
		return NULL;
	}
	*ret_slot = devtab_slot(tab, c);
	e = &tab->entry[*ret_slot];
	if (wanted == RPC_DEVICE_STOPPED && e->opening)
		rpc_fail(call, -EBUSY, "device %s is being started", name);
	else if (wanted != RPC_DEVICE_ANY && e->stopping)
		rpc_fail(call, -EBUSY, "device %s is being stopped", name);
	else if (wanted == RPC_DEVICE_RUNNING && !e->dev)
		rpc_fail(call, -EINVAL, "device %s is not started", name);
	else if (wanted == RPC_DEVICE_STOPPED && e->dev)
		rpc_fail(call, -EBUSY, "device %s is started", name);
	return call->error ? NULL : c;
}

void rpc_get_devices(struct rpc_call *call)
{
	struct devtab *tab = rpc_devtab(call->rpc);
	unsigned int only = 0;

	if (call->value[0] && !rpc_find_device(call, RPC_DEVICE_ANY, &only))
		return;
	call->result = json_object_new_array();
	for (unsigned int i = 0; i < CONF_MAX_DEVICES; i++)
		if (tab->conf->device[i].name && (!call->value[0] || i == only))
			json_object_array_add(call->result, show_device(tab, i));
}

/* ---- devices: changing ---- */

/* The parameters as keys of the configuration file; *ret is the caller's. */
static bool params_to_keys(struct rpc_call *call, struct json_object **ret)
{
	*ret = json_object_new_object();
	json_object_object_foreach(call->params, name, value) {
		if (!strcmp(name, "transport_name")) {
			if (!strcmp(json_object_get_string(value), "DOCA"))
				continue;
			rpc_fail(call, RPC_INVALID_PARAMS, "the only transport is DOCA");
			json_object_put(*ret);
			return false;
		}
		json_object_object_add(*ret, strcmp(name, "dev_name") ? name : "name",
				       json_object_get(value));
	}
	return true;
}

void rpc_device_create(struct rpc_call *call)
{
	struct devtab *tab = rpc_devtab(call->rpc);
	const char *name = rpc_text(call, 0, "");
	struct conf_device *c;
	struct json_object *keys;
	int rc;

	if (conf_find_device(tab->conf, name)) {
		rpc_fail(call, -EEXIST, "there is a device %s already", name);
		return;
	}
	if (!params_to_keys(call, &keys))
		return;
	rc = conf_add_device(tab->conf, keys, &c);
	json_object_put(keys);
	if (rc)
		rpc_fail(call, rc, "device %s is not created", name);
	else
		call->result = json_object_new_string(c->name);
}

void rpc_device_modify(struct rpc_call *call)
{
	struct devtab *tab = rpc_devtab(call->rpc);
	struct conf_device *c;
	struct json_object *keys;
	unsigned int slot;
	int rc;

	c = rpc_find_device(call, RPC_DEVICE_STOPPED, &slot);
	if (!c || !params_to_keys(call, &keys))
		return;
	rc = conf_change_device(tab->conf, c, keys);
	json_object_put(keys);
	if (rc)
		rpc_fail(call, rc, "device %s is not changed", rpc_text(call, 0, ""));
}

/* The I/O contexts are on their way: the device runs when all of them do. */
static void start_again(struct rpc_call *call)
{
	const struct devtab_entry *e = &rpc_devtab(call->rpc)->entry[call->slot];
	struct device_state st = { .is_running = false };

	if (e->dev && !e->stopping)
		device_get_state(e->dev, &st);
	if (e->dev && !e->stopping && !st.is_running && clock_ns() < call->deadline_ns)
		return;
	call->again = NULL;
	if (!st.is_running)
		rpc_fail(call, -EIO, "the device does not get to run");
}

static void open_again(struct rpc_call *call)
{
	struct devtab *tab = rpc_devtab(call->rpc);
	int rc;

	if (!devtab_begun(tab, call->slot, call->deadline_ns, &rc))
		return;
	call->deadline_ns = clock_ns() + START_NS;
	call->again = rc ? NULL : start_again;
	if (!rc) {
		start_again(call);
		return;
	}
	if (tab->entry[call->slot].dev) { /* on some threads */
		devtab_stop(tab, call->slot);
		devtab_finish(tab, call->slot, clock_ns() + START_NS);
	}
	rpc_fail(call, rc, "device %s is not started", rpc_text(call, 0, ""));
}

void rpc_device_start(struct rpc_call *call)
{
	int rc;

	if (!rpc_find_device(call, RPC_DEVICE_STOPPED, &call->slot))
		return;
	rc = devtab_begin(rpc_devtab(call->rpc), call->slot);
	if (rc) {
		rpc_fail(call, rc, "device %s is not started", rpc_text(call, 0, ""));
		return;
	}
	call->deadline_ns = clock_ns() + OPEN_NS;
	call->again = open_again;
	open_again(call);
}

static void stop_again(struct rpc_call *call)
{
	struct devtab *tab = rpc_devtab(call->rpc);

	if (!tab->entry[call->slot].dev || !devtab_finish(tab, call->slot, 0)) {
		call->again = NULL;
		return;
	}
	if (clock_ns() < call->deadline_ns)
		return;
	call->again = NULL;
	rpc_fail(call, -ETIMEDOUT, "requests are still out; the device goes on stopping");
}

/* A second call waits for what the first one began. */
void rpc_device_stop(struct rpc_call *call)
{
	struct devtab *tab = rpc_devtab(call->rpc);

	if (!rpc_find_device(call, RPC_DEVICE_ANY, &call->slot))
		return;
	if (!tab->entry[call->slot].dev) {
		rpc_fail(call, -EINVAL, "device %s is not started", rpc_text(call, 0, ""));
		return;
	}
	devtab_stop(tab, call->slot);
	call->deadline_ns = clock_ns() + STOP_NS;
	call->again = stop_again;
	stop_again(call);
}

void rpc_device_destroy(struct rpc_call *call)
{
	struct conf_device *c;
	unsigned int slot;

	c = rpc_find_device(call, RPC_DEVICE_STOPPED, &slot);
	if (c)
		conf_remove_device(c);
}
