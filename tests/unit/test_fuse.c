/* SPDX-License-Identifier: BSD-3-Clause */
/* FUSE messages: every row of the table, every truncation and cut of it, old sizes, replies. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "fuse/fuse_msg.h"

#define UNIQUE 0x1122334455667788ull
#define OUT_MAX 1024
#define ROOM 64 /* for data behind the fixed reply */
#define PATTERN 0xa5

/* A message in exactly sized heap blocks, so that a sanitizer sees the first byte too far. */
struct msg {
	struct fuse_in_header in;
	uint8_t body[20000]; /* behind the header */
	size_t body_len;
	size_t out_len;
	uint8_t *readable, *writable;
	struct iovec seg[8];
	struct vq_chain ch;
	struct fuse_session ss;
	struct fuse_decoded dec;
	int rc;
};

static struct fuse_stage stage;

static const struct fuse_op_info *next_op(unsigned int *i)
{
	while (++*i < FUSE_OP_LIMIT)
		if (fuse_op(*i))
			return fuse_op(*i);
	return NULL;
}

/* The shortest argument there is: INIT and SETXATTR have a short form. */
static size_t min_arg(const struct fuse_op_info *op)
{
	return op->opcode == FUSE_INIT ? 16 : op->opcode == FUSE_SETXATTR ? 8 : op->in_size;
}

static void msg_add(struct msg *m, const void *p, size_t len)
{
	memcpy(m->body + m->body_len, p, len);
	m->body_len += len;
}

static void msg_init(struct msg *m, const struct fuse_op_info *op, uint32_t opcode)
{
	memset(m, 0, sizeof(*m));
	m->in = (struct fuse_in_header){ .opcode = opcode, .unique = UNIQUE, .nodeid = 1 };
	m->out_len = OUT_MAX;
	if (op && !(op->flags & FUSE_F_NOREPLY))
		m->out_len = sizeof(struct fuse_out_header) + op->reply_size +
			     (op->flags & FUSE_F_DATAOUT ? ROOM : 0);
}

/* Argument of zeros and names of one letter. */
static void msg_minimal(struct msg *m, const struct fuse_op_info *op)
{
	msg_init(m, op, op->opcode);
	m->body_len = min_arg(op);
	for (unsigned int i = 0; i < op->nr_names; i++)
		msg_add(m, i ? "c" : "b", 2);
}

/* Decodes the first len_in bytes, cut at cut_in, with len_out bytes of room, cut at cut_out. */
static int msg_decode_cut(struct msg *m, size_t len_in, size_t len_out, size_t cut_in,
			  size_t cut_out)
{
	size_t head = min(len_in, sizeof(m->in));

	m->readable = malloc(len_in + !len_in);
	m->writable = malloc(len_out + !len_out);
	memcpy(m->readable, &m->in, head);
	memcpy(m->readable + head, m->body, len_in - head);
	memset(m->writable, PATTERN, len_out);
	m->seg[0] = (struct iovec){ m->readable, cut_in };
	m->seg[1] = (struct iovec){ m->readable + cut_in, len_in - cut_in };
	m->seg[2] = (struct iovec){ m->writable, cut_out };
	m->seg[3] = (struct iovec){ m->writable + cut_out, len_out - cut_out };
	m->ch = (struct vq_chain){ .nr_in = 2, .nr_out = 2, .len_in = (uint32_t)len_in,
				   .len_out = (uint32_t)len_out };
	memset(&stage, 0x55, sizeof(stage));
	m->rc = fuse_decode(m->seg, &m->ch, &m->ss, &stage, &m->dec);
	return m->rc;
}

static void msg_free(struct msg *m)
{
	free(m->readable);
	free(m->writable);
}

static int msg_decode(struct msg *m)
{
	size_t len = sizeof(m->in) + m->body_len;

	m->in.len = (uint32_t)len;
	return msg_decode_cut(m, len, m->out_len, sizeof(m->in), min(m->out_len, (size_t)16));
}

static int decode_once(struct msg *m)
{
	int rc = msg_decode(m);

	msg_free(m);
	return rc;
}

/* ---- the table ---- */

