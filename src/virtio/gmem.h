/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guest memory as immutable, counted snapshots.
 *
 * Theory: the front end names regions (guest physical address, size, front-end address,
 * descriptor). Each mapping is a counted struct gm_map; a struct gmem is a sorted, never-changing
 * set of them. A change of the memory table builds a new gmem and hands it to the queues, which
 * switch when they can; a request keeps the snapshot it was popped under, so an unmap never pulls
 * memory from under it. gm_get/gm_put are atomic and may run on any thread; lookups touch no shared
 * state.
 */
#ifndef VIRTIO_GMEM_H
#define VIRTIO_GMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* vhost-user's table holds 8 without memory slots; 512 is QEMU's own limit of slots. */
#define GM_MAX_REGIONS 512
#define GM_BUDGET_MAPS (2 * GM_MAX_REGIONS) /* all memory once more, while it is replaced */

struct gm_map; /* one mmap()ed piece of a region, counted */

struct gm_region {
	uint64_t gpa;
	uint64_t uva; /* the front end's own address of it; vhost-user names rings by it */
	uint64_t size;
	uint8_t *base; /* where this process has it mapped */
	bool writable;
	struct gm_map *map;
};

struct gmem {
	unsigned int refs; /* atomic */
	unsigned int nr;
	struct gm_region region[]; /* sorted by gpa, disjoint */
};

/*
 * A mapping of fd (not consumed) from offset; NULL-free: 0 or -errno, -ENOSPC: GM_GUARD_MAX exist.
 * count 1.
 */
int gm_map_fd(int fd, uint64_t offset, uint64_t size, bool writable, struct gm_map **ret_map);
/* Fresh zeroes of our own, which take no room until they are touched. */
int gm_map_anon(uint64_t size, struct gm_map **ret_map);
/* Memory that is already there (loop transport, tests); not unmapped at the end. */
int gm_map_static(void *base, uint64_t size, struct gm_map **ret_map);
uint8_t *gm_map_base(const struct gm_map *map);
struct gm_map *gm_map_get(struct gm_map *map);
void gm_map_put(struct gm_map *map); /* NULL is fine */
/* Has the front end taken a part of it away (gm_guard.h)? For good: it does not come back. */
bool gm_map_is_lost(const struct gm_map *map);

/*
 * What one front end has mapped, counted on each map until that is gone: requests in flight keep old
 * snapshots, each with maps of its own, and address space and guard slots are everybody's.
 */
struct gm_budget;
/* count 1, and 1 for each map charged to it. 0 or -ENOMEM */
int gm_budget_create(uint64_t max_bytes, struct gm_budget **ret_budget);
void gm_budget_put(struct gm_budget *budget); /* NULL is fine */
/* Once a map. -ENOSPC: it is one too many, or too many bytes, and is to be put. */
int gm_map_charge(struct gm_map *map, struct gm_budget *budget);

/*
 * A snapshot of region[0..nr) (any order; base is taken from map). Takes its own count on each map.
 * -EINVAL: zero size, wrap-around, or overlap in gpa; -E2BIG: too many.
 */
int gm_create(const struct gm_region *region, unsigned int nr, struct gmem **ret_gm);
struct gmem *gm_get(struct gmem *gm);
void gm_put(struct gmem *gm); /* NULL is fine */
bool gm_is_lost(const struct gmem *gm); /* any of its maps is */

/*
 * The piece of [gpa, gpa+len) that starts at gpa and lies in one region: its address and, in
 * *ret_len, its length (<= len, > 0). NULL: unmapped, or write wanted of a read-only region. *hint
 * (start with 0) remembers the last region hit; it belongs to the caller's thread.
 */
void *gm_translate_search(const struct gmem *gm, uint64_t gpa, uint64_t len, bool write,
			  unsigned int *hint, uint64_t *ret_len);
static inline void *gm_translate(const struct gmem *gm, uint64_t gpa, uint64_t len, bool write,
				 unsigned int *hint, uint64_t *ret_len)
{
	if (*hint < gm->nr) {
		const struct gm_region *r = &gm->region[*hint];
		uint64_t off = gpa - r->gpa; /* huge when gpa lies below the region */

		if (off < r->size && len && len <= r->size - off && (!write || r->writable)) {
			*ret_len = len;
			return r->base + off;
		}
	}
	return gm_translate_search(gm, gpa, len, write, hint, ret_len);
}
/* As above by the front end's address; the whole range must lie in one region. */
void *gm_translate_uva(const struct gmem *gm, uint64_t uva, uint64_t len);
void *gm_translate_gpa(const struct gmem *gm, uint64_t gpa, uint64_t len);

#endif
