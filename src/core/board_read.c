/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text of a board.
 *
 * Theory of Operation: reading happens in two steps per manager. read_manager() checks the JSON
 * against tables of keys and fills a struct of plain settings with every default in place;
 * build_functions() makes functions of them. The first refusal ends the reading, and its message
 * names the text, the place in it and what would be right.
 */
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "core/board.h"
#include "core/board_settings.h"
#include "core/log.h"

SD_LOG_REGISTER(BOARD);

#define BOARD_DEPTH_MAX 8 /* of JSON, more than a board has: parsing recurses */
#define BOARD_MANAGERS_MAX 16 /* more cards than a host has; each has a bus number */
#define BOARD_FIRST_BUS 0x80 /* functions of manager n are on host bus 0x80 + n */

/* Reading JSON */

struct reader {
	const char *source;
	struct board *board;
	unsigned int manager; /* being read */
};

static doca_error_t __attribute__((format(printf, 2, 3)))
refuse(const struct reader *rd, const char *fmt, ...)
{
	char why[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	sd_log_err("%s: %s", rd->source, why);
	return DOCA_ERROR_INVALID_VALUE;
}

static doca_error_t read_setting(const struct reader *rd, const struct board_setting *key,
				 struct json_object *value, struct board_settings *set)
{
	bool is_number = json_object_is_type(value, json_type_int) ||
			 json_object_is_type(value, json_type_boolean);
	int64_t number = json_object_get_int64(value);
	char range[BOARD_RANGE_LEN];

	board_setting_range(key, range);
	if (!is_number || !board_setting_accepts(key, number))
		return refuse(rd, "managers[%u].%s = %s: must be %s", rd->manager, key->name,
			      json_object_to_json_string(value), range);
	*board_setting_of(set, key) = (int)number;
	return DOCA_SUCCESS;
}

/* Copies a string of 1..size-1 bytes without control characters. `where` names it in messages. */
static doca_error_t read_string(const struct reader *rd, const char *where,
				struct json_object *value, char *ret, size_t size)
{
	const char *text = json_object_get_string(value);
	size_t i, len = (size_t)json_object_get_string_len(value);

	if (!json_object_is_type(value, json_type_string))
		return refuse(rd, "%s: must be a string", where);
	if (!len || len >= size)
		return refuse(rd, "%s: must have 1 to %zu characters, has %zu", where, size - 1,
			      len);
	for (i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20)
			return refuse(rd, "%s: holds a control character", where);
	memcpy(ret, text, len + 1);
	return DOCA_SUCCESS;
}

static doca_error_t read_pci_addr(const struct reader *rd, struct json_object *value,
				  struct doca_devinfo *info)
{
	char text[DOCA_DEVINFO_PCI_ADDR_SIZE], where[64];
	doca_error_t ret;
	uint64_t addr;

	snprintf(where, sizeof(where), "managers[%u].pci_addr", rd->manager);
	ret = read_string(rd, where, value, text, sizeof(text));
	if (ret != DOCA_SUCCESS)
		return ret;
	if (dev_parse_pci_addr(text, &addr) < 0)
		return refuse(rd, "%s = \"%s\": must look like 0000:03:00.0", where, text);
	snprintf(info->pci_addr, sizeof(info->pci_addr), "%04x:%02x:%02x.%x",
		 (unsigned int)(addr >> 16) & 0xffff, (unsigned int)(addr >> 8) & 0xff,
		 (unsigned int)(addr >> 3) & 0x1f, (unsigned int)addr & 7);
	return DOCA_SUCCESS;
}

/* Functions */

int board_run_dir(char *path, size_t size)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	int len;

	if (!run || run[0] != '/')
		run = "/run";
	len = snprintf(path, size, "%s/softdpu", run);
	return len < 0 || (size_t)len >= size ? -1 : 0;
}

static doca_error_t default_socket(const struct reader *rd, const struct doca_devinfo *info,
				   struct function *fn)
{
	char prefix[DOCA_DEVINFO_IBDEV_NAME_SIZE + 1] = "", run[FUNCTION_SOCKET_LEN];
	int len = -1;

