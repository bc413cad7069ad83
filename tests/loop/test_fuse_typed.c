/* SPDX-License-Identifier: BSD-3-Clause */
/* FUSE-typed requests over the loop transport, from the guest's ring and back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "rig.h"

#define HDR ((uint32_t)sizeof(struct fuse_out_header))

/* What the last handler was given, and what it does. */
static struct seen {
	unsigned int calls;
	struct doca_devemu_vfs_fuse_req *req;
	void *user;
	struct fuse_in_header in;
	char name[64];
	size_t staged;
	uint32_t datain_len, dataout_len, dataout_list;
	uint64_t id;
	uint16_t domain;
	uint32_t open_flags;
} seen;
static doca_error_t answer; /* status to complete with */
static int answer_error; /* out->error to set */
static uint32_t answer_len; /* out->len to set */
static bool keep; /* do not complete */

static void note(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		 struct doca_buf *datain)
{
	void *data;

	seen.calls++;
	seen.req = req;
	seen.user = user;
	seen.in = *in;
	seen.staged = softdpu_fuse_req_staged_len(req);
	seen.datain_len = doca_devemu_vfs_fuse_req_get_datain_data_len(req);
	seen.dataout_len = doca_devemu_vfs_fuse_req_get_dataout_data_len(req);
	seen.dataout_list = doca_devemu_vfs_fuse_req_get_dataout_list_len(req);
	seen.id = doca_devemu_vfs_fuse_req_get_id(req);
	seen.domain = doca_devemu_vfs_fuse_req_get_src_domain_id(req);
	seen.name[0] = 0;
	if (datain) {
		OK(doca_buf_get_data(datain, &data));
		memcpy(seen.name, data, min(seen.datain_len, (uint32_t)sizeof(seen.name) - 1));
	}
}

static void finish(struct doca_devemu_vfs_fuse_req *req, struct fuse_out_header *out)
{
	if (out) {
		out->error = answer_error;
		out->len = answer_len;
	}
	if (!keep)
		doca_devemu_vfs_fuse_req_complete(req, answer);
}

static void on_init(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		    struct fuse_init_in *arg, struct fuse_out_header *out,
		    struct fuse_init_out *reply)
{
	note(req, user, in, NULL);
	reply->major = 7;
	reply->minor = 38;
	reply->flags = arg->flags;
	reply->max_write = 1 << 20;
	finish(req, out);
}

static void on_lookup(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		      struct doca_buf *datain, struct fuse_out_header *out,
		      struct fuse_entry_out *entry)
{
	note(req, user, in, datain);
	assert_ptr_equal(out + 1, entry);
	entry->nodeid = 42;
	finish(req, out);
}

static void on_forget(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		      struct fuse_forget_in *arg)
{
	note(req, user, in, NULL);
	finish(req, NULL);
}

static void on_read(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		    struct fuse_read_in *arg, struct fuse_out_header *out, struct doca_buf *dataout)
{
	struct iovec iov[64];
	int i, cnt = softdpu_buf_list_to_iov(dataout, iov, 64);

	note(req, user, in, NULL);
	assert_true(cnt > 0);
	for (i = 0; i < cnt; i++)
		memset(iov[i].iov_base, 'r', iov[i].iov_len);
	answer_len = HDR + arg->size;
	finish(req, out);
	answer_len = 0;
}

static void on_write(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		     struct fuse_write_in *arg, struct doca_buf *datain, struct fuse_out_header *out,
		     struct fuse_write_out *reply)
{
	note(req, user, in, datain);
	reply->size = arg->size;
	finish(req, out);
}

static void on_mkdir(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		     struct fuse_mkdir_in *arg, struct doca_buf *datain,
		     struct fuse_out_header *out, struct fuse_entry_out *entry)
{
	note(req, user, in, datain);
	assert_string_equal((char *)(arg + 1), seen.name);
	((struct fuse_entry_out *)(out + 1))->nodeid = 43;
	finish(req, out);
}

