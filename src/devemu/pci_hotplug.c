/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The function on the host's bus.
 *
 * Theory of Operation: a port opens with the first start of the device and stays open over stops
 * and resets. A static function is on the bus from then on. A hot-plug function is what its state
 * says (core/plug.h keeps it, beyond this process too):
 *
 *   OFF --hotplug()--> PLUGGING --host takes it--> ON
 *   ON --hotunplug()--> UNPLUGGING --host lets go--> OFF
 *
 * with hotunplug() from PLUGGING as well, and ON to OFF when the host lets go by itself. A step the
 * host takes is an event for the application; they are counted and delivered one per progress. A
 * function that was left PLUGGING or ON by a process that is gone is offered to the host again at
 * once. A host that does not let go in PCI_UNPLUG_NS is cut off.
 *
 * Device thread throughout.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/board.h"
#include "core/log.h"
#include "core/plug.h"
#include "devemu/vdev.h"

SD_LOG_REGISTER(PCI_HOTPLUG);

struct doca_devemu_virtio_dev *pci_dev_virtio(struct doca_devemu_pci_dev *pci)
{
	return pci->virtio;
}

void pci_type_key(const struct doca_devemu_pci_type *type, char key[FUNCTION_TYPE_LEN])
{
	if (type->is_default)
		strcpy(key, FUNCTION_TYPE_VFS);
	else
		snprintf(key, FUNCTION_TYPE_LEN, "pci:%s", type->name);
}

bool pci_dev_is_visible(const struct doca_devemu_pci_dev *pci)
{
	return !pci->fn->is_hotplug || plug_state(pci->fn) != FUNCTION_OFF;
}

/* ---- state ---- */

static void pci_look_again(struct doca_devemu_pci_dev *pci)
{
	*pci->attention = true;
	pe_wake(pci->ctx.pe);
}

/* A step of the host's. */
static void pci_plug_event(struct doca_devemu_pci_dev *pci, enum function_state state)
{
	plug_set_state(pci->fn, state);
	pci->hotplug_events++;
	pci_look_again(pci);
}

/* ---- patience with the host ---- */

static void pci_unplug_timer_stop(struct doca_devemu_pci_dev *pci)
{
	if (pci->unplug_timer.fd < 0)
		return;
	pe_source_remove(pci->ctx.pe, &pci->unplug_timer);
	close(pci->unplug_timer.fd);
	pci->unplug_timer.fd = -1;
}

static enum ctx_progress pci_unplug_timeout(struct pe_source *src, uint32_t revents)
{
	struct doca_devemu_pci_dev *pci =
		container_of(src, struct doca_devemu_pci_dev, unplug_timer);

	sd_log_warn("function %s: the host did not let go of it and is cut off", pci->fn->vuid);
	pci_unplug_timer_stop(pci);
	pci->transport->unplug(pci->port, true);
	return CTX_HOUSEKEEPING;
}

static int pci_unplug_timer_start(struct doca_devemu_pci_dev *pci)
{
	const struct itimerspec in = {
		.it_value = { .tv_sec = (time_t)(pci->unplug_ns / 1000000000u),
			      .tv_nsec = (long)(pci->unplug_ns % 1000000000u) },
	};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), rc;

	if (fd < 0)
		return -errno;
	timerfd_settime(fd, 0, &in, NULL);
	pci->unplug_timer.fd = fd;
	pci->unplug_timer.events = EPOLLIN;
	pci->unplug_timer.ready = pci_unplug_timeout;
	rc = pe_source_add(pci->ctx.pe, &pci->unplug_timer);
	if (rc) {
		close(fd);
		pci->unplug_timer.fd = -1;
	}
	return rc;
}

/* ---- the port ---- */

/*
 * What the function was left as. A host that was to let go is gone with the process it talked to.
 */
static bool pci_is_on_bus(struct doca_devemu_pci_dev *pci)
{
	if (!pci->fn->is_hotplug)
		return true;
	if (pci->fn->state == FUNCTION_UNPLUGGING)
		pci_plug_event(pci, FUNCTION_OFF);
	return pci->fn->state != FUNCTION_OFF;
}

/* One vector for each queue, and one for the configuration; elsewhere they are the host's own. */
static void pci_check_vectors(const struct doca_devemu_pci_dev *pci)
{
	unsigned int want = pci->virtio ? vdev_num_queues(pci->virtio) + 1u : 0;

	if (pci->ids.num_msix >= want || strcmp(pci->fn->transport, "vfio-user"))
		return;
	sd_log_warn("function %s: %u queues and the configuration share %u interrupt vectors; %u "
		    "would be one for each (VIRTIO_FS_EMULATION_NUM_MSIX)", pci->fn->vuid,
		    want - 1, pci->ids.num_msix, want);
}

