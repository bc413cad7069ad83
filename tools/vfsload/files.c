/* SPDX-License-Identifier: BSD-3-Clause */
/* What one wants to try on a server without a guest: look at it, list, read, write. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "load.h"

#define CHUNK (128u << 10)

struct bit_name {
	unsigned bit;
	const char *name;
};

static const struct bit_name virtio_bits[] = {
	{28, "INDIRECT_DESC"}, {29, "EVENT_IDX"}, {30, "PROTOCOL_FEATURES"}, {32, "VERSION_1"},
	{33, "ACCESS_PLATFORM"}, {34, "RING_PACKED"}, {35, "IN_ORDER"}, {26, "LOG_ALL"},
	{40, "RING_RESET"},
};

static const struct bit_name proto_bits[] = {
	{0, "MQ"}, {1, "LOG_SHMFD"}, {3, "REPLY_ACK"}, {5, "BACKEND_REQ"}, {8, "PAGEFAULT"},
	{9, "CONFIG"}, {10, "BACKEND_SEND_FD"}, {11, "HOST_NOTIFIER"}, {12, "INFLIGHT_SHMFD"},
	{13, "RESET_DEVICE"}, {14, "INBAND_NOTIFICATIONS"}, {15, "CONFIGURE_MEM_SLOTS"},
	{16, "STATUS"}, {18, "SHARED_OBJECT"}, {19, "DEVICE_STATE"},
};

static void print_bits(const char *what, uint64_t v, const struct bit_name *names, unsigned nr)
{
	unsigned i;

	printf("%-18s 0x%llx", what, (unsigned long long)v);
	for (i = 0; i < nr; i++)
		if (v & 1ull << names[i].bit)
			printf(" %s", names[i].name);
	printf("\n");
}

static int probe(const struct load_opts *o, struct vufe_fs *fs)
{
	struct vufe_dev *dev = fs->dev;
	struct {
		char tag[VUFE_TAG_LEN];
		uint32_t nr_queues;
	} cfg;

	print_bits("virtio features", dev->offered, virtio_bits, ARRAY_SIZE(virtio_bits));
	if (dev->ops == &vufe_vhost_ops)
		print_bits("protocol features", dev->proto_offered, proto_bits,
			   ARRAY_SIZE(proto_bits));
	if (dev->max_queues)
		printf("%-18s %llu\n", "queues", (unsigned long long)dev->max_queues);
	if ((dev->ops != &vufe_vhost_ops || dev->proto & VUFE_PF_CONFIG) &&
	    !vufe_get_config(dev, 0, sizeof(cfg), &cfg))
		printf("%-18s %.36s\n%-18s %u\n", "tag", cfg.tag, "request queues", cfg.nr_queues);
	printf("%-18s %u.%u\n%-18s 0x%llx\n%-18s %u\n%-18s %u\n%-18s %u\n", "FUSE version",
	       fs->init.major, fs->init.minor, "FUSE flags",
	       (unsigned long long)fs->init.flags | (unsigned long long)fs->init.flags2 << 32,
	       "max_write", fs->init.max_write, "max_readahead", fs->init.max_readahead,
	       "max_pages", fs->init.max_pages);
	return 0;
}

static int list(const struct load_opts *o, struct vufe_fs *fs)
{
	static uint8_t buf[CHUNK];
	struct fuse_entry_out e;
	uint64_t fh, off = 0;
	size_t len, at;
	int r = vufe_walk(fs, o->path, &e);

	if (!r)
		r = vufe_opendir(fs, e.nodeid, &fh);
	if (r)
		return r;
	do {
		r = vufe_readdir(fs, e.nodeid, fh, off, false, buf, sizeof(buf), &len);
		for (at = 0; !r && at < len;) {
			const struct fuse_dirent *d = (const void *)(buf + at);

			if (len - at < FUSE_NAME_OFFSET || d->namelen > len - at - FUSE_NAME_OFFSET)
				return -EPROTO;
			printf("%.*s\n", (int)d->namelen, d->name);
			off = d->off;
			at += FUSE_DIRENT_SIZE(d);
		}
	} while (!r && len);
	vufe_releasedir(fs, e.nodeid, fh);
	return r;
}

static int show(const struct load_opts *o, struct vufe_fs *fs)
{
	struct fuse_entry_out e;
	struct tm tm;
	char when[32];
	int r = vufe_walk(fs, o->path, &e);
	time_t t = (time_t)e.attr.mtime;

	if (r)
		return r;
	strftime(when, sizeof(when), "%F %T", localtime_r(&t, &tm));
	printf("node %llu ino %llu mode 0%o links %u uid %u gid %u size %llu blocks %llu "
	       "mtime %s\n",
	       (unsigned long long)e.nodeid, (unsigned long long)e.attr.ino, e.attr.mode,
	       e.attr.nlink, e.attr.uid, e.attr.gid, (unsigned long long)e.attr.size,
	       (unsigned long long)e.attr.blocks, when);
	return 0;
}

static int cat(const struct load_opts *o, struct vufe_fs *fs)
{
	static uint8_t buf[CHUNK];
	struct fuse_entry_out e;
	uint64_t fh, off = 0;
	size_t len;
	int r = vufe_walk(fs, o->path, &e);

	if (!r)
		r = vufe_fopen(fs, e.nodeid, O_RDONLY, &fh);
	if (r)
		return r;
	do {
		r = vufe_read(fs, e.nodeid, fh, off, buf, sizeof(buf), &len);
		/* A server that accepts everything has no end of file either. */
		if (!r && off + len > e.attr.size)
			len = off < e.attr.size ? e.attr.size - off : 0;
		if (!r && len && fwrite(buf, 1, len, stdout) != len)
			r = -EIO;
		off += len;
	} while (!r && len);
	vufe_release(fs, e.nodeid, fh);
	return r;
}