	if (info->index)
		snprintf(prefix, sizeof(prefix), "%s-", info->ibdev_name);
	if (!board_run_dir(run, sizeof(run)))
		len = snprintf(fn->socket_path, sizeof(fn->socket_path), "%s/%spf%u.sock", run,
			       prefix, fn->index);
	if (len < 0 || (size_t)len >= sizeof(fn->socket_path))
		return refuse(rd, "the default socket path under $XDG_RUNTIME_DIR is longer than "
				  "%zu characters; give each function a \"socket\"",
			      sizeof(fn->socket_path) - 1);
	return DOCA_SUCCESS;
}

/* Two words for a yes or no; *ret is the second one's. */
static doca_error_t read_choice(const struct reader *rd, const char *where,
				struct json_object *value, const char *no, const char *yes,
				bool *ret)
{
	const char *text = json_object_get_string(value);

	if (!text || (strcmp(text, no) && strcmp(text, yes)))
		return refuse(rd, "%s = %s: must be \"%s\" or \"%s\"", where,
			      json_object_to_json_string(value), no, yes);
	*ret = !strcmp(text, yes);
	return DOCA_SUCCESS;
}

static doca_error_t read_transport(const struct reader *rd, const char *where,
				   struct json_object *value, char ret[FUNCTION_TRANSPORT_LEN])
{
	doca_error_t err = read_string(rd, where, value, ret, FUNCTION_TRANSPORT_LEN);

	if (err != DOCA_SUCCESS)
		return err;
	if (strcmp(ret, "vhost-user") && strcmp(ret, "vfio-user") && strcmp(ret, "loop"))
		return refuse(rd, "%s = \"%s\": must be vhost-user, vfio-user or loop", where, ret);
	return DOCA_SUCCESS;
}

static doca_error_t read_function_keys(const struct reader *rd, struct json_object *entry,
				       const char *at, struct function *fn)
{
	doca_error_t ret = DOCA_SUCCESS;
	char where[160];

	json_object_object_foreach(entry, key, value) {
		snprintf(where, sizeof(where), "%s.%s", at, key);
		if (!strcmp(key, "transport"))
			ret = read_transport(rd, where, value, fn->transport);
		else if (!strcmp(key, "socket"))
			ret = read_string(rd, where, value, fn->socket_path,
					  sizeof(fn->socket_path));
		else if (!strcmp(key, "doorbell"))
			ret = read_choice(rd, where, value, "message", "mapped",
					  &fn->doorbell_mapped);
		else
			ret = refuse(rd, "%s: unknown key (known: transport, socket, doorbell)",
				     where);
		if (ret != DOCA_SUCCESS)
			return ret;
	}
	return ret;
}

/* How functions that come later reach their host. */
static doca_error_t read_hotplug(const struct reader *rd, struct json_object *entry,
				 struct doca_devinfo *info)
{
	doca_error_t ret = DOCA_SUCCESS;
	char where[160];

	if (!json_object_is_type(entry, json_type_object))
		return refuse(rd, "managers[%u].hotplug: must be an object", rd->manager);
	json_object_object_foreach(entry, key, value) {
		snprintf(where, sizeof(where), "managers[%u].hotplug.%s", rd->manager, key);
		if (!strcmp(key, "transport"))
			ret = read_transport(rd, where, value, info->hotplug.transport);
		else if (!strcmp(key, "dir"))
			ret = read_string(rd, where, value, info->hotplug.dir,
					  sizeof(info->hotplug.dir));
		else if (!strcmp(key, "doorbell"))
			ret = read_choice(rd, where, value, "message", "mapped",
					  &info->hotplug.doorbell_mapped);
		else
			ret = refuse(rd, "%s: unknown key (known: transport, dir, doorbell)",
				     where);
		if (ret != DOCA_SUCCESS)
			return ret;
	}
	return ret;
}