static void test_table(void **state)
{
	unsigned int i = 0, n = 0;

	for (const struct fuse_op_info *op; (op = next_op(&i)); n++) {
		assert_int_equal(op->opcode, i);
		assert_true(op->in_size <= FUSE_MAX_ARG && op->reply_size <= FUSE_MAX_REPLY);
		assert_true(op->reply2_size <= op->reply_size);
		if (!fuse_has_reply(op))
			assert_int_equal(op->reply_size, 0);
	}
	assert_int_equal(n, 51);
	assert_null(fuse_op(0));
	assert_null(fuse_op(7));
	assert_null(fuse_op(63));
	assert_null(fuse_op(FUSE_OP_LIMIT + FUSE_READ));
	assert_null(fuse_op(CUSE_INIT));
	assert_null(fuse_op(UINT32_MAX));
	assert_string_equal(fuse_op(FUSE_STATX)->name, "STATX");
	assert_int_equal(fuse_op(FUSE_CREATE)->reply2_size, sizeof(struct fuse_open_out));
}

static void check_staged(const struct msg *m, const struct fuse_op_info *op)
{
	size_t names = 2u * op->nr_names;

	assert_ptr_equal(m->dec.op, op);
	assert_memory_equal(&stage.in, &m->in, sizeof(m->in));
	for (unsigned int k = 0; k < op->in_size; k++)
		assert_int_equal(stage.arg_and_names[k], 0);
	assert_memory_equal(stage.arg_and_names + op->in_size, "b\0c", names);
	assert_int_equal(m->dec.staged_len, names);
	assert_int_equal(m->dec.names_len, names);
	assert_int_equal(m->dec.datain_len, names);
	if (names)
		assert_memory_equal((uint8_t *)m->seg[m->dec.datain.index].iov_base +
				    m->dec.datain.off, "b", 1);
	if (fuse_has_reply(op)) {
		assert_int_equal(m->dec.reply_size, op->opcode == FUSE_INIT ? /* minor is 0 here */
				 FUSE_COMPAT_INIT_OUT_SIZE : op->reply_size);
		for (unsigned int k = 0; k < op->reply_size; k++)
			assert_int_equal(stage.reply[k], 0);
		assert_int_equal(stage.out.len, 0);
	}
}

static void test_minimal(void **state)
{
	static struct msg m;
	unsigned int i = 0;

	for (const struct fuse_op_info *op; (op = next_op(&i));) {
		msg_minimal(&m, op);
		assert_int_equal(msg_decode(&m), 0);
		check_staged(&m, op);
		msg_free(&m);
	}
}

/* Wherever the segments end, the request is the same. */
static void test_every_cut(void **state)
{
	static struct msg m;
	unsigned int i = 0;

	for (const struct fuse_op_info *op; (op = next_op(&i));) {
		size_t len;

		msg_minimal(&m, op);
		len = sizeof(m.in) + m.body_len;
		m.in.len = (uint32_t)len;
		for (size_t cut = 0; cut <= len; cut++) {
			assert_int_equal(msg_decode_cut(&m, len, m.out_len, cut,
							min(cut, m.out_len)), 0);
			if (cut != len || op->nr_names)
				check_staged(&m, op);
			msg_free(&m);
		}
	}
}

static void test_every_truncation(void **state)
{
	static struct msg m;
	unsigned int i = 0;

	for (const struct fuse_op_info *op; (op = next_op(&i));) {
		int want = fuse_has_reply(op) ? -EINVAL : -EBADMSG;
		size_t len;

		msg_minimal(&m, op);
		len = sizeof(m.in) + m.body_len;
		for (size_t cut = 0; cut < len; cut++)
			for (unsigned int honest = 0; honest < 2; honest++) {
				m.in.len = (uint32_t)(honest ? cut : len);
				assert_int_equal(msg_decode_cut(&m, cut, m.out_len, cut / 2, 0),
						 cut < sizeof(m.in) ? -EBADMSG : want);
				msg_free(&m);
			}
		m.in.len = (uint32_t)len - 1; /* more there than the header says */
		assert_int_equal(msg_decode_cut(&m, len, m.out_len, 0, 0), want);
		msg_free(&m);
	}
}

static void test_room_for_reply(void **state)
{
	static struct msg m;
	unsigned int i = 0;

	for (const struct fuse_op_info *op; (op = next_op(&i));) {
		uint32_t room = 16u + op->reply_size;

		if (op->opcode == FUSE_INIT)
			room = 16 + FUSE_COMPAT_INIT_OUT_SIZE; /* its minor is 0 here */
		for (uint32_t out = 0; out <= room; out++) {
			msg_minimal(&m, op);
			m.out_len = out;
			if (!fuse_has_reply(op) || out == room)
				assert_int_equal(decode_once(&m), 0);
			else
				assert_int_equal(decode_once(&m), out < 16 ? -EBADMSG : -EINVAL);
		}
	}
}

