/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * Messages about a queue only change what is wanted of it (struct vhu_vring). vhu_vring_settle()
 * then compares that with what the device has and starts one operation at a time until both agree:
 *
 *   runs, and may not or with an old set-up   -> stop it, collect where it was
 *   runs, other interrupt or kick descriptor  -> replace that
 *   does not run, and may                     -> translate the rings and start it
 *
 * A queue may run when memory, size, addresses and kick are known and it is enabled; enabled is
 * the default as long as the front end neither acknowledged VHU_F_PROTOCOL_FEATURES nor ever said
 * otherwise. So the order of messages does not matter, a queue may be set up anew at any time, and
 * a ring that lost its memory comes back with it.
 *
 * An interrupt may have been lost: to a descriptor that was replaced, or by a back end that died
 * between publishing and signalling. So a new descriptor of a running queue, and a queue that
 * starts in the middle, get one for nothing, which drivers take in their stride.
 *
 * Descriptors for kick, call and error come from the front end and are read or written by us: only
 * eventfds are taken (eventfd.h), and sockets where we write.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/eventfd.h"
#include "transport/vhost_user/vhu.h"

void vhu_vring_init(struct vhu_vring *vr)
{
	memset(vr, 0, sizeof(*vr));
	vr->kick_fd = -1;
	vr->call_fd = -1;
	vr->err_fd = -1;
}

static void vring_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void vring_drop_kick(struct vhu_vring *vr)
{
	vring_close_fd(&vr->kick_fd);
	vr->has_kick = false;
}

void vhu_vring_release(struct vhu_vring *vr)
{
	vring_close_fd(&vr->kick_fd);
	vring_close_fd(&vr->call_fd);
	vring_close_fd(&vr->err_fd);
	vhu_vring_init(vr);
}

void vhu_vring_forget(struct vhu_vring *vr)
{
	struct vhu_vring kept = *vr;

	vring_drop_kick(vr);
	vhu_vring_init(vr);
	vr->call_fd = kept.call_fd;
	vr->call_is_socket = kept.call_is_socket;
	vr->err_fd = kept.err_fd;
	vr->err_is_socket = kept.err_is_socket;
}

bool vhu_vring_any_running(const struct vhu_session *s)
{
	for (unsigned int q = 0; q < VHU_MAX_QUEUES; q++)
		if (s->vring[q].running)
			return true;
	return false;
}

/* ---- bringing the device in line ---- */

int vhu_vring_translate(struct vhu_session *s, unsigned int q, const struct gmem *gm,
			struct vqueue_rings *ret_rings)
{
	const struct vhu_vring *vr = &s->vring[q];

	ret_rings->desc = gm_translate_uva(gm, vr->desc, vq_desc_bytes(vr->num));
	ret_rings->avail = gm_translate_uva(gm, vr->avail, vq_avail_bytes(vr->num));
	ret_rings->used = gm_translate_uva(gm, vr->used, vq_used_bytes(vr->num));
	if (vq_rings_aligned(ret_rings->desc, ret_rings->avail, ret_rings->used))
		return 0;
	memset(ret_rings, 0, sizeof(*ret_rings));
	return vhu_fail(s, -EFAULT,
			"queue %u of %u: rings at 0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64
			" are not in guest memory, or not aligned",
			q, vr->num, vr->desc, vr->avail, vr->used);
}

static bool vring_enabled(const struct vhu_session *s, const struct vhu_vring *vr)
{
	if (vr->enable == VHU_ENABLE_UNSET)
		return !s->proto_acked;
	return vr->enable == VHU_ENABLE_ON;
}

static bool vring_complete(const struct vhu_session *s, const struct vhu_vring *vr)
{
	return s->gm && vr->num && vr->has_addr && vr->has_kick && vring_enabled(s, vr);
}

