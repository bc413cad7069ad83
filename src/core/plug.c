/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * What counts is the state directory (state.h). Each process has an object for every record, in
 * the table of its manager, made and dropped when somebody looks (plug_refresh()). An object that
 * is dropped lives on while lists and representors hold it, so that a pointer never dangles; it
 * is only not found any more. `birth` tells whether record and object are about the same
 * function.
 *
 * The state of a function is its owner's, the process that has a device object on it; all others
 * read it from the record. plug_mutex orders looking and changing within the process and is taken
 * before the lock of the directory, and that before the board lock.
 */
#include "core/plug.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/board.h"
#include "core/log.h"
#include "core/state.h"

SD_LOG_REGISTER(PLUG);

static pthread_mutex_t plug_mutex = PTHREAD_MUTEX_INITIALIZER;

void function_get(struct function *fn)
{
	if (fn->is_hotplug)
		fn->refs++;
}

void function_put(struct function *fn)
{
	if (fn->is_hotplug && !--fn->refs)
		free(fn);
}

static struct function *function_new(struct doca_devinfo *info, const struct state_record *rec)
{
	struct function *fn = calloc(1, sizeof(*fn));

	if (!fn)
		return NULL;
	fn->manager = info;
	fn->index = rec->port;
	fn->is_hotplug = true;
	fn->birth = rec->birth;
	fn->state = rec->state;
	fn->doorbell_mapped = rec->doorbell_mapped;
	fn->own_fd = -1;
	fn->refs = 1;
	strcpy(fn->vuid, rec->vuid);
	strcpy(fn->type, rec->type);
	strcpy(fn->transport, rec->transport);
	strcpy(fn->socket_path, rec->socket_path);
	/* Behind a bridge of its own; the host numbers its buses as it likes. */
	snprintf(fn->pci_addr, sizeof(fn->pci_addr), "%04x:%02x:00.0", (info->index + 1) & 0xffff,
		 rec->port & 0xff);
	return fn;
}

static void make_record(const struct function *fn, struct state_record *rec)
{
	memset(rec, 0, sizeof(*rec));
	rec->port = fn->index;
	rec->birth = fn->birth;
	rec->doorbell_mapped = fn->doorbell_mapped;
	rec->state = fn->state;
	strcpy(rec->vuid, fn->vuid);
	strcpy(rec->type, fn->type);
	strcpy(rec->transport, fn->transport);
	strcpy(rec->socket_path, fn->socket_path);
}

/* ---- looking ---- */

/* rec: NULL when there is none. The object of the port follows; a served one stays what it is. */
static void port_follow(struct doca_devinfo *info, unsigned int port,
			const struct state_record *rec)
{
	struct function **slot = &info->port[port - 1], *fresh = NULL;

	if (rec && (!*slot || (*slot)->birth != rec->birth))
		fresh = function_new(info, rec);
	board_lock();
	if (*slot && (*slot)->own_fd < 0) {
		if (rec && (*slot)->birth == rec->birth) {
			(*slot)->state = rec->state;
		} else {
			function_put(*slot);
			*slot = NULL;
		}
	}
	if (!*slot) {
		*slot = fresh;
		fresh = NULL;
	}
	board_unlock();
	free(fresh);
}

static void name_function(const struct doca_devinfo *info, struct state_record *rec,
			  char vuid[DOCA_DEVINFO_REP_VUID_SIZE])
{
	snprintf(vuid, DOCA_DEVINFO_REP_VUID_SIZE, "%s%sS%uD0F0", info->serial,
		 strcmp(rec->type, FUNCTION_TYPE_VFS) ? "PCI" : "VFS", rec->port);
}

/* Needs plug_mutex. 0, or why there is no record. */
static int port_look(struct doca_devinfo *info, unsigned int port)
{
	char vuid[DOCA_DEVINFO_REP_VUID_SIZE];
	struct state_record rec;
	int rc = state_read(info, port, &rec);

	if (!rc) {
		name_function(info, &rec, vuid);
		rc = strcmp(rec.vuid, vuid) ? -EBADMSG : 0; /* not to be mistaken for another */
	}
	port_follow(info, port, rc ? NULL : &rec);
	return rc;
}

