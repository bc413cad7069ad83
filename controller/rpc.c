/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * rpc_serve() is a poll() loop over the listening socket and at most RPC_MAX_CONNS connections. A
 * connection reads into a buffer of bounded size, takes one object out of it, runs the method,
 * writes the answer, and only then looks at the next object; while an answer is not taken, or not
 * known yet, nothing more is read. What is not JSON ends the connection after an error, because
 * nobody knows where the next object would begin. A method that answers later is called again by
 * the loop, also when its caller has hung up meanwhile: what was begun is brought to its end.
 *
 * Why something failed is said in the log, by whoever knows; a log backend of our own collects
 * the error lines of a method's run, and they become part of the answer.
 */
#include "rpc.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/util.h"
#include "doca_log.h"
#include "platform.h"

DOCA_LOG_REGISTER(VIRTIOFS::RPC);

#define RPC_MAX_CONNS 16 /* more are accepted and hung up on */
#define RPC_MAX_REQUEST 65536 /* bytes; the largest request has a few hundred */
#define RPC_DEPTH 8
#define RPC_AGAIN_MS 20

struct rpc_conn {
	int fd; /* -1: free, or gone while a call is being carried out */
	char in[RPC_MAX_REQUEST];
	size_t in_len;
	struct json_object *out; /* the answer that is being written */
	const char *out_text;
	size_t out_len, out_off;
	bool closing; /* after what is to be written */
	bool busy; /* call is in use */
	struct rpc_call call;
};

struct rpc {
	struct devtab *tab;
	int listen_fd;
	char path[PLATFORM_SOCKET_LEN];
	struct rpc_conn conn[RPC_MAX_CONNS];
};

struct devtab *rpc_devtab(struct rpc *rpc)
{
	return rpc->tab;
}

/* ---- what the log says ---- */

static struct {
	pthread_mutex_t lock;
	bool on; /* a method runs */
	char line[2][1024]; /* of the backends for our lines and for the library's */
	char text[400];
} heard = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* A line begins with fields in brackets. */
static const char *line_message(const char *line)
{
	while (*line == '[' && strchr(line, ']'))
		line = strchr(line, ']') + 1;
	return line + strspn(line, " ");
}

static void hear(char *line)
{
	size_t len;

	pthread_mutex_lock(&heard.lock);
	len = strlen(heard.text);
	if (heard.on)
		snprintf(heard.text + len, sizeof(heard.text) - len, "%s%s", len ? "; " : "",
			 line_message(line));
	len = strlen(heard.text);
	if (len && heard.text[len - 1] == '\n')
		heard.text[len - 1] = '\0';
	pthread_mutex_unlock(&heard.lock);
}

static void hear_from(bool on)
{
	pthread_mutex_lock(&heard.lock);
	heard.on = on;
	heard.text[0] = '\0';
	pthread_mutex_unlock(&heard.lock);
}

static void hear_setup(void)
{
	static bool done;
	struct doca_log_backend *own, *library;

	if (done)
		return;
	done = true;
	if (doca_log_backend_create_with_buf(heard.line[0], sizeof(heard.line[0]), hear, &own) ==
	    DOCA_SUCCESS)
		doca_log_backend_set_level_lower_limit(own, DOCA_LOG_LEVEL_ERROR);
	if (doca_log_backend_create_with_buf_sdk(heard.line[1], sizeof(heard.line[1]), hear,
						 &library) == DOCA_SUCCESS)
		doca_log_backend_set_sdk_level(library, DOCA_LOG_LEVEL_ERROR);
}

void rpc_fail(struct rpc_call *call, int error, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	call->error = error;
	va_start(ap, fmt);
	vsnprintf(call->message, sizeof(call->message), fmt, ap);
	va_end(ap);
	len = strlen(call->message);
	pthread_mutex_lock(&heard.lock);
	if (heard.text[0])
		snprintf(call->message + len, sizeof(call->message) - len, "%s%s",
			 len ? ": " : "", heard.text);
	pthread_mutex_unlock(&heard.lock);
}

/* ---- answers ---- */

static void conn_answer(struct rpc_conn *c, struct json_object *answer)
{
	json_object_put(c->out);
	c->out = answer;
	c->out_text = json_object_to_json_string_length(
		answer, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &c->out_len);
	c->out_off = 0;
}

static struct json_object *envelope(struct json_object *id)
{
	struct json_object *obj = json_object_new_object();

	json_object_object_add(obj, "jsonrpc", json_object_new_string("2.0"));
	json_object_object_add(obj, "id", json_object_get(id));
	return obj;
}

