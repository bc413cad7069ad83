/* SPDX-License-Identifier: BSD-3-Clause */
/* Guest memory snapshots: building, refusing, translating, counting. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "virtio/gmem.h"

static uint8_t mem[8192] __attribute__((aligned(4096)));

static struct gm_map *map_of(size_t len)
{
	struct gm_map *map = NULL;

	assert_int_equal(gm_map_static(mem, len, &map), 0);
	return map;
}

/* Two regions that touch and one apart, given in the wrong order. */
static struct gmem *three_regions(struct gm_map *map)
{
	const struct gm_region r[] = {
		{ .gpa = 0x9000, .uva = 0x300000, .size = 0x1000, .map = map, .writable = false },
		{ .gpa = 0x2000, .uva = 0x200000, .size = 0x800, .map = map, .writable = true },
		{ .gpa = 0x1000, .uva = 0x100000, .size = 0x1000, .map = map, .writable = true },
	};
	struct gmem *gm = NULL;

	assert_int_equal(gm_create(r, ARRAY_SIZE(r), &gm), 0);
	return gm;
}

static void test_translate(void **state)
{
	static const struct {
		uint64_t gpa, len;
		bool write;
		uint64_t want_len; /* 0: refused */
		size_t want_off;
	} t[] = {
		{ 0x1000, 16, true, 16, 0 },
		{ 0x1fff, 1, true, 1, 0xfff },
		{ 0x1ff0, 0x20, true, 0x10, 0xff0 }, /* crosses into the next region */
		{ 0x2000, 0x800, true, 0x800, 0 },
		{ 0x2000, UINT64_MAX, true, 0x800, 0 },
		{ 0x2800, 1, false, 0, 0 }, /* hole */
		{ 0x9000, 1, false, 1, 0 },
		{ 0x9000, 1, true, 0, 0 }, /* read only */
		{ 0xfff, 1, false, 0, 0 },
		{ 0, 1, false, 0, 0 },
		{ 0x1000, 0, false, 0, 0 },
		{ UINT64_MAX, 1, false, 0, 0 },
		{ 0xa000, 1, false, 0, 0 },
	};
	struct gm_map *map = map_of(0x1000);
	struct gmem *gm = three_regions(map);

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		for (unsigned int first = 0; first < 5; first++) { /* whatever the hint was */
			unsigned int hint = first;
			uint64_t len = 0;
			void *p = gm_translate(gm, t[i].gpa, t[i].len, t[i].write, &hint, &len);

			if (!t[i].want_len) {
				assert_null(p);
				continue;
			}
			assert_ptr_equal(p, mem + t[i].want_off);
			assert_int_equal(len, t[i].want_len);
		}
	gm_put(gm);
	gm_map_put(map);
}

static void test_whole_range(void **state)
{
	struct gm_map *map = map_of(0x1000);
	struct gmem *gm = three_regions(map);

	assert_ptr_equal(gm_translate_gpa(gm, 0x1010, 0xff0), mem + 0x10);
	assert_null(gm_translate_gpa(gm, 0x1010, 0xff1));
	assert_null(gm_translate_gpa(gm, 0x800, 1));
	assert_null(gm_translate_gpa(gm, 0x2800, 1));
	assert_ptr_equal(gm_translate_uva(gm, 0x2007ff, 1), mem + 0x7ff);
	assert_null(gm_translate_uva(gm, 0x2007ff, 2));
	assert_null(gm_translate_uva(gm, 0x400000, 1));
	assert_null(gm_translate_uva(gm, 0x100000, UINT64_MAX));
	gm_put(gm);
	gm_map_put(map);
}

static void test_refused(void **state)
{
	struct gm_map *map = map_of(0x1000);
	const struct {
		struct gm_region r[2];
		unsigned int nr;
	} t[] = {
		{ { { .gpa = 0, .size = 0, .map = map } }, 1 },
		{ { { .gpa = UINT64_MAX - 0xffe, .size = 0x1000, .map = map } }, 1 },
		{ { { .uva = UINT64_MAX - 0xffe, .size = 0x1000, .map = map } }, 1 },
		{ { { .gpa = 0, .size = 0x1001, .map = map } }, 1 }, /* beyond the mapping */
		{ { { .gpa = 0, .size = 0x1000 } }, 1 },
		{ { { .gpa = 0x0, .size = 0x1000, .map = map },
		    { .gpa = 0xfff, .size = 1, .map = map } }, 2 },
		{ { { .gpa = 0x5, .size = 0x1000, .map = map },
		    { .gpa = 0x5, .size = 0x1000, .map = map } }, 2 },
	};
	struct gmem *gm = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(gm_create(t[i].r, t[i].nr, &gm), -EINVAL);
	assert_int_equal(gm_create(t[0].r, GM_MAX_REGIONS + 1, &gm), -E2BIG);
	assert_int_equal(gm_create(NULL, 0, &gm), 0);
	assert_null(gm_translate_gpa(gm, 0, 1));
	gm_put(gm);
	gm_map_put(map);
}

static int memfd_of(off_t len)
{
	int fd = memfd_create("test_gmem", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, len), 0);
	return fd;
}

static void test_map_fd(void **state)
{
	static const struct {
		uint64_t offset, size;
		int want;
	} t[] = {
		{ 0, 0x4000, 0 },
		{ 0x1000, 0x3000, 0 },
		{ 0x1234, 0x100, 0 }, /* not on a page boundary */
		{ 0, 0, -EINVAL },
		{ 0x1000, 0x3001, -EINVAL }, /* behind the end of the file */
		{ UINT64_MAX, 0x1000, -EINVAL },
		{ 0x1000, UINT64_MAX, -EINVAL },
		{ INT64_MAX, INT64_MAX, -EINVAL },
	};
	int fd = memfd_of(0x4000);

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct gm_map *map = NULL;
		char c = (char)('a' + i);

		assert_int_equal(gm_map_fd(fd, t[i].offset, t[i].size, true, &map), t[i].want);
		if (t[i].want)
			continue;
		memcpy(gm_map_base(map), &c, 1);
		c = 0;
		assert_int_equal(pread(fd, &c, 1, (off_t)t[i].offset), 1);
		assert_int_equal(c, 'a' + i);
		gm_map_put(map);
	}
	close(fd);
	assert_int_equal(gm_map_fd(-1, 0, 1, true, &(struct gm_map *){ NULL }), -EBADF);
}

/* The mapping lives exactly as long as the last snapshot that shows it. */
static void test_counts(void **state)
{
	struct gm_region r = { .gpa = 0, .size = 0x1000, .writable = true };
	struct gmem *one, *two;
	unsigned char vec;
	int fd = memfd_of(0x1000);
	void *base;

	assert_int_equal(gm_map_fd(fd, 0, 0x1000, true, &r.map), 0);
	close(fd);
	base = gm_map_base(r.map);
	assert_int_equal(gm_create(&r, 1, &one), 0);
	assert_int_equal(gm_create(&r, 1, &two), 0);
	gm_map_put(r.map);
	gm_put(gm_get(one));
	gm_put(one);
	assert_int_equal(mincore(base, 0x1000, &vec), 0);
	gm_put(two);
	assert_int_equal(mincore(base, 0x1000, &vec), -1);
	assert_int_equal(errno, ENOMEM);
	gm_put(NULL);
	gm_map_put(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_translate), cmocka_unit_test(test_whole_range),
		cmocka_unit_test(test_refused),	  cmocka_unit_test(test_map_fd),
		cmocka_unit_test(test_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
