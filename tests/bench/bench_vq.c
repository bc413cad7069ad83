/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one request costs in the ring engine and the decoder, on one thread with the driver
 * simulated in the same loop: nanoseconds, best of several rounds. "driver" is that simulation
 * alone, to subtract.
 *
 * usage: bench_vq [rounds]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/util.h"
#include "fuse/fuse_msg.h"
#include "vdrv.h"

#define QUEUE 256
#define DEPTH 32
#define BATCHES 200 /* per round: short, so that some round runs undisturbed */

struct bench {
	struct vdrv d;
	struct vq vq;
	struct vq_inflight *log;
	struct vdrv_buf buf[4];
	struct vring_desc *table; /* one per head, four entries each */
	uint16_t head[DEPTH];
	bool indirect;
	struct fuse_session ss;
};

static struct fuse_stage stage;
static uint64_t sink; /* keeps results alive */

/* A 4 KiB READ as Linux sends it: header, argument | out header, data. */
static void bench_init(struct bench *b, bool indirect, bool log)
{
	struct fuse_in_header in = { .len = 80, .opcode = FUSE_READ, .unique = 2, .nodeid = 1 };
	struct vq_config cfg;

	memset(b, 0, sizeof(*b));
	b->indirect = indirect;
	b->ss.minor = 38;
	if (vdrv_init(&b->d, QUEUE, VDRV_F_EVENT_IDX | (indirect ? VDRV_F_INDIRECT : 0), 1 << 20,
		      0))
		abort();
	b->buf[0] = (struct vdrv_buf){ b->d.space, 40 };
	b->buf[1] = (struct vdrv_buf){ b->d.space + 64, 40 };
	b->buf[2] = (struct vdrv_buf){ b->d.space + 128, 16 };
	b->buf[3] = (struct vdrv_buf){ b->d.space + 4096, 4096 };
	b->table = (void *)(b->d.space + 8192);
	memcpy(b->buf[0].p, &in, sizeof(in));
	cfg = vdrv_config(&b->d);
	if (log) {
		b->log = aligned_alloc(64, vq_inflight_size(QUEUE));
		memset(b->log, 0, vq_inflight_size(QUEUE));
		cfg.inflight = b->log;
	}
	if (vq_init(&b->vq, &cfg, 1))
		abort();
}

static void bench_fini(struct bench *b)
{
	vq_fini(&b->vq);
	vdrv_fini(&b->d);
	free(b->log);
}

static void drive_add(struct bench *b)
{
	for (unsigned int i = 0; i < DEPTH; i++) {
		struct vring_desc *table = b->table + 4 * b->d.free_head;

		b->head[i] = (uint16_t)(b->indirect ?
						vdrv_add_indirect(&b->d, table, b->buf, 2, 2) :
						vdrv_add(&b->d, b->buf, 2, 2));
	}
}

static void drive_take(struct bench *b)
{
	uint32_t len;

	while (vdrv_take(&b->d, &len) >= 0)
		sink += len;
}

/* The device's half done without the engine. */
static void batch_driver(struct bench *b)
{
	drive_add(b);
	for (unsigned int i = 0; i < DEPTH; i++)
		b->d.used->ring[(b->d.used->idx + i) % QUEUE] =
			(struct vring_used_elem){ b->head[i], 16 };
	b->d.used->idx = (uint16_t)(b->d.used->idx + DEPTH);
	drive_take(b);
}

static void batch_ring(struct bench *b)
{
	struct iovec seg[16];
	struct vq_chain ch;

	drive_add(b);
	while (vq_pop(&b->vq, seg, 16, &ch) == 1)
		vq_push(&b->vq, ch.head, ch.len_out);
	sink += vq_publish(&b->vq);
	drive_take(b);
}

static void batch_fuse(struct bench *b)
{
	struct fuse_decoded dec;
	struct iovec seg[16];
	struct vq_chain ch;
	struct chain c;

	drive_add(b);
	while (vq_pop(&b->vq, seg, 16, &ch) == 1) {
		if (fuse_decode(seg, &ch, &b->ss, &stage, &dec))
			abort();
		stage.out.len = 16 + dec.dataout_len;
		chain_init_len(&c, seg + ch.nr_in, ch.nr_out, ch.len_out);
		vq_push(&b->vq, ch.head, fuse_reply(&c, ch.len_out, &dec, &stage));
	}
	sink += vq_publish(&b->vq);
	drive_take(b);
}

static double measure(struct bench *b, void (*batch)(struct bench *b), unsigned int rounds)
{
	double best = 1e9;

	for (unsigned int r = 0; r < rounds; r++) {
		uint64_t t = clock_ns();

		for (unsigned int i = 0; i < BATCHES; i++)
			batch(b);
		t = clock_ns() - t;
		best = min(best, (double)t / BATCHES / DEPTH);
	}
	return best;
}

/* The decoder alone, on one popped chain. */
static double measure_decode(struct bench *b, unsigned int rounds)
{
	double best = 1e9;
	struct fuse_decoded dec;
	struct iovec seg[16];
	struct vq_chain ch;

	drive_add(b);
	if (vq_pop(&b->vq, seg, 16, &ch) != 1)
		abort();
	for (unsigned int r = 0; r < rounds; r++) {
		uint64_t t = clock_ns();

		for (unsigned int i = 0; i < BATCHES * DEPTH; i++) {
			sink += (uint64_t)fuse_decode(seg, &ch, &b->ss, &stage, &dec);
			sink += dec.dataout_len;
		}
		best = min(best, (double)(clock_ns() - t) / BATCHES / DEPTH);
	}
	return best;
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? (unsigned int)atoi(argv[1]) : 500;
	static struct bench b;

	printf("chain of 4 descriptors, batches of %d, ns per request\n", DEPTH);
	printf("%-22s %8s %14s %17s\n", "", "driver", "pop+push+publ", "+ decode, reply");
	for (unsigned int how = 0; how < 4; how++) {
		double driver, ring, fuse;

		bench_init(&b, how & 1, how & 2);
		driver = measure(&b, batch_driver, rounds);
		bench_fini(&b);
		bench_init(&b, how & 1, how & 2);
		ring = measure(&b, batch_ring, rounds) - driver;
		fuse = measure(&b, batch_fuse, rounds) - driver;
		bench_fini(&b);
		printf("%-10s%-12s %8.1f %14.1f %17.1f\n", how & 1 ? "indirect" : "direct",
		       how & 2 ? "logged" : "", driver, ring, fuse);
	}
	bench_init(&b, false, false);
	printf("fuse_decode READ alone: %.1f\n", measure_decode(&b, rounds));
	bench_fini(&b);
	return sink == 1;
}