/* Splits off the last name; the node of what is before it. */
static int walk_parent(struct vufe_fs *fs, const char *path, uint64_t *ret_dir,
		       const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	struct fuse_entry_out e;
	char *dir;
	int r;

	*ret_name = slash ? slash + 1 : path;
	dir = slash ? strndup(path, (size_t)(slash - path)) : strdup("");
	if (!dir)
		return -ENOMEM;
	r = vufe_walk(fs, dir, &e);
	*ret_dir = e.nodeid;
	free(dir);
	return r;
}

/* Servers may leave it to the guest to open what exists: ESTALE, and Linux looks the name up. */
static int open_to_put(struct vufe_fs *fs, const char *path, struct fuse_entry_out *e, uint64_t *fh)
{
	const char *name;
	uint64_t dir;
	int r = walk_parent(fs, path, &dir, &name);

	if (!r)
		r = vufe_create(fs, dir, name, 0644, O_WRONLY | O_CREAT | O_TRUNC, e, fh);
	if (r != -ESTALE)
		return r;
	r = vufe_walk(fs, path, e);
	return r ? r : vufe_fopen(fs, e->nodeid, O_WRONLY | O_TRUNC, fh);
}

static int put(const struct load_opts *o, struct vufe_fs *fs)
{
	static uint8_t buf[CHUNK];
	struct fuse_entry_out e;
	uint64_t fh, off = 0;
	size_t max = min(fs->init.max_write ? fs->init.max_write : 4096, CHUNK), len, done;
	int r = open_to_put(fs, o->path, &e, &fh);

	if (r)
		return r;
	while (!r && (len = fread(buf, 1, max, stdin))) {
		r = vufe_write(fs, e.nodeid, fh, off, buf, len, &done);
		if (!r && done != len)
			r = -EIO;
		off += len;
	}
	if (!r)
		r = vufe_flush(fs, e.nodeid, fh);
	if (r == -ENOSYS) /* "no need to" */
		r = 0;
	vufe_release(fs, e.nodeid, fh);
	return r;
}

static int (*const commands[])(const struct load_opts *o, struct vufe_fs *fs) = {
	[CMD_PROBE] = probe, [CMD_LS] = list, [CMD_STAT] = show, [CMD_CAT] = cat, [CMD_PUT] = put,
};

int files_command(const struct load_opts *o)
{
	struct vufe_opts vo = {.path = o->socket, .transport = o->transport, .kick = o->kick};
	struct vufe_dev dev;
	struct vufe_fs fs;
	int r = vufe_open(&dev, &vo);

	if (!r)
		r = vufe_fs_init(&fs, &dev);
	if (r) {
		fprintf(stderr, "vfsload: %s\n", dev.err);
		vufe_close(&dev);
		return 1;
	}
	r = commands[o->command](o, &fs);
	if (r)
		fprintf(stderr, "vfsload: %s: %s%s%s\n", o->path ? o->path : o->socket,
			strerror(-r), dev.err[0] ? ": " : "", dev.err);
	vufe_fs_destroy(&fs);
	vufe_close(&dev);
	return r ? 1 : 0;
}