static void test_unknown_opcode(void **state)
{
	static const uint32_t t[] = { 0, 7, 19, 54, 63, 64, 79, 4096, 436207616, UINT32_MAX };
	static struct msg m;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		msg_init(&m, NULL, t[i]);
		assert_int_equal(decode_once(&m), -ENOSYS);
		assert_null(m.dec.op);
		assert_int_equal(stage.in.unique, UNIQUE);
		m.out_len = 15;
		assert_int_equal(decode_once(&m), -EBADMSG);
	}
}

/* ---- names and announced data ---- */

static void test_names(void **state)
{
	static char long_name[FUSE_STAGED_LEN + 1];
	static struct msg m;

	memset(long_name, 'n', sizeof(long_name));
	for (unsigned int fit = 0; fit < 2; fit++) { /* NUL is the last staged byte, or the next */
		msg_init(&m, fuse_op(FUSE_LOOKUP), FUSE_LOOKUP);
		msg_add(&m, long_name, FUSE_STAGED_LEN - fit);
		msg_add(&m, "", 1);
		assert_int_equal(decode_once(&m), fit ? 0 : -EINVAL);
	}
	msg_init(&m, fuse_op(FUSE_RENAME), FUSE_RENAME);
	m.body_len = sizeof(struct fuse_rename_in);
	msg_add(&m, "old\0new", 7);
	assert_int_equal(decode_once(&m), -EINVAL);
	msg_add(&m, "\0more", 5);
	assert_int_equal(decode_once(&m), 0);
	assert_int_equal(m.dec.names_len, 8);
	assert_int_equal(m.dec.datain_len, 12);
	assert_string_equal((char *)stage.arg_and_names + 8, "old");
}

static void test_setxattr(void **state)
{
	struct fuse_setxattr_in arg = { .size = 9000, .flags = 1, .setxattr_flags = 7 };
	static struct msg m;

	for (unsigned int ext = 0; ext < 2; ext++) {
		for (uint32_t missing = 0; missing < 2; missing++) {
			msg_init(&m, fuse_op(FUSE_SETXATTR), FUSE_SETXATTR);
			m.ss = (struct fuse_session){ 38, ext ? FUSE_SETXATTR_EXT : 0 };
			msg_add(&m, &arg, ext ? sizeof(arg) : 8);
			msg_add(&m, "user.x", 7);
			m.body_len += arg.size - missing;
			assert_int_equal(decode_once(&m), missing ? -EINVAL : 0);
		}
		assert_memory_equal(stage.arg_and_names + sizeof(arg), "user.x", 7);
		assert_int_equal(((struct fuse_setxattr_in *)stage.arg_and_names)->setxattr_flags,
				 ext ? 7 : 0);
	}
}

static void test_announced(void **state)
{
	static const struct {
		uint32_t opcode;
		size_t at; /* of the 32-bit count in the argument */
		uint32_t unit;
	} t[] = {
		{ FUSE_WRITE, offsetof(struct fuse_write_in, size), 1 },
		{ FUSE_IOCTL, offsetof(struct fuse_ioctl_in, in_size), 1 },
		{ FUSE_NOTIFY_REPLY, offsetof(struct fuse_notify_retrieve_in, size), 1 },
		{ FUSE_BATCH_FORGET, offsetof(struct fuse_batch_forget_in, count), 16 },
		{ FUSE_REMOVEMAPPING, offsetof(struct fuse_removemapping_in, count), 16 },
	};
	static struct msg m;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		const struct fuse_op_info *op = fuse_op(t[i].opcode);
		int bad = fuse_has_reply(op) ? -EINVAL : -EBADMSG;

		for (uint32_t n = 98; n <= 103; n++) {
			uint32_t count = n == 103 ? UINT32_MAX : n;

			msg_minimal(&m, op);
			memcpy(m.body + t[i].at, &count, 4);
			m.body_len += 100 * t[i].unit;
			assert_int_equal(decode_once(&m), n <= 100 ? 0 : bad);
			assert_int_equal(m.dec.staged_len, 0);
		}
	}
}

static void test_read(void **state)
{
	static struct msg m;

	msg_minimal(&m, fuse_op(FUSE_READ));
	m.out_len = 16 + 4096;
	assert_int_equal(msg_decode(&m), 0);
	assert_int_equal(m.dec.dataout_len, 4096);
	assert_int_equal(m.dec.dataout.index, 1); /* the first is the header's */
	assert_int_equal(m.dec.dataout.off, 0);
	assert_int_equal(m.dec.datain_len, 0);
	msg_free(&m);
}