static doca_error_t read_function(const struct reader *rd, struct json_object *entry,
				  struct function *fn)
{
	char at[64];
	doca_error_t ret;

	snprintf(at, sizeof(at), "managers[%u].functions[%u]", rd->manager, fn->index);
	if (!json_object_is_type(entry, json_type_object))
		return refuse(rd, "%s: must be an object", at);
	ret = read_function_keys(rd, entry, at, fn);
	if (ret != DOCA_SUCCESS)
		return ret;
	if (!strcmp(fn->transport, "loop") && fn->socket_path[0])
		return refuse(rd, "%s.socket: transport loop has no socket", at);
	return DOCA_SUCCESS;
}

static void name_function(struct function *fn)
{
	struct doca_devinfo *info = fn->manager;
	unsigned int slot = fn->index / 8, func = fn->index % 8;

	snprintf(fn->vuid, sizeof(fn->vuid), "%sVFSS0D%uF%u", info->serial, slot, func);
	snprintf(fn->pci_addr, sizeof(fn->pci_addr), "0000:%02x:%02x.%x",
		 (BOARD_FIRST_BUS + info->index) & 0xff, slot & 0x1f, func);
}

static doca_error_t build_functions(const struct reader *rd, struct doca_devinfo *info,
				    struct json_object *entries)
{
	size_t nr_entries = entries ? json_object_array_length(entries) : 0;
	unsigned int i;

	if (!info->nr_functions)
		return DOCA_SUCCESS;
	info->functions = calloc(info->nr_functions, sizeof(*info->functions));
	if (!info->functions)
		return DOCA_ERROR_NO_MEMORY;
	for (i = 0; i < info->nr_functions; i++) {
		struct function *fn = &info->functions[i];
		doca_error_t ret = DOCA_SUCCESS;

		fn->manager = info;
		fn->index = i;
		fn->state = FUNCTION_ON;
		fn->own_fd = -1;
		strcpy(fn->type, FUNCTION_TYPE_VFS);
		strcpy(fn->transport, "vhost-user");
		name_function(fn);
		if (i < nr_entries)
			ret = read_function(rd, json_object_array_get_idx(entries, i), fn);
		if (ret == DOCA_SUCCESS && !fn->socket_path[0] && strcmp(fn->transport, "loop"))
			ret = default_socket(rd, info, fn);
		if (ret != DOCA_SUCCESS)
			return ret;
	}
	return DOCA_SUCCESS;
}

/* Managers */

static doca_error_t read_name(const struct reader *rd, struct json_object *value,
			      struct doca_devinfo *info)
{
	char where[64];

	snprintf(where, sizeof(where), "managers[%u].name", rd->manager);
	return read_string(rd, where, value, info->ibdev_name, sizeof(info->ibdev_name));
}

static doca_error_t read_manager_keys(const struct reader *rd, struct json_object *entry,
				      struct doca_devinfo *info, struct board_settings *set,
				      struct json_object **ret_functions)
{
	json_object_object_foreach(entry, key, value) {
		const struct board_setting *number = board_setting_find(key);
		doca_error_t ret = DOCA_SUCCESS;

		if (number)
			ret = read_setting(rd, number, value, set);
		else if (!strcmp(key, "name"))
			ret = read_name(rd, value, info);
		else if (!strcmp(key, "pci_addr"))
			ret = read_pci_addr(rd, value, info);
		else if (!strcmp(key, "functions"))
			*ret_functions = value;
		else if (!strcmp(key, "hotplug"))
			ret = read_hotplug(rd, value, info);
		else
			ret = refuse(rd, "managers[%u].%s: unknown key (known: name, pci_addr, "
					 "functions, hotplug and the settings of softdpu-board(5))",
				     rd->manager, key);
		if (ret != DOCA_SUCCESS)
			return ret;
	}
	return DOCA_SUCCESS;
}

