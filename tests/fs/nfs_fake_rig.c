/* SPDX-License-Identifier: BSD-3-Clause */
#include "nfs_fake_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct fake f;
struct drive d;

void begin_with(enum fake_verdict (*handle)(struct fake *f, struct fake_call *c), const char *more)
{
	char opts[128];

	fake_start(&f, handle);
	snprintf(opts, sizeof(opts), "nfsport=%u,mountport=%u%s", f.port, f.port, more);
	nfs_drive(&d, "/x", opts);
}

/* timeo: short only where silence is the point; a busy machine must not look like a dead server. */
void begin_timeo(enum fake_verdict (*handle)(struct fake *f, struct fake_call *c), int timeo)
{
	char more[32];

	snprintf(more, sizeof(more), ",timeo=%d", timeo);
	begin_with(handle, more);
}

void begin(enum fake_verdict (*handle)(struct fake *f, struct fake_call *c))
{
	begin_timeo(handle, 200);
}

void end(void)
{
	drive_close(&d);
	fake_stop(&f);
}

unsigned int calls(int proc)
{
	return __atomic_load_n(&f.count[proc], __ATOMIC_RELAXED);
}

uint64_t open_file(const char *name, uint32_t flags)
{
	struct fuse_entry_out e;
	uint64_t fh;

	assert_int_equal(op_lookup(&d, ROOT, name, &e), 0);
	assert_int_equal(op_open(&d, e.nodeid, flags, &fh), 0);
	return fh;
}

uint32_t seen32(size_t off)
{
	const struct fake_call c = { .arg = f.seen, .arg_len = sizeof(f.seen) };

	return get32(&c, off);
}
