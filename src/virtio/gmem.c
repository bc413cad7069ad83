/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * Two counted objects. A gm_map owns one mmap() and lives as long as any snapshot that shows it; a
 * gmem is a snapshot and never changes after gm_create(). Readers need no lock: whoever can see a
 * snapshot holds a count on it. Counts are taken relaxed (the taker already holds one) and dropped
 * with acquire-release, so that the unmap in the last gm_map_put() comes after every other holder's
 * accesses.
 */
#include "virtio/gmem.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/atomics.h"
#include "base/util.h"
#include "virtio/gm_guard.h"

struct gm_map {
	unsigned int refs; /* atomic */
	uint8_t *base; /* of the part asked for */
	uint64_t size;
	void *mapping; /* what munmap() gets; NULL: not ours */
	size_t mapping_len;
	int guard; /* number at the guard; only of what is ours */
	struct gm_budget *budget; /* NULL: charged to nobody */
};

struct gm_budget {
	unsigned int refs; /* atomic */
	unsigned int nr_maps; /* atomic */
	uint64_t bytes; /* atomic */
	uint64_t max_bytes;
};

static void gm_ref(unsigned int *refs)
{
	__atomic_fetch_add(refs, 1, __ATOMIC_RELAXED);
}

/* true: that was the last count. Pairs with the same operation on the other threads. */
static bool gm_unref(unsigned int *refs)
{
	return __atomic_sub_fetch(refs, 1, __ATOMIC_ACQ_REL) == 0;
}

static int gm_map_new(void *base, uint64_t size, struct gm_map **ret_map)
{
	struct gm_map *map = calloc(1, sizeof(*map));

	if (!map)
		return -ENOMEM;
	map->refs = 1;
	map->base = base;
	map->size = size;
	*ret_map = map;
	return 0;
}

/* Granularity of mappings of fd: huge pages cannot be unmapped in parts. */
static int gm_page_size(int fd, uint64_t *ret_page)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	*ret_page = (uint64_t)sysconf(_SC_PAGESIZE);
	if (fs.f_type == HUGETLBFS_MAGIC && is_pow2((uint64_t)fs.f_bsize))
		*ret_page = max(*ret_page, (uint64_t)fs.f_bsize);
	return 0;
}

/* Memory behind the end of a file raises SIGBUS when touched: refuse it while that is cheap. */
static int gm_check_file(int fd, uint64_t offset, uint64_t size)
{
	struct stat st;

	if (!size || offset > INT64_MAX || size > INT64_MAX - offset)
		return -EINVAL;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < offset + size)
		return -EINVAL;
	return 0;
}

/* Makes mem[0..len), which the map then owns, what base[0..size) is a part of. */
static int gm_map_own(struct gm_map *map, void *mem, uint64_t len, uint64_t page)
{
	map->guard = gm_guard_add(mem, len, page);
	if (map->guard < 0)
		return map->guard;
	map->mapping = mem;
	map->mapping_len = len;
	return 0;
}

int gm_map_fd(int fd, uint64_t offset, uint64_t size, bool writable, struct gm_map **ret_map)
{
	int prot = PROT_READ | (writable ? PROT_WRITE : 0);
	uint64_t page = 0, lead, len;
	struct gm_map *map = NULL;
	void *mem;
	int rc;

	rc = gm_check_file(fd, offset, size);
	if (!rc)
		rc = gm_page_size(fd, &page);
	if (rc)
		return rc;
	lead = offset & (page - 1);
	len = ALIGN_UP(lead + size, page);
	mem = mmap(NULL, len, prot, MAP_SHARED | MAP_NORESERVE, fd, (off_t)(offset - lead));
	if (mem == MAP_FAILED)
		return -errno;
	/* guest memory does not belong in our core dumps; only advice */
	madvise(mem, len, MADV_DONTDUMP);
	rc = gm_map_new((uint8_t *)mem + lead, size, &map);
	if (!rc)
		rc = gm_map_own(map, mem, len, page);
	if (rc) {
		free(map);
		munmap(mem, len);
		return rc;
	}
	*ret_map = map;
	return 0;
}

int gm_map_anon(uint64_t size, struct gm_map **ret_map)
{
	struct gm_map *map = NULL;
	void *mem;
	int rc;

	if (!size || size > INT64_MAX)
		return -EINVAL;
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		   -1, 0);
	if (mem == MAP_FAILED)
		return -errno;
	madvise(mem, size, MADV_DONTDUMP);
	rc = gm_map_new(mem, size, &map);
	if (!rc)
		rc = gm_map_own(map, mem, size, (uint64_t)sysconf(_SC_PAGESIZE));
	if (rc) {
		free(map);
		munmap(mem, size);
		return rc;
	}
	*ret_map = map;
	return 0;
}

int gm_map_static(void *base, uint64_t size, struct gm_map **ret_map)
{
	if (!base || !size)
		return -EINVAL;
	return gm_map_new(base, size, ret_map);
}

uint8_t *gm_map_base(const struct gm_map *map)
{
	return map->base;
}

struct gm_map *gm_map_get(struct gm_map *map)
{
	gm_ref(&map->refs);
	return map;
}

