/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * The port of a device: its listening socket and the one session. While a front end is connected
 * the listener stays on, and whoever else comes is turned away at once instead of waiting for
 * ever. Two exceptions: when the connected one has hung up already (its end of file is behind in
 * the queue of events), and while the device lets go of it, the newcomer waits in the backlog and
 * is taken next; so a front end may reconnect as fast as it likes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log.h"
#include "transport/vhost_user/vhost_user.h"
#include "transport/vhost_user/vhu.h"

SD_LOG_REGISTER(VHOST_USER);

/* Events 0 on a listening socket reports nothing, so there is no need to remove it. */
static void port_listen_events(struct vhu_port *p, uint32_t events)
{
	if (p->listen_fd >= 0 && p->listen_src.events != events)
		pe_source_modify(p->pe, &p->listen_src, events);
}

void vhu_port_pause(struct vhu_port *p)
{
	port_listen_events(p, 0);
}

void vhu_port_resume(struct vhu_port *p)
{
	port_listen_events(p, EPOLLIN);
}

static bool port_peer_is_gone(const struct vhu_session *s)
{
	struct pollfd pfd = {.fd = s->fd, .events = POLLRDHUP};

	return s->fd < 0 || (poll(&pfd, 1, 0) > 0 && (pfd.revents & (POLLRDHUP | POLLHUP)));
}

/*
 * Out of descriptors a connection can neither be taken nor refused, and the listener would report
 * it for ever. The spare one makes room to accept and hang up.
 */
static void port_refuse(struct vhu_port *p)
{
	int fd;

	if (p->spare_fd >= 0)
		close(p->spare_fd);
	fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		close(fd);
	p->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static enum ctx_progress port_ready(struct pe_source *src, uint32_t revents)
{
	struct vhu_port *p = container_of(src, struct vhu_port, listen_src);
	int fd, rc;

	if (p->session.state != VHU_FREE && port_peer_is_gone(&p->session)) {
		vhu_port_pause(p);
		return CTX_HOUSEKEEPING;
	}
	fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
		sd_log_ratelimited_warn("%s: accept: %s", p->path, strerror(errno));
		port_refuse(p);
		return CTX_HOUSEKEEPING;
	}
	if (fd < 0)
		return CTX_NOTHING; /* who knocked has left again */
	if (p->session.state != VHU_FREE) {
		sd_log_ratelimited_warn("%s: a second front end was turned away",
					p->path);
		close(fd);
		return CTX_HOUSEKEEPING;
	}
	rc = vhu_session_start(&p->session, fd);
	if (rc)
		sd_log_ratelimited_warn("%s: %s", p->path, strerror(-rc));
	return CTX_HOUSEKEEPING;
}

static void port_close(void *port)
{
	struct vhu_port *p = port;

	pe_source_remove(p->pe, &p->listen_src);
	vhu_session_destroy(&p->session);
	vhu_unlisten(p);
	if (p->spare_fd >= 0)
		close(p->spare_fd);
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
	p->lock_fd = -1;
	p->listen_fd = -1;
	p->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	snprintf(p->path, sizeof(p->path), "%s", path);
	vhu_session_init(&p->session);
	return p;
}

static int port_open(struct doca_devemu_pci_dev *pci, const struct function *fn,
		     struct doca_pe *pe, void **ret_port)
{
	struct vhu_port *p;

	if (!pci_dev_virtio(pci))
		return -EOPNOTSUPP;
	p = vhu_port_new(pci, pe, fn->socket_path);
	if (!p)
		return -ENOMEM;
	*ret_port = p;
	return 0;
}

static int port_plug(void *port)
{
	struct vhu_port *p = port;
	int rc = vhu_listen(p);

	if (rc)
		return rc;
	p->listen_src.fd = p->listen_fd;
	p->listen_src.events = EPOLLIN;
	p->listen_src.ready = port_ready;
	rc = pe_source_add(p->pe, &p->listen_src);
	if (rc) {
		sd_log_err("socket %s: cannot watch it: %s", p->path, strerror(-rc));
		vhu_unlisten(p);
		return rc;
	}
	p->unplugged = false;
	sd_log_info("listening on %s", p->path);
	return 0;
}

/* There is no message to ask a front end with: it is cut off in any case. */
static void port_unplug(void *port, bool force)
{
	struct vhu_port *p = port;

	pe_source_remove(p->pe, &p->listen_src);
	vhu_unlisten(p);
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
				vhu_port_of(s)->path);
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
