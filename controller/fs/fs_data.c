/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes between a file system and the guest's segments: plain data and directory records. */
#include <string.h>

#include "fs/fs.h"

/* Runs over iov from byte off and copies up to len bytes to (dst) or from (src) the other side. */
static size_t iov_copy(const struct iovec *iov, int cnt, size_t off, void *dst, const void *src,
		       size_t len)
{
	size_t done = 0;

	for (int i = 0; i < cnt && done < len; i++) {
		size_t n;

		if (off >= iov[i].iov_len) {
			off -= iov[i].iov_len;
			continue;
		}
		n = min(iov[i].iov_len - off, len - done);
		if (dst)
			memcpy((char *)dst + done, (char *)iov[i].iov_base + off, n);
		else
			memcpy((char *)iov[i].iov_base + off, (const char *)src + done, n);
		done += n;
		off = 0;
	}
	return done;
}

size_t fs_req_put(struct fs_req *req, const void *src, size_t len)
{
	size_t n = iov_copy(req->room, req->room_cnt, req->out_len, NULL, src, len);

	req->out_len += n;
	return n;
}

size_t fs_req_get(const struct fs_req *req, size_t off, void *dst, size_t len)
{
	return iov_copy(req->data, req->data_cnt, off, dst, NULL, len);
}

int fs_iov_slice(const struct iovec *iov, int cnt, size_t off, size_t len, struct iovec *ret,
		 int most)
{
	int n = 0;

	for (int i = 0; i < cnt && len && n < most; i++) {
		size_t part;

		if (off >= iov[i].iov_len) {
			off -= iov[i].iov_len;
			continue;
		}
		part = min(iov[i].iov_len - off, len);
		ret[n].iov_base = (char *)iov[i].iov_base + off;
		ret[n].iov_len = part;
		n++;
		len -= part;
		off = 0;
	}
	return n;
}

static size_t dirent_size(size_t name_len, bool plus)
{
	size_t head = plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;

	return FUSE_DIRENT_ALIGN(head + name_len);
}

bool fs_dirent_fits(const struct fs_req *req, size_t name_len, bool plus)
{
	/* The guest's own size field bounds the reply as well as the room it gave. */
	size_t room = min(req->room_len, (size_t)req->read->size);

	return req->out_len <= room && dirent_size(name_len, plus) <= room - req->out_len;
}

bool fs_dirent_add(struct fs_req *req, const char *name, size_t name_len, uint64_t ino,
		   uint32_t type, uint64_t off, const struct fuse_entry_out *plus)
{
	static const char zero[8];
	const struct fuse_dirent ent = { .ino = ino, .off = off, .namelen = (uint32_t)name_len,
					 .type = type };
	size_t size = dirent_size(name_len, plus != NULL);

	if (!fs_dirent_fits(req, name_len, plus != NULL))
		return false;
	if (plus)
		fs_req_put(req, plus, sizeof(*plus));
	fs_req_put(req, &ent, offsetof(struct fuse_dirent, name));
	fs_req_put(req, name, name_len);
	size -= (plus ? sizeof(*plus) : 0) + offsetof(struct fuse_dirent, name) + name_len;
	fs_req_put(req, zero, size);
	return true;
}