doca_error_t pci_port_open(struct doca_devemu_pci_dev *pci)
{
	int rc;

	if (!pci->transport) {
		sd_log_err("function %s: there is no transport \"%s\"", pci->fn->vuid,
			   pci->fn->transport);
		return DOCA_ERROR_BAD_CONFIG;
	}
	pci_check_vectors(pci);
	rc = pci->transport->open(pci, pci->fn, pci->ctx.pe, &pci->port);
	if (rc)
		pci->port = NULL;
	else if (pci_is_on_bus(pci))
		rc = pci->transport->plug(pci->port);
	if (rc)
		pci_port_close(pci);
	if (rc == -EADDRINUSE)
		return DOCA_ERROR_IN_USE;
	if (rc == -EOPNOTSUPP)
		return DOCA_ERROR_NOT_SUPPORTED;
	return rc ? DOCA_ERROR_OPERATING_SYSTEM : DOCA_SUCCESS;
}

void pci_port_close(struct doca_devemu_pci_dev *pci)
{
	void *port = pci->port;

	if (!port)
		return;
	pci_unplug_timer_stop(pci);
	/* From here on the host's steps are not the function's: it stays where it is on the bus. */
	pci->port = NULL;
	pci->transport->close(port);
	if (pci->fn->is_hotplug && pci->fn->state == FUNCTION_UNPLUGGING)
		plug_set_state(pci->fn, FUNCTION_OFF);
}

/* ---- the host's steps ---- */

void pci_host_arrived(struct doca_devemu_pci_dev *pci)
{
	sd_log_info("function %s: the host has taken it", pci->fn->vuid);
	if (pci->port && pci->fn->is_hotplug && pci->fn->state == FUNCTION_PLUGGING)
		pci_plug_event(pci, FUNCTION_ON);
}

void pci_host_left(struct doca_devemu_pci_dev *pci)
{
	enum function_state state = pci->fn->state;

	sd_log_info("function %s: the host has let go of it", pci->fn->vuid);
	if (!pci->port || !pci->fn->is_hotplug)
		return;
	if (state != FUNCTION_UNPLUGGING && state != FUNCTION_ON)
		return;
	pci_unplug_timer_stop(pci);
	/* By itself: the transport is on the stack, and closes the slot later. */
	pci->shut_slot = state == FUNCTION_ON;
	pci_plug_event(pci, FUNCTION_OFF);
}

static void pci_shut_slot(struct doca_devemu_pci_dev *pci)
{
	if (pci->shut_slot && pci->port)
		pci->transport->unplug(pci->port, true);
	pci->shut_slot = false;
}

enum ctx_progress pci_hotplug_step(struct doca_devemu_pci_dev *pci)
{
	bool has_ended = pci->ctx.state == DOCA_CTX_STATE_STOPPING ||
			 pci->ctx.state == DOCA_CTX_STATE_IDLE;

	pci_shut_slot(pci);
	if (!pci->hotplug_cb || has_ended)
		pci->hotplug_events = 0;
	if (!pci->hotplug_events || pci->ctx.state != DOCA_CTX_STATE_RUNNING)
		return CTX_NOTHING;
	pci->hotplug_events--;
	*pci->attention = true;
	pci->hotplug_cb(pci, pci->hotplug_data);
	return CTX_EVENT;
}

/* ---- public calls: a device ---- */

