/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * No allocation and no lock per request: every entry to the allocator and to pthread locks in this
 * program is counted, over 100 000 requests of several kinds, after a warm-up. The overrides below
 * replace the C library's functions for the whole program, library included.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

#define HDR ((uint32_t)sizeof(struct fuse_out_header))
#define REQUESTS 100000

static unsigned long allocs, locks;

/* glibc's own names of what is overridden. */
void *__libc_malloc(size_t len);
void *__libc_calloc(size_t cnt, size_t len);
void *__libc_realloc(void *p, size_t len);
void __libc_free(void *p);

void *malloc(size_t len)
{
	allocs++;
	return __libc_malloc(len);
}

void *calloc(size_t cnt, size_t len)
{
	allocs++;
	return __libc_calloc(cnt, len);
}

void *realloc(void *p, size_t len)
{
	allocs++;
	return __libc_realloc(p, len);
}

void free(void *p)
{
	allocs += p != NULL;
	__libc_free(p);
}

/* One counting stand-in per way to take a lock. */
#define COUNTED(name, type) \
	int name(type *lock) \
	{ \
		static int (*real)(type *lock); \
\
		locks++; \
		if (!real) \
			real = (int (*)(type *))dlsym(RTLD_NEXT, #name); \
		return real(lock); \
	}

COUNTED(pthread_mutex_lock, pthread_mutex_t)
COUNTED(pthread_mutex_trylock, pthread_mutex_t)
COUNTED(pthread_spin_lock, pthread_spinlock_t)
COUNTED(pthread_rwlock_rdlock, pthread_rwlock_t)
COUNTED(pthread_rwlock_wrlock, pthread_rwlock_t)

/* ---- the application ---- */

static unsigned int nr_seen;
static struct {
	struct doca_devemu_vfs_fuse_req *req;
	struct fuse_out_header *out;
} later[2]; /* completed with the next one, in reverse order */
static unsigned int nr_later;

static void on_init(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		    struct fuse_init_in *arg, struct fuse_out_header *out,
		    struct fuse_init_out *reply)
{
	doca_devemu_vfs_fuse_req_complete(req, DOCA_SUCCESS);
}

static void on_read(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		    struct fuse_read_in *arg, struct fuse_out_header *out, struct doca_buf *dataout)
{
	nr_seen++;
	out->len = HDR + arg->size;
	doca_devemu_vfs_fuse_req_complete(req, DOCA_SUCCESS);
}

static void on_lookup(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		      struct doca_buf *datain, struct fuse_out_header *out,
		      struct fuse_entry_out *entry)
{
	nr_seen++;
	later[nr_later].req = req;
	later[nr_later++].out = out;
	if (nr_later < 2)
		return;
	while (nr_later)
		doca_devemu_vfs_fuse_req_complete(later[--nr_later].req, DOCA_ERROR_NOT_FOUND);
}

static void typed(struct doca_devemu_vfs_io *io)
{
	OK(doca_devemu_vfs_io_event_vfs_fuse_init_req_handler_register(io, on_init));
	OK(doca_devemu_vfs_io_event_vfs_fuse_read_req_handler_register(io, on_read));
	OK(doca_devemu_vfs_io_event_vfs_fuse_lookup_req_handler_register(io, on_lookup));
}

/* ---- the guest: fixed messages, used over and over ---- */

#define DEPTH 16

struct message {
	struct iovec seg[4];
	unsigned int nr_in, nr_out;
};

static void fill(struct rig *rig, struct message *m, uint32_t opcode, const void *body,
		 uint32_t body_len, uint32_t room)
{
	struct fuse_in_header *in = loop_alloc(&rig->drv, 256, 64);

	*in = (struct fuse_in_header){ .len = (uint32_t)sizeof(*in) + body_len, .opcode = opcode,
				       .nodeid = 2 };
	memcpy(in + 1, body, body_len);
	m->seg[0] = (struct iovec){ in, in->len };
	m->seg[1] = (struct iovec){ loop_alloc(&rig->drv, HDR, 64), HDR };
	m->seg[2] = (struct iovec){ loop_alloc(&rig->drv, room, 64), room };
	m->nr_in = 1;
	m->nr_out = 2;
}

static void run(struct rig *rig, struct message *m, unsigned int cnt, unsigned int total)
{
	struct loop_queue *q = &rig->drv.queue[1];
	unsigned int sent = 0, got = 0;
	uint32_t len;

	while (got < total) {
		for (; sent < total && sent - got < cnt; sent++)
			loop_add(&rig->drv, q, m[sent % cnt].seg, m[sent % cnt].nr_in,
				 m[sent % cnt].nr_out, m);
		loop_publish(q);
		doca_pe_progress(rig->pe[0]);
		while (loop_get_used(q, &len))
			got++;
	}
}

static void test_nothing_per_request(void **state)
{
	struct rig rig = { .nr_pes = 1, .required = 1, .nr_request_queues = 1, .user_size = 64,
			   .register_handlers = typed };
	const struct fuse_read_in rd = { .size = 4096 };
	struct message m[DEPTH];
	unsigned long allocs_before, locks_before, allocs_after, locks_after;
	unsigned int i;

	rig_start(&rig);
	rig_guest(&rig);
	for (i = 0; i < DEPTH; i++) {
		if (i % 4 < 2)
			fill(&rig, &m[i], FUSE_READ, &rd, sizeof(rd), 4096);
		else if (i % 4 == 2)
			fill(&rig, &m[i], FUSE_LOOKUP, "name", 5, sizeof(struct fuse_entry_out));
		else /* no handler: answered by the library */
			fill(&rig, &m[i], FUSE_STATFS, "", 0, sizeof(struct fuse_statfs_out));
	}
	run(&rig, m, DEPTH, 1000);
	nr_seen = 0;
	allocs_before = allocs;
	locks_before = locks;
	run(&rig, m, DEPTH, REQUESTS);
	allocs_after = allocs;
	locks_after = locks;
	assert_int_equal(nr_seen, REQUESTS / 4 * 3);
	assert_int_equal(allocs_after - allocs_before, 0);
	assert_int_equal(locks_after - locks_before, 0);
	/* the counters do count */
	loop_renew_memory(&rig.drv);
	assert_true(allocs > allocs_after);
	assert_true(locks > locks_after);
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_nothing_per_request) };

	return cmocka_run_group_tests_name("alloc_count", tests, NULL, NULL);
}
