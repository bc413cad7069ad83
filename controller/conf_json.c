/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The devices file:
 *
 *   { "devices": [ { "tag": "docs", "socket": "/run/docs.sock", "num_request_queues": 4,
 *                    "queue_size": 1024, "readonly": true, "cache": "auto",
 *                    "wrap": ["log"],
 *                    "filesystem": { "type": "local", "dir": "/srv/docs" } }, ... ] }
 *
 * What a device leaves out comes from the command line's options. Unknown keys and wrong types are
 * refused by name.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "conf.h"
#include "conf_internal.h"
#include "doca_log.h"

DOCA_LOG_REGISTER(VIRTIOFS::CONF_JSON);

struct key {
	const char *name;
	enum json_type type;
	int (*set)(struct conf_device *d, struct json_object *value);
};

#define STRING_KEY(fn, field) \
	static int fn(struct conf_device *d, struct json_object *v) \
	{ \
		return conf_set_text((const char **)&d->field, json_object_get_string(v)); \
	}
STRING_KEY(set_name, name)
STRING_KEY(set_manager, manager)
STRING_KEY(set_vuid, vuid)
STRING_KEY(set_tag, tag)
STRING_KEY(set_transport, transport)
STRING_KEY(set_socket, socket)
STRING_KEY(set_dir, fs.dir)
STRING_KEY(set_server, fs.server)
STRING_KEY(set_export, fs.export_path)
STRING_KEY(set_options, fs.options)

#define FLAG(field, long_name) \
	static int set_##field(struct conf_device *d, struct json_object *v) \
	{ \
		d->fs.field = json_object_get_boolean(v); \
		return 0; \
	}
#define TEXT(field, long_name) STRING_KEY(set_##field, fs.field)
#include "conf_local.def"
#undef FLAG
#undef TEXT

static int set_queues(struct conf_device *d, struct json_object *v)
{
	d->num_request_queues = json_object_get_int(v); /* clamps, not wraps */
	return 0;
}

static int set_queue_size(struct conf_device *d, struct json_object *v)
{
	d->queue_size = json_object_get_int(v);
	return 0;
}

static int set_readonly(struct conf_device *d, struct json_object *v)
{
	d->fs.readonly = json_object_get_boolean(v);
	return 0;
}

static int set_cache(struct conf_device *d, struct json_object *v)
{
	return conf_parse_cache(json_object_get_string(v), &d->fs.cache);
}

/* The array as the comma-separated list that --wrap takes. */
static int set_wrap(struct conf_device *d, struct json_object *v)
{
	char text[256] = "";
	size_t len = 0;

	for (size_t i = 0; i < json_object_array_length(v); i++) {
		struct json_object *item = json_object_array_get_idx(v, i);

		if (!json_object_is_type(item, json_type_string)) {
			DOCA_LOG_ERR("%s: \"wrap\" must be an array of strings, not %s", d->tag,
				     json_object_to_json_string(v));
			return -EINVAL;
		}
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len ? "," : "",
					json_object_get_string(item));
		if (len >= sizeof(text)) {
			DOCA_LOG_ERR("%s: \"wrap\" is too long", d->tag);
			return -EINVAL;
		}
	}
	return conf_set_text(&d->fs.wrap, len ? text : NULL);
}

static int set_type(struct conf_device *d, struct json_object *v)
{
	const struct fs_ops *ops = fs_find(json_object_get_string(v));

	if (!ops) {
		DOCA_LOG_ERR("%s: filesystem type '%s' is unknown: use local, nfs or null", d->tag,
			     json_object_get_string(v));
		return -EINVAL;
	}
	d->fs.type = ops->name;
	return 0;
}

static int set_filesystem(struct conf_device *d, struct json_object *v);

static const struct key device_keys[] = {
	{ "name", json_type_string, set_name },
	{ "manager", json_type_string, set_manager },
	{ "vuid", json_type_string, set_vuid },
	{ "tag", json_type_string, set_tag },
	{ "transport", json_type_string, set_transport },
	{ "socket", json_type_string, set_socket },
	{ "num_request_queues", json_type_int, set_queues },
	{ "queue_size", json_type_int, set_queue_size },
	{ "readonly", json_type_boolean, set_readonly },
	{ "cache", json_type_string, set_cache },
	{ "wrap", json_type_array, set_wrap },
	{ "filesystem", json_type_object, set_filesystem },
	{ .name = NULL }
};

static const struct key filesystem_keys[] = {
	{ "type", json_type_string, set_type },
	{ "dir", json_type_string, set_dir },
	{ "server", json_type_string, set_server },
	{ "export", json_type_string, set_export },
	{ "options", json_type_string, set_options },
#define FLAG(field, long_name) { #field, json_type_boolean, set_##field },
#define TEXT(field, long_name) { #field, json_type_string, set_##field },
#include "conf_local.def"
#undef FLAG
#undef TEXT
	{ .name = NULL }
};