static void on_create(struct doca_devemu_vfs_fuse_req *req, void *user, struct fuse_in_header *in,
		      struct fuse_create_in *arg, struct doca_buf *datain,
		      struct fuse_out_header *out, struct fuse_entry_out *entry,
		      struct fuse_open_out *open_out)
{
	note(req, user, in, datain);
	assert_ptr_equal(entry + 1, open_out);
	entry->nodeid = 44;
	open_out->fh = 99;
	seen.open_flags = arg->flags;
	finish(req, out);
}

static void on_getxattr(struct doca_devemu_vfs_fuse_req *req, void *user,
			struct fuse_in_header *in, struct fuse_getxattr_in *arg,
			struct doca_buf *datain, struct fuse_out_header *out,
			struct fuse_getxattr_out *reply, struct doca_buf *dataout)
{
	struct iovec iov;

	note(req, user, in, datain);
	if (arg->size) {
		assert_int_equal(softdpu_buf_list_to_iov(dataout, &iov, 1), 1);
		memcpy(iov.iov_base, "value", 5);
		answer_len = HDR + 5;
	} else {
		assert_null(dataout);
		reply->size = 5;
	}
	finish(req, out);
	answer_len = 0;
}

static void typed_handlers(struct doca_devemu_vfs_io *io)
{
#define REG(op) OK(doca_devemu_vfs_io_event_vfs_fuse_##op##_req_handler_register(io, on_##op))
	REG(init);
	REG(lookup);
	REG(forget);
	REG(read);
	REG(write);
	REG(mkdir);
	REG(create);
	REG(getxattr);
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	memset(&seen, 0, sizeof(seen));
	answer = DOCA_SUCCESS;
	answer_error = 0;
	answer_len = 0;
	keep = false;
	rig->nr_pes = rig->required = 1;
	rig->nr_request_queues = 2;
	rig->user_size = 100;
	rig->register_handlers = typed_handlers;
	rig_start(rig);
	rig_guest(rig);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	rig_stop(*state);
	free(*state);
	return 0;
}

static void test_init(void **state)
{
	struct rig *rig = *state;
	struct rig_msg *msg = rig_init(rig, 38, FUSE_ASYNC_READ);
	struct fuse_init_out *init = (void *)(msg->out + 1);

	assert_int_equal(msg->len, HDR + sizeof(*init));
	assert_int_equal(msg->out->len, msg->len);
	assert_int_equal(msg->out->error, 0);
	assert_int_equal(msg->out->unique, msg->in->unique);
	assert_int_equal(init->max_write, 1 << 20);
	assert_int_equal(seen.domain, 1);
}

static void test_old_client(void **state)
{
	struct rig_msg *msg = rig_init(*state, 30, 0);

	assert_int_equal(msg->out->error, -EPROTO);
	assert_int_equal(msg->len, HDR);
	assert_int_equal(seen.calls, 0);
}

static void test_lookup(void **state)
{
	struct rig *rig = *state;
	struct rig_msg *msg = rig_call(rig, 1, FUSE_LOOKUP, NULL, 0, "file", 5,
				       HDR + sizeof(struct fuse_entry_out));
	struct fuse_entry_out *entry = (void *)(msg->out + 1);

	assert_string_equal(seen.name, "file");
	assert_int_equal(seen.datain_len, 5);
	assert_int_equal(seen.staged, 5);
	assert_int_equal(seen.dataout_len, 0);
	assert_int_equal(entry->nodeid, 42);
	assert_int_equal(msg->len, HDR + sizeof(*entry));
	assert_non_null(seen.user);
	assert_int_equal((uintptr_t)seen.user % 64, 0);
}

