/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests no kernel would send. The ring is fine, so each must be answered (or, for those that
 * have no answer, given back), nothing may be written beyond the room for the answer, and the next
 * good request on the same connection must work.
 */
#include <errno.h>
#include <string.h>

#include "harness.h"

#define ROOM 512
#define REQ_MAX 8192

enum expect {
	EXPECT_ANY, /* an answer */
	EXPECT_ERROR, /* an answer that is an error */
	EXPECT_RETURN, /* given back; what is in it does not matter */
};

struct fuse_row {
	const char *name;
	uint32_t opcode;
	uint64_t node;
	uint32_t arg_len; /* zeros unless set by fill */
	void (*fill)(uint8_t *arg);
	int32_t len_off; /* added to the length in the header */
	uint32_t cut; /* only this many bytes of the request are sent, 0: all */
	uint32_t room; /* for the answer; 0: ROOM */
	uint32_t split; /* first segment has this many bytes; 0: the header's */
	enum expect expect;
};

static void fill_no_nul(uint8_t *arg)
{
	memset(arg, 'a', 32);
}

static void fill_long_name(uint8_t *arg)
{
	memset(arg, 'a', 4999);
}

static void fill_slash(uint8_t *arg)
{
	strcpy((char *)arg, "a/../../b");
}

static void fill_dotdot(uint8_t *arg)
{
	strcpy((char *)arg, "..");
}

static void fill_huge_read(uint8_t *arg)
{
	((struct fuse_read_in *)(void *)arg)->size = UINT32_MAX;
}

static void fill_far_read(uint8_t *arg)
{
	struct fuse_read_in *in = (void *)arg;

	in->offset = UINT64_MAX - 100;
	in->size = 256;
}

static void fill_huge_write(uint8_t *arg)
{
	((struct fuse_write_in *)(void *)arg)->size = UINT32_MAX;
}

static void fill_huge_forget(uint8_t *arg)
{
	((struct fuse_batch_forget_in *)(void *)arg)->count = UINT32_MAX;
}

static void fill_forget_root(uint8_t *arg)
{
	struct fuse_batch_forget_in *in = (void *)arg;
	struct fuse_forget_one *one = (void *)(in + 1);

	in->count = 1;
	*one = (struct fuse_forget_one){FUSE_ROOT_ID, UINT64_MAX};
}

static void fill_huge_xattr(uint8_t *arg)
{
	struct fuse_setxattr_in *in = (void *)arg;

	in->size = UINT32_MAX;
	strcpy((char *)arg + FUSE_COMPAT_SETXATTR_IN_SIZE, "user.x");
}

static void fill_ones(uint8_t *arg)
{
	memset(arg, 0xff, 64);
}

static void fill_ioctl(uint8_t *arg)
{
	struct fuse_ioctl_in *in = (void *)arg;

	in->cmd = UINT32_MAX;
	in->in_size = in->out_size = UINT32_MAX;
}

#define HEADER sizeof(struct fuse_in_header)

