/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * A session is one connected front end; vhu.h has its states. It reads one message, carries it out
 * to the end, replies, and only then reads the next: the order of effects is the order of
 * messages, and a front end that does not read its replies stops only itself.
 *
 * Carrying out: the request's handler changes what is wanted; session_step() then lets the device
 * follow, in a fixed order: reset, memory, queues. Steps that must wait for I/O threads are device
 * ops. An op may be done before the call that starts it returns; session_advance() is therefore a
 * loop, and the op's completion enters it only when it is not on the stack already.
 *
 * Replies, decided in session_finish() alone: a request with an answer of its own always gets it;
 * any other gets a number (0 or the errno) when the message asks for one, and else nothing. What
 * failed and cannot be reported costs the connection, because the front end would go on in the
 * belief that it worked. So does everything that breaks the wire format (-EPROTO). The listener
 * then takes the next one.
 *
 * The host has taken the function with the first message that sets something (SET_OWNER as a rule):
 * who only knocks, or asks, is not a host yet. It has left when the device let go.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log.h"
#include "transport/vhost_user/vhu.h"

SD_LOG_REGISTER(VHOST_USER);

/* Messages per look at the socket, so that a chatty front end does not keep the engine. */
#define VHU_BATCH 16

static void session_advance(struct vhu_session *s);

static const char *session_path(struct vhu_session *s)
{
	return vhu_port_of(s)->listener.path;
}

int vhu_fail(struct vhu_session *s, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	return err;
}

/* ---- the engine's attention ---- */

static uint32_t session_wanted_events(const struct vhu_session *s)
{
	switch (s->state) {
	case VHU_READING:
		return EPOLLIN;
	case VHU_WRITING:
		return EPOLLOUT;
	default:
		/* Not even a hang-up, which cannot be masked while registered. */
		return 0;
	}
}

static int session_watch(struct vhu_session *s)
{
	return pe_source_want(vhu_port_of(s)->pe, &s->src, session_wanted_events(s));
}

/* ---- device ops ---- */

/* Goes on after something outside happened; afterwards the source fits the state. */
static void session_resume(struct vhu_session *s)
{
	session_advance(s);
	if (session_watch(s)) {
		sd_log_ratelimited_warn("%s: cannot watch the connection, closing it",
					session_path(s));
		vhu_session_drop(s);
	}
}

static void session_op_done(struct vdev_op *op)
{
	struct vhu_session *s = container_of(op, struct vhu_session, op);

	s->op_busy = false;
	if (s->op_finish)
		s->op_finish(s);
	if (!s->op_inside)
		session_resume(s);
}

struct vdev_op *vhu_op_begin(struct vhu_session *s, void (*finish)(struct vhu_session *s))
{
	memset(&s->op, 0, sizeof(s->op));
	s->op.done = session_op_done;
	s->op_finish = finish;
	s->op_busy = true;
	return &s->op;
}

/* ---- steps of one message ---- */

void vhu_settle_queue(struct vhu_session *s, unsigned int q)
{
	s->settle_next = q;
	s->settle_end = q + 1;
	s->settle_strict = true;
}

void vhu_settle_all(struct vhu_session *s)
{
	s->settle_next = 0;
	s->settle_end = VHU_MAX_QUEUES;
	s->settle_strict = false;
}

static void session_was_reset(struct vhu_session *s)
{
	s->features = 0;
	for (unsigned int q = 0; q < VHU_MAX_QUEUES; q++)
		vhu_vring_forget(&s->vring[q]);
}

static void session_memory_changed(struct vhu_session *s)
{
	struct gmem *gone = s->gm;

	if (s->op.result < 0) {
		s->step_error = vhu_fail(s, s->op.result, "memory change: %s",
					 strerror(-s->op.result));
		gone = s->next_gm;
	} else {
		s->gm = s->next_gm;
	}
	s->next_gm = NULL;
	gm_put(gone);
}

static void session_change_memory(struct vhu_session *s)
{
	for (unsigned int q = 0; q < VHU_MAX_QUEUES; q++)
		if (!s->vring[q].running || vhu_vring_translate(s, q, s->next_gm, &s->rings[q]))
			memset(&s->rings[q], 0, sizeof(s->rings[q]));
	vdev_set_memory(vhu_port_of(s)->dev, s->next_gm, s->rings,
			vhu_op_begin(s, session_memory_changed));
}