static void call_answer(struct rpc_conn *c)
{
	struct rpc_call *call = &c->call;
	struct json_object *answer = envelope(call->id), *error;

	if (call->error) {
		error = json_object_new_object();
		json_object_object_add(error, "code", json_object_new_int(call->error));
		json_object_object_add(error, "message", json_object_new_string(call->message));
		json_object_object_add(answer, "error", error);
		json_object_put(call->result);
	} else {
		json_object_object_add(answer, "result", call->result ? call->result :
							 json_object_new_boolean(true));
	}
	if (call->id && c->fd >= 0)
		conn_answer(c, answer);
	else
		json_object_put(answer);
	json_object_put(call->params);
	json_object_put(call->id);
	c->busy = false;
}

/* ---- requests ---- */

static bool param_check(struct rpc_call *call, const char *name, struct json_object *value)
{
	const struct rpc_param *p = call->method->param;

	for (unsigned int i = 0; i < RPC_MAX_PARAMS && p[i].name; i++) {
		if (strcmp(p[i].name, name))
			continue;
		call->value[i] = value;
		if (json_object_is_type(value, p[i].type))
			return true;
		rpc_fail(call, RPC_INVALID_PARAMS, "parameter %s must be a %s", name,
			 json_type_to_name(p[i].type));
		return false;
	}
	rpc_fail(call, RPC_INVALID_PARAMS, "%s has no parameter %s", call->method->name, name);
	return false;
}

static bool params_check(struct rpc_call *call)
{
	const struct rpc_param *p = call->method->param;

	if (call->params && !json_object_is_type(call->params, json_type_object)) {
		rpc_fail(call, RPC_INVALID_PARAMS, "params must be an object");
		return false;
	}
	if (call->params) {
		json_object_object_foreach(call->params, name, value)
			if (!param_check(call, name, value))
				return false;
	}
	for (unsigned int i = 0; i < RPC_MAX_PARAMS && p[i].name; i++)
		if (!call->value[i] && !p[i].optional) {
			rpc_fail(call, RPC_INVALID_PARAMS, "%s needs parameter %s",
				 call->method->name, p[i].name);
			return false;
		}
	return true;
}

static void call_run(struct rpc_conn *c, void (*run)(struct rpc_call *call))
{
	hear_from(true);
	run(&c->call);
	hear_from(false);
	if (!c->call.again)
		call_answer(c);
}

static void call_start(struct rpc_call *call)
{
	if (params_check(call))
		call->method->run(call);
}

static const char *request_method(struct json_object *request)
{
	struct json_object *version, *method;

	if (!json_object_is_type(request, json_type_object) ||
	    !json_object_object_get_ex(request, "jsonrpc", &version) ||
	    !json_object_is_type(version, json_type_string) ||
	    strcmp(json_object_get_string(version), "2.0") ||
	    !json_object_object_get_ex(request, "method", &method) ||
	    !json_object_is_type(method, json_type_string))
		return NULL;
	return json_object_get_string(method);
}

/* -1: neither a number, a string, nor null. An id of null is answered, as null. */
static int request_id(struct json_object *request, struct json_object **ret)
{
	*ret = NULL;
	if (!json_object_is_type(request, json_type_object) ||
	    !json_object_object_get_ex(request, "id", ret))
		return 0;
	return json_object_is_type(*ret, json_type_object) ||
			       json_object_is_type(*ret, json_type_array) ?
		       -1 : 0;
}

static void conn_refuse(struct rpc_conn *c, struct json_object *id, int code, const char *message)
{
	c->busy = true;
	c->call = (struct rpc_call){ .id = json_object_get(id) };
	rpc_fail(&c->call, code, "%s", message);
	if (!id) { /* answered all the same, as the standard has it: id null */
		struct json_object *answer = envelope(NULL), *error = json_object_new_object();

		json_object_object_add(error, "code", json_object_new_int(code));
		json_object_object_add(error, "message", json_object_new_string(message));
		json_object_object_add(answer, "error", error);
		conn_answer(c, answer);
		c->busy = false;
		return;
	}
	call_answer(c);
}

static void conn_request(struct rpc *rpc, struct rpc_conn *c, struct json_object *request)
{
	const char *name = request_method(request);
	const struct rpc_method *m = rpc_methods;
	struct json_object *id, *params = NULL;

	if (request_id(request, &id) || !name) {
		conn_refuse(c, NULL, RPC_INVALID_REQUEST, "not a request of JSON-RPC 2.0");
		return;
	}
	while (m->name && strcmp(m->name, name))
		m++;
	if (!m->name) {
		if (id)
			conn_refuse(c, id, RPC_METHOD_NOT_FOUND,
				    "there is no such method; rpc_get_methods lists them");
		return;
	}
	json_object_object_get_ex(request, "params", &params);
	c->busy = true;
	c->call = (struct rpc_call){ .rpc = rpc, .method = m, .id = json_object_get(id),
				     .params = json_object_get(params) };
	call_run(c, call_start);
}

