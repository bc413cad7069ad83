/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_GUEST_FSOPS_H
#define TESTS_GUEST_FSOPS_H

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

/*
 * One case: runs in a process of its own, as root, umask 022, in an empty directory of its own on
 * the file system under test. It returns when all is well and leaves through one of the checks
 * below otherwise.
 */
struct fs_case {
	const char *name;
	void (*run)(void);
};

/* Where the file systems under test are allowed to differ. */
struct fs_profile {
	const char *name;
	bool xattr;		/* user.* attributes exist */
	bool rename_flags;	/* RENAME_NOREPLACE and RENAME_EXCHANGE exist */
	bool fallocate;		/* allocation, holes, zero ranges */
	bool holes;		/* SEEK_HOLE finds holes, not only the end */
	bool wide_times;	/* times before 1970 are kept */
	bool link_times;	/* a symbolic link's own times can be set */
	bool truncate_kills;	/* truncation by a stranger takes set-user-id away */
	bool never_stale;	/* a file replaced between look-up and use still answers */
	bool supp_groups;	/* a group of the caller other than the first lets it create */
};

extern const struct fs_profile *fs_profile;

/* A prepared directory of fs_big_count files named f0, f1, ...; NULL when there is none. */
extern const char *fs_big_dir;
extern unsigned int fs_big_count;

/* Ended with a NULL name each. */
extern const struct fs_case fs_cases_open[];
extern const struct fs_case fs_cases_data[];
extern const struct fs_case fs_cases_map[];
extern const struct fs_case fs_cases_space[];
extern const struct fs_case fs_cases_attr[];
extern const struct fs_case fs_cases_name[];
extern const struct fs_case fs_cases_rename[];
extern const struct fs_case fs_cases_dir[];
extern const struct fs_case fs_cases_xattr[];
extern const struct fs_case fs_cases_cred[];

_Noreturn void fs_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
_Noreturn void fs_skip(const char *why);
long fs_ok(long ret, const char *what, const char *file, int line);
void fs_err(long ret, int want, int or_want, const char *what, const char *file, int line);
void fs_eq(long long got, long long want, const char *what, const char *file, int line);

/* The call must succeed; its value is the value of the macro. */
#define OK(call) fs_ok((long)(call), #call, __FILE__, __LINE__)
/* The call must return -1 with this errno, or with one of two. */
#define ERR(call, want) fs_err((long)(call), (want), (want), #call, __FILE__, __LINE__)
#define ERR2(call, a, b) fs_err((long)(call), (a), (b), #call, __FILE__, __LINE__)
#define EQ(got, want) fs_eq((long long)(got), (long long)(want), #got, __FILE__, __LINE__)
#define TRUE(cond) ((cond) ? (void)0 : fs_fail(__FILE__, __LINE__, "not true: %s", #cond))

/* A file of that name holding that text, mode 0644. */
void fs_put(const char *name, const char *text);
/* The file must hold exactly that text. */
void fs_expect(const char *name, const char *text);
int fs_open(const char *name, int flags, mode_t mode);
struct stat fs_stat(const char *name);
struct stat fs_lstat(const char *name);
mode_t fs_mode(const char *name);
/* Bytes that depend on seed and position; the check fails the case at the first wrong one. */
void fs_fill(unsigned char *buf, size_t len, uint64_t pos, unsigned int seed);
void fs_check(const unsigned char *buf, size_t len, uint64_t pos, unsigned int seed);
void *fs_alloc(size_t len);

/* Runs fn as that user in a child; fails the case when fn does. groups: ngroups further groups. */
void fs_as(uid_t uid, gid_t gid, const gid_t *groups, size_t ngroups, void (*fn)(void));
/* Starts n children running fn(0..n-1) at the same time and waits for all of them. */
void fs_together(unsigned int n, void (*fn)(unsigned int who));

#endif