int gm_budget_create(uint64_t max_bytes, struct gm_budget **ret_budget)
{
	struct gm_budget *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->refs = 1;
	b->max_bytes = max_bytes;
	*ret_budget = b;
	return 0;
}

void gm_budget_put(struct gm_budget *budget)
{
	if (budget && gm_unref(&budget->refs))
		free(budget);
}

int gm_map_charge(struct gm_map *map, struct gm_budget *b)
{
	unsigned int nr = __atomic_add_fetch(&b->nr_maps, 1, __ATOMIC_RELAXED);
	uint64_t bytes = __atomic_add_fetch(&b->bytes, map->size, __ATOMIC_RELAXED);

	gm_ref(&b->refs);
	map->budget = b;
	return nr > GM_BUDGET_MAPS || bytes > b->max_bytes ? -ENOSPC : 0;
}

static void gm_map_discharge(struct gm_map *map)
{
	struct gm_budget *b = map->budget;

	if (!b)
		return;
	__atomic_sub_fetch(&b->nr_maps, 1, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&b->bytes, map->size, __ATOMIC_RELAXED);
	gm_budget_put(b);
}

void gm_map_put(struct gm_map *map)
{
	if (!map || !gm_unref(&map->refs))
		return;
	if (map->mapping) {
		gm_guard_remove(map->guard);
		munmap(map->mapping, map->mapping_len);
	}
	gm_map_discharge(map);
	free(map);
}

bool gm_map_is_lost(const struct gm_map *map)
{
	return map->mapping && gm_guard_is_lost(map->guard);
}

static int gm_region_cmp(const void *a, const void *b)
{
	const struct gm_region *x = a, *y = b;

	return x->gpa < y->gpa ? -1 : x->gpa > y->gpa;
}

static bool gm_region_valid(const struct gm_region *r)
{
	return r->map && r->size && r->size <= r->map->size && r->gpa <= UINT64_MAX - r->size &&
	       r->uva <= UINT64_MAX - r->size;
}

static bool gm_regions_valid(const struct gm_region *region, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		if (!gm_region_valid(&region[i]) ||
		    (i && region[i].gpa < region[i - 1].gpa + region[i - 1].size))
			return false;
	return true;
}

int gm_create(const struct gm_region *region, unsigned int nr, struct gmem **ret_gm)
{
	struct gmem *gm;

	if (nr > GM_MAX_REGIONS)
		return -E2BIG;
	gm = calloc(1, sizeof(*gm) + nr * sizeof(gm->region[0]));
	if (!gm)
		return -ENOMEM;
	if (nr) {
		memcpy(gm->region, region, nr * sizeof(gm->region[0]));
		qsort(gm->region, nr, sizeof(gm->region[0]), gm_region_cmp);
	}
	if (!gm_regions_valid(gm->region, nr)) {
		free(gm);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < nr; i++) {
		gm_map_get(gm->region[i].map);
		gm->region[i].base = gm->region[i].map->base;
	}
	gm->refs = 1;
	gm->nr = nr;
	*ret_gm = gm;
	return 0;
}

struct gmem *gm_get(struct gmem *gm)
{
	gm_ref(&gm->refs);
	return gm;
}

void gm_put(struct gmem *gm)
{
	if (!gm || !gm_unref(&gm->refs))
		return;
	for (unsigned int i = 0; i < gm->nr; i++)
		gm_map_put(gm->region[i].map);
	free(gm);
}

bool gm_is_lost(const struct gmem *gm)
{
	for (unsigned int i = 0; i < gm->nr; i++)
		if (gm_map_is_lost(gm->region[i].map))
			return true;
	return false;
}

/* Index of the last region that starts at or below gpa; gm->nr when there is none. */
static unsigned int gm_find(const struct gmem *gm, uint64_t gpa)
{
	unsigned int lo = 0, hi = gm->nr;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;

		if (gm->region[mid].gpa <= gpa)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? lo - 1 : gm->nr;
}

void *gm_translate_search(const struct gmem *gm, uint64_t gpa, uint64_t len, bool write,
			  unsigned int *hint, uint64_t *ret_len)
{
	unsigned int i = gm_find(gm, gpa);
	const struct gm_region *r;
	uint64_t off;

	if (i == gm->nr || !len)
		return NULL;
	r = &gm->region[i];
	off = gpa - r->gpa;
	if (off >= r->size || (write && !r->writable))
		return NULL;
	*hint = i;
	*ret_len = min(len, r->size - off);
	return r->base + off;
}

void *gm_translate_uva(const struct gmem *gm, uint64_t uva, uint64_t len)
{
	for (unsigned int i = 0; i < gm->nr; i++) {
		const struct gm_region *r = &gm->region[i];
		uint64_t off = uva - r->uva;

		if (off < r->size && len <= r->size - off)
			return r->base + off;
	}
	return NULL;
}

void *gm_translate_gpa(const struct gmem *gm, uint64_t gpa, uint64_t len)
{
	unsigned int i = gm_find(gm, gpa);
	uint64_t off;

	if (i == gm->nr)
		return NULL;
	off = gpa - gm->region[i].gpa;
	if (off >= gm->region[i].size || len > gm->region[i].size - off)
		return NULL;
	return gm->region[i].base + off;
}