static void test_xattr_sizes(void **state)
{
	static const uint32_t ops[] = { FUSE_GETXATTR, FUSE_LISTXATTR };
	static struct msg m;

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		for (uint32_t size = 0; size <= 100; size += 100) {
			msg_minimal(&m, fuse_op(ops[i]));
			memcpy(m.body, &size, 4);
			m.out_len = 16 + (size ? size : 8);
			assert_int_equal(decode_once(&m), 0);
			assert_int_equal(m.dec.reply_size, size ? 0 : 8);
			assert_int_equal(m.dec.dataout_len, size);
		}
}

/* ---- old protocol versions ---- */

static const struct {
	uint32_t opcode;
	uint32_t minor;
	size_t arg, reply;
} compat[] = {
	{ FUSE_GETATTR, 8, 0, 96 },   { FUSE_GETATTR, 9, 16, 104 },   { FUSE_SETATTR, 8, 88, 96 },
	{ FUSE_READ, 8, 24, 0 },      { FUSE_READ, 9, 40, 0 },	      { FUSE_WRITE, 8, 24, 8 },
	{ FUSE_WRITE, 9, 40, 8 },     { FUSE_MKNOD, 8, 8, 120 },      { FUSE_MKNOD, 11, 8, 128 },
	{ FUSE_MKNOD, 12, 16, 128 },  { FUSE_CREATE, 8, 8, 136 },     { FUSE_CREATE, 11, 8, 144 },
	{ FUSE_CREATE, 12, 16, 144 }, { FUSE_MKDIR, 8, 8, 120 },      { FUSE_LOOKUP, 8, 0, 120 },
	{ FUSE_LOOKUP, 9, 0, 128 },   { FUSE_SYMLINK, 8, 0, 120 },    { FUSE_LINK, 8, 8, 120 },
	{ FUSE_STATFS, 3, 0, 48 },    { FUSE_STATFS, 4, 0, 80 },      { FUSE_LOOKUP, 22, 0, 128 },
	{ FUSE_READ, 38, 40, 0 },     { FUSE_READ, 0, 40, 0 },	      { FUSE_CREATE, 0, 16, 144 },
	{ FUSE_LOOKUP, 99, 0, 128 },
};

static void test_compat(void **state)
{
	static struct msg m;

	for (size_t i = 0; i < ARRAY_SIZE(compat); i++) {
		const struct fuse_op_info *op = fuse_op(compat[i].opcode);
		size_t zero = compat[i].arg;

		for (size_t missing = 0; missing < 2; missing++) {
			msg_init(&m, op, compat[i].opcode);
			m.ss.minor = compat[i].minor;
			memset(m.body, 0, sizeof(m.body));
			if (compat[i].arg)
				m.body[compat[i].arg - 1] = 9;
			m.body_len = compat[i].arg;
			for (unsigned int k = 0; k < op->nr_names; k++)
				msg_add(&m, "n", 2);
			m.out_len = 16 + compat[i].reply - missing;
			assert_int_equal(decode_once(&m), !missing ? 0 :
					 compat[i].reply ? -EINVAL : -EBADMSG);
		}
		assert_int_equal(m.dec.reply_size, compat[i].reply);
		assert_int_equal(m.dec.names_len, 2u * op->nr_names);
		if (zero)
			assert_int_equal(stage.arg_and_names[zero - 1], 9);
		for (; zero < op->in_size; zero++)
			assert_int_equal(stage.arg_and_names[zero], 0);
		if (op->nr_names)
			assert_int_equal(stage.arg_and_names[op->in_size], 'n');
	}
}

