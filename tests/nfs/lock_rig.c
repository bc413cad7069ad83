/* SPDX-License-Identifier: BSD-3-Clause */
#include "lock_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/nfs/nlm_listen.h"

void begin_locks(uint64_t *a, uint64_t *b)
{
	char more[64];

	m = memfs_start(&f, 1);
	snprintf(more, sizeof(more), ",lock=remote,nlmport=%u", f.port);
	drive_with(&d, more, FS_CACHE_AUTO, NULL);
	drive_with(&other, more, FS_CACHE_AUTO, NULL);
	*a = make(&d, "a", NULL);
	*b = make(&other, "a", NULL);
}

void end_locks(void)
{
	drive_close(&other);
	drive_close(&d);
	assert_int_equal(memfs_nr_locks(m), 0); /* the server has none of ours left */
	memfs_stop(&f);
}

void pump(void)
{
	d.fs->ops->poll(d.ft);
	other.fs->ops->poll(other.ft);
	nlm_listen_poll();
	usleep(1000);
}

void lock_init(struct call *c, struct drive *drive, uint32_t opcode, uint64_t fh, uint64_t owner, uint32_t type,
	       uint64_t start, uint64_t end)
{
	call_init(c, drive, opcode, ROOT);
	c->arg.lk = (struct fuse_lk_in){ .fh = fh, .owner = owner,
					 .lk = { .type = type, .start = start, .end = end, .pid = 7 } };
}

int set_lock(struct drive *drive, uint64_t fh, uint64_t owner, uint32_t type, uint64_t start, uint64_t end)
{
	static struct call c;

	lock_init(&c, drive, FUSE_SETLK, fh, owner, type, start, end);
	return call_run(&c);
}

int flush_owner(struct drive *drive, uint64_t fh, uint64_t owner)
{
	static struct call c;

	call_init(&c, drive, FUSE_FLUSH, ROOT);
	c.arg.flush.fh = fh;
	c.arg.flush.lock_owner = owner;
	return call_run(&c);
}

void interrupt(struct drive *drive, uint64_t unique)
{
	static struct call c;

	call_init(&c, drive, FUSE_INTERRUPT, ROOT);
	c.arg.interrupt.unique = unique;
	assert_int_equal(call_run(&c), 0);
}
