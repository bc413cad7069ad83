/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * softdpu hotplug: the steps of the control socket that belong together. What add began is taken
 * back when a later step fails; remove goes on from wherever the device is.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "softdpu.h"

struct add_args {
	const char *rpc_path, *manager, *vuid, *name, *tag, *local, *server, *export_path, *bus;
	long queues, queue_size; /* -1: not given */
	bool null_fs, readonly, wait, json;
};

/* ---- calls ---- */

/* The result, or NULL with the reason printed (what: NULL: nobody wants to know). */
static struct json_object *step(struct rpc_client *c, const char *method,
				struct json_object *params, const char *what)
{
	char *error;
	struct json_object *result = rpc_call(c, method, params, &error);

	if (!result && what)
		fail("%s: %s", what, error ? error : "no answer");
	free(error);
	return result;
}

static bool step_ok(struct rpc_client *c, const char *method, struct json_object *params,
		    const char *what)
{
	struct json_object *result = step(c, method, params, what);

	json_object_put(result);
	return result != NULL;
}

static struct json_object *dev_name(const char *name)
{
	struct json_object *params = json_object_new_object();

	jadd(params, "dev_name", name);
	return params;
}

static void print_result(struct json_object *result, bool json, const char *text)
{
	if (json) {
		util_print_json(result);
		return;
	}
	say("%s", text);
	json_object_put(result);
}

/* ---- add ---- */

static struct json_object *filesystem_of(const struct add_args *a)
{
	struct json_object *fs = json_object_new_object();

	jadd(fs, "type", a->local ? "local" : a->null_fs ? "null" : "nfs");
	if (a->local)
		jadd(fs, "dir", a->local);
	if (a->server)
		jadd(fs, "server", a->server);
	if (a->export_path)
		jadd(fs, "export", a->export_path);
	return fs;
}

static struct json_object *device_params(const struct add_args *a, const char *vuid)
{
	struct json_object *params = dev_name(a->name);

	jadd(params, "tag", a->tag);
	jadd(params, "vuid", vuid);
	if (a->manager)
		jadd(params, "manager", a->manager);
	json_object_object_add(params, "filesystem", filesystem_of(a));
	if (a->queues >= 0)
		json_object_object_add(params, "num_request_queues",
				       json_object_new_int64(a->queues));
	if (a->queue_size >= 0)
		json_object_object_add(params, "queue_size", json_object_new_int64(a->queue_size));
	if (a->readonly)
		json_object_object_add(params, "readonly", json_object_new_boolean(true));
	return params;
}

static struct json_object *vuid_params(const char *manager, const char *vuid)
{
	struct json_object *params = json_object_new_object();

	if (manager)
		jadd(params, "manager", manager);
	if (vuid)
		jadd(params, "vuid", vuid);
	return params;
}

/* How far it got: what is to be taken back. */
enum progress { NOTHING, HAS_FUNCTION, HAS_DEVICE, IS_STARTED, IS_PLUGGED };

/* One that was plugged before keeps its place on the bus. */
static bool is_plugged(struct rpc_client *c, const char *name)
{
	struct json_object *list = step(c, "virtio_fs_get_devices", dev_name(name), name);
	bool plugged = jlength(list) &&
		       strcmp(jtext(json_object_array_get_idx(list, 0), "hotplug_state"),
			      "POWER_OFF");

	json_object_put(list);
	return plugged;
}

static enum progress add_steps(struct rpc_client *c, const struct add_args *a, const char *vuid)
{
	struct json_object *params;

	if (!step_ok(c, "virtio_fs_device_create", device_params(a, vuid), a->name))
		return HAS_FUNCTION;
	if (!step_ok(c, "virtio_fs_device_start", dev_name(a->name), a->name))
		return HAS_DEVICE;
	if (a->vuid && is_plugged(c, a->name))
		return IS_PLUGGED;
	params = dev_name(a->name);
	json_object_object_add(params, "wait_for_done", json_object_new_boolean(a->wait));
	if (a->bus)
		jadd(params, "bus", a->bus);
	return step_ok(c, "virtio_fs_doca_device_hotplug", params, a->name) ? IS_PLUGGED :
									      IS_STARTED;
}

static void take_back(struct rpc_client *c, const struct add_args *a, const char *vuid,
		      enum progress got)
{
	struct json_object *params = dev_name(a->name);