static void test_init_layouts(void **state)
{
	static const struct {
		uint32_t minor, flags;
		size_t arg, reply;
		int want;
	} t[] = {
		{ 38, FUSE_INIT_EXT, 64, 64, 0 }, { 38, 0, 64, 64, 0 },
		{ 35, 0, 16, 64, 0 },		  { 31, 0, 40, 64, 0 },
		{ 38, FUSE_INIT_EXT, 16, 64, -EINVAL }, { 38, FUSE_INIT_EXT, 63, 64, -EINVAL },
		{ 38, 0, 15, 64, -EINVAL },	  { 22, 0, 16, 24, 0 },
		{ 23, 0, 16, 64, 0 },		  { 4, 0, 16, 8, 0 },
		{ 0, 0, 16, 8, 0 },		  { 99, FUSE_INIT_EXT, 80, 64, 0 },
	};
	static struct msg m;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct fuse_init_in in = { .major = 7, .minor = t[i].minor, .flags = t[i].flags,
					   .flags2 = 0x77 };
		struct fuse_init_in *got = (void *)stage.arg_and_names;

		msg_init(&m, fuse_op(FUSE_INIT), FUSE_INIT);
		m.ss = (struct fuse_session){ .minor = 8 }; /* of an earlier life: no matter */
		memcpy(m.body, &in, sizeof(in));
		m.body_len = t[i].arg;
		m.out_len = 16 + t[i].reply;
		assert_int_equal(decode_once(&m), t[i].want);
		if (t[i].want)
			continue;
		assert_int_equal(m.dec.reply_size, t[i].reply);
		assert_int_equal(got->minor, t[i].minor);
		assert_int_equal(got->flags2, t[i].arg < 64 ? 0 : 0x77);
	}
}

static void test_session(void **state)
{
	struct fuse_init_in in = { .major = 7, .minor = 38, .flags = FUSE_INIT_EXT | 0x0f,
				   .flags2 = 0xff };
	struct fuse_init_out out = { .major = 7, .minor = 36, .flags = FUSE_INIT_EXT | 0x3c,
				     .flags2 = 0x0f };
	struct fuse_session ss = { 0 };

	fuse_session_init(&ss, &in, &out);
	assert_int_equal(ss.minor, 36);
	assert_true(ss.flags == (FUSE_INIT_EXT | 0x0c | 0x0full << 32));
	out.flags = 0x3c; /* no INIT_EXT: flags2 is noise */
	fuse_session_init(&ss, &in, &out);
	assert_true(ss.flags == 0x0c);
	in.minor = 0;
	fuse_session_init(&ss, &in, &out);
	assert_int_equal(ss.minor, 1);
}

/* ---- replies ---- */

static const struct {
	const char *what;
	uint32_t opcode, minor;
	uint32_t room; /* data room behind the fixed part */
	uint32_t out_len; /* as the handler fills out.len */
	int error;
	uint32_t want_len;
	int want_error;
	uint32_t want_bytes; /* written by the library, header included */
} replies[] = {
	{ "fixed", FUSE_LOOKUP, 38, 0, 144, 0, 144, 0, 144 },
	{ "len left 0", FUSE_LOOKUP, 38, 0, 0, 0, 144, 0, 144 },
	{ "no body", FUSE_FLUSH, 38, 0, 0, 0, 16, 0, 16 },
	{ "len too small", FUSE_FLUSH, 38, 0, 3, 0, 16, 0, 16 },
	{ "len too big", FUSE_FLUSH, 38, 0, 5000, 0, 16, 0, 16 },
	{ "data", FUSE_READ, 38, 4096, 16 + 100, 0, 16 + 100, 0, 16 },
	{ "data, too much", FUSE_READ, 38, 4096, UINT32_MAX, 0, 16 + 4096, 0, 16 },
	{ "error", FUSE_LOOKUP, 38, 0, 144, -ENOENT, 16, -ENOENT, 16 },
	{ "error, positive", FUSE_LOOKUP, 38, 0, 0, ENOENT, 16, -EIO, 16 },
	{ "error, huge", FUSE_LOOKUP, 38, 0, 0, -4096, 16, -EIO, 16 },
	{ "error, largest", FUSE_LOOKUP, 38, 0, 0, -4095, 16, -4095, 16 },
	{ "error, min", FUSE_LOOKUP, 38, 0, 0, INT32_MIN, 16, -EIO, 16 },
	{ "old entry", FUSE_LOOKUP, 8, 0, 144, 0, 136, 0, 136 },
	{ "old entry, 0", FUSE_LOOKUP, 8, 0, 0, 0, 136, 0, 136 },
	{ "old entry, more room", FUSE_LOOKUP, 8, 64, 144, 0, 136, 0, 136 },
	{ "old create", FUSE_CREATE, 8, 0, 160, 0, 152, 0, 152 },
	{ "create", FUSE_CREATE, 38, 0, 160, 0, 160, 0, 160 },
	{ "short create", FUSE_CREATE, 38, 0, 16 + 100, 0, 116, 0, 116 },
	{ "ioctl", FUSE_IOCTL, 38, 64, 16 + 16 + 20, 0, 52, 0, 32 },
};

static void fill_reply(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i + 1);
}

