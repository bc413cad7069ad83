/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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
