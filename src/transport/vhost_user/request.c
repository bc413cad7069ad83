/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The requests, one row each: how long, how many descriptors, what to do, what to answer. Queue,
 * memory and in-flight requests live in their own files; here are the short ones. What is not in
 * the table is refused.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/vhost_user/vhu.h"

/*
 * Not offered on purpose: INBAND_NOTIFICATIONS (kicks and interrupts as messages would end zero-
 * copy polling), LOG_SHMFD (migration), BACKEND_SEND_FD (we have nothing to send).
 */
#define VHU_PROTO_OFFERED                                                                          \
	(VHU_PF_MQ | VHU_PF_REPLY_ACK | VHU_PF_BACKEND_REQ | VHU_PF_CONFIG |                       \
	 VHU_PF_INFLIGHT_SHMFD | VHU_PF_RESET_DEVICE | VHU_PF_CONFIGURE_MEM_SLOTS | VHU_PF_STATUS)

static struct doca_devemu_virtio_dev *dev_of(struct vhu_session *s)
{
	return vhu_port_of(s)->dev;
}

static int answer_u64(struct vhu_reply *r, uint64_t value)
{
	r->payload.u64 = value;
	r->hdr.size = sizeof(value);
	return 0;
}

static int get_features(struct vhu_session *s, const struct vhu_msg *m, struct vhu_reply *r)
{
	return answer_u64(r, vdev_features(dev_of(s)) | VHU_F_PROTOCOL_FEATURES);
}

static int set_features(struct vhu_session *s, struct vhu_msg *m)
{
	uint64_t f = m->payload.u64 & ~VHU_F_PROTOCOL_FEATURES;
	int rc = vdev_set_driver_features(dev_of(s), f);

	if (rc)
		return vhu_fail(s, rc, "features 0x%" PRIx64 ", offered are 0x%" PRIx64, f,
				vdev_features(dev_of(s)));
	s->proto_acked = m->payload.u64 & VHU_F_PROTOCOL_FEATURES;
	/* Queues take features at their start. */
	for (unsigned int q = 0; q < VHU_MAX_QUEUES; q++)
		s->vring[q].restart |= f != s->features;
	s->features = f;
	vhu_settle_all(s);
	return 0;
}

static int get_protocol_features(struct vhu_session *s, const struct vhu_msg *m,
				 struct vhu_reply *r)
{
	return answer_u64(r, VHU_PROTO_OFFERED);
}

static int set_protocol_features(struct vhu_session *s, struct vhu_msg *m)
{
	if (m->payload.u64 & ~VHU_PROTO_OFFERED)
		return vhu_fail(s, -EINVAL, "protocol features 0x%" PRIx64 ", offered are 0x%llx",
				m->payload.u64, VHU_PROTO_OFFERED);
	s->proto_features = m->payload.u64;
	return 0;
}

static int get_queue_num(struct vhu_session *s, const struct vhu_msg *m, struct vhu_reply *r)
{
	return answer_u64(r, min(vdev_num_queues(dev_of(s)), VHU_MAX_QUEUES));
}

static int get_max_mem_slots(struct vhu_session *s, const struct vhu_msg *m, struct vhu_reply *r)
{
	return answer_u64(r, GM_MAX_REGIONS);
}

/* A front end that migrates its guest must not believe that writes are being logged. */
static int refuse_log(struct vhu_session *s, struct vhu_msg *m)
{
	return vhu_fail(s, -EOPNOTSUPP, "dirty logging was not offered");
}

static int set_backend_req_fd(struct vhu_session *s, struct vhu_msg *m)
{
	int fd = m->nr_fds ? m->fd[0] : -1;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode))
		return vhu_fail(s, -ENOTSOCK, "no socket came along");
	if (s->backend_fd >= 0)
		close(s->backend_fd);
	s->backend_fd = vhu_msg_take_fd(m, 0);
	return 0;
}

/* User-Mode Linux wants exactly the length back that it asked for; beyond the end are zeros. */
static int get_config(struct vhu_session *s, const struct vhu_msg *m, struct vhu_reply *r)
{
	const struct vhu_config *w = &m->payload.config;

	if (w->size > VHU_CONFIG_MAX || w->offset > VHU_CONFIG_MAX - w->size ||
	    m->hdr.size < VHU_CONFIG_HDR + w->size) {
		r->hdr.size = 0; /* the protocol's way to say no */
		return 0;
	}
	r->payload.config.offset = w->offset;
	r->payload.config.size = w->size;
	r->payload.config.flags = w->flags;
	vdev_config_read(dev_of(s), w->offset, r->payload.config.data, w->size);
	r->hdr.size = m->hdr.size;
	return 0;
}

static int set_config(struct vhu_session *s, struct vhu_msg *m)
{
	return vhu_fail(s, -EPERM, "the configuration space is read only (offset %u)",
			m->payload.config.offset);
}

static int set_owner(struct vhu_session *s, struct vhu_msg *m)
{
	return 0; /* the connection says who it is */
}

/* Deprecated and understood in many ways; the document recommends: disable all rings. */
static int reset_owner(struct vhu_session *s, struct vhu_msg *m)
{
	for (unsigned int q = 0; q < VHU_MAX_QUEUES; q++) {
		s->vring[q].has_kick = false;
		s->vring[q].enable = VHU_ENABLE_UNSET;
	}
	vhu_settle_all(s);
	return 0;
}

