/* SPDX-License-Identifier: BSD-3-Clause */
/* The NFS back end and a real server: what users of several ids may do, two guests, a full disk, a lost export. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "../fs/nfs_fixture.h"

static struct nfs_server server;
static struct drive d, other;

static void begin_drive(struct drive *drive)
{
	const struct fs_config cfg = { .type = "nfs", .server = "127.0.0.1", .export_path = server.dir,
				       .options = server.options, .cache = FS_CACHE_AUTO };

	nfs_drive_as(drive, &cfg);
}

static int setup(void **state)
{
	begin_drive(&d);
	begin_drive(&other);
	return 0;
}

static int teardown(void **state)
{
	drive_close(&other);
	drive_close(&d);
	return 0;
}

/* ---- who may what: as the machine's own kernel has it ---- */

enum action { READ_FILE, WRITE_FILE, READ_WRITE, ACCESS_R, ACCESS_W, ACCESS_X, CHMOD_FILE, TOUCH, CHOWN_FILE,
	      MAKE_IN, REMOVE_IN, LOOK_IN, NR_ACTIONS };

static const struct user {
	uid_t uid;
	gid_t gid;
} users[] = { { 0, 0 }, { 1000, 1000 }, { 1001, 1000 }, { 1002, 1002 } };

/* In a process of that user, on the directory itself; 0 or an errno. */
static int locally(const char *path, enum action action)
{
	char name[600];
	int rc;

	snprintf(name, sizeof(name), "%s/%s", path, action == MAKE_IN ? "new" : "in");
	switch (action) {
	case READ_FILE:
	case WRITE_FILE:
	case READ_WRITE:
		rc = open(path, action == READ_FILE ? O_RDONLY : action == WRITE_FILE ? O_WRONLY : O_RDWR);
		break;
	case ACCESS_R:
	case ACCESS_W:
	case ACCESS_X:
		rc = access(path, action == ACCESS_R ? R_OK : action == ACCESS_W ? W_OK : X_OK);
		break;
	case CHMOD_FILE:
		rc = chmod(path, 0600);
		break;
	case TOUCH:
		rc = utimensat(AT_FDCWD, path, (const struct timespec[2]){ { 5, 5 }, { 5, 5 } }, 0);
		break;
	case CHOWN_FILE:
		rc = chown(path, 1001, (gid_t)-1);
		break;
	case MAKE_IN:
		rc = mkdir(name, 0700);
		break;
	case REMOVE_IN:
		rc = unlink(name);
		break;
	default: {
		struct stat st;

		rc = lstat(name, &st);
	}
	}
	return rc < 0 ? errno : 0;
}

static int as_user(const struct user *u, const char *path, enum action action)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (setgroups(0, NULL) || setresgid(u->gid, u->gid, u->gid) ||
		    setresuid(u->uid, u->uid, u->uid))
			_exit(255);
		_exit(locally(path, action));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 255);
	return WEXITSTATUS(status);
}

static int open_close(uint64_t node, uint32_t flags)
{
	uint64_t fh;
	int rc = op_open(&d, node, flags, &fh);

	return rc ? rc : op_release(&d, fh);
}

static int over_nfs(const struct user *u, uint64_t node, enum action action)
{
	struct fuse_setattr_in in = { 0 };
	struct fuse_entry_out e;
	int rc;

	d.uid = u->uid;
	d.gid = u->gid;
	switch (action) {
	case READ_FILE:
	case WRITE_FILE:
	case READ_WRITE:
		rc = open_close(node, action == READ_FILE ? O_RDONLY :
				      action == WRITE_FILE ? O_WRONLY : O_RDWR);
		break;
	case ACCESS_R:
	case ACCESS_W:
	case ACCESS_X:
		rc = t_access(&d, node, action == ACCESS_R ? R_OK : action == ACCESS_W ? W_OK : X_OK);
		break;
	case CHMOD_FILE:
		in = (struct fuse_setattr_in){ .valid = FATTR_MODE, .mode = 0600 };
		rc = op_setattr(&d, node, &in, NULL);
		break;
	case TOUCH:
		in = (struct fuse_setattr_in){ .valid = FATTR_MTIME, .mtime = 5, .mtimensec = 5 };
		rc = op_setattr(&d, node, &in, NULL);
		break;
	case CHOWN_FILE:
		in = (struct fuse_setattr_in){ .valid = FATTR_UID, .uid = 1001 };
		rc = op_setattr(&d, node, &in, NULL);
		break;
	case MAKE_IN:
		rc = op_mkdir(&d, node, "new", 0700, &e);
		break;
	case REMOVE_IN:
		rc = op_unlink(&d, node, "in");
		break;
	default:
		rc = op_lookup(&d, node, "in", &e);
	}
	d.uid = d.gid = 0;
	return -rc;
}