static int vring_signal(struct vhu_session *s, int fd, bool is_socket)
{
	const struct irq irq = { .fd = fd, .is_socket = is_socket };

	return irq_raise(vhu_port_of(s)->pe, &irq);
}

/* A copy for the device; *ret_fd stays -1 when there is none. */
static int vring_dup(struct vhu_session *s, int fd, int *ret_fd)
{
	*ret_fd = -1;
	if (fd < 0)
		return 0;
	*ret_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (*ret_fd < 0)
		return vhu_fail(s, -errno, "duplicating a descriptor: %s", strerror(errno));
	return 0;
}

static void vring_stopped(struct vhu_session *s)
{
	struct vhu_vring *vr = &s->vring[s->settle_next];

	vr->running = false;
	vr->restart = false;
	if (!vr->base_given)
		vr->base = s->op.base;
}

/* Only now does nobody use the old descriptor any more. */
static void vring_call_replaced(struct vhu_session *s)
{
	const struct vhu_vring *vr = &s->vring[s->settle_next];

	vring_signal(s, vr->call_fd, vr->call_is_socket);
}

static int vring_replace_call(struct vhu_session *s, unsigned int q)
{
	struct vhu_vring *vr = &s->vring[q];
	struct irq call = {.is_socket = vr->call_is_socket};
	int rc = vring_dup(s, vr->call_fd, &call.fd);

	if (rc)
		return rc;
	vr->call_changed = false;
	vdev_queue_set_call(vhu_port_of(s)->dev, (uint16_t)q, call,
			    vhu_op_begin(s, vring_call_replaced));
	return 1;
}

static int vring_replace_kick(struct vhu_session *s, unsigned int q)
{
	struct vhu_vring *vr = &s->vring[q];
	int fd, rc = vring_dup(s, vr->kick_fd, &fd);

	if (rc)
		return rc;
	vr->kick_changed = false;
	vdev_queue_set_kick(vhu_port_of(s)->dev, (uint16_t)q, fd, vhu_op_begin(s, NULL));
	return 1;
}

static int vring_start(struct vhu_session *s, unsigned int q, const struct vqueue_rings *rings)
{
	struct vhu_vring *vr = &s->vring[q];
	struct vqueue_setup setup = {
		.size = vr->num,
		.last_avail = vr->base,
		.desc = rings->desc,
		.avail = rings->avail,
		.used = rings->used,
		.kick_fd = -1,
		.call = {.fd = -1, .is_socket = vr->call_is_socket},
	};
	int rc;

	rc = vhu_inflight_log(s, q, &setup.inflight);
	if (!rc)
		rc = vring_dup(s, vr->kick_fd, &setup.kick_fd);
	if (!rc)
		rc = vring_dup(s, vr->call_fd, &setup.call.fd);
	if (rc) {
		vring_close_fd(&setup.kick_fd);
		return rc;
	}
	rc = vdev_queue_start(vhu_port_of(s)->dev, (uint16_t)q, &setup);
	if (rc)
		return vhu_fail(s, rc, "queue %u of %u: not accepted: %s", q, vr->num,
				strerror(-rc));
	if (vr->base || setup.inflight)
		vring_signal(s, vr->call_fd, vr->call_is_socket);
	vr->running = true;
	vr->restart = vr->base_given = vr->kick_changed = vr->call_changed = false;
	return 0;
}

int vhu_vring_settle(struct vhu_session *s, unsigned int q)
{
	struct vhu_vring *vr = &s->vring[q];
	bool complete = vring_complete(s, vr);
	struct vqueue_rings rings;
	int rc = 0;

	if (!complete && !vr->running)
		return 0;
	if (complete)
		rc = vhu_vring_translate(s, q, s->gm, &rings);
	if (vr->running && (!complete || rc || vr->restart)) {
		vdev_queue_stop(vhu_port_of(s)->dev, (uint16_t)q, vhu_op_begin(s, vring_stopped));
		return 1;
	}
	if (rc)
		return rc;
	if (!vr->running)
		return vring_start(s, q, &rings);
	if (vr->call_changed)
		return vring_replace_call(s, q);
	if (vr->kick_changed)
		return vring_replace_kick(s, q);
	return 0;
}

