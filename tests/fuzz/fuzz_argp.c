/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as the JSON file of a program that has a parameter of each type. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "core/argp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	const char *name;
	enum doca_argp_type type;
} params[] = {
	{"s", DOCA_ARGP_TYPE_STRING},
	{"i", DOCA_ARGP_TYPE_INT},
	{"b", DOCA_ARGP_TYPE_BOOLEAN},
	{"d", DOCA_ARGP_TYPE_DOUBLE},
};

static doca_error_t on_value(void *value, void *config)
{
	return DOCA_SUCCESS;
}

static doca_error_t on_message(enum doca_log_level level, const char *format, va_list args)
{
	return DOCA_SUCCESS;
}

static void add_params(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(params); i++) {
		struct doca_argp_param *param;

		if (doca_argp_param_create(&param) != DOCA_SUCCESS)
			abort();
		doca_argp_param_set_long_name(param, params[i].name);
		doca_argp_param_set_description(param, "value");
		doca_argp_param_set_type(param, params[i].type);
		doca_argp_param_set_callback(param, on_value);
		if (i % 2)
			doca_argp_param_set_multiplicity(param);
		if (doca_argp_register_param(param) != DOCA_SUCCESS)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	doca_argp_init("fuzz", NULL);
	doca_argp_register_logger_callback(on_message);
	add_params();
	argp_json_parse_text("input", text, size);
	doca_argp_destroy();
	free(text);
	return 0;
}