	json_object_object_add(params, "wait_for_done", json_object_new_boolean(true));
	if (got >= IS_STARTED)
		step_ok(c, "virtio_fs_doca_device_hotunplug", params, NULL);
	else
		json_object_put(params);
	if (got >= IS_STARTED)
		step_ok(c, "virtio_fs_device_stop", dev_name(a->name), NULL);
	if (got >= HAS_DEVICE)
		step_ok(c, "virtio_fs_device_destroy", dev_name(a->name), NULL);
	if (!a->vuid) /* it was there before */
		step_ok(c, "virtio_fs_doca_function_destroy", vuid_params(a->manager, vuid), NULL);
}

static int show_added(struct rpc_client *c, const struct add_args *a)
{
	struct json_object *list = step(c, "virtio_fs_get_devices", dev_name(a->name), a->name), *d;
	char text[512];

	if (!jlength(list)) {
		json_object_put(list);
		return EXIT_FAILURE;
	}
	d = json_object_get(json_object_array_get_idx(list, 0));
	json_object_put(list);
	snprintf(text, sizeof(text), "%s: function %s, tag %s, %s on %s, %s", jtext(d, "name"),
		 jtext(d, "vuid"), jtext(d, "tag"), jtext(d, "transport"), jtext(d, "socket"),
		 jtext(d, "hotplug_state"));
	print_result(d, a->json, text);
	return EXIT_SUCCESS;
}

static int add(struct rpc_client *c, struct add_args *a)
{
	struct json_object *made = NULL;
	const char *vuid = a->vuid;
	enum progress got;
	int rc = EXIT_FAILURE;

	if (!vuid) {
		made = step(c, "virtio_fs_doca_function_create", vuid_params(a->manager, NULL),
			    "no function is made");
		if (!made)
			return EXIT_FAILURE;
		vuid = json_object_get_string(made);
	}
	got = add_steps(c, a, vuid);
	if (got == IS_PLUGGED)
		rc = show_added(c, a);
	else
		take_back(c, a, vuid, got);
	json_object_put(made);
	return rc;
}

static bool parse_number(const char *text, long *ret)
{
	char *end;

	errno = 0;
	*ret = strtol(text, &end, 10);
	return *text && !*end && !errno && *ret >= 0;
}

static int parse_add_option(struct add_args *a, int opt)
{
	switch (opt) {
#define TEXT(letter, field) \
	case letter: \
		a->field = optarg; \
		return EXIT_SUCCESS;
	TEXT('r', rpc_path)
	TEXT('m', manager)
	TEXT('v', vuid)
	TEXT('n', name)
	TEXT('t', tag)
	TEXT('l', local)
	TEXT('s', server)
	TEXT('e', export_path)
	TEXT('b', bus)
#undef TEXT
#define FLAG(letter, field) \
	case letter: \
		a->field = true; \
		return EXIT_SUCCESS;
	FLAG('0', null_fs)
	FLAG('o', readonly)
	FLAG('w', wait)
	FLAG('j', json)
#undef FLAG
	case 'q':
		return parse_number(optarg, &a->queues) ? 0 : fail_usage("'%s' queues?", optarg);
	case 'z':
		return parse_number(optarg, &a->queue_size) ? 0 :
							      fail_usage("'%s' entries?", optarg);
	default:
		return EXIT_USAGE;
	}
}

static int check_add(const struct add_args *a)
{
	bool nfs = a->server || a->export_path;

	if (!a->tag)
		return fail_usage("hotplug add needs --tag");
	if (!!a->local + a->null_fs + nfs != 1)
		return fail_usage("hotplug add needs one of --local, --null and --nfs-server with "
				  "--nfs-export");
	return EXIT_SUCCESS;
}