/* 1 an op was started (and may be done already), 0 the message is carried out, -errno it failed. */
static int session_step(struct vhu_session *s)
{
	int rc;

	if (s->step_error)
		return s->step_error;
	if (s->want_reset) {
		s->want_reset = false;
		vdev_reset(vhu_port_of(s)->dev, vhu_op_begin(s, session_was_reset));
		return 1;
	}
	if (s->next_gm) {
		session_change_memory(s);
		return 1;
	}
	for (; s->settle_next < s->settle_end; s->settle_next++) {
		rc = vhu_vring_settle(s, s->settle_next);
		if (rc > 0 || (rc < 0 && s->settle_strict))
			return rc;
		if (rc < 0)
			sd_log_ratelimited_warn("%s: %s", session_path(s),
						s->why);
	}
	return 0;
}

/* ---- the end of a message ---- */

static int session_reply(struct vhu_session *s)
{
	int rc = vhu_reply_send(s->fd, &s->reply);

	if (rc == -EAGAIN)
		s->state = VHU_WRITING;
	else
		s->state = VHU_READING;
	return rc == -EAGAIN ? 0 : rc;
}

static int session_answer(struct vhu_session *s, const struct vhu_request *req, int err)
{
	struct vhu_reply *r = &s->reply;
	int rc = 0;

	vhu_reply_init(r);
	r->hdr.request = s->msg.hdr.request;
	r->hdr.flags = VHU_VERSION | VHU_REPLY;
	if (req && req->answer) {
		rc = err ? err : req->answer(s, &s->msg, r);
	} else {
		r->hdr.size = sizeof(r->payload.u64);
		r->payload.u64 = (uint64_t)-err;
	}
	return rc ? rc : session_reply(s);
}

/* The one place that decides who gets a reply, and whether the front end may stay. */
static void session_finish(struct vhu_session *s, int err)
{
	const struct vhu_request *req = vhu_request_find(s->msg.hdr.request);
	bool asked = (req && req->answer) || (s->msg.hdr.flags & VHU_NEED_REPLY);
	int rc = 0;

	if (s->state != VHU_WORKING) /* dropped meanwhile */
		return;
	s->state = VHU_READING;
	if (err == -EPROTO)
		rc = err;
	else if (asked)
		rc = session_answer(s, req, err);
	else if (err && !(req && req->soft))
		rc = err;
	if (rc || err)
		sd_log_ratelimited_warn("%s: request %u (%s): %s%s",
					session_path(s), s->msg.hdr.request,
					req ? req->name : "unknown",
					s->why[0] ? s->why : strerror(-(rc ? rc : err)),
					rc ? "; closing the connection" : "");
	vhu_msg_reset(&s->msg);
	if (rc)
		vhu_session_drop(s);
}

/* ---- the beginning of a message ---- */

static int session_handle(struct vhu_session *s, const struct vhu_request *req)
{
	int rc;

	if (!s->arrived) {
		s->arrived = true;
		pci_host_arrived(vhu_port_of(s)->pci);
	}
	s->op_inside = true;
	rc = req->handle(s, &s->msg);
	s->op_inside = false;
	return rc;
}

static void session_message(struct vhu_session *s)
{
	const struct vhu_request *req = vhu_request_find(s->msg.hdr.request);
	uint32_t size = s->msg.hdr.size;
	int rc = 0;

	s->why[0] = '\0';
	s->step_error = 0;
	s->settle_next = s->settle_end = 0;
	s->state = VHU_WORKING;
	if (!req)
		rc = vhu_fail(s, -EOPNOTSUPP, "not supported");
	else if (size < req->min || size > (req->max ? req->max : req->min))
		rc = vhu_fail(s, -EPROTO, "%u bytes of payload, expected %u to %u", size, req->min,
			      req->max ? req->max : req->min);
	sd_log_dbg("%s: request %u (%s), flags 0x%x, %u bytes, %u descriptors",
		   session_path(s), s->msg.hdr.request, req ? req->name : "unknown",
		   s->msg.hdr.flags, size, s->msg.nr_fds);
	vhu_msg_limit_fds(&s->msg, req ? req->max_fds : 0);
	if (!rc && req->handle)
		rc = session_handle(s, req);
	if (rc && s->state == VHU_WORKING)
		session_finish(s, rc);
	else
		session_advance(s);
}

/* ---- connection ---- */

static void session_release(struct vhu_session *s)
{
	for (unsigned int q = 0; q < VHU_MAX_QUEUES; q++)
		vhu_vring_release(&s->vring[q]);
	vhu_mem_release(s);
	vhu_inflight_release(s);
	if (s->backend_fd >= 0)
		close(s->backend_fd);
	s->backend_fd = -1;
	s->features = 0;
	s->proto_features = 0;
	s->proto_acked = false;
	s->want_reset = false;
	s->spoke = false;
	s->state = VHU_FREE;
}

