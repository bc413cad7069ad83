/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * The session keeps the list of regions as the front end has built it, each with a counted
 * mapping. Any change makes a new list, a new snapshot from it (gmem), and leaves the snapshot in
 * next_gm: the session then hands it to the device, whose queues switch, and brings all queues in
 * line afterwards. A queue whose rings are no longer mapped stops, and starts again when they are
 * back.
 *
 * The descriptors are closed as soon as the mapping exists. What the front end could still do is
 * truncate the file behind it, which turns our accesses into SIGBUS. A memfd that allows sealing
 * is therefore sealed against shrinking before its size is looked at (QEMU's are from birth). That
 * cannot be demanded: User-Mode Linux's memory and huge page files cannot be sealed. What they lose
 * is noticed by the guard (gm_guard.h), breaks the queue that met it, and ends the connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "transport/vhost_user/vhu.h"

/* Twice the largest guest there is; keeps one front end from eating the address space of all. */
#define VHU_MEM_MAX (32ull << 40)

static uint64_t mem_total(const struct gm_region *region, unsigned int nr)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < nr; i++)
		sum += region[i].size;
	return sum;
}

static int mem_check_fd(struct vhu_session *s, const struct vhu_mem_region *w, int fd)
{
	struct stat st;

	if (fd < 0)
		return vhu_fail(s, -EBADF,
				"memory at 0x%" PRIx64 " without file descriptor: the guest's "
				"memory is not shared; QEMU wants memory-backend-memfd,share=on",
				w->gpa);
	/* Fails where there are no seals, or where QEMU has them all set already. */
	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
	if (fstat(fd, &st) < 0)
		return vhu_fail(s, -errno, "memory at 0x%" PRIx64 ": fstat: %s", w->gpa,
				strerror(errno));
	if (!S_ISREG(st.st_mode))
		return vhu_fail(s, -EBADF,
				"memory at 0x%" PRIx64 ": not a file, memfd or huge page file",
				w->gpa);
	if (w->mmap_offset > (uint64_t)st.st_size ||
	    w->size > (uint64_t)st.st_size - w->mmap_offset)
		return vhu_fail(s, -EINVAL,
				"memory at 0x%" PRIx64 ": 0x%" PRIx64 " bytes from 0x%"
				PRIx64 ", the file has only 0x%" PRIx64,
				w->gpa, w->size, w->mmap_offset, (uint64_t)st.st_size);
	return 0;
}

/* A mapping that this front end may still have. */
static int mem_map(struct vhu_session *s, const struct vhu_mem_region *w, int fd,
		   struct gm_map **ret_map)
{
	int rc = s->budget ? 0 : gm_budget_create(VHU_MEM_MAX, &s->budget);

	if (!rc)
		rc = gm_map_fd(fd, w->mmap_offset, w->size, true, ret_map);
	if (rc)
		return vhu_fail(s, rc,
				"memory at 0x%" PRIx64 ", 0x%" PRIx64 " bytes: mmap: %s", w->gpa,
				 w->size, strerror(-rc));
	rc = gm_map_charge(*ret_map, s->budget);
	if (!rc)
		return 0;
	gm_map_put(*ret_map);
	return vhu_fail(s, rc, "requests in flight still use too much memory of before");
}

/* Appends one region to region[0..*nr). */
static int mem_append(struct vhu_session *s, struct gm_region *region, unsigned int *nr,
		      const struct vhu_mem_region *w, int fd)
{
	struct gm_region *r = &region[*nr];
	int rc;

	if (!w->size || w->gpa > UINT64_MAX - w->size || w->uva > UINT64_MAX - w->size)
		return vhu_fail(s, -EINVAL, "memory at 0x%" PRIx64 ": bad size 0x%" PRIx64,
				w->gpa, w->size);
	if (w->size > VHU_MEM_MAX - mem_total(region, *nr))
		return vhu_fail(s, -E2BIG, "more than 0x%llx bytes of guest memory", VHU_MEM_MAX);
	rc = mem_check_fd(s, w, fd);
	if (rc)
		return rc;
	*r = (struct gm_region){
		.gpa = w->gpa, .uva = w->uva, .size = w->size, .writable = true};
	rc = mem_map(s, w, fd, &r->map);
	if (rc)
		return rc;
	(*nr)++;
	return 0;
}

