/* SPDX-License-Identifier: BSD-3-Clause */
/* softdpu rpc: one call of a method, the result as JSON. */
#include <getopt.h>
#include <stdlib.h>

#include "softdpu.h"

static int call(const char *path, const char *method, struct json_object *params)
{
	struct rpc_client *c = rpc_client_open(path);
	struct json_object *result;
	char *error;

	if (!c) {
		json_object_put(params);
		return EXIT_FAILURE;
	}
	result = rpc_call(c, method, params, &error);
	rpc_client_close(c);
	if (!result)
		fail("%s: %s", method, error ? error : "no answer");
	free(error);
	if (!result)
		return EXIT_FAILURE;
	util_print_json(result);
	return EXIT_SUCCESS;
}

int cmd_rpc(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rpc-socket", required_argument, NULL, 'r' },
		{ 0 },
	};
	struct json_object *params = NULL;
	const char *path = NULL;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (opt != 'r')
			return EXIT_USAGE;
		path = optarg;
	}
	if (optind >= argc || optind + 2 < argc)
		return fail_usage("rpc takes a method and its parameters as a JSON object");
	if (optind + 1 < argc) {
		params = json_tokener_parse(argv[optind + 1]);
		if (!json_object_is_type(params, json_type_object))
			return fail_usage("'%s' is not a JSON object", argv[optind + 1]);
	}
	return call(path, argv[optind], params);
}
