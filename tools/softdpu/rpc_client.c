/* SPDX-License-Identifier: BSD-3-Clause */
/* The caller's side of a controller's control socket (controller/rpc.h). */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "softdpu.h"
#include "softdpu_ext.h"

#define ANSWER_MAX (16 << 20)
#define PATIENCE_MS 120000 /* the controller gives up on hosts before */

struct rpc_client {
	int fd;
	char path[108];
};

/* ---- connecting ---- */

/* A socket nobody answers at is removed: its process was killed. */
static struct rpc_client *connect_to(const char *path, bool remove_stale)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct rpc_client *c;
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c || connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = errno;
		if (err == ECONNREFUSED && remove_stale)
			unlink(path);
		close(fd);
		free(c);
		errno = err;
		return NULL;
	}
	c->fd = fd;
	strcpy(c->path, path);
	return c;
}

static int is_rpc_socket(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return !strncmp(e->d_name, "rpc-", 4) && len > 9 && !strcmp(e->d_name + len - 5, ".sock");
}

static int connect_to_all(struct rpc_client *client[RPC_MOST_CLIENTS])
{
	struct dirent **names;
	char dir[108], path[512];
	int nr, found = 0;

	if (softdpu_get_run_dir(dir, sizeof(dir)) != DOCA_SUCCESS)
		return 0;
	nr = scandir(dir, &names, is_rpc_socket, alphasort);
	for (int i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		free(names[i]);
		if (found == RPC_MOST_CLIENTS)
			continue;
		client[found] = connect_to(path, true);
		found += client[found] != NULL;
	}
	if (nr >= 0)
		free(names);
	return found;
}

int rpc_clients_open(const char *path, struct rpc_client *client[RPC_MOST_CLIENTS])
{
	const char *env = getenv("SOFTDPU_RPC");

	if (!path && env && env[0])
		path = env;
	if (!path)
		return connect_to_all(client);
	client[0] = connect_to(path, false);
	if (client[0])
		return 1;
	fail("control socket %s: %s", path, strerror(errno));
	return -1;
}

struct rpc_client *rpc_client_open(const char *path)
{
	struct rpc_client *client[RPC_MOST_CLIENTS];
	int nr = rpc_clients_open(path, client);

	if (nr == 1)
		return client[0];
	if (!nr)
		fail("no controller is running here; --rpc-socket names the control socket of one "
		     "elsewhere");
	if (nr > 1) {
		fail("several controllers are running; choose one with --rpc-socket:");
		for (int i = 0; i < nr; i++)
			fprintf(stderr, "  %s\n", client[i]->path);
	}
	for (int i = 0; i < nr; i++)
		rpc_client_close(client[i]);
	return NULL;
}

void rpc_client_close(struct rpc_client *c)
{
	if (!c)
		return;
	close(c->fd);
	free(c);
}

const char *rpc_client_path(const struct rpc_client *c)
{
	return c->path;
}

/* ---- calling ---- */

static int send_all(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* The next object on the connection; NULL with errno set. */
static struct json_object *receive(int fd)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *obj = NULL;
	char buf[16384];
	size_t total = 0;

	while (tok && !obj && total < ANSWER_MAX) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		int ready = poll(&pfd, 1, PATIENCE_MS);
		ssize_t n = ready > 0 ? recv(fd, buf, sizeof(buf), 0) : -1;

		if (ready == 0)
			errno = ETIMEDOUT;
		if (n < 0 && ready && errno == EINTR)
			continue;
		if (n == 0)
			errno = ECONNRESET;
		if (n <= 0)
			break;
		total += (size_t)n;
		obj = json_tokener_parse_ex(tok, buf, (int)n);
		errno = EBADMSG;
		if (!obj && json_tokener_get_error(tok) != json_tokener_continue)
			break;
	}
	json_tokener_free(tok);
	return obj;
}

static struct json_object *take_result(struct json_object *answer, char **error)
{
	struct json_object *value;

	if (json_object_object_get_ex(answer, "result", &value))
		return json_object_get(value);
	*error = json_object_object_get_ex(answer, "error", &value) ?
			 strdup(jtext(value, "message")) : strdup("not an answer of JSON-RPC 2.0");
	return NULL;
}

struct json_object *rpc_call(struct rpc_client *c, const char *method, struct json_object *params,
			     char **error)
{
	struct json_object *request = json_object_new_object(), *answer, *result;
	int rc;

	*error = NULL;
	jadd(request, "jsonrpc", "2.0");
	json_object_object_add(request, "id", json_object_new_int(1));
	jadd(request, "method", method);
	if (params)
		json_object_object_add(request, "params", params);
	rc = send_all(c->fd, json_object_to_json_string(request));
	json_object_put(request);
	answer = rc ? NULL : receive(c->fd);
	if (!json_object_is_type(answer, json_type_object)) {
		json_object_put(answer);
		if (asprintf(error, "%s: %s", c->path, strerror(rc ? -rc : errno)) < 0)
			*error = NULL;
		return NULL;
	}
	result = take_result(answer, error);
	json_object_put(answer);
	return result;
}