/* Takes the first object out of what was read. False: it is not complete. */
static bool conn_parse(struct rpc *rpc, struct rpc_conn *c)
{
	struct json_tokener *tok = json_tokener_new_ex(RPC_DEPTH);
	struct json_object *request;
	enum json_tokener_error err;
	size_t used;

	if (!tok)
		return false;
	request = json_tokener_parse_ex(tok, c->in, (int)c->in_len);
	err = json_tokener_get_error(tok);
	used = json_tokener_get_parse_end(tok);
	json_tokener_free(tok);
	if (err == json_tokener_continue && c->in_len < sizeof(c->in))
		return false;
	if (err != json_tokener_success) {
		c->closing = true;
		c->in_len = 0;
		conn_refuse(c, NULL, RPC_PARSE_ERROR,
			    err == json_tokener_continue ? "the request is too long" :
							   json_tokener_error_desc(err));
		return false;
	}
	c->in_len -= used;
	memmove(c->in, c->in + used, c->in_len);
	conn_request(rpc, c, request);
	json_object_put(request);
	return true;
}

/* ---- connections ---- */

static void conn_close(struct rpc_conn *c)
{
	close(c->fd);
	c->fd = -1;
	json_object_put(c->out);
	c->out = NULL;
	c->in_len = 0;
	c->closing = false;
}

static void conn_skip_blanks(struct rpc_conn *c)
{
	size_t n = 0;

	while (n < c->in_len && strchr(" \t\r\n", c->in[n]) && c->in[n])
		n++;
	c->in_len -= n;
	memmove(c->in, c->in + n, c->in_len);
}

static void conn_write(struct rpc_conn *c)
{
	while (c->out_off < c->out_len) {
		ssize_t n = send(c->fd, c->out_text + c->out_off, c->out_len - c->out_off,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			conn_close(c);
			return;
		}
		c->out_off += (size_t)n;
	}
	json_object_put(c->out);
	c->out = NULL;
	if (c->closing)
		conn_close(c);
}

/* Goes on as far as it can without waiting. */
static void conn_advance(struct rpc *rpc, struct rpc_conn *c)
{
	bool more = true;

	while (more && c->fd >= 0) {
		if (c->out)
			conn_write(c);
		if (c->fd < 0 || c->out || c->busy)
			return;
		conn_skip_blanks(c);
		more = (c->in_len && conn_parse(rpc, c)) || c->out;
	}
}

static void conn_read(struct rpc *rpc, struct rpc_conn *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		conn_close(c);
		return;
	}
	c->in_len += (size_t)n;
	conn_advance(rpc, c);
}

static void rpc_accept(struct rpc *rpc)
{
	int fd = accept4(rpc->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	for (unsigned int i = 0; i < RPC_MAX_CONNS; i++) {
		struct rpc_conn *c = &rpc->conn[i];

		if (c->fd >= 0 || c->busy)
			continue;
		c->fd = fd;
		return;
	}
	close(fd);
}

/* ---- the loop ---- */

static short conn_events(const struct rpc_conn *c)
{
	return c->out ? POLLOUT : c->busy ? 0 : POLLIN;
}

static void conn_ready(struct rpc *rpc, struct rpc_conn *c, short revents)
{
	if (c->fd < 0 || !revents)
		return;
	if (c->out)
		conn_advance(rpc, c);
	else if (!c->busy && (revents & POLLIN))
		conn_read(rpc, c);
	else if (revents & (POLLHUP | POLLERR))
		conn_close(c);
}

/* Those that answer later. Returns how many still do. */
static unsigned int rpc_again(struct rpc *rpc)
{
	unsigned int waiting = 0;

	for (unsigned int i = 0; i < RPC_MAX_CONNS; i++) {
		struct rpc_conn *c = &rpc->conn[i];

		if (!c->busy)
			continue;
		call_run(c, c->call.again);
		if (c->busy)
			waiting++;
		else
			conn_advance(rpc, c);
	}
	return waiting;
}

void rpc_serve(struct rpc *rpc, int fd)
{
	struct pollfd pfd[2 + RPC_MAX_CONNS] = { { .fd = fd, .events = POLLIN } };
	nfds_t nr = rpc ? ARRAY_SIZE(pfd) : 1;

	for (;;) {
		int timeout = rpc && rpc_again(rpc) ? RPC_AGAIN_MS : -1;

		if (rpc)
			pfd[1] = (struct pollfd){ .fd = rpc->listen_fd, .events = POLLIN };
		for (nfds_t i = 2; i < nr; i++)
			pfd[i] = (struct pollfd){ .fd = rpc->conn[i - 2].fd,
						  .events = conn_events(&rpc->conn[i - 2]) };
		if (poll(pfd, nr, timeout) < 0)
			continue; /* EINTR */
		if (pfd[0].revents)
			return;
		for (nfds_t i = 2; i < nr; i++)
			conn_ready(rpc, &rpc->conn[i - 2], pfd[i].revents);
		if (rpc && pfd[1].revents)
			rpc_accept(rpc);
	}
}

/* ---- life ---- */

/* A socket that nobody answers at any more makes room; anything else stays. */
static void remove_stale(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(addr.sun_path, path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) &&
	    errno == ECONNREFUSED)
		unlink(path);
	if (fd >= 0)
		close(fd);
}

