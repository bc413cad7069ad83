/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * The port of a device: its listening socket and the one session.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log.h"
#include "transport/vhost_user/vhost_user.h"
#include "transport/vhost_user/vhu.h"

SD_LOG_REGISTER(VHOST_USER);

static bool port_is_free(const struct listener *l)
{
	return container_of(l, struct vhu_port, listener)->session.state == VHU_FREE;
}

static int port_peer_fd(const struct listener *l)
{
	return container_of(l, struct vhu_port, listener)->session.fd;
}

static int port_start(struct listener *l, int fd)
{
	return vhu_session_start(&container_of(l, struct vhu_port, listener)->session, fd);
}

static const struct listener_ops port_listener_ops = {
	.peer = "front end",
	.is_free = port_is_free,
	.peer_fd = port_peer_fd,
	.start = port_start,
};

static void port_close(void *port)
{
	struct vhu_port *p = port;

	listener_close(&p->listener);
	vhu_session_destroy(&p->session);
	listener_fini(&p->listener);
	free(p);
}

struct vhu_port *vhu_port_new(struct doca_devemu_pci_dev *pci, struct doca_pe *pe,
			      const char *path)
{
	struct vhu_port *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->pci = pci;
	p->dev = pci_dev_virtio(pci);
	p->pe = pe;
	listener_init(&p->listener, &port_listener_ops, pe, path);
	vhu_session_init(&p->session);
	return p;
}

static int port_open(struct doca_devemu_pci_dev *pci, const struct function *fn,
		     struct doca_pe *pe, void **ret_port)
{
	struct vhu_port *p;
	int rc;

	if (!pci_dev_virtio(pci))
		return -EOPNOTSUPP;
	p = vhu_port_new(pci, pe, fn->socket_path);
	if (!p)
		return -ENOMEM;
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
	struct vhu_port *p = port;

	p->unplugged = false;
	return listener_open(&p->listener);
}

/* There is no message to ask a front end with: it is cut off in any case. */
static void port_unplug(void *port, bool force)
{
	struct vhu_port *p = port;

	listener_close(&p->listener);
	if (p->session.state == VHU_FREE) {
		pci_host_left(p->pci);
		return;
	}
	p->unplugged = true;
	if (p->session.state != VHU_CLOSING)
		vhu_session_drop(&p->session);
}

static void port_needs_reset(void *port, uint16_t q)
{
	struct vhu_port *p = port;

	if (q < VHU_MAX_QUEUES)
		vhu_vring_signal_error(&p->session, q);
	vhu_session_check_memory(&p->session);
}

static void port_config_changed(void *port)
{
	struct vhu_session *s = &((struct vhu_port *)port)->session;
	const struct vhu_hdr msg = {.request = VHU_BACKEND_CONFIG_CHANGE, .flags = VHU_VERSION};

	if (s->backend_fd < 0 || !(s->proto_features & VHU_PF_CONFIG))
		return;
	if (send(s->backend_fd, &msg, sizeof(msg), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(msg))
		return;
	/* A part of a message would garble the channel for good; it is of no use any more. */
	sd_log_ratelimited_warn("%s: the front end does not take notice of the new configuration",
				vhu_port_of(s)->listener.path);
	close(s->backend_fd);
	s->backend_fd = -1;
}

const struct transport_ops vhost_user_transport = {
	.name = "vhost-user",
	.open = port_open,
	.close = port_close,
	.plug = port_plug,
	.unplug = port_unplug,
	.needs_reset = port_needs_reset,
	.config_changed = port_config_changed,
};
