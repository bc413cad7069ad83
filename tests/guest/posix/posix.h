/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_GUEST_POSIX_H
#define TESTS_GUEST_POSIX_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/*
 * A topic: runs in a process of its own, as root, umask 0, in an empty directory of its own on the
 * file system under test. It makes assertions, each of which is counted by itself.
 */
struct px_topic {
	const char *name;
	void (*run)(void);
};

/* Ended with a NULL name each. */
extern const struct px_topic px_topics_acl[];
extern const struct px_topic px_topics_caps[];
extern const struct px_topic px_topics_create[];
extern const struct px_topic px_topics_data[];
extern const struct px_topic px_topics_errors[];
extern const struct px_topic px_topics_links[];
extern const struct px_topic px_topics_lockwait[];
extern const struct px_topic px_topics_locks[];
extern const struct px_topic px_topics_more[];
extern const struct px_topic px_topics_open[];
extern const struct px_topic px_topics_owner[];
extern const struct px_topic px_topics_paths[];
extern const struct px_topic px_topics_perm[];
extern const struct px_topic px_topics_rename[];
extern const struct px_topic px_topics_space[];
extern const struct px_topic px_topics_times[];
extern const struct px_topic px_topics_xattr[];

/* Where a file system is known to differ; ended with a NULL topic. */
struct px_known {
	const char *fs;		/* of px_fs, or "*" */
	const char *topic;
	const char *law;	/* part of the law; NULL: the whole topic may skip itself */
	const char *reason;
};

extern const struct px_known px_known[];

/* "tmpfs", "ext4", "overlay", "fuse" or "other". */
extern const char *px_fs;

/*
 * Assertions. law says which sentence of which page is tested: "rmdir(2) ENOTEMPTY: pathname
 * contains entries other than . and ..". A failed one is reported, and the topic goes on.
 */
void px_call(const char *law, long ret, int want, const char *what, const char *file, int line);
void px_same(const char *law, long long got, long long want, const char *what, const char *file,
	     int line);
/* Setting the stage: has to work, else the topic ends as failed. */
long px_need(long ret, const char *what, const char *file, int line);
_Noreturn void px_skip(const char *why);

/* The call returns -1 with that errno; 0: it succeeds. */
#define CALL(law, want, call) \
	px_call(law, (errno = 0, (long)(call)), (want), #call, __FILE__, __LINE__)
#define SAME(law, got, want) \
	px_same(law, (long long)(got), (long long)(want), #got, __FILE__, __LINE__)
#define HOLDS(law, cond) px_same(law, !!(cond), 1, #cond, __FILE__, __LINE__)
#define NEED(call) px_need((long)(call), #call, __FILE__, __LINE__)

/* A law put together from parts; good until the eighth next call. */
const char *px_law(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A file of mode 0644 with that text; the mode is not masked (nor with the others below). */
void px_put(const char *name, const char *text);
void px_put_mode(const char *name, const char *text, mode_t mode, uid_t uid, gid_t gid);
void px_dir(const char *name, mode_t mode, uid_t uid, gid_t gid);
void px_socket(const char *name);
/* Makes name of that kind: file, dir, full (a directory with an entry), link, dangling, fifo,
 * socket. */
void px_make(const char *kind, const char *name);
/* Removes name, whatever it is; its contents, too. */
void px_remove(const char *name);
struct stat px_stat(const char *name);	/* of a link itself */
long long px_ino(const char *name);	/* 0: there is no such name */
bool px_holds(const char *name, const char *text);
void *px_alloc(size_t len);
/* A copy of this program, to execute; with -i it is px_print_ids(). */
void px_copy_self(const char *to);
int px_print_ids(void);

/* Acts as that user until px_root(). groups: further groups. */
void px_become(uid_t uid, gid_t gid, const gid_t *groups, size_t ngroups);
void px_root(void);

/* Runs fn in a child; px_join() waits for it, its assertions count. */
pid_t px_fork(void (*fn)(void *arg), void *arg);
void px_join(pid_t pid);
void px_in_child(void (*fn)(void *arg), void *arg);
void px_msleep(unsigned int ms);

/* A mount name space of our own, in which only we see what is mounted; false: not possible here. */
bool px_own_mounts(void);

#endif
