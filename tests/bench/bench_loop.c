/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The straight line without socket and VM: READ of 4 KiB over the loop transport with handlers
 * that complete at once, beside a bare echo of the same chains (pop, push, publish: no FUSE, no
 * API). One thread plays guest and device, so the numbers are of both together; the guest polls,
 * so that no system call of an interrupt hides the rest.
 *
 * bench_loop [requests] [depth]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

#define READ_SIZE 4096u
#define HDR ((uint32_t)sizeof(struct fuse_out_header))

static void on_init(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		    struct fuse_init_in *arg, struct fuse_out_header *out,
		    struct fuse_init_out *reply)
{
	doca_devemu_vfs_fuse_req_complete(req, DOCA_SUCCESS);
}

static void on_read(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		    struct fuse_read_in *arg, struct fuse_out_header *out, struct doca_buf *dataout)
{
	out->len = HDR + arg->size;
	doca_devemu_vfs_fuse_req_complete(req, DOCA_SUCCESS);
}

static void typed(struct doca_devemu_vfs_io *io)
{
	OK(doca_devemu_vfs_io_event_vfs_fuse_init_req_handler_register(io, on_init));
	OK(doca_devemu_vfs_io_event_vfs_fuse_read_req_handler_register(io, on_read));
}

static void on_req(struct doca_devemu_vfs_req *req, void *user, union doca_data data)
{
	doca_devemu_vfs_req_complete(req, HDR + READ_SIZE);
}

static void generic(struct doca_devemu_vfs_io *io)
{
	const union doca_data none = { 0 };

	OK(doca_devemu_vfs_io_event_vfs_req_notice_register(io, on_req, none));
}

/* As Linux lays a READ out: header, argument | header, data. */
struct chain_mem {
	struct iovec seg[4];
};

static struct chain_mem *prepare(struct loop_driver *drv, unsigned int depth)
{
	struct chain_mem *mem = calloc(depth, sizeof(*mem));
	unsigned int i;

	for (i = 0; i < depth; i++) {
		struct fuse_in_header *in = loop_alloc(drv, 128, 64);
		struct fuse_read_in *rd = (void *)(in + 1);

		*in = (struct fuse_in_header){ .len = sizeof(*in) + sizeof(*rd),
					       .opcode = FUSE_READ, .unique = i };
		*rd = (struct fuse_read_in){ .size = READ_SIZE };
		mem[i].seg[0] = (struct iovec){ in, sizeof(*in) };
		mem[i].seg[1] = (struct iovec){ rd, sizeof(*rd) };
		mem[i].seg[2] = (struct iovec){ loop_alloc(drv, HDR, 64), HDR };
		mem[i].seg[3] = (struct iovec){ loop_alloc(drv, READ_SIZE, 4096), READ_SIZE };
	}
	return mem;
}

/* Keeps `depth` chains in the ring; device() does one step. Returns requests per second. */
static double drive(struct loop_driver *drv, struct loop_queue *q, unsigned int depth, uint64_t total,
		    void (*device)(void *arg), void *arg)
{
	struct chain_mem *mem = prepare(drv, depth), *done;
	uint64_t start, added = 0, got = 0;
	uint32_t len;
	double secs;

	q->polled = true;
	start = rig_now();
	for (; added < depth; added++)
		loop_add(drv, q, mem[added].seg, 2, 2, &mem[added]);
	loop_publish(q);
	while (got < total) {
		bool any = false;

		device(arg);
		while ((done = loop_get_used(q, &len))) {
			got++;
			any = loop_add(drv, q, done->seg, 2, 2, done);
		}
		if (any)
			loop_publish(q);
	}
	secs = (double)(rig_now() - start) / 1e9;
	free(mem);
	return (double)got / secs;
}

/* ---- bare echo ---- */

struct echo {
	struct vq vq;
	struct iovec seg[64];
};

static void echo_step(void *arg)
{
	struct echo *echo = arg;
	struct vq_chain ch;
	unsigned int i;

	for (i = 0; i < 16 && vq_pop(&echo->vq, echo->seg, 64, &ch) == 1; i++)
		vq_push(&echo->vq, ch.head, ch.len_out);
	vq_publish(&echo->vq);
}

static double bench_echo(struct rig *rig, uint64_t total, unsigned int depth)
{
	struct loop_driver *drv = &rig->drv;
	struct loop_queue *q = &drv->queue[2];
	struct gm_region region = { .gpa = LOOP_GPA, .size = drv->mem_len, .writable = true,
				    .map = drv->map };
	struct vq_config cfg = { .size = q->size, .features = drv->features };
	struct echo echo = { 0 };
	double rate;

	loop_queue_stop(drv, 2); /* its rings are ours now */
	assert_int_equal(gm_create(&region, 1, &cfg.gm), 0);
	cfg.desc = q->desc;
	cfg.avail = q->avail;
	cfg.used = q->used;
	assert_int_equal(vq_init(&echo.vq, &cfg, 0), 0);
	rate = drive(drv, q, depth, total, echo_step, &echo);
	vq_fini(&echo.vq);
	gm_put(cfg.gm);
	return rate;
}

static void progress(void *arg)
{
	struct rig *rig = arg;
	unsigned int i;

	for (i = 0; i < 16 && doca_pe_progress(rig->pe[0]); i++)
		;
}

static double bench(void (*handlers)(struct doca_devemu_vfs_io *io), uint64_t total,
		    unsigned int depth, double *ret_echo)
{
	struct rig rig = { .nr_pes = 1, .required = 1, .nr_request_queues = 2,
			   .register_handlers = handlers };
	double rate;

	rig_start(&rig);
	rig_guest(&rig);
	rig_settle(&rig);
	rate = drive(&rig.drv, &rig.drv.queue[1], depth, total, progress, &rig);
	*ret_echo = bench_echo(&rig, total, depth);
	rig_stop(&rig);
	return rate;
}

int main(int argc, char **argv)
{
	uint64_t total = argc > 1 ? strtoull(argv[1], NULL, 0) : 2000000;
	unsigned int depth = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 0) : 64;
	double echo, typed_rate, generic_rate;

	generic_rate = bench(generic, total, depth, &echo);
	typed_rate = bench(typed, total, depth, &echo);
	printf("%-24s %10.0f requests/s\n", "ring echo", echo);
	printf("%-24s %10.0f requests/s  %3.0f%% of echo\n", "generic API", generic_rate,
	       100 * generic_rate / echo);
	printf("%-24s %10.0f requests/s  %3.0f%% of echo\n", "FUSE-typed API", typed_rate,
	       100 * typed_rate / echo);
	return 0;
}
