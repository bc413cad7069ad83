/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may do what: every action on an object of every mode, as root, the owner, one of the group and another.
 *
 *   rights make DIR          the objects, on a file system of this machine
 *   rights try DIR [ANON]    what each attempt says, a line each; ANON: that user in the place of root
 *
 * A server that squashes root has to treat it as the machine treats the user it becomes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NR(x) (sizeof(x) / sizeof((x)[0]))
#define OWNER 1000

static char path[64], in[80], to[80];

static int opens(int flags)
{
	int fd = open(path, flags);

	return fd < 0 ? fd : close(fd);
}

static int set_time(const struct timespec *times)
{
	return utimensat(AT_FDCWD, path, times, 0);
}

/* A file server may open what it then does not let be read. */
static int lists(void)
{
	DIR *d = opendir(path);
	int rc;

	if (!d)
		return -1;
	errno = 0;
	rc = readdir(d) ? 0 : -1;
	if (rc && !errno)
		errno = ENOENT;
	closedir(d);
	return rc;
}

static int creates(void)
{
	int fd = open(to, O_WRONLY | O_CREAT | O_EXCL, 0644);

	return fd < 0 ? fd : close(fd);
}

static int looks(void)
{
	struct stat st;

	return lstat(in, &st);
}

static int reads(void) { return opens(O_RDONLY); }
static int writes(void) { return opens(O_WRONLY); }
static int reads_writes(void) { return opens(O_RDWR); }
static int cuts_opening(void) { return opens(O_WRONLY | O_TRUNC); }
static int cuts(void) { return truncate(path, 0); }
static int asks_r(void) { return access(path, R_OK); }
static int asks_w(void) { return access(path, W_OK); }
static int asks_x(void) { return access(path, X_OK); }
static int changes_mode(void) { return chmod(path, 0640); }
static int gives_away(void) { return chown(path, 1001, (gid_t)-1); }
static int changes_group(void) { return chown(path, (uid_t)-1, 1002); }
static int touches(void) { return set_time(NULL); }
static int sets_time(void) { return set_time((const struct timespec[2]){ { 5, 5 }, { 5, 5 } }); }
static int makes_dir(void) { return mkdir(to, 0755); }
static int makes_link(void) { return symlink("x", to); }
static int makes_pipe(void) { return mkfifo(to, 0644); }
static int removes(void) { return unlink(in); }
static int renames(void) { return rename(in, to); }

static const struct action {
	const char *name;
	int (*run)(void);
	int on_dir;
} actions[] = {
	{ "read", reads, 0 },
	{ "write", writes, 0 },
	{ "read-write", reads_writes, 0 },
	{ "open-truncate", cuts_opening, 0 },
	{ "truncate", cuts, 0 },
	{ "access-r", asks_r, 0 },
	{ "access-w", asks_w, 0 },
	{ "access-x", asks_x, 0 },
	{ "chmod", changes_mode, 0 },
	{ "chown", gives_away, 0 },
	{ "chgrp", changes_group, 0 },
	{ "touch", touches, 0 },
	{ "set-time", sets_time, 0 },
	{ "list", lists, 1 },
	{ "create", creates, 1 },
	{ "mkdir", makes_dir, 1 },
	{ "symlink", makes_link, 1 },
	{ "mkfifo", makes_pipe, 1 },
	{ "unlink", removes, 1 },
	{ "rename", renames, 1 },
	{ "lstat", looks, 1 },
};
static const mode_t modes[] = { 0000, 0400, 0300, 0060, 0010, 0007, 0644, 0770, 01777 };
static struct user {
	const char *name;
	uid_t uid;
	gid_t gid;
} users[] = { { "root", 0, 0 }, { "owner", OWNER, OWNER }, { "group", 1001, OWNER }, { "other", 1002, 1002 } };

static void name_object(size_t user, size_t mode, size_t action)
{
	snprintf(path, sizeof(path), "%s.%04o.%s", users[user].name, (unsigned int)modes[mode],
		 actions[action].name);
	snprintf(in, sizeof(in), "%s/in", path);
	snprintf(to, sizeof(to), "%s/to", path);
}

static void put(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT, 0644);

	if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) || chown(name, OWNER, OWNER)) {
		perror(name);
		exit(2);
	}
}

static void make_one(const struct action *a, mode_t mode)
{
	if (a->on_dir && mkdir(path, 0700)) {
		perror(path);
		exit(2);
	}
	put(a->on_dir ? in : path);
	if (chown(path, OWNER, OWNER) || chmod(path, mode)) {
		perror(path);
		exit(2);
	}
}

static void try_all(size_t user)
{
	int rc;

	if (setgroups(0, NULL) || setresgid(users[user].gid, users[user].gid, users[user].gid) ||
	    setresuid(users[user].uid, users[user].uid, users[user].uid)) {
		perror(users[user].name);
		exit(2);
	}
	for (size_t m = 0; m < NR(modes); m++)
		for (size_t a = 0; a < NR(actions); a++) {
			name_object(user, m, a);
			rc = actions[a].run();
			printf("%s %s\n", path, rc ? strerrorname_np(errno) : "yes");
		}
	fflush(stdout);
	_exit(0);
}

int main(int argc, char **argv)
{
	int status, bad = 0;

	if (argc < 3 || argc > 4 || chdir(argv[2])) {
		fprintf(stderr, "usage: rights make|try DIR [ANON]\n");
		return 2;
	}
	umask(0);
	if (argc == 4)
		users[0].uid = users[0].gid = (uid_t)atoi(argv[3]);
	for (size_t u = 0; u < NR(users); u++) {
		if (!strcmp(argv[1], "try")) {
			if (!fork())
				try_all(u);
			bad |= wait(&status) < 0 || status;
			continue;
		}
		for (size_t m = 0; m < NR(modes); m++)
			for (size_t a = 0; a < NR(actions); a++) {
				name_object(u, m, a);
				make_one(&actions[a], modes[m]);
			}
	}
	return bad;
}
