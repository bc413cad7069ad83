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
