/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of requests, as the controller judges them before any file system sees them. The functions are
 * the data path's own, so its file is taken in whole; what ends a request is replaced.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "request.c"

static struct fuse_in_header in;
static struct creq *r;

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
