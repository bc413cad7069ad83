/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON file to items. The top object holds "doca_general_flags" (built-in flags) and
 * "doca_program_flags" (the program's), both keyed by long name; its other keys are the program's
 * business. Files of this kind carry comments and trailing commas: json-c takes both unless told to
 * be strict. What the command line has given is not taken from here.
 */
#include "core/argp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>

#include "base/cleanup.h"
#include "base/util.h"

#define JSON_SIZE_MAX (16 << 20) /* a list of flags; keeps /dev/zero from eating the machine */

/* Reads the whole file. The caller frees *ret_text, which is NUL-terminated. 0 or -errno. */
static int read_file(const char *path, char **ret_text, size_t *ret_len)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	CLEANUP_FREE char *text = NULL;
	size_t len = 0, room = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n;

		if (len + 1 >= room) {
			char *grown;

			if (room >= JSON_SIZE_MAX)
				return -EFBIG;
			room = room ? room * 2 : 4096;
			grown = realloc(text, room);
			if (!grown)
				return -ENOMEM;
			text = grown;
		}
		n = read(fd, text + len, room - len - 1);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		len += n > 0 ? (size_t)n : 0;
	}
	text[len] = '\0';
	*ret_text = take_ptr(text);
	*ret_len = len;
	return 0;
}

static int line_of(const char *text, size_t offset)
{
	int line = 1;

	for (size_t i = 0; i < offset && text[i]; i++)
		line += text[i] == '\n';
	return line;
}

/* Parses text that ends with a NUL at text[len]. NULL with a message: malformed. */
static struct json_object *parse(const char *path, const char *text, size_t len)
{
	struct json_object *top = NULL;
	struct json_tokener *tok;
	const char *problem;
	size_t end;

	tok = json_tokener_new();
	if (!tok)
		return NULL;
	top = json_tokener_parse_ex(tok, text, (int)len + 1);
	end = json_tokener_get_parse_end(tok);
	problem = top ? NULL : json_tokener_error_desc(json_tokener_get_error(tok));
	if (top && end < len)
		problem = "something follows the top object";
	else if (top && !json_object_is_type(top, json_type_object))
		problem = "the top is not an object";
	if (problem) {
		argp_complain("%s:%d: %s", path, line_of(text, end), problem);
		json_object_put(take_ptr(top));
	}
	json_tokener_free(tok);
	return top;
}

static doca_error_t add_value(struct doca_argp_param *param, struct json_object *value)
{
	char label[128];

	switch (json_object_get_type(value)) {
	case json_type_string:
		if (param->type == DOCA_ARGP_TYPE_STRING)
			return argp_item_add_text(param, json_object_get_string(value));
		break;
	case json_type_int:
		return argp_item_add_number(param, json_object_get_int64(value));
	case json_type_double:
		return argp_item_add_real(param, json_object_get_double(value));
	case json_type_boolean:
		return argp_item_add_flag(param, json_object_get_boolean(value));
	default:
		break;
	}
	argp_complain("%s: JSON type %s does not fit",
		      argp_param_label(param, label, sizeof(label)),
		      json_type_to_name(json_object_get_type(value)));
	return DOCA_ERROR_INVALID_VALUE;
}

/* One value, or an array of them where the parameter may be repeated. */
static doca_error_t add_values(struct doca_argp_param *param, struct json_object *value)
{
	doca_error_t result = DOCA_SUCCESS;

	if (!param->multiplicity || !json_object_is_type(value, json_type_array))
		return add_value(param, value);
	for (size_t i = 0; i < json_object_array_length(value) && result == DOCA_SUCCESS; i++)
		result = add_value(param, json_object_array_get_idx(value, i));
	return result;
}

/* Which flags a group may hold: those of the program, or the built-in ones with a value to set. */
static bool belongs(const struct doca_argp_param *param, bool general)
{
	return general ? param->builtin == ARGP_BUILTIN_LOG_LEVEL ||
				 param->builtin == ARGP_BUILTIN_SDK_LOG_LEVEL :
			 param->builtin == ARGP_BUILTIN_NONE;
}

static doca_error_t add_flag(const char *path, const char *key, struct json_object *value,
			     bool general)
{
	struct doca_argp_param *param = argp_find_long(key);

	if (!param || !belongs(param, general)) {
		argp_complain("%s: unknown flag \"%s\"", path, key);
		return DOCA_ERROR_NOT_SUPPORTED;
	}
	if (param->cli_only) {
		argp_complain("%s: \"%s\" can only be given on the command line", path, key);
		return DOCA_ERROR_INVALID_VALUE;
	}
	if (param->on_cli)
		return DOCA_SUCCESS;
	param->in_json = true;
	return add_values(param, value);
}

static doca_error_t add_group(const char *path, struct json_object *top, const char *name,
			      bool general)
{
	doca_error_t result = DOCA_SUCCESS;
	struct json_object *group;

	if (!json_object_object_get_ex(top, name, &group))
		return DOCA_SUCCESS;
	if (!json_object_is_type(group, json_type_object)) {
		argp_complain("%s: \"%s\" is not an object", path, name);
		return DOCA_ERROR_INVALID_VALUE;
	}
	json_object_object_foreach(group, key, value) {
		result = add_flag(path, key, value, general);
		if (result != DOCA_SUCCESS)
			break;
	}
	return result;
}

doca_error_t argp_json_parse_text(const char *path, const char *text, size_t len)
{
	struct json_object *top = parse(path, text, len);
	doca_error_t result;

	if (!top)
		return DOCA_ERROR_IO_FAILED;
	result = add_group(path, top, "doca_general_flags", true);
	DOCA_ERROR_PROPAGATE(result, add_group(path, top, "doca_program_flags", false));
	json_object_put(top);
	return result;
}

doca_error_t argp_json_parse(const char *path)
{
	CLEANUP_FREE char *text = NULL;
	size_t len = 0;
	int err = read_file(path, &text, &len);

	if (err) {
		argp_complain("%s: %s", path, strerror(-err));
		return DOCA_ERROR_IO_FAILED;
	}
	return argp_json_parse_text(path, text, len);
}
