/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * The port of a function: its registers, its listening socket and the one session.
 */
#include <errno.h>
#include <stdlib.h>

#include "transport/vfio_user/vfio_user.h"
#include "transport/vfio_user/vfu.h"

static bool port_is_free(const struct listener *l)
{
	return container_of(l, struct vfu_port, listener)->session.state == VFU_FREE;
}

static int port_peer_fd(const struct listener *l)
{
	return container_of(l, struct vfu_port, listener)->session.fd;
}

static int port_start(struct listener *l, int fd)
{
	return vfu_session_start(&container_of(l, struct vfu_port, listener)->session, fd);
}

static const struct listener_ops port_listener_ops = {
	.peer = "client",
	.is_free = port_is_free,
	.peer_fd = port_peer_fd,
	.start = port_start,
};

static void port_settled(void *port)
{
	vfu_session_go_on(&((struct vfu_port *)port)->session);
}

static const struct pci_func_ops port_func_ops = {
	.settled = port_settled,
};

static void port_close(void *port)
{
	struct vfu_port *p = port;

	listener_close(&p->listener);
	vfu_session_fini(&p->session);
	pci_func_destroy(p->func);
	listener_fini(&p->listener);
	free(p);
}

static int port_open(struct doca_devemu_pci_dev *pci, const struct function *fn,
		     struct doca_pe *pe, void **ret_port)
{
	struct vfu_port *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return -ENOMEM;
	p->pci = pci;
	p->pe = pe;
	listener_init(&p->listener, &port_listener_ops, pe, fn->socket_path);
	rc = vfu_session_init(&p->session);
	if (!rc)
		rc = pci_func_create(pci, &port_func_ops, p, &p->func);
	if (!rc)
		rc = listener_lock(&p->listener);
	if (rc) {
		port_close(p);
		return rc;
	}
	*ret_port = p;
	return 0;
}

static int port_plug(void *port)
{
	struct vfu_port *p = port;

	p->unplugged = false;
	return listener_open(&p->listener);
}

/*
 * The request interrupt asks a client to let go (QEMU then asks its guest); it does so by hanging
 * up. Who never spoke to us has nothing to let go of.
 */
static void port_unplug(void *port, bool force)
{
	struct vfu_port *p = port;
	struct vfu_session *s = &p->session;

	listener_close(&p->listener);
	if (s->state == VFU_FREE) {
		pci_host_left(p->pci);
		return;
	}
	p->unplugged = true;
	if (s->state == VFU_CLOSING)
		return;
	if (force || !s->negotiated)
		vfu_session_drop(s);
	else
		pci_func_trigger(p->func, PCI_FUNC_IRQ_REQ, 0);
}

static void port_needs_reset(void *port, uint16_t q)
{
	struct vfu_port *p = port;

	pci_func_needs_reset(p->func);
	vfu_session_check_memory(&p->session);
}

static void port_config_changed(void *port)
{
	pci_func_config_changed(((struct vfu_port *)port)->func);
}

const struct transport_ops vfio_user_transport = {
	.name = "vfio-user",
	.open = port_open,
	.close = port_close,
	.plug = port_plug,
	.unplug = port_unplug,
	.needs_reset = port_needs_reset,
	.config_changed = port_config_changed,
};
