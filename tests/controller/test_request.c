/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names and segments of requests, as the controller judges them before any file system sees them.
 * The functions are the data path's own, so its file is taken in whole, beside three functions of
 * the library.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "request.c"

static struct fuse_in_header in;
static struct creq *r;

/* ---- lists of segments as the library would give them: n pieces of one byte from base on ---- */

struct fake_list {
	char *base;
	int n;
};

int softdpu_buf_list_to_iov(const struct doca_buf *buf, struct iovec *iov, int most)
{
	const struct fake_list *list = (const void *)buf;

	for (int i = 0; i < list->n && list->n <= most; i++)
		iov[i] = (struct iovec){ list->base + i, 1 };
	return list->n <= most ? list->n : -1;
}

uint32_t doca_devemu_vfs_fuse_req_get_datain_data_len(struct doca_devemu_vfs_fuse_req *req)
{
	return (uint32_t)((struct fake_list *)r->datain)->n;
}

uint32_t doca_devemu_vfs_fuse_req_get_dataout_data_len(struct doca_devemu_vfs_fuse_req *req)
{
	return (uint32_t)((struct fake_list *)r->dataout)->n;
}

static int setup(void **state)
{
	r = calloc(1, creq_size());
	r->fs.in = &in;
	return !r;
}

static int teardown(void **state)
{
	free(r);
	return 0;
}

/* Parses bytes as the names of an opcode, alone and followed by data. */
static int parse(uint32_t opcode, unsigned int nr, const char *bytes, size_t len)
{
	r->inline_iov[0] = (struct iovec){ (char *)bytes, len };
	in = (struct fuse_in_header){ .opcode = opcode };
	r->nr_names = (uint8_t)nr;
	r->fs.data = r->inline_iov;
	r->fs.data_cnt = 1;
	r->fs.data_len = len;
	return req_parse_names(r, bytes, len);
}

static int lookup(const char *name)
{
	return parse(FUSE_LOOKUP, 1, name, strlen(name) + 1);
}

static void entries(void **state)
{
	char name[NAME_MAX + 2];

	assert_int_equal(lookup("a"), 0);
	assert_string_equal(r->fs.name[0], "a");
	assert_int_equal(lookup("..."), 0);
	assert_int_equal(lookup(".a"), 0);
	assert_int_equal(lookup("..a"), 0);
	assert_int_equal(lookup("\x01\xff \n"), 0);
	assert_int_equal(lookup(""), -EINVAL);
	assert_int_equal(lookup("."), -EINVAL);
	assert_int_equal(lookup(".."), -EINVAL);
	assert_int_equal(lookup("/"), -EINVAL);
	assert_int_equal(lookup("a/b"), -EINVAL);
	assert_int_equal(lookup("../x"), -EINVAL);
	memset(name, 'n', sizeof(name));
	name[NAME_MAX] = '\0';
	assert_int_equal(lookup(name), 0);
	name[NAME_MAX] = 'n';
	name[NAME_MAX + 1] = '\0';
	assert_int_equal(lookup(name), -ENAMETOOLONG);
}

static void unterminated(void **state)
{
	assert_int_equal(parse(FUSE_LOOKUP, 1, "abc", 3), -EINVAL);
	assert_int_equal(parse(FUSE_LOOKUP, 1, NULL, 0), -EINVAL);
	assert_int_equal(parse(FUSE_RENAME2, 2, "a", 2), -EINVAL);
	assert_int_equal(parse(FUSE_RENAME2, 2, "a\0b", 3), -EINVAL);
	assert_int_equal(parse(FUSE_RENAME2, 2, "a\0b", 4), 0);
	assert_string_equal(r->fs.name[1], "b");
	assert_int_equal(parse(FUSE_RENAME2, 2, "a\0..", 5), -EINVAL);
}

