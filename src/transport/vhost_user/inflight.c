/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * The in-flight region remembers, outside of this process, which chains were taken and not given
 * back. GET_INFLIGHT_FD makes a zeroed memfd (the ring engine takes zeros for "nothing recorded
 * yet") and gives it away; SET_INFLIGHT_FD brings it, or the one of a predecessor, before queues
 * start. It is mapped until the session ends or another one replaces it while no queue runs.
 *
 * The contents are the front end's to forge and the ring engine's to distrust. Here only sizes are
 * decided, and that the file cannot shrink under the mapping: it must carry F_SEAL_SHRINK, which
 * ours has from birth and QEMU's have too. It is mapped like guest memory because there are other
 * ways for its pages to go away (gm_guard.h), which then end the record and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "transport/vhost_user/vhu.h"

static int inflight_check(struct vhu_session *s, const struct vhu_inflight *w, size_t *ret_len)
{
	uint16_t max_queues = vdev_num_queues(vhu_port_of(s)->dev);

	if (!w->nr_queues || w->nr_queues > max_queues || !is_pow2(w->queue_size) ||
	    w->queue_size > VQ_MAX_SIZE)
		return vhu_fail(s, -EINVAL, "in-flight region for %u queues of %u", w->nr_queues,
				w->queue_size);
	*ret_len = w->nr_queues * vq_inflight_size(w->queue_size);
	return 0;
}

int vhu_inflight_create(struct vhu_session *s, const struct vhu_msg *m, struct vhu_reply *r)
{
	CLEANUP_FD int fd = -1;
	size_t len = 0;
	int rc;

	rc = inflight_check(s, &m->payload.inflight, &len);
	if (rc)
		return rc;
	fd = memfd_create("softdpu-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, (off_t)len) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return vhu_fail(s, -errno, "in-flight region: %s", strerror(errno));
	r->payload.inflight = m->payload.inflight;
	r->payload.inflight.mmap_size = len;
	r->payload.inflight.mmap_offset = 0;
	r->payload.inflight.padding = 0;
	r->hdr.size = m->hdr.size;
	r->fd = take_fd(fd);
	return 0;
}

static int inflight_check_file(struct vhu_session *s, int fd, const struct vhu_inflight *w,
			       size_t len)
{
	struct stat st;
	int seals;

	if (w->mmap_size < len || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    w->mmap_offset > (uint64_t)st.st_size || len > (uint64_t)st.st_size - w->mmap_offset)
		return vhu_fail(s, -EINVAL,
				"in-flight region of 0x%" PRIx64 " bytes, 0x%zx are needed",
				w->mmap_size, len);
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return vhu_fail(s, -EPERM, "in-flight region is not sealed against shrinking");
	return 0;
}

int vhu_inflight_set(struct vhu_session *s, struct vhu_msg *m)
{
	const struct vhu_inflight *w = &m->payload.inflight;
	int fd = m->nr_fds ? m->fd[0] : -1;
	struct gm_map *map;
	size_t len = 0;
	int rc;

	rc = inflight_check(s, w, &len);
	if (!rc && fd < 0)
		rc = vhu_fail(s, -EBADF, "in-flight region without a file descriptor");
	if (!rc)
		rc = inflight_check_file(s, fd, w, len);
	if (!rc && vhu_vring_any_running(s))
		rc = vhu_fail(s, -EBUSY, "in-flight region while queues are running");
	if (rc)
		return rc;
	rc = gm_map_fd(fd, w->mmap_offset, len, true, &map);
	if (rc)
		return vhu_fail(s, rc, "in-flight region: mmap: %s", strerror(-rc));
	vhu_inflight_release(s);
	s->inflight = map;
	s->inflight_queues = w->nr_queues;
	s->inflight_queue_size = w->queue_size;
	return 0;
}

void vhu_inflight_release(struct vhu_session *s)
{
	gm_map_put(s->inflight);
	s->inflight = NULL;
}

int vhu_inflight_log(struct vhu_session *s, unsigned int q, struct vq_inflight **ret_log)
{
	*ret_log = NULL;
	if (!s->inflight || q >= s->inflight_queues)
		return 0;
	if (s->vring[q].num > s->inflight_queue_size)
		return vhu_fail(s, -EINVAL, "queue %u has %u entries, its in-flight log %u", q,
				s->vring[q].num, s->inflight_queue_size);
	*ret_log = (struct vq_inflight *)(gm_map_base(s->inflight) +
					  q * vq_inflight_size(s->inflight_queue_size));
	return 0;
}
