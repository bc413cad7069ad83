/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * Memory that the client cannot share has a shadow of the same size here, and the device works on
 * that with its usual queues. The relay keeps shadow and memory alike as far as a queue needs it,
 * in passes that copy pieces by message, one request at a time:
 *
 *   avail  the driver has kicked: read its avail ring; for new entries the descriptor table, per
 *          chain the indirect table and the readable buffers; show the entry in the shadow's avail
 *          ring and kick the device. At the end say in avail_event where the driver shall kick
 *          again, and look once more.
 *   used   the device has interrupted: per chain write the buffers, as far as the device has filled
 *          them, and the used entry; then the index, and interrupt the driver.
 *
 * So the driver's memory has the order of a device that is slow. The driver is never told not to
 * kick, the device never not to interrupt. Descriptors of chains that are out do not change, so
 * they are walked again, in the shadow, when a chain is given back.
 *
 * The driver is hostile as ever: what is walked is copied first, steps and bytes are bounded. What
 * cannot be carried out is shown to the device as an impossible head, on which it declares the
 * queue broken, as for a queue in mapped memory. The shadow grows with the pages that were touched;
 * past RELAY_MEMORY_MAX the relay lets the queues run dry and starts a fresh one.
 */
#include "transport/vfio_user/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/log.h"
#include "transport/vfio_user/vfu.h"

SD_LOG_REGISTER(VFIO_RELAY);

#define RELAY_CHAIN_MAX (16u << 20) /* bytes of one chain */
#define RELAY_MEMORY_MAX (512ull << 20)
#define RELAY_PAGE 4096u
#define RELAY_NO_HEAD 0xffffu

static struct vfu_session *relay_session(struct vfu_relay *r)
{
	return container_of(r, struct vfu_session, relay);
}

/* ---- pieces ---- */

static int relay_add(struct vfu_relay *r, bool write, uint64_t gpa, void *host, uint32_t len)
{
	if (r->nr_pieces == ARRAY_SIZE(r->piece))
		return -E2BIG;
	r->piece[r->nr_pieces++] = (struct relay_piece){gpa, host, len, write};
	return 0;
}

/* Memory of the driver, which has its shadow in one or several regions. */
static int relay_add_memory(struct vfu_relay *r, bool write, uint64_t gpa, uint64_t len)
{
	unsigned int hint = 0;
	uint64_t now;
	int rc = 0;

	for (; len && !rc; gpa += now, len -= now) {
		void *host = gm_translate(r->gm, gpa, len, write, &hint, &now);

		if (!host)
			return -EFAULT;
		rc = relay_add(r, write, gpa, host, (uint32_t)now);
	}
	return rc;
}

/* ---- the rings in the shadow ---- */

static struct vring_desc *relay_desc(const struct relay_queue *q, const struct gmem *gm)
{
	return gm_translate_gpa(gm, q->ring.desc, vq_desc_bytes(q->ring.size));
}

static struct vring_avail *relay_avail(const struct relay_queue *q, const struct gmem *gm)
{
	return gm_translate_gpa(gm, q->ring.avail, vq_avail_bytes(q->ring.size));
}

static struct vring_used *relay_used(const struct relay_queue *q, const struct gmem *gm)
{
	return gm_translate_gpa(gm, q->ring.used, vq_used_bytes(q->ring.size));
}

static bool relay_has_rings(const struct relay_queue *q, const struct gmem *gm)
{
	return gm && relay_desc(q, gm) && relay_avail(q, gm) && relay_used(q, gm);
}

