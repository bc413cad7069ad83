/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Regions of the function: what there is, what may be mapped, which doorbells may be rung without a
 * message, and access by message. The function knows all of that; here it is put on the wire.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <string.h>

#include "transport/vfio_user/vfu.h"

static int region_check(struct vfu_session *s, uint32_t index)
{
	return index < PCI_FUNC_NR_REGIONS ? 0 : vfu_fail(s, -EINVAL, "region %u", index);
}

/* ---- information ---- */

static void region_add_areas(struct vfu_session *s, const struct pci_func_region *r)
{
	const struct vfu_sparse_cap cap = {
		.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP,
		.version = 1,
		.nr_areas = r->nr_areas,
	};

	vfu_tx_add(&s->reply, &cap, sizeof(cap));
	for (unsigned int i = 0; i < r->nr_areas; i++) {
		const struct vfu_area area = {r->area[i].offset, r->area[i].size};

		vfu_tx_add(&s->reply, &area, sizeof(area));
	}
}

/*
 * A reply that does not fit into argsz tells how much it would be. It has the flag and the place of
 * the capabilities even then: clients check both before they ask again.
 */
int vfu_region_info(struct vfu_session *s, const struct vfu_msg *m)
{
	struct pci_func_region r = {.fd = -1};
	struct vfu_region_info info;
	uint32_t argsz, room;
	bool map;

	memcpy(&info, m->payload, sizeof(info));
	room = info.argsz;
	if (room < sizeof(info))
		return vfu_fail(s, -EINVAL, "argsz %u", room);
	if (region_check(s, info.index))
		return -EINVAL;
	pci_func_region_info(vfu_func(s), info.index, &r);
	map = r.fd >= 0 && r.nr_areas && s->limits.max_fds;
	argsz = sizeof(info);
	if (map)
		argsz += sizeof(struct vfu_sparse_cap) + r.nr_areas * sizeof(struct vfu_area);
	info = (struct vfu_region_info){
		.argsz = argsz,
		.flags = (r.readable ? VFIO_REGION_INFO_FLAG_READ : 0) |
			 (r.writable ? VFIO_REGION_INFO_FLAG_WRITE : 0) |
			 (map ? VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS : 0),
		.index = info.index,
		.cap_offset = map ? sizeof(info) : 0,
		.size = r.size,
		.offset = map ? r.fd_offset : 0,
	};
	vfu_tx_add(&s->reply, &info, sizeof(info));
	if (map && room >= argsz)
		region_add_areas(s, &r);
	if (map)
		s->reply.fd[s->reply.nr_fds++] = r.fd;
	return 0;
}

static int region_doorbell(struct vfu_session *s, uint32_t index, unsigned int n,
			   struct vfu_io_fd *ret, int *ret_fd)
{
	uint32_t size;
	uint64_t offset;
	int rc = pci_func_nth_doorbell(vfu_func(s), index, n, &offset);

	if (!rc)
		rc = pci_func_doorbell(vfu_func(s), index, offset, ret_fd, &size);
	if (rc)
		return rc;
	*ret = (struct vfu_io_fd){
		.offset = offset, .size = size, .fd_index = n, .type = VFU_IO_FD_IOEVENTFD};
	return 0;
}

/* As many doorbells as the client takes descriptors; the others ring by message. */
int vfu_region_io_fds(struct vfu_session *s, const struct vfu_msg *m)
{
	unsigned int limit = min(s->limits.max_fds, (uint32_t)VFU_FDS_MAX), nr = 0;
	struct vfu_io_fd entry[VFU_FDS_MAX];
	struct vfu_io_fds head;
	uint32_t room;

	memcpy(&head, m->payload, sizeof(head));
	room = head.argsz;
	if (room < sizeof(head) || head.flags || head.count)
		return vfu_fail(s, -EINVAL, "argsz %u, flags 0x%x, count %u", room, head.flags,
				head.count);
	if (region_check(s, head.index))
		return -EINVAL;
	while (nr < limit && !region_doorbell(s, head.index, nr, &entry[nr], &s->reply.fd[nr]))
		nr++;
	head.argsz = (uint32_t)(sizeof(head) + nr * sizeof(entry[0]));
	head.count = nr;
	vfu_tx_add(&s->reply, &head, sizeof(head));
	if (room < head.argsz)
		return 0;
	vfu_tx_add(&s->reply, entry, nr * sizeof(entry[0]));
	s->reply.nr_fds = nr;
	return 0;
}

/* ---- access ---- */

static int region_access_failed(struct vfu_session *s, const struct vfu_region_access *a, int rc)
{
	return vfu_fail(s, rc, "region %u, %u bytes at 0x%" PRIx64, a->region, a->count, a->offset);
}

int vfu_region_read(struct vfu_session *s, const struct vfu_msg *m)
{
	struct vfu_region_access a;
	int rc;

	memcpy(&a, m->payload, sizeof(a));
	if (a.count > s->limits.max_xfer)
		return region_access_failed(s, &a, -EINVAL);
	vfu_tx_add(&s->reply, &a, sizeof(a));
	rc = pci_func_read(vfu_func(s), a.region, a.offset, vfu_tx_room(&s->reply, a.count),
			   a.count);
	return rc ? region_access_failed(s, &a, rc) : 0;
}

int vfu_region_write(struct vfu_session *s, const struct vfu_msg *m)
{
	struct vfu_region_access a;
	int rc = -EINVAL;

	memcpy(&a, m->payload, sizeof(a));
	if (a.count <= m->len - sizeof(a))
		rc = pci_func_write(vfu_func(s), a.region, a.offset, m->payload + sizeof(a),
				    a.count);
	if (rc)
		return region_access_failed(s, &a, rc);
	vfu_tx_add(&s->reply, &a, sizeof(a));
	return 0;
}

/* Up to the first that fails; the answer says how many succeeded. */
int vfu_region_write_multi(struct vfu_session *s, const struct vfu_msg *m)
{
	const uint8_t *at = m->payload + sizeof(struct vfu_multi);
	struct vfu_multi_write w;
	struct vfu_multi head;
	uint64_t done = 0;
	int rc = 0;

	memcpy(&head, m->payload, sizeof(head));
	if (!s->limits.write_multi)
		return vfu_fail(s, -ENOTSUP, "was not negotiated");
	if (head.count > (m->len - sizeof(head)) / sizeof(w))
		return vfu_fail(s, -EINVAL, "%" PRIu64 " writes in %zu bytes", head.count, m->len);
	for (; done < head.count; done++, at += sizeof(w)) {
		memcpy(&w, at, sizeof(w));
		rc = w.count > sizeof(w.data) ? -EINVAL :
						pci_func_write(vfu_func(s), w.region, w.offset,
							       w.data, w.count);
		if (rc)
			break;
	}
	if (rc && !done)
		return vfu_fail(s, rc, "the first write failed");
	head.count = done;
	vfu_tx_add(&s->reply, &head, sizeof(head));
	return 0;
}
