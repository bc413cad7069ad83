/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vufe: the host's half of a virtio-fs device in user space, standing in for QEMU and the guest's
 * virtio driver, over vhost-user or vfio-user (vufe_vfu.h). It works against any vhost-user-fs back
 * end and serves two masters: the load generator, which wants the shortest path to the ring, and
 * the protocol tests, which want to send anything. That is why the structs are open: a test may
 * overwrite a ring, skip a step or lie in a message.
 *
 * Errors: functions return 0 (or a count) or -errno; struct vufe_dev.err then holds a sentence for
 * a person. Threads: a device is set up by one thread; after that each queue has one owner thread.
 */
#ifndef VUFE_H
#define VUFE_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "vufe_proto.h"
#include "vufe_vfu.h"

#define VUFE_FDS_MAX 64
#define VUFE_REGIONS_MAX 64
#define VUFE_TAG_LEN 36

struct vufe_dev;

/* A path that starts so means that transport, whatever the options say. */
#define VUFE_VFIO_PREFIX "vfio-user:"

enum vufe_transport { VUFE_VHOST_USER, VUFE_VFIO_USER };

/* How a vfio-user client tells of new requests. EVENTFD and MAPPED fail where not offered. */
enum vufe_kick { VUFE_KICK_AUTO, VUFE_KICK_MESSAGE, VUFE_KICK_EVENTFD, VUFE_KICK_MAPPED };

struct vufe_opts {
	const char *path;	/* borrowed for the life of the device */
	enum vufe_transport transport;
	enum vufe_kick kick;	/* vfio-user. AUTO: an eventfd, else messages */
	unsigned nr_queues;	/* request queues; hiprio comes on top. 0: 1 */
	unsigned queue_size;	/* power of two. 0: 256 */
	unsigned max_segs;	/* longest chain in segments. 0: 8 */
	unsigned nr_regions;	/* pieces the guest memory is cut into. 0: 1 */
	unsigned timeout_ms;	/* for replies and synchronous requests. 0: 5000 */
	size_t mem_size;	/* bytes of guest memory over all regions. 0: 16 MiB */
	uint64_t no_features;	/* virtio features not to accept */
	uint64_t no_proto;	/* protocol features not to accept */
	bool inflight;		/* keep requests over a reconnect in the back end's inflight area */
	bool unsealed;		/* memory that the back end cannot seal against shrinking */
	bool private_mem;	/* vfio-user: no descriptors; the device reads and writes by message */
	bool uml;		/* as User-Mode Linux: uaddr == gpa, call channels are sockets */
};

struct vufe_region {
	int fd;			/* memfd, owned */
	uint8_t *va;
	uint64_t gpa;
	uint64_t uaddr;		/* what the messages call the "user address" */
	uint64_t mmap_off;
	size_t size;
	size_t used;		/* bytes given out by vufe_alloc() */
};

struct vufe_seg {
	uint64_t gpa;
	uint32_t len;
};

/* Driver side of one split ring. Everything the device can write to is only ever copied from. */
struct vufe_vq {
	struct vufe_dev *dev;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint64_t desc_gpa, avail_gpa, used_gpa;
	struct vring_desc *ind;		/* max_segs entries a descriptor; NULL: not used */
	uint64_t ind_gpa;
	uint16_t *next;			/* private free list and chain links */
	uint16_t *count;		/* by head: ring descriptors of the chain, 0: not a head */
	uint8_t *busy;			/* by head: 1 while the device has it */
	uint16_t index, size;
	uint16_t free_head, nr_free;
	uint16_t avail_idx;		/* next entry to fill */
	uint16_t pub_idx;		/* what the device was shown */
	uint16_t used_idx;		/* next completion to take */
	uint16_t used_seen;		/* completions known to exist */
	uint16_t base;			/* sent with SET_VRING_BASE */
	bool event_idx;
	bool running;
	enum vufe_kick how;		/* vfio-user */
	uint16_t notify_index;		/* vfio-user: queue_notify_off */
	uint8_t *doorbell;		/* vfio-user, mapped; else NULL */
	int kick_fd, call_fd, err_fd;	/* our ends, owned */
	int call_peer;			/* what the device gets; == call_fd unless a socket pair */
	uint64_t nr_kicks;
};

