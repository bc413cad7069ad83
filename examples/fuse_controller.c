/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A controller in the FUSE-typed form of the API: one handler for each operation, which gets header
 * and argument as structures and fills the reply. Only data has to be copied by DMA. What has no
 * handler is answered by the library.
 *
 * usage: fuse_controller [TAG]
 */
#include <errno.h>
#include <string.h>

#include "copier.h"
#include "device.h"
#include "hello.h"

struct controller {
	struct device device;
	struct copier *copier;
};

/* Lies in the user data area of a request whose data is being copied. */
struct request {
	struct controller *controller;
	struct doca_devemu_vfs_fuse_req *req;
	const struct fuse_in_header *in;
	struct fuse_out_header *out;
	int block;
	size_t len;
};

/* Error or success with an answer of len bytes behind the header. */
static void reply(struct doca_devemu_vfs_fuse_req *req, const struct fuse_in_header *in,
		  struct fuse_out_header *out, int error, size_t len)
{
	out->unique = in->unique;
	out->error = error;
	out->len = (uint32_t)(sizeof(*out) + (error ? 0 : len));
	doca_devemu_vfs_fuse_req_complete(req, error ? DOCA_ERROR_UNKNOWN : DOCA_SUCCESS);
}

static void on_init(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		    struct fuse_in_header *in, struct fuse_init_in *init_in,
		    struct fuse_out_header *out, struct fuse_init_out *init_out)
{
	reply(req, in, out, hello_init(init_in, init_out), sizeof(*init_out));
}

static void on_getattr(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		       struct fuse_in_header *in, struct fuse_getattr_in *getattr_in,
		       struct fuse_out_header *out, struct fuse_attr_out *attr_out)
{
	reply(req, in, out, hello_getattr(in->nodeid, attr_out), sizeof(*attr_out));
}

static void on_open(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		    struct fuse_in_header *in, struct fuse_open_in *open_in,
		    struct fuse_out_header *out, struct fuse_open_out *open_out)
{
	reply(req, in, out, 0, sizeof(*open_out));
}

static void on_release(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		       struct fuse_in_header *in, struct fuse_release_in *release_in,
		       struct fuse_out_header *out)
{
	reply(req, in, out, 0, 0);
}

/* ---- with data ---- */

/* Readies a request for a copy; without a free block the guest is told to try again. */
static struct request *request_begin(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
				     const struct fuse_in_header *in, struct fuse_out_header *out)
{
	struct doca_ctx *io = doca_devemu_vfs_io_as_ctx(doca_devemu_vfs_fuse_req_get_vfs_io(req));
	struct request *r = req_user_data;
	union doca_data data;

	MUST(doca_ctx_get_user_data(io, &data));
	r->controller = data.ptr;
	r->req = req;
	r->in = in;
	r->out = out;
	r->block = copier_get_block(r->controller->copier);
	if (r->block >= 0)
		return r;
	reply(req, in, out, -EAGAIN, 0);
	return NULL;
}

static void request_end(struct request *r, int error, size_t len)
{
	copier_put_block(r->controller->copier, r->block);
	reply(r->req, r->in, r->out, error, len);
}

static void on_name_copied(void *arg, int failed)
{
	struct request *r = arg;
	const char *name = copier_memory(r->controller->copier, r->block);
	struct fuse_entry_out *entry = (void *)(r->out + 1);

	request_end(r, failed ? -EIO : hello_lookup(r->in->nodeid, name, entry), sizeof(*entry));
}

/* The library has seen to it that the name ends with a NUL. */
static void on_lookup(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		      struct fuse_in_header *in, struct doca_buf *datain,
		      struct fuse_out_header *out, struct fuse_entry_out *entry)
{
	struct request *r = request_begin(req, req_user_data, in, out);

	(void)entry;
	if (r)
		copier_read(r->controller->copier, r->block, datain, on_name_copied, r);
}

static void on_data_copied(void *arg, int failed)
{
	struct request *r = arg;

	request_end(r, failed ? -EIO : 0, r->len);
}

typedef int (*fill_block)(uint64_t nodeid, const struct fuse_read_in *in, char *buf, size_t room);

static void give_data(struct request *r, const struct fuse_read_in *arg, struct doca_buf *dataout,
		      fill_block fill)
{
	struct copier *copier = r->controller->copier;
	size_t room = doca_devemu_vfs_fuse_req_get_dataout_data_len(r->req);
	int len = fill(r->in->nodeid, arg, copier_memory(copier, r->block),
		       room < COPIER_BLOCK ? room : COPIER_BLOCK);

	if (len <= 0) {
		request_end(r, len, 0);
		return;
	}
	r->len = (size_t)len;
	copier_write(copier, r->block, r->len, dataout, on_data_copied, r);
}

static void on_read(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		    struct fuse_in_header *in, struct fuse_read_in *read_in,
		    struct fuse_out_header *out, struct doca_buf *dataout)
{
	struct request *r = request_begin(req, req_user_data, in, out);

	if (r)
		give_data(r, read_in, dataout, hello_read);
}

static void on_readdir(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		       struct fuse_in_header *in, struct fuse_read_in *readdir_in,
		       struct fuse_out_header *out, struct doca_buf *dataout)
{
	struct request *r = request_begin(req, req_user_data, in, out);

	if (r)
		give_data(r, readdir_in, dataout, hello_readdir);
}

#define HANDLE(operation, handler) \
	MUST(doca_devemu_vfs_io_event_vfs_fuse_##operation##_req_handler_register(io, handler))

static void register_handlers(struct doca_devemu_vfs_io *io)
{
	HANDLE(init, on_init);
	HANDLE(lookup, on_lookup);
	HANDLE(getattr, on_getattr);
	HANDLE(open, on_open);
	HANDLE(read, on_read);
	HANDLE(release, on_release);
	HANDLE(opendir, on_open);
	HANDLE(readdir, on_readdir);
	HANDLE(releasedir, on_release);
}

int main(int argc, char **argv)
{
	static struct controller c;
	union doca_data data = {.ptr = &c};
	struct doca_devemu_vfs_cfg *cfg;

	MUST(doca_devemu_vfs_cfg_create(&cfg));
	MUST(doca_devemu_vfs_cfg_set_vfs_fuse_req_user_data_size(cfg, sizeof(struct request)));
	MUST(doca_devemu_vfs_init(cfg));
	MUST(doca_devemu_vfs_cfg_destroy(cfg));
	device_open(&c.device, argc > 1 ? argv[1] : "hello");
	c.copier = copier_create(c.device.dev, c.device.pe);
	MUST(doca_ctx_set_user_data(doca_devemu_vfs_io_as_ctx(c.device.io), data));
	register_handlers(c.device.io);
	device_serve(&c.device);
	copier_destroy(c.copier, c.device.pe);
	device_close(&c.device);
	MUST(doca_devemu_vfs_teardown());
	return 0;
}