static void test_read_write(void **state)
{
	struct rig *rig = *state;
	struct fuse_read_in rd = { .size = 4096 };
	struct fuse_write_in wr = { .size = 5 };
	uint32_t split[] = { 0, HDR, HDR + 1000, 8 };
	struct rig_msg *msg;
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(split); i++) {
		const uint8_t *data;

		msg = rig_send(rig, 2, FUSE_READ, &rd, sizeof(rd), NULL, 0, HDR + 4096, split[i]);
		rig_wait(rig, msg);
		assert_int_equal(msg->len, HDR + 4096);
		assert_int_equal(msg->out->len, HDR + 4096);
		assert_int_equal(msg->out->unique, msg->in->unique);
		assert_int_equal(seen.dataout_len, 4096);
		data = (void *)(msg->out + 1);
		for (k = 0; k < 4096; k++)
			assert_int_equal(data[k], 'r');
		assert_int_equal(seen.domain, 2);
	}
	msg = rig_call(rig, 2, FUSE_WRITE, &wr, sizeof(wr), "hello", 5,
		       HDR + sizeof(struct fuse_write_out));
	assert_string_equal(seen.name, "hello");
	assert_int_equal(((struct fuse_write_out *)(msg->out + 1))->size, 5);
}

static void test_contiguity(void **state)
{
	struct rig *rig = *state;
	struct fuse_mkdir_in mk = { .mode = 0755 };
	struct fuse_create_in cr = { .flags = 0 };
	struct rig_msg *msg;
	struct fuse_open_out *open_out;

	msg = rig_call(rig, 1, FUSE_MKDIR, &mk, sizeof(mk), "d", 2,
		       HDR + sizeof(struct fuse_entry_out));
	assert_int_equal(((struct fuse_entry_out *)(msg->out + 1))->nodeid, 43);
	msg = rig_call(rig, 1, FUSE_CREATE, &cr, sizeof(cr), "f", 2,
		       HDR + sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out));
	open_out = (void *)((uint8_t *)(msg->out + 1) + sizeof(struct fuse_entry_out));
	assert_int_equal(open_out->fh, 99);
	assert_int_equal(msg->len, HDR + sizeof(struct fuse_entry_out) + sizeof(*open_out));
}

static void test_getxattr(void **state)
{
	struct rig *rig = *state;
	struct fuse_getxattr_in x = { .size = 0 };
	struct rig_msg *msg;

	msg = rig_call(rig, 1, FUSE_GETXATTR, &x, sizeof(x), "user.a", 7,
		       HDR + sizeof(struct fuse_getxattr_out));
	assert_int_equal(msg->len, HDR + sizeof(struct fuse_getxattr_out));
	assert_int_equal(((struct fuse_getxattr_out *)(msg->out + 1))->size, 5);
	x.size = 32;
	msg = rig_call(rig, 1, FUSE_GETXATTR, &x, sizeof(x), "user.a", 7, HDR + 32);
	assert_int_equal(msg->len, HDR + 5);
	assert_memory_equal(msg->out + 1, "value", 5);
}

static void test_errors(void **state)
{
	static const struct {
		doca_error_t status;
		int error, wire;
	} cases[] = {
		{ DOCA_ERROR_UNKNOWN, -ENOENT, -ENOENT },
		{ DOCA_ERROR_UNKNOWN, 0, -EIO },
		{ DOCA_SUCCESS, -EACCES, -EACCES },
		{ DOCA_SUCCESS, 5, -EIO },
		{ DOCA_SUCCESS, -5000, -EIO },
		{ DOCA_ERROR_NO_MEMORY, 0, -ENOMEM },
		{ DOCA_ERROR_NOT_SUPPORTED, 0, -EOPNOTSUPP },
		{ DOCA_ERROR_NOT_FOUND, 0, -ENOENT },
		{ DOCA_ERROR_NOT_PERMITTED, 0, -EPERM },
		{ DOCA_ERROR_INVALID_VALUE, 0, -EINVAL },
		{ DOCA_ERROR_AGAIN, 0, -EAGAIN },
		{ DOCA_ERROR_TOO_BIG, 0, -E2BIG },
		{ (doca_error_t)-EINVAL, 0, -EIO },
		{ DOCA_ERROR_NO_MEMORY, -ENOSPC, -ENOSPC },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig_msg *msg;

		answer = cases[i].status;
		answer_error = cases[i].error;
		msg = rig_call(*state, 1, FUSE_LOOKUP, NULL, 0, "x", 2,
			       HDR + sizeof(struct fuse_entry_out));
		assert_int_equal(msg->out->error, cases[i].wire);
		assert_int_equal(msg->out->len, HDR);
		assert_int_equal(msg->out->unique, msg->in->unique);
		assert_int_equal(msg->len, HDR);
	}
}