/* What must be in guest memory at byte i of the reply behind the header. */
static uint8_t want_byte(const struct fuse_op_info *op, uint16_t wire_size, size_t i)
{
	size_t first = wire_size - op->reply2_size;

	return (uint8_t)(1 + (i < first ? i : op->reply_size - op->reply2_size + (i - first)));
}

static void check_reply(size_t i, size_t cut, struct msg *m)
{
	const struct fuse_op_info *op = fuse_op(replies[i].opcode);
	struct fuse_out_header h;
	struct chain c;

	chain_init(&c, m->seg + 2, 2);
	stage.out.len = replies[i].out_len;
	stage.out.error = replies[i].error;
	fill_reply(stage.reply, op->reply_size);
	assert_int_equal(fuse_reply(&c, m->ch.len_out, &m->dec, &stage), replies[i].want_len);
	memcpy(&h, m->writable, sizeof(h));
	assert_int_equal(h.len, replies[i].want_len);
	assert_int_equal(h.error, replies[i].want_error);
	assert_true(h.unique == UNIQUE);
	for (size_t k = 16; k < m->out_len; k++) {
		uint8_t want = k < replies[i].want_bytes ?
				       want_byte(op, m->dec.reply_size, k - 16) : PATTERN;

		if (m->writable[k] != want)
			fail_msg("%s: cut %zu, byte %zu", replies[i].what, cut, k);
	}
}

static void test_replies(void **state)
{
	static struct msg m;

	for (size_t i = 0; i < ARRAY_SIZE(replies); i++)
		for (size_t cut = 0; cut <= 16; cut += 4) {
			const struct fuse_op_info *op = fuse_op(replies[i].opcode);
			size_t len;

			msg_minimal(&m, op);
			m.ss.minor = replies[i].minor;
			if (replies[i].opcode == FUSE_CREATE && replies[i].minor < 12) {
				m.body_len = 8;
				msg_add(&m, "n", 2);
			}
			m.out_len = 16 + fuse_reply_size(op, replies[i].minor) + replies[i].room;
			len = sizeof(m.in) + m.body_len;
			m.in.len = (uint32_t)len;
			assert_int_equal(msg_decode_cut(&m, len, m.out_len, 0, cut), 0);
			check_reply(i, cut, &m);
			msg_free(&m);
		}
}

static void test_reply_xattr(void **state)
{
	static const struct {
		uint32_t size, out_len, want;
	} t[] = { { 0, 24, 24 }, { 0, 0, 24 }, { 100, 16 + 70, 16 + 70 }, { 100, 0, 16 } };
	static struct msg m;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct chain c;

		msg_minimal(&m, fuse_op(FUSE_GETXATTR));
		memcpy(m.body, &t[i].size, 4);
		m.out_len = 16 + (t[i].size ? t[i].size : 8);
		assert_int_equal(msg_decode(&m), 0);
		chain_init(&c, m.seg + 2, 2);
		stage.out.len = t[i].out_len;
		fill_reply(stage.reply, 8);
		assert_int_equal(fuse_reply(&c, m.ch.len_out, &m.dec, &stage), t[i].want);
		assert_int_equal(m.writable[16], t[i].size ? PATTERN : 1);
		msg_free(&m);
	}
}

static void test_no_reply(void **state)
{
	static struct msg m;
	struct chain c;

	msg_minimal(&m, fuse_op(FUSE_FORGET));
	assert_int_equal(msg_decode(&m), 0);
	chain_init(&c, m.seg + 2, 2);
	assert_int_equal(fuse_reply(&c, m.ch.len_out, &m.dec, &stage), 0);
	assert_int_equal(m.writable[0], PATTERN);
	chain_init(&c, m.seg + 2, 0);
	assert_int_equal(fuse_reply_error(&c, UNIQUE, -EIO), 0);
	msg_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),	       cmocka_unit_test(test_minimal),
		cmocka_unit_test(test_every_cut),      cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_room_for_reply), cmocka_unit_test(test_unknown_opcode),
		cmocka_unit_test(test_names),	       cmocka_unit_test(test_setxattr),
		cmocka_unit_test(test_announced),      cmocka_unit_test(test_read),
		cmocka_unit_test(test_xattr_sizes),    cmocka_unit_test(test_compat),
		cmocka_unit_test(test_init_layouts),   cmocka_unit_test(test_session),
		cmocka_unit_test(test_replies),	       cmocka_unit_test(test_reply_xattr),
		cmocka_unit_test(test_no_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