struct vufe_dev {
	struct vufe_opts opts;
	const struct vufe_ops *ops;
	int sock;
	struct vfuc vfu;		/* vfio-user only */
	int backend_fd;			/* our end of the back end's request channel or -1 */
	int inflight_fd;		/* as the back end gave it, kept over reconnects, or -1 */
	struct vufe_inflight inflight;
	uint64_t offered, features;
	uint64_t proto_offered, proto;
	uint64_t max_queues;		/* of the device, hiprio included; 0: it did not say */
	unsigned nr_regions, next_region;
	struct vufe_region region[VUFE_REGIONS_MAX];
	unsigned nr_vqs;		/* hiprio (0) and request queues (1..) */
	struct vufe_vq *vq;
	uint8_t *bounce_in, *bounce_out;	/* of vufe_xfer() */
	uint64_t bounce_in_gpa, bounce_out_gpa;
	char err[256];
};

/*
 * What the transports do differently. Each is a step of the functions of the same name below and
 * called by them only.
 */
struct vufe_ops {
	const char *name;
	bool keeps_rings; /* the rings go on where they were after a reconnect */
	int (*negotiate)(struct vufe_dev *dev);
	int (*mem_send)(struct vufe_dev *dev);
	int (*mem_add)(struct vufe_dev *dev, unsigned region);
	int (*mem_remove)(struct vufe_dev *dev, unsigned region);
	int (*vqs_begin)(struct vufe_dev *dev);
	int (*vq_start)(struct vufe_vq *vq);
	int (*vqs_end)(struct vufe_dev *dev);
	int (*vq_stop)(struct vufe_vq *vq);
	int (*kick)(struct vufe_vq *vq);
	int (*is_broken)(struct vufe_vq *vq, int timeout_ms);
	int (*get_config)(struct vufe_dev *dev, uint32_t offset, uint32_t size, void *ret_data);
	int (*reset)(struct vufe_dev *dev);
	/* Answers messages of the device that wait; with private_mem only, else NULL. */
	int (*serve)(struct vufe_dev *dev);
	void (*hang_up)(struct vufe_dev *dev);
};

extern const struct vufe_ops vufe_vhost_ops;

/* Room for a request and for its answer in vufe_xfer(). */
#define VUFE_BOUNCE ((1u << 20) + (1u << 16))