static void apply_settings(const struct reader *rd, struct doca_devinfo *info,
			   const struct board_settings *set)
{
	info->vfs_enabled = set->enable;
	info->num_msix = (uint16_t)set->num_msix;
	info->subsystem_vendor_id = (uint16_t)set->subsystem_vendor_id;
	info->subsystem_id = (uint16_t)set->subsystem_id;
	if (set->switch_enable && set->num_port)
		info->num_hotplug_ports = (uint32_t)set->num_port - 1;
	info->nr_functions = set->enable ? (unsigned int)set->num_pf : 0;
	if (!set->enable && set->num_pf)
		sd_log_warn("%s: managers[%u]: VIRTIO_FS_EMULATION_ENABLE is 0, there are no "
			    "functions", rd->source, rd->manager);
}

/* The address is unique on the board and outlives the process, so the serial is and does too. */
static void name_manager(struct doca_devinfo *info)
{
	const char *pci = info->pci_addr;
	size_t len = 2;

	strcpy(info->serial, "SD");
	for (; *pci && len + 1 < sizeof(info->serial); pci++)
		if (*pci != ':' && *pci != '.')
			info->serial[len++] = *pci;
	info->serial[len] = '\0';
}

static doca_error_t read_manager(const struct reader *rd, struct json_object *entry,
				 struct doca_devinfo *info)
{
	struct json_object *functions = NULL;
	struct board_settings set;
	doca_error_t ret;
	size_t cnt;

	if (!json_object_is_type(entry, json_type_object))
		return refuse(rd, "managers[%u]: must be an object", rd->manager);
	board_settings_default(&set);
	strcpy(info->hotplug.transport, "vfio-user");
	snprintf(info->ibdev_name, sizeof(info->ibdev_name), "mlx5_%u", rd->manager);
	snprintf(info->pci_addr, sizeof(info->pci_addr), "0000:%02x:00.0",
		 (3 + rd->manager) & 0xff);

	ret = read_manager_keys(rd, entry, info, &set, &functions);
	if (ret != DOCA_SUCCESS)
		return ret;
	if (functions && !json_object_is_type(functions, json_type_array))
		return refuse(rd, "managers[%u].functions: must be an array", rd->manager);
	cnt = functions ? json_object_array_length(functions) : 0;
	if (cnt && !json_object_object_get(entry, "VIRTIO_FS_EMULATION_NUM_PF"))
		set.num_pf = (int)min(cnt, (size_t)BOARD_PF_MAX);
	if (cnt > (size_t)set.num_pf)
		return refuse(rd, "managers[%u].functions: describes %zu functions, "
				  "VIRTIO_FS_EMULATION_NUM_PF allows %d",
			      rd->manager, cnt, set.num_pf);
	apply_settings(rd, info, &set);
	name_manager(info);
	return build_functions(rd, info, functions);
}

/* The whole board */

/* 0, or what two managers have in common. */
static const char *managers_clash(const struct doca_devinfo *a, const struct doca_devinfo *b)
{
	if (!strcmp(a->ibdev_name, b->ibdev_name))
		return "name";
	return strcmp(a->pci_addr, b->pci_addr) ? NULL : "pci_addr";
}

static const struct function *find_socket(const struct board *board, const struct function *end)
{
	unsigned int m, i;

	for (m = 0; m <= end->manager->index; m++) {
		const struct doca_devinfo *info = &board->managers[m];

		for (i = 0; i < info->nr_functions; i++) {
			const struct function *fn = &info->functions[i];

			if (fn == end)
				return NULL;
			if (!strcmp(fn->socket_path, end->socket_path))
				return fn;
		}
	}
	return NULL;
}

static doca_error_t check_unique(const struct reader *rd, const struct doca_devinfo *info)
{
	unsigned int i;

	for (i = 0; i < info->index; i++) {
		const char *what = managers_clash(&rd->board->managers[i], info);

		if (what)
			return refuse(rd, "managers[%u] and managers[%u] have the same %s", i,
				      info->index, what);
	}
	for (i = 0; i < info->nr_functions; i++) {
		const struct function *fn = &info->functions[i], *other;

		other = fn->socket_path[0] ? find_socket(rd->board, fn) : NULL;
		if (other)
			return refuse(rd, "managers[%u].functions[%u] and managers[%u]."
					  "functions[%u] have the same socket %s",
				      other->manager->index, other->index, info->index, i,
				      fn->socket_path);
	}
	return DOCA_SUCCESS;
}

