/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: vufe_call() puts the header in front of the arguments, sends them over
 * vufe_xfer() and checks what every answer must keep: its length field equals the bytes the device
 * says it wrote, and its unique is ours. The INIT exchange fixes the layouts of later messages;
 * flags are those a server may have without changing the meaning of other calls.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vufe_fuse.h"

/* Every answer's body fits the bounce memory, so the length needs no test of its own here. */
#define OUT_MAX (VUFE_BOUNCE - sizeof(struct fuse_out_header))

#define INIT_FLAGS                                                                                 \
	(FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_DO_READDIRPLUS | FUSE_PARALLEL_DIROPS |          \
	 FUSE_MAX_PAGES | FUSE_ATOMIC_O_TRUNC | FUSE_INIT_EXT)

void vufe_fill_header(struct vufe_fs *fs, struct fuse_in_header *h, uint32_t opcode,
		      uint64_t nodeid, size_t args_len)
{
	memset(h, 0, sizeof(*h));
	h->len = (uint32_t)(sizeof(*h) + args_len);
	h->opcode = opcode;
	/* Linux steps by two: the low bit marks interrupts. */
	h->unique = fs->unique += 2;
	h->nodeid = nodeid;
	h->uid = fs->uid;
	h->gid = fs->gid;
	h->pid = fs->pid;
}

static int check_answer(struct vufe_fs *fs, struct vufe_call *c, const struct fuse_out_header *h,
			uint32_t len)
{
	if (len < sizeof(*h) || h->len != len)
		return vufe_fail(fs->dev, -EPROTO, "opcode %u: answer of %u bytes says %u",
				 c->opcode, len, len < sizeof(*h) ? 0 : h->len);
	if (h->unique != fs->unique)
		return vufe_fail(fs->dev, -EPROTO, "opcode %u: answer to another request",
				 c->opcode);
	if (h->error > 0 || h->error < -4095)
		return vufe_fail(fs->dev, -EPROTO, "opcode %u: error %d", c->opcode, h->error);
	c->out_len = len - sizeof(*h);
	if (!h->error && c->exact && c->out_len != c->out_cap)
		return vufe_fail(fs->dev, -EPROTO, "opcode %u: body of %zu bytes instead of %zu",
				 c->opcode, c->out_len, c->out_cap);
	return h->error;
}

static bool no_answer(uint32_t opcode)
{
	return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET;
}

int vufe_call(struct vufe_fs *fs, struct vufe_call *c)
{
	struct fuse_in_header ih;
	struct fuse_out_header oh;
	struct iovec out[VUFE_ARGS_MAX + 1] = {{&ih, sizeof(ih)}}, in[2] = {{&oh, sizeof(oh)}};
	unsigned i, nr_out = 1, nr_in = no_answer(c->opcode) ? 0 : c->out_cap ? 2 : 1;
	size_t args = 0;
	uint32_t len;
	int r;

	if (c->nr_args > VUFE_ARGS_MAX || c->out_cap > OUT_MAX)
		return -EINVAL;
	for (i = 0; i < c->nr_args; i++) {
		/* A driver never sends a segment of no bytes. */
		if (c->arg[i].iov_len)
			out[nr_out++] = c->arg[i];
		args += c->arg[i].iov_len;
	}
	in[1] = (struct iovec){c->out, c->out_cap};
	vufe_fill_header(fs, &ih, c->opcode, c->nodeid, args);
	r = vufe_xfer(fs->dev, nr_in ? fs->queue : 0, out, nr_out, in, nr_in, &len);
	if (r || !nr_in)
		return r;
	return check_answer(fs, c, &oh, len);
}

int vufe_fs_init(struct vufe_fs *fs, struct vufe_dev *dev)
{
	struct fuse_init_in in = {.major = FUSE_KERNEL_VERSION,
				  .minor = FUSE_KERNEL_MINOR_VERSION,
				  .max_readahead = 1u << 20,
				  .flags = INIT_FLAGS};
	struct vufe_call c = {.opcode = FUSE_INIT,
			      .arg = {{&in, sizeof(in)}},
			      .nr_args = 1,
			      .out = &fs->init,
			      .out_cap = sizeof(fs->init)};
	int r;

	memset(fs, 0, sizeof(*fs));
	fs->dev = dev;
	fs->queue = 1;
	fs->uid = geteuid();
	fs->gid = getegid();
	fs->pid = (uint32_t)getpid();
	r = vufe_call(fs, &c);
	if (r)
		return dev->err[0] ? r : vufe_fail(dev, r, "INIT: %s", strerror(-r));
	if (fs->init.major != FUSE_KERNEL_VERSION)
		return vufe_fail(dev, -EPROTO, "INIT: the server speaks FUSE %u", fs->init.major);
	return 0;
}

int vufe_ping(struct vufe_fs *fs)
{
	struct fuse_attr_out a;
	int r = vufe_getattr(fs, FUSE_ROOT_ID, &a);

	if (r)
		return r;
	return S_ISDIR(a.attr.mode) ? 0 : vufe_fail(fs->dev, -ENOTDIR, "the root is no directory");
}

int vufe_walk(struct vufe_fs *fs, const char *path, struct fuse_entry_out *ret_entry)
{
	struct fuse_attr_out a;
	char name[256];
	int r = vufe_getattr(fs, FUSE_ROOT_ID, &a);

	memset(ret_entry, 0, sizeof(*ret_entry));
	ret_entry->nodeid = FUSE_ROOT_ID;
	ret_entry->attr = a.attr;
	while (!r && *(path += strspn(path, "/"))) {
		size_t n = strcspn(path, "/");

		if (n >= sizeof(name))
			return -ENAMETOOLONG;
		memcpy(name, path, n);
		name[n] = 0;
		path += n;
		r = vufe_lookup(fs, ret_entry->nodeid, name, ret_entry);
	}
	return r;
}