/* Writes the sentence, returns err. */
int vufe_fail(struct vufe_dev *dev, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- vufe_msg.c: vhost-user messages. Only the socket of a device is looked at. ---- */

/* Sends bytes and descriptors as they are; fds stay the caller's. */
int vufe_send_raw(int sock, const void *buf, size_t len, const int *fds, unsigned nr_fds);
int vufe_send(struct vufe_dev *dev, uint32_t req, uint32_t flags, const void *payload, size_t len,
	      const int *fds, unsigned nr_fds);
/* len bytes; descriptors that come along are added to fds, *nr_fds of cap so far. -ENODATA: closed. */
int vufe_recv_exact(int sock, unsigned timeout_ms, void *buf, size_t len, int *fds,
		    unsigned *nr_fds, unsigned cap);
/* Reads one message; fds that came along are the caller's. -ENODATA: the peer closed. */
int vufe_recv(int sock, unsigned timeout_ms, struct vufe_hdr *hdr, void *payload, size_t cap,
	      int *fds, unsigned *nr_fds);
/* A message without an answer of its own: asks for an acknowledgement when REPLY_ACK is on. */
int vufe_do(struct vufe_dev *dev, uint32_t req, const void *payload, size_t len, const int *fds,
	    unsigned nr_fds);
int vufe_do_u64(struct vufe_dev *dev, uint32_t req, uint64_t v, int fd);
/* A message that is answered; the answer must be exactly reply_len bytes. */
int vufe_ask(struct vufe_dev *dev, uint32_t req, const void *payload, size_t len, void *reply,
	     size_t reply_len);
int vufe_ask_u64(struct vufe_dev *dev, uint32_t req, uint64_t *ret_v);

/* ---- vufe_dev.c: a device's life ---- */

/* Everything up to running queues. On failure the device is closed again, err stays readable. */
int vufe_open(struct vufe_dev *dev, const struct vufe_opts *opts);
/* NULL-safe for a zeroed device that vufe_prepare() has seen. */
void vufe_close(struct vufe_dev *dev);

/* The steps of vufe_open(), for tests which want them apart. */
void vufe_prepare(struct vufe_dev *dev, const struct vufe_opts *opts);
int vufe_connect(struct vufe_dev *dev);
int vufe_negotiate(struct vufe_dev *dev);
int vufe_mem_create(struct vufe_dev *dev);
int vufe_mem_send(struct vufe_dev *dev);
int vufe_mem_add(struct vufe_dev *dev, unsigned region);
int vufe_mem_remove(struct vufe_dev *dev, unsigned region);
int vufe_vqs_create(struct vufe_dev *dev);
int vufe_vqs_start(struct vufe_dev *dev);
/* Hangs up but keeps memory and rings, as a VMM does whose back end went away. */
void vufe_disconnect(struct vufe_dev *dev);
/* After vufe_disconnect(): connects again with the same memory and rings. */
int vufe_reconnect(struct vufe_dev *dev);

int vufe_get_config(struct vufe_dev *dev, uint32_t offset, uint32_t size, void *ret_data);
/* The device is reset and negotiated again, the rings are empty: vufe_vqs_start() comes next. */
int vufe_reset(struct vufe_dev *dev);
/* Asks for the inflight area and hands it back, as a front end does before starting queues. */
int vufe_inflight_setup(struct vufe_dev *dev);
bool vufe_alive(const struct vufe_dev *dev);

/* Guest memory, never freed. Regions take turns, so neighbours need not lie in one. NULL: full. */
void *vufe_alloc(struct vufe_dev *dev, size_t size, size_t align, uint64_t *ret_gpa);
uint64_t vufe_uaddr(const struct vufe_dev *dev, uint64_t gpa);

/* ---- vufe_vq.c: the ring ---- */

int vufe_vq_create(struct vufe_dev *dev, unsigned index);
void vufe_vq_destroy(struct vufe_vq *vq);
/* Empties the ring on the driver's side: what a driver does after a device reset. */
void vufe_vq_clear(struct vufe_vq *vq);
int vufe_vq_send_addr(struct vufe_vq *vq);
int vufe_vq_start(struct vufe_vq *vq);
int vufe_vq_enable(struct vufe_vq *vq, bool on);	/* vhost-user */
/*
 * GET_VRING_BASE: later starts go on from the index it returns. vfio-user: queue_reset, after which
 * the ring is empty and the index 0.
 */
int vufe_vq_stop(struct vufe_vq *vq, uint16_t *ret_base);
/* 1: the device says that the queue (vfio-user: some queue) is broken; 0: not within the time. */
int vufe_vq_is_broken(struct vufe_vq *vq, int timeout_ms);

/*
 * Writes a chain of nr_out readable and nr_in writable segments into descriptors it takes from the
 * ring and returns its head, or -ENOSPC. The chain stays built over any number of posts until
 * released: a load generator builds once and posts the same head again and again.
 */
int vufe_vq_build(struct vufe_vq *vq, const struct vufe_seg *seg, unsigned nr_out, unsigned nr_in);
void vufe_vq_release(struct vufe_vq *vq, uint16_t head);
/* Data path. Posts are invisible to the device until published; publish kicks if it must. */
void vufe_vq_post(struct vufe_vq *vq, uint16_t head);
int vufe_vq_publish(struct vufe_vq *vq);
/* 1: a completion; 0: none; -EIO: the device returned a head it was not given. */
int vufe_vq_pop(struct vufe_vq *vq, uint16_t *ret_head, uint32_t *ret_len);
/* Asks for an interrupt and sleeps. 1: completions; 0: time out; -ECONNRESET: the peer is gone. */
int vufe_vq_wait(struct vufe_vq *vq, int timeout_ms);
int vufe_vq_kick(struct vufe_vq *vq);

/* One request and its answer through bounce memory, one segment per iovec. 0 or -errno. */
int vufe_xfer(struct vufe_dev *dev, unsigned queue, const struct iovec *out, unsigned nr_out,
	      const struct iovec *in, unsigned nr_in, uint32_t *ret_len);

#endif