static void targets(void **state)
{
	static char bytes[2 + PATH_MAX + 1];

	assert_int_equal(parse(FUSE_SYMLINK, 2, "l\0../../etc", 12), 0);
	assert_string_equal(r->fs.name[1], "../../etc");
	assert_int_equal(parse(FUSE_SYMLINK, 2, "l\0", 3), -ENOENT);
	assert_int_equal(parse(FUSE_SYMLINK, 2, "..\0t", 5), -EINVAL);
	memset(bytes, 't', sizeof(bytes));
	bytes[1] = '\0';
	bytes[2 + PATH_MAX - 1] = '\0';
	assert_int_equal(parse(FUSE_SYMLINK, 2, bytes, sizeof(bytes)), 0);
	bytes[2 + PATH_MAX - 1] = 't';
	bytes[2 + PATH_MAX] = '\0';
	assert_int_equal(parse(FUSE_SYMLINK, 2, bytes, sizeof(bytes)), -ENAMETOOLONG);
}

static void attribute_names(void **state)
{
	char name[XATTR_NAME_MAX + 2];

	assert_int_equal(parse(FUSE_GETXATTR, 1, "user.a/b", 9), 0);
	assert_int_equal(parse(FUSE_GETXATTR, 1, "", 1), -EINVAL);
	memset(name, 'x', sizeof(name));
	name[XATTR_NAME_MAX + 1] = '\0';
	assert_int_equal(parse(FUSE_REMOVEXATTR, 1, name, sizeof(name)), -ERANGE);
}

/* The value of SETXATTR is what follows the name, wherever segments end. */
static void data_follows_names(void **state)
{
	static const char bytes[] = "user.a\0value";
	const size_t len = sizeof(bytes) - 1;

	for (size_t cut = 0; cut <= len; cut++) {
		char copy[16] = "", got[16] = "";

		memcpy(copy, bytes, len);
		in = (struct fuse_in_header){ .opcode = FUSE_SETXATTR };
		r->nr_names = 1;
		r->inline_iov[0] = (struct iovec){ copy, cut };
		r->inline_iov[1] = (struct iovec){ copy + cut, len - cut };
		r->fs.data = r->inline_iov;
		r->fs.data_cnt = 2;
		r->fs.data_len = len;
		assert_int_equal(req_parse_names(r, bytes, len), 0);
		assert_int_equal(r->fs.data_len, 5);
		assert_int_equal(fs_req_get(&r->fs, 0, got, sizeof(got)), 5);
		assert_string_equal(got, "value");
	}
	/* a value longer than what was staged stays in place */
	r->inline_iov[0] = (struct iovec){ (char *)bytes, len };
	r->fs.data = r->inline_iov;
	r->fs.data_cnt = 1;
	r->fs.data_len = len;
	assert_int_equal(req_parse_names(r, bytes, 8), 0);
	assert_int_equal(r->fs.data_len, 5);
}

static int create_with_groups(const uint32_t *group, uint32_t nr, uint16_t extlen)
{
	static struct {
		char name[8];
		struct fuse_ext_header head;
		uint32_t nr;
		uint32_t group[63];
	} msg;
	size_t body = sizeof(msg.head) + sizeof(msg.nr) + nr * sizeof(uint32_t);
	size_t len = sizeof(msg.name) + ALIGN_UP(body, (size_t)8);

	memset(&msg, 0, sizeof(msg));
	memcpy(msg.name, "abcdefg", 8);
	msg.head.size = (uint32_t)body;
	msg.head.type = FUSE_EXT_GROUPS;
	msg.nr = nr;
	memcpy(msg.group, group, nr * sizeof(*group));
	r->inline_iov[0] = (struct iovec){ &msg, len };
	in = (struct fuse_in_header){ .opcode = FUSE_CREATE,
				      .total_extlen = extlen ? extlen : (uint16_t)((len - 8) / 8) };
	r->nr_names = 1;
	r->fs.data = r->inline_iov;
	r->fs.data_cnt = 1;
	r->fs.data_len = len;
	r->fs.ngroups = 0;
	return req_parse_names(r, (const char *)&msg, len);
}