static int cmd_add(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rpc-socket", required_argument, NULL, 'r' },
		{ "manager", required_argument, NULL, 'm' },
		{ "vuid", required_argument, NULL, 'v' },
		{ "name", required_argument, NULL, 'n' },
		{ "tag", required_argument, NULL, 't' },
		{ "local", required_argument, NULL, 'l' },
		{ "null", no_argument, NULL, '0' },
		{ "nfs-server", required_argument, NULL, 's' },
		{ "nfs-export", required_argument, NULL, 'e' },
		{ "num-request-queues", required_argument, NULL, 'q' },
		{ "queue-size", required_argument, NULL, 'z' },
		{ "readonly", no_argument, NULL, 'o' },
		{ "bus", required_argument, NULL, 'b' },
		{ "wait", no_argument, NULL, 'w' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	struct add_args a = { .queues = -1, .queue_size = -1 };
	struct rpc_client *c;
	int opt, rc = EXIT_SUCCESS;

	while (!rc && (opt = getopt_long(argc, argv, "m:s:e:q:", options, NULL)) >= 0)
		rc = parse_add_option(&a, opt);
	if (!rc && optind < argc)
		rc = fail_usage("hotplug add takes no '%s'", argv[optind]);
	if (!rc)
		rc = check_add(&a);
	if (rc)
		return rc;
	if (!a.name)
		a.name = a.tag;
	c = rpc_client_open(a.rpc_path);
	rc = c ? add(c, &a) : EXIT_FAILURE;
	rpc_client_close(c);
	return rc;
}

/* ---- remove ---- */

/* The device with this name or function; NULL: none. */
static struct json_object *find_device(struct rpc_client *c, const char *name)
{
	struct json_object *list = step(c, "virtio_fs_get_devices", NULL, NULL), *found = NULL;

	for (size_t i = 0; !found && i < jlength(list); i++) {
		struct json_object *d = json_object_array_get_idx(list, i);

		if (!strcmp(jtext(d, "name"), name) || !strcmp(jtext(d, "vuid"), name))
			found = json_object_get(d);
	}
	json_object_put(list);
	return found;
}

static int remove_device(struct rpc_client *c, struct json_object *d)
{
	const char *name = jtext(d, "name"), *state = jtext(d, "hotplug_state");
	bool started = strcmp(jtext(d, "state"), "stopped");
	struct json_object *params = dev_name(name);

	json_object_object_add(params, "wait_for_done", json_object_new_boolean(true));
	if (!started || !strcmp(state, "POWER_OFF"))
		json_object_put(params);
	else if (!step_ok(c, "virtio_fs_doca_device_hotunplug", params, name))
		return EXIT_FAILURE;
	if (started && !step_ok(c, "virtio_fs_device_stop", dev_name(name), name))
		return EXIT_FAILURE;
	return step_ok(c, "virtio_fs_device_destroy", dev_name(name), name) ? EXIT_SUCCESS :
									      EXIT_FAILURE;
}

static int remove_all(struct rpc_client *c, const char *name, bool json)
{
	struct json_object *d = find_device(c, name);
	const char *vuid = d ? jtext(d, "vuid") : name;
	char text[300];
	int rc = EXIT_SUCCESS;

	if (d && strcmp(jtext(d, "state"), "stopped")) {
		struct json_object *hot = NULL;

		json_object_object_get_ex(d, "hot_pluggable", &hot);
		if (!json_object_get_boolean(hot))
			rc = fail("%s is on a static function, which cannot be removed", name);
	}
	if (!rc && d)
		rc = remove_device(c, d);
	if (!rc && vuid[0] &&
	    !step_ok(c, "virtio_fs_doca_function_destroy", vuid_params(NULL, vuid), name))
		rc = EXIT_FAILURE;
	if (!rc) {
		struct json_object *result = json_object_new_object();

		jadd(result, "removed", vuid);
		snprintf(text, sizeof(text), "%s: removed", vuid);
		print_result(result, json, text);
	}
	json_object_put(d);
	return rc;
}

static int cmd_remove(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rpc-socket", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	const char *rpc_path = NULL;
	struct rpc_client *c;
	bool json = false;
	int opt, rc;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (opt == 'r')
			rpc_path = optarg;
		else if (opt == 'j')
			json = true;
		else
			return EXIT_USAGE;
	}
	if (optind + 1 != argc)
		return fail_usage("hotplug remove takes the name of one device, or a VUID");
	c = rpc_client_open(rpc_path);
	rc = c ? remove_all(c, argv[optind], json) : EXIT_FAILURE;
	rpc_client_close(c);
	return rc;
}

int cmd_hotplug(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "add"))
		return cmd_add(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "remove"))
		return cmd_remove(argc - 1, argv + 1);
	return fail_usage("hotplug what? It is add or remove");
}