static void test_unregistered(void **state)
{
	struct rig *rig = *state;
	struct fuse_open_in op = { .flags = 0 };
	struct fuse_access_in ac = { .mask = 4 };
	struct fuse_interrupt_in intr = { .unique = 1 };
	struct rig_msg *msg;

	msg = rig_call(rig, 1, FUSE_ACCESS, &ac, sizeof(ac), NULL, 0, HDR);
	assert_int_equal(msg->out->error, -ENOSYS);
	msg = rig_call(rig, 1, FUSE_OPEN, &op, sizeof(op), NULL, 0,
		       HDR + sizeof(struct fuse_open_out));
	assert_int_equal(msg->out->error, 0);
	assert_int_equal(((struct fuse_open_out *)(msg->out + 1))->fh, 0);
	rig_init(rig, 38, FUSE_NO_OPEN_SUPPORT);
	msg = rig_call(rig, 2, FUSE_OPEN, &op, sizeof(op), NULL, 0,
		       HDR + sizeof(struct fuse_open_out));
	assert_int_equal(msg->out->error, -ENOSYS);
	msg = rig_call(rig, 1, FUSE_DESTROY, NULL, 0, NULL, 0, HDR);
	assert_int_equal(msg->out->error, 0);
	msg = rig_call(rig, 0, FUSE_INTERRUPT, &intr, sizeof(intr), NULL, 0, 0);
	assert_int_equal(msg->len, 0);
	msg = rig_call(rig, 1, 63, NULL, 0, NULL, 0, HDR);
	assert_int_equal(msg->out->error, -ENOSYS);
	msg = rig_call(rig, 1, 5000, NULL, 0, NULL, 0, HDR);
	assert_int_equal(msg->out->error, -ENOSYS);
}

static void test_malformed(void **state)
{
	struct rig *rig = *state;
	struct rig_msg *msg;
	unsigned int calls;

	rig_init(rig, 38, 0);
	calls = seen.calls;
	msg = rig_call(rig, 1, FUSE_LOOKUP, NULL, 0, "noend", 5,
		       HDR + sizeof(struct fuse_entry_out));
	assert_int_equal(msg->out->error, -EINVAL);
	msg = rig_call(rig, 1, FUSE_READ, "shor", 4, NULL, 0, HDR + 100);
	assert_int_equal(msg->out->error, -EINVAL);
	msg = rig_call(rig, 1, FUSE_LOOKUP, NULL, 0, "x", 2, HDR + 3);
	assert_int_equal(msg->out->error, -EINVAL);
	msg = rig_call(rig, 1, FUSE_LOOKUP, NULL, 0, "x", 2, 7);
	assert_int_equal(msg->len, 0);
	assert_int_equal(seen.calls, calls);
}

static void test_forget(void **state)
{
	struct rig *rig = *state;
	struct fuse_forget_in forget = { .nlookup = 1 };
	struct rig_msg *msg;

	msg = rig_call(rig, 0, FUSE_FORGET, &forget, sizeof(forget), NULL, 0, 0);
	assert_int_equal(msg->len, 0);
	assert_int_equal(seen.in.opcode, FUSE_FORGET);
	assert_int_equal(seen.domain, 0);
}