static int reset_device(struct vhu_session *s, struct vhu_msg *m)
{
	s->want_reset = true;
	return 0;
}

static int get_status(struct vhu_session *s, const struct vhu_msg *m, struct vhu_reply *r)
{
	return answer_u64(r, vdev_status(dev_of(s)));
}

static int set_status(struct vhu_session *s, struct vhu_msg *m)
{
	if (m->payload.u64 > UINT8_MAX)
		return vhu_fail(s, -EINVAL, "device status 0x%" PRIx64, m->payload.u64);
	if (!m->payload.u64)
		return reset_device(s, m);
	vdev_set_status(dev_of(s), (uint8_t)m->payload.u64);
	return 0;
}

#define U64 sizeof(uint64_t)
#define STATE sizeof(struct vhu_vring_state)

static const struct vhu_request requests[] = {
	[VHU_GET_FEATURES] = {"GET_FEATURES", .answer = get_features},
	[VHU_SET_FEATURES] = {"SET_FEATURES", U64, .handle = set_features},
	[VHU_SET_OWNER] = {"SET_OWNER", .handle = set_owner},
	[VHU_RESET_OWNER] = {"RESET_OWNER", .handle = reset_owner},
	[VHU_SET_MEM_TABLE] = {"SET_MEM_TABLE", 8, sizeof(struct vhu_mem_table),
			       .max_fds = VHU_TABLE_REGIONS, .handle = vhu_mem_set_table},
	[VHU_SET_LOG_BASE] = {"SET_LOG_BASE", U64, 2 * U64, .max_fds = 1, .handle = refuse_log},
	[VHU_SET_LOG_FD] = {"SET_LOG_FD", 0, U64, .max_fds = 1, .handle = refuse_log},
	[VHU_SET_VRING_NUM] = {"SET_VRING_NUM", STATE, .handle = vhu_vring_num},
	[VHU_SET_VRING_ADDR] = {"SET_VRING_ADDR", sizeof(struct vhu_vring_addr),
				.handle = vhu_vring_addr},
	[VHU_SET_VRING_BASE] = {"SET_VRING_BASE", STATE, .handle = vhu_vring_base},
	[VHU_GET_VRING_BASE] = {"GET_VRING_BASE", STATE, .handle = vhu_vring_stop,
				.answer = vhu_vring_stop_answer},
	[VHU_SET_VRING_KICK] = {"SET_VRING_KICK", U64, .max_fds = 1, .handle = vhu_vring_kick},
	[VHU_SET_VRING_CALL] = {"SET_VRING_CALL", U64, .max_fds = 1, .handle = vhu_vring_call},
	[VHU_SET_VRING_ERR] = {"SET_VRING_ERR", U64, .max_fds = 1, .handle = vhu_vring_err},
	[VHU_GET_PROTOCOL_FEATURES] = {"GET_PROTOCOL_FEATURES", .answer = get_protocol_features},
	[VHU_SET_PROTOCOL_FEATURES] = {"SET_PROTOCOL_FEATURES", U64,
				       .handle = set_protocol_features},
	[VHU_GET_QUEUE_NUM] = {"GET_QUEUE_NUM", .answer = get_queue_num},
	[VHU_SET_VRING_ENABLE] = {"SET_VRING_ENABLE", STATE, .handle = vhu_vring_enable},
	[VHU_SET_BACKEND_REQ_FD] = {"SET_BACKEND_REQ_FD", 0, U64, .max_fds = 1,
				    .handle = set_backend_req_fd},
	[VHU_GET_CONFIG] = {"GET_CONFIG", VHU_CONFIG_HDR, sizeof(struct vhu_config),
			    .answer = get_config},
	[VHU_SET_CONFIG] = {"SET_CONFIG", VHU_CONFIG_HDR, sizeof(struct vhu_config), .soft = true,
			    .handle = set_config},
	[VHU_GET_INFLIGHT_FD] = {"GET_INFLIGHT_FD", VHU_INFLIGHT_MIN, sizeof(struct vhu_inflight),
				 .answer = vhu_inflight_create},
	[VHU_SET_INFLIGHT_FD] = {"SET_INFLIGHT_FD", VHU_INFLIGHT_MIN, sizeof(struct vhu_inflight),
				 .max_fds = 1, .handle = vhu_inflight_set},
	[VHU_RESET_DEVICE] = {"RESET_DEVICE", .handle = reset_device},
	[VHU_GET_MAX_MEM_SLOTS] = {"GET_MAX_MEM_SLOTS", .answer = get_max_mem_slots},
	[VHU_ADD_MEM_REG] = {"ADD_MEM_REG", sizeof(struct vhu_mem_slot), .max_fds = 1,
			     .handle = vhu_mem_add},
	[VHU_REM_MEM_REG] = {"REM_MEM_REG", sizeof(struct vhu_mem_slot), .handle = vhu_mem_remove},
	[VHU_SET_STATUS] = {"SET_STATUS", U64, .handle = set_status},
	[VHU_GET_STATUS] = {"GET_STATUS", .answer = get_status},
};

const struct vhu_request *vhu_request_find(uint32_t nr)
{
	return nr < ARRAY_SIZE(requests) && requests[nr].name ? &requests[nr] : NULL;
}
