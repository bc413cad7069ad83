/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * softdpu list: the functions of the board and of the state directory, with what running
 * controllers say of the devices on them. A controller may have a board of its own (sockets on
 * its command line); its functions are told apart by their sockets.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "core/board.h"
#include "core/plug.h"
#include "core/state.h"
#include "softdpu.h"

static struct json_object *find_function(struct json_object *list, const char *vuid,
					 const char *socket_path)
{
	for (size_t i = 0; i < jlength(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);

		if (!strcmp(jtext(one, "vuid"), vuid) && !strcmp(jtext(one, "socket"), socket_path))
			return one;
	}
	return NULL;
}

/* ---- the board ---- */

static void add_board_function(struct json_object *list, const struct function *fn)
{
	struct json_object *one = json_object_new_object();
	bool seen = fn->state == FUNCTION_ON || fn->state == FUNCTION_UNPLUGGING;

	jadd(one, "manager", fn->manager->ibdev_name);
	jadd(one, "vuid", fn->vuid);
	jadd(one, "pci_addr", seen ? fn->pci_addr : "0000:00:00.0");
	jadd(one, "type", fn->type);
	json_object_object_add(one, "hotplug", json_object_new_boolean(fn->is_hotplug));
	jadd(one, "transport", fn->transport);
	jadd(one, "socket", fn->socket_path);
	jadd(one, "state", function_state_name(fn->state));
	json_object_array_add(list, one);
}

static void add_manager(struct json_object *top, struct doca_devinfo *info)
{
	struct json_object *one = json_object_new_object();
	struct json_object *functions = jarray(top, "functions");

	jadd(one, "name", info->ibdev_name);
	jadd(one, "pci_addr", info->pci_addr);
	json_object_object_add(one, "virtio_fs", json_object_new_boolean(info->vfs_enabled));
	json_object_object_add(one, "static_functions",
			       json_object_new_int((int)info->nr_functions));
	json_object_object_add(one, "hotplug_ports",
			       json_object_new_int((int)info->num_hotplug_ports));
	json_object_array_add(jarray(top, "managers"), one);
	plug_refresh(info);
	for (unsigned int i = 0; i < info->nr_functions; i++)
		add_board_function(functions, &info->functions[i]);
	for (unsigned int i = 0; i < info->num_hotplug_ports; i++)
		if (info->port[i])
			add_board_function(functions, info->port[i]);
}

/* ---- controllers ---- */

/* What only the controller knows, or knows better. */
static void overlay(struct json_object *function, struct json_object *device,
		    const char *controller)
{
	static const struct {
		const char *from, *to;
	} keys[] = { { "name", "device" },	  { "tag", "tag" },
		     { "state", "device_state" }, { "hotplug_state", "state" },
		     { "fsdev", "filesystem" },	  { "driver_status", "driver_status" } };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		jadd(function, keys[i].to, jtext(device, keys[i].from));
	jadd(function, "controller", controller);
}

static struct json_object *add_foreign(struct json_object *list, struct json_object *from,
				       const char *manager, const char *vuid)
{
	bool is_hotplug = !strcmp(jtext(from, "hot pluggable"), "yes");
	struct json_object *one = json_object_new_object();

	jadd(one, "manager", manager);
	jadd(one, "vuid", vuid);
	jadd(one, "pci_addr", jtext(from, "pci_address"));
	jadd(one, "type", FUNCTION_TYPE_VFS);
	json_object_object_add(one, "hotplug", json_object_new_boolean(is_hotplug));
	jadd(one, "transport", jtext(from, "transport"));
	jadd(one, "socket", jtext(from, "socket"));
	jadd(one, "state", jtext(from, "hotplug_state"));
	json_object_array_add(list, one);
	return one;
}

static void merge_functions(struct json_object *list, struct json_object *managers)
{
	for (size_t m = 0; m < jlength(managers); m++) {
		struct json_object *manager = json_object_array_get_idx(managers, m);
		struct json_object *functions = jarray(manager, "Function List");

		for (size_t i = 0; i < jlength(functions); i++) {
			struct json_object *f = json_object_array_get_idx(functions, i);

			if (!find_function(list, jtext(f, "vuid"), jtext(f, "socket")))
				add_foreign(list, f, jtext(manager, "manager"), jtext(f, "vuid"));
		}
	}
}