static int is_rpc_socket(const struct dirent *e)
{
	const char *end = strrchr(e->d_name, '.');

	return !strncmp(e->d_name, "rpc-", 4) && end && !strcmp(end, ".sock");
}

/* Those of processes that were killed. */
static void remove_all_stale(const char *dir)
{
	struct dirent **names;
	int nr = scandir(dir, &names, is_rpc_socket, NULL);

	for (int i = 0; i < nr; i++) {
		char path[PLATFORM_SOCKET_LEN];

		if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name) <
		    sizeof(path))
			remove_stale(path);
		free(names[i]);
	}
	if (nr >= 0)
		free(names);
}

static int default_path(char *path, size_t size)
{
	char dir[PLATFORM_SOCKET_LEN];

	if (!platform_run_dir(dir, sizeof(dir)))
		return -ENAMETOOLONG;
	if (mkdir(dir, 0755) && errno != EEXIST)
		return -errno;
	if ((size_t)snprintf(path, size, "%s/rpc-%d.sock", dir, getpid()) >= size)
		return -ENAMETOOLONG;
	remove_all_stale(dir);
	return 0;
}

/* Under its name only when it listens: until then another that starts would take it for stale. */
static int rpc_listen(struct rpc *rpc, bool is_default)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	mode_t mask;
	int rc;

	strcpy(addr.sun_path, rpc->path);
	if (is_default) {
		strcpy(strrchr(addr.sun_path, '.'), ".new");
		unlink(addr.sun_path); /* of a process that had our number */
	}
	rpc->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (rpc->listen_fd < 0)
		return -errno;
	mask = umask(0177); /* ours alone from the first moment */
	rc = bind(rpc->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
	umask(mask);
	if (!rc && listen(rpc->listen_fd, RPC_MAX_CONNS))
		rc = -errno;
	if (!rc && is_default && rename(addr.sun_path, rpc->path))
		rc = -errno;
	return rc;
}

static int rpc_start(struct rpc *rpc, const char *path)
{
	int rc = 0;

	if (!path)
		rc = default_path(rpc->path, sizeof(rpc->path));
	else if (strlen(path) >= sizeof(rpc->path))
		rc = -ENAMETOOLONG;
	else
		strcpy(rpc->path, path);
	if (!rc && path)
		remove_stale(path);
	if (!rc)
		rc = rpc_listen(rpc, !path);
	return rc;
}

int rpc_open(const char *path, struct devtab *tab, struct rpc **ret_rpc)
{
	struct rpc *rpc;
	int rc;

	*ret_rpc = NULL;
	if (path && !strcmp(path, "none"))
		return 0;
	rpc = calloc(1, sizeof(*rpc));
	if (!rpc)
		return -ENOMEM;
	rpc->tab = tab;
	rpc->listen_fd = -1;
	for (unsigned int i = 0; i < RPC_MAX_CONNS; i++)
		rpc->conn[i].fd = -1;
	rc = rpc_start(rpc, path);
	if (!rc) {
		hear_setup();
		*ret_rpc = rpc;
		return 0;
	}
	if (path)
		DOCA_LOG_ERR("control socket %s: %s", path, strerror(-rc));
	else
		DOCA_LOG_INFO("no control socket %s: %s", rpc->path, strerror(-rc));
	if (rpc->listen_fd >= 0)
		close(rpc->listen_fd);
	free(rpc);
	return path ? rc : 0;
}

void rpc_abandon(const struct rpc *rpc)
{
	if (rpc)
		unlink(rpc->path);
}

void rpc_close(struct rpc *rpc)
{
	if (!rpc)
		return;
	for (unsigned int i = 0; i < RPC_MAX_CONNS; i++) {
		struct rpc_conn *c = &rpc->conn[i];

		if (c->busy) {
			rpc_fail(&c->call, -ECANCELED, "the process ends");
			call_answer(c);
		}
		if (c->fd >= 0 && c->out)
			conn_write(c);
		if (c->fd >= 0)
			conn_close(c);
	}
	close(rpc->listen_fd);
	rpc_abandon(rpc);
	free(rpc);
}
