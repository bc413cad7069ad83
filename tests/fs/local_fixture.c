/* SPDX-License-Identifier: BSD-3-Clause */
#include "local_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/local/local.h"

struct drive d;
char dir[256];
struct fs_config local_cfg;

const char *in_dir(const char *name)
{
	static char path[2][512];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

int local_setup(void **state)
{
	const char *base = getenv("TEST_LOCAL_BASE");

	snprintf(dir, sizeof(dir), "%s/test_local.XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(dir) || chmod(dir, 0777))
		return -1;
	umask(077);
	local_cfg.type = "local";
	local_cfg.dir = dir;
	drive_open_cfg(&d, &fs_local, &local_cfg);
	if (getenv("TEST_LOCAL_COLD"))
		container_of(d.ft, struct local_thread, ft)->cold = UINT_MAX;
	return 0;
}

int local_teardown(void **state)
{
	char cmd[300];

	drive_close(&d);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd);
}

uint64_t make_file(const char *name, uint32_t mode)
{
	struct fuse_entry_out e;
	uint64_t fh;

	if (op_create(&d, ROOT, name, O_RDWR | O_EXCL, S_IFREG | mode, &e, &fh) ||
	    op_release(&d, fh)) {
		fprintf(stderr, "cannot make %s\n", name);
		abort();
	}
	return e.nodeid;
}

void local_warm(void)
{
	container_of(d.ft, struct local_thread, ft)->cold = 0;
}

int open_fds(void)
{
	DIR *fds = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(fds))
		n++;
	closedir(fds);
	return n;
}
