/* SPDX-License-Identifier: BSD-3-Clause */
/* softdpu stats: what devices did, by opcode and queue. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "softdpu.h"

struct stats_args {
	const char *rpc_path, *device, *exact;
	bool json;
};

static const char *number(char text[32], struct json_object *obj, const char *key)
{
	snprintf(text, 32, "%lld", (long long)jint(obj, key));
	return text;
}

/* Nanoseconds as microseconds. */
static const char *micros(char text[32], struct json_object *op, const char *key)
{
	struct json_object *latency = NULL;

	json_object_object_get_ex(op, "latency_ns", &latency);
	snprintf(text, 32, "%.1f", (double)jint(latency, key) / 1000);
	return text;
}

static void print_ops(struct json_object *ops)
{
	struct table t = { .columns = 8 };
	char text[7][32];

	table_row(&t, "OPCODE", "COUNT", "ERRORS", "BYTES", "MEAN us", "P50 us", "P99 us",
		  "P99.9 us");
	for (size_t i = 0; i < jlength(ops); i++) {
		struct json_object *op = json_object_array_get_idx(ops, i);

		table_row(&t, jtext(op, "opcode"), number(text[0], op, "count"),
			  number(text[1], op, "errors"), number(text[2], op, "bytes"),
			  micros(text[3], op, "mean"), micros(text[4], op, "p50"),
			  micros(text[5], op, "p99"), micros(text[6], op, "p999"));
	}
	table_print(&t);
}

static void print_queues(struct json_object *queues)
{
	struct table t = { .columns = 6 };
	char text[5][32];

	table_row(&t, "QUEUE", "ENABLED", "SIZE", "IN FLIGHT", "AVAIL", "USED");
	for (size_t i = 0; i < jlength(queues); i++) {
		struct json_object *q = json_object_array_get_idx(queues, i), *enabled = NULL;

		json_object_object_get_ex(q, "enabled", &enabled);
		table_row(&t, number(text[0], q, "id"),
			  json_object_get_boolean(enabled) ? "yes" : "no",
			  number(text[1], q, "size"), number(text[2], q, "inflights"),
			  number(text[3], q, "avail_idx"), number(text[4], q, "used_idx"));
	}
	table_print(&t);
}

/* Counters of the file system's own: calls to an NFS server, say. One line an object. */
static void print_fs(struct json_object *d)
{
	struct json_object *fs = NULL;
	char line[1024];

	json_object_object_get_ex(d, "file_system", &fs);
	if (!json_object_is_type(fs, json_type_object) || !json_object_object_length(fs))
		return;
	json_object_object_foreach(fs, object, counters) {
		size_t len = 0;

		if (!json_object_is_type(counters, json_type_object))
			continue;
		line[0] = '\0';
		json_object_object_foreach(counters, counter, value)
			if (len < sizeof(line))
				len += (size_t)snprintf(line + len, sizeof(line) - len, " %s %lld",
							counter,
							(long long)json_object_get_int64(value));
		say("%s:%s", object, line);
	}
	putchar('\n');
}

static void print_device(struct json_object *d)
{
	say("%s (%s): %lld requests, %lld errors, %lld bytes", jtext(d, "dev_name"),
	    jtext(d, "tag"), (long long)jint(d, "requests"), (long long)jint(d, "errors"),
	    (long long)jint(d, "bytes"));
	putchar('\n');
	print_ops(jarray(d, "opcodes"));
	putchar('\n');
	print_queues(jarray(d, "queues"));
	putchar('\n');
	print_fs(d);
}

/* One answer of a controller, taken into all or printed. */
static void show(struct json_object *devices, const char *path, struct json_object *all)
{
	for (size_t i = 0; i < jlength(devices); i++) {
		struct json_object *d = json_object_array_get_idx(devices, i);

		if (!json_object_is_type(d, json_type_object))
			continue;
		if (!all) {
			print_device(d);
			continue;
		}
		jadd(d, "controller", path);
		json_object_array_add(all, json_object_get(d));
	}
}

static int set_exact(struct rpc_client *c, const char *text)
{
	struct json_object *params = json_object_new_object(), *result;
	char *error;

	json_object_object_add(params, "exact", json_object_new_boolean(!strcmp(text, "on")));
	result = rpc_call(c, "virtio_fs_set_latency", params, &error);
	if (error)
		fail("%s", error);
	free(error);
	json_object_put(result);
	return result ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int ask(struct rpc_client *c, const struct stats_args *a, struct json_object *all)
{
	struct json_object *params = json_object_new_object(), *result;
	char *error;
	int rc = a->exact ? set_exact(c, a->exact) : EXIT_SUCCESS;

	if (a->device)
		jadd(params, "dev_name", a->device);
	result = rpc_call(c, "virtio_fs_device_get_stat", params, &error);
	if (json_object_is_type(result, json_type_array))
		show(result, rpc_client_path(c), all);
	else
		rc = fail("%s", error ? error : "no answer");
	json_object_put(result);
	free(error);
	return rc;
}

static int stats(const struct stats_args *a)
{
	struct json_object *all = a->json ? json_object_new_array() : NULL;
	struct rpc_client *client[RPC_MOST_CLIENTS];
	int nr, rc = EXIT_SUCCESS;

	if (a->device) { /* names are a controller's own */
		client[0] = rpc_client_open(a->rpc_path);
		nr = client[0] ? 1 : -1;
	} else {
		nr = rpc_clients_open(a->rpc_path, client);
	}
	if (!nr)
		rc = fail("no controller is running here; --rpc-socket names the control socket of "
			  "one elsewhere");
	for (int i = 0; i < nr; i++) {
		rc |= ask(client[i], a, all);
		rpc_client_close(client[i]);
	}
	if (all && nr > 0)
		util_print_json(all);
	return nr < 0 ? EXIT_FAILURE : rc;
}

int cmd_stats(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rpc-socket", required_argument, NULL, 'r' },
		{ "exact", required_argument, NULL, 'e' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	struct stats_args a = { 0 };
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (opt == 'r')
			a.rpc_path = optarg;
		else if (opt == 'e')
			a.exact = optarg;
		else if (opt == 'j')
			a.json = true;
		else
			return EXIT_USAGE;
	}
	if (a.exact && strcmp(a.exact, "on") && strcmp(a.exact, "off"))
		return fail_usage("--exact %s? It is on or off", a.exact);
	if (optind < argc)
		a.device = argv[optind++];
	if (optind < argc)
		return fail_usage("stats takes one device, not also '%s'", argv[optind]);
	return stats(&a);
}