static void groups(void **state)
{
	uint32_t group[FS_NGROUPS_MAX + 1];

	for (uint32_t i = 0; i <= FS_NGROUPS_MAX; i++)
		group[i] = 1000 + i;
	assert_int_equal(create_with_groups(group, 3, 0), 0);
	assert_int_equal(r->fs.ngroups, 3);
	assert_int_equal(r->fs.groups[2], 1002);
	assert_int_equal(create_with_groups(group, FS_NGROUPS_MAX, 0), 0);
	assert_int_equal(r->fs.ngroups, FS_NGROUPS_MAX);
	assert_int_equal(create_with_groups(group, FS_NGROUPS_MAX + 1, 0), -E2BIG);
	assert_int_equal(create_with_groups(group, 3, 1000), -EINVAL); /* longer than the message */
	assert_int_equal(create_with_groups(group, 3, 1), -EINVAL); /* ends within the record */
}

/* Extensions end the message: with only a part of it staged they are somewhere else. */
static void groups_out_of_reach(void **state)
{
	in = (struct fuse_in_header){ .opcode = FUSE_MKDIR, .total_extlen = 1 };
	r->nr_names = 1;
	r->inline_iov[0] = (struct iovec){ (char *)"a\0......", 9 };
	r->fs.data = r->inline_iov;
	r->fs.data_cnt = 1;
	r->fs.data_len = 1 << 20;
	assert_int_equal(req_parse_names(r, "a\0......", 9), -E2BIG);
}

/* Both directions keep their own segments, however long the two lists are. */
static void long_lists_do_not_mix(void **state)
{
	static const int lengths[][2] = { { 1, 1 },   { 20, 0 },  { 10, 10 }, { 10, 11 }, { 21, 5 },
					  { 5, 21 },  { 30, 40 }, { 528, 528 } };
	static char in_bytes[1040], out_bytes[1040];
	struct fake_list data = { in_bytes, 0 }, room = { out_bytes, 0 };
	struct thr thr = { .index = 0 };
	struct dio dio = { .thr = &thr };

	r->dio = &dio;
	for (size_t t = 0; t < ARRAY_SIZE(lengths); t++) {
		data.n = lengths[t][0];
		room.n = lengths[t][1];
		r->datain = data.n ? (void *)&data : NULL;
		r->dataout = room.n ? (void *)&room : NULL;
		r->iov_used = r->block_used = 0;
		r->fs.data_cnt = r->fs.room_cnt = 0;
		r->block = NULL;
		assert_int_equal(req_map_direct(r), 0);
		assert_int_equal(r->fs.data_cnt, data.n);
		assert_int_equal(r->fs.room_cnt, room.n);
		for (int i = 0; i < data.n; i++)
			assert_ptr_equal(r->fs.data[i].iov_base, in_bytes + i);
		for (int i = 0; i < room.n; i++)
			assert_ptr_equal(r->fs.room[i].iov_base, out_bytes + i);
		if (r->block)
			thr_iov_block_put(&thr, r->block);
	}
	assert_int_equal(thr.nr_iov_blocks, 1); /* one at a time, and used again */

	data.n = room.n = REQ_MAX_IOV / 2 + 1; /* more than any chain of the library has */
	r->iov_used = r->block_used = 0;
	r->block = NULL;
	assert_int_equal(req_map_direct(r), -E2BIG);
	free(r->block);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(entries, setup, teardown),
		cmocka_unit_test_setup_teardown(unterminated, setup, teardown),
		cmocka_unit_test_setup_teardown(targets, setup, teardown),
		cmocka_unit_test_setup_teardown(attribute_names, setup, teardown),
		cmocka_unit_test_setup_teardown(data_follows_names, setup, teardown),
		cmocka_unit_test_setup_teardown(groups, setup, teardown),
		cmocka_unit_test_setup_teardown(groups_out_of_reach, setup, teardown),
		cmocka_unit_test_setup_teardown(long_lists_do_not_mix, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