/* ---- messages ---- */

/* The queue a message names, NULL (and noted) if there is no such. */
static struct vhu_vring *vring_find(struct vhu_session *s, uint64_t index)
{
	uint16_t nr = vdev_num_queues(vhu_port_of(s)->dev);

	if (index >= nr || index >= VHU_MAX_QUEUES) {
		vhu_fail(s, -EINVAL, "queue %" PRIu64 ", the device has %u", index, nr);
		return NULL;
	}
	vhu_settle_queue(s, (unsigned int)index);
	return &s->vring[index];
}

int vhu_vring_num(struct vhu_session *s, struct vhu_msg *m)
{
	uint32_t num = m->payload.state.num;
	struct vhu_vring *vr = vring_find(s, m->payload.state.index);

	if (!vr)
		return -EINVAL;
	/*
	 * The size of a queue is the front end's here: the protocol cannot tell it what the device
	 * was set to, and QEMU has an option of its own. So only the ring engine's limit counts.
	 */
	if (!is_pow2(num) || num > VQ_MAX_SIZE)
		return vhu_fail(s, -EINVAL, "queue %u: size %u, allowed is a power of two up to %u",
				m->payload.state.index, num, VQ_MAX_SIZE);
	vr->restart |= vr->num != num;
	vr->num = (uint16_t)num;
	return 0;
}

int vhu_vring_addr(struct vhu_session *s, struct vhu_msg *m)
{
	const struct vhu_vring_addr *w = &m->payload.addr;
	struct vhu_vring *vr = vring_find(s, w->index);

	if (!vr)
		return -EINVAL;
	if (w->flags & VHU_VRING_F_LOG)
		return vhu_fail(s, -EOPNOTSUPP, "queue %u: dirty logging was not offered",
				w->index);
	if (w->desc % 16 || w->avail % 2 || w->used % 4)
		return vhu_fail(s, -EINVAL,
				"queue %u: misaligned ring 0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64,
				w->index, w->desc, w->avail, w->used);
	vr->restart |= vr->desc != w->desc || vr->avail != w->avail || vr->used != w->used;
	vr->desc = w->desc;
	vr->avail = w->avail;
	vr->used = w->used;
	vr->has_addr = true;
	return 0;
}

int vhu_vring_base(struct vhu_session *s, struct vhu_msg *m)
{
	uint32_t base = m->payload.state.num;
	struct vhu_vring *vr = vring_find(s, m->payload.state.index);

	if (!vr)
		return -EINVAL;
	if (base > UINT16_MAX)
		return vhu_fail(s, -EINVAL, "queue %u: base %u", m->payload.state.index, base);
	vr->base = (uint16_t)base;
	vr->base_given = true;
	vr->restart = true;
	return 0;
}

int vhu_vring_stop(struct vhu_session *s, struct vhu_msg *m)
{
	struct vhu_vring *vr = vring_find(s, m->payload.state.index);

	if (!vr)
		return -EINVAL;
	/* Only a new kick descriptor starts it again. */
	vring_drop_kick(vr);
	return 0;
}

int vhu_vring_stop_answer(struct vhu_session *s, const struct vhu_msg *m, struct vhu_reply *r)
{
	r->payload.state.index = m->payload.state.index;
	r->payload.state.num = s->vring[m->payload.state.index].base;
	r->hdr.size = sizeof(r->payload.state);
	return 0;
}

int vhu_vring_enable(struct vhu_session *s, struct vhu_msg *m)
{
	struct vhu_vring *vr = vring_find(s, m->payload.state.index);

	if (!vr)
		return -EINVAL;
	if (m->payload.state.num > 1)
		return vhu_fail(s, -EINVAL, "queue %u: enable %u", m->payload.state.index,
				m->payload.state.num);
	vr->enable = m->payload.state.num ? VHU_ENABLE_ON : VHU_ENABLE_OFF;
	return 0;
}