static void test_ids_and_user_area(void **state)
{
	struct rig *rig = *state;
	uint64_t last = 0;
	unsigned int i, k;
	uint8_t *first;

	for (i = 0; i < 10; i++) {
		rig_call(rig, 1, FUSE_LOOKUP, NULL, 0, "x", 2,
			 HDR + sizeof(struct fuse_entry_out));
		assert_true(seen.id > last);
		last = seen.id;
		if (!i) {
			first = seen.user;
			for (k = 0; k < 100; k++)
				assert_int_equal(first[k], 0);
			memset(first, 7, 100);
		}
		/* the hottest request is used again, and keeps what was left in its area */
		assert_ptr_equal(seen.user, first);
		for (k = 0; k < 100; k++)
			assert_int_equal(first[k], 7);
	}
	loop_reset(&rig->drv);
	assert_int_equal(loop_negotiate(&rig->drv, ~0ull), 0);
	assert_int_equal(loop_queue_start(&rig->drv, 1, 128, false), 0);
	rig_call(rig, 1, FUSE_LOOKUP, NULL, 0, "x", 2, HDR + sizeof(struct fuse_entry_out));
	assert_true(seen.id > last);
}

static void test_double_complete(void **state)
{
	struct rig *rig = *state;
	struct rig_msg *msg;

	keep = true;
	msg = rig_send(rig, 1, FUSE_LOOKUP, NULL, 0, "x", 2, HDR + sizeof(struct fuse_entry_out), 0);
	rig_until(rig, seen.calls);
	rig_settle(rig);
	rig_poll(rig);
	assert_false(msg->done);
	doca_devemu_vfs_fuse_req_complete(seen.req, DOCA_SUCCESS);
	doca_devemu_vfs_fuse_req_complete(seen.req, DOCA_SUCCESS);
	rig_wait(rig, msg);
	assert_int_equal(msg->len, HDR + sizeof(struct fuse_entry_out));
	doca_devemu_vfs_fuse_req_complete(seen.req, DOCA_SUCCESS);
	assert_null(doca_devemu_vfs_fuse_req_get_vfs_io(seen.req));
}

static void test_long_chain(void **state)
{
	struct rig *rig = *state;
	struct fuse_read_in rd = { .size = 40 * 512 };
	struct fuse_in_header *in = loop_alloc(&rig->drv, 4096, 4096);
	uint8_t *out = loop_alloc(&rig->drv, HDR + 41 * 512, 64);
	struct rig_msg msg = { .in = in };
	struct iovec seg[42];
	unsigned int i, round;

	*in = (struct fuse_in_header){ .len = sizeof(*in) + sizeof(rd), .opcode = FUSE_READ };
	memcpy(in + 1, &rd, sizeof(rd));
	seg[0] = (struct iovec){ in, in->len };
	seg[1] = (struct iovec){ out, HDR };
	for (i = 0; i < 40; i++)
		seg[2 + i] = (struct iovec){ out + HDR + 512 * i, 512 };
	keep = true;
	for (round = 0; round < 300; round++) {
		seen.calls = 0;
		msg.done = false;
		assert_true(loop_add(&rig->drv, &rig->drv.queue[1], seg, 1, 41, &msg));
		loop_publish(&rig->drv.queue[1]);
		rig_until(rig, seen.calls);
		assert_int_equal(seen.dataout_list, 40);
		doca_devemu_vfs_fuse_req_complete(seen.req, DOCA_ERROR_AGAIN);
		rig_wait(rig, &msg);
		assert_int_equal(((struct fuse_out_header *)out)->error, -EAGAIN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
		T(init),	 T(old_client), T(lookup),	 T(read_write),
		T(contiguity),	 T(getxattr),	T(errors),	 T(unregistered),
		T(malformed),	 T(forget),	T(ids_and_user_area), T(double_complete),
		T(long_chain),
	};

	return cmocka_run_group_tests_name("fuse_typed", tests, NULL, NULL);
}
