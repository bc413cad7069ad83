/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * A session is one connected client; vfu.h has its states. It reads one message, carries it out to
 * the end, replies, and only then looks at the next: the order of effects is the order of messages,
 * and a client that does not read its replies stops only itself.
 *
 * Carrying out is a call into the function, which begins what must wait for I/O threads and goes on
 * by itself. Memory, interrupts and resets have to be in effect when the reply is out, so such a
 * reply waits until the function has settled. Clients have little patience with us, so ours with an
 * application that holds requests ends before theirs: the reply goes out, what was asked for goes
 * on, and as long as nothing gets better the next replies do not wait that long again.
 *
 * Everything is replied to, errors with an errno, unless the message asks for silence. A message
 * that breaks the format costs the connection; the listener then takes the next one.
 *
 * The function may call back (settled) and the device may have the session dropped (unplug, lost
 * memory) while a handler is on the stack; busy says so, and both are looked at when it is over.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/log.h"
#include "transport/vfio_user/vfu.h"

SD_LOG_REGISTER(VFIO_USER);

/* Messages per look at the socket, so that a chatty client does not keep the engine. */
#define VFU_BATCH 16
#define NSEC 1000000000ull
#define VFU_PATIENCE_LOST_NS 50000000ull

static const char *session_path(struct vfu_session *s)
{
	return vfu_port_of(s)->listener.path;
}

int vfu_fail(struct vfu_session *s, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	return err;
}

/* ---- the engine's attention ---- */

static uint32_t session_wanted_events(const struct vfu_session *s)
{
	switch (s->state) {
	case VFU_READING:
		return EPOLLIN | (s->relay.request.len ? EPOLLOUT : 0);
	case VFU_WRITING:
		return EPOLLOUT;
	default:
		/* Not even a hang-up, which cannot be masked while registered. */
		return 0;
	}
}

static int session_watch(struct vfu_session *s)
{
	return pe_source_want(vfu_port_of(s)->pe, &s->src, session_wanted_events(s));
}

/* ---- waiting ---- */

static void session_timer(struct vfu_session *s, uint64_t ns)
{
	const struct itimerspec when = {
		.it_value = {.tv_sec = (time_t)(ns / NSEC), .tv_nsec = (long)(ns % NSEC)}};

	timerfd_settime(s->timer.fd, 0, &when, NULL);
}

static void session_begin_wait(struct vfu_session *s)
{
	uint64_t ns = s->stuck ? min(s->patience, VFU_PATIENCE_LOST_NS) : s->patience;

	s->deadline = clock_ns() + ns;
	s->state = VFU_WORKING;
	session_timer(s, ns);
}

static bool session_must_wait(struct vfu_session *s)
{
	return s->patience && !pci_func_is_settled(vfu_func(s));
}

/* Is the reply due? */
static bool session_wait_is_over(struct vfu_session *s)
{
	bool late = session_must_wait(s);

	if (late && clock_ns() < s->deadline)
		return false;
	if (late)
		sd_log_ratelimited_warn("%s: command %u takes too long, answered nevertheless",
					session_path(s), s->msg.hdr.cmd);
	s->stuck = late;
	session_timer(s, 0);
	return true;
}

/* ---- the end of a message ---- */

/* The reply, and a request of the relay; what has begun goes first. */
static int session_send(struct vfu_session *s)
{
	struct vfu_tx *request = &s->relay.request;
	int rc = 0;

	if (request->sent)
		rc = vfu_tx_send(request, s->fd);
	if (!rc)
		rc = vfu_tx_send(&s->reply, s->fd);
	if (!rc)
		rc = vfu_tx_send(request, s->fd);
	s->state = s->reply.len ? VFU_WRITING : VFU_READING;
	return rc == -EAGAIN ? 0 : rc;
}

static void session_set_error(struct vfu_session *s, int err)
{
	const uint32_t errnum = (uint32_t)-err;

	vfu_tx_begin(&s->reply, s->msg.hdr.id, s->msg.hdr.cmd, VFU_F_REPLY | VFU_F_ERROR);
	memcpy(s->reply.buf + offsetof(struct vfu_hdr, error), &errnum, sizeof(errnum));
}