static doca_error_t read_managers(struct reader *rd, struct json_object *list)
{
	bool is_array = json_object_is_type(list, json_type_array);
	size_t cnt = is_array ? json_object_array_length(list) : 0;
	doca_error_t ret;

	if (!cnt || cnt > BOARD_MANAGERS_MAX)
		return refuse(rd, "managers: must be an array of 1 to %d objects",
			      BOARD_MANAGERS_MAX);
	rd->board->managers = calloc(cnt, sizeof(*rd->board->managers));
	if (!rd->board->managers)
		return DOCA_ERROR_NO_MEMORY;
	rd->board->nr_managers = (unsigned int)cnt;
	for (rd->manager = 0; rd->manager < cnt; rd->manager++) {
		struct doca_devinfo *info = &rd->board->managers[rd->manager];

		info->index = rd->manager;
		ret = read_manager(rd, json_object_array_get_idx(list, rd->manager), info);
		if (ret == DOCA_SUCCESS)
			ret = check_unique(rd, info);
		if (ret != DOCA_SUCCESS)
			return ret;
	}
	return DOCA_SUCCESS;
}

static doca_error_t read_board(struct reader *rd, struct json_object *top)
{
	struct json_object *list = NULL;

	if (!json_object_is_type(top, json_type_object))
		return refuse(rd, "must be an object with the key managers");
	json_object_object_foreach(top, key, value) {
		if (strcmp(key, "managers"))
			return refuse(rd, "%s: unknown key (known: managers)", key);
		list = value;
	}
	return read_managers(rd, list);
}

static struct json_object *parse_text(const struct reader *rd, const char *json)
{
	struct json_tokener *tok = json_tokener_new_ex(BOARD_DEPTH_MAX);
	struct json_object *top = NULL;
	size_t len = strlen(json), i, end, line = 1;

	if (!tok)
		return NULL;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	/* With the NUL, so that a number at the very end is complete. */
	if (len <= BOARD_FILE_MAX)
		top = json_tokener_parse_ex(tok, json, (int)len + 1);
	if (!top) {
		end = json_tokener_get_parse_end(tok);
		for (i = 0; i < end && i < len; i++)
			line += json[i] == '\n';
		refuse(rd, "line %zu: %s", line,
		       len > BOARD_FILE_MAX ? "longer than 1 MiB" :
		       json_tokener_get_error(tok) == json_tokener_success ? "must be an object" :
			      json_tokener_error_desc(json_tokener_get_error(tok)));
	}
	json_tokener_free(tok);
	return top;
}

doca_error_t board_parse(const char *json, const char *source, struct board **ret_board)
{
	struct reader rd = { .source = source };
	struct json_object *top;
	doca_error_t ret;

	top = parse_text(&rd, json ? json : "{\"managers\": [{}]}");
	if (!top)
		return DOCA_ERROR_INVALID_VALUE;
	rd.board = calloc(1, sizeof(*rd.board));
	ret = rd.board ? read_board(&rd, top) : DOCA_ERROR_NO_MEMORY;
	json_object_put(top);
	if (ret != DOCA_SUCCESS) {
		board_free(rd.board);
		return ret;
	}
	*ret_board = rd.board;
	return DOCA_SUCCESS;
}

void board_free(struct board *board)
{
	unsigned int i, port;

	if (!board)
		return;
	for (i = 0; i < board->nr_managers; i++) {
		free(board->managers[i].functions);
		for (port = 0; port < DEV_MAX_PORTS; port++)
			free(board->managers[i].port[port]);
	}
	free(board->managers);
	free(board);
}
