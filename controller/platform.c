/* SPDX-License-Identifier: BSD-3-Clause */
#include "platform.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "conf.h"
#include "doca_log.h"

DOCA_LOG_REGISTER(VIRTIOFS::PLATFORM);

#define MOST_PORTS 32

static struct json_object *function_of(const struct conf_device *d)
{
	struct json_object *fn = json_object_new_object();

	json_object_object_add(fn, "transport", json_object_new_string(d->transport));
	json_object_object_add(fn, "socket", json_object_new_string(d->socket));
	return fn;
}

static struct json_object *board_of(const struct conf *conf)
{
	struct json_object *root = json_object_new_object();
	struct json_object *managers = json_object_new_array();
	struct json_object *manager = json_object_new_object();
	struct json_object *functions = json_object_new_array();
	struct json_object *hotplug = json_object_new_object();
	int vectors = CONF_DEFAULT_QUEUES + 2; /* one for each queue and one for the configuration */

	for (unsigned int i = 0; i < conf->nr_devices; i++) {
		if (!conf->device[i].socket)
			continue;
		json_object_array_add(functions, function_of(&conf->device[i]));
		vectors = max(vectors, conf->device[i].num_request_queues + 2);
	}
	json_object_object_add(hotplug, "transport",
			       json_object_new_string(conf->device[0].transport));
	json_object_object_add(manager, "name", json_object_new_string("mlx5_0"));
	json_object_object_add(manager, "VIRTIO_FS_EMULATION_NUM_PF",
			       json_object_new_int((int)json_object_array_length(functions)));
	json_object_object_add(manager, "VIRTIO_FS_EMULATION_NUM_MSIX",
			       json_object_new_int(vectors));
	json_object_object_add(manager, "PCI_SWITCH_EMULATION_NUM_PORT",
			       json_object_new_int(MOST_PORTS));
	json_object_object_add(manager, "hotplug", hotplug);
	json_object_object_add(manager, "functions", functions);
	json_object_array_add(managers, manager);
	json_object_object_add(root, "managers", managers);
	return root;
}

int platform_set_board(const struct conf *conf)
{
	struct json_object *board;
	bool named = false;
	doca_error_t rc;

	for (unsigned int i = 0; i < conf->nr_devices; i++)
		named |= conf->device[i].socket != NULL;
	if (!named)
		return 0; /* the machine's own board decides */
	board = board_of(conf);
	rc = softdpu_board_set(json_object_to_json_string(board));
	json_object_put(board);
	return rc == DOCA_SUCCESS ? 0 : -EINVAL;
}

void platform_socket_of(const struct doca_dev_rep *rep, char *buf, size_t size)
{
	if (softdpu_rep_get_socket_path(rep, buf, size) != DOCA_SUCCESS)
		buf[0] = '\0';
}

void platform_transport_of(const struct doca_dev_rep *rep, char *buf, size_t size)
{
	if (softdpu_rep_get_transport(rep, buf, size) != DOCA_SUCCESS)
		buf[0] = '\0';
}

bool platform_run_dir(char *buf, size_t size)
{
	return softdpu_get_run_dir(buf, size) == DOCA_SUCCESS;
}

void platform_remove_socket(const char *socket)
{
	static const char suffix[] = ".lock";
	char lock[PLATFORM_SOCKET_LEN + sizeof(suffix)];
	size_t len = strlen(socket);

	if (!strncmp(socket, "fd:", 3))
		return; /* inherited: who made it keeps it */
	memcpy(lock, socket, len);
	memcpy(lock + len, suffix, sizeof(suffix));
	unlink(socket);
	unlink(lock);
}
