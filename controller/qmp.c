/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: QMP is one JSON object per line. Greeting, qmp_capabilities, then
 * commands; an answer has "return" or "error", events come in between and are dropped. A line
 * longer than QMP_LINE_MAX ends the connection, and so does QMP_PATIENCE_MS for all that is said on
 * it: the controller's main thread waits for nothing else meanwhile.
 *
 * A vhost-user device needs a character device beside it, which is removed with the next
 * attaching of the same function: QEMU gives it free only when the guest has let the device go.
 */
#include "qmp.h"

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "doca_log.h"

DOCA_LOG_REGISTER(VIRTIOFS::QMP);

#define QMP_LINE_MAX (1 << 20) /* query-pci of a machine full of devices is some 100 KB */
#define QMP_PATIENCE_MS 15000 /* attaching negotiates with us inside of QEMU's own loop */
#define QMP_ID_LEN 160
#define QMP_MOST_PORTS 64 /* tried before giving up */

struct qmp {
	int fd;
	const char *path;
	char *line; /* QMP_LINE_MAX bytes */
	size_t len;
	uint64_t deadline_ns;
	char refusal[256]; /* QEMU's own words for the last one */
};

/* ---- lines ---- */

static int qmp_wait(struct qmp *q, short events)
{
	struct pollfd pfd = { .fd = q->fd, .events = events };
	uint64_t now = clock_ns();
	uint64_t left = now < q->deadline_ns ? q->deadline_ns - now : 0;
	int rc = left ? poll(&pfd, 1, (int)(left / 1000000u) + 1) : 0;

	if (rc > 0 || (rc < 0 && errno == EINTR))
		return 0;
	return rc ? -errno : -ETIMEDOUT;
}

/* The next line as JSON. */
static int qmp_read(struct qmp *q, struct json_object **ret)
{
	char *end;
	int rc;

	if (clock_ns() >= q->deadline_ns)
		return -ETIMEDOUT; /* with any number of events */
	while (!(end = memchr(q->line, '\n', q->len))) {
		ssize_t got;

		if (q->len == QMP_LINE_MAX)
			return -EMSGSIZE;
		rc = qmp_wait(q, POLLIN);
		if (rc)
			return rc;
		got = recv(q->fd, q->line + q->len, QMP_LINE_MAX - q->len, MSG_DONTWAIT);
		if (!got)
			return -ECONNRESET;
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		q->len += got > 0 ? (size_t)got : 0;
	}
	*end = '\0';
	*ret = json_tokener_parse(q->line);
	q->len -= (size_t)(end + 1 - q->line);
	memmove(q->line, end + 1, q->len);
	return json_object_is_type(*ret, json_type_object) ? 0 : -EBADMSG;
}