doca_error_t doca_devemu_pci_cap_get_max_hotplug_devices(const struct doca_devinfo *devinfo,
							 uint32_t *max_hotplug_devices)
{
	if (!devinfo || !max_hotplug_devices)
		return DOCA_ERROR_INVALID_VALUE;
	*max_hotplug_devices = devinfo->num_hotplug_ports;
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_pci_dev_get_hotplug_state(struct doca_devemu_pci_dev *pci_dev,
						   enum doca_devemu_pci_hotplug_state *state)
{
	if (!pci_dev || !state)
		return DOCA_ERROR_INVALID_VALUE;
	if (ctx_is_idle(&pci_dev->ctx))
		return DOCA_ERROR_BAD_STATE;
	*state = (enum doca_devemu_pci_hotplug_state)pci_dev->fn->state;
	return DOCA_SUCCESS;
}

static doca_error_t pci_dev_may_plug(const struct doca_devemu_pci_dev *pci)
{
	if (!pci)
		return DOCA_ERROR_INVALID_VALUE;
	if (pci->ctx.state != DOCA_CTX_STATE_RUNNING)
		return DOCA_ERROR_BAD_STATE;
	return pci->fn->is_hotplug ? DOCA_SUCCESS : DOCA_ERROR_NOT_SUPPORTED;
}

doca_error_t doca_devemu_pci_dev_hotplug(struct doca_devemu_pci_dev *pci_dev)
{
	doca_error_t err = pci_dev_may_plug(pci_dev);
	int rc;

	if (err != DOCA_SUCCESS)
		return err;
	if (pci_dev->fn->state != FUNCTION_OFF)
		return DOCA_ERROR_BAD_STATE;
	pci_shut_slot(pci_dev);
	plug_set_state(pci_dev->fn, FUNCTION_PLUGGING);
	rc = pci_dev->transport->plug(pci_dev->port);
	if (!rc)
		return DOCA_SUCCESS;
	plug_set_state(pci_dev->fn, FUNCTION_OFF);
	return rc == -EADDRINUSE ? DOCA_ERROR_IN_USE : DOCA_ERROR_OPERATING_SYSTEM;
}

doca_error_t doca_devemu_pci_dev_hotunplug(struct doca_devemu_pci_dev *pci_dev)
{
	doca_error_t err = pci_dev_may_plug(pci_dev);

	if (err != DOCA_SUCCESS)
		return err;
	if (pci_dev->fn->state != FUNCTION_ON && pci_dev->fn->state != FUNCTION_PLUGGING)
		return DOCA_ERROR_BAD_STATE;
	if (pci_unplug_timer_start(pci_dev))
		return DOCA_ERROR_OPERATING_SYSTEM;
	plug_set_state(pci_dev->fn, FUNCTION_UNPLUGGING);
	pci_dev->transport->unplug(pci_dev->port, false);
	return DOCA_SUCCESS;
}

/* Accepted while the device runs too: programs register it late and give up on an error. */
doca_error_t doca_devemu_pci_dev_event_hotplug_state_change_register(
	struct doca_devemu_pci_dev *pci_dev,
	doca_devemu_pci_dev_event_hotplug_state_change_handler_cb_t handler,
	union doca_data user_data)
{
	if (!pci_dev || !handler)
		return DOCA_ERROR_INVALID_VALUE;
	pci_dev->hotplug_cb = handler;
	pci_dev->hotplug_data = user_data;
	return DOCA_SUCCESS;
}

/* ---- public calls: functions of a type ---- */

doca_error_t doca_devemu_pci_cap_type_is_hotplug_supported(const struct doca_devinfo *devinfo,
							   const struct doca_devemu_pci_type *type,
							   uint8_t *supported)
{
	if (!devinfo || !type || !supported)
		return DOCA_ERROR_INVALID_VALUE;
	*supported = devinfo->num_hotplug_ports && type->dev && type->dev->info == devinfo;
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_pci_rep_get_hotplug_state(struct doca_dev_rep *rep_dev,
						   enum doca_devemu_pci_hotplug_state *state)
{
	if (!rep_dev || !state)
		return DOCA_ERROR_INVALID_VALUE;
	if (!rep_dev->info.fn->is_hotplug)
		return DOCA_ERROR_NOT_PERMITTED;
	*state = (enum doca_devemu_pci_hotplug_state)plug_state(rep_dev->info.fn);
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_pci_type_create_rep(const struct doca_devemu_pci_type *type,
					     struct doca_dev_rep **dev_rep)
{
	struct doca_devinfo_rep info;
	char key[FUNCTION_TYPE_LEN];
	doca_error_t err;

	if (!type || !dev_rep)
		return DOCA_ERROR_INVALID_VALUE;
	if (!type->started)
		return DOCA_ERROR_BAD_STATE;
	pci_type_key(type, key);
	err = plug_create(type->dev->info, key, &info.fn);
	if (err != DOCA_SUCCESS)
		return err;
	err = doca_dev_rep_open(&info, dev_rep);
	if (err != DOCA_SUCCESS)
		plug_destroy(info.fn);
	board_lock();
	function_put(info.fn); /* plug_create()'s count: the representor has its own */
	board_unlock();
	return err;
}

doca_error_t doca_devemu_pci_type_destroy_rep(struct doca_dev_rep *rep_dev)
{
	doca_error_t err;

	if (!rep_dev)
		return DOCA_ERROR_INVALID_VALUE;
	if (rep_dev->users)
		return DOCA_ERROR_NOT_PERMITTED;
	err = plug_destroy(rep_dev->info.fn);
	return err == DOCA_SUCCESS ? doca_dev_rep_close(rep_dev) : err;
}

doca_error_t doca_devemu_pci_dev_create_rep(const struct doca_devemu_pci_type *type,
					    struct doca_dev_rep **dev_rep)
{
	return doca_devemu_pci_type_create_rep(type, dev_rep);
}

doca_error_t doca_devemu_pci_dev_destroy_rep(struct doca_dev_rep *rep_dev)
{
	return doca_devemu_pci_type_destroy_rep(rep_dev);
}
