/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * The session keeps the list of DMA regions as the client has built it, each with a counted
 * mapping. Any change makes a new snapshot (gmem) and hands it to the function, whose queues
 * switch; the reply waits until they have, because the next doorbell may count on it.
 *
 * A request keeps the snapshot it was popped under. The function settles when nobody uses one any
 * more that had memory which is gone, so the reply to DMA_UNMAP waits for that, too. Requests which
 * the application holds for longer than the session's patience keep their memory: it is never
 * pulled from under one, and the client must not be kept for ever.
 *
 * Descriptors are closed as soon as the mapping exists. What the client could still do is truncate
 * the file behind it, as with vhost-user: sealed where that is possible, noticed by the guard
 * (gm_guard.h) otherwise, which breaks the queue that met it and ends the connection.
 *
 * A region without descriptor cannot be mapped. If all of them are like that they get a shadow, and
 * the queues of a virtio function are relayed (relay.h). Next to memory that is mapped they are
 * left out, because buffers there would not be relayed: VMMs have no descriptors for their ROMs,
 * and no driver has rings or buffers in those.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "transport/vfio_user/vfu.h"

/* Twice the largest guest there is; keeps one client from eating the address space of all. */
#define VFU_MEM_MAX (32ull << 40)
#define VFU_MEM_PAGE 4096ull

static uint64_t mem_total(const struct vfu_session *s)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < s->nr_regions; i++)
		sum += s->region[i].r.size;
	return sum;
}

/* Only queues can be relayed: memory that a device reads as it likes must really be there. */
static bool mem_is_relayed(struct vfu_session *s)
{
	if (!pci_dev_virtio(vfu_port_of(s)->pci))
		return false;
	for (unsigned int i = 0; i < s->nr_regions; i++)
		if (!s->region[i].by_message)
			return false;
	return s->nr_regions;
}

/* A mapping that this client may still have; put if not. */
static int mem_charge(struct vfu_session *s, struct gm_map **map)
{
	int rc = s->budget ? 0 : gm_budget_create(VFU_MEM_MAX, &s->budget);

	if (!rc)
		rc = gm_map_charge(*map, s->budget);
	if (!rc)
		return 0;
	gm_map_put(take_ptr(*map));
	return vfu_fail(s, rc, "requests in flight still use too much memory of before");
}

/* Regions without descriptor get a shadow, or lose it. */
static int mem_set_shadow(struct vfu_session *s, bool on)
{
	int rc = 0;

	for (unsigned int i = 0; i < s->nr_regions && !rc; i++) {
		struct vfu_region *r = &s->region[i];

		if (!r->by_message || on == !!r->r.map)
			continue;
		if (on)
			rc = gm_map_anon(r->r.size, &r->r.map);
		else
			gm_map_put(take_ptr(r->r.map));
		if (on && !rc)
			rc = mem_charge(s, &r->r.map);
	}
	return rc ? vfu_fail(s, rc, "shadow: %s", strerror(-rc)) : 0;
}

/* Tells the function of the list as it is now. rings: NULL, or whence to take them. */
static int mem_publish(struct vfu_session *s, const struct gmem *rings)
{
	struct gm_region mapped[GM_MAX_REGIONS];
	bool relay = mem_is_relayed(s);
	struct gmem *gm;
	unsigned int nr = 0;
	int rc;

	vfu_relay_cancel(s);
	rc = mem_set_shadow(s, relay);
	if (rc)
		return rc;
	for (unsigned int i = 0; i < s->nr_regions; i++)
		if (s->region[i].r.map)
			mapped[nr++] = s->region[i].r;
	rc = gm_create(mapped, nr, &gm);
	if (rc)
		return vfu_fail(s, rc, "memory table of %u regions: %s", nr, strerror(-rc));
	if (rings)
		vfu_relay_copy_rings(s, rings, gm);
	gm_put(s->gm);
	s->gm = gm;
	pci_func_set_relay(vfu_func(s), relay ? &vfu_relay_ops : NULL);
	pci_func_set_memory(vfu_func(s), gm);
	s->patience = VFU_PATIENCE_MEMORY_NS;
	return 0;
}

/* The function has what it was given; the old shadow goes with its last user. */
int vfu_mem_renew(struct vfu_session *s)
{
	struct gmem *old = gm_get(s->gm);
	int rc;

	for (unsigned int i = 0; i < s->nr_regions; i++)
		gm_map_put(take_ptr(s->region[i].r.map));
	rc = mem_publish(s, old);
	gm_put(old);
	return rc;
}

/* ---- map ---- */

static bool mem_overlaps(const struct vfu_session *s, const struct vfu_dma_map *w)
{
	for (unsigned int i = 0; i < s->nr_regions; i++)
		if (w->address < s->region[i].r.gpa + s->region[i].r.size &&
		    s->region[i].r.gpa < w->address + w->size)
			return true;
	return false;
}

