/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: one request at a time. The readable parts are laid one behind the other in
 * the device's bounce memory, the writable ones in a second piece, each part a segment of its own
 * as Linux does it. A request that times out keeps its descriptors: the device may still write to
 * them, and a test that goes on after a time out is told so by the next -EBUSY.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "vufe.h"

static int lay_out(struct vufe_dev *dev, const struct iovec *v, unsigned n, uint64_t gpa,
		   uint8_t *copy_to, struct vufe_seg *seg)
{
	size_t at = 0;
	unsigned i;

	for (i = 0; i < n; i++) {
		if (v[i].iov_len > VUFE_BOUNCE - at)
			return vufe_fail(dev, -EMSGSIZE, "more than %u bytes", VUFE_BOUNCE);
		if (copy_to)
			memcpy(copy_to + at, v[i].iov_base, v[i].iov_len);
		seg[i] = (struct vufe_seg){gpa + at, (uint32_t)v[i].iov_len};
		at += v[i].iov_len;
	}
	return 0;
}

static int wait_for(struct vufe_vq *vq, uint16_t want, uint32_t *ret_len)
{
	uint64_t end = clock_ns() + vq->dev->opts.timeout_ms * 1000000ull;
	uint16_t head;
	int r;

	for (;;) {
		r = vufe_vq_pop(vq, &head, ret_len);
		if (r < 0)
			return r;
		if (r && head == want)
			return 0;
		if (r)
			return vufe_fail(vq->dev, -EBUSY, "an older request was answered instead");
		if (clock_ns() >= end)
			return vufe_fail(vq->dev, -ETIMEDOUT, "queue %u: no answer in %u ms",
					 vq->index, vq->dev->opts.timeout_ms);
		r = vufe_vq_wait(vq, 100);
		if (r < 0)
			return r;
	}
}

static void copy_back(const struct vufe_dev *dev, const struct iovec *in, unsigned nr_in,
		      uint32_t len)
{
	size_t at = 0;
	unsigned i;

	for (i = 0; i < nr_in && at < len; i++) {
		size_t n = len - at < in[i].iov_len ? len - at : in[i].iov_len;

		memcpy(in[i].iov_base, dev->bounce_out + at, n);
		at += n;
	}
}

int vufe_xfer(struct vufe_dev *dev, unsigned queue, const struct iovec *out, unsigned nr_out,
	      const struct iovec *in, unsigned nr_in, uint32_t *ret_len)
{
	struct vufe_seg seg[16];
	struct vufe_vq *vq = &dev->vq[queue];
	int head, r;

	if (nr_out + nr_in > 16)
		return -EINVAL;
	r = lay_out(dev, out, nr_out, dev->bounce_in_gpa, dev->bounce_in, seg);
	if (!r)
		r = lay_out(dev, in, nr_in, dev->bounce_out_gpa, NULL, seg + nr_out);
	if (r)
		return r;
	head = vufe_vq_build(vq, seg, nr_out, nr_in);
	if (head < 0)
		return vufe_fail(dev, head, "queue %u: no room for the request", queue);
	vufe_vq_post(vq, (uint16_t)head);
	r = vufe_vq_publish(vq);
	if (!r)
		r = wait_for(vq, (uint16_t)head, ret_len);
	if (r)
		return r;
	copy_back(dev, in, nr_in, *ret_len);
	vufe_vq_release(vq, (uint16_t)head);
	return 0;
}
