/* SPDX-License-Identifier: BSD-3-Clause */
#include "hello.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static const char hello_text[] = "Hello from the DPU\n";

static const struct hello_entry {
	const char *name;
	uint64_t nodeid;
	uint32_t mode;
} hello_entries[] = {
	{".", HELLO_ROOT, S_IFDIR | 0755},
	{"..", HELLO_ROOT, S_IFDIR | 0755},
	{"hello", HELLO_FILE, S_IFREG | 0444},
};
#define NR_ENTRIES (sizeof(hello_entries) / sizeof(hello_entries[0]))

int hello_init(const struct fuse_init_in *in, struct fuse_init_out *out)
{
	if (in->major != FUSE_KERNEL_VERSION)
		return -EPROTO;
	out->major = FUSE_KERNEL_VERSION;
	out->minor = in->minor < FUSE_KERNEL_MINOR_VERSION ? in->minor : FUSE_KERNEL_MINOR_VERSION;
	out->max_readahead = in->max_readahead;
	out->max_write = 4096;
	return 0;
}

static void hello_attr(const struct hello_entry *entry, struct fuse_attr *attr)
{
	attr->ino = entry->nodeid;
	attr->mode = entry->mode;
	attr->nlink = S_ISDIR(entry->mode) ? 2 : 1;
	attr->size = S_ISREG(entry->mode) ? sizeof(hello_text) - 1 : 0;
	attr->blksize = 4096;
}

int hello_getattr(uint64_t nodeid, struct fuse_attr_out *attr_out)
{
	size_t i;

	for (i = 1; i < NR_ENTRIES; i++) {
		if (hello_entries[i].nodeid != nodeid)
			continue;
		hello_attr(&hello_entries[i], &attr_out->attr);
		attr_out->attr_valid = 1;
		return 0;
	}
	return -ENOENT;
}

int hello_lookup(uint64_t nodeid, const char *name, struct fuse_entry_out *entry)
{
	size_t i;

	for (i = 0; nodeid == HELLO_ROOT && i < NR_ENTRIES; i++) {
		if (strcmp(hello_entries[i].name, name))
			continue;
		hello_attr(&hello_entries[i], &entry->attr);
		entry->nodeid = hello_entries[i].nodeid;
		entry->entry_valid = 1;
		entry->attr_valid = 1;
		return 0;
	}
	return -ENOENT;
}

int hello_read(uint64_t nodeid, const struct fuse_read_in *in, char *buf, size_t room)
{
	size_t len = sizeof(hello_text) - 1;

	if (nodeid != HELLO_FILE)
		return -EISDIR;
	if (in->offset >= len)
		return 0;
	len -= in->offset;
	if (len > in->size)
		len = in->size;
	if (len > room)
		len = room;
	memcpy(buf, hello_text + in->offset, len);
	return (int)len;
}

/* The offset of an entry is the number of the one after it. */
int hello_readdir(uint64_t nodeid, const struct fuse_read_in *in, char *buf, size_t room)
{
	size_t at = 0, limit = in->size < room ? in->size : room;
	uint64_t i;

	if (nodeid != HELLO_ROOT)
		return -ENOTDIR;
	for (i = in->offset; i < NR_ENTRIES; i++) {
		const struct hello_entry *entry = &hello_entries[i];
		struct fuse_dirent dirent = {.ino = entry->nodeid,
					     .off = i + 1,
					     .namelen = (uint32_t)strlen(entry->name),
					     .type = entry->mode >> 12};
		size_t size = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + dirent.namelen);

		if (size > limit - at)
			break;
		memset(buf + at, 0, size);
		memcpy(buf + at, &dirent, FUSE_NAME_OFFSET);
		memcpy(buf + at + FUSE_NAME_OFFSET, entry->name, dirent.namelen);
		at += size;
	}
	return (int)at;
}