static int mem_check(struct vfu_session *s, const struct vfu_dma_map *w)
{
	if (w->argsz < sizeof(*w) || !w->flags ||
	    (w->flags & ~(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)))
		return vfu_fail(s, -EINVAL, "argsz %u, flags 0x%x", w->argsz, w->flags);
	if (!w->size || (w->address | w->size) % VFU_MEM_PAGE || w->address > UINT64_MAX - w->size)
		return vfu_fail(s, -EINVAL, "memory at 0x%" PRIx64 ": bad size 0x%" PRIx64,
				w->address, w->size);
	if (mem_overlaps(s, w))
		return vfu_fail(s, -EEXIST, "memory at 0x%" PRIx64 ", 0x%" PRIx64
				" bytes: overlaps", w->address, w->size);
	if (s->nr_regions >= s->limits.max_maps)
		return vfu_fail(s, -ENOSPC, "more than %u memory regions", s->limits.max_maps);
	if (w->size > VFU_MEM_MAX - mem_total(s))
		return vfu_fail(s, -E2BIG, "more than 0x%llx bytes of memory", VFU_MEM_MAX);
	return 0;
}

static int mem_map_fd(struct vfu_session *s, const struct vfu_dma_map *w, int fd,
		      struct gm_map **ret_map)
{
	struct stat st;
	int rc;

	/* Fails where there are no seals, or where QEMU has them all set already. */
	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return vfu_fail(s, -EBADF,
				"memory at 0x%" PRIx64 ": not a file, memfd or huge page file",
				w->address);
	rc = gm_map_fd(fd, w->offset, w->size, w->flags & VFIO_DMA_MAP_FLAG_WRITE, ret_map);
	if (rc)
		return vfu_fail(s, rc, "memory at 0x%" PRIx64 ", 0x%" PRIx64 " bytes from 0x%" PRIx64
				": %s", w->address, w->size, w->offset, strerror(-rc));
	return mem_charge(s, ret_map);
}

int vfu_dma_map(struct vfu_session *s, const struct vfu_msg *m)
{
	struct vfu_region *r = &s->region[s->nr_regions];
	struct vfu_dma_map w;
	struct gm_map *map = NULL;
	int rc;

	memcpy(&w, m->payload, sizeof(w));
	rc = mem_check(s, &w);
	if (!rc && m->nr_fds)
		rc = mem_map_fd(s, &w, s->rx.fd[0], &map);
	if (rc)
		return rc;
	*r = (struct vfu_region){
		.r = {
			.gpa = w.address,
			.uva = w.address,
			.size = w.size,
			.writable = w.flags & VFIO_DMA_MAP_FLAG_WRITE,
			.map = map,
		},
		.by_message = !map,
	};
	s->nr_regions++;
	if (!map && !mem_is_relayed(s))
		return 0; /* left out */
	rc = mem_publish(s, NULL);
	if (rc) {
		s->nr_regions--;
		gm_map_put(r->r.map);
	}
	return rc;
}

/* ---- unmap ---- */

/* Index of the region, or -ENOENT. */
static int mem_find(struct vfu_session *s, const struct vfu_dma_unmap *w)
{
	for (unsigned int i = 0; i < s->nr_regions; i++)
		if (s->region[i].r.gpa == w->address && s->region[i].r.size == w->size)
			return (int)i;
	return vfu_fail(s, -ENOENT, "no memory at 0x%" PRIx64 " of 0x%" PRIx64 " bytes", w->address,
			w->size);
}

static int mem_unmap(struct vfu_session *s, const struct vfu_dma_unmap *w)
{
	struct vfu_region gone;
	int i, rc;

	i = mem_find(s, w);
	if (i < 0)
		return i;
	gone = s->region[i];
	s->region[i] = s->region[--s->nr_regions];
	rc = gone.r.map ? mem_publish(s, NULL) : 0;
	if (rc)
		s->region[s->nr_regions++] = gone;
	else
		gm_map_put(gone.r.map);
	return rc;
}

static void mem_forget(struct vfu_session *s)
{
	while (s->nr_regions)
		gm_map_put(s->region[--s->nr_regions].r.map);
}

static int mem_unmap_all(struct vfu_session *s, const struct vfu_dma_unmap *w)
{
	if (w->address || w->size)
		return vfu_fail(s, -EINVAL, "all memory, and that at 0x%" PRIx64, w->address);
	mem_forget(s);
	return mem_publish(s, NULL);
}

int vfu_dma_unmap(struct vfu_session *s, const struct vfu_msg *m)
{
	struct vfu_dma_unmap w;
	int rc;

	memcpy(&w, m->payload, sizeof(w));
	if (w.flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP)
		return vfu_fail(s, -ENOTSUP, "there is no dirty bitmap");
	if (w.argsz < sizeof(w) || (w.flags & ~VFIO_DMA_UNMAP_FLAG_ALL))
		return vfu_fail(s, -EINVAL, "argsz %u, flags 0x%x", w.argsz, w.flags);
	rc = w.flags & VFIO_DMA_UNMAP_FLAG_ALL ? mem_unmap_all(s, &w) : mem_unmap(s, &w);
	if (rc)
		return rc;
	vfu_tx_add(&s->reply, &w, sizeof(w));
	return 0;
}

void vfu_mem_release(struct vfu_session *s)
{
	mem_forget(s);
	gm_put(s->gm);
	s->gm = NULL;
}