void plug_refresh(struct doca_devinfo *info)
{
	unsigned int port;

	if (!info->num_hotplug_ports)
		return;
	pthread_mutex_lock(&plug_mutex);
	for (port = 1; port <= info->num_hotplug_ports; port++)
		port_look(info, port);
	pthread_mutex_unlock(&plug_mutex);
}

/* Is the object still the one of its port? Needs plug_mutex. */
static bool function_is_there(struct function *fn)
{
	port_look(fn->manager, fn->index);
	return fn->manager->port[fn->index - 1] == fn;
}

enum function_state plug_state(struct function *fn)
{
	enum function_state state;

	if (fn->is_hotplug) {
		pthread_mutex_lock(&plug_mutex);
		function_is_there(fn);
		pthread_mutex_unlock(&plug_mutex);
	}
	board_lock();
	state = fn->state;
	board_unlock();
	return state;
}

/* ---- making and removing ---- */

static uint64_t birth_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static doca_error_t new_record(const struct doca_devinfo *info, unsigned int port, const char *type,
			       struct state_record *rec)
{
	char prefix[DOCA_DEVINFO_IBDEV_NAME_SIZE + 1] = "", dir[FUNCTION_SOCKET_LEN];
	int len;

	memset(rec, 0, sizeof(*rec));
	rec->port = port;
	rec->birth = birth_now();
	rec->doorbell_mapped = info->hotplug.doorbell_mapped;
	strcpy(rec->type, type);
	strcpy(rec->transport, info->hotplug.transport);
	name_function(info, rec, rec->vuid);
	if (!strcmp(rec->transport, "loop"))
		return DOCA_SUCCESS;
	if (info->index)
		snprintf(prefix, sizeof(prefix), "%s-", info->ibdev_name);
	if (info->hotplug.dir[0])
		strcpy(dir, info->hotplug.dir);
	else if (board_run_dir(dir, sizeof(dir)))
		return DOCA_ERROR_BAD_CONFIG;
	len = snprintf(rec->socket_path, sizeof(rec->socket_path), "%s/%shp%u.sock", dir, prefix,
		       port);
	if ((size_t)len >= sizeof(rec->socket_path)) {
		sd_log_err("manager %s: the socket of a hot-plug function under %s would have more "
			   "than %zu characters", info->ibdev_name, dir,
			   sizeof(rec->socket_path) - 1);
		return DOCA_ERROR_BAD_CONFIG;
	}
	return DOCA_SUCCESS;
}

static doca_error_t no_port(const struct doca_devinfo *info)
{
	if (!info->num_hotplug_ports) {
		sd_log_err("manager %s: functions cannot be hot-plugged, "
			   "PCI_SWITCH_EMULATION_ENABLE or PCI_SWITCH_EMULATION_NUM_PORT is 0",
			   info->ibdev_name);
		return DOCA_ERROR_NOT_SUPPORTED;
	}
	sd_log_err("manager %s: all hot-plug ports are taken: PCI_SWITCH_EMULATION_NUM_PORT = %u "
		   "is room for %u", info->ibdev_name, info->num_hotplug_ports + 1,
		   info->num_hotplug_ports);
	return DOCA_ERROR_FULL;
}

/* Needs plug_mutex and the directory's lock. */
static doca_error_t take_port(struct doca_devinfo *info, const char *type, unsigned int *ret_port)
{
	struct state_record rec;
	doca_error_t err;
	unsigned int port;

	for (port = 1; port <= info->num_hotplug_ports; port++)
		if (port_look(info, port) == -ENOENT && !info->port[port - 1])
			break;
	if (port > info->num_hotplug_ports)
		return no_port(info);
	err = new_record(info, port, type, &rec);
	if (err == DOCA_SUCCESS && state_write(info, &rec))
		err = DOCA_ERROR_OPERATING_SYSTEM;
	if (err != DOCA_SUCCESS)
		return err;
	port_follow(info, port, &rec);
	*ret_port = port;
	return info->port[port - 1] ? DOCA_SUCCESS : DOCA_ERROR_NO_MEMORY;
}