static void session_tell_left(struct vhu_session *s)
{
	struct vhu_port *p = vhu_port_of(s);
	bool owed = s->arrived || p->unplugged;

	s->arrived = false;
	p->unplugged = false;
	if (owed)
		pci_host_left(p->pci);
}

/* Runs until an op is out or there is nothing to do but wait for the socket. */
static void session_advance(struct vhu_session *s)
{
	int rc;

	s->op_inside = true;
	while (!s->op_busy) {
		if (s->state == VHU_WORKING) {
			rc = session_step(s);
			if (rc <= 0)
				session_finish(s, rc);
		} else if (s->state == VHU_CLOSING && s->spoke && !s->disconnect_told) {
			s->disconnect_told = true;
			vdev_disconnected(vhu_port_of(s)->dev, vhu_op_begin(s, NULL));
		} else if (s->state == VHU_CLOSING) {
			session_release(s);
			listener_resume(&vhu_port_of(s)->listener);
			session_tell_left(s);
			break;
		} else {
			break;
		}
	}
	s->op_inside = false;
}

static void session_hang_up(struct vhu_session *s)
{
	pe_source_remove(vhu_port_of(s)->pe, &s->src);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	vhu_msg_reset(&s->msg);
	vhu_reply_release(&s->reply);
}

void vhu_session_drop(struct vhu_session *s)
{
	session_hang_up(s);
	s->state = VHU_CLOSING;
	s->disconnect_told = false;
	if (!s->op_inside)
		session_advance(s);
}

/* An op that is out ends first: session_advance() goes on from there. */
void vhu_session_check_memory(struct vhu_session *s)
{
	if (s->fd < 0 || !s->gm || !gm_is_lost(s->gm))
		return;
	sd_log_ratelimited_warn("%s: the front end truncated the guest's memory; closing the "
				"connection",
				session_path(s));
	vhu_session_drop(s);
}

static enum ctx_progress session_read(struct vhu_session *s)
{
	enum ctx_progress done = CTX_NOTHING;
	int rc = 1;

	for (int i = 0; i < VHU_BATCH && s->state == VHU_READING; i++) {
		rc = vhu_msg_recv(s->fd, &s->msg);
		s->spoke |= s->msg.got > 0;
		if (rc <= 0)
			break;
		session_message(s);
		done = CTX_HOUSEKEEPING;
	}
	if (s->state != VHU_READING || rc >= 0)
		return done;
	if (rc == -ENODATA)
		sd_log_dbg("%s: front end disconnected", session_path(s));
	else
		sd_log_ratelimited_warn("%s: request %u, flags 0x%x, size %u: %s; closing the "
					"connection",
					session_path(s), s->msg.hdr.request, s->msg.hdr.flags,
					s->msg.hdr.size, strerror(-rc));
	vhu_session_drop(s);
	return CTX_HOUSEKEEPING;
}

static enum ctx_progress session_ready(struct pe_source *src, uint32_t revents)
{
	struct vhu_session *s = container_of(src, struct vhu_session, src);
	enum ctx_progress done = CTX_HOUSEKEEPING;
	int rc;

	if (s->state == VHU_WRITING) {
		rc = session_reply(s);
		if (rc) {
			sd_log_dbg("%s: reply: %s", session_path(s), strerror(-rc));
			vhu_session_drop(s);
		}
	} else {
		done = session_read(s);
	}
	session_resume(s);
	return done;
}

void vhu_session_init(struct vhu_session *s)
{
	memset(s, 0, sizeof(*s));
	s->fd = -1;
	s->backend_fd = -1;
	s->src.ready = session_ready;
	vhu_msg_init(&s->msg);
	vhu_reply_init(&s->reply);
	for (unsigned int q = 0; q < VHU_MAX_QUEUES; q++)
		vhu_vring_init(&s->vring[q]);
}

int vhu_session_start(struct vhu_session *s, int fd)
{
	int rc;

	s->fd = fd;
	s->src.fd = fd;
	s->state = VHU_READING;
	rc = session_watch(s);
	if (rc) {
		session_hang_up(s);
		s->state = VHU_FREE;
		return rc;
	}
	sd_log_dbg("%s: front end connected", session_path(s));
	return 0;
}

void vhu_session_destroy(struct vhu_session *s)
{
	session_hang_up(s);
	session_release(s);
	gm_budget_put(s->budget);
}
