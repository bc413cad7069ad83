/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A controller in the generic form of the API: each request comes as two lists of buffers in guest
 * memory, and the program does all of the FUSE protocol. A request is copied in by DMA, answered,
 * and its answer copied out.
 *
 * usage: generic_controller [TAG]
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/queue.h>

#include "copier.h"
#include "device.h"
#include "hello.h"

struct controller {
	struct device device;
	struct copier *copier;
	TAILQ_HEAD(, request) waiting; /* for blocks */
};

/* Lies in the user data area of a request. */
struct request {
	struct controller *controller;
	struct doca_devemu_vfs_req *req;
	int in, out; /* blocks */
	uint32_t out_len;
	TAILQ_ENTRY(request) link;
};

/* What an operation sees: all of the request, and room behind the header of the answer. */
struct message {
	const struct fuse_in_header *in;
	const void *arg;
	void *answer;
	size_t room;
};

static int answer_init(const struct message *m)
{
	int result = hello_init(m->arg, m->answer);

	return result ? result : (int)sizeof(struct fuse_init_out);
}

static int answer_lookup(const struct message *m)
{
	int result = hello_lookup(m->in->nodeid, m->arg, m->answer);

	return result ? result : (int)sizeof(struct fuse_entry_out);
}

static int answer_getattr(const struct message *m)
{
	int result = hello_getattr(m->in->nodeid, m->answer);

	return result ? result : (int)sizeof(struct fuse_attr_out);
}

static int answer_open(const struct message *m)
{
	return sizeof(struct fuse_open_out);
}

static int answer_read(const struct message *m)
{
	return hello_read(m->in->nodeid, m->arg, m->answer, m->room);
}

static int answer_readdir(const struct message *m)
{
	return hello_readdir(m->in->nodeid, m->arg, m->answer, m->room);
}

static int answer_nothing(const struct message *m)
{
	return 0;
}

static const struct operation {
	uint32_t opcode;
	size_t arg; /* bytes at least */
	size_t room; /* bytes at least, behind the header */
	int (*answer)(const struct message *m); /* bytes of the answer, or -errno */
} operations[] = {
	/* guests older than 7.36 send less than all of the argument */
	{FUSE_INIT, offsetof(struct fuse_init_in, flags2), sizeof(struct fuse_init_out),
	 answer_init},
	{FUSE_LOOKUP, 1, sizeof(struct fuse_entry_out), answer_lookup},
	{FUSE_GETATTR, sizeof(struct fuse_getattr_in), sizeof(struct fuse_attr_out),
	 answer_getattr},
	{FUSE_OPEN, sizeof(struct fuse_open_in), sizeof(struct fuse_open_out), answer_open},
	{FUSE_OPENDIR, sizeof(struct fuse_open_in), sizeof(struct fuse_open_out), answer_open},
	{FUSE_READ, sizeof(struct fuse_read_in), 0, answer_read},
	{FUSE_READDIR, sizeof(struct fuse_read_in), 0, answer_readdir},
	{FUSE_FLUSH, 0, 0, answer_nothing},
	{FUSE_RELEASE, 0, 0, answer_nothing},
	{FUSE_RELEASEDIR, 0, 0, answer_nothing},
	{FUSE_DESTROY, 0, 0, answer_nothing},
};

static int answer(const struct message *m, size_t arg_len)
{
	size_t i;

	for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		const struct operation *op = &operations[i];

		if (op->opcode != m->in->opcode)
			continue;
		if (arg_len < op->arg || m->room < op->room)
			return -EINVAL;
		memset(m->answer, 0, op->room);
		return op->answer(m);
	}
	return -ENOSYS;
}

static void start_waiting(struct controller *c);

static void finish(struct request *r, uint32_t len)
{
	struct controller *c = r->controller;

	doca_devemu_vfs_req_complete(r->req, len);
	copier_put_block(c->copier, r->in);
	copier_put_block(c->copier, r->out);
	start_waiting(c);
}

static void on_answer_copied(void *arg, int failed)
{
	struct request *r = arg;

	finish(r, failed ? 0 : r->out_len);
}

/* The request is here, in our memory, where the guest can not change it any more. */
static void on_request_copied(void *arg, int failed)
{
	struct request *r = arg;
	struct copier *copier = r->controller->copier;
	size_t in_len = doca_devemu_vfs_req_get_datain_data_len(r->req);
	size_t room = doca_devemu_vfs_req_get_dataout_data_len(r->req);
	char *in = copier_memory(copier, r->in);
	struct fuse_out_header *out = (void *)copier_memory(copier, r->out);
	struct message m = {(const void *)in, in + sizeof(*m.in), out + 1, 0};
	int result;

	if (room > COPIER_BLOCK)
		room = COPIER_BLOCK;
	/* FORGET and its like have no answer; what is malformed gets none. */
	if (failed || in_len < sizeof(*m.in) || m.in->len != in_len || room < sizeof(*out)) {
		finish(r, 0);
		return;
	}
	in[in_len] = '\0'; /* a name ends here, whatever the guest says */
	m.room = room - sizeof(*out);
	result = answer(&m, in_len - sizeof(*m.in));
	out->unique = m.in->unique;
	out->error = result < 0 ? result : 0;
	out->len = (uint32_t)sizeof(*out) + (result < 0 ? 0 : (uint32_t)result);
	r->out_len = out->len;
	copier_write(copier, r->out, out->len, doca_devemu_vfs_req_get_dataout(r->req),
		     on_answer_copied, r);
}

static int start(struct request *r)
{
	struct copier *copier = r->controller->copier;

	r->in = copier_get_block(copier);
	r->out = r->in < 0 ? -1 : copier_get_block(copier);
	if (r->out < 0) {
		if (r->in >= 0)
			copier_put_block(copier, r->in);
		return 0;
	}
	/* One byte of the block is for a NUL. Longer requests carry data, which nobody may write. */
	if (doca_devemu_vfs_req_get_datain_data_len(r->req) >= COPIER_BLOCK)
		finish(r, 0);
	else
		copier_read(copier, r->in, doca_devemu_vfs_req_get_datain(r->req),
			    on_request_copied, r);
	return 1;
}

static void start_waiting(struct controller *c)
{
	struct request *r = TAILQ_FIRST(&c->waiting);

	if (!r)
		return;
	TAILQ_REMOVE(&c->waiting, r, link);
	if (!start(r))
		TAILQ_INSERT_HEAD(&c->waiting, r, link);
}

static void on_request(struct doca_devemu_vfs_req *req, void *req_user_data,
		       union doca_data event_user_data)
{
	struct request *r = req_user_data;

	r->controller = event_user_data.ptr;
	r->req = req;
	if (!start(r))
		TAILQ_INSERT_TAIL(&r->controller->waiting, r, link);
}

int main(int argc, char **argv)
{
	static struct controller c;
	union doca_data data = {.ptr = &c};

	TAILQ_INIT(&c.waiting);
	device_open(&c.device, argc > 1 ? argv[1] : "hello");
	c.copier = copier_create(c.device.dev, c.device.pe);
	MUST(doca_devemu_vfs_dev_set_vfs_req_user_data_size(c.device.vfs, sizeof(struct request)));
	MUST(doca_devemu_vfs_io_event_vfs_req_notice_register(c.device.io, on_request, data));
	device_serve(&c.device);
	copier_destroy(c.copier, c.device.pe);
	device_close(&c.device);
	return 0;
}