doca_error_t plug_create(struct doca_devinfo *info, const char *type, struct function **ret_fn)
{
	doca_error_t err;
	unsigned int port;
	int lock, rc;

	if (!info->num_hotplug_ports)
		return no_port(info);
	pthread_mutex_lock(&plug_mutex);
	rc = state_lock(&lock);
	err = rc == -EAGAIN ? DOCA_ERROR_AGAIN : DOCA_ERROR_OPERATING_SYSTEM;
	if (!rc) {
		err = take_port(info, type, &port);
		state_unlock(lock);
	}
	if (err == DOCA_SUCCESS) {
		board_lock();
		*ret_fn = info->port[port - 1];
		function_get(*ret_fn);
		board_unlock();
	}
	pthread_mutex_unlock(&plug_mutex);
	return err;
}

/* Needs plug_mutex and the directory's lock. */
static doca_error_t drop_port(struct function *fn)
{
	struct doca_devinfo *info = fn->manager;
	int own, rc;

	if (!function_is_there(fn))
		return DOCA_ERROR_NOT_FOUND;
	if (fn->state != FUNCTION_OFF)
		return DOCA_ERROR_BAD_STATE;
	rc = state_own(info, fn->index, &own);
	if (rc)
		return rc == -EBUSY ? DOCA_ERROR_NOT_PERMITTED : DOCA_ERROR_OPERATING_SYSTEM;
	rc = state_remove(info, fn->index);
	close(own);
	if (rc)
		return DOCA_ERROR_OPERATING_SYSTEM;
	port_follow(info, fn->index, NULL);
	return DOCA_SUCCESS;
}

doca_error_t plug_destroy(struct function *fn)
{
	doca_error_t err;
	int lock, rc;

	if (!fn->is_hotplug || fn->devemu_dev)
		return DOCA_ERROR_NOT_PERMITTED;
	pthread_mutex_lock(&plug_mutex);
	rc = state_lock(&lock);
	err = rc == -EAGAIN ? DOCA_ERROR_AGAIN : DOCA_ERROR_OPERATING_SYSTEM;
	if (!rc) {
		err = drop_port(fn);
		state_unlock(lock);
	}
	pthread_mutex_unlock(&plug_mutex);
	return err;
}

/* ---- serving ---- */

/* Needs plug_mutex. The lock first: afterwards nobody else changes the record. */
static doca_error_t own_port(struct function *fn)
{
	int fd, rc = state_own(fn->manager, fn->index, &fd);

	if (rc)
		return rc == -EBUSY ? DOCA_ERROR_IN_USE : DOCA_ERROR_OPERATING_SYSTEM;
	if (!function_is_there(fn)) {
		close(fd);
		return DOCA_ERROR_NOT_FOUND;
	}
	board_lock();
	fn->own_fd = fd;
	board_unlock();
	return DOCA_SUCCESS;
}

doca_error_t plug_own(struct function *fn)
{
	doca_error_t err;

	if (!fn->is_hotplug)
		return DOCA_SUCCESS;
	pthread_mutex_lock(&plug_mutex);
	err = own_port(fn);
	pthread_mutex_unlock(&plug_mutex);
	return err;
}

void plug_disown(struct function *fn)
{
	if (!fn->is_hotplug)
		return;
	board_lock();
	if (fn->own_fd >= 0)
		close(fn->own_fd);
	fn->own_fd = -1;
	board_unlock();
}

void plug_set_state(struct function *fn, enum function_state state)
{
	struct state_record rec;

	pthread_mutex_lock(&plug_mutex);
	board_lock();
	fn->state = state;
	make_record(fn, &rec);
	board_unlock();
	state_write(fn->manager, &rec);
	pthread_mutex_unlock(&plug_mutex);
}
