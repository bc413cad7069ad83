/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes down every request when it comes and when it is answered:
 *
 *   > 18 LOOKUP node 1 "name"
 *   < 18 LOOKUP -2 after 41 us
 *
 * The number is the request's own, in hexadecimal. INIT and DESTROY are answered above all
 * wrappers.
 */
#include <inttypes.h>

#include "base/clock.h"
#include "doca_log.h"
#include "fs/types.h"
#include "fs/wrap/wrap.h"
#include "softdpu_ext.h"

DOCA_LOG_REGISTER(VIRTIOFS::FS_LOG);

static const char *const op_name[FS_OP_LIMIT] = {
#define HANDLER(NAME, name, names, params, args) [FUSE_##NAME] = #NAME,
#include "handlers.def"
#undef HANDLER
};

static const char *name_of(const struct fs_req *req)
{
	const char *name = op_name[req->in->opcode];

	return name ? name : "?";
}

static int log_open(const struct fs_config *cfg, struct fs **ret_fs, char *err)
{
	return wrap_open_plain(&fs_wrap_log, ret_fs);
}

static void log_done(struct fs_req *req, int err)
{
	uint64_t us = (clock_ns() - req->layer_data) / 1000;

	if (err || !req->out_len)
		DOCA_LOG_INFO("< %" PRIx64 " %s %d after %" PRIu64 " us", req->in->unique,
			      name_of(req), err, us);
	else
		DOCA_LOG_INFO("< %" PRIx64 " %s %zu bytes after %" PRIu64 " us", req->in->unique,
			      name_of(req), req->out_len, us);
	fs_req_done(req, err);
}

/* Where in a file and how much, for the three kinds of request that say so. */
static bool range_of(const struct fs_req *req, uint64_t *ret_off, uint64_t *ret_len)
{
	switch (req->in->opcode) {
	case FUSE_READ:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		*ret_off = req->read->offset;
		*ret_len = req->read->size;
		return true;
	case FUSE_WRITE:
		*ret_off = req->write->offset;
		*ret_len = req->write->size;
		return true;
	default:
		return false;
	}
}

/* The guest chose the bytes: none of them may forge a line of the log. */
static const char *printable(const char *name, char *buf, size_t size)
{
	size_t i;

	for (i = 0; name[i] && i < size - 1; i++)
		buf[i] = (unsigned char)name[i] < ' ' || name[i] == 0x7f ? '?' : name[i];
	buf[i] = '\0';
	return buf;
}

static void log_op(struct fs_req *req)
{
	uint64_t off, len;
	char name[64];

	if (range_of(req, &off, &len))
		DOCA_LOG_INFO("> %" PRIx64 " %s node %" PRIu64 " %" PRIu64 "+%" PRIu64,
			      req->in->unique, name_of(req), req->in->nodeid, off, len);
	else if (req->name[0])
		DOCA_LOG_INFO("> %" PRIx64 " %s node %" PRIu64 " \"%s\"", req->in->unique,
			      name_of(req), req->in->nodeid,
			      printable(req->name[0], name, sizeof(name)));
	else
		DOCA_LOG_INFO("> %" PRIx64 " %s node %" PRIu64, req->in->unique, name_of(req),
			      req->in->nodeid);
	fs_submit_lower(req, log_done, clock_ns());
}

const struct fs_ops fs_wrap_log = {
	.name = "log",
	.open = log_open,
	.close = wrap_close_plain,
	.attach = wrap_attach_plain,
	.detach = wrap_detach_plain,
	.op = { [1 ... FS_OP_LIMIT - 1] = log_op },
};