/* A first message that is not a version which we speak ends the connection. */
static void session_finish(struct vfu_session *s, int err)
{
	const struct vfu_request *req = vfu_request_find(s->msg.hdr.cmd);
	bool fatal = err && !s->negotiated;
	int rc = 0;

	s->state = VFU_READING;
	if (err)
		sd_log_ratelimited_warn("%s: command %u (%s): %s%s%s", session_path(s),
					s->msg.hdr.cmd, req ? req->name : "unknown",
					strerror(-err), s->why[0] ? ": " : "", s->why);
	if (err)
		session_set_error(s, err);
	if (s->msg.hdr.flags & VFU_F_NO_REPLY)
		s->reply.len = 0;
	else
		rc = session_send(s);
	vfu_rx_consume(&s->rx, &s->msg);
	if (rc || fatal)
		vfu_session_drop(s);
}

/* ---- the beginning of a message ---- */

static int session_check(struct vfu_session *s, const struct vfu_request *req)
{
	const struct vfu_msg *m = &s->msg;

	if (!s->negotiated && m->hdr.cmd != VFU_VERSION)
		return vfu_fail(s, -EINVAL, "the version comes first");
	if (!req)
		return vfu_fail(s, -ENOTSUP, "no such command");
	if (m->len < req->min || m->len > req->max)
		return vfu_fail(s, -EINVAL, "%zu bytes of payload, expected %u to %u", m->len,
				req->min, req->max);
	if (m->nr_fds > req->max_fds)
		return vfu_fail(s, -EINVAL, "%u descriptors, expected at most %u", m->nr_fds,
				req->max_fds);
	return 0;
}

static void session_message(struct vfu_session *s)
{
	const struct vfu_request *req = vfu_request_find(s->msg.hdr.cmd);
	int rc;

	if ((s->msg.hdr.flags & VFU_F_TYPE) == VFU_F_REPLY) {
		vfu_relay_reply(s, &s->msg);
		vfu_rx_consume(&s->rx, &s->msg);
		return;
	}
	s->why[0] = '\0';
	s->patience = 0;
	vfu_tx_begin(&s->reply, s->msg.hdr.id, s->msg.hdr.cmd, VFU_F_REPLY);
	rc = session_check(s, req);
	if (!rc) {
		s->busy = true;
		rc = req->handle(s, &s->msg);
		s->busy = false;
	}
	if (s->state != VFU_READING) /* dropped meanwhile */
		return;
	if (!rc && session_must_wait(s))
		session_begin_wait(s);
	else
		session_finish(s, rc);
}

/* ---- connection ---- */

static void session_release(struct vfu_session *s)
{
	struct vfu_port *p = vfu_port_of(s);
	bool owed = s->negotiated || p->unplugged;

	vfu_irq_release(s);
	vfu_mem_release(s);
	s->negotiated = false;
	s->stuck = false;
	p->unplugged = false;
	s->state = VFU_FREE;
	listener_resume(&p->listener);
	if (owed)
		pci_host_left(p->pci);
}

static void session_hang_up(struct vfu_session *s)
{
	pe_source_remove(vfu_port_of(s)->pe, &s->src);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	vfu_rx_reset(&s->rx);
	s->reply.len = s->reply.sent = 0;
	s->relay.request.len = s->relay.request.sent = 0;
	vfu_relay_reset(s);
	session_timer(s, 0);
}

/* Goes on after something outside happened, as far as it goes without the socket. */
static void session_advance(struct vfu_session *s)
{
	if (s->busy)
		return;
	if (s->state == VFU_WORKING && session_wait_is_over(s))
		session_finish(s, 0);
	if (s->state == VFU_CLOSING && pci_func_is_settled(vfu_func(s)))
		session_release(s);
}

void vfu_session_drop(struct vfu_session *s)
{
	bool busy = s->busy;

	session_hang_up(s);
	s->state = VFU_CLOSING;
	s->busy = true;
	pci_func_disconnected(vfu_func(s));
	s->busy = busy;
	session_advance(s);
}

void vfu_session_check_memory(struct vfu_session *s)
{
	if (s->fd < 0 || !s->gm || !gm_is_lost(s->gm))
		return;
	sd_log_ratelimited_warn("%s: the client truncated the guest's memory; closing the "
				"connection", session_path(s));
	vfu_session_drop(s);
}

