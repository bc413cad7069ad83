/* SPDX-License-Identifier: BSD-3-Clause */
#include "nfs_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct call shared;

int nfs_try(const char *server, const char *export_path, const char *options, char *err)
{
	struct fs_config cfg = { .type = "nfs", .server = server, .export_path = export_path,
				 .options = options };
	struct fs *fs;
	int rc;

	err[0] = '\0';
	rc = fs_nfs.open(&cfg, &fs, err);
	if (!rc)
		fs_nfs.close(fs);
	return rc;
}

void nfs_drive(struct drive *d, const char *export_path, const char *options)
{
	const struct fs_config cfg = { .type = "nfs", .server = "127.0.0.1",
				       .export_path = export_path, .options = options };

	nfs_drive_as(d, &cfg);
}

void nfs_drive_as(struct drive *d, const struct fs_config *cfg)
{
	char err[FS_ERR_LEN] = "";
	struct fs *fs;

	if (fs_nfs.req_ctx_size > sizeof(shared.ctx) || fs_nfs.open(cfg, &fs, err)) {
		fprintf(stderr, "nfs_fixture: %s\n", err);
		abort();
	}
	fs->cache.entry_ns = fs->cache.attr_ns = 1000000000u;
	drive_attach(d, fs, 0);
}

/* ---- a real server ---- */

static bool run_tool(struct nfs_server *s)
{
	char line[256], *value;
	unsigned int nfs = 0, mnt = 0;
	FILE *p;

	snprintf(line, sizeof(line), "%s start %s", s->tool, s->dir);
	p = popen(line, "r");
	while (p && fgets(line, sizeof(line), p)) {
		line[strcspn(line, "\n")] = '\0';
		value = strchr(line, '=');
		if (!value)
			continue;
		*value++ = '\0';
		if (!strcmp(line, "NFS_PORT"))
			nfs = (unsigned int)atoi(value);
		else if (!strcmp(line, "MNT_PORT"))
			mnt = (unsigned int)atoi(value);
		else if (!strcmp(line, "STATE"))
			snprintf(s->state, sizeof(s->state), "%s", value);
	}
	snprintf(s->options, sizeof(s->options), "nfsport=%u,mountport=%u", nfs, mnt);
	return p && pclose(p) == 0 && nfs && mnt;
}

static bool make_dir(struct nfs_server *s, const char *size)
{
	char line[256];

	strcpy(s->dir, "/tmp/softdpu-test-nfs-under-a-long-name.XXXXXX");
	if (!mkdtemp(s->dir))
		abort();
	snprintf(line, sizeof(line), "mount -t tmpfs -o size=%s none %s", size ? size : "", s->dir);
	s->mounted = size && !system(line);
	if (chmod(s->dir, 0755))
		abort();
	return !size || s->mounted;
}

bool nfs_server_start(struct nfs_server *s, const char *tool)
{
	return nfs_server_start_sized(s, tool, NULL);
}

bool nfs_server_start_sized(struct nfs_server *s, const char *tool, const char *size)
{
	memset(s, 0, sizeof(*s));
	s->tool = tool;
	if (geteuid() || system("command -v ganesha.nfsd >/dev/null")) {
		printf("SKIP: %s\n", geteuid() ? "needs root" : "nfs-ganesha is not installed");
		return false;
	}
	if (make_dir(s, size) && run_tool(s))
		return true;
	printf("SKIP: nfs-ganesha does not start here\n");
	nfs_server_stop(s);
	return false;
}

void nfs_server_stop(struct nfs_server *s)
{
	char line[600];

	snprintf(line, sizeof(line), "%s stop %s; %s %s; rm -rf %s", s->tool, s->state,
		 s->mounted ? "umount -l" : ":", s->dir, s->dir);
	if (system(line))
		fprintf(stderr, "nfs_fixture: %s fails\n", line);
}

/* ---- operations ---- */

static int run_entry(struct fuse_entry_out *e)
{
	int err = call_run(&shared);

	if (e)
		*e = shared.out.entry;
	return err;
}

int t_simple(struct drive *d, uint32_t opcode, uint64_t node, const char *name,
	       struct fuse_entry_out *e)
{
	call_init(&shared, d, opcode, node);
	shared.req.name[0] = name;
	return run_entry(e);
}

int t_mknod(struct drive *d, const char *name, uint32_t mode, uint32_t rdev,
	      struct fuse_entry_out *e)
{
	call_init(&shared, d, FUSE_MKNOD, ROOT);
	shared.req.name[0] = name;
	shared.arg.mknod.mode = mode;
	shared.arg.mknod.rdev = rdev;
	return run_entry(e);
}

int t_symlink(struct drive *d, const char *name, const char *target, struct fuse_entry_out *e)
{
	call_init(&shared, d, FUSE_SYMLINK, ROOT);
	shared.req.name[0] = name;
	shared.req.name[1] = target;
	return run_entry(e);
}

int t_link(struct drive *d, uint64_t file, uint64_t dir, const char *name,
	     struct fuse_entry_out *e)
{
	call_init(&shared, d, FUSE_LINK, dir);
	shared.req.name[0] = name;
	shared.arg.link.oldnodeid = file;
	return run_entry(e);
}

int t_access(struct drive *d, uint64_t node, uint32_t mask)
{
	call_init(&shared, d, FUSE_ACCESS, node);
	shared.arg.access.mask = mask;
	return call_run(&shared);
}

int t_handle_op(struct drive *d, uint32_t opcode, uint64_t fh)
{
	call_init(&shared, d, opcode, ROOT);
	if (opcode == FUSE_FLUSH)
		shared.arg.flush.fh = fh;
	else
		shared.arg.fsync.fh = fh;
	return call_run(&shared);
}

int t_readlink(struct drive *d, uint64_t node, char *buf, size_t room)
{
	int err;

	call_init(&shared, d, FUSE_READLINK, node);
	call_room(&shared, room);
	err = call_run(&shared);
	if (err)
		return err;
	memcpy(buf, shared.buf, shared.req.out_len);
	buf[shared.req.out_len] = '\0';
	return (int)shared.req.out_len;
}

int t_readdir(struct drive *d, bool plus, uint64_t fh, uint64_t off, void *buf, size_t size)
{
	int err;

	call_init(&shared, d, plus ? FUSE_READDIRPLUS : FUSE_READDIR, ROOT);
	shared.arg.read = (struct fuse_read_in){ .fh = fh, .offset = off, .size = (uint32_t)size };
	call_room(&shared, size);
	shared.room.iov_base = buf;
	err = call_run(&shared);
	return err ? err : (int)shared.req.out_len;
}

const char *nfs_on_host(const struct nfs_server *server, const char *name)
{
	static char path[2][512];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[0]), "%s/%s", server->dir, name);
	return path[turn];
}

int nfs_put_file(const char *path, const char *text, mode_t mode)
{
	FILE *p = fopen(path, "w");
	int rc;

	if (!p)
		return -errno;
	rc = fputs(text, p) < 0 ? -EIO : 0;
	if (fclose(p) || chmod(path, mode))
		rc = -errno;
	return rc;
}