static const struct fuse_row rows[] = {
	{"header cut short", FUSE_GETATTR, 1, 16, .cut = HEADER - 1, .expect = EXPECT_RETURN},
	{"one byte", FUSE_GETATTR, 1, 16, .cut = 1, .expect = EXPECT_RETURN},
	{"header in tiny pieces", FUSE_GETATTR, 1, 16, .split = 3, .expect = EXPECT_ANY},
	{"argument missing", FUSE_GETATTR, 1, 0, .expect = EXPECT_ERROR},
	{"argument cut short", FUSE_READ, 1, 8, .expect = EXPECT_ERROR},
	{"length too small", FUSE_GETATTR, 1, 16, .len_off = -20, .expect = EXPECT_RETURN},
	{"length of 0", FUSE_GETATTR, 1, 16, .len_off = -(int)(HEADER + 16),
	 .expect = EXPECT_RETURN},
	{"length too large", FUSE_GETATTR, 1, 16, .len_off = 1000, .expect = EXPECT_RETURN},
	{"length of 4 GiB", FUSE_GETATTR, 1, 16, .len_off = -(int)(HEADER + 17),
	 .expect = EXPECT_RETURN},
	{"opcode 0", 0, 1, 16, .expect = EXPECT_ERROR},
	{"opcode 55", 55, 1, 16, .expect = EXPECT_ERROR},
	{"opcode 4095", 4095, 1, 16, .expect = EXPECT_ERROR},
	{"opcode 2^32-1", UINT32_MAX, 1, 16, .expect = EXPECT_ERROR},
	{"CUSE_INIT", CUSE_INIT, 1, 16, .expect = EXPECT_ERROR},
	{"node 0", FUSE_GETATTR, 0, 16, .expect = EXPECT_ERROR},
	{"node 2^64-1", FUSE_GETATTR, UINT64_MAX, 16, .expect = EXPECT_ERROR},
	{"node that was never given", FUSE_GETATTR, 0x123456789abcull, 16, .expect = EXPECT_ERROR},
	{"node that looks like a pointer", FUSE_GETATTR, 0x7fff00001000ull, 16,
	 .expect = EXPECT_ERROR},
	{"name without NUL", FUSE_LOOKUP, 1, 32, fill_no_nul, .expect = EXPECT_ERROR},
	{"empty name", FUSE_LOOKUP, 1, 1, .expect = EXPECT_ERROR},
	{"no name at all", FUSE_LOOKUP, 1, 0, .expect = EXPECT_ERROR},
	{"name of 5000 bytes", FUSE_LOOKUP, 1, 5000, fill_long_name, .expect = EXPECT_ERROR},
	{"name with slashes", FUSE_LOOKUP, 1, 10, fill_slash, .expect = EXPECT_ERROR},
	{"second name missing", FUSE_RENAME, 1, 8 + 10, .expect = EXPECT_ERROR},
	{"mkdir of ..", FUSE_MKDIR, 1, 8 + 3, fill_dotdot, .expect = EXPECT_ERROR},
	{"read of 4 GiB", FUSE_READ, 1, 40, fill_huge_read, .expect = EXPECT_ANY},
	{"read beyond 2^63", FUSE_READ, 1, 40, fill_far_read, .expect = EXPECT_ANY},
	{"readdir of 4 GiB", FUSE_READDIR, 1, 40, fill_huge_read, .expect = EXPECT_ANY},
	{"write that says more than it has", FUSE_WRITE, 1, 40 + 16, fill_huge_write,
	 .expect = EXPECT_ERROR},
	{"setxattr that says more than it has", FUSE_SETXATTR, 1, 64, fill_huge_xattr,
	 .expect = EXPECT_ERROR},
	{"batch forget of 4 G nodes", FUSE_BATCH_FORGET, 1, 8, fill_huge_forget,
	 .expect = EXPECT_RETURN},
	{"forget of the root", FUSE_BATCH_FORGET, 1, 8 + 16, fill_forget_root,
	 .expect = EXPECT_RETURN},
	{"ioctl of 4 GiB", FUSE_IOCTL, 1, sizeof(struct fuse_ioctl_in), fill_ioctl,
	 .expect = EXPECT_ANY},
	{"setattr of all ones", FUSE_SETATTR, 1, sizeof(struct fuse_setattr_in), fill_ones,
	 .expect = EXPECT_ANY},
	{"open of all ones", FUSE_OPEN, 1, 64, fill_ones, .expect = EXPECT_ANY},
	{"copy_file_range of all ones", FUSE_COPY_FILE_RANGE, 1,
	 sizeof(struct fuse_copy_file_range_in), fill_ones, .expect = EXPECT_ERROR},
	{"fallocate of all ones", FUSE_FALLOCATE, 1, sizeof(struct fuse_fallocate_in), fill_ones,
	 .expect = EXPECT_ANY},
	{"init of all ones", FUSE_INIT, 1, 64, fill_ones, .expect = EXPECT_ANY},
	{"interrupt of nothing", FUSE_INTERRUPT, 1, 8, .expect = EXPECT_RETURN},
	{"answer room of 1 byte", FUSE_GETATTR, 1, 16, .room = 1, .expect = EXPECT_RETURN},
	{"answer room of a header", FUSE_GETATTR, 1, 16, .room = 16, .expect = EXPECT_RETURN},
	{"answer room a byte short", FUSE_GETATTR, 1, 16, .room = 16 + 103,
	 .expect = EXPECT_RETURN},
};

static unsigned split_request(const struct fuse_row *row, uint8_t *req, uint32_t len,
			      struct iovec *v)
{
	uint32_t first = row->split ? row->split : (uint32_t)HEADER, at = 0;
	unsigned n = 0;

	while (at < len && n < 8) {
		uint32_t k = n == 7 || len - at < first ? len - at : first;

		v[n++] = (struct iovec){req + at, k};
		at += k;
		if (!row->split)
			first = len;
	}
	return n;
}

static void check_answer(const struct fuse_row *row, const uint8_t *answer, uint32_t len,
			 uint32_t room)
{
	const struct fuse_out_header *h = (const void *)answer;
	uint32_t i;

	assert_true(len <= room);
	for (i = room; i < 2 * ROOM; i++)
		assert_int_equal(answer[i], 0x5a);
	if (row->expect == EXPECT_RETURN)
		return;
	assert_true(len >= sizeof(*h));
	assert_int_equal(h->len, len);
	assert_true(h->error <= 0 && h->error > -1000);
	if (row->expect == EXPECT_ERROR)
		assert_int_not_equal(h->error, 0);
}

static void run_row(void **state)
{
	const struct fuse_row *row = *state;
	struct vufe_opts o = harness_opts();
	uint32_t room = row->room ? row->room : ROOM, len, used = 0;
	static uint8_t req[REQ_MAX];
	uint8_t answer[2 * ROOM];
	struct fuse_in_header *h = (void *)req;
	struct iovec out[8], in = {answer, room};
	struct vufe_fs fs;
	struct vufe_dev dev;
	unsigned nr;

	open_good(&dev, &o);
	assert_return_code(vufe_fs_init(&fs, &dev), 0);
	memset(req, 0, sizeof(req));
	vufe_fill_header(&fs, h, row->opcode, row->node, row->arg_len);
	h->len += (uint32_t)row->len_off;
	if (row->fill)
		row->fill(req + HEADER);
	len = row->cut ? row->cut : (uint32_t)HEADER + row->arg_len;
	nr = split_request(row, req, len, out);
	/* The bounce memory behind the answer must stay as it is, too. */
	memset(answer, 0x5a, sizeof(answer));
	memset(dev.bounce_out, 0x5a, 2 * ROOM);
	assert_return_code(vufe_xfer(&dev, 1, out, nr, &in, 1, &used), 0);
	memcpy(answer + room, dev.bounce_out + room, 2 * ROOM - room);
	check_answer(row, answer, used, room);
	/* An INIT of another version may end the session; nothing else may. */
	if (row->opcode != FUSE_INIT)
		assert_int_equal(vufe_ping(&fs), 0);
	vufe_close(&dev);
	assert_serves();
}

int main(void)
{
	harness_need_server();
	/* The null file system takes any node; this one has to know better. */
	harness_use_local();
	return RUN_ROWS("fuse", rows, run_row);
}
