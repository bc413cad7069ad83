/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The function on the host's bus: its port opens with the first start of the device and stays open
 * over stops and resets. A static function is on the bus from then on.
 */
#include <errno.h>

#include "core/log.h"
#include "devemu/vdev.h"

SD_LOG_REGISTER(PCI_HOTPLUG);

struct doca_devemu_virtio_dev *pci_dev_virtio(struct doca_devemu_pci_dev *pci)
{
	return pci->virtio;
}

doca_error_t pci_port_open(struct doca_devemu_pci_dev *pci)
{
	int rc;

	if (!pci->transport) {
		sd_log_err("function %s: there is no transport \"%s\"", pci->fn->vuid,
			   pci->fn->transport);
		return DOCA_ERROR_BAD_CONFIG;
	}
	rc = pci->transport->open(pci, pci->fn, pci->ctx.pe, &pci->port);
	if (rc)
		pci->port = NULL;
	else
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
	if (!pci->port)
		return;
	pci->transport->close(pci->port);
	pci->port = NULL;
}

void pci_host_arrived(struct doca_devemu_pci_dev *pci)
{
	sd_log_info("function %s: the host is here", pci->fn->vuid);
}

void pci_host_left(struct doca_devemu_pci_dev *pci)
{
	sd_log_info("function %s: the host has left", pci->fn->vuid);
}

/* ---- public calls ---- */

doca_error_t doca_devemu_pci_cap_get_max_hotplug_devices(const struct doca_devinfo *devinfo,
							 uint32_t *max_hotplug_devices)
{
	if (!devinfo || !max_hotplug_devices)
		return DOCA_ERROR_INVALID_VALUE;
	*max_hotplug_devices = 0;
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_pci_dev_get_hotplug_state(struct doca_devemu_pci_dev *pci_dev,
						   enum doca_devemu_pci_hotplug_state *state)
{
	if (!pci_dev || !state)
		return DOCA_ERROR_INVALID_VALUE;
	if (ctx_is_idle(&pci_dev->ctx))
		return DOCA_ERROR_BAD_STATE;
	*state = DOCA_DEVEMU_PCI_HP_STATE_POWER_ON;
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_pci_rep_get_hotplug_state(struct doca_dev_rep *rep_dev,
						   enum doca_devemu_pci_hotplug_state *state)
{
	return rep_dev && state ? DOCA_ERROR_NOT_PERMITTED : DOCA_ERROR_INVALID_VALUE;
}

static doca_error_t pci_dev_plug(const struct doca_devemu_pci_dev *pci)
{
	if (!pci)
		return DOCA_ERROR_INVALID_VALUE;
	return pci->ctx.state == DOCA_CTX_STATE_RUNNING ? DOCA_ERROR_NOT_SUPPORTED :
							   DOCA_ERROR_BAD_STATE;
}

doca_error_t doca_devemu_pci_dev_hotplug(struct doca_devemu_pci_dev *pci_dev)
{
	return pci_dev_plug(pci_dev);
}

doca_error_t doca_devemu_pci_dev_hotunplug(struct doca_devemu_pci_dev *pci_dev)
{
	return pci_dev_plug(pci_dev);
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

doca_error_t doca_devemu_pci_cap_type_is_hotplug_supported(const struct doca_devinfo *devinfo,
							   const struct doca_devemu_pci_type *type,
							   uint8_t *supported)
{
	if (!devinfo || !type || !supported)
		return DOCA_ERROR_INVALID_VALUE;
	*supported = 0;
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_pci_type_create_rep(const struct doca_devemu_pci_type *type,
					     struct doca_dev_rep **dev_rep)
{
	if (!type || !dev_rep)
		return DOCA_ERROR_INVALID_VALUE;
	return type->started ? DOCA_ERROR_NOT_SUPPORTED : DOCA_ERROR_BAD_STATE;
}

doca_error_t doca_devemu_pci_type_destroy_rep(struct doca_dev_rep *rep_dev)
{
	return rep_dev ? DOCA_ERROR_NOT_PERMITTED : DOCA_ERROR_INVALID_VALUE;
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