/* Decides whether we may use fd. */
static int vring_check_fd(struct vhu_session *s, int fd, bool *is_socket)
{
	bool socket_allowed = *is_socket;
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return vhu_fail(s, -errno, "fstat: %s", strerror(errno));
	*is_socket = S_ISSOCK(st.st_mode);
	if (!(*is_socket && socket_allowed) && !eventfd_check(fd))
		return vhu_fail(s, -EBADF, "the descriptor is not an eventfd%s",
				socket_allowed ? " and not a socket" : "");
	rc = eventfd_make_nonblocking(fd);
	return rc ? vhu_fail(s, rc, "fcntl: %s", strerror(-rc)) : 0;
}

/*
 * What SET_VRING_KICK, _CALL and _ERR share: a queue and a descriptor, or the statement that there
 * is none. *is_socket: may it be one; is it one. *ret_fd is the caller's.
 */
static struct vhu_vring *vring_take_fd(struct vhu_session *s, struct vhu_msg *m, bool *is_socket,
				       int *ret_fd, int *ret_rc)
{
	uint64_t u = m->payload.u64;
	struct vhu_vring *vr = NULL;

	*ret_fd = -1;
	*ret_rc = -EINVAL;
	if (u & ~(VHU_VRING_INDEX_MASK | VHU_VRING_NOFD))
		vhu_fail(s, -EINVAL, "queue 0x%" PRIx64, u);
	else
		vr = vring_find(s, u & VHU_VRING_INDEX_MASK);
	if (!vr)
		return NULL;
	if (u & VHU_VRING_NOFD) {
		*is_socket = false;
		return vr;
	}
	*ret_rc = m->nr_fds ? vring_check_fd(s, m->fd[0], is_socket) :
			      vhu_fail(s, -EBADF, "queue %u: no descriptor came along",
				       (unsigned int)u);
	if (*ret_rc)
		return NULL;
	*ret_fd = vhu_msg_take_fd(m, 0);
	return vr;
}

int vhu_vring_kick(struct vhu_session *s, struct vhu_msg *m)
{
	bool is_socket = false;
	int fd, rc;
	struct vhu_vring *vr = vring_take_fd(s, m, &is_socket, &fd, &rc);

	if (!vr)
		return rc;
	vring_close_fd(&vr->kick_fd);
	vr->kick_fd = fd;
	vr->has_kick = true;
	vr->kick_changed = true;
	return 0;
}

int vhu_vring_call(struct vhu_session *s, struct vhu_msg *m)
{
	bool is_socket = true;
	int fd, rc;
	struct vhu_vring *vr = vring_take_fd(s, m, &is_socket, &fd, &rc);

	if (!vr)
		return rc;
	vring_close_fd(&vr->call_fd);
	vr->call_fd = fd;
	vr->call_is_socket = is_socket;
	vr->call_changed = true;
	/* Not the message to blame for a ring that is not mapped at the moment. */
	s->settle_strict = false;
	return 0;
}

int vhu_vring_err(struct vhu_session *s, struct vhu_msg *m)
{
	bool is_socket = true;
	int fd, rc;
	struct vhu_vring *vr = vring_take_fd(s, m, &is_socket, &fd, &rc);

	if (!vr)
		return rc;
	vring_close_fd(&vr->err_fd);
	vr->err_fd = fd;
	vr->err_is_socket = is_socket;
	s->settle_strict = false;
	return 0;
}

void vhu_vring_signal_error(struct vhu_session *s, unsigned int q)
{
	struct vhu_vring *vr = &s->vring[q];

	if (vring_signal(s, vr->err_fd, vr->err_is_socket))
		vring_close_fd(&vr->err_fd);
}