/* An object of its own for each try: two, for the kernel and for the server. Of uid 1000, gid 1000. */
static const char *make_object(const char *name, bool dir, mode_t mode)
{
	const char *path = nfs_on_host(&server, name);
	char in[600];

	snprintf(in, sizeof(in), "%s/in", path);
	if (dir) {
		assert_int_equal(mkdir(path, 0700), 0);
		assert_int_equal(nfs_put_file(in, "x", 0644), 0);
		assert_int_equal(chown(in, 1000, 1000), 0);
	} else {
		assert_int_equal(nfs_put_file(path, "x", 0600), 0);
	}
	assert_int_equal(chown(path, 1000, 1000), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static void try_one(const struct user *u, mode_t mode, enum action action)
{
	static unsigned int serial;
	struct fuse_entry_out e;
	char name[2][32];
	int want, got;

	snprintf(name[0], sizeof(name[0]), "k%u", ++serial);
	snprintf(name[1], sizeof(name[1]), "n%u", serial);
	want = as_user(u, make_object(name[0], action >= MAKE_IN, mode), action);
	make_object(name[1], action >= MAKE_IN, mode);
	assert_int_equal(op_lookup(&d, ROOT, name[1], &e), 0);
	got = over_nfs(u, e.nodeid, action);
	/* Two names of "no": which of them is the server's business. */
	if (got != want && !((got == EPERM || got == EACCES) && (want == EPERM || want == EACCES)))
		fail_msg("uid %u gid %u, mode %o, action %d: %s, should be %s", u->uid, u->gid, mode, action,
			 strerror(got), strerror(want));
}

static void test_permissions(void **state)
{
	static const mode_t modes[] = { 0000, 0400, 0300, 0060, 0010, 0007, 0644, 0770, 01777 };

	for (size_t u = 0; u < ARRAY_SIZE(users); u++)
		for (size_t m = 0; m < ARRAY_SIZE(modes); m++)
			for (int action = 0; action < NR_ACTIONS; action++)
				try_one(&users[u], modes[m], (enum action)action);
}

/* ---- two guests ---- */

static void test_close_to_open(void **state)
{
	struct fuse_entry_out e, seen;
	char buf[64], text[32];
	uint64_t a, b;

	assert_int_equal(op_create(&d, ROOT, "shared", O_RDWR, 0644, &e, &a), 0);
	for (int i = 0; i < 20; i++) {
		int len = snprintf(text, sizeof(text), "%0*d", 1 + i, i);

		assert_int_equal(op_write(&d, a, text, (size_t)len, 0, 0), len);
		assert_int_equal(t_handle_op(&d, FUSE_FLUSH, a), 0);
		/* open() of the other one: it looks the name up, for it may not remember it. */
		assert_int_equal(op_lookup(&other, ROOT, "shared", &seen), 0);
		assert_int_equal(seen.entry_valid, 0);
		assert_int_equal(seen.attr.size, len);
		assert_int_equal(op_open(&other, seen.nodeid, O_RDONLY, &b), 0);
		assert_int_equal(op_read(&other, b, buf, sizeof(buf), 0), len);
		assert_memory_equal(buf, text, (size_t)len);
		assert_int_equal(op_release(&other, b), 0);
	}
	assert_int_equal(op_release(&d, a), 0);
}

/* ---- an export that goes, and comes back ---- */

static void restart(const char *edit)
{
	char line[600];

	snprintf(line, sizeof(line),
		 "%s crash %s && sed -i '%s' %s/ganesha.conf && %s revive %s >/dev/null", server.tool,
		 server.state, edit, server.state, server.tool, server.state);
	assert_int_equal(system(line), 0);
}

static void test_export_removed(void **state)
{
	struct fuse_entry_out e;
	struct fuse_attr a;
	uint64_t fh;
	int rc;

	assert_int_equal(op_create(&d, ROOT, "kept", O_RDWR, 0644, &e, &fh), 0);
	assert_int_equal(op_write(&d, fh, "data", 4, 0, 0), 4);
	restart("s/Export_Id = 1/Export_Id = 2/");
	assert_int_equal(op_getattr(&d, ROOT, &a), -ESTALE);
	restart("s/Export_Id = 2/Export_Id = 1/");
	assert_int_equal(op_getattr(&d, e.nodeid, &a), 0);
	assert_int_equal(a.size, 4);
	/* If this took so long that it was committed by itself meanwhile, that is told, once. */
	rc = t_handle_op(&d, FUSE_FSYNC, fh);
	assert_true(!rc || rc == -ESTALE);
	assert_int_equal(t_handle_op(&d, FUSE_FSYNC, fh), 0);
	assert_int_equal(op_release(&d, fh), 0);
}

/* ---- a full disk, in a server of its own ---- */

static void test_full_disk(void **state)
{
	static uint8_t data[65536];
	struct nfs_server main_server = server;
	struct fuse_entry_out e;
	struct drive small;
	uint64_t fh, off;
	struct stat st;
	int rc = 0;

	if (!nfs_server_start_sized(&server, main_server.tool, "4m")) {
		nfs_server_stop(&server);
		server = main_server;
		skip();
	}
	begin_drive(&small);
	assert_int_equal(op_create(&small, ROOT, "big", O_RDWR, 0644, &e, &fh), 0);
	for (off = 0; rc >= 0 && off < 16u << 20; off += (uint64_t)rc)
		rc = op_write(&small, fh, data, sizeof(data), off, 0);
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(t_handle_op(&small, FUSE_FSYNC, fh), 0);
	assert_int_equal(stat(nfs_on_host(&server, "big"), &st), 0);
	assert_in_range(st.st_size, 3u << 20, 4u << 20);
	/* Room again: it goes on where it was. */
	assert_int_equal(op_setattr(&small, e.nodeid,
				    &(struct fuse_setattr_in){ .valid = FATTR_SIZE, .size = 0 }, NULL), 0);
	assert_int_equal(op_write(&small, fh, data, sizeof(data), 0, 0), sizeof(data));
	assert_int_equal(t_handle_op(&small, FUSE_FSYNC, fh), 0);
	assert_int_equal(op_release(&small, fh), 0);
	drive_close(&small);
	nfs_server_stop(&server);
	server = main_server;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_permissions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_to_open, setup, teardown),
		cmocka_unit_test_setup_teardown(test_export_removed, setup, teardown),
		cmocka_unit_test(test_full_disk),
	};
	int rc;

	if (argc < 2 || !nfs_server_start(&server, argv[1]))
		return 77;
	umask(0);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	nfs_server_stop(&server);
	return rc;
}
