/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: guest memory is one memfd a region, mapped shared here and, by message, in
 * the back end. Guest addresses leave a hole between regions, and the user addresses a front end
 * quotes have nothing to do with either, so a back end that mixes up the three fails at once.
 * Allocation only ever moves forward; everything goes when the device closes.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vufe.h"

#define PAGE 4096ull
#define GPA_START 0x40000000ull
#define GPA_HOLE 0x10000000ull
/* Not zero, so that a back end which forgets the offset shows. */
#define MMAP_OFF (3 * PAGE)

static int no_memory(struct vufe_dev *dev, size_t size)
{
	return vufe_fail(dev, -errno, "guest memory of %zu bytes: %s", size, strerror(errno));
}

static int region_create(struct vufe_dev *dev, struct vufe_region *r, uint64_t gpa, size_t size)
{
	r->fd = memfd_create("vufe", MFD_CLOEXEC | (dev->opts.unsealed ? 0 : MFD_ALLOW_SEALING));
	if (r->fd < 0)
		return no_memory(dev, size);
	if (ftruncate(r->fd, (off_t)(MMAP_OFF + size)))
		return no_memory(dev, size);
	r->va = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, MMAP_OFF);
	if (r->va == MAP_FAILED) {
		r->va = NULL;
		return no_memory(dev, size);
	}
	r->gpa = gpa;
	r->uaddr = dev->opts.uml ? gpa : (uint64_t)(uintptr_t)r->va;
	r->mmap_off = MMAP_OFF;
	r->size = size;
	return 0;
}

int vufe_mem_create(struct vufe_dev *dev)
{
	size_t piece = dev->opts.mem_size / dev->opts.nr_regions;
	uint64_t gpa = GPA_START;
	int r;

	if (dev->opts.nr_regions > VUFE_REGIONS_MAX)
		return vufe_fail(dev, -EINVAL, "more than %d regions", VUFE_REGIONS_MAX);
	piece = (piece + PAGE - 1) / PAGE * PAGE;
	while (dev->nr_regions < dev->opts.nr_regions) {
		struct vufe_region *reg = &dev->region[dev->nr_regions++];

		r = region_create(dev, reg, gpa, piece);
		if (r)
			return r;
		gpa += piece + GPA_HOLE;
	}
	return 0;
}

int vufe_mem_add(struct vufe_dev *dev, unsigned region)
{
	return dev->ops->mem_add(dev, region);
}

int vufe_mem_remove(struct vufe_dev *dev, unsigned region)
{
	return dev->ops->mem_remove(dev, region);
}

int vufe_mem_send(struct vufe_dev *dev)
{
	return dev->ops->mem_send(dev);
}

static void *region_alloc(struct vufe_region *r, size_t size, size_t align, uint64_t *ret_gpa)
{
	size_t start = (r->used + align - 1) / align * align;

	if (start > r->size || size > r->size - start)
		return NULL;
	r->used = start + size;
	*ret_gpa = r->gpa + start;
	return r->va + start;
}

void *vufe_alloc(struct vufe_dev *dev, size_t size, size_t align, uint64_t *ret_gpa)
{
	unsigned i;

	for (i = 0; i < dev->nr_regions; i++) {
		struct vufe_region *r = &dev->region[dev->next_region++ % dev->nr_regions];
		void *p = region_alloc(r, size, align, ret_gpa);

		if (p)
			return p;
	}
	vufe_fail(dev, -ENOMEM, "guest memory is full");
	return NULL;
}

uint64_t vufe_uaddr(const struct vufe_dev *dev, uint64_t gpa)
{
	unsigned i;

	for (i = 0; i < dev->nr_regions; i++) {
		const struct vufe_region *r = &dev->region[i];

		if (gpa >= r->gpa && gpa - r->gpa < r->size)
			return gpa - r->gpa + r->uaddr;
	}
	return 0;
}