static void mem_put_maps(struct gm_region *region, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		gm_map_put(region[i].map);
}

/* Makes the snapshot of region[0..nr) the next one. */
static int mem_publish(struct vhu_session *s, const struct gm_region *region, unsigned int nr)
{
	int rc = gm_create(region, nr, &s->next_gm);

	if (rc)
		return vhu_fail(s, rc, "memory table of %u regions: %s", nr,
				rc == -EINVAL ? "regions overlap" : strerror(-rc));
	vhu_settle_all(s);
	return 0;
}

int vhu_mem_set_table(struct vhu_session *s, struct vhu_msg *m)
{
	const struct vhu_mem_table *t = &m->payload.table;
	struct gm_region region[VHU_TABLE_REGIONS] = {0};
	unsigned int nr = 0;
	int rc = 0;

	/* Linux before 6.13 (User-Mode Linux) sends more room than regions; less is malformed. */
	if (t->nr > VHU_TABLE_REGIONS ||
	    m->hdr.size < offsetof(struct vhu_mem_table, region) + t->nr * sizeof(t->region[0]))
		return vhu_fail(s, -EPROTO, "%u memory regions in %u bytes", t->nr, m->hdr.size);
	while (nr < t->nr && !rc)
		rc = mem_append(s, region, &nr, &t->region[nr], nr < m->nr_fds ? m->fd[nr] : -1);
	if (!rc)
		rc = mem_publish(s, region, nr);
	if (rc) {
		mem_put_maps(region, nr);
		return rc;
	}
	mem_put_maps(s->region, s->nr_regions);
	memcpy(s->region, region, nr * sizeof(region[0]));
	s->nr_regions = nr;
	return 0;
}

int vhu_mem_add(struct vhu_session *s, struct vhu_msg *m)
{
	unsigned int nr = s->nr_regions;
	int rc;

	if (nr == GM_MAX_REGIONS)
		return vhu_fail(s, -ENOSPC, "more than %u memory regions", GM_MAX_REGIONS);
	rc = mem_append(s, s->region, &nr, &m->payload.slot.region, m->nr_fds ? m->fd[0] : -1);
	if (rc)
		return rc;
	rc = mem_publish(s, s->region, nr);
	if (rc) {
		gm_map_put(s->region[nr - 1].map);
		return rc;
	}
	s->nr_regions = nr;
	return 0;
}

static unsigned int mem_find(const struct vhu_session *s, const struct vhu_mem_region *w)
{
	unsigned int i;

	for (i = 0; i < s->nr_regions; i++)
		if (s->region[i].gpa == w->gpa && s->region[i].uva == w->uva &&
		    s->region[i].size == w->size)
			break;
	return i;
}

int vhu_mem_remove(struct vhu_session *s, struct vhu_msg *m)
{
	const struct vhu_mem_region *w = &m->payload.slot.region;
	unsigned int i = mem_find(s, w), last = s->nr_regions - 1;
	struct gm_region gone;
	int rc;

	if (i == s->nr_regions)
		return vhu_fail(s, -ENOENT, "no memory region at 0x%" PRIx64 " of 0x%" PRIx64
				" bytes", w->gpa, w->size);
	gone = s->region[i];
	s->region[i] = s->region[last];
	rc = mem_publish(s, s->region, last);
	if (rc) {
		s->region[i] = gone;
		return rc;
	}
	s->nr_regions = last;
	gm_map_put(gone.map);
	return 0;
}

void vhu_mem_release(struct vhu_session *s)
{
	mem_put_maps(s->region, s->nr_regions);
	s->nr_regions = 0;
	gm_put(s->next_gm);
	s->next_gm = NULL;
	gm_put(s->gm);
	s->gm = NULL;
}