/* ---- events ---- */

static void session_lost(struct vfu_session *s, int rc)
{
	if (rc == -ENODATA)
		sd_log_dbg("%s: client disconnected", session_path(s));
	else
		sd_log_ratelimited_warn("%s: %s; closing the connection", session_path(s),
					strerror(-rc));
	vfu_session_drop(s);
}

/* Handles up to max messages of the socket, and those that came along with them. */
static enum ctx_progress session_read(struct vfu_session *s, int max)
{
	enum ctx_progress done = CTX_NOTHING;
	int rc;

	for (int i = 0; s->state == VFU_READING; i++) {
		rc = vfu_rx_next(&s->rx, i < max ? s->fd : -1, &s->msg);
		if (rc < 0)
			session_lost(s, rc);
		if (rc <= 0)
			break;
		session_message(s);
		done = CTX_HOUSEKEEPING;
	}
	return done;
}

static void session_relay(struct vfu_session *s)
{
	int rc = 0;

	vfu_relay_run(s);
	if (s->state == VFU_READING && s->relay.request.len)
		rc = session_send(s);
	if (rc)
		session_lost(s, rc);
}

/* After anything: goes on, and afterwards the source fits the state. */
static void session_resume(struct vfu_session *s)
{
	if (s->busy)
		return;
	do {
		session_advance(s);
	} while (session_read(s, 0) != CTX_NOTHING);
	session_relay(s);
	if (session_watch(s)) {
		sd_log_ratelimited_warn("%s: cannot watch the connection, closing it",
					session_path(s));
		vfu_session_drop(s);
	}
}

void vfu_session_go_on(struct vfu_session *s)
{
	session_resume(s);
}

static enum ctx_progress session_ready(struct pe_source *src, uint32_t revents)
{
	struct vfu_session *s = container_of(src, struct vfu_session, src);
	enum ctx_progress done = CTX_HOUSEKEEPING;
	int rc;

	if (s->state == VFU_WRITING) {
		rc = session_send(s);
		if (rc)
			session_lost(s, rc);
	} else {
		done = session_read(s, VFU_BATCH);
	}
	session_resume(s);
	return done;
}

static enum ctx_progress session_tick(struct pe_source *src, uint32_t revents)
{
	struct vfu_session *s = container_of(src, struct vfu_session, timer);
	uint64_t cnt;

	if (read(src->fd, &cnt, sizeof(cnt)) != sizeof(cnt))
		return CTX_NOTHING;
	session_resume(s);
	return CTX_HOUSEKEEPING;
}

/* ---- life ---- */

static int session_init_timer(struct vfu_session *s)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	s->timer = (struct pe_source){.fd = fd, .events = EPOLLIN, .ready = session_tick};
	return pe_source_add(vfu_port_of(s)->pe, &s->timer);
}

int vfu_session_init(struct vfu_session *s)
{
	int rc;

	s->fd = -1;
	s->timer.fd = -1;
	s->unmask.fd = -1;
	s->src.ready = session_ready;
	rc = vfu_rx_init(&s->rx);
	if (!rc)
		rc = vfu_tx_init(&s->reply);
	if (!rc)
		rc = vfu_relay_init(s);
	if (!rc)
		rc = session_init_timer(s);
	return rc;
}

int vfu_session_start(struct vfu_session *s, int fd)
{
	int rc;

	s->fd = fd;
	s->src.fd = fd;
	s->state = VFU_READING;
	rc = session_watch(s);
	if (rc) {
		session_hang_up(s);
		s->state = VFU_FREE;
		return rc;
	}
	sd_log_dbg("%s: client connected", session_path(s));
	return 0;
}

void vfu_session_fini(struct vfu_session *s)
{
	session_hang_up(s);
	vfu_relay_fini(s);
	vfu_irq_release(s);
	vfu_mem_release(s);
	pe_source_remove(vfu_port_of(s)->pe, &s->timer);
	if (s->timer.fd >= 0)
		close(s->timer.fd);
	vfu_rx_fini(&s->rx);
	vfu_tx_fini(&s->reply);
	gm_budget_put(s->budget);
}