static int set_key(struct conf_device *d, const struct key *keys, const char *name,
		   struct json_object *value)
{
	for (; keys->name; keys++) {
		if (strcmp(keys->name, name))
			continue;
		if (json_object_is_type(value, keys->type))
			return keys->set(d, value);
		DOCA_LOG_ERR("%s: \"%s\" must be a %s, not %s", d->tag, name,
			     json_type_to_name(keys->type), json_object_to_json_string(value));
		return -EINVAL;
	}
	DOCA_LOG_ERR("%s: \"%s\" is not a key known here", d->tag, name);
	return -EINVAL;
}

static int set_keys(struct conf_device *d, const struct key *keys, struct json_object *obj)
{
	json_object_object_foreach(obj, name, value)
	{
		int rc = set_key(d, keys, name, value);

		if (rc)
			return rc;
	}
	return 0;
}

/* Which type a key belongs to: the rest would be ignored in silence. */
static int check_filesystem(const struct conf_device *d, struct json_object *obj)
{
	static const struct {
		const char *key, *type; /* or types, in words */
	} belongs[] = { { "dir", "local" }, { "server", "nfs" }, { "export", "nfs" },
			{ "options", "nfs" },
#define FLAG(field, long_name) { #field, "local" },
#define TEXT FLAG
#define SHARED(field, long_name) { #field, "local or nfs" },
#include "conf_local.def"
#undef FLAG
#undef TEXT
	};

	for (size_t i = 0; i < ARRAY_SIZE(belongs); i++)
		if (json_object_object_get_ex(obj, belongs[i].key, NULL) &&
		    !strstr(belongs[i].type, d->fs.type)) {
			DOCA_LOG_ERR("%s: \"%s\" is for filesystem type %s, this one is %s", d->tag,
				     belongs[i].key, belongs[i].type, d->fs.type);
			return -EINVAL;
		}
	return 0;
}

static int set_filesystem(struct conf_device *d, struct json_object *v)
{
	int rc;

	if (!json_object_object_get_ex(v, "type", NULL)) {
		DOCA_LOG_ERR("%s: \"filesystem\" has no \"type\"", d->tag);
		return -EINVAL;
	}
	rc = set_keys(d, filesystem_keys, v);
	return rc ? rc : check_filesystem(d, v);
}

int conf_set_keys(struct conf_device *d, struct json_object *obj)
{
	return set_keys(d, device_keys, obj);
}

static int load_device(struct conf *conf, size_t index, struct json_object *obj,
		       const struct conf_device *defaults)
{
	struct conf_device *d = &conf->device[conf->nr_devices++];
	int rc = conf_copy_device(d, defaults);

	if (rc)
		return rc;
	if (!json_object_is_type(obj, json_type_object)) {
		DOCA_LOG_ERR("device %zu is not an object", index);
		return -EINVAL;
	}
	rc = set_keys(d, device_keys, obj);
	if (!rc && !d->socket && !d->vuid && !conf->run) {
		DOCA_LOG_ERR("%s: device %zu has neither \"socket\" nor \"vuid\"", d->tag, index);
		rc = -EINVAL;
	}
	return rc;
}

static int load_devices(struct conf *conf, struct json_object *list,
			const struct conf_device *defaults)
{
	size_t nr = json_object_array_length(list);
	int rc = 0;

	if (!nr || nr > CONF_MAX_DEVICES) {
		DOCA_LOG_ERR("%zu devices: use 1 to %d", nr, CONF_MAX_DEVICES);
		return -EINVAL;
	}
	for (size_t i = 0; !rc && i < nr; i++)
		rc = load_device(conf, i, json_object_array_get_idx(list, i), defaults);
	return rc;
}

static int load_root(struct conf *conf, struct json_object *root,
		     const struct conf_device *defaults)
{
	struct json_object *list = NULL;

	json_object_object_foreach(root, name, value)
	{
		if (strcmp(name, "devices")) {
			DOCA_LOG_ERR("\"%s\" is not a key known here: use \"devices\"", name);
			return -EINVAL;
		}
		list = value;
	}
	if (!json_object_is_type(list, json_type_array)) {
		DOCA_LOG_ERR("\"devices\" is missing or not an array");
		return -EINVAL;
	}
	return load_devices(conf, list, defaults);
}

int conf_load_json(struct conf *conf, const char *path, const struct conf_device *defaults)
{
	struct json_object *root = json_object_from_file(path);
	int rc;

	if (!root) {
		DOCA_LOG_ERR("configuration %s: %s", path, json_util_get_last_err());
		return -EINVAL;
	}
	if (json_object_is_type(root, json_type_object)) {
		rc = load_root(conf, root, defaults);
	} else {
		DOCA_LOG_ERR("the file is not a JSON object");
		rc = -EINVAL;
	}
	if (rc)
		DOCA_LOG_ERR("configuration %s refused", path);
	json_object_put(root);
	return rc;
}