static int qmp_send(struct qmp *q, const char *text)
{
	size_t len = strlen(text), off = 0;

	while (off < len) {
		ssize_t n = send(q->fd, text + off, len - off, MSG_NOSIGNAL | MSG_DONTWAIT);
		int rc;

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		off += n > 0 ? (size_t)n : 0;
		rc = n < 0 ? qmp_wait(q, POLLOUT) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- commands ---- */

static int qmp_refused(struct qmp *q, struct json_object *error)
{
	struct json_object *desc = NULL;

	if (json_object_is_type(error, json_type_object))
		json_object_object_get_ex(error, "desc", &desc);
	snprintf(q->refusal, sizeof(q->refusal), "%s",
		 desc ? json_object_get_string(desc) : "no reason given");
	return -EREMOTEIO;
}

static void qmp_log_refusal(const struct qmp *q, const char *command)
{
	DOCA_LOG_ERR("QEMU at %s refuses %s: %s", q->path, command, q->refusal);
}

static int qmp_answer(struct qmp *q, const char *command, struct json_object **ret)
{
	struct json_object *msg = NULL, *value;
	int rc;

	for (;;) {
		rc = qmp_read(q, &msg);
		if (!rc && json_object_object_get_ex(msg, "return", &value)) {
			if (ret)
				*ret = json_object_get(value);
			break;
		}
		if (!rc && json_object_object_get_ex(msg, "error", &value))
			rc = qmp_refused(q, value);
		else if (rc)
			DOCA_LOG_ERR("QEMU at %s: %s: %s", q->path, command, strerror(-rc));
		if (rc)
			break;
		json_object_put(msg); /* an event */
		msg = NULL;
	}
	json_object_put(msg);
	return rc;
}

/*
 * Consumes args (NULL: none). ret: NULL, or what the command returns, counted. -EREMOTEIO:
 * refused, which is logged unless quiet.
 */
static int qmp_run(struct qmp *q, const char *command, struct json_object *args, bool quiet,
		   struct json_object **ret)
{
	struct json_object *msg = json_object_new_object();
	int rc;

	json_object_object_add(msg, "execute", json_object_new_string(command));
	if (args)
		json_object_object_add(msg, "arguments", args);
	rc = qmp_send(q, json_object_to_json_string_ext(msg, JSON_C_TO_STRING_PLAIN));
	if (!rc)
		rc = qmp_send(q, "\n");
	json_object_put(msg);
	if (!rc) {
		rc = qmp_answer(q, command, ret);
		if (rc == -EREMOTEIO && !quiet)
			qmp_log_refusal(q, command);
		return rc;
	}
	DOCA_LOG_ERR("QEMU at %s: %s cannot be sent: %s", q->path, command, strerror(-rc));
	return rc;
}

static void qmp_close(struct qmp *q)
{
	if (q->fd >= 0)
		close(q->fd);
	free(q->line);
}

static int qmp_connect(struct qmp *q)
{
	const struct timeval patience = { .tv_sec = QMP_PATIENCE_MS / 1000 };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	q->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (q->fd < 0)
		return -errno;
	if (strlen(q->path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, q->path);
	/* for connect() where others wait already: QEMU talks to one at a time */
	setsockopt(q->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return connect(q->fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
}

static int qmp_open(struct qmp *q, const char *path)
{
	struct json_object *greeting = NULL;
	int rc;

	*q = (struct qmp){ .fd = -1, .path = path, .line = malloc(QMP_LINE_MAX),
			   .deadline_ns = clock_ns() + QMP_PATIENCE_MS * 1000000ull };
	rc = q->line ? qmp_connect(q) : -ENOMEM;
	if (!rc)
		rc = qmp_read(q, &greeting);
	if (!rc && !json_object_object_get_ex(greeting, "QMP", NULL))
		rc = -EPROTO;
	json_object_put(greeting);
	if (rc)
		DOCA_LOG_ERR("QMP socket %s: %s", path, strerror(-rc));
	else
		rc = qmp_run(q, "qmp_capabilities", NULL, false, NULL);
	if (rc)
		qmp_close(q);
	return rc;
}

/* ---- root ports ---- */

static struct json_object *get(struct json_object *obj, const char *key, enum json_type type)
{
	struct json_object *value;

	return json_object_is_type(obj, json_type_object) &&
			       json_object_object_get_ex(obj, key, &value) &&
			       json_object_is_type(value, type) ?
		       value : NULL;
}

/* The name of the bus behind this device, if it is a named bridge with nothing on it. */
static const char *free_bus_of(struct json_object *device)
{
	struct json_object *bridge = get(device, "pci_bridge", json_type_object);
	struct json_object *behind = get(bridge, "devices", json_type_array);
	struct json_object *id = get(device, "qdev_id", json_type_string);

	if (!bridge || !id || !json_object_get_string_len(id))
		return NULL;
	return behind && json_object_array_length(behind) ? NULL : json_object_get_string(id);
}

static bool take_bus_on(struct json_object *bus, unsigned int *n, char id[QMP_ID_LEN])
{
	struct json_object *devices = get(bus, "devices", json_type_array);
	size_t nr = devices ? json_object_array_length(devices) : 0;

	for (size_t i = 0; i < nr; i++) {
		const char *found = free_bus_of(json_object_array_get_idx(devices, i));

		if (!found || (*n)--)
			continue;
		snprintf(id, QMP_ID_LEN, "%s", found);
		return true;
	}
	return false;
}

/*
 * The n-th free root port. Before its guest has numbered the buses QEMU shows none of the devices
 * behind bridges, so "free" is a guess. False: there is none.
 */
static bool find_bus(struct qmp *q, unsigned int n, char id[QMP_ID_LEN])
{
	struct json_object *buses = NULL;
	bool found = false;
	size_t nr;

	if (qmp_run(q, "query-pci", NULL, false, &buses))
		return false;
	nr = json_object_is_type(buses, json_type_array) ? json_object_array_length(buses) : 0;
	for (size_t i = 0; i < nr && !found; i++)
		found = take_bus_on(json_object_array_get_idx(buses, i), &n, id);
	json_object_put(buses);
	return found;
}

/* ---- devices ---- */

static void add_text(struct json_object *obj, const char *key, const char *text)
{
	json_object_object_add(obj, key, json_object_new_string(text));
}

static struct json_object *unix_address(const char *path)
{
	struct json_object *addr = json_object_new_object();

	add_text(addr, "type", "unix");
	add_text(addr, "path", path);
	return addr;
}

static void make_id(char id[QMP_ID_LEN], const char *prefix, const struct qmp_device *dev)
{
	snprintf(id, QMP_ID_LEN, "%s-%s", prefix, dev->vuid);
}

static int remove_chardev(struct qmp *q, const char *id, bool quiet)
{
	struct json_object *args = json_object_new_object();

	add_text(args, "id", id);
	return qmp_run(q, "chardev-remove", args, quiet, NULL);
}

static int add_chardev(struct qmp *q, const struct qmp_device *dev, const char *id)
{
	struct json_object *args = json_object_new_object(), *backend = json_object_new_object();
	struct json_object *data = json_object_new_object(), *addr = json_object_new_object();
	struct json_object *path = json_object_new_object();

	remove_chardev(q, id, true); /* of the last time */
	add_text(path, "path", dev->socket);
	add_text(addr, "type", "unix");
	json_object_object_add(addr, "data", path);
	json_object_object_add(data, "addr", addr);
	json_object_object_add(data, "server", json_object_new_boolean(false));
	add_text(backend, "type", "socket");
	json_object_object_add(backend, "data", data);
	add_text(args, "id", id);
	json_object_object_add(args, "backend", backend);
	return qmp_run(q, "chardev-add", args, false, NULL);
}

/* bus: "" for where QEMU likes. */
static int add_device(struct qmp *q, const struct qmp_device *dev, const char *bus)
{
	struct json_object *args = json_object_new_object();
	char id[QMP_ID_LEN];

	make_id(id, "fs", dev);
	add_text(args, "id", id);
	if (bus[0])
		add_text(args, "bus", bus);
	if (strcmp(dev->transport, "vhost-user")) {
		add_text(args, "driver", "vfio-user-pci");
		json_object_object_add(args, "socket", unix_address(dev->socket));
	} else {
		make_id(id, "chr", dev);
		add_text(args, "driver", "vhost-user-fs-pci");
		add_text(args, "chardev", id);
		add_text(args, "tag", dev->tag);
		json_object_object_add(args, "queue-size", json_object_new_int(dev->queue_size));
	}
	return qmp_run(q, "device_add", args, true, NULL);
}

/* Goes on to the next port while one turns out to be taken. */
static int add_somewhere(struct qmp *q, const struct qmp_device *dev)
{
	char bus[QMP_ID_LEN] = "";
	unsigned int n = 0;
	int rc;

	find_bus(q, n++, bus);
	do {
		rc = add_device(q, dev, bus);
	} while (rc == -EREMOTEIO && strstr(q->refusal, "occupied") && n < QMP_MOST_PORTS &&
		 find_bus(q, n++, bus));
	return rc;
}

int qmp_attach(const char *path, const struct qmp_device *dev)
{
	bool vhost = !strcmp(dev->transport, "vhost-user");
	char chardev[QMP_ID_LEN];
	struct qmp q;
	int rc = qmp_open(&q, path);

	if (rc)
		return rc;
	make_id(chardev, "chr", dev);
	if (vhost)
		rc = add_chardev(&q, dev, chardev);
	if (!rc) {
		rc = dev->bus ? add_device(&q, dev, dev->bus) : add_somewhere(&q, dev);
		if (rc == -EREMOTEIO)
			qmp_log_refusal(&q, "device_add");
		if (rc && vhost)
			remove_chardev(&q, chardev, true);
	}
	qmp_close(&q);
	return rc;
}

int qmp_detach(const char *path, const struct qmp_device *dev)
{
	struct json_object *args;
	char id[QMP_ID_LEN];
	struct qmp q;
	int rc = qmp_open(&q, path);

	if (rc)
		return rc;
	make_id(id, "fs", dev);
	args = json_object_new_object();
	add_text(args, "id", id);
	rc = qmp_run(&q, "device_del", args, false, NULL);
	qmp_close(&q);
	return rc;
}
