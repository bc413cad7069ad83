/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct fake f;
struct memfs *m;
struct drive d, other;

char opts[256];

void drive_with(struct drive *drive, const char *more, enum fs_cache_mode cache,
		       const char *state_dir)
{
	const struct fs_config cfg = { .type = "nfs", .server = "127.0.0.1", .export_path = "/x",
				       .options = opts, .cache = cache, .state_dir = state_dir };

	snprintf(opts, sizeof(opts), "nfsport=%u,mountport=%u,timeo=20%s", f.port, f.port, more);
	nfs_drive_as(drive, &cfg);
}

void begin(const char *more)
{
	m = memfs_start(&f, 1);
	drive_with(&d, more, FS_CACHE_AUTO, NULL);
}

void end(void)
{
	drive_close(&d);
	memfs_stop(&f);
}

uint64_t make(struct drive *drive, const char *name, uint64_t *node)
{
	struct fuse_entry_out e;
	uint64_t fh;

	assert_int_equal(op_create(drive, ROOT, name, O_RDWR, 0644, &e, &fh), 0);
	if (node)
		*node = e.nodeid;
	return fh;
}

int xattr_op(uint32_t opcode, uint64_t node, const char *name, void *value, size_t size)
{
	static struct call c;
	int rc;

	call_init(&c, &d, opcode, node);
	c.req.name[0] = name;
	c.arg.getxattr.size = (uint32_t)size; /* SETXATTR has it at the same place */
	if (opcode == FUSE_SETXATTR)
		call_data(&c, value, size);
	else
		call_room(&c, size);
	rc = call_run(&c);
	if (rc || opcode == FUSE_SETXATTR || opcode == FUSE_REMOVEXATTR)
		return rc;
	if (!size)
		return (int)c.out.xattr_size.size;
	memcpy(value, c.buf, c.req.out_len);
	return (int)c.req.out_len;
}