static void merge_devices(struct json_object *list, struct json_object *devices, const char *path)
{
	for (size_t i = 0; i < jlength(devices); i++) {
		struct json_object *d = json_object_array_get_idx(devices, i), *f;

		if (!strcmp(jtext(d, "state"), "stopped"))
			continue;
		f = find_function(list, jtext(d, "vuid"), jtext(d, "socket"));
		if (f)
			overlay(f, d, path);
	}
}

static void ask(struct rpc_client *c, struct json_object *list)
{
	struct json_object *result;
	char *error;

	result = rpc_call(c, "virtio_fs_doca_get_functions", NULL, &error);
	if (json_object_is_type(result, json_type_array))
		merge_functions(list, result);
	json_object_put(result);
	free(error);
	result = rpc_call(c, "virtio_fs_get_devices", NULL, &error);
	if (json_object_is_type(result, json_type_array))
		merge_devices(list, result, rpc_client_path(c));
	else
		fail("%s", error ? error : "no answer");
	json_object_put(result);
	free(error);
}

static int ask_controllers(const char *path, struct json_object *list)
{
	struct rpc_client *client[RPC_MOST_CLIENTS];
	int nr = rpc_clients_open(path, client);

	for (int i = 0; i < nr; i++) {
		ask(client[i], list);
		rpc_client_close(client[i]);
	}
	return nr < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- output ---- */

static void print_text(struct json_object *top)
{
	struct json_object *managers = jarray(top, "managers"), *list = jarray(top, "functions");
	struct table t = { .columns = 8 };

	for (size_t i = 0; i < jlength(managers); i++) {
		struct json_object *m = json_object_array_get_idx(managers, i);

		say("%s at %s: static functions %lld, hot-plug ports %lld", jtext(m, "name"),
		    jtext(m, "pci_addr"), (long long)jint(m, "static_functions"),
		    (long long)jint(m, "hotplug_ports"));
	}
	putchar('\n');
	table_row(&t, "MANAGER", "VUID", "PCI ADDRESS", "STATE", "TAG", "DRIVER", "TRANSPORT",
		  "SOCKET");
	for (size_t i = 0; i < jlength(list); i++) {
		struct json_object *f = json_object_array_get_idx(list, i);

		table_row(&t, jtext(f, "manager"), jtext(f, "vuid"), jtext(f, "pci_addr"),
			  jtext(f, "state"), jtext(f, "tag"), jtext(f, "driver_status"),
			  jtext(f, "transport"), jtext(f, "socket"));
	}
	table_print(&t);
}

static int list(const char *rpc_path, bool json)
{
	struct json_object *top = json_object_new_object();
	struct board *board;
	int rc;

	if (board_get(&board) != DOCA_SUCCESS) {
		json_object_put(top);
		return EXIT_FAILURE; /* said by the library */
	}
	json_object_object_add(top, "managers", json_object_new_array());
	json_object_object_add(top, "functions", json_object_new_array());
	for (unsigned int i = 0; i < board->nr_managers; i++)
		add_manager(top, &board->managers[i]);
	rc = ask_controllers(rpc_path, jarray(top, "functions"));
	if (!rc && !json)
		print_text(top);
	if (!rc && json)
		util_print_json(top);
	else
		json_object_put(top);
	return rc;
}

int cmd_list(int argc, char **argv)
{
	static const struct option options[] = {
		{ "file", required_argument, NULL, 'f' },
		{ "rpc-socket", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	const char *rpc_path = NULL;
	bool json = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "f:", options, NULL)) >= 0) {
		if (opt == 'f')
			setenv("SOFTDPU_BOARD", optarg, 1);
		else if (opt == 'r')
			rpc_path = optarg;
		else if (opt == 'j')
			json = true;
		else
			return EXIT_USAGE;
	}
	if (optind < argc)
		return fail_usage("list takes no '%s'", argv[optind]);
	return list(rpc_path, json);
}