/* One more entry for the device. */
static void relay_show(struct relay_queue *q, const struct gmem *gm, uint16_t head)
{
	static const uint64_t one = 1;
	struct vring_avail *a = relay_avail(q, gm);

	a->ring[q->avail % q->ring.size] = head;
	__atomic_store_n(&a->idx, (uint16_t)(q->avail + 1), __ATOMIC_RELEASE);
	if (write(q->kick_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		sd_log_ratelimited_warn("kick of queue %u: %s", q->index, strerror(errno));
}

static uint16_t relay_used_idx(const struct relay_queue *q, const struct gmem *gm)
{
	return __atomic_load_n(&relay_used(q, gm)->idx, __ATOMIC_ACQUIRE);
}

/* ---- chains ---- */

struct relay_walk {
	const uint8_t *table; /* in the shadow, of struct vring_desc */
	uint32_t nr, at, steps;
	bool over;
};

static int relay_walk_begin(struct vfu_relay *r, struct relay_walk *w)
{
	const struct relay_queue *q = r->q;
	struct vring_desc d;

	if (r->head >= q->ring.size)
		return -EPROTO;
	*w = (struct relay_walk){(const uint8_t *)relay_desc(q, r->gm), q->ring.size, r->head, 0,
				 false};
	memcpy(&d, w->table + r->head * sizeof(d), sizeof(d));
	if (!(d.flags & VRING_DESC_F_INDIRECT))
		return 0;
	if (!d.len || d.len % sizeof(d) || d.len > VQ_MAX_SEGS * sizeof(d))
		return -EPROTO;
	*w = (struct relay_walk){gm_translate_gpa(r->gm, d.addr, d.len),
				 d.len / (uint32_t)sizeof(d), 0, 0, false};
	return w->table ? 0 : -EFAULT;
}

/* 1 and a copy of the next descriptor; 0 that was the last; -EPROTO. */
static int relay_walk_next(struct relay_walk *w, struct vring_desc *ret)
{
	if (w->over)
		return 0;
	if (w->at >= w->nr || w->steps++ >= w->nr)
		return -EPROTO;
	memcpy(ret, w->table + w->at * sizeof(*ret), sizeof(*ret));
	if (ret->flags & VRING_DESC_F_INDIRECT)
		return -EPROTO;
	w->over = !(ret->flags & VRING_DESC_F_NEXT);
	w->at = ret->next;
	return 1;
}

/* The part of the chain that device (write) or driver has filled: room bytes at most. */
static int relay_add_chain(struct vfu_relay *r, bool write, uint64_t room)
{
	struct relay_walk w;
	struct vring_desc d;
	uint64_t sum = 0;
	int rc = relay_walk_begin(r, &w);

	while (!rc && (rc = relay_walk_next(&w, &d)) > 0) {
		uint64_t len = min((uint64_t)d.len, room);

		sum += d.len;
		if (sum > RELAY_CHAIN_MAX)
			return -E2BIG;
		if (!write)
			r->touched += d.len + 2 * RELAY_PAGE;
		rc = 0;
		if (!!(d.flags & VRING_DESC_F_WRITE) != write)
			continue;
		rc = relay_add_memory(r, write, d.addr, len);
		room -= len;
	}
	return rc;
}

/* ---- the end of a pass ---- */

/* A request that is out is forgotten: its reply is one to nothing. */
static void relay_end(struct vfu_relay *r)
{
	gm_put(r->gm);
	r->gm = NULL;
	r->q = NULL;
	r->nr_pieces = r->at = 0;
	r->done = 0;
	r->waiting = false;
}

static void relay_fail(struct vfu_relay *r, int err)
{
	struct relay_queue *q = r->q;

	sd_log_ratelimited_warn("queue %u cannot be relayed: %s", q->index, strerror(-err));
	q->dead = true;
	relay_show(q, r->gm, RELAY_NO_HEAD);
	relay_end(r);
}

/* ---- the avail pass ---- */

static int relay_avail_read(struct vfu_relay *r);

static int relay_read_avail(struct vfu_relay *r)
{
	r->step = relay_avail_read;
	return relay_add(r, false, r->q->ring.avail, r->avail, 4 + 2u * r->q->ring.size);
}

static int relay_next_chain(struct vfu_relay *r);

static int relay_chain_read(struct vfu_relay *r)
{
	relay_show(r->q, r->gm, r->head);
	r->q->avail++;
	return relay_next_chain(r);
}

static int relay_chain_known(struct vfu_relay *r)
{
	r->step = relay_chain_read;
	return relay_add_chain(r, false, UINT64_MAX);
}

static int relay_next_chain(struct vfu_relay *r)
{
	const struct relay_queue *q = r->q;
	struct vring_desc d;

	if (q->avail == r->end)
		return relay_read_avail(r);
	memcpy(&r->head, r->avail + 4 + 2 * (q->avail % q->ring.size), sizeof(r->head));
	if (r->head >= q->ring.size)
		return -EPROTO;
	memcpy(&d, &relay_desc(q, r->gm)[r->head], sizeof(d));
	r->step = relay_chain_known;
	if (!(d.flags & VRING_DESC_F_INDIRECT))
		return 0;
	if (d.len > VQ_MAX_SEGS * sizeof(d))
		return -EPROTO;
	r->touched += d.len + 2 * RELAY_PAGE;
	return relay_add_memory(r, false, d.addr, d.len);
}

static int relay_event_written(struct vfu_relay *r)
{
	r->q->event = r->number;
	return relay_read_avail(r);
}

static int relay_avail_read(struct vfu_relay *r)
{
	struct relay_queue *q = r->q;

	memcpy(&r->end, r->avail + 2, sizeof(r->end));
	if ((uint16_t)(r->end - q->avail) > q->ring.size)
		return -EPROTO;
	if (r->end != q->avail) {
		r->step = relay_next_chain;
		return relay_add_memory(r, false, q->ring.desc, vq_desc_bytes(q->ring.size));
	}
	if (q->event == q->avail) {
		relay_end(r);
		return 0;
	}
	r->number = q->avail;
	r->step = relay_event_written;
	return relay_add(r, true, q->ring.used + 4 + 8u * q->ring.size, (uint8_t *)&r->number, 2);
}

/* ---- the used pass ---- */

static int relay_used_written(struct vfu_relay *r)
{
	struct relay_queue *q = r->q;
	struct vring_avail *a = relay_avail(q, r->gm);

	q->used = r->end;
	/* used_event: the device interrupts for the next entry, or has it there by now */
	__atomic_store_n(&a->ring[q->ring.size], q->used, __ATOMIC_SEQ_CST);
	if (relay_used_idx(q, r->gm) != q->used)
		q->called = true;
	pci_func_interrupt(vfu_func(relay_session(r)), q->index);
	relay_end(r);
	return 0;
}

static int relay_next_used(struct vfu_relay *r)
{
	struct relay_queue *q = r->q;
	uint32_t slot = r->pos % q->ring.size;
	const struct vring_used *u = relay_used(q, r->gm);
	int rc;

	if (r->pos == r->end) {
		r->number = r->end;
		r->step = relay_used_written;
		return relay_add(r, true, q->ring.used + 2, (uint8_t *)&r->number, 2);
	}
	r->pos++;
	r->head = (uint16_t)u->ring[slot].id;
	r->step = relay_next_used;
	rc = relay_add_chain(r, true, u->ring[slot].len);
	return rc ? rc : relay_add_memory(r, true, q->ring.used + 4 + 8u * slot, 8);
}

/* ---- what to do next ---- */

static bool relay_runs(struct vfu_relay *r, const struct relay_queue *q)
{
	return q->started && !q->dead &&
	       pci_func_queue_runs(vfu_func(relay_session(r)), q->index);
}

static bool relay_any_out(struct vfu_relay *r)
{
	for (unsigned int i = 0; i < RELAY_QUEUES; i++) {
		const struct relay_queue *q = r->queue[i];

		if (q && relay_runs(r, q) && q->avail != q->used)
			return true;
	}
	return false;
}

static void relay_begin(struct vfu_relay *r, struct relay_queue *q)
{
	r->q = q;
	r->gm = gm_get(relay_session(r)->gm);
	if (q->called) {
		q->called = false;
		r->pos = q->used;
		r->end = relay_used_idx(q, r->gm);
		r->step = relay_next_used;
		if (r->pos == r->end)
			relay_end(r);
		return;
	}
	q->kicked = false;
	relay_read_avail(r);
}

/* false: there is nothing to do. */
static bool relay_choose(struct vfu_relay *r)
{
	struct vfu_session *s = relay_session(r);
	bool full = r->touched > RELAY_MEMORY_MAX;

	if (full && !relay_any_out(r) && !vfu_mem_renew(s)) {
		r->touched = 0;
		full = false;
		/* asked here, so that we are told */
		r->renewing = !pci_func_is_settled(vfu_func(s));
		if (r->renewing)
			return false;
	}
	for (unsigned int i = 0; i < RELAY_QUEUES; i++) {
		struct relay_queue *q = r->queue[(r->turn + i) % RELAY_QUEUES];

		if (!q || !(q->called || (q->kicked && !full)) || !relay_runs(r, q) ||
		    !relay_has_rings(q, s->gm))
			continue;
		r->turn = q->index + 1;
		relay_begin(r, q);
		return true;
	}
	return false;
}

static uint32_t relay_chunk(struct vfu_relay *r)
{
	return min(r->piece[r->at].len - r->done, relay_session(r)->limits.max_xfer);
}

static void relay_request(struct vfu_relay *r)
{
	const struct relay_piece *p = &r->piece[r->at];
	struct vfu_dma_access a = {p->gpa + r->done, relay_chunk(r)};

	vfu_tx_begin(&r->request, ++r->id, p->write ? VFU_DMA_WRITE : VFU_DMA_READ, VFU_F_COMMAND);
	vfu_tx_add(&r->request, &a, sizeof(a));
	if (p->write)
		vfu_tx_add(&r->request, p->host + r->done, a.count);
	r->waiting = true;
}

static void relay_step(struct vfu_relay *r)
{
	int rc;

	r->nr_pieces = r->at = 0;
	rc = r->step(r);
	if (rc)
		relay_fail(r, rc);
}

void vfu_relay_run(struct vfu_session *s)
{
	struct vfu_relay *r = &s->relay;

	if (r->renewing && pci_func_is_settled(vfu_func(s)))
		r->renewing = false;
	while (s->fd >= 0 && !r->renewing && !r->waiting && !r->request.len) {
		if (r->q && !relay_runs(r, r->q))
			relay_end(r);
		if (!r->q && !relay_choose(r))
			return;
		if (!r->q)
			continue;
		if (r->at < r->nr_pieces)
			relay_request(r);
		else
			relay_step(r);
	}
}

void vfu_relay_reply(struct vfu_session *s, const struct vfu_msg *m)
{
	struct vfu_relay *r = &s->relay;
	const struct relay_piece *p = &r->piece[r->at];
	uint32_t chunk;

	if (!r->waiting || m->hdr.id != r->id ||
	    m->hdr.cmd != (p->write ? VFU_DMA_WRITE : VFU_DMA_READ)) {
		sd_log_dbg("reply to nothing, command %u", m->hdr.cmd);
		return;
	}
	r->waiting = false;
	chunk = relay_chunk(r);
	if (m->hdr.flags & VFU_F_ERROR) {
		relay_fail(r, -EIO);
		return;
	}
	if (!p->write && m->len != sizeof(struct vfu_dma_access) + chunk) {
		relay_fail(r, -EPROTO);
		return;
	}
	if (!p->write)
		memcpy(p->host + r->done, m->payload + sizeof(struct vfu_dma_access), chunk);
	r->done += chunk;
	if (r->done < p->len)
		return;
	r->done = 0;
	r->at++;
}

void vfu_relay_cancel(struct vfu_session *s)
{
	struct vfu_relay *r = &s->relay;

	if (!r->q)
		return;
	r->q->kicked = r->q->called = true;
	relay_end(r);
}

void vfu_relay_copy_rings(struct vfu_session *s, const struct gmem *from, const struct gmem *to)
{
	for (unsigned int i = 0; i < RELAY_QUEUES; i++) {
		const struct relay_queue *q = s->relay.queue[i];
		uint16_t size;

		if (!q || !relay_has_rings(q, from) || !relay_has_rings(q, to))
			continue;
		size = q->ring.size;
		memcpy(relay_desc(q, to), relay_desc(q, from), vq_desc_bytes(size));
		memcpy(relay_avail(q, to), relay_avail(q, from), vq_avail_bytes(size));
		memcpy(relay_used(q, to), relay_used(q, from), vq_used_bytes(size));
	}
}

/* ---- queues ---- */

static enum ctx_progress relay_called(struct pe_source *src, uint32_t revents)
{
	struct relay_queue *q = container_of(src, struct relay_queue, call);
	uint64_t cnt;

	if (read(src->fd, &cnt, sizeof(cnt)) != sizeof(cnt))
		return CTX_NOTHING;
	q->called = true;
	vfu_session_go_on(q->s);
	return CTX_HOUSEKEEPING;
}

/* The client has this descriptor, too. */
static enum ctx_progress relay_kicked(struct pe_source *src, uint32_t revents)
{
	struct relay_queue *q = container_of(src, struct relay_queue, bell);

	q->kicked = true;
	vfu_session_go_on(q->s);
	return CTX_HOUSEKEEPING;
}

/* -ENOENT: doorbells are memory, of which nobody is told. */
static int relay_find_bell(struct vfu_session *s, unsigned int index)
{
	uint64_t offset;
	uint32_t size;
	int fd;

	for (unsigned int bar = 0; bar < PCI_FUNC_REGION_ROM; bar++)
		if (!pci_func_nth_doorbell(vfu_func(s), bar, index, &offset) &&
		    !pci_func_doorbell(vfu_func(s), bar, offset, &fd, &size))
			return fd;
	return -ENOENT;
}

static void relay_free_queue(struct relay_queue *q)
{
	struct doca_pe *pe = vfu_port_of(q->s)->pe;

	pe_source_remove(pe, &q->bell);
	pe_source_remove(pe, &q->call);
	if (q->call.fd >= 0)
		close(q->call.fd);
	if (q->kick_fd >= 0)
		close(q->kick_fd);
	free(q);
}

static int relay_new_queue(struct vfu_session *s, unsigned int index, struct relay_queue **ret)
{
	struct doca_pe *pe = vfu_port_of(s)->pe;
	struct relay_queue *q = calloc(1, sizeof(*q));
	int rc = 0;

	if (!q)
		return -ENOMEM;
	q->s = s;
	q->index = index;
	q->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->call = (struct pe_source){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
				     .events = EPOLLIN, .ready = relay_called};
	q->bell = (struct pe_source){.fd = relay_find_bell(s, index),
				     .events = EPOLLIN | EPOLLET, .ready = relay_kicked};
	if (q->kick_fd < 0 || q->call.fd < 0 || q->bell.fd < 0)
		rc = q->bell.fd < 0 ? q->bell.fd : -EMFILE;
	if (!rc)
		rc = pe_source_add(pe, &q->call);
	if (!rc)
		rc = pe_source_add(pe, &q->bell);
	if (rc)
		relay_free_queue(q);
	else
		*ret = q;
	return rc;
}

/* As after a reset: whatever lay there. */
static void relay_clear_rings(const struct relay_queue *q, const struct gmem *gm)
{
	memset(relay_avail(q, gm), 0, vq_avail_bytes(q->ring.size));
	memset(relay_used(q, gm), 0, vq_used_bytes(q->ring.size));
}

static int relay_dup_fds(const struct relay_queue *q, int *ret_kick_fd, int *ret_call_fd)
{
	*ret_kick_fd = fcntl(q->kick_fd, F_DUPFD_CLOEXEC, 0);
	*ret_call_fd = fcntl(q->call.fd, F_DUPFD_CLOEXEC, 0);
	if (*ret_kick_fd >= 0 && *ret_call_fd >= 0)
		return 0;
	if (*ret_kick_fd >= 0)
		close(*ret_kick_fd);
	if (*ret_call_fd >= 0)
		close(*ret_call_fd);
	*ret_kick_fd = *ret_call_fd = -1;
	return -EMFILE;
}

static int relay_start(void *port, unsigned int index, const struct pci_func_queue *info,
		       int *ret_kick_fd, int *ret_call_fd)
{
	struct vfu_session *s = &((struct vfu_port *)port)->session;
	struct vfu_relay *r = &s->relay;
	struct relay_queue *q;
	int rc;

	if (index >= RELAY_QUEUES)
		return -EINVAL;
	rc = r->queue[index] ? 0 : relay_new_queue(s, index, &r->queue[index]);
	if (rc)
		return rc;
	q = r->queue[index];
	if (r->q == q)
		relay_end(r);
	q->ring = *info;
	if (!relay_has_rings(q, s->gm))
		return -EFAULT;
	relay_clear_rings(q, s->gm);
	q->avail = q->used = q->event = 0;
	q->started = q->kicked = true;
	q->called = q->dead = false;
	return relay_dup_fds(q, ret_kick_fd, ret_call_fd);
}

const struct pci_func_relay vfu_relay_ops = {
	.start = relay_start,
};

/* ---- life ---- */

int vfu_relay_init(struct vfu_session *s)
{
	return vfu_tx_init(&s->relay.request);
}

void vfu_relay_reset(struct vfu_session *s)
{
	struct vfu_relay *r = &s->relay;

	relay_end(r);
	for (unsigned int i = 0; i < RELAY_QUEUES; i++) {
		if (r->queue[i])
			relay_free_queue(r->queue[i]);
		r->queue[i] = NULL;
	}
	r->touched = 0;
	r->renewing = false;
}

void vfu_relay_fini(struct vfu_session *s)
{
	vfu_relay_reset(s);
	vfu_tx_fini(&s->relay.request);
}
